/*
 * extent.h - runs of 64 KiB granules: for spans, and for blocks too large for one.
 */
#ifndef KITH__SHM_EXTENT_H
#define KITH__SHM_EXTENT_H

#include "shm/journal.h"

#define KITH__GRANULE_KIND(word) ((unsigned)((word)&0xff))
#define KITH__GRANULE_RUN(word) ((uint32_t)((word) >> 32))
#define KITH__GRANULE_WORD(kind, run) ((uint64_t)(kind) | ((uint64_t)(run) << 32))

static inline struct kith__granule *
kith__granule_at(const struct kith__arena *arena, uint64_t index)
{
    return (struct kith__granule *)(void *)(arena->base + arena->granules_off) + index;
}

/* The granule that `off` lies in; arena->granules_max or more if it is in none. */
static inline uint64_t
kith__granule_of(const struct kith__arena *arena, uint64_t off)
{
    return off < arena->heap_off ? UINT64_MAX : (off - arena->heap_off) / KITH__GRANULE;
}

static inline uint64_t
kith__granule_off(const struct kith__arena *arena, uint64_t index)
{
    return arena->heap_off + index * KITH__GRANULE;
}

/*
 * Takes an extent of `size` bytes, committed, and stages it: it is the last of the actor's
 * staged blocks on return.  May be called with a class lock held, never with the extent lock.
 */
kith_err kith__extent_take(struct kith__self *self, uint64_t size, uint64_t *off_out);

/*
 * Adds the freeing of the run at granule `index` to the mini record.  Extent lock held.  `flags`:
 * KITH__GRANULE_DIRTY unless its memory was given back.
 */
void kith__extent_put(struct kith__op *mini, uint64_t index, uint64_t flags);

/* Frees an extent, or leaves it in limbo while a reader pins it. */
kith_err kith__extent_free(struct kith__self *self, uint64_t off, kith__word *source,
                           uint64_t source_value);

/* Frees what is in limbo and pinned no longer. */
kith_err kith__limbo_sweep(struct kith__self *self);

/*
 * ---- extents held by a pin alone ----
 *
 * An extent that is pinned by a process and belongs to nothing else is in limbo: it is freed when
 * its last pin goes, also when the process does.
 */

/* Pins an extent for this process.  KITH_EFULL: it has as many pins as it may. */
kith_err kith__pin(struct kith__arena *arena, uint64_t off, uint64_t *index_out);
void kith__unpin(struct kith__arena *arena, uint64_t index, uint64_t off);

/* Takes an extent, with zeros or whatever was there, that is held by nothing but a pin of ours. */
kith_err kith__extent_stage(struct kith__self *self, uint64_t size, bool zero, uint64_t *off_out,
                            uint64_t *pin_out);
/* Unpins it, and frees it if nobody else holds it.  No lock held. */
void kith__extent_drop(struct kith__self *self, uint64_t off, uint64_t pin);
/*
 * Makes an extent in limbo the last of our staged blocks, so that the record links it.  The pin
 * stays.  May be called with locks of objects held.
 */
kith_err kith__extent_adopt(struct kith__op *op, uint64_t off);

/*
 * Gives memory of free runs back to the system, all of it or what is above a comfortable
 * reserve.  No lock held.  Does nothing while some reader can't be shown to have moved on.
 */
kith_err kith__trim(struct kith__self *self, bool all, uint64_t *bytes_out);

#endif /* KITH__SHM_EXTENT_H */
