#include "shm/row.h"

#include "stage.h"

#define ENTRY UINT64_C(0x123400) /* of a lock that nobody looks at */

static struct stage stage;
static struct crowd crowd;

static void
open_all(void)
{
    stage = stage_open();
    crowd_come(&crowd, &stage);
}

static void
close_all(void)
{
    crowd_leave(&crowd);
    stage_close(&stage);
}

static void
want(unsigned who, uint64_t wanted, uint64_t ticket)
{
    kith__store(&crowd.actor[who]->ticket, ticket);
    atomic_store(&crowd.actor[who]->wanted, wanted);
}

static void
the_first_is_the_smallest_ticket_of_those_who_want_it(void **unused)
{
    struct kith__row row;

    (void)unused;
    open_all();
    kith__row_look(stage.self, ENTRY, &row);
    assert_int_equal(0, row.count);
    assert_int_equal(0, row.first);
    want(0, ENTRY, 7);
    want(1, ENTRY | KITH__WANTED_SHARED, 3);
    want(2, ENTRY + 128, 1); /* another lock */
    want(3, ENTRY, 5);
    kith__row_look(stage.self, ENTRY, &row);
    assert_int_equal(3, row.count);
    assert_int_equal(crowd.id[1], row.first);
    assert_int_equal(3, row.first_ticket);
    assert_int_equal(crowd.id[3], row.first_alone);
    assert_int_equal(5, row.alone_ticket);
    close_all();
}

static void
whose_turn_it_is_follows_from_the_options(void **unused)
{
    const struct kith__row row = {
        .count = 3, .first = 1, .first_ticket = 3, .first_alone = 2, .alone_ticket = 5
    };
    const struct kith__row readers = { .count = 2, .first = 1, .first_ticket = 3 };
    struct kith__sync_root root = { 0 };

    (void)unused;
    assert_true(kith__row_my_turn(&root, &row, 9, false)); /* a plain lock is anybody's */
    root.options = KITH__SYNC_FAIR;
    assert_true(kith__row_my_turn(&root, &row, 3, false));
    assert_false(kith__row_my_turn(&root, &row, 5, false));
    root.options = KITH__SYNC_SHARED;
    assert_true(kith__row_my_turn(&root, &row, 5, false)); /* the first writer, before readers */
    assert_false(kith__row_my_turn(&root, &row, 6, false));
    assert_false(kith__row_my_turn(&root, &row, 3, true));
    assert_true(kith__row_my_turn(&root, &readers, 9, true));
    root.options = KITH__SYNC_SHARED | KITH__SYNC_FAIR;
    assert_true(kith__row_my_turn(&root, &row, 3, true)); /* it came before the writer */
    assert_false(kith__row_my_turn(&root, &row, 6, true));
}

static void
a_call_reaches_those_who_want_it_and_no_others(void **unused)
{
    uint32_t before[CROWD];

    (void)unused;
    open_all();
    want(0, ENTRY, 1);
    want(1, ENTRY | KITH__WANTED_SHARED, 2);
    want(2, ENTRY + 128, 3);
    for (unsigned i = 0; i < CROWD; i++)
        before[i] = atomic_load(&crowd.actor[i]->call);
    kith__row_call_all(stage.arena, ENTRY);
    kith__row_call_all(stage.arena, 0); /* of one who wants nothing */
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(before[i] + (i < 2), atomic_load(&crowd.actor[i]->call));
    kith__row_call(stage.arena, crowd.id[3]);
    assert_int_equal(before[3] + 1, atomic_load(&crowd.actor[3]->call));
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_smallest_ticket_of_those_who_want_it),
        cmocka_unit_test(whose_turn_it_is_follows_from_the_options),
        cmocka_unit_test(a_call_reaches_those_who_want_it_and_no_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
