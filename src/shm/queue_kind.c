/*
 * queue_kind.c - a queue as the catalog, the checker and the listing see it.
 */
#include "base/alloc.h"
#include "shm/kind.h"
#include "shm/queue_parts.h"

/* ---- Its end ----------------------------------------------------------------------------- */

static kith_err
lock_queue(struct kith__self *self, const struct kith__object *object,
           struct kith__object_locks *locks)
{
    (void)locks;
    return kith__queue_lock_both(self, object->off);
}

static void
unlock_queue(struct kith__self *self, const struct kith__object *object,
             struct kith__object_locks *locks)
{
    (void)locks;
    kith__queue_unlock_both(self, object->off);
}

static void
end_queue(struct kith__op *op, const struct kith__object *object)
{
    kith__queue_end(op, object->off);
}

/* ---- Its check --------------------------------------------------------------------------- */

struct looked {
    struct kith__walk *w;
    struct kith__queue_root *root;
    uint64_t id;    /* of its nodes and segments */
    uint64_t limit; /* of steps */
    bool whole;     /* else it is being taken apart, and only what is there is marked */
    uint64_t taken; /* lent by gets, of what was looked at */
};

/* Marks a node, and sees whether it is of the queue; NULL if it is none. */
static struct kith__node *
check_node(struct looked *l, uint64_t off, bool lent)
{
    struct kith__node *node = kith__node_at(l->w->arena, off);

    if (node == NULL) {
        kith__walk_violation(l->w,
                             "An item of a queue is said to be at %#llx, outside of the heap.",
                             (unsigned long long)off);
        return NULL;
    }
    if (!kith__walk_mark(l->w, off, "An item of a queue"))
        return NULL;
    if (!l->whole)
        return node;
    if (kith__load(&node->magic) != (KITH__NODE_MAGIC ^ l->id))
        kith__walk_violation(l->w, "The item at %#llx is not of its queue.",
                             (unsigned long long)off);
    if (kith__at(l->w->arena, off, sizeof *node + KITH__META_SIZE(node->meta)) != NULL)
        kith__walk_item(l->w, node->meta, off, node->data);
    if ((kith__load(&node->fence) != 0) != lent)
        kith__walk_violation(l->w, "The item at %#llx %s.", (unsigned long long)off,
                             lent ? "is lent without a fence" : "has a fence and is not lent");
    return node;
}

/* A list of what is lent; how many there are. */
static uint64_t
check_lent(struct looked *l, uint64_t off, uint64_t last, bool timed)
{
    uint64_t n = 0, before = 0, due = 0;

    for (; off != 0 && n <= l->limit; n++) {
        struct kith__node *node = check_node(l, off, true);

        if (node == NULL)
            return n;
        if (l->whole && (kith__load(&node->prev) != before || kith__load(&node->owner) == 0))
            kith__walk_violation(l->w, "The lent item at %#llx has a wrong link or no owner.",
                                 (unsigned long long)off);
        if (l->whole && ((kith__load(&node->due) != 0) != timed || kith__load(&node->due) < due))
            kith__walk_violation(l->w, "The lent item at %#llx is not where its limit belongs.",
                                 (unsigned long long)off);
        l->taken += (kith__load(&node->fence) & KITH__FENCE_TAKEN) != 0;
        due = kith__load(&node->due);
        before = off;
        off = kith__load(&node->next);
    }
    if (l->whole && before != last)
        kith__walk_violation(l->w, "A queue's last lent item is not the last of its list.");
    return n;
}

/* ---- Heaps ---- */

/* Nodes still to be looked at. */
struct pending {
    uint64_t *offs;
    size_t count, room;
};

static bool
push(struct looked *l, struct pending *pending, uint64_t off)
{
    if (off == 0)
        return true;
    if (pending->count == pending->room) {
        size_t room = pending->room != 0 ? 2 * pending->room : 64;
        uint64_t *offs = kith__realloc(pending->offs, room * sizeof *offs);

        if (offs == NULL) {
            l->w->err = KITH_ENOMEM;
            l->w->marks_failed = true;
            return false;
        }
        pending->offs = offs;
        pending->room = room;
    }
    pending->offs[pending->count++] = off;
    return true;
}

/* Whether `below` may hang below `node`. */
static bool
in_order(enum kith__heap which, const struct kith__node *node, const struct kith__node *below)
{
    int64_t a = (int64_t)kith__load(&node->priority), b = (int64_t)kith__load(&below->priority);
    uint64_t x = kith__load(&node->ticket), y = kith__load(&below->ticket);

    if (which == KITH__HEAP_DELAYED)
        return kith__load(&node->due) <= kith__load(&below->due);
    if (a != b)
        return a > b;
    return x != y ? x < y : kith__load(&node->order) < kith__load(&below->order);
}

static uint64_t
rank_of(const struct kith__node *node)
{
    return node != NULL ? kith__load(&node->rank) : 0;
}

static void
check_heap_node(struct looked *l, uint64_t off, const struct kith__node *node,
                enum kith__heap which)
{
    const struct kith__node *left = kith__node_at(l->w->arena, kith__load(&node->next));
    const struct kith__node *right = kith__node_at(l->w->arena, kith__load(&node->prev));

    if ((left != NULL && !in_order(which, node, left)) ||
        (right != NULL && !in_order(which, node, right)))
        kith__walk_violation(l->w, "The item at %#llx is out of order.", (unsigned long long)off);
    if (rank_of(left) < rank_of(right) || rank_of(node) != rank_of(right) + 1)
        kith__walk_violation(l->w, "The item at %#llx has a wrong rank.", (unsigned long long)off);
    if ((kith__load(&node->due) != 0) != (which == KITH__HEAP_DELAYED))
        kith__walk_violation(l->w, "The item at %#llx is %s.", (unsigned long long)off,
                             which == KITH__HEAP_DELAYED ? "delayed for no time"
                                                         : "ready and has a time");
}

static uint64_t
check_heap(struct looked *l, uint64_t top, enum kith__heap which)
{
    struct pending pending = { NULL, 0, 0 };
    uint64_t n = 0;

    push(l, &pending, top);
    while (pending.count > 0 && n <= l->limit) {
        uint64_t off = pending.offs[--pending.count];
        struct kith__node *node = check_node(l, off, false);

        if (node == NULL)
            continue;
        n++;
        if (l->whole)
            check_heap_node(l, off, node, which);
        if (!push(l, &pending, kith__load(&node->next)) ||
            !push(l, &pending, kith__load(&node->prev)))
            break;
    }
    kith__free(pending.offs);
    return n;
}

/* ---- The stream ---- */

/* The records of one segment from `head` on; where the next one's begin. */
static uint64_t
check_records(struct looked *l, struct kith__queue_segment *segment, uint64_t head, uint64_t tail)
{
    while (KITH__PLACE_COUNT(head) < KITH__PLACE_COUNT(tail) &&
           KITH__PLACE_AT(head) < segment->units) {
        const struct kith__record *record =
            (void *)((uint8_t *)segment + KITH__PLACE_AT(head) * KITH__UNIT);
        unsigned type = KITH__META_TYPE(kith__load(&record->meta));
        uint64_t node, units = kith__record_units(record);

        if (type == KITH__RECORD_END)
            return KITH__PLACE(KITH__PLACE_COUNT(head), KITH__SEGMENT_FIRST);
        if (type > KITH_TYPE_REFERENCE && type != KITH__RECORD_NODE) {
            kith__walk_violation(l->w, "A record of a queue is of no type.");
            return tail;
        }
        if (KITH__PLACE_AT(head) + units > segment->units) {
            kith__walk_violation(l->w, "A record of a queue is longer than its segment.");
            return tail;
        }
        if (type == KITH_TYPE_REFERENCE)
            kith__walk_item(l->w, kith__load(&record->meta), 0, record->data);
        node = kith__load((const kith__word *)(const void *)record->data);
        if (type == KITH__RECORD_NODE && (l->whole || node != 0))
            check_node(l, node, false);
        head += KITH__PLACE(1, units);
    }
    return head;
}

static void
check_stream(struct looked *l)
{
    struct kith__queue_root *root = l->root;
    struct kith__arena *arena = l->w->arena;
    uint64_t head = kith__load(&root->head), tail = kith__load(&root->tail);
    uint64_t off = kith__load(&root->head_segment), last = kith__load(&root->tail_segment);

    if (kith__load(&root->keeps) != 0)
        kith__walk_mark(l->w, kith__load(&root->keeps), "What keeps a queue's dead letters");
    if (kith__load(&root->spare) != 0)
        kith__walk_mark(l->w, kith__load(&root->spare), "A queue's spare segment");
    if (kith__load(&root->reserve) != 0)
        kith__walk_mark(l->w, kith__load(&root->reserve), "A queue's reserve");
    if (off == 0)
        off = kith__load(&root->first);
    for (uint64_t steps = 0; off != 0 && steps <= l->limit; steps++) {
        struct kith__queue_segment *segment = kith__segment_at(arena, off, l->id);

        if (!kith__walk_mark(l->w, off, "A segment of a queue"))
            return;
        if (segment == NULL) {
            kith__walk_violation(l->w, "The segment at %#llx is not of its queue.",
                                 (unsigned long long)off);
            return;
        }
        head = check_records(l, segment, head, tail);
        if (off == last)
            break;
        off = kith__load(&segment->next);
    }
    if (l->whole && head != tail)
        kith__walk_violation(l->w, "A queue's stream does not end where its tail is.");
    if (l->whole && kith__load(&root->seen) > KITH__PLACE_COUNT(tail))
        kith__walk_violation(l->w, "A queue's getters have seen items that were never put.");
}

/* Q5, for those that have a capacity which a count could ever reach. */
static void
check_room(struct kith__walk *w, const struct kith__queue_root *root)
{
    uint64_t head = KITH__PLACE_COUNT(kith__load(&root->head)), nodes = kith__load(&root->nodes);
    uint64_t most = head + root->capacity > nodes ? head + root->capacity - nodes : 0;

    if (root->capacity != 0 && root->capacity <= KITH__PLACE_COUNT(UINT64_MAX) &&
        kith__load(&root->room_until) > most)
        kith__walk_violation(w, "A queue believes in more room than it has.");
}

static void
check_queue(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__queue_root *root = kith__ptr(w->arena, off);
    struct looked l = { w,
                        root,
                        kith__load(whole ? &root->id : &root->was),
                        w->arena->size / sizeof(struct kith__node),
                        whole,
                        0 };
    uint64_t lent, delayed, ready, due = kith__load(&root->next_due), earliest = 0;
    const kith__word *dues[] = { &root->delayed, &root->timed_first };

    lent = check_lent(&l, kith__load(&root->lent_first), kith__load(&root->lent_last), false);
    lent += check_lent(&l, kith__load(&root->timed_first), kith__load(&root->timed_last), true);
    ready = check_heap(&l, kith__load(&root->ready), KITH__HEAP_READY);
    delayed = check_heap(&l, kith__load(&root->delayed), KITH__HEAP_DELAYED);
    check_stream(&l);
    if (!whole) {
        for (uint64_t at = kith__load(&root->orphans), steps = 0; at != 0 && steps <= l.limit;
             steps++) {
            struct kith__node *node = kith__node_at(w->arena, at);

            check_heap(&l, at, KITH__HEAP_READY);
            at = node != NULL ? kith__load(&node->fence) : 0;
        }
        return;
    }
    if (lent != kith__load(&root->lent_count) || delayed != kith__load(&root->delayed_count) ||
        lent + delayed + ready != kith__load(&root->nodes))
        kith__walk_violation(
            w, "A queue counts %llu lent, %llu delayed, %llu set apart, and has %llu, %llu, %llu.",
            (unsigned long long)kith__load(&root->lent_count),
            (unsigned long long)kith__load(&root->delayed_count),
            (unsigned long long)kith__load(&root->nodes), (unsigned long long)lent,
            (unsigned long long)delayed, (unsigned long long)(lent + delayed + ready));
    if (l.taken != kith__load(&root->taken) || (l.taken != 0 && root->lending == 0))
        kith__walk_violation(w, "A queue counts %llu items taken by gets, and has %llu.",
                             (unsigned long long)kith__load(&root->taken),
                             (unsigned long long)l.taken);
    for (unsigned i = 0; i < 2; i++) {
        const struct kith__node *node = kith__node_at(w->arena, kith__load(dues[i]));

        if (node != NULL && (earliest == 0 || kith__load(&node->due) < earliest))
            earliest = kith__load(&node->due);
    }
    if (due != earliest)
        kith__walk_violation(w, "A queue does not know when its next item is due.");
    check_room(w, root);
}

static void
want_queue(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__queue_root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_HEAD)
        kith__walk_want(w, &root->head_lock);
    else if (rank == KITH__RANK_TAIL)
        kith__walk_want(w, &root->tail_lock);
}

static kith_err
describe_queue(struct kith__self *self, struct kith__arena *arena,
               const struct kith__object *object, struct kith_info *info)
{
    struct kith__queue queue = { arena, object->off, object->id };
    struct kith__queue_root *root = kith__queue_root(&queue);
    struct kith__queue_counts counts;
    kith_err err = kith__queue_look(&queue, &counts);

    (void)self;
    if (err < 0)
        return err;
    info->items = counts.total;
    /* Items are not walked for an estimate: short ones, with their heads. */
    info->bytes = sizeof(*root) + info->items * 64;
    info->created_ns = root->created_ns;
    return KITH_OK;
}

const struct kith__kind kith__queue_kind = {
    .class_index = KITH__CLASS_QUEUE,
    .references_at = offsetof(struct kith__queue_root, references),
    .lock = lock_queue,
    .unlock = unlock_queue,
    .end = end_queue,
    .wake_all = kith__queue_wake_all,
    .dismantle = kith__queue_dismantle,
    .want = want_queue,
    .check = check_queue,
    .describe = describe_queue,
};
