/*
 * process_start.c - starting a process: a function by fork, a command by exec.
 *
 * THE DESCRIPTOR  A pidfd that is opened by number may mean another process: the child may have
 *   died, somebody who waits for every child have taken its record, and its number been given
 *   away.  So a command is cloned with its pidfd, in one step.  A fork cannot be had so, for
 *   glibc's own and the library's fork handlers must run: there the child opens the pidfd, of
 *   itself, and sends it through a socket.  It begins when the parent has it, and says so.
 *
 * APART  A process that is to be no child of ours is one of a child that we wait for at once.  That
 *   one opens its pidfd and sends it: nobody else can have taken the record of it there.  clone()
 *   without a signal would do with one process less, but not run what must run at a fork.
 *
 * THE PARENT'S END  PR_SET_PDEATHSIG is not told of a parent that had died before.  Its end takes
 *   place in this order: children get another parent, then those who asked for it their signal,
 *   then its pidfd is readable.  So a child that asks, and then finds its parent's number
 *   unchanged, gets the signal; in a PID namespace of its own it sees 0 for its parent at all
 *   times, and looks at the parent's pidfd.
 *
 * THE COMMAND  Between clone and exec the child has the parent's memory, while the thread that
 *   started it stands still, as with vfork.  So it costs no copy of page tables and no slot of an
 *   arena, and the reason why an exec failed is simply stored.  No handler of a signal may run
 *   there, so all signals are blocked, and handlers dropped before they are let in again.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/alloc.h"
#include "base/descriptor.h"
#include "object/handle.h"
#include "pool/process.h"

/* What a child ends with that could not begin; nobody sees it. */
#define NOT_BEGUN 127
/* Stack of a child up to its exec, besides its words: execvpe() copies a path there. */
#define STACK_SIZE ((size_t)65536)
/* Between two looks whether a child died that has not sent its descriptor. */
#define RECHECK_MS 100

/* ---- Ending with the parent ------------------------------------------------------------ */

/* What a child has to know for it. */
struct tie {
    bool wanted;
    pid_t parent;
    int parent_fd; /* a pidfd of it */
};

static int
own_pidfd(void)
{
    return kith__descriptor_high((int)syscall(SYS_pidfd_open, getpid(), 0));
}

static kith_err
tie_make(struct tie *tie, bool wanted)
{
    tie->wanted = wanted;
    tie->parent = getpid();
    tie->parent_fd = own_pidfd();
    if (tie->parent_fd < 0)
        return kith__fail(KITH_ESYSTEM, "No process can be started: %s.", strerror(errno));
    return KITH_OK;
}

static void
tie_free(struct tie *tie)
{
    if (tie->parent_fd >= 0)
        close(tie->parent_fd);
}

/* In the child.  False: the parent is gone. */
static bool
tied(const struct tie *tie)
{
    struct pollfd polled = { .fd = tie->parent_fd, .events = POLLIN };
    pid_t now;

    if (!tie->wanted)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    now = getppid();
    return (now == 0 || now == tie->parent) && poll(&polled, 1, 0) == 0;
}

/* ---- A function ------------------------------------------------------------------------ */

struct greeting {
    int trouble; /* errno; 0: the descriptor comes with it */
    pid_t pid;
};

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

/* Sends what the parent waits for; false if nobody waits any more. */
static bool
greet(int gate, pid_t pid, int fd, int trouble)
{
    struct greeting greeting = { trouble, pid };
    struct iovec part = { &greeting, sizeof(greeting) };
    union control control;
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t sent;

    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    do
        sent = sendmsg(gate, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof(greeting);
}

/* Takes what the child has sent: a descriptor, and whose it is, or -1 with errno. */
static int
take_greeting(int gate, pid_t *pid_out)
{
    struct greeting greeting = { 0, 0 };
    struct iovec part = { &greeting, sizeof(greeting) };
    union control control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof(control.space) };
    struct cmsghdr *header;
    ssize_t got;
    int fd = -1;

    do
        got = recvmsg(gate, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    else
        errno = got <= 0 ? ESRCH : greeting.trouble != 0 ? greeting.trouble : EMFILE;
    if (fd >= 0)
        *pid_out = greeting.pid;
    return kith__descriptor_high(fd);
}

/*
 * Waits for the child's descriptor.  That the other end is closed says nothing for sure: a child
 * that another thread forked meanwhile has a copy of it.  So whether the child lives is asked too.
 */
static int
await_greeting(int gate, pid_t pid, pid_t *pid_out)
{
    struct pollfd polled = { .fd = gate, .events = POLLIN };

    for (;;) {
        siginfo_t info = { .si_pid = 0 };

        if (poll(&polled, 1, RECHECK_MS) > 0)
            return take_greeting(gate, pid_out);
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0) {
            /* It may have greeted, and then died. */
            if (poll(&polled, 1, 0) > 0)
                return take_greeting(gate, pid_out);
            errno = ESRCH;
            return -1;
        }
    }
}

/* In the child: waits until the parent has the descriptor.  False: it never will. */
static bool
await_leave(int gate, const struct tie *tie)
{
    struct pollfd polled[] = { { .fd = gate, .events = POLLIN },
                               { .fd = tie->parent_fd, .events = POLLIN } };
    char byte;

    for (;;)
        if (poll(polled, 2, -1) > 0) {
            /* That the parent is gone closes the gate only if no other process has its end. */
            if (polled[0].revents != 0)
                return recv(gate, &byte, 1, 0) == 1;
            return false;
        }
}

/* In a child: begins a process of its own, and tells of it.  Returns in that one. */
static void
step_aside(int gate)
{
    pid_t pid;
    int fd, trouble;

    signal(SIGCHLD, SIG_DFL); /* ignored, it would give the number away before it is looked at */
    pid = fork();
    if (pid == 0)
        return;
    fd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    trouble = fd < 0 ? errno : 0;
    _exit(greet(gate, pid, fd, trouble) ? 0 : NOT_BEGUN);
}

/* In a child: tells of itself. */
static void
present_oneself(int gate, const struct tie *tie)
{
    bool orphaned = !tied(tie); /* first of all, so that there is the least time to be so unseen */
    int fd = own_pidfd();
    int trouble = fd < 0 ? errno : 0;

    if (orphaned || !greet(gate, getpid(), fd, trouble) || fd < 0)
        _exit(NOT_BEGUN);
    close(fd);
}

_Noreturn static void
be_child(int (*run)(void *arg), void *arg, const struct kith_process_options *options, int gate,
         struct tie *tie, bool apart)
{
    if (apart)
        step_aside(gate);
    else
        present_oneself(gate, tie);
    if (!await_leave(gate, tie))
        _exit(NOT_BEGUN);
    close(gate);
    tie_free(tie);
    if (options->name != NULL)
        prctl(PR_SET_NAME, options->name);
    exit(run(arg));
}

/* In the parent: the child may begin. */
static void
give_leave(int gate)
{
    char byte = 0;

    while (send(gate, &byte, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static kith_err
fork_process(struct kith_process *process, int (*run)(void *arg), void *arg,
             const struct kith_process_options *options, struct tie *tie, bool apart)
{
    int gate[2], trouble;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0)
        return kith__fail(KITH_ESYSTEM, "The process \"%s\" cannot be started: %s.", process->name,
                          strerror(errno));
    child = fork();
    if (child == 0) {
        close(gate[0]);
        be_child(run, arg, options, gate[1], tie, apart);
    }
    trouble = errno;
    close(gate[1]);
    if (child > 0) {
        process->fd = await_greeting(gate[0], child, &process->pid);
        trouble = errno;
        /* One that died since has been started all the same: its end is there to be waited for. */
        if (process->fd >= 0)
            give_leave(gate[0]);
        else
            shutdown(gate[0], SHUT_RDWR); /* closing is nothing if another process has a copy */
    }
    close(gate[0]);
    if (child > 0 && (apart || process->fd < 0))
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    if (process->fd >= 0)
        return KITH_OK;
    return kith__fail(KITH_ESYSTEM, "The process \"%s\" cannot be started: %s.", process->name,
                      child > 0 && trouble == ESRCH ? "it was killed before it had begun"
                                                    : strerror(trouble));
}

/* ---- A command ------------------------------------------------------------------------- */

struct launch {
    char *const *argv;
    const struct kith__hand *hand;
    const struct tie *tie;
    const sigset_t *mask;
    volatile int trouble; /* errno of what failed in the child */
};

static void
drop_handlers(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;

        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN) {
            action.sa_handler = SIG_DFL;
            action.sa_flags = 0;
            sigaction(number, &action, NULL);
        }
    }
}

/* The child: see THE COMMAND. */
static int
launch_in_child(void *arg)
{
    struct launch *launch = arg;

    drop_handlers();
    if (!tied(launch->tie))
        _exit(NOT_BEGUN);
    for (size_t i = 0; i < launch->hand->fd_count; i++)
        (void)fcntl(launch->hand->fds[i], F_SETFD, 0);
    sigprocmask(SIG_SETMASK, launch->mask, NULL);
    execvpe(launch->argv[0], launch->argv, launch->hand->environment);
    launch->trouble = errno;
    _exit(NOT_BEGUN);
}

static kith_err
launch_failed(const struct kith_process *process, const char *command, int trouble)
{
    kith_err err = trouble == ENOENT || trouble == ENOTDIR                       ? KITH_ENOENT
                   : trouble == EACCES || trouble == EPERM || trouble == ENOEXEC ? KITH_EPERM
                   : trouble == E2BIG                                            ? KITH_ETOOBIG
                   : trouble == ENOMEM                                           ? KITH_ENOMEM
                                                                                 : KITH_ESYSTEM;

    return kith__fail(err, "The command \"%s\" of the process \"%s\" cannot be run: %s.", command,
                      process->name, strerror(trouble));
}

/* Clones the child on a stack of its own; 0 or errno. */
static int
clone_child(struct kith_process *process, struct launch *launch, void *stack, size_t size)
{
    sigset_t all, mask;
    int fd = -1, trouble;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    launch->mask = &mask;
    process->pid = clone(launch_in_child, (char *)stack + size,
                         CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, launch, &fd);
    trouble = process->pid < 0 ? errno : launch->trouble;
    if (process->pid > 0 && trouble != 0)
        while (waitid(P_PIDFD, (id_t)fd, NULL, WEXITED) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (process->pid < 0)
        return trouble;
    process->fd = kith__descriptor_high(fd);
    return trouble != 0 ? trouble : process->fd < 0 ? errno : 0;
}

static kith_err
exec_process(struct kith_process *process, char *const *argv,
             const struct kith_process_options *options, const struct tie *tie)
{
    struct launch launch = { .argv = argv, .tie = tie };
    struct kith__hand hand;
    size_t size = STACK_SIZE, page = (size_t)sysconf(_SC_PAGESIZE);
    void *stack;
    int trouble;
    kith_err err = kith__hand_make(options, &hand);

    if (err < 0)
        return err;
    launch.hand = &hand;
    for (size_t i = 0; argv[i] != NULL; i++)
        size += sizeof(char *); /* copied for a script that has no #! */
    size = (size + page - 1) & ~(page - 1);
    stack = mmap(NULL, size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || mprotect((char *)stack + page, size, PROT_READ | PROT_WRITE) < 0)
        trouble = errno;
    else
        trouble = clone_child(process, &launch, (char *)stack + page, size);
    if (stack != MAP_FAILED)
        munmap(stack, size + page);
    kith__hand_free(&hand);
    return trouble == 0 ? KITH_OK : launch_failed(process, argv[0], trouble);
}

/* ---- Both ------------------------------------------------------------------------------ */

static kith_err
check_options(const char *function, const struct kith_process_options *options)
{
    const char *name = options->name;

    if (name != NULL && !kith__name_ok(name, strnlen(name, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail(KITH_EINVAL,
                          "%s() was given a bad name: it is UTF-8, 1 to %d bytes, without '/'.",
                          function, KITH__NAME_SIZE_MAX);
    if (options->space_count > 0 && options->spaces == NULL)
        return kith__fail_null(function);
    return KITH_OK;
}

/* The last part of a command's path, if it is a name. */
static const char *
name_of_command(const char *command)
{
    const char *slash = strrchr(command, '/');
    const char *name = slash != NULL ? slash + 1 : command;

    return kith__name_ok(name, strnlen(name, KITH__NAME_SIZE_MAX + 1)) ? name : "process";
}

static kith_err
start_fork(int (*run)(void *arg), void *arg, const struct kith_process_options *options, bool apart,
           kith_process **process_out)
{
    struct kith_process_options whole = KITH_PROCESS_OPTIONS_INIT;
    struct kith_process *process;
    struct tie tie;
    kith_err err;

    if (run == NULL || process_out == NULL)
        return kith__fail_null("kith_process_fork");
    err = kith__options_copy("kith_process_fork", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options("kith_process_fork", &whole);
    if (err < 0)
        return err;
    if (whole.space_count > 0 || whole.environment != NULL)
        return kith__fail(KITH_EINVAL,
                          "kith_process_fork() was given spaces or an environment: a forked "
                          "function has this process's anyway.");
    kith__process_sweep();
    process = kith__process_new(whole.name != NULL ? whole.name : "process");
    if (process == NULL)
        return KITH_ENOMEM;
    err = tie_make(&tie, whole.ends_with_parent);
    if (err == KITH_OK)
        err = fork_process(process, run, arg, &whole, &tie, apart);
    tie_free(&tie);
    if (err < 0) {
        kith__process_free(process);
        return err;
    }
    *process_out = process;
    return KITH_OK;
}

kith_err
kith_process_fork(int (*run)(void *arg), void *arg, const struct kith_process_options *options,
                  kith_process **process_out)
{
    return start_fork(run, arg, options, false, process_out);
}

kith_err
kith__process_fork_apart(int (*run)(void *arg), void *arg,
                         const struct kith_process_options *options, kith_process **process_out)
{
    return start_fork(run, arg, options, true, process_out);
}

kith_err
kith_process_exec(const char *const argv[], const struct kith_process_options *options,
                  kith_process **process_out)
{
    struct kith_process_options whole = KITH_PROCESS_OPTIONS_INIT;
    struct kith_process *process;
    struct tie tie;
    kith_err err;

    if (argv == NULL || argv[0] == NULL || process_out == NULL)
        return kith__fail_null("kith_process_exec");
    err = kith__options_copy("kith_process_exec", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options("kith_process_exec", &whole);
    if (err < 0)
        return err;
    kith__process_sweep();
    process = kith__process_new(whole.name != NULL ? whole.name : name_of_command(argv[0]));
    if (process == NULL)
        return KITH_ENOMEM;
    err = tie_make(&tie, whole.ends_with_parent);
    if (err == KITH_OK)
        err = exec_process(process, (char *const *)argv, &whole, &tie);
    tie_free(&tie);
    if (err < 0) {
        kith__process_free(process);
        return err;
    }
    *process_out = process;
    return KITH_OK;
}
