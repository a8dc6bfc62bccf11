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

/*
 * As kith__key_make(), in line for the keys that most are: bytes, and str of 8 to 16 bytes that is
 * plain ASCII, which needs no further look to be UTF-8.
 */
static inline kith_err
kith__key_of(const uint64_t seed[2], const struct kith_item *item, struct kith__key *key)
{
    uint64_t own[2];

    if (item->type == KITH_TYPE_STR) {
        const uint8_t *at = item->data;
        uint64_t first, last;

        if (item->size < 8 || item->size > 16 || at == NULL)
            return kith__key_make(seed, *item, key);
        memcpy(&first, at, 8);
        memcpy(&last, at + item->size - 8, 8);
        if (((first | last) & UINT64_C(0x8080808080808080)) != 0)
            return kith__key_make(seed, *item, key);
    } else if (item->type != KITH_TYPE_BYTES || item->data == NULL) {
        return kith__key_make(seed, *item, key);
    }
    key->type = key->ctype = (uint8_t)item->type;
    key->form = KITH__KEY_PLAIN;
    key->data = key->cdata = item->data;
    key->size = key->csize = item->size;
    key->scratch = NULL;
    own[0] = seed[0] ^ key->ctype;
    own[1] = seed[1];
    key->hash = kith__hash(own, item->data, item->size);
    return KITH_OK;
}

/* Gives back what the key took. */
void kith__key_free(struct kith__key *key);

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
        if (size == probe->size && (size == 0 || memcmp(data, probe->data, size) == 0))
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
