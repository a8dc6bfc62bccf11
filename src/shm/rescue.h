/*
 * rescue.h - what can be had of dicts, and of the catalog, in an arena that breaks invariants.
 */
#ifndef KITH__SHM_RESCUE_H
#define KITH__SHM_RESCUE_H

#include "shm/catalog.h"

/*
 * Calls `each` for every entry of the dict whose key, hash and item are whole, in the order of
 * insertion, with the time of the arena's clock at which it expires, or 0; a non-zero return stops.
 * Nobody else may be using the arena.  *lost_out: how many entries more the dict says that it has,
 * or has slots for.
 */
kith_err kith__dict_rescue(const struct kith__dict *dict,
                           int (*each)(struct kith_item key, struct kith_item item, int64_t expires,
                                       void *arg),
                           void *arg, uint64_t *lost_out);

/* Calls `each` for the name of every object that the catalog still leads to, likewise. */
kith_err kith__catalog_rescue(struct kith__arena *arena,
                              int (*each)(const char *name, enum kith_kind kind, void *arg),
                              void *arg, uint64_t *lost_out);

#endif /* KITH__SHM_RESCUE_H */
