/*
 * kith/limiter.h - no more than so many a second, among all processes.
 *
 * A limiter is a bucket of tokens.  It is full at first, with `burst` of them; they come at `rate`
 * a second as long as it is not full; each thing that is done takes some.  What is there is
 * computed from one number and the clock, so nothing drifts, and there is nothing that a death
 * could hold.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_limiter_close() must
 *          be the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call has taken its tokens, or not.  Tokens are not given back.
 *          A killed waiter has taken none.
 * Engines  shm.
 *
 * The clock goes on while the machine is suspended, and nobody can set it.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_LIMITER_H
#define KITH_LIMITER_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one limiter, private to the process that opened it. */
typedef struct kith_limiter kith_limiter;

#define KITH_LIMITER_RATE_MIN 1e-6
#define KITH_LIMITER_RATE_MAX 1e9
#define KITH_LIMITER_BURST_MAX 1000000

/* What a limiter is created with. */
struct kith_limiter_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    double rate;             /* tokens a second; has to be given to create one */
    uint32_t burst;          /* tokens there are at most; default 1 */
};
#define KITH_LIMITER_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct kith_limiter_options), KITH_CREATE_OR_OPEN, 0, 1                             \
    }

/* How it stands. */
struct kith_limiter_state {
    size_t struct_size; /* set by the initialiser: fields may be added */
    double rate;        /* tokens a second */
    uint32_t burst;     /* tokens there are at most */
    uint32_t available; /* tokens there are now */
    int64_t next_ns;    /* when there will be one more than that, from now; 0: it is full */
};
#define KITH_LIMITER_STATE_INIT                                                                    \
    {                                                                                              \
        sizeof(struct kith_limiter_state), 0, 0, 0, 0                                              \
    }

/*
 * Opens the limiter `name`, creating it first if there is none.  Options of a limiter that exists
 * already are ignored, and with KITH_MUST_EXIST the rate may be left out; NULL options open one
 * that exists.
 *
 * On success the caller owns *limiter_out and gives it to kith_limiter_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h; or a rate outside KITH_LIMITER_RATE_MIN to
 *              KITH_LIMITER_RATE_MAX; or a burst of 0, or over KITH_LIMITER_BURST_MAX
 * KITH_ENOENT  no such limiter, and options->create is KITH_MUST_EXIST, or options is NULL
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_limiter_open(kith_space *space, const char *name,
                                    const struct kith_limiter_options *options,
                                    kith_limiter **limiter_out);

/* Gives up the handle; the limiter stays.  NULL is accepted. */
KITH_API void kith_limiter_close(kith_limiter *limiter);

/*
 * Takes `n` tokens if they are there.
 *
 * KITH_EEMPTY  they are not; none was taken
 * KITH_ERANGE  `n` is more than the burst
 */
KITH_API kith_err kith_limiter_take(kith_limiter *limiter, uint32_t n);

/*
 * Takes `n` tokens, waiting up to `timeout_ns` nanoseconds for them.  Those who wait are served as
 * they come to it: who wants many may be passed by those who want few.
 *
 * KITH_ETIMEDOUT     they will not be there in time, which is told at once; none was taken
 * KITH_ERANGE        `n` is more than the burst
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the limiter was destroyed, before or during the wait
 */
KITH_API kith_err kith_limiter_wait(kith_limiter *limiter, uint32_t n, int64_t timeout_ns);

/* Fills *state_out, whose struct_size KITH_LIMITER_STATE_INIT has set; may be old when read. */
KITH_API kith_err kith_limiter_state(kith_limiter *limiter, struct kith_limiter_state *state_out);

KITH_C_END
#endif /* KITH_LIMITER_H */
