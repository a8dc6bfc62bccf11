/*
 * cmd_keys.c - prints the keys of a dict, and its items if asked.
 */
#include "cli.h"

struct printing {
    bool json;
    bool items;
    uint64_t left; /* keys that may still be printed */
};

static int
print_pair(struct kith_item key, struct kith_item item, void *arg)
{
    struct printing *printing = arg;

    if (printing->left-- == 0)
        return 1;
    if (printing->json) {
        fputs("{\"key\": ", stdout);
        cli_print_json(stdout, key);
        fputs(", \"item\": ", stdout);
        cli_print_json(stdout, item);
        puts("}");
    } else {
        cli_print_item(stdout, key);
        putchar('\t');
        cli_print_item(stdout, item);
        putchar('\n');
    }
    return 0;
}

static int
print_key(struct kith_item key, void *arg)
{
    struct printing *printing = arg;

    if (printing->left-- == 0)
        return 1;
    if (printing->json)
        cli_print_json(stdout, key);
    else
        cli_print_item(stdout, key);
    putchar('\n');
    return 0;
}

/* A list's items, a set's members or a namespace's names, one a line as keys are. */
static int
print_name(const char *attribute, void *arg)
{
    return print_key(kith_str(attribute), arg);
}

static kith_err
print_others(kith_space *space, enum kith_kind kind, const char *name, struct printing *printing)
{
    struct kith_list *list = NULL;
    kith_namespace *names = NULL;
    kith_set *set = NULL;
    kith_err err;

    if (kind == KITH_KIND_LIST) {
        err = kith_list_open(space, name, NULL, &list);
        if (err == KITH_OK)
            err = kith_list_each(list, print_key, printing);
        kith_list_close(list);
    } else if (kind == KITH_KIND_SET) {
        err = kith_set_open(space, name, NULL, &set);
        if (err == KITH_OK)
            err = kith_set_each(set, print_key, printing);
        kith_set_close(set);
    } else {
        err = kith_namespace_open(space, name, NULL, &names);
        if (err == KITH_OK)
            err = kith_namespace_names(names, print_name, printing);
        kith_namespace_close(names);
    }
    return err;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct kith_dict_options must_exist = KITH_DICT_OPTIONS_INIT;
    struct printing printing = { .left = UINT64_MAX };
    const struct cli_option options[] = {
        { 0, "items", CLI_FLAG, &printing.items },
        { 'n', "number", CLI_COUNT, &printing.left },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 1, 1);
    enum kith_kind kind;
    kith_space *space;
    kith_dict *dict;
    kith_err err;

    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    printing.json = cli->json;
    must_exist.create = KITH_MUST_EXIST;
    kind = cli_kind(space, argv[0]);
    if (kind == KITH_KIND_LIST || kind == KITH_KIND_SET || kind == KITH_KIND_NAMESPACE) {
        err = print_others(space, kind, argv[0], &printing);
        kith_close(space);
        return err < 0 ? cli_failed(err) : CLI_DONE;
    }
    err = kith_dict_open(space, argv[0], &must_exist, &dict);
    if (err == KITH_OK) {
        err = printing.items ? kith_dict_each(dict, print_pair, &printing)
                             : kith_dict_keys(dict, print_key, &printing);
        kith_dict_close(dict);
    }
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

const struct cli_verb cli_keys = {
    .name = "keys",
    .arguments = "DICT",
    .summary = "print the keys of a dict, one a line",
    .help = "Prints the keys of DICT as they are at one instant, one a line; of a list its items,\n"
            "of a set its members, of a namespace its names.\n"
            "\n"
            "options\n"
            "  --items            a tab and the item behind each key; with --json one object\n"
            "                     {\"key\", \"item\"} a line\n"
            "  -n, --number N     at most N keys\n"
            "\n"
            "example\n"
            "  kith -s hits keys by-host --items | sort -t \"$(printf '\\t')\" -k 2nr\n",
    .run = run,
};
