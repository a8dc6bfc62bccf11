/*
 * queue_taken.c - what gets took from a queue that lends, until it is reported done.
 *
 * LAYOUT   As a lease without a limit: a node in the list `lent`.  Its fence has KITH__FENCE_TAKEN,
 *          since nobody has a lease to show for it, and `taken` counts it: see queue.c, Q6.
 *
 * STEPS    A report is one record under the head lock: the node leaves, and `done` is one more.
 *   Whose item it is for, in this order:
 *   1  the oldest that the reporting process has
 *   2  one that is gone already: its taker left in good order, or the queue kept too many
 *   3  the oldest of another process, which gave the work away
 *   4  one that came back: its taker gave the work away, and was killed
 * DEATH    up to the record nothing happened, from it on the item is done.  What the dead took
 *          comes back by the chain of queues, as any lease: queue_lease.c.
 *
 * LIMITS   A queue keeps 2^lending such items.  Programs that take and never report are right, too,
 *          and may run for years.  A report looks through the items that others took before.
 */
#include "shm/queue_parts.h"

kith_err
kith__queue_keep_few(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t most = UINT64_C(1) << (root->lending & 63);
    kith_err err = KITH_OK;

    while (err == KITH_OK && kith__load(&root->taken) > most) {
        struct kith__node *node = kith__queue_oldest_taken(queue, 0);
        struct kith__op op;

        if (node == NULL)
            return kith__queue_broken(queue->arena);
        kith__op_begin(&op, self);
        err = kith__queue_let_go(&op, queue, node);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
    }
    return err;
}

/* Head lock held: the next item, if it was lent before and came back. */
static struct kith__node *
came_back(const struct kith__queue *queue)
{
    uint64_t off = kith__load(&kith__queue_root(queue)->ready);
    struct kith__node *node = off != 0 ? kith__node_at(queue->arena, off) : NULL;

    return node != NULL && kith__load(&node->attempts) != 0 ? node : NULL;
}

/* Of a queue that lends: the node that a report is for; NULL: for none. */
static struct kith__node *
reported_node(const struct kith__queue *queue, bool gone)
{
    struct kith__arena *arena = queue->arena;
    struct kith__node *node = kith__queue_oldest_taken(queue, kith__owner_of(arena, arena->holder));

    if (node == NULL && !gone)
        node = kith__queue_oldest_taken(queue, 0);
    return node == NULL && !gone ? came_back(queue) : node;
}

static kith_err
report(struct kith__op *op, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t done = kith__load(&root->done);
    /* All that left for good: of the stream, and of what was put aside, but for what is left. */
    uint64_t left = KITH__PLACE_COUNT(kith__load(&root->head)) + kith__load(&root->aside) -
                    kith__load(&root->nodes);
    bool gone = done < left - kith__load(&root->dead_count);
    struct kith__node *node = root->lending != 0 ? reported_node(queue, gone) : NULL;
    kith_err err = KITH_OK;

    if (node == NULL && !gone)
        return KITH_EINVAL; /* everything that left has been reported */
    if (node != NULL && kith__load(&node->fence) == 0)
        err = kith__heap_pop(op, &root->ready, KITH__HEAP_READY, &node);
    if (node != NULL && err == KITH_OK)
        err = kith__queue_let_go(op, queue, node);
    if (err == KITH_OK)
        kith__op_set(op, &root->done, done + 1);
    return err < 0 ? err : op->err;
}

kith_err
kith__queue_task_done(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    kith_err err = kith__queue_lock(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = report(&op, queue);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    if (err < 0)
        kith__op_abort(&op);
    /* Woken before the lock is released: whoever reaps its holder wakes as well. */
    atomic_thread_fence(memory_order_seq_cst);
    if (err == KITH_OK)
        kith__signal_raise(self, &root->drained, INT32_MAX);
    /* The end of a queue that was shut down is news to getters. */
    if (err == KITH_OK && kith__queue_at_its_end(queue))
        kith__signal_raise(self, &root->items, INT32_MAX);
    kith__lock_release(self, &root->head_lock);
    kith__op_end(self);
    return err;
}
