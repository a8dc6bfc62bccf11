/*
 * futex.c - the futex calls, with a fallback where futex_waitv is missing.
 *
 * futex_waitv (Linux 5.16) sleeps on up to 128 words, which is how a waiter watches its lock
 * and the tokens of the living at once.  Where a kernel has no such call, or a seccomp filter
 * answers EPERM or ENOSYS, one word is watched and the caller caps its sleep.
 */
#include "shm/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv { /* the kernel's struct futex_waitv, which older headers lack */
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
#define WAITV_32 2u

static _Atomic int waitv_missing;

static enum kith__woken
woken_by(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return KITH__WOKEN_TIME;
    case EINTR:
        return KITH__WOKEN_SIGNAL;
    case EAGAIN:
        return KITH__WOKEN_CHANGED;
    default:
        return KITH__WOKEN_WAKE; /* the caller looks again, as after any wake */
    }
}

static struct timespec *
as_timespec(int64_t deadline_ns, struct timespec *out)
{
    if (deadline_ns == INT64_MAX)
        return NULL;
    out->tv_sec = deadline_ns / 1000000000;
    out->tv_nsec = deadline_ns % 1000000000;
    return out;
}

bool
kith__futex_many(void)
{
    return atomic_load_explicit(&waitv_missing, memory_order_relaxed) == 0;
}

enum kith__woken
kith__futex_wait(const struct kith__futex *words, unsigned count, int64_t deadline_ns)
{
    struct timespec space;
    struct timespec *until = as_timespec(deadline_ns, &space);

    if (count > 1 && kith__futex_many()) {
        struct waitv list[KITH__WAITV_MAX];

        for (unsigned i = 0; i < count; i++)
            list[i] = (struct waitv){ words[i].expected, (uint64_t)(uintptr_t)words[i].word,
                                      WAITV_32, 0 };
        if (syscall(SYS_futex_waitv, list, count, 0, until, CLOCK_MONOTONIC) >= 0)
            return KITH__WOKEN_WAKE;
        if (errno != ENOSYS && errno != EPERM)
            return woken_by(errno);
        atomic_store_explicit(&waitv_missing, 1, memory_order_relaxed);
        return KITH__WOKEN_WAKE; /* the caller comes back with a capped deadline */
    }
    if (syscall(SYS_futex, words[0].word, FUTEX_WAIT_BITSET, words[0].expected, until, NULL,
                FUTEX_BITSET_MATCH_ANY) == 0)
        return KITH__WOKEN_WAKE;
    return woken_by(errno);
}

int
kith__futex_wake(_Atomic uint32_t *word, int count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);

    return woken < 0 ? 0 : (int)woken;
}
