#include "base/made.h"
#include "unit.h"

static void
a_made_name_reads_as_what_was_written(void **state)
{
    static const struct kith__made numbers[] = {
        { 0, 0 }, { 1, UINT64_MAX }, { UINT64_MAX, 0 }, { UINT64_C(0x0123456789abcdef), 42 }
    };

    (void)state;
    for (size_t i = 0; i < COUNTOF(numbers); i++) {
        char name[KITH_MADE_NAME_SIZE];
        struct kith__made read = { 7, 7 };

        kith__made_write(numbers[i], name);
        assert_int_equal(KITH_MADE_NAME_SIZE - 1, strlen(name));
        assert_true(kith__made_read(name, strlen(name), &read));
        assert_true(read.high == numbers[i].high && read.low == numbers[i].low);
    }
}

static void
what_is_no_made_name_is_not_read(void **state)
{
    char name[KITH_MADE_NAME_SIZE + 1];
    struct kith__made read;

    (void)state;
    kith__made_write((struct kith__made){ 10, 11 }, name);
    assert_false(kith__made_read(name, KITH_MADE_NAME_SIZE - 2, &read));
    name[KITH_MADE_NAME_SIZE - 1] = '0';
    assert_false(kith__made_read(name, KITH_MADE_NAME_SIZE, &read));
    for (size_t i = 0; i < KITH_MADE_NAME_SIZE - 1; i++) {
        char was = name[i];

        name[i] = i == 0 ? '0' : 'A'; /* a name has one spelling */
        assert_false(kith__made_read(name, KITH_MADE_NAME_SIZE - 1, &read));
        name[i] = was;
    }
    assert_true(kith__made_read(name, KITH_MADE_NAME_SIZE - 1, &read));
}

static void
names_that_are_made_differ(void **state)
{
    char names[50][KITH_MADE_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        EXPECT_OK(kith_name_make(names[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    EXPECT_RC(KITH_EINVAL, kith_name_make(NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_name_reads_as_what_was_written),
        cmocka_unit_test(what_is_no_made_name_is_not_read),
        cmocka_unit_test(names_that_are_made_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
