/*
 * cmd_pop.c - takes items out of a queue, or a list, and prints them.
 *
 * Each is leased, printed, and acknowledged only once it has left this program, so that an item is
 * never lost between the queue and its reader: a pop that is killed, or whose output is closed,
 * leaves it in the queue.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

static int64_t
time_left(int64_t deadline_ns)
{
    int64_t left;

    if (deadline_ns == KITH_FOREVER)
        return KITH_FOREVER;
    left = deadline_ns - cli_now_ns();
    return left < 0 ? 0 : left;
}

static void
print(const struct cli *cli, struct kith_item item)
{
    if (cli->json)
        cli_print_json(stdout, item);
    else
        cli_print_item(stdout, item);
    putchar('\n');
}

/* Pops up to `count` items until `deadline_ns`.  CLI_DONE if one came at least. */
static int
pop(const struct cli *cli, kith_queue *queue, uint64_t count, int64_t deadline_ns)
{
    struct kith_buf item = KITH_BUF_INIT;
    int status = CLI_NO;

    for (uint64_t i = 0; i < count; i++) {
        kith_lease *lease;
        kith_err err = kith_queue_lease(queue, time_left(deadline_ns), &item, &lease);

        if (err == KITH_EEMPTY || err == KITH_ETIMEDOUT || err == KITH_ECLOSED)
            break;
        if (err < 0) {
            status = cli_failed(err);
            break;
        }
        print(cli, item.item);
        if (fflush(stdout) != 0) {
            cli_say("Standard output cannot be written, so the item stays in the queue: %s.",
                    strerror(errno));
            clearerr(stdout);
            kith_lease_nack(lease);
            status = CLI_FAILED;
            break;
        }
        err = kith_lease_ack(lease);
        if (err < 0) {
            status = cli_failed(err);
            break;
        }
        status = CLI_DONE;
    }
    kith_buf_free(&item);
    return status;
}

/* Pops up to `count` items off the end of a list.  A list has no leases: an item is out at once. */
static int
pop_list(const struct cli *cli, kith_space *space, const char *name, uint64_t count)
{
    struct kith_list_options options = KITH_LIST_OPTIONS_INIT;
    struct kith_buf item = KITH_BUF_INIT;
    struct kith_list *list;
    int status = CLI_NO;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_list_open(space, name, &options, &list);
    if (err < 0)
        return cli_failed(err);
    for (uint64_t i = 0; i < count; i++) {
        err = kith_list_pop(list, -1, &item);
        if (err < 0)
            break;
        print(cli, item.item);
        status = CLI_DONE;
    }
    if (err < 0 && err != KITH_EEMPTY && err != KITH_ERANGE)
        status = cli_failed(err);
    kith_buf_free(&item);
    kith_list_close(list);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct kith_queue_options queue_options = KITH_QUEUE_OPTIONS_INIT;
    int64_t wait_ns = 0;
    uint64_t count = 1;
    const struct cli_option options[] = {
        { 'w', "wait", CLI_SECONDS, &wait_ns },
        { 'n', "number", CLI_COUNT, &count },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 1, 1);
    enum kith_create create;
    kith_queue *queue;
    kith_space *space;
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    /* Whoever waits may well be there before the first item. */
    create = wait_ns == 0 ? KITH_MUST_EXIST : KITH_CREATE_OR_OPEN;
    status = cli_open(cli, create, &space);
    if (status != CLI_GO_ON)
        return status;
    if (cli_kind(space, argv[0]) == KITH_KIND_LIST) {
        status = wait_ns == 0 ? pop_list(cli, space, argv[0], count)
                              : cli_misused(cli, "A list is not waited for.");
        kith_close(space);
        return status;
    }
    queue_options.create = create;
    err = kith_queue_open(space, argv[0], &queue_options, &queue);
    if (err < 0) {
        status = cli_failed(err);
    } else {
        cli_catch_interrupts();
        status =
            pop(cli, queue, count, wait_ns == KITH_FOREVER ? KITH_FOREVER : cli_now_ns() + wait_ns);
        kith_queue_close(queue);
    }
    kith_close(space);
    return status;
}

const struct cli_verb cli_pop = {
    .name = "pop",
    .arguments = "QUEUE",
    .summary = "take items out of a queue, and print them",
    .help =
        "Takes the oldest item out of QUEUE, prints it, and acknowledges it once it is written.\n"
        "Exits with 1, and says nothing, if none came.  Of a list it takes the last item.\n"
        "\n"
        "options\n"
        "  -w, --wait SECONDS   wait so long for the items in all, or forever; else not at all\n"
        "  -n, --number N       take up to N items, one a line\n"
        "\n"
        "example\n"
        "  kith -s hits pop jobs -w 5\n",
    .run = run,
};
