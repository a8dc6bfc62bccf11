/*
 * catalog.c - objects by name: entered, found and ended in one record each.
 *
 * An object and its name come to be in the same record, so there is never a root without a name
 * nor a name without a root.  Ending one takes the catalog's shard lock and then all locks of
 * the object, and the same record removes the name, clears the id in the root and puts the root
 * into the trash.  Who holds an old handle compares ids, and gets KITH_EGONE.  The lock of its
 * stripe is held at that, so that no reference to it is counted meanwhile: see reference.c.
 */
#include "shm/catalog.h"

#include <string.h>

#include "base/error.h"
#include "base/made.h"
#include "shm/kind.h"
#include "shm/reference.h"

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
    object->keep = (struct kith__keep){ 0 };
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

static bool
is_made(const char *name)
{
    struct kith__made made;

    return kith__made_read(name, strlen(name), &made);
}

/*
 * Opens what is there; if its name is a made one it is kept, if there is memory for that, since who
 * takes things out of a space that is full must get at them.  KITH_ENOENT without a sentence.
 */
static kith_err
open_found(struct kith__self *self, const char *name, enum kith_kind kind, enum kith_create create,
           struct kith__object *object)
{
    kith_err err = found_one(name, kind, create, object);
    struct kith__object kept;

    if (err < 0 || !is_made(name))
        return err;
    err = kith__reference_keep(self, name, &kept);
    if (err == KITH_ENOMEM)
        return KITH_OK;
    if (err < 0)
        return err;
    *object = kept;
    err = found_one(name, kind, create, object); /* it may be another than was found before */
    if (err < 0)
        kith__reference_let_go(self, &object->keep);
    return err;
}

/* Makes an object; KITH_EEXIST, without a sentence: somebody was faster. */
static kith_err
make_one(struct kith__self *self, const char *name, enum kith_kind kind,
         kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg), void *arg,
         const struct kith__key *key, bool force, struct kith__object *object_out)
{
    struct kith__dict catalog = kith__catalog_of(self->arena);
    struct kith__object object = { .kind = kind, .id = kith__new_id(self->arena) };
    struct kith__lock *stripe = NULL;
    struct kith__shard *shard;
    struct kith__place place;
    struct kith__op op;
    kith_err err = kith__dict_lock(self, &catalog, key->hash, &shard);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err == KITH_OK && place.entry != NULL) {
        kith__lock_release(self, &shard->lock);
        return KITH_EEXIST;
    }
    if (err == KITH_OK && (force || kith__table_tight(shard, 1)))
        err = kith__table_reserve(self, shard, 1, force);
    if (err == KITH_OK) {
        kith__op_begin(&op, self);
        err = kith__op_take_typed(&op, kith__kind_of(kind)->class_index, &object.off);
    }
    if (err == KITH_OK)
        err = init(&op, object.off, object.id, arg);
    if (err == KITH_OK)
        err = kith__table_insert(
            &op, kith__dict_root(&catalog), shard, key,
            (struct kith__stored){ .meta = KITH__OBJECT_META(kind), .value = object.off });
    if (err == KITH_OK && is_made(name))
        err = kith__reference_make(&op, name, kind, object.off, object.id, &object.keep, &stripe);
    if (err == KITH_OK)
        err = kith__op_commit(&op);
    if (stripe != NULL)
        kith__lock_release(self, stripe);
    if (err < 0)
        kith__op_abort(&op);
    if (err == KITH_OK && shard == &kith__dict_root(&catalog)->own &&
        kith__load(&shard->count) > KITH__SPREAD_AT)
        kith__dict_spread(self, &catalog);
    kith__lock_release(self, &shard->lock);
    if (err == KITH_OK)
        *object_out = object;
    return err;
}

kith_err
kith__catalog_open(struct kith__self *self, const char *name, enum kith_kind kind,
                   enum kith_create create,
                   kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg),
                   void *arg, struct kith__object *object_out)
{
    struct kith__key key;
    bool force = false;
    kith_err err = key_of(self->arena, name, &key);

    if (err < 0)
        return err;
    for (unsigned tries = 0;; tries++) {
        err = kith__catalog_find(self->arena, self, name, object_out);
        if (err == KITH_OK)
            err = open_found(self, name, kind, create, object_out);
        if (err == KITH_ENOENT && create == KITH_MUST_EXIST)
            err = kith__fail(KITH_ENOENT, "There is no %s \"%s\".", kith_kind_name(kind), name);
        else if (err == KITH_ENOENT)
            err = make_one(self, name, kind, init, arg, &key, force, object_out);
        else
            break;
        if (create == KITH_MUST_EXIST || (err != KITH_EFULL && err != KITH_EEXIST) ||
            tries == TRIES_MAX)
            break;
        force = err == KITH_EFULL;
    }
    kith__key_free(&key);
    kith__op_end(self);
    return err;
}

/* ---- Ending ----------------------------------------------------------------------------- */

/* What is to be true of the object that is ended. */
struct ending {
    uint64_t id;    /* 0: any */
    uint64_t count; /* of references to it; 0: any */
};

/* Its name and all its locks are held: the record. */
static kith_err
end_locked(struct kith__op *op, const struct kith__kind *kind, const struct kith__object *object,
           const struct kith__place *place, const struct ending *ending)
{
    struct kith__self *self = op->self;
    kith__word *count = kith__reference_count(self->arena, object->kind, object->off);
    struct kith__lock *stripe = kith__stripe_of(self->arena, object->off);
    kith_err err = kith__table_delete(op, place, false);

#ifdef KITH_MISTAKE_END_IN_TWO_RECORDS
    if (err == KITH_OK && kith__op_commit(op) == KITH_OK)
        kith__op_begin(op, self);
#endif
    if (err == KITH_OK)
        kind->end(op, object);
    if (err == KITH_OK)
        err = kith__lock_acquire(self, stripe);
    if (err < 0)
        return err;
    if (ending->count != 0 && count != NULL && kith__load(count) != ending->count)
        err = KITH_ECONFLICT;
    else
        err = kith__op_commit(op);
    kith__lock_release(self, stripe);
    if (err == KITH_OK && kind->ended != NULL)
        kind->ended(self, object);
    return err;
}

static kith_err
destroy(struct kith__self *self, const char *name, const struct ending *ending)
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
    if (err == KITH_OK && ending->id != 0 && object.id != ending->id)
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
    err = end_locked(&op, kind, &object, &place, ending);
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

kith_err
kith__catalog_destroy(struct kith__self *self, const char *name)
{
    return destroy(self, name, &(struct ending){ 0, 0 });
}

kith_err
kith__catalog_destroy_id(struct kith__self *self, const char *name, uint64_t id)
{
    return destroy(self, name, &(struct ending){ id, 0 });
}

kith_err
kith__catalog_destroy_last(struct kith__self *self, const char *name, uint64_t id, uint64_t count)
{
    return destroy(self, name, &(struct ending){ id, count });
}
