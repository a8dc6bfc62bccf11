/*
 * test_txn.c - transactions of many processes: sums stay, and nobody ever sees half of one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "stress.h"

enum { ACCOUNTS = 40, START = 1000 };

static kith_space *space;
static kith_dict *accounts;
static kith_dict *others; /* every second account is in another dict */

static kith_dict *
dict_of(uint64_t account)
{
    return account % 2 == 0 ? accounts : others;
}

/* Moves money between accounts of both dicts, three times in one transaction. */
static void
bank_step(struct worker *w)
{
    static struct test_random random;
    kith_txn *txn = NULL;

    if (random.state == 0)
        random.state = (uint64_t)getpid();
    EXPECT_OK(kith_txn_begin(space, &txn));
    for (int i = 0; i < 3; i++) {
        uint64_t from = test_random_below(&random, ACCOUNTS);
        uint64_t to = test_random_below(&random, ACCOUNTS);
        int64_t amount = (int64_t)test_random_below(&random, 50);

        EXPECT_OK(kith_txn_dict_add(txn, dict_of(from), KITH_INT((int64_t)from), -amount));
        EXPECT_OK(kith_txn_dict_add(txn, dict_of(to), KITH_INT((int64_t)to), amount));
    }
    EXPECT_OK(kith_txn_commit(txn));
    (void)w;
}

static int
sum_one(struct kith_item key, struct kith_item item, void *arg)
{
    int64_t *sum = arg;

    (void)key;
    *sum += item.integer;
    return 0;
}

static int64_t
sum_of(kith_dict *dict)
{
    int64_t sum = 0;

    EXPECT_OK(kith_dict_each(dict, sum_one, &sum));
    return sum;
}

static void
open_bank(struct test *t)
{
    space = test_space(t);
    accounts = test_dict(t, "accounts");
    others = test_dict(t, "others");
    for (uint64_t i = 0; i < ACCOUNTS; i++)
        EXPECT_OK(kith_dict_set(dict_of(i), KITH_INT((int64_t)i), KITH_INT(START)));
}

TEST_LONG(900, txn_transfers_keep_the_sum_while_their_makers_are_killed)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, bank_step);

    open_bank(t);
    crew_start(crew);
    crew_kill(crew, 4, stretched(250), 500, &random);
    crew_stop(crew);
    EXPECT_EQ(ACCOUNTS * START, sum_of(accounts) + sum_of(others));
    EXPECT_LEN(accounts, ACCOUNTS / 2);
}

/* Within one dict: transfers, and readers who must find the sum each time. */
static void
one_dict_step(struct worker *w)
{
    static struct test_random random;
    static struct kith_buf items[ACCOUNTS];
    struct kith_item keys[ACCOUNTS];
    kith_txn *txn = NULL;
    int64_t sum = 0;

    if (random.state == 0)
        random.state = (uint64_t)getpid();
    if (w->number == 3) {
        EXPECT_EQ(ACCOUNTS * START, sum_of(accounts));
        return;
    }
    if (w->number == 2) {
        for (int i = 0; i < ACCOUNTS; i++)
            keys[i] = KITH_INT(i);
        EXPECT_OK(kith_dict_get_many(accounts, keys, ACCOUNTS, items));
        for (int i = 0; i < ACCOUNTS; i++)
            sum += items[i].item.integer;
        EXPECT_EQ(ACCOUNTS * START, sum);
        return;
    }
    EXPECT_OK(kith_txn_begin(space, &txn));
    for (int i = 0; i < 4; i++) {
        int64_t amount = (int64_t)test_random_below(&random, 50);

        EXPECT_OK(kith_txn_dict_add(
            txn, accounts, KITH_INT((int64_t)test_random_below(&random, ACCOUNTS)), -amount));
        EXPECT_OK(kith_txn_dict_add(
            txn, accounts, KITH_INT((int64_t)test_random_below(&random, ACCOUNTS)), amount));
    }
    EXPECT_OK(kith_txn_commit(txn));
}

TEST_LONG(900, txn_is_seen_whole_by_get_many_and_each_under_kills)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, one_dict_step);

    space = test_space(t);
    accounts = test_dict(t, "accounts");
    for (int i = 0; i < ACCOUNTS; i++)
        EXPECT_OK(kith_dict_set(accounts, KITH_INT(i), KITH_INT(START)));
    crew_start(crew);
    crew_kill(crew, 4, stretched(250), 300, &random);
    crew_wait(crew, 100);
    crew_stop(crew);
    EXPECT_EQ(ACCOUNTS * START, sum_of(accounts));
}

/*
 * The writer sets all keys to one number, higher each time, in one transaction.  A reader that has
 * seen the number at one key must not find a lower one at any that it reads after it, in whatever
 * order: new, and then old, cannot be.
 */
enum { STAMPED = 12 };

static const char *const stamped[STAMPED] = { "a", "b", "c", "d", "e", "f",
                                              "g", "h", "i", "j", "k", "l" };

static int64_t
stamp_at(int i)
{
    static struct kith_buf item;

    EXPECT_OK(kith_dict_get(dict_of((uint64_t)i), kith_str(stamped[i]), &item));
    EXPECT_EQ(KITH_TYPE_INT, item.item.type);
    return item.item.integer;
}

static void
stamp_step(struct worker *w)
{
    kith_txn *txn = NULL;
    int64_t last = INT64_MIN;

    if (w->number == 0) {
        int64_t next = stamp_at(0) + 1;

        EXPECT_OK(kith_txn_begin(space, &txn));
        for (int i = 0; i < STAMPED; i++)
            EXPECT_OK(
                kith_txn_dict_set(txn, dict_of((uint64_t)i), kith_str(stamped[i]), KITH_INT(next)));
        EXPECT_OK(kith_txn_commit(txn));
        return;
    }
    for (int i = 0; i < STAMPED; i++) {
        int64_t now = stamp_at(w->number % 2 == 0 ? i : STAMPED - 1 - i);

        EXPECT_GE(now, last);
        last = now;
    }
}

TEST_LONG(900, txn_is_never_seen_new_and_then_old)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, stamp_step);

    space = test_space(t);
    accounts = test_dict(t, "accounts");
    others = test_dict(t, "others");
    for (int i = 0; i < STAMPED; i++)
        EXPECT_OK(kith_dict_set(dict_of((uint64_t)i), kith_str(stamped[i]), KITH_INT(0)));
    crew_start(crew);
    /* Of these only the writer is killed, in the middle of its commits. */
    crew_kill(crew, 1, stretched(250), 300, &random);
    crew_wait(crew, 1000);
    crew_stop(crew);
    for (int i = 1; i < STAMPED; i++)
        EXPECT_EQ(stamp_at(0), stamp_at(i));
}

/* The main job: take a task, and in one transaction count it and acknowledge it. */
static kith_queue *tasks;

static void
task_step(struct worker *w)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;
    kith_txn *txn = NULL;
    kith_err err = kith_queue_lease(tasks, 0, &item, &lease);

    if (err == KITH_EEMPTY) {
        sched_yield();
        return;
    }
    EXPECT_OK(err);
    EXPECT_OK(kith_txn_begin(space, &txn));
    EXPECT_OK(kith_txn_dict_add(txn, accounts, item.item, 1));
    EXPECT_OK(kith_txn_dict_add(txn, others, KITH_STR("done"), 1));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    EXPECT_OK(kith_txn_commit(txn));
    kith_buf_free(&item);
    (void)w;
}

static int
done_once(struct kith_item key, struct kith_item item, void *arg)
{
    (void)arg;
    if (item.integer != 1)
        FAIL("task %" PRId64 " was done %" PRId64 " times", key.integer, item.integer);
    return 0;
}

TEST_LONG(900, txn_counts_every_task_exactly_once_under_kills)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, task_step);
    int64_t count = (int64_t)stretched(20000);

    space = test_space(t);
    accounts = test_dict(t, "counts");
    others = test_dict(t, "others");
    tasks = test_queue(t, "tasks", NULL);
    for (int64_t i = 0; i < count; i++)
        EXPECT_OK(kith_queue_put(tasks, KITH_INT(i), 0));
    crew_start(crew);
    crew_kill(crew, 4, stretched(120), 150, &random);
    EXPECT_OK(kith_queue_join(tasks, (test_is_long() ? 60 : 6) * test_ceiling_ns()));
    crew_stop(crew);
    EXPECT_LEN(accounts, (uint64_t)count);
    EXPECT_OK(kith_dict_each(accounts, done_once, NULL));
    EXPECT_HOLDS(others, KITH_STR("done"), KITH_INT(count));
}
