/*
 * rescue.c - what can be had of dicts, and of the catalog, in an arena that breaks invariants.
 *
 * The order of a dict's entries is a list, which one broken link cuts.  Its buckets are an array:
 * each slot leads to an entry or to nonsense, and an entry proves itself, since its hash is that
 * of its key under the arena's own key.  So the buckets are walked, every entry that proves itself
 * is taken once, and the tickets put them in order.
 *
 * Nothing is written, and nobody else is there: see kith__holder_exclude().
 */
#include "shm/rescue.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/item.h"
#include "base/utf8.h"

struct found {
    uint64_t ticket, off;
};

static struct kith__entry *
entry_at(const struct kith__arena *arena, uint64_t off)
{
    return (struct kith__entry *)kith__ptr(arena, off);
}

/* What may stand behind a key. */
#define MORE_ROOM (8 + sizeof(struct kith__more))

struct findings {
    struct found *list;
    uint64_t count, room;
    uint64_t lost; /* slots that lead to nonsense, or entries that are counted and not found */
};

static bool
note(struct findings *findings, uint64_t ticket, uint64_t off)
{
    if (findings->count == findings->room) {
        uint64_t room = findings->room == 0 ? 64 : 2 * findings->room;
        struct found *larger = kith__realloc(findings->list, room * sizeof *larger);

        if (larger == NULL)
            return false;
        findings->list = larger;
        findings->room = room;
    }
    findings->list[findings->count++] = (struct found){ ticket, off };
    return true;
}

static struct kith_item
key_of(const struct kith__entry *entry)
{
    return kith__key_item(KITH__KEY_TYPE(entry->key_meta), entry->key,
                          KITH__KEY_SIZE(entry->key_meta));
}

/* Whether an entry stands there: its key is one, and has the hash that it says. */
static bool
proves_itself(const struct kith__dict *dict, uint64_t off)
{
    const struct kith__entry *entry = kith__at(dict->arena, off, sizeof *entry);
    struct kith__key key;
    struct kith_item item;
    bool same;

    if (entry == NULL || off % 16 != 0 || KITH__KEY_SIZE(entry->key_meta) > dict->arena->size ||
        KITH__KEY_TYPE(entry->key_meta) > KITH_TYPE_PACKED ||
        kith__at(dict->arena, off, sizeof *entry + KITH__KEY_SIZE(entry->key_meta)) == NULL)
        return false;
    item = key_of(entry);
    if (kith__item_check(item) < 0 || kith__key_make(dict->arena->hash_key, item, &key) < 0)
        return false;
    same = key.hash == entry->hash;
    kith__key_free(&key);
    return same;
}

static kith_err
find_in_shard(const struct kith__dict *dict, struct kith__shard *shard, struct findings *findings)
{
    uint64_t table = kith__load(&shard->table), mask = kith__table_mask(table);
    uint64_t before = findings->count, count = kith__load(&shard->count);
    struct kith__bucket *buckets = NULL;

    if (table != 0 && (table & 63) <= 40)
        buckets = kith__at(dict->arena, kith__table_off(table), (mask + 1) * sizeof *buckets);
    for (uint64_t b = 0; buckets != NULL && b <= mask; b++)
        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            uint64_t slot = kith__load(&buckets[b].slot[s]), off = kith__slot_off(slot);

            if (slot == 0)
                continue;
            if (!proves_itself(dict, off))
                findings->lost++;
            else if (!note(findings, entry_at(dict->arena, off)->ticket, off))
                return kith__fail(KITH_ENOMEM, "This process has no memory for a rescue.");
        }
    if (findings->count - before < count && count <= dict->arena->size / sizeof(kith__word) &&
        count - (findings->count - before) > findings->lost)
        findings->lost = count - (findings->count - before);
    return KITH_OK;
}

static int
by_ticket(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->ticket != y->ticket)
        return x->ticket < y->ticket ? -1 : 1;
    return (x->off > y->off) - (x->off < y->off);
}

static kith_err
find_all(const struct kith__dict *dict, struct findings *findings)
{
    /* The catalog's root is in the header, any other in the heap. */
    struct kith__dict_root *root = dict->off == offsetof(struct kith__header, catalog)
                                       ? kith__dict_root(dict)
                                       : kith__at(dict->arena, dict->off, sizeof *root);
    struct kith__shard *shards = NULL;
    unsigned count = 0;
    kith_err err = KITH_OK;

    if (root != NULL)
        shards = kith__dict_shards(dict, kith__load(&root->shards), &count);
    if (shards == NULL) {
        findings->lost++;
        return KITH_OK;
    }
    for (unsigned i = 0; i < count && err == KITH_OK; i++)
        err = find_in_shard(dict, &shards[i], findings);
    if (findings->count > 1)
        qsort(findings->list, findings->count, sizeof *findings->list, by_ticket);
    return err;
}

/* Whether the entry was named before, by a slot that should not. */
static bool
is_double(const struct findings *findings, uint64_t i)
{
    return i > 0 && findings->list[i].off == findings->list[i - 1].off;
}

kith_err
kith__dict_rescue(const struct kith__dict *dict,
                  int (*each)(struct kith_item key, struct kith_item item, int64_t expires,
                              void *arg),
                  void *arg, uint64_t *lost_out)
{
    struct findings findings = { .count = 0 };
    char tag[KITH_TAG_SIZE_MAX + 1];
    kith_err err = find_all(dict, &findings);

    for (uint64_t i = 0; err == KITH_OK && i < findings.count; i++) {
        struct kith__entry *entry = entry_at(dict->arena, findings.list[i].off);
        struct kith__more *more = kith__entry_more(entry);
        struct kith_item item;

        if (is_double(&findings, i))
            continue;
        if (kith__stored_item(dict->arena, kith__load(&entry->meta), &entry->value,
                              kith__load(&entry->value), &item, tag) < 0 ||
            kith__item_check(item) < 0)
            findings.lost++;
        else if (each(key_of(entry), item, more == NULL ? 0 : (int64_t)kith__load(&more->expires),
                      arg) != 0)
            break;
    }
    *lost_out = findings.lost;
    kith__free(findings.list);
    return err;
}

kith_err
kith__catalog_rescue(struct kith__arena *arena,
                     int (*each)(const char *name, enum kith_kind kind, void *arg), void *arg,
                     uint64_t *lost_out)
{
    struct kith__dict catalog = kith__catalog_of(arena);
    struct findings findings = { .count = 0 };
    kith_err err = find_all(&catalog, &findings);

    for (uint64_t i = 0; err == KITH_OK && i < findings.count; i++) {
        const struct kith__entry *entry = entry_at(arena, findings.list[i].off);
        uint64_t meta = kith__load(&entry->meta);
        struct kith_item key = key_of(entry);
        char name[KITH__NAME_SIZE_MAX + 1];

        if (is_double(&findings, i))
            continue;
        if (KITH__META_TYPE(meta) != KITH__TYPE_OBJECT || key.type != KITH_TYPE_STR ||
            !kith__name_ok(key.data, key.size)) {
            findings.lost++;
            continue;
        }
        memcpy(name, key.data, key.size);
        name[key.size] = '\0';
        if (each(name, (enum kith_kind)KITH__META_TAG(meta), arg) != 0)
            break;
    }
    *lost_out = findings.lost;
    kith__free(findings.list);
    return err;
}
