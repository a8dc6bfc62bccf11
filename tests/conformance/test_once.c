/*
 * test_once.c - what kith/once.h promises.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_once *once;
    kith_err want;
    bool mine; /* what it is to get */
    sem_t *ready, *go;
    atomic_int interrupts, *runs, *others;
    kith_err result;
};

static void
close_once(void *once)
{
    kith_once_close(once);
}

static kith_once *
once_of(struct test *t, const char *name)
{
    kith_once *once = NULL;

    EXPECT_OK(kith_once_open(test_space(t), name, NULL, &once));
    test_keep(t, once, close_once);
    return once;
}

static struct party *
party_new(kith_once *once)
{
    struct party *p = test_shared(sizeof(*p));

    p->once = once;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static enum kith_once_state
state_of(kith_once *once)
{
    enum kith_once_state state = (enum kith_once_state)99;

    EXPECT_OK(kith_once_state(once, &state));
    return state;
}

static void
child_claims(void *arg)
{
    struct party *p = arg;
    bool mine = !p->mine;

    EXPECT_RC(p->want, kith_once_claim(p->once, KITH_FOREVER, &mine));
    if (p->want < 0)
        return;
    EXPECT_EQ(p->mine, mine);
    if (mine)
        EXPECT_OK(kith_once_done(p->once));
}

static pid_t
waiter(kith_once *once, bool gets)
{
    struct party *p = party_new(once);
    pid_t pid;

    p->mine = gets;
    pid = test_child(child_claims, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

static void
child_works(void *arg)
{
    struct party *p = arg;
    bool mine = false;

    EXPECT_OK(kith_once_claim(p->once, 0, &mine));
    EXPECT_TRUE(mine);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
}

static pid_t
worker(struct party *p)
{
    pid_t pid = test_child(child_works, p);

    GATE_WAIT(p->ready);
    return pid;
}

TEST(once_is_claimed_by_one_and_done_for_good)
{
    kith_once *once = once_of(t, "setup");
    bool mine = false;

    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once));
    EXPECT_FAILS(KITH_EPERM, "setup", kith_once_done(once));
    EXPECT_RC(KITH_EPERM, kith_once_failed(once));
    EXPECT_OK(kith_once_claim(once, 0, &mine));
    EXPECT_TRUE(mine);
    EXPECT_EQ(KITH_ONCE_CLAIMED, state_of(once));
    EXPECT_FAILS(KITH_EDEADLOCK, "setup", kith_once_claim(once, KITH_FOREVER, &mine));
    EXPECT_OK(kith_once_done(once));
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once));
    for (int i = 0; i < 3; i++) {
        mine = true;
        EXPECT_OK(kith_once_claim(once, KITH_FOREVER, &mine));
        EXPECT_TRUE(!mine);
    }
    EXPECT_RC(KITH_EPERM, kith_once_done(once));
    EXPECT_RC(KITH_EPERM, kith_once_failed(once));
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once));
}

TEST(once_lets_all_go_who_wait_when_it_is_done)
{
    kith_once *once = once_of(t, "setup");
    pid_t pids[3];
    bool mine;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    for (int i = 0; i < 3; i++)
        pids[i] = waiter(once, false);
    EXPECT_OK(kith_once_done(once));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
}

TEST(once_that_failed_is_the_next_ones)
{
    kith_once *once = once_of(t, "setup");
    pid_t pid;
    bool mine;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    pid = waiter(once, true);
    EXPECT_OK(kith_once_failed(once));
    CHILD_JOIN(pid);
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once));
}

TEST(once_killed_claimer_is_followed_by_the_waiter)
{
    kith_once *once = once_of(t, "setup");
    struct party *p = party_new(once);
    pid_t pid = worker(p), next = waiter(once, true);

    test_child_kill(pid);
    CHILD_JOIN(next);
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once));
}

TEST(once_killed_claimer_is_seen_without_waiting)
{
    kith_once *once = once_of(t, "setup");
    bool mine = false;

    test_child_kill(worker(party_new(once)));
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once));
    EXPECT_OK(kith_once_claim(once, 0, &mine));
    EXPECT_TRUE(mine);
    EXPECT_OK(kith_once_failed(once));
}

TEST(once_claimer_that_ends_in_good_order_is_followed_too)
{
    kith_once *once = once_of(t, "setup");
    struct party *p = party_new(once);
    pid_t pid = worker(p), next = waiter(once, true);

    test_gate_open(p->go);
    CHILD_JOIN(pid);
    CHILD_JOIN(next);
}

TEST(once_killed_waiter_is_forgotten)
{
    kith_once *once = once_of(t, "setup");
    pid_t doomed, next;
    bool mine;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    doomed = waiter(once, true);
    next = waiter(once, true);
    test_child_stop(doomed);
    EXPECT_OK(kith_once_failed(once));
    test_child_kill(doomed);
    CHILD_JOIN(next);
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once));
}

static void
child_is_refused(void *arg)
{
    struct party *p = arg;
    bool mine = true;

    EXPECT_FAILS(KITH_ETIMEDOUT, "setup", kith_once_claim(p->once, 0, &mine));
    EXPECT_RC(KITH_ETIMEDOUT, kith_once_claim(p->once, 20 * TEST_MS, &mine));
    EXPECT_RC(KITH_EPERM, kith_once_done(p->once));
    EXPECT_TRUE(mine);
}

TEST(once_is_not_a_childs_because_it_is_the_parents)
{
    kith_once *once = once_of(t, "setup");
    bool mine;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    CHILD_JOIN(test_child(child_is_refused, party_new(once)));
    EXPECT_OK(kith_once_done(once));
}

static void *
thread_claims(void *arg)
{
    struct party *p = arg;
    bool mine = false;

    EXPECT_OK(kith_once_claim(p->once, 0, &mine));
    EXPECT_TRUE(mine);
    return NULL;
}

TEST(once_claim_outlives_its_thread)
{
    kith_once *once = once_of(t, "setup");
    bool mine;

    test_thread_join(test_thread(thread_claims, party_new(once)));
    EXPECT_EQ(KITH_ONCE_CLAIMED, state_of(once));
    EXPECT_RC(KITH_ETIMEDOUT, kith_once_claim(once, 0, &mine));
    EXPECT_OK(kith_once_done(once));
}

static kith_err
run_it(void *arg)
{
    struct party *p = arg;

    atomic_fetch_add(p->runs, 1);
    EXPECT_EQ(1, atomic_fetch_add(p->others, 1) + 1);
    test_breathe();
    atomic_fetch_sub(p->others, 1);
    return p->result;
}

static void
child_runs(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_once_run(p->once, run_it, p, KITH_FOREVER));
    EXPECT_GE(*p->runs, 1);
}

TEST(once_run_runs_one_of_all)
{
    kith_once *once = once_of(t, "setup");
    struct party *p = party_new(once);
    pid_t pids[5];

    p->runs = test_shared(sizeof(*p->runs));
    p->others = test_shared(sizeof(*p->others));
    p->result = KITH_ERANGE;
    EXPECT_FAILS(KITH_ERANGE, "setup", kith_once_run(once, run_it, p, KITH_FOREVER));
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once));
    p->result = KITH_OK;
    for (int i = 0; i < 5; i++)
        pids[i] = test_child(child_runs, p);
    for (int i = 0; i < 5; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(2, *p->runs);
    EXPECT_OK(kith_once_run(once, run_it, p, 0));
    EXPECT_EQ(2, *p->runs);
}

TEST(once_waiters_learn_that_it_was_destroyed)
{
    kith_once *once = once_of(t, "setup");
    struct party *p = party_new(once);
    enum kith_once_state state;
    pid_t pid;
    bool mine;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    p->want = KITH_EGONE;
    pid = test_child(child_claims, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "setup"));
    CHILD_JOIN(pid);
    EXPECT_FAILS(KITH_EGONE, "setup", kith_once_claim(once, KITH_FOREVER, &mine));
    EXPECT_RC(KITH_EGONE, kith_once_done(once));
    EXPECT_RC(KITH_EGONE, kith_once_state(once, &state));
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once_of(t, "setup")));
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
    bool mine;

    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(second_time, p);
    EXPECT_FAILS(KITH_EINTERRUPTED, "setup", kith_once_claim(p->once, KITH_FOREVER, &mine));
}

TEST(once_wait_ends_on_a_signal_only_if_asked)
{
    kith_once *once = once_of(t, "setup");
    struct party *p = party_new(once);
    bool mine;
    pid_t pid;

    EXPECT_OK(kith_once_claim(once, 0, &mine));
    pid = test_child(child_is_interrupted, p);
    for (int i = 0; i < 2; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        UNTIL(p->interrupts == i + 1);
    }
    CHILD_JOIN(pid);
}

TEST(once_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_once *once = once_of(t, "setup"), *none = (kith_once *)t;
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    enum kith_once_state state;
    bool mine = true;

    EXPECT_RC(KITH_EINVAL, kith_once_claim(once, -2, &mine));
    EXPECT_RC(KITH_EINVAL, kith_once_claim(once, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_once_claim(NULL, 0, &mine));
    EXPECT_RC(KITH_EINVAL, kith_once_done(NULL));
    EXPECT_RC(KITH_EINVAL, kith_once_failed(NULL));
    EXPECT_RC(KITH_EINVAL, kith_once_state(NULL, &state));
    EXPECT_RC(KITH_EINVAL, kith_once_state(once, NULL));
    EXPECT_RC(KITH_EINVAL, kith_once_run(once, NULL, NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_once_run(once, run_it, NULL, -7));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_once_open(space, "setup", &options, &none));
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_once_open(space, "absent", &options, &none));
    test_lock(t, "a-lock");
    EXPECT_FAILS(KITH_ETYPE, "a-lock", kith_once_open(space, "a-lock", NULL, &none));
    EXPECT_TRUE(none == (kith_once *)t && mine);
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once));
    kith_once_close(NULL);
}
