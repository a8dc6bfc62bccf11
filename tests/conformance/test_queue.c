/*
 * test_queue.c - what kith/queue.h promises: order, room, waiting, leases, ending.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

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

/* Leases the oldest item, which must be `want`. */
static kith_lease *
lease_of(const char *file, int line, kith_queue *q, struct kith_item want, uint32_t attempts)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    test_rc(file, line, "kith_queue_lease", KITH_OK, kith_queue_lease(q, 0, &item, &lease));
    test_item(file, line, "kith_queue_lease", want, item.item);
    test_eq(file, line, "kith_lease_attempts", attempts, kith_lease_attempts(lease));
    kith_buf_free(&item);
    return lease;
}
#define LEASE(q, want, attempts) lease_of(__FILE__, __LINE__, q, want, attempts)

static void
put_numbers(kith_queue *q, int from, int to)
{
    for (int i = from; i < to; i++)
        EXPECT_OK(kith_queue_put(q, KITH_INT(i), 0));
}

/* ---- order and room ---- */

TEST(queue_gives_items_in_the_order_they_went_in)
{
    kith_queue *q = test_queue(t, "jobs", NULL);

    put_numbers(q, 0, 1000);
    EXPECT_QUEUE_LEN(q, 1000);
    for (int i = 0; i < 1000; i++)
        EXPECT_GIVES(q, KITH_INT(i));
    EXPECT_QUEUE_LEN(q, 0);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
}

TEST(queue_carries_every_type_of_item)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    const struct kith_item items[] = {
        kith_none(),
        kith_bool(true),
        KITH_INT(INT64_MIN),
        kith_float(-0.0),
        KITH_STR("nul \0 inside"),
        kith_bytes(NULL, 0),
        BIGINT("\0\0\0\0\0\0\0\0\1"),
        PACKED("\x81\xa1k\xc0"),
        test_foreign("\x80\x05N.", 4, "python/pickle"),
    };

    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_OK(kith_queue_put(q, items[i], 0));
    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_GIVES(q, items[i]);
}

TEST(queue_carries_items_of_a_megabyte_and_of_64)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    size_t sizes[] = { 1 << 20, 64 << 20, 33000, 9 };

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        void *data = test_bytes(sizes[i], i);

        EXPECT_OK(kith_queue_put(q, kith_bytes(data, sizes[i]), 0));
        free(data);
    }
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        void *data = test_bytes(sizes[i], i);

        EXPECT_GIVES(q, kith_bytes(data, sizes[i]));
        free(data);
    }
}

TEST(queue_with_a_capacity_is_full_at_it)
{
    kith_queue *q = queue_of(t, "jobs", 3, 0, NULL);
    uint64_t capacity = 0;
    int64_t start_ns;

    EXPECT_OK(kith_queue_capacity(q, &capacity));
    EXPECT_EQ(3, capacity);
    put_numbers(q, 0, 3);
    EXPECT_FAILS(KITH_EFULL, "jobs", kith_queue_put(q, KITH_INT(3), 0));
    start_ns = test_now_ns();
    EXPECT_FAILS(KITH_ETIMEDOUT, "jobs", kith_queue_put(q, KITH_INT(3), 30 * TEST_MS));
    EXPECT_GE(test_now_ns() - start_ns, 30 * TEST_MS);
    EXPECT_QUEUE_LEN(q, 3);
    EXPECT_GIVES(q, KITH_INT(0));
    EXPECT_OK(kith_queue_put(q, KITH_INT(3), 0));
    for (int i = 1; i < 4; i++)
        EXPECT_GIVES(q, KITH_INT(i));
}

TEST(queue_without_a_capacity_says_so)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    uint64_t capacity = 77;
    kith_lease *lease;

    EXPECT_OK(kith_queue_capacity(q, &capacity));
    EXPECT_EQ(0, capacity);
    put_numbers(q, 0, 5000);
    lease = LEASE(q, KITH_INT(0), 0);
    EXPECT_OK(kith_queue_info(q, &info));
    EXPECT_EQ(4999, info.ready);
    EXPECT_EQ(1, info.leased);
    EXPECT_EQ(0, info.capacity);
    EXPECT_EQ(0, info.dead_lettered);
    EXPECT_TRUE(!info.closed);
    EXPECT_OK(kith_lease_ack(lease));
}

TEST(queue_counts_leased_items_in_its_capacity_but_not_in_its_length)
{
    kith_queue *q = queue_of(t, "jobs", 2, 0, NULL);
    kith_lease *lease;

    put_numbers(q, 0, 2);
    lease = LEASE(q, KITH_INT(0), 0);
    EXPECT_QUEUE_LEN(q, 1);
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(2), 0));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_OK(kith_queue_put(q, KITH_INT(2), 0));
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(3), 0));
}

TEST(queue_that_is_empty_leaves_results_alone)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = test_untouched_buf();
    struct kith_buf many[2] = { test_untouched_buf(), test_untouched_buf() };
    kith_lease *lease = (kith_lease *)t;
    kith_view *view = (kith_view *)t;
    size_t got = 77;
    int64_t start_ns = test_now_ns();

    EXPECT_FAILS(KITH_EEMPTY, "jobs", kith_queue_get(q, 0, &item));
    EXPECT_RC(KITH_EEMPTY, kith_queue_lease(q, 0, &item, &lease));
    EXPECT_RC(KITH_EEMPTY, kith_queue_peek(q, &item));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get_many(q, 2, 0, many, &got));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get_view(q, 0, &view));
    EXPECT_FAILS(KITH_ETIMEDOUT, "jobs", kith_queue_get(q, 10 * TEST_MS, &item));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_lease(q, 10 * TEST_MS, &item, &lease));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_get_many(q, 2, 10 * TEST_MS, many, &got));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_get_view(q, 10 * TEST_MS, &view));
    EXPECT_GE(test_now_ns() - start_ns, 40 * TEST_MS);
    EXPECT_UNTOUCHED(&item);
    EXPECT_UNTOUCHED(&many[0]);
    EXPECT_UNTOUCHED(&many[1]);
    EXPECT_TRUE(lease == (kith_lease *)t);
    EXPECT_TRUE(view == (kith_view *)t);
    EXPECT_EQ(77, got);
}

TEST(queue_peek_leaves_the_oldest_where_it_is)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = KITH_BUF_INIT;

    EXPECT_OK(kith_queue_put(q, KITH_STR("first"), 0));
    EXPECT_OK(kith_queue_put(q, KITH_STR("second"), 0));
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith_queue_peek(q, &item));
        EXPECT_ITEM(KITH_STR("first"), item.item);
    }
    EXPECT_QUEUE_LEN(q, 2);
    EXPECT_GIVES(q, KITH_STR("first"));
    EXPECT_OK(kith_queue_peek(q, &item));
    EXPECT_ITEM(KITH_STR("second"), item.item);
    kith_buf_free(&item);
}

/* ---- batches ---- */

TEST(queue_takes_and_gives_batches_in_order)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_item items[500];
    struct kith_buf out[300];
    size_t put = 77;
    size_t got = 77;

    memset(out, 0, sizeof(out));
    for (int i = 0; i < 500; i++)
        items[i] = KITH_INT(i);
    EXPECT_OK(kith_queue_put_many(q, NULL, 0, 0, &put));
    EXPECT_EQ(0, put);
    EXPECT_OK(kith_queue_put_many(q, items, 500, 0, &put));
    EXPECT_EQ(500, put);
    EXPECT_OK(kith_queue_get_many(q, 300, 0, out, &got));
    EXPECT_EQ(300, got);
    for (int i = 0; i < 300; i++)
        EXPECT_ITEM(KITH_INT(i), out[i].item);
    EXPECT_OK(kith_queue_get_many(q, 300, KITH_FOREVER, out, &got));
    EXPECT_EQ(200, got);
    for (int i = 0; i < 200; i++)
        EXPECT_ITEM(KITH_INT(i + 300), out[i].item);
    for (int i = 0; i < 300; i++)
        kith_buf_free(&out[i]);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get_many(q, 300, 0, out, &got));
}

TEST(queue_batch_into_too_little_room_says_how_many_went_in)
{
    kith_queue *q = queue_of(t, "jobs", 4, 0, NULL);
    struct kith_item items[10];
    size_t put = 77;
    int64_t start_ns = test_now_ns();

    for (int i = 0; i < 10; i++)
        items[i] = KITH_INT(i);
    EXPECT_OK(kith_queue_put(q, KITH_STR("before"), 0));
    EXPECT_RC(KITH_EFULL, kith_queue_put_many(q, items, 10, 0, &put));
    EXPECT_EQ(3, put);
    EXPECT_QUEUE_LEN(q, 4);
    EXPECT_RC(KITH_EFULL, kith_queue_put_many(q, items, 10, 0, &put));
    EXPECT_EQ(0, put);
    EXPECT_GIVES(q, KITH_STR("before"));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_put_many(q, items + 3, 7, 20 * TEST_MS, &put));
    EXPECT_EQ(1, put);
    EXPECT_GE(test_now_ns() - start_ns, 20 * TEST_MS);
    for (int i = 0; i < 4; i++)
        EXPECT_GIVES(q, KITH_INT(i));
    EXPECT_OK(kith_queue_put(q, KITH_STR("old"), 0));
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_RC(KITH_ECLOSED, kith_queue_put_many(q, items, 2, 0, &put));
    EXPECT_EQ(0, put);
}

TEST(queue_batch_with_a_malformed_item_is_refused_whole)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_item items[3] = { KITH_INT(1), KITH_INT(2), KITH_INT(3) };
    size_t put = 77;

    items[2] = (struct kith_item){ .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };
    EXPECT_RC(KITH_EINVAL, kith_queue_put_many(q, items, 3, 0, &put));
    EXPECT_EQ(77, put);
    EXPECT_QUEUE_LEN(q, 0);
}

/* ---- waiting ---- */

struct party {
    kith_queue *queue;
    sem_t *ready;
    sem_t *go;
    int number;
};

static struct party *
party_new(kith_queue *q)
{
    struct party *p = test_shared(sizeof(*p));

    p->queue = q;
    p->ready = test_gate();
    p->go = test_gate();
    return p;
}

static void
child_gets_forever(void *arg)
{
    struct party *p = arg;
    struct kith_buf item = KITH_BUF_INIT;

    EXPECT_OK(kith_queue_get(p->queue, KITH_FOREVER, &item));
    EXPECT_ITEM(KITH_STR("here"), item.item);
    kith_buf_free(&item);
}

TEST(queue_getter_that_sleeps_is_woken_by_a_put)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_gets_forever, party_new(q));
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_queue_put(q, KITH_STR("here"), 0));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_QUEUE_LEN(q, 0);
}

/* The one that has slept longest is stopped, so that the wake may go to it, and killed. */
TEST(queue_killed_getter_that_slept_leaves_the_item_to_the_next)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    pid_t doomed[2], next;

    for (int i = 0; i < 2; i++) {
        doomed[i] = test_child(child_gets_forever, party_new(q));
        UNTIL_ASLEEP(doomed[i], 0);
    }
    next = test_child(child_gets_forever, party_new(q));
    UNTIL_ASLEEP(next, 0);
    test_child_kill(doomed[0]);
    test_child_stop(doomed[1]);
    EXPECT_OK(kith_queue_put(q, KITH_STR("here"), 0));
    test_child_kill(doomed[1]);
    CHILD_JOIN(next);
    EXPECT_QUEUE_LEN(q, 0);
}

TEST(queue_batch_wakes_as_many_getters_as_it_has_items)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_item items[3] = { KITH_STR("here"), KITH_STR("here"), KITH_STR("here") };
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_gets_forever, party_new(q));
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_queue_put_many(q, items, 3, 0, NULL));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
}

static void
child_puts_forever(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_queue_put(p->queue, KITH_STR("waited"), KITH_FOREVER));
}

TEST(queue_killed_putter_that_slept_leaves_the_room_to_the_next)
{
    kith_queue *q = queue_of(t, "jobs", 1, 0, NULL);
    pid_t doomed, next;

    put_numbers(q, 0, 1);
    doomed = test_child(child_puts_forever, party_new(q));
    UNTIL_ASLEEP(doomed, 0);
    next = test_child(child_puts_forever, party_new(q));
    UNTIL_ASLEEP(next, 0);
    test_child_stop(doomed);
    EXPECT_GIVES(q, KITH_INT(0));
    test_child_kill(doomed);
    CHILD_JOIN(next);
    EXPECT_GIVES(q, KITH_STR("waited"));
    EXPECT_QUEUE_LEN(q, 0);
}

TEST(queue_putter_that_sleeps_is_woken_by_a_get_and_by_an_ack)
{
    kith_queue *q = queue_of(t, "jobs", 2, 0, NULL);
    kith_lease *lease;
    pid_t first, second;

    put_numbers(q, 0, 2);
    first = test_child(child_puts_forever, party_new(q));
    second = test_child(child_puts_forever, party_new(q));
    UNTIL_ASLEEP(first, 0);
    UNTIL_ASLEEP(second, 0);
    lease = LEASE(q, KITH_INT(0), 0);
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_GIVES(q, KITH_INT(1));
    CHILD_JOIN(first);
    CHILD_JOIN(second);
    EXPECT_QUEUE_LEN(q, 2);
}

static void
child_puts_many(void *arg)
{
    struct party *p = arg;
    struct kith_item items[20];
    size_t put = 0;

    for (int i = 0; i < 20; i++)
        items[i] = KITH_INT(i);
    EXPECT_OK(kith_queue_put_many(p->queue, items, 20, KITH_FOREVER, &put));
    EXPECT_EQ(20, put);
}

TEST(queue_batch_larger_than_the_queue_goes_in_as_room_comes)
{
    kith_queue *q = queue_of(t, "jobs", 3, 0, NULL);
    pid_t pid = test_child(child_puts_many, party_new(q));
    struct kith_buf item = KITH_BUF_INIT;

    for (int i = 0; i < 20; i++) {
        EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), &item));
        EXPECT_ITEM(KITH_INT(i), item.item);
    }
    CHILD_JOIN(pid);
    kith_buf_free(&item);
}

static void
child_meets_the_end(void *arg)
{
    struct party *p = arg;
    struct kith_buf item = test_untouched_buf();

    EXPECT_RC((kith_err)p->number, kith_queue_get(p->queue, KITH_FOREVER, &item));
    EXPECT_UNTOUCHED(&item);
}

static void
child_meets_the_end_putting(void *arg)
{
    struct party *p = arg;

    EXPECT_RC((kith_err)p->number, kith_queue_put(p->queue, KITH_INT(9), KITH_FOREVER));
}

TEST(queue_waiters_learn_that_it_was_destroyed)
{
    kith_queue *q = queue_of(t, "jobs", 1, 0, NULL);
    kith_queue *full = queue_of(t, "full", 1, 0, NULL);
    struct party *p = party_new(q);
    struct party *f = party_new(full);
    pid_t getter, putter;

    p->number = f->number = KITH_EGONE;
    put_numbers(full, 0, 1);
    getter = test_child(child_meets_the_end, p);
    putter = test_child(child_meets_the_end_putting, f);
    UNTIL_ASLEEP(getter, 0);
    UNTIL_ASLEEP(putter, 0);
    EXPECT_OK(kith_destroy(test_space(t), "jobs"));
    EXPECT_OK(kith_destroy(test_space(t), "full"));
    CHILD_JOIN(getter);
    CHILD_JOIN(putter);
}

TEST(queue_waiters_learn_that_it_was_shut_down)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_queue *full = queue_of(t, "full", 1, 0, NULL);
    struct party *p = party_new(q);
    struct party *f = party_new(full);
    pid_t getter, putter;

    p->number = f->number = KITH_ECLOSED;
    put_numbers(full, 0, 1);
    getter = test_child(child_meets_the_end, p);
    putter = test_child(child_meets_the_end_putting, f);
    UNTIL_ASLEEP(getter, 0);
    UNTIL_ASLEEP(putter, 0);
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_OK(kith_queue_shutdown(full));
    CHILD_JOIN(getter);
    CHILD_JOIN(putter);
    EXPECT_GIVES(full, KITH_INT(0));
}

static volatile sig_atomic_t interrupts;

static void
on_signal(int number)
{
    (void)number;
}

static int
end_at_third(void *arg)
{
    struct party *p = arg;

    interrupts++;
    test_gate_open(p->ready);
    return interrupts == 3;
}

static void
child_is_interrupted(void *arg)
{
    struct party *p = arg;
    struct sigaction action = { .sa_handler = on_signal };
    struct kith_buf item = test_untouched_buf();

    sigaction(SIGUSR1, &action, NULL);
    kith_on_interrupt(end_at_third, p);
    EXPECT_FAILS(KITH_EINTERRUPTED, "jobs", kith_queue_get(p->queue, KITH_FOREVER, &item));
    EXPECT_EQ(3, interrupts);
    EXPECT_UNTOUCHED(&item);
    kith_on_interrupt(NULL, NULL);
    item = (struct kith_buf)KITH_BUF_INIT;
    test_gate_open(p->ready);
    EXPECT_OK(kith_queue_get(p->queue, KITH_FOREVER, &item));
    EXPECT_EQ(3, interrupts);
    kith_buf_free(&item);
}

TEST(queue_wait_ends_on_a_signal_only_if_asked)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    pid_t pid = test_child(child_is_interrupted, p);

    for (int i = 0; i < 3; i++) {
        UNTIL_ASLEEP(pid, 0);
        EXPECT_EQ(0, kill(pid, SIGUSR1));
        GATE_WAIT(p->ready);
    }
    GATE_WAIT(p->ready);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_EQ(0, kill(pid, SIGUSR1));
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    CHILD_JOIN(pid);
}

/* ---- leases ---- */

TEST(queue_lease_that_is_acknowledged_is_gone)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *first, *second;

    put_numbers(q, 0, 3);
    first = LEASE(q, KITH_INT(0), 0);
    second = LEASE(q, KITH_INT(1), 0);
    EXPECT_OK(kith_lease_ack(second));
    EXPECT_OK(kith_lease_ack(first));
    EXPECT_QUEUE_LEN(q, 1);
    EXPECT_GIVES(q, KITH_INT(2));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
}

TEST(queue_nack_puts_an_item_back_in_its_place)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *leases[4];

    put_numbers(q, 0, 6);
    for (int i = 0; i < 4; i++)
        leases[i] = LEASE(q, KITH_INT(i), 0);
    EXPECT_OK(kith_lease_nack(leases[2]));
    EXPECT_OK(kith_lease_nack(leases[0]));
    EXPECT_OK(kith_lease_nack(leases[3]));
    EXPECT_QUEUE_LEN(q, 5);
    EXPECT_OK(kith_queue_put(q, KITH_INT(6), 0));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(0), 1)));
    leases[2] = LEASE(q, KITH_INT(2), 1);
    EXPECT_OK(kith_lease_nack(leases[1]));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(1), 1)));
    EXPECT_OK(kith_lease_nack(leases[2]));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(2), 2)));
    EXPECT_GIVES(q, KITH_INT(3));
    for (int i = 4; i < 7; i++)
        EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(i), 0)));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
}

TEST(queue_moves_what_failed_too_often_to_the_dead_letters)
{
    kith_queue *q = queue_of(t, "jobs", 0, 3, "dead");
    kith_queue *dead;
    struct kith_queue_options must = KITH_QUEUE_OPTIONS_INIT;
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    must.create = KITH_MUST_EXIST;
    dead = test_queue(t, "dead", &must);
    EXPECT_OK(kith_queue_put(q, KITH_STR("poison, long enough to take a block of its own"), 0));
    EXPECT_OK(kith_queue_put(q, KITH_STR("good"), 0));
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_QUEUE_LEN(dead, 0);
        EXPECT_OK(kith_lease_nack(
            LEASE(q, KITH_STR("poison, long enough to take a block of its own"), i)));
    }
    EXPECT_QUEUE_LEN(dead, 1);
    EXPECT_OK(kith_queue_info(q, &info));
    EXPECT_EQ(1, info.dead_lettered);
    EXPECT_EQ(1, info.ready);
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_STR("good"), 0)));
    EXPECT_GIVES(dead, KITH_STR("poison, long enough to take a block of its own"));
}

TEST(queue_drops_what_failed_too_often_without_dead_letters)
{
    kith_queue *q = queue_of(t, "jobs", 1, 1, NULL);
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    EXPECT_OK(kith_queue_put(q, KITH_STR("poison"), 0));
    EXPECT_OK(kith_lease_nack(LEASE(q, KITH_STR("poison"), 0)));
    EXPECT_OK(kith_queue_info(q, &info));
    EXPECT_EQ(0, info.ready);
    EXPECT_EQ(0, info.leased);
    EXPECT_EQ(1, info.dead_lettered);
    EXPECT_OK(kith_queue_put(q, KITH_STR("room again"), 0));
}

TEST(queue_dead_letter_must_be_a_queue)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *q = (kith_queue *)t;

    test_dict(t, "a-dict");
    options.attempts_max = 1;
    options.dead_letter = "a-dict";
    EXPECT_FAILS(KITH_ETYPE, "a-dict", kith_queue_open(test_space(t), "jobs", &options, &q));
    EXPECT_TRUE(q == (kith_queue *)t);
    options.dead_letter = "a/b";
    EXPECT_RC(KITH_EINVAL, kith_queue_open(test_space(t), "jobs", &options, &q));
    options.dead_letter = NULL;
    options.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_queue_open(test_space(t), "jobs", &options, &q));
}

static void
child_leases_and_waits(void *arg)
{
    struct party *p = arg;
    static kith_lease *leases[3]; /* which go with the process, and are no leak */

    for (int i = 0; i < 3; i++)
        leases[i] = LEASE(p->queue, KITH_INT(i), 0);
    EXPECT_OK(kith_lease_ack(leases[1]));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        _exit(0);
    /* Else an orderly end, when this returns. */
}

/* A kill, a bare _exit and an orderly end, in all of which the leases come back. */
TEST(queue_lease_of_a_process_that_ended_is_back_in_its_place)
{
    for (int way = 0; way < 3; way++) {
        kith_queue *q = test_queue(t, "jobs", NULL);
        struct party *p = party_new(q);
        struct kith_buf item = KITH_BUF_INIT;
        kith_lease *lease = NULL;
        pid_t pid;

        p->number = way;
        put_numbers(q, 0, 3);
        pid = test_child(child_leases_and_waits, p);
        GATE_WAIT(p->ready);
        EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
        if (way == 0) {
            test_child_kill(pid);
        } else {
            test_gate_open(p->go);
            CHILD_JOIN(pid);
        }
        EXPECT_OK(kith_queue_lease(q, test_ceiling_ns(), &item, &lease));
        EXPECT_ITEM(KITH_INT(0), item.item);
        EXPECT_EQ(1, kith_lease_attempts(lease));
        EXPECT_OK(kith_lease_ack(lease));
        EXPECT_OK(kith_queue_lease(q, test_ceiling_ns(), &item, &lease));
        EXPECT_ITEM(KITH_INT(2), item.item);
        EXPECT_OK(kith_lease_ack(lease));
        EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
        kith_buf_free(&item);
    }
}

static void
child_waits_for_a_lease(void *arg)
{
    struct party *p = arg;
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    EXPECT_OK(kith_queue_lease(p->queue, KITH_FOREVER, &item, &lease));
    EXPECT_EQ(1, kith_lease_attempts(lease));
    EXPECT_OK(kith_lease_ack(lease));
    kith_buf_free(&item);
}

TEST(queue_getter_that_sleeps_is_woken_by_the_death_of_a_lessee)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    pid_t lessee, waiters[2];

    put_numbers(q, 0, 3);
    lessee = test_child(child_leases_and_waits, p);
    GATE_WAIT(p->ready);
    for (int i = 0; i < 2; i++)
        waiters[i] = test_child(child_waits_for_a_lease, p);
    for (int i = 0; i < 2; i++)
        UNTIL_ASLEEP(waiters[i], 0);
    test_child_kill(lessee);
    for (int i = 0; i < 2; i++)
        CHILD_JOIN(waiters[i]);
    EXPECT_QUEUE_LEN(q, 0);
}

TEST(queue_death_of_a_lessee_counts_as_an_attempt_for_the_dead_letters)
{
    kith_queue *q = queue_of(t, "jobs", 0, 1, "dead");
    kith_queue *dead = test_queue(t, "dead", NULL);
    struct party *p = party_new(q);
    struct kith_buf item = KITH_BUF_INIT;
    int64_t first;
    pid_t pid;

    put_numbers(q, 0, 3);
    pid = test_child(child_leases_and_waits, p);
    GATE_WAIT(p->ready);
    test_child_kill(pid);
    /* Both of them, in whichever order its leases were found. */
    EXPECT_OK(kith_queue_get(dead, test_ceiling_ns(), &item));
    first = item.item.integer;
    EXPECT_OK(kith_queue_get(dead, test_ceiling_ns(), &item));
    EXPECT_EQ(2, first + item.item.integer);
    EXPECT_EQ(0, first * item.item.integer);
    EXPECT_QUEUE_LEN(dead, 0);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
    kith_buf_free(&item);
}

static void *
lease_in_thread(void *arg)
{
    struct party *p = arg;

    return LEASE(p->queue, KITH_INT(0), 0);
}

TEST(queue_lease_belongs_to_the_process_and_outlives_its_thread)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    kith_lease *lease;

    put_numbers(q, 0, 2);
    lease = test_thread_join(test_thread(lease_in_thread, p));
    EXPECT_GIVES(q, KITH_INT(1));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(0), 1)));
}

static kith_lease *inherited[2];

static void
child_ends_the_parents_leases(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EPERM, kith_lease_ack(inherited[0]));
    EXPECT_RC(KITH_EPERM, kith_lease_nack(inherited[1]));
    EXPECT_GIVES(p->queue, KITH_INT(2));
}

TEST(queue_lease_stays_with_the_parent_over_a_fork)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);

    put_numbers(q, 0, 3);
    inherited[0] = LEASE(q, KITH_INT(0), 0);
    inherited[1] = LEASE(q, KITH_INT(1), 0);
    CHILD_JOIN(test_child(child_ends_the_parents_leases, p));
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
    EXPECT_OK(kith_lease_ack(inherited[0]));
    EXPECT_OK(kith_lease_nack(inherited[1]));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(1), 1)));
}

TEST(queue_lease_on_a_destroyed_queue_is_EGONE)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lease *first, *second;

    put_numbers(q, 0, 2);
    first = LEASE(q, KITH_INT(0), 0);
    second = LEASE(q, KITH_INT(1), 0);
    EXPECT_OK(kith_destroy(test_space(t), "jobs"));
    EXPECT_RC(KITH_EGONE, kith_lease_ack(first));
    EXPECT_RC(KITH_EGONE, kith_lease_nack(second));
    EXPECT_RC(KITH_EINVAL, kith_lease_ack(NULL));
    EXPECT_RC(KITH_EINVAL, kith_lease_nack(NULL));
}

TEST(queue_handle_may_be_closed_before_its_leases_end)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_queue *watch = test_queue(t, "jobs", NULL);
    kith_queue *q = NULL;
    kith_lease *lease = NULL;

    EXPECT_OK(kith_queue_open(test_space(t), "jobs", NULL, &q));
    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_OK(kith_queue_lease(q, 0, &item, &lease));
    kith_queue_close(q);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(watch, 0, NULL));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_GIVES(watch, KITH_INT(1));
    kith_buf_free(&item);
}

TEST_ON(TEST_NAMED, queue_lease_is_given_back_when_its_space_is_closed)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    pid_t pid;

    EXPECT_OK(kith_queue_put(q, KITH_STR("job"), 0));
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        kith_space *own = NULL;
        kith_queue *queue = NULL;
        kith_lease *lease = NULL;
        struct kith_buf item = KITH_BUF_INIT;

        /* The last handle this process has: the inherited ones go first. */
        kith_queue_close(q);
        kith_close(t->space);
        EXPECT_OK(kith_open(t->address, NULL, &own));
        EXPECT_OK(kith_queue_open(own, "jobs", NULL, &queue));
        EXPECT_OK(kith_queue_lease(queue, 0, &item, &lease));
        kith_queue_close(queue);
        kith_close(own);
        EXPECT_OK(kith_open(t->address, NULL, &own));
        EXPECT_OK(kith_queue_open(own, "jobs", NULL, &queue));
        EXPECT_OK(kith_queue_lease(queue, test_ceiling_ns(), &item, &lease));
        EXPECT_EQ(1, kith_lease_attempts(lease));
        EXPECT_OK(kith_lease_ack(lease));
        _exit(0);
    }
    CHILD_JOIN(pid);
    EXPECT_QUEUE_LEN(q, 0);
}

/* ---- ending ---- */

TEST(queue_shut_down_drains_and_then_says_so)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    struct kith_buf item = test_untouched_buf();
    kith_lease *lease = NULL;
    kith_view *view = NULL;
    size_t count = 77;

    put_numbers(q, 0, 3);
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_OK(kith_queue_shutdown(q));
    EXPECT_OK(kith_queue_info(q, &info));
    EXPECT_TRUE(info.closed);
    EXPECT_FAILS(KITH_ECLOSED, "jobs", kith_queue_put(q, KITH_INT(3), 0));
    EXPECT_RC(KITH_ECLOSED, kith_queue_put(q, KITH_INT(3), KITH_FOREVER));
    EXPECT_GIVES(q, KITH_INT(0));
    lease = LEASE(q, KITH_INT(1), 0);
    EXPECT_GIVES(q, KITH_INT(2));
    /* What is leased may come back. */
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, &item));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_get(q, 5 * TEST_MS, &item));
    EXPECT_RC(KITH_EEMPTY, kith_queue_peek(q, &item));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(1), 1)));
    EXPECT_FAILS(KITH_ECLOSED, "jobs", kith_queue_get(q, 0, &item));
    EXPECT_RC(KITH_ECLOSED, kith_queue_get(q, KITH_FOREVER, &item));
    EXPECT_RC(KITH_ECLOSED, kith_queue_peek(q, &item));
    EXPECT_RC(KITH_ECLOSED, kith_queue_lease(q, KITH_FOREVER, &item, &lease));
    EXPECT_RC(KITH_ECLOSED, kith_queue_get_many(q, 1, KITH_FOREVER, &item, &count));
    EXPECT_RC(KITH_ECLOSED, kith_queue_get_view(q, KITH_FOREVER, &view));
    EXPECT_UNTOUCHED(&item);
    EXPECT_EQ(77, count);
}

TEST(queue_getter_waits_for_the_last_lease_of_a_shut_down_queue)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    kith_lease *lease;
    pid_t pid;

    put_numbers(q, 0, 1);
    lease = LEASE(q, KITH_INT(0), 0);
    EXPECT_OK(kith_queue_shutdown(q));
    p->number = KITH_ECLOSED;
    pid = test_child(child_meets_the_end, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_lease_ack(lease));
    CHILD_JOIN(pid);
}

static void
child_joins(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_queue_join(p->queue, KITH_FOREVER));
    test_gate_open(p->ready);
}

TEST(queue_join_waits_for_what_is_ready_and_what_is_leased)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    kith_lease *lease;
    int64_t start_ns = test_now_ns();
    pid_t pid;

    EXPECT_OK(kith_queue_join(q, 0));
    put_numbers(q, 0, 2);
    EXPECT_FAILS(KITH_ETIMEDOUT, "jobs", kith_queue_join(q, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(q, 10 * TEST_MS));
    EXPECT_GE(test_now_ns() - start_ns, 10 * TEST_MS);
    pid = test_child(child_joins, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_GIVES(q, KITH_INT(0));
    lease = LEASE(q, KITH_INT(1), 0);
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(q, 0));
    EXPECT_EQ(-1, sem_trywait(p->ready));
    EXPECT_OK(kith_lease_ack(lease));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_queue_join(q, 0));
}

TEST(queue_joiner_is_told_when_a_lessee_is_killed_and_its_item_is_done)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct party *p = party_new(q);
    pid_t lessee, doomed, joiner;

    put_numbers(q, 0, 3);
    lessee = test_child(child_leases_and_waits, p); /* two of three, in the end */
    GATE_WAIT(p->ready);
    doomed = test_child(child_joins, party_new(q));
    UNTIL_ASLEEP(doomed, 0);
    joiner = test_child(child_joins, party_new(q));
    UNTIL_ASLEEP(joiner, 0);
    test_child_kill(doomed);
    test_child_kill(lessee);
    for (int i = 0; i < 2; i++)
        EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), NULL));
    CHILD_JOIN(joiner);
}

/* ---- gets that lend ---- */

static kith_queue *
lending_of(struct test *t, uint64_t capacity)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;

    options.capacity = capacity;
    options.joinable = true;
    options.lending = true;
    return test_queue(t, "jobs", &options);
}

static struct kith_queue_info
info_of(kith_queue *q)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    EXPECT_OK(kith_queue_info(q, &info));
    return info;
}

static void
child_gets_two_and_reports_one(void *arg)
{
    struct party *p = arg;

    EXPECT_GIVES(p->queue, KITH_INT(0));
    EXPECT_GIVES(p->queue, KITH_INT(1));
    EXPECT_OK(kith_queue_task_done(p->queue));
    test_gate_open(p->ready);
    GATE_WAIT(p->go);
    if (p->number == 1)
        _exit(0);
    /* Else an orderly end, when this returns. */
}

TEST(queue_joiner_is_told_when_what_a_killed_getter_had_is_done)
{
    for (int way = 0; way < 2; way++) { /* a kill, and a bare _exit */
        kith_queue *q = lending_of(t, 0);
        struct party *p = party_new(q);
        pid_t getter, doomed, joiner;

        p->number = way;
        put_numbers(q, 0, 2);
        getter = test_child(child_gets_two_and_reports_one, p);
        GATE_WAIT(p->ready);
        EXPECT_EQ(0, info_of(q).ready);
        EXPECT_EQ(0, info_of(q).leased);
        EXPECT_EQ(1, info_of(q).taken);
        doomed = test_child(child_joins, party_new(q));
        UNTIL_ASLEEP(doomed, 0);
        joiner = test_child(child_joins, party_new(q));
        UNTIL_ASLEEP(joiner, 0);
        test_child_kill(doomed);
        if (way == 0) {
            test_child_kill(getter);
        } else {
            test_gate_open(p->go);
            CHILD_JOIN(getter);
        }
        EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), NULL)); /* the 1 is back */
        EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
        EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(q, 0));
        EXPECT_OK(kith_queue_task_done(q));
        CHILD_JOIN(joiner);
        EXPECT_RC(KITH_EINVAL, kith_queue_task_done(q));
    }
}

TEST(queue_that_lends_keeps_nothing_for_who_ends_in_good_order)
{
    kith_queue *q = lending_of(t, 0);
    struct party *p = party_new(q);
    pid_t getter, joiner;

    put_numbers(q, 0, 2);
    getter = test_child(child_gets_two_and_reports_one, p);
    GATE_WAIT(p->ready);
    test_gate_open(p->go);
    CHILD_JOIN(getter);
    EXPECT_EQ(0, info_of(q).taken);
    EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
    joiner = test_child(child_joins, party_new(q));
    UNTIL_ASLEEP(joiner, 0);
    EXPECT_OK(kith_queue_task_done(q)); /* any process may report it */
    CHILD_JOIN(joiner);
    EXPECT_FAILS(KITH_EINVAL, "jobs", kith_queue_task_done(q));
}

static void
child_puts_a_two(void *arg)
{
    struct party *p = arg;

    EXPECT_OK(kith_queue_put(p->queue, KITH_INT(2), KITH_FOREVER));
}

TEST(queue_that_lends_has_room_for_another_when_one_is_got)
{
    kith_queue *q = lending_of(t, 2);
    struct kith_item items[2] = { KITH_INT(3), KITH_INT(4) };
    kith_view *view;
    size_t put;
    pid_t pid;

    put_numbers(q, 0, 2);
    pid = test_child(child_puts_a_two, party_new(q));
    UNTIL_ASLEEP(pid, 0);
    EXPECT_GIVES(q, KITH_INT(0));
    CHILD_JOIN(pid);
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(3), 0));
    EXPECT_OK(kith_queue_get_view(q, 0, &view));
    EXPECT_ITEM(KITH_INT(1), kith_view_item(view));
    kith_view_release(view);
    EXPECT_RC(KITH_EFULL, kith_queue_put_many(q, items, 2, 0, &put));
    EXPECT_EQ(1, put);
    EXPECT_EQ(2, info_of(q).ready);
    EXPECT_EQ(2, info_of(q).taken);
    for (int i = 0; i < 2; i++)
        EXPECT_OK(kith_queue_task_done(q));
    EXPECT_RC(KITH_EFULL, kith_queue_put(q, KITH_INT(4), 0));
}

TEST(queue_put_of_parts_is_one_item)
{
    static const size_t sizes[] = { 0, 1, 100, 5000, 200000 };
    kith_queue *q = test_queue(t, "jobs", NULL);
    char *bytes = malloc(200000);
    struct kith_buf buf = KITH_BUF_INIT;

    for (size_t i = 0; i < 200000; i++)
        bytes[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t cut = sizes[i] / 3;
        struct kith_part parts[] = { { bytes, cut }, { NULL, 0 }, { bytes + cut, sizes[i] - cut } };

        EXPECT_OK(kith_queue_put_parts(q, "x/y", parts, 3, NULL, 0));
        EXPECT_OK(kith_queue_get(q, 0, &buf));
        EXPECT_EQ(KITH_TYPE_FOREIGN, buf.item.type);
        EXPECT_EQ(sizes[i], buf.item.size);
        EXPECT_EQ(0, strcmp("x/y", buf.item.tag));
        EXPECT_EQ(0, memcmp(bytes, buf.item.data, sizes[i]));
    }
    EXPECT_OK(kith_queue_put_parts(q, "x/y", NULL, 0, NULL, 0));
    EXPECT_OK(kith_queue_get(q, 0, &buf));
    EXPECT_EQ(0, buf.item.size);
    EXPECT_FAILS(KITH_EINVAL, "tag", kith_queue_put_parts(q, NULL, NULL, 0, NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "tag", kith_queue_put_parts(q, "", NULL, 0, NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "NULL", kith_queue_put_parts(q, "x", NULL, 1, NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "NULL",
                 kith_queue_put_parts(q, "x", &(struct kith_part){ NULL, 1 }, 1, NULL, 0));
    EXPECT_FAILS(KITH_ETOOBIG, "item",
                 kith_queue_put_parts(q, "x",
                                      (struct kith_part[]){ { bytes, SIZE_MAX }, { bytes, 1 } }, 2,
                                      NULL, 0));
    EXPECT_FAILS(
        KITH_ETOOBIG, "item",
        kith_queue_put_parts(q, "x", &(struct kith_part){ bytes, SIZE_MAX / 2 }, 1, NULL, 0));
    EXPECT_FAILS(KITH_EINVAL, "kith_queue_put_parts",
                 kith_queue_put_parts(NULL, "x", NULL, 0, NULL, 0));
    EXPECT_QUEUE_LEN(q, 0);
    kith_buf_free(&buf);
    free(bytes);
}

TEST(queue_join_of_a_joinable_one_waits_for_task_done)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct party *p;
    kith_queue *q;
    kith_lease *lease;
    pid_t pid;

    options.joinable = true;
    q = test_queue(t, "jobs", &options);
    p = party_new(q);
    EXPECT_OK(kith_queue_join(q, 0));
    EXPECT_RC(KITH_EINVAL, kith_queue_task_done(q));
    put_numbers(q, 0, 3);
    EXPECT_RC(KITH_EINVAL, kith_queue_task_done(q));
    EXPECT_GIVES(q, KITH_INT(0));
    EXPECT_GIVES(q, KITH_INT(1));
    lease = LEASE(q, KITH_INT(2), 0);
    pid = test_child(child_joins, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_queue_task_done(q));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(q, 0));
    EXPECT_EQ(-1, sem_trywait(p->ready));
    EXPECT_OK(kith_queue_task_done(q));
    CHILD_JOIN(pid);
    EXPECT_FAILS(KITH_EINVAL, "jobs", kith_queue_task_done(q));
}

static void
child_joins_in_vain(void *arg)
{
    struct party *p = arg;

    EXPECT_RC(KITH_EGONE, kith_queue_join(p->queue, KITH_FOREVER));
}

TEST(queue_joiner_learns_that_the_queue_was_destroyed)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    pid_t pid;

    put_numbers(q, 0, 1);
    pid = test_child(child_joins_in_vain, party_new(q));
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_destroy(test_space(t), "jobs"));
    CHILD_JOIN(pid);
}

TEST(queue_joiner_is_woken_when_the_last_item_is_dropped)
{
    kith_queue *q = queue_of(t, "jobs", 0, 1, NULL);
    struct party *p = party_new(q);
    kith_lease *lease;
    pid_t pid;

    put_numbers(q, 0, 1);
    lease = LEASE(q, KITH_INT(0), 0);
    pid = test_child(child_joins, p);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_lease_nack(lease));
    CHILD_JOIN(pid);
}

/* ---- bad input, and handles on what is gone ---- */

TEST(queue_refuses_bad_input_and_changes_nothing)
{
    kith_space *space = test_space(t);
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = test_untouched_buf();
    struct kith_item bad = { .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };
    kith_lease *lease = NULL;
    kith_view *view = NULL;
    kith_queue *none = (kith_queue *)t;
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    uint64_t count = 77;
    size_t got = 77;

    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    EXPECT_RC(KITH_EINVAL, kith_queue_put(q, bad, 0));
    EXPECT_RC(KITH_EINVAL, kith_queue_put(q, KITH_INT(1), -2));
    EXPECT_RC(KITH_EINVAL, kith_queue_put(q, KITH_INT(1), INT64_MIN));
    EXPECT_RC(KITH_EINVAL, kith_queue_put_many(q, NULL, 1, 0, &got));
    EXPECT_RC(KITH_EINVAL, kith_queue_get(q, -2, &item));
    EXPECT_RC(KITH_EINVAL, kith_queue_get_many(q, 1, -2, &item, &got));
    EXPECT_RC(KITH_EINVAL, kith_queue_get_view(q, -2, &view));
    EXPECT_RC(KITH_EINVAL, kith_queue_get_view(q, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_queue_lease(q, -2, &item, &lease));
    EXPECT_RC(KITH_EINVAL, kith_queue_lease(q, 0, &item, NULL));
    EXPECT_RC(KITH_EINVAL, kith_queue_join(q, -2));
    EXPECT_RC(KITH_EINVAL, kith_queue_put(NULL, KITH_INT(1), 0));
    EXPECT_RC(KITH_EINVAL, kith_queue_get(NULL, 0, &item));
    EXPECT_RC(KITH_EINVAL, kith_queue_len(NULL, &count));
    EXPECT_RC(KITH_EINVAL, kith_queue_info(q, NULL));
    EXPECT_RC(KITH_EINVAL, kith_queue_shutdown(NULL));
    EXPECT_RC(KITH_EINVAL, kith_queue_open(NULL, "jobs", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_queue_open(space, NULL, NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_queue_open(space, "jobs", NULL, NULL));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_queue_open(space, "jobs", &options, &none));
    EXPECT_TRUE(none == (kith_queue *)t);
    EXPECT_UNTOUCHED(&item);
    EXPECT_EQ(77, count);
    EXPECT_QUEUE_LEN(q, 1);
    kith_queue_close(NULL);
}

TEST(queue_results_that_nobody_wants_may_be_NULL)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_item items[2] = { KITH_INT(1), KITH_INT(2) };
    kith_lease *lease = NULL;

    EXPECT_OK(kith_queue_put_many(q, items, 2, 0, NULL));
    EXPECT_OK(kith_queue_peek(q, NULL));
    EXPECT_OK(kith_queue_get(q, 0, NULL));
    EXPECT_OK(kith_queue_lease(q, 0, NULL, &lease));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_QUEUE_LEN(q, 0);
}

TEST(queue_destroyed_is_EGONE_for_every_function)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_buf item = test_untouched_buf();
    struct kith_item one = KITH_INT(1);
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_lease *lease = NULL;
    kith_view *view = NULL;
    uint64_t count = 77;
    size_t got = 77;

    put_numbers(q, 0, 100);
    EXPECT_OK(kith_destroy(test_space(t), "jobs"));
    for (int round = 0; round < 2; round++) {
        EXPECT_FAILS(KITH_EGONE, "jobs", kith_queue_put(q, one, 0));
        EXPECT_RC(KITH_EGONE, kith_queue_put(q, one, KITH_FOREVER));
        EXPECT_RC(KITH_EGONE, kith_queue_put_many(q, &one, 1, 0, &got));
        EXPECT_RC(KITH_EGONE, kith_queue_get(q, KITH_FOREVER, &item));
        EXPECT_RC(KITH_EGONE, kith_queue_get_many(q, 1, KITH_FOREVER, &item, &got));
        EXPECT_RC(KITH_EGONE, kith_queue_get_view(q, KITH_FOREVER, &view));
        EXPECT_RC(KITH_EGONE, kith_queue_peek(q, &item));
        EXPECT_RC(KITH_EGONE, kith_queue_lease(q, KITH_FOREVER, &item, &lease));
        EXPECT_RC(KITH_EGONE, kith_queue_len(q, &count));
        EXPECT_RC(KITH_EGONE, kith_queue_capacity(q, &count));
        EXPECT_RC(KITH_EGONE, kith_queue_info(q, &info));
        EXPECT_RC(KITH_EGONE, kith_queue_task_done(q));
        EXPECT_RC(KITH_EGONE, kith_queue_join(q, KITH_FOREVER));
        EXPECT_RC(KITH_EGONE, kith_queue_shutdown(q));
        EXPECT_UNTOUCHED(&item);
        EXPECT_EQ(77, count);
        /* A new queue of that name, perhaps in the same memory, is another one. */
        EXPECT_OK(kith_queue_put(test_queue(t, "jobs", NULL), KITH_STR("new"), 0));
    }
}

TEST(queue_long_use_does_not_grow)
{
    kith_queue *q = test_queue(t, "jobs", NULL);
    struct kith_stat stat = KITH_STAT_INIT;
    uint64_t used = 0;

    for (int round = 0; round < 40; round++) {
        put_numbers(q, 0, 2500);
        for (int i = 0; i < 2500; i++) {
            if (i % 3 == 0)
                EXPECT_OK(kith_lease_ack(LEASE(q, KITH_INT(i), 0)));
            else
                EXPECT_GIVES(q, KITH_INT(i));
        }
        EXPECT_OK(kith_stat(test_space(t), &stat));
        if (round == 3)
            used = stat.bytes_used;
        if (round > 3)
            EXPECT_GE(used * 5 / 4 + 65536, stat.bytes_used);
    }
}

/* ---- processes ---- */

static void
child_puts_numbers(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < 2000; i++)
        EXPECT_OK(kith_queue_put(p->queue, KITH_INT(p->number * 10000 + i), KITH_FOREVER));
}

TEST(queue_keeps_the_order_of_each_putter)
{
    kith_queue *q = queue_of(t, "jobs", 50, 0, NULL);
    int next[4] = { 0, 0, 0, 0 };
    struct kith_buf item = KITH_BUF_INIT;
    pid_t pids[4];

    for (int i = 0; i < 4; i++) {
        struct party *p = party_new(q);

        p->number = i;
        pids[i] = test_child(child_puts_numbers, p);
    }
    for (int i = 0; i < 8000; i++) {
        EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), &item));
        EXPECT_EQ(next[item.item.integer / 10000]++, item.item.integer % 10000);
    }
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_QUEUE_LEN(q, 0);
    kith_buf_free(&item);
}
