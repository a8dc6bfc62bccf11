/*
 * sync.c - semaphore, event, barrier, condition, once, limiter: what a call costs where nobody is
 * in the way, and a round of two who wait for each other.
 */
#include "arena.h"

static kith_space *space;

/* ---- semaphore ---- */

static kith_semaphore *semaphore;

static void
open_semaphore(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_semaphore_open(space, "semaphore", NULL, &semaphore), "kith_semaphore_open");
}

static void
close_semaphore(struct bench *b)
{
    (void)b;
    kith_semaphore_close(semaphore);
    kith_close(space);
}

static void
make_semaphore(struct bench *b)
{
    open_semaphore(b);
    close_semaphore(b);
}

static void
semaphore_pair(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_semaphore_acquire(semaphore, KITH_FOREVER), "kith_semaphore_acquire");
        bench_must(kith_semaphore_release(semaphore), "kith_semaphore_release");
    }
}

static void
check_permit(struct bench *b)
{
    uint32_t value;

    bench_must(kith_semaphore_value(semaphore, &value), "kith_semaphore_value");
    if (value > 1)
        bench_fail("a semaphore of 1 has %u permits", value);
    close_semaphore(b);
}

/* ---- event ---- */

static kith_event *event;

static void
open_event(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_event_open(space, "event", NULL, &event), "kith_event_open");
}

static void
close_event(struct bench *b)
{
    (void)b;
    kith_event_close(event);
    kith_close(space);
}

static void
make_event(struct bench *b)
{
    open_event(b);
    close_event(b);
}

static void
event_pair(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_event_set(event), "kith_event_set");
        bench_must(kith_event_clear(event), "kith_event_clear");
    }
}

static void
check_cleared(struct bench *b)
{
    bool set;

    bench_must(kith_event_is_set(event, &set), "kith_event_is_set");
    if (set)
        bench_fail("an event that was cleared is set");
    close_event(b);
}

/* ---- barrier: one measures, its companion is the other party ---- */

static kith_barrier *barrier;

static void
open_barrier(struct bench *b)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;

    options.parties = 2;
    space = bench_space(b);
    bench_must(kith_barrier_open(space, "barrier", &options, &barrier), "kith_barrier_open");
}

static void
close_barrier(struct bench *b)
{
    (void)b;
    kith_barrier_close(barrier);
    kith_close(space);
}

static void
make_barrier(struct bench *b)
{
    open_barrier(b);
    close_barrier(b);
}

static void
meet(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_barrier_wait(barrier, KITH_FOREVER, NULL), "kith_barrier_wait");
}

static void
keep_meeting(struct bench *b)
{
    open_barrier(b);
    for (;;)
        meet(b, 1);
}

/* ---- condition: a turn that goes there and back ---- */

struct turns {
    uint64_t there, back; /* guarded by the lock: how often each had its turn */
};

static kith_lock *lock;
static kith_condition *there, *back; /* of the one lock */

static void
open_conditions(struct bench *b)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;

    options.lock = "lock";
    space = bench_space(b);
    bench_must(kith_lock_open(space, "lock", NULL, &lock), "kith_lock_open");
    bench_must(kith_condition_open(space, "there", &options, &there), "kith_condition_open");
    bench_must(kith_condition_open(space, "back", &options, &back), "kith_condition_open");
}

static void
close_conditions(struct bench *b)
{
    (void)b;
    kith_condition_close(back);
    kith_condition_close(there);
    kith_lock_close(lock);
    kith_close(space);
}

static void
make_conditions(struct bench *b)
{
    open_conditions(b);
    close_conditions(b);
}

static void
ask_and_wait(struct bench *b, uint64_t ops)
{
    struct turns *turns = b->shared;

    bench_must(kith_lock_acquire(lock, KITH_FOREVER), "kith_lock_acquire");
    for (uint64_t n = 0; n < ops; n++) {
        turns->there++;
        bench_must(kith_condition_notify(there, 1), "kith_condition_notify");
        while (turns->back != turns->there)
            bench_must(kith_condition_wait(back, KITH_FOREVER), "kith_condition_wait");
    }
    bench_must(kith_lock_release(lock), "kith_lock_release");
}

static void
keep_answering(struct bench *b)
{
    struct turns *turns = b->shared;

    open_conditions(b);
    bench_must(kith_lock_acquire(lock, KITH_FOREVER), "kith_lock_acquire");
    for (;;) {
        while (turns->back == turns->there)
            bench_must(kith_condition_wait(there, KITH_FOREVER), "kith_condition_wait");
        turns->back++;
        bench_must(kith_condition_notify(back, 1), "kith_condition_notify");
    }
}

/* ---- once: asked for when it is done ---- */

static kith_once *once;

static void
open_once(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_once_open(space, "once", NULL, &once), "kith_once_open");
}

static void
close_once(struct bench *b)
{
    (void)b;
    kith_once_close(once);
    kith_close(space);
}

/* The round's page counts how often it was done. */
static kith_err
do_once(void *arg)
{
    ++*(uint64_t *)arg;
    return KITH_OK;
}

static void
make_done(struct bench *b)
{
    open_once(b);
    bench_must(kith_once_run(once, do_once, b->shared, KITH_FOREVER), "kith_once_run");
    close_once(b);
}

static void
ask_whether_done(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_once_run(once, do_once, b->shared, KITH_FOREVER), "kith_once_run");
    if (*(uint64_t *)b->shared != 1)
        bench_fail("it was done more than once");
}

/* ---- limiter: tokens come faster than they are taken ---- */

static kith_limiter *limiter;

static void
open_limiter(struct bench *b)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;

    options.rate = KITH_LIMITER_RATE_MAX;
    options.burst = KITH_LIMITER_BURST_MAX;
    space = bench_space(b);
    bench_must(kith_limiter_open(space, "limiter", &options, &limiter), "kith_limiter_open");
}

static void
close_limiter(struct bench *b)
{
    (void)b;
    kith_limiter_close(limiter);
    kith_close(space);
}

static void
make_limiter(struct bench *b)
{
    open_limiter(b);
    close_limiter(b);
}

static void
take(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_limiter_take(limiter, 1), "kith_limiter_take");
}

static const struct bench_case cases[] = {
    { .name = "semaphore-pair",
      .make = make_semaphore,
      .begin = open_semaphore,
      .work = semaphore_pair,
      .end = check_permit },
    { .name = "event-pair",
      .make = make_event,
      .begin = open_event,
      .work = event_pair,
      .end = check_cleared },
    { .name = "barrier",
      .companions = 1,
      .make = make_barrier,
      .begin = open_barrier,
      .beside = keep_meeting,
      .work = meet,
      .end = close_barrier },
    { .name = "condition",
      .companions = 1,
      .make = make_conditions,
      .begin = open_conditions,
      .beside = keep_answering,
      .work = ask_and_wait,
      .end = close_conditions },
    { .name = "once-done",
      .make = make_done,
      .begin = open_once,
      .work = ask_whether_done,
      .end = close_once },
    { .name = "limiter-take",
      .make = make_limiter,
      .begin = open_limiter,
      .work = take,
      .end = close_limiter },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
