#include <sched.h>

#include "queue_stage.h"

static struct kith_item
large(void)
{
    static uint8_t bytes[LARGE];

    return kith_bytes(bytes, sizeof bytes);
}

static kith_err
put_many(int64_t from, size_t count)
{
    struct kith_item items[300];

    for (size_t i = 0; i < count; i++)
        items[i] = KITH_INT(from + (int64_t)i);
    return kith__queue_put(stage.self, &queue, items, count, 0);
}

/* ---- One item or many --------------------------------------------------------------------- */

static void
an_item_of_the_stream_takes_no_record_within_a_segment(void **unused)
{
    uint64_t state, tail;

    (void)unused;
    make_queue(0);
    put_ints(0, 1);
    state = kith__load(&stage.self->actor->main.state);
    tail = kith__load(&root->tail);
    put_ints(1, 2);
    EXPECT_OK(put_many(2, 10)); /* nor does a batch */
    assert_int_equal(state, kith__load(&stage.self->actor->main.state));
    assert_int_equal(tail + KITH__PLACE(11, 11), kith__load(&root->tail));
    EXPECT_OK(put_item(large()));
    assert_int_not_equal(state, kith__load(&stage.self->actor->main.state));
    assert_int_equal(0, kith__load(&stage.self->actor->pending_signal));
    get_ints(0, 12);
    close_queue();
}

static void
a_batch_goes_in_whole_across_segments_with_large_items_among_it(void **unused)
{
    struct kith_item items[200];
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    make_queue(0);
    for (size_t i = 0; i < COUNTOF(items); i++)
        items[i] = i % 3 == 0 ? large() : KITH_INT((int64_t)i);
    EXPECT_OK(kith__queue_put(stage.self, &queue, items, COUNTOF(items), 0));
    assert_int_equal(COUNTOF(items), counts().total);
    assert_int_not_equal(kith__load(&root->first), kith__load(&root->tail_segment));
    EXPECT_WHOLE(&stage);
    for (size_t i = 0; i < COUNTOF(items); i++) {
        EXPECT_OK(get_from(&queue, &buf));
        if (i % 3 == 0)
            assert_int_equal(LARGE, buf.item.size);
        else
            assert_int_equal(i, buf.item.integer);
    }
    kith_buf_free(&buf);
    close_queue();
}

static void
a_batch_that_does_not_fit_leaves_nothing_in(void **unused)
{
    struct kith_item items[3] = { KITH_INT(1) };

    (void)unused;
    make_queue(5);
    put_ints(0, 3);
    items[1] = items[2] = large();
    EXPECT_RC(KITH_EFULL, kith__queue_put(stage.self, &queue, items, 3, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_put(stage.self, &queue, items, 3, 1)); /* long past */
    assert_int_equal(3, counts().ever);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    EXPECT_OK(kith__queue_put(stage.self, &queue, items, 2, 0));
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(9)));
    items[2] = kith_bytes("", KITH__ITEM_MAX + 1);
    get_ints(0, 3);
    EXPECT_RC(KITH_ETOOBIG, kith__queue_put(stage.self, &queue, items, 3, 0));
    assert_int_equal(5, counts().ever);
    queue.id++;
    EXPECT_RC(KITH_EGONE, put_item(KITH_INT(9)));
    queue.id--;
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

/* ---- The capacity ------------------------------------------------------------------------- */

static void
the_capacity_counts_whatever_is_in_wherever_it_is(void **unused)
{
    struct kith__lent lent;

    (void)unused;
    make_queue(4);
    put_ints(0, 2);
    lent = lease_int(0, -1);
    put_aside(2, 0, 100);
    put_aside(3, 1, 0);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(9)));
    EXPECT_RC(KITH_EFULL, kith__queue_put_with(stage.self, &queue, &(struct kith_item){ 0 },
                                               &(struct kith__put_how){ .priority = 1 }, 0));
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));
    put_ints(4, 5);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(9)));
    get_ints(3, 4);
    put_ints(5, 6);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(9)));
    get_ints(1, 2);
    get_ints(4, 6);
    close_queue();
}

static void
the_room_is_looked_for_once_for_as_many_items_as_it_lasts(void **unused)
{
    (void)unused;
    make_queue(10);
    put_ints(0, 1);
    assert_int_equal(10, kith__load(&root->room_until)); /* Q5 */
    put_ints(1, 10);
    get_ints(0, 4);
    assert_int_equal(10, kith__load(&root->room_until)); /* getters do not write it */
    put_ints(10, 11);
    assert_int_equal(14, kith__load(&root->room_until));
    put_ints(11, 14);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(14)));
    get_ints(4, 5);
    put_aside(20, 1, 0); /* one that counts, and is not in the stream */
    assert_int_equal(0, kith__load(&root->room_until));
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(14)));
    get_ints(20, 21);
    put_ints(14, 15);
    assert_int_equal(15, kith__load(&root->room_until));
    close_queue();
}

static void
who_finds_no_room_makes_it_of_what_is_due(void **unused)
{
    struct kith__queue letters = make_with_letters(1);

    (void)unused;
    root->capacity = 2;
    put_ints(0, 2);
    lease_int(0, 10);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(2)));
    pass_time(11);
    put_ints(2, 3); /* the lease is over, and its item a dead letter */
    assert_int_equal(1, kith__load(&root->dead_count));
    EXPECT_OK(get_from(&letters, NULL));
    get_ints(1, 3);
    close_queue();
}

/* ---- At a place of its own ---------------------------------------------------------------- */

static void
an_item_put_aside_has_the_streams_count_and_a_number_of_its_own(void **unused)
{
    struct kith__node *node;

    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    put_aside(3, -7, 0);
    node = node_of(kith__load(&root->ready));
    assert_int_equal(3, kith__load(&node->ticket));
    assert_int_equal(1, kith__load(&node->order));
    assert_int_equal(-7, (int64_t)kith__load(&node->priority));
    assert_int_equal(0, kith__load(&node->due));
    put_aside(4, 0, 100);
    node = node_of(kith__load(&root->delayed));
    assert_int_equal(2, kith__load(&node->order));
    assert_true(kith__load(&node->due) > 0);
    assert_int_equal(2, kith__load(&root->aside));
    assert_int_equal(2, kith__load(&root->nodes)); /* Q2 */
    EXPECT_OK(kith__queue_put_with(stage.self, &queue, &(struct kith_item){ 0 },
                                   &(struct kith__put_how){ 0 }, 0)); /* in order after all */
    assert_int_equal(2, kith__load(&root->aside));
    get_ints(0, 3);
    close_queue();
}

/* ---- In a transaction --------------------------------------------------------------------- */

static void
a_transaction_sees_the_room_that_its_own_record_leaves(void **unused)
{
    const struct kith__put_how how = { .priority = 1 }, plain = { 0 };
    struct kith_item item = KITH_INT(1), big = large();
    struct kith__op op;

    (void)unused;
    make_queue(4);
    put_ints(0, 1);
    for (int commit = 0; commit < 2; commit++) {
        EXPECT_OK(kith__queue_lock_both(stage.self, queue.off));
        kith__op_begin(&op, stage.self);
        EXPECT_OK(kith__queue_link(&op, &queue, &item, &plain));
        EXPECT_OK(kith__queue_link(&op, &queue, &item, &how));
        EXPECT_OK(kith__queue_link(&op, &queue, &big, &plain));
        EXPECT_RC(KITH_EFULL, kith__queue_link(&op, &queue, &item, &plain));
        EXPECT_RC(KITH_EFULL, kith__queue_link(&op, &queue, &item, &how));
        if (commit == 1)
            EXPECT_OK(kith__op_commit(&op));
        kith__queue_unlock_both(stage.self, queue.off);
        if (commit == 0)
            kith__op_abort(&op);
        assert_int_equal(commit == 1 ? 4 : 1, counts().total);
        EXPECT_WHOLE(&stage);
    }
    assert_int_equal(1, get_int());
    get_ints(0, 2);
    EXPECT_OK(get_from(&queue, NULL));
    expect_empty();
    close_queue();
}

/* ---- Waiting ------------------------------------------------------------------------------ */

/* Takes an item once the test's thread waits, or is about to. */
static void *
get_when_waited_for(void *arg)
{
    struct kith__self *self = kith__self_of(stage.arena);
    size_t got = 0;

    (void)arg;
    while (kith__load_acquire(&stage.self->actor->waiting_on) == 0)
        sched_yield();
    EXPECT_OK(kith__queue_get(self, &queue, 1, 0, NULL, &got));
    return NULL;
}

static void
who_waits_for_room_goes_on_when_an_item_leaves(void **unused)
{
    struct kith_item item = KITH_INT(2);
    pthread_t thread;

    (void)unused;
    make_queue(2);
    put_ints(0, 2);
    assert_int_equal(0, pthread_create(&thread, NULL, get_when_waited_for, NULL));
    EXPECT_OK(kith__queue_put(stage.self, &queue, &item, 1, INT64_MAX));
    pthread_join(thread, NULL);
    assert_int_equal(0, kith__load(&stage.self->actor->waiting_on));
    get_ints(1, 3);
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_of_the_stream_takes_no_record_within_a_segment),
        cmocka_unit_test(a_batch_goes_in_whole_across_segments_with_large_items_among_it),
        cmocka_unit_test(a_batch_that_does_not_fit_leaves_nothing_in),
        cmocka_unit_test(the_capacity_counts_whatever_is_in_wherever_it_is),
        cmocka_unit_test(the_room_is_looked_for_once_for_as_many_items_as_it_lasts),
        cmocka_unit_test(who_finds_no_room_makes_it_of_what_is_due),
        cmocka_unit_test(an_item_put_aside_has_the_streams_count_and_a_number_of_its_own),
        cmocka_unit_test(a_transaction_sees_the_room_that_its_own_record_leaves),
        cmocka_unit_test(who_waits_for_room_goes_on_when_an_item_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
