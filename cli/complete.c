/*
 * complete.c - what a word of a command line may become, for the shells' completion.
 *
 * `kith --complete WORD…` prints what the last WORD may become after those before it, one a line,
 * with a TAB and a few words about it where there are any.  The options come from the verbs
 * themselves: a verb that is run to be completed prints them where it would take them.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
offer(const char *prefix, const char *word, const char *about)
{
    if (strncmp(word, prefix, strlen(prefix)) != 0 || strpbrk(word, "\t\n") != NULL)
        return; /* a name may have a newline, and a candidate is a line */
    if (about == NULL)
        printf("%s\n", word);
    else
        printf("%s\t%s\n", word, about);
}

/* ---- options ---- */

static bool
takes_value(const struct cli_option *option)
{
    return option->kind != CLI_FLAG;
}

void
cli_complete_options(const struct cli *cli, const struct cli_option *const *lists)
{
    for (size_t i = 0; lists[i] != NULL; i++)
        for (const struct cli_option *option = lists[i]; option->name != NULL; option++) {
            char word[64];

            if (option->letter != 0) {
                (void)snprintf(word, sizeof word, "-%c", option->letter);
                offer(cli->completing, word, takes_value(option) ? "takes a value" : NULL);
            }
            (void)snprintf(word, sizeof word, "--%s", option->name);
            offer(cli->completing, word, takes_value(option) ? "takes a value" : NULL);
        }
}

static void
offer_common_options(const char *prefix)
{
    offer(prefix, "-s", "takes a value");
    offer(prefix, "--space", "takes a value");
    offer(prefix, "--json", NULL);
    offer(prefix, "-h", NULL);
    offer(prefix, "--help", NULL);
    offer(prefix, "--version", NULL);
}

/* ---- names ---- */

static int
offer_space(const struct kith_space_info *info, void *arg)
{
    offer(arg, info->name, NULL);
    return 0;
}

struct objects {
    const char *prefix;
    enum kith_kind kind; /* KITH_KIND_NONE: any */
};

static int
offer_object(const struct kith_info *info, void *arg)
{
    const struct objects *objects = arg;

    if (objects->kind == KITH_KIND_NONE || objects->kind == info->kind)
        offer(objects->prefix, info->name, kith_kind_name(info->kind));
    return 0;
}

/* The verb's word `index`, as it stands in its usage line: "DICT KEY" and the like.  False: none.
 */
static bool
usage_word(const struct cli_verb *verb, int index, char *word, size_t size_max)
{
    const char *at = verb->arguments;
    size_t size;

    while (index > 0 && *at != '\0' && strstr(at, "…") != at + strcspn(at, " …[]"))
        if (*at++ == ' ')
            index--;
    at += strspn(at, "[");
    size = strcspn(at, " []…\xe2");
    if (size == 0 || size >= size_max)
        return false;
    memcpy(word, at, size);
    word[size] = '\0';
    return true;
}

/* Of which kind the objects are that such a word names. */
static bool
kind_of_word(const char *word, enum kith_kind *kind)
{
    static const char *const words[] = { "DICT",  "QUEUE",   "LOCK",    "EVENT", "VALUE",
                                         "ARRAY", "LIST",    "SET",     "NAME",  "SEMAPHORE",
                                         "ONCE",  "LIMITER", "BARRIER", NULL };

    for (size_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0) {
            *kind = KITH_KIND_NONE;
            for (int k = 1; k < 64; k++)
                if (strcasecmp(kith_kind_name((enum kith_kind)k), word) == 0)
                    *kind = (enum kith_kind)k;
            return true;
        }
    return false;
}

/* "set|clear": each of these. */
static void
offer_each(const char *prefix, char *words)
{
    char *rest = NULL;

    for (char *word = strtok_r(words, "|", &rest); word != NULL; word = strtok_r(NULL, "|", &rest))
        offer(prefix, word, NULL);
}

static void
offer_objects(const struct cli *cli, const char *prefix, enum kith_kind kind)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct objects objects = { prefix, kind };
    kith_space *space;

    options.create = KITH_MUST_EXIST;
    options.readonly = true;
    if (cli->address == NULL || kith_open(cli->address, &options, &space) < 0)
        return;
    (void)kith_list(space, offer_object, &objects);
    kith_close(space);
}

static void
offer_operand(const struct cli *cli, const char *prefix, int index)
{
    char word[32];
    enum kith_kind kind;

    if (!usage_word(cli->verb, index, word, sizeof word))
        return;
    if (strchr(word, '|') != NULL && word[0] >= 'a' && word[0] <= 'z')
        offer_each(prefix, word);
    else if (kind_of_word(word, &kind))
        offer_objects(cli, prefix, kind);
}

/* ---- the words ---- */

/* What stands before the word that is completed. */
struct before {
    const struct cli_verb *verb;
    int operands; /* after the verb */
    bool wants;   /* the word is the value of an option */
    bool space;   /* and that is a space */
    bool command; /* it belongs to the command under "--" */
};

static bool
is_space_option(const char *word)
{
    return strcmp(word, "-s") == 0 || strcmp(word, "--space") == 0;
}

/* Whether an option of the verb takes its value from the next word: asked of the verb itself. */
static bool
wants_value(const struct cli *cli, const char *word)
{
    struct cli asking = *cli;
    char *nothing[] = { NULL };
    char *text = NULL;
    size_t size = 0;
    FILE *before = stdout;
    bool wants;

    if (strchr(word, '=') != NULL || asking.verb == NULL)
        return false;
    stdout = open_memstream(&text, &size);
    if (stdout == NULL) {
        stdout = before;
        return false;
    }
    asking.completing = word;
    (void)asking.verb->run(&asking, 0, nothing);
    fclose(stdout);
    stdout = before;
    wants = strncmp(text, word, strlen(word)) == 0 && text[strlen(word)] == '\t';
    free(text);
    return wants;
}

static void
take_word(struct cli *cli, struct before *before, char *word)
{
    if (before->command)
        return;
    if (before->wants) {
        if (before->space)
            cli->address = word;
        before->wants = before->space = false;
    } else if (strcmp(word, "--") == 0) {
        before->command = before->verb != NULL;
    } else if (strncmp(word, "--space=", 8) == 0) {
        cli->address = word + 8;
    } else if (strncmp(word, "-s", 2) == 0 && word[2] != '\0') {
        cli->address = word + 2;
    } else if (is_space_option(word)) {
        before->wants = before->space = true;
    } else if (word[0] == '-' && word[1] != '\0') {
        before->wants = wants_value(cli, word);
    } else if (before->verb == NULL) {
        before->verb = cli_find_verb(word);
        cli->verb = before->verb;
    } else {
        before->operands++;
    }
}

int
cli_complete(struct cli *cli, int argc, char **argv)
{
    struct before before = { .verb = NULL };
    const char *word = argc == 0 ? "" : argv[argc - 1];
    char *nothing[] = { NULL };

    for (int i = 0; i + 1 < argc; i++)
        take_word(cli, &before, argv[i]);
    if (before.command)
        return CLI_DONE;
    if (before.wants) {
        if (before.space)
            (void)kith_spaces(offer_space, (void *)(uintptr_t)word);
    } else if (before.verb == NULL && word[0] == '-') {
        offer_common_options(word);
    } else if (before.verb == NULL) {
        cli_each_verb(offer, word);
    } else if (word[0] == '-') {
        cli->completing = word;
        (void)before.verb->run(cli, 0, nothing);
    } else {
        offer_operand(cli, word, before.operands);
    }
    return CLI_DONE;
}
