/*
 * kith/dict.h - keys and items shared by processes.
 *
 * Keys are compared as Python compares them (kith/item.h), items are anything that can be stored.
 * Every function is atomic and isolated, those on many keys too: others see all of it or nothing.
 * Readers take no lock and wait for nobody.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_dict_close() must be
 *          the last call on its handle.
 * Fork     A forked child may go on with the handle, which is then its own.
 * Death    A process killed inside a call leaves the dict usable, and the call happened wholly or
 *          not at all.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.  On every
 * error the dict is unchanged and results are untouched, unless the function says otherwise.
 * KITH_EINVAL is what a key gets that cannot be one, and an item that is malformed.
 */
#ifndef KITH_DICT_H
#define KITH_DICT_H

#include <kith/item.h>
#include <kith/space.h>
#include <kith/view.h>

KITH_C_BEGIN

/* A handle on one dict, private to the process that opened it. */
typedef struct kith_dict kith_dict;

/* What a dict is created with.  A field left zero takes its default. */
struct kith_dict_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
};
#define KITH_DICT_OPTIONS_INIT { sizeof(struct kith_dict_options), KITH_CREATE_OR_OPEN }

/* What kith_dict_add_with() may be told. */
struct kith_add_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t init;       /* what an absent key counts as; default 0 */
};
#define KITH_ADD_OPTIONS_INIT { sizeof(struct kith_add_options), 0 }

/* What kith_dict_info() tells. */
struct kith_dict_info {
    size_t struct_size;    /* set by the initialiser: fields may be added */
    uint64_t items;        /* keys in it */
    uint64_t shards;       /* parts that change independently; grows with the dict */
    uint64_t bytes_tables; /* memory of the tables, without the keys and items themselves */
    bool ordered;          /* iteration is in the order of insertion */
};
#define KITH_DICT_INFO_INIT { sizeof(struct kith_dict_info), 0, 0, 0, false }

/*
 * Opens the dict `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a dict that exists already are ignored.
 *
 * On success the caller owns *dict_out and gives it to kith_dict_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such dict, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name` is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_dict_open(kith_space *space, const char *name,
                                 const struct kith_dict_options *options, kith_dict **dict_out);

/* Gives up the handle; the dict and all in it stay.  NULL is accepted. */
KITH_API void kith_dict_close(kith_dict *dict);

/* ---- reading ---- */

/*
 * Copies the item of `key` out.  On success the caller owns what is in *item_out.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_get(kith_dict *dict, struct kith_item key, struct kith_buf *item_out);

/*
 * Copies the data of `key`, a str or bytes, into the caller's own `capacity` bytes at `data`, and
 * its size to *size_out.  No NUL is added.
 *
 * KITH_ENOENT   no such key
 * KITH_ETYPE    the item is neither str nor bytes
 * KITH_ETOOBIG  it has more than `capacity` bytes; *size_out says how many, and no data was written
 */
KITH_API kith_err kith_dict_get_into(kith_dict *dict, struct kith_item key, void *data,
                                     size_t capacity, size_t *size_out);

/*
 * As kith_dict_get(), and sets *version_out to the entry's version: a number that no other state
 * of this key ever had or will have, so that kith_dict_cas_version() can tell any change.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_get_version(kith_dict *dict, struct kith_item key,
                                        struct kith_buf *item_out, uint64_t *version_out);

/*
 * Copies `count` items out, as they were together at one instant: items_out[i] is the item of
 * keys[i].  The items of absent keys have type KITH_TYPE_NONE and the tag kith_absent.  The caller
 * owns what is in the buffers, and all of them are set if the result is one of these two:
 *
 * KITH_OK      every key was found
 * KITH_ENOENT  one key or more was absent
 */
KITH_API kith_err kith_dict_get_many(kith_dict *dict, const struct kith_item *keys, size_t count,
                                     struct kith_buf *items_out);

/*
 * Looks at the item of `key` where it is: see kith/view.h.  On success the caller owns *view_out
 * and gives it to kith_view_release().
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_view(kith_dict *dict, struct kith_item key, kith_view **view_out);

/* KITH_OK if the key is there, KITH_ENOENT if not. */
KITH_API kith_err kith_dict_has(kith_dict *dict, struct kith_item key);

/* How many keys there are. */
KITH_API kith_err kith_dict_len(kith_dict *dict, uint64_t *count_out);

/*
 * Calls `each` for every key and item, as they were together at one instant.  They are borrowed:
 * good until `each` returns.  A non-zero return stops, and is no error.  `each` is called on a
 * copy, with nothing locked, and may call anything, on this dict too.
 */
KITH_API kith_err kith_dict_each(kith_dict *dict,
                                 int (*each)(struct kith_item key, struct kith_item item,
                                             void *arg),
                                 void *arg);

/* As kith_dict_each(), without the items. */
KITH_API kith_err kith_dict_keys(kith_dict *dict, int (*each)(struct kith_item key, void *arg),
                                 void *arg);

/* Fills *info_out, whose struct_size the initialiser KITH_DICT_INFO_INIT has set. */
KITH_API kith_err kith_dict_info(kith_dict *dict, struct kith_dict_info *info_out);

/* ---- setting ---- */

/*
 * Sets the item of `key`, whether it was there or not.
 *
 * KITH_ENOMEM   the arena has no room for it
 * KITH_ETOOBIG  the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_set(kith_dict *dict, struct kith_item key, struct kith_item item);

/*
 * Sets the item of `key` if there was none.
 *
 * KITH_EEXIST   the key is present
 * KITH_ENOMEM   the arena has no room for it
 * KITH_ETOOBIG  the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_insert(kith_dict *dict, struct kith_item key, struct kith_item item);

/*
 * Sets the item of `key` if there was one.
 *
 * KITH_ENOENT   the key is absent
 * KITH_ENOMEM   the arena has no room for it
 * KITH_ETOOBIG  the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_replace(kith_dict *dict, struct kith_item key, struct kith_item item);

/*
 * Sets `item` if the key is absent, and in any case copies out what is there now.  The caller owns
 * what is in *now_out.
 *
 * KITH_ENOMEM   the arena has no room for it
 * KITH_ETOOBIG  the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_setdefault(kith_dict *dict, struct kith_item key, struct kith_item item,
                                       struct kith_buf *now_out);

/*
 * Sets the item of `key` and copies out the one it had.  If the key was absent that is none with
 * the tag kith_absent.  The caller owns what is in *old_out.
 *
 * KITH_ENOMEM   the arena has no room for it
 * KITH_ETOOBIG  the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_swap(kith_dict *dict, struct kith_item key, struct kith_item item,
                                 struct kith_buf *old_out);

/*
 * Sets the item of `key` if the one it has equals `expected` in type, bytes and tag.
 *
 * KITH_ECONFLICT  it has another one, or the key is absent
 * KITH_ENOMEM     the arena has no room for it
 * KITH_ETOOBIG    the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_cas(kith_dict *dict, struct kith_item key, struct kith_item expected,
                                struct kith_item item);

/*
 * Sets the item of `key` if its version is the one that kith_dict_get_version() gave.
 *
 * KITH_ECONFLICT  the key was changed since, or is absent
 * KITH_ENOMEM     the arena has no room for it
 * KITH_ETOOBIG    the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_cas_version(kith_dict *dict, struct kith_item key, uint64_t version,
                                        struct kith_item item);

/*
 * Sets items[i] at keys[i], for all `count` of them or for none.  Of a key given twice the later
 * item stays.
 *
 * KITH_ENOMEM   the arena has no room for them
 * KITH_ETOOBIG  an item is larger than the arena could ever hold
 */
KITH_API kith_err kith_dict_set_many(kith_dict *dict, const struct kith_item *keys,
                                     const struct kith_item *items, size_t count);

/* ---- deleting ---- */

/*
 * Deletes `key` and its item.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_delete(kith_dict *dict, struct kith_item key);

/*
 * Deletes `key` if its item equals `expected` in type, bytes and tag.
 *
 * KITH_ECONFLICT  it has another one, or the key is absent
 */
KITH_API kith_err kith_dict_delete_if(kith_dict *dict, struct kith_item key,
                                      struct kith_item expected);

/* Deletes those of the `count` keys that are there; *deleted_out is how many were. */
KITH_API kith_err kith_dict_delete_many(kith_dict *dict, const struct kith_item *keys, size_t count,
                                        uint64_t *deleted_out);

/*
 * Deletes `key` and copies its item out; the caller owns what is in *item_out.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_pop(kith_dict *dict, struct kith_item key, struct kith_buf *item_out);

/*
 * Deletes one key, the newest first, and copies it and its item out; the caller owns what is in
 * both buffers.
 *
 * KITH_EEMPTY  the dict has no key
 */
KITH_API kith_err kith_dict_popitem(kith_dict *dict, struct kith_buf *key_out,
                                    struct kith_buf *item_out);

/* Deletes every key, all at one instant. */
KITH_API kith_err kith_dict_clear(kith_dict *dict);

/*
 * ---- numbers ----
 *
 * Each changes the number at `key` in one step and sets *now_out to the new one.  A bool counts as
 * the int that it is in Python.  All may give
 *
 * KITH_ETYPE   the item is no number, or is a float and the function is one for ints
 * KITH_ERANGE  the number, or the result, does not fit an int64_t
 * KITH_ENOMEM  the key is absent, and the arena has no room for it
 */

/* Adds n; an absent key counts as 0. */
KITH_API kith_err kith_dict_add(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);

/* Adds n as a float; an absent key counts as 0.0, and an int becomes the float sum. */
KITH_API kith_err kith_dict_add_float(kith_dict *dict, struct kith_item key, double n,
                                      double *now_out);

/* As kith_dict_add(), told more by struct kith_add_options; NULL options mean all defaults. */
KITH_API kith_err kith_dict_add_with(kith_dict *dict, struct kith_item key, int64_t n,
                                     const struct kith_add_options *options, int64_t *now_out);

/*
 * Adds n unless the result would pass `limit`, which is then KITH_ERANGE: with n > 0 the result is
 * at most `limit`, with n < 0 it is at least `limit`.  An absent key counts as 0.
 */
KITH_API kith_err kith_dict_add_limit(kith_dict *dict, struct kith_item key, int64_t n,
                                      int64_t limit, int64_t *now_out);

/* Takes n away; an absent key counts as 0. */
KITH_API kith_err kith_dict_sub(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);

/* The smaller, and the larger, of the number and n; an absent key takes n. */
KITH_API kith_err kith_dict_min(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);
KITH_API kith_err kith_dict_max(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);

/* Bit by bit, in two's complement; an absent key counts as 0. */
KITH_API kith_err kith_dict_and(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);
KITH_API kith_err kith_dict_or(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);
KITH_API kith_err kith_dict_xor(kith_dict *dict, struct kith_item key, int64_t n,
                                int64_t *now_out);

/*
 * Adds ns[i] to the number at keys[i], for all `count` of them or, on any error, for none.  A key
 * given twice gets both.
 */
KITH_API kith_err kith_dict_add_many(kith_dict *dict, const struct kith_item *keys,
                                     const int64_t *ns, size_t count);

KITH_C_END
#endif /* KITH_DICT_H */
