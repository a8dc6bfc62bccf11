/*
 * journal.h - redo records: changes written down, committed by one store, then carried out.
 */
#ifndef KITH__SHM_JOURNAL_H
#define KITH__SHM_JOURNAL_H

#include "shm/lock.h"

#define KITH__OP_CLASSES 6u /* size classes one operation may take from or give to */
#define KITH__OP_GIVES 10u  /* blocks it may give back by way of the magazines; more go by trash */

/*
 * One operation being built: private memory, on the caller's stack.  Setting a word writes it
 * down; getting one sees what was set.  Errors stick: the commit returns the first.
 */
struct kith__op {
    struct kith__self *self;
    struct kith__journal *journal;
    struct kith__redo *entries;
    uint64_t seen;   /* a bit for each word written down, so that most searches need no look */
    uint32_t *index; /* NULL while the record is short; else entry number + 1 by hash */
    uint32_t count, room;
    uint32_t cover_first, cover_end; /* all covers are among these entries */
    uint32_t index_mask;
    uint32_t expected; /* words that it will be, as far as is known: its index is made for them */
    bool mini;
    bool slots_set;     /* it puts keys into buckets, or takes some out */
    bool slots_cleared; /* it takes some out */
    kith_err err;
    uint64_t trash_count; /* blocks written behind the trash's end, not yet in it */
    uint8_t class_count, give_count;
    struct {
        uint8_t class_index;
        uint8_t taken;
    } classes[KITH__OP_CLASSES];
    struct {
        uint8_t class_index;
        uint64_t off;
    } gives[KITH__OP_GIVES];
};

/* Begins a record of the main journal, or, for the allocator's own changes, the mini one. */
void kith__op_begin(struct kith__op *op, struct kith__self *self);
void kith__op_begin_mini(struct kith__op *op, struct kith__self *self);

kith_err kith__op_grow(struct kith__op *op);
struct kith__redo *kith__op_find_long(const struct kith__op *op, uint64_t off);
void kith__op_index(struct kith__op *op, uint32_t entry);

static inline uint64_t
kith__op_bit(uint64_t off)
{
    return UINT64_C(1) << ((off * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

/* The entry of `off` (with its cover bit), or NULL. */
static inline struct kith__redo *
kith__op_find(const struct kith__op *op, uint64_t off)
{
    if ((op->seen & kith__op_bit(off)) == 0)
        return NULL;
    if (op->index != NULL)
        return kith__op_find_long(op, off);
    for (uint32_t i = op->count; i-- > 0;)
        if (op->entries[i].off == off)
            return &op->entries[i];
    return NULL;
}

/* Appends an entry that is known not to be there. */
static inline void
kith__op_append(struct kith__op *op, uint64_t off, uint64_t value)
{
    if (op->count == op->room && kith__op_grow(op) < 0)
        return;
    op->entries[op->count] = (struct kith__redo){ off, value };
    if ((off & KITH__REDO_COVER) != 0) { /* known when this is compiled */
        if (op->cover_end == 0)
            op->cover_first = op->count;
        op->cover_end = op->count + 1;
    }
    op->seen |= kith__op_bit(off);
    if (op->index != NULL)
        kith__op_index(op, op->count);
    op->count++;
}

/* Sets a word that is known not to have been set. */
static inline void
kith__op_set_first(struct kith__op *op, const kith__word *word, uint64_t value)
{
    kith__op_append(op, kith__off(op->self->arena, word), value);
}

static inline void
kith__op_set(struct kith__op *op, kith__word *word, uint64_t value)
{
    uint64_t off = kith__off(op->self->arena, word);
    struct kith__redo *entry = kith__op_find(op, off);

    if (entry != NULL)
        entry->value = value;
    else
        kith__op_append(op, off, value);
}

static inline uint64_t
kith__op_get(const struct kith__op *op, const kith__word *word)
{
    struct kith__redo *entry =
        op->count == 0 ? NULL : kith__op_find(op, kith__off(op->self->arena, word));

    return entry != NULL ? entry->value : kith__load(word);
}

/*
 * A cover is a word whose low 16 bits name an actor while that actor's record may change what
 * the word stands for: a bucket, or a whole shard.  Covering sets them before the commit; the
 * last thing the record does is to store the cover's final value, with these bits zero.
 */
static inline void
kith__op_cover(struct kith__op *op, kith__word *word, uint64_t final)
{
    uint64_t off = kith__off(op->self->arena, word) | KITH__REDO_COVER;
    struct kith__redo *entry = kith__op_find(op, off);

    if (entry != NULL)
        entry->value = final;
    else
        kith__op_append(op, off, final);
}

/* What a cover will be; what it is if it is none. */
static inline uint64_t
kith__op_cover_get(const struct kith__op *op, const kith__word *word, bool *covered_out)
{
    struct kith__redo *entry =
        op->count == 0 ? NULL
                       : kith__op_find(op, kith__off(op->self->arena, word) | KITH__REDO_COVER);

    *covered_out = entry != NULL;
    return entry != NULL ? entry->value : kith__load(word);
}

/*
 * Commits, carries out and clears the record, blocks taken and given included.  On an error
 * nothing has happened, but blocks that were staged are still to be freed: kith__op_abort().
 */
kith_err kith__op_commit(struct kith__op *op);
/* Drops the record and gives back every block it took.  May be called with locks held. */
void kith__op_abort(struct kith__op *op);

/* Carries out a committed record again, whosever it is; false if its entries make no sense. */
bool kith__journal_replay(struct kith__arena *arena, struct kith__journal *journal,
                          struct kith__redo *inline_entries, uint32_t inline_room);
/* Takes the covers of an uncommitted record off again. */
void kith__journal_uncover(struct kith__arena *arena, struct kith__journal *journal,
                           struct kith__redo *inline_entries, uint32_t inline_room, unsigned actor);
void kith__journal_clear(struct kith__journal *journal);

/* ---- Reading beside a record ---------------------------------------------------------- */

/*
 * What a reader without locks makes of a cover: whose record it is and whether it is committed.
 * While kith__overlay_holds(), the state with the record applied (committed), or without it
 * (not), is what everybody sees.
 */
struct kith__overlay {
    const struct kith__arena *arena;
    const struct kith__journal *journal; /* NULL: no cover, words are what they are */
    uint64_t state;
    const struct kith__redo *entries;
    const uint32_t *index;
    uint32_t count, index_mask;
};

void kith__overlay_begin(struct kith__overlay *overlay, const struct kith__arena *arena,
                         unsigned actor);
uint64_t kith__overlay_search(const struct kith__overlay *overlay, uint64_t off, uint64_t current);

static inline uint64_t
kith__overlay_load(const struct kith__overlay *overlay, const kith__word *word)
{
    uint64_t current = kith__load_acquire(word);

    if (overlay == NULL || overlay->count == 0)
        return current;
    return kith__overlay_search(overlay, kith__off(overlay->arena, word), current);
}

static inline uint64_t
kith__overlay_cover(const struct kith__overlay *overlay, const kith__word *word, uint64_t current)
{
    if (overlay == NULL || overlay->count == 0)
        return current;
    return kith__overlay_search(overlay, kith__off(overlay->arena, word) | KITH__REDO_COVER,
                                current);
}

static inline bool
kith__overlay_holds(const struct kith__overlay *overlay)
{
    if (overlay->journal == NULL)
        return true;
    atomic_thread_fence(memory_order_acquire);
    return kith__load(&overlay->journal->state) == overlay->state;
}

#endif /* KITH__SHM_JOURNAL_H */
