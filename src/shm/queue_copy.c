/*
 * queue_copy.c - all items of a queue at one instant, and putting them in again as they were.
 *
 * Both locks are held while the items are copied to private memory, so nothing moves, and records
 * of the dead were settled before.  Leased items are copied with the others, by their places: a
 * copy knows of no consumer.
 *
 * A copy for rescue believes nothing but what it can check: of each list, heap and segment it takes
 * what comes before the first that is none, and never visits a block twice.  Nobody else is there
 * then, so it takes no lock, whose word may be broken as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/queue_parts.h"

/* One item in private memory: its tag with a NUL, then its bytes. */
struct copied {
    int64_t priority;
    uint64_t ticket, order, due, meta, at;
    uint32_t attempts;
};

struct copy {
    const struct kith__queue *queue;
    bool rescue;
    kith_err err; /* the first that ends the copying */
    struct copied *nodes;
    uint64_t count, room;
    uint8_t *bytes;
    uint64_t size, bytes_room;
    uint64_t *visited; /* offsets of blocks, by hash; 0: free */
    uint64_t visited_count, visited_room;
    uint64_t *pending; /* tops of heaps */
    uint64_t pending_count, pending_room;
};

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the queue.");
}

static bool
make_room(struct copy *copy, uint64_t more)
{
    if (copy->count == copy->room) {
        uint64_t room = copy->room == 0 ? 64 : 2 * copy->room;
        struct copied *larger = kith__realloc(copy->nodes, room * sizeof *larger);

        if (larger == NULL)
            return false;
        copy->nodes = larger;
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

/* What is found broken ends the copy, unless it is for rescue: then it ends the list. */
static bool
is_broken(struct copy *copy)
{
    if (!copy->rescue)
        copy->err = kith__queue_broken(copy->queue->arena);
    return false;
}

/* ---- Blocks that were visited ------------------------------------------------------------ */

static uint64_t *
place_of(uint64_t *table, uint64_t room, uint64_t off)
{
    uint64_t at = (off * UINT64_C(0x9e3779b97f4a7c15)) & (room - 1);

    while (table[at] != 0 && table[at] != off)
        at = (at + 1) & (room - 1);
    return &table[at];
}

/* Notes the block; false if it was visited before, or there is no memory. */
static bool
visit(struct copy *copy, uint64_t off)
{
    uint64_t *place;

    if (2 * copy->visited_count >= copy->visited_room) {
        uint64_t room = copy->visited_room == 0 ? 256 : 2 * copy->visited_room;
        uint64_t *larger = kith__calloc(room, sizeof *larger);

        if (larger == NULL) {
            copy->err = no_memory();
            return false;
        }
        for (uint64_t i = 0; i < copy->visited_room; i++)
            if (copy->visited[i] != 0)
                *place_of(larger, room, copy->visited[i]) = copy->visited[i];
        kith__free(copy->visited);
        copy->visited = larger;
        copy->visited_room = room;
    }
    place = place_of(copy->visited, copy->visited_room, off);
    if (*place != 0)
        return is_broken(copy);
    *place = off;
    copy->visited_count++;
    return true;
}

/* ---- Copying ----------------------------------------------------------------------------- */

/* Adds an item whose bytes, `room` of them at most, are at `data`; false: it is none. */
static bool
copy_item(struct copy *copy, struct copied copied, const uint8_t *data, uint64_t room)
{
    uint64_t tag = KITH__META_TAG(copied.meta), size = KITH__META_SIZE(copied.meta);

    if (KITH__META_TYPE(copied.meta) > KITH_TYPE_REFERENCE || tag > KITH_TAG_SIZE_MAX ||
        tag + size > room)
        return is_broken(copy);
    if (!make_room(copy, tag + 1 + size)) {
        copy->err = no_memory();
        return false;
    }
    copied.at = copy->size;
    copy->nodes[copy->count++] = copied;
    memcpy(copy->bytes + copy->size, data, tag);
    copy->bytes[copy->size + tag] = '\0';
    memcpy(copy->bytes + copy->size + tag + 1, data + tag, size);
    copy->size += tag + 1 + size;
    return true;
}

/*
 * Copies a node; NULL: it is none, or was copied before.  `ticket`: of one in the stream, whose
 * place is there; of a lease the time is no delay.
 */
static const struct kith__node *
copy_node(struct copy *copy, uint64_t off, uint64_t ticket, bool delayed)
{
    const struct kith__arena *arena = copy->queue->arena;
    const struct kith__node *node = kith__node_at(arena, off);
    struct copied copied;
    uint64_t payload;

    if (node == NULL || kith__load(&node->magic) != (KITH__NODE_MAGIC ^ copy->queue->id)) {
        is_broken(copy);
        return NULL;
    }
    payload = KITH__META_TAG(node->meta) + KITH__META_SIZE(node->meta);
    if (kith__at(arena, off, sizeof *node + payload) == NULL) {
        is_broken(copy);
        return NULL;
    }
    copied = (struct copied){ .priority = (int64_t)kith__load(&node->priority),
                              .ticket = ticket != 0 ? ticket : kith__load(&node->ticket),
                              .order = ticket != 0 ? 0 : kith__load(&node->order),
                              .due = delayed ? kith__load(&node->due) : 0,
                              .meta = node->meta,
                              .attempts = (uint32_t)kith__load(&node->attempts) };
    return visit(copy, off) && copy_item(copy, copied, node->data, payload) ? node : NULL;
}

static void
copy_list(struct copy *copy, uint64_t off)
{
    while (off != 0 && copy->err == KITH_OK) {
        const struct kith__node *node = copy_node(copy, off, 0, false);

        off = node != NULL ? kith__load(&node->next) : 0;
    }
}

static void
push(struct copy *copy, uint64_t off)
{
    if (off == 0 || copy->err < 0)
        return;
    if (copy->pending_count == copy->pending_room) {
        uint64_t room = copy->pending_room == 0 ? 64 : 2 * copy->pending_room;
        uint64_t *larger = kith__realloc(copy->pending, room * sizeof *larger);

        if (larger == NULL) {
            copy->err = no_memory();
            return;
        }
        copy->pending = larger;
        copy->pending_room = room;
    }
    copy->pending[copy->pending_count++] = off;
}

static void
copy_heap(struct copy *copy, uint64_t top, bool delayed)
{
    push(copy, top);
    while (copy->pending_count > 0 && copy->err == KITH_OK) {
        const struct kith__node *node =
            copy_node(copy, copy->pending[--copy->pending_count], 0, delayed);

        if (node != NULL) {
            push(copy, kith__load(&node->next));
            push(copy, kith__load(&node->prev));
        }
    }
}

/* The records of a segment; false: the stream ends here. */
static bool
copy_segment(struct copy *copy, const struct kith__segment *segment, uint64_t *head, uint64_t tail)
{
    while (KITH__PLACE_COUNT(*head) < tail && copy->err == KITH_OK) {
        uint64_t at = KITH__PLACE_AT(*head), ticket = KITH__PLACE_COUNT(*head) + 1, meta;
        const struct kith__record *record;

        if (at >= segment->units)
            return is_broken(copy);
        record = (const void *)((const uint8_t *)segment + at * KITH__UNIT);
        meta = kith__load(&record->meta);
        if (KITH__META_TYPE(meta) == KITH__RECORD_END) {
            *head = KITH__PLACE(KITH__PLACE_COUNT(*head), KITH__SEGMENT_FIRST);
            return true;
        }
        if (KITH__META_TYPE(meta) == KITH__RECORD_NODE)
            copy_node(copy, kith__load((const kith__word *)(const void *)record->data), ticket,
                      false);
        else if (!copy_item(copy, (struct copied){ .ticket = ticket, .meta = meta }, record->data,
                            (segment->units - at) * KITH__UNIT - sizeof *record))
            return false;
        *head += KITH__PLACE(1, kith__record_units(record));
    }
    return false;
}

static void
copy_stream(struct copy *copy)
{
    const struct kith__queue_root *root = kith__queue_root(copy->queue);
    uint64_t head = kith__load(&root->head), tail = KITH__PLACE_COUNT(kith__load(&root->tail));
    uint64_t off = kith__load(&root->head_segment);

    if (off == 0)
        off = kith__load(&root->first);
    while (KITH__PLACE_COUNT(head) < tail && copy->err == KITH_OK) {
        const struct kith__segment *segment =
            kith__segment_at(copy->queue->arena, off, copy->queue->id);

        if (segment == NULL) {
            is_broken(copy);
            return;
        }
        if (!visit(copy, off) || !copy_segment(copy, segment, &head, tail))
            return;
        off = kith__load(&segment->next);
    }
}

static int
by_place(const void *a, const void *b)
{
    const struct copied *x = a, *y = b;

    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->ticket != y->ticket)
        return x->ticket < y->ticket ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static struct kith__queued
queued_of(const struct copy *copy, const struct copied *node)
{
    uint64_t tag = KITH__META_TAG(node->meta), word = 0;
    const uint8_t *bytes = copy->bytes + node->at;
    struct kith__queued queued = { .attempts = node->attempts };
    struct kith_item *item = &queued.item;

    item->type = (kith_type)KITH__META_TYPE(node->meta);
    if (item->type <= KITH_TYPE_FLOAT) {
        memcpy(&word, bytes + tag + 1,
               KITH__META_SIZE(node->meta) < 8 ? KITH__META_SIZE(node->meta) : 8);
        if (item->type == KITH_TYPE_BOOL)
            item->boolean = word != 0;
        else if (item->type != KITH_TYPE_NONE)
            item->integer = (int64_t)word;
        return queued;
    }
    if (item->type == KITH_TYPE_FOREIGN)
        item->tag = (const char *)bytes;
    item->data = bytes + tag + 1;
    item->size = KITH__META_SIZE(node->meta);
    return queued;
}

kith_err
kith__queue_copy(struct kith__self *self, const struct kith__queue *queue, bool rescue,
                 struct kith__queue_state *state_out,
                 int (*each)(const struct kith__queued *queued, void *arg), void *arg)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    struct copy copy = { .queue = queue, .rescue = rescue };
    int64_t now = kith__arena_now_ns(queue->arena);
    kith_err err = rescue ? KITH_OK : kith__queue_lock_both(self, queue->off);

    if (err < 0)
        return err;
    if (kith__load(&root->id) != queue->id) {
        copy.err = KITH_EGONE;
    } else {
        *state_out = (struct kith__queue_state){
            .capacity = root->capacity,
            .attempts_max = root->attempts_max,
            .joinable = root->joinable != 0,
            .closed = kith__load(&root->closed) != 0,
            .dead_letter = root->dead_letter,
            .dead_letter_id = root->dead_letter_id,
            .expected = kith__queue_total(root),
        };
        copy_list(&copy, kith__load(&root->lent_first));
        copy_list(&copy, kith__load(&root->timed_first));
        copy_heap(&copy, kith__load(&root->ready), false);
        copy_heap(&copy, kith__load(&root->delayed), true);
        copy_stream(&copy);
    }
    if (!rescue) {
        kith__queue_unlock_both(self, queue->off);
        kith__op_end(self);
    }
    if (copy.count > 1)
        qsort(copy.nodes, copy.count, sizeof *copy.nodes, by_place);
    state_out->count = copy.count;
    for (uint64_t i = 0; copy.err == KITH_OK && i < copy.count; i++) {
        struct kith__queued queued = queued_of(&copy, &copy.nodes[i]);
        int64_t due = (int64_t)copy.nodes[i].due;

        queued.priority = copy.nodes[i].priority;
        queued.delay_ns = due > now && now > 0 ? due - now : 0;
        if (each(&queued, arg) != 0)
            break;
    }
    kith__free(copy.nodes);
    kith__free(copy.bytes);
    kith__free(copy.visited);
    kith__free(copy.pending);
    return copy.err;
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
    due_before = kith__load(&root->next_due);
    if (kith__load(&root->id) != queue->id)
        err = KITH_EGONE;
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
