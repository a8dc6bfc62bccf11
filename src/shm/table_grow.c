/*
 * table_grow.c - larger tables, and the step from one shard to many.
 *
 * STEPS    A new table is filled while it is private; one record swaps the shard's table word and
 *          gives the old one back.  Entries do not move: tables lead to them.
 * DEATH    before the record: the new table is freed with what was staged; after it, the old one.
 */
#include "shm/table.h"

#include <string.h>

#include "base/error.h"

static struct kith__entry *
entry_at(struct kith__arena *arena, uint64_t off)
{
    return kith__at(arena, off, sizeof(struct kith__entry));
}

static uint64_t
capacity_of(uint64_t table)
{
    return table == 0 ? 0 : (kith__table_mask(table) + 1) * KITH__SLOTS * 3 / 4;
}

bool
kith__table_tight(const struct kith__shard *shard, uint64_t more)
{
    return kith__load(&shard->count) + more > capacity_of(kith__load(&shard->table));
}

/* Puts an entry into a table nobody else sees yet; false if no place is near enough. */
static bool
place_entry(struct kith__bucket *buckets, uint64_t mask, uint64_t hash, uint64_t off)
{
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(hash + d) & mask];

        for (unsigned s = 0; s < KITH__SLOTS; s++)
            if (kith__load(&bucket->slot[s]) == 0) {
                kith__store(&bucket->slot[s], kith__tag_of(hash) | off >> 4);
                return true;
            }
        kith__store(&bucket->head, kith__load(&bucket->head) + KITH__HEAD_OVERFLOW_ONE);
    }
    return false;
}

/* Takes an empty table of 2^log buckets. */
static struct kith__bucket *
take_table(struct kith__op *op, unsigned log, uint64_t *table_out)
{
    struct kith__bucket *buckets;
    uint64_t off, size = sizeof *buckets << log;

    if (kith__op_take(op, size, &off) < 0)
        return NULL;
    buckets = kith__ptr(op->self->arena, off);
    memset(buckets, 0, size);
    *table_out = off | log;
    return buckets;
}

#define TABLE_LOG_MAX 36u
#define AHEAD 4u /* buckets whose entries are asked for before they are needed */

/*
 * Puts every entry of an old table into a new one, bucket by bucket.  Each entry is a miss, since
 * its hash stands in it, so those of the next buckets are fetched meanwhile: growing to a million
 * keys took a third less time than along the list of entries.
 */
static kith_err
move_buckets(struct kith__arena *arena, uint64_t old, struct kith__bucket *to, uint64_t mask,
             bool *fits_out)
{
    uint64_t count = kith__table_mask(old) + 1;
    struct kith__bucket *from = kith__at(arena, kith__table_off(old), count * sizeof *from);

    *fits_out = true;
    if (from == NULL)
        return kith__dict_broken(arena);
    for (uint64_t i = 0; i < count + AHEAD; i++) {
        for (unsigned s = 0; i < count && s < KITH__SLOTS; s++)
            __builtin_prefetch(arena->base + kith__slot_off(kith__load(&from[i].slot[s])));
        for (unsigned s = 0; i >= AHEAD && s < KITH__SLOTS; s++) {
            uint64_t slot = kith__load(&from[i - AHEAD].slot[s]);
            struct kith__entry *entry = slot != 0 ? entry_at(arena, kith__slot_off(slot)) : NULL;

            if (slot == 0)
                continue;
            if (entry == NULL)
                return kith__dict_broken(arena);
            if (!place_entry(to, mask, entry->hash, kith__slot_off(slot))) {
                *fits_out = false;
                return KITH_OK;
            }
        }
    }
    return KITH_OK;
}

kith_err
kith__table_reserve(struct kith__self *self, struct kith__shard *shard, uint64_t more, bool force)
{
    struct kith__arena *arena = self->arena;
    uint64_t old = kith__load(&shard->table), need = kith__load(&shard->count) + more;
    unsigned log = old == 0 ? 0 : (unsigned)(old & 63) + (force ? 1 : 0);

    if (!force && !kith__table_tight(shard, more))
        return KITH_OK;
    if (log > TABLE_LOG_MAX || need > arena->size / sizeof(struct kith__entry))
        return kith__dict_broken(arena);
    while ((UINT64_C(1) << log) * KITH__SLOTS * 3 / 4 < need)
        log++;
    for (;; log++) {
        struct kith__op op;
        struct kith__bucket *buckets;
        uint64_t table, mask = (UINT64_C(1) << log) - 1;
        bool fits = true;
        kith_err err;

        if (log > TABLE_LOG_MAX)
            return kith__fail(KITH_ENOMEM, "The dict has more keys than a table holds.");
        kith__op_begin(&op, self);
        buckets = take_table(&op, log, &table);
        if (buckets == NULL) {
            kith__op_abort(&op);
            return op.err;
        }
        if (old != 0) {
            err = move_buckets(arena, old, buckets, mask, &fits);
            if (err < 0) {
                kith__op_abort(&op);
                return err;
            }
        }
        if (!fits) {
            kith__op_abort(&op);
            continue;
        }
        kith__op_set(&op, &shard->table, table);
        if (old != 0)
            kith__op_give(&op, kith__table_off(old));
        err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
        return err;
    }
}

/*
 * From one shard to many, in one record: each entry's links are rewritten so that each shard
 * has its own list.  The root's own shard is left empty, and covered, since readers may have
 * chosen it before.
 */
kith_err
kith__dict_spread(struct kith__self *self, const struct kith__dict *dict)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__shard *own = &root->own, *shards;
    uint64_t counts[KITH__SHARDS] = { 0 }, last[KITH__SHARDS] = { 0 };
    uint64_t shards_off, off, steps = 0, total = kith__entry_steps(arena, kith__load(&own->count));
    struct kith__op op;
    kith_err err;

    if (kith__load(&own->bytes) != 0)
        return KITH_OK; /* bounds are kept by one lock */
    kith__op_begin(&op, self);
    if (kith__op_take_typed(&op, KITH__CLASS_SHARDS, &shards_off) < 0)
        goto fail;
    shards = kith__ptr(arena, shards_off);
    for (off = kith__load(&own->first); off != 0; steps++) {
        struct kith__entry *entry = entry_at(arena, off);

        if (entry == NULL || steps > total) {
            op.err = kith__dict_broken(arena);
            goto fail;
        }
        counts[kith__shard_of(entry->hash)]++;
        off = kith__load(&entry->next);
    }
    for (unsigned i = 0; i < KITH__SHARDS; i++) {
        unsigned log = 0;
        uint64_t table;

        while ((UINT64_C(1) << log) * KITH__SLOTS * 3 / 4 < counts[i] + counts[i] / 2)
            log++;
        if (take_table(&op, log, &table) == NULL)
            goto fail;
        kith__lock_init(arena, &shards[i].lock); /* not the word: old handles may be at it */
        kith__store(&shards[i].table, table);
        kith__store(&shards[i].intent, 0);
        kith__store(&shards[i].seq, kith__load(&shards[i].seq) + 1);
        kith__store(&shards[i].count, counts[i]);
        kith__store(&shards[i].first, 0);
        kith__store(&shards[i].last, 0);
        kith__store(&shards[i].root, dict->off);
        kith__store(&shards[i].hand, 0);
        kith__store(&shards[i].sweep, 0);
        kith__store(&shards[i].bytes, 0);
    }
    for (off = kith__load(&own->first); off != 0;) {
        struct kith__entry *entry = entry_at(arena, off);
        unsigned i = kith__shard_of(entry->hash);
        uint64_t table = kith__load(&shards[i].table);

        if (!place_entry(kith__ptr(arena, kith__table_off(table)), kith__table_mask(table),
                         entry->hash, off)) {
            op.err = KITH_EFULL; /* very unlikely; the dict stays as it is and tries again */
            goto fail;
        }
        kith__op_set(&op, &entry->prev, last[i]);
        kith__op_set(&op, &entry->next, 0);
        if (last[i] == 0)
            kith__store(&shards[i].first, off);
        else
            kith__op_set(&op, &entry_at(arena, last[i])->next, off);
        kith__store(&shards[i].last, off);
        last[i] = off;
        off = kith__load(&entry->next);
    }
    if (kith__load(&own->table) != 0)
        kith__op_give(&op, kith__table_off(kith__load(&own->table)));
    kith__op_set(&op, &own->table, 0);
    kith__op_set(&op, &own->first, 0);
    kith__op_set(&op, &own->last, 0);
    kith__op_set(&op, &own->count, 0);
    kith__op_set(&op, &own->sweep, 0);
    kith__op_set(&op, &root->shards, shards_off);
    kith__op_cover(&op, &own->intent, 0);
    err = kith__op_commit(&op);
    if (err == KITH_OK)
        return err;

fail:
    kith__op_abort(&op);
    return op.err == KITH_EFULL ? KITH_OK : op.err;
}
