/*
 * results.c - one task and its future; many tasks and their results.
 */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "object/handle.h"
#include "pool/client.h"

/* How long a chunk is to keep a worker busy: its cost is a few microseconds. */
#define CHUNK_NS (2 * KITH__NS_PER_MS)
#define CHUNK_MAX 4096
/* Chunks for each worker at least, so that none has all the rest at the end. */
#define CHUNKS_PER_WORKER 8
/* A chunk of tasks of which nobody knows how long they take. */
#define CHUNK_UNKNOWN 16

/* A future is the results of one task: its struct is never seen by its own name. */
static struct kith_results *
batch_of(kith_future *future)
{
    return (struct kith_results *)future;
}

/* ---- Arguments ------------------------------------------------------------------------ */

static kith_err
check_task(const char *function, const char *task)
{
    size_t size = strnlen(task, KITH__NAME_SIZE_MAX + 1);

    if (kith__name_ok(task, size))
        return KITH_OK;
    return kith__fail(KITH_EINVAL,
                      "%s() was given a bad name of a task: it is UTF-8, 1 to %d bytes, without "
                      "'/'.",
                      function, KITH__NAME_SIZE_MAX);
}

static kith_err
check_call(const char *function, const kith_pool *pool, const char *task,
           const struct kith_item *items, size_t arity, size_t count, const void *out)
{
    if (pool == NULL || task == NULL || out == NULL || (items == NULL && count > 0 && arity > 0))
        return kith__fail_null(function);
    return check_task(function, task);
}

/* ---- One task ------------------------------------------------------------------------- */

kith_err
kith_pool_submit(kith_pool *pool, const char *task, const struct kith_item *arguments, size_t count,
                 kith_future **future_out)
{
    struct kith_results *batch;
    kith_err err = check_call("kith_pool_submit", pool, task, arguments, count, 1, future_out);

    if (err < 0)
        return err;
    err = kith__batch_new(pool, task, 1, false, &batch);
    if (err < 0)
        return err;
    err = kith__batch_submit(batch, arguments, count, 0, 1, 1, KITH__NO_WAIT);
    if (err < 0) {
        kith__batch_free(batch);
        return err;
    }
    *future_out = (kith_future *)batch;
    return KITH_OK;
}

kith_err
kith_future_get(kith_future *future, int64_t timeout_ns, struct kith_item *item_out)
{
    struct kith_results *batch = batch_of(future);
    kith_err err = kith__batch_check(batch, "kith_future_get");

    if (err < 0)
        return err;
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_future_get", timeout_ns);
    err = kith__batch_await(batch, 1, NULL, kith__deadline_ns(timeout_ns));
    return err < 0 ? err : kith__slot_outcome(batch, &batch->slots[0], item_out);
}

kith_err
kith_future_done(kith_future *future, bool *done_out)
{
    struct kith_results *batch = batch_of(future);
    kith_err err = kith__batch_check(batch, "kith_future_done");

    if (err < 0)
        return err;
    if (done_out == NULL)
        return kith__fail_null("kith_future_done");
    err = kith__batch_await(batch, 1, NULL, KITH__NO_WAIT);
    if (err < 0 && err != KITH_ETIMEDOUT)
        return err;
    *done_out = err == KITH_OK;
    return KITH_OK;
}

struct seen {
    const struct kith_results *batch;
    bool begun;
};

static int
look_for_task(struct kith_item key, struct kith_item item, void *arg)
{
    struct seen *seen = arg;
    struct kith__record record;

    (void)key;
    if (kith__record_read(item, &record) && record.state != KITH__RECORD_IDLE &&
        record.client == seen->batch->pool->client && record.id == seen->batch->first)
        seen->begun = true;
    return seen->begun;
}

/*
 * Says that nobody wants the task, and finds out whether it was begun.  A worker writes what it is
 * at and then looks for this: so one that begins the task from now on will not run it, and what
 * was begun before is seen in a record, or its result has been sent.  KITH_OK: it was not begun.
 */
static kith_err
withdraw(struct kith_results *batch, struct kith_item key)
{
    struct kith__pool_objects *o = &batch->pool->objects;
    struct seen seen = { .batch = batch };
    kith_err err = kith_dict_set(o->cancels, key, kith_none());

    if (err == KITH_OK)
        err = kith_dict_each(o->workers, look_for_task, &seen);
    if (err == KITH_OK && !seen.begun) {
        bool done;

        err = kith__batch_catch_up(batch, &done);
        if (err == KITH_OK && !done)
            return KITH_OK;
    }
    return err < 0 ? err : KITH_ECONFLICT;
}

kith_err
kith_future_cancel(kith_future *future)
{
    struct kith_results *batch = batch_of(future);
    struct kith__task_key key;
    struct kith_item item;
    bool done;
    kith_err err = kith__batch_check(batch, "kith_future_cancel");

    if (err == KITH_OK)
        err = kith_future_done(future, &done);
    if (err < 0)
        return err;
    if (done)
        return kith__fail(KITH_ECONFLICT, "The task \"%s\" is done.", batch->task);
    key = (struct kith__task_key){ batch->pool->client, batch->first };
    item = kith_bytes(&key, sizeof(key));
    err = withdraw(batch, item);
    /* What cannot be taken back a worker has done: then it is cancelled all the same. */
    if (err == KITH_OK || kith_dict_delete(batch->pool->objects.cancels, item) == KITH_ENOENT)
        return KITH_OK;
    return err == KITH_ECONFLICT
               ? kith__fail(KITH_ECONFLICT, "The task \"%s\" was begun.", batch->task)
               : err;
}

kith_err
kith_future_death(kith_future *future, struct kith_death *death_out)
{
    struct kith_results *batch = batch_of(future);
    kith_err err = kith__batch_check(batch, "kith_future_death");

    if (err == KITH_OK && death_out == NULL)
        return kith__fail_null("kith_future_death");
    if (err == KITH_OK)
        err = kith__info_check("kith_future_death", death_out);
    return err < 0 ? err : kith__slot_death(&batch->slots[0], death_out);
}

void
kith_future_free(kith_future *future)
{
    kith__batch_free(batch_of(future));
}

/* ---- Watching ------------------------------------------------------------------------- */

static kith_err
watch(const char *function, struct kith_results *batch, void *tag)
{
    kith_err err = kith__batch_check(batch, function);

    if (err < 0)
        return err;
    if (tag == NULL)
        return kith__fail_null(function);
    kith__batch_watch(batch, tag);
    return KITH_OK;
}

kith_err
kith_future_watch(kith_future *future, void *tag)
{
    return watch("kith_future_watch", batch_of(future), tag);
}

kith_err
kith_results_watch(kith_results *results, void *tag)
{
    return watch("kith_results_watch", results, tag);
}

kith_err
kith_pool_arrived(kith_pool *pool, int64_t timeout_ns, void **tag_out, size_t *index_out)
{
    if (pool == NULL || tag_out == NULL || index_out == NULL)
        return kith__fail_null("kith_pool_arrived");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_pool_arrived", timeout_ns);
    return kith__pool_await_watched(pool, kith__deadline_ns(timeout_ns), tag_out, index_out);
}

/* ---- Many tasks ----------------------------------------------------------------------- */

static size_t
at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Tasks of a chunk, as long as nothing is known of them, or by what is. */
static size_t
choose_chunk(kith_pool *pool, const char *task, size_t count)
{
    size_t workers = (size_t)kith__pool_number(&pool->objects, "workers", 1);
    size_t share = count / (CHUNKS_PER_WORKER * (workers > 0 ? workers : 1)) + 1;
    int64_t task_ns;
    int64_t tasks_max = kith__pool_number(&pool->objects, "tasks_max", 0);

    /* A worker looks whether it is to be replaced between two chunks. */
    if (tasks_max > 0 && share > (uint64_t)tasks_max)
        share = (size_t)tasks_max;
    /* What is begun only once must not be lost for another's death. */
    if (kith__pool_number(&pool->objects, "attempts", KITH__POOL_ATTEMPTS) <= 1)
        return 1;
    pthread_mutex_lock(&pool->mutex);
    task_ns = strncmp(pool->task_name, task, sizeof(pool->task_name) - 1) == 0 ? pool->task_ns : 0;
    pthread_mutex_unlock(&pool->mutex);
    if (task_ns == 0)
        return at_most(share, CHUNK_UNKNOWN);
    return at_most(at_most(share, CHUNK_MAX), (size_t)(CHUNK_NS / task_ns) + 1);
}

/* Submits all: when nothing is known of the task, and `wait`, a few first, to see how long it
 * takes. */
static kith_err
submit_all(struct kith_results *batch, const struct kith_item *items, size_t arity, size_t chunk,
           bool wait, int64_t deadline_ns)
{
    kith_pool *pool = batch->pool;
    size_t probe = 0;
    kith_err err = KITH_OK;

    if (chunk == 0 && wait && batch->count > 0 && pool->task_name[0] == '\0') {
        probe = at_most(batch->count, (size_t)kith__pool_number(&pool->objects, "workers", 1));
        err = kith__batch_submit(batch, items, arity, 0, probe, 1, deadline_ns);
        if (err == KITH_OK)
            err = kith__batch_await(batch, 1, NULL, deadline_ns);
        if (err == KITH_ETIMEDOUT)
            err = KITH_OK; /* the rest is submitted all the same */
    }
    if (err < 0)
        return err;
    if (chunk == 0)
        chunk = choose_chunk(pool, batch->task, batch->count - probe);
    return kith__batch_submit(batch, items, arity, probe, batch->count, chunk, deadline_ns);
}

static kith_err
start_all(const char *function, kith_pool *pool, const char *task, const struct kith_item *items,
          size_t arity, size_t count, const struct kith_map_options *options, bool wait,
          bool unordered, int64_t deadline_ns, struct kith_results **batch_out)
{
    struct kith_map_options whole = KITH_MAP_OPTIONS_INIT;
    struct kith_results *batch;
    kith_err err = kith__options_copy(function, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (arity == 0 && count > 0)
        return kith__fail(KITH_EINVAL, "%s() was given tasks without items.", function);
    if (arity > 0 && count > SIZE_MAX / sizeof(struct kith_item) / arity)
        return kith__fail(KITH_EINVAL, "%s() was given more items than there is memory.", function);
    err = kith__batch_new(pool, task, count, unordered, &batch);
    if (err < 0)
        return err;
    err = submit_all(batch, items, arity, whole.chunk, wait, deadline_ns);
    if (err < 0) {
        kith__batch_free(batch);
        return err;
    }
    *batch_out = batch;
    return KITH_OK;
}

static kith_err
first_failure(struct kith_results *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->slots[i].code != KITH_OK)
            return kith__slot_outcome(batch, &batch->slots[i], NULL);
    return KITH_OK;
}

static kith_err
map(const char *function, kith_pool *pool, const char *task, const struct kith_item *items,
    size_t arity, size_t count, const struct kith_map_options *options, int64_t timeout_ns,
    kith_results **results_out)
{
    int64_t deadline_ns;
    struct kith_results *batch = NULL;
    kith_err err = check_call(function, pool, task, items, arity, count, results_out);

    if (err < 0)
        return err;
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout(function, timeout_ns);
    deadline_ns = kith__deadline_ns(timeout_ns);
    err = start_all(function, pool, task, items, arity, count, options, true, false, deadline_ns,
                    &batch);
    if (err < 0)
        return err;
    err = kith__batch_await(batch, count, NULL, deadline_ns);
    if (err == KITH_OK)
        err = first_failure(batch);
    if (err < 0) {
        kith__batch_free(batch);
        return err;
    }
    *results_out = batch;
    return KITH_OK;
}

kith_err
kith_pool_map(kith_pool *pool, const char *task, const struct kith_item *items, size_t count,
              const struct kith_map_options *options, int64_t timeout_ns,
              kith_results **results_out)
{
    return map("kith_pool_map", pool, task, items, 1, count, options, timeout_ns, results_out);
}

kith_err
kith_pool_starmap(kith_pool *pool, const char *task, const struct kith_item *items, size_t arity,
                  size_t count, const struct kith_map_options *options, int64_t timeout_ns,
                  kith_results **results_out)
{
    return map("kith_pool_starmap", pool, task, items, arity, count, options, timeout_ns,
               results_out);
}

kith_err
kith_pool_imap(kith_pool *pool, const char *task, const struct kith_item *items, size_t arity,
               size_t count, const struct kith_map_options *options, kith_results **results_out)
{
    kith_err err = check_call("kith_pool_imap", pool, task, items, arity, count, results_out);

    return err < 0 ? err
                   : start_all("kith_pool_imap", pool, task, items, arity, count, options, false,
                               false, KITH__NO_DEADLINE, results_out);
}

kith_err
kith_pool_imap_unordered(kith_pool *pool, const char *task, const struct kith_item *items,
                         size_t arity, size_t count, const struct kith_map_options *options,
                         kith_results **results_out)
{
    kith_err err =
        check_call("kith_pool_imap_unordered", pool, task, items, arity, count, results_out);

    return err < 0 ? err
                   : start_all("kith_pool_imap_unordered", pool, task, items, arity, count, options,
                               false, true, KITH__NO_DEADLINE, results_out);
}

kith_err
kith_results_next(kith_results *results, int64_t timeout_ns, size_t *index_out,
                  struct kith_item *item_out)
{
    int64_t deadline_ns = kith__deadline_ns(timeout_ns);
    kith_err err = kith__batch_check(results, "kith_results_next");
    size_t index;

    if (err < 0)
        return err;
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_results_next", timeout_ns);
    if (index_out != NULL)
        *index_out = SIZE_MAX;
    if (results->next == results->count)
        return kith__fail(KITH_EEMPTY, "All results of the task \"%s\" were given.", results->task);
    if (results->order != NULL)
        err = kith__batch_await(results, results->next + 1, NULL, deadline_ns);
    else
        err = kith__batch_await(results, 0, &results->slots[results->next], deadline_ns);
    if (err < 0)
        return err;
    index = results->order != NULL ? results->order[results->next] : results->next;
    results->next++;
    if (index_out != NULL)
        *index_out = index;
    return kith__slot_outcome(results, &results->slots[index], item_out);
}

static kith_err
check_index(const kith_results *results, size_t index, const char *function)
{
    kith_err err = kith__batch_check(results, function);

    if (err < 0)
        return err;
    if (index >= results->count)
        return kith__fail(KITH_EINVAL,
                          "There are %zu tasks, and the result of task %zu was asked "
                          "for.",
                          results->count, index);
    return KITH_OK;
}

kith_err
kith_results_get(kith_results *results, size_t index, struct kith_item *item_out)
{
    kith_err err = check_index(results, index, "kith_results_get");

    if (err == KITH_OK)
        err = kith__batch_await(results, 0, &results->slots[index], KITH__NO_WAIT);
    return err < 0 ? err : kith__slot_outcome(results, &results->slots[index], item_out);
}

kith_err
kith_results_death(kith_results *results, size_t index, struct kith_death *death_out)
{
    kith_err err = check_index(results, index, "kith_results_death");

    if (err == KITH_OK && death_out == NULL)
        return kith__fail_null("kith_results_death");
    if (err == KITH_OK)
        err = kith__info_check("kith_results_death", death_out);
    return err < 0 ? err : kith__slot_death(&results->slots[index], death_out);
}

void
kith_results_free(kith_results *results)
{
    kith__batch_free(results);
}
