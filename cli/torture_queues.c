/*
 * torture_queues.c - acts on queues: jobs are leased, moved and acknowledged, plain items got.
 */
#include "torture_worker.h"

#define DELAY_MAX 2000000               /* nanoseconds: less than the verdict waits */
#define LIMIT_NS INT64_C(3600000000000) /* of a lease: none comes to it */

static bool
is_free(struct slot *slot, enum lane lane, uint64_t seq)
{
    enum cell_state state = CELL_STATE(atomic_load(&slot->cells[lane][seq % CELLS]));

    return state == CELL_FREE || state == CELL_DONE;
}

/*
 * Chooses up to `count` sequence numbers that follow each other and whose cells are free, writes
 * them into the intent, and opens it.  False: there are none now.
 */
static bool
begin_puts(struct torture_worker *worker, enum lane lane, enum act act, unsigned count)
{
    struct slot *slot = worker->slot;
    struct intent *intent = worker_intent(worker);
    uint64_t first = slot->next_seq[lane] + 1;

    for (unsigned tries = 0; tries < 8 && !is_free(slot, lane, first); tries++)
        first++;
    intent->put_lane = lane;
    intent->put_first = first;
    while (intent->put_count < count && is_free(slot, lane, first + intent->put_count))
        intent->put_count++;
    slot->next_seq[lane] = first + (intent->put_count == 0 ? 0 : intent->put_count - 1);
    worker_begin(worker, act);
    for (unsigned i = 0; i < intent->put_count; i++) {
        if (lane == LANE_JOBS)
            atomic_store(&slot->leases[(first + i) % CELLS], 0);
        atomic_store(&slot->cells[lane][(first + i) % CELLS], CELL(first + i, CELL_PUTTING));
    }
    return intent->put_count > 0;
}

/* The first `put` of the items that were to be put are in, the others are not. */
static void
close_cells(struct torture_worker *worker, enum lane lane, size_t put)
{
    const struct intent *intent = &worker->slot->intent;

    for (unsigned i = 0; i < intent->put_count; i++) {
        uint64_t seq = intent->put_first + i;
        _Atomic uint64_t *cell = &worker->slot->cells[lane][seq % CELLS];
        uint64_t putting = CELL(seq, CELL_PUTTING);
        enum cell_state state = i < put ? CELL_PUT : CELL_FREE;

        if (!atomic_compare_exchange_strong(cell, &putting, CELL(seq, state)) && state == CELL_FREE)
            torture_violation(worker->world, "Item %u/%llu was refused, and came out all the same.",
                              worker->index, (unsigned long long)seq);
    }
}

/* Puts one item: now and then at a place of its own, or a little later. */
static kith_err
put_one(struct torture_worker *worker, enum lane lane, kith_queue *queue, struct kith_item item,
        int64_t timeout_ns)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;
    kith_txn *txn;
    kith_err err;

    if (lane == LANE_JOBS && worker_pick(worker, 2) == 0) {
        options.priority = (int64_t)worker_pick(worker, 5) - 2;
        options.delay_ns =
            worker_pick(worker, 3) == 0 ? (int64_t)worker_pick(worker, DELAY_MAX) : 0;
    }
    if (worker_pick(worker, 3) != 0)
        return kith_queue_put_with(queue, item, &options, timeout_ns);
    txn = worker_txn(worker);
    if (txn == NULL)
        return KITH_ENOMEM;
    err = kith_txn_queue_put_with(txn, queue, item, &options);
    return err == KITH_OK ? kith_txn_commit(txn) : err;
}

static void
put_items(struct torture_worker *worker, enum lane lane, enum act act)
{
    kith_queue *queue = lane == LANE_JOBS ? worker->space->jobs : worker->space->plain;
    const struct intent *intent = &worker->slot->intent;
    struct kith_item items[THINGS_AT_ONCE];
    int64_t timeout_ns = worker_pick(worker, 2) == 0 ? 0 : MS;
    size_t put = 0;
    kith_err err;

    if (!begin_puts(worker, lane, act, worker_pick(worker, 3) == 0 ? THINGS_AT_ONCE : 1)) {
        worker_end(worker, act);
        return;
    }
    for (unsigned i = 0; i < intent->put_count; i++)
        items[i] = torture_item(worker->memory[i], torture_item_size(&worker->random),
                                worker->index, (uint32_t)lane, intent->put_first + i);
    if (intent->put_count > 1) {
        err = kith_queue_put_many(queue, items, intent->put_count, timeout_ns, &put);
    } else {
        err = put_one(worker, lane, queue, items[0], timeout_ns);
        put = err == KITH_OK;
    }
    close_cells(worker, lane, put);
    if (err == KITH_EFULL || err == KITH_ETIMEDOUT || worker_succeeded(worker, "Putting", err))
        worker_end(worker, act);
}

void
worker_put_jobs(struct torture_worker *worker)
{
    put_items(worker, LANE_JOBS, ACT_PUT);
}

void
worker_put_plain(struct torture_worker *worker)
{
    put_items(worker, LANE_PLAIN, ACT_PLAIN_PUT);
}

void
worker_lease_job(struct torture_worker *worker)
{
    struct kith_lease_options options = KITH_LEASE_OPTIONS_INIT;
    struct held *held = &worker->held[worker->held_count];
    uint32_t known;
    kith_err err;

    if (worker->held_count == LEASES_MAX)
        return;
    worker_begin(worker, ACT_LEASE);
    if (worker_pick(worker, 3) == 0)
        options.limit_ns = LIMIT_NS + worker_pick(worker, 1000);
    err = kith_queue_lease_with(worker->space->jobs, &options,
                                worker_pick(worker, 2) == 0 ? 0 : LEASE_WAIT_NS, &worker->buf,
                                &held->lease);
    if (err == KITH_EEMPTY || err == KITH_ETIMEDOUT) {
        worker_end(worker, ACT_LEASE);
        return;
    }
    if (!worker_succeeded(worker, "kith_queue_lease", err))
        return;
    if (!torture_item_came(worker->world, "jobs", LANE_JOBS, worker->buf.item, &held->slot,
                           &held->seq)) {
        kith_lease_nack(held->lease);
        return;
    }
    /* A holder that was killed before it could note its lease is not in `known`. */
    known = atomic_fetch_add(&worker->world->slots[held->slot].leases[held->seq % CELLS], 1);
    if (kith_lease_attempts(held->lease) < known)
        torture_violation(worker->world, "Item %u/%llu was lent %u times before, not %u.",
                          held->slot, (unsigned long long)held->seq, known,
                          kith_lease_attempts(held->lease));
    worker->held_count++;
    worker_end(worker, ACT_LEASE);
}

/* Takes a lease out of those that are kept, at random.  False: there is none. */
static bool
take_held(struct torture_worker *worker, struct held *held)
{
    unsigned at;

    if (worker->held_count == 0)
        return false;
    at = worker_pick(worker, worker->held_count);
    *held = worker->held[at];
    worker->held[at] = worker->held[--worker->held_count];
    return true;
}

void
worker_end_lease(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    struct held held;

    if (!take_held(worker, &held))
        return;
    if (worker_pick(worker, 8) == 0) {
        int64_t limit_ns =
            worker_pick(worker, 2) == 0 ? KITH_FOREVER : LIMIT_NS + worker_pick(worker, 1000);

        worker_begin(worker, ACT_ACK);
        if (worker_succeeded(worker, "kith_lease_extend", kith_lease_extend(held.lease, limit_ns)))
            worker_end(worker, ACT_ACK);
        worker->held[worker->held_count++] = held;
        return;
    }
    if (worker_pick(worker, 4) == 0) {
        worker_begin(worker, ACT_ACK);
        if (worker_succeeded(worker, "kith_lease_nack", kith_lease_nack(held.lease)))
            worker_end(worker, ACT_ACK);
        return;
    }
    intent->item_slot = held.slot;
    intent->item_seq = held.seq;
    worker_begin(worker, ACT_ACK);
    if (!worker_succeeded(worker, "kith_lease_ack", kith_lease_ack(held.lease)))
        return;
    torture_cell_advance(worker->world, LANE_JOBS, held.slot, held.seq, CELL_DONE);
    worker_end(worker, ACT_ACK);
}

/* Acknowledges a job, puts it into another queue, and counts it, all in one transaction. */
void
worker_move_job(struct torture_worker *worker)
{
    struct torture_space *space = worker->space;
    struct intent *intent = worker_intent(worker);
    struct torture_key hot;
    struct held held;
    struct kith_item item;
    kith_txn *txn;
    kith_err err;

    if (!take_held(worker, &held))
        return;
    intent->item_slot = held.slot;
    intent->item_seq = held.seq;
    intent->hot = worker_pick(worker, HOT_CELLS);
    intent->hot_n = 1;
    torture_key_set(&hot, "hot", intent->hot, 0);
    item = torture_item(worker->memory[0], torture_item_size(&worker->random), held.slot, LANE_JOBS,
                        held.seq);
    worker_begin(worker, ACT_MOVE);
    txn = worker_txn(worker);
    if (txn == NULL)
        return;
    if ((err = kith_txn_lease_ack(txn, held.lease)) != KITH_OK ||
        (err = kith_txn_queue_put(txn, space->moved, item)) != KITH_OK ||
        (err = kith_txn_dict_add(txn, space->counters, hot.item, intent->hot_n)) != KITH_OK) {
        torture_unexpected(worker->world, "Building a transaction", err);
        kith_txn_discard(txn);
        return;
    }
    err = kith_txn_commit(txn);
    if (err == KITH_OK) {
        worker->slot->hot_done[intent->hot]++;
        torture_cell_advance(worker->world, LANE_JOBS, held.slot, held.seq, CELL_MOVED);
    } else if (err == KITH_EFULL) {
        worker->held[worker->held_count++] = held; /* nothing happened: the lease is still ours */
    } else {
        torture_unexpected(worker->world, "Moving a job", err);
        return;
    }
    worker_end(worker, ACT_MOVE);
}

void
worker_take_moved(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    kith_lease *lease;
    unsigned slot;
    uint64_t seq;
    kith_err err;

    worker_begin(worker, ACT_MOVED);
    err = kith_queue_lease(worker->space->moved, 0, &worker->buf, &lease);
    if (err == KITH_EEMPTY) {
        worker_end(worker, ACT_MOVED);
        return;
    }
    if (!worker_succeeded(worker, "kith_queue_lease", err) ||
        !torture_item_came(worker->world, "moved", LANE_JOBS, worker->buf.item, &slot, &seq))
        return;
    intent->item_slot = slot;
    atomic_signal_fence(memory_order_seq_cst);
    intent->item_seq = seq;
    atomic_signal_fence(memory_order_seq_cst);
    if (!worker_succeeded(worker, "kith_lease_ack", kith_lease_ack(lease)))
        return;
    torture_cell_advance(worker->world, LANE_JOBS, slot, seq, CELL_DONE);
    worker_end(worker, ACT_MOVED);
}

/* A plain item: right, and later than the last one of the same putter. */
static void
plain_came(struct torture_worker *worker, struct kith_item item)
{
    unsigned slot;
    uint64_t seq;

    if (!torture_item_came(worker->world, "plain", LANE_PLAIN, item, &slot, &seq))
        return;
    if (seq <= worker->plain_seen[slot])
        torture_violation(worker->world, "Item %u/%llu came after %u/%llu.", slot,
                          (unsigned long long)seq, slot,
                          (unsigned long long)worker->plain_seen[slot]);
    worker->plain_seen[slot] = seq;
    torture_cell_advance(worker->world, LANE_PLAIN, slot, seq, CELL_DONE);
}

void
worker_get_plain(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    kith_queue *plain = worker->space->plain;
    struct kith_buf items[THINGS_AT_ONCE] = { KITH_BUF_INIT };
    unsigned way = worker_pick(worker, 3);
    kith_view *view = NULL;
    size_t got = 0;
    kith_err err;

    intent->get_count = way == 0 ? THINGS_AT_ONCE : 1;
    worker_begin(worker, ACT_PLAIN_GET);
    switch (way) {
    case 0:
        err = kith_queue_get_many(plain, THINGS_AT_ONCE, 0, items, &got);
        for (size_t i = 0; i < got; i++)
            plain_came(worker, items[i].item);
        break;
    case 1:
        err = kith_queue_get(plain, LEASE_WAIT_NS, &worker->buf);
        if (err == KITH_OK)
            plain_came(worker, worker->buf.item);
        break;
    default:
        err = kith_queue_get_view(plain, 0, &view);
        if (err == KITH_OK)
            plain_came(worker, kith_view_item(view));
        kith_view_release(view);
        break;
    }
    for (unsigned i = 0; i < THINGS_AT_ONCE; i++)
        kith_buf_free(&items[i]);
    if (err == KITH_EEMPTY || err == KITH_ETIMEDOUT || worker_succeeded(worker, "Getting", err))
        worker_end(worker, ACT_PLAIN_GET);
}
