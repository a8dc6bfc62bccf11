/*
 * cmd_ls.c - lists this user's spaces, or the objects in one.
 */
#include "cli.h"

#include <unistd.h>

/* What a listing needs while the library calls back. */
struct listing {
    const struct cli *cli;
    bool headed; /* the heading is printed, or not wanted */
};

/* A heading helps who looks at a terminal, and disturbs who reads lines from a pipe. */
static void
head(struct listing *listing, const char *third)
{
    if (!listing->headed)
        printf("%-24s %-6s %10s %10s  %s\n", "NAME", "TYPE", third, "BYTES", "CREATED");
    listing->headed = true;
}

static void
print_line(const char *name, const char *type, uint64_t count, uint64_t bytes, int64_t created_ns)
{
    printf("%-24s %-6s %10llu %10llu  ", name, type, (unsigned long long)count,
           (unsigned long long)bytes);
    cli_print_time(stdout, created_ns);
    putchar('\n');
}

/* The end of a JSON line that both listings have in common. */
static void
print_json_end(uint64_t bytes, int64_t created_ns)
{
    printf(", \"bytes\": %llu, \"created\": \"", (unsigned long long)bytes);
    cli_print_time(stdout, created_ns);
    puts("\"}");
}

static int
each_object(const struct kith_info *info, void *arg)
{
    struct listing *listing = arg;

    if (!listing->cli->json) {
        head(listing, "ITEMS");
        print_line(info->name, kith_kind_name(info->kind), info->items, info->bytes,
                   info->created_ns);
        return 0;
    }
    fputs("{\"name\": ", stdout);
    cli_print_json_string(stdout, info->name);
    printf(", \"type\": \"%s\", \"items\": %llu", kith_kind_name(info->kind),
           (unsigned long long)info->items);
    print_json_end(info->bytes, info->created_ns);
    return 0;
}

static int
each_space(const struct kith_space_info *info, void *arg)
{
    struct listing *listing = arg;

    if (!listing->cli->json) {
        head(listing, "PROCESSES");
        print_line(info->name, "space", info->attached, info->bytes, info->created_ns);
        return 0;
    }
    fputs("{\"name\": ", stdout);
    cli_print_json_string(stdout, info->name);
    fputs(", \"type\": \"space\", \"path\": ", stdout);
    cli_print_json_string(stdout, info->path);
    printf(", \"processes\": %u", info->attached);
    print_json_end(info->bytes, info->created_ns);
    return 0;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    struct listing listing = { cli, !isatty(STDOUT_FILENO) };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    kith_space *space;
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    /* KITH_URL says where other verbs work; to see what there is at all, it must not hide it. */
    if (!cli->address_given) {
        err = kith_spaces(each_space, &listing);
        return err < 0 ? cli_failed(err) : CLI_DONE;
    }
    status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    err = kith_list(space, each_object, &listing);
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

const struct cli_verb cli_ls = {
    .name = "ls",
    .arguments = "",
    .summary = "list the objects of a space (with -s), or this user's spaces",
    .help = "Lists the objects of the space given with -s: name, type, items, bytes, and when it\n"
            "was created.  Without -s it lists this user's spaces, and in the third column the\n"
            "processes that have each open.\n"
            "\n"
            "example\n"
            "  kith ls\n"
            "  kith -s hits ls --json\n",
    .run = run,
};
