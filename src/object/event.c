/*
 * event.c - a flag that processes wait for.
 */
#include <kith/event.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_event_open(kith_space *space, const char *name, const struct kith_event_options *options,
                kith_event **event_out)
{
    struct kith_event_options whole = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    void *state;
    kith_err err =
        kith__open_check("kith_event_open", space, name, event_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    event = kith__handle_new(sizeof(*event));
    if (event == NULL)
        return KITH_ENOMEM;
    event->ops = space->engine->event;
    err = event->ops->open(space->state, name, whole.create, &state);
    if (err < 0) {
        kith__free(event);
        return err;
    }
    kith__handle_init(&event->handle, space, KITH_KIND_EVENT, name, state);
    *event_out = event;
    return KITH_OK;
}

void
kith_event_close(kith_event *event)
{
    if (event == NULL || !kith__handle_drop(&event->handle))
        return;
    event->ops->close(event->handle.state);
    kith__space_release(event->handle.space);
    kith__free(event);
}

static kith_err
outcome(const kith_event *event, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&event->handle, err, told, NULL);
}

kith_err
kith_event_set(kith_event *event)
{
    unsigned told = kith__told();

    if (event == NULL)
        return kith__fail_null("kith_event_set");
    return outcome(event, event->ops->set(event->handle.state), told);
}

kith_err
kith_event_clear(kith_event *event)
{
    unsigned told = kith__told();

    if (event == NULL)
        return kith__fail_null("kith_event_clear");
    return outcome(event, event->ops->clear(event->handle.state), told);
}

kith_err
kith_event_is_set(kith_event *event, bool *set_out)
{
    unsigned told = kith__told();

    if (event == NULL || set_out == NULL)
        return kith__fail_null("kith_event_is_set");
    return outcome(event, event->ops->is_set(event->handle.state, set_out), told);
}

kith_err
kith_event_wait(kith_event *event, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (event == NULL)
        return kith__fail_null("kith_event_wait");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_event_wait", timeout_ns);
    return outcome(event, event->ops->wait(event->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}
