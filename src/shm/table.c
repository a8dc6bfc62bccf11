/*
 * table.c - the hash table of a dict: shards, buckets, entries, and the order of insertion.
 *
 * LAYOUT   A dict root has one shard of its own; a dict that outgrows it has KITH__SHARDS in a
 *          block, chosen by the top bits of the hash.  A shard has a table of 2^n buckets of
 *          one cache line: a head and seven slots.  A key may stand in its home bucket or in
 *          one of the seven after it.  Entries are blocks, linked in the order of their
 *          tickets, shard by shard; the dict's order is the merge of its shards'.
 *
 * INVARIANTS, outside of records
 *   T1  every entry is in one slot, of its home bucket or of one less than KITH__PROBES after,
 *       and once in its shard's list; count is the length of that list
 *   T2  the overflow count of a bucket is the number of entries whose home is at it or before
 *       it and whose place is after it
 *   T3  tickets rise along each list
 *   T4  entries never move within a table: a key that a reader did not find in a bucket, and
 *       later not in the next, was absent at some instant between
 *
 * STEPS    One record: slot, links, count, the magazine's counts; the buckets it touches are
 *          covers, and their versions rise with it.  A number over a number, or a short item
 *          over one of the same size, is one store without a record: odd version, value, even
 *          version.
 * DEATH    of a record: journal.c.  Of a store in place: before it or after it; the version
 *          stays odd, which compares equal to no version that was ever handed out.
 *
 * LIMITS   An overflow count has 8 bits; 7 x 7 entries at most are displaced over one bucket.
 */
#include "shm/table.h"

#include <kith/dict.h>

#include <string.h>

#include "base/error.h"
#include "shm/reference.h"

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A dict in %s breaks an invariant; run kith check.",
                      arena->path ? arena->path : "the mem:// space");
}

/* ---- Locking -------------------------------------------------------------------------- */

struct kith__shard *
kith__dict_shards(const struct kith__dict *dict, uint64_t shards_word, unsigned *count_out)
{
    if (shards_word == 0) {
        *count_out = 1;
        return &kith__dict_root(dict)->own;
    }
    *count_out = KITH__SHARDS;
    return kith__at(dict->arena, shards_word, sizeof(struct kith__shard) * KITH__SHARDS);
}

static kith_err
gone(void)
{
    return kith__fail(KITH_EGONE, "The dict was destroyed; open it again to make a new one.");
}

kith_err
kith__dict_lock(struct kith__self *self, const struct kith__dict *dict, uint64_t hash,
                struct kith__shard **shard_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);

    for (;;) {
        uint64_t word = kith__load_acquire(&root->shards);
        unsigned count;
        struct kith__shard *shard = kith__dict_shards(dict, word, &count);
        kith_err err;

        if (shard == NULL)
            return broken(dict->arena);
        if (count > 1)
            shard += kith__shard_of(hash);
        err = kith__lock_acquire(self, &shard->lock);
        if (err < 0)
            return err;
        /* The memory of roots and shards keeps its type, so this was a lock, if not ours. */
        if (kith__load(&root->id) == dict->id && kith__load(&root->shards) == word) {
            kith__shard_touch(shard);
            *shard_out = shard;
            return KITH_OK;
        }
        kith__lock_release(self, &shard->lock);
        if (kith__load(&root->id) != dict->id)
            return gone();
    }
}

void
kith__shards_unlock(struct kith__self *self, struct kith__shard **list, unsigned count)
{
    while (count > 0)
        kith__lock_release(self, &list[--count]->lock);
}

kith_err
kith__dict_lock_all(struct kith__self *self, const struct kith__dict *dict,
                    struct kith__shard **list, unsigned *count_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);

    for (;;) {
        uint64_t word = kith__load_acquire(&root->shards);
        unsigned count, n = 0, i;
        struct kith__shard *shards = kith__dict_shards(dict, word, &count);
        kith_err err = KITH_OK;

        if (shards == NULL)
            return broken(dict->arena);
        /* The root's own lock too: it stands for changes of the dict as a whole. */
        if (count > 1 && shards > &root->own)
            list[n++] = &root->own;
        for (i = 0; i < count; i++)
            list[n++] = &shards[i];
        if (count > 1 && shards < &root->own)
            list[n++] = &root->own;
        for (i = 0; i < n && err == KITH_OK; i++)
            err = kith__lock_acquire(self, &list[i]->lock);
        if (err < 0) {
            kith__shards_unlock(self, list, i - 1);
            return err;
        }
        if (kith__load(&root->id) == dict->id && kith__load(&root->shards) == word) {
            for (i = 0; i < n; i++)
                kith__shard_touch(list[i]);
            *count_out = n;
            return KITH_OK;
        }
        kith__shards_unlock(self, list, n);
        if (kith__load(&root->id) != dict->id)
            return gone();
    }
}

/* ---- Items ---------------------------------------------------------------------------- */

kith_err
kith__stored_make(struct kith__op *op, struct kith_item item, struct kith__stored *stored)
{
    size_t tag = item.type == KITH_TYPE_FOREIGN ? strlen(item.tag) : 0;
    uint8_t *to;
    kith_err err;

    stored->value = 0;
    stored->expires = stored->life = 0;
    switch (item.type) {
    case KITH_TYPE_NONE:
        stored->meta = KITH__META(KITH_TYPE_NONE, 0, 0);
        return KITH_OK;
    case KITH_TYPE_BOOL:
        stored->meta = KITH__META(KITH_TYPE_BOOL, 0, 8);
        stored->value = item.boolean;
        return KITH_OK;
    case KITH_TYPE_INT:
        stored->meta = KITH__META(KITH_TYPE_INT, 0, 8);
        stored->value = (uint64_t)item.integer;
        return KITH_OK;
    case KITH_TYPE_FLOAT:
        stored->meta = KITH__META(KITH_TYPE_FLOAT, 0, 8);
        memcpy(&stored->value, &item.real, 8);
        return KITH_OK;
    case KITH_TYPE_REFERENCE:
        if (op->err < 0)
            return op->err;
        if (kith__reference_is_counted(&item)) {
            stored->meta = KITH__META(KITH_TYPE_REFERENCE, 0, item.size);
            op->err = kith__reference_stage(op->self, &item, KITH__CLASS_REFERENCE, &stored->value);
        } else {
            op->err = kith__reference_check(op->self, &item);
        }
        if (op->err < 0 || stored->value != 0)
            return op->err;
        break;
    default:
        break;
    }
    if (item.size > KITH__ITEM_MAX) {
        op->err =
            kith__fail(KITH_ETOOBIG, "An item of %zu bytes is larger than any arena.", item.size);
        return op->err;
    }
    stored->meta = KITH__META(item.type, tag, item.size);
    to = (uint8_t *)&stored->value;
    if (tag + item.size > 8) {
        err = kith__op_take(op, tag + item.size, &stored->value);
        if (err < 0)
            return err;
        to = kith__ptr(op->self->arena, stored->value);
    }
    if (tag > 0)
        memcpy(to, item.tag, tag);
    if (item.size > 0)
        memcpy(to + tag, item.data, item.size);
    return KITH_OK;
}

kith_err
kith__stored_item(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                  uint64_t value_word, struct kith_item *item, char *tag)
{
    size_t tag_size = KITH__META_TAG(meta), size = KITH__META_SIZE(meta);
    const uint8_t *at;

    memset(item, 0, sizeof *item);
    item->type = (kith_type)KITH__META_TYPE(meta);
    switch (KITH__META_TYPE(meta)) {
    case KITH_TYPE_NONE:
        return KITH_OK;
    case KITH_TYPE_BOOL:
        item->boolean = value_word != 0;
        return KITH_OK;
    case KITH_TYPE_INT:
        item->integer = (int64_t)value_word;
        return KITH_OK;
    case KITH_TYPE_FLOAT:
        memcpy(&item->real, &value_word, 8);
        return KITH_OK;
    default:
        break;
    }
    if (KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE || tag_size > KITH_TAG_SIZE_MAX)
        return KITH_ECORRUPT;
    if (kith__meta_inline(meta))
        at = (const uint8_t *)value;
    else
        at = kith__at(arena, value_word, tag_size + size);
    if (at == NULL)
        return KITH_ECORRUPT;
    if (item->type == KITH_TYPE_FOREIGN) {
        memcpy(tag, at, tag_size);
        tag[tag_size] = '\0';
        item->tag = tag;
    }
    item->data = at + tag_size;
    item->size = size;
    return KITH_OK;
}

void
kith__stored_give(struct kith__op *op, uint64_t meta, uint64_t value)
{
    if (!kith__meta_inline(meta))
        kith__op_give(op, value);
}

bool
kith__stored_equals(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                    uint64_t value_word, struct kith_item item)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item stored;

    if (kith__stored_item(arena, meta, value, value_word, &stored, tag) < 0)
        return false;
    if (stored.type != item.type)
        return false;
    if (item.type == KITH_TYPE_BOOL)
        return stored.boolean == item.boolean;
    if (item.type == KITH_TYPE_INT)
        return stored.integer == item.integer;
    if (item.type == KITH_TYPE_FLOAT)
        return memcmp(&stored.real, &item.real, sizeof item.real) == 0;
    if (stored.size != item.size)
        return false;
    if (item.type == KITH_TYPE_FOREIGN && strcmp(tag, item.tag) != 0)
        return false;
    return stored.type == KITH_TYPE_NONE || stored.size == 0 ||
           memcmp(stored.data, item.data, item.size) == 0;
}

/* ---- The table ------------------------------------------------------------------------ */

/* The one way in which a record sets a slot. */
static void
set_slot(struct kith__op *op, kith__word *slot, uint64_t value)
{
    op->slots_set = true;
    kith__op_set(op, slot, value);
}

/* Covers the bucket and returns its head to be, the version risen. */
static uint64_t
cover(struct kith__op *op, struct kith__bucket *bucket)
{
    bool covered;
    uint64_t head = kith__op_cover_get(op, &bucket->head, &covered);

    if (!covered) {
        head = (head & ~KITH__HEAD_ACTOR) + KITH__HEAD_VERSION_ONE;
        kith__op_cover(op, &bucket->head, head);
    }
    return head;
}

static struct kith__bucket *
buckets_of(struct kith__op *op, struct kith__shard *shard, uint64_t *mask_out)
{
    uint64_t table = kith__op_get(op, &shard->table);

    *mask_out = kith__table_mask(table);
    if (table == 0 || (table & 63) > 40)
        return NULL;
    return kith__at(op->self->arena, kith__table_off(table),
                    (*mask_out + 1) * sizeof(struct kith__bucket));
}

static struct kith__entry *
entry_at(struct kith__arena *arena, uint64_t off)
{
    return kith__at(arena, off, sizeof(struct kith__entry));
}

static bool
entry_is(const struct kith__arena *arena, const struct kith__entry *entry,
         const struct kith__key *key)
{
    uint64_t meta = entry->key_meta, size = KITH__KEY_SIZE(meta);

    return entry->hash == key->hash &&
           kith__at(arena, kith__off(arena, entry),
                    (meta & KITH__KEY_MORE) != 0 ? kith__more_at(meta) + sizeof(struct kith__more)
                                                 : sizeof *entry + size) != NULL &&
           kith__key_same(key, KITH__KEY_TYPE(meta), entry->key, size);
}

/*
 * The usual case: nothing is written down yet, so words are what they are, and the key stands in
 * its home bucket.  All seven tags are compared before the first branch.  False says nothing.
 */
static bool
find_at_home(struct kith__arena *arena, struct kith__bucket *bucket, const struct kith__key *key,
             struct kith__place *place)
{
    uint64_t tag = kith__tag_of(key->hash), off;
    unsigned matches = 0, s;
    struct kith__entry *entry;

#pragma GCC unroll 7
    for (s = 0; s < KITH__SLOTS; s++)
        matches |= (unsigned)((kith__load(&bucket->slot[s]) ^ tag) >> 48 == 0) << s;
    if (matches == 0)
        return false;
    s = (unsigned)__builtin_ctz(matches);
    off = kith__slot_off(kith__load(&bucket->slot[s]));
    entry = off != 0 ? entry_at(arena, off) : NULL;
    if (entry == NULL || !entry_is(arena, entry, key))
        return false;
    place->bucket = bucket;
    place->slot = s;
    place->distance = 0;
    place->entry_off = off;
    place->entry = entry;
    place->covered = false;
    return true;
}

/* The home bucket of a hash by the table as it stands; NULL if it has none. */
static const struct kith__bucket *
home_of(struct kith__arena *arena, const struct kith__shard *shard, uint64_t hash)
{
    uint64_t table = kith__load(&shard->table);

    if (table == 0 || (table & 63) > 40)
        return NULL;
    return kith__at(arena,
                    kith__table_off(table) +
                        (hash & kith__table_mask(table)) * sizeof(struct kith__bucket),
                    sizeof(struct kith__bucket));
}

void
kith__table_ask_bucket(struct kith__arena *arena, const struct kith__shard *shard, uint64_t hash)
{
    const struct kith__bucket *bucket = home_of(arena, shard, hash);

    if (bucket != NULL)
        __builtin_prefetch(bucket, 1);
}

void
kith__table_ask_entry(struct kith__arena *arena, const struct kith__shard *shard, uint64_t hash)
{
    const struct kith__bucket *bucket = home_of(arena, shard, hash);
    uint64_t tag = kith__tag_of(hash);

    if (bucket == NULL)
        return;
#pragma GCC unroll 7
    for (unsigned s = 0; s < KITH__SLOTS; s++) {
        uint64_t slot = kith__load(&bucket->slot[s]);

        if ((slot ^ tag) >> 48 == 0 && slot != 0) {
            const uint8_t *at = arena->base + kith__slot_off(slot); /* only a hint: unchecked */

            __builtin_prefetch(at, 1);
            __builtin_prefetch(at + sizeof(struct kith__entry), 1);
        }
    }
}

kith_err
kith__table_find(struct kith__op *op, struct kith__shard *shard, const struct kith__key *key,
                 struct kith__place *place)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t mask, tag = kith__tag_of(key->hash);
    struct kith__bucket *buckets = buckets_of(op, shard, &mask);

    place->shard = shard;
    place->bucket = NULL;
    place->entry = NULL;
    place->entry_off = 0;
    place->covered = false;
    if (op->count == 0 && buckets != NULL &&
        find_at_home(arena, &buckets[key->hash & mask], key, place))
        return KITH_OK;
    if (buckets == NULL)
        return kith__op_get(op, &shard->table) == 0 ? KITH_OK : broken(arena);
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(key->hash + d) & mask];
        bool covered;
        uint64_t head = kith__op_cover_get(op, &bucket->head, &covered);
        bool moved = covered && op->slots_set;

        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            uint64_t slot =
                moved ? kith__op_get(op, &bucket->slot[s]) : kith__load(&bucket->slot[s]);
            struct kith__entry *entry;

            if (slot == 0 || (slot ^ tag) >> 48 != 0)
                continue;
            entry = entry_at(arena, kith__slot_off(slot));
            if (entry == NULL)
                return broken(arena);
            if (entry_is(arena, entry, key)) {
                place->bucket = bucket;
                place->slot = s;
                place->distance = d;
                place->entry_off = kith__slot_off(slot);
                place->entry = entry;
                place->covered = covered;
                return KITH_OK;
            }
        }
        if ((head & KITH__HEAD_OVERFLOW) == 0)
            break;
    }
    return KITH_OK;
}

/* The nearest bucket with a free slot; NULL if none is near enough. */
static struct kith__bucket *
find_free_slot(struct kith__op *op, struct kith__bucket *buckets, uint64_t mask, uint64_t hash,
               unsigned *slot_out, unsigned *distance_out)
{
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(hash + d) & mask];
        bool covered;

        kith__op_cover_get(op, &bucket->head, &covered);
        for (unsigned s = 0; s < KITH__SLOTS; s++)
            if ((covered ? kith__op_get(op, &bucket->slot[s]) : kith__load(&bucket->slot[s])) ==
                0) {
                *slot_out = s;
                *distance_out = d;
                return bucket;
            }
    }
    return NULL;
}

/* Takes and fills an entry, which is ours alone until the commit. */
static struct kith__entry *
make_entry(struct kith__op *op, const struct kith__dict_root *root, uint64_t hash, uint8_t type,
           const void *key, uint64_t key_size, struct kith__stored stored, uint64_t *off_out)
{
    uint64_t key_meta = (uint64_t)type | key_size << 8,
             size = sizeof(struct kith__entry) + key_size;
    struct kith__entry *entry;

    if (stored.expires != 0 || root->policy == KITH_DICT_SIEVE) {
        key_meta |= KITH__KEY_MORE;
        size = kith__more_at(key_meta) + sizeof(struct kith__more);
    }
    if (kith__op_take(op, size, off_out) < 0)
        return NULL;
    entry = kith__ptr(op->self->arena, *off_out);
    entry->hash = hash;
    entry->key_meta = key_meta;
    kith__store(&entry->meta, stored.meta);
    kith__store(&entry->value, stored.value);
    if (key_size > 0)
        memcpy(entry->key, key, key_size);
    if ((key_meta & KITH__KEY_MORE) != 0) {
        struct kith__more *more = kith__entry_more(entry);

        kith__store(&more->expires, (uint64_t)stored.expires);
        kith__store(&more->life, (uint64_t)stored.life);
        /* Where nothing is evicted by use, readers are spared the question. */
        kith__store(&more->visited, root->policy != KITH_DICT_SIEVE);
    }
    return entry;
}

/* Eviction and the sweep go on at `to` if they stand at an entry that goes. */
static void
move_cursors(struct kith__op *op, struct kith__shard *shard, uint64_t from, uint64_t to)
{
    if (kith__op_get(op, &shard->hand) == from)
        kith__op_set(op, &shard->hand, to);
    if (kith__op_get(op, &shard->sweep) == from)
        kith__op_set(op, &shard->sweep, to);
}

static void
count_bytes(struct kith__op *op, struct kith__shard *shard, uint64_t more, uint64_t less)
{
    uint64_t bytes = kith__load(&shard->bytes);

    if (bytes == 0)
        return; /* not counted, which no record changes */
    bytes = kith__op_get(op, &shard->bytes);
    if (bytes != 0 && more != less)
        kith__op_set(op, &shard->bytes, bytes + more - less);
}

kith_err
kith__table_insert(struct kith__op *op, struct kith__dict_root *root, struct kith__shard *shard,
                   const struct kith__key *key, struct kith__stored stored)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t mask, off, last_off;
    struct kith__bucket *buckets = buckets_of(op, shard, &mask), *bucket;
    struct kith__entry *entry, *last;
    unsigned slot, distance;

    if (op->err < 0)
        return op->err;
    bucket =
        buckets == NULL ? NULL : find_free_slot(op, buckets, mask, key->hash, &slot, &distance);
    if (bucket == NULL)
        return KITH_EFULL;
    last_off = kith__op_get(op, &shard->last);
    last = last_off != 0 ? entry_at(arena, last_off) : NULL;
    if (last == NULL && last_off != 0)
        return broken(arena);

    entry = make_entry(op, root, key->hash, key->type, key->data, key->size, stored, &off);
    if (entry == NULL)
        return op->err;
    entry->ticket = atomic_fetch_add_explicit(&root->ticket, 1, memory_order_relaxed) + 1;
    kith__store(&entry->prev, last_off);
    kith__store(&entry->next, 0);
    kith__store(&entry->version, entry->ticket << 24); /* above that of any earlier incarnation */

    for (unsigned d = 0; d < distance; d++) { /* T2 */
        struct kith__bucket *passed = &buckets[(key->hash + d) & mask];
        kith__op_cover(op, &passed->head, cover(op, passed) + KITH__HEAD_OVERFLOW_ONE);
    }
    cover(op, bucket);
    set_slot(op, &bucket->slot[slot], kith__tag_of(key->hash) | off >> 4);
    if (last != NULL)
        kith__op_set(op, &last->next, off);
    else
        kith__op_set(op, &shard->first, off);
    kith__op_set(op, &shard->last, off);
#ifndef KITH_MISTAKE_INSERT_WITHOUT_COUNT
    kith__op_set(op, &shard->count, kith__op_get(op, &shard->count) + 1);
#endif
    count_bytes(op, shard, kith__entry_bytes(key->size, stored.meta), 0);
    return op->err;
}

kith_err
kith__table_rebuild(struct kith__op *op, struct kith__dict_root *root,
                    const struct kith__place *place, struct kith__stored stored)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__shard *shard = place->shard;
    struct kith__entry *old = place->entry, *entry;
    uint64_t next_off = kith__op_get(op, &old->next), prev_off = kith__op_get(op, &old->prev);
    struct kith__entry *next = next_off != 0 ? entry_at(arena, next_off) : NULL;
    struct kith__entry *prev = prev_off != 0 ? entry_at(arena, prev_off) : NULL;
    uint64_t size = KITH__KEY_SIZE(old->key_meta), meta = kith__op_get(op, &old->meta), off;

    if ((next == NULL) != (next_off == 0) || (prev == NULL) != (prev_off == 0))
        return broken(arena);
    entry = make_entry(op, root, old->hash, KITH__KEY_TYPE(old->key_meta), old->key, size, stored,
                       &off);
    if (entry == NULL)
        return op->err;
    entry->ticket = old->ticket;
    kith__store(&entry->prev, prev_off);
    kith__store(&entry->next, next_off);
    kith__store(&entry->version, (kith__op_get(op, &old->version) | 1) + 1);
    cover(op, place->bucket);
    set_slot(op, &place->bucket->slot[place->slot], kith__tag_of(old->hash) | off >> 4);
    kith__op_set(op, prev != NULL ? &prev->next : &shard->first, off);
    kith__op_set(op, next != NULL ? &next->prev : &shard->last, off);
    move_cursors(op, shard, place->entry_off, off);
    count_bytes(op, shard, kith__entry_bytes(size, stored.meta), kith__entry_bytes(size, meta));
    if (meta != stored.meta || kith__op_get(op, &old->value) != stored.value)
        kith__stored_give(op, meta, kith__op_get(op, &old->value));
    kith__op_give(op, place->entry_off);
    return op->err;
}

bool
kith__place_untouched(const struct kith__op *op, const struct kith__place *place)
{
    /* Whatever sets a word of an entry sets its version, under a cover of its bucket. */
    return !place->covered ||
           kith__op_find(op, kith__off(op->self->arena, &place->entry->version)) == NULL;
}

/* In a long record each look for a word costs a miss or two, so there are none here. */
void
kith__table_replace_first(struct kith__op *op, const struct kith__place *place,
                          struct kith__stored stored)
{
    struct kith__entry *entry = place->entry;
    uint64_t version = kith__load(&entry->version), meta = kith__load(&entry->meta);
    uint64_t head = kith__load(&place->bucket->head);

    if (!place->covered)
        kith__op_append(op, kith__off(op->self->arena, &place->bucket->head) | KITH__REDO_COVER,
                        (head & ~KITH__HEAD_ACTOR) + KITH__HEAD_VERSION_ONE);
    kith__stored_give(op, meta, kith__load(&entry->value));
#ifdef KITH_MISTAKE_UNLOGGED_STORE
    kith__store(&entry->meta, stored.meta);
#endif
    if (meta != stored.meta)
        kith__op_set_first(op, &entry->meta, stored.meta);
    kith__op_set_first(op, &entry->value, stored.value);
    kith__op_set_first(op, &entry->version, (version | 1) + 1);
    count_bytes(op, place->shard, kith__entry_bytes(0, stored.meta), kith__entry_bytes(0, meta));
}

/* Of an entry that the record set before. */
static void
replace_again(struct kith__op *op, const struct kith__place *place, struct kith__stored stored)
{
    struct kith__entry *entry = place->entry;
    uint64_t version = kith__op_get(op, &entry->version), meta = kith__op_get(op, &entry->meta);

    kith__stored_give(op, meta, kith__op_get(op, &entry->value));
    if (meta != stored.meta)
        kith__op_set(op, &entry->meta, stored.meta);
    kith__op_set(op, &entry->value, stored.value);
    kith__op_set(op, &entry->version, (version | 1) + 1);
    count_bytes(op, place->shard, kith__entry_bytes(0, stored.meta), kith__entry_bytes(0, meta));
}

void
kith__table_replace(struct kith__op *op, const struct kith__place *place,
                    struct kith__stored stored)
{
    struct kith__place now = *place;

    /* Asked again: since the key was found, the record may have taken another from its bucket. */
    kith__op_cover_get(op, &place->bucket->head, &now.covered);
    if (kith__place_untouched(op, &now))
        kith__table_replace_first(op, &now, stored);
    else
        replace_again(op, &now, stored);
}

kith_err
kith__table_delete(struct kith__op *op, const struct kith__place *place, bool keep_item)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__shard *shard = place->shard;
    struct kith__entry *entry = place->entry;
    uint64_t mask, next_off = kith__op_get(op, &entry->next);
    uint64_t prev_off = kith__op_get(op, &entry->prev);
    struct kith__entry *next = next_off != 0 ? entry_at(arena, next_off) : NULL;
    struct kith__entry *prev = prev_off != 0 ? entry_at(arena, prev_off) : NULL;
    struct kith__bucket *buckets = buckets_of(op, shard, &mask);

    if (buckets == NULL || (next == NULL) != (next_off == 0) || (prev == NULL) != (prev_off == 0))
        return broken(arena);
    for (unsigned d = 0; d < place->distance; d++) { /* T2 */
        struct kith__bucket *passed = &buckets[(entry->hash + d) & mask];
        kith__op_cover(op, &passed->head, cover(op, passed) - KITH__HEAD_OVERFLOW_ONE);
    }
    cover(op, place->bucket);
    set_slot(op, &place->bucket->slot[place->slot], 0);
    if (prev != NULL)
        kith__op_set(op, &prev->next, next_off);
    else
        kith__op_set(op, &shard->first, next_off);
#ifndef KITH_MISTAKE_DELETE_KEEPS_BACK_LINK
    if (next != NULL)
        kith__op_set(op, &next->prev, prev_off);
    else
        kith__op_set(op, &shard->last, prev_off);
#endif
    kith__op_set(op, &shard->count, kith__op_get(op, &shard->count) - 1);
    move_cursors(op, shard, place->entry_off, next_off);
    count_bytes(op, shard, 0,
                kith__entry_bytes(KITH__KEY_SIZE(entry->key_meta), kith__op_get(op, &entry->meta)));
    if (!keep_item)
        kith__stored_give(op, kith__op_get(op, &entry->meta), kith__op_get(op, &entry->value));
    kith__op_give(op, place->entry_off);
    return op->err;
}

/* ---- Growing -------------------------------------------------------------------------- */

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
        return broken(arena);
    for (uint64_t i = 0; i < count + AHEAD; i++) {
        for (unsigned s = 0; i < count && s < KITH__SLOTS; s++)
            __builtin_prefetch(arena->base + kith__slot_off(kith__load(&from[i].slot[s])));
        for (unsigned s = 0; i >= AHEAD && s < KITH__SLOTS; s++) {
            uint64_t slot = kith__load(&from[i - AHEAD].slot[s]);
            struct kith__entry *entry = slot != 0 ? entry_at(arena, kith__slot_off(slot)) : NULL;

            if (slot == 0)
                continue;
            if (entry == NULL)
                return broken(arena);
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
        return broken(arena);
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
            op.err = broken(arena);
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
