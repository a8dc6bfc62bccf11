/*
 * kith/namespace.h - attributes by name, shared by processes.
 *
 * A namespace is a dict whose keys are str, and a kind of object of its own: opened as a dict it
 * gives KITH_ETYPE.  Attributes' names are UTF-8 without a NUL, of any length but 0.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_namespace_close()
 *          must be the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call has made its change wholly or not at all.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give: KITH_EGONE,
 * the namespace was destroyed, and KITH_ENOMEM among them.  On every error the namespace is
 * unchanged and results are untouched.
 */
#ifndef KITH_NAMESPACE_H
#define KITH_NAMESPACE_H

#include <kith/item.h>
#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one namespace, private to the process that opened it. */
typedef struct kith_namespace kith_namespace;

/* What a namespace is created with.  A field left zero takes its default. */
struct kith_namespace_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_NAMESPACE_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct kith_namespace_options), KITH_CREATE_OR_OPEN                                 \
    }

/*
 * Opens the namespace `name`, creating it first, empty, if there is none; NULL options mean all
 * defaults.  Options of one that exists already are ignored.
 *
 * On success the caller owns *namespace_out and gives it to kith_namespace_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such namespace, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 */
KITH_API kith_err kith_namespace_open(kith_space *space, const char *name,
                                      const struct kith_namespace_options *options,
                                      kith_namespace **namespace_out);

/* Gives up the handle; the namespace and all in it stay.  NULL is accepted. */
KITH_API void kith_namespace_close(kith_namespace *names);

/*
 * Copies the item of an attribute out.  On success the caller owns what is in *item_out.
 *
 * KITH_ENOENT  there is no such attribute
 * KITH_EINVAL  the name is empty or not UTF-8
 */
KITH_API kith_err kith_namespace_get(kith_namespace *names, const char *attribute,
                                     struct kith_buf *item_out);

/*
 * Sets an attribute, new or not.
 *
 * KITH_EINVAL  the name is empty or not UTF-8, or the item is none
 */
KITH_API kith_err kith_namespace_set(kith_namespace *names, const char *attribute,
                                     struct kith_item item);

/*
 * Deletes an attribute.
 *
 * KITH_ENOENT  there is no such attribute
 * KITH_EINVAL  the name is empty or not UTF-8
 */
KITH_API kith_err kith_namespace_delete(kith_namespace *names, const char *attribute);

/*
 * Calls `each` with the name of every attribute, as of one instant, in the order in which they were
 * first set, until it returns other than 0.  The name is good for the length of the call, which may
 * call anything.
 */
KITH_API kith_err kith_namespace_names(kith_namespace *names,
                                       int (*each)(const char *attribute, void *arg), void *arg);

KITH_C_END
#endif /* KITH_NAMESPACE_H */
