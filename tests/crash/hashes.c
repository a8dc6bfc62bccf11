/*
 * hashes.c - see hashes.h.
 */
#include "hashes.h"

#include <stdlib.h>
#include <string.h>

static uint64_t
mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t hash = size * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (; size >= 16; at += 16, size -= 16) {
        uint64_t two[2];

        memcpy(two, at, 16);
        hash = mix(two[0] ^ hash, two[1] ^ UINT64_C(0xe7037ed1a0b428db));
        hash += UINT64_C(0xa0761d6478bd642f);
    }
    if (size > 0) {
        uint64_t two[2] = { 0, 0 };

        memcpy(two, at, size);
        hash = mix(two[0] ^ hash, two[1] ^ UINT64_C(0x8ebc6af09c88c6e3));
    }
    return mix(hash, UINT64_C(0x589965cc75374cc3));
}

static bool
enter(struct hashes *hashes, uint64_t key, uint64_t value, uint64_t **value_out)
{
    uint64_t i = (key * UINT64_C(0x9e3779b97f4a7c15)) & (hashes->room - 1);

    while (hashes->key[i] != 0 && hashes->key[i] != key)
        i = (i + 1) & (hashes->room - 1);
    if (value_out != NULL)
        *value_out = &hashes->value[i];
    if (hashes->key[i] == key)
        return false;
    hashes->key[i] = key;
    hashes->value[i] = value;
    hashes->count++;
    return true;
}

bool
hashes_add(struct hashes *hashes, uint64_t key, uint64_t value, uint64_t **value_out)
{
    if (key == 0)
        key = 1;
    if (2 * hashes->count >= hashes->room) {
        struct hashes larger = { .room = hashes->room ? 2 * hashes->room : 1024 };

        larger.key = calloc(larger.room, sizeof *larger.key);
        larger.value = calloc(larger.room, sizeof *larger.value);
        if (larger.key == NULL || larger.value == NULL)
            abort();
        for (uint64_t i = 0; i < hashes->room; i++)
            if (hashes->key[i] != 0)
                enter(&larger, hashes->key[i], hashes->value[i], NULL);
        hashes_free(hashes);
        *hashes = larger;
    }
    return enter(hashes, key, value, value_out);
}

void
hashes_free(struct hashes *hashes)
{
    free(hashes->key);
    free(hashes->value);
    memset(hashes, 0, sizeof *hashes);
}
