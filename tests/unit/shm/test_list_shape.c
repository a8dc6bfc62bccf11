#include "listed.h"

static struct stage stage;
static struct kith__list list;
static struct kith__list_root *root;

/* The numbers [first, end), by way of both ends and the tree in between. */
static void
make(int64_t first, int64_t end)
{
    stage = stage_open();
    list = list_on(&stage);
    root = kith__list_root(&list);
    list_append_numbers(&stage, &list, 0, end);
    list_prepend_numbers(&stage, &list, first, 0);
}

/* ---- Slices and indices -------------------------------------------------------------------- */

/* Python's definition, one step after the other. */
static void
expect_slice(uint64_t len, int64_t start, int64_t stop, int64_t step)
{
    struct kith__slice slice = kith__slice_of(len, start, stop, step);
    int64_t n = (int64_t)len, at, end;
    uint64_t count = 0;

    at = start < 0 ? start + n : start;
    end = stop < 0 ? stop + n : stop;
    if (step > 0) {
        at = at < 0 ? 0 : at > n ? n : at;
        end = end < 0 ? 0 : end > n ? n : end;
        for (int64_t i = at; i < end; i += step)
            count++;
    } else {
        at = at < -1 ? -1 : at >= n ? n - 1 : at;
        end = end < -1 ? -1 : end >= n ? n - 1 : end;
        for (int64_t i = at; i > end; i += step)
            count++;
    }
    assert_int_equal(count, slice.count);
    assert_true(slice.step == step);
    if (count > 0)
        assert_true(slice.start == (uint64_t)at);
}

static void
a_slice_has_the_indices_that_python_gives_it(void **unused)
{
    (void)unused;
    for (uint64_t len = 0; len <= 6; len++)
        for (int64_t start = -9; start <= 9; start++)
            for (int64_t stop = -9; stop <= 9; stop++)
                for (int64_t step = -4; step <= 4; step++)
                    if (step != 0)
                        expect_slice(len, start, stop, step);
}

static void
the_ends_of_all_numbers_are_indices_like_others(void **unused)
{
    struct kith__slice slice;

    (void)unused;
    slice = kith__slice_of(10, INT64_MIN, INT64_MAX, 1);
    assert_true(slice.start == 0 && slice.count == 10);
    slice = kith__slice_of(10, INT64_MAX, INT64_MIN, -1);
    assert_true(slice.start == 9 && slice.count == 10);
    slice = kith__slice_of(10, INT64_MAX, INT64_MIN, INT64_MIN);
    assert_true(slice.start == 9 && slice.count == 1);
    slice = kith__slice_of(10, 3, INT64_MAX, INT64_MAX);
    assert_true(slice.start == 3 && slice.count == 1);
    slice = kith__slice_of(10, INT64_MAX, INT64_MAX, 1);
    assert_true(slice.start == 10 && slice.count == 0);
    slice = kith__slice_of(0, INT64_MIN, INT64_MAX, -1);
    assert_int_equal(0, slice.count);
}

static void
an_index_counts_from_the_end_if_it_is_negative(void **unused)
{
    uint64_t at = 77;

    (void)unused;
    assert_true(kith__list_index(5, 0, &at) && at == 0);
    assert_true(kith__list_index(5, 4, &at) && at == 4);
    assert_true(kith__list_index(5, -1, &at) && at == 4);
    assert_true(kith__list_index(5, -5, &at) && at == 0);
    assert_false(kith__list_index(5, 5, &at));
    assert_false(kith__list_index(5, -6, &at));
    assert_false(kith__list_index(5, INT64_MAX, &at));
    assert_false(kith__list_index(5, INT64_MIN, &at));
    assert_false(kith__list_index(0, 0, &at));
    assert_false(kith__list_index(0, -1, &at));
}

/* ---- Places --------------------------------------------------------------------------------- */

static void
each_index_has_the_slot_with_its_item(void **unused)
{
    struct kith__list_shape shape;
    uint64_t count;

    (void)unused;
    make(-300, 301);
    EXPECT_OK(kith__list_shape(root, &shape));
    assert_true(shape.h > 0 && shape.t > 0 && shape.tree.count > 0);
    count = kith__shape_count(&shape);
    assert_int_equal(601, count);
    for (uint64_t i = 0; i < count; i++) {
        struct kith__slot *slot = kith__shape_slot(stage.arena, &shape, i);

        assert_non_null(slot);
        assert_true((int64_t)kith__load(&slot->value) == (int64_t)i - 300);
    }
    stage_close(&stage);
}

struct seen {
    int64_t next;
    unsigned runs;
    unsigned until; /* runs after which it has enough; 0: never */
};

static kith_err
see(struct kith__slot *slots, unsigned n, void *arg)
{
    struct seen *seen = arg;

    assert_true(n > 0 && n <= KITH__FAN);
    for (unsigned i = 0; i < n; i++)
        assert_true((int64_t)kith__load(&slots[i].value) == seen->next++);
    seen->runs++;
    return seen->runs == seen->until ? KITH_EEXIST : KITH_OK;
}

static void
runs_have_all_items_of_a_range_and_no_others(void **unused)
{
    struct kith__list_shape shape;
    uint64_t count;

    (void)unused;
    make(-100, 201);
    EXPECT_OK(kith__list_shape(root, &shape));
    count = kith__shape_count(&shape);
    for (uint64_t from = 0; from <= count; from += 7)
        for (uint64_t to = from; to <= count; to += 5) {
            struct seen seen = { .next = (int64_t)from - 100 };

            EXPECT_OK(kith__shape_runs(stage.arena, &shape, from, to, see, &seen));
            assert_true(seen.next == (int64_t)to - 100);
            assert_true((seen.runs == 0) == (from == to));
        }
    stage_close(&stage);
}

static void
runs_end_when_who_sees_them_has_enough(void **unused)
{
    struct kith__list_shape shape;
    struct seen seen = { .next = -100, .until = 2 };

    (void)unused;
    make(-100, 201);
    EXPECT_OK(kith__list_shape(root, &shape));
    EXPECT_RC(KITH_EEXIST, kith__shape_runs(stage.arena, &shape, 0, 301, see, &seen));
    assert_int_equal(2, seen.runs);
    stage_close(&stage);
}

static void
a_range_that_the_list_has_not_ends_the_runs(void **unused)
{
    struct kith__list_shape shape;
    struct seen seen = { .next = -100 };

    (void)unused;
    make(-100, 201);
    EXPECT_OK(kith__list_shape(root, &shape));
    EXPECT_RC(KITH_ECONFLICT, kith__shape_runs(stage.arena, &shape, 0, 302, see, &seen));
    assert_true(seen.next == 201); /* what there was, it saw */
    shape.head_off = stage.arena->size - 8;
    EXPECT_RC(KITH_ECONFLICT, kith__shape_runs(stage.arena, &shape, 0, 1, see, &seen));
    assert_null(kith__shape_slot(stage.arena, &shape, 0));
    shape.tail_off = 3;
    assert_null(kith__shape_slot(stage.arena, &shape, 300));
    shape.tree.word = KITH__PART_WORD(stage.arena->size, 3, 0);
    assert_null(kith__shape_slot(stage.arena, &shape, shape.h + 1));
    stage_close(&stage);
}

static void
a_shape_that_is_none_is_refused(void **unused)
{
    struct kith__list_shape shape;
    uint64_t state, word;

    (void)unused;
    make(-100, 201);
    state = kith__load(&root->state);
    kith__store(&root->state, (state & ~UINT64_C(0xff)) | (KITH__FAN + 1)); /* L1 */
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->state, (state & ~UINT64_C(0xff00)) | (KITH__FAN + 1) << 8);
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->state, state);
    word = kith__load(&root->head);
    kith__store(&root->head, 0);
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->head, word);
    word = kith__load(&root->tail);
    kith__store(&root->tail, 0);
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->tail, word);
    word = kith__load(&root->tree);
    kith__store(&root->tree, 0); /* L2 */
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->tree, word);
    word = kith__load(&root->tree_count);
    kith__store(&root->tree_count, 0);
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->tree_count, UINT64_MAX);
    EXPECT_RC(KITH_ECORRUPT, kith__list_shape(root, &shape));
    kith__store(&root->tree_count, word);
    EXPECT_OK(kith__list_shape(root, &shape));
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_has_the_indices_that_python_gives_it),
        cmocka_unit_test(the_ends_of_all_numbers_are_indices_like_others),
        cmocka_unit_test(an_index_counts_from_the_end_if_it_is_negative),
        cmocka_unit_test(each_index_has_the_slot_with_its_item),
        cmocka_unit_test(runs_have_all_items_of_a_range_and_no_others),
        cmocka_unit_test(runs_end_when_who_sees_them_has_enough),
        cmocka_unit_test(a_range_that_the_list_has_not_ends_the_runs),
        cmocka_unit_test(a_shape_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
