/*
 * kith/set.h - a set of keys shared by processes.
 *
 * What can be a key of a dict can be a member: none, bool, int, float, str, bytes and tuples of
 * these, equal as Python has it: 1, 1.0 and true are one.  A set keeps the order of insertion.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_set_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call has made its change wholly or not at all.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give: KITH_EGONE,
 * the set was destroyed, KITH_ENOMEM, and KITH_EINVAL, an item cannot be a member, among them.  On
 * every error the set is unchanged and results are untouched.
 */
#ifndef KITH_SET_H
#define KITH_SET_H

#include <kith/item.h>
#include <kith/space.h>

KITH_C_BEGIN

/* A handle on one set, private to the process that opened it. */
typedef struct kith_set kith_set;

/* What a set is created with.  A field left zero takes its default. */
struct kith_set_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_SET_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(struct kith_set_options), KITH_CREATE_OR_OPEN                                       \
    }

/*
 * Opens the set `name`, creating it first, empty, if there is none; NULL options mean all defaults.
 * Options of a set that exists already are ignored.
 *
 * On success the caller owns *set_out and gives it to kith_set_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such set, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 */
KITH_API kith_err kith_set_open(kith_space *space, const char *name,
                                const struct kith_set_options *options, kith_set **set_out);

/* Gives up the handle; the set and all in it stay.  NULL is accepted. */
KITH_API void kith_set_close(kith_set *set);

/* ---- one member ---- */

/* Puts a member in; one that is there stays as it is. */
KITH_API kith_err kith_set_add(kith_set *set, struct kith_item member);

/* Takes a member out; one that is not there is no matter. */
KITH_API kith_err kith_set_discard(kith_set *set, struct kith_item member);

/*
 * Takes a member out.
 *
 * KITH_ENOENT  it is not there
 */
KITH_API kith_err kith_set_remove(kith_set *set, struct kith_item member);

/* KITH_OK if the member is there, KITH_ENOENT if not. */
KITH_API kith_err kith_set_has(kith_set *set, struct kith_item member);

/*
 * Takes the member that was put in last out.  On success the caller owns what is in *member_out,
 * which may be NULL.
 *
 * KITH_EEMPTY  there is none
 */
KITH_API kith_err kith_set_pop(kith_set *set, struct kith_buf *member_out);

/* ---- the whole ---- */

/* How many members there are. */
KITH_API kith_err kith_set_len(kith_set *set, uint64_t *count_out);

/* Takes all members out. */
KITH_API kith_err kith_set_clear(kith_set *set);

/* Puts `count` members in, all at one instant. */
KITH_API kith_err kith_set_update(kith_set *set, const struct kith_item *members, size_t count);

/*
 * Calls `each` with every member, as of one instant, in the order of insertion, until it returns
 * other than 0.  `each` is given copies and may call anything, and change the set.
 */
KITH_API kith_err kith_set_each(kith_set *set, int (*each)(struct kith_item member, void *arg),
                                void *arg);

/*
 * As kith_set_each() with what is in either set, in both, in `set` and not in `other`.  Each of the
 * two is taken as of one instant of its own.  They may be of different spaces, or the same set.
 * The order is that of `set`, then of `other`.
 */
KITH_API kith_err kith_set_union(kith_set *set, kith_set *other,
                                 int (*each)(struct kith_item member, void *arg), void *arg);
KITH_API kith_err kith_set_intersection(kith_set *set, kith_set *other,
                                        int (*each)(struct kith_item member, void *arg), void *arg);
KITH_API kith_err kith_set_difference(kith_set *set, kith_set *other,
                                      int (*each)(struct kith_item member, void *arg), void *arg);

KITH_C_END
#endif /* KITH_SET_H */
