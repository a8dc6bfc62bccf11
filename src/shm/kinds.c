/*
 * kinds.c - the table of all kinds of objects.
 */
#include "shm/kind.h"

static const struct kith__kind *const kinds[] = {
    [KITH_KIND_DICT] = &kith__dict_kind,
    [KITH_KIND_QUEUE] = &kith__queue_kind,
    [KITH_KIND_LOCK] = &kith__sync_kind,
    [KITH_KIND_EVENT] = &kith__sync_kind,
    [KITH_KIND_VALUE] = &kith__value_kind,
    [KITH_KIND_RWLOCK] = &kith__sync_kind,
    [KITH_KIND_LIST] = &kith__list_kind,
    [KITH_KIND_SET] = &kith__dict_kind, /* its keys alone; trash of it is a dict's */
    [KITH_KIND_NAMESPACE] = &kith__dict_kind,
    [KITH_KIND_ARRAY] = &kith__array_kind,
    [KITH_KIND_SEGMENT] = &kith__segment_kind,
    [KITH_KIND_SEMAPHORE] = &kith__semaphore_kind,
    [KITH_KIND_CONDITION] = &kith__condition_kind,
    [KITH_KIND_BARRIER] = &kith__barrier_kind,
    [KITH_KIND_ONCE] = &kith__once_kind,
    [KITH_KIND_LIMITER] = &kith__limiter_kind,
};

const struct kith__kind *
kith__kind_of(enum kith_kind kind)
{
    return (unsigned)kind < sizeof kinds / sizeof kinds[0] ? kinds[kind] : NULL;
}
