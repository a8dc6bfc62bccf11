/*
 * cmd_get.c - prints the item of one key of a dict.
 */
#include "cli.h"

#include <stdlib.h>

/* The item at an index of a list, or of an attribute of a namespace. */
static kith_err
get_other(kith_space *space, enum kith_kind kind, const char *name, struct kith_item key,
          const char *word, struct kith_buf *item_out)
{
    struct kith_list *list = NULL;
    kith_namespace *names = NULL;
    kith_err err;

    if (kind == KITH_KIND_LIST) {
        err = kith_list_open(space, name, NULL, &list);
        if (err == KITH_OK)
            err = key.type == KITH_TYPE_INT ? kith_list_get(list, key.integer, item_out)
                                            : KITH_ERANGE;
        kith_list_close(list);
    } else {
        err = kith_namespace_open(space, name, NULL, &names);
        if (err == KITH_OK)
            err = kith_namespace_get(names, word, item_out);
        kith_namespace_close(names);
    }
    return err == KITH_ERANGE ? KITH_ENOENT : err;
}

static int
print_key(const struct cli *cli, kith_err err, struct kith_buf *got, bool raw)
{
    struct kith_buf item = *got;

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
    struct kith_buf item = KITH_BUF_INIT;
    enum kith_kind kind;
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
    kind = cli_kind(space, argv[0]);
    if (kind == KITH_KIND_LIST || kind == KITH_KIND_NAMESPACE) {
        err = get_other(space, kind, argv[0], key, argv[1], &item);
        status = print_key(cli, err, &item, raw);
    } else {
        err = kith_dict_open(space, argv[0], &must_exist, &dict);
        if (err < 0) {
            status = cli_failed(err);
        } else {
            err = kith_dict_get(dict, key, &item);
            status = print_key(cli, err, &item, raw);
            kith_dict_close(dict);
        }
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
    .help =
        "Prints the item that KEY has in DICT, which may also be a list, whose keys are indexes,\n"
        "or a namespace.  Exits with 1, and says nothing, if the key is absent.  KEY is read as\n"
        "an int, a float, true, false or none, and else as a str.\n"
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
