/*
 * limiter.c - no more than so many a second, among all processes.
 */
#include <kith/limiter.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith__limiter_make(kith_space *space, const char *name, const struct kith_limiter_options *options,
                   double missing, kith_limiter **limiter_out)
{
    struct kith_limiter_options whole = KITH_LIMITER_OPTIONS_INIT;
    kith_limiter *limiter;
    void *state;
    kith_err err = kith__open_check("kith_limiter_open", space, name, limiter_out, options, &whole,
                                    sizeof(whole));

    if (err < 0)
        return err;
    if (options == NULL)
        whole.create = KITH_MUST_EXIST;
    if (whole.create != KITH_MUST_EXIST &&
        !(whole.rate >= KITH_LIMITER_RATE_MIN && whole.rate <= KITH_LIMITER_RATE_MAX))
        return kith__fail(KITH_EINVAL,
                          "The limiter \"%s\" cannot have a rate of %g a second: %g to %g are "
                          "possible.",
                          name, whole.rate, KITH_LIMITER_RATE_MIN, KITH_LIMITER_RATE_MAX);
    if (whole.create != KITH_MUST_EXIST &&
        (whole.burst == 0 || whole.burst > KITH_LIMITER_BURST_MAX))
        return kith__fail(KITH_EINVAL,
                          "The limiter \"%s\" cannot have a burst of %u: 1 to %d are possible.",
                          name, whole.burst, KITH_LIMITER_BURST_MAX);
    limiter = kith__handle_new(sizeof(*limiter));
    if (limiter == NULL)
        return KITH_ENOMEM;
    limiter->ops = space->engine->limiter;
    err = limiter->ops->open(space->state, name, &whole, missing, &state);
    if (err < 0) {
        kith__free(limiter);
        return err;
    }
    kith__handle_init(&limiter->handle, space, KITH_KIND_LIMITER, name, state);
    *limiter_out = limiter;
    return KITH_OK;
}

kith_err
kith_limiter_open(kith_space *space, const char *name, const struct kith_limiter_options *options,
                  kith_limiter **limiter_out)
{
    return kith__limiter_make(space, name, options, 0, limiter_out);
}

void
kith_limiter_close(kith_limiter *limiter)
{
    if (limiter == NULL || !kith__handle_drop(&limiter->handle))
        return;
    limiter->ops->close(limiter->handle.state);
    kith__space_release(limiter->handle.space);
    kith__free(limiter);
}

static kith_err
outcome(const kith_limiter *limiter, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&limiter->handle, err, told, NULL);
}

kith_err
kith_limiter_take(kith_limiter *limiter, uint32_t n)
{
    unsigned told = kith__told();

    if (limiter == NULL)
        return kith__fail_null("kith_limiter_take");
    return outcome(limiter, limiter->ops->take(limiter->handle.state, n), told);
}

kith_err
kith_limiter_wait(kith_limiter *limiter, uint32_t n, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (limiter == NULL)
        return kith__fail_null("kith_limiter_wait");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_limiter_wait", timeout_ns);
    return outcome(
        limiter, limiter->ops->wait(limiter->handle.state, n, kith__deadline_ns(timeout_ns)), told);
}

kith_err
kith_limiter_state(kith_limiter *limiter, struct kith_limiter_state *state_out)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (limiter == NULL || state_out == NULL)
        return kith__fail_null("kith_limiter_state");
    err = kith__info_check("kith_limiter_state", state_out);
    if (err < 0)
        return err;
    err = limiter->ops->state(limiter->handle.state, &state);
    if (err == KITH_OK)
        kith__info_copy(&state, state_out, sizeof(state));
    return outcome(limiter, err, told);
}
