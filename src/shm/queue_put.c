/*
 * queue_put.c - putting.
 *
 * STEPS    One store of tail, or one record: see queue.c, which has the invariants.
 *   P1 node filled, if it is one  P2 tail lock  P3 the store, or the record  P4 unlocked
 *   P5 getters woken
 *   An item with a place of its own is put under both locks.
 * DEATH
 *   up to P3       nothing happened; the node is still the actor's
 *   from P3        the item is in
 *   P4 on          pending_signal names the queue until P5 is done: the reaper wakes
 */
#include <string.h>

#include "base/error.h"
#include "shm/queue_parts.h"

/* ---- In order --------------------------------------------------------------------------- */

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
        kith__queue_tell(self, root, count > INT32_MAX ? INT32_MAX : (int)count, false); /* P5 */
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

/* ---- At a place of its own --------------------------------------------------------------- */

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
    } else if (root->capacity != 0 &&
               kith__queue_total(root) - kith__load(&root->taken) >= root->capacity) {
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

/* ---- Waiting for room -------------------------------------------------------------------- */

static bool
has_room(const struct kith__queue *queue, size_t count)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__queue_counts counts;

    return root->capacity == 0 || kith__queue_total(root) + count <= root->capacity ||
           kith__load(&root->closed) != 0 || kith__load(&root->id) != queue->id ||
           kith__queue_look(queue, &counts) < 0 || counts.total + count <= root->capacity ||
           kith__queue_is_due(queue);
}

/* A putter that finds the queue full hands back what is due: that may make room. */
static kith_err
settle_for_room(struct kith__self *self, const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    kith_err err;

    if (!kith__queue_is_due(queue))
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
        waited = kith__queue_wait(self, &root->room, deadline_ns, has_room, queue, args->count,
                                  &root->head);
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
