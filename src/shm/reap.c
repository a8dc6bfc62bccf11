/*
 * reap.c - cleaning up after the dead: the one file that knows every structure.
 *
 * Whoever finds an actor dead claims it and does the urgent part at once, even in the middle of
 * an operation of its own: carry the dead's committed records out, drop the others, release its
 * locks, repeat its wakes.  That needs no lock and no record of the reaper's, so others go on
 * within microseconds.  What is left is a husk, whose memory (magazines, staged blocks, trash)
 * some survivor returns when it next holds no lock.
 *
 * A dead process, a holder, is cleaned up after once all its actors are husks or less: its
 * leases go back to their queues, its pins are dropped, its handles keep nothing any more.
 *
 * STEPS, each of which may be done twice
 *   D1 LIVE -> REAPING(me), by compare-and-swap
 *   D2 the mini record, then the main one: carried out, or dropped with its covers
 *   D3 the ledger's locks: each that names the dead is released, the sleepers of all are woken
 *   D4 pending_wake, pending_signal, waiting_on: woken
 *   D5 REAPING(me) -> HUSK
 *   D6 HUSK -> SWEEPING(me)
 *   D7 staged, retired, trash, dropped references, areas, magazines: block by block, each in a
 *      mini record of the sweeper's own, which takes the block off the husk's list as it frees it
 *   D8 SWEEPING(me) -> FREE, next generation
 * DEATH of the reaper   Its slot is then found dead, and its victim REAPING or SWEEPING by a
 *   dead actor: the next one reaps the reaper first, and then takes the victim over (D1, D6).
 */
#include "shm/reap.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/alloc.h"
#include "shm/extent.h"
#include "shm/futex.h"
#include "shm/kind.h"
#include "shm/poll.h"
#include "shm/queue.h"
#include "shm/reference.h"
#include "shm/root.h"
#include "shm/row.h"
#include "shm/special.h"

/* ---- The urgent part --------------------------------------------------------------------- */

static void
settle_journal(struct kith__arena *arena, struct kith__actor *victim, struct kith__journal *journal,
               struct kith__redo *entries, uint32_t room, bool covers)
{
    if ((kith__load(&journal->state) & KITH__COMMITTED) != 0) {
#ifndef KITH_MISTAKE_REAP_FORGETS_RECORD
        kith__journal_replay(arena, journal, entries, room);
#endif
        kith__journal_clear(journal);
    } else {
        if (covers)
            kith__journal_uncover(arena, journal, entries, room, victim->id);
        kith__store(&journal->count, 0);
    }
}

/*
 * A signal is changed as well as woken: one who has joined it and looked, and is not yet asleep,
 * then does not fall asleep.
 */
static void
nudge(_Atomic uint32_t *signal)
{
    uint32_t word = atomic_load(signal), after;

    do
        after = ((word & ~KITH__SIGNAL_FLAGS) + KITH__SIGNAL_STEP) & ~KITH__SIGNAL_FLAGS;
    while (!atomic_compare_exchange_weak(signal, &word, after | (word & KITH__SIGNAL_FLAGS)));
    kith__futex_wake(signal, INT_MAX);
}

/* The start and the class of the small block that `off` lies in; 0: in none. */
static uint64_t
block_of(struct kith__arena *arena, uint64_t off, unsigned *class_out)
{
    uint64_t index = kith__granule_of(arena, off), start;
    struct kith__span *span;

    if (off == 0 || index >= arena->granules_max ||
        KITH__GRANULE_KIND(kith__load(&kith__granule_at(arena, index)->word)) != KITH__GRANULE_SPAN)
        return 0;
    start = kith__granule_off(arena, index);
    span = kith__ptr(arena, start);
    if (span->class_index >= KITH__CLASS_COUNT || off < start + span->first)
        return 0;
    *class_out = span->class_index;
    return off - (off - start - span->first) % kith__class_size(span->class_index);
}

/* Whether a signal stands at `off`, by the type of its memory, which it keeps. */
static bool
is_signal(struct kith__arena *arena, uint64_t off)
{
    unsigned class_index = 0;
    uint64_t at = off - block_of(arena, off, &class_index);

    if (at == off)
        return false;
    switch (class_index) {
    case KITH__CLASS_QUEUE:
        return at == offsetof(struct kith__queue_root, items) ||
               at == offsetof(struct kith__queue_root, room) ||
               at == offsetof(struct kith__queue_root, drained);
    case KITH__CLASS_SYNC:
        return at == offsetof(struct kith__sync_root, signal);
    case KITH__CLASS_DICT:
        return at == offsetof(struct kith__dict_root, signal);
    case KITH__CLASS_ROOT:
        return at - offsetof(struct kith__root, signal) < sizeof((struct kith__root *)0)->signal;
    default:
        return false;
    }
}

/* Wakes whoever sleeps on a word, whatever it is. */
static void
wake_off(struct kith__arena *arena, uint64_t off)
{
    if (off == 0 || (off & 3) != 0 || kith__at_any(arena, off & ~UINT64_C(7), 8) == NULL)
        return;
    if (is_signal(arena, off)) {
        unsigned class_index = 0;
        uint64_t block = block_of(arena, off, &class_index);

        nudge(kith__ptr(arena, off));
        if (class_index == KITH__CLASS_ROOT)
            kith__row_call_all(arena, kith__root_wanted(block));
    } else {
        kith__futex_wake((_Atomic uint32_t *)kith__ptr(arena, off), INT_MAX);
    }
}

static void
wake_queue(struct kith__arena *arena, uint64_t off)
{
    struct kith__queue_root *root = kith__at(arena, off, sizeof *root);

    if (root == NULL)
        return;
    nudge(&root->items);
    nudge(&root->room);
    nudge(&root->drained);
}

static void
wake_root(struct kith__arena *arena, uint64_t off)
{
    struct kith__root *root = kith__at(arena, off, sizeof *root);

    for (unsigned i = 0; root != NULL && i < sizeof root->signal / sizeof root->signal[0]; i++)
        nudge(&root->signal[i]);
    kith__row_call_all(arena, kith__root_wanted(off));
}

/*
 * Wakes those who wait for a change of what the lock guards: the dead may have made one, and may
 * have released the lock since.  What it guards is known by the type of its memory.
 */
static void
wake_object(struct kith__arena *arena, uint64_t off)
{
    struct kith__dict_root *root;
    struct kith__shard *shard;
    unsigned class_index = 0;
    uint64_t block = block_of(arena, off, &class_index);

    if (block == 0)
        return;
    switch (class_index) {
    case KITH__CLASS_QUEUE:
        wake_queue(arena, block);
        break;
    case KITH__CLASS_DICT:
    case KITH__CLASS_SHARDS:
        shard = kith__at(arena, off - offsetof(struct kith__shard, lock), sizeof *shard);
        root = shard == NULL ? NULL : kith__at(arena, kith__load(&shard->root), sizeof *root);
        if (root != NULL)
            nudge(&root->signal);
        break;
    case KITH__CLASS_SYNC:
        nudge(&((struct kith__sync_root *)kith__ptr(arena, block))->signal);
        break;
    case KITH__CLASS_ROOT:
        wake_root(arena, block);
        break;
    default:
        break;
    }
}

/*
 * A share of an rwlock.  In an orderly end the slot is still LIVE, so the share has to be gone
 * before those who wait look: what is left of the entry names the lock, should we die here.
 */
static void
release_share(struct kith__arena *arena, kith__word *at)
{
    uint64_t entry = kith__load(at), off = entry & KITH__LEDGER_OFF;
    struct kith__lock *lock = kith__at_any(arena, off, sizeof *lock);

    if (lock == NULL || !kith__lock_is(lock, off))
        return;
    if ((entry & KITH__LEDGER_TOLD) != 0)
        atomic_fetch_or(&lock->word, KITH__LOCK_DIED);
    kith__step();
    kith__store_release(at, off | KITH__LEDGER_USER);
    kith__row_call_all(arena, off);
}

static void
release_lock(struct kith__arena *arena, unsigned victim, uint64_t entry)
{
    uint64_t off = entry & ~UINT64_C(7);
    struct kith__lock *lock = kith__at_any(arena, off, sizeof *lock);
    uint32_t word;

    if (lock == NULL || !kith__lock_is(lock, off))
        return;
    word = atomic_load(&lock->word);
    while ((word & KITH__LOCK_ACTOR) == victim) {
        uint32_t after = (entry & KITH__LEDGER_USER) != 0 ? KITH__LOCK_DIED : 0;

        if ((word & KITH__LOCK_CLAIM) != 0)
            after = word & KITH__LOCK_DIED; /* it was not in yet */
        if (atomic_compare_exchange_weak(&lock->word, &word, after))
            break;
    }
#ifndef KITH_MISTAKE_REAP_NO_WAKE
    /*
     * Whoever frees the word, or freed it and died before it woke anybody: the ledger is all that
     * says so, see lock.h.  A wake that is not needed does no harm.
     */
    kith__futex_wake(&lock->word, INT_MAX);
    if ((entry & KITH__LEDGER_USER) != 0)
        kith__row_call_all(arena, off);
    wake_object(arena, off);
#else
    (void)wake_object;
#endif
}

static void
settle(struct kith__arena *arena, struct kith__actor *victim, unsigned id)
{
    kith__word *ledger;
    uint64_t count, signal;

    victim->id = id;
#ifdef KITH_MISTAKE_RELEASE_BEFORE_REPLAY
    count = kith__load(&victim->ledger.count);
    ledger = kith__ledger_at(arena, victim, count);
    for (uint64_t i = 0; ledger != NULL && i < count; i++)
        release_lock(arena, id, kith__load(&ledger[i]));
#endif
    settle_journal(arena, victim, &victim->mini, victim->mini_inline, KITH__MINI_INLINE, false);
    settle_journal(arena, victim, &victim->main, victim->main_inline, KITH__MAIN_INLINE, true);
    count = kith__load(&victim->ledger.count); /* a replayed record may have moved it */
    ledger = kith__ledger_at(arena, victim, count);
    for (uint64_t i = 0; ledger != NULL && i < count; i++) /* D3 */
        if ((kith__load(&ledger[i]) & KITH__LEDGER_SHARED) != 0)
            release_share(arena, &ledger[i]);
        else
            release_lock(arena, id, kith__load(&ledger[i]));
    kith__store(&victim->ledger.count, 0);
#ifndef KITH_MISTAKE_REAP_NO_WAKE
    wake_off(arena, kith__load(&victim->pending_wake) & ~KITH__LEDGER_USER); /* D4 */
    wake_off(arena, kith__load(&victim->waiting_on));
    kith__row_call_all(arena, kith__load(&victim->pending_wake));
    kith__row_call_all(arena, kith__load(&victim->wanted) & ~KITH__WANTED_SHARED);
    signal = kith__load(&victim->pending_signal);
    if ((signal & 1) != 0)
        wake_off(arena, signal & ~UINT64_C(1));
    else if (signal != 0)
        wake_queue(arena, signal);
#ifndef KITH_MISTAKE_REAP_NO_WAKE_OF_POLLERS
    kith__poke(arena); /* its bit may be gone with the dead, so whoever polls looks */
#endif
#else
    (void)signal;
#endif
    kith__store(&victim->pending_wake, 0);
    kith__store(&victim->pending_signal, 0);
    kith__store(&victim->waiting_on, 0);
    kith__store(&victim->wanted, 0);
    atomic_store(&victim->flights, 0);
    kith__store(&victim->pin, 0);
    if ((kith__load(&victim->reading) & 1) != 0)
        kith__store(&victim->reading, kith__load(&victim->reading) + 1);
}

/* Whether the actor `by` still lives and so goes on with what it claimed. */
static bool
claimant_lives(struct kith__self *self, unsigned by)
{
    struct kith__arena *arena = self->arena;
    uint64_t state;

    if (by == self->id)
        return false; /* we claimed it before: go on */
    if (by == 0 || by > arena->actors_max)
        return false;
    state = kith__load_acquire(&kith__actor_at(arena, by)->state);
    return KITH__SLOT_KIND(state) == KITH__SLOT_LIVE && !kith__actor_flagged(arena, by);
}

/* Whoever sleeps, or is about to, looks again. */
static void
wake_sleepers(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

#ifdef KITH_MISTAKE_REAP_NO_WAKE
    return;
#endif
    atomic_thread_fence(memory_order_seq_cst); /* what was stored is seen, or the sleepers are */
    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if (id != self->id && KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE)
            wake_off(arena, kith__load(&actor->waiting_on));
    }
}

/* See wait.c: everybody who sleeps looks for the end of a process for a while. */
static void
tell_sleepers(struct kith__self *self)
{
    kith__store_release(&KITH__HEADER(self->arena)->suspect_until,
                        (uint64_t)(kith__now_ns() + KITH__SUSPECT_NS));
    wake_sleepers(self);
}

/*
 * The dead may itself have been cleaning up.  Before its slot can go to another, whatever it
 * claimed is taken from it; else the claim would seem to be that of the slot's next owner.
 */
static void
take_over(struct kith__self *self, unsigned dead)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *other = kith__actor_at(arena, id);
        uint64_t state = kith__load_acquire(&other->state);

        if (KITH__SLOT_BY(state) != dead || id == dead)
            continue;
        if (KITH__SLOT_KIND(state) == KITH__SLOT_REAPING)
            kith__reap_urgent(self, id);
        else if (KITH__SLOT_KIND(state) == KITH__SLOT_SWEEPING)
            atomic_compare_exchange_strong(
                &other->state, &state,
                KITH__SLOT_STATE(KITH__SLOT_HUSK, 0, KITH__SLOT_GENERATION(state)));
    }
}

void
kith__reap_urgent(struct kith__self *self, unsigned id)
{
    struct kith__arena *arena = self->arena;
    struct kith__actor *victim = kith__actor_at(arena, id);
    uint64_t state = kith__load_acquire(&victim->state), mine;
    uint64_t generation = KITH__SLOT_GENERATION(state);

    switch (KITH__SLOT_KIND(state)) {
    case KITH__SLOT_LIVE:
    case KITH__SLOT_CLAIMED:
        /*
         * Once more, now that the generation is known: the slot may have been reaped and taken
         * by a living thread since the caller looked.
         */
        if (!kith__actor_dead(arena, id))
            return;
        break;
    case KITH__SLOT_REAPING:
        if (claimant_lives(self, KITH__SLOT_BY(state)))
            return;
        break;
    default:
        return;
    }
    if (KITH__SLOT_KIND(state) == KITH__SLOT_CLAIMED) {
        /* Being set up: it holds nothing, and its journals are those of the last owner. */
        atomic_compare_exchange_strong(&victim->state, &state,
                                       KITH__SLOT_STATE(KITH__SLOT_FREE, 0, generation + 1));
        return;
    }
    mine = KITH__SLOT_STATE(KITH__SLOT_REAPING, self->id, generation);
    if (!atomic_compare_exchange_strong(&victim->state, &state, mine)) /* D1 */
        return;
    settle(arena, victim, id);
    take_over(self, id);
    self->husks_seen = true;
    tell_sleepers(self); /* its process may be dying too */
    kith__store(&KITH__HEADER(arena)->husks, 1);
    atomic_compare_exchange_strong(&victim->state, &mine,
                                   KITH__SLOT_STATE(KITH__SLOT_HUSK, 0, generation)); /* D5 */
    atomic_fetch_add(&KITH__HEADER(arena)->reaped, 1);
}

/* ---- Returning memory -------------------------------------------------------------------- */

/* Empties the trash of an actor, the caller's own or a husk's. */
static kith_err
empty_trash(struct kith__self *self, struct kith__actor *actor)
{
    struct kith__arena *arena = self->arena;

    while (kith__load(&actor->trash.count) > 0) {
        uint64_t count = kith__load(&actor->trash.count), entry, off;
        kith__word *trash = kith__trash_at(arena, actor, count);
        const struct kith__kind *kind;
        kith_err err;

        if (trash == NULL || count > kith__load(&actor->trash.room)) {
            kith__store(&actor->trash.count, 0);
            return KITH_ECORRUPT;
        }
        entry = kith__load(&trash[count - 1]);
        off = entry & ~KITH__TRASH_KIND;
        kind = kith__kind_of((enum kith_kind)(entry & KITH__TRASH_KIND));
        if (kind != NULL && kind->dismantle != NULL)
            err = kind->dismantle(self, off, &actor->trash.count, count - 1);
        else
            err = kith__block_free(self, off, &actor->trash.count, count - 1);
        if (err == KITH_EUNAVAILABLE || err == KITH_ENOMEM)
            return err; /* some other time */
        if (err < 0 && kith__load(&actor->trash.count) == count)
            kith__store(&actor->trash.count, count - 1);
    }
    return KITH_OK;
}

/*
 * All that operations left over of `actor`, the caller's own or a husk's, and of the caller: what
 * is trash, and references that were dropped.  Each makes more of the other, in the caller's lists:
 * an object to which nothing leads any more is trash, and so its references are dropped.
 */
static kith_err
tidy(struct kith__self *self, struct kith__actor *actor)
{
    kith__word *lists[] = { &actor->dropped, &self->actor->dropped };
    kith_err err = KITH_OK;

    if (self->tidying)
        return KITH_OK;
    self->tidying = true;
    for (unsigned i = 0; i < 2 && err == KITH_OK; i++)
        while (err == KITH_OK) {
            err = empty_trash(self, actor);
            if (err == KITH_OK && actor != self->actor)
                err = empty_trash(self, self->actor);
            if (err < 0 || kith__load(lists[i]) == 0)
                break;
            err = kith__reference_settle(self, lists[i]);
            if (err == KITH_ECORRUPT)
                err = KITH_OK;
        }
    self->tidying = false;
    return err;
}

/* Frees the extent of a vector that has outgrown its slot. */
static kith_err
free_area(struct kith__self *self, struct kith__vec *vec)
{
    uint64_t area = kith__load(&vec->area);
    kith_err err;

    if (area == 0)
        return KITH_OK;
    err = kith__block_free(self, area, &vec->area, 0);
    if (err == KITH_ECORRUPT)
        kith__store(&vec->area, 0);
    return err == KITH_ECORRUPT ? KITH_OK : err;
}

/* D7.  `victim` may be the caller itself, on its way out. */
static kith_err
return_memory(struct kith__self *self, struct kith__actor *victim)
{
    struct kith__vec *vecs[] = { &victim->ledger, &victim->staged, &victim->trash,
                                 &victim->record };
    uint64_t retired = kith__load(&victim->retired);
    kith_err err = kith__free_staged(self, victim);

    if (err == KITH_OK && retired != 0)
        err = kith__block_free(self, retired, &victim->retired, 0);
    if (err == KITH_OK)
        err = tidy(self, victim);
    for (unsigned i = 0; i < sizeof vecs / sizeof vecs[0] && err == KITH_OK; i++)
        err = free_area(self, vecs[i]);
#ifndef KITH_MISTAKE_SWEEP_FORGETS_MAGAZINES
    if (err == KITH_OK)
        err = kith__magazines_flush(self, victim);
#endif
    return err;
}

void
kith__reap_sweep(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t top = kith__load_acquire(&h->actors_top);

    self->husks_seen = false;
    kith__store(&h->husks, 0);
    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *victim = kith__actor_at(arena, id);
        uint64_t state = kith__load_acquire(&victim->state), mine;
        unsigned kind = KITH__SLOT_KIND(state);

        if (kind == KITH__SLOT_REAPING && !claimant_lives(self, KITH__SLOT_BY(state))) {
            kith__reap_urgent(self, id);
            state = kith__load_acquire(&victim->state);
            kind = KITH__SLOT_KIND(state);
        }
        if (kind != KITH__SLOT_HUSK &&
            (kind != KITH__SLOT_SWEEPING || claimant_lives(self, KITH__SLOT_BY(state))))
            continue;
        mine = KITH__SLOT_STATE(KITH__SLOT_SWEEPING, self->id, KITH__SLOT_GENERATION(state));
        if (!atomic_compare_exchange_strong(&victim->state, &state, mine)) /* D6 */
            continue;
        if (return_memory(self, victim) < 0) {
            kith__store_release(&victim->state,
                                KITH__SLOT_STATE(KITH__SLOT_HUSK, 0, KITH__SLOT_GENERATION(mine)));
            kith__store(&h->husks, 1);
            continue;
        }
        kith__store_release(
            &victim->state,
            KITH__SLOT_STATE(KITH__SLOT_FREE, 0, KITH__SLOT_GENERATION(mine) + 1)); /* D8 */
    }
    self->husks_seen = false;
}

/* ---- Processes --------------------------------------------------------------------------- */

static bool
holder_has_actors(struct kith__arena *arena, unsigned slot)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);
        unsigned kind = KITH__SLOT_KIND(kith__load_acquire(&actor->state));

        if ((kind == KITH__SLOT_LIVE || kind == KITH__SLOT_REAPING) && actor->holder == slot)
            return true;
    }
    return false;
}

static void
drop_pins(struct kith__holder *holder)
{
    for (unsigned i = 0; i < KITH__PINS; i++)
        kith__store(&holder->pin[i], 0);
    kith__store_release(&holder->pin_count, 0);
}

/* A dead process whose actors were dealt with: its leases and pins.  No lock held. */
static void
reap_holder(struct kith__self *self, unsigned slot, uint64_t state)
{
    struct kith__arena *arena = self->arena;
    struct kith__holder *holder = kith__holder_at(arena, slot);

#ifndef KITH_MISTAKE_REAP_KEEPS_LEASES
    if (kith__queues_hand_back(self, slot | KITH__SLOT_GENERATION(state) << 16, true) < 0)
        return; /* some other time */
#endif
    if (kith__roots_release(self, slot | KITH__SLOT_GENERATION(state) << 16, true) < 0)
        return;
#ifndef KITH_MISTAKE_REAP_KEEPS_HANDLES
    if (kith__references_let_go(self, slot, state) < 0)
        return;
#endif
    kith__unowned_end(arena, slot, true);
    kith__poke(arena); /* who polls for what the process had looks again */
    drop_pins(holder);
    /* By compare-and-swap: two may be at it, and the slot may have a new owner already. */
    atomic_compare_exchange_strong(
        &holder->state, &state,
        KITH__SLOT_STATE(KITH__SLOT_FREE, 0, KITH__SLOT_GENERATION(state) + 1));
    if (kith__load(&KITH__HEADER(arena)->limbo) != 0)
        kith__limbo_sweep(self);
}

/* Called in sleeps, too: then only while no lock is held. */
static bool
look_after_holders(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->holders_top);
    bool found = false;

    if (self->depth != 0) {
        self->husks_seen = true;
        return false;
    }
    for (unsigned slot = 1; slot <= top && slot <= KITH__HOLDERS_MAX; slot++) {
        uint64_t state = kith__load_acquire(&kith__holder_at(arena, slot)->state);

        if (KITH__SLOT_KIND(state) != KITH__SLOT_LIVE || kith__holder_alive(arena, slot))
            continue;
        for (unsigned id = 1;
             id <= kith__load(&KITH__HEADER(arena)->actors_top) && id <= arena->actors_max; id++) {
            struct kith__actor *actor = kith__actor_at(arena, id);

            if (actor->holder == slot &&
                KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE)
                kith__reap_urgent(self, id);
        }
        if (holder_has_actors(arena, slot))
            continue; /* somebody else is at it */
        reap_holder(self, slot, state);
        found = true;
    }
    if (found)
        tidy(self, self->actor); /* at once, since the caller may be about to sleep */
    return found;
}

/* ---- The upward calls -------------------------------------------------------------------- */

#define PUT_OFFS_MAX 6u /* each time twice as long, up to 64 times the space's timeout */

static int64_t
put_off_until(const struct kith__self *self)
{
    int64_t wait, until;

    if (__builtin_mul_overflow(self->arena->timeout_ns, INT64_C(1) << self->put_offs, &wait) ||
        __builtin_add_overflow(kith__now_ns(), wait, &until))
        until = INT64_MAX;
    return until;
}

static void
on_idle(struct kith__self *self)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    kith_err err = KITH_OK;
    bool later;

    if (self->depth != 0 || self->tidying)
        return;
    /* What somebody who is stopped is in the way of is not tried again by each operation. */
    later = self->put_off_ns != 0 && kith__now_ns() < self->put_off_ns;
    if (!later && (kith__load(&self->actor->trash.count) | kith__load(&self->actor->dropped)) != 0)
        err = tidy(self, self->actor);
    if (self->husks_seen) {
        kith__reap_sweep(self);
        if (look_after_holders(self))
            self->put_off_ns = 0; /* perhaps it was one of these */
    }
    if (later)
        return;
    if (err != KITH_EUNAVAILABLE && kith__load(&h->dirty) > 256 + kith__load(&h->used) / 4)
        err = kith__trim(self, false, NULL);
    if (err == KITH_EUNAVAILABLE || err == KITH_ECORRUPT) {
        self->put_off_ns = put_off_until(self);
        self->put_offs += self->put_offs < PUT_OFFS_MAX;
    } else {
        self->put_off_ns = 0;
        self->put_offs = 0;
    }
}

/* All memory of an actor that leaves; what cannot go back now stays in its lists. */
static void
give_back(struct kith__self *self)
{
    struct kith__actor *actor = self->actor;

    if (return_memory(self, actor) < 0)
        return;
    kith__store(&actor->ledger.room, KITH__LEDGER_INLINE);
    kith__store(&actor->staged.room, KITH__STAGED_INLINE);
    kith__store(&actor->trash.room, KITH__TRASH_INLINE);
    kith__store(&actor->record.room, 0);
}

/*
 * A thread, or with `last` the whole process, leaves in good order: what it holds counts as
 * held by a dead one, and its memory goes back.  `self` is the one who leaves; it is in no call.
 */
static void
on_leave(struct kith__self *self, bool last)
{
    struct kith__arena *arena = self->arena;

    if (atomic_load(&self->actor->flights) != 0) { /* in the midst of computing: flight.c */
        atomic_store(&self->actor->flights, 0);
        wake_sleepers(self);
    }
    settle(arena, self->actor, self->id);
    self->depth = 0;
    give_back(self);
    if (last) {
        struct kith__holder *holder = kith__holder_at(arena, arena->holder);

        kith__queues_hand_back(self, kith__owner_of(arena, arena->holder), false);
        kith__roots_release(self, kith__owner_of(arena, arena->holder), false);
        atomic_fetch_add(&arena->keeps, 1);
        kith__references_let_go(self, arena->holder, kith__load(&holder->state));
        kith__unowned_end(arena, arena->holder, false);
        drop_pins(holder);
        if (kith__load(&KITH__HEADER(arena)->limbo) != 0)
            kith__limbo_sweep(self);
        give_back(self); /* what the above has left over, and needed on the way */
    }
}

void
kith__reap_install(struct kith__arena *arena)
{
    arena->on_death = kith__reap_urgent;
    arena->on_idle = on_idle;
    arena->on_idle_holders = look_after_holders;
    arena->on_leave = on_leave;
}

bool
kith__reap_needed(struct kith__arena *arena)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t actors = kith__load_acquire(&h->actors_top);
    uint64_t holders = kith__load_acquire(&h->holders_top);

    for (unsigned slot = 1; slot <= holders && slot <= KITH__HOLDERS_MAX; slot++)
        if (KITH__SLOT_KIND(kith__load(&kith__holder_at(arena, slot)->state)) == KITH__SLOT_LIVE &&
            !kith__holder_alive(arena, slot))
            return true;
    for (unsigned id = 1; id <= actors && id <= arena->actors_max; id++) {
        unsigned kind = KITH__SLOT_KIND(kith__load(&kith__actor_at(arena, id)->state));

        if ((kind != KITH__SLOT_FREE && kind != KITH__SLOT_LIVE && kind != KITH__SLOT_CLAIMED) ||
            (kind == KITH__SLOT_LIVE && kith__actor_flagged(arena, id)))
            return true;
    }
    return false;
}

unsigned
kith__reap_all(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    uint64_t before = kith__load(&KITH__HEADER(arena)->reaped);
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++)
        if (id != self->id && kith__actor_dead(arena, id))
            kith__reap_urgent(self, id);
    kith__reap_sweep(self);
    look_after_holders(self);
    kith__reap_sweep(self);
    return (unsigned)(kith__load(&KITH__HEADER(arena)->reaped) - before);
}
