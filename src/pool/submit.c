/*
 * submit.c - tasks into the queue of a pool, as many as there is room for.
 */
#include <kith/inspect.h>
#include <time.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "base/item.h"
#include "object/handle.h"
#include "pool/client.h"

/* Chunks that are put into the queue at once, and bytes after which no further one joins them. */
#define MESSAGES_MAX 64
#define MESSAGES_SIZE_MAX 65536
/* Bytes that are submitted between two looks at how full the arena is. */
#define LOOK_SIZE ((size_t)1 << 20)
/* Between two tries to submit where the arena is full. */
#define FULL_NS KITH__NS_PER_MS

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
    kith__client_enter(pool);
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
