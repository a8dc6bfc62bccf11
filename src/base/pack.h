/*
 * pack.h - reading MessagePack, as kith/item.h says that Kith writes it.
 *
 * Bytes go in, values come out; nothing is copied and nothing allocated.  The bytes may be
 * anybody's: every length is checked against what is left, and the work is bounded by their size.
 */
#ifndef KITH__PACK_H
#define KITH__PACK_H

#include <kith/item.h>

#include "base/shared.h"

enum kith__pack_kind {
    KITH__PACK_NIL,
    KITH__PACK_BOOL,
    KITH__PACK_INT,     /* integer */
    KITH__PACK_NATURAL, /* natural: an integer that is larger than INT64_MAX */
    KITH__PACK_FLOAT,   /* real */
    KITH__PACK_STR,     /* data, size; not checked to be UTF-8 */
    KITH__PACK_BIN,     /* data, size */
    KITH__PACK_ARRAY,   /* count: so many values follow */
    KITH__PACK_MAP,     /* count: so many pairs of values follow */
    KITH__PACK_EXT      /* ext, data, size */
};

/* The ext types that Kith gives a meaning. */
enum kith__pack_ext {
    KITH__PACK_TUPLE = 1,
    KITH__PACK_SET = 2,
    KITH__PACK_BIGINT = 3,
    KITH__PACK_FOREIGN = 4
};

/* One value, or the head of an array or a map. */
struct kith__pack_value {
    enum kith__pack_kind kind;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
    };
    const uint8_t *data;
    size_t size;
    uint32_t count;
    int8_t ext;
};

/* What is still to be read. */
struct kith__pack_reader {
    const uint8_t *at;
    size_t left;
};

static inline struct kith__pack_reader
kith__pack_reader(const void *data, size_t size)
{
    return (struct kith__pack_reader){ .at = (const uint8_t *)data, .left = size };
}

KITH__SHARED_BEGIN
/* Reads one value, or one head.  False if the bytes are none, or end before it does. */
bool kith__pack_read(struct kith__pack_reader *reader, struct kith__pack_value *value_out);

/*
 * KITH_EINVAL, with a sentence, unless the bytes are exactly one value, whole in all its parts,
 * nested at most KITH_PACKED_DEPTH_MAX deep, with ext types that Kith knows and str that is UTF-8.
 */
kith_err kith__pack_check(const void *data, size_t size);
KITH__SHARED_END

#endif /* KITH__PACK_H */
