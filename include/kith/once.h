/*
 * kith/once.h - a thing that is done once among all processes.
 *
 * Whoever claims it first does it; all others who claim wait until it is done, and then go on.  If
 * the one who does it says that it failed, or its process ends, the next who waits has the turn.
 * Once done, it is done for good.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_once_close() must be
 *          the last call on its handle.  A claim is the process's: any thread of it may say that it
 *          is done or failed, and that the claiming thread ends changes nothing.
 * Fork     A forked child may go on with the handle, which is then its own.  What the parent has
 *          claimed stays the parent's: in the child done and failed are KITH_EPERM.
 * Death    When the process that claimed it ends, in any way, the next who waits takes over, and
 *          those who wait are told at once.  A killed waiter is forgotten.  A stopped process is
 *          alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_ONCE_H
#define KITH_ONCE_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one once, private to the process that opened it. */
typedef struct kith_once kith_once;

/* What a once is created with.  A field left zero takes its default. */
struct kith_once_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_ONCE_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_once_options), KITH_CREATE_OR_OPEN                                      \
    }

enum kith_once_state {
    KITH_ONCE_OPEN = 0, /* nobody does it, or did */
    KITH_ONCE_CLAIMED,  /* somebody does it */
    KITH_ONCE_DONE
};

/*
 * Opens the once `name`, creating it first, not done, if there is none; NULL options mean all
 * defaults.  Options of a once that exists already are ignored.
 *
 * On success the caller owns *once_out and gives it to kith_once_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such once, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_once_open(kith_space *space, const char *name,
                                 const struct kith_once_options *options, kith_once **once_out);

/* Gives up the handle; the once stays, and so does a claim.  NULL is accepted. */
KITH_API void kith_once_close(kith_once *once);

/*
 * Claims it, waiting up to `timeout_ns` nanoseconds for who does it now.  *mine_out true: the
 * caller is to do it, and then to call kith_once_done() or kith_once_failed().  False: it is done.
 *
 * KITH_ETIMEDOUT     another did it all the time, or, with `timeout_ns` 0, does it now
 * KITH_EDEADLOCK     the calling thread has claimed it, and has not ended that
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the once was destroyed, before or during the wait
 */
KITH_API kith_err kith_once_claim(kith_once *once, int64_t timeout_ns, bool *mine_out);

/*
 * Ends the claim of this process: it is done, for good, and all who wait go on; or it failed, and
 * the next has the turn.
 *
 * KITH_EPERM  this process has not claimed it; nothing changed
 */
KITH_API kith_err kith_once_done(kith_once *once);
KITH_API kith_err kith_once_failed(kith_once *once);

/*
 * Has it done: claims it, and if it is the caller's, calls `run` with nothing locked.  A negative
 * result of it is returned, and passes the turn to the next.  KITH_OK: it is done, by this call or
 * another.  Errors as kith_once_claim().
 */
KITH_API kith_err kith_once_run(kith_once *once, kith_err (*run)(void *arg), void *arg,
                                int64_t timeout_ns);

/* How it stands; may be old when read. */
KITH_API kith_err kith_once_state(kith_once *once, enum kith_once_state *state_out);

KITH_C_END
#endif /* KITH_ONCE_H */
