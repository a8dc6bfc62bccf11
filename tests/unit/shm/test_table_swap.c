#include "shm/table.h"

#include "dict_stage.h"

static struct kith__shard *shard;

/* A table of four buckets, locked, with the numbers from 0 on, each in the bucket of its own. */
static void
open_with(enum kith_dict_policy policy, int64_t count)
{
    make_bounded(100, 0, policy);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__table_reserve(stage.self, shard, 20, false));
    assert_int_equal(3, kith__table_mask(kith__load(&shard->table)));
    for (int64_t n = 0; n < count; n++) {
        struct kith__stored stored = { .meta = KITH__META(KITH_TYPE_INT, 0, 8),
                                       .value = (uint64_t)n };
        struct kith__key key;
        struct kith__op op;

        key_hashed(&key, n, (uint64_t)n);
        kith__op_begin(&op, stage.self);
        EXPECT_OK(kith__table_insert(&op, root, shard, &key, stored));
        EXPECT_OK(kith__op_commit(&op));
    }
}

static void
close_table(void)
{
    kith__lock_release(stage.self, &shard->lock);
    close_dict();
}

static struct kith__entry *
entry_at(int64_t n)
{
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;

    key_hashed(&key, n, (uint64_t)n);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_find(&op, shard, &key, &place));
    return place.entry;
}

/* `n` comes, with a text as its item, and `old` goes; whether that went the short way. */
static bool
swap(int64_t n, struct kith__entry *old)
{
    struct kith__stored stored;
    struct kith__key key;
    struct kith__op op;
    bool done;

    key_hashed(&key, n, (uint64_t)n);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__stored_make(&op, kith_str("a text of more than eight bytes"), &stored));
    done = kith__table_swap(&op, root, shard, &key, stored, old);
    if (done) {
        assert_int_equal(KITH_OK, op.err);
        EXPECT_OK(kith__op_commit(&op));
    } else {
        assert_int_equal(0, op.count);
        kith__op_abort(&op);
    }
    return done;
}

static void
expect_list(const int64_t *numbers, uint64_t count)
{
    uint64_t off = kith__load(&shard->first), before = 0, ticket = 0;

    assert_int_equal(count, kith__load(&shard->count));
    for (uint64_t i = 0; i < count; i++) {
        struct kith__entry *entry = kith__ptr(stage.arena, off);

        assert_ptr_equal(entry, entry_at(numbers[i]));
        assert_int_equal(before, kith__load(&entry->prev));
        assert_true(entry->ticket > ticket);
        ticket = entry->ticket;
        before = off;
        off = kith__load(&entry->next);
    }
    assert_int_equal(0, off);
    assert_int_equal(before, kith__load(&shard->last));
    kith__lock_release(stage.self, &shard->lock);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
}
#define EXPECT_LIST(...)                                                                           \
    expect_list((const int64_t[]){ __VA_ARGS__ }, COUNTOF(((const int64_t[]){ __VA_ARGS__ })))

static void
one_takes_the_slot_of_another_or_one_elsewhere(void **unused)
{
    uint64_t bytes;

    (void)unused;
    open_with(KITH_DICT_SIEVE, 8);
    bytes = kith__load(&shard->bytes);
    kith__store(&shard->sweep, kith__off(stage.arena, entry_at(4)));
    assert_true(swap(12, entry_at(4))); /* of one bucket */
    EXPECT_LIST(0, 1, 2, 3, 5, 6, 7, 12);
    assert_null(entry_at(4));
    assert_int_equal(kith__off(stage.arena, entry_at(5)), kith__load(&shard->hand));
    assert_int_equal(kith__off(stage.arena, entry_at(5)), kith__load(&shard->sweep));
    assert_int_equal(bytes + 31 - 8, kith__load(&shard->bytes));
    assert_true(swap(9, entry_at(0))); /* of two, and the first of the list */
    EXPECT_LIST(1, 2, 3, 5, 6, 7, 12, 9);
    assert_int_equal(kith__off(stage.arena, entry_at(1)), kith__load(&shard->hand));
    assert_int_equal(kith__off(stage.arena, entry_at(5)), kith__load(&shard->sweep));
    assert_true(swap(10, entry_at(12))); /* a text, and the last but one */
    EXPECT_LIST(1, 2, 3, 5, 6, 7, 9, 10);
    assert_int_equal(bytes + 2 * (31 - 8), kith__load(&shard->bytes));
    assert_false(swap(11, entry_at(10))); /* the last itself */
    EXPECT_LIST(1, 2, 3, 5, 6, 7, 9, 10);
    close_table();
}

static void
without_a_hand_none_is_moved(void **unused)
{
    (void)unused;
    open_with(KITH_DICT_FIFO, 5);
    assert_true(swap(5, entry_at(0)));
    EXPECT_LIST(1, 2, 3, 4, 5);
    assert_int_equal(0, kith__load(&shard->hand));
    assert_int_equal(0, kith__load(&shard->sweep));
    close_table();
}

static void
one_that_is_not_at_home_or_has_no_place_there_goes_the_long_way(void **unused)
{
    struct kith__entry *away;

    (void)unused;
    open_with(KITH_DICT_SIEVE, 0);
    for (int64_t n = 0; n < 32; n += 4) { /* eight of one bucket: one stands in the next */
        struct kith__stored stored = { .meta = KITH__META(KITH_TYPE_INT, 0, 8) };
        struct kith__key key;
        struct kith__op op;

        key_hashed(&key, n, (uint64_t)n);
        kith__op_begin(&op, stage.self);
        EXPECT_OK(kith__table_insert(&op, root, shard, &key, stored));
        EXPECT_OK(kith__op_commit(&op));
    }
    assert_true(swap(1, entry_at(0)));
    assert_true(swap(32, entry_at(4)));
    away = entry_at(28);
    assert_false(swap(2, away));
    EXPECT_LIST(8, 12, 16, 20, 24, 28, 1, 32);
    assert_true(swap(5, entry_at(8)));
    assert_true(swap(9, entry_at(12)));
    assert_true(swap(13, entry_at(16)));
    assert_true(swap(17, entry_at(20)));
    assert_true(swap(21, entry_at(24)));  /* with the one from elsewhere, seven in bucket 1 */
    assert_false(swap(25, entry_at(32))); /* which is so full */
    EXPECT_LIST(28, 1, 32, 5, 9, 13, 17, 21);
    close_table();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_takes_the_slot_of_another_or_one_elsewhere),
        cmocka_unit_test(without_a_hand_none_is_moved),
        cmocka_unit_test(one_that_is_not_at_home_or_has_no_place_there_goes_the_long_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
