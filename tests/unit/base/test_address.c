#include "unit.h"

#include "base/address.h"
#include "base/error.h"

static const struct kith_options defaults = KITH_OPTIONS_INIT;

static void
expect(const char *text, enum kith__scheme scheme, const char *place)
{
    struct kith__address address;

    assert_int_equal(KITH_OK, kith__address_parse(text, &defaults, &address));
    assert_int_equal(scheme, address.scheme);
    assert_string_equal(place, address.place);
    kith__address_free(&address);
}

static void
an_address_leads_to_a_name_a_file_or_nowhere(void **state)
{
    (void)state;
    expect("hits", KITH__SCHEME_SHM, "hits");
    expect("shm://hits", KITH__SCHEME_SHM, "hits");
    expect("shm://hits?size=1G", KITH__SCHEME_SHM, "hits");
    expect("a b%20c%3fd", KITH__SCHEME_SHM, "a b c?d");
    expect("a:b", KITH__SCHEME_SHM, "a:b");
    expect("\xc3\xa9%C3%A9", KITH__SCHEME_SHM, "\xc3\xa9\xc3\xa9");
    expect("file:///var/a%20b", KITH__SCHEME_FILE, "/var/a b");
    expect("mem://", KITH__SCHEME_MEM, "");
    expect("mem://?size=64M", KITH__SCHEME_MEM, "");
}

static void
a_query_sets_the_options_and_wins(void **state)
{
    struct kith_options options = defaults;
    struct kith__address address;

    (void)state;
    options.size = 1;
    options.mode = 0600;
    options.temporary = true;
    options.authkey_file = "/from/options";
    assert_int_equal(KITH_OK, kith__address_parse("hits?size=3K&create=must-exist&readonly=yes"
                                                  "&temporary=no&transactional=yes&timeout=2.5"
                                                  "&authkey_file=/a%26b&mode=0660",
                                                  &options, &address));
    assert_int_equal(3 * 1024, address.options.size);
    assert_int_equal(KITH_MUST_EXIST, address.options.create);
    assert_int_equal(0660, address.options.mode);
    assert_true(address.options.readonly);
    assert_false(address.options.temporary);
    assert_true(address.options.transactional);
    assert_true(address.options.timeout_ns == INT64_C(2500000000));
    assert_string_equal("/a&b", address.options.authkey_file);
    assert_string_equal("hits", address.place);
    kith__address_free(&address);

    assert_int_equal(KITH_OK, kith__address_parse("hits", &options, &address));
    assert_int_equal(1, address.options.size);
    assert_true(address.options.temporary);
    assert_string_equal("/from/options", address.options.authkey_file);
    assert_true(address.options.authkey_file != options.authkey_file);
    kith__address_free(&address);
}

static void
sizes_have_suffixes(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } sizes[] = {
        { "x?size=1", 1 },
        { "x?size=64M", UINT64_C(64) << 20 },
        { "x?size=1G", UINT64_C(1) << 30 },
        { "x?size=2T", UINT64_C(2) << 40 },
        { "x?size=18446744073709551615", UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < COUNTOF(sizes); i++) {
        struct kith__address address;

        assert_int_equal(KITH_OK, kith__address_parse(sizes[i].text, &defaults, &address));
        assert_true(address.options.size == sizes[i].size);
        kith__address_free(&address);
    }
}

static void
a_bad_address_is_shown_with_the_character_and_a_right_one(void **state)
{
    static const struct {
        const char *text;
        int position;
        const char *right;
    } bad[] = {
        { "", 1, "shm://hits" },
        { "shm://", 7, "shm://hits" },
        { "a/b", 2, "shm://hits" },
        { "\xc3\xa9/b", 2, "shm://hits" },
        { "shm://a/b", 8, "shm://hits" },
        { "://x", 2, "shm://hits" },
        { "a%2fb", 1, "shm://hits" },
        { "a%00b", 2, "shm://hits" },
        { "a%4", 2, "100%25-done" },
        { "a%zz", 2, "100%25-done" },
        { "mem://name", 7, "mem://" },
        { "file://", 8, "file:///" },
        { "file://relative", 8, "file:///" },
        { "file:///folder/", 15, "file:///" },
        { "http://host/x", 1, "shm://hits" },
        { "hits?", 6, "hits?" },
        { "hits?size", 6, "hits?" },
        { "hits?=1", 6, "hits?" },
        { "hits?size=1G&", 14, "hits?" },
        { "hits?nonsense=1", 6, "hits?" },
        { "hits?size=", 11, "hits?size=64M" },
        { "hits?size=0", 11, "hits?size=64M" },
        { "hits?size=12Q", 11, "hits?size=64M" },
        { "hits?size=1KK", 11, "hits?size=64M" },
        { "hits?size=99999999999999999999", 11, "hits?size=64M" },
        { "hits?size=99999999999T", 11, "hits?size=64M" },
        { "hits?mode=9", 11, "hits?mode=0660" },
        { "hits?mode=0", 11, "hits?mode=0660" },
        { "hits?timeout=-1", 14, "hits?timeout=2.5" },
        { "hits?timeout=0", 14, "hits?timeout=2.5" },
        { "hits?timeout=1s", 14, "hits?timeout=2.5" },
        { "hits?readonly=true", 15, "hits?readonly=yes" },
        { "hits?create=perhaps", 13, "hits?create=must-exist" },
        { "hits?authkey_file=", 19, "hits?authkey_file=" },
    };

    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct kith__address address = { .place = "untouched" };
        char position[40];

        (void)snprintf(position, sizeof(position), "at character %d:", bad[i].position);
        assert_int_equal(KITH_EINVAL, kith__address_parse(bad[i].text, &defaults, &address));
        assert_non_null(strstr(kith_last_error(), bad[i].text));
        if (strstr(kith_last_error(), position) == NULL)
            fail_msg("%s: %s", bad[i].text, kith_last_error());
        assert_non_null(strstr(kith_last_error(), bad[i].right));
        assert_string_equal("untouched", address.place);
    }
}

static void
a_sentence_on_an_address_is_always_text(void **state)
{
    struct kith__address address;
    char longest[1000];

    (void)state;
    assert_int_equal(KITH_EINVAL, kith__address_parse("bad\xff/\n", &defaults, &address));
    assert_non_null(strstr(kith_last_error(), "\"bad?/?\""));
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(KITH_EINVAL, kith__address_parse(longest, &defaults, &address));
    assert_non_null(strstr(kith_last_error(), "at character 201:"));
    longest[200] = '\0';
    expect(longest, KITH__SCHEME_SHM, longest);
}

static void
other_engines_are_unsupported(void **state)
{
    static const char *const others[] = { "unix:///tmp/x",  "tcp://host:1",    "tls://host:1",
                                          "redis://host:1", "rediss://host:1", "redis+unix:///x" };

    (void)state;
    for (size_t i = 0; i < COUNTOF(others); i++) {
        struct kith__address address;

        assert_int_equal(KITH_EUNSUPPORTED, kith__address_parse(others[i], &defaults, &address));
        assert_non_null(strstr(kith_last_error(), others[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_leads_to_a_name_a_file_or_nowhere),
        cmocka_unit_test(a_query_sets_the_options_and_wins),
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(a_bad_address_is_shown_with_the_character_and_a_right_one),
        cmocka_unit_test(a_sentence_on_an_address_is_always_text),
        cmocka_unit_test(other_engines_are_unsupported),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
