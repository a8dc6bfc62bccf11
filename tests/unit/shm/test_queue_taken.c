#include "queue_stage.h"
#include "shm/extent.h"

/* A process that does not exist. */
#define SOMEBODY (UINT64_C(1) << 16 | 4000)

static void
make_lending(uint64_t capacity, unsigned lending, uint32_t attempts_max)
{
    make_with(&(struct kith__queue_making){
        .capacity = capacity, .joinable = true, .lending = lending, .attempts_max = attempts_max });
}

static kith_err
report(void)
{
    return kith__queue_task_done(stage.self, &queue);
}

static kith_err
join(void)
{
    return kith__queue_join(stage.self, &queue, 0);
}

/* As if another process had got the `n`th of what is lent. */
static void
give_to_somebody(unsigned n)
{
    struct kith__node *node = node_of(kith__load(&root->lent_first));

    while (n-- > 0)
        node = node_of(kith__load(&node->next));
    kith__store(&node->owner, SOMEBODY);
}

static void
killed(uint64_t owner)
{
    EXPECT_OK(kith__queues_hand_back(stage.self, owner, true));
}

/* ---- Taking ------------------------------------------------------------------------------- */

static void
what_is_taken_is_out_of_the_queue_and_kept(void **unused)
{
    struct kith__node *node;

    (void)unused;
    make_lending(0, KITH__LENDING, 0);
    put_ints(0, 3);
    get_ints(0, 2);
    assert_int_equal(1, counts().ready);
    assert_int_equal(0, counts().lent);
    assert_int_equal(2, counts().taken);
    assert_int_equal(1, counts().total);
    assert_int_equal(2, kith__load(&root->taken)); /* Q6 */
    node = node_of(kith__load(&root->lent_first));
    assert_int_equal(1 | KITH__FENCE_TAKEN, kith__load(&node->fence));
    assert_int_equal(1, kith__load(&node->attempts));
    EXPECT_WHOLE(&stage);
    EXPECT_FINDS_IN(&stage, root->taken, 1, "1 items taken by gets, and has 2");
    EXPECT_FINDS_IN(&stage, node->fence, 1, "2 items taken by gets, and has 1");
    get_ints(2, 3);
    expect_empty();
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_RC(KITH_ETIMEDOUT, join());
        EXPECT_OK(report());
    }
    assert_int_equal(0, kith__load(&root->nodes) + kith__load(&root->taken));
    EXPECT_OK(join());
    EXPECT_RC(KITH_EINVAL, report());
    close_queue();
}

static void
many_are_taken_at_once_from_every_place(void **unused)
{
    struct kith_buf bufs[8] = { 0 };
    size_t got = 0;

    (void)unused;
    make_lending(0, KITH__LENDING, 0);
    put_ints(1, 4);
    put_aside(0, 1, 0);
    put_aside(4, -1, 0);
    EXPECT_OK(put_item(kith_bytes(stage.arena->base, LARGE)));
    EXPECT_OK(kith__queue_get(stage.self, &queue, 8, 0, bufs, &got));
    assert_int_equal(6, got);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(i, bufs[i].item.integer);
    assert_int_equal(LARGE, bufs[4].item.size);
    assert_int_equal(4, bufs[5].item.integer);
    assert_int_equal(6, counts().taken);
    EXPECT_WHOLE(&stage);
    killed(kith__owner_of(stage.arena, stage.arena->holder));
    assert_int_equal(0, counts().taken);
    get_ints(0, 4);
    for (unsigned i = 0; i < 8; i++)
        kith_buf_free(&bufs[i]);
    close_queue();
}

static void
a_view_of_what_is_taken_holds_when_it_is_reported(void **unused)
{
    struct kith_buf copy = KITH_BUF_INIT;
    kith__word *pin = NULL;
    uint64_t node = 0;
    uint8_t *bytes = calloc(1, 100000);

    (void)unused;
    make_lending(0, KITH__LENDING, 0);
    EXPECT_OK(put_item(kith_bytes(bytes, 100000)));
    EXPECT_OK(kith__queue_get_pinned(stage.self, &queue, 0, &copy, &pin, &node));
    assert_non_null(pin);
    assert_int_equal(1, counts().taken);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(report());
    assert_memory_equal(bytes, node_of(node)->data, 100000);
    kith__store(pin, 0);
    atomic_fetch_sub(&kith__holder_at(stage.arena, stage.arena->holder)->pin_count, 1);
    kith__limbo_sweep(stage.self);
    free(bytes);
    close_queue();
}

static void
what_is_taken_makes_room(void **unused)
{
    struct kith__lent lent;
    struct kith__put_how how = { .priority = 1 };
    struct kith_item item = KITH_INT(9);

    (void)unused;
    make_lending(2, KITH__LENDING, 0);
    put_ints(0, 2);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(2)));
    get_ints(0, 1);
    put_ints(2, 3);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(3)));
    lent = lease_int(1, -1); /* which makes none */
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(3)));
    EXPECT_RC(KITH_EFULL, kith__queue_put_with(stage.self, &queue, &item, &how, 0));
    assert_int_equal(1, counts().lent);
    EXPECT_OK(report()); /* of what was got, and makes none either */
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(3)));
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));
    put_ints(3, 4);
    get_ints(2, 3);
    EXPECT_OK(kith__queue_put_with(stage.self, &queue, &item, &how, 0));
    EXPECT_WHOLE(&stage);
    /* What comes back comes back, and is then in the way of others. */
    killed(kith__owner_of(stage.arena, stage.arena->holder));
    assert_int_equal(3, counts().total);
    EXPECT_WHOLE(&stage);
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(4)));
    close_queue();
}

static void
in_a_full_arena_as_many_are_taken_as_there_is_memory_for(void **unused)
{
    struct kith_buf bufs[200];
    uint8_t *bytes = calloc(1, KITH__INLINE_MAX);
    size_t got = 0;

    (void)unused;
    memset(bufs, 0, sizeof bufs);
    make_lending(0, KITH__LENDING, 0);
    for (unsigned i = 0; i < 100; i++)
        EXPECT_OK(put_item(kith_bytes(bytes, KITH__INLINE_MAX)));
    put_until_full();
    EXPECT_OK(kith__queue_get(stage.self, &queue, 200, 0, bufs, &got));
    assert_true(got >= 1 && got < 200);
    EXPECT_WHOLE(&stage);
    while (counts().total + counts().taken > 0) { /* and so the whole queue can be worked off */
        while (counts().taken > 0)
            EXPECT_OK(report());
        if (counts().ready > 0)
            EXPECT_OK(kith__queue_get(stage.self, &queue, 200, 0, bufs, &got));
    }
    EXPECT_OK(join());
    for (unsigned i = 0; i < 200; i++)
        kith_buf_free(&bufs[i]);
    free(bytes);
    close_queue();
}

/* ---- Reporting ---------------------------------------------------------------------------- */

static void
a_report_is_for_the_oldest_of_ones_own_first(void **unused)
{
    struct kith__lent lease;

    (void)unused;
    make_lending(0, KITH__LENDING, 0);
    put_ints(0, 4);
    get_ints(0, 1);
    give_to_somebody(0);
    lease = lease_int(1, -1); /* is not reported by others */
    get_ints(2, 4);
    EXPECT_OK(report());
    killed(kith__owner_of(stage.arena, stage.arena->holder));
    get_ints(1, 2); /* 2 was reported; the lease went as well */
    EXPECT_RC(KITH_EGONE, kith__queue_ack(stage.self, &queue, &lease));
    get_ints(3, 4);
    killed(SOMEBODY);
    get_ints(0, 1);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(report());
    EXPECT_OK(join());
    EXPECT_RC(KITH_EINVAL, report());
    close_queue();
}

static void
who_has_none_reports_for_who_left_and_then_for_others(void **unused)
{
    (void)unused;
    make_lending(0, KITH__LENDING, 0);
    put_ints(0, 3);
    get_ints(0, 3);
    give_to_somebody(0);
    give_to_somebody(1);
    EXPECT_OK(kith__queues_hand_back(stage.self, kith__owner_of(stage.arena, stage.arena->holder),
                                     false)); /* 2 is gone, and still to be reported */
    assert_int_equal(2, counts().taken);
    expect_empty();
    EXPECT_OK(report());
    assert_int_equal(2, counts().taken);
    EXPECT_OK(report());
    killed(SOMEBODY);
    assert_int_equal(1, counts().ready);
    EXPECT_RC(KITH_ETIMEDOUT, join());
    EXPECT_OK(report()); /* for what came back */
    expect_empty();
    EXPECT_OK(join());
    EXPECT_RC(KITH_EINVAL, report());
    put_ints(0, 1);
    EXPECT_RC(KITH_EINVAL, report()); /* not for what nobody ever got */
    get_ints(0, 1);
    close_queue();
}

static void
a_plain_queue_that_lends_is_joined_when_all_is_reported(void **unused)
{
    (void)unused;
    make_with(&(struct kith__queue_making){ .lending = KITH__LENDING });
    put_ints(0, 1);
    EXPECT_RC(KITH_ETIMEDOUT, join());
    get_ints(0, 1);
    EXPECT_RC(KITH_ETIMEDOUT, join());
    EXPECT_OK(kith__queue_shutdown(stage.self, &queue));
    expect_empty(); /* and not at its end: it may come back */
    EXPECT_OK(report());
    EXPECT_OK(join());
    EXPECT_RC(KITH_ECLOSED, get_from(&queue, NULL));
    close_queue();
}

/* ---- The dead ----------------------------------------------------------------------------- */

static void
what_the_killed_took_comes_back_as_often_as_it_may(void **unused)
{
    (void)unused;
    make_lending(0, KITH__LENDING, 2);
    put_ints(0, 3);
    for (unsigned i = 0; i < 2; i++) {
        get_ints(0, 1);
        killed(kith__owner_of(stage.arena, stage.arena->holder));
    }
    assert_int_equal(1, kith__load(&root->dead_count));
    get_ints(1, 3);
    EXPECT_OK(report());
    EXPECT_RC(KITH_ETIMEDOUT, join());
    EXPECT_OK(report());
    EXPECT_OK(join());
    EXPECT_RC(KITH_EINVAL, report());
    close_queue();
}

static void
so_many_are_kept_and_of_others_only_the_number(void **unused)
{
    (void)unused;
    make_lending(0, 2, 0);
    put_ints(0, 10);
    get_ints(0, 10);
    assert_int_equal(5, counts().taken); /* 4, and what was got since anybody looked */
    expect_empty();
    assert_int_equal(4, counts().taken);
    EXPECT_WHOLE(&stage);
    killed(kith__owner_of(stage.arena, stage.arena->holder));
    get_ints(6, 10);
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_RC(KITH_ETIMEDOUT, join());
        EXPECT_OK(report());
    }
    EXPECT_OK(join());
    EXPECT_RC(KITH_EINVAL, report());
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_out_of_the_queue_and_kept),
        cmocka_unit_test(many_are_taken_at_once_from_every_place),
        cmocka_unit_test(a_view_of_what_is_taken_holds_when_it_is_reported),
        cmocka_unit_test(what_is_taken_makes_room),
        cmocka_unit_test(in_a_full_arena_as_many_are_taken_as_there_is_memory_for),
        cmocka_unit_test(a_report_is_for_the_oldest_of_ones_own_first),
        cmocka_unit_test(who_has_none_reports_for_who_left_and_then_for_others),
        cmocka_unit_test(a_plain_queue_that_lends_is_joined_when_all_is_reported),
        cmocka_unit_test(what_the_killed_took_comes_back_as_often_as_it_may),
        cmocka_unit_test(so_many_are_kept_and_of_others_only_the_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
