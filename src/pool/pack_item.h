/*
 * pack_item.h - items into MessagePack and out again, as kith/item.h says how they are written.
 */
#ifndef KITH__PACK_ITEM_H
#define KITH__PACK_ITEM_H

#include "base/pack.h"

/* Bytes being written.  Zeroed at first; what cannot be written stays in `err`. */
struct kith__packer {
    uint8_t *data; /* kith__free() */
    size_t size, capacity;
    kith_err err;
};

void kith__pack_array(struct kith__packer *packer, uint32_t count);
void kith__pack_int(struct kith__packer *packer, int64_t number);
void kith__pack_text(struct kith__packer *packer, const char *text);
/* KITH_EINVAL, with a sentence: a reference, which bytes cannot hold. */
void kith__pack_item(struct kith__packer *packer, struct kith_item item);
/* Gives a room of `size` bytes that follow what was written; NULL without memory. */
uint8_t *kith__pack_room(struct kith__packer *packer, size_t size);

/* What was written, as an item that borrows it. */
struct kith_item kith__packed(const struct kith__packer *packer);

/* The tag of a foreign item that was read: its item points to it. */
typedef char kith__tag[KITH_TAG_SIZE_MAX + 1];

/* Reads the next value as an item, which points into the bytes.  False if it is none. */
bool kith__unpack_item(struct kith__pack_reader *reader, struct kith_item *item_out,
                       kith__tag tag_out);
/* Reads an int; false if the next value is none. */
bool kith__unpack_int(struct kith__pack_reader *reader, int64_t *number_out);
/* Reads the head of an array. */
bool kith__unpack_array(struct kith__pack_reader *reader, uint32_t *count_out);

#endif /* KITH__PACK_ITEM_H */
