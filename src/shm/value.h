/*
 * value.h - one typed value in an arena.
 *
 * KITH_EGONE, KITH_ERANGE, KITH_ECONFLICT, KITH_ETIMEDOUT and KITH_EINTERRUPTED come without a
 * sentence.
 */
#ifndef KITH__SHM_VALUE_H
#define KITH__SHM_VALUE_H

#include "base/scalar.h"
#include "shm/alloc.h"
#include "shm/poll.h"

#define KITH__VALUE_SIZE_MAX KITH__SMALL_MAX /* bytes of a structure */

/* Where in a root the signal is that a change names. */
#define KITH__VALUE_SIGNAL_OFF                                                                     \
    (offsetof(struct kith__value_root, root) + offsetof(struct kith__root, signal))

struct kith__value {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
    struct kith__scalar type; /* of a structure too: its code is 0 then */
    bool guarded;
    struct kith__value_root *root; /* at `off`, found once: an addition is little more than that */
};

struct kith__value_making {
    struct kith__scalar type;
    bool guarded;
    const void *initial; /* NULL: zero */
};

static inline struct kith__value_root *
kith__value_root(const struct kith__value *value)
{
    return value->root;
}

/* Fills in a root; `arg` is a struct kith__value_making. */
kith_err kith__value_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg);
/* The constants of a value that was found: KITH_ECORRUPT if they make no sense. */
kith_err kith__value_of(struct kith__arena *arena, uint64_t off, uint64_t id,
                        struct kith__value *value_out);

/* ---- Scalars: bits in, bits out --------------------------------------------------------- */

/* self may be NULL: a read-only opener. */
kith_err kith__value_load_guarded(struct kith__self *self, const struct kith__value *value,
                                  uint64_t *bits_out);

static inline kith_err
kith__value_load(struct kith__self *self, const struct kith__value *value, uint64_t *bits_out)
{
    const struct kith__value_root *root = kith__value_root(value);

    if (__builtin_expect(value->guarded, 0))
        return kith__value_load_guarded(self, value, bits_out);
    *bits_out = kith__load_acquire(&root->cell);
    /* Read after the cell: if it was another's by then, the id had changed before. */
    return kith__load(&root->root.id) == value->id ? KITH_OK : KITH_EGONE;
}

/* cell = cell WHAT n. */
kith_err kith__value_update(struct kith__self *self, const struct kith__value *value,
                            enum kith__math what, uint64_t n, uint64_t *old_out, uint64_t *now_out);
/* C4 and C5, where somebody waits. */
kith_err kith__value_changed(struct kith__self *self, const struct kith__value *value);
kith_err kith__value_add_slow(struct kith__self *self, const struct kith__value *value, int64_t n,
                              int64_t *now_out);

/* The same of counters: an unguarded signed value of 8 bytes that nobody waits for.  See value.c.
 */
static inline kith_err
kith__value_add(struct kith__self *self, const struct kith__value *value, int64_t n,
                int64_t *now_out)
{
#ifndef KITH_MISTAKE_VALUE_LOAD_AND_STORE
    struct kith__value_root *root = kith__value_root(value);
    kith__word *mark = &self->actor->pending_signal;
    uint64_t old;
    int64_t sum;

    kith__fetch_to_change(&root->cell);
    old = kith__load(&root->cell);
    if (value->guarded || __builtin_add_overflow((int64_t)old, n, &sum))
        return kith__value_add_slow(self, value, n, now_out);
    kith__store(mark, (value->off + KITH__VALUE_SIGNAL_OFF) | 1); /* C1 */
    kith__step();
    if (__builtin_expect(kith__load_acquire(&root->root.id) == value->id && /* C2 */
                             atomic_compare_exchange_strong(&root->cell, &old, (uint64_t)sum),
                         1)) { /* C3 */
        if (now_out != NULL)
            *now_out = sum;
        kith__step();
        if ((atomic_load_explicit(&root->root.signal[0], memory_order_relaxed) &
             (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS)) != 0)
            return kith__value_changed(self, value); /* C4 */
        kith__store_release(mark, 0);                /* C5 */
        return KITH_OK;
    }
    kith__store_release(mark, 0);
#endif
    return kith__value_add_slow(self, value, n, now_out);
}

/* KITH_ECONFLICT: its bits are not `expected`; *seen_out has what they are in any case. */
kith_err kith__value_cas(struct kith__self *self, const struct kith__value *value,
                         uint64_t expected, uint64_t bits, uint64_t *seen_out);

/* ---- Structures ------------------------------------------------------------------------- */

kith_err kith__value_read(struct kith__self *self, const struct kith__value *value, void *data);
/* `expected` may be NULL, else what must be there; `old` may be NULL. */
kith_err kith__value_write(struct kith__self *self, const struct kith__value *value,
                           const void *expected, const void *data, void *old);

/* A descriptor that becomes readable when it changes, from now on: poll.c. */
kith_err kith__value_arm(struct kith__self *self, const struct kith__value *value,
                         kith__poller_slot *slot, int *fd_out);
/* Waits until its bytes are not `old`. */
kith_err kith__value_wait(struct kith__self *self, const struct kith__value *value, const void *old,
                          int64_t deadline_ns);

/* ---- In a record: the lock is held by the caller ------------------------------------------ */

/* Adds to `op` that its bytes become `data`. */
kith_err kith__value_op_set(struct kith__op *op, const struct kith__value *value, const void *data);
kith_err kith__value_op_add(struct kith__op *op, const struct kith__value *value, uint64_t n);
/* Its bytes as of the record so far. */
kith_err kith__value_op_get(const struct kith__op *op, const struct kith__value *value, void *data);

/* After the commit: whoever waits for a change looks. */
void kith__value_raise(struct kith__self *self, const struct kith__value *value);

#endif /* KITH__SHM_VALUE_H */
