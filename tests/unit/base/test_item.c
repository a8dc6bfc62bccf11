#include "base/item.h"
#include "unit.h"

static void
constructors_fill_what_their_type_needs(void **state)
{
    (void)state;
    assert_int_equal(KITH_TYPE_NONE, kith_none().type);
    assert_true(kith_bool(true).boolean);
    assert_true(kith_int(INT64_MIN).integer == INT64_MIN);
    assert_true(kith_float(0.5).real == 0.5);
    assert_int_equal(3, kith_str("abc").size);
    assert_int_equal(0, kith_str(NULL).size);
    assert_int_equal(KITH_TYPE_BYTES, kith_bytes("a\0b", 3).type);
    assert_int_equal(3, KITH_STR("a\0b").size);
    assert_true(KITH_INT(-1).integer == -1);
    EXPECT_OK(kith__item_check(kith_str(NULL)));
    EXPECT_OK(kith__item_check(kith_bytes(NULL, 0)));
}

static const struct {
    const char *what;
    struct kith_item item;
    kith_err rc;
} checks[] = {
    { "a NUL in a str", { .type = KITH_TYPE_STR, .data = "a\0b", .size = 3 }, KITH_OK },
    { "a str that is Latin-1",
      { .type = KITH_TYPE_STR, .data = "\xe9t\xe9", .size = 3 },
      KITH_EINVAL },
    { "the same as bytes", { .type = KITH_TYPE_BYTES, .data = "\xe9t\xe9", .size = 3 }, KITH_OK },
    { "NULL data with a size", { .type = KITH_TYPE_BYTES, .size = 1 }, KITH_EINVAL },
    { "an unknown type", { .type = (kith_type)10 }, KITH_EINVAL },
    { "a negative type", { .type = (kith_type)-1 }, KITH_EINVAL },
    { "a big int", { .type = KITH_TYPE_BIGINT, .data = "\xff", .size = 1 }, KITH_OK },
    { "a big int without bytes", { .type = KITH_TYPE_BIGINT, .data = "" }, KITH_EINVAL },
    { "an empty list", { .type = KITH_TYPE_PACKED, .data = "\x90", .size = 1 }, KITH_OK },
    { "half a list", { .type = KITH_TYPE_PACKED, .data = "\x91", .size = 1 }, KITH_EINVAL },
    { "no packed value", { .type = KITH_TYPE_PACKED, .data = "" }, KITH_EINVAL },
    { "a foreign item",
      { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = "a/b" },
      KITH_OK },
    { "one without a tag", { .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1 }, KITH_EINVAL },
    { "one with an empty tag", { .type = KITH_TYPE_FOREIGN, .tag = "" }, KITH_EINVAL },
    { "a tag of 63 bytes",
      { .type = KITH_TYPE_FOREIGN,
        .tag = "123456789012345678901234567890123456789012345678901234567890123" },
      KITH_OK },
    { "a tag of 64 bytes",
      { .type = KITH_TYPE_FOREIGN,
        .tag = "1234567890123456789012345678901234567890123456789012345678901234" },
      KITH_EINVAL },
    { "a reference", { .type = KITH_TYPE_REFERENCE, .data = "jobs", .size = 4 }, KITH_OK },
    { "a reference to a path",
      { .type = KITH_TYPE_REFERENCE, .data = "a/b", .size = 3 },
      KITH_EINVAL },
    { "a reference to nothing", { .type = KITH_TYPE_REFERENCE, .data = "" }, KITH_EINVAL },
};

static void
what_is_no_item_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(checks); i++) {
        kith_err rc = kith__item_check(checks[i].item);

        if (rc != checks[i].rc)
            fail_msg("%s gave %d, not %d", checks[i].what, (int)rc, (int)checks[i].rc);
        assert_int_equal(rc, kith__item_check_fast(&checks[i].item));
        if (rc < 0)
            assert_int_equal('.', kith_last_error()[strlen(kith_last_error()) - 1]);
    }
}

static void
parts_are_one_item(void **state)
{
    static const struct kith_part parts[] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 } };
    struct kith_item item = { .type = KITH_TYPE_NONE };
    uint8_t bytes[6] = "------";

    (void)state;
    assert_int_equal(KITH_OK, kith__item_of_parts("x/y", parts, 3, &item));
    assert_int_equal(5, item.size);
    assert_int_equal(KITH_TYPE_FOREIGN, kith__item_type(&item));
    assert_int_equal(3, kith__item_tag_size(&item));
    kith__item_copy(&item, bytes);
    assert_memory_equal("abcde-", bytes, 6);
    /* What does not know of parts takes it for no item. */
    assert_int_equal(KITH_EINVAL, kith__item_check(item));
    item = kith_bytes("fg", 2);
    assert_int_equal(KITH_TYPE_BYTES, kith__item_type(&item));
    assert_int_equal(0, kith__item_tag_size(&item));
    kith__item_copy(&item, bytes);
    assert_memory_equal("fgcde-", bytes, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constructors_fill_what_their_type_needs),
        cmocka_unit_test(what_is_no_item_is_refused),
        cmocka_unit_test(parts_are_one_item),
    };

    return cmocka_run_group_tests_name("item", tests, NULL, NULL);
}
