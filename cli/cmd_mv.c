/*
 * cmd_mv.c - gives an object another name.
 */
#include "cli.h"

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    int status = cli_options(cli, options, &argc, argv, 2, 2);
    kith_space *space;
    kith_err err;

    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    err = kith_rename(space, argv[0], argv[1]);
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

const struct cli_verb cli_mv = {
    .name = "mv",
    .arguments = "NAME NEW",
    .summary = "give an object another name",
    .help =
        "Gives the object NAME the name NEW, in one step; whoever has it open goes on with it.\n"
        "Exits with 1 if there is no NAME, or a NEW already.\n"
        "\n"
        "example\n"
        "  kith mv -s hits by-host yesterday\n",
    .run = run,
};
