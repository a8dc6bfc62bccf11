/*
 * inherit.h - what the handles that a forked child has inherited keep.
 */
#ifndef KITH__SHM_INHERIT_H
#define KITH__SHM_INHERIT_H

#include "shm/catalog.h"

/* Around a fork; the child's slot is taken before the first, and the arena's mutex is not held. */
void kith__inherit_prepare(struct kith__arena *arena);
void kith__inherit_parent_forked(struct kith__arena *arena);
void kith__inherit_child_forked(struct kith__arena *arena);

/*
 * The block by which this process's copy of a handle keeps what the handle keeps, 0: none.  It is
 * told once; the stripe of the process's slot is locked.
 */
uint64_t kith__inherit_take(struct kith__arena *arena, const struct kith__keep *keep);

#endif /* KITH__SHM_INHERIT_H */
