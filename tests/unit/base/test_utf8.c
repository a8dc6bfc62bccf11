#include "base/utf8.h"
#include "unit.h"

static const struct {
    const char *bytes;
    bool good;
} texts[] = {
    { "", true },
    { "plain ASCII, longer than eight bytes", true },
    { "na\xc3\xafve", true },
    { "\xe2\x82\xac", true },
    { "\xf0\x9f\x98\x80", true },
    { "\xf4\x8f\xbf\xbf", true },  /* U+10FFFF */
    { "\xf4\x90\x80\x80", false }, /* one more */
    { "\xed\x9f\xbf", true },      /* the last before the surrogates */
    { "\xed\xa0\x80", false },     /* the first of them */
    { "\xed\xbf\xbf", false },     /* and the last */
    { "\xee\x80\x80", true },      /* the first after them */
    { "\xc0\x80", false },         /* NUL in two bytes */
    { "\xc1\xbf", false },         /* overlong */
    { "\xe0\x9f\xbf", false },     /* overlong */
    { "\xe0\xa0\x80", true },      /* the least of three bytes */
    { "\xf0\x8f\xbf\xbf", false }, /* overlong */
    { "\x80", false },             /* from the middle */
    { "\xff", false },             /* never */
    { "1234567\xc3", false },      /* cut off, at the end of a word */
    { "12345678\xe2\x82", false }, /* cut off */
    { "\xf0\x9f\x98", false },     /* cut off */
    { "\xe2\x28\xa1", false },     /* a wrong second byte */
    { "\xe2\x82\x28", false },     /* a wrong third one */
    { "1234567890\xff", false },   /* past the first word */
    { "1234567\xc3\xa9x", true },  /* across the words */
};

static void
utf8_is_told_from_what_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        if (kith__utf8_ok(texts[i].bytes, strlen(texts[i].bytes)) != texts[i].good)
            fail_msg("text %zu was taken for %s", i, texts[i].good ? "bad" : "good");
    }
    assert_true(kith__utf8_ok("a\0b", 3));
}

static void
a_name_is_short_and_has_no_slash(void **state)
{
    char name[KITH__NAME_SIZE_MAX + 1];

    (void)state;
    memset(name, 'n', sizeof(name));
    assert_true(kith__name_ok(name, KITH__NAME_SIZE_MAX));
    assert_false(kith__name_ok(name, KITH__NAME_SIZE_MAX + 1));
    assert_true(kith__name_ok("by-host", 7));
    assert_true(kith__name_ok("h\xc3\xb4te", 5));
    assert_false(kith__name_ok("", 0));
    assert_false(kith__name_ok("a/b", 3));
    assert_false(kith__name_ok("a\0b", 3));
    assert_false(kith__name_ok("\xff", 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_what_is_none),
        cmocka_unit_test(a_name_is_short_and_has_no_slash),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
