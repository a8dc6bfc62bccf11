/*
 * stored.c - items as entries of dicts and lists hold them: up to 8 bytes in a word, more in a
 * block.
 *
 * The meta says which, and how long the tag and the data are: struct kith__entry in layout.h.
 * Blocks are filled while they are private, and never change once something leads to them.
 */
#include "shm/table.h"

#include <string.h>

#include "base/error.h"
#include "base/item.h"
#include "shm/reference.h"

kith_err
kith__stored_make(struct kith__op *op, struct kith_item item, struct kith__stored *stored)
{
    size_t tag = kith__item_tag_size(&item);
    uint8_t *to;
    kith_err err;

    stored->value = 0;
    stored->expires = stored->life = 0;
    switch (item.type) {
    case KITH_TYPE_NONE:
        stored->meta = KITH__META(KITH_TYPE_NONE, 0, 0);
        return KITH_OK;
    case KITH_TYPE_BOOL:
        stored->meta = KITH__META(KITH_TYPE_BOOL, 0, 8);
        stored->value = item.boolean;
        return KITH_OK;
    case KITH_TYPE_INT:
        stored->meta = KITH__META(KITH_TYPE_INT, 0, 8);
        stored->value = (uint64_t)item.integer;
        return KITH_OK;
    case KITH_TYPE_FLOAT:
        stored->meta = KITH__META(KITH_TYPE_FLOAT, 0, 8);
        memcpy(&stored->value, &item.real, 8);
        return KITH_OK;
    case KITH_TYPE_REFERENCE:
        if (op->err < 0)
            return op->err;
        if (kith__reference_is_counted(&item)) {
            stored->meta = KITH__META(KITH_TYPE_REFERENCE, 0, item.size);
            op->err = kith__reference_stage(op->self, &item, KITH__CLASS_REFERENCE, &stored->value);
        } else {
            op->err = kith__reference_check(op->self, &item);
        }
        if (op->err < 0 || stored->value != 0)
            return op->err;
        break;
    default:
        break;
    }
    if (item.size > KITH__ITEM_MAX) {
        op->err =
            kith__fail(KITH_ETOOBIG, "An item of %zu bytes is larger than any arena.", item.size);
        return op->err;
    }
    stored->meta = KITH__META(kith__item_type(&item), tag, item.size);
    to = (uint8_t *)&stored->value;
    if (tag + item.size > 8) {
        err = kith__op_take(op, tag + item.size, &stored->value);
        if (err < 0)
            return err;
        to = kith__ptr(op->self->arena, stored->value);
    }
    if (tag > 0)
        memcpy(to, item.tag, tag);
    kith__item_copy(&item, to + tag);
    return KITH_OK;
}

kith_err
kith__stored_item(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                  uint64_t value_word, struct kith_item *item, char *tag)
{
    size_t tag_size = KITH__META_TAG(meta), size = KITH__META_SIZE(meta);
    const uint8_t *at;

    memset(item, 0, sizeof *item);
    item->type = (kith_type)KITH__META_TYPE(meta);
    switch (KITH__META_TYPE(meta)) {
    case KITH_TYPE_NONE:
        return KITH_OK;
    case KITH_TYPE_BOOL:
        item->boolean = value_word != 0;
        return KITH_OK;
    case KITH_TYPE_INT:
        item->integer = (int64_t)value_word;
        return KITH_OK;
    case KITH_TYPE_FLOAT:
        memcpy(&item->real, &value_word, 8);
        return KITH_OK;
    default:
        break;
    }
    if (KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE || tag_size > KITH_TAG_SIZE_MAX)
        return KITH_ECORRUPT;
    if (kith__meta_inline(meta))
        at = (const uint8_t *)value;
    else
        at = kith__at(arena, value_word, tag_size + size);
    if (at == NULL)
        return KITH_ECORRUPT;
    if (item->type == KITH_TYPE_FOREIGN) {
        memcpy(tag, at, tag_size);
        tag[tag_size] = '\0';
        item->tag = tag;
    }
    item->data = at + tag_size;
    item->size = size;
    return KITH_OK;
}

void
kith__stored_give(struct kith__op *op, uint64_t meta, uint64_t value)
{
    if (!kith__meta_inline(meta))
        kith__op_give(op, value);
}

bool
kith__stored_equals(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                    uint64_t value_word, struct kith_item item)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item stored;

    if (kith__stored_item(arena, meta, value, value_word, &stored, tag) < 0)
        return false;
    if (stored.type != item.type)
        return false;
    if (item.type == KITH_TYPE_BOOL)
        return stored.boolean == item.boolean;
    if (item.type == KITH_TYPE_INT)
        return stored.integer == item.integer;
    if (item.type == KITH_TYPE_FLOAT)
        return memcmp(&stored.real, &item.real, sizeof item.real) == 0;
    if (stored.size != item.size)
        return false;
    if (item.type == KITH_TYPE_FOREIGN && strcmp(tag, item.tag) != 0)
        return false;
    return stored.type == KITH_TYPE_NONE || stored.size == 0 ||
           memcmp(stored.data, item.data, item.size) == 0;
}
