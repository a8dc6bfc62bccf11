#include "pool/process.h"

#include <fcntl.h>
#include <unistd.h>

#include "unit.h"

static const char *const words[] = { "A=1", "KITH_SPACES=fd:99", "B=2", NULL };

static void
what_was_handed_to_this_process_goes_no_further(void **state)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    struct kith__hand hand;

    (void)state;
    options.environment = words;
    EXPECT_OK(kith__hand_make(&options, &hand));
    assert_string_equal("A=1", hand.environment[0]);
    assert_string_equal("B=2", hand.environment[1]);
    assert_null(hand.environment[2]);
    assert_int_equal(0, hand.fd_count);
    kith__hand_free(&hand);
}

static void
a_space_is_a_descriptor_or_an_address_without_blanks(void **state)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    char folder[] = "/tmp/kith-hand-XXXXXX", address[64], path[64], wanted[128];
    kith_space *spaces[2];
    struct kith__hand hand;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/a b?%%\xc3\xa9", folder);
    snprintf(address, sizeof(address), "file://%s/a%%20b%%3F%%25\xc3\xa9", folder);
    EXPECT_OK(kith_open(address, NULL, &spaces[0]));
    EXPECT_OK(kith_open("mem://", NULL, &spaces[1]));
    options.environment = words;
    options.spaces = spaces;
    options.space_count = 2;
    EXPECT_OK(kith__hand_make(&options, &hand));
    assert_int_equal(1, hand.fd_count);
    assert_true(hand.fds[0] > STDERR_FILENO);
    assert_int_equal(FD_CLOEXEC, fcntl(hand.fds[0], F_GETFD));
    snprintf(wanted, sizeof(wanted), "KITH_SPACES=file://%s/a%%20b%%3F%%25%%C3%%A9 fd:%d", folder,
             hand.fds[0]);
    assert_string_equal(wanted, hand.environment[2]);
    assert_null(hand.environment[3]);
    kith__hand_free(&hand);
    kith_close(spaces[0]);
    kith_close(spaces[1]);
    assert_int_equal(0, unlink(path));
    assert_int_equal(0, rmdir(folder));
}

static void
no_space_is_no_space_to_hand_on(void **state)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    struct kith__hand hand = { NULL, NULL, NULL, 7 };
    kith_space *none = NULL;

    (void)state;
    options.spaces = &none;
    options.space_count = 1;
    EXPECT_RC(KITH_EINVAL, kith__hand_make(&options, &hand));
    options.space_count = SIZE_MAX;
    EXPECT_RC(KITH_EINVAL, kith__hand_make(&options, &hand));
    assert_int_equal(7, hand.fd_count);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_handed_to_this_process_goes_no_further),
        cmocka_unit_test(a_space_is_a_descriptor_or_an_address_without_blanks),
        cmocka_unit_test(no_space_is_no_space_to_hand_on),
    };

    return cmocka_run_group_tests_name("hand", tests, NULL, NULL);
}
