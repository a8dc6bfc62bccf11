/*
 * torture_numbers.c - acts on numbers: cells, pairs, accounts, and keys that are set together.
 */
#include "torture_worker.h"

static void
expect_number(struct torture_worker *worker, const char *call, int64_t expected, int64_t now)
{
    if (expected != now)
        torture_violation(worker->world, "%s gave %lld, and %lld is right.", call, (long long)now,
                          (long long)expected);
}

void
worker_add_own(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    struct intent *intent = worker_intent(worker);
    kith_dict *counters = worker->space->counters;
    struct torture_key keys[OWN_CELLS];
    struct kith_item items[OWN_CELLS];
    unsigned way = worker_pick(worker, 5);
    unsigned cell = worker_pick(worker, OWN_CELLS);
    kith_txn *txn;
    int64_t now = 0;
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < OWN_CELLS; i++) {
        torture_key_set(&keys[i], "own", worker->index, i);
        items[i] = keys[i].item;
        intent->own[i] = way >= 3 || i == cell ? 1 + (int64_t)worker_pick(worker, 9) : 0;
    }
    if (way == 1)
        intent->own[cell] = -intent->own[cell];
    worker_begin(worker, ACT_OWN);
    switch (way) {
    case 0:
        err = kith_dict_add(counters, items[cell], intent->own[cell], &now);
        break;
    case 1:
        err = kith_dict_sub(counters, items[cell], -intent->own[cell], &now);
        break;
    case 2:
        err = kith_dict_add_with(counters, items[cell], intent->own[cell], NULL, &now);
        break;
    case 3:
        err = kith_dict_add_many(counters, items, intent->own, OWN_CELLS);
        break;
    default:
        txn = worker_txn(worker);
        if (txn == NULL)
            return;
        for (unsigned i = 0; i < OWN_CELLS && err == KITH_OK; i++)
            err = kith_txn_dict_add(txn, counters, items[i], intent->own[i]);
        err = err == KITH_OK ? kith_txn_commit(txn) : err;
        break;
    }
    if (!worker_succeeded(worker, "Adding to own cells", err))
        return;
    for (unsigned i = 0; i < OWN_CELLS; i++)
        slot->own[i] += intent->own[i];
    if (way < 3)
        expect_number(worker, "Adding to an own cell", slot->own[cell], now);
    worker_end(worker, ACT_OWN);
}

void
worker_add_hot(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    struct torture_key key;

    intent->hot = worker_pick(worker, HOT_CELLS);
    intent->hot_n = 1 + (int64_t)worker_pick(worker, 9);
    torture_key_set(&key, "hot", intent->hot, 0);
    worker_begin(worker, ACT_HOT);
    if (!worker_succeeded(worker, "kith_dict_add",
                          kith_dict_add(worker->space->counters, key.item, intent->hot_n, NULL)))
        return;
    worker->slot->hot_done[intent->hot] += intent->hot_n;
    worker_end(worker, ACT_HOT);
}

void
worker_add_pair(struct torture_worker *worker)
{
    struct torture_key part;
    struct torture_key sum;
    int64_t n = (int64_t)worker_pick(worker, 100) - 50;
    kith_txn *txn;
    kith_err err;

    torture_key_set(&part, "pair", worker->index, 0);
    torture_key_set(&sum, "pair-sum", 0, 0);
    worker_begin(worker, ACT_PAIR);
    if (worker_pick(worker, 2) == 0) {
        const struct kith_item keys[] = { part.item, sum.item };
        const int64_t ns[] = { n, n };

        err = kith_dict_add_many(worker->space->counters, keys, ns, 2);
    } else {
        txn = worker_txn(worker);
        if (txn == NULL)
            return;
        err = kith_txn_dict_add(txn, worker->space->counters, sum.item, n);
        if (err == KITH_OK)
            err = kith_txn_dict_add(txn, worker->space->counters, part.item, n);
        err = err == KITH_OK ? kith_txn_commit(txn) : err;
    }
    if (worker_succeeded(worker, "Adding to a pair", err))
        worker_end(worker, ACT_PAIR);
}

/* A transfer that reads both accounts, and writes them if nobody changed them since. */
static kith_err
transfer_by_conditions(struct torture_worker *worker, kith_txn *txn, const struct torture_key *from,
                       const struct torture_key *to, int64_t n)
{
    kith_dict *bank = worker->space->bank;
    struct kith_buf a = KITH_BUF_INIT;
    struct kith_buf b = KITH_BUF_INIT;
    uint64_t version;
    kith_err err;

    if ((err = kith_dict_get(bank, from->item, &a)) == KITH_OK &&
        (err = kith_dict_get_version(bank, to->item, &b, &version)) == KITH_OK &&
        (err = kith_txn_if_equal(txn, bank, from->item, a.item)) == KITH_OK &&
        (err = kith_txn_if_version(txn, bank, to->item, version)) == KITH_OK &&
        (err = kith_txn_if_present(txn, bank, to->item)) == KITH_OK &&
        (err = kith_txn_dict_set(txn, bank, from->item, kith_int(a.item.integer - n))) == KITH_OK)
        err = kith_txn_dict_set(txn, bank, to->item, kith_int(b.item.integer + n));
    kith_buf_free(&a);
    kith_buf_free(&b);
    return err;
}

void
worker_transfer(struct torture_worker *worker)
{
    kith_dict *bank = worker->space->bank;
    unsigned first = worker_pick(worker, ACCOUNTS);
    unsigned second = (first + 1 + worker_pick(worker, ACCOUNTS - 1)) % ACCOUNTS;
    int64_t n = (int64_t)worker_pick(worker, 50);
    bool by_conditions = worker_pick(worker, 2) == 0;
    struct torture_key from;
    struct torture_key to;
    kith_txn *txn;
    kith_err err;

    torture_key_set(&from, "account", first, 0);
    torture_key_set(&to, "account", second, 0);
    worker_begin(worker, ACT_BANK);
    txn = worker_txn(worker);
    if (txn == NULL)
        return;
    if (by_conditions) {
        err = transfer_by_conditions(worker, txn, &from, &to, n);
    } else {
        err = kith_txn_dict_add(txn, bank, from.item, -n);
        if (err == KITH_OK)
            err = kith_txn_dict_add(txn, bank, to.item, n);
    }
    if (err != KITH_OK) {
        kith_txn_discard(txn);
        torture_unexpected(worker->world, "Building a transfer", err);
        return;
    }
    if (worker_pick(worker, 20) == 0) { /* changed its mind: nothing happens */
        kith_txn_discard(txn);
        worker_end(worker, ACT_BANK);
        return;
    }
    err = kith_txn_commit(txn);
    if ((by_conditions && err == KITH_ECONFLICT) || worker_succeeded(worker, "A transfer", err))
        worker_end(worker, ACT_BANK);
}

void
worker_set_bulk(struct torture_worker *worker)
{
    struct torture_key keys[BULK_KEYS];
    struct kith_item names[BULK_KEYS];
    struct kith_item items[BULK_KEYS];
    int64_t number = (int64_t)(torture_random(&worker->random) >> 20);
    kith_txn *txn;
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < BULK_KEYS; i++) {
        torture_key_set(&keys[i], "bulk", worker->index, i);
        names[i] = keys[i].item;
        items[i] = kith_int(number);
    }
    worker_begin(worker, ACT_BULK);
    if (worker_pick(worker, 2) == 0) {
        err = kith_dict_set_many(worker->space->bulk, names, items, BULK_KEYS);
    } else {
        txn = worker_txn(worker);
        if (txn == NULL)
            return;
        for (unsigned i = 0; i < BULK_KEYS && err == KITH_OK; i++)
            err = kith_txn_dict_set(txn, worker->space->bulk, names[BULK_KEYS - 1 - i], items[i]);
        err = err == KITH_OK ? kith_txn_commit(txn) : err;
    }
    if (worker_succeeded(worker, "Setting many keys", err))
        worker_end(worker, ACT_BULK);
}

void
worker_look_at_sums(struct torture_worker *worker)
{
    worker_begin(worker, ACT_LOOK);
    switch (worker_pick(worker, 4)) {
    case 0:
        torture_look_pairs(worker->world, worker->space);
        break;
    case 1:
        torture_look_bank(worker->world, worker->space, false);
        break;
    case 2:
        torture_look_bank(worker->world, worker->space, true);
        break;
    default:
        torture_look_bulk(worker->world, worker->space,
                          worker_pick(worker, worker->world->slot_count));
        break;
    }
    worker_end(worker, ACT_LOOK);
}
