/*
 * condition.h - waiting, with a user's lock held, until another notifies.
 *
 * Errors come without a sentence as in sync.h.
 */
#ifndef KITH__SHM_CONDITION_H
#define KITH__SHM_CONDITION_H

#include "shm/root.h"

struct kith__condition {
    struct kith__root_ref ref;
    struct kith__sync lock;
};

static inline struct kith__condition_root *
kith__condition_root(const struct kith__condition *condition)
{
    return (struct kith__condition_root *)kith__ptr(condition->ref.arena, condition->ref.off);
}

/* The lock it takes; with an offset of 0 it gets one of its own. */
struct kith__condition_making {
    struct kith__object lock;
    const char *name; /* the lock's */
};
kith_err kith__condition_init(struct kith__op *op, uint64_t off, uint64_t id, void *making);
/* Fills in `lock` by `ref`. */
void kith__condition_find_lock(struct kith__condition *condition);

kith_err kith__condition_wait(struct kith__self *self, const struct kith__condition *condition,
                              int64_t deadline_ns);
kith_err kith__condition_notify(struct kith__self *self, const struct kith__condition *condition,
                                uint64_t n);

#endif /* KITH__SHM_CONDITION_H */
