/*
 * cmd_event.c - sets an event, clears it, waits for it, or looks at it.
 */
#include "facts.h"

#include <string.h>

enum act { SET, CLEAR, WAIT, TEST, NO_ACT };

static enum act
read_act(const char *word)
{
    static const char *const words[] = { "set", "clear", "wait", "test" };
    int act = 0;

    while (act < NO_ACT && strcmp(words[act], word) != 0)
        act++;
    return (enum act)act;
}

/* Whether it is set, which it is not if it is not there. */
static int
test(const struct cli *cli, kith_space *space, const char *name)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    struct cli_facts facts = { .json = true, .name = name };
    kith_event *event;
    kith_err err;
    bool set;

    options.create = KITH_MUST_EXIST;
    err = kith_event_open(space, name, &options, &event);
    if (err < 0)
        return cli_failed(err);
    err = kith_event_is_set(event, &set);
    kith_event_close(event);
    if (err < 0)
        return cli_failed(err);
    if (cli->json) {
        cli_fact_flag(&facts, "set", set);
        cli_facts_end(&facts);
    }
    return set ? CLI_DONE : CLI_NO;
}

static int
act_on(kith_space *space, const char *name, enum act act, int64_t timeout_ns)
{
    kith_event *event;
    kith_err err = kith_event_open(space, name, NULL, &event);

    if (err < 0)
        return cli_failed(err);
    if (act == SET) {
        err = kith_event_set(event);
    } else if (act == CLEAR) {
        err = kith_event_clear(event);
    } else {
        cli_catch_interrupts();
        err = kith_event_wait(event, timeout_ns);
    }
    kith_event_close(event);
    if (err == KITH_ETIMEDOUT)
        return CLI_NO; /* an answer, which needs no sentence */
    return err < 0 ? cli_failed(err) : CLI_DONE;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    int64_t timeout_ns = KITH_FOREVER;
    const struct cli_option options[] = {
        { 'w', "wait", CLI_SECONDS, &timeout_ns },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 2, 2);
    kith_space *space;
    enum act act;

    if (status != CLI_GO_ON)
        return status;
    act = read_act(argv[1]);
    if (act == NO_ACT)
        return cli_misused(cli,
                           "An event is set, cleared, waited for or tested; \"%s\" is none of "
                           "set, clear, wait and test.",
                           argv[1]);
    if (act != WAIT && timeout_ns != KITH_FOREVER)
        return cli_misused(cli, "-w goes with wait alone.");
    status = cli_open(cli, act == TEST ? KITH_MUST_EXIST : KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    status = act == TEST ? test(cli, space, argv[0]) : act_on(space, argv[0], act, timeout_ns);
    kith_close(space);
    return status;
}

const struct cli_verb cli_event = {
    .name = "event",
    .arguments = "EVENT set|clear|wait|test",
    .summary = "set a flag, clear it, wait for it, or look at it",
    .help = "An event is set or not, and stays so until somebody changes it; set and clear make\n"
            "one if there is none, and so does wait: whoever sets it may come later.\n"
            "\n"
            "what to do\n"
            "  set                   sets it, and lets go all who wait\n"
            "  clear                 clears it: who comes after that waits\n"
            "  wait                  waits until it is set; exits with 1 if it is not in time\n"
            "  test                  exits with 0 if it is set and with 1 if not; with --json it\n"
            "                        prints {\"name\", \"set\"} as well\n"
            "\n"
            "options\n"
            "  -w, --wait SECONDS    wait no longer\n"
            "\n"
            "example\n"
            "  kith -s app event ready wait -w 60 && ./client\n"
            "  kith -s app event ready set\n",
    .run = run,
};
