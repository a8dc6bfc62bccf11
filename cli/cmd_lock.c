/*
 * cmd_lock.c - runs a command while it holds a lock, with the options of flock(1).
 *
 * A lock made here is one that may be shared, so that -s and -x of one name work in whichever order
 * they come, and a program opens the same one with kith_lock_open().
 *
 * The lock is this process's.  The command does not inherit it, nor what it leaves running in the
 * background; should this process be killed, the lock is free and the command is ended.
 */
#include "child.h"

#include <stdlib.h>
#include <string.h>

/* What the command line says. */
struct wish {
    bool shared, exclusive, nonblock, close, verbose;
    int64_t timeout_ns;
    uint64_t conflict_status;
    const char *shell_command;
};

/* The lock, by the handle that can do what is wished. */
struct held {
    kith_lock *lock;
    kith_rwlock *rwlock;
};

static kith_err
open_lock(kith_space *space, const char *name, bool shared, struct held *held)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_rwlock_options there = KITH_RWLOCK_OPTIONS_INIT;
    kith_err err;

    options.shareable = true;
    err = kith_lock_open(space, name, &options, &held->lock);
    if (err < 0 || !shared)
        return err;
    there.create = KITH_MUST_EXIST;
    return kith_rwlock_open(space, name, &there, &held->rwlock);
}

static kith_err
acquire(const struct held *held, int64_t timeout_ns)
{
    return held->rwlock != NULL ? kith_rwlock_acquire_shared(held->rwlock, timeout_ns)
                                : kith_lock_acquire(held->lock, timeout_ns);
}

static void
release(const struct held *held)
{
    if (held->rwlock != NULL)
        kith_rwlock_release(held->rwlock);
    else
        kith_lock_release(held->lock);
}

/* Acquires the lock, runs the command, and releases it; the exit status. */
static int
run_holding(kith_space *space, const char *name, const struct wish *wish, char *const argv[])
{
    struct held held = { NULL, NULL };
    int64_t start_ns = wish->verbose ? cli_now_ns() : 0;
    kith_err err = open_lock(space, name, wish->shared, &held);
    int status;

    if (err == KITH_OK)
        err = acquire(&held, wish->timeout_ns);
    if (err == KITH_ETIMEDOUT) {
        if (wish->verbose)
            cli_say("The lock \"%s\" was not to be had.", name);
        status = (int)wish->conflict_status;
    } else if (err < 0) {
        status = cli_failed(err);
    } else {
        if (wish->verbose)
            cli_say("The lock \"%s\" was had after %.6f s%s.", name,
                    (double)(cli_now_ns() - start_ns) / 1e9,
                    err == KITH_OWNER_DIED ? "; whoever held it last died" : "");
        if (err == KITH_OWNER_DIED)
            setenv("KITH_OWNER_DIED", "1", 1); /* for a command that wants to know */
        else
            unsetenv("KITH_OWNER_DIED");
        status = cli_run_command(argv);
        release(&held);
    }
    kith_rwlock_close(held.rwlock);
    kith_lock_close(held.lock);
    return status;
}

/* The words that say what to run, or NULL after a sentence. */
static char **
what_to_run(const struct cli *cli, const struct wish *wish, char **command, int argc, char **argv,
            char **shell)
{
    if (wish->shell_command != NULL) {
        if (command != NULL || argc > 1) {
            cli_misused(cli, "A command was given both by -c and as words.");
            return NULL;
        }
        shell[0] = getenv("SHELL");
        if (shell[0] == NULL || shell[0][0] == '\0')
            shell[0] = "/bin/sh";
        shell[1] = "-c";
        shell[2] = (char *)(uintptr_t)wish->shell_command;
        shell[3] = NULL;
        return shell;
    }
    if (argc > 1) {
        cli_misused(cli, "\"%s\" is one word too many; a command stands after \"--\".", argv[1]);
        return NULL;
    }
    if (command == NULL)
        cli_misused(cli, "There is nothing to run: give a command after \"--\", or with -c.");
    return command;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct wish wish = { .timeout_ns = KITH_FOREVER, .conflict_status = CLI_NO };
    const struct cli_option options[] = {
        { 's', "shared", CLI_FLAG, &wish.shared },
        { 'x', "exclusive", CLI_FLAG, &wish.exclusive },
        { 'e', "exclusive", CLI_FLAG, &wish.exclusive },
        { 'n', "nonblock", CLI_FLAG, &wish.nonblock },
        { 0, "nb", CLI_FLAG, &wish.nonblock },
        { 'w', "wait", CLI_SECONDS, &wish.timeout_ns },
        { 0, "timeout", CLI_SECONDS, &wish.timeout_ns },
        { 'E', "conflict-exit-code", CLI_NUMBER, &wish.conflict_status },
        { 'o', "close", CLI_FLAG, &wish.close },
        { 'c', "command", CLI_TEXT, &wish.shell_command },
        { 0, "verbose", CLI_FLAG, &wish.verbose },
        { 0, NULL, CLI_FLAG, NULL },
    };
    char **command = cli_command(&argc, argv);
    char *shell[4];
    kith_space *space;
    int status = cli_options(cli, options, &argc, argv, 1, CLI_ANY_NUMBER);

    if (status != CLI_GO_ON)
        return status;
    command = what_to_run(cli, &wish, command, argc, argv, shell);
    if (command == NULL)
        return CLI_USAGE;
    if (wish.shared && wish.exclusive)
        return cli_misused(cli, "A lock is had shared or exclusively, not both.");
    if (wish.conflict_status > 255)
        return cli_misused(cli, "An exit status is a number from 0 to 255, not %llu.",
                           (unsigned long long)wish.conflict_status);
    if (wish.nonblock)
        wish.timeout_ns = 0;
    status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    status = run_holding(space, argv[0], &wish, command);
    kith_close(space);
    return status;
}

const struct cli_verb cli_lock = {
    .name = "lock",
    .arguments = "NAME [OPTION…] -- COMMAND [ARGUMENT…]",
    .summary = "run a command while holding a lock",
    .help = "Acquires the lock NAME, which is made if there is none, runs the command, and\n"
            "releases the lock when the command ends.  Its exit status is the command's own;\n"
            "126 if the command cannot be run, 127 if there is none, 128 and the number of the\n"
            "signal that ended it; 1 if the lock was not to be had.\n"
            "\n"
            "The lock is not inherited: what the command leaves running does not keep it.  If\n"
            "kith is killed the lock is free at once, and the command is ended.  If whoever\n"
            "held the lock last died with it, KITH_OWNER_DIED is 1 in the command's environment.\n"
            "\n"
            "  -s, --shared          share the lock with others who share it; here -s does not\n"
            "                        stand for the space, which is named before the verb\n"
            "  -x, -e, --exclusive   have it alone; this is what happens without -s\n"
            "  -n, --nonblock        do not wait\n"
            "  -w, --wait SECONDS    wait no longer than this; without it, as long as it takes\n"
            "  -E, --conflict-exit-code N\n"
            "                        exit with N, not 1, if the lock was not to be had\n"
            "  -c, --command TEXT    run TEXT by $SHELL -c, instead of a command after --\n"
            "  -o, --close           as ever: the command never has the lock\n"
            "      --verbose         say how long it took, or that it was not to be had\n"
            "\n"
            "example\n"
            "  kith -s jobs lock nightly -n -- ./report.sh\n"
            "  kith -s jobs lock table -s -w 5 -- ./read-it.sh\n",
    .run = run,
};
