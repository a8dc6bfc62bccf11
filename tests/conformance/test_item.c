/*
 * test_item.c - what kith/item.h promises of making items, and of references.
 */
#include "test.h"

TEST(item_makers_make_what_they_say)
{
    struct kith_item item = KITH_STR("a\0b");

    EXPECT_EQ(KITH_TYPE_STR, item.type);
    EXPECT_EQ(3, item.size);
    EXPECT_TRUE(memcmp(item.data, "a\0b", 3) == 0);
    EXPECT_ITEM(KITH_STR("text"), kith_str("text"));
    EXPECT_ITEM(KITH_STR(""), kith_str(""));
    EXPECT_ITEM(KITH_STR(""), kith_str(NULL));
    item = kith_bytes("\0\1", 2);
    EXPECT_EQ(KITH_TYPE_BYTES, item.type);
    EXPECT_EQ(2, item.size);
    item = KITH_INT(-5);
    EXPECT_EQ(KITH_TYPE_INT, item.type);
    EXPECT_EQ(-5, item.integer);
    EXPECT_ITEM(item, kith_int(-5));
    item = kith_bool(true);
    EXPECT_EQ(KITH_TYPE_BOOL, item.type);
    EXPECT_TRUE(item.boolean);
    item = kith_float(0.5);
    EXPECT_EQ(KITH_TYPE_FLOAT, item.type);
    EXPECT_TRUE(item.real == 0.5);
    item = kith_none();
    EXPECT_EQ(KITH_TYPE_NONE, item.type);
    EXPECT_TRUE(item.data == NULL && item.size == 0 && item.tag == NULL);
    EXPECT_TRUE(item.tag != kith_absent);
}

TEST(item_that_is_a_reference_names_an_object_of_the_space)
{
    kith_dict *outer = test_dict(t, "outer");
    kith_dict *inner = test_dict(t, "inner");
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_set(inner, KITH_STR("x"), KITH_INT(1)));
    EXPECT_OK(kith_dict_set(outer, KITH_STR("ref"), test_reference("inner")));
    EXPECT_OK(kith_dict_get(outer, KITH_STR("ref"), &out));
    EXPECT_EQ(KITH_TYPE_REFERENCE, out.item.type);
    EXPECT_EQ(5, out.item.size);
    EXPECT_TRUE(memcmp(out.item.data, "inner", 5) == 0);
    kith_buf_free(&out);
}
