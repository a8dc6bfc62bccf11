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

kith_err
kith__dict_broken(const struct kith__arena *arena)
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
            return kith__dict_broken(dict->arena);
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
            return kith__dict_broken(dict->arena);
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

/* ---- The table ------------------------------------------------------------------------ */

/* The one way in which a record sets a slot. */
static void
set_slot(struct kith__op *op, kith__word *slot, uint64_t value)
{
    op->slots_set = true;
    op->slots_cleared |= value == 0;
    kith__op_set(op, slot, value);
}

/* Covers the bucket and returns its head to be, the version risen. */
static uint64_t
cover(struct kith__op *op, struct kith__bucket *bucket)
{
    bool covered;
    uint64_t head = kith__op_cover_get(op, &bucket->head, &covered);

    if (!covered) {
        head = kith__head_risen(head);
        kith__op_cover(op, &bucket->head, head);
    }
    return head;
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

/* The home bucket of a hash by the table as it stands; NULL if it is not near. */
static inline const struct kith__bucket *
home_of(const struct kith__arena *arena, const struct kith__shard *shard, uint64_t hash)
{
    uint64_t table = kith__load(&shard->table);
    uint64_t off =
        kith__table_off(table) + (hash & kith__table_mask(table)) * sizeof(struct kith__bucket);

    return kith__is_near(arena, off) ? kith__near(arena, off) : NULL;
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
    uint32_t match = bucket == NULL ? 0 : kith__bucket_match(bucket, hash);

    if (match != 0) {
        const uint8_t *at = /* only a hint: unchecked */
            arena->base + kith__slot_off(kith__load(&bucket->slot[kith__first_match(match)]));

        __builtin_prefetch(at, 1);
        __builtin_prefetch(at + sizeof(struct kith__entry), 1);
    }
}

/* Which slots of a bucket may have the tag, as the record leaves them. */
static uint32_t
match_of(const struct kith__op *op, const struct kith__bucket *bucket, uint64_t hash, bool moved)
{
    uint32_t match = 0;

    if (!moved)
        return kith__bucket_match(bucket, hash);
    for (unsigned s = 0; s < KITH__SLOTS; s++)
        if ((kith__op_get(op, &bucket->slot[s]) ^ kith__tag_of(hash)) >> 48 == 0)
            match |= kith__match_bit(s);
    return match;
}

kith_err
kith__table_find(struct kith__op *op, struct kith__shard *shard, const struct kith__key *key,
                 struct kith__place *place)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t mask;
    struct kith__bucket *buckets = kith__buckets_of(arena, shard, &mask);

    place->shard = shard;
    place->bucket = NULL;
    place->entry = NULL;
    place->entry_off = 0;
    place->covered = false;
    if (buckets == NULL)
        return kith__load(&shard->table) == 0 ? KITH_OK : kith__dict_broken(arena);
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(key->hash + d) & mask];
        bool covered;
        uint64_t head = kith__op_cover_get(op, &bucket->head, &covered);
        bool moved = covered && op->slots_set;

        for (uint32_t match = match_of(op, bucket, key->hash, moved); match != 0;
             match &= match - 1) {
            unsigned s = kith__first_match(match);
            uint64_t slot =
                moved ? kith__op_get(op, &bucket->slot[s]) : kith__load(&bucket->slot[s]);
            struct kith__entry *entry;

            if (slot == 0)
                continue;
            entry = entry_at(arena, kith__slot_off(slot));
            if (entry == NULL)
                return kith__dict_broken(arena);
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
        bool covered = false;

        if (op->slots_set)
            kith__op_cover_get(op, &bucket->head, &covered);
        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            uint64_t slot = kith__load(&bucket->slot[s]);

            /* The record may have filled it; emptied it has only if it deletes anything. */
            if (covered && (slot == 0 || op->slots_cleared))
                slot = kith__op_get(op, &bucket->slot[s]);
            if (slot == 0) {
                *slot_out = s;
                *distance_out = d;
                return bucket;
            }
        }
    }
    return NULL;
}

struct kith__entry *
kith__table_entry(struct kith__op *op, const struct kith__dict_root *root, uint64_t hash,
                  uint8_t type, const void *key, uint64_t key_size, struct kith__stored stored,
                  uint64_t *off_out)
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

/* A word as the record leaves it; `first`: it has none yet, and sets each but once. */
static inline uint64_t
word_of(const struct kith__op *op, bool first, const kith__word *word)
{
    return first ? kith__load(word) : kith__op_get(op, word);
}

static inline void
set_word(struct kith__op *op, bool first, kith__word *word, uint64_t value)
{
    if (first)
        kith__op_set_first(op, word, value);
    else
        kith__op_set(op, word, value);
}

/* Writes down that the entry at `off`, filled but for its links, is in the slot, and the last. */
static inline __attribute__((always_inline)) void
link_entry(struct kith__op *op, bool first, struct kith__shard *shard, struct kith__bucket *bucket,
           unsigned slot, uint64_t hash, struct kith__entry *last, uint64_t off)
{
    if (op->count == 0)
        kith__op_append(op, kith__off(op->self->arena, &bucket->head) | KITH__REDO_COVER,
                        kith__head_risen(kith__load(&bucket->head)));
    else
        cover(op, bucket);
    op->slots_set = true;
    set_word(op, first, &bucket->slot[slot], kith__tag_of(hash) | off >> 4);
    set_word(op, first, last != NULL ? &last->next : &shard->first, off);
    set_word(op, first, &shard->last, off);
#ifndef KITH_MISTAKE_INSERT_WITHOUT_COUNT
    set_word(op, first, &shard->count, word_of(op, first, &shard->count) + 1);
#endif
}

kith_err
kith__table_insert(struct kith__op *op, struct kith__dict_root *root, struct kith__shard *shard,
                   const struct kith__key *key, struct kith__stored stored)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t mask, off, last_off;
    struct kith__bucket *buckets = kith__buckets_of(arena, shard, &mask), *bucket;
    struct kith__entry *entry, *last;
    unsigned slot, distance;
    bool first = op->count == 0;

    if (op->err < 0)
        return op->err;
    bucket =
        buckets == NULL ? NULL : find_free_slot(op, buckets, mask, key->hash, &slot, &distance);
    if (bucket == NULL)
        return KITH_EFULL;
    last_off = kith__op_get(op, &shard->last);
    last = last_off != 0 ? entry_at(arena, last_off) : NULL;
    if (last == NULL && last_off != 0)
        return kith__dict_broken(arena);

    entry = kith__table_entry(op, root, key->hash, key->type, key->data, key->size, stored, &off);
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
    if (first)
        link_entry(op, true, shard, bucket, slot, key->hash, last, off);
    else
        link_entry(op, false, shard, bucket, slot, key->hash, last, off);
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
        return kith__dict_broken(arena);
    entry = kith__table_entry(op, root, old->hash, KITH__KEY_TYPE(old->key_meta), old->key, size,
                              stored, &off);
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
                        kith__head_risen(head));
#ifndef KITH_MISTAKE_REPLACE_KEEPS_BLOCK
    kith__stored_give(op, meta, kith__load(&entry->value));
#endif
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
    struct kith__bucket *buckets = kith__buckets_of(arena, shard, &mask);

    if (buckets == NULL || (next == NULL) != (next_off == 0) || (prev == NULL) != (prev_off == 0))
        return kith__dict_broken(arena);
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
