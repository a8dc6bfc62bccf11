#include "unit.h"

static void
every_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal("none", kith_kind_name(KITH_KIND_NONE));
    assert_string_equal("dict", kith_kind_name(KITH_KIND_DICT));
    assert_string_equal("queue", kith_kind_name(KITH_KIND_QUEUE));
    assert_string_equal("lock", kith_kind_name(KITH_KIND_LOCK));
    assert_string_equal("event", kith_kind_name(KITH_KIND_EVENT));
    assert_string_equal("unknown", kith_kind_name((enum kith_kind)99));
}

static void
the_version_is_that_of_the_headers(void **state)
{
    char text[32];

    (void)state;
    (void)snprintf(text, sizeof(text), "%d.%d.%d", KITH_VERSION_MAJOR, KITH_VERSION_MINOR,
                   KITH_VERSION_PATCH);
    assert_string_equal(text, KITH_VERSION);
    assert_string_equal(text, kith_version());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(the_version_is_that_of_the_headers),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
