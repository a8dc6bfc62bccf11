/*
 * item.h - whether what a caller passes is an item.
 */
#ifndef KITH__ITEM_H
#define KITH__ITEM_H

#include <kith/item.h>
#include <string.h>

/*
 * KITH_EINVAL, with a sentence, for what is no item: an unknown type, NULL data with a size, a str
 * that is not UTF-8, a packed item that is not one well-formed value, a foreign one without a tag
 * of 1 to KITH_TAG_SIZE_MAX bytes, a big int without bytes, a reference that is no name.
 */
kith_err kith__item_check(struct kith_item item);

/* As kith__item_check(); none, bool, int, float and bytes cost no call, and no copy. */
static inline kith_err
kith__item_check_fast(const struct kith_item *item)
{
    if ((unsigned)item->type <= KITH_TYPE_FLOAT ||
        (item->type == KITH_TYPE_BYTES && item->data != NULL))
        return KITH_OK;
    return kith__item_check(*item);
}

/*
 * A foreign item whose bytes are in pieces.  It is made by kith__item_of_parts() alone, for what
 * stores it as one of KITH_TYPE_FOREIGN; kith__item_check() refuses it as a type that is none.
 * data: `integer` struct kith_part; size: bytes of all.
 */
#define KITH__TYPE_PARTS ((kith_type)15)
kith_err kith__item_of_parts(const char *tag, const struct kith_part *parts, size_t count,
                             struct kith_item *item_out);

/* As which it is stored; how long its tag is; its bytes, without the tag. */
static inline kith_type
kith__item_type(const struct kith_item *item)
{
    return item->type == KITH__TYPE_PARTS ? KITH_TYPE_FOREIGN : item->type;
}

static inline size_t
kith__item_tag_size(const struct kith_item *item)
{
    return item->type == KITH_TYPE_FOREIGN || item->type == KITH__TYPE_PARTS ? strlen(item->tag)
                                                                             : 0;
}

static inline void
kith__item_copy(const struct kith_item *item, uint8_t *to)
{
    const struct kith_part *parts = item->data;

    if (item->type != KITH__TYPE_PARTS) {
        if (item->size > 0)
            memcpy(to, item->data, item->size);
        return;
    }
    for (int64_t i = 0; i < item->integer; i++) {
        if (parts[i].size > 0)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
}

#endif /* KITH__ITEM_H */
