/*
 * dict_read.c - reading one key without a lock.
 *
 * A reader writes nothing that is shared but the mark on its own slot that says that it is
 * reading, and waits for nobody.  It follows shards word, table word, bucket, slot, entry, and
 * copies; then it looks whether the words it followed are what they were.
 *
 * ORDER
 *   R1  the heads of the buckets passed, with no actor in them, unchanged from before their slots
 *       were read until after the copy: the entry was live all that time, and its block too
 *   R2  the table word and the shards word unchanged: the bucket was a bucket of this dict
 *   R3  the root's id unchanged: it was this dict
 *   R4  an actor in the head, or in the shard's intent: its record decides.  Committed, words
 *       are taken from the record; not, from memory.  The journal's state unchanged at the
 *       end: it was so all the time
 *   R5  numbers change by one store without a record; any value read is one that was there
 *
 * PROGRESS  Each retry means that some writer changed this very bucket, table or dict, or
 *           committed.  A stopped or killed writer changes nothing, and so holds up nobody.
 *
 * Memory that a stale offset leads to is mapped: extents are given back to the system only
 * after every reader that was reading has stopped.  What is read there is thrown away.
 */
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "shm/dict.h"
#include "shm/extent.h"
#include "shm/quick.h"

/* What a pass over the words found, and what has to be unchanged for it to count. */
struct pass {
    struct kith__dict_root *root;
    struct kith__shard *shard;
    struct kith__bucket *bucket;
    struct kith__entry *entry; /* NULL: absent */
    struct kith__bucket *buckets;
    uint64_t shards, table, mask;
    uint64_t head[KITH__PROBES]; /* of the buckets passed, from the key's home on */
    unsigned depth;
    uint64_t home;
    uint64_t meta, value, version;
    uint64_t expires;
    bool unvisited; /* what eviction should be told */
    struct kith__overlay overlay;
    unsigned overlay_actor;
};

enum result { AGAIN, FOUND, ABSENT, GONE };

static bool
entry_matches(const struct kith__arena *arena, const struct kith__entry *entry, uint64_t key_meta,
              const struct kith__key *key)
{
    uint64_t size;

    if (entry->hash != key->hash)
        return false;
    size = KITH__KEY_SIZE(key_meta);
    return kith__at(arena, kith__off(arena, entry), sizeof *entry + size) != NULL &&
           kith__key_same(key, KITH__KEY_TYPE(key_meta), entry->key, size);
}

/* What follows the key, which may be garbage by now; `key_meta` was read once. */
static struct kith__more *
more_of(const struct kith__arena *arena, struct kith__entry *entry, uint64_t key_meta)
{
    uint64_t at = kith__more_at(key_meta);

    if ((key_meta & KITH__KEY_MORE) == 0 ||
        kith__at(arena, kith__off(arena, entry), at + sizeof(struct kith__more)) == NULL)
        return NULL;
    return (struct kith__more *)(void *)((uint8_t *)entry + at);
}

static inline bool
unchanged(const struct pass *p, const struct kith__dict *dict)
{
    atomic_thread_fence(memory_order_acquire);
    /* All of them: one transaction may move a key from a bucket not yet read to one passed. */
    for (unsigned d = 0; d < p->depth; d++)
        if (kith__load(&p->buckets[(p->home + d) & p->mask].head) != p->head[d])
            return false;
    return kith__load(&p->shard->table) == p->table && kith__load(&p->root->shards) == p->shards &&
           kith__load(&p->root->id) == dict->id && kith__overlay_holds(&p->overlay);
}

/* Looks the key up in one bucket; `overlay` NULL where no record covers it. */
static inline enum result
look_in(struct pass *p, const struct kith__dict *dict, const struct kith__key *key,
        const struct kith__overlay *overlay)
{
    uint64_t tag = kith__tag_of(key->hash);

    for (unsigned s = 0; s < KITH__SLOTS; s++) {
        uint64_t slot = kith__overlay_load(overlay, &p->bucket->slot[s]);
        struct kith__entry *entry;
        uint64_t key_meta;

        if ((slot ^ tag) >> 48 != 0 || slot == 0)
            continue;
        entry = kith__at(dict->arena, kith__slot_off(slot), sizeof *entry);
        if (entry == NULL)
            return AGAIN;
        key_meta = entry->key_meta;
        if (entry_matches(dict->arena, entry, key_meta, key)) {
            struct kith__more *more = more_of(dict->arena, entry, key_meta);

            p->expires = more != NULL ? kith__overlay_load(overlay, &more->expires) : 0;
            p->unvisited = more != NULL && kith__load(&more->visited) == 0;
            p->entry = entry;
            p->version = kith__overlay_load(overlay, &entry->version);
            p->meta = kith__overlay_load(overlay, &entry->meta);
            p->value = kith__overlay_load(overlay, &entry->value);
            return FOUND;
        }
    }
    return ABSENT;
}

/* From the table word on; `base` is the overlay of the shard's intent, or NULL. */
static inline enum result
look_in_table(struct pass *p, const struct kith__dict *dict, const struct kith__key *key,
              const struct kith__overlay *base, uint64_t table)
{
    uint64_t mask = kith__table_mask(table);
    struct kith__bucket *buckets;

    if (table == 0)
        return ABSENT;
    buckets = (table & 63) > 40
                  ? NULL
                  : kith__at(dict->arena, kith__table_off(table), (mask + 1) * sizeof *buckets);
    if (buckets == NULL)
        return AGAIN;
    p->buckets = buckets;
    p->mask = mask;
    p->home = key->hash;
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        enum result result;
        uint64_t head;

        p->bucket = &buckets[(key->hash + d) & mask];
        p->head[d] = head = kith__load_acquire(&p->bucket->head);
        p->depth = d + 1;
        if (__builtin_expect((head & KITH__HEAD_ACTOR) != 0, 0)) { /* R4 */
            unsigned actor = (unsigned)(head & KITH__HEAD_ACTOR);

            if (base == NULL) {
                kith__overlay_begin(&p->overlay, dict->arena, actor);
                p->overlay_actor = actor;
                base = &p->overlay;
            } else if (actor != p->overlay_actor) {
                return AGAIN; /* the lock changed hands between two buckets */
            }
            head = kith__overlay_cover(base, &p->bucket->head, head);
        }
        result = look_in(p, dict, key, base);
        if (result != ABSENT || (head & KITH__HEAD_OVERFLOW) == 0)
            return result;
    }
    return ABSENT;
}

static inline enum result
look_up(struct pass *p, const struct kith__dict *dict, const struct kith__key *key)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    const struct kith__overlay *base = NULL;
    uint64_t intent, shards, table;
    unsigned count;

    p->root = root;
    p->bucket = NULL;
    p->entry = NULL;
    p->depth = 0;
    p->overlay.journal = NULL;
    if (kith__load_acquire(&root->id) != dict->id)
        return GONE;
    p->shards = shards = kith__load_acquire(&root->shards);
    p->shard = kith__dict_shards(dict, shards, &count);
    if (p->shard == NULL)
        return AGAIN;
    if (count > 1)
        p->shard += kith__shard_of(key->hash);
    intent = kith__load_acquire(&p->shard->intent);
    p->table = table = kith__load_acquire(&p->shard->table);
    if (__builtin_expect(intent != 0, 0)) { /* R4: the dict is being spread, emptied or ended */
        p->overlay_actor = (unsigned)(intent & KITH__HEAD_ACTOR);
        kith__overlay_begin(&p->overlay, dict->arena, p->overlay_actor);
        base = &p->overlay;
        if (kith__overlay_search(base, kith__off(dict->arena, &root->id), dict->id) != dict->id)
            return kith__overlay_holds(base) ? GONE : AGAIN;
        shards = kith__overlay_search(base, kith__off(dict->arena, &root->shards), shards);
        if (shards != p->shards) {
            struct kith__shard *after = kith__dict_shards(dict, shards, &count);

            if (after == NULL)
                return AGAIN;
            if (count > 1)
                after += kith__shard_of(key->hash);
            table = kith__overlay_load(base, &after->table);
        } else {
            table = kith__overlay_search(base, kith__off(dict->arena, &p->shard->table), table);
        }
    }
    return look_in_table(p, dict, key, base, table);
}

static kith_err
gone(void)
{
    return kith__fail(KITH_EGONE, "The dict was destroyed; open it again to make a new one.");
}

/*
 * Passes until one counts, and calls `take` on what was found, whose result counts only if
 * everything is unchanged after it.
 */
static inline kith_err
read_with(struct kith__arena *arena, struct kith__actor *actor, const struct kith__dict *dict,
          const struct kith__key *key, bool stale,
          kith_err (*take)(struct kith__arena *arena, struct pass *p, void *arg), void *arg)
{
    for (uint64_t tries = 0;; tries++) {
        struct pass p;
        enum result result = look_up(&p, dict, key);
        kith_err err = KITH_OK;

        (void)actor;
        if (result == FOUND && p.expires != 0 && !stale &&
            (int64_t)p.expires <= kith__arena_now_ns(arena))
            result = ABSENT;
        if (result == FOUND) {
            if (unchanged(&p, dict)) {
                err = take(arena, &p, arg);
                if (err < 0 && unchanged(&p, dict))
                    return err;
                if (err >= 0 && unchanged(&p, dict))
                    return KITH_OK;
            }
        } else if (result == ABSENT) {
            if (unchanged(&p, dict))
                return KITH_ENOENT;
        } else if (result == GONE) {
            return gone();
        }
        /* Each retry means that a writer advanced; a broken arena may make us think so for ever. */
        if (tries > (UINT64_C(1) << 17))
            return kith__fail(KITH_ECORRUPT, "A dict breaks an invariant; run kith check.");
    }
}

/* ---- What is taken -------------------------------------------------------------------- */

struct take_item {
    struct kith_buf *out;
    uint64_t *version_out;
    struct kith__actor *actor; /* for a pin */
    int64_t *expires_out;      /* NULL, or is told */
    bool unvisited;
};

static kith_err
take_item(struct kith__arena *arena, struct pass *p, void *arg)
{
    struct take_item *take = arg;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;
    kith_err err;

    if (take->version_out != NULL)
        *take->version_out = p->version;
    if (take->expires_out != NULL)
        *take->expires_out = (int64_t)p->expires;
    take->unvisited = p->unvisited;
    if (take->out == NULL)
        return KITH_OK;
    if (kith__meta_inline(p->meta)) {
        /* The very value word that was read: it may be stored over at any time (R5). */
        kith__word word = p->value;

        err = kith__stored_item(arena, p->meta, &word, p->value, &item, tag);
        return err < 0 ? err : kith__buf_set(take->out, item);
    }
    if (kith__at(arena, p->value, KITH__META_TAG(p->meta) + KITH__META_SIZE(p->meta)) == NULL)
        return KITH_ECORRUPT;
    err = kith__buf_reserve(take->out, KITH__META_SIZE(p->meta) + KITH__META_TAG(p->meta) + 1);
    if (err < 0)
        return err;
    memcpy(take->out->memory, kith__ptr(arena, p->value),
           KITH__META_TAG(p->meta) + KITH__META_SIZE(p->meta));
    return KITH_OK;
}

/* Makes an item of what take_item() copied. */
static void
finish_item(uint64_t meta, struct kith_buf *out)
{
    size_t tag_size = KITH__META_TAG(meta), size = KITH__META_SIZE(meta);
    uint8_t *bytes = out->memory;

    out->item = (struct kith_item){ .type = (kith_type)KITH__META_TYPE(meta),
                                    .data = bytes + tag_size,
                                    .size = size };
    if (tag_size > 0) {
        char tag[KITH_TAG_SIZE_MAX + 1];

        memcpy(tag, bytes, tag_size);
        memmove(bytes, bytes + tag_size, size);
        memcpy(bytes + size, tag, tag_size);
        bytes[size + tag_size] = '\0';
        out->item.data = bytes;
        out->item.tag = (const char *)(bytes + size);
    }
}

/*
 * The item of an extent is pinned while it is copied: copying takes long enough that somebody
 * who replaces it again and again would make us start over for ever.
 */
static kith_err
take_pinned(struct kith__arena *arena, struct pass *p, void *arg)
{
    struct take_item *take = arg;

    if (take->actor == NULL || kith__meta_inline(p->meta) ||
        KITH__META_TAG(p->meta) + KITH__META_SIZE(p->meta) <= KITH__SMALL_MAX)
        return KITH_OK;
    (void)arena;
    kith__store(&take->actor->pin, p->value);
    atomic_thread_fence(memory_order_seq_cst); /* the pin is seen, or the removal is */
    return KITH_OK;
}

struct take_both {
    struct take_item item;
    uint64_t meta;
    bool copied;
};

static kith_err
take_both(struct kith__arena *arena, struct pass *p, void *arg)
{
    struct take_both *both = arg;

    both->meta = p->meta;
    both->copied = false;
    if (both->item.out != NULL && both->item.actor != NULL && !kith__meta_inline(p->meta) &&
        KITH__META_TAG(p->meta) + KITH__META_SIZE(p->meta) > KITH__SMALL_MAX) {
        if (both->item.version_out != NULL)
            *both->item.version_out = p->version;
        if (both->item.expires_out != NULL)
            *both->item.expires_out = (int64_t)p->expires;
        both->item.unvisited = p->unvisited;
        take_pinned(arena, p, &both->item);
        return KITH_OK; /* checked once more after the fence, then copied at leisure */
    }
    both->copied = true;
    return take_item(arena, p, &both->item);
}

static kith_err
get(struct kith__arena *arena, struct kith__actor *actor, const struct kith__dict *dict,
    const struct kith__key *key, bool stale, struct kith_buf *item_out, uint64_t *version_out,
    int64_t *expires_out, bool *unvisited_out)
{
    struct take_both both = { .item = { item_out, version_out, actor, expires_out, false } };
    kith_err err = read_with(arena, actor, dict, key, stale, take_both, &both);

    *unvisited_out = err == KITH_OK && both.item.unvisited;
    if (err == KITH_OK && item_out != NULL && !both.copied) {
        uint64_t off = kith__load(&actor->pin);
        size_t size = KITH__META_TAG(both.meta) + KITH__META_SIZE(both.meta);

        err = kith__at(arena, off, size) == NULL ? KITH_ECORRUPT
                                                 : kith__buf_reserve(item_out, size + 1);
        if (err == KITH_OK)
            memcpy(item_out->memory, kith__ptr(arena, off), size);
    }
    if (err == KITH_OK && item_out != NULL && !kith__meta_inline(both.meta))
        finish_item(both.meta, item_out);
    if (actor != NULL && kith__load(&actor->pin) != 0)
        kith__store_release(&actor->pin, 0);
    if (err == KITH_ECORRUPT)
        kith__fail(err, "An item breaks an invariant; run kith check.");
    return err;
}

/* ---- What quick.h leaves to a call ------------------------------------------------------ */

#define QUICK_COPY 1024u /* larger items are left to take_item() */

bool
kith__quick_copy(const struct kith__arena *arena, uint64_t meta, uint64_t value,
                 struct kith_buf *out)
{
    uint64_t size = KITH__META_SIZE(meta);

    if ((KITH__META_TYPE(meta) != KITH_TYPE_STR && KITH__META_TYPE(meta) != KITH_TYPE_BYTES) ||
        KITH__META_TAG(meta) != 0 || size == 0 || size > QUICK_COPY || size > out->capacity)
        return false;
    if (size > 8 && !kith__is_near(arena, value))
        return false;
    memcpy(out->memory, size <= 8 ? &value : kith__near(arena, value), size);
    return true;
}

bool
kith__quick_lasts(const struct kith__arena *arena, const struct kith__entry *entry,
                  uint64_t key_size)
{
    const struct kith__more *more =
        (const void *)((const uint8_t *)entry + kith__more_at(key_size << 8));
    int64_t expires = (int64_t)kith__load(&more->expires);

    return kith__load(&more->visited) != 0 && (expires == 0 || expires > kith__arena_now_ns(arena));
}

kith_err
kith__dict_get(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
               struct kith_buf *item_out, uint64_t *version_out, int64_t *expires_out)
{
    struct kith__actor *actor = self->actor;
    bool unvisited;
    kith_err err;

    kith__reading_begin(actor);
    err = get(self->arena, actor, dict, key, false, item_out, version_out, expires_out, &unvisited);
    kith__reading_end(actor);
    if (unvisited)
        kith__dict_visit(self, dict, key);
    return err;
}

kith_err
kith__dict_get_stale(struct kith__self *self, const struct kith__dict *dict,
                     const struct kith__key *key, struct kith_buf *item_out, int64_t *expires_out)
{
    bool unvisited;
    kith_err err;

    kith__reading_begin(self->actor);
    err = get(self->arena, self->actor, dict, key, true, item_out, NULL, expires_out, &unvisited);
    kith__reading_end(self->actor);
    return err;
}

static kith_err
take_words(struct kith__arena *arena, struct pass *p, void *arg)
{
    struct kith__found *found = arg;

    (void)arena;
    *found = (struct kith__found){ p->version, p->meta, p->value };
    return KITH_OK;
}

kith_err
kith__dict_find(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
                struct kith__found *found_out)
{
    kith_err err;

    kith__reading_begin(self->actor);
    err = read_with(self->arena, self->actor, dict, key, false, take_words, found_out);
    kith__reading_end(self->actor);
    return err;
}

kith_err
kith__dict_get_readonly(struct kith__arena *arena, const struct kith__dict *dict,
                        const struct kith__key *key, struct kith_buf *item_out,
                        struct kith__found *found_out)
{
    bool unvisited;

    if (found_out != NULL)
        return read_with(arena, NULL, dict, key, false, take_words, found_out);
    return get(arena, NULL, dict, key, false, item_out, NULL, NULL, &unvisited);
}

kith_err
kith__dict_get_stale_readonly(struct kith__arena *arena, const struct kith__dict *dict,
                              const struct kith__key *key, struct kith_buf *item_out,
                              int64_t *expires_out)
{
    bool unvisited;

    return get(arena, NULL, dict, key, true, item_out, NULL, expires_out, &unvisited);
}

/* ---- Pins ----------------------------------------------------------------------------- */

struct take_pin {
    struct kith__holder *holder;
    kith__word *pin;
    uint64_t off, meta;
};

static kith_err
take_pin(struct kith__arena *arena, struct pass *p, void *arg)
{
    struct take_pin *take = arg;

    (void)arena;
    take->meta = p->meta;
    take->off = 0;
    if (kith__meta_inline(p->meta) ||
        KITH__META_TAG(p->meta) + KITH__META_SIZE(p->meta) <= KITH__SMALL_MAX)
        return KITH_OK;
    take->off = p->value;
    for (unsigned i = 0; take->pin == NULL && i < KITH__PINS; i++) {
        uint64_t none = 0;

        if (atomic_compare_exchange_strong(&take->holder->pin[i], &none, p->value))
            take->pin = &take->holder->pin[i];
    }
    if (take->pin == NULL)
        return kith__fail(KITH_EFULL,
                          "This process has %u views of large items open, as many as "
                          "it may; release some.",
                          KITH__PINS);
    atomic_store(take->pin, p->value); /* sequentially consistent: seen, or the removal is */
    return KITH_OK;
}

kith_err
kith__dict_pin(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
               kith__word **pin_out, uint64_t *off_out, uint64_t *meta_out)
{
    struct take_pin take = { .holder = kith__holder_at(self->arena, self->arena->holder) };
    kith_err err;

    atomic_fetch_add(&take.holder->pin_count, 1);
    kith__reading_begin(self->actor);
    err = read_with(self->arena, self->actor, dict, key, false, take_pin, &take);
    kith__reading_end(self->actor);
    if (err < 0 || take.off == 0) {
        if (take.pin != NULL)
            kith__store_release(take.pin, 0);
        atomic_fetch_sub(&take.holder->pin_count, 1);
        take.pin = NULL;
    }
    *pin_out = take.pin;
    *off_out = take.off;
    *meta_out = take.meta;
    return err;
}
