/*
 * fuzz.h - rounds of random damage, each in a process of its own.
 *
 * A program lists its kinds of rounds and calls fuzz_main().  Each kind gets its share of time and
 * is one TAP result.  A round is a function of its seed alone, but for what the scheduler adds
 * where it runs several processes.  It fails if it dies by a signal, ends with anything but
 * fuzz_done(), prints anything, or is not over in time.
 *
 *     fuzz-arena [KIND [ROUNDS]]     that kind alone, so many rounds
 *
 * A failed round prints the seed that has it again:
 *
 *     KITH_TEST_SEED=SEED fuzz-arena KIND 1
 *
 * KITH_LONG=1 takes ten times as long.  KITH_TEST_PATIENCE=N gives each round N times as long.
 */
#ifndef KITH_FUZZ_H
#define KITH_FUZZ_H

#include <kith.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

struct fuzz_kind {
    const char *name;
    int share_ms; /* of time */
    void (*round)(void);
};

int fuzz_main(int argc, char **argv, const struct fuzz_kind *kinds, size_t count);

/* ---- inside a round ---- */

/* Random numbers that follow from the round's seed; a forked child's go another way by `salt`. */
uint64_t fuzz_next(void);
uint64_t fuzz_below(uint64_t bound);
bool fuzz_percent(unsigned chance);
void fuzz_branch(uint64_t salt);

/* An empty folder of this round's own, removed after it. */
const char *fuzz_folder(void);

int64_t fuzz_now_ns(void);

/* True once the round should come to its end, so that no sum of slow calls looks like a hang. */
bool fuzz_enough(void);

/* By how much every limit is longer than usual. */
int64_t fuzz_patience(void);

/* Ends the round as a failure. */
_Noreturn void fuzz_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the calling process is about to do and has done; said of a round that fails. */
void fuzz_doing(const char *call);
#define CALL(call) (fuzz_doing(#call), fuzz_did(call))
int fuzz_did(int result);

/* A process of this round, which ends by returning; killed with the round. */
pid_t fuzz_child(void (*run)(void *arg), void *arg);
/* Waits for it, and fails as it failed.  `killed` are those that fuzz_kill() was called for. */
void fuzz_join(pid_t pid);
void fuzz_kill(pid_t pid);

/* Counts something that the round met, shown beside its kind. */
enum fuzz_count { FUZZ_OPENED, FUZZ_REFUSED, FUZZ_CALLS, FUZZ_CORRUPT, FUZZ_DAMAGE, FUZZ_COUNTS };
void fuzz_tally(enum fuzz_count count);

#endif /* KITH_FUZZ_H */
