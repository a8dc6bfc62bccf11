/*
 * clock.h - the time now, and timeouts as deadlines.
 *
 * A timeout becomes a deadline once, at the public edge, so that no retry below can stretch a wait.
 * A deadline is a time of CLOCK_MONOTONIC in nanoseconds, with two that are none: KITH__NO_WAIT
 * does not wait, and KITH__NO_DEADLINE never comes.
 */
#ifndef KITH__CLOCK_H
#define KITH__CLOCK_H

#include <stdint.h>

#include "base/shared.h"

#define KITH__NO_WAIT INT64_C(0)
#define KITH__NO_DEADLINE INT64_MAX

#define KITH__NS_PER_S INT64_C(1000000000)
#define KITH__NS_PER_MS INT64_C(1000000)

/* CLOCK_MONOTONIC and CLOCK_REALTIME, in nanoseconds. */
KITH__SHARED_BEGIN
int64_t kith__now_ns(void);
int64_t kith__real_ns(void);

/* So long from now, at most KITH__NO_DEADLINE. */
int64_t kith__deadline_after(int64_t timeout_ns);
KITH__SHARED_END

/* The deadline of a timeout that is 0, KITH_FOREVER or positive. */
static inline int64_t
kith__deadline_ns(int64_t timeout_ns)
{
    if (timeout_ns > 0)
        return kith__deadline_after(timeout_ns);
    return timeout_ns == 0 ? KITH__NO_WAIT : KITH__NO_DEADLINE;
}

/* Nanoseconds left until it: 0 once it has come, INT64_MAX if it never does. */
KITH__SHARED_BEGIN
int64_t kith__deadline_left(int64_t deadline_ns);
KITH__SHARED_END

#endif /* KITH__CLOCK_H */
