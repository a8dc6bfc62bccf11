/*
 * test_txn.c - what kith/txn.h promises: all or nothing, over several objects.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static kith_txn *
begin(struct test *t)
{
    kith_txn *txn = NULL;

    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    return txn;
}

static kith_lease *
lease_one(kith_queue *q)
{
    kith_lease *lease = NULL;

    EXPECT_OK(kith_queue_lease(q, 0, NULL, &lease));
    return lease;
}

TEST(txn_does_all_of_it_at_commit_and_nothing_before)
{
    kith_dict *a = test_dict(t, "a");
    kith_dict *b = test_dict(t, "b");
    kith_queue *in = test_queue(t, "in", NULL);
    kith_queue *out = test_queue(t, "out", NULL);
    kith_txn *txn;

    EXPECT_OK(kith_dict_set(a, KITH_STR("old"), KITH_INT(1)));
    EXPECT_OK(kith_queue_put(in, KITH_STR("job"), 0));
    txn = begin(t);
    EXPECT_OK(kith_txn_dict_set(txn, a, KITH_STR("k"), KITH_STR("v")));
    EXPECT_OK(kith_txn_dict_add(txn, a, KITH_STR("n"), 5));
    EXPECT_OK(kith_txn_dict_add(txn, b, KITH_STR("n"), 7));
    EXPECT_OK(kith_txn_dict_delete(txn, a, KITH_STR("old")));
    EXPECT_OK(kith_txn_dict_delete(txn, a, KITH_STR("never there")));
    EXPECT_OK(kith_txn_queue_put(txn, out, KITH_STR("result")));
    EXPECT_OK(kith_txn_lease_ack(txn, lease_one(in)));
    EXPECT_LEN(a, 1);
    EXPECT_LEN(b, 0);
    EXPECT_QUEUE_LEN(out, 0);
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_LEN(a, 2);
    EXPECT_HOLDS(a, KITH_STR("k"), KITH_STR("v"));
    EXPECT_HOLDS(a, KITH_STR("n"), KITH_INT(5));
    EXPECT_HOLDS(b, KITH_STR("n"), KITH_INT(7));
    EXPECT_GIVES(out, KITH_STR("result"));
    EXPECT_OK(kith_queue_join(in, 0));
}

TEST(txn_operations_happen_in_the_order_they_were_built)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_txn *txn = begin(t);
    struct kith_buf key = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(100)));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("x"), KITH_INT(1)));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("x"), 2));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("x"), 3));
    EXPECT_OK(kith_txn_dict_delete(txn, d, KITH_STR("k")));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("k"), 4));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("y"), KITH_STR("first")));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("y"), KITH_STR("second")));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("z"), KITH_INT(1)));
    EXPECT_OK(kith_txn_dict_delete(txn, d, KITH_STR("z")));
    for (int i = 0; i < 5; i++)
        EXPECT_OK(kith_txn_queue_put(txn, q, KITH_INT(i)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("x"), KITH_INT(6));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(4));
    EXPECT_HOLDS(d, KITH_STR("y"), KITH_STR("second"));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("z")));
    EXPECT_LEN(d, 3);
    for (int i = 0; i < 5; i++)
        EXPECT_GIVES(q, KITH_INT(i));
    /* k was deleted and set again after x: the order of insertion is x, k, y. */
    EXPECT_OK(kith_dict_popitem(d, &key, NULL));
    EXPECT_ITEM(KITH_STR("y"), key.item);
    EXPECT_OK(kith_dict_popitem(d, &key, NULL));
    EXPECT_ITEM(KITH_STR("k"), key.item);
    kith_buf_free(&key);
}

#define MIXED_KEYS 600
#define MIXED_STEPS 4000

/* Many keys share buckets, and many steps a key, so that each sees what those before it wrote. */
TEST(txn_of_thousands_of_steps_does_as_its_model)
{
    static int64_t model[MIXED_KEYS]; /* -1: absent */
    const struct kith_item yes = { .type = KITH_TYPE_BOOL, .boolean = 1 };
    kith_dict *d = test_dict(t, "d");
    uint64_t random = 1, present;

    for (int i = 0; i < MIXED_KEYS; i++) {
        model[i] = i % 3 == 0 ? -1 : i;
        if (model[i] >= 0)
            EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(i)));
    }
    for (int round = 0; round < 3; round++) {
        kith_txn *txn = begin(t);

        for (int n = 0; n < MIXED_STEPS; n++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            int i = (int)(random >> 33) % MIXED_KEYS;

            switch (round == 0 ? 0 : random >> 60) { /* first adds alone, then a mixture */
            case 1:
                EXPECT_OK(kith_txn_dict_delete(txn, d, KITH_INT(i)));
                model[i] = -1;
                break;
            case 2:
            case 3:
                EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(i), KITH_INT(n)));
                model[i] = n;
                break;
            case 4:
                EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(i), yes));
                EXPECT_OK(kith_txn_dict_add(txn, d, KITH_INT(i), 1)); /* an int now: 2 */
                model[i] = 2;
                break;
            default:
                EXPECT_OK(kith_txn_dict_add(txn, d, KITH_INT(i), 1));
                model[i] = model[i] < 0 ? 1 : model[i] + 1;
            }
        }
        EXPECT_OK(kith_txn_commit(txn));
        present = 0;
        for (int i = 0; i < MIXED_KEYS; i++) {
            present += model[i] >= 0;
            if (model[i] >= 0)
                EXPECT_HOLDS(d, KITH_INT(i), KITH_INT(model[i]));
        }
        EXPECT_LEN(d, present);
    }
}

TEST(txn_copies_what_it_is_given)
{
    kith_dict *d = test_dict(t, "d");
    kith_txn *txn = begin(t);
    char key[] = "key";
    char item[] = "item";

    EXPECT_OK(kith_txn_dict_set(txn, d, kith_str(key), kith_str(item)));
    memcpy(key, "###", 3);
    memcpy(item, "####", 4);
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("key"), KITH_STR("item"));
    EXPECT_LEN(d, 1);
}

TEST(txn_that_is_discarded_or_empty_does_nothing)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_txn *txn = begin(t);
    kith_lease *lease;

    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    lease = lease_one(q);
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    kith_txn_discard(txn);
    kith_txn_discard(NULL);
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_lease_ack(lease)); /* still the caller's */
    EXPECT_OK(kith_txn_commit(begin(t)));
    EXPECT_RC(KITH_EINVAL, kith_txn_commit(NULL));
}

/* Each condition that holds lets the transaction through; each that does not stops all of it. */
TEST(txn_conditions_stop_all_of_it)
{
    kith_dict *d = test_dict(t, "d");
    kith_dict *other = test_dict(t, "other");
    uint64_t version = 0;
    uint64_t old_version = 0;

    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(0)));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &old_version));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    for (int i = 0; i < 11; i++) {
        kith_txn *txn = begin(t);
        kith_err want = i < 4 ? KITH_OK : KITH_ECONFLICT;
        struct kith_item k = KITH_STR("k");
        struct kith_item absent = KITH_STR("absent");

        EXPECT_OK(kith_txn_dict_add(txn, other, KITH_STR("n"), 1));
        switch (i) {
        case 0:
            EXPECT_OK(kith_txn_if_absent(txn, d, absent));
            break;
        case 1:
            EXPECT_OK(kith_txn_if_present(txn, d, k));
            break;
        case 2:
            EXPECT_OK(kith_txn_if_equal(txn, d, k, KITH_INT(1)));
            break;
        case 3:
            EXPECT_OK(kith_txn_if_version(txn, d, k, version));
            break;
        case 4:
            EXPECT_OK(kith_txn_if_absent(txn, d, k));
            break;
        case 5:
            EXPECT_OK(kith_txn_if_present(txn, d, absent));
            break;
        case 6:
            EXPECT_OK(kith_txn_if_equal(txn, d, k, KITH_INT(2)));
            break;
        case 7:
            EXPECT_OK(kith_txn_if_equal(txn, d, k, kith_bool(true)));
            break;
        case 8:
            EXPECT_OK(kith_txn_if_equal(txn, d, absent, kith_none()));
            break;
        case 9:
            EXPECT_OK(kith_txn_if_version(txn, d, k, old_version));
            break;
        default:
            EXPECT_OK(kith_txn_if_version(txn, d, absent, version));
            break;
        }
        EXPECT_OK(kith_txn_dict_set(txn, other, KITH_STR("more"), KITH_INT(i)));
        EXPECT_RC(want, kith_txn_commit(txn));
    }
    EXPECT_HOLDS(other, KITH_STR("n"), KITH_INT(4));
    EXPECT_HOLDS(other, KITH_STR("more"), KITH_INT(3));
}

TEST(txn_conditions_are_looked_at_before_its_own_operations)
{
    kith_dict *d = test_dict(t, "d");
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_txn_if_absent(txn, d, KITH_STR("k")));
    EXPECT_OK(kith_txn_commit(txn));
    txn = begin(t);
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_OK(kith_txn_if_equal(txn, d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_ECONFLICT, kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(1));
}

TEST(txn_that_fails_leaves_everything_and_the_lease_as_they_were)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *jobs = test_queue(t, "jobs", NULL);
    kith_queue *small, *closed;
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_lease *lease;

    options.capacity = 2;
    small = test_queue(t, "small", &options);
    closed = test_queue(t, "closed", NULL);
    EXPECT_OK(kith_queue_put(small, KITH_INT(0), 0));
    EXPECT_OK(kith_queue_shutdown(closed));
    EXPECT_OK(kith_dict_set(d, KITH_STR("text"), KITH_STR("t")));
    EXPECT_OK(kith_dict_set(d, KITH_STR("top"), KITH_INT(INT64_MAX)));
    EXPECT_OK(kith_queue_put(jobs, KITH_STR("job"), 0));
    lease = lease_one(jobs);
    for (int i = 0; i < 4; i++) {
        static const kith_err wants[] = { KITH_EFULL, KITH_ECLOSED, KITH_ETYPE, KITH_ERANGE };
        static const char *const names[] = { "small", "closed", "d", "d" };
        kith_txn *txn = begin(t);

        EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("new"), KITH_INT(1)));
        EXPECT_OK(kith_txn_lease_ack(txn, lease));
        EXPECT_OK(kith_txn_queue_put(txn, small, KITH_INT(1)));
        if (i == 0)
            EXPECT_OK(kith_txn_queue_put(txn, small, KITH_INT(2)));
        else if (i == 1)
            EXPECT_OK(kith_txn_queue_put(txn, closed, KITH_INT(2)));
        else if (i == 2)
            EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("text"), 1));
        else
            EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("top"), 1));
        EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("n"), 1));
        EXPECT_FAILS(wants[i], names[i], kith_txn_commit(txn));
        EXPECT_LEN(d, 2);
        EXPECT_QUEUE_LEN(small, 1);
        EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(jobs, 0));
    }
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_GIVES(jobs, KITH_STR("job"));
}

TEST(txn_range_is_that_of_the_sum_of_its_adds)
{
    kith_dict *d = test_dict(t, "d");
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_dict_set(d, KITH_STR("n"), KITH_INT(INT64_MAX - 1)));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("n"), -10));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("n"), 11));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(INT64_MAX));
    txn = begin(t);
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("m"), INT64_MAX));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("m"), 1));
    EXPECT_RC(KITH_ERANGE, kith_txn_commit(txn));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_STR("m")));
}

TEST(txn_with_a_lost_lease_is_EGONE)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_lease *lease;
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    lease = lease_one(q);
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    EXPECT_OK(kith_destroy(test_space(t), "q"));
    EXPECT_RC(KITH_EGONE, kith_txn_commit(txn));
    EXPECT_LEN(d, 0);
    EXPECT_RC(KITH_EGONE, kith_lease_ack(lease));
}

TEST(txn_on_a_destroyed_object_is_EGONE)
{
    kith_dict *d = test_dict(t, "d");
    kith_dict *gone = test_dict(t, "gone");
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_txn_dict_set(txn, gone, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_destroy(test_space(t), "gone"));
    EXPECT_FAILS(KITH_EGONE, "gone", kith_txn_commit(txn));
    EXPECT_LEN(d, 0);
}

TEST(txn_refuses_what_can_never_be_and_may_be_built_further)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_space *other_space = test_open(t, "mem://", NULL);
    kith_dict *stranger = NULL;
    struct kith_item nan = kith_float(NAN);
    struct kith_item bad = { .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };
    kith_txn *none = (kith_txn *)t;
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_dict_open(other_space, "d", NULL, &stranger));
    EXPECT_RC(KITH_EINVAL, kith_txn_begin(NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_txn_begin(test_space(t), NULL));
    EXPECT_TRUE(none == (kith_txn *)t);
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_set(txn, d, nan, KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_set(txn, d, KITH_STR("k"), bad));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_set(txn, NULL, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_set(NULL, d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_set(txn, stranger, KITH_STR("k"), KITH_INT(2)));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_add(txn, d, nan, 1));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_add(txn, stranger, KITH_STR("k"), 1));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_delete(txn, d, nan));
    EXPECT_RC(KITH_EINVAL, kith_txn_dict_delete(txn, stranger, KITH_STR("k")));
    EXPECT_RC(KITH_EINVAL, kith_txn_queue_put(txn, q, bad));
    EXPECT_RC(KITH_EINVAL, kith_txn_queue_put(txn, NULL, KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_txn_lease_ack(txn, NULL));
    EXPECT_RC(KITH_EINVAL, kith_txn_if_absent(txn, d, nan));
    EXPECT_RC(KITH_EINVAL, kith_txn_if_present(txn, d, nan));
    EXPECT_RC(KITH_EINVAL, kith_txn_if_equal(txn, d, KITH_STR("k"), bad));
    EXPECT_RC(KITH_EINVAL, kith_txn_if_equal(txn, stranger, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_txn_if_version(txn, d, nan, 1));
    EXPECT_OK(kith_txn_queue_put(txn, q, KITH_STR("and on")));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_INT(1));
    EXPECT_LEN(d, 1);
    EXPECT_GIVES(q, KITH_STR("and on"));
    EXPECT_LEN(stranger, 0);
    kith_dict_close(stranger);
}

TEST(txn_has_no_limit_of_size_but_memory)
{
    enum { COUNT = 20000 };
    kith_dict *d = test_dict(t, "d");
    kith_dict *e = test_dict(t, "e");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_txn *txn = begin(t);
    char key[32];

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(e, KITH_INT(i), KITH_INT(i)));
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        switch (i % 4) {
        case 0:
            EXPECT_OK(kith_txn_dict_set(txn, d, kith_str(key), KITH_STR("an item in a block")));
            break;
        case 1:
            EXPECT_OK(kith_txn_dict_add(txn, d, kith_str(key), i));
            break;
        case 2:
            EXPECT_OK(kith_txn_queue_put(txn, q, KITH_INT(i)));
            break;
        default:
            EXPECT_OK(kith_txn_dict_delete(txn, e, KITH_INT(i / 4)));
            break;
        }
    }
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_LEN(d, COUNT / 2);
    EXPECT_LEN(e, 0);
    EXPECT_QUEUE_LEN(q, COUNT / 4);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        if (i % 4 == 0)
            EXPECT_HOLDS(d, kith_str(key), KITH_STR("an item in a block"));
        else if (i % 4 == 1)
            EXPECT_HOLDS(d, kith_str(key), KITH_INT(i));
        else if (i % 4 == 2)
            EXPECT_GIVES(q, KITH_INT(i));
    }
}

TEST(txn_of_20000_that_conflicts_at_the_end_does_nothing)
{
    enum { COUNT = 20000 };
    kith_dict *d = test_dict(t, "d");
    kith_txn *txn = begin(t);
    struct kith_stat stat = KITH_STAT_INIT;
    uint64_t used = 0;

    for (int round = 0; round < 3; round++) {
        if (round > 0)
            txn = begin(t);
        for (int i = 0; i < COUNT; i++)
            EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(i), KITH_STR("an item in a block")));
        EXPECT_OK(kith_txn_if_present(txn, d, KITH_STR("no such key")));
        EXPECT_RC(KITH_ECONFLICT, kith_txn_commit(txn));
        EXPECT_LEN(d, 0);
        /* What was staged for it is given back. */
        EXPECT_OK(kith_stat(test_space(t), &stat));
        if (round == 0)
            used = stat.bytes_used;
        EXPECT_GE(used + used / 4, stat.bytes_used);
    }
}

TEST(txn_moves_big_items_whole)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    size_t size = 3 << 20;
    void *data = test_bytes(size, 1);
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), kith_bytes(data, size)));
    EXPECT_OK(kith_txn_queue_put(txn, q, kith_bytes(data, size)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("k"), kith_bytes(data, size));
    EXPECT_GIVES(q, kith_bytes(data, size));
    txn = begin(t);
    EXPECT_OK(kith_txn_if_equal(txn, d, KITH_STR("k"), kith_bytes(data, size)));
    EXPECT_OK(kith_txn_dict_delete(txn, d, KITH_STR("k")));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_LEN(d, 0);
    free(data);
}

TEST(txn_keys_are_compared_as_python_compares_them)
{
    kith_dict *d = test_dict(t, "d");
    kith_txn *txn = begin(t);

    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(1), KITH_INT(5)));
    EXPECT_OK(kith_txn_dict_add(txn, d, kith_bool(true), 1));
    EXPECT_OK(kith_txn_dict_add(txn, d, kith_float(1.0), 1));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_LEN(d, 1);
    EXPECT_HOLDS(d, KITH_INT(1), KITH_INT(7));
}

struct waiter {
    kith_queue *queue;
};

static void
child_gets(void *arg)
{
    struct waiter *w = arg;
    struct kith_buf item = KITH_BUF_INIT;

    EXPECT_OK(kith_queue_get(w->queue, KITH_FOREVER, &item));
    EXPECT_ITEM(KITH_STR("woken"), item.item);
    kith_buf_free(&item);
}

static void
child_puts(void *arg)
{
    struct waiter *w = arg;

    EXPECT_OK(kith_queue_put(w->queue, KITH_INT(1), KITH_FOREVER));
}

static void
child_joins(void *arg)
{
    struct waiter *w = arg;

    EXPECT_OK(kith_queue_join(w->queue, KITH_FOREVER));
}

TEST(txn_wakes_those_who_wait_for_what_it_does)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct waiter getter, putter, joiner;
    kith_txn *txn;
    pid_t pids[3];

    options.capacity = 1;
    getter.queue = test_queue(t, "empty", NULL);
    putter.queue = test_queue(t, "full", &options);
    joiner.queue = test_queue(t, "one", NULL);
    EXPECT_OK(kith_queue_put(putter.queue, KITH_INT(0), 0));
    EXPECT_OK(kith_queue_put(joiner.queue, KITH_INT(0), 0));
    pids[0] = test_child(child_gets, &getter);
    pids[1] = test_child(child_puts, &putter);
    pids[2] = test_child(child_joins, &joiner);
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    txn = begin(t);
    EXPECT_OK(kith_txn_queue_put(txn, getter.queue, KITH_STR("woken")));
    EXPECT_OK(kith_txn_lease_ack(txn, lease_one(putter.queue)));
    EXPECT_OK(kith_txn_lease_ack(txn, lease_one(joiner.queue)));
    EXPECT_OK(kith_txn_commit(txn));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
}

TEST(txn_stays_the_parents_over_a_fork)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    kith_txn *txn = begin(t);
    kith_lease *lease;
    pid_t pid;

    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    lease = lease_one(q);
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("parent"), KITH_INT(1)));
    EXPECT_OK(kith_txn_lease_ack(txn, lease));
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        kith_txn *own = begin(t);

        EXPECT_RC(KITH_EPERM, kith_txn_dict_set(txn, d, KITH_STR("child"), KITH_INT(1)));
        EXPECT_RC(KITH_EPERM, kith_txn_dict_add(txn, d, KITH_STR("child"), 1));
        EXPECT_RC(KITH_EPERM, kith_txn_if_absent(txn, d, KITH_STR("child")));
        EXPECT_RC(KITH_EPERM, kith_txn_commit(txn));
        kith_txn_discard(txn);
        EXPECT_RC(KITH_EPERM, kith_txn_lease_ack(own, lease));
        EXPECT_OK(kith_txn_dict_set(own, d, KITH_STR("own"), KITH_INT(2)));
        EXPECT_OK(kith_txn_commit(own));
        _exit(0);
    }
    CHILD_JOIN(pid);
    EXPECT_LEN(d, 1);
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("parent"), KITH_INT(1));
    EXPECT_HOLDS(d, KITH_STR("own"), KITH_INT(2));
    EXPECT_OK(kith_queue_join(q, 0));
}

TEST(txn_being_built_dies_with_its_process)
{
    kith_dict *d = test_dict(t, "d");
    kith_queue *q = test_queue(t, "q", NULL);
    pid_t pid;

    EXPECT_OK(kith_queue_put(q, KITH_INT(1), 0));
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        kith_txn *txn = begin(t);

        EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(1)));
        EXPECT_OK(kith_txn_lease_ack(txn, lease_one(q)));
        kill(getpid(), SIGKILL);
    }
    EXPECT_TRUE(WIFSIGNALED(CHILD_END(pid)));
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_queue_get(q, test_ceiling_ns(), NULL));
}

/* Two of them change the same keys in opposite orders. */
struct committer {
    kith_space *space;
    kith_dict *first;
    kith_dict *second;
};

static void
child_commits(void *arg)
{
    struct committer *c = arg;

    for (int i = 0; i < 2000; i++) {
        kith_txn *txn = NULL;

        EXPECT_OK(kith_txn_begin(c->space, &txn));
        EXPECT_OK(kith_txn_dict_add(txn, c->first, KITH_INT(i % 7), 1));
        EXPECT_OK(kith_txn_dict_add(txn, c->second, KITH_INT(i % 5), 1));
        EXPECT_OK(kith_txn_commit(txn));
    }
}

TEST(txn_on_the_same_keys_in_opposite_orders_never_lock_each_other_out)
{
    kith_dict *d = test_dict(t, "d");
    kith_dict *e = test_dict(t, "e");
    struct committer forth = { test_space(t), d, e };
    struct committer back = { test_space(t), e, d };
    pid_t first = test_child(child_commits, &forth);
    pid_t second = test_child(child_commits, &back);

    CHILD_JOIN(first);
    CHILD_JOIN(second);
    EXPECT_LEN(d, 7);
    EXPECT_LEN(e, 7);
}
