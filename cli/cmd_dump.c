/*
 * cmd_dump.c - writes a space, or one object of it, as bytes that can be kept and sent.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A dump in a file: under another name until it is whole, so that a bad one never replaces a good.
 * What is no regular file, as a device or a pipe, is written to, and stays what it is.
 */
struct target {
    const char *path;
    char *real; /* the path without symbolic links, which stay as well; NULL: there is nothing */
    char *made; /* the other name; NULL: it is written to directly */
    int fd;
};

static int
open_target(struct target *target)
{
    struct stat st;
    const char *path;
    size_t size;

    target->real = realpath(target->path, NULL);
    path = target->real != NULL ? target->real : target->path;
    if (target->real != NULL && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        target->fd = open(path, O_WRONLY | O_CLOEXEC);
        if (target->fd < 0)
            cli_say("%s cannot be opened: %s.", target->path, strerror(errno));
        return target->fd < 0 ? CLI_FAILED : CLI_GO_ON;
    }
    size = strlen(path) + 8;
    target->made = malloc(size);
    if (target->made == NULL) {
        cli_say("There is no memory for a name.");
        return CLI_FAILED;
    }
    (void)snprintf(target->made, size, "%s.XXXXXX", path);
    target->fd = mkostemp(target->made, O_CLOEXEC);
    if (target->fd >= 0)
        return CLI_GO_ON;
    cli_say("A file beside %s cannot be made: %s.", target->path, strerror(errno));
    return CLI_FAILED;
}

/* Everything is on its way; it is the file that is to be put in its place. */
static int
finish_target(const struct target *target)
{
    const char *path = target->real != NULL ? target->real : target->path;

    if (fsync(target->fd) == 0 && rename(target->made, path) == 0)
        return CLI_DONE;
    cli_say("%s cannot be written: %s.", target->path, strerror(errno));
    return CLI_FAILED;
}

static int
close_target(struct target *target, int status)
{
    if (target->made != NULL && target->fd >= 0) {
        if (status == CLI_DONE)
            status = finish_target(target);
        if (status != CLI_DONE)
            unlink(target->made);
    }
    if (target->fd >= 0)
        close(target->fd);
    free(target->made);
    free(target->real);
    return status;
}

static int
dump(const struct cli *cli, const char *name, int fd, bool quiet)
{
    struct kith_dump_report report;
    kith_space *space;
    int status = cli_open(cli, KITH_MUST_EXIST, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    err = kith_dump_fd(space, name, fd, &report);
    if (err < 0) {
        status = cli_failed(err);
    } else {
        status = CLI_DONE;
        if (!quiet && cli->json)
            printf("{\"objects\": %llu, \"items\": %llu, \"bytes\": %llu}\n",
                   (unsigned long long)report.objects, (unsigned long long)report.items,
                   (unsigned long long)report.bytes);
    }
    kith_close(space);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct target target = { .fd = -1 };
    const struct cli_option options[] = {
        { 'o', "output", CLI_TEXT, &target.path },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 0, 1);
    const char *name = argc == 1 ? argv[0] : NULL;

    if (status != CLI_GO_ON)
        return status;
    if (target.path == NULL || strcmp(target.path, "-") == 0) {
        if (isatty(STDOUT_FILENO))
            return cli_misused(cli, "A dump is no text for a terminal: name a file with -o FILE, "
                                    "or send it on.");
        return dump(cli, name, STDOUT_FILENO, true);
    }
    status = open_target(&target);
    if (status == CLI_GO_ON)
        status = dump(cli, name, target.fd, false);
    return close_target(&target, status);
}

const struct cli_verb cli_dump = {
    .name = "dump",
    .arguments = "[NAME]",
    .summary = "write a space, or an object, to a file",
    .help =
        "Writes the object NAME, or else all objects of the space, to standard output, in a\n"
        "form that every machine and every later version of kith can load.  Each object is\n"
        "dumped as it was at one instant, while others go on using it.\n"
        "\n"
        "options\n"
        "  -o, --output FILE     write to FILE, which is replaced once the dump is whole; with\n"
        "                        --json print what was dumped\n"
        "\n"
        "example\n"
        "  kith -s hits dump -o hits.kith\n"
        "  kith -s hits dump by-host | ssh other kith -s hits load\n",
    .run = run,
};
