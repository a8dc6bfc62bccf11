#include "queue_stage.h"

static kith_err
node_make(struct kith__op *op, struct kith_item item, uint64_t *off_out)
{
    return kith__queue_node(op, queue.id, &item, off_out);
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static void
a_node_holds_an_item_of_any_type_and_its_tag(void **unused)
{
    static uint8_t bytes[30000];
    const struct kith_item items[] = {
        { .type = KITH_TYPE_NONE },
        { .type = KITH_TYPE_BOOL, .boolean = true },
        KITH_INT(INT64_MIN),
        { .type = KITH_TYPE_FLOAT, .real = 1.5 },
        KITH_STR(""),
        KITH_STR("text"),
        { .type = KITH_TYPE_FOREIGN, .tag = "a/tag", .data = bytes, .size = sizeof bytes },
        { .type = KITH_TYPE_FOREIGN, .tag = "t", .data = "", .size = 0 },
    };
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item back;
    struct kith__op op;
    uint64_t off;

    (void)unused;
    make_queue(0);
    for (size_t i = 0; i < COUNTOF(items); i++) {
        kith__op_begin(&op, stage.self);
        EXPECT_OK(node_make(&op, items[i], &off));
        EXPECT_OK(kith__node_read(&queue, node_of(off), &back, tag));
        assert_int_equal(items[i].type, back.type);
        assert_int_equal(items[i].size, back.size);
        if (items[i].type <= KITH_TYPE_FLOAT)
            assert_int_equal(items[i].integer, back.integer);
        else if (items[i].size > 0)
            assert_memory_equal(items[i].data, back.data, items[i].size);
        if (items[i].tag != NULL)
            assert_string_equal(items[i].tag, back.tag);
        assert_int_equal(0, kith__load(&node_of(off)->fence));
        kith__op_abort(&op);
    }
    kith__op_begin(&op, stage.self);
    EXPECT_RC(KITH_ETOOBIG, node_make(&op, kith_bytes(bytes, KITH__ITEM_MAX + 1), &off));
    assert_int_equal(0, off);
    kith__op_abort(&op);
    close_queue();
}

static void
a_node_of_another_queue_or_of_none_is_not_read(void **unused)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__node *node;
    struct kith_item item;
    struct kith__op op;
    uint64_t off, meta;

    (void)unused;
    make_queue(0);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(node_make(&op, kith_str("text"), &off));
    node = node_of(off);
    queue.id++;
    EXPECT_RC(KITH_ECORRUPT, kith__node_read(&queue, node, &item, tag));
    queue.id--;
    meta = node->meta;
    node->meta = KITH__META(KITH_TYPE_STR, 0, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__node_read(&queue, node, &item, tag));
    node->meta = KITH__META(KITH_TYPE_REFERENCE + 1, 0, 4);
    EXPECT_RC(KITH_ECORRUPT, kith__node_read(&queue, node, &item, tag));
    node->meta = KITH__META(KITH_TYPE_FOREIGN, KITH_TAG_SIZE_MAX + 1, 0);
    EXPECT_RC(KITH_ECORRUPT, kith__node_read(&queue, node, &item, tag));
    node->meta = meta;
    EXPECT_OK(kith__node_read(&queue, node, &item, tag));
    kith__op_abort(&op);
    close_queue();
}

/* ---- Heaps -------------------------------------------------------------------------------- */

static void
higher_priorities_come_first_and_within_one_the_earlier(void **unused)
{
    enum { COUNT = 300 };
    int64_t last_priority = INT64_MAX, last = -1;

    (void)unused;
    make_queue(0);
    for (int64_t n = 0; n < COUNT; n++) {
        int64_t priority = n * 37 % 11 - 5;

        put_aside(n, priority, 0);
        if (n % 50 == 49)
            EXPECT_WHOLE(&stage); /* O1, O2 */
    }
    /* The way that is merged along is short: 2^rank - 1 nodes at least hang below. */
    assert_true(kith__load(&node_of(kith__load(&root->ready))->rank) <= 8);
    for (int64_t i = 0; i < COUNT; i++) {
        int64_t n = get_int(), priority = n * 37 % 11 - 5;

        assert_true(priority < last_priority || (priority == last_priority && n > last));
        last_priority = priority;
        last = n;
        if (i % 50 == 49)
            EXPECT_WHOLE(&stage);
    }
    assert_int_equal(0, kith__load(&root->ready));
    assert_int_equal(0, kith__load(&root->nodes));
    close_queue();
}

static void
the_extremes_of_priority_are_in_order_too(void **unused)
{
    const int64_t priorities[] = { 0, INT64_MIN, INT64_MAX, -1, 1, INT64_MIN + 1 };
    const int64_t order[] = { 2, 4, 0, 3, 5, 1 };

    (void)unused;
    make_queue(0);
    for (size_t i = 0; i < COUNTOF(priorities); i++)
        put_aside((int64_t)i, priorities[i], 0);
    for (size_t i = 0; i < COUNTOF(order); i++)
        assert_int_equal(order[i], get_int());
    close_queue();
}

static void
what_was_put_aside_has_its_place_among_the_stream(void **unused)
{
    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    put_aside(3, 0, 10);
    put_aside(4, 0, 10);
    put_ints(5, 8);
    put_aside(100, 1, 10);
    put_aside(200, -1, 10);
    assert_int_equal(4, counts().delayed);
    get_ints(0, 3);
    pass_time(11);
    assert_int_equal(100, get_int());
    get_ints(3, 8); /* 3 and 4 behind what was before, before what came behind */
    assert_int_equal(200, get_int());
    expect_empty();
    close_queue();
}

static void
a_heap_that_goes_round_is_found_out(void **unused)
{
    struct kith__node *top;
    uint64_t next, prev;

    (void)unused;
    make_queue(0);
    for (int64_t n = 0; n < 8; n++)
        put_aside(n, 1, 0);
    top = node_of(kith__load(&root->ready));
    next = kith__load(&top->next);
    prev = kith__load(&top->prev);
    kith__store(&top->prev, kith__off(stage.arena, top));
    kith__store(&top->next, kith__off(stage.arena, top));
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&top->next, stage.arena->size);
    kith__store(&top->prev, prev);
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&top->next, next);
    assert_int_equal(8, counts().total);
    get_ints(0, 8);
    next = 8;
    kith__store(&root->ready, next);
    EXPECT_RC(KITH_ECORRUPT, get_from(&queue, NULL));
    kith__store(&root->ready, 0);
    expect_empty();
    close_queue();
}

/* ---- What is due -------------------------------------------------------------------------- */

static uint64_t
due_of(uint64_t off)
{
    return off == 0 ? 0 : kith__load(&node_of(off)->due);
}

static void
the_next_time_is_that_of_the_earliest_delay_or_lease(void **unused)
{
    struct kith__lent lent;
    uint64_t delay;

    (void)unused;
    make_queue(0);
    put_aside(1, 0, 100);
    delay = kith__load(&root->next_due);
    assert_int_equal(due_of(kith__load(&root->delayed)), delay);
    put_aside(2, 0, 200);
    assert_int_equal(delay, kith__load(&root->next_due));
    put_aside(3, 0, 50);
    assert_true(kith__load(&root->next_due) < delay);
    put_ints(4, 5);
    lent = lease_int(4, 10);
    assert_int_equal(due_of(lent.node), kith__load(&root->next_due)); /* O3 */
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));
    assert_int_equal(due_of(kith__load(&root->delayed)), kith__load(&root->next_due));
    pass_time(60);
    assert_int_equal(3, get_int());
    assert_int_equal(delay, kith__load(&root->next_due));
    pass_time(200);
    get_ints(1, 3);
    assert_int_equal(0, kith__load(&root->next_due));
    close_queue();
}

static void
what_is_due_is_settled_at_once_and_each_in_its_own_record(void **unused)
{
    uint64_t records;

    (void)unused;
    make_queue(0);
    for (int64_t n = 0; n < 10; n++)
        put_aside(n, 0, 10 + n);
    pass_time(15);
    EXPECT_OK(kith__lock_acquire(stage.self, &root->head_lock));
    records = kith__load(&stage.self->actor->main.state) >> 1;
    EXPECT_OK(kith__queue_settle(stage.self, &queue));
    assert_int_equal(records + 6, kith__load(&stage.self->actor->main.state) >> 1);
    EXPECT_OK(kith__queue_settle(stage.self, &queue)); /* nothing is left to do */
    assert_int_equal(records + 6, kith__load(&stage.self->actor->main.state) >> 1);
    kith__lock_release(stage.self, &root->head_lock);
    assert_int_equal(6, counts().ready);
    assert_int_equal(4, counts().delayed);
    assert_int_equal(due_of(kith__load(&root->delayed)), kith__load(&root->next_due));
    get_ints(0, 6);
    close_queue();
}

static void
a_time_is_never_none_and_ends_with_the_clock(void **unused)
{
    (void)unused;
    make_queue(0);
    assert_int_equal(INT64_MAX, kith__due_after(stage.arena, INT64_MAX));
    assert_true(kith__due_after(stage.arena, 0) > 0);
    assert_false(kith__is_due(stage.arena, 0)); /* never */
    assert_true(kith__is_due(stage.arena, 1));
    assert_false(kith__is_due(stage.arena, INT64_MAX));
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_holds_an_item_of_any_type_and_its_tag),
        cmocka_unit_test(a_node_of_another_queue_or_of_none_is_not_read),
        cmocka_unit_test(higher_priorities_come_first_and_within_one_the_earlier),
        cmocka_unit_test(the_extremes_of_priority_are_in_order_too),
        cmocka_unit_test(what_was_put_aside_has_its_place_among_the_stream),
        cmocka_unit_test(a_heap_that_goes_round_is_found_out),
        cmocka_unit_test(the_next_time_is_that_of_the_earliest_delay_or_lease),
        cmocka_unit_test(what_is_due_is_settled_at_once_and_each_in_its_own_record),
        cmocka_unit_test(a_time_is_never_none_and_ends_with_the_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
