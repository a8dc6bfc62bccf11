/*
 * mutex.c - the lock that users hold: one made without options, or only recursive.  special.c has
 * the others, rwlock.c those that can be shared.
 *
 * LAYOUT   sync root.  The word is 0, or its owner's actor id, or DIED.  WAITERS and POLLERS stand
 * in the root's signal, on which those sleep who wait.
 *
 * A user's lock is that of lock.c with these differences.  Its owner may be slow, so waiting is by
 * the caller's deadline.  When its owner dies the reaper leaves DIED in the word, which the next to
 * acquire it takes out and is told of.  And giving it back is a plain store.
 *
 * INVARIANTS
 *   M1  a word that names a living actor is changed by that actor alone, while the root is the lock
 *       whose id it has
 *   M2  the root becomes another object only when nobody is amid a release any more (sync.c)
 *   M3  if somebody sleeps on the signal, WAITERS is set in it, or a wake is owed by an actor whose
 *       ledger or waiting_on names it
 *
 * STEPS of acquiring                        of releasing
 *   L1 the ledger names it                    U1 pending_wake names it; then the id is looked at
 *   L2 the word names us                      U2 the word is 0: one plain store
 *  of waiting                                 U3 the signal is looked at, a sleeper woken
 *   N1 waiting_on names the signal            U4 the ledger forgets it
 *   N2 the signal is joined                   U5 pending_wake is clear
 *   N3 a barrier in all processes
 *   N4 the word and the id are looked at
 *   N5 asleep
 *
 * Why no wake is lost: there is no fence between U2 and U3, so the look of U3 may come before
 * others can see the store.  N3 makes up for that: either N4 sees the store, or U3 sees WAITERS. It
 * is paid by who is about to sleep, which costs ten times as much, and not by each release.
 *
 * Why a plain store is safe: nobody changes the word beside its owner (M1), so there is nothing
 * that a compare-and-swap would find.  Whoever destroys the lock does change it, but after it
 * cleared the id, and M2 holds from then until all those have gone on who had seen it.
 *
 * DEATH
 *   L1            the word does not hold the dead's id: the ledger entry is dropped
 *   L2 to U2      the reaper stores DIED and wakes all
 *   U2 to U4      the ledger still names it: the reaper wakes all
 *   a waiter      the reaper changes and wakes the signal that waiting_on names
 *
 * A lock that was destroyed while held is released by whoever destroyed it.  For its old owner
 * release then finds another id; what it may have claimed on the way it gives back by
 * compare-and-swap, since the memory may be another's lock by then.
 */
#include "base/clock.h"
#include "shm/grace.h"
#include "shm/row.h"
#include "shm/rwlock.h"
#include "shm/special.h"

static void
wake_one(struct kith__self *self, struct kith__sync_root *root)
{
#ifndef KITH_MISTAKE_LOCK_NO_WAKE
    kith__signal_wake(self, &root->signal, 1);
#else
    (void)self;
    (void)root;
#endif
}

/* ---- Waiting ---------------------------------------------------------------------------- */

/* Whether the owner that `word` names was found dead, so that the caller looks again. */
static bool
owner_is_dead(struct kith__self *self, struct kith__sync_root *root, uint32_t word)
{
    unsigned owner = word & KITH__LOCK_ACTOR;

    if (owner == 0 || owner > self->arena->actors_max || owner == self->id ||
        !kith__actor_flagged(self->arena, owner))
        return false;
    self->arena->on_death(self, owner);
    return (atomic_load(&root->lock.word) & KITH__LOCK_ACTOR) != owner;
}

/* N1 to N5, while the word is `word`. */
static enum kith__slept
sleep_for_lock(struct kith__self *self, const struct kith__sync *sync, uint32_t word,
               int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    enum kith__slept slept = KITH__SLEPT_AGAIN;
    uint32_t joined;

    kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->signal)); /* N1 */
    kith__step();
    joined = kith__signal_join(self, &root->signal); /* N2, N3 */
    if (atomic_load(&root->lock.word) == word && kith__load_acquire(&root->id) == sync->id) /* N4 */
        slept = kith__sleep(self, &root->signal, joined, deadline_ns, true);                /* N5 */
    kith__awake(self);
    return slept;
}

/* L2, of a lock that is not free. */
static kith_err
take(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    enum kith__slept slept = KITH__SLEPT_AGAIN;
    bool may_spin = true, joined = false;

    for (;;) {
        uint32_t word = atomic_load_explicit(&root->lock.word, memory_order_relaxed);
        kith_err err;

        if ((word & KITH__LOCK_ACTOR) == 0) {
            if (!atomic_compare_exchange_weak_explicit(&root->lock.word, &word, self->id,
                                                       memory_order_acquire, memory_order_relaxed))
                continue;
            return (word & KITH__LOCK_DIED) != 0 ? KITH_OWNER_DIED : KITH_OK;
        }
        if (owner_is_dead(self, root, word))
            continue;
        if (kith__load_acquire(&root->id) != sync->id)
            err = KITH_EGONE;
        else if (slept == KITH__SLEPT_INTERRUPTED)
            err = KITH_EINTERRUPTED;
        else if (slept == KITH__SLEPT_TIMEOUT || deadline_ns == 0)
            err = KITH_ETIMEDOUT;
        else
            err = KITH_OK;
        if (err < 0) {
            if (joined) /* a wake may have been ours, and for nothing */
                wake_one(self, root);
            return err;
        }
        if (may_spin && kith__spin(self, &root->lock.word, word))
            continue;
        may_spin = false;
        joined = true;
        slept = sleep_for_lock(self, sync, word, deadline_ns);
    }
}

/* Waits, seen by all who look at who waits. */
static __attribute__((noinline)) kith_err
wait_for_lock(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    kith_err err;

    if (deadline_ns == 0)
        return take(self, sync, 0);
    kith__row_join(self, sync, false);
    err = take(self, sync, deadline_ns);
    kith__row_leave_with(self); /* it slept on the signal, so no call was meant for it alone */
    if (err >= 0)               /* the time stamped at joining was another's */
        kith__store(&root->since, (uint64_t)kith__real_ns());
    return err;
}

/* ---- Acquiring -------------------------------------------------------------------------- */

/* The ledger names it, and the word did not name us, or the lock may not be what it was. */
static __attribute__((noinline)) kith_err
acquire_slowly(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns,
               bool have)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync) | KITH__LEDGER_USER;
    kith_err err = KITH_OK;

    if (!have && (atomic_load_explicit(&root->lock.word, memory_order_relaxed) &
                  KITH__LOCK_ACTOR) == self->id) {
        kith__ledger_drop(self, entry); /* the second of that name */
        return kith__acquire_again(root, sync);
    }
    if (!have)
        err = wait_for_lock(self, sync, deadline_ns);
#ifndef KITH_MISTAKE_RECURSIVE_KEEPS_DEPTH
    if (err == KITH_OWNER_DIED && kith__load(&root->depth) != 0)
        kith__store(&root->depth, 0); /* the dead owner's */
#endif
    if (err >= 0 && kith__load(&root->id) != sync->id) {
        kith__row_unclaim(self, sync, self->id);
        err = KITH_EGONE;
    }
    if (err < 0)
        kith__ledger_forget(self, entry);
    if (self->husks_seen)
        kith__op_end(self);
    return err;
}

/* L1, where the ledger may have to grow first, and L2. */
static __attribute__((noinline)) kith_err
acquire_with_room(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    kith_err err = kith__ledger_reserve(self, 8);

    if (err < 0)
        return err;
    kith__ledger_append(self, kith__sync_entry(sync) | KITH__LEDGER_USER);
    return acquire_slowly(self, sync, deadline_ns, false);
}

/* All that is out of the ordinary is called last, so that the rest needs no frame. */
kith_err
kith__mutex_acquire(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->ledger.count);
    uint32_t word = 0;

    kith__fetch_to_change(&root->lock);
    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    if ((root->options & KITH__SYNC_ROW) != 0)
        return kith__special_acquire(self, sync, deadline_ns);
    if (kith__load(&actor->ledger.area) != 0 || count >= KITH__LEDGER_INLINE - KITH__LEDGER_SPARE)
        return acquire_with_room(self, sync, deadline_ns);
    kith__store(&actor->ledger_inline[count], kith__sync_entry(sync) | KITH__LEDGER_USER); /* L1 */
    kith__step();
    kith__store(&actor->ledger.count, count + 1);
    kith__step();
    if (!atomic_compare_exchange_strong_explicit(
            &root->lock.word, &word, self->id, memory_order_acquire, memory_order_relaxed)) /* L2 */
        return acquire_slowly(self, sync, deadline_ns, false);
    if (kith__load(&root->id) != sync->id || self->husks_seen)
        return acquire_slowly(self, sync, deadline_ns, true);
    return KITH_OK;
}

/* ---- Releasing -------------------------------------------------------------------------- */

/* Destroyed while we held it.  If its memory is a lock of ours again, that one stays. */
static __attribute__((noinline)) kith_err
forget_destroyed(struct kith__self *self, const struct kith__sync *sync)
{
    uint32_t word = atomic_load_explicit(&kith__sync_root(sync)->lock.word, memory_order_relaxed);

    if ((word & KITH__LOCK_ACTOR) != self->id)
        kith__ledger_forget(self, kith__sync_entry(sync) | KITH__LEDGER_USER);
    kith__ledger_forget(self, kith__share_of(sync->off, sync->id));
    kith__ledger_forget(self, kith__share_of(sync->off, sync->id) | KITH__LEDGER_TOLD);
    return KITH_EGONE;
}

/* U1 did not find what it was to find. */
static __attribute__((noinline)) kith_err
refuse_release(struct kith__self *self, const struct kith__sync *sync)
{
    kith__store_release(&self->actor->pending_wake, 0);
    return kith__load_acquire(&kith__sync_root(sync)->id) != sync->id ? forget_destroyed(self, sync)
                                                                      : KITH_EPERM;
}

/* U3 to U5, where somebody may wait or the ledger's last entry is another. */
static __attribute__((noinline)) kith_err
end_release(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    if ((atomic_load(&root->signal) & (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS)) != 0)
        wake_one(self, root);
    kith__step();
    kith__ledger_forget(self, kith__sync_entry(sync) | KITH__LEDGER_USER);
    kith__step();
    kith__store_release(&self->actor->pending_wake, 0);
    return KITH_OK;
}

static inline kith_err
release(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;
    uint64_t entry = kith__sync_entry(sync), last;

    kith__store(&actor->pending_wake, entry); /* U1 */
    kith__step();
    if (kith__load_acquire(&root->id) != sync->id ||
        (atomic_load_explicit(&root->lock.word, memory_order_relaxed) & KITH__LOCK_ACTOR) !=
            self->id)
        return refuse_release(self, sync);
    if (kith__load(&root->since) != 0)
        kith__store(&root->since, 0);
    kith__step();
    atomic_store_explicit(&root->lock.word, 0, memory_order_release); /* U2 */
    kith__step();
    last = kith__load(&actor->ledger.count) - 1;
    if ((atomic_load_explicit(&root->signal, memory_order_relaxed) &
         (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS)) != 0 || /* U3 */
        kith__load(&actor->ledger.area) != 0 ||
        last >= KITH__LEDGER_INLINE ||
        kith__load(&actor->ledger_inline[last]) != (entry | KITH__LEDGER_USER))
        return end_release(self, sync);
    kith__store(&actor->ledger.count, last); /* U4 */
    kith__step();
    kith__store_release(&actor->pending_wake, 0); /* U5 */
    return KITH_OK;
}

/* Of a lock with options: whether its owner has it more than once, or it is given back otherwise.
 */
static __attribute__((noinline)) kith_err
release_with_options(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    if (kith__load_acquire(&root->id) != sync->id)
        return forget_destroyed(self, sync);
    if ((root->options & KITH__SYNC_ROW) != 0)
        return kith__special_release(self, sync);
    if ((atomic_load_explicit(&root->lock.word, memory_order_relaxed) & KITH__LOCK_ACTOR) ==
            self->id &&
        kith__release_once(root))
        return KITH_OK;
    return release(self, sync);
}

kith_err
kith__mutex_release(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    /* One that is recursive, and had once, is released as any other. */
    if ((root->options & ~(uint32_t)KITH__SYNC_RECURSIVE) != 0 || kith__load(&root->depth) != 0)
        return release_with_options(self, sync);
    return release(self, sync);
}

/* ---- Polling ---------------------------------------------------------------------------- */

/* Who waits for a lock with options has WAITERS, and who polls it POLLERS, in the word itself. */
static bool
arm_word(struct kith__sync_root *root)
{
    uint32_t word = atomic_load(&root->lock.word);

    /* A lock that is free has no bit: its next owner would not know of it. */
    while ((word & KITH__LOCK_ACTOR) != 0 &&
           !atomic_compare_exchange_weak(&root->lock.word, &word, word | KITH__LOCK_POLLERS))
        ;
    return (word & KITH__LOCK_ACTOR) != 0;
}

static bool
arm_signal(struct kith__self *self, struct kith__sync_root *root)
{
    atomic_fetch_or(&root->signal, KITH__SIGNAL_POLLERS);
    kith__barrier_everywhere(self);
    return (atomic_load(&root->lock.word) & KITH__LOCK_ACTOR) != 0;
}

kith_err
kith__mutex_arm(struct kith__self *self, const struct kith__sync *sync, kith__poller_slot *slot,
                int *fd_out)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__poller *poller;
    kith_err err = kith__poller_arm(self, slot, &poller);
    bool held;

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    held = (root->options & KITH__SYNC_ROW) != 0 ? arm_word(root) : arm_signal(self, root);
    if (!held || kith__load_acquire(&root->id) != sync->id)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}
