/*
 * grace.h - when nobody can touch any more what was given up.
 */
#ifndef KITH__SHM_GRACE_H
#define KITH__SHM_GRACE_H

#include "shm/actor.h"

/* Takes part in the barriers of others from now on, in this process and those it forks. */
void kith__grace_join(struct kith__arena *arena);

/*
 * Whether every reader that might still hold an offset into memory freed before this call has
 * ended its read.
 */
bool kith__readers_have_moved_on(struct kith__self *self);

/*
 * Orders what the caller did before against what it looks at next, for all processes: of a store
 * that another made and what that one looked at afterwards, either the store is seen now, or the
 * look came after the call.  So whoever does this often needs no fence, and only the seldom side
 * pays.
 */
void kith__barrier_everywhere(struct kith__self *self);

/*
 * Returns when no actor can be amid a change that it announced by naming the signal at `off` in
 * its pending_signal, after an id that it looks at then was cleared.  KITH_EUNAVAILABLE: one that
 * is stopped still is.
 */
kith_err kith__signal_quiesce(struct kith__self *self, uint64_t off);

/* The same of actors that have the lock at `off` in their pending_wake: see mutex.c. */
kith_err kith__lock_quiesce(struct kith__self *self, uint64_t off);

/* The same of actors that have the extent at `off` in their pin, as item operations of arrays. */
kith_err kith__pin_quiesce(struct kith__self *self, uint64_t off);

#endif /* KITH__SHM_GRACE_H */
