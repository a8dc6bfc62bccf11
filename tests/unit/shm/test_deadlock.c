#include "shm/deadlock.h"

#include "shm/row.h"

#include "stage.h"

static struct stage stage;
static struct crowd crowd;
static struct kith__sync locks[CROWD + 1];

static void
open_all(uint32_t options)
{
    stage = stage_open();
    crowd_come(&crowd, &stage);
    for (unsigned i = 0; i <= CROWD; i++) {
        struct kith__object object = { 0 };
        char name[16];

        snprintf(name, sizeof name, "lock %u", i);
        EXPECT_OK(kith__catalog_open(stage.self, name, KITH_KIND_LOCK, KITH_MUST_CREATE,
                                     kith__sync_init, &options, &object));
        locks[i] = (struct kith__sync){ stage.arena, object.off, object.id };
    }
}

static void
close_all(void)
{
    for (unsigned i = 0; i <= CROWD; i++)
        atomic_store(&kith__sync_root(&locks[i])->lock.word, 0);
    atomic_store(&stage.self->actor->wanted, 0);
    crowd_leave(&crowd);
    stage_close(&stage);
}

/* Actor i of the crowd, and the caller as number CROWD, holds lock i. */
static unsigned
id_of(unsigned who)
{
    return who == CROWD ? stage.self->id : crowd.id[who];
}

static void
hold(unsigned who)
{
    atomic_store(&kith__sync_root(&locks[who])->lock.word, id_of(who));
}

static void
want(unsigned who, unsigned lock)
{
    struct kith__actor *actor = who == CROWD ? stage.self->actor : crowd.actor[who];

    kith__store(&actor->ticket, who + 1);
    atomic_store(&actor->wanted, kith__sync_entry(&locks[lock]));
}

static void
a_circle_of_any_length_is_found_and_named(void **unused)
{
    struct kith__circle circle;

    (void)unused;
    for (unsigned length = 2; length <= CROWD + 1; length++) {
        open_all(KITH__SYNC_DETECT);
        for (unsigned i = 0; i <= CROWD; i++)
            hold(i);
        /* The caller wants lock 0; actor i lock i + 1; the last of the circle the caller's. */
        want(CROWD, 0);
        for (unsigned i = 0; i + 2 < length; i++)
            want(i, i + 1);
        assert_false(kith__circle_find(stage.self, &circle)); /* one who does not wait yet */
        want(length - 2, CROWD);
        assert_true(kith__circle_find(stage.self, &circle));
        assert_int_equal(length, circle.count);
        assert_int_equal(stage.self->id, circle.link[0].actor);
        assert_true(circle.link[0].entry == kith__sync_entry(&locks[0]));
        for (unsigned i = 1; i < length && i < KITH__CIRCLE_MAX; i++)
            assert_int_equal(crowd.id[i - 1], circle.link[i].actor);
        close_all();
    }
}

static void
a_circle_among_others_is_not_the_callers(void **unused)
{
    struct kith__circle circle;

    (void)unused;
    open_all(KITH__SYNC_DETECT);
    for (unsigned i = 0; i < 3; i++)
        hold(i);
    want(0, 1);
    want(1, 0);
    want(CROWD, 2);
    assert_false(kith__circle_find(stage.self, &circle));
    want(CROWD, 0); /* it waits for a circle, and is not in it */
    assert_false(kith__circle_find(stage.self, &circle));
    assert_int_equal(0, circle.count);
    close_all();
}

static void
a_path_ends_at_a_lock_without_an_owner(void **unused)
{
    struct kith__circle circle;

    (void)unused;
    open_all(KITH__SYNC_DETECT);
    hold(CROWD);
    want(CROWD, 0); /* which is free */
    want(0, CROWD);
    assert_false(kith__circle_find(stage.self, &circle));
    hold(0);
    assert_true(kith__circle_find(stage.self, &circle));
    kith__sync_root(&locks[0])->options |= KITH__SYNC_UNOWNED; /* anyone may release it */
    assert_false(kith__circle_find(stage.self, &circle));
    kith__sync_root(&locks[0])->options = KITH__SYNC_DETECT;
    close_all();
}

static void
bytes_that_lead_nowhere_end_a_path(void **unused)
{
    static const uint64_t nowhere[] = { 1, 8, 4096, UINT64_MAX & ~UINT64_C(7), UINT64_C(1) << 47 };
    struct kith__circle circle;

    (void)unused;
    open_all(KITH__SYNC_DETECT);
    hold(0);
    hold(CROWD);
    want(CROWD, 0);
    for (size_t i = 0; i < COUNTOF(nowhere); i++) {
        atomic_store(&crowd.actor[0]->wanted, nowhere[i]);
        assert_false(kith__circle_find(stage.self, &circle));
    }
    atomic_store(&kith__sync_root(&locks[0])->lock.word, 0x7fff); /* no such actor */
    assert_false(kith__circle_find(stage.self, &circle));
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_circle_of_any_length_is_found_and_named),
        cmocka_unit_test(a_circle_among_others_is_not_the_callers),
        cmocka_unit_test(a_path_ends_at_a_lock_without_an_owner),
        cmocka_unit_test(bytes_that_lead_nowhere_end_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
