/*
 * fuzz_decoders.c - whatever takes bytes apart, given bytes that nobody meant.
 *
 * The bytes stand right before a page that may not be touched, so that reading one too many is a
 * signal even without a sanitizer.  What a decoder accepts is held against what another says.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/address.h"
#include "base/item.h"
#include "base/key.h"
#include "base/pack.h"

#define ROOM 4096u
#define CASES 2000

static uint8_t *edge; /* one past the last byte that may be read */

static void
make_edge(void)
{
    uint8_t *base =
        mmap(NULL, 2 * (size_t)ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || mprotect(base + ROOM, ROOM, PROT_NONE) != 0)
        fuzz_failed("mmap: %s", strerror(errno));
    edge = base + ROOM;
}

static uint8_t *
at_edge(const uint8_t *data, size_t size)
{
    memcpy(edge - size, data, size);
    return edge - size;
}

/* ---- bytes that look like something ---- */

struct bytes {
    uint8_t data[ROOM];
    size_t size;
};

static void
put(struct bytes *b, unsigned value)
{
    if (b->size < sizeof(b->data) - 1)
        b->data[b->size++] = (uint8_t)value;
}

static void
put_big_endian(struct bytes *b, uint64_t value, unsigned size)
{
    while (size-- > 0)
        put(b, (unsigned)(value >> (8 * size)) & 0xff);
}

static void
put_text(struct bytes *b, size_t size)
{
    while (size-- > 0)
        put(b, 'a' + (unsigned)fuzz_below(26));
}

static void put_value(struct bytes *b, int depth);

static void
put_ext(struct bytes *b, unsigned type, const struct bytes *body)
{
    if (body->size <= 255 && fuzz_percent(70)) {
        put(b, 0xc7);
        put(b, (unsigned)body->size);
    } else {
        put(b, 0xc8);
        put_big_endian(b, body->size, 2);
    }
    put(b, type);
    for (size_t i = 0; i < body->size; i++)
        put(b, body->data[i]);
}

static void
put_sequence(struct bytes *b, int depth)
{
    uint64_t count = fuzz_below(6);

    if (fuzz_percent(80)) {
        put(b, 0x90 | (unsigned)count);
    } else {
        put(b, 0xdc);
        put_big_endian(b, count, 2);
    }
    while (count-- > 0)
        put_value(b, depth + 1);
}

static void
put_value(struct bytes *b, int depth)
{
    struct bytes *body;
    uint64_t size;

    switch (fuzz_below(depth > 6 ? 8 : 12)) {
    case 0:
        put(b, (unsigned)fuzz_next() & 0x7f);
        break;
    case 1:
        put(b, 0xc0 + (unsigned[]){ 0, 2, 3 }[fuzz_below(3)]);
        break;
    case 2:
        size = fuzz_below(4);
        put(b, (fuzz_percent(50) ? 0xcc : 0xd0) + (unsigned)size);
        put_big_endian(b, fuzz_next(), 1u << size);
        break;
    case 3:
        size = fuzz_below(2);
        put(b, 0xca + (unsigned)size);
        put_big_endian(b, fuzz_percent(30) ? UINT64_C(0x7ff8) << 48 : fuzz_next(), 4u << size);
        break;
    case 4:
        size = fuzz_below(32);
        put(b, 0xa0 | (unsigned)size);
        put_text(b, size);
        break;
    case 5:
        size = fuzz_below(60);
        put(b, fuzz_percent(50) ? 0xc4 : 0xd9);
        put(b, (unsigned)size);
        put_text(b, size);
        break;
    case 6:
        size = fuzz_below(5);
        put(b, 0xd4 + (unsigned)size);
        put(b, KITH__PACK_BIGINT);
        put_text(b, (size_t)1 << size);
        break;
    case 7:
        put(b, 0xe0 | (unsigned)fuzz_below(32));
        break;
    case 8:
        put_sequence(b, depth);
        break;
    case 9:
        size = fuzz_below(4);
        put(b, 0x80 | (unsigned)size);
        for (size *= 2; size > 0; size--)
            put_value(b, depth + 1);
        break;
    default:
        body = calloc(1, sizeof(*body));
        if (body == NULL)
            fuzz_failed("no memory");
        size = 1 + fuzz_below(4);
        if (size == KITH__PACK_FOREIGN) {
            put(body, 0xa1 + (unsigned)fuzz_below(8));
            put_text(body, (body->data[0] & 0x1f) + fuzz_below(20));
        } else if (size == KITH__PACK_BIGINT) {
            put_text(body, 1 + fuzz_below(20));
        } else {
            put_sequence(body, depth + 1);
        }
        put_ext(b, (unsigned)size, body);
        free(body);
    }
}

static void
mutate(struct bytes *b)
{
    static const uint8_t telling[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                       0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
                                       0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd8, 0xd9, 0xda,
                                       0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff };

    for (uint64_t n = fuzz_below(4); n > 0 && b->size > 0; n--) {
        size_t at = fuzz_below(b->size);
        switch (fuzz_below(6)) {
        case 0:
            b->data[at] ^= (uint8_t)(1u << fuzz_below(8));
            break;
        case 1:
            b->data[at] = (uint8_t)fuzz_next();
            break;
        case 2:
            b->data[at] = telling[fuzz_below(COUNTOF(telling))];
            break;
        case 3:
            b->size = at;
            break;
        case 4:
            put(b, (unsigned)fuzz_next() & 0xff);
            break;
        default:
            memmove(b->data + at, b->data + at + 1, b->size - at - 1);
            b->size--;
        }
    }
}

static void
make_bytes(struct bytes *b)
{
    b->size = 0;
    switch (fuzz_below(8)) {
    case 0: /* noise */
        for (uint64_t n = fuzz_below(fuzz_percent(80) ? 40 : 2000); n > 0; n--)
            put(b, (unsigned)fuzz_next() & 0xff);
        return;
    case 1: /* deep */
        for (uint64_t n = fuzz_below(100); n > 0; n--)
            put(b, fuzz_percent(80) ? 0x91 : 0x81);
        put_value(b, 9);
        break;
    default:
        put_value(b, 0);
    }
    mutate(b);
}

/* ---- packed values ---- */

static void
expect_sentence(kith_err err, const char *what)
{
    if (err != KITH_OK && err != KITH_EINVAL)
        fuzz_failed("%s gave %d", what, (int)err);
    if (err != KITH_OK && kith_last_error()[0] == '\0')
        fuzz_failed("%s gave no sentence", what);
}

/* Reads all values in a row; returns how many, -1 if there is something else. */
static int64_t
read_all(const uint8_t *data, size_t size)
{
    struct kith__pack_reader reader = kith__pack_reader(data, size);
    struct kith__pack_value value;
    int64_t count = 0;

    for (; reader.left > 0; count++) {
        size_t left = reader.left;
        if (!kith__pack_read(&reader, &value))
            return -1;
        if (reader.left >= left || reader.at + reader.left != data + size)
            fuzz_failed("reading a value went from %zu bytes left to %zu", left, reader.left);
        if (value.kind >= KITH__PACK_STR && value.kind <= KITH__PACK_EXT &&
            value.kind != KITH__PACK_ARRAY && value.kind != KITH__PACK_MAP && value.size > 0 &&
            (value.data < data || value.size > size || value.data > data + size - value.size))
            fuzz_failed("a value of %zu bytes lies outside of what was read", value.size);
    }
    return count;
}

static void
packed_round(void)
{
    struct bytes b;

    make_edge();
    for (int i = 0; i < CASES; i++) {
        const uint8_t *data;
        kith_err err;

        make_bytes(&b);
        data = at_edge(b.data, b.size);
        fuzz_doing("kith__pack_read");
        if (read_all(data, b.size) < 0 && kith__pack_check(data, b.size) == KITH_OK)
            fuzz_failed("kith__pack_check() accepts what kith__pack_read() does not");
        fuzz_doing("kith__pack_check");
        err = kith__pack_check(data, b.size);
        expect_sentence(err, "kith__pack_check()");
        fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
        for (size_t size = 0; err == KITH_OK && size < b.size; size++) {
            uint8_t *cut = at_edge(b.data, size); /* moves to the edge: data is no more */
            if (kith__pack_check(cut, size) == KITH_OK)
                fuzz_failed("%zu bytes are a value, and so are the first %zu", b.size, size);
        }
    }
}

/* ---- keys and items ---- */

static struct kith_item
random_item(struct bytes *b)
{
    struct kith_item item = { .type = (kith_type)fuzz_below(10) };

    if (fuzz_percent(5))
        item.type = (kith_type)fuzz_next();
    if (fuzz_percent(40))
        item.type = KITH_TYPE_PACKED;
    make_bytes(b);
    if (item.type == KITH_TYPE_PACKED && fuzz_percent(60)) { /* a tuple, more or less */
        struct bytes *body = calloc(1, sizeof(*body));
        if (body == NULL)
            fuzz_failed("no memory");
        put_sequence(body, 3);
        b->size = 0;
        put_ext(b, KITH__PACK_TUPLE, body);
        free(body);
        if (fuzz_percent(50))
            mutate(b);
    }
    if (item.type == KITH_TYPE_BIGINT && b->size > 12 && fuzz_percent(70))
        b->size = fuzz_below(13);
    if ((unsigned)item.type <= KITH_TYPE_FLOAT) {
        uint64_t word = fuzz_percent(50) ? fuzz_next() : fuzz_below(4);
        item.integer = (int64_t)word;
        if (item.type == KITH_TYPE_BOOL)
            item.boolean = (word & 1) != 0;
        if (item.type == KITH_TYPE_FLOAT && fuzz_percent(50))
            item.real = (double)(int64_t)fuzz_next();
        if (fuzz_percent(90))
            return item;
    }
    item.data = at_edge(b->data, b->size);
    item.size = b->size;
    if (item.type == KITH_TYPE_FOREIGN && fuzz_percent(90))
        item.tag = fuzz_percent(80) ? "fuzz/tag" : "";
    if (fuzz_percent(2))
        item.data = NULL;
    return item;
}

static void
key_round(void)
{
    const uint64_t seed[2] = { fuzz_next(), fuzz_next() };
    struct bytes b, other;
    uint8_t *copy = malloc(ROOM);

    make_edge();
    for (int i = 0; i < CASES; i++) {
        struct kith_item item = random_item(&b);
        struct kith__key key;
        kith_err err;

        fuzz_doing("kith__item_check");
        expect_sentence(kith__item_check(item), "kith__item_check()");
        fuzz_doing("kith__key_make");
        err = kith__key_make(seed, item, &key);
        expect_sentence(err, "kith__key_make()");
        fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
        if (err != KITH_OK)
            continue;
        fuzz_doing("kith__key_same");
        if (!kith__key_same(&key, key.type, key.data, key.size))
            fuzz_failed("a key differs from itself");
        if (!kith__key_same_slow(&key, key.type, key.data, key.size))
            fuzz_failed("a key differs from itself, looked at slowly");
        (void)kith__key_item(key.type, key.data, key.size);
        kith__key_free(&key);

        /* Against stored garbage, which has to be at the edge while the key is elsewhere. */
        if (item.data != NULL && item.size <= ROOM) {
            memcpy(copy, b.data, b.size);
            item.data = copy;
        }
        if (kith__key_make(seed, item, &key) != KITH_OK)
            fuzz_failed("what was a key is none when it stands elsewhere");
        for (int n = 0; n < 4; n++) {
            uint8_t type = (uint8_t)(fuzz_percent(60) ? KITH_TYPE_PACKED : fuzz_below(256));
            const uint8_t *stored;
            struct kith__key twin;
            struct kith_item again;

            if (fuzz_percent(50)) {
                make_bytes(&other);
            } else {
                memcpy(other.data, b.data, b.size);
                other.size = b.size;
                mutate(&other);
            }
            stored = at_edge(other.data, other.size);
            again = kith__key_item(type, stored, other.size);
            if (kith__key_same(&key, type, stored, other.size) &&
                (unsigned)type <= KITH_TYPE_PACKED &&
                kith__key_make(seed, again, &twin) == KITH_OK) {
                if (twin.hash != key.hash)
                    fuzz_failed("two equal keys have two hashes");
                kith__key_free(&twin);
            }
        }
        kith__key_free(&key);
    }
    free(copy);
}

/* ---- addresses ---- */

static void
address_round(void)
{
    static const char *const good[] = {
        "hits",
        "shm://hits",
        "mem://",
        "file:///tmp/x",
        "hits?size=1G&mode=0660",
        "shm://a%20b?readonly=1",
        "file:///a/b%2fc?create=must-exist&temporary=yes",
        "mem://?timeout=5s&transactional=true",
        "x?authkey_file=/k&timeout=200ms&size=16M",
        "tcp://host:1/x",
        "redis://h",
        "tls://[::1]:3/x",
        "unix:/x",
    };
    static const char special[] = "%?&=:/#+\\. 0aG\"\n\xff\xc3\xa9";
    const struct kith_options options = KITH_OPTIONS_INIT;

    make_edge();
    for (int i = 0; i < CASES; i++) {
        struct bytes b = { .size = 0 };
        struct kith__address address;
        const char *text;
        kith_err err;

        if (fuzz_percent(90)) {
            text = good[fuzz_below(COUNTOF(good))];
            memcpy(b.data, text, strlen(text));
            b.size = strlen(text);
        }
        for (uint64_t n = fuzz_below(6); n > 0; n--) {
            size_t at = fuzz_below(b.size + 1);
            memmove(b.data + at + 1, b.data + at, b.size - at);
            b.data[at] = (uint8_t)special[fuzz_below(sizeof(special) - 1)];
            b.size++;
            if (fuzz_percent(30))
                mutate(&b);
        }
        for (size_t at = 0; at < b.size; at++) {
            if (b.data[at] == '\0')
                b.data[at] = '0';
        }
        if (fuzz_percent(3)) {
            while (b.size < 3000)
                put(&b, fuzz_percent(10) ? '%' : 'a');
        }
        b.data[b.size] = '\0';
        text = (const char *)at_edge(b.data, b.size + 1);
        fuzz_doing("kith__address_parse");
        err = kith__address_parse(text, &options, &address);
        fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
        if (err == KITH_OK) {
            if (address.place == NULL || address.scheme > KITH__SCHEME_MEM)
                fuzz_failed("an address without a place");
            if (address.scheme == KITH__SCHEME_FILE && address.place[0] != '/')
                fuzz_failed("a path that is not absolute");
            if (address.options.timeout_ns < 0 && address.options.timeout_ns != KITH_FOREVER)
                fuzz_failed("a negative timeout");
            kith__address_free(&address);
        } else if (err == KITH_EUNSUPPORTED) {
            if (kith_last_error()[0] == '\0')
                fuzz_failed("no sentence");
        } else {
            expect_sentence(err, "kith__address_parse()");
        }
    }
}

int
main(int argc, char **argv)
{
    static const struct fuzz_kind kinds[] = {
        { "packed", 2000, packed_round },
        { "keys and items", 2000, key_round },
        { "addresses", 1000, address_round },
    };

    return fuzz_main(argc, argv, kinds, COUNTOF(kinds));
}
