/*
 * cmd_set.c - sets the item of one key of a dict.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* What --absent and --present ask for. */
enum condition { ALWAYS, IF_ABSENT, IF_PRESENT };

/* The pair to be set, and the memory that it may need. */
struct pair {
    struct kith_item key;
    struct kith_item item;
    void *key_memory;
    void *item_memory;
    char *input; /* standard input, if the value is "-" */
};

static void
free_pair(struct pair *pair)
{
    free(pair->key_memory);
    free(pair->item_memory);
    free(pair->input);
}

/* Reads the value, which "-" finds on standard input, where it is a str unless --as is given. */
static int
read_value(const struct cli *cli, enum cli_reading reading, const char *word, struct pair *pair)
{
    size_t size;
    int status;

    if (strcmp(word, "-") != 0 || reading == CLI_READ_STR)
        return cli_read_text(cli, reading, false, word, &pair->item, &pair->item_memory);
    status = cli_read_input(&pair->input, &size);
    if (status != CLI_GO_ON)
        return status;
    if (reading == CLI_READ_PLAIN)
        reading = CLI_READ_STR;
    return cli_read_item(cli, reading, false, pair->input, size, &pair->item, &pair->item_memory);
}

/* Sets what is no dict.  An index or attribute that is not there is KITH_ENOENT. */
static kith_err
set_other(kith_space *space, enum kith_kind kind, const char *name, const char *word,
          const struct pair *pair)
{
    struct kith_list *list = NULL;
    kith_namespace *names = NULL;
    kith_err err;

    if (cli_is_cell(kind))
        return cli_cell_set(space, kind, name, pair->key, pair->item);
    if (kind == KITH_KIND_LIST) {
        err = kith_list_open(space, name, NULL, &list);
        if (err == KITH_OK)
            err = pair->key.type == KITH_TYPE_INT
                      ? kith_list_set(list, pair->key.integer, pair->item)
                      : KITH_ERANGE;
        kith_list_close(list);
        return err == KITH_ERANGE ? KITH_ENOENT : err;
    }
    err = kith_namespace_open(space, name, NULL, &names);
    if (err == KITH_OK)
        err = kith_namespace_set(names, word, pair->item);
    kith_namespace_close(names);
    return err;
}

static kith_err
set_key(kith_space *space, const char *name, const struct pair *pair, enum condition condition)
{
    kith_dict *dict;
    kith_err err = kith_dict_open(space, name, NULL, &dict);

    if (err < 0)
        return err;
    err = condition == IF_ABSENT    ? kith_dict_insert(dict, pair->key, pair->item)
          : condition == IF_PRESENT ? kith_dict_replace(dict, pair->key, pair->item)
                                    : kith_dict_set(dict, pair->key, pair->item);
    kith_dict_close(dict);
    return err;
}

static int
set(const struct cli *cli, const char *name, const char *word, const struct pair *pair,
    enum condition condition, uint64_t count)
{
    enum kith_kind kind;
    kith_space *space;
    int status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    kind = cli_kind(space, name);
    if (kind == KITH_KIND_NONE && (word == NULL || count > 0)) {
        if (pair->item.type != KITH_TYPE_INT && pair->item.type != KITH_TYPE_FLOAT)
            status = cli_misused(cli, "A value or an array that is made is one of numbers.");
        else if (cli_cell_make(space, name, count, pair->item) == KITH_OK)
            kind = count > 0 ? KITH_KIND_ARRAY : KITH_KIND_VALUE;
    }
    if (status == CLI_GO_ON && (word == NULL) != (kind == KITH_KIND_VALUE))
        status = cli_misused(cli,
                             word == NULL ? "\"%s\" is no value, so a key must be named."
                                          : "\"%s\" is a value, which has no keys.",
                             name);
    if (status != CLI_GO_ON) {
        kith_close(space);
        return status;
    }
    if (cli_is_cell(kind) || kind == KITH_KIND_LIST || kind == KITH_KIND_NAMESPACE) {
        if (condition != ALWAYS) {
            kith_close(space);
            return cli_misused(cli, "--absent and --present are for the keys of dicts.");
        }
        err = set_other(space, kind, name, word, pair);
        condition = IF_PRESENT;
    } else {
        err = set_key(space, name, pair, condition);
    }
    if ((condition == IF_ABSENT && err == KITH_EEXIST) ||
        (condition == IF_PRESENT && err == KITH_ENOENT))
        status = CLI_NO; /* an answer, which needs no sentence */
    else
        status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    enum cli_reading key_reading = CLI_READ_PLAIN;
    enum cli_reading reading = CLI_READ_PLAIN;
    const char *key_as = NULL;
    const char *as = NULL;
    bool str = false;
    bool bytes = false;
    bool json = false;
    bool absent = false;
    bool present = false;
    uint64_t count = 0;
    const struct cli_option options[] = {
        { 0, "str", CLI_FLAG, &str },         { 0, "as", CLI_TEXT, &as },
        { 0, "key-as", CLI_TEXT, &key_as },   { 0, "bytes", CLI_FLAG, &bytes },
        { 0, "json", CLI_FLAG, &json },       { 0, "absent", CLI_FLAG, &absent },
        { 0, "present", CLI_FLAG, &present }, { 0, "array", CLI_COUNT, &count },
        { 0, NULL, CLI_FLAG, NULL },
    };
    struct pair pair = { .input = NULL };
    int status = cli_options(cli, options, &argc, argv, 2, 3);

    if (status != CLI_GO_ON)
        return status;
    if (absent && present)
        return cli_misused(cli, "The options --absent and --present exclude each other.");
    if (str)
        as = key_as = "str";
    else if (as == NULL)
        as = bytes ? "bytes" : json ? "json" : NULL;
    status = cli_reading(cli, key_as, &key_reading);
    if (status == CLI_GO_ON)
        status = cli_reading(cli, as, &reading);
    if (status == CLI_GO_ON && argc == 3)
        status = cli_read_text(cli, key_reading, true, argv[1], &pair.key, &pair.key_memory);
    if (status == CLI_GO_ON)
        status = read_value(cli, reading, argv[argc - 1], &pair);
    if (status == CLI_GO_ON && argc == 2 && reading == CLI_READ_PLAIN &&
        pair.item.type != KITH_TYPE_INT && pair.item.type != KITH_TYPE_FLOAT)
        status = cli_misused(cli, "A key and a value are needed, or a number for a value.");
    if (status == CLI_GO_ON)
        status = set(cli, argv[0], argc == 3 ? argv[1] : NULL, &pair,
                     absent    ? IF_ABSENT
                     : present ? IF_PRESENT
                               : ALWAYS,
                     count);
    free_pair(&pair);
    return status;
}

const struct cli_verb cli_set = {
    .name = "set",
    .arguments = "NAME [KEY] VALUE",
    .summary = "set the item of a key",
    .help =
        "Sets KEY in the dict NAME to VALUE; the space and the dict are created if there are\n"
        "none.  NAME may also be a list or an array, whose keys are indexes, a namespace, or a\n"
        "value, which has no key; exits with 1 if there is no such index.  Without a key and\n"
        "without such an object, a value is made of a number.\n"
        "KEY and VALUE are read as an int, a float, true, false or none, and else as a str.\n"
        "VALUE may be - for all of standard input, a str unless --as says otherwise.\n"
        "\n"
        "options\n"
        "  --str                   KEY and VALUE are strs, as they stand\n"
        "  --as json|bytes|str     VALUE is read so; also --json, --bytes\n"
        "  --key-as json|bytes|str KEY is read so; a JSON array is a tuple\n"
        "  --absent                only if KEY is absent; exit with 1 if it is not\n"
        "  --present               only if KEY is there; exit with 1 if it is not\n"
        "\n"
        "example\n"
        "  kith -s hits set by-host www.debian.org 7\n"
        "  kith -s hits set pages / --as bytes - < index.html\n",
    .run = run,
};
