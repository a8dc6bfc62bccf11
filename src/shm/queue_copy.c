/*
 * queue_copy.c - all items of a queue at one instant, and putting them in again as they were.
 *
 * Both locks are held while the nodes are copied to private memory, so nothing moves, and records
 * of the dead were settled before.  Leased items are copied with the others, by their tickets:
 * a copy knows of no consumer.
 *
 * A copy for rescue believes nothing but what it can check: it takes the nodes of each list up to
 * the first that is none, and never follows a ring round twice.  Nobody else is there then, so it
 * takes no lock, whose word may be broken as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/queue.h"

/* One node in private memory: its tag with a NUL, then its bytes. */
struct copied {
    uint64_t ticket, meta, at;
    uint32_t attempts;
};

struct copy {
    struct copied *nodes;
    uint64_t count, room;
    uint8_t *bytes;
    uint64_t size, bytes_room;
};

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the queue.");
}

static kith_err
broken(const struct kith__queue *queue)
{
    return kith__fail(KITH_ECORRUPT, "A queue in %s breaks an invariant; run kith check.",
                      queue->arena->path ? queue->arena->path : "the mem:// space");
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

/* Whether the node is one of this queue, with all its bytes in the arena. */
static bool
node_ok(const struct kith__queue *queue, uint64_t off, const struct kith__node *node)
{
    uint64_t tag, size;

    if (node == NULL || kith__load(&node->magic) != (KITH__NODE_MAGIC ^ queue->id))
        return false;
    tag = KITH__META_TAG(node->meta);
    size = KITH__META_SIZE(node->meta);
    return KITH__META_TYPE(node->meta) <= KITH_TYPE_REFERENCE && tag <= KITH_TAG_SIZE_MAX &&
           kith__at(queue->arena, off, sizeof *node + tag + size) != NULL;
}

static kith_err
copy_node(struct copy *copy, const struct kith__node *node)
{
    uint64_t tag = KITH__META_TAG(node->meta), size = KITH__META_SIZE(node->meta);

    if (!make_room(copy, tag + 1 + size))
        return no_memory();
    copy->nodes[copy->count++] = (struct copied){ node->ticket, node->meta, copy->size,
                                                  (uint32_t)kith__load(&node->attempts) };
    memcpy(copy->bytes + copy->size, node->data, tag);
    copy->bytes[copy->size + tag] = '\0';
    memcpy(copy->bytes + copy->size + tag + 1, node->data + tag, size);
    copy->size += tag + 1 + size;
    return KITH_OK;
}

/* Copies one list.  A ring is seen by a mark that is left behind at every power of two. */
static kith_err
copy_list(struct copy *copy, const struct kith__queue *queue, const kith__word *first, bool rescue)
{
    uint64_t off = kith__load(first), mark = 0, steps = 0, next_mark = 1;

    while (off != 0) {
        const struct kith__node *node = kith__node_at(queue->arena, off);
        kith_err err;

        if (off == mark || !node_ok(queue, off, node))
            return rescue ? KITH_OK : broken(queue);
        err = copy_node(copy, node);
        if (err < 0)
            return err;
        if (++steps == next_mark) {
            mark = off;
            next_mark *= 2;
        }
        off = kith__load(&node->next);
    }
    return KITH_OK;
}

static kith_err
copy_lists(struct copy *copy, const struct kith__queue *queue, bool rescue)
{
    const struct kith__queue_root *root = kith__queue_root(queue);
    const kith__word *lists[] = { &root->lent_first, &root->back_first, &root->out_first,
                                  &root->in_first };
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < sizeof lists / sizeof lists[0] && err == KITH_OK; i++)
        err = copy_list(copy, queue, lists[i], rescue);
    return err;
}

static int
by_ticket(const void *a, const void *b)
{
    const struct copied *x = a, *y = b;

    return (x->ticket > y->ticket) - (x->ticket < y->ticket);
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
    struct copy copy = { .count = 0 };
    kith_err err = rescue ? KITH_OK : kith__queue_lock_both(self, queue->off);

    if (err < 0)
        return err;
    if (kith__load(&root->id) != queue->id) {
        err = KITH_EGONE;
    } else {
        *state_out = (struct kith__queue_state){
            .capacity = root->capacity,
            .attempts_max = root->attempts_max,
            .joinable = root->joinable != 0,
            .closed = kith__load(&root->closed) != 0,
            .dead_letter = root->dead_letter,
            .dead_letter_id = root->dead_letter_id,
            .expected = kith__load(&root->put) - kith__load(&root->taken),
        };
        err = copy_lists(&copy, queue, rescue);
    }
    if (!rescue) {
        kith__queue_unlock_both(self, queue->off);
        kith__op_end(self);
    }
    if (copy.count > 1)
        qsort(copy.nodes, copy.count, sizeof *copy.nodes, by_ticket);
    state_out->count = copy.count;
    for (uint64_t i = 0; err == KITH_OK && i < copy.count; i++) {
        struct kith__queued queued = queued_of(&copy, &copy.nodes[i]);

        if (each(&queued, arg) != 0)
            break;
    }
    kith__free(copy.nodes);
    kith__free(copy.bytes);
    return err;
}

kith_err
kith__queue_restore(struct kith__self *self, const struct kith__queue *queue,
                    const struct kith__queued *queued, size_t count)
{
    struct kith__queue_root *root = kith__queue_root(queue);
    uint64_t nodes[KITH__RESTORE_MAX];
    struct kith__op op;
    kith_err err = KITH_OK;

    kith__op_begin(&op, self);
    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        err = kith__queue_node(&op, queued[i].item, &nodes[i]);
        if (err == KITH_OK)
            kith__store(&kith__node_at(self->arena, nodes[i])->attempts, queued[i].attempts);
    }
    if (err == KITH_OK)
        err = kith__lock_acquire(self, &root->tail_lock);
    if (err < 0) {
        kith__op_abort(&op);
        kith__op_end(self);
        return err;
    }
    if (kith__load(&root->id) != queue->id)
        err = KITH_EGONE;
    for (size_t i = 0; i < count && err == KITH_OK; i++)
        err = kith__queue_link(&op, queue, nodes[i]);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    /* Named before the lock is released, so that a reaper wakes whom we did not get to wake. */
    kith__store(&self->actor->pending_signal, queue->off);
    kith__step();
    kith__lock_release(self, &root->tail_lock);
    if (err == KITH_OK)
        kith__queue_raise(self, root, (int)count, false);
    kith__step();
    kith__store(&self->actor->pending_signal, 0);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}
