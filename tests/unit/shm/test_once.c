#include "shm/once.h"

#include "shm/queue.h"

#include "stage.h"

static struct stage stage;
static struct kith__root_ref ref;
static struct kith__once_root *root;

static void
make(const bool *done)
{
    bool made = done != NULL && *done;

    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_ONCE, kith__once_init, done != NULL ? &made : NULL);
    root = kith__once_root(&ref);
}

static void
a_claim_is_the_process_s_and_ends_by_done_or_failed(void **unused)
{
    uint64_t state;
    bool mine = false;

    (void)unused;
    make(NULL);
    EXPECT_RC(KITH_EPERM, kith__once_end(stage.self, &ref, true));
    EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
    assert_true(mine);
    EXPECT_OK(kith__once_state(&ref, &state));
    assert_true(state == kith__owner_of(stage.arena, stage.arena->holder));
    EXPECT_RC(KITH_EDEADLOCK, kith__once_claim(stage.self, &ref, 0, &mine));
    EXPECT_OK(kith__once_end(stage.self, &ref, false));
    EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
    assert_true(mine);
    EXPECT_OK(kith__once_end(stage.self, &ref, true));
    EXPECT_RC(KITH_EPERM, kith__once_end(stage.self, &ref, false)); /* it is done for good */
    EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
    assert_false(mine);
    stage_close(&stage);
}

static void
it_is_in_the_chain_before_it_is_claimed_and_once(void **unused)
{
    bool mine;

    (void)unused;
    make(NULL);
    assert_true(kith__load(&KITH__HEADER(stage.arena)->roots) == 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
        EXPECT_OK(kith__once_end(stage.self, &ref, false));
    }
    assert_true(kith__load(&KITH__HEADER(stage.arena)->roots) == ref.off);
    assert_true(kith__load(&root->root.chain) == 0);
    stage_close(&stage);
}

static void
the_claim_of_one_who_ended_is_anybodys(void **unused)
{
    const uint64_t dead = UINT64_C(1) << 16 | 4000;
    uint64_t state;
    bool mine;

    (void)unused;
    make(NULL);
    kith__store(&root->state, dead);
    EXPECT_OK(kith__once_state(&ref, &state)); /* and before anybody was told it is seen so */
    assert_true(state == 0);
    EXPECT_OK(kith__once_kind.release_holder(stage.self, ref.off, ref.id, UINT64_C(2) << 16 | 4000,
                                             true));
    assert_true(kith__load(&root->state) == dead); /* another's death is not its own */
    EXPECT_OK(kith__once_kind.release_holder(stage.self, ref.off, ref.id, dead, true));
    EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
    assert_true(mine);
    EXPECT_OK(kith__once_end(stage.self, &ref, true));
    stage_close(&stage);
}

static void
one_that_is_made_done_is_never_claimed(void **unused)
{
    const bool done = true;
    bool mine = true;

    (void)unused;
    make(&done);
    EXPECT_OK(kith__once_claim(stage.self, &ref, 0, &mine));
    assert_false(mine);
    assert_true(kith__load(&KITH__HEADER(stage.arena)->roots) == 0);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_the_process_s_and_ends_by_done_or_failed),
        cmocka_unit_test(it_is_in_the_chain_before_it_is_claimed_and_once),
        cmocka_unit_test(the_claim_of_one_who_ended_is_anybodys),
        cmocka_unit_test(one_that_is_made_done_is_never_claimed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
