/*
 * array.h - a fixed run of typed items in an arena.
 *
 * Indexes and counts are within the array: the caller checked.  KITH_EGONE, KITH_ERANGE and
 * KITH_ECONFLICT come without a sentence.
 */
#ifndef KITH__SHM_ARRAY_H
#define KITH__SHM_ARRAY_H

#include "base/scalar.h"
#include "shm/alloc.h"

struct kith__array {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
    struct kith__scalar type; /* of a structure too: its code is 0 then */
    uint64_t count;
    uint64_t sync; /* a sync root, whose id is the array's */
};

struct kith__array_making {
    struct kith__scalar type;
    uint64_t count;
    uint64_t data; /* a staged extent: kith__extent_stage() */
};

/* Items start, start + step, … of a slice, `count` of them. */
struct kith__slice {
    uint64_t start;
    int64_t step;
    uint64_t count;
};

static inline struct kith__array_root *
kith__array_root(const struct kith__array *array)
{
    return (struct kith__array_root *)kith__ptr(array->arena, array->off);
}

/* Fills in a root; `arg` is a struct kith__array_making, whose extent becomes the array's. */
kith_err kith__array_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg);
/* The constants of an array that was found: KITH_ECORRUPT if they make no sense. */
kith_err kith__array_of(struct kith__arena *arena, uint64_t off, uint64_t id,
                        struct kith__array *array_out);

/* ---- Items.  self may be NULL for those that read: a read-only opener. -------------------- */

kith_err kith__array_get(struct kith__self *self, const struct kith__array *array,
                         const struct kith__slice *slice, void *data);
kith_err kith__array_set(struct kith__self *self, const struct kith__array *array,
                         const struct kith__slice *slice, const void *data);
/* item = item WHAT n; of numbers. */
kith_err kith__array_update(struct kith__self *self, const struct kith__array *array,
                            uint64_t index, enum kith__math what, uint64_t n, uint64_t *now_out);
/* KITH_ECONFLICT: the item's bytes are not those at `expected`. */
kith_err kith__array_cas(struct kith__self *self, const struct kith__array *array, uint64_t index,
                         const void *expected, const void *data);

/* ---- The whole ----------------------------------------------------------------------------- */

/* Pins the current version: where it is, and by which pin. */
kith_err kith__array_pin(struct kith__self *self, const struct kith__array *array,
                         uint64_t *off_out, uint64_t *pin_out);
/* Makes a staged extent, which we have pinned, the current version. */
kith_err kith__array_publish(struct kith__self *self, const struct kith__array *array,
                             uint64_t data);

#endif /* KITH__SHM_ARRAY_H */
