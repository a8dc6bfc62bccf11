/*
 * cmd_stat.c - a space, or one object in it, in numbers.
 */
#include "facts.h"

#include <string.h>

static kith_err
stat_space(struct cli_facts *facts, const struct cli *cli, kith_space *space)
{
    struct kith_stat stat = KITH_STAT_INIT;
    kith_err err = kith_stat(space, &stat);

    if (err < 0)
        return err;
    cli_fact_text(facts, "space", cli->address);
    cli_fact_text(facts, "path", stat.path);
    cli_fact_number(facts, "objects", stat.objects);
    cli_fact_number(facts, "bytes_used", stat.bytes_used);
    cli_fact_number(facts, "bytes_free", stat.bytes_free);
    cli_fact_number(facts, "bytes_committed", stat.bytes_committed);
    cli_fact_number(facts, "size_limit", stat.size_limit);
    cli_fact_number(facts, "processes", stat.processes);
    cli_fact_number(facts, "threads", stat.threads);
    cli_fact_number(facts, "reaped", stat.reaped);
    return KITH_OK;
}

/* The one object that is looked for, as the library's list has it. */
struct search {
    const char *name;
    bool found;
    struct kith_info info; /* its name is the searched one */
};

static int
match(const struct kith_info *info, void *arg)
{
    struct search *search = arg;

    if (strcmp(info->name, search->name) != 0)
        return 0;
    search->info = *info;
    search->info.name = search->name;
    search->found = true;
    return 1;
}

static kith_err
stat_object(struct cli_facts *facts, kith_space *space, const struct kith_info *info)
{
    cli_fact_text(facts, "name", info->name);
    cli_fact_text(facts, "type", kith_kind_name(info->kind));
    cli_fact_number(facts, "items", info->items);
    cli_fact_number(facts, "bytes", info->bytes);
    cli_fact_time(facts, "created", info->created_ns);
    return cli_facts_of(facts, space, info->kind, info->name);
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    struct search search = { .found = false };
    int status = cli_options(cli, options, &argc, argv, 0, 1);
    struct cli_facts facts = { .json = cli->json };
    kith_space *space;
    kith_err err = KITH_OK;

    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    if (argc == 0) {
        err = stat_space(&facts, cli, space);
    } else {
        search.name = argv[0];
        err = kith_list(space, match, &search);
        if (err == KITH_OK && !search.found) {
            cli_say("There is no object \"%s\" in %s.", argv[0], cli->address);
            kith_close(space);
            return CLI_NO;
        }
        if (err == KITH_OK)
            err = stat_object(&facts, space, &search.info);
    }
    cli_facts_end(&facts);
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

const struct cli_verb cli_stat = {
    .name = "stat",
    .arguments = "[NAME]",
    .summary = "tell what a space, or one object in it, takes and holds",
    .help = "Prints the numbers of a space: its memory, objects, and the processes that have it\n"
            "open; with NAME those of one object in it, as who holds a lock.\n"
            "\n"
            "example\n"
            "  kith -s hits stat\n"
            "  kith -s hits stat by-host --json\n",
    .run = run,
};
