/*
 * test_dump.c - what kith/dump.h promises.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump_1.h"
#include "dump_bytes.h"
#include "test.h"

static kith_dict *
dict_in(kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    kith_dict *dict;

    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_dict_open(space, name, &options, &dict));
    return dict;
}

static kith_queue *
queue_in(kith_space *space, const char *name)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *queue;

    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_queue_open(space, name, &options, &queue));
    return queue;
}

/* ---- what goes in comes out ---- */

#define ITEM_COUNT 18

static void
all_items(struct kith_item items[ITEM_COUNT])
{
    static char long_text[70000];
    size_t n = 0;

    memset(long_text, 'x', sizeof(long_text));
    items[n++] = kith_none();
    items[n++] = kith_bool(true);
    items[n++] = kith_bool(false);
    items[n++] = KITH_INT(0);
    items[n++] = KITH_INT(INT64_MIN);
    items[n++] = KITH_INT(INT64_MAX);
    items[n++] = kith_float(-0.0);
    items[n++] = kith_float(1e300);
    items[n++] = kith_float(INFINITY);
    items[n++] = KITH_STR("");
    items[n++] = KITH_STR("gr\xc3\xb6\xc3\x9f"
                          "er\0with a NUL");
    items[n++] = kith_bytes(NULL, 0);
    items[n++] = kith_bytes(long_text, sizeof(long_text));
    items[n++] = BIGINT("\x01\x02\x03\x04\x05\x06\x07\x08\x09");
    items[n++] = PACKED("\x93\x01\xa1x\xc0");
    items[n++] = PACKED("\xc7\x03\x01\x92\x01\x02");
    items[n++] = test_foreign("\x80\x04N.", 4, "python/pickle");
    items[n++] = test_foreign("", 0, "t");
    EXPECT_EQ(ITEM_COUNT, n);
}

TEST(dump_keeps_every_type_of_item)
{
    struct kith_item items[ITEM_COUNT];
    kith_dict *dict = test_dict(t, "all");
    kith_queue *queue = test_queue(t, "line", NULL);
    kith_space *other;
    struct bytes bytes;

    all_items(items);
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        EXPECT_OK(kith_dict_set(dict, KITH_INT((int64_t)i), items[i]));
        EXPECT_OK(kith_queue_put(queue, items[i], 0));
    }
    bytes = dump(test_space(t), NULL);
    other = other_space(t, "other");
    EXPECT_OK(load(other, &bytes, NULL));
    dict = dict_in(other, "all");
    queue = queue_in(other, "line");
    EXPECT_LEN(dict, ITEM_COUNT);
    EXPECT_QUEUE_LEN(queue, ITEM_COUNT);
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        EXPECT_HOLDS(dict, KITH_INT((int64_t)i), items[i]);
        EXPECT_GIVES(queue, items[i]);
    }
    kith_dict_close(dict);
    kith_queue_close(queue);
    EXPECT_WHOLE(other);
    free(bytes.data);
}

static int
expect_next(struct kith_item key, struct kith_item item, void *arg)
{
    int64_t *next = arg;

    EXPECT_ITEM(KITH_INT(*next), item);
    EXPECT_TRUE(key.type == KITH_TYPE_STR || *next % 2 == 1);
    ++*next;
    return 0;
}

TEST(dump_keeps_many_keys_in_their_order)
{
    kith_dict *dict = test_dict(t, "many");
    kith_space *other = other_space(t, "other");
    struct kith_dump_report report;
    struct bytes bytes = { .size = 0 };
    int64_t next = 0;

    for (int64_t i = 0; i < 20000; i++) {
        char key[32];

        snprintf(key, sizeof(key), "key %lld, which is long", (long long)(i * 7919 % 20000));
        EXPECT_OK(kith_dict_set(dict, i % 2 == 0 ? kith_str(key) : KITH_INT(i), KITH_INT(i)));
    }
    EXPECT_OK(kith_dump(test_space(t), NULL, keep, &bytes, &report));
    EXPECT_EQ(1, report.objects);
    EXPECT_EQ(20000, report.items);
    EXPECT_OK(kith_load(other, NULL, give, &bytes, &report));
    EXPECT_EQ(1, report.objects);
    EXPECT_EQ(20000, report.items);
    dict = dict_in(other, "many");
    EXPECT_OK(kith_dict_each(dict, expect_next, &next));
    EXPECT_EQ(20000, next);
    kith_dict_close(dict);
    free(bytes.data);
}

TEST(dump_keeps_keys_as_they_were_given)
{
    kith_dict *dict = test_dict(t, "keys");
    kith_space *other = other_space(t, "other");
    struct kith_item keys[] = { kith_none(),
                                kith_bool(true),
                                kith_float(2.5),
                                KITH_STR("1"),
                                KITH_STR("b\0"),
                                kith_bytes("1", 1),
                                PACKED("\xc7\x03\x01\x92\x01\x02") };
    struct bytes bytes;

    for (size_t i = 0; i < COUNTOF(keys); i++)
        EXPECT_OK(kith_dict_set(dict, keys[i], KITH_INT((int64_t)i)));
    bytes = dump(test_space(t), "keys");
    EXPECT_OK(load(other, &bytes, NULL));
    dict = dict_in(other, "keys");
    for (size_t i = 0; i < COUNTOF(keys); i++)
        EXPECT_HOLDS(dict, keys[i], KITH_INT((int64_t)i));
    EXPECT_HOLDS(dict, KITH_INT(1), KITH_INT(1)); /* 1 and true are one key */
    kith_dict_close(dict);
    free(bytes.data);
}

TEST(dump_puts_leased_items_back_in_their_place_with_their_attempts)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *first, *second, *lease;
    kith_queue *queue;
    struct bytes bytes;

    options.attempts_max = 5;
    queue = test_queue(t, "jobs", &options);
    for (int64_t i = 0; i < 200; i++)
        EXPECT_OK(kith_queue_put(queue, KITH_INT(i), 0));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &first));
    EXPECT_OK(kith_lease_nack(first));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &first)); /* item 0, for the second time */
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &second));
    bytes = dump(test_space(t), "jobs");
    EXPECT_OK(kith_lease_ack(second));
    EXPECT_OK(kith_lease_nack(first));
    EXPECT_OK(load(other, &bytes, NULL));
    queue = queue_in(other, "jobs");
    EXPECT_QUEUE_LEN(queue, 200);
    for (int64_t i = 0; i < 200; i++) {
        EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
        EXPECT_ITEM(KITH_INT(i), buf.item);
        EXPECT_EQ(i == 0 ? 2 : i == 1 ? 1 : 0, kith_lease_attempts(lease));
        EXPECT_OK(kith_lease_ack(lease));
    }
    kith_buf_free(&buf);
    kith_queue_close(queue);
    free(bytes.data);
}

TEST(dump_keeps_the_settings_of_queues)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_space *other = other_space(t, "other");
    struct kith_buf buf = KITH_BUF_INIT;
    kith_queue *queue, *letters;
    kith_lease *lease;
    struct bytes bytes;

    options.capacity = 3;
    options.attempts_max = 1;
    options.dead_letter = "a failed one";
    options.joinable = true;
    options.lending = true;
    queue = test_queue(t, "jobs", &options);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_queue_put(queue, KITH_INT(i), 0));
    EXPECT_OK(kith_queue_shutdown(test_queue(t, "closed", NULL)));
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    queue = queue_in(other, "closed");
    EXPECT_OK(kith_queue_info(queue, &info));
    EXPECT_TRUE(info.closed);
    kith_queue_close(queue);
    queue = queue_in(other, "jobs");
    letters = queue_in(other, "a failed one");
    EXPECT_OK(kith_queue_info(queue, &info));
    EXPECT_EQ(3, info.capacity);
    EXPECT_TRUE(!info.closed);
    EXPECT_RC(KITH_EFULL, kith_queue_put(queue, KITH_INT(3), 0));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_OK(kith_lease_nack(lease));
    EXPECT_GIVES(letters, KITH_INT(0));
    EXPECT_GIVES(queue, KITH_INT(1));
    EXPECT_GIVES(queue, KITH_INT(2));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_join(queue, 0)); /* joinable: two are not reported */
    EXPECT_OK(kith_queue_info(queue, &info));
    EXPECT_EQ(2, info.taken); /* it lends */
    EXPECT_OK(kith_queue_task_done(queue));
    EXPECT_OK(kith_queue_task_done(queue));
    kith_buf_free(&buf);
    kith_queue_close(letters);
    kith_queue_close(queue);
    free(bytes.data);
}

TEST(dump_keeps_events_and_frees_locks)
{
    kith_space *other = other_space(t, "other");
    kith_lock *lock = test_lock(t, "lock");
    kith_event *event;
    struct bytes bytes;
    bool held = true, set;

    EXPECT_OK(kith_event_set(test_event(t, "set")));
    test_event(t, "unset");
    EXPECT_OK(kith_lock_acquire(lock, 0));
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    EXPECT_OK(kith_lock_open(other, "lock", NULL, &lock));
    EXPECT_OK(kith_lock_locked(lock, &held));
    EXPECT_TRUE(!held);
    kith_lock_close(lock);
    EXPECT_OK(kith_event_open(other, "set", NULL, &event));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(set);
    kith_event_close(event);
    EXPECT_OK(kith_event_open(other, "unset", NULL, &event));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(!set);
    kith_event_close(event);
    free(bytes.data);
}

TEST(dump_keeps_the_time_that_is_left_and_the_bounds)
{
    struct kith_dict_options bounded = KITH_DICT_OPTIONS_INIT;
    struct kith_dict_set_options set = KITH_DICT_SET_OPTIONS_INIT;
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_space *space = test_space(t), *other = other_space(t, "other");
    kith_dict *dict = test_dict(t, "d"), *cache;
    struct bytes bytes;
    int64_t left = 0;

    bounded.max_items = 3;
    bounded.policy = KITH_DICT_SIEVE;
    EXPECT_OK(kith_dict_open(space, "cache", &bounded, &cache));
    for (int64_t i = 0; i < 3; i++)
        EXPECT_OK(kith_dict_set(cache, KITH_INT(i), KITH_INT(i)));
    kith_dict_close(cache);
    EXPECT_OK(kith_dict_set(dict, KITH_STR("stays"), KITH_INT(1)));
    set.ttl_ns = 3600 * TEST_S;
    EXPECT_OK(kith_dict_set_with(dict, KITH_STR("goes"), KITH_INT(2), &set));
    set.ttl_ns = 1;
    EXPECT_OK(kith_dict_set_with(dict, KITH_STR("is gone"), KITH_INT(3), &set));
    UNTIL(kith_dict_has(dict, KITH_STR("is gone")) == KITH_ENOENT);
    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    dict = dict_in(other, "d");
    EXPECT_LEN(dict, 2);
    EXPECT_OK(kith_dict_ttl(dict, KITH_STR("stays"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
    EXPECT_OK(kith_dict_ttl(dict, KITH_STR("goes"), &left));
    EXPECT_GE(left, 1);
    EXPECT_GE(3600 * TEST_S, left);
    EXPECT_RC(KITH_ENOENT, kith_dict_has(dict, KITH_STR("is gone")));
    kith_dict_close(dict);
    cache = dict_in(other, "cache");
    EXPECT_OK(kith_dict_info(cache, &info));
    EXPECT_EQ(3, info.max_items);
    EXPECT_EQ(KITH_DICT_SIEVE, info.policy);
    EXPECT_LEN(cache, 3);
    EXPECT_RC(KITH_EVICTED, kith_dict_set(cache, KITH_INT(3), KITH_INT(3)));
    kith_dict_close(cache);
    free(bytes.data);
}

TEST(dump_keeps_values)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    kith_space *space = test_space(t), *other = other_space(t, "other");
    char bytes_out[5] = "";
    kith_value *value;
    struct bytes bytes;
    double real = 0;
    int64_t n = 0;

    EXPECT_OK(kith_value_open(space, "n", NULL, &value));
    EXPECT_OK(kith_value_set_int(value, -7));
    kith_value_close(value);
    options.type = 'd';
    options.transactional = true;
    EXPECT_OK(kith_value_open(space, "real", &options, &value));
    EXPECT_OK(kith_value_set_float(value, 0.5));
    kith_value_close(value);
    options.type = 0;
    options.size = 5;
    options.initial = "abcd";
    EXPECT_OK(kith_value_open(space, "structure", &options, &value));
    kith_value_close(value);
    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    EXPECT_OK(kith_value_open(other, "n", NULL, &value));
    EXPECT_OK(kith_value_get_int(value, &n));
    EXPECT_EQ(-7, n);
    kith_value_close(value);
    EXPECT_OK(kith_value_open(other, "real", NULL, &value));
    EXPECT_OK(kith_value_get_float(value, &real));
    EXPECT_TRUE(real == 0.5);
    EXPECT_OK(kith_value_info(value, &info));
    EXPECT_EQ('d', info.type);
    EXPECT_TRUE(info.transactional);
    kith_value_close(value);
    EXPECT_OK(kith_value_open(other, "structure", NULL, &value));
    EXPECT_OK(kith_value_get(value, bytes_out, 5));
    EXPECT_STR("abcd", bytes_out);
    kith_value_close(value);
    free(bytes.data);
}

TEST_ON(TEST_NAMED, dump_keeps_arrays)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    kith_space *space = test_space(t), *other = other_space(t, "other");
    char rows[8][5000], row[5000];
    kith_array *array;
    struct bytes bytes;
    int64_t n = 0;

    for (size_t i = 0; i < sizeof rows; i++)
        ((char *)rows)[i] = (char)(i % 251);
    options.count = 100000; /* more than one piece of a dump, and more than one record */
    EXPECT_OK(kith_array_open(space, "numbers", &options, &array));
    for (int64_t i = 0; i < 100000; i++)
        EXPECT_OK(kith_array_set_int(array, (uint64_t)i, i * i - 7));
    kith_array_close(array);
    options.count = 8;
    options.size = sizeof row;
    options.initial = rows;
    EXPECT_OK(kith_array_open(space, "rows", &options, &array));
    kith_array_close(array);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    EXPECT_OK(kith_array_open(space, "empty", &options, &array));
    kith_array_close(array);

    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_array_open(other, "numbers", &options, &array));
    EXPECT_OK(kith_array_info(array, &info));
    EXPECT_EQ('q', info.type);
    EXPECT_EQ(100000, info.count);
    for (int64_t i = 0; i < 100000; i++) {
        EXPECT_OK(kith_array_get_int(array, (uint64_t)i, &n));
        EXPECT_EQ(i * i - 7, n);
    }
    kith_array_close(array);
    EXPECT_OK(kith_array_open(other, "rows", &options, &array));
    EXPECT_OK(kith_array_info(array, &info));
    EXPECT_EQ(0, info.type);
    EXPECT_EQ(8, info.count);
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT_OK(kith_array_get(array, i, row, sizeof row));
        EXPECT_TRUE(memcmp(rows[i], row, sizeof row) == 0);
    }
    kith_array_close(array);
    EXPECT_OK(kith_array_open(other, "empty", &options, &array));
    EXPECT_OK(kith_array_info(array, &info));
    EXPECT_EQ(0, info.count);
    kith_array_close(array);
    free(bytes.data);
}

TEST_ON(TEST_NAMED, dump_has_numbers_little_endian)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    static const uint8_t wanted[] = { 4, 0, 0, 0, 0x04, 0x03, 0x02, 0x01 };
    kith_space *space = test_space(t);
    kith_array *array;
    struct bytes bytes;
    bool found = false;

    options.type = 'i';
    options.count = 1;
    EXPECT_OK(kith_array_open(space, "a", &options, &array));
    EXPECT_OK(kith_array_set_int(array, 0, 0x01020304));
    kith_array_close(array);
    bytes = dump(space, "a");
    for (size_t i = 0; i + sizeof wanted <= bytes.size; i++)
        found = found || memcmp(bytes.data + i, wanted, sizeof wanted) == 0;
    EXPECT_TRUE(found);
    free(bytes.data);
}

TEST_ON(TEST_NAMED, dump_keeps_segments)
{
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    kith_space *space = test_space(t), *other = other_space(t, "other");
    enum { SIZE = 100003 };
    uint8_t *pattern = malloc(SIZE);
    kith_segment *segment;
    struct bytes bytes;
    kith_view *view;

    for (size_t i = 0; i < SIZE; i++)
        pattern[i] = (uint8_t)(i % 253);
    options.size = SIZE;
    EXPECT_OK(kith_segment_open(space, "s", &options, &segment));
    EXPECT_OK(kith_segment_view(segment, &view));
    memcpy(kith_view_memory(view), pattern, SIZE);
    kith_view_release(view);
    kith_segment_close(segment);

    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    options.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_segment_open(other, "s", &options, &segment));
    EXPECT_OK(kith_segment_view(segment, &view));
    EXPECT_EQ(SIZE, kith_view_size(view));
    EXPECT_TRUE(memcmp(pattern, kith_view_data(view), SIZE) == 0);
    kith_view_release(view);
    kith_segment_close(segment);
    free(bytes.data);
    free(pattern);
}

TEST(dump_keeps_the_options_of_locks)
{
    struct kith_lock_options recursive = KITH_LOCK_OPTIONS_INIT;
    kith_space *space = test_space(t), *other = other_space(t, "other");
    kith_rwlock *rwlock;
    kith_lock *lock;
    struct bytes bytes;

    recursive.recursive = true;
    EXPECT_OK(kith_lock_open(space, "recursive", &recursive, &lock));
    kith_lock_close(lock);
    EXPECT_OK(kith_rwlock_open(space, "rw", NULL, &rwlock));
    kith_rwlock_close(rwlock);
    test_lock(t, "plain");
    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    EXPECT_OK(kith_lock_open(other, "recursive", NULL, &lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    EXPECT_OK(kith_lock_release(lock));
    kith_lock_close(lock);
    EXPECT_OK(kith_lock_open(other, "plain", NULL, &lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_EDEADLOCK, kith_lock_acquire(lock, 0));
    EXPECT_OK(kith_lock_release(lock));
    kith_lock_close(lock);
    EXPECT_OK(kith_rwlock_open(other, "rw", NULL, &rwlock));
    EXPECT_OK(kith_rwlock_acquire_shared(rwlock, 0));
    EXPECT_OK(kith_rwlock_release(rwlock));
    kith_rwlock_close(rwlock);
    free(bytes.data);
}

static int
sum_items(struct kith_item item, void *arg)
{
    int64_t *sum = arg;

    *sum = (*sum * 3) % 1000003 + (item.type == KITH_TYPE_INT ? item.integer : (int64_t)item.size);
    return 0;
}

TEST(dump_keeps_lists_sets_and_namespaces)
{
    kith_space *space = test_space(t), *other = other_space(t, "other");
    struct kith_buf item = KITH_BUF_INIT;
    int64_t before[2] = { 1, 1 }, after[2] = { 1, 1 };
    kith_namespace *names;
    struct kith_list *list;
    struct bytes bytes;
    kith_set *set;

    EXPECT_OK(kith_list_open(space, "list", NULL, &list));
    EXPECT_OK(kith_set_open(space, "set", NULL, &set));
    EXPECT_OK(kith_namespace_open(space, "names", NULL, &names));
    for (int i = 0; i < 500; i++) {
        EXPECT_OK(kith_list_insert(list, i / 2, KITH_INT(i)));
        EXPECT_OK(kith_set_add(set, KITH_INT(i * 7 % 500)));
    }
    EXPECT_OK(kith_list_append(list, KITH_STR("a text of more than eight bytes")));
    EXPECT_OK(kith_namespace_set(names, "attribute", KITH_INT(7)));
    EXPECT_OK(kith_list_each(list, sum_items, &before[0]));
    EXPECT_OK(kith_set_each(set, sum_items, &before[1]));
    kith_list_close(list);
    kith_set_close(set);
    kith_namespace_close(names);
    bytes = dump(space, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_OK(kith_list_open(other, "list", NULL, &list));
    EXPECT_OK(kith_set_open(other, "set", NULL, &set));
    EXPECT_OK(kith_namespace_open(other, "names", NULL, &names));
    EXPECT_OK(kith_list_each(list, sum_items, &after[0]));
    EXPECT_OK(kith_set_each(set, sum_items, &after[1]));
    EXPECT_EQ(before[0], after[0]);
    EXPECT_EQ(before[1], after[1]);
    EXPECT_OK(kith_namespace_get(names, "attribute", &item));
    EXPECT_ITEM(KITH_INT(7), item.item);
    kith_buf_free(&item);
    kith_list_close(list);
    kith_set_close(set);
    kith_namespace_close(names);
    free(bytes.data);
}

TEST(dump_of_an_empty_space_loads)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = dump(test_space(t), NULL);

    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(0, count_objects(other));
    free(bytes.data);
}

TEST(dump_goes_through_descriptors)
{
    kith_space *other = other_space(t, "other");
    struct kith_dump_report dumped, loaded;
    char path[300];
    kith_dict *dict;
    int fd;

    EXPECT_OK(kith_dict_set(test_dict(t, "d"), KITH_STR("k"), KITH_INT(7)));
    snprintf(path, sizeof(path), "%s/dump", t->folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    EXPECT_TRUE(fd >= 0);
    EXPECT_OK(kith_dump_fd(test_space(t), NULL, fd, &dumped));
    EXPECT_EQ(dumped.bytes, lseek(fd, 0, SEEK_CUR));
    EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
    EXPECT_OK(kith_load_fd(other, NULL, fd, &loaded));
    EXPECT_EQ(dumped.bytes, loaded.bytes);
    dict = dict_in(other, "d");
    EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(7));
    kith_dict_close(dict);
    close(fd);
    EXPECT_FAILS(KITH_ESYSTEM, strerror(EBADF), kith_dump_fd(test_space(t), NULL, fd, NULL));
    EXPECT_FAILS(KITH_ESYSTEM, strerror(EBADF), kith_load_fd(other, NULL, fd, NULL));
}

/* ---- one of them ---- */

TEST(dump_of_one_object_loads_beside_others_and_under_another_name)
{
    struct kith_load_options options = KITH_LOAD_OPTIONS_INIT;
    struct bytes one, all;
    kith_dict *dict;

    EXPECT_OK(kith_dict_set(test_dict(t, "a"), KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_dict_set(test_dict(t, "b"), KITH_STR("k"), KITH_INT(2)));
    one = dump(test_space(t), "a");
    all = dump(test_space(t), NULL);
    EXPECT_FAILS(KITH_EEXIST, "\"a\"", load(test_space(t), &one, NULL));
    options.as = "c";
    EXPECT_OK(load(test_space(t), &one, &options));
    dict = dict_in(test_space(t), "c");
    EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(1));
    kith_dict_close(dict);
    options.only = "b";
    options.as = "d";
    EXPECT_OK(load(test_space(t), &all, &options));
    dict = dict_in(test_space(t), "d");
    EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(2));
    kith_dict_close(dict);
    options.as = NULL;
    EXPECT_FAILS(KITH_EEXIST, "\"b\"", load(test_space(t), &all, &options));
    EXPECT_OK(kith_destroy(test_space(t), "b"));
    EXPECT_OK(load(test_space(t), &all, &options));
    options.only = "nothing";
    EXPECT_FAILS(KITH_ENOENT, "nothing", load(test_space(t), &all, &options));
    options.only = NULL;
    options.as = "x";
    EXPECT_FAILS(KITH_EINVAL, "\"x\"", load(test_space(t), &all, &options));
    options.as = "a/b";
    EXPECT_RC(KITH_EINVAL, load(test_space(t), &one, &options));
    EXPECT_EQ(4, count_objects(test_space(t)));
    free(one.data);
    free(all.data);
}

TEST(dump_refuses_what_is_not_there)
{
    struct bytes bytes = { .size = 0 };

    EXPECT_FAILS(KITH_ENOENT, "nothing", kith_dump(test_space(t), "nothing", keep, &bytes, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dump(test_space(t), "", keep, &bytes, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dump(NULL, NULL, keep, &bytes, NULL));
    EXPECT_RC(KITH_EINVAL, kith_dump(test_space(t), NULL, NULL, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_load(NULL, NULL, give, &bytes, NULL));
    EXPECT_RC(KITH_EINVAL, kith_load(test_space(t), NULL, NULL, NULL, NULL));
    EXPECT_EQ(0, bytes.size);
}

TEST(load_into_a_space_in_use_is_refused)
{
    kith_space *other = other_space(t, "other");
    kith_event *event;
    struct bytes bytes;

    test_dict(t, "d");
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(kith_event_open(other, "something else", NULL, &event));
    kith_event_close(event);
    EXPECT_FAILS(KITH_EEXIST, "something else", load(other, &bytes, NULL));
    EXPECT_EQ(1, count_objects(other));
    EXPECT_OK(kith_destroy(other, "something else"));
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(1, count_objects(other));
    free(bytes.data);
}

/* ---- damage ---- */

static struct bytes
sample(struct test *t)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_dict *dict = test_dict(t, "d");

    options.dead_letter = "letters";
    EXPECT_OK(kith_dict_set(dict, KITH_STR("key"), KITH_STR("some text")));
    EXPECT_OK(kith_dict_set(dict, KITH_INT(1), test_foreign("data", 4, "a/tag")));
    EXPECT_OK(kith_queue_put(test_queue(t, "q", &options), PACKED("\x93\x01\x02\x03"), 0));
    EXPECT_OK(kith_event_set(test_event(t, "e")));
    test_lock(t, "l");
    return dump(test_space(t), NULL);
}

TEST(dump_with_any_byte_altered_is_refused_and_changes_nothing)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t);

    for (size_t i = 0; i < bytes.size; i++)
        for (unsigned bit = 0; bit < 8; bit += 1 + (unsigned)i % 3) {
            bytes.data[i] ^= (uint8_t)(1u << bit);
            EXPECT_RC(KITH_ECORRUPT, load(other, &bytes, NULL));
            bytes.data[i] ^= (uint8_t)(1u << bit);
        }
    EXPECT_EQ(0, count_objects(other));
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(5, count_objects(other));
    free(bytes.data);
}

TEST(dump_cut_at_any_length_or_lengthened_is_refused)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t);
    size_t size = bytes.size;

    for (bytes.size = 0; bytes.size < size; bytes.size++)
        EXPECT_RC(KITH_ECORRUPT, load(other, &bytes, NULL));
    bytes.size = size;
    EXPECT_EQ(0, keep("\0", 1, &bytes));
    EXPECT_RC(KITH_ECORRUPT, load(other, &bytes, NULL));
    EXPECT_EQ(0, count_objects(other));
    bytes.size = size;
    EXPECT_OK(load(other, &bytes, NULL));
    free(bytes.data);
}

TEST(dump_whose_records_change_places_is_refused)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes, swapped;
    size_t at[8], count = 0;

    test_event(t, "a");
    test_event(t, "b");
    bytes = dump(test_space(t), NULL);
    for (size_t i = 32; i < bytes.size; count++) {
        uint64_t size;

        EXPECT_TRUE(count < COUNTOF(at));
        at[count] = i;
        memcpy(&size, bytes.data + i + 8, sizeof(size));
        i += 24 + size;
    }
    EXPECT_EQ(5, count); /* each event and its end, and the end of all */
    swapped = bytes;
    swapped.data = malloc(bytes.size);
    EXPECT_EQ(at[2] - at[0], at[4] - at[2]);
    memcpy(swapped.data, bytes.data, bytes.size);
    memcpy(swapped.data + at[0], bytes.data + at[2], at[2] - at[0]);
    memcpy(swapped.data + at[2], bytes.data + at[0], at[2] - at[0]);
    EXPECT_RC(KITH_ECORRUPT, load(other, &swapped, NULL));
    EXPECT_EQ(0, count_objects(other));
    free(swapped.data);
    free(bytes.data);
}

TEST(dump_writer_and_reader_that_fail_end_it)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t), failing = { .fail_after = 100 };

    EXPECT_FAILS(KITH_ESYSTEM, "writer", kith_dump(test_space(t), NULL, keep, &failing, NULL));
    EXPECT_RC(KITH_ECORRUPT, load(other, &failing, NULL));
    bytes.fail_after = 100;
    EXPECT_FAILS(KITH_ESYSTEM, "reader", load(other, &bytes, NULL));
    EXPECT_EQ(0, count_objects(other));
    free(failing.data);
    free(bytes.data);
}

TEST(load_without_room_leaves_nothing)
{
    struct kith_options small = KITH_OPTIONS_INIT;
    kith_dict *dict = test_dict(t, "d");
    kith_space *other;
    struct bytes bytes;
    char address[600];
    char *data = test_bytes(200000, 1);

    for (int64_t i = 0; i < 60; i++)
        EXPECT_OK(kith_dict_set(dict, KITH_INT(i), kith_bytes(data, 200000)));
    test_event(t, "a");
    bytes = dump(test_space(t), NULL);
    small.size = 4 << 20;
    snprintf(address, sizeof(address), "%s%s", t->engine->bit == TEST_MEM ? "mem://" : t->address,
             t->engine->bit == TEST_MEM ? "" : "-small");
    other = test_open(t, address, &small);
    EXPECT_RC(KITH_ENOMEM, load(other, &bytes, NULL));
    EXPECT_EQ(0, count_objects(other));
    EXPECT_WHOLE(other);
    free(data);
    free(bytes.data);
}

/* ---- other versions ---- */

TEST(dump_of_version_1_is_read)
{
    struct bytes bytes = { .data = (uint8_t *)(uintptr_t)dump_1, .size = sizeof(dump_1) };
    struct kith_buf buf = KITH_BUF_INIT;
    kith_space *space = test_space(t);
    kith_lease *lease;
    kith_queue *queue;
    kith_event *event;
    kith_dict *dict;
    bool set = false;

    EXPECT_OK(load(space, &bytes, NULL));
    EXPECT_EQ(5, count_objects(space));
    dict = dict_in(space, "d");
    EXPECT_LEN(dict, 3);
    EXPECT_HOLDS(dict, KITH_INT(1), KITH_INT(-2));
    EXPECT_HOLDS(dict, KITH_INT(2), kith_float(0.5));
    EXPECT_HOLDS(dict, KITH_INT(3), test_foreign("\x00\xff", 2, "x"));
    kith_dict_close(dict);
    queue = queue_in(space, "q");
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    EXPECT_ITEM(kith_bytes("\x01\x02", 2), buf.item);
    EXPECT_EQ(1, kith_lease_attempts(lease));
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_GIVES(queue, kith_bool(true));
    kith_buf_free(&buf);
    kith_queue_close(queue);
    kith_queue_close(queue_in(space, "l"));
    EXPECT_OK(kith_event_open(space, "e", NULL, &event));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(set);
    kith_event_close(event);
}

TEST(dump_of_a_newer_version_is_refused_as_such)
{
    struct bytes bytes = { .data = (uint8_t *)(uintptr_t)dump_99, .size = sizeof(dump_99) };

    EXPECT_FAILS(KITH_EVERSION, "99", load(test_space(t), &bytes, NULL));
    EXPECT_EQ(0, count_objects(test_space(t)));
}

TEST_ON(TEST_NAMED, dump_of_a_read_only_space_has_all_but_queues)
{
    struct kith_options readonly = KITH_OPTIONS_INIT;
    struct bytes bytes = { .size = 0 };
    kith_space *reader;

    EXPECT_OK(kith_dict_set(test_dict(t, "d"), KITH_STR("k"), KITH_INT(7)));
    readonly.readonly = true;
    reader = test_open(t, t->address, &readonly);
    bytes = dump(reader, NULL);
    EXPECT_OK(kith_destroy(test_space(t), "d"));
    EXPECT_FAILS(KITH_EPERM, "read", load(reader, &bytes, NULL));
    EXPECT_OK(load(test_space(t), &bytes, NULL));
    test_queue(t, "q", NULL);
    EXPECT_RC(KITH_EPERM, kith_dump(reader, "q", keep, &bytes, NULL));
    free(bytes.data);
}

/* Each object is dumped as it was at one instant, however others write to it. */

struct writer {
    kith_dict *dict;
    sem_t *ready;
    atomic_bool *stop;
};

static void
write_pairs(void *arg)
{
    struct writer *w = arg;

    for (int64_t i = 1; !atomic_load(w->stop); i++) {
        struct kith_item keys[2] = { KITH_STR("left"), KITH_STR("right") };
        int64_t ns[2] = { 1, 1 };

        EXPECT_OK(kith_dict_add_many(w->dict, keys, ns, 2));
        if (i == 1)
            test_gate_open(w->ready);
    }
}

TEST(dump_has_each_object_as_it_was_at_one_instant)
{
    struct kith_load_options options = KITH_LOAD_OPTIONS_INIT;
    struct writer *w = test_shared(sizeof(*w));
    kith_dict *dict = test_dict(t, "d");
    pid_t pid;

    w->dict = dict;
    w->ready = test_gate();
    w->stop = test_shared(sizeof(*w->stop));
    pid = test_child(write_pairs, w);
    GATE_WAIT(w->ready);
    options.as = "copy";
    for (int round = 0; round < 50; round++) {
        struct bytes bytes = dump(test_space(t), "d");
        struct kith_buf left = KITH_BUF_INIT;
        kith_dict *copy;

        EXPECT_OK(load(test_space(t), &bytes, &options));
        copy = dict_in(test_space(t), "copy");
        EXPECT_OK(kith_dict_get(copy, KITH_STR("left"), &left));
        EXPECT_HOLDS(copy, KITH_STR("right"), left.item);
        kith_dict_close(copy);
        EXPECT_OK(kith_destroy(test_space(t), "copy"));
        kith_buf_free(&left);
        free(bytes.data);
    }
    atomic_store(w->stop, true);
    CHILD_JOIN(pid);
}

/* ---- a death ---- */

struct loading {
    kith_space *space;
    struct bytes bytes;
    sem_t *ready;
};

static void
load_it(void *arg)
{
    struct loading *l = arg;

    test_gate_open(l->ready);
    (void)load(l->space, &l->bytes, NULL);
}

static int
destroy_one(const struct kith_info *info, void *arg)
{
    EXPECT_OK(kith_destroy(arg, info->name));
    return 0;
}

TEST_LONG(300, load_killed_at_any_instant_leaves_a_whole_space)
{
    struct loading *l = test_shared(sizeof(*l));
    kith_queue *queue = test_queue(t, "q", NULL);
    kith_dict *dict = test_dict(t, "d");
    int killed = 0;

    for (int64_t i = 0; i < 500; i++) {
        EXPECT_OK(kith_dict_set(dict, KITH_INT(i), KITH_STR("an item of more than eight bytes")));
        EXPECT_OK(kith_queue_put(queue, KITH_STR("an item of more than eight bytes"), 0));
    }
    l->bytes = dump(test_space(t), NULL);
    l->space = other_space(t, "other");
    l->ready = test_gate();
    for (int i = 0; i < 50; i++) {
        pid_t pid = test_child(load_it, l);
        int status;

        GATE_WAIT(l->ready);
        for (int64_t until_ns = test_now_ns() + i * 30 * TEST_US; test_now_ns() < until_ns;)
            ;
        kill(pid, SIGKILL);
        status = CHILD_END(pid);
        killed += WIFSIGNALED(status);
        EXPECT_WHOLE(l->space);
        EXPECT_OK(kith_list(l->space, destroy_one, l->space));
    }
    EXPECT_GE(killed, 1);
    EXPECT_OK(load(l->space, &l->bytes, NULL));
    EXPECT_WHOLE(l->space);
    free(l->bytes.data);
}
