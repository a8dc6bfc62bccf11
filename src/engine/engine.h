/*
 * engine.h - the contract between the object layer and an engine.
 *
 * One struct of operations for each type; `state` is what the engine made when the object was
 * opened.  For every operation, unless it says otherwise:
 *
 * Before  Arguments are checked: nothing is NULL but what may be (results; options), names are
 *         names, items going in are items.  Keys are not: the engine refuses, with KITH_EINVAL,
 *         those that cannot be one.  A deadline is absolute, KITH__NO_WAIT or KITH__NO_DEADLINE.
 * During  Called with no lock held, from any thread; may block for as long as the deadline says,
 *         without one only for what other threads are doing.  Must not call into src/object/.
 * Errors  Nothing was changed, and results are untouched as far as a buffer's memory can be; on
 *         a time-out nothing was taken, not even for an instant.  Outcomes that lie in the
 *         object's state (KITH_ENOENT, KITH_EEXIST, KITH_EEMPTY, KITH_EFULL, KITH_ETIMEDOUT,
 *         KITH_ECLOSED, KITH_ECONFLICT, KITH_ETYPE, KITH_ERANGE, KITH_EGONE, KITH_EDEADLOCK,
 *         KITH_EINTERRUPTED, and KITH_EPERM of what is another's) need no sentence: the object
 *         layer, which knows the name, makes it.  All others come with one.
 */
#ifndef KITH__ENGINE_H
#define KITH__ENGINE_H

#include <kith/array.h>
#include <kith/barrier.h>
#include <kith/condition.h>
#include <kith/dict.h>
#include <kith/event.h>
#include <kith/inspect.h>
#include <kith/limiter.h>
#include <kith/list.h>
#include <kith/lock.h>
#include <kith/once.h>
#include <kith/queue.h>
#include <kith/rwlock.h>
#include <kith/segment.h>
#include <kith/semaphore.h>
#include <kith/value.h>

#include "base/address.h"
#include "base/scalar.h"
#include "base/utf8.h"

/* ---- Spaces --------------------------------------------------------------------------- */

struct kith__space_ops {
    /* The address and its options are copied if they are kept. */
    kith_err (*open)(const struct kith__address *address, void **space_out);
    /*
     * The user closed the space while handles are open: gives back what this process holds in it.
     * Only closing follows.
     */
    void (*leave)(void *space);
    /* The space and all handles were closed: gives back what is left, and frees the state. */
    void (*close)(void *space);
    kith_err (*destroy)(void *space, const char *name);
    /* Sorted by name, as of one instant; `each` may call anything. */
    kith_err (*list)(void *space, int (*each)(const struct kith_info *info, void *arg), void *arg);
    /* Sets every field but struct_size. */
    kith_err (*stat)(void *space, struct kith_stat *stat_out);
    /* `each` may be NULL.  On KITH_ECORRUPT the report is set as well. */
    kith_err (*check)(void *space, int (*each)(const char *sentence, void *arg), void *arg,
                      struct kith_report *report_out);
    kith_err (*gc)(void *space, struct kith_report *report_out);
    /*
     * Between two calls, the second with `begins` false, the calling thread may store references to
     * objects that are made later.  What it stored leads to them after the second.
     */
    kith_err (*loading)(void *space, bool begins);
    /* KITH_ENOENT: no `from`; KITH_EEXIST: there is a `to`. */
    kith_err (*rename)(void *space, const char *from, const char *to);
    /* A descriptor by which another process opens the same space; the caller closes it. */
    kith_err (*share)(void *space, int *fd_out);
    /* Of no open space: opens what share() gave, here or elsewhere; `fd` stays the caller's. */
    kith_err (*open_fd)(int fd, const struct kith_options *options, void **space_out);
    /*
     * Keeps all others out, and makes an empty space beside this one, to be filled and then to
     * take its place; KITH_EUNAVAILABLE: others are in it.  rebuilt() ends that: with `keep` the
     * new one stands under the old address from then on, and this one is memory without a name;
     * else all is as before.  Closing both follows.
     */
    kith_err (*rebuild)(void *space, void **fresh_out);
    kith_err (*rebuilt)(void *space, void *fresh, bool keep);
    /* Between the two: what can be had of the names.  *lost_out: how many could not. */
    kith_err (*rescue)(void *space, int (*each)(const char *name, enum kith_kind kind, void *arg),
                       void *arg, uint64_t *lost_out);
    /* Of no open space. */
    kith_err (*remove)(const struct kith__address *address);
    kith_err (*spaces)(int (*each)(const struct kith_space_info *info, void *arg), void *arg);
};

/* ---- Views ---------------------------------------------------------------------------- */

/* An item held readable: a copy, or pinned where it is. */
struct kith__view {
    struct kith_item item;
    struct kith_buf copy;            /* freed by the object layer */
    uint64_t pin, at;                /* the engine's own */
    bool pinned;                     /* release() is due */
    bool writable;                   /* the memory that others see */
    uint64_t staged, holder;         /* the engine's own; staged: not 0 till it is published */
    char tag[KITH_TAG_SIZE_MAX + 1]; /* of a pinned item */
};

struct kith__view_ops {
    /* Called for a pinned view, once in each process that has it, maybe after leave(). */
    void (*release)(void *space, struct kith__view *view);
};

/* ---- Dicts ---------------------------------------------------------------------------- */

/* What is done to one key, and when.  `item` is set, in all but the deletions. */
enum kith__edit_what {
    KITH__EDIT_INSERT,        /* KITH_EEXIST: the key is there */
    KITH__EDIT_REPLACE,       /* KITH_ENOENT: it is not */
    KITH__EDIT_SETDEFAULT,    /* only if it is not there */
    KITH__EDIT_SWAP,          /* in any case: a set that tells what was there */
    KITH__EDIT_CAS,           /* KITH_ECONFLICT: its item is not `expected` */
    KITH__EDIT_CAS_VERSION,   /* KITH_ECONFLICT: its version is not `version` */
    KITH__EDIT_DELETE,        /* KITH_ENOENT: it is not there */
    KITH__EDIT_DELETE_IF,     /* KITH_ECONFLICT: its item is not `expected` */
    KITH__EDIT_DELETE_VERSION /* KITH_ECONFLICT: its version is not `version` */
};
struct kith__edit {
    enum kith__edit_what what;
    const struct kith_item *item;
    const struct kith_item *expected;
    uint64_t version;
    int64_t ttl_ns;       /* 0: the item does not expire; KITH__EDIT_KEEP_TTL: as it was */
    struct kith_buf *out; /* NULL, or gets the old item; of SETDEFAULT the one now there */
};
#define KITH__EDIT_KEEP_TTL INT64_C(-1)

/* What is done to a number; an absent key counts as `init`, for MIN and MAX as n. */
enum kith__sum_what {
    KITH__SUM_ADD,
    KITH__SUM_ADD_LIMIT, /* KITH_ERANGE: the result would pass `limit` in the direction of n */
    KITH__SUM_SUB,
    KITH__SUM_MIN,
    KITH__SUM_MAX,
    KITH__SUM_AND,
    KITH__SUM_OR,
    KITH__SUM_XOR
};
struct kith__sum {
    enum kith__sum_what what;
    int64_t n, init, limit;
    int64_t ttl_ns; /* of a key that was absent; 0: it does not expire */
};

enum kith__life_what { KITH__LIFE_EXPIRE, KITH__LIFE_PERSIST, KITH__LIFE_TOUCH };

enum kith__many_what { KITH__MANY_SET, KITH__MANY_DELETE, KITH__MANY_ADD };

/* An entry of a dict, for dumps. */
struct kith__pair {
    struct kith_item key, item;
    int64_t left_ns; /* it has still to live; 0: it does not expire */
};

struct kith__dict_ops {
    /* KITH_ENOENT, KITH_EEXIST, KITH_ETYPE: with a sentence. */
    kith_err (*open)(void *space, const char *name, const struct kith_dict_options *options,
                     void **dict_out);
    /* As a KITH_KIND_SET or KITH_KIND_NAMESPACE, which all operations below are for, too. */
    kith_err (*open_as)(void *space, const char *name, enum kith_kind kind,
                        const struct kith_dict_options *options, void **dict_out);
    void (*close)(void *dict);
    /* item_out and version_out may be NULL. */
    kith_err (*get)(void *dict, const struct kith_item *key, struct kith_buf *item_out,
                    uint64_t *version_out);
    kith_err (*has)(void *dict, const struct kith_item *key);
    kith_err (*set)(void *dict, const struct kith_item *key, const struct kith_item *item);
    kith_err (*add)(void *dict, const struct kith_item *key, int64_t n, int64_t *now_out);
    /* On KITH_ETOOBIG *size_out is set. */
    kith_err (*get_into)(void *dict, const struct kith_item *key, void *data, size_t capacity,
                         size_t *size_out);
    /* All of items_out is set on KITH_OK and KITH_ENOENT. */
    kith_err (*get_many)(void *dict, const struct kith_item *keys, size_t count,
                         struct kith_buf *items_out);
    kith_err (*view)(void *dict, const struct kith_item *key, struct kith__view *view_out);
    kith_err (*len)(void *dict, uint64_t *count_out);
    /* On a copy, with nothing locked; `items` false: the items given are none. */
    kith_err (*each)(void *dict, bool items,
                     int (*each)(struct kith_item key, struct kith_item item, void *arg),
                     void *arg);
    /*
     * As each(), for dumps.  `rescue`: between rebuild() and rebuilt(), what can be had of a broken
     * dict; *lost_out, how many entries could not, is set then alone.
     */
    kith_err (*copy)(void *dict, bool rescue, int (*each)(const struct kith__pair *pair, void *arg),
                     void *arg, uint64_t *lost_out);
    /* Sets every field but struct_size. */
    kith_err (*info)(void *dict, struct kith_dict_info *info_out);
    kith_err (*edit)(void *dict, const struct kith_item *key, const struct kith__edit *edit);
    kith_err (*popitem)(void *dict, struct kith_buf *key_out, struct kith_buf *item_out);
    kith_err (*clear)(void *dict);
    kith_err (*sum)(void *dict, const struct kith_item *key, const struct kith__sum *sum,
                    int64_t *now_out);
    kith_err (*add_float)(void *dict, const struct kith_item *key, double n, double *now_out);
    /* All or none; `items` of SET, `ns` of ADD.  *done_out: keys that DELETE found. */
    kith_err (*many)(void *dict, enum kith__many_what what, const struct kith_item *keys,
                     const struct kith_item *items, const int64_t *ns, size_t count,
                     uint64_t *done_out);
    /* What has expired, too; *expires_in_out: how long it has still to live, 0 or less if it has
     * expired, INT64_MAX if it does not.  Either result may be NULL. */
    kith_err (*get_stale)(void *dict, const struct kith_item *key, struct kith_buf *item_out,
                          int64_t *expires_in_out);
    kith_err (*life)(void *dict, const struct kith_item *key, enum kith__life_what what,
                     int64_t ttl_ns);
    kith_err (*purge)(void *dict, uint64_t *count_out);
    /* Until the key's version is not `version`, 0 being that of an absent one.  KITH_ENOENT: it is
     * absent, and was not. */
    kith_err (*wait)(void *dict, const struct kith_item *key, uint64_t version, int64_t deadline_ns,
                     struct kith_buf *item_out, uint64_t *version_out);
    /*
     * The key was looked for in vain.  *mine_out: the caller computes it, and then ends its flight.
     * Not: another did, and may be done.  KITH_ETIMEDOUT: another does.  KITH_EDEADLOCK: the caller
     * does so already.
     */
    kith_err (*flight_begin)(void *dict, const struct kith_item *key, int64_t deadline_ns,
                             bool *mine_out);
    kith_err (*flight_end)(void *dict, const struct kith_item *key);
    kith_err (*poll_fd)(void *dict, int *fd_out);
};

/* ---- Queues --------------------------------------------------------------------------- */

struct kith__lease {
    uint64_t node, fence, owner; /* the engine's own */
    uint32_t attempts;           /* before this one */
};

/* An item as it waits in a queue, for dumps. */
struct kith__dump_item {
    struct kith_item item;
    uint32_t attempts; /* how often it was lent */
    int64_t priority;
    int64_t delay_ns; /* until it is ready */
};
/* What a queue is besides its items, for dumps. */
struct kith__dump_queue {
    uint64_t capacity;
    uint32_t attempts_max;
    bool joinable, lending, closed;
    char dead_letter[256]; /* "": none, or one that was destroyed */
    uint64_t lost;         /* of a rescue: items that could not be had */
};
#define KITH__DUMP_BATCH 64u

struct kith__queue_ops {
    /* The options are whole; their dead_letter is NULL or a name, and not this one. */
    kith_err (*open)(void *space, const char *name, const struct kith_queue_options *options,
                     void **queue_out);
    void (*close)(void *queue);
    kith_err (*put)(void *queue, const struct kith_item *item, int64_t deadline_ns);
    /* The options are whole, and in range. */
    kith_err (*put_with)(void *queue, const struct kith_item *item,
                         const struct kith_put_options *options, int64_t deadline_ns);
    /* *put_out is set whatever the result. */
    kith_err (*put_many)(void *queue, const struct kith_item *items, size_t count,
                         int64_t deadline_ns, size_t *put_out);
    /* Takes up to `count` of the oldest, waiting for the first; items_out may be NULL. */
    kith_err (*get)(void *queue, size_t count, int64_t deadline_ns, struct kith_buf *items_out,
                    size_t *got_out);
    kith_err (*get_view)(void *queue, int64_t deadline_ns, struct kith__view *view_out);
    kith_err (*peek)(void *queue, struct kith_buf *item_out);
    /* limit_ns: KITH_FOREVER or positive, as for extend. */
    kith_err (*lease)(void *queue, int64_t limit_ns, int64_t deadline_ns, struct kith_buf *item_out,
                      struct kith__lease *lease_out);
    /* KITH_EPERM as ours(), KITH_EGONE: lost. */
    kith_err (*extend)(void *queue, const struct kith__lease *lease, int64_t limit_ns);
    /* KITH_EPERM: not this process's. */
    kith_err (*ours)(void *queue, const struct kith__lease *lease);
    /* `done`: the item is gone; else it goes back.  KITH_EPERM as ours(), KITH_EGONE: lost. */
    kith_err (*end_lease)(void *queue, const struct kith__lease *lease, bool done);
    /* Sets every field but struct_size. */
    kith_err (*info)(void *queue, struct kith_queue_info *info_out);
    /*
     * Calls `each` for every item, ready or leased, in the order in which they would be got, as of
     * one instant, on a copy with nothing locked.  *queue_out is set before.  `rescue`: between
     * rebuild() and rebuilt(), what can be had of a broken queue.
     */
    kith_err (*copy)(void *queue, bool rescue, struct kith__dump_queue *queue_out,
                     int (*each)(const struct kith__dump_item *item, void *arg), void *arg);
    /* Puts up to KITH__DUMP_BATCH such items in, all or none, without waiting. */
    kith_err (*restore)(void *queue, const struct kith__dump_item *items, size_t count);
    /* KITH_EINVAL, without a sentence: more were reported than got. */
    kith_err (*task_done)(void *queue);
    kith_err (*join)(void *queue, int64_t deadline_ns);
    kith_err (*shutdown)(void *queue);
    /* Arms the descriptor; it is the state's own. */
    kith_err (*poll_fd)(void *queue, int *fd_out);
    kith_err (*poll_room_fd)(void *queue, int *fd_out);
};

/* ---- Locks, rwlocks and events -----------------------------------------------------------------
 */
/* ---- Lists ---------------------------------------------------------------------------- */

struct kith__list_ops {
    kith_err (*open)(void *space, const char *name, enum kith_create create, void **list_out);
    void (*close)(void *list);
    kith_err (*len)(void *list, uint64_t *count_out);
    /* Outcomes: KITH_ERANGE, no such index; KITH_ENOENT, no such item; KITH_EEMPTY. */
    kith_err (*get)(void *list, int64_t index, struct kith_buf *item_out);
    /* On a copy, with nothing locked; `step` is not 0, here and below. */
    kith_err (*each)(void *list, int64_t start, int64_t stop, int64_t step,
                     int (*each)(struct kith_item item, void *arg), void *arg);
    kith_err (*index)(void *list, const struct kith_item *item, int64_t start, int64_t stop,
                      uint64_t *index_out);
    kith_err (*count)(void *list, const struct kith_item *item, uint64_t *count_out);
    kith_err (*append)(void *list, const struct kith_item *item);
    kith_err (*set)(void *list, int64_t index, const struct kith_item *item);
    kith_err (*pop)(void *list, int64_t index, struct kith_buf *item_out);
    kith_err (*remove)(void *list, const struct kith_item *item);
    /* Replaces a slice.  KITH_EINVAL, with a sentence: its step is not 1, and the count differs. */
    kith_err (*splice)(void *list, int64_t start, int64_t stop, int64_t step,
                       const struct kith_item *items, size_t count);
    kith_err (*delete_slice)(void *list, int64_t start, int64_t stop, int64_t step);
    kith_err (*clear)(void *list);
    kith_err (*reverse)(void *list);
    /* The options are whole. */
    kith_err (*sort)(void *list, const struct kith_list_sort_options *options);
};

/* ---- Locks and events ----------------------------------------------------------------- */

struct kith__lock_ops {
    /* The options are whole, and none excludes another.  A rwlock is opened as well. */
    kith_err (*open)(void *space, const char *name, const struct kith_lock_options *options,
                     void **lock_out);
    void (*close)(void *lock);
    /* KITH_OWNER_DIED is a success.  KITH_EDEADLOCK has a sentence if it is a circle. */
    kith_err (*acquire)(void *lock, int64_t deadline_ns);
    kith_err (*release)(void *lock);
    kith_err (*owner)(void *lock, struct kith_owner *owner_out);
    kith_err (*locked)(void *lock, bool *locked_out);
    /* What it was made with, for dumps; sets every field but struct_size and create. */
    kith_err (*made_with)(void *lock, struct kith_lock_options *options_out);
    kith_err (*parties)(void *lock, int (*each)(const struct kith_party *party, void *arg),
                        void *arg);
    kith_err (*poll_fd)(void *lock, int *fd_out);
};

struct kith__rwlock_ops {
    /* The options are whole.  A lock that was made shareable is opened as well. */
    kith_err (*open)(void *space, const char *name, const struct kith_rwlock_options *options,
                     void **rwlock_out);
    void (*close)(void *rwlock);
    /* KITH_OWNER_DIED is a success.  KITH_EDEADLOCK has a sentence if it is a circle. */
    kith_err (*acquire)(void *rwlock, int64_t deadline_ns);
    kith_err (*acquire_shared)(void *rwlock, int64_t deadline_ns);
    kith_err (*release)(void *rwlock); /* however it was acquired */
    kith_err (*owner)(void *rwlock, struct kith_owner *owner_out);
    kith_err (*locked)(void *rwlock, bool *locked_out);
};

struct kith__event_ops {
    kith_err (*open)(void *space, const char *name, enum kith_create create, void **event_out);
    void (*close)(void *event);
    kith_err (*set)(void *event);
    kith_err (*clear)(void *event);
    kith_err (*is_set)(void *event, bool *set_out);
    kith_err (*wait)(void *event, int64_t deadline_ns);
    kith_err (*poll_fd)(void *event, int *fd_out);
};

/* What a semaphore has been through, as far as a dump can tell; of one that is as new: zero. */
struct kith__permits {
    uint32_t more; /* permits to be had besides those that it was made with; or */
    uint32_t gone; /* of an unowned one: of these, taken by processes that left */
};

struct kith__semaphore_ops {
    /* The options are whole; `permits` may be NULL: it is new. */
    kith_err (*open)(void *space, const char *name, const struct kith_semaphore_options *options,
                     const struct kith__permits *permits, void **semaphore_out);
    void (*close)(void *semaphore);
    kith_err (*acquire)(void *semaphore, int64_t deadline_ns);
    kith_err (*release)(void *semaphore, uint32_t n);
    kith_err (*value)(void *semaphore, uint32_t *value_out);
    /*
     * Sets every field of the options but struct_size and create, and, for dumps, *permits_out to
     * what is to be had once all who live have ended.
     */
    kith_err (*made_with)(void *semaphore, struct kith_semaphore_options *options_out,
                          struct kith__permits *permits_out);
    kith_err (*poll_fd)(void *semaphore, int *fd_out);
};

enum kith__break {
    KITH__BREAK_ABORT = 1,
    KITH__BREAK_RESET, /* under those who waited */
    KITH__BREAK_TIMEOUT,
    KITH__BREAK_INTERRUPTED,
    KITH__BREAK_DEATH,
    KITH__BREAK_ACTION
};
struct kith__meeting {
    kith_err (*action)(void *arg); /* run by the last to arrive; may be NULL */
    void *arg;
    uint32_t index;       /* KITH_OK: as which the caller arrived, from 0 */
    enum kith__break why; /* KITH_ECONFLICT: broken by what, */
    int64_t pid;          /* and by whose death */
    kith_err failed;      /* what the action returned */
};

struct kith__barrier_ops {
    /* The options are whole. */
    kith_err (*open)(void *space, const char *name, const struct kith_barrier_options *options,
                     void **barrier_out);
    void (*close)(void *barrier);
    /* KITH_ECONFLICT: broken; KITH_ETIMEDOUT, KITH_EINTERRUPTED: it is, by this. */
    kith_err (*wait)(void *barrier, int64_t deadline_ns, struct kith__meeting *meeting);
    kith_err (*reset)(void *barrier);
    kith_err (*abort)(void *barrier);
    kith_err (*look)(void *barrier, uint32_t *parties_out, uint32_t *waiting_out, bool *broken_out);
};

struct kith__condition_ops {
    /* The options are whole; `lock` is a name or NULL. */
    kith_err (*open)(void *space, const char *name, const struct kith_condition_options *options,
                     void **condition_out);
    void (*close)(void *condition);
    /* As of locks. */
    kith_err (*acquire)(void *condition, int64_t deadline_ns);
    kith_err (*release)(void *condition);
    /*
     * KITH_EPERM: the caller has not its lock; KITH_EDEADLOCK: has it more than once.  After all
     * else but KITH_EGONE it has it again; KITH_OWNER_DIED says so, and that its last owner died.
     */
    kith_err (*wait)(void *condition, int64_t deadline_ns);
    kith_err (*notify)(void *condition, uint64_t n);
    /* The name of its lock, "" if that is its own.  KITH_EGONE: one of both was destroyed. */
    kith_err (*lock_name)(void *condition, char name[KITH__NAME_SIZE_MAX + 1]);
};

struct kith__once_ops {
    /* `done`: it is done from the first, if this makes it. */
    kith_err (*open)(void *space, const char *name, enum kith_create create, bool done,
                     void **once_out);
    void (*close)(void *once);
    /* *mine_out: the caller is to do it.  Not: it is done.  KITH_EDEADLOCK: it does so already. */
    kith_err (*claim)(void *once, int64_t deadline_ns, bool *mine_out);
    /* KITH_EPERM: the claim is not this process's. */
    kith_err (*end)(void *once, bool done);
    kith_err (*state)(void *once, enum kith_once_state *state_out);
};

struct kith__limiter_ops {
    /*
     * The options are whole, and in range if they may create.  `missing`: tokens, and parts of
     * one, that it is short of being full, if this makes it; 0 to burst.
     */
    kith_err (*open)(void *space, const char *name, const struct kith_limiter_options *options,
                     double missing, void **limiter_out);
    void (*close)(void *limiter);
    /* KITH_ERANGE: more than the burst.  KITH_EEMPTY, of take: not there now. */
    kith_err (*take)(void *limiter, uint64_t n);
    /* KITH_ETIMEDOUT, and at once: they will not be there in time. */
    kith_err (*wait)(void *limiter, uint64_t n, int64_t deadline_ns);
    /* Sets every field but struct_size. */
    kith_err (*state)(void *limiter, struct kith_limiter_state *state_out);
};

/* ---- Values --------------------------------------------------------------------------- */

struct kith__value_shape {
    struct kith__scalar type;
    bool transactional; /* a structure always is */
};

/* Scalars are handed about as scalar.h says; that an operation suits the type is checked. */
struct kith__value_ops {
    /* *shape_out is that of the value, which may have been there. */
    kith_err (*open)(void *space, const char *name, enum kith_create create,
                     const struct kith__value_shape *shape, const void *initial, void **value_out,
                     struct kith__value_shape *shape_out);
    void (*close)(void *value);
    /* Scalars: bits. */
    kith_err (*load)(void *value, uint64_t *bits_out);
    kith_err (*update)(void *value, enum kith__math what, uint64_t n, uint64_t *old_out,
                       uint64_t *now_out);
    kith_err (*cas)(void *value, uint64_t expected, uint64_t bits);
    /* As update() with ADD, of a signed type of 8 bytes: what counters are, by the shortest way. */
    kith_err (*add)(void *value, int64_t n, int64_t *now_out);
    /* Structures: bytes.  `expected` NULL: whatever is there. */
    kith_err (*read)(void *value, void *data_out);
    kith_err (*write)(void *value, const void *expected, const void *data, void *old_out);
    /* Either: until it is not `old`, its bytes, or bits of 8 bytes. */
    kith_err (*wait)(void *value, const void *old, int64_t deadline_ns);
    kith_err (*poll_fd)(void *value, int *fd_out);
};

/* ---- Arrays --------------------------------------------------------------------------- */

struct kith__array_shape {
    struct kith__scalar type;
    uint64_t count;
};

/* In the array, wholly; the step is not 0. */
struct kith__array_slice {
    uint64_t start;
    int64_t step;
    uint64_t count;
};

/* Scalars are handed about as scalar.h says; that an operation suits the type is checked. */
struct kith__array_ops {
    /* *shape_out is that of the array, which may have been there. */
    kith_err (*open)(void *space, const char *name, enum kith_create create,
                     const struct kith__array_shape *shape, const void *initial, void **array_out,
                     struct kith__array_shape *shape_out);
    void (*close)(void *array);
    kith_err (*get)(void *array, const struct kith__array_slice *slice, void *data_out);
    kith_err (*set)(void *array, const struct kith__array_slice *slice, const void *data);
    kith_err (*update)(void *array, uint64_t index, enum kith__math what, uint64_t n,
                       uint64_t *now_out);
    kith_err (*cas)(void *array, uint64_t index, const void *expected, const void *data);
    kith_err (*view)(void *array, struct kith__view *view_out);
    kith_err (*publish)(void *array, const void *data);
    kith_err (*stage)(void *array, struct kith__view *view_out);
    /* KITH_EINVAL, without a sentence: it was staged for another array, or by another process. */
    kith_err (*publish_staged)(void *array, struct kith__view *view);
    kith_err (*lock)(void *array, int64_t deadline_ns);
    kith_err (*unlock)(void *array);
    kith_err (*owner)(void *array, struct kith_owner *owner_out);
};

/* ---- Segments ------------------------------------------------------------------------- */

struct kith__segment_ops {
    kith_err (*open)(void *space, const char *name, enum kith_create create, uint64_t size,
                     void **segment_out);
    void (*close)(void *segment);
    kith_err (*size)(void *segment, uint64_t *size_out);
    kith_err (*view)(void *segment, struct kith__view *view_out);
    kith_err (*resize)(void *segment, uint64_t size);
    kith_err (*unlink)(void *segment, const char *name);
};

/* ---- Transactions --------------------------------------------------------------------- */

enum kith__step_what {
    KITH__STEP_SET,
    KITH__STEP_ADD,
    KITH__STEP_DELETE,
    KITH__STEP_PUT,
    KITH__STEP_ACK,
    KITH__STEP_VALUE_SET,
    KITH__STEP_VALUE_ADD,
    KITH__STEP_IF_ABSENT,
    KITH__STEP_IF_PRESENT,
    KITH__STEP_IF_EQUAL,
    KITH__STEP_IF_VERSION,
    KITH__STEP_IF_VALUE
};
struct kith__step {
    enum kith__step_what what;
    void *object; /* the state of a dict, a queue or a transactional value of the space */
    struct kith_item key;
    struct kith_item item; /* of SET and PUT; what IF_EQUAL expects; of a value its bytes */
    int64_t n;             /* of VALUE_ADD as scalar.h has numbers */
    uint64_t version;
    const struct kith__lease *lease;
    struct kith_put_options put; /* of PUT; zero: none */
};

struct kith__txn_ops {
    /* All steps or none.  On an error *failed_out is the step at fault, or `count`. */
    kith_err (*commit)(void *space, const struct kith__step *steps, size_t count,
                       size_t *failed_out);
};

/* ---- An engine ------------------------------------------------------------------------ */

struct kith__engine {
    const char *name;
    const struct kith__space_ops *space;
    const struct kith__view_ops *view;
    const struct kith__dict_ops *dict;
    const struct kith__list_ops *list;
    const struct kith__queue_ops *queue;
    const struct kith__lock_ops *lock;
    const struct kith__rwlock_ops *rwlock;
    const struct kith__event_ops *event;
    const struct kith__semaphore_ops *semaphore;
    const struct kith__barrier_ops *barrier;
    const struct kith__condition_ops *condition;
    const struct kith__once_ops *once;
    const struct kith__limiter_ops *limiter;
    const struct kith__value_ops *value;
    const struct kith__array_ops *array;
    const struct kith__segment_ops *segment;
    const struct kith__txn_ops *txn;
};

#endif /* KITH__ENGINE_H */
