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
 *          holds stays the parent's: releasing it in the child is KITH_EPERM, unless it is unowned.
 * Death    See above.  Waiters learn of it at once.  A stopped process is alive, and keeps its
 *          locks and its turn for a fair one.
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

/*
 * What a lock is created with.  A field left zero takes its default.
 *
 * An unowned lock belongs to nobody: any thread of any process may release it.  It stays taken when
 * the process that took it ends in an orderly way, and comes back only when that one is killed.  It
 * is a flag that can be waited for, and the lock of standards whose locks have no owner.
 */
struct kith_lock_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    bool recursive;          /* its owner may acquire it again; not with unowned or shareable */
    bool fair;               /* those who wait get it in the order in which they came */
    bool unowned;            /* see above; not with recursive, detect_deadlock or shareable */
    bool detect_deadlock;    /* a wait for it that would close a circle is refused */
    bool shareable;          /* it may be opened as a rwlock as well: see kith/rwlock.h */
};
#define KITH_LOCK_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_lock_options), KITH_CREATE_OR_OPEN, false, false, false, false, false   \
    }

/* How often at once the owner of a recursive lock may have it. */
#define KITH_LOCK_DEPTH_MAX 65535

/* Who holds a lock.  For a free one `held` is false and only `waiters` says anything. */
struct kith_owner {
    char host[64];    /* its host's name, NUL-terminated, cut if longer */
    int64_t pid;      /* its process, as seen in its own pid namespace; 0 if unknown */
    int64_t thread;   /* its thread id; 0 if unknown, or if the lock is unowned */
    int64_t since_ns; /* CLOCK_REALTIME at which it got it; 0 unknown */
    uint32_t waiters; /* threads that wait for it; a number that may be old when read */
    uint32_t depth;   /* how often its owner has it: 1, or more of a recursive lock */
    uint32_t sharers; /* threads that share it: the owner told of is one of them; 0: held alone */
    bool held;        /* somebody holds it */
    bool alive;       /* and lives; false: it died, and the next to acquire will be told; or, of an
                         unowned lock, whoever took it has left, and it stays taken */
};

/* One who holds a lock, or waits for it. */
struct kith_party {
    char host[64];    /* its host's name, NUL-terminated, cut if longer */
    char command[16]; /* its program, NUL-terminated, cut if longer */
    int64_t pid;      /* its process, as seen in its own pid namespace; 0 if unknown */
    int64_t thread;   /* its thread id; 0 if unknown, or if the lock is unowned */
    bool holds;       /* false: it waits */
    bool shared;      /* it shares the lock, or waits to */
    bool alive;       /* false: it died; what it holds will be given to another */
};

/*
 * Opens the lock `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a lock that exists already are ignored.
 *
 * On success the caller owns *lock_out and gives it to kith_lock_close().
 *
 * A rwlock may be opened as a lock, too: acquiring it is then acquiring it for oneself.
 *
 * KITH_EINVAL  a bad name: see kith/space.h; or options that exclude each other
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
 * KITH_EDEADLOCK     the calling thread holds it already, and it is not recursive; or, of a lock
 * made with detect_deadlock, its owner waits, maybe by way of others, for a lock that the calling
 * thread holds: kith_last_error() says who holds what KITH_ERANGE        the calling thread has it
 * KITH_LOCK_DEPTH_MAX times already KITH_EINTERRUPTED  a signal came, and the function given to
 * kith_on_interrupt() said so KITH_EGONE         the lock was destroyed, before or during the wait
 *
 * After any error the caller does not hold it by this call.  A recursive lock has to be released as
 * often as it was acquired.  An unowned one is never KITH_EDEADLOCK: who acquires it twice waits.
 *
 * A circle is looked for by whoever is about to sleep for a lock made with detect_deadlock, across
 * locks and rwlocks of the space, those of unowned ones excepted.  So it is certain to be found if
 * all locks in it were made so; and what is told of was a circle at one instant.  Two who come to
 * wait at the same instant may each see it, and then each is refused.
 */
KITH_API kith_err kith_lock_acquire(kith_lock *lock, int64_t timeout_ns);

/*
 * Releases the lock; one who waits for it gets it.
 *
 * KITH_EPERM  it is not the calling thread's, or, of an unowned one, nobody's; nothing changed
 */
KITH_API kith_err kith_lock_release(kith_lock *lock);

/* Whether anybody holds it; may be old when read.  A lock whose owner died counts as free. */
KITH_API kith_err kith_lock_locked(kith_lock *lock, bool *locked_out);

/* Tells who holds it; may be old when read. */
KITH_API kith_err kith_lock_owner(kith_lock *lock, struct kith_owner *owner_out);

/*
 * Calls `each` for all who hold it, and then for all who wait for it in the order in which they
 * came, as they were a moment ago.  A non-zero return ends the calls, and is no error.
 */
KITH_API kith_err kith_lock_parties(kith_lock *lock,
                                    int (*each)(const struct kith_party *party, void *arg),
                                    void *arg);

KITH_C_END
#endif /* KITH_LOCK_H */
