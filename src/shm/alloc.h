/*
 * alloc.h - blocks of memory in an arena, taken and given back inside operations.
 *
 * Up to KITH__SMALL_MAX bytes a block comes from a span by way of the actor's magazine; above
 * that it is an extent of its own.  Whatever its size, a block belongs at every instant to
 * exactly one of: a structure, an actor (magazine, staged, trash), the allocator.
 */
#ifndef KITH__SHM_ALLOC_H
#define KITH__SHM_ALLOC_H

#include "shm/journal.h"

/* Which class holds blocks of `size`, and how large its blocks are. */
unsigned kith__class_of(uint64_t size);
uint64_t kith__class_size(unsigned class_index);
unsigned kith__class_room(unsigned class_index); /* of the magazine */
kith__word *kith__magazine_slots(struct kith__magazines *magazines, unsigned class_index);

/*
 * Takes a block for the operation.  It is linked into a structure by the same record, or goes
 * back with kith__op_abort().  Its bytes are undefined; extents and blocks of 64 bytes and
 * multiples are aligned to 64, others to 16.
 */
kith_err kith__op_take(struct kith__op *op, uint64_t size, uint64_t *off_out);
kith_err kith__op_take_typed(struct kith__op *op, unsigned class_index, uint64_t *off_out);
/* Gives a block back with the record; readers may look at it until then, and a little longer. */
void kith__op_give(struct kith__op *op, uint64_t off);
/* Puts `off`, of a kind of trash, where it is taken apart after the record. */
void kith__op_trash(struct kith__op *op, uint64_t off, unsigned kind);

/* Called by the commit. */
void kith__op_finish_blocks(struct kith__op *op);
/* Frees everything an actor has staged; `self` may be that actor, or its reaper. */
kith_err kith__free_staged(struct kith__self *self, struct kith__actor *actor);

/*
 * Frees one block that nobody but `source` names: in the same record *source becomes
 * `source_value`.  No lock held but, possibly, an object's.
 */
kith_err kith__block_free(struct kith__self *self, uint64_t off, kith__word *source,
                          uint64_t source_value);
/* The reference that the block at `off` is, or is the item of; NULL: none. */
struct kith__reference *kith__reference_at(struct kith__arena *arena, uint64_t off,
                                           unsigned *class_out);
/* Room in the magazine for a block that a mini record puts there. */
kith_err kith__magazine_open(struct kith__self *self, unsigned class_index);
void kith__magazine_put(struct kith__op *mini, unsigned class_index, uint64_t off);
/*
 * A block that is still in the magazine, to be filled, and then put among the staged ones by a mini
 * record, before anything else is taken.
 */
kith_err kith__stage_one(struct kith__self *self, unsigned class_index, uint64_t *off_out);
void kith__stage_put(struct kith__op *mini, unsigned class_index, uint64_t off);

/* Gives every block of the magazines of `actor` back to its span. */
kith_err kith__magazines_flush(struct kith__self *self, struct kith__actor *actor);

/* Replaces a vector's area by a longer one. */
kith_err kith__vec_grow(struct kith__self *self, struct kith__vec *vec, kith__word *inline_words,
                        uint64_t need);
kith_err kith__record_grow(struct kith__self *self, uint64_t room, uint64_t size,
                           const struct kith__redo *entries, uint32_t count);

/* The span that begins at `off`; NULL if none does, or its header makes no sense. */
struct kith__span *kith__span_at(struct kith__arena *arena, uint64_t off);

/* Whether `off` is the start of a block in use or in somebody's hands, and its size. */
bool kith__block_at(struct kith__arena *arena, uint64_t off, uint64_t *size_out);

static inline struct kith__class *
kith__class_at(struct kith__arena *arena, unsigned class_index)
{
    return &KITH__HEADER(arena)->classes[class_index];
}

/* At the end of every operation, once its locks are released. */
static inline void
kith__op_end(struct kith__self *self)
{
    if ((kith__load(&self->actor->trash.count) | kith__load(&self->actor->dropped)) != 0 ||
        self->husks_seen)
        self->arena->on_idle(self);
}

#endif /* KITH__SHM_ALLOC_H */
