#include "base/pack.h"
#include "unit.h"

#define BYTES(literal) literal, sizeof(literal) - 1

/* Reads one value that must be there and leave nothing behind it. */
static struct kith__pack_value
read_one(const char *bytes, size_t size)
{
    struct kith__pack_reader r = kith__pack_reader(bytes, size);
    struct kith__pack_value value;

    assert_true(kith__pack_read(&r, &value));
    assert_int_equal(0, r.left);
    return value;
}

static const struct {
    const char *bytes;
    size_t size;
    int64_t integer;
} integers[] = {
    { BYTES("\x00"), 0 },
    { BYTES("\x7f"), 127 },
    { BYTES("\xff"), -1 },
    { BYTES("\xe0"), -32 },
    { BYTES("\xcc\xff"), 255 },
    { BYTES("\xcd\x01\x00"), 256 },
    { BYTES("\xce\xff\xff\xff\xff"), 4294967295 },
    { BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX },
    { BYTES("\xd0\x80"), -128 },
    { BYTES("\xd1\xff\x00"), -256 },
    { BYTES("\xd2\x80\x00\x00\x00"), INT32_MIN },
    { BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN },
};

static void
integers_of_every_width_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(integers); i++) {
        struct kith__pack_value value = read_one(integers[i].bytes, integers[i].size);

        assert_int_equal(KITH__PACK_INT, value.kind);
        assert_true(value.integer == integers[i].integer);
    }
    assert_true(read_one(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff")).natural == UINT64_MAX);
}

static void
other_values_are_read(void **state)
{
    (void)state;
    assert_int_equal(KITH__PACK_NIL, read_one(BYTES("\xc0")).kind);
    assert_false(read_one(BYTES("\xc2")).boolean);
    assert_true(read_one(BYTES("\xc3")).boolean);
    assert_true(read_one(BYTES("\xca\x3f\xc0\x00\x00")).real == 1.5);
    assert_true(read_one(BYTES("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00")).real == -1.5);
    assert_int_equal(3, read_one(BYTES("\xa3"
                                       "abc"))
                            .size);
    assert_int_equal(3, read_one(BYTES("\xd9\x03"
                                       "abc"))
                            .size);
    assert_int_equal(3, read_one(BYTES("\xda\x00\x03"
                                       "abc"))
                            .size);
    assert_int_equal(3, read_one(BYTES("\xdb\x00\x00\x00\x03"
                                       "abc"))
                            .size);
    assert_int_equal(KITH__PACK_BIN, read_one(BYTES("\xc4\x01z")).kind);
    assert_int_equal(1, read_one(BYTES("\xd4\x01\x90")).ext);
    assert_int_equal(-1, read_one(BYTES("\xd4\xff\x90")).ext);
    assert_int_equal(16, read_one(BYTES("\xd8\x03"
                                        "0123456789abcdef"))
                             .size);
    assert_int_equal(2, read_one(BYTES("\xc7\x02\x03\x01\x02")).size);
}

static const struct {
    const char *what;
    const char *bytes;
    size_t size;
    kith_err rc;
} values[] = {
    { "a scalar", BYTES("\x01"), KITH_OK },
    { "a list", BYTES("\x93\x01\xa1x\xc0"), KITH_OK },
    { "a dict",
      BYTES("\x82\xa1"
            "a\x01\xa1"
            "b\x90"),
      KITH_OK },
    { "a tuple", BYTES("\xc7\x03\x01\x92\x01\x02"), KITH_OK },
    { "a set", BYTES("\xd5\x02\x91\x05"), KITH_OK },
    { "a big int", BYTES("\xd4\x03\x05"), KITH_OK },
    { "a foreign item",
      BYTES("\xc7\x05\x04\xa3"
            "a/bz"),
      KITH_OK },
    { "nothing", "", 0, KITH_EINVAL },
    { "two values", BYTES("\x01\x02"), KITH_EINVAL },
    { "0xc1, which begins nothing", BYTES("\xc1"), KITH_EINVAL },
    { "a list that is one short", BYTES("\x92\x01"), KITH_EINVAL },
    { "a list of four billion", BYTES("\xdd\xff\xff\xff\xff\x01"), KITH_EINVAL },
    { "a dict of four billion", BYTES("\xdf\xff\xff\xff\xff\x01"), KITH_EINVAL },
    { "a str longer than all", BYTES("\xdb\xff\xff\xff\xffx"), KITH_EINVAL },
    { "a str that is not UTF-8", BYTES("\xa1\xff"), KITH_EINVAL },
    { "a tuple that is no array", BYTES("\xd4\x01\x05"), KITH_EINVAL },
    { "a tuple with more behind", BYTES("\xd5\x01\x90\x05"), KITH_EINVAL },
    { "an empty ext", BYTES("\xc7\x00\x01"), KITH_EINVAL },
    { "a big int without bytes", BYTES("\xc7\x00\x03"), KITH_EINVAL },
    { "a foreign item without a tag", BYTES("\xd4\x04\x01"), KITH_EINVAL },
    { "one with an empty tag", BYTES("\xd4\x04\xa0"), KITH_EINVAL },
    { "one with a NUL in its tag", BYTES("\xc7\x03\x04\xa2x\0"), KITH_EINVAL },
    { "an ext of no meaning", BYTES("\xd4\x05\x01"), KITH_EINVAL },
    { "a timestamp", BYTES("\xd6\xff\x00\x00\x00\x00"), KITH_EINVAL },
};

static void
malformed_values_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(values); i++) {
        kith_err rc = kith__pack_check(values[i].bytes, values[i].size);

        if (rc != values[i].rc)
            fail_msg("%s gave %d, not %d", values[i].what, (int)rc, (int)values[i].rc);
    }
}

/* `depth` lists, each in the one before; the innermost is empty. */
static size_t
nest(uint8_t *bytes, size_t depth)
{
    memset(bytes, 0x91, depth - 1);
    bytes[depth - 1] = 0x90;
    return depth;
}

static void
nesting_ends_at_its_limit(void **state)
{
    static uint8_t bytes[1 << 20];

    (void)state;
    EXPECT_OK(kith__pack_check(bytes, nest(bytes, KITH_PACKED_DEPTH_MAX)));
    EXPECT_RC(KITH_EINVAL, kith__pack_check(bytes, nest(bytes, KITH_PACKED_DEPTH_MAX + 1)));
    EXPECT_RC(KITH_EINVAL, kith__pack_check(bytes, nest(bytes, sizeof(bytes))));
}

/* Each beginning of a good value is bad, and none is read past its end. */
static void
a_value_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(values); i++) {
        for (size_t size = 0; size < values[i].size; size++) {
            uint8_t *exact = malloc(size + 1);

            memcpy(exact, values[i].bytes, size);
            if (values[i].rc == KITH_OK)
                EXPECT_RC(KITH_EINVAL, kith__pack_check(exact, size));
            exact = realloc(exact, size > 0 ? size : 1);
            (void)kith__pack_check(exact, size);
            free(exact);
        }
    }
}

static void
random_bytes_do_no_harm(void **state)
{
    uint64_t random = 88172645463325252; /* a xorshift; any seed will do */

    (void)state;
    for (size_t round = 0; round < 200000; round++) {
        size_t size = random % 24;
        uint8_t *bytes = malloc(size > 0 ? size : 1);

        for (size_t i = 0; i < size; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[i] = (uint8_t)random;
        }
        (void)kith__pack_check(bytes, size);
        free(bytes);
        random += round;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_width_are_read),
        cmocka_unit_test(other_values_are_read),
        cmocka_unit_test(malformed_values_are_refused),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(a_value_cut_anywhere_is_refused),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
