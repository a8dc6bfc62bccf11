/*
 * pack_item.c - items into MessagePack and out again.
 */
#include "pool/pack_item.h"

#include <endian.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* The head of an int of 64 bits. */
#define WIDE_INT 0xd3
/* A run is written with its length in 32 bits. */
#define RUN_MAX UINT32_MAX

/* ---- Writing -------------------------------------------------------------------------- */

uint8_t *
kith__pack_room(struct kith__packer *p, size_t size)
{
    uint8_t *at;

    if (p->err < 0)
        return NULL;
    if (size > p->capacity - p->size) {
        size_t capacity = p->capacity < 128 ? 256 : p->capacity * 2;
        uint8_t *data;

        if (capacity - p->size < size)
            capacity = p->size + size;
        data = kith__realloc(p->data, capacity);
        if (data == NULL) {
            p->err = kith__fail(KITH_ENOMEM, "This process has no memory left for a task.");
            return NULL;
        }
        p->data = data;
        p->capacity = capacity;
    }
    at = p->data + p->size;
    p->size += size;
    return at;
}

static void
put_byte(struct kith__packer *p, unsigned byte)
{
    uint8_t *at = kith__pack_room(p, 1);

    if (at != NULL)
        *at = (uint8_t)byte;
}

static void
put_number(struct kith__packer *p, uint64_t number, unsigned width)
{
    uint8_t *at = kith__pack_room(p, width);

    for (unsigned i = 0; at != NULL && i < width; i++)
        at[i] = (uint8_t)(number >> 8 * (width - 1 - i));
}

static void
put_bytes(struct kith__packer *p, const void *data, size_t size)
{
    uint8_t *at = kith__pack_room(p, size);

    if (at != NULL && size > 0)
        memcpy(at, data, size);
}

static void
put_run(struct kith__packer *p, unsigned head, const void *data, size_t size)
{
    if (size > RUN_MAX) {
        if (p->err == KITH_OK)
            p->err = kith__fail(KITH_ETOOBIG, "An item of a task has at most 4 GiB.");
        return;
    }
    put_byte(p, head);
    put_number(p, size, 4);
    put_bytes(p, data, size);
}

void
kith__pack_array(struct kith__packer *p, uint32_t count)
{
    put_byte(p, 0xdd);
    put_number(p, count, 4);
}

void
kith__pack_int(struct kith__packer *p, int64_t number)
{
    uint64_t bytes = htobe64((uint64_t)number);
    uint8_t *at;

    if (number >= 0 && number < 128) {
        put_byte(p, (unsigned)number);
        return;
    }
    at = kith__pack_room(p, 1 + sizeof(bytes));
    if (at == NULL)
        return;
    *at = WIDE_INT;
    memcpy(at + 1, &bytes, sizeof(bytes));
}

void
kith__pack_text(struct kith__packer *p, const char *text)
{
    put_run(p, 0xdb, text, strlen(text));
}

static void
put_foreign(struct kith__packer *p, struct kith_item item)
{
    size_t tag = strlen(item.tag), head = tag < 32 ? 1 : 2;

    if (item.size > RUN_MAX - head - tag) {
        if (p->err == KITH_OK)
            p->err = kith__fail(KITH_ETOOBIG, "An item of a task has at most 4 GiB.");
        return;
    }
    put_byte(p, 0xc9);
    put_number(p, head + tag + item.size, 4);
    put_byte(p, KITH__PACK_FOREIGN);
    if (tag < 32) {
        put_byte(p, 0xa0 | (unsigned)tag);
    } else {
        put_byte(p, 0xd9);
        put_byte(p, (unsigned)tag);
    }
    put_bytes(p, item.tag, tag);
    put_bytes(p, item.data, item.size);
}

void
kith__pack_item(struct kith__packer *p, struct kith_item item)
{
    uint64_t bits;

    switch (item.type) {
    case KITH_TYPE_NONE:
        put_byte(p, 0xc0);
        break;
    case KITH_TYPE_BOOL:
        put_byte(p, item.boolean ? 0xc3 : 0xc2);
        break;
    case KITH_TYPE_INT:
        kith__pack_int(p, item.integer);
        break;
    case KITH_TYPE_FLOAT:
        memcpy(&bits, &item.real, sizeof(bits));
        put_byte(p, 0xcb);
        put_number(p, bits, 8);
        break;
    case KITH_TYPE_STR:
        put_run(p, 0xdb, item.data, item.size);
        break;
    case KITH_TYPE_BYTES:
        put_run(p, 0xc6, item.data, item.size);
        break;
    case KITH_TYPE_BIGINT:
        if (item.size > RUN_MAX) {
            put_run(p, 0, NULL, item.size);
            break;
        }
        put_byte(p, 0xc9);
        put_number(p, item.size, 4);
        put_byte(p, KITH__PACK_BIGINT);
        put_bytes(p, item.data, item.size);
        break;
    case KITH_TYPE_PACKED:
        put_bytes(p, item.data, item.size);
        break;
    case KITH_TYPE_FOREIGN:
        put_foreign(p, item);
        break;
    case KITH_TYPE_REFERENCE:
    default:
        if (p->err == KITH_OK)
            p->err = kith__fail(KITH_EINVAL, "A reference can be neither an argument of a task "
                                             "nor its result: give the object's name as a str.");
        break;
    }
}

struct kith_item
kith__packed(const struct kith__packer *p)
{
    return (struct kith_item){ .type = KITH_TYPE_PACKED, .data = p->data, .size = p->size };
}

/* ---- Reading -------------------------------------------------------------------------- */

/* An int as kith__pack_int() writes it, which most of what is read are: without the detour by a
 * struct for all that there may be.  False, and nothing is read: it is none, or of another width.
 */
static inline bool
read_int(struct kith__pack_reader *r, int64_t *number_out)
{
    uint64_t bytes;

    if (r->left > 0 && *r->at < 0x80) {
        *number_out = *r->at;
        r->at++;
        r->left--;
        return true;
    }
    if (r->left < 1 + sizeof(bytes) || *r->at != WIDE_INT)
        return false;
    memcpy(&bytes, r->at + 1, sizeof(bytes));
    *number_out = (int64_t)be64toh(bytes);
    r->at += 1 + sizeof(bytes);
    r->left -= 1 + sizeof(bytes);
    return true;
}

/* Passes over what an array or a map consists of; deeper ones count as they are met. */
static bool
skip_parts(struct kith__pack_reader *r, const struct kith__pack_value *head)
{
    uint64_t left = head->kind == KITH__PACK_MAP ? 2 * (uint64_t)head->count : head->count;

    for (; left > 0; left--) {
        struct kith__pack_value value;

        if (!kith__pack_read(r, &value))
            return false;
        /* Each value has a byte or more, so this ends; and no sum of counts overflows. */
        if (value.kind == KITH__PACK_ARRAY || value.kind == KITH__PACK_MAP) {
            left += value.kind == KITH__PACK_MAP ? 2 * (uint64_t)value.count : value.count;
            if (left > r->left + 1)
                return false;
        }
    }
    return true;
}

static bool
read_foreign(const struct kith__pack_value *value, struct kith_item *item, kith__tag tag)
{
    struct kith__pack_reader body = kith__pack_reader(value->data, value->size);
    struct kith__pack_value name;

    if (!kith__pack_read(&body, &name) || name.kind != KITH__PACK_STR || name.size == 0 ||
        name.size > KITH_TAG_SIZE_MAX)
        return false;
    memcpy(tag, name.data, name.size);
    tag[name.size] = '\0';
    item->type = KITH_TYPE_FOREIGN;
    item->tag = tag;
    item->data = body.at;
    item->size = body.left;
    return true;
}

static struct kith_item
run_of(kith_type type, const void *data, size_t size)
{
    return (struct kith_item){ .type = type, .data = data, .size = size };
}

bool
kith__unpack_item(struct kith__pack_reader *r, struct kith_item *item_out, kith__tag tag_out)
{
    const uint8_t *start = r->at;
    struct kith__pack_value value;
    int64_t number;

    if (read_int(r, &number)) {
        *item_out = kith_int(number);
        return true;
    }
    if (!kith__pack_read(r, &value))
        return false;
    switch (value.kind) {
    case KITH__PACK_NIL:
        *item_out = kith_none();
        return true;
    case KITH__PACK_BOOL:
        *item_out = kith_bool(value.boolean);
        return true;
    case KITH__PACK_INT:
        *item_out = kith_int(value.integer);
        return true;
    case KITH__PACK_FLOAT:
        *item_out = kith_float(value.real);
        return true;
    case KITH__PACK_STR:
        *item_out = run_of(KITH_TYPE_STR, value.data, value.size);
        return true;
    case KITH__PACK_BIN:
        *item_out = run_of(KITH_TYPE_BYTES, value.data, value.size);
        return true;
    case KITH__PACK_EXT:
        if (value.ext == KITH__PACK_FOREIGN)
            return read_foreign(&value, item_out, tag_out);
        if (value.ext == KITH__PACK_BIGINT)
            *item_out = run_of(KITH_TYPE_BIGINT, value.data, value.size);
        else
            *item_out = run_of(KITH_TYPE_PACKED, start, (size_t)(r->at - start));
        return true;
    case KITH__PACK_ARRAY:
    case KITH__PACK_MAP:
        if (!skip_parts(r, &value))
            return false;
        *item_out = run_of(KITH_TYPE_PACKED, start, (size_t)(r->at - start));
        return true;
    case KITH__PACK_NATURAL:
        break; /* Kith writes none: it is a big int */
    }
    return false;
}

bool
kith__unpack_int(struct kith__pack_reader *r, int64_t *number_out)
{
    struct kith__pack_value value;

    if (read_int(r, number_out))
        return true;
    if (!kith__pack_read(r, &value) || value.kind != KITH__PACK_INT)
        return false;
    *number_out = value.integer;
    return true;
}

bool
kith__unpack_array(struct kith__pack_reader *r, uint32_t *count_out)
{
    struct kith__pack_value value;

    if (!kith__pack_read(r, &value) || value.kind != KITH__PACK_ARRAY)
        return false;
    *count_out = value.count;
    return true;
}
