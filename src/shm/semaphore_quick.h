/*
 * semaphore_quick.h - permits that one process takes and gives back again and again.
 *
 * LAYOUT   `quick` is one word: how many permits a process has of those that it may take so, 16
 * bits from the lowest: those it may have yet; those it has; its slot; the low 15 bits of the
 *          semaphore's id; and whether it is stopped.  0: nobody may.
 *
 * INVARIANTS, with P1 to P5 of semaphore.c
 *   W1  what `quick` counts is a charge of the process that it names, which has no other
 *   W2  with what it may have yet, and all charges, it is the stock at most
 *   W3  nobody sleeps for a permit, or polls, while it is not 0 and not stopped
 *   W4  it is set under the lock; while it is not stopped, the process that it names changes it, by
 *       compare-and-swap, and without the lock
 *   W5  stopped, it is a charge on its way: if the process has one in the row, that one counts
 *
 * STEPS    Taking and giving back are one compare-and-swap each.
 *   Whoever takes the lock stops it first:
 *   W6 it is stopped   W7 owner and place of a charge   W8 its count   W9 it is 0
 *   From W6 on nobody else changes it, so what is half done is done again by the next one.
 *   Who takes a permit under the lock, as its last taker did, and finds nobody else to have any, or
 *   to wait, writes his charge into `quick` rather than into the row: that is A4.
 *
 * DEATH    Each step leaves what is right; W5 says what counts.  A slot is not used again before
 * its charges were dropped, for which the lock is taken; and a word of an object that ended has
 * another id, so one who stopped before his compare-and-swap does not change it.
 *
 * ORDER    To have a permit is to see what was done before it was given back: acquire and release.
 *          Whoever lies down has looked under the lock, after he said that he will: so W6 comes
 *          after that, and each giving back is then under the lock, too, and wakes him.
 */
#ifndef KITH__SHM_SEMAPHORE_QUICK_H
#define KITH__SHM_SEMAPHORE_QUICK_H

#include "shm/semaphore.h"

#define KITH__QUICK_MAX UINT64_C(0xffff)
#define KITH__QUICK_MORE(word) ((word)&KITH__QUICK_MAX) /* it may have yet */
#define KITH__QUICK_COUNT(word) ((word) >> 16 & KITH__QUICK_MAX)
#define KITH__QUICK_SLOT(word) ((unsigned)((word) >> 32 & 0xffff))
#define KITH__QUICK_ONE (UINT64_C(0x10000) - 1) /* from what it may have to what it has */
#define KITH__QUICK_STOPPED (UINT64_C(1) << 63)

static_assert(KITH__HOLDERS_MAX <= 0xffff, "a slot has 16 bits");

/* The upper half of the word while the caller's process may. */
static inline uint64_t
kith__quick_name(const struct kith__self *self, const struct kith__root_ref *ref)
{
    return (ref->id & 0x7fff) << 16 | self->arena->holder;
}

static inline bool
kith__quick_take(const struct kith__self *self, const struct kith__root_ref *ref)
{
    kith__word *quick = &kith__semaphore_root(ref)->quick;
    uint64_t word = kith__load(quick), name = kith__quick_name(self, ref);

    while (word >> 32 == name && KITH__QUICK_MORE(word) != 0)
        if (atomic_compare_exchange_weak_explicit(quick, &word, word + KITH__QUICK_ONE,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

static inline bool
kith__quick_give(const struct kith__self *self, const struct kith__root_ref *ref)
{
    kith__word *quick = &kith__semaphore_root(ref)->quick;
    uint64_t word = kith__load(quick), name = kith__quick_name(self, ref);

    while (word >> 32 == name && KITH__QUICK_COUNT(word) != 0)
        if (atomic_compare_exchange_weak_explicit(quick, &word, word - KITH__QUICK_ONE,
                                                  memory_order_release, memory_order_relaxed))
            return true;
    return false;
}

#endif /* KITH__SHM_SEMAPHORE_QUICK_H */
