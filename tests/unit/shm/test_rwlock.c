#include "shm/rwlock.h"

#include "stage.h"

static struct stage stage;
static struct kith__sync lock;
static struct kith__sync_root *root;

static void
make(uint32_t options)
{
    struct kith__object object = { 0 };

    options |= KITH__SYNC_SHARED;
    stage = stage_open();
    EXPECT_OK(kith__catalog_open(stage.self, "lock", KITH_KIND_RWLOCK, KITH_MUST_CREATE,
                                 kith__sync_init, &options, &object));
    lock = (struct kith__sync){ stage.arena, object.off, object.id };
    root = kith__sync_root(&lock);
}

/* What another thread gets at once, and gives back. */
struct ask {
    bool shared;
    kith_err err;
};

static void *
ask(void *arg)
{
    struct ask *asked = arg;
    struct kith__self *self = kith__self_of(stage.arena);

    asked->err = asked->shared ? kith__rwlock_acquire_shared(self, &lock, 0)
                               : kith__rwlock_acquire(self, &lock, 0);
    if (asked->err >= 0)
        EXPECT_OK(kith__rwlock_release(self, &lock));
    return NULL;
}

static kith_err
another(bool shared)
{
    struct ask asked = { shared, 1 };
    pthread_t thread;

    assert_int_equal(0, pthread_create(&thread, NULL, ask, &asked));
    pthread_join(thread, NULL);
    return asked.err;
}

static void
readers_share_it_and_a_writer_is_alone(void **unused)
{
    (void)unused;
    make(0);
    EXPECT_OK(kith__rwlock_acquire_shared(stage.self, &lock, 0));
    EXPECT_RC(KITH_OK, another(true));
    EXPECT_RC(KITH_ETIMEDOUT, another(false));
    EXPECT_RC(KITH_EDEADLOCK, kith__rwlock_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__rwlock_release(stage.self, &lock));
    EXPECT_OK(kith__rwlock_acquire(stage.self, &lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, another(true));
    EXPECT_RC(KITH_ETIMEDOUT, another(false));
    EXPECT_OK(kith__rwlock_release(stage.self, &lock));
    EXPECT_RC(KITH_OK, another(false));
    EXPECT_RC(KITH_EPERM, kith__rwlock_release(stage.self, &lock));
    stage_close(&stage);
}

/* A share stands in the ledger of who has it, with the lock's id, and nowhere else. */
static void
a_share_is_found_by_the_id_of_the_lock(void **unused)
{
    (void)unused;
    make(0);
    assert_int_equal(0, kith__sharer_after(stage.arena, kith__share_of(lock.off, lock.id), 0));
    EXPECT_OK(kith__rwlock_acquire_shared(stage.self, &lock, 0));
    assert_int_equal(0, atomic_load(&root->lock.word) & KITH__LOCK_ACTOR);
    assert_int_equal(stage.self->id,
                     kith__sharer_after(stage.arena, kith__share_of(lock.off, lock.id), 0));
    assert_int_equal(
        0, kith__sharer_after(stage.arena, kith__share_of(lock.off, lock.id), stage.self->id));
    assert_int_equal(0, kith__sharer_after(stage.arena, kith__share_of(lock.off, lock.id + 1), 0));
    EXPECT_OK(kith__rwlock_release(stage.self, &lock));
    assert_int_equal(0, kith__sharer_after(stage.arena, kith__share_of(lock.off, lock.id), 0));
    stage_close(&stage);
}

static void
the_news_of_a_death_goes_to_one_writer(void **unused)
{
    (void)unused;
    make(0);
    atomic_store(&root->lock.word, KITH__LOCK_DIED); /* as the reaper leaves it */
    EXPECT_RC(KITH_OWNER_DIED, kith__rwlock_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__rwlock_release(stage.self, &lock));
    EXPECT_OK(kith__rwlock_acquire(stage.self, &lock, 0));
    EXPECT_OK(kith__rwlock_release(stage.self, &lock));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_share_it_and_a_writer_is_alone),
        cmocka_unit_test(a_share_is_found_by_the_id_of_the_lock),
        cmocka_unit_test(the_news_of_a_death_goes_to_one_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
