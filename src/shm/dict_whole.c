/*
 * dict_whole.c - a dict as a whole: born, emptied, ended, and taken apart.
 *
 * Emptying a dict of a million keys, or ending it, is one short record: its shards, tables and
 * lists are hung on a carcass, a dict root that nobody can open, and the carcass is put into
 * the actor's trash.  Taking it apart comes after, block by block, each a record of its own,
 * and whoever cleans up after the actor goes on where it stopped.
 *
 * STEPS
 *   C1 all locks are taken   C2 the record: the dict is empty, the carcass is trash
 *   C3 the locks are released   C4 the carcass loses its parts: entries, tables, shards, root
 * DEATH
 *   up to C2   nothing happened      from C2   the dict is empty; C4 goes on elsewhere
 *
 * Readers without locks are kept by covers: while the record is under way every shard's
 * `intent` names its actor.  Those that came before notice, by the shards or table word, that
 * what they walk on is not the dict any more.
 */
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/dict.h"

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A dict in %s breaks an invariant; run kith check.",
                      arena->path ? arena->path : "the mem:// space");
}

void
kith__dict_init(struct kith__op *op, uint64_t off, uint64_t id, const struct kith__bounds *bounds)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__dict_root *root = kith__ptr(arena, off);

    root->max_items = bounds != NULL ? bounds->max_items : 0;
    root->max_bytes = bounds != NULL ? bounds->max_bytes : 0;
    root->policy = bounds != NULL ? bounds->policy : 0;

    /*
     * The memory was a dict root before or is zero, and old handles may still try its lock, so
     * the word is left alone.  id is 0 until the record says otherwise.
     */
    kith__lock_init(arena, &root->own.lock);
    kith__store(&root->shards, 0);
    kith__store(&root->ticket, 0);
    kith__store(&root->references, 0);
    kith__store(&root->own.table, 0);
    kith__store(&root->own.intent, 0);
    kith__store(&root->own.count, 0);
    kith__store(&root->own.first, 0);
    kith__store(&root->own.last, 0);
    kith__store(&root->own.root, off);
    kith__store(&root->own.hand, 0);
    kith__store(&root->own.sweep, 0);
    kith__store(&root->own.bytes, root->max_items != 0 || root->max_bytes != 0);
    kith__store(&root->flights, 0);
    atomic_store(&root->expiring, 0);
    kith__op_set(op, &root->id, id);
}

/* Every shard's readers look into the record while it is under way. */
static void
cover_all(struct kith__op *op, const struct kith__dict *dict)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    unsigned count;
    struct kith__shard *shards = kith__dict_shards(dict, kith__load(&root->shards), &count);

    kith__op_cover(op, &root->own.intent, 0);
    for (unsigned i = 0; shards != NULL && count > 1 && i < count; i++)
        kith__op_cover(op, &shards[i].intent, 0);
}

void
kith__dict_end(struct kith__op *op, const struct kith__dict *dict)
{
    struct kith__dict_root *root = kith__dict_root(dict);

    cover_all(op, dict);
    kith__op_set(op, &root->id, 0);
    kith__op_trash(op, dict->off, KITH_KIND_DICT);
}

kith_err
kith__dict_clear(struct kith__self *self, const struct kith__dict *dict)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict_root *root = kith__dict_root(dict), *carcass;
    struct kith__shard *list[KITH__SHARDS + 1];
    struct kith__op op;
    uint64_t off;
    unsigned count;
    kith_err err = kith__ledger_reserve(self, KITH__SHARDS + 1);

    if (err == KITH_OK)
        err = kith__dict_lock_all(self, dict, list, &count);
    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__op_take_typed(&op, KITH__CLASS_DICT, &off);
    if (err == KITH_OK) {
        carcass = kith__ptr(arena, off);
        kith__lock_init(arena, &carcass->own.lock);
        kith__store(&carcass->id, 0);
        kith__store(&carcass->shards, kith__load(&root->shards));
        kith__store(&carcass->own.intent, 0);
        kith__store(&carcass->own.table, kith__load(&root->own.table));
        kith__store(&carcass->own.first, kith__load(&root->own.first));
        kith__store(&carcass->own.last, kith__load(&root->own.last));
        kith__store(&carcass->own.count, kith__load(&root->own.count));
        kith__store(&carcass->flights, 0);
        cover_all(&op, dict);
        kith__op_set(&op, &root->shards, 0);
        kith__op_set(&op, &root->own.table, 0);
        kith__op_set(&op, &root->own.first, 0);
        kith__op_set(&op, &root->own.last, 0);
        kith__op_set(&op, &root->own.count, 0);
        kith__op_set(&op, &root->own.hand, 0);
        kith__op_set(&op, &root->own.sweep, 0);
        kith__op_set(&op, &root->own.bytes, kith__load(&root->own.bytes) != 0);
#ifndef KITH_MISTAKE_CLEAR_LEAVES_NO_TRASH
        kith__op_trash(&op, off, KITH_KIND_DICT);
#endif
        err = kith__op_commit(&op);
    }
    kith__dict_raise(self, root);
    kith__shards_unlock(self, list, count);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

/* ---- Taking apart ----------------------------------------------------------------------- */

/* C4 for one shard of a carcass: entries from the first on. */
static kith_err
dismantle_shard(struct kith__self *self, struct kith__shard *shard)
{
    struct kith__arena *arena = self->arena;
    uint64_t off, table;
    kith_err err = KITH_OK;

    while (err == KITH_OK && (off = kith__load(&shard->first)) != 0) {
        struct kith__entry *entry = kith__at(arena, off, sizeof *entry);
        uint64_t meta, size;

        if (entry == NULL || !kith__block_at(arena, off, &size)) {
            kith__store(&shard->first, 0); /* an overwritten list: what is left of it is lost */
            return broken(arena);
        }
        meta = kith__load(&entry->meta);
        if (!kith__meta_inline(meta))
            err = kith__block_free(self, kith__load(&entry->value), &entry->meta, 0);
        if (err == KITH_OK)
            err = kith__block_free(self, off, &shard->first, kith__load(&entry->next));
    }
    table = kith__load(&shard->table);
    if (err == KITH_OK && table != 0)
        err = kith__block_free(self, kith__table_off(table), &shard->table, 0);
    return err;
}

kith_err
kith__dict_dismantle(struct kith__self *self, uint64_t off, kith__word *source,
                     uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict_root *root = kith__at(arena, off, sizeof *root);
    uint64_t shards_off, off_flight;
    kith_err err;

    if (root == NULL || kith__load(&root->id) != 0) {
        kith__store(source, source_value);
        return broken(arena);
    }
    err = dismantle_shard(self, &root->own);
    shards_off = kith__load(&root->shards);
    if (err == KITH_OK && shards_off != 0) {
        struct kith__shard *shards = kith__at(arena, shards_off, KITH__SHARDS * sizeof *shards);

        for (unsigned i = 0; shards != NULL && i < KITH__SHARDS && err == KITH_OK; i++)
            err = dismantle_shard(self, &shards[i]);
        if (err == KITH_OK)
            err = kith__block_free(self, shards_off, &root->shards, 0);
    }
    while (err == KITH_OK && (off_flight = kith__load(&root->flights)) != 0) {
        struct kith__flight *flight = kith__at(arena, off_flight, sizeof *flight);
        uint64_t size;

        if (flight == NULL || !kith__block_at(arena, off_flight, &size)) {
            kith__store(&root->flights, 0);
            break;
        }
        err = kith__block_free(self, off_flight, &root->flights, kith__load(&flight->next));
    }
    return err < 0 ? err : kith__block_free(self, off, source, source_value);
}

/* ---- popitem ---------------------------------------------------------------------------- */

static kith_err
copy_pair(struct kith__arena *arena, struct kith__entry *entry, struct kith_buf *key_out,
          struct kith_buf *item_out)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith_err err = KITH_OK;

    if (key_out != NULL)
        err = kith__buf_set(key_out, kith__key_item(KITH__KEY_TYPE(entry->key_meta), entry->key,
                                                    KITH__KEY_SIZE(entry->key_meta)));
    if (err == KITH_OK && item_out != NULL) {
        err = kith__stored_item(arena, kith__load(&entry->meta), &entry->value,
                                kith__load(&entry->value), &item, tag);
        if (err == KITH_OK)
            err = kith__buf_set(item_out, item);
    }
    return err;
}

/* All locks are held, since the newest key may be in any shard. */
kith_err
kith__dict_popitem(struct kith__self *self, const struct kith__dict *dict, struct kith_buf *key_out,
                   struct kith_buf *item_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__shard *list[KITH__SHARDS + 1], *shard = NULL;
    struct kith__entry *newest = NULL;
    struct kith__place place;
    struct kith__op op;
    int64_t now;
    unsigned count;
    kith_err err = kith__ledger_reserve(self, KITH__SHARDS + 1);

    if (err == KITH_OK)
        err = kith__dict_lock_all(self, dict, list, &count);
    if (err < 0)
        return err;
    now = kith__dict_time(dict);
    kith__op_begin(&op, self);
    for (unsigned i = 0; i < count && err == KITH_OK; i++) {
        uint64_t off = kith__load(&list[i]->last);
        uint64_t steps = kith__entry_steps(arena, kith__load(&list[i]->count));
        struct kith__entry *entry = kith__entry_at(arena, off);

        while (entry != NULL && kith__entry_expired(entry, now)) {
            off = kith__load(&entry->prev);
            entry = steps-- > 0 ? kith__entry_at(arena, off) : NULL;
        }
        if (off != 0 && entry == NULL)
            err = broken(arena);
        else if (entry != NULL && (newest == NULL || entry->ticket > newest->ticket)) {
            newest = entry;
            shard = list[i];
        }
    }
    if (err == KITH_OK && newest == NULL)
        err = KITH_EEMPTY;
    if (err == KITH_OK && kith__at(arena, kith__off(arena, newest),
                                   sizeof *newest + KITH__KEY_SIZE(newest->key_meta)) == NULL)
        err = broken(arena);
    if (err == KITH_OK)
        err = copy_pair(arena, newest, key_out, item_out);
    if (err == KITH_OK) {
        struct kith__key key;

        err = kith__key_make(arena->hash_key,
                             kith__key_item(KITH__KEY_TYPE(newest->key_meta), newest->key,
                                            KITH__KEY_SIZE(newest->key_meta)),
                             &key);
        if (err == KITH_OK) {
            err = kith__table_find(&op, shard, &key, &place);
            kith__key_free(&key);
        }
        if (err == KITH_OK && place.entry != newest)
            err = broken(arena);
        if (err == KITH_OK)
            err = kith__table_delete(&op, &place, false);
        if (err == KITH_OK)
            err = kith__op_commit(&op);
    }
    kith__dict_raise(self, kith__dict_root(dict));
    kith__shards_unlock(self, list, count);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

/* ---- info ------------------------------------------------------------------------------- */

static uint64_t
block_size(struct kith__arena *arena, uint64_t off)
{
    uint64_t size = 0;

    return kith__block_at(arena, off, &size) ? size : 0;
}

kith_err
kith__dict_info(struct kith__self *self, const struct kith__dict *dict,
                struct kith_dict_info *info_out, uint64_t *bytes_out)
{
    struct kith__arena *arena = dict->arena;
    struct kith__dict_root *root = kith__dict_root(dict);
    unsigned count;
    struct kith__shard *shards;
    uint64_t tables = 0, items = 0;
    kith_err err = kith__dict_len(self, dict, &items);

    if (err < 0)
        return err;
    shards = kith__dict_shards(dict, kith__load_acquire(&root->shards), &count);
    if (shards == NULL)
        return broken(arena);
    for (unsigned i = 0; i < count; i++) {
        uint64_t table = kith__load(&shards[i].table);

        if (table != 0)
            tables += block_size(arena, kith__table_off(table));
    }
    if (info_out != NULL) {
        info_out->items = items;
        info_out->shards = count;
        info_out->bytes_tables = tables;
        info_out->ordered = true;
        info_out->max_items = root->max_items;
        info_out->max_bytes = root->max_bytes;
        info_out->policy = (enum kith_dict_policy)root->policy;
        info_out->bytes = kith__load(&root->own.bytes);
        info_out->bytes -= info_out->bytes != 0;
    }
    if (bytes_out != NULL) {
        /* Entries are not walked for an estimate: the head, a short key, and an item. */
        *bytes_out = sizeof *root + tables + (count > 1 ? sizeof *shards * KITH__SHARDS : 0);
        *bytes_out += items * (sizeof(struct kith__entry) + 16);
    }
    return KITH_OK;
}
