/*
 * deadlock.h - finds circles of those who wait for each other's locks.
 */
#ifndef KITH__SHM_DEADLOCK_H
#define KITH__SHM_DEADLOCK_H

#include "shm/sync.h"

/* Of a longer circle only the beginning is kept. */
#define KITH__CIRCLE_MAX 12u

/* Each actor waits for a lock that the next one holds; the last lock is held by the first actor. */
struct kith__circle {
    unsigned count; /* of all of it; 0: there is none */
    struct {
        unsigned actor;
        uint64_t entry;
    } link[KITH__CIRCLE_MAX];
};

/* Whether the caller, who has joined a row, waits for itself. */
bool kith__circle_find(struct kith__self *self, struct kith__circle *circle_out);

/* Tells of it in a sentence; KITH_EDEADLOCK.  Takes locks of the catalog. */
kith_err kith__circle_tell(struct kith__self *self, const struct kith__circle *circle);

#endif /* KITH__SHM_DEADLOCK_H */
