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
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/item.h"
#include "shm/quick.h"

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
    case KITH__CHANGE_DELETE_VERSION:
        if (change->what == KITH__CHANGE_DELETE_VERSION)
            *verdict = DO_DELETE;
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

/* The item's old time to live and its new one, as they will be stored. */
static void
set_expiry(const struct kith__change *change, struct kith__more *old, int64_t now,
           struct kith__stored *stored)
{
    stored->expires = stored->life = 0;
    if (change->ttl_ns > 0) {
        stored->expires = kith__expiry(now, change->ttl_ns);
        stored->life = change->ttl_ns;
    } else if (change->ttl_ns == KITH__TTL_KEEP && old != NULL) {
        stored->expires = (int64_t)kith__load(&old->expires);
        stored->life = (int64_t)kith__load(&old->life);
    }
}

/*
 * Writes an item down over that of an entry.  *in_place_out: it was stored there, by one store,
 * and there is no record.
 */
static kith_err
replace(struct kith__op *op, struct kith__dict_root *root, const struct kith__place *place,
        struct kith__stored stored, bool *in_place_out)
{
    struct kith__more *more = kith__entry_more(place->entry);
    bool lasts = more == NULL ? stored.expires == 0
                              : kith__load(&more->expires) == (uint64_t)stored.expires &&
                                    kith__load(&more->life) == (uint64_t)stored.life;

    *in_place_out = false;
    kith__entry_use(place->entry);
    if (lasts && op->count == 0 && kith__load(&place->entry->meta) == stored.meta &&
        kith__meta_inline(stored.meta)) {
        kith__entry_store(place->entry, stored.value);
        *in_place_out = true;
        return KITH_OK;
    }
    if (more == NULL && !lasts)
        return kith__table_rebuild(op, root, place, stored);
    kith__table_replace(op, place, stored);
    if (!lasts) {
        kith__op_set(op, &more->expires, (uint64_t)stored.expires);
        kith__op_set(op, &more->life, (uint64_t)stored.life);
    }
    return op->err;
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
    struct kith__place place, dead = { 0 };
    struct kith__more *more = NULL;
    enum verdict verdict;
    bool force = false, evicted = false, in_place;
    int64_t now;
    kith_err err;

    if (change->ttl_ns > 0)
        atomic_store_explicit(&root->expiring, 1, memory_order_release);
    now = kith__dict_time(dict);
    for (;;) {
        err = kith__table_find(op, shard, key, &place);
        if (err == KITH_OK && place.entry != NULL && kith__entry_expired(place.entry, now)) {
            dead = place;
            place.entry = NULL;
        }
        if (err == KITH_OK)
            err = decide(self, change, &place, &verdict);
        if (err < 0)
            return err;
        if (verdict != DO_INSERT || dead.entry != NULL || (!force && !kith__table_tight(shard, 1)))
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
    if (dead.entry != NULL) { /* what expired goes in the record that puts something there */
        err = kith__table_delete(op, &dead, false);
        if (err < 0)
            return err;
    }
    if (verdict != DO_DELETE) {
        uint64_t bytes = kith__entry_bytes(key->size, stored->meta), less = 0;

        if (place.entry != NULL) {
            more = kith__entry_more(place.entry);
            less = kith__entry_bytes(key->size, kith__load(&place.entry->meta));
        }
        set_expiry(change, more, now, stored);
        err = kith__dict_make_room(op, dict, shard, place.entry != NULL ? place.entry_off : 0,
                                   place.entry == NULL, bytes, less, &evicted);
        if (err < 0)
            return err;
    }
    switch (verdict) {
    case DO_REPLACE:
        err = replace(op, root, &place, *stored, &in_place);
        if (err < 0 || in_place)
            return err;
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
    if (err == KITH_OK && now != 0 && verdict == DO_INSERT)
        kith__dict_sweep(self, dict, shard);
    return err == KITH_OK && evicted ? KITH_EVICTED : err;
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

/*
 * Lock held, no operation under way: sets the item in the two usual cases, a number over one of the
 * same type, and a new key in a dict of which nothing expires, and whose table has room.  False:
 * neither, and nothing happened.
 */
static bool
set_quickly(struct kith__self *self, const struct kith__dict *dict, struct kith__shard *shard,
            const struct kith__key *key, const struct kith_item *item, kith_err *err)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    bool absent, swapped = false, evicted = false;
    struct kith__entry *entry = kith__quick_find(self->arena, shard, key, &absent);
    struct kith__stored stored;
    struct kith__op op;

    if (entry != NULL) {
        if ((item->type != KITH_TYPE_INT && item->type != KITH_TYPE_FLOAT) ||
            kith__load(&entry->meta) != KITH__META(item->type, 0, 8))
            return false;
        kith__entry_use(entry);
        kith__entry_store(entry, (uint64_t)item->integer); /* or the bits of the float */
        *err = KITH_OK;
        return true;
    }
    if (!absent || atomic_load_explicit(&root->expiring, memory_order_acquire) != 0 ||
        kith__dict_outgrew(root, shard, 1) || kith__table_tight(shard, 1))
        return false;
    kith__op_begin(&op, self);
    *err = kith__stored_make(&op, *item, &stored);
    if (*err == KITH_OK && kith__load(&shard->bytes) != 0) {
        swapped = evicted = kith__dict_swap(&op, dict, shard, key, stored);
        *err = swapped
                   ? op.err
                   : kith__dict_make_room(&op, dict, shard, 0, 1,
                                          kith__entry_bytes(key->size, stored.meta), 0, &evicted);
    }
    if (*err == KITH_OK && !swapped)
        *err = kith__table_insert(&op, root, shard, key, stored);
    if (*err == KITH_OK)
        *err = kith__op_commit(&op);
    if (*err == KITH_OK) {
        *err = evicted ? KITH_EVICTED : KITH_OK;
        return true;
    }
    kith__op_abort(&op);
    /* No place near the key's home, or no memory but what can be evicted: the others make one. */
    return *err != KITH_EFULL && (*err != KITH_ENOMEM || kith__load(&shard->bytes) == 0);
}

/* As kith__dict_evict_first(), for a change that found no memory; it locks the shard. */
static bool
evict_for_change(struct kith__self *self, const struct kith__dict *dict,
                 const struct kith__key *key, const struct kith__change *change)
{
    size_t tag = kith__item_tag_size(&change->item);
    struct kith__shard *shard;
    bool evicted;

    if (change->what != KITH__CHANGE_SET && change->what != KITH__CHANGE_INSERT &&
        change->what != KITH__CHANGE_SETDEFAULT)
        return false;
    if (kith__dict_lock(self, dict, key->hash, &shard) < 0)
        return false;
    evicted = kith__dict_evict_first(
        self, dict, shard, key, kith__entry_bytes(key->size, KITH__META(0, tag, change->item.size)),
        change->what == KITH__CHANGE_SET);
    kith__shard_release(self, kith__dict_root(dict), shard);
    kith__op_end(self); /* a large item is trash, and its memory there only without a lock */
    return evicted;
}

kith_err
kith__dict_change(struct kith__self *self, const struct kith__dict *dict,
                  const struct kith__key *key, const struct kith__change *change)
{
    bool deletes = change->what >= KITH__CHANGE_DELETE;
    bool large =
        !deletes && change->item.type > KITH_TYPE_FLOAT && change->item.size > KITH__SMALL_MAX;
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__stored stored;
    struct kith__shard *shard = NULL;
    struct kith__op op;
    bool force = false, full = false, evicted = false;
    kith_err err;

    if (change->what == KITH__CHANGE_SET && !large && change->ttl_ns == 0 && change->out == NULL) {
        err = kith__quick_lock(self, dict, key->hash, &shard);
        if (err < 0)
            return err;
        if (set_quickly(self, dict, shard, key, &change->item, &err)) {
            kith__shard_release(self, root, shard);
            kith__op_end(self);
            return err;
        }
    }
    for (;;) {
        if (large) {
            err = make_room(self, dict, key, force);
            if (err < 0)
                break;
        }
        kith__op_begin(&op, self);
        err = large ? kith__stored_make(&op, change->item, &stored) : KITH_OK;
        if (err == KITH_OK && shard == NULL)
            err = kith__dict_lock(self, dict, key->hash, &shard);
        if (err < 0) {
            kith__op_abort(&op);
            if (err != KITH_ENOMEM || evicted)
                break;
            evicted = evict_for_change(self, dict, key, change);
            if (!evicted)
                break;
            continue;
        }
        if (!large && force)
            err = kith__table_reserve(self, shard, 1, true);
        if (err == KITH_OK)
            err = change_locked(&op, dict, shard, key, change, large, &stored);
        /*
         * Unlinking what was staged, when nothing came of it, waits until the lock is free: the
         * extent lock may be needed, and it ranks below.
         */
        if (err == KITH_OK && kith__dict_outgrew(root, shard, 0))
            kith__dict_spread(self, dict);
        kith__shard_release(self, root, shard);
        shard = NULL;
        if (err < 0 || kith__load(&self->actor->staged.count) != 0) {
            full = op.err == KITH_EFULL;
            kith__op_abort(&op);
        }
        if (err == KITH_ENOMEM && !evicted && !deletes) {
            evicted = evict_for_change(self, dict, key, change);
            if (evicted)
                continue;
        }
        if (err != KITH_EFULL || full)
            break;
        force = !force; /* no place near the key's home: grow even though there is room */
    }
    kith__op_end(self);
    return err == KITH_OK && evicted ? KITH_EVICTED : err;
}
