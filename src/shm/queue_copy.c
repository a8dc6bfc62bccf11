/*
 * queue_copy.c - all items of a queue at one instant, and putting them in again as they were.
 *
 * Both locks are held while the items are copied to private memory, so nothing moves, and records
 * of the dead were settled before.  Leased items are copied with the others, in their places: a
 * copy knows of no consumer.  What is delayed comes last, by the ends of the delays.
 *
 * A copy for rescue believes nothing but what it can check: it takes the items of the stream up to
 * the first segment that is none, and of lists and heaps every node that can be reached, once.
 * Nobody else is there then, so it takes no lock, whose word may be broken as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/queue_parts.h"

/* One item in private memory: its tag with a NUL, then its bytes. */
struct copied {
    uint64_t ticket, order, due, meta, at;
    int64_t priority;
    uint32_t attempts;
};

struct copy {
    const struct kith__queue *queue;
    struct copied *items;
    uint64_t count, room;
    uint8_t *bytes;
    uint64_t size, bytes_room;
    uint64_t limit; /* of items: as many as the queue says; of a rescue as many as there could be */
    uint8_t *seen;  /* of a rescue: a bit for each 16 bytes of the heap that were a node */
    uint64_t seen_size;
    bool rescue;
    int64_t now_ns; /* of the arena's clock */
};

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the queue.");
}

/* What is broken ends a copy, and only a part of a rescue: KITH_ECONFLICT. */
static kith_err
broken(const struct copy *copy)
{
    return copy->rescue ? KITH_ECONFLICT : kith__queue_broken(copy->queue->arena);
}

static kith_err
part(kith_err err)
{
    return err == KITH_ECONFLICT ? KITH_OK : err;
}

static bool
make_room(struct copy *copy, uint64_t more)
{
    if (copy->count == copy->room) {
        uint64_t room = copy->room == 0 ? 64 : 2 * copy->room;
        struct copied *larger = kith__realloc(copy->items, room * sizeof *larger);

        if (larger == NULL)
            return false;
        copy->items = larger;
        copy->room = room;
    }
    if (copy->bytes_room - copy->size < more) {
        uint64_t room = 2 * copy->bytes_room + more + 4096;
        uint8_t *larger = kith__realloc(copy->bytes, room);

        if (larger == NULL)
            return false;
        copy->bytes = larger;
        copy->bytes_room = room;
    }
    return true;
}

/* Copies what `data`, of `room` bytes, holds; `like` has all but where it comes to stand. */
static kith_err
take(struct copy *copy, const struct copied *like, const uint8_t *data, uint64_t room)
{
    uint64_t tag = KITH__META_TAG(like->meta), size = KITH__META_SIZE(like->meta);

    if (KITH__META_TYPE(like->meta) > KITH_TYPE_REFERENCE || tag > KITH_TAG_SIZE_MAX ||
        tag + size > room || copy->count >= copy->limit)
        return broken(copy);
    if (!make_room(copy, tag + 1 + size))
        return no_memory();
    copy->items[copy->count] = *like;
    copy->items[copy->count++].at = copy->size;
    memcpy(copy->bytes + copy->size, data, tag);
    copy->bytes[copy->size + tag] = '\0';
    memcpy(copy->bytes + copy->size + tag + 1, data + tag, size);
    copy->size += tag + 1 + size;
    return KITH_OK;
}

/* ---- Nodes ------------------------------------------------------------------------------ */

/* Whether a rescue meets the node for the first time. */
static bool
is_new(struct copy *copy, uint64_t off)
{
    uint64_t bit = (off - copy->queue->arena->heap_off) / 16;

    if (!copy->rescue)
        return true;
    if (bit / 8 >= copy->seen_size || (copy->seen[bit / 8] >> (bit % 8) & 1) != 0)
        return false;
    copy->seen[bit / 8] |= (uint8_t)(1u << (bit % 8));
    return true;
}

/* Takes a node; *node_out is NULL if there is nothing more to be had by way of it. */
static kith_err
take_node(struct copy *copy, uint64_t off, const uint64_t *ticket, struct kith__node **node_out)
{
    struct kith__node *node = kith__node_at(copy->queue->arena, off);
    struct copied like;

    *node_out = NULL;
    if (node == NULL || kith__load(&node->magic) != (KITH__NODE_MAGIC ^ copy->queue->id) ||
        !is_new(copy, off))
        return broken(copy);
    like = (struct copied){ .ticket = ticket != NULL ? *ticket : kith__load(&node->ticket),
                            .order = ticket != NULL ? 0 : kith__load(&node->order),
                            .priority = ticket != NULL ? 0 : (int64_t)kith__load(&node->priority),
                            .meta = node->meta,
                            .attempts = (uint32_t)kith__load(&node->attempts) };
    if (kith__load(&node->fence) == 0 && ticket == NULL)
        like.due = kith__load(&node->due); /* else it is when the lease ends */
    *node_out = node;
    return take(copy, &like, node->data,
                copy->queue->arena->size - off - offsetof(struct kith__node, data));
}

static kith_err
take_list(struct copy *copy, uint64_t off)
{
    kith_err err = KITH_OK;

    while (off != 0 && err == KITH_OK) {
        struct kith__node *node;

        err = take_node(copy, off, NULL, &node);
        off = node != NULL ? kith__load(&node->next) : 0;
    }
    return part(err);
}

/* Nodes of a heap still to be taken. */
struct pending {
    uint64_t *offs;
    size_t count, room;
};

static bool
push(struct pending *pending, uint64_t off)
{
    if (off == 0)
        return true;
    if (pending->count == pending->room) {
        size_t room = pending->room != 0 ? 2 * pending->room : 64;
        uint64_t *larger = kith__realloc(pending->offs, room * sizeof *larger);

        if (larger == NULL)
            return false;
        pending->offs = larger;
        pending->room = room;
    }
    pending->offs[pending->count++] = off;
    return true;
}

static kith_err
take_heap(struct copy *copy, uint64_t top)
{
    struct pending pending = { NULL, 0, 0 };
    kith_err err = push(&pending, top) ? KITH_OK : no_memory();

    while (pending.count > 0 && err == KITH_OK) {
        struct kith__node *node;

        err = part(take_node(copy, pending.offs[--pending.count], NULL, &node));
        if (err == KITH_OK && node != NULL &&
            (!push(&pending, kith__load(&node->next)) || !push(&pending, kith__load(&node->prev))))
            err = no_memory();
    }
    kith__free(pending.offs);
    return err;
}

/* ---- The stream ------------------------------------------------------------------------- */

/* Takes one record, which stands before `count` items were got. */
static kith_err
take_record(struct copy *copy, const struct kith__record *record, uint64_t room, uint64_t count)
{
    uint64_t ticket = count + 1, meta = kith__load(&record->meta);
    struct copied like = { .ticket = ticket, .meta = meta };
    struct kith__node *node;

    if (KITH__META_TYPE(meta) != KITH__RECORD_NODE)
        return take(copy, &like, record->data, room);
    return take_node(copy, kith__load((const kith__word *)(const void *)record->data), &ticket,
                     &node);
}

static kith_err
take_stream(struct copy *copy)
{
    const struct kith__queue *queue = copy->queue;
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t place = kith__load(&root->head), end = KITH__PLACE_COUNT(kith__load(&root->tail));
    uint64_t off = kith__load(&root->head_segment);
    kith_err err = KITH_OK;

    if (off == 0)
        off = kith__load(&root->first);
    for (uint64_t steps = 0; KITH__PLACE_COUNT(place) < end && err == KITH_OK; steps++) {
        struct kith__queue_segment *segment = kith__segment_at(queue->arena, off, queue->id);
        const struct kith__record *record;
        uint64_t at = KITH__PLACE_AT(place), units;

        if (segment == NULL || at >= segment->units || steps > 2 * copy->limit + 2)
            return part(broken(copy));
        record =
            (const struct kith__record *)(const void *)((const uint8_t *)segment + at * KITH__UNIT);
        if (KITH__META_TYPE(kith__load(&record->meta)) == KITH__RECORD_END) {
            off = kith__load(&segment->next);
            place = KITH__PLACE(KITH__PLACE_COUNT(place), KITH__SEGMENT_FIRST);
            continue;
        }
        units = kith__record_units(record);
        if (units == 0 || at + units > segment->units)
            return part(broken(copy));
        err = take_record(copy, record, units * KITH__UNIT - sizeof *record,
                          KITH__PLACE_COUNT(place));
        place += KITH__PLACE(1, units);
    }
    return part(err);
}

static kith_err
take_all(struct copy *copy)
{
    struct kith__queue_root *root = kith__queue_root(copy->queue);
    kith_err err = take_list(copy, kith__load(&root->lent_first));

    if (err == KITH_OK)
        err = take_list(copy, kith__load(&root->timed_first));
    if (err == KITH_OK)
        err = take_heap(copy, kith__load(&root->ready));
    if (err == KITH_OK)
        err = take_heap(copy, kith__load(&root->delayed));
    return err == KITH_OK ? take_stream(copy) : err;
}

/* ---- The copy --------------------------------------------------------------------------- */

static int
in_order(const void *a, const void *b)
{
    const struct copied *x = a, *y = b;

    if (x->due != y->due) /* 0: it is ready */
        return x->due < y->due ? -1 : 1;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->ticket != y->ticket)
        return x->ticket < y->ticket ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static struct kith__queued
queued_of(const struct copy *copy, const struct copied *item)
{
    uint64_t tag = KITH__META_TAG(item->meta), size = KITH__META_SIZE(item->meta), word = 0;
    const uint8_t *bytes = copy->bytes + item->at;
    struct kith__queued queued = { .attempts = item->attempts, .priority = item->priority };

    if (item->due != 0 && (int64_t)item->due > copy->now_ns)
        queued.delay_ns = (int64_t)item->due - copy->now_ns;
    queued.item.type = (kith_type)KITH__META_TYPE(item->meta);
    if (queued.item.type <= KITH_TYPE_FLOAT) {
        memcpy(&word, bytes + tag + 1, size < sizeof word ? size : sizeof word);
        if (queued.item.type == KITH_TYPE_BOOL)
            queued.item.boolean = word != 0;
        else if (queued.item.type != KITH_TYPE_NONE)
            queued.item.integer = (int64_t)word;
        return queued;
    }
    if (queued.item.type == KITH_TYPE_FOREIGN)
        queued.item.tag = (const char *)bytes;
    queued.item.data = bytes + tag + 1;
    queued.item.size = size;
    return queued;
}

static kith_err
prepare_rescue(struct copy *copy)
{
    struct kith__arena *arena = copy->queue->arena;
    uint64_t granules = kith__load(&KITH__HEADER(arena)->granules_top);

    if (granules > arena->granules_max)
        granules = arena->granules_max;
    copy->limit = granules * KITH__GRANULE / KITH__UNIT;
    copy->seen_size = granules * KITH__GRANULE / KITH__UNIT / 8;
    copy->seen = kith__calloc(1, copy->seen_size + 1);
    return copy->seen != NULL ? KITH_OK : no_memory();
}

kith_err
kith__queue_copy(struct kith__self *self, const struct kith__queue *queue, bool rescue,
                 struct kith__queue_state *state_out,
                 int (*each)(const struct kith__queued *queued, void *arg), void *arg)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct copy copy = { .queue = queue, .rescue = rescue };
    kith_err err = rescue ? prepare_rescue(&copy) : kith__queue_lock_both(self, queue->off);

    if (err < 0)
        return err;
    if (kith__load(&root->id) != queue->id) {
        err = KITH_EGONE;
    } else {
        *state_out = (struct kith__queue_state){
            .capacity = root->capacity,
            .attempts_max = root->attempts_max,
            .joinable = root->joinable != 0,
            .lending = root->lending != 0,
            .closed = kith__load(&root->closed) != 0,
            .dead_letter = root->dead_letter,
            .dead_letter_id = root->dead_letter_id,
            .expected = kith__queue_total(root),
        };
        if (!rescue)
            copy.limit = state_out->expected;
        copy.now_ns = kith__arena_now_ns(queue->arena);
        err = take_all(&copy);
    }
    if (!rescue) {
        kith__queue_unlock_both(self, queue->off);
        kith__op_end(self);
    }
    if (copy.count > 1)
        qsort(copy.items, copy.count, sizeof *copy.items, in_order);
    state_out->count = copy.count;
    for (uint64_t i = 0; err == KITH_OK && i < copy.count; i++) {
        struct kith__queued queued = queued_of(&copy, &copy.items[i]);

        if (each(&queued, arg) != 0)
            break;
    }
    kith__free(copy.items);
    kith__free(copy.bytes);
    kith__free(copy.seen);
    return err;
}

kith_err
kith__queue_restore(struct kith__self *self, const struct kith__queue *queue,
                    const struct kith__queued *queued, size_t count)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t due_before = 0;
    struct kith__op op;
    kith_err err = kith__queue_lock_both(self, queue->off);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    if (kith__load(&root->id) != queue->id)
        err = KITH_EGONE;
    else
        due_before = kith__load(&root->next_due);
    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        struct kith__put_how how = { queued[i].priority, queued[i].delay_ns, queued[i].attempts };

        err = kith__queue_link(&op, queue, &queued[i].item, &how);
    }
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    kith__queue_owe(self, queue);
    kith__queue_unlock_both(self, queue->off);
    if (err == KITH_OK) {
        kith__queue_raise(self, root, (int)count, false);
        kith__queue_raise_due(self, root, due_before);
    }
    kith__queue_owe_nothing(self);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}
