#include <sched.h>

#include "base/clock.h"
#include "queue_stage.h"

static bool
never(const struct kith__queue *of, size_t count)
{
    (void)of;
    (void)count;
    return false;
}

static bool
always(const struct kith__queue *of, size_t count)
{
    assert_ptr_equal(&queue, of);
    assert_int_equal(3, count);
    return true;
}

static kith_err
wait_on_items(int64_t deadline_ns, bool (*ready)(const struct kith__queue *of, size_t count))
{
    kith_err err =
        kith__queue_wait(stage.self, &root->items, deadline_ns, ready, &queue, 3, &root->tail);

    assert_int_equal(0, kith__load(&stage.self->actor->waiting_on));
    return err;
}

/* ---- Waking ------------------------------------------------------------------------------- */

/* Whether raising changed a signal on which somebody says that he waits. */
struct told {
    bool items, room, drained;
};

static _Atomic uint32_t *signals[3];

static void
listen(void)
{
    signals[0] = &root->items;
    signals[1] = &root->room;
    signals[2] = &root->drained;
    for (unsigned i = 0; i < 3; i++)
        atomic_store(signals[i], KITH__SIGNAL_WAITERS);
}

static struct told
heard(void)
{
    struct told told = { atomic_load(signals[0]) != KITH__SIGNAL_WAITERS,
                         atomic_load(signals[1]) != KITH__SIGNAL_WAITERS,
                         atomic_load(signals[2]) != KITH__SIGNAL_WAITERS };

    listen();
    return told;
}

static void
expect_told(bool items, bool room, bool drained)
{
    struct told told = heard();

    assert_int_equal(items, told.items);
    assert_int_equal(room, told.room);
    assert_int_equal(drained, told.drained);
}

static void
those_are_woken_whom_it_concerns(void **unused)
{
    (void)unused;
    make_queue(5);
    put_ints(0, 2);
    listen();
    kith__queue_raise(stage.self, root, 0, false);
    expect_told(false, false, false);
    kith__queue_raise(stage.self, root, 2, false); /* items came */
    expect_told(true, false, false);
    kith__queue_raise(stage.self, root, 0, true); /* some left, and some are there */
    expect_told(false, true, false);
    kith__queue_raise(stage.self, root, 1, true); /* one came back, one left */
    expect_told(true, true, false);
    get_ints(0, 2);
    expect_told(false, true, true); /* nothing is left */
    kith__store(&root->closed, 1);
    kith__queue_raise(stage.self, root, 0, true);
    expect_told(true, true, true); /* nothing will ever be */
    close_queue();
    make_queue(0);
    put_ints(0, 1);
    listen();
    kith__queue_raise(stage.self, root, 0, true);
    expect_told(false, false, false); /* nobody waits for room where there is no bound */
    root->joinable = 1;
    kith__queue_raise(stage.self, root, 0, true);
    expect_told(false, false, true); /* each that left may be the last to be done */
    get_ints(0, 1);
    close_queue();
}

static void
all_look_again_when_something_is_due_earlier(void **unused)
{
    (void)unused;
    make_queue(5);
    listen();
    kith__queue_raise_due(stage.self, root, 0);
    expect_told(false, false, false); /* nothing ever is */
    kith__store(&root->next_due, 100);
    kith__queue_raise_due(stage.self, root, 100);
    expect_told(false, false, false);
    kith__queue_raise_due(stage.self, root, 99);
    expect_told(false, false, false); /* later than they knew */
    kith__queue_raise_due(stage.self, root, 101);
    expect_told(true, true, true);
    kith__queue_raise_due(stage.self, root, 0);
    expect_told(true, true, true); /* they knew of none */
    kith__store(&root->next_due, 0);
    close_queue();
}

/* ---- Waiting ------------------------------------------------------------------------------ */

static void
a_sleep_ends_with_the_deadline_or_when_something_is_due(void **unused)
{
    int64_t until, now = kith__now_ns();

    (void)unused;
    make_queue(0);
    assert_int_equal(12345, kith__queue_sleep_until(&queue, 12345));
    assert_int_equal(INT64_MAX, kith__queue_sleep_until(&queue, INT64_MAX));
    assert_false(kith__queue_is_due(&queue));
    put_aside(1, 0, 100);
    until = kith__queue_sleep_until(&queue, INT64_MAX);
    assert_true(until > now && until <= kith__now_ns() + 100 * NS_PER_S);
    assert_int_equal(12345, kith__queue_sleep_until(&queue, 12345));
    assert_false(kith__queue_is_due(&queue));
    pass_time(101);
    assert_true(kith__queue_is_due(&queue));
    assert_true(kith__queue_sleep_until(&queue, INT64_MAX) <= kith__now_ns());
    get_ints(1, 2);
    assert_false(kith__queue_is_due(&queue));
    close_queue();
}

static void
who_finds_it_ready_does_not_sleep_and_nobody_sleeps_past_his_time(void **unused)
{
    (void)unused;
    make_queue(0);
    EXPECT_OK(wait_on_items(INT64_MAX, always));
    EXPECT_RC(KITH_ETIMEDOUT, wait_on_items(1, always)); /* one that is overwritten says so, too */
    EXPECT_RC(KITH_ETIMEDOUT, wait_on_items(1, never));
    put_aside(1, 0, 100);
    pass_time(101);
    EXPECT_OK(wait_on_items(INT64_MAX, never)); /* it is due: look again */
    get_ints(1, 2);
    close_queue();
}

static void *
raise_when_waited_for(void *arg)
{
    struct kith__self *self = kith__self_of(stage.arena);

    (void)arg;
    while ((atomic_load(&root->items) & KITH__SIGNAL_WAITERS) == 0)
        sched_yield();
    kith__queue_raise(self, root, 1, false);
    return NULL;
}

static void
who_sleeps_is_woken(void **unused)
{
    pthread_t thread;

    (void)unused;
    make_queue(0);
    assert_int_equal(0, pthread_create(&thread, NULL, raise_when_waited_for, NULL));
    EXPECT_OK(wait_on_items(INT64_MAX, never));
    pthread_join(thread, NULL);
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_are_woken_whom_it_concerns),
        cmocka_unit_test(all_look_again_when_something_is_due_earlier),
        cmocka_unit_test(a_sleep_ends_with_the_deadline_or_when_something_is_due),
        cmocka_unit_test(who_finds_it_ready_does_not_sleep_and_nobody_sleeps_past_his_time),
        cmocka_unit_test(who_sleeps_is_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
