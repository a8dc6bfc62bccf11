#include "shm/semaphore_quick.h"

#include "checked.h"

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

/* ---- Quick ones --------------------------------------------------------------------------- */

#define MINE kith__owner_of(stage.arena, stage.arena->holder)

static void
take(unsigned count)
{
    while (count-- > 0)
        EXPECT_OK(kith__semaphore_acquire(stage.self, &ref, 0));
}

static void
give(unsigned count)
{
    while (count-- > 0)
        EXPECT_OK(kith__semaphore_release(stage.self, &ref, 1));
}

/* Whoever takes and gives back twice is quick, with what he has taken then. */
static void
make_quick(uint64_t initial, uint32_t options, unsigned taken)
{
    make(initial, options, 0, 0);
    take(1);
    give(1);
    assert_int_equal(0, kith__load(&root->quick));
    take(taken);
    assert_int_equal(taken, KITH__QUICK_COUNT(kith__load(&root->quick)));
    assert_int_equal(initial - taken, KITH__QUICK_MORE(kith__load(&root->quick)));
    assert_int_equal(0, kith__load(&root->charges[0].count));
    assert_int_equal(initial - taken, value());
    EXPECT_WHOLE(&stage);
}

static void
who_takes_again_and_again_does_so_without_the_lock(void **unused)
{
    struct kith__semaphore_making made;

    (void)unused;
    make_quick(3, KITH__SEMAPHORE_BOUNDED, 1);
    atomic_store(&root->root.lock.word, stage.self->id); /* which would not be had */
    give(1);
    take(3);
    assert_false(kith__quick_take(stage.self, &ref));
    give(3);
    assert_false(kith__quick_give(stage.self, &ref)); /* nothing is added without the lock */
    take(2);
    atomic_store(&root->root.lock.word, 0);
    assert_int_equal(1, value());
    EXPECT_OK(kith__semaphore_made_with(stage.self, &ref, &made));
    assert_int_equal(0, made.gone);
    EXPECT_WHOLE(&stage);
    give(2);
    EXPECT_RC(KITH_ERANGE, kith__semaphore_release(stage.self, &ref, 1));
    stage_close(&stage);
}

static void
whoever_has_the_lock_makes_it_a_charge(void **unused)
{
    (void)unused;
    make_quick(3, 0, 2);
    take(1);
    EXPECT_RC(KITH_ETIMEDOUT, kith__semaphore_acquire(stage.self, &ref, 0));
    assert_int_equal(0, kith__load(&root->quick));
    assert_int_equal(3, kith__load(&root->charges[0].count));
    assert_int_equal(MINE, kith__load(&root->charges[0].owner));
    give(3);
    assert_int_equal(0, kith__load(&root->quick));
    take(2); /* quick again */
    assert_int_equal(2, KITH__QUICK_COUNT(kith__load(&root->quick)));
    EXPECT_OK(kith__semaphore_release(stage.self, &ref, 3));
    assert_int_equal(4, value());
    assert_int_equal(0, kith__load(&root->quick));
    stage_close(&stage);
}

static void
what_is_half_stopped_counts_once(void **unused)
{
    struct kith__charge *mine;
    uint64_t word;

    (void)unused;
    make_quick(3, 0, 2);
    mine = &root->charges[0];
    word = kith__load(&root->quick) | KITH__QUICK_STOPPED; /* W6 */
    kith__store(&root->quick, word);
    assert_false(kith__quick_take(stage.self, &ref));
    assert_false(kith__quick_give(stage.self, &ref));
    assert_int_equal(1, value());
    EXPECT_WHOLE(&stage);
    kith__store(&mine->count, 2); /* W8 */
    assert_int_equal(1, value());
    EXPECT_WHOLE(&stage);
    take(1);
    assert_int_equal(0, value());
    assert_int_equal(0, kith__load(&root->quick));
    assert_int_equal(3, kith__load(&mine->count));
    kith__store(&root->quick, word); /* it is said to have two beside these, which there are not */
    EXPECT_FINDS_IN(&stage, root->quick, word & ~KITH__QUICK_STOPPED, "more permits than it has");
    kith__store(&root->quick, 0);
    give(3);
    stage_close(&stage);
}

static void
nobody_is_quick_beside_others(void **unused)
{
    (void)unused;
    make(3, 0, 0, 0);
    take(1);
    give(1);
    charge(1, 1, 1, 1); /* another has a permit */
    take(1);
    assert_int_equal(0, kith__load(&root->quick));
    give(1);
    charge(1, 1, 2, 0); /* another took one since */
    kith__store(&root->ticket, kith__load(&root->ticket) + 1);
    take(1);
    assert_int_equal(0, kith__load(&root->quick));
    give(1);
    atomic_fetch_or(&root->root.signal[0], KITH__SIGNAL_POLLERS); /* another waits */
    take(1);
    assert_int_equal(0, kith__load(&root->quick));
    give(1); /* and is told */
    assert_int_equal(0, atomic_load(&root->root.signal[0]) & KITH__SIGNAL_POLLERS);
    take(1);
    assert_int_not_equal(0, kith__load(&root->quick));
    give(1);
    stage_close(&stage);
    make(3, KITH__SEMAPHORE_FAIR, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        take(1);
        give(1);
        assert_int_equal(0, kith__load(&root->quick));
    }
    stage_close(&stage);
}

static void
a_quick_process_that_ended_gives_back_or_leaves_taken(void **unused)
{
    (void)unused;
    make_quick(3, 0, 2);
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id, MINE, true));
    assert_int_equal(3, value());
    assert_int_equal(0, kith__load(&root->quick));
    stage_close(&stage);
    make_quick(3, KITH__SEMAPHORE_UNOWNED, 2);
    EXPECT_OK(kith__semaphore_kind.release_holder(stage.self, ref.off, ref.id, MINE, false));
    assert_int_equal(1, value());
    assert_int_equal(0, kith__load(&root->quick)); /* its slot is another's soon */
    assert_int_equal(2, kith__load(&root->charges[0].count));
    give(2);
    stage_close(&stage);
}

static void
as_many_are_quick_as_can_be_counted(void **unused)
{
    (void)unused;
    make(200000, 0, 0, 0);
    take(1);
    give(1);
    take(100000);
    assert_int_equal(100000, value());
    give(100000);
    assert_int_equal(200000, value());
    EXPECT_WHOLE(&stage);
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
        cmocka_unit_test(who_takes_again_and_again_does_so_without_the_lock),
        cmocka_unit_test(whoever_has_the_lock_makes_it_a_charge),
        cmocka_unit_test(what_is_half_stopped_counts_once),
        cmocka_unit_test(nobody_is_quick_beside_others),
        cmocka_unit_test(a_quick_process_that_ended_gives_back_or_leaves_taken),
        cmocka_unit_test(as_many_are_quick_as_can_be_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
