/*
 * key.c - an item as a key: hashed and compared as Python does it.
 *
 * One routine, canon(), walks an original and writes its canonical form into a sink.  For a key
 * that is being made the sink keeps the bytes; for one that is being compared it only holds each
 * byte against the probe's, so that comparing allocates nothing and cannot fail for lack of memory.
 */
#include "key.h"

#include "alloc.h"
#include "assert.h"
#include "error.h"
#include "hash.h"
#include "item.h"
#include "pack.h"

#include <float.h>

static_assert(sizeof(double) == 8, "a float is stored as 8 bytes");
static_assert(DBL_MAX_EXP == 1024, "FLOAT_SIZE_MAX holds every float");

/* Bytes of the largest float as a big int: 1,024 bits and a sign. */
#define FLOAT_SIZE_MAX 129

/* Just above every int64_t; its negative is the least of them. */
#define TWO_TO_63 9223372036854775808.0

/* Where canonical bytes go. */
struct sink {
    struct kith__key *key;  /* keeps them there; or, if NULL, */
    const uint8_t *expects; /* compares them with these */
    size_t size;            /* bytes that came */
    size_t capacity;        /* bytes there is room for, or that are expected */
    bool differs;
    bool out_of_memory;
};

/* A canonical form before it is written. */
struct canonical {
    uint8_t type;
    uint64_t word;       /* int, or the bits of a float */
    const uint8_t *data; /* str, bytes, big int */
    size_t size;
    uint8_t made[FLOAT_SIZE_MAX]; /* a big int made of a float or of a natural */
};

static uint8_t *
kept_bytes(struct sink *sink)
{
    return sink->key->scratch != NULL ? sink->key->scratch : sink->key->inline_scratch;
}

static bool
grow(struct sink *sink, size_t size)
{
    size_t capacity = sink->capacity * 2 > size ? sink->capacity * 2 : size;
    uint8_t *memory = kith__malloc(capacity);

    if (memory == NULL) {
        sink->out_of_memory = true;
        return false;
    }
    memcpy(memory, kept_bytes(sink), sink->size);
    kith__free(sink->key->scratch);
    sink->key->scratch = memory;
    sink->capacity = capacity;
    return true;
}

static void
write_bytes(struct sink *sink, const void *data, size_t size)
{
    if (size == 0 || sink->differs || sink->out_of_memory)
        return;
    if (sink->key == NULL) {
        if (size > sink->capacity - sink->size || memcmp(sink->expects + sink->size, data, size))
            sink->differs = true;
    } else if (size > sink->capacity - sink->size && !grow(sink, sink->size + size)) {
        return;
    } else {
        memcpy(kept_bytes(sink) + sink->size, data, size);
    }
    sink->size += sink->differs ? 0 : size;
}

/* Whether the walk is still worth its time. */
static bool
goes_on(const struct sink *sink)
{
    return !sink->differs && !sink->out_of_memory;
}

/* A little-endian two's complement number: an int if it fits, else without needless bytes. */
static void
canon_bigint(const uint8_t *data, size_t size, struct canonical *c)
{
    uint64_t word;
    uint8_t sign;

    KITH__ASSERT(size > 0);
    sign = data[size - 1] & 0x80 ? 0xff : 0x00;
    while (size > 1 && data[size - 1] == sign && (data[size - 2] & 0x80) == (sign & 0x80))
        size--;
    if (size > sizeof(word)) {
        c->type = KITH_TYPE_BIGINT;
        c->data = data;
        c->size = size;
        return;
    }
    word = sign ? UINT64_MAX : 0;
    for (size_t i = size; i-- > 0;)
        word = word << 8 | data[i];
    c->type = KITH_TYPE_INT;
    c->word = word;
}

/* An integral float that no int64_t holds: 53 bits at some height, negated if need be. */
static void
canon_huge_float(double real, struct canonical *c)
{
    uint64_t bits;
    uint64_t mantissa;
    unsigned height;
    unsigned carry = 1;

    memcpy(&bits, &real, sizeof(bits));
    mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    height = (unsigned)(bits >> 52 & 0x7ff) - 1075;
    KITH__ASSERT(height <= 1024 - 53);
    memset(c->made, 0, sizeof(c->made));
    for (unsigned bit = 0; bit < 53; bit++) {
        if (mantissa >> bit & 1)
            c->made[(height + bit) / 8] |= (uint8_t)(1U << (height + bit) % 8);
    }
    for (size_t i = 0; real < 0 && i < sizeof(c->made); i++) {
        unsigned sum = (uint8_t)~c->made[i] + carry;

        c->made[i] = (uint8_t)sum;
        carry = sum >> 8;
    }
    canon_bigint(c->made, sizeof(c->made), c);
}

/* What is wrong with it as a key, or NULL. */
static const char *
canon_float(double real, struct canonical *c)
{
    bool fits = real >= -TWO_TO_63 && real < TWO_TO_63;

    if (real != real)
        return "NaN equals nothing, not even itself";
    if (fits && (double)(int64_t)real == real) {
        c->type = KITH_TYPE_INT;
        c->word = (uint64_t)(int64_t)real;
    } else if (!fits && real >= -DBL_MAX && real <= DBL_MAX) {
        canon_huge_float(real, c); /* floats so large have no fraction */
    } else {
        c->type = KITH_TYPE_FLOAT;
        memcpy(&c->word, &real, sizeof(c->word));
    }
    return NULL;
}

static void
canon_natural(uint64_t natural, struct canonical *c)
{
    for (size_t i = 0; i < sizeof(natural); i++)
        c->made[i] = (uint8_t)(natural >> 8 * i);
    c->made[sizeof(natural)] = 0;
    canon_bigint(c->made, sizeof(natural) + 1, c);
}

static void
write_big_endian(struct sink *sink, uint64_t number, size_t size)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number >> 8 * (size - 1 - i));
    write_bytes(sink, bytes, size);
}

static void
write_code(struct sink *sink, uint8_t code)
{
    write_bytes(sink, &code, 1);
}

/*
 * Writes one element of a tuple: MessagePack with every length in 32 bits and every int in 64, and
 * a tuple as a bare array, which nothing else in a key can be.  So each key has one writing, and
 * none is the beginning of another.
 */
static void
write_element(struct sink *sink, const struct canonical *c)
{
    switch (c->type) {
    case KITH_TYPE_NONE:
        write_code(sink, 0xc0);
        return;
    case KITH_TYPE_INT:
        write_code(sink, 0xd3);
        write_big_endian(sink, c->word, 8);
        return;
    case KITH_TYPE_FLOAT:
        write_code(sink, 0xcb);
        write_big_endian(sink, c->word, 8);
        return;
    case KITH_TYPE_STR:
        write_code(sink, 0xdb);
        write_big_endian(sink, c->size, 4);
        break;
    case KITH_TYPE_BYTES:
        write_code(sink, 0xc6);
        write_big_endian(sink, c->size, 4);
        break;
    default:
        KITH__ASSERT(c->type == KITH_TYPE_BIGINT);
        write_code(sink, 0xc9);
        write_big_endian(sink, c->size, 4);
        write_code(sink, KITH__PACK_BIGINT);
        break;
    }
    write_bytes(sink, c->data, c->size);
}

static const char *canon_tuple(const struct kith__pack_value *tuple, unsigned depth,
                               struct sink *sink);

/* Writes the canonical form of one element; what is wrong with it as a key, or NULL. */
static const char *
canon_element(struct kith__pack_reader *r, unsigned depth, struct sink *sink)
{
    struct kith__pack_value value;
    struct canonical c;
    const char *wrong = NULL;

    if (!kith__pack_read(r, &value))
        return "the tuple is cut off";
    c.data = value.data;
    c.size = value.size;
    switch (value.kind) {
    case KITH__PACK_NIL:
        c.type = KITH_TYPE_NONE;
        break;
    case KITH__PACK_BOOL:
        c.type = KITH_TYPE_INT;
        c.word = value.boolean;
        break;
    case KITH__PACK_INT:
        c.type = KITH_TYPE_INT;
        c.word = (uint64_t)value.integer;
        break;
    case KITH__PACK_NATURAL:
        canon_natural(value.natural, &c);
        break;
    case KITH__PACK_FLOAT:
        wrong = canon_float(value.real, &c);
        break;
    case KITH__PACK_STR:
        c.type = KITH_TYPE_STR;
        break;
    case KITH__PACK_BIN:
        c.type = KITH_TYPE_BYTES;
        break;
    case KITH__PACK_EXT:
        if (value.ext == KITH__PACK_TUPLE)
            return canon_tuple(&value, depth + 1, sink);
        if (value.ext != KITH__PACK_BIGINT)
            return "a set or a foreign item cannot be in a key";
        if (value.size == 0)
            return "a big int in the tuple has no bytes";
        canon_bigint(value.data, value.size, &c);
        break;
    default:
        return "a list or a dict cannot be in a key";
    }
    if (wrong == NULL)
        write_element(sink, &c);
    return wrong;
}

/* As canon_element(), of an ext value that is a tuple. */
static const char *
canon_tuple(const struct kith__pack_value *tuple, unsigned depth, struct sink *sink)
{
    struct kith__pack_reader r = kith__pack_reader(tuple->data, tuple->size);
    struct kith__pack_value array;
    const char *wrong = NULL;

    if (depth > KITH_PACKED_DEPTH_MAX)
        return "the tuple is nested too deep";
    if (!kith__pack_read(&r, &array) || array.kind != KITH__PACK_ARRAY)
        return "a tuple in it is not an array";
    write_code(sink, 0xdd);
    write_big_endian(sink, array.count, 4);
    for (uint32_t i = 0; i < array.count && wrong == NULL && goes_on(sink); i++)
        wrong = canon_element(&r, depth, sink);
    return wrong;
}

static const char *
canon_packed(const void *data, size_t size, struct sink *sink)
{
    struct kith__pack_reader r = kith__pack_reader(data, size);
    struct kith__pack_value value;

    if (!kith__pack_read(&r, &value))
        return "the packed item is cut off";
    if (value.kind != KITH__PACK_EXT || value.ext != KITH__PACK_TUPLE)
        return "of packed items only tuples can be keys";
    return canon_tuple(&value, 1, sink);
}

/* The 8 bytes of a stored bool, int or float. */
static bool
load_word(const void *data, size_t size, uint64_t *word_out)
{
    if (size != sizeof(*word_out))
        return false;
    memcpy(word_out, data, sizeof(*word_out));
    return true;
}

/* The canonical form of a stored original that is not packed; what is wrong with it, or NULL. */
static const char *
canon_single(uint8_t type, const void *data, size_t size, struct canonical *c)
{
    double real;

    c->type = type;
    c->data = data;
    c->size = size;
    switch (type) {
    case KITH_TYPE_NONE:
    case KITH_TYPE_STR:
    case KITH_TYPE_BYTES:
        return NULL;
    case KITH_TYPE_BOOL:
    case KITH_TYPE_INT:
        if (!load_word(data, size, &c->word))
            return "it has not 8 bytes";
        c->type = KITH_TYPE_INT;
        return NULL;
    case KITH_TYPE_FLOAT:
        if (!load_word(data, size, &c->word))
            return "it has not 8 bytes";
        memcpy(&real, &c->word, sizeof(real));
        return canon_float(real, c);
    case KITH_TYPE_BIGINT:
        if (size == 0)
            return "it has no bytes";
        canon_bigint(data, size, c);
        return NULL;
    default:
        return "a foreign item or a reference cannot be a key";
    }
}

/* Where the bytes of an int, a float or a run are, for hash and equality. */
static void
canonical_bytes(const struct canonical *c, const void **data_out, size_t *size_out)
{
    bool in_word = c->type == KITH_TYPE_INT || c->type == KITH_TYPE_FLOAT;

    *data_out = in_word ? (const void *)&c->word : c->data;
    *size_out = in_word ? sizeof(c->word) : c->size;
}

/* Hashes the canonical form; types that cannot be equal start from seeds of their own. */
static uint64_t
hash_canonical(const uint64_t seed[2], const struct kith__key *key)
{
    const uint64_t own[2] = { seed[0] ^ key->ctype, seed[1] };
    uint64_t word;

    if (key->ctype != KITH_TYPE_INT)
        return kith__hash(own, key->cdata, key->csize);
    memcpy(&word, key->cdata, sizeof(word));
    return kith__hash_int(seed, word);
}

static kith_err
fail_key(const char *wrong)
{
    return kith__fail(KITH_EINVAL, "This item cannot be a key: %s.", wrong);
}

static kith_err
fail_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory left to compare a key with.");
}

/* Keys whose canonical form is the original, which are nearly all. */
static kith_err
make_plain(const uint64_t seed[2], struct kith__key *key)
{
    key->form = KITH__KEY_PLAIN;
    key->ctype = key->type;
    key->cdata = key->data;
    key->csize = key->size;
    key->hash = hash_canonical(seed, key);
    return KITH_OK;
}

static kith_err
make_tuple(const uint64_t seed[2], struct kith__key *key)
{
    struct sink sink = { .key = key, .capacity = sizeof(key->inline_scratch) };
    const char *wrong = canon_packed(key->data, key->size, &sink);

    if (wrong != NULL || sink.out_of_memory) {
        kith__key_free(key);
        return sink.out_of_memory ? fail_memory() : fail_key(wrong);
    }
    key->form = KITH__KEY_MADE;
    key->ctype = KITH_TYPE_PACKED;
    key->cdata = kept_bytes(&sink);
    key->csize = sink.size;
    key->hash = hash_canonical(seed, key);
    return KITH_OK;
}

/* Bools, floats, big ints: one value whose canonical form may be of another type. */
static kith_err
make_number(const uint64_t seed[2], struct kith__key *key)
{
    struct sink sink = { .key = key, .capacity = sizeof(key->inline_scratch) };
    struct canonical c;
    const char *wrong = canon_single(key->type, key->data, key->size, &c);
    const void *bytes;
    size_t size;

    if (wrong != NULL)
        return fail_key(wrong);
    canonical_bytes(&c, &bytes, &size);
    key->form = KITH__KEY_MADE;
    key->ctype = c.type;
    write_bytes(&sink, bytes, size);
    if (sink.out_of_memory)
        return fail_memory();
    key->cdata = kept_bytes(&sink);
    key->csize = sink.size;
    key->hash = hash_canonical(seed, key);
    return KITH_OK;
}

kith_err
kith__key_make(const uint64_t seed[2], struct kith_item item, struct kith__key *key_out)
{
    struct kith__key *key = key_out;
    kith_err rc;

    /* An int is always an item, and often a key. */
    if (item.type != KITH_TYPE_INT && (rc = kith__item_check(item)) < 0)
        return rc;
    key->type = (uint8_t)item.type;
    key->data = item.data;
    key->size = item.size;
    key->scratch = NULL;
    switch (item.type) {
    case KITH_TYPE_NONE:
        key->data = NULL;
        key->size = 0;
        return make_plain(seed, key);
    case KITH_TYPE_STR:
    case KITH_TYPE_BYTES:
        return make_plain(seed, key);
    case KITH_TYPE_INT:
        key->word = (uint64_t)item.integer;
        break;
    case KITH_TYPE_BOOL:
        key->word = item.boolean;
        break;
    case KITH_TYPE_FLOAT:
        memcpy(&key->word, &item.real, sizeof(key->word));
        break;
    case KITH_TYPE_PACKED:
        return make_tuple(seed, key);
    case KITH_TYPE_BIGINT:
        return make_number(seed, key);
    default:
        return fail_key("a foreign item or a reference is compared by nobody");
    }
    key->data = &key->word;
    key->size = sizeof(key->word);
    return item.type == KITH_TYPE_INT ? make_plain(seed, key) : make_number(seed, key);
}

void
kith__key_free_scratch(struct kith__key *key)
{
    kith__free(key->scratch);
    key->scratch = NULL;
}

bool
kith__key_same_slow(const struct kith__key *probe, uint8_t type, const void *data, size_t size)
{
    struct sink sink = { .expects = probe->cdata, .capacity = probe->csize };
    struct canonical c;
    const void *bytes;
    size_t bytes_size;

    if (type == KITH_TYPE_PACKED) {
        if (probe->ctype != KITH_TYPE_PACKED || canon_packed(data, size, &sink) != NULL)
            return false;
    } else {
        if (canon_single(type, data, size, &c) != NULL || c.type != probe->ctype)
            return false;
        canonical_bytes(&c, &bytes, &bytes_size);
        write_bytes(&sink, bytes, bytes_size);
    }
    return !sink.differs && sink.size == probe->csize;
}

struct kith_item
kith__key_item(uint8_t type, const void *data, size_t size)
{
    struct kith_item item = { .type = (kith_type)type };
    uint64_t word = 0;

    switch (type) {
    case KITH_TYPE_NONE:
        break;
    case KITH_TYPE_BOOL:
        item.boolean = load_word(data, size, &word) && word != 0;
        break;
    case KITH_TYPE_INT:
        item.integer = load_word(data, size, &word) ? (int64_t)word : 0;
        break;
    case KITH_TYPE_FLOAT:
        (void)load_word(data, size, &word);
        memcpy(&item.real, &word, sizeof(item.real));
        break;
    default:
        item.data = data;
        item.size = size;
        break;
    }
    return item;
}
