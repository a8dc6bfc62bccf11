/*
 * syncs.c - every function of semaphores, conditions, barriers, onces and limiters.
 */
#include "syncs.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_NS (3 * INT64_C(1000000))
#define PATIENCE_NS (300 * INT64_C(1000000))

const char *const syncs_names[SYNCS_COUNT] = { "bounded", "fair",    "unowned", "condition", "told",
                                               "alone",   "meeting", "once",    "limiter" };

void
syncs_open(struct syncs *s, kith_space *space)
{
    struct kith_semaphore_options semaphore = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_condition_options condition = KITH_CONDITION_OPTIONS_INIT;
    struct kith_barrier_options barrier = KITH_BARRIER_OPTIONS_INIT;
    struct kith_limiter_options limiter = KITH_LIMITER_OPTIONS_INIT;

    for (unsigned i = 0; i < COUNTOF(s->semaphore) && !fuzz_enough(); i++) {
        semaphore.value = 3;
        semaphore.bounded = i == 0;
        semaphore.fair = i == 1;
        semaphore.unowned = i == 2;
        if (s->semaphore[i] == NULL)
            CALL(kith_semaphore_open(space, syncs_names[i], &semaphore, &s->semaphore[i]));
    }
    for (unsigned i = 0; i < COUNTOF(s->condition) && !fuzz_enough(); i++) {
        condition.lock = i == 1 ? "fair-lock" : NULL;
        if (s->condition[i] == NULL)
            CALL(kith_condition_open(space, syncs_names[3 + i], &condition, &s->condition[i]));
    }
    for (unsigned i = 0; i < COUNTOF(s->barrier) && !fuzz_enough(); i++) {
        barrier.parties = 1 + i;
        if (s->barrier[i] == NULL)
            CALL(kith_barrier_open(space, syncs_names[5 + i], &barrier, &s->barrier[i]));
    }
    if (s->once == NULL && !fuzz_enough())
        CALL(kith_once_open(space, "once", NULL, &s->once));
    limiter.rate = 1000;
    limiter.burst = 30;
    if (s->limiter == NULL && !fuzz_enough())
        CALL(kith_limiter_open(space, "limiter", &limiter, &s->limiter));
}

void
syncs_close(struct syncs *s)
{
    fuzz_doing("closing of what is waited for");
    for (unsigned i = 0; i < COUNTOF(s->semaphore); i++)
        kith_semaphore_close(s->semaphore[i]);
    for (unsigned i = 0; i < COUNTOF(s->condition); i++)
        kith_condition_close(s->condition[i]);
    for (unsigned i = 0; i < COUNTOF(s->barrier); i++)
        kith_barrier_close(s->barrier[i]);
    kith_once_close(s->once);
    kith_limiter_close(s->limiter);
    memset(s, 0, sizeof *s);
}

static int64_t
some_timeout(void)
{
    return fuzz_percent(70) ? 0 : WAIT_NS;
}

static void
use_semaphore(struct syncs *s)
{
    kith_semaphore *semaphore = s->semaphore[fuzz_below(COUNTOF(s->semaphore))];
    uint32_t value;

    switch (semaphore != NULL ? fuzz_below(8) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_semaphore_value(semaphore, &value));
        break;
    case 1:
    case 2:
        CALL(kith_semaphore_release(semaphore));
        break;
    case 3:
        CALL(kith_semaphore_release_many(semaphore, (uint32_t)fuzz_below(4)));
        break;
    default:
        CALL(kith_semaphore_acquire(semaphore, some_timeout()));
    }
}

static int
never(void *arg)
{
    (void)arg;
    return 0;
}

/*
 * A wait ends with the lock in hand, and for that there is no limit of time: an arena whose lock
 * was overwritten with somebody who lives may keep one who waits for good.  So who waits is a
 * process of its own, which is killed if it takes long; that it dies of itself would be a failure.
 */
static void
wait_apart(kith_condition *condition)
{
    int64_t until_ns = fuzz_now_ns() + PATIENCE_NS * fuzz_patience();
    bool by_predicate = fuzz_percent(30), killed = false;
    int status = 0;
    pid_t pid;

    fuzz_doing("fork");
    pid = fork();
    if (pid == 0) {
        if (kith_condition_acquire(condition, WAIT_NS) >= 0) {
            if (by_predicate)
                (void)kith_condition_wait_for(condition, never, NULL, WAIT_NS);
            else
                (void)kith_condition_wait(condition, WAIT_NS);
            (void)kith_condition_release(condition);
        }
        _exit(0);
    }
    fuzz_doing("kith_condition_wait");
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        if (!killed && (fuzz_now_ns() > until_ns || fuzz_percent(1))) {
            killed = true;
            kill(pid, SIGKILL);
        }
        (void)poll(NULL, 0, 1);
    }
    fuzz_did(KITH_OK);
    if (pid > 0 && !killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        fuzz_failed("one who waited for a condition ended by %#x", (unsigned)status);
}

static void
use_condition(struct syncs *s)
{
    kith_condition *condition = s->condition[fuzz_below(COUNTOF(s->condition))];

    switch (condition != NULL ? fuzz_below(12) : 99) {
    case 99:
        return;
    case 0:
    case 1:
    case 2:
        CALL(kith_condition_notify(condition, (uint32_t)fuzz_below(3)));
        break;
    case 3:
        CALL(kith_condition_notify_all(condition));
        break;
    case 4:
    case 5:
        wait_apart(condition);
        break;
    case 6:
    case 7:
    case 8:
        CALL(kith_condition_acquire(condition, some_timeout()));
        break;
    default:
        CALL(kith_condition_release(condition));
    }
}

static kith_err
act(void *arg)
{
    (void)arg;
    return fuzz_percent(20) ? KITH_EINVAL : KITH_OK;
}

static void
use_barrier(struct syncs *s)
{
    kith_barrier *barrier = s->barrier[fuzz_below(COUNTOF(s->barrier))];
    uint32_t number;
    bool broken;

    switch (barrier != NULL ? fuzz_below(8) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_barrier_reset(barrier));
        break;
    case 1:
        CALL(kith_barrier_abort(barrier));
        break;
    case 2:
        CALL(kith_barrier_parties(barrier, &number));
        CALL(kith_barrier_waiting(barrier, &number));
        CALL(kith_barrier_broken(barrier, &broken));
        break;
    case 3:
        CALL(kith_barrier_wait_with(barrier, some_timeout(), act, NULL, &number));
        break;
    default:
        CALL(kith_barrier_wait(barrier, some_timeout(), &number));
        CALL(kith_barrier_reset(barrier));
    }
}

static void
use_once(struct syncs *s)
{
    enum kith_once_state state;
    bool mine;

    switch (s->once != NULL ? fuzz_below(6) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_once_state(s->once, &state));
        break;
    case 1:
        CALL(kith_once_run(s->once, act, NULL, some_timeout()));
        break;
    case 2:
        if (fuzz_percent(10))
            CALL(kith_once_done(s->once));
        break;
    case 3:
        CALL(kith_once_failed(s->once));
        break;
    default:
        CALL(kith_once_claim(s->once, some_timeout(), &mine));
    }
}

static void
use_limiter(struct syncs *s)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;

    switch (s->limiter != NULL ? fuzz_below(4) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_limiter_state(s->limiter, &state));
        break;
    case 1:
        CALL(kith_limiter_wait(s->limiter, (uint32_t)fuzz_below(35), some_timeout()));
        break;
    default:
        CALL(kith_limiter_take(s->limiter, (uint32_t)fuzz_below(35)));
    }
}

void
syncs_use(struct syncs *s)
{
    static void (*const uses[])(struct syncs *) = { use_semaphore, use_semaphore, use_condition,
                                                    use_condition, use_barrier,   use_once,
                                                    use_limiter };

    uses[fuzz_below(COUNTOF(uses))](s);
}

void
syncs_fill(struct syncs *s)
{
    bool mine;

    for (unsigned i = 0; i < COUNTOF(s->semaphore); i++)
        CALL(kith_semaphore_acquire(s->semaphore[i], 0));
    CALL(kith_once_claim(s->once, 0, &mine));
    CALL(kith_limiter_take(s->limiter, 10));
    for (int i = 0; i < 20; i++)
        syncs_use(s);
}
