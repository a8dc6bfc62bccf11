/*
 * queue_lease.c - lending: leases, their ends, and those of the dead.
 *
 * LAYOUT   What is lent is a node in one of two lists, doubly linked: `lent`, the oldest lease
 *          first, for leases that last as long as their holder; `timed`, by `due`, for those with a
 *          limit.  A lease is named by its node and a fence, which no other lease of the queue has.
 *
 * STEPS    Each lease, acknowledgement, return and extension is one record under the head lock.
 *   A lease is given back by its consumer, by whoever reaps its consumer's process, or, past its
 *   limit, by whoever looks at the queue next.  The node then goes to its place in the heap of what
 *   is ready; or, when it was lent as often as it may, to the dead letters, whose tail lock is
 *   taken below the head lock of the queue.
 * DEATH    What a dead process had on lease is found by way of the chain of queues that ever lent
 *   an item.  A root stays in the chain for good, since its memory stays a queue root, so walking
 *   the chain needs no lock.  Each lease goes back in a record of its own, oldest first, so that
 *   dead letters keep their order; a reaper that dies on the way is followed by another that finds
 *   what is left.
 *
 * GETS     A queue may lend by its gets: queue_taken.c.
 *
 * LIMITS   A lease with a limit finds its place in the list from the end: at once if the limits of
 *          a queue are alike, else in as many steps as there are leases that end later.
 */
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/queue_parts.h"

/* ---- The lists --------------------------------------------------------------------------- */

/* How many steps a list can take: what is overwritten may go round. */
static uint64_t
steps_max(const struct kith__arena *arena, const struct kith__queue_root *root)
{
    uint64_t most = arena->size / sizeof(struct kith__node), lent = kith__load(&root->lent_count);

    return lent < most ? lent : most;
}

static bool
link_ok(const struct kith__arena *arena, uint64_t off, struct kith__node **node_out)
{
    *node_out = off != 0 ? kith__node_at(arena, off) : NULL;
    return off == 0 || *node_out != NULL;
}

/* Of a fresh node, which nobody sees yet, words are stored; of another they go into the record. */
static void
set(struct kith__op *op, bool fresh, kith__word *word, uint64_t value)
{
    if (fresh)
        kith__store(word, value);
    else
        kith__op_set(op, word, value);
}

/* Links a node that is in no list; its `due` says into which. */
static kith_err
link_lent(struct kith__op *op, struct kith__queue_root *root, struct kith__node *node, bool fresh)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t due = kith__op_get(op, &node->due), off = kith__off(arena, node), next_off = 0;
    kith__word *first = due == 0 ? &root->lent_first : &root->timed_first;
    kith__word *last = due == 0 ? &root->lent_last : &root->timed_last;
    uint64_t prev_off = kith__op_get(op, last), steps = 0;
    struct kith__node *prev, *next;

    for (; due != 0 && prev_off != 0; steps++) {
        prev = kith__node_at(arena, prev_off);
        if (prev == NULL || steps > steps_max(arena, root))
            return kith__queue_broken(arena);
        if (kith__op_get(op, &prev->due) <= due)
            break;
        next_off = prev_off;
        prev_off = kith__op_get(op, &prev->prev);
    }
    if (!link_ok(arena, prev_off, &prev) || !link_ok(arena, next_off, &next))
        return kith__queue_broken(arena);
    set(op, fresh, &node->next, next_off);
    set(op, fresh, &node->prev, prev_off);
    kith__op_set(op, prev != NULL ? &prev->next : first, off);
    kith__op_set(op, next != NULL ? &next->prev : last, off);
    return op->err;
}

static kith_err
unlink_lent(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    bool timed = kith__op_get(op, &node->due) != 0;
    uint64_t next_off = kith__op_get(op, &node->next), prev_off = kith__op_get(op, &node->prev);
    struct kith__node *next, *prev;

    if (!link_ok(queue->arena, prev_off, &prev) || !link_ok(queue->arena, next_off, &next))
        return kith__queue_broken(queue->arena);
    kith__op_set(op,
                 prev != NULL ? &prev->next
                 : timed      ? &root->timed_first
                              : &root->lent_first,
                 next_off);
    kith__op_set(op,
                 next != NULL ? &next->prev
                 : timed      ? &root->timed_last
                              : &root->lent_last,
                 prev_off);
    return op->err;
}

/* Head lock held: the node of a lease that still holds; NULL if it was lost. */
static struct kith__node *
lent_node(const struct kith__op *op, const struct kith__queue *queue, const struct kith__lent *lent)
{
    struct kith__node *node = kith__node_at(queue->arena, lent->node);

    /* The block may be anything by now; no other block has this fence at this place. */
    if (node == NULL || kith__load(&node->magic) != (KITH__NODE_MAGIC ^ queue->id) ||
        kith__op_get(op, &node->fence) != lent->fence)
        return NULL;
    return node;
}

/* ---- Lending ----------------------------------------------------------------------------- */

/* The block that is kept for this; it is guarded by the tail lock. */
static kith_err
take_reserve(struct kith__reader *r, uint64_t *off_out)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    kith_err err;

    if (!r->both) {
        err = kith__lock_acquire(r->op->self, &root->tail_lock);
        if (err < 0)
            return err;
        r->both = true;
    }
    *off_out = kith__op_get(r->op, &root->reserve);
    if (*off_out == 0 || kith__at(r->queue->arena, *off_out, KITH__RESERVE_SIZE) == NULL)
        return KITH_ENOMEM;
    r->op->err = KITH_OK;
    kith__op_set(r->op, &root->reserve, 0);
    return KITH_OK;
}

/*
 * A fresh node.  In an arena that is full, whoever works the queue off has to get on: with a block
 * that was the reserve before, or with the reserve.
 */
static kith_err
fresh_node(struct kith__reader *r, const struct kith_item *item, uint64_t *off_out)
{
    size_t tag;
    kith_err err = kith__queue_node(r->op, r->queue->id, item, off_out);

    if (err != KITH_ENOMEM)
        return err;
    r->op->err = KITH_OK;
    err = kith__op_take(r->op, KITH__RESERVE_SIZE, off_out);
    if (err == KITH_ENOMEM)
        err = take_reserve(r, off_out);
    if (err < 0)
        return err;
    kith__payload(item, &tag);
    kith__node_write(kith__ptr(r->queue->arena, *off_out), r->queue->id, item, tag);
    return KITH_OK;
}

/* The item as a node: one that it was, or a fresh one, which takes the place of its record. */
static kith_err
node_of(struct kith__reader *r, const struct kith__pick *found, const struct kith_item *item,
        struct kith__node **node_out)
{
    uint64_t off;
    kith_err err;

    kith__reader_record(r);
    *node_out = found->node;
    if (found->node == NULL) {
        err = fresh_node(r, item, &off);
        if (err < 0)
            return err;
        *node_out = kith__ptr(r->queue->arena, off);
    }
    if (found->record != NULL)
        set(r->op, found->node == NULL, &(*node_out)->ticket, KITH__PLACE_COUNT(r->head) + 1);
    return r->op->err;
}

kith_err
kith__queue_lend(struct kith__reader *r, const struct kith__pick *found,
                 const struct kith__lending *how)
{
    struct kith__arena *arena = r->queue->arena;
    struct kith__queue_root *root = kith__queue_root(r->queue);
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    struct kith__node *node = NULL;
    uint64_t fence = kith__load(&root->fence) + 1;
    bool fresh = found->node == NULL;
    kith_err err = kith__pick_read(r, found, &item, tag);

    if (err == KITH_OK && how->item_out != NULL)
        err = kith__buf_set(how->item_out, item);
    if (err == KITH_OK)
        err = node_of(r, found, &item, &node);
    if (err == KITH_OK)
        err = kith__queue_take(r, found);
    if (err < 0)
        return err;
    /* Not in the record: a number that was skipped is no lease. */
    kith__store(&root->fence, fence);
    how->lent_out->attempts = (uint32_t)kith__load(&node->attempts);
    how->lent_out->node = kith__off(arena, node);
    how->lent_out->fence = fence;
    set(r->op, fresh, &node->fence, how->taken ? fence | KITH__FENCE_TAKEN : fence);
#ifndef KITH_MISTAKE_LEASE_WITHOUT_OWNER
    set(r->op, fresh, &node->owner, kith__owner_of(arena, arena->holder));
#endif
    set(r->op, fresh, &node->attempts, kith__load(&node->attempts) + 1);
    if (how->limit_ns >= 0)
        set(r->op, fresh, &node->due, kith__due_after(arena, how->limit_ns));
    err = link_lent(r->op, root, node, fresh);
    if (err == KITH_OK && how->limit_ns >= 0)
        err = kith__queue_note_due(r->op, root);
    if (found->record != NULL)
        kith__op_set(r->op, &root->nodes, kith__op_get(r->op, &root->nodes) + 1); /* Q4 */
    kith__op_set(r->op, &root->lent_count, kith__op_get(r->op, &root->lent_count) + 1);
#ifndef KITH_MISTAKE_TAKEN_WITHOUT_COUNT
    if (how->taken)
        kith__op_set(r->op, &root->taken, kith__op_get(r->op, &root->taken) + 1);
#endif
    return err < 0 ? err : r->op->err;
}

static kith_err
lease_once(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    const struct kith__lending *how = arg;
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__pick found;
    uint64_t due_before;
    struct kith__reader r;
    struct kith__op op;
    kith_err err = kith__queue_begin_get(&r, &op, self, queue);

    if (err < 0)
        return err;
    due_before = kith__load(&root->next_due);
    err = kith__queue_next(&r, &found);
    if (err == KITH_OK)
        err = kith__queue_lend(&r, &found, how);
    if (err == KITH_OK)
        err = kith__queue_commit_get(&r);
    kith__queue_owe(self, queue);
    kith__queue_end_get(&r, self);
    if (err == KITH_OK)
        kith__queue_raise_due(self, root, due_before);
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

kith_err
kith__queue_lease(struct kith__self *self, const struct kith__queue *queue, int64_t limit_ns,
                  int64_t deadline_ns, struct kith_buf *item_out, struct kith__lent *lent_out)
{
    struct kith__lending how = { limit_ns, false, item_out, lent_out };
    kith_err err = kith__queue_chain(self, queue);

    return err < 0 ? err : kith__queue_get_with(self, queue, deadline_ns, lease_once, &how);
}

/* ---- Ending ------------------------------------------------------------------------------ */

/* Written down: one item that is a node leaves for good. */
static void
count_left(struct kith__op *op, struct kith__queue_root *root)
{
    kith__op_set(op, &root->nodes, kith__op_get(op, &root->nodes) - 1);
}

/* It is in no list of what is lent any more. */
static kith_err
unlend(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    bool timed = kith__op_get(op, &node->due) != 0;
    kith_err err = unlink_lent(op, queue, node);

    if (err < 0)
        return err;
    kith__op_set(op, &root->lent_count, kith__op_get(op, &root->lent_count) - 1);
    if ((kith__op_get(op, &node->fence) & KITH__FENCE_TAKEN) != 0)
        kith__op_set(op, &root->taken, kith__op_get(op, &root->taken) - 1);
    kith__op_set(op, &node->fence, 0); /* a second ack in the same transaction finds it gone */
    return timed ? kith__queue_note_due(op, root) : op->err;
}

kith_err
kith__queue_let_go(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    kith_err err = kith__load(&node->fence) != 0 ? unlend(op, queue, node) : KITH_OK;

    if (err < 0)
        return err;
    count_left(op, kith__queue_root(queue));
    kith__op_give(op, kith__off(queue->arena, node));
    return op->err;
}

kith_err
kith__queue_unlend(struct kith__op *op, const struct kith__queue *queue,
                   const struct kith__lent *lent)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__node *node;
    kith_err err;

    if (kith__load(&root->id) != queue->id)
        return KITH_EGONE;
    node = lent_node(op, queue, lent);
    if (node == NULL)
        return KITH_EGONE;
    if (kith__is_due(queue->arena, kith__op_get(op, &node->due)))
        return KITH_EGONE; /* past its limit: whoever looks next hands it back */
    err = kith__queue_let_go(op, queue, node);
    if (err < 0)
        return err;
    kith__op_set(op, &root->done, kith__op_get(op, &root->done) + 1);
    return op->err;
}

kith_err
kith__queue_hand_back(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node,
                      struct kith__queue_root **letters_out)
{
    struct kith__self *self = op->self;
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue), *letters = NULL;
    struct kith__writer w;
    kith_err err;

    *letters_out = NULL;
    err = unlend(op, queue, node);
    if (err < 0)
        return err;
    kith__op_set(op, &node->owner, 0);
    if (kith__op_get(op, &node->due) != 0)
        kith__op_set(op, &node->due, 0);
    if (root->attempts_max == 0 || kith__load(&node->attempts) < root->attempts_max)
        return kith__queue_place(op, root, node);
    if (root->dead_letter == 0) {
        count_left(op, root);
        kith__op_set(op, &root->dead_count, kith__op_get(op, &root->dead_count) + 1);
        kith__op_give(op, kith__off(arena, node));
        return op->err;
    }
    letters = kith__at(arena, root->dead_letter, sizeof *letters);
    if (letters == NULL || letters == root ||
        kith__load_acquire(&letters->id) != root->dead_letter_id)
        return kith__queue_place(op, root, node); /* destroyed: it takes nothing */
    err = kith__lock_acquire(self, &letters->tail_lock);
    if (err < 0)
        return err;
    if (kith__load(&letters->id) != root->dead_letter_id) {
        kith__lock_release(self, &letters->tail_lock);
        return kith__queue_place(op, root, node);
    }
    err = kith__writer_begin(&w, op, arena, letters, root->dead_letter_id);
    if (err == KITH_OK)
        err = kith__writer_node(&w, op, kith__off(arena, node));
    *letters_out = letters;   /* locked until the record is: it may have words of theirs */
    if (err == KITH_ENOMEM) { /* it is lent once more */
        op->err = KITH_OK;
        return kith__queue_place(op, root, node);
    }
    if (err < 0)
        return err;
    kith__writer_end(&w, op);
    count_left(op, root);
    kith__op_set(op, &root->dead_count, kith__op_get(op, &root->dead_count) + 1);
    /* Its place is new, its number of attempts what it was. */
    set(op, false, &node->priority, 0);
    set(op, false, &node->order, 0);
    kith__op_set(op, &node->magic, KITH__NODE_MAGIC ^ root->dead_letter_id);
    return op->err;
}

kith_err
kith__queue_ack(struct kith__self *self, const struct kith__queue *queue,
                const struct kith__lent *lent)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    kith_err err = kith__queue_lock(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    if (kith__load(&root->next_due) != 0)
        err = kith__queue_settle(self, queue);
    kith__op_begin(&op, self);
    if (err == KITH_OK)
        err = kith__queue_unlend(&op, queue, lent);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    kith__queue_owe(self, queue);
    kith__lock_release(self, &root->head_lock);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 0, true);
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

kith_err
kith__queue_nack(struct kith__self *self, const struct kith__queue *queue,
                 const struct kith__lent *lent)
{
    struct kith__queue_root *root = kith__queue_root(queue), *letters = NULL;
    struct kith__node *node;
    struct kith__op op;
    kith_err err = kith__queue_lock(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    if (kith__load(&root->next_due) != 0)
        err = kith__queue_settle(self, queue);
    kith__op_begin(&op, self);
    node = err == KITH_OK ? lent_node(&op, queue, lent) : NULL;
    if (err == KITH_OK)
        err = node == NULL ? KITH_EGONE : kith__queue_hand_back(&op, queue, node, &letters);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    if (letters != NULL) {
        atomic_thread_fence(memory_order_seq_cst);
        kith__queue_raise(self, letters, 1, false); /* under the lock: a reaper wakes for it */
        kith__lock_release(self, &letters->tail_lock);
    }
    kith__queue_owe(self, queue);
    kith__lock_release(self, &root->head_lock);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 1, true);
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

kith_err
kith__queue_extend(struct kith__self *self, const struct kith__queue *queue,
                   const struct kith__lent *lent, int64_t limit_ns)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t due_before = 0;
    struct kith__node *node;
    struct kith__op op;
    kith_err err = kith__queue_lock(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    if (kith__load(&root->next_due) != 0)
        err = kith__queue_settle(self, queue);
    kith__op_begin(&op, self);
    node = err == KITH_OK ? lent_node(&op, queue, lent) : NULL;
    if (err == KITH_OK && node == NULL)
        err = KITH_EGONE;
    due_before = kith__load(&root->next_due);
    if (err == KITH_OK)
        err = unlink_lent(&op, queue, node);
    if (err == KITH_OK) {
        kith__op_set(&op, &node->due, limit_ns < 0 ? 0 : kith__due_after(self->arena, limit_ns));
        err = link_lent(&op, root, node, false);
    }
    if (err == KITH_OK)
        err = kith__queue_note_due(&op, root);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    kith__queue_owe(self, queue);
    kith__lock_release(self, &root->head_lock);
    if (err == KITH_OK)
        kith__queue_raise_due(self, root, due_before);
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

/* ---- Leases of the dead ------------------------------------------------------------------ */

kith_err
kith__queue_chain(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    kith_err err;

    if (kith__load_acquire(&root->chained) != 0)
        return KITH_OK;
    err = kith__lock_acquire(self, &h->chain_lock);
    if (err < 0)
        return err;
    if (kith__load(&root->chained) == 0) {
        kith__op_begin(&op, self);
        kith__op_set(&op, &root->chain, kith__load(&h->chain));
        kith__op_set(&op, &h->chain, queue->off);
        kith__op_set(&op, &root->chained, 1);
        err = kith__op_commit(&op);
    }
    kith__lock_release(self, &h->chain_lock);
    return err;
}

/* Head lock held: the oldest lease of `owner`, 0: of anybody, in a list; NULL: none. */
static struct kith__node *
lease_of(const struct kith__queue *queue, uint64_t off, uint64_t owner, bool taken)
{
    uint64_t limit = steps_max(queue->arena, kith__queue_root(queue));

    for (uint64_t steps = 0; off != 0 && steps <= limit; steps++) {
        struct kith__node *node = kith__node_at(queue->arena, off);

        if (node == NULL || ((owner == 0 || kith__load(&node->owner) == owner) &&
                             (!taken || (kith__load(&node->fence) & KITH__FENCE_TAKEN) != 0)))
            return node;
        off = kith__load(&node->next);
    }
    return NULL;
}

struct kith__node *
kith__queue_oldest_taken(const struct kith__queue *queue, uint64_t owner)
{
    return lease_of(queue, kith__load(&kith__queue_root(queue)->lent_first), owner, true);
}

/* One lease of `owner` in the queue goes back; KITH_ENOENT: there is none. */
static kith_err
hand_one_back(struct kith__self *self, const struct kith__queue *queue, uint64_t owner, bool killed)
{
    struct kith__queue_root *root = kith__queue_root(queue), *letters = NULL;
    struct kith__node *node = NULL;
    struct kith__op op;
    kith_err err = kith__lock_acquire(self, &root->head_lock);

    if (err < 0)
        return err;
    if (kith__load(&root->id) == queue->id) {
        node = lease_of(queue, kith__load(&root->lent_first), owner, false);
        if (node == NULL)
            node = lease_of(queue, kith__load(&root->timed_first), owner, false);
    }
    if (node == NULL) {
        err = KITH_ENOENT;
    } else {
        kith__op_begin(&op, self);
        /* Who left had got it, and need not have it back. */
        if (killed || (kith__load(&node->fence) & KITH__FENCE_TAKEN) == 0)
            err = kith__queue_hand_back(&op, queue, node, &letters);
        else
            err = kith__queue_let_go(&op, queue, node);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
    }
    /* Woken before the locks are released: see queue.c, DEATH. */
    atomic_thread_fence(memory_order_seq_cst);
    if (letters != NULL) {
        kith__queue_raise(self, letters, 1, false);
        kith__lock_release(self, &letters->tail_lock);
    }
    if (err == KITH_OK)
        kith__queue_raise(self, root, 1, true);
    kith__lock_release(self, &root->head_lock);
    return err;
}

kith_err
kith__queues_hand_back(struct kith__self *self, uint64_t owner, bool killed)
{
    struct kith__arena *arena = self->arena;
    uint64_t off = kith__load_acquire(&KITH__HEADER(arena)->chain);
    uint64_t limit = arena->size / sizeof(struct kith__queue_root);

    for (uint64_t steps = 0; off != 0 && steps < limit; steps++) {
        struct kith__queue_root *root = kith__at(arena, off, sizeof *root);
        struct kith__queue queue;
        kith_err err = KITH_OK;

        if (root == NULL)
            return kith__fail(KITH_ECORRUPT, "The chain of queues is broken; run kith check.");
        queue = (struct kith__queue){ arena, off, kith__load_acquire(&root->id) };
        while (queue.id != 0 && kith__load(&root->lent_count) != 0 && err == KITH_OK)
            err = hand_one_back(self, &queue, owner, killed);
        if (err < 0 && err != KITH_ENOENT)
            return err;
        off = kith__load(&root->chain);
    }
    return KITH_OK;
}
