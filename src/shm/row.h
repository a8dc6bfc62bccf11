/*
 * row.h - those who wait for a user's lock: seen by all, in the order in which they came.
 *
 * An actor waits for one lock at most, so the row of a lock is no list: it is all living actors
 * whose `wanted` names the lock, by their tickets.  Who dies has left it.
 */
#ifndef KITH__SHM_ROW_H
#define KITH__SHM_ROW_H

#include "shm/deadlock.h"
#include "shm/sync.h"

#define KITH__WANTED_SHARED UINT64_C(1) /* in `wanted`: waits to share the lock */
#define KITH__WANTED_ROOT UINT64_C(2)   /* no lock of a user, but what a root has: see root.h */

/* The offset by which ledgers, rows and wakes name a lock. */
static inline uint64_t
kith__sync_entry(const struct kith__sync *sync)
{
    return sync->off + offsetof(struct kith__sync_root, lock);
}

static inline struct kith__sync_root *
kith__root_of_entry(const struct kith__arena *arena, uint64_t entry)
{
    return (struct kith__sync_root *)kith__ptr(arena,
                                               entry - offsetof(struct kith__sync_root, lock));
}

/* One look at a row. */
struct kith__row {
    unsigned count;
    unsigned first; /* an actor; 0: nobody waits */
    uint64_t first_ticket;
    unsigned first_alone; /* the first of those who want the lock for themselves */
    uint64_t alone_ticket;
};
void kith__row_look(struct kith__self *self, uint64_t entry, struct kith__row *row_out);

/* Whether the caller, who is in the row with `ticket`, may take the lock if it is free. */
bool kith__row_my_turn(const struct kith__sync_root *root, const struct kith__row *row,
                       uint64_t ticket, bool shared);

/*
 * Enters the row.  What the caller sees of the lock's word after this was there, or came, after
 * others could see it in the row.
 */
void kith__row_join(struct kith__self *self, const struct kith__sync *sync, bool shared);
/* Leaves it: with the lock, or without it; then a call that was the caller's is passed on. */
void kith__row_leave_with(struct kith__self *self);
void kith__row_leave(struct kith__self *self, const struct kith__sync *sync);

/* The lock has no owner: calls those whose turn it is. */
void kith__row_pass_on(struct kith__self *self, const struct kith__sync *sync);

/*
 * Takes the caller's claim, `mine` in the word, off what was destroyed meanwhile.  It may be
 * another lock by now, of any kind, so all who may sleep for it are called.
 */
void kith__row_unclaim(struct kith__self *self, const struct kith__sync *sync, uint32_t mine);

/* Wakes one who waits, or all who want a lock: they look again. */
void kith__row_call(struct kith__arena *arena, unsigned actor);
void kith__row_call_all(struct kith__arena *arena, uint64_t entry);

/* One wait in a row, from when the caller joined. */
struct kith__wait {
    int64_t deadline_ns; /* 0: it looks, and does not sleep */
    bool slept;
    struct kith__circle circle; /* set with KITH_EDEADLOCK */
};

/*
 * One round of waiting, after the caller found that it can't go on: `call`, read from its slot
 * first, and then `word` are what it saw.  KITH_OK: it looks again; else what ends the wait.
 */
kith_err kith__row_wait(struct kith__self *self, const struct kith__sync *sync,
                        struct kith__wait *wait, uint32_t call, uint32_t word);

/*
 * Waits until it is the caller's turn, and stores `mine` with the flags `kept` of the word before.
 * KITH_OWNER_DIED: DIED was among these.  The caller has joined, and leaves whatever comes.
 */
kith_err kith__row_take(struct kith__self *self, const struct kith__sync *sync,
                        struct kith__wait *wait, uint32_t mine, uint32_t kept);

#endif /* KITH__SHM_ROW_H */
