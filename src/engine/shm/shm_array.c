/*
 * shm_array.c - arrays on shared memory.
 *
 * A new array's memory is taken before the catalog's lock: having the pages of a large one made
 * takes seconds.
 */
#include "shm/array.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "engine/shm/shm_view.h"
#include "shm/extent.h"
#include "shm/special.h"
#include "shm/sync.h"

/* An extent of no bytes is none. */
static uint64_t
bytes_of(const struct kith__scalar *type, uint64_t count)
{
    uint64_t bytes = type->size * count;

    return bytes > 0 ? bytes : 1;
}

static kith_err
make(struct kith__shm_space *space, struct kith__self *self, const char *name,
     enum kith_create create, const struct kith__array_shape *shape, const void *initial,
     struct kith__object *object_out)
{
    struct kith__array_making making = { shape->type, shape->count, 0 };
    uint64_t bytes = bytes_of(&shape->type, shape->count), pin;
    kith_err err;

    err = kith__extent_stage(self, bytes, initial == NULL, &making.data, &pin);
    if (err < 0)
        return err;
    if (initial != NULL)
        memcpy(kith__ptr(space->arena, making.data), initial, shape->type.size * shape->count);
    err = kith__shm_object_open(space, name, KITH_KIND_ARRAY, create, kith__array_init, &making,
                                object_out);
    kith__extent_drop(self, making.data, pin);
    return err;
}

/* Looks for it first: memory is taken only for an array that is not there. */
static kith_err
find_or_make(struct kith__shm_space *space, struct kith__self *self, const char *name,
             enum kith_create create, const struct kith__array_shape *shape, const void *initial,
             struct kith__object *object_out)
{
    kith_err err;

    if (self == NULL || create == KITH_MUST_EXIST)
        return kith__shm_object_open(space, name, KITH_KIND_ARRAY, create, NULL, NULL, object_out);
    do {
        err = kith__catalog_find(space->arena, self, name, object_out);
        if (err == KITH_ENOENT)
            return make(space, self, name, create, shape, initial, object_out);
        if (err < 0)
            return err;
        if (create == KITH_MUST_CREATE)
            return kith__fail(KITH_EEXIST, "There is an object \"%s\" already.", name);
        err = kith__shm_object_open(space, name, KITH_KIND_ARRAY, KITH_MUST_EXIST, NULL, NULL,
                                    object_out);
    } while (err == KITH_ENOENT); /* destroyed between the two looks */
    return err;
}

/* What a handle's state is: first of all a kith__array, as which most functions take it. */
struct shm_array {
    struct kith__array array;
    struct kith__keep keep;
};

static kith_err
array_open(void *state, const char *name, enum kith_create create,
           const struct kith__array_shape *shape, const void *initial, void **array_out,
           struct kith__array_shape *shape_out)
{
    struct kith__shm_space *space = state;
    struct shm_array *array = kith__shm_state(sizeof(*array));
    struct kith__object object;
    struct kith__self *self;
    kith_err err;

    if (array == NULL)
        return KITH_ENOMEM;
    err = kith__shm_reader(space->arena, &self);
    if (err == KITH_OK)
        err = find_or_make(space, self, name, create, shape, initial, &object);
    if (err == KITH_OK) {
        err = kith__array_of(space->arena, object.off, object.id, &array->array);
        if (err < 0)
            kith__shm_object_close(space->arena, &object.keep);
    }
    if (err < 0) {
        kith__free(array);
        return err == KITH_EGONE ? kith__fail(err, "The array \"%s\" was destroyed.", name) : err;
    }
    array->keep = object.keep;
    *shape_out = (struct kith__array_shape){ array->array.type, array->array.count };
    *array_out = array;
    return KITH_OK;
}

static void
array_close(void *state)
{
    struct shm_array *array = state;

    kith__shm_object_close(array->array.arena, &array->keep);
    kith__free(state);
}

static struct kith__slice
slice_of(const struct kith__array_slice *slice)
{
    return (struct kith__slice){ slice->start, slice->step, slice->count };
}

static kith_err
array_get(void *state, const struct kith__array_slice *slice, void *data_out)
{
    struct kith__array *array = state;
    struct kith__slice items = slice_of(slice);
    struct kith__self *self;
    kith_err err = kith__shm_reader(array->arena, &self);

    return err < 0 ? err : kith__array_get(self, array, &items, data_out);
}

static kith_err
array_set(void *state, const struct kith__array_slice *slice, const void *data)
{
    struct kith__array *array = state;
    struct kith__slice items = slice_of(slice);
    struct kith__self *self = kith__shm_self(array->arena);

    return self == NULL ? kith__shm_refusal() : kith__array_set(self, array, &items, data);
}

static kith_err
array_update(void *state, uint64_t index, enum kith__math what, uint64_t n, uint64_t *now_out)
{
    struct kith__array *array = state;
    struct kith__self *self = kith__shm_self(array->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__array_update(self, array, index, what, n, now_out);
}

static kith_err
array_cas(void *state, uint64_t index, const void *expected, const void *data)
{
    struct kith__array *array = state;
    struct kith__self *self = kith__shm_self(array->arena);

    return self == NULL ? kith__shm_refusal() : kith__array_cas(self, array, index, expected, data);
}

/* ---- The whole ------------------------------------------------------------------------- */

static kith_err
view_copy(struct kith__array *array, struct kith__view *view_out)
{
    struct kith__slice all = { 0, 1, array->count };
    size_t size = array->type.size * array->count;
    kith_err err = kith__buf_reserve(&view_out->copy, size + 1);

    if (err == KITH_OK)
        err = kith__array_get(NULL, array, &all, view_out->copy.memory);
    if (err == KITH_OK)
        view_out->item = kith_bytes(view_out->copy.memory, size);
    return err;
}

static kith_err
array_view(void *state, struct kith__view *view_out)
{
    struct kith__array *array = state;
    struct kith__self *self;
    uint64_t off, pin;
    kith_err err = kith__shm_reader(array->arena, &self);

    if (err < 0)
        return err;
    if (self == NULL)
        return view_copy(array, view_out);
    err = kith__array_pin(self, array, &off, &pin);
    if (err == KITH_OK)
        kith__shm_view_writable(array->arena, off, pin, array->type.size * array->count, view_out);
    return err;
}

static kith_err
array_stage(void *state, struct kith__view *view_out)
{
    struct kith__array *array = state;
    struct kith__self *self = kith__shm_self(array->arena);
    uint64_t off, pin;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__extent_stage(self, bytes_of(&array->type, array->count), false, &off, &pin);
    if (err < 0)
        return err;
    kith__shm_view_writable(array->arena, off, pin, array->type.size * array->count, view_out);
    view_out->staged = array->id;
    view_out->holder = kith__owner_of(array->arena, array->arena->holder);
    return KITH_OK;
}

static kith_err
array_publish_staged(void *state, struct kith__view *view)
{
    struct kith__array *array = state;
    struct kith__self *self = kith__shm_self(array->arena);
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    if (view->staged != array->id ||
        view->holder != kith__owner_of(array->arena, array->arena->holder))
        return KITH_EINVAL;
    err = kith__array_publish(self, array, view->at);
    if (err == KITH_OK)
        view->staged = 0;
    return err;
}

static kith_err
array_publish(void *state, const void *data)
{
    struct kith__array *array = state;
    struct kith__self *self = kith__shm_self(array->arena);
    uint64_t off, pin;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__extent_stage(self, bytes_of(&array->type, array->count), false, &off, &pin);
    if (err < 0)
        return err;
    memcpy(kith__ptr(array->arena, off), data, array->type.size * array->count);
    err = kith__array_publish(self, array, off);
    kith__extent_drop(self, off, pin);
    return err;
}

/* ---- Its lock --------------------------------------------------------------------------- */

static struct kith__sync
sync_of(const struct kith__array *array)
{
    return (struct kith__sync){ array->arena, array->sync, array->id };
}

static kith_err
array_lock(void *state, int64_t deadline_ns)
{
    struct kith__array *array = state;
    struct kith__sync sync = sync_of(array);
    struct kith__self *self = kith__shm_self(array->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_acquire(self, &sync, deadline_ns);
}

static kith_err
array_unlock(void *state)
{
    struct kith__array *array = state;
    struct kith__sync sync = sync_of(array);
    struct kith__self *self = kith__shm_self(array->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_release(self, &sync);
}

static kith_err
array_owner(void *state, struct kith_owner *owner_out)
{
    struct kith__array *array = state;
    struct kith__sync sync = sync_of(array);
    struct kith__self *self;
    struct kith_owner owner;
    kith_err err = kith__shm_reader(array->arena, &self);

    if (err == KITH_OK)
        err = kith__sync_owner(array->arena, &sync, &owner);
    if (err == KITH_OK)
        *owner_out = owner;
    return err;
}

const struct kith__array_ops kith__shm_array_ops = {
    .open = array_open,
    .close = array_close,
    .get = array_get,
    .set = array_set,
    .update = array_update,
    .cas = array_cas,
    .view = array_view,
    .publish = array_publish,
    .stage = array_stage,
    .publish_staged = array_publish_staged,
    .lock = array_lock,
    .unlock = array_unlock,
    .owner = array_owner,
};
