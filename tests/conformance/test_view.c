/*
 * test_view.c - what kith/view.h promises: an item that stays readable and unchanged.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Sizes on both sides of the border between copied and pinned ones, and far beyond it. */
static const size_t sizes[] = { 0, 1, 100, 32768, 32769, 65536, 1000000, 5 << 20 };

static kith_view *
view_of(kith_dict *d, struct kith_item key)
{
    kith_view *view = NULL;

    EXPECT_OK(kith_dict_view(d, key, &view));
    return view;
}

TEST(view_shows_an_item_of_any_type)
{
    kith_dict *d = test_dict(t, "d");
    const struct kith_item items[] = { kith_none(),        kith_bool(true),
                                       KITH_INT(-5),       kith_float(1.5),
                                       KITH_STR(""),       KITH_STR("a\0b"),
                                       PACKED("\x91\x01"), test_foreign("xyz", 3, "t/t") };

    for (size_t i = 0; i < COUNTOF(items); i++) {
        kith_view *view;

        EXPECT_OK(kith_dict_set(d, KITH_INT(1), items[i]));
        view = view_of(d, KITH_INT(1));
        EXPECT_ITEM(items[i], kith_view_item(view));
        EXPECT_EQ(items[i].size, kith_view_size(view));
        if (items[i].type <= KITH_TYPE_FLOAT)
            EXPECT_TRUE(kith_view_data(view) == NULL);
        else if (items[i].size > 0)
            EXPECT_TRUE(memcmp(kith_view_data(view), items[i].data, items[i].size) == 0);
        EXPECT_TRUE(kith_view_readonly(view));
        kith_view_release(view);
    }
    EXPECT_EQ(KITH_TYPE_NONE, kith_view_item(NULL).type);
    EXPECT_TRUE(kith_view_data(NULL) == NULL);
    EXPECT_EQ(0, kith_view_size(NULL));
    kith_view_release(NULL);
}

TEST(view_survives_set_delete_clear_and_destroy)
{
    kith_dict *d = test_dict(t, "d");

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        for (int way = 0; way < 4; way++) {
            void *data = test_bytes(sizes[i], i);
            void *other = test_bytes(sizes[i], i + 100);
            kith_view *view;

            EXPECT_OK(kith_dict_set(d, KITH_STR("k"), kith_bytes(data, sizes[i])));
            view = view_of(d, KITH_STR("k"));
            if (way == 0)
                EXPECT_OK(kith_dict_set(d, KITH_STR("k"), kith_bytes(other, sizes[i])));
            else if (way == 1)
                EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
            else if (way == 2)
                EXPECT_OK(kith_dict_clear(d));
            else
                EXPECT_OK(kith_destroy(test_space(t), "d"));
            if (way == 3)
                d = test_dict(t, "d");
            /* Others want the memory. */
            for (int j = 0; j < 4; j++)
                EXPECT_OK(kith_dict_set(d, KITH_INT(j), kith_bytes(other, sizes[i])));
            EXPECT_ITEM(kith_bytes(data, sizes[i]), kith_view_item(view));
            kith_view_release(view);
            free(data);
            free(other);
        }
    }
}

TEST(view_memory_is_given_back_after_the_last_release)
{
    kith_dict *d = test_dict(t, "d");
    struct kith_stat stat = KITH_STAT_INIT;
    size_t size = 8 << 20;
    void *data = test_bytes(size, 1);
    uint64_t used = 0;

    for (int round = 0; round < 10; round++) {
        kith_view *first, *second;

        EXPECT_OK(kith_dict_set(d, KITH_STR("k"), kith_bytes(data, size)));
        first = view_of(d, KITH_STR("k"));
        second = view_of(d, KITH_STR("k"));
        EXPECT_OK(kith_dict_delete(d, KITH_STR("k")));
        kith_view_release(first);
        EXPECT_OK(kith_dict_set(d, KITH_STR("other"), kith_bytes(data, size)));
        EXPECT_ITEM(kith_bytes(data, size), kith_view_item(second));
        kith_view_release(second);
        EXPECT_OK(kith_dict_clear(d));
        EXPECT_OK(kith_stat(test_space(t), &stat));
        if (round == 2)
            used = stat.bytes_used;
        if (round > 2)
            EXPECT_GE(used + size, stat.bytes_used);
    }
    free(data);
}

TEST(view_of_a_queue_item_shows_what_was_taken)
{
    kith_queue *q = test_queue(t, "q", NULL);

    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        void *data = test_bytes(sizes[i], i);
        void *other = test_bytes(sizes[i], i + 100);
        kith_view *view = NULL;

        EXPECT_OK(kith_queue_put(q, kith_bytes(data, sizes[i]), 0));
        EXPECT_OK(kith_queue_get_view(q, 0, &view));
        EXPECT_RC(KITH_EEMPTY, kith_queue_get(q, 0, NULL));
        for (int j = 0; j < 4; j++)
            EXPECT_OK(kith_queue_put(q, kith_bytes(other, sizes[i]), 0));
        EXPECT_ITEM(kith_bytes(data, sizes[i]), kith_view_item(view));
        EXPECT_TRUE(kith_view_readonly(view));
        for (int j = 0; j < 4; j++)
            EXPECT_GIVES(q, kith_bytes(other, sizes[i]));
        EXPECT_ITEM(kith_bytes(data, sizes[i]), kith_view_item(view));
        kith_view_release(view);
        free(data);
        free(other);
    }
}

TEST(view_many_at_once)
{
    enum { COUNT = 300 };
    kith_dict *d = test_dict(t, "d");
    kith_view *views[COUNT];
    size_t size = 40000;
    void *data = test_bytes(size, 1);

    for (int i = 0; i < COUNT; i++) {
        memcpy(data, &i, sizeof(i));
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), kith_bytes(data, size)));
        views[i] = view_of(d, KITH_INT(i));
    }
    EXPECT_OK(kith_dict_clear(d));
    for (int i = 0; i < COUNT; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(-i), kith_bytes(data, size)));
    for (int i = 0; i < COUNT; i++) {
        memcpy(data, &i, sizeof(i));
        EXPECT_ITEM(kith_bytes(data, size), kith_view_item(views[i]));
        kith_view_release(views[i]);
    }
    free(data);
}

struct big {
    kith_dict *dict;
    kith_view *view;
    void *data;
    size_t size;
    sem_t *ready;
    sem_t *go;
};

static struct big
big_new(struct test *t)
{
    struct big b = { .dict = test_dict(t, "d"), .size = 2 << 20 };

    b.data = test_bytes(b.size, 7);
    b.ready = test_gate();
    b.go = test_gate();
    EXPECT_OK(kith_dict_set(b.dict, KITH_STR("k"), kith_bytes(b.data, b.size)));
    return b;
}

/* Deletes what b views, and fills what it may have left. */
static void
take_the_memory(struct big *b)
{
    void *other = test_bytes(b->size, 8);

    EXPECT_OK(kith_dict_clear(b->dict));
    for (int i = 0; i < 4; i++)
        EXPECT_OK(kith_dict_set(b->dict, KITH_INT(i), kith_bytes(other, b->size)));
    EXPECT_OK(kith_dict_clear(b->dict));
    free(other);
}

static void *
thread_takes_a_view(void *arg)
{
    struct big *b = arg;

    b->view = view_of(b->dict, KITH_STR("k"));
    return NULL;
}

TEST(view_outlives_the_thread_that_took_it)
{
    struct big b = big_new(t);

    test_thread_join(test_thread(thread_takes_a_view, &b));
    take_the_memory(&b);
    EXPECT_ITEM(kith_bytes(b.data, b.size), kith_view_item(b.view));
    kith_view_release(b.view);
    free(b.data);
}

static void
child_looks_at_the_view(void *arg)
{
    struct big *b = arg;

    test_gate_open(b->ready);
    GATE_WAIT(b->go);
    EXPECT_ITEM(kith_bytes(b->data, b->size), kith_view_item(b->view));
    kith_view_release(b->view);
}

TEST(view_is_had_by_parent_and_child_and_each_releases_its_own)
{
    struct big b = big_new(t);
    struct big other;
    pid_t first, second;

    b.view = view_of(b.dict, KITH_STR("k"));
    first = test_child(child_looks_at_the_view, &b);
    other = b;
    other.go = test_gate();
    second = test_child(child_looks_at_the_view, &other);
    GATE_WAIT(b.ready);
    GATE_WAIT(b.ready);
    /* The parent's goes first; the children's pins hold the memory. */
    EXPECT_ITEM(kith_bytes(b.data, b.size), kith_view_item(b.view));
    kith_view_release(b.view);
    take_the_memory(&b);
    test_gate_open(b.go);
    CHILD_JOIN(first);
    take_the_memory(&b);
    test_gate_open(other.go);
    CHILD_JOIN(second);
    free(b.data);
}

TEST(view_of_the_parent_is_not_touched_when_its_child_is_killed)
{
    struct big b = big_new(t);
    pid_t pid;

    b.view = view_of(b.dict, KITH_STR("k"));
    pid = test_child(child_looks_at_the_view, &b);
    GATE_WAIT(b.ready);
    test_child_kill(pid);
    take_the_memory(&b);
    EXPECT_ITEM(kith_bytes(b.data, b.size), kith_view_item(b.view));
    kith_view_release(b.view);
    free(b.data);
}

static void
child_takes_a_view_and_waits(void *arg)
{
    struct big *b = arg;

    (void)view_of(b->dict, KITH_STR("k"));
    test_gate_open(b->ready);
    GATE_WAIT(b->go);
}

TEST(view_of_a_killed_process_is_unpinned)
{
    struct big b = big_new(t);
    struct kith_stat stat = KITH_STAT_INIT;
    uint64_t used = 0;

    for (int round = 0; round < 12; round++) {
        pid_t pid;

        EXPECT_OK(kith_dict_set(b.dict, KITH_STR("k"), kith_bytes(b.data, b.size)));
        pid = test_child(child_takes_a_view_and_waits, &b);
        GATE_WAIT(b.ready);
        test_child_kill(pid);
        EXPECT_OK(kith_dict_delete(b.dict, KITH_STR("k")));
        EXPECT_OK(kith_gc(test_space(t), NULL));
        EXPECT_OK(kith_stat(test_space(t), &stat));
        if (round == 2)
            used = stat.bytes_used;
        if (round > 2)
            EXPECT_GE(used + 2 * b.size, stat.bytes_used);
    }
    free(b.data);
}
