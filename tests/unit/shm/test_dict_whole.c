#include "shm/flight.h"

#include "dict_stage.h"

static void
fill(int64_t from, int64_t to)
{
    for (int64_t n = from; n < to; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
}

static void
expect_empty(void)
{
    assert_int_equal(0, kith__load(&root->shards));
    assert_int_equal(0, kith__load(&root->own.table));
    assert_int_equal(0, kith__load(&root->own.first));
    assert_int_equal(0, kith__load(&root->own.last));
    assert_int_equal(0, kith__load(&root->own.count));
    assert_int_equal(0, kith__load(&root->own.hand));
    assert_int_equal(0, kith__load(&root->own.sweep));
    assert_int_equal(0, kith__load(&root->own.intent));
    assert_int_equal(dict.id, kith__load(&root->id));
    assert_int_equal(0, length());
}

/* ---- Emptying ----------------------------------------------------------------------------- */

static void
a_dict_that_was_emptied_is_as_it_was_made(void **unused)
{
    (void)unused;
    make_dict();
    expect_empty();
    for (int64_t count = 1; count < 1000; count *= 3) { /* of one shard, and of many */
        fill(0, count);
        EXPECT_OK(kith__dict_clear(stage.self, &dict));
        expect_empty();
        assert_false(has_key(KITH_INT(0)));
    }
    fill(0, 5);
    assert_int_equal(5, length());
    close_dict();
}

static void
emptying_keeps_the_bounds_and_counts_bytes_from_the_beginning(void **unused)
{
    (void)unused;
    make_bounded(3, 1000, KITH_DICT_SIEVE);
    fill(0, 3);
    EXPECT_RC(KITH_EVICTED, set_item(KITH_INT(3), KITH_INT(3)));
    EXPECT_OK(kith__dict_clear(stage.self, &dict));
    expect_empty();
    assert_int_equal(1, kith__load(&root->own.bytes));
    fill(0, 3);
    EXPECT_RC(KITH_EVICTED, set_item(KITH_INT(3), KITH_INT(3)));
    assert_int_equal(1 + 3 * 16, kith__load(&root->own.bytes));
    close_dict();
}

static void
what_was_emptied_is_taken_apart_when_nothing_is_held(void **unused)
{
    const size_t size = 100000;
    uint8_t *bytes = calloc(1, size);
    uint64_t used = 0;

    (void)unused;
    make_dict();
    for (int round = 0; round < 20; round++) {
        fill(0, 400);
        for (int64_t n = 1000; n < 1020; n++)
            EXPECT_OK(set_item(KITH_INT(n), kith_bytes(bytes, size)));
        stage.self->tidying = true; /* so that the carcass lies there for a look */
        EXPECT_OK(kith__dict_clear(stage.self, &dict));
        expect_empty();
        assert_int_equal(1, kith__load(&stage.self->actor->trash.count));
        EXPECT_WHOLE(&stage);
        stage.self->tidying = false;
        put_away(&stage);
        assert_int_equal(0, kith__load(&stage.self->actor->trash.count));
        if (round == 1)
            used = granules_used(&stage);
        assert_true(round < 1 || granules_used(&stage) <= used);
    }
    free(bytes);
    close_dict();
}

/* ---- Ending ------------------------------------------------------------------------------- */

static void
a_dict_that_ends_is_nobodys_and_gives_everything_back(void **unused)
{
    uint64_t used = 0;

    (void)unused;
    make_dict();
    for (int round = 0; round < 10; round++) {
        const char *name = kith_kind_name(KITH_KIND_DICT);
        struct kith__bounds bounds = { 0 };
        struct kith__root_ref ref;
        struct kith__key key;
        bool mine = false;

        fill(0, 700);
        key_make(&key, kith_str("under way"));
        EXPECT_OK(kith__flight_begin(stage.self, &dict, &key, 0, &mine));
        assert_true(mine);
        EXPECT_OK(kith__catalog_destroy(stage.self, name));
        assert_int_equal(0, kith__load(&root->id));
        EXPECT_RC(KITH_EGONE, get_item(KITH_INT(1), NULL));
        EXPECT_RC(KITH_EGONE, set_item(KITH_INT(1), KITH_INT(1)));
        EXPECT_RC(KITH_EGONE, kith__dict_clear(stage.self, &dict));
        EXPECT_RC(KITH_EGONE, kith__dict_popitem(stage.self, &dict, NULL, NULL));
        EXPECT_RC(KITH_EGONE, kith__flight_end(stage.self, &dict, &key));
        put_away(&stage);
        assert_int_equal(0, kith__load(&root->flights));
        assert_int_equal(0, kith__load(&root->shards));
        if (round == 1)
            used = granules_used(&stage);
        assert_true(round < 1 || granules_used(&stage) <= used);
        ref = stage_make(&stage, KITH_KIND_DICT, init_dict, &bounds);
        dict = (struct kith__dict){ stage.arena, ref.off, ref.id };
        root = kith__dict_root(&dict);
    }
    close_dict();
}

static void
a_live_dict_is_not_taken_apart(void **unused)
{
    kith__word source = dict.off;

    (void)unused;
    make_dict();
    fill(0, 10);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_dismantle(stage.self, dict.off, &source, 1));
    assert_int_equal(1, kith__load(&source)); /* whoever named it does so no more */
    EXPECT_RC(KITH_ECORRUPT, kith__dict_dismantle(stage.self, stage.arena->size, &source, 2));
    assert_int_equal(2, kith__load(&source));
    assert_int_equal(10, length());
    close_dict();
}

static void
of_an_overwritten_carcass_what_cannot_be_had_is_lost_and_nothing_else(void **unused)
{
    struct kith__dict_root *carcass;
    struct kith__entry *entry;
    uint64_t next;

    (void)unused;
    make_dict();
    fill(0, 3);
    stage.self->tidying = true; /* so that the carcass lies there */
    EXPECT_OK(kith__dict_clear(stage.self, &dict));
    carcass =
        kith__ptr(stage.arena, kith__load(&stage.self->actor->trash_inline[0]) & ~KITH__TRASH_KIND);
    assert_int_equal(3, kith__load(&carcass->own.count));
    entry = kith__ptr(stage.arena, kith__load(&carcass->own.first));
    next = kith__load(&entry->next);
    EXPECT_FINDS_IN(&stage, entry->next, next + 16, "An entry of a dict taken apart");
    EXPECT_FINDS_IN(&stage, carcass->own.table, 64, "A table of a dict taken apart");
    kith__store(&entry->next, stage.arena->size);
    stage.self->tidying = false;
    put_away(&stage);
    fill(0, 3);
    assert_int_equal(3, length());
    EXPECT_FINDS(&stage, "leaked");
    stage_close(&stage);
}

/* ---- The newest --------------------------------------------------------------------------- */

static void
the_newest_of_all_shards_comes_out_first(void **unused)
{
    struct kith_buf key = KITH_BUF_INIT, item = KITH_BUF_INIT;

    (void)unused;
    make_dict();
    EXPECT_RC(KITH_EEMPTY, kith__dict_popitem(stage.self, &dict, &key, &item));
    fill(0, 600);
    EXPECT_OK(delete_key(KITH_INT(5)));
    fill(5, 6); /* the newest by now */
    EXPECT_OK(kith__dict_popitem(stage.self, &dict, &key, &item));
    assert_int_equal(5, key.item.integer);
    assert_int_equal(5, item.item.integer);
    for (int64_t n = 599; n >= 0; n--) {
        if (n == 5)
            continue;
        EXPECT_OK(kith__dict_popitem(stage.self, &dict, n % 2 == 0 ? &key : NULL,
                                     n % 3 == 0 ? &item : NULL));
        if (n % 2 == 0)
            assert_int_equal(n, key.item.integer);
        if (n % 3 == 0)
            assert_int_equal(n, item.item.integer);
    }
    EXPECT_RC(KITH_EEMPTY, kith__dict_popitem(stage.self, &dict, &key, &item));
    assert_int_equal(0, stage.self->depth);
    kith_buf_free(&key);
    kith_buf_free(&item);
    close_dict();
}

static void
what_has_expired_does_not_come_out(void **unused)
{
    struct kith_buf key = KITH_BUF_INIT;

    (void)unused;
    make_dict();
    fill(0, 1);
    EXPECT_OK(set_for(KITH_INT(1), KITH_INT(1), 1000));
    EXPECT_OK(set_for(KITH_INT(2), KITH_INT(2), 10));
    EXPECT_OK(set_for(KITH_INT(3), KITH_INT(3), 10));
    pass_time(11);
    EXPECT_OK(kith__dict_popitem(stage.self, &dict, &key, NULL));
    assert_int_equal(1, key.item.integer);
    EXPECT_OK(kith__dict_popitem(stage.self, &dict, &key, NULL));
    assert_int_equal(0, key.item.integer);
    EXPECT_RC(KITH_EEMPTY, kith__dict_popitem(stage.self, &dict, &key, NULL));
    kith_buf_free(&key);
    close_dict();
}

static void
of_an_overwritten_list_nothing_comes_out(void **unused)
{
    struct kith__entry *last;
    uint64_t word;

    (void)unused;
    make_dict();
    fill(0, 3);
    word = kith__load(&root->own.last);
    last = kith__ptr(stage.arena, word);
    kith__store(&root->own.last, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_popitem(stage.self, &dict, NULL, NULL));
    kith__store(&root->own.last, word);
    last->hash ^= UINT64_C(1) << 45; /* it is in the list, and cannot be found */
    EXPECT_RC(KITH_ECORRUPT, kith__dict_popitem(stage.self, &dict, NULL, NULL));
    last->hash ^= UINT64_C(1) << 45;
    word = last->key_meta;
    last->key_meta |= stage.arena->size << 8;
    EXPECT_RC(KITH_ECORRUPT, kith__dict_popitem(stage.self, &dict, NULL, NULL));
    last->key_meta = word;
    assert_int_equal(0, stage.self->depth);
    assert_int_equal(3, length());
    close_dict();
}

/* ---- What it says of itself --------------------------------------------------------------- */

static void
it_says_how_many_keys_shards_and_bytes_it_has(void **unused)
{
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    uint64_t bytes = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(kith__dict_info(stage.self, &dict, &info, &bytes));
    assert_int_equal(0, info.items + info.bytes_tables + info.bytes);
    assert_int_equal(1, info.shards);
    assert_int_equal(sizeof *root, bytes);
    fill(0, KITH__SPREAD_AT + 1);
    EXPECT_OK(kith__dict_info(stage.self, &dict, &info, &bytes));
    assert_int_equal(KITH__SPREAD_AT + 1, info.items);
    assert_int_equal(KITH__SHARDS, info.shards);
    assert_true(info.bytes_tables >= KITH__SHARDS * sizeof(struct kith__bucket));
    assert_true(bytes > info.bytes_tables + info.items * sizeof(struct kith__entry));
    close_dict();
    make_bounded(9, 900, KITH_DICT_FIFO);
    fill(0, 4);
    EXPECT_OK(kith__dict_info(stage.self, &dict, &info, NULL));
    assert_int_equal(9, info.max_items);
    assert_int_equal(900, info.max_bytes);
    assert_int_equal(KITH_DICT_FIFO, info.policy);
    assert_int_equal(4 * 16, info.bytes);
    dict.id++;
    EXPECT_RC(KITH_EGONE, kith__dict_info(stage.self, &dict, &info, NULL));
    dict.id--;
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dict_that_was_emptied_is_as_it_was_made),
        cmocka_unit_test(emptying_keeps_the_bounds_and_counts_bytes_from_the_beginning),
        cmocka_unit_test(what_was_emptied_is_taken_apart_when_nothing_is_held),
        cmocka_unit_test(a_dict_that_ends_is_nobodys_and_gives_everything_back),
        cmocka_unit_test(a_live_dict_is_not_taken_apart),
        cmocka_unit_test(of_an_overwritten_carcass_what_cannot_be_had_is_lost_and_nothing_else),
        cmocka_unit_test(the_newest_of_all_shards_comes_out_first),
        cmocka_unit_test(what_has_expired_does_not_come_out),
        cmocka_unit_test(of_an_overwritten_list_nothing_comes_out),
        cmocka_unit_test(it_says_how_many_keys_shards_and_bytes_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
