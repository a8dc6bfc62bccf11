/*
 * kith/lock.h - a lock shared by processes, that a death does not leave taken.
 *
 * A lock belongs to the thread that acquired it.  If that thread or its process ends in any way
 * while it holds the lock, the next to acquire gets it together with the news, KITH_OWNER_DIED, and
 * looks whether what the lock protects is whole.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_lock_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.  A lock that the parent
 *          holds stays the parent's: releasing it in the child is KITH_EPERM.
 * Death    See above.  Waiters learn of it at once.  A stopped process is alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_LOCK_H
#define KITH_LOCK_H

#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one lock, private to the process that opened it. */
typedef struct kith_lock kith_lock;

/* What a lock is created with.  A field left zero takes its default. */
struct kith_lock_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_LOCK_OPTIONS_INIT { sizeof(struct kith_lock_options), KITH_CREATE_OR_OPEN }

/* Who holds a lock.  For a free one `held` is false and only `waiters` says anything. */
struct kith_owner {
    char host[64];    /* its host's name, NUL-terminated, cut if longer */
    int64_t pid;      /* its process, as seen in its own pid namespace */
    int64_t thread;   /* its thread id; 0 if unknown */
    int64_t since_ns; /* CLOCK_REALTIME at which it got it; 0 unknown */
    uint32_t waiters; /* threads that wait for it; a number that may be old when read */
    bool held;        /* somebody holds it */
    bool alive;       /* and lives; false: it died, and the next to acquire will be told */
};

/*
 * Opens the lock `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a lock that exists already are ignored.
 *
 * On success the caller owns *lock_out and gives it to kith_lock_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such lock, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_lock_open(kith_space *space, const char *name,
                                 const struct kith_lock_options *options, kith_lock **lock_out);

/* Gives up the handle; the lock stays as it is, held or not.  NULL is accepted. */
KITH_API void kith_lock_close(kith_lock *lock);

/*
 * Acquires the lock, waiting up to `timeout_ns` nanoseconds for it.
 *
 * KITH_OWNER_DIED    success: it is yours, its last owner died
 * KITH_ETIMEDOUT     another held it all the time, or, with `timeout_ns` 0, holds it now
 * KITH_EDEADLOCK     the calling thread holds it already
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the lock was destroyed, before or during the wait
 *
 * After any error the caller does not hold it by this call.
 */
KITH_API kith_err kith_lock_acquire(kith_lock *lock, int64_t timeout_ns);

/*
 * Releases the lock; one who waits for it gets it.
 *
 * KITH_EPERM  it is not the calling thread's; nothing changed
 */
KITH_API kith_err kith_lock_release(kith_lock *lock);

/* Whether anybody holds it; may be old when read.  A lock whose owner died counts as free. */
KITH_API kith_err kith_lock_locked(kith_lock *lock, bool *locked_out);

/* Tells who holds it; may be old when read. */
KITH_API kith_err kith_lock_owner(kith_lock *lock, struct kith_owner *owner_out);

KITH_C_END
#endif /* KITH_LOCK_H */
