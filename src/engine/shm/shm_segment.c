/*
 * shm_segment.c - segments on shared memory.
 */
#include "shm/segment.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "engine/shm/shm_view.h"
#include "shm/extent.h"

/* Looks for it first: memory is taken only for a segment that is not there. */
static kith_err
find_or_make(struct kith__shm_space *space, struct kith__self *self, const char *name,
             enum kith_create create, uint64_t size, struct kith__object *object_out)
{
    struct kith__segment_making making = { size, 0 };
    uint64_t pin;
    kith_err err = KITH_ENOENT;

    if (self != NULL && create != KITH_MUST_EXIST)
        err = kith__catalog_find(space->arena, self, name, object_out);
    else
        return kith__shm_object_open(space, name, KITH_KIND_SEGMENT, create, NULL, NULL,
                                     object_out);
    if (err == KITH_OK && create == KITH_MUST_CREATE)
        return kith__fail(KITH_EEXIST, "There is an object \"%s\" already.", name);
    if (err != KITH_ENOENT && err != KITH_OK)
        return err;
    if (err == KITH_OK) {
        err = kith__shm_object_open(space, name, KITH_KIND_SEGMENT, KITH_MUST_EXIST, NULL, NULL,
                                    object_out);
        if (err != KITH_ENOENT) /* else it was destroyed between the two looks */
            return err;
    }
    if (size == 0)
        return kith__fail(KITH_EINVAL,
                          "The segment \"%s\" is to be made with no bytes: give it a size.", name);
    err = kith__extent_stage(self, size, true, &making.data, &pin);
    if (err < 0)
        return err;
    err = kith__shm_object_open(space, name, KITH_KIND_SEGMENT, create, kith__segment_init, &making,
                                object_out);
    kith__extent_drop(self, making.data, pin);
    return err;
}

/* What a handle's state is: first of all a kith__segment, as which most functions take it. */
struct shm_segment {
    struct kith__segment segment;
    struct kith__keep keep;
};

static kith_err
segment_open(void *state, const char *name, enum kith_create create, uint64_t size,
             void **segment_out)
{
    struct kith__shm_space *space = state;
    struct shm_segment *segment = kith__shm_state(sizeof(*segment));
    struct kith__object object;
    struct kith__self *self;
    kith_err err;

    if (segment == NULL)
        return KITH_ENOMEM;
    err = kith__shm_reader(space->arena, &self);
    if (err == KITH_OK)
        err = find_or_make(space, self, name, create, size, &object);
    if (err < 0) {
        kith__free(segment);
        return err;
    }
    segment->segment = (struct kith__segment){ space->arena, object.off, object.id };
    segment->keep = object.keep;
    *segment_out = segment;
    return KITH_OK;
}

static void
segment_close(void *state)
{
    struct shm_segment *segment = state;

    kith__shm_object_close(segment->segment.arena, &segment->keep);
    kith__free(state);
}

static kith_err
segment_size(void *state, uint64_t *size_out)
{
    return kith__segment_size(state, size_out);
}

static kith_err
view_copy(const struct kith__segment *segment, struct kith__view *view_out)
{
    uint64_t size, room;
    kith_err err = kith__segment_copy(segment, NULL, 0, &room);

    if (err == KITH_OK)
        err = kith__buf_reserve(&view_out->copy, room + 1);
    if (err == KITH_OK)
        err = kith__segment_copy(segment, view_out->copy.memory, room, &size);
    if (err == KITH_OK)
        view_out->item = kith_bytes(view_out->copy.memory, size < room ? size : room);
    return err;
}

static kith_err
segment_view(void *state, struct kith__view *view_out)
{
    struct kith__segment *segment = state;
    struct kith__self *self;
    uint64_t off, size, pin;
    kith_err err = kith__shm_reader(segment->arena, &self);

    if (err < 0)
        return err;
    if (self == NULL)
        return view_copy(segment, view_out);
    err = kith__segment_pin(self, segment, &off, &size, &pin);
    if (err == KITH_OK)
        kith__shm_view_writable(segment->arena, off, pin, size, view_out);
    return err;
}

static kith_err
segment_resize(void *state, uint64_t size)
{
    struct kith__segment *segment = state;
    struct kith__self *self = kith__shm_self(segment->arena);

    return self == NULL ? kith__shm_refusal() : kith__segment_resize(self, segment, size);
}

static kith_err
segment_unlink(void *state, const char *name)
{
    struct kith__segment *segment = state;
    struct kith__self *self = kith__shm_self(segment->arena);
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__catalog_destroy_id(self, name, segment->id);
    return err == KITH_ENOENT ? KITH_EGONE : err;
}

const struct kith__segment_ops kith__shm_segment_ops = {
    .open = segment_open,
    .close = segment_close,
    .size = segment_size,
    .view = segment_view,
    .resize = segment_resize,
    .unlink = segment_unlink,
};
