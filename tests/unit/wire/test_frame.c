/*
 * test_frame.c - messages on a stream, whole and cut at every byte.
 */
#include "unit.h"

#include "wire/frame.h"

static void
frame_is_whole_only_with_its_last_byte(void **state)
{
    uint8_t stream[64] = { 0, 0, 0, 9 };
    struct kith__frame frame;

    memcpy(stream + 4, "#WELCOME#", 9);
    for (size_t cut = 0; cut < 13; cut++) {
        EXPECT_OK(kith__frame_read(stream, cut, 256, &frame));
        assert_false(frame.whole);
        assert_int_equal(cut < 4 ? 4 : 13, frame.needed);
    }
    for (size_t more = 13; more < sizeof(stream); more++) {
        EXPECT_OK(kith__frame_read(stream, more, 256, &frame));
        assert_true(frame.whole);
        assert_int_equal(9, frame.size);
        assert_int_equal(13, frame.taken);
        assert_memory_equal("#WELCOME#", frame.payload, 9);
    }
    (void)state;
}

static void
frame_of_the_long_form_is_read(void **state)
{
    uint8_t stream[15] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c' };
    struct kith__frame frame;

    for (size_t cut = 4; cut < 15; cut++) {
        EXPECT_OK(kith__frame_read(stream, cut, 256, &frame));
        assert_false(frame.whole);
        assert_int_equal(cut < 12 ? 12 : 15, frame.needed);
    }
    EXPECT_OK(kith__frame_read(stream, 15, 3, &frame));
    assert_true(frame.whole);
    assert_memory_equal("abc", frame.payload, 3);
    (void)state;
}

static void
frame_that_is_empty_is_one(void **state)
{
    struct kith__frame frame;

    EXPECT_OK(kith__frame_read("\0\0\0\0", 4, 0, &frame));
    assert_true(frame.whole);
    assert_int_equal(0, frame.size);
    assert_int_equal(4, frame.taken);
    (void)state;
}

static void
frame_past_the_limit_is_refused_by_its_head_alone(void **state)
{
    struct kith__frame frame;

    EXPECT_OK(kith__frame_read("\0\0\1\0", 4, KITH__FRAME_UNPROVEN_MAX, &frame));
    assert_int_equal(260, frame.needed);
    EXPECT_RC(KITH_ETOOBIG, kith__frame_read("\0\0\1\1", 4, KITH__FRAME_UNPROVEN_MAX, &frame));
    EXPECT_RC(KITH_ETOOBIG, kith__frame_read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12,
                                             UINT64_MAX, &frame));
    (void)state;
}

static void
frame_of_a_negative_length_is_no_frame(void **state)
{
    struct kith__frame frame;

    EXPECT_RC(KITH_EINVAL, kith__frame_read("\xff\xff\xff\xfe", 4, 256, &frame));
    EXPECT_RC(KITH_EINVAL, kith__frame_read("\x80\0\0\0", 4, UINT64_MAX, &frame));
    (void)state;
}

static void
frame_head_is_read_as_it_was_written(void **state)
{
    static const struct {
        uint64_t size;
        size_t head;
    } cases[] = { { 0, 4 },
                  { 1, 4 },
                  { 0x01020304, 4 },
                  { INT32_MAX, 4 },
                  { (uint64_t)INT32_MAX + 1, 12 },
                  { UINT32_MAX, 12 },
                  { 1ULL << 40, 12 } };

    for (size_t i = 0; i < COUNTOF(cases); i++) {
        uint8_t head[KITH__FRAME_HEAD_MAX];
        struct kith__frame frame;

        assert_int_equal(cases[i].head, kith__frame_head(cases[i].size, head));
        EXPECT_OK(kith__frame_read(head, cases[i].head, UINT64_MAX, &frame));
        assert_true(frame.whole || frame.needed == cases[i].head + cases[i].size);
        assert_int_equal(cases[i].size == 0, frame.whole);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_is_whole_only_with_its_last_byte),
        cmocka_unit_test(frame_of_the_long_form_is_read),
        cmocka_unit_test(frame_that_is_empty_is_one),
        cmocka_unit_test(frame_past_the_limit_is_refused_by_its_head_alone),
        cmocka_unit_test(frame_of_a_negative_length_is_no_frame),
        cmocka_unit_test(frame_head_is_read_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
