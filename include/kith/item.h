/*
 * kith/item.h - what is stored in an object: an item going in, a buffer coming out.
 *
 * An item going in (struct kith_item) is borrowed: its data need live only as long as the call.
 * One coming out (struct kith_buf) is a copy that the caller owns: zero the buffer once with
 * KITH_BUF_INIT, use it for as many results as you like, free it at the end.
 *
 * How a tuple, list, dict or set is written (KITH_TYPE_PACKED): one MessagePack value,
 *
 *     list      an array
 *     dict      a map
 *     tuple     ext type 1, whose body is one array
 *     set       ext type 2, whose body is one array
 *     big int   ext type 3, whose body is little-endian two's complement
 *     foreign   ext type 4, whose body is the tag as a MessagePack str, then the bytes
 *
 * with nil, bool, int, float, str and bin inside as MessagePack has them.  Nesting deeper than
 * KITH_PACKED_DEPTH_MAX is refused.
 *
 * Keys are none, bool, int, float, str, bytes, or tuples of these, and are compared as Python
 * compares them: 1, 1.0 and true are one key, "a" and b"a" are two.  NaN is refused as a key.
 * What is stored, and handed out again, is the key as it was first given.
 *
 * Elsewhere two items are equal when their type, their bytes and their tag are.
 *
 * Threads  Any function, from any thread; a buffer is used by one thread at a time.
 * Fork     Buffers are private memory: the child has its own copies.
 * Death    Nothing here is shared.
 * Engines  all.
 */
#ifndef KITH_ITEM_H
#define KITH_ITEM_H

#include <kith/base.h>

KITH_C_BEGIN

/* How deep arrays, maps, tuples and sets may nest in a packed item; the outermost is 1 deep. */
#define KITH_PACKED_DEPTH_MAX 64

/* Bytes in the tag of a foreign item at most, without its NUL. */
#define KITH_TAG_SIZE_MAX 63

/* The numbers are part of the arena's format. */
typedef enum kith_type {
    KITH_TYPE_NONE = 0,
    KITH_TYPE_BOOL = 1,
    KITH_TYPE_INT = 2,
    KITH_TYPE_FLOAT = 3,
    KITH_TYPE_STR = 4,      /* data: UTF-8, strictly; NULs are welcome, and none ends it */
    KITH_TYPE_BYTES = 5,    /* data: any bytes */
    KITH_TYPE_BIGINT = 6,   /* data: little-endian two's complement, 1 byte or more */
    KITH_TYPE_PACKED = 7,   /* data: one MessagePack value: a tuple, list, dict or set */
    KITH_TYPE_FOREIGN = 8,  /* data: opaque bytes; tag: what they are, as "python/pickle" */
    KITH_TYPE_REFERENCE = 9 /* data: the name of an object of the same space */
} kith_type;

/* One item.  Fields that its type has no use for are zero. */
struct kith_item {
    kith_type type;
    union {
        bool boolean;    /* KITH_TYPE_BOOL */
        int64_t integer; /* KITH_TYPE_INT */
        double real;     /* KITH_TYPE_FLOAT */
    };
    const void *data; /* may be NULL if size is 0 */
    size_t size;      /* bytes at data */
    const char *tag;  /* KITH_TYPE_FOREIGN: NUL-terminated, 1 to KITH_TAG_SIZE_MAX bytes */
};

/* A piece of the bytes of a foreign item, for what stores one that stands in pieces. */
struct kith_part {
    const void *data; /* may be NULL if size is 0 */
    size_t size;
};

/* An item that came out: `item` points into `memory`, which the library makes large enough. */
struct kith_buf {
    struct kith_item item;
    void *memory;
    size_t capacity; /* bytes at memory */
};
#ifdef __cplusplus
#define KITH_BUF_INIT {}
#else
#define KITH_BUF_INIT { .memory = NULL }
#endif

/*
 * The tag of a result that is absent, where one call has several results or an absent one is no
 * error; compare the address: `buf.item.tag == kith_absent`.  Its type is KITH_TYPE_NONE.
 */
extern KITH_API const char kith_absent[];

/* Items of the plain types.  They hold the value itself and borrow nothing. */
KITH_API struct kith_item kith_none(void);
KITH_API struct kith_item kith_bool(bool boolean);
KITH_API struct kith_item kith_int(int64_t integer);
KITH_API struct kith_item kith_float(double real);

/*
 * A str of a NUL-terminated text, and bytes of `size` bytes.  Both borrow: the item is good as long
 * as what it points to.  NULL text is the empty str.
 */
KITH_API struct kith_item kith_str(const char *text);
KITH_API struct kith_item kith_bytes(const void *data, size_t size);

/* Gives the memory back and makes the buffer as KITH_BUF_INIT made it.  NULL is accepted. */
KITH_API void kith_buf_free(struct kith_buf *buf);

KITH_C_END

/*
 * KITH_STR("literal") is a str item of a string literal, whose length is known without counting and
 * may include NULs; KITH_INT(n) is an int item.
 */
#ifdef __cplusplus
inline struct kith_item
kith_str_literal(const char *text, size_t size)
{
    struct kith_item item = {};

    item.type = KITH_TYPE_STR;
    item.data = text;
    item.size = size;
    return item;
}

inline struct kith_item
kith_int_literal(int64_t integer)
{
    struct kith_item item = {};

    item.type = KITH_TYPE_INT;
    item.integer = integer;
    return item;
}

#define KITH_STR(literal) (kith_str_literal("" literal "", sizeof("" literal "") - 1))
#define KITH_INT(n) (kith_int_literal(n))
#else
#define KITH_STR(literal)                                                                          \
    ((struct kith_item){                                                                           \
        .type = KITH_TYPE_STR, .data = "" literal "", .size = sizeof("" literal "") - 1 })
#define KITH_INT(n) ((struct kith_item){ .type = KITH_TYPE_INT, .integer = (n) })
#endif

#endif /* KITH_ITEM_H */
