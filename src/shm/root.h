/*
 * root.h - what the objects whose memory is of KITH__CLASS_ROOT share: locking, waiting in their
 * row, and being found when a process ends for which they hold something.
 *
 * Errors come without a sentence as in sync.h.
 */
#ifndef KITH__SHM_ROOT_H
#define KITH__SHM_ROOT_H

#include "shm/kind.h"
#include "shm/queue.h"
#include "shm/row.h"

/* One object. */
struct kith__root_ref {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
};

static inline struct kith__root *
kith__root_of(const struct kith__root_ref *ref)
{
    return (struct kith__root *)kith__ptr(ref->arena, ref->off);
}

/* ---- Its lock --------------------------------------------------------------------------- */

/* KITH_EGONE: destroyed. */
static inline kith_err
kith__root_lock(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__root *root = kith__root_of(ref);
    kith_err err = kith__lock_acquire(self, &root->lock);

    if (err == KITH_OK && kith__load(&root->id) != ref->id) {
        kith__lock_release(self, &root->lock);
        err = KITH_EGONE;
    }
    return err;
}

static inline void
kith__root_unlock(struct kith__self *self, const struct kith__root_ref *ref)
{
    kith__lock_release(self, &kith__root_of(ref)->lock);
}

/*
 * With a change that `count` of those may have waited for who sleep on the first signal.  The
 * lock is in the ledger until they are woken, so a reaper wakes them.
 */
static inline void
kith__root_unlock_raise(struct kith__self *self, const struct kith__root_ref *ref, int count)
{
    struct kith__root *root = kith__root_of(ref);

    kith__lock_free(self, &root->lock);
    kith__signal_raise(self, &root->signal[0], count);
    kith__lock_forget(self, &root->lock);
}

/* ---- Its row ---------------------------------------------------------------------------- */

/* What those have in `wanted` who wait in a row of the root at `off`, and sleep on `call`. */
static inline uint64_t
kith__root_wanted(uint64_t off)
{
    return (off + offsetof(struct kith__root, lock)) | KITH__WANTED_ROOT;
}

/*
 * A descriptor that becomes readable when the first signal is raised: poll.c; at once, if `ready`,
 * which may be NULL, finds it so.
 */
kith_err kith__root_arm(struct kith__self *self, const struct kith__root_ref *ref,
                        kith__poller_slot *slot,
                        bool (*ready)(struct kith__self *self, const struct kith__root_ref *ref),
                        int *fd_out);

/* After its end: whoever sleeps on it, or is about to, looks again. */
void kith__root_wake_all(struct kith__self *self, uint64_t off);

/* ---- For struct kith__kind -------------------------------------------------------------- */

kith_err kith__root_kind_lock(struct kith__self *self, const struct kith__object *object,
                              struct kith__object_locks *locks);
void kith__root_kind_unlock(struct kith__self *self, const struct kith__object *object,
                            struct kith__object_locks *locks);
void kith__root_want(struct kith__walk *w, uint64_t off, enum kith__rank rank);
/* Notes it if the lock is none. */
void kith__root_check(struct kith__walk *w, uint64_t off, const char *what);
/* Sets bytes and created_ns, for one that has `more` bytes of blocks. */
void kith__root_describe(struct kith__arena *arena, uint64_t off, uint64_t more,
                         struct kith_info *info);
/* Fills in what all have but the id, of memory that may have been another root. */
void kith__root_init(struct kith__arena *arena, uint64_t off);

/* ---- Threads and processes --------------------------------------------------------------- */

/* A thread by its number and the generation of its slot, which no other ever has. */
static inline uint64_t
kith__actor_name(const struct kith__arena *arena, unsigned actor)
{
    return actor | KITH__SLOT_GENERATION(kith__load_acquire(&kith__actor_at(arena, actor)->state))
                       << 16;
}

/* Whether the thread of that name lives; one that is dead is, until somebody has found it so. */
bool kith__actor_lives(struct kith__arena *arena, uint64_t name);
/* As it is now, whether or not anybody has looked: asks the system. */
bool kith__owner_lives(struct kith__arena *arena, uint64_t owner);

/*
 * Enters the object in the header's chain, so that it is asked for what it holds when a process
 * ends.  No lock is held.  KITH_EGONE: destroyed.
 */
kith_err kith__root_enter_chain(struct kith__self *self, const struct kith__root_ref *ref,
                                enum kith_kind kind);

static inline kith_err
kith__root_chain(struct kith__self *self, const struct kith__root_ref *ref, enum kith_kind kind)
{
    if (kith__load(&kith__root_of(ref)->chained) == (ref->id | (uint64_t)kind << 56))
        return KITH_OK;
    return kith__root_enter_chain(self, ref, kind);
}

/* Has all in the chain give back what they hold for `owner`, which ended.  No lock is held. */
kith_err kith__roots_release(struct kith__self *self, uint64_t owner, bool killed);

#endif /* KITH__SHM_ROOT_H */
