#include "base/alloc.h"
#include "base/key.h"

#include <math.h>

#include "unit.h"

static const uint64_t seed[2] = { 11, 22 };

#define PACKED(literal)                                                                            \
    {                                                                                              \
        .type = KITH_TYPE_PACKED, .data = "" literal "", .size = sizeof(literal) - 1               \
    }
#define BIGINT(literal)                                                                            \
    {                                                                                              \
        .type = KITH_TYPE_BIGINT, .data = "" literal "", .size = sizeof(literal) - 1               \
    }
#define STR(literal)                                                                               \
    {                                                                                              \
        .type = KITH_TYPE_STR, .data = "" literal "", .size = sizeof(literal) - 1                  \
    }
#define BIN(literal)                                                                               \
    {                                                                                              \
        .type = KITH_TYPE_BYTES, .data = "" literal "", .size = sizeof(literal) - 1                \
    }
#define INT(n)                                                                                     \
    {                                                                                              \
        .type = KITH_TYPE_INT, .integer = (n)                                                      \
    }
#define FLOAT(x)                                                                                   \
    {                                                                                              \
        .type = KITH_TYPE_FLOAT, .real = (x)                                                       \
    }
#define BOOL(x)                                                                                    \
    {                                                                                              \
        .type = KITH_TYPE_BOOL, .boolean = (x)                                                     \
    }

/* Items of one class are one key, items of two are two. */
static const struct {
    int class;
    struct kith_item item;
} keys[] = {
    { 0, { .type = KITH_TYPE_NONE } },
    { 1, INT(1) },
    { 1, BOOL(true) },
    { 1, FLOAT(1.0) },
    { 1, BIGINT("\x01") },
    { 1, BIGINT("\x01\0\0\0\0\0\0\0\0\0\0") },
    { 2, INT(0) },
    { 2, BOOL(false) },
    { 2, FLOAT(0.0) },
    { 2, FLOAT(-0.0) },
    { 3, INT(-1) },
    { 3, FLOAT(-1.0) },
    { 3, BIGINT("\xff") },
    { 3, BIGINT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") },
    { 4, FLOAT(0.5) },
    { 5, INT(INT64_MAX) },
    { 6, FLOAT(9223372036854775808.0) }, /* 2**63: one more than the largest int64 */
    { 6, BIGINT("\0\0\0\0\0\0\0\x80\0") },
    { 6, BIGINT("\0\0\0\0\0\0\0\x80\0\0\0") },
    { 7, INT(INT64_MIN) },
    { 7, FLOAT(-9223372036854775808.0) },
    { 7, BIGINT("\0\0\0\0\0\0\0\x80") },
    { 8, FLOAT(18446744073709551616.0) }, /* 2**64 */
    { 8, BIGINT("\0\0\0\0\0\0\0\0\x01") },
    { 9, FLOAT(-18446744073709551616.0) },
    { 9, BIGINT("\0\0\0\0\0\0\0\0\xff") },
    { 10, FLOAT(1.7976931348623157e308) }, /* 129 bytes: more than inline_scratch holds */
    { 11, FLOAT(INFINITY) },
    { 12, FLOAT(-INFINITY) },
    { 13, STR("a") },
    { 14, BIN("a") },
    { 15, STR("") },
    { 16, BIN("") },
    { 17, STR("1") },
    { 18, STR("a\0b") },
    { 19, STR("a\0c") },
    { 20, PACKED("\xd4\x01\x90") }, /* () */
    { 20, PACKED("\xc7\x03\x01\xdc\x00\x00") },
    { 21, PACKED("\xd5\x01\x91\x01") },                         /* (1,) */
    { 21, PACKED("\xd5\x01\x91\xc3") },                         /* (True,) */
    { 21, PACKED("\xc7\x0a\x01\x91\xd3\0\0\0\0\0\0\0\x01") },   /* (1,), wide */
    { 21, PACKED("\xc7\x0a\x01\x91\xcb\x3f\xf0\0\0\0\0\0\0") }, /* (1.0,) */
    { 21, PACKED("\xc7\x06\x01\x91\xca\x3f\x80\0\0") },         /* (1.0,), narrow */
    { 21, PACKED("\xc7\x04\x01\x91\xd4\x03\x01") },             /* (1,), a big int */
    { 22, PACKED("\xc7\x05\x01\x91\xd5\x01\x91\x01") },         /* ((1,),) */
    { 22, PACKED("\xc7\x05\x01\x91\xd5\x01\x91\xc3") },         /* ((True,),) */
    { 23, PACKED("\xc7\x03\x01\x92\x01\x01") },                 /* (1, 1) */
    { 24, PACKED("\xc7\x03\x01\x91\xa1x") },                    /* ("x",) */
    { 24, PACKED("\xc7\x04\x01\x91\xd9\x01x") },                /* ("x",), wide */
    { 25, PACKED("\xc7\x04\x01\x91\xc4\x01x") },                /* (b"x",) */
    { 26, PACKED("\xc7\x05\x01\x92\xa1x\xa1y") },               /* ("x", "y") */
    { 27, PACKED("\xc7\x04\x01\x91\xa2xy") },                   /* ("xy",) */
    { 28, PACKED("\xd5\x01\x91\xc0") },                         /* (None,) */
    { 29, PACKED("\xc7\x0a\x01\x91\xcf\x80\0\0\0\0\0\0\0") },   /* (2**63,) */
    { 29, PACKED("\xc7\x0d\x01\x91\xc7\x09\x03\0\0\0\0\0\0\0\x80\0") },
    { 29, PACKED("\xc7\x0a\x01\x91\xcb\x43\xe0\0\0\0\0\0\0") }, /* (2.0**63,) */
};

static const struct {
    const char *what;
    struct kith_item item;
} refused[] = {
    { "NaN", FLOAT(NAN) },
    { "a list", PACKED("\x90") },
    { "a dict", PACKED("\x80") },
    { "a set", PACKED("\xd4\x02\x90") },
    { "a packed scalar", PACKED("\x01") },
    { "a tuple with a list", PACKED("\xd5\x01\x91\x90") },
    { "a tuple with a dict", PACKED("\xd5\x01\x91\x80") },
    { "a tuple with a set", PACKED("\xc7\x04\x01\x91\xd4\x02\x90") },
    { "a tuple with NaN", PACKED("\xc7\x06\x01\x91\xca\x7f\xc0\0\0") },
    { "a tuple with a tuple with a list", PACKED("\xc7\x05\x01\x91\xd5\x01\x91\x90") },
    { "a foreign item", { .type = KITH_TYPE_FOREIGN, .tag = "a/b" } },
    { "a reference", { .type = KITH_TYPE_REFERENCE, .data = "jobs", .size = 4 } },
    { "a str that is not UTF-8", STR("\xff") },
    { "half a tuple", PACKED("\xc7\x03\x01\x92\x01") },
};

static void
equal_keys_are_one_and_others_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        for (size_t j = 0; j < COUNTOF(keys); j++) {
            bool same = keys[i].class == keys[j].class;
            struct kith__key a;
            struct kith__key b;

            EXPECT_OK(kith__key_make(seed, keys[i].item, &a));
            EXPECT_OK(kith__key_make(seed, keys[j].item, &b));
            if (same != kith__key_same(&a, b.type, b.data, b.size))
                fail_msg("keys %zu and %zu were taken for %s", i, j, same ? "two" : "one");
            if (same != (a.hash == b.hash))
                fail_msg("the hashes of keys %zu and %zu %s", i, j, same ? "differ" : "meet");
            kith__key_free(&a);
            kith__key_free(&b);
        }
    }
}

static void
what_cannot_be_a_key_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(refused); i++) {
        struct kith__key key;
        kith_err rc = kith__key_make(seed, refused[i].item, &key);

        if (rc != KITH_EINVAL)
            fail_msg("%s gave %d", refused[i].what, (int)rc);
    }
}

static void
the_original_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        struct kith_item item = keys[i].item;
        struct kith_item back;
        struct kith__key key;

        EXPECT_OK(kith__key_make(seed, item, &key));
        back = kith__key_item(key.type, key.data, key.size);
        assert_int_equal(item.type, back.type);
        assert_int_equal(item.size, back.size);
        if (item.type == KITH_TYPE_BOOL)
            assert_int_equal(item.boolean, back.boolean);
        if (item.type == KITH_TYPE_INT)
            assert_true(item.integer == back.integer);
        if (item.type == KITH_TYPE_FLOAT)
            assert_memory_equal(&item.real, &back.real, sizeof(item.real));
        if (item.size > 0)
            assert_memory_equal(item.data, back.data, item.size);
        kith__key_free(&key);
    }
}

static void
common_keys_copy_nothing(void **state)
{
    struct kith__key key;
    const char *text = "www.debian.org";

    (void)state;
    EXPECT_OK(kith__key_make(seed, kith_str(text), &key));
    assert_ptr_equal(text, key.data);
    assert_ptr_equal(text, key.cdata);
    assert_null(key.scratch);
    EXPECT_OK(kith__key_make(seed, KITH_INT(5), &key));
    assert_ptr_equal(&key.word, key.data);
    assert_ptr_equal(&key.word, key.cdata);
    assert_null(key.scratch);
}

static void
a_hash_depends_on_the_seed(void **state)
{
    static const uint64_t other[2] = { 11, 23 };

    (void)state;
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        struct kith__key a;
        struct kith__key b;

        EXPECT_OK(kith__key_make(seed, keys[i].item, &a));
        EXPECT_OK(kith__key_make(other, keys[i].item, &b));
        assert_true(a.hash != b.hash);
        kith__key_free(&a);
        kith__key_free(&b);
    }
}

/* 1,000 ints in a tuple, which no scratch inside the key holds. */
static void
a_long_tuple_is_a_key(void **state)
{
    static uint8_t narrow[6 + 3 + 1000];
    static uint8_t wide[6 + 3 + 9 * 1000];
    struct kith_item item = { .type = KITH_TYPE_PACKED, .data = narrow, .size = sizeof(narrow) };
    struct kith__key key;

    (void)state;
    memcpy(narrow, "\xc9\0\0\x03\xeb\x01\xdc\x03\xe8", 9);
    memcpy(wide, "\xc9\0\0\x23\x2b\x01\xdc\x03\xe8", 9);
    for (size_t i = 0; i < 1000; i++) {
        narrow[9 + i] = (uint8_t)(i % 100);
        wide[9 + 9 * i] = 0xcf;
        wide[9 + 9 * i + 8] = (uint8_t)(i % 100);
    }
    EXPECT_OK(kith__key_make(seed, item, &key));
    assert_non_null(key.scratch);
    assert_true(kith__key_same(&key, KITH_TYPE_PACKED, wide, sizeof(wide)));
    wide[sizeof(wide) - 1] ^= 1;
    assert_false(kith__key_same(&key, KITH_TYPE_PACKED, wide, sizeof(wide)));
    kith__key_free(&key);
    assert_null(key.scratch);
    kith__key_free(&key);
}

/* What is stored may be overwritten: nothing outside of it is read, and no key equals it. */
static void
garbage_equals_no_key(void **state)
{
    uint64_t random = 88172645463325252; /* a xorshift; any seed will do */

    (void)state;
    for (size_t round = 0; round < 100000; round++) {
        size_t which = round % COUNTOF(keys);
        size_t size = random % 20;
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        struct kith__key key;
        bool same;

        for (size_t i = 0; i < size; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[i] = (uint8_t)random;
        }
        EXPECT_OK(kith__key_make(seed, keys[which].item, &key));
        /* Types past the known ones too.  Short garbage may really be a key: "", none, -1. */
        same = kith__key_same(&key, (uint8_t)(random >> 32) % 16, bytes, size);
        if (size > 8)
            assert_false(same);
        kith__key_free(&key);
        free(bytes);
        random += round;
    }
}

static void
a_stored_number_of_a_wrong_size_equals_no_key(void **state)
{
    struct kith__key key;

    (void)state;
    EXPECT_OK(kith__key_make(seed, KITH_INT(0), &key));
    for (uint8_t type = 0; type < 16; type++) {
        assert_false(kith__key_same(&key, type, "\0\0\0\0\0\0\0\0\0", 0));
        if (type != KITH_TYPE_BIGINT)
            assert_false(kith__key_same(&key, type, "\0\0\0\0\0\0\0\0\0", 7));
    }
    kith__key_free(&key);
}

#ifdef KITH_FAULTS
static void
without_memory_a_large_key_is_no_key(void **state)
{
    struct kith_item item = FLOAT(1e300);
    struct kith__key key;

    (void)state;
    kith__alloc_fail(1);
    EXPECT_RC(KITH_ENOMEM, kith__key_make(seed, item, &key));
    EXPECT_OK(kith__key_make(seed, item, &key));
    kith__key_free(&key);
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_are_one_and_others_two),
        cmocka_unit_test(what_cannot_be_a_key_is_refused),
        cmocka_unit_test(the_original_comes_back),
        cmocka_unit_test(common_keys_copy_nothing),
        cmocka_unit_test(a_hash_depends_on_the_seed),
        cmocka_unit_test(a_long_tuple_is_a_key),
        cmocka_unit_test(garbage_equals_no_key),
        cmocka_unit_test(a_stored_number_of_a_wrong_size_equals_no_key),
#ifdef KITH_FAULTS
        cmocka_unit_test(without_memory_a_large_key_is_no_key),
#endif
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
