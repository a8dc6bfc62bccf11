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

/* What a dict that has bounds does when something new does not fit. */
enum kith_dict_policy {
    KITH_DICT_REFUSE = 0, /* KITH_EFULL */
    KITH_DICT_FIFO = 1,   /* evicts the oldest, in the order of insertion */
    KITH_DICT_SIEVE = 2   /* evicts the oldest that was not used of late; the best for a cache */
};

/*
 * What a dict is created with.  A field left zero takes its default.
 *
 * A dict with bounds is changed under one lock, where others have many; reading takes none.
 */
struct kith_dict_options {
    size_t struct_size;           /* set by the initialiser: fields may be added */
    enum kith_create create;      /* whether it may, or must, be there; default: either */
    uint64_t max_items;           /* most keys at any instant; 0: no bound */
    uint64_t max_bytes;           /* most bytes of all keys and items together; 0: no bound */
    enum kith_dict_policy policy; /* of a dict with bounds */
};
#define KITH_DICT_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_dict_options), KITH_CREATE_OR_OPEN, 0, 0, KITH_DICT_REFUSE              \
    }

/* What kith_dict_set_with() may be told. */
struct kith_dict_set_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t ttl_ns;     /* the item expires after so long; 0: never */
};
#define KITH_DICT_SET_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(struct kith_dict_set_options), 0                                                    \
    }

/* What kith_dict_add_with() may be told. */
struct kith_add_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t init;       /* what an absent key counts as; default 0 */
    int64_t ttl_ns;     /* if the key was absent, it expires after so long; 0: never */
};
#define KITH_ADD_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(struct kith_add_options), 0, 0                                                      \
    }

/* What kith_dict_get_or_compute() may be told. */
struct kith_compute_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t ttl_ns;     /* what was computed expires after so long; 0: never */
    int64_t stale_ns;   /* so long after it expired, the old item is still served to those who
                         * would have to wait while another computes the new one; 0: not at all */
};
#define KITH_COMPUTE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct kith_compute_options), 0, 0                                                  \
    }

/* What kith_dict_info() tells. */
struct kith_dict_info {
    size_t struct_size;    /* set by the initialiser: fields may be added */
    uint64_t items;        /* keys in it */
    uint64_t shards;       /* parts that change independently; grows with the dict */
    uint64_t bytes_tables; /* memory of the tables, without the keys and items themselves */
    bool ordered;          /* iteration is in the order of insertion */
    uint64_t max_items;    /* its bounds; 0: none */
    uint64_t max_bytes;
    enum kith_dict_policy policy;
    uint64_t bytes; /* of a dict with bounds: those of all keys and items */
};
#define KITH_DICT_INFO_INIT                                                                        \
    {                                                                                              \
        sizeof(struct kith_dict_info), 0, 0, 0, false, 0, 0, KITH_DICT_REFUSE, 0                   \
    }

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

/* How many keys there are; one that has expired counts until it is purged or passed by. */
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
 * The same, of a foreign item whose bytes stand in `count` pieces: they are stored one behind the
 * other, and copied once, from where they are.
 *
 * KITH_EINVAL  no tag, or one that is too long; or a part is NULL and has a size
 */
KITH_API kith_err kith_dict_set_parts(kith_dict *dict, struct kith_item key, const char *tag,
                                      const struct kith_part *parts, size_t count);

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
KITH_API kith_err kith_dict_add(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);

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
KITH_API kith_err kith_dict_sub(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);

/* The smaller, and the larger, of the number and n; an absent key takes n. */
KITH_API kith_err kith_dict_min(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);
KITH_API kith_err kith_dict_max(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);

/* Bit by bit, in two's complement; an absent key counts as 0. */
KITH_API kith_err kith_dict_and(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);
KITH_API kith_err kith_dict_or(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);
KITH_API kith_err kith_dict_xor(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);

/*
 * Adds ns[i] to the number at keys[i], for all `count` of them or, on any error, for none.  A key
 * given twice gets both.
 */
KITH_API kith_err kith_dict_add_many(kith_dict *dict, const struct kith_item *keys,
                                     const int64_t *ns, size_t count);

/*
 * ---- a cache ----
 *
 * An item with a time to live is absent from the instant it expires on, to everybody, and its
 * memory comes back as keys are inserted, or by kith_dict_purge().  The clock goes on while the
 * machine sleeps, nobody can set it, and for dicts in files it goes on over reboots.  Setting a key
 * by any other function than these lets its item live for ever; adding to a number, and the other
 * functions of numbers, leave its time as it is.
 *
 * A dict with bounds (struct kith_dict_options) never holds more than them, at no instant.  What
 * has to make room by its policy goes in the same step in which the new item comes, and the
 * function returns KITH_EVICTED, a success; with KITH_DICT_REFUSE, and where even an empty dict
 * would be too small for the item, it is KITH_EFULL and nothing is changed.  So it is with every
 * function that sets or adds, and with transactions.  In an arena that is full, what has to go goes
 * in a step before, for its memory.  Where that is not enough, it is KITH_ENOMEM: in transactions,
 * and where the new item is larger than what went, or the table would have to grow.
 */

/* As kith_dict_set(), told more by struct kith_dict_set_options; NULL options mean all defaults. */
KITH_API kith_err kith_dict_set_with(kith_dict *dict, struct kith_item key, struct kith_item item,
                                     const struct kith_dict_set_options *options);

/*
 * How long the item of `key` has still to live: KITH_FOREVER if it does not expire.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_ttl(kith_dict *dict, struct kith_item key, int64_t *left_ns_out);

/*
 * Lets the item of `key` expire after `ttl_ns` from now, which is more than 0.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_expire(kith_dict *dict, struct kith_item key, int64_t ttl_ns);

/* Lets it live for ever.  KITH_ENOENT: no such key. */
KITH_API kith_err kith_dict_persist(kith_dict *dict, struct kith_item key);

/*
 * Begins its time to live anew, as long as it was given last, and counts as a use for eviction.
 *
 * KITH_ENOENT  no such key
 */
KITH_API kith_err kith_dict_touch(kith_dict *dict, struct kith_item key);

/*
 * As kith_dict_get(), but an item that has expired and still lies there is had, too; *stale_out
 * says whether it had expired.
 */
KITH_API kith_err kith_dict_get_stale(kith_dict *dict, struct kith_item key,
                                      struct kith_buf *item_out, bool *stale_out);

/* Deletes all that has expired; *count_out is how many keys that were. */
KITH_API kith_err kith_dict_purge(kith_dict *dict, uint64_t *count_out);

/*
 * Copies the item of `key` out; if there is none, has it computed by exactly one of all those who
 * ask, in whatever process, while the others wait for up to `timeout_ns` each.
 *
 * `compute` is called in this thread, with nothing locked, and may call anything but this function
 * for this key of this dict, which is KITH_EDEADLOCK.  It sets *item_out, to memory that lasts
 * until this function returns, and returns KITH_OK; or a negative code, which this function then
 * returns, and the next of those who wait has the turn.  So it has if the one who computes dies. An
 * item that somebody sets meanwhile wins: all get that one, and what was computed is dropped.
 *
 * `compute` has to return.  A thread that leaves it by longjmp() or an exception keeps the turn
 * until it ends, and asking again is KITH_EDEADLOCK there.
 *
 * KITH_ETIMEDOUT     another was still computing
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EFULL         computed and copied out, and the dict refused to keep it
 */
KITH_API kith_err kith_dict_get_or_compute(
    kith_dict *dict, struct kith_item key,
    kith_err (*compute)(struct kith_item key, struct kith_item *item_out, void *arg), void *arg,
    const struct kith_compute_options *options, int64_t timeout_ns, struct kith_buf *item_out);

/*
 * Changes the item of `key` by `update`, as one atomic step: it is called with the item that is
 * there, or NULL, and again if somebody changed that meanwhile.  It is called in this thread, with
 * nothing locked.  KITH_OK: what it set *item_out to, in memory that lasts until this function
 * returns or calls it again, takes its place; KITH_ENOENT: the key is deleted; any other negative
 * code is returned, and nothing was changed.  The time to live stays as it is.
 */
KITH_API kith_err kith_dict_update(kith_dict *dict, struct kith_item key,
                                   kith_err (*update)(const struct kith_item *now,
                                                      struct kith_item *item_out, void *arg),
                                   void *arg);

/*
 * Waits until the version of `key` is not `version`, as kith_dict_get_version() tells it; with 0,
 * until the key is there.  Then copies its item and version out.
 *
 * KITH_ENOENT        it was there at `version` and was deleted, or has expired
 * KITH_ETIMEDOUT     nothing changed in time
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the dict was destroyed, before or during the wait
 */
KITH_API kith_err kith_dict_wait(kith_dict *dict, struct kith_item key, uint64_t version,
                                 int64_t timeout_ns, struct kith_buf *item_out,
                                 uint64_t *version_out);

/*
 * As kith_dict_each(), for keys that are str or bytes, like `prefix`, and begin with its bytes; for
 * `limit` of them at most, 0 meaning all.
 */
KITH_API kith_err kith_dict_scan(kith_dict *dict, struct kith_item prefix, uint64_t limit,
                                 int (*each)(struct kith_item key, struct kith_item item,
                                             void *arg),
                                 void *arg);

/*
 * ---- snapshots ----
 *
 * A copy of a dict as it was at one instant, in this process's memory: it costs that memory, holds
 * up nobody, and lasts until it is released, whatever becomes of the dict and its space.  It may be
 * read by several threads.
 */
typedef struct kith_snapshot kith_snapshot;

KITH_API kith_err kith_dict_snapshot(kith_dict *dict, kith_snapshot **snapshot_out);
/* NULL is accepted. */
KITH_API void kith_snapshot_release(kith_snapshot *snapshot);
KITH_API uint64_t kith_snapshot_len(const kith_snapshot *snapshot);
/* *item_out points into the snapshot.  KITH_ENOENT: no such key. */
KITH_API kith_err kith_snapshot_get(const kith_snapshot *snapshot, struct kith_item key,
                                    struct kith_item *item_out);
/* In the order of insertion; what `each` is given points into the snapshot. */
KITH_API kith_err kith_snapshot_each(const kith_snapshot *snapshot,
                                     int (*each)(struct kith_item key, struct kith_item item,
                                                 void *arg),
                                     void *arg);

KITH_C_END
#endif /* KITH_DICT_H */
