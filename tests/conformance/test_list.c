/*
 * test_list.c - what kith/list.h promises: places, ends, slices, order, instants.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static void
close_list(void *list)
{
    kith_list_close(list);
}

static struct kith_list *
list_of(struct test *t, const char *name)
{
    struct kith_list *list = NULL;

    EXPECT_OK(kith_list_open(test_space(t), name, NULL, &list));
    t->handles[t->handle_count].handle = list;
    t->handles[t->handle_count++].close = close_list;
    return list;
}

static void
fill(struct kith_list *list, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        EXPECT_OK(kith_list_append(list, KITH_INT(i)));
}

/* What is seen of a list: numbers, in the order in which they came. */
struct seen {
    int64_t at[20000];
    size_t count;
};

static int
see(struct kith_item item, void *arg)
{
    struct seen *seen = arg;

    if (item.type != KITH_TYPE_INT || seen->count == COUNTOF(seen->at))
        return 1;
    seen->at[seen->count++] = item.integer;
    return 0;
}

static void
expect_numbers(const char *file, int line, struct kith_list *list, const int64_t *want,
               size_t count)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    uint64_t len = 0;

    test_rc(file, line, "kith_list_each", KITH_OK, kith_list_each(list, see, seen));
    test_rc(file, line, "kith_list_len", KITH_OK, kith_list_len(list, &len));
    test_eq(file, line, "items seen", (int64_t)count, (int64_t)seen->count);
    test_eq(file, line, "the length", (int64_t)count, (int64_t)len);
    for (size_t i = 0; i < count; i++)
        test_eq(file, line, "an item", want[i], seen->at[i]);
    free(seen);
}
#define EXPECT_NUMBERS(list, ...)                                                                  \
    expect_numbers(__FILE__, __LINE__, list, (const int64_t[]){ __VA_ARGS__ },                     \
                   COUNTOF(((const int64_t[]){ __VA_ARGS__ })))

static void
expect_at(const char *file, int line, struct kith_list *list, int64_t index, struct kith_item want)
{
    struct kith_buf item = KITH_BUF_INIT;

    test_rc(file, line, "kith_list_get", KITH_OK, kith_list_get(list, index, &item));
    test_item(file, line, "kith_list_get", want, item.item);
    kith_buf_free(&item);
}
#define EXPECT_AT(list, index, want) expect_at(__FILE__, __LINE__, list, index, want)

/* ---- one at a time ---- */

TEST(list_keeps_items_in_their_places)
{
    struct kith_list *list = list_of(t, "l");

    fill(list, 0, 5000);
    for (int64_t i = 0; i < 5000; i += 7) {
        EXPECT_AT(list, i, KITH_INT(i));
        EXPECT_AT(list, i - 5000, KITH_INT(i));
    }
    EXPECT_FAILS(KITH_ERANGE, "\"l\"", kith_list_get(list, 5000, &(struct kith_buf)KITH_BUF_INIT));
    EXPECT_RC(KITH_ERANGE, kith_list_get(list, -5001, &(struct kith_buf)KITH_BUF_INIT));
    EXPECT_RC(KITH_ERANGE, kith_list_set(list, 5000, KITH_INT(1)));
}

TEST(list_carries_every_type_of_item)
{
    struct kith_list *list = list_of(t, "l");
    const struct kith_item items[] = {
        kith_none(),
        kith_bool(true),
        KITH_INT(INT64_MIN),
        kith_float(-0.0),
        KITH_STR("nul \0 inside"),
        KITH_STR("short"),
        kith_bytes(NULL, 0),
        BIGINT("\0\0\0\0\0\0\0\0\1"),
        PACKED("\x81\xa1k\xc0"),
        test_foreign("\x80\x05N.", 4, "python/pickle"),
    };

    EXPECT_OK(kith_list_extend(list, items, COUNTOF(items)));
    for (size_t i = 0; i < COUNTOF(items); i++) {
        EXPECT_OK(kith_list_append(list, items[i]));
        EXPECT_AT(list, (int64_t)i, items[i]);
        EXPECT_AT(list, -1, items[i]);
    }
    EXPECT_OK(kith_list_reverse(list));
    for (size_t i = 0; i < COUNTOF(items); i++)
        EXPECT_AT(list, -1 - (int64_t)i, items[i]);
    for (size_t i = 0; i < COUNTOF(items); i++) /* each type over each */
        for (size_t j = 0; j < COUNTOF(items); j++) {
            EXPECT_OK(kith_list_set(list, 3, items[i]));
            EXPECT_OK(kith_list_set(list, 3, items[j]));
            EXPECT_AT(list, 3, items[j]);
        }
}

TEST(list_carries_items_of_megabytes_everywhere)
{
    struct kith_list *list = list_of(t, "l");
    size_t size = 3 << 20;
    void *data = test_bytes(size, 1);
    struct kith_item item = kith_bytes(data, size);

    fill(list, 0, 200);
    EXPECT_OK(kith_list_append(list, item));
    EXPECT_OK(kith_list_insert(list, 0, item));
    EXPECT_OK(kith_list_insert(list, 100, item));
    EXPECT_OK(kith_list_set(list, 50, item));
    EXPECT_AT(list, -1, item);
    EXPECT_AT(list, 0, item);
    EXPECT_AT(list, 100, item);
    EXPECT_AT(list, 50, item);
    for (int i = 0; i < 203; i++)
        EXPECT_OK(kith_list_pop(list, i % 2 - 1, NULL));
    EXPECT_FAILS(KITH_EEMPTY, "\"l\" is empty", kith_list_pop(list, -1, NULL));
    free(data);
}

TEST(list_insert_moves_an_index_beyond_it_inside)
{
    struct kith_list *list = list_of(t, "l");

    EXPECT_OK(kith_list_insert(list, 99, KITH_INT(2)));
    EXPECT_OK(kith_list_insert(list, -99, KITH_INT(0)));
    EXPECT_OK(kith_list_insert(list, -1, KITH_INT(1)));
    EXPECT_OK(kith_list_insert(list, 3, KITH_INT(3)));
    EXPECT_NUMBERS(list, 0, 1, 2, 3);
}

TEST(list_pops_from_anywhere)
{
    struct kith_list *list = list_of(t, "l");
    struct kith_buf item = KITH_BUF_INIT;

    fill(list, 0, 1000);
    EXPECT_OK(kith_list_pop(list, 500, &item));
    EXPECT_ITEM(KITH_INT(500), item.item);
    EXPECT_OK(kith_list_pop(list, 0, &item));
    EXPECT_ITEM(KITH_INT(0), item.item);
    EXPECT_OK(kith_list_pop(list, -1, &item));
    EXPECT_ITEM(KITH_INT(999), item.item);
    EXPECT_RC(KITH_ERANGE, kith_list_pop(list, 997, &item));
    EXPECT_AT(list, 0, KITH_INT(1));
    EXPECT_AT(list, 499, KITH_INT(501));
    kith_buf_free(&item);
}

TEST(list_is_a_queue_and_a_stack_at_both_ends)
{
    struct kith_list *list = list_of(t, "l");
    struct kith_buf item = KITH_BUF_INIT;

    for (int64_t i = 0; i < 3000; i++) {
        EXPECT_OK(kith_list_append(list, KITH_INT(i)));
        if (i % 3 != 2)
            continue;
        EXPECT_OK(kith_list_pop(list, 0, &item));
        EXPECT_ITEM(KITH_INT(i / 3), item.item);
    }
    for (int64_t i = 2999; i >= 1000; i--) {
        EXPECT_OK(kith_list_pop(list, -1, &item));
        EXPECT_ITEM(KITH_INT(i), item.item);
    }
    EXPECT_RC(KITH_EEMPTY, kith_list_pop(list, 0, &item));
    kith_buf_free(&item);
}

/* ---- finding ---- */

TEST(list_finds_numbers_by_value_and_others_by_type)
{
    struct kith_list *list = list_of(t, "l");
    const struct kith_item items[] = { KITH_STR("1"), kith_float(1.0), kith_bool(true),
                                       KITH_INT(1),   kith_none(),     kith_bytes("1", 1) };
    uint64_t n = 0;

    EXPECT_OK(kith_list_extend(list, items, COUNTOF(items)));
    EXPECT_OK(kith_list_index(list, KITH_INT(1), 0, KITH_LIST_END, &n));
    EXPECT_EQ(1, n);
    EXPECT_OK(kith_list_index(list, KITH_INT(1), 2, KITH_LIST_END, &n));
    EXPECT_EQ(2, n);
    EXPECT_OK(kith_list_index(list, kith_bytes("1", 1), -6, KITH_LIST_END, &n));
    EXPECT_EQ(5, n);
    EXPECT_FAILS(KITH_ENOENT, "no such item", kith_list_index(list, KITH_INT(1), 4, 6, &n));
    EXPECT_EQ(5, n);
    EXPECT_OK(kith_list_count(list, kith_bool(true), &n));
    EXPECT_EQ(3, n);
    EXPECT_OK(kith_list_remove(list, KITH_INT(1)));
    EXPECT_OK(kith_list_count(list, kith_float(1), &n));
    EXPECT_EQ(2, n);
    EXPECT_FAILS(KITH_ENOENT, "no such item", kith_list_remove(list, KITH_STR("absent")));
}

/* ---- slices ---- */

TEST(list_slices_are_those_of_python)
{
    struct kith_list *list = list_of(t, "l");
    struct seen *seen = calloc(1, sizeof(*seen));

    fill(list, 0, 10);
    EXPECT_OK(kith_list_get_slice(list, KITH_LIST_END, KITH_LIST_BEGIN, -3, see, seen));
    EXPECT_EQ(4, seen->count);
    EXPECT_EQ(9, seen->at[0]);
    EXPECT_EQ(0, seen->at[3]);
    EXPECT_OK(kith_list_delete_slice(list, 1, 9, 2));
    EXPECT_NUMBERS(list, 0, 2, 4, 6, 8, 9);
    EXPECT_OK(kith_list_set_slice(
        list, -2, KITH_LIST_END, 1,
        (const struct kith_item[]){ KITH_INT(5), KITH_INT(6), KITH_INT(7) }, 3));
    EXPECT_NUMBERS(list, 0, 2, 4, 6, 5, 6, 7);
    EXPECT_OK(kith_list_set_slice(list, 0, 4, 3,
                                  (const struct kith_item[]){ KITH_INT(-1), KITH_INT(-2) }, 2));
    EXPECT_NUMBERS(list, -1, 2, 4, -2, 5, 6, 7);
    EXPECT_FAILS(KITH_EINVAL, "2, not 1",
                 kith_list_set_slice(list, 0, 4, 3, (const struct kith_item[]){ KITH_INT(1) }, 1));
    EXPECT_FAILS(KITH_EINVAL, "step of 0", kith_list_delete_slice(list, 0, 1, 0));
    EXPECT_OK(kith_list_delete_slice(list, 5, 2, 1));
    EXPECT_NUMBERS(list, -1, 2, 4, -2, 5, 6, 7);
    free(seen);
}

TEST(list_of_10_000_changes_by_large_slices)
{
    enum { N = 10000 };
    struct kith_list *list = list_of(t, "l");
    struct kith_item *items = calloc(N, sizeof(*items));
    int64_t *want = calloc(2 * N, sizeof(*want));

    for (int64_t i = 0; i < N; i++) {
        items[i] = kith_int(i);
        want[i] = i;
    }
    EXPECT_OK(kith_list_extend(list, items, N));
    expect_numbers(__FILE__, __LINE__, list, want, N);
    EXPECT_OK(kith_list_delete_slice(list, 100, N - 100, 1));
    for (int64_t i = 0; i < 100; i++)
        want[100 + i] = N - 100 + i;
    expect_numbers(__FILE__, __LINE__, list, want, 200);
    EXPECT_WHOLE(test_space(t));
    EXPECT_OK(kith_list_set_slice(list, 50, 150, 1, items, N - 100));
    memmove(&want[50 + N - 100], &want[150], 50 * sizeof(*want));
    for (int64_t i = 0; i < N - 100; i++)
        want[50 + i] = i;
    expect_numbers(__FILE__, __LINE__, list, want, N);
    EXPECT_WHOLE(test_space(t));
    EXPECT_OK(kith_list_clear(list));
    EXPECT_RC(KITH_EEMPTY, kith_list_pop(list, 0, NULL));
    EXPECT_WHOLE(test_space(t));
    free(items);
    free(want);
}

/* ---- order ---- */

TEST(list_sorts_numbers_by_value_and_keeps_equal_ones)
{
    struct kith_list *list = list_of(t, "l");
    struct kith_list_sort_options down = KITH_LIST_SORT_OPTIONS_INIT;
    const struct kith_item items[] = { kith_float(1e300), BIGINT("\0\0\0\0\0\0\0\0\1"),
                                       kith_float(2.5),   KITH_INT(2),
                                       kith_bool(true),   KITH_INT(1),
                                       KITH_INT(-7),      kith_float(1.0) };

    EXPECT_OK(kith_list_extend(list, items, COUNTOF(items)));
    EXPECT_OK(kith_list_sort(list, NULL));
    EXPECT_AT(list, 0, KITH_INT(-7));
    EXPECT_AT(list, 1, kith_bool(true));
    EXPECT_AT(list, 2, KITH_INT(1));
    EXPECT_AT(list, 3, kith_float(1.0));
    EXPECT_AT(list, 4, KITH_INT(2));
    EXPECT_AT(list, 5, kith_float(2.5));
    EXPECT_AT(list, 6, items[1]);
    EXPECT_AT(list, 7, kith_float(1e300));
    down.descending = true;
    EXPECT_OK(kith_list_sort(list, &down));
    EXPECT_AT(list, 0, kith_float(1e300));
    EXPECT_AT(list, 4, kith_bool(true));
    EXPECT_AT(list, 6, kith_float(1.0));
}

TEST(list_that_has_no_order_is_not_sorted)
{
    struct kith_list *list = list_of(t, "l");

    EXPECT_OK(kith_list_append(list, KITH_INT(2)));
    EXPECT_OK(kith_list_append(list, KITH_STR("1")));
    EXPECT_FAILS(KITH_ETYPE, "no order", kith_list_sort(list, NULL));
    EXPECT_AT(list, 0, KITH_INT(2));
}

static int
by_last_digit(struct kith_item a, struct kith_item b, void *arg)
{
    ++*(int *)arg;
    return (int)(a.integer % 10 - b.integer % 10);
}

TEST(list_sorts_by_a_comparison_of_the_caller)
{
    struct kith_list_sort_options options = KITH_LIST_SORT_OPTIONS_INIT;
    struct kith_list *list = list_of(t, "l");
    int calls = 0;

    options.compare = by_last_digit;
    options.arg = &calls;
    EXPECT_OK(kith_list_sort(list, &options));
    for (int64_t i = 0; i < 40; i++)
        EXPECT_OK(kith_list_append(list, KITH_INT(39 - i)));
    EXPECT_OK(kith_list_sort(list, &options));
    EXPECT_GE(calls, 39);
    for (int64_t i = 0; i < 40; i++)
        EXPECT_AT(list, i, KITH_INT(i / 4 + 10 * (3 - i % 4)));
}

static int
stop_at_five(struct kith_item a, struct kith_item b, void *arg)
{
    (void)arg;
    if (a.integer == 5 || b.integer == 5)
        return KITH_LIST_NO_ORDER;
    return a.integer < b.integer ? -1 : a.integer > b.integer;
}

TEST(list_is_as_it_was_when_a_comparison_finds_no_order)
{
    struct kith_list_sort_options options = KITH_LIST_SORT_OPTIONS_INIT;
    struct kith_list *list = list_of(t, "l");

    for (int64_t i = 0; i < 10; i++)
        EXPECT_OK(kith_list_append(list, KITH_INT(9 - i)));
    options.compare = stop_at_five;
    EXPECT_FAILS(KITH_ETYPE, "no order", kith_list_sort(list, &options));
    for (int64_t i = 0; i < 10; i++)
        EXPECT_AT(list, i, KITH_INT(9 - i));
}

static int
change_while_comparing(struct kith_item a, struct kith_item b, void *arg)
{
    EXPECT_OK(kith_list_append(arg, KITH_INT(0)));
    return a.integer < b.integer ? -1 : a.integer > b.integer;
}

TEST(list_changed_each_time_while_it_is_sorted_says_so)
{
    struct kith_list_sort_options options = KITH_LIST_SORT_OPTIONS_INIT;
    struct kith_list *list = list_of(t, "l");

    fill(list, 0, 3);
    options.compare = change_while_comparing;
    options.arg = list;
    EXPECT_FAILS(KITH_ECONFLICT, "changed each time", kith_list_sort(list, &options));
    EXPECT_AT(list, 2, KITH_INT(2));
}

/* ---- instants ---- */

struct shrinking {
    struct kith_list *list;
    int64_t next;
};

static int
pop_while_seeing(struct kith_item item, void *arg)
{
    struct shrinking *shrinking = arg;

    EXPECT_ITEM(KITH_INT(shrinking->next), item);
    shrinking->next++;
    EXPECT_OK(kith_list_pop(shrinking->list, 0, NULL));
    return 0;
}

TEST(list_changed_while_iterated_is_seen_as_it_was)
{
    struct shrinking shrinking = { list_of(t, "l"), 0 };
    uint64_t len = 1;

    fill(shrinking.list, 0, 300);
    EXPECT_OK(kith_list_each(shrinking.list, pop_while_seeing, &shrinking));
    EXPECT_EQ(300, shrinking.next);
    EXPECT_OK(kith_list_len(shrinking.list, &len));
    EXPECT_EQ(0, len);
}

struct rotation {
    char address[512];
    _Atomic bool stop;
};

static void
rotate(void *arg)
{
    struct rotation *rotation = arg;
    struct kith_buf item = KITH_BUF_INIT;
    struct kith_list *list;
    kith_space *space;

    EXPECT_OK(kith_open(rotation->address, NULL, &space));
    EXPECT_OK(kith_list_open(space, "l", NULL, &list));
    while (!atomic_load(&rotation->stop)) {
        EXPECT_OK(kith_list_pop(list, 100, &item));
        EXPECT_OK(kith_list_insert(list, 100, item.item));
        EXPECT_OK(kith_list_reverse(list));
    }
    kith_buf_free(&item);
    kith_list_close(list);
    kith_close(space);
}

/* A writer takes one out and puts it back: a reader at one instant sees 299 or 300, each once. */
TEST_ON(TEST_NAMED, list_is_seen_as_of_one_instant_beside_a_writer)
{
    struct rotation *rotation = test_shared(sizeof(*rotation));
    struct kith_list *list = list_of(t, "l");
    struct seen *seen = calloc(1, sizeof(*seen));
    pid_t child;

    fill(list, 0, 300);
    snprintf(rotation->address, sizeof(rotation->address), "%s", t->address);
    child = test_child(rotate, rotation);
    for (int i = 0; i < 300; i++) {
        int64_t sum = 0, step;

        seen->count = 0;
        EXPECT_OK(kith_list_each(list, see, seen));
        EXPECT_TRUE(seen->count == 299 || seen->count == 300);
        for (size_t k = 0; k < seen->count; k++)
            sum += seen->at[k];
        EXPECT_TRUE(seen->count == 299 || sum == 300 * 299 / 2);
        step = seen->at[1] - seen->at[0];
        EXPECT_TRUE(step == 1 || step == -1);
        for (size_t k = 1; k < seen->count; k++)
            EXPECT_TRUE(seen->at[k] - seen->at[k - 1] == step ||
                        (seen->count == 299 && seen->at[k] - seen->at[k - 1] == 2 * step));
    }
    atomic_store(&rotation->stop, true);
    CHILD_JOIN(child);
    free(seen);
}

/* ---- opening, ending ---- */

TEST(list_is_opened_by_its_kind_alone)
{
    struct kith_list_options must = KITH_LIST_OPTIONS_INIT;
    struct kith_list *list = NULL;

    test_dict(t, "d");
    must.create = KITH_MUST_EXIST;
    EXPECT_FAILS(KITH_ETYPE, "opened as a list", kith_list_open(test_space(t), "d", NULL, &list));
    EXPECT_FAILS(KITH_ENOENT, "no list \"l\"", kith_list_open(test_space(t), "l", &must, &list));
    list_of(t, "l");
    must.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_list_open(test_space(t), "l", &must, &list));
    EXPECT_TRUE(list == NULL);
    kith_list_close(NULL);
}

TEST(list_that_was_destroyed_says_so)
{
    struct kith_list *list = list_of(t, "l");
    uint64_t n = 7;

    fill(list, 0, 1000);
    EXPECT_OK(kith_destroy(test_space(t), "l"));
    EXPECT_FAILS(KITH_EGONE, "\"l\" was destroyed", kith_list_append(list, KITH_INT(1)));
    EXPECT_RC(KITH_EGONE, kith_list_len(list, &n));
    EXPECT_EQ(7, n);
    EXPECT_RC(KITH_EGONE, kith_list_get(list, 0, &(struct kith_buf)KITH_BUF_INIT));
    EXPECT_RC(KITH_EGONE, kith_list_clear(list));
    EXPECT_WHOLE(test_space(t));
}

TEST(list_refuses_what_is_no_argument)
{
    struct kith_list *list = list_of(t, "l");

    EXPECT_FAILS(KITH_EINVAL, "kith_list_append", kith_list_append(NULL, KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_list_len(list, NULL));
    EXPECT_RC(KITH_EINVAL, kith_list_extend(list, NULL, 1));
    EXPECT_RC(KITH_EINVAL,
              kith_list_append(
                  list, (struct kith_item){ .type = KITH_TYPE_STR, .data = "\xff", .size = 1 }));
    EXPECT_OK(kith_list_extend(list, NULL, 0));
}
