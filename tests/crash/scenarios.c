/*
 * scenarios.c - the tables of scenarios, in the order in which they are stepped through.
 */
#include "scenarios.h"

extern const struct scenario_table arena_scenarios;
extern const struct scenario_table cache_scenarios;
extern const struct scenario_table cell_scenarios;
extern const struct scenario_table dict_scenarios;
extern const struct scenario_table lock_scenarios;
extern const struct scenario_table list_scenarios;
extern const struct scenario_table making_scenarios;
extern const struct scenario_table meet_scenarios;
extern const struct scenario_table namespace_scenarios;
extern const struct scenario_table permit_scenarios;
extern const struct scenario_table queue_scenarios;
extern const struct scenario_table reference_scenarios;
extern const struct scenario_table set_scenarios;
extern const struct scenario_table sync_scenarios;
extern const struct scenario_table txn_scenarios;

const struct scenario_table *const scenario_tables[] = {
    &dict_scenarios,
    &cache_scenarios,
    &list_scenarios,
    &reference_scenarios,
    &set_scenarios,
    &namespace_scenarios,
    &queue_scenarios,
    &sync_scenarios,
    &txn_scenarios,
    &cell_scenarios,
    &lock_scenarios,
    &meet_scenarios,
    &permit_scenarios,
    &arena_scenarios,
    &making_scenarios,
    NULL,
};
