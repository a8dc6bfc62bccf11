#include "shm/array.h"

#include "checked.h"
#include "shm/extent.h"
#include "shm/sync.h"

static struct stage stage;
static struct kith__array array;
static struct kith__array_root *root;

static uint64_t
staged(uint64_t size, uint64_t *pin_out)
{
    uint64_t off = 0;

    EXPECT_OK(kith__extent_stage(stage.self, size, true, &off, pin_out));
    return off;
}

static void
make(char code, uint32_t size, uint64_t count)
{
    struct kith__array_making making = { { 0, KITH__SCALAR_PLAIN, size }, count, 0 };
    struct kith__object object = { 0 };
    uint64_t pin;

    if (code != 0)
        making.type = *kith__scalar_of(code);
    stage = stage_open();
    making.data = staged(making.type.size * count, &pin);
    EXPECT_OK(kith__catalog_open(stage.self, "array", KITH_KIND_ARRAY, KITH_MUST_CREATE,
                                 kith__array_init, &making, &object));
    kith__extent_drop(stage.self, making.data, pin);
    EXPECT_OK(kith__array_of(stage.arena, object.off, object.id, &array));
    root = kith__array_root(&array);
}

static unsigned
granule_kind(uint64_t off)
{
    uint64_t index = kith__granule_of(stage.arena, off);

    return KITH__GRANULE_KIND(kith__load(&kith__granule_at(stage.arena, index)->word));
}

static uint8_t *
bytes(void)
{
    return kith__ptr(stage.arena, kith__load(&root->data));
}

/* What an operation leaves as it found it. */
static void
expect_at_rest(void)
{
    assert_true(kith__load(&stage.self->actor->pin) == 0);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    assert_int_equal(0, stage.self->depth);
}

/* ---- Making ------------------------------------------------------------------------------- */

static void
its_items_begin_a_granule_and_its_lock_has_its_id(void **unused)
{
    struct kith__sync_root *sync;

    (void)unused;
    make('i', 0, 100);
    assert_int_equal(0, kith__load(&root->data) % 64);
    assert_true(granule_kind(kith__load(&root->data)) == KITH__GRANULE_EXTENT);
    sync = kith__ptr(stage.arena, array.sync);
    assert_true(kith__load(&sync->id) == array.id); /* A4 */
    assert_int_equal(0, kith__load(&KITH__HEADER(stage.arena)->limbo));
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(0, bytes()[i]);
    expect_at_rest();
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
constants_that_make_no_sense_are_refused(void **unused)
{
    struct kith__array untouched;
    const struct {
        uint32_t code;
        uint64_t size, count;
    } wrong[] = {
        { 'i', 8, 10 },
        { 'Z', 4, 10 },
        { 0, 0, 10 },
        { 0, KITH__SMALL_MAX + 1, 1 },
        { 0, (UINT64_C(1) << 32) + 4, 1 },
        { 'i', 4, UINT64_C(1) << 62 }, /* times 4 it is 0 */
        { 'i', 4, UINT64_C(1) << 40 },
        { 'i', 4, KITH__GRANULE / 4 + 1 }, /* one more than the extent's granule holds */
    };

    (void)unused;
    make('i', 0, 10);
    memset(&untouched, 0x5a, sizeof untouched);
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        struct kith__array found = untouched;

        root->code = wrong[i].code;
        root->size = wrong[i].size;
        root->count = wrong[i].count;
        EXPECT_RC(KITH_ECORRUPT, kith__array_of(stage.arena, array.off, array.id, &found));
        assert_memory_equal(&untouched, &found, sizeof found);
        EXPECT_RC(KITH_EGONE, kith__array_of(stage.arena, array.off, array.id + 1, &found));
        EXPECT_FINDS(&stage, "has no shape");
    }
    stage_close(&stage);
}

/* ---- Items -------------------------------------------------------------------------------- */

static void
a_structure_is_stored_without_a_byte_of_its_neighbours(void **unused)
{
    uint8_t item[24], seen[24], before[24 * 9];

    (void)unused;
    for (uint32_t size = 1; size <= 24; size++) {
        make(0, size, 9);
        memset(bytes(), 0xee, size * 9);
        memcpy(before, bytes(), size * 9);
        for (uint64_t i = 0; i < 9; i++) {
            const struct kith__slice one = { i, 1, 1 };

            memset(item, (int)(i + 1), sizeof item);
            EXPECT_OK(kith__array_set(stage.self, &array, &one, item));
            memcpy(before + i * size, item, size);
            assert_memory_equal(before, bytes(), size * 9);
            assert_true(kith__load(&root->head) == (i + 1) * KITH__COVER_VERSION_ONE); /* A2 */
            memset(seen, 0, sizeof seen);
            EXPECT_OK(kith__array_get(stage.self, &array, &one, seen));
            assert_memory_equal(item, seen, size);
            assert_true(size == sizeof seen || seen[size] == 0);
        }
        expect_at_rest();
        stage_close(&stage);
    }
}

static void
a_number_changes_in_its_own_bytes_alone(void **unused)
{
    const char codes[] = { 'b', 'H', 'i', 'Q' };

    (void)unused;
    for (size_t c = 0; c < COUNTOF(codes); c++) {
        const struct kith__slice all = { 0, 1, 3 };
        uint64_t expected = 0, wanted = 0, now = 0, seen[3];
        uint32_t size;

        make(codes[c], 0, 3);
        size = array.type.size;
        memset(bytes(), 0xff, 3 * size);
        EXPECT_OK(kith__array_update(stage.self, &array, 1, KITH__MATH_AND, 0x1f, &now));
        assert_int_equal(0x1f, now);
        assert_int_equal(0, kith__load(&root->head)); /* A1: no record */
        expected = 0x1f;
        wanted = 0x2e;
        EXPECT_OK(kith__array_cas(stage.self, &array, 1, &expected, &wanted));
        EXPECT_RC(KITH_ECONFLICT, kith__array_cas(stage.self, &array, 1, &expected, &wanted));
        EXPECT_OK(kith__array_get(NULL, &array, &all, seen));
        for (uint32_t i = 0; i < 3 * size; i++)
            assert_int_equal(i < size || i >= 2 * size ? 0xff
                             : i == size               ? 0x2e
                                                       : 0,
                             ((uint8_t *)seen)[i]);
        expect_at_rest();
        stage_close(&stage);
    }
}

static void
a_slice_goes_by_its_step_in_both_directions(void **unused)
{
    const struct kith__slice back = { 9, -3, 4 }, forth = { 1, 4, 3 };
    const int16_t items[] = { 90, 60, 30, 0 };
    int16_t seen[4] = { 0 };

    (void)unused;
    make('h', 0, 10);
    EXPECT_OK(kith__array_set(stage.self, &array, &back, items));
    for (int i = 0; i < 10; i++)
        assert_int_equal(i % 3 == 0 ? 10 * i : 0, ((int16_t *)(void *)bytes())[i]);
    EXPECT_OK(kith__array_get(stage.self, &array, &forth, seen));
    assert_true(seen[0] == 0 && seen[1] == 0 && seen[2] == 90 && seen[3] == 0);
    EXPECT_OK(kith__array_get(NULL, &array, &back, seen));
    assert_memory_equal(items, seen, sizeof items);
    stage_close(&stage);
}

static void
an_overflow_leaves_the_item(void **unused)
{
    const struct kith__slice one = { 2, 1, 1 };
    const uint8_t most = 255;
    uint64_t now = 77;

    (void)unused;
    make('B', 0, 4);
    EXPECT_OK(kith__array_set(stage.self, &array, &one, &most));
    EXPECT_RC(KITH_ERANGE, kith__array_update(stage.self, &array, 2, KITH__MATH_ADD, 1, &now));
    assert_true(now == 77 && bytes()[2] == 255 && bytes()[3] == 0);
    expect_at_rest();
    stage_close(&stage);
}

static void
a_swap_of_structures_compares_all_their_bytes(void **unused)
{
    char a[12], b[12];

    (void)unused;
    make(0, 12, 3);
    memset(a, 0, sizeof a);
    memset(b, 'b', sizeof b);
    EXPECT_OK(kith__array_cas(stage.self, &array, 1, a, b));
    a[11] = b[11];
    EXPECT_RC(KITH_ECONFLICT, kith__array_cas(stage.self, &array, 1, a, a));
    assert_memory_equal(b, bytes() + 12, 12);
    assert_true(kith__load(&root->head) == KITH__COVER_VERSION_ONE);
    expect_at_rest();
    stage_close(&stage);
}

static void
a_reader_takes_the_words_of_a_record_from_its_commit_on(void **unused)
{
    const struct kith__slice second = { 1, 1, 1 };
    struct kith__redo *entries;
    struct crowd crowd;
    uint8_t seen[12];

    (void)unused;
    make(0, 12, 3);
    crowd_come(&crowd, &stage);
    entries = crowd.actor[0]->main_inline;
    entries[0] = (struct kith__redo){ kith__load(&root->data) + 16, UINT64_C(0x0807060504030201) };
    kith__store(&crowd.actor[0]->main.area, 0);
    kith__store(&crowd.actor[0]->main.count, 1);
    kith__store(&root->head, crowd.id[0]);
    EXPECT_OK(kith__array_get(stage.self, &array, &second, seen));
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(0, seen[i]);
    kith__store(&crowd.actor[0]->main.state,
                kith__load(&crowd.actor[0]->main.state) | KITH__COMMITTED);
    EXPECT_OK(kith__array_get(NULL, &array, &second, seen));
    for (unsigned i = 0; i < 12; i++) /* of its 12 bytes the last 8 */
        assert_int_equal(i < 4 ? 0 : i - 3, seen[i]);
    kith__journal_clear(&crowd.actor[0]->main);
    EXPECT_FINDS(&stage, "is covered by actor");
    kith__store(&root->head, 0);
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- The whole ---------------------------------------------------------------------------- */

static void
a_pinned_version_stays_as_it_is_until_it_is_let_go(void **unused)
{
    uint64_t old, pin, fresh, fresh_pin, used;
    int32_t *items;

    (void)unused;
    make('i', 0, 20000); /* two granules */
    used = granules_used(&stage);
    EXPECT_OK(kith__array_update(stage.self, &array, 7, KITH__MATH_SET, 70, NULL));
    EXPECT_OK(kith__array_pin(stage.self, &array, &old, &pin));
    assert_true(old == kith__load(&root->data));
    items = kith__ptr(stage.arena, old);
    fresh = staged(80000, &fresh_pin);
    assert_true(granule_kind(fresh) == KITH__GRANULE_LIMBO); /* P1 */
    EXPECT_OK(kith__array_publish(stage.self, &array, fresh));
    kith__extent_drop(stage.self, fresh, fresh_pin);
    assert_true(kith__load(&root->data) == fresh && kith__load(&root->version) == 1);
    assert_true(granule_kind(fresh) == KITH__GRANULE_EXTENT);
    assert_true(granule_kind(old) == KITH__GRANULE_LIMBO); /* P7 */
    assert_int_equal(70, items[7]);
    EXPECT_OK(kith__array_update(stage.self, &array, 7, KITH__MATH_ADD, 1, NULL));
    assert_int_equal(70, items[7]);
    assert_int_equal(1, ((int32_t *)(void *)bytes())[7]);
    EXPECT_WHOLE(&stage);
    kith__extent_drop(stage.self, old, pin);
    assert_true(granule_kind(old) != KITH__GRANULE_LIMBO);
    assert_true(granules_used(&stage) == used);
    expect_at_rest();
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* A3: played by a thread that has named the extent and is stopped there. */
static void
a_version_is_not_given_back_while_an_operation_may_be_in_it(void **unused)
{
    uint64_t old, fresh, pin;
    struct crowd crowd;

    (void)unused;
    make('q', 0, 10);
    crowd_come(&crowd, &stage);
    old = kith__load(&root->data);
    stage.self->stuck = true; /* one look, and no waiting for who does not go on */
    kith__store(&crowd.actor[3]->pin, old);
    fresh = staged(80, &pin);
    EXPECT_OK(kith__array_publish(stage.self, &array, fresh));
    kith__extent_drop(stage.self, fresh, pin);
    assert_true(kith__load(&stage.self->actor->trash.count) == 1);
    assert_true(granule_kind(old) == KITH__GRANULE_EXTENT);
    EXPECT_WHOLE(&stage);
    kith__store(&crowd.actor[3]->pin, 0);
    put_away(&stage);
    assert_true(kith__load(&stage.self->actor->trash.count) == 0);
    assert_true(granule_kind(old) != KITH__GRANULE_EXTENT);
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
only_an_extent_that_was_staged_is_published(void **unused)
{
    uint64_t data, used;

    (void)unused;
    make('q', 0, 10);
    data = kith__load(&root->data);
    used = granules_used(&stage);
    EXPECT_RC(KITH_ECORRUPT, kith__array_publish(stage.self, &array, data));
    EXPECT_RC(KITH_ECORRUPT, kith__array_publish(stage.self, &array, stage.arena->size));
    EXPECT_RC(KITH_ECORRUPT, kith__array_publish(stage.self, &array, 0));
    assert_true(kith__load(&root->data) == data && kith__load(&root->version) == 0);
    assert_true(granules_used(&stage) == used);
    expect_at_rest();
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_handle_that_outlived_its_array_changes_nothing(void **unused)
{
    const struct kith__slice one = { 0, 1, 1 };
    uint64_t data, pin, fresh, off = 7, zero = 0, number = 1;
    struct kith__array old, plain;

    (void)unused;
    make('q', 0, 10);
    data = kith__load(&root->data);
    fresh = staged(80, &pin);
    old = array;
    old.id += 1; /* the root is another array's now */
    plain = old;
    plain.type = (struct kith__scalar){ 0, KITH__SCALAR_PLAIN, 8 };
    EXPECT_RC(KITH_EGONE, kith__array_get(stage.self, &old, &one, &number));
    EXPECT_RC(KITH_EGONE, kith__array_get(NULL, &old, &one, &number));
    EXPECT_RC(KITH_EGONE, kith__array_set(stage.self, &old, &one, &number));
    EXPECT_RC(KITH_EGONE, kith__array_set(stage.self, &plain, &one, &number));
    EXPECT_RC(KITH_EGONE, kith__array_update(stage.self, &old, 0, KITH__MATH_ADD, 1, NULL));
    EXPECT_RC(KITH_EGONE, kith__array_cas(stage.self, &old, 0, &zero, &number));
    EXPECT_RC(KITH_EGONE, kith__array_cas(stage.self, &plain, 0, &zero, &number));
    EXPECT_RC(KITH_EGONE, kith__array_pin(stage.self, &old, &off, &off));
    EXPECT_RC(KITH_EGONE, kith__array_publish(stage.self, &old, fresh));
    assert_true(off == 7 && kith__load(&root->data) == data && bytes()[0] == 0);
    kith__extent_drop(stage.self, fresh, pin);
    assert_true(granule_kind(fresh) != KITH__GRANULE_LIMBO); /* nobody has it */
    assert_int_equal(0, kith__load(&kith__holder_at(stage.arena, stage.arena->holder)->pin_count));
    expect_at_rest();
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
what_is_pinned_outlives_the_array(void **unused)
{
    uint64_t data, pin;

    (void)unused;
    make('q', 0, 10);
    EXPECT_OK(kith__array_update(stage.self, &array, 9, KITH__MATH_SET, 99, NULL));
    EXPECT_OK(kith__array_pin(stage.self, &array, &data, &pin));
    EXPECT_OK(kith__catalog_destroy(stage.self, "array"));
    assert_true(granule_kind(data) == KITH__GRANULE_LIMBO);
    assert_int_equal(99, ((int64_t *)kith__ptr(stage.arena, data))[9]);
    EXPECT_WHOLE(&stage);
    kith__extent_drop(stage.self, data, pin);
    assert_true(granule_kind(data) != KITH__GRANULE_LIMBO);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_process_that_has_all_its_pins_gets_no_more(void **unused)
{
    uint64_t off[KITH__PINS], pin[KITH__PINS], none = 7;

    (void)unused;
    make('q', 0, 10);
    for (unsigned i = 0; i < KITH__PINS; i++)
        EXPECT_OK(kith__array_pin(stage.self, &array, &off[i], &pin[i]));
    EXPECT_RC(KITH_EFULL, kith__array_pin(stage.self, &array, &none, &none));
    assert_int_equal(7, none);
    EXPECT_OK(kith__array_update(stage.self, &array, 0, KITH__MATH_ADD, 1, NULL)); /* needs none */
    for (unsigned i = 0; i < KITH__PINS; i++)
        kith__extent_drop(stage.self, off[i], pin[i]);
    EXPECT_OK(kith__array_pin(stage.self, &array, &off[0], &pin[0]));
    kith__extent_drop(stage.self, off[0], pin[0]);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- What is broken ----------------------------------------------------------------------- */

static void
a_check_finds_each_field_that_is_wrong(void **unused)
{
    struct kith__sync_root *sync;

    (void)unused;
    make('q', 0, 10);
    sync = kith__ptr(stage.arena, array.sync);
    EXPECT_FINDS_IN(&stage, root->root.lock.tag, 0, "is no lock");
    EXPECT_FINDS_IN(&stage, sync->id, array.id + 1, "has the lock of another");
    EXPECT_FINDS_IN(&stage, root->data, stage.arena->size - 8, "is not a block");
    EXPECT_FINDS_IN(&stage, root->sync, array.sync + 8, "is not a block");
    EXPECT_FINDS_IN(&stage, root->code, 'c', "has no shape");
    EXPECT_FINDS_IN(&stage, root->head, stage.self->id, "is covered by actor");
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
items_that_are_nowhere_are_broken_not_touched(void **unused)
{
    const struct kith__slice one = { 0, 1, 1 };
    uint64_t data, fresh, pin, number = 0;
    struct kith__array plain;

    (void)unused;
    make('q', 0, 10);
    plain = array;
    plain.type = (struct kith__scalar){ 0, KITH__SCALAR_PLAIN, 8 };
    fresh = staged(80, &pin);
    data = kith__load(&root->data);
    kith__store(&root->data, stage.arena->size - 8);
    EXPECT_RC(KITH_ECORRUPT, kith__array_get(stage.self, &array, &one, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_get(NULL, &array, &one, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_set(stage.self, &array, &one, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_set(stage.self, &plain, &one, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_update(stage.self, &array, 0, KITH__MATH_ADD, 1, NULL));
    EXPECT_RC(KITH_ECORRUPT, kith__array_cas(stage.self, &array, 0, &number, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_pin(stage.self, &array, &number, &number));
    EXPECT_RC(KITH_ECORRUPT, kith__array_publish(stage.self, &array, fresh));
    kith__store(&root->data, data);
    kith__extent_drop(stage.self, fresh, pin);
    assert_int_equal(0, kith__load(&kith__holder_at(stage.arena, stage.arena->holder)->pin_count));
    expect_at_rest();
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
an_entry_of_the_trash_that_is_no_ended_array_is_dropped(void **unused)
{
    kith__word source;

    (void)unused;
    make('q', 0, 10);
    kith__store(&source, 5);
    EXPECT_RC(KITH_ECORRUPT, kith__array_kind.dismantle(stage.self, stage.arena->size, &source, 4));
    EXPECT_RC(KITH_ECORRUPT, kith__array_kind.dismantle(stage.self, array.off, &source, 3));
    assert_int_equal(3, kith__load(&source));
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_items_begin_a_granule_and_its_lock_has_its_id),
        cmocka_unit_test(constants_that_make_no_sense_are_refused),
        cmocka_unit_test(a_structure_is_stored_without_a_byte_of_its_neighbours),
        cmocka_unit_test(a_number_changes_in_its_own_bytes_alone),
        cmocka_unit_test(a_slice_goes_by_its_step_in_both_directions),
        cmocka_unit_test(an_overflow_leaves_the_item),
        cmocka_unit_test(a_swap_of_structures_compares_all_their_bytes),
        cmocka_unit_test(a_reader_takes_the_words_of_a_record_from_its_commit_on),
        cmocka_unit_test(a_pinned_version_stays_as_it_is_until_it_is_let_go),
        cmocka_unit_test(a_version_is_not_given_back_while_an_operation_may_be_in_it),
        cmocka_unit_test(only_an_extent_that_was_staged_is_published),
        cmocka_unit_test(a_handle_that_outlived_its_array_changes_nothing),
        cmocka_unit_test(what_is_pinned_outlives_the_array),
        cmocka_unit_test(a_process_that_has_all_its_pins_gets_no_more),
        cmocka_unit_test(a_check_finds_each_field_that_is_wrong),
        cmocka_unit_test(items_that_are_nowhere_are_broken_not_touched),
        cmocka_unit_test(an_entry_of_the_trash_that_is_no_ended_array_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
