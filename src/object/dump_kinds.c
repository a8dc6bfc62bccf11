/*
 * dump_kinds.c - which kinds of objects can be dumped.
 *
 * A kind is a row: its functions write and read its settings and entries, and a kind that has a row
 * can be dumped, with no change anywhere else.  They go by way of the object's own functions, so
 * that they hold on every engine.
 */
#include "object/dump.h"

static const struct kith__dump_kind *const kinds[] = {
    &kith__dump_dict,      &kith__dump_list,    &kith__dump_set,     &kith__dump_namespace,
    &kith__dump_queue,     &kith__dump_lock,    &kith__dump_rwlock,  &kith__dump_event,
    &kith__dump_value,     &kith__dump_array,   &kith__dump_segment, &kith__dump_semaphore,
    &kith__dump_condition, &kith__dump_barrier, &kith__dump_once,    &kith__dump_limiter,
};

bool
kith__dumped_any(const struct kith__dumped *object)
{
    (void)object;
    return true;
}

const struct kith__dump_kind *
kith__dump_kind_of(uint64_t kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((uint64_t)kinds[i]->kind == kind)
            return kinds[i];
    return NULL;
}
