/*
 * test_large.c - an array of tens of gigabytes, on a file system that has room for it.
 *
 * All of it is written once by the kernel, so it is for ./check --long.  Items are bytes: there are
 * then more of them than 32 bits can count, and each index that is cut to 32 bits somewhere hits an
 * item that is looked at here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "test.h"

#define GB UINT64_C(1000000000)
#define COUNT (20 * GB)
#define BEYOND ((UINT64_C(1) << 32) + 5) /* cut to 32 bits it is 5 */

struct large {
    struct test *t;
    char address[300];
};

/* Whether the file system of `folder` keeps what it has on a disk, and has room. */
static bool
has_room(const char *folder)
{
    struct statvfs system;

    EXPECT_EQ(0, statvfs(folder, &system));
    return system.f_bavail * system.f_frsize >= COUNT + 4 * GB;
}

static int64_t
at(kith_array *array, uint64_t index)
{
    int64_t n;

    EXPECT_OK(kith_array_get_int(array, index, &n));
    return n;
}

/* Another process sees the same, by the item, by the slice and in place. */
static void
looks(void *arg)
{
    struct large *large = arg;
    kith_space *space = test_open(large->t, large->address, NULL);
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    uint8_t slice[4];
    kith_array *array;
    kith_view *view;
    uint64_t count;

    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_array_open(space, "large", &options, &array));
    EXPECT_OK(kith_array_len(array, &count));
    EXPECT_EQ(COUNT, count);
    EXPECT_EQ(1, at(array, 0));
    EXPECT_EQ(0, at(array, 5));
    EXPECT_EQ(2, at(array, BEYOND));
    EXPECT_EQ(3, at(array, COUNT - 1));
    EXPECT_OK(kith_array_get_slice(array, BEYOND - 1, 1, 3, slice, 3));
    EXPECT_EQ(0, memcmp(slice, "\0\2\0", 3));
    /* Backwards from the last to the first, in steps of a third of the whole. */
    EXPECT_OK(kith_array_get_slice(array, COUNT - 1, -(int64_t)((COUNT - 1) / 3), 4, slice, 4));
    EXPECT_EQ(3, slice[0]);
    EXPECT_OK(kith_array_view(array, &view));
    EXPECT_EQ(COUNT, kith_view_size(view));
    EXPECT_EQ(2, ((const uint8_t *)kith_view_data(view))[BEYOND]);
    ((uint8_t *)kith_view_memory(view))[COUNT / 2] = 4;
    kith_view_release(view);
    kith_array_close(array);
}

TEST_FULL(TEST_SHM, 1200, array_of_twenty_gigabytes_is_used_like_a_small_one)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_stat stat = KITH_STAT_INIT;
    struct large large = { t, "" };
    kith_space *space;
    kith_array *array;
    uint64_t empty;

    if (!test_is_long())
        test_skip("it writes 20 GB: see --long");
    if (!has_room(t->folder))
        test_skip("the file system of temporary files has no room for 24 GB");
    (void)snprintf(large.address, sizeof(large.address), "file://%s/large", t->folder);
    space = test_open(t, large.address, NULL);
    EXPECT_OK(kith_stat(space, &stat));
    empty = stat.bytes_committed;

    options.type = 'B';
    options.count = COUNT;
    EXPECT_OK(kith_array_open(space, "large", &options, &array));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_GE(stat.bytes_committed, COUNT);
    EXPECT_EQ(0, at(array, COUNT - 1));
    EXPECT_OK(kith_array_set_int(array, 0, 1));
    EXPECT_OK(kith_array_set_slice(array, BEYOND, 1, 1, "\2", 1));
    EXPECT_OK(kith_array_add(array, COUNT - 1, 3, NULL));
    EXPECT_RC(KITH_EINVAL, kith_array_set_int(array, COUNT, 1));
    CHILD_JOIN(test_child(looks, &large));
    EXPECT_EQ(4, at(array, COUNT / 2));
    EXPECT_WHOLE(space);

    /* Destroyed, the disk has it back. */
    kith_array_close(array);
    EXPECT_OK(kith_destroy(space, "large"));
    EXPECT_OK(kith_gc(space, NULL));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_TRUE(stat.bytes_committed < empty + GB);
    EXPECT_WHOLE(space);
}
