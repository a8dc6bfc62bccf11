/*
 * reap.h - cleaning up after the dead.
 */
#ifndef KITH__SHM_REAP_H
#define KITH__SHM_REAP_H

#include "shm/actor.h"

/* Fills in the arena's upward calls. */
void kith__reap_install(struct kith__arena *arena);

/* Cleans up after everybody who is dead, wholly.  No lock held.  Returns how many. */
unsigned kith__reap_all(struct kith__self *self);

/* Whether anybody attached looks dead: worth a slot to clean up. */
bool kith__reap_needed(struct kith__arena *arena);

/* Declares the actor dead, for tests that step through an operation in a copy of an arena. */
void kith__reap_urgent(struct kith__self *self, unsigned actor);
void kith__reap_sweep(struct kith__self *self);

#endif /* KITH__SHM_REAP_H */
