/*
 * list.c - a list: its two ends, and changes at any one place.
 *
 * LAYOUT   In order: the head chunk's last `h` slots, the tree's items, the tail chunk's first `t`
 *          slots.  A chunk is a leaf that is not in the tree.  h, t and a version are one word,
 *          `state`.
 *
 * INVARIANTS, under the lock and outside of records
 *   L1  h and t are at most 64; a chunk that is 0 has no items
 *   L2  tree_count is the number of items in the tree, which keeps B1 to B3 (tree.c)
 *   L3  slots of a chunk beyond h and t own nothing
 *   L4  state rises with every change, cover's version with every record that changes more than
 *       state of what readers look at
 *
 * STEPS    at an end       E1 the item is written into a free slot   E2 state, one store.  With a
 *                          block of its own, E2 is a record: state, and the magazine's count
 *          over another    V1 state rises   V2 the value, one store, if the type and size are the
 *                          same; else one record: slot, state, cover
 *          at a place      in a chunk, a copy of the chunk is made and swapped; in the tree, a copy
 *                          of the way to it (tree.c): one record
 *          A chunk that is full becomes a leaf of the tree, an empty one is filled from the tree's
 *          first or last leaf, or from the other chunk, before the change, by records of their
 *          own, which change nothing that can be seen.
 * DEATH    up to E2, V2 or the commit, nothing happened: a slot beyond h or t is free whatever is
 *          in it.  V1 alone is seen by nobody.
 *
 * ORDER    A slot is written only after the store of state that made it free is visible (release
 *          fence): a reader who finds the new bytes finds the new state.
 *
 * LIMITS   State has 48 bits of version: at 20 million changes a second, 162 days for a reader who
 *          was stopped all the while to be fooled.
 */
#include "shm/list_parts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

#define TRIES_OUTSIDE 3u /* how often large items are copied in before the lock is taken */

/* ---- Splicing: items [from, to) go, others come ------------------------------------------------
 */

enum how {
    AT_TAIL,  /* into free slots of the tail chunk, or out of it */
    AT_HEAD,  /* the same at the front */
    IN_HEAD,  /* the head chunk is made anew */
    IN_TAIL,  /* the tail chunk is */
    IN_TREE,  /* the way through the tree is */
    NOT_READY /* a chunk is to be made, emptied or filled first */
};

static enum how
how_to(const struct kith__list_shape *shape, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t len = kith__shape_count(shape), in_front = shape->h + shape->tree.count;

    if (to == len && from >= in_front && (from == to || count == 0) &&
        shape->t + count <= KITH__FAN && shape->tail_off != 0)
        return AT_TAIL;
    if (from == 0 && to <= shape->h && (from == to || count == 0) &&
        shape->h + count <= KITH__FAN && shape->head_off != 0)
        return AT_HEAD;
    if (to <= shape->h && shape->h - (to - from) + count <= KITH__FAN && shape->head_off != 0)
        return IN_HEAD;
    if (from >= in_front && shape->t - (to - from) + count <= KITH__FAN && shape->tail_off != 0)
        return IN_TAIL;
    if (from >= shape->h && to <= in_front)
        return IN_TREE;
    return NOT_READY;
}

/* One step towards another answer of how_to(). */
static kith_err
make_ready(struct kith__self *self, struct kith__list_root *root,
           const struct kith__list_shape *shape, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t in_front = shape->h + shape->tree.count;

    if (count == 0 && to - from == 1 && to == kith__shape_count(shape) && shape->t == 0)
        return kith__list_fill_chunk(self, root, false);
    if (count == 0 && to - from == 1 && from == 0 && shape->h == 0)
        return kith__list_fill_chunk(self, root, true);
    if (from == to && count <= KITH__FAN && from == kith__shape_count(shape) &&
        shape->tail_off == 0)
        return kith__list_have_chunk(self, root, false);
    if (from == to && count <= KITH__FAN && from == 0 && shape->head_off == 0)
        return kith__list_have_chunk(self, root, true);
    return kith__list_flush_chunk(self, root, to <= in_front || (from < shape->h && shape->h > 0));
}

/* Whether make_ready() would do better than how_to(): an end that is about to be used often. */
static bool
better_at_the_end(const struct kith__list_shape *shape, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t len = kith__shape_count(shape);

    if (count == 0 && to - from == 1)
        return (to == len && shape->t == 0) || (from == 0 && shape->h == 0);
    return from == to && count <= KITH__FAN &&
           ((from == len && shape->tail_off == 0) || (from == 0 && shape->head_off == 0));
}

static void
give_slots(struct kith__op *op, const struct kith__slot *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        kith__stored_give(op, kith__load(&slots[i].meta), kith__load(&slots[i].value));
}

/* A copy of a chunk with its items [from, to) replaced; `n` it has now. */
static kith_err
remake_chunk(struct kith__op *op, const struct kith__leaf *chunk, unsigned n, unsigned from,
             unsigned to, const struct kith__stored *items, unsigned count, bool front,
             uint64_t *off_out)
{
    unsigned after = n - (to - from) + count;
    struct kith__leaf *made = kith__list_take_chunk(op, off_out);
    const struct kith__slot *old = front ? &chunk->slot[KITH__FAN - n] : chunk->slot;
    struct kith__slot *fresh;

    if (made == NULL)
        return op->err;
    fresh = front ? &made->slot[KITH__FAN - after] : made->slot;
    kith__slots_move(fresh, old, from);
    for (unsigned i = 0; i < count; i++)
        kith__slot_store(&fresh[from + i], items[i].meta, items[i].value);
    kith__slots_move(&fresh[from + count], &old[to], n - to);
    give_slots(op, &old[from], to - from);
    kith__op_give(op, kith__off(op->self->arena, chunk));
    return op->err;
}

/* E1, E2.  The record may be empty but for blocks. */
static kith_err
splice_end(struct kith__op *op, struct kith__list_root *root, const struct kith__list_shape *shape,
           bool front, unsigned gone, const struct kith__stored *items, unsigned count)
{
    struct kith__leaf *chunk =
        kith__list_chunk_at(op->self, front ? shape->head_off : shape->tail_off);
    unsigned n = front ? shape->h : shape->t, after = n - gone + count;
    uint64_t state = kith__list_state(kith__load(&root->state), front ? after : shape->h,
                                      front ? shape->t : after);
    struct kith__slot *slots;

    if (chunk == NULL || gone > n)
        return kith__list_broken(op->self->arena);
    slots = front ? &chunk->slot[KITH__FAN - n] : chunk->slot;
    give_slots(op, front ? slots : slots + n - gone, gone);
    slots = front ? slots - count : slots + n;
    atomic_thread_fence(memory_order_release);
#ifdef KITH_MISTAKE_LIST_COUNT_BEFORE_SLOT
    if (count > 0)
        kith__store_release(&root->state, state);
    kith__step();
#endif
    for (unsigned i = 0; i < count; i++) /* E1 */
        kith__slot_store(&slots[i], items[i].meta, items[i].value);
    kith__step();
    if (op->count == 0 && op->class_count == 0 && op->give_count == 0 && op->trash_count == 0 &&
        kith__load(&op->self->actor->staged.count) == 0) {
        kith__store_release(&root->state, state); /* E2 */
        return KITH_OK;
    }
    kith__op_set(op, &root->state, state);
    return kith__op_commit(op);
}

/* The lock held, how_to() not NOT_READY, the items made.  The record is committed, or it is not. */
static kith_err
splice_ready(struct kith__op *op, struct kith__list_root *root, struct kith__list_shape *shape,
             enum how how, uint64_t from, uint64_t to, const struct kith__stored *items,
             uint64_t count)
{
    struct kith__self *self = op->self;
    struct kith__tree_edit edit = { .op = op };
    bool front = how == AT_HEAD || how == IN_HEAD;
    struct kith__leaf *chunk;
    uint64_t off = 0;
    unsigned n, first;
    kith_err err;

    if (how == AT_HEAD || how == AT_TAIL)
        return splice_end(op, root, shape, front, (unsigned)(to - from), items, (unsigned)count);
    kith__list_cover(op, root);
    if (how == IN_TREE) {
        struct kith__part tree = shape->tree;

        err = kith__tree_splice(&edit, &tree, from - shape->h, to - shape->h, items, count);
        if (err < 0)
            return err;
        kith__list_set_tree(op, root, tree);
        kith__list_set_state(op, root, shape->h, shape->t);
        return kith__op_commit(op);
    }
    chunk = kith__list_chunk_at(self, front ? shape->head_off : shape->tail_off);
    if (chunk == NULL)
        return kith__list_broken(self->arena);
    n = front ? shape->h : shape->t;
    first = (unsigned)(front ? from : from - shape->h - shape->tree.count);
    err = remake_chunk(op, chunk, n, first, first + (unsigned)(to - from), items, (unsigned)count,
                       front, &off);
    if (err < 0)
        return err;
    n = n - (unsigned)(to - from) + (unsigned)count;
    kith__op_set(op, front ? &root->head : &root->tail, off);
    kith__list_set_state(op, root, front ? n : shape->h, front ? shape->t : n);
    return kith__op_commit(op);
}

static kith_err
make_items(struct kith__op *op, const struct kith_item *items, uint64_t count,
           struct kith__stored *stored)
{
    for (uint64_t i = 0; i < count; i++) {
        kith_err err = kith__stored_make(op, items[i], &stored[i]);

        if (err < 0)
            return err;
    }
    return KITH_OK;
}

/* A splice under way; how where it is depends on where the list's end is. */
struct splicing {
    const struct kith__list *list;
    /* Finds [from, to) in a list of `len` items, lock held; a result < 0 ends it. */
    kith_err (*where)(struct splicing *s, struct kith__self *self,
                      const struct kith__list_shape *shape);
    int64_t start, stop;
    const struct kith__wanted *wanted;
    struct kith_buf *out; /* NULL, or gets the one item that goes */
    uint64_t from, to;
};

static kith_err
copy_out(struct kith__self *self, const struct kith__list_shape *shape, uint64_t index,
         struct kith_buf *out)
{
    struct kith__slot *slot = kith__shape_slot(self->arena, shape, index);
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;

    if (slot == NULL || kith__stored_item(self->arena, kith__load(&slot->meta), &slot->value,
                                          kith__load(&slot->value), &item, tag) < 0)
        return kith__list_broken(self->arena);
    return kith__buf_set(out, item);
}

/*
 * Lock held: makes the list ready, and splices.  `prepared`: the items were made before the lock
 * was taken, in an operation amid which nothing can be made ready: KITH_EFULL then, and start over.
 */
static kith_err
splice_locked(struct kith__op *op, struct kith__list_root *root, struct splicing *s,
              const struct kith_item *items, uint64_t count, struct kith__stored *stored,
              bool prepared)
{
    struct kith__self *self = op->self;
    struct kith__list_shape shape;

    for (unsigned steps = 0;; steps++) {
        enum how how;
        kith_err err;

        if (kith__list_shape(root, &shape) < 0 || steps > 8)
            return kith__list_broken(self->arena);
        err = s->where(s, self, &shape);
        if (err < 0)
            return err;
        if (s->from == s->to && count == 0)
            return KITH_OK;
        how = how_to(&shape, s->from, s->to, count);
        if (how == NOT_READY ||
            (how >= IN_HEAD && better_at_the_end(&shape, s->from, s->to, count))) {
            if (prepared)
                return KITH_EFULL;
            err = make_ready(self, root, &shape, s->from, s->to, count);
            if (err < 0)
                return err;
            continue;
        }
        if (s->out != NULL) {
            err = copy_out(self, &shape, s->from, s->out);
            if (err < 0)
                return err;
        }
        if (!prepared) {
            kith__op_begin(op, self);
            err = make_items(op, items, count, stored);
            if (err < 0)
                return err;
        }
        return splice_ready(op, root, &shape, how, s->from, s->to, stored, count);
    }
}

/* The first step for large items: room is made before they are copied in. */
static kith_err
prepare(struct kith__self *self, struct splicing *s, uint64_t count)
{
    struct kith__list_root *root;
    struct kith__list_shape shape;
    kith_err err = kith__list_lock(self, s->list, &root);

    if (err < 0)
        return err;
    for (unsigned steps = 0; err == KITH_OK && steps < 8; steps++) {
        if (kith__list_shape(root, &shape) < 0) {
            err = kith__list_broken(self->arena);
            break;
        }
        err = s->where(s, self, &shape);
        if (err < 0 || how_to(&shape, s->from, s->to, count) != NOT_READY)
            break;
        err = make_ready(self, root, &shape, s->from, s->to, count);
    }
    kith__lock_release(self, &root->root.lock);
    return err;
}

static kith_err
splice(struct kith__self *self, struct splicing *s, const struct kith_item *items, uint64_t count)
{
    struct kith__stored few[8], *stored = few;
    struct kith__list_root *root;
    struct kith__op op;
    bool large = false;
    kith_err err = KITH_OK;

    for (uint64_t i = 0; i < count && !large; i++)
        large = items[i].type > KITH_TYPE_FLOAT && items[i].size > KITH__SMALL_MAX;
    if (count > sizeof few / sizeof few[0]) {
        stored = count > SIZE_MAX / sizeof *stored ? NULL : kith__malloc(count * sizeof *stored);
        if (stored == NULL)
            return kith__fail(KITH_ENOMEM, "This process has no memory for %llu items at once.",
                              (unsigned long long)count);
    }
    for (unsigned tries = 0;; tries++) {
        bool prepared = large && tries < TRIES_OUTSIDE;

        kith__op_begin(&op, self);
        if (prepared) {
            err = prepare(self, s, count);
            kith__op_begin(&op, self);
            if (err == KITH_OK)
                err = make_items(&op, items, count, stored);
        }
        if (err == KITH_OK)
            err = kith__list_lock(self, s->list, &root);
        if (err < 0) {
            kith__op_abort(&op);
            break;
        }
        err = splice_locked(&op, root, s, items, count, stored, prepared);
        kith__lock_release(self, &root->root.lock);
        if (err != KITH_OK || kith__load(&self->actor->staged.count) != 0)
            kith__op_abort(&op); /* with no lock held: the extent lock may be needed */
        if (err != KITH_EFULL || !prepared)
            break;
        err = KITH_OK;
    }
    if (stored != few)
        kith__free(stored);
    kith__op_end(self);
    return err;
}

/* ---- The operations -------------------------------------------------------------------------- */

kith_err
kith__list_append(struct kith__self *self, const struct kith__list *list, struct kith_item item)
{
    struct kith__list_root *root = kith__list_root(list);

    if ((unsigned)item.type <= KITH_TYPE_FLOAT) { /* the usual case: E1, E2 */
        kith_err err = kith__lock_acquire(self, &root->root.lock);
        uint64_t state, t;
        struct kith__leaf *tail;

        if (err < 0)
            return err;
        state = kith__load(&root->state);
        t = KITH__LIST_TAIL(state);
        tail = kith__list_chunk_at(self, kith__load(&root->tail));
        if (kith__load(&root->root.id) == list->id && tail != NULL && t < KITH__FAN) {
            struct kith__stored stored;
            struct kith__op none;

            kith__stored_make(&none, item, &stored); /* takes no block for these */
            atomic_thread_fence(memory_order_release);
            kith__slot_store(&tail->slot[t], stored.meta, stored.value);
            kith__step();
            kith__store_release(&root->state,
                                kith__list_state(state, KITH__LIST_HEAD(state), t + 1));
            kith__lock_release(self, &root->root.lock);
            if (self->husks_seen)
                kith__op_end(self);
            return KITH_OK;
        }
        kith__lock_release(self, &root->root.lock);
    }
    return kith__list_splice(self, list, INT64_MAX, INT64_MAX, &item, 1);
}

static kith_err
where_slice(struct splicing *s, struct kith__self *self, const struct kith__list_shape *shape)
{
    struct kith__slice slice = kith__slice_of(kith__shape_count(shape), s->start, s->stop, 1);

    (void)self;
    s->from = slice.start;
    s->to = slice.start + slice.count;
    return KITH_OK;
}

kith_err
kith__list_splice(struct kith__self *self, const struct kith__list *list, int64_t start,
                  int64_t stop, const struct kith_item *items, uint64_t count)
{
    struct splicing s = { .list = list, .where = where_slice, .start = start, .stop = stop };

    return splice(self, &s, items, count);
}

static kith_err
where_one(struct splicing *s, struct kith__self *self, const struct kith__list_shape *shape)
{
    uint64_t len = kith__shape_count(shape);

    (void)self;
    if (len == 0)
        return KITH_EEMPTY;
    if (!kith__list_index(len, s->start, &s->from))
        return KITH_ERANGE;
    s->to = s->from + 1;
    return KITH_OK;
}

kith_err
kith__list_pop(struct kith__self *self, const struct kith__list *list, int64_t index,
               struct kith_buf *item_out)
{
    struct splicing s = { .list = list, .where = where_one, .start = index, .out = item_out };
    struct kith__list_root *root = kith__list_root(list);

    if (index == -1) { /* the usual case: E2 */
        kith_err err = kith__lock_acquire(self, &root->root.lock);
        uint64_t state, t, meta;
        struct kith__leaf *tail;

        if (err < 0)
            return err;
        state = kith__load(&root->state);
        t = KITH__LIST_TAIL(state);
        tail = kith__list_chunk_at(self, kith__load(&root->tail));
        meta = tail != NULL && t > 0 && t <= KITH__FAN ? kith__load(&tail->slot[t - 1].meta)
                                                       : KITH_TYPE_REFERENCE;
        if (kith__load(&root->root.id) == list->id && KITH__META_TYPE(meta) <= KITH_TYPE_FLOAT) {
            struct kith_item item;

            err = kith__stored_item(self->arena, meta, &tail->slot[t - 1].value,
                                    kith__load(&tail->slot[t - 1].value), &item, NULL);
            kith__store_release(&root->state,
                                kith__list_state(state, KITH__LIST_HEAD(state), t - 1));
            kith__lock_release(self, &root->root.lock);
            if (item_out != NULL)
                item_out->item = item;
            if (self->husks_seen)
                kith__op_end(self);
            return err;
        }
        kith__lock_release(self, &root->root.lock);
    }
    return splice(self, &s, NULL, 0);
}

struct searching {
    const struct kith__arena *arena;
    const struct kith__wanted *wanted;
    uint64_t at;
};

static kith_err
search_slots(struct kith__slot *slots, unsigned n, void *arg)
{
    struct searching *search = arg;

    for (unsigned i = 0; i < n; i++, search->at++)
        if (kith__wanted_is(search->arena, search->wanted, kith__load(&slots[i].meta),
                            kith__load(&slots[i].value)))
            return KITH_EEXIST;
    return KITH_OK;
}

static kith_err
where_wanted(struct splicing *s, struct kith__self *self, const struct kith__list_shape *shape)
{
    struct searching search = { self->arena, s->wanted, 0 };
    kith_err err =
        kith__shape_runs(self->arena, shape, 0, kith__shape_count(shape), search_slots, &search);

    if (err == KITH_OK)
        return KITH_ENOENT;
    if (err != KITH_EEXIST)
        return kith__list_broken(self->arena);
    s->from = search.at;
    s->to = search.at + 1;
    return KITH_OK;
}

kith_err
kith__list_remove(struct kith__self *self, const struct kith__list *list, struct kith_item item)
{
    struct kith__wanted wanted;
    struct splicing s = { .list = list, .where = where_wanted, .wanted = &wanted };
    kith_err err = kith__wanted_make(list->arena, item, &wanted);

    if (err < 0)
        return err;
    err = splice(self, &s, NULL, 0);
    kith__wanted_free(&wanted);
    return err;
}

/* ---- Storing over an item ----------------------------------------------------------------------
 */

kith_err
kith__list_set(struct kith__self *self, const struct kith__list *list, int64_t index,
               struct kith_item item)
{
    bool large = item.type > KITH_TYPE_FLOAT && item.size > KITH__SMALL_MAX;
    struct kith__list_root *root;
    struct kith__list_shape shape;
    struct kith__stored stored;
    struct kith__slot *slot;
    struct kith__op op;
    uint64_t at, state;
    kith_err err;

    kith__op_begin(&op, self);
    err = large ? kith__stored_make(&op, item, &stored) : KITH_OK;
    if (err == KITH_OK)
        err = kith__list_lock(self, list, &root);
    if (err < 0) {
        kith__op_abort(&op);
        kith__op_end(self);
        return err;
    }
    if (kith__list_shape(root, &shape) < 0)
        err = kith__list_broken(self->arena);
    else if (!kith__list_index(kith__shape_count(&shape), index, &at))
        err = KITH_ERANGE;
    slot = err < 0 ? NULL : kith__shape_slot(self->arena, &shape, at);
    if (err == KITH_OK && slot == NULL)
        err = kith__list_broken(self->arena);
    if (err == KITH_OK && !large)
        err = kith__stored_make(&op, item, &stored);
    if (err == KITH_OK) {
        state = kith__list_state(kith__load(&root->state), shape.h, shape.t);
        if (kith__load(&slot->meta) == stored.meta && kith__meta_inline(stored.meta)) {
#ifndef KITH_MISTAKE_LIST_VALUE_IN_HALVES
            kith__store(&root->state, state); /* V1 */
            atomic_thread_fence(memory_order_release);
            kith__step();
            kith__store_release(&slot->value, stored.value); /* V2 */
#else
            kith__store_release(&slot->value, stored.value & UINT64_C(0xffffffff));
            kith__step();
            kith__store_release(&slot->value, stored.value);
            kith__store(&root->state, state);
#endif
        } else {
            kith__stored_give(&op, kith__load(&slot->meta), kith__load(&slot->value));
            kith__list_cover(&op, root);
            kith__op_set(&op, &slot->meta, stored.meta);
            kith__op_set(&op, &slot->value, stored.value);
            kith__op_set(&op, &root->state, state);
            err = kith__op_commit(&op);
        }
    }
    kith__lock_release(self, &root->root.lock);
    if (err != KITH_OK || kith__load(&self->actor->staged.count) != 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}
