/*
 * barrier.h - a place where parties wait for each other.
 *
 * Errors come without a sentence as in sync.h; KITH_ECONFLICT is one, too.
 */
#ifndef KITH__SHM_BARRIER_H
#define KITH__SHM_BARRIER_H

#include "shm/root.h"

enum {
    KITH__BROKEN_ABORT = 1,
    KITH__BROKEN_RESET,
    KITH__BROKEN_TIMEOUT,
    KITH__BROKEN_INTERRUPTED,
    KITH__BROKEN_DEATH,
    KITH__BROKEN_ACTION
};

struct kith__arrival {
    uint32_t index;
    bool acts;    /* the caller is the last: it acts, and then calls kith__barrier_acted() */
    bool passed;  /* the caller was the last, and all were let go */
    unsigned why; /* with KITH_ECONFLICT */
    int64_t pid;
    uint64_t passes, breaks; /* there were as many when it arrived */
};

static inline struct kith__barrier_root *
kith__barrier_root(const struct kith__root_ref *ref)
{
    return (struct kith__barrier_root *)kith__ptr(ref->arena, ref->off);
}

/* `arg` is a uint64_t, the number of parties. */
kith_err kith__barrier_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg);

/* `action`: who comes last acts before all are let go. */
kith_err kith__barrier_arrive(struct kith__self *self, const struct kith__root_ref *ref,
                              int64_t deadline_ns, bool action, struct kith__arrival *arrival);
kith_err kith__barrier_acted(struct kith__self *self, const struct kith__root_ref *ref, bool well,
                             struct kith__arrival *arrival);
kith_err kith__barrier_reset(struct kith__self *self, const struct kith__root_ref *ref);
kith_err kith__barrier_abort(struct kith__self *self, const struct kith__root_ref *ref);
/* self may be NULL: a read-only opener. */
kith_err kith__barrier_look(struct kith__self *self, const struct kith__root_ref *ref,
                            uint32_t *parties_out, uint32_t *waiting_out, bool *broken_out);

#endif /* KITH__SHM_BARRIER_H */
