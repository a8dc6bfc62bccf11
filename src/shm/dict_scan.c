/*
 * dict_scan.c - many keys at one instant: len, get_many, and a copy of everything.
 *
 * A reader notes of each shard its sequence, its lock's owner and the state of that owner's
 * journal; reads; and looks whether all of that is unchanged.
 *
 * ORDER
 *   S1  seq is read before the owner.  A writer that came before is then seen as the owner, or
 *       was done; one that comes later changes seq
 *   S2  an owner whose record is committed: words are taken from the record, and its state
 *       must stay.  Not committed: from memory, and the state must stay
 *   S3  an owner without a record may be about to make one store in place.  What was read from
 *       such shards is read once more after everything else: equal both times, the store came
 *       before all of it or after all of it
 *   So all that was read was there at one instant: the end of the noting, or with S3 the end
 *   of the first reading.
 *
 * PROGRESS  Each retry means that a writer advanced.  After ATTEMPTS of them the reader takes the
 *           locks for a moment, since under steady writing a long copy would never end; writers
 *           that are stopped or dead do not advance, and so are never waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "shm/dict.h"

#define ATTEMPTS 40u
#define ATTEMPTS_COPY 4u

struct note {
    struct kith__shard *shard;
    uint64_t seq;
    uint32_t owner;
    struct kith__overlay overlay;
};

struct scan {
    const struct kith__dict *dict;
    struct kith__dict_root *root;
    uint64_t shards_word; /* as it is in memory */
    struct note own;      /* the root's own shard, which stands for the dict as a whole */
    struct note note[KITH__SHARDS];
    unsigned count; /* of notes */
    bool locked;
    bool busy; /* some shard was locked: S3 */
};

static void
note_shard(struct scan *scan, struct note *note, struct kith__shard *shard)
{
    note->shard = shard;
    note->overlay.journal = NULL;
    note->overlay.count = 0;
    note->overlay.arena = scan->dict->arena;
    if (scan->locked) {
        note->owner = 0;
        return;
    }
    note->seq = kith__load_acquire(&shard->seq); /* S1 */
    note->owner = atomic_load_explicit(&shard->lock.word, memory_order_acquire) & KITH__LOCK_ACTOR;
    if (note->owner != 0) {
        kith__overlay_begin(&note->overlay, scan->dict->arena, note->owner);
        scan->busy = true;
    }
}

static bool
note_holds(const struct note *note)
{
    return kith__load(&note->shard->seq) == note->seq &&
           (atomic_load_explicit(&note->shard->lock.word, memory_order_relaxed) &
            KITH__LOCK_ACTOR) == note->owner &&
           kith__overlay_holds(&note->overlay);
}

static kith_err
gone(void)
{
    return kith__fail(KITH_EGONE, "The dict was destroyed; open it again to make a new one.");
}

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A dict breaks an invariant; run kith check.");
}

/* `which`: bit i set, shard i will be read. */
static kith_err
begin(struct scan *scan, const struct kith__dict *dict, bool locked, uint64_t which)
{
    struct kith__shard *shards;
    uint64_t word;
    unsigned count;

    scan->dict = dict;
    scan->root = kith__dict_root(dict);
    scan->locked = locked;
    scan->busy = false;
    scan->count = 0; /* until it is known: holds() may be asked before */
    scan->shards_word = kith__load_acquire(&scan->root->shards);
    note_shard(scan, &scan->own, &scan->root->own);
    if (kith__overlay_load(&scan->own.overlay, &scan->root->id) != dict->id)
        return gone();
    word = kith__overlay_load(&scan->own.overlay, &scan->root->shards);
    shards = kith__dict_shards(dict, word, &count);
    if (shards == NULL)
        return broken();
    scan->count = count;
    if (count == 1)
        scan->note[0] = scan->own;
    else
        for (unsigned i = 0; i < count; i++)
            if ((which >> i & 1) != 0)
                note_shard(scan, &scan->note[i], &shards[i]);
            else
                scan->note[i].shard = NULL;
    return KITH_OK;
}

static bool
holds(const struct scan *scan)
{
    if (scan->locked)
        return true;
    atomic_thread_fence(memory_order_acquire);
    if (!note_holds(&scan->own) || kith__load(&scan->root->shards) != scan->shards_word)
        return false;
    if (scan->count > 1)
        for (unsigned i = 0; i < scan->count; i++)
            if (scan->note[i].shard != NULL && !note_holds(&scan->note[i]))
                return false;
    return true;
}

/* Runs `read` until what it read holds, at last with the locks taken. */
static kith_err
scan_with(struct kith__self *self, const struct kith__dict *dict, uint64_t which, unsigned attempts,
          kith_err (*read)(struct scan *scan, void *arg), void *arg)
{
    struct scan scan;
    kith_err err;

    for (unsigned tries = 0;; tries++) {
        bool held;

        if (self != NULL)
            kith__reading_begin(self->actor);
        err = begin(&scan, dict, false, which);
        if (err == KITH_OK)
            err = read(&scan, arg);
        held = holds(&scan);
        if (self != NULL)
            kith__reading_end(self->actor);
        /* A conflict that held all the same: its cause, a lock without a change, is gone by now. */
        if (held && err != KITH_ECONFLICT)
            return err;
        if (tries >= attempts && self != NULL) {
            struct kith__shard *list[KITH__SHARDS + 1];
            unsigned count;

            err = kith__ledger_reserve(self, KITH__SHARDS + 1);
            if (err == KITH_OK)
                err = kith__dict_lock_all(self, dict, list, &count);
            if (err < 0)
                return err;
            err = begin(&scan, dict, true, which);
            if (err == KITH_OK)
                err = read(&scan, arg);
            kith__shards_unlock(self, list, count);
            kith__op_end(self);
            return err;
        }
        if (tries > 20000)
            return kith__fail(KITH_EUNAVAILABLE, "The dict changed each time it was read, and a "
                                                 "read-only opener cannot hold its writers up.");
    }
}

/* ---- len ------------------------------------------------------------------------------- */

static kith_err
read_len(struct scan *scan, void *arg)
{
    uint64_t *count = arg;

    *count = 0;
    for (unsigned i = 0; i < scan->count; i++)
        *count += kith__overlay_load(&scan->note[i].overlay, &scan->note[i].shard->count);
    return KITH_OK;
}

kith_err
kith__dict_len(struct kith__self *self, const struct kith__dict *dict, uint64_t *count_out)
{
    return scan_with(self, dict, UINT64_MAX, ATTEMPTS, read_len, count_out);
}

/* ---- get_many --------------------------------------------------------------------------- */

static struct kith__entry *
find_racy(const struct note *note, const struct kith__arena *arena, const struct kith__key *key)
{
    const struct kith__overlay *overlay = &note->overlay;
    uint64_t table = kith__overlay_load(overlay, &note->shard->table);
    uint64_t mask = kith__table_mask(table), tag = kith__tag_of(key->hash);
    struct kith__bucket *buckets;

    if (table == 0 || (table & 63) > 40)
        return NULL;
    buckets = kith__at(arena, kith__table_off(table), (mask + 1) * sizeof *buckets);
    if (buckets == NULL)
        return NULL;
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(key->hash + d) & mask];
        uint64_t head = kith__overlay_cover(overlay, &bucket->head, kith__load(&bucket->head));

        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            uint64_t slot = kith__overlay_load(overlay, &bucket->slot[s]), size;
            struct kith__entry *entry;

            if (slot == 0 || (slot ^ tag) >> 48 != 0)
                continue;
            entry = kith__at(arena, kith__slot_off(slot), sizeof *entry);
            if (entry == NULL || entry->hash != key->hash)
                continue;
            size = KITH__KEY_SIZE(entry->key_meta);
            if (kith__at(arena, kith__slot_off(slot), sizeof *entry + size) != NULL &&
                kith__key_same(key, KITH__KEY_TYPE(entry->key_meta), entry->key, size))
                return entry;
        }
        if ((head & KITH__HEAD_OVERFLOW) == 0)
            break;
    }
    return NULL;
}

/* When an entry ends, which may be garbage by now; 0: never. */
static int64_t
expiry_racy(const struct note *note, const struct kith__arena *arena, struct kith__entry *entry)
{
    uint64_t meta = entry->key_meta, at = kith__more_at(meta);
    struct kith__more *more = (struct kith__more *)(void *)((uint8_t *)entry + at);

    if ((meta & KITH__KEY_MORE) == 0 ||
        kith__at(arena, kith__off(arena, entry), at + sizeof *more) == NULL)
        return 0;
    return (int64_t)kith__overlay_load(&note->overlay, &more->expires);
}

struct many {
    int64_t now;
    struct kith__key *keys;
    size_t count;
    struct kith_buf *items;
    bool absent;
};

static kith_err
copy_item_racy(const struct note *note, const struct kith__arena *arena, struct kith__entry *entry,
               struct kith_buf *out)
{
    uint64_t meta = kith__overlay_load(&note->overlay, &entry->meta);
    uint64_t value = kith__overlay_load(&note->overlay, &entry->value);
    kith__word word = value;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item;

    if (kith__stored_item(arena, meta, &word, value, &item, tag) < 0 || !note_holds(note))
        return KITH_ECONFLICT; /* of no account: the scan will not hold */
    return kith__buf_set(out, item);
}

static const struct note *
note_of(const struct scan *scan, uint64_t hash)
{
    return scan->count == 1 ? &scan->note[0] : &scan->note[kith__shard_of(hash)];
}

static kith_err
read_many(struct scan *scan, void *arg)
{
    const struct kith__arena *arena = scan->dict->arena;
    struct many *many = arg;

    many->absent = false;
    for (size_t i = 0; i < many->count; i++) {
        const struct note *note = note_of(scan, many->keys[i].hash);
        struct kith__entry *entry = find_racy(note, arena, &many->keys[i]);
        int64_t expires = entry == NULL ? 0 : expiry_racy(note, arena, entry);
        kith_err err;

        if (expires != 0 && expires <= many->now)
            entry = NULL;
        if (entry == NULL) {
            many->absent = true;
            err = kith__buf_set(&many->items[i],
                                (struct kith_item){ .type = KITH_TYPE_NONE, .tag = kith_absent });
        } else if (scan->locked) {
            char tag[KITH_TAG_SIZE_MAX + 1];
            struct kith_item item;

            err = kith__stored_item(arena, kith__load(&entry->meta), &entry->value,
                                    kith__load(&entry->value), &item, tag);
            if (err == KITH_OK)
                err = kith__buf_set(&many->items[i], item);
        } else {
            err = copy_item_racy(note, arena, entry, &many->items[i]);
        }
        if (err < 0)
            return err;
    }
    if (scan->busy)
        for (size_t i = 0; i < many->count; i++) { /* S3 */
            const struct note *note = note_of(scan, many->keys[i].hash);
            struct kith__entry *entry;
            uint64_t value, meta;

            if (note->owner == 0 || many->items[i].item.tag == kith_absent)
                continue;
            entry = find_racy(note, arena, &many->keys[i]);
            if (entry == NULL)
                return KITH_ECONFLICT;
            meta = kith__overlay_load(&note->overlay, &entry->meta);
            value = kith__overlay_load(&note->overlay, &entry->value);
            if (kith__meta_inline(meta)) {
                kith__word word = value;

                if (!kith__stored_equals(arena, meta, &word, value, many->items[i].item)) {
                    scan->own.seq--; /* makes it not hold */
                    return KITH_ECONFLICT;
                }
            }
        }
    return KITH_OK;
}

kith_err
kith__dict_get_many(struct kith__self *self, const struct kith__dict *dict, struct kith__key *keys,
                    size_t count, struct kith_buf *items_out)
{
    struct many many = { kith__arena_now_ns(dict->arena), keys, count, items_out, false };
    uint64_t which = 0;
    kith_err err;

    for (size_t i = 0; i < count; i++)
        which |= UINT64_C(1) << kith__shard_of(keys[i].hash);
    err = scan_with(self, dict, which, ATTEMPTS, read_many, &many);
    if (err == KITH_ECONFLICT)
        return broken();
    return err < 0 ? err : many.absent ? KITH_ENOENT : KITH_OK;
}

/* ---- A copy of everything ---------------------------------------------------------------- */

struct copying {
    struct kith__copy *copy;
    bool items;
};

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the dict.");
}

static kith_err
reserve_bytes(struct kith__copy *copy, uint64_t more)
{
    uint64_t room = copy->room ? copy->room : 4096;
    uint8_t *bytes;

    if (copy->size + more <= copy->room)
        return KITH_OK;
    while (room < copy->size + more)
        room *= 2;
    bytes = kith__realloc(copy->bytes, room);
    if (bytes == NULL)
        return no_memory();
    copy->bytes = bytes;
    copy->room = room;
    return KITH_OK;
}

static kith_err
reserve_entry(struct kith__copy *copy)
{
    uint64_t room = copy->entry_room ? 2 * copy->entry_room : 64;
    struct kith__copied *entries;

    if (copy->count < copy->entry_room)
        return KITH_OK;
    entries = kith__realloc(copy->entries, room * sizeof *entries);
    if (entries == NULL)
        return no_memory();
    copy->entries = entries;
    copy->entry_room = room;
    return KITH_OK;
}

static uint64_t
round8(uint64_t size)
{
    return (size + 7) & ~UINT64_C(7);
}

/* Whether it says of a value what can be so; the catalog's are objects. */
static bool
is_item(uint64_t meta)
{
    unsigned type = KITH__META_TYPE(meta);

    return (type <= KITH_TYPE_REFERENCE || type == KITH__TYPE_OBJECT) &&
           KITH__META_TAG(meta) <= KITH_TAG_SIZE_MAX;
}

static kith_err
copy_entry(struct scan *scan, const struct note *note, uint64_t off, struct copying *copying,
           uint64_t *next_out)
{
    const struct kith__arena *arena = scan->dict->arena;
    struct kith__copy *copy = copying->copy;
    struct kith__entry *entry = kith__at(arena, off, sizeof *entry), *to;
    uint64_t key_size, meta, value, item_size = 0;
    const void *block = NULL;
    kith_err err;

    if (entry == NULL)
        return KITH_ECONFLICT;
    key_size = KITH__KEY_SIZE(entry->key_meta);
    meta = kith__overlay_load(&note->overlay, &entry->meta);
    value = kith__overlay_load(&note->overlay, &entry->value);
    *next_out = kith__overlay_load(&note->overlay, &entry->next);
    if (kith__at(arena, off, sizeof *entry + key_size) == NULL)
        return KITH_ECONFLICT;
    if (copying->items && !is_item(meta))
        return KITH_ECONFLICT;
    if (copying->items && !kith__meta_inline(meta)) {
        item_size = KITH__META_TAG(meta) + KITH__META_SIZE(meta);
        block = kith__at(arena, value, item_size);
        if (block == NULL)
            return KITH_ECONFLICT;
    }
    /* Sizes read from what may be garbage by now: look before memory is taken for them. */
    if (!scan->locked && key_size + item_size > 4096) {
        atomic_thread_fence(memory_order_acquire);
        if (!note_holds(note))
            return KITH_ECONFLICT;
    }
    err = reserve_bytes(copy, sizeof *entry + round8(key_size) + round8(item_size));
    if (err == KITH_OK)
        err = reserve_entry(copy);
    if (err < 0)
        return err;
    to = (struct kith__entry *)(void *)(copy->bytes + copy->size);
    memcpy(to, entry, sizeof *entry + key_size);
    kith__store(&to->meta, meta);
    kith__store(&to->value, value);
    if (item_size > 0)
        memcpy(copy->bytes + copy->size + sizeof *entry + round8(key_size), block, item_size);
    copy->entries[copy->count++] =
        (struct kith__copied){ to->ticket, expiry_racy(note, arena, entry), copy->size };
    copy->size += sizeof *entry + round8(key_size) + round8(item_size);
    return KITH_OK;
}

/* S3 for a shard that was locked: its values in place, once more. */
static bool
values_agree(struct scan *scan, const struct note *note, const struct kith__copy *copy,
             uint64_t from, uint64_t to)
{
    uint64_t off = kith__overlay_load(&note->overlay, &note->shard->first);

    for (uint64_t i = from; i < to; i++) {
        struct kith__entry *entry = kith__at(scan->dict->arena, off, sizeof *entry);
        struct kith__entry *copied =
            (struct kith__entry *)(void *)(copy->bytes + copy->entries[i].at);

        if (entry == NULL ||
            kith__load(&copied->value) != kith__overlay_load(&note->overlay, &entry->value))
            return false;
        off = kith__overlay_load(&note->overlay, &entry->next);
    }
    return true;
}

static kith_err
read_copy(struct scan *scan, void *arg)
{
    struct copying *copying = arg;
    struct kith__copy *copy = copying->copy;
    uint64_t from[KITH__SHARDS + 1];

    copy->size = 0;
    copy->count = 0;
    for (unsigned i = 0; i < scan->count; i++) {
        const struct note *note = &scan->note[i];
        uint64_t off = kith__overlay_load(&note->overlay, &note->shard->first);
        uint64_t count = kith__overlay_load(&note->overlay, &note->shard->count), steps = 0;

        from[i] = copy->count;
        for (; off != 0; steps++) {
            kith_err err;

            if (steps > count || (!scan->locked && steps % 256 == 255 && !note_holds(note)))
                return KITH_ECONFLICT;
            err = copy_entry(scan, note, off, copying, &off);
            if (err < 0)
                return err;
        }
    }
    from[scan->count] = copy->count;
    for (unsigned i = 0; i < scan->count && scan->busy; i++)
        if (scan->note[i].owner != 0 &&
            !values_agree(scan, &scan->note[i], copy, from[i], from[i + 1])) {
            scan->own.seq--; /* makes it not hold */
            return KITH_ECONFLICT;
        }
    return KITH_OK;
}

static void
forget_expired(struct kith__copy *copy, int64_t now)
{
    uint64_t kept = 0;

    for (uint64_t i = 0; i < copy->count; i++)
        if (copy->entries[i].expires == 0 || copy->entries[i].expires > now)
            copy->entries[kept++] = copy->entries[i];
    copy->count = kept;
}

static int
by_ticket(const void *a, const void *b)
{
    const struct kith__copied *x = a, *y = b;

    return x->ticket < y->ticket ? -1 : x->ticket > y->ticket;
}

kith_err
kith__dict_copy(struct kith__self *self, const struct kith__dict *dict, bool items,
                struct kith__copy *copy_out)
{
    struct copying copying = { copy_out, items };
    kith_err err;

    *copy_out = (struct kith__copy){ 0 };
    err = scan_with(self, dict, UINT64_MAX, ATTEMPTS_COPY, read_copy, &copying);
    if (err < 0) {
        kith__copy_free(copy_out);
        return err == KITH_ECONFLICT ? broken() : err;
    }
    forget_expired(copy_out, kith__arena_now_ns(dict->arena));
    if (copy_out->count > 1)
        qsort(copy_out->entries, copy_out->count, sizeof *copy_out->entries, by_ticket);
    return KITH_OK;
}

void
kith__copy_free(struct kith__copy *copy)
{
    kith__free(copy->bytes);
    kith__free(copy->entries);
    *copy = (struct kith__copy){ 0 };
}

static struct kith__entry *
copied_at(const struct kith__copy *copy, uint64_t index)
{
    return (struct kith__entry *)(void *)(copy->bytes + copy->entries[index].at);
}

struct kith_item
kith__copy_key(const struct kith__copy *copy, uint64_t index)
{
    const struct kith__entry *entry = copied_at(copy, index);

    return kith__key_item(KITH__KEY_TYPE(entry->key_meta), entry->key,
                          KITH__KEY_SIZE(entry->key_meta));
}

struct kith_item
kith__copy_item(const struct kith__arena *arena, const struct kith__copy *copy, uint64_t index,
                char *tag)
{
    struct kith__entry *entry = copied_at(copy, index);
    uint64_t meta = kith__load(&entry->meta);
    struct kith_item item;

    if (kith__meta_inline(meta)) {
        if (kith__stored_item(arena, meta, &entry->value, kith__load(&entry->value), &item, tag) <
            0)
            item = (struct kith_item){ .type = KITH_TYPE_NONE }; /* an object: it is no item */
        return item;
    }
    const uint8_t *bytes =
        (const uint8_t *)entry + sizeof *entry + round8(KITH__KEY_SIZE(entry->key_meta));
    size_t tag_size = KITH__META_TAG(meta);
    item = (struct kith_item){ .type = (kith_type)KITH__META_TYPE(meta),
                               .data = bytes + tag_size,
                               .size = KITH__META_SIZE(meta) };
    if (item.type == KITH_TYPE_FOREIGN) {
        memcpy(tag, bytes, tag_size);
        tag[tag_size] = '\0';
        item.tag = tag;
    }
    return item;
}
