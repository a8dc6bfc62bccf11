/*
 * key_number.c - Decimals and Fractions in the one form that equal ones have.
 *
 * Python's dicts find Decimal("1.00") by 1, and Fraction(2, 2) too.  A Decimal is pickled as the
 * text that str() makes of it; a Fraction as "1/2" or, since 3.12, as its two ints.  Fractions are
 * in lowest terms already.
 */
#include "key_number.h"

#include "pickle_text.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX KITH__PICKLE_DIGITS_MAX
/* Exponents of Python's decimals are not larger. */
#define EXPONENT_MAX 2000000000000000000LL

/* digits * 10 ** exponent, the digits without zeros at either end. */
struct decimal {
    bool negative;
    char digits[DIGITS_MAX + 1];
    size_t count;
    int64_t exponent;
};

static bool
take_exponent(struct kith__span text, int64_t *exponent_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    int64_t exponent = 0;

    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        text.data++;
        text.size--;
    }
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || exponent > EXPONENT_MAX / 10)
            return false;
        exponent = exponent * 10 + (text.data[i] - '0');
    }
    *exponent_out = negative ? -exponent : exponent;
    return true;
}

/* False: it is infinite, no number, or of more digits than are looked at. */
static bool
take_apart(struct kith__span text, struct decimal *d)
{
    size_t at = 0, behind_point = 0;
    bool point = false, any = false;

    memset(d, 0, sizeof(*d));
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        d->negative = text.data[at++] == '-';
    for (; at < text.size; at++) {
        uint8_t byte = text.data[at];

        if (byte == '.' && !point) {
            point = true;
        } else if (byte >= '0' && byte <= '9') {
            any = true;
            behind_point += point;
            if (d->count == 0 && byte == '0')
                continue;
            if (d->count == DIGITS_MAX)
                return false;
            d->digits[d->count++] = (char)byte;
        } else {
            break;
        }
    }
    if (!any)
        return false;
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at++;
        if (!take_exponent((struct kith__span){ text.data + at, text.size - at }, &d->exponent))
            return false;
        at = text.size;
    }
    d->exponent -= (int64_t)behind_point;
    while (d->count > 0 && d->digits[d->count - 1] == '0') {
        d->count--;
        d->exponent++;
    }
    return at == text.size;
}

static const struct kith__node *
whole(struct kith__graph *graph, const struct decimal *d)
{
    char text[DIGITS_MAX + 2];
    size_t size = 0;
    const char *why;

    if (d->negative)
        text[size++] = '-';
    memcpy(text + size, d->digits, d->count);
    size += d->count;
    memset(text + size, '0', (size_t)d->exponent);
    size += (size_t)d->exponent;
    return kith__pickle_int_line(graph, (struct kith__span){ (const uint8_t *)text, size }, &why);
}

static const struct kith__node *
call(struct kith__graph *graph, const struct kith__node *node, const struct kith__node *arguments)
{
    return kith__node_object(graph, KITH__NODE_REDUCE, node->made.callable, arguments, NULL);
}

static const struct kith__node *
decimal(struct kith__graph *graph, const struct kith__node *node, struct kith__span text)
{
    char made[DIGITS_MAX + 32];
    struct decimal d;
    int size;

    if (!take_apart(text, &d))
        return node;
    if (d.count == 0)
        return kith__node_int(graph, 0);
    if (d.exponent >= 0 && (uint64_t)d.exponent <= DIGITS_MAX - d.count)
        return whole(graph, &d);
    size = snprintf(made, sizeof(made), "%s%.*sE%lld", d.negative ? "-" : "", (int)d.count,
                    d.digits, (long long)d.exponent);
    return call(graph, node,
                kith__node_tuple(graph, 1, kith__node_text_copy(graph, made, (size_t)size)));
}

static const struct kith__node *
fraction_of_text(struct kith__graph *graph, const struct kith__node *node, struct kith__span text)
{
    const uint8_t *bar = text.size == 0 ? NULL : memchr(text.data, '/', text.size);
    size_t size = bar == NULL ? text.size : (size_t)(bar - text.data);
    const struct kith__node *top, *bottom;
    const char *why = NULL;

    top = kith__pickle_int_line(graph, (struct kith__span){ text.data, size }, &why);
    if (top == NULL)
        return why == NULL ? NULL : node;
    if (bar == NULL)
        return top;
    bottom = kith__pickle_int_line(
        graph, (struct kith__span){ text.data + size + 1, text.size - size - 1 }, &why);
    if (bottom == NULL)
        return why == NULL ? NULL : node;
    return call(graph, node, kith__node_tuple(graph, 2, top, bottom));
}

const struct kith__node *
kith__key_number(struct kith__graph *graph, const struct kith__node *node)
{
    const struct kith__node *first;

    if (node->kind != KITH__NODE_REDUCE || node->made.acts != NULL)
        return node;
    if (kith__node_is_call(node, "decimal", "Decimal", 1)) {
        first = node->made.arguments->run.items[0];
        return first->kind == KITH__NODE_STR ? decimal(graph, node, first->bytes) : node;
    }
    if (!kith__node_is_call(node, "fractions", "Fraction", 1))
        return node;
    first = node->made.arguments->run.items[0];
    if (first->kind == KITH__NODE_STR && node->made.arguments->run.count == 1)
        return fraction_of_text(graph, node, first->bytes);
    if (node->made.arguments->run.count == 2) {
        const struct kith__node *bottom = node->made.arguments->run.items[1];

        if (bottom->kind == KITH__NODE_INT && bottom->integer == 1)
            return first;
    }
    return node;
}
