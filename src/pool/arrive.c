/*
 * arrive.c - takes in the results that arrive at a client, and tells of them.
 *
 * Of a client's threads that wait, one takes in what arrives, for all of them; the others sleep
 * until something has arrived, or that one has what it waited for, and another of them takes its
 * place.
 */
#include <kith/inspect.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "object/handle.h"
#include "pool/client.h"

/* Between two looks at the keeper, and at whether the pool goes on. */
#define LOOK_NS (100 * KITH__NS_PER_MS)
/* As every wait: a signal that came between two sleeps is noticed after so long. */
#define NAP_NS KITH__NS_PER_S
/* A message of more bytes is not copied, but looked at where it is: while those are at most one in
 * VIEW_SHARE of the space's bytes, so that who keeps results does not keep others from room. */
#define COPIED_MAX 65536
#define VIEW_SHARE 4

void
kith__message_release(struct kith__message *message)
{
    if (message != NULL && --message->refs == 0) {
        if (message->view != NULL) {
            atomic_fetch_sub_explicit(&message->pool->viewed, message->size, memory_order_relaxed);
            kith_view_release(message->view);
        }
        kith__free(message);
    }
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
void
kith__batch_unwatch(struct kith_results *batch)
{
    kith_pool *pool = batch->pool;

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

    kith__client_enter(pool);
    if (batch->watched == NULL) {
        batch->watched = tag;
        pool->watched += batch->count;
        for (size_t i = 0; i < batch->count; i++)
            if (kith__slot_done(&batch->slots[i]))
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
        kith__unpack_int(&reader, &ns) && (batch = kith__batch_find(pool, id)) != NULL) {
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
            if (at < batch->count && !kith__slot_done(&batch->slots[at]))
                fill(batch, &batch->slots[at], code, start, (size_t)(reader.at - start), message);
        }
    }
    kith__message_release(message);
    return KITH_OK;
}

/* Locked: no result will come any more, since the pool has ended as `err` says. */
static void
fail_all(kith_pool *pool, kith_err err)
{
    for (size_t i = 0; i < pool->batch_count; i++) {
        struct kith_results *batch = pool->batches[i].batch;

        for (size_t j = 0; batch != NULL && j < batch->count; j++) {
            struct kith__slot *slot = &batch->slots[j];
            const char *sentence = err == KITH_ECLOSED
                                       ? "The pool has ended before the task was done."
                                       : "The pool cannot go on.";

            if (kith__slot_done(slot))
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

    if (slot != NULL && kith__slot_done(slot))
        return KITH_OK;
    kith__client_enter(pool);
    while (err == KITH_OK && (slot != NULL ? !kith__slot_done(slot) : batch->done < enough))
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

    kith__client_enter(pool);
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

    kith__client_enter(pool);
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

    kith__client_enter(pool);
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
