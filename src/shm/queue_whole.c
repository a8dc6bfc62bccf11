/*
 * queue_whole.c - a queue as a whole: made, shut down, joined, ended, and relieved of the dead.
 *
 * What a dead process had on lease is found by way of the chain of queues that ever lent an
 * item.  A root stays in the chain for good, since its memory stays a queue root, so walking
 * the chain needs no lock.  Each lease goes back in a record of its own, oldest first, so that
 * each finds its place at the end of `back` at once, and dead letters keep their order; a reaper
 * that dies on the way is followed by another that finds what is left.
 */
#include <string.h>

#include "base/error.h"
#include "shm/queue.h"

kith_err
kith__queue_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__queue_root *root = kith__ptr(arena, off);
    const struct kith__queue_making *making = arg;
    kith__word *zero[] = { &root->closed,     &root->out_first,  &root->out_last,
                           &root->back_first, &root->back_last,  &root->lent_first,
                           &root->lent_last,  &root->taken,      &root->lent_count,
                           &root->back_count, &root->dead_count, &root->done,
                           &root->got,        &root->in_first,   &root->in_last,
                           &root->put,        &root->ticket };

    /* Lock words, signals and the chain are left alone: old handles may be at them. */
    kith__lock_init(arena, &root->head_lock);
    kith__lock_init(arena, &root->tail_lock);
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        kith__store(zero[i], 0);
    root->capacity = making->capacity;
    root->attempts_max = making->attempts_max;
    root->joinable = making->joinable;
    root->dead_letter = making->dead_letter;
    root->dead_letter_id = making->dead_letter_id;
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

    kith__op_set(op, &root->id, 0);
    kith__op_trash(op, off, KITH_KIND_QUEUE);
}

void
kith__queue_wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__queue_root *root = kith__ptr(self->arena, off);

    kith__signal_raise(self, &root->items, INT32_MAX);
    kith__signal_raise(self, &root->room, INT32_MAX);
    kith__signal_raise(self, &root->drained, INT32_MAX);
}

kith_err
kith__queue_dismantle(struct kith__self *self, uint64_t off, kith__word *source,
                      uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__at(arena, off, sizeof *root);
    kith_err err = KITH_OK;

    if (root == NULL || kith__load(&root->id) != 0) {
        kith__store(source, source_value);
        return kith__fail(KITH_ECORRUPT, "A queue breaks an invariant; run kith check.");
    }
    kith__word *lists[] = { &root->in_first, &root->out_first, &root->back_first,
                            &root->lent_first };
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        uint64_t node_off, size;

        while (err == KITH_OK && (node_off = kith__load(lists[i])) != 0) {
            struct kith__node *node = kith__node_at(arena, node_off);

            if (node == NULL || !kith__block_at(arena, node_off, &size)) {
                kith__store(lists[i], 0);
                break;
            }
            err = kith__block_free(self, node_off, lists[i], kith__load(&node->next));
        }
    }
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
 * Three counters at one instant, without a lock: as their writers' records have them where
 * these are committed, twice over, and the writers' states unchanged.
 */
kith_err
kith__queue_count(struct kith__self *self, const struct kith__queue *queue, uint64_t *ready_out,
                  uint64_t *lent_out)
{
    const struct kith__queue_root *root = kith__queue_root(queue);

    (void)self;
    for (unsigned tries = 0; tries < 100000; tries++) {
        struct look head, tail;
        uint64_t raw[3], taken, put, lent;

        look_at(&head, queue->arena, &root->head_lock);
        look_at(&tail, queue->arena, &root->tail_lock);
        raw[0] = kith__load_acquire(&root->taken);
        raw[1] = kith__load_acquire(&root->lent_count);
        raw[2] = kith__load_acquire(&root->put);
        /* A record of either owner may have any of them: a dead letter is put by a getter. */
        taken = kith__overlay_load(&head.overlay, &root->taken);
        lent = kith__overlay_load(&head.overlay, &root->lent_count);
        put = kith__overlay_load(&tail.overlay, &root->put);
        if (kith__load(&root->id) != queue->id)
            return KITH_EGONE;
        if (kith__overlay_holds(&head.overlay) && kith__overlay_holds(&tail.overlay) &&
            raw[0] == kith__load_acquire(&root->taken) &&
            raw[1] == kith__load_acquire(&root->lent_count) &&
            raw[2] == kith__load_acquire(&root->put) && put - taken >= lent &&
            (atomic_load(&root->head_lock.word) & KITH__LOCK_ACTOR) == head.owner &&
            (atomic_load(&root->tail_lock.word) & KITH__LOCK_ACTOR) == tail.owner) {
            *ready_out = put - taken - lent;
            *lent_out = lent;
            return KITH_OK;
        }
    }
    return kith__fail(KITH_ECORRUPT, "A queue breaks an invariant; run kith check.");
}

kith_err
kith__queue_task_done(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    uint64_t done;
    kith_err err = kith__lock_acquire(self, &root->head_lock);

    if (err < 0)
        return err;
    done = kith__load(&root->done);
    if (kith__load(&root->id) != queue->id) {
        err = KITH_EGONE;
    } else if (done >= kith__load(&root->taken) - kith__load(&root->dead_count)) {
        err = KITH_EINVAL; /* everything that left has been reported */
    } else {
        kith__op_begin(&op, self);
        kith__op_set(&op, &root->done, done + 1);
        err = kith__op_commit(&op);
    }
    if (err == KITH_OK)
        kith__signal_raise(self, &root->drained, INT32_MAX);
    kith__lock_release(self, &root->head_lock);
    kith__op_end(self);
    return err;
}

static bool
is_drained(const struct kith__queue *queue)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t done = kith__load_acquire(&root->done), dead = kith__load_acquire(&root->dead_count);
    uint64_t taken = kith__load_acquire(&root->taken);

    if (kith__load(&root->id) != queue->id)
        return true;
    if (root->joinable != 0)
        return kith__load_acquire(&root->put) <= done + dead;
    return kith__load_acquire(&root->put) == taken;
}

kith_err
kith__queue_join(struct kith__self *self, const struct kith__queue *queue, int64_t deadline_ns)
{
    struct kith__queue_root *root = kith__queue_root(queue);

    for (;;) {
        uint32_t joined;
        enum kith__slept slept = KITH__SLEPT_AGAIN;

        if (kith__load_acquire(&root->id) != queue->id)
            return KITH_EGONE;
        if (is_drained(queue))
            return KITH_OK;
        if (deadline_ns == 0)
            return KITH_ETIMEDOUT;
        kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->drained));
        kith__step();
        joined = kith__signal_join(&root->drained);
        if (!is_drained(queue))
            slept = kith__sleep(self, &root->drained, joined, deadline_ns, true);
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
        if (slept == KITH__SLEPT_TIMEOUT && !is_drained(queue))
            return KITH_ETIMEDOUT;
        if (slept == KITH__SLEPT_INTERRUPTED) {
            kith__signal_wake(self, &root->drained, 1);
            return KITH_EINTERRUPTED;
        }
    }
}

kith_err
kith__queue_arm(struct kith__self *self, const struct kith__queue *queue, kith__poller_slot *slot,
                int *fd_out)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__poller *poller;
    uint64_t ready = 0, lent = 0;
    kith_err err = kith__poller_arm(self, slot, &poller);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != queue->id)
        return KITH_EGONE;
    atomic_fetch_or(&root->items, KITH__SIGNAL_POLLERS);
    err = kith__queue_count(self, queue, &ready, &lent);
    if (err < 0 && err != KITH_EGONE)
        return err;
    if (ready > 0 || err == KITH_EGONE || kith__load_acquire(&root->closed) != 0)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
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

/* One lease of `owner` in the queue goes back; KITH_ENOENT: there is none. */
static kith_err
hand_one_back(struct kith__self *self, const struct kith__queue *queue, uint64_t owner)
{
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__queue_root(queue), *letters = NULL;
    struct kith__node *node = NULL;
    uint64_t off, steps = 0;
    struct kith__op op;
    kith_err err = kith__lock_acquire(self, &root->head_lock);

    if (err < 0)
        return err;
    off = kith__load(&root->id) == queue->id ? kith__load(&root->lent_first) : 0;
    while (off != 0) {
        node = kith__node_at(arena, off);
        if (node == NULL || steps++ > kith__load(&root->lent_count) ||
            kith__load(&node->owner) == owner)
            break;
        off = kith__load(&node->next);
    }
    if (off == 0 || node == NULL || kith__load(&node->owner) != owner) {
        err = KITH_ENOENT;
    } else {
        kith__op_begin(&op, self);
        err = kith__queue_hand_back(&op, queue, node, &letters);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
    }
    /* Woken before the locks are released: see queue.c, P4. */
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
kith__queues_hand_back(struct kith__self *self, uint64_t owner)
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
            err = hand_one_back(self, &queue, owner);
        if (err < 0 && err != KITH_ENOENT)
            return err;
        off = kith__load(&root->chain);
    }
    return KITH_OK;
}
