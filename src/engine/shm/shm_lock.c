/*
 * shm_lock.c - locks on shared memory.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/shm/shm_engine.h"
#include "shm/sync.h"

/* What a handle's state is: first of all a kith__sync, as which most functions take it. */
struct shm_lock {
    struct kith__sync sync;
    kith__poller_slot poller;
};

static kith_err
init_lock(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__sync_root *root = kith__ptr(op->self->arena, off);

    root->created_ns = kith__real_ns();
    return kith__sync_init(op, off, id, arg);
}

static kith_err
lock_open(void *state, const char *name, enum kith_create create, void **lock_out)
{
    struct kith__shm_space *space = state;
    struct shm_lock *lock = kith__shm_state(sizeof(*lock));
    struct kith__object object;
    kith_err err;

    if (lock == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, KITH_KIND_LOCK, create, init_lock, NULL, &object);
    if (err < 0) {
        kith__free(lock);
        return err;
    }
    lock->sync = (struct kith__sync){ space->arena, object.off, object.id };
    *lock_out = lock;
    return KITH_OK;
}

static void
lock_close(void *state)
{
    struct shm_lock *lock = state;

    kith__poller_close(&lock->poller);
    kith__free(state);
}

static kith_err
lock_acquire(void *state, int64_t deadline_ns)
{
    struct kith__sync *lock = state;
    struct kith__self *self = kith__shm_self(lock->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_acquire(self, lock, deadline_ns);
}

static kith_err
lock_release(void *state)
{
    struct kith__sync *lock = state;
    struct kith__self *self = kith__shm_self(lock->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_release(self, lock);
}

static kith_err
lock_owner(void *state, struct kith_owner *owner_out)
{
    struct kith__sync *lock = state;
    struct kith__self *self;
    struct kith_owner owner;
    kith_err err = kith__shm_reader(lock->arena, &self);

    if (err == KITH_OK)
        err = kith__mutex_owner(lock->arena, lock, &owner);
    if (err == KITH_OK)
        *owner_out = owner;
    return err;
}

static kith_err
lock_poll_fd(void *state, int *fd_out)
{
    struct shm_lock *lock = state;
    struct kith__self *self = kith__shm_self(lock->sync.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__mutex_arm(self, &lock->sync, &lock->poller, fd_out);
}

const struct kith__lock_ops kith__shm_lock_ops = {
    .open = lock_open,
    .close = lock_close,
    .acquire = lock_acquire,
    .release = lock_release,
    .owner = lock_owner,
    .poll_fd = lock_poll_fd,
};
