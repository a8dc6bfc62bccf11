/*
 * rwlock.c - a lock that many may share, or one may have alone.
 */
#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_rwlock_open(kith_space *space, const char *name, const struct kith_rwlock_options *options,
                 kith_rwlock **rwlock_out)
{
    struct kith_rwlock_options whole = KITH_RWLOCK_OPTIONS_INIT;
    kith_rwlock *rwlock;
    void *state;
    kith_err err = kith__open_check("kith_rwlock_open", space, name, rwlock_out, options, &whole,
                                    sizeof(whole));

    if (err < 0)
        return err;
    rwlock = kith__handle_new(sizeof(*rwlock));
    if (rwlock == NULL)
        return KITH_ENOMEM;
    rwlock->ops = space->engine->rwlock;
    err = rwlock->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(rwlock);
        return err;
    }
    kith__handle_init(&rwlock->handle, space, KITH_KIND_RWLOCK, name, state);
    *rwlock_out = rwlock;
    return KITH_OK;
}

void
kith_rwlock_close(kith_rwlock *rwlock)
{
    if (rwlock == NULL || !kith__handle_drop(&rwlock->handle))
        return;
    rwlock->ops->close(rwlock->handle.state);
    kith__space_release(rwlock->handle.space);
    kith__free(rwlock);
}

static kith_err
outcome(const kith_rwlock *rwlock, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&rwlock->handle, err, told, NULL);
}

kith_err
kith_rwlock_acquire(kith_rwlock *rwlock, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (rwlock == NULL)
        return kith__fail_null("kith_rwlock_acquire");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_rwlock_acquire", timeout_ns);
    return outcome(rwlock,
                   rwlock->ops->acquire(rwlock->handle.state, kith__deadline_ns(timeout_ns)), told);
}

kith_err
kith_rwlock_acquire_shared(kith_rwlock *rwlock, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (rwlock == NULL)
        return kith__fail_null("kith_rwlock_acquire_shared");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_rwlock_acquire_shared", timeout_ns);
    return outcome(rwlock,
                   rwlock->ops->acquire_shared(rwlock->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}

kith_err
kith_rwlock_release(kith_rwlock *rwlock)
{
    unsigned told = kith__told();

    if (rwlock == NULL)
        return kith__fail_null("kith_rwlock_release");
    return outcome(rwlock, rwlock->ops->release(rwlock->handle.state), told);
}

kith_err
kith_rwlock_owner(kith_rwlock *rwlock, struct kith_owner *owner_out)
{
    unsigned told = kith__told();

    if (rwlock == NULL || owner_out == NULL)
        return kith__fail_null("kith_rwlock_owner");
    return outcome(rwlock, rwlock->ops->owner(rwlock->handle.state, owner_out), told);
}

kith_err
kith_rwlock_locked(kith_rwlock *rwlock, bool *locked_out)
{
    unsigned told = kith__told();

    if (rwlock == NULL || locked_out == NULL)
        return kith__fail_null("kith_rwlock_locked");
    return outcome(rwlock, rwlock->ops->locked(rwlock->handle.state, locked_out), told);
}
