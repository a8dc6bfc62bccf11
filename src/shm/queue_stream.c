/*
 * queue_stream.c - small items in the order of putting: segments of records.
 *
 * LAYOUT   segment: header, records one behind the other, the mark of the end.  record: the meta of
 *          an item and its bytes, or the offset of a node.  Segments hang in a list by `next`, from
 *          the head's to the tail's.  `head` and `tail` are places: a count, and where in the
 *          segment.  What is before `head` is gone, what is behind `tail` does not exist yet,
 *          whatever bytes are there.
 *
 * INVARIANTS, outside of records
 *   S1  tail's count - head's count records stand from head to tail
 *   S2  a segment that is not the last ends in a mark, and its `next` is another one
 *   S3  `spare` is a segment of this queue that is not in the list
 *   S4  `reserve` is a block of KITH__RESERVE_SIZE; 0: it was lent, and the next segment brings one
 *
 * STEPS    The tail lock is held by who appends, the head lock by who takes.
 *   append   B1 the record is written behind the tail   B2 one store of tail
 *   take     B3 the record is copied out   B4 one store of head
 *   A new segment, a node, or several queues at once: B2 and B4 are words of a record instead.
 *   B1 writes the mark and the link to the next segment as well: they stand behind the tail too.
 *   A segment that has been read becomes the spare one, for which the getter takes the tail lock
 *   too, once for a whole segment.
 * DEATH    up to B2, B4 nothing happened; from there on it did.
 *
 * LIMITS   A queue keeps its last segment, a spare one and the reserve: at most 34 KiB if it was
 *          ever deep, 10 KiB if not.  Segments double up to 4 KiB, and to 16 KiB while the getters
 * are behind by a whole one.
 */
#include "base/error.h"
#include "shm/queue_parts.h"

#define SIZE_MIN UINT64_C(1024)
#define SIZE_SHALLOW UINT64_C(4096)
#define SIZE_DEEP UINT64_C(16384)

kith_err
kith__queue_broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A queue in %s breaks an invariant; run kith check.",
                      arena->path ? arena->path : "the mem:// space");
}

/* ---- Appending ---------------------------------------------------------------------------- */

/* Whether the getters are at another segment: a hint. */
static bool
is_deep(const struct kith__queue_root *root, uint64_t tail_segment)
{
    uint64_t at = kith__load(&root->head_segment);

    return (at != 0 ? at : kith__load(&root->first)) != tail_segment;
}

/* A segment of one's own, spare or fresh, with room for `units`. */
static kith_err
take_segment(struct kith__writer *w, struct kith__op *op, uint64_t units, uint64_t *off_out)
{
    struct kith__arena *arena = w->arena;
    struct kith__queue_root *root = w->root;
    uint64_t was = w->segment != NULL ? w->segment->units * KITH__UNIT : 0;
    uint64_t most = w->segment != NULL && is_deep(root, kith__off(arena, w->segment))
                        ? SIZE_DEEP
                        : SIZE_SHALLOW;
    uint64_t size = 2 * was < most ? 2 * was : most, need = units + KITH__SEGMENT_FIRST + 1;
    uint64_t spare = kith__op_get(op, &root->spare);
    struct kith__queue_segment *segment = NULL;

    if (spare != 0) {
        segment = kith__segment_at(arena, spare, w->id);
        if (segment == NULL)
            return kith__queue_broken(arena);
        kith__op_set(op, &root->spare, 0);
        if (segment->units >= need && (segment->units * KITH__UNIT >= size || size <= was)) {
            *off_out = spare;
            return op->err;
        }
        kith__op_give(op, spare);
    }
    if (size < SIZE_MIN)
        size = SIZE_MIN;
    if (size < need * KITH__UNIT)
        size = need * KITH__UNIT;
    if (kith__op_take(op, size, off_out) < 0)
        return op->err;
    segment = kith__ptr(arena, *off_out);
    segment->magic = KITH__SEGMENT_MAGIC ^ w->id ^ *off_out;
    segment->units = size / KITH__UNIT;
    segment->spare = 0;
    return KITH_OK;
}

kith_err
kith__writer_move(struct kith__writer *w, struct kith__op *op, uint64_t units)
{
    uint64_t off, reserve;
    kith_err err = take_segment(w, op, units, &off);

    /* Who puts must find memory, so that who lends need not. */
    if (err == KITH_OK && kith__op_get(op, &w->root->reserve) == 0) {
        err = kith__op_take(op, KITH__RESERVE_SIZE, &reserve);
        if (err == KITH_OK) {
            kith__op_set(op, &w->root->reserve, reserve);
        } else if (err == KITH_ENOMEM) {
            /* Whoever goes on without this move still commits: then the segment is no one's. */
            op->err = KITH_OK;
            kith__op_give(op, off);
            op->err = err;
        }
    }
    if (err < 0)
        return err;
    if (w->segment != NULL) {
        struct kith__record *mark =
            (void *)((uint8_t *)w->segment + KITH__PLACE_AT(w->tail) * KITH__UNIT);

        kith__store(&mark->meta, KITH__RECORD_END);
        kith__store(&w->segment->next, off);
    } else {
        kith__op_set(op, &w->root->first, off);
    }
    w->segment = kith__ptr(w->arena, off);
    w->tail = KITH__PLACE(KITH__PLACE_COUNT(w->tail), KITH__SEGMENT_FIRST);
    w->moved = true;
    return KITH_OK;
}

void
kith__writer_end(struct kith__writer *w, struct kith__op *op)
{
    if (w->moved)
        kith__op_set(op, &w->root->tail_segment, kith__off(w->arena, w->segment));
    kith__op_set(op, &w->root->tail, w->tail);
}

kith_err
kith__writer_node(struct kith__writer *w, struct kith__op *op, uint64_t node_off)
{
    uint64_t units = kith__units_of(sizeof node_off);
    struct kith__record *record = kith__writer_room(w, units);

    if (record == NULL) {
        kith_err err = kith__writer_move(w, op, units);

        if (err < 0)
            return err;
        record = kith__writer_room(w, units);
    }
    kith__store(&record->meta, KITH__RECORD_NODE);
    kith__store((kith__word *)(void *)record->data, node_off);
    kith__writer_step(w, units);
    return KITH_OK;
}

/* ---- Taking ------------------------------------------------------------------------------- */

kith_err
kith__reader_move(struct kith__reader *r)
{
    const struct kith__queue *queue = r->queue;
    struct kith__arena *arena = queue->arena;
    struct kith__queue_root *root = kith__queue_root(queue);
    struct kith__queue_segment *next = kith__segment_at(arena, kith__load(&r->segment->next),
                                                        queue->id),
                               *last;
    uint64_t off = kith__off(arena, r->segment);

    if (next == NULL)
        return kith__queue_broken(arena);
    kith__reader_record(r);
    if (!r->both) {
        kith_err err = kith__lock_acquire(r->op->self, &root->tail_lock);

        if (err < 0)
            return err;
        r->both = true;
    }
    /* Kept only if it is as large as those in use, so that they grow. */
    last = kith__segment_at(arena, kith__load(&root->tail_segment), queue->id);
    if (kith__op_get(r->op, &root->spare) == 0 && last != NULL && r->segment->units >= last->units)
        kith__op_set(r->op, &root->spare, off);
#ifndef KITH_MISTAKE_SEGMENT_OF_TWO
    else
#endif
        kith__op_give(r->op, off);
    r->segment = next;
    r->head = KITH__PLACE(KITH__PLACE_COUNT(r->head), KITH__SEGMENT_FIRST);
    r->moved = true;
    return r->op->err;
}
