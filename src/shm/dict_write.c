/*
 * dict_write.c - changing one key of a dict.
 *
 * Every change holds the lock of the key's shard.  What can be one store is one store: see
 * table.c, STEPS.  The rest is one record.
 *
 * A table that is full grows before the change is written down, with a record of its own.  An
 * item too large for a span is copied into its extent before the lock is taken, so that others
 * do not wait for the copying; should the table turn out to be full then, it starts over.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/dict.h"

/* Copies what stands at a place out, under its lock. */
static kith_err
copy_out(struct kith__self *self, const struct kith__place *place, struct kith_buf *out)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith_err err;

    if (out == NULL)
        return KITH_OK;
    err = kith__stored_item(self->arena, kith__load(&place->entry->meta), &place->entry->value,
                            kith__load(&place->entry->value), &item, tag);
    if (err < 0)
        return kith__fail(err, "An item breaks an invariant; run kith check.");
    return kith__buf_set(out, item);
}

enum verdict { DO_NOTHING, DO_INSERT, DO_REPLACE, DO_DELETE };

/* What is to be done, given what is there; an error is the outcome. */
static kith_err
decide(struct kith__self *self, const struct kith__change *change, const struct kith__place *place,
       enum verdict *verdict)
{
    struct kith__entry *entry = place->entry;

    *verdict = entry == NULL ? DO_INSERT : DO_REPLACE;
    switch (change->what) {
    case KITH__CHANGE_SET:
        return KITH_OK;
    case KITH__CHANGE_INSERT:
        return entry != NULL ? KITH_EEXIST : KITH_OK;
    case KITH__CHANGE_REPLACE:
        return entry == NULL ? KITH_ENOENT : KITH_OK;
    case KITH__CHANGE_SETDEFAULT:
        if (entry != NULL)
            *verdict = DO_NOTHING;
        return KITH_OK;
    case KITH__CHANGE_CAS:
    case KITH__CHANGE_DELETE_IF:
        if (change->what == KITH__CHANGE_DELETE_IF)
            *verdict = DO_DELETE;
        if (entry == NULL ||
            !kith__stored_equals(self->arena, kith__load(&entry->meta), &entry->value,
                                 kith__load(&entry->value), change->expected))
            return KITH_ECONFLICT;
        return KITH_OK;
    case KITH__CHANGE_CAS_VERSION:
        if (entry == NULL || kith__load(&entry->version) != change->version) {
            /* A store in place was cut short: let the next who asks see an even version. */
            if (entry != NULL && (kith__load(&entry->version) & 1) != 0)
                kith__store(&entry->version, kith__load(&entry->version) + 1);
            return KITH_ECONFLICT;
        }
        return KITH_OK;
    case KITH__CHANGE_DELETE:
        *verdict = DO_DELETE;
        return entry == NULL ? KITH_ENOENT : KITH_OK;
    }
    return KITH_EINVAL;
}

static void
mark_absent(struct kith_buf *out)
{
    if (out != NULL)
        kith__buf_set(out, (struct kith_item){ .type = KITH_TYPE_NONE, .tag = kith_absent });
}

/* Shard locked, op begun and empty but for a block of a large item, in `stored` if `prepared`. */
static kith_err
change_locked(struct kith__op *op, const struct kith__dict *dict, struct kith__shard *shard,
              const struct kith__key *key, const struct kith__change *change, bool prepared,
              struct kith__stored *stored)
{
    struct kith__self *self = op->self;
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__place place;
    enum verdict verdict;
    bool force = false;
    kith_err err;

    for (;;) {
        err = kith__table_find(op, shard, key, &place);
        if (err == KITH_OK)
            err = decide(self, change, &place, &verdict);
        if (err < 0)
            return err;
        if (verdict != DO_INSERT || (!force && !kith__table_tight(shard, 1)))
            break;
        if (prepared)
            return KITH_EFULL; /* an operation can't grow a table amid another: start over */
        err = kith__table_reserve(self, shard, 1, force);
        if (err < 0)
            return err;
        force = false;
    }
    if (verdict == DO_NOTHING)
        return copy_out(self, &place, change->out);
    if (place.entry != NULL && change->what != KITH__CHANGE_SETDEFAULT) {
        err = copy_out(self, &place, change->out);
        if (err < 0)
            return err;
    }
    if (verdict != DO_DELETE && !prepared) {
        err = kith__stored_make(op, change->item, stored);
        if (err < 0)
            return err;
    }
    if (verdict == DO_INSERT && change->what == KITH__CHANGE_SETDEFAULT && change->out != NULL) {
        err = kith__buf_set(change->out, change->item); /* while it may still fail */
        if (err < 0)
            return err;
    }
    switch (verdict) {
    case DO_REPLACE:
        if (kith__load(&place.entry->meta) == stored->meta && kith__meta_inline(stored->meta)) {
            kith__entry_store(place.entry, stored->value);
            return KITH_OK;
        }
        kith__table_replace(op, &place, *stored);
        break;
    case DO_DELETE:
        err = kith__table_delete(op, &place, false);
        if (err < 0)
            return err;
        break;
    default:
        err = kith__table_insert(op, root, shard, key, *stored);
        if (err < 0)
            return err;
    }
    err = kith__op_commit(op);
    if (err == KITH_OK && verdict == DO_INSERT && change->what != KITH__CHANGE_SETDEFAULT)
        mark_absent(change->out);
    return err;
}

/* The first step of growing for a large item: room for one more key, before it is copied. */
static kith_err
make_room(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
          bool force)
{
    struct kith__shard *shard;
    kith_err err = kith__dict_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    err = kith__table_reserve(self, shard, 1, force);
    kith__lock_release(self, &shard->lock);
    return err;
}

kith_err
kith__dict_change(struct kith__self *self, const struct kith__dict *dict,
                  const struct kith__key *key, const struct kith__change *change)
{
    bool deletes = change->what == KITH__CHANGE_DELETE || change->what == KITH__CHANGE_DELETE_IF;
    bool large =
        !deletes && change->item.type > KITH_TYPE_FLOAT && change->item.size > KITH__SMALL_MAX;
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__stored stored;
    struct kith__shard *shard;
    struct kith__op op;
    bool force = false;
    kith_err err;

    for (;;) {
        if (large) {
            err = make_room(self, dict, key, force);
            if (err < 0)
                break;
        }
        kith__op_begin(&op, self);
        err = large ? kith__stored_make(&op, change->item, &stored) : KITH_OK;
        if (err == KITH_OK)
            err = kith__dict_lock(self, dict, key->hash, &shard);
        if (err < 0) {
            kith__op_abort(&op);
            break;
        }
        if (!large && force)
            err = kith__table_reserve(self, shard, 1, true);
        if (err == KITH_OK)
            err = change_locked(&op, dict, shard, key, change, large, &stored);
        /*
         * Unlinking what was staged, when nothing came of it, waits until the lock is free: the
         * extent lock may be needed, and it ranks below.
         */
        if (err == KITH_OK && shard == &root->own && kith__load(&shard->count) > KITH__SPREAD_AT)
            kith__dict_spread(self, dict);
        kith__lock_release(self, &shard->lock);
        if (err != KITH_OK || kith__load(&self->actor->staged.count) != 0)
            kith__op_abort(&op);
        if (err != KITH_EFULL)
            break;
        force = !force; /* no place near the key's home: grow even though there is room */
    }
    kith__op_end(self);
    return err;
}

/* ---- Numbers -------------------------------------------------------------------------- */

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
             const struct kith__key *key, struct kith__stored stored)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__place place;
    struct kith__op op;
    kith_err err = KITH_OK;

    for (;;) {
        kith__op_begin(&op, self);
        err = kith__table_find(&op, shard, key, &place);
        if (err < 0)
            return err;
        if (place.entry != NULL) {
            kith__table_replace(&op, &place, stored);
            break;
        }
        if (kith__table_tight(shard, 1)) {
            err = kith__table_reserve(self, shard, 1, false);
            if (err < 0)
                return err;
            continue;
        }
        err = kith__table_insert(&op, root, shard, key, stored);
        if (err == KITH_OK)
            break;
        kith__op_abort(&op);
        if (err != KITH_EFULL)
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
    if (shard == &root->own && kith__load(&shard->count) > KITH__SPREAD_AT)
        kith__dict_spread(self, dict);
    return KITH_OK;
}

kith_err
kith__dict_number(struct kith__self *self, const struct kith__dict *dict,
                  const struct kith__key *key, const struct kith__number *number, int64_t *now_out)
{
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__op op;
    uint64_t meta;
    int64_t now = 0;
    kith_err err = kith__dict_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err < 0)
        goto out;
    meta = place.entry != NULL ? kith__load(&place.entry->meta) : 0;
    if (place.entry != NULL && KITH__META_TYPE(meta) == KITH_TYPE_INT) {
        err = kith__number_apply(number, false, (int64_t)kith__load(&place.entry->value), &now);
        if (err == KITH_OK)
            kith__entry_store(place.entry, (uint64_t)now);
    } else if (place.entry == NULL || KITH__META_TYPE(meta) == KITH_TYPE_BOOL) {
        int64_t old = place.entry == NULL ? number->init : (int64_t)kith__load(&place.entry->value);
        err = kith__number_apply(number, place.entry == NULL, old, &now);
        if (err == KITH_OK)
            err = store_number(
                self, dict, shard, key,
                (struct kith__stored){ KITH__META(KITH_TYPE_INT, 0, 8), (uint64_t)now });
    } else {
        err = KITH__META_TYPE(meta) == KITH_TYPE_BIGINT ? KITH_ERANGE : KITH_ETYPE;
    }
out:
    kith__lock_release(self, &shard->lock);
    kith__op_end(self);
    if (err == KITH_OK && now_out != NULL)
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
    double now = n;
    kith_err err = kith__dict_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err < 0)
        goto out;
    meta = place.entry != NULL ? kith__load(&place.entry->meta) : float_meta;
    if (place.entry != NULL)
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
    if (place.entry != NULL && meta == float_meta)
        kith__entry_store(place.entry, bits);
    else
        err = store_number(self, dict, shard, key, (struct kith__stored){ float_meta, bits });
out:
    kith__lock_release(self, &shard->lock);
    kith__op_end(self);
    if (err == KITH_OK && now_out != NULL)
        *now_out = now;
    return err;
}
