/*
 * child.c - the command that a verb runs under "--".
 *
 * vfork, not fork: the library's fork handlers make ready a slot in every arena for a child that
 * goes on with the handles, and this one has no use for them.  Until it execs it shares our memory,
 * so it does nothing there but what is said below.
 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is passed on.  Those that stop and continue reach a job's whole group from its shell. */
static const int passed_on[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT };

char **
cli_command(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++)
        if (strcmp(argv[i], "--") == 0) {
            bool empty = i + 1 == *argc;

            *argc = i;
            return empty ? NULL : argv + i + 1;
        }
    return NULL;
}

/* In the child.  A handler of ours must not run in it, and exec would undo it in any case. */
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

/* The pid of the command, or -1 with errno. */
static pid_t
start(char *const argv[], const sigset_t *mask)
{
    pid_t parent = getpid();
    volatile int trouble = 0; /* the child stores it: its memory is ours */
    pid_t pid = vfork();      /* NOLINT: see the top */

    if (pid == 0) {
        drop_handlers();
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(CLI_NOT_EXECUTABLE); /* we were killed before that held */
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(argv[0], argv);
        trouble = errno;
        _exit(CLI_NOT_FOUND);
    }
    if (pid > 0 && trouble != 0) {
        int status;

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        errno = trouble;
        return -1;
    }
    return pid;
}

/* Waits for the command, and passes on what comes meanwhile; the signals are blocked. */
static int
wait_for(pid_t pid, const sigset_t *awaited)
{
    for (;;) {
        siginfo_t info;
        int status;
        pid_t ended = waitpid(pid, &status, WNOHANG);

        if (ended == pid)
            return WIFSIGNALED(status) ? CLI_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
        if (ended < 0 && errno != EINTR) {
            cli_say("The command cannot be waited for: %s.", strerror(errno));
            return CLI_FAILED;
        }
        /* A signal of the kernel's own making, a terminal's, has reached the command as well. */
        if (sigwaitinfo(awaited, &info) > 0 && info.si_signo != SIGCHLD && info.si_code <= 0)
            kill(pid, info.si_signo);
    }
}

/* What to exit with, after a sentence that says why: errno. */
static int
cannot_run(char *const argv[])
{
    int status = errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;

    cli_say("The command \"%s\" cannot be run: %s.", argv[0], strerror(errno));
    return status;
}

int
cli_become_command(char *const argv[])
{
    fflush(NULL);
    execvp(argv[0], argv);
    return cannot_run(argv);
}

int
cli_run_command(char *const argv[])
{
    struct sigaction plain = { .sa_handler = SIG_DFL }, before;
    sigset_t awaited, mask;
    int status;
    pid_t pid;

    fflush(NULL);
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof passed_on[0]; i++)
        sigaddset(&awaited, passed_on[i]);
    sigprocmask(SIG_BLOCK, &awaited, &mask);
    /* Whoever started us may have had it ignored, and then no child can be waited for. */
    sigaction(SIGCHLD, &plain, &before);
    pid = start(argv, &mask);
    status = pid >= 0 ? wait_for(pid, &awaited) : cannot_run(argv);
    sigaction(SIGCHLD, &before, NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return status;
}
