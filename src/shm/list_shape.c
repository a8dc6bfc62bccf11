/*
 * list_shape.c - where the items of a list stand, at an instant, and what indices and slices mean.
 */
#include "shm/list.h"

struct kith__slot *
kith__shape_slot(const struct kith__arena *arena, const struct kith__list_shape *shape,
                 uint64_t index)
{
    struct kith__leaf *leaf;
    unsigned slot, n;

    if (index < shape->h) {
        leaf = kith__at(arena, shape->head_off, sizeof *leaf);
        slot = KITH__FAN - shape->h + (unsigned)index;
    } else if (index - shape->h < shape->tree.count) {
        leaf = kith__tree_leaf(arena, shape->tree.word, index - shape->h, &slot, &n);
    } else {
        leaf = kith__at(arena, shape->tail_off, sizeof *leaf);
        slot = (unsigned)(index - shape->h - shape->tree.count);
    }
    return leaf == NULL || slot >= KITH__FAN ? NULL : &leaf->slot[slot];
}

kith_err
kith__shape_runs(const struct kith__arena *arena, const struct kith__list_shape *shape,
                 uint64_t from, uint64_t to,
                 kith_err (*each)(struct kith__slot *slots, unsigned n, void *arg), void *arg)
{
    while (from < to) {
        struct kith__leaf *leaf;
        unsigned slot, n;
        kith_err err;

        if (from < shape->h) {
            leaf = kith__at(arena, shape->head_off, sizeof *leaf);
            slot = KITH__FAN - shape->h + (unsigned)from;
            n = KITH__FAN;
        } else if (from - shape->h < shape->tree.count) {
            leaf = kith__tree_leaf(arena, shape->tree.word, from - shape->h, &slot, &n);
        } else {
            leaf = kith__at(arena, shape->tail_off, sizeof *leaf);
            slot = (unsigned)(from - shape->h - shape->tree.count);
            n = shape->t;
        }
        if (leaf == NULL || slot >= n)
            return KITH_ECONFLICT;
        if (n - slot > to - from)
            n = slot + (unsigned)(to - from);
        err = each(&leaf->slot[slot], n - slot, arg);
        if (err != KITH_OK)
            return err;
        from += n - slot;
    }
    return KITH_OK;
}

bool
kith__list_index(uint64_t len, int64_t index, uint64_t *index_out)
{
    *index_out = index < 0 ? (uint64_t)index + len : (uint64_t)index;
    return *index_out < len;
}

struct kith__slice
kith__slice_of(uint64_t len, int64_t start, int64_t stop, int64_t step)
{
    int64_t n = (int64_t)len, *ends[2] = { &start, &stop };
    struct kith__slice slice = { .step = step };

    for (unsigned i = 0; i < 2; i++) {
        if (*ends[i] < 0)
            *ends[i] = *ends[i] < -n ? (step < 0 ? -1 : 0) : *ends[i] + n;
        else if (*ends[i] >= n)
            *ends[i] = step < 0 ? n - 1 : n;
    }
    slice.start = (uint64_t)start;
    if (step > 0 && start < stop)
        slice.count = ((uint64_t)(stop - start) - 1) / (uint64_t)step + 1;
    else if (step < 0 && stop < start)
        slice.count = ((uint64_t)(start - stop) - 1) / (0 - (uint64_t)step) + 1;
    return slice;
}

/* The shape, lock held.  KITH_ECORRUPT: L1 does not hold. */
kith_err
kith__list_shape(const struct kith__list_root *root, struct kith__list_shape *shape)
{
    uint64_t state = kith__load(&root->state);

    shape->h = KITH__LIST_HEAD(state);
    shape->t = KITH__LIST_TAIL(state);
    shape->head_off = kith__load(&root->head);
    shape->tail_off = kith__load(&root->tail);
    shape->tree = (struct kith__part){ kith__load(&root->tree), kith__load(&root->tree_count) };
    if (shape->h > KITH__FAN || shape->t > KITH__FAN || (shape->h > 0 && shape->head_off == 0) ||
        (shape->t > 0 && shape->tail_off == 0) ||
        shape->tree.count > KITH__ITEM_MAX / sizeof(struct kith__slot) ||
        (shape->tree.count == 0) != (shape->tree.word == 0))
        return KITH_ECORRUPT;
    return KITH_OK;
}
