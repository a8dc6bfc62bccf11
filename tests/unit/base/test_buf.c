#include "base/alloc.h"
#include "base/buf.h"
#include "unit.h"

static void
a_copy_outlives_what_it_was_made_of(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char text[] = "hello";

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, kith_str(text)));
    memset(text, 'x', sizeof(text));
    assert_int_equal(KITH_TYPE_STR, buf.item.type);
    assert_int_equal(5, buf.item.size);
    assert_memory_equal("hello", buf.item.data, 5);
    kith_buf_free(&buf);
}

static void
a_buffer_is_used_again_without_a_new_allocation(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    void *memory;

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, KITH_STR("a longer one")));
    memory = buf.memory;
    EXPECT_OK(kith__buf_set(&buf, KITH_STR("short")));
    assert_ptr_equal(memory, buf.memory);
    EXPECT_OK(kith__buf_set(&buf, KITH_INT(-7)));
    assert_ptr_equal(memory, buf.memory);
    assert_int_equal(-7, buf.item.integer);
    assert_null(buf.item.data);
    kith_buf_free(&buf);
}

static void
plain_types_take_no_memory(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, kith_float(2.5)));
    EXPECT_OK(kith__buf_set(&buf, kith_none()));
    assert_null(buf.memory);
}

static void
an_empty_str_has_an_address(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, kith_bytes(NULL, 0)));
    assert_non_null(buf.item.data);
    assert_int_equal(0, buf.item.size);
    kith_buf_free(&buf);
}

static void
a_foreign_item_keeps_its_tag(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char tag[] = "python/pickle";
    struct kith_item item = { .type = KITH_TYPE_FOREIGN, .data = "\0\1", .size = 2, .tag = tag };

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, item));
    memset(tag, 'x', sizeof(tag) - 1);
    assert_string_equal("python/pickle", buf.item.tag);
    assert_memory_equal("\0\1", buf.item.data, 2);
    kith_buf_free(&buf);
}

static void
what_is_set_may_lie_in_the_buffer_itself(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith_item item = {
        .type = KITH_TYPE_FOREIGN, .data = "0123456789", .size = 10, .tag = "a/b"
    };

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, item));
    item = buf.item;
    item.data = (const char *)item.data + 4;
    item.size = 6;
    EXPECT_OK(kith__buf_set(&buf, item));
    assert_memory_equal("456789", buf.item.data, 6);
    assert_string_equal("a/b", buf.item.tag);
    kith_buf_free(&buf);
}

static void
an_absent_item_is_known_by_the_address_of_its_tag(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith_item absent = { .type = KITH_TYPE_NONE, .tag = kith_absent };

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, absent));
    assert_true(buf.item.tag == kith_absent);
    EXPECT_OK(kith__buf_set(&buf, kith_none()));
    assert_null(buf.item.tag);
}

static void
reserving_gives_room_and_freeing_takes_it(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)state;
    EXPECT_OK(kith__buf_reserve(&buf, 100000));
    assert_true(buf.capacity >= 100000);
    memset(buf.memory, 1, 100000);
    kith_buf_free(&buf);
    assert_null(buf.memory);
    assert_int_equal(0, buf.capacity);
    kith_buf_free(&buf);
    kith_buf_free(NULL);
}

static void
a_size_that_no_memory_has_leaves_the_buffer_alone(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, KITH_STR("kept")));
    EXPECT_RC(KITH_ENOMEM, kith__buf_reserve(&buf, SIZE_MAX / 2));
    assert_memory_equal("kept", buf.item.data, 4);
    kith_buf_free(&buf);
}

#ifdef KITH_FAULTS
static void
a_failed_allocation_leaves_the_buffer_alone(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char large[4096] = { 0 };

    (void)state;
    EXPECT_OK(kith__buf_set(&buf, KITH_STR("kept")));
    kith__alloc_fail(1);
    EXPECT_RC(KITH_ENOMEM, kith__buf_set(&buf, kith_bytes(large, sizeof(large))));
    assert_memory_equal("kept", buf.item.data, 4);
    EXPECT_OK(kith__buf_set(&buf, kith_bytes(large, sizeof(large))));
    kith_buf_free(&buf);
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_outlives_what_it_was_made_of),
        cmocka_unit_test(a_buffer_is_used_again_without_a_new_allocation),
        cmocka_unit_test(plain_types_take_no_memory),
        cmocka_unit_test(an_empty_str_has_an_address),
        cmocka_unit_test(a_foreign_item_keeps_its_tag),
        cmocka_unit_test(what_is_set_may_lie_in_the_buffer_itself),
        cmocka_unit_test(an_absent_item_is_known_by_the_address_of_its_tag),
        cmocka_unit_test(reserving_gives_room_and_freeing_takes_it),
        cmocka_unit_test(a_size_that_no_memory_has_leaves_the_buffer_alone),
#ifdef KITH_FAULTS
        cmocka_unit_test(a_failed_allocation_leaves_the_buffer_alone),
#endif
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
