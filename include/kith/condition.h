/*
 * kith/condition.h - waiting, with a lock held, until another says that something changed.
 *
 * A condition has a lock: one of its own, or a lock of the space that is named when it is created.
 * Who holds it waits, which lets the lock go while it lasts; others change what the lock protects,
 * and notify.  notify(n) is for the n threads that have waited longest at that moment, and exactly
 * those return; if one of them dies before it has returned, the next who was waiting then does.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_condition_close()
 *          must be the last call on its handle.  The lock belongs to threads: see kith/lock.h.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A killed waiter is forgotten, and what it was notified of goes to the next.  A killed
 *          notifier has notified all that it meant to or nobody.  Who gets the lock after a death
 *          of its owner is told: KITH_OWNER_DIED.  A stopped process is alive.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_CONDITION_H
#define KITH_CONDITION_H

#include <kith/lock.h>

KITH_C_BEGIN

/* A handle on one condition, private to the process that opened it. */
typedef struct kith_condition kith_condition;

/* What a condition is created with.  A field left zero takes its default. */
struct kith_condition_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    const char *lock;        /* the name of a lock that is there; borrowed; default: its own; one
                              * without a name of its own is kept by the condition */
};
#define KITH_CONDITION_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct kith_condition_options), KITH_CREATE_OR_OPEN, NULL                           \
    }

/*
 * Opens the condition `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a condition that exists already are ignored.
 *
 * On success the caller owns *condition_out and gives it to kith_condition_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such condition, and options->create is KITH_MUST_EXIST; or no such lock
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name`, or its lock, is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_condition_open(kith_space *space, const char *name,
                                      const struct kith_condition_options *options,
                                      kith_condition **condition_out);

/* Gives up the handle; the condition stays, and so does its lock.  NULL is accepted. */
KITH_API void kith_condition_close(kith_condition *condition);

/* Acquires and releases its lock, as kith_lock_acquire() and kith_lock_release() do. */
KITH_API kith_err kith_condition_acquire(kith_condition *condition, int64_t timeout_ns);
KITH_API kith_err kith_condition_release(kith_condition *condition);

/*
 * Releases the lock, waits up to `timeout_ns` nanoseconds to be notified, and acquires the lock
 * again, which is waited for without end.  Nobody can notify between the release and the wait.
 *
 * KITH_OWNER_DIED    the lock is yours again, and its last owner died: look whether what it
 *                    protects is whole; whether you were notified is not told
 * KITH_EPERM         the calling thread does not hold the lock; nothing happened
 * KITH_EDEADLOCK     it holds the lock, which is recursive, more than once; nothing happened
 * KITH_ETIMEDOUT     it was not notified in time; it holds the lock
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so; it holds
 *                    the lock
 * KITH_EGONE         the condition, or its lock, was destroyed; it holds the lock if that is there
 */
KITH_API kith_err kith_condition_wait(kith_condition *condition, int64_t timeout_ns);

/*
 * Waits until `predicate`, called with the lock held, is not 0: at once if it is so already.
 * `timeout_ns` is for all of the waiting.  Errors as kith_condition_wait(); after KITH_ETIMEDOUT
 * the predicate was 0 to the last.  With KITH_OWNER_DIED it returns at once, and the predicate was
 * not looked at since.
 */
KITH_API kith_err kith_condition_wait_for(kith_condition *condition, int (*predicate)(void *arg),
                                          void *arg, int64_t timeout_ns);

/*
 * Notifies the `n` threads that have waited longest, or all if they are fewer; or all.  The caller
 * need not hold the lock.
 */
KITH_API kith_err kith_condition_notify(kith_condition *condition, uint32_t n);
KITH_API kith_err kith_condition_notify_all(kith_condition *condition);

KITH_C_END
#endif /* KITH_CONDITION_H */
