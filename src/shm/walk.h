/*
 * walk.h - what the checks of each kind of object share while a whole arena is walked.
 */
#ifndef KITH__SHM_WALK_H
#define KITH__SHM_WALK_H

#include <kith/inspect.h>

#include "base/made.h"
#include "shm/alloc.h"

#define KITH__VIOLATIONS_KEPT 64
#define KITH__SENTENCE_SIZE 192

/* In which of the ranks of README.md a lock stands, of those that objects have. */
enum kith__rank { KITH__RANK_OBJECT, KITH__RANK_HEAD, KITH__RANK_TAIL, KITH__RANK_COUNT };

/* What leads to what: see leads.c. */
struct kith__leads {
    struct kith__subject *objects;
    size_t object_count, object_room;
    struct kith__lead *list;
    size_t count, room;
    uint64_t from; /* the root of the object whose items are being looked at */
};

struct kith__walk {
    struct kith__self *self;
    struct kith__arena *arena;
    uint8_t **marks; /* for each granule, a bit for each 16 bytes of it; NULL: none yet */
    uint64_t granules;
    struct kith_report report;
    char (*sentences)[KITH__SENTENCE_SIZE];
    struct kith__lock **locks;
    struct kith__leads leads;
    size_t lock_count, lock_room, held;
    size_t guess;         /* how many locks there are */
    enum kith__rank rank; /* of the locks being taken */
    size_t inner;         /* of the locks, the first of the allocator's */
    bool in_magazine;     /* what is marked is nobody's item, whatever it was */
    bool marks_failed;    /* for want of private memory */
    kith_err err;
};

/* Notes a broken invariant. */
__attribute__((format(printf, 2, 3))) void kith__walk_violation(struct kith__walk *w,
                                                                const char *format, ...);
/* The block at `off` has an owner: `what`.  False if it is no block, or has one already. */
bool kith__walk_mark(struct kith__walk *w, uint64_t off, const char *what);
bool kith__walk_marked(const struct kith__walk *w, uint64_t off);
/* An item in the block at `off`, or in none, whose bytes are at `data`: it may be a reference. */
void kith__walk_item(struct kith__walk *w, uint64_t meta, uint64_t off, const void *data);
/* A reference that has an owner: called by kith__walk_mark(). */
void kith__walk_reference(struct kith__walk *w, uint64_t off,
                          const struct kith__reference *reference);
/* A lock that has to be held while the arena is walked. */
void kith__walk_want(struct kith__walk *w, struct kith__lock *lock);

#endif /* KITH__SHM_WALK_H */
