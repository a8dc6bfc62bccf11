/*
 * test_event.c - what kith/event.h promises.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_event *event;
    sem_t *ready;
    int want;
    atomic_int interrupts;
};

static struct party *
party_new(kith_event *event)
{
    struct party *p = test_shared(sizeof(*p));

    p->event = event;
    p->ready = test_gate();
    return p;
}

TEST(event_is_not_set_at_first_and_lets_through_once_it_is)
{
    kith_event *event = test_event(t, "started");
    int64_t start_ns = test_now_ns();
    bool set = true;

    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(!set);
    EXPECT_FAILS(KITH_ETIMEDOUT, "started", kith_event_wait(event, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, "started", kith_event_wait(event, 20 * TEST_MS));
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    EXPECT_OK(kith_event_set(event));
    EXPECT_OK(kith_event_set(event));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(set);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith_event_wait(event, 0));
        EXPECT_OK(kith_event_wait(event, KITH_FOREVER));
    }
    EXPECT_OK(kith_event_clear(event));
    EXPECT_OK(kith_event_clear(event));
    EXPECT_RC(KITH_ETIMEDOUT, kith_event_wait(event, 0));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(!set);
}

static void
child_waits(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->want, kith_event_wait(p->event, KITH_FOREVER));
}

TEST(event_wakes_all_who_sleep)
{
    kith_event *event = test_event(t, "started");
    pid_t pids[5];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            pids[i] = test_child(child_waits, party_new(event));
        for (int i = 0; i < 5; i++)
            UNTIL_ASLEEP(pids[i], 0);
        EXPECT_OK(kith_event_set(event));
        for (int i = 0; i < 5; i++)
            CHILD_JOIN(pids[i]);
        EXPECT_OK(kith_event_clear(event));
    }
}

TEST(event_cleared_at_once_lets_those_through_who_were_woken)
{
    kith_event *event = test_event(t, "started");
    pid_t pids[4];

    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_waits, party_new(event));
    for (int i = 0; i < 4; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_event_set(event));
    EXPECT_OK(kith_event_clear(event));
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_RC(KITH_ETIMEDOUT, kith_event_wait(event, 0));
}

/* The woken is stopped over a set, a clear and more of both, and still returns. */
TEST(event_waiter_that_was_stopped_returns_after_set_and_clear)
{
    kith_event *event = test_event(t, "started");
    pid_t pid = test_child(child_waits, party_new(event));

    UNTIL_ASLEEP(pid, 0);
    test_child_stop(pid);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith_event_set(event));
        EXPECT_OK(kith_event_clear(event));
    }
    test_child_go_on(pid);
    CHILD_JOIN(pid);
}

TEST(event_forgets_killed_waiters)
{
    kith_event *event = test_event(t, "started");
    pid_t doomed[3];
    pid_t last;

    for (int i = 0; i < 3; i++) {
        doomed[i] = test_child(child_waits, party_new(event));
        UNTIL_ASLEEP(doomed[i], 0);
    }
    last = test_child(child_waits, party_new(event));
    UNTIL_ASLEEP(last, 0);
    for (int i = 0; i < 3; i++)
        test_child_kill(doomed[i]);
    EXPECT_OK(kith_event_set(event));
    CHILD_JOIN(last);
}

static void
child_sets(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_event_set(p->event));
    kill(getpid(), SIGKILL);
}

TEST(event_stays_set_when_its_setter_is_killed)
{
    kith_event *event = test_event(t, "started");
    struct party *p = party_new(event);
    pid_t waiter = test_child(child_waits, p);

    UNTIL_ASLEEP(waiter, 0);
    (void)CHILD_END(test_child(child_sets, p));
    CHILD_JOIN(waiter);
    EXPECT_OK(kith_event_wait(event, 0));
}

static void *
thread_waits(void *arg)
{
    child_waits(arg);
    return NULL;
}

TEST(event_wakes_threads_too)
{
    kith_event *event = test_event(t, "started");
    struct party *p = party_new(event);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = test_thread(thread_waits, p);
    EXPECT_OK(kith_event_set(event));
    for (int i = 0; i < 4; i++)
        test_thread_join(threads[i]);
}

TEST(event_waiters_learn_that_it_was_destroyed)
{
    kith_event *event = test_event(t, "started");
    struct party *p = party_new(event);
    bool set = true;
    pid_t pid;

    p->want = KITH_EGONE;
    pid = test_child(child_waits, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "started"));
    CHILD_JOIN(pid);
    EXPECT_FAILS(KITH_EGONE, "started", kith_event_wait(event, KITH_FOREVER));
    EXPECT_RC(KITH_EGONE, kith_event_set(event));
    EXPECT_RC(KITH_EGONE, kith_event_clear(event));
    EXPECT_RC(KITH_EGONE, kith_event_is_set(event, &set));
    EXPECT_TRUE(set);
    EXPECT_RC(KITH_ETIMEDOUT, kith_event_wait(test_event(t, "started"), 0));
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
    EXPECT_FAILS(KITH_EINTERRUPTED, "started", kith_event_wait(p->event, KITH_FOREVER));
}

TEST(event_wait_ends_on_a_signal_only_if_asked)
{
    kith_event *event = test_event(t, "started");
    struct party *p = party_new(event);
    pid_t pid = test_child(child_is_interrupted, p);

    for (int i = 0; i < 2; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        UNTIL(p->interrupts == i + 1);
    }
    CHILD_JOIN(pid);
}

/* In the library, not in its headers: how often a sleeper looks again unasked. */
extern int64_t kith__recheck_ns;

static int
is_set(void *arg)
{
    return *(bool *)arg;
}

static void
child_was_told_between_two_sleeps(void *arg)
{
    struct party *p = arg;
    bool told = true; /* by a signal's handler, which ran before the wait */

    kith__recheck_ns = 1000000;
    kith_on_interrupt(is_set, &told);
    EXPECT_FAILS(KITH_EINTERRUPTED, "started", kith_event_wait(p->event, KITH_FOREVER));
}

TEST(event_wait_notices_a_signal_that_came_before_it_slept)
{
    struct party *p = party_new(test_event(t, "started"));

    CHILD_JOIN(test_child(child_was_told_between_two_sleeps, p));
}

TEST(event_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_event *event = test_event(t, "started");
    kith_event *none = (kith_event *)t;
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    bool set;

    EXPECT_RC(KITH_EINVAL, kith_event_wait(event, -2));
    EXPECT_RC(KITH_EINVAL, kith_event_wait(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_event_set(NULL));
    EXPECT_RC(KITH_EINVAL, kith_event_clear(NULL));
    EXPECT_RC(KITH_EINVAL, kith_event_is_set(NULL, &set));
    EXPECT_RC(KITH_EINVAL, kith_event_open(NULL, "started", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_event_open(space, NULL, NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_event_open(space, "started", NULL, NULL));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_event_open(space, "started", &options, &none));
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_event_open(space, "absent", &options, &none));
    test_lock(t, "a-lock");
    EXPECT_FAILS(KITH_ETYPE, "a-lock", kith_event_open(space, "a-lock", NULL, &none));
    EXPECT_TRUE(none == (kith_event *)t);
    kith_event_close(NULL);
}
