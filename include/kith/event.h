/*
 * kith/event.h - a flag that processes wait for.
 *
 * An event is set or not.  Setting it wakes everybody who waits, and lets through all who come,
 * until it is cleared.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_event_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A killed waiter is forgotten.  A process killed while it sets the event has set it for
 *          all or for nobody.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_EVENT_H
#define KITH_EVENT_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one event, private to the process that opened it. */
typedef struct kith_event kith_event;

/* What an event is created with.  A field left zero takes its default. */
struct kith_event_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_EVENT_OPTIONS_INIT { sizeof(struct kith_event_options), KITH_CREATE_OR_OPEN }

/*
 * Opens the event `name`, creating it first, not set, if there is none; NULL options mean all
 * defaults.  Options of an event that exists already are ignored.
 *
 * On success the caller owns *event_out and gives it to kith_event_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such event, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_event_open(kith_space *space, const char *name,
                                  const struct kith_event_options *options, kith_event **event_out);

/* Gives up the handle; the event stays as it is.  NULL is accepted. */
KITH_API void kith_event_close(kith_event *event);

/* Sets it, and wakes all who wait.  Setting one that is set is fine. */
KITH_API kith_err kith_event_set(kith_event *event);

/* Clears it.  Whoever was woken by a set before returns all the same. */
KITH_API kith_err kith_event_clear(kith_event *event);

/* Whether it is set; may be old when read. */
KITH_API kith_err kith_event_is_set(kith_event *event, bool *set_out);

/*
 * Waits up to `timeout_ns` nanoseconds until it is set.
 *
 * KITH_ETIMEDOUT     it was not set in time, or, with `timeout_ns` 0, is not set
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the event was destroyed, before or during the wait
 */
KITH_API kith_err kith_event_wait(kith_event *event, int64_t timeout_ns);

KITH_C_END
#endif /* KITH_EVENT_H */
