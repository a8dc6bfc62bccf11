/*
 * sync.c - kith_semaphore: taking a permit and giving it back.
 */
#include "arena.h"

static kith_space *space;
static kith_semaphore *semaphore;

/* ---- semaphore ---- */

static void
open_semaphore(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_semaphore_open(space, "semaphore", NULL, &semaphore), "kith_semaphore_open");
}

static void
close_semaphore(struct bench *b)
{
    (void)b;
    kith_semaphore_close(semaphore);
    kith_close(space);
}

static void
make_semaphore(struct bench *b)
{
    open_semaphore(b);
    close_semaphore(b);
}

static void
semaphore_pair(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        bench_must(kith_semaphore_acquire(semaphore, KITH_FOREVER), "kith_semaphore_acquire");
        bench_must(kith_semaphore_release(semaphore), "kith_semaphore_release");
    }
}

static void
check_permit(struct bench *b)
{
    uint32_t value;

    bench_must(kith_semaphore_value(semaphore, &value), "kith_semaphore_value");
    if (value > 1)
        bench_fail("a semaphore of 1 has %u permits", value);
    close_semaphore(b);
}

static const struct bench_case cases[] = {
    { .name = "semaphore-pair",
      .make = make_semaphore,
      .begin = open_semaphore,
      .work = semaphore_pair,
      .end = check_permit },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
