#include "shm/limiter.h"

#include "shm/boot.h"

#include "stage.h"

#define SECOND INT64_C(1000000000)

static struct stage stage;

static struct kith__root_ref
limiter_of(double rate, uint64_t burst, double missing)
{
    struct kith__limiter_making making = { rate, burst, missing };

    stage = stage_open();
    return stage_make(&stage, KITH_KIND_LIMITER, kith__limiter_init, &making);
}

/* Sets the time at which the limiter stands: so many nanoseconds after it began, exactly. */
static void
at(const struct kith__root_ref *ref, int64_t ns)
{
    struct kith__limiter_root *root = kith__limiter_root(ref);

    /* A clock that stands still: its beginning moves with the real one. */
    root->begun_ns = kith__arena_now_ns(stage.arena) - ns;
}

static struct kith__limiter_state
state_of(const struct kith__root_ref *ref)
{
    struct kith__limiter_state state = { 0 };

    EXPECT_OK(kith__limiter_state(ref, &state));
    return state;
}

static kith_err
take(const struct kith__root_ref *ref, uint64_t n)
{
    return kith__limiter_take(stage.self, ref, n, NULL);
}

/* At one an hour no token comes by while a test runs. */
static void
a_full_bucket_gives_its_burst_and_no_more(void **unused)
{
    struct kith__root_ref ref = limiter_of(1 / 3600.0, 5, 0);

    (void)unused;
    EXPECT_OK(take(&ref, 2));
    EXPECT_OK(take(&ref, 3));
    EXPECT_RC(KITH_EEMPTY, take(&ref, 1));
    EXPECT_RC(KITH_ERANGE, take(&ref, 6));
    assert_int_equal(0, state_of(&ref).available);
    stage_close(&stage);
}

static void
tokens_come_by_the_clock_and_stop_at_the_burst(void **unused)
{
    struct kith__root_ref ref = limiter_of(1 / 3600.0, 5, 0);

    (void)unused;
    at(&ref, 0);
    EXPECT_OK(take(&ref, 5));
    at(&ref, 3599 * SECOND);
    EXPECT_RC(KITH_EEMPTY, take(&ref, 1));
    at(&ref, 3601 * SECOND);
    assert_int_equal(1, state_of(&ref).available);
    EXPECT_OK(take(&ref, 1));
    EXPECT_RC(KITH_EEMPTY, take(&ref, 1));
    at(&ref, 1000 * 3600 * SECOND);
    assert_int_equal(5, state_of(&ref).available);
    assert_int_equal(0, state_of(&ref).next_ns);
    stage_close(&stage);
}

static void
nothing_drifts_over_years(void **unused)
{
    static const double rates[] = { 1e-6, 0.3, 7, 1000.1, 1e6 / 3, 1e9 };
    const int64_t ten_years = INT64_C(10) * 365 * 86400 * SECOND;

    (void)unused;
    for (size_t i = 0; i < COUNTOF(rates); i++) {
        struct kith__root_ref ref = limiter_of(rates[i], 1000, 0);
        double units;

        at(&ref, ten_years);
        EXPECT_OK(take(&ref, 1000));
        units = (double)kith__load(&kith__limiter_root(&ref)->position) /
                (double)(UINT64_C(1) << kith__limiter_root(&ref)->shift);
        /* The position is where the clock stands, in tokens, and those taken: 30 bits of a rate. */
        assert_true(units - 1000 > 315360000.0 * rates[i] * (1 - 1e-8) - 1);
        assert_true(units - 1000 < 315360001.0 * rates[i] * (1 + 1e-8) + 1);
        stage_close(&stage);
    }
}

static void
one_that_is_made_short_is_short(void **unused)
{
    struct kith__root_ref ref = limiter_of(1 / 3600.0, 5, 2.5);

    (void)unused;
    assert_int_equal(2, state_of(&ref).available);
    /* Half of the next token is there. */
    assert_true(state_of(&ref).next_ns > 1799 * SECOND && state_of(&ref).next_ns <= 1801 * SECOND);
    EXPECT_OK(take(&ref, 2));
    EXPECT_RC(KITH_EEMPTY, take(&ref, 1));
    stage_close(&stage);
}

static void
a_clock_that_is_set_back_takes_nothing_away(void **unused)
{
    struct kith__root_ref ref = limiter_of(1 / 3600.0, 5, 0);

    (void)unused;
    at(&ref, 100 * 3600 * SECOND);
    EXPECT_OK(take(&ref, 5));
    at(&ref, 0); /* its position is now a hundred tokens ahead: counted as empty, not as less */
    assert_int_equal(0, state_of(&ref).available);
    at(&ref, 3601 * SECOND);
    EXPECT_RC(KITH_EEMPTY, take(&ref, 1));
    at(&ref, 102 * 3600 * SECOND + SECOND);
    assert_int_equal(2, state_of(&ref).available);
    stage_close(&stage);
}

static void
one_that_was_overwritten_is_told(void **unused)
{
    struct kith__root_ref ref = limiter_of(10, 5, 0);
    struct kith__limiter_root *root = kith__limiter_root(&ref);
    struct kith__limiter_state state;

    (void)unused;
    root->speed = 0;
    EXPECT_RC(KITH_ECORRUPT, take(&ref, 1));
    EXPECT_RC(KITH_ECORRUPT, kith__limiter_state(&ref, &state));
    root->speed = 1000;
    root->shift = 63;
    EXPECT_RC(KITH_ECORRUPT, take(&ref, 1));
    root->shift = 20;
    root->burst = UINT64_MAX;
    EXPECT_RC(KITH_ECORRUPT, take(&ref, 1));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_and_no_more),
        cmocka_unit_test(tokens_come_by_the_clock_and_stop_at_the_burst),
        cmocka_unit_test(nothing_drifts_over_years),
        cmocka_unit_test(one_that_is_made_short_is_short),
        cmocka_unit_test(a_clock_that_is_set_back_takes_nothing_away),
        cmocka_unit_test(one_that_was_overwritten_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
