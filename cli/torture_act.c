/*
 * torture_act.c - the life of a worker: one act after another, until it is told to stop or killed.
 */
#include "torture_worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned
worker_pick(struct torture_worker *worker, unsigned count)
{
    return torture_pick(&worker->random, count);
}

/* ---- intents ---- */

struct intent *
worker_intent(struct torture_worker *worker)
{
    memset(&worker->slot->intent, 0, sizeof worker->slot->intent);
    return &worker->slot->intent;
}

void
worker_begin(struct torture_worker *worker, enum act act)
{
    atomic_store(&worker->slot->act, act);
}

void
worker_end(struct torture_worker *worker, enum act act)
{
    worker->slot->done[act]++;
    atomic_store(&worker->slot->act, ACT_NONE);
}

/* A result that is none of those an act may get is a violation.  True if it was KITH_OK. */
bool
worker_succeeded(struct torture_worker *worker, const char *call, kith_err err)
{
    if (err == KITH_OK)
        return true;
    torture_unexpected(worker->world, call, err);
    return false;
}

/* Begins a transaction, or says why not. */
kith_txn *
worker_txn(struct torture_worker *worker)
{
    kith_txn *txn;

    return worker_succeeded(worker, "kith_txn_begin", kith_txn_begin(worker->space->space, &txn))
               ? txn
               : NULL;
}

/* ---- the life of a worker ---- */

static const struct {
    void (*act)(struct torture_worker *worker);
    unsigned weight;
} acts[] = {
    { worker_add_own, 10 },       { worker_add_hot, 8 },
    { worker_add_pair, 8 },       { worker_transfer, 10 },
    { worker_set_bulk, 3 },       { worker_look_at_sums, 10 },
    { worker_change_things, 12 }, { worker_read_things, 10 },
    { worker_put_jobs, 6 },       { worker_lease_job, 9 },
    { worker_end_lease, 9 },      { worker_move_job, 3 },
    { worker_take_moved, 3 },     { worker_put_plain, 4 },
    { worker_get_plain, 6 },      { worker_use_lock, 8 },
    { worker_turn_event, 3 },     { worker_wait_for_event, 1 },
    { worker_scratch, 8 },        { worker_create_and_destroy, 1 },
    { worker_change_list, 8 },    { worker_add_values, 6 },
    { worker_use_rwlock, 6 },     { worker_use_cache, 8 },
    { worker_use_ranked, 6 },     { worker_use_permits, 8 },
    { worker_use_signal, 5 },     { worker_use_once, 5 },
    { worker_use_limiter, 5 },    { worker_meet, 4 },
    { worker_use_condition, 6 },  { worker_use_nests, 8 },
};

static void
act(struct torture_worker *worker)
{
    unsigned all = 0;
    unsigned chosen;

    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        all += acts[i].weight;
    chosen = worker_pick(worker, all);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (chosen < acts[i].weight) {
            acts[i].act(worker);
            return;
        }
        chosen -= acts[i].weight;
    }
}

/* Some workers go on with the handles of the process that started them, some open their own. */
static void
open_own_space(struct torture_worker *worker)
{
    struct kith_options must_exist = KITH_OPTIONS_INIT;
    struct world *world = worker->world;
    struct torture_space *space;

    if (!world->reopen || worker_pick(worker, 2) == 0)
        return;
    space = malloc(sizeof *space);
    must_exist.create = KITH_MUST_EXIST;
    if (space == NULL || !worker_succeeded(worker, "kith_open",
                                           kith_open(world->address, &must_exist, &space->space)))
        return;
    if (torture_open(space, world->slot_count) != CLI_GO_ON) {
        torture_violation(world, "A worker cannot open the objects: %s", kith_last_error());
        return;
    }
    torture_close(worker->space, world->slot_count);
    worker->space = space;
}

_Noreturn void
torture_worker(struct world *world, struct torture_space *space, unsigned index)
{
    struct slot *slot = &world->slots[index];
    struct torture_worker worker = { .world = world, .space = space, .slot = slot, .index = index };
    uint64_t turns;

    worker.random = world->seed ^ ((uint64_t)index << 48) ^ ((uint64_t)slot->lives << 24);
    for (unsigned i = 0; i <= THINGS_AT_ONCE; i++) {
        worker.memory[i] = malloc(TORTURE_ITEM_MAX);
        if (worker.memory[i] == NULL)
            _exit(CLI_FAILED);
    }
    open_own_space(&worker);
    /* A life of a length of its own: so some end in order, with leases in hand. */
    turns = 200 + worker_pick(&worker, 20000);
    while (turns-- > 0 && !atomic_load(&world->stop) &&
           atomic_load(&world->violation_count) < VIOLATIONS_KEPT) {
        atomic_fetch_add(&slot->turns, 1);
        act(&worker);
    }
    torture_close(worker.space, world->slot_count);
    _exit(CLI_DONE);
}
