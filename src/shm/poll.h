/*
 * poll.h - waiting for objects of an arena through a descriptor.
 */
#ifndef KITH__SHM_POLL_H
#define KITH__SHM_POLL_H

#include "shm/actor.h"

/* One process's descriptor for one handle: private memory. */
struct kith__poller;
typedef _Atomic(struct kith__poller *) kith__poller_slot;

/*
 * The descriptor that stands in `slot`, made if there is none, with nothing to be read from it; the
 * dead were looked after if it was time.  The caller then sets POLLERS in a word and looks at the
 * object.  No lock may be held.
 */
kith_err kith__poller_arm(struct kith__self *self, kith__poller_slot *slot,
                          struct kith__poller **poller_out);
/* The object is ready now: the descriptor is to be readable. */
void kith__poller_ready(struct kith__poller *poller);
int kith__poller_fd(const struct kith__poller *poller);
void kith__poller_close(kith__poller_slot *slot);

/* Makes the descriptors of all pollers of the arena readable. */
void kith__poke(struct kith__arena *arena);

/* How long a poller goes without looking after the dead; INT64_MAX: for ever. */
extern int64_t kith__poll_recheck_ns;

#endif /* KITH__SHM_POLL_H */
