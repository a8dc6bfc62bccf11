#include "shm/extent.h"

#include "checked.h"
#include "shm/alloc.h"

static struct stage stage;
static struct kith__header *header;

static void
begin(void)
{
    stage = stage_open();
    header = KITH__HEADER(stage.arena);
}

/* Memory goes back only where the system has a barrier for all processes. */
static void
begin_where_memory_goes_back(void)
{
    begin();
    if (kith__load(&header->no_trim) != 0) {
        stage_close(&stage);
        skip();
    }
}

static uint64_t
word_at(uint64_t index)
{
    return kith__load(&kith__granule_at(stage.arena, index)->word);
}

static unsigned
kind_of(uint64_t off)
{
    return KITH__GRANULE_KIND(word_at(kith__granule_of(stage.arena, off)));
}

/* An extent that is the last of our staged blocks. */
static uint64_t
take(uint64_t granules)
{
    uint64_t off = 0, count = kith__load(&stage.self->actor->staged.count);

    EXPECT_OK(kith__extent_take(stage.self, granules * KITH__GRANULE, &off));
    assert_true(kith__load(&stage.self->actor->staged.count) == count + 1);
    assert_true(kith__load(kith__staged_at(stage.arena, stage.self->actor, count + 1) + count) ==
                off);
    assert_true(kind_of(off) == KITH__GRANULE_EXTENT);
    return off;
}

/* As an object has one: nothing but `owner` names it. */
static uint64_t
own(uint64_t granules, kith__word *owner)
{
    uint64_t off = take(granules);
    kith__word *count = &stage.self->actor->staged.count;

    kith__store(owner, off);
    kith__store(count, kith__load(count) - 1);
    return off;
}

static void
give(kith__word *owner)
{
    EXPECT_OK(kith__extent_free(stage.self, kith__load(owner), owner, 0));
    assert_true(kith__load(owner) == 0);
}

/* A word of the arena that may own an extent in a record: of a block that we have staged. */
static kith__word *
some_words(struct kith__op *op, unsigned count)
{
    kith__word *words;
    uint64_t off;

    kith__op_begin(op, stage.self);
    EXPECT_OK(kith__op_take(op, count * 8, &off));
    words = kith__ptr(stage.arena, off);
    for (unsigned i = 0; i < count; i++)
        kith__store(&words[i], 0);
    return words;
}

static void
free_runs_that_meet_become_one(void **unused)
{
    uint64_t a, b, c, top, used;
    kith__word *owner;
    struct kith__op op;

    (void)unused;
    begin();
    owner = some_words(&op, 4);
    used = granules_used(&stage);
    a = own(2, &owner[0]);
    b = own(3, &owner[1]);
    c = own(1, &owner[2]);
    own(1, &owner[3]); /* so that it ends there */
    top = kith__load(&header->granules_top);
    assert_true(b == a + 2 * KITH__GRANULE && c == b + 3 * KITH__GRANULE); /* E1 */
    assert_true(granules_used(&stage) == used + 7);
    give(&owner[0]);
    assert_true(kind_of(a) == KITH__GRANULE_FREE);
    give(&owner[2]); /* a run of one, which is its own tail */
    assert_true(kind_of(c) == KITH__GRANULE_FREE);
    assert_true(KITH__GRANULE_RUN(word_at(kith__granule_of(stage.arena, c))) == 1);
    give(&owner[1]); /* between the two: E2 */
    assert_true(KITH__GRANULE_RUN(word_at(kith__granule_of(stage.arena, a))) == 6);
    assert_true(KITH__GRANULE_KIND(word_at(kith__granule_of(stage.arena, c))) ==
                KITH__GRANULE_FREE_TAIL);
    assert_true(granules_used(&stage) == used + 1 && kith__load(&header->dirty) == 6); /* E4 */
    assert_true(own(6, &owner[0]) == a); /* all of it, and nothing of what was never used */
    assert_true(kith__load(&header->granules_top) == top);
    give(&owner[0]);
    assert_true(own(2, &owner[0]) == a); /* a part, and the rest stays free */
    assert_true(kind_of(b) == KITH__GRANULE_FREE);
    give(&owner[0]);
    give(&owner[3]);
    kith__op_abort(&op);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
what_is_staged_goes_back_with_the_operation(void **unused)
{
    uint64_t used;
    struct kith__op op;

    (void)unused;
    begin();
    EXPECT_OK(kith__extent_take(stage.self, 1, &used)); /* what growing the list takes, too */
    kith__op_begin(&op, stage.self);
    kith__op_abort(&op);
    used = granules_used(&stage);
    for (unsigned i = 0; i < 3 * KITH__STAGED_INLINE; i++)
        take(1);
    EXPECT_WHOLE(&stage);
    kith__op_abort(&op);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    put_away(&stage);
    assert_true(granules_used(&stage) <= used + 1); /* but the longer list of staged ones */
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
an_arena_that_is_full_says_so_and_loses_nothing(void **unused)
{
    uint64_t off = 77, pin = 77, used, top, left;
    kith__word *owner;
    struct kith__op op;

    (void)unused;
    begin();
    owner = some_words(&op, 1);
    used = granules_used(&stage);
    top = kith__load(&header->granules_top);
    left = stage.arena->granules_max - top;
    EXPECT_RC(KITH_ETOOBIG, kith__extent_take(stage.self, UINT64_MAX, &off));
    EXPECT_RC(KITH_ETOOBIG, kith__extent_take(stage.self, KITH__ITEM_MAX + 1, &off));
    EXPECT_RC(KITH_ETOOBIG,
              kith__extent_take(stage.self, stage.arena->granules_max * KITH__GRANULE + 1, &off));
    EXPECT_RC(KITH_ENOMEM, kith__extent_take(stage.self, left * KITH__GRANULE + 1, &off));
    EXPECT_RC(KITH_ENOMEM,
              kith__extent_stage(stage.self, left * KITH__GRANULE + 1, true, &off, &pin));
    assert_true(off == 77 && pin == 77);
    assert_true(granules_used(&stage) == used && kith__load(&header->granules_top) == top);
    EXPECT_WHOLE(&stage);
    own(left, owner); /* to the last granule */
    EXPECT_RC(KITH_ENOMEM, kith__extent_take(stage.self, 1, &off));
    give(owner);
    assert_true(granules_used(&stage) == used);
    kith__op_abort(&op);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- Pins ----------------------------------------------------------------------------------- */

static void
an_extent_that_a_thread_reads_is_freed_when_it_is_done(void **unused)
{
    struct crowd crowd;
    kith__word *owner;
    struct kith__op op;
    uint64_t off, used;

    (void)unused;
    begin();
    crowd_come(&crowd, &stage);
    owner = some_words(&op, 2);
    used = granules_used(&stage);
    off = own(2, &owner[0]);
    kith__store(&crowd.actor[0]->pin, off);
    give(&owner[0]);
    assert_true(kind_of(off) == KITH__GRANULE_LIMBO);
    assert_true(kith__load(&header->limbo) == kith__granule_of(stage.arena, off) + 1);
    assert_true(own(2, &owner[1]) != off); /* E3: it is in no bin */
    give(&owner[1]);
    EXPECT_OK(kith__limbo_sweep(stage.self));
    assert_true(kind_of(off) == KITH__GRANULE_LIMBO);
    kith__store(&crowd.actor[0]->pin, 0);
    EXPECT_OK(kith__limbo_sweep(stage.self));
    assert_true(kith__load(&header->limbo) == 0 && granules_used(&stage) == used);
    kith__op_abort(&op);
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* Out of the middle, the front and the end of the list. */
static void
a_sweep_takes_from_limbo_what_nobody_pins_any_more(void **unused)
{
    const unsigned order[] = { 1, 0, 2 };
    uint64_t off[3], pin[3], used;

    (void)unused;
    begin();
    used = granules_used(&stage);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(kith__extent_stage(stage.self, 100, false, &off[i], &pin[i]));
    for (unsigned i = 0; i < 3; i++)
        assert_true(kind_of(off[i]) == KITH__GRANULE_LIMBO);
    for (unsigned i = 0; i < 3; i++) {
        kith__extent_drop(stage.self, off[order[i]], pin[order[i]]);
        assert_true(kind_of(off[order[i]]) != KITH__GRANULE_LIMBO);
        assert_true(granules_used(&stage) == used + 2 - i);
        EXPECT_WHOLE(&stage);
    }
    assert_true(kith__load(&header->limbo) == 0);
    stage_close(&stage);
}

static void
only_a_pin_that_is_still_ours_is_taken_off(void **unused)
{
    struct kith__holder *holder;
    uint64_t pin = 77;

    (void)unused;
    begin();
    holder = kith__holder_at(stage.arena, stage.arena->holder);
    EXPECT_OK(kith__pin(stage.arena, 8 * KITH__GRANULE, &pin));
    assert_int_equal(1, kith__load(&holder->pin_count));
    kith__unpin(stage.arena, pin, 9 * KITH__GRANULE); /* another's stands there */
    kith__unpin(stage.arena, KITH__PINS, 8 * KITH__GRANULE);
    assert_int_equal(1, kith__load(&holder->pin_count));
    assert_true(kith__load(&holder->pin[pin]) == 8 * KITH__GRANULE);
    kith__unpin(stage.arena, pin, 8 * KITH__GRANULE);
    kith__unpin(stage.arena, pin, 8 * KITH__GRANULE);
    assert_int_equal(0, kith__load(&holder->pin_count));
    stage_close(&stage);
}

static void
what_is_adopted_comes_out_of_limbo_with_its_pin(void **unused)
{
    uint64_t off, pin, used;
    struct kith__op op;

    (void)unused;
    begin();
    used = granules_used(&stage);
    EXPECT_OK(kith__extent_stage(stage.self, 100, true, &off, &pin));
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__extent_adopt(&op, off));
    assert_true(kind_of(off) == KITH__GRANULE_EXTENT && kith__load(&header->limbo) == 0);
    assert_int_equal(1, kith__load(&stage.self->actor->staged.count));
    EXPECT_RC(KITH_ECORRUPT, kith__extent_adopt(&op, off)); /* it is in limbo no more */
    EXPECT_RC(KITH_ECORRUPT, op.err);
    EXPECT_RC(KITH_ECORRUPT, kith__op_commit(&op)); /* errors stick */
    kith__op_abort(&op);
    assert_true(kind_of(off) == KITH__GRANULE_LIMBO); /* we have it pinned still */
    kith__extent_drop(stage.self, off, pin);
    assert_true(granules_used(&stage) == used);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
memory_that_was_used_comes_as_zeros_if_these_are_asked_for(void **unused)
{
    uint64_t off, pin, again;
    const uint8_t *bytes;

    (void)unused;
    begin();
    EXPECT_OK(kith__extent_stage(stage.self, 70000, false, &off, &pin));
    memset(kith__ptr(stage.arena, off), 0xdd, 70000);
    kith__extent_drop(stage.self, off, pin);
    EXPECT_OK(kith__extent_stage(stage.self, 70000, false, &again, &pin));
    assert_true(again == off);
    kith__extent_drop(stage.self, off, pin);
    EXPECT_OK(kith__extent_stage(stage.self, 69999, true, &again, &pin));
    assert_true(again == off);
    bytes = kith__ptr(stage.arena, off);
    for (unsigned i = 0; i < 69999; i++)
        assert_int_equal(0, bytes[i]);
    kith__extent_drop(stage.self, off, pin);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- Giving memory back --------------------------------------------------------------------- */

static void
free_memory_goes_back_to_the_system_and_reads_as_zero(void **unused)
{
    uint64_t off, pin, given = 77;

    (void)unused;
    begin_where_memory_goes_back();
    EXPECT_OK(kith__extent_stage(stage.self, 20 * KITH__GRANULE, false, &off, &pin));
    assert_true((word_at(kith__granule_of(stage.arena, off)) & KITH__GRANULE_WHOLE) != 0);
    memset(kith__ptr(stage.arena, off), 0xdd, 20 * KITH__GRANULE);
    kith__extent_drop(stage.self, off, pin);
    assert_int_equal(20, kith__load(&header->dirty));
    EXPECT_OK(kith__trim(stage.self, false, &given)); /* a comfortable reserve is kept */
    assert_int_equal(0, given);
    EXPECT_OK(kith__trim(stage.self, true, &given));
    assert_true(given == 20 * KITH__GRANULE && kith__load(&header->dirty) == 0);
    assert_true((word_at(kith__granule_of(stage.arena, off)) &
                 (KITH__GRANULE_WHOLE | KITH__GRANULE_DIRTY)) == 0); /* E5 */
    EXPECT_WHOLE(&stage);
    EXPECT_OK(kith__extent_stage(stage.self, 20 * KITH__GRANULE, false, &off, &pin));
    for (uint64_t i = 0; i < 20 * KITH__GRANULE; i += 509)
        assert_int_equal(0, ((uint8_t *)kith__ptr(stage.arena, off))[i]);
    kith__extent_drop(stage.self, off, pin);
    stage_close(&stage);
}

static void
nothing_is_given_back_under_a_reader_that_stands(void **unused)
{
    struct crowd crowd;
    uint64_t off, pin, given = 77;

    (void)unused;
    begin_where_memory_goes_back();
    crowd_come(&crowd, &stage);
    EXPECT_OK(kith__extent_stage(stage.self, 20 * KITH__GRANULE, false, &off, &pin));
    kith__extent_drop(stage.self, off, pin);
    kith__reading_begin(crowd.actor[0]);
    EXPECT_OK(kith__trim(stage.self, true, &given));
    assert_true(given == 0 && kith__load(&header->dirty) == 20);
    assert_int_equal(0, kith__load(&stage.self->actor->staged.count));
    EXPECT_WHOLE(&stage);
    kith__reading_end(crowd.actor[0]);
    EXPECT_OK(kith__trim(stage.self, true, &given));
    assert_true(given == 20 * KITH__GRANULE);
    crowd_leave(&crowd);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

/* ---- What is broken ----------------------------------------------------------------------- */

static void
a_list_that_leads_out_of_the_arena_is_an_error(void **unused)
{
    uint64_t off[3], pin[3], index;
    struct kith__granule *middle;

    (void)unused;
    begin();
    for (unsigned i = 0; i < 3; i++)
        EXPECT_OK(kith__extent_stage(stage.self, 100, false, &off[i], &pin[i]));
    index = kith__granule_of(stage.arena, off[1]);
    middle = kith__granule_at(stage.arena, index);
    kith__store(&middle->prev, stage.arena->granules_max + 1);
    kith__unpin(stage.arena, pin[1], off[1]);
    EXPECT_RC(KITH_ECORRUPT, kith__limbo_sweep(stage.self));
    assert_true(kind_of(off[1]) == KITH__GRANULE_LIMBO); /* nothing was done */
    assert_int_equal(0, stage.self->depth);
    kith__store(&middle->prev, kith__granule_of(stage.arena, off[2]) + 1);
    EXPECT_OK(kith__limbo_sweep(stage.self));
    EXPECT_WHOLE(&stage);
    kith__extent_drop(stage.self, off[0], pin[0]);
    kith__extent_drop(stage.self, off[2], pin[2]);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static void
a_check_finds_each_field_that_is_wrong(void **unused)
{
    struct kith__granule *kept, *freed, *tail, *fourth;
    kith__word *owner;
    struct kith__op op;
    uint64_t index;

    (void)unused;
    begin();
    owner = some_words(&op, 3);
    kept = kith__granule_at(stage.arena, kith__granule_of(stage.arena, take(2)));
    index = kith__granule_of(stage.arena, own(3, &owner[0]));
    take(1);
    fourth = kith__granule_at(stage.arena, kith__granule_of(stage.arena, own(3, &owner[1])));
    take(1);
    give(&owner[0]);
    give(&owner[1]);
    freed = kith__granule_at(stage.arena, index);
    tail = kith__granule_at(stage.arena, index + 2);
    EXPECT_WHOLE(&stage);
    EXPECT_FINDS_IN(&stage, kept->word, KITH__GRANULE_WORD(KITH__GRANULE_EXTENT, 0), "is broken");
    EXPECT_FINDS_IN(&stage, kept->word, KITH__GRANULE_WORD(KITH__GRANULE_EXTENT_TAIL, 2),
                    "is of no known kind");
    EXPECT_FINDS_IN(&stage, kept[1].word, KITH__GRANULE_WORD(KITH__GRANULE_FREE_TAIL, 2),
                    "has another end");
    EXPECT_FINDS_IN(&stage, tail->word, KITH__GRANULE_WORD(KITH__GRANULE_FREE_TAIL, 2),
                    "has another end");
    EXPECT_FINDS_IN(&stage, tail->word, KITH__GRANULE_WORD(KITH__GRANULE_EXTENT_TAIL, 3),
                    "has another end");
    EXPECT_FINDS_IN(&stage, header->used, 1, "granules are counted");
    EXPECT_FINDS_IN(&stage, header->dirty, 1, "granules are counted");
    EXPECT_FINDS_IN(&stage, freed->word,
                    KITH__GRANULE_WORD(KITH__GRANULE_FREE, 3) | KITH__GRANULE_WHOLE,
                    "is whole and has no memory");
    /* The second of the two is in front of the first. */
    EXPECT_FINDS_IN(&stage, fourth->next, 0, "are there");
    EXPECT_FINDS_IN(&stage, fourth->next, stage.arena->granules_max + 1, "list of free runs");
    EXPECT_FINDS_IN(&stage, freed->prev, 0, "list of free runs");
    EXPECT_FINDS_IN(&stage, fourth->prev, index + 1, "list of free runs");
    EXPECT_FINDS_IN(&stage, header->limbo, index + 1, "runs in limbo is broken");
    kith__store(&header->bin[5], kith__load(&header->bin[1])); /* where nobody looks for three */
    kith__store(&header->bin[1], 0);
    EXPECT_FINDS(&stage, "list of free runs");
    kith__store(&header->bin[1], kith__load(&header->bin[5]));
    kith__store(&header->bin[5], 0);
    kith__op_abort(&op);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_runs_that_meet_become_one),
        cmocka_unit_test(what_is_staged_goes_back_with_the_operation),
        cmocka_unit_test(an_arena_that_is_full_says_so_and_loses_nothing),
        cmocka_unit_test(an_extent_that_a_thread_reads_is_freed_when_it_is_done),
        cmocka_unit_test(a_sweep_takes_from_limbo_what_nobody_pins_any_more),
        cmocka_unit_test(only_a_pin_that_is_still_ours_is_taken_off),
        cmocka_unit_test(what_is_adopted_comes_out_of_limbo_with_its_pin),
        cmocka_unit_test(memory_that_was_used_comes_as_zeros_if_these_are_asked_for),
        cmocka_unit_test(free_memory_goes_back_to_the_system_and_reads_as_zero),
        cmocka_unit_test(nothing_is_given_back_under_a_reader_that_stands),
        cmocka_unit_test(a_list_that_leads_out_of_the_arena_is_an_error),
        cmocka_unit_test(a_check_finds_each_field_that_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
