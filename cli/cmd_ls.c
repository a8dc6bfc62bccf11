/*
 * cmd_ls.c - lists this user's spaces, or the objects in one.
 */
#include "cli.h"

#include <unistd.h>

/* What a listing needs while the library calls back. */
struct listing {
    const struct cli *cli;
    bool headed; /* the heading is printed, or not wanted */
    bool all;    /* objects that have no name of their own, too */
};

/* A heading helps who looks at a terminal, and disturbs who reads lines from a pipe. */
static void
head(struct listing *listing, const char *third)
{
    if (!listing->headed) {
        printf("%-24s %-6s %10s %10s  ", "NAME", "TYPE", third, "BYTES");
        if (listing->all)
            printf("%10s  ", "REFERENCES");
        puts("CREATED");
    }
    listing->headed = true;
}

static void
print_start(const char *name, const char *type, uint64_t count, uint64_t bytes)
{
    cli_print_column(name, 24);
    printf("%-6s %10llu %10llu  ", type, (unsigned long long)count, (unsigned long long)bytes);
}

static void
print_end(int64_t created_ns)
{
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

    if (info->unnamed && !listing->all)
        return 0;
    if (!listing->cli->json) {
        head(listing, "ITEMS");
        print_start(info->name, kith_kind_name(info->kind), info->items, info->bytes);
        if (listing->all)
            printf("%10llu  ", (unsigned long long)info->references);
        print_end(info->created_ns);
        return 0;
    }
    fputs("{\"name\": ", stdout);
    cli_print_json_string(stdout, info->name);
    printf(", \"type\": \"%s\", \"items\": %llu", kith_kind_name(info->kind),
           (unsigned long long)info->items);
    if (listing->all)
        printf(", \"references\": %llu, \"handles\": %llu, \"unnamed\": %s",
               (unsigned long long)info->references, (unsigned long long)info->handles,
               info->unnamed ? "true" : "false");
    print_json_end(info->bytes, info->created_ns);
    return 0;
}

static int
each_space(const struct kith_space_info *info, void *arg)
{
    struct listing *listing = arg;

    if (!listing->cli->json) {
        head(listing, "PROCESSES");
        print_start(info->name, "space", info->attached, info->bytes);
        print_end(info->created_ns);
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
    bool all = false;
    const struct cli_option options[] = { { 'a', "all", CLI_FLAG, &all },
                                          { 0, NULL, CLI_FLAG, NULL } };
    struct listing listing = { cli, !isatty(STDOUT_FILENO), false };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    kith_space *space;
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    listing.all = all && cli->address_given;
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
    .arguments = "[-a]",
    .summary = "list the objects of a space (with -s), or this user's spaces",
    .help =
        "Lists the objects of the space given with -s: name, type, items, bytes, and when it\n"
        "was created.  Without -s it lists this user's spaces, and in the third column the\n"
        "processes that have each open.\n"
        "\n"
        "options\n"
        "  -a, --all    objects too that have no name of their own, and live while a reference\n"
        "               leads to them; and how many references lead to each\n"
        "\n"
        "example\n"
        "  kith ls\n"
        "  kith -s hits ls --json\n",
    .run = run,
};
