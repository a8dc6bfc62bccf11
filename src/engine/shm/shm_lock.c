/*
 * shm_lock.c - locks and rwlocks on shared memory.
 *
 * Both are sync roots, and either handle opens what it can use of the other kind: a lock whatever
 * can be had alone, a rwlock whatever can be shared.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/shm/shm_engine.h"
#include "shm/rwlock.h"
#include "shm/special.h"
#include "shm/sync.h"

/* What a handle's state is: first of all a kith__sync, as which most functions take it. */
struct shm_lock {
    struct kith__sync sync;
    kith__poller_slot poller;
    struct kith__keep keep;
};

static kith_err
init_lock(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__sync_root *root = kith__ptr(op->self->arena, off);

    root->created_ns = kith__real_ns();
    return kith__sync_init(op, off, id, arg);
}

/* ---- Opening ---------------------------------------------------------------------------- */

/* Whether the object `name`, which is of another kind than was asked for, will do. */
static bool
will_do(struct kith__shm_space *space, const char *name, enum kith_kind wanted,
        struct kith__object *object_out)
{
    struct kith__self *self;

    if (kith__shm_reader(space->arena, &self) < 0 ||
        kith__catalog_find(space->arena, self, name, object_out) < 0)
        return false;
    if (wanted == KITH_KIND_LOCK)
        return object_out->kind == KITH_KIND_RWLOCK;
    return object_out->kind == KITH_KIND_LOCK &&
           (((struct kith__sync_root *)kith__ptr(space->arena, object_out->off))->options &
            KITH__SYNC_SHARED) != 0;
}

static kith_err
open_either(struct kith__shm_space *space, const char *name, enum kith_kind kind,
            enum kith_create create, uint32_t made_with, void **state_out)
{
    struct shm_lock *state = kith__shm_state(sizeof(*state));
    struct kith__object object;
    kith_err err;

    if (state == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, kind, create, init_lock, &made_with, &object);
    if (err == KITH_ETYPE && will_do(space, name, kind, &object))
        err = kith__shm_object_open(space, name, object.kind, KITH_MUST_EXIST, init_lock,
                                    &made_with, &object);
    if (err < 0) {
        kith__free(state);
        return err;
    }
    state->sync = (struct kith__sync){ space->arena, object.off, object.id };
    state->keep = object.keep;
    *state_out = state;
    return KITH_OK;
}

static kith_err
lock_open(void *state, const char *name, const struct kith_lock_options *options, void **lock_out)
{
    uint32_t made_with = (options->recursive ? KITH__SYNC_RECURSIVE : 0) |
                         (options->fair ? KITH__SYNC_FAIR : 0) |
                         (options->unowned ? KITH__SYNC_UNOWNED : 0) |
                         (options->detect_deadlock ? KITH__SYNC_DETECT : 0) |
                         (options->shareable ? KITH__SYNC_SHARED : 0);

    return open_either(state, name, KITH_KIND_LOCK, options->create, made_with, lock_out);
}

static kith_err
rwlock_open(void *state, const char *name, const struct kith_rwlock_options *options,
            void **rwlock_out)
{
    uint32_t made_with = KITH__SYNC_SHARED | (options->fair ? KITH__SYNC_FAIR : 0) |
                         (options->detect_deadlock ? KITH__SYNC_DETECT : 0);

    return open_either(state, name, KITH_KIND_RWLOCK, options->create, made_with, rwlock_out);
}

static kith_err
made_with(void *state, struct kith_lock_options *options_out)
{
    const struct kith__sync *lock = state;
    const struct kith__sync_root *root = kith__sync_root(lock);
    uint32_t options = root->options;

    if (kith__load_acquire(&root->id) != lock->id)
        return KITH_EGONE;
    options_out->recursive = (options & KITH__SYNC_RECURSIVE) != 0;
    options_out->fair = (options & KITH__SYNC_FAIR) != 0;
    options_out->unowned = (options & KITH__SYNC_UNOWNED) != 0;
    options_out->detect_deadlock = (options & KITH__SYNC_DETECT) != 0;
    options_out->shareable = (options & KITH__SYNC_SHARED) != 0;
    return KITH_OK;
}

static void
close_either(void *state)
{
    struct shm_lock *lock = state;

    kith__poller_close(&lock->poller);
    kith__shm_object_close(lock->sync.arena, &lock->keep);
    kith__free(state);
}

/* ---- Having it -------------------------------------------------------------------------- */

static __attribute__((noinline)) kith_err
acquire_first(const struct kith__sync *lock, int64_t deadline_ns)
{
    struct kith__self *self = kith__shm_self(lock->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_acquire(self, lock, deadline_ns);
}

static kith_err
acquire(void *state, int64_t deadline_ns)
{
    const struct kith__sync *lock = state;
    struct kith__self *self = kith__self_at_hand(lock->arena);

    return self == NULL ? acquire_first(lock, deadline_ns)
                        : kith__mutex_acquire(self, lock, deadline_ns);
}

static kith_err
acquire_shared(void *state, int64_t deadline_ns)
{
    struct kith__sync *lock = state;
    struct kith__self *self = kith__shm_self(lock->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__rwlock_acquire_shared(self, lock, deadline_ns);
}

static __attribute__((noinline)) kith_err
release_first(const struct kith__sync *lock)
{
    struct kith__self *self = kith__shm_self(lock->arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_release(self, lock);
}

static kith_err
release(void *state)
{
    const struct kith__sync *lock = state;
    struct kith__self *self = kith__self_at_hand(lock->arena);

    return self == NULL ? release_first(lock) : kith__mutex_release(self, lock);
}

/* ---- Looking at it ---------------------------------------------------------------------- */

static kith_err
owner_of(void *state, struct kith_owner *owner_out)
{
    struct kith__sync *lock = state;
    struct kith__self *self;
    struct kith_owner owner;
    kith_err err = kith__shm_reader(lock->arena, &self);

    if (err == KITH_OK)
        err = kith__sync_owner(lock->arena, lock, &owner);
    if (err == KITH_OK)
        *owner_out = owner;
    return err;
}

static kith_err
locked(void *state, bool *locked_out)
{
    struct kith__sync *lock = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(lock->arena, &self);

    return err < 0 ? err : kith__sync_locked(lock->arena, lock, locked_out);
}

static kith_err
parties(void *state, int (*each)(const struct kith_party *party, void *arg), void *arg)
{
    struct kith__sync *lock = state;
    struct kith_party *list;
    struct kith__self *self;
    size_t count = 0, room;
    kith_err err = kith__shm_reader(lock->arena, &self);

    if (err < 0)
        return err;
    room = (size_t)kith__load(&KITH__HEADER(lock->arena)->actors_top) + 16;
    list = kith__malloc(room * sizeof(*list));
    if (list == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a list of who waits.");
    err = kith__sync_parties(lock->arena, lock, list, room, &count);
    for (size_t i = 0; err == KITH_OK && i < count; i++)
        if (each(&list[i], arg) != 0)
            break;
    kith__free(list);
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
    .close = close_either,
    .made_with = made_with,
    .acquire = acquire,
    .release = release,
    .owner = owner_of,
    .locked = locked,
    .parties = parties,
    .poll_fd = lock_poll_fd,
};

const struct kith__rwlock_ops kith__shm_rwlock_ops = {
    .open = rwlock_open,
    .close = close_either,
    .acquire = acquire,
    .acquire_shared = acquire_shared,
    .release = release,
    .owner = owner_of,
    .locked = locked,
};
