/*
 * test_barrier.c - what kith/barrier.h promises.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_barrier *barrier;
    kith_err want;
    const char *says;
    char sentence[256];
    int rounds;
    atomic_int *seen; /* how often each index was given, by round */
    sem_t *ready, *go;
    atomic_int interrupts, acted;
    kith_err result;
};

static void
close_barrier(void *barrier)
{
    kith_barrier_close(barrier);
}

static kith_barrier *
barrier_of(struct test *t, const char *name, uint32_t parties)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier = NULL;

    options.parties = parties;
    EXPECT_OK(kith_barrier_open(test_space(t), name, &options, &barrier));
    test_keep(t, barrier, close_barrier);
    return barrier;
}

static struct party *
party_new(kith_barrier *barrier)
{
    struct party *p = test_shared(sizeof(*p));

    p->barrier = barrier;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static uint32_t
waiting(kith_barrier *barrier)
{
    uint32_t count = 99;

    EXPECT_OK(kith_barrier_waiting(barrier, &count));
    return count;
}

static bool
broken(kith_barrier *barrier)
{
    bool is_broken;

    EXPECT_OK(kith_barrier_broken(barrier, &is_broken));
    return is_broken;
}

static void
child_waits(void *arg)
{
    struct party *p = arg;
    uint32_t index = 77;

    EXPECT_RC(p->want, kith_barrier_wait(p->barrier, KITH_FOREVER, &index));
    if (p->want < 0) {
        snprintf(p->sentence, sizeof(p->sentence), "%s", kith_last_error());
        EXPECT_EQ(77, index);
        if (p->says != NULL)
            EXPECT_TRUE(strstr(p->sentence, p->says) != NULL);
    }
}

static pid_t
waiter(struct party *p, kith_err want, const char *says)
{
    pid_t pid;

    p->want = want;
    p->says = says;
    pid = test_child(child_waits, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

TEST(barrier_lets_all_go_when_the_last_arrives)
{
    kith_barrier *barrier = barrier_of(t, "start", 3);
    pid_t first, second;
    uint32_t index = 9, parties;

    EXPECT_OK(kith_barrier_parties(barrier, &parties));
    EXPECT_EQ(3, parties);
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(0, waiting(barrier));
        first = waiter(party_new(barrier), KITH_OK, NULL);
        EXPECT_EQ(1, waiting(barrier));
        second = waiter(party_new(barrier), KITH_OK, NULL);
        EXPECT_EQ(2, waiting(barrier));
        EXPECT_OK(kith_barrier_wait(barrier, 0, &index));
        EXPECT_EQ(2, index);
        CHILD_JOIN(first);
        CHILD_JOIN(second);
        EXPECT_TRUE(!broken(barrier));
    }
}

TEST(barrier_of_one_lets_go_at_once)
{
    kith_barrier *barrier = barrier_of(t, "one", 1);
    uint32_t index = 9;

    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith_barrier_wait(barrier, 0, &index));
        EXPECT_EQ(0, index);
    }
    EXPECT_OK(kith_barrier_wait(barrier, KITH_FOREVER, NULL));
}

static void
child_meets(void *arg)
{
    struct party *p = arg;

    for (int round = 0; round < p->rounds; round++) {
        uint32_t index = 0;

        EXPECT_OK(kith_barrier_wait(p->barrier, KITH_FOREVER, &index));
        atomic_fetch_add(&p->seen[round * 8 + (int)index], 1);
    }
}

/* More than fit the root, round after round: each index once in each. */
TEST(barrier_gives_each_index_once_a_round)
{
    enum { PARTIES = 7, ROUNDS = 60 };
    kith_barrier *barrier = barrier_of(t, "start", PARTIES);
    atomic_int *seen = test_shared(ROUNDS * 8 * sizeof(*seen));
    pid_t pids[PARTIES];

    for (int i = 0; i < PARTIES; i++) {
        struct party *p = party_new(barrier);

        p->rounds = ROUNDS;
        p->seen = seen;
        pids[i] = test_child(child_meets, p);
    }
    for (int i = 0; i < PARTIES; i++)
        CHILD_JOIN(pids[i]);
    for (int i = 0; i < ROUNDS * 8; i++)
        EXPECT_EQ(i % 8 < PARTIES, seen[i]);
}

TEST(barrier_killed_waiter_breaks_it_and_is_named)
{
    kith_barrier *barrier = barrier_of(t, "start", 4);
    struct party *p = party_new(barrier), *q = party_new(barrier);
    pid_t doomed = waiter(party_new(barrier), KITH_OK, NULL), first, second;
    char says[64];

    snprintf(says, sizeof(says), "process %d died", (int)doomed);
    first = waiter(p, KITH_ECONFLICT, says);
    second = waiter(q, KITH_ECONFLICT, says);
    test_child_kill(doomed);
    CHILD_JOIN(first);
    CHILD_JOIN(second);
    EXPECT_TRUE(strstr(p->sentence, "\"start\"") != NULL);
    EXPECT_TRUE(broken(barrier));
    EXPECT_FAILS(KITH_ECONFLICT, says, kith_barrier_wait(barrier, KITH_FOREVER, NULL));
    EXPECT_OK(kith_barrier_reset(barrier));
    EXPECT_TRUE(!broken(barrier));
    EXPECT_EQ(0, waiting(barrier));
}

/* It came when the others slept already, and they hear of it all the same. */
TEST(barrier_killed_last_comer_breaks_it)
{
    kith_barrier *barrier = barrier_of(t, "start", 4);
    pid_t first = waiter(party_new(barrier), KITH_ECONFLICT, "died"), second, doomed;

    second = waiter(party_new(barrier), KITH_ECONFLICT, "died");
    doomed = waiter(party_new(barrier), KITH_OK, NULL);
    test_child_kill(doomed);
    CHILD_JOIN(first);
    CHILD_JOIN(second);
}

/* Nobody else waited when it died: who comes is told, and the dead does not count. */
TEST(barrier_killed_waiter_is_noticed_by_who_comes_later)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    pid_t doomed = waiter(party_new(barrier), KITH_OK, NULL);

    test_child_kill(doomed);
    EXPECT_FAILS(KITH_ECONFLICT, "died", kith_barrier_wait(barrier, KITH_FOREVER, NULL));
    EXPECT_EQ(0, waiting(barrier));
}

TEST(barrier_is_broken_by_a_time_out)
{
    kith_barrier *barrier = barrier_of(t, "start", 3);
    pid_t other = waiter(party_new(barrier), KITH_ECONFLICT, "time of one");
    int64_t start_ns = test_now_ns();

    EXPECT_FAILS(KITH_ETIMEDOUT, "start", kith_barrier_wait(barrier, 20 * TEST_MS, NULL));
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    CHILD_JOIN(other);
    EXPECT_TRUE(broken(barrier));
    EXPECT_RC(KITH_ECONFLICT, kith_barrier_wait(barrier, 0, NULL));
    EXPECT_OK(kith_barrier_reset(barrier));
    EXPECT_RC(KITH_ETIMEDOUT, kith_barrier_wait(barrier, 0, NULL));
    EXPECT_TRUE(broken(barrier));
}

TEST(barrier_abort_and_reset_tell_those_who_wait)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    pid_t pid = waiter(party_new(barrier), KITH_ECONFLICT, "aborted");

    EXPECT_OK(kith_barrier_abort(barrier));
    CHILD_JOIN(pid);
    EXPECT_TRUE(broken(barrier));
    EXPECT_FAILS(KITH_ECONFLICT, "aborted", kith_barrier_wait(barrier, 0, NULL));
    EXPECT_OK(kith_barrier_abort(barrier));
    EXPECT_OK(kith_barrier_reset(barrier));
    pid = waiter(party_new(barrier), KITH_ECONFLICT, "reset");
    EXPECT_OK(kith_barrier_reset(barrier));
    CHILD_JOIN(pid);
    EXPECT_TRUE(!broken(barrier));
    pid = waiter(party_new(barrier), KITH_OK, NULL);
    EXPECT_OK(kith_barrier_wait(barrier, 0, NULL));
    CHILD_JOIN(pid);
}

/* Stopped over all that followed, each learns what became of its own meeting. */
TEST(barrier_waiter_that_was_stopped_learns_of_its_own_meeting)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    pid_t passed = waiter(party_new(barrier), KITH_OK, NULL), lost, other;

    test_child_stop(passed);
    EXPECT_OK(kith_barrier_wait(barrier, 0, NULL));
    lost = waiter(party_new(barrier), KITH_ECONFLICT, "aborted");
    test_child_stop(lost);
    EXPECT_OK(kith_barrier_abort(barrier));
    EXPECT_OK(kith_barrier_reset(barrier));
    other = waiter(party_new(barrier), KITH_OK, NULL);
    EXPECT_OK(kith_barrier_wait(barrier, 0, NULL));
    CHILD_JOIN(other);
    EXPECT_RC(KITH_ETIMEDOUT, kith_barrier_wait(barrier, 0, NULL));
    test_child_go_on(passed);
    test_child_go_on(lost);
    CHILD_JOIN(passed);
    CHILD_JOIN(lost);
}

static kith_err
act(void *arg)
{
    struct party *p = arg;

    atomic_fetch_add(&p->acted, 1);
    EXPECT_EQ(2, waiting(p->barrier));
    return p->result;
}

static kith_err
act_and_wait(void *arg)
{
    struct party *p = arg;

    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    return KITH_OK;
}

TEST(barrier_action_is_run_by_the_last_before_any_goes)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    struct party *p = party_new(barrier);
    pid_t pid = waiter(party_new(barrier), KITH_OK, NULL);

    EXPECT_OK(kith_barrier_wait_with(barrier, KITH_FOREVER, act, p, NULL));
    EXPECT_EQ(1, p->acted);
    CHILD_JOIN(pid);
    p->result = KITH_ERANGE;
    pid = waiter(party_new(barrier), KITH_ECONFLICT, "action");
    EXPECT_RC(KITH_ERANGE, kith_barrier_wait_with(barrier, KITH_FOREVER, act, p, NULL));
    CHILD_JOIN(pid);
    EXPECT_TRUE(broken(barrier));
    EXPECT_RC(KITH_ECONFLICT, kith_barrier_wait_with(barrier, KITH_FOREVER, act, p, NULL));
    EXPECT_EQ(2, p->acted);
}

static void
child_acts(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_barrier_wait_with(p->barrier, KITH_FOREVER, act_and_wait, p, NULL));
}

TEST(barrier_one_more_than_all_waits_for_the_next_meeting)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    struct party *p = party_new(barrier);
    pid_t first = waiter(party_new(barrier), KITH_OK, NULL), last, more;

    last = test_child(child_acts, p);
    GATE_WAIT(p->ready);
    more = waiter(party_new(barrier), KITH_OK, NULL);
    EXPECT_RC(KITH_ETIMEDOUT, kith_barrier_wait(barrier, 0, NULL));
    EXPECT_TRUE(!broken(barrier));
    test_gate_open(p->go);
    CHILD_JOIN(first);
    CHILD_JOIN(last);
    UNTIL(waiting(barrier) == 1);
    EXPECT_OK(kith_barrier_wait(barrier, 0, NULL));
    CHILD_JOIN(more);
}

TEST(barrier_killed_in_its_action_breaks)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    struct party *p = party_new(barrier);
    pid_t first = waiter(party_new(barrier), KITH_ECONFLICT, "died"), last;

    last = test_child(child_acts, p);
    GATE_WAIT(p->ready);
    test_child_kill(last);
    CHILD_JOIN(first);
}

static void *
thread_waits(void *arg)
{
    child_waits(arg);
    return NULL;
}

TEST(barrier_parties_may_be_threads)
{
    kith_barrier *barrier = barrier_of(t, "start", 4);
    struct party *p = party_new(barrier);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = test_thread(thread_waits, p);
    for (int i = 0; i < 4; i++)
        test_thread_join(threads[i]);
}

TEST(barrier_waiters_learn_that_it_was_destroyed)
{
    kith_barrier *barrier = barrier_of(t, "start", 2);
    pid_t pid = waiter(party_new(barrier), KITH_EGONE, "destroyed");
    uint32_t count = 7;
    bool flag;

    EXPECT_OK(kith_destroy(test_space(t), "start"));
    CHILD_JOIN(pid);
    EXPECT_FAILS(KITH_EGONE, "start", kith_barrier_wait(barrier, KITH_FOREVER, NULL));
    EXPECT_RC(KITH_EGONE, kith_barrier_reset(barrier));
    EXPECT_RC(KITH_EGONE, kith_barrier_abort(barrier));
    EXPECT_RC(KITH_EGONE, kith_barrier_waiting(barrier, &count));
    EXPECT_RC(KITH_EGONE, kith_barrier_parties(barrier, &count));
    EXPECT_RC(KITH_EGONE, kith_barrier_broken(barrier, &flag));
    EXPECT_EQ(7, count);
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
    EXPECT_FAILS(KITH_EINTERRUPTED, "start", kith_barrier_wait(p->barrier, KITH_FOREVER, NULL));
}

TEST(barrier_wait_ends_on_a_signal_only_if_asked)
{
    kith_barrier *barrier = barrier_of(t, "start", 3);
    struct party *p = party_new(barrier);
    pid_t pid = test_child(child_is_interrupted, p), other;

    other = waiter(party_new(barrier), KITH_ECONFLICT, "interrupted");
    for (int i = 0; i < 2; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        UNTIL(p->interrupts == i + 1);
    }
    CHILD_JOIN(pid);
    CHILD_JOIN(other);
}

TEST(barrier_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_barrier *barrier, *none = (kith_barrier *)t;
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    uint32_t parties = 0;

    EXPECT_FAILS(KITH_EINVAL, "0 parties", kith_barrier_open(space, "b", &options, &none));
    options.parties = KITH_BARRIER_PARTIES_MAX + 1;
    EXPECT_FAILS(KITH_EINVAL, "8191 parties", kith_barrier_open(space, "b", &options, &none));
    EXPECT_RC(KITH_ENOENT, kith_barrier_open(space, "b", NULL, &none));
    EXPECT_TRUE(none == (kith_barrier *)t);
    barrier = barrier_of(t, "b", KITH_BARRIER_PARTIES_MAX);
    EXPECT_OK(kith_barrier_open(space, "b", NULL, &none));
    EXPECT_OK(kith_barrier_parties(none, &parties));
    EXPECT_EQ(KITH_BARRIER_PARTIES_MAX, parties);
    kith_barrier_close(none);
    options.parties = 3;
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_barrier_open(space, "b", &options, &none));
    test_lock(t, "a-lock");
    EXPECT_FAILS(KITH_ETYPE, "a-lock", kith_barrier_open(space, "a-lock", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_barrier_wait(barrier, -2, NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_wait(NULL, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_wait_with(barrier, 0, NULL, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_reset(NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_abort(NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_parties(barrier, NULL));
    EXPECT_RC(KITH_EINVAL, kith_barrier_waiting(NULL, &parties));
    EXPECT_RC(KITH_EINVAL, kith_barrier_broken(barrier, NULL));
    EXPECT_TRUE(!broken(barrier));
    kith_barrier_close(NULL);
}
