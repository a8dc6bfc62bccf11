/*
 * test_dict.c - what kith/dict.h promises of one dict used by one process at a time, and by
 * several.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

/* ---- setting and getting ---- */

TEST(dict_gives_back_every_type_of_item_as_it_went_in)
{
    kith_dict *d = test_dict(t, "hits");
    const struct kith_item items[] = {
        kith_none(),
        kith_bool(false),
        kith_bool(true),
        KITH_INT(0),
        KITH_INT(INT64_MIN),
        KITH_INT(INT64_MAX),
        kith_float(0.0),
        kith_float(-0.0),
        kith_float(1.5e300),
        kith_float(INFINITY),
        kith_float(NAN),
        KITH_STR(""),
        KITH_STR("plain"),
        KITH_STR("nul \0 inside"),
        KITH_STR("\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87 \xf0\x9f\x94\x91"),
        kith_bytes("", 0),
        kith_bytes(NULL, 0),
        kith_bytes("\0\xff\xfe", 3),
        BIGINT("\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
        PACKED("\x92\x01\xa1"
               "a"),
        PACKED("\x81\xa1k\xc0"),
        PACKED("\xd4\x01\x90"),
        PACKED("\xd4\x02\x90"),
        test_foreign("\x80\x05N.", 4, "python/pickle"),
        test_foreign(NULL, 0, "x"),
    };
    struct kith_buf out = KITH_BUF_INIT;

    for (size_t i = 0; i < COUNTOF(items); i++) {
        EXPECT_OK(kith_dict_set(d, KITH_INT((int64_t)i), items[i]));
        EXPECT_OK(kith_dict_get(d, KITH_INT((int64_t)i), &out));
        EXPECT_ITEM(items[i], out.item);
    }
    /* And all of them once more, over another type each. */
    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT((int64_t)i), items[COUNTOF(items) - 1 - i]));
    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_HOLDS(d, KITH_INT((int64_t)i), items[COUNTOF(items) - 1 - i]);
    EXPECT_LEN(d, COUNTOF(items));
    kith_buf_free(&out);
}

TEST(dict_set_of_parts_is_one_item)
{
    static const size_t sizes[] = { 0, 1, 5, 8, 100, 5000, 200000 };
    kith_dict *dict = test_dict(t, "d");
    char *bytes = malloc(200000);
    struct kith_buf buf = KITH_BUF_INIT;

    for (size_t i = 0; i < 200000; i++)
        bytes[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t cut = sizes[i] / 3;
        struct kith_part parts[] = { { bytes, cut }, { NULL, 0 }, { bytes + cut, sizes[i] - cut } };

        EXPECT_OK(kith_dict_set_parts(dict, KITH_STR("k"), "x/y", parts, 3));
        EXPECT_OK(kith_dict_get(dict, KITH_STR("k"), &buf));
        EXPECT_EQ(KITH_TYPE_FOREIGN, buf.item.type);
        EXPECT_EQ(sizes[i], buf.item.size);
        EXPECT_EQ(0, strcmp("x/y", buf.item.tag));
        EXPECT_EQ(0, memcmp(bytes, buf.item.data, sizes[i]));
    }
    EXPECT_FAILS(KITH_EINVAL, "tag", kith_dict_set_parts(dict, KITH_STR("k"), NULL, NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "NULL", kith_dict_set_parts(dict, KITH_STR("k"), "x", NULL, 1));
    EXPECT_FAILS(KITH_ETOOBIG, "item",
                 kith_dict_set_parts(dict, KITH_STR("k"), "x",
                                     &(struct kith_part){ bytes, SIZE_MAX / 2 }, 1));
    EXPECT_FAILS(KITH_EINVAL, "kith_dict_set_parts",
                 kith_dict_set_parts(NULL, KITH_STR("k"), "x", NULL, 0));
    kith_buf_free(&buf);
    free(bytes);
}

TEST(dict_item_is_a_copy_that_later_changes_leave_alone)
{
    kith_dict *d = test_dict(t, "hits");
    char data[] = "before";
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), kith_str(data)));
    memcpy(data, "AFTER!", sizeof(data));
    EXPECT_OK(kith_dict_get(d, KITH_STR("k"), &out));
    EXPECT_ITEM(KITH_STR("before"), out.item);
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_STR("later")));
    EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
    EXPECT_ITEM(KITH_STR("before"), out.item);
    kith_buf_free(&out);
}

TEST(dict_buffer_is_used_again_for_items_of_any_size)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf out = KITH_BUF_INIT;
    size_t sizes[] = { 0, 7, 8, 9, 100000, 3, 40000, 1, 0, 65536 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        void *data = test_bytes(sizes[i], i);

        EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, sizes[i])));
        EXPECT_OK(kith_dict_get(d, KITH_INT(1), &out));
        EXPECT_ITEM(kith_bytes(data, sizes[i]), out.item);
        free(data);
    }
    kith_buf_free(&out);
    EXPECT_TRUE(out.memory == NULL && out.capacity == 0);
    kith_buf_free(&out);
    kith_buf_free(NULL);
}

TEST(dict_item_of_every_size_around_the_steps_of_the_allocator)
{
    kith_dict *d = test_dict(t, "hits");
    unsigned char *data = test_bytes(300000, 5);

    for (size_t size = 0; size < 300000; size = size < 300 ? size + 1 : size * 9 / 8) {
        for (size_t more = 0; more < 3; more++)
            EXPECT_OK(kith_dict_set(d, KITH_INT((int64_t)(size * 4 + more)),
                                    kith_bytes(data + more, size)));
    }
    for (size_t size = 0; size < 300000; size = size < 300 ? size + 1 : size * 9 / 8) {
        for (size_t more = 0; more < 3; more++)
            EXPECT_HOLDS(d, KITH_INT((int64_t)(size * 4 + more)), kith_bytes(data + more, size));
    }
    free(data);
}

TEST(dict_get_of_an_absent_key_is_ENOENT_and_leaves_the_result_alone)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf out = test_untouched_buf();
    uint64_t version = 77;
    size_t size = 77;

    EXPECT_FAILS(KITH_ENOENT, "hits", kith_dict_get(d, KITH_STR("k"), &out));
    EXPECT_UNTOUCHED(&out);
    EXPECT_RC(KITH_ENOENT, kith_dict_get_version(d, KITH_STR("k"), &out, &version));
    EXPECT_UNTOUCHED(&out);
    EXPECT_EQ(77, version);
    EXPECT_RC(KITH_ENOENT, kith_dict_get_into(d, KITH_STR("k"), &size, sizeof(size), &size));
    EXPECT_EQ(77, size);
    EXPECT_RC(KITH_ENOENT, kith_dict_pop(d, KITH_STR("k"), &out));
    EXPECT_UNTOUCHED(&out);
    EXPECT_RC(KITH_ENOENT, kith_dict_delete(d, KITH_STR("k")));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("k")));
}

TEST(dict_results_that_nobody_wants_may_be_NULL)
{
    kith_dict *d = test_dict(t, "hits");

    EXPECT_OK(kith_dict_add(d, KITH_STR("n"), 5, NULL));
    EXPECT_OK(kith_dict_add_float(d, KITH_STR("f"), 5, NULL));
    EXPECT_OK(kith_dict_get(d, KITH_STR("n"), NULL));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("n"), NULL, NULL));
    EXPECT_OK(kith_dict_setdefault(d, KITH_STR("n"), KITH_INT(6), NULL));
    EXPECT_OK(kith_dict_swap(d, KITH_STR("n"), KITH_INT(7), NULL));
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(7));
    EXPECT_OK(kith_dict_pop(d, KITH_STR("n"), NULL));
    EXPECT_OK(kith_dict_popitem(d, NULL, NULL));
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_delete_many(d, NULL, 0, NULL));
}

TEST(dict_get_into_copies_str_and_bytes_and_nothing_else)
{
    kith_dict *d = test_dict(t, "hits");
    char data[8] = "........";
    size_t size = 0;

    EXPECT_OK(kith_dict_set(d, KITH_STR("s"), KITH_STR("abc")));
    EXPECT_OK(kith_dict_get_into(d, KITH_STR("s"), data, sizeof(data), &size));
    EXPECT_EQ(3, size);
    EXPECT_TRUE(memcmp(data, "abc.....", 8) == 0);

    EXPECT_OK(kith_dict_set(d, KITH_STR("b"), kith_bytes("12345678", 8)));
    EXPECT_OK(kith_dict_get_into(d, KITH_STR("b"), data, sizeof(data), &size));
    EXPECT_EQ(8, size);
    EXPECT_TRUE(memcmp(data, "12345678", 8) == 0);

    EXPECT_OK(kith_dict_set(d, KITH_STR("b"), kith_bytes("ABCDEFGHI", 9)));
    EXPECT_RC(KITH_ETOOBIG, kith_dict_get_into(d, KITH_STR("b"), data, sizeof(data), &size));
    EXPECT_EQ(9, size);
    EXPECT_TRUE(memcmp(data, "12345678", 8) == 0);

    EXPECT_OK(kith_dict_set(d, KITH_STR("i"), KITH_INT(1)));
    size = 77;
    EXPECT_RC(KITH_ETYPE, kith_dict_get_into(d, KITH_STR("i"), data, sizeof(data), &size));
    EXPECT_EQ(77, size);
}

TEST(dict_insert_replace_and_setdefault_look_before_they_set)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_RC(KITH_ENOENT, kith_dict_replace(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_insert(d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_EEXIST, kith_dict_insert(d, KITH_STR("k"), KITH_INT(3)));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(2));
    EXPECT_OK(kith_dict_replace(d, KITH_STR("k"), KITH_STR("four")));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_STR("four"));
    EXPECT_OK(kith_dict_setdefault(d, KITH_STR("k"), KITH_INT(5), &out));
    EXPECT_ITEM(KITH_STR("four"), out.item);
    EXPECT_OK(kith_dict_setdefault(d, KITH_STR("new"), KITH_INT(6), &out));
    EXPECT_ITEM(KITH_INT(6), out.item);
    EXPECT_HOLDS(d, KITH_STR("new"), KITH_INT(6));
    EXPECT_LEN(d, 2);
    kith_buf_free(&out);
}

TEST(dict_swap_gives_the_old_item_and_says_when_there_was_none)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf old = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_swap(d, KITH_STR("k"), KITH_STR("one"), &old));
    EXPECT_TRUE(old.item.type == KITH_TYPE_NONE && old.item.tag == kith_absent);
    EXPECT_OK(kith_dict_swap(d, KITH_STR("k"), kith_none(), &old));
    EXPECT_ITEM(KITH_STR("one"), old.item);
    EXPECT_OK(kith_dict_swap(d, KITH_STR("k"), KITH_INT(2), &old));
    EXPECT_TRUE(old.item.type == KITH_TYPE_NONE && old.item.tag != kith_absent);
    kith_buf_free(&old);
}

TEST(dict_cas_compares_type_bytes_and_tag)
{
    kith_dict *d = test_dict(t, "hits");

    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), kith_none(), KITH_INT(1)));
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), kith_float(1), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), kith_bool(true), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), KITH_INT(2), KITH_INT(2)));
    EXPECT_OK(kith_dict_cas(d, KITH_STR("k"), KITH_INT(1), KITH_STR("a\0b")));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), KITH_STR("a\0c"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), KITH_STR("a"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), kith_bytes("a\0b", 3), KITH_INT(2)));
    EXPECT_OK(kith_dict_cas(d, KITH_STR("k"), KITH_STR("a\0b"), test_foreign("x", 1, "t/1")));
    EXPECT_RC(KITH_ECONFLICT,
              kith_dict_cas(d, KITH_STR("k"), test_foreign("x", 1, "t/2"), KITH_INT(2)));
    EXPECT_OK(kith_dict_cas(d, KITH_STR("k"), test_foreign("x", 1, "t/1"), kith_float(-0.0)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("k"), kith_float(0.0), KITH_INT(2)));
    EXPECT_OK(kith_dict_cas(d, KITH_STR("k"), kith_float(-0.0), kith_float(NAN)));
    EXPECT_OK(kith_dict_cas(d, KITH_STR("k"), kith_float(NAN), KITH_INT(9)));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(9));
}

TEST(dict_cas_and_delete_if_compare_items_of_a_megabyte_to_the_last_byte)
{
    kith_dict *d = test_dict(t, "hits");
    size_t size = 1 << 20;
    char *data = test_bytes(size, 1);

    EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, size)));
    data[size - 1] ^= 1;
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_INT(1), kith_bytes(data, size), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_delete_if(d, KITH_INT(1), kith_bytes(data, size)));
    data[size - 1] ^= 1;
    EXPECT_OK(kith_dict_cas(d, KITH_INT(1), kith_bytes(data, size), kith_bytes(data, size - 1)));
    EXPECT_OK(kith_dict_delete_if(d, KITH_INT(1), kith_bytes(data, size - 1)));
    EXPECT_LEN(d, 0);
    free(data);
}

TEST(dict_version_tells_any_change_even_to_the_same_item)
{
    kith_dict *d = test_dict(t, "hits");
    uint64_t first = 0;
    uint64_t second = 0;

    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), 0, KITH_INT(1)));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &first));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &second));
    EXPECT_EQ(first, second);
    EXPECT_OK(kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(3)));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(2));

    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &first));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(3)));

    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &first));
    EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(3)));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(3)));

    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &first));
    EXPECT_OK(kith_dict_add(d, KITH_STR("k"), 1, NULL));
    EXPECT_OK(kith_dict_add(d, KITH_STR("k"), -1, NULL));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(3)));
    /* A change of another key is none of this one. */
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &first));
    EXPECT_OK(kith_dict_set(d, KITH_STR("other"), KITH_INT(2)));
    EXPECT_OK(kith_dict_cas_version(d, KITH_STR("k"), first, KITH_INT(4)));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(4));
}

TEST(dict_version_is_never_used_again_through_clear_and_churn)
{
    kith_dict *d = test_dict(t, "hits");
    uint64_t seen[200];

    for (size_t i = 0; i < COUNTOF(seen); i++) {
        EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
        EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &seen[i]));
        for (size_t j = 0; j < i; j++)
            EXPECT_TRUE(seen[j] != seen[i]);
        if (i % 3 == 0)
            EXPECT_OK(kith_dict_clear(d));
        else if (i % 3 == 1)
            EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
    }
}

TEST(dict_delete_if_deletes_only_what_was_expected)
{
    kith_dict *d = test_dict(t, "hits");

    EXPECT_RC(KITH_ECONFLICT, kith_dict_delete_if(d, KITH_STR("k"), kith_none()));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_delete_if(d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_delete_if(d, KITH_STR("k"), kith_bool(true)));
    EXPECT_OK(kith_dict_has(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_delete_if(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("k")));
}

/* ---- keys ---- */

/* Keys of one row are one key; those of different rows are different ones. */
TEST(dict_keys_are_compared_as_python_compares_them)
{
    const struct {
        struct kith_item keys[5];
        size_t count;
    } rows[] = {
        { { kith_none() }, 1 },
        { { KITH_INT(0), kith_bool(false), kith_float(0.0), kith_float(-0.0), BIGINT("\0") }, 5 },
        { { KITH_INT(1), kith_bool(true), kith_float(1.0), BIGINT("\1"), BIGINT("\1\0\0") }, 5 },
        { { KITH_INT(-1), kith_float(-1.0), BIGINT("\xff"), BIGINT("\xff\xff\xff") }, 4 },
        { { KITH_INT(255), kith_float(255.0), BIGINT("\xff\0") }, 3 },
        { { KITH_INT(INT64_C(1) << 53), kith_float(9007199254740992.0) }, 2 },
        { { KITH_INT((INT64_C(1) << 53) + 1) }, 1 },
        { { KITH_INT(INT64_MAX), BIGINT("\xff\xff\xff\xff\xff\xff\xff\x7f") }, 2 },
        { { KITH_INT(INT64_MIN), kith_float(-9223372036854775808.0), BIGINT("\0\0\0\0\0\0\0\x80"),
            BIGINT("\0\0\0\0\0\0\0\x80\xff") },
          4 },
        /* 2**63, one more than an int64_t holds, and 2**64 */
        { { kith_float(9223372036854775808.0), BIGINT("\0\0\0\0\0\0\0\x80\0") }, 2 },
        { { kith_float(18446744073709551616.0), BIGINT("\0\0\0\0\0\0\0\0\1") }, 2 },
        { { BIGINT("\1\0\0\0\0\0\0\0\1") }, 1 },
        /* 2**200 */
        { { kith_float(0x1p200), BIGINT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1") },
          2 },
        { { kith_float(0.5) }, 1 },
        { { kith_float(1.5) }, 1 },
        { { kith_float(INFINITY) }, 1 },
        { { kith_float(-INFINITY) }, 1 },
        { { KITH_STR("") }, 1 },
        { { kith_bytes("", 0), kith_bytes(NULL, 0) }, 2 },
        { { KITH_STR("a") }, 1 },
        { { kith_bytes("a", 1) }, 1 },
        { { KITH_STR("A") }, 1 },
        { { KITH_STR("a\0") }, 1 },
        { { KITH_STR("a\0b") }, 1 },
        { { KITH_STR("1") }, 1 },
        /* composed and combining e acute: no normalisation */
        { { KITH_STR("\xc3\xa9") }, 1 },
        { { KITH_STR("e\xcc\x81") }, 1 },
        /* (), (1, 'a') in many spellings, (2, 'a'), (1, b'a'), ((1,), 'a') */
        { { PACKED("\xd4\x01\x90"), PACKED("\xc7\x03\x01\xdc\0\0") }, 2 },
        { { PACKED("\xd6\x01\x92\x01\xa1"
                   "a"),
            PACKED("\xc7\x04\x01\x92\x01\xa1"
                   "a"),
            PACKED("\xd6\x01\x92\xc3\xa1"
                   "a"),
            PACKED("\xc7\x0c\x01\x92\xcb\x3f\xf0\0\0\0\0\0\0\xa1"
                   "a"),
            PACKED("\xc7\x07\x01\x92\xd1\0\x01\xd9\x01"
                   "a") },
          5 },
        { { PACKED("\xd6\x01\x92\x02\xa1"
                   "a") },
          1 },
        { { PACKED("\xc7\x05\x01\x92\x01\xc4\x01"
                   "a") },
          1 },
        { { PACKED("\xc7\x07\x01\x92\xd5\x01\x91\x01\xa1"
                   "a"),
            PACKED("\xc7\x07\x01\x92\xd5\x01\x91\xc3\xa1"
                   "a") },
          2 },
        { { PACKED("\xd5\x01\x91\xc0") }, 1 },
        { { PACKED("\xd5\x01\x91\x01"), PACKED("\xc7\x04\x01\x91\xd4\x03\x01") }, 2 },
    };
    kith_dict *d = test_dict(t, "hits");

    for (size_t i = 0; i < COUNTOF(rows); i++) {
        for (size_t j = 0; j < rows[i].count; j++) {
            kith_err want = j == 0 ? KITH_OK : KITH_EEXIST;
            kith_err got = kith_dict_insert(d, rows[i].keys[j], KITH_INT((int64_t)i));

            if (got != want)
                FAIL("row %zu, key %zu: expected %s, got %s: %s", i, j, test_rc_name(want),
                     test_rc_name(got), kith_last_error());
        }
    }
    EXPECT_LEN(d, COUNTOF(rows));
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        for (size_t j = 0; j < rows[i].count; j++) {
            EXPECT_HOLDS(d, rows[i].keys[j], KITH_INT((int64_t)i));
            EXPECT_OK(kith_dict_delete(d, rows[i].keys[j]));
            EXPECT_OK(kith_dict_set(d, rows[i].keys[j], KITH_INT((int64_t)i)));
        }
    }
    EXPECT_LEN(d, COUNTOF(rows));
}

static int
take_key(struct kith_item key, void *arg)
{
    struct kith_item *want = arg;

    EXPECT_ITEM(*want, key);
    return 0;
}

TEST(dict_hands_out_the_key_as_it_was_first_given)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item key = KITH_INT(1);

    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_STR("first")));
    EXPECT_OK(kith_dict_set(d, kith_bool(true), KITH_STR("second")));
    EXPECT_OK(kith_dict_replace(d, kith_float(1.0), KITH_STR("third")));
    EXPECT_HOLDS(d, KITH_INT(1), KITH_STR("third"));
    EXPECT_OK(kith_dict_keys(d, take_key, &key));
    EXPECT_OK(kith_dict_delete(d, KITH_INT(1)));
    EXPECT_OK(kith_dict_set(d, kith_float(1.0), KITH_STR("anew")));
    key = kith_float(1.0);
    EXPECT_OK(kith_dict_keys(d, take_key, &key));
}

static const struct {
    const char *what;
    struct kith_item key;
} not_keys[] = {
    { "NaN", { .type = KITH_TYPE_FLOAT, .real = NAN } },
    { "list", { .type = KITH_TYPE_PACKED, .data = "\x91\x01", .size = 2 } },
    { "dict", { .type = KITH_TYPE_PACKED, .data = "\x80", .size = 1 } },
    { "set", { .type = KITH_TYPE_PACKED, .data = "\xd4\x02\x90", .size = 3 } },
    { "a tuple with a list in it",
      { .type = KITH_TYPE_PACKED, .data = "\xd5\x01\x91\x90", .size = 4 } },
    { "a tuple with NaN in it",
      { .type = KITH_TYPE_PACKED,
        .data = "\xc7\x0a\x01\x91\xcb\x7f\xf8\0\0\0\0\0\0",
        .size = 13 } },
    { "a tuple in a tuple with a dict in it",
      { .type = KITH_TYPE_PACKED, .data = "\xc7\x05\x01\x91\xd5\x01\x91\x80", .size = 8 } },
    { "foreign", { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = "t" } },
    { "reference", { .type = KITH_TYPE_REFERENCE, .data = "hits", .size = 1 } },
    { "a str that is not UTF-8", { .type = KITH_TYPE_STR, .data = "\xff", .size = 1 } },
    { "a surrogate", { .type = KITH_TYPE_STR, .data = "\xed\xa0\x80", .size = 3 } },
    { "an overlong NUL", { .type = KITH_TYPE_STR, .data = "\xc0\x80", .size = 2 } },
    { "half a character", { .type = KITH_TYPE_STR, .data = "abc\xe2\x82", .size = 5 } },
    { "past U+10FFFF", { .type = KITH_TYPE_STR, .data = "\xf4\x90\x80\x80", .size = 4 } },
    { "no data", { .type = KITH_TYPE_STR, .data = NULL, .size = 1 } },
    { "no data of bytes", { .type = KITH_TYPE_BYTES, .data = NULL, .size = 9 } },
    { "an empty big int", { .type = KITH_TYPE_BIGINT, .data = "", .size = 0 } },
    { "no type at all", { .type = (kith_type)10 } },
    { "a negative type", { .type = (kith_type)-1 } },
    { "half a tuple", { .type = KITH_TYPE_PACKED, .data = "\xd6\x01\x92\x01", .size = 4 } },
    { "a tuple and more", { .type = KITH_TYPE_PACKED, .data = "\xd4\x01\x90\x00", .size = 4 } },
};

static int
never_called(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    (void)item;
    (void)arg;
    FAIL("called for an empty dict");
    return 0;
}

TEST(dict_refuses_what_cannot_be_a_key_everywhere)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf out = test_untouched_buf();
    kith_view *view = (kith_view *)&out;
    int64_t now = 77;
    double real = 77;
    int64_t n = 1;
    uint64_t count = 77;
    struct kith_item item = KITH_INT(1);

    for (size_t i = 0; i < COUNTOF(not_keys); i++) {
        struct kith_item key = not_keys[i].key;

        if (kith_dict_set(d, key, item) != KITH_EINVAL)
            FAIL("%s was taken as a key", not_keys[i].what);
        EXPECT_RC(KITH_EINVAL, kith_dict_get(d, key, &out));
        EXPECT_RC(KITH_EINVAL, kith_dict_get_version(d, key, &out, &count));
        EXPECT_RC(KITH_EINVAL, kith_dict_get_into(d, key, &count, sizeof(count), NULL));
        EXPECT_RC(KITH_EINVAL, kith_dict_get_many(d, &key, 1, &out));
        EXPECT_RC(KITH_EINVAL, kith_dict_view(d, key, &view));
        EXPECT_RC(KITH_EINVAL, kith_dict_has(d, key));
        EXPECT_RC(KITH_EINVAL, kith_dict_insert(d, key, item));
        EXPECT_RC(KITH_EINVAL, kith_dict_replace(d, key, item));
        EXPECT_RC(KITH_EINVAL, kith_dict_setdefault(d, key, item, &out));
        EXPECT_RC(KITH_EINVAL, kith_dict_swap(d, key, item, &out));
        EXPECT_RC(KITH_EINVAL, kith_dict_cas(d, key, item, item));
        EXPECT_RC(KITH_EINVAL, kith_dict_cas_version(d, key, 1, item));
        EXPECT_RC(KITH_EINVAL, kith_dict_set_many(d, &key, &item, 1));
        EXPECT_RC(KITH_EINVAL, kith_dict_delete(d, key));
        EXPECT_RC(KITH_EINVAL, kith_dict_delete_if(d, key, item));
        EXPECT_RC(KITH_EINVAL, kith_dict_delete_many(d, &key, 1, &count));
        EXPECT_RC(KITH_EINVAL, kith_dict_pop(d, key, &out));
        EXPECT_RC(KITH_EINVAL, kith_dict_add(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_add_with(d, key, 1, NULL, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_add_limit(d, key, 1, 9, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_add_float(d, key, 1, &real));
        EXPECT_RC(KITH_EINVAL, kith_dict_sub(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_min(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_max(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_and(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_or(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_xor(d, key, 1, &now));
        EXPECT_RC(KITH_EINVAL, kith_dict_add_many(d, &key, &n, 1));
    }
    EXPECT_UNTOUCHED(&out);
    EXPECT_TRUE(view == (kith_view *)&out);
    EXPECT_EQ(77, now);
    EXPECT_EQ(77, count);
    EXPECT_TRUE(real == 77);
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_each(d, never_called, NULL));
}

TEST(dict_refuses_malformed_items_and_keeps_what_it_has)
{
    char deep[KITH_PACKED_DEPTH_MAX + 1];
    char tag[KITH_TAG_SIZE_MAX + 2];
    const struct kith_item bad[] = {
        { .type = KITH_TYPE_STR, .data = "\x80", .size = 1 },
        { .type = KITH_TYPE_STR, .data = NULL, .size = 5 },
        { .type = KITH_TYPE_BYTES, .data = NULL, .size = 5 },
        { .type = KITH_TYPE_BIGINT, .data = NULL, .size = 0 },
        { .type = KITH_TYPE_PACKED, .data = "", .size = 0 },
        { .type = KITH_TYPE_PACKED, .data = "\xc1", .size = 1 },
        { .type = KITH_TYPE_PACKED, .data = "\x92\x01", .size = 2 },
        { .type = KITH_TYPE_PACKED, .data = "\x90\x90", .size = 2 },
        { .type = KITH_TYPE_PACKED, .data = "\xdf\xff\xff\xff\xff", .size = 5 },
        { .type = KITH_TYPE_PACKED, .data = "\xdd\xff\xff\xff\xff\xc0", .size = 6 },
        { .type = KITH_TYPE_PACKED, .data = "\x91\xa1\xff", .size = 3 },
        { .type = KITH_TYPE_PACKED, .data = deep, .size = sizeof(deep) },
        { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = NULL },
        { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = "" },
        { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = tag },
        { .type = KITH_TYPE_REFERENCE, .data = "", .size = 0 },
        { .type = KITH_TYPE_REFERENCE, .data = "a/b", .size = 3 },
        { .type = (kith_type)99 },
    };
    kith_dict *d = test_dict(t, "hits");

    memset(deep, '\x91', sizeof(deep));
    deep[sizeof(deep) - 1] = '\x90';
    memset(tag, 't', sizeof(tag));
    tag[sizeof(tag) - 1] = '\0';
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_STR("kept")));
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        kith_err err = kith_dict_set(d, KITH_STR("k"), bad[i]);

        if (err != KITH_EINVAL)
            FAIL("item %zu: expected KITH_EINVAL, got %s", i, test_rc_name(err));
        EXPECT_RC(KITH_EINVAL, kith_dict_insert(d, KITH_STR("new"), bad[i]));
        EXPECT_RC(KITH_EINVAL, kith_dict_swap(d, KITH_STR("k"), bad[i], NULL));
        EXPECT_RC(KITH_EINVAL, kith_dict_cas(d, KITH_STR("k"), KITH_STR("kept"), bad[i]));
    }
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_STR("kept"));
    EXPECT_LEN(d, 1);
    /* As deep, and with as long a tag, as is allowed. */
    deep[sizeof(deep) - 2] = '\x90';
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), test_packed(deep, sizeof(deep) - 1)));
    EXPECT_HOLDS(d, KITH_STR("k"), test_packed(deep, sizeof(deep) - 1));
    tag[KITH_TAG_SIZE_MAX] = '\0';
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), test_foreign("x", 1, tag)));
    EXPECT_HOLDS(d, KITH_STR("k"), test_foreign("x", 1, tag));
}

TEST(dict_keys_may_be_long)
{
    kith_dict *d = test_dict(t, "hits");
    size_t sizes[] = { 200, 4096, 33000, 1 << 20 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        char *data = test_bytes(sizes[i], 3);
        struct kith_buf out = KITH_BUF_INIT;

        EXPECT_OK(kith_dict_set(d, kith_bytes(data, sizes[i]), KITH_INT((int64_t)i)));
        EXPECT_OK(kith_dict_add(d, kith_bytes(data, sizes[i]), 100, NULL));
        EXPECT_HOLDS(d, kith_bytes(data, sizes[i]), KITH_INT((int64_t)i + 100));
        EXPECT_RC(KITH_ENOENT, kith_dict_has(d, kith_bytes(data, sizes[i] - 1)));
        data[sizes[i] - 1] ^= 1;
        EXPECT_RC(KITH_ENOENT, kith_dict_has(d, kith_bytes(data, sizes[i])));
        data[sizes[i] - 1] ^= 1;
        EXPECT_OK(kith_dict_popitem(d, &out, NULL));
        EXPECT_ITEM(kith_bytes(data, sizes[i]), out.item);
        kith_buf_free(&out);
        free(data);
    }
    EXPECT_LEN(d, 0);
}

/* ---- order ---- */

struct order {
    int64_t keys[64];
    size_t count;
    size_t stop_at;
};

static int
note_key(struct kith_item key, struct kith_item item, void *arg)
{
    struct order *order = arg;

    (void)item;
    EXPECT_EQ(KITH_TYPE_INT, key.type);
    EXPECT_TRUE(order->count < COUNTOF(order->keys));
    order->keys[order->count++] = key.integer;
    return order->count == order->stop_at;
}

static int
note_key_alone(struct kith_item key, void *arg)
{
    return note_key(key, kith_none(), arg);
}

static void
expect_order(const char *file, int line, kith_dict *d, const char *want)
{
    struct order order = { .count = 0 };
    struct order keys = { .count = 0 };
    char got[256] = "";

    test_rc(file, line, "kith_dict_each", KITH_OK, kith_dict_each(d, note_key, &order));
    test_rc(file, line, "kith_dict_keys", KITH_OK, kith_dict_keys(d, note_key_alone, &keys));
    for (size_t i = 0; i < order.count; i++)
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%d", i > 0 ? " " : "",
                       (int)order.keys[i]);
    test_str(file, line, "the order", want, got);
    if (memcmp(&order, &keys, sizeof(order)) != 0)
        test_failed(file, line, "kith_dict_keys has another order than kith_dict_each");
}
#define EXPECT_ORDER(d, want) expect_order(__FILE__, __LINE__, d, want)

TEST(dict_keeps_the_order_of_insertion)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    struct kith_item keys[] = { KITH_INT(8), KITH_INT(3), KITH_INT(7) };
    struct kith_item items[] = { KITH_INT(0), KITH_INT(0), KITH_INT(0) };
    int64_t ns[] = { 1, 1, 1 };

    EXPECT_OK(kith_dict_info(d, &info));
    EXPECT_TRUE(info.ordered);
    EXPECT_ORDER(d, "");
    for (int i = 5; i > 0; i--)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(0)));
    EXPECT_ORDER(d, "5 4 3 2 1");
    /* Whatever replaces keeps the place. */
    EXPECT_OK(kith_dict_set(d, KITH_INT(4), KITH_STR("a longer item than was there before")));
    EXPECT_OK(kith_dict_replace(d, KITH_INT(5), KITH_STR("x")));
    EXPECT_OK(kith_dict_swap(d, KITH_INT(2), KITH_STR("y"), NULL));
    EXPECT_OK(kith_dict_cas(d, KITH_INT(1), KITH_INT(0), KITH_INT(9)));
    EXPECT_OK(kith_dict_add(d, KITH_INT(3), 1, NULL));
    EXPECT_OK(kith_dict_setdefault(d, KITH_INT(4), KITH_INT(1), NULL));
    EXPECT_ORDER(d, "5 4 3 2 1");
    /* Deleting and setting moves to the end. */
    EXPECT_OK(kith_dict_delete(d, KITH_INT(4)));
    EXPECT_ORDER(d, "5 3 2 1");
    EXPECT_OK(kith_dict_set(d, KITH_INT(4), KITH_INT(0)));
    EXPECT_ORDER(d, "5 3 2 1 4");
    EXPECT_OK(kith_dict_add(d, KITH_INT(6), 1, NULL));
    EXPECT_ORDER(d, "5 3 2 1 4 6");
    EXPECT_OK(kith_dict_set_many(d, keys, items, 3));
    EXPECT_ORDER(d, "5 3 2 1 4 6 8 7");
    keys[0] = KITH_INT(11);
    keys[2] = KITH_INT(10);
    EXPECT_OK(kith_dict_add_many(d, keys, ns, 3));
    EXPECT_ORDER(d, "5 3 2 1 4 6 8 7 11 10");
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_ORDER(d, "");
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(0)));
    EXPECT_OK(kith_dict_set(d, KITH_INT(0), KITH_INT(0)));
    EXPECT_ORDER(d, "1 0");
}

TEST(dict_popitem_takes_the_newest_first)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_buf key = test_untouched_buf();
    struct kith_buf item = test_untouched_buf();

    EXPECT_FAILS(KITH_EEMPTY, "hits", kith_dict_popitem(d, &key, &item));
    EXPECT_UNTOUCHED(&key);
    EXPECT_UNTOUCHED(&item);
    key = (struct kith_buf)KITH_BUF_INIT;
    item = (struct kith_buf)KITH_BUF_INIT;
    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(-i)));
    EXPECT_OK(kith_dict_set(d, KITH_INT(3), KITH_STR("three")));
    EXPECT_OK(kith_dict_pop(d, KITH_INT(500), NULL));
    EXPECT_OK(kith_dict_set(d, KITH_INT(500), KITH_STR("youngest")));
    EXPECT_OK(kith_dict_popitem(d, &key, &item));
    EXPECT_ITEM(KITH_INT(500), key.item);
    EXPECT_ITEM(KITH_STR("youngest"), item.item);
    for (int i = 999; i >= 0; i--) {
        if (i == 500)
            continue;
        EXPECT_OK(kith_dict_popitem(d, &key, &item));
        EXPECT_ITEM(KITH_INT(i), key.item);
        EXPECT_ITEM(i == 3 ? KITH_STR("three") : KITH_INT(-i), item.item);
    }
    EXPECT_RC(KITH_EEMPTY, kith_dict_popitem(d, &key, &item));
    kith_buf_free(&key);
    kith_buf_free(&item);
}

TEST(dict_each_stops_when_told_to)
{
    kith_dict *d = test_dict(t, "hits");
    struct order order = { .stop_at = 3 };

    for (int i = 0; i < 10; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(i)));
    EXPECT_OK(kith_dict_each(d, note_key, &order));
    EXPECT_EQ(3, order.count);
    order.count = 0;
    EXPECT_OK(kith_dict_keys(d, note_key_alone, &order));
    EXPECT_EQ(3, order.count);
}

struct meddler {
    kith_dict *dict;
    int calls;
};

static int
meddle(struct kith_item key, struct kith_item item, void *arg)
{
    struct meddler *m = arg;
    struct kith_item other = KITH_INT(key.integer + 1000);

    /* The item is the one of the instant at which each began, whatever was changed since. */
    EXPECT_ITEM(KITH_STR("an item of some length, so that it is not kept in the entry"), item);
    EXPECT_OK(kith_dict_delete(m->dict, key));
    EXPECT_OK(kith_dict_set(m->dict, other, KITH_INT(1)));
    EXPECT_OK(kith_dict_each(m->dict, note_key, &(struct order){ .stop_at = 1 }));
    m->calls++;
    return 0;
}

TEST(dict_each_may_change_the_dict_and_sees_it_as_it_was)
{
    kith_dict *d = test_dict(t, "hits");
    struct meddler m = { .dict = d };

    for (int i = 0; i < 300; i++)
        EXPECT_OK(
            kith_dict_set(d, KITH_INT(i),
                          KITH_STR("an item of some length, so that it is not kept in the entry")));
    EXPECT_OK(kith_dict_each(d, meddle, &m));
    EXPECT_EQ(300, m.calls);
    EXPECT_LEN(d, 300);
    for (int i = 0; i < 300; i++)
        EXPECT_HOLDS(d, KITH_INT(i + 1000), KITH_INT(1));
}

static int
clear_all(struct kith_item key, struct kith_item item, void *arg)
{
    struct meddler *m = arg;

    (void)key;
    EXPECT_EQ(100000, item.size);
    EXPECT_EQ(m->calls, ((const unsigned char *)item.data)[99999]);
    EXPECT_OK(kith_dict_clear(m->dict));
    m->calls++;
    return 0;
}

TEST(dict_each_holds_big_items_that_are_deleted_meanwhile)
{
    kith_dict *d = test_dict(t, "hits");
    struct meddler m = { .dict = d };
    unsigned char *data = test_bytes(100000, 1);

    for (int i = 0; i < 8; i++) {
        data[99999] = (unsigned char)i;
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), kith_bytes(data, 100000)));
    }
    EXPECT_OK(kith_dict_each(d, clear_all, &m));
    EXPECT_EQ(8, m.calls);
    free(data);
}

/* ---- many ---- */

TEST(dict_get_many_gives_all_and_marks_the_absent)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item keys[4] = { KITH_STR("a"), KITH_STR("none"), KITH_STR("c"), KITH_STR("a") };
    struct kith_buf out[4] = { KITH_BUF_INIT, KITH_BUF_INIT, KITH_BUF_INIT, KITH_BUF_INIT };

    EXPECT_OK(kith_dict_get_many(d, NULL, 0, NULL));
    EXPECT_OK(kith_dict_set(d, keys[0], KITH_INT(1)));
    EXPECT_OK(kith_dict_set(d, keys[1], kith_none()));
    EXPECT_OK(kith_dict_set(d, keys[2], KITH_STR("three")));
    EXPECT_OK(kith_dict_get_many(d, keys, 4, out));
    EXPECT_ITEM(KITH_INT(1), out[0].item);
    EXPECT_ITEM(kith_none(), out[1].item);
    EXPECT_TRUE(out[1].item.tag != kith_absent);
    EXPECT_ITEM(KITH_STR("three"), out[2].item);
    EXPECT_ITEM(KITH_INT(1), out[3].item);
    EXPECT_OK(kith_dict_delete(d, keys[0]));
    EXPECT_RC(KITH_ENOENT, kith_dict_get_many(d, keys, 4, out));
    EXPECT_TRUE(out[0].item.type == KITH_TYPE_NONE && out[0].item.tag == kith_absent);
    EXPECT_TRUE(out[1].item.tag != kith_absent);
    EXPECT_ITEM(KITH_STR("three"), out[2].item);
    EXPECT_TRUE(out[3].item.tag == kith_absent);
    for (size_t i = 0; i < 4; i++)
        kith_buf_free(&out[i]);
}

TEST(dict_functions_on_many_refuse_all_if_one_is_wrong)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item keys[3] = { KITH_STR("a"), KITH_STR("b"), kith_float(NAN) };
    struct kith_item items[3] = { KITH_INT(1), KITH_INT(2), KITH_INT(3) };
    int64_t ns[3] = { 1, 2, 3 };
    struct kith_buf out[3] = { test_untouched_buf(), test_untouched_buf(), test_untouched_buf() };
    uint64_t deleted = 77;

    EXPECT_OK(kith_dict_set(d, KITH_STR("a"), KITH_INT(10)));
    EXPECT_RC(KITH_EINVAL, kith_dict_set_many(d, keys, items, 3));
    EXPECT_RC(KITH_EINVAL, kith_dict_add_many(d, keys, ns, 3));
    EXPECT_RC(KITH_EINVAL, kith_dict_delete_many(d, keys, 3, &deleted));
    EXPECT_RC(KITH_EINVAL, kith_dict_get_many(d, keys, 3, out));
    for (size_t i = 0; i < 3; i++)
        EXPECT_UNTOUCHED(&out[i]);
    EXPECT_EQ(77, deleted);
    keys[2] = KITH_STR("c");
    items[2] = (struct kith_item){ .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };
    EXPECT_RC(KITH_EINVAL, kith_dict_set_many(d, keys, items, 3));
    EXPECT_RC(KITH_EINVAL, kith_dict_set_many(d, NULL, items, 1));
    EXPECT_RC(KITH_EINVAL, kith_dict_set_many(d, keys, NULL, 1));
    EXPECT_RC(KITH_EINVAL, kith_dict_add_many(d, keys, NULL, 1));
    EXPECT_LEN(d, 1);
    EXPECT_HOLDS(d, KITH_STR("a"), KITH_INT(10));
}

TEST(dict_set_many_and_delete_many_take_thousands_at_once)
{
    enum { COUNT = 5000 };
    kith_dict *d = test_dict(t, "hits");
    struct kith_item *keys = calloc(COUNT + 1, sizeof(*keys));
    struct kith_item *items = calloc(COUNT + 1, sizeof(*items));
    struct kith_buf *out = calloc(COUNT + 1, sizeof(*out));
    uint64_t deleted = 0;

    for (int i = 0; i < COUNT; i++) {
        keys[i] = KITH_INT(i);
        items[i] = KITH_INT(i * 3);
    }
    keys[COUNT] = KITH_INT(0); /* once more: the later item stays */
    items[COUNT] = KITH_STR("later");
    EXPECT_OK(kith_dict_set_many(d, keys, items, COUNT + 1));
    EXPECT_LEN(d, COUNT);
    EXPECT_OK(kith_dict_get_many(d, keys, COUNT + 1, out));
    EXPECT_ITEM(KITH_STR("later"), out[0].item);
    EXPECT_ITEM(KITH_STR("later"), out[COUNT].item);
    for (int i = 1; i < COUNT; i++)
        EXPECT_ITEM(KITH_INT(i * 3), out[i].item);
    EXPECT_OK(kith_dict_delete(d, KITH_INT(17)));
    EXPECT_OK(kith_dict_delete_many(d, keys, COUNT / 2, &deleted));
    EXPECT_EQ(COUNT / 2 - 1, deleted);
    EXPECT_LEN(d, COUNT / 2);
    EXPECT_OK(kith_dict_delete_many(d, keys, COUNT + 1, &deleted));
    EXPECT_EQ(COUNT / 2, deleted);
    EXPECT_LEN(d, 0);
    for (int i = 0; i <= COUNT; i++)
        kith_buf_free(&out[i]);
    free(keys);
    free(items);
    free(out);
}

TEST(dict_delete_many_counts_a_key_given_twice_once)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item keys[3] = { KITH_INT(1), kith_bool(true), KITH_INT(2) };
    uint64_t deleted = 0;

    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(0)));
    EXPECT_OK(kith_dict_delete_many(d, keys, 3, &deleted));
    EXPECT_EQ(1, deleted);
}

/* ---- numbers ---- */

TEST(dict_numbers_change_in_one_step)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    struct kith_add_options with = KITH_ADD_OPTIONS_INIT;
    int64_t now = 0;

    EXPECT_OK(kith_dict_add(d, k, 5, &now));
    EXPECT_EQ(5, now);
    EXPECT_OK(kith_dict_add(d, k, -7, &now));
    EXPECT_EQ(-2, now);
    EXPECT_OK(kith_dict_sub(d, k, 3, &now));
    EXPECT_EQ(-5, now);
    EXPECT_OK(kith_dict_max(d, k, 6, &now));
    EXPECT_EQ(6, now);
    EXPECT_OK(kith_dict_max(d, k, -1, &now));
    EXPECT_EQ(6, now);
    EXPECT_OK(kith_dict_min(d, k, 9, &now));
    EXPECT_EQ(6, now);
    EXPECT_OK(kith_dict_min(d, k, -9, &now));
    EXPECT_EQ(-9, now);
    EXPECT_OK(kith_dict_and(d, k, 0xff, &now));
    EXPECT_EQ(0xf7, now);
    EXPECT_OK(kith_dict_or(d, k, 0x108, &now));
    EXPECT_EQ(0x1ff, now);
    EXPECT_OK(kith_dict_xor(d, k, -1, &now));
    EXPECT_EQ(-0x200, now);
    EXPECT_HOLDS(d, k, KITH_INT(-0x200));
    with.init = 40;
    EXPECT_OK(kith_dict_add_with(d, KITH_STR("with"), 2, &with, &now));
    EXPECT_EQ(42, now);
    EXPECT_OK(kith_dict_add_with(d, KITH_STR("with"), 2, &with, &now));
    EXPECT_EQ(44, now);
    EXPECT_OK(kith_dict_add_with(d, KITH_STR("with"), 2, NULL, &now));
    EXPECT_EQ(46, now);
}

TEST(dict_numbers_of_absent_keys)
{
    kith_dict *d = test_dict(t, "hits");
    int64_t now = 0;
    double real = 0;

    EXPECT_OK(kith_dict_sub(d, KITH_INT(1), 3, &now));
    EXPECT_EQ(-3, now);
    EXPECT_OK(kith_dict_min(d, KITH_INT(2), 7, &now));
    EXPECT_EQ(7, now);
    EXPECT_OK(kith_dict_max(d, KITH_INT(3), -7, &now));
    EXPECT_EQ(-7, now);
    EXPECT_OK(kith_dict_and(d, KITH_INT(4), 7, &now));
    EXPECT_EQ(0, now);
    EXPECT_OK(kith_dict_or(d, KITH_INT(5), 7, &now));
    EXPECT_EQ(7, now);
    EXPECT_OK(kith_dict_xor(d, KITH_INT(6), 7, &now));
    EXPECT_EQ(7, now);
    EXPECT_OK(kith_dict_add_limit(d, KITH_INT(7), 3, 3, &now));
    EXPECT_EQ(3, now);
    EXPECT_OK(kith_dict_add_float(d, KITH_INT(8), 0.25, &real));
    EXPECT_TRUE(real == 0.25);
    EXPECT_HOLDS(d, KITH_INT(8), kith_float(0.25));
    EXPECT_HOLDS(d, KITH_INT(4), KITH_INT(0));
    EXPECT_LEN(d, 8);
    /* Adding nothing makes the key all the same. */
    EXPECT_OK(kith_dict_add(d, KITH_INT(9), 0, &now));
    EXPECT_HOLDS(d, KITH_INT(9), KITH_INT(0));
}

TEST(dict_add_limit_stops_at_the_limit)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    int64_t now = 77;

    EXPECT_RC(KITH_ERANGE, kith_dict_add_limit(d, k, 4, 3, &now));
    EXPECT_EQ(77, now);
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, k));
    EXPECT_OK(kith_dict_add_limit(d, k, 2, 3, &now));
    EXPECT_OK(kith_dict_add_limit(d, k, 1, 3, &now));
    EXPECT_EQ(3, now);
    EXPECT_RC(KITH_ERANGE, kith_dict_add_limit(d, k, 1, 3, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_add_limit(d, k, -4, 0, &now));
    EXPECT_OK(kith_dict_add_limit(d, k, -3, 0, &now));
    EXPECT_EQ(0, now);
    EXPECT_RC(KITH_ERANGE, kith_dict_add_limit(d, k, -1, 0, &now));
    EXPECT_EQ(0, now);
    EXPECT_HOLDS(d, k, KITH_INT(0));
    EXPECT_OK(kith_dict_set(d, k, KITH_INT(INT64_MAX)));
    EXPECT_RC(KITH_ERANGE, kith_dict_add_limit(d, k, 1, INT64_MAX, &now));
    EXPECT_HOLDS(d, k, KITH_INT(INT64_MAX));
}

TEST(dict_numbers_that_do_not_fit_are_ERANGE_and_change_nothing)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    int64_t now = 77;

    EXPECT_OK(kith_dict_set(d, k, KITH_INT(INT64_MAX)));
    EXPECT_FAILS(KITH_ERANGE, "hits", kith_dict_add(d, k, 1, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_sub(d, k, -1, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_sub(d, k, INT64_MIN, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_add_with(d, k, INT64_MAX, NULL, &now));
    EXPECT_HOLDS(d, k, KITH_INT(INT64_MAX));
    EXPECT_EQ(77, now);
    EXPECT_OK(kith_dict_add(d, k, INT64_MIN, &now));
    EXPECT_EQ(-1, now);
    EXPECT_OK(kith_dict_add(d, k, INT64_MIN + 1, &now));
    EXPECT_EQ(INT64_MIN, now);
    now = 77;
    EXPECT_RC(KITH_ERANGE, kith_dict_add(d, k, -1, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_sub(d, k, 1, &now));
    EXPECT_HOLDS(d, k, KITH_INT(INT64_MIN));
    /* 0 - INT64_MIN does not fit; the absent key stays absent. */
    EXPECT_RC(KITH_ERANGE, kith_dict_sub(d, KITH_STR("absent"), INT64_MIN, &now));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("absent")));
    EXPECT_OK(kith_dict_set(d, k, BIGINT("\0\0\0\0\0\0\0\0\1")));
    EXPECT_RC(KITH_ERANGE, kith_dict_add(d, k, 1, &now));
    EXPECT_RC(KITH_ERANGE, kith_dict_min(d, k, 1, &now));
    EXPECT_HOLDS(d, k, BIGINT("\0\0\0\0\0\0\0\0\1"));
    EXPECT_EQ(77, now);
}

TEST(dict_numbers_want_a_number)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    const struct kith_item others[] = {
        kith_none(),   KITH_STR("5"), kith_bytes("5", 1), PACKED("\x90"), test_foreign("5", 1, "t"),
        kith_float(5),
    };
    int64_t now = 77;
    double real = 77;

    for (size_t i = 0; i < COUNTOF(others); i++) {
        EXPECT_OK(kith_dict_set(d, k, others[i]));
        EXPECT_FAILS(KITH_ETYPE, "hits", kith_dict_add(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_add_with(d, k, 1, NULL, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_add_limit(d, k, 1, 9, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_sub(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_min(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_max(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_and(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_or(d, k, 1, &now));
        EXPECT_RC(KITH_ETYPE, kith_dict_xor(d, k, 1, &now));
        if (others[i].type != KITH_TYPE_FLOAT)
            EXPECT_RC(KITH_ETYPE, kith_dict_add_float(d, k, 1, &real));
        EXPECT_HOLDS(d, k, others[i]);
    }
    EXPECT_EQ(77, now);
    EXPECT_TRUE(real == 77);
}

TEST(dict_bool_counts_as_the_int_that_it_is)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    int64_t now = 0;
    double real = 0;

    EXPECT_OK(kith_dict_set(d, k, kith_bool(true)));
    EXPECT_OK(kith_dict_add(d, k, 1, &now));
    EXPECT_EQ(2, now);
    EXPECT_HOLDS(d, k, KITH_INT(2));
    EXPECT_OK(kith_dict_set(d, k, kith_bool(true)));
    EXPECT_OK(kith_dict_add_float(d, k, 0.5, &real));
    EXPECT_TRUE(real == 1.5);
}

TEST(dict_add_float_makes_floats_of_ints)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_STR("k");
    double now = 0;

    EXPECT_OK(kith_dict_set(d, k, KITH_INT(3)));
    EXPECT_OK(kith_dict_add_float(d, k, 0.5, &now));
    EXPECT_TRUE(now == 3.5);
    EXPECT_HOLDS(d, k, kith_float(3.5));
    EXPECT_OK(kith_dict_add_float(d, k, -3.5, &now));
    EXPECT_HOLDS(d, k, kith_float(0.0));
}

TEST(dict_add_many_merges_a_counter_or_nothing)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_item keys[] = { KITH_STR("a"), KITH_STR("b"), KITH_STR("a"), KITH_STR("c") };
    int64_t ns[] = { 1, 2, 10, -3 };

    EXPECT_OK(kith_dict_add_many(d, keys, ns, 0));
    EXPECT_OK(kith_dict_add_many(d, keys, ns, 4));
    EXPECT_HOLDS(d, KITH_STR("a"), KITH_INT(11));
    EXPECT_HOLDS(d, KITH_STR("b"), KITH_INT(2));
    EXPECT_HOLDS(d, KITH_STR("c"), KITH_INT(-3));

    EXPECT_OK(kith_dict_set(d, KITH_STR("c"), KITH_STR("text")));
    EXPECT_FAILS(KITH_ETYPE, "hits", kith_dict_add_many(d, keys, ns, 4));
    EXPECT_OK(kith_dict_set(d, KITH_STR("c"), KITH_INT(INT64_MIN)));
    EXPECT_RC(KITH_ERANGE, kith_dict_add_many(d, keys, ns, 4));
    EXPECT_OK(kith_dict_set(d, KITH_STR("a"), KITH_INT(INT64_MAX - 5)));
    EXPECT_OK(kith_dict_delete(d, KITH_STR("b")));
    EXPECT_RC(KITH_ERANGE, kith_dict_add_many(d, keys, ns, 3)); /* 1 fits, 1 and 10 do not */
    EXPECT_HOLDS(d, KITH_STR("a"), KITH_INT(INT64_MAX - 5));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("b")));
}

/* A batch guesses by a few of its keys whether they are there: these are, the others are not. */
TEST(dict_add_many_whose_keys_are_newer_than_they_look)
{
    enum { COUNT = 1600, EACH = COUNT / 16 };
    struct kith_item *keys = malloc(COUNT * sizeof(*keys));
    int64_t *ns = malloc(COUNT * sizeof(*ns));
    kith_dict *d = test_dict(t, "d");

    EXPECT_TRUE(keys != NULL && ns != NULL);
    for (int i = 0; i < COUNT; i++) {
        keys[i] = KITH_INT(i);
        ns[i] = i;
    }
    for (int i = 0; i < COUNT; i += EACH)
        EXPECT_OK(kith_dict_set(d, keys[i], KITH_INT(1)));
    EXPECT_OK(kith_dict_add_many(d, keys, ns, COUNT));
    EXPECT_LEN(d, COUNT);
    for (int i = 0; i < COUNT; i++)
        EXPECT_HOLDS(d, keys[i], KITH_INT(i + (i % EACH == 0)));
    EXPECT_OK(kith_dict_set(d, KITH_STR("one more"), KITH_INT(1)));
    EXPECT_LEN(d, COUNT + 1);
    EXPECT_WHOLE(t->space);
    free(keys);
    free(ns);
}

TEST(dict_add_many_merges_ten_thousand_keys)
{
    enum { COUNT = 10000 };
    kith_dict *d = test_dict(t, "hits");
    struct kith_item *keys = calloc(COUNT, sizeof(*keys));
    int64_t *ns = calloc(COUNT, sizeof(*ns));

    for (int i = 0; i < COUNT; i++) {
        keys[i] = KITH_INT(i);
        ns[i] = i;
    }
    EXPECT_OK(kith_dict_add_many(d, keys, ns, COUNT));
    EXPECT_OK(kith_dict_add_many(d, keys, ns, COUNT));
    EXPECT_LEN(d, COUNT);
    for (int i = 0; i < COUNT; i++)
        EXPECT_HOLDS(d, KITH_INT(i), KITH_INT(2 * i));
    free(keys);
    free(ns);
}

/* ---- size ---- */

TEST(dict_holds_an_item_of_a_megabyte_and_one_of_64)
{
    kith_dict *d = test_dict(t, "hits");
    size_t sizes[] = { 1 << 20, 64 << 20 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        void *data = test_bytes(sizes[i], i);
        struct kith_buf out = KITH_BUF_INIT;

        EXPECT_OK(kith_dict_set(d, KITH_STR("big"), kith_bytes(data, sizes[i])));
        EXPECT_OK(kith_dict_get(d, KITH_STR("big"), &out));
        EXPECT_EQ(sizes[i], out.item.size);
        EXPECT_TRUE(memcmp(out.item.data, data, sizes[i]) == 0);
        kith_buf_free(&out);
        EXPECT_OK(kith_dict_pop(d, KITH_STR("big"), &out));
        EXPECT_EQ(sizes[i], out.item.size);
        EXPECT_TRUE(memcmp(out.item.data, data, sizes[i]) == 0);
        kith_buf_free(&out);
        free(data);
    }
}

TEST(dict_grows_to_a_hundred_thousand_keys_and_empties_again)
{
    enum { COUNT = 100000 };
    kith_dict *d = test_dict(t, "hits");
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    char key[32];

    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "key number %d", i);
        EXPECT_OK(kith_dict_insert(d, kith_str(key), KITH_INT(i)));
    }
    EXPECT_LEN(d, COUNT);
    EXPECT_OK(kith_dict_info(d, &info));
    EXPECT_EQ(COUNT, info.items);
    EXPECT_GE(info.shards, 1);
    EXPECT_GE(info.bytes_tables, COUNT);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "key number %d", i);
        EXPECT_HOLDS(d, kith_str(key), KITH_INT(i));
        EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_INT(i)));
    }
    for (int i = 0; i < COUNT; i += 2) {
        (void)snprintf(key, sizeof(key), "key number %d", i);
        EXPECT_OK(kith_dict_delete(d, kith_str(key)));
    }
    EXPECT_LEN(d, COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "key number %d", i);
        EXPECT_RC(i % 2 == 0 ? KITH_ENOENT : KITH_OK, kith_dict_has(d, kith_str(key)));
    }
    EXPECT_WHOLE(test_space(t));
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_OK(kith_dict_set(d, KITH_STR("key number 7"), KITH_INT(7)));
    EXPECT_LEN(d, 1);
}

TEST(dict_clear_gives_its_memory_back)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_stat stat = KITH_STAT_INIT;
    uint64_t used = 0;
    char *data = test_bytes(1000, 1);

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 5000; i++)
            EXPECT_OK(kith_dict_set(d, KITH_INT(i), kith_bytes(data, 1000)));
        EXPECT_OK(kith_stat(test_space(t), &stat));
        if (round == 0)
            used = stat.bytes_used;
        EXPECT_GE(used * 2, stat.bytes_used);
        EXPECT_OK(kith_dict_clear(d));
    }
    free(data);
}

TEST(dict_churn_over_few_keys_does_not_grow)
{
    kith_dict *d = test_dict(t, "hits");
    struct kith_stat stat = KITH_STAT_INIT;
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    uint64_t used;

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("an item that takes a block")));
    for (int i = 0; i < 20000; i++) {
        EXPECT_OK(kith_dict_delete(d, KITH_INT(i % 1000)));
        EXPECT_OK(kith_dict_set(d, KITH_INT(i % 1000), KITH_STR("an item that takes a block")));
    }
    EXPECT_OK(kith_stat(test_space(t), &stat));
    used = stat.bytes_used;
    for (int i = 0; i < 200000; i++) {
        EXPECT_OK(kith_dict_delete(d, KITH_INT(i % 1000)));
        EXPECT_OK(kith_dict_set(d, KITH_INT(i % 1000), KITH_STR("an item that takes a block")));
    }
    EXPECT_OK(kith_stat(test_space(t), &stat));
    EXPECT_GE(used * 5 / 4, stat.bytes_used);
    EXPECT_OK(kith_dict_info(d, &info));
    EXPECT_EQ(1000, info.items);
}

/* ---- opening ---- */

TEST(dict_open_creates_opens_and_refuses_as_told)
{
    kith_space *space = test_space(t);
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    kith_dict *nobody = (kith_dict *)t;
    kith_dict *d = nobody;
    kith_dict *again = NULL;
    kith_queue *q = (kith_queue *)t;

    options.create = KITH_MUST_EXIST;
    EXPECT_FAILS(KITH_ENOENT, "hits", kith_dict_open(space, "hits", &options, &d));
    EXPECT_TRUE(d == nobody);
    options.create = KITH_MUST_CREATE;
    EXPECT_OK(kith_dict_open(space, "hits", &options, &d));
    EXPECT_FAILS(KITH_EEXIST, "hits", kith_dict_open(space, "hits", &options, &again));
    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_dict_open(space, "hits", &options, &again));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(2)));
    EXPECT_HOLDS(again, KITH_INT(1), KITH_INT(2));
    EXPECT_FAILS(KITH_ETYPE, "hits", kith_queue_open(space, "hits", NULL, &q));
    EXPECT_TRUE(q == (kith_queue *)t);
    options.create = (enum kith_create)9;
    EXPECT_RC(KITH_EINVAL, kith_dict_open(space, "hits", &options, &again));
    kith_dict_close(d);
    EXPECT_HOLDS(again, KITH_INT(1), KITH_INT(2));
    kith_dict_close(again);
    kith_dict_close(NULL);
}

TEST(dict_refuses_NULL_where_it_needs_something)
{
    kith_space *space = test_space(t);
    kith_dict *d = test_dict(t, "hits");
    struct kith_item k = KITH_INT(1);
    struct kith_buf out = test_untouched_buf();
    int64_t now = 77;

    EXPECT_RC(KITH_EINVAL, kith_dict_open(NULL, "hits", NULL, &d));
    EXPECT_RC(KITH_EINVAL, kith_dict_open(space, NULL, NULL, &d));
    EXPECT_RC(KITH_EINVAL, kith_dict_open(space, "hits", NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_get(NULL, k, &out));
    EXPECT_RC(KITH_EINVAL, kith_dict_set(NULL, k, k));
    EXPECT_RC(KITH_EINVAL, kith_dict_add(NULL, k, 1, &now));
    EXPECT_RC(KITH_EINVAL, kith_dict_delete(NULL, k));
    EXPECT_RC(KITH_EINVAL, kith_dict_has(NULL, k));
    EXPECT_RC(KITH_EINVAL, kith_dict_clear(NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_popitem(NULL, &out, &out));
    EXPECT_RC(KITH_EINVAL, kith_dict_len(NULL, (uint64_t *)&now));
    EXPECT_RC(KITH_EINVAL, kith_dict_each(NULL, never_called, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_each(d, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_keys(d, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_info(d, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_view(d, k, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dict_get_many(d, NULL, 1, &out));
    EXPECT_UNTOUCHED(&out);
    EXPECT_EQ(77, now);
}

TEST(dict_destroyed_is_EGONE_for_every_function_and_its_name_is_free)
{
    kith_space *space = test_space(t);
    kith_dict *d = test_dict(t, "hits");
    kith_dict *fresh;
    struct kith_item k = KITH_STR("k");
    struct kith_buf out = test_untouched_buf();
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_view *view = NULL;
    int64_t now = 77;
    int64_t n = 1;
    double real = 77;
    uint64_t count = 77;

    EXPECT_OK(kith_dict_set(d, k, KITH_INT(1)));
    EXPECT_OK(kith_destroy(space, "hits"));
    for (int round = 0; round < 2; round++) {
        EXPECT_FAILS(KITH_EGONE, "hits", kith_dict_get(d, k, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_get_version(d, k, &out, &count));
        EXPECT_RC(KITH_EGONE, kith_dict_get_into(d, k, &now, sizeof(now), NULL));
        EXPECT_RC(KITH_EGONE, kith_dict_get_many(d, &k, 1, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_view(d, k, &view));
        EXPECT_RC(KITH_EGONE, kith_dict_has(d, k));
        EXPECT_RC(KITH_EGONE, kith_dict_len(d, &count));
        EXPECT_RC(KITH_EGONE, kith_dict_each(d, never_called, NULL));
        EXPECT_RC(KITH_EGONE, kith_dict_keys(d, take_key, NULL));
        EXPECT_RC(KITH_EGONE, kith_dict_info(d, &info));
        EXPECT_RC(KITH_EGONE, kith_dict_set(d, k, k));
        EXPECT_RC(KITH_EGONE, kith_dict_insert(d, k, k));
        EXPECT_RC(KITH_EGONE, kith_dict_replace(d, k, k));
        EXPECT_RC(KITH_EGONE, kith_dict_setdefault(d, k, k, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_swap(d, k, k, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_cas(d, k, k, k));
        EXPECT_RC(KITH_EGONE, kith_dict_cas_version(d, k, 1, k));
        EXPECT_RC(KITH_EGONE, kith_dict_set_many(d, &k, &k, 1));
        EXPECT_RC(KITH_EGONE, kith_dict_delete(d, k));
        EXPECT_RC(KITH_EGONE, kith_dict_delete_if(d, k, k));
        EXPECT_RC(KITH_EGONE, kith_dict_delete_many(d, &k, 1, &count));
        EXPECT_RC(KITH_EGONE, kith_dict_pop(d, k, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_popitem(d, &out, &out));
        EXPECT_RC(KITH_EGONE, kith_dict_clear(d));
        EXPECT_RC(KITH_EGONE, kith_dict_add(d, k, 1, &now));
        EXPECT_RC(KITH_EGONE, kith_dict_add_float(d, k, 1, &real));
        EXPECT_RC(KITH_EGONE, kith_dict_add_with(d, k, 1, NULL, &now));
        EXPECT_RC(KITH_EGONE, kith_dict_add_limit(d, k, 1, 9, &now));
        EXPECT_RC(KITH_EGONE, kith_dict_add_many(d, &k, &n, 1));
        EXPECT_UNTOUCHED(&out);
        EXPECT_EQ(77, count);
        EXPECT_EQ(77, now);
        /* A new dict of that name is another one, also if it got the same memory. */
        fresh = test_dict(t, "hits");
        EXPECT_OK(kith_dict_set(fresh, KITH_STR("new"), KITH_INT(1)));
        EXPECT_LEN(fresh, 1);
    }
}

TEST(dict_stays_whole_while_hundreds_come_and_go)
{
    kith_space *space = test_space(t);
    char name[32];

    for (int i = 0; i < 400; i++) {
        kith_dict *d = NULL;

        (void)snprintf(name, sizeof(name), "d%d", i);
        EXPECT_OK(kith_dict_open(space, name, NULL, &d));
        for (int j = 0; j < i; j++)
            EXPECT_OK(kith_dict_set(d, KITH_INT(j), KITH_STR("something to store")));
        kith_dict_close(d);
        if (i >= 10) {
            (void)snprintf(name, sizeof(name), "d%d", i - 10);
            EXPECT_OK(kith_destroy(space, name));
        }
    }
}

/* ---- processes and threads ---- */

struct pair {
    kith_dict *dict;
    sem_t *ready;
    sem_t *go;
};

static void
child_writes(void *arg)
{
    struct pair *p = arg;

    EXPECT_HOLDS(p->dict, KITH_STR("parent"), KITH_INT(1));
    EXPECT_OK(kith_dict_set(p->dict, KITH_STR("child"), KITH_STR("hello")));
    EXPECT_OK(kith_dict_add(p->dict, KITH_STR("parent"), 1, NULL));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    EXPECT_HOLDS(p->dict, KITH_STR("parent"), KITH_INT(3));
}

TEST(dict_is_shared_with_a_forked_child)
{
    kith_dict *d = test_dict(t, "hits");
    struct pair p = { d, test_gate(), test_gate() };
    pid_t pid;

    EXPECT_OK(kith_dict_set(d, KITH_STR("parent"), KITH_INT(1)));
    pid = test_child(child_writes, &p);
    GATE_WAIT(p.ready);
    EXPECT_HOLDS(d, KITH_STR("child"), KITH_STR("hello"));
    EXPECT_OK(kith_dict_add(d, KITH_STR("parent"), 1, NULL));
    test_gate_open(p.go);
    CHILD_JOIN(pid);
}

TEST(dict_outlives_a_child_that_was_killed)
{
    kith_dict *d = test_dict(t, "hits");
    struct pair p = { d, test_gate(), test_gate() };
    pid_t pid;

    EXPECT_OK(kith_dict_set(d, KITH_STR("parent"), KITH_INT(1)));
    pid = test_child(child_writes, &p);
    GATE_WAIT(p.ready);
    test_child_kill(pid);
    EXPECT_HOLDS(d, KITH_STR("child"), KITH_STR("hello"));
    EXPECT_HOLDS(d, KITH_STR("parent"), KITH_INT(2));
}

struct adder {
    kith_dict *dict;
    int id;
};

static void *
add_in_thread(void *arg)
{
    struct adder *a = arg;

    for (int i = 0; i < 2000; i++) {
        EXPECT_OK(kith_dict_add(a->dict, KITH_STR("shared"), 1, NULL));
        EXPECT_OK(kith_dict_set(a->dict, KITH_INT(a->id * 10000 + i), KITH_INT(i)));
    }
    return NULL;
}

TEST(dict_takes_calls_from_many_threads_on_one_handle)
{
    kith_dict *d = test_dict(t, "hits");
    struct adder adders[8];
    pthread_t threads[8];

    for (int i = 0; i < 8; i++) {
        adders[i] = (struct adder){ d, i };
        threads[i] = test_thread(add_in_thread, &adders[i]);
    }
    for (int i = 0; i < 8; i++)
        test_thread_join(threads[i]);
    EXPECT_HOLDS(d, KITH_STR("shared"), KITH_INT(16000));
    EXPECT_LEN(d, 16001);
}
