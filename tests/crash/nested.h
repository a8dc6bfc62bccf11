/*
 * nested.h - the reaper dies too, or is slow, at each of its stores.
 */
#ifndef KITH__NESTED_H
#define KITH__NESTED_H

#include <setjmp.h>

#include "image.h"
#include "trap.h"
#include "watch.h"

#define OUTCOMES_MAX 8
#define CHANGED_MAX 64u

/* Pages of the arena, by their offsets; `all`: any of them. */
struct pages {
    uint64_t at[CHANGED_MAX];
    unsigned count;
    bool all;
};
void pages_add(struct pages *pages, uint64_t off);

/* What was seen after deaths, and from which step to which. */
struct outcomes {
    char *text[OUTCOMES_MAX];
    uint64_t first[OUTCOMES_MAX], last[OUTCOMES_MAX];
    unsigned count;
};

/* In stepper.c. */
void complain(const struct scenario *scenario, uint64_t step, const char *what,
              struct totals *totals);
/* The scenario's line of the table. */
void print_line(const struct scenario *scenario, const struct totals *totals);
/* Cleans up in the image, checks it, and looks: what it saw, as a number; 0: it was broken. */
uint64_t survive(const struct scenario *scenario, const struct stage *stage, struct image *image,
                 uint64_t step, struct outcomes *outcomes, struct totals *totals);

struct nested {
    const struct scenario *scenario;
    const struct stage *stage;
    struct totals *totals;
    int fd;                     /* a file for the image that the reaper works in */
    struct image reaper, after; /* and that image after its death */
    struct fingerprint print;
    struct hashes states; /* images tried -> what was seen in them */
    struct hashes codes;  /* images and the code's own state: from here on all was tried */
    uint8_t *before;      /* the arena as it was when the last run began */
    /* That run left nothing out while this is on, and none of these words was read in it. */
    struct watch watch;
    unsigned patience,
        pause;          /* runs that leave nothing out are many states: not all are worth it */
    uint64_t followers; /* deaths that were the last run once more */
    /* The run under way. */
    struct trap trap;
    sigjmp_buf out;
    const char *stack;
    bool reaping; /* it is the reaper's code that runs, watched */
    bool outside; /* it is our own, called after a store */
    uint64_t step, last, expected;
    unsigned stride, fresh; /* every how manyth new state a third party works; so far */
    bool third;             /* we are the process in which it did */
    struct image work;      /* ... and this is its thread */
    int64_t added;          /* ... and how often it added to its key */
};

void nested_begin(struct nested *nested, const struct scenario *scenario, const struct stage *stage,
                  struct totals *totals);
/*
 * The victim is dead, after `step` steps, in the arena as it is now.  Its survivor saw `expected`.
 * A third party works at every `stride`th new state of the reaper's; 0: never.  `changed` are the
 * pages that changed since the last time: whether they are looked into is found out.
 */
void nested_try(struct nested *nested, uint64_t step, uint64_t expected, unsigned stride,
                const struct pages *changed);
/* Whether a run would be the last one again: what `changed` since then was read by nobody. */
bool nested_is_same(struct nested *nested, const struct pages *changed);
void nested_end(struct nested *nested);

#endif /* KITH__NESTED_H */
