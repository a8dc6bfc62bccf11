/*
 * test_dict.c - many processes on one dict: no addition is lost, whoever is killed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "stress.h"

static kith_dict *dict;
static kith_space *space;

struct adder {
    int times;
};

static void
add_many_times(void *arg)
{
    struct adder *a = arg;
    char key[32];

    for (int i = 0; i < a->times; i++) {
        (void)snprintf(key, sizeof(key), "shared %d", i % 10);
        EXPECT_OK(kith_dict_add(dict, KITH_STR("one"), 1, NULL));
        EXPECT_OK(kith_dict_add(dict, kith_str(key), 2, NULL));
        EXPECT_OK(kith_dict_add_float(dict, KITH_STR("real"), 0.5, NULL));
    }
}

TEST_LONG(900, dict_counts_every_addition_of_eight_processes)
{
    struct adder a = { .times = (int)stretched(20000) };
    pid_t pids[8];
    char key[32];

    dict = test_dict(t, "d");
    for (int i = 0; i < 8; i++)
        pids[i] = test_child(add_many_times, &a);
    for (int i = 0; i < 8; i++)
        CHILD_JOIN_LONG(pids[i], test_is_long() ? 600 : 60);
    EXPECT_HOLDS(dict, KITH_STR("one"), KITH_INT(8 * a.times));
    EXPECT_HOLDS(dict, KITH_STR("real"), kith_float(4.0 * a.times));
    for (int i = 0; i < 10; i++) {
        (void)snprintf(key, sizeof(key), "shared %d", i);
        EXPECT_HOLDS(dict, kith_str(key), KITH_INT(2 * 8 * a.times / 10));
    }
}

/* Adds to a key of all and to one of its own, in that order, so that a kill shows which were done.
 */
static void
add_step(struct worker *w)
{
    EXPECT_OK(kith_dict_add(dict, KITH_INT(w->number), 1, NULL));
    EXPECT_OK(kith_dict_add(dict, KITH_STR("all"), 1, NULL));
}

static int64_t
int_at(struct kith_item key)
{
    struct kith_buf item = KITH_BUF_INIT;
    int64_t n;

    EXPECT_OK(kith_dict_get(dict, key, &item));
    EXPECT_EQ(KITH_TYPE_INT, item.item.type);
    n = item.item.integer;
    kith_buf_free(&item);
    return n;
}

TEST_LONG(900, dict_loses_no_addition_to_kills)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, add_step);
    int64_t all;
    int64_t own = 0;
    int64_t sure = 0;

    dict = test_dict(t, "d");
    crew_start(crew);
    crew_kill(crew, 4, stretched(300), 3000, &random);
    crew_stop(crew);
    all = int_at(KITH_STR("all"));
    for (int i = 0; i < 4; i++) {
        int64_t mine = int_at(KITH_INT(i));
        int64_t steps = (int64_t)crew->workers[i].steps_all;

        own += mine;
        sure += steps;
        /* A step that was not counted may have been done, once for each kill. */
        EXPECT_GE(mine, steps);
        EXPECT_GE(steps + (int64_t)crew->kills, mine);
    }
    EXPECT_GE(all, sure);
    EXPECT_GE(own, all);
    EXPECT_GE(all + (int64_t)crew->kills, own);
}

/* Everything that changes the shape of a dict: growing, emptying, long and short items. */
static void
shape_step(struct worker *w)
{
    static struct test_random random;
    char data[600];
    struct kith_buf out = KITH_BUF_INIT;
    uint64_t draw;
    kith_err err;

    if (random.state == 0)
        random.state = (uint64_t)getpid();
    draw = test_random_next(&random);
    memset(data, (int)(draw & 0x7f), sizeof(data));
    for (int i = 0; i < 20; i++) {
        struct kith_item key = KITH_INT((int64_t)test_random_below(&random, 4000));

        switch (test_random_below(&random, 8)) {
        case 0:
        case 1:
        case 2:
            EXPECT_OK(kith_dict_set(dict, key,
                                    kith_bytes(data, test_random_below(&random, sizeof(data)))));
            break;
        case 3:
            err = kith_dict_delete(dict, key);
            EXPECT_TRUE(err == KITH_OK || err == KITH_ENOENT);
            break;
        case 4:
            err = kith_dict_popitem(dict, NULL, NULL);
            EXPECT_TRUE(err == KITH_OK || err == KITH_EEMPTY);
            break;
        case 5:
            err = kith_dict_swap(dict, key, kith_bytes(data, 5), &out);
            EXPECT_OK(err);
            break;
        default:
            err = kith_dict_get(dict, key, &out);
            EXPECT_TRUE(err == KITH_OK || err == KITH_ENOENT);
            /* Each item is one byte over and over: never parts of two. */
            for (size_t j = 1; err == KITH_OK && j < out.item.size; j++)
                EXPECT_EQ(((const char *)out.item.data)[0], ((const char *)out.item.data)[j]);
            break;
        }
    }
    if (draw % 200 == 0)
        EXPECT_OK(kith_dict_clear(dict));
    kith_buf_free(&out);
    (void)w;
}

static int
count_one(struct kith_item key, struct kith_item item, void *arg)
{
    uint64_t *count = arg;

    EXPECT_EQ(KITH_TYPE_INT, key.type);
    EXPECT_EQ(KITH_TYPE_BYTES, item.type);
    (*count)++;
    return 0;
}

TEST_LONG(900, dict_stays_whole_while_its_changers_are_killed)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, shape_step);
    uint64_t seen = 0;
    uint64_t len = 0;

    dict = test_dict(t, "d");
    space = test_space(t);
    crew_start(crew);
    for (uint64_t i = 1; i <= 10; i++) {
        crew_kill(crew, 4, stretched(30) * i, 100, &random);
        /* While the others go on. */
        EXPECT_WHOLE(space);
    }
    crew_stop(crew);
    EXPECT_OK(kith_dict_len(dict, &len));
    EXPECT_OK(kith_dict_each(dict, count_one, &seen));
    EXPECT_EQ(len, seen);
    EXPECT_OK(kith_dict_clear(dict));
}

/* Items larger than what is kept in a block, pinned by readers while they are replaced. */
static void
big_step(struct worker *w)
{
    static char *data;
    enum { SIZE = 200000 };
    struct kith_item key = KITH_INT(w->number % 2);
    kith_view *view = NULL;

    if (data == NULL)
        data = malloc(SIZE);
    EXPECT_TRUE(data != NULL);
    memset(data, (int)(w->steps & 0x7f), SIZE);
    EXPECT_OK(kith_dict_set(dict, key, kith_bytes(data, SIZE - (w->steps & 0xfff))));
    EXPECT_OK(kith_dict_view(dict, KITH_INT(1 - w->number % 2), &view));
    for (size_t at = 0; at < kith_view_size(view); at += 997)
        EXPECT_EQ(((const char *)kith_view_data(view))[0],
                  ((const char *)kith_view_data(view))[at]);
    kith_view_release(view);
}

TEST_LONG(900, dict_of_big_items_neither_tears_nor_leaks_them_under_kills)
{
    struct test_random random = test_random_new();
    struct crew *crew = crew_new(4, big_step);
    struct kith_stat stat = KITH_STAT_INIT;

    dict = test_dict(t, "d");
    EXPECT_OK(kith_dict_set(dict, KITH_INT(0), KITH_STR("start")));
    EXPECT_OK(kith_dict_set(dict, KITH_INT(1), KITH_STR("start")));
    crew_start(crew);
    crew_kill(crew, 4, stretched(120), 60, &random);
    crew_stop(crew);
    EXPECT_OK(kith_dict_clear(dict));
    EXPECT_OK(kith_gc(test_space(t), NULL));
    EXPECT_OK(kith_stat(test_space(t), &stat));
    EXPECT_GE(4 << 20, stat.bytes_used);
}
