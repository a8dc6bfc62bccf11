/*
 * catalog.c - objects by name: entered, found and ended in one record each.
 *
 * An object and its name come to be in the same record, so there is never a root without a name
 * nor a name without a root.  Ending one takes the catalog's shard lock and then all locks of
 * the object, and the same record removes the name, clears the id in the root and puts the root
 * into the trash.  Who holds an old handle compares ids, and gets KITH_EGONE.
 */
#include "shm/catalog.h"

#include <string.h>

#include "base/error.h"
#include "base/made.h"
#include "shm/kind.h"

#define TRIES_MAX 64u

uint64_t
kith__new_id(struct kith__arena *arena)
{
    return atomic_fetch_add(&KITH__HEADER(arena)->next_id, 1) + 1;
}

uint64_t
kith__object_id(struct kith__arena *arena, uint64_t off)
{
    kith__word *id = kith__at(arena, off, 64);

    return id == NULL ? 0 : kith__load_acquire(id);
}

struct kith__dict
kith__catalog_of(struct kith__arena *arena)
{
    return (struct kith__dict){ arena, offsetof(struct kith__header, catalog), 1 };
}

static kith_err
key_of(struct kith__arena *arena, const char *name, struct kith__key *key)
{
    return kith__key_make(arena->hash_key, kith_str(name), key);
}

static kith_err
object_of(struct kith__arena *arena, uint64_t meta, uint64_t value, struct kith__object *object)
{
    const struct kith__kind *kind = kith__kind_of((enum kith_kind)KITH__META_TAG(meta));

    object->kind = (enum kith_kind)KITH__META_TAG(meta);
    object->off = value;
    object->maker = 0;
    object->id = kith__object_id(arena, value);
    /* All of the root has to be inside: whoever opens it looks no more. */
    if (KITH__META_TYPE(meta) != KITH__TYPE_OBJECT ||
        kith__at(arena, value, kind != NULL ? kith__class_size(kind->class_index) : 64) == NULL)
        return kith__fail(KITH_ECORRUPT, "The catalog of objects is broken; run kith check.");
    return KITH_OK;
}

kith_err
kith__catalog_find(struct kith__arena *arena, struct kith__self *self, const char *name,
                   struct kith__object *object_out)
{
    struct kith__dict catalog = kith__catalog_of(arena);
    struct kith__found found;
    struct kith__key key;

    for (unsigned tries = 0;; tries++) {
        kith_err err = key_of(arena, name, &key);

        if (tries == TRIES_MAX)
            return kith__fail(KITH_ECORRUPT, "The catalog of objects is broken; run kith check.");
        if (err < 0)
            return err;
        err = self != NULL ? kith__dict_find(self, &catalog, &key, &found)
                           : kith__dict_get_readonly(arena, &catalog, &key, NULL, &found);
        kith__key_free(&key);
        if (err == KITH_OK)
            err = object_of(arena, found.meta, found.value, object_out);
        if (err < 0 || object_out->id != 0)
            return err;
        /* Destroyed between the two looks: the name is gone, or leads to another now. */
    }
}

static kith_err
found_one(const char *name, enum kith_kind kind, enum kith_create create,
          const struct kith__object *object)
{
    if (create == KITH_MUST_CREATE)
        return kith__fail(KITH_EEXIST, "There is an object \"%s\" already.", name);
    if (object->kind != kind)
        return kith__fail(KITH_ETYPE, "\"%s\" is a %s, and was opened as a %s.", name,
                          kith_kind_name(object->kind), kith_kind_name(kind));
    return KITH_OK;
}

/*
 * Who makes an unnamed object keeps it by a word of its root, which is stored before the record
 * that enters it, and is gone from with one store: there is no instant at which the object is
 * there and nobody's, and a maker killed at any other one is a holder that is dead.
 */
static uint64_t
keep_made(struct kith__arena *arena, const char *name, enum kith_kind kind, uint64_t off,
          uint64_t id)
{
    size_t at = kith__kind_of(kind)->maker_at;
    struct kith__made made;
    uint64_t maker;

    if (at == 0 || !kith__made_read(name, strlen(name), &made))
        return 0;
    maker = id << 16 | arena->holder;
    kith__store((kith__word *)kith__ptr(arena, off + at), maker);
    return maker;
}

void
kith__catalog_let_go(struct kith__arena *arena, const struct kith__object *object)
{
    uint64_t maker = object->maker;

    /* The id in the word is what tells this object from a later one in the same memory. */
    if (maker != 0 && (maker & 0xffff) == arena->holder)
        atomic_compare_exchange_strong(
            (kith__word *)kith__ptr(arena, object->off + kith__kind_of(object->kind)->maker_at),
            &maker, 0);
}

kith_err
kith__catalog_open(struct kith__self *self, const char *name, enum kith_kind kind,
                   enum kith_create create,
                   kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg),
                   void *arg, struct kith__object *object_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict catalog = kith__catalog_of(arena);
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;
    uint64_t off, id, maker = 0;
    bool force = false;
    kith_err err = kith__catalog_find(arena, self, name, object_out);

    if (err == KITH_OK)
        return found_one(name, kind, create, object_out);
    if (err != KITH_ENOENT)
        return err;
    if (create == KITH_MUST_EXIST)
        return kith__fail(KITH_ENOENT, "There is no %s \"%s\".", kith_kind_name(kind), name);
    err = key_of(arena, name, &key);
    if (err < 0)
        return err;
    id = kith__new_id(arena);
    for (unsigned tries = 0;; tries++) {
        err = kith__dict_lock(self, &catalog, key.hash, &shard);
        if (err < 0)
            break;
        kith__op_begin(&op, self);
        err = kith__table_find(&op, shard, &key, &place);
        if (err == KITH_OK && place.entry != NULL) { /* somebody was faster */
            err = object_of(arena, kith__load(&place.entry->meta), kith__load(&place.entry->value),
                            object_out);
            kith__lock_release(self, &shard->lock);
            if (err == KITH_OK)
                err = found_one(name, kind, create, object_out);
            break;
        }
        if (err == KITH_OK && (force || kith__table_tight(shard, 1)))
            err = kith__table_reserve(self, shard, 1, force);
        if (err == KITH_OK) {
            kith__op_begin(&op, self);
            err = kith__op_take_typed(&op, kith__kind_of(kind)->class_index, &off);
        }
        if (err == KITH_OK)
            err = init(&op, off, id, arg);
        if (err == KITH_OK)
            maker = keep_made(arena, name, kind, off, id);
        if (err == KITH_OK)
            err = kith__table_insert(
                &op, kith__dict_root(&catalog), shard, &key,
                (struct kith__stored){ .meta = KITH__OBJECT_META(kind), .value = off });
        if (err == KITH_OK)
            err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
        if (err == KITH_OK && shard == &kith__dict_root(&catalog)->own &&
            kith__load(&shard->count) > KITH__SPREAD_AT)
            kith__dict_spread(self, &catalog);
        kith__lock_release(self, &shard->lock);
        if (err == KITH_EFULL && tries < TRIES_MAX) {
            force = true;
            continue;
        }
        if (err == KITH_OK)
            *object_out = (struct kith__object){ kind, off, id, maker };
        break;
    }
    kith__key_free(&key);
    kith__op_end(self);
    return err;
}

/* ---- Ending ----------------------------------------------------------------------------- */

kith_err
kith__catalog_destroy(struct kith__self *self, const char *name)
{
    return kith__catalog_destroy_id(self, name, 0);
}

kith_err
kith__catalog_destroy_id(struct kith__self *self, const char *name, uint64_t id)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict catalog = kith__catalog_of(arena);
    const struct kith__kind *kind = NULL;
    struct kith__object_locks locks;
    struct kith__object object;
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;
    kith_err err = kith__ledger_reserve(self, KITH__SHARDS + 3);

    if (err == KITH_OK)
        err = key_of(arena, name, &key);
    if (err < 0)
        return err;
    err = kith__dict_lock(self, &catalog, key.hash, &shard);
    if (err < 0)
        goto out;
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, &key, &place);
    if (err == KITH_OK && place.entry == NULL)
        err = KITH_ENOENT;
    if (err == KITH_OK)
        err = object_of(arena, kith__load(&place.entry->meta), kith__load(&place.entry->value),
                        &object);
    if (err == KITH_OK && id != 0 && object.id != id)
        err = KITH_ENOENT;
    if (err < 0)
        goto unlock;
    kind = kith__kind_of(object.kind);
    if (kind == NULL)
        err = kith__fail(KITH_ECORRUPT, "The catalog of objects is broken; run kith check.");
    else if (kind->lock != NULL)
        err = kind->lock(self, &object, &locks);
    if (err < 0)
        goto unlock;
    err = kith__table_delete(&op, &place, false);
    if (err == KITH_OK) {
        kind->end(&op, &object);
        err = kith__op_commit(&op);
    }
    if (kind->unlock != NULL)
        kind->unlock(self, &object, &locks);
    if (err < 0)
        kith__op_abort(&op);
unlock:
    kith__lock_release(self, &shard->lock);
    if (err == KITH_OK && kind->wake_all != NULL)
        kind->wake_all(self, object.off);
out:
    kith__key_free(&key);
    kith__op_end(self);
    return err;
}
