/*
 * cmd_del.c - deletes keys of a dict.
 */
#include "cli.h"

#include <stdlib.h>

/* Takes an attribute out of a namespace, or a member out of a set. */
static kith_err
delete_others(kith_space *space, enum kith_kind kind, const char *name,
              const struct kith_item *keys, char **words, size_t count, uint64_t *deleted)
{
    kith_namespace *names = NULL;
    kith_set *set = NULL;
    kith_err err = kind == KITH_KIND_SET ? kith_set_open(space, name, NULL, &set)
                                         : kith_namespace_open(space, name, NULL, &names);

    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        err = kind == KITH_KIND_SET ? kith_set_remove(set, keys[i])
                                    : kith_namespace_delete(names, words[i]);
        *deleted += err == KITH_OK;
        if (err == KITH_ENOENT)
            err = KITH_OK;
    }
    kith_set_close(set);
    kith_namespace_close(names);
    return err;
}

/* Takes one item out of a list. */
static kith_err
delete_item(kith_space *space, const char *name, struct kith_item key, uint64_t *deleted)
{
    struct kith_list *list;
    kith_err err = kith_list_open(space, name, NULL, &list);

    if (err < 0)
        return err;
    err = key.type == KITH_TYPE_INT ? kith_list_pop(list, key.integer, NULL) : KITH_ERANGE;
    *deleted = err == KITH_OK;
    kith_list_close(list);
    return err == KITH_ERANGE || err == KITH_EEMPTY ? KITH_OK : err;
}

static int
delete_keys(const struct cli *cli, const char *name, const struct kith_item *keys, char **words,
            size_t count)
{
    struct kith_dict_options must_exist = KITH_DICT_OPTIONS_INIT;
    uint64_t deleted = 0;
    enum kith_kind kind;
    kith_space *space;
    kith_dict *dict;
    int status = cli_open(cli, KITH_MUST_EXIST, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    must_exist.create = KITH_MUST_EXIST;
    kind = cli_kind(space, name);
    if (kind == KITH_KIND_LIST && count > 1) {
        kith_close(space);
        return cli_misused(cli, "Items are taken out of a list one by one.");
    }
    if (kind == KITH_KIND_LIST) {
        err = delete_item(space, name, keys[0], &deleted);
    } else if (kind == KITH_KIND_SET || kind == KITH_KIND_NAMESPACE) {
        err = delete_others(space, kind, name, keys, words, count, &deleted);
    } else {
        err = kith_dict_open(space, name, &must_exist, &dict);
        if (err == KITH_OK) {
            err = kith_dict_delete_many(dict, keys, count, &deleted);
            kith_dict_close(dict);
        }
    }
    if (err < 0)
        status = cli_failed(err);
    else
        status = deleted == count ? CLI_DONE : CLI_NO;
    if (err == KITH_OK && cli->json)
        printf("%llu\n", (unsigned long long)deleted);
    kith_close(space);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    enum cli_reading reading = CLI_READ_PLAIN;
    const char *as = NULL;
    bool str = false;
    const struct cli_option options[] = {
        { 0, "str", CLI_FLAG, &str },
        { 0, "as", CLI_TEXT, &as },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 2, CLI_ANY_NUMBER);
    size_t count = 0;
    struct kith_item *keys;
    void **memory;

    if (status == CLI_GO_ON)
        status = cli_reading(cli, str ? "str" : as, &reading);
    if (status != CLI_GO_ON)
        return status;
    count = (size_t)argc - 1;
    keys = calloc(count, sizeof *keys);
    memory = calloc(count, sizeof *memory);
    if (keys == NULL || memory == NULL) {
        cli_say("There is no memory for %zu keys.", count);
        status = CLI_FAILED;
    }
    for (size_t i = 0; i < count && status == CLI_GO_ON; i++)
        status = cli_read_text(cli, reading, true, argv[1 + i], &keys[i], &memory[i]);
    if (status == CLI_GO_ON)
        status = delete_keys(cli, argv[0], keys, argv + 1, count);
    for (size_t i = 0; i < count && memory != NULL; i++)
        free(memory[i]);
    free(memory);
    free(keys);
    return status;
}

const struct cli_verb cli_del = {
    .name = "del",
    .arguments = "NAME KEY…",
    .summary = "delete keys",
    .help =
        "Deletes the keys from the dict NAME, all at one instant.  Exits with 1 if one of them\n"
        "was absent.  With --json it prints how many there were.  NAME may also be a set, a\n"
        "namespace, or a list, of which it takes one item out by its index.\n"
        "\n"
        "options\n"
        "  --str                 each KEY is a str, as it stands\n"
        "  --as json|bytes|str   each KEY is read so; a JSON array is a tuple\n"
        "\n"
        "example\n"
        "  kith -s hits del by-host www.debian.org\n",
    .run = run,
};
