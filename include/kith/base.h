/*
 * kith/base.h - what every other header stands on: errors, times, kinds, version.
 *
 * Results  Every function that can fail returns a kith_err.  Test it with `< 0`: a positive one is
 *          a success that has news.  Results come out through the last arguments, named *_out; one
 *          the caller does not care for may be NULL, and unless its function says otherwise it is
 *          untouched on error.
 * Times    int64_t nanoseconds.  A timeout of 0 does not wait, KITH_FOREVER waits without end, and
 *          any other negative one is KITH_EINVAL.
 * Options  Every *_options struct begins with its own size, set by its initialiser; NULL means all
 *          defaults.  An object that does not exist is created with them, and options of an object
 *          that exists are ignored.
 *
 * Any function on a space or an object may also fail in these ways, and has then changed nothing:
 *
 * KITH_EINVAL        an argument is outside what is described
 * KITH_EGONE         the object was destroyed
 * KITH_EPERM         the space was opened read-only, and the function changes something
 * KITH_EUNAVAILABLE  a stopped process held what was needed for longer than the space's timeout
 * KITH_ECORRUPT      shared memory breaks an invariant; `kith check` says which
 * KITH_ENOMEM        this process, or the space, has no room
 * KITH_EFULL         the space has no slot left for one more thread
 * KITH_ESYSTEM       the system refused something; kith_last_error() has its words
 *
 * Threads  Any function, from any thread.  The last error and the interrupt function belong to the
 *          thread that calls.
 * Fork     A forked child keeps its thread's interrupt function and last error.
 * Death    Nothing here is shared.
 * Engines  all.
 */
#ifndef KITH_BASE_H
#define KITH_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define KITH_C_BEGIN extern "C" {
#define KITH_C_END }
#else
#define KITH_C_BEGIN
#define KITH_C_END
#endif

#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_API
#endif

/* The version of these headers; kith_version() tells that of the library. */
#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0
#define KITH_VERSION "0.1.0"

KITH_C_BEGIN

/* A timeout that does not run out. */
#define KITH_FOREVER ((int64_t)-1)

/*
 * Every error: name, number, message.  The numbers travel between processes and hosts, so they
 * never move; a new error takes the next one.
 */
#define KITH_ERR_MAP(X)                                                                            \
    X(EINVAL, -1, "an argument is outside what the function accepts")                              \
    X(ENOENT, -2, "no such object, or no such key")                                                \
    X(EEXIST, -3, "the object, or the key, exists already")                                        \
    X(ETYPE, -4, "the object, or the item, is of another type")                                    \
    X(ENOMEM, -5, "no memory is left for it")                                                      \
    X(ETIMEDOUT, -6, "the time given ran out")                                                     \
    X(EFULL, -7, "no room is left in it")                                                          \
    X(EEMPTY, -8, "there is nothing in it")                                                        \
    X(ECLOSED, -9, "the queue was shut down")                                                      \
    X(EINTERRUPTED, -10, "a signal ended the wait")                                                \
    X(ECONFLICT, -11, "a condition did not hold, so nothing was done")                             \
    X(ETOOBIG, -12, "the item is larger than what has to hold it")                                 \
    X(ERANGE, -13, "the result lies outside the range allowed")                                    \
    X(EDEADLOCK, -14, "the wait could never end: the caller holds what it waits for")              \
    X(EPERM, -15, "the caller may not do this")                                                    \
    X(ECORRUPT, -16, "shared memory breaks an invariant; run kith check")                          \
    X(EVERSION, -17, "the space was made by another version of its format")                        \
    X(EUNAVAILABLE, -18, "what stands behind the space does not answer")                           \
    X(EAUTH, -19, "the key was refused")                                                           \
    X(EGONE, -20, "the object was destroyed, or the lease was lost")                               \
    X(EUNSUPPORTED, -21, "this space cannot do that")                                              \
    X(ESYSTEM, -22, "the system refused")

typedef enum kith_err {
    KITH_OK = 0,
    KITH_OWNER_DIED = 1, /* success: the lock is yours, its last owner died */
    KITH_EVICTED = 2,    /* success: something else was evicted to make room */
#define X(name, number, text) KITH_##name = number,
    KITH_ERR_MAP(X)
#undef X
} kith_err;

/* What an opener does about an object that is, or is not, there. */
enum kith_create {
    KITH_CREATE_OR_OPEN = 0,
    KITH_MUST_EXIST, /* refuses with KITH_ENOENT to create */
    KITH_MUST_CREATE /* refuses with KITH_EEXIST to open */
};

/* The kinds of object.  The numbers are part of the arena's format; later kinds come after. */
enum kith_kind {
    KITH_KIND_NONE = 0,
    KITH_KIND_DICT = 1,
    KITH_KIND_QUEUE = 2,
    KITH_KIND_LOCK = 3,
    KITH_KIND_EVENT = 4,
    KITH_KIND_VALUE = 5,
    KITH_KIND_ARRAY = 6,
    KITH_KIND_LIST = 7,
    KITH_KIND_SET = 8,
    KITH_KIND_NAMESPACE = 9,
    KITH_KIND_RWLOCK = 10,
    KITH_KIND_SEMAPHORE = 11,
    KITH_KIND_CONDITION = 12,
    KITH_KIND_BARRIER = 13,
    KITH_KIND_ONCE = 14,
    KITH_KIND_LIMITER = 15,
    KITH_KIND_SEGMENT = 16
};

/* "dict", "queue", …; "none" for KITH_KIND_NONE and "unknown" for any other.  A static string. */
KITH_API const char *kith_kind_name(enum kith_kind kind);

/* The version of the library in use, as "0.1.0".  A static string. */
KITH_API const char *kith_version(void);

/* What `err` means, as a static string without a full stop; never NULL, whatever the number. */
KITH_API const char *kith_strerror(kith_err err);

/*
 * This thread's last failure as a whole sentence that names the object; "" before the first one.
 * Never NULL.  The library owns the text, which holds until this thread's next call fails.  A
 * success leaves it alone, so look at it only after a negative result.
 */
KITH_API const char *kith_last_error(void);

/*
 * Has `fn(arg)` called in this thread whenever a signal interrupts one of its waits, after the
 * signal's handler has run.  If it returns non-zero the wait ends with KITH_EINTERRUPTED and
 * nothing was taken; if it returns zero the wait goes on, to the same deadline.  NULL (as at the
 * start) lets every wait go on.  `fn` runs with nothing of the library's held and may call into it.
 *
 * A signal that comes between two sleeps of a wait, or just before the first, interrupts none.  So
 * `fn` is also called unasked, about every second of a wait or more often: have it return what the
 * signal's handler has noted.
 */
KITH_API void kith_on_interrupt(int (*fn)(void *arg), void *arg);

KITH_C_END
#endif /* KITH_BASE_H */
