/*
 * list_chunk.c - the chunks at the ends of a list, its lock, and what its records have in common.
 *
 * Making, emptying and filling a chunk are records of their own, which change nothing that can be
 * seen: list.c has the argument.
 */
#include "shm/list_parts.h"

#include "base/error.h"

kith_err
kith__list_broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A list in %s breaks an invariant; run kith check.",
                      arena->path != NULL ? arena->path : "the mem:// space");
}

kith_err
kith__list_lock(struct kith__self *self, const struct kith__list *list,
                struct kith__list_root **root_out)
{
    struct kith__list_root *root = kith__list_root(list);
    kith_err err = kith__lock_acquire(self, &root->root.lock);

    if (err < 0)
        return err;
    if (kith__load(&root->root.id) != list->id) {
        kith__lock_release(self, &root->root.lock);
        return KITH_EGONE;
    }
    *root_out = root;
    return KITH_OK;
}

void
kith__list_set_state(struct kith__op *op, struct kith__list_root *root, uint64_t h, uint64_t t)
{
    kith__op_set(op, &root->state, kith__list_state(kith__load(&root->state), h, t));
}

void
kith__list_cover(struct kith__op *op, struct kith__list_root *root)
{
    kith__op_cover(op, &root->cover,
                   (kith__load(&root->cover) & ~KITH__HEAD_ACTOR) + KITH__LIST_VERSION_ONE);
}

void
kith__list_set_tree(struct kith__op *op, struct kith__list_root *root, struct kith__part tree)
{
    kith__list_cover(op, root);
#ifndef KITH_MISTAKE_LIST_KEEPS_TREE_COUNT
    kith__op_set(op, &root->tree_count, tree.count);
#endif
    kith__op_set(op, &root->tree, tree.word);
}

kith_err
kith__list_finish(struct kith__op *op)
{
    kith_err err = kith__op_commit(op);

    if (err < 0)
        kith__op_abort(op);
    return err;
}

struct kith__leaf *
kith__list_take_chunk(struct kith__op *op, uint64_t *off_out)
{
    if (kith__op_take(op, sizeof(struct kith__leaf), off_out) < 0)
        return NULL;
    return kith__ptr(op->self->arena, *off_out);
}

struct kith__leaf *
kith__list_chunk_at(struct kith__self *self, uint64_t off)
{
    return off == 0 ? NULL : kith__at(self->arena, off, sizeof(struct kith__leaf));
}

void
kith__slots_move(struct kith__slot *to, const struct kith__slot *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        kith__slot_store(&to[i], kith__load(&from[i].meta), kith__load(&from[i].value));
}

/* ---- Chunks: made, emptied, filled ------------------------------------------------------- */

kith_err
kith__list_have_chunk(struct kith__self *self, struct kith__list_root *root, bool front)
{
    kith__word *word = front ? &root->head : &root->tail;
    struct kith__op op;
    uint64_t off = 0;

    if (kith__load(word) != 0)
        return kith__list_chunk_at(self, kith__load(word)) == NULL ? kith__list_broken(self->arena)
                                                                   : KITH_OK;
    kith__op_begin(&op, self);
    if (kith__list_take_chunk(&op, &off) != NULL)
        kith__op_set(&op, word, off); /* no reader looks at it while it has no items */
    return kith__list_finish(&op);
}

kith_err
kith__list_flush_chunk(struct kith__self *self, struct kith__list_root *root, bool front)
{
    struct kith__tree_edit edit = { .keep = true };
    struct kith__stored items[KITH__FAN];
    struct kith__list_shape shape;
    struct kith__leaf *chunk;
    struct kith__op op;
    uint64_t off = 0;
    kith_err err = kith__list_shape(root, &shape);
    unsigned n = front ? shape.h : shape.t;

    if (err < 0)
        return kith__list_broken(self->arena);
    if (n == 0)
        return KITH_OK;
    chunk = kith__list_chunk_at(self, front ? shape.head_off : shape.tail_off);
    if (chunk == NULL)
        return kith__list_broken(self->arena);
    kith__op_begin(&op, self);
    edit.op = &op;
    if (n == KITH__FAN) { /* it is a leaf already */
        uint64_t leaf = kith__off(self->arena, chunk);

        if (kith__list_take_chunk(&op, &off) != NULL)
            kith__op_set(&op, front ? &root->head : &root->tail, off);
        kith__tree_push(&edit, &shape.tree,
                        (struct kith__part){ KITH__PART_WORD(leaf, KITH__FAN, 0), KITH__FAN },
                        front);
    } else {
        const struct kith__slot *from = front ? &chunk->slot[KITH__FAN - n] : chunk->slot;
        uint64_t at = front ? 0 : shape.tree.count;

        for (unsigned i = 0; i < n; i++)
            items[i] = (struct kith__stored){ .meta = kith__load(&from[i].meta),
                                              .value = kith__load(&from[i].value) };
        kith__tree_splice(&edit, &shape.tree, at, at, items, n);
    }
    kith__list_set_tree(&op, root, shape.tree);
    kith__list_set_state(&op, root, front ? 0 : shape.h, front ? shape.t : 0);
    return kith__list_finish(&op);
}

kith_err
kith__list_fill_chunk(struct kith__self *self, struct kith__list_root *root, bool front)
{
    struct kith__tree_edit edit = { .keep = true };
    struct kith__list_shape shape;
    struct kith__leaf *chunk, *from;
    unsigned slot, n;
    struct kith__op op;
    kith_err err = kith__list_have_chunk(self, root, front);

    if (err < 0)
        return err;
    if (kith__list_shape(root, &shape) < 0)
        return kith__list_broken(self->arena);
    chunk = kith__list_chunk_at(self, front ? shape.head_off : shape.tail_off);
    if (shape.tree.count == 0) {
        const struct kith__slot *slots;

        from = kith__list_chunk_at(self, front ? shape.tail_off : shape.head_off);
        n = front ? shape.t : shape.h;
        if (chunk == NULL || from == NULL)
            return kith__list_broken(self->arena);
        slots = front ? from->slot : &from->slot[KITH__FAN - n];
        atomic_thread_fence(memory_order_release);
        kith__slots_move(front ? &chunk->slot[KITH__FAN - n] : chunk->slot, slots, n);
        kith__step();
        kith__store_release(
            &root->state, kith__list_state(kith__load(&root->state), front ? n : 0, front ? 0 : n));
        return KITH_OK;
    }
    from =
        kith__tree_leaf(self->arena, shape.tree.word, front ? 0 : shape.tree.count - 1, &slot, &n);
    if (chunk == NULL || from == NULL || n > shape.tree.count)
        return kith__list_broken(self->arena);
    atomic_thread_fence(memory_order_release);
    kith__slots_move(front ? &chunk->slot[KITH__FAN - n] : chunk->slot, from->slot, n);
    kith__op_begin(&op, self);
    edit.op = &op;
    kith__tree_splice(&edit, &shape.tree, front ? 0 : shape.tree.count - n,
                      front ? n : shape.tree.count, NULL, 0);
    kith__list_set_tree(&op, root, shape.tree);
    kith__list_set_state(&op, root, front ? n : shape.h, front ? shape.t : n);
    return kith__list_finish(&op);
}
