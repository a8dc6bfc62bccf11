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

/* All that is looked at to see that nothing, or just what was meant, was stored. */
struct words {
    uint64_t cover, state, tree, tree_count, head, tail;
};

static struct words
words(void)
{
    return (struct words){ kith__load(&root->cover), kith__load(&root->state),
                           kith__load(&root->tree),  kith__load(&root->tree_count),
                           kith__load(&root->head),  kith__load(&root->tail) };
}

static bool
same(struct words a, struct words b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static struct kith__slot *
tail_slot(unsigned i)
{
    return &((struct kith__leaf *)kith__ptr(stage.arena, kith__load(&root->tail)))->slot[i];
}

static kith_err
insert(int64_t at, int64_t number)
{
    struct kith_item item = kith_int(number);

    return kith__list_splice(stage.self, &list, at, at, &item, 1);
}

/* ---- The ends ----------------------------------------------------------------------------- */

static void
a_number_comes_to_an_end_by_one_store_of_the_state(void **unused)
{
    struct words before;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 3);
    list_prepend_numbers(&stage, &list, -3, 0);
    before = words();
    EXPECT_OK(kith__list_append(stage.self, &list, kith_int(3)));
    before.state = kith__list_state(before.state, 3, 4); /* L4 */
    assert_true(same(before, words()));
    EXPECT_OK(insert(0, -4));
    before.state = kith__list_state(before.state, 4, 4);
    assert_true(same(before, words()));
    EXPECT_OK(kith__list_pop(stage.self, &list, -1, NULL));
    before.state = kith__list_state(before.state, 4, 3);
    assert_true(same(before, words()));
    EXPECT_OK(kith__list_pop(stage.self, &list, 0, NULL));
    before.state = kith__list_state(before.state, 3, 3);
    assert_true(same(before, words()));
    expect_range(&stage, &list, -3, 6);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_text_brings_its_block_and_takes_it_along(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char room[3][2000];
    uint64_t size = 0, block;

    (void)unused;
    make();
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(kith__list_append(stage.self, &list, list_text(room[i], 2000, i)));
    EXPECT_WHOLE(&stage);
    block = kith__load(&tail_slot(2)->value);
    assert_true(kith__block_at(stage.arena, block, &size) && size >= 1999);
    EXPECT_OK(kith__list_pop(stage.self, &list, -1, &buf));
    assert_true(buf.item.size == 1999 && memcmp(buf.item.data, room[2], 1999) == 0);
    EXPECT_OK(kith__list_pop(stage.self, &list, 0, &buf));
    assert_true(memcmp(buf.item.data, room[0], 1999) == 0);
    kith_buf_free(&buf);
    assert_int_equal(1, list_length(&stage, &list));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_item_larger_than_a_span_is_in_before_its_lock_is_taken_or_not_at_all(void **unused)
{
    const uint64_t size = 3 * KITH__GRANULE;
    struct kith_buf buf = KITH_BUF_INIT;
    char *room = malloc(size);
    uint64_t used;

    (void)unused;
    assert_non_null(room);
    make();
    used = granules_used(&stage);
    list_append_numbers(&stage, &list, 0, KITH__FAN); /* the chunk is full: one is made ready */
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(room, size, 0)));
    EXPECT_OK(kith__list_splice(stage.self, &list, 0, 0,
                                (struct kith_item[]){ list_text(room, size, 1) }, 1));
    EXPECT_OK(kith__list_set(stage.self, &list, 5, list_text(room, size, 2)));
    EXPECT_RC(KITH_ERANGE, kith__list_set(stage.self, &list, 66, list_text(room, size, 3)));
    expect_list_at_rest(&stage);
    assert_true(granules_used(&stage) >= used + 9);
    EXPECT_OK(kith__list_get(stage.self, &list, 5, &buf));
    assert_true(buf.item.size == size - 1 && ((const char *)buf.item.data)[size - 2] == 'c');
    kith_buf_free(&buf);
    EXPECT_OK(kith__list_pop(stage.self, &list, 5, NULL));
    EXPECT_OK(kith__list_pop(stage.self, &list, 0, NULL));
    EXPECT_OK(kith__list_pop(stage.self, &list, -1, NULL));
    put_away(&stage);
    expect_list_at_rest(&stage);
    assert_true(granules_used(&stage) < used + 9);
    free(room);
    stage_close(&stage);
}

/* ---- Any place ---------------------------------------------------------------------------- */

#define MODEL_MAX 3000
static int64_t model[MODEL_MAX];
static uint64_t model_count;

static void
splice(uint64_t from, uint64_t to, int64_t first, uint64_t count)
{
    static struct kith_item items[MODEL_MAX];

    for (uint64_t i = 0; i < count; i++)
        items[i] = kith_int(first + (int64_t)i);
    EXPECT_OK(kith__list_splice(stage.self, &list, (int64_t)from, (int64_t)to, items, count));
    memmove(&model[from + count], &model[to], (model_count - to) * sizeof model[0]);
    for (uint64_t i = 0; i < count; i++)
        model[from + i] = first + (int64_t)i;
    model_count = model_count - (to - from) + count;
}

/* Every way in which [from, to) may lie between chunks, tree and both, with less or more coming. */
static void
a_range_is_replaced_wherever_its_ends_are(void **unused)
{
    const uint64_t places[] = { 0, 1, 39, 40, 41, 100, 230, 231, 232, 260, 261 };
    const uint64_t counts[] = { 0, 1, 10, 64, 65, 200 };

    (void)unused;
    make();
    for (size_t a = 0; a < COUNTOF(places); a++)
        for (size_t b = a; b < COUNTOF(places); b++)
            for (size_t c = 0; c < COUNTOF(counts); c++) {
                uint64_t state;

                EXPECT_OK(kith__list_clear(stage.self, &list));
                list_append_numbers(&stage, &list, 40, 261); /* 192 in the tree, 29 in the chunk */
                list_prepend_numbers(&stage, &list, 0, 40);
                model_count = 261;
                for (uint64_t i = 0; i < model_count; i++)
                    model[i] = (int64_t)i;
                state = kith__load(&root->state);
                splice(places[a], places[b], 1000, counts[c]);
                expect_numbers(&stage, &list, model, model_count);
                assert_true((kith__load(&root->state) == state) ==
                            (places[a] == places[b] && counts[c] == 0)); /* L4 */
                if (c == COUNTOF(counts) - 1)
                    expect_list_at_rest(&stage);
            }
    stage_close(&stage);
}

static void
a_chunk_is_changed_by_a_copy_that_is_swapped_in(void **unused)
{
    struct words before, after;
    uint64_t size;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 10);
    before = words();
    EXPECT_OK(insert(5, 100));
    after = words();
    assert_true(after.tail != before.tail && after.cover == before.cover + KITH__LIST_VERSION_ONE);
    assert_true(after.state == kith__list_state(before.state, 0, 11) && after.tree == 0);
    assert_true(kith__block_at(stage.arena, after.tail, &size));
    EXPECT_OK(kith__list_pop(stage.self, &list, 5, NULL));
    expect_range(&stage, &list, 0, 10);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* The last of the tree's leaves comes into the chunk, and the next pops find it there. */
static void
an_end_that_is_empty_is_filled_before_an_item_is_taken_from_it(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 4 * KITH__FAN);
    for (int64_t first = 0, last = 4 * KITH__FAN - 1; first <= last; first++, last--) {
        EXPECT_OK(kith__list_pop(stage.self, &list, -1, &buf));
        assert_true(buf.item.integer == last);
        EXPECT_OK(kith__list_pop(stage.self, &list, 0, &buf));
        assert_true(buf.item.integer == first);
        if (first % 16 == 0)
            expect_list_at_rest(&stage);
    }
    EXPECT_RC(KITH_EEMPTY, kith__list_pop(stage.self, &list, -1, &buf));
    EXPECT_RC(KITH_EEMPTY, kith__list_pop(stage.self, &list, 0, &buf));
    assert_true(buf.item.integer == 2 * KITH__FAN - 1); /* untouched */
    kith_buf_free(&buf);
    assert_true(kith__load(&root->tree) == 0);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* ---- Storing over an item ------------------------------------------------------------------ */

static void
a_number_over_a_number_is_one_store_of_its_value(void **unused)
{
    struct words before;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 200);
    before = words();
    for (int64_t i = 0; i < 200; i++)
        EXPECT_OK(kith__list_set(stage.self, &list, i, kith_int(1000 + i)));
    for (int64_t i = 1; i <= 200; i++)
        EXPECT_OK(kith__list_set(stage.self, &list, -i, kith_int(2000 - i)));
    before.state += 400 * KITH__LIST_VERSION_ONE; /* V1, and nothing else: the nodes are the same */
    assert_true(same(before, words()));
    expect_range(&stage, &list, 1800, 200);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
what_is_of_another_type_or_size_is_a_record(void **unused)
{
    char room[2][500];
    struct words before;
    uint64_t meta;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 3);
    before = words();
    EXPECT_OK(kith__list_set(stage.self, &list, 1, list_text(room[0], 500, 0)));
    assert_true(words().cover == before.cover + KITH__LIST_VERSION_ONE);
    assert_true(words().state == before.state + KITH__LIST_VERSION_ONE);
    assert_true(words().tail == before.tail);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(kith__list_set(stage.self, &list, 1, list_text(room[1], 500, 1))); /* its own block */
    assert_true(words().cover == before.cover + 2 * KITH__LIST_VERSION_ONE);
    EXPECT_OK(kith__list_set(stage.self, &list, 1, kith_float(1.0)));
    EXPECT_OK(kith__list_set(stage.self, &list, 1, KITH_STR("five5")));
    meta = kith__load(&tail_slot(1)->meta);
    assert_true(KITH__META_SIZE(meta) == 5 && kith__meta_inline(meta));
    assert_true(words().cover == before.cover + 4 * KITH__LIST_VERSION_ONE);
    EXPECT_OK(kith__list_set(stage.self, &list, 1, KITH_STR("other"))); /* the same size: a store */
    assert_true(words().cover == before.cover + 4 * KITH__LIST_VERSION_ONE);
    EXPECT_OK(kith__list_set(stage.self, &list, 1, KITH_STR("four"))); /* another: a record */
    assert_true(words().cover == before.cover + 5 * KITH__LIST_VERSION_ONE);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
the_first_that_equals_is_removed(void **unused)
{
    const int64_t left[] = { 0, 2, 1, 3 };

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 2);
    list_append_numbers(&stage, &list, 2, 3);
    list_append_numbers(&stage, &list, 1, 2);
    list_append_numbers(&stage, &list, 3, 4);
    EXPECT_OK(kith__list_remove(stage.self, &list, kith_bool(true))); /* as a key: it equals 1 */
    expect_numbers(&stage, &list, left, COUNTOF(left));
    EXPECT_RC(KITH_ENOENT, kith__list_remove(stage.self, &list, kith_int(7)));
    EXPECT_RC(KITH_ENOENT, kith__list_remove(stage.self, &list, KITH_STR("1")));
    expect_numbers(&stage, &list, left, COUNTOF(left));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* ---- What fails --------------------------------------------------------------------------- */

static void
what_is_out_of_range_changes_nothing(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct words before;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 100);
    before = words();
    EXPECT_RC(KITH_ERANGE, kith__list_set(stage.self, &list, 100, kith_int(1)));
    EXPECT_RC(KITH_ERANGE, kith__list_set(stage.self, &list, -101, kith_int(1)));
    EXPECT_RC(KITH_ERANGE, kith__list_pop(stage.self, &list, 100, &buf));
    EXPECT_RC(KITH_ERANGE, kith__list_pop(stage.self, &list, INT64_MIN, &buf));
    EXPECT_OK(kith__list_splice(stage.self, &list, 70, 30, NULL, 0));
    assert_true(same(before, words()) && buf.memory == NULL);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_list_that_is_gone_is_not_changed(void **unused)
{
    struct kith_item item = KITH_STR("longer than a word");
    struct words before;
    char *large = malloc(KITH__GRANULE);

    (void)unused;
    assert_non_null(large);
    make();
    list_append_numbers(&stage, &list, 0, 100);
    before = words();
    list.id += 1; /* the root is another list's now */
    EXPECT_RC(KITH_EGONE, kith__list_append(stage.self, &list, kith_int(1)));
    EXPECT_RC(KITH_EGONE, kith__list_append(stage.self, &list, item));
    EXPECT_RC(KITH_EGONE, kith__list_append(stage.self, &list, list_text(large, KITH__GRANULE, 0)));
    EXPECT_RC(KITH_EGONE, insert(50, 1));
    EXPECT_RC(KITH_EGONE, kith__list_set(stage.self, &list, 1, item));
    EXPECT_RC(KITH_EGONE, kith__list_set(stage.self, &list, 1, list_text(large, KITH__GRANULE, 0)));
    EXPECT_RC(KITH_EGONE, kith__list_pop(stage.self, &list, -1, NULL));
    EXPECT_RC(KITH_EGONE, kith__list_pop(stage.self, &list, 5, NULL));
    EXPECT_RC(KITH_EGONE, kith__list_remove(stage.self, &list, kith_int(5)));
    assert_true(same(before, words()));
    free(large);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_arena_that_is_full_leaves_the_list(void **unused)
{
    struct kith_item items[4];
    struct words before;
    char *large = malloc(6 << 20);

    (void)unused;
    assert_non_null(large);
    make();
    list_append_numbers(&stage, &list, 0, 100);
    before = words();
    for (unsigned i = 0; i < COUNTOF(items); i++) /* one goes in, and all four do not */
        items[i] = list_text(large, 6 << 20, 0);
    EXPECT_RC(KITH_ENOMEM, kith__list_splice(stage.self, &list, 100, 100, items, 4));
    assert_true(kith__load(&root->cover) == before.cover);
    expect_range(&stage, &list, 0, 100);
    put_away(&stage);
    expect_list_at_rest(&stage); /* and nothing of the items that did fit */
    EXPECT_OK(kith__list_splice(stage.self, &list, 100, 100, items, 1));
    assert_int_equal(101, list_length(&stage, &list));
    expect_list_at_rest(&stage);
    free(large);
    stage_close(&stage);
}

static void
a_list_that_is_broken_is_not_changed(void **unused)
{
    struct words before;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 100);
    before = words();
    kith__store(&root->state, (before.state & ~UINT64_C(0xffff)) | 70 << 8); /* L1 */
    EXPECT_RC(KITH_ECORRUPT, kith__list_append(stage.self, &list, kith_int(1)));
    EXPECT_RC(KITH_ECORRUPT, kith__list_set(stage.self, &list, 0, kith_int(1)));
    EXPECT_RC(KITH_ECORRUPT, kith__list_pop(stage.self, &list, -1, NULL));
    EXPECT_RC(KITH_ECORRUPT, kith__list_remove(stage.self, &list, kith_int(1)));
    kith__store(&root->state, before.state);
    kith__store(&root->tail, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__list_append(stage.self, &list, kith_int(1)));
    EXPECT_RC(KITH_ECORRUPT, kith__list_set(stage.self, &list, -1, kith_int(1)));
    EXPECT_RC(KITH_ECORRUPT, kith__list_pop(stage.self, &list, -1, NULL));
    EXPECT_RC(KITH_ECORRUPT, kith__list_remove(stage.self, &list, kith_int(99)));
    kith__store(&root->tail, before.tail);
    assert_true(same(before, words()));
    expect_range(&stage, &list, 0, 100);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_comes_to_an_end_by_one_store_of_the_state),
        cmocka_unit_test(a_text_brings_its_block_and_takes_it_along),
        cmocka_unit_test(an_item_larger_than_a_span_is_in_before_its_lock_is_taken_or_not_at_all),
        cmocka_unit_test(a_range_is_replaced_wherever_its_ends_are),
        cmocka_unit_test(a_chunk_is_changed_by_a_copy_that_is_swapped_in),
        cmocka_unit_test(an_end_that_is_empty_is_filled_before_an_item_is_taken_from_it),
        cmocka_unit_test(a_number_over_a_number_is_one_store_of_its_value),
        cmocka_unit_test(what_is_of_another_type_or_size_is_a_record),
        cmocka_unit_test(the_first_that_equals_is_removed),
        cmocka_unit_test(what_is_out_of_range_changes_nothing),
        cmocka_unit_test(a_list_that_is_gone_is_not_changed),
        cmocka_unit_test(an_arena_that_is_full_leaves_the_list),
        cmocka_unit_test(a_list_that_is_broken_is_not_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
