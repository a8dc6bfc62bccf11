/*
 * hash.c - SipHash-1-3 of inputs that are not short.
 */
#include "hash.h"

uint64_t
kith__hash_long(const uint64_t key[2], const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t left = size;
    struct kith__sip s;
    uint64_t word;

    kith__sip_init(&s, key);
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, sizeof(word));
        kith__sip_block(&s, le64toh(word));
    }
    return kith__sip_end(&s, kith__sip_last(at, left, size));
}
