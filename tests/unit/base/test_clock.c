#include "base/clock.h"
#include "unit.h"

static void
zero_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(KITH__NO_WAIT, kith__deadline_ns(0));
    assert_int_equal(0, kith__deadline_left(KITH__NO_WAIT));
}

static void
forever_has_no_deadline(void **state)
{
    (void)state;
    assert_true(kith__deadline_ns(KITH_FOREVER) == KITH__NO_DEADLINE);
    assert_true(kith__deadline_left(KITH__NO_DEADLINE) == INT64_MAX);
}

static void
a_timeout_counts_from_now(void **state)
{
    int64_t before_ns = kith__now_ns();
    int64_t deadline_ns = kith__deadline_ns(KITH__NS_PER_S);
    int64_t after_ns = kith__now_ns();

    (void)state;
    assert_true(deadline_ns >= before_ns + KITH__NS_PER_S);
    assert_true(deadline_ns <= after_ns + KITH__NS_PER_S);
    assert_true(kith__deadline_left(deadline_ns) <= KITH__NS_PER_S);
}

static void
a_timeout_past_the_end_of_time_has_no_deadline(void **state)
{
    (void)state;
    assert_true(kith__deadline_ns(INT64_MAX) == KITH__NO_DEADLINE);
    assert_true(kith__deadline_ns(INT64_MAX - 1) == KITH__NO_DEADLINE);
}

static void
a_deadline_that_has_come_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(0, kith__deadline_left(1));
    assert_int_equal(0, kith__deadline_left(kith__now_ns()));
}

static void
the_real_clock_is_in_this_century(void **state)
{
    (void)state;
    assert_true(kith__real_ns() > INT64_C(1600000000) * KITH__NS_PER_S);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_does_not_wait),
        cmocka_unit_test(forever_has_no_deadline),
        cmocka_unit_test(a_timeout_counts_from_now),
        cmocka_unit_test(a_timeout_past_the_end_of_time_has_no_deadline),
        cmocka_unit_test(a_deadline_that_has_come_leaves_nothing),
        cmocka_unit_test(the_real_clock_is_in_this_century),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
