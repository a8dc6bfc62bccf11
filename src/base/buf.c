/*
 * buf.c - filling a struct kith_buf, the copy that a caller gets.
 *
 * Data stands at the start of the memory, the tag of a foreign item with its NUL behind it.
 */
#include "buf.h"

#include "alloc.h"
#include "error.h"

#include <string.h>

/* The least that is worth an allocation. */
#define CAPACITY_MIN 64

const char kith_absent[] = "absent";

/* Doubles, so that a buffer that is filled with ever larger items is seldom made anew. */
static size_t
grown(size_t capacity, size_t size)
{
    size_t room = capacity < CAPACITY_MIN / 2 ? CAPACITY_MIN : capacity;

    if (room < SIZE_MAX / 2)
        room *= 2;
    return room < size ? size : room;
}

static kith_err
out_of_memory(size_t size)
{
    return kith__fail(KITH_ENOMEM, "This process has no %zu bytes of memory for an item.", size);
}

kith_err
kith__buf_reserve(struct kith_buf *buf, size_t size)
{
    size_t capacity;
    void *memory;

    if (size <= buf->capacity)
        return KITH_OK;
    capacity = grown(buf->capacity, size);
    memory = kith__malloc(capacity);
    if (memory == NULL)
        return out_of_memory(size);
    kith_buf_free(buf);
    buf->memory = memory;
    buf->capacity = capacity;
    return KITH_OK;
}

kith_err
kith__buf_set(struct kith_buf *buf, struct kith_item item)
{
    bool foreign = item.type == KITH_TYPE_FOREIGN && item.tag != NULL;
    char tag[KITH_TAG_SIZE_MAX + 1];
    size_t tag_room = 0;
    size_t capacity = buf->capacity;
    char *memory = buf->memory;
    size_t room;

    if (foreign) {
        /* Aside first: moving the data may overwrite a tag that lies in this buffer. */
        tag_room = strnlen(item.tag, KITH_TAG_SIZE_MAX) + 1;
        memcpy(tag, item.tag, tag_room - 1);
        tag[tag_room - 1] = '\0';
    }
    if (__builtin_add_overflow(item.size, tag_room, &room))
        return out_of_memory(item.size);
    if (room > capacity) {
        capacity = grown(capacity, room);
        memory = kith__malloc(capacity);
        if (memory == NULL)
            return out_of_memory(room);
    }
    if (item.size > 0)
        memmove(memory, item.data, item.size);
    if (foreign) {
        memcpy(memory + item.size, tag, tag_room);
        item.tag = memory + item.size;
    }
    if (memory != buf->memory)
        kith__free(buf->memory);
    /* An empty str still has an address, so that a caller may hand it to memcpy or printf. */
    if (item.size > 0)
        item.data = memory;
    else if (item.type >= KITH_TYPE_STR)
        item.data = "";
    else
        item.data = NULL;
    buf->item = item;
    buf->memory = memory;
    buf->capacity = capacity;
    return KITH_OK;
}

void
kith_buf_free(struct kith_buf *buf)
{
    if (buf == NULL)
        return;
    kith__free(buf->memory);
    memset(buf, 0, sizeof(*buf));
}
