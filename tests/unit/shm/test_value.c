#include "shm/value.h"

#include "base/clock.h"
#include "checked.h"

static struct stage stage;
static struct kith__value value;
static struct kith__value_root *root;

static kith_err
try_to_make(const char *name, const struct kith__value_making *making,
            struct kith__value *value_out)
{
    struct kith__object object = { 0 };
    kith_err err = kith__catalog_open(stage.self, name, KITH_KIND_VALUE, KITH_MUST_CREATE,
                                      kith__value_init, (void *)(uintptr_t)making, &object);

    return err < 0 ? err : kith__value_of(stage.arena, object.off, object.id, value_out);
}

static void
make_with(char code, size_t size, bool guarded, const void *initial)
{
    struct kith__value_making making = { { 0, KITH__SCALAR_PLAIN, (uint32_t)size },
                                         guarded,
                                         initial };

    if (code != 0)
        making.type = *kith__scalar_of(code);
    stage = stage_open();
    EXPECT_OK(try_to_make("value", &making, &value));
    root = kith__value_root(&value);
}

static void
make(char code, size_t size, bool guarded)
{
    make_with(code, size, guarded, NULL);
}

/* ---- Making ------------------------------------------------------------------------------- */

static void
a_structure_has_its_words_in_the_root_while_they_are_few(void **unused)
{
    uint8_t bytes[KITH__VALUE_SIZE_MAX], seen[KITH__VALUE_SIZE_MAX];
    const size_t sizes[] = { 1, 7, 8, 127, 128, 129, KITH__VALUE_SIZE_MAX };

    (void)unused;
    memset(bytes, 0xa5, sizeof bytes);
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        size_t size = sizes[i];
        kith__word *last;

        make_with(0, size, true, bytes);
        assert_true((kith__load(&root->block) != 0) == (size > 8 * KITH__VALUE_INLINE));
        last = root->words;
        if (kith__load(&root->block) != 0)
            last = kith__at(stage.arena, kith__load(&root->block), size);
        assert_non_null(last);
        last += (size - 1) / 8; /* padded with zeros */
        assert_true(kith__load(last) ==
                    (UINT64_C(0xa5a5a5a5a5a5a5a5) >> (size % 8 == 0 ? 0 : 64 - 8 * (size % 8))));
        memset(seen, 0, sizeof seen);
        EXPECT_OK(kith__value_read(stage.self, &value, seen));
        assert_memory_equal(bytes, seen, size);
        assert_true(size == sizeof seen || seen[size] == 0); /* and not a byte more is stored */
        EXPECT_WHOLE(&stage);
        stage_close(&stage);
    }
}

static void
a_scalar_is_its_bytes_with_zeros_above(void **unused)
{
    const int8_t initial = -1;
    uint64_t old = 0, now = 0;

    (void)unused;
    make_with('b', 0, false, &initial);
    assert_int_equal(0xff, kith__load(&root->cell));
    EXPECT_OK(kith__value_update(stage.self, &value, KITH__MATH_SUB, 127, &old, &now));
    assert_int_equal(0xff, old);
    assert_int_equal(0x80, now);
    assert_int_equal(0x80, kith__load(&root->cell));
    stage_close(&stage);
}

static void
constants_that_make_no_sense_are_refused(void **unused)
{
    struct kith__value untouched;
    const struct {
        uint32_t code, flags;
        uint64_t size;
    } wrong[] = {
        { 'q', 0, 4 }, /* a number of another size */
        { 'Z', 0, 8 }, /* no type */
        { 0, 0, 8 },   /* a structure without a lock */
        { 0, KITH__VALUE_GUARDED, 0 },
        { 0, KITH__VALUE_GUARDED, KITH__VALUE_SIZE_MAX + 1 },
        { 0, KITH__VALUE_GUARDED, (UINT64_C(1) << 32) + 8 }, /* as 32 bits it would do */
    };

    (void)unused;
    make('q', 0, false);
    memset(&untouched, 0x5a, sizeof untouched);
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        struct kith__value found = untouched;

        root->code = wrong[i].code;
        root->flags = wrong[i].flags;
        root->size = wrong[i].size;
        EXPECT_RC(KITH_ECORRUPT, kith__value_of(stage.arena, value.off, value.id, &found));
        assert_memory_equal(&untouched, &found, sizeof found);
        EXPECT_FINDS(&stage, "has no type");
        /* It is another object's root by now: no wonder. */
        EXPECT_RC(KITH_EGONE, kith__value_of(stage.arena, value.off, value.id + 1, &found));
    }
    stage_close(&stage);
}

/* ---- Changes without a lock --------------------------------------------------------------- */

static void
an_overflow_changes_nothing_and_leaves_no_mark(void **unused)
{
    uint64_t old = 77, now = 77;
    int64_t sum = 77;

    (void)unused;
    make('q', 0, false);
    EXPECT_OK(kith__value_update(stage.self, &value, KITH__MATH_SET, INT64_MAX, NULL, NULL));
    EXPECT_RC(KITH_ERANGE, kith__value_add(stage.self, &value, 1, &sum));
    EXPECT_RC(KITH_ERANGE, kith__value_add_slow(stage.self, &value, 1, &sum));
    EXPECT_RC(KITH_ERANGE, kith__value_update(stage.self, &value, KITH__MATH_ADD, 1, &old, &now));
    assert_true(old == 77 && now == 77 && sum == 77);
    assert_true(kith__load(&root->cell) == INT64_MAX);
    assert_true(kith__load(&stage.self->actor->pending_signal) == 0);
    EXPECT_OK(kith__value_add(stage.self, &value, INT64_MIN, &sum));
    assert_true(sum == -1);
    stage_close(&stage);
}

static void
a_handle_that_outlived_its_value_changes_nothing(void **unused)
{
    struct kith__value old;
    uint64_t bits = 77, zero = 0;

    (void)unused;
    make('q', 0, false);
    old = value;
    old.id += 1; /* the root is another value's now */
    EXPECT_RC(KITH_EGONE, kith__value_add(stage.self, &old, 1, NULL));
    EXPECT_RC(KITH_EGONE, kith__value_update(stage.self, &old, KITH__MATH_SET, 1, NULL, NULL));
    EXPECT_RC(KITH_EGONE, kith__value_cas(stage.self, &old, 0, 1, &bits));
    EXPECT_RC(KITH_EGONE, kith__value_wait(stage.self, &old, &zero, 0));
    old.guarded = true;
    EXPECT_RC(KITH_EGONE, kith__value_update(stage.self, &old, KITH__MATH_SET, 1, NULL, NULL));
    EXPECT_RC(KITH_EGONE, kith__value_cas(stage.self, &old, 0, 1, &bits));
    EXPECT_RC(KITH_EGONE, kith__value_write(stage.self, &old, NULL, &zero, NULL));
    EXPECT_RC(KITH_EGONE, kith__value_read(NULL, &old, &zero));
    assert_true(kith__load(&root->cell) == 0 && kith__load(&root->words[0]) == 0);
    assert_true(kith__load(&stage.self->actor->pending_signal) == 0);
    assert_int_equal(0, stage.self->depth); /* no lock is left taken */
    stage_close(&stage);
}

static void
a_swap_says_what_it_saw_in_any_case(void **unused)
{
    uint64_t seen = 77;

    (void)unused;
    for (unsigned guarded = 0; guarded < 2; guarded++) {
        make('i', 0, guarded != 0);
        EXPECT_OK(kith__value_cas(stage.self, &value, 0, 5, &seen));
        assert_int_equal(0, seen);
        EXPECT_RC(KITH_ECONFLICT, kith__value_cas(stage.self, &value, 0, 6, &seen));
        assert_int_equal(5, seen);
        EXPECT_OK(guarded != 0 ? kith__value_load_guarded(NULL, &value, &seen)
                               : kith__value_load(NULL, &value, &seen));
        assert_int_equal(5, seen);
        stage_close(&stage);
    }
}

/* V3: played by a thread that has named the signal and is stopped there. */
static void
a_root_is_not_given_back_while_somebody_may_be_amid_a_change(void **unused)
{
    struct crowd crowd;
    uint64_t off, waiting;

    (void)unused;
    make('q', 0, false);
    crowd_come(&crowd, &stage);
    off = value.off;
    stage.self->stuck = true; /* one look, and no waiting for who does not go on */
    kith__store(&crowd.actor[1]->pending_signal, (off + KITH__VALUE_SIGNAL_OFF) | 1);
    EXPECT_OK(kith__catalog_destroy(stage.self, "value"));
    waiting = kith__load(&stage.self->actor->trash.count);
    assert_int_equal(1, waiting);
    assert_int_equal(0, kith__load(&root->root.id));
    kith__store(&crowd.actor[1]->pending_signal, 0);
    put_away(&stage);
    assert_int_equal(0, kith__load(&stage.self->actor->trash.count));
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- Guarded ------------------------------------------------------------------------------ */

static void
a_guarded_number_is_one_store_and_a_structure_one_record(void **unused)
{
    uint8_t bytes[40];
    uint64_t head;

    (void)unused;
    make('q', 0, true);
    EXPECT_OK(kith__value_update(stage.self, &value, KITH__MATH_ADD, 5, NULL, NULL));
    assert_int_equal(5, kith__load(&root->words[0]));
    assert_int_equal(0, kith__load(&root->head)); /* readers see it before or after any record */
    assert_int_equal(0, kith__load(&root->cell)); /* V1: nobody's */
    stage_close(&stage);
    make(0, sizeof bytes, true);
    memset(bytes, 'x', sizeof bytes);
    for (unsigned i = 1; i <= 3; i++) {
        EXPECT_OK(kith__value_write(stage.self, &value, NULL, bytes, NULL));
        head = kith__load(&root->head);
        assert_true(head == i * KITH__COVER_VERSION_ONE); /* and nobody's actor in it */
    }
    assert_true(kith__load(&stage.self->actor->pending_signal) == 0);
    stage_close(&stage);
}

static void
a_write_over_what_is_not_expected_changes_nothing(void **unused)
{
    char first[200], second[200], seen[200], old[200];

    (void)unused;
    make(0, sizeof first, true);
    memset(first, 'a', sizeof first);
    memset(second, 'b', sizeof second);
    memset(old, '?', sizeof old);
    EXPECT_OK(kith__value_write(stage.self, &value, NULL, first, NULL));
    second[199] = 'a';
    EXPECT_RC(KITH_ECONFLICT, kith__value_write(stage.self, &value, second, second, old));
    assert_int_equal('?', old[0]);
    EXPECT_OK(kith__value_read(stage.self, &value, seen));
    assert_memory_equal(first, seen, sizeof seen);
    /* What it was may come out where the new one came from. */
    EXPECT_OK(kith__value_write(stage.self, &value, first, second, second));
    assert_memory_equal(first, second, sizeof second);
    EXPECT_OK(kith__value_read(stage.self, &value, seen));
    assert_true(seen[0] == 'b' && seen[199] == 'a');
    stage_close(&stage);
}

static void
a_record_is_seen_by_itself_alone_until_its_commit(void **unused)
{
    struct kith__op op;
    uint64_t bits = 0;

    (void)unused;
    make('q', 0, true);
    EXPECT_OK(kith__lock_acquire(stage.self, &root->root.lock));
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__value_op_add(&op, &value, 5));
    EXPECT_OK(kith__value_op_add(&op, &value, 6));
    EXPECT_OK(kith__value_op_get(&op, &value, &bits));
    assert_int_equal(11, bits);
    EXPECT_OK(kith__value_read(stage.self, &value, &bits));
    assert_int_equal(0, bits);
    kith__op_abort(&op);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__value_op_get(&op, &value, &bits));
    assert_int_equal(0, bits);
    bits = INT64_MAX;
    EXPECT_OK(kith__value_op_set(&op, &value, &bits));
    EXPECT_RC(KITH_ERANGE, kith__value_op_add(&op, &value, 1));
    EXPECT_OK(kith__op_commit(&op)); /* the record is as before the one that failed */
    kith__lock_release(stage.self, &root->root.lock);
    EXPECT_OK(kith__value_read(stage.self, &value, &bits));
    assert_true(bits == INT64_MAX);
    assert_true(kith__load(&root->head) == KITH__COVER_VERSION_ONE); /* once for a record */
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* Another's record covers the value: until it is committed memory counts, from then on the record.
 */
static void
a_reader_takes_the_words_of_a_record_from_its_commit_on(void **unused)
{
    struct kith__redo *entries;
    struct crowd crowd;
    uint64_t seen[2] = { 0, 0 };

    (void)unused;
    make(0, 16, true);
    crowd_come(&crowd, &stage);
    entries = crowd.actor[2]->main_inline;
    entries[0] = (struct kith__redo){ kith__off(stage.arena, &root->words[1]), 22 };
    kith__store(&crowd.actor[2]->main.area, 0);
    kith__store(&crowd.actor[2]->main.count, 1);
    kith__store(&root->head, 7 * KITH__COVER_VERSION_ONE | crowd.id[2]);
    EXPECT_OK(kith__value_read(stage.self, &value, seen));
    assert_true(seen[0] == 0 && seen[1] == 0);
    kith__store(&crowd.actor[2]->main.state,
                kith__load(&crowd.actor[2]->main.state) | KITH__COMMITTED);
    EXPECT_OK(kith__value_read(NULL, &value, seen));
    assert_true(seen[0] == 0 && seen[1] == 22);
    kith__journal_clear(&crowd.actor[2]->main);
    EXPECT_FINDS(&stage, "is covered by actor");
    kith__store(&root->head, 7 * KITH__COVER_VERSION_ONE);
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- What is broken ----------------------------------------------------------------------- */

static void
a_check_finds_each_field_that_is_wrong(void **unused)
{
    uint64_t block, small;
    struct kith__op op;

    (void)unused;
    make('b', 0, false);
    EXPECT_FINDS_IN(&stage, root->cell, 0x100, "has bits that its type has not");
    EXPECT_FINDS_IN(&stage, root->root.lock.tag, 0, "is no lock");
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
    make(0, 1000, true);
    block = kith__load(&root->block);
    EXPECT_FINDS_IN(&stage, root->block, block + 8, "is not a block");
    EXPECT_FINDS_IN(&stage, root->block, 0, "has less memory than bytes");
    /* A block, but one that is too small for it. */
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__op_take(&op, 64, &small));
    EXPECT_FINDS_IN(&stage, root->block, small, "has less memory than bytes");
    kith__op_abort(&op);
    EXPECT_FINDS_IN(&stage, root->size, 20000, "has less memory than bytes");
    EXPECT_FINDS_IN(&stage, root->size, KITH__VALUE_SIZE_MAX + 1, "has no type");
    EXPECT_WHOLE(&stage);
    root->size = 20000; /* V4: nor does anybody open it */
    EXPECT_RC(KITH_ECORRUPT, kith__value_of(stage.arena, value.off, value.id, &value));
    stage_close(&stage);
}

static void
a_value_whose_block_is_nowhere_is_broken_not_read(void **unused)
{
    uint8_t bytes[1000] = { 0 };
    struct kith__op op;
    uint64_t block;

    (void)unused;
    make(0, sizeof bytes, true);
    block = kith__load(&root->block);
    kith__store(&root->block, stage.arena->size - 8);
    EXPECT_RC(KITH_ECORRUPT, kith__value_read(stage.self, &value, bytes));
    EXPECT_RC(KITH_ECORRUPT, kith__value_write(stage.self, &value, NULL, bytes, NULL));
    kith__op_begin(&op, stage.self);
    EXPECT_RC(KITH_ECORRUPT, kith__value_op_set(&op, &value, bytes));
    EXPECT_RC(KITH_ECORRUPT, kith__value_op_get(&op, &value, bytes));
    kith__op_abort(&op);
    assert_int_equal(0, stage.self->depth);
    kith__store(&root->block, block);
    EXPECT_OK(kith__value_write(stage.self, &value, NULL, bytes, NULL));
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
an_entry_of_the_trash_that_is_no_ended_value_is_dropped(void **unused)
{
    kith__word source;

    (void)unused;
    make('q', 0, false);
    kith__store(&source, 5);
    EXPECT_RC(KITH_ECORRUPT, kith__value_kind.dismantle(stage.self, stage.arena->size, &source, 4));
    assert_int_equal(4, kith__load(&source));
    EXPECT_RC(KITH_ECORRUPT, kith__value_kind.dismantle(stage.self, value.off, &source, 3));
    assert_int_equal(3, kith__load(&source)); /* it lives: nothing of it is freed */
    EXPECT_OK(kith__value_add(stage.self, &value, 1, NULL));
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- Waiting ------------------------------------------------------------------------------ */

static void
a_wait_compares_the_bytes_of_its_type_alone(void **unused)
{
    const uint64_t zero = 0, high = 0xffffffff00000000; /* above a 4-byte item */
    uint8_t bytes[200] = { 0 };

    (void)unused;
    for (unsigned guarded = 0; guarded < 2; guarded++) {
        make('i', 0, guarded != 0);
        EXPECT_RC(KITH_ETIMEDOUT, kith__value_wait(stage.self, &value, &zero, 0));
        EXPECT_RC(KITH_ETIMEDOUT, kith__value_wait(stage.self, &value, &high, 0));
        EXPECT_RC(KITH_ETIMEDOUT,
                  kith__value_wait(stage.self, &value, &zero, kith__now_ns() + 1000));
        assert_int_equal(0, kith__load(&stage.self->actor->waiting_on));
        EXPECT_OK(kith__value_update(stage.self, &value, KITH__MATH_ADD, 1, NULL, NULL));
        EXPECT_OK(kith__value_wait(stage.self, &value, &zero, 0));
        stage_close(&stage);
    }
    make(0, sizeof bytes, true); /* more than a wait has room for by itself */
    EXPECT_RC(KITH_ETIMEDOUT, kith__value_wait(stage.self, &value, bytes, 0));
    bytes[199] = 1;
    EXPECT_OK(kith__value_wait(stage.self, &value, bytes, 0));
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_structure_has_its_words_in_the_root_while_they_are_few),
        cmocka_unit_test(a_scalar_is_its_bytes_with_zeros_above),
        cmocka_unit_test(constants_that_make_no_sense_are_refused),
        cmocka_unit_test(an_overflow_changes_nothing_and_leaves_no_mark),
        cmocka_unit_test(a_handle_that_outlived_its_value_changes_nothing),
        cmocka_unit_test(a_swap_says_what_it_saw_in_any_case),
        cmocka_unit_test(a_root_is_not_given_back_while_somebody_may_be_amid_a_change),
        cmocka_unit_test(a_guarded_number_is_one_store_and_a_structure_one_record),
        cmocka_unit_test(a_write_over_what_is_not_expected_changes_nothing),
        cmocka_unit_test(a_record_is_seen_by_itself_alone_until_its_commit),
        cmocka_unit_test(a_reader_takes_the_words_of_a_record_from_its_commit_on),
        cmocka_unit_test(a_check_finds_each_field_that_is_wrong),
        cmocka_unit_test(a_value_whose_block_is_nowhere_is_broken_not_read),
        cmocka_unit_test(an_entry_of_the_trash_that_is_no_ended_value_is_dropped),
        cmocka_unit_test(a_wait_compares_the_bytes_of_its_type_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
