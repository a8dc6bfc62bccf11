#include "pool/pool.h"

#include "unit.h"

static const struct kith__record record = { .pid = 1,
                                            .state = KITH__RECORD_DEAD,
                                            .kept = 1,
                                            .client = INT64_MAX,
                                            .id = INT64_MIN,
                                            .index = -1,
                                            .since_ns = 7,
                                            .deaths = 2,
                                            .signal = 9 };

static void
the_objects_of_a_pool_are_made_found_and_removed(void **state)
{
    struct kith__pool_objects made, found;
    kith__pool_part name;
    kith_queue *results;
    kith_space *space;
    kith_err err;

    (void)state;
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_RC(KITH_ENOENT, kith__pool_objects_open(space, "p", KITH_MUST_EXIST, &found));
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &made));
    EXPECT_RC(KITH_EEXIST, kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &found));
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_EXIST, &found));
    assert_string_equal("p", found.name);
    kith__pool_objects_close(&found);
    /* The queues of clients are those that it counts. */
    EXPECT_OK(kith_dict_set(made.state, KITH_STR("life"), KITH_INT(26)));
    kith__pool_results_name("p", 26, 2, name);
    assert_string_equal("p.results.1a.2", name);
    EXPECT_OK(kith_queue_open(space, name, NULL, &results));
    kith_queue_close(results);
    assert_int_equal(5, kith__pool_number(&made, "clients", 5));
    EXPECT_OK(kith_dict_set(made.state, KITH_STR("clients"), KITH_STR("no number")));
    assert_int_equal(5, kith__pool_number(&made, "clients", 5));
    EXPECT_OK(kith_dict_set(made.state, KITH_STR("clients"), KITH_INT(2)));
    assert_int_equal(2, kith__pool_number(&made, "clients", 5));
    kith__pool_objects_destroy(space, "p");
    EXPECT_RC(KITH_ENOENT, kith_destroy(space, name));
    err = kith__pool_going(&made);
    assert_int_equal(KITH_ECLOSED, err);
    kith__pool_objects_close(&made);
    /* One who died while removing them left the number of clients so. */
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &made));
    EXPECT_OK(kith_dict_set(made.state, KITH_STR("life"), KITH_INT(26)));
    EXPECT_OK(kith_dict_set(made.state, KITH_STR("clients"), kith_int(2 - KITH__POOL_CLIENTS_MAX)));
    EXPECT_OK(kith_queue_open(space, name, NULL, &results));
    kith_queue_close(results);
    kith__pool_objects_destroy(space, "p");
    EXPECT_RC(KITH_ENOENT, kith_destroy(space, name));
    kith__pool_objects_close(&made);
    kith__pool_objects_destroy(space, "p"); /* what is missing is no error */
    kith_close(space);
}

static void
a_pool_says_that_it_has_ended_or_cannot_go_on(void **state)
{
    struct kith__pool_objects o;
    kith_space *space;

    (void)state;
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &o));
    EXPECT_OK(kith__pool_going(&o));
    EXPECT_RC(KITH_ETIMEDOUT, kith__pool_await_end(&o, 0));
    kith__pool_say(&o, KITH__STANDING_ENDED, NULL);
    EXPECT_RC(KITH_ECLOSED, kith__pool_going(&o));
    EXPECT_OK(kith__pool_await_end(&o, KITH_FOREVER));
    kith__pool_say(&o, KITH__STANDING_BROKEN, "its workers are tired.");
    EXPECT_OK(kith__pool_await_end(&o, 0));
    EXPECT_RC(KITH_EUNAVAILABLE, kith__pool_going(&o));
    assert_non_null(strstr(kith_last_error(), "its workers are tired."));
    EXPECT_OK(kith_dict_set(o.state, KITH_STR("broken"), KITH_INT(1)));
    EXPECT_RC(KITH_EUNAVAILABLE, kith__pool_going(&o));
    kith__pool_objects_close(&o);
    kith_close(space);
}

/* Fills the arena until nothing more goes in. */
static void
fill(kith_space *space)
{
    static char bytes[1 << 16];
    kith_queue *queue;

    EXPECT_OK(kith_queue_open(space, "filling", NULL, &queue));
    for (size_t size = sizeof(bytes); size > 0; size /= 2)
        while (kith_queue_put(queue, kith_bytes(bytes, size), 0) == KITH_OK)
            continue;
    kith_queue_close(queue);
}

static void
what_a_pool_says_takes_no_room(void **state)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith__pool_objects o;
    kith_space *space;

    (void)state;
    options.size = 1 << 20;
    EXPECT_OK(kith_open("mem://", &options, &space));
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &o));
    fill(space);
    EXPECT_RC(KITH_ENOMEM, kith_dict_set(o.state, KITH_STR("more"), KITH_STR("does not fit")));
    kith__pool_say(&o, KITH__STANDING_BROKEN, "its workers are tired of all this.");
    EXPECT_RC(KITH_EUNAVAILABLE, kith__pool_going(&o));
    kith__pool_say(&o, KITH__STANDING_ENDED, NULL);
    EXPECT_OK(kith__pool_await_end(&o, 0));
    kith__pool_objects_close(&o);
    kith_close(space);
}

static void
a_reserve_is_filled_again(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_queue *reserve;
    kith_space *space;
    uint64_t whole, count;

    (void)state;
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_OK(kith_queue_open(space, "reserve", NULL, &reserve));
    assert_true(kith__pool_reserve_fill(reserve));
    EXPECT_OK(kith_queue_len(reserve, &whole));
    assert_true(whole > 0);
    EXPECT_OK(kith_queue_get(reserve, 0, &buf));
    assert_true(kith__pool_reserve_fill(reserve));
    EXPECT_OK(kith_queue_len(reserve, &count));
    assert_int_equal(whole, count);
    EXPECT_OK(kith_queue_get(reserve, 0, &buf));
    EXPECT_OK(kith_destroy(space, "reserve"));
    assert_true(kith__pool_reserve_fill(reserve)); /* there is none to fill */
    kith_buf_free(&buf);
    kith_queue_close(reserve);
    kith_close(space);
}

static kith_err
do_nothing(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arguments;
    (void)count;
    (void)arg;
    return KITH_OK;
}

static void
an_entry_has_a_name_and_a_function(void **state)
{
    struct kith_task_entry entry = { "task", do_nothing, NULL };

    (void)state;
    EXPECT_OK(kith__pool_entry_check("f", &entry, 0));
    entry.run = NULL;
    EXPECT_RC(KITH_EINVAL, kith__pool_entry_check("f", &entry, 7));
    assert_non_null(strstr(kith_last_error(), "entry 7, \"task\", has no function"));
    entry.name = "";
    EXPECT_RC(KITH_EINVAL, kith__pool_entry_check("f", &entry, 7));
    entry.name = NULL;
    EXPECT_RC(KITH_EINVAL, kith__pool_entry_check("f", &entry, 7));
    assert_non_null(strstr(kith_last_error(), "entry 7 has no name"));
}

static void
a_record_comes_back(void **state)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__pool_objects o;
    struct kith__record got;
    kith_space *space;

    (void)state;
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_OK(kith__pool_objects_open(space, "p", KITH_MUST_CREATE, &o));
    EXPECT_OK(kith__record_set(&o, 3, &record));
    EXPECT_OK(kith_dict_get(o.workers, KITH_INT(3), &buf));
    assert_true(kith__record_read(buf.item, &got));
    assert_memory_equal(&record, &got, sizeof(got));
    kith_buf_free(&buf);
    kith__pool_objects_close(&o);
    kith_close(space);
}

static void
what_is_no_record_is_not_read(void **state)
{
    static const char *const wrong[] = { "", "\x90", "\x99\x01",
                                         ("\x99\x01\x01\x01\x01\x01\x01\x01"
                                          "\x01\xa1x") };
    struct kith__record got = record;

    (void)state;
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        struct kith_item item = { .type = KITH_TYPE_PACKED,
                                  .data = wrong[i],
                                  .size = strlen(wrong[i]) };

        assert_false(kith__record_read(item, &got));
        item.type = KITH_TYPE_BYTES;
        assert_false(kith__record_read(item, &got));
    }
    assert_memory_equal(&record, &got, sizeof(got));
}

static void
a_pools_name_leaves_room_for_those_of_its_objects(void **state)
{
    char name[KITH__POOL_NAME_MAX + 2];
    kith__pool_part part;

    (void)state;
    memset(name, 'n', sizeof(name));
    name[KITH__POOL_NAME_MAX + 1] = '\0';
    EXPECT_RC(KITH_EINVAL, kith__pool_name_check("f", name));
    EXPECT_RC(KITH_EINVAL, kith__pool_name_check("f", ""));
    EXPECT_RC(KITH_EINVAL, kith__pool_name_check("f", "a/b"));
    EXPECT_RC(KITH_EINVAL, kith__pool_name_check("f", "\xff"));
    name[KITH__POOL_NAME_MAX] = '\0';
    EXPECT_OK(kith__pool_name_check("f", name));
    kith__pool_results_name(name, INT64_MAX, INT64_MAX, part);
    assert_true(kith__name_ok(part, strlen(part)));
    assert_non_null(strstr(part, ".results.7fffffffffffffff.7fffffffffffffff"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_objects_of_a_pool_are_made_found_and_removed),
        cmocka_unit_test(a_pool_says_that_it_has_ended_or_cannot_go_on),
        cmocka_unit_test(what_a_pool_says_takes_no_room),
        cmocka_unit_test(a_reserve_is_filled_again),
        cmocka_unit_test(an_entry_has_a_name_and_a_function),
        cmocka_unit_test(a_record_comes_back),
        cmocka_unit_test(what_is_no_record_is_not_read),
        cmocka_unit_test(a_pools_name_leaves_room_for_those_of_its_objects),
    };

    return cmocka_run_group_tests_name("objects", tests, NULL, NULL);
}
