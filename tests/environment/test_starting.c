/*
 * test_starting.c - starting processes where the surroundings do not want it, or are going away.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* More than a process's life; each ends with the one that it belongs to. */
static int
sleep_long(void *arg)
{
    (void)arg;
    while (pause() < 0)
        ;
    return 0;
}

static int
end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- the end of the parent ---- */

struct family {
    int held[2]; /* a pipe: it ends when the last of the family is gone */
    bool exec;
    bool inside; /* the children are in a PID namespace of their own */
    sem_t *begun;
};

static struct family *
family_new(bool exec)
{
    struct family *f = test_shared(sizeof(*f));

    EXPECT_EQ(0, pipe(f->held));
    f->exec = exec;
    f->begun = test_gate();
    return f;
}

static kith_process *
start_tied(const struct family *f)
{
    const char *const argv[] = { "sleep", "1000", NULL };
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    kith_process *process = NULL;

    options.ends_with_parent = true;
    if (f->exec)
        EXPECT_OK(kith_process_exec(argv, &options, &process));
    else
        EXPECT_OK(kith_process_fork(sleep_long, NULL, &options, &process));
    return process;
}

static void
start_two_and_wait(void *arg)
{
    struct family *f = arg;

    close(f->held[0]);
    if (f->inside && unshare(CLONE_NEWPID) != 0)
        test_skip("a PID namespace is not permitted here");
    (void)start_tied(f);
    if (!f->inside) /* of a namespace whose first process lives, but let one do */
        (void)start_tied(f);
    test_gate_open(f->begun);
    for (;;)
        pause();
}

static void
start_all_the_time(void *arg)
{
    struct family *f = arg;

    close(f->held[0]);
    test_gate_open(f->begun);
    for (int i = 0; i < 100; i++)
        (void)start_tied(f);
    for (;;)
        pause();
}

/* Nobody has the pipe's other end any more. */
static void
expect_family_gone(struct family *f)
{
    struct pollfd polled = { .fd = f->held[0], .events = POLLIN };
    char byte;

    close(f->held[1]);
    EXPECT_EQ(1, poll(&polled, 1, (int)(test_ceiling_ns() / TEST_MS)));
    EXPECT_EQ(0, read(f->held[0], &byte, 1));
    close(f->held[0]);
}

TEST(processes_end_with_a_parent_that_is_killed)
{
    test_space(t);
    for (int exec = 0; exec < 2; exec++) {
        struct family *f = family_new(exec != 0);
        pid_t pid = test_child(start_two_and_wait, f);

        GATE_WAIT(f->begun);
        test_child_kill(pid);
        expect_family_gone(f);
    }
}

TEST(processes_end_with_a_parent_that_they_see_from_another_namespace)
{
    struct family *f = family_new(false);
    pid_t pid;

    f->inside = true;
    pid = test_child(start_two_and_wait, f);
    GATE_WAIT(f->begun);
    test_child_kill(pid);
    expect_family_gone(f);
}

TEST_LONG(120, processes_end_with_a_parent_that_is_killed_while_it_starts_them)
{
    struct test_random random = test_random_new();

    test_space(t);
    for (int i = 0; i < 50; i++) {
        struct family *f = family_new(i % 2 != 0);
        pid_t pid = test_child(start_all_the_time, f);
        struct timespec moment = { 0, (long)test_random_below(&random, 10 * (uint64_t)TEST_MS) };

        GATE_WAIT(f->begun);
        nanosleep(&moment, NULL);
        test_child_kill(pid);
        expect_family_gone(f);
    }
}

static void *
start_in_thread(void *arg)
{
    return start_tied(arg);
}

TEST(process_ends_with_the_thread_that_started_it)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
    struct family *f = family_new(false);
    kith_process *process = test_thread_join(test_thread(start_in_thread, f));

    EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), &status));
    EXPECT_EQ(SIGKILL, status.signal);
    kith_process_close(process);
}

static void
start_untied(void *arg)
{
    struct family *f = arg;
    kith_process *process;

    close(f->held[0]);
    EXPECT_OK(kith_process_fork(sleep_long, NULL, NULL, &process));
    f->held[0] = (int)kith_process_pid(process);
    kith_process_close(process);
}

TEST(process_outlives_its_parent_if_it_is_not_to_end_with_it)
{
    struct family *f = family_new(false);
    struct pollfd polled = { .fd = f->held[0], .events = POLLIN };

    CHILD_JOIN(test_child(start_untied, f));
    close(f->held[1]);
    EXPECT_EQ(0, poll(&polled, 1, 0));
    EXPECT_EQ(0,
              kill(f->held[0], SIGKILL)); /* the pipe says that it lives: the number is its own */
    EXPECT_EQ(1, poll(&polled, 1, (int)(test_ceiling_ns() / TEST_MS)));
    close(polled.fd);
}

/* ---- what the system refuses, or keeps for itself ---- */

TEST(process_is_not_started_without_a_descriptor_to_know_it_by)
{
    const char *const argv[] = { "true", NULL };
    struct rlimit limit, none;
    kith_process *process = (kith_process *)t;

    EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    /* However many there are left, from none to as many as it takes. */
    for (rlim_t count = 3; count < 40 && process == (kith_process *)t; count++) {
        kith_err err;

        none.rlim_cur = count;
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
        err = kith_process_fork(end_at_once, NULL, NULL, &process);
        if (err != KITH_OK)
            EXPECT_RC(KITH_ESYSTEM, err);
    }
    EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), NULL));
    kith_process_close(process);
    process = (kith_process *)t;
    for (rlim_t count = 3; count < 40 && process == (kith_process *)t; count++) {
        kith_err err;

        none.rlim_cur = count;
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
        err = kith_process_exec(argv, NULL, &process);
        if (err != KITH_OK)
            EXPECT_RC(KITH_ESYSTEM, err);
    }
    EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), NULL));
    kith_process_close(process);
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
    EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG));
}

TEST(process_is_waited_for_where_the_system_forgets_children_at_once)
{
    const char *const argv[] = { "true", NULL };
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
    kith_process *process;

    sigaction(SIGCHLD, &ignored, NULL);
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0)
            EXPECT_OK(kith_process_fork(end_at_once, NULL, NULL, &process));
        else
            EXPECT_OK(kith_process_exec(argv, NULL, &process));
        EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), &status));
        EXPECT_TRUE(!status.known);
        kith_process_close(process);
    }
}

struct crowd {
    kith_space *space;
    atomic_bool stop;
};

static void *
start_and_wait(void *arg)
{
    const char *const argv[] = { "true", NULL };
    struct crowd *crowd = arg;
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    bool by_fork = true;

    options.spaces = &crowd->space;
    for (int i = 0; i < 40; i++, by_fork = !by_fork) {
        struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
        kith_process *process;

        options.space_count = by_fork ? 0 : 1;
        if (by_fork)
            EXPECT_OK(kith_process_fork(end_at_once, NULL, &options, &process));
        else
            EXPECT_OK(kith_process_exec(argv, &options, &process));
        EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), &status));
        EXPECT_TRUE(status.known && status.exit_status == 0 && status.signal == 0);
        kith_process_close(process);
    }
    return NULL;
}

TEST(processes_are_started_by_many_threads_at_once)
{
    struct crowd crowd = { .space = test_space(t) };
    pthread_t threads[6];

    for (size_t i = 0; i < COUNTOF(threads); i++)
        threads[i] = test_thread(start_and_wait, &crowd);
    for (size_t i = 0; i < COUNTOF(threads); i++)
        test_thread_join(threads[i]);
}
