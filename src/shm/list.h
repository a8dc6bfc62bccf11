/*
 * list.h - the operations of a list in an arena.
 *
 * Items were checked by the caller.  Indexes are Python's: negative ones count from the end.
 * Outcomes that are no trouble (KITH_ENOENT, KITH_ERANGE, KITH_EEMPTY, KITH_ECONFLICT, KITH_EGONE)
 * come without a sentence: the caller, who knows the object's name, makes it.
 */
#ifndef KITH__SHM_LIST_H
#define KITH__SHM_LIST_H

#include "shm/tree.h"

/* A list as a process knows it. */
struct kith__list {
    struct kith__arena *arena;
    uint64_t off; /* of the root */
    uint64_t id;
};

static inline struct kith__list_root *
kith__list_root(const struct kith__list *list)
{
    return (struct kith__list_root *)kith__ptr(list->arena, list->off);
}

#define KITH__LIST_HEAD(state) ((unsigned)((state)&0xff))
#define KITH__LIST_TAIL(state) ((unsigned)((state) >> 8 & 0xff))
#define KITH__LIST_VERSION_ONE UINT64_C(0x10000)
/* The state after `state`, with other numbers of items in the chunks. */
static inline uint64_t
kith__list_state(uint64_t state, uint64_t head, uint64_t tail)
{
    return ((state & ~UINT64_C(0xffff)) | head | tail << 8) + KITH__LIST_VERSION_ONE;
}

/* What a list consists of at an instant. */
struct kith__list_shape {
    uint64_t head_off, tail_off; /* of the chunks */
    unsigned h, t;               /* items in them */
    struct kith__part tree;
};

static inline uint64_t
kith__shape_count(const struct kith__list_shape *shape)
{
    return shape->h + shape->tree.count + shape->t;
}

/* ---- Places (list_shape.c) --------------------------------------------------------------------
 */

/* Calls `each` for the runs of slots that hold the items [from, to) until it is not KITH_OK. */
kith_err kith__shape_runs(const struct kith__arena *arena, const struct kith__list_shape *shape,
                          uint64_t from, uint64_t to,
                          kith_err (*each)(struct kith__slot *slots, unsigned n, void *arg),
                          void *arg);
/* The slot of one item; NULL as kith__tree_leaf(). */
struct kith__slot *kith__shape_slot(const struct kith__arena *arena,
                                    const struct kith__list_shape *shape, uint64_t index);

/* Python's indices of a slice: the first, the step, and how many; `step` is not 0. */
struct kith__slice {
    uint64_t start, count;
    int64_t step;
};
struct kith__slice kith__slice_of(uint64_t len, int64_t start, int64_t stop, int64_t step);
/* False: out of range. */
bool kith__list_index(uint64_t len, int64_t index, uint64_t *index_out);

/* ---- Reading without a lock (list_read.c).  self may be NULL: a read-only opener ----------- */

kith_err kith__list_len(struct kith__self *self, const struct kith__list *list,
                        uint64_t *count_out);
kith_err kith__list_get(struct kith__self *self, const struct kith__list *list, int64_t index,
                        struct kith_buf *item_out);

/* A copy of some of the items, as of one instant: private memory. */
struct kith__list_copy {
    struct kith__stored *items; /* the value of one that is not inline: an offset in bytes */
    uint64_t count, room;
    uint8_t *bytes;
    uint64_t size, bytes_room;
    uint64_t cover, state; /* which instant it was */
};
kith_err kith__list_copy(struct kith__self *self, const struct kith__list *list, int64_t start,
                         int64_t stop, int64_t step, struct kith__list_copy *copy_out);
void kith__list_copy_free(struct kith__list_copy *copy);
struct kith_item kith__list_copy_item(const struct kith__list_copy *copy, uint64_t index,
                                      char *tag);

/* Where the item is first, in the slice; KITH_ENOENT.  Numbers compare by their value. */
kith_err kith__list_find(struct kith__self *self, const struct kith__list *list,
                         struct kith_item item, int64_t start, int64_t stop, uint64_t *index_out);
kith_err kith__list_count(struct kith__self *self, const struct kith__list *list,
                          struct kith_item item, uint64_t *count_out);

/* How an item is looked for. */
struct kith__wanted {
    struct kith_item item;
    bool is_key; /* it can be a key, and is compared as one */
    struct kith__key key;
};
kith_err kith__wanted_make(const struct kith__arena *arena, struct kith_item item,
                           struct kith__wanted *wanted_out);
void kith__wanted_free(struct kith__wanted *wanted);
bool kith__wanted_is(const struct kith__arena *arena, const struct kith__wanted *wanted,
                     uint64_t meta, uint64_t value);

/* ---- Changing at one place (list.c) --------------------------------------------------------- */

kith_err kith__list_lock(struct kith__self *self, const struct kith__list *list,
                         struct kith__list_root **root_out);
kith_err kith__list_shape(const struct kith__list_root *root, struct kith__list_shape *shape_out);

kith_err kith__list_append(struct kith__self *self, const struct kith__list *list,
                           struct kith_item item);
kith_err kith__list_set(struct kith__self *self, const struct kith__list *list, int64_t index,
                        struct kith_item item);
/* item_out may be NULL. */
kith_err kith__list_pop(struct kith__self *self, const struct kith__list *list, int64_t index,
                        struct kith_buf *item_out);
kith_err kith__list_remove(struct kith__self *self, const struct kith__list *list,
                           struct kith_item item);
/* Replaces items [start, stop) by others; insertion and deletion are the two halves of it. */
kith_err kith__list_splice(struct kith__self *self, const struct kith__list *list, int64_t start,
                           int64_t stop, const struct kith_item *items, uint64_t count);

/* ---- The list as a whole (list_whole.c) ------------------------------------------------------ */

kith_err kith__list_clear(struct kith__self *self, const struct kith__list *list);
kith_err kith__list_reverse(struct kith__self *self, const struct kith__list *list);
/*
 * Sorts, by `compare` if it is not NULL, else numbers, str or bytes in their order: KITH_ETYPE if
 * two cannot be compared.  KITH_ECONFLICT: changed again and again while `compare` ran.
 */
kith_err kith__list_sort(struct kith__self *self, const struct kith__list *list,
                         int (*compare)(struct kith_item a, struct kith_item b, void *arg),
                         void *arg, bool descending);
/* Slices with a step of another than 1: as many items as the slice has, KITH_EINVAL if not. */
kith_err kith__list_set_stepped(struct kith__self *self, const struct kith__list *list,
                                int64_t start, int64_t stop, int64_t step,
                                const struct kith_item *items, uint64_t count);
kith_err kith__list_delete_stepped(struct kith__self *self, const struct kith__list *list,
                                   int64_t start, int64_t stop, int64_t step);
void kith__list_init(struct kith__op *op, uint64_t off, uint64_t id);

#endif /* KITH__SHM_LIST_H */
