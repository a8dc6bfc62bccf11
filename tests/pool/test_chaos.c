/*
 * test_chaos.c - pools whose workers, keepers and programs are killed all the time.
 *
 * The killer goes by what the tasks count, so that there are so many deaths for so many tasks, on
 * any machine.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

/* A worker dies for every so many tasks. */
#define TASKS_PER_DEATH 100
/* So many may die at one task: here it is never the task's fault. */
#define ATTEMPTS_MAX 1000

struct shared {
    atomic_uint runs, deaths;
    atomic_bool stop;
    kith_dict *dict;
    kith_space *space;
    sem_t *begun;
    struct test_random random;
    kith_pool *pool;
};
static struct shared *shared;

/* ---- tasks ---- */

/* Some tens of microseconds of work. */
static int64_t
digest(int64_t number)
{
    uint64_t x = (uint64_t)number + 1;

    for (int i = 0; i < 20000; i++)
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)(x >> 1);
}

static kith_err
work(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)count;
    (void)arg;
    shared->runs++;
    return kith_task_return(task, kith_int(digest(arguments[0].integer)));
}

static kith_err
count_once(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    kith_txn *txn = NULL;
    kith_err err = kith_txn_begin(shared->space, &txn);

    (void)count;
    (void)arg;
    shared->runs++;
    if (err == KITH_OK)
        err = kith_txn_dict_add(txn, shared->dict, KITH_STR("sum"), arguments[0].integer);
    return err < 0 ? err : kith_task_commit(task, txn, kith_int(digest(arguments[0].integer)));
}

static const struct kith_task_entry inner[] = { { "work", work, NULL } };

/* Has ten tasks done by a pool of its own. */
static kith_err
have_done(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct kith_item items[10], item;
    kith_results *results = NULL;
    kith_pool *pool = NULL;
    int64_t sum = 0;
    char name[64];
    kith_err err;

    (void)count;
    (void)arg;
    options.tasks = inner;
    options.task_count = 1;
    options.workers = 1;
    options.attempts_max = ATTEMPTS_MAX;
    (void)snprintf(name, sizeof(name), "inner-%d", (int)arguments[0].integer);
    for (int i = 0; i < 10; i++)
        items[i] = kith_int(arguments[0].integer + i);
    err = kith_pool_start(shared->space, name, &options, &pool);
    if (err == KITH_OK)
        err = kith_pool_map(pool, "work", items, 10, NULL, KITH_FOREVER, &results);
    for (size_t i = 0; err == KITH_OK && i < 10; i++) {
        err = kith_results_get(results, i, &item);
        sum ^= item.integer;
    }
    kith_results_free(results);
    kith_pool_free(pool);
    return err < 0 ? err : kith_task_return(task, kith_int(sum));
}

static kith_err
sleep_on(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arguments;
    (void)count;
    (void)arg;
    test_gate_open(shared->begun);
    while (pause() < 0)
        ;
    return KITH_OK;
}

static const struct kith_task_entry tasks[] = {
    { "work", work, NULL },
    { "count once", count_once, NULL },
    { "have done", have_done, NULL },
    { "sleep on", sleep_on, NULL },
};

/* ---- the killer ---- */

struct choice {
    uint64_t left; /* so many are passed over */
    pid_t pid;
};

static int
choose(const struct kith_worker *worker, void *arg)
{
    struct choice *choice = arg;

    choice->pid = (pid_t)worker->pid;
    return choice->left-- == 0;
}

/* Kills it, if it is still a worker of a pool: the number may be another's by now. */
static bool
kill_worker(pid_t pid)
{
    char path[64], text[256] = "";
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool killed = false;
    FILE *file;

    if (fd < 0)
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(text, sizeof(text), file) != NULL && strcmp(text, "kith worker\n") == 0)
            killed = syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
        (void)fclose(file);
    }
    close(fd);
    return killed;
}

static void
kill_all_the_time(void *arg)
{
    unsigned next = TASKS_PER_DEATH / 2;

    (void)arg;
    while (!shared->stop) {
        struct choice choice = { test_random_below(&shared->random, 4), 0 };

        if (shared->runs < next) {
            test_breathe();
            continue;
        }
        if (kith_pool_workers(shared->pool, choose, &choice) == KITH_OK && choice.pid != 0 &&
            kill_worker(choice.pid)) {
            shared->deaths++;
            next = shared->runs + TASKS_PER_DEATH / 2 +
                   (unsigned)test_random_below(&shared->random, TASKS_PER_DEATH);
        }
    }
}

static void
free_pool(void *pool)
{
    kith_pool_free(pool);
}

static void
start(struct test *t, uint32_t workers)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;

    shared = test_shared(sizeof(*shared));
    shared->random = test_random_new();
    shared->space = test_space(t);
    shared->dict = test_dict(t, "dict");
    shared->begun = test_gate();
    options.tasks = tasks;
    options.task_count = COUNTOF(tasks);
    options.workers = workers;
    options.attempts_max = ATTEMPTS_MAX;
    EXPECT_OK(kith_pool_start(shared->space, "pool", &options, &shared->pool));
    test_keep(t, shared->pool, free_pool);
}

static pid_t
start_killer(void)
{
    return test_child(kill_all_the_time, NULL);
}

static void
end_killer(pid_t pid, unsigned deaths_min)
{
    shared->stop = true;
    CHILD_JOIN(pid);
    EXPECT_GE(shared->deaths, deaths_min);
}

/* Tasks of a test, and how many workers die over them. */
static size_t
task_count(void)
{
    return test_is_long() ? 50000 : 4000;
}

static unsigned
death_count(void)
{
    return test_is_long() ? 500 : 30;
}

static struct kith_item *
numbers(size_t count)
{
    struct kith_item *items = malloc(count * sizeof(*items));

    EXPECT_TRUE(items != NULL);
    for (size_t i = 0; i < count; i++)
        items[i] = kith_int((int64_t)i);
    return items;
}

#define LONG_NS (60 * test_ceiling_ns())

/* ---- workers ---- */

TEST_LONG(600, map_loses_nothing_while_workers_are_killed)
{
    size_t count = task_count();
    struct kith_item *items = numbers(count), item;
    kith_results *results = NULL;
    pid_t killer;

    start(t, 3);
    killer = start_killer();
    /* Until enough have died; tasks that ran again count as well, so one round is about enough. */
    do {
        EXPECT_OK(kith_pool_map(shared->pool, "work", items, count, NULL, LONG_NS, &results));
        for (size_t i = 0; i < count; i++) {
            EXPECT_OK(kith_results_get(results, i, &item));
            EXPECT_EQ(digest((int64_t)i), item.integer);
        }
        kith_results_free(results);
    } while (shared->deaths < death_count());
    end_killer(killer, death_count());
    free(items);
}

TEST_LONG(600, imap_unordered_gives_each_once_while_workers_are_killed)
{
    size_t count = task_count(), index;
    struct kith_item *items = numbers(count), item;
    bool *seen = calloc(count, sizeof(*seen));
    kith_results *results = NULL;
    pid_t killer;

    start(t, 3);
    killer = start_killer();
    EXPECT_OK(kith_pool_imap_unordered(shared->pool, "work", items, 1, count, NULL, &results));
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(kith_results_next(results, LONG_NS, &index, &item));
        EXPECT_TRUE(index < count && !seen[index]);
        seen[index] = true;
        EXPECT_EQ(digest((int64_t)index), item.integer);
    }
    EXPECT_RC(KITH_EEMPTY, kith_results_next(results, 0, &index, &item));
    end_killer(killer, 1);
    kith_results_free(results);
    free(seen);
    free(items);
}

TEST_LONG(600, futures_all_come_while_workers_are_killed)
{
    size_t count = task_count() / 4;
    kith_future **futures = calloc(count, sizeof(*futures));
    struct kith_item item;
    pid_t killer;

    start(t, 3);
    killer = start_killer();
    for (size_t i = 0; i < count; i++) {
        struct kith_item n = kith_int((int64_t)i);

        EXPECT_OK(kith_pool_submit(shared->pool, "work", &n, 1, &futures[i]));
    }
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(kith_future_get(futures[i], LONG_NS, &item));
        EXPECT_EQ(digest((int64_t)i), item.integer);
        kith_future_free(futures[i]);
    }
    end_killer(killer, 1);
    free(futures);
}

TEST_LONG(600, effects_happen_once_while_workers_are_killed)
{
    size_t count = task_count() / 2;
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(count);
    kith_results *results = NULL;
    pid_t killer;

    start(t, 3);
    killer = start_killer();
    options.chunk = 1;
    EXPECT_OK(kith_pool_map(shared->pool, "count once", items, count, &options, LONG_NS, &results));
    EXPECT_HOLDS(shared->dict, KITH_STR("sum"), KITH_INT((int64_t)(count * (count - 1) / 2)));
    end_killer(killer, 1);
    kith_results_free(results);
    free(items);
}

TEST_LONG(600, nested_pools_lose_nothing_while_workers_are_killed)
{
    size_t count = test_is_long() ? 500 : 40;
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(count), item;
    kith_results *results = NULL;
    pid_t killer;

    start(t, 2);
    killer = start_killer();
    options.chunk = 1;
    EXPECT_OK(kith_pool_map(shared->pool, "have done", items, count, &options, LONG_NS, &results));
    for (size_t i = 0; i < count; i++) {
        int64_t want = 0;

        for (int j = 0; j < 10; j++)
            want ^= digest((int64_t)i + j);
        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_EQ(want, item.integer);
    }
    end_killer(killer, 1);
    kith_results_free(results);
    free(items);
}

/* ---- programs ---- */

struct program {
    int held[2]; /* a pipe that all its processes have */
};

static void
be_a_program(void *arg)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct program *program = arg;
    struct kith_item *items = numbers(1000);
    kith_results *results = NULL;
    kith_pool *pool = NULL;

    close(program->held[0]);
    test_gate_open(shared->begun);
    options.tasks = tasks;
    options.task_count = COUNTOF(tasks);
    options.workers = 3;
    for (;;) {
        EXPECT_OK(kith_pool_start(shared->space, "orphans", &options, &pool));
        EXPECT_OK(kith_pool_map(pool, "work", items, 1000, NULL, KITH_FOREVER, &results));
        kith_results_free(results);
        kith_pool_free(pool);
    }
}

static int
count_part(const struct kith_info *info, void *arg)
{
    if (strncmp(info->name, "orphans", 7) == 0)
        ++*(int *)arg;
    return 0;
}

TEST_LONG(600, a_program_that_is_killed_leaves_no_worker_and_no_object)
{
    int rounds = test_is_long() ? 50 : 10;

    shared = test_shared(sizeof(*shared));
    shared->random = test_random_new();
    shared->space = test_open(t, "mem://", NULL);
    shared->begun = test_gate();
    for (int i = 0; i < rounds; i++) {
        struct program *program = test_shared(sizeof(*program));
        struct timespec moment = { 0, 0 };
        struct pollfd polled;
        int objects = 0;
        pid_t pid;

        EXPECT_EQ(0, pipe(program->held));
        pid = test_child(be_a_program, program);
        GATE_WAIT(shared->begun);
        moment.tv_nsec = (long)test_random_below(&shared->random, 60 * (uint64_t)TEST_MS);
        nanosleep(&moment, NULL);
        test_child_kill(pid);
        close(program->held[1]);
        polled = (struct pollfd){ .fd = program->held[0], .events = POLLIN };
        EXPECT_EQ(1, poll(&polled, 1, (int)(test_ceiling_ns() / TEST_MS)));
        close(program->held[0]);
        /* All processes are gone, and the keeper was the last: what it left is all there is. */
        EXPECT_OK(kith_list(shared->space, count_part, &objects));
        EXPECT_EQ(0, objects);
    }
}

/* ---- much ---- */

TEST_LONG(300, a_hundred_thousand_tasks_wait_and_are_done)
{
    size_t count = 100000;
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(count), item;
    kith_future *held;
    kith_results *results = NULL;
    struct kith_item nothing = kith_int(0);

    start(t, 1);
    held = NULL;
    EXPECT_OK(kith_pool_submit(shared->pool, "work", &nothing, 1, &held));
    options.chunk = 25;
    EXPECT_OK(kith_pool_imap(shared->pool, "work", items, 1, count, &options, &results));
    for (size_t i = 0; i < count; i += 1) {
        EXPECT_OK(kith_results_next(results, LONG_NS, NULL, &item));
        if (i % 1000 == 0)
            EXPECT_EQ(digest((int64_t)i), item.integer);
    }
    EXPECT_OK(kith_future_get(held, 0, &item));
    kith_future_free(held);
    kith_results_free(results);
    free(items);
}

TEST_LONG(300, a_space_that_is_full_refuses_tasks_and_does_those_it_took)
{
    struct kith_options small = KITH_OPTIONS_INIT;
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    char *text = test_bytes(100000, 1);
    struct kith_item bytes = kith_bytes(text, 100000), item;
    kith_future *futures[1000] = { NULL };
    struct kith_item seven = kith_int(7);
    kith_future *begun = NULL, *after = NULL;
    kith_err err = KITH_OK;
    size_t count = 0;
    kith_space *space;
    kith_pool *pool = NULL;

    shared = test_shared(sizeof(*shared));
    shared->begun = test_gate();
    small.size = 16 << 20;
    space = test_open(t, "mem://", &small);
    options.tasks = tasks;
    options.task_count = COUNTOF(tasks);
    options.workers = 1;
    EXPECT_OK(kith_pool_start(space, "pool", &options, &pool));
    test_keep(t, pool, free_pool);
    EXPECT_OK(kith_pool_submit(pool, "sleep on", NULL, 0, &begun));
    GATE_WAIT(shared->begun);
    while (count < 1000 && err == KITH_OK) {
        err = kith_pool_submit(pool, "work", &bytes, 1, &futures[count]);
        count += err == KITH_OK;
    }
    EXPECT_RC(KITH_ENOMEM, err);
    EXPECT_GE(count, 10);
    /* The one that sleeps is ended, thrice; then all others have their turn. */
    for (int i = 0; i < 3; i++) {
        struct choice choice = { 0, 0 };

        EXPECT_OK(kith_pool_workers(pool, choose, &choice));
        EXPECT_TRUE(kill_worker(choice.pid));
        if (i < 2)
            GATE_WAIT(shared->begun);
    }
    EXPECT_RC(KITH_EUNAVAILABLE, kith_future_get(begun, test_ceiling_ns(), &item));
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(kith_future_get(futures[i], test_ceiling_ns(), &item));
        kith_future_free(futures[i]);
    }
    EXPECT_OK(kith_pool_submit(pool, "work", &seven, 1, &after));
    EXPECT_OK(kith_future_get(after, test_ceiling_ns(), &item));
    kith_future_free(begun);
    kith_future_free(after);
    free(text);
}
