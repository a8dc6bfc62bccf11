#include "shm/list_order.h"

#include <float.h>
#include <math.h>

#include "unit.h"

static struct kith_item
bigint(const void *data, size_t size)
{
    return (struct kith_item){ .type = KITH_TYPE_BIGINT, .data = data, .size = size };
}
#define BIG(bytes) bigint(bytes, sizeof(bytes) - 1)

/* In both directions. */
static void
expect_order(int order, struct kith_item a, struct kith_item b)
{
    bool ok = true;
    int there = kith__item_order(a, b, &ok), back = kith__item_order(b, a, &ok);

    assert_true(ok);
    assert_int_equal(order, (there > 0) - (there < 0));
    assert_int_equal(-order, (back > 0) - (back < 0));
}

/* As they stand, each before all that follow. */
static void
expect_row(const struct kith_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++)
            expect_order(i == j ? 0 : -1, items[i], items[j]);
}

static void
numbers_of_all_types_stand_by_their_exact_value(void **unused)
{
    const struct kith_item row[] = {
        kith_float(-INFINITY),
        kith_float(-DBL_MAX),
        BIG("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"), /* -2^79 */
        BIG("\xff\xff\xff\xff\xff\xff\xff\x7f\xff"),     /* one less than INT64_MIN */
        kith_int(INT64_MIN),
        kith_int(-((INT64_C(1) << 53) + 1)),
        kith_float(-9007199254740992.0), /* -2^53 */
        kith_int(-2),
        kith_float(-1.5),
        kith_int(-1),
        kith_float(-DBL_MIN),
        kith_int(0),
        kith_float(DBL_TRUE_MIN),
        kith_float(0.5),
        kith_bool(true),
        kith_float(1.0 + DBL_EPSILON),
        kith_int(255),
        kith_float(255.5),
        BIG("\x00\x01"), /* 256 */
        kith_float(9007199254740992.0),
        kith_int((INT64_C(1) << 53) + 1), /* as a double it would be the same as before */
        kith_int(INT64_MAX),
        kith_float(9223372036854775808.0), /* one more */
        BIG("\x01\x00\x00\x00\x00\x00\x00\x80\x00"),
        kith_float(1e300),
        kith_float(DBL_MAX),
        kith_float(INFINITY),
        kith_float(NAN),
    };

    (void)unused;
    expect_row(row, COUNTOF(row));
}

static void
one_number_is_one_place_whatever_its_type(void **unused)
{
    (void)unused;
    expect_order(0, kith_bool(true), kith_int(1));
    expect_order(0, kith_bool(false), kith_float(-0.0));
    expect_order(0, kith_int(1), kith_float(1.0));
    expect_order(0, kith_int(-1), BIG("\xff"));
    expect_order(0, kith_int(-1), BIG("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
    expect_order(0, kith_int(0), BIG("")); /* no bytes at all */
    expect_order(0, BIG("\x05"), BIG("\x05\x00\x00"));
    expect_order(0, kith_float(18446744073709551616.0), BIG("\0\0\0\0\0\0\0\0\x01"));
    expect_order(0, kith_float(-18446744073709551616.0), BIG("\0\0\0\0\0\0\0\0\xff"));
    expect_order(0, kith_float(NAN), kith_float(NAN));
}

/* A number of more bytes than any double has. */
static void
a_number_that_no_double_reaches_is_beyond_all_but_infinity(void **unused)
{
    uint8_t large[200] = { 0 }, small[200] = { 0 };

    (void)unused;
    large[199] = 1;
    small[199] = 0xff;
    expect_order(1, bigint(large, sizeof large), kith_float(DBL_MAX));
    expect_order(-1, bigint(large, sizeof large), kith_float(INFINITY));
    expect_order(-1, bigint(small, sizeof small), kith_float(-DBL_MAX));
    expect_order(1, bigint(small, sizeof small), kith_float(-INFINITY));
    expect_order(-1, bigint(small, sizeof small), bigint(large, sizeof large));
}

static void
strings_stand_by_their_bytes_and_the_shorter_first(void **unused)
{
    const struct kith_item row[] = {
        KITH_STR(""),
        KITH_STR("\0"),
        KITH_STR("a"),
        KITH_STR("aa"),
        KITH_STR("b"),
        KITH_STR("\xc3\xa4"),
        KITH_STR("\xe2\x82\xac"),
        KITH_STR("\xf0\x9f\x98\x80"),
    };
    const struct kith_item bytes[] = {
        kith_bytes(NULL, 0),
        kith_bytes("a", 1),
        kith_bytes("\x80", 1),
        kith_bytes("\x80\x00", 2),
    };

    (void)unused;
    expect_row(row, COUNTOF(row));
    expect_row(bytes, COUNTOF(bytes));
}

static void
what_has_no_order_is_said_to_have_none(void **unused)
{
    const struct kith_item wrong[][2] = {
        { kith_int(1), KITH_STR("1") },
        { KITH_STR("a"), kith_bytes("a", 1) },
        { kith_none(), kith_none() },
        { kith_none(), kith_int(0) },
        { { .type = KITH_TYPE_PACKED, .data = "a", .size = 1 },
          { .type = KITH_TYPE_PACKED, .data = "a", .size = 1 } },
    };

    (void)unused;
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        bool ok = true;

        assert_int_equal(0, kith__item_order(wrong[i][0], wrong[i][1], &ok));
        assert_false(ok);
    }
}

/* ---- The sort ------------------------------------------------------------------------------- */

struct keys {
    const unsigned *at;
    uint64_t count, calls;
};

static bool
less(uint64_t a, uint64_t b, void *arg)
{
    struct keys *keys = arg;

    assert_true(a < keys->count && b < keys->count);
    keys->calls++;
    return keys->at[a] < keys->at[b];
}

static uint64_t random_state = 88172645463325252u;

static unsigned
random_below(unsigned bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % bound);
}

static void
expect_permutation(const uint64_t *order, uint64_t count)
{
    bool there[300] = { false };

    for (uint64_t i = 0; i < count; i++) {
        assert_true(order[i] < count && !there[order[i]]);
        there[order[i]] = true;
    }
}

static void
a_sort_keeps_the_order_of_equal_ones(void **unused)
{
    uint64_t order[300], spare[300];
    unsigned at[300];

    (void)unused;
    for (uint64_t count = 0; count <= 300; count++) {
        struct keys keys = { at, count, 0 };

        for (uint64_t i = 0; i < count; i++)
            at[i] = random_below(8);
        kith__merge_sort(order, spare, count, less, &keys);
        expect_permutation(order, count);
        for (uint64_t i = 1; i < count; i++)
            assert_true(at[order[i - 1]] < at[order[i]] ||
                        (at[order[i - 1]] == at[order[i]] && order[i - 1] < order[i]));
    }
}

static void
what_is_in_order_is_compared_once_with_its_neighbour(void **unused)
{
    uint64_t order[300], spare[300];
    unsigned at[300];
    struct keys keys = { at, 300, 0 };

    (void)unused;
    for (unsigned i = 0; i < 300; i++)
        at[i] = i;
    kith__merge_sort(order, spare, 300, less, &keys);
    for (unsigned i = 0; i < 300; i++)
        assert_true(order[i] == i);
    assert_int_equal(299, keys.calls);
}

static bool
whatever(uint64_t a, uint64_t b, void *arg)
{
    struct keys *keys = arg;

    assert_true(a < keys->count && b < keys->count);
    return random_below(2) != 0;
}

static bool
always(uint64_t a, uint64_t b, void *arg)
{
    (void)a;
    (void)b;
    (void)arg;
    return true;
}

static void
no_comparison_leads_it_out_of_its_array(void **unused)
{
    uint64_t order[302], spare[302];

    (void)unused;
    for (uint64_t count = 0; count <= 300; count++) {
        struct keys keys = { NULL, count, 0 };

        order[count] = spare[count] = 77;
        kith__merge_sort(order, spare, count, whatever, &keys);
        expect_permutation(order, count);
        kith__merge_sort(order, spare, count, always, &keys);
        expect_permutation(order, count);
        assert_true(order[count] == 77 && spare[count] == 77);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_all_types_stand_by_their_exact_value),
        cmocka_unit_test(one_number_is_one_place_whatever_its_type),
        cmocka_unit_test(a_number_that_no_double_reaches_is_beyond_all_but_infinity),
        cmocka_unit_test(strings_stand_by_their_bytes_and_the_shorter_first),
        cmocka_unit_test(what_has_no_order_is_said_to_have_none),
        cmocka_unit_test(a_sort_keeps_the_order_of_equal_ones),
        cmocka_unit_test(what_is_in_order_is_compared_once_with_its_neighbour),
        cmocka_unit_test(no_comparison_leads_it_out_of_its_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
