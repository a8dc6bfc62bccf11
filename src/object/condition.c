/*
 * condition.c - waiting, with a lock held, until another notifies.
 */
#include <kith/condition.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_condition_open(kith_space *space, const char *name,
                    const struct kith_condition_options *options, kith_condition **condition_out)
{
    struct kith_condition_options whole = KITH_CONDITION_OPTIONS_INIT;
    kith_condition *condition;
    void *state;
    kith_err err = kith__open_check("kith_condition_open", space, name, condition_out, options,
                                    &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.lock != NULL &&
        !kith__name_ok(whole.lock, strnlen(whole.lock, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(whole.lock);
    condition = kith__handle_new(sizeof(*condition));
    if (condition == NULL)
        return KITH_ENOMEM;
    condition->ops = space->engine->condition;
    err = condition->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(condition);
        return err;
    }
    kith__handle_init(&condition->handle, space, KITH_KIND_CONDITION, name, state);
    *condition_out = condition;
    return KITH_OK;
}

void
kith_condition_close(kith_condition *condition)
{
    if (condition == NULL || !kith__handle_drop(&condition->handle))
        return;
    condition->ops->close(condition->handle.state);
    kith__space_release(condition->handle.space);
    kith__free(condition);
}

static const char *
after(kith_err err, bool waits)
{
    switch ((int)err) {
    case KITH_EGONE:
        return "\" was destroyed, or its lock was.";
    case KITH_ETIMEDOUT:
        return waits ? "\" was not notified of in the time given."
                     : "\" has a lock that was held by another all the time.";
    case KITH_EPERM:
        return "\" has a lock that the calling thread does not hold.";
    case KITH_EDEADLOCK:
        return waits ? "\" has a recursive lock that the calling thread holds more than once: the "
                       "wait would not let it go."
                     : "\" has a lock that the calling thread holds already.";
    case KITH_ERANGE:
        return "\" has a lock that the calling thread holds as often as it may.";
    default:
        return NULL;
    }
}

static kith_err
outcome(const kith_condition *condition, kith_err err, bool waits, unsigned told)
{
    return KITH__LIKELY(err >= 0)
               ? err
               : kith__fail_outcome(&condition->handle, err, told, after(err, waits));
}

kith_err
kith_condition_acquire(kith_condition *condition, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (condition == NULL)
        return kith__fail_null("kith_condition_acquire");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_condition_acquire", timeout_ns);
    return outcome(condition,
                   condition->ops->acquire(condition->handle.state, kith__deadline_ns(timeout_ns)),
                   false, told);
}

kith_err
kith_condition_release(kith_condition *condition)
{
    unsigned told = kith__told();

    if (condition == NULL)
        return kith__fail_null("kith_condition_release");
    return outcome(condition, condition->ops->release(condition->handle.state), false, told);
}

kith_err
kith_condition_wait(kith_condition *condition, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (condition == NULL)
        return kith__fail_null("kith_condition_wait");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_condition_wait", timeout_ns);
    return outcome(condition,
                   condition->ops->wait(condition->handle.state, kith__deadline_ns(timeout_ns)),
                   true, told);
}

kith_err
kith_condition_wait_for(kith_condition *condition, int (*predicate)(void *arg), void *arg,
                        int64_t timeout_ns)
{
    unsigned told = kith__told();
    int64_t deadline_ns;

    if (condition == NULL || predicate == NULL)
        return kith__fail_null("kith_condition_wait_for");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_condition_wait_for", timeout_ns);
    deadline_ns = kith__deadline_ns(timeout_ns);
    for (;;) {
        kith_err err;

        if (predicate(arg) != 0)
            return KITH_OK;
        err = condition->ops->wait(condition->handle.state, deadline_ns);
        if (err == KITH_ETIMEDOUT && predicate(arg) != 0)
            return KITH_OK;
        if (err != KITH_OK)
            return outcome(condition, err, true, told);
    }
}

kith_err
kith_condition_notify(kith_condition *condition, uint32_t n)
{
    unsigned told = kith__told();

    if (condition == NULL)
        return kith__fail_null("kith_condition_notify");
    return outcome(condition, condition->ops->notify(condition->handle.state, n), false, told);
}

kith_err
kith_condition_notify_all(kith_condition *condition)
{
    unsigned told = kith__told();

    if (condition == NULL)
        return kith__fail_null("kith_condition_notify_all");
    return outcome(condition, condition->ops->notify(condition->handle.state, UINT64_MAX), false,
                   told);
}
