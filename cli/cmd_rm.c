/*
 * cmd_rm.c - destroys objects, or a whole space.
 */
#include "cli.h"

static int
destroy_objects(const struct cli *cli, int count, char **names)
{
    kith_space *space;
    int status = cli_open(cli, KITH_MUST_EXIST, &space);
    int worst = CLI_DONE;

    if (status != CLI_GO_ON)
        return status;
    for (int i = 0; i < count; i++) {
        kith_err err = kith_destroy(space, names[i]);

        status = err < 0 ? cli_failed(err) : CLI_DONE;
        if (status > worst)
            worst = status;
    }
    kith_close(space);
    return worst;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    int status = cli_options(cli, options, &argc, argv, 0, CLI_ANY_NUMBER);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    if (argc > 0)
        return destroy_objects(cli, argc, argv);
    /* A bare "kith rm" must not remove all that KITH_URL happens to name. */
    if (!cli->address_given)
        return cli_misused(cli, "To remove a whole space, name it with -s SPACE.");
    err = kith_remove(cli->address);
    return err < 0 ? cli_failed(err) : CLI_DONE;
}

const struct cli_verb cli_rm = {
    .name = "rm",
    .arguments = "[NAME…]",
    .summary = "destroy objects, or a whole space",
    .help = "Destroys the objects NAME… of the space for everybody.  Without NAME it removes the\n"
            "whole space, which then has to be named with -s.\n"
            "\n"
            "example\n"
            "  kith rm -s hits by-host jobs\n"
            "  kith rm -s hits\n",
    .run = run,
};
