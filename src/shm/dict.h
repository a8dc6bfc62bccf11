/*
 * dict.h - the operations of a dict in an arena.
 *
 * Keys and items were checked by the caller.  Outcomes that are no trouble (KITH_ENOENT,
 * KITH_EEXIST, KITH_ECONFLICT, KITH_EEMPTY) come without a sentence: the caller, who knows the
 * object's name, makes it.
 */
#ifndef KITH__SHM_DICT_H
#define KITH__SHM_DICT_H

#include <kith/dict.h>

#include "shm/boot.h"
#include "shm/poll.h"
#include "shm/table.h"

/* ---- One key, read without a lock (dict_read.c) ---------------------------------------- */

struct kith__found {
    uint64_t version;
    uint64_t meta;
    uint64_t value;
};

/* item_out, version_out, expires_out (0: never) may be NULL. */
kith_err kith__dict_get(struct kith__self *self, const struct kith__dict *dict,
                        const struct kith__key *key, struct kith_buf *item_out,
                        uint64_t *version_out, int64_t *expires_out);
/* An item that has expired, too, if it still stands there. */
kith_err kith__dict_get_stale(struct kith__self *self, const struct kith__dict *dict,
                              const struct kith__key *key, struct kith_buf *item_out,
                              int64_t *expires_out);
/* As kith__dict_get(), without a copy: for the catalog, whose items are objects. */
kith_err kith__dict_find(struct kith__self *self, const struct kith__dict *dict,
                         const struct kith__key *key, struct kith__found *found_out);
/* A read-only opener's form of the above: it has no slot, so nothing is pinned. */
kith_err kith__dict_get_readonly(struct kith__arena *arena, const struct kith__dict *dict,
                                 const struct kith__key *key, struct kith_buf *item_out,
                                 struct kith__found *found_out);
kith_err kith__dict_get_stale_readonly(struct kith__arena *arena, const struct kith__dict *dict,
                                       const struct kith__key *key, struct kith_buf *item_out,
                                       int64_t *expires_out);
/* Pins the extent that holds the item; *off_out is 0 if it is small enough to be copied. */
kith_err kith__dict_pin(struct kith__self *self, const struct kith__dict *dict,
                        const struct kith__key *key, kith__word **pin_out, uint64_t *off_out,
                        uint64_t *meta_out);

/* ---- Many keys at one instant (dict_scan.c) -------------------------------------------- */

/* self may be NULL: a read-only opener, which then never takes a lock. */
kith_err kith__dict_len(struct kith__self *self, const struct kith__dict *dict, uint64_t *count);
kith_err kith__dict_get_many(struct kith__self *self, const struct kith__dict *dict,
                             struct kith__key *keys, size_t count, struct kith_buf *items_out);
/* A copy of every entry, in the order of insertion. */
struct kith__copy {
    uint8_t *bytes; /* private memory; entries are written one after the other */
    uint64_t size, room;
    struct kith__copied *entries;
    uint64_t count, entry_room;
};
struct kith__copied {
    uint64_t ticket;
    int64_t expires;
    uint64_t at; /* of a struct kith__entry in bytes, its key, and its item if that is a block */
};
kith_err kith__dict_copy(struct kith__self *self, const struct kith__dict *dict, bool items,
                         struct kith__copy *copy_out);
void kith__copy_free(struct kith__copy *copy);
struct kith_item kith__copy_key(const struct kith__copy *copy, uint64_t index);
struct kith_item kith__copy_item(const struct kith__arena *arena, const struct kith__copy *copy,
                                 uint64_t index, char *tag);

/* ---- One key, changed under its shard's lock (dict_write.c) ---------------------------- */

#define KITH__TTL_KEEP INT64_C(-1)

enum kith__change_what {
    KITH__CHANGE_SET,
    KITH__CHANGE_INSERT,
    KITH__CHANGE_REPLACE,
    KITH__CHANGE_SETDEFAULT,
    KITH__CHANGE_CAS,
    KITH__CHANGE_CAS_VERSION,
    KITH__CHANGE_DELETE,
    KITH__CHANGE_DELETE_IF,
    KITH__CHANGE_DELETE_VERSION,
};
struct kith__change {
    enum kith__change_what what;
    struct kith_item item;
    struct kith_item expected;
    uint64_t version;
    int64_t ttl_ns;       /* 0: the item does not expire; KITH__TTL_KEEP: as it was */
    struct kith_buf *out; /* NULL, or gets the old item; for setdefault what is now there */
};
/* KITH_EVICTED is a success. */
kith_err kith__dict_change(struct kith__self *self, const struct kith__dict *dict,
                           const struct kith__key *key, const struct kith__change *change);

/* ---- Numbers (dict_number.c) ------------------------------------------------------------ */

enum kith__number_what {
    KITH__NUMBER_ADD,
    KITH__NUMBER_ADD_LIMIT,
    KITH__NUMBER_SUB,
    KITH__NUMBER_MIN,
    KITH__NUMBER_MAX,
    KITH__NUMBER_AND,
    KITH__NUMBER_OR,
    KITH__NUMBER_XOR,
};
struct kith__number {
    enum kith__number_what what;
    int64_t n, init, limit;
    int64_t ttl_ns; /* of an entry that is made; 0: it does not expire */
};
kith_err kith__dict_number(struct kith__self *self, const struct kith__dict *dict,
                           const struct kith__key *key, const struct kith__number *number,
                           int64_t *now_out);
kith_err kith__dict_add_float(struct kith__self *self, const struct kith__dict *dict,
                              const struct kith__key *key, double n, double *now_out);
/* old OP n; KITH_ERANGE if it does not fit or passes the limit. */
kith_err kith__number_apply(const struct kith__number *number, bool absent, int64_t old,
                            int64_t *now_out);

/* ---- What expires, and bounds (dict_cache.c) --------------------------------------------- */

/* The arena's time, if anything in the dict may expire; else 0, at which nothing has. */
static inline int64_t
kith__dict_time(const struct kith__dict *dict)
{
    return atomic_load_explicit(&kith__dict_root(dict)->expiring, memory_order_acquire) == 0
               ? 0
               : kith__arena_now_ns(dict->arena);
}

/* When something ends that begins to live now. */
static inline int64_t
kith__expiry(int64_t now, int64_t life)
{
    int64_t end;

    return __builtin_add_overflow(now, life, &end) ? INT64_MAX : end;
}

/* Lock held. */
static inline bool
kith__entry_expired(struct kith__entry *entry, int64_t now)
{
    struct kith__more *more = now == 0 ? NULL : kith__entry_more(entry);
    int64_t expires = more == NULL ? 0 : (int64_t)kith__load(&more->expires);

    return expires != 0 && expires <= now;
}

/* Lock held: eviction passes the entry over once. */
static inline void
kith__entry_use(struct kith__entry *entry)
{
    struct kith__more *more = kith__entry_more(entry);

    if (more != NULL && kith__load(&more->visited) == 0)
        kith__store(&more->visited, 1);
}

/*
 * Lock held: adds to `op` what has to be evicted so that the bounds hold with so much more; the
 * entry at `keep` stays.  KITH_EFULL, in op->err too: it does not fit.
 */
kith_err kith__dict_make_room(struct kith__op *op, const struct kith__dict *dict,
                              struct kith__shard *shard, uint64_t keep, uint64_t more_items,
                              uint64_t more_bytes, uint64_t less_bytes, bool *evicted);
/*
 * As that and the insertion of a key that is in no bucket, by the short way of kith__table_swap();
 * the record is empty so far.  False: by the long one, which goes on from here.
 */
bool kith__dict_swap(struct kith__op *op, const struct kith__dict *dict, struct kith__shard *shard,
                     const struct kith__key *key, struct kith__stored stored);
/*
 * Shard locked.  What an item of `bytes` drives out goes in the record that puts it in; where the
 * arena is full that finds no memory, and it goes before, in a record of its own.  Whether anything
 * went; if not, or if it was not enough, there is no room.
 */
bool kith__dict_evict_first(struct kith__self *self, const struct kith__dict *dict,
                            struct kith__shard *shard, const struct kith__key *key, uint64_t bytes,
                            bool replaces);
/* Notes for eviction that the key was used, if its lock is free. */
void kith__dict_visit(struct kith__self *self, const struct kith__dict *dict,
                      const struct kith__key *key);
/* Lock held, no operation under way: looks at the next few entries, and deletes what expired. */
void kith__dict_sweep(struct kith__self *self, const struct kith__dict *dict,
                      struct kith__shard *shard);
kith_err kith__dict_purge(struct kith__self *self, const struct kith__dict *dict,
                          uint64_t *count_out);
enum kith__lifetime_what { KITH__LIFETIME_EXPIRE, KITH__LIFETIME_PERSIST, KITH__LIFETIME_TOUCH };
kith_err kith__dict_lifetime(struct kith__self *self, const struct kith__dict *dict,
                             const struct kith__key *key, enum kith__lifetime_what what,
                             int64_t ttl_ns);
/* Waits until the key's version is not `version`; 0: until it is there.  KITH_ENOENT: it went. */
kith_err kith__dict_wait(struct kith__self *self, const struct kith__dict *dict,
                         const struct kith__key *key, uint64_t version, int64_t deadline_ns,
                         struct kith_buf *item_out, uint64_t *version_out);
/* A descriptor that becomes readable when some key changes, from now on: poll.c. */
kith_err kith__dict_arm(struct kith__self *self, const struct kith__dict *dict,
                        kith__poller_slot *slot, int *fd_out);

/* ---- The dict as a whole (dict_whole.c) ------------------------------------------------- */

kith_err kith__dict_popitem(struct kith__self *self, const struct kith__dict *dict,
                            struct kith_buf *key_out, struct kith_buf *item_out);
kith_err kith__dict_clear(struct kith__self *self, const struct kith__dict *dict);
/* Adds to `op` that a fresh dict root, taken for it, comes to life with this id. */
struct kith__bounds {
    uint64_t max_items, max_bytes;
    uint32_t policy;
};
/* `bounds` may be NULL. */
void kith__dict_init(struct kith__op *op, uint64_t off, uint64_t id,
                     const struct kith__bounds *bounds);
/* All locks of the dict held: adds to `op` that it ends, and that its parts are taken apart. */
void kith__dict_end(struct kith__op *op, const struct kith__dict *dict);
/* Takes one part of what was a dict apart; `source` names it.  True when nothing is left. */
kith_err kith__dict_dismantle(struct kith__self *self, uint64_t off, kith__word *source,
                              uint64_t source_value);
kith_err kith__dict_info(struct kith__self *self, const struct kith__dict *dict,
                         struct kith_dict_info *info_out, uint64_t *bytes_out);

#endif /* KITH__SHM_DICT_H */
