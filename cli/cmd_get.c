/*
 * cmd_get.c - prints the item of one key of a dict.
 */
#include "cli.h"

#include <stdlib.h>

static int
print_key(const struct cli *cli, kith_dict *dict, struct kith_item key, bool raw)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_err err = kith_dict_get(dict, key, &item);

    if (err == KITH_ENOENT)
        return CLI_NO; /* an answer, which needs no sentence */
    if (err < 0)
        return cli_failed(err);
    if (cli->json)
        cli_print_json(stdout, item.item);
    else
        cli_print_item(stdout, item.item);
    if (!raw)
        putchar('\n');
    kith_buf_free(&item);
    return CLI_DONE;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct kith_dict_options must_exist = KITH_DICT_OPTIONS_INIT;
    enum cli_reading reading = CLI_READ_PLAIN;
    const char *as = NULL;
    bool str = false;
    bool raw = false;
    const struct cli_option options[] = {
        { 0, "str", CLI_FLAG, &str },
        { 0, "as", CLI_TEXT, &as },
        { 0, "raw", CLI_FLAG, &raw },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 2, 2);
    void *memory = NULL;
    struct kith_item key;
    kith_space *space;
    kith_dict *dict;
    kith_err err;

    if (status == CLI_GO_ON)
        status = cli_reading(cli, str ? "str" : as, &reading);
    if (status == CLI_GO_ON)
        status = cli_read_text(cli, reading, true, argv[1], &key, &memory);
    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        goto done;
    must_exist.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, argv[0], &must_exist, &dict);
    if (err < 0) {
        status = cli_failed(err);
    } else {
        status = print_key(cli, dict, key, raw);
        kith_dict_close(dict);
    }
    kith_close(space);
done:
    free(memory);
    return status;
}

const struct cli_verb cli_get = {
    .name = "get",
    .arguments = "DICT KEY",
    .summary = "print the item of a key",
    .help = "Prints the item that KEY has in DICT.  Exits with 1, and says nothing, if the key is\n"
            "absent.  KEY is read as an int, a float, true, false or none, and else as a str.\n"
            "\n"
            "options\n"
            "  --str                 KEY is a str, as it stands\n"
            "  --as json|bytes|str   KEY is read so; a JSON array is a tuple\n"
            "  --raw                 no newline behind the item\n"
            "\n"
            "example\n"
            "  kith -s hits get by-host www.debian.org\n",
    .run = run,
};
