/*
 * snapshot.c - a dict as it was at one instant, in private memory.
 *
 * Keys and items stand one after the other in the order of insertion, as the engine gave them, and
 * an index of their places by hash, open addressed and at most half full.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/key.h"
#include "object/handle.h"

struct pair {
    struct kith_buf key, item;
    uint64_t hash;
};

struct kith_snapshot {
    struct pair *pairs;
    uint64_t count, room;
    uint64_t *index; /* pair + 1; 0: free */
    uint64_t mask;
    uint64_t seed[2];
    kith_err err; /* while it is being filled */
};

static int
take(struct kith_item key, struct kith_item item, void *arg)
{
    kith_snapshot *s = arg;
    struct pair *pair;

    if (s->count == s->room) {
        uint64_t room = s->room == 0 ? 64 : 2 * s->room;
        struct pair *pairs = kith__realloc(s->pairs, room * sizeof(*pairs));

        if (pairs == NULL) {
            s->err = KITH_ENOMEM;
            return 1;
        }
        s->pairs = pairs;
        s->room = room;
    }
    pair = &s->pairs[s->count];
    *pair = (struct pair){ KITH_BUF_INIT, KITH_BUF_INIT, 0 };
    s->count++;
    s->err = kith__buf_set(&pair->key, key);
    if (s->err == KITH_OK)
        s->err = kith__buf_set(&pair->item, item);
    return s->err < 0;
}

/* The place in the index of `key`, or the free one where it would be. */
static uint64_t
place_of(const kith_snapshot *s, const struct kith__key *key)
{
    uint64_t at = key->hash & s->mask;

    for (; s->index[at] != 0; at = (at + 1) & s->mask) {
        const struct pair *pair = &s->pairs[s->index[at] - 1];
        const struct kith_item *item = &pair->key.item;
        struct kith__key other;
        bool same;

        if (pair->hash != key->hash || kith__key_make(s->seed, *item, &other) < 0)
            continue;
        same = kith__key_same(key, other.type, other.data, other.size);
        kith__key_free(&other);
        if (same)
            break;
    }
    return at;
}

static kith_err
make_index(kith_snapshot *s)
{
    uint64_t size = 16;

    while (size < 2 * s->count)
        size *= 2;
    s->index = kith__calloc(size, sizeof(*s->index));
    if (s->index == NULL)
        return KITH_ENOMEM;
    s->mask = size - 1;
    for (uint64_t i = 0; i < s->count; i++) {
        struct kith__key key;
        kith_err err = kith__key_make(s->seed, s->pairs[i].key.item, &key);

        if (err < 0)
            return err;
        s->pairs[i].hash = key.hash;
        s->index[place_of(s, &key)] = i + 1;
        kith__key_free(&key);
    }
    return KITH_OK;
}

kith_err
kith_dict_snapshot(kith_dict *dict, kith_snapshot **snapshot_out)
{
    unsigned told = kith__told();
    kith_snapshot *s;
    kith_err err;

    if (dict == NULL || snapshot_out == NULL)
        return kith__fail_null("kith_dict_snapshot");
    s = kith__handle_new(sizeof(*s));
    if (s == NULL)
        return KITH_ENOMEM;
    s->seed[0] = (uint64_t)(uintptr_t)s; /* private: nobody chooses keys against it */
    s->seed[1] = (uint64_t)kith__now_ns();
    err = dict->ops->each(dict->handle.state, true, take, s);
    if (err == KITH_OK)
        err = s->err;
    if (err == KITH_OK)
        err = make_index(s);
    if (err == KITH_OK) {
        *snapshot_out = s;
        return KITH_OK;
    }
    kith_snapshot_release(s);
    if (err == KITH_ENOMEM)
        return kith__fail(err, "This process has no memory for a snapshot of the dict.");
    return kith__fail_outcome(&dict->handle, err, told, NULL);
}

void
kith_snapshot_release(kith_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (uint64_t i = 0; i < snapshot->count; i++) {
        kith_buf_free(&snapshot->pairs[i].key);
        kith_buf_free(&snapshot->pairs[i].item);
    }
    kith__free(snapshot->pairs);
    kith__free(snapshot->index);
    kith__free(snapshot);
}

uint64_t
kith_snapshot_len(const kith_snapshot *snapshot)
{
    return snapshot == NULL ? 0 : snapshot->count;
}

kith_err
kith_snapshot_get(const kith_snapshot *snapshot, struct kith_item key, struct kith_item *item_out)
{
    struct kith__key made;
    uint64_t number;
    kith_err err;

    if (snapshot == NULL)
        return kith__fail_null("kith_snapshot_get");
    err = kith__key_make(snapshot->seed, key, &made);
    if (err < 0)
        return err;
    number = snapshot->index[place_of(snapshot, &made)];
    kith__key_free(&made);
    if (number == 0)
        return kith__fail(KITH_ENOENT, "The snapshot has no such key.");
    if (item_out != NULL)
        *item_out = snapshot->pairs[number - 1].item.item;
    return KITH_OK;
}

kith_err
kith_snapshot_each(const kith_snapshot *snapshot,
                   int (*each)(struct kith_item key, struct kith_item item, void *arg), void *arg)
{
    if (snapshot == NULL || each == NULL)
        return kith__fail_null("kith_snapshot_each");
    for (uint64_t i = 0; i < snapshot->count; i++)
        if (each(snapshot->pairs[i].key.item, snapshot->pairs[i].item.item, arg) != 0)
            break;
    return KITH_OK;
}
