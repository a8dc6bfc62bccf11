/*
 * item_write.c - values of Python as items.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "item_node.h"
#include "pack_write.h"
#include "pickle_write.h"

#include <string.h>

#define TAG "python/pickle"

void
kith__made_item_free(struct kith__made_item *made)
{
    kith__free(made->memory);
    *made = (struct kith__made_item){ .memory = NULL };
}

/* What needs no memory; false for what is none of these. */
static bool
make_plain(const struct kith__node *node, struct kith_item *item)
{
    switch (node->kind) {
    case KITH__NODE_NONE:
        *item = kith_none();
        return true;
    case KITH__NODE_BOOL:
        *item = kith_bool(node->boolean);
        return true;
    case KITH__NODE_INT:
        *item = kith_int(node->integer);
        return true;
    case KITH__NODE_FLOAT:
        *item = kith_float(node->real);
        return true;
    case KITH__NODE_STR:
        item->type = KITH_TYPE_STR;
        break;
    case KITH__NODE_BYTES:
        item->type = KITH_TYPE_BYTES;
        break;
    case KITH__NODE_BIGINT:
        item->type = KITH_TYPE_BIGINT;
        break;
    default:
        return false;
    }
    item->data = node->bytes.data;
    item->size = node->bytes.size;
    return node->kind != KITH__NODE_STR || node->strict;
}

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory left to make an item of a value.");
}

static kith_err
make_pickle(const struct kith__graph *graph, const struct kith__node *node, size_t size_max,
            struct kith__made_item *made_out)
{
    struct kith__out out = { .size_max = size_max };
    kith_err err = kith__pickle_write(graph, node, &out);
    void *memory = NULL;

    if (err == KITH_OK && out.piece_count == 0) {
        memory = out.data;
        out.data = NULL;
    } else if (err == KITH_OK) {
        memory = kith__malloc(out.total);
        if (memory == NULL)
            err = no_memory();
        else
            kith__out_copy(&out, memory);
    }
    if (err == KITH_OK)
        *made_out = (struct kith__made_item){
            .item = { .type = KITH_TYPE_FOREIGN, .data = memory, .size = out.total, .tag = TAG },
            .memory = memory
        };
    kith__out_free(&out);
    return err;
}

/* kith.Foreign(tag, bytes).  One that says it is a pickle stays an object: it may be none. */
static bool
make_foreign(const struct kith__node *node, struct kith__made_item *made_out)
{
    const struct kith__node *tag, *data;
    char *text;

    if (!kith__node_is_call(node, "kith", "Foreign", 2) || node->made.acts != NULL)
        return false;
    tag = node->made.arguments->run.items[0];
    data = node->made.arguments->run.items[1];
    if (tag->kind != KITH__NODE_STR || !tag->strict || tag->bytes.size == 0 ||
        tag->bytes.size > KITH_TAG_SIZE_MAX ||
        memchr(tag->bytes.data, 0, tag->bytes.size) != NULL || data->kind != KITH__NODE_BYTES)
        return false;
    if (tag->bytes.size >= strlen(TAG) && memcmp(tag->bytes.data, TAG, strlen(TAG)) == 0)
        return false;
    text = kith__malloc(tag->bytes.size + 1);
    if (text == NULL)
        return false;
    memcpy(text, tag->bytes.data, tag->bytes.size);
    text[tag->bytes.size] = '\0';
    *made_out = (struct kith__made_item){ .item = { .type = KITH_TYPE_FOREIGN,
                                                    .data = data->bytes.data,
                                                    .size = data->bytes.size,
                                                    .tag = text },
                                          .memory = text };
    return true;
}

static bool
make_reference(const struct kith__node *node, const struct kith__item_hooks *hooks,
               struct kith_item *item)
{
    struct kith__span name;

    if (hooks == NULL || hooks->name == NULL ||
        !kith__node_is_call(node, "multiprocessing.managers", "RebuildProxy", 3) ||
        !hooks->name(hooks->arg, node, &name))
        return false;
    item->type = KITH_TYPE_REFERENCE;
    item->data = name.data;
    item->size = name.size;
    return true;
}

static kith_err
make_packed(const struct kith__graph *graph, const struct kith__node *node, bool *plain_out,
            struct kith__made_item *made_out)
{
    struct kith__survey survey;
    struct kith__packed packed;
    enum kith__packing packing;
    kith_err err = kith__graph_survey(graph, node, &survey);

    if (err < 0)
        return err;
    packing = kith__pack_node(node, &survey, false, &packed);
    kith__survey_free(&survey);
    *plain_out = packing == KITH__PACKED;
    if (packing == KITH__PACKED) {
        *made_out = (struct kith__made_item){
            .item = { .type = KITH_TYPE_PACKED, .data = packed.data, .size = packed.size },
            .memory = packed.data
        };
        return KITH_OK;
    }
    kith__free(packed.data);
    return packing == KITH__NO_MEMORY ? no_memory() : KITH_OK;
}

kith_err
kith__item_from_node(const struct kith__graph *graph, const struct kith__node *node,
                     size_t size_max, const struct kith__item_hooks *hooks,
                     struct kith__made_item *made_out)
{
    struct kith__made_item made = { .memory = NULL };
    bool plain = make_plain(node, &made.item);
    kith_err err = KITH_OK;

    if (!plain && kith__node_is_object(node)) {
        memset(&made.item, 0, sizeof(made.item));
        plain = make_reference(node, hooks, &made.item) || make_foreign(node, &made);
    } else if (!plain && kith__node_is_run(node) && node->kind != KITH__NODE_FROZENSET) {
        err = make_packed(graph, node, &plain, &made);
    }
    if (!plain && err == KITH_OK)
        err = make_pickle(graph, node, size_max, &made);
    if (err == KITH_OK)
        *made_out = made;
    return err;
}
