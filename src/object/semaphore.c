/*
 * semaphore.c - permits that processes take and give back.
 */
#include <kith/semaphore.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith__semaphore_make(kith_space *space, const char *name,
                     const struct kith_semaphore_options *options,
                     const struct kith__permits *permits, kith_semaphore **semaphore_out)
{
    struct kith_semaphore_options whole = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_semaphore *semaphore;
    void *state;
    kith_err err = kith__open_check("kith_semaphore_open", space, name, semaphore_out, options,
                                    &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.value > KITH_SEMAPHORE_VALUE_MAX)
        return kith__fail(KITH_EINVAL,
                          "The semaphore \"%s\" cannot have %u permits: %d are the most.", name,
                          whole.value, KITH_SEMAPHORE_VALUE_MAX);
    semaphore = kith__handle_new(sizeof(*semaphore));
    if (semaphore == NULL)
        return KITH_ENOMEM;
    semaphore->ops = space->engine->semaphore;
    err = semaphore->ops->open(space->state, name, &whole, permits, &state);
    if (err < 0) {
        kith__free(semaphore);
        return err;
    }
    kith__handle_init(&semaphore->handle, space, KITH_KIND_SEMAPHORE, name, state);
    *semaphore_out = semaphore;
    return KITH_OK;
}

kith_err
kith_semaphore_open(kith_space *space, const char *name,
                    const struct kith_semaphore_options *options, kith_semaphore **semaphore_out)
{
    return kith__semaphore_make(space, name, options, NULL, semaphore_out);
}

void
kith_semaphore_close(kith_semaphore *semaphore)
{
    if (semaphore == NULL || !kith__handle_drop(&semaphore->handle))
        return;
    semaphore->ops->close(semaphore->handle.state);
    kith__space_release(semaphore->handle.space);
    kith__free(semaphore);
}

static kith_err
outcome(const kith_semaphore *semaphore, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&semaphore->handle, err, told, NULL);
}

kith_err
kith_semaphore_acquire(kith_semaphore *semaphore, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (semaphore == NULL)
        return kith__fail_null("kith_semaphore_acquire");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_semaphore_acquire", timeout_ns);
    return outcome(semaphore,
                   semaphore->ops->acquire(semaphore->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}

kith_err
kith_semaphore_release(kith_semaphore *semaphore)
{
    unsigned told = kith__told();

    if (semaphore == NULL)
        return kith__fail_null("kith_semaphore_release");
    return outcome(semaphore, semaphore->ops->release(semaphore->handle.state, 1), told);
}

kith_err
kith_semaphore_release_many(kith_semaphore *semaphore, uint32_t n)
{
    unsigned told = kith__told();

    if (semaphore == NULL)
        return kith__fail_null("kith_semaphore_release_many");
    return outcome(semaphore, semaphore->ops->release(semaphore->handle.state, n), told);
}

kith_err
kith_semaphore_value(kith_semaphore *semaphore, uint32_t *value_out)
{
    unsigned told = kith__told();

    if (semaphore == NULL || value_out == NULL)
        return kith__fail_null("kith_semaphore_value");
    return outcome(semaphore, semaphore->ops->value(semaphore->handle.state, value_out), told);
}

kith_err
kith_semaphore_info(kith_semaphore *semaphore, struct kith_semaphore_info *info_out)
{
    struct kith_semaphore_info info = KITH_SEMAPHORE_INFO_INIT;
    struct kith_semaphore_options made = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith__permits settled;
    unsigned told = kith__told();
    kith_err err;

    if (semaphore == NULL || info_out == NULL)
        return kith__fail_null("kith_semaphore_info");
    err = kith__info_check("kith_semaphore_info", info_out);
    if (err < 0)
        return err;
    err = semaphore->ops->made_with(semaphore->handle.state, &made, &settled);
    if (err == KITH_OK)
        err = semaphore->ops->value(semaphore->handle.state, &info.value);
    if (err < 0)
        return outcome(semaphore, err, told);
    info.initial = made.value;
    info.bounded = made.bounded;
    info.fair = made.fair;
    info.unowned = made.unowned;
    kith__info_copy(&info, info_out, sizeof(info));
    return KITH_OK;
}
