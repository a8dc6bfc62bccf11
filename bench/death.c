/*
 * death.c - how long those who wait for a process wait when it is killed.
 *
 * A holder has what a waiter wants; both sleep in the kernel; the holder is killed.  Measured is
 * the time from the kill to the waiter's return, in the two processes on one clock.  Each time both
 * are new processes, and what they share is as it was.
 */
#include "arena.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    atomic_int held; /* the holder has it, or is about to sleep for it */
    atomic_int waiting;
    atomic_int_fast64_t got_ns;
};

static struct bench *round_of;
static kith_space *space;

static struct shared *
shared_of_round(void)
{
    return round_of->shared;
}

/* ---- what holder and waiter say ---- */

static void
hold_until_killed(void)
{
    atomic_store(&shared_of_round()->held, 1);
    for (;;)
        pause();
}

static void
about_to_wait(void)
{
    atomic_store(&shared_of_round()->waiting, 1);
}

/* The waiter is back, and `right` says whether with what a death should give. */
static void
back(kith_err err, bool right)
{
    atomic_store(&shared_of_round()->got_ns, bench_now_ns());
    bench_must(err == KITH_ECONFLICT ? KITH_OK : err, "a wait");
    if (!right)
        bench_fail("the waiter was not told of the death, or of one too many");
}

/* ---- one kind of wait ---- */

struct kind {
    void (*hold)(void);           /* by the one who is killed; does not return */
    void (*await)(void);          /* by the other */
    void (*prepare)(void);        /* before both, in the measuring process; or NULL */
    void (*strike)(pid_t holder); /* kills it; NULL: just that */
};

static void
run_holder(void *arg)
{
    const struct kind *kind = arg;

    bench_pin(0);
    space = bench_space(round_of);
    kind->hold();
}

static void
run_waiter(void *arg)
{
    const struct kind *kind = arg;

    bench_pin(1);
    space = bench_space(round_of);
    kind->await();
    kith_close(space);
}

static void
measure(struct bench *b, struct kind kind)
{
    int64_t start_ns = bench_now_ns();

    round_of = b;
    do {
        struct shared *shared = b->shared;
        pid_t holder, waiter;
        int64_t killed_ns;

        *shared = (struct shared){ 0 };
        if (kind.prepare != NULL)
            kind.prepare();
        holder = bench_fork(run_holder, &kind);
        while (atomic_load(&shared->held) == 0)
            bench_sleep_ns(50000);
        bench_wait_asleep(holder);
        waiter = bench_fork(run_waiter, &kind);
        while (atomic_load(&shared->waiting) == 0)
            bench_sleep_ns(50000);
        bench_wait_asleep(waiter);
        killed_ns = bench_now_ns();
        if (kind.strike != NULL)
            kind.strike(holder);
        else
            kill(holder, SIGKILL);
        bench_join(waiter);
        waitpid(holder, NULL, 0);
        bench_print((double)(atomic_load(&shared->got_ns) - killed_ns));
    } while (bench_now_ns() - start_ns < b->window_ns);
}

/* ---- locks, of whichever kind was made ---- */

static void
make_lock_with(struct bench *b, const struct kith_lock_options *options)
{
    kith_lock *lock;

    space = bench_space(b);
    bench_must(kith_lock_open(space, "lock", options, &lock), "kith_lock_open");
    kith_lock_close(lock);
    kith_close(space);
}

static void
make_lock(struct bench *b)
{
    make_lock_with(b, NULL);
}

static void
make_recursive(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.recursive = true;
    make_lock_with(b, &options);
}

static void
make_fair(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.fair = true;
    make_lock_with(b, &options);
}

static void
make_unowned(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.unowned = true;
    make_lock_with(b, &options);
}

static kith_lock *
open_lock(void)
{
    kith_lock *lock;

    bench_must(kith_lock_open(space, "lock", NULL, &lock), "kith_lock_open");
    return lock;
}

static void
hold_lock(void)
{
    bench_must(kith_lock_acquire(open_lock(), KITH_FOREVER), "kith_lock_acquire");
    hold_until_killed();
}

static void
await_lock(void)
{
    kith_lock *lock = open_lock();
    kith_err err;

    about_to_wait();
    err = kith_lock_acquire(lock, KITH_FOREVER);
    back(err, err == KITH_OWNER_DIED);
    bench_must(kith_lock_release(lock), "kith_lock_release");
    kith_lock_close(lock);
}

static void
lock_owner_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_lock, .await = await_lock });
}

/* ---- rwlocks ---- */

static void
make_rwlock(struct bench *b)
{
    kith_rwlock *rwlock;

    space = bench_space(b);
    bench_must(kith_rwlock_open(space, "rwlock", NULL, &rwlock), "kith_rwlock_open");
    kith_rwlock_close(rwlock);
    kith_close(space);
}

static kith_rwlock *
open_rwlock(void)
{
    kith_rwlock *rwlock;

    bench_must(kith_rwlock_open(space, "rwlock", NULL, &rwlock), "kith_rwlock_open");
    return rwlock;
}

static void
hold_to_write(void)
{
    bench_must(kith_rwlock_acquire(open_rwlock(), KITH_FOREVER), "kith_rwlock_acquire");
    hold_until_killed();
}

static void
hold_to_read(void)
{
    bench_must(kith_rwlock_acquire_shared(open_rwlock(), KITH_FOREVER),
               "kith_rwlock_acquire_shared");
    hold_until_killed();
}

static void
await_rwlock(kith_err (*acquire)(kith_rwlock *rwlock, int64_t timeout_ns), kith_err expected)
{
    kith_rwlock *rwlock = open_rwlock();
    kith_err err;

    about_to_wait();
    err = acquire(rwlock, KITH_FOREVER);
    back(err, err == expected);
    bench_must(kith_rwlock_release(rwlock), "kith_rwlock_release");
    kith_rwlock_close(rwlock);
}

static void
await_to_write(void)
{
    await_rwlock(kith_rwlock_acquire, KITH_OWNER_DIED);
}

static void
await_to_read(void)
{
    await_rwlock(kith_rwlock_acquire_shared, KITH_OWNER_DIED);
}

/* Readers leave nothing half done, so their deaths are no news. */
static void
await_reader(void)
{
    await_rwlock(kith_rwlock_acquire, KITH_OK);
}

static void
writer_killed_for_writer(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_to_write, .await = await_to_write });
}

static void
writer_killed_for_reader(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_to_write, .await = await_to_read });
}

static void
reader_killed_for_writer(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_to_read, .await = await_reader });
}

/* ---- semaphore: its one permit ---- */

static void
make_semaphore(struct bench *b)
{
    kith_semaphore *semaphore;

    space = bench_space(b);
    bench_must(kith_semaphore_open(space, "semaphore", NULL, &semaphore), "kith_semaphore_open");
    kith_semaphore_close(semaphore);
    kith_close(space);
}

static kith_semaphore *
open_semaphore(void)
{
    kith_semaphore *semaphore;

    bench_must(kith_semaphore_open(space, "semaphore", NULL, &semaphore), "kith_semaphore_open");
    return semaphore;
}

static void
hold_permit(void)
{
    bench_must(kith_semaphore_acquire(open_semaphore(), KITH_FOREVER), "kith_semaphore_acquire");
    hold_until_killed();
}

static void
await_permit(void)
{
    kith_semaphore *semaphore = open_semaphore();
    kith_err err;

    about_to_wait();
    err = kith_semaphore_acquire(semaphore, KITH_FOREVER);
    back(err, err == KITH_OK);
    bench_must(kith_semaphore_release(semaphore), "kith_semaphore_release");
    kith_semaphore_close(semaphore);
}

static void
permit_holder_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_permit, .await = await_permit });
}

/* ---- condition: the one who was notified is killed before it has returned ---- */

static kith_condition *condition; /* the measuring process's */

static void
open_condition(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_condition_open(space, "condition", NULL, &condition), "kith_condition_open");
}

static void
close_condition(struct bench *b)
{
    (void)b;
    kith_condition_close(condition);
    kith_close(space);
}

static void
make_condition(struct bench *b)
{
    open_condition(b);
    close_condition(b);
}

static kith_err
wait_for_condition(atomic_int *here)
{
    kith_err err;

    bench_must(kith_condition_open(space, "condition", NULL, &condition), "kith_condition_open");
    bench_must(kith_condition_acquire(condition, KITH_FOREVER), "kith_condition_acquire");
    atomic_store(here, 1);
    err = kith_condition_wait(condition, KITH_FOREVER);
    bench_must(err, "kith_condition_wait");
    return err;
}

static void
be_notified(void)
{
    wait_for_condition(&shared_of_round()->held);
    bench_fail("the notified one lived");
}

static void
await_notice(void)
{
    kith_err err = wait_for_condition(&shared_of_round()->waiting);

    back(err, true);
    bench_must(kith_condition_release(condition), "kith_condition_release");
    kith_condition_close(condition);
}

/* With the lock held, so that the notified one cannot return. */
static void
notify_and_kill(pid_t holder)
{
    bench_must(kith_condition_acquire(condition, KITH_FOREVER), "kith_condition_acquire");
    bench_must(kith_condition_notify(condition, 1), "kith_condition_notify");
    kill(holder, SIGKILL);
    bench_must(kith_condition_release(condition), "kith_condition_release");
}

static void
notified_killed(struct bench *b)
{
    measure(b,
            (struct kind){ .hold = be_notified, .await = await_notice, .strike = notify_and_kill });
}

/* ---- barrier: of three parties one waits, one is killed, one never came ---- */

static void
make_barrier(struct bench *b)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier;

    options.parties = 3;
    space = bench_space(b);
    bench_must(kith_barrier_open(space, "barrier", &options, &barrier), "kith_barrier_open");
    kith_barrier_close(barrier);
    kith_close(space);
}

static kith_barrier *
open_barrier(void)
{
    kith_barrier *barrier;

    bench_must(kith_barrier_open(space, "barrier", NULL, &barrier), "kith_barrier_open");
    return barrier;
}

static void
arrive_first(void)
{
    kith_barrier *barrier = open_barrier();

    atomic_store(&shared_of_round()->held, 1);
    kith_barrier_wait(barrier, KITH_FOREVER, NULL);
    bench_fail("a barrier let go");
}

static void
await_others(void)
{
    kith_barrier *barrier = open_barrier();
    kith_err err;

    about_to_wait();
    err = kith_barrier_wait(barrier, KITH_FOREVER, NULL);
    back(err, err == KITH_ECONFLICT);
    bench_must(kith_barrier_reset(barrier), "kith_barrier_reset");
    kith_barrier_close(barrier);
}

static void
party_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = arrive_first, .await = await_others });
}

/* ---- once: the next takes over, and fails, so that it stays open ---- */

static void
make_once(struct bench *b)
{
    kith_once *once;

    space = bench_space(b);
    bench_must(kith_once_open(space, "once", NULL, &once), "kith_once_open");
    kith_once_close(once);
    kith_close(space);
}

static kith_once *
open_once(void)
{
    kith_once *once;

    bench_must(kith_once_open(space, "once", NULL, &once), "kith_once_open");
    return once;
}

static void
hold_claim(void)
{
    bool mine;

    bench_must(kith_once_claim(open_once(), KITH_FOREVER, &mine), "kith_once_claim");
    if (!mine)
        bench_fail("it is done already");
    hold_until_killed();
}

static void
await_claim(void)
{
    bool mine = false;
    kith_once *once = open_once();
    kith_err err;

    about_to_wait();
    err = kith_once_claim(once, KITH_FOREVER, &mine);
    back(err, err == KITH_OK && mine);
    bench_must(kith_once_failed(once), "kith_once_failed");
    kith_once_close(once);
}

static void
claimer_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_claim, .await = await_claim });
}

/* ---- single flight: the next computes ---- */

static void
make_dict(struct bench *b)
{
    space = bench_space(b);
    kith_dict_close(bench_dict(space, "results"));
    kith_close(space);
}

static kith_err
compute_for_ever(struct kith_item key, struct kith_item *item_out, void *arg)
{
    (void)key;
    (void)item_out;
    (void)arg;
    hold_until_killed();
    return KITH_OK;
}

/* Its turn is what the waiter waits for. */
static kith_err
compute_at_last(struct kith_item key, struct kith_item *item_out, void *arg)
{
    (void)key;
    back(KITH_OK, true);
    *(bool *)arg = true;
    *item_out = KITH_INT(7);
    return KITH_OK;
}

static void
hold_flight(void)
{
    kith_dict_get_or_compute(bench_dict(space, "results"), KITH_STR("key"), compute_for_ever, NULL,
                             NULL, KITH_FOREVER, NULL);
    bench_fail("a computation without end ended");
}

static void
await_flight(void)
{
    kith_dict *dict = bench_dict(space, "results");
    bool computed = false;

    about_to_wait();
    bench_must(kith_dict_get_or_compute(dict, KITH_STR("key"), compute_at_last, &computed, NULL,
                                        KITH_FOREVER, NULL),
               "kith_dict_get_or_compute");
    if (!computed)
        bench_fail("nobody computed");
    bench_must(kith_dict_delete(dict, KITH_STR("key")), "kith_dict_delete");
    kith_dict_close(dict);
}

static void
computer_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_flight, .await = await_flight });
}

/* ---- lease: the item comes back ---- */

static kith_queue *queue; /* the measuring process's */

static void
open_queue(struct bench *b)
{
    space = bench_space(b);
    queue = bench_queue(space, "queue", 0);
}

static void
close_queue(struct bench *b)
{
    (void)b;
    kith_queue_close(queue);
    kith_close(space);
}

static void
make_queue(struct bench *b)
{
    open_queue(b);
    close_queue(b);
}

static void
put_item(void)
{
    bench_must(kith_queue_put(queue, KITH_INT(7), KITH_FOREVER), "kith_queue_put");
}

static void
hold_lease(void)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *lease;

    bench_must(kith_queue_lease(bench_queue(space, "queue", 0), KITH_FOREVER, &buf, &lease),
               "kith_queue_lease");
    hold_until_killed();
}

static void
await_item(void)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_queue *opened = bench_queue(space, "queue", 0);
    kith_err err;

    about_to_wait();
    err = kith_queue_get(opened, KITH_FOREVER, &buf);
    back(err, err == KITH_OK && buf.item.type == KITH_TYPE_INT && buf.item.integer == 7);
    kith_buf_free(&buf);
    kith_queue_close(opened);
}

static void
consumer_killed(struct bench *b)
{
    measure(b, (struct kind){ .hold = hold_lease, .await = await_item, .prepare = put_item });
}

static const struct bench_case cases[] = {
    { .name = "lock", .make = make_lock, .measure = lock_owner_killed },
    { .name = "rlock", .make = make_recursive, .measure = lock_owner_killed },
    { .name = "fair-lock", .make = make_fair, .measure = lock_owner_killed },
    { .name = "unowned-lock", .make = make_unowned, .measure = lock_owner_killed },
    { .name = "writer-for-writer", .make = make_rwlock, .measure = writer_killed_for_writer },
    { .name = "writer-for-reader", .make = make_rwlock, .measure = writer_killed_for_reader },
    { .name = "reader-for-writer", .make = make_rwlock, .measure = reader_killed_for_writer },
    { .name = "semaphore", .make = make_semaphore, .measure = permit_holder_killed },
    { .name = "condition",
      .make = make_condition,
      .begin = open_condition,
      .measure = notified_killed,
      .end = close_condition },
    { .name = "barrier", .make = make_barrier, .measure = party_killed },
    { .name = "once", .make = make_once, .measure = claimer_killed },
    { .name = "flight", .make = make_dict, .measure = computer_killed },
    { .name = "lease",
      .make = make_queue,
      .begin = open_queue,
      .measure = consumer_killed,
      .end = close_queue },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
