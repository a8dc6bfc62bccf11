#include "shm/tree.h"

#include "listed.h"

/* The tree stands in a list without chunks, so that a check looks at it, and readers find it. */
static struct stage stage;
static struct kith__list list;
static struct kith__list_root *root;
static uint64_t random_state;

static void
make(void)
{
    stage = stage_open();
    list = list_on(&stage);
    root = kith__list_root(&list);
    random_state = 88172645463325252u;
}

static uint64_t
random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static struct kith__part
tree(void)
{
    return (struct kith__part){ kith__load(&root->tree), kith__load(&root->tree_count) };
}

/* Makes the part the list's tree, in the record of the edit; or aborts that, if it failed. */
static kith_err
swap_in(struct kith__tree_edit *edit, struct kith__part part)
{
    struct kith__op *op = edit->op;
    kith_err err;

    kith__list_set_tree(op, root, part);
    kith__list_set_state(op, root, 0, 0);
    err = kith__op_commit(op);
    if (err < 0)
        kith__op_abort(op);
    kith__lock_release(stage.self, &root->root.lock);
    kith__op_end(stage.self);
    return err;
}

static kith_err
splice_items(uint64_t from, uint64_t to, const struct kith__stored *items, uint64_t count)
{
    struct kith__part part = tree();
    struct kith__op op;
    struct kith__tree_edit edit = { .op = &op };

    EXPECT_OK(kith__lock_acquire(stage.self, &root->root.lock));
    kith__op_begin(&op, stage.self);
    kith__tree_splice(&edit, &part, from, to, items, count);
    return swap_in(&edit, part);
}

static struct kith__stored
number(int64_t n)
{
    return (struct kith__stored){ .meta = KITH__META(KITH_TYPE_INT, 0, 8), .value = (uint64_t)n };
}

/* Items [from, to) are replaced by the numbers [first, first + count). */
static kith_err
splice(uint64_t from, uint64_t to, int64_t first, uint64_t count)
{
    struct kith__stored *items = malloc((count + 1) * sizeof *items);
    kith_err err;

    assert_non_null(items);
    for (uint64_t i = 0; i < count; i++)
        items[i] = number(first + (int64_t)i);
    err = splice_items(from, to, items, count);
    free(items);
    return err;
}

static void
push(int64_t first, bool front)
{
    struct kith__part part = tree();
    struct kith__op op;
    struct kith__tree_edit edit = { .op = &op };
    struct kith__leaf *leaf;
    uint64_t off;

    EXPECT_OK(kith__lock_acquire(stage.self, &root->root.lock));
    kith__op_begin(&op, stage.self);
    leaf = kith__list_take_chunk(&op, &off);
    assert_non_null(leaf);
    for (unsigned i = 0; i < KITH__FAN; i++) {
        struct kith__stored item = number(first + (int64_t)i);

        kith__slot_store(&leaf->slot[i], item.meta, item.value);
    }
    EXPECT_OK(kith__tree_push(
        &edit, &part, (struct kith__part){ KITH__PART_WORD(off, KITH__FAN, 0), KITH__FAN }, front));
    EXPECT_OK(swap_in(&edit, part));
}

/* ---- B1 to B3 ------------------------------------------------------------------------------- */

/* What a walk in order has seen of the leaves. */
struct walk {
    int64_t *numbers;
    uint64_t items, nodes, few;
};

static void
walk_part(struct walk *walk, uint64_t word, unsigned level)
{
    unsigned n = kith__part_entries(word);
    void *node = kith__part_node(stage.arena, word);
    uint64_t before = walk->items;

    assert_non_null(node);                           /* B2: 1 to 64 */
    assert_int_equal(level, kith__part_level(word)); /* B1 */
    walk->nodes++;
    walk->few += n < KITH__FAN / 4;
    for (unsigned i = 0; i < n; i++) {
        if (level == 0) {
            walk->numbers[walk->items++] =
                (int64_t)kith__load(&((struct kith__leaf *)node)->slot[i].value);
        } else {
            struct kith__inner *inner = node;

            walk_part(walk, kith__load(&inner->branch[i].child), level - 1);
            assert_true(kith__load(&inner->branch[i].upto) == walk->items - before); /* B3 */
        }
    }
}

#define MODEL_MAX 40000
static int64_t model[MODEL_MAX], walked[MODEL_MAX];
static uint64_t model_count;

static void
expect_the_model(void)
{
    struct walk walk = { .numbers = walked };

    if (tree().word != 0)
        walk_part(&walk, tree().word, kith__part_level(tree().word));
    assert_true(walk.items == model_count && tree().count == model_count);
    assert_memory_equal(model, walked, model_count * sizeof model[0]);
    /* B2: such are left at the edges, and where what was the only child has neighbours now. */
    assert_true(walk.few <= 2 * (KITH__TREE_LEVELS + 1) + walk.nodes / 32);
    for (unsigned i = 0; i < 20 && model_count > 0; i++) {
        uint64_t index = random_below(model_count);
        unsigned slot = KITH__FAN, n = 0;
        struct kith__leaf *leaf = kith__tree_leaf(stage.arena, tree().word, index, &slot, &n);

        assert_non_null(leaf);
        assert_true(slot < n && (int64_t)kith__load(&leaf->slot[slot].value) == model[index]);
    }
}

static void
change(uint64_t from, uint64_t to, int64_t first, uint64_t count)
{
    EXPECT_OK(splice(from, to, first, count));
    memmove(&model[from + count], &model[to], (model_count - to) * sizeof model[0]);
    for (uint64_t i = 0; i < count; i++)
        model[from + i] = first + (int64_t)i;
    model_count = model_count - (to - from) + count;
}

static void
begin_model(void)
{
    make();
    model_count = 0;
}

/* ---- Tests --------------------------------------------------------------------------------- */

static void
as_many_items_as_fill_it_need_no_node_more(void **unused)
{
    const struct {
        uint64_t items;
        unsigned level, entries;
    } sizes[] = {
        { 1, 0, 1 },     { 64, 0, 64 },  { 65, 1, 2 },         { 128, 1, 2 },
        { 4096, 1, 64 }, { 4097, 2, 2 }, { 262144 / 8, 2, 8 },
    };

    (void)unused;
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        begin_model();
        change(0, 0, 0, sizes[i].items);
        assert_int_equal(sizes[i].level, kith__part_level(tree().word));
        assert_int_equal(sizes[i].entries, kith__part_entries(tree().word));
        expect_the_model();
        change(0, sizes[i].items, 0, 0);
        assert_true(tree().word == 0 && tree().count == 0);
        expect_list_at_rest(&stage);
        stage_close(&stage);
    }
}

static void
one_item_more_splits_its_leaf_into_halves(void **unused)
{
    struct kith__inner *node;

    (void)unused;
    begin_model();
    change(0, 0, 0, KITH__FAN);
    change(10, 10, 1000, 1);
    assert_int_equal(1, kith__part_level(tree().word));
    node = kith__part_node(stage.arena, tree().word);
    assert_int_equal(33, kith__part_entries(kith__load(&node->branch[0].child)));
    assert_int_equal(32, kith__part_entries(kith__load(&node->branch[1].child)));
    expect_the_model();
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_leaf_that_has_few_is_joined_with_its_neighbour(void **unused)
{
    (void)unused;
    begin_model();
    change(0, 0, 0, 65); /* 33 and 32 */
    for (unsigned n = 32; n-- > 15;)
        change(33, 34, 0, 0);
    assert_int_equal(0, kith__part_level(tree().word)); /* 33 and 15 fit one */
    assert_int_equal(48, kith__part_entries(tree().word));
    expect_the_model();
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_range_that_goes_takes_along_all_levels_between_its_ends(void **unused)
{
    uint64_t used;

    (void)unused;
    begin_model();
    used = granules_used(&stage);
    change(0, 0, 0, 30000);
    expect_the_model();
    change(100, 29900, 50000, 3);
    expect_the_model();
    assert_int_equal(203, model_count);
    put_away(&stage);
    expect_list_at_rest(&stage); /* the parts that were dropped are taken apart */
    change(0, 203, 0, 0);
    put_away(&stage);
    expect_list_at_rest(&stage);
    assert_true(granules_used(&stage) <= used + 64); /* what threads and classes keep */
    stage_close(&stage);
}

static void
any_change_leaves_the_items_in_their_order(void **unused)
{
    (void)unused;
    begin_model();
    for (unsigned i = 0; i < 600; i++) {
        uint64_t from = random_below(model_count + 1);
        uint64_t to = from + random_below(random_below(4) == 0 ? model_count - from + 1 : 8);
        uint64_t count = random_below(random_below(8) == 0 ? 3000 : 80);

        if (to > model_count)
            to = model_count;
        if (model_count - (to - from) + count > MODEL_MAX)
            count = 0;
        change(from, to, (int64_t)i * 10000, count);
        expect_the_model();
        if (i % 50 == 0)
            expect_list_at_rest(&stage);
    }
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* Leaves at both ends, and small changes among them, until the tree has three levels. */
static void
leaves_come_to_either_end_without_a_copy(void **unused)
{
    (void)unused;
    begin_model();
    change(0, 0, -1, 1); /* a leaf with few, which is at no edge soon */
    for (unsigned i = 0; i < 150; i++) {
        bool front = random_below(2) != 0;
        int64_t first = 1000 * ((int64_t)i + 1);

        push(first, front);
        if (front)
            memmove(&model[KITH__FAN], model, model_count * sizeof model[0]);
        for (unsigned k = 0; k < KITH__FAN; k++)
            model[front ? k : model_count + k] = first + k;
        model_count += KITH__FAN;
        expect_the_model();
        if (i % 3 == 0)
            change(random_below(model_count), model_count, 0, 0); /* as if popped */
        if (i % 30 == 0)
            expect_list_at_rest(&stage);
    }
    for (unsigned i = 0; i < 150; i++) {
        push(1000 * (int64_t)i, false);
        for (unsigned k = 0; k < KITH__FAN; k++)
            model[model_count + k] = 1000 * (int64_t)i + k;
        model_count += KITH__FAN;
    }
    assert_int_equal(2, kith__part_level(tree().word));
    expect_the_model();
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

/* Blocks of items that go out are given back, unless they are somebody else's from now on. */
static void
the_blocks_of_items_go_with_them_unless_they_are_kept(void **unused)
{
    struct kith__part part;
    struct kith__stored text;
    struct kith__op op;
    struct kith__tree_edit edit = { .op = &op, .keep = true };
    char room[100];
    uint64_t size = 0;

    (void)unused;
    make();
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__stored_make(&op, list_text(room, sizeof room, 0), &text));
    EXPECT_OK(kith__lock_acquire(stage.self, &root->root.lock));
    part = tree();
    EXPECT_OK(kith__tree_splice(&edit, &part, 0, 0, &text, 1));
    EXPECT_OK(swap_in(&edit, part));
    EXPECT_WHOLE(&stage);
    /* Out of the tree, and kept: into it again. */
    EXPECT_OK(kith__lock_acquire(stage.self, &root->root.lock));
    kith__op_begin(&op, stage.self);
    part = tree();
    EXPECT_OK(kith__tree_splice(&edit, &part, 0, 1, NULL, 0));
    assert_true(part.word == 0);
    EXPECT_OK(kith__tree_splice(&edit, &part, 0, 0, &text, 1));
    EXPECT_OK(swap_in(&edit, part));
    assert_true(kith__block_at(stage.arena, text.value, &size));
    EXPECT_WHOLE(&stage);
    EXPECT_OK(splice(0, 1, 0, 0));
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
a_change_that_finds_a_broken_node_does_nothing(void **unused)
{
    struct kith__inner *node;
    uint64_t word, child, upto;
    unsigned slot, n;

    (void)unused;
    begin_model();
    change(0, 0, 0, 1000);
    word = tree().word;
    node = kith__part_node(stage.arena, word);
    child = kith__load(&node->branch[3].child);
    upto = kith__load(&node->branch[3].upto);
    {
        const uint64_t wrong[] = {
            0,
            KITH__PART_WORD(kith__part_off(child), 0, 0),  /* no entries */
            KITH__PART_WORD(kith__part_off(child), 65, 0), /* too many */
            KITH__PART_WORD(kith__part_off(child), 64, 1), /* B1 */
            KITH__PART_WORD(stage.arena->size, 64, 0),     /* nowhere */
        };

        for (size_t i = 0; i < COUNTOF(wrong); i++) {
            kith__store(&node->branch[3].child, wrong[i]);
            EXPECT_RC(KITH_ECORRUPT, splice(200, 201, 0, 1));
            assert_null(kith__tree_leaf(stage.arena, word, 200, &slot, &n));
            EXPECT_FINDS(&stage, "A node of a list");
        }
    }
    kith__store(&node->branch[3].child, child);
    kith__store(&node->branch[3].upto, upto - 5); /* B3 */
    EXPECT_RC(KITH_ECORRUPT, splice(upto - 3, upto - 3, 0, 1));
    EXPECT_RC(KITH_ECORRUPT, splice(upto - 7, upto - 6, 0, 1));
    EXPECT_FINDS(&stage, "A node of a list counts");
    kith__store(&node->branch[3].upto, upto);
    kith__store(&root->tree, KITH__PART_WORD(kith__part_off(word), 16, KITH__TREE_LEVELS + 1));
    EXPECT_RC(KITH_ECORRUPT, splice(0, 0, 0, 1));
    assert_null(kith__tree_leaf(stage.arena, tree().word, 0, &slot, &n));
    kith__store(&root->tree, word);
    expect_the_model();
    expect_list_at_rest(&stage); /* of what was made for it nothing is left */
    stage_close(&stage);
}

static void
a_range_that_the_tree_has_not_is_refused(void **unused)
{
    (void)unused;
    begin_model();
    change(0, 0, 0, 1000);
    EXPECT_RC(KITH_ECORRUPT, splice(990, 1001, 0, 0));
    EXPECT_RC(KITH_ECORRUPT, splice(1001, 1001, 0, 1));
    EXPECT_RC(KITH_ECORRUPT, splice(10, 9, 0, 1));
    expect_the_model();
    expect_list_at_rest(&stage);
    stage_close(&stage);
}

static void
an_arena_that_is_full_leaves_the_tree(void **unused)
{
    uint64_t used;

    (void)unused;
    begin_model();
    change(0, 0, 0, 5000);
    used = granules_used(&stage);
    /* 32 MB of slots, and the arena has half of that. */
    EXPECT_RC(KITH_ENOMEM, splice(2500, 2500, 0, 2000000));
    expect_the_model();
    put_away(&stage);
    expect_list_at_rest(&stage);
    assert_true(granules_used(&stage) <= used + 16); /* but for lists of the thread that grew */
    change(2500, 2500, 7, 1);
    expect_the_model();
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_items_as_fill_it_need_no_node_more),
        cmocka_unit_test(one_item_more_splits_its_leaf_into_halves),
        cmocka_unit_test(a_leaf_that_has_few_is_joined_with_its_neighbour),
        cmocka_unit_test(a_range_that_goes_takes_along_all_levels_between_its_ends),
        cmocka_unit_test(any_change_leaves_the_items_in_their_order),
        cmocka_unit_test(leaves_come_to_either_end_without_a_copy),
        cmocka_unit_test(the_blocks_of_items_go_with_them_unless_they_are_kept),
        cmocka_unit_test(a_change_that_finds_a_broken_node_does_nothing),
        cmocka_unit_test(a_range_that_the_tree_has_not_is_refused),
        cmocka_unit_test(an_arena_that_is_full_leaves_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
