/*
 * cmd_stat.c - a space, or one object in it, in numbers.
 */
#include "cli.h"

#include <string.h>

/* One fact after another: "name: value" lines, or the members of one JSON object. */
struct facts {
    bool json;
    bool begun;
};

static void
name_fact(struct facts *facts, const char *name)
{
    if (facts->json)
        printf("%s\"%s\": ", facts->begun ? ", " : "{", name);
    else
        printf("%s: ", name);
    facts->begun = true;
}

static void
end_fact(const struct facts *facts)
{
    if (!facts->json)
        putchar('\n');
}

static void
number_fact(struct facts *facts, const char *name, uint64_t number)
{
    name_fact(facts, name);
    printf("%llu", (unsigned long long)number);
    end_fact(facts);
}

static void
flag_fact(struct facts *facts, const char *name, bool flag)
{
    name_fact(facts, name);
    fputs(flag ? "true" : "false", stdout);
    end_fact(facts);
}

static void
text_fact(struct facts *facts, const char *name, const char *text)
{
    name_fact(facts, name);
    if (facts->json)
        cli_print_json_string(stdout, text);
    else
        fputs(text, stdout);
    end_fact(facts);
}

static void
time_fact(struct facts *facts, const char *name, int64_t time_ns)
{
    name_fact(facts, name);
    if (facts->json)
        putchar('"');
    cli_print_time(stdout, time_ns);
    if (facts->json)
        putchar('"');
    end_fact(facts);
}

static kith_err
stat_space(struct facts *facts, const struct cli *cli, kith_space *space)
{
    struct kith_stat stat = KITH_STAT_INIT;
    kith_err err = kith_stat(space, &stat);

    if (err < 0)
        return err;
    text_fact(facts, "space", cli->address);
    text_fact(facts, "path", stat.path);
    number_fact(facts, "objects", stat.objects);
    number_fact(facts, "bytes_used", stat.bytes_used);
    number_fact(facts, "bytes_free", stat.bytes_free);
    number_fact(facts, "bytes_committed", stat.bytes_committed);
    number_fact(facts, "size_limit", stat.size_limit);
    number_fact(facts, "processes", stat.processes);
    number_fact(facts, "threads", stat.threads);
    number_fact(facts, "reaped", stat.reaped);
    return KITH_OK;
}

static kith_err
stat_dict(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_dict *dict;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, name, &options, &dict);
    if (err < 0)
        return err;
    err = kith_dict_info(dict, &info);
    kith_dict_close(dict);
    if (err < 0)
        return err;
    number_fact(facts, "shards", info.shards);
    number_fact(facts, "bytes_tables", info.bytes_tables);
    flag_fact(facts, "ordered", info.ordered);
    return KITH_OK;
}

static kith_err
stat_queue(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_queue *queue;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_queue_open(space, name, &options, &queue);
    if (err < 0)
        return err;
    err = kith_queue_info(queue, &info);
    kith_queue_close(queue);
    if (err < 0)
        return err;
    number_fact(facts, "ready", info.ready);
    number_fact(facts, "leased", info.leased);
    number_fact(facts, "capacity", info.capacity);
    number_fact(facts, "dead_lettered", info.dead_lettered);
    flag_fact(facts, "closed", info.closed);
    return KITH_OK;
}

static kith_err
stat_lock(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_owner owner;
    kith_lock *lock;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_lock_open(space, name, &options, &lock);
    if (err < 0)
        return err;
    err = kith_lock_owner(lock, &owner);
    kith_lock_close(lock);
    if (err < 0)
        return err;
    flag_fact(facts, "held", owner.held);
    if (owner.held) {
        text_fact(facts, "host", owner.host);
        number_fact(facts, "pid", (uint64_t)owner.pid);
        number_fact(facts, "thread", (uint64_t)owner.thread);
        flag_fact(facts, "alive", owner.alive);
        if (owner.since_ns != 0)
            time_fact(facts, "since", owner.since_ns);
        number_fact(facts, "depth", owner.depth);
        number_fact(facts, "sharers", owner.sharers);
    }
    number_fact(facts, "waiters", owner.waiters);
    return KITH_OK;
}

static kith_err
stat_event(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    kith_err err;
    bool set;

    options.create = KITH_MUST_EXIST;
    err = kith_event_open(space, name, &options, &event);
    if (err < 0)
        return err;
    err = kith_event_is_set(event, &set);
    kith_event_close(event);
    if (err < 0)
        return err;
    flag_fact(facts, "set", set);
    return KITH_OK;
}

static kith_err
stat_value(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    char code[2] = "";
    kith_value *value;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_value_open(space, name, &options, &value);
    if (err < 0)
        return err;
    err = kith_value_info(value, &info);
    kith_value_close(value);
    if (err < 0)
        return err;
    code[0] = info.type;
    text_fact(facts, "item_type", info.type == 0 ? "structure" : code);
    number_fact(facts, "item_size", info.size);
    flag_fact(facts, "transactional", info.transactional);
    return KITH_OK;
}

static kith_err
stat_array(struct facts *facts, kith_space *space, const char *name)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    char code[2] = "";
    kith_array *array;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_array_open(space, name, &options, &array);
    if (err < 0)
        return err;
    err = kith_array_info(array, &info);
    kith_array_close(array);
    if (err < 0)
        return err;
    code[0] = info.type;
    text_fact(facts, "item_type", info.type == 0 ? "structures" : code);
    number_fact(facts, "item_size", info.size);
    return KITH_OK;
}

/* The one object that is looked for, as the library's list has it. */
struct search {
    const char *name;
    bool found;
    struct kith_info info; /* its name is the searched one */
};

static int
match(const struct kith_info *info, void *arg)
{
    struct search *search = arg;

    if (strcmp(info->name, search->name) != 0)
        return 0;
    search->info = *info;
    search->info.name = search->name;
    search->found = true;
    return 1;
}

static kith_err
stat_object(struct facts *facts, kith_space *space, const struct kith_info *info)
{
    text_fact(facts, "name", info->name);
    text_fact(facts, "type", kith_kind_name(info->kind));
    number_fact(facts, "items", info->items);
    number_fact(facts, "bytes", info->bytes);
    time_fact(facts, "created", info->created_ns);
    switch (info->kind) {
    case KITH_KIND_DICT:
        return stat_dict(facts, space, info->name);
    case KITH_KIND_QUEUE:
        return stat_queue(facts, space, info->name);
    case KITH_KIND_LOCK:
    case KITH_KIND_RWLOCK:
        return stat_lock(facts, space, info->name);
    case KITH_KIND_EVENT:
        return stat_event(facts, space, info->name);
    case KITH_KIND_VALUE:
        return stat_value(facts, space, info->name);
    case KITH_KIND_ARRAY:
        return stat_array(facts, space, info->name);
    default:
        return KITH_OK;
    }
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    struct search search = { .found = false };
    int status = cli_options(cli, options, &argc, argv, 0, 1);
    struct facts facts = { cli->json, false };
    kith_space *space;
    kith_err err = KITH_OK;

    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    if (argc == 0) {
        err = stat_space(&facts, cli, space);
    } else {
        search.name = argv[0];
        err = kith_list(space, match, &search);
        if (err == KITH_OK && !search.found) {
            cli_say("There is no object \"%s\" in %s.", argv[0], cli->address);
            kith_close(space);
            return CLI_NO;
        }
        if (err == KITH_OK)
            err = stat_object(&facts, space, &search.info);
    }
    if (facts.json && facts.begun)
        puts("}");
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    kith_close(space);
    return status;
}

const struct cli_verb cli_stat = {
    .name = "stat",
    .arguments = "[NAME]",
    .summary = "tell what a space, or one object in it, takes and holds",
    .help = "Prints the numbers of a space: its memory, objects, and the processes that have it\n"
            "open; with NAME those of one object in it, as who holds a lock.\n"
            "\n"
            "example\n"
            "  kith -s hits stat\n"
            "  kith -s hits stat by-host --json\n",
    .run = run,
};
