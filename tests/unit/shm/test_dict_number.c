#include "shm/dict.h"

#include "dict_stage.h"

static const struct kith_item k = { .type = KITH_TYPE_STR, .data = "k", .size = 1 };

static kith_err
number(const struct kith__number *what, int64_t *now_out)
{
    struct kith__key key;
    kith_err err;

    key_make(&key, k);
    err = kith__dict_number(stage.self, &dict, &key, what, now_out);
    kith__key_free(&key);
    return err;
}

static kith_err
add_float(double n, double *now_out)
{
    struct kith__key key;
    kith_err err;

    key_make(&key, k);
    err = kith__dict_add_float(stage.self, &dict, &key, n, now_out);
    kith__key_free(&key);
    return err;
}

static void
each_operation_is_applied_up_to_the_bounds_of_its_numbers(void **unused)
{
    static const struct {
        enum kith__number_what what;
        int64_t old, n, limit;
        kith_err err;
        int64_t now;
    } cases[] = {
        { KITH__NUMBER_ADD, 3, 4, 0, KITH_OK, 7 },
        { KITH__NUMBER_ADD, INT64_MAX - 1, 1, 0, KITH_OK, INT64_MAX },
        { KITH__NUMBER_ADD, INT64_MAX, 1, 0, KITH_ERANGE, 0 },
        { KITH__NUMBER_ADD, INT64_MIN, -1, 0, KITH_ERANGE, 0 },
        { KITH__NUMBER_ADD, INT64_MIN, INT64_MAX, 0, KITH_OK, -1 },
        { KITH__NUMBER_ADD_LIMIT, 3, 4, 7, KITH_OK, 7 },
        { KITH__NUMBER_ADD_LIMIT, 3, 5, 7, KITH_ERANGE, 0 },
        { KITH__NUMBER_ADD_LIMIT, 9, 0, 7, KITH_ERANGE, 0 },
        { KITH__NUMBER_ADD_LIMIT, 3, -4, -1, KITH_OK, -1 },
        { KITH__NUMBER_ADD_LIMIT, 3, -5, -1, KITH_ERANGE, 0 },
        { KITH__NUMBER_ADD_LIMIT, INT64_MAX, 1, INT64_MAX, KITH_ERANGE, 0 },
        { KITH__NUMBER_SUB, 3, 4, 0, KITH_OK, -1 },
        { KITH__NUMBER_SUB, INT64_MIN, 1, 0, KITH_ERANGE, 0 },
        { KITH__NUMBER_SUB, 0, INT64_MIN, 0, KITH_ERANGE, 0 },
        { KITH__NUMBER_SUB, -1, INT64_MIN, 0, KITH_OK, INT64_MAX },
        { KITH__NUMBER_MIN, 3, -4, 0, KITH_OK, -4 },
        { KITH__NUMBER_MIN, 3, 4, 0, KITH_OK, 3 },
        { KITH__NUMBER_MAX, 3, 4, 0, KITH_OK, 4 },
        { KITH__NUMBER_MAX, INT64_MAX, INT64_MIN, 0, KITH_OK, INT64_MAX },
        { KITH__NUMBER_AND, 6, 3, 0, KITH_OK, 2 },
        { KITH__NUMBER_OR, 6, 3, 0, KITH_OK, 7 },
        { KITH__NUMBER_XOR, 6, 3, 0, KITH_OK, 5 },
        { KITH__NUMBER_XOR, -1, 1, 0, KITH_OK, -2 },
    };

    (void)unused;
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct kith__number what = { .what = cases[i].what,
                                     .n = cases[i].n,
                                     .limit = cases[i].limit };
        int64_t now = 12345;

        EXPECT_RC(cases[i].err, kith__number_apply(&what, false, cases[i].old, &now));
        assert_int_equal(cases[i].err == KITH_OK ? cases[i].now : 12345, now);
    }
}

static void
what_is_not_there_begins_with_its_first_number(void **unused)
{
    int64_t now = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(number(&(struct kith__number){ .what = KITH__NUMBER_MIN, .n = 5 }, &now));
    assert_int_equal(5, now); /* the least of one, not of it and 0 */
    EXPECT_OK(delete_key(k));
    EXPECT_OK(number(&(struct kith__number){ .what = KITH__NUMBER_MAX, .n = -5 }, &now));
    assert_int_equal(-5, now);
    EXPECT_OK(delete_key(k));
    EXPECT_OK(
        number(&(struct kith__number){ .what = KITH__NUMBER_ADD, .n = 3, .init = 100 }, &now));
    assert_int_equal(103, now);
    EXPECT_OK(
        number(&(struct kith__number){ .what = KITH__NUMBER_ADD, .n = 3, .init = 100 }, NULL));
    assert_int_equal(106, int_under(k));
    EXPECT_OK(delete_key(k));
    EXPECT_RC(KITH_ERANGE,
              number(&(struct kith__number){ .what = KITH__NUMBER_ADD, .n = INT64_MAX, .init = 1 },
                     &now));
    assert_false(has_key(k));
    close_dict();
}

static void
a_number_over_a_number_is_one_store_and_over_a_bool_a_record(void **unused)
{
    const struct kith__number add = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__entry *entry;
    uint64_t state, version;
    int64_t now = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(set_item(k, (struct kith_item){ .type = KITH_TYPE_BOOL, .boolean = true }));
    entry = entry_of(k);
    state = kith__load(&stage.self->actor->main.state);
    EXPECT_OK(number(&add, &now));
    assert_int_equal(2, now);
    assert_int_equal(KITH_TYPE_INT, KITH__META_TYPE(kith__load(&entry->meta)));
    assert_int_not_equal(state, kith__load(&stage.self->actor->main.state));
    state = kith__load(&stage.self->actor->main.state);
    version = kith__load(&entry->version);
    EXPECT_OK(number(&add, &now));
    assert_int_equal(state, kith__load(&stage.self->actor->main.state));
    assert_int_equal(version + 2, kith__load(&entry->version));
    assert_ptr_equal(entry, entry_of(k));
    assert_int_equal(3, int_under(k));
    close_dict();
}

static void
other_types_are_refused_and_stay(void **unused)
{
    const struct {
        struct kith_item item;
        kith_err as_int, as_float;
    } cases[] = {
        { KITH_STR("12"), KITH_ETYPE, KITH_ETYPE },
        { { .type = KITH_TYPE_NONE }, KITH_ETYPE, KITH_ETYPE },
        { { .type = KITH_TYPE_FLOAT, .real = 1.5 }, KITH_ETYPE, KITH_OK },
        { { .type = KITH_TYPE_BIGINT, .data = "123456789", .size = 9 }, KITH_ERANGE, KITH_ETYPE },
    };
    const struct kith__number add = { .what = KITH__NUMBER_ADD, .n = 1 };

    (void)unused;
    make_dict();
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        int64_t now = 777;
        double real = 777;
        uint64_t version;

        EXPECT_OK(set_item(k, cases[i].item));
        version = kith__load(&entry_of(k)->version);
        EXPECT_RC(cases[i].as_int, number(&add, &now));
        assert_int_equal(777, now);
        assert_int_equal(version, kith__load(&entry_of(k)->version));
        EXPECT_RC(cases[i].as_float, add_float(1, &real));
        assert_true(real == (cases[i].as_float == KITH_OK ? 2.5 : 777));
    }
    close_dict();
}

static void
a_float_is_added_to_ints_to_bools_and_to_nothing(void **unused)
{
    double now = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(add_float(0.5, &now));
    assert_true(now == 0.5);
    EXPECT_OK(add_float(0.25, &now));
    assert_true(now == 0.75);
    EXPECT_OK(set_item(k, KITH_INT(-3)));
    EXPECT_OK(add_float(0.5, &now));
    assert_true(now == -2.5);
    EXPECT_OK(set_item(k, (struct kith_item){ .type = KITH_TYPE_BOOL, .boolean = true }));
    EXPECT_OK(add_float(0.5, NULL));
    assert_int_equal(KITH__META(KITH_TYPE_FLOAT, 0, 8), kith__load(&entry_of(k)->meta));
    EXPECT_OK(add_float(0, &now));
    assert_true(now == 1.5);
    close_dict();
}

static void
a_time_to_live_is_for_what_is_made_and_what_expired_is_made_anew(void **unused)
{
    const struct kith__number add = { .what = KITH__NUMBER_ADD, .n = 1, .ttl_ns = 10 * NS_PER_S };
    uint64_t expires;
    int64_t now = 0;

    (void)unused;
    make_dict();
    EXPECT_OK(number(&add, &now));
    expires = kith__load(&kith__entry_more(entry_of(k))->expires);
    pass_time(5);
    EXPECT_OK(number(&add, &now));
    assert_int_equal(2, now);
    assert_int_equal(expires, kith__load(&kith__entry_more(entry_of(k))->expires));
    pass_time(6);
    EXPECT_OK(number(&add, &now));
    assert_int_equal(1, now);
    assert_true(kith__load(&kith__entry_more(entry_of(k))->expires) > expires);
    assert_int_equal(1, length());
    EXPECT_OK(set_item(k, KITH_INT(5)));
    EXPECT_OK(number(&add, &now)); /* one without an end keeps none */
    assert_int_equal(0, kith__load(&kith__entry_more(entry_of(k))->expires));
    close_dict();
}

static void
counters_evict_and_spread_as_other_items_do(void **unused)
{
    const struct kith__number add = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__key key;

    (void)unused;
    make_bounded(4, 0, KITH_DICT_FIFO);
    for (int64_t n = 0; n < 6; n++) {
        key_make(&key, KITH_INT(n));
        EXPECT_RC(n < 4 ? KITH_OK : KITH_EVICTED,
                  kith__dict_number(stage.self, &dict, &key, &add, NULL));
    }
    assert_int_equal(4, length());
    assert_false(has_key(KITH_INT(1)));
    close_dict();
    make_bounded(2, 0, KITH_DICT_REFUSE);
    for (int64_t n = 0; n < 3; n++) {
        key_make(&key, KITH_INT(n));
        EXPECT_RC(n < 2 ? KITH_OK : KITH_EFULL,
                  kith__dict_number(stage.self, &dict, &key, &add, NULL));
    }
    close_dict();
    make_dict();
    for (int64_t n = 0; n <= KITH__SPREAD_AT; n++) {
        assert_int_equal(0, kith__load(&root->shards));
        key_make(&key, KITH_INT(n));
        EXPECT_OK(kith__dict_number(stage.self, &dict, &key, &add, NULL));
    }
    assert_int_not_equal(0, kith__load(&root->shards));
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_applied_up_to_the_bounds_of_its_numbers),
        cmocka_unit_test(what_is_not_there_begins_with_its_first_number),
        cmocka_unit_test(a_number_over_a_number_is_one_store_and_over_a_bool_a_record),
        cmocka_unit_test(other_types_are_refused_and_stay),
        cmocka_unit_test(a_float_is_added_to_ints_to_bools_and_to_nothing),
        cmocka_unit_test(a_time_to_live_is_for_what_is_made_and_what_expired_is_made_anew),
        cmocka_unit_test(counters_evict_and_spread_as_other_items_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
