/*
 * limiter.h - a bucket of tokens that fills by the clock.
 *
 * Errors come without a sentence as in sync.h; KITH_EEMPTY and KITH_ERANGE are such, too.
 */
#ifndef KITH__SHM_LIMITER_H
#define KITH__SHM_LIMITER_H

#include "shm/root.h"

#define KITH__LIMITER_BURST_MAX (1 << 20)

struct kith__limiter_making {
    double rate; /* 1e-6 to 1e9 */
    uint64_t burst;
    double missing; /* tokens that it is short of being full at first: 0 to burst */
};

struct kith__limiter_state {
    double rate;
    uint64_t burst, available;
    int64_t next_ns;
};

static inline struct kith__limiter_root *
kith__limiter_root(const struct kith__root_ref *ref)
{
    return (struct kith__limiter_root *)kith__ptr(ref->arena, ref->off);
}

kith_err kith__limiter_init(struct kith__op *op, uint64_t off, uint64_t id, void *making);

/* KITH_EEMPTY: *when_out (may be NULL) is when they may be there, by the arena's clock. */
kith_err kith__limiter_take(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n,
                            int64_t *when_out);
kith_err kith__limiter_wait(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n,
                            int64_t deadline_ns);
kith_err kith__limiter_state(const struct kith__root_ref *ref,
                             struct kith__limiter_state *state_out);

#endif /* KITH__SHM_LIMITER_H */
