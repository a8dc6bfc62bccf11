/*
 * cmd_check.c - verifies every invariant of a space.
 */
#include "cli.h"

#include <stdlib.h>

/* Where the sentences go: to the output, or, as members of a JSON array, aside for the end. */
struct violations {
    FILE *out;
    bool json;
    uint64_t printed;
};

static int
print_violation(const char *sentence, void *arg)
{
    struct violations *violations = arg;

    if (violations->json) {
        fputs(violations->printed == 0 ? "" : ", ", violations->out);
        cli_print_json_string(violations->out, sentence);
    } else {
        fprintf(violations->out, "%s\n", sentence);
    }
    violations->printed++;
    return 0;
}

static void
print_report(bool json, const struct kith_report *report, const char *violations)
{
    if (json)
        printf("{\"blocks\": %llu, \"objects\": %llu, \"unreached\": %llu, \"violations\": [%s]}\n",
               (unsigned long long)report->blocks, (unsigned long long)report->objects,
               (unsigned long long)report->unreached, violations);
    else {
        if (report->unreached > 0)
            printf("%llu objects that nothing leads to; kith gc ends them\n",
                   (unsigned long long)report->unreached);
        printf("%llu objects, %llu blocks, violations: %llu\n", (unsigned long long)report->objects,
               (unsigned long long)report->blocks, (unsigned long long)report->violations);
    }
}

static int
check(const struct cli *cli, kith_space *space)
{
    struct violations violations = { .out = stdout, .json = cli->json };
    struct kith_report report = { .violations = 0 };
    char *aside = NULL;
    size_t size = 0;
    kith_err err;

    if (cli->json)
        violations.out = open_memstream(&aside, &size);
    if (violations.out == NULL) {
        cli_say("There is no memory for a report.");
        return CLI_FAILED;
    }
    err = kith_check_each(space, print_violation, &violations, &report);
    if (cli->json)
        fclose(violations.out);
    if (err == KITH_OK || err == KITH_ECORRUPT)
        print_report(cli->json, &report, aside == NULL ? "" : aside);
    free(aside);
    return err < 0 ? cli_failed(err) : CLI_DONE;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    kith_space *space;

    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    status = check(cli, space);
    kith_close(space);
    return status;
}

const struct cli_verb cli_check = {
    .name = "check",
    .arguments = "",
    .summary = "verify every invariant of a space",
    .help = "Verifies the whole space while others go on using it, and prints each violation as a\n"
            "sentence.  Exits with 4 if there is one.\n"
            "\n"
            "example\n"
            "  kith -s hits check\n",
    .run = run,
};
