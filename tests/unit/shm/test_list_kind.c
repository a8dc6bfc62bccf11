#include "listed.h"
#include "shm/kind.h"

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

/* Numbers at both ends and in the tree, and a text for each seventh. */
static void
fill(void)
{
    char room[100];

    list_append_numbers(&stage, &list, 0, 300);
    list_prepend_numbers(&stage, &list, 0, 20);
    for (unsigned i = 0; i < 320; i += 7)
        EXPECT_OK(kith__list_set(stage.self, &list, i, list_text(room, sizeof room, i)));
}

static uint64_t
bytes_used(void)
{
    struct kith_report report = { 0 };

    EXPECT_OK(kith__verify(stage.self, NULL, NULL, &report));
    return report.bytes_used;
}

/* What operations leave for later stays there, as when their thread is killed, until put_away(). */
static void
leave_all_for_later(void)
{
    stage.self->tidying = true;
}

static void
go_on(void)
{
    stage.self->tidying = false;
    put_away(&stage);
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

/* ---- Its end -------------------------------------------------------------------------------- */

static void
a_list_that_ends_leaves_no_block(void **unused)
{
    uint64_t used;

    (void)unused;
    make();
    fill();
    EXPECT_OK(kith__catalog_destroy(stage.self, "list")); /* so that all classes have spans */
    used = bytes_used();
    list = list_on(&stage);
    root = kith__list_root(&list);
    fill();
    assert_true(bytes_used() > used);
    leave_all_for_later();
    EXPECT_OK(kith__catalog_destroy(stage.self, "list"));
    assert_int_equal(1, kith__load(&stage.self->actor->trash.count));
    assert_int_equal(0, kith__load(&root->root.id));
    EXPECT_WHOLE(&stage); /* each block of it is the trash's */
    go_on();
    expect_list_at_rest(&stage);
    assert_true(bytes_used() == used);
    stage_close(&stage);
}

static void
a_carcass_that_keeps_has_nodes_and_no_items(void **unused)
{
    (void)unused;
    make();
    fill();
    leave_all_for_later();
    EXPECT_OK(kith__list_reverse(stage.self, &list));
    assert_int_equal(1, kith__load(&stage.self->actor->trash.count));
    EXPECT_WHOLE(&stage); /* no item has two owners */
    go_on();
    assert_int_equal(320, list_length(&stage, &list));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
parts_that_were_dropped_have_their_items_until_they_are_taken_apart(void **unused)
{
    (void)unused;
    make();
    for (unsigned i = 0; i < 20; i++)
        fill();
    assert_int_equal(6400, list_length(&stage, &list));
    leave_all_for_later();
    EXPECT_OK(kith__list_splice(stage.self, &list, 100, 6200, NULL, 0));
    assert_true(kith__load(&stage.self->actor->trash.count) > 0);
    EXPECT_WHOLE(&stage);
    go_on();
    assert_int_equal(300, list_length(&stage, &list));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
what_was_overwritten_is_given_up_and_the_rest_goes_back(void **unused)
{
    struct kith__inner *node;
    kith__word lost, *trash;

    (void)unused;
    make();
    list_append_numbers(&stage, &list, 0, 300);
    leave_all_for_later();
    EXPECT_OK(kith__catalog_destroy(stage.self, "list"));
    node = kith__part_node(stage.arena, kith__load(&root->tree));
    kith__store(&lost, kith__load(&node->branch[2].child));
    kith__store(&node->branch[2].child, KITH__PART_WORD(stage.arena->size, 64, 0));
    EXPECT_FINDS(&stage, "A node of a list");
    trash = &stage.self->actor->trash.count;
    EXPECT_RC(KITH_ECORRUPT, kith__list_kind.dismantle(stage.self, list.off, trash, 0));
    assert_int_equal(1, kith__load(trash)); /* whoever goes on finds what is left */
    assert_true(kith__load(&node->branch[2].child) == 0);
    go_on();
    assert_int_equal(0, kith__load(trash));
    EXPECT_FINDS(&stage, "it leaked");
    EXPECT_OK(kith__block_free(stage.self, kith__part_off(kith__load(&lost)),
                               &stage.self->actor->pin, 0)); /* any word of the arena */
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_entry_of_the_trash_that_is_no_ended_list_is_dropped(void **unused)
{
    kith__word source;

    (void)unused;
    make();
    fill();
    kith__store(&source, 5);
    EXPECT_RC(KITH_ECORRUPT, kith__list_kind.dismantle(stage.self, stage.arena->size, &source, 4));
    EXPECT_RC(KITH_ECORRUPT, kith__list_kind.dismantle(stage.self, list.off, &source, 3));
    assert_int_equal(3, kith__load(&source));
    assert_int_equal(320, list_length(&stage, &list));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* ---- Looking at it ----------------------------------------------------------------------------
 */

static void
a_check_finds_each_field_that_is_wrong(void **unused)
{
    struct kith__inner *node;
    struct kith__slot *number, *text;
    uint64_t state, tree;

    (void)unused;
    make();
    fill();
    state = kith__load(&root->state);
    tree = kith__load(&root->tree);
    node = kith__part_node(stage.arena, tree);
    number = slot_of(100);
    text = slot_of(105);
    EXPECT_WHOLE(&stage);
    EXPECT_FINDS_IN(&stage, root->root.lock.tag, 0, "is no lock");
    EXPECT_FINDS_IN(&stage, root->cover, stage.self->id, "is covered by actor");
    /* L1 */
    EXPECT_FINDS_IN(&stage, root->state, state | 0xff, "items in its chunks");
    EXPECT_FINDS_IN(&stage, root->state, state | 0xff00, "items in its chunks");
    EXPECT_FINDS_IN(&stage, root->head, 0, "in a chunk it has not");
    EXPECT_FINDS_IN(&stage, root->tail, kith__load(&root->head), "belongs to two owners");
    EXPECT_FINDS_IN(&stage, root->tail, stage.arena->size, "is not a block");
    /* L2, B1 to B3 */
    EXPECT_FINDS_IN(&stage, root->tree_count, 1, "items in its tree and has");
    EXPECT_FINDS_IN(&stage, root->tree, 0, "items in its tree and has");
    EXPECT_FINDS_IN(&stage, root->tree, KITH__PART_WORD(kith__part_off(tree), 4, 9),
                    "can't be one");
    EXPECT_FINDS_IN(&stage, root->tree, KITH__PART_WORD(kith__part_off(tree), 65, 1),
                    "can't be one");
    EXPECT_FINDS_IN(&stage, node->branch[1].child, kith__load(&node->branch[0].child),
                    "belongs to two owners");
    EXPECT_FINDS_IN(&stage, node->branch[1].child, tree, "can't be one");
    EXPECT_FINDS_IN(&stage, node->branch[1].upto, 1, "A node of a list counts");
    /* Items */
    EXPECT_FINDS_IN(&stage, number->meta, KITH__META(KITH_TYPE_REFERENCE + 1, 0, 8),
                    "is of no known type");
    EXPECT_FINDS_IN(&stage, text->value, kith__load(&text->value) + 8, "is not a block");
    EXPECT_FINDS_IN(&stage, text->value, kith__load(&slot_of(112)->value), "belongs to two owners");
    EXPECT_FINDS_IN(&stage, text->meta, KITH__META(KITH_TYPE_STR, 0, 20000),
                    "is longer than its memory");
    EXPECT_FINDS_IN(&stage, root->drop[3], tree, "has dropped parts");
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
it_says_how_many_items_there_are(void **unused)
{
    struct kith__object object = { .kind = KITH_KIND_LIST };
    struct kith_info info = { 0 };

    (void)unused;
    make();
    fill();
    object.off = list.off;
    object.id = list.id;
    root->root.created_ns = 77; /* which is for the engine to store */
    EXPECT_OK(kith__list_kind.describe(stage.self, stage.arena, &object, &info));
    assert_int_equal(320, info.items);
    assert_true(info.bytes >= 320 * sizeof(struct kith__slot));
    assert_int_equal(77, info.created_ns);
    object.id += 1;
    EXPECT_RC(KITH_EGONE, kith__list_kind.describe(NULL, stage.arena, &object, &info));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_that_ends_leaves_no_block),
        cmocka_unit_test(a_carcass_that_keeps_has_nodes_and_no_items),
        cmocka_unit_test(parts_that_were_dropped_have_their_items_until_they_are_taken_apart),
        cmocka_unit_test(what_was_overwritten_is_given_up_and_the_rest_goes_back),
        cmocka_unit_test(an_entry_of_the_trash_that_is_no_ended_list_is_dropped),
        cmocka_unit_test(a_check_finds_each_field_that_is_wrong),
        cmocka_unit_test(it_says_how_many_items_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
