/*
 * clock.c - the time now, and timeouts as deadlines.
 */
#include "clock.h"

#include "assert.h"

#include <kith/base.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);

    KITH__ASSERT(rc == 0); /* both clocks are in every Linux */
    (void)rc;
    return (int64_t)now.tv_sec * KITH__NS_PER_S + now.tv_nsec;
}

int64_t
kith__now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t
kith__real_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t
kith__deadline_after(int64_t timeout_ns)
{
    int64_t deadline_ns;

    if (__builtin_add_overflow(kith__now_ns(), timeout_ns, &deadline_ns))
        return KITH__NO_DEADLINE;
    return deadline_ns;
}

int64_t
kith__deadline_left(int64_t deadline_ns)
{
    int64_t now_ns;

    if (deadline_ns == KITH__NO_WAIT || deadline_ns == KITH__NO_DEADLINE)
        return deadline_ns;
    now_ns = kith__now_ns();
    return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}
