/*
 * pack.c - reading MessagePack, as kith/item.h says that Kith writes it.
 */
#include "pack.h"

#include "error.h"
#include "utf8.h"

#include <string.h>

/* Takes the next `size` bytes, or NULL if there are not so many. */
static const uint8_t *
take(struct kith__pack_reader *r, size_t size)
{
    const uint8_t *at = r->at;

    if (size > r->left)
        return NULL;
    r->at += size;
    r->left -= size;
    return at;
}

/* Takes a big-endian number of `size` bytes, 1 to 8. */
static bool
take_number(struct kith__pack_reader *r, size_t size, uint64_t *number_out)
{
    const uint8_t *at = take(r, size);
    uint64_t number = 0;

    if (at == NULL)
        return false;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | at[i];
    *number_out = number;
    return true;
}

static bool
take_run(struct kith__pack_reader *r, enum kith__pack_kind kind, uint64_t size,
         struct kith__pack_value *value)
{
    value->kind = kind;
    value->size = (size_t)size;
    value->data = take(r, (size_t)size);
    return value->data != NULL;
}

/* A run whose length stands in `width` bytes before it; an ext has its type between the two. */
static bool
take_long_run(struct kith__pack_reader *r, enum kith__pack_kind kind, size_t width,
              struct kith__pack_value *value)
{
    uint64_t ext = 0;
    uint64_t size;

    if (!take_number(r, width, &size))
        return false;
    if (kind == KITH__PACK_EXT && !take_number(r, 1, &ext))
        return false;
    value->ext = (int8_t)ext;
    return take_run(r, kind, size, value);
}

static bool
take_fixed_ext(struct kith__pack_reader *r, size_t size, struct kith__pack_value *value)
{
    uint64_t ext;

    if (!take_number(r, 1, &ext))
        return false;
    value->ext = (int8_t)ext;
    return take_run(r, KITH__PACK_EXT, size, value);
}

static bool
take_natural(struct kith__pack_reader *r, size_t width, struct kith__pack_value *value)
{
    uint64_t number;

    if (!take_number(r, width, &number))
        return false;
    if (number > INT64_MAX) {
        value->kind = KITH__PACK_NATURAL;
        value->natural = number;
    } else {
        value->kind = KITH__PACK_INT;
        value->integer = (int64_t)number;
    }
    return true;
}

static bool
take_integer(struct kith__pack_reader *r, size_t width, struct kith__pack_value *value)
{
    uint64_t number;
    unsigned unused_bits = 64 - 8 * (unsigned)width;

    if (!take_number(r, width, &number))
        return false;
    value->kind = KITH__PACK_INT;
    value->integer = (int64_t)(number << unused_bits) >> unused_bits; /* extends the sign */
    return true;
}

static bool
take_float(struct kith__pack_reader *r, size_t width, struct kith__pack_value *value)
{
    uint64_t bits;
    uint32_t short_bits;
    float narrow;

    if (!take_number(r, width, &bits))
        return false;
    value->kind = KITH__PACK_FLOAT;
    if (width == sizeof(narrow)) {
        short_bits = (uint32_t)bits;
        memcpy(&narrow, &short_bits, sizeof(narrow));
        value->real = (double)narrow;
    } else {
        memcpy(&value->real, &bits, sizeof(value->real));
    }
    return true;
}

/* A head.  Each of what it counts takes a byte or more, which bounds what a liar can claim. */
static bool
take_count(struct kith__pack_reader *r, enum kith__pack_kind kind, uint64_t count,
           struct kith__pack_value *value)
{
    uint64_t values = kind == KITH__PACK_MAP ? 2 * count : count;

    value->kind = kind;
    value->count = (uint32_t)count;
    return values <= r->left;
}

static bool
take_long_count(struct kith__pack_reader *r, enum kith__pack_kind kind, size_t width,
                struct kith__pack_value *value)
{
    uint64_t count;

    return take_number(r, width, &count) && take_count(r, kind, count, value);
}

/* Heads from 0xc0 to 0xdf, by their number in the MessagePack specification. */
static bool
take_by_code(struct kith__pack_reader *r, uint8_t code, struct kith__pack_value *value)
{
    switch (code) {
    case 0xc0:
        value->kind = KITH__PACK_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        value->kind = KITH__PACK_BOOL;
        value->boolean = code == 0xc3;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_long_run(r, KITH__PACK_BIN, (size_t)1 << (code - 0xc4), value);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take_long_run(r, KITH__PACK_EXT, (size_t)1 << (code - 0xc7), value);
    case 0xca:
    case 0xcb:
        return take_float(r, (size_t)4 << (code - 0xca), value);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_natural(r, (size_t)1 << (code - 0xcc), value);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_integer(r, (size_t)1 << (code - 0xd0), value);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return take_fixed_ext(r, (size_t)1 << (code - 0xd4), value);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_long_run(r, KITH__PACK_STR, (size_t)1 << (code - 0xd9), value);
    case 0xdc:
    case 0xdd:
        return take_long_count(r, KITH__PACK_ARRAY, (size_t)2 << (code - 0xdc), value);
    case 0xde:
    case 0xdf:
        return take_long_count(r, KITH__PACK_MAP, (size_t)2 << (code - 0xde), value);
    default:
        return false; /* 0xc1, which means nothing */
    }
}

bool
kith__pack_read(struct kith__pack_reader *reader, struct kith__pack_value *value_out)
{
    const uint8_t *head = take(reader, 1);
    uint8_t code;

    memset(value_out, 0, sizeof(*value_out));
    if (head == NULL)
        return false;
    code = *head;
    if (code < 0x80 || code >= 0xe0) {
        value_out->kind = KITH__PACK_INT;
        value_out->integer = (int8_t)code;
        return true;
    }
    if (code < 0x90)
        return take_count(reader, KITH__PACK_MAP, code & 0x0f, value_out);
    if (code < 0xa0)
        return take_count(reader, KITH__PACK_ARRAY, code & 0x0f, value_out);
    if (code < 0xc0)
        return take_run(reader, KITH__PACK_STR, code & 0x1f, value_out);
    return take_by_code(reader, code, value_out);
}

static const char *check_value(struct kith__pack_reader *r, unsigned depth);

/* The body of a tuple or a set: one array and nothing after it. */
static const char *
check_wrapped(const struct kith__pack_value *value, unsigned depth)
{
    struct kith__pack_reader r = kith__pack_reader(value->data, value->size);
    struct kith__pack_reader head = r;
    struct kith__pack_value array;
    const char *wrong;

    if (!kith__pack_read(&head, &array) || array.kind != KITH__PACK_ARRAY)
        return "a tuple or a set in it is not an array";
    wrong = check_value(&r, depth);
    if (wrong != NULL)
        return wrong;
    return r.left == 0 ? NULL : "a tuple or a set in it has bytes behind its end";
}

static const char *
check_foreign(const struct kith__pack_value *value)
{
    struct kith__pack_reader r = kith__pack_reader(value->data, value->size);
    struct kith__pack_value tag;

    if (!kith__pack_read(&r, &tag) || tag.kind != KITH__PACK_STR)
        return "a foreign item in it has no tag";
    if (tag.size == 0 || tag.size > KITH_TAG_SIZE_MAX || memchr(tag.data, '\0', tag.size) != NULL)
        return "a foreign item in it has a tag that is empty, too long or has a NUL";
    return NULL;
}

static const char *
check_ext(const struct kith__pack_value *value, unsigned depth)
{
    switch (value->ext) {
    case KITH__PACK_TUPLE:
    case KITH__PACK_SET:
        return check_wrapped(value, depth);
    case KITH__PACK_BIGINT:
        return value->size > 0 ? NULL : "a big int in it has no bytes";
    case KITH__PACK_FOREIGN:
        return check_foreign(value);
    default:
        return "it has an ext type that Kith does not know";
    }
}

/* Reads one whole value at depth `depth`; what is wrong with it, or NULL. */
static const char *
check_value(struct kith__pack_reader *r, unsigned depth)
{
    struct kith__pack_value value;
    const char *wrong = NULL;
    uint64_t values = 0;

    if (!kith__pack_read(r, &value))
        return "it is cut off, or has a byte that begins no value";
    switch (value.kind) {
    case KITH__PACK_STR:
        return kith__utf8_ok(value.data, value.size) ? NULL : "a str in it is not UTF-8";
    case KITH__PACK_EXT:
        return check_ext(&value, depth);
    case KITH__PACK_ARRAY:
        values = value.count;
        break;
    case KITH__PACK_MAP:
        values = 2 * (uint64_t)value.count;
        break;
    default:
        return NULL;
    }
    if (depth > KITH_PACKED_DEPTH_MAX)
        return "it is nested too deep";
    /* Ends: take_count() saw to it that there are not more values than bytes. */
    for (uint64_t i = 0; i < values && wrong == NULL; i++)
        wrong = check_value(r, depth + 1);
    return wrong;
}

kith_err
kith__pack_check(const void *data, size_t size)
{
    struct kith__pack_reader r = kith__pack_reader(data, size);
    const char *wrong = check_value(&r, 1);

    if (wrong == NULL && r.left > 0)
        wrong = "it has bytes behind its end";
    if (wrong != NULL)
        return kith__fail(KITH_EINVAL, "A packed item of %zu bytes is malformed: %s.", size, wrong);
    return KITH_OK;
}
