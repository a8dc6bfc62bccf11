/*
 * cmd_repair.c - makes a space that breaks invariants anew, from what can be read of it.
 */
#include "cli.h"

#include <stdlib.h>

struct losses {
    FILE *out;
    bool json;
    uint64_t printed;
};

static int
print_loss(const char *sentence, void *arg)
{
    struct losses *losses = arg;

    if (losses->json) {
        fputs(losses->printed == 0 ? "" : ", ", losses->out);
        cli_print_json_string(losses->out, sentence);
    } else {
        fprintf(losses->out, "%s\n", sentence);
    }
    losses->printed++;
    return 0;
}

static void
print_report(bool json, const struct kith_report *report, const char *losses)
{
    if (json)
        printf("{\"violations\": %llu, \"objects\": %llu, \"removed\": %llu, \"lost\": [%s]}\n",
               (unsigned long long)report->violations, (unsigned long long)report->objects,
               (unsigned long long)report->removed, losses);
    else if (report->violations == 0)
        printf("violations: 0, nothing to repair\n");
    else
        printf("violations: %llu, objects kept: %llu, objects lost: %llu\n",
               (unsigned long long)report->violations, (unsigned long long)report->objects,
               (unsigned long long)report->removed);
}

static int
repair(const struct cli *cli, kith_space *space)
{
    struct losses losses = { .out = stdout, .json = cli->json };
    struct kith_report report = { .violations = 0 };
    char *aside = NULL;
    size_t size = 0;
    kith_err err;

    if (cli->json)
        losses.out = open_memstream(&aside, &size);
    if (losses.out == NULL) {
        cli_say("There is no memory for a report.");
        return CLI_FAILED;
    }
    err = kith_repair_each(space, print_loss, &losses, &report);
    if (cli->json)
        fclose(losses.out);
    if (err == KITH_OK)
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
    status = repair(cli, space);
    kith_close(space);
    return status;
}

const struct cli_verb cli_repair = {
    .name = "repair",
    .arguments = "",
    .summary = "make a broken space anew from what can be read",
    .help = "Checks the space, and if it breaks invariants copies all that can still be read into\n"
            "a new one, which then takes its place in one step; prints what was lost, a sentence\n"
            "each.  A whole space is left as it is.  Nobody else may have the space open.\n"
            "\n"
            "example\n"
            "  kith -s hits repair\n",
    .run = run,
};
