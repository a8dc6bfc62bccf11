/*
 * queue_stage.h - a queue in an arena of its own, for the tests of the files that a queue is made
 * of.
 */
#ifndef KITH_TEST_UNIT_QUEUE_STAGE_H
#define KITH_TEST_UNIT_QUEUE_STAGE_H

#include "base/buf.h"
#include "checked.h"
#include "shm/queue_parts.h"

#define NS_PER_S INT64_C(1000000000)
#define LARGE 2000u /* bytes: more than stand in the stream */

static struct stage stage;
static struct kith__queue queue;
static struct kith__queue_root *root;

static inline void
make_with(struct kith__queue_making *making)
{
    struct kith__root_ref ref;

    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_QUEUE, kith__queue_init, making);
    queue = (struct kith__queue){ stage.arena, ref.off, ref.id };
    root = kith__queue_root(&queue);
}

static inline void
make_queue(uint64_t capacity)
{
    make_with(&(struct kith__queue_making){ .capacity = capacity });
}

static inline void
close_queue(void)
{
    put_away(&stage);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* A queue that has attempts_max, and another one for dead letters. */
static inline struct kith__queue
make_with_letters(uint32_t attempts_max)
{
    struct kith__queue_making plain = { 0 };
    struct kith__object object = { 0 };
    struct kith__queue letters;

    stage = stage_open();
    EXPECT_OK(kith__catalog_open(stage.self, "letters", KITH_KIND_QUEUE, KITH_MUST_CREATE,
                                 kith__queue_init, &plain, &object));
    letters = (struct kith__queue){ stage.arena, object.off, object.id };
    plain.attempts_max = attempts_max;
    plain.dead_letter = object.off;
    plain.dead_letter_id = object.id;
    EXPECT_OK(kith__catalog_open(stage.self, kith_kind_name(KITH_KIND_QUEUE), KITH_KIND_QUEUE,
                                 KITH_MUST_CREATE, kith__queue_init, &plain, &object));
    queue = (struct kith__queue){ stage.arena, object.off, object.id };
    root = kith__queue_root(&queue);
    return letters;
}

static inline void
pass_time(int64_t seconds)
{
    stage.arena->clock_shift_ns += seconds * NS_PER_S;
}

/* ---- Items -------------------------------------------------------------------------------- */

static inline kith_err
put_item(struct kith_item item)
{
    return kith__queue_put(stage.self, &queue, &item, 1, 0);
}

static inline void
put_ints(int64_t from, int64_t to)
{
    for (int64_t n = from; n < to; n++)
        EXPECT_OK(put_item(KITH_INT(n)));
}

/* An int in a node of its own, with a priority or after a delay. */
static inline void
put_aside(int64_t n, int64_t priority, int64_t seconds)
{
    struct kith__put_how how = { .priority = priority, .delay_ns = seconds * NS_PER_S };
    struct kith_item item = KITH_INT(n);

    EXPECT_OK(kith__queue_put_with(stage.self, &queue, &item, &how, 0));
}

static inline kith_err
get_from(const struct kith__queue *from, struct kith_buf *out)
{
    size_t got = 0;

    return kith__queue_get(stage.self, from, 1, 0, out, &got);
}

static inline int64_t
get_int(void)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t n;

    EXPECT_OK(get_from(&queue, &buf));
    assert_int_equal(KITH_TYPE_INT, buf.item.type);
    n = buf.item.integer;
    kith_buf_free(&buf);
    return n;
}

static inline void
get_ints(int64_t from, int64_t to)
{
    for (int64_t n = from; n < to; n++)
        assert_int_equal(n, get_int());
}

static inline void
expect_empty(void)
{
    EXPECT_RC(KITH_EEMPTY, get_from(&queue, NULL));
}

/* Leases the next item, which is n; `seconds` < 0: for as long as this process lives. */
static inline struct kith__lent
lease_int(int64_t n, int64_t seconds)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__lent lent = { 0 };

    EXPECT_OK(kith__queue_lease(stage.self, &queue, seconds < 0 ? -1 : seconds * NS_PER_S, 0, &buf,
                                &lent));
    assert_int_equal(n, buf.item.integer);
    kith_buf_free(&buf);
    return lent;
}

static inline struct kith__node *
node_of(uint64_t off)
{
    struct kith__node *node = kith__ptr(stage.arena, off);

    assert_ptr_equal(node, kith__node_at(stage.arena, off));
    return node;
}

static inline struct kith__queue_segment *
segment_of(uint64_t off)
{
    struct kith__queue_segment *segment = kith__ptr(stage.arena, off);

    assert_ptr_equal(segment, kith__segment_at(stage.arena, off, queue.id));
    return segment;
}

static inline struct kith__queue_counts
counts(void)
{
    struct kith__queue_counts now = { 0 };

    EXPECT_OK(kith__queue_look(&queue, &now));
    return now;
}

/* Puts bytes of every size until there is memory for none; how many items that were. */
static inline uint64_t
put_until_full(void)
{
    uint8_t *bytes = calloc(1, 1 << 20);
    uint64_t count = 0;

    for (size_t size = 1 << 20; size >= 8; size /= 2) {
        kith_err err;

        while ((err = put_item(kith_bytes(bytes, size))) == KITH_OK)
            count++;
        EXPECT_RC(KITH_ENOMEM, err);
    }
    free(bytes);
    return count;
}

#endif /* KITH_TEST_UNIT_QUEUE_STAGE_H */
