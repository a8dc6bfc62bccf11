/*
 * options.c - options, sentences, exit statuses, and what a verb does first: open its space.
 */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

/* ---- sentences ---- */

/* A sentence is one line, whatever words of others are in it. */
static void
print_sentence(const char *format, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, format, arguments) < 0) {
        fputs("There is no memory for a sentence.", stderr);
        return;
    }
    cli_print_visible(stderr, text);
    free(text);
}

void
cli_say(const char *format, ...)
{
    va_list arguments;

    fputs("kith: ", stderr);
    va_start(arguments, format);
    print_sentence(format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int
cli_misused(const struct cli *cli, const char *format, ...)
{
    const char *name = cli->verb == NULL ? "" : cli->verb->name;
    const char *space = cli->verb == NULL ? "" : " ";
    va_list arguments;

    fprintf(stderr, "kith%s%s: ", space, name);
    va_start(arguments, format);
    print_sentence(format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry: kith%s%s --help\n", space, name);
    return CLI_USAGE;
}

int
cli_status(kith_err err)
{
    switch (err) {
    case KITH_OK:
    case KITH_OWNER_DIED:
    case KITH_EVICTED:
        return CLI_DONE;
    case KITH_ENOENT:
    case KITH_EEXIST:
    case KITH_ETIMEDOUT:
    case KITH_EFULL:
    case KITH_EEMPTY:
    case KITH_ECLOSED:
    case KITH_ECONFLICT:
        return CLI_NO;
    case KITH_EINVAL:
        return CLI_USAGE;
    case KITH_ECORRUPT:
        return CLI_CORRUPT;
    case KITH_EINTERRUPTED:
        return CLI_INTERRUPTED;
    default:
        return CLI_FAILED;
    }
}

int
cli_failed(kith_err err)
{
    if (err == KITH_EINTERRUPTED)
        return CLI_INTERRUPTED; /* whoever pressed the key knows */
    cli_say("%s", kith_last_error());
    return cli_status(err);
}

/* ---- options ---- */

/* What every verb takes besides its own. */
static const char common_help[] = "  -s, --space SPACE     the space, else KITH_URL names it\n"
                                  "  --json                print JSON, one value a line\n"
                                  "  --help                print this and exit\n";

static int
print_verb_help(const struct cli_verb *verb)
{
    printf("usage: kith [-s SPACE] %s %s\n\n%s", verb->name, verb->arguments, verb->help);
    printf("\noptions of every verb\n%s", common_help);
    return CLI_DONE;
}

/* "-5" and "-.5" are numbers, and "-" alone stands for standard input. */
static bool
is_operand(const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return true;
    if (word[1] == '.')
        return word[2] >= '0' && word[2] <= '9';
    return word[1] >= '0' && word[1] <= '9';
}

static bool
read_number(const char *text, uint64_t least, uint64_t *number)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || value < least)
        return false;
    *number = value;
    return true;
}

static bool
read_integer(const char *text, int64_t *number)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;
    long long value;

    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return false;
    *number = value;
    return true;
}

static bool
read_seconds(const char *text, int64_t *nanoseconds)
{
    char *end;
    double seconds;

    if (strcmp(text, "forever") == 0) {
        *nanoseconds = KITH_FOREVER;
        return true;
    }
    if (text[strspn(text, "0123456789.eE+-")] != '\0' || text[0] == '+' || text[0] == '-')
        return false; /* strtod() takes more, as 0x10 and nan */
    seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(seconds) || seconds > 1e9)
        return false;
    *nanoseconds = (int64_t)(seconds * (double)SECOND_NS);
    return true;
}

/* Gives an option its value.  CLI_GO_ON or CLI_USAGE. */
static int
set_option(const struct cli *cli, const struct cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->value = true;
        return CLI_GO_ON;
    case CLI_TEXT:
        *(const char **)option->value = text;
        return CLI_GO_ON;
    case CLI_COUNT:
        if (read_number(text, 1, option->value))
            return CLI_GO_ON;
        return cli_misused(cli, "The option --%s needs a number of at least 1, not \"%s\".",
                           option->name, text);
    case CLI_NUMBER:
        if (read_number(text, 0, option->value))
            return CLI_GO_ON;
        return cli_misused(cli, "The option --%s needs a number, not \"%s\".", option->name, text);
    case CLI_INTEGER:
        if (read_integer(text, option->value))
            return CLI_GO_ON;
        return cli_misused(cli, "The option --%s needs a whole number, not \"%s\".", option->name,
                           text);
    case CLI_SECONDS:
        if (read_seconds(text, option->value))
            return CLI_GO_ON;
        return cli_misused(cli,
                           "The option --%s needs seconds, as 5 or 0.5, or forever, not \"%s\".",
                           option->name, text);
    }
    return CLI_USAGE;
}

static const struct cli_option *
find_letter(const struct cli_option *options, char letter)
{
    for (; options->name != NULL; options++)
        if (options->letter == letter)
            return options;
    return NULL;
}

static const struct cli_option *
find_name(const struct cli_option *options, const char *name, size_t size)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == size && memcmp(options->name, name, size) == 0)
            return options;
    return NULL;
}

/* Where the words of a command line are read. */
struct words {
    int argc;
    char **argv;
    int at; /* the next word */
};

/* An option's value, in the rest of its own word or in the next one. */
static int
set_from_words(const struct cli *cli, const struct cli_option *option, const char *rest,
               struct words *words)
{
    if (option->kind == CLI_FLAG || rest != NULL)
        return set_option(cli, option, rest);
    if (words->at == words->argc)
        return cli_misused(cli, "The option --%s needs a value.", option->name);
    return set_option(cli, option, words->argv[words->at++]);
}

/* "--name", "--name=value". */
static int
take_long(const struct cli *cli, const struct cli_option *const *lists, const char *word,
          struct words *words)
{
    const char *equals = strchr(word, '=');
    size_t size = equals == NULL ? strlen(word) : (size_t)(equals - word);
    const struct cli_option *option = find_name(lists[0], word, size);

    if (option == NULL)
        option = find_name(lists[1], word, size);
    if (option == NULL)
        return cli_misused(cli, "There is no option --%.*s.", (int)size, word);
    if (option->kind == CLI_FLAG && equals != NULL)
        return cli_misused(cli, "The option --%s takes no value.", option->name);
    return set_from_words(cli, option, equals == NULL ? NULL : equals + 1, words);
}

/* "-a", "-abc", "-w5", "-w 5". */
static int
take_letters(const struct cli *cli, const struct cli_option *const *lists, const char *letters,
             struct words *words)
{
    int status = CLI_GO_ON;

    while (*letters != '\0' && status == CLI_GO_ON) {
        const struct cli_option *option = find_letter(lists[0], *letters);

        if (option == NULL)
            option = find_letter(lists[1], *letters);
        if (option == NULL)
            return cli_misused(cli, "There is no option -%.*s.", (int)cli_character(letters),
                               letters);
        letters++;
        if (option->kind != CLI_FLAG && *letters != '\0')
            return set_from_words(cli, option, letters, words);
        status = set_from_words(cli, option, NULL, words);
    }
    return status;
}

int
cli_options(struct cli *cli, const struct cli_option *options, int *argc, char **argv,
            int operands_min, int operands_max)
{
    const char *space = NULL;
    bool help = false;
    const struct cli_option common[] = {
        { 's', "space", CLI_TEXT, &space },
        { 0, "json", CLI_FLAG, &cli->json },
        { 'h', "help", CLI_FLAG, &help },
        { 0, NULL, CLI_FLAG, NULL },
    };
    const struct cli_option *const lists[] = { options, common, NULL };
    struct words words = { *argc, argv, 0 };
    int operands = 0;
    bool ended = false;

    if (cli->completing != NULL) {
        cli_complete_options(cli, lists);
        return CLI_DONE;
    }
    while (words.at < words.argc) {
        char *word = argv[words.at++];
        int status = CLI_GO_ON;

        if (ended || is_operand(word))
            argv[operands++] = word;
        else if (strcmp(word, "--") == 0)
            ended = true;
        else if (word[1] == '-')
            status = take_long(cli, lists, word + 2, &words);
        else
            status = take_letters(cli, lists, word + 1, &words);
        if (status != CLI_GO_ON)
            return status;
        if (help)
            return print_verb_help(cli->verb);
    }
    if (space != NULL) {
        cli->address = space;
        cli->address_given = true;
    }
    *argc = operands;
    if (operands < operands_min)
        return cli_misused(cli, "Too few words were given; it takes %s.", cli->verb->arguments);
    if (operands > operands_max)
        return cli_misused(cli, "\"%s\" is one word too many; it takes %s.", argv[operands_max],
                           cli->verb->arguments[0] == '\0' ? "none" : cli->verb->arguments);
    return CLI_GO_ON;
}

int
cli_open(const struct cli *cli, enum kith_create create, kith_space **space_out)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_err err;

    if (cli->address == NULL)
        return cli_misused(cli, "It needs a space: give one with -s SPACE, or set KITH_URL.");
    options.create = create;
    err = kith_open(cli->address, &options, space_out);
    return err < 0 ? cli_failed(err) : CLI_GO_ON;
}

/* ---- interrupts ---- */

static volatile sig_atomic_t interrupted;

/*
 * A signal that comes just before a wait begins interrupts nothing.  So the first one starts a
 * clock that goes on interrupting, once a second, until the program ends.
 */
static void
interrupt(int signal)
{
    if (signal == SIGINT)
        interrupted = 1;
    if (interrupted)
        alarm(1);
}

static int
end_wait(void *arg)
{
    (void)arg;
    return interrupted;
}

void
cli_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = interrupt };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    kith_on_interrupt(end_wait, NULL);
}

bool
cli_interrupted(void)
{
    return interrupted != 0;
}

int64_t
cli_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}
