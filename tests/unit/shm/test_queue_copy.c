#include "queue_stage.h"

#define MOST 64u

struct copied {
    struct kith__queued item[MOST];
    uint32_t count, stop_at;
};

static int
keep(const struct kith__queued *queued, void *arg)
{
    struct copied *copied = arg;

    if (copied->count < MOST)
        copied->item[copied->count] = *queued;
    return ++copied->count == copied->stop_at;
}

static struct copied
copy(bool rescue, struct kith__queue_state *state)
{
    struct copied copied = { .count = 0 };

    EXPECT_OK(kith__queue_copy(stage.self, &queue, rescue, state, keep, &copied));
    return copied;
}

static void
expect_ints(const struct copied *copied, const int64_t *ints, uint32_t count)
{
    assert_int_equal(count, copied->count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(ints[i], copied->item[i].item.integer);
}
#define EXPECT_INTS(copied, ...)                                                                   \
    expect_ints(copied, (const int64_t[]){ __VA_ARGS__ },                                          \
                COUNTOF(((const int64_t[]){ __VA_ARGS__ })))

/* Ready in four ways, lent in two, delayed. */
static void
fill(void)
{
    make_queue(100);
    put_ints(0, 4);
    put_aside(4, 0, 200);
    put_aside(5, -3, 0);
    put_aside(6, 9, 0);
    put_aside(7, 0, 100);
    put_ints(8, 10);
    lease_int(6, 50);
    lease_int(0, -1);
    lease_int(1, -1);
}

static void
items_are_copied_in_the_order_in_which_they_would_be_got(void **unused)
{
    struct kith__queue_state state;
    struct copied copied;

    (void)unused;
    fill();
    copied = copy(false, &state);
    EXPECT_INTS(&copied, 6, 0, 1, 2, 3, 8, 9, 5, 7, 4);
    assert_int_equal(100, state.capacity);
    assert_int_equal(10, state.expected);
    assert_int_equal(10, state.count);
    assert_false(state.closed);
    assert_int_equal(9, copied.item[0].priority);
    assert_int_equal(1, copied.item[0].attempts);
    assert_int_equal(0, copied.item[0].delay_ns); /* its lease has an end, and it no delay */
    assert_int_equal(1, copied.item[2].attempts);
    assert_int_equal(0, copied.item[3].attempts);
    assert_int_equal(-3, copied.item[7].priority);
    assert_true(copied.item[8].delay_ns > 0 && copied.item[8].delay_ns <= 100 * NS_PER_S);
    assert_true(copied.item[9].delay_ns > copied.item[8].delay_ns);
    pass_time(150);
    copied = copy(false, &state);
    assert_int_equal(0, copied.item[8].delay_ns);
    assert_int_equal(10, counts().total); /* nothing moved */
    close_queue();
}

static void
items_of_every_size_are_copied_with_their_tags(void **unused)
{
    static uint8_t bytes[5000];
    struct kith__queue_state state;
    struct copied copied = { .count = 0 };
    struct kith_item item = {
        .type = KITH_TYPE_FOREIGN, .tag = "a/tag", .data = bytes, .size = sizeof bytes
    };

    (void)unused;
    make_queue(0);
    EXPECT_OK(put_item(item));
    item.size = 3;
    EXPECT_OK(put_item(item));
    EXPECT_OK(put_item((struct kith_item){ .type = KITH_TYPE_FLOAT, .real = 2.5 }));
    EXPECT_OK(put_item((struct kith_item){ .type = KITH_TYPE_BOOL, .boolean = true }));
    EXPECT_OK(put_item((struct kith_item){ .type = KITH_TYPE_NONE }));
    copied.stop_at = 2;
    EXPECT_OK(kith__queue_copy(stage.self, &queue, false, &state, keep, &copied));
    assert_int_equal(2, copied.count); /* it was told to stop */
    assert_int_equal(5, state.count);
    assert_int_equal(sizeof bytes, copied.item[0].item.size);
    assert_int_equal(3, copied.item[1].item.size);
    copied = copy(false, &state);
    assert_true(copied.item[2].item.real == 2.5);
    assert_true(copied.item[3].item.boolean);
    assert_int_equal(KITH_TYPE_NONE, copied.item[4].item.type);
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_copy(stage.self, &queue, false, &state, keep, &copied));
    queue.id--;
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
a_rescue_takes_what_can_be_reached_and_each_once(void **unused)
{
    struct kith__queue_state state;
    struct kith__node *top, *lent;
    struct copied copied = { .count = 0 };
    uint64_t word;

    (void)unused;
    fill();
    copied = copy(true, &state);
    assert_int_equal(10, copied.count);

    lent = node_of(kith__load(&root->lent_first));
    word = kith__load(&lent->next);
    kith__store(&lent->next, kith__load(&root->lent_first)); /* 1 is lost, 0 goes round */
    copied = copy(true, &state);
    EXPECT_INTS(&copied, 6, 0, 2, 3, 8, 9, 5, 7, 4);
    assert_int_equal(10, state.expected);
    assert_int_equal(9, state.count);
    copied.count = 0;
    EXPECT_RC(KITH_ECORRUPT, kith__queue_copy(stage.self, &queue, false, &state, keep, &copied));
    assert_int_equal(0, copied.count);
    assert_int_equal(0, stage.self->depth);
    kith__store(&lent->next, word);

    top = node_of(kith__load(&root->delayed));
    word = kith__load(&top->magic);
    kith__store(&top->magic, word + 1); /* and so what hangs below it */
    copied = copy(true, &state);
    EXPECT_INTS(&copied, 6, 0, 1, 2, 3, 8, 9, 5);
    kith__store(&top->magic, word);

    word = kith__load(&root->first);
    kith__store(&root->first, 8); /* the stream */
    copied = copy(true, &state);
    EXPECT_INTS(&copied, 6, 0, 1, 5, 7, 4);
    kith__store(&root->first, word);

    word = kith__load(&root->tail); /* more than were ever put */
    kith__store(&root->tail, word + KITH__PLACE(1000000, 0));
    copied = copy(true, &state);
    assert_true(copied.count >= 10);
    kith__store(&root->tail, word);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- Putting in again --------------------------------------------------------------------- */

static void
what_is_restored_is_what_it_was(void **unused)
{
    struct kith__queue_state state;
    struct copied copied, again;

    (void)unused;
    fill();
    copied = copy(false, &state);
    for (uint32_t i = 0; i < copied.count; i++) /* the items are in memory of the copy's */
        copied.item[i].item = KITH_INT(1000 + i);
    stage_close(&stage);
    make_queue(10);
    EXPECT_OK(kith__queue_restore(stage.self, &queue, copied.item, copied.count));
    again = copy(false, &state);
    assert_int_equal(copied.count, again.count);
    for (uint32_t i = 0; i < copied.count; i++) {
        assert_int_equal(1000 + i, again.item[i].item.integer);
        assert_int_equal(copied.item[i].attempts, again.item[i].attempts);
        assert_int_equal(copied.item[i].priority, again.item[i].priority);
        assert_int_equal(copied.item[i].delay_ns > 0, again.item[i].delay_ns > 0);
    }
    close_queue();
}

static void
all_that_is_restored_goes_in_or_nothing(void **unused)
{
    struct kith__queued queued[4] = { { .item = KITH_INT(1) },
                                      { .item = KITH_INT(2), .priority = 3 },
                                      { .item = KITH_INT(3), .delay_ns = NS_PER_S },
                                      { .item = KITH_INT(4), .attempts = 2 } };

    (void)unused;
    make_queue(3);
    EXPECT_RC(KITH_EFULL, kith__queue_restore(stage.self, &queue, queued, 4));
    assert_int_equal(0, counts().ever);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    EXPECT_OK(kith__queue_restore(stage.self, &queue, &queued[1], 3));
    assert_int_equal(3, counts().total);
    EXPECT_WHOLE(&stage);
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_restore(stage.self, &queue, queued, 1));
    queue.id--;
    assert_int_equal(2, get_int());
    assert_int_equal(2, lease_int(4, -1).attempts);
    EXPECT_OK(kith__queue_shutdown(stage.self, &queue));
    EXPECT_RC(KITH_ECLOSED, kith__queue_restore(stage.self, &queue, queued, 1));
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_copied_in_the_order_in_which_they_would_be_got),
        cmocka_unit_test(items_of_every_size_are_copied_with_their_tags),
        cmocka_unit_test(a_rescue_takes_what_can_be_reached_and_each_once),
        cmocka_unit_test(what_is_restored_is_what_it_was),
        cmocka_unit_test(all_that_is_restored_goes_in_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
