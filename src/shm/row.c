/*
 * row.c - who waits for a user's lock, and whose turn it is.
 *
 * LAYOUT   in the slot of each actor
 *   wanted   the lock it waits for, as its ledger names locks; bit 0: to share it.  0: none
 *   ticket   its place: smaller ones came before
 *   call     what it sleeps on; a call adds to it, so that one that came too early is not lost
 *
 * INVARIANTS
 *   R1  who sleeps in a row has seen WAITERS in the lock's word since it joined
 *   R2  WAITERS is taken out only by who has then looked at the row once more
 *   R3  when the word has WAITERS and no owner, those whose turn it is are awake, or somebody's
 *       pending_wake or wanted names the lock, and who that is will call them, or his reaper will
 *
 * STEPS of waiting                            STEPS of giving the lock away (in lock order)
 *   N1 ticket   N2 wanted                       U1 pending_wake   U2 the word has no owner
 *   N3 WAITERS is in the word                   U3 the row is looked at, the next is called
 *   N4 asleep on `call`                         U4 pending_wake is clear
 *   N5 the word is taken   N6 wanted is 0
 *
 * Why none is lost: N2 comes before the look that leads to N3, U2 before the look of U3, and full
 * barriers stand between.  So either the waiter saw the word without an owner, and is awake, or
 * U3 sees the waiter.  One who is awake and not the first relies on the first, who is awake as
 * well, or called, or dead: then on the reaper of the dead.
 *
 * Taking WAITERS out (R2) goes by a second look, because one who joined after the first look may
 * have seen the old word.
 *
 * DEATH    The reaper calls all who want what the dead wanted, or owed a wake for, or held; each
 *   looks for itself.  Who is dead and not yet reaped is reaped by the first who meets him in a
 *   row, so nobody waits behind him.
 *
 * LIMITS   A look costs a line of memory for each actor of the arena; it is made only by those
 *   who wait and by those who release a lock that somebody waits for.
 */
#include "shm/row.h"

#include <limits.h>

#include "base/clock.h"
#include "shm/futex.h"
#include "shm/poll.h"

/* ---- Looking --------------------------------------------------------------------------- */

void
kith__row_look(struct kith__self *self, uint64_t entry, struct kith__row *row_out)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);
    struct kith__row row = { 0 };

    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);
        uint64_t wanted = kith__load_acquire(&actor->wanted), ticket;

        if ((wanted & ~KITH__WANTED_SHARED) != entry ||
            KITH__SLOT_KIND(kith__load(&actor->state)) != KITH__SLOT_LIVE)
            continue;
        if (id != self->id && kith__actor_flagged(arena, id)) {
            arena->on_death(self, id);
            continue;
        }
        ticket = kith__load(&actor->ticket);
        row.count++;
        if (row.first == 0 || ticket < row.first_ticket) {
            row.first = id;
            row.first_ticket = ticket;
        }
        if ((wanted & KITH__WANTED_SHARED) == 0 &&
            (row.first_alone == 0 || ticket < row.alone_ticket)) {
            row.first_alone = id;
            row.alone_ticket = ticket;
        }
    }
    *row_out = row;
}

bool
kith__row_my_turn(const struct kith__sync_root *root, const struct kith__row *row, uint64_t ticket,
                  bool shared)
{
    bool fair = (root->options & KITH__SYNC_FAIR) != 0;

    if (shared) /* a writer that waits goes first: any, or with `fair` one that came before */
        return row->first_alone == 0 || (fair && ticket < row->alone_ticket);
    if (fair)
        return row->first == 0 || ticket <= row->first_ticket;
    if ((root->options & KITH__SYNC_SHARED) != 0)
        return row->first_alone == 0 || ticket <= row->alone_ticket;
    return true;
}

/* ---- Calling --------------------------------------------------------------------------- */

void
kith__row_call(struct kith__arena *arena, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(arena, id);

    atomic_fetch_add(&actor->call, 1);
#ifndef KITH_MISTAKE_ROW_NO_WAKE
    kith__futex_wake(&actor->call, INT_MAX);
#endif
}

void
kith__row_call_all(struct kith__arena *arena, uint64_t entry)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    if (entry == 0)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if ((kith__load_acquire(&actor->wanted) & ~KITH__WANTED_SHARED) == entry &&
            KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE)
            kith__row_call(arena, id);
    }
}

/* All who want to share it and came before the first who does not, or, unfairly, all of them. */
static void
call_sharers(struct kith__arena *arena, uint64_t entry, uint64_t before)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if (kith__load_acquire(&actor->wanted) == (entry | KITH__WANTED_SHARED) &&
            kith__load(&actor->ticket) < before &&
            KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE)
            kith__row_call(arena, id);
    }
}

void
kith__row_pass_on(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync);
    struct kith__row row;
    bool fair = (root->options & KITH__SYNC_FAIR) != 0;

    kith__row_look(self, entry, &row);
    if (row.first == 0) {
        uint32_t word = atomic_load(&root->lock.word);

        /* R2.  With DIED in it the word stays: whoever is told looks at the row anyway. */
        if (word != KITH__LOCK_WAITERS ||
            !atomic_compare_exchange_strong(&root->lock.word, &word, 0))
            return;
        kith__row_look(self, entry, &row);
        if (row.first == 0)
            return;
        atomic_fetch_or(&root->lock.word, KITH__LOCK_WAITERS);
    }
    if (row.first_alone == 0)
        call_sharers(self->arena, entry, UINT64_MAX);
    else if (!fair || row.first == row.first_alone)
        kith__row_call(self->arena, row.first_alone);
    else
        call_sharers(self->arena, entry, row.alone_ticket);
}

/*
 * Those who wait for it have flags in the word beside the claim, or in the signal, and saw the
 * claim as an owner that calls them.  As after a death they are called all: each looks for itself,
 * and sets its flag again before it sleeps.
 */
void
kith__row_unclaim(struct kith__self *self, const struct kith__sync *sync, uint32_t mine)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t word = atomic_load(&root->lock.word);

    kith__store(&self->actor->pending_wake, kith__sync_entry(sync));
    kith__step();
    while ((word & KITH__LOCK_ACTOR) == mine)
        if (atomic_compare_exchange_weak(&root->lock.word, &word, word & KITH__LOCK_DIED)) {
            kith__row_call_all(self->arena, kith__sync_entry(sync));
            kith__signal_wake(self, &root->signal, INT_MAX);
            if ((word & KITH__LOCK_POLLERS) != 0)
                kith__poke(self->arena);
            break;
        }
    kith__step();
    kith__store(&self->actor->pending_wake, 0);
}

/* ---- Waiting --------------------------------------------------------------------------- */

void
kith__row_join(struct kith__self *self, const struct kith__sync *sync, bool shared)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__actor *actor = self->actor;

    kith__store(&actor->ticket, atomic_fetch_add(&root->ticket, 1) + 1); /* N1 */
    kith__step();
    kith__store_release(&actor->wanted,
                        kith__sync_entry(sync) | (shared ? KITH__WANTED_SHARED : 0)); /* N2 */
    atomic_thread_fence(memory_order_seq_cst);
    if (kith__load(&root->since) == 0) /* ruling 10: a lock that nobody waits for reads no clock */
        kith__store(&root->since, (uint64_t)kith__real_ns());
}

void
kith__row_leave_with(struct kith__self *self)
{
    kith__store_release(&self->actor->wanted, 0); /* N6 */
}

void
kith__row_leave(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__actor *actor = self->actor;
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t word;

    /* The debt is written down before `wanted`, which names the lock until then, is cleared. */
    kith__store(&actor->pending_wake, kith__sync_entry(sync));
    kith__step();
    kith__store_release(&actor->wanted, 0);
    atomic_thread_fence(memory_order_seq_cst);
    word = atomic_load(&root->lock.word);
    if ((word & KITH__LOCK_ACTOR) == 0 && (word & KITH__LOCK_WAITERS) != 0)
        kith__row_pass_on(self, sync);
    kith__step();
    kith__store(&actor->pending_wake, 0);
}

static enum kith__slept
sleep_in_row(struct kith__self *self, uint32_t call, int64_t deadline_ns)
{
    enum kith__slept slept = kith__sleep(self, &self->actor->call, call, deadline_ns, true);

    kith__awake(self);
    return slept;
}

/*
 * One round of waiting, after the caller found that it can't go on: `call` and `word` are what it
 * saw.  KITH_OK: it is to look again; else what ends the wait.
 */
kith_err
kith__row_wait(struct kith__self *self, const struct kith__sync *sync, struct kith__wait *wait,
               uint32_t call, uint32_t word)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    unsigned owner = word & KITH__LOCK_ACTOR;

    if (owner != 0 && owner <= self->arena->actors_max && owner != self->id &&
        kith__actor_flagged(self->arena, owner)) {
        self->arena->on_death(self, owner);
        if ((atomic_load(&root->lock.word) & KITH__LOCK_ACTOR) != owner)
            return KITH_OK;
    }
    if (wait->deadline_ns == 0)
        return KITH_ETIMEDOUT;
    /* A writer that has the word waits for readers, who call; all others for the word. */
    if (!wait->slept && (owner == self->id ? kith__spin(self, &self->actor->call, call)
                                           : kith__spin(self, &root->lock.word, word)))
        return KITH_OK;
    if ((word & KITH__LOCK_WAITERS) == 0 &&
        !atomic_compare_exchange_strong(&root->lock.word, &word, word | KITH__LOCK_WAITERS))
        return KITH_OK; /* N3 is still to come */
    if ((root->options & KITH__SYNC_DETECT) != 0 && kith__circle_find(self, &wait->circle))
        return KITH_EDEADLOCK;
    wait->slept = true;
    switch (sleep_in_row(self, call, wait->deadline_ns)) { /* N4 */
    case KITH__SLEPT_TIMEOUT:
        wait->deadline_ns = 0; /* once more: it may have come free at the last moment */
        return KITH_OK;
    case KITH__SLEPT_INTERRUPTED:
        return KITH_EINTERRUPTED;
    default:
        return KITH_OK;
    }
}

kith_err
kith__row_take(struct kith__self *self, const struct kith__sync *sync, struct kith__wait *wait,
               uint32_t mine, uint32_t kept)
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
            if (kith__row_my_turn(root, &row, kith__load(&self->actor->ticket), false)) {
                if (!atomic_compare_exchange_strong(&root->lock.word, &word,
                                                    mine | (word & kept))) /* N5 */
                    continue;
                return (word & KITH__LOCK_DIED) != 0 ? KITH_OWNER_DIED : KITH_OK;
            }
        }
        err = kith__row_wait(self, sync, wait, call, word);
        if (err < 0)
            return err;
    }
}
