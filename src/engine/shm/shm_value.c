/*
 * shm_value.c - values on shared memory.
 */
#include "shm/value.h"

#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

/* What a handle's state is: first of all a kith__value, as which most functions take it. */
struct shm_value {
    struct kith__value value;
    struct kith__keep keep;
    kith__poller_slot poller;
};

static kith_err
value_open(void *state, const char *name, enum kith_create create,
           const struct kith__value_shape *shape, const void *initial, void **value_out,
           struct kith__value_shape *shape_out)
{
    struct kith__shm_space *space = state;
    struct kith__value_making making = { shape->type, shape->transactional || space->transactional,
                                         initial };
    struct shm_value *value = kith__shm_state(sizeof(*value));
    struct kith__object object;
    kith_err err;

    if (value == NULL)
        return KITH_ENOMEM;
    if (shape->type.code == 0)
        making.guarded = true;
    err = kith__shm_object_open(space, name, KITH_KIND_VALUE, create, kith__value_init, &making,
                                &object);
    if (err == KITH_OK) {
        err = kith__value_of(space->arena, object.off, object.id, &value->value);
        if (err < 0)
            kith__shm_object_close(space->arena, &object.keep);
    }
    if (err < 0) {
        kith__free(value);
        return err == KITH_EGONE ? kith__fail(err, "The value \"%s\" was destroyed.", name) : err;
    }
    value->keep = object.keep;
    *shape_out = (struct kith__value_shape){ value->value.type, value->value.guarded };
    *value_out = value;
    return KITH_OK;
}

static void
value_close(void *state)
{
    struct shm_value *value = state;

    kith__poller_close(&value->poller);
    kith__shm_object_close(value->value.arena, &value->keep);
    kith__free(state);
}

static kith_err
value_load(void *state, uint64_t *bits_out)
{
    struct kith__value *value = state;
    struct kith__self *self = NULL;

    if (__builtin_expect(value->guarded, 0)) {
        kith_err err = kith__shm_reader(value->arena, &self);

        if (err < 0)
            return err;
    }
    return kith__value_load(self, value, bits_out);
}

static kith_err
value_update(void *state, enum kith__math what, uint64_t n, uint64_t *old_out, uint64_t *now_out)
{
    struct kith__value *value = state;
    struct kith__self *self = kith__shm_self(value->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__value_update(self, value, what, n, old_out, now_out);
}

static kith_err
value_cas(void *state, uint64_t expected, uint64_t bits)
{
    struct kith__value *value = state;
    struct kith__self *self = kith__shm_self(value->arena);
    uint64_t seen;

    return self == NULL ? kith__shm_refusal() : kith__value_cas(self, value, expected, bits, &seen);
}

static __attribute__((noinline)) kith_err
add_first(const struct kith__value *value, int64_t n, int64_t *now_out)
{
    struct kith__self *self = kith__shm_self(value->arena);

    return self == NULL ? kith__shm_refusal() : kith__value_add(self, value, n, now_out);
}

static kith_err
value_add(void *state, int64_t n, int64_t *now_out)
{
    const struct kith__value *value = state;
    struct kith__self *self = kith__self_at_hand(value->arena);

    return self == NULL ? add_first(value, n, now_out) : kith__value_add(self, value, n, now_out);
}

static kith_err
value_read(void *state, void *data_out)
{
    struct kith__value *value = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(value->arena, &self);

    return err < 0 ? err : kith__value_read(self, value, data_out);
}

static kith_err
value_write(void *state, const void *expected, const void *data, void *old_out)
{
    struct kith__value *value = state;
    struct kith__self *self = kith__shm_self(value->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__value_write(self, value, expected, data, old_out);
}

static kith_err
value_wait(void *state, const void *old, int64_t deadline_ns)
{
    struct kith__value *value = state;
    struct kith__self *self = kith__shm_self(value->arena);

    return self == NULL ? kith__shm_refusal() : kith__value_wait(self, value, old, deadline_ns);
}

static kith_err
value_poll_fd(void *state, int *fd_out)
{
    struct shm_value *value = state;
    struct kith__self *self = kith__shm_self(value->value.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__value_arm(self, &value->value, &value->poller, fd_out);
}

const struct kith__value *
kith__shm_value_of(const void *state)
{
    return state;
}

const struct kith__value_ops kith__shm_value_ops = {
    .open = value_open,
    .close = value_close,
    .load = value_load,
    .update = value_update,
    .cas = value_cas,
    .add = value_add,
    .read = value_read,
    .write = value_write,
    .wait = value_wait,
    .poll_fd = value_poll_fd,
};
