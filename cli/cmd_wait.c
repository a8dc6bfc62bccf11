/*
 * cmd_wait.c - waits for a key of a dict: that it comes, that it changes, or that it goes.
 */
#include "cli.h"

#include <stdlib.h>

struct waiting {
    const struct cli *cli;
    bool changed, gone, raw;
    int64_t timeout_ns;
};

static int64_t
time_left(int64_t deadline_ns)
{
    int64_t left = deadline_ns == KITH_FOREVER ? KITH_FOREVER : deadline_ns - cli_now_ns();

    return left < 0 && left != KITH_FOREVER ? 0 : left;
}

/* Until the key is not what it is now, or, with `gone`, is there no more. */
static kith_err
wait_for_change(const struct waiting *waiting, kith_dict *dict, struct kith_item key,
                int64_t deadline_ns, struct kith_buf *item)
{
    uint64_t version = 0;
    kith_err err = kith_dict_get_version(dict, key, NULL, &version);

    if (err == KITH_ENOENT) {
        if (waiting->gone)
            return err;
        version = 0;
    } else if (err < 0) {
        return err;
    }
    do
        err = kith_dict_wait(dict, key, version, time_left(deadline_ns), item, &version);
    while (err == KITH_OK && waiting->gone);
    return err;
}

static int
wait_for_key(const struct waiting *waiting, kith_dict *dict, struct kith_item key)
{
    int64_t deadline_ns =
        waiting->timeout_ns == KITH_FOREVER ? KITH_FOREVER : cli_now_ns() + waiting->timeout_ns;
    struct kith_buf item = KITH_BUF_INIT;
    kith_err err = waiting->changed || waiting->gone
                       ? wait_for_change(waiting, dict, key, deadline_ns, &item)
                       : kith_dict_wait(dict, key, 0, time_left(deadline_ns), &item, NULL);

    if (err == KITH_ENOENT && waiting->gone)
        return CLI_DONE;
    if (err == KITH_ENOENT || err == KITH_ETIMEDOUT)
        return CLI_NO; /* an answer, which needs no sentence */
    if (err < 0)
        return cli_failed(err);
    if (waiting->cli->json)
        cli_print_json(stdout, item.item);
    else
        cli_print_item(stdout, item.item);
    if (!waiting->raw)
        putchar('\n');
    kith_buf_free(&item);
    return CLI_DONE;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct waiting waiting = { .cli = cli, .timeout_ns = KITH_FOREVER };
    enum cli_reading reading = CLI_READ_PLAIN;
    const char *as = NULL;
    bool str = false;
    const struct cli_option options[] = {
        { 'w', "wait", CLI_SECONDS, &waiting.timeout_ns },
        { 0, "changed", CLI_FLAG, &waiting.changed },
        { 0, "gone", CLI_FLAG, &waiting.gone },
        { 0, "str", CLI_FLAG, &str },
        { 0, "as", CLI_TEXT, &as },
        { 0, "raw", CLI_FLAG, &waiting.raw },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 2, 2);
    void *memory = NULL;
    struct kith_item key;
    kith_space *space;
    kith_dict *dict;
    kith_err err;

    if (status == CLI_GO_ON && waiting.changed && waiting.gone)
        status = cli_misused(cli, "--changed and --gone exclude each other.");
    if (status == CLI_GO_ON)
        status = cli_reading(cli, str ? "str" : as, &reading);
    if (status == CLI_GO_ON)
        status = cli_read_text(cli, reading, true, argv[1], &key, &memory);
    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        goto done;
    err = kith_dict_open(space, argv[0], NULL, &dict);
    if (err < 0) {
        status = cli_failed(err);
    } else {
        cli_catch_interrupts();
        status = wait_for_key(&waiting, dict, key);
        kith_dict_close(dict);
    }
    kith_close(space);
done:
    free(memory);
    return status;
}

const struct cli_verb cli_wait = {
    .name = "wait",
    .arguments = "DICT KEY",
    .summary = "wait for a key, and print its item",
    .help =
        "Waits until KEY is in DICT, and prints its item.  Exits with 1 if it does not come in\n"
        "time.  The space and the dict are created if there are none: whoever sets the key may\n"
        "come later.\n"
        "\n"
        "options\n"
        "  -w, --wait SECONDS    wait no longer\n"
        "  --changed             wait until the key is set or changed after now; exit with 1 if\n"
        "                        it is deleted\n"
        "  --gone                wait until the key is not there, and print nothing\n"
        "  --str                 KEY is a str, as it stands\n"
        "  --as json|bytes|str   KEY is read so; a JSON array is a tuple\n"
        "  --raw                 no newline behind the item\n"
        "\n"
        "example\n"
        "  kith -s hits wait results report -w 60\n",
    .run = run,
};
