/*
 * txn.c - several changes, of any objects of one arena, in one record of any length.
 *
 * STEPS
 *   X1  the locks of everything the steps name are taken, in one order for all: shards of
 *       dicts and values, then heads of queues, then tails, each by offset
 *   X2  tables grow until every insertion has room, each by a record of its own, locks kept
 *   X3  conditions are decided; then the steps are written down, each seeing what those before
 *       it wrote; blocks are taken and staged on the way.  An error here ends it
 *   X4  the record: committed, carried out, cleared
 *   X5  sleepers are woken, and then the locks released: a reaper that finds the lock of a queue
 *       or a value in the ledger wakes its sleepers, so no list of wakes has to survive
 * DEATH
 *   up to X4   nothing happened: staged blocks are freed, locks released
 *   from X4    everything did
 *
 * ISOLATION  Readers see covers on every bucket and value the record touches, and go by the
 *            record's state: all of it or none, at every instant, also while its writer is stopped.
 */
#include "shm/txn.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

enum rank { RANK_OBJECT, RANK_HEAD, RANK_TAIL }; /* an object: a shard, or a value */

/* A lock that some steps need. */
struct needed {
    struct kith__lock *lock;
    enum rank rank;
    uint32_t step;    /* one that needs it */
    uint64_t inserts; /* shards: keys that the steps may add */
    bool shard;
};

struct plan {
    struct kith__self *self;
    struct kith__txn_step *steps;
    size_t count;
    struct needed *locks;
    size_t lock_count, held;
    size_t failed;
    bool evicted;
};

static int
by_rank(const void *a, const void *b)
{
    const struct needed *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->lock < y->lock ? -1 : x->lock > y->lock;
}

static bool
on_queue(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_PUT || step->what == KITH__TXN_ACK;
}

/* Whether it puts an item at a place of its own, which takes both locks of the queue. */
static bool
is_aside(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_PUT && (step->how.priority != 0 || step->how.delay_ns > 0);
}

static bool
on_value(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_VALUE_SET || step->what == KITH__TXN_VALUE_ADD ||
           step->what == KITH__TXN_IF_VALUE;
}

static bool
on_dict(const struct kith__txn_step *step)
{
    return !on_queue(step) && !on_value(step);
}

static bool
is_condition(const struct kith__txn_step *step)
{
    return step->what >= KITH__TXN_IF_ABSENT;
}

static bool
may_insert(const struct kith__txn_step *step)
{
    return step->what == KITH__TXN_SET || step->what == KITH__TXN_ADD;
}

/* ---- X1 --------------------------------------------------------------------------------- */

/*
 * Steps come in runs on one dict, as those of add_many do.  A run adds each shard it needs once,
 * however many keys it has, so that sorting the locks costs nothing beside looking keys up.
 */
static kith_err
list_run(struct plan *plan, size_t *at)
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
    for (;
         *at < plan->count && on_dict(&plan->steps[*at]) && plan->steps[*at].dict.off == dict->off;
         ++*at) {
        struct kith__txn_step *step = &plan->steps[*at];
        unsigned i = count == 1 ? 0 : kith__shard_of(step->key->hash);

        if (index[i] == 0) {
            plan->locks[plan->lock_count++] =
                (struct needed){ &shards[i].lock, RANK_OBJECT, (uint32_t)*at, 0, true };
            index[i] = (uint8_t)(plan->lock_count - first);
        }
        step->shard = &shards[i];
        plan->locks[first + index[i] - 1].inserts += may_insert(step);
    }
    return KITH_OK;
}

static kith_err
list_locks(struct plan *plan)
{
    size_t kept = 0;

    plan->lock_count = 0;
    for (size_t at = 0; at < plan->count;) {
        struct kith__txn_step *step = &plan->steps[at];
        kith_err err = KITH_OK;

        if (on_queue(step)) {
            struct kith__queue_root *root = kith__queue_root(&step->queue);
            bool put = step->what == KITH__TXN_PUT;

            plan->locks[plan->lock_count++] =
                (struct needed){ put ? &root->tail_lock : &root->head_lock,
                                 put ? RANK_TAIL : RANK_HEAD, (uint32_t)at, 0, false };
            if (is_aside(step))
                plan->locks[plan->lock_count++] =
                    (struct needed){ &root->head_lock, RANK_HEAD, (uint32_t)at, 0, false };
            at++;
        } else if (on_value(step)) {
            plan->locks[plan->lock_count++] =
                (struct needed){ &kith__value_root(&step->value)->root.lock, RANK_OBJECT,
                                 (uint32_t)at, 0, false };
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

static void
unlock_all(struct plan *plan)
{
    while (plan->held > 0)
        kith__lock_release(plan->self, plan->locks[--plan->held].lock);
}

static bool
is_locked(const struct plan *plan, struct kith__lock *lock)
{
    struct needed key = { .lock = lock, .rank = RANK_OBJECT };

    return bsearch(&key, plan->locks, plan->lock_count, sizeof key, by_rank) != NULL;
}

/* Whether every object is still what its handle says, and every shard still the key's. */
static kith_err
check_objects(struct plan *plan, bool *again_out)
{
    uint64_t last = 0;

    *again_out = false;
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];
        struct kith__dict_root *root;
        struct kith__shard *shards;
        unsigned count;

        plan->failed = i;
        if (on_queue(step)) {
            if (kith__load(&kith__queue_root(&step->queue)->id) != step->queue.id)
                return KITH_EGONE;
            continue;
        }
        if (on_value(step)) {
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
            !is_locked(plan, &step->shard->lock))
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

static kith_err
lock_all(struct plan *plan)
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
        unlock_all(plan);
        if (err < 0)
            return err;
    }
}

/* ---- X2 --------------------------------------------------------------------------------- */

static bool
is_tight(struct plan *plan, const struct needed *needed)
{
    struct kith__shard *shard = shard_of_lock(needed->lock);
    struct kith__txn_step *step = &plan->steps[needed->step];

    return needed->shard && needed->inserts > 0 &&
           (kith__table_tight(shard, needed->inserts) ||
            (shard == &kith__dict_root(&step->dict)->own &&
             kith__load(&shard->count) + needed->inserts > KITH__SPREAD_AT));
}

/* Takes back, from what the steps may add, the keys that are there already. */
static kith_err
count_exactly(struct plan *plan)
{
    struct kith__op op;

    kith__op_begin(&op, plan->self);
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];
        struct kith__place place;
        struct needed key = { .rank = RANK_OBJECT }, *needed;
        kith_err err;

        if (!may_insert(step))
            continue;
        err = kith__table_find(&op, step->shard, step->key, &place);
        if (err < 0)
            return err;
        key.lock = &step->shard->lock;
        needed = place.entry == NULL
                     ? NULL
                     : bsearch(&key, plan->locks, plan->lock_count, sizeof key, by_rank);
        if (needed != NULL)
            needed->inserts--;
    }
    return KITH_OK;
}

/* *again_out: a dict was spread, so keys have other locks now. */
static kith_err
make_room(struct plan *plan, bool *again_out)
{
    bool tight = false;
    kith_err err;

    *again_out = false;
    for (size_t i = 0; i < plan->lock_count && !tight; i++)
        tight = is_tight(plan, &plan->locks[i]);
    if (!tight)
        return KITH_OK;
    err = count_exactly(plan);
    for (size_t i = 0; i < plan->lock_count && err == KITH_OK; i++) {
        struct needed *needed = &plan->locks[i];
        struct kith__txn_step *step = &plan->steps[needed->step];

        if (!is_tight(plan, needed))
            continue;
        if (shard_of_lock(needed->lock) == &kith__dict_root(&step->dict)->own &&
            kith__load(&kith__dict_root(&step->dict)->own.count) + needed->inserts >
                KITH__SPREAD_AT) {
            err = kith__dict_spread(plan->self, &step->dict);
            if (err == KITH_OK && kith__load(&kith__dict_root(&step->dict)->shards) != 0) {
                *again_out = true;
                return KITH_OK;
            }
        }
        if (err == KITH_OK)
            err = kith__table_reserve(plan->self, shard_of_lock(needed->lock), needed->inserts,
                                      false);
    }
    return err;
}

/* ---- X3 --------------------------------------------------------------------------------- */

static kith_err
decide_value(struct kith__op *op, struct kith__txn_step *step)
{
    size_t size = step->value.type.size;
    void *now = kith__malloc(size);
    kith_err err;

    if (now == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of a value.");
    err = kith__value_op_get(op, &step->value, now);
    if (err == KITH_OK && memcmp(now, step->item.data, size) != 0)
        err = KITH_ECONFLICT;
    kith__free(now);
    return err;
}

static kith_err
decide(struct kith__op *op, struct kith__txn_step *step)
{
    struct kith__place place;
    kith_err err = kith__table_find(op, step->shard, step->key, &place);
    bool holds = false;

    if (err < 0)
        return err;
    if (place.entry != NULL && kith__entry_expired(place.entry, step->now))
        place.entry = NULL;
    switch (step->what) {
    case KITH__TXN_IF_ABSENT:
        holds = place.entry == NULL;
        break;
    case KITH__TXN_IF_PRESENT:
        holds = place.entry != NULL;
        break;
    case KITH__TXN_IF_EQUAL:
        holds =
            place.entry != NULL &&
            kith__stored_equals(op->self->arena, kith__load(&place.entry->meta),
                                &place.entry->value, kith__load(&place.entry->value), step->item);
        break;
    default:
        holds = place.entry != NULL && kith__load(&place.entry->version) == step->version;
    }
    return holds ? KITH_OK : KITH_ECONFLICT;
}

static kith_err
add_to_number(struct kith__op *op, struct kith__txn_step *step, struct kith__place *place)
{
    uint64_t meta = kith__op_get(op, &place->entry->meta);
    int64_t now;

    if (KITH__META_TYPE(meta) == KITH_TYPE_BIGINT)
        return KITH_ERANGE;
    if (KITH__META_TYPE(meta) != KITH_TYPE_INT && KITH__META_TYPE(meta) != KITH_TYPE_BOOL)
        return KITH_ETYPE;
    if (__builtin_add_overflow((int64_t)kith__op_get(op, &place->entry->value), step->n, &now))
        return KITH_ERANGE;
    kith__table_replace(
        op, place,
        (struct kith__stored){ .meta = KITH__META(KITH_TYPE_INT, 0, 8), .value = (uint64_t)now });
    return op->err;
}

/*
 * KITH_EFULL of an insertion: no place near the key's home; in op->err too: the bounds of the dict.
 */
static kith_err
write_step(struct kith__op *op, struct kith__txn_step *step, bool *evicted)
{
    struct kith__stored stored = { .meta = KITH__META(KITH_TYPE_INT, 0, 8),
                                   .value = (uint64_t)step->n };
    struct kith__more *more;
    struct kith__place place;
    uint64_t bytes, less;
    struct kith__shard *shard;
    kith_err err;

    if (step->what == KITH__TXN_PUT)
        return kith__queue_link(op, &step->queue, &step->item, &step->how);
    if (step->what == KITH__TXN_ACK)
        return kith__queue_unlend(op, &step->queue, &step->lent);
    if (step->what == KITH__TXN_VALUE_SET)
        return kith__value_op_set(op, &step->value, step->item.data);
    if (step->what == KITH__TXN_VALUE_ADD)
        return kith__value_op_add(op, &step->value, (uint64_t)step->n);
    shard = step->shard;
    err = kith__table_find(op, shard, step->key, &place);
    if (err == KITH_OK && place.entry != NULL && kith__entry_expired(place.entry, step->now)) {
        err = kith__table_delete(op, &place, false);
        place.entry = NULL;
    }
    if (err < 0)
        return err;
    if (step->what == KITH__TXN_DELETE) {
        step->done = place.entry != NULL;
        return place.entry == NULL ? KITH_OK : kith__table_delete(op, &place, false);
    }
    if (step->what == KITH__TXN_ADD && place.entry != NULL)
        return add_to_number(op, step, &place);
    if (step->what == KITH__TXN_SET) {
        err = kith__stored_make(op, step->item, &stored);
        if (err < 0)
            return err;
    }
    bytes = kith__entry_bytes(step->key->size, stored.meta);
    less = place.entry == NULL
               ? 0
               : kith__entry_bytes(step->key->size, kith__op_get(op, &place.entry->meta));
    err = kith__dict_make_room(op, &step->dict, shard, place.entry != NULL ? place.entry_off : 0,
                               place.entry == NULL, bytes, less, evicted);
    if (err < 0)
        return err;
    if (place.entry != NULL) {
        kith__table_replace(op, &place, stored);
        more = kith__entry_more(place.entry);
        if (more != NULL && kith__op_get(op, &more->expires) != 0)
            kith__op_set(op, &more->expires, 0); /* set anew, it does not expire */
        return op->err;
    }
    return kith__table_insert(op, kith__dict_root(&step->dict), shard, step->key, stored);
}

static void
raise_signals(struct plan *plan)
{
    uint64_t last = 0;

    atomic_thread_fence(memory_order_seq_cst); /* what was stored is seen, or the sleepers are */
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];

        if (step->what == KITH__TXN_PUT)
            kith__queue_raise(plan->self, kith__queue_root(&step->queue), 1, false);
        if (is_aside(step))
            kith__queue_raise_due(plan->self, kith__queue_root(&step->queue), 0);
        if (step->what == KITH__TXN_ACK)
            kith__queue_raise(plan->self, kith__queue_root(&step->queue), 0, true);
        else if (on_value(step) && !is_condition(step))
            kith__value_raise(plan->self, &step->value);
        else if (on_dict(step) && !is_condition(step) && step->dict.off != last) {
            last = step->dict.off;
            kith__signal_raise(plan->self, &kith__dict_root(&step->dict)->signal, INT32_MAX);
        }
    }
}

static kith_err
write_and_commit(struct plan *plan)
{
    struct kith__op op;
    bool full;
    kith_err err;

    for (size_t i = 0; i < plan->count; i++) /* one reading of the clock for all of a dict */
        if (on_dict(&plan->steps[i]))
            plan->steps[i].now =
                i > 0 && on_dict(&plan->steps[i - 1]) && plan->steps[i - 1].now != 0
                    ? plan->steps[i - 1].now
                    : kith__dict_time(&plan->steps[i].dict);
retry:
    plan->evicted = false;
    err = KITH_OK;
    kith__op_begin(&op, plan->self);
    for (size_t i = 0; i < plan->count && err == KITH_OK; i++)
        if (is_condition(&plan->steps[i])) {
            plan->failed = i;
            err = on_value(&plan->steps[i]) ? decide_value(&op, &plan->steps[i])
                                            : decide(&op, &plan->steps[i]);
        }
    for (size_t i = 0; i < plan->count && err == KITH_OK; i++)
        if (!is_condition(&plan->steps[i])) {
            plan->failed = i;
            err = write_step(&op, &plan->steps[i], &plan->evicted);
        }
    if (err == KITH_OK) {
        plan->failed = plan->count;
        err = kith__op_commit(&op); /* X4 */
    }
    full = op.err == KITH_EFULL;
    if (err < 0)
        kith__op_abort(&op);
    if (err == KITH_EFULL && !full && plan->failed < plan->count &&
        on_dict(&plan->steps[plan->failed])) {
        err = kith__table_reserve(plan->self, plan->steps[plan->failed].shard, 1, true);
        if (err == KITH_OK)
            goto retry;
    }
    return err;
}

kith_err
kith__txn_run(struct kith__self *self, struct kith__txn_step *steps, size_t count,
              size_t *failed_out)
{
    struct plan plan = { .self = self, .steps = steps, .count = count, .failed = count };
    struct needed few[16]; /* a step may need two */
    bool again;
    kith_err err;

    plan.locks = count <= sizeof few / sizeof few[0] / 2 ? few
                 : count > SIZE_MAX / sizeof few         ? NULL
                                                 : kith__malloc(2 * count * sizeof *plan.locks);
    if (plan.locks == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a transaction of %zu steps.",
                          count);
    do {
        again = false;
        err = lock_all(&plan);
        if (err < 0)
            break;
        err = make_room(&plan, &again);
        if (err == KITH_OK && !again)
            err = write_and_commit(&plan);
        if (err == KITH_OK && !again)
            raise_signals(&plan); /* X5 */
        unlock_all(&plan);
    } while (again);
    if (plan.locks != few)
        kith__free(plan.locks);
    *failed_out = plan.failed;
    kith__op_end(self);
    return err == KITH_OK && plan.evicted ? KITH_EVICTED : err;
}
