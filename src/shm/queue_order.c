/*
 * queue_order.c - items with a block of their own, and what comes before what.
 *
 * LAYOUT   node: a header, a tag, the bytes.  Nodes that are ready hang in one heap, by priority
 *          and then by place; nodes that are delayed in another, by time.  A heap is a leftist
 * tree: `next` and `prev` are the trees below a node, the deeper one first, and `rank` is how many
 * nodes there are down its shortest way.
 *
 * INVARIANTS, outside of records
 *   O1  no node of a heap comes before the one above it
 *   O2  rank is 1 + the rank of `prev` (0: no tree), which is not above the rank of `next`
 *   O3  next_due is the earliest `due` of the delayed heap and of the timed leases; 0: neither
 *
 * ORDER    A higher priority comes first, within one the earlier place.  An item of the stream has
 *          priority 0; its place is the count of the stream with itself.  An item put aside has the
 *          count that the stream had then as its ticket, and a number among its like: so it comes
 *          after all that was put before it, and before what was put after, also when it has been
 *          delayed or lent meanwhile.
 *
 * LIMITS   Pushing and popping change the nodes along shortest ways, log2(n) at most: 20 for a
 *          million.
 */
#include "base/error.h"
#include "shm/queue_parts.h"
#include "shm/reference.h"

#define DEPTH_MAX 128u /* of two ways being merged, which have no 64 nodes each */

/* ---- Nodes ------------------------------------------------------------------------------ */

kith_err
kith__queue_node(struct kith__op *op, uint64_t queue_id, const struct kith_item *item,
                 uint64_t *node_out)
{
    size_t tag, payload = kith__payload(item, &tag);

    *node_out = 0;
    if (payload == SIZE_MAX) {
        op->err =
            kith__fail(KITH_ETOOBIG, "An item of %zu bytes is larger than any arena.", item->size);
        return op->err;
    }
    if (op->err < 0)
        return op->err;
    if (item->type == KITH_TYPE_REFERENCE && kith__reference_is_counted(item))
        op->err = kith__reference_stage(op->self, item, KITH__CLASS_REFERENCE_NODE, node_out);
    else if (item->type == KITH_TYPE_REFERENCE)
        op->err = kith__reference_check(op->self, item);
    if (op->err == KITH_OK && (item->type != KITH_TYPE_REFERENCE || *node_out == 0))
        kith__op_take(op, sizeof(struct kith__node) + payload, node_out);
    if (op->err < 0)
        return op->err;
    kith__node_write(kith__ptr(op->self->arena, *node_out), queue_id, item, tag);
    return KITH_OK;
}

void
kith__node_write(struct kith__node *node, uint64_t queue_id, const struct kith_item *item,
                 size_t tag)
{
    kith__store(&node->next, 0);
    kith__store(&node->prev, 0);
    kith__store(&node->ticket, 0);
    kith__store(&node->order, 0);
    kith__store(&node->fence, 0);
    kith__store(&node->owner, 0);
    kith__store(&node->attempts, 0);
    kith__store(&node->due, 0);
    kith__store(&node->rank, 0);
    kith__store(&node->priority, 0);
    node->meta = kith__item_write(item, tag, node->data);
    kith__store(&node->magic, KITH__NODE_MAGIC ^ queue_id);
}

kith_err
kith__node_read(const struct kith__queue *queue, struct kith__node *node, struct kith_item *item,
                char *tag)
{
    uint64_t off = kith__off(queue->arena, node);
    uint64_t payload = KITH__META_TAG(node->meta) + KITH__META_SIZE(node->meta);

    if (kith__load(&node->magic) != (KITH__NODE_MAGIC ^ queue->id) ||
        kith__at(queue->arena, off, sizeof *node + payload) == NULL ||
        !kith__item_read(node->meta, node->data, payload, item, tag))
        return kith__queue_broken(queue->arena);
    return KITH_OK;
}

/* ---- Heaps ------------------------------------------------------------------------------ */

static bool
is_before(const struct kith__op *op, enum kith__heap which, const struct kith__node *a,
          const struct kith__node *b)
{
    uint64_t x, y;

    if (which == KITH__HEAP_READY) {
        x = kith__op_get(op, &a->priority);
        y = kith__op_get(op, &b->priority);
        if (x != y)
            return (int64_t)x > (int64_t)y;
    }
    if (which == KITH__HEAP_DELAYED) {
        x = kith__op_get(op, &a->due);
        y = kith__op_get(op, &b->due);
        if (x != y)
            return x < y;
    }
    x = kith__op_get(op, &a->ticket);
    y = kith__op_get(op, &b->ticket);
    return x != y ? x < y : kith__op_get(op, &a->order) < kith__op_get(op, &b->order);
}

static void
set(struct kith__op *op, kith__word *word, uint64_t value)
{
    if (kith__op_get(op, word) != value)
        kith__op_set(op, word, value);
}

/* Merges two heaps, each of which may be none; the top of the two as one. */
static uint64_t
merge(struct kith__op *op, enum kith__heap which, uint64_t a_off, uint64_t b_off, unsigned depth)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__node *a = a_off != 0 ? kith__node_at(arena, a_off) : NULL;
    struct kith__node *b = b_off != 0 ? kith__node_at(arena, b_off) : NULL, *left, *right;
    uint64_t left_off, right_off, left_rank, right_rank;

    if (op->err < 0)
        return 0;
    if ((a == NULL && a_off != 0) || (b == NULL && b_off != 0) || depth == DEPTH_MAX) {
        op->err = kith__queue_broken(arena);
        return 0;
    }
    if (a == NULL || b == NULL)
        return a != NULL ? a_off : b_off;
    if (is_before(op, which, b, a)) {
        struct kith__node *node = a;
        uint64_t off = a_off;

        a = b;
        a_off = b_off;
        b = node;
        b_off = off;
    }
    right_off = merge(op, which, kith__op_get(op, &a->prev), b_off, depth + 1);
    left_off = kith__op_get(op, &a->next);
    right = kith__node_at(arena, right_off);
    left = left_off != 0 ? kith__node_at(arena, left_off) : NULL;
    if (op->err < 0 || right == NULL || (left == NULL && left_off != 0)) {
        if (op->err == KITH_OK)
            op->err = kith__queue_broken(arena);
        return 0;
    }
    right_rank = kith__op_get(op, &right->rank);
    left_rank = left != NULL ? kith__op_get(op, &left->rank) : 0;
    if (left_rank < right_rank) {
        set(op, &a->next, right_off);
        set(op, &a->prev, left_off);
        set(op, &a->rank, left_rank + 1);
    } else {
        set(op, &a->prev, right_off);
        set(op, &a->rank, right_rank + 1);
    }
    return a_off;
}

kith_err
kith__heap_push(struct kith__op *op, kith__word *heap, enum kith__heap which,
                struct kith__node *node)
{
    uint64_t top;

    set(op, &node->next, 0);
    set(op, &node->prev, 0);
    set(op, &node->rank, 1);
    top = merge(op, which, kith__op_get(op, heap), kith__off(op->self->arena, node), 0);
    set(op, heap, top);
    return op->err;
}

kith_err
kith__heap_pop(struct kith__op *op, kith__word *heap, enum kith__heap which,
               struct kith__node **node_out)
{
    struct kith__node *node = kith__node_at(op->self->arena, kith__op_get(op, heap));
    uint64_t top;

    if (node == NULL)
        return kith__queue_broken(op->self->arena);
    top = merge(op, which, kith__op_get(op, &node->next), kith__op_get(op, &node->prev), 0);
    set(op, heap, top);
    *node_out = node;
    return op->err;
}

/* ---- What is due ------------------------------------------------------------------------ */

kith_err
kith__queue_note_due(struct kith__op *op, struct kith__queue_root *root)
{
    struct kith__arena *arena = op->self->arena;
    kith__word *firsts[] = { &root->delayed, &root->timed_first };
    uint64_t earliest = 0;

#ifdef KITH_MISTAKE_DUE_FORGOTTEN
    return op->err;
#endif
    for (unsigned i = 0; i < 2; i++) {
        uint64_t off = kith__op_get(op, firsts[i]), due;
        struct kith__node *node = off != 0 ? kith__node_at(arena, off) : NULL;

        if (off == 0)
            continue;
        if (node == NULL)
            return kith__queue_broken(arena);
        due = kith__op_get(op, &node->due);
        if (earliest == 0 || due < earliest)
            earliest = due;
    }
    set(op, &root->next_due, earliest);
    return op->err;
}

kith_err
kith__queue_place(struct kith__op *op, struct kith__queue_root *root, struct kith__node *node)
{
    kith_err err;

    if (kith__op_get(op, &node->due) == 0)
        return kith__heap_push(op, &root->ready, KITH__HEAP_READY, node);
    err = kith__heap_push(op, &root->delayed, KITH__HEAP_DELAYED, node);
    kith__op_set(op, &root->delayed_count, kith__op_get(op, &root->delayed_count) + 1);
    return err < 0 ? err : kith__queue_note_due(op, root);
}

/* The earliest of what is due: a delay that is over, or a lease. */
static kith_err
settle_one(struct kith__op *op, const struct kith__queue *queue, uint64_t now,
           struct kith__queue_root **letters_out)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t off = kith__load(&root->delayed);
    struct kith__node *node = off != 0 ? kith__node_at(queue->arena, off) : NULL;
    kith_err err;

    if (node != NULL && kith__load(&node->due) <= now) {
        err = kith__heap_pop(op, &root->delayed, KITH__HEAP_DELAYED, &node);
        if (err < 0)
            return err;
        kith__op_set(op, &node->due, 0);
        kith__op_set(op, &root->delayed_count, kith__load(&root->delayed_count) - 1);
        err = kith__queue_place(op, root, node);
    } else {
        node = kith__node_at(queue->arena, kith__load(&root->timed_first));
        if (node == NULL)
            return kith__queue_broken(queue->arena);
        err = kith__queue_hand_back(op, queue, node, letters_out);
    }
    return err < 0 ? err : kith__queue_note_due(op, root);
}

kith_err
kith__queue_settle(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t due, now = (uint64_t)kith__arena_now_ns(self->arena);
    kith_err err = KITH_OK;

    while (err == KITH_OK && (due = kith__load(&root->next_due)) != 0 && due <= now) {
        struct kith__queue_root *letters = NULL;
        struct kith__op op;

        kith__op_begin(&op, self);
        err = settle_one(&op, queue, now, &letters);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
        /* Under the locks: whoever reaps their holder wakes as well. */
        atomic_thread_fence(memory_order_seq_cst); /* what was stored is seen, or the sleepers */
        if (letters != NULL) {
            kith__queue_raise(self, letters, 1, false);
            kith__lock_release(self, &letters->tail_lock);
        }
        if (err == KITH_OK)
            kith__queue_raise(self, root, 1, true);
    }
    return err;
}
