/*
 * txn_plan.h - a transaction on its way: its steps, the locks they need, and the room.
 */
#ifndef KITH__SHM_TXN_PLAN_H
#define KITH__SHM_TXN_PLAN_H

#include "shm/txn.h"

/* In which order locks are taken; an object is a shard or a value. */
enum kith__txn_rank { KITH__RANK_OBJECT, KITH__RANK_HEAD, KITH__RANK_TAIL };

/* A lock that some steps need. */
struct kith__txn_needed {
    struct kith__lock *lock;
    enum kith__txn_rank rank;
    uint32_t step;    /* one that needs it */
    uint64_t inserts; /* shards: keys that the steps may add */
    bool shard;
};

struct kith__txn_plan {
    struct kith__self *self;
    struct kith__txn_step *steps;
    size_t count;
    struct kith__txn_needed *locks;
    size_t lock_count, held;
    size_t failed;
    bool evicted;
    bool counted; /* tables were grown for just as many keys as come */
};

/* X1: takes all locks.  An error that a step is to blame for is in plan->failed. */
kith_err kith__txn_lock(struct kith__txn_plan *plan);
void kith__txn_unlock(struct kith__txn_plan *plan);
/* X2; *again_out: a dict was spread, so keys have other locks now. */
kith_err kith__txn_make_room(struct kith__txn_plan *plan, bool *again_out);
/* The step plan->failed found no place for its key. */
kith_err kith__txn_make_more_room(struct kith__txn_plan *plan);

#define KITH__TXN_AHEAD 16u
/* Asks for what steps after the one at `at` will look at: buckets so far ahead, entries half. */
void kith__txn_ask_ahead(const struct kith__txn_plan *plan, size_t at);

static inline bool
kith__txn_on_queue(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_PUT || step->what == KITH__TXN_ACK;
}

/* Whether it puts an item at a place of its own, which takes both locks of the queue. */
static inline bool
kith__txn_is_aside(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_PUT && (step->how.priority != 0 || step->how.delay_ns > 0);
}

static inline bool
kith__txn_on_value(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_VALUE_SET || step->what == KITH__TXN_VALUE_ADD ||
           step->what == KITH__TXN_IF_VALUE;
}

static inline bool
kith__txn_on_dict(const struct kith__txn_step *step)
{
    return !kith__txn_on_queue(step) && !kith__txn_on_value(step);
}

static inline bool
kith__txn_is_condition(const struct kith__txn_step *step)
{
    return step->what >= KITH__TXN_IF_ABSENT;
}

static inline bool
kith__txn_may_insert(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_SET || step->what == KITH__TXN_ADD;
}

#endif /* KITH__SHM_TXN_PLAN_H */
