/*
 * lock.c - kith_lock and kith_rwlock: taking and giving back.
 */
#include "arena.h"

#include <stdatomic.h>

struct shared {
    uint64_t count; /* guarded by the lock */
    atomic_uint_fast64_t pairs;
};

static kith_space *space;
static kith_lock *lock;
static kith_rwlock *rwlock;

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
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
