/*
 * lock.c - kith_lock and kith_rwlock: taking and giving back, and what an owner's death costs.
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
    atomic_int was_shared;
    atomic_int_fast64_t got_ns;
};

static kith_space *space;
static kith_lock *lock;
static kith_rwlock *rwlock;
static struct bench *round_of;

/* Made already, or a plain one. */
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
make_with(struct bench *b, const struct kith_lock_options *options)
{
    space = bench_space(b);
    bench_must(kith_lock_open(space, "lock", options, &lock), "kith_lock_open");
    close_lock(b);
}

static void
make_lock(struct bench *b)
{
    make_with(b, NULL);
}

static void
make_recursive(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.recursive = true;
    make_with(b, &options);
}

static void
make_fair(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.fair = true;
    make_with(b, &options);
}

static void
make_unowned(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.unowned = true;
    make_with(b, &options);
}

static void
make_shareable(struct bench *b)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.shareable = true;
    make_with(b, &options);
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

/* ---- acquire and release of a rwlock ---- */

static void
open_rwlock(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_rwlock_open(space, "lock", NULL, &rwlock), "kith_rwlock_open");
}

static void
close_rwlock(struct bench *b)
{
    (void)b;
    kith_rwlock_close(rwlock);
    kith_close(space);
}

static void
make_rwlock(struct bench *b)
{
    open_rwlock(b);
    close_rwlock(b);
}

static void
read_pair(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_rwlock_acquire_shared(rwlock, KITH_FOREVER), "kith_rwlock_acquire_shared");
        bench_must(kith_rwlock_release(rwlock), "kith_rwlock_release");
    }
}

/* A writer beside the reader that is measured, now and then. */
static void
write_now_and_then(struct bench *b)
{
    open_rwlock(b);
    for (;;) {
        bench_must(kith_rwlock_acquire(rwlock, KITH_FOREVER), "kith_rwlock_acquire");
        bench_must(kith_rwlock_release(rwlock), "kith_rwlock_release");
        bench_sleep_ns(50000);
    }
}

static void
write_pair(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_rwlock_acquire(rwlock, KITH_FOREVER), "kith_rwlock_acquire");
        bench_must(kith_rwlock_release(rwlock), "kith_rwlock_release");
    }
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
share_and_hang(void *arg)
{
    struct shared *shared = arg;

    bench_pin(0);
    open_rwlock(round_of);
    bench_must(kith_rwlock_acquire_shared(rwlock, KITH_FOREVER), "kith_rwlock_acquire_shared");
    atomic_store(&shared->was_shared, 1);
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
    if (err != (atomic_load(&shared->was_shared) != 0 ? KITH_OK : KITH_OWNER_DIED))
        bench_fail("the waiter was not told of the death, or of one too many");
    bench_must(kith_lock_release(lock), "kith_lock_release");
    close_lock(round_of);
}

static void
kill_owners(struct bench *b, void (*hold)(void *arg))
{
    int64_t start_ns = bench_now_ns();

    round_of = b;
    do {
        struct shared *shared = b->shared;
        pid_t owner, waiter;
        int64_t killed_ns;

        *shared = (struct shared){ 0 };
        owner = bench_fork(hold, shared);
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

static void
owner_killed(struct bench *b)
{
    kill_owners(b, acquire_and_hang);
}

static void
reader_killed(struct bench *b)
{
    kill_owners(b, share_and_hang);
}

static const struct bench_case cases[] = {
    { .name = "pair", .make = make_lock, .begin = open_lock, .work = pair, .end = check_pairs },
    { .name = "recursive-pair",
      .make = make_recursive,
      .begin = open_lock,
      .work = pair,
      .end = check_pairs },
    { .name = "fair-pair",
      .make = make_fair,
      .begin = open_lock,
      .work = pair,
      .end = check_pairs },
    { .name = "unowned-pair",
      .make = make_unowned,
      .begin = open_lock,
      .work = pair,
      .end = check_pairs },
    { .name = "read-pair",
      .make = make_rwlock,
      .begin = open_rwlock,
      .work = read_pair,
      .end = close_rwlock },
    { .name = "read-pair-beside-writer",
      .make = make_rwlock,
      .companions = 1,
      .beside = write_now_and_then,
      .begin = open_rwlock,
      .work = read_pair,
      .end = close_rwlock },
    { .name = "write-pair",
      .make = make_rwlock,
      .begin = open_rwlock,
      .work = write_pair,
      .end = close_rwlock },
    { .name = "owner-killed", .make = make_lock, .measure = owner_killed },
    { .name = "fair-owner-killed", .make = make_fair, .measure = owner_killed },
    { .name = "unowned-owner-killed", .make = make_unowned, .measure = owner_killed },
    { .name = "writer-killed", .make = make_shareable, .measure = owner_killed },
    { .name = "reader-killed", .make = make_shareable, .measure = reader_killed },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
