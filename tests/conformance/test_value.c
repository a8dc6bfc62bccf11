/*
 * test_value.c - what kith/value.h promises.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static kith_value *
open_with(struct test *t, const char *name, char type, size_t size, bool transactional)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;

    options.type = type;
    options.size = size;
    options.transactional = transactional;
    return test_value(t, name, &options);
}

static const struct {
    char type;
    size_t size;
    int64_t least, most; /* of L and Q as bits */
} ints[] = {
    { 'b', 1, INT8_MIN, INT8_MAX },   { 'B', 1, 0, UINT8_MAX },
    { 'h', 2, INT16_MIN, INT16_MAX }, { 'H', 2, 0, UINT16_MAX },
    { 'i', 4, INT32_MIN, INT32_MAX }, { 'I', 4, 0, UINT32_MAX },
    { 'l', 8, INT64_MIN, INT64_MAX }, { 'L', 8, 0, -1 },
    { 'q', 8, INT64_MIN, INT64_MAX }, { 'Q', 8, 0, -1 },
};

TEST(value_of_each_int_type_keeps_to_its_range)
{
    for (int transactional = 0; transactional < 2; transactional++) {
        for (size_t i = 0; i < COUNTOF(ints); i++) {
            char name[8] = { ints[i].type, (char)('0' + transactional) };
            kith_value *value = open_with(t, name, ints[i].type, 0, transactional != 0);
            int64_t n = 5, least = ints[i].least, most = ints[i].most;

            EXPECT_OK(kith_value_get_int(value, &n));
            EXPECT_EQ(0, n);
            EXPECT_OK(kith_value_set_int(value, most));
            EXPECT_FAILS(KITH_ERANGE, name, kith_value_add(value, 1, &n));
            if (ints[i].size < 8)
                EXPECT_FAILS(KITH_ERANGE, "range", kith_value_or(value, most + 1, &n));
            EXPECT_EQ(0, n);
            EXPECT_OK(kith_value_get_int(value, &n));
            EXPECT_EQ(most, n);
            EXPECT_OK(kith_value_sub(value, 1, &n));
            EXPECT_EQ(most - 1, n);
            EXPECT_OK(kith_value_add(value, 1, &n));
            EXPECT_EQ(most, n);
            EXPECT_OK(kith_value_set_int(value, least));
            EXPECT_FAILS(KITH_ERANGE, "range", kith_value_sub(value, 1, &n));
            EXPECT_FAILS(KITH_ERANGE, "range", kith_value_add(value, -1, &n));
            EXPECT_OK(kith_value_get_int(value, &n));
            EXPECT_EQ(least, n);
            if (ints[i].size < 8) {
                EXPECT_FAILS(KITH_ERANGE, "range", kith_value_set_int(value, most + 1));
                EXPECT_FAILS(KITH_ERANGE, "range", kith_value_set_int(value, least - 1));
                EXPECT_FAILS(KITH_ERANGE, "range", kith_value_max(value, most + 1, &n));
                EXPECT_RC(KITH_ECONFLICT, kith_value_cas_int(value, most + 1, 0));
                EXPECT_RC(KITH_ERANGE, kith_value_cas_int(value, least, most + 1));
                EXPECT_OK(kith_value_get_int(value, &n));
                EXPECT_EQ(least, n);
            }
        }
    }
}

TEST(value_operations_compute)
{
    for (int transactional = 0; transactional < 2; transactional++) {
        kith_value *value = open_with(t, transactional ? "t" : "n", 'i', 4, transactional != 0);
        int64_t n;

        EXPECT_OK(kith_value_set_int(value, 12));
        EXPECT_OK(kith_value_and(value, 10, &n));
        EXPECT_EQ(8, n);
        EXPECT_OK(kith_value_or(value, 3, &n));
        EXPECT_EQ(11, n);
        EXPECT_OK(kith_value_xor(value, 1, &n));
        EXPECT_EQ(10, n);
        EXPECT_OK(kith_value_min(value, -3, &n));
        EXPECT_EQ(-3, n);
        EXPECT_OK(kith_value_min(value, 3, &n));
        EXPECT_EQ(-3, n);
        EXPECT_OK(kith_value_max(value, 7, &n));
        EXPECT_EQ(7, n);
        EXPECT_OK(kith_value_and(value, -1, &n));
        EXPECT_EQ(7, n);
        EXPECT_OK(kith_value_exchange_int(value, 70000, &n));
        EXPECT_EQ(7, n);
        EXPECT_OK(kith_value_cas_int(value, 70000, -1));
        EXPECT_FAILS(KITH_ECONFLICT, "expected", kith_value_cas_int(value, 70000, 5));
        EXPECT_OK(kith_value_get_int(value, &n));
        EXPECT_EQ(-1, n);
        EXPECT_OK(kith_value_add(value, 2, NULL));
        EXPECT_OK(kith_value_exchange_int(value, 0, NULL));
    }
}

TEST(value_of_unsigned_64_bits_takes_all_of_them)
{
    kith_value *value = open_with(t, "Q", 'Q', 0, false);
    int64_t n;

    EXPECT_OK(kith_value_set_int(value, INT64_MAX));
    EXPECT_OK(kith_value_add(value, 1, &n));
    EXPECT_EQ(INT64_MIN, n); /* as bits: 2^63 */
    EXPECT_OK(kith_value_max(value, INT64_MAX, &n));
    EXPECT_EQ(INT64_MIN, n);
    EXPECT_OK(kith_value_max(value, -1, &n));
    EXPECT_EQ(-1, n);
    EXPECT_OK(kith_value_min(value, 1, &n));
    EXPECT_EQ(1, n);
}

TEST(value_of_floats)
{
    for (int transactional = 0; transactional < 2; transactional++) {
        kith_value *d = open_with(t, transactional ? "d1" : "d", 'd', 0, transactional != 0);
        kith_value *f = open_with(t, transactional ? "f1" : "f", 'f', 0, transactional != 0);
        double n = 1;
        float raw, nan_bits;

        EXPECT_OK(kith_value_get_float(d, &n));
        EXPECT_TRUE(n == 0);
        EXPECT_OK(kith_value_add_float(d, 0.5, &n));
        EXPECT_TRUE(n == 0.5);
        EXPECT_OK(kith_value_sub_float(d, 2, &n));
        EXPECT_TRUE(n == -1.5);
        EXPECT_OK(kith_value_max_float(d, (double)NAN, &n));
        EXPECT_TRUE(n == -1.5);
        EXPECT_OK(kith_value_max_float(d, 1, &n));
        EXPECT_OK(kith_value_min_float(d, 0.25, &n));
        EXPECT_TRUE(n == 0.25);
        EXPECT_OK(kith_value_exchange_float(d, 3, &n));
        EXPECT_TRUE(n == 0.25);
        EXPECT_OK(kith_value_set_float(f, 0.1));
        EXPECT_OK(kith_value_get_float(f, &n));
        EXPECT_TRUE(n == (double)0.1f);
        EXPECT_OK(kith_value_get(f, &raw, sizeof(raw)));
        EXPECT_TRUE(raw == 0.1f);
        /* Any bits, those of a NaN too, and compared as bits. */
        nan_bits = __builtin_nanf("7");
        EXPECT_OK(kith_value_set(f, &nan_bits, sizeof(nan_bits)));
        EXPECT_OK(kith_value_cas(f, &nan_bits, &raw, sizeof(raw)));
        EXPECT_OK(kith_value_exchange(f, &nan_bits, &raw, sizeof(raw)));
        EXPECT_TRUE(raw == 0.1f);
        EXPECT_OK(kith_value_get(f, &raw, sizeof(raw)));
        EXPECT_TRUE(memcmp(&raw, &nan_bits, sizeof(raw)) == 0);
    }
}

TEST(value_of_bools_and_characters)
{
    kith_value *flag = open_with(t, "flag", '?', 0, false);
    kith_value *c = open_with(t, "c", 'c', 0, false);
    kith_value *u = open_with(t, "u", 'u', 0, false);
    uint8_t byte = 7;
    uint32_t point = 0xd800;
    int64_t n;

    EXPECT_OK(kith_value_set(flag, &byte, 1)); /* true, which is 1 */
    EXPECT_OK(kith_value_get(flag, &byte, 1));
    EXPECT_EQ(1, byte);
    byte = 9;
    EXPECT_OK(kith_value_cas(flag, &byte, "", 1));
    EXPECT_OK(kith_value_or(flag, 1, &n));
    EXPECT_EQ(1, n);
    EXPECT_OK(kith_value_xor(flag, 1, &n));
    EXPECT_EQ(0, n);
    EXPECT_RC(KITH_ERANGE, kith_value_set_int(flag, 2));
    EXPECT_FAILS(KITH_ETYPE, "bools", kith_value_add(flag, 1, &n));
    EXPECT_OK(kith_value_set(c, "x", 1));
    EXPECT_OK(kith_value_get_int(c, &n));
    EXPECT_EQ('x', n);
    EXPECT_FAILS(KITH_ETYPE, "characters", kith_value_add(c, 1, &n));
    EXPECT_OK(kith_value_set_int(u, 0x10ffff));
    EXPECT_RC(KITH_ERANGE, kith_value_set_int(u, 0x110000));
    EXPECT_OK(kith_value_exchange(u, &point, &point, sizeof(point)));
    EXPECT_EQ(0x10ffff, point);
}

TEST(value_refuses_what_does_not_suit_its_type)
{
    kith_value *q = open_with(t, "q", 'q', 0, false);
    kith_value *d = open_with(t, "d", 'd', 0, false);
    kith_value *s = open_with(t, "s", 0, 24, false);
    char bytes[24] = { 0 };
    double real = 4;
    int64_t n = 4;

    EXPECT_FAILS(KITH_ETYPE, "ints", kith_value_add_float(q, 0.5, &real));
    EXPECT_FAILS(KITH_ETYPE, "ints", kith_value_get_float(q, &real));
    EXPECT_FAILS(KITH_ETYPE, "floats", kith_value_add(d, 1, &n));
    EXPECT_FAILS(KITH_ETYPE, "floats", kith_value_xor(d, 1, &n));
    EXPECT_FAILS(KITH_ETYPE, "floats", kith_value_set_int(d, 1));
    EXPECT_FAILS(KITH_ETYPE, "structures", kith_value_add(s, 1, &n));
    EXPECT_FAILS(KITH_ETYPE, "structures", kith_value_get_int(s, &n));
    EXPECT_FAILS(KITH_ETYPE, "structures", kith_value_cas_int(s, 1, 2));
    EXPECT_FAILS(KITH_EINVAL, "24 bytes", kith_value_get(s, bytes, 23));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_value_set(q, bytes, 4));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_value_cas(q, bytes, bytes, 0));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_value_exchange(q, bytes, NULL, 24));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_value_wait(q, bytes, 1, 0));
    EXPECT_RC(KITH_EINVAL, kith_value_wait(q, bytes, 8, -5));
    EXPECT_RC(KITH_EINVAL, kith_value_get(q, NULL, 8));
    EXPECT_RC(KITH_EINVAL, kith_value_set(q, NULL, 8));
    EXPECT_RC(KITH_EINVAL, kith_value_get_int(q, NULL));
    EXPECT_RC(KITH_EINVAL, kith_value_add(NULL, 1, NULL));
    EXPECT_TRUE(real == 4 && n == 4);
    EXPECT_OK(kith_value_get_int(q, &n));
    EXPECT_EQ(0, n);
}

TEST(value_is_created_as_its_options_say)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    kith_value *value = NULL, *same;
    kith_space *space = test_space(t);
    kith_dict *dict = NULL;
    int32_t first = -5;
    int64_t n;

    EXPECT_OK(kith_value_info(test_value(t, "plain", NULL), &info));
    EXPECT_EQ('q', info.type);
    EXPECT_EQ(8, info.size);
    EXPECT_TRUE(!info.transactional);
    options.type = 'i';
    options.initial = &first;
    options.create = KITH_MUST_EXIST;
    EXPECT_FAILS(KITH_ENOENT, "value", kith_value_open(space, "v", &options, &value));
    options.create = KITH_MUST_CREATE;
    value = test_value(t, "v", &options);
    EXPECT_OK(kith_value_get_int(value, &n));
    EXPECT_EQ(-5, n);
    EXPECT_FAILS(KITH_EEXIST, "v", kith_value_open(space, "v", &options, &same));
    same = test_value(t, "v", NULL); /* options of one that exists are ignored */
    EXPECT_OK(kith_value_info(same, &info));
    EXPECT_EQ('i', info.type);
    EXPECT_EQ(4, info.size);
    EXPECT_OK(kith_value_add(same, 1, NULL));
    EXPECT_OK(kith_value_get_int(value, &n));
    EXPECT_EQ(-4, n);

    options = (struct kith_value_options)KITH_VALUE_OPTIONS_INIT;
    options.type = 'x';
    EXPECT_FAILS(KITH_EINVAL, "'x'", kith_value_open(space, "bad", &options, &value));
    options.type = '\xff';
    EXPECT_FAILS(KITH_EINVAL, "255", kith_value_open(space, "bad", &options, &value));
    options.type = 'h';
    options.size = 4;
    EXPECT_FAILS(KITH_EINVAL, "'h'", kith_value_open(space, "bad", &options, &value));
    options.type = 0;
    options.size = KITH_VALUE_SIZE_MAX + 1;
    EXPECT_FAILS(KITH_ETOOBIG, "24576", kith_value_open(space, "bad", &options, &value));
    options.size = SIZE_MAX;
    EXPECT_RC(KITH_ETOOBIG, kith_value_open(space, "bad", &options, &value));
    EXPECT_RC(KITH_EINVAL, kith_value_open(space, "", NULL, &value));
    EXPECT_FAILS(KITH_ETYPE, "value", kith_dict_open(space, "v", NULL, &dict));
}

/* Sizes on both sides of a word, of what the root holds, and the largest. */
static const size_t sizes[] = { 1, 7, 8, 9, 24, 127, 128, 129, 1000, KITH_VALUE_SIZE_MAX };

TEST(value_of_a_structure_is_its_bytes)
{
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
        uint8_t *one = test_bytes(sizes[i], 2 * i), *two = test_bytes(sizes[i], 2 * i + 1);
        uint8_t *seen = calloc(1, sizes[i]);
        char name[16];
        kith_value *value;

        snprintf(name, sizeof(name), "s%zu", sizes[i]);
        options.size = sizes[i];
        options.initial = one;
        value = test_value(t, name, &options);
        EXPECT_OK(kith_value_get(value, seen, sizes[i]));
        EXPECT_TRUE(memcmp(one, seen, sizes[i]) == 0);
        EXPECT_OK(kith_value_set(value, two, sizes[i]));
        EXPECT_RC(KITH_ECONFLICT, kith_value_cas(value, one, one, sizes[i]));
        EXPECT_OK(kith_value_exchange(value, one, seen, sizes[i]));
        EXPECT_TRUE(memcmp(two, seen, sizes[i]) == 0);
        memcpy(seen, two, sizes[i]);
        EXPECT_OK(kith_value_exchange(value, seen, seen, sizes[i]));
        EXPECT_TRUE(memcmp(one, seen, sizes[i]) == 0);
        EXPECT_OK(kith_value_exchange(value, seen, seen, sizes[i]));
        EXPECT_TRUE(memcmp(two, seen, sizes[i]) == 0);
        EXPECT_OK(kith_value_cas(value, one, two, sizes[i]));
        EXPECT_OK(kith_value_get(value, seen, sizes[i]));
        EXPECT_TRUE(memcmp(two, seen, sizes[i]) == 0);
        EXPECT_OK(kith_destroy(test_space(t), name));
        EXPECT_FAILS(KITH_EGONE, name, kith_value_get(value, seen, sizes[i]));
        EXPECT_FAILS(KITH_EGONE, name, kith_value_set(value, seen, sizes[i]));
        free(one);
        free(two);
        free(seen);
    }
    EXPECT_OK(kith_check(test_space(t), &(struct kith_report){ 0 }));
}

TEST(value_that_was_destroyed_is_gone_and_its_memory_another)
{
    kith_value *old[2], *fresh;
    int64_t n = 7;

    for (int transactional = 0; transactional < 2; transactional++) {
        old[transactional] = open_with(t, "v", 'q', 0, transactional != 0);
        EXPECT_OK(kith_destroy(test_space(t), "v"));
    }
    /* Whichever root it was given: the old handles don't touch it. */
    for (int i = 0; i < 20; i++) {
        char name[24];

        snprintf(name, sizeof(name), "f%d", i);
        fresh = open_with(t, name, 'q', 0, i % 2 == 0);
        EXPECT_OK(kith_value_set_int(fresh, 5));
        for (int k = 0; k < 2; k++) {
            EXPECT_FAILS(KITH_EGONE, "destroyed", kith_value_add(old[k], 1, &n));
            EXPECT_RC(KITH_EGONE, kith_value_get_int(old[k], &n));
            EXPECT_RC(KITH_EGONE, kith_value_set_int(old[k], 1));
            EXPECT_RC(KITH_EGONE, kith_value_cas_int(old[k], 5, 1));
            EXPECT_RC(KITH_EGONE, kith_value_wait(old[k], &(int64_t){ 5 }, 8, 0));
        }
        EXPECT_EQ(7, n);
        EXPECT_OK(kith_value_get_int(fresh, &n));
        EXPECT_EQ(5, n);
        n = 7;
    }
}

/* ---- processes ---- */

struct party {
    kith_value *value;
    kith_space *space;
    sem_t *ready, *go;
    int want;
    uint8_t old[256];
    size_t size;
    _Atomic bool stop;
};

static struct party *
party_new(struct test *t, kith_value *value, size_t size)
{
    struct party *p = test_shared(sizeof(*p));

    p->value = value;
    p->space = test_space(t);
    p->ready = test_gate();
    p->go = test_gate();
    p->size = size;
    return p;
}

#define ADDS 20000

static void
child_adds(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < ADDS; i++) {
        EXPECT_OK(kith_value_add(p->value, 3, NULL));
        EXPECT_OK(kith_value_sub(p->value, 2, NULL));
    }
}

TEST(value_loses_no_add_of_four_processes)
{
    for (int transactional = 0; transactional < 2; transactional++) {
        kith_value *value = open_with(t, transactional ? "t" : "n", 'q', 0, transactional != 0);
        struct party *p = party_new(t, value, 8);
        pid_t pids[4];
        int64_t n;

        for (int i = 0; i < 4; i++)
            pids[i] = test_child(child_adds, p);
        for (int i = 0; i < 4; i++)
            CHILD_JOIN(pids[i]);
        EXPECT_OK(kith_value_get_int(value, &n));
        EXPECT_EQ(4 * ADDS, n);
    }
}

static void
child_writes_the_same_byte_everywhere(void *arg)
{
    struct party *p = arg;
    uint8_t bytes[256];

    for (unsigned i = 0; !atomic_load(&p->stop); i++) {
        memset(bytes, (int)(i & 0xff), sizeof(bytes));
        EXPECT_OK(kith_value_set(p->value, bytes, p->size));
    }
}

static void
expect_even(const uint8_t *bytes, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            FAIL("byte 0 is %u and byte %zu is %u", bytes[0], i, bytes[i]);
}

TEST(value_of_a_structure_is_never_seen_torn)
{
    kith_value *value = open_with(t, "s", 0, 200, false);
    struct party *p = party_new(t, value, 200);
    pid_t pids[2];
    uint8_t bytes[200];

    for (int i = 0; i < 2; i++)
        pids[i] = test_child(child_writes_the_same_byte_everywhere, p);
    for (int i = 0; i < 20000; i++) {
        EXPECT_OK(kith_value_get(value, bytes, sizeof(bytes)));
        expect_even(bytes, sizeof(bytes));
    }
    /* Killed wherever they are: whole, and not waited for. */
    for (int i = 0; i < 2; i++)
        test_child_kill(pids[i]);
    EXPECT_OK(kith_value_get(value, bytes, sizeof(bytes)));
    expect_even(bytes, sizeof(bytes));
    EXPECT_OK(kith_value_set(value, bytes, sizeof(bytes)));
}

TEST(value_readers_do_not_wait_for_a_stopped_writer)
{
    kith_value *value = open_with(t, "s", 0, 200, false);
    struct party *p = party_new(t, value, 200);
    uint8_t bytes[200];

    for (int round = 0; round < 20; round++) {
        pid_t pid = test_child(child_writes_the_same_byte_everywhere, p);

        UNTIL(kith_value_get(value, bytes, 200) == KITH_OK && bytes[0] != 0);
        test_child_stop(pid);
        EXPECT_OK(kith_value_get(value, bytes, sizeof(bytes)));
        expect_even(bytes, sizeof(bytes));
        test_child_kill(pid);
        EXPECT_OK(kith_value_set(value, memset(bytes, 0, 200), 200));
    }
}

/* ---- waiting ---- */

static void
child_waits(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->want, kith_value_wait(p->value, p->old, p->size, KITH_FOREVER));
}

static void
each_type_wakes(struct test *t, char type, size_t size, bool transactional, const char *name)
{
    kith_value *value = open_with(t, name, type, size, transactional);
    struct party *p = party_new(t, value, size);
    uint8_t bytes[256] = { 1 };
    pid_t pids[3];

    EXPECT_FAILS(KITH_ETIMEDOUT, name, kith_value_wait(value, p->old, size, 0));
    EXPECT_FAILS(KITH_ETIMEDOUT, name, kith_value_wait(value, p->old, size, 5 * TEST_MS));
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_waits, p);
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    test_child_kill(pids[0]); /* is forgotten */
    EXPECT_OK(kith_value_set(value, bytes, size));
    CHILD_JOIN(pids[1]);
    CHILD_JOIN(pids[2]);
    EXPECT_OK(kith_value_wait(value, p->old, size, 0));
    EXPECT_OK(kith_value_wait(value, p->old, size, KITH_FOREVER));
}

TEST(value_that_changes_wakes_all_who_wait_for_it)
{
    each_type_wakes(t, 'q', 8, false, "q");
    each_type_wakes(t, 'b', 1, false, "b");
    each_type_wakes(t, 'i', 4, true, "it");
    each_type_wakes(t, '?', 1, true, "bt");
    each_type_wakes(t, 'd', 8, false, "d");
    each_type_wakes(t, 0, 200, false, "s");
}

static void
child_adds_and_dies(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_value_add(p->value, 1, NULL));
    kill(getpid(), SIGKILL);
}

TEST(value_waiter_is_told_by_the_event_when_the_changer_is_killed)
{
    kith_value *value = open_with(t, "v", 'q', 0, false);
    struct party *p = party_new(t, value, 8);

    for (int64_t round = 0; round < 5; round++) {
        pid_t waiter, killed;

        memcpy(p->old, &round, 8);
        waiter = test_child(child_waits, p);
        UNTIL_ASLEEP(waiter, 0);
        killed = test_child(child_adds_and_dies, p);
        (void)CHILD_END(killed);
        CHILD_JOIN(waiter);
    }
}

TEST(value_waiter_is_told_when_the_value_is_destroyed)
{
    kith_value *value = open_with(t, "v", 'q', 0, false);
    struct party *p = party_new(t, value, 8);
    pid_t pid;

    p->want = KITH_EGONE;
    pid = test_child(child_waits, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "v"));
    CHILD_JOIN(pid);
}

static int
give_up(void *arg)
{
    (void)arg;
    return 1;
}

static void
nothing(int signal)
{
    (void)signal;
}

static void
child_is_interrupted(void *arg)
{
    struct sigaction action = { .sa_handler = nothing };

    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(give_up, NULL);
    child_waits(arg);
}

TEST(value_wait_ends_on_a_signal_if_the_thread_asked_for_it)
{
    struct party *p = party_new(t, open_with(t, "v", 'q', 0, false), 8);
    pid_t pid;

    p->want = KITH_EINTERRUPTED;
    pid = test_child(child_is_interrupted, p);
    UNTIL_ASLEEP(pid, 0);
    kill(pid, SIGUSR1);
    CHILD_JOIN(pid);
}

/* ---- transactions ---- */

TEST(value_in_a_transaction_changes_with_the_rest)
{
    kith_value *sum = open_with(t, "sum", 'q', 0, true);
    kith_value *real = open_with(t, "real", 'd', 0, true);
    kith_value *text = open_with(t, "text", 0, 200, false);
    kith_dict *dict = test_dict(t, "d");
    uint8_t bytes[200], zero[200] = { 0 };
    int64_t n;
    double x;

    memset(bytes, 7, sizeof(bytes));
    for (int fails = 0; fails < 2; fails++) {
        kith_txn *txn;

        EXPECT_OK(kith_txn_begin(test_space(t), &txn));
        EXPECT_OK(kith_txn_if_value(txn, text, fails ? bytes : zero, sizeof(zero)));
        EXPECT_OK(kith_txn_value_add(txn, sum, 5));
        EXPECT_OK(kith_txn_dict_add(txn, dict, KITH_STR("k"), 1));
        EXPECT_OK(kith_txn_value_add(txn, sum, 6));
        EXPECT_OK(kith_txn_value_add_float(txn, real, 0.5));
        EXPECT_OK(kith_txn_value_set(txn, text, bytes, sizeof(bytes)));
        if (fails)
            EXPECT_OK(kith_txn_value_add(txn, sum, INT64_MAX));
        EXPECT_RC(fails ? KITH_ERANGE : KITH_OK, kith_txn_commit(txn));
        EXPECT_OK(kith_value_get_int(sum, &n));
        EXPECT_EQ(11, n);
        EXPECT_OK(kith_value_get_float(real, &x));
        EXPECT_TRUE(x == 0.5);
        EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(1));
        EXPECT_OK(kith_txn_begin(test_space(t), &txn));
        EXPECT_OK(kith_txn_if_value(txn, text, zero, sizeof(zero)));
        EXPECT_OK(kith_txn_value_add(txn, sum, 1));
        EXPECT_FAILS(KITH_ECONFLICT, "text", kith_txn_commit(txn));
    }
    EXPECT_OK(kith_value_get_int(sum, &n));
    EXPECT_EQ(11, n);
}

TEST(value_that_is_not_transactional_is_refused_by_a_transaction)
{
    kith_value *native = open_with(t, "native", 'q', 0, false);
    kith_value *guarded = open_with(t, "guarded", 'q', 0, true);
    int64_t n = 1;
    kith_txn *txn;

    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_FAILS(KITH_EUNSUPPORTED, "option transactional", kith_txn_value_add(txn, native, 1));
    EXPECT_RC(KITH_EUNSUPPORTED, kith_txn_value_set(txn, native, &n, 8));
    EXPECT_RC(KITH_EUNSUPPORTED, kith_txn_if_value(txn, native, &n, 8));
    EXPECT_FAILS(KITH_ETYPE, "guarded", kith_txn_value_add_float(txn, guarded, 1));
    EXPECT_FAILS(KITH_EINVAL, "8 bytes", kith_txn_value_set(txn, guarded, &n, 4));
    EXPECT_RC(KITH_EINVAL, kith_txn_value_set(txn, guarded, NULL, 8));
    EXPECT_OK(kith_txn_value_add(txn, guarded, 1)); /* it may be built further */
    EXPECT_OK(kith_destroy(test_space(t), "guarded"));
    EXPECT_FAILS(KITH_EGONE, "guarded", kith_txn_commit(txn));
}

TEST(value_in_a_transactional_space_is_transactional)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    kith_value *value;
    kith_space *space;

    options.transactional = true;
    space = test_open(t, t->engine->bit == TEST_MEM ? "mem://" : t->address, &options);
    EXPECT_OK(kith_value_open(space, "v", NULL, &value));
    EXPECT_OK(kith_value_info(value, &info));
    EXPECT_TRUE(info.transactional);
    kith_value_close(value);
}

static void
child_waits_for_a_commit(void *arg)
{
    child_waits(arg);
}

static void
child_commits_and_dies(void *arg)
{
    struct party *p = arg;
    kith_txn *txn;

    EXPECT_OK(kith_txn_begin(p->space, &txn));
    EXPECT_OK(kith_txn_value_add(txn, p->value, 1));
    EXPECT_OK(kith_txn_commit(txn));
    kill(getpid(), SIGKILL);
}

TEST(value_waiter_is_told_of_a_commit)
{
    struct party *p = party_new(t, open_with(t, "v", 'q', 0, true), 8);
    pid_t waiter = test_child(child_waits_for_a_commit, p);

    UNTIL_ASLEEP(waiter, 0);
    (void)CHILD_END(test_child(child_commits_and_dies, p));
    CHILD_JOIN(waiter);
}

TEST_ON(TEST_NAMED, value_in_a_readonly_space_is_read_and_not_changed)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_value *native = open_with(t, "n", 'i', 0, false);
    kith_value *guarded = open_with(t, "g", 0, 200, false);
    uint8_t bytes[200];
    kith_space *space;
    kith_value *value;
    int64_t n;

    EXPECT_OK(kith_value_set_int(native, -3));
    EXPECT_OK(kith_value_set(guarded, memset(bytes, 5, 200), 200));
    options.readonly = true;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_value_open(space, "n", NULL, &value));
    EXPECT_OK(kith_value_get_int(value, &n));
    EXPECT_EQ(-3, n);
    EXPECT_RC(KITH_EPERM, kith_value_add(value, 1, &n));
    kith_value_close(value);
    EXPECT_OK(kith_value_open(space, "g", NULL, &value));
    EXPECT_OK(kith_value_get(value, bytes, 200));
    expect_even(bytes, 200);
    EXPECT_EQ(5, bytes[0]);
    EXPECT_RC(KITH_EPERM, kith_value_set(value, bytes, 200));
    kith_value_close(value);
    EXPECT_RC(KITH_ENOENT, kith_value_open(space, "new", NULL, &value));
}
