/*
 * rwlock.h - a lock that many may share, or one may have alone.
 *
 * Errors come without a sentence as in sync.h.
 */
#ifndef KITH__SHM_RWLOCK_H
#define KITH__SHM_RWLOCK_H

#include "shm/sync.h"

/*
 * What a ledger says of a share: the lock's offset, flags, and a part of its id, since the memory
 * of a lock that was destroyed may be another one's while somebody still has a share of the old.
 */
static inline uint64_t
kith__share_of(uint64_t off, uint64_t id)
{
    return (off + offsetof(struct kith__sync_root, lock)) | KITH__LEDGER_USER |
           KITH__LEDGER_SHARED | id << KITH__LEDGER_ID_SHIFT;
}

/* The next actor after `after` that shares the lock, or is about to find out; 0: none. */
unsigned kith__sharer_after(struct kith__arena *arena, uint64_t share, unsigned after);

/* KITH_OWNER_DIED: acquired, and whoever had it alone last died with it. */
kith_err kith__rwlock_acquire(struct kith__self *self, const struct kith__sync *sync,
                              int64_t deadline_ns);
kith_err kith__rwlock_acquire_shared(struct kith__self *self, const struct kith__sync *sync,
                                     int64_t deadline_ns);
/* Whichever way the caller has it. */
kith_err kith__rwlock_release(struct kith__self *self, const struct kith__sync *sync);

#endif /* KITH__SHM_RWLOCK_H */
