/*
 * queue.c - putting and getting.
 *
 * LAYOUT   What is put in the order of putting stands in the stream: queue_stream.c.  An item that
 *          is too large for it, or is a reference, is a node, which the stream names.  Nodes, too,
 *          are the items that were lent or came back, and those put with a priority or a delay:
 *          queue_order.c.  The
 *          head lock guards the head of the stream and all nodes outside of it, the tail lock the
 *          tail; so a putter and a getter meet once for each segment.
 *
 * INVARIANTS, outside of records
 *   Q1  tail's count - head's count + nodes is the number of items
 *   Q2  nodes is the number of those in the heaps and in the lists of what is lent; delayed_count
 *       and lent_count are those of the delayed heap and of the lists
 *   Q3  a node in a list of what is lent names its owner and has a fence; any other's fence is 0
 *   Q4  in a record that takes an item from the stream into a node, `nodes` stands before `head`
 *   Q5  room_until is at most the count that tail may reach by the capacity; whoever adds a node
 *       holds both locks
 *
 * STEPS    An item of the stream is put by one store of tail, and got by one of head.  All else is
 *          one record, under the head lock, the tail lock, or both, taken in this order.
 *   P1 node filled, if it is one  P2 tail lock  P3 the store, or the record  P4 unlocked
 *   P5 getters woken
 *   G1 head lock  G2 copied out  G3 the store, or the record  G4 unlocked  G5 putters woken
 * DEATH
 *   up to P3, G3   nothing happened; the node is still the actor's or the queue's
 *   from P3        the item is in       from G3   it is gone with its getter, or lent
 *   P4, G4 on      pending_signal names the queue until P5, G5 are done: the reaper wakes
 *   lent           the reaper of the holder hands it back, see queue_lease.c
 *
 * LIMITS   All who wait look again when something becomes due earlier than they knew.
 */
#include "shm/queue.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "shm/queue_parts.h"

/* ---- Waking ----------------------------------------------------------------------------- */

/*
 * The signals of getters and of putters are raised with a fence, and joined without a barrier:
 * theirs is the way on which work is handed over, and the barrier would make each sleep a tenth
 * longer.
 */

/* `items` were added or came back; `left`: some left for good. */
void
kith__queue_raise(struct kith__self *self, struct kith__queue_root *root, int items, bool left)
{
    if (items > 0 || root->capacity != 0)
        atomic_thread_fence(memory_order_seq_cst);
    if (items > 0)
        kith__signal_raise(self, &root->items, items);
    if (!left)
        return;
    if (root->capacity != 0)
        kith__signal_raise(self, &root->room, INT32_MAX);
    /* The putters' line is looked at only if somebody waits for the end. */
    if ((atomic_load(&root->drained) & KITH__SIGNAL_WAITERS) != 0 &&
        (root->joinable != 0 || kith__queue_total(root) == 0))
        kith__signal_raise(self, &root->drained, INT32_MAX);
    /* The end of a queue that was shut down is news to getters. */
    if (kith__load(&root->closed) != 0 && kith__queue_total(root) == 0) {
        atomic_thread_fence(memory_order_seq_cst);
        kith__signal_raise(self, &root->items, INT32_MAX);
    }
}

void
kith__queue_raise_due(struct kith__self *self, struct kith__queue_root *root, uint64_t due_before)
{
    uint64_t due = kith__load(&root->next_due);

    if (due == 0 || (due_before != 0 && due >= due_before))
        return;
    atomic_thread_fence(memory_order_seq_cst);
    kith__signal_raise(self, &root->items, INT32_MAX);
    kith__signal_raise(self, &root->room, INT32_MAX);
    kith__signal_raise(self, &root->drained, INT32_MAX);
}

/* ---- Put -------------------------------------------------------------------------------- */

/* What the record would make of a counter that its lock, if it is written, guards. */
static uint64_t
written(const struct kith__op *op, const kith__word *word, bool place)
{
    struct kith__redo *entry =
        op == NULL || op->count == 0 ? NULL : kith__op_find(op, kith__off(op->self->arena, word));
    uint64_t now = kith__load(word);

    if (entry == NULL)
        return 0;
    return place ? KITH__PLACE_COUNT(entry->value) - KITH__PLACE_COUNT(now) : entry->value - now;
}

/* Tail lock held: whether `count` more items fit. */
static bool
fits(const struct kith__op *op, const struct kith__queue *queue, uint64_t tail, size_t count)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t until = KITH__PLACE_COUNT(tail) + count, left, nodes;
    struct kith__queue_counts counts;

    if (root->capacity == 0 ||
        until <= (op != NULL ? kith__op_get(op, &root->room_until) : kith__load(&root->room_until)))
        return true;
    left = KITH__PLACE_COUNT(kith__load_acquire(&root->head));
    nodes = kith__load_acquire(&root->nodes);
    if (op == NULL || op->count == 0) {
        /* A transaction may yet be dropped, so what it took out is no hint for others. */
        uint64_t room = left + root->capacity > nodes ? left + root->capacity - nodes : 0;

        kith__store(&root->room_until, room);
        if (until <= room)
            return true;
    }
    /* Some item may have been counted twice. */
    return kith__queue_look(queue, &counts) == KITH_OK &&
           counts.total + written(op, &root->tail, true) + written(op, &root->nodes, false) -
                   written(op, &root->head, true) + count <=
               root->capacity;
}

/* Tail lock held: appends one item; `node`, if it is too large for the stream. */
static kith_err
append(struct kith__writer *w, struct kith__op *op, const struct kith_item *item, size_t tag,
       size_t payload, uint64_t node)
{
    struct kith__record *record;
    uint64_t units;

    if (node != 0)
        return kith__writer_node(w, op, node);
    units = kith__units_of(payload);
    record = kith__writer_room(w, units);
    if (record == NULL) {
        kith_err err = kith__writer_move(w, op, units);

        if (err < 0)
            return err;
        record = kith__writer_room(w, units);
    }
    kith__store(&record->meta, kith__item_write(item, tag, record->data));
    kith__writer_step(w, units);
    return KITH_OK;
}

/* One item that fits the stream's segment: no record.  False: it is for put_recorded(). */
static bool
put_stored(struct kith__writer *w, const struct kith_item *item, size_t tag, size_t payload)
{
    uint64_t units = kith__units_of(payload);
    struct kith__record *record = kith__writer_room(w, units);

    if (record == NULL)
        return false;
#ifdef KITH_MISTAKE_TAIL_BEFORE_BYTES
    kith__store_release(&w->root->tail, w->tail + KITH__PLACE(1, units));
    kith__step();
#endif
    kith__store(&record->meta, kith__item_write(item, tag, record->data)); /* B1 */
    kith__writer_step(w, units);
    kith__store_release(&w->root->tail, w->tail); /* B2 */
    return true;
}

/* Nodes for those that are not for the stream, linked to each other: before any lock is taken. */
static kith_err
make_nodes(struct kith__op *op, const struct kith__queue *queue, const struct kith_item *items,
           size_t count, uint64_t *first_out)
{
    struct kith__node *last = NULL;

    *first_out = 0;
    for (size_t i = 0; i < count; i++) {
        size_t tag;
        uint64_t off;
        kith_err err;

        if (kith__in_stream(&items[i], kith__payload(&items[i], &tag)))
            continue;
        err = kith__queue_node(op, queue->id, &items[i], &off);
        if (err < 0)
            return err;
        if (last != NULL)
            kith__store(&last->next, off);
        else
            *first_out = off;
        last = kith__ptr(op->self->arena, off);
    }
    return KITH_OK;
}

static kith_err
append_all(struct kith__writer *w, struct kith__op *op, const struct kith_item *items, size_t count,
           uint64_t node)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        size_t tag, payload = kith__payload(&items[i], &tag);
        uint64_t off = 0;

        if (!kith__in_stream(&items[i], payload)) {
            off = node;
            node = kith__load(&kith__node_at(w->arena, off)->next);
        }
        err = append(w, op, &items[i], tag, payload, off);
    }
    return err;
}

/* One attempt: KITH_EFULL if they do not all fit now. */
__attribute__((flatten)) static kith_err
put_once(struct kith__self *self, const struct kith__queue *queue, const struct kith_item *items,
         size_t count)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    size_t tag = 0, payload = count == 1 ? kith__payload(items, &tag) : SIZE_MAX;
    bool recording = payload == SIZE_MAX || !kith__in_stream(items, payload);
    struct kith__writer w;
    struct kith__op op;
    uint64_t node = 0;
    kith_err err = KITH_OK;

    op.self = self;
    if (recording) {
        kith__op_begin(&op, self);
        err = make_nodes(&op, queue, items, count, &node); /* P1 */
    }
    if (err == KITH_OK)
        err = kith__queue_lock(self, queue, &root->tail_lock); /* P2 */
    if (err < 0) {
        kith__op_abort(&op);
        return err;
    }
    err = kith__writer_begin(&w, NULL, self->arena, root, queue->id);
    if (err < 0)
        goto out;
    if (kith__load(&root->closed) != 0) {
        err = KITH_ECLOSED;
    } else if (!fits(NULL, queue, w.tail, count)) {
        err = KITH_EFULL;
    } else if (recording || !put_stored(&w, items, tag, payload)) { /* P3 */
        if (!recording)
            kith__op_begin(&op, self);
        err = append_all(&w, &op, items, count, node);
        if (err == KITH_OK && (w.moved || node != 0)) {
            kith__writer_end(&w, &op);
            err = kith__op_commit(&op); /* P3 */
        } else if (err == KITH_OK) {
            kith__store_release(&root->tail, w.tail); /* P3: a batch within one segment */
        }
    }
out:
    kith__queue_owe(self, queue);
    kith__lock_release(self, &root->tail_lock); /* P4 */
    if (err == KITH_OK)
        kith__queue_raise(self, root, count > INT32_MAX ? INT32_MAX : (int)count, false); /* P5 */
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

/* Both locks held: writes an item down that has a place of its own. */
static kith_err
put_aside(struct kith__op *op, struct kith__queue_root *root, uint64_t node_off,
          const struct kith__put_how *how)
{
    struct kith__node *node = kith__ptr(op->self->arena, node_off);
    uint64_t aside = kith__op_get(op, &root->aside) + 1;

    kith__store(&node->ticket, KITH__PLACE_COUNT(kith__op_get(op, &root->tail)));
    kith__store(&node->order, aside);
    kith__store(&node->priority, (uint64_t)how->priority);
    kith__store(&node->attempts, how->attempts);
    if (how->delay_ns > 0)
        kith__store(&node->due, kith__due_after(op->self->arena, how->delay_ns));
    kith__op_set(op, &root->aside, aside);
    kith__op_set(op, &root->nodes, kith__op_get(op, &root->nodes) + 1);
    kith__op_set(op, &root->room_until, 0);
    return kith__queue_place(op, root, node);
}

static kith_err
put_with_once(struct kith__self *self, const struct kith__queue *queue,
              const struct kith_item *item, const struct kith__put_how *how)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t node, due_before = 0;
    struct kith__op op;
    kith_err err;

    kith__op_begin(&op, self);
    err = kith__queue_node(&op, queue->id, item, &node);
    if (err == KITH_OK)
        err = kith__queue_lock_both(self, queue->off);
    if (err < 0) {
        kith__op_abort(&op);
        return err;
    }
    if (kith__load(&root->id) != queue->id) {
        err = KITH_EGONE;
    } else if (kith__load(&root->closed) != 0) {
        err = KITH_ECLOSED;
    } else if (root->capacity != 0 && kith__queue_total(root) >= root->capacity) {
        err = KITH_EFULL;
    } else {
        due_before = kith__load(&root->next_due);
        err = put_aside(&op, root, node, how);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
    }
    kith__queue_owe(self, queue);
    kith__queue_unlock_both(self, queue->off);
    if (err == KITH_OK) {
        kith__queue_raise(self, root, 1, false);
        kith__queue_raise_due(self, root, due_before);
    }
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

kith_err
kith__queue_link(struct kith__op *op, const struct kith__queue *queue, const struct kith_item *item,
                 const struct kith__put_how *how)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    bool aside = how->priority != 0 || how->delay_ns > 0 || how->attempts != 0;
    size_t tag, payload = kith__payload(item, &tag);
    struct kith__writer w;
    uint64_t node = 0;
    kith_err err = KITH_OK;

    if (kith__op_get(op, &root->closed) != 0)
        return KITH_ECLOSED;
    if (!fits(op, queue, kith__op_get(op, &root->tail), 1))
        return KITH_EFULL;
    /* The stream itself has no place for a number of attempts. */
    if (aside || !kith__in_stream(item, payload))
        err = kith__queue_node(op, queue->id, item, &node);
    if (err < 0)
        return err;
    if (node != 0)
        kith__store(&kith__node_at(op->self->arena, node)->attempts, how->attempts);
    if (aside)
        return put_aside(op, root, node, how);
    err = kith__writer_begin(&w, op, op->self->arena, root, queue->id);
    if (err == KITH_OK)
        err = append(&w, op, item, tag, payload, node);
    if (err < 0)
        return err;
    kith__writer_end(&w, op);
    return op->err;
}

/* ---- Waiting ---------------------------------------------------------------------------- */

int64_t
kith__queue_sleep_until(const struct kith__queue *queue, int64_t deadline_ns)
{
    uint64_t due = kith__load_acquire(&kith__queue_root(queue)->next_due);
    int64_t until = due != 0 ? kith__arena_deadline_ns(queue->arena, (int64_t)due) : deadline_ns;

    return until < deadline_ns ? until : deadline_ns;
}

/* Whether something is to be handed back or made ready, which anybody may do. */
static bool
is_due(const struct kith__queue *queue)
{
    return kith__is_due(queue->arena, kith__load_acquire(&kith__queue_root(queue)->next_due));
}

static bool
has_room(const struct kith__queue *queue, size_t count)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__queue_counts counts;

    return root->capacity == 0 || kith__queue_total(root) + count <= root->capacity ||
           kith__load(&root->closed) != 0 || kith__load(&root->id) != queue->id ||
           kith__queue_look(queue, &counts) < 0 || counts.total + count <= root->capacity ||
           is_due(queue);
}

/* Sleeps on `signal` unless `ready`; KITH_OK: look again. */
static kith_err
wait_on(struct kith__self *self, _Atomic uint32_t *signal, int64_t deadline_ns,
        bool (*ready)(const struct kith__queue *queue, size_t count),
        const struct kith__queue *queue, size_t count, const kith__word *counter)
{
    uint32_t joined;
    kith_err err = KITH_OK;
    int64_t until;

    if (kith__spin(self, (const _Atomic uint32_t *)(const void *)counter,
                   (uint32_t)kith__load(counter)))
        return KITH_OK;
    /* Named before joining: a wake that goes to us and dies with us is then repeated. */
    kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
    kith__step();
    joined = kith__signal_enter(signal);
    until = kith__queue_sleep_until(queue, deadline_ns);
    if (ready(queue, count)) {
        /* A queue that was overwritten may say so for ever, and have nothing. */
        err = deadline_ns != INT64_MAX && kith__now_ns() >= deadline_ns ? KITH_ETIMEDOUT : KITH_OK;
    } else {
        switch (kith__sleep(self, signal, joined, until, true)) {
        case KITH__SLEPT_TIMEOUT:
            /* Unless it came at the last moment: the caller looks. */
            err = until == deadline_ns ? KITH_ETIMEDOUT : KITH_OK;
            break;
        case KITH__SLEPT_INTERRUPTED:
            kith__signal_wake(self, signal, 1); /* pass on a wake that we may have swallowed */
            err = KITH_EINTERRUPTED;
            break;
        default:
            break;
        }
    }
    kith__awake(self);
    return err;
}

/* A putter that finds the queue full hands back what is due: that may make room. */
static kith_err
settle_for_room(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err err;

    if (!is_due(queue))
        return KITH_OK;
    err = kith__queue_lock(self, queue, &root->head_lock);
    if (err < 0)
        return err;
    err = kith__queue_settle(self, queue);
    kith__lock_release(self, &root->head_lock);
    return err;
}

struct put_args {
    const struct kith_item *items;
    size_t count;
    const struct kith__put_how *how; /* NULL: in order */
};

static kith_err
put_attempt(struct kith__self *self, const struct kith__queue *queue, const struct put_args *args)
{
    return args->how != NULL ? put_with_once(self, queue, args->items, args->how)
                             : put_once(self, queue, args->items, args->count);
}

static kith_err
put_waiting(struct kith__self *self, const struct kith__queue *queue, const struct put_args *args,
            int64_t deadline_ns)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err waited = KITH_OK, err;

    for (;;) {
        err = settle_for_room(self, queue);
        if (err == KITH_OK)
            err = has_room(queue, args->count) ? put_attempt(self, queue, args) : KITH_EFULL;
        if (err != KITH_EFULL || deadline_ns == 0)
            return err;
        if (waited < 0)
            return waited;
        waited = wait_on(self, &root->room, deadline_ns, has_room, queue, args->count, &root->head);
        if (waited == KITH_EINTERRUPTED)
            return waited;
    }
}

kith_err
kith__queue_put(struct kith__self *self, const struct kith__queue *queue,
                const struct kith_item *items, size_t count, int64_t deadline_ns)
{
    kith_err err = put_once(self, queue, items, count);

    if (err == KITH_EFULL)
        err = put_waiting(self, queue, &(struct put_args){ items, count, NULL }, deadline_ns);
    kith__op_end(self);
    return err;
}

kith_err
kith__queue_put_with(struct kith__self *self, const struct kith__queue *queue,
                     const struct kith_item *item, const struct kith__put_how *how,
                     int64_t deadline_ns)
{
    kith_err err;

    if (how->priority == 0 && how->delay_ns <= 0)
        return kith__queue_put(self, queue, item, 1, deadline_ns);
    err = put_waiting(self, queue, &(struct put_args){ item, 1, how }, deadline_ns);
    kith__op_end(self);
    return err;
}

/* ---- Get -------------------------------------------------------------------------------- */

kith_err
kith__queue_begin_get(struct kith__reader *r, struct kith__op *op, struct kith__self *self,
                      const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err err = kith__queue_lock(self, queue, &root->head_lock); /* G1 */

    if (err < 0)
        return err;
    if (kith__load(&root->next_due) != 0)
        err = kith__queue_settle(self, queue);
    if (err < 0)
        kith__lock_release(self, &root->head_lock);
    else
        kith__reader_begin(r, op, self, queue);
    return err;
}

void
kith__queue_end_get(struct kith__reader *r, struct kith__self *self)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);

    if (r->both)
        kith__lock_release(self, &root->tail_lock);
    kith__lock_release(self, &root->head_lock); /* G4 */
}

kith_err
kith__queue_next(struct kith__reader *r, struct kith__pick *found)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    uint64_t top = r->recording ? kith__op_get(r->op, &root->ready) : kith__load(&root->ready);
    struct kith__node *node = NULL;
    int64_t priority;
    uint64_t off;
    kith_err err;

    found->record = NULL;
    found->node = NULL;
    if (top != 0) {
        node = kith__node_at(r->queue->arena, top);
        if (node == NULL)
            return kith__queue_broken(r->queue->arena);
        priority = (int64_t)kith__load(&node->priority);
        if (priority > 0 ||
            (priority == 0 && kith__load(&node->ticket) <= KITH__PLACE_COUNT(r->head))) {
            found->node = node;
            return KITH_OK;
        }
    }
    err = kith__reader_look(r, &found->record);
    if (err == KITH_EEMPTY && node != NULL) {
        found->node = node;
        return KITH_OK;
    }
    if (err < 0 || KITH__META_TYPE(kith__load(&found->record->meta)) != KITH__RECORD_NODE)
        return err;
    off = kith__load((const kith__word *)(const void *)found->record->data);
    found->node = kith__node_at(r->queue->arena, off);
    return found->node != NULL ? KITH_OK : kith__queue_broken(r->queue->arena);
}

kith_err
kith__pick_read(const struct kith__reader *r, const struct kith__pick *found,
                struct kith_item *item, char *tag)
{
    if (found->node != NULL)
        return kith__node_read(r->queue, found->node, item, tag);
    return kith__item_read(kith__load(&found->record->meta), found->record->data, r->room, item,
                           tag)
               ? KITH_OK
               : kith__queue_broken(r->queue->arena);
}

kith_err
kith__queue_take(struct kith__reader *r, const struct kith__pick *found)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    struct kith__node *node;

    if (found->node != NULL)
        kith__reader_record(r);
    if (found->record == NULL)
        return kith__heap_pop(r->op, &root->ready, KITH__HEAP_READY, &node);
    kith__reader_step(r, found->record);
    return KITH_OK;
}

kith_err
kith__queue_commit_get(struct kith__reader *r)
{
    kith__reader_end(r);
    return r->recording ? kith__op_commit(r->op) : KITH_OK;
}

/* The usual item into a buffer that has room for it; false: it is for copy_found(). */
static bool
copy_small(const struct kith__reader *r, const struct kith__record *record, struct kith_buf *out)
{
    uint64_t meta = kith__load(&record->meta);
    size_t size = KITH__META_SIZE(meta);
    unsigned type = KITH__META_TYPE(meta);

    if (type < KITH_TYPE_STR || type > KITH_TYPE_PACKED || KITH__META_TAG(meta) != 0 ||
        size > r->room || out == NULL || size > out->capacity || size == 0)
        return false;
    memcpy(out->memory, record->data, size);
    out->item = (struct kith_item){ .type = (kith_type)type, .data = out->memory, .size = size };
    return true;
}

static kith_err
copy_found(const struct kith__reader *r, const struct kith__pick *found, struct kith_buf *out)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith_err err;

    if (found->node == NULL && copy_small(r, found->record, out))
        return KITH_OK;
    err = kith__pick_read(r, found, &item, tag);
    return err == KITH_OK && out != NULL ? kith__buf_set(out, item) : err;
}

/* Takes what was found, for good. */
static kith_err
take_for_good(struct kith__reader *r, const struct kith__pick *found)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    kith_err err = kith__queue_take(r, found);

    if (err < 0 || found->node == NULL)
        return err;
    if (found->record == NULL)
        kith__op_set(r->op, &root->nodes, kith__op_get(r->op, &root->nodes) - 1);
    kith__op_give(r->op, kith__off(r->queue->arena, found->node));
    return r->op->err;
}

bool
kith__queue_at_its_end(const struct kith__queue *queue)
{
    const struct kith__queue_root *root = kith__queue_root(queue);

    return kith__load_acquire(&root->closed) != 0 && kith__queue_total(root) == 0;
}

struct get_args {
    size_t count;
    struct kith_buf *items_out;
    size_t *got_out;
};

__attribute__((flatten)) static kith_err
get_once(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    const struct get_args *args = arg;
    struct kith__pick found;
    struct kith__reader r;
    struct kith__op op;
    size_t got = 0;
    bool below = false;
    kith_err err = kith__queue_begin_get(&r, &op, self, queue);

    if (err < 0)
        return err;
    while (err == KITH_OK && got < args->count) {
        err = kith__queue_next(&r, &found);
        /* Put since we found the stream empty and took one that ranks below it: for the next. */
        if (err == KITH_OK && below && found.record != NULL)
            break;
        if (err == KITH_OK && found.record == NULL)
            below = (int64_t)kith__load(&found.node->priority) < 0;
        if (err == KITH_OK)
            err = copy_found(&r, &found, args->items_out ? &args->items_out[got] : NULL); /* G2 */
        if (err == KITH_OK)
            err = take_for_good(&r, &found);
        if (err == KITH_OK)
            got++;
    }
    if (got > 0 && (err == KITH_OK || err == KITH_EEMPTY))
        err = kith__queue_commit_get(&r); /* G3 */
    kith__queue_owe(self, queue);
    kith__queue_end_get(&r, self);
    if (err == KITH_OK)
        kith__queue_raise(self, kith__queue_root(queue), 0, true); /* G5 */
    kith__queue_owe_nothing(self);
    if (err == KITH_OK)
        *args->got_out = got;
    else
        kith__op_abort(&op);
    return err;
}

/* Whether a getter need not wait: something is ready, or nothing will ever be. */
static bool
has_item(const struct kith__queue *queue, size_t count)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t head = KITH__PLACE_COUNT(kith__load_acquire(&root->head));

    (void)count;
    return kith__load_acquire(&root->ready) != 0 ||
           KITH__PLACE_COUNT(kith__load_acquire(&root->tail)) != head ||
           (kith__load(&root->closed) != 0 && kith__queue_total(root) == 0) ||
           kith__load(&root->id) != queue->id || is_due(queue);
}

kith_err
kith__queue_get_with(struct kith__self *self, const struct kith__queue *queue, int64_t deadline_ns,
                     kith_err (*once)(struct kith__self *self, const struct kith__queue *queue,
                                      void *arg),
                     void *arg)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err waited = KITH_OK, err;

    for (;;) {
        err = once(self, queue, arg);
        if (err != KITH_EEMPTY)
            break;
        if (kith__queue_at_its_end(queue)) {
            err = KITH_ECLOSED;
            break;
        }
        if (deadline_ns == 0)
            break;
        if (waited < 0) {
            err = waited;
            break;
        }
        waited = wait_on(self, &root->items, deadline_ns, has_item, queue, 1, &root->tail);
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

kith_err
kith__queue_get(struct kith__self *self, const struct kith__queue *queue, size_t count,
                int64_t deadline_ns, struct kith_buf *items_out, size_t *got_out)
{
    struct get_args args = { count, items_out, got_out };

    return kith__queue_get_with(self, queue, deadline_ns, get_once, &args);
}

kith_err
kith__queue_peek(struct kith__self *self, const struct kith__queue *queue,
                 struct kith_buf *item_out)
{
    struct kith__pick found;
    struct kith__reader r;
    struct kith__op op;
    kith_err err = kith__queue_begin_get(&r, &op, self, queue);

    if (err < 0)
        return err;
    err = kith__queue_next(&r, &found);
    if (err == KITH_OK)
        err = copy_found(&r, &found, item_out);
    kith__queue_end_get(&r, self); /* nothing is committed: the queue stays as it is */
    kith__op_abort(&op);
    kith__op_end(self);
    if (err == KITH_EEMPTY && kith__queue_at_its_end(queue))
        err = KITH_ECLOSED;
    return err;
}

/* ---- A view ----------------------------------------------------------------------------- */

struct pin_args {
    struct kith_buf *copy;
    kith__word **pin_out;
    uint64_t *node_out;
};

/* A free pin of this process, set to `off`; NULL if it has none. */
static kith__word *
take_pin(struct kith__arena *arena, uint64_t off)
{
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);

    for (unsigned i = 0; i < KITH__PINS; i++) {
        uint64_t none = 0;

        if (atomic_compare_exchange_strong(&holder->pin[i], &none, off)) {
            atomic_fetch_add(&holder->pin_count, 1);
            return &holder->pin[i];
        }
    }
    return NULL;
}

static kith_err
get_pinned(struct kith__self *self, const struct kith__queue *queue, void *arg)
{
    struct pin_args *args = arg;
    struct kith__arena *arena = self->arena;
    struct kith__pick found;
    struct kith__reader r;
    kith__word *pin = NULL;
    struct kith__op op;
    kith_err err = kith__queue_begin_get(&r, &op, self, queue);

    if (err < 0)
        return err;
    err = kith__queue_next(&r, &found);
    if (err == KITH_OK && found.node != NULL &&
        KITH__META_SIZE(found.node->meta) > KITH__SMALL_MAX) {
        *args->node_out = kith__off(arena, found.node);
        pin = take_pin(arena, *args->node_out);
        if (pin == NULL)
            err = kith__fail(KITH_EFULL,
                             "This process has %u views of large items open, as many "
                             "as it may; release some.",
                             KITH__PINS);
    } else if (err == KITH_OK) {
        err = copy_found(&r, &found, args->copy);
    }
    if (err == KITH_OK)
        err = take_for_good(&r, &found); /* to trash, and on to limbo, if it is pinned */
    if (err == KITH_OK)
        err = kith__queue_commit_get(&r);
    kith__queue_owe(self, queue);
    kith__queue_end_get(&r, self);
    if (err == KITH_OK)
        kith__queue_raise(self, kith__queue_root(queue), 0, true);
    kith__queue_owe_nothing(self);
    if (err < 0) {
        kith__op_abort(&op);
        if (pin != NULL) {
            kith__store_release(pin, 0);
            atomic_fetch_sub(&kith__holder_at(arena, arena->holder)->pin_count, 1);
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

    return kith__queue_get_with(self, queue, deadline_ns, get_pinned, &args);
}
