/*
 * grace.h - when nobody can touch any more what was given up.
 */
#ifndef KITH__SHM_GRACE_H
#define KITH__SHM_GRACE_H

#include "shm/actor.h"

/*
 * Whether every reader that might still hold an offset into memory freed before this call has
 * ended its read.
 */
bool kith__readers_have_moved_on(struct kith__self *self);

/*
 * Returns when no actor can be amid a change that it announced by naming the signal at `off` in
 * its pending_signal, after an id that it looks at then was cleared.  KITH_EUNAVAILABLE: one that
 * is stopped still is.
 */
kith_err kith__signal_quiesce(struct kith__self *self, uint64_t off);

/* The same of actors that have the extent at `off` in their pin, as item operations of arrays. */
kith_err kith__pin_quiesce(struct kith__self *self, uint64_t off);

#endif /* KITH__SHM_GRACE_H */
