/*
 * extent.c - runs of granules: first fit from binned free lists, coalesced when freed.
 *
 * LAYOUT   One descriptor a granule.  The first and the last of every run say what the run is;
 *          the ones between are not looked at.  Free runs hang in 32 bins by the log2 of their
 *          length, doubly linked by granule index + 1.
 *
 * INVARIANTS, under the extent lock
 *   E1  runs follow each other without a gap from granule 0 to granules_top
 *   E2  no two free runs are neighbours
 *   E3  a run is in a bin if and only if it is free; limbo runs are in the limbo list
 *   E4  `used` counts granules in spans, extents and limbo; `dirty` those in free runs that
 *       may hold memory
 *   E5  a run that is marked whole has memory for every page, and need not be committed again
 *
 * STEPS    Every change is one record of the mini journal: see journal.c.  A new extent is in
 *          its actor's `staged` from the instant it leaves its bin; its memory is committed
 *          after that, outside the lock, and then one store marks it whole if it is.
 * DEATH    before the commit of the record nothing happened; after it the reaper frees what
 *          is staged.
 */
#include "shm/extent.h"

#include <string.h>

#include "base/error.h"
#include "shm/alloc.h"
#include "shm/grace.h"

#define SEARCH_MAX 32u
/* Free memory kept for reuse: a fresh page costs twenty times a used one. */
#define RESERVE_GRANULES 64u
#define TRIMS_MAX 4096u
#define WHOLE_FROM 8u /* granules: an eighth of the memory at most is not used then */
#define FREE_FLAGS (KITH__GRANULE_DIRTY | KITH__GRANULE_WHOLE)

/* ---- Bins ----------------------------------------------------------------------------- */

static unsigned
bin_of(uint64_t run)
{
    unsigned log = 63u - (unsigned)__builtin_clzll(run);

    return log < KITH__BINS ? log : KITH__BINS - 1;
}

static struct kith__granule *
linked_at(struct kith__op *mini, uint64_t link)
{
    struct kith__arena *arena = mini->self->arena;

    if (link == 0 || link > arena->granules_max) {
        mini->err = kith__fail(KITH_ECORRUPT,
                               "A list of free memory in %s is broken; run kith "
                               "check.",
                               arena->path ? arena->path : "the mem:// space");
        return NULL;
    }
    return kith__granule_at(arena, link - 1);
}

static void
unlink_run(struct kith__op *mini, kith__word *head, uint64_t index)
{
    struct kith__granule *at = kith__granule_at(mini->self->arena, index);
    uint64_t next = kith__op_get(mini, &at->next), prev = kith__op_get(mini, &at->prev);
    struct kith__granule *other;

    if (prev == 0)
        kith__op_set(mini, head, next);
    else if ((other = linked_at(mini, prev)) != NULL)
        kith__op_set(mini, &other->next, next);
    if (next != 0 && (other = linked_at(mini, next)) != NULL)
        kith__op_set(mini, &other->prev, prev);
}

static void
link_run(struct kith__op *mini, kith__word *head, uint64_t index)
{
    struct kith__granule *at = kith__granule_at(mini->self->arena, index), *other;
    uint64_t first = kith__op_get(mini, head);

    kith__op_set(mini, &at->next, first);
    kith__op_set(mini, &at->prev, 0);
    if (first != 0 && (other = linked_at(mini, first)) != NULL)
        kith__op_set(mini, &other->prev, index + 1);
    kith__op_set(mini, head, index + 1);
}

static void
add_to(struct kith__op *mini, kith__word *counter, int64_t n)
{
    kith__op_set(mini, counter, kith__op_get(mini, counter) + (uint64_t)n);
}

static void
describe_run(struct kith__op *mini, uint64_t index, uint64_t run, unsigned kind, unsigned tail,
             uint64_t flags)
{
    struct kith__arena *arena = mini->self->arena;

    kith__op_set(mini, &kith__granule_at(arena, index)->word,
                 KITH__GRANULE_WORD(kind, run) | flags);
    if (run > 1)
        kith__op_set(mini, &kith__granule_at(arena, index + run - 1)->word,
                     KITH__GRANULE_WORD(tail, run) | flags);
}

static void
make_free(struct kith__op *mini, uint64_t index, uint64_t run, uint64_t flags)
{
    struct kith__header *h = KITH__HEADER(mini->self->arena);

    describe_run(mini, index, run, KITH__GRANULE_FREE, KITH__GRANULE_FREE_TAIL, flags);
    link_run(mini, &h->bin[bin_of(run)], index);
    if ((flags & KITH__GRANULE_DIRTY) != 0)
        add_to(mini, &h->dirty, (int64_t)run);
}

static void
take_free(struct kith__op *mini, uint64_t index, uint64_t word)
{
    struct kith__header *h = KITH__HEADER(mini->self->arena);
    uint64_t run = KITH__GRANULE_RUN(word);

    unlink_run(mini, &h->bin[bin_of(run)], index);
    if ((word & KITH__GRANULE_DIRTY) != 0)
        add_to(mini, &h->dirty, -(int64_t)run);
}

/* ---- Taking --------------------------------------------------------------------------- */

/* A free run of `run` granules or more; UINT64_MAX if there is none. */
static uint64_t
find_free(struct kith__arena *arena, uint64_t run)
{
    struct kith__header *h = KITH__HEADER(arena);

    for (unsigned bin = bin_of(run); bin < KITH__BINS; bin++) {
        uint64_t link = kith__load(&h->bin[bin]);

        for (unsigned i = 0; link != 0 && link <= arena->granules_max && i < SEARCH_MAX; i++) {
            struct kith__granule *at = kith__granule_at(arena, link - 1);
            uint64_t word = kith__load(&at->word);

            if (KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE && KITH__GRANULE_RUN(word) >= run &&
                link - 1 + KITH__GRANULE_RUN(word) <= arena->granules_max)
                return link - 1;
            link = kith__load(&at->next);
        }
    }
    return UINT64_MAX;
}

static kith_err
out_of_room(struct kith__arena *arena, uint64_t size)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t left = arena->granules_max - kith__load(&h->used);

    return kith__fail(KITH_ENOMEM,
                      "%s has no room for %llu bytes more: %llu of its limit of %llu bytes are "
                      "free. Delete something, run kith gc, or make a space with a larger size.",
                      arena->path ? arena->path : "The mem:// space", (unsigned long long)size,
                      (unsigned long long)(left * KITH__GRANULE),
                      (unsigned long long)(arena->granules_max * KITH__GRANULE));
}

/* Extent lock held: writes the taking of `run` granules down; their index, and the flags of the
 * run that they were of. */
static uint64_t
take_run(struct kith__op *mini, uint64_t run, uint64_t size, uint64_t *flags_out)
{
    struct kith__arena *arena = mini->self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t index = find_free(arena, run), top;

    if (index != UINT64_MAX) {
        uint64_t word = kith__load(&kith__granule_at(arena, index)->word);
        uint64_t whole = KITH__GRANULE_RUN(word);

        *flags_out = word & FREE_FLAGS;
        take_free(mini, index, word);
        if (whole > run)
            make_free(mini, index + run, whole - run, *flags_out);
    } else {
        top = kith__load(&h->granules_top);
        if (top > arena->granules_max || run > arena->granules_max - top) {
            mini->err = out_of_room(arena, size);
            return 0;
        }
        mini->err = kith__arena_commit(arena, kith__off(arena, kith__granule_at(arena, top)),
                                       run * sizeof(struct kith__granule));
        if (mini->err < 0)
            return 0;
        kith__op_set(mini, &h->granules_top, top + run);
        *flags_out = 0;
        index = top;
    }
    describe_run(mini, index, run, KITH__GRANULE_EXTENT, KITH__GRANULE_EXTENT_TAIL,
                 *flags_out & KITH__GRANULE_WHOLE);
    kith__op_set(mini, &kith__granule_at(arena, index)->size, size);
    add_to(mini, &h->used, (int64_t)run);
    return index;
}

/*
 * Outside of the lock: gives a staged extent its memory.  What was used before and not given back
 * has it: to ask the kernel about each page of a megabyte once more took a third of putting it into
 * a queue and getting it.  A long run gets all its memory, so that it can be used so; a short one
 * would waste too much.
 */
static kith_err
commit_extent(struct kith__self *self, uint64_t index, uint64_t run, uint64_t size, uint64_t flags)
{
    struct kith__arena *arena = self->arena;
    kith__word *word = &kith__granule_at(arena, index)->word;
    uint64_t off = kith__granule_off(arena, index), whole = run * KITH__GRANULE;
    bool all = run >= WHOLE_FROM || size > whole - KITH__PAGE; /* the last page, too */

    if ((flags & KITH__GRANULE_WHOLE) != 0)
        return KITH_OK;
    if (!all || kith__arena_commit(arena, off, whole) < 0)
        return kith__arena_commit(arena, off, size);
    kith__store(word, kith__load(word) | KITH__GRANULE_WHOLE);
    return KITH_OK;
}

static kith_err
take_extent(struct kith__self *self, uint64_t size, uint64_t *off_out, bool *dirty_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    struct kith__actor *actor = self->actor;
    uint64_t run = (size + KITH__GRANULE - 1) / KITH__GRANULE, index, count, flags = 0;
    struct kith__op mini;
    kith_err err;

    if (size > KITH__ITEM_MAX || run > arena->granules_max)
        return kith__fail(KITH_ETOOBIG,
                          "%llu bytes in one piece are more than %s holds altogether: its limit is "
                          "%llu bytes. Make a space with a larger size.",
                          (unsigned long long)size, arena->path ? arena->path : "the mem:// space",
                          (unsigned long long)(arena->granules_max * KITH__GRANULE));
    err = kith__arena_ask(arena, size);
    if (err < 0)
        return err;
    /* One place more than we need, so that growing `staged` itself can stage its new area. */
    count = kith__load(&actor->staged.count);
    if (count + 2 > kith__load(&actor->staged.room) && &actor->staged != self->growing) {
        err = kith__vec_grow(self, &actor->staged, actor->staged_inline, 2 * (count + 2));
        if (err < 0)
            return err;
    }
    if (kith__load(&h->limbo) != 0)
        kith__limbo_sweep(self);
    err = kith__lock_acquire(self, &h->extent_lock);
    if (err < 0)
        return err;
    kith__op_begin_mini(&mini, self);
    index = take_run(&mini, run, size, &flags);
    if (mini.err == KITH_OK) {
        kith__word *staged;

        count = kith__load(&actor->staged.count);
        staged = kith__staged_at(arena, actor, count + 1);
        if (staged == NULL)
            mini.err = kith__fail(KITH_ECORRUPT, "A list of staged blocks is broken; run kith "
                                                 "check.");
        else
            kith__store(&staged[count], kith__granule_off(arena, index));
        kith__op_set(&mini, &actor->staged.count, count + 1);
    }
    err = kith__op_commit(&mini);
    kith__lock_release(self, &h->extent_lock);
    if (err < 0)
        return err;
    err = commit_extent(self, index, run, size, flags);
    if (err < 0) {
        kith__extent_free(self, kith__granule_off(arena, index), &actor->staged.count, count);
        return err;
    }
    *off_out = kith__granule_off(arena, index);
    *dirty_out = (flags & KITH__GRANULE_DIRTY) != 0;
    return KITH_OK;
}

/* ---- Freeing -------------------------------------------------------------------------- */

void
kith__extent_put(struct kith__op *mini, uint64_t index, uint64_t flags)
{
    struct kith__arena *arena = mini->self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t word = kith__op_get(mini, &kith__granule_at(arena, index)->word);
    uint64_t run = KITH__GRANULE_RUN(word), whole = word & KITH__GRANULE_WHOLE;

    if (run == 0 || index + run > arena->granules_max) {
        mini->err = kith__fail(KITH_ECORRUPT,
                               "A block to be freed in %s is no block; run kith "
                               "check.",
                               arena->path ? arena->path : "the mem:// space");
        return;
    }
    add_to(mini, &h->used, -(int64_t)run);
    if (index + run < kith__op_get(mini, &h->granules_top)) { /* E2 */
        word = kith__op_get(mini, &kith__granule_at(arena, index + run)->word);
        if (KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE) {
            take_free(mini, index + run, word);
            run += KITH__GRANULE_RUN(word);
            flags |= word & KITH__GRANULE_DIRTY;
            whole &= word;
        }
    }
    if (index > 0) {
        word = kith__op_get(mini, &kith__granule_at(arena, index - 1)->word);
        if ((KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE_TAIL ||
             (KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE && KITH__GRANULE_RUN(word) == 1)) &&
            KITH__GRANULE_RUN(word) <= index) {
            index -= KITH__GRANULE_RUN(word);
            take_free(mini, index, word);
            run += KITH__GRANULE_RUN(word);
            flags |= word & KITH__GRANULE_DIRTY;
            whole &= word;
        }
    }
    make_free(mini, index, run, flags | whole);
}

/*
 * Whether a reader pins the extent.  It was unlinked before this is asked, so a reader that
 * pins it now looks again, finds it gone, and lets go; the fence orders the two looks.
 */
static bool
is_pinned(struct kith__arena *arena, uint64_t off)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t actors = kith__load(&h->actors_top), holders = kith__load(&h->holders_top);

    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned id = 1; id <= actors && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if (kith__load(&actor->pin) == off &&
            KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE)
            return true;
    }
    for (unsigned slot = 1; slot <= holders && slot <= KITH__HOLDERS_MAX; slot++) {
        struct kith__holder *holder = kith__holder_at(arena, slot);

        if (KITH__SLOT_KIND(kith__load(&holder->state)) != KITH__SLOT_LIVE ||
            kith__load(&holder->pin_count) == 0)
            continue;
        for (unsigned i = 0; i < KITH__PINS; i++)
            if (kith__load(&holder->pin[i]) == off)
                return true;
    }
    return false;
}

kith_err
kith__extent_free(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t index = kith__granule_of(arena, off), word;
    struct kith__op mini;
    kith_err err = kith__lock_acquire(self, &h->extent_lock);

    if (err < 0)
        return err;
    kith__op_begin_mini(&mini, self);
    if (is_pinned(arena, off)) {
        word = kith__load(&kith__granule_at(arena, index)->word);
        describe_run(&mini, index, KITH__GRANULE_RUN(word), KITH__GRANULE_LIMBO,
                     KITH__GRANULE_EXTENT_TAIL, word & KITH__GRANULE_WHOLE);
        link_run(&mini, &h->limbo, index);
    } else {
        kith__extent_put(&mini, index, KITH__GRANULE_DIRTY);
    }
    kith__op_set(&mini, source, source_value);
    err = kith__op_commit(&mini);
    kith__lock_release(self, &h->extent_lock);
    return err;
}

kith_err
kith__limbo_sweep(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    kith_err err = kith__lock_acquire(self, &h->extent_lock);
    uint64_t link;

    if (err < 0)
        return err;
    link = kith__load(&h->limbo);
    for (uint64_t i = 0; link != 0 && link <= arena->granules_max && i < arena->granules_max; i++) {
        uint64_t index = link - 1;
        struct kith__op mini;

        link = kith__load(&kith__granule_at(arena, index)->next);
        if (is_pinned(arena, kith__granule_off(arena, index)))
            continue;
        kith__op_begin_mini(&mini, self);
        unlink_run(&mini, &h->limbo, index);
        kith__extent_put(&mini, index, KITH__GRANULE_DIRTY);
        err = kith__op_commit(&mini);
        if (err < 0)
            break;
    }
    kith__lock_release(self, &h->extent_lock);
    return err;
}

/* ---- Giving memory back ---------------------------------------------------------------- */

/* Takes the largest dirty free run out of its bin into `staged`; 0 if there is none. */
static kith_err
stage_dirty_run(struct kith__self *self, uint64_t *index_out, uint64_t *run_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->staged.count);
    struct kith__op mini;
    kith_err err;

    *run_out = 0;
    if (count + 2 > kith__load(&actor->staged.room))
        return KITH_OK; /* some other time */
    err = kith__lock_acquire(self, &h->extent_lock);
    if (err < 0)
        return err;
    for (unsigned bin = KITH__BINS; bin-- > 0 && *run_out == 0;) {
        uint64_t link = kith__load(&h->bin[bin]);

        for (unsigned i = 0; link != 0 && link <= arena->granules_max && i < SEARCH_MAX; i++) {
            uint64_t word = kith__load(&kith__granule_at(arena, link - 1)->word);

            if ((word & KITH__GRANULE_DIRTY) != 0 &&
                KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE) {
                kith__word *staged = kith__staged_at(arena, actor, count + 1);

                if (staged == NULL)
                    break;
                *index_out = link - 1;
                *run_out = KITH__GRANULE_RUN(word);
                kith__op_begin_mini(&mini, self);
                take_free(&mini, *index_out, word);
                describe_run(&mini, *index_out, *run_out, KITH__GRANULE_EXTENT,
                             KITH__GRANULE_EXTENT_TAIL, 0);
                add_to(&mini, &h->used, (int64_t)*run_out);
                kith__store(&staged[count], kith__granule_off(arena, *index_out));
                kith__op_set(&mini, &actor->staged.count, count + 1);
                err = kith__op_commit(&mini);
                break;
            }
            link = kith__load(&kith__granule_at(arena, link - 1)->next);
        }
    }
    kith__lock_release(self, &h->extent_lock);
    return err;
}

/* Puts a punched run back among the free ones. */
static kith_err
unstage_clean_run(struct kith__self *self, uint64_t index)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    struct kith__actor *actor = self->actor;
    struct kith__op mini;
    kith_err err = kith__lock_acquire(self, &h->extent_lock);

    if (err < 0)
        return err;
    kith__op_begin_mini(&mini, self);
    kith__extent_put(&mini, index, 0);
    kith__op_set(&mini, &actor->staged.count, kith__load(&actor->staged.count) - 1);
    err = kith__op_commit(&mini);
    kith__lock_release(self, &h->extent_lock);
    return err;
}

kith_err
kith__trim(struct kith__self *self, bool all, uint64_t *bytes_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t keep = all ? 0 : RESERVE_GRANULES + kith__load(&h->used) / 8, bytes = 0;
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < TRIMS_MAX && err == KITH_OK && kith__load(&h->dirty) > keep; i++) {
        uint64_t index = 0, run;

        err = stage_dirty_run(self, &index, &run);
        if (err < 0 || run == 0)
            break;
        if (!kith__readers_have_moved_on(self)) {
            err =
                kith__extent_free(self, kith__granule_off(arena, index), &self->actor->staged.count,
                                  kith__load(&self->actor->staged.count) - 1);
            break;
        }
        kith__arena_punch(arena, kith__granule_off(arena, index), run * KITH__GRANULE);
        err = unstage_clean_run(self, index);
        bytes += run * KITH__GRANULE;
    }
    if (bytes_out != NULL)
        *bytes_out = bytes;
    return err;
}

/*
 * Where the file system is full, the arena may still have memory in free runs that are too short,
 * or lack a page: that is given back, and the extent tried for once more.
 */
static kith_err
take_or_trim(struct kith__self *self, uint64_t size, uint64_t *off_out, bool *dirty_out)
{
    uint64_t bytes = 0;
    kith_err err = take_extent(self, size, off_out, dirty_out);

    if (err != KITH_ENOMEM || kith__load(&KITH__HEADER(self->arena)->dirty) == 0 ||
        kith__trim(self, true, &bytes) < 0 || bytes == 0)
        return err;
    return take_extent(self, size, off_out, dirty_out);
}

kith_err
kith__extent_take(struct kith__self *self, uint64_t size, uint64_t *off_out)
{
    bool dirty;

    return take_or_trim(self, size, off_out, &dirty);
}

/* ---- Extents held by a pin alone -------------------------------------------------------- */

kith_err
kith__pin(struct kith__arena *arena, uint64_t off, uint64_t *index_out)
{
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);

    atomic_fetch_add(&holder->pin_count, 1);
    for (unsigned i = 0; i < KITH__PINS; i++) {
        uint64_t none = 0;

        if (atomic_compare_exchange_strong(&holder->pin[i], &none, off)) {
            *index_out = i;
            return KITH_OK;
        }
    }
    atomic_fetch_sub(&holder->pin_count, 1);
    return kith__fail(KITH_EFULL,
                      "This process has %u views of large items, arrays and segments open, as "
                      "many as it may; release some.",
                      KITH__PINS);
}

void
kith__unpin(struct kith__arena *arena, uint64_t index, uint64_t off)
{
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);

    /* Only if it is still ours: who left the arena and came back may have another's there. */
    if (index < KITH__PINS && atomic_compare_exchange_strong(&holder->pin[index], &off, 0))
        atomic_fetch_sub(&holder->pin_count, 1);
}

kith_err
kith__extent_stage(struct kith__self *self, uint64_t size, bool zero, uint64_t *off_out,
                   uint64_t *pin_out)
{
    kith__word *staged = &self->actor->staged.count;
    uint64_t off = 0, pin = 0;
    bool dirty = false;
    kith_err err = take_or_trim(self, size, &off, &dirty);

    if (err < 0)
        return err;
    if (zero && dirty)
        memset(kith__ptr(self->arena, off), 0, size);
    err = kith__pin(self->arena, off, &pin);
    if (err < 0) {
        kith__extent_free(self, off, staged, kith__load(staged) - 1);
        return err;
    }
    err = kith__extent_free(self, off, staged, kith__load(staged) - 1); /* to limbo */
    if (err < 0) {
        kith__unpin(self->arena, pin, off);
        return err;
    }
    *off_out = off;
    *pin_out = pin;
    return KITH_OK;
}

void
kith__extent_drop(struct kith__self *self, uint64_t off, uint64_t pin)
{
    kith__unpin(self->arena, pin, off);
    if (kith__load(&KITH__HEADER(self->arena)->limbo) != 0)
        kith__limbo_sweep(self);
}

kith_err
kith__extent_adopt(struct kith__op *op, uint64_t off)
{
    struct kith__self *self = op->self;
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    struct kith__vec *vec = &self->actor->staged;
    uint64_t index = kith__granule_of(arena, off), count = kith__load(&vec->count), word;
    struct kith__op mini;
    kith_err err;

    if (op->err < 0)
        return op->err;
    if (count + 2 > kith__load(&vec->room)) {
        op->err = kith__vec_grow(self, vec, self->actor->staged_inline, 2 * (count + 2));
        if (op->err < 0)
            return op->err;
    }
    err = kith__lock_acquire(self, &h->extent_lock);
    if (err == KITH_OK) {
        kith__word *staged = kith__staged_at(arena, self->actor, count + 1);

        word = index < arena->granules_max ? kith__load(&kith__granule_at(arena, index)->word) : 0;
        kith__op_begin_mini(&mini, self);
        if (staged == NULL || KITH__GRANULE_KIND(word) != KITH__GRANULE_LIMBO) {
            mini.err = kith__fail(KITH_ECORRUPT, "A block that was prepared is gone; run kith "
                                                 "check.");
        } else {
            unlink_run(&mini, &h->limbo, index);
            describe_run(&mini, index, KITH__GRANULE_RUN(word), KITH__GRANULE_EXTENT,
                         KITH__GRANULE_EXTENT_TAIL, word & KITH__GRANULE_WHOLE);
            kith__store(&staged[count], off);
            kith__op_set(&mini, &vec->count, count + 1);
        }
        err = kith__op_commit(&mini);
        kith__lock_release(self, &h->extent_lock);
    }
    op->err = err;
    return err;
}
