/*
 * names.c - what the library calls itself and the kinds of its objects.
 */
#include <kith/base.h>

const char *
kith_version(void)
{
    return KITH_VERSION;
}

const char *
kith_kind_name(enum kith_kind kind)
{
    switch (kind) {
    case KITH_KIND_NONE:
        return "none";
    case KITH_KIND_DICT:
        return "dict";
    case KITH_KIND_QUEUE:
        return "queue";
    case KITH_KIND_LOCK:
        return "lock";
    case KITH_KIND_EVENT:
        return "event";
    }
    return "unknown"; /* the kind came out of an arena, and may be a later version's */
}
