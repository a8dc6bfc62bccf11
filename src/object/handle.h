/*
 * handle.h - what the handles of all types have in common.
 *
 * A handle holds its space by a reference, so that the space's memory outlives kith_close() until
 * the last handle is closed.
 */
#ifndef KITH__HANDLE_H
#define KITH__HANDLE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/item.h"
#include "base/key.h"
#include "base/utf8.h"
#include "engine/engine.h"

struct kith_space {
    const struct kith__engine *engine;
    void *state;
    atomic_uint refs; /* the space itself, handles and views */
};

/* What each kind of handle begins with, behind the pointer to its operations. */
struct kith__handle {
    void *state;
    kith_space *space;
    enum kith_kind kind;
    atomic_uint refs; /* the handle itself, and leases */
    char name[KITH__NAME_SIZE_MAX + 1];
};

struct kith_dict {
    const struct kith__dict_ops *ops; /* beside the state, for the calls that have no time */
    struct kith__handle handle;
};
struct kith_namespace {
    const struct kith__dict_ops *ops;
    struct kith__handle handle;
};
struct kith_set {
    const struct kith__dict_ops *ops;
    struct kith__handle handle;
};
struct kith_list {
    const struct kith__list_ops *ops;
    struct kith__handle handle;
};
struct kith_queue {
    const struct kith__queue_ops *ops;
    struct kith__handle handle;
};
struct kith_lock {
    const struct kith__lock_ops *ops;
    struct kith__handle handle;
};
struct kith_rwlock {
    const struct kith__rwlock_ops *ops;
    struct kith__handle handle;
};
struct kith_event {
    const struct kith__event_ops *ops;
    struct kith__handle handle;
};

struct kith_semaphore {
    const struct kith__semaphore_ops *ops;
    struct kith__handle handle;
};

struct kith_barrier {
    const struct kith__barrier_ops *ops;
    struct kith__handle handle;
};

struct kith_condition {
    const struct kith__condition_ops *ops;
    struct kith__handle handle;
};

struct kith_once {
    const struct kith__once_ops *ops;
    struct kith__handle handle;
};

struct kith_limiter {
    const struct kith__limiter_ops *ops;
    struct kith__handle handle;
};

struct kith_value {
    const struct kith__value_ops *ops;
    struct kith__handle handle;
    struct kith__value_shape shape;
    unsigned abilities; /* of its type: kith__scalar_abilities() */
    bool is_counter;    /* ops->add() will do */
};

struct kith_array {
    const struct kith__array_ops *ops;
    struct kith__handle handle;
    struct kith__array_shape shape;
};

struct kith_segment {
    const struct kith__segment_ops *ops;
    struct kith__handle handle;
};

struct kith_lease {
    kith_queue *queue; /* held */
    struct kith__lease lease;
};

/* In queue.c: frees a lease, and what follows the queue's name when ending one fails. */
void kith__lease_free(kith_lease *lease);
const char *kith__lease_outcome(kith_err err);

/* In value.c: the type of a code and a size, as options of values and arrays give them. */
kith_err kith__type_of(const char *function, char code, size_t size, struct kith__scalar *type_out);
/* In queue.c: the options of a put over their defaults; KITH_EINVAL: out of range. */
kith_err kith__put_options(const char *function, const struct kith_put_options *options,
                           struct kith_put_options *options_out);

/* As their openers, for loading dumps; what follows the options counts if the object is made. */
kith_err kith__semaphore_make(kith_space *space, const char *name,
                              const struct kith_semaphore_options *options,
                              const struct kith__permits *permits, kith_semaphore **semaphore_out);
kith_err kith__once_make(kith_space *space, const char *name,
                         const struct kith_once_options *options, bool done, kith_once **once_out);
kith_err kith__limiter_make(kith_space *space, const char *name,
                            const struct kith_limiter_options *options, double missing,
                            kith_limiter **limiter_out);

#define KITH__LIKELY(condition) (__builtin_expect((condition), 1))

void kith__space_hold(kith_space *space);
void kith__space_release(kith_space *space);

/*
 * What every opener checks: its arguments, and the options, which are copied to `options_out` (of
 * `size`, beginning with its own size) over the defaults that stand there.
 */
kith_err kith__open_check(const char *function, const kith_space *space, const char *name,
                          const void *handle_out, const void *options, void *options_out,
                          size_t size);
/* Copies options over defaults; KITH_EINVAL if their size is none. */
kith_err kith__options_copy(const char *function, const void *options, void *options_out,
                            size_t size);
/* The other way: fills a caller's struct, as large as it says it is. */
kith_err kith__info_check(const char *function, const void *info_out);
void kith__info_copy(const void *info, void *info_out, size_t size);

/* Memory for a handle, zeroed; NULL with a sentence. */
void *kith__handle_new(size_t size);
/* Fills in the handle of an object that is open; it holds the space from here on. */
void kith__handle_init(struct kith__handle *handle, kith_space *space, enum kith_kind kind,
                       const char *name, void *state);
/* Gives up a reference; true for the last one, whose state the caller closes before freeing. */
bool kith__handle_drop(struct kith__handle *handle);

/* Sentences for arguments that are wrong. */
kith_err kith__fail_null(const char *function);
kith_err kith__fail_timeout(const char *function, int64_t timeout_ns);
kith_err kith__fail_name(const char *name);

/*
 * The sentence of an engine's error, if it needs one: `told` is kith__told() from before the call.
 * `after` says more of the outcome `err`, where "The dict "x"" stands before it; NULL for the
 * usual.
 */
kith_err kith__fail_outcome(const struct kith__handle *handle, kith_err err, unsigned told,
                            const char *after);
/* What kind and which, as the start of a sentence: "The dict \"". */
const char *kith__the_kind(enum kith_kind kind);
/* What follows the name for an outcome; NULL for what is no outcome. */
const char *kith__outcome(enum kith_kind kind, kith_err err);

#endif /* KITH__HANDLE_H */
