/*
 * special.h - a user's locks that were made with options, and those who hold and want locks.
 *
 * Errors come without a sentence as in sync.h, but for KITH_EDEADLOCK of a circle.
 */
#ifndef KITH__SHM_SPECIAL_H
#define KITH__SHM_SPECIAL_H

#include "shm/sync.h"

/* As kith__mutex_acquire() and kith__mutex_release(), which lead here if it is waited for in a row.
 */
kith_err kith__special_acquire(struct kith__self *self, const struct kith__sync *sync,
                               int64_t deadline_ns);
kith_err kith__special_release(struct kith__self *self, const struct kith__sync *sync);

/* The caller has the lock: once more, if it is recursive.  True: it still has it after that. */
kith_err kith__acquire_again(struct kith__sync_root *root, const struct kith__sync *sync);
bool kith__release_once(struct kith__sync_root *root);

/*
 * The process in slot `holder` ended.  `killed`: the unowned locks that it took are free, and the
 * next to acquire each is told; else they stay taken, by nobody.
 */
void kith__unowned_end(struct kith__arena *arena, unsigned holder, bool killed);

/* ---- owner.c: who holds a lock of any kind, and who wants it ---- */

kith_err kith__sync_owner(struct kith__arena *arena, const struct kith__sync *sync,
                          struct kith_owner *owner_out);
/* Whether it would have to be waited for. */
kith_err kith__sync_locked(struct kith__arena *arena, const struct kith__sync *sync,
                           bool *locked_out);
/* Those who hold it, then those who wait, in their order; `parties` has room for `room`. */
kith_err kith__sync_parties(struct kith__arena *arena, const struct kith__sync *sync,
                            struct kith_party *parties, size_t room, size_t *count_out);

#endif /* KITH__SHM_SPECIAL_H */
