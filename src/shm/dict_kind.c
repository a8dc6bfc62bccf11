/*
 * dict_kind.c - a dict as the catalog, the checker and the listing see it.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "shm/extent.h"
#include "shm/kind.h"

/* ---- Its end ----------------------------------------------------------------------------- */

static kith_err
lock_dict(struct kith__self *self, const struct kith__object *object,
          struct kith__object_locks *locks)
{
    struct kith__dict dict = { self->arena, object->off, object->id };

    return kith__dict_lock_all(self, &dict, locks->shards, &locks->count);
}

static void
unlock_dict(struct kith__self *self, const struct kith__object *object,
            struct kith__object_locks *locks)
{
    (void)object;
    kith__shards_unlock(self, locks->shards, locks->count);
}

static void
wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__dict_root *root = kith__ptr(self->arena, off);

    kith__signal_raise(self, &root->signal, INT32_MAX);
}

static void
end_dict(struct kith__op *op, const struct kith__object *object)
{
    struct kith__dict dict = { op->self->arena, object->off, object->id };

    kith__dict_end(op, &dict);
}

/* ---- Its check --------------------------------------------------------------------------- */

static bool
in_its_place(struct kith__walk *w, struct kith__bucket *buckets, uint64_t mask, uint64_t hash,
             uint64_t off, uint8_t *displaced)
{
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(hash + d) & mask];

        for (unsigned s = 0; s < KITH__SLOTS; s++)
            if (kith__slot_off(kith__load(&bucket->slot[s])) == off) {
                if (kith__load(&bucket->slot[s]) >> 48 != kith__tag_of(hash) >> 48)
                    kith__walk_violation(w, "The slot of the entry at %#llx has another tag.",
                                         (unsigned long long)off);
                for (unsigned i = 0; i < d; i++)
                    displaced[(hash + i) & mask]++;
                return true;
            }
    }
    return false;
}

/* What dict_cache.c argues of one shard, besides its list. */
struct counted {
    uint64_t bytes;
    bool hand, sweep; /* was met in the list */
};

static void
check_bounds(struct kith__walk *w, const struct kith__dict_root *root, struct kith__shard *shard,
             const struct counted *counted)
{
    uint64_t bytes = kith__load(&shard->bytes), count = kith__load(&shard->count);

    if (kith__load(&shard->root) != kith__off(w->arena, root))
        kith__walk_violation(w, "A shard names %#llx as its dict.",
                             (unsigned long long)kith__load(&shard->root));
    if ((kith__load(&shard->hand) != 0 && !counted->hand) ||
        (kith__load(&shard->sweep) != 0 && !counted->sweep))
        kith__walk_violation(w, "The hand or the sweep of a shard is at no entry of it.");
    if (bytes == 0)
        return;
    if (bytes - 1 != counted->bytes)
        kith__walk_violation(w, "A dict counts %llu bytes and has %llu.",
                             (unsigned long long)(bytes - 1), (unsigned long long)counted->bytes);
    if ((root->max_items != 0 && count > root->max_items) ||
        (root->max_bytes != 0 && bytes - 1 > root->max_bytes))
        kith__walk_violation(w, "A dict of %llu keys and %llu bytes is larger than its bounds.",
                             (unsigned long long)count, (unsigned long long)(bytes - 1));
}

static void
check_flights(struct kith__walk *w, struct kith__dict_root *root)
{
    uint64_t off = kith__load(&root->flights), steps = 0;

    for (; off != 0 && steps < KITH__ACTORS_MAX * UINT64_C(64); steps++) {
        struct kith__flight *flight;

        if (!kith__walk_mark(w, off, "A computation for a dict"))
            return;
        flight = kith__at(w->arena, off, sizeof *flight);
        if (flight == NULL)
            return;
        off = kith__load(&flight->next);
    }
}

static void
check_item(struct kith__walk *w, uint64_t meta, uint64_t off)
{
    if (kith__walk_mark(w, off, "An item of a dict"))
        kith__walk_item(w, meta, off, kith__at(w->arena, off, KITH__META_SIZE(meta)));
}

static void
check_entries(struct kith__walk *w, struct kith__shard *shard, struct kith__bucket *buckets,
              uint64_t mask, uint8_t *displaced, struct counted *counted)
{
    uint64_t off = kith__load(&shard->first), before = 0, ticket = 0, n = 0;
    uint64_t count = kith__load(&shard->count);

    while (off != 0) {
        struct kith__entry *entry = kith__at(w->arena, off, sizeof *entry);
        uint64_t meta;

        if (entry == NULL) {
            kith__walk_violation(w,
                                 "An entry of a dict is said to be at %#llx, outside of the heap.",
                                 (unsigned long long)off);
            return;
        }
        if (!kith__walk_mark(w, off, "An entry of a dict"))
            return;
        if (++n > count)
            break;
        meta = kith__load(&entry->meta);
        counted->bytes += kith__entry_bytes(KITH__KEY_SIZE(entry->key_meta), meta);
        counted->hand |= off == kith__load(&shard->hand);
        counted->sweep |= off == kith__load(&shard->sweep);
        if (kith__load(&entry->prev) != before)
            kith__walk_violation(w, "The entry at %#llx has a wrong link back.",
                                 (unsigned long long)off);
        if (entry->ticket <= ticket)
            kith__walk_violation(w, "The entry at %#llx is out of order.", (unsigned long long)off);
        if (buckets != NULL && !in_its_place(w, buckets, mask, entry->hash, off, displaced))
            kith__walk_violation(w, "The entry at %#llx is in no bucket it could be found in.",
                                 (unsigned long long)off);
        if (!kith__meta_inline(meta))
            check_item(w, meta, kith__load(&entry->value));
        before = off;
        ticket = entry->ticket;
        off = kith__load(&entry->next);
    }
    if (n != count)
        kith__walk_violation(w, "A shard counts %llu entries and lists %llu.",
                             (unsigned long long)count, (unsigned long long)n);
    if (kith__load(&shard->last) != before)
        kith__walk_violation(w, "A shard's last entry is not the last of its list.");
}

static void
check_shard(struct kith__walk *w, const struct kith__dict_root *root, struct kith__shard *shard)
{
    struct counted counted = { 0 };
    uint64_t table = kith__load(&shard->table), mask = kith__table_mask(table), filled = 0, size;
    struct kith__bucket *buckets = NULL;
    uint8_t *displaced = NULL;

    if (!kith__lock_is(&shard->lock, kith__off(w->arena, &shard->lock)))
        kith__walk_violation(w, "The lock of a shard is no lock.");
    if (kith__load(&shard->intent) != 0)
        kith__walk_violation(w, "A shard is covered by actor %llu, which has no record.",
                             (unsigned long long)kith__load(&shard->intent));
    if (table != 0) {
        if (!kith__walk_mark(w, kith__table_off(table), "A table of a dict"))
            return;
        if ((table & 63) > 40 || !kith__block_at(w->arena, kith__table_off(table), &size) ||
            size / sizeof *buckets <= mask) {
            kith__walk_violation(w, "A table of a dict at %#llx is too small for what it says.",
                                 (unsigned long long)kith__table_off(table));
            return;
        }
        buckets = kith__ptr(w->arena, kith__table_off(table));
        displaced = kith__calloc(1, mask + 1);
        if (displaced == NULL) {
            w->err = KITH_ENOMEM;
            w->marks_failed = true;
            return;
        }
    }
    check_entries(w, shard, buckets, mask, displaced, &counted);
    check_bounds(w, root, shard, &counted);
    for (uint64_t b = 0; buckets != NULL && b <= mask; b++) {
        uint64_t head = kith__load(&buckets[b].head);

        if ((head & KITH__HEAD_ACTOR) != 0)
            kith__walk_violation(w, "A bucket is covered by actor %llu, which has no record.",
                                 (unsigned long long)(head & KITH__HEAD_ACTOR));
        if ((head & KITH__HEAD_OVERFLOW) / KITH__HEAD_OVERFLOW_ONE != displaced[b])
            kith__walk_violation(w, "A bucket counts %u displaced entries and has %u.",
                                 (unsigned)((head & KITH__HEAD_OVERFLOW) / KITH__HEAD_OVERFLOW_ONE),
                                 displaced[b]);
        for (unsigned s = 0; s < KITH__SLOTS; s++)
            filled += kith__load(&buckets[b].slot[s]) != 0;
    }
    if (buckets != NULL && filled != kith__load(&shard->count))
        kith__walk_violation(w, "A table has %llu slots filled for %llu entries.",
                             (unsigned long long)filled,
                             (unsigned long long)kith__load(&shard->count));
    kith__free(displaced);
}

/* `whole`: a live dict; else a carcass, whose entries are in no table any more. */
static void
check_dict(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__dict_root *root = kith__ptr(w->arena, off);
    uint64_t shards_off = kith__load(&root->shards);
    struct kith__shard *shards = NULL;

    check_flights(w, root);
    if (shards_off != 0) {
        if (!kith__walk_mark(w, shards_off, "The shards of a dict"))
            return;
        shards = kith__at(w->arena, shards_off, KITH__SHARDS * sizeof *shards);
    }
    for (unsigned i = 0; i < (shards != NULL ? KITH__SHARDS + 1 : 1); i++) {
        struct kith__shard *shard = i == 0 ? &root->own : &shards[i - 1];

        if (whole) {
            check_shard(w, root, shard);
            continue;
        }
        for (uint64_t entry_off = kith__load(&shard->first), n = 0; entry_off != 0; n++) {
            struct kith__entry *entry = kith__at(w->arena, entry_off, sizeof *entry);

            if (entry == NULL || !kith__walk_mark(w, entry_off, "An entry of a dict taken apart"))
                break;
            if (!kith__meta_inline(kith__load(&entry->meta)))
                kith__walk_mark(w, kith__load(&entry->value), "An item of a dict taken apart");
            entry_off = kith__load(&entry->next);
        }
        if (kith__load(&shard->table) != 0)
            kith__walk_mark(w, kith__table_off(kith__load(&shard->table)),
                            "A table of a dict taken apart");
    }
}

static void
want_dict(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__dict dict = { w->arena, off, 0 };
    struct kith__shard *shards;
    unsigned count;

    if (rank != KITH__RANK_OBJECT)
        return;
    shards = kith__dict_shards(&dict, kith__load(&kith__dict_root(&dict)->shards), &count);
    kith__walk_want(w, &kith__dict_root(&dict)->own.lock);
    for (unsigned i = 0; shards != NULL && count > 1 && i < count; i++)
        kith__walk_want(w, &shards[i].lock);
}

static kith_err
describe_dict(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
              struct kith_info *info)
{
    struct kith__dict dict = { arena, object->off, object->id };
    struct kith_dict_info more;
    kith_err err = kith__dict_info(self, &dict, &more, &info->bytes);

    if (err < 0)
        return err;
    info->items = more.items;
    info->created_ns = kith__dict_root(&dict)->created_ns;
    return KITH_OK;
}

const struct kith__kind kith__dict_kind = {
    .class_index = KITH__CLASS_DICT,
    .references_at = offsetof(struct kith__dict_root, references),
    .lock = lock_dict,
    .unlock = unlock_dict,
    .end = end_dict,
    .wake_all = wake_all,
    .dismantle = kith__dict_dismantle,
    .want = want_dict,
    .check = check_dict,
    .describe = describe_dict,
};
