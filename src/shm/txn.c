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
#include "shm/txn_plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

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
    const bool first = kith__place_untouched(op, place);
    uint64_t meta = first ? kith__load(&place->entry->meta) : kith__op_get(op, &place->entry->meta);
    uint64_t value =
        first ? kith__load(&place->entry->value) : kith__op_get(op, &place->entry->value);
    struct kith__stored stored = { .meta = KITH__META(KITH_TYPE_INT, 0, 8) };
    int64_t now;

    if (KITH__META_TYPE(meta) == KITH_TYPE_BIGINT)
        return KITH_ERANGE;
    if (KITH__META_TYPE(meta) != KITH_TYPE_INT && KITH__META_TYPE(meta) != KITH_TYPE_BOOL)
        return KITH_ETYPE;
    if (__builtin_add_overflow((int64_t)value, step->n, &now))
        return KITH_ERANGE;
    stored.value = (uint64_t)now;
    if (first)
        kith__table_replace_first(op, place, stored);
    else
        kith__table_replace(op, place, stored);
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
        if (more != NULL && kith__op_get(op, &more->life) != 0) { /* set anew, it lives for ever */
            kith__op_set(op, &more->expires, 0);
            kith__op_set(op, &more->life, 0);
        }
        return op->err;
    }
    return kith__table_insert(op, kith__dict_root(&step->dict), shard, step->key, stored);
}

static void
raise_signals(struct kith__txn_plan *plan)
{
    uint64_t last = 0;

    atomic_thread_fence(memory_order_seq_cst); /* what was stored is seen, or the sleepers are */
    for (size_t i = 0; i < plan->count; i++) {
        struct kith__txn_step *step = &plan->steps[i];

        if (step->what == KITH__TXN_PUT)
            kith__queue_raise(plan->self, kith__queue_root(&step->queue), 1, false);
        if (kith__txn_is_aside(step))
            kith__queue_raise_due(plan->self, kith__queue_root(&step->queue), 0);
        if (step->what == KITH__TXN_ACK)
            kith__queue_raise(plan->self, kith__queue_root(&step->queue), 0, true);
        else if (kith__txn_on_value(step) && !kith__txn_is_condition(step))
            kith__value_raise(plan->self, &step->value);
        else if (kith__txn_on_dict(step) && !kith__txn_is_condition(step) &&
                 step->dict.off != last) {
            last = step->dict.off;
            kith__signal_raise(plan->self, &kith__dict_root(&step->dict)->signal, INT32_MAX);
        }
    }
}

static kith_err
write_and_commit(struct kith__txn_plan *plan)
{
    struct kith__op op;
    bool full;
    kith_err err;

    for (size_t i = 0; i < plan->count; i++) /* one reading of the clock for all of a dict */
        if (kith__txn_on_dict(&plan->steps[i]))
            plan->steps[i].now =
                i > 0 && kith__txn_on_dict(&plan->steps[i - 1]) && plan->steps[i - 1].now != 0
                    ? plan->steps[i - 1].now
                    : kith__dict_time(&plan->steps[i].dict);
retry:
    plan->evicted = false;
    err = KITH_OK;
    kith__op_begin(&op, plan->self);
    for (size_t i = 0; i < plan->count && err == KITH_OK; i++)
        if (kith__txn_is_condition(&plan->steps[i])) {
            plan->failed = i;
            err = kith__txn_on_value(&plan->steps[i]) ? decide_value(&op, &plan->steps[i])
                                                      : decide(&op, &plan->steps[i]);
        }
    if (plan->count > KITH__TXN_AHEAD)
        op.expected = plan->count < UINT32_C(1) << 24 ? 3 * (uint32_t)plan->count : 0;
    for (size_t i = 0; i < plan->count && err == KITH_OK; i++)
        if (!kith__txn_is_condition(&plan->steps[i])) {
            kith__txn_ask_ahead(plan, i);
            plan->failed = i;
            err = write_step(&op, &plan->steps[i], &plan->evicted);
#ifdef KITH_MISTAKE_TXN_IN_TWO_RECORDS
            if (i == 1 && kith__op_commit(&op) == KITH_OK)
                kith__op_begin(&op, plan->self);
#endif
        }
    if (err == KITH_OK) {
        plan->failed = plan->count;
        err = kith__op_commit(&op); /* X4 */
    }
    full = op.err == KITH_EFULL;
    if (err < 0)
        kith__op_abort(&op);
    if (err == KITH_EFULL && !full && plan->failed < plan->count &&
        kith__txn_on_dict(&plan->steps[plan->failed])) {
        err = kith__txn_make_more_room(plan);
        if (err == KITH_OK)
            goto retry;
    }
    return err;
}

kith_err
kith__txn_run(struct kith__self *self, struct kith__txn_step *steps, size_t count,
              size_t *failed_out)
{
    struct kith__txn_plan plan = { .self = self, .steps = steps, .count = count, .failed = count };
    struct kith__txn_needed few[16]; /* a step may need two */
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
        err = kith__txn_lock(&plan);
        if (err < 0)
            break;
        err = kith__txn_make_room(&plan, &again);
        if (err == KITH_OK && !again)
            err = write_and_commit(&plan);
        if (err == KITH_OK && !again)
            raise_signals(&plan); /* X5 */
        kith__txn_unlock(&plan);
    } while (again);
    if (plan.locks != few)
        kith__free(plan.locks);
    *failed_out = plan.failed;
    kith__op_end(self);
    return err == KITH_OK && plan.evicted ? KITH_EVICTED : err;
}
