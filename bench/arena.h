/*
 * arena.h - what the programs that measure Kith share: a named arena of their round.
 */
#ifndef BENCH_ARENA_H
#define BENCH_ARENA_H

#include "harness.h"

#include <kith.h>

#define BENCH_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

/* Ends the round unless `err` is a success. */
void bench_must(kith_err err, const char *what);

/* The round's arena, opened, or created by the first to ask. */
kith_space *bench_space(struct bench *b);

kith_dict *bench_dict(kith_space *space, const char *name);

/* A queue of at most `capacity` items; 0: no bound. */
kith_queue *bench_queue(kith_space *space, const char *name, uint64_t capacity);

/* Bytes of memory that the arena's file takes. */
uint64_t bench_resident(kith_space *space);

/* Removes the round's arena: what bench_main() wants. */
void bench_remove(struct bench *b);

/*
 * A key that is whatever *bytes are when it is used.  It is made once before a loop, as a program
 * in a hurry would: copying a struct right after its fields were stored stalls the processor.
 */
static inline struct kith_item
bench_item(const struct bench_key *bytes)
{
    return (struct kith_item){ .type = KITH_TYPE_BYTES, .data = bytes, .size = BENCH_KEY_SIZE };
}

#endif /* BENCH_ARENA_H */
