#include "queue_stage.h"

static struct crowd crowd;

static void
open_all(void)
{
    make_queue(0);
    crowd_come(&crowd, &stage);
}

static void
close_all(void)
{
    crowd_leave(&crowd);
    close_queue();
}

/* One of the crowd has a record that sets two words. */
static void
record_of(struct kith__actor *who, const kith__word *one, uint64_t first, const kith__word *two,
          uint64_t second)
{
    who->main_inline[0] = (struct kith__redo){ kith__off(stage.arena, one), first };
    who->main_inline[1] = (struct kith__redo){ kith__off(stage.arena, two), second };
    kith__store(&who->main.count, 2);
    kith__store(&who->main.area, 0);
    kith__store(&who->main.state, kith__load(&who->main.state) | KITH__COMMITTED);
}

/* ---- Making ------------------------------------------------------------------------------- */

static void
a_queue_that_is_made_in_used_memory_is_new(void **unused)
{
    uint64_t off, chain;

    (void)unused;
    make_queue(5);
    put_ints(0, 3);
    put_aside(3, 1, 0);
    put_aside(4, 0, 100);
    lease_int(3, 10);
    EXPECT_OK(kith__queue_shutdown(stage.self, &queue));
    off = queue.off;
    chain = kith__load(&root->chained);
    EXPECT_OK(kith__catalog_destroy(stage.self, kith_kind_name(KITH_KIND_QUEUE)));
    put_away(&stage);
    for (int tries = 0; tries < 100; tries++) { /* the memory of roots is used again */
        struct kith__queue_making making = { .capacity = 9, .attempts_max = 3, .joinable = true };
        struct kith__object object = { 0 };
        char name[32];

        snprintf(name, sizeof name, "queue %d", tries);
        EXPECT_OK(kith__catalog_open(stage.self, name, KITH_KIND_QUEUE, KITH_MUST_CREATE,
                                     kith__queue_init, &making, &object));
        queue = (struct kith__queue){ stage.arena, object.off, object.id };
        root = kith__queue_root(&queue);
        if (object.off == off)
            break;
    }
    assert_int_equal(off, queue.off);
    assert_int_equal(KITH__PLACE(0, KITH__SEGMENT_FIRST), kith__load(&root->head));
    assert_int_equal(KITH__PLACE(0, KITH__SEGMENT_FIRST), kith__load(&root->tail));
    assert_int_equal(0, kith__load(&root->nodes) | kith__load(&root->ready) |
                            kith__load(&root->delayed) | kith__load(&root->lent_count) |
                            kith__load(&root->timed_first) | kith__load(&root->next_due) |
                            kith__load(&root->closed) | kith__load(&root->aside) |
                            kith__load(&root->first) | kith__load(&root->reserve));
    assert_int_equal(9, root->capacity);
    assert_int_equal(3, root->attempts_max);
    assert_int_equal(1, root->joinable);
    assert_int_equal(chain, kith__load(&root->chained)); /* in the chain it is for good */
    put_ints(0, 3);
    get_ints(0, 3);
    close_queue();
}

/* ---- Counting ----------------------------------------------------------------------------- */

static void
each_item_is_counted_once_wherever_it_is(void **unused)
{
    struct kith__queue_counts now;
    struct kith__lent lent;

    (void)unused;
    make_queue(0);
    put_ints(0, 5);
    put_aside(10, 1, 0);
    put_aside(11, 0, 100);
    get_ints(10, 11);
    get_ints(0, 1);
    lent = lease_int(1, -1);
    now = counts();
    assert_int_equal(3, now.ready);
    assert_int_equal(1, now.lent);
    assert_int_equal(1, now.delayed);
    assert_int_equal(5, now.total);
    assert_int_equal(7, now.ever);
    assert_int_equal(now.total, kith__queue_total(root));
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));
    assert_int_equal(4, counts().total);
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_look(&queue, &now));
    queue.id--;
    close_queue();
}

static void
a_committed_record_of_who_has_the_lock_is_counted(void **unused)
{
    (void)unused;
    open_all();
    put_ints(0, 5);
    atomic_store(&root->head_lock.word, crowd.id[0]);
    record_of(crowd.actor[0], &root->nodes, 10, &root->lent_count, 4);
    assert_int_equal(15, counts().total);
    assert_int_equal(4, counts().lent);
    assert_int_equal(11, counts().ready);
    kith__journal_clear(&crowd.actor[0]->main);
    assert_int_equal(5, counts().total);
    record_of(crowd.actor[1], &root->tail, KITH__PLACE(100, 2), &root->aside, 7);
    assert_int_equal(5, counts().ever); /* of one who has no lock of it */
    atomic_store(&root->tail_lock.word, crowd.id[1]);
    assert_int_equal(100, counts().total);
    kith__journal_clear(&crowd.actor[1]->main);
    atomic_store(&root->head_lock.word, 0);
    atomic_store(&root->tail_lock.word, 0);
    kith__store(&root->lent_count, 1); /* more are lent than there are */
    EXPECT_RC(KITH_ECORRUPT, kith__queue_look(&queue, &(struct kith__queue_counts){ 0 }));
    kith__store(&root->lent_count, 0);
    close_all();
}

static void
who_counts_does_first_what_is_due_unless_he_may_only_read(void **unused)
{
    struct kith__queue_counts now;
    uint64_t ready = 0, lent = 0;

    (void)unused;
    make_queue(0);
    put_aside(1, 0, 10);
    put_ints(2, 3);
    lease_int(2, 10);
    pass_time(11);
    EXPECT_OK(kith__queue_settled(NULL, &queue, &now));
    assert_int_equal(0, now.ready);
    EXPECT_OK(kith__queue_count(stage.self, &queue, &ready, &lent));
    assert_int_equal(2, ready);
    assert_int_equal(0, lent);
    get_ints(1, 3);
    close_queue();
}

/* ---- Done --------------------------------------------------------------------------------- */

static void
no_more_is_reported_done_than_has_left(void **unused)
{
    struct kith__lent lent;

    (void)unused;
    make_with(&(struct kith__queue_making){ .joinable = true, .attempts_max = 1 });
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue));
    put_ints(0, 4);
    put_aside(10, 1, 0);
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue));
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_join(stage.self, &queue, 0));
    get_ints(10, 11);
    get_ints(0, 1);
    EXPECT_OK(kith__queue_task_done(stage.self, &queue));
    EXPECT_OK(kith__queue_task_done(stage.self, &queue));
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue));
    lent = lease_int(1, -1);
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue)); /* it is still in */
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));             /* and that reports it */
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue));
    lent = lease_int(2, -1);
    EXPECT_OK(kith__queue_nack(stage.self, &queue, &lent)); /* given up: of no account */
    EXPECT_RC(KITH_EINVAL, kith__queue_task_done(stage.self, &queue));
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_join(stage.self, &queue, 0));
    get_ints(3, 4);
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_join(stage.self, &queue, 0));
    EXPECT_OK(kith__queue_task_done(stage.self, &queue));
    EXPECT_OK(kith__queue_join(stage.self, &queue, 0));
    close_queue();
}

static void
a_plain_queue_is_joined_when_nothing_is_in_it(void **unused)
{
    struct kith__lent lent;

    (void)unused;
    make_queue(0);
    EXPECT_OK(kith__queue_join(stage.self, &queue, INT64_MAX));
    put_ints(0, 1);
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_join(stage.self, &queue, 1)); /* long past */
    lent = lease_int(0, -1);
    EXPECT_RC(KITH_ETIMEDOUT, kith__queue_join(stage.self, &queue, 0));
    EXPECT_OK(kith__queue_ack(stage.self, &queue, &lent));
    EXPECT_OK(kith__queue_join(stage.self, &queue, INT64_MAX));
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_join(stage.self, &queue, INT64_MAX));
    EXPECT_RC(KITH_EGONE, kith__queue_task_done(stage.self, &queue));
    queue.id--;
    assert_int_equal(0, kith__load(&stage.self->actor->waiting_on));
    close_queue();
}

static void
a_queue_that_is_shut_gives_what_it_has_and_then_its_end(void **unused)
{
    struct kith__put_how how = { .priority = 1 };
    struct kith_item item = KITH_INT(5);

    (void)unused;
    make_queue(0);
    put_ints(0, 2);
    EXPECT_OK(kith__queue_shutdown(stage.self, &queue));
    EXPECT_OK(kith__queue_shutdown(stage.self, &queue));
    EXPECT_RC(KITH_ECLOSED, put_item(item));
    EXPECT_RC(KITH_ECLOSED, kith__queue_put_with(stage.self, &queue, &item, &how, 0));
    assert_false(kith__queue_at_its_end(&queue));
    get_ints(0, 2);
    assert_true(kith__queue_at_its_end(&queue));
    EXPECT_RC(KITH_ECLOSED, get_from(&queue, NULL));
    EXPECT_RC(KITH_ECLOSED, kith__queue_peek(stage.self, &queue, NULL));
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_shutdown(stage.self, &queue));
    queue.id--;
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

/* ---- Taking apart ------------------------------------------------------------------------- */

static void
a_queue_that_ends_gives_all_its_memory_back(void **unused)
{
    static uint8_t bytes[100000];
    uint64_t used = 0;

    (void)unused;
    make_queue(0);
    for (int round = 0; round < 10; round++) {
        struct kith__queue_making making = { 0 };
        struct kith__root_ref ref;

        for (int i = 0; i < 5; i++)
            EXPECT_OK(put_item(kith_bytes(bytes, sizeof bytes)));
        put_ints(0, 1000);
        for (int64_t n = 0; n < 60; n++)
            put_aside(n, n % 7, n % 2 == 0 ? 100 : 0);
        EXPECT_OK(kith__queue_lease(stage.self, &queue, -1, 0, NULL, &(struct kith__lent){ 0 }));
        EXPECT_OK(
            kith__queue_lease(stage.self, &queue, NS_PER_S, 0, NULL, &(struct kith__lent){ 0 }));
        EXPECT_OK(get_from(&queue, NULL));
        stage.self->tidying = true; /* so that it lies there for a look */
        EXPECT_OK(kith__catalog_destroy(stage.self, kith_kind_name(KITH_KIND_QUEUE)));
        assert_int_equal(0, kith__load(&root->id));
        EXPECT_RC(KITH_EGONE, get_from(&queue, NULL));
        EXPECT_RC(KITH_EGONE, put_item(KITH_INT(1)));
        EXPECT_WHOLE(&stage);
        stage.self->tidying = false;
        put_away(&stage);
        EXPECT_WHOLE(&stage);
        if (round == 1)
            used = granules_used(&stage);
        assert_true(round < 1 || granules_used(&stage) <= used);
        ref = stage_make(&stage, KITH_KIND_QUEUE, kith__queue_init, &making);
        queue = (struct kith__queue){ stage.arena, ref.off, ref.id };
        root = kith__queue_root(&queue);
    }
    close_queue();
}

static void
a_live_queue_is_not_taken_apart(void **unused)
{
    kith__word source = 0;

    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    EXPECT_RC(KITH_ECORRUPT, kith__queue_dismantle(stage.self, queue.off, &source, 1));
    assert_int_equal(1, kith__load(&source));
    EXPECT_RC(KITH_ECORRUPT, kith__queue_dismantle(stage.self, stage.arena->size, &source, 2));
    assert_int_equal(2, kith__load(&source));
    get_ints(0, 3);
    close_queue();
}

static void
both_locks_are_taken_or_none(void **unused)
{
    (void)unused;
    make_queue(0);
    EXPECT_OK(kith__queue_lock_both(stage.self, queue.off));
    assert_int_equal(stage.self->id, atomic_load(&root->head_lock.word));
    assert_int_equal(stage.self->id, atomic_load(&root->tail_lock.word));
    kith__queue_unlock_both(stage.self, queue.off);
    assert_int_equal(0, atomic_load(&root->head_lock.word) | atomic_load(&root->tail_lock.word));
    queue.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_lock(stage.self, &queue, &root->head_lock));
    queue.id--;
    assert_int_equal(0, atomic_load(&root->head_lock.word));
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_is_made_in_used_memory_is_new),
        cmocka_unit_test(each_item_is_counted_once_wherever_it_is),
        cmocka_unit_test(a_committed_record_of_who_has_the_lock_is_counted),
        cmocka_unit_test(who_counts_does_first_what_is_due_unless_he_may_only_read),
        cmocka_unit_test(no_more_is_reported_done_than_has_left),
        cmocka_unit_test(a_plain_queue_is_joined_when_nothing_is_in_it),
        cmocka_unit_test(a_queue_that_is_shut_gives_what_it_has_and_then_its_end),
        cmocka_unit_test(a_queue_that_ends_gives_all_its_memory_back),
        cmocka_unit_test(a_live_queue_is_not_taken_apart),
        cmocka_unit_test(both_locks_are_taken_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
