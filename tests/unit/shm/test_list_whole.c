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

/* The numbers [0, n) in an order that is none; 7919 is a prime. */
static void
fill_shuffled(int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        EXPECT_OK(kith__list_append(stage.self, &list, kith_int(i * 7919 % n)));
}

static struct kith__slot *
slot_of(uint64_t index)
{
    struct kith__list_shape shape;
    struct kith__slot *slot;

    EXPECT_OK(kith__list_shape(root, &shape));
    slot = kith__shape_slot(stage.arena, &shape, index);
    assert_non_null(slot);
    return slot;
}

static void
a_root_that_was_anothers_begins_empty(void **unused)
{
    struct kith__op op;
    uint32_t signal = 6;

    (void)unused;
    make();
    fill_shuffled(200);
    EXPECT_OK(kith__list_clear(stage.self, &list));
    kith__store(&root->root.references, 3);
    kith__store(&root->keep, 1);
    kith__store(&root->drop[15], 77);
    kith__store(&root->tree_count, 5);
    atomic_store(&root->root.signal[0], signal);
    kith__op_begin(&op, stage.self);
    kith__list_init(&op, list.off, list.id + 1);
    assert_true(kith__load(&root->root.id) == list.id); /* the id comes with the record */
    EXPECT_OK(kith__op_commit(&op));
    assert_true(kith__load(&root->root.id) == list.id + 1);
    for (const kith__word *word = &root->cover; word < &root->drop[KITH__DROPS]; word++)
        assert_true(word == (const kith__word *)&root->spare || kith__load(word) == 0);
    assert_true(kith__load(&root->root.references) == 0);
    assert_true(atomic_load(&root->root.signal[0]) == signal); /* old handles may be at it */
    stage_close(&stage);
}

static void
a_clear_is_one_record_whatever_the_length(void **unused)
{
    uint64_t cover, state;
    char room[100];

    (void)unused;
    make();
    fill_shuffled(500);
    EXPECT_OK(kith__list_set(stage.self, &list, 100, list_text(room, sizeof room, 0)));
    EXPECT_OK(kith__list_set(stage.self, &list, -1, list_text(room, sizeof room, 1)));
    cover = kith__load(&root->cover);
    state = kith__load(&root->state);
    EXPECT_OK(kith__list_clear(stage.self, &list));
    assert_true(kith__load(&root->cover) == cover + KITH__LIST_VERSION_ONE);
    assert_true(kith__load(&root->state) == kith__list_state(state, 0, 0));
    assert_true(kith__load(&root->tree) == 0 && kith__load(&root->head) == 0 &&
                kith__load(&root->tail) == 0);
    expect_range(&stage, &list, 0, 0);
    expect_list_at_rest(&stage);
    list_append_numbers(&stage, &list, 0, 5);
    expect_range(&stage, &list, 0, 5);
    stage_close(&stage);
}

/* The blocks of items go over as they are. */
static void
a_rearrangement_moves_no_item(void **unused)
{
    uint64_t first, second, cover;
    char room[2][100];

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 200);
    EXPECT_OK(kith__list_set(stage.self, &list, 0, list_text(room[0], 100, 1)));
    EXPECT_OK(kith__list_set(stage.self, &list, 150, list_text(room[1], 100, 0)));
    first = kith__load(&slot_of(0)->value);
    second = kith__load(&slot_of(150)->value);
    cover = kith__load(&root->cover);
    EXPECT_OK(kith__list_reverse(stage.self, &list));
    assert_true(kith__load(&slot_of(199)->value) == first);
    assert_true(kith__load(&slot_of(49)->value) == second);
    assert_true(kith__load(&root->cover) == cover + KITH__LIST_VERSION_ONE);
    expect_list_at_rest(&stage);
    EXPECT_OK(kith__list_splice(stage.self, &list, 50, 199, NULL, 0));
    EXPECT_OK(kith__list_splice(stage.self, &list, 0, 49, NULL, 0));
    EXPECT_OK(kith__list_sort(stage.self, &list, NULL, NULL, false));
    assert_true(kith__load(&slot_of(0)->value) == second);
    assert_true(kith__load(&slot_of(1)->value) == first);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_list_of_any_length_is_turned_round(void **unused)
{
    (void)unused;
    for (int64_t n = 0; n < 140; n += n < 4 ? 1 : 17) {
        int64_t want[200];

        make();
        list_append_numbers(&stage, &list, 0, n);
        list_prepend_numbers(&stage, &list, -(n / 3), 0);
        EXPECT_OK(kith__list_reverse(stage.self, &list));
        for (int64_t i = 0; i < n + n / 3; i++)
            want[i] = n - 1 - i;
        expect_numbers(&stage, &list, want, (uint64_t)(n + n / 3));
        expect_list_at_rest(&stage);
        stage_close(&stage);
    }
}

/* ---- Sorting ----------------------------------------------------------------------------------
 */

static void
what_cannot_be_compared_leaves_the_list(void **unused)
{
    uint64_t cover, state;

    (void)unused;
    make();
    fill_shuffled(100);
    EXPECT_OK(kith__list_append(stage.self, &list, KITH_STR("x")));
    cover = kith__load(&root->cover);
    state = kith__load(&root->state);
    EXPECT_RC(KITH_ETYPE, kith__list_sort(stage.self, &list, NULL, NULL, false));
    assert_true(kith__load(&root->cover) == cover && kith__load(&root->state) == state);
    EXPECT_OK(kith__list_pop(stage.self, &list, -1, NULL));
    EXPECT_OK(kith__list_sort(stage.self, &list, NULL, NULL, false));
    expect_range(&stage, &list, 0, 100);
    EXPECT_OK(kith__list_sort(stage.self, &list, NULL, NULL, true));
    EXPECT_OK(kith__list_reverse(stage.self, &list));
    expect_range(&stage, &list, 0, 100);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static int
by_last_digit(struct kith_item a, struct kith_item b, void *arg)
{
    (void)arg;
    return (int)(a.integer % 10) - (int)(b.integer % 10);
}

static void
equal_ones_stay_in_their_order_both_ways(void **unused)
{
    int64_t want[100];

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 100);
    EXPECT_OK(kith__list_sort(stage.self, &list, by_last_digit, NULL, false));
    for (int64_t i = 0; i < 100; i++)
        want[i] = i / 10 + i % 10 * 10;
    expect_numbers(&stage, &list, want, 100);
    EXPECT_OK(kith__list_sort(stage.self, &list, by_last_digit, NULL, true));
    for (int64_t i = 0; i < 100; i++)
        want[i] = 9 - i / 10 + i % 10 * 10;
    expect_numbers(&stage, &list, want, 100);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* Appends one item in each of the first `changes` attempts: when the last of them is compared. */
struct changing {
    unsigned changes, attempts;
};

static int
by_number(struct kith_item a, struct kith_item b, void *arg)
{
    struct changing *changing = arg;
    uint64_t count = list_length(&stage, &list);

    if (changing->attempts < changing->changes && count == 16 + changing->attempts &&
        (a.integer == 15 + (int64_t)changing->attempts ||
         b.integer == 15 + (int64_t)changing->attempts)) {
        EXPECT_OK(kith__list_append(stage.self, &list, kith_int((int64_t)count)));
        changing->attempts++;
    }
    return a.integer < b.integer ? -1 : a.integer > b.integer;
}

static void
a_list_that_changes_under_every_attempt_is_not_sorted(void **unused)
{
    struct changing often = { .changes = 1000 }, seldom = { .changes = 2 };

    (void)unused;
    make();
    fill_shuffled(16);
    EXPECT_OK(kith__list_sort(stage.self, &list, by_number, &seldom, false));
    assert_int_equal(2, seldom.attempts); /* and the third found it at rest */
    expect_range(&stage, &list, 0, 18);
    EXPECT_OK(kith__list_reverse(stage.self, &list));
    EXPECT_OK(kith__list_splice(stage.self, &list, 0, 2, NULL, 0));
    EXPECT_RC(KITH_ECONFLICT, kith__list_sort(stage.self, &list, by_number, &often, false));
    assert_true(often.attempts > 1 && list_length(&stage, &list) == 16 + often.attempts);
    assert_true(kith__load(&slot_of(0)->value) == 15); /* not sorted */
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* ---- Slices with a step -------------------------------------------------------------------- */

static void
a_slice_with_a_step_takes_as_many_as_it_has(void **unused)
{
    const struct kith_item items[] = { kith_int(-1), kith_int(-2), kith_int(-3), kith_int(-4) };
    int64_t want[100];
    uint64_t cover;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 100);
    cover = kith__load(&root->cover);
    EXPECT_RC(KITH_EINVAL, kith__list_set_stepped(stage.self, &list, 0, 100, 30, items, 3));
    EXPECT_RC(KITH_EINVAL, kith__list_set_stepped(stage.self, &list, 50, 40, 2, items, 1));
    assert_true(kith__load(&root->cover) == cover);
    expect_range(&stage, &list, 0, 100);
    EXPECT_OK(kith__list_set_stepped(stage.self, &list, 50, 40, 2, items, 0)); /* none of none */
    assert_true(kith__load(&root->cover) == cover);
    for (int64_t i = 0; i < 100; i++)
        want[i] = i;
    want[99] = -1;
    want[69] = -2;
    want[39] = -3;
    want[9] = -4;
    EXPECT_OK(kith__list_set_stepped(stage.self, &list, -1, INT64_MIN, -30, items, 4));
    expect_numbers(&stage, &list, want, 100);
    assert_true(kith__load(&root->cover) == cover + KITH__LIST_VERSION_ONE);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_step_takes_out_each_in_its_way_with_its_block(void **unused)
{
    const int64_t steps[] = { 2, 3, 7, 64, 1000, -1, -2, -5, INT64_MAX, INT64_MIN };

    (void)unused;
    for (size_t s = 0; s < COUNTOF(steps); s++) {
        int64_t want[300], first = steps[s] > 0 ? 0 : 299;
        uint64_t count = 0, step = (uint64_t)llabs(steps[s] == INT64_MIN ? INT64_MAX : steps[s]);
        char room[60];

        make();
        list_append_numbers(&stage, &list, 0, 300);
        /* What goes are texts. */
        for (int64_t i = 0; i < 300; i++)
            if ((uint64_t)llabs(i - first) % step == 0)
                EXPECT_OK(kith__list_set(stage.self, &list, i, list_text(room, 60, (unsigned)i)));
            else
                want[count++] = i;
        EXPECT_OK(kith__list_delete_stepped(stage.self, &list, first,
                                            steps[s] > 0 ? INT64_MAX : INT64_MIN, steps[s]));
        expect_numbers(&stage, &list, want, count);
        put_away(&stage);
        expect_list_at_rest(&stage);
        stage_close(&stage);
    }
}

/* ---- What fails ----------------------------------------------------------------------------- */

static int
never(struct kith_item a, struct kith_item b, void *arg)
{
    (void)a;
    (void)b;
    (void)arg;
    return 0;
}

static void
a_list_that_is_gone_or_broken_is_not_changed(void **unused)
{
    const struct kith_item item = kith_int(1);
    uint64_t state, tail, cover;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 100);
    state = kith__load(&root->state);
    tail = kith__load(&root->tail);
    cover = kith__load(&root->cover);
    for (unsigned i = 0; i < 3; i++) {
        kith_err want = i == 0 ? KITH_EGONE : KITH_ECORRUPT;

        list.id += i == 0;
        if (i == 1)
            kith__store(&root->state, (state & ~UINT64_C(0xff)) | 5); /* of no chunk */
        if (i == 2)
            kith__store(&root->tail, stage.arena->size);
        EXPECT_RC(want, kith__list_reverse(stage.self, &list));
        EXPECT_RC(want, kith__list_sort(stage.self, &list, NULL, NULL, false));
        EXPECT_RC(want, kith__list_sort(stage.self, &list, never, NULL, false));
        EXPECT_RC(want, kith__list_set_stepped(stage.self, &list, -1, -2, -1, &item, 1));
        EXPECT_RC(want, kith__list_delete_stepped(stage.self, &list, 0, 100, 2));
        if (i == 0)
            EXPECT_RC(want, kith__list_clear(stage.self, &list));
        list.id -= i == 0;
        kith__store(&root->state, state);
        kith__store(&root->tail, tail);
    }
    assert_true(kith__load(&root->cover) == cover);
    expect_range(&stage, &list, 0, 100);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_arena_that_is_full_leaves_the_list(void **unused)
{
    char *large = malloc(14 << 20);

    (void)unused;
    assert_non_null(large);
    make();
    fill_shuffled(20000); /* 320 KiB of slots */
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(large, 14 << 20, 0)));
    for (unsigned i = 1; i <= 14; i++) { /* and the rest of the arena */
        size_t size = (size_t)1 << (24 - i);

        if (size > KITH__SMALL_MAX)
            (void)kith__list_append(stage.self, &list, list_text(large, size, 0));
    }
    EXPECT_RC(KITH_ENOMEM, kith__list_reverse(stage.self, &list));
    EXPECT_OK(kith__list_clear(stage.self, &list)); /* which needs none */
    put_away(&stage);
    expect_list_at_rest(&stage);
    free(large);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_that_was_anothers_begins_empty),
        cmocka_unit_test(a_clear_is_one_record_whatever_the_length),
        cmocka_unit_test(a_rearrangement_moves_no_item),
        cmocka_unit_test(a_list_of_any_length_is_turned_round),
        cmocka_unit_test(what_cannot_be_compared_leaves_the_list),
        cmocka_unit_test(equal_ones_stay_in_their_order_both_ways),
        cmocka_unit_test(a_list_that_changes_under_every_attempt_is_not_sorted),
        cmocka_unit_test(a_slice_with_a_step_takes_as_many_as_it_has),
        cmocka_unit_test(a_step_takes_out_each_in_its_way_with_its_block),
        cmocka_unit_test(a_list_that_is_gone_or_broken_is_not_changed),
        cmocka_unit_test(an_arena_that_is_full_leaves_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
