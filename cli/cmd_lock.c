/*
 * cmd_lock.c - runs a command while it holds a lock, with the options of flock(1).
 *
 * A lock made here is one that may be shared, so that -s and -x of one name work in whichever order
 * they come, and a program opens the same one with kith_lock_open().
 *
 * The lock is this process's.  The command does not inherit it, nor what it leaves running in the
 * background; should this process be killed, the lock is free and the command is ended.
 */
#include "hold.h"

#include <stdlib.h>

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
run_holding(kith_space *space, const char *name, bool shared, const struct cli_hold *hold)
{
    struct held held = { NULL, NULL };
    kith_err err = open_lock(space, name, shared, &held);
    int status;

    if (err == KITH_OK)
        err = acquire(&held, hold->timeout_ns);
    status = cli_hold_outcome(hold, name, err);
    if (status == CLI_GO_ON) {
        if (err == KITH_OWNER_DIED)
            setenv("KITH_OWNER_DIED", "1", 1); /* for a command that wants to know */
        else
            unsetenv("KITH_OWNER_DIED");
        status = cli_run_command(hold->command);
        release(&held);
    }
    kith_rwlock_close(held.rwlock);
    kith_lock_close(held.lock);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct cli_hold hold = CLI_HOLD_INIT("The lock");
    bool shared = false, exclusive = false, close = false;
    const struct cli_option options[] = {
        { 's', "shared", CLI_FLAG, &shared },
        { 'x', "exclusive", CLI_FLAG, &exclusive },
        { 'e', "exclusive", CLI_FLAG, &exclusive },
        { 'o', "close", CLI_FLAG, &close },
        CLI_HOLD_OPTIONS(hold),
        { 0, NULL, CLI_FLAG, NULL },
    };
    kith_space *space;
    int status = cli_hold_options(cli, &hold, options, &argc, argv, 1, 1);

    if (status != CLI_GO_ON)
        return status;
    if (hold.command == NULL)
        return cli_hold_nothing(cli);
    if (shared && exclusive)
        return cli_misused(cli, "A lock is had shared or exclusively, not both.");
    status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    status = run_holding(space, argv[0], shared, &hold);
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
            "options\n"
            "  -s, --shared          share the lock with others who share it; here -s does not\n"
            "                        stand for the space, which is named before the verb\n"
            "  -x, -e, --exclusive   have it alone; this is what happens without -s\n"
            "  -o, --close           as ever: the command never has the lock\n" CLI_HOLD_HELP "\n"
            "example\n"
            "  kith -s jobs lock nightly -n -- ./report.sh\n"
            "  kith -s jobs lock table -s -w 5 -- ./read-it.sh\n",
    .run = run,
};
