#include "shm/flight.h"

#include "stage.h"

static struct stage stage;
static struct kith__dict dict;
static struct kith__key key;

static kith_err
init_plain(struct kith__op *op, uint64_t off, uint64_t id, void *bounds)
{
    kith__dict_init(op, off, id, bounds);
    return op->err;
}

static void
open_all(void)
{
    struct kith__bounds bounds = { 0 };
    struct kith__root_ref ref;

    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_DICT, init_plain, &bounds);
    dict = (struct kith__dict){ stage.arena, ref.off, ref.id };
    EXPECT_OK(kith__key_make(stage.arena->hash_key, kith_str("k"), &key));
}

static void
close_all(void)
{
    kith__key_free(&key);
    stage_close(&stage);
}

struct ask {
    int64_t deadline_ns;
    kith_err err;
    bool mine;
};

static void *
ask(void *arg)
{
    struct ask *asked = arg;
    struct kith__self *self = kith__self_of(stage.arena);

    asked->err = kith__flight_begin(self, &dict, &key, asked->deadline_ns, &asked->mine);
    if (asked->err == KITH_OK && asked->mine)
        asked->err = kith__flight_end(self, &dict, &key);
    return NULL;
}

static struct ask
another(int64_t deadline_ns)
{
    struct ask asked = { deadline_ns, 1, false };
    pthread_t thread;

    assert_int_equal(0, pthread_create(&thread, NULL, ask, &asked));
    pthread_join(thread, NULL);
    return asked;
}

static void
one_computes_and_others_are_told(void **unused)
{
    struct ask asked;
    bool mine = false;

    (void)unused;
    open_all();
    EXPECT_OK(kith__flight_begin(stage.self, &dict, &key, 0, &mine));
    assert_true(mine);
    assert_int_equal(1, atomic_load(&stage.self->actor->flights));
    EXPECT_RC(KITH_EDEADLOCK, kith__flight_begin(stage.self, &dict, &key, INT64_MAX, &mine));
    asked = another(0);
    EXPECT_RC(KITH_ETIMEDOUT, asked.err);
    EXPECT_OK(kith__flight_end(stage.self, &dict, &key));
    assert_int_equal(0, atomic_load(&stage.self->actor->flights));
    asked = another(0);
    EXPECT_OK(asked.err);
    assert_true(asked.mine);
    close_all();
}

static void
what_a_thread_left_is_the_next_ones(void **unused)
{
    struct ask asked;
    bool mine = false;

    (void)unused;
    open_all();
    EXPECT_OK(kith__flight_begin(stage.self, &dict, &key, 0, &mine));
    atomic_store(&stage.self->actor->flights, 0); /* as one does that leaves amid it */
    asked = another(0);
    EXPECT_OK(asked.err);
    assert_true(asked.mine);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_computes_and_others_are_told),
        cmocka_unit_test(what_a_thread_left_is_the_next_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
