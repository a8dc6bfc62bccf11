/*
 * lock.c - the slow paths of a lock: contention, a dead owner, a stopped one.
 *
 * LAYOUT   {word, tag}: see layout.h.  A word is 0, or its owner's actor id with flags.
 *
 * INVARIANTS
 *   K1  an actor's id is in a word only if that actor's ledger names the lock
 *   K2  a slot is free only if no word holds its id, so an id always means one thread
 *   K3  if somebody sleeps on a word, WAITERS is set in it, or a wake for it is owed by an
 *       actor whose ledger, pending_wake or waiting_on names it
 *
 * STEPS    acquire L1 L2, release U1 to U3: lock.h
 * DEATH
 *   L1            the word does not hold the dead's id: the ledger entry is dropped
 *   L2 to U1      the reaper replays or drops the journal, frees the word, wakes the sleepers
 *   U1 to U3      the ledger still names it: the reaper repeats the wake, though the word may be
 *                 another's by now.  Whoever is woken for nothing sleeps again, WAITERS set
 *   a sleeper     the reaper wakes the word it slept on, lest a wake went with it
 *
 * A sleeper that was woken takes the lock with WAITERS set, because others may sleep on.
 */
#include "shm/lock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/alloc.h"
#include "shm/futex.h"

void
kith__ledger_append(struct kith__self *self, uint64_t entry)
{
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->ledger.count);
    kith__word *ledger = kith__ledger_at(self->arena, actor, count + 1);

    if (ledger == NULL) { /* overwritten by somebody: stay inside */
        kith__store(&actor->ledger.area, 0);
        ledger = actor->ledger_inline;
        count = 0;
    }
    kith__store(&ledger[count], entry);
    kith__step();
    kith__store(&actor->ledger.count, count + 1);
    kith__step();
}

/* Where the ledger's entry is not the last: a user's locks are released in any order. */
void
kith__ledger_forget(struct kith__self *self, uint64_t entry)
{
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->ledger.count);
    kith__word *ledger = kith__ledger_at(self->arena, actor, count);

    for (uint64_t i = count; ledger != NULL && i-- > 0;)
        if (kith__load(&ledger[i]) == entry) {
            /* First the copy, then the count: each lock held stays named at every instant. */
            kith__store(&ledger[i], kith__load(&ledger[count - 1]));
            atomic_thread_fence(memory_order_release); /* others search it from its end */
            kith__store(&actor->ledger.count, count - 1);
            return;
        }
}

kith_err
kith__ledger_reserve(struct kith__self *self, uint64_t more)
{
    struct kith__actor *actor = self->actor;
    uint64_t need = kith__load(&actor->ledger.count) + more + KITH__LEDGER_SPARE;

    if (need <= kith__load(&actor->ledger.room))
        return KITH_OK;
    return kith__vec_grow(self, &actor->ledger, actor->ledger_inline, need);
}

static kith_err
stopped_owner(struct kith__self *self, uint32_t word)
{
    unsigned owner = word & KITH__LOCK_ACTOR;

    if (owner == 0 || owner > self->arena->actors_max)
        return kith__fail(KITH_ECORRUPT,
                          "A lock inside %s names an owner that cannot be; run "
                          "kith check.",
                          self->arena->path ? self->arena->path : "the mem:// space");
    struct kith__actor *actor = kith__actor_at(self->arena, owner);
    unsigned holder = actor->holder;
    if (holder == 0 || holder > KITH__HOLDERS_MAX)
        return KITH_ECORRUPT;
    struct kith__holder *at = kith__holder_at(self->arena, holder);
    return kith__fail(KITH_EUNAVAILABLE,
                      "Process %lld (%.15s on %.47s) is alive but has held an inner lock of %s "
                      "longer than the space's timeout: it is stopped. Let it go on (kill -CONT), "
                      "or end it.",
                      (long long)at->pid, at->command, at->host,
                      self->arena->path ? self->arena->path : "the mem:// space");
}

kith_err
kith__lock_wait(struct kith__self *self, struct kith__lock *lock)
{
    int64_t deadline_ns = 0; /* the space's timeout, counted from the first sleep */
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);

    for (;;) {
        unsigned owner = word & KITH__LOCK_ACTOR;

        if (owner == 0) {
            /* After a sleep others may sleep on: K3. */
            uint32_t mine = self->id | (deadline_ns != 0 ? KITH__LOCK_WAITERS : 0);
            if (atomic_compare_exchange_weak_explicit(&lock->word, &word, mine,
                                                      memory_order_acquire, memory_order_relaxed)) {
                if (deadline_ns != 0)
                    kith__awake(self);
                return KITH_OK;
            }
            continue;
        }
        if (owner <= self->arena->actors_max && owner != self->id &&
            kith__actor_flagged(self->arena, owner)) {
            self->arena->on_death(self, owner);
            word = atomic_load_explicit(&lock->word, memory_order_relaxed);
            if ((word & KITH__LOCK_ACTOR) != owner)
                continue;
        }
        if (deadline_ns == 0 && kith__spin(self, &lock->word, word)) {
            word = atomic_load_explicit(&lock->word, memory_order_relaxed);
            continue;
        }
        /* Name the word before the flag is set: a killed sleeper's wake is then passed on. */
        kith__store(&self->actor->waiting_on, kith__off(self->arena, &lock->word));
        kith__step();
        if ((word & KITH__LOCK_WAITERS) == 0 &&
            !atomic_compare_exchange_weak_explicit(&lock->word, &word, word | KITH__LOCK_WAITERS,
                                                   memory_order_relaxed, memory_order_relaxed)) {
            kith__awake(self);
            continue;
        }
        if (deadline_ns == 0)
            deadline_ns = kith__now_ns() + self->arena->timeout_ns;
        if (kith__sleep(self, &lock->word, word | KITH__LOCK_WAITERS, deadline_ns, false) ==
            KITH__SLEPT_TIMEOUT) {
            word = atomic_load_explicit(&lock->word, memory_order_relaxed);
            if ((word & KITH__LOCK_ACTOR) == 0)
                continue; /* it came free at the last moment, and the wake may have been ours */
            kith__awake(self);
            return stopped_owner(self, word);
        }
        word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    }
}

void
kith__lock_wake(struct kith__self *self, struct kith__lock *lock)
{
    (void)self;
#ifndef KITH_MISTAKE_LOCK_NO_WAKE
    kith__futex_wake(&lock->word, 1);
#else
    (void)lock;
#endif
}
