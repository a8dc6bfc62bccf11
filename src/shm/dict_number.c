/*
 * dict_number.c - calculating with the number under a key.
 *
 * Under the lock of its shard a number over a number is one store, and takes effect once whenever
 * the process is killed: see table.c, STEPS.  One that is not there yet, or stands over an item of
 * another type, is a record.
 */
#include <string.h>

#include "base/error.h"
#include "shm/quick.h"

kith_err
kith__number_apply(const struct kith__number *number, bool absent, int64_t old, int64_t *now_out)
{
    int64_t n = number->n, now = 0;
    bool over = false;

    switch (number->what) {
    case KITH__NUMBER_ADD:
        over = __builtin_add_overflow(old, n, &now);
        break;
    case KITH__NUMBER_ADD_LIMIT:
        over = __builtin_add_overflow(old, n, &now);
        if (!over && (n >= 0 ? now > number->limit : now < number->limit))
            over = true;
        break;
    case KITH__NUMBER_SUB:
        over = __builtin_sub_overflow(old, n, &now);
        break;
    case KITH__NUMBER_MIN:
        now = absent || n < old ? n : old;
        break;
    case KITH__NUMBER_MAX:
        now = absent || n > old ? n : old;
        break;
    case KITH__NUMBER_AND:
        now = old & n;
        break;
    case KITH__NUMBER_OR:
        now = old | n;
        break;
    case KITH__NUMBER_XOR:
        now = old ^ n;
        break;
    }
    if (over)
        return KITH_ERANGE;
    *now_out = now;
    return KITH_OK;
}

/* Stores the number by a record: it is new, or replaces an item of another type. */
static kith_err
store_number(struct kith__self *self, const struct kith__dict *dict, struct kith__shard *shard,
             const struct kith__key *key, struct kith__stored stored, int64_t now)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__place place;
    struct kith__op op;
    bool evicted = false, before = false, dead;
    kith_err err = KITH_OK;

    for (;;) {
        kith__op_begin(&op, self);
        err = kith__table_find(&op, shard, key, &place);
        if (err < 0)
            return err;
        dead = place.entry != NULL && kith__entry_expired(place.entry, now);
        if (place.entry != NULL && !dead) {
            kith__table_replace(&op, &place, stored); /* its time to live stays */
            break;
        }
        if (!dead && kith__table_tight(shard, 1)) {
            err = kith__table_reserve(self, shard, 1, false);
            if (err < 0)
                return err;
            continue;
        }
        if (dead)
            err = kith__table_delete(&op, &place, false);
        if (err == KITH_OK)
            err = kith__dict_make_room(&op, dict, shard, 0, 1,
                                       kith__entry_bytes(key->size, stored.meta), 0, &evicted);
        if (err == KITH_OK)
            err = kith__table_insert(&op, root, shard, key, stored);
        if (err == KITH_OK)
            break;
        dead = op.err == KITH_EFULL; /* by its bounds: growing would not help */
        kith__op_abort(&op);
        if (err == KITH_ENOMEM && !before) {
            evicted = before = kith__dict_evict_first(
                self, dict, shard, key, kith__entry_bytes(key->size, stored.meta), false);
            if (before)
                continue;
        }
        if (err != KITH_EFULL || dead)
            return err;
        err = kith__table_reserve(self, shard, 1, true);
        if (err < 0)
            return err;
    }
    err = kith__op_commit(&op);
    if (err < 0) {
        kith__op_abort(&op);
        return err;
    }
    if (now != 0)
        kith__dict_sweep(self, dict, shard);
    if (kith__dict_outgrew(root, shard, 0))
        kith__dict_spread(self, dict);
    return evicted ? KITH_EVICTED : KITH_OK;
}

/* Whether an entry stands at the place that has not expired. */
static bool
is_there(const struct kith__place *place, int64_t now)
{
    return place->entry != NULL && !kith__entry_expired(place->entry, now);
}

kith_err
kith__dict_number(struct kith__self *self, const struct kith__dict *dict,
                  const struct kith__key *key, const struct kith__number *number, int64_t *now_out)
{
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__op op;
    uint64_t meta;
    int64_t now = 0, time;
    bool there;
    kith_err err = kith__quick_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    place.entry = kith__quick_find(self->arena, shard, key, &there);
    if (place.entry != NULL && kith__load(&place.entry->meta) == KITH__META(KITH_TYPE_INT, 0, 8)) {
        err = kith__number_apply(number, false, (int64_t)kith__load(&place.entry->value), &now);
        if (err == KITH_OK) {
            kith__entry_use(place.entry);
            kith__entry_store(place.entry, (uint64_t)now);
        }
        goto out;
    }
    if (number->ttl_ns > 0)
        atomic_store_explicit(&kith__dict_root(dict)->expiring, 1, memory_order_release);
    time = kith__dict_time(dict);
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err < 0)
        goto out;
    there = is_there(&place, time);
    meta = there ? kith__load(&place.entry->meta) : 0;
    if (there && KITH__META_TYPE(meta) == KITH_TYPE_INT) {
        err = kith__number_apply(number, false, (int64_t)kith__load(&place.entry->value), &now);
        if (err == KITH_OK) {
            kith__entry_use(place.entry);
            kith__entry_store(place.entry, (uint64_t)now);
        }
    } else if (!there || KITH__META_TYPE(meta) == KITH_TYPE_BOOL) {
        int64_t old = there ? (int64_t)kith__load(&place.entry->value) : number->init;
        struct kith__stored stored = { .meta = KITH__META(KITH_TYPE_INT, 0, 8) };

        if (number->ttl_ns > 0) {
            stored.expires = kith__expiry(time, number->ttl_ns);
            stored.life = number->ttl_ns;
        }
        err = kith__number_apply(number, !there, old, &now);
        stored.value = (uint64_t)now;
        if (err == KITH_OK)
            err = store_number(self, dict, shard, key, stored, time);
    } else {
        err = KITH__META_TYPE(meta) == KITH_TYPE_BIGINT ? KITH_ERANGE : KITH_ETYPE;
    }
out:
    kith__shard_release(self, kith__dict_root(dict), shard);
    kith__op_end(self);
    if (err >= 0 && now_out != NULL)
        *now_out = now;
    return err;
}

kith_err
kith__dict_add_float(struct kith__self *self, const struct kith__dict *dict,
                     const struct kith__key *key, double n, double *now_out)
{
    uint64_t float_meta = KITH__META(KITH_TYPE_FLOAT, 0, 8), meta, bits = 0;
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__op op;
    int64_t time;
    double now = n;
    bool there;
    kith_err err = kith__dict_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err < 0)
        goto out;
    time = kith__dict_time(dict);
    there = is_there(&place, time);
    meta = there ? kith__load(&place.entry->meta) : float_meta;
    if (there)
        bits = kith__load(&place.entry->value);
    switch (KITH__META_TYPE(meta)) {
    case KITH_TYPE_FLOAT: {
        double old = 0;
        memcpy(&old, &bits, sizeof old);
        now = old + n;
        break;
    }
    case KITH_TYPE_INT:
    case KITH_TYPE_BOOL:
        now = (double)(int64_t)bits + n;
        break;
    default:
        err = KITH_ETYPE;
        goto out;
    }
    memcpy(&bits, &now, sizeof bits);
    if (there && meta == float_meta)
        kith__entry_store(place.entry, bits);
    else
        err = store_number(self, dict, shard, key,
                           (struct kith__stored){ .meta = float_meta, .value = bits }, time);
out:
    kith__shard_release(self, kith__dict_root(dict), shard);
    kith__op_end(self);
    if (err >= 0 && now_out != NULL)
        *now_out = now;
    return err;
}
