/*
 * start.c - processes that are started, waited for and ended, with what they share.
 *
 * One is a function of this program, forked; one is a command, this program again, to which the
 * space without a name is handed on.  A third does nothing until it is ended.  All would end with
 * this program, should it be killed.
 */
#include <kith.h>
#include <stdio.h>
#include <unistd.h>

#define SECONDS INT64_C(1000000000)

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

static int
count(void *hits)
{
    return kith_dict_add(hits, KITH_STR("runs"), 1, NULL) < 0 ? fail() : 0;
}

static int
idle(void *arg)
{
    (void)arg;
    return pause();
}

/* What the command does, which was started with the word "command". */
static int
be_command(void)
{
    kith_space *space;
    kith_dict *hits;

    if (kith_process_space(0, NULL, &space) < 0 || kith_dict_open(space, "hits", NULL, &hits) < 0)
        return fail();
    return count(hits);
}

static int
report(kith_process *process, int64_t timeout_ns)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;

    if (kith_process_wait(process, timeout_ns, &status) < 0)
        return fail();
    if (status.signal != 0)
        printf("%s was ended by signal %d\n", kith_process_name(process), status.signal);
    else
        printf("%s ended with %d\n", kith_process_name(process), status.exit_status);
    kith_process_close(process);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *const command[] = { "/proc/self/exe", "command", NULL };
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    kith_process *function, *program, *idler;
    kith_space *space;
    kith_dict *hits;

    (void)argv;
    if (argc == 2)
        return be_command();
    if (kith_open("mem://", NULL, &space) < 0 || kith_dict_open(space, "hits", NULL, &hits) < 0)
        return fail();
    options.ends_with_parent = true;
    options.name = "function";
    if (kith_process_fork(count, hits, &options, &function) < 0)
        return fail();
    options.name = "idler";
    if (kith_process_fork(idle, NULL, &options, &idler) < 0)
        return fail();
    options.name = "command";
    options.spaces = &space;
    options.space_count = 1;
    if (kith_process_exec(command, &options, &program) < 0)
        return fail();
    if (report(function, 10 * SECONDS) != 0 || report(program, 10 * SECONDS) != 0)
        return 1;
    if (kith_process_terminate(idler) < 0 || report(idler, 10 * SECONDS) != 0)
        return 1;
    kith_dict_close(hits);
    kith_close(space);
    return 0;
}
