/*
 * test_process.c - what kith/process.h promises.
 *
 * The commands that are started are this program again, which sees by KITH_TEST_ROLE that it is
 * not to test anything.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static const char *const myself[] = { "/proc/self/exe", NULL };

static void
close_process(void *process)
{
    kith_process_close(process);
}

static kith_process *
forked(struct test *t, int (*run)(void *arg), void *arg, const struct kith_process_options *options)
{
    kith_process *process = NULL;

    (void)fflush(NULL);
    EXPECT_OK(kith_process_fork(run, arg, options, &process));
    test_keep(t, process, close_process);
    return process;
}

static kith_process *
started(struct test *t, const char *const *argv, const struct kith_process_options *options)
{
    kith_process *process = NULL;

    EXPECT_OK(kith_process_exec(argv, options, &process));
    test_keep(t, process, close_process);
    return process;
}

static void
ends_with(kith_process *process, int exit_status, int signal)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;

    EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), &status));
    EXPECT_TRUE(status.known);
    EXPECT_EQ(exit_status, status.exit_status);
    EXPECT_EQ(signal, status.signal);
    EXPECT_EQ(signal == SIGABRT && status.core_dumped, status.core_dumped);
}

static bool
alive(kith_process *process)
{
    bool is_alive = false;

    EXPECT_OK(kith_process_alive(process, &is_alive));
    return is_alive;
}

static int
sleep_forever(void *arg)
{
    if (arg != NULL)
        test_gate_open(arg);
    while (pause() < 0)
        ;
    return 0;
}

/* ---- commands ---- */

static int
add_in_spaces(void)
{
    kith_space *space;
    kith_dict *dict;

    for (size_t i = 0; i < 2; i++)
        if (kith_process_space(i, NULL, &space) < 0 ||
            kith_dict_open(space, "hits", NULL, &dict) < 0 ||
            kith_dict_add(dict, KITH_STR("by command"), 1, NULL) < 0)
            return 10 + (int)i;
    return kith_process_space(2, NULL, &space) == KITH_ENOENT ? 0 : 20;
}

/* Starts itself again without handing anything on; that one must not find anything. */
static int
hand_nothing_on(void)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
    kith_process *process;

    if (add_in_spaces() != 0 || setenv("KITH_TEST_ROLE", "none", 1) != 0 ||
        kith_process_exec(myself, NULL, &process) < 0 ||
        kith_process_wait(process, KITH_FOREVER, &status) < 0)
        return 30;
    kith_process_close(process);
    return status.exit_status;
}

static int
find_none(void)
{
    kith_space *space;

    return getenv("KITH_SPACES") == NULL && kith_process_space(0, NULL, &space) == KITH_ENOENT ? 0
                                                                                               : 40;
}

static int
see_signals(void)
{
    struct sigaction action;
    sigset_t mask;

    if (sigaction(SIGUSR1, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return 50;
    if (sigaction(SIGUSR2, NULL, &action) != 0 || action.sa_handler != SIG_IGN)
        return 51;
    if (sigprocmask(SIG_SETMASK, NULL, &mask) != 0 || sigismember(&mask, SIGTERM) ||
        sigismember(&mask, SIGHUP) != 1)
        return 52;
    return 0;
}

__attribute__((constructor)) static void
play_role(void)
{
    const char *role = getenv("KITH_TEST_ROLE");

    if (role == NULL)
        return;
    if (strcmp(role, "add") == 0)
        exit(add_in_spaces());
    if (strcmp(role, "onward") == 0)
        exit(hand_nothing_on());
    if (strcmp(role, "none") == 0)
        exit(find_none());
    if (strcmp(role, "signals") == 0)
        exit(see_signals());
    if (strcmp(role, "alone") == 0)
        exit(getenv("PATH") == NULL ? 7 : 8);
    exit(99);
}

static kith_process *
role(struct test *t, const char *name, const struct kith_process_options *options)
{
    kith_process *process;

    EXPECT_EQ(0, setenv("KITH_TEST_ROLE", name, 1));
    process = started(t, myself, options);
    EXPECT_EQ(0, unsetenv("KITH_TEST_ROLE"));
    return process;
}

/* ---- a function ---- */

static int
count_in(void *arg)
{
    return kith_dict_add(arg, KITH_STR("by child"), 1, NULL) < 0 ? 1 : 42;
}

TEST(process_fork_runs_a_function_with_the_handles_of_this_one)
{
    kith_dict *dict = test_dict(t, "hits");
    kith_process *process = forked(t, count_in, dict, NULL);

    EXPECT_TRUE(kith_process_pid(process) > 0 && kith_process_pid(process) != getpid());
    EXPECT_STR("process", kith_process_name(process));
    ends_with(process, 42, 0);
    EXPECT_TRUE(!alive(process));
    EXPECT_HOLDS(dict, KITH_STR("by child"), KITH_INT(1));
    /* The same answer again, for who did not care the first time as well. */
    EXPECT_OK(kith_process_wait(process, 0, NULL));
    ends_with(process, 42, 0);
}

static int
hold_a_lock(void *arg)
{
    return kith_lock_acquire(arg, KITH_FOREVER);
}

TEST(process_fork_ends_in_good_order)
{
    kith_lock *lock = test_lock(t, "lock");
    bool held = true;

    ends_with(forked(t, hold_a_lock, lock, NULL), 0, 0);
    EXPECT_OK(kith_lock_locked(lock, &held));
    EXPECT_TRUE(!held);
}

static int
has_name(void *arg)
{
    char name[16] = "";

    (void)arg;
    prctl(PR_GET_NAME, name);
    return strcmp(name, "indexer of the ");
}

TEST(process_has_a_name)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    kith_process *process;

    options.name = "indexer of the books";
    process = forked(t, has_name, NULL, &options);
    EXPECT_STR("indexer of the books", kith_process_name(process));
    ends_with(process, 0, 0);
}

TEST(process_wait_ends_when_its_time_is_over)
{
    sem_t *begun = test_gate();
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
    kith_process *process;
    int64_t start_ns;

    options.name = "idler";
    process = forked(t, sleep_forever, begun, &options);
    GATE_WAIT(begun);
    status.exit_status = 77;
    EXPECT_FAILS(KITH_ETIMEDOUT, "idler", kith_process_wait(process, 0, &status));
    start_ns = test_now_ns();
    EXPECT_RC(KITH_ETIMEDOUT, kith_process_wait(process, 20 * TEST_MS, &status));
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    EXPECT_EQ(77, status.exit_status);
    EXPECT_TRUE(alive(process));
    EXPECT_OK(kith_process_kill(process));
    ends_with(process, 0, SIGKILL);
}

TEST(process_terminate_and_kill_tell_by_which_signal_it_ended)
{
    sem_t *begun = test_gate();
    kith_process *asked = forked(t, sleep_forever, begun, NULL);
    kith_process *killed = forked(t, sleep_forever, begun, NULL);

    GATE_WAIT(begun);
    GATE_WAIT(begun);
    EXPECT_OK(kith_process_terminate(asked));
    EXPECT_OK(kith_process_kill(killed));
    ends_with(asked, 0, SIGTERM);
    ends_with(killed, 0, SIGKILL);
    /* What has ended is no error, and nothing else has that number for us. */
    EXPECT_OK(kith_process_terminate(asked));
    EXPECT_OK(kith_process_kill(killed));
}

TEST(process_alive_counts_a_stopped_one)
{
    sem_t *begun = test_gate();
    kith_process *process = forked(t, sleep_forever, begun, NULL);

    GATE_WAIT(begun);
    test_child_stop((pid_t)kith_process_pid(process));
    EXPECT_TRUE(alive(process));
    EXPECT_RC(KITH_ETIMEDOUT, kith_process_wait(process, 0, NULL));
    EXPECT_OK(kith_process_kill(process));
    ends_with(process, 0, SIGKILL);
}

TEST(process_fd_is_readable_when_it_has_ended)
{
    sem_t *begun = test_gate();
    kith_process *process = forked(t, sleep_forever, begun, NULL);
    struct pollfd polled = { .fd = kith_process_fd(process), .events = POLLIN };

    GATE_WAIT(begun);
    EXPECT_EQ(0, poll(&polled, 1, 0));
    EXPECT_OK(kith_process_kill(process));
    EXPECT_EQ(1, poll(&polled, 1, (int)(test_ceiling_ns() / TEST_MS)));
    EXPECT_OK(kith_process_wait(process, 0, NULL));
}

static int
end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* Whether no child is left to be waited for, after one more was started and closed. */
static bool
none_is_left(void)
{
    kith_process *process = NULL;
    siginfo_t info;

    EXPECT_OK(kith_process_fork(end_at_once, NULL, NULL, &process));
    EXPECT_OK(kith_process_wait(process, test_ceiling_ns(), NULL));
    kith_process_close(process);
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0;
}

TEST(process_close_gives_back_what_the_system_keeps)
{
    for (int i = 0; i < 20; i++) {
        kith_process *process = NULL;

        EXPECT_OK(kith_process_fork(end_at_once, NULL, NULL, &process));
        kith_process_close(process);
    }
    UNTIL(none_is_left());
}

struct other {
    kith_process *process;
    sem_t *go;
};

static void
child_looks(void *arg)
{
    struct other *o = arg;
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;

    EXPECT_TRUE(alive(o->process));
    EXPECT_RC(KITH_ETIMEDOUT, kith_process_wait(o->process, 0, &status));
    EXPECT_OK(kith_process_terminate(o->process));
    EXPECT_OK(kith_process_wait(o->process, test_ceiling_ns(), &status));
    EXPECT_TRUE(!status.known);
    EXPECT_EQ(0, status.signal);
    kith_process_close(o->process);
}

TEST(process_of_the_parent_is_seen_and_ended_by_a_forked_child)
{
    sem_t *begun = test_gate();
    struct other *o = test_shared(sizeof(*o));

    o->process = forked(t, sleep_forever, begun, NULL);
    GATE_WAIT(begun);
    CHILD_JOIN(test_child(child_looks, o));
    ends_with(o->process, 0, SIGTERM);
}

TEST(process_status_is_unknown_if_others_wait_for_every_child)
{
    kith_process *process = forked(t, end_at_once, NULL, NULL);
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;

    EXPECT_EQ(kith_process_pid(process), waitpid(-1, NULL, 0));
    EXPECT_OK(kith_process_wait(process, KITH_FOREVER, &status));
    EXPECT_TRUE(!status.known && status.exit_status == 0);
    EXPECT_TRUE(!alive(process));
    EXPECT_OK(kith_process_kill(process));
}

static void *
wait_for_it(void *arg)
{
    ends_with(arg, 42, 0);
    return NULL;
}

TEST(process_wait_of_many_threads_has_one_answer)
{
    kith_process *process = forked(t, count_in, test_dict(t, "hits"), NULL);
    pthread_t threads[4];

    for (size_t i = 0; i < COUNTOF(threads); i++)
        threads[i] = test_thread(wait_for_it, process);
    for (size_t i = 0; i < COUNTOF(threads); i++)
        test_thread_join(threads[i]);
}

struct party {
    kith_process *process;
    atomic_int interrupts;
};

static void
on_signal(int number)
{
    (void)number;
}

static int
say_stop(void *arg)
{
    struct party *p = arg;

    return ++p->interrupts > 1;
}

TEST(process_wait_ends_on_a_signal_only_if_asked)
{
    struct sigaction action = { .sa_handler = on_signal };
    sem_t *begun = test_gate();
    struct party *p = test_shared(sizeof(*p));
    pid_t pid = getpid();
    pid_t poker;

    p->process = forked(t, sleep_forever, begun, NULL);
    GATE_WAIT(begun);
    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(say_stop, p);
    poker = fork();
    if (poker == 0) {
        UNTIL(p->interrupts > 0);
        for (;;) {
            kill(pid, SIGUSR1);
            test_breathe();
        }
    }
    EXPECT_FAILS(KITH_EINTERRUPTED, "process", kith_process_wait(p->process, KITH_FOREVER, NULL));
    kith_on_interrupt(NULL, NULL);
    test_child_kill(poker);
    EXPECT_OK(kith_process_kill(p->process));
    ends_with(p->process, 0, SIGKILL);
}

/* ---- a command ---- */

TEST(process_exec_hands_spaces_on)
{
    kith_dict *dict = test_dict(t, "hits");
    kith_space *spaces[2] = { test_space(t), test_open(t, "mem://", NULL) };
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    kith_dict *second;

    options.spaces = spaces;
    options.space_count = 2;
    ends_with(role(t, "add", &options), 0, 0);
    EXPECT_HOLDS(dict, KITH_STR("by command"), KITH_INT(1));
    ends_with(role(t, "onward", &options), 0, 0);
    EXPECT_HOLDS(dict, KITH_STR("by command"), KITH_INT(2));
    EXPECT_OK(kith_dict_open(spaces[1], "hits", NULL, &second));
    EXPECT_HOLDS(second, KITH_STR("by command"), KITH_INT(2));
    kith_dict_close(second);
}

TEST(process_exec_tells_the_exit_status_and_has_the_commands_name)
{
    const char *const argv[] = { "sh", "-c", "exit 3", NULL };
    kith_process *process = started(t, argv, NULL);

    EXPECT_STR("sh", kith_process_name(process));
    ends_with(process, 3, 0);
}

TEST(process_exec_has_the_environment_that_is_given)
{
    const char *const words[] = { "KITH_TEST_ROLE=alone", NULL };
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;

    options.environment = words;
    ends_with(started(t, myself, &options), 7, 0);
}

TEST(process_exec_gives_signals_as_a_shell_does)
{
    struct sigaction handled = { .sa_handler = on_signal };
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    sigset_t mask, now;

    sigaction(SIGUSR1, &handled, NULL);
    sigaction(SIGUSR2, &ignored, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    ends_with(role(t, "signals", NULL), 0, 0);
    /* Those of this process are as they were. */
    sigaction(SIGUSR1, NULL, &handled);
    EXPECT_TRUE(handled.sa_handler == on_signal);
    sigprocmask(SIG_SETMASK, NULL, &now);
    EXPECT_TRUE(sigismember(&now, SIGHUP) == 1 && sigismember(&now, SIGTERM) == 0);
}

TEST(process_exec_says_why_a_command_cannot_be_run)
{
    kith_process *process = (kith_process *)t;
    const char *argv[] = { "/no/such/command", NULL };
    char path[sizeof(t->folder) + 8];
    FILE *file;

    EXPECT_FAILS(KITH_ENOENT, "/no/such/command", kith_process_exec(argv, NULL, &process));
    (void)snprintf(path, sizeof(path), "%s/plain", t->folder);
    file = fopen(path, "w");
    EXPECT_TRUE(file != NULL && fclose(file) == 0);
    argv[0] = path;
    EXPECT_FAILS(KITH_EPERM, "plain", kith_process_exec(argv, NULL, &process));
    EXPECT_TRUE(process == (kith_process *)t);
    /* Nothing is left to be waited for. */
    EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG));
}

TEST(process_space_finds_nothing_where_nothing_was_handed_on)
{
    static const char *const words[] = { "",      "fd:",  "fd:x", "fd:0",      "fd:2147483648",
                                         "fd:99", "fd:3", " ",    "nonsense:", "fd:-1" };
    kith_space *space = (kith_space *)t;

    EXPECT_RC(KITH_ENOENT, kith_process_space(0, NULL, &space));
    for (size_t i = 0; i < COUNTOF(words); i++) {
        EXPECT_EQ(0, setenv("KITH_SPACES", words[i], 1));
        EXPECT_TRUE(kith_process_space(0, NULL, &space) < 0);
        EXPECT_TRUE(kith_process_space(1, NULL, &space) < 0);
    }
    EXPECT_EQ(0, setenv("KITH_SPACES", "file:///no/such/space", 1));
    EXPECT_RC(KITH_ENOENT, kith_process_space(0, NULL, &space));
    EXPECT_TRUE(space == (kith_space *)t);
    EXPECT_EQ(0, unsetenv("KITH_SPACES"));
}

/* ---- bad input ---- */

TEST(process_refuses_bad_input)
{
    kith_process *process = (kith_process *)t;
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    struct kith_process_status status = { 0 };
    const char *const nothing[] = { NULL };
    kith_space *none = NULL;

    EXPECT_RC(KITH_EINVAL, kith_process_fork(NULL, NULL, NULL, &process));
    EXPECT_RC(KITH_EINVAL, kith_process_fork(end_at_once, NULL, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_exec(NULL, NULL, &process));
    EXPECT_RC(KITH_EINVAL, kith_process_exec(nothing, NULL, &process));
    EXPECT_RC(KITH_EINVAL, kith_process_exec(myself, NULL, NULL));
    options.name = "a/b";
    EXPECT_FAILS(KITH_EINVAL, "name", kith_process_exec(myself, &options, &process));
    options.name = "";
    EXPECT_RC(KITH_EINVAL, kith_process_fork(end_at_once, NULL, &options, &process));
    options.name = NULL;
    options.space_count = 1;
    EXPECT_RC(KITH_EINVAL, kith_process_fork(end_at_once, NULL, &options, &process));
    EXPECT_RC(KITH_EINVAL, kith_process_exec(myself, &options, &process));
    options.spaces = &none;
    EXPECT_RC(KITH_EINVAL, kith_process_exec(myself, &options, &process));
    EXPECT_TRUE(process == (kith_process *)t);
    EXPECT_RC(KITH_EINVAL, kith_process_wait(NULL, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_alive(NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_terminate(NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_kill(NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_space(0, NULL, NULL));
    EXPECT_EQ(0, kith_process_pid(NULL));
    EXPECT_EQ(-1, kith_process_fd(NULL));
    EXPECT_STR("", kith_process_name(NULL));
    process = forked(t, end_at_once, NULL, NULL);
    EXPECT_RC(KITH_EINVAL, kith_process_wait(process, -2, NULL));
    EXPECT_RC(KITH_EINVAL, kith_process_wait(process, KITH_FOREVER, &status));
    EXPECT_RC(KITH_EINVAL, kith_process_alive(process, NULL));
    ends_with(process, 0, 0);
    kith_process_close(NULL);
}
