/*
 * dump_write.c - the bytes of a dump being written.
 *
 * A record is gathered in memory and written once it is whole, since its head says how long it is.
 * Entries share records of about a quarter of a megabyte; an item that is larger has one that is
 * larger.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "object/dump.h"

#define RECORD_SIZE ((size_t)256 << 10)

static void
put_word(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* ---- Out ------------------------------------------------------------------------------- */

static void
send(struct kith__dump *dump, const void *data, size_t size)
{
    if (dump->err < 0 || size == 0)
        return;
    if (dump->write(data, size, dump->arg) != 0) {
        dump->err = kith__fail(KITH_ESYSTEM,
                               "The dump was not finished: its writer failed after "
                               "%llu bytes.",
                               (unsigned long long)dump->report.bytes);
        return;
    }
    kith__xxh64_add(&dump->sum, data, size);
    dump->report.bytes += size;
}

/* Writes the record that was gathered. */
static void
flush(struct kith__dump *dump)
{
    uint8_t head[KITH__DUMP_HEAD_SIZE], check[8];

    if (dump->type == 0 || dump->err < 0)
        return;
    dump->records++;
    if (dump->type == KITH__DUMP_ITEMS)
        put_word(dump->body, dump->count, 4);
    put_word(head, dump->type, 4);
    put_word(head + 8, dump->size, 8);
    memset(head + 4, 0, 4);
    put_word(head + 4, kith__xxh64(head, sizeof head, dump->records), 4);
    send(dump, head, sizeof head);
    send(dump, dump->body, dump->size);
    put_word(check, kith__xxh64(dump->body, dump->size, dump->records), 8);
    send(dump, check, sizeof check);
    dump->type = 0;
    dump->size = 0;
    dump->count = 0;
}

/* Room for `size` bytes more of the record. */
static uint8_t *
more(struct kith__dump *dump, size_t size)
{
    uint8_t *at;

    if (dump->err < 0)
        return NULL;
    if (dump->room - dump->size < size) {
        size_t room = 2 * dump->room + size + 4096;
        uint8_t *larger = kith__realloc(dump->body, room);

        if (larger == NULL) {
            dump->err = kith__fail(KITH_ENOMEM, "This process has no memory left for a dump.");
            return NULL;
        }
        dump->body = larger;
        dump->room = room;
    }
    at = dump->body + dump->size;
    dump->size += size;
    return at;
}

static void
put(struct kith__dump *dump, uint64_t value, unsigned size)
{
    uint8_t *at = more(dump, size);

    if (at != NULL)
        put_word(at, value, size);
}

static void
put_bytes(struct kith__dump *dump, const void *data, size_t size)
{
    uint8_t *at = more(dump, size);

    if (at != NULL && size > 0)
        memcpy(at, data, size);
}

void
kith__dump_u32(struct kith__dump *dump, uint32_t value)
{
    put(dump, value, 4);
}

void
kith__dump_u64(struct kith__dump *dump, uint64_t value)
{
    put(dump, value, 8);
}

/* ---- The whole ------------------------------------------------------------------------- */

void
kith__dump_begin(struct kith__dump *dump, bool whole)
{
    uint8_t header[KITH__DUMP_HEADER_SIZE] = "\x89KITH\r\n\x1a";

    kith__xxh64_begin(&dump->sum, 0);
    put_word(header + 8, KITH__DUMP_VERSION, 4);
    put_word(header + 12, whole ? KITH__DUMP_WHOLE : 0, 4);
    put_word(header + 16, (uint64_t)kith__real_ns(), 8);
    put_word(header + 24, kith__xxh64(header, 24, 0), 8);
    send(dump, header, sizeof header);
}

void
kith__dump_end(struct kith__dump *dump)
{
    uint64_t sum = kith__xxh64_end(&dump->sum);

    dump->type = KITH__DUMP_END;
    put(dump, dump->report.objects, 8);
    put(dump, dump->report.items, 8);
    put(dump, sum, 8);
    flush(dump);
}

void
kith__dump_free(struct kith__dump *dump)
{
    kith__free(dump->body);
    dump->body = NULL;
}

/* ---- Objects --------------------------------------------------------------------------- */

void
kith__dump_object(struct kith__dump *dump, enum kith_kind kind, const char *name)
{
    dump->type = KITH__DUMP_OBJECT;
    dump->object_items = 0;
    put(dump, (uint64_t)kind, 4);
    put(dump, strlen(name), 4);
    put_bytes(dump, name, strlen(name));
}

void
kith__dump_number(struct kith__dump *dump, enum kith__dump_setting setting, uint64_t value)
{
    if (value == 0) /* what it is without */
        return;
    put(dump, (uint64_t)setting, 4);
    put(dump, 8, 4);
    put(dump, value, 8);
}

void
kith__dump_float(struct kith__dump *dump, enum kith__dump_setting setting, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    kith__dump_number(dump, setting, bits);
}

void
kith__dump_flag(struct kith__dump *dump, enum kith__dump_setting setting, bool flag)
{
    kith__dump_number(dump, setting, flag);
}

void
kith__dump_bytes(struct kith__dump *dump, enum kith__dump_setting setting, const void *data,
                 size_t size)
{
    put(dump, (uint64_t)setting, 4);
    put(dump, size, 4);
    put_bytes(dump, data, size);
}

void
kith__dump_text(struct kith__dump *dump, enum kith__dump_setting setting, const char *text)
{
    if (text[0] != '\0')
        kith__dump_bytes(dump, setting, text, strlen(text));
}

void
kith__dump_object_end(struct kith__dump *dump)
{
    flush(dump);
    dump->type = KITH__DUMP_OBJECT_END;
    put(dump, dump->object_items, 8);
    flush(dump);
    dump->report.objects++;
    dump->report.items += dump->object_items;
}

void
kith__dump_cancel(struct kith__dump *dump)
{
    dump->type = 0;
    dump->size = 0;
}

void
kith__dump_entry(struct kith__dump *dump)
{
    if (dump->type != KITH__DUMP_ITEMS || dump->size >= RECORD_SIZE) {
        flush(dump);
        dump->type = KITH__DUMP_ITEMS;
        put(dump, 0, 4); /* how many: known at the end */
    }
    dump->count++;
    dump->object_items++;
}

void
kith__dump_item(struct kith__dump *dump, const struct kith_item *item)
{
    uint64_t bits;

    put(dump, (uint64_t)item->type, 1);
    switch (item->type) {
    case KITH_TYPE_NONE:
        return;
    case KITH_TYPE_BOOL:
        put(dump, item->boolean, 1);
        return;
    case KITH_TYPE_INT:
        put(dump, (uint64_t)item->integer, 8);
        return;
    case KITH_TYPE_FLOAT:
        memcpy(&bits, &item->real, sizeof bits);
        put(dump, bits, 8);
        return;
    case KITH_TYPE_FOREIGN:
        put(dump, strlen(item->tag), 1);
        put_bytes(dump, item->tag, strlen(item->tag) + 1);
        break;
    default:
        break;
    }
    put(dump, item->size, 8);
    put_bytes(dump, item->data, item->size);
}

void
kith__dump_piece(struct kith__dump *dump, const void *data, uint32_t size)
{
    put(dump, size, 4);
    put_bytes(dump, data, size);
}
