/*
 * main.c - finds the verb, and ends with the exit status.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order in which they are listed. */
static const struct {
    const char *heading;
    const struct cli_verb *verbs[11];
} groups[] = {
    { "objects",
      { &cli_ls, &cli_stat, &cli_get, &cli_set, &cli_add, &cli_del, &cli_keys, &cli_push, &cli_pop,
        &cli_wait } },
    { "for scripts",
      { &cli_lock, &cli_sem, &cli_once, &cli_limit, &cli_barrier, &cli_event, &cli_memo } },
    { "seeing", { &cli_locks, &cli_doctor } },
    { "keeping", { &cli_check, &cli_gc, &cli_repair, &cli_dump, &cli_load, &cli_rm, &cli_mv } },
    { "trying", { &cli_demo, &cli_torture } },
};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

static void
print_help(FILE *out)
{
    fputs("usage: kith [-s SPACE] [--json] VERB …\n\n"
          "Looks at, changes and checks objects that processes share.\n",
          out);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        fprintf(out, "\n%s\n", groups[i].heading);
        for (const struct cli_verb *const *verb = groups[i].verbs; *verb != NULL; verb++)
            fprintf(out, "  %-8s %s\n", (*verb)->name, (*verb)->summary);
    }
    fputs("\noptions of every verb\n"
          "  -s, --space SPACE  the space: a name, or any address, as file:///path/to/it;\n"
          "                     without it KITH_URL in the environment names the space\n"
          "  --json             print JSON, one value a line\n"
          "  --help             say more about the verb\n"
          "  --version          print the version and exit\n"
          "\n"
          "exit status\n"
          "  0 done; 1 the answer is no; 2 wrong usage; 3 unreachable or refused; 4 corrupt\n"
          "\n"
          "example\n"
          "  kith -s hits add by-host www.debian.org 1\n",
          out);
}

void
cli_each_verb(void (*each)(const char *arg, const char *name, const char *summary), const char *arg)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        for (const struct cli_verb *const *verb = groups[i].verbs; *verb != NULL; verb++)
            each(arg, (*verb)->name, (*verb)->summary);
}

const struct cli_verb *
cli_find_verb(const char *name)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        for (const struct cli_verb *const *verb = groups[i].verbs; *verb != NULL; verb++)
            if (strcmp((*verb)->name, name) == 0)
                return *verb;
    return NULL;
}

/* Text that never reached its reader is a failure, even if all else went well. */
static int
finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_say("Standard output cannot be written: %s.", strerror(errno));
    return status == CLI_DONE || status == CLI_NO ? CLI_FAILED : status;
}

/*
 * The options before the verb.  Returns the index of the verb, or 0 with the status to exit with in
 * *status.
 */
static int
options_before_verb(struct cli *cli, int argc, char **argv, int *status)
{
    int at = 1;

    *status = CLI_DONE;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *word = argv[at];

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(stdout);
            return 0;
        }
        if (strcmp(word, "--version") == 0) {
            printf("kith %s\n", kith_version());
            return 0;
        }
        if (strcmp(word, "--json") == 0) {
            cli->json = true;
        } else if (strncmp(word, "--space=", 8) == 0) {
            cli->address = word + 8;
            cli->address_given = true;
        } else if (strncmp(word, "-s", 2) == 0 && word[2] != '\0') {
            cli->address = word + 2;
            cli->address_given = true;
        } else if ((strcmp(word, "-s") == 0 || strcmp(word, "--space") == 0) && at + 1 < argc) {
            cli->address = argv[++at];
            cli->address_given = true;
        } else {
            *status = strcmp(word, "-s") == 0 || strcmp(word, "--space") == 0
                          ? cli_misused(cli, "The option %s needs a space.", word)
                          : cli_misused(cli, "There is no option %s.", word);
            return 0;
        }
    }
    if (at < argc)
        return at;
    print_help(stderr);
    *status = CLI_USAGE;
    return 0;
}

/*
 * A closed standard descriptor would be the next file that is opened, as that of a space, and what
 * is printed would be written into it.  What takes its place fails as a closed one does, and is
 * closed again in a command that is run.
 */
static void
keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

int
main(int argc, char **argv)
{
    struct cli cli = { .address = getenv("KITH_URL") };
    int status;
    int at;

    keep_standard_descriptors();
    if (cli.address != NULL && cli.address[0] == '\0')
        cli.address = NULL;
    if (argc > 1 && strcmp(argv[1], "--complete") == 0)
        return finish(cli_complete(&cli, argc - 2, argv + 2));
    at = options_before_verb(&cli, argc, argv, &status);
    if (at == 0)
        return finish(status);
    cli.verb = cli_find_verb(argv[at]);
    if (cli.verb == NULL)
        return finish(cli_misused(&cli, "There is no verb \"%s\".", argv[at]));
    return finish(cli.verb->run(&cli, argc - at - 1, argv + at + 1));
}
