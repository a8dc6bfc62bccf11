#include <sched.h>

#include "shm/dict.h"

#include "dict_stage.h"

static kith_err
set_int(int64_t n)
{
    return set_item(KITH_INT(n), KITH_INT(n));
}

/* Whether the dict's keys are these, in this order. */
static void
expect_keys(const int64_t *keys, uint64_t count)
{
    struct kith__copy copy;

    EXPECT_OK(kith__dict_copy(stage.self, &dict, false, &copy));
    assert_int_equal(count, copy.count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(keys[i], kith__copy_key(&copy, i).integer);
    kith__copy_free(&copy);
}
#define EXPECT_KEYS(...)                                                                           \
    expect_keys((const int64_t[]){ __VA_ARGS__ }, COUNTOF(((const int64_t[]){ __VA_ARGS__ })))

static uint64_t
off_of(int64_t n)
{
    return kith__off(stage.arena, entry_of(KITH_INT(n)));
}

static void
visit(int64_t n)
{
    assert_int_equal(n, int_under(KITH_INT(n)));
    assert_int_equal(1, kith__load(&kith__entry_more(entry_of(KITH_INT(n)))->visited));
}

static kith_err
lifetime(int64_t n, enum kith__lifetime_what what, int64_t seconds)
{
    struct kith__key key;

    key_make(&key, KITH_INT(n));
    return kith__dict_lifetime(stage.self, &dict, &key, what, seconds * NS_PER_S);
}

/* ---- Eviction ----------------------------------------------------------------------------- */

static void
the_oldest_goes_whether_it_was_used_or_not(void **unused)
{
    (void)unused;
    make_bounded(3, 0, KITH_DICT_FIFO);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_int(n));
    assert_int_equal(0, int_under(KITH_INT(0)));
    EXPECT_OK(set_int(0)); /* set over, it stays the oldest */
    EXPECT_RC(KITH_EVICTED, set_int(3));
    EXPECT_KEYS(1, 2, 3);
    EXPECT_RC(KITH_EVICTED, set_int(0));
    EXPECT_KEYS(2, 3, 0);
    assert_int_equal(0, kith__load(&root->own.hand));
    close_dict();
}

static void
the_hand_passes_what_was_used_once_and_goes_on_where_it_stopped(void **unused)
{
    (void)unused;
    make_bounded(3, 0, KITH_DICT_SIEVE);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_int(n));
    visit(0);
    EXPECT_RC(KITH_EVICTED, set_int(3));
    EXPECT_KEYS(0, 2, 3);
    assert_int_equal(off_of(2), kith__load(&root->own.hand));
    assert_int_equal(0, kith__load(&kith__entry_more(entry_of(KITH_INT(0)))->visited));
    EXPECT_RC(KITH_EVICTED, set_int(4)); /* 2 is next, though 0 is older */
    EXPECT_RC(KITH_EVICTED, set_int(5));
    EXPECT_KEYS(0, 4, 5);
    visit(0);
    visit(4);
    visit(5);
    EXPECT_RC(KITH_EVICTED, set_int(6)); /* once round, and then the first it had passed */
    EXPECT_KEYS(0, 5, 6);
    assert_int_equal(off_of(5), kith__load(&root->own.hand));
    EXPECT_OK(delete_key(KITH_INT(5)));
    assert_int_equal(off_of(6), kith__load(&root->own.hand));
    EXPECT_OK(delete_key(KITH_INT(6)));
    assert_int_equal(0, kith__load(&root->own.hand));
    close_dict();
}

/* Whichever way each eviction takes, what goes is what the policy says. */
static void
many_go_one_after_the_other(void **unused)
{
    (void)unused;
    make_bounded(50, 0, KITH_DICT_FIFO);
    for (int64_t n = 0; n < 1000; n++)
        EXPECT_RC(n < 50 ? KITH_OK : KITH_EVICTED, set_int(n));
    for (int64_t n = 0; n < 1000; n++)
        assert_int_equal(n >= 950, has_key(KITH_INT(n)));
    EXPECT_WHOLE(&stage);
    close_dict();
    make_bounded(50, 0, KITH_DICT_SIEVE);
    for (int64_t n = 0; n < 50; n++)
        EXPECT_OK(set_int(n));
    for (int64_t n = 50; n < 1000; n++) {
        visit(7); /* again and again, so it is passed over each time */
        EXPECT_RC(KITH_EVICTED, set_int(n));
    }
    assert_int_equal(7, int_under(KITH_INT(7)));
    assert_int_equal(50, length());
    EXPECT_WHOLE(&stage);
    close_dict();
}

/* As a reader does; what is there is set without a look at the bounds. */
static void
what_is_set_over_is_used(void **unused)
{
    struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__key key;

    (void)unused;
    make_bounded(3, 0, KITH_DICT_SIEVE);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_int(n));
    EXPECT_OK(set_item(KITH_INT(0), KITH_INT(5)));
    assert_int_equal(1, kith__load(&kith__entry_more(entry_of(KITH_INT(0)))->visited));
    key_make(&key, KITH_INT(1));
    EXPECT_OK(kith__dict_number(stage.self, &dict, &key, &one, NULL));
    assert_int_equal(1, kith__load(&kith__entry_more(entry_of(KITH_INT(1)))->visited));
    EXPECT_RC(KITH_EVICTED, set_int(3));
    EXPECT_KEYS(0, 1, 3);
    EXPECT_OK(lifetime(0, KITH__LIFETIME_EXPIRE, 10));
    EXPECT_OK(set_int(0)); /* for ever, as any set that says nothing else */
    assert_int_equal(0, kith__load(&kith__entry_more(entry_of(KITH_INT(0)))->expires));
    close_dict();
}

static void
as_many_go_as_a_larger_item_needs_and_never_itself(void **unused)
{
    static uint8_t bytes[93];

    (void)unused;
    make_bounded(0, 100, KITH_DICT_FIFO);
    for (int64_t n = 0; n < 6; n++)
        EXPECT_OK(set_int(n)); /* 16 bytes each: 96 */
    EXPECT_RC(KITH_EFULL, set_item(KITH_INT(6), kith_bytes(bytes, sizeof bytes)));
    EXPECT_KEYS(0, 1, 2, 3, 4, 5); /* not even alone, so nothing went for it */
    EXPECT_RC(KITH_EVICTED,
              set_item(KITH_INT(0), kith_str("a text of thirty bytes exactly"))); /* 118 */
    EXPECT_KEYS(0, 3, 4, 5);
    assert_int_equal(1 + 38 + 3 * 16, kith__load(&root->own.bytes));
    EXPECT_RC(KITH_EVICTED,
              set_item(KITH_INT(7), kith_str("a text of forty-eight bytes, that is, a long one")));
    EXPECT_KEYS(4, 5, 7);
    assert_int_equal(1 + 2 * 16 + 56, kith__load(&root->own.bytes));
    EXPECT_RC(KITH_EVICTED, set_item(KITH_INT(8), kith_bytes(bytes, 92)));
    EXPECT_KEYS(8); /* exactly as much as there may be */
    close_dict();
}

static void
what_is_evicted_first_is_what_the_new_item_would_have_driven_out(void **unused)
{
    struct kith__shard *shard;
    struct kith__key key;

    (void)unused;
    make_bounded(3, 0, KITH_DICT_FIFO);
    EXPECT_OK(set_int(0));
    key_make(&key, KITH_INT(9));
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    assert_false(kith__dict_evict_first(stage.self, &dict, shard, &key, 16, false)); /* room */
    kith__lock_release(stage.self, &shard->lock);
    EXPECT_OK(set_int(1));
    EXPECT_OK(set_int(2));
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    assert_true(kith__dict_evict_first(stage.self, &dict, shard, &key, 16, false));
    assert_false(kith__dict_evict_first(stage.self, &dict, shard, &key, 16, false));
    key_make(&key, KITH_INT(1)); /* one that is there needs no place */
    assert_false(kith__dict_evict_first(stage.self, &dict, shard, &key, 16, true));
    kith__lock_release(stage.self, &shard->lock);
    EXPECT_KEYS(1, 2);
    close_dict();
    make_bounded(1, 0, KITH_DICT_REFUSE);
    EXPECT_OK(set_int(0));
    EXPECT_OK(kith__dict_lock(stage.self, &dict, 0, &shard));
    key_make(&key, KITH_INT(9));
    assert_false(kith__dict_evict_first(stage.self, &dict, shard, &key, 16, false));
    kith__lock_release(stage.self, &shard->lock);
    EXPECT_KEYS(0);
    close_dict();
}

static void
in_a_full_arena_what_has_to_go_goes_before(void **unused)
{
    const size_t size = 4 << 20; /* three of them leave no memory for a fourth */
    uint8_t *bytes = calloc(1, size);
    uint64_t records;

    (void)unused;
    make_bounded(3, 0, KITH_DICT_FIFO);
    for (int64_t n = 0; n < 3; n++)
        EXPECT_OK(set_item(KITH_INT(n), kith_bytes(bytes, size)));
    records = kith__load(&stage.self->actor->main.state) >> 1;
    for (int64_t n = 3; n < 8; n++) {
        EXPECT_RC(KITH_EVICTED, set_item(KITH_INT(n), kith_bytes(bytes, size)));
        assert_int_equal(3, length());
        assert_false(has_key(KITH_INT(n - 3)));
    }
    assert_true((kith__load(&stage.self->actor->main.state) >> 1) >= records + 2 * 5);
    EXPECT_RC(KITH_ENOMEM, set_item(KITH_INT(7), kith_bytes(bytes, 3 * size)));
    EXPECT_KEYS(5, 6, 7); /* over one that is there nothing has to go */
    free(bytes);
    close_dict();
}

static void
a_visit_is_noted_of_what_is_there_and_of_nothing_else(void **unused)
{
    struct kith__key key;

    (void)unused;
    make_bounded(3, 0, KITH_DICT_SIEVE);
    EXPECT_OK(set_int(1));
    key_make(&key, KITH_INT(2));
    kith__dict_visit(stage.self, &dict, &key);
    key_make(&key, KITH_INT(1));
    dict.id++;
    kith__dict_visit(stage.self, &dict, &key);
    dict.id--;
    assert_int_equal(0, kith__load(&kith__entry_more(entry_of(KITH_INT(1)))->visited));
    kith__dict_visit(stage.self, &dict, &key);
    assert_int_equal(1, kith__load(&kith__entry_more(entry_of(KITH_INT(1)))->visited));
    assert_int_equal(0, stage.self->depth);
    close_dict();
}

/* ---- Expiry ------------------------------------------------------------------------------- */

static void
a_time_too_long_for_the_clock_is_its_end(void **unused)
{
    (void)unused;
    assert_int_equal(15, kith__expiry(10, 5));
    assert_int_equal(INT64_MAX, kith__expiry(INT64_MAX - 5, 5));
    assert_int_equal(INT64_MAX, kith__expiry(INT64_MAX - 5, 6));
}

static void
each_insertion_sweeps_two_entries_and_goes_round(void **unused)
{
    (void)unused;
    make_dict();
    assert_int_equal(0, kith__dict_time(&dict)); /* nothing can expire yet: no clock is asked */
    for (int64_t n = 0; n < 6; n++)
        EXPECT_OK(set_for(KITH_INT(n), KITH_INT(n), n % 2 == 0 ? 10 : 1000));
    assert_true(kith__dict_time(&dict) > 0);
    assert_int_equal(off_of(4), kith__load(&root->own.sweep));
    pass_time(11);
    assert_int_equal(6, length()); /* what nobody asked for stands there */
    EXPECT_OK(set_int(6));         /* looks at 4 and 5 */
    EXPECT_KEYS(1, 3, 5, 6);       /* which are those that a copy does not leave out */
    assert_int_equal(6, length());
    assert_null(entry_of(KITH_INT(4)));
    assert_int_equal(off_of(6), kith__load(&root->own.sweep));
    EXPECT_OK(set_int(7)); /* at 6 and 7 */
    assert_int_equal(0, kith__load(&root->own.sweep));
    assert_int_equal(7, length());
    EXPECT_OK(set_int(8)); /* at 0 and 1 */
    assert_int_equal(7, length());
    assert_int_equal(off_of(2), kith__load(&root->own.sweep));
    EXPECT_OK(set_int(6)); /* over one that is there: no insertion */
    assert_int_equal(off_of(2), kith__load(&root->own.sweep));
    EXPECT_OK(set_int(9)); /* at 2 and 3 */
    assert_int_equal(7, length());
    EXPECT_KEYS(1, 3, 5, 6, 7, 8, 9);
    close_dict();
}

static void
a_purge_finds_all_that_has_expired_in_all_shards(void **unused)
{
    uint64_t count = 77;

    (void)unused;
    make_dict();
    for (int64_t n = 0; n < 700; n++)
        EXPECT_OK(set_for(KITH_INT(n), KITH_INT(n), n % 10 == 0 ? 1000 : 10));
    assert_int_not_equal(0, kith__load(&root->shards));
    EXPECT_OK(kith__dict_purge(stage.self, &dict, &count));
    assert_int_equal(0, count);
    pass_time(11);
    EXPECT_OK(kith__dict_purge(stage.self, &dict, &count));
    assert_int_equal(630, count);
    assert_int_equal(70, length());
    dict.id++;
    EXPECT_RC(KITH_EGONE, kith__dict_purge(stage.self, &dict, &count));
    dict.id--;
    assert_int_equal(630, count);
    close_dict();
}

static void
a_purge_of_what_was_overwritten_ends(void **unused)
{
    uint64_t count = 0, word;
    struct kith__place place;
    struct kith__entry *last;

    (void)unused;
    make_dict();
    for (int64_t n = 0; n < 4; n++)
        EXPECT_OK(set_for(KITH_INT(n), KITH_INT(n), 10));
    pass_time(11);
    place = place_of_key(KITH_INT(2));
    last = kith__ptr(stage.arena, off_of(3));
    word = kith__load(&place.bucket->slot[place.slot]);
    kith__store(&place.bucket->slot[place.slot], 0); /* in the list, and in no bucket */
    EXPECT_RC(KITH_ECORRUPT, kith__dict_purge(stage.self, &dict, &count));
    kith__store(&place.bucket->slot[place.slot], word);
    kith__store(&last->next, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, kith__dict_purge(stage.self, &dict, &count));
    kith__store(&last->next, 0);
    assert_int_equal(0, count);
    assert_int_equal(0, stage.self->depth);
    assert_int_equal(4, length());
    EXPECT_OK(kith__dict_purge(stage.self, &dict, &count));
    assert_int_equal(4, count);
    close_dict();
}

static void
lifetimes_are_given_taken_and_begun_again(void **unused)
{
    struct kith__entry *plain;
    struct kith__more *more;
    uint64_t expires;

    (void)unused;
    make_dict();
    EXPECT_RC(KITH_ENOENT, lifetime(1, KITH__LIFETIME_EXPIRE, 10));
    EXPECT_OK(set_item(KITH_INT(1), kith_str("with a block of its own")));
    plain = entry_of(KITH_INT(1));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_PERSIST, 0)); /* nothing to be done, three times */
    EXPECT_OK(lifetime(1, KITH__LIFETIME_TOUCH, 0));
    assert_ptr_equal(plain, entry_of(KITH_INT(1)));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_EXPIRE, 10));
    more = kith__entry_more(entry_of(KITH_INT(1)));
    assert_non_null(more);
    expires = kith__load(&more->expires);
    pass_time(6);
    EXPECT_OK(lifetime(1, KITH__LIFETIME_TOUCH, 0));
    assert_true(kith__load(&more->expires) >= expires + 6 * (uint64_t)NS_PER_S);
    pass_time(6);
    assert_true(has_key(KITH_INT(1)));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_EXPIRE, 2)); /* one that has a place for it */
    assert_ptr_equal(more, kith__entry_more(entry_of(KITH_INT(1))));
    assert_int_equal(2 * NS_PER_S, kith__load(&more->life));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_PERSIST, 0));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_TOUCH, 0));
    assert_int_equal(0, kith__load(&more->expires));
    EXPECT_OK(lifetime(1, KITH__LIFETIME_EXPIRE, 2));
    pass_time(3);
    EXPECT_RC(KITH_ENOENT, lifetime(1, KITH__LIFETIME_PERSIST, 0));
    EXPECT_RC(KITH_ENOENT, lifetime(1, KITH__LIFETIME_TOUCH, 0));
    close_dict();
}

/* ---- Waiting ------------------------------------------------------------------------------ */

static kith_err
wait_for(uint64_t version, int64_t deadline_ns, uint64_t *version_out)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;
    kith_err err;

    key_make(&key, KITH_INT(1));
    err = kith__dict_wait(stage.self, &dict, &key, version, deadline_ns, &buf, version_out);
    kith_buf_free(&buf);
    assert_int_equal(0, kith__load(&stage.self->actor->waiting_on));
    return err;
}

/* Changes the key once the test's thread sleeps, or is about to. */
static void *
change_when_waited_for(void *arg)
{
    struct kith__self *self = kith__self_of(stage.arena);
    struct kith__change how = { .what = KITH__CHANGE_SET, .item = *(struct kith_item *)arg };
    struct kith__key key;

    key_make(&key, KITH_INT(1));
    while (kith__load_acquire(&stage.self->actor->waiting_on) == 0)
        sched_yield();
    EXPECT_OK(kith__dict_change(self, &dict, &key, &how));
    return NULL;
}

static void
a_wait_ends_with_another_version_with_the_key_or_in_vain(void **unused)
{
    struct kith_item item = KITH_INT(2);
    uint64_t version = 5, now = 0;
    pthread_t thread;

    (void)unused;
    make_dict();
    EXPECT_RC(KITH_ETIMEDOUT, wait_for(0, KITH__NO_WAIT, &version)); /* it is not there yet */
    EXPECT_RC(KITH_ENOENT, wait_for(7, INT64_MAX, &version));        /* it went */
    assert_int_equal(5, version);
    EXPECT_OK(set_int(1));
    EXPECT_OK(wait_for(0, INT64_MAX, &version));
    assert_int_equal(kith__load(&entry_of(KITH_INT(1))->version), version);
    EXPECT_RC(KITH_ETIMEDOUT, wait_for(version, KITH__NO_WAIT, &now));
    EXPECT_RC(KITH_ETIMEDOUT, wait_for(version, 1, &now)); /* a time long past */
    assert_int_equal(0, now);
    assert_int_equal(0, pthread_create(&thread, NULL, change_when_waited_for, &item));
    EXPECT_OK(wait_for(version, INT64_MAX, &now));
    pthread_join(thread, NULL);
    assert_int_not_equal(version, now);
    assert_int_equal(2, int_under(KITH_INT(1)));
    EXPECT_OK(set_for(KITH_INT(1), KITH_INT(3), 10));
    version = kith__load(&entry_of(KITH_INT(1))->version);
    pass_time(11);
    EXPECT_RC(KITH_ENOENT, wait_for(version, INT64_MAX, &now)); /* it expired */
    close_dict();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_goes_whether_it_was_used_or_not),
        cmocka_unit_test(the_hand_passes_what_was_used_once_and_goes_on_where_it_stopped),
        cmocka_unit_test(many_go_one_after_the_other),
        cmocka_unit_test(what_is_set_over_is_used),
        cmocka_unit_test(as_many_go_as_a_larger_item_needs_and_never_itself),
        cmocka_unit_test(what_is_evicted_first_is_what_the_new_item_would_have_driven_out),
        cmocka_unit_test(in_a_full_arena_what_has_to_go_goes_before),
        cmocka_unit_test(a_visit_is_noted_of_what_is_there_and_of_nothing_else),
        cmocka_unit_test(a_time_too_long_for_the_clock_is_its_end),
        cmocka_unit_test(each_insertion_sweeps_two_entries_and_goes_round),
        cmocka_unit_test(a_purge_finds_all_that_has_expired_in_all_shards),
        cmocka_unit_test(a_purge_of_what_was_overwritten_ends),
        cmocka_unit_test(lifetimes_are_given_taken_and_begun_again),
        cmocka_unit_test(a_wait_ends_with_another_version_with_the_key_or_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
