/*
 * lock.c - a lock shared by processes.
 */
#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_lock_open(kith_space *space, const char *name, const struct kith_lock_options *options,
               kith_lock **lock_out)
{
    struct kith_lock_options whole = KITH_LOCK_OPTIONS_INIT;
    kith_lock *lock;
    void *state;
    kith_err err =
        kith__open_check("kith_lock_open", space, name, lock_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.unowned && (whole.recursive || whole.detect_deadlock || whole.shareable))
        return kith__fail(KITH_EINVAL,
                          "The lock \"%s\" cannot be unowned and also recursive, shareable, or one "
                          "that detects deadlocks: these are about its owner.",
                          name);
    if (whole.recursive && whole.shareable)
        return kith__fail(KITH_EINVAL, "The lock \"%s\" cannot be both recursive and shareable.",
                          name);
    lock = kith__handle_new(sizeof(*lock));
    if (lock == NULL)
        return KITH_ENOMEM;
    lock->ops = space->engine->lock;
    err = lock->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(lock);
        return err;
    }
    kith__handle_init(&lock->handle, space, KITH_KIND_LOCK, name, state);
    *lock_out = lock;
    return KITH_OK;
}

void
kith_lock_close(kith_lock *lock)
{
    if (lock == NULL || !kith__handle_drop(&lock->handle))
        return;
    lock->ops->close(lock->handle.state);
    kith__space_release(lock->handle.space);
    kith__free(lock);
}

static kith_err
outcome(const kith_lock *lock, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&lock->handle, err, told, NULL);
}

kith_err
kith_lock_acquire(kith_lock *lock, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (lock == NULL)
        return kith__fail_null("kith_lock_acquire");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_lock_acquire", timeout_ns);
    return outcome(lock, lock->ops->acquire(lock->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}

kith_err
kith_lock_release(kith_lock *lock)
{
    unsigned told = kith__told();

    if (lock == NULL)
        return kith__fail_null("kith_lock_release");
    return outcome(lock, lock->ops->release(lock->handle.state), told);
}

kith_err
kith_lock_owner(kith_lock *lock, struct kith_owner *owner_out)
{
    unsigned told = kith__told();

    if (lock == NULL || owner_out == NULL)
        return kith__fail_null("kith_lock_owner");
    return outcome(lock, lock->ops->owner(lock->handle.state, owner_out), told);
}

kith_err
kith_lock_locked(kith_lock *lock, bool *locked_out)
{
    unsigned told = kith__told();

    if (lock == NULL || locked_out == NULL)
        return kith__fail_null("kith_lock_locked");
    return outcome(lock, lock->ops->locked(lock->handle.state, locked_out), told);
}

kith_err
kith_lock_parties(kith_lock *lock, int (*each)(const struct kith_party *party, void *arg),
                  void *arg)
{
    unsigned told = kith__told();

    if (lock == NULL || each == NULL)
        return kith__fail_null("kith_lock_parties");
    return outcome(lock, lock->ops->parties(lock->handle.state, each, arg), told);
}
