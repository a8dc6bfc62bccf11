/*
 * tree.h - the counted tree of a list: items by their place, changed by copying the way to them.
 */
#ifndef KITH__SHM_TREE_H
#define KITH__SHM_TREE_H

#include "shm/table.h"

/* A tree, or a part of one: its word, as a branch of a node has it, and the items in it. */
struct kith__part {
    uint64_t word; /* 0: empty */
    uint64_t count;
};
#define KITH__PART_WORD(off, entries, level)                                                       \
    ((off) >> 4 | (uint64_t)(entries) << 48 | (uint64_t)(level) << 56)

static inline uint64_t
kith__part_off(uint64_t word)
{
    return (word & ((UINT64_C(1) << 48) - 1)) << 4;
}

static inline unsigned
kith__part_entries(uint64_t word)
{
    return (unsigned)(word >> 48) & 0xff;
}

static inline unsigned
kith__part_level(uint64_t word)
{
    return (unsigned)(word >> 56);
}

/* The node of a part: a leaf at level 0, else an inner one.  NULL: it can't be one. */
static inline void *
kith__part_node(const struct kith__arena *arena, uint64_t word)
{
    return kith__part_entries(word) - 1 >= KITH__FAN
               ? NULL
               : kith__block(arena, kith__part_off(word), sizeof(struct kith__leaf));
}

/*
 * Which child of `node` has the item `index`, that is less than its count; *before_out, which may
 * be garbage if the node is, items are in those before it.
 */
static inline unsigned
kith__inner_look(const struct kith__inner *node, unsigned entries, unsigned level, uint64_t index,
                 uint64_t *before_out)
{
    /* Where all are full, as after appending, this is the place. */
    uint64_t guess = index >> (6 * level), before;
    unsigned low = 0, high = entries - 1;

    if (guess < entries) {
        before = guess == 0 ? 0 : kith__load(&node->branch[guess - 1].upto);
        if (index >= before && index < kith__load(&node->branch[guess].upto)) {
            *before_out = before;
            return (unsigned)guess;
        }
    }
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (kith__load(&node->branch[middle].upto) > index)
            high = middle;
        else
            low = middle + 1;
    }
    *before_out = low == 0 ? 0 : kith__load(&node->branch[low - 1].upto);
    return low;
}

static inline unsigned
kith__inner_find(const struct kith__inner *node, unsigned entries, unsigned level, uint64_t index)
{
    uint64_t before;

    return kith__inner_look(node, entries, level, index, &before);
}

/*
 * The leaf that has the item `index`, which of its slots that is, and how many it has.  NULL: the
 * tree is broken or, for who reads without the lock, not a tree any more.
 */
static inline struct kith__leaf *
kith__tree_leaf(const struct kith__arena *arena, uint64_t word, uint64_t index, unsigned *slot_out,
                unsigned *count_out)
{
    unsigned level = kith__part_level(word);

    if (level > KITH__TREE_LEVELS)
        return NULL;
    for (; level > 0; level--) {
        const struct kith__inner *node = kith__part_node(arena, word);
        uint64_t before;
        unsigned at;

        if (node == NULL || kith__part_level(word) != level)
            return NULL;
        at = kith__inner_look(node, kith__part_entries(word), level, index, &before);
        index -= before;
        word = kith__load(&node->branch[at].child);
    }
    if (kith__part_level(word) != 0 || index >= kith__part_entries(word))
        return NULL;
    *slot_out = (unsigned)index;
    *count_out = kith__part_entries(word);
    return kith__part_node(arena, word);
}

/* ---- Changing, the list's lock held ---------------------------------------------------- */

/* What a change of a tree needs and leaves. */
struct kith__tree_edit {
    struct kith__op *op;
    bool keep; /* items that go out are somebody else's from now on: only nodes are freed */
    struct kith__list_root *carcass; /* what was dropped; NULL while nothing is */
    uint64_t carcass_off;
    unsigned drops;
};

/*
 * The tree with its items [from, to) replaced by `count` others: *tree becomes the new one, made of
 * blocks taken for the operation; what it does not share with the old one is given back with the
 * record.  On an error, which is the operation's too, *tree is undefined.
 */
kith_err kith__tree_splice(struct kith__tree_edit *edit, struct kith__part *tree, uint64_t from,
                           uint64_t to, const struct kith__stored *items, uint64_t count);
/* The tree with one more leaf at its front or end, all of it, without a copy of the leaf. */
kith_err kith__tree_push(struct kith__tree_edit *edit, struct kith__part *tree,
                         struct kith__part leaf, bool front);

/* A carcass for the operation, empty. */
struct kith__list_root *kith__list_carcass(struct kith__tree_edit *edit);

#endif /* KITH__SHM_TREE_H */
