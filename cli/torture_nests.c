/*
 * torture_nests.c - acts on nests: a dict in a list, to which keys of a dict and items of a queue
 * lead.
 *
 * Dict and list have no names of their own, and carry the same number.  Whoever has one open finds
 * it there, with its number, whoever drops the last reference to it or is killed meanwhile; and
 * when nothing leads to nests any more, there are none.
 */
#include "torture_worker.h"

#include <string.h>

#define NESTS 12 /* keys */
#define NESTS_QUEUED 40

static struct kith_item
some_nest(struct torture_worker *worker)
{
    return kith_int((int64_t)worker_pick(worker, NESTS));
}

/* Gone, or full, or changed meanwhile: all of that happens. */
static kith_err
in_order(kith_err err)
{
    return err == KITH_ENOENT || err == KITH_EFULL || err == KITH_EEMPTY || err == KITH_ECONFLICT
               ? KITH_OK
               : err;
}

/* Makes one, and has a key or an item lead to it. */
static kith_err
make_nest(struct torture_worker *worker)
{
    char list_name[KITH_MADE_NAME_SIZE], dict_name[KITH_MADE_NAME_SIZE];
    int64_t number = (int64_t)worker_pick(worker, 1000000);
    struct torture_space *space = worker->space;
    struct kith_list *list = NULL;
    kith_dict *dict = NULL;
    kith_err err;

    if ((err = kith_name_make(list_name)) == KITH_OK &&
        (err = kith_name_make(dict_name)) == KITH_OK &&
        (err = kith_dict_open(space->space, dict_name, NULL, &dict)) == KITH_OK &&
        (err = kith_dict_set(dict, KITH_STR("number"), kith_int(number))) == KITH_OK &&
        (err = kith_list_open(space->space, list_name, NULL, &list)) == KITH_OK &&
        (err = kith_list_append(list, kith_int(number))) == KITH_OK)
        err = kith_list_append(list, kith_reference(dict_name));
    kith_dict_close(dict);
    if (err == KITH_OK)
        err = worker_pick(worker, 3) == 0
                  ? in_order(kith_queue_put(space->nest_queue, kith_reference(list_name), 0))
                  : kith_dict_set(space->nests, some_nest(worker), kith_reference(list_name));
    kith_list_close(list);
    return err;
}

/* The name that the worker's buffer leads to. */
static void
name_in(const struct torture_worker *worker, char name[KITH_MADE_NAME_SIZE])
{
    size_t size = worker->buf.item.size < KITH_MADE_NAME_SIZE ? worker->buf.item.size : 0;

    memcpy(name, worker->buf.item.data, size);
    name[size] = '\0';
}

static kith_err
look_at_number(struct torture_worker *worker, int64_t number)
{
    struct kith_dict_options there = KITH_DICT_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE];
    kith_dict *dict = NULL;
    kith_err err;

    name_in(worker, name);
    there.create = KITH_MUST_EXIST;
    err = kith_dict_open(worker->space->space, name, &there, &dict);
    if (err == KITH_OK)
        err = kith_dict_get(dict, KITH_STR("number"), &worker->buf);
    if (err == KITH_OK && worker->buf.item.integer != number)
        torture_violation(worker->world, "A nest has number %lld in it, and should have %lld.",
                          (long long)worker->buf.item.integer, (long long)number);
    kith_dict_close(dict);
    return err;
}

/* Opens what the buffer leads to, if it is still there: then all of it is. */
static kith_err
look_into(struct torture_worker *worker)
{
    struct kith_list_options there = KITH_LIST_OPTIONS_INIT;
    char name[KITH_MADE_NAME_SIZE];
    struct kith_list *list = NULL;
    int64_t number = -1;
    kith_err err;

    name_in(worker, name);
    there.create = KITH_MUST_EXIST;
    err = kith_list_open(worker->space->space, name, &there, &list);
    if (err == KITH_ENOENT)
        return KITH_OK;
    if (err == KITH_OK)
        err = kith_list_get(list, 0, &worker->buf);
    if (err == KITH_OK) {
        number = worker->buf.item.integer;
        err = kith_list_get(list, 1, &worker->buf);
    }
    if (err == KITH_OK)
        err = look_at_number(worker, number);
    kith_list_close(list);
    return err;
}

/* What one key leads to another is led to as well, or instead. */
static kith_err
pass_on(struct torture_worker *worker, struct kith_item from)
{
    char name[KITH_MADE_NAME_SIZE];
    struct kith_item to = some_nest(worker);
    kith_txn *txn;
    kith_err err;

    name_in(worker, name);
    if (worker_pick(worker, 2) == 0)
        return in_order(kith_dict_set(worker->space->nests, to, kith_reference(name)));
    err = kith_txn_begin(worker->space->space, &txn);
    if (err < 0)
        return err;
    if ((err = kith_txn_if_equal(txn, worker->space->nests, from, kith_reference(name))) < 0 ||
        (err = kith_txn_dict_delete(txn, worker->space->nests, from)) < 0 ||
        (err = kith_txn_queue_put(txn, worker->space->nest_queue, kith_reference(name))) < 0 ||
        (err = kith_txn_dict_set(txn, worker->space->nests, to, kith_reference(name))) < 0) {
        kith_txn_discard(txn);
        return err;
    }
    return in_order(kith_txn_commit(txn));
}

static kith_err
use_nest(struct torture_worker *worker)
{
    struct kith_item key = some_nest(worker);
    kith_err err;

    switch (worker_pick(worker, 8)) {
    case 0:
    case 1:
    case 2:
        return make_nest(worker);
    case 3:
        return in_order(kith_dict_delete(worker->space->nests, key));
    case 4:
        err = kith_queue_get(worker->space->nest_queue, 0, &worker->buf);
        return err == KITH_OK ? look_into(worker) : in_order(err);
    case 5:
        err = kith_dict_get(worker->space->nests, key, &worker->buf);
        return err == KITH_OK ? pass_on(worker, key) : in_order(err);
    default:
        err = kith_dict_get(worker->space->nests, key, &worker->buf);
        return err == KITH_OK ? look_into(worker) : in_order(err);
    }
}

void
worker_use_nests(struct torture_worker *worker)
{
    worker_begin(worker, ACT_NEST);
    if (worker_succeeded(worker, "An act on nests", use_nest(worker)))
        worker_end(worker, ACT_NEST);
}

/* ---- at the end ---- */

static int
count_unnamed(const struct kith_info *info, void *arg)
{
    uint64_t *count = arg;

    *count += info->unnamed;
    return 0;
}

void
torture_final_nests(struct world *world, struct torture_space *space)
{
    struct kith_report report;
    uint64_t left = 0;
    kith_err err = kith_dict_clear(space->nests);

    while (err == KITH_OK)
        err = kith_queue_get(space->nest_queue, 0, NULL);
    if (err == KITH_EEMPTY) /* what killed workers had open goes with them */
        err = kith_check(space->space, &report);
    if (err == KITH_OK)
        err = kith_list(space->space, count_unnamed, &left);
    if (err != KITH_OK)
        torture_unexpected(world, "The end of all nests", err);
    else if (left > 0)
        torture_violation(world, "%llu objects are left to which nothing leads.",
                          (unsigned long long)left);
}

/* ---- opening ---- */

kith_err
torture_open_nests(struct torture_space *space)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_err err = kith_dict_open(space->space, "nests", NULL, &space->nests);

    options.capacity = NESTS_QUEUED;
    return err < 0 ? err
                   : kith_queue_open(space->space, "nest queue", &options, &space->nest_queue);
}

void
torture_close_nests(struct torture_space *space)
{
    kith_dict_close(space->nests);
    kith_queue_close(space->nest_queue);
}
