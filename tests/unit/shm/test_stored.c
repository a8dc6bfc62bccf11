#include "shm/table.h"

#include "dict_stage.h"

static struct kith__op op;

static void
open_all(void)
{
    make_dict();
    kith__op_begin(&op, stage.self);
}

static void
close_all(void)
{
    kith__op_abort(&op);
    close_dict();
}

static struct kith__stored
store(struct kith_item item)
{
    struct kith__stored stored;

    EXPECT_OK(kith__stored_make(&op, item, &stored));
    return stored;
}

static struct kith_item
foreign(const char *tag, const void *data, size_t size)
{
    return (struct kith_item){ .type = KITH_TYPE_FOREIGN, .tag = tag, .data = data, .size = size };
}

/* Whether what is stored is the item; if it is, it is read back as that. */
static bool
is_item(const struct kith__stored *stored, struct kith_item item)
{
    kith__word word = stored->value;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item back;

    if (!kith__stored_equals(stage.arena, stored->meta, &word, stored->value, item))
        return false;
    EXPECT_OK(kith__stored_item(stage.arena, stored->meta, &word, stored->value, &back, tag));
    assert_int_equal(item.type, back.type);
    if (item.type <= KITH_TYPE_FLOAT) {
        assert_int_equal(item.integer, back.integer);
        return true;
    }
    assert_int_equal(item.size, back.size);
    if (item.size > 0)
        assert_memory_equal(item.data, back.data, item.size);
    if (item.tag != NULL)
        assert_string_equal(item.tag, back.tag);
    return true;
}

static void
up_to_eight_bytes_stand_in_the_word_and_more_in_a_block(void **unused)
{
    uint8_t bytes[64];

    (void)unused;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 1);
    open_all();
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct kith_item item = kith_bytes(bytes, size);
        struct kith__stored stored = store(item);
        uint64_t block;

        assert_int_equal(size <= 8, kith__meta_inline(stored.meta));
        assert_int_equal(size > 8, kith__block_at(stage.arena, stored.value, &block) &&
                                       block >= size && stored.value >= stage.arena->heap_off);
        assert_true(is_item(&stored, item));
    }
    close_all();
}

static void
a_tag_counts_as_bytes_of_its_item(void **unused)
{
    struct kith__stored stored;

    (void)unused;
    open_all();
    stored = store(foreign("abc", "12345", 5));
    assert_true(kith__meta_inline(stored.meta));
    assert_true(is_item(&stored, foreign("abc", "12345", 5)));
    stored = store(foreign("abc", "123456", 6));
    assert_false(kith__meta_inline(stored.meta));
    assert_true(is_item(&stored, foreign("abc", "123456", 6)));
    assert_false(is_item(&stored, foreign("abd", "123456", 6)));
    assert_false(is_item(&stored, foreign("ab", "123456", 6)));
    stored = store(foreign("a", "", 0));
    assert_true(is_item(&stored, foreign("a", "", 0)));
    close_all();
}

static void
numbers_are_their_bits(void **unused)
{
    const int64_t ints[] = { 0, 1, -1, INT64_MAX, INT64_MIN };
    const uint64_t bits[] = { 0, UINT64_C(1) << 63, UINT64_C(0x7ff8000000000001), 1,
                              UINT64_C(0x7ff0000000000000) };
    struct kith__stored stored;

    (void)unused;
    open_all();
    for (size_t i = 0; i < COUNTOF(ints); i++) {
        stored = store(KITH_INT(ints[i]));
        assert_true(is_item(&stored, KITH_INT(ints[i])));
        assert_false(is_item(&stored, KITH_INT(ints[i] ^ 1)));
    }
    for (size_t i = 0; i < COUNTOF(bits); i++) { /* two zeros, and what is no number */
        struct kith_item item = { .type = KITH_TYPE_FLOAT }, zero = item;

        memcpy(&item.real, &bits[i], sizeof item.real);
        stored = store(item);
        assert_int_equal(bits[i], stored.value);
        assert_true(is_item(&stored, item));
        assert_int_equal(i == 0, is_item(&stored, zero));
    }
    close_all();
}

static void
items_of_two_types_are_never_equal(void **unused)
{
    const struct kith_item items[] = { { .type = KITH_TYPE_NONE },
                                       { .type = KITH_TYPE_BOOL },
                                       { .type = KITH_TYPE_INT },
                                       { .type = KITH_TYPE_FLOAT },
                                       item_of_type(KITH_TYPE_STR, "", 0),
                                       item_of_type(KITH_TYPE_BYTES, "", 0),
                                       item_of_type(KITH_TYPE_BIGINT, "", 1),
                                       item_of_type(KITH_TYPE_PACKED, "\xc0", 1),
                                       foreign("t", "", 0) };

    (void)unused;
    open_all();
    for (size_t i = 0; i < COUNTOF(items); i++) {
        struct kith__stored stored = store(items[i]);

        for (size_t j = 0; j < COUNTOF(items); j++)
            assert_int_equal(i == j, is_item(&stored, items[j]));
    }
    close_all();
}

static void
an_item_larger_than_any_arena_takes_nothing(void **unused)
{
    struct kith__stored stored;

    (void)unused;
    open_all();
    EXPECT_RC(
        KITH_ETOOBIG,
        kith__stored_make(&op, item_of_type(KITH_TYPE_BYTES, "", KITH__ITEM_MAX + 1), &stored));
    EXPECT_RC(KITH_ETOOBIG, op.err);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    EXPECT_RC(KITH_ETOOBIG, kith__op_commit(&op)); /* it sticks */
    close_all();
}

static void
a_block_is_given_back_and_a_word_is_not(void **unused)
{
    struct kith__stored word, block;

    (void)unused;
    open_all();
    word = store(kith_str("eight by"));
    kith__stored_give(&op, word.meta, word.value);
    assert_int_equal(0, op.give_count + op.trash_count);
    block = store(kith_str("nine byte"));
    kith__stored_give(&op, block.meta, block.value);
    assert_int_equal(1, op.give_count + op.trash_count);
    EXPECT_OK(kith__op_commit(&op));
    kith__op_begin(&op, stage.self);
    close_all();
}

static void
what_was_overwritten_is_no_item(void **unused)
{
    const struct {
        uint64_t meta, value;
    } bad[] = {
        { KITH__META(KITH_TYPE_REFERENCE + 1, 0, 4), 0 },
        { KITH__META(0xff, 0, 0), 0 },
        { KITH__META(KITH_TYPE_STR, 0, 9), 0 },
        { KITH__META(KITH_TYPE_STR, 0, 9), 12 },
        { KITH__META(KITH_TYPE_STR, 0, UINT64_C(0xffffffffffff)), 0 },
        { KITH__META(KITH_TYPE_FOREIGN, KITH_TAG_SIZE_MAX + 1, 0), 0 },
    };
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith__word word = 0;

    (void)unused;
    open_all();
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        uint64_t value = bad[i].value;

        EXPECT_RC(KITH_ECORRUPT,
                  kith__stored_item(stage.arena, bad[i].meta, &word, value, &item, tag));
        assert_false(
            kith__stored_equals(stage.arena, bad[i].meta, &word, value, kith_str("some text")));
    }
    /* Up to the last byte of the arena, and not one further. */
    EXPECT_OK(kith__stored_item(stage.arena, KITH__META(KITH_TYPE_STR, 0, 16), &word,
                                stage.arena->size - 16, &item, tag));
    EXPECT_RC(KITH_ECORRUPT, kith__stored_item(stage.arena, KITH__META(KITH_TYPE_STR, 0, 17), &word,
                                               stage.arena->size - 16, &item, tag));
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_eight_bytes_stand_in_the_word_and_more_in_a_block),
        cmocka_unit_test(a_tag_counts_as_bytes_of_its_item),
        cmocka_unit_test(numbers_are_their_bits),
        cmocka_unit_test(items_of_two_types_are_never_equal),
        cmocka_unit_test(an_item_larger_than_any_arena_takes_nothing),
        cmocka_unit_test(a_block_is_given_back_and_a_word_is_not),
        cmocka_unit_test(what_was_overwritten_is_no_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
