#include "shm/kind.h"

#include "base/alloc.h"

#include "dict_stage.h"

static struct kith__shard *own;

/* A dict with more keys in one home than fit there, a text among the items. */
static void
open_crowded(void)
{
    struct kith__key key;

    make_dict();
    own = &root->own;
    for (int64_t n = 0; n < 9; n++) {
        struct kith__change how = { .what = KITH__CHANGE_SET, .item = KITH_INT(n) };

        if (n == 4)
            how.item = kith_str("a text with a block of its own");
        key_hashed(&key, n, (uint64_t)n << 41);
        EXPECT_OK(kith__dict_change(stage.self, &dict, &key, &how));
    }
    EXPECT_WHOLE(&stage);
}

static struct kith__entry *
entry_at(unsigned index)
{
    uint64_t off = kith__load(&own->first);

    while (index-- > 0)
        off = kith__load(&((struct kith__entry *)kith__ptr(stage.arena, off))->next);
    return kith__ptr(stage.arena, off);
}

static void
every_field_of_a_list_is_looked_at(void **unused)
{
    struct kith__entry *third;

    (void)unused;
    open_crowded();
    third = entry_at(2);
    EXPECT_FINDS_IN(&stage, own->first, stage.arena->size, "outside of the heap");
    EXPECT_FINDS_IN(&stage, own->first, third->next, "counts 9 entries and lists 6");
    EXPECT_FINDS_IN(&stage, own->last, kith__off(stage.arena, third), "not the last of its list");
    EXPECT_FINDS_IN(&stage, own->count, 8, "counts 8 entries and lists");
    EXPECT_FINDS_IN(&stage, own->count, 10, "counts 10 entries and lists 9");
    EXPECT_FINDS_IN(&stage, third->prev, kith__off(stage.arena, third), "a wrong link back");
    EXPECT_FINDS_IN(&stage, third->next, kith__off(stage.arena, third), "belongs to two owners");
    EXPECT_FINDS_IN(&stage, third->next, third->next + 8, "is not a block");
    EXPECT_FINDS_IN(&stage, third->ticket, 1, "is out of order");
    EXPECT_FINDS_IN(&stage, third->hash, third->hash ^ (UINT64_C(1) << 41), "has another tag");
    EXPECT_FINDS_IN(&stage, third->hash, third->hash + 1, "displaced entries");
    EXPECT_FINDS_IN(&stage, entry_at(4)->value, 16, "An item of a dict at 0x10 is not a block");
    close_dict();
}

static void
every_field_of_a_table_is_looked_at(void **unused)
{
    struct kith__bucket *home, *next;

    (void)unused;
    open_crowded();
    home = bucket_at(own, 0);
    next = bucket_at(own, 1);
    assert_int_equal(2, overflow_of(home));
    EXPECT_FINDS_IN(&stage, home->head, home->head + KITH__HEAD_OVERFLOW_ONE,
                    "counts 3 displaced entries and has 2");
    EXPECT_FINDS_IN(&stage, home->head, home->head - KITH__HEAD_OVERFLOW_ONE,
                    "counts 1 displaced entries and has 2");
    EXPECT_FINDS_IN(&stage, home->head, home->head | 3, "A bucket is covered by actor 3");
    EXPECT_FINDS_IN(&stage, next->slot[5], home->slot[0], "10 slots filled for 9 entries");
    EXPECT_FINDS_IN(&stage, home->slot[0], 0, "no bucket it could be found in");
    EXPECT_FINDS_IN(&stage, own->table, own->table + 64, "A table of a dict");
    EXPECT_FINDS_IN(&stage, own->intent, 5, "A shard is covered by actor 5");
    close_dict();
}

static void
a_table_is_as_large_as_it_says_though_nothing_stands_in_it(void **unused)
{
    uint64_t table;

    (void)unused;
    make_dict();
    own = &root->own;
    EXPECT_OK(set_item(KITH_INT(1), KITH_INT(1)));
    EXPECT_OK(delete_key(KITH_INT(1)));
    table = kith__load(&own->table);
    assert_int_equal(0, table & 63);
    for (unsigned log = 1; log < 64; log++)
        EXPECT_FINDS_IN(&stage, own->table, table | log, "is too small for what it says");
    close_dict();
}

static void
every_field_of_the_bounds_is_looked_at(void **unused)
{
    (void)unused;
    make_bounded(3, 100, KITH_DICT_FIFO);
    own = &root->own;
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
    EXPECT_FINDS_IN(&stage, own->bytes, own->bytes + 1, "counts 49 bytes and has 48");
    EXPECT_FINDS_IN(&stage, root->max_items, 2, "larger than its bounds");
    EXPECT_FINDS_IN(&stage, root->max_bytes, 47, "larger than its bounds");
    EXPECT_FINDS_IN(&stage, own->hand, dict.off, "The hand or the sweep");
    EXPECT_FINDS_IN(&stage, own->sweep, 16, "The hand or the sweep");
    EXPECT_FINDS_IN(&stage, own->root, dict.off + 64, "names 0x");
    EXPECT_FINDS_IN(&stage, root->flights, 16, "A computation for a dict");
    kith__store(&own->hand, own->first); /* an entry of the list is what it may be */
    kith__store(&own->sweep, own->last);
    close_dict();
}

static void
every_shard_of_many_is_looked_at(void **unused)
{
    struct kith__shard *shards;
    unsigned count;

    (void)unused;
    make_dict();
    for (int64_t n = 0; n < 500; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
    shards = kith__dict_shards(&dict, kith__load(&root->shards), &count);
    assert_int_equal(KITH__SHARDS, count);
    for (unsigned i = 0; i < count; i += 21) {
        EXPECT_FINDS_IN(&stage, shards[i].count, shards[i].count + 1, "entries and lists");
        EXPECT_FINDS_IN(&stage, shards[i].root, 0, "names 0 as its dict");
        EXPECT_FINDS_IN(&stage, shards[i].lock.tag, 0, "The lock of a shard is no lock");
    }
    close_dict();
}

#ifdef KITH_FAULTS
static void
memory_that_the_checker_has_not_breaks_no_invariant(void **unused)
{
    kith_err err = KITH_ENOMEM;

    (void)unused;
    open_crowded();
    for (uint64_t nth = 1; err == KITH_ENOMEM; nth++) {
        struct kith_report report;

        kith__alloc_fail(nth);
        err = kith__verify(stage.self, NULL, NULL, &report);
        assert_true(err == KITH_OK || err == KITH_ENOMEM);
    }
    kith__alloc_fail(0);
    close_dict();
}
#endif

static void
a_listing_is_told_how_large_it_is_and_when_it_was_made(void **unused)
{
    struct kith__object object;
    struct kith_info info = { 0 };

    (void)unused;
    make_dict();
    root->created_ns = 1234;
    object = (struct kith__object){ KITH_KIND_DICT, dict.off, dict.id, { 0 } };
    for (int64_t n = 0; n < 7; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
    EXPECT_OK(kith__dict_kind.describe(stage.self, stage.arena, &object, &info));
    assert_int_equal(7, info.items);
    assert_true(info.bytes > 7 * sizeof(struct kith__entry));
    assert_int_equal(1234, info.created_ns);
    object.id++;
    EXPECT_RC(KITH_EGONE, kith__dict_kind.describe(stage.self, stage.arena, &object, &info));
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_list_is_looked_at),
        cmocka_unit_test(every_field_of_a_table_is_looked_at),
        cmocka_unit_test(a_table_is_as_large_as_it_says_though_nothing_stands_in_it),
        cmocka_unit_test(every_field_of_the_bounds_is_looked_at),
        cmocka_unit_test(every_shard_of_many_is_looked_at),
#ifdef KITH_FAULTS
        cmocka_unit_test(memory_that_the_checker_has_not_breaks_no_invariant),
#endif
        cmocka_unit_test(a_listing_is_told_how_large_it_is_and_when_it_was_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
