/*
 * queue_get.c - getting.
 *
 * STEPS    One store of head, or one record: see queue.c, which has the invariants.
 *   G1 head lock  G2 copied out  G3 the store, or the record  G4 unlocked  G5 putters woken
 *   Whoever comes to the end of a segment takes the tail lock as well: queue_stream.c.
 * DEATH
 *   up to G3       nothing happened; what was found is still the queue's
 *   from G3        the item is gone with its getter, or lent: queue_taken.c
 *   G4 on          pending_signal names the queue until G5 is done: the reaper wakes
 *   lent           the reaper of the holder hands it back, see queue_lease.c
 */
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/queue_parts.h"

/* ---- What comes next --------------------------------------------------------------------- */

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
    if (err == KITH_OK && root->lending != 0)
        err = kith__queue_keep_few(self, queue);
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

/* Takes what was found: for good, or until it is reported done. */
static kith_err
take(struct kith__reader *r, const struct kith__pick *found)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    kith_err err;

    if (root->lending != 0) {
        struct kith__lent lent;

        return kith__queue_lend(r, found, &(struct kith__lending){ -1, true, NULL, &lent });
    }
    err = kith__queue_take(r, found);
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
            err = take(&r, &found);
        if (err == KITH_OK)
            got++;
    }
    if (got > 0 && (err == KITH_OK || err == KITH_EEMPTY))
        err = kith__queue_commit_get(&r); /* G3 */
    kith__queue_owe(self, queue);
    kith__queue_end_get(&r, self);
    if (err == KITH_OK)
        kith__queue_tell(self, kith__queue_root(queue), 0, true); /* G5 */
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
           kith__load(&root->id) != queue->id || kith__queue_is_due(queue);
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
        waited = kith__queue_wait(self, &root->items, deadline_ns, has_item, queue, 1, &root->tail);
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

/* What is lent is found by way of the chain when its taker dies. */
static kith_err
chain_if_lending(struct kith__self *self, const struct kith__queue *queue)
{
    return kith__queue_root(queue)->lending != 0 ? kith__queue_chain(self, queue) : KITH_OK;
}

kith_err
kith__queue_get(struct kith__self *self, const struct kith__queue *queue, size_t count,
                int64_t deadline_ns, struct kith_buf *items_out, size_t *got_out)
{
    struct get_args args = { count, items_out, got_out };
    kith_err err = chain_if_lending(self, queue);

    if (err == KITH_OK)
        err = kith__queue_get_with(self, queue, deadline_ns, get_once, &args);
    if (err == KITH_ENOMEM && count > 1) { /* to lend so many; one there may be room for */
        args.count = 1;
        err = kith__queue_get_with(self, queue, deadline_ns, get_once, &args);
    }
    return err;
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
        err = take(&r, &found); /* to trash, and on to limbo, if it is pinned */
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
    kith_err err = chain_if_lending(self, queue);

    return err < 0 ? err : kith__queue_get_with(self, queue, deadline_ns, get_pinned, &args);
}
