/*
 * item.c - making items, and checking those that callers make.
 */
#include "item.h"

#include "error.h"
#include "pack.h"
#include "utf8.h"

#include <string.h>

struct kith_item
kith_none(void)
{
    return (struct kith_item){ .type = KITH_TYPE_NONE };
}

struct kith_item
kith_bool(bool boolean)
{
    return (struct kith_item){ .type = KITH_TYPE_BOOL, .boolean = boolean };
}

struct kith_item
kith_int(int64_t integer)
{
    return (struct kith_item){ .type = KITH_TYPE_INT, .integer = integer };
}

struct kith_item
kith_float(double real)
{
    return (struct kith_item){ .type = KITH_TYPE_FLOAT, .real = real };
}

struct kith_item
kith_str(const char *text)
{
    if (text == NULL)
        text = "";
    return (struct kith_item){ .type = KITH_TYPE_STR, .data = text, .size = strlen(text) };
}

struct kith_item
kith_bytes(const void *data, size_t size)
{
    return (struct kith_item){ .type = KITH_TYPE_BYTES, .data = data, .size = size };
}

static kith_err
check_tag(const char *tag)
{
    size_t size;

    if (tag == NULL)
        return kith__fail(KITH_EINVAL, "A foreign item needs a tag that says what it is.");
    size = strnlen(tag, KITH_TAG_SIZE_MAX + 1);
    if (size == 0 || size > KITH_TAG_SIZE_MAX)
        return kith__fail(KITH_EINVAL, "The tag of a foreign item has 1 to %d bytes.",
                          KITH_TAG_SIZE_MAX);
    return KITH_OK;
}

kith_err
kith__item_check(struct kith_item item)
{
    switch (item.type) {
    case KITH_TYPE_NONE:
    case KITH_TYPE_BOOL:
    case KITH_TYPE_INT:
    case KITH_TYPE_FLOAT:
        return KITH_OK;
    case KITH_TYPE_STR:
    case KITH_TYPE_BYTES:
    case KITH_TYPE_BIGINT:
    case KITH_TYPE_PACKED:
    case KITH_TYPE_FOREIGN:
    case KITH_TYPE_REFERENCE:
        break;
    default:
        return kith__fail(KITH_EINVAL, "An item of type %d is of none that Kith knows.",
                          (int)item.type);
    }
    if (item.data == NULL && item.size > 0)
        return kith__fail(KITH_EINVAL, "An item says that it has %zu bytes, and its data is NULL.",
                          item.size);
    switch (item.type) {
    case KITH_TYPE_STR:
        if (!kith__utf8_ok(item.data, item.size))
            return kith__fail(KITH_EINVAL, "A str of %zu bytes is not UTF-8.", item.size);
        return KITH_OK;
    case KITH_TYPE_BIGINT:
        if (item.size == 0)
            return kith__fail(KITH_EINVAL, "A big int has 1 byte or more; this one has none.");
        return KITH_OK;
    case KITH_TYPE_PACKED:
        return kith__pack_check(item.data, item.size);
    case KITH_TYPE_FOREIGN:
        return check_tag(item.tag);
    case KITH_TYPE_REFERENCE:
        if (!kith__name_ok(item.data, item.size))
            return kith__fail(KITH_EINVAL, "A reference of %zu bytes is not the name of an object.",
                              item.size);
        return KITH_OK;
    default:
        return KITH_OK;
    }
}

kith_err
kith__item_of_parts(const char *tag, const struct kith_part *parts, size_t count,
                    struct kith_item *item_out)
{
    kith_err err = check_tag(tag);
    size_t size = 0;

    if (err < 0)
        return err;
    if (parts == NULL && count > 0)
        return kith__fail(KITH_EINVAL, "An item is said to have %zu parts, which are NULL.", count);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].data == NULL && parts[i].size > 0)
            return kith__fail(KITH_EINVAL,
                              "A part of an item says that it has %zu bytes, and its data is NULL.",
                              parts[i].size);
        if (__builtin_add_overflow(size, parts[i].size, &size))
            return kith__fail(KITH_ETOOBIG, "An item has more bytes than can be counted.");
    }
    *item_out = (struct kith_item){
        .type = KITH__TYPE_PARTS, .integer = (int64_t)count, .data = parts, .size = size, .tag = tag
    };
    return KITH_OK;
}
