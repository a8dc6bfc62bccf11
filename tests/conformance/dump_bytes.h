/*
 * dump_bytes.h - dumps that lie in memory, for the tests of dumps.
 */
#ifndef KITH_TEST_DUMP_BYTES_H
#define KITH_TEST_DUMP_BYTES_H

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

struct bytes {
    uint8_t *data;
    size_t size, room, at;
    size_t fail_after; /* the writer, or the reader, fails from here on; 0: never */
};

static inline int
keep(const void *data, size_t size, void *arg)
{
    struct bytes *bytes = arg;

    if (bytes->fail_after != 0 && bytes->size + size > bytes->fail_after)
        return 1;
    if (bytes->size + size > bytes->room) {
        bytes->room = 2 * (bytes->size + size);
        bytes->data = realloc(bytes->data, bytes->room);
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

/* Gives little at a time, in pieces of every size. */
static inline int
give(void *data, size_t size, size_t *got_out, void *arg)
{
    struct bytes *bytes = arg;
    size_t got = bytes->size - bytes->at;

    if (bytes->fail_after != 0 && bytes->at >= bytes->fail_after)
        return 1;
    if (got > size)
        got = size;
    if (got > 1 + bytes->at % 4099)
        got = 1 + bytes->at % 4099;
    memcpy(data, bytes->data + bytes->at, got);
    bytes->at += got;
    *got_out = got;
    return 0;
}

static inline struct bytes
dump(kith_space *space, const char *name)
{
    struct bytes bytes = { .size = 0 };
    struct kith_dump_report report;

    EXPECT_OK(kith_dump(space, name, keep, &bytes, &report));
    EXPECT_EQ(bytes.size, report.bytes);
    return bytes;
}

static inline kith_err
load(kith_space *space, const struct bytes *bytes, const struct kith_load_options *options)
{
    struct bytes reading = *bytes;

    reading.at = 0;
    return kith_load(space, options, give, &reading, NULL);
}

/* Another space than the test's own. */
static inline kith_space *
other_space(struct test *t, const char *suffix)
{
    char address[600];

    if (t->engine->bit == TEST_MEM)
        return test_open(t, "mem://", NULL);
    snprintf(address, sizeof(address), "%s-%s", t->address, suffix);
    return test_open(t, address, NULL);
}

static inline int
count_one(const struct kith_info *info, void *arg)
{
    (void)info;
    ++*(unsigned *)arg;
    return 0;
}

static inline unsigned
count_objects(kith_space *space)
{
    unsigned count = 0;

    EXPECT_OK(kith_list(space, count_one, &count));
    return count;
}

#endif /* KITH_TEST_DUMP_BYTES_H */
