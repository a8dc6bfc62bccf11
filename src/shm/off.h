/*
 * off.h - from offsets to pointers and back, and the orders in which words are read.
 *
 * An offset that comes out of the arena was written by another process, perhaps by a broken
 * one.  kith__at() gives NULL for one that does not lie inside, and every caller that reads
 * without a lock may see such an offset in good health too: it then retries.
 */
#ifndef KITH__SHM_OFF_H
#define KITH__SHM_OFF_H

#include <stdbool.h>

#include "shm/arena.h"
#include "shm/layout.h"

static inline uint64_t
kith__load(const kith__word *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint64_t
kith__load_acquire(const kith__word *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static inline void
kith__store(kith__word *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void
kith__store_release(kith__word *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/*
 * Between these two a thread reads without a lock what others may be writing, and looks afterwards
 * whether they did.  ThreadSanitizer, which can't know that, is told to look away.
 */
#if defined(__SANITIZE_THREAD__)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

static inline void
kith__reading_begin(struct kith__actor *actor)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    kith__store(&actor->reading, kith__load(&actor->reading) + 1);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void
kith__reading_end(struct kith__actor *actor)
{
    kith__store_release(&actor->reading, kith__load(&actor->reading) + 1);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/*
 * A killed thread executed a prefix of its instructions, so the order of stores in the
 * program is all that recovery needs: a barrier for the compiler, none for the processor.
 */
static inline void
kith__step(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/*
 * The line of a word that is about to be changed is fetched for that at once, and not first to be
 * looked at.  Where two processors want it, that is one journey of it instead of two.
 */
static inline void
kith__fetch_to_change(const volatile void *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw (%0)" : : "r"(at)); /* without -mprfchw compilers fetch to read */
#else
    __builtin_prefetch((const void *)at, 1);
#endif
}

/* The `size` bytes at `off`, or NULL when they are not wholly inside the heap or `off` is odd. */
static inline void *
kith__at(const struct kith__arena *arena, uint64_t off, uint64_t size)
{
    if (off < arena->heap_off || off > arena->size || size > arena->size - off || (off & 7) != 0)
        return NULL;
    return arena->base + off;
}

/*
 * Whether `off` lies in the heap with a granule or more behind it.  One comparison instead of
 * three; the last granule of an arena is left to the others.
 */
static inline bool
kith__is_near(const struct kith__arena *arena, uint64_t off)
{
    return off - arena->heap_off < arena->near_size;
}

/* Such memory, as words. */
static inline void *
kith__near(const struct kith__arena *arena, uint64_t off)
{
    return arena->base + (off & ~UINT64_C(7));
}

/* As kith__at(), of a block of less than a granule at a multiple of 8: in most cases one
 * comparison. */
static inline void *
kith__block(const struct kith__arena *arena, uint64_t off, uint64_t size)
{
    return __builtin_expect(kith__is_near(arena, off), 1) ? arena->base + off
                                                          : kith__at(arena, off, size);
}

/* As kith__at(), for words that may stand in the header too. */
static inline void *
kith__at_any(const struct kith__arena *arena, uint64_t off, uint64_t size)
{
    if (off > arena->size || size > arena->size - off || (off & 7) != 0)
        return NULL;
    return arena->base + off;
}

static inline uint64_t
kith__off(const struct kith__arena *arena, const volatile void *at)
{
    return (uint64_t)((const volatile uint8_t *)at - arena->base);
}

static inline void *
kith__ptr(const struct kith__arena *arena, uint64_t off)
{
    return arena->base + off;
}

#endif /* KITH__SHM_OFF_H */
