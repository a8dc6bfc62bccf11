#include "shm/condition.h"

#include <pthread.h>

#include "shm/sync.h"

#include "stage.h"

static struct stage stage;
static struct kith__condition condition;
static struct kith__condition_root *root;

static void
make(void)
{
    struct kith__condition_making none = { .name = NULL };

    stage = stage_open();
    condition.ref = stage_make(&stage, KITH_KIND_CONDITION, kith__condition_init, &none);
    kith__condition_find_lock(&condition);
    root = kith__condition_root(&condition);
}

/* Those who wait, and are not marked; and those who are. */
static unsigned
count(bool marked)
{
    const struct kith__waiter *at = root->waiters;
    uint64_t room = KITH__WAITERS_INLINE, block = kith__load_acquire(&root->block);
    unsigned n = 0;

    if (block != 0) { /* looked at without the lock, so only by way of the word that links it */
        at = kith__ptr(stage.arena, block);
        room = kith__load(&root->room);
    }
    for (uint64_t i = 0; i < room; i++)
        n += kith__load(&at[i].name) != 0 && (kith__load(&at[i].mark) != 0) == marked;
    return n;
}

static void *
wait_for_it(void *arg)
{
    struct kith__self *self = kith__self_of(stage.arena);

    EXPECT_OK(kith__mutex_acquire(self, &condition.lock, INT64_MAX));
    *(kith_err *)arg = kith__condition_wait(self, &condition, INT64_MAX);
    EXPECT_OK(kith__mutex_release(self, &condition.lock));
    return NULL;
}

static void
who_does_not_hold_the_lock_does_not_wait(void **unused)
{
    (void)unused;
    make();
    EXPECT_RC(KITH_EPERM, kith__condition_wait(stage.self, &condition, 0));
    EXPECT_OK(kith__mutex_acquire(stage.self, &condition.lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith__condition_wait(stage.self, &condition, 0));
    assert_int_equal(0, count(false));                           /* its entry went with it */
    EXPECT_OK(kith__mutex_release(stage.self, &condition.lock)); /* and it has the lock again */
    EXPECT_OK(kith__condition_notify(stage.self, &condition, UINT64_MAX));
    stage_close(&stage);
}

static void
as_many_are_marked_as_are_notified_and_the_oldest(void **unused)
{
    enum { WAITERS = KITH__WAITERS_INLINE + 3 };
    kith_err outcome[WAITERS];
    pthread_t threads[WAITERS];

    (void)unused;
    make();
    for (unsigned i = 0; i < WAITERS; i++) {
        outcome[i] = 1;
        assert_int_equal(0, pthread_create(&threads[i], NULL, wait_for_it, &outcome[i]));
        while (count(false) != i + 1)
            sched_yield();
    }
    assert_true(kith__load(&root->block) != 0); /* they did not fit any more */
    /* With the lock in hand nobody who is marked can return. */
    EXPECT_OK(kith__mutex_acquire(stage.self, &condition.lock, INT64_MAX));
    EXPECT_OK(kith__condition_notify(stage.self, &condition, 2));
    assert_int_equal(2, count(true));
    assert_int_equal(WAITERS - 2, count(false));
    EXPECT_OK(kith__condition_notify(stage.self, &condition, 1));
    assert_int_equal(3, count(true));
    EXPECT_OK(kith__mutex_release(stage.self, &condition.lock));
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(KITH_OK, outcome[i]);
    }
    assert_int_equal(WAITERS - 3, count(false));
    EXPECT_OK(kith__condition_notify(stage.self, &condition, UINT64_MAX));
    for (unsigned i = 3; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(KITH_OK, outcome[i]);
    }
    assert_int_equal(0, count(true) + count(false));
    stage_close(&stage);
}

/* An entry of a thread that does not exist, with a mark: as one leaves it that was killed. */
static void
a_mark_of_the_dead_goes_to_one_who_waited_then(void **unused)
{
    kith_err outcome[2] = { 1, 1 };
    pthread_t threads[2];

    (void)unused;
    make();
    assert_int_equal(0, pthread_create(&threads[0], NULL, wait_for_it, &outcome[0]));
    while (count(false) != 1)
        sched_yield();
    EXPECT_OK(kith__mutex_acquire(stage.self, &condition.lock, INT64_MAX));
    kith__store(&root->waiters[3].ticket, 0);
    kith__store(&root->waiters[3].mark, kith__load(&root->ticket));
    kith__store(&root->waiters[3].name, UINT64_C(77) << 16 | 4000);
    EXPECT_OK(kith__mutex_release(stage.self, &condition.lock));
    assert_int_equal(0, pthread_create(&threads[1], NULL, wait_for_it, &outcome[1]));
    pthread_join(threads[0], NULL); /* the second has healed it as it came, and stays */
    assert_int_equal(KITH_OK, outcome[0]);
    while (count(false) != 1)
        sched_yield();
    EXPECT_OK(kith__condition_notify(stage.self, &condition, 1));
    pthread_join(threads[1], NULL);
    assert_int_equal(KITH_OK, outcome[1]);
    stage_close(&stage);
}

static void
one_that_was_overwritten_is_told(void **unused)
{
    (void)unused;
    make();
    kith__store(&root->block, 8);
    kith__store(&root->room, UINT64_C(1) << 50);
    EXPECT_RC(KITH_ECORRUPT, kith__condition_notify(stage.self, &condition, 1));
    kith__store(&root->block, 0);
    root->lock_off = UINT64_MAX - 7;
    kith__condition_find_lock(&condition);
    EXPECT_RC(KITH_EGONE, kith__condition_wait(stage.self, &condition, 0));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_hold_the_lock_does_not_wait),
        cmocka_unit_test(as_many_are_marked_as_are_notified_and_the_oldest),
        cmocka_unit_test(a_mark_of_the_dead_goes_to_one_who_waited_then),
        cmocka_unit_test(one_that_was_overwritten_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
