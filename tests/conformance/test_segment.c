/*
 * test_segment.c - what kith/segment.h promises.
 */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static void
close_segment(void *handle)
{
    kith_segment_close(handle);
}

static kith_segment *
open_with(struct test *t, const char *name, uint64_t size)
{
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    kith_segment *segment = NULL;

    options.size = size;
    EXPECT_OK(kith_segment_open(test_space(t), name, &options, &segment));
    test_keep(t, segment, close_segment);
    return segment;
}

static kith_view *
view_of(kith_segment *segment)
{
    kith_view *view = NULL;

    EXPECT_OK(kith_segment_view(segment, &view));
    return view;
}

static uint64_t
used(struct test *t)
{
    struct kith_stat stat = KITH_STAT_INIT;

    EXPECT_OK(kith_gc(test_space(t), NULL));
    EXPECT_OK(kith_stat(test_space(t), &stat));
    return stat.bytes_used;
}

TEST(segment_is_zeroed_memory_that_all_see)
{
    kith_segment *segment = open_with(t, "s", 100000), *same = open_with(t, "s", 7);
    kith_view *view = view_of(segment), *other = view_of(same);
    uint8_t *bytes = kith_view_memory(view);
    uint64_t size;

    EXPECT_OK(kith_segment_size(same, &size));
    EXPECT_EQ(100000, size);
    EXPECT_EQ(100000, kith_view_size(view));
    EXPECT_EQ(0, (uintptr_t)bytes % 64);
    EXPECT_TRUE(!kith_view_readonly(view));
    for (size_t i = 0; i < 100000; i++)
        EXPECT_EQ(0, bytes[i]);
    bytes[99999] = 9;
    EXPECT_EQ(9, ((const uint8_t *)kith_view_data(other))[99999]);
    kith_view_release(view);
    kith_view_release(other);
}

/* In place, by moving, and back; what comes to it is zero, whatever was there. */
TEST(segment_resized_keeps_its_bytes_and_gets_zeros)
{
    static const uint64_t sizes[] = { 1, 5000, 65536, 65537, 10, 1 << 20, 1, 3 << 20, 65536 };
    kith_segment *segment = open_with(t, "s", 1);
    uint64_t before = 1, size;

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        kith_view *view;
        uint8_t *bytes;

        EXPECT_OK(kith_segment_resize(segment, sizes[i]));
        EXPECT_OK(kith_segment_size(segment, &size));
        EXPECT_EQ(sizes[i], size);
        view = view_of(segment);
        bytes = kith_view_memory(view);
        EXPECT_EQ(size, kith_view_size(view));
        for (uint64_t k = 0; k < size; k++)
            EXPECT_EQ(k < before && i > 0 ? 7 : 0, bytes[k]);
        memset(bytes, 7, size);
        kith_view_release(view);
        before = size;
    }
}

TEST(segment_views_of_before_keep_what_they_have)
{
    kith_segment *segment = open_with(t, "s", 60000);
    kith_view *old = view_of(segment), *fresh;
    uint8_t *bytes = kith_view_memory(old);

    bytes[0] = 1;
    EXPECT_OK(kith_segment_resize(segment, 65536)); /* in place */
    bytes[1] = 2;
    fresh = view_of(segment);
    EXPECT_EQ(2, ((const uint8_t *)kith_view_data(fresh))[1]);
    kith_view_release(fresh);
    EXPECT_OK(kith_segment_resize(segment, 1 << 20)); /* elsewhere */
    bytes[2] = 3;
    fresh = view_of(segment);
    EXPECT_EQ(2, ((const uint8_t *)kith_view_data(fresh))[1]);
    EXPECT_EQ(0, ((const uint8_t *)kith_view_data(fresh))[2]);
    EXPECT_OK(kith_segment_unlink(segment));
    EXPECT_EQ(3, bytes[2]);
    kith_view_release(old);
    EXPECT_EQ(1, ((const uint8_t *)kith_view_data(fresh))[0]);
    kith_view_release(fresh);
}

TEST(segment_unlinked_is_gone_and_another_of_its_name_is_not_it)
{
    kith_segment *old = open_with(t, "s", 100), *fresh;
    kith_view *view = NULL;
    uint64_t size;

    EXPECT_OK(kith_segment_unlink(old));
    EXPECT_FAILS(KITH_EGONE, "s", kith_segment_unlink(old));
    fresh = open_with(t, "s", 200);
    EXPECT_RC(KITH_EGONE, kith_segment_unlink(old));
    EXPECT_RC(KITH_EGONE, kith_segment_size(old, &size));
    EXPECT_RC(KITH_EGONE, kith_segment_view(old, &view));
    EXPECT_RC(KITH_EGONE, kith_segment_resize(old, 5));
    EXPECT_OK(kith_segment_size(fresh, &size));
    EXPECT_EQ(200, size);
}

TEST(segment_refuses_bad_input)
{
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    kith_segment *segment = NULL;

    EXPECT_FAILS(KITH_EINVAL, "no bytes", kith_segment_open(test_space(t), "s", NULL, &segment));
    options.size = UINT64_C(1) << 60;
    EXPECT_RC(KITH_ETOOBIG, kith_segment_open(test_space(t), "s", &options, &segment));
    options.size = 10;
    options.create = KITH_MUST_EXIST;
    EXPECT_FAILS(KITH_ENOENT, "segment", kith_segment_open(test_space(t), "s", &options, &segment));
    segment = open_with(t, "s", 10);
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_segment_open(test_space(t), "s", &options, &segment));
    EXPECT_FAILS(KITH_EINVAL, "0", kith_segment_resize(segment, 0));
    EXPECT_RC(KITH_ETOOBIG, kith_segment_resize(segment, UINT64_C(1) << 60));
    EXPECT_RC(KITH_EINVAL, kith_segment_view(segment, NULL));
    EXPECT_RC(KITH_EINVAL, kith_segment_unlink(NULL));
    (void)test_dict(t, "d");
    EXPECT_FAILS(KITH_ETYPE, "dict", kith_segment_open(test_space(t), "d", NULL, &segment));
}

struct party {
    kith_segment *segment;
    sem_t *ready, *go;
};

static void
child_views_and_waits(void *arg)
{
    struct party *p = arg;

    (void)view_of(p->segment);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
}

TEST(segment_viewed_by_the_killed_is_given_back)
{
    uint64_t before = used(t), size = 8 << 20;
    struct party p;
    pid_t pid;

    p.ready = test_gate();
    p.go = test_gate();
    p.segment = open_with(t, "s", size);
    pid = test_child(child_views_and_waits, &p);
    GATE_WAIT(p.ready);
    EXPECT_OK(kith_segment_unlink(p.segment));
    EXPECT_GE(used(t), before + size);
    test_child_kill(pid);
    EXPECT_GE(before + size / 2, used(t));
}

TEST_ON(TEST_NAMED, segment_in_a_readonly_space_is_copied)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_view *view = view_of(open_with(t, "s", 1000));
    kith_segment *segment;
    kith_space *space;

    memset(kith_view_memory(view), 5, 1000);
    kith_view_release(view);
    options.readonly = true;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_segment_open(space, "s", NULL, &segment));
    view = view_of(segment);
    EXPECT_TRUE(kith_view_readonly(view));
    EXPECT_EQ(1000, kith_view_size(view));
    EXPECT_EQ(5, ((const uint8_t *)kith_view_data(view))[999]);
    kith_view_release(view);
    EXPECT_RC(KITH_EPERM, kith_segment_resize(segment, 5));
    EXPECT_RC(KITH_EPERM, kith_segment_unlink(segment));
    kith_segment_close(segment);
}
