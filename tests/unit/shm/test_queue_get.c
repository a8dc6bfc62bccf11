#include "queue_stage.h"

#define SOME 200u

static void
put_bytes(size_t size)
{
    uint8_t *bytes = malloc(size + 1);

    memset(bytes, (int)(size & 0xff), size + 1);
    EXPECT_OK(put_item(kith_bytes(bytes, size)));
    free(bytes);
}

/* Gets up to `count`; which must be ints from `first` on, and `expected` of them. */
static void
get_batch(size_t count, int64_t first, size_t expected)
{
    struct kith_buf items[SOME];
    size_t got = SOME + 1;

    for (size_t i = 0; i < count; i++)
        items[i] = (struct kith_buf)KITH_BUF_INIT;
    EXPECT_OK(kith__queue_get(stage.self, &queue, count, 0, items, &got));
    assert_int_equal(expected, got);
    for (size_t i = 0; i < count; i++) {
        if (i < got)
            assert_int_equal(first + (int64_t)i, items[i].item.integer);
        kith_buf_free(&items[i]);
    }
}

static void
an_item_of_the_stream_is_got_by_one_store(void **unused)
{
    uint64_t state, head;

    (void)unused;
    make_queue(0);
    put_ints(0, 20);
    state = kith__load(&stage.self->actor->main.state);
    head = kith__load(&root->head);
    get_ints(0, 1);
    get_batch(10, 1, 10);
    assert_int_equal(state, kith__load(&stage.self->actor->main.state));
    assert_int_equal(head + KITH__PLACE(11, 11), kith__load(&root->head));
    assert_int_equal(20, kith__load(&root->seen)); /* the tail was looked at once */
    assert_int_equal(0, kith__load(&stage.self->actor->pending_signal));
    close_queue();
}

static void
a_batch_is_what_there_is_across_segments(void **unused)
{
    size_t got = 77;

    (void)unused;
    make_queue(0);
    EXPECT_RC(KITH_EEMPTY, kith__queue_get(stage.self, &queue, 5, 0, NULL, &got));
    assert_int_equal(77, got);
    put_ints(0, 150);
    get_batch(SOME, 0, 150);
    expect_empty();
    put_ints(0, 150);
    get_batch(140, 0, 140);
    EXPECT_OK(kith__queue_get(stage.self, &queue, SOME, 0, NULL, &got)); /* nobody wants them */
    assert_int_equal(10, got);
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_get(stage.self, &queue, 5, 1, NULL, &got));
    close_queue();
}

static void
priorities_of_a_batch_are_in_order_among_the_stream(void **unused)
{
    (void)unused;
    make_queue(0);
    put_ints(2, 4);
    put_aside(5, -1, 0);
    put_aside(6, -1, 0);
    put_aside(4, 0, 0);
    put_aside(0, 2, 0);
    put_aside(1, 1, 0);
    get_batch(3, 0, 3);
    get_batch(SOME, 3, 4);
    assert_int_equal(0, kith__load(&root->nodes));
    close_queue();
}

static void
an_item_comes_out_whole_whatever_the_room_of_its_buffer(void **unused)
{
    const size_t sizes[] = { 0, 1, 8, 100, KITH__INLINE_MAX, KITH__INLINE_MAX + 1, 50000 };
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    make_queue(0);
    for (int again = 0; again < 2; again++) { /* into a fresh buffer, and one with room */
        for (size_t i = 0; i < COUNTOF(sizes); i++)
            put_bytes(sizes[i]);
        for (size_t i = 0; i < COUNTOF(sizes); i++) {
            if (again == 0) {
                kith_buf_free(&buf);
                buf = (struct kith_buf)KITH_BUF_INIT;
            }
            EXPECT_OK(get_from(&queue, &buf));
            assert_int_equal(KITH_TYPE_BYTES, buf.item.type);
            assert_int_equal(sizes[i], buf.item.size);
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(sizes[i] & 0xff, ((const uint8_t *)buf.item.data)[at]);
        }
    }
    kith_buf_free(&buf);
    close_queue();
}

static void
a_peek_leaves_everything_where_it_is(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    uint64_t head;

    (void)unused;
    make_queue(0);
    EXPECT_RC(KITH_EEMPTY, kith__queue_peek(stage.self, &queue, &buf));
    put_ints(0, 61); /* the first segment is full */
    get_ints(0, 61);
    put_ints(61, 62);
    head = kith__load(&root->head);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith__queue_peek(stage.self, &queue, &buf)); /* past the mark of its end */
        assert_int_equal(61, buf.item.integer);
    }
    assert_int_equal(head, kith__load(&root->head));
    assert_int_equal(0, stage.self->depth);
    put_aside(70, 1, 0);
    EXPECT_OK(kith__queue_peek(stage.self, &queue, &buf));
    assert_int_equal(70, buf.item.integer);
    assert_int_equal(2, counts().total);
    EXPECT_WHOLE(&stage);
    get_ints(70, 71);
    get_ints(61, 62);
    kith_buf_free(&buf);
    close_queue();
}

/* ---- Views -------------------------------------------------------------------------------- */

static void
a_large_item_is_pinned_and_a_small_one_copied(void **unused)
{
    struct kith__holder *holder;
    struct kith_buf buf = KITH_BUF_INIT;
    kith__word *pin = (kith__word *)&pin;
    uint64_t node = 0;

    (void)unused;
    make_queue(0);
    holder = kith__holder_at(stage.arena, stage.arena->holder);
    put_ints(7, 8);
    put_bytes(KITH__SMALL_MAX);
    put_bytes(KITH__SMALL_MAX + 1);
    EXPECT_OK(kith__queue_get_pinned(stage.self, &queue, 0, &buf, &pin, &node));
    assert_null(pin);
    assert_int_equal(7, buf.item.integer);
    EXPECT_OK(kith__queue_get_pinned(stage.self, &queue, 0, &buf, &pin, &node));
    assert_null(pin);
    assert_int_equal(KITH__SMALL_MAX, buf.item.size);
    EXPECT_OK(kith__queue_get_pinned(stage.self, &queue, 0, &buf, &pin, &node));
    assert_int_equal(node, kith__load(pin));
    assert_int_equal(1, kith__load(&holder->pin_count));
    put_away(&stage);
    assert_int_equal(KITH__SMALL_MAX + 1, KITH__META_SIZE(node_of(node)->meta)); /* it is held */
    EXPECT_WHOLE(&stage);
    EXPECT_RC(KITH_EEMPTY, kith__queue_get_pinned(stage.self, &queue, 0, &buf, &pin, &node));
    kith__store_release(pin, 0);
    atomic_fetch_sub(&holder->pin_count, 1);
    kith_buf_free(&buf);
    close_queue();
}

static void
without_a_pin_nothing_is_taken(void **unused)
{
    struct kith__holder *holder;
    struct kith_buf buf = KITH_BUF_INIT;
    kith__word *pin = NULL;
    uint64_t node = 0;

    (void)unused;
    make_queue(0);
    holder = kith__holder_at(stage.arena, stage.arena->holder);
    put_bytes(KITH__SMALL_MAX + 1);
    for (unsigned i = 0; i < KITH__PINS; i++)
        kith__store(&holder->pin[i], stage.arena->heap_off);
    EXPECT_RC(KITH_EFULL, kith__queue_get_pinned(stage.self, &queue, 0, &buf, &pin, &node));
    assert_null(pin);
    assert_int_equal(0, kith__load(&holder->pin_count));
    assert_int_equal(1, counts().total);
    assert_int_equal(0, stage.self->depth);
    for (unsigned i = 0; i < KITH__PINS; i++)
        kith__store(&holder->pin[i], 0);
    EXPECT_OK(get_from(&queue, &buf));
    assert_int_equal(KITH__SMALL_MAX + 1, buf.item.size);
    kith_buf_free(&buf);
    close_queue();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
of_what_was_overwritten_nothing_is_got(void **unused)
{
    struct kith__record *record;
    uint64_t word;

    (void)unused;
    make_queue(0);
    put_bytes(LARGE);
    put_bytes(100);
    record = (void *)((uint8_t *)segment_of(kith__load(&root->first)) +
                      KITH__SEGMENT_FIRST * KITH__UNIT);
    word = kith__load(&record->meta);
    assert_int_equal(KITH__RECORD_NODE, word);
    kith__store(&record->meta, KITH__META(KITH_TYPE_STR, 0, 60000)); /* past its segment */
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&record->meta, KITH__META(0x50, 0, 8)); /* of no type */
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&record->meta, word);
    word = kith__load((kith__word *)(void *)record->data);
    kith__store((kith__word *)(void *)record->data, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    EXPECT_RC(KITH_ECORRUPT, kith__queue_peek(stage.self, &queue, NULL));
    kith__store((kith__word *)(void *)record->data, word);
    node_of(word)->magic ^= 1;
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    node_of(word)->magic ^= 1;
    assert_int_equal(2, counts().total);
    assert_int_equal(0, stage.self->depth);
    EXPECT_OK(get_from(&queue, NULL));
    EXPECT_OK(get_from(&queue, NULL));
    expect_empty();
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_of_the_stream_is_got_by_one_store),
        cmocka_unit_test(a_batch_is_what_there_is_across_segments),
        cmocka_unit_test(priorities_of_a_batch_are_in_order_among_the_stream),
        cmocka_unit_test(an_item_comes_out_whole_whatever_the_room_of_its_buffer),
        cmocka_unit_test(a_peek_leaves_everything_where_it_is),
        cmocka_unit_test(a_large_item_is_pinned_and_a_small_one_copied),
        cmocka_unit_test(without_a_pin_nothing_is_taken),
        cmocka_unit_test(of_what_was_overwritten_nothing_is_got),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
