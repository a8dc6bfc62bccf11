/*
 * semaphore.h - permits that processes take and give back.
 *
 * Errors come without a sentence as in sync.h.
 */
#ifndef KITH__SHM_SEMAPHORE_H
#define KITH__SHM_SEMAPHORE_H

#include "shm/root.h"

#define KITH__SEMAPHORE_MAX INT64_C(0x7fffffff)

struct kith__semaphore_making {
    uint64_t initial;
    uint32_t options; /* KITH__SEMAPHORE_* */
    uint64_t more;    /* permits there are besides; or */
    uint64_t gone;    /* of an unowned one: of these, taken by processes that left */
};

static inline struct kith__semaphore_root *
kith__semaphore_root(const struct kith__root_ref *ref)
{
    return (struct kith__semaphore_root *)kith__ptr(ref->arena, ref->off);
}

kith_err kith__semaphore_init(struct kith__op *op, uint64_t off, uint64_t id, void *making);

kith_err kith__semaphore_acquire(struct kith__self *self, const struct kith__root_ref *ref,
                                 int64_t deadline_ns);
/* KITH_ERANGE: more than there may be; nothing is given back. */
kith_err kith__semaphore_release(struct kith__self *self, const struct kith__root_ref *ref,
                                 uint64_t n);
/* A descriptor that becomes readable when a permit may be had: poll.c. */
kith_err kith__semaphore_arm(struct kith__self *self, const struct kith__root_ref *ref,
                             kith__poller_slot *slot, int *fd_out);
/* self may be NULL: a read-only opener, who may see a change half done. */
kith_err kith__semaphore_value(struct kith__self *self, const struct kith__root_ref *ref,
                               uint64_t *value_out);

/* As what it could be made to be as it is once all who live have ended.  self as above. */
kith_err kith__semaphore_made_with(struct kith__self *self, const struct kith__root_ref *ref,
                                   struct kith__semaphore_making *making_out);

#endif /* KITH__SHM_SEMAPHORE_H */
