#include "base/alloc.h"

#include <errno.h>

#include "unit.h"

#ifdef KITH_FAULTS
static void
the_nth_try_fails_and_no_other(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 5; nth++) {
        kith__alloc_fail(nth);
        for (uint64_t i = 1; i < 8; i++) {
            void *memory = i % 2 == 0 ? kith__malloc(10) : kith__calloc(2, 5);

            assert_true((memory == NULL) == (i == nth));
            kith__free(memory);
        }
    }
}

/* What was there stays there, for the caller to give back. */
static void
a_larger_piece_that_fails_leaves_the_old_one(void **state)
{
    char *memory = kith__malloc(4), *larger;

    (void)state;
    memcpy(memory, "abc", 4);
    kith__alloc_fail(1);
    assert_null(kith__realloc(memory, 1000));
    assert_string_equal("abc", memory);
    larger = kith__realloc(memory, 1000);
    assert_non_null(larger);
    assert_string_equal("abc", larger);
    kith__free(larger);
}

static void
none_fails_unless_it_was_asked_for(void **state)
{
    (void)state;
    kith__alloc_fail(3);
    kith__alloc_fail(0);
    for (int i = 0; i < 10; i++) {
        void *memory = kith__malloc(1);

        assert_non_null(memory);
        kith__free(memory);
    }
}
#endif

static void
a_larger_piece_holds_what_was_there(void **state)
{
    char *memory = kith__malloc(4);

    (void)state;
    memcpy(memory, "abc", 4);
    memory = kith__realloc(memory, 1 << 20);
    assert_non_null(memory);
    assert_string_equal("abc", memory);
    kith__free(memory);
    memory = kith__calloc(1000, 3);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(0, memory[i]);
    kith__free(memory);
}

static void
freeing_leaves_errno_alone(void **state)
{
    (void)state;
    errno = EXDEV;
    kith__free(kith__malloc(1 << 20));
    kith__free(NULL);
    assert_int_equal(EXDEV, errno);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef KITH_FAULTS
        cmocka_unit_test(the_nth_try_fails_and_no_other),
        cmocka_unit_test(a_larger_piece_that_fails_leaves_the_old_one),
        cmocka_unit_test(none_fails_unless_it_was_asked_for),
#endif
        cmocka_unit_test(a_larger_piece_holds_what_was_there),
        cmocka_unit_test(freeing_leaves_errno_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
