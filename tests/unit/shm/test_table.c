#include "shm/table.h"

#include "dict_stage.h"

static struct kith__shard *shard;

/* A table of 2^log buckets, locked. */
static void
open_table(unsigned log)
{
    make_dict();
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__table_reserve(stage.self, shard, (UINT64_C(5) << log), false));
    assert_int_equal((UINT64_C(1) << log) - 1, kith__table_mask(kith__load(&shard->table)));
}

static void
close_table(void)
{
    kith__lock_release(stage.self, &shard->lock);
    close_dict();
}

static struct kith__stored
number(int64_t n)
{
    return (struct kith__stored){ .meta = KITH__META(KITH_TYPE_INT, 0, 8), .value = (uint64_t)n };
}

static kith_err
insert(int64_t n, uint64_t hash)
{
    struct kith__key key;
    struct kith__op op;
    kith_err err;

    key_hashed(&key, n, hash);
    kith__op_begin(&op, stage.self);
    err = kith__table_insert(&op, root, shard, &key, number(n));
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    else
        kith__op_abort(&op);
    return err;
}

static struct kith__place
find(int64_t n, uint64_t hash)
{
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;

    key_hashed(&key, n, hash);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_find(&op, shard, &key, &place));
    return place;
}

static void delete (int64_t n, uint64_t hash)
{
    struct kith__place place = find(n, hash);
    struct kith__op op;

    assert_non_null(place.entry);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_delete(&op, &place, false));
    EXPECT_OK(kith__op_commit(&op));
}

/* The numbers in the order of the list, whose links are looked at on the way (T1, T3). */
static void
expect_list(const int64_t *numbers, uint64_t count)
{
    uint64_t off = kith__load(&shard->first), before = 0, ticket = 0;

    assert_int_equal(count, kith__load(&shard->count));
    for (uint64_t i = 0; i < count; i++) {
        struct kith__entry *entry = kith__ptr(stage.arena, off);

        assert_ptr_equal(entry, kith__entry_at(stage.arena, off));
        assert_int_equal(numbers[i], kith__load(&entry->value));
        assert_int_equal(before, kith__load(&entry->prev));
        assert_true(entry->ticket > ticket);
        ticket = entry->ticket;
        before = off;
        off = kith__load(&entry->next);
    }
    assert_int_equal(0, off);
    assert_int_equal(before, kith__load(&shard->last));
}

/* ---- Buckets ------------------------------------------------------------------------------ */

static void
a_match_has_the_slots_of_the_tag_and_no_others(void **unused)
{
    const uint64_t hash = UINT64_C(0x00beef0000000000), other = UINT64_C(0x00bee80000000000);
    _Alignas(64) struct kith__bucket bucket;

    (void)unused;
    for (unsigned which = 0; which < 1u << KITH__SLOTS; which++) {
        uint32_t expected = 0;

        kith__store(&bucket.head, kith__tag_of(hash)); /* a head is no slot, whatever is in it */
        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            bool same = (which >> s & 1) != 0;

            kith__store(&bucket.slot[s], kith__tag_of(same ? hash : other) | s << 4);
            expected |= same ? kith__match_bit(s) : 0;
        }
        assert_int_equal(expected, kith__bucket_match(&bucket, hash));
        if (which != 0)
            assert_int_equal(__builtin_ctz(which), kith__first_match(expected));
    }
}

static void
keys_of_one_home_stand_in_eight_buckets_and_are_counted_over_those_they_passed(void **unused)
{
    enum { MOST = KITH__PROBES * KITH__SLOTS };
    const uint64_t home = 12; /* of 16: they go on at the table's beginning */

    (void)unused;
    open_table(4);
    for (int64_t n = 0; n < MOST; n++)
        EXPECT_OK(insert(n, home | (uint64_t)n << 41));
    for (unsigned d = 0; d < KITH__PROBES; d++)
        assert_int_equal(MOST - (d + 1) * KITH__SLOTS,
                         overflow_of(bucket_at(shard, (home + d) & 15)));
    for (int64_t n = 0; n < MOST; n++) {
        struct kith__place place = find(n, home | (uint64_t)n << 41);

        assert_non_null(place.entry);
        assert_int_equal(n / KITH__SLOTS, place.distance);
        assert_ptr_equal(bucket_at(shard, (home + place.distance) & 15), place.bucket);
    }
    /* One more is for a larger table, though this one is half empty; and nothing came of it. */
    EXPECT_RC(KITH_EFULL, insert(MOST, home));
    assert_int_equal(MOST, kith__load(&shard->count));
    assert_null(find(MOST, home).entry);
    for (int64_t n = MOST - 1; n >= 0; n -= 2)
        delete (n, home | (uint64_t)n << 41);
    for (int64_t n = 0; n < MOST; n++)
        assert_int_equal(n % 2 == 0, find(n, home | (uint64_t)n << 41).entry != NULL);
    for (int64_t n = 0; n < MOST; n += 2)
        delete (n, home | (uint64_t)n << 41);
    for (unsigned b = 0; b < 16; b++)
        assert_int_equal(0, overflow_of(bucket_at(shard, b)));
    close_table();
}

static void
keys_with_one_hash_are_told_apart(void **unused)
{
    (void)unused;
    open_table(2);
    for (int64_t n = 0; n < 9; n++)
        EXPECT_OK(insert(n, UINT64_C(0x1234567800000001)));
    for (int64_t n = 0; n < 9; n++)
        assert_int_equal(n, kith__load(&find(n, UINT64_C(0x1234567800000001)).entry->value));
    assert_null(find(9, UINT64_C(0x1234567800000001)).entry);
    close_table();
}

/* ---- The list ----------------------------------------------------------------------------- */

static void
the_list_is_the_order_of_insertion_whatever_was_taken_out(void **unused)
{
    (void)unused;
    open_table(3);
    for (int64_t n = 0; n < 6; n++)
        EXPECT_OK(insert(n, (uint64_t)n));
    expect_list((const int64_t[]){ 0, 1, 2, 3, 4, 5 }, 6);
    delete (2, 2);
    expect_list((const int64_t[]){ 0, 1, 3, 4, 5 }, 5);
    delete (0, 0);
    delete (5, 5);
    expect_list((const int64_t[]){ 1, 3, 4 }, 3);
    EXPECT_OK(insert(0, 0)); /* one that comes again is the newest */
    expect_list((const int64_t[]){ 1, 3, 4, 0 }, 4);
    for (int64_t n = 0; n < 5; n++)
        if (n != 2)
            delete (n, (uint64_t)n);
    expect_list(NULL, 0);
    close_table();
}

static void
an_entry_that_goes_hands_the_cursors_on_to_the_next(void **unused)
{
    (void)unused;
    open_table(3);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(insert(n, (uint64_t)n));
    kith__store(&shard->hand, find(1, 1).entry_off);
    kith__store(&shard->sweep, find(2, 2).entry_off);
    delete (1, 1);
    assert_int_equal(find(2, 2).entry_off, kith__load(&shard->hand));
    delete (2, 2); /* behind the last comes the oldest */
    assert_int_equal(0, kith__load(&shard->hand));
    assert_int_equal(0, kith__load(&shard->sweep));
    close_table();
}

/* ---- Records ------------------------------------------------------------------------------ */

static void
a_record_sees_what_it_has_done_itself(void **unused)
{
    struct kith__place place;
    struct kith__key one, two;
    struct kith__op op;

    (void)unused;
    open_table(0);
    key_hashed(&one, 1, 0);
    key_hashed(&two, 2, 0);
    kith__op_begin(&op, stage.self);
    for (unsigned i = 0; i < 20; i++) { /* twenty entries one after the other in seven slots */
        EXPECT_OK(kith__table_insert(&op, root, shard, &one, number(i)));
        EXPECT_OK(kith__table_find(&op, shard, &one, &place));
        assert_non_null(place.entry);
        assert_true(place.covered);
        EXPECT_OK(kith__table_delete(&op, &place, false));
        EXPECT_OK(kith__table_find(&op, shard, &one, &place));
        assert_null(place.entry);
    }
    EXPECT_OK(kith__table_insert(&op, root, shard, &two, number(2)));
    assert_int_equal(0, kith__load(&shard->count)); /* so far it is only written down */
    EXPECT_OK(kith__op_commit(&op));
    expect_list((const int64_t[]){ 2 }, 1);
    assert_null(find(1, 0).entry);
    close_table();
}

static void
a_record_that_is_dropped_leaves_the_table_as_it_was(void **unused)
{
    struct kith__bucket buckets[2];
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;

    (void)unused;
    open_table(1);
    for (int64_t n = 0; n < 8; n++)
        EXPECT_OK(insert(n, 0));
    memcpy(buckets, bucket_at(shard, 0), sizeof buckets);
    place = find(3, 0);
    key_hashed(&key, 100, 0);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_insert(&op, root, shard, &key, number(100)));
    EXPECT_OK(kith__table_delete(&op, &place, false));
    kith__op_abort(&op);
    assert_memory_equal(buckets, bucket_at(shard, 0), sizeof buckets);
    expect_list((const int64_t[]){ 0, 1, 2, 3, 4, 5, 6, 7 }, 8);
    close_table();
}

static void
versions_rise_with_every_change_and_are_even_in_the_end(void **unused)
{
    struct kith__place place;
    struct kith__key key;
    uint64_t head, version;
    struct kith__op op;

    (void)unused;
    open_table(0);
    EXPECT_OK(insert(1, 0));
    place = find(1, 0);
    version = kith__load(&place.entry->version);
    assert_int_equal(place.entry->ticket << 24, version);
    head = kith__load(&place.bucket->head);
    kith__entry_store(place.entry, 5);
    assert_int_equal(version + 2, kith__load(&place.entry->version));
    assert_int_equal(head, kith__load(&place.bucket->head)); /* that was no record */
    kith__store(&place.entry->version, version + 3);         /* a store was cut short */
    kith__entry_store(place.entry, 6);
    assert_int_equal(version + 4, kith__load(&place.entry->version));
    key_hashed(&key, 1, 0);
    kith__op_begin(&op, stage.self);
    assert_true(kith__place_untouched(&op, &place));
    kith__table_replace(&op, &place, number(7));
    EXPECT_OK(kith__table_find(&op, shard, &key, &place));
    assert_false(kith__place_untouched(&op, &place));
    kith__table_replace(&op, &place, number(8)); /* once more in the same record */
    EXPECT_OK(kith__op_commit(&op));
    assert_int_equal(8, kith__load(&place.entry->value));
    assert_int_equal(version + 8, kith__load(&place.entry->version));
    assert_int_equal(head + KITH__HEAD_VERSION_ONE, kith__load(&place.bucket->head));
    delete (1, 0);
    EXPECT_OK(insert(1, 0));
    assert_true(kith__load(&find(1, 0).entry->version) > version + 8);
    close_table();
}

static void
an_entry_that_is_rebuilt_keeps_its_place_everywhere(void **unused)
{
    struct kith__place place, now;
    struct kith__stored stored = number(20);
    struct kith__op op;

    (void)unused;
    open_table(3);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(insert(n, (uint64_t)n));
    stored.expires = INT64_MAX;
    stored.life = 7;
    for (int64_t n = 0; n < 3; n++) { /* the first, one in the middle, and the last */
        place = find(n, (uint64_t)n);
        kith__store(&shard->hand, place.entry_off);
        stored.value = (uint64_t)n + 20;
        kith__op_begin(&op, stage.self);
        EXPECT_OK(kith__table_rebuild(&op, root, &place, stored));
        EXPECT_OK(kith__op_commit(&op));
        now = find(n, (uint64_t)n);
        assert_int_not_equal(place.entry_off, now.entry_off);
        assert_int_equal(now.entry_off, kith__load(&shard->hand));
        assert_int_equal(n + 1, now.entry->ticket);
        assert_non_null(kith__entry_more(now.entry));
        assert_int_equal(INT64_MAX, kith__load(&kith__entry_more(now.entry)->expires));
        assert_int_equal(7, kith__load(&kith__entry_more(now.entry)->life));
    }
    expect_list((const int64_t[]){ 20, 21, 22 }, 3);
    close_table();
}

static void
bytes_are_those_of_keys_and_items_if_they_are_counted(void **unused)
{
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;

    (void)unused;
    make_bounded(100, 0, KITH_DICT_REFUSE);
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_OK(kith__table_reserve(stage.self, shard, 5, false));
    assert_int_equal(1, kith__load(&shard->bytes)); /* none, and that is counted */
    EXPECT_OK(insert(1, 0));
    assert_int_equal(1 + 8 + 8, kith__load(&shard->bytes));
    key_make(&key, kith_str("three"));
    kith__op_begin(&op, stage.self);
    EXPECT_OK(
        kith__table_insert(&op, root, shard, &key,
                           (struct kith__stored){ .meta = KITH__META(KITH_TYPE_FOREIGN, 2, 3) }));
    EXPECT_OK(kith__op_commit(&op));
    assert_int_equal(1 + 16 + 5 + 5, kith__load(&shard->bytes));
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_find(&op, shard, &key, &place));
    kith__table_replace(&op, &place,
                        (struct kith__stored){ .meta = KITH__META(KITH_TYPE_STR, 0, 1) });
    EXPECT_OK(kith__op_commit(&op));
    assert_int_equal(1 + 16 + 5 + 1, kith__load(&shard->bytes));
    delete (1, 0);
    assert_int_equal(1 + 5 + 1, kith__load(&shard->bytes));
    kith__key_free(&key);
    close_table();
}

/* ---- Locks -------------------------------------------------------------------------------- */

static void
locking_tells_those_who_read_many_keys_and_takes_shards_in_order(void **unused)
{
    struct kith__shard *list[KITH__SHARDS + 1];
    uint64_t seq;
    unsigned count;

    (void)unused;
    make_dict();
    seq = kith__load(&root->own.seq);
    EXPECT_OK(kith__dict_lock_all(stage.self, &dict, list, &count));
    assert_int_equal(1, count);
    assert_ptr_equal(&root->own, list[0]);
    assert_int_equal(seq + 1, kith__load(&root->own.seq));
    EXPECT_OK(kith__dict_spread(stage.self, &dict));
    kith__shards_unlock(stage.self, list, count);
    seq = kith__load(&root->own.seq);
    EXPECT_OK(kith__ledger_reserve(stage.self, KITH__SHARDS + 1));
    EXPECT_OK(kith__dict_lock_all(stage.self, &dict, list, &count));
    assert_int_equal(KITH__SHARDS + 1, count);
    for (unsigned i = 1; i < count; i++)
        assert_true(list[i - 1] < list[i]);
    assert_int_equal(seq + 1, kith__load(&root->own.seq));
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(stage.self->id, atomic_load(&list[i]->lock.word));
    kith__shards_unlock(stage.self, list, count);
    assert_int_equal(0, stage.self->depth);
    for (uint64_t i = 0; i < KITH__SHARDS; i++) { /* the top bits of the hash say which */
        EXPECT_OK(kith__dict_lock(stage.self, &dict, i << 58 | 12345, &shard));
        assert_int_equal(i, shard - shard_of(0));
        kith__lock_release(stage.self, &shard->lock);
    }
    close_dict();
}

static void
a_dict_that_is_another_by_now_is_gone_and_stays_unlocked(void **unused)
{
    struct kith__dict old;
    struct kith__shard *list[KITH__SHARDS + 1];
    unsigned count;

    (void)unused;
    make_dict();
    old = dict;
    old.id++;
    EXPECT_RC(KITH_EGONE, kith__dict_lock(stage.self, &old, 0, &shard));
    EXPECT_RC(KITH_EGONE, kith__dict_lock_all(stage.self, &old, list, &count));
    assert_int_equal(0, atomic_load(&root->own.lock.word));
    assert_int_equal(0, stage.self->depth);
    kith__store(&root->shards, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_lock(stage.self, &dict, 0, &shard));
    EXPECT_RC(KITH_ECORRUPT, kith__dict_lock_all(stage.self, &dict, list, &count));
    kith__store(&root->shards, 0);
    close_dict();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
what_was_overwritten_is_found_out_and_nothing_is_done(void **unused)
{
    struct kith__entry *entry;
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;
    uint64_t table, word;

    (void)unused;
    open_table(2);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(insert(n, 1));
    key_hashed(&key, 1, 1);
    place = find(1, 1);
    kith__op_begin(&op, stage.self);

    table = kith__load(&shard->table);
    kith__store(&shard->table, (table & ~UINT64_C(63)) | 41);
    EXPECT_RC(KITH_ECORRUPT, kith__table_find(&op, shard, &key, &(struct kith__place){ 0 }));
    EXPECT_RC(KITH_ECORRUPT, kith__table_delete(&op, &place, false));
    kith__store(&shard->table, stage.arena->size | 2);
    EXPECT_RC(KITH_ECORRUPT, kith__table_find(&op, shard, &key, &(struct kith__place){ 0 }));
    EXPECT_RC(KITH_EFULL, kith__table_insert(&op, root, shard, &key, number(1)));
    kith__store(&shard->table, table);

    word = kith__load(&place.bucket->slot[place.slot]);
    kith__store(&place.bucket->slot[place.slot], kith__tag_of(1) | stage.arena->size >> 4);
    EXPECT_RC(KITH_ECORRUPT, kith__table_find(&op, shard, &key, &(struct kith__place){ 0 }));
    kith__store(&place.bucket->slot[place.slot], word);

    word = kith__load(&shard->last);
    kith__store(&shard->last, 8);
    EXPECT_RC(KITH_ECORRUPT, kith__table_insert(&op, root, shard, &key, number(1)));
    kith__store(&shard->last, word);

    word = kith__load(&place.entry->next);
    kith__store(&place.entry->next, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__table_delete(&op, &place, false));
    EXPECT_RC(KITH_ECORRUPT, kith__table_rebuild(&op, root, &place, number(1)));
    kith__store(&place.entry->next, word);
    assert_int_equal(0, op.count);

    /* An entry whose key would run out of the arena is not looked into. */
    entry = place.entry;
    word = entry->key_meta;
    entry->key_meta = KITH_TYPE_INT | stage.arena->size << 8;
    EXPECT_OK(kith__table_find(&op, shard, &key, &place));
    assert_null(place.entry);
    entry->key_meta = word;
    kith__op_abort(&op);
    expect_list((const int64_t[]){ 0, 1, 2 }, 3);
    close_table();
}

static void
walks_end_though_what_is_walked_goes_round(void **unused)
{
    (void)unused;
    make_dict();
    assert_int_equal(7, kith__entry_steps(stage.arena, 7));
    assert_int_equal(stage.arena->size / sizeof(struct kith__entry),
                     kith__entry_steps(stage.arena, UINT64_MAX));
    assert_null(kith__entry_at(stage.arena, 0));
    assert_null(kith__entry_at(stage.arena, stage.arena->size - 8));
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_has_the_slots_of_the_tag_and_no_others),
        cmocka_unit_test(
            keys_of_one_home_stand_in_eight_buckets_and_are_counted_over_those_they_passed),
        cmocka_unit_test(keys_with_one_hash_are_told_apart),
        cmocka_unit_test(the_list_is_the_order_of_insertion_whatever_was_taken_out),
        cmocka_unit_test(an_entry_that_goes_hands_the_cursors_on_to_the_next),
        cmocka_unit_test(a_record_sees_what_it_has_done_itself),
        cmocka_unit_test(a_record_that_is_dropped_leaves_the_table_as_it_was),
        cmocka_unit_test(versions_rise_with_every_change_and_are_even_in_the_end),
        cmocka_unit_test(an_entry_that_is_rebuilt_keeps_its_place_everywhere),
        cmocka_unit_test(bytes_are_those_of_keys_and_items_if_they_are_counted),
        cmocka_unit_test(locking_tells_those_who_read_many_keys_and_takes_shards_in_order),
        cmocka_unit_test(a_dict_that_is_another_by_now_is_gone_and_stays_unlocked),
        cmocka_unit_test(what_was_overwritten_is_found_out_and_nothing_is_done),
        cmocka_unit_test(walks_end_though_what_is_walked_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
