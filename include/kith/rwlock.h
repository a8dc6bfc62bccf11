/*
 * kith/rwlock.h - a lock that many may share, or one may have alone.
 *
 * Readers share it, a writer has it alone.  A writer that waits goes before all readers that come
 * after it, so readers that come in a stream do not keep it out; with the option fair everybody
 * gets it in the order in which they came.  Readers write nothing that others read, so any number
 * of them go on side by side.
 *
 * It belongs to the threads that acquired it.  If one of them or its process ends in any way, a
 * share just comes back; of one who had it alone the next to acquire it, either way, is told, once,
 * by KITH_OWNER_DIED.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_rwlock_close() must
 *          be the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.  What the parent holds
 *          stays the parent's: releasing it in the child is KITH_EPERM.
 * Death    See above.  Waiters learn of it at once.  A stopped process is alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_RWLOCK_H
#define KITH_RWLOCK_H

#include <kith/lock.h>

KITH_C_BEGIN

/* A handle on one rwlock, private to the process that opened it. */
typedef struct kith_rwlock kith_rwlock;

/* What a rwlock is created with.  A field left zero takes its default. */
struct kith_rwlock_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    bool fair;               /* in the order of coming; default: writers go before readers */
    bool detect_deadlock;    /* a wait for it that would close a circle is refused: kith/lock.h */
};
#define KITH_RWLOCK_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct kith_rwlock_options), KITH_CREATE_OR_OPEN, false, false                      \
    }

/*
 * Opens the rwlock `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of one that exists already are ignored.
 *
 * On success the caller owns *rwlock_out and gives it to kith_rwlock_close().  A lock that was made
 * shareable may be opened as a rwlock, and any rwlock as a lock: kith_lock_open().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such rwlock, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_rwlock_open(kith_space *space, const char *name,
                                   const struct kith_rwlock_options *options,
                                   kith_rwlock **rwlock_out);

/* Gives up the handle; the rwlock stays as it is, held or not.  NULL is accepted. */
KITH_API void kith_rwlock_close(kith_rwlock *rwlock);

/*
 * Acquires it for the calling thread alone, waiting up to `timeout_ns` nanoseconds.
 *
 * KITH_OWNER_DIED    success: it is yours, and the last who had it alone died with it
 * KITH_ETIMEDOUT     others held it all the time, or, with `timeout_ns` 0, hold it now
 * KITH_EDEADLOCK     the calling thread holds it already, alone or shared: a share cannot become
 *                    more; or the wait would close a circle: see kith_lock_acquire()
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the rwlock was destroyed, before or during the wait
 *
 * After any error the caller does not hold it by this call.
 */
KITH_API kith_err kith_rwlock_acquire(kith_rwlock *rwlock, int64_t timeout_ns);

/*
 * Acquires it to share it, waiting up to `timeout_ns` nanoseconds.  A thread that shares it already
 * gets one more share at once, and has to release each.
 *
 * KITH_OWNER_DIED    success: you share it, and the last who had it alone died with it
 * KITH_ETIMEDOUT     a writer held it or waited for it all the time, or, with `timeout_ns` 0, does
 * KITH_EDEADLOCK     the calling thread has it alone; or the wait would close a circle
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the rwlock was destroyed, before or during the wait
 *
 * After any error the caller does not hold it by this call.
 */
KITH_API kith_err kith_rwlock_acquire_shared(kith_rwlock *rwlock, int64_t timeout_ns);

/*
 * Releases it, however the calling thread acquired it.
 *
 * KITH_EPERM  the calling thread neither has nor shares it; nothing changed
 */
KITH_API kith_err kith_rwlock_release(kith_rwlock *rwlock);

/* Whether anybody has or shares it; may be old when read.  Who died does not count. */
KITH_API kith_err kith_rwlock_locked(kith_rwlock *rwlock, bool *locked_out);

/*
 * Tells who has it, or one of those who share it and how many they are; may be old when read.  Of
 * one that is shared `since_ns` is unknown.
 */
KITH_API kith_err kith_rwlock_owner(kith_rwlock *rwlock, struct kith_owner *owner_out);

KITH_C_END
#endif /* KITH_RWLOCK_H */
