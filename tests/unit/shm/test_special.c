#include "shm/special.h"

#include "stage.h"

static struct stage stage;
static struct crowd crowd;
static struct kith__sync lock;
static struct kith__sync_root *root;

static void
make(uint32_t options)
{
    struct kith__object object = { 0 };

    stage = stage_open();
    crowd_come(&crowd, &stage);
    EXPECT_OK(kith__catalog_open(stage.self, "lock", KITH_KIND_LOCK, KITH_MUST_CREATE,
                                 kith__sync_init, &options, &object));
    lock = (struct kith__sync){ stage.arena, object.off, object.id };
    root = kith__sync_root(&lock);
}

static void
close_all(void)
{
    crowd_leave(&crowd);
    stage_close(&stage);
}

static void
a_recursive_one_counts_how_often_it_is_had(void **unused)
{
    (void)unused;
    make(KITH__SYNC_RECURSIVE | KITH__SYNC_FAIR);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith__mutex_acquire(stage.self, &lock, 0));
    assert_int_equal(2, kith__load(&root->depth));
    kith__store(&root->depth, KITH_LOCK_DEPTH_MAX - 1);
    EXPECT_RC(KITH_ERANGE, kith__mutex_acquire(stage.self, &lock, 0));
    kith__store(&root->depth, 1);
    EXPECT_OK(kith__mutex_release(stage.self, &lock));
    assert_int_equal(stage.self->id, atomic_load(&root->lock.word) & KITH__LOCK_ACTOR);
    EXPECT_OK(kith__mutex_release(stage.self, &lock));
    assert_int_equal(0, atomic_load(&root->lock.word) & KITH__LOCK_ACTOR);
    EXPECT_RC(KITH_EPERM, kith__mutex_release(stage.self, &lock));
    close_all();
}

static void
a_fair_one_that_is_free_is_not_taken_before_its_turn(void **unused)
{
    (void)unused;
    make(KITH__SYNC_FAIR);
    kith__store(&root->ticket, 1); /* the last place that was given: its */
    kith__store(&crowd.actor[0]->ticket, 1);
    atomic_store(&crowd.actor[0]->wanted, lock.off + offsetof(struct kith__sync_root, lock));
    atomic_store(&root->lock.word, KITH__LOCK_WAITERS); /* as its last owner left it */
    EXPECT_RC(KITH_ETIMEDOUT, kith__mutex_acquire(stage.self, &lock, 0));
    atomic_store(&crowd.actor[0]->wanted, 0);
    EXPECT_OK(kith__mutex_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__mutex_release(stage.self, &lock));
    close_all();
}

static void
an_unowned_one_names_the_process_and_then_nobody(void **unused)
{
    uint32_t word;

    (void)unused;
    make(KITH__SYNC_UNOWNED);
    EXPECT_OK(kith__mutex_acquire(stage.self, &lock, 0));
    word = atomic_load(&root->lock.word) & KITH__LOCK_ACTOR;
    assert_int_equal(KITH__LOCK_HOLDER | stage.arena->holder, word);
    assert_int_equal(0, kith__load(&stage.self->actor->ledger.count));
    assert_true(kith__load(&KITH__HEADER(stage.arena)->unowned) == lock.off);
    kith__unowned_end(stage.arena, stage.arena->holder, false); /* it left, and it stays taken */
    assert_int_equal(KITH__LOCK_HOLDER, atomic_load(&root->lock.word) & KITH__LOCK_ACTOR);
    EXPECT_RC(KITH_ETIMEDOUT, kith__mutex_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__mutex_release(stage.self, &lock)); /* anyone may */
    EXPECT_OK(kith__mutex_acquire(stage.self, &lock, 0));
    kith__unowned_end(stage.arena, stage.arena->holder, true); /* it was killed */
    EXPECT_RC(KITH_OWNER_DIED, kith__mutex_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__mutex_release(stage.self, &lock));
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recursive_one_counts_how_often_it_is_had),
        cmocka_unit_test(a_fair_one_that_is_free_is_not_taken_before_its_turn),
        cmocka_unit_test(an_unowned_one_names_the_process_and_then_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
