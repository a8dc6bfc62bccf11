/*
 * scalar.h - the items of values and arrays: type codes, their ranges, and what is computed with
 * them.
 *
 * An item of up to 8 bytes is handed about as its bits: its bytes in native order, zero-extended to
 * 64.  A number that goes in is an int64_t for the types of ints, of which L and Q take it for the
 * uint64_t with the same bits, and the bits of a double for f and d.
 */
#ifndef KITH__SCALAR_H
#define KITH__SCALAR_H

#include <kith/base.h>
#include <string.h>

enum kith__scalar_class {
    KITH__SCALAR_PLAIN, /* a structure: bytes, without a code */
    KITH__SCALAR_SIGNED,
    KITH__SCALAR_UNSIGNED,
    KITH__SCALAR_FLOAT,
    KITH__SCALAR_BOOL,
    KITH__SCALAR_CHAR
};

struct kith__scalar {
    char code; /* 0: a structure */
    enum kith__scalar_class class;
    uint32_t size;
};

/* The type of a code; NULL: there is none. */
const struct kith__scalar *kith__scalar_of(char code);

enum kith__math {
    KITH__MATH_SET,
    KITH__MATH_ADD,
    KITH__MATH_SUB,
    KITH__MATH_AND,
    KITH__MATH_OR,
    KITH__MATH_XOR,
    KITH__MATH_MIN,
    KITH__MATH_MAX
};

/* Whether items of the type can be reckoned with so, by a double or by an int64_t. */
bool kith__scalar_takes(const struct kith__scalar *type, enum kith__math what, bool real);

/* The same for all operations at once: bit `what` says it of an int64_t, bit what + 8 of a double.
 */
static inline unsigned
kith__scalar_abilities(const struct kith__scalar *type)
{
    unsigned bits = 0;

    for (unsigned what = KITH__MATH_SET; what <= KITH__MATH_MAX; what++)
        bits |= (unsigned)kith__scalar_takes(type, (enum kith__math)what, false) << what |
                (unsigned)kith__scalar_takes(type, (enum kith__math)what, true) << (what + 8);
    return bits;
}

/* old WHAT n.  KITH_ERANGE, without a sentence: the result is none of the type. */
kith_err kith__scalar_apply_slow(const struct kith__scalar *type, enum kith__math what,
                                 uint64_t old, uint64_t n, uint64_t *now_out);

static inline kith_err
kith__scalar_apply(const struct kith__scalar *type, enum kith__math what, uint64_t old, uint64_t n,
                   uint64_t *now_out)
{
    int64_t sum;

    /* What counters are. */
    if (what == KITH__MATH_ADD && type->class == KITH__SCALAR_SIGNED && type->size == 8) {
        if (__builtin_add_overflow((int64_t)old, (int64_t)n, &sum))
            return KITH_ERANGE;
        *now_out = (uint64_t)sum;
        return KITH_OK;
    }
    return kith__scalar_apply_slow(type, what, old, n, now_out);
}

/* The number that bits stand for: an int64_t, or the bits of a double. */
uint64_t kith__scalar_number_slow(const struct kith__scalar *type, uint64_t bits);

static inline uint64_t
kith__scalar_number(const struct kith__scalar *type, uint64_t bits)
{
    return type->size == 8 ? bits : kith__scalar_number_slow(type, bits);
}

/* Bits of `type->size` bytes, and back. */
static inline uint64_t
kith__scalar_bits(const struct kith__scalar *type, const void *data)
{
    uint64_t bits = 0;

    memcpy(&bits, data, type->size);
    return type->class == KITH__SCALAR_BOOL ? bits != 0 : bits;
}

static inline uint64_t
kith__real_bits(double real)
{
    uint64_t bits;

    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

static inline double
kith__bits_real(uint64_t bits)
{
    double real;

    memcpy(&real, &bits, sizeof(real));
    return real;
}

#endif /* KITH__SCALAR_H */
