/*
 * queue.c - putting, getting, lending and handing back.
 *
 * LAYOUT   An item is a node: a block with a header, its tag and its bytes.  Nodes hang in four
 *          lists: `in`, where putters add; `out`, where getters take, and which gets all of `in`
 *          when it is empty; `back`, what was handed back, by ticket; and `lent`, what is on
 *          lease, doubly linked.  The head lock guards out, back and lent, the tail lock in, so
 *          that a putter and a getter meet only when `out` has run dry.
 *
 * INVARIANTS, outside of records
 *   Q1  put - taken is the number of nodes in the four lists; lent_count and back_count are
 *       those in these two
 *   Q2  tickets rise along in, out and back; everything in back is older than all of out, and
 *       that older than all of in: so back is looked at first, and a queue is a queue even
 *       for items that come back
 *   Q3  a node in lent names its owner and has a fence; in any other list its fence is 0
 *
 * STEPS    Each operation is one record, under the head lock, the tail lock, or both, taken in
 *          this order.  An item is copied in before its lock is taken, and copied out before
 *          its record commits.
 *   P1 node filled  P2 tail lock  P3 record: linked  P4 unlocked  P5 getters woken
 *   G1 head lock  G2 copied out  G3 record: unlinked, freed  G4 unlocked  G5 putters woken
 * DEATH
 *   up to P3, G3   nothing happened; the node is still the actor's or the queue's
 *   from P3        the item is in       from G3   it is gone with its getter, or lent
 *   P4, G4 on      pending_signal names the queue until P5, G5 are done: the reaper wakes
 *   lent           the reaper of the holder hands it back, see queue_whole.c
 */
#include "shm/queue.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/catalog.h"

static kith_err
broken(const struct kith__queue *queue)
{
    return kith__fail(KITH_ECORRUPT, "A queue in %s breaks an invariant; run kith check.",
                      queue->arena->path ? queue->arena->path : "the mem:// space");
}

/* ---- Nodes ------------------------------------------------------------------------------ */

kith_err
kith__queue_node(struct kith__op *op, struct kith_item item, uint64_t *node_out)
{
    size_t tag = item.type == KITH_TYPE_FOREIGN ? strlen(item.tag) : 0;
    size_t size = item.type <= KITH_TYPE_FLOAT ? 8 : item.size;
    struct kith__node *node;
    uint64_t off;

    if (size > KITH__ITEM_MAX) {
        op->err = kith__fail(KITH_ETOOBIG, "An item of %zu bytes is larger than any arena.", size);
        return op->err;
    }
    if (kith__op_take(op, sizeof *node + tag + size, &off) < 0)
        return op->err;
    node = kith__ptr(op->self->arena, off);
    kith__store(&node->next, 0);
    kith__store(&node->prev, 0);
    kith__store(&node->fence, 0);
    kith__store(&node->owner, 0);
    kith__store(&node->attempts, 0);
    node->meta = KITH__META(item.type, tag, size);
    if (item.type <= KITH_TYPE_FLOAT) {
        uint64_t word = 0;

        if (item.type == KITH_TYPE_BOOL)
            word = item.boolean;
        else if (item.type != KITH_TYPE_NONE)
            word = (uint64_t)item.integer;
        memcpy(node->data, &word, 8);
    } else {
        if (tag > 0)
            memcpy(node->data, item.tag, tag);
        if (size > 0)
            memcpy(node->data + tag, item.data, size);
    }
    *node_out = off;
    return KITH_OK;
}

/* What a node holds; lock held, or the node pinned. */
static kith_err
node_item(const struct kith__queue *queue, struct kith__node *node, struct kith_item *item,
          char *tag)
{
    uint64_t meta = node->meta, word = 0;
    size_t tag_size = KITH__META_TAG(meta), size = KITH__META_SIZE(meta);

    if (kith__at(queue->arena, kith__off(queue->arena, node), sizeof *node + tag_size + size) ==
            NULL ||
        kith__load(&node->magic) != (KITH__NODE_MAGIC ^ queue->id) ||
        KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE || tag_size > KITH_TAG_SIZE_MAX)
        return broken(queue);
    memset(item, 0, sizeof *item);
    item->type = (kith_type)KITH__META_TYPE(meta);
    if (item->type <= KITH_TYPE_FLOAT) {
        memcpy(&word, node->data, 8);
        if (item->type == KITH_TYPE_BOOL)
            item->boolean = word != 0;
        else if (item->type != KITH_TYPE_NONE)
            item->integer = (int64_t)word;
        return KITH_OK;
    }
    if (item->type == KITH_TYPE_FOREIGN) {
        memcpy(tag, node->data, tag_size);
        tag[tag_size] = '\0';
        item->tag = tag;
    }
    item->data = node->data + tag_size;
    item->size = size;
    return KITH_OK;
}

static kith_err
copy_node(const struct kith__queue *queue, struct kith__node *node, struct kith_buf *out)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith_err err = node_item(queue, node, &item, tag);

    if (err == KITH_OK && out != NULL)
        err = kith__buf_set(out, item);
    return err;
}

static kith_err
lock_queue(struct kith__self *self, const struct kith__queue *queue, struct kith__lock *lock)
{
    kith_err err = kith__lock_acquire(self, lock);

    if (err == KITH_OK && kith__load(&kith__queue_root(queue)->id) != queue->id) {
        kith__lock_release(self, lock);
        return KITH_EGONE;
    }
    return err;
}

/* ---- Waking ----------------------------------------------------------------------------- */

/* Named before a lock is released, so that a reaper wakes whom we did not get to wake. */
static void
owe_wakes(struct kith__self *self, const struct kith__queue *queue)
{
    kith__store(&self->actor->pending_signal, queue->off);
    kith__step();
}

static void
owe_nothing(struct kith__self *self)
{
    kith__step();
    kith__store(&self->actor->pending_signal, 0);
}

static uint64_t
total(const struct kith__queue_root *root)
{
    /* `taken` first: it never passes `put`, so the difference is never negative. */
    uint64_t taken = kith__load_acquire(&root->taken);

    return kith__load_acquire(&root->put) - taken;
}

/* `items` were added or came back; `left`: some left for good. */
void
kith__queue_raise(struct kith__self *self, struct kith__queue_root *root, int items, bool left)
{
    if (items > 0)
        kith__signal_raise(self, &root->items, items);
    if (!left)
        return;
    if (root->capacity != 0)
        kith__signal_raise(self, &root->room, INT32_MAX);
    if (total(root) == 0 || root->joinable != 0) {
        kith__signal_raise(self, &root->drained, INT32_MAX);
        /* The end of a queue that was shut down is news to getters. */
        if (kith__load(&root->closed) != 0)
            kith__signal_raise(self, &root->items, INT32_MAX);
    }
}

/* ---- Put -------------------------------------------------------------------------------- */

kith_err
kith__queue_link(struct kith__op *op, const struct kith__queue *queue, uint64_t off)
{
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__node *node = kith__ptr(arena, off), *last;
    uint64_t put = kith__op_get(op, &root->put), last_off = kith__op_get(op, &root->in_last);
    uint64_t ticket = kith__op_get(op, &root->ticket) + 1;

    if (kith__op_get(op, &root->closed) != 0)
        return KITH_ECLOSED;
    if (root->capacity != 0 && put - kith__op_get(op, &root->taken) >= root->capacity)
        return KITH_EFULL;
    last = last_off != 0 ? kith__node_at(arena, last_off) : NULL;
    if (last == NULL && last_off != 0)
        return broken(queue);
    node->ticket = ticket;
    kith__store(&node->magic, KITH__NODE_MAGIC ^ queue->id);
    if (last != NULL)
        kith__op_set(op, &last->next, off);
    else
        kith__op_set(op, &root->in_first, off);
    kith__op_set(op, &root->in_last, off);
    kith__op_set(op, &root->put, put + 1);
    kith__op_set(op, &root->ticket, ticket);
    return op->err;
}

/* One attempt: KITH_EFULL if they do not all fit now. */
static kith_err
put_once(struct kith__self *self, const struct kith__queue *queue, const struct kith_item *items,
         size_t count)
{
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t first = 0, last = 0, off;
    struct kith__op op;
    kith_err err = KITH_OK;

    kith__op_begin(&op, self);
    for (size_t i = 0; i < count && err == KITH_OK; i++) { /* P1 */
        err = kith__queue_node(&op, items[i], &off);
        if (err < 0)
            break;
        if (last != 0)
            kith__store(&kith__node_at(arena, last)->next, off);
        else
            first = off;
        last = off;
    }
    if (err == KITH_OK)
        err = lock_queue(self, queue, &root->tail_lock); /* P2 */
    if (err < 0) {
        kith__op_abort(&op);
        return err;
    }
    if (kith__load(&root->closed) != 0) {
        err = KITH_ECLOSED;
    } else if (root->capacity != 0 &&
               kith__load(&root->put) - kith__load_acquire(&root->taken) + count > root->capacity) {
        err = KITH_EFULL;
    } else {
        uint64_t ticket = kith__load(&root->ticket), in_last = kith__load(&root->in_last);
        struct kith__node *before = in_last != 0 ? kith__node_at(arena, in_last) : NULL;

        /* The nodes are linked to each other already: a batch is a record as short as one. */
        for (off = first; off != 0; off = kith__load(&kith__node_at(arena, off)->next)) {
            kith__node_at(arena, off)->ticket = ++ticket;
            kith__store(&kith__node_at(arena, off)->magic, KITH__NODE_MAGIC ^ queue->id);
        }
        if (before == NULL && in_last != 0) {
            err = broken(queue);
        } else {
            if (before != NULL)
                kith__op_set(&op, &before->next, first);
            else
                kith__op_set(&op, &root->in_first, first);
            kith__op_set(&op, &root->in_last, last);
            kith__op_set(&op, &root->put, kith__load(&root->put) + count);
            kith__op_set(&op, &root->ticket, ticket);
            err = kith__op_commit(&op); /* P3 */
        }
    }
    owe_wakes(self, queue);
    kith__lock_release(self, &root->tail_lock); /* P4 */
    if (err == KITH_OK)
        kith__queue_raise(self, root, count > INT32_MAX ? INT32_MAX : (int)count, false); /* P5 */
    owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

static bool
has_room(const struct kith__queue *queue, size_t count)
{
    const struct kith__queue_root *root = kith__queue_root(queue);

    return root->capacity == 0 || total(root) + count <= root->capacity ||
           kith__load(&root->closed) != 0 || kith__load(&root->id) != queue->id;
}

/* Sleeps on `signal` unless `ready`; KITH_OK: look again. */
static kith_err
wait_on(struct kith__self *self, _Atomic uint32_t *signal, int64_t deadline_ns,
        bool (*ready)(const struct kith__queue *queue, size_t count),
        const struct kith__queue *queue, size_t count, const kith__word *counter)
{
    uint32_t joined;
    kith_err err = KITH_OK;

    if (kith__spin(self, (const _Atomic uint32_t *)(const void *)counter,
                   (uint32_t)kith__load(counter)))
        return KITH_OK;
    /* Named before joining: a wake that goes to us and dies with us is then repeated. */
    kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
    kith__step();
    joined = kith__signal_join(signal);
    if (!ready(queue, count))
        switch (kith__sleep(self, signal, joined, deadline_ns, true)) {
        case KITH__SLEPT_TIMEOUT:
            err = KITH_ETIMEDOUT; /* unless it came at the last moment: the caller looks */
            break;
        case KITH__SLEPT_INTERRUPTED:
            kith__signal_wake(self, signal, 1); /* pass on a wake that we may have swallowed */
            err = KITH_EINTERRUPTED;
            break;
        default:
            break;
        }
    kith__awake(self);
    return err;
}

kith_err
kith__queue_put(struct kith__self *self, const struct kith__queue *queue,
                const struct kith_item *items, size_t count, int64_t deadline_ns)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err waited = KITH_OK, err;

    for (;;) {
        err = has_room(queue, count) ? put_once(self, queue, items, count) : KITH_EFULL;
        if (err != KITH_EFULL || deadline_ns == 0)
            break;
        if (waited < 0) {
            err = waited;
            break;
        }
        waited = wait_on(self, &root->room, deadline_ns, has_room, queue, count, &root->taken);
        if (waited == KITH_EINTERRUPTED) {
            err = waited;
            break;
        }
    }
    kith__op_end(self);
    return err;
}

/* ---- Get -------------------------------------------------------------------------------- */

/*
 * Head lock held: if nothing is ready on the getters' side, locks the putters' side too, and writes
 * down that all of `in` moves over, in the same record as what is taken.
 */
static kith_err
move_in(struct kith__op *op, const struct kith__queue *queue, bool *both)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err err;

    if (kith__op_get(op, &root->back_first) != 0 || kith__op_get(op, &root->out_first) != 0 ||
        *both || kith__load_acquire(&root->in_first) == 0)
        return KITH_OK;
    err = kith__lock_acquire(op->self, &root->tail_lock);
    if (err < 0)
        return err;
    *both = true;
    if (kith__load(&root->in_first) == 0)
        return KITH_OK;
    kith__op_set(op, &root->out_first, kith__load(&root->in_first));
    kith__op_set(op, &root->out_last, kith__load(&root->in_last));
    kith__op_set(op, &root->in_first, 0);
    kith__op_set(op, &root->in_last, 0);
    return KITH_OK;
}

static kith_err
begin_get(struct kith__op *op, struct kith__self *self, const struct kith__queue *queue,
          bool *both_out)
{
    kith_err err = lock_queue(self, queue, &kith__queue_root(queue)->head_lock); /* G1 */

    *both_out = false;
    if (err < 0)
        return err;
    kith__op_begin(op, self);
    err = move_in(op, queue, both_out);
    if (err < 0)
        kith__lock_release(self, &kith__queue_root(queue)->head_lock);
    return err;
}

static void
end_get(struct kith__self *self, const struct kith__queue *queue, bool both)
{
    struct kith__queue_root *root = kith__queue_root(queue);

    if (both)
        kith__lock_release(self, &root->tail_lock);
    kith__lock_release(self, &root->head_lock); /* G4 */
}

/* Head lock held: the oldest ready node; NULL and KITH_EEMPTY if there is none. */
static kith_err
oldest(struct kith__op *op, const struct kith__queue *queue, struct kith__node **node_out)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t off = kith__op_get(op, &root->back_first);

    if (off == 0)
        off = kith__op_get(op, &root->out_first);
    if (off == 0)
        return KITH_EEMPTY;
    *node_out = kith__node_at(queue->arena, off);
    if (*node_out == NULL || kith__load(&(*node_out)->magic) != (KITH__NODE_MAGIC ^ queue->id))
        return broken(queue);
    return KITH_OK;
}

/* Writes the unlinking of oldest() down. */
static void
unlink_oldest(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t next = kith__op_get(op, &node->next);

    if (kith__op_get(op, &root->back_first) != 0) {
        kith__op_set(op, &root->back_first, next);
        if (next == 0)
            kith__op_set(op, &root->back_last, 0);
        kith__op_set(op, &root->back_count, kith__op_get(op, &root->back_count) - 1);
    } else {
        kith__op_set(op, &root->out_first, next);
        if (next == 0)
            kith__op_set(op, &root->out_last, 0);
    }
}

static void
count_taken(struct kith__op *op, struct kith__queue_root *root, uint64_t n)
{
    kith__op_set(op, &root->taken, kith__op_get(op, &root->taken) + n);
}

static bool
at_its_end(const struct kith__queue *queue)
{
    const struct kith__queue_root *root = kith__queue_root(queue);

    return kith__load_acquire(&root->closed) != 0 && total(root) == 0;
}

static kith_err
get_once(struct kith__self *self, const struct kith__queue *queue, size_t count,
         struct kith_buf *items_out, size_t *got_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__node *node;
    struct kith__op op;
    size_t got = 0;
    bool both;
    kith_err err = begin_get(&op, self, queue, &both);

    if (err < 0)
        return err;
    while (err == KITH_OK && got < count) {
        err = move_in(&op, queue, &both);
        if (err == KITH_OK)
            err = oldest(&op, queue, &node);
        if (err == KITH_OK)
            err = copy_node(queue, node, items_out != NULL ? &items_out[got] : NULL); /* G2 */
        if (err < 0)
            break;
        unlink_oldest(&op, queue, node);
        kith__op_give(&op, kith__off(arena, node));
        got++;
    }
    if (got > 0 && (err == KITH_OK || err == KITH_EEMPTY)) {
        count_taken(&op, root, got);
        kith__op_set(&op, &root->got, kith__load(&root->got) + got);
        err = kith__op_commit(&op); /* G3 */
    }
    owe_wakes(self, queue);
    end_get(self, queue, both);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 0, true); /* G5 */
    owe_nothing(self);
    if (err == KITH_OK)
        *got_out = got;
    else
        kith__op_abort(&op);
    return err;
}

/* Whether a getter need not wait: something is ready, or nothing will ever be. */
static bool
has_item(const struct kith__queue *queue, size_t count)
{
    const struct kith__queue_root *root = kith__queue_root(queue);

    (void)count;
    return kith__load_acquire(&root->back_first) != 0 ||
           kith__load_acquire(&root->out_first) != 0 || kith__load_acquire(&root->in_first) != 0 ||
           (kith__load(&root->closed) != 0 && total(root) == 0) ||
           kith__load(&root->id) != queue->id;
}

/* Repeats `once` until it has something, the queue ends, or the time does. */
static kith_err
get_with(struct kith__self *self, const struct kith__queue *queue, int64_t deadline_ns,
         kith_err (*once)(struct kith__self *self, const struct kith__queue *queue, void *arg),
         void *arg)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err waited = KITH_OK, err;

    for (;;) {
        err = once(self, queue, arg);
        if (err != KITH_EEMPTY)
            break;
        if (at_its_end(queue)) {
            err = KITH_ECLOSED;
            break;
        }
        if (deadline_ns == 0)
            break;
        if (waited < 0) {
            err = waited;
            break;
        }
        waited = wait_on(self, &root->items, deadline_ns, has_item, queue, 1, &root->put);
        if (waited == KITH_EINTERRUPTED) {
            err = waited;
            break;
        }
        if (self->husks_seen)
            kith__op_end(self);
    }
    kith__op_end(self);
    return err;
}

struct get_args {
    size_t count;
    struct kith_buf *items_out;
    size_t *got_out;
};

static kith_err
get_plain(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    struct get_args *args = arg;

    return get_once(self, queue, args->count, args->items_out, args->got_out);
}

kith_err
kith__queue_get(struct kith__self *self, const struct kith__queue *queue, size_t count,
                int64_t deadline_ns, struct kith_buf *items_out, size_t *got_out)
{
    struct get_args args = { count, items_out, got_out };

    return get_with(self, queue, deadline_ns, get_plain, &args);
}

kith_err
kith__queue_peek(struct kith__self *self, const struct kith__queue *queue,
                 struct kith_buf *item_out)
{
    struct kith__node *node;
    struct kith__op op;
    bool both;
    kith_err err = begin_get(&op, self, queue, &both);

    if (err < 0)
        return err;
    err = oldest(&op, queue, &node);
    if (err == KITH_OK)
        err = copy_node(queue, node, item_out);
    end_get(self, queue, both); /* nothing is committed: `in` stays as it is */
    kith__op_end(self);
    if (err == KITH_EEMPTY && at_its_end(queue))
        err = KITH_ECLOSED;
    return err;
}

/* ---- A view ----------------------------------------------------------------------------- */

struct pin_args {
    struct kith_buf *copy;
    kith__word **pin_out;
    uint64_t *node_out;
};

static kith_err
get_pinned(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    struct pin_args *args = arg;
    struct kith__arena *arena = self->arena;
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__node *node = NULL;
    kith__word *pin = NULL;
    struct kith__op op;
    bool both;
    kith_err err = begin_get(&op, self, queue, &both);

    if (err < 0)
        return err;
    err = oldest(&op, queue, &node);
    if (err == KITH_OK && KITH__META_SIZE(node->meta) > KITH__SMALL_MAX) {
        uint64_t off = kith__off(arena, node);

        for (unsigned i = 0; pin == NULL && i < KITH__PINS; i++) {
            uint64_t none = 0;

            if (atomic_compare_exchange_strong(&holder->pin[i], &none, off))
                pin = &holder->pin[i];
        }
        if (pin == NULL)
            err = kith__fail(KITH_EFULL,
                             "This process has %u views of large items open, as many "
                             "as it may; release some.",
                             KITH__PINS);
        else
            atomic_fetch_add(&holder->pin_count, 1);
        *args->node_out = off;
    } else if (err == KITH_OK) {
        err = copy_node(queue, node, args->copy);
    }
    if (err == KITH_OK) {
        unlink_oldest(&op, queue, node);
        kith__op_give(&op, kith__off(arena, node)); /* to trash, and on to limbo: it is pinned */
        count_taken(&op, root, 1);
        kith__op_set(&op, &root->got, kith__load(&root->got) + 1);
        err = kith__op_commit(&op);
    }
    owe_wakes(self, queue);
    end_get(self, queue, both);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 0, true);
    owe_nothing(self);
    if (err < 0) {
        kith__op_abort(&op);
        if (pin != NULL) {
            kith__store_release(pin, 0);
            atomic_fetch_sub(&holder->pin_count, 1);
        }
        return err;
    }
    *args->pin_out = pin;
    return KITH_OK;
}

kith_err
kith__queue_get_pinned(struct kith__self *self, const struct kith__queue *queue,
                       int64_t deadline_ns, struct kith_buf *copy, kith__word **pin_out,
                       uint64_t *node_out)
{
    struct pin_args args = { copy, pin_out, node_out };

    return get_with(self, queue, deadline_ns, get_pinned, &args);
}

/* ---- Leases ----------------------------------------------------------------------------- */

struct lease_args {
    struct kith_buf *item_out;
    struct kith__lent *lent_out;
};

static kith_err
lease_once(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    struct lease_args *args = arg;
    struct kith__arena *arena = self->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__node *node = NULL, *last;
    uint64_t off, last_off, fence = kith__new_id(arena);
    struct kith__op op;
    bool both;
    kith_err err = begin_get(&op, self, queue, &both);

    if (err < 0)
        return err;
    err = oldest(&op, queue, &node);
    if (err == KITH_OK)
        err = copy_node(queue, node, args->item_out);
    if (err < 0)
        goto out;
    off = kith__off(arena, node);
    last_off = kith__load(&root->lent_last);
    last = last_off != 0 ? kith__node_at(arena, last_off) : NULL;
    if (last == NULL && last_off != 0) {
        err = broken(queue);
        goto out;
    }
    unlink_oldest(&op, queue, node);
    kith__op_set(&op, &node->next, 0);
    kith__op_set(&op, &node->prev, last_off);
    kith__op_set(&op, &node->fence, fence);
#ifndef KITH_MISTAKE_LEASE_WITHOUT_OWNER
    kith__op_set(&op, &node->owner, kith__owner_of(arena, arena->holder));
#endif
    kith__op_set(&op, &node->attempts, kith__load(&node->attempts) + 1);
    if (last != NULL)
        kith__op_set(&op, &last->next, off);
    else
        kith__op_set(&op, &root->lent_first, off);
    kith__op_set(&op, &root->lent_last, off);
    kith__op_set(&op, &root->lent_count, kith__load(&root->lent_count) + 1);
    args->lent_out->attempts = (uint32_t)kith__load(&node->attempts);
    args->lent_out->node = off;
    args->lent_out->fence = fence;
    err = kith__op_commit(&op);
out:
    end_get(self, queue, both);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

kith_err
kith__queue_lease(struct kith__self *self, const struct kith__queue *queue, int64_t deadline_ns,
                  struct kith_buf *item_out, struct kith__lent *lent_out)
{
    struct lease_args args = { item_out, lent_out };
    kith_err err = kith__queue_chain(self, queue);

    return err < 0 ? err : get_with(self, queue, deadline_ns, lease_once, &args);
}

/* Head lock held: the node of a lease that still holds; NULL if it was lost. */
static struct kith__node *
lent_node(struct kith__op *op, const struct kith__queue *queue, const struct kith__lent *lent)
{
    struct kith__node *node = kith__node_at(queue->arena, lent->node);

    /* The block may be anything by now; no other block has this fence at this place. */
    if (node == NULL || kith__load(&node->magic) != (KITH__NODE_MAGIC ^ queue->id) ||
        kith__op_get(op, &node->fence) != lent->fence)
        return NULL;
    return node;
}

static kith_err
unlink_lent(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t next_off = kith__op_get(op, &node->next), prev_off = kith__op_get(op, &node->prev);
    struct kith__node *next = next_off != 0 ? kith__node_at(arena, next_off) : NULL;
    struct kith__node *prev = prev_off != 0 ? kith__node_at(arena, prev_off) : NULL;

    if ((next == NULL) != (next_off == 0) || (prev == NULL) != (prev_off == 0))
        return broken(queue);
    if (prev != NULL)
        kith__op_set(op, &prev->next, next_off);
    else
        kith__op_set(op, &root->lent_first, next_off);
    if (next != NULL)
        kith__op_set(op, &next->prev, prev_off);
    else
        kith__op_set(op, &root->lent_last, prev_off);
    kith__op_set(op, &root->lent_count, kith__op_get(op, &root->lent_count) - 1);
    return KITH_OK;
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
    err = unlink_lent(op, queue, node);
    if (err < 0)
        return err;
    kith__op_set(op, &node->fence, 0); /* a second ack in the same transaction finds it gone */
    count_taken(op, root, 1);
    kith__op_set(op, &root->done, kith__op_get(op, &root->done) + 1);
    kith__op_give(op, lent->node);
    return op->err;
}

/* Puts a node that was lent into `back`, by its ticket. */
static kith_err
link_back(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node)
{
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t off = kith__off(arena, node), at = kith__op_get(op, &root->back_first), before = 0;
    uint64_t steps = 0, last_off = kith__op_get(op, &root->back_last);
    struct kith__node *last = last_off != 0 ? kith__node_at(arena, last_off) : NULL, *other;

    if (last != NULL && last->ticket < node->ticket) {
        before = last_off;
        at = 0;
    }
    /* A dead holder's leases come oldest first, so that each is mostly the last at once. */
    for (; at != 0; steps++) {
        other = kith__node_at(arena, at);
        if (other == NULL || steps > kith__load(&root->back_count))
            return broken(queue);
        if (other->ticket > node->ticket)
            break;
        before = at;
        at = kith__op_get(op, &other->next);
    }
    kith__op_set(op, &node->next, at);
    kith__op_set(op, &node->prev, 0);
    if (before != 0)
        kith__op_set(op, &kith__node_at(arena, before)->next, off);
    else
        kith__op_set(op, &root->back_first, off);
    if (at == 0)
        kith__op_set(op, &root->back_last, off);
    kith__op_set(op, &root->back_count, kith__op_get(op, &root->back_count) + 1);
    return op->err;
}

/* Links a node at the end of another queue, whose tail lock is held. */
static kith_err
link_letter(struct kith__op *op, struct kith__arena *arena, struct kith__queue_root *letters,
            struct kith__node *node)
{
    uint64_t off = kith__off(arena, node), last_off = kith__op_get(op, &letters->in_last);
    struct kith__node *last = last_off != 0 ? kith__node_at(arena, last_off) : NULL;

    kith__op_set(op, &node->next, 0);
    kith__op_set(op, &node->prev, 0);
    kith__op_set(op, &node->magic, KITH__NODE_MAGIC ^ kith__load(&letters->id));
    /* Its place is new.  The ticket is read under locks only, so it may be set by the record. */
    kith__op_set(op, (kith__word *)(void *)&node->ticket, kith__op_get(op, &letters->ticket) + 1);
    kith__op_set(op, &letters->ticket, kith__op_get(op, &letters->ticket) + 1);
    if (last != NULL)
        kith__op_set(op, &last->next, off);
    else
        kith__op_set(op, &letters->in_first, off);
    kith__op_set(op, &letters->in_last, off);
    kith__op_set(op, &letters->put, kith__op_get(op, &letters->put) + 1);
    return op->err;
}

/*
 * Its tail lock is taken here, and released by the caller once *letters_out is set.  A dead
 * letter queue that was destroyed takes nothing: the item then goes back where it was.
 */
kith_err
kith__queue_hand_back(struct kith__op *op, const struct kith__queue *queue, struct kith__node *node,
                      struct kith__queue_root **letters_out)
{
    struct kith__self *self = op->self;
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue), *letters = NULL;
    kith_err err;

    *letters_out = NULL;
    err = unlink_lent(op, queue, node);
    if (err < 0)
        return err;
    kith__op_set(op, &node->fence, 0);
    kith__op_set(op, &node->owner, 0);
    if (root->attempts_max == 0 || kith__load(&node->attempts) < root->attempts_max)
        return link_back(op, queue, node);
    if (root->dead_letter == 0) {
        count_taken(op, root, 1);
        kith__op_set(op, &root->dead_count, kith__op_get(op, &root->dead_count) + 1);
        kith__op_give(op, kith__off(arena, node));
        return op->err;
    }
    letters = kith__at(arena, root->dead_letter, sizeof *letters);
    if (letters == NULL || letters == root ||
        kith__load_acquire(&letters->id) != root->dead_letter_id)
        return link_back(op, queue, node);
    err = kith__lock_acquire(self, &letters->tail_lock);
    if (err < 0)
        return err;
    if (kith__load(&letters->id) != root->dead_letter_id) {
        kith__lock_release(self, &letters->tail_lock);
        return link_back(op, queue, node);
    }
    *letters_out = letters;
    count_taken(op, root, 1);
    kith__op_set(op, &root->dead_count, kith__op_get(op, &root->dead_count) + 1);
    return link_letter(op, arena, letters, node);
}

kith_err
kith__queue_ack(struct kith__self *self, const struct kith__queue *queue,
                const struct kith__lent *lent)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__op op;
    kith_err err = lock_queue(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__queue_unlend(&op, queue, lent);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    owe_wakes(self, queue);
    kith__lock_release(self, &root->head_lock);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 0, true);
    owe_nothing(self);
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
    kith_err err = lock_queue(self, queue, &root->head_lock);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    node = lent_node(&op, queue, lent);
    err = node == NULL ? KITH_EGONE : kith__queue_hand_back(&op, queue, node, &letters);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    if (letters != NULL) {
        kith__queue_raise(self, letters, 1, false); /* under the lock: a reaper wakes for it */
        kith__lock_release(self, &letters->tail_lock);
    }
    owe_wakes(self, queue);
    kith__lock_release(self, &root->head_lock);
    if (err == KITH_OK)
        kith__queue_raise(self, root, 1, true);
    owe_nothing(self);
    kith__op_end(self);
    return err;
}
