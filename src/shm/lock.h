/*
 * lock.h - locks in an arena, the ledger that says who holds them, and sleeping.
 */
#ifndef KITH__SHM_LOCK_H
#define KITH__SHM_LOCK_H

#include "shm/actor.h"

/* ---- The ledger ----------------------------------------------------------------------- */

#define KITH__LEDGER_USER UINT64_C(1)   /* in an entry: a user's lock */
#define KITH__LEDGER_SHARED UINT64_C(2) /* a share of it; then a part of its id is above */
#define KITH__LEDGER_TOLD UINT64_C(4)   /* with the share came the news of a writer's death */
#define KITH__LEDGER_ID_SHIFT 47
#define KITH__LEDGER_OFF (((UINT64_C(1) << KITH__LEDGER_ID_SHIFT) - 1) & ~UINT64_C(7))
#define KITH__LEDGER_SPARE 8u /* entries always left for the library's own locks */

/* The words of a vector, `need` of them at least; NULL if it is too short, or was overwritten. */
static inline kith__word *
kith__vec_at(const struct kith__arena *arena, const struct kith__vec *vec, kith__word *inline_words,
             uint64_t inline_room, uint64_t need)
{
    uint64_t area = kith__load(&vec->area);

    if (area == 0)
        return need <= inline_room ? inline_words : NULL;
    return need > arena->size / sizeof(kith__word)
               ? NULL
               : (kith__word *)kith__at(arena, area, need * sizeof(kith__word));
}

static inline kith__word *
kith__ledger_at(const struct kith__arena *arena, struct kith__actor *actor, uint64_t need)
{
    return kith__vec_at(arena, &actor->ledger, actor->ledger_inline, KITH__LEDGER_INLINE, need);
}

static inline kith__word *
kith__staged_at(const struct kith__arena *arena, struct kith__actor *actor, uint64_t need)
{
    return kith__vec_at(arena, &actor->staged, actor->staged_inline, KITH__STAGED_INLINE, need);
}

static inline kith__word *
kith__trash_at(const struct kith__arena *arena, struct kith__actor *actor, uint64_t need)
{
    return kith__vec_at(arena, &actor->trash, actor->trash_inline, KITH__TRASH_INLINE, need);
}

/* ---- Locks ---------------------------------------------------------------------------- */

/* Writes the tag of a fresh lock; that of reused memory, and its word, are left alone. */
static inline void
kith__lock_init(const struct kith__arena *arena, struct kith__lock *lock)
{
    if (!kith__lock_is(lock, kith__off(arena, lock)))
        atomic_store(&lock->tag, kith__lock_tag(kith__off(arena, lock)));
}

kith_err kith__lock_wait(struct kith__self *self, struct kith__lock *lock);
void kith__lock_wake(struct kith__self *self, struct kith__lock *lock);
/* The general ways: for a ledger that outgrew the slot, and for an entry that is not the last. */
void kith__ledger_append(struct kith__self *self, uint64_t entry);
void kith__ledger_forget(struct kith__self *self, uint64_t entry);

static inline void
kith__ledger_write(struct kith__self *self, uint64_t entry)
{
    struct kith__actor *actor = self->actor;
    uint64_t count = kith__load(&actor->ledger.count);

    if (__builtin_expect(kith__load(&actor->ledger.area) != 0 || count >= KITH__LEDGER_INLINE, 0)) {
        kith__ledger_append(self, entry);
        return;
    }
    kith__store(&actor->ledger_inline[count], entry);
    kith__step();
    kith__store(&actor->ledger.count, count + 1);
    kith__step();
}

/* Takes an entry out; as a rule it is the last. */
static inline void
kith__ledger_drop(struct kith__self *self, uint64_t entry)
{
    struct kith__actor *actor = self->actor;
    uint64_t last = kith__load(&actor->ledger.count) - 1;

    if (__builtin_expect(kith__load(&actor->ledger.area) == 0 && last < KITH__LEDGER_INLINE &&
                             kith__load(&actor->ledger_inline[last]) == entry,
                         1))
        kith__store(&actor->ledger.count, last);
    else
        kith__ledger_forget(self, entry);
}

/*
 * Acquires one of the library's own locks.  STEPS
 *   L1 the ledger names it   L2 the word names us
 * so that a reaper finds the lock whichever of the two was reached.  KITH_EUNAVAILABLE: a
 * stopped process held it longer than the space's timeout.
 */
static inline kith_err
kith__lock_acquire(struct kith__self *self, struct kith__lock *lock)
{
    uint32_t free_word = 0;
    kith_err err;

    kith__ledger_write(self, kith__off(self->arena, lock)); /* L1 */
    self->depth++;
    if (atomic_compare_exchange_strong_explicit(
            &lock->word, &free_word, self->id, memory_order_acquire, memory_order_relaxed)) /* L2 */
        return KITH_OK;
    err = kith__lock_wait(self, lock);
    if (err < 0) {
        self->depth--;
        kith__ledger_forget(self, kith__off(self->arena, lock));
    }
    return err;
}

/* Acquires it if it is free, and does not wait. */
static inline bool
kith__lock_try(struct kith__self *self, struct kith__lock *lock)
{
    uint32_t free_word = 0;

    if (atomic_load_explicit(&lock->word, memory_order_relaxed) != 0)
        return false;
    kith__ledger_write(self, kith__off(self->arena, lock)); /* L1 */
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &free_word, self->id,
                                                 memory_order_acquire, memory_order_relaxed)) {
        kith__ledger_drop(self, kith__off(self->arena, lock));
        return false;
    }
    self->depth++;
    return true;
}

/*
 * Releases it.  STEPS
 *   U1 the word is free: one plain store   U2 a sleeper is woken   U3 the ledger forgets it
 * in two halves, between which a structure wakes those who wait for a change of it.  The ledger
 * names the lock until all are woken, and the reaper wakes the sleepers of every lock that the
 * ledger names, whether the word is still the dead's or not; so nothing else need be written down.
 */
static inline void
kith__lock_free(struct kith__self *self, struct kith__lock *lock)
{
    kith__step();
    atomic_store_explicit(&lock->word, 0, memory_order_release); /* U1 */
    kith__step();
    if ((atomic_load_explicit(&lock->tag, memory_order_relaxed) & KITH__TAG_WAITERS) != 0)
        kith__lock_wake(self, lock); /* U2 */
}

static inline void
kith__lock_forget(struct kith__self *self, struct kith__lock *lock)
{
    kith__step();
    kith__ledger_drop(self, kith__off(self->arena, lock)); /* U3 */
    self->depth--;
}

static inline void
kith__lock_release(struct kith__self *self, struct kith__lock *lock)
{
    kith__lock_free(self, lock);
    kith__lock_forget(self, lock);
}

/* Room for `more` entries beside the spare ones.  Called with no lock held. */
kith_err kith__ledger_reserve(struct kith__self *self, uint64_t more);

/* ---- Sleeping ------------------------------------------------------------------------- */

enum kith__slept {
    KITH__SLEPT_AGAIN,       /* look again: a wake, a change, or a death cleaned up after */
    KITH__SLEPT_TIMEOUT,     /* the deadline passed */
    KITH__SLEPT_INTERRUPTED, /* the thread's interrupt hook said so */
};

/*
 * Sleeps while *word is `expected`, watching for deaths all the while.  The slot keeps naming
 * the word until kith__awake(), so that a wake that a killed sleeper swallowed is repeated.
 */
enum kith__slept kith__sleep(struct kith__self *self, _Atomic uint32_t *word, uint32_t expected,
                             int64_t deadline_ns, bool interruptible);

static inline void
kith__awake(struct kith__self *self)
{
    kith__store_release(&self->actor->waiting_on, 0);
}

/* Spins while *word is `value`, as long as that has lately paid; whether it changed. */
bool kith__spin(struct kith__self *self, const _Atomic uint32_t *word, uint32_t value);

/* How long a process may take to go after a thread of it was seen dead. */
#define KITH__SUSPECT_NS INT64_C(2000000000)

/* How often a watchman looks after the dead without having been told; INT64_MAX: never. */
extern int64_t kith__recheck_ns;

/* ---- Signals -------------------------------------------------------------------------- */

/*
 * A signal is a word to sleep on whose condition is elsewhere.  A waiter joins, looks at the
 * condition once more, and sleeps on what joining returned; a waker makes the condition true
 * and then raises the signal.  Between these two the waker needs no fence: joining runs a barrier
 * in all processes, so either the waiter sees the condition, or the waker sees that it joined.
 */
uint32_t kith__signal_join(struct kith__self *self, _Atomic uint32_t *signal);
/* The same without the barrier: of a signal before whose raising there always is a fence. */
uint32_t kith__signal_enter(_Atomic uint32_t *signal);
void kith__signal_wake(struct kith__self *self, _Atomic uint32_t *signal, int count);

/* The caller made its change before this, in the order of its program. */
static inline void
kith__signal_raise(struct kith__self *self, _Atomic uint32_t *signal, int count)
{
    kith__step();
    if ((atomic_load_explicit(signal, memory_order_relaxed) &
         (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS)) != 0)
        kith__signal_wake(self, signal, count);
}

#endif /* KITH__SHM_LOCK_H */
