/*
 * test_queue_order.c - what kith/queue.h promises of priorities, delays and leases with a limit.
 *
 * What has to be over in a test is short, what must not be is long: no test asks how long anything
 * took but that a delay or a limit was not cut short.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#define SHORT (20 * TEST_MS)
#define LONG (3600 * TEST_S)

static kith_queue *
queue_of(struct test *t, const char *name, uint64_t capacity, uint32_t attempts_max,
         const char *dead_letter)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;

    options.capacity = capacity;
    options.attempts_max = attempts_max;
    options.dead_letter = dead_letter;
    return test_queue(t, name, &options);
}

static struct kith_put_options
put_as(int64_t priority, int64_t delay_ns)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;

    options.priority = priority;
    options.delay_ns = delay_ns;
    return options;
}

static void
put(kith_queue *q, int64_t number, int64_t priority, int64_t delay_ns)
{
    struct kith_put_options options = put_as(priority, delay_ns);

    EXPECT_OK(kith_queue_put_with(q, KITH_INT(number), &options, 0));
}

static kith_lease *
lease_for(kith_queue *q, int64_t limit_ns, int64_t want, uint32_t attempts)
{
    struct kith_lease_options options = KITH_LEASE_OPTIONS_INIT;
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    options.limit_ns = limit_ns;
    EXPECT_OK(kith_queue_lease_with(q, &options, test_ceiling_ns(), &item, &lease));
    EXPECT_ITEM(KITH_INT(want), item.item);
    EXPECT_EQ(attempts, kith_lease_attempts(lease));
    kith_buf_free(&item);
    return lease;
}

static struct kith_queue_info
info_of(kith_queue *q)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    EXPECT_OK(kith_queue_info(q, &info));
    return info;
}

static uint64_t
length_of(kith_queue *q)
{
    uint64_t len = UINT64_MAX;

    EXPECT_OK(kith_queue_len(q, &len));
    return len;
}

/* ---- priorities ---- */

TEST(queue_gives_higher_priorities_first_and_each_in_the_order_of_putting)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    const int64_t order[] = { 7, 1, 8, 0, 3, 4, 6, 2, 5 };

    put(q, 0, 0, 0);
    put(q, 1, 5, 0);
    put(q, 2, -1, 0);
    EXPECT_OK(kith_queue_put(q, KITH_INT(3), 0));
    EXPECT_OK(kith_queue_put_with(q, KITH_INT(4), NULL, 0));
    put(q, 5, INT64_MIN, 0);
    EXPECT_OK(kith_queue_put(q, KITH_INT(6), 0));
    put(q, 7, INT64_MAX, 0);
    put(q, 8, 5, 0);
    EXPECT_EQ(9, length_of(q));
    for (size_t i = 0; i < COUNTOF(order); i++) {
        struct kith_buf item = KITH_BUF_INIT;

        EXPECT_OK(kith_queue_peek(q, &item));
        EXPECT_ITEM(KITH_INT(order[i]), item.item);
        kith_buf_free(&item);
        EXPECT_GIVES(q, KITH_INT(order[i]));
    }
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
}

/* Ten thousand in no order, by ones and by batches, in a queue that also has plain items. */
TEST(queue_sorts_many_items_by_priority)
{
    struct test_random random = test_random_new();
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf items[7];
    int64_t last = INT64_MAX;
    uint64_t left = 10000;
    size_t got;

    memset(items, 0, sizeof(items));
    for (int i = 0; i < 10000; i++) {
        int64_t priority = (int64_t)test_random_below(&random, 100) - 50;

        put(q, priority * 100000 + (99999 - i), priority, 0);
    }
    while (left > 0) {
        EXPECT_OK(kith_queue_get_many(q, COUNTOF(items), 0, items, &got));
        for (size_t i = 0; i < got; i++) {
            EXPECT_TRUE(items[i].item.integer < last);
            last = items[i].item.integer;
        }
        left -= got;
    }
    for (size_t i = 0; i < COUNTOF(items); i++)
        kith_buf_free(&items[i]);
}

TEST(queue_priority_holds_for_items_of_every_size_and_for_views)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    const size_t sizes[] = { 9, 1000, 1100, 30000, 200000 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        struct kith_put_options options = put_as((int64_t)i, 0);
        void *data = test_bytes(sizes[i], i);

        EXPECT_OK(kith_queue_put_with(q, kith_bytes(data, sizes[i]), &options, 0));
        EXPECT_OK(kith_queue_put(q, kith_bytes(data, sizes[i]), 0));
        free(data);
    }
    for (size_t n = COUNTOF(sizes); n-- > 1;) {
        void *data = test_bytes(sizes[n], n);
        kith_view *view = NULL;

        EXPECT_OK(kith_queue_get_view(q, 0, &view));
        EXPECT_ITEM(kith_bytes(data, sizes[n]), kith_view_item(view));
        kith_view_release(view);
        free(data);
    }
    for (size_t i = 0; i < COUNTOF(sizes) + 1; i++) {
        size_t n = i == 0 ? 0 : i - 1;
        void *data = test_bytes(sizes[n], n);

        EXPECT_GIVES(q, kith_bytes(data, sizes[n]));
        free(data);
    }
}

TEST(queue_lease_that_is_handed_back_has_its_priority_and_its_place)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *leases[5];

    put(q, 0, 0, 0);
    put(q, 1, 2, 0);
    put(q, 2, -2, 0);
    put(q, 3, 2, 0);
    put(q, 4, 0, 0);
    for (int i = 0; i < 5; i++)
        leases[i] = lease_for(q, KITH_FOREVER, (int64_t[]){ 1, 3, 0, 4, 2 }[i], 0);
    EXPECT_EQ(5, info_of(q).leased);
    for (int i = 4; i >= 0; i--)
        EXPECT_OK(kith_lease_nack(leases[i]));
    EXPECT_EQ(0, info_of(q).leased);
    for (int i = 0; i < 5; i++)
        EXPECT_GIVES(q, KITH_INT(((int64_t[]){ 1, 3, 0, 4, 2 }[i])));
}

TEST(queue_dead_letters_have_no_priority)
{
    kith_queue *q = queue_of(t, "jobs", 0, 1, "dead");
    kith_queue *dead = test_queue(t, "dead", NULL);

    put(q, 0, 0, 0);
    put(q, 1, 9, 0);
    EXPECT_OK(kith_queue_put(dead, KITH_INT(2), 0));
    EXPECT_OK(kith_lease_nack(lease_for(q, KITH_FOREVER, 1, 0)));
    EXPECT_OK(kith_lease_nack(lease_for(q, KITH_FOREVER, 0, 0)));
    /* Lent and handed back, a letter still stands where it came in. */
    EXPECT_GIVES(dead, KITH_INT(2));
    EXPECT_OK(kith_lease_nack(lease_for(dead, KITH_FOREVER, 1, 1)));
    EXPECT_GIVES(dead, KITH_INT(1));
    EXPECT_GIVES(dead, KITH_INT(0));
}

TEST(queue_priority_puts_wait_for_room_and_wake_getters)
{
    kith_queue *q = queue_of(t, "jobs", 2, 0, NULL);
    struct kith_put_options options = put_as(1, 0);
    int64_t start_ns = test_now_ns();

    put(q, 0, 1, 0);
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_FAILS(KITH_EFULL, "jobs", kith_queue_put_with(q, KITH_INT(2), &options, 0));
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(2), 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_put_with(q, KITH_INT(2), &options, SHORT));
    EXPECT_GE(test_now_ns() - start_ns, SHORT);
    EXPECT_GIVES(q, KITH_INT(0));
    put(q, 2, 1, 0);
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(3), 0));
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_RC(KITH_ECLOSED, kith_queue_put_with(q, KITH_INT(3), &options, 0));
    EXPECT_GIVES(q, KITH_INT(2));
    EXPECT_GIVES(q, KITH_INT(1));
    EXPECT_RC(KITH_ECLOSED, kith_queue_get(q, 0, NULL));
}

/* ---- delays ---- */

TEST(queue_delayed_item_is_not_ready_and_takes_room)
{
    kith_queue *q = queue_of(t, "jobs", 2, 0, NULL);
    struct kith_buf item = test_untouched_buf();
    kith_lease *lease;

    put(q, 0, 9, LONG);
    EXPECT_EQ(0, length_of(q));
    EXPECT_EQ(1, info_of(q).delayed);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, &item));
    EXPECT_RC(KITH_EEMPTY, kith_queue_peek(q, &item));
    EXPECT_RC(KITH_EEMPTY, kith_queue_lease(q, 0, &item, &lease));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_get(q, SHORT, &item));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(q, 0));
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(2), 0));
    EXPECT_GIVES(q, KITH_INT(1));
    EXPECT_OK(kith_queue_shutdown(q));
    /* It is still to come. */
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, &item));
    EXPECT_UNTOUCHED(&item);
}

TEST(queue_delayed_item_comes_when_it_is_due_and_not_before)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = KITH_BUF_INIT;
    int64_t start_ns = test_now_ns();

    put(q, 0, 0, 2 * SHORT);
    put(q, 1, 0, LONG);
    put(q, 2, 0, SHORT);
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), &item));
        /* On a busy machine both may be due by now, and the one put first comes first. */
        EXPECT_TRUE(item.item.integer == 0 || item.item.integer == 2);
        EXPECT_GE(test_now_ns() - start_ns, item.item.integer == 0 ? 2 * SHORT : SHORT);
    }
    EXPECT_EQ(1, info_of(q).delayed);
    kith_buf_free(&item);
}

TEST(queue_item_whose_delay_is_over_has_the_place_of_its_putting)
{
    kith_queue *q = test_queue(t, "jobs", NULL);

    EXPECT_OK(kith_queue_put(q, KITH_INT(0), 0));
    put(q, 1, 0, SHORT);
    put(q, 2, 0, 1);
    EXPECT_OK(kith_queue_put(q, KITH_INT(3), 0));
    put(q, 4, 1, SHORT);
    UNTIL(length_of(q) == 5);
    EXPECT_EQ(0, info_of(q).delayed);
    EXPECT_GIVES(q, KITH_INT(4));
    for (int i = 0; i < 4; i++)
        EXPECT_GIVES(q, KITH_INT(i));
}

struct party {
    kith_queue *queue;
    sem_t *ready;
    sem_t *go;
    int64_t number;
};

static struct party *
party_new(kith_queue *q, int64_t number)
{
    struct party *p = test_shared(sizeof(*p));

    p->queue = q;
    p->ready = test_gate();
    p->go = test_gate();
    p->number = number;
    return p;
}

static void
child_gets(void *arg)
{
    struct party *p = arg;
    struct kith_buf item = KITH_BUF_INIT;

    EXPECT_OK(kith_queue_get(p->queue, KITH_FOREVER, &item));
    EXPECT_ITEM(KITH_INT(p->number), item.item);
    kith_buf_free(&item);
}

/* Nobody but the sleepers looks at the queue; they sleep before it is put, and after. */
TEST(queue_sleepers_wake_by_themselves_when_something_is_due)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q, 7);
    pid_t pids[3];

    for (int i = 0; i < 2; i++)
        pids[i] = test_child(child_gets, p);
    for (int i = 0; i < 2; i++)
        UNTIL_ASLEEP(pids[i], 0);
    put(q, 8, -1, LONG);
    for (int i = 0; i < 2; i++)
        UNTIL_ASLEEP(pids[i], 0);
    put(q, 7, 0, SHORT);
    put(q, 7, 0, 2 * SHORT);
    put(q, 7, 0, 3 * SHORT);
    pids[2] = test_child(child_gets, p);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(1, info_of(q).delayed);
}

TEST(queue_shut_down_gives_what_is_delayed_and_then_says_so)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = KITH_BUF_INIT;

    put(q, 1, 0, SHORT);
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_OK(kith_queue_get(q, KITH_FOREVER, &item));
    EXPECT_ITEM(KITH_INT(1), item.item);
    EXPECT_RC(KITH_ECLOSED, kith_queue_get(q, KITH_FOREVER, &item));
    kith_buf_free(&item);
}

/* ---- leases with a limit ---- */

TEST(queue_lease_past_its_limit_is_back_and_its_holder_is_told)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *late[3], *again;

    for (int i = 0; i < 3; i++) {
        put(q, i, 0, 0);
        late[i] = lease_for(q, LONG, i, 0);
    }
    EXPECT_EQ(3, info_of(q).leased);
    for (int i = 0; i < 3; i++) /* not at first: on a busy machine one might end before the next */
        EXPECT_OK(kith_lease_extend(late[i], SHORT));
    for (int i = 0; i < 3; i++) {
        again = lease_for(q, KITH_FOREVER, i, 1); /* waits for it */
        EXPECT_OK(kith_lease_ack(again));
    }
    EXPECT_FAILS(KITH_EGONE, "jobs", kith_lease_ack(late[0]));
    EXPECT_RC(KITH_EGONE, kith_lease_nack(late[1]));
    EXPECT_RC(KITH_EGONE, kith_lease_extend(late[2], SHORT));
    EXPECT_RC(KITH_EGONE, kith_lease_ack(late[2]));
    EXPECT_EQ(0, length_of(q));
    EXPECT_OK(kith_queue_join(q, 0));
}

/* The acknowledger itself is the first to look. */
TEST(queue_lease_is_lost_at_its_limit_though_nobody_else_looked)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *lease;

    put(q, 1, 0, 0);
    lease = lease_for(q, 1, 1, 0);
    usleep(1000);
    EXPECT_RC(KITH_EGONE, kith_lease_ack(lease));
    EXPECT_OK(kith_lease_ack(lease_for(q, LONG, 1, 1)));
}

TEST(queue_limit_of_a_lease_wakes_who_waits_for_the_item)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q, 1);
    kith_lease *lease;
    pid_t pids[2];

    put(q, 1, 0, 0);
    put(q, 1, 0, 0);
    lease = lease_for(q, LONG, 1, 0);
    EXPECT_GIVES(q, KITH_INT(1));
    for (int i = 0; i < 2; i++)
        pids[i] = test_child(child_gets, p);
    for (int i = 0; i < 2; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_lease_extend(lease, SHORT)); /* they slept until the longer limit */
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_RC(KITH_EGONE, kith_lease_ack(lease));
}

TEST(queue_lease_that_is_extended_holds_on)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *leases[4];

    for (int i = 0; i < 4; i++) {
        put(q, i, 0, 0);
        leases[i] = lease_for(q, i == 2 ? KITH_FOREVER : LONG, i, 0);
    }
    EXPECT_OK(kith_lease_extend(leases[0], KITH_FOREVER));
    EXPECT_OK(kith_lease_extend(leases[1], 2 * LONG));
    EXPECT_OK(kith_lease_extend(leases[2], SHORT));
    EXPECT_OK(kith_lease_extend(leases[3], LONG / 2));
    EXPECT_EQ(4, info_of(q).leased);
    UNTIL(info_of(q).leased == 3);
    EXPECT_RC(KITH_EGONE, kith_lease_ack(leases[2]));
    EXPECT_GIVES(q, KITH_INT(2));
    EXPECT_OK(kith_lease_ack(leases[1]));
    EXPECT_OK(kith_lease_nack(leases[0]));
    EXPECT_OK(kith_lease_ack(leases[3]));
    EXPECT_GIVES(q, KITH_INT(0));
}

TEST(queue_limit_counts_as_an_attempt_and_leads_to_the_dead_letters)
{
    kith_queue *q = queue_of(t, "jobs", 0, 1, "dead");
    kith_queue *dead = test_queue(t, "dead", NULL);
    kith_queue *dropping = queue_of(t, "dropping", 1, 1, NULL);
    kith_lease *lease, *dropped;

    put(q, 1, 3, 0);
    lease = lease_for(q, SHORT, 1, 0);
    put(dropping, 2, 0, 0);
    dropped = lease_for(dropping, SHORT, 2, 0);
    /* A joiner, and a putter that waits for room, look as well. */
    EXPECT_OK(kith_queue_join(q, KITH_FOREVER));
    EXPECT_GIVES(dead, KITH_INT(1));
    EXPECT_OK(kith_queue_put(dropping, KITH_INT(3), KITH_FOREVER));
    EXPECT_EQ(1, info_of(dropping).dead_lettered);
    EXPECT_GIVES(dropping, KITH_INT(3));
    EXPECT_RC(KITH_EGONE, kith_lease_ack(lease));
    EXPECT_RC(KITH_EGONE, kith_lease_ack(dropped));
}

static void
child_leases_and_waits(void *arg)
{
    struct party *p = arg;
    kith_lease *lease = lease_for(p->queue, LONG, 1, 0); /* it goes with the process */

    (void)lease;
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
}

TEST(queue_death_of_a_lessee_does_not_wait_for_the_limit)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q, 0);
    pid_t pid;

    put(q, 1, 0, 0);
    pid = test_child(child_leases_and_waits, p);
    GATE_WAIT(p->ready);
    test_child_kill(pid);
    EXPECT_OK(kith_lease_ack(lease_for(q, LONG, 1, 1)));
}

static kith_lease *inherited;

static void
child_extends_the_parents(void *arg)
{
    (void)arg;
    EXPECT_FAILS(KITH_EPERM, "jobs", kith_lease_extend(inherited, LONG));
}

TEST(queue_lease_of_the_parent_is_not_extended_by_a_child)
{
    kith_queue *q = test_queue(t, "jobs", NULL);

    put(q, 1, 0, 0);
    inherited = lease_for(q, LONG, 1, 0);
    CHILD_JOIN(test_child(child_extends_the_parents, NULL));
    EXPECT_OK(kith_lease_ack(inherited));
}

/* ---- transactions ---- */

TEST(queue_transaction_puts_with_priority_and_delay)
{
    kith_queue *q = queue_of(t, "jobs", 5, 0, NULL);
    struct kith_put_options high = put_as(3, 0), late = put_as(0, SHORT);
    struct kith_buf item = KITH_BUF_INIT;
    int64_t start_ns = test_now_ns();
    kith_txn *txn = NULL;
    kith_lease *lease;

    EXPECT_OK(kith_queue_put(q, KITH_INT(0), 0));
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    lease = lease_for(q, LONG, 0, 0);
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_queue_put_with(txn, q, KITH_INT(2), &high));
    EXPECT_OK(kith_txn_queue_put(txn, q, KITH_INT(3)));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    EXPECT_OK(kith_txn_queue_put_with(txn, q, KITH_INT(4), NULL));
    /* The last also by its place, since on a busy machine it may be due when it is looked for. */
    EXPECT_OK(kith_txn_queue_put_with(txn, q, KITH_INT(5), &late));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(6), 0));
    EXPECT_GIVES(q, KITH_INT(2));
    EXPECT_GIVES(q, KITH_INT(1));
    EXPECT_GIVES(q, KITH_INT(3));
    EXPECT_GIVES(q, KITH_INT(4));
    EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), &item));
    EXPECT_ITEM(KITH_INT(5), item.item);
    EXPECT_GE(test_now_ns() - start_ns, SHORT);
    kith_buf_free(&item);
}

TEST(queue_transaction_that_is_too_much_puts_nothing)
{
    kith_queue *q = queue_of(t, "jobs", 3, 0, NULL);
    struct kith_put_options high = put_as(3, 0), late = put_as(0, LONG);
    kith_txn *txn = NULL;

    put(q, 0, 0, LONG);
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_queue_put_with(txn, q, KITH_INT(1), &high));
    EXPECT_OK(kith_txn_queue_put_with(txn, q, KITH_INT(2), &late));
    EXPECT_OK(kith_txn_queue_put(txn, q, KITH_INT(3)));
    EXPECT_RC(KITH_EFULL, kith_txn_commit(txn));
    EXPECT_EQ(0, length_of(q));
    EXPECT_EQ(1, info_of(q).delayed);
}

TEST(queue_transaction_of_a_lease_past_its_limit_is_EGONE)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_txn *txn = NULL;
    kith_lease *lease;

    put(q, 1, 0, 0);
    lease = lease_for(q, 1, 1, 0);
    usleep(1000);
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    EXPECT_OK(kith_txn_queue_put(txn, q, KITH_INT(2)));
    EXPECT_RC(KITH_EGONE, kith_txn_commit(txn));
    EXPECT_RC(KITH_EGONE, kith_lease_ack(lease));
    EXPECT_GIVES(q, KITH_INT(1));
    EXPECT_EQ(0, length_of(q));
}

/* ---- the rest ---- */

/* Filled by small items, so that nothing but the queue could give memory back. */
TEST(queue_in_a_full_space_is_worked_off_by_leases)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_queue_options jobs_options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *q = NULL, *dead = NULL;
    struct kith_buf item = KITH_BUF_INIT;
    char *data = test_bytes(1000, 1);
    kith_err err = KITH_OK;
    kith_lease *lease;
    int64_t put_count = 0;
    kith_space *space;
    kith_dict *d = NULL;

    options.size = 8 << 20;
    space = test_open(t, t->address, &options);
    jobs_options.attempts_max = 1;
    jobs_options.dead_letter = "dead";
    EXPECT_OK(kith_queue_open(space, "jobs", &jobs_options, &q));
    EXPECT_OK(kith_queue_open(space, "dead", NULL, &dead));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    while (err == KITH_OK) {
        err =
            kith_queue_put(q, put_count % 2 == 0 ? kith_bytes(data, 1000) : KITH_INT(put_count), 0);
        put_count += err == KITH_OK;
    }
    EXPECT_EQ(KITH_ENOMEM, err);
    for (size_t size = 20000; size > 0; size /= 2)
        for (int64_t i = 0; kith_dict_set(d, KITH_INT(i * 100000 + (int64_t)size),
                                          kith_bytes(data, size % 1000)) == KITH_OK;)
            i++;
    /* There is no room for a letter: it is lent again, and never lost. */
    EXPECT_OK(kith_queue_lease(q, 0, &item, &lease));
    EXPECT_OK(kith_lease_nack(lease));
    for (int64_t i = 0; i < put_count; i++) {
        EXPECT_OK(kith_queue_lease(q, 0, &item, &lease));
        EXPECT_ITEM(i % 2 == 0 ? kith_bytes(data, 1000) : KITH_INT(i), item.item);
        EXPECT_OK(kith_lease_ack(lease));
    }
    EXPECT_RC(KITH_EEMPTY, kith_queue_lease(q, 0, &item, &lease));
    EXPECT_QUEUE_LEN(dead, 0);
    EXPECT_WHOLE(space);
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_OK(kith_lease_ack(lease_for(q, KITH_FOREVER, 1, 0)));
    kith_buf_free(&item);
    kith_dict_close(d);
    kith_queue_close(dead);
    kith_queue_close(q);
    free(data);
}

/* ---- dumps ---- */

struct pipe_end {
    char data[8192];
    size_t size, read;
};

static int
write_dump(const void *data, size_t size, void *arg)
{
    struct pipe_end *end = arg;

    if (size > sizeof(end->data) - end->size)
        return -1;
    memcpy(end->data + end->size, data, size);
    end->size += size;
    return 0;
}

static int
read_dump(void *data, size_t size, size_t *got_out, void *arg)
{
    struct pipe_end *end = arg;

    *got_out = size < end->size - end->read ? size : end->size - end->read;
    memcpy(data, end->data + end->read, *got_out);
    end->read += *got_out;
    return 0;
}

TEST(queue_dump_keeps_priorities_delays_attempts_and_places)
{
    kith_queue *q = test_queue(t, "jobs", NULL), *again = NULL;
    const int64_t order[] = { 1, 6, 0, 3, 4, 5, 2 };
    const uint32_t attempts[] = { 1, 0, 1, 1, 0, 0, 0 };
    kith_space *other = test_open(t, "mem://", NULL);
    static struct pipe_end dump;
    kith_lease *leases[3];

    put(q, 0, 0, 0);
    put(q, 1, 5, 0);
    put(q, 2, -1, 0);
    put(q, 3, 0, 0);
    put(q, 4, 0, 0);
    put(q, 5, 0, 1);
    UNTIL(length_of(q) == 6);
    put(q, 7, 3, LONG);
    leases[0] = lease_for(q, KITH_FOREVER, 1, 0);
    for (int i = 0; i < 2; i++)
        leases[1 + i] = lease_for(q, LONG, i == 0 ? 0 : 3, 0);
    EXPECT_OK(kith_lease_nack(leases[1]));
    put(q, 6, 2, 0);
    EXPECT_OK(kith_dump(test_space(t), "jobs", write_dump, &dump, NULL));
    EXPECT_OK(kith_load(other, NULL, read_dump, &dump, NULL));
    EXPECT_OK(kith_lease_ack(leases[0]));
    EXPECT_OK(kith_lease_ack(leases[2]));
    EXPECT_OK(kith_queue_open(other, "jobs", NULL, &again));
    EXPECT_EQ(1, info_of(again).delayed);
    EXPECT_EQ(7, length_of(again));
    for (size_t i = 0; i < COUNTOF(order); i++)
        EXPECT_OK(kith_lease_ack(lease_for(again, KITH_FOREVER, order[i], attempts[i])));
    kith_queue_close(again);
}

/* Deep, in every state, and gone at once: the check at the end finds what would be left of it. */
TEST(queue_with_items_in_every_state_is_destroyed_whole)
{
    struct test_random random = test_random_new();
    struct kith_stat before = KITH_STAT_INIT, after = KITH_STAT_INIT;
    kith_lease *leases[40];
    void *data = test_bytes(3000, 1);

    for (int round = 0; round < 3; round++) {
        kith_queue *q = test_queue(t, "jobs", NULL);

        EXPECT_OK(kith_stat(test_space(t), round == 0 ? &before : &after));
        for (int i = 0; i < 3000; i++) {
            uint64_t draw = test_random_below(&random, 1000);
            struct kith_put_options options =
                put_as((int64_t)draw % 50 - 20, draw % 3 == 0 ? LONG + (int64_t)draw : 0);

            EXPECT_OK(kith_queue_put_with(q, kith_bytes(data, draw % 10 == 0 ? 3000 : draw % 90),
                                          &options, 0));
        }
        for (size_t i = 0; i < COUNTOF(leases); i++) {
            struct kith_lease_options options = KITH_LEASE_OPTIONS_INIT;

            options.limit_ns = i % 2 == 0 ? LONG - (int64_t)i : 0;
            EXPECT_OK(kith_queue_lease_with(q, &options, 0, NULL, &leases[i]));
        }
        EXPECT_WHOLE(test_space(t));
        EXPECT_OK(kith_destroy(test_space(t), "jobs"));
        for (size_t i = 0; i < COUNTOF(leases); i++)
            EXPECT_RC(KITH_EGONE, kith_lease_ack(leases[i]));
        EXPECT_OK(kith_stat(test_space(t), &after));
        EXPECT_GE(before.bytes_used + (2 << 20), after.bytes_used);
    }
    free(data);
}

TEST(queue_order_refuses_bad_input_and_changes_nothing)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_put_options negative = put_as(0, -1), broken = put_as(0, 0);
    struct kith_lease_options below = KITH_LEASE_OPTIONS_INIT;
    struct kith_item malformed = { .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };
    kith_lease *lease = NULL;
    kith_txn *txn = NULL;

    broken.struct_size = 0;
    below.limit_ns = -2;
    EXPECT_FAILS(KITH_EINVAL, "kith_queue_put_with",
                 kith_queue_put_with(NULL, KITH_INT(1), NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "delay", kith_queue_put_with(q, KITH_INT(1), &negative, 0));
    EXPECT_FAILS(KITH_EINVAL, "struct_size", kith_queue_put_with(q, KITH_INT(1), &broken, 0));
    EXPECT_RC(KITH_EINVAL, kith_queue_put_with(q, KITH_INT(1), NULL, -2));
    EXPECT_RC(KITH_EINVAL, kith_queue_put_with(q, malformed, NULL, 0));
    EXPECT_EQ(0, length_of(q));
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_FAILS(KITH_EINVAL, "limit", kith_queue_lease_with(q, &below, 0, NULL, &lease));
    EXPECT_RC(KITH_EINVAL, kith_queue_lease_with(NULL, NULL, 0, NULL, &lease));
    EXPECT_RC(KITH_EINVAL, kith_queue_lease_with(q, NULL, 0, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_queue_lease_with(q, NULL, -2, NULL, &lease));
    EXPECT_EQ(1, length_of(q));
    EXPECT_OK(kith_queue_lease_with(q, NULL, 0, NULL, &lease));
    EXPECT_RC(KITH_EINVAL, kith_lease_extend(NULL, 1));
    EXPECT_FAILS(KITH_EINVAL, "limit", kith_lease_extend(lease, 0));
    EXPECT_RC(KITH_EINVAL, kith_lease_extend(lease, -2));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_RC(KITH_EINVAL, kith_txn_queue_put_with(NULL, q, KITH_INT(1), NULL));
    EXPECT_RC(KITH_EINVAL, kith_txn_queue_put_with(txn, NULL, KITH_INT(1), NULL));
    EXPECT_FAILS(KITH_EINVAL, "delay", kith_txn_queue_put_with(txn, q, KITH_INT(1), &negative));
    kith_txn_discard(txn);
}
