/*
 * futex.h - the futex calls Kith uses, with absolute deadlines on CLOCK_MONOTONIC.
 */
#ifndef KITH__SHM_FUTEX_H
#define KITH__SHM_FUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KITH__WAITV_MAX 128u

struct kith__futex {
    _Atomic uint32_t *word;
    uint32_t expected;
};

enum kith__woken {
    KITH__WOKEN_WAKE,    /* by a wake, or for no reason */
    KITH__WOKEN_CHANGED, /* a word was not what was expected */
    KITH__WOKEN_TIME,    /* the deadline passed */
    KITH__WOKEN_SIGNAL,  /* a signal handler ran */
};

/* Sleeps until one of `count` words is woken; INT64_MAX is no deadline. */
enum kith__woken kith__futex_wait(const struct kith__futex *words, unsigned count,
                                  int64_t deadline_ns);
/* Wakes up to `count` sleepers; returns how many. */
int kith__futex_wake(_Atomic uint32_t *word, int count);
/* False where the kernel, or a filter, has no futex_waitv: only words[0] is then watched. */
bool kith__futex_many(void);

#endif /* KITH__SHM_FUTEX_H */
