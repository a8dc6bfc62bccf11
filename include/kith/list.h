/*
 * kith/list.h - items by their place, shared by processes.
 *
 * Getting, inserting and deleting cost the logarithm of the length anywhere, and next to nothing at
 * both ends.  Indexes are Python's: from 0, and negative ones from the end, -1 being the last.
 * Slices are too: start, stop and step, ends beyond the list are moved inside; KITH_LIST_END as
 * `stop` is the end, whatever the length.
 *
 * The name kith_list belongs to the function that lists a space, so a handle's type is spelled
 * `struct kith_list`.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_list_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call has made its change wholly or not at all.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give: KITH_EGONE,
 * the list was destroyed, and KITH_ENOMEM among them.  On every error the list is unchanged and
 * results are untouched.
 */
#ifndef KITH_LIST_H
#define KITH_LIST_H

#include <kith/item.h>
#include <kith/space.h>

#include <limits.h>

KITH_C_BEGIN

/* A handle on one list, private to the process that opened it. */
struct kith_list;

/* What a list is created with.  A field left zero takes its default. */
struct kith_list_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_LIST_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_list_options), KITH_CREATE_OR_OPEN                                      \
    }

/* As the stop of a slice: the end of the list.  As its start, with a negative step: the last item.
 */
#define KITH_LIST_END INT64_MAX
/* As the stop of a slice with a negative step: before the first item. */
#define KITH_LIST_BEGIN INT64_MIN

/* From a comparison: a and b have no order.  That ends the sorting. */
#define KITH_LIST_NO_ORDER INT_MIN

/* How kith_list_sort() sorts.  A field left zero takes its default. */
struct kith_list_sort_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    /* < 0: a stands before b; 0: as they stood; > 0: after it.  Default: the items' own order. */
    int (*compare)(struct kith_item a, struct kith_item b, void *arg);
    void *arg;       /* for compare */
    bool descending; /* the other way round; equal items still stay as they stood */
};
#define KITH_LIST_SORT_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct kith_list_sort_options), NULL, NULL, false                                   \
    }

/*
 * Opens the list `name`, creating it first, empty, if there is none; NULL options mean all
 * defaults.  Options of a list that exists already are ignored.
 *
 * On success the caller owns *list_out and gives it to kith_list_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such list, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 */
KITH_API kith_err kith_list_open(kith_space *space, const char *name,
                                 const struct kith_list_options *options,
                                 struct kith_list **list_out);

/* Gives up the handle; the list and all in it stay.  NULL is accepted. */
KITH_API void kith_list_close(struct kith_list *list);

/* ---- reading ---- */

/* How many items there are. */
KITH_API kith_err kith_list_len(struct kith_list *list, uint64_t *count_out);

/*
 * Copies the item at `index` out.  On success the caller owns what is in *item_out.
 *
 * KITH_ERANGE  there is no such index
 */
KITH_API kith_err kith_list_get(struct kith_list *list, int64_t index, struct kith_buf *item_out);

/*
 * Calls `each` with every item of a slice, as of one instant, until it returns other than 0.
 * `each` is given copies and may call anything, and change the list.
 *
 * KITH_EINVAL  `step` is 0
 */
KITH_API kith_err kith_list_get_slice(struct kith_list *list, int64_t start, int64_t stop,
                                      int64_t step, int (*each)(struct kith_item item, void *arg),
                                      void *arg);

/* As kith_list_get_slice() with every item: what changes meanwhile is not seen. */
KITH_API kith_err kith_list_each(struct kith_list *list,
                                 int (*each)(struct kith_item item, void *arg), void *arg);

/*
 * Where in the slice from `start` to `stop` the item is first, counted from the list's front.
 * Numbers are equal by their value, as in Python: 1, 1.0 and true are one; other items if their
 * types and bytes are.
 *
 * KITH_ENOENT  it is not there
 */
KITH_API kith_err kith_list_index(struct kith_list *list, struct kith_item item, int64_t start,
                                  int64_t stop, uint64_t *index_out);

/* How often the item is in the list; equal as for kith_list_index(). */
KITH_API kith_err kith_list_count(struct kith_list *list, struct kith_item item,
                                  uint64_t *count_out);

/* ---- changing ---- */

/*
 * Stores over the item at `index`.
 *
 * KITH_ERANGE  there is no such index
 */
KITH_API kith_err kith_list_set(struct kith_list *list, int64_t index, struct kith_item item);

/* Puts an item at the end. */
KITH_API kith_err kith_list_append(struct kith_list *list, struct kith_item item);

/* Puts `count` items at the end, all of them or none. */
KITH_API kith_err kith_list_extend(struct kith_list *list, const struct kith_item *items,
                                   size_t count);

/* Puts an item before the one at `index`; an index beyond the list means its end or front. */
KITH_API kith_err kith_list_insert(struct kith_list *list, int64_t index, struct kith_item item);

/*
 * Takes the item at `index` out.  On success the caller owns what is in *item_out, which may be
 * NULL.
 *
 * KITH_EEMPTY  the list is empty
 * KITH_ERANGE  there is no such index
 */
KITH_API kith_err kith_list_pop(struct kith_list *list, int64_t index, struct kith_buf *item_out);

/*
 * Takes the first that is equal to `item` out; equal as for kith_list_index().
 *
 * KITH_ENOENT  it is not there
 */
KITH_API kith_err kith_list_remove(struct kith_list *list, struct kith_item item);

/*
 * Replaces the items of a slice by `count` others, at one instant.  With a step of 1 there may be
 * more or fewer than before.
 *
 * KITH_EINVAL  `step` is 0; or it is not 1, and the slice has not `count` items
 */
KITH_API kith_err kith_list_set_slice(struct kith_list *list, int64_t start, int64_t stop,
                                      int64_t step, const struct kith_item *items, size_t count);

/*
 * Takes the items of a slice out, at one instant.
 *
 * KITH_EINVAL  `step` is 0
 */
KITH_API kith_err kith_list_delete_slice(struct kith_list *list, int64_t start, int64_t stop,
                                         int64_t step);

/* Takes all items out. */
KITH_API kith_err kith_list_clear(struct kith_list *list);

/* Turns the list round. */
KITH_API kith_err kith_list_reverse(struct kith_list *list);

/*
 * Sorts the list; NULL options mean all defaults.  Items of equal rank keep their order.  Without
 * `compare`, numbers (bool, int, float, big int) are ordered by their value, NaN after all others,
 * str by code points and bytes by bytes.
 *
 * `compare` is called with nothing held, may call anything, and gets copies.  If others changed the
 * list meanwhile it starts over, a few times.
 *
 * KITH_ETYPE      two items have no order: of different types, or of one that has none, or
 *                 `compare` gave KITH_LIST_NO_ORDER; the list is as it was
 * KITH_ECONFLICT  the list was changed each time while `compare` ran
 */
KITH_API kith_err kith_list_sort(struct kith_list *list,
                                 const struct kith_list_sort_options *options);

KITH_C_END
#endif /* KITH_LIST_H */
