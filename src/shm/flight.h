/*
 * flight.h - one computes what is missing in a dict, the others wait for it.
 */
#ifndef KITH__SHM_FLIGHT_H
#define KITH__SHM_FLIGHT_H

#include "shm/dict.h"

/*
 * The key was looked for and is not there.  *mine_out: the caller is to compute it, and ends its
 * flight whatever comes of it.  Not: another did, and may be done: look for the key again.
 * KITH_EDEADLOCK: the calling thread computes it already.  KITH_ETIMEDOUT: another still does;
 * with KITH__NO_WAIT at once.
 */
kith_err kith__flight_begin(struct kith__self *self, const struct kith__dict *dict,
                            const struct kith__key *key, int64_t deadline_ns, bool *mine_out);
kith_err kith__flight_end(struct kith__self *self, const struct kith__dict *dict,
                          const struct kith__key *key);

#endif /* KITH__SHM_FLIGHT_H */
