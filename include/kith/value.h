/*
 * kith/value.h - one typed number, character or structure shared by processes.
 *
 * A value has one of these types for its whole life:
 *
 *     b B    1 byte, signed and unsigned        h H    2 bytes
 *     i I    4 bytes                            l L q Q    8 bytes
 *     f d    4 and 8 bytes, IEEE 754            ?      a bool, 1 byte
 *     c      a character, 1 byte                u      a code point, 4 bytes
 *     0      a plain structure of any size up to KITH_VALUE_SIZE_MAX: bytes, without pointers
 *
 * Numbers change by the processor's own atomic operations, without a lock, unless the value was
 * created transactional.  Readers never wait, whatever the type, and never see a value half
 * changed.
 *
 * Ints are taken and given as int64_t.  Those of L and Q that do not fit are taken and given as the
 * int64_t with the same bits: cast them.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_value_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call has changed the value wholly or not at all.  A killed
 *          waiter is forgotten.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.  A function
 * that does not suit the type is KITH_ETYPE, and changes nothing.
 */
#ifndef KITH_VALUE_H
#define KITH_VALUE_H

#include <kith/space.h>

KITH_C_BEGIN

/* Bytes in a structure at most. */
#define KITH_VALUE_SIZE_MAX 24576

/* A handle on one value, private to the process that opened it. */
typedef struct kith_value kith_value;

/* What a value is created with.  A field left zero takes its default. */
struct kith_value_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    char type;               /* a code from above; default: q, or a structure if size is given */
    bool transactional;      /* it may be in transactions, for some speed; default: as the space */
    size_t size;             /* bytes of a structure; of a type with a code 0 or its own */
    const void *initial;     /* its bytes at first, `size` of them; borrowed; default: zero */
};
#define KITH_VALUE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(struct kith_value_options), KITH_CREATE_OR_OPEN, 0, false, 0, NULL                  \
    }

/* What a value is; constant from its creation on. */
struct kith_value_info {
    size_t struct_size; /* set by the initialiser: fields may be added */
    char type;          /* its code; 0 of a structure */
    bool transactional; /* it may be in transactions */
    size_t size;        /* bytes */
};
#define KITH_VALUE_INFO_INIT                                                                       \
    {                                                                                              \
        sizeof(struct kith_value_info), 0, false, 0                                                \
    }

/*
 * Opens the value `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a value that exists already are ignored: kith_value_info() tells what it is.
 *
 * On success the caller owns *value_out and gives it to kith_value_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h; a type that is none, or a size that is not its own
 * KITH_ETOOBIG a structure of more than KITH_VALUE_SIZE_MAX bytes
 * KITH_ENOENT  no such value, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_value_open(kith_space *space, const char *name,
                                  const struct kith_value_options *options, kith_value **value_out);

/* Gives up the handle; the value stays.  NULL is accepted. */
KITH_API void kith_value_close(kith_value *value);

/* Fills *info_out, whose struct_size the initialiser KITH_VALUE_INFO_INIT has set. */
KITH_API kith_err kith_value_info(kith_value *value, struct kith_value_info *info_out);

/*
 * ---- of any type ----
 *
 * `size` is that of the value, or the call is KITH_EINVAL.  A bool is false by a zero byte and true
 * by any other.
 */

/* Copies the value to `data_out`. */
KITH_API kith_err kith_value_get(kith_value *value, void *data_out, size_t size);

/* Sets it to the bytes at `data`. */
KITH_API kith_err kith_value_set(kith_value *value, const void *data, size_t size);

/* Sets it, and gives what it was before; `data` and `old_out` may be the same. */
KITH_API kith_err kith_value_exchange(kith_value *value, const void *data, void *old_out,
                                      size_t size);

/*
 * Sets it if its bytes are those at `expected`.
 *
 * KITH_ECONFLICT  they are not; nothing changed
 */
KITH_API kith_err kith_value_cas(kith_value *value, const void *expected, const void *data,
                                 size_t size);

/*
 * Waits up to `timeout_ns` nanoseconds until its bytes are not those at `old`.  One that changed
 * and changed back in between has not changed.
 *
 * KITH_ETIMEDOUT     it did not change in time, or, with `timeout_ns` 0, is the same now
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the value was destroyed, before or during the wait
 */
KITH_API kith_err kith_value_wait(kith_value *value, const void *old, size_t size,
                                  int64_t timeout_ns);

/*
 * ---- ints: b B h H i I l L q Q ----
 *
 * get, set, exchange and cas take ?, c and u as well; and, or and xor take ?.
 *
 * KITH_ERANGE  the result, or n where it is stored as it is, is none of the type; nothing changed
 */
KITH_API kith_err kith_value_get_int(kith_value *value, int64_t *n_out);
KITH_API kith_err kith_value_set_int(kith_value *value, int64_t n);
KITH_API kith_err kith_value_exchange_int(kith_value *value, int64_t n, int64_t *old_out);
/* KITH_ECONFLICT: it is not `expected`; nothing changed. */
KITH_API kith_err kith_value_cas_int(kith_value *value, int64_t expected, int64_t n);

/* Each changes the value in one step; *now_out is what it became. */
KITH_API kith_err kith_value_add(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_sub(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_and(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_or(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_xor(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_min(kith_value *value, int64_t n, int64_t *now_out);
KITH_API kith_err kith_value_max(kith_value *value, int64_t n, int64_t *now_out);

/*
 * ---- floats: f d ----
 *
 * Reckoned as doubles and rounded to the type, as IEEE 754 has it.  A NaN is neither less nor more
 * than anything, so min and max by one change nothing.
 */
KITH_API kith_err kith_value_get_float(kith_value *value, double *n_out);
KITH_API kith_err kith_value_set_float(kith_value *value, double n);
KITH_API kith_err kith_value_exchange_float(kith_value *value, double n, double *old_out);
KITH_API kith_err kith_value_add_float(kith_value *value, double n, double *now_out);
KITH_API kith_err kith_value_sub_float(kith_value *value, double n, double *now_out);
KITH_API kith_err kith_value_min_float(kith_value *value, double n, double *now_out);
KITH_API kith_err kith_value_max_float(kith_value *value, double n, double *now_out);

KITH_C_END
#endif /* KITH_VALUE_H */
