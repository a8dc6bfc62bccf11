/*
 * test_limiter.c - what kith/limiter.h promises.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_limiter *limiter;
    kith_err want;
    atomic_int *taken;
    sem_t *ready;
    atomic_int interrupts;
};

static void
close_limiter(void *limiter)
{
    kith_limiter_close(limiter);
}

static kith_limiter *
limiter_of(struct test *t, const char *name, double rate, uint32_t burst)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    kith_limiter *limiter = NULL;

    options.rate = rate;
    options.burst = burst;
    EXPECT_OK(kith_limiter_open(test_space(t), name, &options, &limiter));
    test_keep(t, limiter, close_limiter);
    return limiter;
}

static struct party *
party_new(kith_limiter *limiter)
{
    struct party *p = test_shared(sizeof(*p));

    p->limiter = limiter;
    p->ready = test_gate();
    return p;
}

static struct kith_limiter_state
state_of(kith_limiter *limiter)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;

    EXPECT_OK(kith_limiter_state(limiter, &state));
    return state;
}

/* At this rate no token comes while a test runs. */
#define HOURLY (1 / 3600.0)

TEST(limiter_has_its_burst_at_first_and_then_nothing)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 5);
    struct kith_limiter_state state = state_of(limiter);

    EXPECT_TRUE(state.rate == HOURLY);
    EXPECT_EQ(5, state.burst);
    EXPECT_EQ(5, state.available);
    EXPECT_EQ(0, state.next_ns);
    EXPECT_OK(kith_limiter_take(limiter, 2));
    EXPECT_OK(kith_limiter_take(limiter, 0));
    EXPECT_EQ(3, state_of(limiter).available);
    EXPECT_FAILS(KITH_EEMPTY, "calls", kith_limiter_take(limiter, 4));
    EXPECT_OK(kith_limiter_take(limiter, 3));
    EXPECT_FAILS(KITH_EEMPTY, "calls", kith_limiter_take(limiter, 1));
    EXPECT_FAILS(KITH_ERANGE, "burst", kith_limiter_take(limiter, 6));
    EXPECT_FAILS(KITH_ERANGE, "burst", kith_limiter_wait(limiter, 6, KITH_FOREVER));
    state = state_of(limiter);
    EXPECT_EQ(0, state.available);
    EXPECT_GE(state.next_ns, 3000 * TEST_S);
    EXPECT_GE(3600 * TEST_S, state.next_ns);
}

TEST(limiter_tells_at_once_that_it_will_not_be_in_time)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 1);

    EXPECT_OK(kith_limiter_wait(limiter, 1, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, "calls", kith_limiter_wait(limiter, 1, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_limiter_wait(limiter, 1, 600 * TEST_S)); /* no ceiling reached */
    EXPECT_OK(kith_limiter_wait(limiter, 0, 0));
}

/* What was taken in all never passes the burst and what the time that passed has brought. */
TEST(limiter_gives_tokens_at_its_rate)
{
    static const double rates[] = { 50, 1000 / 3.0, 4000 };

    for (size_t i = 0; i < COUNTOF(rates); i++) {
        static const char *const names[] = { "a", "b", "c" };
        int64_t before_ns = test_now_ns(), after_ns;
        kith_limiter *limiter = limiter_of(t, names[i], rates[i], 2);
        int64_t count = (int64_t)(rates[i] / 10) + 2;

        for (int64_t n = 0; n < count; n++)
            EXPECT_OK(kith_limiter_wait(limiter, 1, KITH_FOREVER));
        after_ns = test_now_ns();
        EXPECT_GE((double)(after_ns - before_ns) / 1e9 * rates[i] + 2 + 1e-3, count);
    }
}

TEST(limiter_wait_takes_many_when_they_are_there)
{
    kith_limiter *limiter = limiter_of(t, "calls", 200, 10);
    int64_t before_ns = test_now_ns();

    EXPECT_OK(kith_limiter_take(limiter, 10));
    EXPECT_OK(kith_limiter_wait(limiter, 10, KITH_FOREVER));
    EXPECT_GE(test_now_ns() - before_ns, 45 * TEST_MS); /* 10 tokens are 50 ms */
}

TEST(limiter_is_never_fuller_than_its_burst)
{
    kith_limiter *limiter = limiter_of(t, "calls", 1e9, 3);

    for (int i = 0; i < 20; i++) {
        EXPECT_OK(kith_limiter_wait(limiter, 1, KITH_FOREVER));
        test_breathe();
        EXPECT_EQ(3, state_of(limiter).available);
    }
}

static void
child_takes(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < 400; i++) {
        kith_err err = kith_limiter_take(p->limiter, 1);

        if (err == KITH_OK)
            atomic_fetch_add(p->taken, 1);
        else
            EXPECT_RC(KITH_EEMPTY, err);
    }
}

TEST(limiter_gives_each_token_once_among_processes)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 1000);
    struct party *p = party_new(limiter);
    pid_t pids[4];

    p->taken = test_shared(sizeof(*p->taken));
    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_takes, p);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(1000, *p->taken);
}

static void
child_takes_and_dies(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_limiter_take(p->limiter, 2));
    kill(getpid(), SIGKILL);
}

static void
child_waits(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(p->want, kith_limiter_wait(p->limiter, 1, KITH_FOREVER));
}

TEST(limiter_killed_takers_tokens_are_gone_and_killed_waiters_are_not)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 3);
    pid_t pid;

    (void)CHILD_END(test_child(child_takes_and_dies, party_new(limiter)));
    EXPECT_EQ(1, state_of(limiter).available);
    EXPECT_OK(kith_limiter_take(limiter, 1));
    pid = test_child(child_waits, party_new(limiter));
    UNTIL_ASLEEP(pid, 0);
    test_child_kill(pid);
    EXPECT_GE(3600 * TEST_S, state_of(limiter).next_ns); /* it has spent nothing ahead */
}

TEST(limiter_killed_waiter_holds_nobody_up)
{
    kith_limiter *limiter = limiter_of(t, "calls", 20, 1);
    pid_t doomed, next;

    EXPECT_OK(kith_limiter_take(limiter, 1));
    doomed = test_child(child_waits, party_new(limiter));
    next = test_child(child_waits, party_new(limiter));
    test_child_stop(doomed); /* it may have its token by now: then the next comes for the other */
    test_child_kill(doomed);
    CHILD_JOIN(next);
}

TEST(limiter_waiters_learn_that_it_was_destroyed)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 1);
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    struct party *p = party_new(limiter);
    pid_t pid;

    EXPECT_OK(kith_limiter_take(limiter, 1));
    p->want = KITH_EGONE;
    pid = test_child(child_waits, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "calls"));
    CHILD_JOIN(pid);
    EXPECT_FAILS(KITH_EGONE, "calls", kith_limiter_take(limiter, 1));
    EXPECT_RC(KITH_EGONE, kith_limiter_wait(limiter, 1, KITH_FOREVER));
    EXPECT_RC(KITH_EGONE, kith_limiter_state(limiter, &state));
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
    EXPECT_FAILS(KITH_EINTERRUPTED, "calls", kith_limiter_wait(p->limiter, 1, KITH_FOREVER));
}

TEST(limiter_wait_ends_on_a_signal_only_if_asked)
{
    kith_limiter *limiter = limiter_of(t, "calls", HOURLY, 1);
    struct party *p = party_new(limiter);
    pid_t pid;

    EXPECT_OK(kith_limiter_take(limiter, 1));
    pid = test_child(child_is_interrupted, p);
    for (int i = 0; i < 2; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        UNTIL(p->interrupts == i + 1);
    }
    CHILD_JOIN(pid);
}

TEST(limiter_refuses_bad_input)
{
    static const double bad[] = { 0, -1, 1e-7, 2e9 };
    kith_space *space = test_space(t);
    kith_limiter *limiter, *none = (kith_limiter *)t;
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;

    for (size_t i = 0; i < COUNTOF(bad); i++) {
        options.rate = bad[i];
        EXPECT_FAILS(KITH_EINVAL, "rate", kith_limiter_open(space, "l", &options, &none));
    }
    options.rate = (double)NAN;
    EXPECT_RC(KITH_EINVAL, kith_limiter_open(space, "l", &options, &none));
    options.rate = (double)INFINITY;
    EXPECT_RC(KITH_EINVAL, kith_limiter_open(space, "l", &options, &none));
    options.rate = 1;
    options.burst = 0;
    EXPECT_FAILS(KITH_EINVAL, "burst", kith_limiter_open(space, "l", &options, &none));
    options.burst = KITH_LIMITER_BURST_MAX + 1;
    EXPECT_FAILS(KITH_EINVAL, "burst", kith_limiter_open(space, "l", &options, &none));
    EXPECT_RC(KITH_ENOENT, kith_limiter_open(space, "l", NULL, &none));
    EXPECT_TRUE(none == (kith_limiter *)t);
    limiter = limiter_of(t, "l", KITH_LIMITER_RATE_MIN, KITH_LIMITER_BURST_MAX);
    EXPECT_OK(kith_limiter_take(limiter, KITH_LIMITER_BURST_MAX));
    EXPECT_RC(KITH_EEMPTY, kith_limiter_take(limiter, KITH_LIMITER_BURST_MAX));
    EXPECT_OK(kith_limiter_open(space, "l", NULL, &none));
    kith_limiter_close(none);
    options.burst = 1;
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_limiter_open(space, "l", &options, &none));
    test_lock(t, "a-lock");
    EXPECT_FAILS(KITH_ETYPE, "a-lock", kith_limiter_open(space, "a-lock", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_limiter_take(NULL, 1));
    EXPECT_RC(KITH_EINVAL, kith_limiter_wait(NULL, 1, 0));
    EXPECT_RC(KITH_EINVAL, kith_limiter_wait(limiter, 1, -2));
    EXPECT_RC(KITH_EINVAL, kith_limiter_state(limiter, NULL));
    state.struct_size = 0;
    EXPECT_RC(KITH_EINVAL, kith_limiter_state(limiter, &state));
    kith_limiter_close(NULL);
}
