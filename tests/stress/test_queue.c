/*
 * test_queue.c - producers and consumers that are killed: every item is had, and by one at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "stress.h"

static kith_queue *queue;
static kith_dict *seen;
static kith_lock *lock;
static struct {
    _Atomic int64_t next;
    int64_t guarded;
} * shared;

/* Workers 0 and 1 produce, each item once at least; 2 and up lease, mark and acknowledge. */
static void
lease_step(struct worker *w)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;
    int64_t number;
    kith_err err;

    if (w->number < 2) {
        /* Put first, counted after: a producer killed between has put it, and puts it again. */
        number = atomic_load(&shared->next);
        EXPECT_OK(kith_queue_put(queue, KITH_INT(number), KITH_FOREVER));
        atomic_compare_exchange_strong(&shared->next, &number, number + 1);
        return;
    }
    err = kith_queue_lease(queue, atomic_load(w->stop) ? 0 : 20 * TEST_MS, &item, &lease);
    if (err != KITH_OK) {
        EXPECT_TRUE(err == KITH_ETIMEDOUT || err == KITH_EEMPTY);
        return;
    }
    EXPECT_OK(kith_dict_add(seen, item.item, 1, NULL));
    EXPECT_OK(w->steps % 5 == 0 ? kith_lease_nack(lease) : kith_lease_ack(lease));
    kith_buf_free(&item);
}

TEST_LONG(900, queue_loses_nothing_when_producers_and_consumers_are_killed)
{
    struct test_random random = test_random_new();
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct crew *crew = crew_new(5, lease_step);
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    struct kith_buf item = KITH_BUF_INIT;
    kith_err err;

    options.capacity = 200;
    queue = test_queue(t, "q", &options);
    seen = test_dict(t, "seen");
    shared = test_shared(sizeof(*shared));
    crew_start(crew);
    crew_kill(crew, 5, stretched(300), 300, &random);
    /* The producers first, which may wait for room; consumers until then make it. */
    atomic_store(&crew->stop, true);
    for (int i = 0; i < 2; i++) {
        int status;

        while (waitpid(crew->workers[i].pid, &status, WNOHANG) == 0) {
            err = kith_queue_get(queue, TEST_MS, &item);
            if (err == KITH_OK)
                EXPECT_OK(kith_dict_add(seen, item.item, 1, NULL));
        }
        EXPECT_EQ(0, status);
    }
    for (int i = 2; i < 5; i++)
        CHILD_JOIN(crew->workers[i].pid);
    while ((err = kith_queue_get(queue, 0, &item)) == KITH_OK)
        EXPECT_OK(kith_dict_add(seen, item.item, 1, NULL));
    EXPECT_EQ(KITH_EEMPTY, err);
    EXPECT_OK(kith_queue_info(queue, &info));
    EXPECT_EQ(0, info.leased);
    EXPECT_OK(kith_queue_join(queue, 0));
    EXPECT_GE(shared->next, 100);
    for (int64_t i = 0; i < shared->next; i++)
        EXPECT_OK(kith_dict_has(seen, KITH_INT(i)));
    kith_buf_free(&item);
}

/* Leased by one at a time: a word per item says who works on it. */
static void
alone_step(struct worker *w)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;
    int64_t now = 0;

    if (kith_queue_lease(queue, 20 * TEST_MS, &item, &lease) != KITH_OK)
        return;
    EXPECT_OK(kith_dict_add(seen, item.item, 1, &now));
    EXPECT_EQ(1, now);
    sched_yield();
    EXPECT_OK(kith_dict_add(seen, item.item, -1, &now));
    EXPECT_EQ(0, now);
    EXPECT_OK(kith_lease_nack(lease));
    kith_buf_free(&item);
    (void)w;
}

TEST_LONG(900, queue_lends_each_item_to_one_at_a_time)
{
    struct crew *crew = crew_new(4, alone_step);

    queue = test_queue(t, "q", NULL);
    seen = test_dict(t, "seen");
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_queue_put(queue, KITH_INT(i), 0));
    crew_start(crew);
    crew_wait(crew, stretched(1000));
    crew_stop(crew);
    EXPECT_QUEUE_LEN(queue, 3);
}

static void
ping(struct worker *w)
{
    (void)w;
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), KITH_FOREVER));
}

static void
pong(void *arg)
{
    int64_t count = *(int64_t *)arg;

    for (int64_t i = 0; i < count; i++)
        EXPECT_OK(kith_queue_get(queue, test_ceiling_ns(), NULL));
}

/* One place, so that both sides sleep and wake all the time: a lost wake would hang it. */
TEST_LONG(900, queue_of_one_place_loses_no_wake)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct crew *crew = crew_new(2, ping);
    int64_t count = (int64_t)stretched(15000);
    pid_t pids[2];

    options.capacity = 1;
    queue = test_queue(t, "q", &options);
    crew_start(crew);
    for (int i = 0; i < 2; i++)
        pids[i] = test_child(pong, &count);
    for (int i = 0; i < 2; i++)
        CHILD_JOIN_LONG(pids[i], test_is_long() ? 600 : 60);
    atomic_store(&crew->stop, true);
    for (int i = 0; i < 2; i++) {
        int status;

        while (waitpid(crew->workers[i].pid, &status, WNOHANG) == 0)
            (void)kith_queue_get(queue, TEST_MS, NULL);
        EXPECT_EQ(0, status);
    }
}

/* The lock is held when its holder is killed, with the counter half changed. */
static void
lock_step(struct worker *w)
{
    volatile int64_t *counter = &shared->guarded;
    kith_err err = kith_lock_acquire(lock, KITH_FOREVER);

    EXPECT_TRUE(err == KITH_OK || err == KITH_OWNER_DIED);
    /* Odd while a holder is inside; whoever finds it so must have been told. */
    if (*counter % 2 != 0) {
        EXPECT_EQ(KITH_OWNER_DIED, err);
        *counter = *counter + 1;
    }
    *counter = *counter + 1;
    sched_yield();
    EXPECT_EQ(1, *counter % 2);
    *counter = *counter + 1;
    EXPECT_OK(kith_lock_release(lock));
    (void)w;
}

TEST_LONG(900, lock_keeps_its_counter_whole_though_holders_are_killed)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, lock_step);

    lock = test_lock(t, "lock");
    shared = test_shared(sizeof(*shared));
    crew_start(crew);
    crew_kill(crew, 4, stretched(300), 500, &random);
    crew_wait(crew, 100);
    crew_stop(crew);
    EXPECT_GE(shared->guarded, 2);
    EXPECT_TRUE(kith_lock_acquire(lock, 0) >= 0);
    EXPECT_OK(kith_lock_release(lock));
}
