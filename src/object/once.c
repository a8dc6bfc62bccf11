/*
 * once.c - a thing that is done once among all processes.
 */
#include <kith/once.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith__once_make(kith_space *space, const char *name, const struct kith_once_options *options,
                bool done, kith_once **once_out)
{
    struct kith_once_options whole = KITH_ONCE_OPTIONS_INIT;
    kith_once *once;
    void *state;
    kith_err err =
        kith__open_check("kith_once_open", space, name, once_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    once = kith__handle_new(sizeof(*once));
    if (once == NULL)
        return KITH_ENOMEM;
    once->ops = space->engine->once;
    err = once->ops->open(space->state, name, whole.create, done, &state);
    if (err < 0) {
        kith__free(once);
        return err;
    }
    kith__handle_init(&once->handle, space, KITH_KIND_ONCE, name, state);
    *once_out = once;
    return KITH_OK;
}

kith_err
kith_once_open(kith_space *space, const char *name, const struct kith_once_options *options,
               kith_once **once_out)
{
    return kith__once_make(space, name, options, false, once_out);
}

void
kith_once_close(kith_once *once)
{
    if (once == NULL || !kith__handle_drop(&once->handle))
        return;
    once->ops->close(once->handle.state);
    kith__space_release(once->handle.space);
    kith__free(once);
}

static kith_err
outcome(const kith_once *once, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&once->handle, err, told, NULL);
}

kith_err
kith_once_claim(kith_once *once, int64_t timeout_ns, bool *mine_out)
{
    unsigned told = kith__told();
    bool mine;
    kith_err err;

    if (once == NULL || mine_out == NULL)
        return kith__fail_null("kith_once_claim");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_once_claim", timeout_ns);
    err = once->ops->claim(once->handle.state, kith__deadline_ns(timeout_ns), &mine);
    if (err == KITH_OK)
        *mine_out = mine;
    return outcome(once, err, told);
}

kith_err
kith_once_done(kith_once *once)
{
    unsigned told = kith__told();

    if (once == NULL)
        return kith__fail_null("kith_once_done");
    return outcome(once, once->ops->end(once->handle.state, true), told);
}

kith_err
kith_once_failed(kith_once *once)
{
    unsigned told = kith__told();

    if (once == NULL)
        return kith__fail_null("kith_once_failed");
    return outcome(once, once->ops->end(once->handle.state, false), told);
}

kith_err
kith_once_run(kith_once *once, kith_err (*run)(void *arg), void *arg, int64_t timeout_ns)
{
    unsigned told = kith__told();
    kith_err err, ran;
    bool mine;

    if (once == NULL || run == NULL)
        return kith__fail_null("kith_once_run");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_once_run", timeout_ns);
    err = once->ops->claim(once->handle.state, kith__deadline_ns(timeout_ns), &mine);
    if (err < 0 || !mine)
        return outcome(once, err, told);
    told = kith__told();
    ran = run(arg);
    if (ran < 0 && kith__told() == told)
        ran = kith__fail_outcome(&once->handle, ran, told, "\" failed: what was run said so.");
    told = kith__told();
    err = once->ops->end(once->handle.state, ran >= 0);
    if (ran < 0)
        return ran;
    return outcome(once, err, told);
}

kith_err
kith_once_state(kith_once *once, enum kith_once_state *state_out)
{
    unsigned told = kith__told();

    if (once == NULL || state_out == NULL)
        return kith__fail_null("kith_once_state");
    return outcome(once, once->ops->state(once->handle.state, state_out), told);
}
