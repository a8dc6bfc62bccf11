/*
 * scalar.c - what the type codes stand for.
 *
 * The codes are those of Python's array and struct modules.  l and L have 8 bytes, as C's long has
 * wherever Kith runs, and u is a code point, 4 bytes.
 */
#include "base/scalar.h"

#include <assert.h>

static_assert(sizeof(long) == 8, "l and L are C's long");

static const struct kith__scalar scalars[] = {
    { 'b', KITH__SCALAR_SIGNED, 1 }, { 'B', KITH__SCALAR_UNSIGNED, 1 },
    { 'h', KITH__SCALAR_SIGNED, 2 }, { 'H', KITH__SCALAR_UNSIGNED, 2 },
    { 'i', KITH__SCALAR_SIGNED, 4 }, { 'I', KITH__SCALAR_UNSIGNED, 4 },
    { 'l', KITH__SCALAR_SIGNED, 8 }, { 'L', KITH__SCALAR_UNSIGNED, 8 },
    { 'q', KITH__SCALAR_SIGNED, 8 }, { 'Q', KITH__SCALAR_UNSIGNED, 8 },
    { 'f', KITH__SCALAR_FLOAT, 4 },  { 'd', KITH__SCALAR_FLOAT, 8 },
    { '?', KITH__SCALAR_BOOL, 1 },   { 'c', KITH__SCALAR_CHAR, 1 },
    { 'u', KITH__SCALAR_CHAR, 4 },
};

#define CODE_POINT_MAX 0x10ffff

const struct kith__scalar *
kith__scalar_of(char code)
{
    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
        if (scalars[i].code == code)
            return &scalars[i];
    return NULL;
}

bool
kith__scalar_takes(const struct kith__scalar *type, enum kith__math what, bool real)
{
    bool bitwise = what == KITH__MATH_AND || what == KITH__MATH_OR || what == KITH__MATH_XOR;

    switch (type->class) {
    case KITH__SCALAR_SIGNED:
    case KITH__SCALAR_UNSIGNED:
        return !real;
    case KITH__SCALAR_FLOAT:
        return real && !bitwise;
    case KITH__SCALAR_BOOL:
        return !real && (bitwise || what == KITH__MATH_SET);
    case KITH__SCALAR_CHAR:
        return !real && what == KITH__MATH_SET;
    default:
        return false;
    }
}

/* The bits of `size` bytes, sign-extended. */
static int64_t
extend(uint64_t bits, uint32_t size)
{
    unsigned shift = 64 - 8 * size;

    return (int64_t)(bits << shift) >> shift;
}

uint64_t
kith__scalar_number_slow(const struct kith__scalar *type, uint64_t bits)
{
    if (type->class == KITH__SCALAR_SIGNED)
        return (uint64_t)extend(bits, type->size);
    if (type->class == KITH__SCALAR_FLOAT && type->size == 4) {
        uint32_t half = (uint32_t)bits;
        float real;

        memcpy(&real, &half, sizeof(real));
        return kith__real_bits(real);
    }
    return bits;
}

/* The bits of an int of the type; KITH_ERANGE if it is none. */
static kith_err
pack_int(const struct kith__scalar *type, int64_t n, uint64_t *bits_out)
{
    int64_t least, most;

    switch (type->class) {
    case KITH__SCALAR_SIGNED:
        least = type->size == 8 ? INT64_MIN : -(INT64_C(1) << (8 * type->size - 1));
        most = -(least + 1);
        break;
    case KITH__SCALAR_BOOL:
        least = 0;
        most = 1;
        break;
    default:
        least = 0;
        most = type->code == 'u' ? CODE_POINT_MAX : (INT64_C(1) << (8 * type->size)) - 1;
        break;
    }
    if (n < least || n > most)
        return KITH_ERANGE;
    *bits_out = (uint64_t)n & (UINT64_MAX >> (64 - 8 * type->size));
    return KITH_OK;
}

static kith_err
apply_real(const struct kith__scalar *type, enum kith__math what, double old, double n,
           uint64_t *now_out)
{
    double now = n;
    uint32_t half;
    float real;

    switch (what) {
    case KITH__MATH_ADD:
        now = old + n;
        break;
    case KITH__MATH_SUB:
        now = old - n;
        break;
    case KITH__MATH_MIN: /* a NaN is less than nothing, and more than nothing */
        now = n < old ? n : old;
        break;
    case KITH__MATH_MAX:
        now = n > old ? n : old;
        break;
    default:
        break;
    }
    if (type->size == 8) {
        *now_out = kith__real_bits(now);
        return KITH_OK;
    }
    real = (float)now;
    memcpy(&half, &real, sizeof(half));
    *now_out = half;
    return KITH_OK;
}

/* L and Q, whose numbers do not all fit an int64_t. */
static kith_err
apply_unsigned(enum kith__math what, uint64_t old, uint64_t n, uint64_t *now_out)
{
    uint64_t now = n;
    bool over = false;

    switch (what) {
    case KITH__MATH_ADD:
        over = __builtin_add_overflow(old, (int64_t)n, &now);
        break;
    case KITH__MATH_SUB:
        over = __builtin_sub_overflow(old, (int64_t)n, &now);
        break;
    case KITH__MATH_AND:
        now = old & n;
        break;
    case KITH__MATH_OR:
        now = old | n;
        break;
    case KITH__MATH_XOR:
        now = old ^ n;
        break;
    case KITH__MATH_MIN:
        now = n < old ? n : old;
        break;
    case KITH__MATH_MAX:
        now = n > old ? n : old;
        break;
    default:
        break;
    }
    if (over)
        return KITH_ERANGE;
    *now_out = now;
    return KITH_OK;
}

kith_err
kith__scalar_apply_slow(const struct kith__scalar *type, enum kith__math what, uint64_t old_bits,
                        uint64_t bits, uint64_t *now_out)
{
    uint64_t number = kith__scalar_number(type, old_bits);
    int64_t old = (int64_t)number, n = (int64_t)bits, now = n;
    bool over = false;

    if (type->class == KITH__SCALAR_FLOAT)
        return apply_real(type, what, kith__bits_real(number), kith__bits_real(bits), now_out);
    if (type->class == KITH__SCALAR_UNSIGNED && type->size == 8)
        return apply_unsigned(what, old_bits, bits, now_out);
    switch (what) {
    case KITH__MATH_ADD:
        over = __builtin_add_overflow(old, n, &now);
        break;
    case KITH__MATH_SUB:
        over = __builtin_sub_overflow(old, n, &now);
        break;
    case KITH__MATH_AND:
        now = old & n;
        break;
    case KITH__MATH_OR:
        now = old | n;
        break;
    case KITH__MATH_XOR:
        now = old ^ n;
        break;
    case KITH__MATH_MIN:
        now = n < old ? n : old;
        break;
    case KITH__MATH_MAX:
        now = n > old ? n : old;
        break;
    default:
        break;
    }
    return over ? KITH_ERANGE : pack_int(type, now, now_out);
}
