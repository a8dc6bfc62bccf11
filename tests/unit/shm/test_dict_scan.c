#include "dict_stage.h"

static struct crowd crowd;

static void
open_all(int64_t count)
{
    make_dict();
    crowd_come(&crowd, &stage);
    for (int64_t n = 0; n < count; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n * 3)));
}

static void
close_all(void)
{
    crowd_leave(&crowd);
    close_dict();
}

/* One of the crowd has the lock of a shard, and goes on with nothing. */
static void
hold(struct kith__shard *shard, unsigned who)
{
    atomic_store(&shard->lock.word, crowd.id[who]);
}

static void
let_go(struct kith__shard *shard)
{
    atomic_store(&shard->lock.word, 0);
}

static struct kith__shard *
shard_of_key(int64_t n)
{
    struct kith__key key;

    key_make(&key, KITH_INT(n));
    return shard_of(key.hash);
}

/* ---- len ---------------------------------------------------------------------------------- */

static void
len_adds_up_all_shards(void **unused)
{
    (void)unused;
    open_all(0);
    assert_int_equal(0, length());
    for (int64_t n = 0; n < 1000; n++) {
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
        assert_int_equal(n + 1, length());
    }
    assert_int_not_equal(0, kith__load(&root->shards));
    EXPECT_OK(delete_key(KITH_INT(500)));
    assert_int_equal(999, length());
    EXPECT_OK(kith__dict_len(NULL, &dict, &(uint64_t){ 0 })); /* as one who may only read */
    dict.id++;
    EXPECT_RC(KITH_EGONE, kith__dict_len(stage.self, &dict, &(uint64_t){ 0 }));
    dict.id--;
    close_all();
}

static void
a_committed_record_of_a_locks_owner_counts(void **unused)
{
    struct kith__shard *shard;
    uint64_t before;

    (void)unused;
    open_all(500);
    shard = shard_of_key(0);
    before = kith__load(&shard->count);
    hold(shard, 0);
    assert_int_equal(500, length()); /* an owner without a record is waited for by nobody */
    record_of(crowd.actor[0], &shard->count, before + 100, false);
    assert_int_equal(500, length());
    record_of(crowd.actor[0], &shard->count, before + 100, true);
    assert_int_equal(600, length());
    record_ends(crowd.actor[0]);
    let_go(shard);
    record_of(crowd.actor[0], &shard->count, before + 100, true);
    assert_int_equal(500, length()); /* of one who has no lock of the dict */
    record_ends(crowd.actor[0]);
    close_all();
}

/* ---- get_many ----------------------------------------------------------------------------- */

#define MANY 6

static kith_err
get_many(const int64_t *numbers, struct kith_buf *items)
{
    struct kith__key keys[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        key_make(&keys[i], KITH_INT(numbers[i]));
        items[i] = (struct kith_buf)KITH_BUF_INIT;
    }
    return kith__dict_get_many(stage.self, &dict, keys, MANY, items);
}

static void
many_keys_are_read_at_once_and_the_absent_ones_marked(void **unused)
{
    const int64_t numbers[MANY] = { 3, 1000, 3, 499, 0, -1 };
    struct kith_buf items[MANY];

    (void)unused;
    open_all(500);
    EXPECT_OK(set_for(KITH_INT(0), KITH_INT(1), 10));
    pass_time(11);
    EXPECT_RC(KITH_ENOENT, get_many(numbers, items));
    for (unsigned i = 0; i < MANY; i++) {
        bool absent = numbers[i] == 1000 || numbers[i] == -1 || numbers[i] == 0;

        assert_int_equal(absent, items[i].item.tag == kith_absent);
        if (!absent)
            assert_int_equal(numbers[i] * 3, items[i].item.integer);
        kith_buf_free(&items[i]);
    }
    EXPECT_OK(get_many((const int64_t[MANY]){ 1, 2, 3, 4, 5, 6 }, items));
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal((i + 1) * 3, items[i].item.integer);
        kith_buf_free(&items[i]);
    }
    close_all();
}

static void
many_keys_are_read_beside_a_record_as_if_it_were_done(void **unused)
{
    const int64_t numbers[MANY] = { 1, 2, 3, 4, 5, 6 };
    struct kith_buf items[MANY];
    struct kith__shard *shard;

    (void)unused;
    open_all(500);
    shard = shard_of_key(4);
    hold(shard, 1);
    record_of(crowd.actor[1], &entry_of(KITH_INT(4))->value, 4000, true);
    EXPECT_OK(get_many(numbers, items));
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(i == 3 ? 4000 : (i + 1) * 3, items[i].item.integer);
        kith_buf_free(&items[i]);
    }
    record_ends(crowd.actor[1]);
    EXPECT_OK(get_many(numbers, items)); /* S3: read twice, and the same both times */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal((i + 1) * 3, items[i].item.integer);
        kith_buf_free(&items[i]);
    }
    let_go(shard);
    close_all();
}

/* ---- A copy ------------------------------------------------------------------------------- */

static void
a_copy_is_in_the_order_of_insertion_across_all_shards(void **unused)
{
    struct kith__copy copy;
    char tag[KITH_TAG_SIZE_MAX + 1];

    (void)unused;
    open_all(700);
    for (int64_t n = 0; n < 700; n += 7) { /* taken out, and in again at the end */
        EXPECT_OK(delete_key(KITH_INT(n)));
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(-n)));
    }
    EXPECT_OK(kith__dict_copy(stage.self, &dict, true, &copy));
    assert_int_equal(700, copy.count);
    for (uint64_t i = 0, n = 0; i < 600; i++) {
        n += n % 7 == 0;
        assert_int_equal(n, kith__copy_key(&copy, i).integer);
        assert_int_equal(n * 3, kith__copy_item(stage.arena, &copy, i, tag).integer);
        n++;
    }
    for (uint64_t i = 600; i < 700; i++) {
        assert_int_equal((i - 600) * 7, kith__copy_key(&copy, i).integer);
        assert_int_equal(-(int64_t)(i - 600) * 7,
                         kith__copy_item(stage.arena, &copy, i, tag).integer);
    }
    kith__copy_free(&copy);
    assert_null(copy.bytes);
    close_all();
}

static void
a_copy_has_large_keys_and_items_with_tags_and_nothing_expired(void **unused)
{
    static uint8_t bytes[50000];
    struct kith__copy copy;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item = {
        .type = KITH_TYPE_FOREIGN, .tag = "a/tag", .data = bytes, .size = sizeof bytes
    };

    (void)unused;
    memset(bytes, 'x', sizeof bytes);
    open_all(0);
    EXPECT_OK(set_item(kith_bytes(bytes, 9001), item));
    EXPECT_OK(set_for(kith_str("gone"), KITH_INT(1), 10));
    item.size = 1;
    EXPECT_OK(set_item(kith_str("short"), item));
    pass_time(11);
    EXPECT_OK(kith__dict_copy(stage.self, &dict, true, &copy));
    assert_int_equal(2, copy.count);
    assert_int_equal(9001, kith__copy_key(&copy, 0).size);
    assert_memory_equal(bytes, kith__copy_key(&copy, 0).data, 9001);
    item = kith__copy_item(stage.arena, &copy, 0, tag);
    assert_int_equal(sizeof bytes, item.size);
    assert_memory_equal(bytes, item.data, sizeof bytes);
    assert_string_equal("a/tag", item.tag);
    item = kith__copy_item(stage.arena, &copy, 1, tag);
    assert_int_equal(1, item.size);
    assert_string_equal("a/tag", item.tag);
    kith__copy_free(&copy);
    EXPECT_OK(kith__dict_copy(NULL, &dict, false, &copy)); /* keys alone, read only */
    assert_int_equal(2, copy.count);
    assert_true(copy.size < sizeof bytes);
    kith__copy_free(&copy);
    close_all();
}

static void
an_item_of_no_type_or_with_a_tag_too_long_is_broken_and_copied_by_nobody(void **unused)
{
    struct kith__copy copy;
    struct kith_item item = {
        .type = KITH_TYPE_FOREIGN, .tag = "t", .data = "twenty bytes, and so", .size = 20
    };
    char tag[KITH_TAG_SIZE_MAX + 1];
    const uint64_t wrong[] = {
        KITH__META(KITH_TYPE_REFERENCE + 1, 0, 21), KITH__META(0x3fu, 0, 8),
        KITH__META(KITH_TYPE_FOREIGN, KITH_TAG_SIZE_MAX + 1, 21), /* longer than it can be */
    };
    struct kith__entry *entry;
    uint64_t meta;

    (void)unused;
    open_all(0);
    EXPECT_OK(set_item(kith_str("k"), item));
    entry = entry_of(kith_str("k"));
    meta = kith__load(&entry->meta);
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kith__store(&entry->meta, wrong[i]);
        EXPECT_RC(KITH_ECORRUPT, kith__dict_copy(stage.self, &dict, true, &copy));
        assert_null(copy.bytes);
    }
    /* Without its tag it is one with an empty tag, never with none. */
    kith__store(&entry->meta, KITH__META(KITH_TYPE_FOREIGN, 0, 20));
    EXPECT_OK(kith__dict_copy(stage.self, &dict, true, &copy));
    assert_string_equal("", kith__copy_item(stage.arena, &copy, 0, tag).tag);
    kith__copy_free(&copy);
    kith__store(&entry->meta, meta);
    close_all();
}

static void
a_list_longer_than_its_count_is_broken_and_copied_by_nobody(void **unused)
{
    struct kith__copy copy;
    struct kith__entry *last;

    (void)unused;
    open_all(20);
    kith__store(&root->own.count, 10);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_copy(stage.self, &dict, true, &copy));
    assert_null(copy.bytes);
    kith__store(&root->own.count, 20);
    last = kith__ptr(stage.arena, kith__load(&root->own.last));
    kith__store(&last->next, kith__load(&root->own.first)); /* round and round */
    EXPECT_RC(KITH_ECORRUPT, kith__dict_copy(stage.self, &dict, true, &copy));
    kith__store(&last->next, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_copy(stage.self, &dict, true, &copy));
    kith__store(&last->next, 0);
    EXPECT_OK(kith__dict_copy(stage.self, &dict, true, &copy));
    assert_int_equal(20, copy.count);
    kith__copy_free(&copy);
    assert_int_equal(0, stage.self->depth);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(len_adds_up_all_shards),
        cmocka_unit_test(a_committed_record_of_a_locks_owner_counts),
        cmocka_unit_test(many_keys_are_read_at_once_and_the_absent_ones_marked),
        cmocka_unit_test(many_keys_are_read_beside_a_record_as_if_it_were_done),
        cmocka_unit_test(a_copy_is_in_the_order_of_insertion_across_all_shards),
        cmocka_unit_test(a_copy_has_large_keys_and_items_with_tags_and_nothing_expired),
        cmocka_unit_test(an_item_of_no_type_or_with_a_tag_too_long_is_broken_and_copied_by_nobody),
        cmocka_unit_test(a_list_longer_than_its_count_is_broken_and_copied_by_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
