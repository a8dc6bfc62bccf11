/*
 * once.h - a thing that is done once among all.
 *
 * Errors come without a sentence as in sync.h.
 */
#ifndef KITH__SHM_ONCE_H
#define KITH__SHM_ONCE_H

#include "shm/root.h"

static inline struct kith__once_root *
kith__once_root(const struct kith__root_ref *ref)
{
    return (struct kith__once_root *)kith__ptr(ref->arena, ref->off);
}

/* `done` is a bool: whether it is, from the first; or NULL: it is not. */
kith_err kith__once_init(struct kith__op *op, uint64_t off, uint64_t id, void *done);

/* *mine_out: the caller is to do it.  Not: it is done. */
kith_err kith__once_claim(struct kith__self *self, const struct kith__root_ref *ref,
                          int64_t deadline_ns, bool *mine_out);
/* KITH_EPERM: the claim is not this process's. */
kith_err kith__once_end(struct kith__self *self, const struct kith__root_ref *ref, bool done);
/* *state_out: 0, KITH__ONCE_DONE, or whose it is, if he lives. */
kith_err kith__once_state(const struct kith__root_ref *ref, uint64_t *state_out);

#endif /* KITH__SHM_ONCE_H */
