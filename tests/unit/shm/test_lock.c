/*
 * test_lock.c - a lock inside the arena whose word was overwritten.
 */
#include "shm/lock.h"

#include "base/error.h"
#include "stage.h"

/* Says of a lock that has this word, after the space's timeout, that it is broken. */
static void
expect_told(struct stage *stage, uint32_t word)
{
    struct kith__lock *lock = &KITH__HEADER(stage->arena)->chain_lock;

    (void)kith__fail(KITH_EINVAL, "What was said before.");
    atomic_store(&lock->word, word);
    EXPECT_RC(KITH_ECORRUPT, kith__lock_acquire(stage->self, lock));
    assert_non_null(strstr(kith_last_error(), "names an owner that cannot be"));
    atomic_store(&lock->word, 0);
}

static void
an_owner_that_cannot_be_is_told_of_in_a_sentence(void **unused)
{
    struct stage stage = stage_open();
    unsigned nobody = stage.self->id + 1;
    struct kith__actor *actor = kith__actor_at(stage.arena, nobody);

    (void)unused;
    stage.arena->timeout_ns = 1;
    expect_told(&stage, stage.arena->actors_max + 1);
    expect_told(&stage, nobody); /* a slot that no thread has */
    actor->holder = KITH__HOLDERS_MAX + 1;
    expect_told(&stage, nobody);
    actor->holder = 0;
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_that_cannot_be_is_told_of_in_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
