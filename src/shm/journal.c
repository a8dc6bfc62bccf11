/*
 * journal.c - the redo log of an actor.
 *
 * LAYOUT   journal: {state, count, area, shape}; entries {offset, value}, in the slot while
 *          there are few, else in an extent of the actor's, followed by a hash index of them.
 *          state is generation << 1 | committed.  Two logs an actor: `main` for operations on
 *          objects, `mini` for the allocator's, which run while a main record is being built.
 *
 * INVARIANTS
 *   J1  a word in a committed record is guarded by a lock its actor holds, or is its actor's
 *       own, until the record is cleared: so carrying it out twice is carrying it out once
 *   J2  covers are listed before they are set, and stand only while their actor holds the
 *       lock of what they cover
 *   J3  at most one of an actor's two records is committed at any time
 *
 * STEPS
 *   W1 entries, count, area    W2 the covers name the actor    W3 state: committed
 *   W4 words are stored        W5 covers get their final values    W6 state: next generation
 * DEATH
 *   up to W2   the record is dropped: covers that name the dead are taken off
 *   from W3    the record is carried out from the start: W4, W5, W6
 *   from W6    nothing is left to do; locks are released by the ledger
 *
 * ORDER  A reader that finds a cover set takes the words from the record if it is committed,
 * from memory if not, and checks at the end that the state is what it was.  Both ways it has
 * seen one side of W3, wholly.  A reader that finds no cover sees the words as of W5 or of
 * before W2: covers are stored after all words (release), and read before them (acquire).
 */
#include "shm/journal.h"

#include <string.h>

#include "base/error.h"
#include "shm/alloc.h"

#define INDEX_FIRST_LOG 8u

static uint32_t
hash_of(uint64_t off)
{
    return (uint32_t)((off * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static void
begin(struct kith__op *op, struct kith__self *self)
{
    op->self = self;
    op->index = NULL;
    op->seen = 0;
    op->count = 0;
    op->cover_first = op->cover_end = 0;
    op->expected = 0;
    op->slots_set = op->slots_cleared = false;
    op->err = KITH_OK;
    op->trash_count = 0;
    op->class_count = 0;
    op->give_count = 0;
}

void
kith__op_begin(struct kith__op *op, struct kith__self *self)
{
    begin(op, self);
    op->mini = false;
    op->journal = &self->actor->main;
    op->entries = self->actor->main_inline;
    op->room = KITH__MAIN_INLINE;
}

void
kith__op_begin_mini(struct kith__op *op, struct kith__self *self)
{
    begin(op, self);
    op->mini = true;
    op->journal = &self->actor->mini;
    op->entries = self->actor->mini_inline;
    op->room = KITH__MINI_INLINE;
}

/* ---- Long records --------------------------------------------------------------------- */

void
kith__op_index(struct kith__op *op, uint32_t entry)
{
    uint32_t at = hash_of(op->entries[entry].off) & op->index_mask;

    while (op->index[at] != 0)
        at = (at + 1) & op->index_mask;
    op->index[at] = entry + 1;
}

struct kith__redo *
kith__op_find_long(const struct kith__op *op, uint64_t off)
{
    uint32_t at = hash_of(off) & op->index_mask;

    for (; op->index[at] != 0; at = (at + 1) & op->index_mask)
        if (op->entries[op->index[at] - 1].off == off)
            return &op->entries[op->index[at] - 1];
    return NULL;
}

/* The record area holds `room` entries and then an index of twice as many numbers. */
static uint64_t
area_size(uint64_t room)
{
    return room * sizeof(struct kith__redo) + 2 * room * sizeof(uint32_t);
}

kith_err
kith__op_grow(struct kith__op *op)
{
    struct kith__self *self = op->self;
    struct kith__arena *arena = self->arena;
    struct kith__vec *record = &self->actor->record;
    uint32_t log = op->index == NULL ? INDEX_FIRST_LOG : 0;
    uint64_t room;

    if (op->err < 0)
        return op->err;
    if (op->mini || op->count >= (UINT32_C(1) << 29)) {
        op->err = kith__fail(KITH_ETOOBIG, "One step changes more words than a record holds.");
        return op->err;
    }
    room = kith__load(&record->room);
    if (op->count >= room) {
        uint64_t more = room == 0 ? 2048 : 2 * room;
        op->err = kith__record_grow(self, more, area_size(more), op->entries, op->count);
        if (op->err < 0)
            return op->err;
        room = more;
        op->entries = kith__at(arena, kith__load(&record->area), 0);
        op->index = NULL; /* it stands elsewhere now */
    } else if (op->index == NULL) {
        struct kith__redo *area = kith__at(arena, kith__load(&record->area), area_size(room));

        if (area == NULL) {
            op->err = kith__fail(KITH_ECORRUPT, "A record of changes is broken; run kith check.");
            return op->err;
        }
        memcpy(area, op->entries, op->count * sizeof *area);
        op->entries = area;
    }
    while ((UINT32_C(1) << log) < 4 * op->count || (UINT32_C(1) << log) / 2 < op->expected)
        log++;
    op->index = (uint32_t *)(void *)(op->entries + room);
    op->index_mask = (UINT32_C(1) << log) - 1;
    if (op->index_mask >= 2 * room)
        op->index_mask = (uint32_t)(2 * room - 1);
    op->room = (op->index_mask + 1) / 2;
    memset(op->index, 0, ((size_t)op->index_mask + 1) * sizeof *op->index);
    for (uint32_t i = 0; i < op->count; i++)
        kith__op_index(op, i);
    return KITH_OK;
}

/* ---- Carrying out --------------------------------------------------------------------- */

/* Whether the word of an entry lies in the arena, and the word. */
static inline bool
is_inside(const struct kith__arena *arena, uint64_t off)
{
    return (off | 7) < arena->size; /* its low bits are flags */
}

static inline kith__word *
word_of(const struct kith__arena *arena, uint64_t off)
{
    return (kith__word *)(void *)(arena->base + (off & ~UINT64_C(7)));
}

static inline kith__word *
word_at(const struct kith__arena *arena, uint64_t off)
{
    return is_inside(arena, off) ? word_of(arena, off) : NULL;
}

#define AHEAD 16u /* entries whose words are asked for before they are needed */

/* Asks for the word of an entry to come, which in a long record has left the caches since. */
static inline void
ask_ahead(const struct kith__arena *arena, const struct kith__redo *entries, uint32_t at,
          uint32_t count)
{
    if (at + AHEAD < count) /* a hint, which faults nowhere: no need to check the offset */
        __builtin_prefetch((const void *)((uintptr_t)arena->base + entries[at + AHEAD].off), 1);
}

/* Carries entries out, of which those from `cover_first` to `cover_end` may be covers. */
static bool
apply(struct kith__arena *arena, const struct kith__redo *entries, uint32_t count,
      uint32_t cover_first, uint32_t cover_end)
{
    for (uint32_t i = 0; i < count; i++) { /* W4 */
        uint64_t off = entries[i].off;

        ask_ahead(arena, entries, i, count);
        if (!is_inside(arena, off))
            return false; /* the record was overwritten by somebody; store nothing outside */
        if ((off & KITH__REDO_COVER) == 0)
            /* Release: the word may be what makes a fresh block known, and then the block's bytes
             * must be there for whoever follows it without having seen our lock. */
            kith__store_release(word_of(arena, off), entries[i].value);
    }
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = cover_first; i < cover_end; i++) { /* W5 */
        uint64_t off = entries[i].off;

        ask_ahead(arena, entries, i, cover_end);
        if (!is_inside(arena, off))
            return false;
        if ((off & KITH__REDO_COVER) != 0)
            kith__store(word_of(arena, off), entries[i].value);
    }
    /* Blocks given back may be written from here on: after the new versions are visible. */
    atomic_thread_fence(memory_order_acq_rel);
    return true;
}

void
kith__journal_clear(struct kith__journal *journal)
{
    uint64_t state = kith__load(&journal->state);

    kith__store_release(&journal->state, (state | KITH__COMMITTED) + 1); /* W6 */
    kith__step();
    kith__store(&journal->count, 0);
}

kith_err
kith__op_commit(struct kith__op *op)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__journal *journal = op->journal;
    uint64_t state;

    if (!op->mini)
        kith__op_finish_blocks(op);
    if (op->err < 0)
        return op->err;
    kith__store(&journal->count, op->count); /* W1 */
    if (op->index != NULL) {
        kith__store(&journal->area, kith__off(arena, op->entries));
        kith__store(&journal->shape, (kith__off(arena, op->index) << 6) |
                                         (uint64_t)__builtin_ctz(op->index_mask + 1));
    } else {
        kith__store(&journal->area, 0);
    }
    kith__step();
    if (!op->mini)
        for (uint32_t i = op->cover_first; i < op->cover_end; i++) { /* W2 */
            ask_ahead(arena, op->entries, i, op->cover_end);
            if ((op->entries[i].off & KITH__REDO_COVER) != 0) {
                kith__word *cover = word_at(arena, op->entries[i].off);
                kith__store(cover, (kith__load(cover) & ~KITH__HEAD_ACTOR) | op->self->id);
            }
        }
#ifdef KITH_MISTAKE_APPLY_BEFORE_COMMIT
    apply(arena, op->entries, op->count, op->cover_first, op->cover_end);
#endif
    state = kith__load(&journal->state);
    kith__store_release(&journal->state, state | KITH__COMMITTED); /* W3 */
    kith__step();
    apply(arena, op->entries, op->count, op->cover_first, op->cover_end);
    kith__journal_clear(journal);
    return KITH_OK;
}

static struct kith__redo *
entries_of(struct kith__arena *arena, struct kith__journal *journal,
           struct kith__redo *inline_entries, uint32_t inline_room, uint32_t *count_out)
{
    uint64_t count = kith__load(&journal->count);
    uint64_t area = kith__load(&journal->area);

    if (area == 0 ? count > inline_room : count > (UINT64_C(1) << 29))
        return NULL;
    *count_out = (uint32_t)count;
    return area == 0 ? inline_entries : kith__at(arena, area, count * sizeof *inline_entries);
}

bool
kith__journal_replay(struct kith__arena *arena, struct kith__journal *journal,
                     struct kith__redo *inline_entries, uint32_t inline_room)
{
    uint32_t count = 0;
    struct kith__redo *entries = entries_of(arena, journal, inline_entries, inline_room, &count);

    return entries != NULL && apply(arena, entries, count, 0, count);
}

void
kith__journal_uncover(struct kith__arena *arena, struct kith__journal *journal,
                      struct kith__redo *inline_entries, uint32_t inline_room, unsigned actor)
{
    uint32_t count = 0;
    struct kith__redo *entries = entries_of(arena, journal, inline_entries, inline_room, &count);

#ifdef KITH_MISTAKE_KEEP_COVERS
    return;
#endif
    for (uint32_t i = 0; entries != NULL && i < count; i++) {
        kith__word *cover = word_at(arena, entries[i].off);

        if ((entries[i].off & KITH__REDO_COVER) != 0 && cover != NULL &&
            (kith__load(cover) & KITH__HEAD_ACTOR) == actor)
            kith__store(cover, kith__load(cover) & ~KITH__HEAD_ACTOR);
    }
}

/* ---- Reading beside a record ---------------------------------------------------------- */

void
kith__overlay_begin(struct kith__overlay *overlay, const struct kith__arena *arena, unsigned actor)
{
    struct kith__actor *at;
    uint64_t area, shape, count;

    overlay->arena = arena;
    overlay->journal = NULL;
    overlay->count = 0;
    overlay->index = NULL;
    if (actor == 0 || actor > arena->actors_max)
        return;
    at = kith__actor_at(arena, actor);
    overlay->journal = &at->main;
    overlay->state = kith__load_acquire(&at->main.state);
    if ((overlay->state & KITH__COMMITTED) == 0)
        return;
    count = kith__load(&at->main.count);
    area = kith__load(&at->main.area);
    shape = kith__load(&at->main.shape);
    if (area == 0) {
        overlay->entries = at->main_inline;
        overlay->count = count <= KITH__MAIN_INLINE ? (uint32_t)count : 0;
        return;
    }
    overlay->entries = kith__at(arena, area, count * sizeof *overlay->entries);
    overlay->index = kith__at(arena, shape >> 6, sizeof(uint32_t) << (shape & 31));
    overlay->index_mask = (UINT32_C(1) << (shape & 31)) - 1;
    if (overlay->entries != NULL && overlay->index != NULL && count < (UINT64_C(1) << 29))
        overlay->count = (uint32_t)count;
}

/* The value the record gives `off`; `current` if it gives none.  It may change under us. */
uint64_t
kith__overlay_search(const struct kith__overlay *overlay, uint64_t off, uint64_t current)
{
    if (overlay->index == NULL) {
        for (uint32_t i = 0; i < overlay->count; i++)
            if (overlay->entries[i].off == off)
                return overlay->entries[i].value;
        return current;
    }
    for (uint32_t at = hash_of(off) & overlay->index_mask, tries = 0; tries <= overlay->index_mask;
         at = (at + 1) & overlay->index_mask, tries++) {
        uint32_t entry = overlay->index[at];

        if (entry == 0)
            return current;
        if (entry <= overlay->count && overlay->entries[entry - 1].off == off)
            return overlay->entries[entry - 1].value;
    }
    return current;
}
