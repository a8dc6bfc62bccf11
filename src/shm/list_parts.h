/*
 * list_parts.h - what list.c and list_chunk.c have in common.  Lock held, all of it.
 */
#ifndef KITH__SHM_LIST_PARTS_H
#define KITH__SHM_LIST_PARTS_H

#include "shm/list.h"

/* KITH_ECORRUPT, with a sentence. */
kith_err kith__list_broken(const struct kith__arena *arena);

/* ---- Parts of records ---------------------------------------------------------------------- */

void kith__list_set_state(struct kith__op *op, struct kith__list_root *root, uint64_t h,
                          uint64_t t);
void kith__list_cover(struct kith__op *op, struct kith__list_root *root);
void kith__list_set_tree(struct kith__op *op, struct kith__list_root *root, struct kith__part tree);
/* Commits, or aborts. */
kith_err kith__list_finish(struct kith__op *op);

/* ---- Chunks -------------------------------------------------------------------------------- */

struct kith__leaf *kith__list_take_chunk(struct kith__op *op, uint64_t *off_out);
struct kith__leaf *kith__list_chunk_at(struct kith__self *self, uint64_t off);

static inline void
kith__slot_store(struct kith__slot *slot, uint64_t meta, uint64_t value)
{
    kith__store(&slot->meta, meta);
    kith__store(&slot->value, value);
}

void kith__slots_move(struct kith__slot *to, const struct kith__slot *from, unsigned n);

/* The end has a chunk, if an empty one. */
kith_err kith__list_have_chunk(struct kith__self *self, struct kith__list_root *root, bool front);
/* The items of a chunk go into the tree; the chunk is empty after. */
kith_err kith__list_flush_chunk(struct kith__self *self, struct kith__list_root *root, bool front);
/* An empty chunk gets items: those of the tree's outermost leaf, or of the other chunk. */
kith_err kith__list_fill_chunk(struct kith__self *self, struct kith__list_root *root, bool front);

#endif /* KITH__SHM_LIST_PARTS_H */
