/*
 * reference.h - references to unnamed objects, each counted in the root that it leads to.
 */
#ifndef KITH__SHM_REFERENCE_H
#define KITH__SHM_REFERENCE_H

#include "shm/catalog.h"

/*
 * Guards the counts of some roots, by their offsets, and the handles of some holders, by their
 * numbers.  Nothing is taken under it but the allocator's locks.
 */
static inline struct kith__lock *
kith__stripe_of(struct kith__arena *arena, uint64_t of)
{
    return &KITH__HEADER(arena)
                ->stripes[(of * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (KITH__STRIPES - 1)]
                .lock;
}

/* The word of a root that counts; NULL if there can be none. */
kith__word *kith__reference_count(struct kith__arena *arena, enum kith_kind kind, uint64_t root);

/* Whether an item leads to an object with a made name: only these references are counted. */
bool kith__reference_is_counted(const struct kith_item *item);

/*
 * Looks whether what the item leads to is there: KITH_ENOENT with a sentence.  Of an item that is
 * counted, makes a block of the class and stages it, counted.  The operation's record then links
 * it, or it is freed with what else was staged.
 */
kith_err kith__reference_check(struct kith__self *self, const struct kith_item *item);
kith_err kith__reference_stage(struct kith__self *self, const struct kith_item *item,
                               unsigned class_index, uint64_t *off_out);

/*
 * The same for an object that is about to be made and will lead to another for as long as it is
 * there: *off_out is 0 if that one has a name of its own, and so needs nothing to keep it.
 */
kith_err kith__reference_hold(struct kith__op *op, const char *name, uint64_t *off_out);

/*
 * Counts off the first of a list of references that were dropped, and frees it; what it was the
 * last to lead to is ended first.  No lock is held, no operation under way.
 */
kith_err kith__reference_settle(struct kith__self *self, kith__word *dropped);

/* ---- Handles ------------------------------------------------------------------------------ */

/*
 * Writes down that a handle of this process keeps the object at `root`, which the same operation
 * makes under this name.  Takes a lock, of a stripe, that the caller releases after the commit:
 * *stripe_out.
 */
kith_err kith__reference_make(struct kith__op *op, const char *name, enum kith_kind kind,
                              uint64_t root, uint64_t id, struct kith__keep *keep_out,
                              struct kith__lock **stripe_out);
/* A handle of this process keeps the object of that name; KITH_ENOENT, without a sentence. */
kith_err kith__reference_keep(struct kith__self *self, const char *name,
                              struct kith__object *object_out);
/*
 * The process of that slot, which the caller has taken for a child, keeps what `like` leads to, a
 * copy of another's block.  KITH_EGONE, without a sentence: it ended.  kith__op_end() is due then.
 */
kith_err kith__reference_keep_for(struct kith__self *self, unsigned holder,
                                  const struct kith__reference *like, uint64_t *off_out);
/* A handle is closed.  What it kept and nothing else does is ended by kith__op_end(). */
void kith__reference_let_go(struct kith__self *self, const struct kith__keep *keep);
/* All handles of a process that ended; `state` is that of its slot.  No lock is held. */
kith_err kith__references_let_go(struct kith__self *self, unsigned holder, uint64_t state);

#endif /* KITH__SHM_REFERENCE_H */
