/*
 * key_node.c - values of Python as keys.
 */
#include "key_node.h"

#include "base/alloc.h"
#include "base/error.h"
#include "item_node.h"
#include "key_number.h"
#include "pack_write.h"
#include "pickle_write.h"

#include <stdlib.h>
#include <string.h>

struct maker {
    struct kith__graph *graph;
    size_t budget; /* values that may still be written */
    kith_err err;
};

static const struct kith__node *canonical(struct maker *m, const struct kith__node *node,
                                          unsigned depth);

static const struct kith__node *
failed(struct maker *m, kith_err err, const char *why)
{
    if (m->err == KITH_OK)
        m->err = kith__fail(err, "%s", why);
    return NULL;
}

static const struct kith__node *
made(struct maker *m, const struct kith__node *node)
{
    if (node == NULL && m->err == KITH_OK)
        m->err = kith__telling.code;
    return node;
}

/* ---- the canonical pickle ---- */

static bool
write_pickle(struct maker *m, const struct kith__node *node, struct kith__span *pickle_out)
{
    struct kith__out out = { .size_max = 0 };
    kith_err err = kith__pickle_write(m->graph, node, &out);
    uint8_t *copy = err < 0 ? NULL : kith__graph_alloc(m->graph, out.total);

    if (copy != NULL) {
        kith__out_copy(&out, copy);
        *pickle_out = (struct kith__span){ copy, out.total };
    } else if (m->err == KITH_OK) {
        m->err = err < 0 ? err : KITH_ENOMEM;
    }
    kith__out_free(&out);
    return copy != NULL;
}

/* A member, or a key and its value, by the pickle of the first. */
struct sorted {
    struct kith__span pickle;
    const struct kith__node *first, *second;
};

static int
by_pickle(const void *left, const void *right)
{
    const struct sorted *a = left, *b = right;
    size_t size = a->pickle.size < b->pickle.size ? a->pickle.size : b->pickle.size;
    int order = memcmp(a->pickle.data, b->pickle.data, size);

    return order != 0 ? order
                      : (a->pickle.size > b->pickle.size) - (a->pickle.size < b->pickle.size);
}

static const struct kith__node *
canonical_sorted(struct maker *m, const struct kith__node *node, unsigned depth)
{
    uint32_t step = node->kind == KITH__NODE_DICT ? 2 : 1, count = node->run.count / step;
    struct sorted *all = kith__graph_alloc(m->graph, count * sizeof(*all) + 1);
    struct kith__node *run = kith__node_run(m->graph, node->kind, NULL, 0);

    if (all == NULL || run == NULL)
        return made(m, NULL);
    for (uint32_t i = 0; i < count; i++) {
        all[i].first = canonical(m, node->run.items[i * step], depth + 1);
        all[i].second = step == 1 || all[i].first == NULL
                            ? NULL
                            : canonical(m, node->run.items[i * step + 1], depth + 1);
        if (m->err < 0 || !write_pickle(m, all[i].first, &all[i].pickle))
            return NULL;
    }
    qsort(all, count, sizeof(*all), by_pickle);
    for (uint32_t i = 0; i < count; i++) {
        const struct kith__node *pair[2] = { all[i].first, all[i].second };

        if (!kith__node_extend(m->graph, run, pair, step))
            return made(m, NULL);
    }
    return run;
}

static const struct kith__node *
canonical_run(struct maker *m, const struct kith__node *node, unsigned depth)
{
    const struct kith__node **items =
        kith__graph_alloc(m->graph, node->run.count * sizeof(*items) + 1);

    for (uint32_t i = 0; items != NULL && i < node->run.count; i++) {
        items[i] = canonical(m, node->run.items[i], depth + 1);
        if (items[i] == NULL)
            return NULL;
    }
    return made(m, items == NULL ? NULL
                                 : kith__node_run(m->graph, node->kind, items, node->run.count));
}

static const struct kith__node *
canonical_object(struct maker *m, const struct kith__node *node, unsigned depth)
{
    const struct kith__node *callable = canonical(m, node->made.callable, depth + 1);
    const struct kith__node *arguments =
        callable == NULL ? NULL : canonical(m, node->made.arguments, depth + 1);
    const struct kith__node *keywords = arguments == NULL || node->made.keywords == NULL
                                            ? NULL
                                            : canonical(m, node->made.keywords, depth + 1);
    struct kith__node *object;

    if (m->err < 0)
        return NULL;
    object = kith__node_object(m->graph, node->kind, callable, arguments, keywords);
    for (uint32_t i = 0; object != NULL && node->made.acts != NULL && i < node->made.acts->count;
         i++) {
        const struct kith__act *act = &node->made.acts->list[i];
        const struct kith__node *first = canonical(m, act->first, depth + 1);
        const struct kith__node *second =
            first == NULL || act->second == NULL ? NULL : canonical(m, act->second, depth + 1);

        if (m->err < 0)
            return NULL;
        if (!kith__node_act(m->graph, object, act->kind, first, second))
            return made(m, NULL);
    }
    return made(m, object);
}

/* A copy of its own: what stands in two places would be written as one that refers to the other. */
static const struct kith__node *
canonical(struct maker *m, const struct kith__node *node, unsigned depth)
{
    if (depth > KITH__KEY_DEPTH_MAX || m->budget == 0)
        return failed(m, KITH_ETOOBIG,
                      "The key is too large, is nested too deep, or contains "
                      "itself.");
    m->budget--;
    node = kith__key_number(m->graph, node);
    if (node == NULL)
        return made(m, NULL);
    switch (node->kind) {
    case KITH__NODE_STR:
        return made(m, kith__node_str(m->graph, node->bytes.data, node->bytes.size));
    case KITH__NODE_BYTES:
        return made(m, kith__node_bytes(m->graph, node->bytes.data, node->bytes.size));
    case KITH__NODE_BYTEARRAY:
        return made(m, kith__node_bytearray(m->graph, node->bytes.data, node->bytes.size));
    case KITH__NODE_GLOBAL:
        return made(m, kith__node_global_span(m->graph, node->global.module, node->global.name));
    case KITH__NODE_TUPLE:
    case KITH__NODE_LIST:
        return canonical_run(m, node, depth);
    case KITH__NODE_DICT:
    case KITH__NODE_SET:
    case KITH__NODE_FROZENSET:
        return canonical_sorted(m, node, depth);
    case KITH__NODE_REDUCE:
    case KITH__NODE_NEWOBJ:
    case KITH__NODE_NEWOBJ_EX:
        return canonical_object(m, node, depth);
    default:
        return node;
    }
}

static const struct kith__node *
marked(struct maker *m, const struct kith__node *node, unsigned depth)
{
    const struct kith__node *copy = canonical(m, node, depth);
    struct kith__span pickle;

    if (copy == NULL || !write_pickle(m, copy, &pickle))
        return NULL;
    return made(m, kith__node_tuple(m->graph, 2,
                                    kith__node_str(m->graph, KITH__KEY_MARK, KITH__KEY_MARK_SIZE),
                                    kith__node_bytes(m->graph, pickle.data, pickle.size)));
}

/* ---- the key ---- */

static const struct kith__node *
unhashable(struct maker *m, const struct kith__node *node)
{
    const char *type = node->kind == KITH__NODE_LIST   ? "unhashable type: 'list'"
                       : node->kind == KITH__NODE_DICT ? "unhashable type: 'dict'"
                       : node->kind == KITH__NODE_SET  ? "unhashable type: 'set'"
                                                       : "unhashable type: 'bytearray'";

    return failed(m, KITH_ETYPE, type);
}

/* The value as plain data that can be a key. */
static const struct kith__node *
key_of(struct maker *m, const struct kith__node *node, unsigned depth)
{
    const struct kith__node **items;

    if (depth > KITH__KEY_DEPTH_MAX || m->budget == 0)
        return failed(m, KITH_ETOOBIG,
                      "The key is too large, is nested too deep, or contains "
                      "itself.");
    m->budget--;
    node = kith__key_number(m->graph, node);
    if (node == NULL)
        return made(m, NULL);
    switch (node->kind) {
    case KITH__NODE_STR:
        return node->strict ? node : marked(m, node, depth);
    case KITH__NODE_LIST:
    case KITH__NODE_DICT:
    case KITH__NODE_SET:
    case KITH__NODE_BYTEARRAY:
        return unhashable(m, node);
    case KITH__NODE_TUPLE:
        items = kith__graph_alloc(m->graph, node->run.count * sizeof(*items) + 1);
        for (uint32_t i = 0; items != NULL && i < node->run.count; i++) {
            items[i] = key_of(m, node->run.items[i], depth + 1);
            if (items[i] == NULL)
                return NULL;
        }
        return made(m, items == NULL
                           ? NULL
                           : kith__node_run(m->graph, KITH__NODE_TUPLE, items, node->run.count));
    case KITH__NODE_FROZENSET:
    case KITH__NODE_GLOBAL:
    case KITH__NODE_REDUCE:
    case KITH__NODE_NEWOBJ:
    case KITH__NODE_NEWOBJ_EX:
        return marked(m, node, depth);
    default:
        return node;
    }
}

static kith_err
pack_key(const struct kith__graph *graph, const struct kith__node *key,
         struct kith__made_item *made_out)
{
    struct kith__survey survey;
    struct kith__packed packed;
    enum kith__packing packing;
    kith_err err = kith__graph_survey(graph, key, &survey);

    if (err < 0)
        return err;
    packing = kith__pack_node(key, &survey, true, &packed);
    kith__survey_free(&survey);
    if (packing == KITH__PACKED) {
        *made_out = (struct kith__made_item){
            .item = { .type = KITH_TYPE_PACKED, .data = packed.data, .size = packed.size },
            .memory = packed.data
        };
        return KITH_OK;
    }
    kith__free(packed.data);
    return packing == KITH__NO_MEMORY
               ? kith__fail(KITH_ENOMEM, "This process has no memory left to make a key.")
               : kith__fail(KITH_ETOOBIG, "The key is too large, or is nested too deep.");
}

kith_err
kith__key_from_node(struct kith__graph *graph, const struct kith__node *node,
                    struct kith__made_item *made_out)
{
    struct maker m = { .graph = graph, .budget = KITH__KEY_NODES_MAX };
    const struct kith__node *key = key_of(&m, node, 1);

    if (key == NULL)
        return m.err;
    /* All that is left besides tuples are items by themselves. */
    if (key->kind != KITH__NODE_TUPLE)
        return kith__item_from_node(graph, key, 0, NULL, made_out);
    return pack_key(graph, key, made_out);
}

bool
kith__key_pickle(const struct kith__pack_value *ext, struct kith__span *pickle_out)
{
    struct kith__pack_reader reader = kith__pack_reader(ext->data, ext->size);
    struct kith__pack_value head, mark, pickle;

    if (!kith__pack_read(&reader, &head) || head.kind != KITH__PACK_ARRAY || head.count != 2 ||
        !kith__pack_read(&reader, &mark) || mark.kind != KITH__PACK_STR ||
        mark.size != KITH__KEY_MARK_SIZE || memcmp(mark.data, KITH__KEY_MARK, mark.size) != 0 ||
        !kith__pack_read(&reader, &pickle) || pickle.kind != KITH__PACK_BIN || reader.left != 0)
        return false;
    *pickle_out = (struct kith__span){ pickle.data, pickle.size };
    return true;
}
