/*
 * alloc.c - small blocks: spans with bitmaps below, magazines on top.
 *
 * LAYOUT   span: a granule: header, bitmap of free blocks, blocks of one class.
 *          magazine: for each class a stack of blocks that belong to the actor.
 *
 * INVARIANTS
 *   M1  a block's bit is set if and only if the block is in no magazine, no staged or trash
 *       list and no structure
 *   M2  span.free_count is the number of set bits; a span is in its class's list if and only
 *       if that is not zero
 *   M3  spans of a typed class never leave it: whoever holds an old offset to a lock in one
 *       may lock it, will find that the object is another, and unlocks it again.  References are
 *       typed only to be told from other blocks, have no locks, and their spans go
 *
 * STEPS
 *   take     the block at the top of the magazine is filled while it is still there; the
 *            operation's own record lowers the count
 *   give     the operation's own record puts the block on top
 *   refill, flush, stage     one mini record each, under the class lock
 * DEATH     Every block is in one place before and after each record.  tests/crash kills at
 *           every instruction of each and audits the bitmaps.
 *
 * An operation that takes more blocks of a class than its magazine holds stages them: they
 * move to the actor's list of staged blocks, which the operation's record then empties.
 */
#include "shm/alloc.h"

#include <string.h>

#include "base/error.h"
#include "shm/extent.h"

#define FLUSH_MAX 8u

static const uint32_t typed_size[] = {
    sizeof(struct kith__dict_root),
    sizeof(struct kith__shard) * KITH__SHARDS,
    sizeof(struct kith__queue_root),
    sizeof(struct kith__sync_root),
    KITH__ROOT_SIZE,
    64, /* a cell */
    sizeof(struct kith__reference),
    (sizeof(struct kith__node) + sizeof(struct kith__reference) + 15) / 16 * 16,
};

/* ---- Classes -------------------------------------------------------------------------- */

#define FIRST_SIZE 128u /* up to here classes are 16 bytes apart, and their magazines alike */
#define FIRST_ROOM 32u

unsigned
kith__class_of(uint64_t size)
{
    unsigned log;

    if (size <= FIRST_SIZE)
        return size == 0 ? 0 : (unsigned)((size + 15) / 16 - 1);
    log = 63u - (unsigned)__builtin_clzll(size - 1); /* 2^log < size <= 2^(log + 1) */
    return 8 + (log - 7) * 4 + (unsigned)((size - 1) >> (log - 2)) - 4;
}

uint64_t
kith__class_size(unsigned class_index)
{
    unsigned group;

    if (class_index >= KITH__CLASS_PLAIN)
        return typed_size[class_index - KITH__CLASS_PLAIN];
    if (class_index < 8)
        return 16 * (uint64_t)(class_index + 1);
    group = (class_index - 8) / 4;
    return (UINT64_C(128) << group) / 4 * (5 + (class_index - 8) % 4);
}

unsigned
kith__class_room(unsigned class_index)
{
    if (class_index >= KITH__CLASS_PLAIN)
        return class_index == KITH__CLASS_SHARDS || class_index == KITH__CLASS_REFERENCE_NODE ? 2
                                                                                              : 4;
    return class_index < 8    ? FIRST_ROOM
           : class_index < 12 ? 16
           : class_index < 20 ? 8
           : class_index < 28 ? 4
                              : 2;
}

kith__word *
kith__magazine_slots(struct kith__magazines *magazines, unsigned class_index)
{
    static const uint16_t first[] = { 0, 256, 320, 384, 416 };
    static const uint16_t typed[] = { 436, 440, 442, 446, 450, 454, 458, 462 };

    static_assert(sizeof typed / sizeof typed[0] == KITH__CLASS_COUNT - KITH__CLASS_PLAIN,
                  "each typed class has its slots");

    if (class_index < 8)
        return &magazines->slot[first[0] + class_index * FIRST_ROOM];
    if (class_index < 12)
        return &magazines->slot[first[1] + (class_index - 8) * 16];
    if (class_index < 20)
        return &magazines->slot[first[2] + (class_index - 12) * 8];
    if (class_index < 28)
        return &magazines->slot[first[3] + (class_index - 20) * 4];
    if (class_index < KITH__CLASS_PLAIN)
        return &magazines->slot[first[4] + (class_index - 28) * 2];
    return &magazines->slot[typed[class_index - KITH__CLASS_PLAIN]];
}

static kith_err
broken(struct kith__self *self, const char *what)
{
    return kith__fail(KITH_ECORRUPT, "%s in %s is broken; run kith check.", what,
                      self->arena->path ? self->arena->path : "the mem:// space");
}

/* ---- Spans ---------------------------------------------------------------------------- */

struct kith__span *
kith__span_at(struct kith__arena *arena, uint64_t off)
{
    struct kith__span *span =
        (off - arena->heap_off) % KITH__GRANULE == 0 ? kith__at(arena, off, KITH__GRANULE) : NULL;

    if (span == NULL || span->magic != (KITH__SPAN_MAGIC ^ off) ||
        span->class_index >= KITH__CLASS_COUNT || span->block_count > KITH__SPAN_WORDS * 64 ||
        span->first > KITH__GRANULE ||
        span->first < sizeof *span + (span->block_count + 63) / 64 * 8 ||
        span->block_count * kith__class_size(span->class_index) > KITH__GRANULE - span->first)
        return NULL;
    return span;
}

/* The span that holds the block at `off`, and the block's number in it. */
static struct kith__span *
span_of(struct kith__arena *arena, uint64_t off, unsigned *block_out)
{
    uint64_t index = kith__granule_of(arena, off), start, at, size;
    struct kith__span *span;

    if (index >= arena->granules_max ||
        KITH__GRANULE_KIND(kith__load(&kith__granule_at(arena, index)->word)) != KITH__GRANULE_SPAN)
        return NULL;
    start = kith__granule_off(arena, index);
    span = kith__span_at(arena, start);
    if (span == NULL || off < start + span->first)
        return NULL;
    at = off - start - span->first;
    size = kith__class_size(span->class_index);
    if (at % size != 0 || at / size >= span->block_count)
        return NULL;
    *block_out = (unsigned)(at / size);
    return span;
}

/* Whether a span of the class stays one of it for ever: M3. */
static bool
has_locks(unsigned class_index)
{
    return class_index >= KITH__CLASS_PLAIN && class_index < KITH__CLASS_REFERENCE;
}

static bool
holds_references(unsigned class_index)
{
    return class_index >= KITH__CLASS_REFERENCE;
}

static struct kith__reference *
reference_in(struct kith__arena *arena, uint64_t off, unsigned class_index)
{
    return kith__ptr(
        arena, class_index == KITH__CLASS_REFERENCE_NODE ? off + sizeof(struct kith__node) : off);
}

struct kith__reference *
kith__reference_at(struct kith__arena *arena, uint64_t off, unsigned *class_out)
{
    unsigned block;
    struct kith__span *span = span_of(arena, off, &block);

    if (span == NULL || !holds_references(span->class_index))
        return NULL;
    *class_out = span->class_index;
    return reference_in(arena, off, span->class_index);
}

bool
kith__block_at(struct kith__arena *arena, uint64_t off, uint64_t *size_out)
{
    uint64_t index = kith__granule_of(arena, off), word;
    unsigned block;
    struct kith__span *span;

    if (index >= arena->granules_max)
        return false;
    word = kith__load(&kith__granule_at(arena, index)->word);
    if (KITH__GRANULE_KIND(word) == KITH__GRANULE_EXTENT &&
        off == kith__granule_off(arena, index)) {
        *size_out = KITH__GRANULE_RUN(word) * KITH__GRANULE;
        return true;
    }
    span = span_of(arena, off, &block);
    if (span == NULL)
        return false;
    *size_out = kith__class_size(span->class_index);
    return true;
}

static void
format_span(struct kith__arena *arena, uint64_t off, unsigned class_index)
{
    struct kith__span *span = kith__ptr(arena, off);
    uint64_t size = kith__class_size(class_index);
    uint64_t most = (KITH__GRANULE - sizeof *span) / size;
    uint64_t words = (most + 63) / 64;
    uint64_t first = (sizeof *span + words * 8 + 63) & ~UINT64_C(63);
    uint64_t blocks = (KITH__GRANULE - first) / size;

    if (has_locks(class_index))
        memset(span, 0, KITH__GRANULE); /* M3: a lock's word is never garbage */
    *span = (struct kith__span){ .magic = KITH__SPAN_MAGIC ^ off,
                                 .class_index = class_index,
                                 .block_count = (uint32_t)blocks,
                                 .first = first };
    kith__store(&span->free_count, blocks);
    for (uint64_t i = 0; i < words; i++) {
        uint64_t left = blocks > i * 64 ? blocks - i * 64 : 0;
        kith__store(&span->free[i], left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1);
    }
}

static void
link_span(struct kith__op *mini, struct kith__class *class, struct kith__span *span)
{
    struct kith__arena *arena = mini->self->arena;
    uint64_t first = kith__op_get(mini, &class->partial);
    struct kith__span *other = first != 0 ? kith__span_at(arena, first) : NULL;

    kith__op_set(mini, &span->next, first);
    kith__op_set(mini, &span->prev, 0);
    if (other != NULL)
        kith__op_set(mini, &other->prev, kith__off(arena, span));
    kith__op_set(mini, &class->partial, kith__off(arena, span));
}

static void
unlink_span(struct kith__op *mini, struct kith__class *class, struct kith__span *span)
{
    struct kith__arena *arena = mini->self->arena;
    uint64_t next = kith__op_get(mini, &span->next), prev = kith__op_get(mini, &span->prev);
    struct kith__span *after = next != 0 ? kith__span_at(arena, next) : NULL;
    struct kith__span *before = prev != 0 ? kith__span_at(arena, prev) : NULL;

    if (before != NULL)
        kith__op_set(mini, &before->next, next);
    else
        kith__op_set(mini, &class->partial, next);
    if (after != NULL)
        kith__op_set(mini, &after->prev, prev);
}

/* Class lock held: one more span for the class. */
static kith_err
add_span(struct kith__self *self, unsigned class_index)
{
    struct kith__arena *arena = self->arena;
    struct kith__class *class = kith__class_at(arena, class_index);
    struct kith__op mini;
    uint64_t off;
    kith_err err = kith__extent_take(self, KITH__GRANULE, &off);

    if (err < 0)
        return err;
    format_span(arena, off, class_index); /* it is staged: nobody else sees it */
    kith__op_begin_mini(&mini, self);
    kith__op_set(&mini, &kith__granule_at(arena, kith__granule_of(arena, off))->word,
                 KITH__GRANULE_WORD(KITH__GRANULE_SPAN, 1));
    link_span(&mini, class, kith__ptr(arena, off));
    kith__op_set(&mini, &class->spans, kith__load(&class->spans) + 1);
    kith__op_set(&mini, &self->actor->staged.count, kith__load(&self->actor->staged.count) - 1);
    return kith__op_commit(&mini);
}

/* ---- Magazines ------------------------------------------------------------------------ */

/* Moves up to half a magazine of free blocks in; at least one, or an error. */
static kith_err
refill(struct kith__self *self, unsigned class_index)
{
    struct kith__arena *arena = self->arena;
    struct kith__class *class = kith__class_at(arena, class_index);
    kith__word *slots = kith__magazine_slots(self->magazines, class_index);
    kith__word *count = &self->magazines->count[class_index];
    uint64_t size = kith__class_size(class_index), have, left, want;
    struct kith__span *span;
    struct kith__op mini;
    kith_err err = kith__lock_acquire(self, &class->lock);

    if (err < 0)
        return err;
    if (kith__load(&class->partial) == 0)
        err = add_span(self, class_index);
    span = err < 0 ? NULL : kith__span_at(arena, kith__load(&class->partial));
    if (err == KITH_OK && span == NULL)
        err = broken(self, "A list of spans");
    if (err < 0) {
        kith__lock_release(self, &class->lock);
        return err;
    }
    kith__op_begin_mini(&mini, self);
    have = kith__load(count);
    if (have > kith__class_room(class_index) / 2) { /* it is empty, unless it was overwritten */
        kith__lock_release(self, &class->lock);
        return broken(self, "A magazine");
    }
    want = (kith__class_room(class_index) + 1) / 2;
    left = kith__load(&span->free_count);
    for (unsigned i = 0; i * 64 < span->block_count && want > 0; i++) {
        uint64_t bits = kith__load(&span->free[i]), before = bits;

        for (; bits != 0 && want > 0 && left > 0; want--, left--) {
            unsigned block = i * 64 + (unsigned)__builtin_ctzll(bits);

            bits &= bits - 1;
            kith__op_append(&mini, kith__off(arena, &slots[have++]),
                            kith__off(arena, span) + span->first + block * size);
        }
        if (bits != before)
            kith__op_append(&mini, kith__off(arena, &span->free[i]), bits);
    }
    if (have == kith__load(count))
        mini.err = broken(self, "The bitmap of a span");
    kith__op_set(&mini, &span->free_count, left);
    if (left == 0)
        unlink_span(&mini, class, span);
#ifndef KITH_MISTAKE_REFILL_DROPS_COUNT
    kith__op_set(&mini, count, have);
#endif
    err = kith__op_commit(&mini);
#ifdef KITH_MISTAKE_REFILL_DROPS_COUNT
    kith__store(count, have);
#endif
    kith__lock_release(self, &class->lock);
    return err;
}

/* Class lock held: gives one span that is wholly free back, unless it is the class's last. */
static kith_err
drop_empty_span(struct kith__self *self, unsigned class_index, struct kith__span *span)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    struct kith__class *class = kith__class_at(arena, class_index);
    uint64_t off = kith__off(arena, span);
    struct kith__op mini;
    kith_err err;

    if (kith__load(&span->next) == 0 && kith__load(&span->prev) == 0)
        return KITH_OK; /* the last with room: the next operation would ask for it back */
    err = kith__lock_acquire(self, &h->extent_lock);
    if (err < 0)
        return err;
    kith__op_begin_mini(&mini, self);
    unlink_span(&mini, class, span);
    kith__op_set(&mini, &class->spans, kith__load(&class->spans) - 1);
    kith__extent_put(&mini, kith__granule_of(arena, off), KITH__GRANULE_DIRTY);
    err = kith__op_commit(&mini);
    kith__lock_release(self, &h->extent_lock);
    return err;
}

/* Gives the top `n` blocks (at most FLUSH_MAX) of a magazine back to their spans. */
static kith_err
flush(struct kith__self *self, struct kith__magazines *magazines, unsigned class_index, uint64_t n)
{
    struct kith__arena *arena = self->arena;
    struct kith__class *class = kith__class_at(arena, class_index);
    kith__word *slots = kith__magazine_slots(magazines, class_index);
    kith__word *count = &magazines->count[class_index];
    struct kith__span *emptied[FLUSH_MAX];
    unsigned emptied_count = 0;
    struct kith__op mini;
    uint64_t have;
    kith_err err = kith__lock_acquire(self, &class->lock);

    if (err < 0)
        return err;
    have = kith__load(count);
    if (have > kith__class_room(class_index) || n > have) {
        kith__lock_release(self, &class->lock);
        kith__store(count, 0);
        return broken(self, "A magazine");
    }
    kith__op_begin_mini(&mini, self);
    for (uint64_t i = have - n; i < have; i++) {
        unsigned block;
        struct kith__span *span = span_of(arena, kith__load(&slots[i]), &block);
        uint64_t bits, left;

        if (span == NULL || span->class_index != class_index) {
            broken(self, "A free block"); /* let it go: it is no block of ours */
            continue;
        }
        bits = kith__op_get(&mini, &span->free[block / 64]);
        left = kith__op_get(&mini, &span->free_count);
        kith__op_set(&mini, &span->free[block / 64], bits | UINT64_C(1) << block % 64);
        kith__op_set(&mini, &span->free_count, left + 1);
        if (left == 0)
            link_span(&mini, class, span);
        if (left + 1 == span->block_count && !has_locks(class_index))
            emptied[emptied_count++] = span;
    }
    kith__op_set(&mini, count, have - n);
    err = kith__op_commit(&mini);
    while (err == KITH_OK && emptied_count > 0)
        err = drop_empty_span(self, class_index, emptied[--emptied_count]);
    kith__lock_release(self, &class->lock);
    return err;
}

kith_err
kith__magazines_flush(struct kith__self *self, struct kith__actor *actor)
{
    struct kith__magazines *magazines = kith__magazines_of(actor);

    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++) {
        if (kith__load(&magazines->count[c]) > kith__class_room(c))
            kith__store(&magazines->count[c], 0); /* overwritten by somebody */
        while (kith__load(&magazines->count[c]) > 0) {
            uint64_t n = kith__load(&magazines->count[c]);
            kith_err err = flush(self, magazines, c, n < FLUSH_MAX ? n : FLUSH_MAX);

            if (err < 0)
                return err;
        }
    }
    return KITH_OK;
}

/* ---- In operations -------------------------------------------------------------------- */

static kith_err
stage_blocks(struct kith__self *self, unsigned class_index, unsigned n)
{
    struct kith__actor *actor = self->actor;
    kith__word *slots = kith__magazine_slots(self->magazines, class_index);
    kith__word *count = &self->magazines->count[class_index], *staged;
    uint64_t have = kith__load(count), staged_count = kith__load(&actor->staged.count);
    struct kith__op mini;

    if (staged_count + n + 2 > kith__load(&actor->staged.room)) {
        kith_err err =
            kith__vec_grow(self, &actor->staged, actor->staged_inline, 2 * (staged_count + n + 2));
        if (err < 0)
            return err;
    }
    staged = kith__staged_at(self->arena, actor, staged_count + n);
    if (staged == NULL || have < n || have > kith__class_room(class_index))
        return broken(self, "A list of staged blocks");
    for (unsigned i = 0; i < n; i++)
        kith__store(&staged[staged_count + i], kith__load(&slots[have - n + i]));
    kith__op_begin_mini(&mini, self);
    kith__op_set(&mini, count, have - n);
    kith__op_set(&mini, &actor->staged.count, staged_count + n);
    return kith__op_commit(&mini);
}

static kith_err
take_small(struct kith__op *op, unsigned class_index, uint64_t *off_out)
{
    struct kith__self *self = op->self;
    kith__word *count = &self->magazines->count[class_index];
    unsigned c;
    uint64_t have, off;
    kith_err err;

    for (c = 0; c < op->class_count && op->classes[c].class_index != class_index; c++)
        ;
    if (c == op->class_count) {
        if (c == KITH__OP_CLASSES) { /* make the first class's blocks staged ones */
            err = stage_blocks(self, op->classes[0].class_index, op->classes[0].taken);
            if (err < 0)
                return err;
            c = 0;
        } else {
            op->class_count++;
        }
        op->classes[c].class_index = (uint8_t)class_index;
        op->classes[c].taken = 0;
    }
    have = kith__load(count);
    if (have > kith__class_room(class_index))
        return broken(self, "A magazine");
    if (have == op->classes[c].taken) {
        if (op->classes[c].taken > 0) {
            err = stage_blocks(self, class_index, op->classes[c].taken);
            if (err < 0)
                return err;
            op->classes[c].taken = 0;
        }
        err = refill(self, class_index);
        if (err < 0)
            return err;
        have = kith__load(count);
    }
    off = kith__load(
        &kith__magazine_slots(self->magazines, class_index)[have - 1 - op->classes[c].taken]);
    if (kith__at(self->arena, off, kith__class_size(class_index)) == NULL)
        return broken(self, "A magazine");
    op->classes[c].taken++;
    *off_out = off;
    return KITH_OK;
}

/* Most blocks: small, the first that the operation takes, and the magazine has one. */
static inline bool
take_first(struct kith__op *op, unsigned class_index, uint64_t *off_out)
{
    const struct kith__magazines *magazines = op->self->magazines;
    uint64_t have = kith__load(&magazines->count[class_index]);
    uint64_t off;

    if (have - 1 >= FIRST_ROOM)
        return false;
    off = kith__load(&magazines->slot[class_index * FIRST_ROOM + have - 1]);
    if (kith__at(op->self->arena, off, FIRST_SIZE) == NULL)
        return false;
    op->classes[0].class_index = (uint8_t)class_index;
    op->classes[0].taken = 1;
    op->class_count = 1;
    *off_out = off;
    return true;
}

kith_err
kith__op_take(struct kith__op *op, uint64_t size, uint64_t *off_out)
{
    if (op->err < 0)
        return op->err;
    if (size - 1 < FIRST_SIZE && op->class_count == 0 &&
        take_first(op, (unsigned)(size - 1) / 16, off_out))
        return KITH_OK;
    if (size > KITH__SMALL_MAX)
        op->err = kith__extent_take(op->self, size, off_out);
    else
        op->err = take_small(op, kith__class_of(size), off_out);
    return op->err;
}

kith_err
kith__op_take_typed(struct kith__op *op, unsigned class_index, uint64_t *off_out)
{
    if (op->err < 0)
        return op->err;
    op->err = take_small(op, class_index, off_out);
    return op->err;
}

void
kith__op_trash(struct kith__op *op, uint64_t off, unsigned kind)
{
    struct kith__actor *actor = op->self->actor;
    uint64_t at = kith__load(&actor->trash.count) + op->trash_count;
    kith__word *trash;

    if (op->err < 0)
        return;
    if (at >= kith__load(&actor->trash.room)) {
        op->err = kith__vec_grow(op->self, &actor->trash, actor->trash_inline, at + 1);
        if (op->err < 0)
            return;
    }
    trash = kith__trash_at(op->self->arena, actor, at + 1);
    if (trash == NULL) {
        op->err = broken(op->self, "A list of trash");
        return;
    }
    kith__store(&trash[at], off | kind);
    op->trash_count++;
}

void
kith__op_give(struct kith__op *op, uint64_t off)
{
    unsigned block;
    struct kith__span *span = span_of(op->self->arena, off, &block);

#ifndef KITH_MISTAKE_REFERENCE_GIVEN_UNCOUNTED
    if (span != NULL && holds_references(span->class_index)) {
        /* Whom it leads to is counted off when no lock is held: see reference.c. */
        struct kith__reference *reference = reference_in(op->self->arena, off, span->class_index);

        kith__op_set(op, &reference->next, kith__op_get(op, &op->self->actor->dropped));
        kith__op_set(op, &op->self->actor->dropped, off);
        return;
    }
#endif
    if (span == NULL || op->give_count == KITH__OP_GIVES) {
        kith__op_trash(op, off, KITH__TRASH_BLOCK);
        return;
    }
    op->gives[op->give_count].class_index = (uint8_t)span->class_index;
    op->gives[op->give_count].off = off;
    op->give_count++;
}

void
kith__op_finish_blocks(struct kith__op *op)
{
    struct kith__self *self = op->self;
    struct kith__actor *actor = self->actor;

    /* What is given back takes the places of what was taken, and then those above. */
    for (unsigned g = 0; g < op->give_count; g++) {
        unsigned class_index = op->gives[g].class_index;
        kith__word *count = &self->magazines->count[class_index];
        uint64_t top = kith__op_get(op, count);
        unsigned c;

        for (c = 0; c < op->class_count && op->classes[c].class_index != class_index; c++)
            ;
        if (c < op->class_count && op->classes[c].taken > 0) {
            top -= op->classes[c].taken;
            op->classes[c].taken = 0;
        }
        if (top > kith__class_room(class_index)) {
            op->err = broken(self, "A magazine");
            return;
        }
        if (top == kith__class_room(class_index)) {
            kith__op_trash(op, op->gives[g].off, KITH__TRASH_BLOCK);
            kith__op_set(op, count, top);
            continue;
        }
        kith__op_set(op, &kith__magazine_slots(self->magazines, class_index)[top],
                     op->gives[g].off);
        kith__op_set(op, count, top + 1);
    }
    for (unsigned c = 0; c < op->class_count; c++)
        if (op->classes[c].taken > 0) {
            kith__word *count = &self->magazines->count[op->classes[c].class_index];
#ifndef KITH_MISTAKE_TAKE_WITHOUT_COUNT
            if (op->give_count == 0) /* so nothing has set it */
                kith__op_set_first(op, count, kith__load(count) - op->classes[c].taken);
            else
                kith__op_set(op, count, kith__op_get(op, count) - op->classes[c].taken);
#endif
        }
    if (kith__load(&actor->staged.count) != 0)
        kith__op_set(op, &actor->staged.count, 0);
    if (op->trash_count != 0)
        kith__op_set(op, &actor->trash.count, kith__load(&actor->trash.count) + op->trash_count);
}

void
kith__op_abort(struct kith__op *op)
{
    /* Blocks taken from the magazines are still there; only staged ones have to go back. */
    kith__free_staged(op->self, op->self->actor);
    op->count = 0;
}

kith_err
kith__free_staged(struct kith__self *self, struct kith__actor *actor)
{
    while (kith__load(&actor->staged.count) > 0) {
        uint64_t count = kith__load(&actor->staged.count);
        kith__word *staged = kith__staged_at(self->arena, actor, count);
        kith_err err;

        if (staged == NULL || count > kith__load(&actor->staged.room)) {
            kith__store(&actor->staged.count, 0);
            return broken(self, "A list of staged blocks");
        }
        err =
            kith__block_free(self, kith__load(&staged[count - 1]), &actor->staged.count, count - 1);
        if (err < 0)
            return err;
    }
    return KITH_OK;
}

kith_err
kith__block_free(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    uint64_t index = kith__granule_of(arena, off);
    struct kith__op mini;
    struct kith__span *span;
    unsigned block, class_index;
    kith_err err;

    span = span_of(arena, off, &block);
    if (span == NULL) {
        uint64_t word =
            index < arena->granules_max ? kith__load(&kith__granule_at(arena, index)->word) : 0;

        if (KITH__GRANULE_KIND(word) == KITH__GRANULE_EXTENT &&
            off == kith__granule_off(arena, index))
            return kith__extent_free(self, off, source, source_value);
        kith__store(source, source_value);
        return broken(self, "A block to be freed");
    }
    class_index = span->class_index;
    if (holds_references(class_index)) {
        struct kith__reference *reference = reference_in(arena, off, class_index);

        kith__op_begin_mini(&mini, self);
        kith__op_set(&mini, &reference->next, kith__load(&self->actor->dropped));
        kith__op_set(&mini, &self->actor->dropped, off);
        kith__op_set(&mini, source, source_value);
        return kith__op_commit(&mini);
    }
    err = kith__magazine_open(self, class_index);
    if (err < 0) {
        if (err == KITH_ECORRUPT)
            kith__store(source, source_value);
        return err;
    }
    kith__op_begin_mini(&mini, self);
    kith__magazine_put(&mini, class_index, off);
    kith__op_set(&mini, source, source_value);
    return kith__op_commit(&mini);
}

/* ---- References: taken and freed in records of reference.c ---------------------------------- */

kith_err
kith__magazine_open(struct kith__self *self, unsigned class_index)
{
    uint64_t room = kith__class_room(class_index), half = (room + 1) / 2;
    uint64_t count = kith__load(&self->magazines->count[class_index]);

    if (count > room)
        return broken(self, "A magazine");
    return count < room
               ? KITH_OK
               : flush(self, self->magazines, class_index, half < FLUSH_MAX ? half : FLUSH_MAX);
}

void
kith__magazine_put(struct kith__op *mini, unsigned class_index, uint64_t off)
{
    struct kith__self *self = mini->self;
    kith__word *count = &self->magazines->count[class_index];

    kith__op_set(mini, &kith__magazine_slots(self->magazines, class_index)[kith__load(count)], off);
    kith__op_set(mini, count, kith__load(count) + 1);
}

kith_err
kith__stage_one(struct kith__self *self, unsigned class_index, uint64_t *off_out)
{
    struct kith__actor *actor = self->actor;
    kith__word *count = &self->magazines->count[class_index];
    uint64_t staged = kith__load(&actor->staged.count), off;
    kith_err err = KITH_OK;

    if (staged + 2 > kith__load(&actor->staged.room))
        err = kith__vec_grow(self, &actor->staged, actor->staged_inline, 2 * (staged + 2));
    if (err == KITH_OK && kith__load(count) == 0)
        err = refill(self, class_index);
    if (err < 0)
        return err;
    if (kith__load(count) > kith__class_room(class_index) ||
        kith__staged_at(self->arena, actor, staged + 1) == NULL)
        return broken(self, "A list of staged blocks");
    off = kith__load(&kith__magazine_slots(self->magazines, class_index)[kith__load(count) - 1]);
    if (kith__at(self->arena, off, kith__class_size(class_index)) == NULL)
        return broken(self, "A magazine");
    *off_out = off;
    return KITH_OK;
}

void
kith__stage_put(struct kith__op *mini, unsigned class_index, uint64_t off)
{
    struct kith__actor *actor = mini->self->actor;
    kith__word *count = &mini->self->magazines->count[class_index];
    uint64_t staged = kith__load(&actor->staged.count);

    kith__store(&kith__staged_at(mini->self->arena, actor, staged + 1)[staged], off);
    kith__op_set(mini, count, kith__load(count) - 1);
    kith__op_set(mini, &actor->staged.count, staged + 1);
}
