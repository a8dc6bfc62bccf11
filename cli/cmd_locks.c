/*
 * cmd_locks.c - shows the locks of a space: who holds each, and who waits.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct listing {
    const struct cli *cli;
    kith_space *space;
    bool headed;
    int status;
};

static void
print_json_text(const char *text)
{
    cli_print_json_string(stdout, text);
}

static void
print_json(const char *name, enum kith_kind kind, const struct kith_owner *owner)
{
    fputs("{\"name\": ", stdout);
    print_json_text(name);
    printf(", \"type\": \"%s\", \"owner\": ", kith_kind_name(kind));
    if (owner->held) {
        fputs("{\"host\": ", stdout);
        print_json_text(owner->host);
        printf(", \"pid\": %lld, \"thread\": %lld, \"alive\": %s}", (long long)owner->pid,
               (long long)owner->thread, owner->alive ? "true" : "false");
    } else {
        fputs("null", stdout);
    }
    fputs(", \"since\": ", stdout);
    if (owner->held && owner->since_ns != 0) {
        putchar('"');
        cli_print_time(stdout, owner->since_ns);
        putchar('"');
    } else {
        fputs("null", stdout);
    }
    printf(", \"waiters\": %u, \"sharers\": %u, \"depth\": %u}\n", owner->waiters, owner->sharers,
           owner->depth);
}

/* ---- For a person ---- */

struct table {
    const char *name; /* printed with the first line */
    const char *type;
    int64_t since_ns;
    unsigned lines;
};

static int
print_party(const struct kith_party *party, void *arg)
{
    struct table *table = arg;
    bool first = table->lines++ == 0;
    const char *state =
        party->holds ? (party->shared ? "shared" : "held") : (party->shared ? "waits -s" : "waits");

    cli_print_column(first ? table->name : "", 24);
    printf("%-7s %-8s ", first ? table->type : "", state);
    if (party->pid != 0) {
        cli_print_visible(stdout, party->command);
        printf(" (pid %lld, thread %lld) on ", (long long)party->pid, (long long)party->thread);
        cli_print_visible(stdout, party->host);
        fputs(party->alive ? "" : ", which died", stdout);
    } else {
        fputs("by a process that has left", stdout);
    }
    if (party->holds && table->since_ns != 0) {
        fputs("  since ", stdout);
        cli_print_time(stdout, table->since_ns);
    }
    putchar('\n');
    return 0;
}

static kith_err
print_table(const char *name, enum kith_kind kind, kith_lock *lock, const struct kith_owner *owner)
{
    struct table table = { name, kith_kind_name(kind), owner->held ? owner->since_ns : 0, 0 };
    kith_err err = kith_lock_parties(lock, print_party, &table);

    if (err == KITH_OK && table.lines == 0) {
        cli_print_column(name, 24);
        printf("%-7s free\n", kith_kind_name(kind));
    }
    return err;
}

/* ---- Each of them ---- */

static int
each_object(const struct kith_info *info, void *arg)
{
    struct listing *listing = arg;
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_owner owner;
    kith_lock *lock;
    kith_err err;

    if (info->kind != KITH_KIND_LOCK && info->kind != KITH_KIND_RWLOCK)
        return 0;
    options.create = KITH_MUST_EXIST;
    err = kith_lock_open(listing->space, info->name, &options, &lock);
    if (err < 0)
        goto out;
    err = kith_lock_owner(lock, &owner);
    if (err == KITH_OK && listing->cli->json)
        print_json(info->name, info->kind, &owner);
    if (err == KITH_OK && !listing->cli->json) {
        if (!listing->headed)
            printf("%-24s %-7s %-8s %s\n", "NAME", "TYPE", "STATE", "WHO");
        listing->headed = true;
        err = print_table(info->name, info->kind, lock, &owner);
    }
    kith_lock_close(lock);
out:
    if (err == KITH_OK || err == KITH_ENOENT || err == KITH_EGONE || err == KITH_ETYPE)
        return 0; /* destroyed since the list was made */
    listing->status = cli_failed(err);
    return 1;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    struct listing listing = { cli, NULL, !isatty(STDOUT_FILENO), CLI_DONE };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    status = cli_open(cli, KITH_MUST_EXIST, &listing.space);
    if (status != CLI_GO_ON)
        return status;
    err = kith_list(listing.space, each_object, &listing);
    status = err < 0 ? cli_failed(err) : listing.status;
    kith_close(listing.space);
    return status;
}

const struct cli_verb cli_locks = {
    .name = "locks",
    .arguments = "",
    .summary = "show who holds each lock, and who waits",
    .help =
        "Lists the locks and rwlocks of a space.  A line is one who holds the lock or waits\n"
        "for it, in the order in which they came: held, shared, waits, or \"waits -s\" for one\n"
        "who wants to share it.\n"
        "\n"
        "With --json a line is a lock: {\"name\", \"type\", \"owner\": {\"host\", \"pid\",\n"
        "\"thread\", \"alive\"}, \"since\", \"waiters\", \"sharers\", \"depth\"}; the owner of a\n"
        "free one is null.\n"
        "\n"
        "example\n"
        "  kith -s jobs locks\n",
    .run = run,
};
