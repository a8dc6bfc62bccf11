/*
 * cmd_load.c - makes the objects of a dump.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int
load(const struct cli *cli, const struct kith_load_options *options, int fd)
{
    struct kith_dump_report report;
    kith_space *space;
    int status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    err = kith_load_fd(space, options, fd, &report);
    if (err < 0)
        status = cli_failed(err);
    else
        status = CLI_DONE;
    if (status == CLI_DONE && cli->json)
        printf("{\"objects\": %llu, \"items\": %llu, \"bytes\": %llu}\n",
               (unsigned long long)report.objects, (unsigned long long)report.items,
               (unsigned long long)report.bytes);
    kith_close(space);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct kith_load_options load_options = KITH_LOAD_OPTIONS_INIT;
    const struct cli_option options[] = {
        { 0, "only", CLI_TEXT, &load_options.only },
        { 0, "as", CLI_TEXT, &load_options.as },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 0, 1);
    int fd = STDIN_FILENO;

    if (status != CLI_GO_ON)
        return status;
    if (argc == 1 && strcmp(argv[0], "-") != 0) {
        fd = open(argv[0], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return cli_misused(cli, "%s cannot be opened: %s.", argv[0], strerror(errno));
    } else if (isatty(STDIN_FILENO)) {
        return cli_misused(cli, "A dump is not typed: name a file, or send one in.");
    }
    status = load(cli, &load_options, fd);
    if (fd != STDIN_FILENO)
        close(fd);
    return status;
}

const struct cli_verb cli_load = {
    .name = "load",
    .arguments = "[FILE]",
    .summary = "make the objects of a dump",
    .help = "Makes the objects of the dump in FILE, or on standard input.  The dump is checked to\n"
            "its end before anything is made; one that was cut short or altered in any byte exits\n"
            "with 4.  A dump of a whole space is loaded into a new one, or one without objects, a\n"
            "dump of one object beside those that are there: what exists is never replaced, and\n"
            "exits with 1.  The space is created if there is none.\n"
            "\n"
            "options\n"
            "  --only NAME           load this one object of the dump\n"
            "  --as NAME             call it so, if it is the only one\n"
            "\n"
            "example\n"
            "  kith -s restored load hits.kith\n"
            "  kith -s hits load --only by-host --as yesterday hits.kith\n",
    .run = run,
};
