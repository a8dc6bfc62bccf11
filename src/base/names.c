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
    static const char *const names[] = {
        [KITH_KIND_NONE] = "none",
        [KITH_KIND_DICT] = "dict",
        [KITH_KIND_QUEUE] = "queue",
        [KITH_KIND_LOCK] = "lock",
        [KITH_KIND_EVENT] = "event",
        [KITH_KIND_VALUE] = "value",
        [KITH_KIND_ARRAY] = "array",
        [KITH_KIND_LIST] = "list",
        [KITH_KIND_SET] = "set",
        [KITH_KIND_NAMESPACE] = "namespace",
        [KITH_KIND_RWLOCK] = "rwlock",
        [KITH_KIND_SEMAPHORE] = "semaphore",
        [KITH_KIND_CONDITION] = "condition",
        [KITH_KIND_BARRIER] = "barrier",
        [KITH_KIND_ONCE] = "once",
        [KITH_KIND_LIMITER] = "limiter",
        [KITH_KIND_SEGMENT] = "segment",
    };

    /* The kind came out of an arena, and may be a later version's. */
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}
