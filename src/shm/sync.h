/*
 * sync.h - a user's lock, and an event.
 *
 * KITH_ETIMEDOUT, KITH_EPERM, KITH_EDEADLOCK, KITH_ERANGE, KITH_EGONE and KITH_EINTERRUPTED come
 * without a sentence.
 */
#ifndef KITH__SHM_SYNC_H
#define KITH__SHM_SYNC_H

#include <kith/lock.h>

#include "shm/alloc.h"
#include "shm/poll.h"

struct kith__sync {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
};

static inline struct kith__sync_root *
kith__sync_root(const struct kith__sync *sync)
{
    return (struct kith__sync_root *)kith__ptr(sync->arena, sync->off);
}

/* `options`: NULL, or a uint32_t of KITH__SYNC_*. */
kith_err kith__sync_init(struct kith__op *op, uint64_t off, uint64_t id, void *options);

/* KITH_OWNER_DIED: acquired, and its last owner died with it.  Of an rwlock: alone. */
kith_err kith__mutex_acquire(struct kith__self *self, const struct kith__sync *sync,
                             int64_t deadline_ns);
/* Of an rwlock: whichever way it is had. */
kith_err kith__mutex_release(struct kith__self *self, const struct kith__sync *sync);

kith_err kith__event_set(struct kith__self *self, const struct kith__sync *sync);
kith_err kith__event_clear(struct kith__self *self, const struct kith__sync *sync);
kith_err kith__event_is_set(const struct kith__sync *sync, bool *set_out);
kith_err kith__event_wait(struct kith__self *self, const struct kith__sync *sync,
                          int64_t deadline_ns);

/* A descriptor that becomes readable when the lock comes free, or the event is set: poll.c. */
kith_err kith__mutex_arm(struct kith__self *self, const struct kith__sync *sync,
                         kith__poller_slot *slot, int *fd_out);
kith_err kith__event_arm(struct kith__self *self, const struct kith__sync *sync,
                         kith__poller_slot *slot, int *fd_out);

#endif /* KITH__SHM_SYNC_H */
