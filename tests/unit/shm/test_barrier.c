#include "shm/barrier.h"

#include <pthread.h>

#include "stage.h"

static struct stage stage;
static struct kith__root_ref ref;
static struct kith__barrier_root *root;

static void
make(uint64_t parties)
{
    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_BARRIER, kith__barrier_init, &parties);
    root = kith__barrier_root(&ref);
}

struct look {
    uint32_t parties, waiting;
    bool broken;
};

static struct look
look(void)
{
    struct look seen = { 0 };

    EXPECT_OK(kith__barrier_look(stage.self, &ref, &seen.parties, &seen.waiting, &seen.broken));
    return seen;
}

static void *
arrive_too(void *arg)
{
    struct kith__arrival arrival = { 0 };
    struct kith__self *self = kith__self_of(stage.arena);

    *(kith_err *)arg = kith__barrier_arrive(self, &ref, INT64_MAX, false, &arrival);
    return NULL;
}

static void
one_party_passes_by_itself(void **unused)
{
    struct kith__arrival arrival = { 0 };

    (void)unused;
    make(1);
    for (uint64_t i = 0; i < 3; i++) {
        EXPECT_OK(kith__barrier_arrive(stage.self, &ref, 0, false, &arrival));
        assert_true(arrival.passed);
        assert_int_equal(0, arrival.index);
        assert_true(kith__load(&root->state) / KITH__BARRIER_PASS == i + 1);
    }
    stage_close(&stage);
}

static void
who_does_not_wait_breaks_it_until_it_is_reset(void **unused)
{
    struct kith__arrival arrival = { 0 };

    (void)unused;
    make(2);
    EXPECT_RC(KITH_ETIMEDOUT, kith__barrier_arrive(stage.self, &ref, 0, false, &arrival));
    assert_true(look().broken);
    assert_int_equal(0, look().waiting);
    EXPECT_RC(KITH_ECONFLICT, kith__barrier_arrive(stage.self, &ref, INT64_MAX, false, &arrival));
    assert_int_equal(KITH__BROKEN_TIMEOUT, arrival.why);
    EXPECT_OK(kith__barrier_reset(stage.self, &ref));
    assert_false(look().broken);
    EXPECT_OK(kith__barrier_abort(stage.self, &ref));
    EXPECT_RC(KITH_ECONFLICT, kith__barrier_arrive(stage.self, &ref, INT64_MAX, false, &arrival));
    assert_int_equal(KITH__BROKEN_ABORT, arrival.why);
    stage_close(&stage);
}

static void
the_last_acts_before_any_is_let_go(void **unused)
{
    struct kith__arrival arrival = { 0 };
    kith_err other = 1;
    pthread_t thread;

    (void)unused;
    for (int well = 0; well < 2; well++) {
        make(2);
        assert_int_equal(0, pthread_create(&thread, NULL, arrive_too, &other));
        while (look().waiting != 1)
            sched_yield();
        EXPECT_OK(kith__barrier_arrive(stage.self, &ref, INT64_MAX, true, &arrival));
        assert_true(arrival.acts && !arrival.passed);
        assert_int_equal(1, arrival.index);
        assert_true(kith__load(&root->state) < KITH__BARRIER_PASS); /* nobody was let go */
        if (well)
            EXPECT_OK(kith__barrier_acted(stage.self, &ref, true, &arrival));
        else
            (void)kith__barrier_acted(stage.self, &ref, false, &arrival);
        pthread_join(thread, NULL);
        assert_int_equal(well ? KITH_OK : KITH_ECONFLICT, other);
        assert_int_equal(!well, look().broken);
        stage_close(&stage);
    }
}

static void
more_parties_than_fit_stand_in_a_block(void **unused)
{
    (void)unused;
    make(KITH__PARTIES_INLINE);
    assert_true(root->block == 0);
    stage_close(&stage);
    make(KITH__PARTIES_INLINE + 1);
    assert_true(root->block != 0);
    assert_int_equal(KITH__PARTIES_INLINE + 1, look().parties);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_party_passes_by_itself),
        cmocka_unit_test(who_does_not_wait_breaks_it_until_it_is_reset),
        cmocka_unit_test(the_last_acts_before_any_is_let_go),
        cmocka_unit_test(more_parties_than_fit_stand_in_a_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
