/*
 * key.h - an item as a key: hashed and compared as Python does it.
 *
 * A key has two forms.  The original is what the caller gave, and what is stored and handed out
 * again.  The canonical form is what hash and equality go by: 1, 1.0 and true have one, and so have
 * all writings of one tuple.  For int, str and bytes the two are the same, and nothing is copied.
 *
 *     original                       canonical
 *     none                           none
 *     bool, int                      int
 *     float, integral                int, or a big int if it does not fit
 *     float, else                    float
 *     str, bytes                     the same
 *     big int                        int if it fits, else the same without needless bytes
 *     packed tuple                   its elements' canonical forms in a row, as write_element() has
 *                                    them
 *
 * What else there is (lists, dicts, sets, foreign items, references, NaN) cannot be a key.
 */
#ifndef KITH__KEY_H
#define KITH__KEY_H

#include <kith/item.h>
#include <string.h>

#include "base/hash.h"

enum kith__key_form {
    KITH__KEY_PLAIN, /* the canonical form is the original, or a part of it */
    KITH__KEY_MADE   /* the canonical form stands in scratch or inline_scratch */
};

/*
 * May point into itself and into what the caller gave: not to be copied, and good as long as the
 * item it was made of.  kith__key_free() ends it.
 */
struct kith__key {
    uint64_t hash;
    uint8_t type;      /* the original, as it is stored */
    uint8_t form;      /* enum kith__key_form */
    const void *data;  /* of bool, int and float: at `word` */
    size_t size;       /* of none 0; of bool, int and float 8 */
    uint64_t word;     /* 0 or 1, the int, the bits of the float: in native byte order */
    uint8_t ctype;     /* the canonical form */
    const void *cdata; /* of int: 8 bytes in native byte order */
    size_t csize;
    void *scratch; /* NULL, or memory of kith__malloc() */
    uint8_t inline_scratch[64];
};

/*
 * Makes the key of `item`, hashed under `seed`.  On error there is nothing to free.
 *
 * KITH_EINVAL  it is no item, or one that cannot be a key; the sentence says why
 * KITH_ENOMEM  this process has no memory for the canonical form
 */
kith_err kith__key_make(const uint64_t seed[2], struct kith_item item, struct kith__key *key_out);

/* A key that most are: an int, bytes, or str of plain ASCII, of 1 to 16 bytes. */
struct kith__short_key {
    uint64_t hash;
    struct kith__short data;
    uint64_t size;
    uint8_t type;
};

#define KITH__NOT_ASCII UINT64_C(0x8080808080808080)

/*
 * In line, and all in registers.  False: the item is another key, or none.  Plain ASCII needs no
 * further look to be UTF-8.
 */
static inline __attribute__((always_inline)) bool
kith__short_key_of(const uint64_t seed[2], const struct kith_item *item,
                   struct kith__short_key *key)
{
    const uint64_t own[2] = { seed[0] ^ (uint64_t)item->type, seed[1] };
    size_t size = item->size;

    key->type = (uint8_t)item->type;
    if (item->type == KITH_TYPE_INT) {
        key->size = sizeof(item->integer);
        key->data = kith__short_of(&item->integer, sizeof(item->integer));
        key->hash = kith__hash_int(seed, (uint64_t)item->integer);
        return true;
    }
    if ((unsigned)item->type - KITH_TYPE_STR > KITH_TYPE_BYTES - KITH_TYPE_STR || size - 1 > 15 ||
        item->data == NULL)
        return false;
    key->size = size;
    key->data = kith__short_of(item->data, size);
    key->hash = kith__hash_of_short(own, key->data, size);
    return item->type == KITH_TYPE_BYTES ||
           ((key->data.first | key->data.last) & KITH__NOT_ASCII) == 0;
}

/* As kith__key_make(), in line for short keys. */
static inline kith_err
kith__key_of(const uint64_t seed[2], const struct kith_item *item, struct kith__key *key)
{
    struct kith__short_key made;

    if (!kith__short_key_of(seed, item, &made))
        return kith__key_make(seed, *item, key);
    key->hash = made.hash;
    key->word = (uint64_t)item->integer;
    key->data = key->cdata = item->type == KITH_TYPE_INT ? (const void *)&key->word : item->data;
    key->size = key->csize = made.size;
    key->type = key->ctype = made.type;
    key->form = KITH__KEY_PLAIN;
    key->scratch = NULL;
    return KITH_OK;
}

void kith__key_free_scratch(struct kith__key *key);

/* Gives back what the key took. */
static inline void
kith__key_free(struct kith__key *key)
{
    if (__builtin_expect(key->scratch != NULL, 0))
        kith__key_free_scratch(key);
}

/* Whether `size` bytes are the same.  In line for the sizes of most keys. */
static inline bool
kith__bytes_same(const void *a, const void *b, size_t size)
{
    struct kith__short x, y;

    if (size > 16)
        return memcmp(a, b, size) == 0;
    x = kith__short_of(a, size);
    y = kith__short_of(b, size);
    return ((x.first ^ y.first) | (x.last ^ y.last)) == 0;
}

/* kith__key_same() where the originals do not decide; no other caller. */
bool kith__key_same_slow(const struct kith__key *probe, uint8_t type, const void *data,
                         size_t size);

/*
 * Whether the stored original (`type`, `data`, `size`) is the same key as `probe`.  The stored one
 * may be garbage, and may change while it is read: never is a byte read outside of it.
 */
static inline bool
kith__key_same(const struct kith__key *probe, uint8_t type, const void *data, size_t size)
{
    if (type == probe->type) {
        if (size == probe->size && kith__bytes_same(data, probe->data, size))
            return true;
        if (probe->form == KITH__KEY_PLAIN && type <= KITH_TYPE_BYTES)
            return false; /* none, int, str, bytes: one key, one writing */
    }
    if (probe->ctype == KITH_TYPE_STR || probe->ctype == KITH_TYPE_BYTES)
        return false; /* no other type equals these */
    return kith__key_same_slow(probe, type, data, size);
}

/* The item that a stored original is.  Data is not copied; a number without 8 bytes is 0. */
struct kith_item kith__key_item(uint8_t type, const void *data, size_t size);

#endif /* KITH__KEY_H */
