/*
 * handle.c - what the handles of all types have in common.
 */
#include "object/handle.h"

#include <string.h>

#include "base/alloc.h"

/* More than this no struct of options will ever have. */
#define OPTIONS_SIZE_MAX 65536

/* ---- References ----------------------------------------------------------------------- */

void
kith__space_hold(kith_space *space)
{
    atomic_fetch_add_explicit(&space->refs, 1, memory_order_relaxed);
}

void
kith__space_release(kith_space *space)
{
    if (atomic_fetch_sub_explicit(&space->refs, 1, memory_order_acq_rel) != 1)
        return;
    space->engine->space->close(space->state);
    kith__free(space);
}

void *
kith__handle_new(size_t size)
{
    void *handle = kith__calloc(1, size);

    if (handle == NULL)
        kith__fail(KITH_ENOMEM, "This process has no memory left for one more handle.");
    return handle;
}

void
kith__handle_init(struct kith__handle *handle, kith_space *space, enum kith_kind kind,
                  const char *name, void *state)
{
    handle->state = state;
    handle->space = space;
    handle->kind = kind;
    atomic_init(&handle->refs, 1);
    memcpy(handle->name, name, strlen(name) + 1);
    kith__space_hold(space);
}

bool
kith__handle_drop(struct kith__handle *handle)
{
    return atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) == 1;
}

/* ---- Arguments ------------------------------------------------------------------------ */

kith_err
kith__fail_null(const char *function)
{
    return kith__fail(KITH_EINVAL, "%s() was given NULL for something that it needs.", function);
}

kith_err
kith__fail_timeout(const char *function, int64_t timeout_ns)
{
    return kith__fail(KITH_EINVAL,
                      "A timeout is 0, KITH_FOREVER or a positive number of nanoseconds; %s() was "
                      "given %lld.",
                      function, (long long)timeout_ns);
}

kith_err
kith__fail_name(const char *name)
{
    size_t size = strnlen(name, KITH__NAME_SIZE_MAX + 1);

    return kith__fail(KITH_EINVAL,
                      "\"%.*s\"%s is not the name of an object: a name is UTF-8, 1 to %d bytes, "
                      "without '/'.",
                      kith__utf8_ok(name, size) ? (int)size : 0, name,
                      size > KITH__NAME_SIZE_MAX ? ", and what follows it," : "",
                      KITH__NAME_SIZE_MAX);
}

kith_err
kith__options_copy(const char *function, const void *options, void *options_out, size_t size)
{
    size_t given;

    if (options == NULL)
        return KITH_OK;
    memcpy(&given, options, sizeof(given));
    if (given < sizeof(given) || given > OPTIONS_SIZE_MAX)
        return kith__fail(KITH_EINVAL,
                          "The struct_size of the options given to %s() is %zu: start them with "
                          "their initialiser.",
                          function, given);
    memcpy(options_out, options, given < size ? given : size);
    memcpy(options_out, &size, sizeof(size));
    return KITH_OK;
}

kith_err
kith__open_check(const char *function, const kith_space *space, const char *name,
                 const void *handle_out, const void *options, void *options_out, size_t size)
{
    enum kith_create create;
    kith_err err;

    if (space == NULL || name == NULL || handle_out == NULL)
        return kith__fail_null(function);
    if (!kith__name_ok(name, strnlen(name, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(name);
    err = kith__options_copy(function, options, options_out, size);
    if (err < 0)
        return err;
    memcpy(&create, (const char *)options_out + sizeof(size_t), sizeof(create));
    if ((unsigned)create > KITH_MUST_CREATE)
        return kith__fail(KITH_EINVAL, "%s() was given %d for create, which is none of its values.",
                          function, (int)create);
    return KITH_OK;
}

kith_err
kith__info_check(const char *function, const void *info_out)
{
    size_t given;

    memcpy(&given, info_out, sizeof(given));
    if (given < sizeof(given) || given > OPTIONS_SIZE_MAX)
        return kith__fail(KITH_EINVAL,
                          "The struct_size given to %s() is %zu: start the struct with its "
                          "initialiser.",
                          function, given);
    return KITH_OK;
}

void
kith__info_copy(const void *info, void *info_out, size_t size)
{
    size_t given;

    memcpy(&given, info_out, sizeof(given));
    if (given < size)
        size = given;
    memcpy((char *)info_out + sizeof(given), (const char *)info + sizeof(given),
           size - sizeof(given));
}

/* ---- Sentences ------------------------------------------------------------------------ */

const char *
kith__the_kind(enum kith_kind kind)
{
    switch (kind) {
    case KITH_KIND_DICT:
        return "The dict \"";
    case KITH_KIND_LIST:
        return "The list \"";
    case KITH_KIND_SET:
        return "The set \"";
    case KITH_KIND_NAMESPACE:
        return "The namespace \"";
    case KITH_KIND_QUEUE:
        return "The queue \"";
    case KITH_KIND_LOCK:
        return "The lock \"";
    case KITH_KIND_EVENT:
        return "The event \"";
    case KITH_KIND_VALUE:
        return "The value \"";
    case KITH_KIND_RWLOCK:
        return "The rwlock \"";
    case KITH_KIND_ARRAY:
        return "The array \"";
    case KITH_KIND_SEGMENT:
        return "The segment \"";
    case KITH_KIND_SEMAPHORE:
        return "The semaphore \"";
    case KITH_KIND_LIMITER:
        return "The limiter \"";
    case KITH_KIND_ONCE:
        return "The once \"";
    case KITH_KIND_CONDITION:
        return "The condition \"";
    case KITH_KIND_BARRIER:
        return "The barrier \"";
    default:
        return "The object \"";
    }
}

static const char *
dict_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ENOENT:
        return "\" has no such key.";
    case KITH_EEXIST:
        return "\" has that key already.";
    case KITH_EEMPTY:
        return "\" has no key.";
    case KITH_ECONFLICT:
        return "\" was changed at that key: a condition does not hold, and nothing was done.";
    case KITH_ETYPE:
        return "\" has at that key what is no number, or none that this function changes.";
    case KITH_ERANGE:
        return "\" stays as it was: the number would lie outside the range allowed.";
    default:
        return NULL;
    }
}

static const char *
set_outcome(kith_err err)
{
    return err == KITH_ENOENT   ? "\" has no such member."
           : err == KITH_EEMPTY ? "\" has no member."
                                : NULL;
}

static const char *
list_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ENOENT:
        return "\" has no such item.";
    case KITH_ERANGE:
        return "\" has no such index.";
    case KITH_EEMPTY:
        return "\" is empty.";
    case KITH_ETYPE:
        return "\" has items that have no order among each other; give a comparison.";
    case KITH_ECONFLICT:
        return "\" was changed each time while it was being sorted.";
    default:
        return NULL;
    }
}

static const char *
queue_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_EEMPTY:
        return "\" has no item ready.";
    case KITH_EFULL:
        return "\" is full.";
    case KITH_ECLOSED:
        return "\" was shut down.";
    case KITH_ETIMEDOUT:
        return "\" was waited for in vain: the time given ran out.";
    default:
        return NULL;
    }
}

static const char *
sync_outcome(enum kith_kind kind, kith_err err)
{
    if (kind == KITH_KIND_EVENT)
        return err == KITH_ETIMEDOUT ? "\" was not set in the time given." : NULL;
    switch ((int)err) {
    case KITH_ETIMEDOUT:
        return "\" was held by another all the time.";
    case KITH_EPERM:
        return "\" is not held by the calling thread.";
    case KITH_EDEADLOCK:
        return "\" is held by the calling thread already.";
    case KITH_ERANGE:
        return "\" is held by the calling thread as often as it may be.";
    default:
        return NULL;
    }
}

static const char *
value_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ECONFLICT:
        return "\" is not what was expected, and stays as it is.";
    case KITH_ERANGE:
        return "\" stays as it was: the number would lie outside the range of its type.";
    case KITH_ETIMEDOUT:
        return "\" did not change in the time given.";
    default:
        return NULL;
    }
}

static const char *
array_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ECONFLICT:
        return "\" has at that index not what was expected, and stays as it is.";
    case KITH_ERANGE:
        return "\" stays as it was: the number would lie outside the range of its type.";
    case KITH_ETIMEDOUT:
        return "\" was locked by another all the time.";
    case KITH_EPERM:
        return "\" is not locked by the calling thread.";
    case KITH_EDEADLOCK:
        return "\" is locked by the calling thread already.";
    default:
        return NULL;
    }
}

static const char *
semaphore_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ETIMEDOUT:
        return "\" had no permit in the time given.";
    case KITH_ERANGE:
        return "\" would have more permits than it may; none was given back.";
    default:
        return NULL;
    }
}

static const char *
once_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_ETIMEDOUT:
        return "\" was neither done nor given up in the time given.";
    case KITH_EDEADLOCK:
        return "\" is what the calling thread is doing: it can't wait for itself.";
    case KITH_EPERM:
        return "\" is not claimed by this process.";
    default:
        return NULL;
    }
}

static const char *
limiter_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_EEMPTY:
        return "\" has not so many tokens now.";
    case KITH_ERANGE:
        return "\" never has so many tokens: that is more than its burst.";
    case KITH_ETIMEDOUT:
        return "\" will not have so many tokens in the time given.";
    default:
        return NULL;
    }
}

const char *
kith__outcome(enum kith_kind kind, kith_err err)
{
    if (err == KITH_EGONE)
        return "\" was destroyed.";
    if (err == KITH_EINTERRUPTED)
        return "\" was waited for until a signal came.";
    if (kind == KITH_KIND_DICT)
        return dict_outcome(err);
    if (kind == KITH_KIND_NAMESPACE)
        return err == KITH_ENOENT ? "\" has no such attribute." : NULL;
    if (kind == KITH_KIND_SET)
        return set_outcome(err);
    if (kind == KITH_KIND_LIST)
        return list_outcome(err);
    if (kind == KITH_KIND_QUEUE)
        return queue_outcome(err);
    if (kind == KITH_KIND_VALUE)
        return value_outcome(err);
    if (kind == KITH_KIND_ARRAY)
        return array_outcome(err);
    if (kind == KITH_KIND_SEMAPHORE)
        return semaphore_outcome(err);
    if (kind == KITH_KIND_LIMITER)
        return limiter_outcome(err);
    if (kind == KITH_KIND_ONCE)
        return once_outcome(err);
    if (kind == KITH_KIND_BARRIER)
        return err == KITH_ETIMEDOUT ? "\" was not reached by all in the time given, and is broken."
                                     : NULL;
    return sync_outcome(kind, err);
}

kith_err
kith__fail_outcome(const struct kith__handle *handle, kith_err err, unsigned told,
                   const char *after)
{
    const char *what = after != NULL ? after : kith__outcome(handle->kind, err);

    /* A code that may also be a trouble comes with its own sentence then. */
    if (kith__told() != told &&
        (what == NULL || err == KITH_EFULL || err == KITH_EPERM || err == KITH_EDEADLOCK ||
         (err == KITH_ENOENT && kith__telling.code == KITH_ENOENT))) /* a reference to nothing */
        return err;
    if (what != NULL)
        return kith__fail_object(err, kith__the_kind(handle->kind), handle->name, what);
    return kith__fail(err, "%s%s\" failed: %s.", kith__the_kind(handle->kind), handle->name,
                      kith_strerror(err));
}
