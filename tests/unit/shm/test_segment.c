#include "shm/segment.h"

#include "checked.h"
#include "shm/extent.h"

static struct stage stage;
static struct kith__segment segment;
static struct kith__segment_root *root;

static void
make(uint64_t size)
{
    struct kith__segment_making making = { size, 0 };
    struct kith__root_ref ref;
    uint64_t pin;

    stage = stage_open();
    EXPECT_OK(kith__extent_stage(stage.self, size, true, &making.data, &pin));
    ref = stage_make(&stage, KITH_KIND_SEGMENT, kith__segment_init, &making);
    kith__extent_drop(stage.self, making.data, pin);
    segment = (struct kith__segment){ stage.arena, ref.off, ref.id };
    root = kith__segment_root(&segment);
}

static uint8_t *
bytes(void)
{
    return kith__ptr(stage.arena, kith__load(&root->data));
}

static uint64_t
size(void)
{
    uint64_t size = UINT64_MAX;

    EXPECT_OK(kith__segment_size(&segment, &size));
    return size;
}

static unsigned
granule_kind(uint64_t off)
{
    uint64_t index = kith__granule_of(stage.arena, off);

    return KITH__GRANULE_KIND(kith__load(&kith__granule_at(stage.arena, index)->word));
}

static void
expect_zeros(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(0, bytes()[i]);
}

/* Free memory that is not zero: what comes to a segment comes out of it. */
static void
soil(uint64_t size)
{
    uint64_t off, pin;

    EXPECT_OK(kith__extent_stage(stage.self, size, false, &off, &pin));
    memset(kith__ptr(stage.arena, off), 0xdd, size);
    kith__extent_drop(stage.self, off, pin);
}

static void
expect_at_rest(void)
{
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    assert_int_equal(0, kith__load(&stage.self->actor->trash.count));
    assert_int_equal(0, kith__load(&KITH__HEADER(stage.arena)->limbo));
    assert_int_equal(0, stage.self->depth);
    EXPECT_WHOLE(&stage);
}

static void
it_stays_where_it_is_up_to_the_last_byte_of_its_granules(void **unused)
{
    uint64_t at;

    (void)unused;
    make(1);
    at = kith__load(&root->data);
    memset(bytes(), 'x', 1);
    EXPECT_OK(kith__segment_resize(stage.self, &segment, KITH__GRANULE));
    assert_true(kith__load(&root->data) == at && size() == KITH__GRANULE);
    bytes()[KITH__GRANULE - 1] = 'y'; /* S2: there is memory for it */
    EXPECT_OK(kith__segment_resize(stage.self, &segment, KITH__GRANULE + 1));
    assert_true(kith__load(&root->data) != at && size() == KITH__GRANULE + 1);
    assert_true(bytes()[0] == 'x' && bytes()[KITH__GRANULE - 1] == 'y');
    expect_zeros(1, KITH__GRANULE - 1);
    expect_zeros(KITH__GRANULE, KITH__GRANULE + 1);
    expect_at_rest();
    stage_close(&stage);
}

static void
bytes_that_come_to_it_are_zero_in_place(void **unused)
{
    (void)unused;
    make(1000);
    memset(bytes(), 0xee, 1000);
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 10));
    assert_int_equal(10, size());
    assert_int_equal(0xee, bytes()[10]); /* it keeps its memory, with what was there */
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 2000));
    assert_int_equal(0xee, bytes()[9]);
    expect_zeros(10, 2000); /* S3 */
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 0));
    assert_int_equal(0, size());
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 2000));
    expect_zeros(0, 2000);
    expect_at_rest();
    stage_close(&stage);
}

static void
bytes_that_come_to_it_are_zero_where_it_moves(void **unused)
{
    (void)unused;
    make(1000);
    memset(bytes(), 0xee, 1000);
    soil(5 * KITH__GRANULE);
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 500));
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 3 * KITH__GRANULE));
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(0xee, bytes()[i]);
    expect_zeros(500, 3 * KITH__GRANULE); /* neither what it had once, nor what others had */
    expect_at_rest();
    stage_close(&stage);
}

static void
the_memory_it_had_goes_back_once_nobody_looks_at_it(void **unused)
{
    uint64_t old, seen, pin, used;

    (void)unused;
    make(1000);
    used = granules_used(&stage);
    bytes()[999] = 'x';
    EXPECT_OK(kith__segment_pin(stage.self, &segment, &old, &seen, &pin));
    assert_true(old == kith__load(&root->data) && seen == 1000);
    EXPECT_OK(kith__segment_resize(stage.self, &segment, 2 * KITH__GRANULE));
    assert_true(granule_kind(old) == KITH__GRANULE_LIMBO);
    assert_int_equal('x', ((uint8_t *)kith__ptr(stage.arena, old))[999]);
    assert_int_equal('x', bytes()[999]);
    bytes()[999] = 'y';
    assert_int_equal('x', ((uint8_t *)kith__ptr(stage.arena, old))[999]);
    EXPECT_WHOLE(&stage);
    kith__extent_drop(stage.self, old, pin);
    assert_true(granule_kind(old) != KITH__GRANULE_LIMBO);
    assert_true(granules_used(&stage) == used + 1);
    expect_at_rest();
    stage_close(&stage);
}

static void
what_is_pinned_outlives_the_segment(void **unused)
{
    uint64_t at, seen, pin;

    (void)unused;
    make(1000);
    bytes()[999] = 'x';
    EXPECT_OK(kith__segment_pin(stage.self, &segment, &at, &seen, &pin));
    EXPECT_OK(kith__catalog_destroy(stage.self, "segment"));
    put_away(&stage);
    assert_true(granule_kind(at) == KITH__GRANULE_LIMBO);
    assert_int_equal('x', ((uint8_t *)kith__ptr(stage.arena, at))[999]);
    kith__extent_drop(stage.self, at, pin);
    assert_true(granule_kind(at) != KITH__GRANULE_LIMBO);
    expect_at_rest();
    stage_close(&stage);
}

static void
a_resize_that_fails_leaves_it_as_it_was(void **unused)
{
    uint64_t at, used, off[KITH__PINS], seen, pin[KITH__PINS];

    (void)unused;
    make(1000);
    at = kith__load(&root->data);
    used = granules_used(&stage);
    EXPECT_RC(KITH_ETOOBIG, kith__segment_resize(stage.self, &segment, UINT64_MAX));
    EXPECT_RC(KITH_ETOOBIG, kith__segment_resize(stage.self, &segment, stage.arena->size));
    EXPECT_RC(KITH_ENOMEM, kith__segment_resize(stage.self, &segment,
                                                stage.arena->granules_max * KITH__GRANULE));
    for (unsigned i = 0; i < KITH__PINS; i++)
        EXPECT_OK(kith__segment_pin(stage.self, &segment, &off[i], &seen, &pin[i]));
    EXPECT_RC(KITH_EFULL, kith__segment_resize(stage.self, &segment, 2 * KITH__GRANULE));
    EXPECT_RC(KITH_EFULL, kith__segment_pin(stage.self, &segment, &off[0], &seen, &pin[0]));
    for (unsigned i = 0; i < KITH__PINS; i++)
        kith__extent_drop(stage.self, off[i], pin[i]);
    assert_true(kith__load(&root->data) == at && size() == 1000);
    assert_true(granules_used(&stage) == used);
    expect_at_rest();
    stage_close(&stage);
}

static void
a_copy_without_a_slot_says_how_much_there_is(void **unused)
{
    uint8_t copy[8] = { 0 };
    uint64_t there = 77;

    (void)unused;
    make(1000);
    memset(bytes(), 'x', 1000);
    EXPECT_OK(kith__segment_copy(&segment, NULL, 0, &there));
    assert_int_equal(1000, there);
    EXPECT_OK(kith__segment_copy(&segment, copy, 7, &there));
    assert_int_equal(1000, there);
    assert_memory_equal("xxxxxxx", copy, 8); /* not a byte past its room */
    kith__store(&root->size, KITH__GRANULE + 1);
    there = 77;
    EXPECT_RC(KITH_ECORRUPT, kith__segment_copy(&segment, copy, 7, &there));
    assert_int_equal(77, there);
    stage_close(&stage);
}

static void
a_handle_that_outlived_its_segment_changes_nothing(void **unused)
{
    uint64_t at, there = 77;
    struct kith__segment old;

    (void)unused;
    make(1000);
    at = kith__load(&root->data);
    old = segment;
    old.id += 1; /* the root is another segment's now */
    EXPECT_RC(KITH_EGONE, kith__segment_size(&old, &there));
    EXPECT_RC(KITH_EGONE, kith__segment_pin(stage.self, &old, &there, &there, &there));
    EXPECT_RC(KITH_EGONE, kith__segment_resize(stage.self, &old, 10));
    EXPECT_RC(KITH_EGONE, kith__segment_resize(stage.self, &old, 2 * KITH__GRANULE));
    EXPECT_RC(KITH_EGONE, kith__segment_copy(&old, NULL, 0, &there));
    assert_true(there == 77 && kith__load(&root->data) == at && size() == 1000);
    expect_at_rest();
    stage_close(&stage);
}

static void
a_size_that_its_memory_does_not_hold_is_found_and_not_used(void **unused)
{
    uint64_t at, there = 77;

    (void)unused;
    make(1000);
    EXPECT_FINDS_IN(&stage, root->size, KITH__GRANULE + 1, "is larger than its memory");
    EXPECT_FINDS_IN(&stage, root->root.lock.tag, 0, "is no lock");
    at = kith__load(&root->data);
    EXPECT_FINDS_IN(&stage, root->data, at + 8, "is not a block");
    EXPECT_FINDS_IN(&stage, root->data, segment.off, "is larger than its memory"); /* no extent */
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t wrong[] = { at + 8, segment.off, stage.arena->size };

        kith__store(&root->data, wrong[i]);
        EXPECT_RC(KITH_ECORRUPT, kith__segment_resize(stage.self, &segment, 10));
        EXPECT_RC(KITH_ECORRUPT, kith__segment_resize(stage.self, &segment, 2 * KITH__GRANULE));
        EXPECT_RC(KITH_ECORRUPT, kith__segment_pin(stage.self, &segment, &there, &there, &there));
        assert_int_equal(77, there);
    }
    kith__store(&root->data, at);
    expect_at_rest();
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_where_it_is_up_to_the_last_byte_of_its_granules),
        cmocka_unit_test(bytes_that_come_to_it_are_zero_in_place),
        cmocka_unit_test(bytes_that_come_to_it_are_zero_where_it_moves),
        cmocka_unit_test(the_memory_it_had_goes_back_once_nobody_looks_at_it),
        cmocka_unit_test(what_is_pinned_outlives_the_segment),
        cmocka_unit_test(a_resize_that_fails_leaves_it_as_it_was),
        cmocka_unit_test(a_copy_without_a_slot_says_how_much_there_is),
        cmocka_unit_test(a_handle_that_outlived_its_segment_changes_nothing),
        cmocka_unit_test(a_size_that_its_memory_does_not_hold_is_found_and_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
