/*
 * pickle_text.c - values as protocol 0 writes them: as text in a line.
 */
#include "pickle_text.h"

#include "base/assert.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_SIZE_MAX 64
/* Decimal digits that are taken at once, and what they count to. */
#define DIGITS_AT_ONCE 9
#define WORDS_MAX (KITH__PICKLE_DIGITS_MAX / DIGITS_AT_ONCE + 2)

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Without blanks at both ends, which Python's int() and float() allow. */
static struct kith__span
trimmed(struct kith__span line)
{
    while (line.size > 0 && is_blank(line.data[0])) {
        line.data++;
        line.size--;
    }
    while (line.size > 0 && is_blank(line.data[line.size - 1]))
        line.size--;
    return line;
}

/* words = words * factor + more; how many they are then. */
static size_t
shift_in(uint32_t *words, size_t count, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (size_t i = 0; i < count; i++) {
        carry += (uint64_t)words[i] * factor;
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0)
        words[count++] = (uint32_t)carry;
    return count;
}

static const struct kith__node *
add_number(struct kith__graph *graph, const uint32_t *words, size_t count, bool negative)
{
    uint8_t bytes[4 * WORDS_MAX + 1];
    size_t size = 4 * count + 1;
    unsigned carry = 1;

    for (size_t i = 0; i < 4 * count; i++)
        bytes[i] = (uint8_t)(words[i / 4] >> 8 * (i % 4));
    bytes[size - 1] = 0;
    for (size_t i = 0; negative && i < size; i++) {
        carry += (uint8_t)~bytes[i];
        bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return kith__node_bigint(graph, bytes, size);
}

const struct kith__node *
kith__pickle_int_line(struct kith__graph *graph, struct kith__span line, const char **why_out)
{
    struct kith__span digits = trimmed(line);
    uint32_t words[WORDS_MAX];
    size_t count = 0;
    uint32_t run = 0, factor = 1;
    bool negative = false;

    *why_out = "a number is none";
    if (digits.size > 0 && (digits.data[0] == '-' || digits.data[0] == '+')) {
        negative = digits.data[0] == '-';
        digits.data++;
        digits.size--;
    }
    if (digits.size > 0 && digits.data[digits.size - 1] == 'L')
        digits.size--;
    if (digits.size == 0)
        return NULL;
    if (digits.size > KITH__PICKLE_DIGITS_MAX) {
        *why_out = "a number has more than 4300 digits";
        return NULL;
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return NULL;
        run = run * 10 + (uint32_t)(digits.data[i] - '0');
        factor *= 10;
        if ((i + 1) % DIGITS_AT_ONCE == 0 || i + 1 == digits.size) {
            count = shift_in(words, count, factor, run);
            run = 0;
            factor = 1;
        }
    }
    *why_out = NULL;
    return add_number(graph, words, count, negative);
}

const struct kith__node *
kith__pickle_float_line(struct kith__graph *graph, struct kith__span line, const char **why_out)
{
    struct kith__span digits = trimmed(line);
    char text[FLOAT_SIZE_MAX];
    char *end;
    locale_t c;
    double real;

    *why_out = "a float is none";
    if (digits.size == 0 || digits.size >= sizeof(text))
        return NULL;
    /* No blanks, which strtod() skips, nor hexadecimals, which it would take. */
    for (size_t i = 0; i < digits.size; i++)
        if (strchr("0123456789+-.eEinfatyINFATY", digits.data[i]) == NULL || digits.data[i] == 0)
            return NULL;
    memcpy(text, digits.data, digits.size);
    text[digits.size] = '\0';
    /* A program's own locale may write floats with a comma. */
    c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) {
        *why_out = "no memory is left to read a float";
        return NULL;
    }
    real = strtod_l(text, &end, c);
    freelocale(c);
    if (*end != '\0')
        return NULL;
    *why_out = NULL;
    return kith__node_float(graph, real);
}

static int
hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* `count` hexadecimal digits from `at` on; false if they are not there. */
static bool
hex_number(struct kith__span line, size_t at, size_t count, uint32_t *number_out)
{
    uint32_t number = 0;

    if (line.size - at < count)
        return false;
    for (size_t i = at; i < at + count; i++) {
        int digit = hex_digit(line.data[i]);

        if (digit < 0)
            return false;
        number = number << 4 | (uint32_t)digit;
    }
    *number_out = number;
    return true;
}

/* What the escape at line[*at], behind its backslash, stands for; -2 if it is none. */
static int
unescape(struct kith__span line, size_t *at)
{
    static const char letters[] = "abfnrtv\\'\"";
    static const char meaning[] = "\a\b\f\n\r\t\v\\'\"";
    uint8_t byte = line.data[(*at)++];
    const char *letter = byte == 0 ? NULL : strchr(letters, byte);
    uint32_t number = 0;

    if (letter != NULL)
        return meaning[letter - letters];
    if (byte == 'x') {
        if (!hex_number(line, *at, 2, &number))
            return -2;
        *at += 2;
        return (int)number;
    }
    if (byte < '0' || byte > '7')
        return -2;
    (*at)--;
    for (size_t i = 0; i < 3 && *at < line.size; i++) {
        if (line.data[*at] < '0' || line.data[*at] > '7')
            break;
        number = number * 8 + (uint32_t)(line.data[(*at)++] - '0');
    }
    return (int)(number & 0xff);
}

const struct kith__node *
kith__pickle_string_line(struct kith__graph *graph, struct kith__span line, const char **why_out)
{
    struct kith__span text = trimmed(line);
    uint8_t *out;
    size_t size = 0;

    *why_out = "a string is not between quotes";
    if (text.size < 2 || (text.data[0] != '\'' && text.data[0] != '"') ||
        text.data[text.size - 1] != text.data[0])
        return NULL;
    text.data++;
    text.size -= 2;
    *why_out = NULL;
    out = kith__graph_alloc(graph, text.size + 1);
    if (out == NULL)
        return NULL;
    for (size_t at = 0; at < text.size;) {
        int byte = text.data[at++];

        if (byte == '\\')
            byte = at == text.size ? -2 : unescape(text, &at);
        if (byte < 0 || byte > 0x7f) {
            *why_out = byte < 0 ? "a string has an escape that is none"
                                : "a string of Python 2 is not ASCII";
            return NULL;
        }
        out[size++] = (uint8_t)byte;
    }
    return kith__node_str(graph, out, size);
}

/* Writes a code point, a surrogate too, as UTF-8. */
static size_t
put_point(uint8_t *out, uint32_t point)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xc0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xe0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (point & 0x3f));
    return 4;
}

const struct kith__node *
kith__pickle_unicode_line(struct kith__graph *graph, struct kith__span line, const char **why_out)
{
    /* A byte becomes two at most: \uXXXX is six and becomes three. */
    uint8_t *out =
        line.size > SIZE_MAX / 2 - 1 ? NULL : kith__graph_alloc(graph, 2 * line.size + 1);
    size_t size = 0;

    *why_out = NULL;
    if (out == NULL)
        return NULL;
    for (size_t at = 0; at < line.size;) {
        uint32_t point = line.data[at++];
        uint8_t letter = at < line.size ? line.data[at] : 0;

        if (point == '\\' && (letter == 'u' || letter == 'U')) {
            size_t digits = letter == 'u' ? 4 : 8;

            if (!hex_number(line, at + 1, digits, &point) || point > 0x10ffff) {
                *why_out = "a str has an escape that is none";
                return NULL;
            }
            at += 1 + digits;
        } else if (point == '\\' && at < line.size) {
            /* Both stand for themselves; the second begins no escape. */
            out[size++] = '\\';
            point = letter;
            at++;
        }
        size += put_point(out + size, point);
    }
    return kith__node_str(graph, out, size);
}

bool
kith__pickle_index_line(struct kith__span line, uint64_t *index_out)
{
    uint64_t index = 0;

    line = trimmed(line);
    if (line.size == 0 || line.size > 10)
        return false;
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return false;
        index = index * 10 + (uint64_t)(line.data[i] - '0');
    }
    *index_out = index;
    return true;
}

bool
kith__pickle_latin1(const struct kith__node *text, uint8_t *bytes_out, size_t *size_out)
{
    struct kith__span utf8 = text->bytes;
    size_t size = 0;

    KITH__ASSERT(text->kind == KITH__NODE_STR);
    for (size_t at = 0; at < utf8.size; at++) {
        uint8_t byte = utf8.data[at];

        if (byte >= 0x80) {
            if (byte > 0xc3)
                return false;
            byte = (uint8_t)(byte << 6 | (utf8.data[++at] & 0x3f));
        }
        bytes_out[size++] = byte;
    }
    *size_out = size;
    return true;
}
