/*
 * process.c - processes that this one started: waited for, asked after, ended.
 *
 * A process is its pidfd.  The number is only shown: it may be another's once the process was
 * waited for, by us or by some code of the program that waits for every child.
 */
#include "pool/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "object/handle.h"

/* As every wait: a signal that came between two sleeps is noticed after so long. */
#define NAP_NS KITH__NS_PER_S
/* Between two looks at a process that has ended, and that its debugger keeps to itself. */
#define KEPT_MS 10

/*
 * Handles that were closed while their process ran, of which the system keeps a record until it is
 * waited for.  A stack without a lock, so that a fork may come at any time.
 */
static _Atomic(struct kith_process *) closed;

struct kith_process *
kith__process_new(const char *name)
{
    struct kith_process *process = kith__handle_new(sizeof(*process));

    if (process == NULL)
        return NULL;
    process->fd = -1;
    process->starter = getpid();
    pthread_mutex_init(&process->mutex, NULL);
    memcpy(process->name, name, strlen(name) + 1);
    return process;
}

void
kith__process_free(struct kith_process *process)
{
    if (process == NULL)
        return;
    if (process->fd >= 0)
        close(process->fd);
    pthread_mutex_destroy(&process->mutex);
    kith__free(process);
}

/* ---- Its end -------------------------------------------------------------------------- */

static bool
is_over(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };

    return poll(&polled, 1, 0) > 0;
}

/* In the process that started it, locked: whether it has ended, and then how. */
static bool
reap(struct kith_process *process)
{
    siginfo_t info = { .si_pid = 0 };

    if (process->ended)
        return true;
    /* Asked first: what waitid() says of a child that lives is no different for one it lost. */
    if (!is_over(process->fd))
        return false;
    if (waitid(P_PIDFD, (id_t)process->fd, &info, WEXITED | WNOHANG) == 0) {
        if (info.si_pid == 0)
            return false; /* its debugger is to be told first */
        process->known = true;
        process->exit_status = info.si_code == CLD_EXITED ? info.si_status : 0;
        process->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        process->core_dumped = info.si_code == CLD_DUMPED;
    }
    process->ended = true;
    return true;
}

/* Whether it has ended.  A forked child of the starter sees that, and no more. */
static bool
has_ended(struct kith_process *process)
{
    bool ended;

    if (process->starter != getpid())
        return is_over(process->fd);
    pthread_mutex_lock(&process->mutex);
    ended = reap(process);
    pthread_mutex_unlock(&process->mutex);
    return ended;
}

static void
push_closed(struct kith_process *process)
{
    process->next = atomic_load(&closed);
    while (!atomic_compare_exchange_weak(&closed, &process->next, process))
        ;
}

void
kith__process_sweep(void)
{
    struct kith_process *process = atomic_exchange(&closed, NULL), *next;

    for (; process != NULL; process = next) {
        next = process->next;
        /* What a parent had closed is nothing to its forked child. */
        if (process->starter != getpid() || has_ended(process))
            kith__process_free(process);
        else
            push_closed(process);
    }
}

void
kith_process_close(kith_process *process)
{
    if (process == NULL)
        return;
    if (process->starter == getpid() && !has_ended(process))
        push_closed(process);
    else
        kith__process_free(process);
    kith__process_sweep();
}

static void
tell(struct kith_process *process, struct kith_process_status *status_out)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;

    if (status_out == NULL)
        return;
    if (process->starter == getpid()) {
        pthread_mutex_lock(&process->mutex);
        status.known = process->known;
        status.exit_status = process->exit_status;
        status.signal = process->signal;
        status.core_dumped = process->core_dumped;
        pthread_mutex_unlock(&process->mutex);
    }
    kith__info_copy(&status, status_out, sizeof(status));
}

/* Sleeps until it is over, or the deadline comes, or a signal, or it is time to look again. */
static void
sleep_beside(const struct kith_process *process, int64_t left_ns)
{
    struct pollfd polled = { .fd = process->fd, .events = POLLIN };
    struct timespec nap = { 0, 0 };

    if (is_over(process->fd)) {
        (void)poll(NULL, 0, KEPT_MS);
        return;
    }
    if (left_ns >= NAP_NS)
        nap.tv_sec = 1;
    else
        nap.tv_nsec = left_ns;
    (void)ppoll(&polled, 1, &nap, NULL);
}

kith_err
kith_process_wait(kith_process *process, int64_t timeout_ns, struct kith_process_status *status_out)
{
    int64_t deadline_ns, left_ns;

    if (process == NULL)
        return kith__fail_null("kith_process_wait");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_process_wait", timeout_ns);
    if (status_out != NULL && kith__info_check("kith_process_wait", status_out) < 0)
        return KITH_EINVAL;
    deadline_ns = kith__deadline_ns(timeout_ns);
    while (!has_ended(process)) {
        left_ns = kith__deadline_left(deadline_ns);
        if (left_ns <= 0)
            return kith__fail_object(KITH_ETIMEDOUT, "The process \"", process->name,
                                     "\" did not end in the time given.");
        if (kith__interrupted())
            return kith__fail_object(KITH_EINTERRUPTED, "The process \"", process->name,
                                     "\" was waited for until a signal came.");
        sleep_beside(process, left_ns);
    }
    tell(process, status_out);
    return KITH_OK;
}

kith_err
kith_process_alive(kith_process *process, bool *alive_out)
{
    if (process == NULL || alive_out == NULL)
        return kith__fail_null("kith_process_alive");
    *alive_out = !has_ended(process);
    return KITH_OK;
}

/* ---- Ending it ------------------------------------------------------------------------ */

static kith_err
send_signal(const struct kith_process *process, int number)
{
    if (syscall(SYS_pidfd_send_signal, process->fd, number, NULL, 0) == 0 || errno == ESRCH)
        return KITH_OK;
    return kith__fail(errno == EPERM ? KITH_EPERM : KITH_ESYSTEM,
                      "The process \"%s\" cannot be sent a signal: %s.", process->name,
                      strerror(errno));
}

kith_err
kith_process_terminate(kith_process *process)
{
    return process == NULL ? kith__fail_null("kith_process_terminate")
                           : send_signal(process, SIGTERM);
}

kith_err
kith_process_kill(kith_process *process)
{
    return process == NULL ? kith__fail_null("kith_process_kill") : send_signal(process, SIGKILL);
}

/* ---- What it is ----------------------------------------------------------------------- */

int64_t
kith_process_pid(const kith_process *process)
{
    return process == NULL ? 0 : process->pid;
}

const char *
kith_process_name(const kith_process *process)
{
    return process == NULL ? "" : process->name;
}

int
kith_process_fd(const kith_process *process)
{
    return process == NULL ? -1 : process->fd;
}
