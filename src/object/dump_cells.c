/*
 * dump_cells.c - how values, arrays and segments are dumped and loaded: what is bytes.
 */
#include <kith/array.h>
#include <kith/segment.h>
#include <string.h>

#include "base/alloc.h"
#include "object/dump.h"

/* ---- Values ----------------------------------------------------------------------------- */

/* A scalar is little-endian in a dump; a structure is its program's business. */
static void
turn_around(char type, uint8_t *bytes, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; type != 0 && i < size / 2; i++) {
        uint8_t byte = bytes[i];

        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
#else
    (void)type;
    (void)bytes;
    (void)size;
#endif
}

static kith_err
dump_bytes_of(struct kith__dump *dump, kith_value *value, const char *name)
{
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    uint8_t *bytes;
    kith_err err = kith_value_info(value, &info);

    if (err < 0)
        return err;
    bytes = kith__malloc(info.size);
    if (bytes == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
    err = kith_value_get(value, bytes, info.size);
    if (err == KITH_OK) {
        turn_around(info.type, bytes, info.size);
        kith__dump_object(dump, KITH_KIND_VALUE, name);
        kith__dump_number(dump, KITH__DUMP_VALUE_TYPE, (uint64_t)(unsigned char)info.type);
        kith__dump_bytes(dump, KITH__DUMP_VALUE_BYTES, bytes, info.size);
        if (info.transactional)
            kith__dump_number(dump, KITH__DUMP_VALUE_TRANSACTIONAL, 1);
    }
    kith__free(bytes);
    return err;
}

static kith_err
dump_value(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    kith_value *value;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_value_open(space, name, &options, &value);
    if (err < 0)
        return err;
    err = dump_bytes_of(dump, value, name);
    kith_value_close(value);
    return err;
}

static bool
check_value(const struct kith__dumped *object)
{
    struct kith__cursor bytes = kith__dumped_bytes(object, KITH__DUMP_VALUE_BYTES);

    return !bytes.bad && bytes.left > 0 && bytes.left <= KITH_VALUE_SIZE_MAX &&
           kith__dumped_number(object, KITH__DUMP_VALUE_TYPE) <= 127;
}

static kith_err
make_value(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct kith__cursor at = kith__dumped_bytes(object, KITH__DUMP_VALUE_BYTES);
    kith_value *value;
    uint8_t *bytes = kith__malloc(at.left);
    kith_err err;

    (void)alone;
    if (bytes == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
    options.create = KITH_MUST_CREATE;
    options.type = (char)kith__dumped_number(object, KITH__DUMP_VALUE_TYPE);
    options.transactional = kith__dumped_flag(object, KITH__DUMP_VALUE_TRANSACTIONAL);
    options.size = at.left;
    memcpy(bytes, at.at, at.left);
    turn_around(options.type, bytes, at.left);
    options.initial = bytes;
    err = kith_value_open(space, object->as, &options, &value);
    kith__free(bytes);
    if (err == KITH_OK)
        object->handle = value;
    return err;
}

static void
close_value(void *handle)
{
    kith_value_close(handle);
}

const struct kith__dump_kind kith__dump_value = {
    .kind = KITH_KIND_VALUE,
    .dump = dump_value,
    .settings = check_value,
    .make = make_value,
    .close = close_value,
};

/* ---- Arrays and segments ------------------------------------------------------------------ */

/* What is only bytes comes in pieces, each an entry: whole items, in their order. */
#define PIECE 32768u

static bool
check_piece(struct kith__cursor *entries)
{
    uint32_t size = kith__read_u32(entries);

    return size > 0 && size <= PIECE && kith__read_bytes(entries, size) != NULL;
}

/* Whether the pieces are `size` bytes, each of whole items of `item` bytes. */
static bool
pieces_are(const struct kith__dumped *object, uint64_t size, uint64_t item)
{
    struct kith__cursor records = object->records, entries;
    uint32_t count;

    while (kith__dumped_entries(&records, &entries, &count)) {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t piece = kith__read_u32(&entries);

            (void)kith__read_bytes(&entries, piece);
            if (piece > size || piece % item != 0)
                return false;
            size -= piece;
        }
    }
    return size == 0;
}

/* `count` items of `size` bytes each, copied from or to a piece, little-endian outside. */
static void
turn_all_around(char type, uint8_t *bytes, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++)
        turn_around(type, bytes + i * size, size);
}

static kith_err
dump_items_of(struct kith__dump *dump, kith_array *array, const struct kith_array_info *info)
{
    uint64_t most = PIECE / info->size;
    uint8_t *bytes = kith__malloc(PIECE);
    kith_err err = KITH_OK;

    if (bytes == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
    for (uint64_t at = 0; at < info->count && err == KITH_OK && dump->err == KITH_OK;) {
        uint64_t count = info->count - at < most ? info->count - at : most;
        size_t size = (size_t)(count * info->size);

        err = kith_array_get_slice(array, at, 1, count, bytes, size);
        if (err < 0)
            break;
        turn_all_around(info->type, bytes, info->size, (size_t)count);
        kith__dump_entry(dump);
        kith__dump_piece(dump, bytes, (uint32_t)size);
        at += count;
    }
    kith__free(bytes);
    return err;
}

static kith_err
dump_array(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    kith_array *array;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_array_open(space, name, &options, &array);
    if (err < 0)
        return err;
    err = kith_array_info(array, &info);
    if (err == KITH_OK) {
        kith__dump_object(dump, KITH_KIND_ARRAY, name);
        kith__dump_number(dump, KITH__DUMP_ARRAY_TYPE, (uint64_t)(unsigned char)info.type);
        kith__dump_number(dump, KITH__DUMP_ARRAY_SIZE, info.size);
        kith__dump_number(dump, KITH__DUMP_ARRAY_COUNT, info.count);
        err = dump_items_of(dump, array, &info);
    }
    kith_array_close(array);
    return err;
}

static uint64_t
array_item(const struct kith__dumped *object)
{
    return kith__dumped_number(object, KITH__DUMP_ARRAY_SIZE);
}

static bool
check_array(const struct kith__dumped *object)
{
    uint64_t size = array_item(object);

    return size > 0 && size <= KITH_VALUE_SIZE_MAX &&
           kith__dumped_number(object, KITH__DUMP_ARRAY_TYPE) <= 127 &&
           kith__dumped_number(object, KITH__DUMP_ARRAY_COUNT) <= UINT64_MAX / size;
}

static bool
array_whole(const struct kith__dumped *object)
{
    uint64_t size = array_item(object);

    return pieces_are(object, size * kith__dumped_number(object, KITH__DUMP_ARRAY_COUNT), size);
}

static kith_err
make_array(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    kith_array *array;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.type = (char)kith__dumped_number(object, KITH__DUMP_ARRAY_TYPE);
    options.size = (size_t)array_item(object);
    options.count = kith__dumped_number(object, KITH__DUMP_ARRAY_COUNT);
    err = kith_array_open(space, object->as, &options, &array);
    if (err == KITH_OK)
        object->handle = array;
    return err;
}

static kith_err
fill_array(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    char type = (char)kith__dumped_number(object, KITH__DUMP_ARRAY_TYPE);
    uint64_t size = array_item(object);
    uint8_t *bytes = kith__malloc(PIECE);
    kith_err err = KITH_OK;

    if (bytes == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
    for (uint32_t i = 0; i < count && err == KITH_OK; i++) {
        uint32_t piece = kith__read_u32(entries);
        uint64_t items = piece / size;

        memcpy(bytes, kith__read_bytes(entries, piece), piece);
        turn_all_around(type, bytes, (size_t)size, (size_t)items);
        err = kith_array_set_slice(object->handle, object->filled / size, 1, items, bytes, piece);
        object->filled += piece;
    }
    kith__free(bytes);
    return err;
}

static void
close_array(void *handle)
{
    kith_array_close(handle);
}

const struct kith__dump_kind kith__dump_array = {
    .kind = KITH_KIND_ARRAY,
    .dump = dump_array,
    .settings = check_array,
    .entry = check_piece,
    .whole = array_whole,
    .make = make_array,
    .fill = fill_array,
    .close = close_array,
};

static kith_err
dump_segment(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    kith_segment *segment;
    kith_view *view = NULL;
    const uint8_t *bytes;
    size_t size;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_segment_open(space, name, &options, &segment);
    if (err < 0)
        return err;
    err = kith_segment_view(segment, &view);
    kith_segment_close(segment);
    if (err < 0)
        return err;
    bytes = kith_view_data(view);
    size = kith_view_size(view);
    kith__dump_object(dump, KITH_KIND_SEGMENT, name);
    kith__dump_number(dump, KITH__DUMP_SEGMENT_SIZE, size);
    for (size_t at = 0; at < size && dump->err == KITH_OK; at += PIECE) {
        kith__dump_entry(dump);
        kith__dump_piece(dump, bytes + at, size - at < PIECE ? (uint32_t)(size - at) : PIECE);
    }
    kith_view_release(view);
    return KITH_OK;
}

static bool
check_segment(const struct kith__dumped *object)
{
    return kith__dumped_number(object, KITH__DUMP_SEGMENT_SIZE) > 0;
}

static bool
segment_whole(const struct kith__dumped *object)
{
    return pieces_are(object, kith__dumped_number(object, KITH__DUMP_SEGMENT_SIZE), 1);
}

static kith_err
make_segment(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    kith_segment *segment;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.size = kith__dumped_number(object, KITH__DUMP_SEGMENT_SIZE);
    err = kith_segment_open(space, object->as, &options, &segment);
    if (err == KITH_OK)
        object->handle = segment;
    return err;
}

static kith_err
fill_segment(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_view *view;
    kith_err err = kith_segment_view(object->handle, &view);

    if (err < 0)
        return err;
    for (uint32_t i = 0; i < count && err == KITH_OK; i++) {
        uint32_t piece = kith__read_u32(entries);

        /* Its name is known to others by now, who may have resized it. */
        if (object->filled + piece > kith_view_size(view))
            err = kith__fail(KITH_EGONE, "\"%s\" was resized while it was loaded.", object->as);
        else
            memcpy((uint8_t *)kith_view_memory(view) + object->filled,
                   kith__read_bytes(entries, piece), piece);
        object->filled += piece;
    }
    kith_view_release(view);
    return err;
}

static void
close_segment(void *handle)
{
    kith_segment_close(handle);
}

const struct kith__dump_kind kith__dump_segment = {
    .kind = KITH_KIND_SEGMENT,
    .dump = dump_segment,
    .settings = check_segment,
    .entry = check_piece,
    .whole = segment_whole,
    .make = make_segment,
    .fill = fill_segment,
    .close = close_segment,
};
