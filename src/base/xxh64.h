/*
 * xxh64.h - the checksum of dumps: XXH64, as its specification has it.
 *
 * It finds damage, not malice: whoever can change a dump can change its checksums too.
 */
#ifndef KITH__XXH64_H
#define KITH__XXH64_H

#include <stddef.h>
#include <stdint.h>

/* A checksum under way. */
struct kith__xxh64 {
    uint64_t lane[4];
    uint64_t seed, total;
    uint8_t held[32]; /* bytes that do not yet fill a stripe: total % 32 of them */
};

void kith__xxh64_begin(struct kith__xxh64 *state, uint64_t seed);
void kith__xxh64_add(struct kith__xxh64 *state, const void *data, size_t size);
/* The checksum of all that was added; the state is as before. */
uint64_t kith__xxh64_end(const struct kith__xxh64 *state);

/* The checksum of one run of bytes. */
uint64_t kith__xxh64(const void *data, size_t size, uint64_t seed);

#endif /* KITH__XXH64_H */
