/*
 * pool.c - a trivial task in a pool of two workers: what it costs to be submitted, run, and told
 * of.
 */
#include "arena.h"

#include <stdlib.h>

#define TASKS 20000u
#define WORKERS 2u

static kith_err
square(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arg;
    if (count != 1 || arguments[0].type != KITH_TYPE_INT)
        return KITH_EINVAL;
    return kith_task_return(task, kith_int(arguments[0].integer * arguments[0].integer));
}

static const struct kith_task_entry tasks[] = { { "square", square, NULL } };

static void
map_once(kith_pool *pool, const struct kith_item *items, size_t chunk)
{
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    kith_results *results;
    struct kith_item item;

    options.chunk = chunk;
    bench_must(kith_pool_map(pool, "square", items, TASKS, &options, KITH_FOREVER, &results),
               "kith_pool_map");
    bench_must(kith_results_get(results, TASKS - 1, &item), "kith_results_get");
    if (item.integer != (int64_t)(TASKS - 1) * (TASKS - 1))
        bench_fail("the last of %u tasks gave a wrong number", TASKS);
    kith_results_free(results);
}

static void
maps(struct bench *b, size_t chunk)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct kith_item *items = malloc(TASKS * sizeof(*items));
    kith_space *space = bench_space(b);
    kith_pool *pool;
    int64_t start_ns, took_ns;
    uint64_t rounds = 0;

    if (items == NULL)
        bench_fail("there is no memory for %u items", TASKS);
    for (size_t i = 0; i < TASKS; i++)
        items[i] = kith_int((int64_t)i);
    options.tasks = tasks;
    options.task_count = BENCH_COUNTOF(tasks);
    options.workers = WORKERS;
    bench_must(kith_pool_start(space, "squares", &options, &pool), "kith_pool_start");
    map_once(pool, items, chunk);
    start_ns = bench_now_ns();
    do {
        map_once(pool, items, chunk);
        rounds++;
        took_ns = bench_now_ns() - start_ns;
    } while (took_ns < b->window_ns);
    bench_print((double)took_ns / (double)(rounds * TASKS));
    kith_pool_free(pool);
    kith_close(space);
    free(items);
}

static void
task(struct bench *b)
{
    maps(b, 1);
}

static void
task_in_chunks(struct bench *b)
{
    maps(b, 0);
}

static const struct bench_case cases[] = {
    { .name = "task", .measure = task },
    { .name = "task-in-chunks", .measure = task_in_chunks },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
