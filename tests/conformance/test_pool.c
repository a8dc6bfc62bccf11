/*
 * test_pool.c - what kith/pool.h promises; that nothing is lost to deaths is in tests/pool as well.
 *
 * The command that is a worker is this program again, which sees so by KITH_WORKER.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* ---- tasks ---- */

static kith_err
square(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arg;
    if (count != 1 || arguments[0].type != KITH_TYPE_INT)
        return KITH_EINVAL;
    return kith_task_return(task, kith_int(arguments[0].integer * arguments[0].integer));
}

static kith_err
echo(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arg;
    return count == 0 ? KITH_OK : kith_task_return(task, arguments[count - 1]);
}

static kith_err
add_all(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    int64_t sum = 0;

    (void)arg;
    for (size_t i = 0; i < count; i++)
        sum += arguments[i].integer;
    return kith_task_return(task, kith_int(sum));
}

static kith_err
refuse(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arg;
    if (count > 0 && arguments[0].integer == 1)
        return kith_dict_get(NULL, KITH_INT(1), NULL);
    return KITH_ERANGE;
}

static kith_err
whose(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arguments;
    (void)count;
    (void)arg;
    return kith_task_return(task, kith_int(getpid()));
}

static kith_err
large(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    size_t size = (size_t)arguments[0].integer;
    void *bytes = test_bytes(size, 1);
    kith_err err;

    (void)count;
    (void)arg;
    err = kith_task_return(task, kith_bytes(bytes, size));
    free(bytes);
    return err;
}

static kith_err
give_reference(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arguments;
    (void)count;
    (void)arg;
    return kith_task_return(task, test_reference("hits"));
}

/* What tasks and their test share. */
struct shared {
    sem_t *begun, *go;
    atomic_int runs, deaths, depth, others;
    kith_dict *dict;
    kith_space *space;
    pid_t program;
};
static struct shared *shared;

static kith_err
kill_worker(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arg;
    shared->runs++;
    /* So often, and then it works. */
    if (count == 0 || kith_task_attempts(task) < arguments[0].integer)
        raise(SIGKILL);
    return kith_task_return(task, kith_int(kith_task_attempts(task)));
}

/* Kills its worker for one number only. */
static kith_err
mind_thirteen(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)count;
    (void)arg;
    if (arguments[0].integer == 13) {
        shared->runs++;
        raise(SIGKILL);
    }
    shared->others++;
    return kith_task_return(task, arguments[0]);
}

static kith_err
wait_for_go(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arguments;
    (void)count;
    (void)arg;
    shared->runs++;
    test_gate_open(shared->begun);
    GATE_WAIT(shared->go);
    return KITH_OK;
}

static kith_err
count_runs(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arguments;
    (void)count;
    (void)arg;
    shared->runs++;
    return KITH_OK;
}

static kith_err
sleep_on(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)task;
    (void)arguments;
    (void)count;
    (void)arg;
    shared->runs++;
    test_gate_open(shared->begun);
    while (pause() < 0)
        ;
    return KITH_OK;
}

static kith_err
commit_and_die(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    kith_txn *txn = NULL;
    kith_err err;

    (void)count;
    (void)arg;
    EXPECT_OK(kith_txn_begin(shared->space, &txn));
    EXPECT_OK(kith_txn_dict_add(txn, shared->dict, KITH_STR("done"), arguments[0].integer));
    if (kith_task_attempts(task) == 0)
        raise(SIGKILL); /* before: nothing happened */
    err = kith_task_commit(task, txn, kith_int(-arguments[0].integer));
    if (err == KITH_OK && shared->deaths++ % 2 == 0)
        raise(SIGKILL); /* after: it happened, and does not again */
    return err;
}

/* An array within an array and so on, `arguments[0]` deep. */
static kith_err
return_deep(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    uint8_t bytes[KITH_PACKED_DEPTH_MAX + 1];
    size_t deep = (size_t)arguments[0].integer;

    (void)count;
    (void)arg;
    memset(bytes, 0x91, sizeof(bytes));
    bytes[deep - 1] = 0x90;
    return kith_task_return(task, test_packed(bytes, deep));
}

static kith_err
tell_name(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    (void)arguments;
    (void)count;
    (void)arg;
    return kith_task_return(task, kith_str(kith_task_name(task)));
}

static kith_err
tell_signals(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    int64_t told = 0;
    sigset_t mask;

    (void)count;
    (void)arg;
    for (int64_t number = 1; number < 32; number++) {
        struct sigaction action = { .sa_handler = SIG_DFL };

        (void)sigaction((int)number, NULL, &action);
        if (action.sa_handler == SIG_IGN)
            told |= INT64_C(1) << number;
        else if (action.sa_handler != SIG_DFL)
            told |= INT64_C(1) << (number + 32);
    }
    if (arguments[0].integer == 0)
        return kith_task_return(task, kith_int(told));
    sigprocmask(SIG_SETMASK, NULL, &mask);
    return kith_task_return(task, kith_int(sigismember(&mask, SIGUSR2)));
}

static const struct kith_task_entry tasks[] = {
    { "square", square, NULL },
    { "echo", echo, NULL },
    { "add all", add_all, NULL },
    { "refuse", refuse, NULL },
    { "whose", whose, NULL },
    { "large", large, NULL },
    { "give reference", give_reference, NULL },
    { "kill worker", kill_worker, NULL },
    { "mind thirteen", mind_thirteen, NULL },
    { "wait for go", wait_for_go, NULL },
    { "count", count_runs, NULL },
    { "sleep on", sleep_on, NULL },
    { "commit and die", commit_and_die, NULL },
    { "return deep", return_deep, NULL },
    { "tell signals", tell_signals, NULL },
};

__attribute__((constructor)) static void
be_a_worker(void)
{
    if (getenv("KITH_WORKER") != NULL)
        exit(kith_worker_run(NULL, NULL, tasks, COUNTOF(tasks)) < 0);
}

/* ---- pools ---- */

static void
free_pool(void *pool)
{
    kith_pool_free(pool);
}

static struct kith_pool_options
plain(uint32_t workers)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;

    options.tasks = tasks;
    options.task_count = COUNTOF(tasks);
    options.workers = workers;
    return options;
}

static kith_pool *
start(struct test *t, const struct kith_pool_options *options)
{
    kith_pool *pool = NULL;

    shared = test_shared(sizeof(*shared));
    shared->begun = test_gate();
    shared->go = test_gate();
    shared->space = test_space(t);
    shared->dict = test_dict(t, "hits");
    EXPECT_OK(kith_pool_start(test_space(t), "pool", options, &pool));
    test_keep(t, pool, free_pool);
    return pool;
}

static kith_pool *
start_plain(struct test *t, uint32_t workers)
{
    struct kith_pool_options options = plain(workers);

    return start(t, &options);
}

static kith_future *
submit(kith_pool *pool, const char *task, const struct kith_item *arguments, size_t count)
{
    kith_future *future = NULL;

    EXPECT_OK(kith_pool_submit(pool, task, arguments, count, &future));
    return future;
}

static void
gives(kith_future *future, struct kith_item want)
{
    struct kith_item item = { .type = KITH_TYPE_NONE };

    EXPECT_OK(kith_future_get(future, test_ceiling_ns(), &item));
    EXPECT_ITEM(want, item);
    kith_future_free(future);
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

static int
count_worker(const struct kith_worker *worker, void *arg)
{
    int *counts = arg;

    counts[worker->state]++;
    return 0;
}

static int
count_workers(kith_pool *pool, enum kith_worker_state state)
{
    int counts[KITH_WORKER_STOPPED + 1] = { 0 };

    EXPECT_OK(kith_pool_workers(pool, count_worker, counts));
    return counts[state];
}

static int
note_pid(const struct kith_worker *worker, void *arg)
{
    *(pid_t *)arg = (pid_t)worker->pid;
    return 1;
}

static pid_t
some_worker(kith_pool *pool)
{
    pid_t pid = 0;

    UNTIL((kith_pool_workers(pool, note_pid, &pid), pid != 0));
    return pid;
}

static pid_t
parent_of(pid_t pid)
{
    char path[64], word[32];
    int parent = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    EXPECT_TRUE(file != NULL);
    /* A worker is named "kith worker". */
    EXPECT_EQ(2, fscanf(file, "%*d (kith worker) %1s %d", word, &parent));
    (void)fclose(file);
    return parent;
}

/* ---- one task ---- */

TEST(pool_submit_gives_a_result_that_comes)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item seven = kith_int(7);
    kith_future *future = submit(pool, "square", &seven, 1);
    struct kith_item item;
    bool done = false;

    UNTIL((kith_future_done(future, &done), done));
    EXPECT_OK(kith_future_get(future, 0, &item));
    EXPECT_EQ(49, item.integer);
    gives(future, kith_int(49));
}

TEST(pool_submit_takes_every_item)
{
    static const char list[] = "\x93\x01\xa1x\xc0", map[] = "\x81\xa1k\x92\x01\x02";
    kith_pool *pool = start_plain(t, 1);
    char *text = test_bytes(70000, 3);
    struct kith_item items[] = {
        kith_none(),
        kith_bool(true),
        kith_int(-5),
        kith_int(INT64_MIN),
        kith_float(0.5),
        kith_str(""),
        kith_str("K\xc3\xa4se"),
        kith_bytes(text, 70000),
        PACKED(list),
        PACKED(map),
        BIGINT("\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
        test_foreign("abc", 3, "python/pickle"),
        test_foreign("", 0, "a-tag-that-is-longer-than-thirty-one-bytes"),
    };

    gives(submit(pool, "echo", NULL, 0), kith_none());
    for (size_t i = 0; i < COUNTOF(items); i++)
        gives(submit(pool, "echo", &items[i], 1), items[i]);
    gives(submit(pool, "echo", items, COUNTOF(items)), items[COUNTOF(items) - 1]);
    free(text);
}

TEST(pool_submit_copies_its_arguments)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *held = submit(pool, "wait for go", NULL, 0);
    char text[] = "before";
    struct kith_item item = kith_str(text);
    kith_future *future;

    GATE_WAIT(shared->begun);
    future = submit(pool, "echo", &item, 1);
    memcpy(text, "after!", sizeof(text));
    test_gate_open(shared->go);
    gives(held, kith_none());
    gives(future, kith_str("before"));
}

TEST(pool_tells_how_a_task_failed)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item one = kith_int(1);
    kith_future *future = submit(pool, "refuse", NULL, 0);
    struct kith_death death = KITH_DEATH_INIT;
    struct kith_item item = { .type = KITH_TYPE_BOOL };

    EXPECT_FAILS(KITH_ERANGE, "refuse", kith_future_get(future, test_ceiling_ns(), &item));
    EXPECT_FAILS(KITH_ENOENT, "deaths", kith_future_death(future, &death));
    kith_future_free(future);
    future = submit(pool, "refuse", &one, 1);
    EXPECT_FAILS(KITH_EINVAL, "kith_dict_get", kith_future_get(future, test_ceiling_ns(), &item));
    kith_future_free(future);
    future = submit(pool, "no such task", NULL, 0);
    EXPECT_FAILS(KITH_ENOENT, "no such task", kith_future_get(future, test_ceiling_ns(), &item));
    kith_future_free(future);
    future = submit(pool, "give reference", NULL, 0);
    EXPECT_FAILS(KITH_EINVAL, "reference", kith_future_get(future, test_ceiling_ns(), &item));
    kith_future_free(future);
    EXPECT_EQ(KITH_TYPE_BOOL, item.type);
}

TEST(pool_future_get_ends_when_its_time_is_over)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *future = submit(pool, "wait for go", NULL, 0);
    bool done = true;

    GATE_WAIT(shared->begun);
    EXPECT_FAILS(KITH_ETIMEDOUT, "wait for go", kith_future_get(future, 0, NULL));
    EXPECT_RC(KITH_ETIMEDOUT, kith_future_get(future, 20 * TEST_MS, NULL));
    EXPECT_OK(kith_future_done(future, &done));
    EXPECT_TRUE(!done);
    test_gate_open(shared->go);
    gives(future, kith_none());
}

TEST(pool_future_cancel_ends_what_was_not_begun)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *begun = submit(pool, "wait for go", NULL, 0), *waiting;

    GATE_WAIT(shared->begun);
    waiting = submit(pool, "wait for go", NULL, 0);
    EXPECT_OK(kith_future_cancel(waiting));
    EXPECT_FAILS(KITH_ECONFLICT, "begun", kith_future_cancel(begun));
    test_gate_open(shared->go);
    EXPECT_FAILS(KITH_EGONE, "cancelled", kith_future_get(waiting, test_ceiling_ns(), NULL));
    EXPECT_FAILS(KITH_ECONFLICT, "done", kith_future_cancel(waiting));
    EXPECT_OK(kith_future_get(begun, test_ceiling_ns(), NULL));
    EXPECT_EQ(1, shared->runs);
    kith_future_free(begun);
    kith_future_free(waiting);
}

static void *
wait_for_future(void *future)
{
    EXPECT_OK(kith_future_get(future, test_ceiling_ns(), NULL));
    return NULL;
}

/* Each is cancelled or begun, and never both, also while another thread takes in the results. */
TEST(pool_future_cancel_is_decided_in_one_step)
{
    enum { COUNT = 4000 };
    kith_pool *pool = start_plain(t, 2);
    kith_future *last = submit(pool, "wait for go", NULL, 0), **futures = NULL;
    bool cancelled[COUNT] = { false };
    int runs = 0;
    pthread_t waiter;

    futures = calloc(COUNT, sizeof(*futures));
    EXPECT_TRUE(futures != NULL);
    GATE_WAIT(shared->begun);
    EXPECT_EQ(0, pthread_create(&waiter, NULL, wait_for_future, last));
    for (int i = 0; i < COUNT; i++) {
        kith_err err;

        futures[i] = submit(pool, "count", NULL, 0);
        for (volatile int spin = 0; spin < i % 64 * 50; spin++)
            continue;
        err = kith_future_cancel(futures[i]);
        EXPECT_TRUE(err == KITH_OK || err == KITH_ECONFLICT);
        cancelled[i] = err == KITH_OK;
    }
    for (int i = 0; i < COUNT; i++) {
        EXPECT_RC(cancelled[i] ? KITH_EGONE : KITH_OK,
                  kith_future_get(futures[i], test_ceiling_ns(), NULL));
        runs += !cancelled[i];
        kith_future_free(futures[i]);
    }
    EXPECT_EQ(runs + 1, shared->runs);
    test_gate_open(shared->go);
    EXPECT_EQ(0, pthread_join(waiter, NULL));
    kith_future_free(last);
    free(futures);
    /* What was said of them is not kept. */
    {
        uint64_t left = 1;

        EXPECT_OK(kith_dict_len(test_dict(t, "pool.cancels"), &left));
        EXPECT_EQ(0, left);
    }
}

TEST(pool_futures_may_be_freed_before_their_tasks_are_done)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_item two = kith_int(2);

    for (int i = 0; i < 100; i++)
        kith_future_free(submit(pool, "square", &two, 1));
    gives(submit(pool, "square", &two, 1), kith_int(4));
}

/* ---- many tasks ---- */

static void
map_and_look(kith_pool *pool, size_t count, size_t chunk)
{
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(count), item;
    kith_results *results = NULL;

    options.chunk = chunk;
    EXPECT_OK(
        kith_pool_map(pool, "square", items, count, &options, 6 * test_ceiling_ns(), &results));
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_EQ(i * i, item.integer);
    }
    EXPECT_RC(KITH_EINVAL, kith_results_get(results, count, &item));
    kith_results_free(results);
    free(items);
}

TEST(pool_finds_the_batch_of_each_result_whatever_else_was_freed)
{
    enum { COUNT = 60 };
    struct test_random random = test_random_new();
    kith_pool *pool = start_plain(t, 1);
    struct kith_item *items = numbers(4), item, n;
    kith_future *held = submit(pool, "wait for go", NULL, 0), *futures[COUNT];
    kith_results *results[COUNT];
    bool freed[COUNT] = { false };

    GATE_WAIT(shared->begun);
    /* Batches of none, of some and of one, which share numbers or have their own. */
    for (int64_t i = 0; i < COUNT; i++) {
        n = kith_int(i);
        EXPECT_OK(kith_pool_imap(pool, "square", items, 1, (size_t)i % 4, NULL, &results[i]));
        futures[i] = submit(pool, "square", &n, 1);
    }
    for (int i = 0; i < COUNT; i++) {
        size_t at = (size_t)test_random_below(&random, COUNT);

        if (freed[at])
            continue;
        freed[at] = true;
        kith_future_free(futures[at]);
        kith_results_free(results[COUNT - 1 - at]);
    }
    test_gate_open(shared->go);
    gives(held, kith_none());
    for (int64_t i = 0; i < COUNT; i++) {
        if (!freed[i])
            gives(futures[i], kith_int(i * i));
        if (freed[COUNT - 1 - i])
            continue;
        for (int64_t k = 0; k < i % 4; k++) {
            EXPECT_OK(kith_results_next(results[i], test_ceiling_ns(), NULL, &item));
            EXPECT_EQ(k * k, item.integer);
        }
        kith_results_free(results[i]);
    }
    free(items);
}

TEST(pool_map_gives_all_in_order)
{
    kith_pool *pool = start_plain(t, 3);

    map_and_look(pool, 0, 0);
    map_and_look(pool, 1, 0);
    map_and_look(pool, 5000, 0);
    map_and_look(pool, 5000, 0);
    map_and_look(pool, 1000, 1);
    map_and_look(pool, 1000, 7);
    map_and_look(pool, 1000, 5000);
}

TEST(pool_starmap_gives_several_items_to_a_task)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item *items = numbers(300), item;
    kith_results *results = NULL;

    EXPECT_OK(kith_pool_starmap(pool, "add all", items, 3, 100, NULL, test_ceiling_ns(), &results));
    for (size_t i = 0; i < 100; i++) {
        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_EQ(9 * i + 3, item.integer);
    }
    kith_results_free(results);
    free(items);
}

TEST(pool_imap_gives_results_in_order)
{
    kith_pool *pool = start_plain(t, 3);
    struct kith_item *items = numbers(500), item;
    kith_results *results = NULL;
    size_t index = 0;

    EXPECT_OK(kith_pool_imap(pool, "square", items, 1, 500, NULL, &results));
    free(items);
    for (size_t i = 0; i < 500; i++) {
        EXPECT_OK(kith_results_next(results, test_ceiling_ns(), &index, &item));
        EXPECT_EQ(i, index);
        EXPECT_EQ(i * i, item.integer);
    }
    EXPECT_FAILS(KITH_EEMPTY, "square", kith_results_next(results, 0, &index, &item));
    kith_results_free(results);
}

TEST(pool_result_that_is_nested_too_deep_fails_its_task)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_item deep = kith_int(KITH_PACKED_DEPTH_MAX - 1), item;
    kith_future *future = submit(pool, "return deep", &deep, 1);

    EXPECT_OK(kith_future_get(future, test_ceiling_ns(), &item));
    EXPECT_EQ(KITH_TYPE_PACKED, item.type);
    kith_future_free(future);
    deep.integer++;
    future = submit(pool, "return deep", &deep, 1);
    EXPECT_FAILS(KITH_EINVAL, "nested", kith_future_get(future, test_ceiling_ns(), &item));
    kith_future_free(future);
}

TEST(pool_entry_for_any_task_is_told_its_name)
{
    const struct kith_task_entry some[] = { { "*", tell_name, NULL }, { "square", square, NULL } };
    struct kith_pool_options options = plain(1);
    struct kith_item three = kith_int(3);
    kith_pool *pool;

    options.tasks = some;
    options.task_count = COUNTOF(some);
    pool = start(t, &options);
    gives(submit(pool, "no entry of that name", NULL, 0), KITH_STR("no entry of that name"));
    gives(submit(pool, "square", &three, 1), kith_int(9));
    EXPECT_STR("", kith_task_name(NULL));
}

static void
arrives(kith_pool *pool, const void *tag, size_t index)
{
    void *told = NULL;
    size_t at = SIZE_MAX;

    EXPECT_OK(kith_pool_arrived(pool, test_ceiling_ns(), &told, &at));
    EXPECT_TRUE(told == tag);
    EXPECT_EQ(index, at);
}

TEST(pool_tells_of_each_task_that_is_watched_when_it_is_done)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_item *items = numbers(20), item;
    kith_results *many = NULL, *dropped = NULL;
    kith_future *done = submit(pool, "square", &items[4], 1), *held;
    int tags[4];
    void *tag = NULL;
    size_t index = 0;

    EXPECT_RC(KITH_EEMPTY, kith_pool_arrived(pool, KITH_FOREVER, &tag, &index));
    EXPECT_OK(kith_future_get(done, test_ceiling_ns(), &item));
    held = submit(pool, "wait for go", NULL, 0);
    GATE_WAIT(shared->begun);
    EXPECT_OK(kith_pool_imap(pool, "square", items, 1, 20, NULL, &many));
    EXPECT_OK(kith_pool_imap(pool, "square", items, 1, 20, NULL, &dropped));
    EXPECT_OK(kith_results_watch(many, &tags[0]));
    EXPECT_OK(kith_results_watch(dropped, &tags[1]));
    EXPECT_RC(KITH_ETIMEDOUT, kith_pool_arrived(pool, 1000, &tag, &index));
    /* What was done before is told of as well, and one that is freed is not. */
    EXPECT_OK(kith_future_watch(done, &tags[2]));
    EXPECT_OK(kith_future_watch(held, &tags[3]));
    kith_results_free(dropped);
    arrives(pool, &tags[2], 0);
    test_gate_open(shared->go);
    arrives(pool, &tags[3], 0);
    for (size_t i = 0; i < 20; i++) {
        arrives(pool, &tags[0], i);
        EXPECT_OK(kith_results_get(many, i, &item));
        EXPECT_EQ(i * i, item.integer);
    }
    EXPECT_RC(KITH_EEMPTY, kith_pool_arrived(pool, KITH_FOREVER, &tag, &index));
    EXPECT_RC(KITH_EINVAL, kith_future_watch(held, NULL));
    kith_results_free(many);
    kith_future_free(done);
    kith_future_free(held);
    free(items);
}

TEST(pool_that_is_terminated_tells_of_what_was_watched)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *held = submit(pool, "sleep on", NULL, 0);
    struct kith_item item;

    GATE_WAIT(shared->begun);
    EXPECT_OK(kith_future_watch(held, held));
    EXPECT_OK(kith_pool_terminate(pool));
    arrives(pool, held, 0);
    EXPECT_RC(KITH_ECLOSED, kith_future_get(held, 0, &item));
    kith_future_free(held);
}

TEST(pool_imap_unordered_gives_what_is_done_first)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    kith_future *held = submit(pool, "wait for go", NULL, 0);
    struct kith_item *items = numbers(100), item;
    kith_results *results = NULL;
    bool seen[100] = { false };
    size_t index;

    options.chunk = 3;
    GATE_WAIT(shared->begun);
    EXPECT_OK(kith_pool_imap_unordered(pool, "square", items, 1, 100, &options, &results));
    for (size_t i = 0; i < 100; i++) {
        EXPECT_OK(kith_results_next(results, test_ceiling_ns(), &index, &item));
        EXPECT_TRUE(index < 100 && !seen[index]);
        seen[index] = true;
        EXPECT_EQ(index * index, item.integer);
    }
    EXPECT_RC(KITH_EEMPTY, kith_results_next(results, 0, &index, &item));
    kith_results_free(results);
    test_gate_open(shared->go);
    gives(held, kith_none());
    free(items);
}

TEST(pool_map_fails_as_the_first_task_that_fails_and_completes_the_rest)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item items[] = { kith_int(1), kith_str("two"), kith_int(3), kith_float(4) };
    kith_results *results = NULL;
    size_t index;

    EXPECT_FAILS(KITH_EINVAL, "task 1,",
                 kith_pool_map(pool, "square", items, 4, NULL, test_ceiling_ns(), &results));
    EXPECT_TRUE(results == NULL);
    EXPECT_OK(kith_pool_imap(pool, "square", items, 1, 4, NULL, &results));
    for (size_t i = 0; i < 4; i++) {
        EXPECT_RC(i % 2 == 0 ? KITH_OK : KITH_EINVAL,
                  kith_results_next(results, test_ceiling_ns(), &index, NULL));
        EXPECT_EQ(i, index);
    }
    kith_results_free(results);
}

TEST(pool_results_that_are_large_are_seen_where_they_are)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item sizes[] = { kith_int(1 << 20), kith_int(10), kith_int(3 << 20) }, item;
    kith_results *results = NULL;

    EXPECT_OK(kith_pool_map(pool, "large", sizes, 3, NULL, test_ceiling_ns(), &results));
    for (size_t i = 0; i < 3; i++) {
        void *want = test_bytes((size_t)sizes[i].integer, 1);

        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_ITEM(kith_bytes(want, (size_t)sizes[i].integer), item);
        free(want);
    }
    kith_results_free(results);
}

TEST(pool_result_larger_than_the_arena_fails_alone)
{
    struct kith_options small = KITH_OPTIONS_INIT;
    struct kith_pool_options options = plain(2);
    struct kith_item sizes[] = { kith_int(10), kith_int(64 << 20), kith_int(20) };
    struct kith_map_options together = KITH_MAP_OPTIONS_INIT;
    kith_results *results = NULL;
    kith_space *space;
    kith_pool *pool = NULL;
    size_t index;

    small.size = 16 << 20;
    space = test_open(t, "mem://", &small);
    EXPECT_OK(kith_pool_start(space, "pool", &options, &pool));
    test_keep(t, pool, free_pool);
    together.chunk = 3;
    EXPECT_OK(kith_pool_imap(pool, "large", sizes, 1, 3, &together, &results));
    EXPECT_OK(kith_results_next(results, test_ceiling_ns(), &index, NULL));
    EXPECT_TRUE(kith_results_next(results, test_ceiling_ns(), &index, NULL) < 0);
    EXPECT_EQ(1, index);
    EXPECT_OK(kith_results_next(results, test_ceiling_ns(), &index, NULL));
    kith_results_free(results);
}

static void
submit_and_be_killed(void *arg)
{
    struct kith_item three = kith_int(3);
    kith_pool *pool = NULL;

    EXPECT_OK(kith_pool_open(arg, "pool", &pool));
    gives(submit(pool, "square", &three, 1), kith_int(9));
    (void)submit(pool, "square", &three, 1);
    raise(SIGKILL);
}

static int
count_results(const struct kith_info *info, void *arg)
{
    if (strncmp(info->name, "pool.results.", 13) == 0 ||
        strncmp(info->name, "pool.client.", 12) == 0)
        ++*(int *)arg;
    return 0;
}

/* How many of a client's objects there are, after one more has come and gone. */
static int
come_and_count(struct test *t)
{
    struct kith_item three = kith_int(3);
    kith_pool *pool = NULL;
    int count = 0;

    EXPECT_OK(kith_pool_open(test_space(t), "pool", &pool));
    gives(submit(pool, "square", &three, 1), kith_int(9));
    kith_pool_free(pool);
    EXPECT_OK(kith_list(test_space(t), count_results, &count));
    return count;
}

TEST(pool_keeps_nothing_of_killed_clients)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_item three = kith_int(3);

    for (int i = 0; i < 3; i++)
        (void)CHILD_END(test_child(submit_and_be_killed, test_space(t)));
    UNTIL(come_and_count(t) == 0);
    /* One that lives is left alone. */
    gives(submit(pool, "square", &three, 1), kith_int(9));
    EXPECT_EQ(2, come_and_count(t));
    gives(submit(pool, "square", &three, 1), kith_int(9));
}

/* ---- full arenas ---- */

static kith_pool *
start_small(struct test *t, uint64_t size, uint32_t workers)
{
    struct kith_options small = KITH_OPTIONS_INIT;
    struct kith_pool_options options = plain(workers);
    kith_pool *pool = NULL;

    small.size = size;
    shared = test_shared(sizeof(*shared));
    shared->begun = test_gate();
    shared->go = test_gate();
    EXPECT_OK(kith_pool_start(test_open(t, "mem://", &small), "pool", &options, &pool));
    test_keep(t, pool, free_pool);
    return pool;
}

/* Many times what the arena has room for, of which the reader takes nothing at first. */
TEST(pool_results_that_fill_the_arena_wait_for_who_reads_them)
{
    enum { COUNT = 600, SIZE = 150000 };
    kith_pool *pool = start_small(t, 16 << 20, 2);
    struct kith_map_options few = KITH_MAP_OPTIONS_INIT;
    struct kith_item *sizes = numbers(COUNT), item;
    kith_results *results = NULL;
    void *want = test_bytes(SIZE, 1);
    size_t index;

    for (size_t i = 0; i < COUNT; i++)
        sizes[i] = kith_int(SIZE);
    few.chunk = 4;
    EXPECT_OK(kith_pool_imap(pool, "large", sizes, 1, COUNT, &few, &results));
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_OK(kith_results_next(results, test_ceiling_ns(), &index, &item));
        EXPECT_ITEM(kith_bytes(want, SIZE), item);
    }
    kith_results_free(results);
    free(want);
    free(sizes);
}

TEST(pool_arguments_that_fill_the_arena_wait_for_its_workers)
{
    enum { COUNT = 600, SIZE = 150000 };
    kith_pool *pool = start_small(t, 16 << 20, 2);
    struct kith_item *items = numbers(COUNT), item;
    struct kith_map_options one = KITH_MAP_OPTIONS_INIT;
    kith_results *results = NULL;
    void *bytes = test_bytes(SIZE, 1);

    for (size_t i = 0; i < COUNT; i++)
        items[i] = kith_bytes(bytes, SIZE);
    one.chunk = 1;
    EXPECT_OK(kith_pool_map(pool, "echo", items, COUNT, &one, test_ceiling_ns(), &results));
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_ITEM(items[i], item);
    }
    kith_results_free(results);
    results = NULL;
    EXPECT_OK(kith_pool_imap_unordered(pool, "echo", items, 1, COUNT, &one, &results));
    for (size_t i = 0; i < COUNT; i++)
        EXPECT_OK(kith_results_next(results, test_ceiling_ns(), NULL, NULL));
    kith_results_free(results);
    /* Of these it has room for few. */
    free(bytes);
    bytes = test_bytes(1 << 20, 1);
    for (size_t i = 0; i < COUNT / 10; i++)
        items[i] = kith_bytes(bytes, 1 << 20);
    EXPECT_OK(kith_pool_map(pool, "echo", items, COUNT / 10, &one, test_ceiling_ns(), &results));
    kith_results_free(results);
    /* What never fits is refused. */
    free(bytes);
    bytes = test_bytes(32 << 20, 1);
    items[0] = kith_bytes(bytes, 32 << 20);
    EXPECT_TRUE(kith_pool_map(pool, "echo", items, 1, &one, KITH_FOREVER, &results) < 0);
    EXPECT_TRUE(kith_pool_imap(pool, "echo", items, 1, 1, &one, &results) < 0);
    free(bytes);
    free(items);
}

/* Tasks fill the arena to the last byte: even so what comes of them finds room. */
TEST(pool_that_tasks_have_filled_goes_on)
{
    kith_pool *pool = start_small(t, 4 << 20, 2);
    kith_future *held[2], **futures = calloc(1 << 20, sizeof(*futures));
    struct kith_item one = kith_int(1);
    size_t count = 0;
    kith_err err;

    EXPECT_TRUE(futures != NULL);
    held[0] = submit(pool, "wait for go", NULL, 0);
    held[1] = submit(pool, "wait for go", NULL, 0);
    GATE_WAIT(shared->begun);
    GATE_WAIT(shared->begun);
    while ((err = kith_pool_submit(pool, "echo", &one, 1, &futures[count])) == KITH_OK)
        count++;
    EXPECT_EQ(KITH_ENOMEM, err);
    EXPECT_TRUE(count > 1000);
    test_gate_open(shared->go);
    test_gate_open(shared->go);
    gives(held[0], kith_none());
    gives(held[1], kith_none());
    for (size_t i = 0; i < count; i++)
        gives(futures[i], one);
    gives(submit(pool, "echo", &one, 1), one);
    free(futures);
}

TEST(pool_takes_a_hundred_thousand_tasks)
{
    enum { COUNT = 100000 };
    kith_pool *pool = start_plain(t, 2);
    kith_future **futures = calloc(COUNT, sizeof(*futures));
    struct kith_item *items = numbers(COUNT);

    EXPECT_TRUE(futures != NULL);
    for (size_t i = 0; i < COUNT; i++)
        futures[i] = submit(pool, "echo", &items[i], 1);
    EXPECT_OK(kith_pool_close(pool));
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
    for (size_t i = 0; i < COUNT; i++)
        gives(futures[i], items[i]);
    free(futures);
    free(items);
}

/* ---- deaths ---- */

TEST(pool_task_of_a_killed_worker_runs_again)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item twice = kith_int(2);

    gives(submit(pool, "kill worker", &twice, 1), kith_int(2));
    EXPECT_EQ(3, shared->runs);
}

TEST(pool_task_that_always_kills_its_worker_fails_and_is_named)
{
    kith_pool *pool = start_plain(t, 2);
    kith_future *future = submit(pool, "kill worker", NULL, 0);
    struct kith_death death = KITH_DEATH_INIT;

    EXPECT_FAILS(KITH_EUNAVAILABLE, "kill worker",
                 kith_future_get(future, test_ceiling_ns(), NULL));
    EXPECT_OK(kith_future_death(future, &death));
    EXPECT_EQ(3, death.attempts);
    EXPECT_EQ(SIGKILL, death.signal);
    EXPECT_TRUE(death.pid > 0 && death.pid != getpid());
    EXPECT_EQ(3, shared->runs);
    kith_future_free(future);
}

TEST(pool_that_begins_a_task_once_does_not_repeat_it)
{
    struct kith_pool_options options = plain(2);
    kith_pool *pool;
    struct kith_item *items = numbers(100);
    struct kith_death death = KITH_DEATH_INIT;
    kith_results *results = NULL;
    size_t index;

    options.attempts_max = 1;
    pool = start(t, &options);
    EXPECT_OK(kith_pool_imap(pool, "mind thirteen", items, 1, 100, NULL, &results));
    for (size_t i = 0; i < 100; i++)
        EXPECT_RC(i == 13 ? KITH_EUNAVAILABLE : KITH_OK,
                  kith_results_next(results, test_ceiling_ns(), &index, NULL));
    EXPECT_EQ(1, shared->runs);
    EXPECT_OK(kith_results_death(results, 13, &death));
    EXPECT_EQ(1, death.attempts);
    EXPECT_RC(KITH_ENOENT, kith_results_death(results, 12, &death));
    kith_results_free(results);
    free(items);
}

TEST(pool_that_begins_a_task_once_begins_each_of_a_chunk_once)
{
    struct kith_pool_options options = plain(2);
    struct kith_map_options mapping = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(100);
    kith_results *results = NULL;
    kith_pool *pool;
    size_t index;

    options.attempts_max = 1;
    mapping.chunk = 20;
    pool = start(t, &options);
    EXPECT_OK(kith_pool_imap(pool, "mind thirteen", items, 1, 100, &mapping, &results));
    for (size_t i = 0; i < 100; i++)
        EXPECT_RC(i == 13 ? KITH_EUNAVAILABLE : KITH_OK,
                  kith_results_next(results, test_ceiling_ns(), &index, NULL));
    EXPECT_EQ(1, shared->runs);
    EXPECT_EQ(99, shared->others);
    kith_results_free(results);
    free(items);
}

TEST(pool_chunk_with_a_task_that_kills_fails_for_that_one_alone)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(40), item;
    kith_results *results = NULL;
    struct kith_death death = KITH_DEATH_INIT;
    size_t index;

    options.chunk = 20;
    EXPECT_OK(kith_pool_imap(pool, "mind thirteen", items, 1, 40, &options, &results));
    for (size_t i = 0; i < 40; i++) {
        kith_err err = kith_results_next(results, test_ceiling_ns(), &index, &item);

        EXPECT_EQ(i, index);
        EXPECT_RC(i == 13 ? KITH_EUNAVAILABLE : KITH_OK, err);
        if (err == KITH_OK)
            EXPECT_EQ(i, item.integer);
    }
    EXPECT_OK(kith_results_death(results, 13, &death));
    EXPECT_EQ(3, death.attempts);
    EXPECT_EQ(3, shared->runs);
    kith_results_free(results);
    free(items);
}

TEST(pool_effects_and_result_in_one_transaction_happen_once)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    struct kith_item *items = numbers(30), item;
    kith_results *results = NULL;

    options.chunk = 1;
    EXPECT_OK(kith_pool_map(pool, "commit and die", items, 30, &options, 6 * test_ceiling_ns(),
                            &results));
    for (size_t i = 0; i < 30; i++) {
        EXPECT_OK(kith_results_get(results, i, &item));
        EXPECT_EQ(-(int64_t)i, item.integer);
    }
    EXPECT_HOLDS(shared->dict, KITH_STR("done"), KITH_INT(29 * 30 / 2));
    kith_results_free(results);
    options.chunk = 30;
    results = NULL;
    EXPECT_FAILS(
        KITH_EUNSUPPORTED, "chunk of 1",
        kith_pool_map(pool, "commit and die", items, 30, &options, test_ceiling_ns(), &results));
    free(items);
}

TEST(pool_goes_on_when_its_keeper_is_killed)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item seven = kith_int(7);
    kith_future *future = submit(pool, "whose", NULL, 0);
    struct kith_item item;

    EXPECT_OK(kith_future_get(future, test_ceiling_ns(), &item));
    kith_future_free(future);
    EXPECT_EQ(0, kill(parent_of((pid_t)item.integer), SIGKILL));
    gives(submit(pool, "square", &seven, 1), kith_int(49));
    gives(submit(pool, "square", &seven, 1), kith_int(49));
}

TEST(pool_stopped_worker_is_shown_and_left_alone)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *future = submit(pool, "wait for go", NULL, 0);
    pid_t pid;

    GATE_WAIT(shared->begun);
    EXPECT_EQ(1, count_workers(pool, KITH_WORKER_BUSY));
    pid = some_worker(pool);
    EXPECT_EQ(0, kill(pid, SIGSTOP));
    UNTIL(count_workers(pool, KITH_WORKER_STOPPED) == 1);
    test_gate_open(shared->go);
    EXPECT_RC(KITH_ETIMEDOUT, kith_future_get(future, 20 * TEST_MS, NULL));
    EXPECT_EQ(0, kill(pid, SIGCONT));
    gives(future, kith_none());
    EXPECT_EQ(1, shared->runs);
    UNTIL(count_workers(pool, KITH_WORKER_IDLE) == 1);
}

TEST(pool_late_task_is_shown_or_killed_if_asked)
{
    struct kith_pool_options options = plain(1);
    struct kith_item seven = kith_int(7);
    kith_future *future;
    kith_pool *pool;

    options.limit_ns = 5 * TEST_MS;
    pool = start(t, &options);
    future = submit(pool, "wait for go", NULL, 0);
    GATE_WAIT(shared->begun);
    UNTIL(count_workers(pool, KITH_WORKER_LATE) == 1);
    test_gate_open(shared->go);
    gives(future, kith_none());
    kith_pool_free(pool);
    t->handle_count--;
    options.kill_late = true;
    pool = start(t, &options);
    future = submit(pool, "sleep on", NULL, 0);
    EXPECT_FAILS(KITH_ETIMEDOUT, "longer", kith_future_get(future, test_ceiling_ns(), NULL));
    EXPECT_EQ(1, shared->runs);
    kith_future_free(future);
    gives(submit(pool, "square", &seven, 1), kith_int(49));
}

/* ---- workers ---- */

TEST(pool_workers_are_replaced_after_so_many_tasks)
{
    struct kith_pool_options options = plain(1);
    struct kith_item first, second;
    kith_pool *pool;
    kith_future *a, *b;

    options.tasks_per_worker = 1;
    pool = start(t, &options);
    a = submit(pool, "whose", NULL, 0);
    b = submit(pool, "whose", NULL, 0);
    EXPECT_OK(kith_future_get(a, test_ceiling_ns(), &first));
    EXPECT_OK(kith_future_get(b, test_ceiling_ns(), &second));
    EXPECT_TRUE(first.integer != second.integer);
    kith_future_free(a);
    kith_future_free(b);
}

/* One that takes several at once ends with those with which it reaches its number. */
TEST(pool_worker_takes_no_more_tasks_at_once_than_it_may_do)
{
    enum { COUNT = 60, EACH = 3 };
    struct kith_pool_options options = plain(1);
    struct kith_item *items = numbers(COUNT), item;
    kith_results *results = NULL;
    kith_pool *pool;

    options.tasks_per_worker = EACH;
    pool = start(t, &options);
    /* The second time it is known how long they take. */
    for (int i = 0; i < 2; i++) {
        int64_t pid = 0;
        int done = 0;

        EXPECT_OK(kith_pool_map(pool, "whose", items, COUNT, NULL, test_ceiling_ns(), &results));
        for (size_t j = 0; j < COUNT; j++) {
            EXPECT_OK(kith_results_get(results, j, &item));
            done = item.integer == pid ? done + 1 : 1;
            pid = item.integer;
            EXPECT_TRUE(done <= 2 * EACH - 1);
        }
        kith_results_free(results);
    }
    free(items);
}

TEST(pool_workers_are_replaced_when_they_have_too_much_memory)
{
    struct kith_pool_options options = plain(1);
    struct kith_item first, second;
    kith_pool *pool;
    kith_future *a, *b;

    options.memory_per_worker = 1; /* which any has */
    pool = start(t, &options);
    a = submit(pool, "whose", NULL, 0);
    EXPECT_OK(kith_future_get(a, test_ceiling_ns(), &first));
    b = submit(pool, "whose", NULL, 0);
    EXPECT_OK(kith_future_get(b, test_ceiling_ns(), &second));
    EXPECT_TRUE(first.integer != second.integer);
    kith_future_free(a);
    kith_future_free(b);
}

static kith_err
count_start(void *arg)
{
    (void)arg;
    shared->depth++;
    return KITH_OK;
}

static kith_err
fail_to_start(void *arg)
{
    (void)arg;
    return KITH_ERANGE;
}

TEST(pool_workers_call_the_initialiser)
{
    struct kith_pool_options options = plain(3);
    kith_pool *pool;

    options.init = count_start;
    pool = start(t, &options);
    map_and_look(pool, 10, 1);
    UNTIL(shared->depth == 3);
}

/* What the hooks were called for, in the program and in workers. */
static struct hooks {
    atomic_int before, parent, child, finished;
    atomic_int wrong; /* calls in a wrong process, or out of order */
    pid_t program;
} * hooks;
static int forked_child; /* of this process alone */

static void
hook_before(void *arg)
{
    hooks->wrong += arg != hooks || getpid() != hooks->program;
    hooks->before++;
}

static void
hook_parent(void *arg)
{
    hooks->wrong += arg != hooks || getpid() != hooks->program;
    hooks->wrong += ++hooks->parent != hooks->before;
}

static void
hook_child(void *arg)
{
    hooks->wrong += arg != hooks || getpid() == hooks->program || forked_child++ != 0;
    hooks->child++;
}

static kith_err
hooked_init(void *arg)
{
    (void)arg;
    hooks->wrong += forked_child != 1;
    return KITH_OK;
}

static void
hook_finish(void *arg)
{
    hooks->wrong += arg != &hooks->finished || forked_child != 1;
    hooks->finished++;
}

TEST(pool_calls_hooks_around_each_fork_and_at_the_end_of_workers)
{
    struct kith_pool_options options = plain(2);
    struct kith_item seven = kith_int(7);
    kith_pool *pool;

    hooks = test_shared(sizeof(*hooks));
    hooks->program = getpid();
    options.fork_before = hook_before;
    options.fork_parent = hook_parent;
    options.fork_child = hook_child;
    options.fork_arg = hooks;
    options.init = hooked_init;
    options.finish = hook_finish;
    options.finish_arg = &hooks->finished;
    pool = start(t, &options);
    EXPECT_EQ(1, hooks->before);
    EXPECT_EQ(1, hooks->parent);
    gives(submit(pool, "square", &seven, 1), kith_int(49));
    UNTIL(hooks->child == 2);
    /* A keeper that is killed is replaced, in whoever waits. */
    EXPECT_EQ(0, kill(parent_of(some_worker(pool)), SIGKILL));
    UNTIL((gives(submit(pool, "square", &seven, 1), kith_int(49)), hooks->before == 2));
    gives(submit(pool, "square", &seven, 1), kith_int(49));
    EXPECT_EQ(2, hooks->parent);
    UNTIL(hooks->child == 4);
    EXPECT_EQ(0, hooks->finished);
    EXPECT_OK(kith_pool_close(pool));
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
    EXPECT_EQ(2, hooks->finished);
    EXPECT_EQ(0, hooks->wrong);
}

TEST(pool_whose_workers_cannot_begin_says_so)
{
    struct kith_pool_options options = plain(2);
    const char *const no_command[] = { "/no/such/command", NULL };
    const char *const no_worker[] = { "true", NULL };
    kith_future *future;
    kith_pool *pool;

    options.init = fail_to_start;
    for (int i = 0; i < 3; i++) {
        kith_err err;

        pool = start(t, &options);
        err = kith_pool_submit(pool, "square", NULL, 0, &future);
        if (err == KITH_OK) {
            EXPECT_RC(KITH_EUNAVAILABLE, kith_future_get(future, test_ceiling_ns(), NULL));
            kith_future_free(future);
        } else {
            EXPECT_RC(KITH_ECLOSED, err);
        }
        kith_pool_free(pool);
        t->handle_count--;
        options = (struct kith_pool_options)KITH_POOL_OPTIONS_INIT;
        options.workers = 2;
        options.command = i == 0 ? no_command : no_worker;
    }
}

TEST(pool_workers_may_be_a_command)
{
    const char *const myself[] = { "/proc/self/exe", NULL };
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct kith_item first, second;
    kith_future *a, *b;
    kith_pool *pool;

    options.command = myself;
    options.workers = 2;
    pool = start(t, &options);
    map_and_look(pool, 100, 0);
    kith_pool_free(pool);
    t->handle_count--;
    options.workers = 1;
    options.tasks_per_worker = 1;
    pool = start(t, &options);
    a = submit(pool, "whose", NULL, 0);
    b = submit(pool, "whose", NULL, 0);
    EXPECT_OK(kith_future_get(a, test_ceiling_ns(), &first));
    EXPECT_OK(kith_future_get(b, test_ceiling_ns(), &second));
    EXPECT_TRUE(first.integer != second.integer);
    kith_future_free(a);
    kith_future_free(b);
}

static void
join_pool(void *arg)
{
    EXPECT_OK(kith_worker_run(arg, "pool", tasks, COUNTOF(tasks)));
}

static int
find_joined(const struct kith_worker *worker, void *arg)
{
    bool *found = arg;

    *found = *found || worker->joined;
    return 0;
}

TEST(pool_is_joined_by_workers_from_elsewhere)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *held = submit(pool, "wait for go", NULL, 0);
    struct kith_item item;
    bool found = false;
    kith_future *future;
    pid_t pid;

    GATE_WAIT(shared->begun);
    pid = test_child(join_pool, test_space(t));
    UNTIL((kith_pool_workers(pool, find_joined, &found), found));
    future = submit(pool, "whose", NULL, 0);
    EXPECT_OK(kith_future_get(future, test_ceiling_ns(), &item));
    EXPECT_EQ(pid, item.integer);
    kith_future_free(future);
    test_gate_open(shared->go);
    gives(held, kith_none());
    EXPECT_OK(kith_pool_close(pool));
    CHILD_JOIN(pid);
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
}

TEST(pool_takes_over_from_a_joined_worker_that_is_killed)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *held = submit(pool, "wait for go", NULL, 0), *second;
    bool found = false;
    pid_t pid;

    GATE_WAIT(shared->begun);
    pid = test_child(join_pool, test_space(t));
    UNTIL((kith_pool_workers(pool, find_joined, &found), found));
    second = submit(pool, "wait for go", NULL, 0);
    GATE_WAIT(shared->begun);
    test_child_kill(pid);
    test_gate_open(shared->go);
    GATE_WAIT(shared->begun);
    test_gate_open(shared->go);
    gives(held, kith_none());
    gives(second, kith_none());
    EXPECT_EQ(3, shared->runs);
}

TEST(pool_joined_worker_takes_nothing_more_once_it_is_terminated)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *held = submit(pool, "wait for go", NULL, 0), *second, *third;
    bool found = false;
    pid_t pid;

    GATE_WAIT(shared->begun);
    pid = test_child(join_pool, test_space(t));
    UNTIL((kith_pool_workers(pool, find_joined, &found), found));
    second = submit(pool, "wait for go", NULL, 0);
    GATE_WAIT(shared->begun);
    third = submit(pool, "wait for go", NULL, 0);
    EXPECT_OK(kith_pool_terminate(pool));
    test_gate_open(shared->go);
    test_gate_open(shared->go);
    CHILD_JOIN(pid);
    EXPECT_EQ(2, shared->runs);
    kith_future_free(held);
    kith_future_free(second);
    kith_future_free(third);
}

static void
be_a_program_with_a_pool(void *arg)
{
    struct kith_pool_options options = plain(1);
    kith_pool *pool = NULL;

    EXPECT_OK(kith_pool_start(arg, "pool", &options, &pool));
    gives(submit(pool, "echo", NULL, 0), kith_none());
    shared->program = some_worker(pool);
    test_gate_open(shared->go);
    while (pause() < 0)
        ;
}

TEST(pool_joined_worker_ends_when_program_and_keeper_are_killed_at_once)
{
    kith_space *space = test_space(t);
    bool found = false;
    pid_t program, joined;
    kith_pool *pool = NULL;

    shared = test_shared(sizeof(*shared));
    shared->go = test_gate();
    program = test_child(be_a_program_with_a_pool, space);
    GATE_WAIT(shared->go);
    EXPECT_OK(kith_pool_open(space, "pool", &pool));
    test_keep(t, pool, free_pool);
    joined = test_child(join_pool, space);
    UNTIL((kith_pool_workers(pool, find_joined, &found), found));
    EXPECT_EQ(0, kill(parent_of(shared->program), SIGKILL));
    test_child_kill(program);
    CHILD_JOIN(joined);
}

/* ---- what workers have of the program, and what it sees of them ---- */

#define IGNORED(number) (INT64_C(1) << (number))
#define HANDLED(number) (INT64_C(1) << ((number) + 32))

static void
answer(int number)
{
    (void)number;
}

TEST(pool_workers_have_the_signals_of_the_program)
{
    const char *const myself[] = { "/proc/self/exe", NULL };
    struct kith_pool_options options = plain(1);
    struct sigaction handled = { .sa_handler = answer }, ignored = { .sa_handler = SIG_IGN };
    struct kith_item dispositions = kith_int(0), mask = kith_int(1);
    sigset_t some, old;
    kith_pool *pool;

    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    EXPECT_EQ(0, sigaction(SIGUSR1, &handled, NULL));
    EXPECT_EQ(0, sigaction(SIGHUP, &ignored, NULL));
    EXPECT_EQ(0, sigprocmask(SIG_BLOCK, &some, &old));
    pool = start(t, &options);
    EXPECT_EQ(0, sigprocmask(SIG_SETMASK, &old, NULL));
    gives(submit(pool, "tell signals", &dispositions, 1),
          kith_int(IGNORED(SIGINT) | IGNORED(SIGQUIT) | IGNORED(SIGHUP) | HANDLED(SIGUSR1)));
    gives(submit(pool, "tell signals", &mask, 1), kith_int(1));
    kith_pool_free(pool);
    t->handle_count--;
    /* A command: as an exec gives them. */
    options = (struct kith_pool_options)KITH_POOL_OPTIONS_INIT;
    options.command = myself;
    options.workers = 1;
    pool = start(t, &options);
    gives(submit(pool, "tell signals", &dispositions, 1),
          kith_int(IGNORED(SIGINT) | IGNORED(SIGQUIT) | IGNORED(SIGHUP)));
    gives(submit(pool, "tell signals", &mask, 1), kith_int(0));
    EXPECT_EQ(0, sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL));
    EXPECT_EQ(0, sigaction(SIGHUP, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL));
}

TEST(pool_has_no_process_that_wait_sees)
{
    struct kith_item seven = kith_int(7);
    kith_pool *pool = start_plain(t, 2);

    gives(submit(pool, "square", &seven, 1), kith_int(49));
    EXPECT_EQ(-1, wait(NULL));
    EXPECT_EQ(ECHILD, errno);
    gives(submit(pool, "square", &seven, 1), kith_int(49));
}

TEST(pool_shows_no_dead_workers_of_a_keeper_that_was_killed)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item seven = kith_int(7);
    kith_future *held = submit(pool, "wait for go", NULL, 0);
    pid_t keeper;

    GATE_WAIT(shared->begun);
    UNTIL(count_workers(pool, KITH_WORKER_IDLE) == 1);
    keeper = parent_of(some_worker(pool));
    EXPECT_EQ(0, kill(keeper, SIGKILL));
    /* It is begun again, by a worker of the next keeper. */
    EXPECT_RC(KITH_ETIMEDOUT, kith_future_get(held, 200 * TEST_MS, NULL));
    GATE_WAIT(shared->begun);
    EXPECT_EQ(2, shared->runs);
    gives(submit(pool, "square", &seven, 1), kith_int(49));
    UNTIL(count_workers(pool, KITH_WORKER_IDLE) == 1);
    EXPECT_EQ(1, count_workers(pool, KITH_WORKER_BUSY));
    test_gate_open(shared->go);
    gives(held, kith_none());
    UNTIL(count_workers(pool, KITH_WORKER_IDLE) == 2);
}

/* ---- others ---- */

static void
child_submits(void *arg)
{
    struct kith_item three = kith_int(3);

    gives(submit(arg, "square", &three, 1), kith_int(9));
    kith_pool_free(arg);
}

static void
child_opens(void *arg)
{
    struct kith_item four = kith_int(4);
    kith_pool *pool = NULL;

    EXPECT_OK(kith_pool_open(arg, "pool", &pool));
    gives(submit(pool, "square", &four, 1), kith_int(16));
    kith_pool_free(pool);
}

static kith_future *inherited;

static void
child_is_refused(void *arg)
{
    (void)arg;
    EXPECT_RC(KITH_EPERM, kith_future_get(inherited, 0, NULL));
    EXPECT_RC(KITH_EPERM, kith_future_cancel(inherited));
    kith_future_free(inherited);
}

TEST(pool_takes_tasks_of_other_processes)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item five = kith_int(5);

    CHILD_JOIN(test_child(child_submits, pool));
    CHILD_JOIN(test_child(child_opens, test_space(t)));
    inherited = submit(pool, "square", &five, 1);
    CHILD_JOIN(test_child(child_is_refused, NULL));
    gives(inherited, kith_int(25));
}

struct thread_work {
    kith_pool *pool;
    int64_t base;
};

static void *
thread_submits(void *arg)
{
    struct thread_work *work = arg;

    for (int64_t i = 0; i < 50; i++) {
        struct kith_item n = kith_int(work->base + i);

        gives(submit(work->pool, "square", &n, 1), kith_int(n.integer * n.integer));
    }
    return NULL;
}

TEST(pool_is_used_by_many_threads_at_once)
{
    kith_pool *pool = start_plain(t, 2);
    struct thread_work work[6];
    pthread_t threads[6];

    for (int i = 0; i < 6; i++) {
        work[i] = (struct thread_work){ pool, 1000 * i };
        threads[i] = test_thread(thread_submits, &work[i]);
    }
    for (int i = 0; i < 6; i++)
        test_thread_join(threads[i]);
}

/* A task that starts a pool whose task starts a pool, and so on. */
static kith_err nest(kith_task *task, const struct kith_item *arguments, size_t count, void *arg);

static const struct kith_task_entry nests[] = { { "nest", nest, NULL } };

static kith_err
nest(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    int64_t depth = arguments[0].integer + 1;
    struct kith_item item = kith_int(depth);
    kith_future *future;
    kith_pool *pool;
    char name[32];
    kith_err err;

    (void)count;
    (void)arg;
    options.tasks = nests;
    options.task_count = 1;
    options.workers = 1;
    (void)snprintf(name, sizeof(name), "nest-%d", (int)depth);
    err = kith_pool_start(shared->space, name, &options, &pool);
    if (err < 0)
        return kith_task_return(task, kith_int(depth));
    EXPECT_OK(kith_pool_submit(pool, "nest", &item, 1, &future));
    err = kith_future_get(future, 6 * test_ceiling_ns(), &item);
    if (err == KITH_OK)
        err = kith_task_return(task, item);
    kith_future_free(future);
    kith_pool_free(pool);
    return err;
}

TEST(pools_nest_and_not_without_end)
{
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    struct kith_item zero = kith_int(0), item;
    kith_future *future;
    kith_pool *pool;

    options.tasks = nests;
    options.task_count = 1;
    options.workers = 1;
    pool = start(t, &options);
    future = submit(pool, "nest", &zero, 1);
    EXPECT_OK(kith_future_get(future, 6 * test_ceiling_ns(), &item));
    EXPECT_EQ(8, item.integer);
    kith_future_free(future);
}

/* ---- the end ---- */

TEST(pool_close_completes_what_was_submitted)
{
    kith_pool *pool = start_plain(t, 2);
    struct kith_item *items = numbers(200), item;
    kith_results *results = NULL;
    kith_future *future = NULL;
    size_t index;

    EXPECT_FAILS(KITH_EINVAL, "closed", kith_pool_join(pool, 0));
    EXPECT_OK(kith_pool_imap(pool, "square", items, 1, 200, NULL, &results));
    EXPECT_OK(kith_pool_close(pool));
    EXPECT_OK(kith_pool_close(pool));
    EXPECT_FAILS(KITH_ECLOSED, "closed", kith_pool_submit(pool, "square", items, 1, &future));
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
    EXPECT_OK(kith_pool_join(pool, 0));
    EXPECT_EQ(0, count_workers(pool, KITH_WORKER_IDLE) + count_workers(pool, KITH_WORKER_BUSY));
    for (size_t i = 0; i < 200; i++)
        EXPECT_OK(kith_results_next(results, 0, &index, &item));
    kith_results_free(results);
    free(items);
}

TEST(pool_join_ends_when_its_time_is_over)
{
    kith_pool *pool = start_plain(t, 1);
    kith_future *future = submit(pool, "wait for go", NULL, 0);

    GATE_WAIT(shared->begun);
    EXPECT_OK(kith_pool_close(pool));
    EXPECT_FAILS(KITH_ETIMEDOUT, "pool", kith_pool_join(pool, 20 * TEST_MS));
    test_gate_open(shared->go);
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
    gives(future, kith_none());
}

TEST(pool_terminate_ends_tasks_that_are_not_done)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_item three = kith_int(3);
    kith_future *done = submit(pool, "square", &three, 1);
    kith_future *begun = submit(pool, "sleep on", NULL, 0);
    kith_future *waiting = submit(pool, "square", &three, 1);

    GATE_WAIT(shared->begun);
    EXPECT_OK(kith_pool_terminate(pool));
    EXPECT_OK(kith_pool_join(pool, test_ceiling_ns()));
    EXPECT_FAILS(KITH_ECLOSED, "ended", kith_future_get(begun, test_ceiling_ns(), NULL));
    EXPECT_RC(KITH_ECLOSED, kith_future_get(waiting, 0, NULL));
    gives(done, kith_int(9));
    kith_future_free(begun);
    kith_future_free(waiting);
}

static int
count_object(const struct kith_info *info, void *arg)
{
    (void)info;
    ++*(int *)arg;
    return 0;
}

TEST(pool_free_leaves_nothing)
{
    kith_space *space = test_open(t, "mem://", NULL);
    struct kith_pool_options options = plain(2);
    struct kith_item three = kith_int(3);
    int objects = 0;

    for (int i = 0; i < 3; i++) {
        kith_pool *pool = NULL;

        EXPECT_OK(kith_pool_start(space, "pool", &options, &pool));
        gives(submit(pool, "square", &three, 1), kith_int(9));
        kith_pool_free(pool);
        EXPECT_OK(kith_list(space, count_object, &objects));
        EXPECT_EQ(0, objects);
    }
    EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG));
    EXPECT_EQ(ECHILD, errno);
}

static void
start_and_be_killed(void *arg)
{
    struct kith_pool_options options = plain(2);
    kith_pool *pool = NULL;

    EXPECT_OK(kith_pool_start(arg, "pool", &options, &pool));
    (void)submit(pool, "sleep on", NULL, 0);
    GATE_WAIT(shared->begun);
    raise(SIGKILL);
}

TEST(pool_of_a_killed_program_is_gone)
{
    struct kith_pool_options options = plain(2);
    struct kith_item three = kith_int(3);
    kith_space *space = test_open(t, "mem://", NULL);
    kith_pool *pool = NULL;

    shared = test_shared(sizeof(*shared));
    shared->begun = test_gate();
    for (int i = 0; i < 3; i++) {
        int objects = 0;

        (void)CHILD_END(test_child(start_and_be_killed, space));
        if (i == 0) {
            UNTIL((objects = 0, kith_list(space, count_object, &objects), objects == 0));
            continue;
        }
        /* Its name is free at once, whoever cleans up. */
        EXPECT_OK(kith_pool_start(space, "pool", &options, &pool));
        gives(submit(pool, "square", &three, 1), kith_int(9));
        kith_pool_free(pool);
    }
}

TEST(pool_handle_of_one_that_ended_touches_nothing_of_the_next)
{
    struct kith_pool_options options = plain(1);
    kith_pool *first = NULL, *old = NULL, *second = NULL;
    struct kith_item three = kith_int(3);

    EXPECT_OK(kith_pool_start(test_space(t), "pool", &options, &first));
    EXPECT_OK(kith_pool_open(test_space(t), "pool", &old));
    gives(submit(old, "square", &three, 1), kith_int(9)); /* client 1 */
    kith_pool_free(first);
    EXPECT_OK(kith_pool_start(test_space(t), "pool", &options, &second));
    gives(submit(second, "square", &three, 1), kith_int(9)); /* client 1 as well */
    kith_pool_free(old);
    gives(submit(second, "square", &three, 1), kith_int(9));
    kith_pool_free(second);
}

TEST(pool_keeps_its_table_of_tasks_and_its_command_itself)
{
    char name[] = "square";
    struct kith_task_entry entry = { name, square, NULL };
    struct kith_pool_options options = plain(1);
    struct kith_item three = kith_int(3);
    kith_pool *pool;

    options.tasks = &entry;
    options.task_count = 1;
    pool = start(t, &options);
    gives(submit(pool, "square", &three, 1), kith_int(9));
    memset(name, 'x', sizeof(name) - 1);
    memset(&entry, 0, sizeof(entry));
    /* Another keeper is forked, and workers with it. */
    EXPECT_EQ(0, kill(parent_of(some_worker(pool)), SIGKILL));
    gives(submit(pool, "square", &three, 1), kith_int(9));
}

/* ---- bad input ---- */

TEST(pool_refuses_bad_input)
{
    kith_pool *pool = start_plain(t, 1), *none = (kith_pool *)t;
    struct kith_pool_options options = plain(1);
    struct kith_item reference = test_reference("hits"), nothing = { .type = (kith_type)77 };
    kith_space *space = test_space(t);
    kith_future *future = (kith_future *)t;
    kith_results *results = (kith_results *)t;
    struct kith_item items[2] = { kith_int(1), kith_int(2) };
    char name[152];

    memset(name, 'n', sizeof(name));
    name[151] = '\0';
    EXPECT_FAILS(KITH_EEXIST, "\"pool\"", kith_pool_start(space, "pool", &options, &none));
    EXPECT_RC(KITH_EINVAL, kith_pool_start(NULL, "p", &options, &none));
    EXPECT_RC(KITH_EINVAL, kith_pool_start(space, NULL, &options, &none));
    EXPECT_RC(KITH_EINVAL, kith_pool_start(space, "p", &options, NULL));
    EXPECT_RC(KITH_EINVAL, kith_pool_start(space, "p", NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_pool_start(space, "", &options, &none));
    EXPECT_FAILS(KITH_EINVAL, "150", kith_pool_start(space, name, &options, &none));
    options.workers = 4097;
    EXPECT_FAILS(KITH_EINVAL, "4097", kith_pool_start(space, "p", &options, &none));
    options.workers = 1;
    options.limit_ns = -2;
    EXPECT_RC(KITH_EINVAL, kith_pool_start(space, "p", &options, &none));
    options.limit_ns = 0;
    options.tasks = (const struct kith_task_entry[]){ { "a", square, NULL }, { NULL, echo, NULL } };
    options.task_count = 2;
    EXPECT_FAILS(KITH_EINVAL, "entry 1", kith_pool_start(space, "p", &options, &none));
    EXPECT_FAILS(KITH_EINVAL, "entry 1", kith_worker_run(space, "pool", options.tasks, 2));
    options.tasks = (const struct kith_task_entry[]){ { "a", NULL, NULL } };
    options.task_count = 1;
    EXPECT_FAILS(KITH_EINVAL, "no function", kith_pool_start(space, "p", &options, &none));
    EXPECT_RC(KITH_ENOENT, kith_pool_open(space, "no such pool", &none));
    EXPECT_RC(KITH_EINVAL, kith_pool_open(space, "a/b", &none));
    EXPECT_TRUE(none == (kith_pool *)t);
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(NULL, "square", items, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(pool, NULL, items, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(pool, "", items, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(pool, "square", NULL, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(pool, "square", items, 1, NULL));
    EXPECT_FAILS(KITH_EINVAL, "reference",
                 kith_pool_submit(pool, "square", &reference, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_submit(pool, "square", &nothing, 1, &future));
    EXPECT_RC(KITH_EINVAL, kith_pool_map(pool, "square", NULL, 2, NULL, 0, &results));
    EXPECT_RC(KITH_EINVAL, kith_pool_map(pool, "square", items, 2, NULL, -2, &results));
    EXPECT_RC(KITH_EINVAL, kith_pool_starmap(pool, "square", items, 0, 2, NULL, 0, &results));
    EXPECT_RC(KITH_EINVAL, kith_pool_imap(pool, "square", items, 1, SIZE_MAX, NULL, &results));
    EXPECT_RC(KITH_EINVAL, kith_pool_imap_unordered(pool, "square", items, 1, 2, NULL, NULL));
    EXPECT_TRUE(future == (kith_future *)t && results == (kith_results *)t);
    EXPECT_RC(KITH_EINVAL, kith_future_get(NULL, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_future_done(NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_future_cancel(NULL));
    EXPECT_RC(KITH_EINVAL, kith_future_death(NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_results_next(NULL, 0, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_results_get(NULL, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_results_death(NULL, 0, NULL));
    EXPECT_RC(KITH_EINVAL, kith_pool_close(NULL));
    EXPECT_RC(KITH_EINVAL, kith_pool_terminate(NULL));
    EXPECT_RC(KITH_EINVAL, kith_pool_join(NULL, 0));
    EXPECT_RC(KITH_EINVAL, kith_pool_workers(pool, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_worker_run(space, NULL, tasks, 1));
    EXPECT_RC(KITH_EINVAL, kith_worker_run(NULL, NULL, tasks, 1));
    EXPECT_RC(KITH_EINVAL, kith_worker_run(space, "pool", NULL, 1));
    EXPECT_RC(KITH_ENOENT, kith_worker_run(space, "no such pool", tasks, 1));
    EXPECT_RC(KITH_EINVAL, kith_task_return(NULL, items[0]));
    EXPECT_RC(KITH_EINVAL, kith_task_commit(NULL, NULL, items[0]));
    EXPECT_EQ(0, kith_task_attempts(NULL));
    kith_future_free(NULL);
    kith_results_free(NULL);
    kith_pool_free(NULL);
    map_and_look(pool, 3, 0);
}

/* The name of the queue of a client's results, good until the next call. */
static const char *
results_name(struct test *t, int client)
{
    static char name[64];
    struct kith_buf buf = KITH_BUF_INIT;

    EXPECT_OK(kith_dict_get(test_dict(t, "pool"), KITH_STR("life"), &buf));
    (void)snprintf(name, sizeof(name), "pool.results.%llx.%x", (unsigned long long)buf.item.integer,
                   (unsigned)client);
    kith_buf_free(&buf);
    return name;
}

TEST(pool_passes_over_what_nobody_submitted)
{
    kith_pool *pool = start_plain(t, 1);
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_item two = kith_int(2);
    kith_queue *queue;

    options.create = KITH_MUST_EXIST;
    queue = test_queue(t, "pool.tasks", &options);
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x90"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x94\x01\x02\xa1x\x7f"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x94\x01\x02\xa1x\xff"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x95\x01\x02\xa1x\x02\x01"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x94\x63\x02\xa1x\x00"), 0)); /* client 99 */
    gives(submit(pool, "square", &two, 1), kith_int(4));
    queue = test_queue(t, results_name(t, 1), &options);
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x93\x01\x01\x01"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x96\x01\x01\x01\x7f\x05\xc0"), 0));
    EXPECT_OK(kith_queue_put(queue, PACKED("\x96\xff\x01\x01\x00\x00\xc0"), 0));
    gives(submit(pool, "square", &two, 1), kith_int(4));
}
