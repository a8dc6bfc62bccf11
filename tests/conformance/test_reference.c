/*
 * test_reference.c - what kith/reference.h promises.
 */
#include <stdio.h>
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

/* A new unnamed dict, kept by the handle that this gives. */
static kith_dict *
make_dict(struct test *t, char *name)
{
    kith_dict *dict = NULL;

    EXPECT_OK(kith_name_make(name));
    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &dict));
    return dict;
}

/* A new unnamed dict that nothing keeps but that key of `from`. */
static void
make_in(struct test *t, kith_dict *from, struct kith_item key, char *name)
{
    kith_dict *dict = make_dict(t, name);

    EXPECT_OK(kith_dict_set(from, key, kith_reference(name)));
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

struct wanted {
    const char *name;
    struct kith_info info;
};

static int
take_info(const struct kith_info *info, void *arg)
{
    struct wanted *wanted = arg;

    if (strcmp(info->name, wanted->name) != 0)
        return 0;
    wanted->info = *info;
    return 1;
}

/* How many items lead to an object, as the listing has it; -1: there is none. */
static int64_t
references_to(struct test *t, const char *name)
{
    struct wanted wanted = { .name = name };

    EXPECT_OK(kith_list(test_space(t), take_info, &wanted));
    return wanted.info.name == NULL ? -1 : (int64_t)wanted.info.references;
}

static uint64_t
unreached(struct test *t)
{
    struct kith_report report;

    EXPECT_OK(kith_check(test_space(t), &report));
    return report.unreached;
}

static uint64_t
objects(struct test *t)
{
    struct kith_report report;

    EXPECT_OK(kith_check(test_space(t), &report));
    return report.objects;
}

/* How many objects a collection ended. */
static uint64_t
collect(struct test *t)
{
    struct kith_report before, report, after;

    EXPECT_OK(kith_check(test_space(t), &before));
    EXPECT_OK(kith_gc(test_space(t), &report));
    EXPECT_OK(kith_check(test_space(t), &after));
    EXPECT_EQ(before.unreached, before.objects - after.objects);
    EXPECT_EQ(before.unreached, report.removed);
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

TEST(open_handles_keep_an_object)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *made = make_dict(t, name), *other = NULL;

    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &other));
    EXPECT_EQ(0, collect(t));
    kith_dict_close(made);
    EXPECT_OK(kith_dict_set(other, KITH_STR("k"), KITH_INT(1)));
    EXPECT_EQ(0, collect(t));
    kith_dict_close(other);
    EXPECT_EQ(0, objects(t)); /* at once, by nobody's collection */
    EXPECT_FAILS(KITH_ENOENT, "There is no dict", there(t, name));
}

TEST(what_is_led_to_goes_with_the_last_reference)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *dict = test_dict(t, "top"), *made;
    struct kith_list *list = list_named(t, "list");

    made = make_dict(t, name);
    EXPECT_EQ(0, references_to(t, name));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_list_append(list, kith_reference(name)));
    kith_dict_close(made);
    EXPECT_EQ(2, references_to(t, name));
    EXPECT_OK(kith_dict_delete(dict, KITH_STR("k")));
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_OK(kith_list_clear(list));
    EXPECT_EQ(-1, references_to(t, name));
    EXPECT_EQ(0, unreached(t));
}

TEST(what_is_stored_over_leads_nowhere_any_more)
{
    char one[KITH_MADE_NAME_SIZE], two[KITH_MADE_NAME_SIZE];
    kith_dict *dict = test_dict(t, "top");

    make_in(t, dict, KITH_STR("k"), one);
    make_in(t, dict, KITH_STR("k"), two);
    EXPECT_EQ(-1, references_to(t, one));
    EXPECT_EQ(1, references_to(t, two));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), kith_reference(two))); /* by itself */
    EXPECT_EQ(1, references_to(t, two));
    EXPECT_OK(kith_dict_add(dict, KITH_STR("n"), 1, NULL));
    EXPECT_RC(KITH_ETYPE, kith_dict_add(dict, KITH_STR("k"), 1, NULL));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), KITH_INT(1)));
    EXPECT_EQ(-1, references_to(t, two));
}

TEST(what_is_not_stored_is_not_counted)
{
    struct kith_dict_options bounded = KITH_DICT_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *dict = test_dict(t, "top"), *made = make_dict(t, name), *small = NULL;
    struct kith_list *list = list_named(t, "list");

    EXPECT_RC(KITH_ENOENT, kith_dict_replace(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), KITH_INT(1)));
    EXPECT_RC(KITH_EEXIST, kith_dict_insert(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_RC(KITH_ECONFLICT,
              kith_dict_cas(dict, KITH_STR("k"), KITH_INT(2), kith_reference(name)));
    EXPECT_OK(kith_dict_setdefault(dict, KITH_STR("k"), kith_reference(name), NULL));
    EXPECT_RC(KITH_ERANGE, kith_list_set(list, 3, kith_reference(name)));
    bounded.max_bytes = 8;
    EXPECT_OK(kith_dict_open(test_space(t), "small", &bounded, &small));
    EXPECT_RC(KITH_EFULL, kith_dict_set(small, KITH_STR("k"), kith_reference(name)));
    kith_dict_close(small);
    EXPECT_EQ(0, references_to(t, name));
    kith_dict_close(made);
    EXPECT_EQ(-1, references_to(t, name));
}

TEST(a_reference_to_nothing_is_refused)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *dict = test_dict(t, "top");
    struct kith_list *list = list_named(t, "list");
    kith_queue *queue = test_queue(t, "q", NULL);
    kith_txn *txn = NULL;

    EXPECT_OK(kith_name_make(name));
    EXPECT_FAILS(KITH_ENOENT, "lead nowhere",
                 kith_dict_set(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_FAILS(KITH_ENOENT, name, kith_dict_set(dict, KITH_STR("k"), kith_reference(name)));
    EXPECT_FAILS(KITH_ENOENT, "\"other\"",
                 kith_dict_set(dict, KITH_STR("k"), kith_reference("other")));
    EXPECT_FAILS(KITH_ENOENT, "lead nowhere", kith_list_append(list, kith_reference(name)));
    EXPECT_FAILS(KITH_ENOENT, "lead nowhere", kith_queue_put(queue, kith_reference(name), 0));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_set(txn, dict, KITH_STR("one"), KITH_INT(1)));
    EXPECT_OK(kith_txn_dict_set(txn, dict, KITH_STR("two"), kith_reference(name)));
    EXPECT_FAILS(KITH_ENOENT, "lead nowhere", kith_txn_commit(txn));
    EXPECT_LEN(dict, 0);
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), kith_reference("q"))); /* a name of its own */
    EXPECT_OK(kith_destroy(test_space(t), "q"));
    EXPECT_EQ(0, unreached(t));
}

TEST(a_list_in_its_tree_and_at_its_ends_keeps_what_is_in_it)
{
    char name[KITH_MADE_NAME_SIZE];
    struct kith_list *list = list_named(t, "list");
    static const int64_t places[] = { 0, 500, 999 };

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_list_append(list, KITH_INT(i)));
    for (size_t i = 0; i < COUNTOF(places); i++) {
        kith_dict *made = make_dict(t, name);

        EXPECT_OK(kith_list_set(list, places[i], kith_reference(name)));
        kith_dict_close(made);
        EXPECT_EQ(1, references_to(t, name));
        EXPECT_OK(kith_list_set(list, places[i], kith_none()));
        EXPECT_EQ(-1, references_to(t, name));
    }
}

TEST(a_list_counts_through_all_that_is_done_to_it)
{
    char name[KITH_MADE_NAME_SIZE];
    struct kith_list *list = list_named(t, "list");
    kith_dict *made = make_dict(t, name);
    struct kith_item items[100];

    for (size_t i = 0; i < COUNTOF(items); i++)
        items[i] = i % 2 == 0 ? kith_reference(name) : KITH_INT((int64_t)i);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_list_extend(list, items, COUNTOF(items)));
    EXPECT_EQ(150, references_to(t, name));
    EXPECT_OK(kith_list_reverse(list));
    EXPECT_OK(kith_list_pop(list, -1, NULL)); /* a reference, at the end now */
    EXPECT_EQ(149, references_to(t, name));
    EXPECT_OK(kith_list_delete_slice(list, 0, 10, 1));
    EXPECT_EQ(144, references_to(t, name));
    EXPECT_OK(kith_list_delete_slice(list, 1, 200, 2)); /* every reference of these */
    EXPECT_EQ(44, references_to(t, name));
    EXPECT_OK(kith_list_set_slice(list, 0, 2, 1, items, 3));
    EXPECT_EQ(46, references_to(t, name));
    EXPECT_OK(kith_list_remove(list, KITH_INT(1)));
    EXPECT_EQ(46, references_to(t, name));
    kith_dict_close(made);
    EXPECT_EQ(46, references_to(t, name));
    EXPECT_OK(kith_destroy(test_space(t), "list"));
    EXPECT_EQ(-1, references_to(t, name));
}

TEST(a_whole_chain_goes_at_once)
{
    enum { LINKS = 50000 };
    char name[KITH_MADE_NAME_SIZE], next[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top"), *at;

    make_in(t, top, KITH_STR("k"), name);
    for (int i = 0; i < LINKS; i++) {
        struct kith_list *list = NULL;

        EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &at));
        EXPECT_OK(kith_name_make(next));
        EXPECT_OK(kith_list_open(test_space(t), next, NULL, &list));
        EXPECT_OK(kith_dict_set(at, KITH_STR("list"), kith_reference(next)));
        kith_dict_close(at);
        at = make_dict(t, name);
        EXPECT_OK(kith_list_append(list, kith_reference(name)));
        kith_list_close(list);
        kith_dict_close(at);
    }
    EXPECT_EQ(2 + 2 * LINKS, objects(t));
    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_none()));
    EXPECT_EQ(1, objects(t));
}

TEST(a_circle_is_kept_from_outside_alone)
{
    char one[KITH_MADE_NAME_SIZE], two[KITH_MADE_NAME_SIZE], self[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top");

    make_in(t, top, KITH_STR("one"), one);
    make_in(t, top, KITH_STR("two"), two);
    make_in(t, top, KITH_STR("self"), self);
    put_into(t, one, two);
    put_into(t, two, one);
    put_into(t, self, self);
    EXPECT_OK(kith_dict_delete(top, KITH_STR("self")));
    EXPECT_OK(kith_dict_delete(top, KITH_STR("one")));
    EXPECT_EQ(1, unreached(t));
    EXPECT_EQ(1, collect(t)); /* the one that has itself */
    EXPECT_OK(there(t, one));
    EXPECT_OK(kith_dict_delete(top, KITH_STR("two")));
    EXPECT_EQ(2, unreached(t));
    EXPECT_EQ(2, collect(t));
}

TEST(a_circle_through_a_queue_is_found)
{
    char list_name[KITH_MADE_NAME_SIZE], queue_name[KITH_MADE_NAME_SIZE];
    struct kith_list *list = NULL;
    kith_queue *queue = NULL;

    EXPECT_OK(kith_name_make(list_name));
    EXPECT_OK(kith_name_make(queue_name));
    EXPECT_OK(kith_list_open(test_space(t), list_name, NULL, &list));
    EXPECT_OK(kith_queue_open(test_space(t), queue_name, NULL, &queue));
    EXPECT_OK(kith_list_append(list, kith_reference(queue_name)));
    EXPECT_OK(kith_queue_put(queue, kith_reference(list_name), 0));
    kith_list_close(list);
    EXPECT_EQ(0, collect(t)); /* the queue's handle is open */
    kith_queue_close(queue);
    EXPECT_EQ(2, collect(t));
    EXPECT_EQ(0, objects(t));
}

/* Takes nothing but what the test below has put. */
static void
expect_next(kith_queue *queue, const char *name)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char got[KITH_MADE_NAME_SIZE];

    EXPECT_OK(kith_queue_get(queue, 0, &buf));
    EXPECT_STR(name, got_name(&buf, got));
    kith_buf_free(&buf);
}

TEST(an_item_of_a_queue_keeps_its_object)
{
    struct kith_put_options later = KITH_PUT_OPTIONS_INIT, first = KITH_PUT_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE], got[KITH_MADE_NAME_SIZE];
    kith_dict *made = make_dict(t, name);
    struct kith_item batch[2] = { kith_reference(name), KITH_INT(1) };
    kith_queue *queue = test_queue(t, "q", NULL);
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    later.delay_ns = 3600 * TEST_S;
    first.priority = 1;
    EXPECT_OK(kith_queue_put(queue, kith_reference(name), 0));
    EXPECT_OK(kith_queue_put_many(queue, batch, 2, 0, NULL));
    EXPECT_OK(kith_queue_put_with(queue, kith_reference(name), &later, 0));
    EXPECT_OK(kith_queue_put_with(queue, kith_reference(name), &first, 0));
    kith_dict_close(made);
    EXPECT_EQ(4, references_to(t, name));
    expect_next(queue, name); /* the one with a priority */
    EXPECT_EQ(3, references_to(t, name));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_STR(name, got_name(&buf, got));
    EXPECT_EQ(3, references_to(t, name));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_EQ(3, references_to(t, name));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_EQ(2, references_to(t, name));
    expect_next(queue, name);
    EXPECT_EQ(1, references_to(t, name)); /* the delayed one */
    EXPECT_OK(kith_destroy(test_space(t), "q"));
    EXPECT_EQ(-1, references_to(t, name));
    kith_buf_free(&buf);
}

TEST(a_dead_letter_keeps_its_object)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *made = make_dict(t, name);
    kith_queue *letters = test_queue(t, "letters", NULL), *queue;
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    options.dead_letter = "letters";
    options.attempts_max = 1;
    queue = test_queue(t, "q", &options);
    EXPECT_OK(kith_queue_put(queue, kith_reference(name), 0));
    kith_dict_close(made);
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_EQ(1, references_to(t, name));
    expect_next(letters, name);
    EXPECT_EQ(-1, references_to(t, name));
    kith_buf_free(&buf);
}

TEST(a_condition_keeps_its_lock)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE], own[KITH_MADE_NAME_SIZE];
    kith_condition *condition = NULL, *second = NULL;
    kith_lock *lock = NULL;

    EXPECT_OK(kith_name_make(name));
    EXPECT_OK(kith_lock_open(test_space(t), name, NULL, &lock));
    options.lock = name;
    EXPECT_OK(kith_condition_open(test_space(t), "changed", &options, &condition));
    EXPECT_OK(kith_name_make(own));
    EXPECT_OK(kith_condition_open(test_space(t), own, &options, &second));
    EXPECT_EQ(2, references_to(t, name));
    kith_lock_close(lock);
    EXPECT_EQ(2, references_to(t, name));
    EXPECT_EQ(0, unreached(t));
    EXPECT_OK(kith_gc(test_space(t), NULL));
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
    kith_condition_close(second); /* which ends it */
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_OK(kith_destroy(test_space(t), "changed"));
    EXPECT_EQ(-1, references_to(t, name));
    EXPECT_EQ(0, objects(t));
    kith_condition_close(condition);
}

TEST(a_queue_keeps_its_dead_letters)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE];
    struct kith_buf buf = KITH_BUF_INIT;
    kith_queue *queue = NULL, *letters = NULL;
    kith_lease *lease = NULL;

    EXPECT_OK(kith_name_make(name));
    options.dead_letter = name;
    options.attempts_max = 1;
    EXPECT_OK(kith_queue_open(test_space(t), "q", &options, &queue)); /* makes both */
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_EQ(0, unreached(t));
    EXPECT_OK(kith_queue_put(queue, KITH_INT(7), 0));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_OK(kith_queue_open(test_space(t), name, NULL, &letters));
    EXPECT_GIVES(letters, KITH_INT(7));
    kith_queue_close(letters);
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_OK(kith_destroy(test_space(t), "q"));
    EXPECT_EQ(-1, references_to(t, name));
    EXPECT_EQ(0, objects(t));
    kith_queue_close(queue);
    kith_buf_free(&buf);
}

TEST(a_transaction_moves_a_reference)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *one = test_dict(t, "one"), *two = test_dict(t, "two");
    kith_queue *queue = test_queue(t, "q", NULL);
    kith_txn *txn = NULL;

    make_in(t, one, KITH_STR("k"), name);
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_delete(txn, one, KITH_STR("k")));
    EXPECT_OK(kith_txn_dict_set(txn, two, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_set(txn, one, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_txn_dict_set(txn, one, KITH_STR("k"), kith_reference(name))); /* again */
    EXPECT_OK(kith_txn_queue_put(txn, queue, kith_reference(name)));
    EXPECT_OK(kith_txn_commit(txn));
    EXPECT_EQ(3, references_to(t, name));
    EXPECT_OK(kith_txn_begin(test_space(t), &txn));
    EXPECT_OK(kith_txn_dict_set(txn, one, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_txn_if_absent(txn, two, KITH_STR("k")));
    EXPECT_RC(KITH_ECONFLICT, kith_txn_commit(txn));
    EXPECT_EQ(3, references_to(t, name));
    expect_next(queue, name);
    EXPECT_OK(kith_dict_clear(one));
    EXPECT_EQ(1, references_to(t, name));
    EXPECT_OK(kith_destroy(test_space(t), "two"));
    EXPECT_EQ(-1, references_to(t, name));
}

TEST(what_expires_or_is_evicted_is_counted_off)
{
    struct kith_dict_set_options soon = KITH_DICT_SET_OPTIONS_INIT;
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    char one[KITH_MADE_NAME_SIZE], two[KITH_MADE_NAME_SIZE];
    kith_dict *cache = NULL, *dict = test_dict(t, "top"), *made;
    uint64_t purged = 0;

    options.max_items = 1;
    options.policy = KITH_DICT_FIFO;
    EXPECT_OK(kith_dict_open(test_space(t), "cache", &options, &cache));
    make_in(t, cache, KITH_STR("one"), one);
    made = make_dict(t, two);
    EXPECT_TRUE(kith_dict_set(cache, KITH_STR("two"), kith_reference(two)) >= 0);
    kith_dict_close(made);
    EXPECT_EQ(-1, references_to(t, one));
    EXPECT_EQ(1, references_to(t, two));
    made = make_dict(t, one);
    soon.ttl_ns = 1;
    EXPECT_OK(kith_dict_set_with(dict, KITH_STR("k"), kith_reference(one), &soon));
    kith_dict_close(made);
    while (kith_dict_has(dict, KITH_STR("k")) == 1)
        ;
    EXPECT_OK(kith_dict_purge(dict, &purged));
    EXPECT_EQ(-1, references_to(t, one));
    kith_dict_close(cache);
}

/* Opens an unnamed object of a kind, stores a reference to it, and closes the handle. */
#define KEPT_IN_TOP(object, call, close)                                                           \
    EXPECT_OK(kith_name_make(name));                                                               \
    EXPECT_OK(call);                                                                               \
    EXPECT_OK(kith_dict_set(top, KITH_STR(#object), kith_reference(name)));                        \
    close(object)

TEST(every_kind_goes_when_nothing_leads_to_it)
{
    struct kith_barrier_options two = KITH_BARRIER_OPTIONS_INIT;
    struct kith_limiter_options rate = KITH_LIMITER_OPTIONS_INIT;
    struct kith_segment_options page = KITH_SEGMENT_OPTIONS_INIT;
    struct kith_array_options ten = KITH_ARRAY_OPTIONS_INIT;
    kith_dict *top = test_dict(t, "top"), *dict = NULL;
    kith_space *space = test_space(t);
    char name[KITH_MADE_NAME_SIZE];
    kith_semaphore *semaphore = NULL;
    kith_condition *condition = NULL;
    kith_namespace *namespace = NULL;
    kith_segment *segment = NULL;
    kith_limiter *limiter = NULL;
    kith_barrier *barrier = NULL;
    kith_rwlock *rwlock = NULL;
    struct kith_list *list = NULL;
    kith_queue *queue = NULL;
    kith_array *array = NULL;
    kith_value *value = NULL;
    kith_event *event = NULL;
    kith_once *once = NULL;
    kith_lock *lock = NULL;
    kith_set *set = NULL;

    two.parties = 2;
    rate.rate = 1;
    ten.count = 10;
    page.size = 4096;
    KEPT_IN_TOP(dict, kith_dict_open(space, name, NULL, &dict), kith_dict_close);
    KEPT_IN_TOP(set, kith_set_open(space, name, NULL, &set), kith_set_close);
    KEPT_IN_TOP(list, kith_list_open(space, name, NULL, &list), kith_list_close);
    KEPT_IN_TOP(namespace, kith_namespace_open(space, name, NULL, &namespace),
                kith_namespace_close);
    KEPT_IN_TOP(queue, kith_queue_open(space, name, NULL, &queue), kith_queue_close);
    KEPT_IN_TOP(lock, kith_lock_open(space, name, NULL, &lock), kith_lock_close);
    KEPT_IN_TOP(rwlock, kith_rwlock_open(space, name, NULL, &rwlock), kith_rwlock_close);
    KEPT_IN_TOP(semaphore, kith_semaphore_open(space, name, NULL, &semaphore),
                kith_semaphore_close);
    KEPT_IN_TOP(condition, kith_condition_open(space, name, NULL, &condition),
                kith_condition_close);
    KEPT_IN_TOP(event, kith_event_open(space, name, NULL, &event), kith_event_close);
    KEPT_IN_TOP(barrier, kith_barrier_open(space, name, &two, &barrier), kith_barrier_close);
    KEPT_IN_TOP(once, kith_once_open(space, name, NULL, &once), kith_once_close);
    KEPT_IN_TOP(limiter, kith_limiter_open(space, name, &rate, &limiter), kith_limiter_close);
    KEPT_IN_TOP(value, kith_value_open(space, name, NULL, &value), kith_value_close);
    KEPT_IN_TOP(array, kith_array_open(space, name, &ten, &array), kith_array_close);
    KEPT_IN_TOP(segment, kith_segment_open(space, name, &page, &segment), kith_segment_close);
    EXPECT_EQ(17, objects(t));
    EXPECT_EQ(0, unreached(t));
    EXPECT_OK(kith_dict_clear(top));
    EXPECT_EQ(1, objects(t));
}

TEST(a_destroyed_object_leaves_references_that_lead_nowhere)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top"), *made = make_dict(t, name), *other = NULL;

    EXPECT_OK(kith_dict_set(top, KITH_STR("k"), kith_reference(name)));
    EXPECT_OK(kith_destroy(test_space(t), name));
    EXPECT_RC(KITH_EGONE, kith_dict_set(made, KITH_STR("k"), KITH_INT(1)));
    kith_dict_close(made);
    EXPECT_FAILS(KITH_ENOENT, "There is no dict", there(t, name));
    EXPECT_EQ(0, unreached(t));
    EXPECT_HOLDS(top, KITH_STR("k"), kith_reference(name));
    /* Made again, under the same name, it is another object: what was there leads to none. */
    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &other));
    EXPECT_EQ(0, references_to(t, name));
    EXPECT_OK(kith_dict_delete(top, KITH_STR("k")));
    EXPECT_OK(there(t, name));
    kith_dict_close(other);
    EXPECT_EQ(1, objects(t));
}

TEST(a_name_of_its_own_keeps_an_object)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "top");

    make_in(t, top, KITH_STR("k"), name);
    EXPECT_OK(kith_rename(test_space(t), name, "own"));
    EXPECT_OK(kith_dict_delete(top, KITH_STR("k")));
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, "own"));
}

TEST(a_load_counts_what_comes_before_its_object)
{
    char names[3][KITH_MADE_NAME_SIZE], alone[KITH_MADE_NAME_SIZE];
    kith_dict *top = test_dict(t, "a top"), *made[3], *kept;
    kith_queue *queue = test_queue(t, "q", NULL);
    kith_space *other = NULL;
    struct kith_report report;
    FILE *file = tmpfile();

    for (size_t i = 0; i < COUNTOF(made); i++)
        made[i] = make_dict(t, names[i]);
    EXPECT_OK(kith_dict_set(top, KITH_STR("0"), kith_reference(names[0])));
    put_into(t, names[0], names[1]);
    put_into(t, names[1], names[0]);
    EXPECT_OK(kith_queue_put(queue, kith_reference(names[2]), 0));
    for (size_t i = 0; i < COUNTOF(made); i++)
        kith_dict_close(made[i]);
    kept = make_dict(t, alone);
    EXPECT_OK(kith_dump_fd(test_space(t), NULL, fileno(file), NULL));
    kith_dict_close(kept);
    rewind(file);
    EXPECT_OK(kith_open("mem://", NULL, &other));
    EXPECT_OK(kith_load_fd(other, NULL, fileno(file), NULL));
    EXPECT_OK(kith_check(other, &report));
    EXPECT_EQ(5, report.objects); /* what only a handle kept is not there */
    EXPECT_EQ(0, report.unreached);
    EXPECT_OK(kith_destroy(other, "q"));
    EXPECT_OK(kith_destroy(other, "a top"));
    EXPECT_OK(kith_check(other, &report));
    EXPECT_EQ(2, report.objects);
    EXPECT_EQ(2, report.unreached);
    EXPECT_OK(kith_gc(other, &report));
    EXPECT_EQ(0, report.objects);
    kith_close(other);
    fclose(file);
}

struct making {
    struct test *t;
    char name[KITH_MADE_NAME_SIZE];
    sem_t *made, *never;
    kith_dict *dict, *other;
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
    struct making making = { .t = t, .made = test_gate(), .never = test_gate() };
    pid_t child;

    (void)test_space(t);
    EXPECT_OK(kith_name_make(making.name));
    child = test_child(make_and_wait, &making);
    GATE_WAIT(making.made);
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, making.name));
    test_child_kill(child);
    EXPECT_EQ(0, objects(t)); /* a check cleans up after the dead */
}

static void
close_and_look(void *arg)
{
    struct making *making = arg;

    kith_dict_close(making->dict);
    EXPECT_OK(there(making->t, making->name));
}

TEST(the_child_of_a_fork_lets_nothing_go_of_its_parents)
{
    struct making making = { .t = t };

    making.dict = make_dict(t, making.name);
    CHILD_JOIN(test_child(close_and_look, &making));
    EXPECT_OK(kith_dict_set(making.dict, KITH_STR("k"), KITH_INT(1)));
    EXPECT_EQ(0, collect(t));
    kith_dict_close(making.dict);
    EXPECT_EQ(0, objects(t));
}

/* Waits until its parent has closed the handle, and then uses its own copy of it. */
static void
use_what_the_parent_closed(void *arg)
{
    struct making *making = arg;

    GATE_WAIT(making->made);
    EXPECT_OK(kith_dict_set(making->dict, KITH_STR("k"), KITH_INT(1)));
    EXPECT_EQ(0, collect(making->t));
    EXPECT_HOLDS(making->dict, KITH_STR("k"), KITH_INT(1));
    kith_dict_close(making->dict);
    EXPECT_EQ(1, objects(making->t)); /* only "other" is left */
}

TEST(the_child_of_a_fork_keeps_what_its_copies_of_handles_do)
{
    struct making making = { .t = t, .made = test_gate() };
    char other[KITH_MADE_NAME_SIZE];
    kith_dict *kept = make_dict(t, other);
    pid_t child;

    making.dict = make_dict(t, making.name);
    child = test_child(use_what_the_parent_closed, &making);
    kith_dict_close(making.dict);
    test_gate_open(making.made);
    CHILD_JOIN(child);
    kith_dict_close(kept);
    EXPECT_EQ(0, objects(t));
}

/* The child lets its copy go, of two; the grandchild has copies of what is left, and of its own. */
static void
hand_on(void *arg)
{
    struct making *making = arg;
    struct making own = *making;
    pid_t child;

    GATE_WAIT(making->made);
    kith_dict_close(making->other);
    own.other = make_dict(making->t, own.name);
    own.made = making->never;
    child = test_child(use_what_the_parent_closed, &own);
    kith_dict_close(own.other);
    kith_dict_close(own.dict);
    test_gate_open(own.made);
    CHILD_JOIN(child);
}

TEST(a_grandchild_keeps_what_its_copies_of_handles_do)
{
    struct making making = { .t = t, .made = test_gate(), .never = test_gate() };
    char other[KITH_MADE_NAME_SIZE];
    pid_t child;

    making.dict = make_dict(t, making.name);
    making.other = make_dict(t, other);
    child = test_child(hand_on, &making);
    kith_dict_close(making.dict);
    kith_dict_close(making.other);
    test_gate_open(making.made);
    CHILD_JOIN(child);
    EXPECT_EQ(0, objects(t));
}

static void
only_end(void *unused)
{
    (void)unused;
    exit(0);
}

TEST(the_child_of_a_fork_that_does_nothing_keeps_nothing_after_its_end)
{
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *made = make_dict(t, name);

    CHILD_JOIN(test_child(only_end, NULL));
    kith_dict_close(made);
    EXPECT_EQ(0, objects(t));
}

static void
wait_for_ever(void *arg)
{
    GATE_WAIT(((struct making *)arg)->never);
}

TEST(the_child_of_a_fork_that_is_killed_keeps_nothing)
{
    struct making making = { .t = t, .never = test_gate() };
    pid_t child;

    making.dict = make_dict(t, making.name);
    child = test_child(wait_for_ever, &making);
    kith_dict_close(making.dict);
    EXPECT_EQ(0, collect(t));
    EXPECT_OK(there(t, making.name));
    test_child_kill(child);
    EXPECT_EQ(0, objects(t));
}

static void
close_the_space_first(void *arg)
{
    struct making *making = arg;
    kith_space *space = test_open(making->t, making->t->address, NULL);
    kith_dict *dict = NULL;

    EXPECT_OK(kith_dict_open(space, making->name, NULL, &dict));
    for (int i = 0; i < 1000; i++) /* its end takes a long record */
        EXPECT_OK(kith_dict_set(dict, kith_int(i), KITH_STR("an item with a block of its own")));
    kith_close(space);
    test_gate_open(making->made);
    GATE_WAIT(making->never);
    kith_dict_close(dict);
}

TEST_ON(TEST_NAMED, closing_a_space_lets_all_go_that_its_handles_kept)
{
    struct making making = { .t = t, .made = test_gate(), .never = test_gate() };
    pid_t child;

    EXPECT_OK(kith_name_make(making.name));
    child = test_child(close_the_space_first, &making);
    GATE_WAIT(making.made);
    EXPECT_EQ(0, objects(t));
    test_gate_open(making.never);
    CHILD_JOIN(child);
    EXPECT_EQ(0, objects(t));
}
