/*
 * glibc.c - what glibc, the kernel and the processor offer by themselves: mutexes, robust and
 * plain, a rwlock, a semaphore, a barrier, conditions, a once, the wait and wake of a futex, an
 * atomic addition.  `calibrate` measures the machine, to tell how quiet it was.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../harness.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    pthread_barrier_t barrier;
    pthread_cond_t asked, answered; /* of the mutex */
    uint64_t count;                 /* guarded by the mutex; of conditions: how often asked */
    uint64_t answers;               /* guarded by the mutex */
    _Alignas(64) atomic_int_fast64_t empty_until_ns;
    _Alignas(64) atomic_uint there;          /* round trips asked for */
    _Alignas(64) atomic_uint back;           /* round trips answered */
    _Alignas(64) atomic_uint_fast64_t pairs; /* what the workers did in all */
};

static struct shared *
shared_of(struct bench *b)
{
    return b->shared;
}

/* ---- the mutexes ---- */

static void
make_mutex_of(struct bench *b, int robust)
{
    pthread_mutexattr_t attr;

    if (pthread_mutexattr_init(&attr) != 0 ||
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_mutexattr_setrobust(&attr, robust) != 0 ||
        pthread_mutex_init(&shared_of(b)->mutex, &attr) != 0)
        bench_fail("no such mutex");
    pthread_mutexattr_destroy(&attr);
}

static void
make_mutex(struct bench *b)
{
    make_mutex_of(b, PTHREAD_MUTEX_ROBUST);
}

static void
make_plain_mutex(struct bench *b)
{
    make_mutex_of(b, PTHREAD_MUTEX_STALLED);
}

static void
lock_pair(struct bench *b, uint64_t ops)
{
    struct shared *shared = shared_of(b);

    for (uint64_t n = 0; n < ops; n++) {
        if (pthread_mutex_lock(&shared->mutex) != 0)
            bench_fail("cannot lock");
        shared->count++;
        if (pthread_mutex_unlock(&shared->mutex) != 0)
            bench_fail("cannot unlock");
    }
    atomic_fetch_add(&shared->pairs, ops);
}

/* A worker counts under the mutex first and in `pairs` after it: no count may be missing. */
static void
check_pairs(struct bench *b)
{
    struct shared *shared = shared_of(b);

    pthread_mutex_lock(&shared->mutex);
    if (shared->count < atomic_load(&shared->pairs))
        bench_fail("the mutex let two in");
    pthread_mutex_unlock(&shared->mutex);
}

/* ---- the semaphore ---- */

static void
make_semaphore(struct bench *b)
{
    if (sem_init(&shared_of(b)->semaphore, 1, 1) != 0)
        bench_fail("no such semaphore");
}

static void
semaphore_pair(struct bench *b, uint64_t ops)
{
    sem_t *semaphore = &shared_of(b)->semaphore;

    for (uint64_t n = 0; n < ops; n++)
        if (sem_wait(semaphore) != 0 || sem_post(semaphore) != 0)
            bench_fail("cannot take and give back");
}

/* ---- an atomic addition ---- */

static void
fetch_add(struct bench *b, uint64_t ops)
{
    atomic_uint_fast64_t *pairs = &shared_of(b)->pairs;

    for (uint64_t n = 0; n < ops; n++)
        atomic_fetch_add(pairs, 1);
}

/* ---- the rwlock ---- */

static void
make_rwlock(struct bench *b)
{
    pthread_rwlockattr_t attr;

    if (pthread_rwlockattr_init(&attr) != 0 ||
        pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_rwlock_init(&shared_of(b)->rwlock, &attr) != 0)
        bench_fail("no rwlock");
    pthread_rwlockattr_destroy(&attr);
}

static void
read_pair(struct bench *b, uint64_t ops)
{
    struct shared *shared = shared_of(b);

    for (uint64_t n = 0; n < ops; n++) {
        if (pthread_rwlock_rdlock(&shared->rwlock) != 0 ||
            pthread_rwlock_unlock(&shared->rwlock) != 0)
            bench_fail("cannot read");
    }
}

/* ---- the barrier: one measures, its companion is the other party ---- */

static void
make_barrier(struct bench *b)
{
    pthread_barrierattr_t attr;

    if (pthread_barrierattr_init(&attr) != 0 ||
        pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_barrier_init(&shared_of(b)->barrier, &attr, 2) != 0)
        bench_fail("no barrier");
    pthread_barrierattr_destroy(&attr);
}

static void
meet(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        int got = pthread_barrier_wait(&shared_of(b)->barrier);

        if (got != 0 && got != PTHREAD_BARRIER_SERIAL_THREAD)
            bench_fail("cannot wait at the barrier");
    }
}

static void
keep_meeting(struct bench *b)
{
    for (;;)
        meet(b, 1);
}

/* ---- conditions: a turn that goes there and back ---- */

static void
make_conditions(struct bench *b)
{
    struct shared *shared = shared_of(b);
    pthread_condattr_t attr;

    make_mutex(b);
    if (pthread_condattr_init(&attr) != 0 ||
        pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_cond_init(&shared->asked, &attr) != 0 ||
        pthread_cond_init(&shared->answered, &attr) != 0)
        bench_fail("no conditions");
    pthread_condattr_destroy(&attr);
}

static void
ask_and_wait(struct bench *b, uint64_t ops)
{
    struct shared *shared = shared_of(b);

    if (pthread_mutex_lock(&shared->mutex) != 0)
        bench_fail("cannot lock");
    for (uint64_t n = 0; n < ops; n++) {
        shared->count++;
        pthread_cond_signal(&shared->asked);
        while (shared->answers != shared->count)
            if (pthread_cond_wait(&shared->answered, &shared->mutex) != 0)
                bench_fail("cannot wait for a condition");
    }
    pthread_mutex_unlock(&shared->mutex);
}

static void
keep_answering(struct bench *b)
{
    struct shared *shared = shared_of(b);

    if (pthread_mutex_lock(&shared->mutex) != 0)
        bench_fail("cannot lock");
    for (;;) {
        while (shared->answers == shared->count)
            if (pthread_cond_wait(&shared->asked, &shared->mutex) != 0)
                bench_fail("cannot wait for a condition");
        shared->answers++;
        pthread_cond_signal(&shared->answered);
    }
}

/* ---- a once that is done ---- */

static void
do_nothing(void)
{
}

static void
ask_whether_done(struct bench *b, uint64_t ops)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        if (pthread_once(&once, do_nothing) != 0)
            bench_fail("cannot ask a once");
}

/* ---- a bucket of tokens, as small as it can be: the clock, and one word ---- */

#define TOKEN_NS 1
#define BURST 1000000

static int64_t
boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
take(struct bench *b, uint64_t ops)
{
    atomic_int_fast64_t *empty_until_ns = &shared_of(b)->empty_until_ns;

    for (uint64_t n = 0; n < ops; n++) {
        int64_t now_ns = boot_ns(), was_ns = atomic_load(empty_until_ns), then_ns;

        do {
            then_ns = (was_ns > now_ns ? was_ns : now_ns) + TOKEN_NS;
            if (then_ns - now_ns > BURST * TOKEN_NS)
                bench_fail("there is no token");
        } while (!atomic_compare_exchange_weak(empty_until_ns, &was_ns, then_ns));
    }
}

/* ---- a futex round trip ---- */

static void
await(atomic_uint *word, unsigned old)
{
    while (atomic_load(word) == old) {
        if (syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0) != 0 && errno != EAGAIN &&
            errno != EINTR)
            bench_fail("FUTEX_WAIT: %s", strerror(errno));
    }
}

static void
tell(atomic_uint *word, unsigned now)
{
    atomic_store(word, now);
    if (syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) < 0)
        bench_fail("FUTEX_WAKE: %s", strerror(errno));
}

static void
futex_echo(struct bench *b)
{
    for (unsigned n = 0;; n++) {
        await(&shared_of(b)->there, n);
        tell(&shared_of(b)->back, n + 1);
    }
}

static void
futex_round_trip(struct bench *b, uint64_t ops)
{
    struct shared *shared = shared_of(b);
    unsigned done = atomic_load(&shared->back);

    for (uint64_t n = 0; n < ops; n++, done++) {
        tell(&shared->there, done + 1);
        await(&shared->back, done);
    }
}

/* ---- the machine ---- */

static void
calibrate(struct bench *b, uint64_t ops)
{
    uint64_t x = b->random;

    for (uint64_t n = 0; n < ops; n++) {
        x += n;
        __asm__ volatile("" : "+r"(x)); /* each addition waits for the one before */
    }
    b->random = x | 1;
}

static const struct bench_case cases[] = {
    { .name = "lock-pair", .make = make_mutex, .work = lock_pair, .end = check_pairs },
    { .name = "fetch-add", .work = fetch_add },
    { .name = "plain-lock-pair", .make = make_plain_mutex, .work = lock_pair, .end = check_pairs },
    { .name = "read-pair", .make = make_rwlock, .work = read_pair },
    { .name = "semaphore-pair", .make = make_semaphore, .work = semaphore_pair },
    { .name = "barrier",
      .companions = 1,
      .make = make_barrier,
      .beside = keep_meeting,
      .work = meet },
    { .name = "condition",
      .companions = 1,
      .make = make_conditions,
      .beside = keep_answering,
      .work = ask_and_wait },
    { .name = "once-done", .work = ask_whether_done },
    { .name = "bucket-take", .work = take },
    { .name = "futex-round-trip", .companions = 1, .beside = futex_echo, .work = futex_round_trip },
    { .name = "calibrate", .work = calibrate },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), NULL);
}
