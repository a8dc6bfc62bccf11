/*
 * command.c - the command kith as a script uses it: whole processes, from their start to their end.
 */
#include "arena.h"

static void
lock_true(struct bench *b)
{
    char program[] = KITH_PROGRAM, s[] = "-s", lock[] = "lock", name[] = "backup", end[] = "--",
         command[] = "true";
    char *const argv[] = { program, s, b->name, lock, name, end, command, NULL };
    int64_t start_ns = bench_now_ns();

    bench_run_program_ns(argv); /* makes the lock */
    do
        bench_print((double)bench_run_program_ns(argv));
    while (bench_now_ns() - start_ns < b->window_ns);
}

static const struct bench_case cases[] = {
    { .name = "lock-true", .measure = lock_true },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
