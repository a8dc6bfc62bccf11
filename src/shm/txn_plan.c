/*
 * txn_plan.c - what a transaction takes before it writes anything down: its locks, and room.
 *
 * The first two steps of txn.c, which has the argument.
 */
#include "shm/txn_plan.h"

#include <stdlib.h>

#include "base/error.h"

/* ---- X1: locks -------------------------------------------------------------------------- */

static int
by_rank(const void *a, const void *b)
{
    const struct kith__txn_needed *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->lock < y->lock ? -1 : x->lock > y->lock;
}

/*
 * Steps come in runs on one dict, as those of add_many do.  A run adds each shard it needs once,
 * however many keys it has, so that sorting the locks costs nothing beside looking keys up.
 */
static kith_err
list_run(struct kith__txn_plan *plan, size_t *at)
{
    const struct kith__dict *dict = &plan->steps[*at].dict;
    struct kith__dict_root *root = kith__dict_root(dict);
    uint64_t word = kith__load_acquire(&root->shards);
    size_t first = plan->lock_count;
    uint8_t index[KITH__SHARDS] = { 0 }; /* of the shard's lock after `first`, + 1 */
    unsigned count;
    struct kith__shard *shards = kith__dict_shards(dict, word, &count);

    if (shards == NULL)
        return kith__fail(KITH_ECORRUPT, "A dict breaks an invariant; run kith check.");
    for (; *at < plan->count && kith__txn_on_dict(&plan->steps[*at]) &&
           plan->steps[*at].dict.off == dict->off;
         ++*at) {
        struct kith__txn_step *step = &plan->steps[*at];
        unsigned i = count == 1 ? 0 : kith__shard_of(step->key->hash);

        if (index[i] == 0) {
            plan->locks[plan->lock_count++] =
                (struct kith__txn_needed){ &shards[i].lock, KITH__RANK_OBJECT, (uint32_t)*at, 0,
                                           true };
            index[i] = (uint8_t)(plan->lock_count - first);
        }
        step->shard = &shards[i];
        plan->locks[first + index[i] - 1].inserts += kith__txn_may_insert(step);
    }
    return KITH_OK;
}

static kith_err
list_locks(struct kith__txn_plan *plan)
{
    size_t kept = 0;

    plan->lock_count = 0;
    for (size_t at = 0; at < plan->count;) {
        struct kith__txn_step *step = &plan->steps[at];
        kith_err err = KITH_OK;

        if (kith__txn_on_queue(step)) {
            struct kith__queue_root *root = kith__queue_root(&step->queue);
            bool put = step->what == KITH__TXN_PUT;

            plan->locks[plan->lock_count++] =
                (struct kith__txn_needed){ put ? &root->tail_lock : &root->head_lock,
                                           put ? KITH__RANK_TAIL : KITH__RANK_HEAD, (uint32_t)at, 0,
                                           false };
            if (kith__txn_is_aside(step))
                plan->locks[plan->lock_count++] =
                    (struct kith__txn_needed){ &root->head_lock, KITH__RANK_HEAD, (uint32_t)at, 0,
                                               false };
            at++;
        } else if (kith__txn_on_value(step)) {
            plan->locks[plan->lock_count++] =
                (struct kith__txn_needed){ &kith__value_root(&step->value)->root.lock,
                                           KITH__RANK_OBJECT, (uint32_t)at, 0, false };
            at++;
        } else {
            err = list_run(plan, &at);
        }
        if (err < 0)
            return err;
    }
    qsort(plan->locks, plan->lock_count, sizeof *plan->locks, by_rank);
    for (size_t i = 0; i < plan->lock_count; i++)
        if (kept > 0 && plan->locks[kept - 1].lock == plan->locks[i].lock)
            plan->locks[kept - 1].inserts += plan->locks[i].inserts;
        else
            plan->locks[kept++] = plan->locks[i];
    plan->lock_count = kept;
    return kith__ledger_reserve(plan->self, kept + 1);
}

void
kith__txn_unlock(struct kith__txn_plan *plan)
{
    while (plan->held > 0)
        kith__lock_release(plan->self, plan->locks[--plan->held].lock);
}

/* The lock of a shard or value among those of the plan; NULL: it is none of them. */
static struct kith__txn_needed *
needed_of(const struct kith__txn_plan *plan, struct kith__lock *lock)
{
    struct kith__txn_needed key = { .lock = lock, .rank = KITH__RANK_OBJECT };

    return bsearch(&key, plan->locks, plan->lock_count, sizeof key, by_rank);
}

/* Whether every object is still what its handle says, and every shard still the key's. */
static kith_err
check_objects(struct kith__txn_plan *plan, bool *again_out)
{
    uint64_t last = 0;

    *again_out = false;
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];
        struct kith__dict_root *root;
        struct kith__shard *shards;
        unsigned count;

        plan->failed = i;
        if (kith__txn_on_queue(step)) {
            if (kith__load(&kith__queue_root(&step->queue)->id) != step->queue.id)
                return KITH_EGONE;
            continue;
        }
        if (kith__txn_on_value(step)) {
            if (kith__load(&kith__value_root(&step->value)->root.id) != step->value.id)
                return KITH_EGONE;
            continue;
        }
        root = kith__dict_root(&step->dict);
        if (kith__load(&root->id) != step->dict.id)
            return KITH_EGONE;
        if (step->dict.off == last)
            continue; /* a shard of ours is locked, so the dict's shards stay what they are */
        last = step->dict.off;
        shards = kith__dict_shards(&step->dict, kith__load(&root->shards), &count);
        if (shards == NULL ||
            step->shard != (count == 1 ? shards : shards + kith__shard_of(step->key->hash)) ||
            needed_of(plan, &step->shard->lock) == NULL)
            *again_out = true;
    }
    plan->failed = plan->count;
    return KITH_OK;
}

static struct kith__shard *
shard_of_lock(struct kith__lock *lock)
{
    return (struct kith__shard *)(void *)((uint8_t *)lock - offsetof(struct kith__shard, lock));
}

kith_err
kith__txn_lock(struct kith__txn_plan *plan)
{
    for (;;) {
        bool again;
        kith_err err = list_locks(plan);

        for (plan->held = 0; err == KITH_OK && plan->held < plan->lock_count; plan->held++) {
            err = kith__lock_acquire(plan->self, plan->locks[plan->held].lock);
            if (err < 0)
                break;
            if (plan->locks[plan->held].shard)
                kith__shard_touch(shard_of_lock(plan->locks[plan->held].lock));
        }
        if (err == KITH_OK)
            err = check_objects(plan, &again);
        if (err == KITH_OK && !again)
            return KITH_OK;
        kith__txn_unlock(plan);
        if (err < 0)
            return err;
    }
}

/* Each key of a batch is two misses, one after the other, which those of others can overlap. */
void
kith__txn_ask_ahead(const struct kith__txn_plan *plan, size_t at)
{
    struct kith__arena *arena = plan->self->arena;

    if (plan->count <= KITH__TXN_AHEAD / 2)
        return;
    if (at + KITH__TXN_AHEAD < plan->count &&
        kith__txn_on_dict(&plan->steps[at + KITH__TXN_AHEAD])) {
        const struct kith__txn_step *step = &plan->steps[at + KITH__TXN_AHEAD];

        kith__table_ask_bucket(arena, step->shard, step->key->hash);
    }
    if (at + KITH__TXN_AHEAD / 2 < plan->count &&
        kith__txn_on_dict(&plan->steps[at + KITH__TXN_AHEAD / 2])) {
        const struct kith__txn_step *step = &plan->steps[at + KITH__TXN_AHEAD / 2];

        kith__table_ask_entry(arena, step->shard, step->key->hash);
    }
}

/* ---- X2: room --------------------------------------------------------------------------- */

static bool
is_tight(struct kith__txn_plan *plan, const struct kith__txn_needed *needed)
{
    struct kith__shard *shard = shard_of_lock(needed->lock);
    struct kith__txn_step *step = &plan->steps[needed->step];

    return needed->shard && needed->inserts > 0 &&
           (kith__table_tight(shard, needed->inserts) ||
            (shard == &kith__dict_root(&step->dict)->own &&
             kith__load(&shard->count) + needed->inserts > KITH__SPREAD_AT));
}

#define SAMPLE 16u

/*
 * Whether most keys of many steps are there already, as when counters are added to.  They are then
 * not counted: a table may get fuller than it should, and the next insertion makes it grow.
 */
static bool
mostly_there(struct kith__txn_plan *plan)
{
    unsigned looked = 0, there = 0;
    struct kith__op op;

    if (plan->count < 4 * SAMPLE)
        return false;
    kith__op_begin(&op, plan->self);
    for (size_t i = 0; i < plan->count; i += plan->count / SAMPLE) {
        struct kith__txn_step *step = &plan->steps[i];
        struct kith__place place;

        if (!kith__txn_may_insert(step))
            continue;
        looked++;
        there +=
            kith__table_find(&op, step->shard, step->key, &place) == KITH_OK && place.entry != NULL;
    }
    return there > looked - looked / 8;
}

/* Takes back, from what the steps may add, the keys that are there already. */
static kith_err
count_exactly(struct kith__txn_plan *plan)
{
    struct kith__shard *shard = NULL;
    struct kith__txn_needed *needed = NULL;
    struct kith__op op;

    kith__op_begin(&op, plan->self);
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];
        struct kith__place place;
        kith_err err;

        kith__txn_ask_ahead(plan, i);
        if (!kith__txn_may_insert(step))
            continue;
        if (step->shard != shard) {
            shard = step->shard;
            needed = needed_of(plan, &shard->lock);
        }
        if (needed == NULL || !is_tight(plan, needed))
            continue;
        err = kith__table_find(&op, shard, step->key, &place);
        if (err < 0)
            return err;
        if (place.entry != NULL)
            needed->inserts--;
    }
    return KITH_OK;
}

static kith_err
grow_tables(struct kith__txn_plan *plan)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < plan->lock_count && err == KITH_OK; i++) {
        struct kith__txn_needed *needed = &plan->locks[i];

        if (is_tight(plan, needed))
            err = kith__table_reserve(plan->self, shard_of_lock(needed->lock), needed->inserts,
                                      false);
    }
    return err;
}

/* Whether the dict of a lock has one shard, which is too small for the keys that come. */
static bool
is_to_be_spread(struct kith__txn_plan *plan, const struct kith__txn_needed *needed)
{
    struct kith__dict_root *root;

    if (!is_tight(plan, needed))
        return false;
    root = kith__dict_root(&plan->steps[needed->step].dict);
    return shard_of_lock(needed->lock) == &root->own &&
           kith__load(&root->own.count) + needed->inserts > KITH__SPREAD_AT;
}

/* *again_out: a dict was spread, so keys have other locks now. */
kith_err
kith__txn_make_room(struct kith__txn_plan *plan, bool *again_out)
{
    bool tight = false;
    kith_err err;

    *again_out = plan->counted = false;
    for (size_t i = 0; i < plan->lock_count && !tight; i++)
        tight = is_tight(plan, &plan->locks[i]);
    if (!tight || mostly_there(plan))
        return KITH_OK;
    plan->counted = true;
    err = count_exactly(plan);
    for (size_t i = 0; i < plan->lock_count && err == KITH_OK; i++) {
        const struct kith__dict *dict = &plan->steps[plan->locks[i].step].dict;

        if (!is_to_be_spread(plan, &plan->locks[i]))
            continue;
        err = kith__dict_spread(plan->self, dict);
        if (err == KITH_OK && kith__load(&kith__dict_root(dict)->shards) != 0) {
            *again_out = true;
            return KITH_OK;
        }
    }
    return err < 0 ? err : grow_tables(plan);
}

kith_err
kith__txn_make_more_room(struct kith__txn_plan *plan)
{
    kith_err err;

    if (plan->counted)
        return kith__table_reserve(plan->self, plan->steps[plan->failed].shard, 1, true);
    plan->counted = true; /* more keys are new than it seemed */
    err = count_exactly(plan);
    return err < 0 ? err : grow_tables(plan);
}
