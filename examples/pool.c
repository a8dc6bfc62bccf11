/*
 * pool.c - tasks in worker processes, of which some are killed.
 *
 * A hundred numbers are squared by two workers.  The worker that gets 50 is killed, so another
 * squares it; whoever gets 13 is killed every time, so this one fails, and all others complete.
 */
#include <kith.h>
#include <signal.h>
#include <stdio.h>

#define COUNT 100

static kith_err
square(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    int64_t number = arguments[0].integer;

    (void)count;
    (void)arg;
    if (number == 13 || (number == 50 && kith_task_attempts(task) == 0))
        raise(SIGKILL);
    return kith_task_return(task, kith_int(number * number));
}

static const struct kith_task_entry tasks[] = { { "square", square, NULL } };

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int
main(void)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct kith_item numbers[COUNT], item;
    kith_results *results;
    kith_space *space;
    kith_pool *pool;
    int done = 0;

    for (int i = 0; i < COUNT; i++)
        numbers[i] = kith_int(i);
    options.tasks = tasks;
    options.task_count = 1;
    options.workers = 2;
    if (kith_open("mem://", NULL, &space) < 0 ||
        kith_pool_start(space, "squares", &options, &pool) < 0 ||
        kith_pool_imap(pool, "square", numbers, 1, COUNT, NULL, &results) < 0)
        return fail();
    for (size_t i = 0; i < COUNT; i++) {
        struct kith_death death = KITH_DEATH_INIT;

        if (kith_results_next(results, KITH_FOREVER, NULL, &item) == KITH_OK)
            done += item.integer == (int64_t)(i * i);
        else if (kith_results_death(results, i, &death) == KITH_OK)
            printf("%zu: begun %u times, and killed by signal %d\n", i, death.attempts,
                   death.signal);
        else
            return fail();
    }
    printf("%d squares\n", done);
    kith_results_free(results);
    kith_pool_free(pool);
    kith_close(space);
    return 0;
}
