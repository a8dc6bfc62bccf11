/*
 * special.c - a user's lock that was made with options: fair, unowned, detecting; and the depth of
 * a recursive one.
 *
 * LAYOUT   sync root, `options`.  The word is that of lock.c, but of an unowned lock it names the
 *   process that took it: HOLDER, with the number of its slot, or with 0 once that process has left
 *   in good order.
 *
 * Waiting  in a row (row.c).
 *
 * Depth    Of a recursive lock the owner counts what it has more than once.  Nobody else looks at
 *   it but to show it; a dead owner's is forgotten by the next.
 *
 * STEPS    as in lock.h; an unowned lock is in no ledger.  Instead:
 *   C1 the lock is in the header's chain of unowned locks, for good   L2 the word names the process
 * DEATH
 *   owned      as in lock.c and row.c
 *   unowned    when a process is found dead, the chain is walked: words that name it become DIED,
 *              all who wait are called.  When it leaves in good order they come to name nobody.
 *
 * A root stays in the chain when its lock is destroyed, since its memory stays a sync root: a word
 * that names a process is one of an unowned lock, whatever the root was before.
 */
#include "shm/special.h"

#include "base/clock.h"
#include "base/error.h"
#include "shm/poll.h"
#include "shm/row.h"
#include "shm/rwlock.h"

/* ---- Depth ----------------------------------------------------------------------------- */

/* The caller has it already. */
kith_err
kith__acquire_again(struct kith__sync_root *root, const struct kith__sync *sync)
{
    uint64_t depth = kith__load(&root->depth);

    if ((root->options & KITH__SYNC_RECURSIVE) == 0)
        return KITH_EDEADLOCK;
    if (kith__load(&root->id) != sync->id)
        return KITH_EGONE;
    if (depth + 1 >= KITH_LOCK_DEPTH_MAX)
        return KITH_ERANGE;
    kith__store(&root->depth, depth + 1);
    return KITH_OK;
}

bool
kith__release_once(struct kith__sync_root *root)
{
    uint64_t depth = kith__load(&root->depth);

    if (depth == 0)
        return false;
    kith__store(&root->depth, depth - 1);
    return true;
}

/* ---- Unowned locks --------------------------------------------------------------------- */

static kith_err
enter_chain(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__op op;
    kith_err err;

    if (kith__load_acquire(&root->chained) != 0)
        return KITH_OK;
    err = kith__lock_acquire(self, &h->chain_lock);
    if (err < 0)
        return err;
    if (kith__load(&root->chained) == 0) {
        kith__op_begin(&op, self);
        kith__op_set(&op, &root->chain, kith__load(&h->unowned));
        kith__op_set(&op, &h->unowned, sync->off);
        kith__op_set(&op, &root->chained, 1);
        err = kith__op_commit(&op);
    }
    kith__lock_release(self, &h->chain_lock);
    return err;
}

void
kith__unowned_end(struct kith__arena *arena, unsigned holder, bool killed)
{
    uint64_t off = kith__load_acquire(&KITH__HEADER(arena)->unowned);
    uint64_t limit = arena->size / sizeof(struct kith__sync_root);

    for (uint64_t steps = 0; off != 0 && steps < limit; steps++) {
        struct kith__sync_root *root = kith__at(arena, off, sizeof *root);
        uint32_t word;

        if (root == NULL)
            return; /* overwritten: kith check tells of it */
        word = atomic_load(&root->lock.word);
        while ((word & KITH__LOCK_ACTOR) == (KITH__LOCK_HOLDER | holder)) {
            uint32_t after = killed ? (word & KITH__LOCK_WAITERS) | KITH__LOCK_DIED
                                    : (word & ~KITH__LOCK_ACTOR) | KITH__LOCK_HOLDER;

#ifdef KITH_MISTAKE_UNOWNED_STAYS_TAKEN
            after = (word & ~KITH__LOCK_ACTOR) | KITH__LOCK_HOLDER;
#endif
            if (atomic_compare_exchange_weak(&root->lock.word, &word, after))
                word = after;
        }
        /* Also one that another reaper freed, who may have died before he called. */
        if (killed && (word & KITH__LOCK_ACTOR) == 0 && (word & KITH__LOCK_DIED) != 0)
            kith__row_call_all(arena, off + offsetof(struct kith__sync_root, lock));
        off = kith__load(&root->chain);
    }
}

/* One that is not to wait: whether a dead process has it, of whose end nobody was told yet. */
static bool
taker_is_dead(struct kith__self *self, uint32_t word)
{
    unsigned holder = word & KITH__LOCK_ACTOR & ~KITH__LOCK_HOLDER;

    if ((word & KITH__LOCK_HOLDER) == 0 || holder == 0 || kith__holder_alive(self->arena, holder))
        return false;
    return self->arena->on_idle_holders(self);
}

/* ---- Releasing ------------------------------------------------------------------------- */

/* U2 and U3.  False: it was released, or destroyed, by another at the same time. */
static bool
free_word(struct kith__self *self, const struct kith__sync *sync, uint32_t word)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    bool owned = (root->options & KITH__SYNC_UNOWNED) == 0;

    do {
        if (owned ? (word & KITH__LOCK_ACTOR) != self->id : (word & KITH__LOCK_HOLDER) == 0)
            return false;
    } while (
        !atomic_compare_exchange_weak(&root->lock.word, &word, word & KITH__LOCK_WAITERS)); /* U2 */
    if ((word & KITH__LOCK_WAITERS) != 0)
        kith__row_pass_on(self, sync); /* U3 */
    if ((word & KITH__LOCK_POLLERS) != 0)
        kith__poke(self->arena);
    return true;
}

static kith_err
release(struct kith__self *self, const struct kith__sync *sync, uint32_t word)
{
    struct kith__actor *actor = self->actor;
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync);
    bool freed;

    if (kith__load(&root->since) != 0)
        kith__store(&root->since, 0);
    kith__store(&actor->pending_wake, entry); /* U1 */
    kith__step();
    freed = free_word(self, sync, word);
    kith__step();
    kith__store(&actor->pending_wake, 0); /* U4 */
    kith__step();
    if ((root->options & KITH__SYNC_UNOWNED) == 0)
        kith__ledger_drop(self, entry | KITH__LEDGER_USER); /* U5 */
    return freed ? KITH_OK : KITH_EPERM;
}

kith_err
kith__special_release(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t word = atomic_load_explicit(&root->lock.word, memory_order_relaxed);

    if ((root->options & KITH__SYNC_SHARED) != 0)
        return kith__rwlock_release(self, sync);
    if ((root->options & KITH__SYNC_UNOWNED) != 0)
        return (word & KITH__LOCK_HOLDER) == 0 ? KITH_EPERM : release(self, sync, word);
    if ((word & KITH__LOCK_ACTOR) != self->id)
        return KITH_EPERM;
    return kith__release_once(root) ? KITH_OK : release(self, sync, word);
}

/* ---- Acquiring ------------------------------------------------------------------------- */

static __attribute__((noinline)) kith_err
acquire_slowly(struct kith__self *self, const struct kith__sync *sync, uint32_t mine,
               int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__wait wait = { .deadline_ns = deadline_ns };
    kith_err err;

    kith__row_join(self, sync, false);
    err = kith__row_take(self, sync, &wait, mine, KITH__LOCK_WAITERS);
    if (err == KITH_ETIMEDOUT && taker_is_dead(self, atomic_load(&root->lock.word)))
        err = kith__row_take(self, sync, &wait, mine, KITH__LOCK_WAITERS);
    if (err >= 0)
        kith__row_leave_with(self);
    else
        kith__row_leave(self, sync);
    if (err >= 0) /* the time stamped at joining was another's */
        kith__store(&root->since, (uint64_t)kith__real_ns());
    if (err == KITH_EDEADLOCK)
        return kith__circle_tell(self, &wait.circle);
    return err;
}

/* The lock is `mine`, or `err` says why not; whether it still is what it was. */
static kith_err
settle(struct kith__self *self, const struct kith__sync *sync, uint32_t mine, kith_err err)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    if (err >= 0 && kith__load(&root->depth) != 0)
        kith__store(&root->depth, 0); /* a dead owner's */
    if (err >= 0 && kith__load(&root->id) != sync->id) {
        kith__row_unclaim(self, sync, mine);
        err = KITH_EGONE;
    }
    if (err < 0 && (root->options & KITH__SYNC_UNOWNED) == 0)
        kith__ledger_forget(self, kith__sync_entry(sync) | KITH__LEDGER_USER);
    if (self->husks_seen)
        kith__op_end(self);
    return err;
}
static __attribute__((noinline)) kith_err
acquire_any(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    bool owned = (root->options & KITH__SYNC_UNOWNED) == 0;
    uint32_t mine = owned ? self->id : KITH__LOCK_HOLDER | self->arena->holder, word = 0;
    kith_err err = KITH_OK;

    if ((root->options & KITH__SYNC_SHARED) != 0)
        return kith__rwlock_acquire(self, sync, deadline_ns);
    if (owned && (atomic_load_explicit(&root->lock.word, memory_order_relaxed) &
                  KITH__LOCK_ACTOR) == self->id)
        return kith__acquire_again(root, sync);
    if (!owned)
        err = enter_chain(self, sync); /* C1 */
    else if (kith__load(&self->actor->ledger.count) + 1 + KITH__LEDGER_SPARE >
             kith__load(&self->actor->ledger.room))
        err = kith__ledger_reserve(self, 8);
    if (err < 0)
        return err;
    if (owned)
        kith__ledger_write(self, kith__sync_entry(sync) | KITH__LEDGER_USER); /* L1 */
    if (!atomic_compare_exchange_strong_explicit(
            &root->lock.word, &word, mine, memory_order_acquire, memory_order_relaxed)) /* L2 */
        err = acquire_slowly(self, sync, mine, deadline_ns);
    return settle(self, sync, mine, err);
}

/* An unowned one that is free is had here, as quickly as one without options. */
kith_err
kith__special_acquire(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t mine = KITH__LOCK_HOLDER | self->arena->holder, word = 0;

    if ((root->options & KITH__SYNC_UNOWNED) == 0 || kith__load_acquire(&root->chained) == 0 ||
        !atomic_compare_exchange_strong_explicit(
            &root->lock.word, &word, mine, memory_order_acquire, memory_order_relaxed)) /* L2 */
        return acquire_any(self, sync, deadline_ns);
    if (kith__load(&root->depth) != 0 || kith__load(&root->id) != sync->id || self->husks_seen)
        return settle(self, sync, mine, KITH_OK);
    return KITH_OK;
}
