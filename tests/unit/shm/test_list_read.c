#include "listed.h"

static struct stage stage;
static struct kith__list list;
static struct kith__list_root *root;

static void
make(void)
{
    stage = stage_open();
    list = list_on(&stage);
    root = kith__list_root(&list);
}

/* By number, whoever reads. */
static int64_t
get(struct kith__self *self, int64_t index)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t number;

    EXPECT_OK(kith__list_get(self, &list, index, &buf));
    assert_true(buf.item.type == KITH_TYPE_INT);
    number = buf.item.integer;
    kith_buf_free(&buf);
    return number;
}

static void
an_opener_without_a_slot_reads_the_same(void **unused)
{
    uint64_t count = 0, at = 0;
    struct kith__list_copy copy;
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 200);
    list_prepend_numbers(&stage, &list, -100, 0);
    for (int64_t i = 0; i < 300; i++) {
        assert_true(get(NULL, i) == i - 100);
        assert_true(get(NULL, i - 300) == i - 100);
        assert_true(get(stage.self, i - 300) == i - 100);
    }
    EXPECT_OK(kith__list_len(NULL, &list, &count));
    assert_int_equal(300, count);
    EXPECT_OK(kith__list_find(NULL, &list, kith_int(77), 0, INT64_MAX, &at));
    assert_int_equal(177, at);
    EXPECT_OK(kith__list_count(NULL, &list, kith_int(77), &count));
    assert_int_equal(1, count);
    EXPECT_OK(kith__list_copy(NULL, &list, -1, INT64_MIN, -1, &copy));
    assert_int_equal(300, copy.count);
    assert_true((int64_t)copy.items[299].value == -100);
    kith__list_copy_free(&copy);
    EXPECT_RC(KITH_ERANGE, kith__list_get(NULL, &list, 300, &buf));
    EXPECT_RC(KITH_ERANGE, kith__list_get(stage.self, &list, -301, &buf));
    assert_true(buf.memory == NULL);
    stage_close(&stage);
}

/* Another's record covers the list: until it is committed memory counts, from then on the record.
 */
static void
a_reader_takes_the_words_of_a_record_from_its_commit_on(void **unused)
{
    struct kith__redo *entries;
    struct kith__leaf *tail;
    struct kith__list_copy copy;
    struct crowd crowd;
    uint64_t count = 0, at = 0, cover;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 10);
    crowd_come(&crowd, &stage);
    tail = kith__ptr(stage.arena, kith__load(&root->tail));
    cover = kith__load(&root->cover);
    entries = crowd.actor[0]->main_inline;
    entries[0] = (struct kith__redo){ kith__off(stage.arena, &tail->slot[4].value), 44 };
    entries[1] = (struct kith__redo){ kith__off(stage.arena, &root->state),
                                      kith__list_state(kith__load(&root->state), 0, 7) };
    kith__store(&crowd.actor[0]->main.area, 0);
    kith__store(&crowd.actor[0]->main.count, 2);
    kith__store(&root->cover, cover | crowd.id[0]);
    assert_true(get(stage.self, 4) == 4 && get(NULL, -1) == 9);
    kith__store(&crowd.actor[0]->main.state,
                kith__load(&crowd.actor[0]->main.state) | KITH__COMMITTED);
    assert_true(get(stage.self, 4) == 44 && get(NULL, -1) == 6);
    EXPECT_OK(kith__list_len(stage.self, &list, &count));
    assert_int_equal(7, count);
    EXPECT_OK(kith__list_copy(stage.self, &list, 3, 6, 1, &copy));
    assert_true(copy.items[1].value == 44 && copy.items[2].value == 5);
    kith__list_copy_free(&copy);
    EXPECT_OK(kith__list_find(stage.self, &list, kith_int(44), 0, INT64_MAX, &at));
    assert_int_equal(4, at);
    EXPECT_RC(KITH_ENOENT, kith__list_find(NULL, &list, kith_int(9), 0, INT64_MAX, &at));
    kith__journal_clear(&crowd.actor[0]->main);
    kith__store(&root->cover, cover);
    crowd_leave(&crowd);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_copy_has_the_items_of_its_slice_with_their_bytes(void **unused)
{
    char small[20], large[9000], big[30000], tag[KITH_TAG_SIZE_MAX + 1];
    const struct kith_item items[] = {
        kith_none(),
        kith_bool(true),
        kith_int(-5),
        kith_float(0.25),
        KITH_STR("short"),
        list_text(small, sizeof small, 1),
        list_text(large, sizeof large, 2), /* more than is copied without another look */
        list_text(big, sizeof big, 3),     /* an extent */
        { .type = KITH_TYPE_FOREIGN, .data = "xyz", .size = 3, .tag = "my.type" },
        { .type = KITH_TYPE_FOREIGN, .data = "", .size = 0, .tag = "t" },
        kith_bytes("", 0),
    };
    struct kith__list_copy copy;

    (void)unused;
    make();
    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_OK(kith__list_append(stage.self, &list, items[i]));
    for (int64_t step = -3; step <= 3; step++) {
        if (step == 0)
            continue;
        EXPECT_OK(kith__list_copy(stage.self, &list, step < 0 ? -1 : 0,
                                  step < 0 ? INT64_MIN : INT64_MAX, step, &copy));
        assert_int_equal((COUNTOF(items) + (uint64_t)llabs(step) - 1) / (uint64_t)llabs(step),
                         copy.count);
        for (uint64_t i = 0; i < copy.count; i++) {
            size_t at = (size_t)((step < 0 ? (int64_t)COUNTOF(items) - 1 : 0) + (int64_t)i * step);
            struct kith_item item = kith__list_copy_item(&copy, i, tag);

            assert_true(item.type == items[at].type && item.size == items[at].size);
            if (item.type > KITH_TYPE_FLOAT)
                assert_memory_equal(items[at].data, item.data, item.size);
            else
                assert_true(item.integer == items[at].integer);
            if (item.type == KITH_TYPE_FOREIGN)
                assert_string_equal(items[at].tag, item.tag);
        }
        kith__list_copy_free(&copy);
        assert_true(copy.items == NULL && copy.bytes == NULL && copy.count == 0);
    }
    assert_true(kith__load(&stage.self->actor->pin) == 0);
    assert_int_equal(0, kith__load(&stage.self->actor->reading) & 1);
    stage_close(&stage);
}

static void
what_is_looked_for_is_found_as_a_key_is(void **unused)
{
    const struct kith_item foreign = {
        .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = "t"
    };
    struct kith_item other = foreign;
    uint64_t at = 77, count = 77;
    char text[100];

    (void)unused;
    make();
    EXPECT_OK(kith__list_append(stage.self, &list, kith_float(2.0)));
    EXPECT_OK(kith__list_append(stage.self, &list, kith_bool(true)));
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(text, sizeof text, 0)));
    EXPECT_OK(kith__list_append(stage.self, &list, foreign));
    EXPECT_OK(kith__list_append(stage.self, &list, kith_int(1)));
    EXPECT_OK(kith__list_append(stage.self, &list, kith_float(__builtin_nan(""))));
    EXPECT_OK(kith__list_find(stage.self, &list, kith_int(2), 0, INT64_MAX, &at));
    assert_int_equal(0, at);
    EXPECT_OK(kith__list_count(stage.self, &list, kith_float(1.0), &count));
    assert_int_equal(2, count);
    EXPECT_OK(kith__list_find(stage.self, &list, kith_int(1), 2, INT64_MAX, &at));
    assert_int_equal(4, at);
    EXPECT_OK(kith__list_find(stage.self, &list, list_text(text, sizeof text, 0), 0, 3, &at));
    assert_int_equal(2, at);
    EXPECT_OK(kith__list_find(stage.self, &list, foreign, 0, INT64_MAX, &at));
    assert_int_equal(3, at);
    other.tag = "u";
    EXPECT_RC(KITH_ENOENT, kith__list_find(stage.self, &list, other, 0, INT64_MAX, &at));
    /* No key is a NaN: it is looked for by its bytes. */
    EXPECT_OK(kith__list_find(stage.self, &list, kith_float(__builtin_nan("")), 0, INT64_MAX, &at));
    assert_int_equal(5, at);
    EXPECT_RC(KITH_ENOENT, kith__list_find(stage.self, &list, kith_int(1), 5, INT64_MAX, &at));
    EXPECT_RC(KITH_ENOENT, kith__list_find(stage.self, &list, kith_int(1), 4, 2, &at));
    assert_int_equal(5, at); /* where nothing was found it is untouched */
    stage_close(&stage);
}

static void
a_list_that_is_gone_gives_nothing(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__list_copy copy;
    uint64_t count = 77;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 10);
    list.id += 1; /* the root is another list's now */
    for (unsigned i = 0; i < 2; i++) {
        struct kith__self *self = i == 0 ? stage.self : NULL;

        EXPECT_RC(KITH_EGONE, kith__list_get(self, &list, 0, &buf));
        EXPECT_RC(KITH_EGONE, kith__list_len(self, &list, &count));
        EXPECT_RC(KITH_EGONE, kith__list_copy(self, &list, 0, 5, 1, &copy));
        EXPECT_RC(KITH_EGONE, kith__list_find(self, &list, kith_int(1), 0, 5, &count));
        EXPECT_RC(KITH_EGONE, kith__list_count(self, &list, kith_int(1), &count));
        assert_true(copy.items == NULL);
    }
    assert_true(buf.memory == NULL && count == 77);
    stage_close(&stage);
}

/* Whoever wrote into it: no reader goes round for ever, or believes an offset or a size. */
static void
what_others_broke_is_an_error_and_no_item(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__list_copy copy;
    struct kith__slot *slot;
    uint64_t meta, value, state, count = 77;
    char text[100];

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 3);
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(text, sizeof text, 0)));
    slot = &((struct kith__leaf *)kith__ptr(stage.arena, kith__load(&root->tail)))->slot[3];
    meta = kith__load(&slot->meta);
    value = kith__load(&slot->value);
    {
        const struct {
            uint64_t meta, value;
        } wrong[] = {
            { meta, stage.arena->size },
            { meta, value + 3 },
            { KITH__META(KITH_TYPE_STR, 0, KITH__ITEM_MAX), value },
            { KITH__META(KITH_TYPE_FOREIGN, KITH_TAG_SIZE_MAX + 1, 99), value },
            { KITH__META(KITH_TYPE_REFERENCE + 1, 0, 99), value },
            { KITH__META(KITH_TYPE_REFERENCE + 1, 0, 3), value }, /* in the slot itself */
        };

        for (size_t i = 0; i < COUNTOF(wrong); i++) {
            kith__store(&slot->meta, wrong[i].meta);
            kith__store(&slot->value, wrong[i].value);
            for (unsigned k = 0; k < 2; k++) {
                struct kith__self *self = k == 0 ? stage.self : NULL;

                EXPECT_RC(KITH_ECORRUPT, kith__list_get(self, &list, 3, &buf));
                EXPECT_RC(KITH_ECORRUPT, kith__list_copy(self, &list, 0, 9, 1, &copy));
                EXPECT_RC(KITH_ENOENT, kith__list_find(self, &list, KITH_STR("no"), 0, 9, &count));
            }
            assert_true(get(stage.self, 2) == 2); /* the others are as they were */
        }
    }
    kith__store(&slot->meta, meta);
    kith__store(&slot->value, value);
    state = kith__load(&root->state);
    kith__store(&root->state, (state & ~UINT64_C(0xff00)) | 65 << 8);
    EXPECT_RC(KITH_ECORRUPT, kith__list_get(stage.self, &list, -1, &buf));
    EXPECT_RC(KITH_ECORRUPT, kith__list_get(NULL, &list, 0, &buf));
    EXPECT_RC(KITH_ECORRUPT, kith__list_len(NULL, &list, &count));
    EXPECT_RC(KITH_ECORRUPT, kith__list_copy(stage.self, &list, 0, 9, 1, &copy));
    kith__store(&root->state, state);
    kith__store(&root->tree_count, 5); /* of a tree that is not there */
    EXPECT_RC(KITH_ECORRUPT, kith__list_get(stage.self, &list, 0, &buf));
    EXPECT_RC(KITH_ECORRUPT, kith__list_copy(NULL, &list, 0, 9, 1, &copy));
    kith__store(&root->tree_count, 0);
    kith__store(&root->tail, 8);
    EXPECT_RC(KITH_ECORRUPT, kith__list_get(NULL, &list, 0, &buf));
    kith__store(&root->tail, kith__off(stage.arena, slot) - 3 * sizeof *slot);
    assert_true(buf.memory == NULL && count == 77);
    assert_int_equal(0, kith__load(&stage.self->actor->reading) & 1);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* A foreign item always has a tag, if an empty one: a comparison may look at it. */
static void
a_foreign_item_without_its_tag_has_an_empty_one(void **unused)
{
    const struct kith_item foreign = {
        .type = KITH_TYPE_FOREIGN, .data = "x", .size = 1, .tag = "t"
    };
    struct kith__list_copy copy;
    struct kith__slot *slot;
    struct kith_item item;
    char tag[KITH_TAG_SIZE_MAX + 1];

    (void)unused;
    make();
    EXPECT_OK(kith__list_append(stage.self, &list, foreign));
    slot = &((struct kith__leaf *)kith__ptr(stage.arena, kith__load(&root->tail)))->slot[0];
    kith__store(&slot->meta, KITH__META(KITH_TYPE_FOREIGN, 0, 2));
    EXPECT_OK(kith__list_copy(stage.self, &list, 0, 1, 1, &copy));
    item = kith__list_copy_item(&copy, 0, tag);
    assert_true(item.type == KITH_TYPE_FOREIGN && item.size == 2);
    assert_non_null(item.tag);
    assert_string_equal("", item.tag);
    kith__list_copy_free(&copy);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opener_without_a_slot_reads_the_same),
        cmocka_unit_test(a_reader_takes_the_words_of_a_record_from_its_commit_on),
        cmocka_unit_test(a_copy_has_the_items_of_its_slice_with_their_bytes),
        cmocka_unit_test(what_is_looked_for_is_found_as_a_key_is),
        cmocka_unit_test(a_list_that_is_gone_gives_nothing),
        cmocka_unit_test(what_others_broke_is_an_error_and_no_item),
        cmocka_unit_test(a_foreign_item_without_its_tag_has_an_empty_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
