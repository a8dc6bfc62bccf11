/*
 * quick.h - looking a key up in the usual case, in one straight pass.
 *
 * The usual case: the key is short, stands in its home bucket, in the first slot whose tag agrees,
 * does not expire, and no record is in the way.  Whatever is otherwise is left to dict_read.c and
 * dict_write.c, which know all cases; what is done here follows their argument.
 */
#ifndef KITH__SHM_QUICK_H
#define KITH__SHM_QUICK_H

#include "base/buf.h"
#include "shm/dict.h"

enum kith__quick { KITH__QUICK_UNSURE, KITH__QUICK_FOUND, KITH__QUICK_ABSENT };

/* In dict_read.c: copies str and bytes of moderate size, which may be garbage; false if it is more.
 */
bool kith__quick_copy(const struct kith__arena *arena, uint64_t meta, uint64_t value,
                      struct kith_buf *out);
/* The same of an entry that a kith__more follows: it has not expired, nor need eviction be told. */
bool kith__quick_lasts(const struct kith__arena *arena, const struct kith__entry *entry,
                       uint64_t key_size);

/* Reads what stands under the key into a buffer (NULL: only looks), without a lock. */
static inline __attribute__((always_inline)) enum kith__quick
kith__quick_get(const struct kith__dict *dict, const struct kith__short_key *key,
                struct kith_buf *out)
{
    const struct kith__arena *arena = dict->arena;
    const struct kith__dict_root *root = kith__dict_root(dict);
    const struct kith__shard *shard = &root->own;
    const struct kith__bucket *bucket;
    const struct kith__entry *entry;
    uint64_t shards = kith__load_acquire(&root->shards), table, head, off, meta = 0, value = 0;
    uint64_t intent;
    struct kith__short stored;
    uint32_t match;

    if (shards != 0) {
        if (!kith__is_near(arena, shards))
            return KITH__QUICK_UNSURE;
        shard = (const struct kith__shard *)kith__near(arena, shards) + kith__shard_of(key->hash);
    }
    table = kith__load_acquire(&shard->table);
    off = kith__table_off(table) + (key->hash & kith__table_mask(table)) * sizeof(*bucket);
    if (!kith__is_near(arena, off))
        return KITH__QUICK_UNSURE;
    bucket = kith__near(arena, off);
    head = kith__load_acquire(&bucket->head);
    match = kith__bucket_match(bucket, key->hash);
    if (match != 0) {
        off = kith__slot_off(kith__load_acquire(&bucket->slot[kith__first_match(match)]));
        entry = kith__near(arena, off);
        if (!kith__is_near(arena, off) ||
            (entry->key_meta & ~KITH__KEY_MORE) != ((uint64_t)key->type | key->size << 8))
            return KITH__QUICK_UNSURE;
        stored = kith__short_of(entry->key, key->size);
        if (((stored.first ^ key->data.first) | (stored.last ^ key->data.last)) != 0)
            return KITH__QUICK_UNSURE;
        meta = kith__load(&entry->meta);
        value = kith__load(&entry->value);
        if ((entry->key_meta & KITH__KEY_MORE) != 0 && !kith__quick_lasts(arena, entry, key->size))
            return KITH__QUICK_UNSURE;
        if (KITH__META_TYPE(meta) > KITH_TYPE_FLOAT && out != NULL &&
            !kith__quick_copy(arena, meta, value, out))
            return KITH__QUICK_UNSURE;
    } else if ((head & KITH__HEAD_OVERFLOW) != 0) {
        return KITH__QUICK_UNSURE;
    }
    atomic_thread_fence(memory_order_acquire);
    /*
     * Before the words that a record under an intent sets: if there is none yet, they are as they
     * were when it was looked for; if there is none any more, they are what the record made them.
     */
    intent = kith__load_acquire(&shard->intent);
    if (((kith__load(&bucket->head) ^ head) | (kith__load(&shard->table) ^ table) |
         (head & KITH__HEAD_ACTOR) | intent | (kith__load(&root->shards) ^ shards) |
         (kith__load(&root->id) ^ dict->id)) != 0)
        return KITH__QUICK_UNSURE;
    if (match == 0)
        return KITH__QUICK_ABSENT;
    if (out != NULL) {
        unsigned type = KITH__META_TYPE(meta);
        bool bytes = type > KITH_TYPE_FLOAT;

        out->item.type = (kith_type)type;
        out->item.integer = (int64_t)(type == KITH_TYPE_BOOL ? value != 0 : value);
        out->item.data = bytes ? out->memory : NULL;
        out->item.size = bytes ? KITH__META_SIZE(meta) : 0;
        out->item.tag = NULL;
    }
    return KITH__QUICK_FOUND;
}

/*
 * Locks the shard of a key as kith__dict_lock() does, which has the argument; in line, and the rest
 * of it is called for what is not usual.
 */
static inline __attribute__((always_inline)) kith_err
kith__quick_lock(struct kith__self *self, const struct kith__dict *dict, uint64_t hash,
                 struct kith__shard **shard_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    uint64_t word = kith__load_acquire(&root->shards);
    struct kith__shard *shard = &root->own;
    kith_err err;

    if (word != 0) {
        if (!kith__is_near(self->arena, word))
            return kith__dict_lock(self, dict, hash, shard_out);
        shard = (struct kith__shard *)kith__near(self->arena, word) + kith__shard_of(hash);
    }
    err = kith__lock_acquire(self, &shard->lock);
    if (err < 0)
        return err;
    if (__builtin_expect(
            ((kith__load(&root->id) ^ dict->id) | (kith__load(&root->shards) ^ word)) != 0, 0)) {
        kith__lock_release(self, &shard->lock);
        return kith__dict_lock(self, dict, hash, shard_out);
    }
    kith__shard_touch(shard);
    *shard_out = shard;
    return KITH_OK;
}

/*
 * Lock held, no operation under way: the entry of the key if it stands in its home bucket, in the
 * first slot whose tag agrees, and does not expire.  NULL says nothing, unless *absent_out: then
 * the key is not in the table.
 */
static inline __attribute__((always_inline)) struct kith__entry *
kith__quick_find(const struct kith__arena *arena, const struct kith__shard *shard,
                 const struct kith__key *key, bool *absent_out)
{
    uint64_t table = kith__load(&shard->table);
    uint64_t off = kith__table_off(table) +
                   (key->hash & kith__table_mask(table)) * sizeof(struct kith__bucket);
    const struct kith__bucket *bucket = kith__near(arena, off);
    struct kith__entry *entry;
    struct kith__more *more;
    uint32_t match;

    *absent_out = false;
    if (!kith__is_near(arena, off))
        return NULL;
    match = kith__bucket_match(bucket, key->hash);
    if (match == 0) {
        *absent_out = (kith__load(&bucket->head) & KITH__HEAD_OVERFLOW) == 0;
        return NULL;
    }
    off = kith__slot_off(kith__load(&bucket->slot[kith__first_match(match)]));
    entry = kith__near(arena, off);
    if (!kith__is_near(arena, off) || key->size > 16 || key->form != KITH__KEY_PLAIN ||
        (entry->key_meta & ~KITH__KEY_MORE) != ((uint64_t)key->type | (uint64_t)key->size << 8) ||
        !kith__bytes_same(entry->key, key->data, key->size))
        return NULL;
    more = kith__entry_more(entry); /* a short key's, so it is near as well */
    if (more != NULL && (kith__load(&more->expires) | kith__load(&more->life)) != 0)
        return NULL;
    return entry;
}

#endif /* KITH__SHM_QUICK_H */
