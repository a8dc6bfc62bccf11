/*
 * kith/array.h - a fixed run of typed items shared by processes.
 *
 * An array has `count` items of one type, the types of kith/value.h, for its whole life: numbers
 * and characters, or plain structures.  It begins zeroed, unless it is given bytes, at an address
 * that is a multiple of 64.
 *
 * Items that are no structures change by the processor's own atomic operations.  Each item is read
 * and written whole, structures too; a slice is a row of such reads or writes, at different
 * instants.  Who wants more takes the array's lock, which is there for its users alone: no function
 * here asks whether it is held.
 *
 * A view is the array's own memory, written and read without a call.  kith_array_publish() puts a
 * whole new version in the place of all items at once, and who views the old one keeps it, for as
 * long as he likes.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_array_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.  The lock, if the
 *          parent holds it, stays the parent's.
 * Death    A process killed inside a call has changed each item wholly or not at all; killed while
 *          it publishes, it has put all of the new version there or nothing.  What it viewed is
 *          unpinned.  The lock goes to the next to acquire it, with the news.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.  An index
 * outside of the array is KITH_EINVAL, and a function that does not suit the type KITH_ETYPE; both
 * change nothing.
 */
#ifndef KITH_ARRAY_H
#define KITH_ARRAY_H

#include <kith/lock.h>
#include <kith/space.h>
#include <kith/view.h>

KITH_C_BEGIN

/* A handle on one array, private to the process that opened it. */
typedef struct kith_array kith_array;

/* What an array is created with.  A field left zero takes its default. */
struct kith_array_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    char type;           /* a code of kith/value.h; default: q, or structures if size is given */
    size_t size;         /* bytes of a structure, 24 KiB at most; of a type with a code 0 or its
                            own */
    uint64_t count;      /* items; may be 0 */
    const void *initial; /* their bytes at first, size * count; borrowed; default: zero */
};
#define KITH_ARRAY_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(struct kith_array_options), KITH_CREATE_OR_OPEN, 0, 0, 0, NULL                      \
    }

/* What an array is; constant from its creation on. */
struct kith_array_info {
    size_t struct_size; /* set by the initialiser: fields may be added */
    char type;          /* its items' code; 0 of structures */
    size_t size;        /* bytes of an item */
    uint64_t count;     /* items */
};
#define KITH_ARRAY_INFO_INIT                                                                       \
    {                                                                                              \
        sizeof(struct kith_array_info), 0, 0, 0                                                    \
    }

/*
 * Opens the array `name`, creating it first if there is none.  Options of an array that exists
 * already are ignored: kith_array_info() tells what it is.  All its memory is taken at its
 * creation, so that no write to it can fail later.
 *
 * On success the caller owns *array_out and gives it to kith_array_close().
 *
 * KITH_EINVAL   a bad name: see kith/space.h; a type that is none, or a size that is not its own
 * KITH_ETOOBIG  the space's limit is smaller; a structure of more than 24 KiB
 * KITH_ENOENT   no such array, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST   there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE    `name` is an object of another kind
 * KITH_ENOMEM   the arena, or the machine, has no room for it
 */
KITH_API kith_err kith_array_open(kith_space *space, const char *name,
                                  const struct kith_array_options *options, kith_array **array_out);

/* Gives up the handle; the array stays.  NULL is accepted. */
KITH_API void kith_array_close(kith_array *array);

/* Fills *info_out, whose struct_size the initialiser KITH_ARRAY_INFO_INIT has set. */
KITH_API kith_err kith_array_info(kith_array *array, struct kith_array_info *info_out);

/* How many items it has. */
KITH_API kith_err kith_array_len(kith_array *array, uint64_t *count_out);

/* ---- one item; `size` is that of an item, or the call is KITH_EINVAL ---- */

/* Copies the item to `data_out`. */
KITH_API kith_err kith_array_get(kith_array *array, uint64_t index, void *data_out, size_t size);

/* Sets it to the bytes at `data`. */
KITH_API kith_err kith_array_set(kith_array *array, uint64_t index, const void *data, size_t size);

/*
 * Sets it if its bytes are those at `expected`.
 *
 * KITH_ECONFLICT  they are not; nothing changed
 */
KITH_API kith_err kith_array_cas(kith_array *array, uint64_t index, const void *expected,
                                 const void *data, size_t size);

/*
 * The same by numbers, which are taken and given as in kith/value.h.
 *
 * KITH_ERANGE  n, or the sum, is none of the type; nothing changed
 */
KITH_API kith_err kith_array_get_int(kith_array *array, uint64_t index, int64_t *n_out);
KITH_API kith_err kith_array_set_int(kith_array *array, uint64_t index, int64_t n);
KITH_API kith_err kith_array_get_float(kith_array *array, uint64_t index, double *n_out);
KITH_API kith_err kith_array_set_float(kith_array *array, uint64_t index, double n);

/* Adds n to the item in one step; *now_out is what it became. */
KITH_API kith_err kith_array_add(kith_array *array, uint64_t index, int64_t n, int64_t *now_out);
KITH_API kith_err kith_array_add_float(kith_array *array, uint64_t index, double n,
                                       double *now_out);

/*
 * ---- slices ----
 *
 * The items start, start + step, start + 2 * step, … , `count` of them, one after the other in
 * `data`, which has `size` bytes for exactly as many.  The step may be negative, and is not 0.  All
 * are of one version of the array.
 */
KITH_API kith_err kith_array_get_slice(kith_array *array, uint64_t start, int64_t step,
                                       uint64_t count, void *data_out, size_t size);
KITH_API kith_err kith_array_set_slice(kith_array *array, uint64_t start, int64_t step,
                                       uint64_t count, const void *data, size_t size);

/* ---- the whole ---- */

/*
 * Gives the items where they are, in whatever time that takes for one.  The view is writable,
 * pinned against destruction and whatever is published, and good until it is released; what is
 * written there is seen by others as the processor has it, item by item.  In a space opened
 * read-only it is a copy.
 *
 * On success the caller owns *view_out and gives it to kith_view_release().
 *
 * KITH_EFULL  this process has as many views open on the arena as it may (104)
 */
KITH_API kith_err kith_array_view(kith_array *array, kith_view **view_out);

/*
 * Puts `data`, `size` bytes for all items, in the place of what is there, at one instant.  Who
 * views the old version keeps it.  Operations on items that go on meanwhile count as done before,
 * and so are replaced; those that begin after kith_array_publish() returned are on the new version.
 */
KITH_API kith_err kith_array_publish(kith_array *array, const void *data, size_t size);

/*
 * The same without a copy: kith_array_stage() gives a writable view of memory for a new version,
 * which nobody else sees, with whatever bytes were there; kith_array_publish_staged() makes it the
 * array's.  The view goes on, as one of that version, and is released by the caller, published or
 * not.
 *
 * KITH_EINVAL  the view is none that was staged for this array by this process, or was published
 */
KITH_API kith_err kith_array_stage(kith_array *array, kith_view **view_out);
KITH_API kith_err kith_array_publish_staged(kith_array *array, kith_view *view);

/*
 * ---- its lock ----
 *
 * As a kith_lock, see kith/lock.h: it belongs to a thread, and is not recursive.
 */
KITH_API kith_err kith_array_lock(kith_array *array, int64_t timeout_ns);
KITH_API kith_err kith_array_unlock(kith_array *array);
KITH_API kith_err kith_array_owner(kith_array *array, struct kith_owner *owner_out);

KITH_C_END
#endif /* KITH_ARRAY_H */
