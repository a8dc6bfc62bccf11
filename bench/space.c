/*
 * space.c - what it costs to begin: opening an arena that exists, and a thread's first use.
 */
#include "arena.h"

#include <pthread.h>

static kith_space *space;
static kith_dict *dict;

/* An arena with a dict of `entries` keys. */
static void
make_arena(struct bench *b)
{
    space = bench_space(b);
    dict = bench_dict(space, "numbers");
    for (uint64_t i = 0; i < b->entries; i++) {
        struct bench_key bytes = bench_key_of(i);

        bench_must(kith_dict_set(dict, bench_item(&bytes), KITH_INT((int64_t)i)), "kith_dict_set");
    }
    kith_dict_close(dict);
    kith_close(space);
}

/* ---- opening ---- */

struct opening {
    struct bench *round;
    int64_t *ns;
};

static void
open_once(void *arg)
{
    struct opening *opening = arg;
    int64_t start_ns = bench_now_ns();
    kith_space *opened = bench_space(opening->round);

    *opening->ns = bench_now_ns() - start_ns;
    kith_close(opened);
}

/* Each time in a new process, which has never called the library before. */
static void
open_existing(struct bench *b)
{
    struct opening opening = { b, b->shared };
    int64_t start_ns = bench_now_ns();

    do {
        bench_join(bench_fork(open_once, &opening));
        bench_print((double)*opening.ns);
    } while (bench_now_ns() - start_ns < b->window_ns);
}

/* ---- a thread's first use ---- */

static void
get_first(kith_dict *from)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct bench_key bytes = bench_key_of(0);

    bench_must(kith_dict_get(from, bench_item(&bytes), &buf), "kith_dict_get");
    kith_buf_free(&buf);
}

static void
set_first(kith_dict *to)
{
    struct bench_key bytes = bench_key_of(0);

    bench_must(kith_dict_set(to, bench_item(&bytes), KITH_INT(0)), "kith_dict_set");
}

static void *
use_first(void *arg)
{
    int64_t *ns = arg;
    int64_t start_ns = bench_now_ns();

    set_first(dict);
    *ns = bench_now_ns() - start_ns;
    return NULL;
}

static void
open_arena(struct bench *b)
{
    space = bench_space(b);
    dict = bench_dict(space, "numbers");
    get_first(dict);
    set_first(dict);
}

/* A set, since reading takes less; the process and its first thread have used the dict before. */
static void
thread_first(struct bench *b)
{
    int64_t start_ns = bench_now_ns();

    do {
        pthread_t thread;
        int64_t ns;

        if (pthread_create(&thread, NULL, use_first, &ns) != 0)
            bench_fail("no thread");
        pthread_join(thread, NULL);
        bench_print((double)ns);
    } while (bench_now_ns() - start_ns < b->window_ns);
}

static void
close_arena(struct bench *b)
{
    (void)b;
    kith_dict_close(dict);
    kith_close(space);
}

static const struct bench_case cases[] = {
    { .name = "open", .make = make_arena, .measure = open_existing },
    { .name = "thread",
      .make = make_arena,
      .begin = open_arena,
      .measure = thread_first,
      .end = close_arena },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
