/*
 * lock.c - the slow paths of a lock: contention, a dead owner, a stopped one.
 *
 * LAYOUT   {word, tag}: see layout.h.  A word is 0, or its owner's actor id with flags.
 *
 * INVARIANTS
 *   K1  an actor's id is in a word only if that actor's ledger names the lock
 *   K2  a slot is free only if no word holds its id, so an id always means one thread
 *   K3  if somebody sleeps on a word, WAITERS is set in the tag, or a wake for it is owed by an
 *       actor whose ledger, pending_wake or waiting_on names it
 *   K4  a word that names a living actor is changed by that actor alone
 *
 * STEPS    acquire L1 L2, release U1 to U3: lock.h
 *  of waiting
 *   N1 waiting_on names the word   N2 WAITERS is in the tag, and one more join
 *   N3 a barrier in all processes   N4 the word is as it was   N5 asleep
 *  of taking WAITERS out, by one whose wake woke nobody
 *   C1 the tag is read   C2 no actor's waiting_on names the word   C3 the tag without WAITERS, by
 *   compare-and-swap from what was read
 *
 * Why no wake is lost: there is no fence between U1 and U2, as in mutex.c; N3 makes up for that.
 *   And one who comes after C2 joins after C1, so that C3 fails; one who joined before C1 is seen
 *   by C2.  (Not so if there are 2,048 joins in between, the tag's count being no longer: then one
 *   may sleep until his next look, of a second.)
 *
 * DEATH
 *   L1            the word does not hold the dead's id: the ledger entry is dropped
 *   L2 to U1      the reaper replays or drops the journal, frees the word, wakes the sleepers
 *   U1 to U3      the ledger still names it: the reaper repeats the wake, though the word may be
 *                 another's by now.  Whoever is woken for nothing sleeps again
 *   a sleeper     the reaper wakes the word it slept on, lest a wake went with it
 */
#include "shm/lock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/alloc.h"
#include "shm/futex.h"
#include "shm/grace.h"

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
    unsigned owner = word & KITH__LOCK_ACTOR, holder = 0;

    if (owner != 0 && owner <= self->arena->actors_max)
        holder = kith__actor_at(self->arena, owner)->holder;
    if (holder == 0 || holder > KITH__HOLDERS_MAX)
        return kith__fail(KITH_ECORRUPT,
                          "A lock inside %s names an owner that cannot be; run "
                          "kith check.",
                          self->arena->path ? self->arena->path : "the mem:// space");
    struct kith__holder *at = kith__holder_at(self->arena, holder);
    return kith__fail(KITH_EUNAVAILABLE,
                      "Process %lld (%.15s on %.47s) is alive but has held an inner lock of %s "
                      "longer than the space's timeout: it is stopped. Let it go on (kill -CONT), "
                      "or end it.",
                      (long long)at->pid, at->command, at->host,
                      self->arena->path ? self->arena->path : "the mem:// space");
}

/* N1 to N5; false: the deadline passed. */
static bool
sleep_on(struct kith__self *self, struct kith__lock *lock, uint32_t word, int64_t deadline_ns)
{
    uint32_t tag = atomic_load_explicit(&lock->tag, memory_order_relaxed), joined;
    bool in_time = true;

    kith__store(&self->actor->waiting_on, kith__off(self->arena, &lock->word)); /* N1 */
    kith__step();
    do
        joined = (tag & KITH__TAG_PLACE) | ((tag + KITH__TAG_JOIN) & KITH__TAG_JOINS) |
                 KITH__TAG_WAITERS;
    while (!atomic_compare_exchange_weak(&lock->tag, &tag, joined)); /* N2 */
#ifndef KITH_MISTAKE_SIGNAL_NO_BARRIER
    kith__barrier_everywhere(self); /* N3 */
#endif
    if (atomic_load(&lock->word) == word) /* N4 */
        in_time = kith__sleep(self, &lock->word, word, deadline_ns, false) != KITH__SLEPT_TIMEOUT;
    kith__awake(self);
    return in_time;
}

kith_err
kith__lock_wait(struct kith__self *self, struct kith__lock *lock)
{
    int64_t deadline_ns = 0; /* the space's timeout, counted from the first sleep */
    bool in_time = true;

    for (;;) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        unsigned owner = word & KITH__LOCK_ACTOR;

        if (owner == 0) {
            if (atomic_compare_exchange_weak_explicit(&lock->word, &word, self->id,
                                                      memory_order_acquire, memory_order_relaxed))
                return KITH_OK;
            continue;
        }
        if (owner <= self->arena->actors_max && owner != self->id &&
            kith__actor_flagged(self->arena, owner)) {
            self->arena->on_death(self, owner);
            if ((atomic_load(&lock->word) & KITH__LOCK_ACTOR) != owner)
                continue;
        }
        if (!in_time)
            return stopped_owner(self, word);
        if (deadline_ns == 0 && kith__spin(self, &lock->word, word))
            continue;
        if (deadline_ns == 0)
            deadline_ns = kith__now_ns() + self->arena->timeout_ns;
        in_time = sleep_on(self, lock, word, deadline_ns);
    }
}

/* Whether anybody has said that it sleeps on the word, or is about to. */
static bool
is_slept_on(struct kith__self *self, struct kith__lock *lock)
{
    struct kith__arena *arena = self->arena;
    uint64_t off = kith__off(arena, &lock->word);
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++)
        if (kith__load_acquire(&kith__actor_at(arena, id)->waiting_on) == off)
            return true;
    return false;
}

void
kith__lock_wake(struct kith__self *self, struct kith__lock *lock)
{
#ifndef KITH_MISTAKE_LOCK_NO_WAKE
    uint32_t tag;

    if (kith__futex_wake(&lock->word, 1) > 0)
        return;
    tag = atomic_load(&lock->tag);                                                  /* C1 */
    if (!is_slept_on(self, lock))                                                   /* C2 */
        atomic_compare_exchange_strong(&lock->tag, &tag, tag & ~KITH__TAG_WAITERS); /* C3 */
#else
    (void)self;
    (void)lock;
#endif
}
