#include "shm/journal.h"

#include "checked.h"

static struct stage stage;
static kith__word *words; /* in a block of ours, which is staged as long as a test lasts */
static struct kith__actor *actor;

#define WORDS 3000u

static void
begin(void)
{
    struct kith__op op;
    uint64_t off;

    stage = stage_open();
    actor = stage.self->actor;
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__op_take(&op, KITH__SMALL_MAX, &off));
    words = kith__ptr(stage.arena, off);
    for (unsigned i = 0; i < WORDS; i++)
        kith__store(&words[i], i);
}

static void
end(void)
{
    struct kith__op op;

    kith__op_begin(&op, stage.self);
    kith__op_abort(&op);
    put_away(&stage);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* A record beside the staged block of words, which a commit would take to be linked by it. */
static void
commit(struct kith__op *op)
{
    uint64_t staged = kith__load(&actor->staged.count);

    EXPECT_OK(kith__op_commit(op));
    kith__store(&actor->staged.count, staged);
}

static uint64_t
state(void)
{
    return kith__load(&actor->main.state);
}

static void
nothing_is_stored_before_the_commit_and_all_of_it_after(void **unused)
{
    struct kith__op op;
    uint64_t before;

    (void)unused;
    begin();
    before = state();
    kith__op_begin(&op, stage.self);
    kith__op_set(&op, &words[1], 100);
    kith__op_set(&op, &words[2], 200);
    kith__op_set(&op, &words[1], 101); /* the same word again: its entry has the last */
    assert_int_equal(2, op.count);
    assert_true(kith__op_get(&op, &words[1]) == 101 && kith__op_get(&op, &words[3]) == 3);
    assert_true(kith__load(&words[1]) == 1 && kith__load(&words[2]) == 2);
    assert_true(state() == before);
    commit(&op);
    assert_true(kith__load(&words[1]) == 101 && kith__load(&words[2]) == 200);
    assert_true(state() == before + 2); /* the next generation, and not committed: W6 */
    assert_int_equal(0, kith__load(&actor->main.count));
    end();
}

static void
an_error_sticks_and_nothing_is_stored(void **unused)
{
    struct kith__op op;

    (void)unused;
    begin();
    kith__op_begin(&op, stage.self);
    kith__op_set(&op, &words[1], 100);
    op.err = KITH_ERANGE;
    kith__op_set(&op, &words[2], 200);
    EXPECT_RC(KITH_ERANGE, kith__op_commit(&op));
    assert_true(kith__load(&words[1]) == 1 && kith__load(&words[2]) == 2);
    assert_true((state() & KITH__COMMITTED) == 0);
    end();
}

/* From the slot into the area, and through several larger ones with their indexes. */
static void
a_record_of_any_length_finds_each_of_its_words(void **unused)
{
    const unsigned counts[] = {
        1, KITH__MAIN_INLINE, KITH__MAIN_INLINE + 1, 128, 129, 2048, 2049, WORDS
    };
    struct kith__op op;

    (void)unused;
    begin();
    for (size_t c = 0; c < COUNTOF(counts); c++) {
        kith__op_begin(&op, stage.self);
        for (unsigned i = 0; i < counts[c]; i++)
            kith__op_set(&op, &words[i], 7 * i + c);
        for (unsigned i = 0; i < counts[c]; i += 3)
            kith__op_set(&op, &words[i], 9 * i + c);
        assert_int_equal(counts[c], op.count);
        assert_true((op.index != NULL) == (counts[c] > KITH__MAIN_INLINE));
        for (unsigned i = 0; i < WORDS; i++)
            assert_true(kith__op_get(&op, &words[i]) ==
                        (i >= counts[c] ? kith__load(&words[i]) : (i % 3 == 0 ? 9 : 7) * i + c));
        commit(&op);
        for (unsigned i = 0; i < counts[c]; i++)
            assert_true(kith__load(&words[i]) == (i % 3 == 0 ? 9 : 7) * i + c);
    }
    end();
}

static void
a_mini_record_that_does_not_fit_its_slot_is_refused(void **unused)
{
    struct kith__op mini;

    (void)unused;
    begin();
    kith__op_begin_mini(&mini, stage.self);
    for (unsigned i = 0; i <= KITH__MINI_INLINE; i++)
        kith__op_set(&mini, &words[i], 77);
    EXPECT_RC(KITH_ETOOBIG, kith__op_commit(&mini));
    for (unsigned i = 0; i <= KITH__MINI_INLINE; i++)
        assert_true(kith__load(&words[i]) == i);
    end();
}

static void
a_cover_gets_its_final_value_and_is_nobodys_after(void **unused)
{
    struct kith__op op;
    bool covered = false;

    (void)unused;
    begin();
    kith__store(&words[5], 0x50000);
    kith__op_begin(&op, stage.self);
    assert_true(kith__op_cover_get(&op, &words[5], &covered) == 0x50000 && !covered);
    kith__op_cover(&op, &words[5], 0x60000);
    kith__op_set(&op, &words[6], 66);
    assert_true(kith__op_cover_get(&op, &words[5], &covered) == 0x60000 && covered);
    kith__op_cover(&op, &words[5], 0x70000); /* of the same word: one entry */
    assert_int_equal(2, op.count);
    assert_true(kith__load(&words[5]) == 0x50000); /* J2: not before it is all written down */
    commit(&op);
    assert_true(kith__load(&words[5]) == 0x70000 && kith__load(&words[6]) == 66);
    end();
}

/* ---- A record whose actor died ------------------------------------------------------------- */

/* As after W1 and W2, or with `committed` after W3, of an actor that does no more. */
static void
write_down(struct kith__actor *dead, unsigned id, bool committed)
{
    dead->main_inline[0] =
        (struct kith__redo){ kith__off(stage.arena, &words[5]) | KITH__REDO_COVER, 0x60000 };
    dead->main_inline[1] = (struct kith__redo){ kith__off(stage.arena, &words[6]), 66 };
    kith__store(&dead->main.area, 0);
    kith__store(&dead->main.count, 2);
    kith__store(&words[5], 0x50000 | id);
    if (committed)
        kith__store(&dead->main.state, kith__load(&dead->main.state) | KITH__COMMITTED);
}

static void
a_committed_record_is_carried_out_as_often_as_it_takes(void **unused)
{
    struct crowd crowd;

    (void)unused;
    begin();
    crowd_come(&crowd, &stage);
    write_down(crowd.actor[1], crowd.id[1], true);
    for (unsigned i = 0; i < 2; i++) { /* J1 */
        assert_true(kith__journal_replay(stage.arena, &crowd.actor[1]->main,
                                         crowd.actor[1]->main_inline, KITH__MAIN_INLINE));
        assert_true(kith__load(&words[5]) == 0x60000 && kith__load(&words[6]) == 66);
    }
    kith__journal_clear(&crowd.actor[1]->main);
    crowd_leave(&crowd);
    end();
}

static void
a_record_that_is_dropped_leaves_no_cover(void **unused)
{
    struct crowd crowd;

    (void)unused;
    begin();
    crowd_come(&crowd, &stage);
    write_down(crowd.actor[1], crowd.id[1], false);
    kith__journal_uncover(stage.arena, &crowd.actor[1]->main, crowd.actor[1]->main_inline,
                          KITH__MAIN_INLINE, crowd.id[1]);
    assert_true(kith__load(&words[5]) == 0x50000 && kith__load(&words[6]) == 6);
    kith__store(&words[5], 0x50000 | crowd.id[2]); /* another's by now: it stays */
    kith__journal_uncover(stage.arena, &crowd.actor[1]->main, crowd.actor[1]->main_inline,
                          KITH__MAIN_INLINE, crowd.id[1]);
    assert_true(kith__load(&words[5]) == (0x50000 | crowd.id[2]));
    kith__journal_clear(&crowd.actor[1]->main);
    crowd_leave(&crowd);
    end();
}

static void
an_overwritten_record_stores_nothing_outside(void **unused)
{
    struct crowd crowd;
    struct kith__actor *dead;

    (void)unused;
    begin();
    crowd_come(&crowd, &stage);
    dead = crowd.actor[1];
    write_down(dead, crowd.id[1], true);
    kith__store(&dead->main.count, KITH__MAIN_INLINE + 1);
    assert_false(
        kith__journal_replay(stage.arena, &dead->main, dead->main_inline, KITH__MAIN_INLINE));
    kith__store(&dead->main.count, 2);
    kith__store(&dead->main.area, stage.arena->size - 16);
    assert_false(
        kith__journal_replay(stage.arena, &dead->main, dead->main_inline, KITH__MAIN_INLINE));
    kith__store(&dead->main.area, 0);
    assert_true(kith__load(&words[6]) == 6);
    dead->main_inline[0].off = stage.arena->size;
    assert_false(
        kith__journal_replay(stage.arena, &dead->main, dead->main_inline, KITH__MAIN_INLINE));
    dead->main_inline[0].off = UINT64_MAX;
    assert_false(
        kith__journal_replay(stage.arena, &dead->main, dead->main_inline, KITH__MAIN_INLINE));
    kith__journal_clear(&dead->main);
    crowd_leave(&crowd);
    end();
}

/* ---- Reading beside a record ----------------------------------------------------------------- */

static void
a_reader_sees_one_side_of_the_commit_or_looks_again(void **unused)
{
    struct kith__overlay overlay;
    struct crowd crowd;

    (void)unused;
    begin();
    crowd_come(&crowd, &stage);
    write_down(crowd.actor[1], crowd.id[1], false);
    kith__overlay_begin(&overlay, stage.arena, crowd.id[1]);
    assert_true(kith__overlay_load(&overlay, &words[6]) == 6 && kith__overlay_holds(&overlay));
    kith__store(&crowd.actor[1]->main.state, kith__load(&crowd.actor[1]->main.state) | 1);
    assert_false(kith__overlay_holds(&overlay)); /* committed meanwhile */
    kith__overlay_begin(&overlay, stage.arena, crowd.id[1]);
    assert_true(kith__overlay_load(&overlay, &words[6]) == 66);
    assert_true(kith__overlay_load(&overlay, &words[7]) == 7);
    assert_true(kith__overlay_cover(&overlay, &words[5], 1) == 0x60000);
    assert_true(kith__overlay_cover(&overlay, &words[6], 1) == 1); /* no cover */
    assert_true(kith__overlay_holds(&overlay));
    kith__journal_clear(&crowd.actor[1]->main);
    assert_false(kith__overlay_holds(&overlay));   /* carried out meanwhile */
    kith__overlay_begin(&overlay, stage.arena, 0); /* nobody's, and nobody there is */
    assert_true(kith__overlay_load(&overlay, &words[6]) == 6 && kith__overlay_holds(&overlay));
    kith__overlay_begin(&overlay, stage.arena, stage.arena->actors_max + 1);
    assert_true(kith__overlay_load(&overlay, &words[6]) == 6 && kith__overlay_holds(&overlay));
    crowd_leave(&crowd);
    end();
}

/* A long record has its index beside it, through which a reader goes. */
static void
a_reader_finds_the_words_of_a_long_record_by_its_index(void **unused)
{
    struct kith__overlay overlay;
    struct kith__op op;

    (void)unused;
    begin();
    kith__op_begin(&op, stage.self);
    for (unsigned i = 0; i < 1000; i += 2)
        kith__op_set(&op, &words[i], 10000 + i);
    /* As kith__op_commit() writes it down. */
    kith__store(&actor->main.count, op.count);
    kith__store(&actor->main.area, kith__off(stage.arena, op.entries));
    kith__store(&actor->main.shape, (kith__off(stage.arena, op.index) << 6) |
                                        (uint64_t)__builtin_ctz(op.index_mask + 1));
    kith__store(&actor->main.state, state() | KITH__COMMITTED);
    kith__overlay_begin(&overlay, stage.arena, stage.self->id);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(kith__overlay_load(&overlay, &words[i]) == (i % 2 == 0 ? 10000 + i : i));
    assert_true(kith__overlay_holds(&overlay));
    kith__store(&actor->main.shape, 31); /* overwritten: an index that would lead out */
    kith__overlay_begin(&overlay, stage.arena, stage.self->id);
    assert_true(kith__overlay_load(&overlay, &words[0]) == 0);
    kith__journal_clear(&actor->main);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_stored_before_the_commit_and_all_of_it_after),
        cmocka_unit_test(an_error_sticks_and_nothing_is_stored),
        cmocka_unit_test(a_record_of_any_length_finds_each_of_its_words),
        cmocka_unit_test(a_mini_record_that_does_not_fit_its_slot_is_refused),
        cmocka_unit_test(a_cover_gets_its_final_value_and_is_nobodys_after),
        cmocka_unit_test(a_committed_record_is_carried_out_as_often_as_it_takes),
        cmocka_unit_test(a_record_that_is_dropped_leaves_no_cover),
        cmocka_unit_test(an_overwritten_record_stores_nothing_outside),
        cmocka_unit_test(a_reader_sees_one_side_of_the_commit_or_looks_again),
        cmocka_unit_test(a_reader_finds_the_words_of_a_long_record_by_its_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
