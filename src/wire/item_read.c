/*
 * item_read.c - items as values of Python.
 *
 * The bytes are those that some process stored, so all of them are checked.
 */
#include "base/error.h"
#include "base/pack.h"
#include "item_node.h"
#include "key_node.h"

#include <string.h>

#define PLAIN_TAG "python/pickle"
#define BUFFERS_TAG "python/pickle-out-of-band-buffer"
#define ALIGNMENT 64

struct source {
    struct kith__graph *graph;
    const struct kith__pickle_limits *limits;
    kith_err err;
};

static const struct kith__node *read_value(struct source *s, struct kith__pack_reader *reader);

static const struct kith__node *
corrupt(struct source *s)
{
    if (s->err == KITH_OK)
        s->err = kith__fail(KITH_ECORRUPT, "A packed item is malformed: it was written by a "
                                           "program that does not keep to kith/item.h.");
    return NULL;
}

/* A constructor's result, whose failure is noted. */
static const struct kith__node *
made(struct source *s, const struct kith__node *node)
{
    if (node == NULL && s->err == KITH_OK)
        s->err = kith__telling.code;
    return node;
}

static const struct kith__node *
read_run(struct source *s, struct kith__pack_reader *reader, enum kith__node_kind kind,
         size_t count)
{
    const struct kith__node **items;

    /* Each takes a byte or more, which bounds what a liar can claim. */
    if (count > reader->left)
        return corrupt(s);
    items = kith__graph_alloc(s->graph, count * sizeof(*items) + 1);
    for (size_t i = 0; items != NULL && i < count; i++) {
        items[i] = read_value(s, reader);
        if (items[i] == NULL)
            return NULL;
    }
    return made(s, items == NULL ? NULL : kith__node_run(s->graph, kind, items, count));
}

static const struct kith__node *
read_wrapped(struct source *s, enum kith__node_kind kind, const struct kith__pack_value *ext)
{
    struct kith__pack_reader reader = kith__pack_reader(ext->data, ext->size);
    struct kith__pack_value head;

    if (!kith__pack_read(&reader, &head) || head.kind != KITH__PACK_ARRAY)
        return corrupt(s);
    return read_run(s, &reader, kind, head.count);
}

static const struct kith__node *
foreign_object(struct source *s, struct kith__span tag, struct kith__span data)
{
    return made(
        s, kith__node_object(
               s->graph, KITH__NODE_REDUCE, kith__node_global(s->graph, "kith", "Foreign"),
               kith__node_tuple(s->graph, 2, kith__node_text_copy(s->graph, tag.data, tag.size),
                                kith__node_bytes(s->graph, data.data, data.size)),
               NULL));
}

static uint64_t
little_endian(const uint8_t *data)
{
    uint64_t number = 0;

    for (size_t i = 8; i-- > 0;)
        number = number << 8 | data[i];
    return number;
}

static const struct kith__node *
read_pickle(struct source *s, struct kith__span data, const struct kith__span *buffers,
            size_t count)
{
    const struct kith__node *root;

    s->err = kith__pickle_read(s->graph, data.data, data.size, s->limits, buffers, count, &root);
    return s->err == KITH_OK ? root : NULL;
}

static const struct kith__node *
bad_table(struct source *s)
{
    s->err = kith__fail(KITH_ECORRUPT, "A pickle's table of out-of-band buffers leads outside of "
                                       "the item: no Kith has written it.");
    return NULL;
}

/* python/kith/_pickle.py says how the table, the pickle and its buffers stand. */
static const struct kith__node *
read_buffers(struct source *s, struct kith__span item)
{
    struct kith__span *parts;
    uint64_t count, at;

    if (item.size < 16 || (count = little_endian(item.data)) > (item.size - 16) / 8)
        return bad_table(s);
    parts = kith__graph_alloc(s->graph, ((size_t)count + 1) * sizeof(*parts));
    if (parts == NULL)
        return made(s, NULL);
    at = 16 + 8 * count;
    for (uint64_t i = 0; i <= count; i++) {
        at = (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        parts[i].size = (size_t)little_endian(item.data + 8 + 8 * i);
        if (at > item.size || parts[i].size > item.size - at)
            return bad_table(s);
        parts[i].data = item.data + at;
        at += parts[i].size;
    }
    return read_pickle(s, parts[0], parts + 1, (size_t)count);
}

static bool
is(struct kith__span tag, const char *text)
{
    return tag.size == strlen(text) && memcmp(tag.data, text, tag.size) == 0;
}

static const struct kith__node *
read_foreign(struct source *s, struct kith__span tag, struct kith__span data)
{
    if (is(tag, PLAIN_TAG))
        return read_pickle(s, data, NULL, 0);
    if (is(tag, BUFFERS_TAG))
        return read_buffers(s, data);
    return foreign_object(s, tag, data);
}

static const struct kith__node *
read_ext(struct source *s, const struct kith__pack_value *ext)
{
    struct kith__pack_reader reader = kith__pack_reader(ext->data, ext->size);
    struct kith__pack_value tag;
    struct kith__span pickle;

    switch (ext->ext) {
    case KITH__PACK_TUPLE:
        if (kith__key_pickle(ext, &pickle))
            return read_pickle(s, pickle, NULL, 0);
        return read_wrapped(s, KITH__NODE_TUPLE, ext);
    case KITH__PACK_SET:
        return read_wrapped(s, KITH__NODE_SET, ext);
    case KITH__PACK_BIGINT:
        return made(s, kith__node_bigint(s->graph, ext->data, ext->size));
    case KITH__PACK_FOREIGN:
        if (!kith__pack_read(&reader, &tag) || tag.kind != KITH__PACK_STR)
            return corrupt(s);
        return read_foreign(s, (struct kith__span){ tag.data, tag.size },
                            (struct kith__span){ reader.at, reader.left });
    default:
        return corrupt(s);
    }
}

/* As deep as kith__pack_check() has allowed. */
static const struct kith__node *
read_value(struct source *s, struct kith__pack_reader *reader)
{
    struct kith__pack_value value;
    uint8_t bytes[9] = { 0 };

    if (!kith__pack_read(reader, &value))
        return corrupt(s);
    switch (value.kind) {
    case KITH__PACK_NIL:
        return kith__node_none(s->graph);
    case KITH__PACK_BOOL:
        return kith__node_bool(s->graph, value.boolean);
    case KITH__PACK_INT:
        return made(s, kith__node_int(s->graph, value.integer));
    case KITH__PACK_NATURAL:
        for (size_t i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(value.natural >> 8 * i);
        return made(s, kith__node_bigint(s->graph, bytes, sizeof(bytes)));
    case KITH__PACK_FLOAT:
        return made(s, kith__node_float(s->graph, value.real));
    case KITH__PACK_STR:
        return made(s, kith__node_str(s->graph, value.data, value.size));
    case KITH__PACK_BIN:
        return made(s, kith__node_bytes(s->graph, value.data, value.size));
    case KITH__PACK_ARRAY:
        return read_run(s, reader, KITH__NODE_LIST, value.count);
    case KITH__PACK_MAP:
        return read_run(s, reader, KITH__NODE_DICT, 2 * (size_t)value.count);
    case KITH__PACK_EXT:
        return read_ext(s, &value);
    }
    return corrupt(s);
}

static const struct kith__node *
read_packed(struct source *s, const struct kith_item *item)
{
    struct kith__pack_reader reader = kith__pack_reader(item->data, item->size);

    if (kith__pack_check(item->data, item->size) < 0)
        return corrupt(s);
    return read_value(s, &reader);
}

static const struct kith__node *
read_reference(struct source *s, const struct kith_item *item, const struct kith__item_hooks *hooks)
{
    if (hooks != NULL && hooks->proxy != NULL)
        return made(
            s, hooks->proxy(hooks->arg, s->graph, (struct kith__span){ item->data, item->size }));
    s->err = kith__fail(KITH_EUNSUPPORTED, "A reference to \"%.*s\" cannot be sent from here.",
                        item->size > 200 ? 200 : (int)item->size, (const char *)item->data);
    return NULL;
}

kith_err
kith__node_from_item(struct kith__graph *graph, const struct kith_item *item,
                     const struct kith__pickle_limits *limits, const struct kith__item_hooks *hooks,
                     const struct kith__node **node_out)
{
    struct source s = { .graph = graph, .limits = limits };
    const struct kith__node *node = NULL;

    switch (item->type) {
    case KITH_TYPE_NONE:
        node = kith__node_none(graph);
        break;
    case KITH_TYPE_BOOL:
        node = kith__node_bool(graph, item->boolean);
        break;
    case KITH_TYPE_INT:
        node = made(&s, kith__node_int(graph, item->integer));
        break;
    case KITH_TYPE_FLOAT:
        node = made(&s, kith__node_float(graph, item->real));
        break;
    case KITH_TYPE_STR:
        node = made(&s, kith__node_str(graph, item->data, item->size));
        break;
    case KITH_TYPE_BYTES:
        node = made(&s, kith__node_bytes(graph, item->data, item->size));
        break;
    case KITH_TYPE_BIGINT:
        node = made(&s, kith__node_bigint(graph, item->data, item->size));
        break;
    case KITH_TYPE_PACKED:
        node = read_packed(&s, item);
        break;
    case KITH_TYPE_FOREIGN:
        node =
            read_foreign(&s, (struct kith__span){ (const uint8_t *)item->tag, strlen(item->tag) },
                         (struct kith__span){ item->data, item->size });
        break;
    case KITH_TYPE_REFERENCE:
        node = read_reference(&s, item, hooks);
        break;
    }
    if (node == NULL)
        return s.err == KITH_OK
                   ? kith__fail(KITH_ECORRUPT, "An item has the type %d, which is none.",
                                (int)item->type)
                   : s.err;
    *node_out = node;
    return KITH_OK;
}
