/*
 * search.h - whether a history can be put into one order that its results agree with.
 *
 * An operation takes effect at one instant between its call and its return.  One that was killed
 * has no return: it took effect at some instant after its call, or never.
 */
#ifndef LINEAR_SEARCH_H
#define LINEAR_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_MAX 64 /* operations on one object, or one key of it */

struct operation {
    int what;
    int64_t a, b;       /* what it was given */
    int64_t result;     /* what it gave, if err says that it did */
    int err;            /* its kith_err */
    uint64_t call, ret; /* ticks of the history's clock; ret 0: killed in the middle */
};

struct state {
    int64_t n;
    bool there;
    uint8_t count;
    uint8_t items[HISTORY_MAX];
};

struct model {
    const char *name;
    struct state start;
    /*
     * Carries the operation out, and tells whether it could have had the result it had; of one that
     * was killed (ret 0) nobody knows the result.
     */
    bool (*apply)(struct state *state, const struct operation *operation);
};

/* `count` operations, HISTORY_MAX at most, in any order. */
bool linear(const struct model *model, const struct operation *operations, size_t count);

#endif /* LINEAR_SEARCH_H */
