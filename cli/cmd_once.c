/*
 * cmd_once.c - runs a command once among all who ask.
 *
 * Done is done: it was run and gave 0.  The turn is this process's; should it be killed, the next
 * who waits has the turn, and the command is ended.
 */
#include "facts.h"
#include "hold.h"

static int
run_once(kith_space *space, const char *name, const struct cli_hold *hold)
{
    kith_once *once;
    kith_err err = kith_once_open(space, name, NULL, &once);
    bool mine = false;
    int status;

    if (err < 0)
        return cli_failed(err);
    err = kith_once_claim(once, hold->timeout_ns, &mine);
    if (err == KITH_OK && !mine) {
        if (hold->verbose)
            cli_say("The once \"%s\" is done already.", name);
        status = CLI_DONE;
    } else {
        status = cli_hold_outcome(hold, name, err);
    }
    if (status == CLI_GO_ON) {
        status = cli_run_command(hold->command);
        err = status == 0 ? kith_once_done(once) : kith_once_failed(once);
        if (err < 0 && status == 0)
            status = cli_failed(err); /* it was run, and the next will run it again */
    }
    kith_once_close(once);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct cli_hold hold = CLI_HOLD_INIT("The turn of the once");
    const struct cli_option options[] = {
        CLI_HOLD_OPTIONS(hold),
        { 0, NULL, CLI_FLAG, NULL },
    };
    kith_space *space;
    int status = cli_hold_options(cli, &hold, options, &argc, argv, 1, 1);

    if (status != CLI_GO_ON)
        return status;
    if (cli_hold_bare(&hold))
        return cli_show(cli, KITH_KIND_ONCE, argv[0]);
    if (hold.command == NULL)
        return cli_hold_nothing(cli);
    status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    status = run_once(space, argv[0], &hold);
    kith_close(space);
    return status;
}

const struct cli_verb cli_once = {
    .name = "once",
    .arguments = "ONCE [OPTION…] [-- COMMAND…]",
    .summary = "run a command once among all who ask, and wait for it",
    .help =
        "Runs the command if nobody has run it yet with success.  Whoever asks meanwhile waits\n"
        "until it is done, and exits with 0 then, as all who ask later.  If the command\n"
        "fails, its exit status is passed on, and the next who waits runs it; so it is if kith\n"
        "is killed, and the command is ended then.  126 if the command cannot be run, 127 if\n"
        "there is none, 128 and the number of the signal that ended it; 1 if another ran it\n"
        "all the time that was given.  Without a command it tells how it stands: open,\n"
        "claimed, or done.\n"
        "\n"
        "To have it done once more, remove it: kith -s SPACE rm ONCE.\n"
        "\n"
        "options\n" CLI_HOLD_HELP "\n"
        "example\n"
        "  kith -s app once migrate -- ./migrate.sh && exec ./server\n",
    .run = run,
};
