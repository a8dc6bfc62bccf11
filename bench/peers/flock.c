/*
 * flock.c - flock(1): whole processes, from their start to their end.
 */
#include "../harness.h"

#include <stdio.h>
#include <unistd.h>

static void
path_of(const struct bench *b, char path[128])
{
    snprintf(path, 128, "/dev/shm/%s.lock", b->name);
}

static void
flock_true(struct bench *b)
{
    char program[] = FLOCK_PROGRAM, command[] = "true", path[128];
    char *const argv[] = { program, path, command, NULL };
    int64_t start_ns = bench_now_ns();

    path_of(b, path);
    bench_run_program_ns(argv); /* makes the file */
    do
        bench_print((double)bench_run_program_ns(argv));
    while (bench_now_ns() - start_ns < b->window_ns);
}

static void
remove_file(struct bench *b)
{
    char path[128];

    path_of(b, path);
    unlink(path); /* there is none if the round failed early */
}

static const struct bench_case cases[] = {
    { .name = "lock-true", .measure = flock_true },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), remove_file);
}
