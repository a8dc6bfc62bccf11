/*
 * shm_event.c - events on shared memory.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/shm/shm_engine.h"
#include "shm/sync.h"

/* What a handle's state is: first of all a kith__sync, as which most functions take it. */
struct shm_event {
    struct kith__sync sync;
    kith__poller_slot poller;
    struct kith__keep keep;
};

static kith_err
init_event(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__sync_root *root = kith__ptr(op->self->arena, off);

    root->created_ns = kith__real_ns();
    return kith__sync_init(op, off, id, arg);
}

static kith_err
event_open(void *state, const char *name, enum kith_create create, void **event_out)
{
    struct kith__shm_space *space = state;
    struct shm_event *event = kith__shm_state(sizeof(*event));
    struct kith__object object;
    kith_err err;

    if (event == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, KITH_KIND_EVENT, create, init_event, NULL, &object);
    if (err < 0) {
        kith__free(event);
        return err;
    }
    event->sync = (struct kith__sync){ space->arena, object.off, object.id };
    event->keep = object.keep;
    *event_out = event;
    return KITH_OK;
}

static void
event_close(void *state)
{
    struct shm_event *event = state;

    kith__poller_close(&event->poller);
    kith__shm_object_close(event->sync.arena, &event->keep);
    kith__free(state);
}

static kith_err
event_set(void *state)
{
    struct kith__sync *event = state;
    struct kith__self *self = kith__shm_self(event->arena);

    return self == NULL ? kith__shm_refusal() : kith__event_set(self, event);
}

static kith_err
event_clear(void *state)
{
    struct kith__sync *event = state;
    struct kith__self *self = kith__shm_self(event->arena);

    return self == NULL ? kith__shm_refusal() : kith__event_clear(self, event);
}

static kith_err
event_is_set(void *state, bool *set_out)
{
    struct kith__sync *event = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(event->arena, &self);

    return err < 0 ? err : kith__event_is_set(event, set_out);
}

static kith_err
event_wait(void *state, int64_t deadline_ns)
{
    struct kith__sync *event = state;
    struct kith__self *self = kith__shm_self(event->arena);

    return self == NULL ? kith__shm_refusal() : kith__event_wait(self, event, deadline_ns);
}

static kith_err
event_poll_fd(void *state, int *fd_out)
{
    struct shm_event *event = state;
    struct kith__self *self = kith__shm_self(event->sync.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__event_arm(self, &event->sync, &event->poller, fd_out);
}

const struct kith__event_ops kith__shm_event_ops = {
    .open = event_open,
    .close = event_close,
    .set = event_set,
    .clear = event_clear,
    .is_set = event_is_set,
    .wait = event_wait,
    .poll_fd = event_poll_fd,
};
