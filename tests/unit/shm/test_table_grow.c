#include "shm/extent.h"

#include "dict_stage.h"

static void
fill(int64_t from, int64_t to)
{
    for (int64_t n = from; n < to; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n * 3)));
}

static unsigned
log_of(const struct kith__shard *shard)
{
    return (unsigned)(kith__load(&shard->table) & 63);
}

/* The entries of a list, in its order. */
static uint64_t
entries_of(const struct kith__shard *shard, uint64_t *offs, uint64_t room)
{
    uint64_t n = 0;

    for (uint64_t off = kith__load(&shard->first); off != 0; n++) {
        assert_true(n < room);
        offs[n] = off;
        off = kith__load(&((struct kith__entry *)kith__ptr(stage.arena, off))->next);
    }
    return n;
}

/* ---- Larger tables ------------------------------------------------------------------------ */

static void
a_table_is_tight_above_three_quarters_of_its_slots(void **unused)
{
    struct kith__shard *shard;

    (void)unused;
    make_dict();
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    assert_true(kith__table_tight(shard, 1)); /* there is no table yet */
    assert_false(kith__table_tight(shard, 0));
    for (unsigned log = 0; log < 8; log++) {
        uint64_t room = (UINT64_C(1) << log) * KITH__SLOTS * 3 / 4;

        EXPECT_OK(kith__table_reserve(stage.self, shard, room, false));
        assert_int_equal(log, log_of(shard));
        assert_false(kith__table_tight(shard, room));
        assert_true(kith__table_tight(shard, room + 1));
        EXPECT_OK(kith__table_reserve(stage.self, shard, room, false));
        assert_int_equal(log, log_of(shard)); /* nothing to be done */
    }
    EXPECT_OK(kith__table_reserve(stage.self, shard, 1, true));
    assert_int_equal(8, log_of(shard)); /* by force though there is room */
    kith__lock_release(stage.self, &shard->lock);
    close_dict();
}

static void
growing_moves_no_entry_and_keeps_their_order(void **unused)
{
    uint64_t before[300], after[300];
    struct kith__shard *shard;
    uint64_t old;

    (void)unused;
    make_dict();
    fill(0, 300);
    assert_int_equal(300, entries_of(&root->own, before, 300));
    old = kith__load(&root->own.table);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__table_reserve(stage.self, shard, 3000, false));
    kith__lock_release(stage.self, &shard->lock);
    assert_int_not_equal(old, kith__load(&root->own.table));
    assert_int_equal(300, entries_of(&root->own, after, 300));
    assert_memory_equal(before, after, sizeof before);
    for (int64_t n = 0; n < 300; n++)
        assert_int_equal(n * 3, int_under(KITH_INT(n)));
    assert_false(has_key(KITH_INT(300)));
    close_dict(); /* which finds each slot, and each count of what is displaced, as it should be */
}

static void
a_crowd_of_one_home_makes_the_table_grow_until_it_has_room(void **unused)
{
    enum { COUNT = 100 };
    struct kith__shard *shard;
    unsigned grown = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    for (int64_t n = 0; n < COUNT; n++) {
        struct kith__key key;
        struct kith__op op;
        kith_err err;

        key_hashed(&key, n, (uint64_t)n << 8); /* one home up to 256 buckets */
        do {
            kith__op_begin(&op, stage.self);
            err = kith__table_tight(shard, 1)
                      ? KITH_EFULL
                      : kith__table_insert(&op, root, shard, &key,
                                           (struct kith__stored){ .meta = KITH_TYPE_NONE });
            if (err == KITH_EFULL) {
                kith__op_abort(&op);
                EXPECT_OK(kith__table_reserve(stage.self, shard, 1, !kith__table_tight(shard, 1)));
                grown++;
            }
        } while (err == KITH_EFULL);
        EXPECT_OK(err);
        EXPECT_OK(kith__op_commit(&op));
    }
    assert_true(log_of(shard) > 8 && grown >= 6);
    for (int64_t n = 0; n < COUNT; n++) {
        struct kith__place place;
        struct kith__key key;
        struct kith__op op;

        key_hashed(&key, n, (uint64_t)n << 8);
        kith__op_begin(&op, stage.self);
        EXPECT_OK(kith__table_find(&op, shard, &key, &place));
        assert_non_null(place.entry);
        assert_true(place.distance < KITH__PROBES);
    }
    kith__lock_release(stage.self, &shard->lock);
    close_dict();
}

static void
more_keys_than_an_arena_can_have_are_no_table(void **unused)
{
    struct kith__shard *shard;
    uint64_t table, most;

    (void)unused;
    make_dict();
    fill(0, 20);
    table = kith__load(&root->own.table);
    most = stage.arena->size / sizeof(struct kith__entry);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_RC(KITH_ECORRUPT, kith__table_reserve(stage.self, shard, most, false));
    kith__store(&shard->table, (table & ~UINT64_C(63)) | 37); /* overwritten */
    EXPECT_RC(KITH_ECORRUPT, kith__table_reserve(stage.self, shard, 1, true));
    kith__store(&shard->table, table);
    kith__lock_release(stage.self, &shard->lock);
    assert_int_equal(table, kith__load(&root->own.table));
    for (int64_t n = 0; n < 20; n++)
        assert_int_equal(n * 3, int_under(KITH_INT(n)));
    close_dict();
}

static void
without_memory_the_old_table_stays(void **unused)
{
    uint64_t off[64], pin[64], table;
    struct kith__shard *shard;
    unsigned taken = 0;

    (void)unused;
    make_dict();
    fill(0, 20);
    table = kith__load(&root->own.table);
    while (taken < 64 && kith__extent_stage(stage.self, UINT64_C(1) << 19, false, &off[taken],
                                            &pin[taken]) == KITH_OK)
        taken++;
    assert_true(taken > 0 && taken < 64);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_RC(KITH_ENOMEM, kith__table_reserve(stage.self, shard, 100000, false));
    kith__lock_release(stage.self, &shard->lock);
    assert_int_equal(table, kith__load(&root->own.table));
    while (taken-- > 0)
        kith__extent_drop(stage.self, off[taken], pin[taken]);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__table_reserve(stage.self, shard, 100000, false));
    kith__lock_release(stage.self, &shard->lock);
    close_dict();
}

/* ---- Many shards -------------------------------------------------------------------------- */

static void
a_dict_that_outgrew_its_shard_has_64_each_with_its_list_in_order(void **unused)
{
    enum { COUNT = KITH__SPREAD_AT };
    uint64_t offs[COUNT], total = 0, seq;
    struct kith__shard *shards;
    unsigned count;

    (void)unused;
    make_dict();
    fill(0, COUNT);
    assert_int_equal(0, kith__load(&root->shards));
    seq = kith__load(&root->own.seq);
    fill(COUNT, COUNT + 1); /* one more than the one shard keeps */
    assert_true(kith__load(&root->own.seq) > seq);
    assert_int_not_equal(0, kith__load(&root->shards));
    assert_int_equal(0, kith__load(&root->own.table));
    assert_int_equal(0, kith__load(&root->own.first));
    assert_int_equal(0, kith__load(&root->own.last));
    assert_int_equal(0, kith__load(&root->own.count));
    assert_int_equal(0, kith__load(&root->own.intent));
    shards = kith__dict_shards(&dict, kith__load(&root->shards), &count);
    assert_int_equal(KITH__SHARDS, count);
    for (unsigned i = 0; i < count; i++) {
        uint64_t n = entries_of(&shards[i], offs, COUNT), ticket = 0;

        assert_int_equal(n, kith__load(&shards[i].count));
        assert_int_equal(dict.off, kith__load(&shards[i].root));
        assert_false(kith__table_tight(&shards[i], n / 2)); /* with room to grow */
        for (uint64_t k = 0; k < n; k++) {
            struct kith__entry *entry = kith__ptr(stage.arena, offs[k]);

            assert_int_equal(i, kith__shard_of(entry->hash));
            assert_true(entry->ticket > ticket);
            ticket = entry->ticket;
        }
        total += n;
    }
    assert_int_equal(COUNT + 1, total);
    for (int64_t n = 0; n <= COUNT; n++)
        assert_int_equal(n * 3, int_under(KITH_INT(n)));
    close_dict();
}

static void
a_bounded_dict_keeps_its_one_shard(void **unused)
{
    struct kith__shard *shard;

    (void)unused;
    make_bounded(1000, 0, KITH_DICT_FIFO);
    fill(0, 600);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__dict_spread(stage.self, &dict));
    kith__lock_release(stage.self, &shard->lock);
    assert_int_equal(0, kith__load(&root->shards));
    assert_int_equal(600, kith__load(&root->own.count));
    close_dict();
}

static void
a_list_that_goes_round_is_not_spread(void **unused)
{
    struct kith__entry *last;
    struct kith__shard *shard;

    (void)unused;
    make_dict();
    fill(0, 50);
    last = kith__ptr(stage.arena, kith__load(&root->own.last));
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    kith__store(&last->next, kith__load(&shard->first));
    EXPECT_RC(KITH_ECORRUPT, kith__dict_spread(stage.self, &dict));
    kith__store(&last->next, 8);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_spread(stage.self, &dict));
    kith__store(&last->next, 0);
    kith__lock_release(stage.self, &shard->lock);
    assert_int_equal(0, kith__load(&root->shards));
    assert_int_equal(50, length());
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_tight_above_three_quarters_of_its_slots),
        cmocka_unit_test(growing_moves_no_entry_and_keeps_their_order),
        cmocka_unit_test(a_crowd_of_one_home_makes_the_table_grow_until_it_has_room),
        cmocka_unit_test(more_keys_than_an_arena_can_have_are_no_table),
        cmocka_unit_test(without_memory_the_old_table_stays),
        cmocka_unit_test(a_dict_that_outgrew_its_shard_has_64_each_with_its_list_in_order),
        cmocka_unit_test(a_bounded_dict_keeps_its_one_shard),
        cmocka_unit_test(a_list_that_goes_round_is_not_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
