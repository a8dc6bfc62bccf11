/*
 * test_lock.c - what kith/lock.h promises, above all about holders that end.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

struct party {
    kith_lock *lock;
    sem_t *ready;
    sem_t *go;
    int number;
    atomic_int tid;
    atomic_int done;
    int64_t counter; /* guarded by the lock, not atomic */
};

static struct party *
party_new(kith_lock *lock)
{
    struct party *p = test_shared(sizeof(*p));

    p->lock = lock;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

TEST(lock_is_had_by_one_at_a_time)
{
    kith_lock *lock = test_lock(t, "report");
    bool locked = true;

    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(locked);
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_acquire(lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
}

static void
child_is_refused(void *arg)
{
    struct party *p = arg;
    int64_t start_ns = test_now_ns();

    EXPECT_FAILS(KITH_ETIMEDOUT, "report", kith_lock_acquire(p->lock, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, "report", kith_lock_acquire(p->lock, 20 * TEST_MS));
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    EXPECT_FAILS(KITH_EPERM, "report", kith_lock_release(p->lock));
}

TEST(lock_times_out_while_another_holds_it_and_only_its_holder_releases_it)
{
    kith_lock *lock = test_lock(t, "report");

    EXPECT_OK(kith_lock_acquire(lock, 0));
    CHILD_JOIN(test_child(child_is_refused, party_new(lock)));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_FAILS(KITH_EPERM, "report", kith_lock_release(lock));
}

static void *
thread_is_refused(void *arg)
{
    child_is_refused(arg);
    return NULL;
}

TEST(lock_belongs_to_the_thread)
{
    kith_lock *lock = test_lock(t, "report");

    EXPECT_OK(kith_lock_acquire(lock, 0));
    test_thread_join(test_thread(thread_is_refused, party_new(lock)));
    EXPECT_OK(kith_lock_release(lock));
}

TEST(lock_acquired_twice_by_its_holder_is_EDEADLOCK)
{
    kith_lock *lock = test_lock(t, "report");
    kith_lock *again = test_lock(t, "report");

    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "report", kith_lock_acquire(lock, KITH_FOREVER));
    EXPECT_RC(KITH_EDEADLOCK, kith_lock_acquire(again, 0));
    EXPECT_OK(kith_lock_release(again));
    EXPECT_RC(KITH_EPERM, kith_lock_release(lock));
}

static void
child_acquires(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->number, kith_lock_acquire(p->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(p->lock));
}

TEST(lock_waiter_that_sleeps_is_woken_by_the_release)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t pids[3];

    EXPECT_OK(kith_lock_acquire(lock, 0));
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_acquires, p);
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_lock_release(lock));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

/* ---- ends of holders ---- */

static void
child_holds(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    p->tid = (int)syscall(SYS_gettid);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        _exit(0);
    /* Else an orderly end, when this returns. */
}

TEST(lock_of_a_killed_holder_goes_to_the_next_with_the_news_once)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t pid = test_child(child_holds, p);

    GATE_WAIT(p->ready);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    test_child_kill(pid);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

/* A bare _exit and an orderly one: an owner that holds when it ends counts as dead for that hold.
 */
TEST(lock_of_a_holder_that_ended_comes_with_the_news)
{
    kith_lock *lock = test_lock(t, "report");

    for (int way = 1; way <= 2; way++) {
        struct party *p = party_new(lock);
        pid_t pid;

        p->number = way;
        pid = test_child(child_holds, p);
        GATE_WAIT(p->ready);
        test_gate_open(p->go);
        CHILD_JOIN(pid);
        EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
    }
}

TEST(lock_waiter_that_sleeps_is_woken_by_the_death_of_the_holder)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *holder = party_new(lock);
    struct party *p = party_new(lock);
    pid_t pid = test_child(child_holds, holder);
    pid_t waiter;

    GATE_WAIT(holder->ready);
    p->number = KITH_OWNER_DIED;
    waiter = test_child(child_acquires, p);
    UNTIL_ASLEEP(waiter, 0);
    test_child_kill(pid);
    CHILD_JOIN(waiter);
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

static void
child_counts_deaths(void *arg)
{
    struct party *p = arg;
    kith_err err = kith_lock_acquire(p->lock, KITH_FOREVER);

    EXPECT_TRUE(err == KITH_OK || err == KITH_OWNER_DIED);
    if (err == KITH_OWNER_DIED)
        atomic_fetch_add(&p->done, 1);
    EXPECT_OK(kith_lock_release(p->lock));
}

TEST(lock_waiters_all_get_on_after_a_death_and_one_is_told)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *holder = party_new(lock);
    struct party *p = party_new(lock);
    pid_t pid = test_child(child_holds, holder);
    pid_t waiters[4];

    GATE_WAIT(holder->ready);
    for (int i = 0; i < 4; i++)
        waiters[i] = test_child(child_counts_deaths, p);
    for (int i = 0; i < 4; i++)
        UNTIL_ASLEEP(waiters[i], 0);
    test_child_kill(pid);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(waiters[i]);
    EXPECT_EQ(1, p->done);
}

TEST(lock_killed_waiters_hold_nobody_up)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t doomed[3];
    pid_t last;

    EXPECT_OK(kith_lock_acquire(lock, 0));
    for (int i = 0; i < 3; i++) {
        doomed[i] = test_child(child_acquires, p);
        UNTIL_ASLEEP(doomed[i], 0);
    }
    last = test_child(child_acquires, p);
    UNTIL_ASLEEP(last, 0);
    for (int i = 0; i < 3; i++)
        test_child_kill(doomed[i]);
    EXPECT_OK(kith_lock_release(lock));
    CHILD_JOIN(last);
}

static void *
thread_holds(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    return NULL;
}

TEST(lock_of_a_thread_that_ended_goes_to_the_next_with_the_news)
{
    kith_lock *lock = test_lock(t, "report");

    for (int i = 0; i < 3; i++) {
        test_thread_join(test_thread(thread_holds, party_new(lock)));
        EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
        EXPECT_OK(kith_lock_release(lock));
    }
}

static void *
thread_holds_until_told(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    return NULL;
}

static void
child_whose_thread_holds(void *arg)
{
    test_thread_join(test_thread(thread_holds_until_told, arg));
    for (;;)
        pause();
}

TEST(lock_waiter_that_sleeps_learns_of_the_end_of_a_thread_whose_process_lives)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    struct party *w = party_new(lock);
    pid_t holder = test_child(child_whose_thread_holds, p);
    pid_t waiter;

    GATE_WAIT(p->ready);
    w->number = KITH_OWNER_DIED;
    waiter = test_child(child_acquires, w);
    UNTIL_ASLEEP(waiter, 0);
    test_gate_open(p->go);
    CHILD_JOIN(waiter);
    test_child_kill(holder);
}

static void
child_execs(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    execl("/bin/sleep", "sleep", "1000", (char *)NULL);
    FAIL("no /bin/sleep");
}

TEST(lock_of_a_holder_that_became_another_program_comes_with_the_news)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    struct party *w = party_new(lock);
    pid_t waiter;
    pid_t pid = test_child(child_execs, p);

    GATE_WAIT(p->ready);
    w->number = KITH_OWNER_DIED;
    waiter = test_child(child_acquires, w);
    UNTIL_ASLEEP(waiter, 0);
    test_gate_open(p->go);
    CHILD_JOIN(waiter);
    test_child_kill(pid);
}

static void
child_forks_while_holding(void *arg)
{
    struct party *p = arg;
    pid_t child;

    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    child = fork();
    if (child == 0) {
        EXPECT_RC(KITH_EPERM, kith_lock_release(p->lock));
        EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(p->lock, 0));
        test_gate_open(p->ready);
        GATE_WAIT(p->go);
        _exit(0);
    }
    GATE_WAIT(p->ready);
    if (p->number == 0)
        kill(getpid(), SIGKILL);
    EXPECT_OK(kith_lock_release(p->lock));
    test_gate_open(p->go);
    CHILD_JOIN(child);
}

TEST(lock_held_over_a_fork_stays_the_parents)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);

    p->number = 1;
    CHILD_JOIN(test_child(child_forks_while_holding, p));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

TEST(lock_of_a_killed_holder_is_free_though_its_child_lives)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t pid = test_child(child_forks_while_holding, p);

    EXPECT_TRUE(WIFSIGNALED(CHILD_END(pid)));
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    test_gate_open(p->go);
}

TEST(lock_many_of_a_killed_holder_are_all_free)
{
    kith_lock *locks[40];
    struct party *p = test_shared(sizeof(*p));
    char name[16];
    pid_t pid;

    p->ready = test_gate();
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "lock%d", i);
        locks[i] = test_lock(t, name);
    }
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 40; i++)
            EXPECT_OK(kith_lock_acquire(locks[i], 0));
        test_gate_open(p->ready);
        for (;;)
            pause();
    }
    GATE_WAIT(p->ready);
    for (int i = 0; i < 40; i++)
        EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(locks[i], 0));
    test_child_kill(pid);
    for (int i = 0; i < 40; i++)
        EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(locks[i], 0));
    for (int i = 0; i < 40; i++)
        EXPECT_OK(kith_lock_release(locks[i]));
}

TEST_ON(TEST_NAMED, lock_held_when_its_space_is_closed_is_given_back)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        kith_space *own = NULL;
        kith_lock *mine = NULL;

        kith_lock_close(lock);
        kith_close(t->space);
        EXPECT_OK(kith_open(t->address, NULL, &own));
        EXPECT_OK(kith_lock_open(own, "report", NULL, &mine));
        EXPECT_OK(kith_lock_acquire(mine, 0));
        kith_lock_close(mine);
        kith_close(own);
        test_gate_open(p->ready);
        GATE_WAIT(p->go);
        _exit(0);
    }
    GATE_WAIT(p->ready);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, test_ceiling_ns()));
    EXPECT_OK(kith_lock_release(lock));
    test_gate_open(p->go);
    CHILD_JOIN(pid);
}

/* ---- owner ---- */

TEST(lock_tells_who_holds_it)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    struct party *w = party_new(lock);
    struct kith_owner owner;
    char host[256];
    int64_t before_ns = test_real_ns();
    pid_t pid, waiter;

    memset(&owner, 0xff, sizeof(owner));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(!owner.held);
    EXPECT_EQ(0, owner.waiters);
    pid = test_child(child_holds, p);
    GATE_WAIT(p->ready);
    w->number = KITH_OWNER_DIED;
    waiter = test_child(child_acquires, w);
    UNTIL_ASLEEP(waiter, 0);
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held);
    EXPECT_TRUE(owner.alive);
    EXPECT_EQ(pid, owner.pid);
    EXPECT_EQ(p->tid, owner.thread);
    EXPECT_EQ(0, gethostname(host, sizeof(host)));
    host[sizeof(owner.host) - 1] = '\0';
    EXPECT_TRUE(strncmp(host, owner.host, 47) == 0);
    EXPECT_EQ(1, owner.waiters);
    if (owner.since_ns != 0) {
        EXPECT_GE(owner.since_ns, before_ns - TEST_S);
        EXPECT_GE(test_real_ns(), owner.since_ns);
    }
    test_gate_open(p->go);
    CHILD_JOIN(waiter);
    CHILD_JOIN(pid);
}

TEST(lock_tells_that_its_owner_died)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    struct kith_owner owner;
    bool locked = true;
    pid_t pid = test_child(child_holds, p);

    GATE_WAIT(p->ready);
    test_child_kill(pid);
    EXPECT_OK(kith_lock_locked(lock, &locked));
    EXPECT_TRUE(!locked);
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(!owner.held || !owner.alive);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(getpid(), owner.pid);
    EXPECT_OK(kith_lock_release(lock));
}

TEST(lock_of_a_stopped_holder_is_never_taken_from_it)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    struct kith_owner owner;
    pid_t pid = test_child(child_holds, p);

    p->number = 1;
    GATE_WAIT(p->ready);
    test_child_stop(pid);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 300 * TEST_MS));
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(pid, owner.pid);
    test_child_go_on(pid);
    test_gate_open(p->go);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, test_ceiling_ns()));
    EXPECT_OK(kith_lock_release(lock));
    CHILD_JOIN(pid);
}

/* ---- destroyed, interrupted, misused ---- */

static void
child_waits_in_vain(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EGONE, kith_lock_acquire(p->lock, KITH_FOREVER));
}

TEST(lock_waiters_learn_that_it_was_destroyed)
{
    kith_lock *lock = test_lock(t, "report");
    struct kith_owner owner = { .pid = 77 };
    bool locked;
    pid_t pids[2];

    EXPECT_OK(kith_lock_acquire(lock, 0));
    for (int i = 0; i < 2; i++)
        pids[i] = test_child(child_waits_in_vain, party_new(lock));
    for (int i = 0; i < 2; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_destroy(test_space(t), "report"));
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_FAILS(KITH_EGONE, "report", kith_lock_acquire(lock, KITH_FOREVER));
    EXPECT_RC(KITH_EGONE, kith_lock_release(lock));
    EXPECT_RC(KITH_EGONE, kith_lock_owner(lock, &owner));
    EXPECT_EQ(77, owner.pid);
    EXPECT_RC(KITH_EGONE, kith_lock_locked(lock, &locked));
    /* A new lock of that name is free, whoever held the old one. */
    lock = test_lock(t, "report");
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
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
    EXPECT_FAILS(KITH_EINTERRUPTED, "report", kith_lock_acquire(p->lock, KITH_FOREVER));
    EXPECT_EQ(1, p->done);
    EXPECT_RC(KITH_EPERM, kith_lock_release(p->lock));
    kith_on_interrupt(NULL, NULL);
    EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(p->lock));
    EXPECT_EQ(1, p->done);
}

TEST(lock_wait_ends_on_a_signal_only_if_asked)
{
    kith_lock *lock = test_lock(t, "report");
    struct party *p = party_new(lock);
    pid_t pid;

    EXPECT_OK(kith_lock_acquire(lock, 0));
    pid = test_child(child_is_interrupted, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_EQ(0, kill(pid, SIGUSR1));
    UNTIL(p->done == 1);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_EQ(0, kill(pid, SIGUSR1));
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_lock_release(lock));
    CHILD_JOIN(pid);
}

TEST(lock_refuses_bad_input)
{
    kith_space *space = test_space(t);
    kith_lock *lock = test_lock(t, "report");
    kith_lock *none = (kith_lock *)t;
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_owner owner;
    bool locked;

    EXPECT_RC(KITH_EINVAL, kith_lock_acquire(lock, -2));
    EXPECT_RC(KITH_EINVAL, kith_lock_acquire(lock, INT64_MIN));
    EXPECT_RC(KITH_EINVAL, kith_lock_acquire(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_lock_release(NULL));
    EXPECT_RC(KITH_EINVAL, kith_lock_owner(NULL, &owner));
    EXPECT_RC(KITH_EINVAL, kith_lock_owner(lock, NULL));
    EXPECT_RC(KITH_EINVAL, kith_lock_locked(NULL, &locked));
    EXPECT_RC(KITH_EINVAL, kith_lock_open(NULL, "report", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_lock_open(space, "", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_lock_open(space, "report", NULL, NULL));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_lock_open(space, "report", &options, &none));
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_lock_open(space, "absent", &options, &none));
    test_event(t, "flag");
    EXPECT_FAILS(KITH_ETYPE, "flag", kith_lock_open(space, "flag", NULL, &none));
    EXPECT_TRUE(none == (kith_lock *)t);
    kith_lock_close(NULL);
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
}

/* ---- exclusion ---- */

static void *
count_in_thread(void *arg)
{
    struct party *p = arg;
    volatile int64_t *counter = &p->counter;

    for (int i = 0; i < 3000; i++) {
        EXPECT_OK(kith_lock_acquire(p->lock, KITH_FOREVER));
        *counter = *counter + 1;
        EXPECT_OK(kith_lock_release(p->lock));
    }
    return NULL;
}

static void
count_in_child(void *arg)
{
    pthread_t other = test_thread(count_in_thread, arg);

    count_in_thread(arg);
    test_thread_join(other);
}

TEST(lock_keeps_threads_of_several_processes_apart)
{
    struct party *p = party_new(test_lock(t, "report"));
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(count_in_child, p);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(18000, p->counter);
}
