/*
 * test_array.c - what kith/array.h promises.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static kith_array *
open_with(struct test *t, const char *name, char type, size_t size, uint64_t count)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;

    options.type = type;
    options.size = size;
    options.count = count;
    return test_array(t, name, &options);
}

static kith_view *
view_of(kith_array *array)
{
    kith_view *view = NULL;

    EXPECT_OK(kith_array_view(array, &view));
    return view;
}

/* Bytes that the space has in use, with what the dead held given back. */
static uint64_t
used(struct test *t)
{
    struct kith_stat stat = KITH_STAT_INIT;

    EXPECT_OK(kith_gc(test_space(t), NULL));
    EXPECT_OK(kith_stat(test_space(t), &stat));
    return stat.bytes_used;
}

TEST(array_of_each_type_begins_zeroed_and_keeps_its_items_apart)
{
    static const char codes[] = "bBhHiIlLqQ";

    for (size_t i = 0; codes[i] != 0; i++) {
        char name[4] = { codes[i] };
        kith_array *array = open_with(t, name, codes[i], 0, 100);
        struct kith_array_info info = KITH_ARRAY_INFO_INIT;
        uint64_t count;
        int64_t n;

        EXPECT_OK(kith_array_info(array, &info));
        EXPECT_EQ(codes[i], info.type);
        EXPECT_EQ(100, info.count);
        EXPECT_OK(kith_array_len(array, &count));
        EXPECT_EQ(100, count);
        for (uint64_t k = 0; k < 100; k++) {
            EXPECT_OK(kith_array_get_int(array, k, &n));
            EXPECT_EQ(0, n);
            EXPECT_OK(kith_array_set_int(array, k, (int64_t)k));
        }
        EXPECT_OK(kith_array_add(array, 50, 7, &n));
        EXPECT_EQ(57, n);
        for (uint64_t k = 0; k < 100; k++) {
            EXPECT_OK(kith_array_get_int(array, k, &n));
            EXPECT_EQ(k == 50 ? 57 : k, n);
        }
        if (info.size < 8) {
            EXPECT_FAILS(KITH_ERANGE, "range", kith_array_set_int(array, 3, INT64_MAX));
            EXPECT_FAILS(KITH_ERANGE, name, kith_array_add(array, 3, INT64_MAX, &n));
            EXPECT_OK(kith_array_get_int(array, 3, &n));
            EXPECT_EQ(3, n);
        }
    }
}

TEST(array_of_floats_bools_and_characters)
{
    kith_array *f = open_with(t, "f", 'f', 0, 3), *d = open_with(t, "d", 'd', 0, 3);
    kith_array *flag = open_with(t, "?", '?', 0, 3), *u = open_with(t, "u", 'u', 0, 3);
    uint32_t old = 0, fresh = 0x20ac;
    uint8_t byte = 200;
    double n;

    EXPECT_OK(kith_array_set_float(f, 1, 0.1));
    EXPECT_OK(kith_array_get_float(f, 1, &n));
    EXPECT_TRUE(n == (double)0.1f);
    EXPECT_OK(kith_array_add_float(d, 2, 0.5, &n));
    EXPECT_OK(kith_array_add_float(d, 2, 0.25, &n));
    EXPECT_TRUE(n == 0.75);
    EXPECT_FAILS(KITH_ETYPE, "floats", kith_array_add(d, 2, 1, NULL));
    EXPECT_FAILS(KITH_ETYPE, "bools", kith_array_add(flag, 2, 1, NULL));
    EXPECT_FAILS(KITH_ETYPE, "characters", kith_array_add_float(u, 2, 1, NULL));
    EXPECT_OK(kith_array_set(flag, 0, &byte, 1));
    EXPECT_OK(kith_array_get(flag, 0, &byte, 1));
    EXPECT_EQ(1, byte);
    EXPECT_OK(kith_array_cas(u, 1, &old, &fresh, 4));
    EXPECT_FAILS(KITH_ECONFLICT, "u", kith_array_cas(u, 1, &old, &fresh, 4));
    EXPECT_OK(kith_array_get(u, 1, &old, 4));
    EXPECT_EQ(0x20ac, old);
}

TEST(array_slices_go_any_way)
{
    kith_array *array = open_with(t, "a", 'h', 0, 10);
    int16_t in[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, out[10];

    EXPECT_OK(kith_array_set_slice(array, 0, 1, 10, in, sizeof(in)));
    EXPECT_OK(kith_array_get_slice(array, 9, -3, 4, out, 8));
    EXPECT_TRUE(out[0] == 9 && out[1] == 6 && out[2] == 3 && out[3] == 0);
    EXPECT_OK(kith_array_set_slice(array, 8, -4, 3, (int16_t[]){ 80, 40, 100 }, 6));
    EXPECT_OK(kith_array_get_slice(array, 0, 2, 5, out, 10));
    EXPECT_TRUE(out[0] == 100 && out[1] == 2 && out[2] == 40 && out[3] == 6 && out[4] == 80);
    EXPECT_OK(kith_array_get_slice(array, 10, 1, 0, out, 0));
    EXPECT_OK(kith_array_get_slice(array, 9, INT64_MAX, 1, out, 2));
    EXPECT_OK(kith_array_get_slice(array, 9, INT64_MIN, 1, out, 2));
}

TEST(array_refuses_what_lies_outside)
{
    kith_array *array = open_with(t, "a", 'q', 0, 10), *empty = open_with(t, "e", 'q', 0, 0);
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    kith_array *other = NULL;
    kith_view *view = NULL;
    int64_t n[10] = { 7 };

    EXPECT_FAILS(KITH_EINVAL, "index 10", kith_array_get_int(array, 10, n));
    EXPECT_FAILS(KITH_EINVAL, "10 items", kith_array_set_int(array, UINT64_MAX, 1));
    EXPECT_RC(KITH_EINVAL, kith_array_add(array, 10, 1, n));
    EXPECT_RC(KITH_EINVAL, kith_array_cas(array, 10, n, n, 8));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_array_get(array, 0, n, 4));
    EXPECT_RC(KITH_EINVAL, kith_array_get(array, 0, NULL, 8));
    EXPECT_FAILS(KITH_EINVAL, "0", kith_array_get_slice(array, 0, 0, 1, n, 8));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 0, 1, 11, n, 88));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 9, 1, 2, n, 16));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 0, -1, 2, n, 16));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 11, 1, 0, n, 0));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 1, INT64_MAX, 3, n, 24));
    EXPECT_RC(KITH_EINVAL, kith_array_get_slice(array, 1, 2, UINT64_MAX, n, 24));
    EXPECT_FAILS(KITH_EINVAL, "16 bytes", kith_array_set_slice(array, 0, 1, 2, n, 15));
    EXPECT_RC(KITH_EINVAL, kith_array_publish(array, n, 79));
    EXPECT_RC(KITH_EINVAL, kith_array_get_int(empty, 0, n));
    EXPECT_OK(kith_array_get_slice(empty, 0, 1, 0, NULL, 0));
    EXPECT_OK(kith_array_publish(empty, NULL, 0));
    EXPECT_EQ(7, n[0]);

    options.type = 'x';
    EXPECT_FAILS(KITH_EINVAL, "'x'", kith_array_open(test_space(t), "b", &options, &other));
    options.type = 'i';
    options.size = 8;
    EXPECT_RC(KITH_EINVAL, kith_array_open(test_space(t), "b", &options, &other));
    options.size = 4;
    options.count = UINT64_MAX;
    EXPECT_RC(KITH_ETOOBIG, kith_array_open(test_space(t), "b", &options, &other));
    options.count = UINT64_C(1) << 40;
    EXPECT_RC(KITH_ETOOBIG, kith_array_open(test_space(t), "b", &options, &other));
    options.type = 0;
    options.size = 24577;
    EXPECT_RC(KITH_ETOOBIG, kith_array_open(test_space(t), "b", &options, &other));
    options = (struct kith_array_options)KITH_ARRAY_OPTIONS_INIT;
    options.create = KITH_MUST_EXIST;
    EXPECT_FAILS(KITH_ENOENT, "array", kith_array_open(test_space(t), "b", &options, &other));
    options.create = KITH_MUST_CREATE;
    EXPECT_FAILS(KITH_EEXIST, "a", kith_array_open(test_space(t), "a", &options, &other));
    (void)test_dict(t, "d");
    EXPECT_FAILS(KITH_ETYPE, "dict", kith_array_open(test_space(t), "d", NULL, &other));
    EXPECT_OK(kith_destroy(test_space(t), "a"));
    EXPECT_FAILS(KITH_EGONE, "a", kith_array_get_int(array, 0, n));
    EXPECT_RC(KITH_EGONE, kith_array_set_int(array, 0, 1));
    EXPECT_RC(KITH_EGONE, kith_array_view(array, &view));
    EXPECT_RC(KITH_EGONE, kith_array_publish(array, n, 80));
    EXPECT_RC(KITH_EGONE, kith_array_lock(array, 0));
}

TEST(array_larger_than_memory_is_refused_and_takes_none)
{
    struct kith_options big = KITH_OPTIONS_INIT;
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    kith_array *array = NULL;
    kith_space *space;
    struct kith_stat stat = KITH_STAT_INIT;

    big.size = UINT64_C(1) << 44;
    if (kith_open("mem://", &big, &space) < 0)
        test_skip("no address space for an arena of 16 TiB");
    options.count = UINT64_C(1) << 40; /* 8 TiB */
    EXPECT_RC(KITH_ENOMEM, kith_array_open(space, "huge", &options, &array));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_GE(UINT64_C(1) << 28, stat.bytes_committed);
    EXPECT_EQ(0, stat.objects);
    EXPECT_WHOLE(space);
    kith_close(space);
}

/* ---- structures ---- */

TEST(array_of_structures_is_their_bytes)
{
    static const size_t sizes[] = { 1, 3, 8, 12, 40, 1000 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        size_t size = sizes[i];
        char name[8] = { 's', (char)('0' + i) };
        kith_array *array = open_with(t, name, 0, size, 9);
        uint8_t *model = calloc(9, size), *one = test_bytes(size, i), *seen = malloc(9 * size);

        for (uint64_t k = 0; k < 9; k += 2) {
            EXPECT_OK(kith_array_set(array, k, one, size));
            memcpy(model + k * size, one, size);
        }
        EXPECT_OK(kith_array_cas(array, 1, model + size, one, size));
        memcpy(model + size, one, size);
        EXPECT_RC(KITH_ECONFLICT, kith_array_cas(array, 3, one, one, size));
        EXPECT_OK(kith_array_get_slice(array, 0, 1, 9, seen, 9 * size));
        EXPECT_TRUE(memcmp(model, seen, 9 * size) == 0);
        EXPECT_OK(kith_array_set_slice(array, 8, -1, 9, model, 9 * size));
        EXPECT_OK(kith_array_get(array, 8, seen, size));
        EXPECT_TRUE(memcmp(model, seen, size) == 0);
        free(model);
        free(one);
        free(seen);
    }
}

struct party {
    kith_array *array;
    kith_space *space;
    kith_view *view;
    sem_t *ready, *go;
    size_t size;
    _Atomic bool stop;
    _Atomic uint64_t done;
};

static struct party *
party_new(struct test *t, kith_array *array)
{
    struct party *p = test_shared(sizeof(*p));

    p->array = array;
    p->space = test_space(t);
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static void
child_writes_even_structures(void *arg)
{
    struct party *p = arg;
    uint8_t bytes[44];

    for (unsigned i = 0; !atomic_load(&p->stop); i++)
        EXPECT_OK(kith_array_set(p->array, i % 3, memset(bytes, (int)(i & 0xff), 44), 44));
}

TEST(array_structures_are_never_seen_torn)
{
    struct party *p = party_new(t, open_with(t, "s", 0, 44, 3));
    pid_t pids[2];
    uint8_t bytes[3 * 44];

    for (int i = 0; i < 2; i++)
        pids[i] = test_child(child_writes_even_structures, p);
    for (int i = 0; i < 10000; i++) {
        EXPECT_OK(kith_array_get_slice(p->array, 0, 1, 3, bytes, sizeof(bytes)));
        for (size_t k = 0; k < sizeof(bytes); k++)
            EXPECT_EQ(bytes[k / 44 * 44], bytes[k]);
    }
    for (int i = 0; i < 2; i++)
        test_child_kill(pids[i]);
    EXPECT_OK(kith_array_get_slice(p->array, 0, 1, 3, bytes, sizeof(bytes)));
    for (size_t k = 0; k < sizeof(bytes); k++)
        EXPECT_EQ(bytes[k / 44 * 44], bytes[k]);
}

#define ADDS 20000

static void
child_adds(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < ADDS; i++)
        EXPECT_OK(kith_array_add(p->array, (uint64_t)i % 4, 1, NULL));
}

TEST(array_loses_no_add_of_four_processes)
{
    static const char codes[] = "Hiq";

    for (size_t c = 0; codes[c] != 0; c++) {
        char name[4] = { codes[c] };
        struct party *p = party_new(t, open_with(t, name, codes[c], 0, 4));
        pid_t pids[4];
        int64_t n;

        for (int i = 0; i < 4; i++)
            pids[i] = test_child(child_adds, p);
        for (int i = 0; i < 4; i++)
            CHILD_JOIN(pids[i]);
        for (uint64_t i = 0; i < 4; i++) {
            EXPECT_OK(kith_array_get_int(p->array, i, &n));
            EXPECT_EQ(ADDS, n);
        }
    }
}

/* ---- views ---- */

TEST(array_view_is_the_array_itself)
{
    kith_array *array = open_with(t, "a", 'i', 0, 1000);
    kith_view *view = view_of(array);
    int32_t *items = kith_view_memory(view);
    int64_t n;

    EXPECT_TRUE(!kith_view_readonly(view));
    EXPECT_EQ(4000, kith_view_size(view));
    EXPECT_EQ(0, (uintptr_t)items % 64);
    EXPECT_TRUE(kith_view_data(view) == items);
    items[17] = 42;
    EXPECT_OK(kith_array_get_int(array, 17, &n));
    EXPECT_EQ(42, n);
    EXPECT_OK(kith_array_add(array, 17, 1, NULL));
    EXPECT_EQ(43, items[17]);
    kith_view_release(view);
    EXPECT_TRUE(kith_view_memory(NULL) == NULL);
}

TEST(array_view_survives_what_is_published_and_destruction)
{
    size_t size = 4 << 20;
    kith_array *array = open_with(t, "a", 'B', 0, size);
    uint8_t *data = malloc(size);
    uint64_t before = used(t);
    kith_view *views[4];

    for (int i = 0; i < 4; i++) {
        EXPECT_OK(kith_array_publish(array, memset(data, 'a' + i, size), size));
        views[i] = view_of(array);
    }
    EXPECT_OK(kith_destroy(test_space(t), "a"));
    for (int i = 0; i < 4; i++) {
        uint8_t *items = kith_view_memory(views[i]);

        /* Others want the memory. */
        EXPECT_OK(kith_dict_set(test_dict(t, "d"), KITH_INT(i), kith_bytes(data, size)));
        for (size_t k = 0; k < size; k += 4097)
            EXPECT_EQ('a' + i, items[k]);
        items[0] = 0; /* and it may still be written */
    }
    for (int i = 0; i < 4; i++)
        kith_view_release(views[i]);
    EXPECT_OK(kith_destroy(test_space(t), "d"));
    EXPECT_GE(before, used(t));
    free(data);
}

static void
child_views_and_waits(void *arg)
{
    struct party *p = arg;

    p->view = view_of(p->array);
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
}

TEST(array_view_of_a_killed_process_is_unpinned_and_its_memory_comes_back)
{
    size_t size = 8 << 20;
    uint64_t before = used(t);

    for (int round = 0; round < 5; round++) {
        struct party *p = party_new(t, open_with(t, "a", 'B', 0, size));
        pid_t pid = test_child(child_views_and_waits, p);

        GATE_WAIT(p->ready);
        EXPECT_OK(kith_destroy(test_space(t), "a"));
        EXPECT_GE(used(t), before + size); /* held by the view */
        test_child_kill(pid);
        EXPECT_GE(before + size / 2, used(t));
    }
}

TEST(array_views_are_as_many_as_pins)
{
    kith_array *array = open_with(t, "a", 'q', 0, 4);
    kith_view *views[200], *one = NULL;
    int count = 0;

    while (count < 200 && kith_array_view(array, &views[count]) == KITH_OK)
        count++;
    EXPECT_EQ(104, count);
    EXPECT_FAILS(KITH_EFULL, "release some", kith_array_view(array, &one));
    EXPECT_TRUE(one == NULL);
    EXPECT_FAILS(KITH_EFULL, "views",
                 kith_array_publish(array, "12345678123456781234567812345678", 32));
    while (count > 0)
        kith_view_release(views[--count]);
    EXPECT_OK(kith_array_publish(array, "12345678123456781234567812345678", 32));
}

/* ---- publishing ---- */

TEST(array_staged_version_is_published_without_a_copy)
{
    kith_array *array = open_with(t, "a", 'q', 0, 100), *other = open_with(t, "b", 'q', 0, 100);
    kith_view *staged = NULL, *old = view_of(array), *plain = view_of(array);
    int64_t *items, n;

    EXPECT_OK(kith_array_stage(array, &staged));
    items = kith_view_memory(staged);
    for (int64_t i = 0; i < 100; i++)
        items[i] = i;
    EXPECT_OK(kith_array_get_int(array, 5, &n));
    EXPECT_EQ(0, n);
    EXPECT_FAILS(KITH_EINVAL, "another", kith_array_publish_staged(other, staged));
    EXPECT_FAILS(KITH_EINVAL, "not staged", kith_array_publish_staged(array, plain));
    EXPECT_OK(kith_array_publish_staged(array, staged));
    EXPECT_FAILS(KITH_EINVAL, "already", kith_array_publish_staged(array, staged));
    EXPECT_OK(kith_array_get_int(array, 5, &n));
    EXPECT_EQ(5, n);
    EXPECT_EQ(0, ((const int64_t *)kith_view_data(old))[5]);
    items[5] = 55; /* a view of what is there now */
    EXPECT_OK(kith_array_get_int(array, 5, &n));
    EXPECT_EQ(55, n);
    kith_view_release(staged);
    kith_view_release(old);
    kith_view_release(plain);
    EXPECT_OK(kith_array_get_int(array, 6, &n));
    EXPECT_EQ(6, n);
    EXPECT_OK(kith_array_stage(array, &staged)); /* one that is never published */
    kith_view_release(staged);
}

static void
child_publishes(void *arg)
{
    struct party *p = arg;
    uint64_t *items = malloc(p->size);

    for (uint64_t i = 1; !atomic_load(&p->stop); i++) {
        for (size_t k = 0; k < p->size / 8; k++)
            items[k] = i;
        EXPECT_OK(kith_array_publish(p->array, items, p->size));
        atomic_store(&p->done, i);
    }
}

TEST(array_published_is_seen_as_a_whole_and_its_publisher_may_be_killed_anywhere)
{
    struct party *p = party_new(t, open_with(t, "a", 'Q', 0, 10000));
    uint64_t *items = malloc(80000), before;

    p->size = 80000;
    before = used(t);
    for (int round = 0; round < 20; round++) {
        pid_t pid = test_child(child_publishes, p);

        atomic_store(&p->done, 0);
        UNTIL(atomic_load(&p->done) > 3);
        for (int i = 0; i < 20; i++) {
            EXPECT_OK(kith_array_get_slice(p->array, 0, 1, 10000, items, 80000));
            for (size_t k = 1; k < 10000; k++)
                EXPECT_EQ(items[0], items[k]);
        }
        test_child_kill(pid);
        EXPECT_OK(kith_array_get_slice(p->array, 0, 1, 10000, items, 80000));
        for (size_t k = 1; k < 10000; k++)
            EXPECT_EQ(items[0], items[k]);
        EXPECT_GE(before + (1 << 20), used(t));
    }
    free(items);
}

/* What is added after publish() returned is never lost: each round publishes zeros, and adds. */
TEST(array_adds_after_a_publish_are_in_the_new_version)
{
    kith_array *array = open_with(t, "a", 'q', 0, 4);
    struct party *p = party_new(t, array);
    int64_t zeros[4] = { 0 }, n;
    pid_t pid = test_child(child_adds, p);

    for (int round = 0; round < 200; round++) {
        EXPECT_OK(kith_array_publish(array, zeros, sizeof(zeros)));
        EXPECT_OK(kith_array_add(array, 3, 1000000, NULL));
        EXPECT_OK(kith_array_get_int(array, 3, &n));
        EXPECT_GE(n, 1000000);
    }
    CHILD_JOIN(pid);
}

/* ---- the lock ---- */

static void
child_locks_and_dies(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_array_lock(p->array, KITH_FOREVER));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    kill(getpid(), SIGKILL);
}

static void
child_gets_the_lock_of_the_dead(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_OWNER_DIED, kith_array_lock(p->array, KITH_FOREVER));
    EXPECT_OK(kith_array_unlock(p->array));
}

TEST(array_lock_tells_of_its_owner_and_of_its_death)
{
    struct party *p = party_new(t, open_with(t, "a", 'q', 0, 4));
    struct kith_owner owner;
    pid_t holder, waiter;

    EXPECT_OK(kith_array_owner(p->array, &owner));
    EXPECT_TRUE(!owner.held);
    EXPECT_OK(kith_array_lock(p->array, 0));
    EXPECT_FAILS(KITH_EDEADLOCK, "a", kith_array_lock(p->array, 0));
    EXPECT_OK(kith_array_set_int(p->array, 0, 1)); /* nobody asks for it */
    EXPECT_OK(kith_array_unlock(p->array));
    EXPECT_FAILS(KITH_EPERM, "not locked", kith_array_unlock(p->array));
    holder = test_child(child_locks_and_dies, p);
    GATE_WAIT(p->ready);
    EXPECT_OK(kith_array_owner(p->array, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(holder, owner.pid);
    EXPECT_FAILS(KITH_ETIMEDOUT, "locked by another", kith_array_lock(p->array, 0));
    waiter = test_child(child_gets_the_lock_of_the_dead, p);
    UNTIL_ASLEEP(waiter, 0);
    test_gate_open(p->go);
    (void)CHILD_END(holder);
    CHILD_JOIN(waiter);
}

TEST_ON(TEST_NAMED, array_in_a_readonly_space_is_read_and_not_changed)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_array *array = open_with(t, "a", 'i', 0, 4), *same;
    kith_view *view;
    kith_space *space;
    int64_t n;

    EXPECT_OK(kith_array_set_int(array, 2, -3));
    options.readonly = true;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_array_open(space, "a", NULL, &same));
    EXPECT_OK(kith_array_get_int(same, 2, &n));
    EXPECT_EQ(-3, n);
    EXPECT_OK(kith_array_view(same, &view));
    EXPECT_TRUE(kith_view_readonly(view));
    EXPECT_TRUE(kith_view_memory(view) == NULL);
    EXPECT_EQ(-3, ((const int32_t *)kith_view_data(view))[2]);
    kith_view_release(view);
    EXPECT_RC(KITH_EPERM, kith_array_add(same, 2, 1, &n));
    EXPECT_RC(KITH_EPERM, kith_array_publish(same, "0123456789012345", 16));
    EXPECT_RC(KITH_EPERM, kith_array_stage(same, &view));
    kith_array_close(same);
}

/* ---- as large as the machine has ---- */

/* Bytes that may be had without harm to others; 0: it cannot be told. */
static uint64_t
memory_left(void)
{
    unsigned long long kib = 0;
    char line[200];
    FILE *file = fopen("/proc/meminfo", "re");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return (uint64_t)kib << 10;
}

static void
child_reads_the_ends(void *arg)
{
    struct party *p = arg;
    uint64_t count = 0;
    int64_t n = 0;

    EXPECT_OK(kith_array_len(p->array, &count));
    EXPECT_OK(kith_array_get_int(p->array, count - 1, &n));
    EXPECT_EQ(-2, n);
    EXPECT_OK(kith_array_add(p->array, 0, 1, &n));
    EXPECT_EQ(6, n);
}

/*
 * Places lie beyond 2^32 bytes: all that is counted in 32 bits on its way would wrap around.  The
 * memory of an array is taken when it is made, and once more for a new version.
 */
TEST_FULL(TEST_SHM, 900, array_of_more_than_4_gib_is_used_at_both_ends)
{
    uint64_t bytes = (UINT64_C(4) << 30) + (UINT64_C(256) << 10), count = bytes / 8;
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    int64_t back[4], items[4] = { 1, 2, 3, 4 }, n = 0;
    kith_view *view, *old;
    kith_array *array;
    struct party *p;
    int64_t *all;

    if (!test_is_long())
        test_skip("it takes 8 GiB and a minute: --long");
    if (memory_left() < 5 * bytes / 2)
        test_skip("this machine has less than 10 GiB left");
    array = open_with(t, "large", 'q', 0, count);
    p = party_new(t, array);
    EXPECT_OK(kith_array_get_int(array, count - 1, &n));
    EXPECT_EQ(0, n);
    EXPECT_OK(kith_array_set_int(array, count - 1, -2));
    EXPECT_OK(kith_array_set_int(array, 0, 5));
    EXPECT_OK(kith_array_get_int(array, (UINT64_C(1) << 29) - 1, &n)); /* where 32 bits end */
    EXPECT_EQ(0, n);
    EXPECT_RC(KITH_EINVAL, kith_array_get_int(array, count, &n));
    CHILD_JOIN(test_child(child_reads_the_ends, p));

    /* Slices over that boundary, forwards, backwards and from end to end. */
    EXPECT_OK(kith_array_set_slice(array, (UINT64_C(1) << 29) - 2, 1, 4, items, sizeof items));
    EXPECT_OK(kith_array_get_slice(array, (UINT64_C(1) << 29) + 1, -1, 4, back, sizeof back));
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(4 - i, back[i]);
    EXPECT_OK(kith_array_get_slice(array, 0, (int64_t)count - 1, 2, back, 2 * sizeof back[0]));
    EXPECT_EQ(6, back[0]);
    EXPECT_EQ(-2, back[1]);

    old = view_of(array);
    EXPECT_EQ(bytes, kith_view_size(old));
    all = kith_view_memory(old);
    EXPECT_EQ(-2, all[count - 1]);
    EXPECT_EQ(3, all[UINT64_C(1) << 29]);
    all[count - 2] = 77;
    EXPECT_OK(kith_array_get_int(array, count - 2, &n));
    EXPECT_EQ(77, n);

    EXPECT_OK(kith_array_stage(array, &view));
    all = kith_view_memory(view);
    all[0] = 10;
    all[count - 1] = 20;
    EXPECT_OK(kith_array_publish_staged(array, view));
    kith_view_release(view);
    EXPECT_OK(kith_array_get_int(array, count - 1, &n));
    EXPECT_EQ(20, n);
    EXPECT_EQ(-2, ((const int64_t *)kith_view_data(old))[count - 1]);
    kith_view_release(old);

    /* What the machine does not have is refused before any of it is taken. */
    options.type = 'q';
    options.count = (UINT64_C(40) << 30) / 8;
    if (memory_left() < UINT64_C(40) << 30)
        EXPECT_FAILS(KITH_ENOMEM, "memory left",
                     kith_array_open(test_space(t), "larger", &options, &array));
}
