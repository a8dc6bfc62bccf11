/*
 * syncs.h - the objects of a damaged arena by which processes wait for each other, but for locks
 * and events.
 */
#ifndef KITH_FUZZ_SYNCS_H
#define KITH_FUZZ_SYNCS_H

#include "fuzz.h"

/* A user's handles; each may be NULL, for opening fails in a damaged arena. */
struct syncs {
    kith_semaphore *semaphore[3]; /* bounded, fair, unowned */
    kith_condition *condition[2]; /* with a lock of its own, with a lock that has a name */
    kith_barrier *barrier[2];     /* of one party, of two */
    kith_once *once;
    kith_limiter *limiter;
};

#define SYNCS_COUNT 9u
extern const char *const syncs_names[SYNCS_COUNT];

void syncs_open(struct syncs *s, kith_space *space);
void syncs_close(struct syncs *s);

/* Each held by somebody, in a whole arena. */
void syncs_fill(struct syncs *s);

/* One call, or a few that belong together, of any function. */
void syncs_use(struct syncs *s);

#endif /* KITH_FUZZ_SYNCS_H */
