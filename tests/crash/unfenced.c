/*
 * unfenced.c - locks are released and signals raised without a fence, and still nobody sleeps
 * beside a free lock or an item.
 *
 * What stepping can't show, since each step empties the store buffer: on two processors at once,
 * one thread releases just when the other lies down.  Each waits for the other after every time, so
 * a wake that is lost stays lost, and re-checks are off.  A ceiling of 10 s stands for "lost".
 *
 * On one processor there is nothing to be seen, and the test says so.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stepper.h"

#define TIMES 10000u
#define TIMES_LONG 1000000u
#define DELAYS 2000u /* how many loops the release comes after the other set out, at most */
#define FAR (UINT64_C(1) << 26)
#define FAR_STORES 12u /* before a release, so that its own store waits behind them */
#define CEILING_S 10

struct board {
    _Alignas(64) _Atomic unsigned held; /* the lock is held for the n-th time */
    _Alignas(64) _Atomic unsigned away; /* the other has set out to acquire it */
    _Alignas(64) _Atomic unsigned back; /* and has had it */
};

static struct board *board;

static cpu_set_t allowed; /* before anybody was pinned */

/* Pins the caller to the n-th processor it may use; false: there are fewer. */
static bool
pin(int n)
{
    cpu_set_t one;

    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return sched_setaffinity(0, sizeof one, &one) == 0;
        }
    return false;
}

static bool
is_up(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - begin->tv_sec > CEILING_S;
}

/* False: it never came. */
static bool
await(_Atomic unsigned *word, unsigned value)
{
    struct timespec begin;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned n = 1; atomic_load(word) != value; n++)
        if (n % 65536 == 0) {
            if (is_up(&begin))
                return false;
            sched_yield();
        }
    return true;
}

/* ---- What is waited for --------------------------------------------------------------------- */

static kith_err
have_lock(struct stage *stage, struct kith__self *self)
{
    return kith__mutex_acquire(self, &stage->lock, INT64_MAX);
}

static kith_err
free_lock(struct stage *stage, struct kith__self *self)
{
    return kith__mutex_release(self, &stage->lock);
}

static kith_err
pass_lock(struct stage *stage, struct kith__self *self)
{
    kith_err err = have_lock(stage, self);

    return err < 0 ? err : free_lock(stage, self);
}

static kith_err
have_inner_lock(struct stage *stage, struct kith__self *self)
{
    return kith__lock_acquire(self, &kith__queue_root(&stage->letters)->tail_lock);
}

static kith_err
free_inner_lock(struct stage *stage, struct kith__self *self)
{
    kith__lock_release(self, &kith__queue_root(&stage->letters)->tail_lock);
    return KITH_OK;
}

static kith_err
pass_inner_lock(struct stage *stage, struct kith__self *self)
{
    kith_err err = have_inner_lock(stage, self);

    return err < 0 ? err : free_inner_lock(stage, self);
}

static const struct {
    const char *name;
    kith_err (*hold)(struct stage *stage, struct kith__self *self);
    kith_err (*give)(struct stage *stage, struct kith__self *self);
    kith_err (*wait)(struct stage *stage, struct kith__self *self);
} kinds[] = {
    { "a lock", have_lock, free_lock, pass_lock },
    { "an inner lock", have_inner_lock, free_inner_lock, pass_inner_lock },
};

/* ---- Handing over --------------------------------------------------------------------------- */

static void
wait_for(struct stage *stage, unsigned kind, unsigned times)
{
    struct kith__self *self = kith__self_of(stage->arena);

    if (self == NULL)
        _exit(3);
    for (unsigned n = 1; n <= times; n++) {
        if (!await(&board->held, n))
            _exit(4);
        self->spin = 0; /* lies down at once */
        self->spins = 0;
        atomic_store(&board->away, n);
        if (kinds[kind].wait(stage, self) < 0)
            _exit(5);
        atomic_store(&board->back, n);
    }
    _exit(0);
}

/* How many times it went well. */
static unsigned
hand_over(struct stage *stage, struct kith__self *self, unsigned kind, unsigned times)
{
    uint8_t *far = mmap(NULL, FAR, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned seed = 1;

    memset(far, 1, FAR);
    for (unsigned n = 1; n <= times; n++) {
        unsigned delay;

        if (kinds[kind].hold(stage, self) < 0)
            return n - 1;
        atomic_store(&board->held, n);
        if (!await(&board->away, n))
            return n - 1;
        seed = seed * 1103515245u + 12345u;
        delay = (seed >> 16) % DELAYS;
        for (unsigned i = 0; i < delay; i++)
            atomic_signal_fence(memory_order_seq_cst);
        for (unsigned i = 0; i < FAR_STORES; i++) {
            seed = seed * 1103515245u + 12345u;
            ((volatile uint8_t *)far)[seed % FAR] = 2;
        }
        kinds[kind].give(stage, self);
        if (!await(&board->back, n))
            return n - 1;
    }
    munmap(far, FAR);
    return times;
}

/* Whether none was lost. */
static bool
try_kind(unsigned kind, unsigned times)
{
    struct kith__self *self;
    struct stage stage;
    unsigned well;
    int status;
    pid_t pid;

    memset(board, 0, sizeof *board);
    stage_open(&stage, getenv("STEPPER_FOLDER"));
    stage.arena->timeout_ns = 3 * CEILING_S * INT64_C(1000000000); /* after which one looks again */
    self = stage_self(&stage);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pin(1);
        wait_for(&stage, kind, times);
    }
    well = hand_over(&stage, self, kind, times);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    printf("# %s handed over %u times\n", kinds[kind].name, well);
    kith__reap_all(self);
    stage_close(&stage);
    return well == times;
}

int
main(void)
{
    const char *is_long = getenv("KITH_LONG");
    unsigned times = is_long != NULL && is_long[0] == '1' ? TIMES_LONG : TIMES;
    unsigned count = sizeof kinds / sizeof kinds[0], lost = 0;

    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !pin(1) || !pin(0)) {
        printf("1..0 # SKIP needs two processors\n");
        return 0;
    }
    printf("1..%u\n", count);
    kith__recheck_ns = INT64_MAX; /* inherited by the child */
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned kind = 0; kind < count; kind++) {
        bool well = try_kind(kind, times);

        printf("%s %u - whoever gives %s away without a fence wakes one who is just lying down\n",
               well ? "ok" : "not ok", kind + 1, kinds[kind].name);
        lost += !well;
    }
    return lost == 0 ? 0 : 1;
}
