/*
 * lock.c - kith_lock: taking and giving back, and what its owner's death costs.
 */
#include "arena.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    uint64_t count; /* guarded by the lock */
    atomic_uint_fast64_t pairs;
    atomic_int held;
    atomic_int waiting;
    atomic_int_fast64_t got_ns;
};

static kith_space *space;
static kith_lock *lock;
static struct bench *round_of;

static void
open_lock(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_lock_open(space, "lock", NULL, &lock), "kith_lock_open");
}

static void
close_lock(struct bench *b)
{
    (void)b;
    kith_lock_close(lock);
    kith_close(space);
}

static void
make_lock(struct bench *b)
{
    open_lock(b);
    close_lock(b);
}

/* ---- acquire and release ---- */

static void
pair(struct bench *b, uint64_t ops)
{
    struct shared *shared = b->shared;

    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_lock_acquire(lock, KITH_FOREVER), "kith_lock_acquire");
        shared->count++;
        bench_must(kith_lock_release(lock), "kith_lock_release");
    }
    atomic_fetch_add(&shared->pairs, ops);
}

/* A worker counts under the lock first and in `pairs` after it: no count may be missing. */
static void
check_pairs(struct bench *b)
{
    struct shared *shared = b->shared;

    bench_must(kith_lock_acquire(lock, KITH_FOREVER), "kith_lock_acquire");
    if (shared->count < atomic_load(&shared->pairs))
        bench_fail("the lock let two in");
    bench_must(kith_lock_release(lock), "kith_lock_release");
    close_lock(b);
}

/*
 * ---- an owner is killed ----
 *
 * From the kill to the waiter's return, measured in the two processes on one clock.  The waiter
 * sleeps in the kernel before.
 */

static void
acquire_and_hang(void *arg)
{
    struct shared *shared = arg;

    bench_pin(0);
    open_lock(round_of);
    bench_must(kith_lock_acquire(lock, KITH_FOREVER), "kith_lock_acquire");
    atomic_store(&shared->held, 1);
    for (;;)
        pause();
}

static void
wait_for_lock(void *arg)
{
    struct shared *shared = arg;
    kith_err err;

    bench_pin(1);
    open_lock(round_of);
    atomic_store(&shared->waiting, 1);
    err = kith_lock_acquire(lock, KITH_FOREVER);
    atomic_store(&shared->got_ns, bench_now_ns());
    bench_must(err, "kith_lock_acquire");
    if (err != KITH_OWNER_DIED)
        bench_fail("the waiter was not told of the death");
    bench_must(kith_lock_release(lock), "kith_lock_release");
    close_lock(round_of);
}

static void
owner_killed(struct bench *b)
{
    int64_t start_ns = bench_now_ns();

    round_of = b;
    do {
        struct shared *shared = b->shared;
        pid_t owner, waiter;
        int64_t killed_ns;

        *shared = (struct shared){ 0 };
        owner = bench_fork(acquire_and_hang, shared);
        while (atomic_load(&shared->held) == 0)
            bench_sleep_ns(50000);
        waiter = bench_fork(wait_for_lock, shared);
        while (atomic_load(&shared->waiting) == 0)
            bench_sleep_ns(50000);
        bench_wait_asleep(waiter);
        killed_ns = bench_now_ns();
        kill(owner, SIGKILL);
        bench_join(waiter);
        waitpid(owner, NULL, 0);
        bench_print((double)(atomic_load(&shared->got_ns) - killed_ns));
    } while (bench_now_ns() - start_ns < b->window_ns);
}

static const struct bench_case cases[] = {
    { .name = "pair", .make = make_lock, .begin = open_lock, .work = pair, .end = check_pairs },
    { .name = "owner-killed", .make = make_lock, .measure = owner_killed },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
