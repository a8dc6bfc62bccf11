/*
 * cmd_del.c - deletes keys of a dict.
 */
#include "cli.h"

#include <stdlib.h>

static int
delete_keys(const struct cli *cli, const char *name, const struct kith_item *keys, size_t count)
{
    struct kith_dict_options must_exist = KITH_DICT_OPTIONS_INIT;
    uint64_t deleted = 0;
    kith_space *space;
    kith_dict *dict;
    int status = cli_open(cli, KITH_MUST_EXIST, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    must_exist.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, name, &must_exist, &dict);
    if (err == KITH_OK) {
        err = kith_dict_delete_many(dict, keys, count, &deleted);
        kith_dict_close(dict);
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
        status = delete_keys(cli, argv[0], keys, count);
    for (size_t i = 0; i < count && memory != NULL; i++)
        free(memory[i]);
    free(memory);
    free(keys);
    return status;
}

const struct cli_verb cli_del = {
    .name = "del",
    .arguments = "DICT KEY…",
    .summary = "delete keys",
    .help = "Deletes the keys from DICT, all at one instant.  Exits with 1 if one of them was\n"
            "absent.  With --json it prints how many there were.\n"
            "\n"
            "options\n"
            "  --str                 each KEY is a str, as it stands\n"
            "  --as json|bytes|str   each KEY is read so; a JSON array is a tuple\n"
            "\n"
            "example\n"
            "  kith -s hits del by-host www.debian.org\n",
    .run = run,
};
