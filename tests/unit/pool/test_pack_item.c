#include "pool/pack_item.h"

#include "base/alloc.h"
#include "unit.h"

static struct kith_item
item_of(kith_type type, const void *data, size_t size)
{
    return (struct kith_item){ .type = type, .data = data, .size = size };
}

/* Writes and reads it again; MessagePack's own reader finds nothing wrong with it. */
static void
comes_back(struct kith_item item)
{
    struct kith__packer packer = { .data = NULL };
    struct kith__pack_reader reader;
    struct kith_item got;
    kith__tag tag;

    kith__pack_array(&packer, 1);
    kith__pack_item(&packer, item);
    EXPECT_OK(packer.err);
    EXPECT_OK(kith__pack_check(packer.data, packer.size));
    reader = kith__pack_reader(packer.data + 5, packer.size - 5);
    assert_true(kith__unpack_item(&reader, &got, tag));
    assert_int_equal(0, reader.left);
    assert_int_equal(item.type, got.type);
    if (item.type == KITH_TYPE_INT)
        assert_true(item.integer == got.integer);
    if (item.type == KITH_TYPE_BOOL)
        assert_true(item.boolean == got.boolean);
    if (item.type == KITH_TYPE_FLOAT)
        assert_true(item.real == got.real);
    assert_int_equal(item.size, got.size);
    if (item.size > 0)
        assert_memory_equal(item.data, got.data, item.size);
    if (item.type == KITH_TYPE_FOREIGN)
        assert_string_equal(item.tag, got.tag);
    /* Cut anywhere it is nothing. */
    for (size_t size = 0; size + 5 < packer.size; size++) {
        reader = kith__pack_reader(packer.data + 5, size);
        assert_false(kith__unpack_item(&reader, &got, tag));
    }
    kith__free(packer.data);
}

static void
every_item_comes_back(void **state)
{
    static const int64_t numbers[] = { 0, 1, 127, 128, -1, -32, -33, INT64_MAX, INT64_MIN };
    static const char long_tag[] =
        "a-tag-of-sixty-three-bytes-which-is-as-long-as-a-tag-may-be-123";
    struct kith_item foreign = item_of(KITH_TYPE_FOREIGN, "abc", 3);
    char bytes[300] = { 1, 2, 3 };

    (void)state;
    comes_back(kith_none());
    comes_back(kith_bool(true));
    comes_back(kith_bool(false));
    for (size_t i = 0; i < COUNTOF(numbers); i++)
        comes_back(kith_int(numbers[i]));
    comes_back(kith_float(-0.25));
    comes_back(kith_str(""));
    comes_back(kith_str("K\xc3\xa4se"));
    comes_back(kith_bytes(NULL, 0));
    comes_back(kith_bytes(bytes, sizeof(bytes)));
    comes_back(item_of(KITH_TYPE_BIGINT, "\0\0\0\0\0\0\0\0\1", 9));
    comes_back(item_of(KITH_TYPE_PACKED, "\x93\x01\x92\x02\xa1x\xc0", 7));
    comes_back(item_of(KITH_TYPE_PACKED, "\x82\x01\x81\x02\x03\xa1x\x90", 8));
    comes_back(item_of(KITH_TYPE_PACKED, "\xc7\x03\x01\x92\x01\x02", 6)); /* a tuple */
    foreign.tag = "python/pickle";
    comes_back(foreign);
    foreign.tag = long_tag;
    foreign.size = 0;
    comes_back(foreign);
}

static void
a_reference_is_refused_and_so_is_all_that_follows(void **state)
{
    struct kith__packer packer = { .data = NULL };

    (void)state;
    kith__pack_int(&packer, 1);
    kith__pack_item(&packer, item_of(KITH_TYPE_REFERENCE, "hits", 4));
    assert_int_equal(KITH_EINVAL, packer.err);
    kith__pack_text(&packer, "more");
    assert_int_equal(KITH_EINVAL, packer.err);
    assert_int_equal(1, packer.size);
    kith__free(packer.data);
}

static void
what_is_no_item_is_not_read(void **state)
{
    static const struct {
        const char *data;
        size_t size;
    } wrong[] = {
        { "", 0 },
        { "\xc1", 1 },                 /* is never used */
        { "\xdd\xff\xff\xff\xff", 5 }, /* four billion values, of which none is */
        { "\xdf\xff\xff\xff\xff\x01", 6 },
        { "\x92\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff", 11 },
        { "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 }, /* more than an int */
        { "\xc7\x02\x04\xa0\x01", 5 },                 /* foreign, with an empty tag */
        { "\xc7\x01\x04\x01", 4 },                     /* foreign, with no tag at all */
        { "\xdb\x00\x00\x00\x09short", 10 },
    };
    struct kith_item item = { .type = (kith_type)77 };
    kith__tag tag;

    (void)state;
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        struct kith__pack_reader reader = kith__pack_reader(wrong[i].data, wrong[i].size);

        assert_false(kith__unpack_item(&reader, &item, tag));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_comes_back),
        cmocka_unit_test(a_reference_is_refused_and_so_is_all_that_follows),
        cmocka_unit_test(what_is_no_item_is_not_read),
    };

    return cmocka_run_group_tests_name("pack_item", tests, NULL, NULL);
}
