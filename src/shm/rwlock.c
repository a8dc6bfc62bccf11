/*
 * rwlock.c - a lock that many may share, or one may have alone.
 *
 * LAYOUT   sync root: the lock's word is that of who has it alone, the writer.  A share is an entry
 *   in the ledger of its owner, the reader, and nothing else: readers write only to their own
 *   slots, so that they do not slow each other down.
 *
 * INVARIANTS
 *   S1  while the word names an actor without CLAIM, no ledger of a living actor has a share, but
 *       that of one who is about to see the word and give it back
 *   S2  a reader that is in has a share in its ledger, and saw the word without an owner after that
 *
 * STEPS of a reader                           STEPS of a writer
 *   S1 the ledger has the share                 W1 the ledger names the lock
 *   S2 a full barrier                           W2 the word names it, with CLAIM
 *   S3 the word has no owner: it is in          W3 a full barrier
 *      else the share is given back             W4 all ledgers are searched: while one has a
 *                                                  share, it sleeps, and is called
 *                                               W5 CLAIM is taken out: it is in
 *   giving back
 *   G1 pending_wake names the lock
 *   G2 the ledger has no share   G3 a full barrier   G4 if the word has CLAIM its owner is called
 *   G5 pending_wake is clear
 *
 * Either the reader's look at S3 sees the writer's W2, or the search of W4 sees the share: a store,
 * a full barrier and a look on both sides.  A writer that was seen keeps others out from W2 on, so
 * readers that come later do not keep it waiting.  A reader in a row waits while a writer does
 * (row.c), so a writer goes first; with `fair` the one who came first does.
 *
 * A ledger is searched from its end.  An entry moves only towards the beginning, when another is
 * taken out of the middle, and is stored there before the end is cut off, with a release in
 * between: so a share that was there all the time is met.  If the ledger moved to another place
 * meanwhile it is searched again.
 *
 * DEATH
 *   a reader    its share is no more when its slot is not LIVE; the reaper then calls all who wait
 *   W1          the word does not hold the dead's id: nothing happened
 *   W2 to W5    the word loses its owner, and keeps DIED if it had it: the dead was not in
 *   from W5     as any lock: DIED is left in the word
 *   a reader that was told of a writer's death took DIED out of the word; if it dies with the lock,
 *   having written so into its ledger before (TOLD), the reaper puts DIED back
 *
 * LIMITS    A writer looks at a line or two of each actor of the arena.  A share names 17 bits of
 *   the lock's id: a share of a lock destroyed 131,072 objects ago may keep a writer waiting that
 *   has its memory.
 */
#include "shm/rwlock.h"

#include "base/clock.h"
#include "shm/poll.h"
#include "shm/row.h"

/* ---- Shares ---------------------------------------------------------------------------- */

static bool
is_share(uint64_t entry, uint64_t share)
{
    return (entry & ~KITH__LEDGER_TOLD) == share;
}

static bool
has_share(const struct kith__arena *arena, struct kith__actor *actor, uint64_t share)
{
    for (;;) {
        uint64_t area = kith__load_acquire(&actor->ledger.area);
        uint64_t count = kith__load_acquire(&actor->ledger.count);
        kith__word *ledger = count == 0 || count > kith__load(&actor->ledger.room)
                                 ? NULL
                                 : kith__ledger_at(arena, actor, count);

        for (uint64_t i = count; ledger != NULL && i-- > 0;)
            if (is_share(kith__load_acquire(&ledger[i]), share))
                return true;
        if (kith__load_acquire(&actor->ledger.area) == area)
            return false;
    }
}

unsigned
kith__sharer_after(struct kith__arena *arena, uint64_t share, unsigned after)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = after + 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if (kith__load_acquire(&actor->ledger.count) != 0 &&
            KITH__SLOT_KIND(kith__load_acquire(&actor->state)) == KITH__SLOT_LIVE &&
            has_share(arena, actor, share))
            return id;
    }
    return 0;
}

/* How many shares of the lock the caller has, and whether it was told of a death with one. */
static unsigned
own_shares(struct kith__self *self, uint64_t share, uint64_t *entry_out)
{
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->ledger.count);
    kith__word *ledger = kith__ledger_at(self->arena, actor, count);
    unsigned shares = 0;

    for (uint64_t i = count; ledger != NULL && i-- > 0;) {
        uint64_t entry = kith__load(&ledger[i]);

        if (!is_share(entry, share))
            continue;
        /* The one with TOLD is given back last. */
        if (shares++ == 0 || (*entry_out & KITH__LEDGER_TOLD) != 0)
            *entry_out = entry;
    }
    return shares;
}

/*
 * A release, not a mere store: what the reader read while it was in, it has read by then.  The one
 * that looks reads the count by an acquire.
 */
static void
drop_share(struct kith__self *self, uint64_t share)
{
    struct kith__vec *vec = &self->actor->ledger;
    uint64_t count = kith__load(&vec->count);
    kith__word *ledger = kith__ledger_at(self->arena, self->actor, count);

    atomic_thread_fence(memory_order_release);
    if (count > 0 && ledger != NULL && kith__load(&ledger[count - 1]) == share)
        kith__store_release(&vec->count, count - 1);
    else
        kith__ledger_forget(self, share);
}

static void
give_back(struct kith__self *self, const struct kith__sync *sync, uint64_t share)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;
    uint32_t word;

    kith__store(&actor->pending_wake, kith__sync_entry(sync)); /* G1 */
    drop_share(self, share);                                   /* G2 */
    atomic_thread_fence(memory_order_seq_cst);                 /* G3 */
    word = atomic_load_explicit(&root->lock.word, memory_order_relaxed);
#ifndef KITH_MISTAKE_SHARE_NO_WAKE
    if (__builtin_expect((word & KITH__LOCK_CLAIM) != 0, 0) &&
        (word & KITH__LOCK_ACTOR) <= self->arena->actors_max && (word & KITH__LOCK_ACTOR) != 0)
        kith__row_call(self->arena, word & KITH__LOCK_ACTOR); /* G4 */
#endif
    kith__step();
    kith__store(&actor->pending_wake, 0); /* G5 */
}

static kith_err
room_in_ledger(struct kith__self *self)
{
    if (kith__load(&self->actor->ledger.count) + 1 + KITH__LEDGER_SPARE <=
        kith__load(&self->actor->ledger.room))
        return KITH_OK;
    return kith__ledger_reserve(self, 8);
}

/* ---- Giving back ----------------------------------------------------------------------- */

static void
release_alone(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;
    uint64_t entry = kith__sync_entry(sync);
    uint32_t word = atomic_load_explicit(&root->lock.word, memory_order_relaxed);

    if (kith__load(&root->since) != 0)
        kith__store(&root->since, 0);
    kith__store(&actor->pending_wake, entry); /* U1 */
    kith__step();
    do { /* U2 */
        if ((word & KITH__LOCK_ACTOR) != self->id)
            break; /* destroyed meanwhile */
    } while (!atomic_compare_exchange_weak(&root->lock.word, &word, word & KITH__LOCK_WAITERS));
    if ((word & KITH__LOCK_WAITERS) != 0)
        kith__row_pass_on(self, sync); /* U3 */
    if ((word & KITH__LOCK_POLLERS) != 0)
        kith__poke(self->arena);
    kith__step();
    kith__store(&actor->pending_wake, 0); /* U4 */
    kith__step();
    kith__ledger_drop(self, entry | KITH__LEDGER_USER); /* U5 */
}

kith_err
kith__rwlock_release(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t share = kith__share_of(sync->off, sync->id), entry;
    uint64_t count = kith__load(&self->actor->ledger.count);
    kith__word *ledger = kith__ledger_at(self->arena, self->actor, count);

    if (count > 0 && ledger != NULL && kith__load(&ledger[count - 1]) == share)
        give_back(self, sync, share); /* as a rule it is the last */
    else if ((atomic_load_explicit(&root->lock.word, memory_order_relaxed) & KITH__LOCK_ACTOR) ==
             self->id)
        release_alone(self, sync);
    else if (own_shares(self, share, &entry) != 0)
        give_back(self, sync, entry);
    else
        return KITH_EPERM;
    return KITH_OK;
}

/* ---- Readers --------------------------------------------------------------------------- */

/*
 * In with a share just written into the ledger?  KITH_EUNAVAILABLE: a writer was faster, and the
 * share was given back.
 */
static kith_err
enter_shared(struct kith__self *self, const struct kith__sync *sync, uint64_t share)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;
    uint32_t word = atomic_load(&root->lock.word);
    bool told = false;

    while ((word & KITH__LOCK_ACTOR) == 0 && (word & KITH__LOCK_DIED) != 0) {
        uint64_t count = kith__load(&actor->ledger.count);
        kith__word *ledger = kith__ledger_at(self->arena, actor, count);

        if (!told && ledger != NULL && count > 0)
            kith__store(&ledger[count - 1], share | KITH__LEDGER_TOLD);
        told = true;
        kith__step();
        if (atomic_compare_exchange_strong(&root->lock.word, &word, word & ~KITH__LOCK_DIED))
            return KITH_OWNER_DIED;
    }
    if ((word & KITH__LOCK_ACTOR) == 0)
        /* Another was told meanwhile.  The flag stays: at worst somebody is told once more. */
        return KITH_OK;
    give_back(self, sync, told ? share | KITH__LEDGER_TOLD : share);
    return KITH_EUNAVAILABLE;
}

static kith_err
wait_shared(struct kith__self *self, const struct kith__sync *sync, uint64_t share,
            struct kith__wait *wait)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    for (;;) {
        uint32_t call = atomic_load(&self->actor->call);
        uint32_t word = atomic_load(&root->lock.word);
        struct kith__row row;
        kith_err err;

        if (kith__load_acquire(&root->id) != sync->id)
            return KITH_EGONE;
        if ((word & KITH__LOCK_ACTOR) == 0) {
            kith__row_look(self, kith__sync_entry(sync), &row);
            if (kith__row_my_turn(root, &row, kith__load(&self->actor->ticket), true)) {
                kith__ledger_write(self, share);           /* S1 */
                atomic_thread_fence(memory_order_seq_cst); /* S2 */
                err = enter_shared(self, sync, share);
                if (err >= 0)
                    return err;
                continue;
            }
        }
        err = kith__row_wait(self, sync, wait, call, word);
        if (err < 0)
            return err;
    }
}

/* The word was not plainly free when the share, which is in the ledger, was taken. */
static __attribute__((noinline)) kith_err
share_slowly(struct kith__self *self, const struct kith__sync *sync, uint64_t share,
             int64_t deadline_ns)
{
    struct kith__wait wait = { .deadline_ns = deadline_ns };
    uint64_t entry;
    kith_err err;

    /* One that is in already need not wait, and must not: a writer may be waiting for it. */
    if (own_shares(self, share, &entry) > 1 && kith__load(&kith__sync_root(sync)->id) == sync->id)
        return KITH_OK;
    give_back(self, sync, share);
    if (kith__load_acquire(&kith__sync_root(sync)->id) != sync->id)
        return KITH_EGONE;
    kith__row_join(self, sync, true);
    err = wait_shared(self, sync, share, &wait);
    kith__row_leave(self, sync); /* and whoever may come in beside us is called */
    if (err >= 0 && kith__load(&kith__sync_root(sync)->id) != sync->id) {
        kith__rwlock_release(self, sync);
        err = KITH_EGONE;
    }
    if (self->husks_seen)
        kith__op_end(self);
    return err == KITH_EDEADLOCK ? kith__circle_tell(self, &wait.circle) : err;
}

kith_err
kith__rwlock_acquire_shared(struct kith__self *self, const struct kith__sync *sync,
                            int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t share = kith__share_of(sync->off, sync->id);
    uint32_t word = atomic_load_explicit(&root->lock.word, memory_order_relaxed);
    kith_err err;

    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    if ((word & KITH__LOCK_ACTOR) == self->id)
        return KITH_EDEADLOCK;
    err = room_in_ledger(self);
    if (err < 0)
        return err;
    kith__ledger_write(self, share);           /* S1 */
    atomic_thread_fence(memory_order_seq_cst); /* S2 */
    word = atomic_load_explicit(&root->lock.word, memory_order_acquire);
    if (__builtin_expect(word == 0 && kith__load(&root->id) == sync->id, 1))
        return KITH_OK; /* S3 */
    return share_slowly(self, sync, share, deadline_ns);
}

/* ---- Writers --------------------------------------------------------------------------- */

static bool
shared_by_others(struct kith__self *self, uint64_t share, unsigned *whom_out)
{
    unsigned id = 0;

#ifdef KITH_MISTAKE_WRITER_IGNORES_SHARES
    return false;
#endif
    atomic_thread_fence(memory_order_seq_cst); /* W3 */
    do
        id = kith__sharer_after(self->arena, share, id);
    while (id == self->id);
    *whom_out = id;
    return id != 0;
}

/* Takes CLAIM out of the word: the caller is in, or, with `out`, has given it up. */
static kith_err
end_claim(struct kith__self *self, struct kith__sync_root *root, bool out)
{
    uint32_t word = atomic_load(&root->lock.word), after;

    do {
        if ((word & (KITH__LOCK_CLAIM | KITH__LOCK_ACTOR)) != (KITH__LOCK_CLAIM | self->id))
            return KITH_EGONE; /* destroyed: the word is another's */
        after = out ? word & (KITH__LOCK_WAITERS | KITH__LOCK_DIED)
                    : word & ~(KITH__LOCK_CLAIM | KITH__LOCK_DIED);
    } while (!atomic_compare_exchange_weak(&root->lock.word, &word, after)); /* W5 */
    return !out && (word & KITH__LOCK_DIED) != 0 ? KITH_OWNER_DIED : KITH_OK;
}

/* The word names the caller, with CLAIM, and the row knows it. */
static kith_err
wait_for_readers(struct kith__self *self, const struct kith__sync *sync, struct kith__wait *wait)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t share = kith__share_of(sync->off, sync->id);

    for (;;) {
        uint32_t call = atomic_load(&self->actor->call);
        unsigned reader;
        kith_err err;

        if (kith__load_acquire(&root->id) != sync->id)
            return KITH_EGONE;
        if (!shared_by_others(self, share, &reader)) /* W4 */
            return end_claim(self, root, false);
        if (kith__actor_flagged(self->arena, reader)) {
            self->arena->on_death(self, reader);
            continue;
        }
        err = kith__row_wait(self, sync, wait, call, atomic_load(&root->lock.word));
        if (err < 0)
            return err;
    }
}

/* In the row from here on, `claimed` or not. */
static __attribute__((noinline)) kith_err
acquire_slowly(struct kith__self *self, const struct kith__sync *sync, bool claimed,
               int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__wait wait = { .deadline_ns = deadline_ns };
    kith_err err = KITH_OK;

    kith__row_join(self, sync, false);
    if (!claimed)
        err = kith__row_take(self, sync, &wait, self->id | KITH__LOCK_CLAIM,
                             KITH__LOCK_WAITERS | KITH__LOCK_DIED);
    if (err >= 0) {
        err = wait_for_readers(self, sync, &wait);
        if (err == KITH_EGONE)
            kith__row_unclaim(self, sync, self->id);
        else if (err < 0)
            end_claim(self, root, true);
    }
    kith__row_leave(self, sync);
    if (err < 0)
        kith__ledger_forget(self, kith__sync_entry(sync) | KITH__LEDGER_USER);
    if (err == KITH_EDEADLOCK)
        return kith__circle_tell(self, &wait.circle);
    if (err >= 0) /* the time stamped at joining was another's */
        kith__store(&root->since, (uint64_t)kith__real_ns());
    return err;
}

kith_err
kith__rwlock_acquire(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync), share = kith__share_of(sync->off, sync->id), mine;
    uint32_t word = 0;
    unsigned reader;
    kith_err err;

    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    if ((atomic_load_explicit(&root->lock.word, memory_order_relaxed) & KITH__LOCK_ACTOR) ==
            self->id ||
        own_shares(self, share, &mine) != 0)
        return KITH_EDEADLOCK;
    err = room_in_ledger(self);
    if (err < 0)
        return err;
    kith__ledger_write(self, entry | KITH__LEDGER_USER); /* W1 */
    if (!atomic_compare_exchange_strong(&root->lock.word, &word,
                                        self->id | KITH__LOCK_CLAIM)) /* W2 */
        err = acquire_slowly(self, sync, false, deadline_ns);
    else if (shared_by_others(self, share, &reader))
        err = acquire_slowly(self, sync, true, deadline_ns);
    else
        err = end_claim(self, root, false);
    if (err >= 0 && kith__load(&root->id) != sync->id) {
        kith__row_unclaim(self, sync, self->id);
        kith__ledger_forget(self, entry | KITH__LEDGER_USER);
        err = KITH_EGONE;
    }
    if (self->husks_seen)
        kith__op_end(self);
    return err;
}
