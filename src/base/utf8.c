/*
 * utf8.c - whether bytes are text, and whether text is a name.
 */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* Bytes of the well-formed character at `at`, of which `left` remain; 0 if it is none. */
static size_t
character_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    uint8_t second_min = 0x80;
    uint8_t second_max = 0xbf;
    size_t size;

    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0; /* a byte from the middle, or an overlong pair */
    if (first < 0xe0) {
        size = 2;
    } else if (first < 0xf0) {
        size = 3;
        if (first == 0xe0)
            second_min = 0xa0; /* overlong */
        if (first == 0xed)
            second_max = 0x9f; /* surrogates */
    } else if (first < 0xf5) {
        size = 4;
        if (first == 0xf0)
            second_min = 0x90; /* overlong */
        if (first == 0xf4)
            second_max = 0x8f; /* past U+10FFFF */
    } else {
        return 0;
    }
    if (left < size || at[1] < second_min || at[1] > second_max)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

bool
kith__utf8_ok(const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t left = size;
    uint64_t word;
    size_t step;

    while (left > 0) {
        /* Most text is ASCII: eight characters at a time as long as it is. */
        if (left >= sizeof(word)) {
            memcpy(&word, at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                left -= sizeof(word);
                continue;
            }
        } else if (size >= sizeof(word)) {
            /* The last eight, some of them again: what is left of them is ASCII too. */
            memcpy(&word, at + left - sizeof(word), sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0)
                return true;
        }
        step = character_size(at, left);
        if (step == 0)
            return false;
        at += step;
        left -= step;
    }
    return true;
}

bool
kith__name_ok(const void *data, size_t size)
{
    if (size == 0 || size > KITH__NAME_SIZE_MAX)
        return false;
    if (memchr(data, '/', size) != NULL || memchr(data, '\0', size) != NULL)
        return false;
    return kith__utf8_ok(data, size);
}
