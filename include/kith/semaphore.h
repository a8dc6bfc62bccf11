/*
 * kith/semaphore.h - permits that processes take and give back, and that a kill does not lose.
 *
 * A semaphore counts permits.  Each one taken is charged to the process that took it.  A release
 * drops a charge of the caller's process, else the oldest of any, else it adds a permit that nobody
 * had taken.  When a process ends, what it is still charged with comes back, up to the value that
 * the semaphore was created with: so one created with 0, which is a signal, gets none back.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_semaphore_close()
 *          must be the last call on its handle.  What one thread took another of its process may
 *          give back; that a thread ends gives nothing back.
 * Fork     A forked child may go on with the handle, which is then its own.  What the parent took
 *          stays charged to the parent.
 * Death    See above.  Waiters learn of it at once.  A killed waiter is forgotten.  A stopped
 *          process is alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_SEMAPHORE_H
#define KITH_SEMAPHORE_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one semaphore, private to the process that opened it. */
typedef struct kith_semaphore kith_semaphore;

/* How many permits there may be to be had. */
#define KITH_SEMAPHORE_VALUE_MAX 2147483647

/*
 * What a semaphore is created with.
 *
 * Of an unowned one the permits stay taken when the process that took them ends in an orderly way;
 * only a kill gives them back.  It is the semaphore of standards in which anyone may release.
 */
struct kith_semaphore_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    uint32_t value;          /* permits at first; default 1 */
    bool bounded;            /* there are never more to be had than at first */
    bool fair;               /* those who wait get them in the order in which they came */
    bool unowned;            /* see above */
};
#define KITH_SEMAPHORE_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct kith_semaphore_options), KITH_CREATE_OR_OPEN, 1, false, false, false         \
    }

/* What kith_semaphore_info() tells. */
struct kith_semaphore_info {
    size_t struct_size; /* set by the initialiser: fields may be added */
    uint32_t value;     /* permits to be had; may be old when read */
    uint32_t initial;   /* permits at first, and the other options it was created with */
    bool bounded;
    bool fair;
    bool unowned;
};
#define KITH_SEMAPHORE_INFO_INIT                                                                   \
    {                                                                                              \
        sizeof(struct kith_semaphore_info), 0, 0, false, false, false                              \
    }

/*
 * Opens the semaphore `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a semaphore that exists already are ignored.
 *
 * On success the caller owns *semaphore_out and gives it to kith_semaphore_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h; or more than KITH_SEMAPHORE_VALUE_MAX permits
 * KITH_ENOENT  no such semaphore, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_semaphore_open(kith_space *space, const char *name,
                                      const struct kith_semaphore_options *options,
                                      kith_semaphore **semaphore_out);

/* Gives up the handle; permits stay as they are.  NULL is accepted. */
KITH_API void kith_semaphore_close(kith_semaphore *semaphore);

/*
 * Takes a permit, waiting up to `timeout_ns` nanoseconds for one.
 *
 * KITH_ETIMEDOUT     none came in time, or, with `timeout_ns` 0, there is none now
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the semaphore was destroyed, before or during the wait
 */
KITH_API kith_err kith_semaphore_acquire(kith_semaphore *semaphore, int64_t timeout_ns);

/*
 * Gives a permit back, or `n` of them in one step, and wakes as many who wait.
 *
 * KITH_ERANGE  there would be more to be had than it was created with, if it is bounded, or than
 *              KITH_SEMAPHORE_VALUE_MAX; nothing changed
 */
KITH_API kith_err kith_semaphore_release(kith_semaphore *semaphore);
KITH_API kith_err kith_semaphore_release_many(kith_semaphore *semaphore, uint32_t n);

/* How many permits are to be had; may be old when read. */
KITH_API kith_err kith_semaphore_value(kith_semaphore *semaphore, uint32_t *value_out);

/* Fills *info_out, whose struct_size KITH_SEMAPHORE_INFO_INIT has set. */
KITH_API kith_err kith_semaphore_info(kith_semaphore *semaphore,
                                      struct kith_semaphore_info *info_out);

KITH_C_END
#endif /* KITH_SEMAPHORE_H */
