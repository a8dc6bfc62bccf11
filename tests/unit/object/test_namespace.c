#include <kith/namespace.h>

#include "base/alloc.h"
#include "unit.h"

static kith_space *space;
static kith_namespace *names;

static void
open_all(void)
{
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_OK(kith_namespace_open(space, "names", NULL, &names));
}

static void
close_all(void)
{
    kith_namespace_close(names);
    kith_close(space);
}

/* A name of so many bytes, good until the next call. */
static const char *
name_of(size_t size)
{
    static char name[5000];

    assert_true(size < sizeof name);
    for (size_t i = 0; i < size; i++)
        name[i] = (char)('a' + i % 26);
    name[size] = '\0';
    return name;
}

struct told {
    size_t sizes[16];
    size_t count, stop_at;
};

static int
tell(const char *attribute, void *arg)
{
    struct told *told = arg;

    assert_true(told->count < COUNTOF(told->sizes));
    told->sizes[told->count] = strlen(attribute);
    assert_string_equal(name_of(told->sizes[told->count]), attribute);
    told->count++;
    return told->count == told->stop_at;
}

static void
names_are_told_whole_whether_they_are_short_or_long(void **unused)
{
    const size_t sizes[] = { 1, 126, 127, 128, 129, 4096 };
    struct told told = { .count = 0 };

    (void)unused;
    open_all();
    for (size_t i = 0; i < COUNTOF(sizes); i++)
        EXPECT_OK(kith_namespace_set(names, name_of(sizes[i]), KITH_INT((int64_t)i)));
    EXPECT_OK(kith_namespace_names(names, tell, &told));
    assert_int_equal(COUNTOF(sizes), told.count);
    assert_memory_equal(sizes, told.sizes, sizeof sizes);
    told = (struct told){ .stop_at = 4 };
    EXPECT_OK(kith_namespace_names(names, tell, &told));
    assert_int_equal(4, told.count);
    close_all();
}

static void
what_is_no_name_or_no_item_changes_nothing(void **unused)
{
    static const char *const bad[] = { "", "\xff", "a\xc0\x80", "\xed\xa0\x80" };
    struct kith_buf buf = KITH_BUF_INIT;
    struct told told = { .count = 0 };

    (void)unused;
    open_all();
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        EXPECT_RC(KITH_EINVAL, kith_namespace_set(names, bad[i], KITH_INT(1)));
        EXPECT_RC(KITH_EINVAL, kith_namespace_get(names, bad[i], &buf));
        EXPECT_RC(KITH_EINVAL, kith_namespace_delete(names, bad[i]));
    }
    EXPECT_RC(KITH_EINVAL,
              kith_namespace_set(names, "a", (struct kith_item){ .type = (kith_type)99 }));
    EXPECT_RC(KITH_EINVAL, kith_namespace_set(
                               names, "a", (struct kith_item){ .type = KITH_TYPE_STR, .size = 1 }));
    EXPECT_RC(KITH_ENOENT, kith_namespace_get(names, "a", &buf));
    assert_non_null(strstr(kith_last_error(), "names"));
    EXPECT_OK(kith_namespace_names(names, tell, &told));
    assert_int_equal(0, told.count);
    assert_null(buf.memory);
    close_all();
}

#ifdef KITH_FAULTS
static void
a_long_name_that_there_is_no_memory_for_is_said(void **unused)
{
    kith_err err = KITH_ENOMEM;

    (void)unused;
    open_all();
    EXPECT_OK(kith_namespace_set(names, name_of(3), KITH_INT(1)));
    EXPECT_OK(kith_namespace_set(names, name_of(1000), KITH_INT(1)));
    for (uint64_t nth = 1; err == KITH_ENOMEM; nth++) {
        struct told told = { .count = 0 };

        kith__alloc_fail(nth);
        err = kith_namespace_names(names, tell, &told);
        assert_true(err == KITH_OK || err == KITH_ENOMEM);
        if (err == KITH_ENOMEM)
            assert_non_null(strstr(kith_last_error(), "memory"));
        assert_true(err == KITH_OK ? told.count == 2 : told.count < 2);
    }
    kith__alloc_fail(0);
    close_all();
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_whole_whether_they_are_short_or_long),
        cmocka_unit_test(what_is_no_name_or_no_item_changes_nothing),
#ifdef KITH_FAULTS
        cmocka_unit_test(a_long_name_that_there_is_no_memory_for_is_said),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
