/*
 * queue_whole.c - a queue as a whole: made, shut down, counted, joined, taken apart.
 */
#include <string.h>

#include "base/error.h"
#include "shm/queue_parts.h"
#include "shm/reference.h"

kith_err
kith__queue_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__queue_root *root = kith__ptr(arena, off);
    const struct kith__queue_making *making = arg;
    kith__word *zero[] = { &root->closed,       &root->head_segment, &root->seen,
                           &root->ready,        &root->nodes,        &root->next_due,
                           &root->lent_count,   &root->delayed,      &root->lent_first,
                           &root->lent_last,    &root->timed_first,  &root->timed_last,
                           &root->fence,        &root->aside,        &root->dead_count,
                           &root->done,         &root->orphans,      &root->delayed_count,
                           &root->tail_segment, &root->first,        &root->spare,
                           &root->room_until,   &root->reserve,      &root->references,
                           &root->taken };

    uint64_t keeps = 0;

    if (making->dead_letter != 0 && kith__reference_hold(op, making->dead_letter_name, &keeps) < 0)
        return op->err;
    /* Lock words, signals and the chain are left alone: old handles may be at them. */
    kith__lock_init(arena, &root->head_lock);
    kith__lock_init(arena, &root->tail_lock);
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        kith__store(zero[i], 0);
    kith__store(&root->head, KITH__PLACE(0, KITH__SEGMENT_FIRST));
    kith__store(&root->tail, KITH__PLACE(0, KITH__SEGMENT_FIRST));
    root->capacity = making->capacity;
    root->attempts_max = making->attempts_max;
    root->joinable = making->joinable;
    root->lending = (uint16_t)making->lending;
    root->dead_letter = making->dead_letter;
    root->dead_letter_id = making->dead_letter_id;
    kith__store(&root->keeps, keeps);
    kith__op_set(op, &root->id, id);
    return op->err;
}

/* ---- Ending ----------------------------------------------------------------------------- */

kith_err
kith__queue_lock_both(struct kith__self *self, uint64_t off)
{
    struct kith__queue_root *root = kith__ptr(self->arena, off);
    kith_err err = kith__lock_acquire(self, &root->head_lock);

    if (err < 0)
        return err;
    err = kith__lock_acquire(self, &root->tail_lock);
    if (err < 0)
        kith__lock_release(self, &root->head_lock);
    return err;
}

void
kith__queue_unlock_both(struct kith__self *self, uint64_t off)
{
    struct kith__queue_root *root = kith__ptr(self->arena, off);

    kith__lock_release(self, &root->tail_lock);
    kith__lock_release(self, &root->head_lock);
}

void
kith__queue_end(struct kith__op *op, uint64_t off)
{
    struct kith__queue_root *root = kith__ptr(op->self->arena, off);

    kith__op_set(op, &root->was, kith__load(&root->id));
    kith__op_set(op, &root->id, 0);
    kith__op_trash(op, off, KITH_KIND_QUEUE);
}

void
kith__queue_wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__queue_root *root = kith__ptr(self->arena, off);

    atomic_thread_fence(memory_order_seq_cst); /* what was stored is seen, or the sleepers */
    kith__signal_raise(self, &root->items, INT32_MAX);
    kith__signal_raise(self, &root->room, INT32_MAX);
    kith__signal_raise(self, &root->drained, INT32_MAX);
}

/* Frees what a list of nodes names, one by one. */
static kith_err
free_list(struct kith__self *self, kith__word *first)
{
    kith_err err = KITH_OK;
    uint64_t off, size;

    while (err == KITH_OK && (off = kith__load(first)) != 0) {
        struct kith__node *node = kith__node_at(self->arena, off);

        if (node == NULL || !kith__block_at(self->arena, off, &size)) {
            kith__store(first, 0);
            break;
        }
        err = kith__block_free(self, off, first, kith__load(&node->next));
    }
    return err;
}

/*
 * Frees a heap from the top: what hangs on the one side takes its place, what hangs on the other is
 * put on a list of its own, by way of the fence, which no node in a heap has.
 */
static kith_err
free_heap(struct kith__self *self, struct kith__queue_root *root, kith__word *heap)
{
    kith_err err = KITH_OK;
    uint64_t size;

    while (err == KITH_OK) {
        uint64_t off = kith__load(heap), other_off;
        struct kith__node *node, *other;
        struct kith__op mini;

        if (off == 0 && (off = kith__load(&root->orphans)) != 0) {
            node = kith__node_at(self->arena, off);
            kith__op_begin_mini(&mini, self);
            kith__op_set(&mini, heap, off);
            kith__op_set(&mini, &root->orphans, node != NULL ? kith__load(&node->fence) : 0);
            err = kith__op_commit(&mini);
            continue;
        }
        node = off != 0 ? kith__node_at(self->arena, off) : NULL;
        if (node == NULL || !kith__block_at(self->arena, off, &size)) {
            kith__store(heap, 0);
            break;
        }
        other_off = kith__load(&node->prev);
        other = other_off != 0 ? kith__node_at(self->arena, other_off) : NULL;
        if (other != NULL) {
            kith__op_begin_mini(&mini, self);
            kith__op_set(&mini, &other->fence, kith__load(&root->orphans));
            kith__op_set(&mini, &root->orphans, other_off);
            kith__op_set(&mini, &node->prev, 0);
            err = kith__op_commit(&mini);
        }
        if (err == KITH_OK)
            err = kith__block_free(self, off, heap, kith__load(&node->next));
    }
    return err;
}

/* Frees the nodes that records from the head on name; each record then names none. */
static kith_err
free_named(struct kith__self *self, struct kith__queue_root *root,
           struct kith__queue_segment *segment, uint64_t *head_out)
{
    uint64_t head = kith__load(&root->head), tail = KITH__PLACE_COUNT(kith__load(&root->tail));
    kith_err err = KITH_OK;

    while (err == KITH_OK && KITH__PLACE_COUNT(head) < tail) {
        struct kith__record *record =
            (void *)((uint8_t *)segment + KITH__PLACE_AT(head) * KITH__UNIT);
        kith__word *named = (void *)record->data;
        unsigned type;

        if (KITH__PLACE_AT(head) >= segment->units)
            break;
        type = KITH__META_TYPE(kith__load(&record->meta));
        if (type == KITH__RECORD_END)
            break;
        if (type == KITH__RECORD_NODE && kith__load(named) != 0)
            err = kith__block_free(self, kith__load(named), named, 0);
        head += KITH__PLACE(1, kith__record_units(record));
    }
    *head_out = KITH__PLACE(KITH__PLACE_COUNT(head), KITH__SEGMENT_FIRST);
    return err;
}

/*
 * Frees the stream.  Before a segment goes, it is made to end where it begins, and the head moved
 * there: whoever goes on after us then walks none of its records again.
 */
static kith_err
free_stream(struct kith__self *self, struct kith__queue_root *root, uint64_t id)
{
    struct kith__arena *arena = self->arena;
    kith_err err = KITH_OK;
    uint64_t off, head;

    if (kith__load(&root->head_segment) == 0)
        kith__store(&root->head_segment, kith__load(&root->first));
    kith__step();
    kith__store(&root->first, 0);
    while (err == KITH_OK && (off = kith__load(&root->head_segment)) != 0) {
        struct kith__queue_segment *segment = kith__segment_at(arena, off, id);
        struct kith__record *record;

        if (segment == NULL) {
            kith__store(&root->head_segment, 0);
            break;
        }
        err = free_named(self, root, segment, &head);
        if (err < 0)
            break;
        record = (void *)((uint8_t *)segment + KITH__SEGMENT_FIRST * KITH__UNIT);
        kith__store(&record->meta, KITH__RECORD_END);
        kith__step();
        kith__store(&root->head, head);
        kith__step();
        err = kith__block_free(self, off, &root->head_segment,
                               off == kith__load(&root->tail_segment) ? 0
                                                                      : kith__load(&segment->next));
    }
    if (err == KITH_OK && kith__load(&root->spare) != 0)
        err = kith__block_free(self, kith__load(&root->spare), &root->spare, 0);
    if (err == KITH_OK && kith__load(&root->reserve) != 0)
        err = kith__block_free(self, kith__load(&root->reserve), &root->reserve, 0);
    return err;
}

kith_err
kith__queue_dismantle(struct kith__self *self, uint64_t off, kith__word *source,
                      uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__at(arena, off, sizeof *root);
    kith_err err;

    if (root == NULL || kith__load(&root->id) != 0) {
        kith__store(source, source_value);
        return kith__fail(KITH_ECORRUPT, "A queue breaks an invariant; run kith check.");
    }
    err = free_list(self, &root->lent_first);
    if (err == KITH_OK)
        err = free_list(self, &root->timed_first);
    if (err == KITH_OK && kith__load(&root->keeps) != 0)
        err = kith__block_free(self, kith__load(&root->keeps), &root->keeps, 0);
    if (err == KITH_OK)
        err = free_heap(self, root, &root->ready);
    if (err == KITH_OK)
        err = free_heap(self, root, &root->delayed);
    if (err == KITH_OK)
        err = free_stream(self, root, kith__load(&root->was));
    return err < 0 ? err : kith__block_free(self, off, source, source_value);
}

kith_err
kith__queue_shutdown(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    kith_err err = kith__queue_lock_both(self, queue->off);

    if (err < 0)
        return err;
    if (kith__load(&root->id) != queue->id) {
        err = KITH_EGONE;
    } else {
        kith__op_begin(&op, self);
        kith__op_set(&op, &root->closed, 1);
        err = kith__op_commit(&op);
        /* Before the locks are released: whoever reaps a holder of theirs wakes as well. */
        kith__queue_wake_all(self, queue->off);
    }
    kith__queue_unlock_both(self, queue->off);
    kith__op_end(self);
    return err;
}

/* ---- Counting --------------------------------------------------------------------------- */

struct look {
    uint32_t owner;
    struct kith__overlay overlay;
};

static void
look_at(struct look *look, const struct kith__arena *arena, const struct kith__lock *lock)
{
    look->owner = atomic_load_explicit(&lock->word, memory_order_acquire) & KITH__LOCK_ACTOR;
    kith__overlay_begin(&look->overlay, arena, look->owner);
}

/*
 * Counters at one instant, without a lock: as their writers' records have them where these are
 * committed, twice over, and the writers' states unchanged.
 */
kith_err
kith__queue_look(const struct kith__queue *queue, struct kith__queue_counts *out)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    const kith__word *words[] = { &root->head,          &root->nodes, &root->lent_count,
                                  &root->delayed_count, &root->aside, &root->taken,
                                  &root->tail };
    enum { HEAD, NODES, LENT, DELAYED, ASIDE, TAKEN, TAIL, WORDS };

    for (unsigned tries = 0; tries < 100000; tries++) {
        struct look head, tail;
        uint64_t raw[WORDS], value[WORDS], stream;
        bool same = true;

        look_at(&head, queue->arena, &root->head_lock);
        look_at(&tail, queue->arena, &root->tail_lock);
        for (unsigned i = 0; i < WORDS; i++)
            raw[i] = kith__load_acquire(words[i]);
        /* A record of either owner may have any of them: a dead letter is put by a getter. */
        for (unsigned i = 0; i < WORDS; i++)
            value[i] = kith__overlay_load(i == TAIL ? &tail.overlay : &head.overlay, words[i]);
        if (kith__load(&root->id) != queue->id)
            return KITH_EGONE;
        for (unsigned i = 0; i < WORDS; i++)
            same = same && raw[i] == kith__load_acquire(words[i]);
        if (!same || !kith__overlay_holds(&head.overlay) || !kith__overlay_holds(&tail.overlay) ||
            (atomic_load(&root->head_lock.word) & KITH__LOCK_ACTOR) != head.owner ||
            (atomic_load(&root->tail_lock.word) & KITH__LOCK_ACTOR) != tail.owner)
            continue;
        stream = KITH__PLACE_COUNT(value[TAIL]) - KITH__PLACE_COUNT(value[HEAD]);
        if (value[NODES] < value[LENT] + value[DELAYED] || value[LENT] < value[TAKEN])
            break;
        out->ready = stream + value[NODES] - value[LENT] - value[DELAYED];
        out->lent = value[LENT] - value[TAKEN];
        out->taken = value[TAKEN];
        out->delayed = value[DELAYED];
        out->total = stream + value[NODES] - value[TAKEN];
        out->ever = KITH__PLACE_COUNT(value[TAIL]) + value[ASIDE];
        return KITH_OK;
    }
    return kith__queue_broken(queue->arena);
}

/* What is due becomes ready, or comes back; for who only looks, later will do. */
static void
settle_due(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);

    if (!kith__is_due(queue->arena, kith__load_acquire(&root->next_due)) ||
        kith__queue_lock(self, queue, &root->head_lock) < 0)
        return;
    kith__queue_settle(self, queue);
    kith__lock_release(self, &root->head_lock);
    kith__op_end(self);
}

kith_err
kith__queue_settled(struct kith__self *self, const struct kith__queue *queue,
                    struct kith__queue_counts *out)
{
    if (self != NULL)
        settle_due(self, queue);
    return kith__queue_look(queue, out);
}

kith_err
kith__queue_count(struct kith__self *self, const struct kith__queue *queue, uint64_t *ready_out,
                  uint64_t *lent_out)
{
    struct kith__queue_counts counts;
    kith_err err = kith__queue_settled(self, queue, &counts);

    if (err < 0)
        return err;
    *ready_out = counts.ready;
    *lent_out = counts.lent;
    return KITH_OK;
}

static bool
is_drained(const struct kith__queue *queue)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t done = kith__load_acquire(&root->done), dead = kith__load_acquire(&root->dead_count);
    struct kith__queue_counts counts;

    if (kith__load(&root->id) != queue->id)
        return true;
    if (root->joinable == 0 && kith__queue_total(root) != 0)
        return false;
    /* A transaction that takes and puts is not seen between the two. */
    if (kith__queue_look(queue, &counts) < 0)
        return false;
    return root->joinable != 0 ? counts.ever <= done + dead : counts.total + counts.taken == 0;
}

kith_err
kith__queue_join(struct kith__self *self, const struct kith__queue *queue, int64_t deadline_ns)
{
    struct kith__queue_root *root = kith__queue_root(queue);

    for (;;) {
        uint32_t joined;
        enum kith__slept slept = KITH__SLEPT_AGAIN;
        int64_t until;

        settle_due(self, queue); /* a lease that ends may be the last item's */
        if (kith__load_acquire(&root->id) != queue->id)
            return KITH_EGONE;
        if (is_drained(queue))
            return KITH_OK;
        if (deadline_ns == 0)
            return KITH_ETIMEDOUT;
        kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->drained));
        kith__step();
        joined = kith__signal_join(self, &root->drained);
        until = kith__queue_sleep_until(queue, deadline_ns);
        if (!is_drained(queue))
            slept = kith__sleep(self, &root->drained, joined, until, true);
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
        if (slept == KITH__SLEPT_TIMEOUT && until == deadline_ns && !is_drained(queue))
            return KITH_ETIMEDOUT;
        if (slept == KITH__SLEPT_INTERRUPTED) {
            kith__signal_wake(self, &root->drained, 1);
            return KITH_EINTERRUPTED;
        }
    }
}

/* Sets the poller's bit in the signal, and looks at the queue. */
static kith_err
arm(struct kith__self *self, const struct kith__queue *queue, kith__poller_slot *slot,
    _Atomic uint32_t *signal, struct kith__queue_counts *counts_out,
    struct kith__poller **poller_out)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err err = kith__poller_arm(self, slot, poller_out);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != queue->id)
        return KITH_EGONE;
    atomic_fetch_or(signal, KITH__SIGNAL_POLLERS);
    err = kith__queue_settled(self, queue, counts_out);
    if (err < 0 && err != KITH_EGONE)
        return err;
    if (err == KITH_EGONE || kith__load_acquire(&root->closed) != 0)
        kith__poller_ready(*poller_out);
    return KITH_OK;
}

kith_err
kith__queue_arm(struct kith__self *self, const struct kith__queue *queue, kith__poller_slot *slot,
                int *fd_out)
{
    struct kith__queue_counts counts = { 0 };
    struct kith__poller *poller;
    kith_err err = arm(self, queue, slot, &kith__queue_root(queue)->items, &counts, &poller);

    if (err < 0)
        return err;
    if (counts.ready > 0)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}

kith_err
kith__queue_arm_room(struct kith__self *self, const struct kith__queue *queue,
                     kith__poller_slot *slot, int *fd_out)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__queue_counts counts = { 0 };
    struct kith__poller *poller;
    kith_err err = arm(self, queue, slot, &root->room, &counts, &poller);

    if (err < 0)
        return err;
    if (root->capacity == 0 || counts.total < root->capacity)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}
