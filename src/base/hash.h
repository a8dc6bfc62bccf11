/*
 * hash.h - keyed hashes for tables.
 *
 * Bytes are hashed by SipHash-1-3, so that whoever chooses the keys of a dict cannot choose where
 * they fall; integers by two multiplications under the same secret.  A hash is stored in arenas, so
 * both functions are part of the format.
 */
#ifndef KITH__HASH_H
#define KITH__HASH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The state of a SipHash. */
struct kith__sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t
kith__rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void
kith__sip_round(struct kith__sip *s)
{
    s->v0 += s->v1;
    s->v1 = kith__rotl(s->v1, 13) ^ s->v0;
    s->v0 = kith__rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = kith__rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = kith__rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = kith__rotl(s->v1, 17) ^ s->v2;
    s->v2 = kith__rotl(s->v2, 32);
}

static inline void
kith__sip_init(struct kith__sip *s, const uint64_t key[2])
{
    s->v0 = key[0] ^ UINT64_C(0x736f6d6570736575);
    s->v1 = key[1] ^ UINT64_C(0x646f72616e646f6d);
    s->v2 = key[0] ^ UINT64_C(0x6c7967656e657261);
    s->v3 = key[1] ^ UINT64_C(0x7465646279746573);
}

static inline void
kith__sip_block(struct kith__sip *s, uint64_t word)
{
    s->v3 ^= word;
    kith__sip_round(s);
    s->v0 ^= word;
}

/* The `size` bytes at `data`, fewer than 8, as a number: by loads that overlap, and no loop. */
static inline uint64_t
kith__load_short(const uint8_t *data, size_t size)
{
    uint32_t low, high;

    if (size >= 4) {
        memcpy(&low, data, 4);
        memcpy(&high, data + size - 4, 4);
        return le32toh(low) | (uint64_t)le32toh(high) << 8 * (size - 4);
    }
    return size == 0 ? 0
                     : data[0] | (uint64_t)data[size / 2] << 8 * (size / 2) |
                           (uint64_t)data[size - 1] << 8 * (size - 1);
}

/* The same, with the size of all in the top byte. */
static inline uint64_t
kith__sip_last(const uint8_t *data, size_t size, size_t size_all)
{
    return (uint64_t)size_all << 56 | kith__load_short(data, size);
}

static inline __attribute__((always_inline)) uint64_t
kith__sip_end(struct kith__sip *s, uint64_t last)
{
    kith__sip_block(s, last);
    s->v2 ^= 0xff;
    kith__sip_round(s);
    kith__sip_round(s);
    kith__sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-1-3 of any number of bytes; kith__hash() is the one to call. */
uint64_t kith__hash_long(const uint64_t key[2], const void *data, size_t size);

static inline uint64_t
kith__load_le64(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return le64toh(word);
}

/*
 * Up to 16 bytes as two numbers: the first 8 and the last 8, which overlap unless there are 16;
 * or all of fewer than 8, and 0.
 */
struct kith__short {
    uint64_t first, last;
};

static inline struct kith__short
kith__short_of(const void *data, size_t size)
{
    const uint8_t *at = data;

    return size >= 8 ? (struct kith__short){ kith__load_le64(at), kith__load_le64(at + size - 8) }
                     : (struct kith__short){ kith__load_short(at, size), 0 };
}

/* SipHash-1-3 of `size` bytes, at most 16. */
static inline __attribute__((always_inline)) uint64_t
kith__hash_of_short(const uint64_t key[2], struct kith__short data, size_t size)
{
    uint64_t tail = data.first;
    struct kith__sip s;

    kith__sip_init(&s, key);
    if (size >= 8) {
        kith__sip_block(&s, data.first);
        if (size == 16) {
            kith__sip_block(&s, data.last);
            tail = 0;
        } else {
            /* In two steps: a shift by 64, where there are just 8, is none. */
            tail = data.last >> 1 >> (8 * (16 - size) - 1);
        }
    }
    return kith__sip_end(&s, (uint64_t)size << 56 | tail);
}

/* SipHash-1-3 of any number of bytes. */
static inline uint64_t
kith__hash(const uint64_t key[2], const void *data, size_t size)
{
    return size > 16 ? kith__hash_long(key, data, size)
                     : kith__hash_of_short(key, kith__short_of(data, size), size);
}

/* The 128-bit product folded to 64 bits. */
static inline uint64_t
kith__mul_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
kith__hash_int(const uint64_t key[2], uint64_t x)
{
    uint64_t mixed = kith__mul_fold(x ^ key[0], key[1] ^ UINT64_C(0x9e3779b97f4a7c15));

    return kith__mul_fold(mixed ^ key[1], key[0] ^ UINT64_C(0xe7037ed1a0b428db));
}

#endif /* KITH__HASH_H */
