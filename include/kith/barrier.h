/*
 * kith/barrier.h - a place where a number of parties wait for each other.
 *
 * A barrier lets all go when as many have arrived as it has parties; then it is as new.  If one of
 * those who wait dies, runs out of time or is interrupted, or if somebody aborts it, it is broken:
 * all who wait and all who come are told at once, and the sentence says by what, until it is reset.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_barrier_close() must
 *          be the last call on its handle.  A party is a thread that waits.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    The death of one who has arrived breaks it for the rest, and the sentence of their error
 *          names the process.  One who dies before it arrives is just missing.  A stopped process
 *          is alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_BARRIER_H
#define KITH_BARRIER_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one barrier, private to the process that opened it. */
typedef struct kith_barrier kith_barrier;

/* As many threads as an arena takes. */
#define KITH_BARRIER_PARTIES_MAX 8190

/* What a barrier is created with. */
struct kith_barrier_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    uint32_t parties;        /* 1 to KITH_BARRIER_PARTIES_MAX; has to be given to create one */
};
#define KITH_BARRIER_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct kith_barrier_options), KITH_CREATE_OR_OPEN, 0                                \
    }

/*
 * Opens the barrier `name`, creating it first if there is none.  Options of a barrier that exists
 * already are ignored, and with KITH_MUST_EXIST the parties may be left out; NULL options open one
 * that exists.
 *
 * On success the caller owns *barrier_out and gives it to kith_barrier_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h; or 0 parties, or more than KITH_BARRIER_PARTIES_MAX
 * KITH_ENOENT  no such barrier, and options->create is KITH_MUST_EXIST, or options is NULL
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_barrier_open(kith_space *space, const char *name,
                                    const struct kith_barrier_options *options,
                                    kith_barrier **barrier_out);

/* Gives up the handle; the barrier stays.  NULL is accepted. */
KITH_API void kith_barrier_close(kith_barrier *barrier);

/*
 * Arrives, and waits up to `timeout_ns` nanoseconds for the others.  *index_out says as which the
 * caller arrived: the first is 0, the last the number of parties less 1.
 *
 * KITH_ECONFLICT     it is broken, or was broken or reset during the wait
 * KITH_ETIMEDOUT     not all arrived in time: it is broken by this
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so: it is
 *                    broken by this
 * KITH_EGONE         the barrier was destroyed, before or during the wait
 */
KITH_API kith_err kith_barrier_wait(kith_barrier *barrier, int64_t timeout_ns, uint32_t *index_out);

/*
 * As kith_barrier_wait().  The last to arrive calls its `action` before anybody is let go, with
 * nothing locked; its time counts for those who wait.  A negative result of it breaks the barrier,
 * is returned to the caller, and is KITH_ECONFLICT to the others.
 */
KITH_API kith_err kith_barrier_wait_with(kith_barrier *barrier, int64_t timeout_ns,
                                         kith_err (*action)(void *arg), void *arg,
                                         uint32_t *index_out);

/* Makes it as new; those who wait are told that it was broken. */
KITH_API kith_err kith_barrier_reset(kith_barrier *barrier);

/* Breaks it, for those who wait and for all who come until it is reset. */
KITH_API kith_err kith_barrier_abort(kith_barrier *barrier);

/* How many have to arrive; how many have; whether it is broken.  May be old when read. */
KITH_API kith_err kith_barrier_parties(kith_barrier *barrier, uint32_t *parties_out);
KITH_API kith_err kith_barrier_waiting(kith_barrier *barrier, uint32_t *waiting_out);
KITH_API kith_err kith_barrier_broken(kith_barrier *barrier, bool *broken_out);

KITH_C_END
#endif /* KITH_BARRIER_H */
