/*
 * queue.h - the queue of an arena: put, get, lend, hand back.
 *
 * Outcomes that are no trouble (KITH_EEMPTY, KITH_EFULL, KITH_ETIMEDOUT, KITH_ECLOSED,
 * KITH_EGONE, KITH_EINTERRUPTED) come without a sentence.
 */
#ifndef KITH__SHM_QUEUE_H
#define KITH__SHM_QUEUE_H

#include <kith/queue.h>

#include "shm/alloc.h"
#include "shm/poll.h"

struct kith__queue {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
};

struct kith__lent {
    uint64_t node;
    uint64_t fence;
    uint32_t attempts; /* before this one */
};

static inline struct kith__queue_root *
kith__queue_root(const struct kith__queue *queue)
{
    return (struct kith__queue_root *)kith__ptr(queue->arena, queue->off);
}

struct kith__queue_making {
    uint64_t capacity;
    uint32_t attempts_max;
    bool joinable;
    unsigned lending; /* gets lend up to 2^this many items at once; 0: they take for good */
    uint64_t dead_letter, dead_letter_id;
    const char *dead_letter_name;
};

/* How an item is put.  All zero: in the order of putting, at once. */
struct kith__put_how {
    int64_t priority;
    int64_t delay_ns;
    uint32_t attempts; /* how often it was lent before it was dumped */
};

/* ---- Items (queue_put.c, queue_get.c) ---------------------------------------------------- */

/* Puts all of `count` items, which fit the capacity together, or none. */
kith_err kith__queue_put(struct kith__self *self, const struct kith__queue *queue,
                         const struct kith_item *items, size_t count, int64_t deadline_ns);
/* Puts one at a place of its own. */
kith_err kith__queue_put_with(struct kith__self *self, const struct kith__queue *queue,
                              const struct kith_item *item, const struct kith__put_how *how,
                              int64_t deadline_ns);
/* Takes up to `count` items; at least one, or an error. */
kith_err kith__queue_get(struct kith__self *self, const struct kith__queue *queue, size_t count,
                         int64_t deadline_ns, struct kith_buf *items_out, size_t *got_out);
/* Takes the next item as a pinned extent (*pin_out), or copied into `copy` (*pin_out NULL). */
kith_err kith__queue_get_pinned(struct kith__self *self, const struct kith__queue *queue,
                                int64_t deadline_ns, struct kith_buf *copy, kith__word **pin_out,
                                uint64_t *node_out);
/* limit_ns: how long, KITH_FOREVER: as long as this process lives. */
kith_err kith__queue_lease(struct kith__self *self, const struct kith__queue *queue,
                           int64_t limit_ns, int64_t deadline_ns, struct kith_buf *item_out,
                           struct kith__lent *lent_out);
kith_err kith__queue_peek(struct kith__self *self, const struct kith__queue *queue,
                          struct kith_buf *item_out);

/* Whether nothing is in it and nothing will be. */
bool kith__queue_at_its_end(const struct kith__queue *queue);

/* ---- Leases (queue_lease.c) ------------------------------------------------------------- */

/* KITH_EGONE: the lease was lost, or its queue was destroyed. */
kith_err kith__queue_ack(struct kith__self *self, const struct kith__queue *queue,
                         const struct kith__lent *lent);
kith_err kith__queue_nack(struct kith__self *self, const struct kith__queue *queue,
                          const struct kith__lent *lent);
/* The lease ends `limit_ns` from now, or with KITH_FOREVER not before its holder. */
kith_err kith__queue_extend(struct kith__self *self, const struct kith__queue *queue,
                            const struct kith__lent *lent, int64_t limit_ns);
/*
 * Hands back what holder `owner` (slot | generation << 16) had on lease anywhere.  Of one that was
 * not `killed` but left, what its gets took is gone as from any other queue.
 */
kith_err kith__queues_hand_back(struct kith__self *self, uint64_t owner, bool killed);
/* Enters the queue into the chain of those that lend, once. */
kith_err kith__queue_chain(struct kith__self *self, const struct kith__queue *queue);

/* ---- Copies (queue_copy.c) -------------------------------------------------------------- */

/* One item as it waits in a queue. */
struct kith__queued {
    struct kith_item item;
    uint32_t attempts; /* how often it was lent */
    int64_t priority;
    int64_t delay_ns; /* what is left of it */
};

/* What a queue is besides its items. */
struct kith__queue_state {
    uint64_t capacity;
    uint32_t attempts_max;
    bool joinable, lending, closed;
    uint64_t dead_letter, dead_letter_id;
    uint64_t expected; /* items it says that it has */
    uint64_t count;    /* items copied */
};

/*
 * Calls `each` for every item, ready, leased or delayed, in the order in which they would be got if
 * all were ready, as of one instant; on a copy, with nothing locked.  *state_out is set before the
 * first call.  A non-zero return stops.  `rescue`: of a queue that breaks invariants, what can be
 * had of it.
 */
kith_err kith__queue_copy(struct kith__self *self, const struct kith__queue *queue, bool rescue,
                          struct kith__queue_state *state_out,
                          int (*each)(const struct kith__queued *queued, void *arg), void *arg);

#define KITH__RESTORE_MAX 64u
/* Puts up to KITH__RESTORE_MAX items in that were lent before; all or none, without waiting. */
kith_err kith__queue_restore(struct kith__self *self, const struct kith__queue *queue,
                             const struct kith__queued *queued, size_t count);

/* ---- Gets that lend (queue_taken.c) ------------------------------------------------------ */

#define KITH__LENDING 16u /* an option `lending` means so many, as a power of two */
/* KITH_EINVAL: as many were reported as were got. */
kith_err kith__queue_task_done(struct kith__self *self, const struct kith__queue *queue);

/* ---- For transactions: the locks are held by the caller ---------------------------------- */

/*
 * Tail lock held; with `how` not all zero, the head lock too.  KITH_EFULL, KITH_ECLOSED: as of the
 * record so far.
 */
kith_err kith__queue_link(struct kith__op *op, const struct kith__queue *queue,
                          const struct kith_item *item, const struct kith__put_how *how);
/* Head lock held. */
kith_err kith__queue_unlend(struct kith__op *op, const struct kith__queue *queue,
                            const struct kith__lent *lent);
/* After the commit: whoever may go on now, since `items` were added or came back, or some left. */
void kith__queue_raise(struct kith__self *self, struct kith__queue_root *root, int items,
                       bool left);
/* And if something becomes due earlier than before: whoever waits looks again. */
void kith__queue_raise_due(struct kith__self *self, struct kith__queue_root *root,
                           uint64_t due_before);

/* ---- The queue as a whole (queue_whole.c) ------------------------------------------------ */

kith_err kith__queue_init(struct kith__op *op, uint64_t off, uint64_t id, void *making);
kith_err kith__queue_lock_both(struct kith__self *self, uint64_t off);
void kith__queue_unlock_both(struct kith__self *self, uint64_t off);
void kith__queue_end(struct kith__op *op, uint64_t off);
void kith__queue_wake_all(struct kith__self *self, uint64_t off);
kith_err kith__queue_dismantle(struct kith__self *self, uint64_t off, kith__word *source,
                               uint64_t source_value);
kith_err kith__queue_shutdown(struct kith__self *self, const struct kith__queue *queue);

struct kith__queue_counts {
    uint64_t ready, lent, delayed, ever; /* ever: items put since it was made */
    uint64_t taken;                      /* lent by gets; not among those lent */
    uint64_t total;                      /* ready, lent and delayed: what a capacity counts */
};
/* All at one instant, without a lock. */
kith_err kith__queue_look(const struct kith__queue *queue, struct kith__queue_counts *out);
/* What is due is done first.  self may be NULL: a read-only opener, who sees it as it was. */
kith_err kith__queue_settled(struct kith__self *self, const struct kith__queue *queue,
                             struct kith__queue_counts *out);
kith_err kith__queue_count(struct kith__self *self, const struct kith__queue *queue,
                           uint64_t *ready_out, uint64_t *lent_out);
kith_err kith__queue_join(struct kith__self *self, const struct kith__queue *queue,
                          int64_t deadline_ns);
/* A descriptor that becomes readable when there is an item, or room; or the end: poll.c. */
kith_err kith__queue_arm(struct kith__self *self, const struct kith__queue *queue,
                         kith__poller_slot *slot, int *fd_out);
kith_err kith__queue_arm_room(struct kith__self *self, const struct kith__queue *queue,
                              kith__poller_slot *slot, int *fd_out);

#endif /* KITH__SHM_QUEUE_H */
