/*
 * test_memory.c - what a large heap takes from the system, and gives back.
 *
 * Whether there are huge pages is the system's to say, so what asks for them first looks whether
 * it gets one itself.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define MIB (UINT64_C(1) << 20)
#define HUGE (2 * MIB)
#define SIZE 20000 /* of an item */

/* Whether this process can make one page of 2 MiB of shared memory huge. */
static bool
has_huge_pages(void)
{
    int fd = memfd_create("huge", MFD_CLOEXEC);
    uint8_t *room = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;
    bool has;

    EXPECT_TRUE(fd >= 0 && ftruncate(fd, (off_t)HUGE) == 0 && room != MAP_FAILED);
    at = room + (-(uintptr_t)room & (HUGE - 1));
    EXPECT_TRUE(mmap(at, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    *at = 1;
    has = madvise(at, HUGE, MADV_COLLAPSE) == 0;
    munmap(room, 2 * HUGE);
    close(fd);
    return has;
}

/* Bytes of shared memory that this process sees as huge pages. */
static uint64_t
huge_bytes(void)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    unsigned long long kib, all = 0;
    char line[512];

    EXPECT_TRUE(smaps != NULL);
    while (fgets(line, sizeof(line), smaps) != NULL)
        if (sscanf(line, "ShmemPmdMapped: %llu kB", &kib) == 1)
            all += kib;
    fclose(smaps);
    return all * 1024;
}

static uint64_t
committed(struct test *t)
{
    struct kith_stat stat = KITH_STAT_INIT;

    EXPECT_OK(kith_stat(t->space, &stat));
    return stat.bytes_committed;
}

/* Sets items from `from` on until the dict has `bytes` of them. */
static int
fill(kith_dict *dict, int from, uint64_t bytes)
{
    char data[SIZE];
    int end = from + (int)(bytes / SIZE);

    for (int i = from; i < end; i++) {
        memset(data, i & 0xff, sizeof(data));
        EXPECT_OK(kith_dict_set(dict, KITH_INT(i), kith_bytes(data, sizeof(data))));
    }
    return end;
}

static void
expect_items(kith_dict *dict, int from, int end)
{
    char data[SIZE];

    for (int i = from; i < end; i++) {
        memset(data, i & 0xff, sizeof(data));
        EXPECT_HOLDS(dict, KITH_INT(i), kith_bytes(data, sizeof(data)));
    }
}

static void
reads_all(void *arg)
{
    struct test *t = arg;
    kith_dict *dict = test_dict(t, "d");
    uint64_t count;

    EXPECT_OK(kith_dict_len(dict, &count));
    expect_items(dict, 0, (int)count);
    EXPECT_GE(huge_bytes(), HUGE);
}

TEST_ON(TEST_SHM | TEST_MEM, heap_that_is_large_has_huge_pages_where_the_system_has_them)
{
    kith_dict *dict;

    if (!has_huge_pages())
        test_skip("this system makes no huge pages of shared memory");
    dict = test_dict(t, "d");
    fill(dict, 0, 64 * MIB);
    if (huge_bytes() < HUGE && !has_huge_pages())
        test_skip("this system has no huge pages left");
    EXPECT_GE(huge_bytes(), HUGE);
    CHILD_JOIN(test_child(reads_all, t));
    EXPECT_WHOLE(t->space);
}

TEST_ON(TEST_SHM | TEST_MEM, heap_that_is_small_takes_what_it_needs)
{
    kith_dict *dict = test_dict(t, "d");

    fill(dict, 0, 4 * MIB);
    EXPECT_EQ(0, huge_bytes());
    EXPECT_GE(6 * MIB, committed(t));
}

TEST_ON(TEST_SHM | TEST_MEM, heap_without_huge_pages_grows_as_well)
{
    kith_dict *dict = test_dict(t, "d");
    int end;

    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        test_skip("huge pages cannot be forbidden here");
    end = fill(dict, 0, 64 * MIB);
    EXPECT_EQ(0, huge_bytes());
    EXPECT_GE(80 * MIB, committed(t));
    expect_items(dict, 0, end);
}

TEST_ON(TEST_SHM | TEST_MEM, memory_of_huge_pages_is_given_back_and_taken_again)
{
    kith_dict *dict = test_dict(t, "d");
    int end = fill(dict, 0, 64 * MIB);

    /* Every second item goes, and then all: parts of huge pages first, whole ones after. */
    for (int i = 0; i < end; i += 2)
        EXPECT_OK(kith_dict_delete(dict, KITH_INT(i)));
    EXPECT_OK(kith_gc(t->space, NULL));
    for (int i = 1; i < end; i += 2)
        expect_items(dict, i, i + 1);
    EXPECT_OK(kith_dict_clear(dict));
    EXPECT_OK(kith_gc(t->space, NULL));
    EXPECT_GE(24 * MIB, committed(t));
    end = fill(dict, 0, 64 * MIB);
    expect_items(dict, 0, end);
    EXPECT_WHOLE(t->space);
}

TEST_ON(TEST_SHM, tmpfs_of_64_MiB_is_used_to_its_end)
{
    char data[SIZE] = { 0 };
    kith_dict *dict;
    kith_err err = KITH_OK;
    int held = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", getenv("KITH_DIR"), "tmpfs", 0, "size=64m,mode=0700") != 0)
        test_skip("a tmpfs cannot be mounted here");
    dict = test_dict(t, "d");
    while (err == KITH_OK && held < 10000) {
        err = kith_dict_set(dict, KITH_INT(held), kith_bytes(data, SIZE));
        held += err == KITH_OK;
    }
    EXPECT_EQ(KITH_ENOMEM, err);
    EXPECT_GE(held, 58 * (int)MIB / (int)(64 * 1024) * 3); /* three of them in 64 KiB */
    EXPECT_HOLDS(dict, KITH_INT(held - 1), kith_bytes(data, SIZE));
    EXPECT_WHOLE(t->space);
}
