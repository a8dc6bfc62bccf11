#include <kith/set.h>

#include "base/alloc.h"
#include "unit.h"

/* More than the index that two sets are compared by begins with. */
#define MANY 500

static kith_space *space;

static kith_set *
set_of(const char *name)
{
    kith_set *set = NULL;

    EXPECT_OK(kith_set_open(space, name, NULL, &set));
    return set;
}

static void
open_all(void)
{
    EXPECT_OK(kith_open("mem://", NULL, &space));
}

static void
close_all(void)
{
    kith_close(space);
}

static void
fill(kith_set *set, int64_t from, int64_t to, int64_t step)
{
    for (int64_t n = from; n < to; n += step)
        EXPECT_OK(kith_set_add(set, KITH_INT(n)));
}

/* The members told, which are ints. */
struct told {
    int64_t member[2 * MANY];
    size_t count, stop_at;
};

static int
tell(struct kith_item member, void *arg)
{
    struct told *told = arg;

    assert_int_equal(KITH_TYPE_INT, member.type);
    assert_true(told->count < 2 * MANY);
    told->member[told->count++] = member.integer;
    return told->count == told->stop_at;
}

/* ---- Two sets ----------------------------------------------------------------------------- */

static void
each_set_of_two_is_told_in_its_own_order(void **unused)
{
    struct told told = { .count = 0 };
    kith_set *thirds, *evens;
    size_t n = 0;

    (void)unused;
    open_all();
    thirds = set_of("thirds");
    evens = set_of("evens");
    for (int64_t m = MANY - MANY % 3; m >= 0; m -= 3) /* from above */
        EXPECT_OK(kith_set_add(thirds, KITH_INT(m)));
    fill(evens, 0, MANY, 2);
    EXPECT_OK(kith_set_intersection(thirds, evens, tell, &told));
    for (int64_t m = MANY - MANY % 3; m >= 0; m -= 3)
        if (m % 2 == 0 && m < MANY)
            assert_int_equal(m, told.member[n++]);
    assert_int_equal(n, told.count);
    told.count = n = 0;
    EXPECT_OK(kith_set_difference(thirds, evens, tell, &told));
    for (int64_t m = MANY - MANY % 3; m >= 0; m -= 3)
        if (m % 2 != 0)
            assert_int_equal(m, told.member[n++]);
    assert_int_equal(n, told.count);
    told.count = n = 0;
    EXPECT_OK(kith_set_union(evens, thirds, tell, &told)); /* the first, then what is more */
    for (int64_t m = 0; m < MANY; m += 2)
        assert_int_equal(m, told.member[n++]);
    for (int64_t m = MANY - MANY % 3; m >= 0; m -= 3)
        if (m % 2 != 0)
            assert_int_equal(m, told.member[n++]);
    assert_int_equal(n, told.count);
    kith_set_close(thirds);
    kith_set_close(evens);
    close_all();
}

static void
an_empty_set_and_the_set_itself_are_sets_like_others(void **unused)
{
    struct told told = { .count = 0 };
    kith_set *some, *empty;

    (void)unused;
    open_all();
    some = set_of("some");
    empty = set_of("empty");
    fill(some, 0, 20, 1);
    EXPECT_OK(kith_set_intersection(some, empty, tell, &told));
    EXPECT_OK(kith_set_intersection(empty, some, tell, &told));
    EXPECT_OK(kith_set_difference(empty, some, tell, &told));
    EXPECT_OK(kith_set_difference(some, some, tell, &told));
    EXPECT_OK(kith_set_union(empty, empty, tell, &told));
    assert_int_equal(0, told.count);
    EXPECT_OK(kith_set_difference(some, empty, tell, &told));
    assert_int_equal(20, told.count);
    EXPECT_OK(kith_set_intersection(some, some, tell, &told));
    assert_int_equal(40, told.count);
    EXPECT_OK(kith_set_union(some, some, tell, &told)); /* each once */
    assert_int_equal(60, told.count);
    kith_set_close(some);
    kith_set_close(empty);
    close_all();
}

static int
count_members(struct kith_item member, void *arg)
{
    (void)member;
    ++*(size_t *)arg;
    return 0;
}

static void
members_are_the_same_whatever_they_were_written_as(void **unused)
{
    /* 1 and 2 in all the ways; a tuple of 5, and one of 5.0. */
    const struct kith_item one[] = {
        KITH_INT(1),
        KITH_INT(2),
        { .type = KITH_TYPE_PACKED, .data = "\xd5\x01\x91\x05", .size = 4 },
        KITH_STR("1")
    };
    const struct kith_item other[] = { { .type = KITH_TYPE_BOOL, .boolean = true },
                                       { .type = KITH_TYPE_FLOAT, .real = 2 },
                                       { .type = KITH_TYPE_PACKED,
                                         .data = "\xc7\x0a\x01\x91\xcb\x40\x14\0\0\0\0\0\0",
                                         .size = 13 },
                                       { .type = KITH_TYPE_BYTES, .data = "1", .size = 1 } };
    kith_set *a, *b;
    size_t both = 0, either = 0;

    (void)unused;
    open_all();
    a = set_of("a");
    b = set_of("b");
    for (size_t i = 0; i < COUNTOF(one); i++) {
        EXPECT_OK(kith_set_add(a, one[i]));
        EXPECT_OK(kith_set_add(b, other[i]));
    }
    EXPECT_OK(kith_set_intersection(a, b, count_members, &both));
    assert_int_equal(3, both);
    EXPECT_OK(kith_set_union(a, b, count_members, &either));
    assert_int_equal(5, either);
    kith_set_close(a);
    kith_set_close(b);
    close_all();
}

static void
who_has_heard_enough_is_told_no_more(void **unused)
{
    struct told told = { .stop_at = 3 };
    kith_set *a, *b;

    (void)unused;
    open_all();
    a = set_of("a");
    b = set_of("b");
    fill(a, 0, 5, 1);
    fill(b, 3, 10, 1);
    EXPECT_OK(kith_set_union(a, b, tell, &told));
    assert_int_equal(3, told.count); /* of the first set, and the second is not begun */
    told = (struct told){ .stop_at = 6 };
    EXPECT_OK(kith_set_union(a, b, tell, &told));
    assert_int_equal(6, told.count);
    assert_int_equal(5, told.member[5]);
    told = (struct told){ .stop_at = 1 };
    EXPECT_OK(kith_set_each(a, tell, &told));
    assert_int_equal(1, told.count);
    kith_set_close(a);
    kith_set_close(b);
    close_all();
}

/* ---- One set ------------------------------------------------------------------------------ */

static void
a_member_keeps_the_writing_in_which_it_came(void **unused)
{
    struct kith_buf member = KITH_BUF_INIT;
    kith_set *set;

    (void)unused;
    open_all();
    set = set_of("set");
    EXPECT_OK(kith_set_add(set, (struct kith_item){ .type = KITH_TYPE_FLOAT, .real = 1 }));
    EXPECT_OK(kith_set_add(set, KITH_INT(1)));
    EXPECT_OK(
        kith_set_update(set, &(struct kith_item){ .type = KITH_TYPE_BOOL, .boolean = true }, 1));
    EXPECT_OK(kith_set_update(set, NULL, 0));
    EXPECT_OK(kith_set_pop(set, &member));
    assert_int_equal(KITH_TYPE_FLOAT, member.item.type);
    EXPECT_RC(KITH_EEMPTY, kith_set_pop(set, &member));
    kith_buf_free(&member);
    kith_set_close(set);
    close_all();
}

#ifdef KITH_FAULTS
static void
memory_that_is_missing_is_said_and_nothing_is_told_twice(void **unused)
{
    kith_err err = KITH_ENOMEM;
    kith_set *a, *b;

    (void)unused;
    open_all();
    a = set_of("a");
    b = set_of("b");
    fill(a, 0, 100, 1);
    fill(b, 50, 150, 1);
    for (uint64_t nth = 1; err == KITH_ENOMEM; nth++) {
        struct told told = { .count = 0 };

        kith__alloc_fail(nth);
        err = kith_set_union(a, b, tell, &told);
        assert_true(err == KITH_OK || err == KITH_ENOMEM);
        assert_int_equal(err == KITH_OK ? 150 : 0, told.count);
    }
    kith__alloc_fail(0);
    kith_set_close(a);
    kith_set_close(b);
    close_all();
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_set_of_two_is_told_in_its_own_order),
        cmocka_unit_test(an_empty_set_and_the_set_itself_are_sets_like_others),
        cmocka_unit_test(members_are_the_same_whatever_they_were_written_as),
        cmocka_unit_test(who_has_heard_enough_is_told_no_more),
        cmocka_unit_test(a_member_keeps_the_writing_in_which_it_came),
#ifdef KITH_FAULTS
        cmocka_unit_test(memory_that_is_missing_is_said_and_nothing_is_told_twice),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
