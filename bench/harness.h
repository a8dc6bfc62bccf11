/*
 * harness.h - what every benchmark program shares: processes, pinning, timing, keys.
 *
 * A program is a list of cases.  One run of it is one round of one case:
 *
 *     PROGRAM CASE [--processes N] [--entries N] [--ms N] [--same-core] [--ops N]
 *
 * and prints numbers: nanoseconds an operation, wall time over the operations of all processes
 * together, so that two processes that do not disturb each other halve it.  A case that measures
 * events prints one number for each event; one of memory prints bytes.
 *
 * A round goes
 *
 *     make     in a process of its own, which ends: what stands in shared memory is created
 *     begin    in each worker: it opens what was made, or creates what is private to it
 *     beside   in each of the case's companions (a writer beside readers, an echo): it never
 *              returns and is killed at the end; nothing it does is counted
 *     work     in each worker: first uncounted, to warm up and to learn how many operations take a
 *              millisecond, then, once all workers stand ready, for `--ms` milliseconds
 *     end      in each worker: it looks whether the results were right
 *     remove   in the first process, also after a failure or a signal
 *
 * Workers and companions are pinned, each to a processor of its own while there are enough, all to
 * the first with --same-core; more workers than processors float.
 *
 * With --ops N the timing is left out: each worker does N operations, so that an instruction
 * counter sees the difference between two values of N and nothing else.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_KEY_SIZE 16

struct bench;

struct bench_case {
    const char *name;
    unsigned companions;
    void (*make)(struct bench *b);
    void (*begin)(struct bench *b);
    void (*beside)(struct bench *b);
    void (*work)(struct bench *b, uint64_t ops);
    void (*measure)(struct bench *b); /* instead of work: gives its own numbers to bench_print() */
    void (*end)(struct bench *b);
};

/* One process's view of the round. */
struct bench {
    const struct bench_case *of;
    char name[64];     /* that no other run uses: for arenas, segments, folders */
    unsigned worker;   /* 0 … workers - 1; companions are numbered on from there */
    unsigned workers;  /* those that are counted */
    uint64_t entries;  /* keys in the table */
    int64_t window_ns; /* how long to measure */
    bool same_core;
    bool counting;   /* --ops: run under a counter of instructions */
    uint64_t random; /* this process's state of bench_random() */
    void *state;     /* the program's own */
    void *shared;    /* a page, zeroed, that all processes of the round see; the program's own */
};

/* Runs a round as the arguments say; what main() returns.  `remove` removes what make() made. */
int bench_main(int argc, char **argv, const struct bench_case *cases, size_t case_count,
               void (*remove)(struct bench *b));

/* Ends the round: the program prints the sentence and fails.  From any of its processes. */
#ifdef __GNUC__
__attribute__((format(printf, 1, 2), noreturn))
#endif
void
bench_fail(const char *format, ...);

/* Prints one number of a case's measure(). */
void bench_print(double number);

int64_t bench_now_ns(void); /* CLOCK_MONOTONIC */

/* Pins this process to the index-th processor it may use, counted round. */
void bench_pin(unsigned index);

/* How many processors this program may use. */
unsigned bench_processors(void);

/*
 * Forks a process that runs fn(arg) and ends in an orderly way; it is killed when its parent dies.
 * bench_join() waits for it and fails the round unless it ended well.
 */
pid_t bench_fork(void (*fn)(void *arg), void *arg);
void bench_join(pid_t pid);

/* Runs a program to its end, and fails the round unless it ended well: how long that took. */
int64_t bench_run_program_ns(char *const argv[]);

/* Waits until a process sleeps in the kernel. */
void bench_wait_asleep(pid_t pid);

void bench_sleep_ns(int64_t ns);

/* ---- keys and random numbers, the same for Kith and for every peer ---- */

/* splitmix64's mixer. */
static inline uint64_t
bench_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* xorshift64*, brought down to 0 … bound - 1, where bound is below 2^32. */
static inline uint64_t
bench_random(uint64_t *state, uint64_t bound)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return ((x * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * bound >> 32;
}

/*
 * The key of entry `index`, as 16 random bytes.  It is computed, not read from a table, so that the
 * only memory a lookup misses is that of what is measured.
 */
struct bench_key {
    uint64_t word[2];
};

static inline struct bench_key
bench_key_of(uint64_t index)
{
    struct bench_key key;

    key.word[0] = bench_mix(index + UINT64_C(0x9e3779b97f4a7c15));
    key.word[1] = bench_mix(key.word[0] + index);
    return key;
}

/*
 * Values carry their entry's index in the low half, so that each one read can be told right; the
 * high half is the writer's.
 */
static inline bool
bench_value_is_of(int64_t value, uint64_t index)
{
    return (uint32_t)value == (uint32_t)index;
}

#ifdef __cplusplus
}
#endif
#endif /* BENCH_HARNESS_H */
