/*
 * xxh64.c - the checksum of dumps: XXH64, as its specification has it.
 *
 * Words are read as little-endian whatever the machine, so that a dump has one checksum everywhere.
 */
#include "base/xxh64.h"

#include <string.h>

#define PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME_3 UINT64_C(0x165667b19e3779f9)
#define PRIME_4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME_5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t
rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t
word(const uint8_t *at, unsigned size)
{
    uint64_t x = 0;

    memcpy(&x, at, size);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x); /* the bytes stand first, so this puts them last */
#endif
    return x;
}

static uint64_t
round_of(uint64_t lane, uint64_t input)
{
    return rotate(lane + input * PRIME_2, 31) * PRIME_1;
}

static uint64_t
merged(uint64_t sum, uint64_t lane)
{
    return (sum ^ round_of(0, lane)) * PRIME_1 + PRIME_4;
}

static void
stripe(struct kith__xxh64 *state, const uint8_t *at)
{
    for (unsigned i = 0; i < 4; i++)
        state->lane[i] = round_of(state->lane[i], word(at + (size_t)8 * i, 8));
}

void
kith__xxh64_begin(struct kith__xxh64 *state, uint64_t seed)
{
    memset(state, 0, sizeof *state);
    state->seed = seed;
    state->lane[0] = seed + PRIME_1 + PRIME_2;
    state->lane[1] = seed + PRIME_2;
    state->lane[2] = seed;
    state->lane[3] = seed - PRIME_1;
}

void
kith__xxh64_add(struct kith__xxh64 *state, const void *data, size_t size)
{
    size_t held = (size_t)(state->total % 32);
    const uint8_t *at = data;

    state->total += size;
    if (held > 0) {
        size_t part = size < 32 - held ? size : 32 - held;

        memcpy(state->held + held, at, part);
        at += part;
        size -= part;
        if (held + part < 32)
            return;
        stripe(state, state->held);
    }
    for (; size >= 32; at += 32, size -= 32)
        stripe(state, at);
    if (size > 0)
        memcpy(state->held, at, size);
}

uint64_t
kith__xxh64_end(const struct kith__xxh64 *state)
{
    const uint8_t *at = state->held;
    size_t left = (size_t)(state->total % 32);
    uint64_t sum = state->seed + PRIME_5;

    if (state->total >= 32) {
        sum = rotate(state->lane[0], 1) + rotate(state->lane[1], 7) + rotate(state->lane[2], 12) +
              rotate(state->lane[3], 18);
        for (unsigned i = 0; i < 4; i++)
            sum = merged(sum, state->lane[i]);
    }
    sum += state->total;
    for (; left >= 8; at += 8, left -= 8)
        sum = rotate(sum ^ round_of(0, word(at, 8)), 27) * PRIME_1 + PRIME_4;
    if (left >= 4) {
        sum = rotate(sum ^ word(at, 4) * PRIME_1, 23) * PRIME_2 + PRIME_3;
        at += 4;
        left -= 4;
    }
    for (; left > 0; at++, left--)
        sum = rotate(sum ^ *at * PRIME_5, 11) * PRIME_1;
    sum = (sum ^ sum >> 33) * PRIME_2;
    sum = (sum ^ sum >> 29) * PRIME_3;
    return sum ^ sum >> 32;
}

uint64_t
kith__xxh64(const void *data, size_t size, uint64_t seed)
{
    struct kith__xxh64 state;

    kith__xxh64_begin(&state, seed);
    kith__xxh64_add(&state, data, size);
    return kith__xxh64_end(&state);
}
