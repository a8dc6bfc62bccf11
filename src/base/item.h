/*
 * item.h - whether what a caller passes is an item.
 */
#ifndef KITH__ITEM_H
#define KITH__ITEM_H

#include <kith/item.h>

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

#endif /* KITH__ITEM_H */
