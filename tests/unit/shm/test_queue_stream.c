#include "queue_stage.h"

/* Small ints are one unit each, so this many stand in a segment of so many bytes. */
static uint64_t
ints_in(uint64_t bytes)
{
    return bytes / KITH__UNIT - KITH__SEGMENT_FIRST - 1;
}

static struct kith__queue_segment *
tail_segment(void)
{
    return segment_of(kith__load(&root->tail_segment));
}

static uint64_t
at_tail(void)
{
    return KITH__PLACE_AT(kith__load(&root->tail));
}

static void
put_bytes(size_t size)
{
    uint8_t bytes[KITH__INLINE_MAX + 1];

    memset(bytes, (int)(size & 0xff), sizeof bytes);
    EXPECT_OK(put_item(kith_bytes(bytes, size)));
}

static void
get_bytes(size_t size)
{
    struct kith_buf buf = KITH_BUF_INIT;

    EXPECT_OK(get_from(&queue, &buf));
    assert_int_equal(size, buf.item.size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(size & 0xff, ((const uint8_t *)buf.item.data)[i]);
    kith_buf_free(&buf);
}

/* ---- Places and records ------------------------------------------------------------------- */

static void
a_record_is_its_meta_and_its_bytes_in_units_of_sixteen(void **unused)
{
    (void)unused;
    assert_int_equal(1, kith__units_of(0));
    assert_int_equal(1, kith__units_of(8));
    assert_int_equal(2, kith__units_of(9));
    assert_int_equal(2, kith__units_of(24));
    assert_int_equal(3, kith__units_of(25));
    assert_int_equal(65, kith__units_of(KITH__INLINE_MAX));
    make_queue(0);
    for (size_t size = 1; size <= KITH__INLINE_MAX; size += size < 40 ? 1 : 41) {
        uint64_t before = kith__load(&root->tail), segment = kith__load(&root->tail_segment);

        put_bytes(size);
        assert_int_equal(KITH__PLACE_COUNT(before) + 1, KITH__PLACE_COUNT(kith__load(&root->tail)));
        if (segment == kith__load(&root->tail_segment))
            assert_int_equal(KITH__PLACE_AT(before) + kith__units_of(size), at_tail());
        else
            assert_int_equal(KITH__SEGMENT_FIRST + kith__units_of(size), at_tail());
    }
    put_bytes(KITH__INLINE_MAX + 1); /* a node, which a record of one unit names */
    assert_int_equal(0, kith__load(&root->nodes));
    for (size_t size = 1; size <= KITH__INLINE_MAX; size += size < 40 ? 1 : 41)
        get_bytes(size);
    get_bytes(KITH__INLINE_MAX + 1);
    expect_empty();
    close_queue();
}

static void
the_last_unit_of_a_segment_is_for_the_mark_of_its_end(void **unused)
{
    struct kith__queue_segment *first;
    struct kith__record *mark;

    (void)unused;
    make_queue(0);
    assert_int_equal(0, kith__load(&root->first));
    put_ints(0, 1);
    first = tail_segment();
    assert_int_equal(1024 / KITH__UNIT, first->units);
    assert_int_equal(kith__load(&root->first), kith__load(&root->tail_segment));
    assert_int_not_equal(0, kith__load(&root->reserve)); /* S4 */
    put_ints(1, (int64_t)ints_in(1024));
    assert_ptr_equal(first, tail_segment());
    assert_int_equal(first->units - 1, at_tail());
    put_ints((int64_t)ints_in(1024), (int64_t)ints_in(1024) + 1);
    assert_ptr_not_equal(first, tail_segment());
    assert_int_equal(kith__off(stage.arena, tail_segment()), kith__load(&first->next)); /* S2 */
    mark = (void *)((uint8_t *)first + (first->units - 1) * KITH__UNIT);
    assert_int_equal(KITH__RECORD_END, kith__load(&mark->meta));
    assert_int_equal(KITH__SEGMENT_FIRST + 1, at_tail());
    get_ints(0, (int64_t)ints_in(1024) + 1);
    expect_empty();
    close_queue();
}

/* ---- Segments ----------------------------------------------------------------------------- */

static void
segments_double_to_four_kib_and_to_sixteen_behind_which_getters_are(void **unused)
{
    const uint64_t deep[] = { 1024, 2048, 4096, 8192, 16384, 16384, 16384 };
    int64_t n = 0;

    (void)unused;
    make_queue(0);
    for (size_t i = 0; i < COUNTOF(deep); i++) {
        put_ints(n, n + 1);
        assert_int_equal(deep[i] / KITH__UNIT, tail_segment()->units);
        put_ints(n + 1, n + (int64_t)ints_in(deep[i]));
        n += (int64_t)ints_in(deep[i]);
    }
    get_ints(0, n);
    close_queue();
    make_queue(0);
    for (n = 0; n < 3000; n++) { /* the getter is at the putter's heels */
        put_ints(n, n + 1);
        get_ints(n, n + 1);
        assert_true(tail_segment()->units <= 4096 / KITH__UNIT);
    }
    assert_int_equal(4096 / KITH__UNIT, tail_segment()->units);
    close_queue();
}

static void
a_segment_that_was_read_is_the_next_one_to_be_written(void **unused)
{
    uint64_t spare, tail;
    int64_t n = 0;

    (void)unused;
    make_queue(0);
    while (kith__load(&root->spare) == 0) {
        put_ints(n, n + 1);
        get_ints(n, n + 1);
        n++;
        assert_true(n < 5000);
    }
    spare = kith__load(&root->spare);
    tail = kith__load(&root->tail_segment);
    assert_int_not_equal(spare, tail); /* S3 */
    assert_int_equal(segment_of(tail)->units, segment_of(spare)->units);
    for (; kith__load(&root->tail_segment) == tail; n++) {
        put_ints(n, n + 1);
        get_ints(n, n + 1);
    }
    assert_int_equal(spare, kith__load(&root->tail_segment));
    for (int turn = 0; turn < 3000; turn++, n++) { /* from here on the two take turns */
        uint64_t other = kith__load(&root->spare);

        put_ints(n, n + 1);
        get_ints(n, n + 1);
        assert_true(other == 0 || other == spare || other == tail);
        assert_true(kith__load(&root->tail_segment) == spare ||
                    kith__load(&root->tail_segment) == tail);
    }
    close_queue();
}

static void
a_segment_smaller_than_those_in_use_is_given_back(void **unused)
{
    (void)unused;
    make_queue(0);
    put_ints(0, (int64_t)(ints_in(1024) + ints_in(2048)) + 1); /* three of them */
    get_ints(0, (int64_t)(ints_in(1024) + ints_in(2048)) + 1);
    assert_int_equal(0, kith__load(&root->spare));
    assert_int_equal(kith__load(&root->tail_segment), kith__load(&root->head_segment));
    close_queue();
}

/* ---- No memory ---------------------------------------------------------------------------- */

static void
what_there_is_no_memory_for_changes_nothing_and_all_comes_out(void **unused)
{
    uint64_t count, tail, segment;

    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    count = put_until_full();
    tail = kith__load(&root->tail);
    segment = kith__load(&root->tail_segment);
    EXPECT_RC(KITH_ENOMEM, put_item(KITH_INT(1)));
    EXPECT_RC(KITH_ENOMEM, put_item(kith_bytes(&tail, sizeof tail)));
    assert_int_equal(tail, kith__load(&root->tail));
    assert_int_equal(segment, kith__load(&root->tail_segment));
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    assert_int_equal(count + 3, counts().total);
    EXPECT_WHOLE(&stage);
    get_ints(0, 3);
    for (uint64_t i = 0; i < count; i++)
        EXPECT_OK(get_from(&queue, NULL));
    expect_empty();
    put_ints(0, 3);
    get_ints(0, 3);
    close_queue();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
what_was_overwritten_is_found_out_and_nothing_is_taken(void **unused)
{
    struct kith__queue_segment *first, *last;
    uint64_t word;

    (void)unused;
    make_queue(0);
    put_ints(0, (int64_t)ints_in(1024) + 1);
    first = segment_of(kith__load(&root->first));
    last = tail_segment();

    first->magic ^= 1;
    assert_null(kith__segment_at(stage.arena, kith__load(&root->first), queue.id));
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    first->magic ^= 1;
    last->magic ^= 1;
    EXPECT_RC(KITH_ECORRUPT, put_item(KITH_INT(1)));
    last->magic ^= 1;
    last->units += 4096; /* more than a place can name */
    EXPECT_RC(KITH_ECORRUPT, put_item(KITH_INT(1)));
    last->units -= 4096;

    word = kith__load(&root->tail);
    kith__store(&root->tail, word | KITH__PLACE_AT(UINT64_MAX));
    EXPECT_RC(KITH_ECORRUPT, put_item(KITH_INT(1)));
    kith__store(&root->tail, word);
    word = kith__load(&root->head);
    kith__store(&root->head, word | KITH__PLACE_AT(UINT64_MAX));
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&root->head, word);

    get_ints(0, (int64_t)ints_in(1024)); /* up to the mark */
    word = kith__load(&first->next);
    kith__store(&first->next, word + 16);
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    assert_int_equal(0, stage.self->depth);
    kith__store(&first->next, word);
    get_ints((int64_t)ints_in(1024), (int64_t)ints_in(1024) + 1);
    expect_empty();
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_its_meta_and_its_bytes_in_units_of_sixteen),
        cmocka_unit_test(the_last_unit_of_a_segment_is_for_the_mark_of_its_end),
        cmocka_unit_test(segments_double_to_four_kib_and_to_sixteen_behind_which_getters_are),
        cmocka_unit_test(a_segment_that_was_read_is_the_next_one_to_be_written),
        cmocka_unit_test(a_segment_smaller_than_those_in_use_is_given_back),
        cmocka_unit_test(what_there_is_no_memory_for_changes_nothing_and_all_comes_out),
        cmocka_unit_test(what_was_overwritten_is_found_out_and_nothing_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
