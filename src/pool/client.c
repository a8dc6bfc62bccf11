/*
 * client.c - a process as a client of a pool, and the batches of tasks that it has.
 *
 * Each process that submits is a client, with a queue of its own for results.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/pid.h"
#include "object/handle.h"
#include "pool/client.h"

/* Tasks of one call: as many as their indexes have bits. */
#define TASKS_MAX ((size_t)INT32_MAX)

void
kith__client_init(kith_pool *pool)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&pool->replaced, NULL);
    pool->replacing = false;
    pool->taking = false;
    pool->client = 0;
    pool->results = NULL;
    pool->permit = NULL;
    pool->batches = NULL;
    pool->batch_count = pool->batch_max = 0;
    pool->first_arrived = pool->last_arrived = NULL;
    pool->watched = 0;
    pool->view_room = 0;
    pool->marks_put = pool->marks_seen = 0;
}

void
kith__client_fini(kith_pool *pool)
{
    if (pool->client > 0 && pool->process == kith__pid())
        kith__pool_remove_client(&pool->objects, pool->life, pool->client);
    kith_semaphore_close(pool->permit);
    kith_queue_close(pool->results);
    kith__free(pool->batches);
    pthread_cond_destroy(&pool->arrived);
    pthread_cond_destroy(&pool->replaced);
    pthread_mutex_destroy(&pool->mutex);
}

/*
 * Locks the client.  A forked child becomes one of its own: what its parent waits for is its
 * parent's, and the mutex may have been some other thread's.
 */
void
kith__client_enter(kith_pool *pool)
{
    if (pool->process != kith__pid()) {
        pool->process = kith__pid();
        pool->is_starter = false;
        kith__client_init(pool);
    }
    pthread_mutex_lock(&pool->mutex);
}

/*
 * Locked: takes the permit of the client, and only then makes it known: so whoever finds one that
 * is known, and its permit free, knows that it has died.
 */
static kith_err
take_permit(kith_pool *pool, int64_t life, int64_t client)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith__pool_part name;
    kith_err err;

    options.create = KITH_MUST_CREATE;
    options.value = 1;
    options.bounded = true;
    kith__pool_client_name(pool->objects.name, life, client, name);
    err = kith_semaphore_open(pool->objects.space, name, &options, &pool->permit);
    if (err == KITH_OK)
        err = kith_semaphore_acquire(pool->permit, 0);
    if (err == KITH_OK)
        err = kith_dict_set(pool->objects.state, kith_int(client), kith_none());
    return err;
}

/* Locked: makes the queue for this process's results, if there is none yet. */
static kith_err
become_client(kith_pool *pool)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith__pool_part name;
    int64_t client, life;
    kith_err err;

    if (pool->client > 0)
        return KITH_OK;
    kith__pool_reap_clients(&pool->objects);
    /* Once the pool is removed the handle on its state says so: another's life is not read. */
    life = kith__pool_number(&pool->objects, "life", 0);
    err = kith_dict_add(pool->objects.state, KITH_STR("clients"), 1, &client);
    if (err < 0)
        return err;
    if (client < 0)
        return KITH_EGONE; /* it is being removed */
    err = take_permit(pool, life, client);
    options.create = KITH_MUST_CREATE;
    kith__pool_results_name(pool->objects.name, life, client, name);
    if (err == KITH_OK)
        err = kith_queue_open(pool->objects.space, name, &options, &pool->results);
    /* Who removes the pool may have passed by before the queue was there. */
    if (err == KITH_OK && kith__pool_number(&pool->objects, "clients", -1) < 0) {
        kith_queue_close(pool->results);
        pool->results = NULL;
        err = KITH_EGONE;
    }
    if (err < 0) {
        kith_semaphore_close(pool->permit);
        pool->permit = NULL;
        kith__pool_remove_client(&pool->objects, life, client);
        return err;
    }
    pool->client = client;
    pool->life = life;
    return KITH_OK;
}

/* ---- Batches -------------------------------------------------------------------------- */

/* Locked: gives the batch its numbers, and a place among those that wait. */
static kith_err
enrol(kith_pool *pool, struct kith_results *batch)
{
    if (pool->batch_count == pool->batch_max) {
        size_t max = pool->batch_max < 16 ? 16 : 2 * pool->batch_max, kept = 0;
        struct kith__enrolled *batches;

        for (size_t i = 0; i < pool->batch_count; i++)
            if (pool->batches[i].batch != NULL)
                pool->batches[kept++] = pool->batches[i];
        pool->batch_count = kept;
        if (kept > pool->batch_max / 2 || pool->batch_max == 0) {
            batches = kith__realloc(pool->batches, max * sizeof(*batches));
            if (batches == NULL)
                return kith__fail(KITH_ENOMEM, "This process has no memory left for a task.");
            pool->batches = batches;
            pool->batch_max = max;
        }
    }
    batch->first = pool->next_id;
    pool->next_id += (int64_t)batch->count;
    pool->batches[pool->batch_count++] = (struct kith__enrolled){ batch->first, batch };
    return KITH_OK;
}

/* Locked: the place of the batch that has the task `id`, which may be freed, or of the last before.
 */
static size_t
place_of(const kith_pool *pool, int64_t id)
{
    size_t low = 0, high = pool->batch_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (pool->batches[middle].first <= id)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct kith_results *
kith__batch_find(const kith_pool *pool, int64_t id)
{
    struct kith_results *batch;

    if (pool->batch_count == 0)
        return NULL;
    batch = pool->batches[place_of(pool, id)].batch;
    return batch != NULL && id >= batch->first && id - batch->first < (int64_t)batch->count ? batch
                                                                                            : NULL;
}

/* Locked: nothing is taken in for it any more.  One of no tasks has its number from the next. */
static void
strike_off(kith_pool *pool, const struct kith_results *batch)
{
    size_t at = pool->batch_count > 0 ? place_of(pool, batch->first) : 0;

    while (at > 0 && pool->batches[at].batch != batch &&
           pool->batches[at - 1].first == batch->first)
        at--;
    if (at < pool->batch_count && pool->batches[at].batch == batch)
        pool->batches[at].batch = NULL;
}

kith_err
kith__batch_new(kith_pool *pool, const char *task, size_t count, bool unordered,
                struct kith_results **batch_out)
{
    struct kith_results *batch;
    kith_err err;

    if (count > TASKS_MAX)
        return kith__fail(KITH_EINVAL, "%zu tasks are more than one call submits.", count);
    batch = kith__calloc(1, sizeof(*batch) + count * sizeof(struct kith__slot));
    if (batch != NULL)
        batch->task = kith__malloc(strlen(task) + 1);
    if (batch != NULL && unordered)
        batch->order = kith__calloc(count > 0 ? count : 1, sizeof(*batch->order));
    if (batch == NULL || batch->task == NULL || (unordered && batch->order == NULL)) {
        if (batch != NULL)
            kith__free(batch->task);
        kith__free(batch);
        return kith__fail(KITH_ENOMEM, "This process has no memory left for %zu tasks.", count);
    }
    memcpy(batch->task, task, strlen(task) + 1);
    batch->pool = pool;
    batch->count = count;
    kith__client_enter(pool);
    batch->process = pool->process;
    err = become_client(pool);
    if (err == KITH_OK)
        err = enrol(pool, batch);
    pthread_mutex_unlock(&pool->mutex);
    if (err < 0) {
        kith__free(batch->order);
        kith__free(batch->task);
        kith__free(batch);
        return err == KITH_EGONE
                   ? kith__fail(KITH_ECLOSED, "The pool \"%s\" has ended.", pool->objects.name)
                   : err;
    }
    kith__pool_hold(pool);
    *batch_out = batch;
    return KITH_OK;
}

void
kith__batch_free(struct kith_results *batch)
{
    kith_pool *pool;

    if (batch == NULL)
        return;
    pool = batch->pool;
    if (batch->process == kith__pid()) {
        kith__client_enter(pool);
        strike_off(pool, batch);
        kith__batch_unwatch(batch);
        pthread_mutex_unlock(&pool->mutex);
    }
    for (size_t i = 0; i < batch->count; i++) {
        kith__free(batch->slots[i].tag);
        kith__message_release(batch->slots[i].message);
    }
    kith__free(batch->order);
    kith__free(batch->task);
    kith__free(batch);
    kith__pool_release(pool);
}

kith_err
kith__batch_check(const struct kith_results *batch, const char *function)
{
    if (batch == NULL)
        return kith__fail_null(function);
    if (batch->process != kith__pid())
        return kith__fail(KITH_EPERM, "The results of tasks that a parent has submitted are its "
                                      "own.");
    return KITH_OK;
}
