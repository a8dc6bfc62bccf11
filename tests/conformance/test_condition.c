/*
 * test_condition.c - what kith/condition.h promises.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_condition *condition;
    kith_lock *lock;
    kith_err want;
    int64_t timeout_ns;
    atomic_int *returned;
    sem_t *ready, *go;
    atomic_int interrupts;
    int number; /* guarded by the lock */
};

static void
close_condition(void *condition)
{
    kith_condition_close(condition);
}

static kith_condition *
condition_of(struct test *t, const char *name, const char *lock)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    kith_condition *condition = NULL;

    options.lock = lock;
    EXPECT_OK(kith_condition_open(test_space(t), name, &options, &condition));
    test_keep(t, condition, close_condition);
    return condition;
}

static struct party *
party_new(kith_condition *condition)
{
    struct party *p = test_shared(sizeof(*p));

    p->condition = condition;
    p->timeout_ns = KITH_FOREVER;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static void
child_waits(void *arg)
{
    struct party *p = arg;

    EXPECT_TRUE(kith_condition_acquire(p->condition, KITH_FOREVER) >= 0);
    EXPECT_RC(p->want, kith_condition_wait(p->condition, p->timeout_ns));
    if (p->want != KITH_EGONE)
        EXPECT_OK(kith_condition_release(p->condition));
    if (p->returned != NULL)
        atomic_fetch_add(p->returned, 1);
}

/* Returns when it sleeps in the wait: it is let in by the lock before. */
static pid_t
waiter_as(struct party *p)
{
    pid_t pid = test_child(child_waits, p);

    UNTIL_ASLEEP(pid, 0);
    return pid;
}

static pid_t
waiter(kith_condition *condition, atomic_int *returned)
{
    struct party *p = party_new(condition);

    p->returned = returned;
    return waiter_as(p);
}

TEST(condition_has_a_lock)
{
    kith_condition *condition = condition_of(t, "changed", NULL);

    EXPECT_FAILS(KITH_EPERM, "changed", kith_condition_release(condition));
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "changed", kith_condition_acquire(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
    EXPECT_FAILS(KITH_EPERM, "does not hold", kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_notify(condition, 1));
    EXPECT_OK(kith_condition_notify_all(condition));
}

TEST(condition_takes_a_lock_that_is_there)
{
    kith_lock *lock = test_lock(t, "lock");
    kith_condition *condition = condition_of(t, "changed", "lock");
    struct party *p = party_new(condition);
    pid_t pid;

    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, "changed", kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
    pid = waiter_as(p);
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_condition_notify(condition, 1));
    EXPECT_OK(kith_lock_release(lock));
    CHILD_JOIN(pid);
}

TEST(condition_wait_ends_when_its_time_is_over_with_the_lock)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    int64_t start_ns = test_now_ns();

    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, "changed", kith_condition_wait(condition, 20 * TEST_MS));
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    EXPECT_OK(kith_condition_release(condition));
}

TEST(condition_notifies_as_many_as_it_is_told)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    atomic_int *returned = test_shared(sizeof(*returned));
    pid_t pids[8];

    for (int i = 0; i < 8; i++)
        pids[i] = waiter(condition, returned);
    EXPECT_OK(kith_condition_notify(condition, 0));
    EXPECT_OK(kith_condition_notify(condition, 1));
    CHILD_JOIN(pids[0]); /* who waited longest */
    EXPECT_OK(kith_condition_notify(condition, 3));
    for (int i = 1; i < 4; i++)
        CHILD_JOIN(pids[i]);
    for (int i = 4; i < 8; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_EQ(4, *returned);
    EXPECT_OK(kith_condition_notify_all(condition));
    for (int i = 4; i < 8; i++)
        CHILD_JOIN(pids[i]);
    /* Nothing is kept for who comes later. */
    EXPECT_OK(kith_condition_notify(condition, 5));
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
}

/* Notified, and dead before it could return: the next returns. */
TEST(condition_killed_waiter_that_was_notified_passes_it_on)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    atomic_int *returned = test_shared(sizeof(*returned));
    pid_t doomed = waiter(condition, NULL), next = waiter(condition, returned);
    pid_t last = waiter(condition, returned);

    test_child_stop(doomed);
    EXPECT_OK(kith_condition_notify(condition, 1));
    test_child_kill(doomed);
    CHILD_JOIN(next);
    UNTIL_ASLEEP(last, 0);
    EXPECT_EQ(1, *returned);
    EXPECT_OK(kith_condition_notify(condition, 1));
    CHILD_JOIN(last);
}

/* The same of one that waits for the lock already. */
TEST(condition_killed_on_its_way_to_the_lock_passes_it_on)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    pid_t doomed = waiter(condition, NULL), next = waiter(condition, NULL);

    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_OK(kith_condition_notify(condition, 1));
    test_breathe();
    UNTIL_ASLEEP(doomed, 0);
    test_child_kill(doomed);
    EXPECT_OK(kith_condition_release(condition));
    CHILD_JOIN(next);
}

/* What a dead one was notified of is not for who came after the notification. */
TEST(condition_mark_of_the_dead_is_not_for_who_comes_later)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    pid_t doomed = waiter(condition, NULL);

    test_child_stop(doomed);
    EXPECT_OK(kith_condition_notify(condition, 1));
    test_child_kill(doomed);
    EXPECT_TRUE(kith_condition_acquire(condition, KITH_FOREVER) >= 0);
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
}

TEST(condition_forgets_killed_waiters)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    pid_t doomed = waiter(condition, NULL), next = waiter(condition, NULL);

    test_child_kill(doomed);
    EXPECT_OK(kith_condition_notify(condition, 1));
    CHILD_JOIN(next);
}

static void
child_holds(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_condition_acquire(p->condition, KITH_FOREVER));
    EXPECT_OK(kith_condition_notify(p->condition, 1));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
}

TEST(condition_killed_holder_of_its_lock_is_told_of)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    struct party *p = party_new(condition);
    pid_t pid, holder;

    p->want = KITH_OWNER_DIED;
    pid = waiter_as(p);
    holder = test_child(child_holds, p);
    GATE_WAIT(p->ready);
    test_child_kill(holder);
    CHILD_JOIN(pid);
}

static int
is_three(void *arg)
{
    struct party *p = arg;

    return p->number == 3;
}

static void
child_waits_for_three(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_condition_acquire(p->condition, KITH_FOREVER));
    EXPECT_OK(kith_condition_wait_for(p->condition, is_three, p, KITH_FOREVER));
    EXPECT_EQ(3, p->number);
    EXPECT_OK(kith_condition_release(p->condition));
}

TEST(condition_wait_for_looks_after_each_notification)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    struct party *p = party_new(condition);
    pid_t pid = test_child(child_waits_for_three, p);

    UNTIL_ASLEEP(pid, 0);
    for (int i = 1; i <= 3; i++) {
        EXPECT_OK(kith_condition_acquire(condition, KITH_FOREVER));
        p->number = i;
        EXPECT_OK(kith_condition_notify_all(condition));
        EXPECT_OK(kith_condition_release(condition));
    }
    CHILD_JOIN(pid);
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_OK(kith_condition_wait_for(condition, is_three, p, 0));
    p->number = 4;
    EXPECT_FAILS(KITH_ETIMEDOUT, "changed", kith_condition_wait_for(condition, is_three, p, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait_for(condition, is_three, p, 10 * TEST_MS));
    EXPECT_OK(kith_condition_release(condition));
}

TEST(condition_of_a_recursive_lock_is_not_waited_for_twice_held)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_condition *condition;
    kith_lock *lock;

    options.recursive = true;
    EXPECT_OK(kith_lock_open(test_space(t), "again", &options, &lock));
    condition = condition_of(t, "changed", "again");
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "more than once", kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait(condition, 0));
    EXPECT_OK(kith_lock_release(lock));
    kith_lock_close(lock);
}

TEST(condition_waits_with_locks_of_every_kind)
{
    for (int i = 0; i < 3; i++) {
        static const char *const names[][2] = { { "l0", "c0" }, { "l1", "c1" }, { "l2", "c2" } };
        struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
        kith_condition *condition;
        kith_lock *lock;
        pid_t pid;

        options.fair = i == 0;
        options.unowned = i == 1;
        options.shareable = i == 2;
        EXPECT_OK(kith_lock_open(test_space(t), names[i][0], &options, &lock));
        kith_lock_close(lock);
        condition = condition_of(t, names[i][1], names[i][0]);
        EXPECT_RC(KITH_EPERM, kith_condition_wait(condition, 0));
        pid = waiter(condition, NULL);
        EXPECT_OK(kith_condition_acquire(condition, 0));
        EXPECT_OK(kith_condition_notify(condition, 1));
        EXPECT_OK(kith_condition_release(condition));
        CHILD_JOIN(pid);
    }
}

struct ring {
    kith_condition *condition;
    int full, items; /* guarded */
};

static void
child_consumes(void *arg)
{
    struct ring *ring = arg;

    for (int i = 0; i < 200; i++) {
        EXPECT_OK(kith_condition_acquire(ring->condition, KITH_FOREVER));
        while (ring->items == 0)
            EXPECT_OK(kith_condition_wait(ring->condition, KITH_FOREVER));
        ring->items--;
        EXPECT_OK(kith_condition_release(ring->condition));
    }
}

TEST(condition_carries_items_from_one_to_many)
{
    struct ring *ring = test_shared(sizeof(*ring));
    pid_t pids[7];

    ring->condition = condition_of(t, "changed", NULL);
    for (int i = 0; i < 7; i++)
        pids[i] = test_child(child_consumes, ring);
    for (int i = 0; i < 7 * 200; i++) {
        EXPECT_OK(kith_condition_acquire(ring->condition, KITH_FOREVER));
        ring->items++;
        EXPECT_OK(kith_condition_notify(ring->condition, 1));
        EXPECT_OK(kith_condition_release(ring->condition));
    }
    for (int i = 0; i < 7; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(0, ring->items);
}

TEST(condition_waiters_learn_that_it_was_destroyed)
{
    for (int i = 0; i < 2; i++) {
        kith_condition *condition;
        struct party *p;
        pid_t pid;

        test_lock(t, "lock");
        condition = condition_of(t, "changed", i == 0 ? NULL : "lock");
        p = party_new(condition);
        p->want = KITH_EGONE;
        pid = waiter_as(p);
        EXPECT_OK(kith_destroy(test_space(t), "changed"));
        CHILD_JOIN(pid);
        EXPECT_FAILS(KITH_EGONE, "changed", kith_condition_notify(condition, 1));
        if (i == 0) {
            EXPECT_RC(KITH_EGONE, kith_condition_wait(condition, 0));
            EXPECT_RC(KITH_EGONE, kith_condition_acquire(condition, 0));
        }
    }
}

TEST(condition_whose_lock_was_destroyed_is_gone)
{
    kith_condition *condition;

    test_lock(t, "lock");
    condition = condition_of(t, "changed", "lock");
    EXPECT_OK(kith_destroy(test_space(t), "lock"));
    EXPECT_FAILS(KITH_EGONE, "its lock", kith_condition_acquire(condition, 0));
    EXPECT_RC(KITH_EGONE, kith_condition_wait(condition, 0));
}

static void
on_signal(int number)
{
    (void)number;
}

static int
second_time(void *arg)
{
    struct party *p = arg;

    return atomic_fetch_add(&p->interrupts, 1) == 1;
}

static void
child_is_interrupted(void *arg)
{
    struct party *p = arg;
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(second_time, p);
    EXPECT_OK(kith_condition_acquire(p->condition, KITH_FOREVER));
    EXPECT_FAILS(KITH_EINTERRUPTED, "changed", kith_condition_wait(p->condition, KITH_FOREVER));
    EXPECT_OK(kith_condition_release(p->condition));
}

TEST(condition_wait_ends_on_a_signal_only_if_asked)
{
    kith_condition *condition = condition_of(t, "changed", NULL);
    struct party *p = party_new(condition);
    pid_t pid = test_child(child_is_interrupted, p);

    for (int i = 0; i < 2; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        UNTIL(p->interrupts == i + 1);
    }
    CHILD_JOIN(pid);
}

TEST(condition_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_condition *condition = condition_of(t, "changed", NULL);
    kith_condition *none = (kith_condition *)t;
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;

    EXPECT_RC(KITH_EINVAL, kith_condition_wait(condition, -2));
    EXPECT_RC(KITH_EINVAL, kith_condition_wait(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_condition_wait_for(condition, NULL, NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_condition_wait_for(condition, is_three, NULL, -3));
    EXPECT_RC(KITH_EINVAL, kith_condition_acquire(condition, -2));
    EXPECT_RC(KITH_EINVAL, kith_condition_acquire(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_condition_release(NULL));
    EXPECT_RC(KITH_EINVAL, kith_condition_notify(NULL, 1));
    EXPECT_RC(KITH_EINVAL, kith_condition_notify_all(NULL));
    options.lock = "no/name";
    EXPECT_RC(KITH_EINVAL, kith_condition_open(space, "c", &options, &none));
    options.lock = "absent";
    EXPECT_FAILS(KITH_ENOENT, "absent", kith_condition_open(space, "c", &options, &none));
    test_dict(t, "dict");
    options.lock = "dict";
    EXPECT_FAILS(KITH_ETYPE, "dict", kith_condition_open(space, "c", &options, &none));
    options.lock = NULL;
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_condition_open(space, "c", &options, &none));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_condition_open(space, "changed", &options, &none));
    EXPECT_FAILS(KITH_ETYPE, "dict", kith_condition_open(space, "dict", NULL, &none));
    EXPECT_TRUE(none == (kith_condition *)t);
    kith_condition_close(NULL);
}
