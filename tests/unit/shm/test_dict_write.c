#include "shm/dict.h"

#include "dict_stage.h"

#define LARGE (KITH__SMALL_MAX + 5000)

static uint8_t large_bytes[LARGE];

static const struct kith_item k = { .type = KITH_TYPE_STR, .data = "k", .size = 1 };

/* How many records this thread has carried out. */
static uint64_t
records(void)
{
    return kith__load(&stage.self->actor->main.state) >> 1;
}

static kith_err
try_change(enum kith__change_what what, struct kith_item item, struct kith_item expected,
           uint64_t version, struct kith_buf *out)
{
    return change(
        k, &(struct kith__change){
               .what = what, .item = item, .expected = expected, .version = version, .out = out });
}

/* ---- What is to be done ------------------------------------------------------------------- */

static void
each_change_does_what_it_says_with_a_key_and_without(void **unused)
{
    static const struct {
        enum kith__change_what what;
        int64_t expected; /* what is there is 1 */
        kith_err with, without;
        int64_t then_with, then_without; /* 0: the key is absent */
    } cases[] = {
        { KITH__CHANGE_SET, 0, KITH_OK, KITH_OK, 2, 2 },
        { KITH__CHANGE_INSERT, 0, KITH_EEXIST, KITH_OK, 1, 2 },
        { KITH__CHANGE_REPLACE, 0, KITH_OK, KITH_ENOENT, 2, 0 },
        { KITH__CHANGE_SETDEFAULT, 0, KITH_OK, KITH_OK, 1, 2 },
        { KITH__CHANGE_CAS, 1, KITH_OK, KITH_ECONFLICT, 2, 0 },
        { KITH__CHANGE_CAS, 5, KITH_ECONFLICT, KITH_ECONFLICT, 1, 0 },
        { KITH__CHANGE_CAS_VERSION, 0, KITH_ECONFLICT, KITH_ECONFLICT, 1, 0 },
        { KITH__CHANGE_DELETE, 0, KITH_OK, KITH_ENOENT, 0, 0 },
        { KITH__CHANGE_DELETE_IF, 1, KITH_OK, KITH_ECONFLICT, 0, 0 },
        { KITH__CHANGE_DELETE_IF, 5, KITH_ECONFLICT, KITH_ECONFLICT, 1, 0 },
        { KITH__CHANGE_DELETE_VERSION, 0, KITH_ECONFLICT, KITH_ECONFLICT, 1, 0 },
    };

    (void)unused;
    make_dict();
    for (size_t i = 0; i < COUNTOF(cases); i++)
        for (int with = 0; with < 2; with++) {
            int64_t then = with ? cases[i].then_with : cases[i].then_without;
            uint64_t before;
            kith_err err;

            if (has_key(k))
                EXPECT_OK(delete_key(k));
            if (with)
                EXPECT_OK(set_item(k, KITH_INT(1)));
            before = records();
            err = try_change(cases[i].what, KITH_INT(2), KITH_INT(cases[i].expected), 0, NULL);
            EXPECT_RC(with ? cases[i].with : cases[i].without, err);
            if (err < 0)
                assert_int_equal(before, records());
            assert_int_equal(then != 0, has_key(k));
            if (then != 0)
                assert_int_equal(then, int_under(k));
        }
    close_dict();
}

static void
a_version_fits_once_and_one_cut_short_fits_nobody(void **unused)
{
    const struct kith_item none = { .type = KITH_TYPE_NONE };
    struct kith__entry *entry;
    uint64_t version;

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(k, KITH_INT(1)));
    entry = entry_of(k);
    version = kith__load(&entry->version);
    EXPECT_OK(try_change(KITH__CHANGE_CAS_VERSION, KITH_INT(2), none, version, NULL));
    EXPECT_RC(KITH_ECONFLICT,
              try_change(KITH__CHANGE_CAS_VERSION, KITH_INT(3), none, version, NULL));
    version = kith__load(&entry->version);
    kith__store(&entry->version, version + 1); /* a store in place was cut short */
    EXPECT_RC(KITH_ECONFLICT,
              try_change(KITH__CHANGE_CAS_VERSION, KITH_INT(3), none, version, NULL));
    assert_int_equal(version + 2, kith__load(&entry->version));
    EXPECT_RC(KITH_ECONFLICT, try_change(KITH__CHANGE_DELETE_VERSION, none, none, version, NULL));
    EXPECT_OK(try_change(KITH__CHANGE_DELETE_VERSION, none, none, version + 2, NULL));
    assert_false(has_key(k));
    close_dict();
}

static void
the_old_item_comes_out_or_that_there_was_none(void **unused)
{
    const struct kith_item none = { .type = KITH_TYPE_NONE };
    struct kith_buf out = KITH_BUF_INIT;

    (void)unused;
    make_dict();
    EXPECT_OK(try_change(KITH__CHANGE_SET, KITH_INT(1), none, 0, &out));
    assert_true(out.item.tag == kith_absent);
    EXPECT_OK(try_change(KITH__CHANGE_SET, kith_str("a text that takes a block"), none, 0, &out));
    assert_int_equal(1, out.item.integer);
    assert_true(out.item.tag != kith_absent);
    EXPECT_OK(try_change(KITH__CHANGE_SETDEFAULT, KITH_INT(7), none, 0, &out));
    assert_int_equal(25, out.item.size); /* what is there */
    EXPECT_OK(try_change(KITH__CHANGE_DELETE, none, none, 0, &out));
    assert_memory_equal("a text that takes a block", out.item.data, 25);
    EXPECT_OK(try_change(KITH__CHANGE_SETDEFAULT, KITH_INT(7), none, 0, &out));
    assert_int_equal(7, out.item.integer); /* what is there now */
    kith_buf_free(&out);
    close_dict();
}

/* ---- One store, or one record ------------------------------------------------------------- */

static void
what_can_be_one_store_takes_no_record(void **unused)
{
    const struct {
        struct kith_item before, after;
        unsigned records;
    } cases[] = {
        { KITH_INT(1), KITH_INT(2), 0 },
        { { .type = KITH_TYPE_BOOL }, { .type = KITH_TYPE_BOOL, .boolean = true }, 0 },
        { KITH_STR("eight by"), KITH_STR("EIGHT BY"), 0 },
        { KITH_STR("a"), KITH_STR("ab"), 1 },
        { KITH_INT(1), { .type = KITH_TYPE_FLOAT }, 1 },
        { KITH_STR("nine byte"), KITH_STR("NINE BYTE"), 1 },
        { KITH_INT(1), KITH_STR("nine byte"), 1 },
        { { .type = KITH_TYPE_NONE }, { .type = KITH_TYPE_NONE }, 0 },
    };

    (void)unused;
    make_dict();
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct kith__entry *entry;
        uint64_t before, version;

        EXPECT_OK(set_item(k, cases[i].before));
        entry = entry_of(k);
        version = kith__load(&entry->version);
        before = records();
        EXPECT_OK(set_item(k, cases[i].after));
        assert_int_equal(cases[i].records, records() - before);
        assert_ptr_equal(entry, entry_of(k));
        assert_true(kith__load(&entry->version) > version);
        assert_int_equal(0, kith__load(&entry->version) & 1);
    }
    close_dict();
}

/* ---- Times to live ------------------------------------------------------------------------ */

static void
a_time_to_live_is_given_taken_and_kept(void **unused)
{
    const struct kith__change keep = { .what = KITH__CHANGE_SET,
                                       .item = KITH_INT(5),
                                       .ttl_ns = KITH__TTL_KEEP };
    struct kith__entry *plain;
    struct kith__more *more;
    uint64_t expires;

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(k, KITH_INT(1)));
    plain = entry_of(k);
    assert_null(kith__entry_more(plain));
    assert_int_equal(0, atomic_load(&root->expiring));
    EXPECT_OK(change(k, &keep));
    assert_ptr_equal(plain, entry_of(k)); /* it had none */
    EXPECT_OK(set_for(k, KITH_INT(2), 10));
    assert_ptr_not_equal(plain, entry_of(k)); /* one with room for its end */
    assert_int_equal(1, atomic_load(&root->expiring));
    more = kith__entry_more(entry_of(k));
    expires = kith__load(&more->expires);
    assert_int_equal(10 * NS_PER_S, kith__load(&more->life));
    pass_time(5);
    EXPECT_OK(change(k, &keep));
    assert_int_equal(expires, kith__load(&more->expires));
    EXPECT_OK(set_for(k, KITH_INT(3), 10));
    assert_true(kith__load(&more->expires) > expires);
    EXPECT_OK(set_item(k, KITH_INT(4))); /* for ever */
    assert_int_equal(0, kith__load(&more->expires));
    assert_int_equal(0, kith__load(&more->life));
    pass_time(100);
    assert_int_equal(4, int_under(k));
    close_dict();
}

static void
what_expired_is_gone_to_whoever_changes_it(void **unused)
{
    const struct kith_item none = { .type = KITH_TYPE_NONE };
    struct kith_buf out = KITH_BUF_INIT;
    uint64_t before, ticket;

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(KITH_INT(0), KITH_INT(0)));
    EXPECT_OK(set_for(k, KITH_INT(1), 10));
    ticket = entry_of(k)->ticket;
    pass_time(11);
    EXPECT_RC(KITH_ENOENT, try_change(KITH__CHANGE_REPLACE, KITH_INT(2), none, 0, NULL));
    EXPECT_RC(KITH_ENOENT, delete_key(k));
    EXPECT_RC(KITH_ECONFLICT, try_change(KITH__CHANGE_CAS, KITH_INT(2), KITH_INT(1), 0, NULL));
    assert_non_null(entry_of(k));
    before = records();
    EXPECT_OK(try_change(KITH__CHANGE_INSERT, KITH_INT(2), none, 0, &out));
    assert_int_equal(before + 1, records()); /* the old goes in the record of the new */
    assert_true(out.item.tag == kith_absent);
    assert_true(entry_of(k)->ticket > ticket);
    assert_int_equal(2, length());
    kith_buf_free(&out);
    close_dict();
}

/* ---- Growing ------------------------------------------------------------------------------ */

static void
keys_of_one_home_make_room_by_force_whatever_their_items_are(void **unused)
{
    enum { COUNT = 60 };
    static uint8_t bytes[LARGE];
    struct kith__key key;

    (void)unused;
    make_dict();
    for (int64_t n = 0; n < COUNT; n++) {
        struct kith__change how = { .what = KITH__CHANGE_SET, .item = KITH_INT(n) };

        if (n % 2 == 0)
            how.item = kith_bytes(bytes, LARGE);
        key_hashed(&key, n, (uint64_t)n << 12); /* one home up to 4,096 buckets */
        EXPECT_OK(kith__dict_change(stage.self, &dict, &key, &how));
        assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    }
    assert_true((kith__load(&root->own.table) & 63) > 10);
    assert_int_equal(COUNT, length());
    for (int64_t n = 0; n < COUNT; n++) {
        struct kith__found found;

        key_hashed(&key, n, (uint64_t)n << 12);
        EXPECT_OK(kith__dict_find(stage.self, &dict, &key, &found));
        assert_int_equal(n % 2 == 0 ? LARGE : 8, KITH__META_SIZE(found.meta));
    }
    close_dict();
}

static void
a_large_item_that_is_not_wanted_is_given_back(void **unused)
{
    const struct kith_item none = { .type = KITH_TYPE_NONE };
    uint64_t used;

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(k, KITH_INT(1)));
    put_away(&stage);
    used = granules_used(&stage);
    for (int i = 0; i < 50; i++) {
        EXPECT_RC(KITH_EEXIST,
                  try_change(KITH__CHANGE_INSERT, kith_bytes(large_bytes, LARGE), none, 0, NULL));
        EXPECT_RC(KITH_ECONFLICT, try_change(KITH__CHANGE_CAS, kith_bytes(large_bytes, LARGE),
                                             KITH_INT(2), 0, NULL));
        EXPECT_OK(
            try_change(KITH__CHANGE_SETDEFAULT, kith_bytes(large_bytes, LARGE), none, 0, NULL));
    }
    put_away(&stage);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    assert_int_equal(used, granules_used(&stage));
    assert_int_equal(1, int_under(k));
    close_dict();
}

static void
an_item_that_there_is_no_memory_for_changes_nothing(void **unused)
{
    const size_t size = 9 << 20; /* two of them are more than the arena has */
    uint8_t *bytes = calloc(1, size);

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(k, KITH_INT(1)));
    EXPECT_RC(KITH_ETOOBIG, set_item(k, kith_bytes(bytes, KITH__ITEM_MAX + 1)));
    assert_int_equal(1, int_under(k));
    EXPECT_OK(set_item(k, kith_bytes(bytes, size)));
    EXPECT_RC(KITH_ENOMEM, set_item(k, kith_bytes(bytes, size)));
    EXPECT_RC(KITH_ENOMEM, set_item(KITH_INT(2), kith_bytes(bytes, size)));
    assert_int_equal(size, KITH__META_SIZE(kith__load(&entry_of(k)->meta)));
    assert_int_equal(1, length());
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    assert_int_equal(0, stage.self->depth);
    free(bytes);
    close_dict();
}

/* ---- Bounds ------------------------------------------------------------------------------- */

static void
a_dict_that_refuses_is_as_it_was(void **unused)
{
    (void)unused;
    make_bounded(3, 60, KITH_DICT_REFUSE);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_item(KITH_INT(n), KITH_INT(n)));
    EXPECT_RC(KITH_EFULL, set_item(KITH_INT(3), KITH_INT(3)));
    EXPECT_OK(set_item(KITH_INT(1), kith_str("up to sixty, twenty"))); /* 24 + 19 + 16 = 59 */
    EXPECT_RC(KITH_EFULL, set_item(KITH_INT(2), kith_str("ten bytes!")));
    assert_int_equal(2, int_under(KITH_INT(2)));
    assert_int_equal(1 + 59, kith__load(&root->own.bytes));
    EXPECT_OK(set_item(KITH_INT(2), kith_str("nine byte")));
    assert_int_equal(1 + 60, kith__load(&root->own.bytes));
    EXPECT_OK(set_item(KITH_INT(2), kith_str("less"))); /* less is always room for */
    assert_int_equal(3, length());
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_does_what_it_says_with_a_key_and_without),
        cmocka_unit_test(a_version_fits_once_and_one_cut_short_fits_nobody),
        cmocka_unit_test(the_old_item_comes_out_or_that_there_was_none),
        cmocka_unit_test(what_can_be_one_store_takes_no_record),
        cmocka_unit_test(a_time_to_live_is_given_taken_and_kept),
        cmocka_unit_test(what_expired_is_gone_to_whoever_changes_it),
        cmocka_unit_test(keys_of_one_home_make_room_by_force_whatever_their_items_are),
        cmocka_unit_test(a_large_item_that_is_not_wanted_is_given_back),
        cmocka_unit_test(an_item_that_there_is_no_memory_for_changes_nothing),
        cmocka_unit_test(a_dict_that_refuses_is_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
