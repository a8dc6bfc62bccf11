/*
 * kind.c - of which kind an object is, for verbs that several kinds have.
 */
#include "cli.h"

#include <string.h>

struct looking {
    const char *name;
    enum kith_kind kind;
};

static int
look_at(const struct kith_info *info, void *arg)
{
    struct looking *looking = arg;

    if (strcmp(info->name, looking->name) != 0)
        return 0;
    looking->kind = info->kind;
    return 1;
}

enum kith_kind
cli_kind(kith_space *space, const char *name)
{
    struct looking looking = { name, KITH_KIND_NONE };

    return kith_list(space, look_at, &looking) < 0 ? KITH_KIND_NONE : looking.kind;
}
