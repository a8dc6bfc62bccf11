/*
 * list_order.c - which of two items comes first, and a sort that no comparison can break.
 *
 * qsort() is neither stable nor, with a comparison that contradicts itself, always inside its
 * array; callers' comparisons are not ours to trust.
 */
#include "shm/list_order.h"

#include <math.h>
#include <string.h>

/* ---- Numbers ------------------------------------------------------------------------------ */

/* Little-endian two's complement of any length. */
struct big {
    const uint8_t *at;
    size_t size;
    uint8_t own[144];
};

static uint8_t
big_byte(const struct big *big, size_t i)
{
    if (i < big->size)
        return big->at[i];
    return big->size > 0 && (big->at[big->size - 1] & 0x80) != 0 ? 0xff : 0;
}

static int
compare_big(const struct big *a, const struct big *b)
{
    size_t size = (a->size > b->size ? a->size : b->size) + 1;
    bool a_negative = big_byte(a, size) != 0, b_negative = big_byte(b, size) != 0;

    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    while (size-- > 0)
        if (big_byte(a, size) != big_byte(b, size))
            return big_byte(a, size) < big_byte(b, size) ? -1 : 1;
    return 0;
}

static void
big_of_int(struct big *big, int64_t integer)
{
    for (unsigned i = 0; i < 8; i++)
        big->own[i] = (uint8_t)((uint64_t)integer >> (8 * i));
    big->at = big->own;
    big->size = 8;
}

/* The whole part of a finite double. */
static void
big_of_double(struct big *big, double real)
{
    int exponent;
    double fraction = frexp(fabs(real), &exponent);
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    int shift = exponent - 53;

    memset(big->own, 0, sizeof big->own);
    big->at = big->own;
    big->size = sizeof big->own;
    if (shift < 0) {
        mantissa = shift > -64 ? mantissa >> -shift : 0;
        shift = 0;
    }
    for (unsigned bit = 0; bit < 64; bit++)
        if ((mantissa >> bit & 1) != 0)
            big->own[(bit + (unsigned)shift) / 8] |= (uint8_t)(1u << (bit + (unsigned)shift) % 8);
    if (real < 0) {
        unsigned carry = 1;

        for (size_t i = 0; i < sizeof big->own; i++) {
            carry += (uint8_t)~big->own[i];
            big->own[i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
}

static void
big_of(struct big *big, const struct kith_item *item)
{
    switch (item->type) {
    case KITH_TYPE_BOOL:
        big_of_int(big, item->boolean);
        break;
    case KITH_TYPE_INT:
        big_of_int(big, item->integer);
        break;
    case KITH_TYPE_FLOAT:
        big_of_double(big, item->real);
        break;
    default:
        big->at = item->data;
        big->size = item->size;
    }
}

static double
fraction_of(const struct kith_item *item)
{
    double whole; /* modf() is libc's, trunc() would be libm's */

    return item->type == KITH_TYPE_FLOAT ? modf(item->real, &whole) : 0;
}

/* Infinities and NaN stand outside of all other numbers: -1, 1, 2; 0 for the rest. */
static int
outside(const struct kith_item *item)
{
    if (item->type != KITH_TYPE_FLOAT || isfinite(item->real))
        return 0;
    return isnan(item->real) ? 2 : item->real < 0 ? -1 : 1;
}

static int
compare_numbers(const struct kith_item *a, const struct kith_item *b)
{
    int a_outside = outside(a), b_outside = outside(b), order;
    struct big x, y;
    double p, q;

    if (a_outside != b_outside || a_outside != 0)
        return a_outside - b_outside;
    big_of(&x, a);
    big_of(&y, b);
    order = compare_big(&x, &y);
    if (order != 0)
        return order;
    p = fraction_of(a);
    q = fraction_of(b);
    return p < q ? -1 : p > q;
}

static bool
is_number(const struct kith_item *item)
{
    return item->type == KITH_TYPE_BOOL || item->type == KITH_TYPE_INT ||
           item->type == KITH_TYPE_FLOAT || item->type == KITH_TYPE_BIGINT;
}

/* ---- Items -------------------------------------------------------------------------------- */

int
kith__item_order(struct kith_item a, struct kith_item b, bool *ok)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order;

    if (a.type == KITH_TYPE_INT && b.type == KITH_TYPE_INT)
        return a.integer < b.integer ? -1 : a.integer > b.integer;
    if (is_number(&a) && is_number(&b))
        return compare_numbers(&a, &b);
    if (a.type != b.type || (a.type != KITH_TYPE_STR && a.type != KITH_TYPE_BYTES)) {
        *ok = false;
        return 0;
    }
    order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    return order != 0 ? order : a.size < b.size ? -1 : a.size > b.size;
}

void
kith__merge_sort(uint64_t *order, uint64_t *spare, uint64_t count,
                 bool (*before)(uint64_t a, uint64_t b, void *arg), void *arg)
{
    uint64_t *from = order, *to = spare;

    for (uint64_t i = 0; i < count; i++)
        order[i] = i;
    for (uint64_t width = 1; width < count; width *= 2) {
        uint64_t *swap = from;

        for (uint64_t start = 0; start < count; start += 2 * width) {
            uint64_t middle = start + width < count ? start + width : count;
            uint64_t end = middle + width < count ? middle + width : count;
            uint64_t left = start, right = middle;

            /* In order as they are, which is so of all of a list that was sorted before. */
            if (middle < end && before(from[middle], from[middle - 1], arg))
                for (uint64_t i = start; i < end; i++)
                    to[i] = left < middle && (right >= end || !before(from[right], from[left], arg))
                                ? from[left++]
                                : from[right++];
            else
                memcpy(&to[start], &from[start], (end - start) * sizeof *to);
        }
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, count * sizeof *order);
}
