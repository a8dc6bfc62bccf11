/*
 * client.c - submits tasks, and takes in their results.
 *
 * Each process that submits is a client, with a queue of its own for results.  Of its threads that
 * wait, one takes in what arrives, for all of them; the others sleep until something has arrived,
 * or that one has what it waited for, and another of them takes its place.
 */
#include <errno.h>
#include <kith/inspect.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "base/item.h"
#include "base/pid.h"
#include "object/handle.h"
#include "pool/client.h"

/* Between two looks at the keeper, and at whether the pool goes on. */
#define LOOK_NS (100 * KITH__NS_PER_MS)
/* As every wait: a signal that came between two sleeps is noticed after so long. */
#define NAP_NS KITH__NS_PER_S
/* Chunks that are put into the queue at once, and bytes after which no further one joins them. */
#define MESSAGES_MAX 64
#define MESSAGES_SIZE_MAX 65536
/* A message of more bytes is not copied, but looked at where it is: while those are at most one in
 * VIEW_SHARE of the space's bytes, so that who keeps results does not keep others from room. */
#define COPIED_MAX 65536
#define VIEW_SHARE 4
/* Bytes that are submitted between two looks at how full the arena is. */
#define LOOK_SIZE ((size_t)1 << 20)
/* Between two tries to submit where the arena is full. */
#define FULL_NS KITH__NS_PER_MS
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
static void
enter(kith_pool *pool)
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
        struct kith_results **batches;

        for (size_t i = 0; i < pool->batch_count; i++)
            if (pool->batches[i] != NULL)
                pool->batches[kept++] = pool->batches[i];
        pool->batch_count = kept;
        if (kept > pool->batch_max / 2 || pool->batch_max == 0) {
            batches = kith__realloc(pool->batches, max * sizeof(struct kith_results *));
            if (batches == NULL)
                return kith__fail(KITH_ENOMEM, "This process has no memory left for a task.");
            pool->batches = batches;
            pool->batch_max = max;
        }
    }
    batch->first = pool->next_id;
    pool->next_id += (int64_t)batch->count;
    pool->batches[pool->batch_count++] = batch;
    return KITH_OK;
}

/* Locked: the place of the batch that has the task `id`, or of the last before it. */
static size_t
place_of(const kith_pool *pool, int64_t id)
{
    size_t low = 0, high = pool->batch_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2, there = middle;

        /* Those that were freed leave gaps. */
        while (there < high && pool->batches[there] == NULL)
            there++;
        if (there < high && pool->batches[there]->first <= id)
            low = there;
        else
            high = middle;
    }
    return low;
}

static struct kith_results *
find_batch(const kith_pool *pool, int64_t id)
{
    struct kith_results *batch;

    if (pool->batch_count == 0)
        return NULL;
    batch = pool->batches[place_of(pool, id)];
    return batch != NULL && id >= batch->first && id - batch->first < (int64_t)batch->count ? batch
                                                                                            : NULL;
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
    enter(pool);
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

static void
release_message(struct kith__message *message)
{
    if (message != NULL && --message->refs == 0) {
        if (message->view != NULL) {
            atomic_fetch_sub_explicit(&message->pool->viewed, message->size, memory_order_relaxed);
            kith_view_release(message->view);
        }
        kith__free(message);
    }
}

static bool
is_done(const struct kith__slot *slot)
{
    return atomic_load_explicit(&slot->done, memory_order_acquire);
}

/* ---- Watching ------------------------------------------------------------------------- */

/* Locked: a slot that is done is to be told. */
static void
tell(struct kith_results *batch, struct kith__slot *slot)
{
    kith_pool *pool = batch->pool;

    slot->arrived = NULL;
    if (batch->first_arrived != NULL) {
        batch->last_arrived->arrived = slot;
        batch->last_arrived = slot;
        return;
    }
    batch->first_arrived = batch->last_arrived = slot;
    batch->arrived = NULL;
    if (pool->first_arrived == NULL)
        pool->first_arrived = batch;
    else
        pool->last_arrived->arrived = batch;
    pool->last_arrived = batch;
}

/* Locked: takes a batch out of those that have slots to be told, if it is among them. */
static void
leave_arrivals(kith_pool *pool, struct kith_results *batch)
{
    struct kith_results *before = NULL, *at = pool->first_arrived;

    while (at != NULL && at != batch) {
        before = at;
        at = at->arrived;
    }
    if (at == NULL)
        return;
    if (before == NULL)
        pool->first_arrived = batch->arrived;
    else
        before->arrived = batch->arrived;
    if (pool->last_arrived == batch)
        pool->last_arrived = before;
}

/* Locked: it is freed, and nothing more is told of it. */
static void
unwatch(kith_pool *pool, struct kith_results *batch)
{
    if (batch->watched == NULL)
        return;
    leave_arrivals(pool, batch);
    pool->watched -= batch->count - batch->done;
    for (struct kith__slot *slot = batch->first_arrived; slot != NULL; slot = slot->arrived)
        pool->watched--;
}

void
kith__batch_watch(struct kith_results *batch, void *tag)
{
    kith_pool *pool = batch->pool;

    enter(pool);
    if (batch->watched == NULL) {
        batch->watched = tag;
        pool->watched += batch->count;
        for (size_t i = 0; i < batch->count; i++)
            if (is_done(&batch->slots[i]))
                tell(batch, &batch->slots[i]);
        /* Who waits for others may have taken in what is to be told now. */
        pthread_cond_broadcast(&pool->arrived);
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* Locked: the slot that is told now. */
static void
take_told(kith_pool *pool, void **tag_out, size_t *index_out)
{
    struct kith_results *batch = pool->first_arrived;
    struct kith__slot *slot = batch->first_arrived;

    *tag_out = batch->watched;
    *index_out = (size_t)(slot - batch->slots);
    batch->first_arrived = slot->arrived;
    if (batch->first_arrived == NULL)
        leave_arrivals(pool, batch);
    pool->watched--;
}

void
kith__batch_free(struct kith_results *batch)
{
    kith_pool *pool;

    if (batch == NULL)
        return;
    pool = batch->pool;
    if (batch->process == kith__pid()) {
        enter(pool);
        for (size_t i = 0; i < pool->batch_count; i++)
            if (pool->batches[i] == batch)
                pool->batches[i] = NULL;
        unwatch(pool, batch);
        pthread_mutex_unlock(&pool->mutex);
    }
    for (size_t i = 0; i < batch->count; i++) {
        kith__free(batch->slots[i].tag);
        release_message(batch->slots[i].message);
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

/* ---- Submitting ----------------------------------------------------------------------- */

static kith_err
check_items(const struct kith_item *items, size_t count)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < count && err == KITH_OK; i++)
        err = kith__item_check_fast(&items[i]);
    return err;
}

/* Writes tasks [from, to) as one message, behind those that are there. */
static kith_err
write_chunk(struct kith__packer *packer, const struct kith_results *batch,
            const struct kith_item *items, size_t arity, size_t from, size_t to)
{
    if ((to - from) > (UINT32_MAX - 4) / (arity > 0 ? arity : 1))
        return kith__fail(KITH_EINVAL, "%zu tasks of %zu items do not fit one chunk.", to - from,
                          arity);
    kith__pack_array(packer, (uint32_t)(4 + (to - from) * arity));
    kith__pack_int(packer, batch->pool->client);
    kith__pack_int(packer, batch->first + (int64_t)from);
    kith__pack_text(packer, batch->task);
    kith__pack_int(packer, (int64_t)arity);
    for (size_t i = from * arity; i < to * arity; i++)
        kith__pack_item(packer, items[i]);
    return packer->err;
}

/* Tasks that workers have, or may take: their end makes room. */
static uint64_t
count_tasks(kith_pool *pool)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    return kith_queue_info(pool->objects.tasks, &info) == KITH_OK ? info.ready + info.leased : 0;
}

/* There is less room than the space's size says, as where its file system is full. */
static void
view_no_more(kith_pool *pool)
{
    enter(pool);
    pool->view_room = 1;
    pthread_mutex_unlock(&pool->mutex);
}

/*
 * Waits until half of the tasks are done, and takes in what comes of them: room that is given away
 * as soon as there is some would leave none for results.
 */
static kith_err
await_room(kith_pool *pool, int64_t deadline_ns)
{
    struct timespec nap = { 0, FULL_NS };
    uint64_t enough = count_tasks(pool) / 2;
    kith_err err = KITH_OK;

    do {
        nanosleep(&nap, NULL);
        kith__client_drain(pool);
        if (kith__deadline_left(deadline_ns) <= 0)
            return kith__fail(KITH_ETIMEDOUT,
                              "The arena had no room for all tasks of the pool "
                              "\"%s\" in the time given.",
                              pool->objects.name);
        if (kith__interrupted())
            return kith__fail(KITH_EINTERRUPTED, "Room for tasks was waited for until a signal "
                                                 "came.");
        err = kith__pool_look_after(pool);
    } while (err == KITH_OK && count_tasks(pool) > enough);
    return err;
}

/* Whether half of the space is used; looked at once in LOOK_SIZE bytes that are put. */
static bool
is_half_full(kith_pool *pool, const struct kith_item *messages, size_t count)
{
    struct kith_stat stat = KITH_STAT_INIT;
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += messages[i].size;
    if (atomic_fetch_add_explicit(&pool->put_size, size, memory_order_relaxed) + size < LOOK_SIZE)
        return false;
    atomic_store_explicit(&pool->put_size, 0, memory_order_relaxed);
    return kith_stat(pool->objects.space, &stat) == KITH_OK &&
           stat.bytes_used + size > stat.size_limit / 2;
}

/* Puts all, waiting for room as long as there may be some. */
static kith_err
put_messages(kith_pool *pool, const struct kith_item *messages, size_t count, int64_t deadline_ns)
{
    bool hope = true;
    kith_err err = KITH_OK;

    /* Results need room, too, and there may be none left once there is none for tasks. */
    if (deadline_ns != KITH__NO_WAIT && is_half_full(pool, messages, count) &&
        count_tasks(pool) > 0)
        err = await_room(pool, deadline_ns);
    if (err < 0)
        return err;
    for (;;) {
        size_t put = 0;

        err = kith_queue_put_many(pool->objects.tasks, messages, count, 0, &put);
        messages += put;
        count -= put;
        if (err != KITH_ENOMEM || !hope)
            return err;
        view_no_more(pool);
        kith__client_drain(pool);
        /* Without hope it is tried once more, for what was taken in may have been all. */
        hope = deadline_ns != KITH__NO_WAIT && count_tasks(pool) > 0;
        err = hope ? await_room(pool, deadline_ns) : KITH_OK;
        if (err < 0)
            return err;
    }
}

/* Writes up to MESSAGES_MAX chunks of tasks [*from, to), and puts them all at once. */
static kith_err
put_some(struct kith__packer *packer, const struct kith_results *batch,
         const struct kith_item *items, size_t arity, size_t *from, size_t to, size_t chunk,
         int64_t deadline_ns)
{
    struct kith_item messages[MESSAGES_MAX];
    size_t count = 0, start = 0;

    packer->size = 0;
    for (; count < MESSAGES_MAX && *from < to && packer->size < MESSAGES_SIZE_MAX; count++) {
        size_t end = to - *from < chunk ? to : *from + chunk;
        kith_err err = write_chunk(packer, batch, items, arity, *from, end);

        if (err < 0)
            return err;
        *from = end;
        messages[count] = kith__packed(packer);
        messages[count].size -= start;
        start = packer->size;
    }
    /* The bytes have moved while they grew. */
    start = 0;
    for (size_t i = 0; i < count; i++) {
        messages[i].data = packer->data + start;
        start += messages[i].size;
    }
    return put_messages(batch->pool, messages, count, deadline_ns);
}

kith_err
kith__batch_submit(struct kith_results *batch, const struct kith_item *items, size_t arity,
                   size_t from, size_t to, size_t chunk, int64_t deadline_ns)
{
    struct kith__packer packer = { .data = NULL };
    kith_err err = check_items(items + from * arity, (to - from) * arity);

    while (err == KITH_OK && from < to)
        err =
            put_some(&packer, batch, items, arity, &from, to, arity == 0 ? 1 : chunk, deadline_ns);
    kith__free(packer.data);
    if (err == KITH_ECLOSED || err == KITH_EGONE)
        return kith__fail(KITH_ECLOSED, "The pool \"%s\" takes no more tasks: it was closed.",
                          batch->pool->objects.name);
    return err;
}

/* ---- Taking in ------------------------------------------------------------------------ */

static void
finish(struct kith_results *batch, struct kith__slot *slot)
{
    atomic_store_explicit(&slot->done, true, memory_order_release);
    if (batch->order != NULL)
        batch->order[batch->done] = (size_t)(slot - batch->slots);
    batch->done++;
    if (batch->watched != NULL)
        tell(batch, slot);
}

/* What is told of a task whose workers died; false if it is not that. */
static bool
read_death(struct kith_item payload, struct kith_death *death)
{
    struct kith__pack_reader reader = kith__pack_reader(payload.data, payload.size);
    int64_t pid, signal, attempts;
    uint32_t count;

    if (payload.type != KITH_TYPE_PACKED || !kith__unpack_array(&reader, &count) || count != 3 ||
        !kith__unpack_int(&reader, &pid) || !kith__unpack_int(&reader, &signal) ||
        !kith__unpack_int(&reader, &attempts))
        return false;
    *death = (struct kith_death){ .struct_size = sizeof(*death),
                                  .pid = pid,
                                  .signal = (int)signal,
                                  .attempts = (uint32_t)attempts };
    return true;
}

/* Fills a slot by what arrived: the bytes at `at`, which are one value. */
static void
fill(struct kith_results *batch, struct kith__slot *slot, int64_t code, const uint8_t *at,
     size_t size, struct kith__message *message)
{
    /* Bytes may be anybody's: no code but a negative one is a failure. */
    slot->code = code < 0 && code >= KITH_ESYSTEM ? (kith_err)code
                 : code == 0                      ? KITH_OK
                                                  : KITH_ECORRUPT;
    slot->at = at;
    slot->size = size;
    slot->message = message;
    message->refs++;
    finish(batch, slot);
}

/* Locked: whether a message of that size may stay in the arena. */
static bool
may_be_viewed(kith_pool *pool, size_t size)
{
    struct kith_stat stat = KITH_STAT_INIT;

    if (size <= COPIED_MAX)
        return false;
    if (pool->view_room == 0)
        pool->view_room =
            kith_stat(pool->objects.space, &stat) == KITH_OK ? stat.size_limit / VIEW_SHARE : 1;
    return atomic_load_explicit(&pool->viewed, memory_order_relaxed) + size <= pool->view_room;
}

/* Locked: keeps a message, whose item is from now on at *item; NULL: it was released. */
static struct kith__message *
keep_message(kith_pool *pool, kith_view *view, struct kith_item *item)
{
    bool viewed = may_be_viewed(pool, item->size);
    struct kith__message *message = kith__malloc(sizeof(*message) + (viewed ? 0 : item->size));

    if (message == NULL) {
        kith_view_release(view);
        return NULL;
    }
    *message = (struct kith__message){ .view = view, .pool = pool, .size = item->size, .refs = 1 };
    if (viewed) {
        atomic_fetch_add_explicit(&pool->viewed, item->size, memory_order_relaxed);
        return message;
    }
    message->view = NULL;
    if (item->size > 0)
        memcpy(message + 1, item->data, item->size);
    item->data = message + 1;
    kith_view_release(view);
    return message;
}

/* Locked: what one message says, for the batch that it is of, if that is still there. */
static kith_err
take_apart(kith_pool *pool, kith_view *view)
{
    struct kith_item item = kith_view_item(view);
    struct kith__pack_reader reader;
    struct kith__message *message;
    struct kith_results *batch;
    int64_t id = 0, pid, ns = 0, index, code;
    uint32_t count = 0;

    if (item.type == KITH_TYPE_INT) {
        if (item.integer > pool->marks_seen && item.integer <= pool->marks_put)
            pool->marks_seen = item.integer;
        kith_view_release(view);
        return KITH_OK;
    }
    message = keep_message(pool, view, &item);
    if (message == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a result.");
    reader = kith__pack_reader(item.data, item.size);
    if (item.type == KITH_TYPE_PACKED && kith__unpack_array(&reader, &count) && count >= 3 &&
        kith__unpack_int(&reader, &id) && kith__unpack_int(&reader, &pid) &&
        kith__unpack_int(&reader, &ns) && (batch = find_batch(pool, id)) != NULL) {
        uint32_t left = (count - 3) / 3;

        if (left > 0) {
            pool->task_ns = ns / left;
            if (strncmp(pool->task_name, batch->task, sizeof(pool->task_name) - 1) != 0)
                (void)snprintf(pool->task_name, sizeof(pool->task_name), "%s", batch->task);
        }
        for (; left > 0; left--) {
            struct kith_item payload;
            kith__tag tag;
            const uint8_t *start;
            uint64_t at;

            if (!kith__unpack_int(&reader, &index) || !kith__unpack_int(&reader, &code))
                break;
            start = reader.at;
            if (!kith__unpack_item(&reader, &payload, tag))
                break;
            at = (uint64_t)(id - batch->first) + (uint64_t)index;
            /* One may come twice: see worker.c. */
            if (at < batch->count && !is_done(&batch->slots[at]))
                fill(batch, &batch->slots[at], code, start, (size_t)(reader.at - start), message);
        }
    }
    release_message(message);
    return KITH_OK;
}

/* Locked: no result will come any more, since the pool has ended as `err` says. */
static void
fail_all(kith_pool *pool, kith_err err)
{
    for (size_t i = 0; i < pool->batch_count; i++) {
        struct kith_results *batch = pool->batches[i];

        for (size_t j = 0; batch != NULL && j < batch->count; j++) {
            struct kith__slot *slot = &batch->slots[j];
            const char *sentence = err == KITH_ECLOSED
                                       ? "The pool has ended before the task was done."
                                       : "The pool cannot go on.";

            if (is_done(slot))
                continue;
            slot->code = err;
            slot->at = (const uint8_t *)sentence;
            slot->size = strlen(sentence);
            finish(batch, slot);
        }
    }
}

/* Unlocked, by the one who takes: waits for a message, and gives it out. */
static kith_err
await_message(kith_pool *pool, int64_t left_ns, kith_view **view_out)
{
    kith_err err =
        kith_queue_get_view(pool->results, left_ns < LOOK_NS ? left_ns : LOOK_NS, view_out);

    if (err == KITH_EEMPTY)
        err = KITH_ETIMEDOUT;
    return err == KITH_EGONE ? KITH_ECLOSED : err;
}

/*
 * Locked, and so again at the end: takes in one message or none.  KITH_ETIMEDOUT: none came yet.
 */
static kith_err
take_in(kith_pool *pool, int64_t left_ns)
{
    kith_view *view = NULL;
    kith_err err, going = KITH_OK;

    pool->taking = true;
    pthread_mutex_unlock(&pool->mutex);
    err = await_message(pool, left_ns, &view);
    if (err == KITH_ETIMEDOUT) {
        going = kith__pool_look_after(pool);
        /* What had been sent before the end is taken first. */
        if (going < 0 && kith_queue_get_view(pool->results, 0, &view) == KITH_OK)
            err = KITH_OK;
    } else if (err == KITH_ECLOSED) {
        going = err;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->taking = false;
    if (err == KITH_OK) {
        err = take_apart(pool, view);
    } else if (going == KITH_ECLOSED || going == KITH_EUNAVAILABLE) {
        fail_all(pool, going);
        err = KITH_OK;
    } else if (going < 0) {
        err = going;
    }
    pthread_cond_broadcast(&pool->arrived);
    return err;
}

/* Locked: sleeps until the one who takes has something, or is at its end. */
static kith_err
sleep_beside(kith_pool *pool, int64_t left_ns)
{
    struct timespec until;

    if (left_ns > NAP_NS)
        left_ns = NAP_NS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ns / KITH__NS_PER_S;
    until.tv_nsec += left_ns % KITH__NS_PER_S;
    if (until.tv_nsec >= KITH__NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= KITH__NS_PER_S;
    }
    (void)pthread_cond_timedwait(&pool->arrived, &pool->mutex, &until);
    pthread_mutex_unlock(&pool->mutex);
    if (kith__interrupted()) {
        pthread_mutex_lock(&pool->mutex);
        return kith__fail(KITH_EINTERRUPTED, "A result was waited for until a signal came.");
    }
    pthread_mutex_lock(&pool->mutex);
    return KITH_OK;
}

/* Locked: takes in what arrives, or sleeps beside the one who does, once. */
static kith_err
await_once(kith_pool *pool, int64_t deadline_ns)
{
    int64_t left_ns = kith__deadline_left(deadline_ns);
    kith_err err;

    if (pool->taking)
        return left_ns <= 0 ? KITH_ETIMEDOUT : sleep_beside(pool, left_ns);
    err = take_in(pool, left_ns);
    return err == KITH_ETIMEDOUT && left_ns > 0 ? KITH_OK : err;
}

kith_err
kith__batch_await(struct kith_results *batch, size_t enough, const struct kith__slot *slot,
                  int64_t deadline_ns)
{
    kith_pool *pool = batch->pool;
    kith_err err = KITH_OK;

    if (slot != NULL && is_done(slot))
        return KITH_OK;
    enter(pool);
    while (err == KITH_OK && (slot != NULL ? !is_done(slot) : batch->done < enough))
        err = await_once(pool, deadline_ns);
    pthread_mutex_unlock(&pool->mutex);
    if (err == KITH_ETIMEDOUT)
        return kith__fail(err, "The result of the task \"%s\" did not come in the time given.",
                          batch->task);
    return err;
}

/* Locked: whether there is something to take in. */
static bool
has_arrived(kith_pool *pool)
{
    uint64_t count = 0;

    return pool->client > 0 && kith_queue_len(pool->results, &count) == KITH_OK && count > 0;
}

void
kith__client_drain(kith_pool *pool)
{
    kith_err err = KITH_OK;

    enter(pool);
    /* Only as long as there is: of a pool that has ended await_once() has always something to say.
     */
    while (err == KITH_OK && !pool->taking && has_arrived(pool))
        err = await_once(pool, KITH__NO_WAIT);
    pthread_mutex_unlock(&pool->mutex);
}

/*
 * Another thread may have a message in hand that is in no queue any more.  So this puts a mark
 * behind all that was sent, and waits until that was taken in, as it is at once.
 */
kith_err
kith__batch_catch_up(struct kith_results *batch, bool *done_out)
{
    kith_pool *pool = batch->pool;
    const struct kith__slot *slot = &batch->slots[0];
    int64_t mark;
    kith_err err;

    enter(pool);
    mark = ++pool->marks_put;
    err = kith_queue_put(pool->results, kith_int(mark), 0);
    while (err == KITH_OK && !slot->done && pool->marks_seen < mark)
        err = await_once(pool, KITH__NO_DEADLINE);
    *done_out = slot->done;
    pthread_mutex_unlock(&pool->mutex);
    return err;
}

kith_err
kith__pool_await_watched(kith_pool *pool, int64_t deadline_ns, void **tag_out, size_t *index_out)
{
    kith_err err = KITH_OK;

    enter(pool);
    while (err == KITH_OK && pool->first_arrived == NULL)
        err = pool->watched == 0
                  ? kith__fail(KITH_EEMPTY, "No task that is watched is still to be done.")
                  : await_once(pool, deadline_ns);
    if (err == KITH_OK)
        take_told(pool, tag_out, index_out);
    pthread_mutex_unlock(&pool->mutex);
    if (err == KITH_ETIMEDOUT)
        return kith__fail(err, "No task that is watched was done in the time given.");
    return err;
}

/* ---- Outcomes ------------------------------------------------------------------------- */

/* What stands at the slot; false: for want of memory it cannot be told. */
static bool
read_slot(struct kith__slot *slot, struct kith_item *item_out)
{
    struct kith__pack_reader reader = kith__pack_reader(slot->at, slot->size);
    kith__tag tag;

    if (slot->message == NULL) {
        *item_out =
            (struct kith_item){ .type = KITH_TYPE_STR, .data = slot->at, .size = slot->size };
        return true;
    }
    (void)kith__unpack_item(&reader, item_out, tag); /* as when it came */
    if (item_out->type != KITH_TYPE_FOREIGN)
        return true;
    if (slot->tag == NULL) {
        slot->tag = kith__malloc(strlen(tag) + 1);
        if (slot->tag == NULL)
            return false;
        memcpy(slot->tag, tag, strlen(tag) + 1);
    }
    item_out->tag = slot->tag;
    return true;
}

kith_err
kith__slot_outcome(const struct kith_results *batch, struct kith__slot *slot,
                   struct kith_item *item_out)
{
    size_t index = (size_t)(slot - batch->slots);
    struct kith_item item = { .type = KITH_TYPE_NONE };
    struct kith_death death;

    if (slot->code == KITH_OK && item_out == NULL)
        return KITH_OK;
    if (!read_slot(slot, &item))
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a result.");
    if (slot->code == KITH_OK) {
        *item_out = item;
        return KITH_OK;
    }
    if (slot->code == KITH_EUNAVAILABLE && read_death(item, &death))
        return kith__fail(slot->code,
                          "The task %zu, \"%s\", was begun %u times, and each time its worker "
                          "died; the last was process %lld, by signal %d.",
                          index, batch->task, (unsigned)death.attempts, (long long)death.pid,
                          death.signal);
    if (item.type != KITH_TYPE_STR || !kith__utf8_ok(item.data, item.size))
        return kith__fail(slot->code, "The task %zu, \"%s\", failed: %s.", index, batch->task,
                          kith_strerror(slot->code));
    return kith__fail(slot->code, "The task %zu, \"%s\", failed: %.*s", index, batch->task,
                      item.size < KITH__SENTENCE_SIZE_MAX ? (int)item.size
                                                          : KITH__SENTENCE_SIZE_MAX,
                      (const char *)item.data);
}

kith_err
kith__slot_death(struct kith__slot *slot, struct kith_death *death_out)
{
    struct kith_death death;
    struct kith_item item;

    if (!is_done(slot) || slot->code != KITH_EUNAVAILABLE || !read_slot(slot, &item) ||
        !read_death(item, &death))
        return kith__fail(KITH_ENOENT, "The task did not fail by deaths of its workers.");
    kith__info_copy(&death, death_out, sizeof(death));
    return KITH_OK;
}
