/*
 * dump_read.c - the bytes of a dump taken apart, and checked before anything is believed.
 *
 * All of a dump lies in memory.  Its frame is checked first, record by record, then that the
 * records make sense together, then every entry.  A record's checksum is seeded with its number, so
 * that records that were swapped or left out are found as well.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/item.h"
#include "object/dump.h"

/* ---- Parts ----------------------------------------------------------------------------- */

const uint8_t *
kith__read_bytes(struct kith__cursor *cursor, uint64_t size)
{
    const uint8_t *at = cursor->at;

    if (size > cursor->left) {
        cursor->bad = true;
        cursor->left = 0;
        return NULL;
    }
    cursor->at += size;
    cursor->left -= size;
    return at;
}

static uint64_t
word_at(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static uint64_t
read_word(struct kith__cursor *cursor, unsigned size)
{
    const uint8_t *at = kith__read_bytes(cursor, size);

    return at == NULL ? 0 : word_at(at, size);
}

uint32_t
kith__read_u32(struct kith__cursor *cursor)
{
    return (uint32_t)read_word(cursor, 4);
}

uint64_t
kith__read_u64(struct kith__cursor *cursor)
{
    return read_word(cursor, 8);
}

struct kith_item
kith__read_item(struct kith__cursor *cursor)
{
    struct kith_item item = { .type = (kith_type)read_word(cursor, 1) };
    uint64_t word, size;

    switch (item.type) {
    case KITH_TYPE_NONE:
        return item;
    case KITH_TYPE_BOOL:
        word = read_word(cursor, 1);
        if (word > 1)
            cursor->bad = true;
        item.boolean = word != 0;
        return item;
    case KITH_TYPE_INT:
    case KITH_TYPE_FLOAT:
        word = kith__read_u64(cursor);
        memcpy(&item.integer, &word, sizeof word); /* the same 8 bytes as `real` */
        return item;
    case KITH_TYPE_FOREIGN:
        size = read_word(cursor, 1);
        item.tag = (const char *)kith__read_bytes(cursor, size + 1);
        if (item.tag == NULL || strnlen(item.tag, size + 1) != size)
            cursor->bad = true;
        break;
    default:
        break;
    }
    size = kith__read_u64(cursor);
    item.data = kith__read_bytes(cursor, size);
    item.size = item.data == NULL ? 0 : size;
    return item;
}

/* ---- Records --------------------------------------------------------------------------- */

static kith_err
refuse(const char *why)
{
    return kith__fail(KITH_ECORRUPT, "The dump cannot be loaded: %s.", why);
}

struct record {
    uint32_t type;
    struct kith__cursor body;
};

/* Reads the head and finds the body; false if it is cut short.  The checksums are another matter.
 */
static bool
next_record(struct kith__cursor *cursor, struct record *record)
{
    record->type = kith__read_u32(cursor);
    (void)kith__read_u32(cursor);
    record->body.left = (size_t)kith__read_u64(cursor);
    record->body.bad = false;
    record->body.at = kith__read_bytes(cursor, record->body.left);
    (void)kith__read_u64(cursor);
    return !cursor->bad;
}

/* As next_record(), with the checksums of record number `number`, from 1. */
static kith_err
checked_record(struct kith__cursor *cursor, uint64_t number, struct record *record)
{
    uint8_t head[KITH__DUMP_HEAD_SIZE];

    if (cursor->left < sizeof head)
        return refuse("it was cut short");
    memcpy(head, cursor->at, sizeof head);
    memset(head + 4, 0, 4);
    if ((uint32_t)kith__xxh64(head, sizeof head, number) != word_at(cursor->at + 4, 4))
        return refuse("the head of a record was altered");
    if (!next_record(cursor, record))
        return refuse("it was cut short");
    if (kith__xxh64(record->body.at, record->body.left, number) != word_at(cursor->at - 8, 8))
        return refuse("the body of a record was altered");
    return KITH_OK;
}

static kith_err
check_header(const uint8_t *data, size_t size, bool *whole_out)
{
    uint64_t version, flags;

    if (size < KITH__DUMP_HEADER_SIZE || memcmp(data, "\x89KITH\r\n\x1a", 8) != 0)
        return refuse(size == 0 ? "it is empty" : "it is no dump of Kith");
    if (kith__xxh64(data, 24, 0) != word_at(data + 24, 8))
        return refuse("its header was altered");
    version = word_at(data + 8, 4);
    flags = word_at(data + 12, 4);
    if (version > KITH__DUMP_VERSION)
        return kith__fail(KITH_EVERSION,
                          "The dump cannot be loaded: a newer version of Kith wrote it, in format "
                          "%llu; this one knows formats up to %u.",
                          (unsigned long long)version, KITH__DUMP_VERSION);
    if (version == 0 || flags > KITH__DUMP_WHOLE)
        return refuse("its header makes no sense");
    *whole_out = flags == KITH__DUMP_WHOLE;
    return KITH_OK;
}

/* ---- Objects --------------------------------------------------------------------------- */

struct kith__cursor
kith__dumped_bytes(const struct kith__dumped *object, enum kith__dump_setting setting)
{
    struct kith__cursor cursor = object->settings;

    while (cursor.left > 0 && !cursor.bad) {
        uint32_t number = kith__read_u32(&cursor);
        uint32_t size = kith__read_u32(&cursor);
        const uint8_t *at = kith__read_bytes(&cursor, size);

        if (number == (uint32_t)setting && at != NULL)
            return (struct kith__cursor){ at, size, false };
    }
    return (struct kith__cursor){ NULL, 0, true };
}

uint64_t
kith__dumped_number(const struct kith__dumped *object, enum kith__dump_setting setting)
{
    struct kith__cursor cursor = kith__dumped_bytes(object, setting);

    return cursor.left == 8 ? kith__read_u64(&cursor) : 0;
}

double
kith__dumped_float(const struct kith__dumped *object, enum kith__dump_setting setting)
{
    uint64_t bits = kith__dumped_number(object, setting);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

bool
kith__dumped_flag(const struct kith__dumped *object, enum kith__dump_setting setting)
{
    return kith__dumped_number(object, setting) != 0;
}

void
kith__dumped_text(const struct kith__dumped *object, enum kith__dump_setting setting, char *text,
                  size_t size)
{
    struct kith__cursor cursor = kith__dumped_bytes(object, setting);

    text[0] = '\0';
    if (cursor.bad || cursor.left >= size)
        return;
    memcpy(text, cursor.at, cursor.left);
    text[cursor.left] = '\0';
}

bool
kith__dumped_entries(struct kith__cursor *records, struct kith__cursor *entries_out,
                     uint32_t *count_out)
{
    struct record record;

    if (records->left == 0 || !next_record(records, &record))
        return false;
    *entries_out = record.body;
    *count_out = kith__read_u32(entries_out);
    return true;
}

static bool
settings_ok(const struct kith__dumped *object)
{
    struct kith__cursor cursor = object->settings;

    while (cursor.left > 0 && !cursor.bad) {
        (void)kith__read_u32(&cursor);
        (void)kith__read_bytes(&cursor, kith__read_u32(&cursor));
    }
    return !cursor.bad && object->kind->settings(object);
}

static kith_err
read_object(struct kith__cursor body, struct kith__dumped *object)
{
    uint32_t kind = kith__read_u32(&body);
    uint32_t size = kith__read_u32(&body);
    const uint8_t *name = kith__read_bytes(&body, size);

    memset(object, 0, sizeof *object);
    if (name == NULL || !kith__name_ok(name, size))
        return refuse("an object in it has no name that could be one");
    memcpy(object->name, name, size);
    object->settings = body;
    object->kind = kith__dump_kind_of(kind);
    if (object->kind == NULL)
        return refuse("it has an object of a kind that its format does not have");
    if (!settings_ok(object))
        return refuse("the settings of an object make no sense");
    return KITH_OK;
}

static kith_err
read_items(struct kith__cursor body, struct kith__dumped *object)
{
    uint32_t count = kith__read_u32(&body);

    for (uint32_t i = 0; i < count && !body.bad; i++) {
        if (object->kind->entry == NULL || !object->kind->entry(&body))
            return refuse("an entry of an object makes no sense");
        object->items++;
    }
    if (body.bad || body.left != 0 || count == 0)
        return refuse("the entries of an object make no sense");
    return KITH_OK;
}

/* What the records so far amount to. */
struct reading {
    struct kith__dumped *objects;
    size_t count, room;
    bool open; /* the last object has not come to its end */
    const uint8_t *items_at;
    struct kith_dump_report report;
    bool ended;
};

static kith_err
begin_object(struct reading *reading, struct record *record, const uint8_t *behind)
{
    kith_err err;

    if (reading->open)
        return refuse("an object in it has no end");
    if (reading->count == reading->room) {
        size_t room = reading->room == 0 ? 16 : 2 * reading->room;
        struct kith__dumped *larger = kith__realloc(reading->objects, room * sizeof *larger);

        if (larger == NULL)
            return kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
        reading->objects = larger;
        reading->room = room;
    }
    err = read_object(record->body, &reading->objects[reading->count]);
    if (err < 0)
        return err;
    if (reading->count > 0 && strcmp(reading->objects[reading->count - 1].name,
                                     reading->objects[reading->count].name) >= 0)
        return refuse("its objects do not stand in the order of their names");
    reading->open = true;
    reading->items_at = behind;
    return KITH_OK;
}

static kith_err
end_object(struct reading *reading, struct record *record, const uint8_t *at)
{
    struct kith__dumped *object = &reading->objects[reading->count];

    if (!reading->open || kith__read_u64(&record->body) != object->items ||
        record->body.left != 0 || record->body.bad)
        return refuse("an object in it has not as many items as it says");
    object->records =
        (struct kith__cursor){ reading->items_at, (size_t)(at - reading->items_at), false };
    if (object->kind->whole != NULL && !object->kind->whole(object))
        return refuse("an object in it is not all there");
    reading->open = false;
    reading->count++;
    reading->report.items += object->items;
    return KITH_OK;
}

static kith_err
end_dump(struct reading *reading, struct record *record, uint64_t sum, bool whole)
{
    reading->ended = true;
    reading->report.objects = reading->count;
    if (reading->open || kith__read_u64(&record->body) != reading->count ||
        kith__read_u64(&record->body) != reading->report.items ||
        kith__read_u64(&record->body) != sum || record->body.left != 0 || record->body.bad)
        return refuse("it does not have what its end says");
    if (!whole && reading->count != 1)
        return refuse("it is one of a single object, and has another number of them");
    return KITH_OK;
}

static kith_err
read_records(const uint8_t *data, size_t size, bool whole, struct reading *reading)
{
    struct kith__cursor cursor = { data + KITH__DUMP_HEADER_SIZE, size - KITH__DUMP_HEADER_SIZE,
                                   false };
    struct kith__xxh64 sum;

    kith__xxh64_begin(&sum, 0);
    kith__xxh64_add(&sum, data, KITH__DUMP_HEADER_SIZE);
    for (uint64_t number = 1; !reading->ended; number++) {
        const uint8_t *at = cursor.at;
        struct record record = { .type = 0 };
        kith_err err = checked_record(&cursor, number, &record);

        if (err < 0)
            return err;
        if (record.type == KITH__DUMP_OBJECT)
            err = begin_object(reading, &record, cursor.at);
        else if (record.type == KITH__DUMP_ITEMS && reading->open)
            err = read_items(record.body, &reading->objects[reading->count]);
        else if (record.type == KITH__DUMP_OBJECT_END)
            err = end_object(reading, &record, at);
        else if (record.type == KITH__DUMP_END)
            err = end_dump(reading, &record, kith__xxh64_end(&sum), whole);
        else
            err = refuse("it has a record that makes no sense where it stands");
        if (err < 0)
            return err;
        kith__xxh64_add(&sum, at, (size_t)(cursor.at - at));
    }
    return cursor.left == 0 ? KITH_OK : refuse("something stands behind its end");
}

kith_err
kith__dump_verify(const uint8_t *data, size_t size, bool *whole_out,
                  struct kith__dumped **objects_out, size_t *count_out,
                  struct kith_dump_report *report_out)
{
    struct reading reading = { .count = 0 };
    kith_err err = check_header(data, size, whole_out);

    if (err == KITH_OK)
        err = read_records(data, size, *whole_out, &reading);
    if (err < 0) {
        kith__free(reading.objects);
        return err;
    }
    reading.report.bytes = size;
    *objects_out = reading.objects;
    *count_out = reading.count;
    *report_out = reading.report;
    return KITH_OK;
}
