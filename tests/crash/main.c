/*
 * main.c - steps through every operation, kills for real, and counts.
 *
 *     crash [--long] [NAME...]
 *
 * Lines of the table begin with #, so that the whole is TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

static bool
wanted(const char *name, int argc, char **argv)
{
    bool any = false;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        any = true;
        if (strstr(name, argv[i]) != NULL)
            return true;
    }
    return !any;
}

int
main(int argc, char **argv)
{
    struct totals totals = { 0 };
    bool is_long = getenv("KITH_LONG") != NULL && strcmp(getenv("KITH_LONG"), "1") == 0;
    unsigned test = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        is_long = true;
    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    printf("# %-34s %8s %8s %8s %6s\n", "operation", "steps", "states", "deaths", "wrong");
    for (unsigned t = 0; scenario_tables[t] != NULL; t++)
        for (unsigned i = 0; i < scenario_tables[t]->count; i++) {
            const struct scenario *scenario = &scenario_tables[t]->scenarios[i];
            uint64_t before = totals.violations;

            if (!wanted(scenario->name, argc, argv))
                continue;
            step_through(scenario, is_long, &totals);
            kill_for_real(scenario, is_long ? 40 : 4, &totals);
            three_parties(scenario, is_long ? 40 : 3, &totals);
            step_through_reaping(scenario, is_long, &totals);
            printf("%s %u - %s survives a death at every step\n",
                   totals.violations == before ? "ok" : "not ok", ++test, scenario->name);
        }
    printf("1..%u\n", test);
    printf("# real kills: %llu, steps of reapers: %llu, deaths tried: %llu\n",
           (unsigned long long)totals.kills, (unsigned long long)totals.nested,
           (unsigned long long)totals.deaths);
    printf("# kill points: %llu, distinct states: %llu, violations: %llu\n",
           (unsigned long long)totals.steps, (unsigned long long)totals.states,
           (unsigned long long)totals.violations);
    return totals.violations == 0 ? 0 : 1;
}
