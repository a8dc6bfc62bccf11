/*
 * test_cache.c - what kith/dict.h promises of a dict that forgets, computes once, and is waited
 * for.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static kith_dict *
bounded(struct test *t, uint64_t max_items, uint64_t max_bytes, enum kith_dict_policy policy)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    kith_dict *dict;

    options.max_items = max_items;
    options.max_bytes = max_bytes;
    options.policy = policy;
    EXPECT_OK(kith_dict_open(test_space(t), "cache", &options, &dict));
    t->handles[t->handle_count].handle = dict;
    t->handles[t->handle_count++].close = (void (*)(void *))kith_dict_close;
    return dict;
}

static kith_err
set_for(kith_dict *dict, struct kith_item key, struct kith_item item, int64_t ttl_ns)
{
    struct kith_dict_set_options options = KITH_DICT_SET_OPTIONS_INIT;

    options.ttl_ns = ttl_ns;
    return kith_dict_set_with(dict, key, item, &options);
}

/* ---- time to live ---- */

TEST(cache_item_is_gone_for_everybody_once_it_has_expired)
{
    kith_dict *d = test_dict(t, "cache");
    struct kith_buf out = KITH_BUF_INIT, many[2] = { KITH_BUF_INIT, KITH_BUF_INIT };
    const struct kith_item keys[] = { KITH_STR("short"), KITH_STR("long") };
    kith_snapshot *snapshot;
    kith_txn *txn;
    kith_view *view;
    bool stale = false;

    EXPECT_OK(set_for(d, KITH_STR("long"), KITH_INT(1), 3600 * TEST_S));
    EXPECT_OK(kith_dict_set(d, KITH_STR("short"), KITH_STR("a text that takes a block")));
    EXPECT_OK(kith_dict_expire(d, KITH_STR("short"), 1));
    UNTIL(kith_dict_has(d, KITH_STR("short")) == KITH_ENOENT);

    EXPECT_FAILS(KITH_ENOENT, "cache", kith_dict_get(d, KITH_STR("short"), &out));
    EXPECT_RC(KITH_ENOENT, kith_dict_view(d, KITH_STR("short"), &view));
    EXPECT_RC(KITH_ENOENT, kith_dict_get_many(d, keys, 2, many));
    EXPECT_TRUE(many[0].item.tag == kith_absent);
    EXPECT_ITEM(KITH_INT(1), many[1].item);
    EXPECT_RC(KITH_ENOENT, kith_dict_replace(d, KITH_STR("short"), KITH_INT(1)));
    EXPECT_RC(KITH_ENOENT, kith_dict_delete(d, KITH_STR("short")));
    EXPECT_RC(KITH_ENOENT, kith_dict_pop(d, KITH_STR("short"), &out));
    EXPECT_RC(KITH_ECONFLICT, kith_dict_cas(d, KITH_STR("short"),
                                            KITH_STR("a text that takes a block"), KITH_INT(1)));
    EXPECT_RC(KITH_ENOENT, kith_dict_touch(d, KITH_STR("short")));
    EXPECT_RC(KITH_ENOENT, kith_dict_persist(d, KITH_STR("short")));
    EXPECT_OK(kith_dict_snapshot(d, &snapshot));
    EXPECT_EQ(1, kith_snapshot_len(snapshot));
    kith_snapshot_release(snapshot);
    EXPECT_OK(kith_dict_get_stale(d, KITH_STR("short"), &out, &stale));
    EXPECT_TRUE(stale);
    EXPECT_ITEM(KITH_STR("a text that takes a block"), out.item);

    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_if_absent(txn, d, KITH_STR("short")));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("short"), 5));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("short"), KITH_INT(5));
    EXPECT_LEN(d, 2);
    kith_buf_free(&out);
    kith_buf_free(&many[0]);
    kith_buf_free(&many[1]);
}

TEST(cache_expired_key_is_new_to_who_sets_inserts_or_adds)
{
    kith_dict *d = test_dict(t, "cache");
    int64_t now, left;

    for (int i = 0; i < 3; i++)
        EXPECT_OK(set_for(d, KITH_INT(i), KITH_INT(100), 1));
    EXPECT_OK(kith_dict_set(d, KITH_STR("stays"), KITH_INT(1)));
    UNTIL(kith_dict_has(d, KITH_INT(2)) == KITH_ENOENT);
    EXPECT_OK(kith_dict_insert(d, KITH_INT(0), KITH_STR("inserted over what had expired")));
    EXPECT_OK(kith_dict_add(d, KITH_INT(1), 7, &now));
    EXPECT_EQ(7, now);
    EXPECT_OK(kith_dict_set(d, KITH_INT(2), KITH_INT(9)));
    EXPECT_HOLDS(d, KITH_INT(0), KITH_STR("inserted over what had expired"));
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith_dict_ttl(d, KITH_INT(i), &left));
        EXPECT_EQ(KITH_FOREVER, left);
    }
    EXPECT_LEN(d, 4);
}

TEST(cache_time_to_live_is_told_changed_and_taken_away)
{
    kith_dict *d = test_dict(t, "cache");
    const int64_t hour = 3600 * TEST_S;
    struct kith_add_options add = KITH_ADD_OPTIONS_INIT;
    int64_t left = 0, before, now;

    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_STR("an item of more than eight bytes")));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
    EXPECT_OK(kith_dict_touch(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_persist(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_expire(d, KITH_STR("k"), hour));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_STR("an item of more than eight bytes"));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &left));
    EXPECT_TRUE(left > hour / 2 && left <= hour);
    EXPECT_OK(kith_dict_expire(d, KITH_STR("k"), 2 * hour));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &before));
    EXPECT_TRUE(before > hour && before <= 2 * hour);
    UNTIL(kith_dict_ttl(d, KITH_STR("k"), &left) == KITH_OK && left < before);
    EXPECT_OK(kith_dict_touch(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &now));
    EXPECT_TRUE(now > left); /* it began anew */
    EXPECT_OK(kith_dict_persist(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &left));
    EXPECT_EQ(KITH_FOREVER, left);

    /* Numbers keep theirs; setting anew forgets it. */
    add.init = 10;
    add.ttl_ns = hour;
    EXPECT_OK(kith_dict_add_with(d, KITH_STR("n"), 1, &add, &now));
    EXPECT_EQ(11, now);
    EXPECT_OK(kith_dict_add(d, KITH_STR("n"), 1, &now));
    EXPECT_OK(kith_dict_add_float(d, KITH_STR("n"), 0.5, NULL));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("n"), &left));
    EXPECT_TRUE(left > 0 && left <= hour);
    EXPECT_OK(kith_dict_set(d, KITH_STR("n"), KITH_INT(1)));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("n"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
    EXPECT_RC(KITH_EINVAL, kith_dict_expire(d, KITH_STR("n"), 0));
    EXPECT_RC(KITH_EINVAL, set_for(d, KITH_STR("n"), KITH_INT(1), -5));
    EXPECT_RC(KITH_ENOENT, kith_dict_expire(d, KITH_STR("absent"), hour));
    EXPECT_RC(KITH_ENOENT, kith_dict_ttl(d, KITH_STR("absent"), &left));
}

TEST(cache_order_of_keys_survives_a_time_to_live)
{
    kith_dict *d = test_dict(t, "cache");
    kith_snapshot *s;
    struct kith_item item;

    for (int i = 0; i < 5; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(i)));
    EXPECT_OK(kith_dict_expire(d, KITH_INT(1), 3600 * TEST_S));
    EXPECT_OK(set_for(d, KITH_INT(3), KITH_STR("an item of more than eight bytes"), TEST_S * 3600));
    EXPECT_OK(kith_dict_snapshot(d, &s));
    for (int i = 0; i < 5; i++)
        EXPECT_OK(kith_snapshot_get(s, KITH_INT(i), &item));
    kith_snapshot_release(s);
    for (int i = 4; i >= 0; i--) {
        struct kith_buf key = KITH_BUF_INIT;

        EXPECT_OK(kith_dict_popitem(d, &key, NULL));
        EXPECT_ITEM(KITH_INT(i), key.item);
        kith_buf_free(&key);
    }
}

TEST(cache_purge_and_insertions_give_the_memory_of_the_expired_back)
{
    kith_dict *d = test_dict(t, "cache");
    uint64_t purged = 0, count = 0;

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("a text that takes a block")));
    EXPECT_OK(set_for(d, KITH_STR("stays"), KITH_INT(1), 3600 * TEST_S));
    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_expire(d, KITH_INT(i), 1));
    UNTIL(kith_dict_has(d, KITH_INT(999)) == KITH_ENOENT);
    EXPECT_OK(kith_dict_purge(d, &purged));
    EXPECT_LEN(d, 1);
    EXPECT_EQ(1000, purged);
    EXPECT_OK(kith_dict_purge(d, &purged));
    EXPECT_EQ(0, purged);
    /* Nobody purges: what comes sweeps. */
    for (int i = 0; i < 500; i++)
        EXPECT_OK(set_for(d, KITH_INT(i), KITH_STR("a text that takes a block"), 1));
    UNTIL(kith_dict_has(d, KITH_INT(499)) == KITH_ENOENT);
    for (int i = 0; i < 2000; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(10000 + i), KITH_INT(i)));
    EXPECT_OK(kith_dict_len(d, &count));
    EXPECT_EQ(2001, count);
}

static void
child_purges(void *arg)
{
    uint64_t purged = 0;

    EXPECT_OK(kith_dict_purge(arg, &purged));
    EXPECT_GE(purged, 1000);
}

/* By a process that has no memory of its own there yet. */
TEST(cache_purge_needs_no_memory)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space;
    kith_dict *d = NULL;
    kith_err err = KITH_OK;
    int count = 0;

    options.size = 8 << 20;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    for (; err == KITH_OK; count += err == KITH_OK)
        err = set_for(d, KITH_INT(count), KITH_STR("a text that takes a block"), 3600 * TEST_S);
    EXPECT_EQ(KITH_ENOMEM, err);
    for (int i = 0; i < count; i++)
        EXPECT_OK(kith_dict_expire(d, KITH_INT(i), 1));
    UNTIL(kith_dict_has(d, KITH_INT(count - 1)) == KITH_ENOENT);
    CHILD_JOIN(test_child(child_purges, d));
    EXPECT_LEN(d, 0);
    EXPECT_WHOLE(space);
    kith_dict_close(d);
}

/* ---- bounds ---- */

TEST(cache_that_refuses_is_full_at_its_bound_and_changes_nothing)
{
    kith_dict *d = bounded(t, 3, 0, KITH_DICT_REFUSE);
    const struct kith_item keys[] = { KITH_INT(1), KITH_INT(7), KITH_INT(8) };
    const struct kith_item items[] = { KITH_INT(1), KITH_INT(7), KITH_INT(8) };
    int64_t now;

    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(i)));
    EXPECT_FAILS(KITH_EFULL, "cache", kith_dict_set(d, KITH_INT(3), KITH_INT(3)));
    EXPECT_RC(KITH_EFULL, kith_dict_add(d, KITH_INT(3), 3, &now));
    EXPECT_RC(KITH_EFULL, kith_dict_set_many(d, keys, items, 3));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_STR("what is there may be replaced")));
    EXPECT_OK(kith_dict_delete(d, KITH_INT(0)));
    EXPECT_OK(kith_dict_set(d, KITH_INT(3), KITH_INT(3)));
    EXPECT_LEN(d, 3);
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_INT(7)));
}

TEST(cache_bound_of_bytes_counts_keys_and_items)
{
    kith_dict *d = bounded(t, 0, 100, KITH_DICT_FIFO);
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    char text[200];

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 4; i++)
        EXPECT_OK(
            kith_dict_set(d, KITH_INT(i),
                          (struct kith_item){ .type = KITH_TYPE_BYTES, .data = text, .size = 17 }));
    EXPECT_OK(kith_dict_info(d, &info));
    EXPECT_EQ(100, info.bytes);
    EXPECT_EQ(100, info.max_bytes);
    EXPECT_RC(KITH_EVICTED, kith_dict_set(d, KITH_INT(9), kith_bytes(text, 40)));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_INT(0)));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_INT(1)));
    EXPECT_OK(kith_dict_has(d, KITH_INT(2)));
    EXPECT_RC(KITH_EFULL, kith_dict_set(d, KITH_INT(10), kith_bytes(text, 93)));
    EXPECT_OK(kith_dict_has(d, KITH_INT(9)));
    EXPECT_RC(KITH_EVICTED, kith_dict_set(d, KITH_INT(9), kith_bytes(text, 92)));
    EXPECT_LEN(d, 1);
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_OK(kith_dict_info(d, &info));
    EXPECT_EQ(0, info.bytes);
}

/* In a space without room for a record of all that would have to go first. */
TEST(cache_refuses_at_once_what_is_larger_than_its_bound)
{
    struct kith_dict_options bounds = KITH_DICT_OPTIONS_INIT;
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space;
    kith_dict *d = NULL;
    char *data = test_bytes(3 << 20, 1);
    kith_err err = KITH_OK;

    options.size = 8 << 20;
    space = test_open(t, t->address, &options);
    bounds.max_bytes = 2 << 20;
    bounds.policy = KITH_DICT_FIFO;
    EXPECT_OK(kith_dict_open(space, "d", &bounds, &d));
    for (int i = 0; err == KITH_OK; i++)
        err = kith_dict_set(d, KITH_INT(i), kith_bytes(data, 100));
    EXPECT_TRUE(err == KITH_EVICTED || err == KITH_ENOMEM);
    EXPECT_RC(KITH_EFULL, kith_dict_set(d, KITH_INT(0), kith_bytes(data, 3 << 20)));
    EXPECT_WHOLE(space);
    free(data);
    kith_dict_close(d);
}

TEST(cache_transaction_evicts_within_its_one_step)
{
    kith_dict *d = bounded(t, 2, 0, KITH_DICT_FIFO);
    kith_txn *txn;

    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_STR("one text of some length")));
    EXPECT_OK(kith_dict_set(d, KITH_INT(2), KITH_INT(2)));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(3), KITH_INT(3)));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(2), KITH_INT(22)));
    EXPECT_RC(KITH_EVICTED, kith_txn_commit(txn));
    EXPECT_LEN(d, 2);
    EXPECT_HOLDS(d, KITH_INT(2), KITH_INT(22));
    EXPECT_HOLDS(d, KITH_INT(3), KITH_INT(3));
}

/* SIEVE as its paper has it, to compare with after every operation. */
#define SIEVE_ROOM 50
#define SIEVE_KEYS 200
struct sieve {
    int key[SIEVE_ROOM]; /* from the oldest to the newest */
    bool visited[SIEVE_ROOM];
    int count, hand;
};

static int
sieve_find(const struct sieve *s, int key)
{
    for (int i = 0; i < s->count; i++)
        if (s->key[i] == key)
            return i;
    return -1;
}

static void
sieve_remove(struct sieve *s, int at)
{
    memmove(&s->key[at], &s->key[at + 1], sizeof(int) * (size_t)(s->count - at - 1));
    memmove(&s->visited[at], &s->visited[at + 1], sizeof(bool) * (size_t)(s->count - at - 1));
    s->count--;
    if (s->hand > at)
        s->hand--;
    if (s->hand >= s->count)
        s->hand = 0;
}

static void
sieve_insert(struct sieve *s, int key)
{
    if (s->count == SIEVE_ROOM) {
        while (s->visited[s->hand]) {
            s->visited[s->hand] = false;
            s->hand = (s->hand + 1) % s->count;
        }
        sieve_remove(s, s->hand);
    }
    s->visited[s->count] = false;
    s->key[s->count++] = key;
}

TEST(cache_sieve_evicts_exactly_what_sieve_does)
{
    kith_dict *d = bounded(t, SIEVE_ROOM, 0, KITH_DICT_SIEVE);
    struct test_random random = test_random_new();
    struct kith_buf out = KITH_BUF_INIT;
    struct sieve model = { .count = 0 };

    for (int n = 0; n < 20000; n++) {
        /* The smaller the likelier, as users ask. */
        int key = (int)(test_random_below(&random, SIEVE_KEYS) *
                        test_random_below(&random, SIEVE_KEYS) / SIEVE_KEYS);
        int at = sieve_find(&model, key);

        if (test_random_below(&random, 20) == 0) {
            EXPECT_RC(at >= 0 ? KITH_OK : KITH_ENOENT, kith_dict_delete(d, KITH_INT(key)));
            if (at >= 0)
                sieve_remove(&model, at);
        } else if (at >= 0) {
            EXPECT_OK(kith_dict_get(d, KITH_INT(key), &out));
            model.visited[at] = true;
        } else {
            EXPECT_RC(KITH_ENOENT, kith_dict_get(d, KITH_INT(key), &out));
            EXPECT_RC(model.count == SIEVE_ROOM ? KITH_EVICTED : KITH_OK,
                      kith_dict_set(d, KITH_INT(key), KITH_INT(n)));
            sieve_insert(&model, key);
        }
        EXPECT_LEN(d, (uint64_t)model.count);
    }
    for (int key = 0; key < SIEVE_KEYS; key++)
        EXPECT_RC(sieve_find(&model, key) >= 0 ? KITH_OK : KITH_ENOENT,
                  kith_dict_has(d, KITH_INT(key)));
    kith_buf_free(&out);
}

TEST(cache_item_set_by_a_transaction_lives_for_ever_also_when_it_is_touched)
{
    kith_dict *d = test_dict(t, "cache");
    kith_txn *txn;
    int64_t left;

    EXPECT_OK(set_for(d, KITH_STR("k"), KITH_INT(1), 3600 * TEST_S));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_set(txn, d, KITH_STR("k"), KITH_INT(2)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
    EXPECT_OK(kith_dict_touch(d, KITH_STR("k")));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("k"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
}

/* ---- computing once ---- */

struct shared_count {
    kith_dict *dict;
    _Atomic int computed;
    _Atomic int got;
    sem_t *began, *go_on;
};

static kith_err
compute_seven(struct kith_item key, struct kith_item *item_out, void *arg)
{
    struct shared_count *s = arg;

    (void)key;
    s->computed++;
    if (s->began != NULL) {
        test_gate_open(s->began);
        GATE_WAIT(s->go_on);
    }
    *item_out = KITH_STR("seven, computed");
    return KITH_OK;
}

static void
child_computes(void *arg)
{
    struct shared_count *s = arg;
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, NULL,
                                       test_ceiling_ns(), &out));
    EXPECT_ITEM(KITH_STR("seven, computed"), out.item);
    s->got++;
    kith_buf_free(&out);
}

TEST(cache_many_ask_and_one_computes)
{
    struct shared_count *s = test_shared(sizeof *s);
    pid_t pids[6];

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    pids[0] = test_child(child_computes, s);
    GATE_WAIT(s->began);
    EXPECT_RC(KITH_ENOENT, kith_dict_has(s->dict, KITH_STR("k"))); /* nobody sees it under way */
    EXPECT_LEN(s->dict, 0);
    for (int i = 1; i < 6; i++) {
        pids[i] = test_child(child_computes, s);
        UNTIL_ASLEEP(pids[i], 0);
    }
    test_gate_open(s->go_on);
    for (int i = 0; i < 6; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_EQ(1, s->computed);
    EXPECT_EQ(6, s->got);
}

TEST(cache_killed_computer_is_followed_by_one_who_waits)
{
    struct shared_count *s = test_shared(sizeof *s);
    pid_t first, second, third;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    first = test_child(child_computes, s);
    GATE_WAIT(s->began);
    second = test_child(child_computes, s);
    UNTIL_ASLEEP(second, 0);
    third = test_child(child_computes, s);
    UNTIL_ASLEEP(third, 0);
    test_child_kill(first);
    GATE_WAIT(s->began); /* one of the two has taken over */
    test_gate_open(s->go_on);
    CHILD_JOIN(second);
    CHILD_JOIN(third);
    EXPECT_EQ(2, s->computed);
    EXPECT_EQ(2, s->got);
}

TEST(cache_killed_waiter_for_a_computation_does_not_get_the_turn)
{
    struct shared_count *s = test_shared(sizeof *s);
    pid_t first, doomed, next;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    first = test_child(child_computes, s);
    GATE_WAIT(s->began);
    doomed = test_child(child_computes, s);
    UNTIL_ASLEEP(doomed, 0);
    next = test_child(child_computes, s);
    UNTIL_ASLEEP(next, 0);
    test_child_stop(doomed); /* so that the turn may be its, and it does not begin */
    test_child_kill(first);
    test_child_kill(doomed);
    GATE_WAIT(s->began);
    test_gate_open(s->go_on);
    CHILD_JOIN(next);
    EXPECT_EQ(2, s->computed);
    EXPECT_EQ(1, s->got);
}

TEST(cache_killed_computer_that_nobody_waits_for_leaves_nothing)
{
    struct shared_count *s = test_shared(sizeof *s);
    struct kith_buf out = KITH_BUF_INIT;
    pid_t first;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    first = test_child(child_computes, s);
    GATE_WAIT(s->began);
    test_child_kill(first);
    EXPECT_WHOLE(test_space(t));
    s->began = NULL;
    EXPECT_OK(kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, NULL, 0, &out));
    EXPECT_ITEM(KITH_STR("seven, computed"), out.item);
    kith_buf_free(&out);
}

static kith_err
compute_and_exit(struct kith_item key, struct kith_item *item_out, void *arg)
{
    struct shared_count *s = arg;

    (void)key;
    (void)item_out;
    test_gate_open(s->began);
    GATE_WAIT(s->go_on);
    exit(0); /* in good order: the process leaves the space */
}

static void
child_exits_while_it_computes(void *arg)
{
    struct shared_count *s = arg;

    kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_and_exit, s, NULL, KITH_FOREVER, NULL);
}

TEST(cache_computer_that_leaves_in_good_order_is_followed_by_those_who_wait)
{
    struct shared_count *s = test_shared(sizeof *s);
    pid_t first, second, third;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    first = test_child(child_exits_while_it_computes, s);
    GATE_WAIT(s->began);
    second = test_child(child_computes, s);
    UNTIL_ASLEEP(second, 0);
    third = test_child(child_computes, s);
    UNTIL_ASLEEP(third, 0);
    test_gate_open(s->go_on);
    CHILD_JOIN(first);
    GATE_WAIT(s->began); /* one of the two has taken over */
    test_gate_open(s->go_on);
    CHILD_JOIN(second);
    CHILD_JOIN(third);
    EXPECT_EQ(1, s->computed);
    EXPECT_EQ(2, s->got);
}

static void
child_computes_in_vain(void *arg)
{
    struct shared_count *s = arg;
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, NULL,
                                       test_ceiling_ns(), &out));
    EXPECT_ITEM(KITH_STR("set by another"), out.item);
    kith_buf_free(&out);
}

TEST(cache_item_set_while_it_is_computed_wins)
{
    struct shared_count *s = test_shared(sizeof *s);
    struct kith_buf out = KITH_BUF_INIT;
    pid_t pid;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    pid = test_child(child_computes_in_vain, s);
    GATE_WAIT(s->began);
    EXPECT_OK(kith_dict_set(s->dict, KITH_STR("k"), KITH_STR("set by another")));
    EXPECT_OK(kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, NULL, 0, &out));
    EXPECT_ITEM(KITH_STR("set by another"), out.item);
    test_gate_open(s->go_on);
    CHILD_JOIN(pid);
    EXPECT_HOLDS(s->dict, KITH_STR("k"), KITH_STR("set by another"));
    EXPECT_EQ(1, s->computed);
    kith_buf_free(&out);
}

static kith_err
compute_fails(struct kith_item key, struct kith_item *item_out, void *arg)
{
    (void)key;
    (void)item_out;
    ++*(int *)arg;
    return KITH_EUNAVAILABLE;
}

static kith_err
compute_again(struct kith_item key, struct kith_item *item_out, void *arg)
{
    kith_dict *d = arg;
    struct kith_buf out = KITH_BUF_INIT;

    EXPECT_FAILS(KITH_EDEADLOCK, "inside",
                 kith_dict_get_or_compute(d, key, compute_again, d, NULL, 0, &out));
    /* Another key may be asked for. */
    if (key.type == KITH_TYPE_INT)
        EXPECT_OK(kith_dict_get_or_compute(d, KITH_STR("inner"), compute_again, d, NULL, 0, &out));
    kith_buf_free(&out);
    *item_out = KITH_INT(3);
    return KITH_OK;
}

TEST(cache_error_of_the_computer_is_returned_and_the_turn_passes)
{
    kith_dict *d = test_dict(t, "cache");
    struct kith_buf out = KITH_BUF_INIT;
    struct shared_count s = { .dict = d };
    int asked = 0;

    for (int i = 0; i < 2; i++)
        EXPECT_RC(KITH_EUNAVAILABLE,
                  kith_dict_get_or_compute(d, KITH_STR("k"), compute_fails, &asked, NULL, 0, &out));
    EXPECT_EQ(2, asked);
    EXPECT_LEN(d, 0);
    EXPECT_OK(kith_dict_get_or_compute(d, KITH_STR("k"), compute_seven, &s, NULL, 0, &out));
    EXPECT_OK(kith_dict_get_or_compute(d, KITH_INT(1), compute_again, d, NULL, 0, &out));
    EXPECT_LEN(d, 3);
    kith_buf_free(&out);
}

TEST(cache_stale_item_is_served_while_another_computes)
{
    struct shared_count *s = test_shared(sizeof *s);
    struct kith_compute_options options = KITH_COMPUTE_OPTIONS_INIT;
    struct kith_buf out = KITH_BUF_INIT;
    pid_t pid;

    s->dict = test_dict(t, "cache");
    s->began = test_gate();
    s->go_on = test_gate();
    EXPECT_OK(set_for(s->dict, KITH_STR("k"), KITH_STR("old"), 1));
    UNTIL(kith_dict_has(s->dict, KITH_STR("k")) == KITH_ENOENT);
    pid = test_child(child_computes, s);
    GATE_WAIT(s->began);
    EXPECT_RC(KITH_ETIMEDOUT, kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s,
                                                       &options, 0, &out));
    options.stale_ns = 3600 * TEST_S;
    EXPECT_OK(kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, &options,
                                       test_ceiling_ns(), &out));
    EXPECT_ITEM(KITH_STR("old"), out.item);
    test_gate_open(s->go_on);
    CHILD_JOIN(pid);
    EXPECT_OK(
        kith_dict_get_or_compute(s->dict, KITH_STR("k"), compute_seven, s, &options, 0, &out));
    EXPECT_ITEM(KITH_STR("seven, computed"), out.item);
    EXPECT_EQ(1, s->computed);
    kith_buf_free(&out);
}

/* ---- updating ---- */

static kith_err
one_more(const struct kith_item *now, struct kith_item *item_out, void *arg)
{
    (void)arg;
    *item_out = KITH_INT(now == NULL ? 1 : now->integer + 1);
    return KITH_OK;
}

static kith_err
away(const struct kith_item *now, struct kith_item *item_out, void *arg)
{
    (void)now;
    (void)item_out;
    return *(kith_err *)arg;
}

static void
child_updates(void *arg)
{
    for (int i = 0; i < 500; i++)
        EXPECT_OK(kith_dict_update(arg, KITH_STR("n"), one_more, NULL));
}

TEST(cache_update_loses_nothing_between_processes)
{
    kith_dict *d = test_dict(t, "cache");
    kith_err no = KITH_EINVAL, gone = KITH_ENOENT;
    pid_t pids[4];
    int64_t left;

    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_updates, d);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(2000));
    EXPECT_OK(kith_dict_expire(d, KITH_STR("n"), 3600 * TEST_S));
    EXPECT_OK(kith_dict_update(d, KITH_STR("n"), one_more, NULL));
    EXPECT_OK(kith_dict_ttl(d, KITH_STR("n"), &left));
    EXPECT_TRUE(left > 0); /* it stayed */
    EXPECT_RC(KITH_EINVAL, kith_dict_update(d, KITH_STR("n"), away, &no));
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(2001));
    EXPECT_OK(kith_dict_update(d, KITH_STR("n"), away, &gone));
    EXPECT_OK(kith_dict_update(d, KITH_STR("n"), away, &gone)); /* absent already */
    EXPECT_LEN(d, 0);
}

/* ---- waiting ---- */

struct waiting {
    kith_dict *dict;
    uint64_t version;
    kith_err want;
    struct kith_item item;
};

static void
child_waits(void *arg)
{
    struct waiting *w = arg;
    struct kith_buf out = KITH_BUF_INIT;
    uint64_t version = 0;

    EXPECT_RC(w->want, kith_dict_wait(w->dict, KITH_STR("k"), w->version, test_ceiling_ns(), &out,
                                      &version));
    if (w->want == KITH_OK) {
        EXPECT_ITEM(w->item, out.item);
        EXPECT_TRUE(version != w->version);
    }
    kith_buf_free(&out);
}

static pid_t
start_waiting(kith_dict *d, uint64_t version, kith_err want, struct kith_item item)
{
    struct waiting *w = test_shared(sizeof *w);
    pid_t pid;

    *w = (struct waiting){ d, version, want, item };
    pid = test_child(child_waits, w);
    UNTIL_ASLEEP(pid, 0);
    return pid;
}

TEST(cache_waiter_for_a_key_is_woken_by_every_kind_of_change)
{
    kith_dict *d = test_dict(t, "cache");
    struct kith_item keys[] = { KITH_STR("k") }, items[] = { KITH_INT(5) };
    uint64_t version = 0;
    kith_txn *txn;
    pid_t pid = start_waiting(d, 0, KITH_OK, KITH_INT(1));

    EXPECT_OK(kith_dict_set(d, KITH_STR("another"), KITH_INT(9))); /* and sleeps again */
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    pid = start_waiting(d, version, KITH_OK, KITH_INT(3));
    EXPECT_OK(kith_dict_add(d, KITH_STR("k"), 2, NULL)); /* one store in place */
    CHILD_JOIN(pid);
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    pid = start_waiting(d, version, KITH_OK, KITH_INT(5));
    EXPECT_OK(kith_dict_set_many(d, keys, items, 1));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    pid = start_waiting(d, version, KITH_OK, KITH_INT(6));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("k"), 1));
    EXPECT_OK(kith_txn_commit(txn));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    pid = start_waiting(d, version, KITH_ENOENT, KITH_INT(0));
    EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_dict_get_version(d, KITH_STR("k"), NULL, &version));
    pid = start_waiting(d, version, KITH_ENOENT, KITH_INT(0));
    EXPECT_OK(kith_dict_clear(d));
    CHILD_JOIN(pid);
    pid = start_waiting(d, 0, KITH_EGONE, KITH_INT(0));
    EXPECT_OK(kith_destroy(test_space(t), "cache"));
    CHILD_JOIN(pid);
}

TEST(cache_waiter_for_a_key_hears_that_it_expired)
{
    kith_dict *d = test_dict(t, "cache");
    struct kith_buf out = KITH_BUF_INIT;
    uint64_t version = 0, now;

    do /* on a busy machine it may be over before it is looked at */
        EXPECT_OK(set_for(d, KITH_STR("k"), KITH_INT(1), 20 * TEST_MS));
    while (kith_dict_get_version(d, KITH_STR("k"), NULL, &version) == KITH_ENOENT);
    EXPECT_RC(KITH_ENOENT,
              kith_dict_wait(d, KITH_STR("k"), version, test_ceiling_ns(), &out, &now));
    EXPECT_RC(KITH_ETIMEDOUT, kith_dict_wait(d, KITH_STR("k"), 0, 0, &out, &now));
    EXPECT_RC(KITH_ETIMEDOUT, kith_dict_wait(d, KITH_STR("k"), 0, TEST_MS, &out, &now));
    EXPECT_RC(KITH_EINVAL, kith_dict_wait(d, KITH_STR("k"), 0, -7, &out, &now));
    kith_buf_free(&out);
}

static void
child_sets_and_dies(void *arg)
{
    EXPECT_OK(kith_dict_set(arg, KITH_STR("k"), KITH_INT(1)));
    kill(getpid(), SIGKILL);
}

TEST(cache_waiter_for_a_key_is_woken_by_one_who_dies_right_after)
{
    kith_dict *d = test_dict(t, "cache");
    pid_t pid = start_waiting(d, 0, KITH_OK, KITH_INT(1));

    CHILD_END(test_child(child_sets_and_dies, d));
    CHILD_JOIN(pid);
}

TEST(cache_killed_waiter_for_a_key_is_forgotten)
{
    kith_dict *d = test_dict(t, "cache");
    pid_t doomed[2], last;

    for (int i = 0; i < 2; i++)
        doomed[i] = start_waiting(d, 0, KITH_OK, KITH_INT(1));
    last = start_waiting(d, 0, KITH_OK, KITH_INT(1));
    test_child_kill(doomed[0]);
    test_child_stop(doomed[1]);
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_INT(1)));
    test_child_kill(doomed[1]);
    CHILD_JOIN(last);
}

/* ---- scanning and snapshots ---- */

static int
count_one(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    (void)item;
    ++*(int *)arg;
    return 0;
}

TEST(cache_scan_finds_keys_by_prefix_up_to_a_limit)
{
    kith_dict *d = test_dict(t, "cache");
    int count = 0;
    char key[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%s:%d", i % 2 ? "odd" : "even", i);
        EXPECT_OK(kith_dict_set(d, kith_str(key), KITH_INT(i)));
    }
    EXPECT_OK(kith_dict_set(d, kith_bytes("odd:bytes", 9), KITH_INT(1)));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    EXPECT_OK(kith_dict_scan(d, KITH_STR("odd:"), 0, count_one, &count));
    EXPECT_EQ(500, count);
    count = 0;
    EXPECT_OK(kith_dict_scan(d, KITH_STR("even:"), 7, count_one, &count));
    EXPECT_EQ(7, count);
    count = 0;
    EXPECT_OK(kith_dict_scan(d, KITH_STR(""), 0, count_one, &count));
    EXPECT_EQ(1000, count);
    EXPECT_RC(KITH_EINVAL, kith_dict_scan(d, KITH_INT(1), 0, count_one, &count));
}

TEST(cache_snapshot_stays_what_it_was)
{
    kith_dict *d = test_dict(t, "cache");
    kith_snapshot *s;
    struct kith_item item;
    int count = 0;

    for (int i = 0; i < 500; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("a text that takes a block")));
    EXPECT_OK(kith_dict_snapshot(d, &s));
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(5), KITH_INT(5)));
    EXPECT_EQ(500, kith_snapshot_len(s));
    EXPECT_OK(kith_snapshot_get(s, kith_float(5.0), &item));
    EXPECT_ITEM(KITH_STR("a text that takes a block"), item);
    EXPECT_RC(KITH_ENOENT, kith_snapshot_get(s, KITH_INT(500), &item));
    EXPECT_OK(kith_snapshot_each(s, count_one, &count));
    EXPECT_EQ(500, count);
    kith_snapshot_release(s);
    kith_snapshot_release(NULL);
}
