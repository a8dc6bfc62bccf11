/*
 * json.c - reads JSON text into an item, by way of MessagePack for arrays and objects.
 *
 * Every value is written to a growing buffer in its shortest MessagePack form, the one that other
 * writers choose too, so that equal values have equal bytes.  A count stands before what it counts
 * and is known only after it, so a head is put in front of its body when that is done.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { EXT_TUPLE = 1, EXT_BIGINT = 3 };

/* Texts nested deeper are refused here, before the library does it. */
#define DEPTH_MAX KITH_PACKED_DEPTH_MAX

struct json {
    const char *at;
    const char *end;
    bool key; /* an array is a tuple */
    unsigned char *out;
    size_t size;
    size_t capacity;
};

static const char no_memory[] = "there is no memory for it";

/* ---- writing ---- */

static bool
put(struct json *json, const void *bytes, size_t size)
{
    if (size > json->capacity - json->size) {
        size_t capacity = 2 * json->capacity + size + 64;
        unsigned char *larger = realloc(json->out, capacity);

        if (larger == NULL)
            return false;
        json->out = larger;
        json->capacity = capacity;
    }
    if (size > 0)
        memcpy(json->out + json->size, bytes, size);
    json->size += size;
    return true;
}

/* The code and `width` bytes of a big-endian number behind it. */
static size_t
code_and_number(unsigned char *head, unsigned code, uint64_t number, size_t width)
{
    head[0] = (unsigned char)code;
    for (size_t i = 0; i < width; i++)
        head[1 + i] = (unsigned char)(number >> (8 * (width - 1 - i)));
    return 1 + width;
}

static bool
put_int(struct json *json, int64_t n)
{
    unsigned char head[9];
    size_t size;

    if (n >= -32 && n < 128)
        size = code_and_number(head, (unsigned char)n, 0, 0);
    else if (n >= 0)
        size = n <= UINT8_MAX    ? code_and_number(head, 0xcc, (uint64_t)n, 1)
               : n <= UINT16_MAX ? code_and_number(head, 0xcd, (uint64_t)n, 2)
               : n <= UINT32_MAX ? code_and_number(head, 0xce, (uint64_t)n, 4)
                                 : code_and_number(head, 0xcf, (uint64_t)n, 8);
    else
        size = n >= INT8_MIN    ? code_and_number(head, 0xd0, (uint64_t)n, 1)
               : n >= INT16_MIN ? code_and_number(head, 0xd1, (uint64_t)n, 2)
               : n >= INT32_MIN ? code_and_number(head, 0xd2, (uint64_t)n, 4)
                                : code_and_number(head, 0xd3, (uint64_t)n, 8);
    return put(json, head, size);
}

static bool
put_float(struct json *json, double real)
{
    unsigned char head[9];
    uint64_t bits;

    memcpy(&bits, &real, sizeof bits);
    return put(json, head, code_and_number(head, 0xcb, bits, 8));
}

/* Puts `head` before what was written since `start`. */
static bool
put_before(struct json *json, size_t start, const unsigned char *head, size_t size)
{
    if (!put(json, head, size)) /* makes room; the bytes are about to be moved over */
        return false;
    memmove(json->out + start + size, json->out + start, json->size - size - start);
    memcpy(json->out + start, head, size);
    return true;
}

static bool
str_head(struct json *json, size_t start)
{
    unsigned char head[5];
    size_t size = json->size - start;

    return put_before(json, start, head,
                      size < 32            ? code_and_number(head, 0xa0u | (unsigned)size, 0, 0)
                      : size <= UINT8_MAX  ? code_and_number(head, 0xd9, size, 1)
                      : size <= UINT16_MAX ? code_and_number(head, 0xda, size, 2)
                                           : code_and_number(head, 0xdb, size, 4));
}

static bool
array_head(struct json *json, size_t start, size_t count)
{
    unsigned char head[5];

    return put_before(json, start, head,
                      count < 16            ? code_and_number(head, 0x90u | (unsigned)count, 0, 0)
                      : count <= UINT16_MAX ? code_and_number(head, 0xdc, count, 2)
                                            : code_and_number(head, 0xdd, count, 4));
}

static bool
map_head(struct json *json, size_t start, size_t count)
{
    unsigned char head[5];

    return put_before(json, start, head,
                      count < 16            ? code_and_number(head, 0x80u | (unsigned)count, 0, 0)
                      : count <= UINT16_MAX ? code_and_number(head, 0xde, count, 2)
                                            : code_and_number(head, 0xdf, count, 4));
}

static bool
ext_head(struct json *json, size_t start, unsigned type)
{
    unsigned char head[6];
    size_t body = json->size - start;
    size_t size;

    switch (body) {
    case 1:
    case 2:
    case 4:
    case 8:
    case 16:
        size = 1;
        head[0] = (unsigned char)(0xd4 + __builtin_ctzll(body));
        break;
    default:
        size = body <= UINT8_MAX    ? code_and_number(head, 0xc7, body, 1)
               : body <= UINT16_MAX ? code_and_number(head, 0xc8, body, 2)
                                    : code_and_number(head, 0xc9, body, 4);
    }
    head[size] = (unsigned char)type;
    return put_before(json, start, head, size + 1);
}

/* ---- decimal numbers ---- */

/*
 * Writes the digits as little-endian two's complement, as short as it goes, to `number`, which has
 * a byte for every digit and one more.  Returns the bytes used.
 */
static size_t
twos_complement(const char *digits, size_t count, bool negative, unsigned char *number)
{
    size_t size = 1;
    unsigned carry = 1;

    memset(number, 0, count + 1);
    for (size_t i = 0; i < count; i++) {
        unsigned add = (unsigned)(digits[i] - '0');

        for (size_t j = 0; j < size || add > 0; j++) {
            add += number[j] * 10u;
            number[j] = (unsigned char)add;
            add >>= 8;
            if (j >= size)
                size = j + 1;
        }
    }
    if (size <= count)
        size++; /* room for the sign */
    for (size_t j = 0; negative && j < size; j++) {
        carry += (unsigned char)~number[j];
        number[j] = (unsigned char)carry;
        carry >>= 8;
    }
    while (size > 1) {
        unsigned char fill = number[size - 2] & 0x80 ? 0xff : 0;

        if (number[size - 1] != fill)
            break;
        size--;
    }
    return size;
}

bool
cli_decimal(const char *text, size_t size, struct kith_item *item_out, void **memory_out)
{
    bool negative = text[0] == '-';
    size_t sign = negative || text[0] == '+' ? 1 : 0;
    unsigned char *number;
    uint64_t value = 0;

    text += sign;
    size -= sign;
    while (size > 1 && text[0] == '0') {
        text++;
        size--;
    }
    number = malloc(size + 1);
    if (number == NULL)
        return false;
    size = twos_complement(text, size, negative, number);
    if (size > 8) {
        *item_out = (struct kith_item){ .type = KITH_TYPE_BIGINT, .data = number, .size = size };
        *memory_out = number;
        return true;
    }
    if (number[size - 1] & 0x80)
        value = UINT64_MAX;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | number[i];
    free(number);
    *item_out = kith_int((int64_t)value);
    return true;
}

/* ---- reading ---- */

static void
skip_blanks(struct json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

static char
peek(const struct json *json)
{
    return json->at < json->end ? *json->at : '\0';
}

static bool
skip(struct json *json, char c)
{
    skip_blanks(json);
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

static bool
skip_word(struct json *json, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size) != 0)
        return false;
    json->at += size;
    return true;
}

static bool
read_hex(struct json *json, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = peek(json);

        if (c >= '0' && c <= '9')
            *code = *code << 4 | (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *code = *code << 4 | (unsigned)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            *code = *code << 4 | (unsigned)(c - 'A' + 10);
        else
            return false;
        json->at++;
    }
    return true;
}

static bool
put_character(struct json *json, unsigned code)
{
    unsigned char utf8[4];

    if (code < 0x80) {
        utf8[0] = (unsigned char)code;
        return put(json, utf8, 1);
    }
    if (code < 0x800) {
        utf8[0] = (unsigned char)(0xc0 | code >> 6);
        utf8[1] = (unsigned char)(0x80 | (code & 0x3f));
        return put(json, utf8, 2);
    }
    if (code < 0x10000) {
        utf8[0] = (unsigned char)(0xe0 | code >> 12);
        utf8[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        utf8[2] = (unsigned char)(0x80 | (code & 0x3f));
        return put(json, utf8, 3);
    }
    utf8[0] = (unsigned char)(0xf0 | code >> 18);
    utf8[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    utf8[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    utf8[3] = (unsigned char)(0x80 | (code & 0x3f));
    return put(json, utf8, 4);
}

/* What follows "\u": one unit of UTF-16, or two that belong together. */
static const char *
read_unicode(struct json *json)
{
    unsigned code;
    unsigned low;

    if (!read_hex(json, &code))
        return "\\u takes four hexadecimal digits";
    if (code >= 0xd800 && code < 0xdc00) {
        if (!skip_word(json, "\\u") || !read_hex(json, &low) || low < 0xdc00 || low > 0xdfff)
            return "half of a surrogate pair is missing";
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return "half of a surrogate pair is missing";
    }
    return put_character(json, code) ? NULL : no_memory;
}

/* A string's characters, without a head; json->at is behind the first quote. */
static const char *
read_characters(struct json *json)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    for (;;) {
        const char *start = json->at;
        const char *escape;
        const char *wrong;

        while (json->at < json->end && *json->at != '"' && *json->at != '\\' &&
               (unsigned char)*json->at >= 0x20)
            json->at++;
        if (json->at == json->end)
            return "a string has no end";
        if (!put(json, start, (size_t)(json->at - start)))
            return no_memory;
        if ((unsigned char)*json->at < 0x20)
            return "a string has a control character in it";
        if (*json->at++ == '"')
            return NULL;
        if (skip_word(json, "u")) {
            wrong = read_unicode(json);
            if (wrong != NULL)
                return wrong;
            continue;
        }
        escape = peek(json) == '\0' ? NULL : strchr(escapes, peek(json));
        if (escape == NULL)
            return "an escape in a string means nothing";
        if (!put(json, &meanings[escape - escapes], 1))
            return no_memory;
        json->at++;
    }
}

/* Finds the end of a number; *real says that it has a point or an exponent. */
static const char *
scan_number(struct json *json, bool *real)
{
    const char *digits;

    *real = false;
    skip_word(json, "-");
    digits = json->at;
    while (peek(json) >= '0' && peek(json) <= '9')
        json->at++;
    if (json->at == digits || (*digits == '0' && json->at - digits > 1))
        return "it begins no value";
    if (skip_word(json, ".")) {
        *real = true;
        digits = json->at;
        while (peek(json) >= '0' && peek(json) <= '9')
            json->at++;
        if (json->at == digits)
            return "a number ends too early";
    }
    if (skip_word(json, "e") || skip_word(json, "E")) {
        *real = true;
        if (!skip_word(json, "+"))
            skip_word(json, "-");
        digits = json->at;
        while (peek(json) >= '0' && peek(json) <= '9')
            json->at++;
        if (json->at == digits)
            return "a number ends too early";
    }
    return NULL;
}

static const char *
read_number(struct json *json, struct kith_item *item_out, void **memory_out)
{
    const char *start = json->at;
    bool real;
    const char *wrong = scan_number(json, &real);
    size_t size = (size_t)(json->at - start);
    char *copy;

    if (wrong != NULL)
        return wrong;
    if (!real)
        return cli_decimal(start, size, item_out, memory_out) ? NULL : no_memory;
    copy = strndup(start, size);
    if (copy == NULL)
        return no_memory;
    *item_out = kith_float(strtod(copy, NULL));
    free(copy);
    return NULL;
}

static const char *
pack_number(struct json *json)
{
    size_t start = json->size;
    struct kith_item item;
    void *memory = NULL;
    const char *wrong = read_number(json, &item, &memory);
    bool fits;

    if (wrong != NULL)
        return wrong;
    if (item.type == KITH_TYPE_INT)
        fits = put_int(json, item.integer);
    else if (item.type == KITH_TYPE_FLOAT)
        fits = put_float(json, item.real);
    else
        fits = put(json, item.data, item.size) && ext_head(json, start, EXT_BIGINT);
    free(memory);
    return fits ? NULL : no_memory;
}

static const char *pack_value(struct json *json, unsigned depth);

static const char *
pack_array(struct json *json, unsigned depth)
{
    size_t start = json->size;
    size_t count = 0;

    if (!skip(json, ']')) {
        do {
            const char *wrong = pack_value(json, depth + 1);

            if (wrong != NULL)
                return wrong;
            count++;
        } while (skip(json, ','));
        if (!skip(json, ']'))
            return "an array has no end";
    }
    if (!array_head(json, start, count))
        return no_memory;
    return !json->key || ext_head(json, start, EXT_TUPLE) ? NULL : no_memory;
}

static const char *
pack_string(struct json *json)
{
    size_t start = json->size;
    const char *wrong = read_characters(json);

    if (wrong != NULL)
        return wrong;
    return str_head(json, start) ? NULL : no_memory;
}

static const char *
pack_object(struct json *json, unsigned depth)
{
    size_t start = json->size;
    size_t count = 0;

    if (!skip(json, '}')) {
        do {
            const char *wrong;

            if (!skip(json, '"'))
                return "a key of an object is no string";
            wrong = pack_string(json);
            if (wrong == NULL && !skip(json, ':'))
                wrong = "a key of an object has no colon behind it";
            if (wrong == NULL)
                wrong = pack_value(json, depth + 1);
            if (wrong != NULL)
                return wrong;
            count++;
        } while (skip(json, ','));
        if (!skip(json, '}'))
            return "an object has no end";
    }
    return map_head(json, start, count) ? NULL : no_memory;
}

static const char *
pack_value(struct json *json, unsigned depth)
{
    unsigned char code;

    if (depth > DEPTH_MAX)
        return "it is nested too deep";
    if (skip(json, '['))
        return pack_array(json, depth);
    if (skip(json, '{'))
        return pack_object(json, depth);
    if (skip(json, '"'))
        return pack_string(json);
    if (skip_word(json, "null"))
        code = 0xc0;
    else if (skip_word(json, "false"))
        code = 0xc2;
    else if (skip_word(json, "true"))
        code = 0xc3;
    else
        return pack_number(json);
    return put(json, &code, 1) ? NULL : no_memory;
}

/* The outermost value; a plain one needs no MessagePack. */
static const char *
read_value(struct json *json, struct kith_item *item_out, void **memory_out)
{
    const char *wrong;
    bool packed;

    skip_blanks(json);
    packed = peek(json) == '[' || peek(json) == '{';
    if (packed || peek(json) == '"') {
        json->at += !packed;
        wrong = packed ? pack_value(json, 1) : read_characters(json);
        *item_out = (struct kith_item){ .type = packed ? KITH_TYPE_PACKED : KITH_TYPE_STR,
                                        .data = json->out,
                                        .size = json->size };
        *memory_out = json->out;
        return wrong;
    }
    if (skip_word(json, "null"))
        *item_out = kith_none();
    else if (skip_word(json, "true"))
        *item_out = kith_bool(true);
    else if (skip_word(json, "false"))
        *item_out = kith_bool(false);
    else
        return read_number(json, item_out, memory_out);
    return NULL;
}

const char *
cli_json_read(const char *text, size_t size, bool key, struct kith_item *item_out,
              void **memory_out)
{
    struct json json = { .at = text, .end = text + size, .key = key };
    const char *wrong = NULL;

    *memory_out = NULL;
    if (!cli_is_utf8(text, size))
        return "it is not UTF-8";
    wrong = read_value(&json, item_out, memory_out);
    skip_blanks(&json);
    if (wrong == NULL && json.at != json.end)
        wrong = "something stands behind its end";
    if (wrong != NULL) {
        free(*memory_out);
        *memory_out = NULL;
    }
    return wrong;
}
