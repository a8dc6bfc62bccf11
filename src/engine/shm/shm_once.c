/*
 * shm_once.c - onces on shared memory.
 */
#include "shm/once.h"

#include "engine/shm/shm_engine.h"

static kith_err
once_open(void *state, const char *name, enum kith_create create, bool done, void **once_out)
{
    return kith__shm_root_open(state, name, KITH_KIND_ONCE, create, kith__once_init, &done,
                               once_out);
}

static kith_err
once_claim(void *state, int64_t deadline_ns, bool *mine_out)
{
    struct kith__root_ref *once = state;
    struct kith__self *self = kith__shm_self(once->arena);

    return self == NULL ? kith__shm_refusal() : kith__once_claim(self, once, deadline_ns, mine_out);
}

static kith_err
once_end(void *state, bool done)
{
    struct kith__root_ref *once = state;
    struct kith__self *self = kith__shm_self(once->arena);

    return self == NULL ? kith__shm_refusal() : kith__once_end(self, once, done);
}

static kith_err
once_state(void *state, enum kith_once_state *state_out)
{
    struct kith__root_ref *once = state;
    struct kith__self *self;
    uint64_t word;
    kith_err err = kith__shm_reader(once->arena, &self);

    if (err == KITH_OK)
        err = kith__once_state(once, &word);
    if (err == KITH_OK)
        *state_out = word == 0                 ? KITH_ONCE_OPEN
                     : word == KITH__ONCE_DONE ? KITH_ONCE_DONE
                                               : KITH_ONCE_CLAIMED;
    return err;
}

const struct kith__once_ops kith__shm_once_ops = {
    .open = once_open,
    .close = kith__shm_root_close,
    .claim = once_claim,
    .end = once_end,
    .state = once_state,
};
