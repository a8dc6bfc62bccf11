#include "shm/semaphore.h"

#include "stage.h"

static struct stage stage;
static struct kith__root_ref ref;
static struct kith__semaphore_root *root;

static void
make(uint64_t initial, uint32_t options, uint64_t more, uint64_t gone)
{
    struct kith__semaphore_making making = { initial, options, more, gone };

    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_SEMAPHORE, kith__semaphore_init, &making);
    root = kith__semaphore_root(&ref);
}

/* A charge of a process that does not exist: a slot beyond those in use. */
static void
charge(unsigned at, uint64_t owner, uint64_t ticket, uint64_t count)
{
    kith__store(&root->charges[at].owner, owner << 16 | 4000);
    kith__store(&root->charges[at].ticket, ticket);
    kith__store(&root->charges[at].count, count);
}

static uint64_t
value(void)
{
    uint64_t value = UINT64_MAX;

    EXPECT_OK(kith__semaphore_value(stage.self, &ref, &value));
    return value;
}

static void
what_is_to_be_had_is_the_stock_less_all_charges(void **unused)
{
    (void)unused;
    make(9, 0, 0, 0);
    charge(1, 1, 1, 2);
    charge(3, 2, 2, 4);
    assert_int_equal(3, value());
    EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0));
    assert_int_equal(2, value());
    kith__store(&root->stock, 5); /* less than is taken: somebody overwrote it */
    EXPECT_RC(KITH_ECORRUPT, kith__semaphore_acquire(stage.self, &ref, 0));
    stage_close(&stage);
}

static void
a_release_drops_the_callers_charge_then_the_oldest_then_adds(void **unused)
{
    (void)unused;
    make(5, 0, 0, 0);
    EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0)); /* in the first place */
    charge(1, 1, 9, 1);
    charge(2, 2, 7, 2);
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 1));
    assert_int_equal(0, kith__load(&root->charges[0].count));
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 1));
    assert_int_equal(1, kith__load(&root->charges[2].count));
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 4)); /* in one step: both, and two more */
    assert_int_equal(0, kith__load(&root->charges[1].count));
    assert_int_equal(0, kith__load(&root->charges[2].count));
    assert_int_equal(7, kith__load(&root->stock));
    assert_int_equal(7, value());
    stage_close(&stage);
}

static void
one_that_is_bounded_never_has_more(void **unused)
{
    (void)unused;
    make(2, KITH__SEMAPHORE_BOUNDED, 0, 0);
    EXPECT_RC(KITH_ERANGE, kith__semaphore_release(stage.self, &ref, 1));
    EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0));
    EXPECT_RC(KITH_ERANGE, kith__semaphore_release(stage.self, &ref, 2));
    assert_int_equal(1, value());
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 1));
    assert_int_equal(2, value());
    stage_close(&stage);
}

static void
charges_that_do_not_fit_move_to_a_block(void **unused)
{
    (void)unused;
    make(100, 0, 0, 0);
    for (unsigned i = 0; i < KITH__CHARGES_INLINE; i++)
        charge(i, i + 1, i + 1, 2);
    EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0));
    assert_true(kith__load(&root->block) != 0);
    assert_true(kith__load(&root->room) > KITH__CHARGES_INLINE);
    assert_int_equal(100 - 2 * KITH__CHARGES_INLINE - 1, value());
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 2 * KITH__CHARGES_INLINE + 1));
    assert_int_equal(100, value());
    assert_int_equal(100, kith__load(&root->stock));
    kith__store(&root->room, UINT64_C(1) << 40);
    EXPECT_RC(KITH_ECORRUPT, kith__semaphore_acquire(stage.self, &ref, 0));
    kith__store(&root->block, 0); /* or the arena could not be given up */
    stage_close(&stage);
}

static void
a_process_that_ended_gives_back_up_to_the_initial_value(void **unused)
{
    struct kith__semaphore_making made;

    (void)unused;
    make(3, 0, 0, 0);
    charge(1, 1, 1, 2);
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id,
                                                  UINT64_C(1) << 16 | 4000, true));
    assert_int_equal(3, value());
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 4)); /* signals */
    charge(1, 1, 1, 5);
    assert_int_equal(2, value());
    EXPECT_OK(kith__semaphore_made_with(stage.self, &ref, &made));
    assert_int_equal(0, made.more); /* of the five that are taken one comes back */
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id,
                                                  UINT64_C(1) << 16 | 4000, true));
    assert_int_equal(3, value());
    assert_int_equal(3, kith__load(&root->stock)); /* what was more was a signal that came */
    stage_close(&stage);
}

static void
an_unowned_one_keeps_taken_what_was_left_taken(void **unused)
{
    struct kith__semaphore_making made;

    (void)unused;
    make(4, KITH__SEMAPHORE_UNOWNED, 0, 0);
    charge(1, 1, 1, 3);
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id,
                                                  UINT64_C(1) << 16 | 4000, false));
    assert_int_equal(1, value());
    EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0)); /* by one who lives */
    EXPECT_OK(kith__semaphore_made_with(stage.self, &ref, &made));
    assert_int_equal(4, made.initial);
    assert_int_equal(3, made.gone);
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 1));
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id,
                                                  UINT64_C(1) << 16 | 4000, true));
    assert_int_equal(4, value());
    stage_close(&stage);
}

static void
it_is_made_with_more_or_with_some_gone(void **unused)
{
    (void)unused;
    make(2, 0, 5, 0);
    assert_int_equal(7, value());
    stage_close(&stage);
    make(5, KITH__SEMAPHORE_UNOWNED | KITH__SEMAPHORE_BOUNDED, 0, 2);
    assert_int_equal(3, value());
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 2));
    EXPECT_RC(KITH_ERANGE, kith__semaphore_release(stage.self, &ref, 1));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_to_be_had_is_the_stock_less_all_charges),
        cmocka_unit_test(a_release_drops_the_callers_charge_then_the_oldest_then_adds),
        cmocka_unit_test(one_that_is_bounded_never_has_more),
        cmocka_unit_test(charges_that_do_not_fit_move_to_a_block),
        cmocka_unit_test(a_process_that_ended_gives_back_up_to_the_initial_value),
        cmocka_unit_test(an_unowned_one_keeps_taken_what_was_left_taken),
        cmocka_unit_test(it_is_made_with_more_or_with_some_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
