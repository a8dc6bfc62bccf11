/*
 * hashes.h - numbers for contents, and sets of them.
 */
#ifndef KITH__HASHES_H
#define KITH__HASHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 64 bits of which two different contents hardly ever have the same. */
uint64_t hash_bytes(const void *bytes, size_t size);

/* number -> number; zero-initialised is empty. */
struct hashes {
    uint64_t *key, *value;
    uint64_t room, count;
};

/* Enters `key` with `value`; false, and *value_out what it had, if it was there. */
bool hashes_add(struct hashes *hashes, uint64_t key, uint64_t value, uint64_t **value_out);
void hashes_free(struct hashes *hashes);

#endif /* KITH__HASHES_H */
