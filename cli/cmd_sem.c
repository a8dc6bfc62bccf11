/*
 * cmd_sem.c - runs a command while it has one of so many permits.
 *
 * A semaphore made here is bounded: nobody can add permits to it by mistake.  The permit is this
 * process's.  The command does not inherit it, nor what it leaves running in the background; should
 * this process be killed, the permit comes back and the command is ended.
 */
#include "facts.h"
#include "hold.h"

/* Whether it has as many permits as are wanted; 0: any number will do. */
static int
compare_permits(const char *name, kith_semaphore *semaphore, uint64_t wanted)
{
    struct kith_semaphore_info info = KITH_SEMAPHORE_INFO_INIT;
    kith_err err = wanted == 0 ? KITH_OK : kith_semaphore_info(semaphore, &info);

    if (err < 0)
        return cli_failed(err);
    if (wanted == 0 || info.initial == wanted)
        return CLI_GO_ON;
    cli_say("The semaphore \"%s\" lets %u run at once, not %llu: leave out -j, or remove it with "
            "kith rm.",
            name, info.initial, (unsigned long long)wanted);
    return CLI_FAILED;
}

static int
run_holding(kith_space *space, const char *name, uint64_t permits, const struct cli_hold *hold)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_semaphore *semaphore;
    kith_err err;
    int status;

    options.bounded = true;
    if (permits != 0)
        options.value = (uint32_t)permits;
    err = kith_semaphore_open(space, name, &options, &semaphore);
    if (err < 0)
        return cli_failed(err);
    status = compare_permits(name, semaphore, permits);
    if (status == CLI_GO_ON)
        status = cli_hold_outcome(hold, name, kith_semaphore_acquire(semaphore, hold->timeout_ns));
    if (status == CLI_GO_ON) {
        status = cli_run_command(hold->command);
        (void)kith_semaphore_release(semaphore); /* it may have been removed */
    }
    kith_semaphore_close(semaphore);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct cli_hold hold = CLI_HOLD_INIT("A permit of the semaphore");
    uint64_t permits = 0;
    const struct cli_option options[] = {
        { 'j', "jobs", CLI_COUNT, &permits },
        CLI_HOLD_OPTIONS(hold),
        { 0, NULL, CLI_FLAG, NULL },
    };
    kith_space *space;
    int status = cli_hold_options(cli, &hold, options, &argc, argv, 1, 1);

    if (status != CLI_GO_ON)
        return status;
    if (permits > KITH_SEMAPHORE_VALUE_MAX)
        return cli_misused(cli, "A semaphore has %d permits at most, not %llu.",
                           KITH_SEMAPHORE_VALUE_MAX, (unsigned long long)permits);
    if (permits == 0 && cli_hold_bare(&hold))
        return cli_show(cli, KITH_KIND_SEMAPHORE, argv[0]);
    if (hold.command == NULL)
        return cli_hold_nothing(cli);
    status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    status = run_holding(space, argv[0], permits, &hold);
    kith_close(space);
    return status;
}

const struct cli_verb cli_sem = {
    .name = "sem",
    .arguments = "SEMAPHORE [-j N] [-- COMMAND…]",
    .summary = "run a command while no more than so many run",
    .help =
        "Takes a permit of SEMAPHORE, waiting for one if none is to be had, runs the command, and\n"
        "gives the permit back when the command ends.  Its exit status is the command's own; 126\n"
        "if the command cannot be run, 127 if there is none, 128 and the number of the signal\n"
        "that ended it; 1 if no permit was to be had.  Without a command it tells how many\n"
        "permits there are, and how many are free.\n"
        "\n"
        "The permit is not inherited: what the command leaves running does not keep it.  If kith\n"
        "is killed the permit is back at once, and the command is ended.\n"
        "\n"
        "options\n"
        "  -j, --jobs N          as many permits there are.  The semaphore is made with them if\n"
        "                        there is none, or with 1 without this option; one that was\n"
        "                        made with another number is refused\n" CLI_HOLD_HELP "\n"
        "example\n"
        "  for file in *.wav; do kith -s jobs sem encoders -j 4 -- flac \"$file\" & done; wait\n"
        "  kith -s jobs sem encoders --json\n",
    .run = run,
};
