/*
 * test_rwlock.c - what kith/rwlock.h promises: who is in with whom, in which order, and what the
 * end of each leaves.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_rwlock *lock;
    kith_rwlock *other;
    sem_t *ready;
    sem_t *go;
    int number; /* what acquiring gives */
    bool shared;
    atomic_int done;
    atomic_int order[8]; /* who got it, by its place */
    atomic_int in;       /* guarded by the lock */
};

static void
close_rwlock(void *lock)
{
    kith_rwlock_close(lock);
}

static kith_rwlock *
rwlock_with(struct test *t, const char *name, const struct kith_rwlock_options *options)
{
    kith_rwlock *lock = NULL;

    EXPECT_OK(kith_rwlock_open(test_space(t), name, options, &lock));
    test_keep(t, lock, close_rwlock);
    return lock;
}

static kith_rwlock *
rwlock(struct test *t)
{
    return rwlock_with(t, "table", NULL);
}

static struct party *
party_new(kith_rwlock *lock)
{
    struct party *p = test_shared(sizeof(*p));

    p->lock = lock;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static kith_err
take(struct party *p, int64_t timeout_ns)
{
    return p->shared ? kith_rwlock_acquire_shared(p->lock, timeout_ns)
                     : kith_rwlock_acquire(p->lock, timeout_ns);
}

static void
child_takes(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->number, take(p, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(p->lock));
}

static void
child_holds(void *arg)
{
    struct party *p = arg;
    kith_err err = take(p, KITH_FOREVER);

    EXPECT_TRUE(err >= 0);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        _exit(0);
    if (p->number == 2)
        EXPECT_OK(kith_rwlock_release(p->lock));
    /* Else an orderly end that holds it. */
}

static pid_t
holder(struct party *p, bool shared)
{
    pid_t pid;

    p->shared = shared;
    pid = test_child(child_holds, p);
    GATE_WAIT(p->ready);
    return pid;
}

static pid_t
waiter(struct party *p, bool shared, int number)
{
    pid_t pid;

    p->shared = shared;
    p->number = number;
    pid = test_child(child_takes, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

/* ---- who is in with whom ---- */

static void
child_tries(void *arg)
{
    struct party *p = arg;
    kith_err want = (kith_err)p->number;

    EXPECT_RC(want, kith_rwlock_acquire_shared(p->lock, 0));
    if (want == KITH_OK) {
        EXPECT_RC(KITH_EDEADLOCK, kith_rwlock_acquire(p->lock, 0));
        EXPECT_OK(kith_rwlock_release(p->lock));
    }
    EXPECT_FAILS(KITH_ETIMEDOUT, "table", kith_rwlock_acquire(p->lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(p->lock, 20 * TEST_MS));
    EXPECT_FAILS(KITH_EPERM, "table", kith_rwlock_release(p->lock));
}

TEST(rwlock_is_shared_by_readers_and_had_by_one_writer)
{
    kith_rwlock *lock = rwlock(t);
    struct party *p = party_new(lock);
    bool locked = true;

    EXPECT_OK(kith_rwlock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    EXPECT_OK(kith_rwlock_locked(lock, &locked));
    EXPECT_TRUE(locked);
    p->number = KITH_OK;
    CHILD_JOIN(test_child(child_tries, p));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    p->number = KITH_ETIMEDOUT;
    CHILD_JOIN(test_child(child_tries, p));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_FAILS(KITH_EPERM, "table", kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
}

TEST(rwlock_held_already_is_EDEADLOCK_where_it_could_never_be_had)
{
    kith_rwlock *lock = rwlock(t);

    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "table", kith_rwlock_acquire(lock, KITH_FOREVER));
    EXPECT_FAILS(KITH_EDEADLOCK, "table", kith_rwlock_acquire_shared(lock, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "table", kith_rwlock_acquire(lock, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_shared_again_by_a_reader_needs_no_wait_though_a_writer_waits)
{
    kith_rwlock *lock = rwlock(t);
    struct party *p = party_new(lock);
    pid_t writer;

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    writer = waiter(p, false, KITH_OK);
    EXPECT_OK(kith_rwlock_acquire_shared(lock, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(lock));
    UNTIL_ASLEEP(writer, 0);
    EXPECT_OK(kith_rwlock_release(lock));
    CHILD_JOIN(writer);
    EXPECT_RC(KITH_EPERM, kith_rwlock_release(lock));
}

static void *
thread_is_refused(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EPERM, kith_rwlock_release(p->lock));
    EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(p->lock, 0));
    return NULL;
}

TEST(rwlock_belongs_to_threads)
{
    kith_rwlock *lock = rwlock(t);

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    test_thread_join(test_thread(thread_is_refused, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    test_thread_join(test_thread(thread_is_refused, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_many_shared_at_once_are_released_in_any_order)
{
    kith_rwlock *locks[40];
    char name[24];

    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "table%d", i);
        locks[i] = rwlock_with(t, name, NULL);
        EXPECT_OK(kith_rwlock_acquire_shared(locks[i], 0));
    }
    for (int i = 0; i < 40; i++)
        EXPECT_OK(kith_rwlock_release(locks[i * 7 % 40]));
    for (int i = 0; i < 40; i++) {
        EXPECT_RC(KITH_EPERM, kith_rwlock_release(locks[i]));
        EXPECT_OK(kith_rwlock_acquire(locks[i], 0));
        EXPECT_OK(kith_rwlock_release(locks[i]));
    }
}

/* ---- waiting ---- */

TEST(rwlock_waiters_that_sleep_are_woken_by_releases)
{
    kith_rwlock *lock = rwlock(t);
    pid_t pids[4];

    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    for (int i = 0; i < 4; i++)
        pids[i] = waiter(party_new(lock), i % 2 == 0, KITH_OK);
    EXPECT_OK(kith_rwlock_release(lock));
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    for (int i = 0; i < 2; i++)
        pids[i] = waiter(party_new(lock), false, KITH_OK);
    EXPECT_OK(kith_rwlock_release(lock));
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(pids[i]);
}

/* `order` gets the numbers of those who get it. */
static void
child_notes_its_turn(void *arg)
{
    struct party *p = arg;
    struct party *all = (struct party *)(void *)p->other;

    EXPECT_OK(take(p, KITH_FOREVER));
    atomic_store(&all->order[atomic_fetch_add(&all->done, 1)], p->number);
    EXPECT_OK(kith_rwlock_release(p->lock));
}

static pid_t
turn(struct party *all, kith_rwlock *lock, bool shared, int number)
{
    struct party *p = party_new(lock);
    pid_t pid;

    p->other = (kith_rwlock *)(void *)all;
    p->shared = shared;
    p->number = number;
    pid = test_child(child_notes_its_turn, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

TEST(rwlock_writer_that_waits_goes_before_readers)
{
    kith_rwlock *lock = rwlock(t);
    struct party *all = party_new(lock);
    pid_t pids[3];

    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    pids[0] = turn(all, lock, true, 1);
    pids[1] = turn(all, lock, false, 2);
    pids[2] = turn(all, lock, true, 3);
    EXPECT_OK(kith_rwlock_release(lock));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(2, all->order[0]);
}

TEST(rwlock_that_is_fair_goes_by_the_order_of_coming)
{
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    kith_rwlock *lock;
    struct party *all;
    pid_t pids[4];

    options.fair = true;
    lock = rwlock_with(t, "table", &options);
    all = party_new(lock);
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    pids[0] = turn(all, lock, true, 1);
    pids[1] = turn(all, lock, false, 2);
    pids[2] = turn(all, lock, false, 3);
    pids[3] = turn(all, lock, true, 4);
    EXPECT_RC(KITH_EPERM, (kith_rwlock_release(lock), kith_rwlock_release(lock)));
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(i + 1, all->order[i]);
}

static void
child_is_too_late(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_ETIMEDOUT, take(p, 30 * TEST_MS));
}

/* A writer that gave up keeps nobody out. */
TEST(rwlock_writer_whose_time_runs_out_lets_readers_in)
{
    kith_rwlock *lock = rwlock(t);
    struct party *writer = party_new(lock);
    struct party *reader = party_new(lock);

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    CHILD_JOIN(test_child(child_is_too_late, writer));
    reader->shared = true;
    CHILD_JOIN(test_child(child_takes, reader));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_reader_that_sleeps_behind_a_writer_whose_time_runs_out_is_woken)
{
    kith_rwlock *lock = rwlock(t);
    struct party *p = party_new(lock);
    pid_t writer, reader;

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    writer = waiter(p, false, KITH_OK);
    reader = waiter(party_new(lock), true, KITH_OK);
    test_child_kill(writer);
    CHILD_JOIN(reader); /* we still share it */
    EXPECT_OK(kith_rwlock_release(lock));
}

/* ---- ends ---- */

TEST(rwlock_of_a_killed_writer_comes_with_the_news_once)
{
    kith_rwlock *lock = rwlock(t);

    for (int shared = 0; shared <= 1; shared++) {
        struct party *p = party_new(lock);
        pid_t pid = holder(p, false);

        EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(lock, 0));
        EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire_shared(lock, 0));
        test_child_kill(pid);
        if (shared == 1)
            EXPECT_RC(KITH_OWNER_DIED, kith_rwlock_acquire_shared(lock, 0));
        else
            EXPECT_RC(KITH_OWNER_DIED, kith_rwlock_acquire(lock, 0));
        EXPECT_OK(kith_rwlock_release(lock));
        EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
        EXPECT_OK(kith_rwlock_release(lock));
        EXPECT_OK(kith_rwlock_acquire(lock, 0));
        EXPECT_OK(kith_rwlock_release(lock));
    }
}

TEST(rwlock_share_of_a_killed_reader_just_comes_back)
{
    kith_rwlock *lock = rwlock(t);
    pid_t pid = holder(party_new(lock), true);

    EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(lock, 0));
    test_child_kill(pid);
    EXPECT_OK(kith_rwlock_acquire(lock, test_ceiling_ns()));
    EXPECT_OK(kith_rwlock_release(lock));
}

/* A bare _exit, and an orderly one. */
TEST(rwlock_of_one_that_ended_is_free)
{
    kith_rwlock *lock = rwlock(t);

    for (int way = 0; way <= 1; way++)
        for (int shared = 0; shared <= 1; shared++) {
            struct party *p = party_new(lock);
            pid_t pid;

            p->number = way;
            pid = holder(p, shared == 1);
            test_gate_open(p->go);
            CHILD_JOIN(pid);
            EXPECT_RC(shared == 1 ? KITH_OK : KITH_OWNER_DIED,
                      kith_rwlock_acquire(lock, test_ceiling_ns()));
            EXPECT_OK(kith_rwlock_release(lock));
        }
}

static void
kill_wakes(struct test *t, bool holder_shares, bool waiter_shares)
{
    kith_rwlock *lock = rwlock(t);
    pid_t pid = holder(party_new(lock), holder_shares);
    pid_t sleeper =
        waiter(party_new(lock), waiter_shares, holder_shares ? KITH_OK : KITH_OWNER_DIED);

    test_child_kill(pid);
    CHILD_JOIN(sleeper);
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_writer_that_sleeps_is_woken_by_the_death_of_the_writer)
{
    kill_wakes(t, false, false);
}

TEST(rwlock_reader_that_sleeps_is_woken_by_the_death_of_the_writer)
{
    kill_wakes(t, false, true);
}

TEST(rwlock_writer_that_sleeps_is_woken_by_the_death_of_the_last_reader)
{
    kill_wakes(t, true, false);
}

TEST(rwlock_writer_waits_for_the_living_readers_when_one_is_killed)
{
    kith_rwlock *lock = rwlock(t);
    pid_t doomed = holder(party_new(lock), true);
    pid_t writer;

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    writer = waiter(party_new(lock), false, KITH_OK);
    test_child_kill(doomed);
    UNTIL_ASLEEP(writer, 0);
    EXPECT_OK(kith_rwlock_release(lock));
    CHILD_JOIN(writer);
}

/* It had claimed the lock, and was not in: that is no news to anybody. */
TEST(rwlock_killed_writer_that_waited_for_readers_leaves_nothing)
{
    kith_rwlock *lock = rwlock(t);
    pid_t writer, reader;

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    writer = waiter(party_new(lock), false, KITH_OK);
    reader = waiter(party_new(lock), true, KITH_OK);
    test_child_kill(writer);
    CHILD_JOIN(reader);
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_killed_waiters_hold_nobody_up)
{
    kith_rwlock *lock = rwlock(t);
    pid_t doomed[4], last[2];

    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    for (int i = 0; i < 4; i++)
        doomed[i] = waiter(party_new(lock), i % 2 == 1, KITH_OK);
    last[0] = waiter(party_new(lock), true, KITH_OK);
    last[1] = waiter(party_new(lock), false, KITH_OK);
    for (int i = 0; i < 4; i++)
        test_child_kill(doomed[i]);
    EXPECT_OK(kith_rwlock_release(lock));
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(last[i]);
}

/* The reader took the news out of the lock, and took it along. */
TEST(rwlock_news_of_a_death_is_told_again_if_who_heard_it_died)
{
    kith_rwlock *lock = rwlock(t);
    pid_t pid = holder(party_new(lock), false);

    test_child_kill(pid);
    pid = holder(party_new(lock), true); /* told */
    test_child_kill(pid);
    EXPECT_RC(KITH_OWNER_DIED, kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

static void *
thread_takes(void *arg)
{
    struct party *p = arg;

    EXPECT_TRUE(take(p, KITH_FOREVER) >= 0);
    return NULL;
}

TEST(rwlock_of_a_thread_that_ended_is_free)
{
    kith_rwlock *lock = rwlock(t);
    struct party *p = party_new(lock);

    p->shared = true;
    test_thread_join(test_thread(thread_takes, p));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
    p->shared = false;
    test_thread_join(test_thread(thread_takes, p));
    EXPECT_RC(KITH_OWNER_DIED, kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

TEST(rwlock_of_a_stopped_reader_is_never_taken_from_it)
{
    kith_rwlock *lock = rwlock(t);
    struct party *p = party_new(lock);
    pid_t pid;

    p->number = 2;
    pid = holder(p, true);
    test_child_stop(pid);
    EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(lock, 200 * TEST_MS));
    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
    test_child_go_on(pid);
    test_gate_open(p->go);
    CHILD_JOIN(pid);
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_release(lock));
}

static void
child_of_a_holder(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EPERM, kith_rwlock_release(p->lock));
    EXPECT_RC(KITH_ETIMEDOUT, kith_rwlock_acquire(p->lock, 0));
}

TEST(rwlock_held_over_a_fork_stays_the_parents)
{
    kith_rwlock *lock = rwlock(t);

    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    CHILD_JOIN(test_child(child_of_a_holder, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    CHILD_JOIN(test_child(child_of_a_holder, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
}

/* ---- owner ---- */

TEST(rwlock_tells_who_has_or_shares_it)
{
    kith_rwlock *lock = rwlock(t);
    struct kith_owner owner;
    struct party *p[2];
    pid_t pids[2], writer;

    memset(&owner, 0xff, sizeof(owner));
    EXPECT_OK(kith_rwlock_owner(lock, &owner));
    EXPECT_TRUE(!owner.held);
    EXPECT_EQ(0, owner.sharers);
    for (int i = 0; i < 2; i++) {
        p[i] = party_new(lock);
        p[i]->number = 2;
        pids[i] = holder(p[i], true);
    }
    writer = waiter(party_new(lock), false, KITH_OK);
    EXPECT_OK(kith_rwlock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(2, owner.sharers);
    EXPECT_EQ(1, owner.waiters);
    EXPECT_TRUE(owner.pid == pids[0] || owner.pid == pids[1]);
    for (int i = 0; i < 2; i++) {
        test_gate_open(p[i]->go);
        CHILD_JOIN(pids[i]);
    }
    CHILD_JOIN(writer);
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_OK(kith_rwlock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(0, owner.sharers);
    EXPECT_EQ(0, owner.waiters);
    EXPECT_EQ(getpid(), owner.pid);
    EXPECT_EQ(1, owner.depth);
    EXPECT_OK(kith_rwlock_release(lock));
}

/* ---- circles ---- */

struct pair {
    kith_rwlock *a, *b;
    sem_t *holds;
    sem_t *go;
};

static void
child_holds_b_wants_a(void *arg)
{
    struct pair *pair = arg;

    EXPECT_OK(kith_rwlock_acquire(pair->b, 0));
    test_gate_open(pair->holds);
    EXPECT_OK(kith_rwlock_acquire(pair->a, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(pair->a));
    EXPECT_OK(kith_rwlock_release(pair->b));
}

TEST(rwlock_wait_that_would_close_a_circle_through_a_share_is_EDEADLOCK)
{
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    struct pair *pair = test_shared(sizeof(*pair));
    pid_t pid;

    options.detect_deadlock = true;
    pair->a = rwlock_with(t, "first", &options);
    pair->b = rwlock_with(t, "second", &options);
    pair->holds = test_gate();
    EXPECT_OK(kith_rwlock_acquire_shared(pair->a, 0));
    pid = test_child(child_holds_b_wants_a, pair);
    GATE_WAIT(pair->holds);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_FAILS(KITH_EDEADLOCK, "\"first\"", kith_rwlock_acquire_shared(pair->b, KITH_FOREVER));
    EXPECT_FAILS(KITH_EDEADLOCK, "\"second\"", kith_rwlock_acquire(pair->b, KITH_FOREVER));
    EXPECT_OK(kith_rwlock_release(pair->a));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_rwlock_acquire(pair->b, 0));
    EXPECT_OK(kith_rwlock_release(pair->b));
}

struct mixed {
    kith_rwlock *table;
    kith_lock *lock;
    sem_t *holds;
};

static void
child_has_the_table_wants_the_lock(void *arg)
{
    struct mixed *mixed = arg;

    EXPECT_OK(kith_rwlock_acquire(mixed->table, 0));
    test_gate_open(mixed->holds);
    EXPECT_OK(kith_lock_acquire(mixed->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(mixed->lock));
    EXPECT_OK(kith_rwlock_release(mixed->table));
}

TEST(rwlock_and_a_recursive_lock_in_one_circle_are_EDEADLOCK)
{
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    struct kith_lock_options recursive = KITH_LOCK_OPTIONS_INIT;
    struct mixed *mixed = test_shared(sizeof(*mixed));
    pid_t pid;

    options.detect_deadlock = true;
    recursive.recursive = true; /* it looks for no circle itself, and is seen in one */
    mixed->table = rwlock_with(t, "table", &options);
    EXPECT_OK(kith_lock_open(test_space(t), "lock", &recursive, &mixed->lock));
    mixed->holds = test_gate();
    EXPECT_OK(kith_lock_acquire(mixed->lock, 0));
    EXPECT_OK(kith_lock_acquire(mixed->lock, 0));
    pid = test_child(child_has_the_table_wants_the_lock, mixed);
    GATE_WAIT(mixed->holds);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_FAILS(KITH_EDEADLOCK, "\"lock\"",
                 kith_rwlock_acquire_shared(mixed->table, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(mixed->lock));
    EXPECT_OK(kith_lock_release(mixed->lock));
    CHILD_JOIN(pid);
    kith_lock_close(mixed->lock);
}

/* ---- destroyed, interrupted, misused ---- */

static void
child_waits_in_vain(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EGONE, take(p, KITH_FOREVER));
}

TEST(rwlock_waiters_learn_that_it_was_destroyed)
{
    for (int held_shared = 0; held_shared <= 1; held_shared++) {
        kith_rwlock *lock = rwlock(t);
        struct kith_owner owner = { .pid = 77 };
        bool locked;
        pid_t pids[2];

        if (held_shared == 1)
            EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
        else
            EXPECT_OK(kith_rwlock_acquire(lock, 0));
        for (int i = 0; i < 2; i++) {
            struct party *p = party_new(lock);

            p->shared = i == 1;
            pids[i] = test_child(child_waits_in_vain, p);
            UNTIL_ASLEEP(pids[i], 0);
        }
        EXPECT_OK(kith_destroy(test_space(t), "table"));
        for (int i = 0; i < 2; i++)
            CHILD_JOIN(pids[i]);
        EXPECT_RC(KITH_EGONE, kith_rwlock_acquire(lock, 0));
        EXPECT_RC(KITH_EGONE, kith_rwlock_acquire_shared(lock, 0));
        EXPECT_RC(KITH_EGONE, kith_rwlock_owner(lock, &owner));
        EXPECT_EQ(77, owner.pid);
        EXPECT_RC(KITH_EGONE, kith_rwlock_locked(lock, &locked));
    }
}

/* What was held of the old one does not keep anybody from the new one, which has its memory. */
TEST(rwlock_of_the_same_name_is_free_whoever_shares_the_old_one)
{
    kith_rwlock *old = rwlock(t), *lock;

    EXPECT_OK(kith_rwlock_acquire_shared(old, 0));
    EXPECT_OK(kith_destroy(test_space(t), "table"));
    lock = rwlock(t);
    EXPECT_OK(kith_rwlock_acquire(lock, 0));
    EXPECT_RC(KITH_EGONE, kith_rwlock_release(old));
    EXPECT_RC(KITH_EGONE, kith_rwlock_release(old));
    CHILD_JOIN(test_child(child_of_a_holder, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
}

static void
on_signal(int number)
{
    (void)number;
}

static int
always(void *arg)
{
    struct party *p = arg;

    atomic_fetch_add(&p->done, 1);
    return 1;
}

static void
child_is_interrupted(void *arg)
{
    struct party *p = arg;
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(always, p);
    EXPECT_FAILS(KITH_EINTERRUPTED, "table", take(p, KITH_FOREVER));
    EXPECT_EQ(1, p->done);
    EXPECT_RC(KITH_EPERM, kith_rwlock_release(p->lock));
}

TEST(rwlock_wait_ends_on_a_signal_if_asked)
{
    kith_rwlock *lock = rwlock(t);

    for (int shared = 0; shared <= 1; shared++) {
        struct party *p = party_new(lock);
        pid_t pid;

        EXPECT_OK(kith_rwlock_acquire(lock, 0));
        p->shared = shared == 1;
        pid = test_child(child_is_interrupted, p);
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        CHILD_JOIN(pid);
        EXPECT_OK(kith_rwlock_release(lock));
        EXPECT_OK(kith_rwlock_acquire(lock, 0));
        EXPECT_OK(kith_rwlock_release(lock));
    }
}

TEST(rwlock_and_shareable_lock_open_each_other)
{
    kith_space *space = test_space(t);
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_rwlock *both = NULL, *none = (kith_rwlock *)t;
    kith_rwlock *lock = rwlock(t);
    kith_lock *alone = NULL, *plain = test_lock(t, "plain");

    EXPECT_OK(kith_lock_open(space, "table", NULL, &alone));
    EXPECT_OK(kith_rwlock_acquire_shared(lock, 0));
    EXPECT_RC(KITH_EDEADLOCK, kith_lock_acquire(alone, 0));
    CHILD_JOIN(test_child(child_of_a_holder, party_new(lock)));
    EXPECT_OK(kith_rwlock_release(lock));
    EXPECT_OK(kith_lock_acquire(alone, 0));
    EXPECT_OK(kith_rwlock_release(lock));
    kith_lock_close(alone);
    options.shareable = true;
    EXPECT_OK(kith_lock_open(space, "shareable", &options, &alone));
    EXPECT_OK(kith_rwlock_open(space, "shareable", NULL, &both));
    EXPECT_OK(kith_rwlock_acquire_shared(both, 0));
    EXPECT_OK(kith_lock_release(alone));
    kith_lock_close(alone);
    kith_rwlock_close(both);
    EXPECT_FAILS(KITH_ETYPE, "plain", kith_rwlock_open(space, "plain", NULL, &none));
    EXPECT_TRUE(none == (kith_rwlock *)t);
    EXPECT_OK(kith_lock_acquire(plain, 0));
    EXPECT_OK(kith_lock_release(plain));
}

TEST(rwlock_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_rwlock *lock = rwlock(t);
    kith_rwlock *none = (kith_rwlock *)t;
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    struct kith_owner owner;
    bool locked;

    EXPECT_RC(KITH_EINVAL, kith_rwlock_acquire(lock, -2));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_acquire_shared(lock, INT64_MIN));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_acquire(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_acquire_shared(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_release(NULL));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_owner(NULL, &owner));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_owner(lock, NULL));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_locked(NULL, &locked));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_locked(lock, NULL));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_open(NULL, "table", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_open(space, "a/b", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_rwlock_open(space, "table", NULL, NULL));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_rwlock_open(space, "table", &options, &none));
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_rwlock_open(space, "absent", &options, &none));
    test_event(t, "flag");
    EXPECT_FAILS(KITH_ETYPE, "flag", kith_rwlock_open(space, "flag", NULL, &none));
    EXPECT_TRUE(none == (kith_rwlock *)t);
    kith_rwlock_close(NULL);
}

/* ---- exclusion, with random kills ---- */

#define ROUNDS 400

/* A writer signs `in`, and finds its name at the end; for a reader nobody signs meanwhile. */
static void
use(struct party *p, struct test_random *random, bool may_die)
{
    bool shared = test_random_below(random, 4) != 0;
    kith_err err = shared ? kith_rwlock_acquire_shared(p->lock, KITH_FOREVER)
                          : kith_rwlock_acquire(p->lock, KITH_FOREVER);
    int name;

    EXPECT_TRUE(err >= 0);
    if (!shared)
        atomic_store(&p->in, getpid());
    name = atomic_load(&p->in);
    if (test_random_below(random, 4) == 0)
        sched_yield();
    if (may_die && test_random_below(random, 20) == 0)
        raise(SIGKILL);
    EXPECT_EQ(name, atomic_load(&p->in));
    EXPECT_OK(kith_rwlock_release(p->lock));
}

static void
child_uses_it_and_is_killed(void *arg)
{
    struct party *p = arg;
    struct test_random random = { (uint64_t)getpid() };

    for (int i = 0;; i++)
        use(p, &random, i > 10);
}

static void
child_uses_it(void *arg)
{
    struct party *p = arg;
    struct test_random random = { (uint64_t)getpid() };

    for (int i = 0; i < ROUNDS * (test_is_long() ? 10 : 1); i++)
        use(p, &random, false);
}

static void
random_kills(struct test *t, bool fair)
{
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    struct party *p;
    pid_t pids[3];

    options.fair = fair;
    p = party_new(rwlock_with(t, "table", &options));
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_uses_it, p);
    for (int i = 0; i < 30; i++)
        EXPECT_TRUE(WIFSIGNALED(CHILD_END(test_child(child_uses_it_and_is_killed, p))));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN_LONG(pids[i], 50);
}

TEST(rwlock_keeps_writers_apart_from_all_while_processes_are_killed)
{
    random_kills(t, false);
}

TEST(rwlock_that_is_fair_keeps_writers_apart_while_processes_are_killed)
{
    random_kills(t, true);
}
