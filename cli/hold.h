/*
 * hold.h - what the verbs share that run a command once they have something: a lock, a permit, the
 * turn, a token.
 *
 * Their options are those of flock(1).  A verb puts CLI_HOLD_OPTIONS among its own, CLI_HOLD_HELP
 * into its help, reads the command line with cli_hold_options(), acquires with hold.timeout_ns,
 * and asks cli_hold_outcome() whether the command is to be run.
 */
#ifndef CLI_HOLD_H
#define CLI_HOLD_H

#include "child.h"

/* What the command line says. */
struct cli_hold {
    const char *what; /* what is to be had, as "The lock": its name follows in sentences */
    bool nonblock, verbose;
    int64_t timeout_ns;
    uint64_t conflict_status; /* what to exit with if it was not to be had */
    const char *shell_text;
    char **command;   /* what to run; NULL if none was given */
    char *shell[4];   /* the words of the command, if it is by -c */
    int64_t begun_ns; /* when the command line was read */
};
#define CLI_HOLD_INIT(what_)                                                                       \
    {                                                                                              \
        .what = (what_), .timeout_ns = KITH_FOREVER, .conflict_status = CLI_NO                     \
    }

/* Rows of a list of options. */
#define CLI_HOLD_OPTIONS(hold)                                                                     \
    { 'n', "nonblock", CLI_FLAG, &(hold).nonblock }, { 0, "nb", CLI_FLAG, &(hold).nonblock },      \
        { 'w', "wait", CLI_SECONDS, &(hold).timeout_ns },                                          \
        { 0, "timeout", CLI_SECONDS, &(hold).timeout_ns },                                         \
        { 'E', "conflict-exit-code", CLI_NUMBER, &(hold).conflict_status },                        \
        { 'c', "command", CLI_TEXT, &(hold).shell_text },                                          \
    {                                                                                              \
        0, "verbose", CLI_FLAG, &(hold).verbose                                                    \
    }

#define CLI_HOLD_HELP                                                                              \
    "  -n, --nonblock, --nb  do not wait\n"                                                        \
    "  -w, --wait SECONDS    wait no longer than this; without it, as long as it takes\n"          \
    "  -E, --conflict-exit-code N\n"                                                               \
    "                        exit with N, not 1, if it was not to be had\n"                        \
    "  -c, --command TEXT    run TEXT by $SHELL -c, instead of a command after --\n"               \
    "  --verbose             say how long it took, or that it was not to be had\n"

/*
 * As cli_options(), for a command line that may end with a command, after "--" or by -c.  The verb
 * looks whether there is one.
 */
int cli_hold_options(struct cli *cli, struct cli_hold *hold, const struct cli_option *options,
                     int *argc, char **argv, int operands_min, int operands_max);

/* Neither a command nor an option of these was given: the verb tells how its object stands. */
bool cli_hold_bare(const struct cli_hold *hold);

/* There is no command, and it takes one: CLI_USAGE after a sentence. */
int cli_hold_nothing(const struct cli *cli);

/*
 * `err` is what acquiring gave, of the object `name`.  CLI_GO_ON: the command is to be run; else
 * what to exit with, after a sentence where one is due.
 */
int cli_hold_outcome(const struct cli_hold *hold, const char *name, kith_err err);

#endif /* CLI_HOLD_H */
