/*
 * test_reference.c - what kith/reference.h promises.
 */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static void
close_list(void *handle)
{
    kith_list_close(handle);
}

static struct kith_list *
list_named(struct test *t, const char *name)
{
    struct kith_list *list = NULL;

    EXPECT_OK(kith_list_open(test_space(t), name, NULL, &list));
    test_keep(t, list, close_list);
    return list;
}

/* A dict that nothing keeps but what leads to it. */
static void
dict_let_go(struct test *t, char *name)
{
    kith_dict *dict = NULL;

    EXPECT_OK(kith_name_make(name));
    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &dict));
    kith_dict_close(dict);
}

static kith_err
there(struct test *t, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    kith_dict *dict = NULL;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_dict_open(test_space(t), name, &options, &dict);
    kith_dict_close(dict);
    return err;
}

static void
put_into(struct test *t, const char *name, const char *target)
{
    kith_dict *dict = NULL;

    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &dict));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("to"), kith_reference(target)));
    kith_dict_close(dict);
}

static uint64_t
unreached(struct test *t)
{
    struct kith_report report;

    EXPECT_OK(kith_check(test_space(t), &report));
    return report.unreached;
}

/* How many objects a collection ended. */
static uint64_t
collect(struct test *t)
{
    struct kith_report before, after;

    EXPECT_OK(kith_check(test_space(t), &before));
    EXPECT_OK(kith_gc(test_space(t), NULL));
    EXPECT_OK(kith_check(test_space(t), &after));
    EXPECT_EQ(before.unreached, before.objects - after.objects);
    return before.objects - after.objects;
}

TEST(a_reference_is_an_item)
{
    struct kith_item item = kith_reference("tasks");

    EXPECT_ITEM(test_reference("tasks"), item);
    EXPECT_FAILS(KITH_EINVAL, "not the name",
                 kith_dict_set(test_dict(t, "d"), KITH_STR("k"), kith_reference(NULL)));
    EXPECT_FAILS(KITH_EINVAL, "not the name",
                 kith_dict_set(test_dict(t, "d"), KITH_STR("k"), kith_reference("a/b")));
}

TEST(made_names_are_all_different)
{
    char one[KITH_MADE_NAME_SIZE], two[KITH_MADE_NAME_SIZE];

    EXPECT_OK(kith_name_make(one));
    EXPECT_OK(kith_name_make(two));
    EXPECT_EQ(KITH_MADE_NAME_SIZE - 1, strlen(one));
    EXPECT_EQ('#', one[0]);
    EXPECT_EQ(32, strspn(one + 1, "0123456789abcdef"));
    EXPECT_TRUE(strcmp(one, two) != 0);
    EXPECT_FAILS(KITH_EINVAL, "NULL", kith_name_make(NULL));
}

static const char *
got_name(struct kith_buf *buf, char name[KITH_MADE_NAME_SIZE])
{
    EXPECT_EQ(KITH_TYPE_REFERENCE, buf->item.type);
    EXPECT_EQ(KITH_MADE_NAME_SIZE - 1, buf->item.size);
    memcpy(name, buf->item.data, buf->item.size);
    name[buf->item.size] = '\0';
    return name;
}

struct nest {
    struct test *t;
    sem_t *changed, *seen;
};

/* Goes from the dict with a name to the list in it, to the dict in that, and changes it. */
static void
follow(void *arg)
{
    struct nest *nest = arg;
    struct test *t = nest->t;
    struct kith_buf buf = KITH_BUF_INIT;
    char name[KITH_MADE_NAME_SIZE];
    struct kith_list *list;
    kith_dict *dict;

    EXPECT_OK(kith_dict_get(test_dict(t, "top"), KITH_STR("list"), &buf));
    EXPECT_OK(kith_list_open(test_space(t), got_name(&buf, name), NULL, &list));
    EXPECT_OK(kith_list_get(list, -1, &buf));
    EXPECT_OK(kith_dict_open(test_space(t), got_name(&buf, name), NULL, &dict));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("by"), KITH_STR("child")));
    test_gate_open(nest->changed);
    GATE_WAIT(nest->seen);
    EXPECT_HOLDS(dict, KITH_STR("by"), KITH_STR("parent"));
    kith_buf_free(&buf);
    kith_dict_close(dict);
    kith_list_close(list);
}

TEST(a_dict_in_a_list_in_a_dict_is_live_for_all)
{
    char list_name[KITH_MADE_NAME_SIZE], dict_name[KITH_MADE_NAME_SIZE];
    struct nest nest = { t, test_gate(), test_gate() };
    struct kith_list *list;
    kith_dict *inner;
    pid_t child;

    EXPECT_OK(kith_name_make(list_name));
    EXPECT_OK(kith_name_make(dict_name));
    list = list_named(t, list_name);
    inner = test_dict(t, dict_name);
    EXPECT_OK(kith_list_append(list, kith_reference(dict_name)));
    EXPECT_OK(kith_dict_set(test_dict(t, "top"), KITH_STR("list"), kith_reference(list_name)));
    child = test_child(follow, &nest);
    GATE_WAIT(nest.changed);
    EXPECT_HOLDS(inner, KITH_STR("by"), KITH_STR("child"));
    EXPECT_OK(kith_dict_set(inner, KITH_STR("by"), KITH_STR("parent")));
    test_gate_open(nest.seen);
    CHILD_JOIN(child);
}

TEST(the_handle_that_made_an_object_keeps_it)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *made = NULL, *other = NULL;

    EXPECT_OK(kith_name_make(name));
    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &made));
    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &other));
    EXPECT_EQ(0, collect(t));
    kith_dict_close(other); /* it made nothing, and lets nothing go */
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, name));
    kith_dict_close(made);
    EXPECT_EQ(1, unreached(t));
    EXPECT_EQ(1, collect(t));
    EXPECT_FAILS(KITH_ENOENT, "There is no dict", there(t, name));
}

TEST(what_is_led_to_stays_until_the_last_reference_goes)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *dict = test_dict(t, "top");
    struct kith_list *list = list_named(t, "list");

    dict_let_go(t, name);
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_list_append(list, kith_reference(name)));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_dict_delete(dict, KITH_STR("k")));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_list_clear(list));
    EXPECT_EQ(1, collect(t));
    EXPECT_RC(KITH_ENOENT, there(t, name));
}

TEST(a_list_in_its_tree_and_at_its_ends_keeps_what_is_in_it)
{
    char name[KITH_MADE_NAME_SIZE];
    struct kith_list *list = list_named(t, "list");
    static const int64_t places[] = { 0, 500, 999 };

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_list_append(list, KITH_INT(i)));
    for (size_t i = 0; i < COUNTOF(places); i++) {
        dict_let_go(t, name);
        EXPECT_OK(kith_list_set(list, places[i], kith_reference(name)));
        EXPECT_EQ(0, collect(t));
        EXPECT_OK(kith_list_set(list, places[i], kith_none()));
        EXPECT_EQ(1, collect(t));
    }
}

TEST(a_whole_chain_goes_at_once)
{
    char name[8][KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top");

    for (size_t i = 0; i < COUNTOF(name); i++)
        dict_let_go(t, name[i]);
    for (size_t i = 0; i + 1 < COUNTOF(name); i++)
        put_into(t, name[i], name[i + 1]);
    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_reference(name[0])));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_none()));
    EXPECT_EQ(COUNTOF(name), collect(t));
}

TEST(a_circle_is_kept_from_outside_alone)
{
    char one[KITH_MADE_NAME_SIZE], two[KITH_MADE_NAME_SIZE], self[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top");

    dict_let_go(t, one);
    dict_let_go(t, two);
    dict_let_go(t, self);
    put_into(t, one, two);
    put_into(t, two, one);
    put_into(t, self, self);
    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_reference(two)));
    EXPECT_EQ(1, unreached(t));
    EXPECT_EQ(1, collect(t)); /* the one that has itself */
    EXPECT_OK(there(t, one));
    EXPECT_OK(kith_dict_delete(top, KITH_STR("k")));
    EXPECT_EQ(2, unreached(t));
    EXPECT_EQ(2, collect(t));
}

TEST(an_item_of_a_queue_keeps_its_object)
{
    struct kith_put_options later = KITH_PUT_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE], delayed[KITH_MADE_NAME_SIZE], got[KITH_MADE_NAME_SIZE];
    kith_queue *queue = test_queue(t, "q", NULL);
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    later.delay_ns = 3600 * TEST_S;
    dict_let_go(t, name);
    dict_let_go(t, delayed);
    EXPECT_OK(kith_queue_put(queue, kith_reference(name), 0));
    EXPECT_OK(kith_queue_put_with(queue, kith_reference(delayed), &later, 0));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_STR(name, got_name(&buf, got));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_EQ(1, collect(t));
    EXPECT_OK(there(t, delayed));
    EXPECT_RC(KITH_ENOENT, there(t, name));
    kith_buf_free(&buf);
}

TEST(a_transaction_moves_a_reference)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *one = test_dict(t, "one"), *two = test_dict(t, "two");
    kith_txn *txn = NULL;

    dict_let_go(t, name);
    EXPECT_OK(kith_dict_set(one, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_delete(txn, one, KITH_STR("k")));
    EXPECT_OK(kith_txn_dict_set(txn, two, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(kith_destroy(test_space(t), "two"));
    EXPECT_EQ(1, collect(t));
}

TEST(a_destroyed_object_leaves_references_that_lead_nowhere)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top");

    dict_let_go(t, name);
    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_destroy(test_space(t), name));
    EXPECT_FAILS(KITH_ENOENT, "There is no dict", there(t, name));
    EXPECT_EQ(0, unreached(t));
    EXPECT_HOLDS(top, KITH_STR("k"), kith_reference(name));
}

TEST(a_name_of_its_own_keeps_an_object)
{
    char name[KITH_MADE_NAME_SIZE];

    dict_let_go(t, name);
    EXPECT_OK(kith_rename(test_space(t), name, "own"));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, "own"));
}

struct making {
    struct test *t;
    char name[KITH_MADE_NAME_SIZE];
    sem_t *made, *never;
};

static void
make_and_wait(void *arg)
{
    struct making *making = arg;
    kith_dict *dict = NULL;

    EXPECT_OK(kith_dict_open(test_space(making->t), making->name, NULL, &dict));
    test_gate_open(making->made);
    GATE_WAIT(making->never);
}

TEST(the_dead_keep_nothing)
{
    struct making making = { t, "", test_gate(), test_gate() };
    pid_t child;

    (void)test_space(t);
    EXPECT_OK(kith_name_make(making.name));
    child = test_child(make_and_wait, &making);
    GATE_WAIT(making.made);
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, making.name));
    test_child_kill(child);
    EXPECT_EQ(1, collect(t));
}
