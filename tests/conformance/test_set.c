/*
 * test_set.c - what kith/set.h promises: membership, order, two sets at once.
 */
#include "test.h"

static void
close_set(void *set)
{
    kith_set_close(set);
}

static kith_set *
set_of(struct test *t, const char *name)
{
    kith_set *set = NULL;

    EXPECT_OK(kith_set_open(test_space(t), name, NULL, &set));
    t->handles[t->handle_count].handle = set;
    t->handles[t->handle_count++].close = close_set;
    return set;
}

struct seen {
    int64_t at[4000];
    size_t count;
};

static int
see(struct kith_item member, void *arg)
{
    struct seen *seen = arg;

    EXPECT_EQ(KITH_TYPE_INT, member.type);
    seen->at[seen->count++] = member.integer;
    return seen->count == COUNTOF(seen->at);
}

static void
add_numbers(kith_set *set, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        EXPECT_OK(kith_set_add(set, KITH_INT(i)));
}

TEST(set_has_what_was_added_once)
{
    kith_set *set = set_of(t, "s");
    uint64_t n = 0;

    EXPECT_OK(kith_set_add(set, KITH_INT(1)));
    EXPECT_OK(kith_set_add(set, kith_float(1.0)));
    EXPECT_OK(kith_set_add(set, KITH_STR("1")));
    EXPECT_OK(kith_set_len(set, &n));
    EXPECT_EQ(2, n);
    EXPECT_OK(kith_set_has(set, kith_bool(true)));
    EXPECT_FAILS(KITH_ENOENT, "\"s\" has no such member", kith_set_has(set, kith_bytes("1", 1)));
    EXPECT_OK(kith_set_discard(set, kith_bytes("1", 1)));
    EXPECT_RC(KITH_ENOENT, kith_set_remove(set, kith_bytes("1", 1)));
    EXPECT_OK(kith_set_remove(set, KITH_STR("1")));
    EXPECT_OK(kith_set_discard(set, KITH_INT(1)));
    EXPECT_OK(kith_set_len(set, &n));
    EXPECT_EQ(0, n);
    EXPECT_FAILS(KITH_EEMPTY, "no member", kith_set_pop(set, NULL));
}

TEST(set_keeps_the_order_of_insertion_and_pops_the_newest)
{
    kith_set *set = set_of(t, "s");
    struct kith_buf member = KITH_BUF_INIT;
    struct seen seen = { .count = 0 };

    add_numbers(set, 0, 3000);
    add_numbers(set, 0, 10);
    EXPECT_OK(kith_set_each(set, see, &seen));
    EXPECT_EQ(3000, seen.count);
    for (int64_t i = 0; i < 3000; i++)
        EXPECT_EQ(i, seen.at[i]);
    EXPECT_OK(kith_set_pop(set, &member));
    EXPECT_ITEM(KITH_INT(2999), member.item);
    EXPECT_OK(kith_set_clear(set));
    EXPECT_RC(KITH_ENOENT, kith_set_has(set, KITH_INT(5)));
    kith_buf_free(&member);
}

TEST(set_update_is_all_or_nothing)
{
    kith_set *set = set_of(t, "s");
    struct kith_item members[] = { KITH_INT(1), KITH_INT(2), PACKED("\x91\x01") };
    uint64_t n = 0;

    EXPECT_RC(KITH_EINVAL, kith_set_update(set, members, 3)); /* a list is no member */
    EXPECT_OK(kith_set_len(set, &n));
    EXPECT_EQ(0, n);
    EXPECT_OK(kith_set_update(set, members, 2));
    EXPECT_OK(kith_set_update(set, NULL, 0));
    EXPECT_OK(kith_set_len(set, &n));
    EXPECT_EQ(2, n);
}

TEST(set_algebra_is_that_of_two_sets)
{
    kith_set *a = set_of(t, "a"), *b = set_of(t, "b");
    struct seen seen = { .count = 0 };

    add_numbers(a, 0, 6);
    add_numbers(b, 4, 9);
    EXPECT_OK(kith_set_union(a, b, see, &seen));
    EXPECT_EQ(9, seen.count);
    for (int64_t i = 0; i < 9; i++)
        EXPECT_EQ(i, seen.at[i]);
    seen.count = 0;
    EXPECT_OK(kith_set_intersection(a, b, see, &seen));
    EXPECT_EQ(2, seen.count);
    EXPECT_EQ(4, seen.at[0]);
    seen.count = 0;
    EXPECT_OK(kith_set_difference(b, a, see, &seen));
    EXPECT_EQ(3, seen.count);
    EXPECT_EQ(6, seen.at[0]);
    seen.count = 0;
    EXPECT_OK(kith_set_difference(a, a, see, &seen));
    EXPECT_EQ(0, seen.count);
    EXPECT_RC(KITH_EINVAL, kith_set_union(a, NULL, see, &seen));
}

TEST(set_is_a_kind_of_its_own)
{
    kith_set *set = set_of(t, "s");
    kith_dict *dict = NULL;

    EXPECT_FAILS(KITH_ETYPE, "is a set", kith_dict_open(test_space(t), "s", NULL, &dict));
    add_numbers(set, 0, 1000);
    EXPECT_OK(kith_destroy(test_space(t), "s"));
    EXPECT_FAILS(KITH_EGONE, "destroyed", kith_set_add(set, KITH_INT(1)));
    kith_set_close(NULL);
}
