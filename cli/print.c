/*
 * print.c - writes items as text and as JSON.
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- strings ---- */

/* The size of the character at `text`, or 0 if it is no UTF-8. */
static size_t
character_size(const char *text, size_t size)
{
    for (size_t length = 1; length <= 4 && length <= size; length++)
        if (cli_is_utf8(text, length))
            return length;
    return 0;
}

void
cli_print_json_text(FILE *out, const char *text, size_t size)
{
    static const char marks[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";

    fputc('"', out);
    while (size > 0) {
        size_t length = character_size(text, size);
        const char *mark = *text == '\0' ? NULL : strchr(marks, *text);

        if (length == 0)
            fputs("\xef\xbf\xbd", out);
        else if (mark != NULL)
            fprintf(out, "\\%c", letters[mark - marks]);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            fwrite(text, 1, length, out);
        length = length == 0 ? 1 : length;
        text += length;
        size -= length;
    }
    fputc('"', out);
}

void
cli_print_json_string(FILE *out, const char *text)
{
    cli_print_json_text(out, text, strlen(text));
}

static void
print_base64(FILE *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fputc('"', out);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned three = (unsigned)data[i] << 16;

        if (left > 1)
            three |= (unsigned)data[i + 1] << 8;
        if (left > 2)
            three |= data[i + 2];
        fputc(digits[three >> 18], out);
        fputc(digits[three >> 12 & 63], out);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[three & 63] : '=', out);
    }
    fputc('"', out);
}

/* Bytes as Python writes them. */
static void
print_bytes_literal(FILE *out, const unsigned char *data, size_t size)
{
    fputs("b\"", out);
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"' || data[i] == '\\')
            fprintf(out, "\\%c", data[i]);
        else if (data[i] >= 0x20 && data[i] < 0x7f)
            fputc(data[i], out);
        else
            fprintf(out, "\\x%02x", data[i]);
    }
    fputc('"', out);
}

/* ---- numbers ---- */

/* The shortest form that reads back as the same number, and that still looks like a float. */
static void
print_float(FILE *out, double real)
{
    char text[40];

    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, real);
        if (strtod(text, NULL) == real)
            break;
    }
    fputs(text, out);
    if (isfinite(real) && strpbrk(text, ".e") == NULL)
        fputs(".0", out);
}

/* A little-endian number in two's complement, by dividing it by 10 again and again. */
static void
print_bigint(FILE *out, const unsigned char *data, size_t size)
{
    bool negative = size > 0 && (data[size - 1] & 0x80) != 0;
    unsigned char *number = malloc(size + 1);
    char *digits = malloc(3 * size + 2); /* a byte is less than three digits */
    size_t at = 3 * size + 1;
    unsigned carry = 1;

    if (number == NULL || digits == NULL)
        goto done;
    for (size_t i = 0; i < size; i++) {
        carry += negative ? (unsigned char)~data[i] : 0;
        number[i] = negative ? (unsigned char)carry : data[i];
        carry >>= 8;
    }
    digits[at] = '\0';
    do {
        unsigned rest = 0;

        for (size_t i = size; i-- > 0;) {
            rest = rest << 8 | number[i];
            number[i] = (unsigned char)(rest / 10);
            rest %= 10;
        }
        digits[--at] = (char)('0' + rest);
        while (size > 0 && number[size - 1] == 0)
            size--;
    } while (size > 0 && at > 0);
    fprintf(out, "%s%s", negative ? "-" : "", digits + at);
done:
    free(number);
    free(digits);
}

/* ---- items that are one value ---- */

static void
print_none(FILE *out, bool json)
{
    fputs(json ? "null" : "none", out);
}

static void
print_real(FILE *out, bool json, double real)
{
    if (json && !isfinite(real))
        fputs("null", out);
    else
        print_float(out, real);
}

static void
print_bytes(FILE *out, bool json, const void *data, size_t size)
{
    if (!json) {
        print_bytes_literal(out, data, size);
        return;
    }
    fputs("{\"base64\": ", out);
    print_base64(out, data, size);
    fputc('}', out);
}

static void
print_foreign(FILE *out, bool json, const char *tag, size_t tag_size, const void *data, size_t size)
{
    if (!json) {
        fprintf(out, "<%.*s, %zu bytes>", (int)tag_size, tag, size);
        return;
    }
    fputs("{\"foreign\": ", out);
    cli_print_json_text(out, tag, tag_size);
    fputs(", \"base64\": ", out);
    print_base64(out, data, size);
    fputc('}', out);
}

/* ---- packed items ---- */

enum { EXT_TUPLE = 1, EXT_SET = 2, EXT_BIGINT = 3, EXT_FOREIGN = 4 };

enum pack_kind {
    PACK_NIL,
    PACK_BOOL,
    PACK_INT,
    PACK_NATURAL,
    PACK_FLOAT,
    PACK_STR,
    PACK_BIN,
    PACK_ARRAY,
    PACK_MAP,
    PACK_EXT
};

/* The head of one MessagePack value, and the body of one that has bytes. */
struct pack_value {
    enum pack_kind kind;
    uint64_t number; /* PACK_BOOL, PACK_INT in two's complement, PACK_NATURAL above INT64_MAX */
    double real;
    uint64_t count; /* values in an array, pairs in a map */
    unsigned char ext;
    const unsigned char *data;
    size_t size;
};

/* Where it is read.  The library checks what it stores, so a bad byte means corruption. */
struct pack {
    const unsigned char *at;
    size_t left;
};

static const unsigned char *
take(struct pack *pack, uint64_t size)
{
    const unsigned char *at = pack->at;

    if (size > pack->left)
        return NULL;
    pack->at += size;
    pack->left -= (size_t)size;
    return at;
}

static bool
take_number(struct pack *pack, unsigned width, uint64_t *number)
{
    const unsigned char *at = take(pack, width);

    *number = 0;
    for (unsigned i = 0; at != NULL && i < width; i++)
        *number = *number << 8 | at[i];
    return at != NULL;
}

static bool
take_run(struct pack *pack, struct pack_value *value, enum pack_kind kind, uint64_t size)
{
    value->kind = kind;
    value->size = (size_t)size;
    value->data = take(pack, size);
    return value->data != NULL;
}

/* An ext has its type between its size and its body. */
static bool
take_ext(struct pack *pack, struct pack_value *value, uint64_t size)
{
    uint64_t type;

    if (!take_number(pack, 1, &type))
        return false;
    value->ext = (unsigned char)type;
    return take_run(pack, value, PACK_EXT, size);
}

static bool
take_count(struct pack_value *value, enum pack_kind kind, uint64_t count)
{
    value->kind = kind;
    value->count = count;
    return true;
}

static bool
take_float(struct pack_value *value, unsigned width)
{
    uint32_t half = (uint32_t)value->number;
    float narrow;

    value->kind = PACK_FLOAT;
    memcpy(&narrow, &half, sizeof narrow);
    memcpy(&value->real, &value->number, sizeof value->real);
    if (width == sizeof narrow)
        value->real = (double)narrow;
    return true;
}

static bool
take_integer(struct pack_value *value, unsigned code, unsigned width)
{
    unsigned spare = 64 - 8 * width;

    value->kind = PACK_INT;
    if (code >= 0xd0)
        value->number = (uint64_t)((int64_t)(value->number << spare) >> spare);
    else if (value->number > INT64_MAX)
        value->kind = PACK_NATURAL;
    return true;
}

/* Codes from 0xc0 to 0xdf, by their number in the MessagePack specification. */
static bool
take_by_code(struct pack *pack, struct pack_value *value, unsigned code)
{
    static const unsigned char widths[32] = { 0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
                                              1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4 };
    unsigned width = widths[code - 0xc0];

    if (code == 0xc1 || !take_number(pack, width, &value->number))
        return false;
    if (code == 0xc0)
        return take_count(value, PACK_NIL, 0);
    if (code <= 0xc3) {
        value->number = code - 0xc2;
        return take_count(value, PACK_BOOL, 0);
    }
    if (code <= 0xc6)
        return take_run(pack, value, PACK_BIN, value->number);
    if (code <= 0xc9)
        return take_ext(pack, value, value->number);
    if (code <= 0xcb)
        return take_float(value, width);
    if (code <= 0xd3)
        return take_integer(value, code, width);
    if (code <= 0xd8)
        return take_ext(pack, value, UINT64_C(1) << (code - 0xd4));
    if (code <= 0xdb)
        return take_run(pack, value, PACK_STR, value->number);
    return take_count(value, code <= 0xdd ? PACK_ARRAY : PACK_MAP, value->number);
}

static bool
take_value(struct pack *pack, struct pack_value *value)
{
    const unsigned char *head = take(pack, 1);
    unsigned code;

    memset(value, 0, sizeof *value);
    if (head == NULL)
        return false;
    code = *head;
    if (code < 0x80 || code >= 0xe0) {
        value->kind = PACK_INT;
        value->number = (uint64_t)(int64_t)(signed char)code;
        return true;
    }
    if (code < 0x90)
        return take_count(value, PACK_MAP, code & 0x0f);
    if (code < 0xa0)
        return take_count(value, PACK_ARRAY, code & 0x0f);
    if (code < 0xc0)
        return take_run(pack, value, PACK_STR, code & 0x1f);
    return take_by_code(pack, value, code);
}

/* Passes over one value with all that is in it. */
static bool
skip_value(struct pack *pack)
{
    uint64_t values = 1;

    while (values > 0) { /* Ends: each turn takes a byte, or fails. */
        struct pack_value value;

        if (!take_value(pack, &value))
            return false;
        values += value.kind == PACK_MAP ? 2 * value.count : value.count;
        values--;
    }
    return true;
}

/* True if every key of the map whose pairs come next is a str. */
static bool
has_str_keys(struct pack pack, uint64_t pairs)
{
    for (uint64_t i = 0; i < pairs; i++) {
        struct pack_value key;

        if (!take_value(&pack, &key) || key.kind != PACK_STR || !skip_value(&pack))
            return false;
    }
    return true;
}

static bool print_packed(FILE *out, bool json, struct pack *pack, unsigned depth);

static bool
print_array(FILE *out, bool json, struct pack *pack, uint64_t count, unsigned depth)
{
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            fputs(", ", out);
        if (!print_packed(out, json, pack, depth + 1))
            return false;
    }
    return true;
}

static bool
print_map(FILE *out, bool json, struct pack *pack, uint64_t pairs, unsigned depth)
{
    bool listed = json && !has_str_keys(*pack, pairs);

    fputs(listed ? "{\"dict\": [" : "{", out);
    for (uint64_t i = 0; i < pairs; i++) {
        fputs(i == 0 ? "" : ", ", out);
        fputs(listed ? "[" : "", out);
        if (!print_packed(out, json, pack, depth + 1))
            return false;
        fputs(listed ? ", " : ": ", out);
        if (!print_packed(out, json, pack, depth + 1))
            return false;
        fputs(listed ? "]" : "", out);
    }
    fputs(listed ? "]}" : "}", out);
    return true;
}

/* A tuple or a set: its body is one array. */
static bool
print_wrapped(FILE *out, bool json, const struct pack_value *wrap, unsigned depth)
{
    bool tuple = wrap->ext == EXT_TUPLE;
    struct pack body = { wrap->data, wrap->size };
    struct pack_value array;

    if (!take_value(&body, &array) || array.kind != PACK_ARRAY)
        return false;
    if (!json && !tuple && array.count == 0) {
        fputs("set()", out);
        return true;
    }
    fputc(json ? '[' : tuple ? '(' : '{', out);
    if (!print_array(out, json, &body, array.count, depth))
        return false;
    if (!json && tuple && array.count == 1)
        fputc(',', out);
    fputc(json ? ']' : tuple ? ')' : '}', out);
    return true;
}

static bool
print_ext(FILE *out, bool json, const struct pack_value *ext, unsigned depth)
{
    struct pack body = { ext->data, ext->size };
    struct pack_value tag;

    switch (ext->ext) {
    case EXT_TUPLE:
    case EXT_SET:
        return print_wrapped(out, json, ext, depth);
    case EXT_BIGINT:
        print_bigint(out, ext->data, ext->size);
        return true;
    case EXT_FOREIGN:
        if (!take_value(&body, &tag) || tag.kind != PACK_STR)
            return false;
        print_foreign(out, json, (const char *)tag.data, tag.size, body.at, body.left);
        return true;
    default:
        return false;
    }
}

/* Prints one value; false if it is malformed or nested too deep. */
static bool
print_packed(FILE *out, bool json, struct pack *pack, unsigned depth)
{
    struct pack_value value;
    bool whole = true;

    if (depth > KITH_PACKED_DEPTH_MAX + 1 || !take_value(pack, &value))
        return false;
    switch (value.kind) {
    case PACK_NIL:
        print_none(out, json);
        return true;
    case PACK_BOOL:
        fputs(value.number ? "true" : "false", out);
        return true;
    case PACK_INT:
        fprintf(out, "%lld", (long long)value.number);
        return true;
    case PACK_NATURAL:
        fprintf(out, "%llu", (unsigned long long)value.number);
        return true;
    case PACK_FLOAT:
        print_real(out, json, value.real);
        return true;
    case PACK_STR:
        cli_print_json_text(out, (const char *)value.data, value.size);
        return true;
    case PACK_BIN:
        print_bytes(out, json, value.data, value.size);
        return true;
    case PACK_ARRAY:
        fputc('[', out);
        whole = print_array(out, json, pack, value.count, depth);
        fputc(']', out);
        return whole;
    case PACK_MAP:
        return print_map(out, json, pack, value.count, depth);
    case PACK_EXT:
        return print_ext(out, json, &value, depth);
    }
    return false;
}

/* ---- items ---- */

static void
print_item(FILE *out, bool json, struct kith_item item)
{
    struct pack pack = { item.data, item.size };

    switch (item.type) {
    case KITH_TYPE_NONE:
        print_none(out, json);
        break;
    case KITH_TYPE_BOOL:
        fputs(item.boolean ? "true" : "false", out);
        break;
    case KITH_TYPE_INT:
        fprintf(out, "%lld", (long long)item.integer);
        break;
    case KITH_TYPE_FLOAT:
        print_real(out, json, item.real);
        break;
    case KITH_TYPE_STR:
        cli_print_json_text(out, item.data, item.size);
        break;
    case KITH_TYPE_BYTES:
        print_bytes(out, json, item.data, item.size);
        break;
    case KITH_TYPE_BIGINT:
        print_bigint(out, item.data, item.size);
        break;
    case KITH_TYPE_PACKED:
        if (!print_packed(out, json, &pack, 1))
            cli_say("An item of %zu bytes is malformed; what is printed of it is a part.",
                    item.size);
        break;
    case KITH_TYPE_FOREIGN:
        print_foreign(out, json, item.tag, strlen(item.tag), item.data, item.size);
        break;
    case KITH_TYPE_REFERENCE:
        fputs(json ? "{\"reference\": " : "<", out);
        if (json)
            cli_print_json_text(out, item.data, item.size);
        else
            fwrite(item.data, 1, item.size, out);
        fputc(json ? '}' : '>', out);
        break;
    }
}

void
cli_print_item(FILE *out, struct kith_item item)
{
    if (item.type != KITH_TYPE_STR && item.type != KITH_TYPE_BYTES)
        print_item(out, false, item);
    else if (item.size > 0)
        fwrite(item.data, 1, item.size, out);
}

void
cli_print_json(FILE *out, struct kith_item item)
{
    print_item(out, true, item);
}

/* ---- what is counted and timed ---- */

void
cli_print_time(FILE *out, int64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm parts;
    char text[32] = "";

    if (gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    fputs(text, out);
}

struct cli_text
cli_bytes_text(uint64_t bytes)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
    struct cli_text text;
    double value = (double)bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(text.text, sizeof text.text, "%u B", (unsigned)bytes);
        return text;
    }
    for (; value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        value /= 1000;
    snprintf(text.text, sizeof text.text, "%.1f %s", value, units[unit]);
    return text;
}

struct cli_text
cli_count_text(uint64_t count)
{
    struct cli_text text;
    size_t at = sizeof text.text - 1;
    unsigned digits = 0;

    text.text[at] = '\0';
    do {
        if (digits > 0 && digits % 3 == 0)
            text.text[--at] = ',';
        text.text[--at] = (char)('0' + count % 10);
        count /= 10;
        digits++;
    } while (count > 0);
    memmove(text.text, text.text + at, sizeof text.text - at);
    return text;
}
