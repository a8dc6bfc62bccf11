#include "checked.h"
#include "shm/extent.h"

static struct stage stage;
static struct kith__actor *actor;

static void
begin(void)
{
    stage = stage_open();
    actor = stage.self->actor;
}

static void
what_a_list_had_is_in_the_longer_one(void **unused)
{
    kith__word *at;

    (void)unused;
    begin();
    assert_true(kith__load(&actor->trash.area) == 0);
    for (unsigned i = 0; i < KITH__TRASH_INLINE; i++) /* beyond its count: as amid an operation */
        kith__store(&actor->trash_inline[i], 16 * (i + 1));
    EXPECT_OK(kith__vec_grow(stage.self, &actor->trash, actor->trash_inline, 5000));
    assert_true(kith__load(&actor->trash.room) >= 5000 && kith__load(&actor->trash.area) != 0);
    assert_int_equal(0, kith__load(&actor->trash.count));
    at = kith__trash_at(stage.arena, actor, 1);
    for (unsigned i = 0; i < KITH__TRASH_INLINE; i++)
        assert_true(kith__load(&at[i]) == 16 * (i + 1));
    assert_int_equal(0, kith__load(&actor->staged.count)); /* its extent is the list's */
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_list_that_grows_again_gives_its_old_area_back(void **unused)
{
    uint64_t first, used;

    (void)unused;
    begin();
    EXPECT_OK(kith__vec_grow(stage.self, &actor->staged, actor->staged_inline, 10));
    first = kith__load(&actor->staged.area);
    used = granules_used(&stage);
    EXPECT_OK(kith__vec_grow(stage.self, &actor->staged, actor->staged_inline, 20000));
    assert_true(kith__load(&actor->staged.area) != first);
    assert_true(kith__load(&actor->staged.room) >= 20000);
    assert_int_equal(0, kith__load(&actor->retired));
    assert_true(granules_used(&stage) == used + 3); /* of 256 KiB instead of 64 KiB */
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* Its own growing needs a place in it: that is left free. */
static void
the_list_of_staged_blocks_can_stage_its_own_area(void **unused)
{
    uint64_t off, room;
    struct kith__op op;

    (void)unused;
    begin();
    room = kith__load(&actor->staged.room);
    while (kith__load(&actor->staged.room) == room) {
        EXPECT_OK(kith__extent_take(stage.self, 1, &off));
        assert_true(kith__load(&actor->staged.count) < kith__load(&actor->staged.room));
        EXPECT_WHOLE(&stage);
    }
    kith__op_begin(&op, stage.self);
    kith__op_abort(&op);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
one_whose_growing_was_cut_short_is_cleaned_up_by_the_next(void **unused)
{
    uint64_t off, used;

    (void)unused;
    begin();
    used = granules_used(&stage);
    EXPECT_OK(kith__extent_take(stage.self, KITH__GRANULE, &off));
    kith__store(&actor->retired, off); /* as after the record, before the old area was freed */
    kith__store(&actor->staged.count, 0);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(kith__vec_grow(stage.self, &actor->trash, actor->trash_inline, 10));
    assert_int_equal(0, kith__load(&actor->retired));
    assert_true(granules_used(&stage) == used + 1); /* the area of the list */
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_list_that_cannot_grow_stays_as_it_is(void **unused)
{
    struct kith__vec before;

    (void)unused;
    begin();
    memcpy(&before, &actor->trash, sizeof before);
    EXPECT_RC(KITH_ECORRUPT,
              kith__vec_grow(stage.self, &actor->trash, actor->trash_inline, stage.arena->size));
    EXPECT_RC(KITH_ETOOBIG, kith__record_grow(stage.self, 2048, 2 * stage.arena->size, NULL, 0));
    assert_memory_equal(&before, &actor->trash, sizeof before);
    assert_true(kith__load(&actor->record.area) == 0 && stage.self->growing == NULL);
    assert_int_equal(0, kith__load(&actor->staged.count));
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_record_moves_with_its_entries(void **unused)
{
    const struct kith__redo entries[] = { { 8, 80 }, { 16, 160 } };
    const struct kith__redo *at;

    (void)unused;
    begin();
    EXPECT_OK(kith__record_grow(stage.self, 2048, 3 * KITH__GRANULE, entries, 2));
    assert_int_equal(2048, kith__load(&actor->record.room));
    at = kith__ptr(stage.arena, kith__load(&actor->record.area));
    assert_memory_equal(entries, at, sizeof entries);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_list_had_is_in_the_longer_one),
        cmocka_unit_test(a_list_that_grows_again_gives_its_old_area_back),
        cmocka_unit_test(the_list_of_staged_blocks_can_stage_its_own_area),
        cmocka_unit_test(one_whose_growing_was_cut_short_is_cleaned_up_by_the_next),
        cmocka_unit_test(a_list_that_cannot_grow_stays_as_it_is),
        cmocka_unit_test(a_record_moves_with_its_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
