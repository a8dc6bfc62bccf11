/*
 * checked.h - what a check of the whole arena says of it.
 *
 * A test that breaks a field on purpose sees the sentence that names it, and mends the field, so
 * that nothing else of the check is lost on it.
 */
#ifndef KITH_TEST_UNIT_CHECKED_H
#define KITH_TEST_UNIT_CHECKED_H

#include "shm/verify.h"
#include "stage.h"

struct check {
    const char *wanted; /* NULL: none */
    uint64_t count;
    bool found;
};

static inline int
note_sentence(const char *sentence, void *arg)
{
    struct check *check = arg;

    check->count++;
    if (check->wanted != NULL && strstr(sentence, check->wanted) != NULL)
        check->found = true;
    return 0;
}

static inline void
check_is_whole(struct stage *stage, const char *file, int line)
{
    struct kith_report report = { 0 };
    struct check check = { 0 };

    test_expect_rc(KITH_OK, kith__verify(stage->self, note_sentence, &check, &report),
                   "kith__verify()", file, line);
    if (check.count == 0 && report.violations == 0)
        return;
    print_error("the arena is not whole: %s\n", report.first);
    _fail(file, line);
}

static inline void
check_finds(struct stage *stage, const char *wanted, const char *file, int line)
{
    struct kith_report report = { 0 };
    struct check check = { .wanted = wanted };

    test_expect_rc(KITH_ECORRUPT, kith__verify(stage->self, note_sentence, &check, &report),
                   "kith__verify()", file, line);
    if (check.found)
        return;
    print_error("no sentence has \"%s\"; the first of %llu: %s\n", wanted,
                (unsigned long long)check.count, report.first);
    _fail(file, line);
}

#define EXPECT_WHOLE(stage) check_is_whole((stage), __FILE__, __LINE__)
#define EXPECT_FINDS(stage, fragment) check_finds((stage), (fragment), __FILE__, __LINE__)

/* Puts `wrong` into the field for as long as a check takes, which says so. */
#define EXPECT_FINDS_IN(stage, field, wrong, fragment)                                             \
    do {                                                                                           \
        __typeof__(field) was = (field);                                                           \
        (field) = (wrong);                                                                         \
        EXPECT_FINDS(stage, fragment);                                                             \
        (field) = was;                                                                             \
    } while (0)

/* Granules in spans, extents and limbo. */
static inline uint64_t
granules_used(const struct stage *stage)
{
    return kith__load(&KITH__HEADER(stage->arena)->used);
}

/* What the operations so far left for later is put away now. */
static inline void
put_away(struct stage *stage)
{
    stage->self->put_off_ns = 0;
    kith__op_end(stage->self);
}

#endif /* KITH_TEST_UNIT_CHECKED_H */
