/*
 * facts.h - one fact after another: "name: value" lines, or the members of one JSON object.
 */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "cli.h"

struct cli_facts {
    bool json;
    const char *name; /* of the object, the fact that comes before the first; NULL: none does */
    bool begun;
};

void cli_fact_number(struct cli_facts *facts, const char *name, uint64_t number);
void cli_fact_real(struct cli_facts *facts, const char *name, double number);
void cli_fact_flag(struct cli_facts *facts, const char *name, bool flag);
void cli_fact_text(struct cli_facts *facts, const char *name, const char *text);
void cli_fact_time(struct cli_facts *facts, const char *name, int64_t time_ns);
/* After the last one. */
void cli_facts_end(struct cli_facts *facts);

/* ---- state.c ---- */

/* The facts of a kind's own.  After a negative result there were none. */
kith_err cli_facts_of(struct cli_facts *facts, kith_space *space, enum kith_kind kind,
                      const char *name);

/* Prints how the object stands, which must exist, and be of this kind; the exit status. */
int cli_show(const struct cli *cli, enum kith_kind kind, const char *name);

#endif /* CLI_FACTS_H */
