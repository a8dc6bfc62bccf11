/*
 * torture_worker.h - what the acts of a worker share.
 *
 * Each act that changes something opens an intent first and closes it last: see torture.h.  What
 * comes back is held against the model at once.
 */
#ifndef TORTURE_WORKER_H
#define TORTURE_WORKER_H

#include "torture.h"

#define LEASE_WAIT_NS (5 * MS)
#define LOCK_WAIT_NS (5000 * MS) /* the work under a lock takes microseconds */

/* A lease that is kept for a while. */
struct held {
    kith_lease *lease;
    unsigned slot;
    uint64_t seq;
};

/* One worker, in a process of its own. */
struct torture_worker {
    struct world *world;
    struct torture_space *space;
    struct slot *slot;
    unsigned index;
    uint64_t random;
    uint64_t plain_seen[SLOTS_MAX]; /* the last sequence number got from each putter */
    struct held held[LEASES_MAX];
    unsigned held_count;
    uint64_t burials; /* that there were when it came to the barrier */
    bool alone;       /* it passed the barrier, and nobody else was there */
    struct kith_buf buf;
    unsigned char *memory[THINGS_AT_ONCE + 1]; /* TORTURE_ITEM_MAX bytes each */
};

/* ---- torture_act.c ---- */

/* A number below `count`, at random. */
unsigned worker_pick(struct torture_worker *worker, unsigned count);

/* The intent, emptied: fill it, then open it with worker_begin(). */
struct intent *worker_intent(struct torture_worker *worker);
void worker_begin(struct torture_worker *worker, enum act act);
void worker_end(struct torture_worker *worker, enum act act);

/* True for KITH_OK; anything else is a violation. */
bool worker_succeeded(struct torture_worker *worker, const char *call, kith_err err);

/* Begins a transaction; NULL after a violation. */
kith_txn *worker_txn(struct torture_worker *worker);

/* ---- torture_numbers.c ---- */

void worker_add_own(struct torture_worker *worker);
void worker_add_hot(struct torture_worker *worker);
void worker_add_pair(struct torture_worker *worker);
void worker_transfer(struct torture_worker *worker);
void worker_set_bulk(struct torture_worker *worker);
void worker_look_at_sums(struct torture_worker *worker);

/* ---- torture_things.c ---- */

void worker_change_things(struct torture_worker *worker);
void worker_read_things(struct torture_worker *worker);

/* ---- torture_queues.c ---- */

void worker_put_jobs(struct torture_worker *worker);
void worker_lease_job(struct torture_worker *worker);
void worker_end_lease(struct torture_worker *worker);
void worker_move_job(struct torture_worker *worker);
void worker_take_moved(struct torture_worker *worker);
void worker_put_plain(struct torture_worker *worker);
void worker_get_plain(struct torture_worker *worker);

/* ---- torture_others.c ---- */

/* The work under a lock; `told`: its last owner died. */
void worker_inside(struct torture_worker *worker, struct guarded *guarded, bool told);

void worker_use_lock(struct torture_worker *worker);
void worker_turn_event(struct torture_worker *worker);
void worker_wait_for_event(struct torture_worker *worker);
void worker_scratch(struct torture_worker *worker);
void worker_create_and_destroy(struct torture_worker *worker);

/* ---- torture_kinds.c ---- */

void worker_change_list(struct torture_worker *worker);
void worker_add_values(struct torture_worker *worker);
void worker_use_rwlock(struct torture_worker *worker);
void worker_use_cache(struct torture_worker *worker);
void worker_use_ranked(struct torture_worker *worker);

/* ---- torture_permits.c ---- */

void worker_use_permits(struct torture_worker *worker);
void worker_use_signal(struct torture_worker *worker);
void worker_use_once(struct torture_worker *worker);
void worker_use_limiter(struct torture_worker *worker);

/* ---- torture_meet.c ---- */

void worker_meet(struct torture_worker *worker);
void worker_use_condition(struct torture_worker *worker);

/* ---- torture_nests.c ---- */

void worker_use_nests(struct torture_worker *worker);

#endif /* TORTURE_WORKER_H */
