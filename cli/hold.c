/*
 * hold.c - what the verbs share that run a command once they have something.
 */
#include "hold.h"

#include <stdlib.h>

/* The words of -c: the user's shell, and the text. */
static void
take_shell_text(struct cli_hold *hold)
{
    hold->shell[0] = getenv("SHELL");
    if (hold->shell[0] == NULL || hold->shell[0][0] == '\0')
        hold->shell[0] = "/bin/sh";
    hold->shell[1] = "-c";
    hold->shell[2] = (char *)(uintptr_t)hold->shell_text;
    hold->shell[3] = NULL;
    hold->command = hold->shell;
}

bool
cli_hold_bare(const struct cli_hold *hold)
{
    return hold->command == NULL && !hold->nonblock && !hold->verbose &&
           hold->timeout_ns == KITH_FOREVER && hold->conflict_status == CLI_NO;
}

int
cli_hold_nothing(const struct cli *cli)
{
    return cli_misused(cli, "There is nothing to run: give a command after \"--\", or with -c.");
}

int
cli_hold_options(struct cli *cli, struct cli_hold *hold, const struct cli_option *options,
                 int *argc, char **argv, int operands_min, int operands_max)
{
    int words = *argc;
    int status;
    bool cut;

    hold->command = cli_command(argc, argv);
    cut = *argc < words; /* there was a "--" */
    status = cli_options(cli, options, argc, argv, operands_min, CLI_ANY_NUMBER);
    if (status != CLI_GO_ON)
        return status;
    if (hold->shell_text != NULL) {
        if (cut || *argc > operands_max)
            return cli_misused(cli, "A command was given both by -c and as words.");
        take_shell_text(hold);
    }
    if (*argc > operands_max)
        return cli_misused(cli, "\"%s\" is one word too many; a command stands after \"--\".",
                           argv[operands_max]);
    if (cut && hold->command == NULL)
        return cli_hold_nothing(cli);
    if (hold->conflict_status > 255)
        return cli_misused(cli, "An exit status is a number from 0 to 255, not %llu.",
                           (unsigned long long)hold->conflict_status);
    if (hold->nonblock)
        hold->timeout_ns = 0;
    hold->begun_ns = cli_now_ns();
    return CLI_GO_ON;
}

int
cli_hold_outcome(const struct cli_hold *hold, const char *name, kith_err err)
{
    if (err == KITH_ETIMEDOUT) {
        if (hold->verbose)
            cli_say("%s \"%s\" was not to be had.", hold->what, name);
        return (int)hold->conflict_status;
    }
    if (err < 0)
        return cli_failed(err);
    if (hold->verbose)
        cli_say("%s \"%s\" was had after %.6f s%s.", hold->what, name,
                (double)(cli_now_ns() - hold->begun_ns) / 1e9,
                err == KITH_OWNER_DIED ? "; whoever held it last died" : "");
    return CLI_GO_ON;
}
