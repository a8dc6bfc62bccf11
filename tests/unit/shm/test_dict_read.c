#include "shm/quick.h"

#include "dict_stage.h"

#define LARGE (KITH__SMALL_MAX + 1000)

static struct crowd crowd;

static void
open_all(void)
{
    make_dict();
    crowd_come(&crowd, &stage);
}

static void
close_all(void)
{
    crowd_leave(&crowd);
    close_dict();
}

static kith_err
find(struct kith_item name, struct kith__found *found)
{
    struct kith__key key;
    kith_err err;

    key_make(&key, name);
    err = kith__dict_find(stage.self, &dict, &key, found);
    kith__key_free(&key);
    return err;
}

static kith_err
get_stale(struct kith_item name, int64_t *expires_out)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;
    kith_err err;

    key_make(&key, name);
    err = kith__dict_get_stale(stage.self, &dict, &key, &buf, expires_out);
    kith__key_free(&key);
    kith_buf_free(&buf);
    return err;
}

static enum kith__quick
get_quickly(struct kith_item name, struct kith_buf *out)
{
    struct kith__short_key key = { 0 };

    assert_true(kith__short_key_of(stage.arena->hash_key, &name, &key));
    return kith__quick_get(&dict, &key, out);
}

/* ---- Beside a record (R4) ----------------------------------------------------------------- */

static void
what_a_record_covers_is_read_from_it_once_it_is_committed(void **unused)
{
    struct kith__place place;
    struct kith__found found;
    uint64_t head;

    (void)unused;
    open_all();
    EXPECT_OK(set_item(kith_str("k"), KITH_INT(1)));
    place = place_of_key(kith_str("k"));
    head = kith__load(&place.bucket->head);
    record_of(crowd.actor[0], &place.entry->value, 2, false);
    kith__store(&place.bucket->head, head | crowd.id[0]);
    assert_int_equal(1, int_under(kith_str("k"))); /* it may yet be dropped */
    record_of(crowd.actor[0], &place.entry->value, 2, true);
    assert_int_equal(2, int_under(kith_str("k")));
    EXPECT_OK(find(kith_str("k"), &found));
    assert_int_equal(2, found.value);
    record_ends(crowd.actor[0]);
    assert_int_equal(1, int_under(kith_str("k"))); /* it was no record of this word after all */
    record_of(crowd.actor[0], &place.bucket->slot[place.slot], 0, true);
    EXPECT_RC(KITH_ENOENT, get_item(kith_str("k"), NULL)); /* taken out */
    record_ends(crowd.actor[0]);
    kith__store(&place.bucket->head, head);
    close_all();
}

static void
what_a_record_does_to_the_whole_dict_is_seen_by_its_intent(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    open_all();
    EXPECT_OK(set_item(kith_str("k"), KITH_INT(1)));
    kith__store(&root->own.intent, crowd.id[1]);
    assert_int_equal(1, int_under(kith_str("k")));
    record_of(crowd.actor[1], &root->own.table, 0, true);
    EXPECT_RC(KITH_ENOENT, get_item(kith_str("k"), NULL)); /* emptied */
    record_ends(crowd.actor[1]);
    record_of(crowd.actor[1], &root->id, 0, true);
    EXPECT_RC(KITH_EGONE, get_item(kith_str("k"), NULL)); /* destroyed */
    record_ends(crowd.actor[1]);
    kith__store(&root->own.intent, 0);
    dict.id++;
    EXPECT_RC(KITH_EGONE, get_item(kith_str("k"), &buf));
    dict.id--;
    assert_int_equal(1, int_under(kith_str("k")));
    close_all();
}

/* ---- The quick way ------------------------------------------------------------------------ */

static void
the_quick_way_is_unsure_wherever_a_record_may_be_in_the_way(void **unused)
{
    const struct kith_item name = KITH_INT(7), absent = KITH_INT(8);
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__place place;
    uint64_t head, table;

    (void)unused;
    open_all();
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf)); /* there is no table */
    EXPECT_OK(set_item(name, KITH_INT(70)));
    place = place_of_key(name);
    assert_int_equal(KITH__QUICK_FOUND, get_quickly(name, NULL));
    assert_int_equal(KITH__QUICK_FOUND, get_quickly(name, &buf));
    assert_int_equal(70, buf.item.integer);
    assert_int_equal(KITH__QUICK_ABSENT, get_quickly(absent, &buf));

    head = kith__load(&place.bucket->head);
    kith__store(&place.bucket->head, head | crowd.id[0]);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    kith__store(&place.bucket->head, head + KITH__HEAD_OVERFLOW_ONE);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(absent, &buf)); /* it may be further on */
    kith__store(&place.bucket->head, head);
    kith__store(&root->own.intent, crowd.id[0]);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(absent, &buf));
    kith__store(&root->own.intent, 0);
    dict.id++;
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    dict.id--;
    table = kith__load(&root->own.table);
    kith__store(&root->own.table, stage.arena->size);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    kith__store(&root->own.table, table);
    kith__store(&root->shards, stage.arena->size);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    kith__store(&root->shards, 0);
    assert_int_equal(KITH__QUICK_FOUND, get_quickly(name, &buf));
    kith_buf_free(&buf);
    close_all();
}

static void
the_quick_way_leaves_what_expires_or_is_large_to_the_other(void **unused)
{
    const struct kith_item name = KITH_STR("name");
    struct kith_buf buf = KITH_BUF_INIT;
    static uint8_t bytes[2000];

    (void)unused;
    open_all();
    EXPECT_OK(set_item(name, kith_bytes(bytes, 1024)));
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf)); /* the buffer has no room yet */
    EXPECT_OK(kith__buf_reserve(&buf, 4096));
    assert_int_equal(KITH__QUICK_FOUND, get_quickly(name, &buf));
    assert_int_equal(1024, buf.item.size);
    EXPECT_OK(set_item(name, kith_bytes(bytes, 1025)));
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    EXPECT_OK(set_item(name, kith_bytes(bytes, 0)));
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    EXPECT_OK(set_for(name, KITH_INT(1), 10));
    assert_int_equal(KITH__QUICK_FOUND, get_quickly(name, &buf));
    pass_time(11);
    assert_int_equal(KITH__QUICK_UNSURE, get_quickly(name, &buf));
    kith_buf_free(&buf);
    close_all();
}

static void
the_locked_quick_way_tells_absent_from_unsure(void **unused)
{
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__key key;
    uint64_t head;
    bool absent = true;

    (void)unused;
    open_all();
    EXPECT_OK(set_item(KITH_INT(1), KITH_INT(1)));
    place = place_of_key(KITH_INT(1));
    key_make(&key, KITH_INT(1));
    EXPECT_OK(kith__quick_lock(stage.self, &dict, key.hash, &shard));
    assert_ptr_equal(place.entry, kith__quick_find(stage.arena, shard, &key, &absent));
    assert_false(absent);
    key_make(&key, KITH_INT(2));
    assert_null(kith__quick_find(stage.arena, shard, &key, &absent));
    assert_true(absent);
    head = kith__load(&place.bucket->head);
    kith__store(&place.bucket->head, head + KITH__HEAD_OVERFLOW_ONE);
    assert_null(kith__quick_find(stage.arena, shard, &key, &absent));
    assert_false(absent);
    kith__store(&place.bucket->head, head);
    kith__lock_release(stage.self, &shard->lock);
    dict.id++;
    EXPECT_RC(KITH_EGONE, kith__quick_lock(stage.self, &dict, key.hash, &shard));
    dict.id--;
    assert_int_equal(0, stage.self->depth);
    close_all();
}

/* ---- Copies and pins ---------------------------------------------------------------------- */

static void
items_of_every_size_come_out_as_they_went_in(void **unused)
{
    const size_t sizes[] = { 0, 1, 7, 8, 9, 1000, 1024, 1025, KITH__SMALL_MAX, LARGE, 200000 };
    uint8_t *bytes = malloc(200000);
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    open_all();
    for (size_t i = 0; i < 200000; i++)
        bytes[i] = (uint8_t)(i * 131 + i / 251);
    for (size_t i = 0; i < COUNTOF(sizes); i++)
        for (int tagged = 0; tagged < 2; tagged++) {
            struct kith_item item = kith_bytes(bytes, sizes[i]);

            if (tagged) {
                item.type = KITH_TYPE_FOREIGN;
                item.tag = "what/it is";
            }
            EXPECT_OK(set_item(kith_str("k"), item));
            EXPECT_OK(get_item(kith_str("k"), &buf));
            assert_int_equal(item.type, buf.item.type);
            assert_int_equal(sizes[i], buf.item.size);
            if (sizes[i] > 0)
                assert_memory_equal(bytes, buf.item.data, sizes[i]);
            if (tagged)
                assert_string_equal("what/it is", buf.item.tag);
            assert_int_equal(0, kith__load(&stage.self->actor->pin));
        }
    kith_buf_free(&buf);
    free(bytes);
    close_all();
}

static void
only_what_is_an_extent_is_pinned_and_no_more_than_a_process_may(void **unused)
{
    struct kith__holder *holder;
    kith__word *pins[KITH__PINS + 1];
    static uint8_t bytes[LARGE];
    uint64_t off = 1, meta;
    struct kith__key key;

    (void)unused;
    open_all();
    holder = kith__holder_at(stage.arena, stage.arena->holder);
    key_make(&key, kith_str("k"));
    EXPECT_RC(KITH_ENOENT, kith__dict_pin(stage.self, &dict, &key, &pins[0], &off, &meta));
    EXPECT_OK(set_item(kith_str("k"), kith_bytes(bytes, KITH__SMALL_MAX)));
    EXPECT_OK(kith__dict_pin(stage.self, &dict, &key, &pins[0], &off, &meta));
    assert_null(pins[0]);
    assert_int_equal(0, off);
    assert_int_equal(0, kith__load(&holder->pin_count));
    EXPECT_OK(set_item(kith_str("k"), kith_bytes(bytes, LARGE)));
    for (unsigned i = 0; i < KITH__PINS; i++) {
        EXPECT_OK(kith__dict_pin(stage.self, &dict, &key, &pins[i], &off, &meta));
        assert_int_equal(off, kith__load(pins[i]));
        assert_int_equal(KITH__META(KITH_TYPE_BYTES, 0, LARGE), meta);
    }
    assert_int_equal(KITH__PINS, kith__load(&holder->pin_count));
    EXPECT_RC(KITH_EFULL, kith__dict_pin(stage.self, &dict, &key, &pins[KITH__PINS], &off, &meta));
    assert_null(pins[KITH__PINS]);
    assert_int_equal(KITH__PINS, kith__load(&holder->pin_count));
    for (unsigned i = 0; i < KITH__PINS; i++) {
        kith__store_release(pins[i], 0);
        atomic_fetch_sub(&holder->pin_count, 1);
    }
    kith__key_free(&key);
    close_all();
}

/* ---- What expires, and use ---------------------------------------------------------------- */

static void
what_has_expired_is_absent_but_to_those_who_ask_for_it(void **unused)
{
    struct kith__found found = { 0 };
    int64_t expires = 0;
    struct kith__key key;

    (void)unused;
    open_all();
    EXPECT_OK(set_for(kith_str("k"), KITH_INT(1), 100));
    pass_time(90);
    assert_int_equal(1, int_under(kith_str("k")));
    pass_time(11);
    EXPECT_RC(KITH_ENOENT, get_item(kith_str("k"), NULL));
    EXPECT_RC(KITH_ENOENT, find(kith_str("k"), &found));
    assert_int_equal(0, found.meta);
    EXPECT_OK(get_stale(kith_str("k"), &expires));
    assert_true(expires != 0 && expires <= kith__arena_now_ns(stage.arena));
    key_make(&key, kith_str("k"));
    EXPECT_RC(KITH_ENOENT, kith__dict_get_readonly(stage.arena, &dict, &key, NULL, &found));
    EXPECT_OK(kith__dict_get_stale_readonly(stage.arena, &dict, &key, NULL, &expires));
    assert_non_null(entry_of(kith_str("k"))); /* no reader took it out */
    close_all();
}

static void
a_get_tells_eviction_by_use_unless_it_would_have_to_wait(void **unused)
{
    struct kith__shard *shard;
    struct kith__more *more;

    (void)unused;
    make_bounded(10, 0, KITH_DICT_SIEVE);
    EXPECT_OK(set_item(kith_str("k"), KITH_INT(1)));
    more = kith__entry_more(entry_of(kith_str("k")));
    assert_non_null(more);
    assert_int_equal(0, kith__load(&more->visited));
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    assert_int_equal(1, int_under(kith_str("k")));
    assert_int_equal(0, kith__load(&more->visited));
    kith__lock_release(stage.self, &shard->lock);
    assert_int_equal(1, int_under(kith_str("k")));
    assert_int_equal(1, kith__load(&more->visited));
    close_dict();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
a_reader_of_what_was_overwritten_gives_up_in_the_end(void **unused)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__place place;
    uint64_t word;

    (void)unused;
    open_all();
    EXPECT_OK(set_item(kith_str("k"), kith_str("more than eight bytes")));
    place = place_of_key(kith_str("k"));
    word = kith__load(&place.bucket->slot[place.slot]);
    kith__store(&place.bucket->slot[place.slot],
                (word & ~((UINT64_C(1) << 48) - 1)) | stage.arena->size >> 4);
    EXPECT_RC(KITH_ECORRUPT, get_item(kith_str("k"), &buf));
    kith__store(&place.bucket->slot[place.slot], word);
    word = kith__load(&place.entry->value);
    kith__store(&place.entry->value, stage.arena->size - 8);
    EXPECT_RC(KITH_ECORRUPT, get_item(kith_str("k"), &buf));
    kith__store(&place.entry->value, word);
    word = kith__load(&root->own.table);
    kith__store(&root->own.table, (word & ~UINT64_C(63)) | 41);
    EXPECT_RC(KITH_ECORRUPT, get_item(kith_str("k"), &buf));
    kith__store(&root->own.table, word);
    EXPECT_OK(get_item(kith_str("k"), &buf));
    kith_buf_free(&buf);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_record_covers_is_read_from_it_once_it_is_committed),
        cmocka_unit_test(what_a_record_does_to_the_whole_dict_is_seen_by_its_intent),
        cmocka_unit_test(the_quick_way_is_unsure_wherever_a_record_may_be_in_the_way),
        cmocka_unit_test(the_quick_way_leaves_what_expires_or_is_large_to_the_other),
        cmocka_unit_test(the_locked_quick_way_tells_absent_from_unsure),
        cmocka_unit_test(items_of_every_size_come_out_as_they_went_in),
        cmocka_unit_test(only_what_is_an_extent_is_pinned_and_no_more_than_a_process_may),
        cmocka_unit_test(what_has_expired_is_absent_but_to_those_who_ask_for_it),
        cmocka_unit_test(a_get_tells_eviction_by_use_unless_it_would_have_to_wait),
        cmocka_unit_test(a_reader_of_what_was_overwritten_gives_up_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
