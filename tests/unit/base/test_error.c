#include "base/error.h"

#include <errno.h>
#include <pthread.h>

#include "unit.h"

static void
a_failure_is_kept_as_a_sentence(void **state)
{
    (void)state;
    EXPECT_RC(KITH_ENOENT, kith__fail(KITH_ENOENT, "There is no dict \"%s\".", "hits"));
    assert_string_equal("There is no dict \"hits\".", kith_last_error());
}

static void *
look_from_another_thread(void *arg)
{
    (void)arg;
    return strcmp(kith_last_error(), "") == 0 ? (void *)kith_last_error() : NULL;
}

static void
each_thread_has_its_own_which_is_empty_at_first(void **state)
{
    pthread_t thread;
    void *empty;

    (void)state;
    (void)kith__fail(KITH_EFULL, "Not for others.");
    assert_int_equal(0, pthread_create(&thread, NULL, look_from_another_thread, NULL));
    assert_int_equal(0, pthread_join(thread, &empty));
    assert_non_null(empty);
    assert_string_equal("Not for others.", kith_last_error());
}

static void
a_sentence_may_quote_the_one_before(void **state)
{
    (void)state;
    (void)kith__fail(KITH_EFULL, "The queue is full");
    (void)kith__fail(KITH_EFULL, "%s, so nothing was put.", kith_last_error());
    assert_string_equal("The queue is full, so nothing was put.", kith_last_error());
}

static void
a_long_sentence_is_cut_between_characters(void **state)
{
    char text[KITH__SENTENCE_SIZE_MAX * 2];

    (void)state;
    memset(text, 'a', sizeof(text));
    /* An é of two bytes lies across the cut. */
    memcpy(text + KITH__SENTENCE_SIZE_MAX - 2, "\xc3\xa9", 2);
    text[sizeof(text) - 1] = '\0';
    (void)kith__fail(KITH_EINVAL, "%s", text);
    assert_int_equal(KITH__SENTENCE_SIZE_MAX - 2, strlen(kith_last_error()));
    assert_int_equal('a', kith_last_error()[KITH__SENTENCE_SIZE_MAX - 3]);
}

static void
failing_leaves_errno_alone(void **state)
{
    (void)state;
    errno = EXDEV;
    (void)kith__fail(KITH_ESYSTEM, "The system said: %s.", strerror(ENOSPC));
    assert_int_equal(EXDEV, errno);
}

static void
every_number_has_a_message(void **state)
{
    (void)state;
    for (int number = -40; number < 10; number++) {
        assert_non_null(kith_strerror((kith_err)number));
        assert_string_not_equal("", kith_strerror((kith_err)number));
    }
    assert_string_equal("the time given ran out", kith_strerror(KITH_ETIMEDOUT));
    assert_string_equal(kith_strerror((kith_err)-23), kith_strerror((kith_err)3));
}

/* They travel between processes and hosts. */
static void
the_numbers_have_not_moved(void **state)
{
    static const kith_err order[] = {
        KITH_EINVAL,       KITH_ENOENT,   KITH_EEXIST,       KITH_ETYPE,     KITH_ENOMEM,
        KITH_ETIMEDOUT,    KITH_EFULL,    KITH_EEMPTY,       KITH_ECLOSED,   KITH_EINTERRUPTED,
        KITH_ECONFLICT,    KITH_ETOOBIG,  KITH_ERANGE,       KITH_EDEADLOCK, KITH_EPERM,
        KITH_ECORRUPT,     KITH_EVERSION, KITH_EUNAVAILABLE, KITH_EAUTH,     KITH_EGONE,
        KITH_EUNSUPPORTED, KITH_ESYSTEM,
    };

    (void)state;
    for (size_t i = 0; i < COUNTOF(order); i++)
        assert_int_equal(-1 - (int)i, order[i]);
    assert_int_equal(1, KITH_OWNER_DIED);
    assert_int_equal(2, KITH_EVICTED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_kept_as_a_sentence),
        cmocka_unit_test(each_thread_has_its_own_which_is_empty_at_first),
        cmocka_unit_test(a_sentence_may_quote_the_one_before),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
        cmocka_unit_test(failing_leaves_errno_alone),
        cmocka_unit_test(every_number_has_a_message),
        cmocka_unit_test(the_numbers_have_not_moved),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
