/*
 * queue_parts.h - what the files of the queue know of each other.
 */
#ifndef KITH__SHM_QUEUE_PARTS_H
#define KITH__SHM_QUEUE_PARTS_H

#include <string.h>

#include "base/item.h"
#include "shm/boot.h"
#include "shm/queue.h"

kith_err kith__queue_broken(const struct kith__arena *arena);

/* Locks one of the queue's locks; KITH_EGONE: it is another's by now. */
static inline kith_err
kith__queue_lock(struct kith__self *self, const struct kith__queue *queue, struct kith__lock *lock)
{
    kith_err err = kith__lock_acquire(self, lock);

    if (err == KITH_OK && kith__load(&kith__queue_root(queue)->id) != queue->id) {
        kith__lock_release(self, lock);
        return KITH_EGONE;
    }
    return err;
}

/* Named before a lock is released, so that a reaper wakes whom we did not get to wake. */
static inline void
kith__queue_owe(struct kith__self *self, const struct kith__queue *queue)
{
    kith__store(&self->actor->pending_signal, queue->off);
    kith__step();
}

static inline void
kith__queue_owe_nothing(struct kith__self *self)
{
    kith__step();
    kith__store(&self->actor->pending_signal, 0);
}

/* ---- Time, of the arena's clock ----------------------------------------------------------- */

static inline uint64_t
kith__due_after(const struct kith__arena *arena, int64_t ns)
{
    int64_t due;

    if (__builtin_add_overflow(kith__arena_now_ns(arena), ns, &due))
        due = INT64_MAX;
    return due > 0 ? (uint64_t)due : 1; /* 0 is never */
}

static inline bool
kith__is_due(const struct kith__arena *arena, uint64_t due)
{
    return due != 0 && kith__arena_now_ns(arena) >= (int64_t)due;
}

/*
 * Every item of the queue.  What moves from the stream to a node is for a moment counted twice,
 * never not at all: see queue.c, Q4.
 */
static inline uint64_t
kith__queue_total(const struct kith__queue_root *root)
{
    uint64_t left = KITH__PLACE_COUNT(kith__load_acquire(&root->head));
    uint64_t nodes = kith__load_acquire(&root->nodes);

    return KITH__PLACE_COUNT(kith__load_acquire(&root->tail)) - left + nodes;
}

static inline struct kith__node *
kith__node_at(const struct kith__arena *arena, uint64_t off)
{
    return kith__at(arena, off, sizeof(struct kith__node));
}

/* ---- Nodes, and heaps of them (queue_order.c) --------------------------------------------- */

/* How large an item is with its tag; SIZE_MAX: larger than any arena. */
static inline size_t
kith__payload(const struct kith_item *item, size_t *tag_out)
{
    *tag_out = kith__item_tag_size(item);
    if (item->type <= KITH_TYPE_FLOAT)
        return 8;
    return item->size > KITH__ITEM_MAX ? SIZE_MAX : item->size + *tag_out;
}

/*
 * Whether an item of so many bytes stands in the stream itself.  A reference does not: it is a
 * block that is counted, and so it is a node.
 */
static inline bool
kith__in_stream(const struct kith_item *item, size_t payload)
{
    return payload <= KITH__INLINE_MAX && item->type != KITH_TYPE_REFERENCE;
}

/* Writes an item's bytes; returns the meta of it. */
static inline uint64_t
kith__item_write(const struct kith_item *item, size_t tag, uint8_t *data)
{
    uint64_t word = 0;

    if (item->type > KITH_TYPE_FLOAT) {
        if (tag > 0)
            memcpy(data, item->tag, tag);
        kith__item_copy(item, data + tag);
        return KITH__META(kith__item_type(item), tag, item->size);
    }
    if (item->type == KITH_TYPE_BOOL)
        word = item->boolean;
    else if (item->type != KITH_TYPE_NONE)
        word = (uint64_t)item->integer;
    memcpy(data, &word, sizeof word);
    return KITH__META(item->type, 0, sizeof word);
}

/* Reads one that has `room` bytes; false if it is none.  `tag` has KITH_TAG_SIZE_MAX + 1 bytes. */
static inline bool
kith__item_read(uint64_t meta, const uint8_t *data, uint64_t room, struct kith_item *item,
                char *tag)
{
    size_t tag_size = KITH__META_TAG(meta), size = KITH__META_SIZE(meta);
    uint64_t word;

    if (KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE || tag_size > KITH_TAG_SIZE_MAX ||
        tag_size + size > room)
        return false;
    memset(item, 0, sizeof *item);
    item->type = (kith_type)KITH__META_TYPE(meta);
    if (item->type <= KITH_TYPE_FLOAT) {
        memcpy(&word, data, sizeof word);
        if (item->type == KITH_TYPE_BOOL)
            item->boolean = word != 0;
        else if (item->type != KITH_TYPE_NONE)
            item->integer = (int64_t)word;
        return true;
    }
    if (item->type == KITH_TYPE_FOREIGN) {
        memcpy(tag, data, tag_size);
        tag[tag_size] = '\0';
        item->tag = tag;
    }
    item->data = data + tag_size;
    item->size = size;
    return true;
}

/* Room for a node of any item that stands in the stream. */
#define KITH__RESERVE_SIZE (sizeof(struct kith__node) + KITH__INLINE_MAX)

/* Makes a block a node with a copy of the item. */
void kith__node_write(struct kith__node *node, uint64_t queue_id, const struct kith_item *item,
                      size_t tag);
/* A node with a copy of the item, not linked yet. */
kith_err kith__queue_node(struct kith__op *op, uint64_t queue_id, const struct kith_item *item,
                          uint64_t *node_out);
kith_err kith__node_read(const struct kith__queue *queue, struct kith__node *node,
                         struct kith_item *item_out, char *tag);

/* Which heap: of what is ready, by priority and place; or of what is delayed, by time. */
enum kith__heap { KITH__HEAP_READY, KITH__HEAP_DELAYED };

kith_err kith__heap_push(struct kith__op *op, kith__word *heap, enum kith__heap which,
                         struct kith__node *node);
/* The heap must not be empty. */
kith_err kith__heap_pop(struct kith__op *op, kith__word *heap, enum kith__heap which,
                        struct kith__node **node_out);

/* Puts a node with a place of its own where it belongs, and counts it; head lock held. */
kith_err kith__queue_place(struct kith__op *op, struct kith__queue_root *root,
                           struct kith__node *node);
/* Writes the earliest end of a delay or a lease down. */
kith_err kith__queue_note_due(struct kith__op *op, struct kith__queue_root *root);
/*
 * Head lock held, no record begun, no tail lock held: what is due becomes ready, or comes back.
 * Each item is a record of its own.
 */
kith_err kith__queue_settle(struct kith__self *self, const struct kith__queue *queue);

/* ---- The stream (queue_stream.c) ---------------------------------------------------------- */

static inline struct kith__queue_segment *
kith__segment_at(const struct kith__arena *arena, uint64_t off, uint64_t id)
{
    struct kith__queue_segment *segment = kith__at(arena, off, sizeof *segment);

    if (segment == NULL || segment->magic != (KITH__SEGMENT_MAGIC ^ id ^ off) ||
        segment->units > KITH__PLACE_AT(UINT64_MAX) ||
        kith__at(arena, off, segment->units * KITH__UNIT) == NULL)
        return NULL;
    return segment;
}

/* Where a putter is: private, while it holds the tail lock. */
struct kith__writer {
    struct kith__arena *arena;
    struct kith__queue_root *root;
    uint64_t id;
    struct kith__queue_segment *segment; /* NULL: there is none yet */
    uint64_t tail;
    bool moved; /* to another segment: that takes a record */
};

static inline kith_err
kith__writer_begin(struct kith__writer *w, const struct kith__op *op, struct kith__arena *arena,
                   struct kith__queue_root *root, uint64_t id)
{
    uint64_t off;

    w->arena = arena;
    w->root = root;
    w->id = id;
    w->moved = false;
    w->tail = op != NULL ? kith__op_get(op, &root->tail) : kith__load(&root->tail);
    off = op != NULL ? kith__op_get(op, &root->tail_segment) : kith__load(&root->tail_segment);
    w->segment = off != 0 ? kith__segment_at(arena, off, id) : NULL;
    if (off != 0 && (w->segment == NULL || KITH__PLACE_AT(w->tail) >= w->segment->units))
        return kith__queue_broken(arena);
    return KITH_OK;
}

/* Goes on in another segment, with room for `units`. */
kith_err kith__writer_move(struct kith__writer *w, struct kith__op *op, uint64_t units);
/* Writes down where the tail is now. */
void kith__writer_end(struct kith__writer *w, struct kith__op *op);
/* Appends a record that names a node. */
kith_err kith__writer_node(struct kith__writer *w, struct kith__op *op, uint64_t node_off);

static inline uint64_t
kith__units_of(size_t payload)
{
    return (sizeof(struct kith__record) + payload + KITH__UNIT - 1) / KITH__UNIT;
}

/* How long a record is; of one that was overwritten, some number that stays a place. */
static inline uint64_t
kith__record_units(const struct kith__record *record)
{
    uint64_t meta = kith__load(&record->meta);
    uint64_t units = KITH__META_TYPE(meta) == KITH__RECORD_NODE
                         ? kith__units_of(sizeof(uint64_t))
                         : kith__units_of(KITH__META_TAG(meta) + KITH__META_SIZE(meta));

    return KITH__PLACE_AT(units);
}

/* Room for the next record; NULL: it is for kith__writer_move(). */
static inline struct kith__record *
kith__writer_room(const struct kith__writer *w, uint64_t units)
{
    uint64_t at = KITH__PLACE_AT(w->tail);

    /* One unit stays for the mark of the end. */
    if (w->segment == NULL || at + units + 1 > w->segment->units)
        return NULL;
    return (struct kith__record *)(void *)((uint8_t *)w->segment + at * KITH__UNIT);
}

static inline void
kith__writer_step(struct kith__writer *w, uint64_t units)
{
    w->tail += KITH__PLACE(1, units);
}

/* Where a getter is: private, while it holds the head lock. */
struct kith__reader {
    const struct kith__queue *queue;
    struct kith__op *op;
    struct kith__queue_segment *segment; /* NULL: not looked at yet */
    uint64_t head;
    uint64_t limit; /* the tail's count */
    uint64_t room;  /* bytes of the record looked at */
    bool recording; /* a record is begun; else a store of head is all */
    bool moved;     /* the segment is another one */
    bool both;      /* the tail lock is held too */
};

static inline void
kith__reader_begin(struct kith__reader *r, struct kith__op *op, struct kith__self *self,
                   const struct kith__queue *queue)
{
    struct kith__queue_root *root = kith__queue_root(queue);

    op->self = self;
    r->queue = queue;
    r->op = op;
    r->segment = NULL;
    r->head = kith__load(&root->head);
    r->limit = kith__load(&root->seen);
    r->recording = r->moved = r->both = false;
}

/* From here on what is taken is a record. */
static inline void
kith__reader_record(struct kith__reader *r)
{
    if (!r->recording)
        kith__op_begin(r->op, r->op->self);
    r->recording = true;
}

/* The mark of the end is reached: goes on in the next segment. */
kith_err kith__reader_move(struct kith__reader *r);

/* The oldest item of the stream; KITH_EEMPTY. */
static inline kith_err
kith__reader_look(struct kith__reader *r, struct kith__record **record_out)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);
    uint64_t off;

    if (KITH__PLACE_COUNT(r->head) >= r->limit) {
        /* Only now: the putters' line is read once for all that they have put meanwhile. */
        r->limit = KITH__PLACE_COUNT(kith__load_acquire(&root->tail));
        kith__store(&root->seen, r->limit);
        if (KITH__PLACE_COUNT(r->head) >= r->limit)
            return KITH_EEMPTY;
    }
    if (r->segment == NULL) {
        off = kith__load(&root->head_segment);
        if (off == 0)
            off = kith__load(&root->first);
        r->segment = kith__segment_at(r->queue->arena, off, r->queue->id);
        if (r->segment == NULL)
            return kith__queue_broken(r->queue->arena);
    }
    for (;;) {
        uint64_t at = KITH__PLACE_AT(r->head);
        struct kith__record *record =
            (struct kith__record *)(void *)((uint8_t *)r->segment + at * KITH__UNIT);
        kith_err err;

        if (at >= r->segment->units)
            return kith__queue_broken(r->queue->arena);
        if (KITH__META_TYPE(kith__load(&record->meta)) != KITH__RECORD_END) {
            r->room = (r->segment->units - at) * KITH__UNIT - sizeof *record;
            *record_out = record;
            return KITH_OK;
        }
        err = kith__reader_move(r);
        if (err < 0)
            return err;
    }
}

/* Goes past it. */
static inline void
kith__reader_step(struct kith__reader *r, const struct kith__record *record)
{
    r->head += KITH__PLACE(1, kith__record_units(record));
}

/* Writes down where the head is now, by a store or in the record. */
static inline void
kith__reader_end(struct kith__reader *r)
{
    struct kith__queue_root *root = kith__queue_root(r->queue);

    if (!r->recording) {
        kith__store_release(&root->head, r->head);
        return;
    }
    if (r->moved)
        kith__op_set(r->op, &root->head_segment, kith__off(r->queue->arena, r->segment));
    if (r->head != kith__load(&root->head))
        kith__op_set(r->op, &root->head, r->head);
}

/* What a getter found: a record of the stream, or a node. */
struct kith__pick {
    struct kith__record *record; /* NULL: not of the stream */
    struct kith__node *node;     /* NULL: in the record itself */
};

/* ---- Waking and waiting (queue.c) --------------------------------------------------------- */

/*
 * The signals of getters and of putters are raised with a fence, and joined without a barrier:
 * theirs is the way on which work is handed over, and the barrier would make each sleep a tenth
 * longer.
 *
 * kith__queue_raise(), in line for those that put and get.
 */
static inline void
kith__queue_tell(struct kith__self *self, struct kith__queue_root *root, int items, bool left)
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

/* The deadline of a sleep: the caller's, or sooner, when something becomes due. */
int64_t kith__queue_sleep_until(const struct kith__queue *queue, int64_t deadline_ns);
/* Whether something is to be handed back or made ready, which anybody may do. */
bool kith__queue_is_due(const struct kith__queue *queue);
/* Sleeps on `signal` unless `ready`; KITH_OK: look again. */
kith_err kith__queue_wait(struct kith__self *self, _Atomic uint32_t *signal, int64_t deadline_ns,
                          bool (*ready)(const struct kith__queue *queue, size_t count),
                          const struct kith__queue *queue, size_t count, const kith__word *counter);

/* ---- Getting (queue_get.c) ---------------------------------------------------------------- */

/* Head lock held: what comes next; KITH_EEMPTY. */
kith_err kith__queue_next(struct kith__reader *r, struct kith__pick *found_out);
kith_err kith__pick_read(const struct kith__reader *r, const struct kith__pick *found,
                         struct kith_item *item_out, char *tag);
/* Writes down that it leaves the stream or its heap; *node_out is the caller's then. */
kith_err kith__queue_take(struct kith__reader *r, const struct kith__pick *found);

/* Locks the head, hands back what is due, begins. */
kith_err kith__queue_begin_get(struct kith__reader *r, struct kith__op *op, struct kith__self *self,
                               const struct kith__queue *queue);
kith_err kith__queue_commit_get(struct kith__reader *r);
void kith__queue_end_get(struct kith__reader *r, struct kith__self *self);

/* Repeats `once` until it has something, the queue ends, or the time does. */
kith_err kith__queue_get_with(struct kith__self *self, const struct kith__queue *queue,
                              int64_t deadline_ns,
                              kith_err (*once)(struct kith__self *self,
                                               const struct kith__queue *queue, void *arg),
                              void *arg);

/* ---- Lending (queue_lease.c) -------------------------------------------------------------- */

struct kith__lending {
    int64_t limit_ns; /* below 0: none */
    bool taken;       /* by a get, which has no lease to show */
    struct kith_buf *item_out;
    struct kith__lent *lent_out;
};
/* Head lock held: writes down that what was found is lent; its number of attempts grows. */
kith_err kith__queue_lend(struct kith__reader *r, const struct kith__pick *found,
                          const struct kith__lending *how);
/* Written down: a node that is lent, or was ready and is in no heap, leaves for good. */
kith_err kith__queue_let_go(struct kith__op *op, const struct kith__queue *queue,
                            struct kith__node *node);
/* Head lock held: the oldest lease without a limit that gets took for `owner`, or for anybody (0).
 */
struct kith__node *kith__queue_oldest_taken(const struct kith__queue *queue, uint64_t owner);
/* Head lock held, no record begun: of what gets took, more than are kept are gone for good. */
kith_err kith__queue_keep_few(struct kith__self *self, const struct kith__queue *queue);

/*
 * Head lock held: a lent node goes back to its place, or to the dead letters, whose tail lock is
 * then taken, and released by the caller after *letters_out is set.
 */
kith_err kith__queue_hand_back(struct kith__op *op, const struct kith__queue *queue,
                               struct kith__node *node, struct kith__queue_root **letters_out);

#endif /* KITH__SHM_QUEUE_PARTS_H */
