/*
 * test_semaphore.c - what kith/semaphore.h promises.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

enum { BOUNDED = 1, FAIR = 2, UNOWNED = 4 };

struct party {
    kith_semaphore *semaphore;
    sem_t *ready, *go;
    kith_err want;
    int takes;
    bool is_killed;
    int number;
    atomic_int interrupts;
    atomic_int *next;
    atomic_int order[8];
};

static void
close_semaphore(void *semaphore)
{
    kith_semaphore_close(semaphore);
}

static kith_semaphore *
open_with(struct test *t, const char *name, uint32_t value, unsigned what)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_semaphore *semaphore = NULL;

    options.value = value;
    options.bounded = (what & BOUNDED) != 0;
    options.fair = (what & FAIR) != 0;
    options.unowned = (what & UNOWNED) != 0;
    EXPECT_OK(kith_semaphore_open(test_space(t), name, &options, &semaphore));
    test_keep(t, semaphore, close_semaphore);
    return semaphore;
}

static struct party *
party_new(kith_semaphore *semaphore)
{
    struct party *p = test_shared(sizeof(*p));

    p->semaphore = semaphore;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static uint32_t
value_of(kith_semaphore *semaphore)
{
    uint32_t value = 99;

    EXPECT_OK(kith_semaphore_value(semaphore, &value));
    return value;
}

/* Takes some, says so, and then dies or ends in an orderly way, as told. */
static void
child_holds(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < p->takes; i++)
        EXPECT_OK(kith_semaphore_acquire(p->semaphore, KITH_FOREVER));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->is_killed)
        kill(getpid(), SIGKILL);
}

static pid_t
holder(struct party *p, int takes)
{
    pid_t pid;

    p->takes = takes;
    pid = test_child(child_holds, p);
    GATE_WAIT(p->ready);
    return pid;
}

static void
child_waits(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(p->want, kith_semaphore_acquire(p->semaphore, KITH_FOREVER));
    if (p->next != NULL)
        p->order[0] = atomic_fetch_add(p->next, 1);
    if (p->is_killed) {
        test_gate_open(p->ready);
        GATE_WAIT(p->go);
    }
}

static pid_t
waiter(struct party *p)
{
    pid_t pid = test_child(child_waits, p);

    UNTIL_ASLEEP(pid, 0);
    return pid;
}

static const unsigned ways[] = { 0, FAIR };

TEST(semaphore_has_as_many_permits_as_it_was_created_with)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "slots", 3, ways[i]);
        int64_t start_ns;

        for (uint32_t n = 3; n > 0; n--) {
            EXPECT_EQ(n, value_of(semaphore));
            EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
        }
        EXPECT_EQ(0, value_of(semaphore));
        start_ns = test_now_ns();
        EXPECT_FAILS(KITH_ETIMEDOUT, "permit", kith_semaphore_acquire(semaphore, 0));
        EXPECT_FAILS(KITH_ETIMEDOUT, "permit", kith_semaphore_acquire(semaphore, 20 * TEST_MS));
        EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
        EXPECT_OK(kith_semaphore_release(semaphore));
        EXPECT_EQ(1, value_of(semaphore));
        EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
        EXPECT_OK(kith_semaphore_release_many(semaphore, 3));
        EXPECT_EQ(3, value_of(semaphore));
        EXPECT_OK(kith_semaphore_release_many(semaphore, 0));
        EXPECT_EQ(3, value_of(semaphore));
    }
    EXPECT_EQ(1, value_of(open_with(t, "one", 1, 0)));
}

TEST(semaphore_without_a_bound_grows_by_releases_and_is_a_signal)
{
    kith_semaphore *semaphore = open_with(t, "signal", 0, 0);

    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_release(semaphore));
    EXPECT_OK(kith_semaphore_release_many(semaphore, 4));
    EXPECT_EQ(5, value_of(semaphore));
    EXPECT_FAILS(KITH_ERANGE, "more permits",
                 kith_semaphore_release_many(semaphore, KITH_SEMAPHORE_VALUE_MAX));
    EXPECT_EQ(5, value_of(semaphore));
    EXPECT_OK(kith_semaphore_release_many(semaphore, KITH_SEMAPHORE_VALUE_MAX - 5));
    EXPECT_FAILS(KITH_ERANGE, "more permits", kith_semaphore_release(semaphore));
    EXPECT_EQ(KITH_SEMAPHORE_VALUE_MAX, value_of(semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
}

TEST(semaphore_with_a_bound_is_not_released_above_it)
{
    kith_semaphore *semaphore = open_with(t, "bounded", 2, BOUNDED);

    EXPECT_FAILS(KITH_ERANGE, "bounded", kith_semaphore_release(semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_FAILS(KITH_ERANGE, "bounded", kith_semaphore_release_many(semaphore, 2));
    EXPECT_EQ(1, value_of(semaphore));
    EXPECT_OK(kith_semaphore_release(semaphore));
    EXPECT_RC(KITH_ERANGE, kith_semaphore_release(semaphore));
    EXPECT_EQ(2, value_of(semaphore));
}

TEST(semaphore_tells_how_it_was_made)
{
    kith_semaphore *semaphore = open_with(t, "slots", 3, BOUNDED | FAIR);
    struct kith_semaphore_info info = KITH_SEMAPHORE_INFO_INIT;
    struct {
        size_t struct_size;
        uint32_t value, untouched;
    } old = { offsetof(struct kith_semaphore_info, initial), 9, 9 };

    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_info(semaphore, &info));
    EXPECT_EQ(2, info.value);
    EXPECT_EQ(3, info.initial);
    EXPECT_TRUE(info.bounded && info.fair && !info.unowned);
    EXPECT_OK(kith_semaphore_info(semaphore, (struct kith_semaphore_info *)&old));
    EXPECT_EQ(2, old.value);
    EXPECT_EQ(9, old.untouched);

    semaphore = open_with(t, "unowned", 0, UNOWNED);
    EXPECT_OK(kith_semaphore_release_many(semaphore, 5));
    EXPECT_OK(kith_semaphore_info(open_with(t, "unowned", 7, 0), &info));
    EXPECT_EQ(5, info.value);
    EXPECT_EQ(0, info.initial);
    EXPECT_TRUE(!info.bounded && !info.fair && info.unowned);
}

TEST(semaphore_wakes_as_many_as_are_released)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "signal", 0, ways[i]);
        pid_t pids[4];

        for (int n = 0; n < 4; n++)
            pids[n] = waiter(party_new(semaphore));
        EXPECT_OK(kith_semaphore_release_many(semaphore, 3));
        EXPECT_OK(kith_semaphore_release(semaphore));
        for (int n = 0; n < 4; n++)
            CHILD_JOIN(pids[n]);
        EXPECT_EQ(0, value_of(semaphore));
    }
}

TEST(semaphore_that_is_fair_serves_in_the_order_of_coming)
{
    kith_semaphore *semaphore = open_with(t, "fair", 0, FAIR);
    atomic_int *next = test_shared(sizeof(*next));
    struct party *parties[4];
    pid_t pids[4];

    for (int i = 0; i < 4; i++) {
        parties[i] = party_new(semaphore);
        parties[i]->next = next;
        pids[i] = waiter(parties[i]);
    }
    for (int i = 0; i < 4; i++) {
        EXPECT_OK(kith_semaphore_release(semaphore));
        UNTIL(atomic_load(next) == i + 1);
        CHILD_JOIN(pids[i]);
        EXPECT_EQ(i, parties[i]->order[0]);
    }
}

/* One that comes finds a permit, and others who wait: theirs it is. */
TEST(semaphore_that_is_fair_is_not_taken_past_who_waits)
{
    kith_semaphore *semaphore = open_with(t, "fair", 0, FAIR);
    pid_t pid = waiter(party_new(semaphore));

    test_child_stop(pid);
    EXPECT_OK(kith_semaphore_release(semaphore));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    test_child_go_on(pid);
    CHILD_JOIN(pid);
}

TEST(semaphore_killed_holder_gives_its_permits_back_and_the_waiter_is_told)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "slots", 2, ways[i]);
        struct party *p = party_new(semaphore);
        pid_t pid = holder(p, 2), first, second;

        first = waiter(party_new(semaphore));
        second = waiter(party_new(semaphore));
        test_child_kill(pid);
        CHILD_JOIN(first);
        CHILD_JOIN(second);
        EXPECT_EQ(2, value_of(semaphore));
    }
}

TEST(semaphore_killed_holder_is_seen_without_waiting)
{
    kith_semaphore *semaphore = open_with(t, "slots", 1, 0);

    test_child_kill(holder(party_new(semaphore), 1));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
}

TEST(semaphore_killed_waiter_takes_no_permit_along)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "slots", 0, ways[i]);
        pid_t doomed = waiter(party_new(semaphore)), last = waiter(party_new(semaphore));

        test_child_kill(doomed);
        EXPECT_OK(kith_semaphore_release(semaphore));
        CHILD_JOIN(last);
        EXPECT_EQ(0, value_of(semaphore));
    }
}

/* Woken, and killed before it could take what it was woken for. */
TEST(semaphore_waiter_killed_after_its_wake_passes_it_on)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "slots", 0, ways[i]);
        pid_t doomed = waiter(party_new(semaphore)), last = waiter(party_new(semaphore));

        test_child_stop(doomed);
        EXPECT_OK(kith_semaphore_release(semaphore));
        test_child_kill(doomed);
        CHILD_JOIN(last);
        EXPECT_EQ(0, value_of(semaphore));
    }
}

TEST(semaphore_holder_that_ends_in_good_order_gives_its_permits_back)
{
    kith_semaphore *semaphore = open_with(t, "slots", 2, 0);
    struct party *p = party_new(semaphore);
    pid_t pid = holder(p, 2), after = waiter(party_new(semaphore));

    test_gate_open(p->go);
    CHILD_JOIN(pid);
    CHILD_JOIN(after);
    EXPECT_EQ(2, value_of(semaphore));
}

TEST(semaphore_that_is_unowned_stays_taken_after_an_orderly_end_only)
{
    kith_semaphore *semaphore = open_with(t, "flag", 2, UNOWNED);
    struct party *p = party_new(semaphore);
    pid_t pid = holder(p, 1);

    test_gate_open(p->go);
    CHILD_JOIN(pid);
    EXPECT_EQ(1, value_of(semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_release_many(semaphore, 2)); /* anybody may */
    EXPECT_EQ(2, value_of(semaphore));
    pid = holder(party_new(semaphore), 2);
    test_child_kill(pid);
    EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
    EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
}

struct leaving {
    struct test *t;
    kith_semaphore *semaphore;
};

static void
take_close_the_space_and_vanish(void *arg)
{
    struct leaving *leaving = arg;

    EXPECT_OK(kith_semaphore_acquire(leaving->semaphore, 0));
    kith_close(test_space(leaving->t)); /* a handle is open still */
    _exit(0);
}

TEST(semaphore_that_is_unowned_stays_taken_when_who_left_is_found_dead)
{
    struct leaving leaving = { t, open_with(t, "flag", 1, UNOWNED) };
    struct kith_report report;

    CHILD_JOIN(test_child(take_close_the_space_and_vanish, &leaving));
    EXPECT_OK(kith_check(test_space(t), &report)); /* cleans up after the dead */
    EXPECT_EQ(0, value_of(leaving.semaphore));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(leaving.semaphore, 0));
}

TEST(semaphore_created_with_none_gets_none_back)
{
    kith_semaphore *semaphore = open_with(t, "signal", 0, 0);

    EXPECT_OK(kith_semaphore_release_many(semaphore, 3));
    test_child_kill(holder(party_new(semaphore), 2));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_EQ(0, value_of(semaphore));
}

TEST(semaphore_gets_back_no_more_than_it_began_with)
{
    kith_semaphore *semaphore = open_with(t, "slots", 2, 0);

    EXPECT_OK(kith_semaphore_release_many(semaphore, 3)); /* 5 */
    test_child_kill(holder(party_new(semaphore), 5));     /* 0, and 5 charged */
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
}

static void
child_releases(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_semaphore_release(p->semaphore));
}

/* What another gives back is dropped from the oldest charge, which then does not come back. */
TEST(semaphore_released_by_another_drops_the_oldest_charge)
{
    kith_semaphore *semaphore = open_with(t, "slots", 2, 0);
    pid_t oldest = holder(party_new(semaphore), 1), other = holder(party_new(semaphore), 1);

    CHILD_JOIN(test_child(child_releases, party_new(semaphore)));
    EXPECT_EQ(1, value_of(semaphore));
    test_child_kill(oldest);
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    test_child_kill(other);
    EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
}

TEST(semaphore_keeps_the_charges_of_many_processes)
{
    enum { MANY = 24 };
    kith_semaphore *semaphore = open_with(t, "slots", MANY + 1, BOUNDED);
    struct party *parties[MANY];
    pid_t pids[MANY];

    for (int i = 0; i < MANY; i++) {
        parties[i] = party_new(semaphore);
        pids[i] = holder(parties[i], 1);
    }
    EXPECT_EQ(1, value_of(semaphore));
    for (int i = 0; i < MANY; i++) {
        if (i % 2 == 0) {
            test_child_kill(pids[i]);
        } else {
            test_gate_open(parties[i]->go);
            CHILD_JOIN(pids[i]);
        }
    }
    for (int i = 0; i < MANY + 1; i++)
        EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
    EXPECT_EQ(0, value_of(semaphore));
}

static void *
thread_takes(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_semaphore_acquire(p->semaphore, 0));
    return NULL;
}

TEST(semaphore_permit_outlives_the_thread_that_took_it)
{
    kith_semaphore *semaphore = open_with(t, "slots", 1, BOUNDED);

    test_thread_join(test_thread(thread_takes, party_new(semaphore)));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_release(semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
}

/* ---- by one alone, and then by others ---- */

static void
practise(kith_semaphore *semaphore)
{
    for (int i = 0; i < 10; i++) {
        EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
        EXPECT_OK(kith_semaphore_release(semaphore));
    }
}

static void
child_practises_and_holds(void *arg)
{
    struct party *p = arg;

    practise(p->semaphore);
    EXPECT_OK(kith_semaphore_acquire(p->semaphore, 0));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        EXPECT_OK(kith_semaphore_release(p->semaphore));
}

/* Its holder is killed, releases it, or ends in good order. */
TEST(semaphore_that_one_took_again_and_again_is_had_by_who_waits)
{
    for (int way = 0; way < 3; way++) {
        kith_semaphore *semaphore = open_with(t, "slots", 1, BOUNDED);
        struct party *p = party_new(semaphore);
        pid_t pid, other;

        p->number = way;
        pid = test_child(child_practises_and_holds, p);
        GATE_WAIT(p->ready);
        EXPECT_EQ(0, value_of(semaphore));
        other = waiter(party_new(semaphore));
        if (way == 0) {
            test_child_kill(pid);
        } else {
            test_gate_open(p->go);
            CHILD_JOIN(pid);
        }
        CHILD_JOIN(other);
        EXPECT_EQ(1, value_of(semaphore));
        practise(semaphore);
        EXPECT_RC(KITH_ERANGE, kith_semaphore_release(semaphore));
    }
}

TEST(semaphore_that_one_took_again_and_again_stays_taken_if_it_is_unowned)
{
    kith_semaphore *semaphore = open_with(t, "flag", 1, UNOWNED);
    struct party *p = party_new(semaphore);
    pid_t pid = test_child(child_practises_and_holds, p);

    GATE_WAIT(p->ready);
    test_gate_open(p->go);
    CHILD_JOIN(pid);
    EXPECT_EQ(0, value_of(semaphore));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_release(semaphore));
    practise(semaphore);
}

struct bursts {
    kith_semaphore *semaphore;
    long count; /* as the permit guards it */
};

static void *
take_in_bursts(void *arg)
{
    struct bursts *bursts = arg;

    for (int i = 0; i < 30; i++) {
        for (int n = 0; n < 100; n++) {
            EXPECT_OK(kith_semaphore_acquire(bursts->semaphore, KITH_FOREVER));
            bursts->count++;
            EXPECT_OK(kith_semaphore_release(bursts->semaphore));
        }
        usleep(200); /* so that the others have theirs alone */
    }
    return NULL;
}

static void
child_takes_in_bursts(void *arg)
{
    pthread_t other = test_thread(take_in_bursts, arg);

    take_in_bursts(arg);
    test_thread_join(other);
}

TEST(semaphore_of_one_lets_one_in_at_a_time_alone_or_not)
{
    struct bursts *bursts = test_shared(sizeof(*bursts));
    pid_t pids[3];

    bursts->semaphore = open_with(t, "one", 1, BOUNDED);
    for (int n = 0; n < 3; n++)
        pids[n] = test_child(child_takes_in_bursts, bursts);
    for (int n = 0; n < 3; n++)
        CHILD_JOIN(pids[n]);
    EXPECT_EQ(3 * 2 * 30 * 100, bursts->count);
    EXPECT_EQ(1, value_of(bursts->semaphore));
}

struct crowd {
    kith_semaphore *semaphore;
    atomic_int in, most;
};

static void
child_crowds(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < 500; i++) {
        int in, most;

        EXPECT_OK(kith_semaphore_acquire(crowd->semaphore, KITH_FOREVER));
        in = atomic_fetch_add(&crowd->in, 1) + 1;
        most = crowd->most;
        while (in > most && !atomic_compare_exchange_weak(&crowd->most, &most, in))
            ;
        atomic_fetch_sub(&crowd->in, 1);
        EXPECT_OK(kith_semaphore_release(crowd->semaphore));
    }
}

TEST(semaphore_never_lets_in_more_than_it_has)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        struct crowd *crowd = test_shared(sizeof(*crowd));
        pid_t pids[5];

        crowd->semaphore = open_with(t, i ? "fair" : "slots", 2, ways[i] | BOUNDED);
        for (int n = 0; n < 5; n++)
            pids[n] = test_child(child_crowds, crowd);
        for (int n = 0; n < 5; n++)
            CHILD_JOIN(pids[n]);
        EXPECT_TRUE(crowd->most <= 2);
        EXPECT_EQ(2, value_of(crowd->semaphore));
    }
}

TEST(semaphore_waiters_learn_that_it_was_destroyed)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        const char *name = i ? "fair" : "slots";
        kith_semaphore *semaphore = open_with(t, name, 0, ways[i]);
        struct kith_semaphore_info info = KITH_SEMAPHORE_INFO_INIT;
        struct party *p = party_new(semaphore);
        uint32_t value = 7;
        pid_t pid;

        p->want = KITH_EGONE;
        pid = waiter(p);
        EXPECT_OK(kith_destroy(test_space(t), name));
        CHILD_JOIN(pid);
        EXPECT_FAILS(KITH_EGONE, name, kith_semaphore_acquire(semaphore, KITH_FOREVER));
        EXPECT_RC(KITH_EGONE, kith_semaphore_release(semaphore));
        EXPECT_RC(KITH_EGONE, kith_semaphore_release_many(semaphore, 2));
        EXPECT_RC(KITH_EGONE, kith_semaphore_value(semaphore, &value));
        EXPECT_EQ(7, value);
        EXPECT_RC(KITH_EGONE, kith_semaphore_info(semaphore, &info));
        /* One of the same name is another, and knows nothing of the old one's charges. */
        semaphore = open_with(t, name, 1, 0);
        test_child_kill(holder(party_new(semaphore), 1));
        EXPECT_OK(kith_semaphore_acquire(semaphore, KITH_FOREVER));
    }
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
    EXPECT_FAILS(KITH_EINTERRUPTED, "signal", kith_semaphore_acquire(p->semaphore, KITH_FOREVER));
}

TEST(semaphore_wait_ends_on_a_signal_only_if_asked)
{
    for (size_t i = 0; i < COUNTOF(ways); i++) {
        kith_semaphore *semaphore = open_with(t, i ? "fair" : "slots", 0, ways[i]);
        struct party *p = party_new(semaphore);
        pid_t pid = test_child(child_is_interrupted, p), other;

        for (int n = 0; n < 2; n++) {
            UNTIL_ASLEEP(pid, 0);
            EXPECT_EQ(0, kill(pid, SIGUSR1));
            UNTIL(p->interrupts == n + 1);
        }
        CHILD_JOIN(pid);
        other = waiter(party_new(semaphore));
        EXPECT_OK(kith_semaphore_release(semaphore));
        CHILD_JOIN(other);
    }
}

TEST(semaphore_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_semaphore *semaphore = open_with(t, "slots", 1, 0);
    kith_semaphore *none = (kith_semaphore *)t;
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    uint32_t value;

    EXPECT_RC(KITH_EINVAL, kith_semaphore_acquire(semaphore, -2));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_acquire(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_release(NULL));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_release_many(NULL, 1));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_value(NULL, &value));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_value(semaphore, NULL));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_info(NULL, &(struct kith_semaphore_info){ 0 }));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_info(semaphore, NULL));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_info(semaphore, &(struct kith_semaphore_info){ 0 }));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_open(space, "slots", NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_semaphore_open(space, "", NULL, &none));
    options.value = (uint32_t)KITH_SEMAPHORE_VALUE_MAX + 1;
    EXPECT_FAILS(KITH_EINVAL, "more", kith_semaphore_open(space, "more", &options, &none));
    options.value = 1;
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_semaphore_open(space, "slots", &options, &none));
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_semaphore_open(space, "absent", &options, &none));
    test_lock(t, "a-lock");
    EXPECT_FAILS(KITH_ETYPE, "a-lock", kith_semaphore_open(space, "a-lock", NULL, &none));
    EXPECT_TRUE(none == (kith_semaphore *)t);
    kith_semaphore_close(NULL);
}
