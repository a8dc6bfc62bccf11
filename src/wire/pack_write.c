/*
 * pack_write.c - plain data of a graph as MessagePack.
 *
 * Each value is in its shortest form, and the members of a set are in the order of their bytes, as
 * python/src/pack.c has them.
 */
#include "pack_write.h"

#include "base/alloc.h"
#include "base/pack.h"

#include <stdlib.h>
#include <string.h>

/* How many times as many values may be written as there are, because tuples stand in many places.
 */
#define REPEATS_MAX 4
#define REPEATS_FREE 1024

struct packer {
    struct kith__packed *out;
    const struct kith__survey *survey;
    size_t budget; /* values that may still be written */
    bool no_memory;
};

static bool put_node(struct packer *p, const struct kith__node *node, unsigned depth, bool key);

static bool
reserve(struct packer *p, size_t size)
{
    struct kith__packed *out = p->out;
    size_t room = out->room * 2 > out->size + size ? out->room * 2 : out->size + size;
    uint8_t *grown;

    if (out->room - out->size >= size)
        return true;
    grown = kith__realloc(out->data, room < 128 ? 128 : room);
    if (grown == NULL) {
        p->no_memory = true;
        return false;
    }
    out->data = grown;
    out->room = room < 128 ? 128 : room;
    return true;
}

static bool
put_bytes(struct packer *p, const void *data, size_t size)
{
    if (!reserve(p, size))
        return false;
    if (size > 0)
        memcpy(p->out->data + p->out->size, data, size);
    p->out->size += size;
    return true;
}

/* A byte, and a big-endian number of `width` bytes. */
static size_t
make_head(uint8_t *head, unsigned code, uint64_t number, unsigned width)
{
    head[0] = (uint8_t)code;
    for (unsigned i = 0; i < width; i++)
        head[1 + i] = (uint8_t)(number >> 8 * (width - 1 - i));
    return 1 + width;
}

static bool
put_head(struct packer *p, unsigned code, uint64_t number, unsigned width)
{
    uint8_t head[9];

    return put_bytes(p, head, make_head(head, code, number, width));
}

/* The bytes that a length takes, as a power of 2. */
static unsigned
width_of(uint64_t number)
{
    if (number <= UINT8_MAX)
        return 0;
    return number <= UINT16_MAX ? 1 : 2;
}

static bool
put_int(struct packer *p, int64_t n)
{
    if (n >= -32 && n < 128)
        return put_head(p, (uint8_t)n, 0, 0);
    if (n >= 0) {
        unsigned width = n <= UINT32_MAX ? width_of((uint64_t)n) : 3;

        return put_head(p, 0xcc + width, (uint64_t)n, 1u << width);
    }
    if (n >= INT8_MIN)
        return put_head(p, 0xd0, (uint64_t)n, 1);
    if (n >= INT16_MIN)
        return put_head(p, 0xd1, (uint64_t)n, 2);
    return n >= INT32_MIN ? put_head(p, 0xd2, (uint64_t)n, 4) : put_head(p, 0xd3, (uint64_t)n, 8);
}

static bool
put_float(struct packer *p, double real)
{
    uint64_t bits;

    memcpy(&bits, &real, sizeof(bits));
    return put_head(p, 0xcb, bits, 8);
}

static bool
put_str(struct packer *p, const struct kith__node *node)
{
    size_t size = node->bytes.size;
    unsigned width = width_of(size);

    if (!node->strict || size > UINT32_MAX)
        return false;
    return (size < 32 ? put_head(p, 0xa0 | (unsigned)size, 0, 0)
                      : put_head(p, 0xd9 + width, size, 1u << width)) &&
           put_bytes(p, node->bytes.data, size);
}

static bool
put_bin(struct packer *p, struct kith__span bytes)
{
    unsigned width = width_of(bytes.size);

    return bytes.size <= UINT32_MAX && put_head(p, 0xc4 + width, bytes.size, 1u << width) &&
           put_bytes(p, bytes.data, bytes.size);
}

static size_t
make_ext_head(uint8_t *head, enum kith__pack_ext type, size_t size)
{
    unsigned width = width_of(size);
    size_t length;

    if (size == 1 || size == 2 || size == 4 || size == 8 || size == 16)
        length = make_head(head, 0xd4 + (unsigned)__builtin_ctzl(size), 0, 0);
    else
        length = make_head(head, 0xc7 + width, size, 1u << width);
    head[length] = (uint8_t)type;
    return length + 1;
}

static bool
put_bigint(struct packer *p, struct kith__span bytes)
{
    uint8_t head[6];

    return bytes.size <= UINT32_MAX &&
           put_bytes(p, head, make_ext_head(head, KITH__PACK_BIGINT, bytes.size)) &&
           put_bytes(p, bytes.data, bytes.size);
}

static bool
put_count(struct packer *p, unsigned small, unsigned large, uint32_t count)
{
    if (count < 16)
        return put_head(p, small | count, 0, 0);
    return count <= UINT16_MAX ? put_head(p, large, count, 2) : put_head(p, large + 1, count, 4);
}

static bool
put_run(struct packer *p, const struct kith__node *node, unsigned depth, bool key)
{
    if (!put_count(p, 0x90, 0xdc, node->run.count))
        return false;
    for (uint32_t i = 0; i < node->run.count; i++)
        if (!put_node(p, node->run.items[i], depth + 1, key))
            return false;
    return true;
}

static bool
put_map(struct packer *p, const struct kith__node *node, unsigned depth)
{
    if (!put_count(p, 0x80, 0xde, node->run.count / 2))
        return false;
    for (uint32_t i = 0; i < node->run.count; i++)
        if (!put_node(p, node->run.items[i], depth + 1, i % 2 == 0))
            return false;
    return true;
}

/* A member's bytes: while they are written, from the beginning; then where they are. */
struct member {
    size_t from, size;
    const uint8_t *at;
};

static int
by_bytes(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = memcmp(a->at, b->at, a->size < b->size ? a->size : b->size);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static bool
sort_members(struct packer *p, struct member *members, size_t count, size_t from)
{
    size_t size = p->out->size - from;
    uint8_t *copy = kith__malloc(size + 1);
    uint8_t *to = p->out->data + from;

    if (copy == NULL) {
        p->no_memory = true;
        return false;
    }
    memcpy(copy, to, size);
    for (size_t i = 0; i < count; i++)
        members[i].at = copy + members[i].from;
    qsort(members, count, sizeof(*members), by_bytes);
    for (size_t i = 0; i < count; i++) {
        memcpy(to, members[i].at, members[i].size);
        to += members[i].size;
    }
    kith__free(copy);
    return true;
}

static bool
put_set(struct packer *p, const struct kith__node *node, unsigned depth)
{
    size_t count = node->run.count;
    struct member *members = kith__calloc(count + 1, sizeof(*members));
    size_t from;
    bool good;

    p->no_memory = members == NULL;
    good = members != NULL && put_count(p, 0x90, 0xdc, node->run.count);
    from = p->out->size;
    for (size_t i = 0; good && i < count; i++) {
        members[i].from = p->out->size - from;
        good = put_node(p, node->run.items[i], depth + 1, true);
        members[i].size = p->out->size - from - members[i].from;
    }
    good = good && sort_members(p, members, count, from);
    kith__free(members);
    return good;
}

/* An ext around an array, whose head is put before it once its size is known. */
static bool
put_wrapped(struct packer *p, const struct kith__node *node, unsigned depth, bool key)
{
    enum kith__pack_ext type = node->kind == KITH__NODE_TUPLE ? KITH__PACK_TUPLE : KITH__PACK_SET;
    size_t from = p->out->size, size, length;
    uint8_t head[6];

    if (!(type == KITH__PACK_TUPLE ? put_run(p, node, depth, key) : put_set(p, node, depth)))
        return false;
    size = p->out->size - from;
    if (size > UINT32_MAX)
        return false;
    length = make_ext_head(head, type, size);
    if (!reserve(p, length))
        return false;
    memmove(p->out->data + from + length, p->out->data + from, size);
    memcpy(p->out->data + from, head, length);
    p->out->size += length;
    return true;
}

static bool
put_container(struct packer *p, const struct kith__node *node, unsigned depth, bool key)
{
    if (depth > KITH_PACKED_DEPTH_MAX)
        return false;
    if (node->kind == KITH__NODE_TUPLE)
        return put_wrapped(p, node, depth, key);
    if (key || p->survey->places[node->number] > 1)
        return false;
    if (node->kind == KITH__NODE_LIST)
        return put_run(p, node, depth, false);
    if (node->kind == KITH__NODE_DICT)
        return put_map(p, node, depth);
    return node->kind == KITH__NODE_SET && put_wrapped(p, node, depth, false);
}

static bool
put_node(struct packer *p, const struct kith__node *node, unsigned depth, bool key)
{
    if (p->budget == 0)
        return false;
    p->budget--;
    switch (node->kind) {
    case KITH__NODE_NONE:
        return put_head(p, 0xc0, 0, 0);
    case KITH__NODE_BOOL:
        return put_head(p, node->boolean ? 0xc3 : 0xc2, 0, 0);
    case KITH__NODE_INT:
        return put_int(p, node->integer);
    case KITH__NODE_BIGINT:
        return put_bigint(p, node->bytes);
    case KITH__NODE_FLOAT:
        return put_float(p, node->real);
    case KITH__NODE_STR:
        return put_str(p, node);
    case KITH__NODE_BYTES:
        return put_bin(p, node->bytes);
    default:
        return put_container(p, node, depth, key);
    }
}

enum kith__packing
kith__pack_node(const struct kith__node *node, const struct kith__survey *survey, bool key,
                struct kith__packed *packed_out)
{
    struct packer p = { .out = packed_out,
                        .survey = survey,
                        .budget = survey->edges * REPEATS_MAX + REPEATS_FREE };

    *packed_out = (struct kith__packed){ .data = NULL };
    if (survey->circular)
        return KITH__NOT_PLAIN;
    if (put_node(&p, node, 1, key))
        return KITH__PACKED;
    return p.no_memory ? KITH__NO_MEMORY : KITH__NOT_PLAIN;
}
