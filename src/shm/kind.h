/*
 * kind.h - what the catalog, the reaper, the checker and the listing need to know of an object,
 * kind by kind.
 *
 * A structure defines one `const struct kith__kind`, and kinds.c lists it.
 */
#ifndef KITH__SHM_KIND_H
#define KITH__SHM_KIND_H

#include "shm/catalog.h"
#include "shm/walk.h"

/* The locks of a whole object, taken to end it. */
struct kith__object_locks {
    struct kith__shard *shards[KITH__SHARDS + 1]; /* of a dict */
    unsigned count;
};

struct kith__kind {
    unsigned class_index; /* of the root's memory */
    size_t references_at; /* where in the root the word is that counts them */

    /* ---- Its end (catalog.c).  What is NULL is not needed. ---- */

    /* Takes all locks of the object, whose id need not be compared: its name is locked. */
    kith_err (*lock)(struct kith__self *self, const struct kith__object *object,
                     struct kith__object_locks *locks);
    void (*unlock)(struct kith__self *self, const struct kith__object *object,
                   struct kith__object_locks *locks);
    /* Writes down that it ends: the id becomes 0, and its memory is given back or is trash. */
    void (*end)(struct kith__op *op, const struct kith__object *object);
    /* After the commit, its locks still held. */
    void (*ended)(struct kith__self *self, const struct kith__object *object);
    /* With its locks released: whoever sleeps on it looks again. */
    void (*wake_all)(struct kith__self *self, uint64_t off);
    /*
     * Takes apart what end() left as trash of this kind; `source` names it, and becomes
     * `source_value` as the last block is freed.  An error: the rest is for another time.
     */
    kith_err (*dismantle)(struct kith__self *self, uint64_t off, kith__word *source,
                          uint64_t source_value);

    /*
     * Of a root in the header's chain: what it holds for the process `owner` (slot | generation
     * << 16), which ended, is given back.  `killed`: not in good order.  No lock is held.
     */
    kith_err (*release_holder)(struct kith__self *self, uint64_t off, uint64_t id, uint64_t owner,
                               bool killed);

    /* ---- A look at it ---- */

    /* Calls kith__walk_want() for its locks of this rank; those of higher ranks are held. */
    void (*want)(struct kith__walk *w, uint64_t off, enum kith__rank rank);
    /* Its root is marked.  `whole`: a live object; else trash of this kind. */
    void (*check)(struct kith__walk *w, uint64_t off, bool whole);
    /* Sets items, bytes and created_ns.  KITH_EGONE: destroyed meanwhile. */
    kith_err (*describe)(struct kith__self *self, struct kith__arena *arena,
                         const struct kith__object *object, struct kith_info *info);
};

extern const struct kith__kind kith__array_kind;
extern const struct kith__kind kith__dict_kind;
extern const struct kith__kind kith__list_kind;
extern const struct kith__kind kith__queue_kind;
extern const struct kith__kind kith__segment_kind;
extern const struct kith__kind kith__sync_kind;
extern const struct kith__kind kith__value_kind;
extern const struct kith__kind kith__semaphore_kind;
extern const struct kith__kind kith__barrier_kind;
extern const struct kith__kind kith__condition_kind;
extern const struct kith__kind kith__once_kind;
extern const struct kith__kind kith__limiter_kind;

/* NULL: a kind that this version does not know, or bytes that somebody overwrote. */
const struct kith__kind *kith__kind_of(enum kith_kind kind);

#endif /* KITH__SHM_KIND_H */
