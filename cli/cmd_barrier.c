/*
 * cmd_barrier.c - waits until so many have arrived.
 *
 * Who arrives and does not wait to the end, be it killed, interrupted or out of time, breaks the
 * barrier: the others are told at once, and so are all who come until it is reset.
 */
#include "facts.h"

#include <errno.h>
#include <stdlib.h>

struct wish {
    bool reset, abort, index;
    int64_t timeout_ns;
    uint64_t parties;
};

static bool
read_parties(const char *text, uint64_t *parties_out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *parties_out = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* Another number than the others' would have everybody wait for ever. */
static int
compare_parties(const char *name, kith_barrier *barrier, uint64_t wanted)
{
    uint32_t parties;
    kith_err err = kith_barrier_parties(barrier, &parties);

    if (err < 0)
        return cli_failed(err);
    if (parties == wanted)
        return CLI_GO_ON;
    cli_say("The barrier \"%s\" waits for %u to arrive, not %llu: keep to that, or remove it with "
            "kith rm.",
            name, parties, (unsigned long long)wanted);
    return CLI_FAILED;
}

static int
arrive(const struct cli *cli, kith_space *space, const char *name, const struct wish *wish)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    struct cli_facts facts = { .json = true, .name = name };
    kith_barrier *barrier;
    uint32_t index;
    kith_err err;
    int status;

    options.parties = (uint32_t)wish->parties;
    err = kith_barrier_open(space, name, &options, &barrier);
    if (err < 0)
        return cli_failed(err);
    status = compare_parties(name, barrier, wish->parties);
    if (status == CLI_GO_ON) {
        cli_catch_interrupts();
        err = kith_barrier_wait(barrier, wish->timeout_ns, &index);
        status = err < 0 ? cli_failed(err) : CLI_DONE;
    }
    kith_barrier_close(barrier);
    if (status == CLI_DONE && cli->json) {
        cli_fact_number(&facts, "index", index);
        cli_facts_end(&facts);
    } else if (status == CLI_DONE && wish->index) {
        printf("%u\n", index);
    }
    return status;
}

static int
change(kith_space *space, const char *name, const struct wish *wish)
{
    kith_barrier *barrier;
    kith_err err = kith_barrier_open(space, name, NULL, &barrier);

    if (err < 0)
        return cli_failed(err);
    err = wish->reset ? kith_barrier_reset(barrier) : kith_barrier_abort(barrier);
    kith_barrier_close(barrier);
    return err < 0 ? cli_failed(err) : CLI_DONE;
}

static int
check_words(const struct cli *cli, int argc, char **argv, struct wish *wish)
{
    bool changes = wish->reset || wish->abort;

    if (wish->reset && wish->abort)
        return cli_misused(cli, "--reset and --abort exclude each other.");
    if (changes && (argc == 2 || wish->index || wish->timeout_ns != KITH_FOREVER))
        return cli_misused(cli, "Who resets or aborts a barrier does not wait at it.");
    if (argc == 1 && !changes && (wish->index || wish->timeout_ns != KITH_FOREVER))
        return cli_misused(cli, "Too few words were given; to wait takes the number of parties.");
    if (argc == 2 && (!read_parties(argv[1], &wish->parties) || wish->parties < 1 ||
                      wish->parties > KITH_BARRIER_PARTIES_MAX))
        return cli_misused(cli, "\"%s\" is no number of parties: from 1 to %d are possible.",
                           argv[1], KITH_BARRIER_PARTIES_MAX);
    return CLI_GO_ON;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct wish wish = { .timeout_ns = KITH_FOREVER };
    const struct cli_option options[] = {
        { 'w', "wait", CLI_SECONDS, &wish.timeout_ns },
        { 'i', "index", CLI_FLAG, &wish.index },
        { 0, "reset", CLI_FLAG, &wish.reset },
        { 0, "abort", CLI_FLAG, &wish.abort },
        { 0, NULL, CLI_FLAG, NULL },
    };
    kith_space *space;
    int status = cli_options(cli, options, &argc, argv, 1, 2);
    bool arrives = argc == 2;

    if (status == CLI_GO_ON)
        status = check_words(cli, argc, argv, &wish);
    if (status != CLI_GO_ON)
        return status;
    if (!arrives && !wish.reset && !wish.abort)
        return cli_show(cli, KITH_KIND_BARRIER, argv[0]);
    status = cli_open(cli, arrives ? KITH_CREATE_OR_OPEN : KITH_MUST_EXIST, &space);
    if (status != CLI_GO_ON)
        return status;
    status = arrives ? arrive(cli, space, argv[0], &wish) : change(space, argv[0], &wish);
    kith_close(space);
    return status;
}

const struct cli_verb cli_barrier = {
    .name = "barrier",
    .arguments = "BARRIER [N]",
    .summary = "wait until so many have arrived",
    .help =
        "Waits at BARRIER, which is made if there is none, until N have arrived, this one\n"
        "included.  Then all go on, and it is as new.  One that was made for another number is\n"
        "refused.  Without N it tells for how many it is, how many wait, and whether it is\n"
        "broken.\n"
        "\n"
        "If one of those who wait is killed, is interrupted or runs out of time, the barrier is\n"
        "broken: all who wait, and all who come, exit with 1 after a sentence that says by what,\n"
        "and names the process that died, until it is reset.\n"
        "\n"
        "options\n"
        "  -w, --wait SECONDS    wait no longer, and break it then\n"
        "  -i, --index           print as which this one arrived: the first is 0\n"
        "  --reset               make it as new; who waits is told that it was broken\n"
        "  --abort               break it\n"
        "\n"
        "example\n"
        "  ./load-half.sh && kith -s job barrier loaded 2 -w 600 && ./join.sh\n"
        "  kith -s job barrier loaded --reset\n",
    .run = run,
};
