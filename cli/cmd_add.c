/*
 * cmd_add.c - adds to the number at one key of a dict.
 */
#include "cli.h"

#include <stdlib.h>

/* Adds an int or a float, and makes *sum the result. */
static kith_err
add(kith_dict *dict, struct kith_item key, struct kith_item number, struct kith_item *sum)
{
    double real = 0;
    int64_t integer = 0;
    kith_err err;

    if (number.type == KITH_TYPE_FLOAT) {
        err = kith_dict_add_float(dict, key, number.real, &real);
        *sum = kith_float(real);
    } else {
        err = kith_dict_add(dict, key, number.integer, &integer);
        *sum = kith_int(integer);
    }
    return err;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    enum cli_reading reading = CLI_READ_PLAIN;
    const char *as = NULL;
    int keys = 1;
    bool str = false;
    const struct cli_option options[] = {
        { 0, "str", CLI_FLAG, &str },
        { 0, "as", CLI_TEXT, &as },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 1, 3);
    struct kith_item number = kith_int(1);
    void *key_memory = NULL;
    void *number_memory = NULL;
    struct kith_item key = kith_none();
    struct kith_item sum;
    enum kith_kind kind = KITH_KIND_NONE;
    kith_space *space = NULL;
    kith_dict *dict;
    kith_err err;

    if (status == CLI_GO_ON)
        status = cli_reading(cli, str ? "str" : as, &reading);
    if (status == CLI_GO_ON)
        status = cli_open(cli, argc == 1 ? KITH_MUST_EXIST : KITH_CREATE_OR_OPEN, &space);
    if (status == CLI_GO_ON) {
        kind = cli_kind(space, argv[0]);
        if (kind == KITH_KIND_VALUE)
            keys = 0;
        if (argc <= keys || argc > keys + 2)
            status = cli_misused(cli,
                                 keys == 0 ? "\"%s\" is a value, which has no keys."
                                           : "\"%s\" is no value, so a key must be named.",
                                 argv[0]);
    }
    if (status == CLI_GO_ON && keys == 1)
        status = cli_read_text(cli, reading, true, argv[1], &key, &key_memory);
    if (status == CLI_GO_ON && argc == keys + 2)
        status = cli_read_text(cli, CLI_READ_PLAIN, false, argv[argc - 1], &number, &number_memory);
    if (status == CLI_GO_ON && number.type != KITH_TYPE_INT && number.type != KITH_TYPE_FLOAT)
        status = cli_misused(cli, "\"%s\" is no number that can be added.", argv[argc - 1]);
    if (status != CLI_GO_ON)
        goto done;
    if (cli_is_cell(kind)) {
        err = cli_cell_add(space, kind, argv[0], key, number, &sum);
    } else {
        err = kith_dict_open(space, argv[0], NULL, &dict);
        if (err == KITH_OK) {
            err = add(dict, key, number, &sum);
            kith_dict_close(dict);
        }
    }
    if (err == KITH_ENOENT && kind == KITH_KIND_ARRAY) {
        status = CLI_NO; /* an answer, which needs no sentence */
    } else if (err < 0) {
        status = cli_failed(err);
    } else {
        if (cli->json)
            cli_print_json(stdout, sum);
        else
            cli_print_item(stdout, sum);
        putchar('\n');
        status = CLI_DONE;
    }
done:
    kith_close(space);
    free(key_memory);
    free(number_memory);
    return status;
}

const struct cli_verb cli_add = {
    .name = "add",
    .arguments = "NAME [KEY] [NUMBER]",
    .summary = "add to the number at a key, and print the sum",
    .help =
        "Adds NUMBER, else 1, to the number at KEY of the dict NAME in one step, and prints the\n"
        "sum.  An absent key counts as 0; the space and the dict are created if there are none.\n"
        "NUMBER is an int or a float, and may be negative.  NAME may also be an array, whose\n"
        "keys are indexes, or a value, which has no key.\n"
        "\n"
        "options\n"
        "  --str                 KEY is a str, as it stands\n"
        "  --as json|bytes|str   KEY is read so; a JSON array is a tuple\n"
        "\n"
        "example\n"
        "  kith -s hits add by-host www.debian.org 1\n",
    .run = run,
};
