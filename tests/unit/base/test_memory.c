#include "base/memory.h"
#include "unit.h"

/* The kernel's own words, read another way: the whole of the machine. */
static uint64_t
all_of_it(void)
{
    unsigned long long total = 0, swap = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    char line[256];

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "MemTotal: %llu", &total) != 1)
            (void)sscanf(line, "SwapTotal: %llu", &swap);
    if (file != NULL)
        fclose(file);
    return (uint64_t)(total + swap) * 1024;
}

static void
what_is_left_is_some_and_not_more_than_there_is(void **state)
{
    uint64_t left = kith__memory_available();

    (void)state;
    assert_true(all_of_it() > 0);
    assert_true(left > 0 && left <= all_of_it());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_some_and_not_more_than_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
