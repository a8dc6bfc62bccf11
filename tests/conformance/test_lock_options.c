/*
 * test_lock_options.c - what kith/lock.h promises of locks made with options: recursive, fair,
 * unowned, and those that detect deadlocks.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { RECURSIVE = 1, FAIR = 2, UNOWNED = 4, DETECTING = 8 };

struct party {
    kith_lock *lock, *next;
    struct party *all;
    sem_t *ready;
    sem_t *go;
    int number;
    atomic_int done;
    atomic_int order[8];
    atomic_int in; /* guarded by the lock */
};

static void
close_lock(void *lock)
{
    kith_lock_close(lock);
}

static kith_lock *
lock_with(struct test *t, const char *name, unsigned what)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_lock *lock = NULL;

    options.recursive = (what & RECURSIVE) != 0;
    options.fair = (what & FAIR) != 0;
    options.unowned = (what & UNOWNED) != 0;
    options.detect_deadlock = (what & DETECTING) != 0;
    EXPECT_OK(kith_lock_open(test_space(t), name, &options, &lock));
    test_keep(t, lock, close_lock);
    return lock;
}

static struct party *
party_new(kith_lock *lock)
{
    struct party *p = test_shared(sizeof(*p));

    p->lock = lock;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

/* Each kind of lock that has an owner, with its own way of waiting. */
static const struct {
    const char *name;
    unsigned what;
} owned[] = {
    { "plain", 0 },
    { "recursive", RECURSIVE },
    { "fair", FAIR },
    { "detecting", DETECTING },
    { "all", RECURSIVE | FAIR | DETECTING },
};

static void
child_acquires(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->number, kith_lock_acquire(p->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(p->lock));
}

static pid_t
waiter(kith_lock *lock, kith_err gets)
{
    struct party *p = party_new(lock);
    pid_t pid;

    p->number = gets;
    pid = test_child(child_acquires, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

static void
child_holds(void *arg)
{
    struct party *p = arg;

    EXPECT_TRUE(kith_lock_acquire(p->lock, KITH_FOREVER) >= 0);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        _exit(0);
    /* Else an orderly end that holds it. */
}

static pid_t
holder(struct party *p)
{
    pid_t pid = test_child(child_holds, p);

    GATE_WAIT(p->ready);
    return pid;
}

static void
child_is_refused(void *arg)
{
    struct party *p = arg;

    EXPECT_FAILS(KITH_ETIMEDOUT, "", kith_lock_acquire(p->lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(p->lock, 20 * TEST_MS));
    EXPECT_RC(KITH_EPERM, kith_lock_release(p->lock));
}

/* ---- what all that have an owner share ---- */

TEST(lock_of_any_kind_is_had_by_one_at_a_time)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);

        EXPECT_OK(kith_lock_acquire(lock, 0));
        CHILD_JOIN(test_child(child_is_refused, party_new(lock)));
        EXPECT_OK(kith_lock_release(lock));
        EXPECT_RC(KITH_EPERM, kith_lock_release(lock));
        EXPECT_OK(kith_lock_acquire(lock, KITH_FOREVER));
        EXPECT_OK(kith_lock_release(lock));
    }
}

TEST(lock_of_any_kind_wakes_who_sleeps_for_it)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        pid_t pids[3];

        EXPECT_OK(kith_lock_acquire(lock, 0));
        for (int n = 0; n < 3; n++)
            pids[n] = waiter(lock, KITH_OK);
        EXPECT_OK(kith_lock_release(lock));
        for (int n = 0; n < 3; n++)
            CHILD_JOIN(pids[n]);
        EXPECT_OK(kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
    }
}

TEST(lock_of_any_kind_of_a_killed_holder_comes_with_the_news_once)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        pid_t pid = holder(party_new(lock));

        test_child_kill(pid);
        EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
        EXPECT_OK(kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
    }
}

TEST(lock_of_any_kind_wakes_who_sleeps_when_its_holder_is_killed)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        pid_t pid = holder(party_new(lock));
        pid_t sleeper = waiter(lock, KITH_OWNER_DIED);

        test_child_kill(pid);
        CHILD_JOIN(sleeper);
    }
}

TEST(lock_of_any_kind_is_not_held_up_by_killed_waiters)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        pid_t doomed[3], last;

        EXPECT_OK(kith_lock_acquire(lock, 0));
        for (int n = 0; n < 3; n++)
            doomed[n] = waiter(lock, KITH_OK);
        last = waiter(lock, KITH_OK);
        for (int n = 0; n < 3; n++)
            test_child_kill(doomed[n]);
        EXPECT_OK(kith_lock_release(lock));
        CHILD_JOIN(last);
    }
}

static void
child_waits_in_vain(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EGONE, kith_lock_acquire(p->lock, KITH_FOREVER));
}

TEST(lock_of_any_kind_tells_who_sleeps_that_it_was_destroyed)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        pid_t pid;

        EXPECT_OK(kith_lock_acquire(lock, 0));
        pid = test_child(child_waits_in_vain, party_new(lock));
        UNTIL_ASLEEP(pid, 0);
        EXPECT_OK(kith_destroy(test_space(t), owned[i].name));
        CHILD_JOIN(pid);
        EXPECT_RC(KITH_EGONE, kith_lock_release(lock));
    }
}

/* The new one has the memory of the old. */
TEST(lock_that_was_destroyed_does_not_release_the_next_of_its_name)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *old = lock_with(t, owned[i].name, owned[i].what), *lock;

        EXPECT_OK(kith_lock_acquire(old, 0));
        EXPECT_OK(kith_destroy(test_space(t), owned[i].name));
        lock = lock_with(t, owned[i].name, owned[i].what);
        EXPECT_OK(kith_lock_acquire(lock, 0));
        EXPECT_RC(KITH_EGONE, kith_lock_release(old));
        CHILD_JOIN(test_child(child_is_refused, party_new(lock)));
        EXPECT_OK(kith_lock_release(lock));
    }
}

/* ---- recursive ---- */

TEST(lock_that_is_recursive_is_released_as_often_as_it_was_acquired)
{
    kith_lock *lock = lock_with(t, "deep", RECURSIVE);
    struct kith_owner owner;

    for (int i = 0; i < 5; i++)
        EXPECT_OK(kith_lock_acquire(lock, i % 2 == 0 ? 0 : KITH_FOREVER));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_EQ(5, owner.depth);
    for (int i = 0; i < 5; i++) {
        CHILD_JOIN(test_child(child_is_refused, party_new(lock)));
        EXPECT_OK(kith_lock_release(lock));
    }
    EXPECT_FAILS(KITH_EPERM, "deep", kith_lock_release(lock));
}

TEST(lock_that_is_recursive_ends_at_its_depth)
{
    kith_lock *lock = lock_with(t, "deep", RECURSIVE);
    struct kith_owner owner;

    for (int i = 0; i < KITH_LOCK_DEPTH_MAX; i++)
        EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_FAILS(KITH_ERANGE, "deep", kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_EQ(KITH_LOCK_DEPTH_MAX, owner.depth);
    for (int i = 0; i < KITH_LOCK_DEPTH_MAX; i++)
        EXPECT_OK(kith_lock_release(lock));
    EXPECT_RC(KITH_EPERM, kith_lock_release(lock));
}

static void
child_goes_deep(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_lock_acquire(p->lock, 0));
    test_gate_open(p->ready);
    for (;;)
        pause();
}

TEST(lock_that_is_recursive_forgets_the_depth_of_a_killed_holder)
{
    kith_lock *lock = lock_with(t, "deep", RECURSIVE);
    struct party *p = party_new(lock);
    struct kith_owner owner;
    pid_t pid = test_child(child_goes_deep, p);

    GATE_WAIT(p->ready);
    test_child_kill(pid);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_EQ(1, owner.depth);
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_RC(KITH_EPERM, kith_lock_release(lock));
}

static void *
thread_is_refused(void *arg)
{
    child_is_refused(arg);
    return NULL;
}

TEST(lock_that_is_recursive_belongs_to_the_thread)
{
    kith_lock *lock = lock_with(t, "deep", RECURSIVE);

    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    test_thread_join(test_thread(thread_is_refused, party_new(lock)));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_release(lock));
}

/* ---- fair ---- */

static void
child_notes_its_turn(void *arg)
{
    struct party *p = arg;

    EXPECT_TRUE(kith_lock_acquire(p->lock, KITH_FOREVER) >= 0);
    atomic_store(&p->all->order[atomic_fetch_add(&p->all->done, 1)], p->number);
    EXPECT_OK(kith_lock_release(p->lock));
}

static pid_t
turn(struct party *all, int number)
{
    struct party *p = party_new(all->lock);
    pid_t pid;

    p->all = all;
    p->number = number;
    pid = test_child(child_notes_its_turn, p);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

TEST(lock_that_is_fair_goes_by_the_order_of_coming)
{
    struct party *all = party_new(lock_with(t, "fair", FAIR));
    pid_t pids[5];

    EXPECT_OK(kith_lock_acquire(all->lock, 0));
    for (int i = 0; i < 5; i++)
        pids[i] = turn(all, i);
    EXPECT_OK(kith_lock_release(all->lock));
    /* Who comes after them, even if it was the last owner, gets it after them. */
    EXPECT_OK(kith_lock_acquire(all->lock, KITH_FOREVER));
    EXPECT_EQ(5, all->done);
    EXPECT_OK(kith_lock_release(all->lock));
    for (int i = 0; i < 5; i++) {
        CHILD_JOIN(pids[i]);
        EXPECT_EQ(i, all->order[i]);
    }
}

TEST(lock_that_is_fair_passes_over_a_killed_waiter)
{
    struct party *all = party_new(lock_with(t, "fair", FAIR));
    pid_t pids[4];

    EXPECT_OK(kith_lock_acquire(all->lock, 0));
    for (int i = 0; i < 4; i++)
        pids[i] = turn(all, i);
    test_child_kill(pids[0]);
    test_child_kill(pids[2]);
    EXPECT_OK(kith_lock_release(all->lock));
    CHILD_JOIN(pids[1]);
    CHILD_JOIN(pids[3]);
    EXPECT_EQ(1, all->order[0]);
    EXPECT_EQ(3, all->order[1]);
}

TEST(lock_that_is_fair_keeps_the_order_when_its_holder_is_killed)
{
    struct party *all = party_new(lock_with(t, "fair", FAIR));
    pid_t pid = holder(party_new(all->lock));
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = turn(all, i);
    test_child_kill(pid);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(i, all->order[i]);
}

/* It is stopped while it is called, so the lock is free and it is its turn: then it is killed. */
TEST(lock_that_is_fair_goes_on_when_the_one_whose_turn_it_is_is_killed)
{
    struct party *all = party_new(lock_with(t, "fair", FAIR));
    pid_t first, second;

    EXPECT_OK(kith_lock_acquire(all->lock, 0));
    first = turn(all, 1);
    second = turn(all, 2);
    test_child_stop(first);
    EXPECT_OK(kith_lock_release(all->lock));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(all->lock, 0));
    UNTIL_ASLEEP(second, 0);
    test_child_kill(first);
    CHILD_JOIN(second);
    EXPECT_EQ(2, all->order[0]);
}

static void
child_is_too_late(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(p->lock, 20 * TEST_MS));
}

TEST(lock_that_is_fair_forgets_who_gave_up)
{
    struct party *all = party_new(lock_with(t, "fair", FAIR));
    pid_t pid;

    EXPECT_OK(kith_lock_acquire(all->lock, 0));
    pid = test_child(child_is_too_late, party_new(all->lock));
    CHILD_JOIN(pid);
    pid = turn(all, 7);
    EXPECT_OK(kith_lock_release(all->lock));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_lock_acquire(all->lock, 0));
    EXPECT_OK(kith_lock_release(all->lock));
}

/* ---- unowned ---- */

static void
child_releases(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_release(p->lock));
}

TEST(lock_that_is_unowned_is_released_by_anyone)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    bool locked = false;

    EXPECT_FAILS(KITH_EPERM, "free", kith_lock_release(lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 20 * TEST_MS));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(locked);
    CHILD_JOIN(test_child(child_releases, party_new(lock)));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
    EXPECT_RC(KITH_EPERM, kith_lock_release(lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

static void *
thread_acquires(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_acquire(p->lock, 0));
    return NULL;
}

TEST(lock_that_is_unowned_stays_taken_when_its_taker_ends_in_order)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    struct party *p = party_new(lock);
    struct kith_owner owner;
    bool locked = false;
    pid_t pid;

    test_thread_join(test_thread(thread_acquires, p));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    pid = holder(p);
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(pid, owner.pid);
    test_gate_open(p->go);
    CHILD_JOIN(pid);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 50 * TEST_MS));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(locked);
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && !owner.alive);
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

/* The slot of the process that left is another's, whose death is none of the lock's business. */
TEST(lock_that_is_unowned_is_not_freed_by_the_death_of_another)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    kith_lock *other = lock_with(t, "other", UNOWNED);
    struct party *p = party_new(lock);
    pid_t pid = holder(p);

    test_gate_open(p->go);
    CHILD_JOIN(pid);
    p = party_new(other);
    pid = holder(p);
    test_child_kill(pid);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(other, test_ceiling_ns()));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_release(other));
}

/* A bare _exit counts as a kill. */
TEST(lock_that_is_unowned_comes_back_when_its_taker_was_killed)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);

    for (int way = 0; way <= 1; way++) {
        struct party *p = party_new(lock);
        pid_t pid;

        p->number = way;
        pid = holder(p);
        if (way == 0) {
            test_child_kill(pid);
        } else {
            test_gate_open(p->go);
            CHILD_JOIN(pid);
        }
        EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
        EXPECT_OK(kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
    }
}

TEST(lock_that_is_unowned_wakes_who_sleeps_when_its_taker_is_killed)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    pid_t pid = holder(party_new(lock));
    pid_t sleeper = waiter(lock, KITH_OWNER_DIED);

    test_child_kill(pid);
    CHILD_JOIN(sleeper);
}

TEST(lock_that_is_unowned_wakes_who_sleeps_and_is_not_held_up_by_killed_waiters)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    pid_t doomed, last[2];

    EXPECT_OK(kith_lock_acquire(lock, 0));
    doomed = waiter(lock, KITH_OK);
    for (int i = 0; i < 2; i++)
        last[i] = waiter(lock, KITH_OK);
    test_child_kill(doomed);
    EXPECT_OK(kith_lock_release(lock));
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(last[i]);
}

static void
child_releases_what_its_parent_took(void *arg)
{
    struct party *p = arg;
    pid_t child;

    EXPECT_OK(kith_lock_acquire(p->lock, 0));
    child = fork();
    if (child == 0) {
        EXPECT_OK(kith_lock_release(p->lock));
        EXPECT_OK(kith_lock_acquire(p->lock, 0));
        exit(0);
    }
    CHILD_JOIN(child);
    EXPECT_OK(kith_lock_release(p->lock));
}

TEST(lock_that_is_unowned_is_everybodys_over_a_fork)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);

    CHILD_JOIN(test_child(child_releases_what_its_parent_took, party_new(lock)));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

TEST(lock_that_is_unowned_tells_who_sleeps_that_it_was_destroyed)
{
    kith_lock *lock = lock_with(t, "free", UNOWNED);
    pid_t pid;

    EXPECT_OK(kith_lock_acquire(lock, 0));
    pid = test_child(child_waits_in_vain, party_new(lock));
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "free"));
    CHILD_JOIN(pid);
    EXPECT_RC(KITH_EGONE, kith_lock_release(lock));
    lock = lock_with(t, "free", 0); /* a lock of another kind, in the same memory */
    EXPECT_OK(kith_lock_acquire(lock, 0));
    CHILD_JOIN(test_child(child_is_refused, party_new(lock)));
    EXPECT_OK(kith_lock_release(lock));
}

/* ---- circles ---- */

static void
child_holds_and_wants_the_next(void *arg)
{
    struct party *p = arg;
    kith_err err;

    EXPECT_OK(kith_lock_acquire(p->lock, 0));
    test_gate_open(p->ready);
    err = kith_lock_acquire(p->next, KITH_FOREVER);
    EXPECT_TRUE(err == KITH_OK || err == KITH_OWNER_DIED);
    EXPECT_OK(kith_lock_release(p->next));
    EXPECT_OK(kith_lock_release(p->lock));
}

static pid_t
holder_of_two(struct party *p)
{
    pid_t pid = test_child(child_holds_and_wants_the_next, p);

    GATE_WAIT(p->ready);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

/* Locks 0 to count - 1, each held by a child that waits for the next; the last one is ours. */
static void
chain(struct test *t, kith_lock **locks, pid_t *pids, int count, unsigned what)
{
    char name[16];

    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "lock%d", i);
        locks[i] = lock_with(t, name, what);
    }
    EXPECT_OK(kith_lock_acquire(locks[count - 1], 0));
    for (int i = count - 2; i >= 0; i--) {
        struct party *p = party_new(locks[i]);

        p->next = locks[i + 1];
        pids[i] = holder_of_two(p);
    }
}

static void
circle(struct test *t, int count, unsigned what)
{
    kith_lock *locks[8];
    pid_t pids[8];
    char pid[16];

    chain(t, locks, pids, count, what);
    (void)snprintf(pid, sizeof(pid), "process %d", (int)pids[0]);
    for (int again = 0; again < 2; again++) {
        EXPECT_FAILS(KITH_EDEADLOCK, "\"lock0\"", kith_lock_acquire(locks[0], KITH_FOREVER));
        test_says(__FILE__, __LINE__, pid);
        test_says(__FILE__, __LINE__, "\"lock1\"");
        test_says(__FILE__, __LINE__, "held by this thread");
    }
    EXPECT_OK(kith_lock_release(locks[count - 1]));
    for (int i = 0; i < count - 1; i++)
        CHILD_JOIN(pids[i]);
    /* All of it was undone: nothing is held. */
    for (int i = 0; i < count; i++) {
        EXPECT_OK(kith_lock_acquire(locks[i], 0));
        EXPECT_OK(kith_lock_release(locks[i]));
    }
}

TEST(lock_wait_that_would_close_a_circle_of_two_is_EDEADLOCK)
{
    circle(t, 2, DETECTING);
}

TEST(lock_wait_that_would_close_a_circle_of_five_is_EDEADLOCK)
{
    circle(t, 5, DETECTING);
}

TEST(lock_that_is_fair_and_recursive_detects_a_circle_too)
{
    circle(t, 3, DETECTING | FAIR | RECURSIVE);
}

TEST(lock_that_does_not_detect_is_waited_for_in_a_circle)
{
    kith_lock *locks[2];
    pid_t pids[2];

    chain(t, locks, pids, 2, 0);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(locks[0], 30 * TEST_MS));
    EXPECT_OK(kith_lock_release(locks[1]));
    CHILD_JOIN(pids[0]);
}

/* A row that ends with one who waits for nobody is no circle. */
TEST(lock_that_detects_is_waited_for_when_there_is_no_circle)
{
    kith_lock *locks[4];
    pid_t pids[4], last;

    chain(t, locks, pids, 4, DETECTING);
    last = waiter(locks[0], KITH_OK);
    EXPECT_OK(kith_lock_release(locks[3]));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    CHILD_JOIN(last);
}

TEST(lock_wait_whose_circle_is_opened_by_a_kill_goes_on)
{
    kith_lock *locks[3];
    pid_t pids[3];

    chain(t, locks, pids, 3, DETECTING);
    EXPECT_RC(KITH_EDEADLOCK, kith_lock_acquire(locks[0], KITH_FOREVER));
    test_child_kill(pids[0]);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(locks[0], KITH_FOREVER));
    EXPECT_OK(kith_lock_release(locks[0]));
    EXPECT_OK(kith_lock_release(locks[2]));
    CHILD_JOIN(pids[1]);
}

/* Many at once, who take two locks in any order: each circle is seen by somebody. */
static void
child_takes_two(void *arg)
{
    struct party *p = arg;
    struct test_random random = { (uint64_t)getpid() };

    for (int i = 0; i < (test_is_long() ? 2000 : 200); i++) {
        bool turned = test_random_below(&random, 2) == 0;
        kith_lock *first = turned ? p->next : p->lock, *second = turned ? p->lock : p->next;
        kith_err err;

        EXPECT_OK(kith_lock_acquire(first, KITH_FOREVER));
        err = kith_lock_acquire(second, KITH_FOREVER);
        EXPECT_TRUE(err == KITH_OK || err == KITH_EDEADLOCK);
        if (err == KITH_OK)
            EXPECT_OK(kith_lock_release(second));
        else
            atomic_fetch_add(&p->done, 1);
        EXPECT_OK(kith_lock_release(first));
    }
}

TEST(lock_circles_among_many_are_all_found)
{
    struct party *p = party_new(lock_with(t, "first", DETECTING));
    pid_t pids[4];

    p->next = lock_with(t, "second", DETECTING);
    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_takes_two, p);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN_LONG(pids[i], 50);
}

/* With one order there is no circle, and none may be seen. */
static void
child_takes_two_in_order(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < (test_is_long() ? 5000 : 500); i++) {
        EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
        EXPECT_OK(kith_lock_acquire(p->next, KITH_FOREVER));
        EXPECT_OK(kith_lock_release(i % 2 == 0 ? p->next : p->lock));
        EXPECT_OK(kith_lock_release(i % 2 == 0 ? p->lock : p->next));
    }
}

TEST(lock_circles_are_not_seen_where_there_are_none)
{
    struct party *p = party_new(lock_with(t, "first", DETECTING));
    pid_t pids[4];

    p->next = lock_with(t, "second", DETECTING);
    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_takes_two_in_order, p);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN_LONG(pids[i], 50);
}

/* ---- who holds, who waits ---- */

struct seen {
    struct kith_party party[8];
    int count;
};

static int
see(const struct kith_party *party, void *arg)
{
    struct seen *seen = arg;

    seen->party[seen->count++] = *party;
    return seen->count == 8;
}

TEST(lock_lists_who_holds_it_and_then_who_waits_in_their_order)
{
    kith_lock *lock = lock_with(t, "fair", FAIR);
    struct party *p = party_new(lock);
    struct seen seen = { .count = 0 };
    struct kith_owner owner;
    pid_t pid, pids[3];

    EXPECT_OK(kith_lock_parties(lock, see, &seen));
    EXPECT_EQ(0, seen.count);
    pid = holder(p);
    for (int i = 0; i < 3; i++)
        pids[i] = waiter(lock, i == 0 ? KITH_OWNER_DIED : KITH_OK);
    EXPECT_OK(kith_lock_parties(lock, see, &seen));
    EXPECT_EQ(4, seen.count);
    EXPECT_EQ(pid, seen.party[0].pid);
    EXPECT_TRUE(seen.party[0].holds && seen.party[0].alive && !seen.party[0].shared);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(pids[i], seen.party[i + 1].pid);
        EXPECT_EQ(pids[i], seen.party[i + 1].thread);
        EXPECT_TRUE(!seen.party[i + 1].holds && seen.party[i + 1].alive);
        EXPECT_TRUE(seen.party[i + 1].command[0] != '\0');
    }
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_EQ(3, owner.waiters);
    test_child_kill(pid);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    seen.count = 0;
    EXPECT_OK(kith_lock_parties(lock, see, &seen));
    EXPECT_EQ(0, seen.count);
}

TEST(lock_stamps_the_time_when_its_first_waiter_comes)
{
    for (size_t i = 0; i < COUNTOF(owned); i++) {
        kith_lock *lock = lock_with(t, owned[i].name, owned[i].what);
        int64_t before_ns = test_real_ns();
        struct kith_owner owner;
        pid_t pid;

        EXPECT_OK(kith_lock_acquire(lock, 0));
        pid = waiter(lock, KITH_OK);
        EXPECT_OK(kith_lock_owner(lock, &owner));
        EXPECT_GE(owner.since_ns, before_ns - TEST_S);
        EXPECT_GE(test_real_ns(), owner.since_ns);
        EXPECT_EQ(1, owner.waiters);
        EXPECT_OK(kith_lock_release(lock));
        CHILD_JOIN(pid);
    }
}

/* ---- misused ---- */

TEST(lock_refuses_options_that_exclude_each_other)
{
    kith_space *space = test_space(t);
    kith_lock *none = (kith_lock *)t;

    for (int i = 0; i < 4; i++) {
        struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

        options.unowned = i < 3;
        options.recursive = i == 0 || i == 3;
        options.detect_deadlock = i == 1;
        options.shareable = i == 2 || i == 3;
        EXPECT_FAILS(KITH_EINVAL, "\"odd\"", kith_lock_open(space, "odd", &options, &none));
    }
    EXPECT_TRUE(none == (kith_lock *)t);
    EXPECT_RC(KITH_EINVAL, kith_lock_parties(NULL, see, NULL));
    EXPECT_RC(KITH_EINVAL, kith_lock_parties(test_lock(t, "odd"), NULL, NULL));
}

TEST(lock_that_exists_keeps_the_options_it_was_made_with)
{
    kith_lock *plain = lock_with(t, "plain", 0);
    kith_lock *again = lock_with(t, "plain", RECURSIVE | DETECTING);

    EXPECT_OK(kith_lock_acquire(plain, 0));
    EXPECT_RC(KITH_EDEADLOCK, kith_lock_acquire(again, 0));
    EXPECT_OK(kith_lock_release(again));
}

/* ---- exclusion, with random kills ---- */

/* Whoever has the lock signs `in`, and finds its name at the end. */
static void
use(struct party *p, struct test_random *random, bool may_die)
{
    EXPECT_TRUE(kith_lock_acquire(p->lock, KITH_FOREVER) >= 0);
    atomic_store(&p->in, getpid());
    if (test_random_below(random, 4) == 0)
        sched_yield();
    if (may_die && test_random_below(random, 20) == 0)
        raise(SIGKILL);
    EXPECT_EQ(getpid(), atomic_load(&p->in));
    EXPECT_OK(kith_lock_release(p->lock));
}

static void
child_uses_it_and_is_killed(void *arg)
{
    struct test_random random = { (uint64_t)getpid() };

    for (int i = 0;; i++)
        use(arg, &random, i > 10);
}

static void
child_uses_it(void *arg)
{
    struct test_random random = { (uint64_t)getpid() };

    for (int i = 0; i < (test_is_long() ? 3000 : 300); i++)
        use(arg, &random, false);
}

static void
random_kills(struct test *t, unsigned what)
{
    struct party *p = party_new(lock_with(t, "hot", what));
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_uses_it, p);
    for (int i = 0; i < 20; i++)
        EXPECT_TRUE(WIFSIGNALED(CHILD_END(test_child(child_uses_it_and_is_killed, p))));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN_LONG(pids[i], 50);
}

TEST(lock_that_is_fair_keeps_processes_apart_while_some_are_killed)
{
    random_kills(t, FAIR);
}

TEST(lock_that_is_recursive_keeps_processes_apart_while_some_are_killed)
{
    random_kills(t, RECURSIVE);
}

TEST(lock_that_is_unowned_keeps_processes_apart_while_some_are_killed)
{
    random_kills(t, UNOWNED);
}

TEST(lock_that_detects_keeps_processes_apart_while_some_are_killed)
{
    random_kills(t, DETECTING);
}
