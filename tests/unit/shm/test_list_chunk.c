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

static unsigned
head_count(void)
{
    return KITH__LIST_HEAD(kith__load(&root->state));
}

static unsigned
tail_count(void)
{
    return KITH__LIST_TAIL(kith__load(&root->state));
}

static void
lock(void)
{
    struct kith__list_root *locked = NULL;

    EXPECT_OK(kith__list_lock(stage.self, &list, &locked));
    assert_true(locked == root);
}

static void
unlock(void)
{
    kith__lock_release(stage.self, &root->root.lock);
    kith__op_end(stage.self);
}

static kith_err
locked(kith_err (*change)(struct kith__self *self, struct kith__list_root *root, bool front),
       bool front)
{
    kith_err err;

    lock();
    err = change(stage.self, root, front);
    unlock();
    return err;
}

static void
an_end_gets_one_chunk_and_keeps_it(void **unused)
{
    uint64_t head;

    (void)unused;
    make();
    EXPECT_OK(locked(kith__list_have_chunk, true));
    head = kith__load(&root->head);
    assert_true(head != 0 && kith__load(&root->tail) == 0);
    EXPECT_OK(locked(kith__list_have_chunk, true));
    assert_true(kith__load(&root->head) == head);
    EXPECT_OK(locked(kith__list_have_chunk, false));
    assert_true(kith__load(&root->tail) != 0 && kith__load(&root->tail) != head);
    expect_range(&stage, &list, 0, 0);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_full_chunk_becomes_a_leaf_as_it_is(void **unused)
{
    uint64_t tail, state, cover;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, KITH__FAN);
    assert_true(tail_count() == KITH__FAN && kith__load(&root->tree) == 0);
    tail = kith__load(&root->tail);
    state = kith__load(&root->state);
    cover = kith__load(&root->cover);
    EXPECT_OK(locked(kith__list_flush_chunk, false));
    assert_true(kith__load(&root->tree) == KITH__PART_WORD(tail, KITH__FAN, 0));
    assert_true(kith__load(&root->tree_count) == KITH__FAN && tail_count() == 0);
    assert_true(kith__load(&root->tail) != tail && kith__load(&root->tail) != 0);
    assert_true(kith__load(&root->state) > state && kith__load(&root->cover) > cover); /* L4 */
    expect_range(&stage, &list, 0, KITH__FAN); /* nothing that can be seen has changed */
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_chunk_that_is_not_full_is_copied_into_the_outermost_leaf(void **unused)
{
    uint64_t head, tail;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 10);
    list_prepend_numbers(&stage, &list, -7, 0);
    head = kith__load(&root->head);
    tail = kith__load(&root->tail);
    EXPECT_OK(locked(kith__list_flush_chunk, false));
    assert_true(kith__part_entries(kith__load(&root->tree)) == 10 && tail_count() == 0);
    EXPECT_OK(locked(kith__list_flush_chunk, true));
    assert_true(kith__part_entries(kith__load(&root->tree)) == 17 && head_count() == 0);
    assert_true(kith__load(&root->head) == head && kith__load(&root->tail) == tail);
    assert_true(kith__load(&root->tree_count) == 17); /* L2 */
    expect_range(&stage, &list, -7, 17);
    EXPECT_OK(locked(kith__list_flush_chunk, true)); /* it is empty: nothing to do */
    expect_range(&stage, &list, -7, 17);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_empty_chunk_is_filled_from_the_nearest_leaf(void **unused)
{
    (void)unused;
    for (unsigned front = 0; front < 2; front++) {
        make();
        list_append_numbers(&stage, &list, 0, 3 * KITH__FAN + 5);
        EXPECT_OK(locked(kith__list_flush_chunk, false));
        assert_true(kith__load(&root->tree_count) == 3 * KITH__FAN + 5);
        EXPECT_OK(locked(kith__list_fill_chunk, front != 0));
        assert_true(head_count() + tail_count() > 0 && (head_count() > 0) == (front != 0));
        assert_true(kith__load(&root->tree_count) + head_count() + tail_count() ==
                    3 * KITH__FAN + 5);
        expect_range(&stage, &list, 0, 3 * KITH__FAN + 5);
        expect_list_at_rest(&stage);
        stage_close(&stage);
    }
}

static void
without_a_tree_it_is_filled_from_the_other_chunk(void **unused)
{
    uint64_t cover;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 40);
    cover = kith__load(&root->cover);
    EXPECT_OK(locked(kith__list_fill_chunk, true));
    assert_true(head_count() == 40 && tail_count() == 0);
    expect_range(&stage, &list, 0, 40);
    EXPECT_OK(locked(kith__list_fill_chunk, false));
    assert_true(head_count() == 0 && tail_count() == 40);
    assert_true(kith__load(&root->cover) == cover); /* one store of state: no record */
    expect_range(&stage, &list, 0, 40);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* Texts have blocks of their own: they go over, and are neither copied nor given back. */
static void
items_go_from_a_chunk_to_the_tree_with_their_blocks(void **unused)
{
    char room[2][100];
    uint64_t first;
    struct kith__leaf *leaf;

    (void)unused;
    make();
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(room[0], 100, 0)));
    EXPECT_OK(kith__list_append(stage.self, &list, list_text(room[1], 50, 1)));
    leaf = kith__ptr(stage.arena, kith__load(&root->tail));
    first = kith__load(&leaf->slot[0].value);
    EXPECT_OK(locked(kith__list_flush_chunk, false));
    leaf = kith__part_node(stage.arena, kith__load(&root->tree));
    assert_true(kith__load(&leaf->slot[0].value) == first);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(locked(kith__list_fill_chunk, true));
    leaf = kith__ptr(stage.arena, kith__load(&root->head));
    assert_true(kith__load(&leaf->slot[KITH__FAN - 2].value) == first);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* Nothing is stored before all of it is known to make sense. */
static void
a_list_that_is_broken_stays_as_it_is(void **unused)
{
    uint64_t state, tail, tree;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 2 * KITH__FAN + 5);
    state = kith__load(&root->state);
    tail = kith__load(&root->tail);
    tree = kith__load(&root->tree);
    kith__store(&root->state, (state & ~UINT64_C(0xff00)) | 65 << 8);
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_flush_chunk, false));
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_fill_chunk, true));
    kith__store(&root->state, state);
    kith__store(&root->tail, stage.arena->size - 8);
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_flush_chunk, false));
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_have_chunk, false));
    kith__store(&root->tail, tail);
    kith__store(&root->tree, KITH__PART_WORD(kith__part_off(tree), 3, 9)); /* too high */
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_flush_chunk, false));
    EXPECT_RC(KITH_ECORRUPT, locked(kith__list_fill_chunk, true));
    kith__store(&root->tree, tree);
    assert_true(kith__load(&root->state) == state && kith__load(&root->tail) == tail);
    expect_range(&stage, &list, 0, 2 * KITH__FAN + 5);
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
the_lock_of_a_list_that_is_gone_is_not_kept(void **unused)
{
    struct kith__list_root *none = NULL;

    (void)unused;
    make();
    list.id += 1;
    EXPECT_RC(KITH_EGONE, kith__list_lock(stage.self, &list, &none));
    assert_null(none);
    assert_int_equal(0, stage.self->depth);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_gets_one_chunk_and_keeps_it),
        cmocka_unit_test(a_full_chunk_becomes_a_leaf_as_it_is),
        cmocka_unit_test(a_chunk_that_is_not_full_is_copied_into_the_outermost_leaf),
        cmocka_unit_test(an_empty_chunk_is_filled_from_the_nearest_leaf),
        cmocka_unit_test(without_a_tree_it_is_filled_from_the_other_chunk),
        cmocka_unit_test(items_go_from_a_chunk_to_the_tree_with_their_blocks),
        cmocka_unit_test(a_list_that_is_broken_stays_as_it_is),
        cmocka_unit_test(the_lock_of_a_list_that_is_gone_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
