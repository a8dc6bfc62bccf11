/*
 * send.c - a worker sends what came of its tasks.
 */
#include <kith/inspect.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "object/handle.h"
#include "pool/work.h"

/* Between two tries to send where the arena is full. */
#define FULL_NS (10 * KITH__NS_PER_MS)
/* How long a result waits for room where its client has none to take in: others may make some. */
#define PATIENCE_NS KITH__NS_PER_S
/* Bytes in which a message says how long it took, see kith__message_begin(). */
#define NS_SIZE 9

void
kith__message_begin(struct kith__worker *w, const struct kith__job *job)
{
    w->out.size = 0;
    w->out.err = KITH_OK;
    w->result_count = 0;
    kith__pack_array(&w->out, 0);
    kith__pack_int(&w->out, job->id);
    kith__pack_int(&w->out, w->record.pid);
    w->ns_at = w->out.size;
    (void)kith__pack_room(&w->out, NS_SIZE);
}

/* Writes big-endian over what was left open. */
static void
patch(uint8_t *at, uint64_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(number >> 8 * (width - 1 - i));
}

kith_err
kith__message_end(struct kith__worker *w)
{
    if (w->out.err < 0)
        return w->out.err;
    patch(w->out.data + 1, 3 + 3 * (uint64_t)w->result_count, 4);
    w->out.data[w->ns_at] = 0xd3;
    patch(w->out.data + w->ns_at + 1, (uint64_t)(kith__now_ns() - w->began_ns), 8);
    return KITH_OK;
}

void
kith__message_add(struct kith__worker *w, uint32_t index, kith_err code, struct kith_item payload)
{
    kith__pack_int(&w->out, index);
    kith__pack_int(&w->out, code);
    kith__pack_item(&w->out, payload);
    w->result_count++;
}

void
kith__message_add_death(struct kith__worker *w, uint32_t index, const struct kith__record *dead,
                        int64_t attempts)
{
    kith__pack_int(&w->out, index);
    kith__pack_int(&w->out, KITH_EUNAVAILABLE);
    kith__pack_array(&w->out, 3);
    kith__pack_int(&w->out, dead->pid);
    kith__pack_int(&w->out, dead->signal);
    kith__pack_int(&w->out, attempts);
    w->result_count++;
}

/* Opens the queue of the client's results; KITH_ENOENT: the client is gone. */
kith_err
kith__message_find(struct kith__worker *w, int64_t client)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith__pool_part name;

    if (w->results != NULL && w->client == client)
        return KITH_OK;
    kith_queue_close(w->results);
    w->results = NULL;
    options.create = KITH_MUST_EXIST;
    kith__pool_results_name(w->o->name, kith__pool_number(w->o, "life", 0), client, name);
    w->client = client;
    return kith_queue_open(w->o->space, name, &options, &w->results);
}

static void
forget_results(struct kith__worker *w)
{
    kith_queue_close(w->results);
    w->results = NULL;
}

kith_err
kith__job_done(struct kith__job *job)
{
    kith_lease *lease = job->lease;

    job->lease = NULL;
    return lease == NULL ? KITH_OK : kith_lease_ack(lease);
}

/* Puts the message and acknowledges the chunk; with a dict only if it has the key, which goes. */
static kith_err
put_last(struct kith__worker *w, struct kith__job *job, kith_dict *dict,
         const struct kith_item *key)
{
    kith_txn *txn;
    kith_err err = kith_txn_begin(w->o->space, &txn);

    if (err < 0)
        return err;
    if (dict != NULL)
        err = kith_txn_if_present(txn, dict, *key);
    if (dict != NULL && err == KITH_OK)
        err = kith_txn_dict_delete(txn, dict, *key);
    if (err == KITH_OK)
        err = kith_txn_queue_put(txn, w->results, kith__packed(&w->out));
    if (err == KITH_OK)
        err = kith_txn_lease_ack(txn, job->lease);
    if (err < 0) {
        kith_txn_discard(txn);
        return err;
    }
    err = kith_txn_commit(txn);
    if (err == KITH_OK)
        job->lease = NULL;
    return err;
}

static kith_err
put_message(struct kith__worker *w, struct kith__job *job, bool last)
{
    return last ? put_last(w, job, NULL, NULL)
                : kith_queue_put(w->results, kith__packed(&w->out), 0);
}

static bool
has_no_room(kith_err err)
{
    return err == KITH_ENOMEM || err == KITH_ETOOBIG || err == KITH_EFULL;
}

/* Opens the reserve, if that was not done; false: there is none. */
static bool
open_reserve(struct kith__worker *w)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith__pool_part part;

    if (w->reserve != NULL)
        return true;
    options.create = KITH_MUST_EXIST;
    kith__pool_part_name(w->o->name, "reserve", part);
    return kith_queue_open(w->o->space, part, &options, &w->reserve) == KITH_OK;
}

void
kith__refill_reserve(struct kith__worker *w)
{
    if (w->was_full && open_reserve(w))
        w->was_full = !kith__pool_reserve_fill(w->reserve);
}

/*
 * Where the arena is full: gives up some of the reserve, or, if that is used up, waits a moment.
 * An error if the pool does not go on.
 */
static kith_err
wait_for_room(struct kith__worker *w)
{
    struct timespec nap = { 0, FULL_NS };
    struct kith_buf buf = KITH_BUF_INIT;
    kith_err err = kith__pool_going(w->o);

    if (err < 0)
        return err;
    w->was_full = true;
    if (!open_reserve(w) || kith_queue_get(w->reserve, 0, &buf) < 0) {
        /* Nobody takes in what was sent to one that was killed. */
        kith__pool_reap_clients(w->o);
        nanosleep(&nap, NULL);
    }
    kith_buf_free(&buf);
    return KITH_OK;
}

/* Whether the message is larger than the space can ever be. */
static bool
fits_never(struct kith__worker *w)
{
    struct kith_stat stat = KITH_STAT_INIT;

    if (w->space_size == 0)
        w->space_size = kith_stat(w->o->space, &stat) == KITH_OK ? stat.size_limit : UINT64_MAX;
    return w->out.size >= w->space_size;
}

/* Whether the client has results to take in, which makes room: an error of the queue is told
 * by the next put. */
static bool
has_unread(struct kith__worker *w)
{
    uint64_t count = 0;

    return kith_queue_len(w->results, &count) == KITH_OK && count > 0;
}

/*
 * Sends a message with the result of one task.  Where there is no room it waits for the client to
 * take in what it has; what has no room even so fails, and that is sent in its place.
 */
static kith_err
send_one(struct kith__worker *w, struct kith__job *job, uint32_t index, bool last)
{
    int64_t until_ns = kith__deadline_after(PATIENCE_NS);
    bool refused = false;
    kith_err err, going;

    for (;;) {
        err = put_message(w, job, last);
        if (!has_no_room(err))
            return err;
        if (!refused && (err == KITH_ETOOBIG || fits_never(w) || kith__now_ns() > until_ns)) {
            refused = true;
            kith__message_begin(w, job);
            kith__message_add(w, index, err,
                              KITH_STR("The result does not fit into the space, which is full."));
            going = kith__message_end(w);
        } else {
            going = wait_for_room(w);
        }
        if (going < 0)
            return going;
        if (has_unread(w))
            until_ns = kith__deadline_after(PATIENCE_NS);
    }
}

/* What the results of a message are, each sent by itself: together they have no room. */
static kith_err
send_each(struct kith__worker *w, struct kith__job *job)
{
    struct kith__packer all = w->out;
    struct kith__pack_reader reader = kith__pack_reader(all.data, all.size);
    uint32_t count = 0, left = w->result_count;
    int64_t skipped, index, code;
    kith_err err = KITH_OK;

    w->out = (struct kith__packer){ .data = NULL };
    (void)(kith__unpack_array(&reader, &count) && kith__unpack_int(&reader, &skipped) &&
           kith__unpack_int(&reader, &skipped) && kith__unpack_int(&reader, &skipped));
    for (; left > 0 && err == KITH_OK; left--) {
        struct kith_item payload = { .type = KITH_TYPE_NONE };
        kith__tag tag;

        if (!kith__unpack_int(&reader, &index) || !kith__unpack_int(&reader, &code) ||
            !kith__unpack_item(&reader, &payload, tag)) {
            err = KITH_ENOMEM; /* for want of memory it was not written whole: run again */
            break;
        }
        kith__message_begin(w, job);
        kith__message_add(w, (uint32_t)index, (kith_err)code, payload);
        err = kith__message_end(w);
        if (err == KITH_OK)
            err = send_one(w, job, (uint32_t)index, false);
    }
    kith__free(all.data);
    return err == KITH_OK ? kith__job_done(job) : err;
}

/* Sends the message, which may be what the client does not wait for any more. */
kith_err
kith__message_send(struct kith__worker *w, struct kith__job *job, bool last)
{
    kith_err err = kith__message_end(w);

    if (err == KITH_OK)
        err = put_message(w, job, last);
    if (has_no_room(err) && w->result_count > 1)
        err = send_each(w, job);
    else if (has_no_room(err))
        err = send_one(w, job, w->record.index >= 0 ? (uint32_t)w->record.index : 0, last);
    if (err != KITH_EGONE)
        return err;
    /* The client has gone, or the pool, which the next lease tells. */
    forget_results(w);
    return last ? kith__job_done(job) : KITH_OK;
}

kith_err
kith__message_send_if_present(struct kith__worker *w, struct kith__job *job, kith_dict *dict,
                              struct kith_item key)
{
    kith_err err = kith__message_end(w), going = KITH_OK;

    if (err < 0)
        return err;
    do {
        err = put_last(w, job, dict, &key);
        if (has_no_room(err))
            going = wait_for_room(w);
    } while (has_no_room(err) && going == KITH_OK);
    if (going < 0)
        return going;
    if (err != KITH_EGONE)
        return err;
    forget_results(w);
    return kith__job_done(job);
}
