/*
 * table.h - the hash table of a dict, its shards, and what may be done to them under a lock.
 */
#ifndef KITH__SHM_TABLE_H
#define KITH__SHM_TABLE_H

#include "base/key.h"
#include "shm/alloc.h"
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#define KITH__MATCH_BY_VECTOR
#endif

/* A dict as a process knows it. */
struct kith__dict {
    struct kith__arena *arena;
    uint64_t off; /* of the root */
    uint64_t id;
};

/* An item ready to be stored: up to 8 bytes in `value`, or a block to be filled. */
struct kith__stored {
    uint64_t meta;
    uint64_t value;
    int64_t expires, life; /* as in struct kith__more; 0: it does not expire */
};

static inline struct kith__dict_root *
kith__dict_root(const struct kith__dict *dict)
{
    return (struct kith__dict_root *)kith__ptr(dict->arena, dict->off);
}

#define KITH__PROBES 8u /* buckets a key may be in, from its home on */

static inline unsigned
kith__shard_of(uint64_t hash)
{
    return (unsigned)(hash >> (64 - KITH__SHARDS_LOG));
}

static inline uint64_t
kith__tag_of(uint64_t hash)
{
    return ((hash >> 40) & 0xffff) << 48;
}

static inline uint64_t
kith__slot_off(uint64_t slot)
{
    return (slot & ((UINT64_C(1) << 48) - 1)) << 4;
}

/* The bit of a slot in a match. */
static inline uint32_t
kith__match_bit(unsigned slot)
{
    return UINT32_C(1) << (4 * (slot + 1) + 3);
}

/*
 * Which slots have the tag: bit 4n + 3 stands for the n-th word of the bucket, whose first is no
 * slot.
 */
static inline uint32_t
kith__bucket_match(const struct kith__bucket *bucket, uint64_t hash)
{
#ifdef KITH__MATCH_BY_VECTOR
    /* An aligned load of 16 bytes is one of two whole words; volatile, since others store them. */
    const volatile __m128i *at = (const volatile __m128i *)(const void *)bucket;
    __m128i tag = _mm_set1_epi16((short)(hash >> 40));
    __m128i low = _mm_packs_epi16(_mm_cmpeq_epi16(at[0], tag), _mm_cmpeq_epi16(at[1], tag));
    __m128i high = _mm_packs_epi16(_mm_cmpeq_epi16(at[2], tag), _mm_cmpeq_epi16(at[3], tag));

    return ((uint32_t)_mm_movemask_epi8(low) & 0x8880u) |
           ((uint32_t)_mm_movemask_epi8(high) & 0x8888u) << 16;
#else
    uint64_t tag = kith__tag_of(hash);
    uint32_t match = 0;

    for (unsigned s = 0; s < KITH__SLOTS; s++)
        match |= (kith__load(&bucket->slot[s]) ^ tag) >> 48 == 0 ? kith__match_bit(s) : 0;
    return match;
#endif
}

/* The slot of the lowest bit. */
static inline unsigned
kith__first_match(uint32_t match)
{
    return (unsigned)__builtin_ctz(match) / 4 - 1;
}

static inline uint64_t
kith__table_off(uint64_t table)
{
    return table & ~UINT64_C(63);
}

static inline uint64_t
kith__table_mask(uint64_t table)
{
    return (UINT64_C(1) << (table & 63)) - 1;
}

/* Whether an item of this meta stands in the value word itself. */
static inline bool
kith__meta_inline(uint64_t meta)
{
    unsigned type = KITH__META_TYPE(meta);

    return type <= KITH_TYPE_FLOAT || type == KITH__TYPE_OBJECT ||
           KITH__META_TAG(meta) + KITH__META_SIZE(meta) <= 8;
}

static inline uint64_t
kith__more_at(uint64_t key_meta)
{
    return sizeof(struct kith__entry) + ((KITH__KEY_SIZE(key_meta) + 7) & ~UINT64_C(7));
}

/* What follows the key, of an entry that is known to lie inside the arena; NULL: nothing does. */
static inline struct kith__more *
kith__entry_more(struct kith__entry *entry)
{
    if ((entry->key_meta & KITH__KEY_MORE) == 0)
        return NULL;
    return (struct kith__more *)(void *)((uint8_t *)entry + kith__more_at(entry->key_meta));
}

/* The entry at `off` with what follows its key; NULL if not all of that lies inside the arena. */
static inline struct kith__entry *
kith__entry_at(const struct kith__arena *arena, uint64_t off)
{
    struct kith__entry *entry = off != 0 ? kith__at(arena, off, sizeof *entry) : NULL;

    if (entry == NULL || (entry->key_meta & KITH__KEY_MORE) == 0)
        return entry;
    return kith__at(arena, off, kith__more_at(entry->key_meta) + sizeof(struct kith__more)) == NULL
               ? NULL
               : entry;
}

/* How far a list of `count` entries can be walked: what is overwritten may go round. */
static inline uint64_t
kith__entry_steps(const struct kith__arena *arena, uint64_t count)
{
    uint64_t most = arena->size / sizeof(struct kith__entry);

    return count < most ? count : most;
}

/* Bytes that bounds count. */
static inline uint64_t
kith__entry_bytes(uint64_t key_size, uint64_t meta)
{
    return key_size + KITH__META_TAG(meta) + KITH__META_SIZE(meta);
}

/* Where a key is, or is not. */
struct kith__place {
    struct kith__shard *shard;
    struct kith__bucket *bucket;
    unsigned slot, distance; /* from its home bucket */
    uint64_t entry_off;
    struct kith__entry *entry; /* NULL: the key is absent */
    bool covered; /* by the record, when it was found; if not, no word of its entries is set */
};

/* ---- Locking -------------------------------------------------------------------------- */

/*
 * Locks the shard that `hash` belongs to and tells multi-key readers that it will change.
 * KITH_EGONE: the dict was destroyed.
 */
kith_err kith__dict_lock(struct kith__self *self, const struct kith__dict *dict, uint64_t hash,
                         struct kith__shard **shard_out);

static inline void
kith__shard_touch(struct kith__shard *shard)
{
    kith__store(&shard->seq, kith__load(&shard->seq) + 1);
    atomic_thread_fence(memory_order_release);
}

/*
 * Locks every shard of the dict in the order of their offsets.  `list` has room for
 * KITH__SHARDS + 1; ledger room was reserved for as many.
 */
kith_err kith__dict_lock_all(struct kith__self *self, const struct kith__dict *dict,
                             struct kith__shard **list, unsigned *count_out);
void kith__shards_unlock(struct kith__self *self, struct kith__shard **list, unsigned count);

/*
 * Releases the lock of a shard that was changed, and wakes those who wait for keys of the dict.
 * The ledger names the lock until that is done, so a reaper does it if we die on the way.
 */
static inline void
kith__shard_release(struct kith__self *self, struct kith__dict_root *root,
                    struct kith__shard *shard)
{
    kith__lock_free(self, &shard->lock);
    kith__signal_raise(self, &root->signal, INT32_MAX);
    kith__lock_forget(self, &shard->lock);
}

/* The same with locks that are released after. */
static inline void
kith__dict_raise(struct kith__self *self, struct kith__dict_root *root)
{
    atomic_thread_fence(memory_order_seq_cst);
    kith__signal_raise(self, &root->signal, INT32_MAX);
}

/* The shards, and how many; lock of one held, or none and then only a guess.  NULL: corrupt. */
struct kith__shard *kith__dict_shards(const struct kith__dict *dict, uint64_t shards_word,
                                      unsigned *count_out);

/* KITH_ECORRUPT, with a sentence. */
kith_err kith__dict_broken(const struct kith__arena *arena);

/* ---- Items (stored.c) ------------------------------------------------------------------ */

/* Copies the item into what is to be stored, taking a block if it needs one. */
kith_err kith__stored_make(struct kith__op *op, struct kith_item item,
                           struct kith__stored *stored_out);
/* The item that is stored, pointing into the arena.  KITH_ECORRUPT if it can't be. */
kith_err kith__stored_item(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                           uint64_t value_word, struct kith_item *item_out, char *tag);
/* Gives the block of what was stored back, if it has one. */
void kith__stored_give(struct kith__op *op, uint64_t meta, uint64_t value);
/* Whether what is stored is this item: same type, same bytes, same tag. */
bool kith__stored_equals(const struct kith__arena *arena, uint64_t meta, const kith__word *value,
                         uint64_t value_word, struct kith_item item);

/* ---- The table, lock held ------------------------------------------------------------- */

kith_err kith__table_find(struct kith__op *op, struct kith__shard *shard,
                          const struct kith__key *key, struct kith__place *place_out);
/* KITH_EFULL: the shard must grow first. */
kith_err kith__table_insert(struct kith__op *op, struct kith__dict_root *root,
                            struct kith__shard *shard, const struct kith__key *key,
                            struct kith__stored stored);
void kith__table_replace(struct kith__op *op, const struct kith__place *place,
                         struct kith__stored stored);
/* Whether the record sets no word of the entry, which was found since it last changed. */
bool kith__place_untouched(const struct kith__op *op, const struct kith__place *place);
/* Replaces in such a place. */
void kith__table_replace_first(struct kith__op *op, const struct kith__place *place,
                               struct kith__stored stored);
/* Asks for what kith__table_find() will look at: the bucket, and later what stands in it. */
void kith__table_ask_bucket(struct kith__arena *arena, const struct kith__shard *shard,
                            uint64_t hash);
void kith__table_ask_entry(struct kith__arena *arena, const struct kith__shard *shard,
                           uint64_t hash);
/*
 * Puts a new entry in the place of one, in the order too: `stored`, and a kith__more if the old had
 * none.
 */
kith_err kith__table_rebuild(struct kith__op *op, struct kith__dict_root *root,
                             const struct kith__place *place, struct kith__stored stored);
/* `keep_item`: the block of its item is not given back. */
kith_err kith__table_delete(struct kith__op *op, const struct kith__place *place, bool keep_item);

/* Stores a value over one of the same meta, without a record: one store makes it visible. */
static inline void
kith__entry_store(struct kith__entry *entry, uint64_t value)
{
    uint64_t version = kith__load(&entry->version);

    kith__store_release(&entry->version, version | 1);
    atomic_thread_fence(memory_order_release);
#ifdef KITH_MISTAKE_PLACE_IN_TWO_STEPS
    kith__store(&entry->value, (kith__load(&entry->value) & ~UINT64_C(7)) | (~value & 7));
    kith__step();
#endif
    kith__store_release(&entry->value, value);
    kith__store_release(&entry->version, (version | 1) + 1);
}

/* A head with its version risen, and no actor. */
static inline uint64_t
kith__head_risen(uint64_t head)
{
    return (head & ~KITH__HEAD_ACTOR) + KITH__HEAD_VERSION_ONE;
}

/* No record that looks keys up sets a table, so the word is what it is. */
static inline struct kith__bucket *
kith__buckets_of(const struct kith__arena *arena, const struct kith__shard *shard,
                 uint64_t *mask_out)
{
    uint64_t table = kith__load(&shard->table);

    *mask_out = kith__table_mask(table);
    if (table == 0 || (table & 63) > 40)
        return NULL;
    return kith__at(arena, kith__table_off(table), (*mask_out + 1) * sizeof(struct kith__bucket));
}

/* Takes and fills an entry, but for its links; it is ours alone until the commit. */
struct kith__entry *kith__table_entry(struct kith__op *op, const struct kith__dict_root *root,
                                      uint64_t hash, uint8_t type, const void *key,
                                      uint64_t key_size, struct kith__stored stored,
                                      uint64_t *off_out);

/*
 * Writes down that the key, which is in no bucket, comes and `old` goes, eviction going on behind
 * it.  The record is empty so far.  False: not by the short way, and nothing happened.
 */
bool kith__table_swap(struct kith__op *op, struct kith__dict_root *root, struct kith__shard *shard,
                      const struct kith__key *key, struct kith__stored stored,
                      struct kith__entry *old);

/* ---- Growing (table_grow.c) ------------------------------------------------------------ */

/*
 * Makes room for `more` keys in a shard, with a record of its own; the lock stays held.  An
 * operation may be under way only if it has not written anything down.
 */
kith_err kith__table_reserve(struct kith__self *self, struct kith__shard *shard, uint64_t more,
                             bool force);
/* Whether `more` keys need kith__table_reserve(). */
bool kith__table_tight(const struct kith__shard *shard, uint64_t more);
/* Splits a dict that outgrew its one shard into KITH__SHARDS; its own lock held and kept. */
kith_err kith__dict_spread(struct kith__self *self, const struct kith__dict *dict);
#define KITH__SPREAD_AT 384u

/* Whether with `more` keys it is one that kith__dict_spread() splits: bounds are kept by one lock.
 */
static inline bool
kith__dict_outgrew(const struct kith__dict_root *root, const struct kith__shard *shard,
                   uint64_t more)
{
    return shard == &root->own && kith__load(&shard->count) + more > KITH__SPREAD_AT &&
           kith__load(&shard->bytes) == 0;
}

#endif /* KITH__SHM_TABLE_H */
