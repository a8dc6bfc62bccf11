/*
 * cmd_gc.c - gives back what nobody needs: the left-overs of the dead, free memory, and temporary
 * spaces that nobody has open.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* What all the spaces that were cleaned gave. */
struct sums {
    uint64_t removed;
    uint64_t reaped;
    uint64_t bytes_freed;
};

static kith_err
clean(const char *address, const struct kith_options *options, struct sums *sums)
{
    struct kith_report report = { .removed = 0 };
    kith_space *space;
    kith_err err = kith_open(address, options, &space);

    if (err < 0)
        return err;
    err = kith_gc(space, &report);
    sums->removed += report.removed;
    sums->reaped += report.reaped;
    sums->bytes_freed += report.bytes_freed;
    kith_close(space);
    return err;
}

/* The names of this user's spaces, taken before the first is opened. */
struct names {
    char **names;
    size_t count;
};

static int
take_name(const struct kith_space_info *info, void *arg)
{
    struct names *names = arg;
    char **larger = realloc(names->names, (names->count + 1) * sizeof *larger);

    if (larger == NULL)
        return 1;
    names->names = larger;
    names->names[names->count] = strdup(info->name);
    return names->names[names->count++] == NULL;
}

/*
 * Cleans every space of this user.  The one without a name goes first, which removes the temporary
 * spaces: opened by their names they would be in use.
 */
static int
clean_all(struct sums *sums)
{
    struct kith_options must_exist = KITH_OPTIONS_INIT;
    struct names names = { .count = 0 };
    kith_err err = clean("mem://", NULL, sums);
    int status = err < 0 ? cli_failed(err) : CLI_DONE;

    must_exist.create = KITH_MUST_EXIST;
    if (status == CLI_DONE) {
        err = kith_spaces(take_name, &names);
        status = err < 0 ? cli_failed(err) : CLI_DONE;
    }
    for (size_t i = 0; i < names.count; i++) {
        if (names.names[i] == NULL)
            continue;
        err = clean(names.names[i], &must_exist, sums);
        if (err < 0 && err != KITH_ENOENT) /* one that went meanwhile needs no cleaning */
            status = cli_failed(err);
        free(names.names[i]);
    }
    free(names.names);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    struct kith_options must_exist = KITH_OPTIONS_INIT;
    struct sums sums = { .removed = 0 };
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    must_exist.create = KITH_MUST_EXIST;
    if (cli->address == NULL) {
        status = clean_all(&sums);
    } else {
        err = clean(cli->address, &must_exist, &sums);
        status = err < 0 ? cli_failed(err) : CLI_DONE;
    }
    if (cli->json)
        printf("{\"removed\": %llu, \"reaped\": %llu, \"bytes_freed\": %llu}\n",
               (unsigned long long)sums.removed, (unsigned long long)sums.reaped,
               (unsigned long long)sums.bytes_freed);
    else
        printf("removed: %llu\nreaped: %llu\nbytes freed: %llu\n", (unsigned long long)sums.removed,
               (unsigned long long)sums.reaped, (unsigned long long)sums.bytes_freed);
    return status;
}

const struct cli_verb cli_gc = {
    .name = "gc",
    .arguments = "",
    .summary = "give back what nobody can reach any more",
    .help =
        "Cleans up after dead processes, gives back objects that only a circle of references\n"
        "keeps, and removes temporary spaces that nobody has open, and the files of repairs that\n"
        "were killed.  Nothing else goes.  Without a space it does so in all spaces of this user.\n"
        "\n"
        "example\n"
        "  kith gc\n"
        "  kith -s hits gc --json\n",
    .run = run,
};
