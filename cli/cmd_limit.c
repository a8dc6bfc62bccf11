/*
 * cmd_limit.c - runs a command, no more often than at a rate that all who ask share.
 *
 * Nothing is held while the command runs, so it takes the place of this process.
 */
#include "facts.h"
#include "hold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the command line says. */
struct wish {
    double rate; /* tokens a second */
    uint64_t burst, tokens;
};

/* "10/s", "2.5/m": digits, maybe a point and digits, and one of four units; nothing else. */
static bool
read_rate(const char *text, double *rate_out)
{
    static const struct {
        char letter;
        double seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    size_t whole = strspn(text, "0123456789");
    const char *at = text + whole;

    if (whole == 0)
        return false;
    if (*at == '.') {
        size_t part = strspn(at + 1, "0123456789");

        if (part == 0)
            return false;
        at += 1 + part;
    }
    if (at[0] != '/' || at[1] == '\0' || at[2] != '\0')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].letter == at[1]) {
            *rate_out = strtod(text, NULL) / units[i].seconds;
            return true;
        }
    return false;
}

/* The rate and the burst, which the limiter may have been made with by another. */
static int
compare(const char *name, kith_limiter *limiter, const struct wish *wish)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    kith_err err = kith_limiter_state(limiter, &state);

    if (err < 0)
        return cli_failed(err);
    if (fabs(state.rate - wish->rate) <= wish->rate * 1e-9 &&
        (wish->burst == 0 || state.burst == wish->burst))
        return CLI_GO_ON;
    cli_say("The limiter \"%s\" was made with a rate of %.10g/s and a burst of %u: keep to these, "
            "or remove it with kith rm.",
            name, state.rate, state.burst);
    return CLI_FAILED;
}

static int
take_tokens(kith_space *space, const char *name, const struct wish *wish,
            const struct cli_hold *hold)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    kith_limiter *limiter;
    kith_err err;
    int status;

    options.rate = wish->rate;
    if (wish->burst != 0)
        options.burst = (uint32_t)wish->burst;
    err = kith_limiter_open(space, name, &options, &limiter);
    if (err < 0)
        return cli_failed(err);
    status = compare(name, limiter, wish);
    if (status == CLI_GO_ON)
        status = cli_hold_outcome(
            hold, name, kith_limiter_wait(limiter, (uint32_t)wish->tokens, hold->timeout_ns));
    kith_limiter_close(limiter);
    return status;
}

/* Of what the command line says, what no limiter can be or give. */
static int
refuse(const struct cli *cli, const char *text, const struct wish *wish)
{
    if (!(wish->rate >= KITH_LIMITER_RATE_MIN && wish->rate <= KITH_LIMITER_RATE_MAX))
        return cli_misused(cli, "The rate \"%s\" is out of range: %g/s to %g/s are possible.", text,
                           KITH_LIMITER_RATE_MIN, KITH_LIMITER_RATE_MAX);
    if (wish->burst > KITH_LIMITER_BURST_MAX)
        return cli_misused(cli, "A burst is %d at most, not %llu.", KITH_LIMITER_BURST_MAX,
                           (unsigned long long)wish->burst);
    if (wish->tokens > (wish->burst != 0 ? wish->burst : KITH_LIMITER_BURST_MAX))
        return cli_misused(cli, "No more tokens than the burst can be taken at once, not %llu.",
                           (unsigned long long)wish->tokens);
    return CLI_GO_ON;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct cli_hold hold = CLI_HOLD_INIT("What was asked of the limiter");
    struct wish wish = { 0, 0, 0 };
    const struct cli_option options[] = {
        { 'b', "burst", CLI_COUNT, &wish.burst },
        { 't', "tokens", CLI_COUNT, &wish.tokens },
        CLI_HOLD_OPTIONS(hold),
        { 0, NULL, CLI_FLAG, NULL },
    };
    kith_space *space;
    int status = cli_hold_options(cli, &hold, options, &argc, argv, 1, 2);

    if (status != CLI_GO_ON)
        return status;
    if (argc == 1 && wish.burst == 0 && wish.tokens == 0 && cli_hold_bare(&hold))
        return cli_show(cli, KITH_KIND_LIMITER, argv[0]);
    if (argc == 1)
        return cli_misused(cli, "Too few words were given; it takes a rate and a limiter.");
    if (!read_rate(argv[0], &wish.rate))
        return cli_misused(cli, "\"%s\" is no rate: give one as 10/s, 100/m, 0.5/h or 7/d.",
                           argv[0]);
    status = refuse(cli, argv[0], &wish);
    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    if (wish.tokens == 0)
        wish.tokens = 1;
    status = take_tokens(space, argv[1], &wish, &hold);
    kith_close(space);
    if (status != CLI_GO_ON)
        return status;
    return hold.command == NULL ? CLI_DONE : cli_become_command(hold.command);
}

const struct cli_verb cli_limit = {
    .name = "limit",
    .arguments = "RATE LIMITER [OPTION…] [-- COMMAND…]",
    .summary = "run a command, no more often than at a rate",
    .help =
        "Takes a token of LIMITER, waiting for one if none is there, and runs the command, which\n"
        "takes the place of kith; without a command it exits with 0 then.  Tokens come at RATE:\n"
        "10/s, 100/m, 0.5/h, 7/d.  The limiter is made if there is none; one that was made with\n"
        "another rate is refused.  126 if the command cannot be run, 127 if there is none; 1 if\n"
        "no token comes in time, which is told at once.\n"
        "\n"
        "With LIMITER alone it tells the rate a second, the burst, how many tokens are available\n"
        "and in how many seconds the next comes.\n"
        "\n"
        "options\n"
        "  -b, --burst N         so many tokens gather while nobody takes any; 1 without this\n"
        "                        option, if the limiter is made\n"
        "  -t, --tokens N        take so many, for a command that counts for more\n" CLI_HOLD_HELP
        "\n"
        "example\n"
        "  kith -s net limit 10/s debian.org --burst 20 -- curl -sO https://www.debian.org/\n"
        "  kith -s net limit debian.org\n",
    .run = run,
};
