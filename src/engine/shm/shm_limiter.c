/*
 * shm_limiter.c - limiters on shared memory.
 */
#include "shm/limiter.h"

#include "engine/shm/shm_engine.h"

static_assert(KITH_LIMITER_BURST_MAX <= KITH__LIMITER_BURST_MAX, "as many as the words take");

static kith_err
limiter_open(void *state, const char *name, const struct kith_limiter_options *options,
             double missing, void **limiter_out)
{
    struct kith__limiter_making making = { options->rate, options->burst, missing };

    return kith__shm_root_open(state, name, KITH_KIND_LIMITER, options->create, kith__limiter_init,
                               &making, limiter_out);
}

static kith_err
limiter_take(void *state, uint64_t n)
{
    struct kith__root_ref *limiter = state;
    struct kith__self *self = kith__shm_self(limiter->arena);

    return self == NULL ? kith__shm_refusal() : kith__limiter_take(self, limiter, n, NULL);
}

static kith_err
limiter_wait(void *state, uint64_t n, int64_t deadline_ns)
{
    struct kith__root_ref *limiter = state;
    struct kith__self *self = kith__shm_self(limiter->arena);

    return self == NULL ? kith__shm_refusal() : kith__limiter_wait(self, limiter, n, deadline_ns);
}

static kith_err
limiter_state(void *state, struct kith_limiter_state *state_out)
{
    struct kith__root_ref *limiter = state;
    struct kith__limiter_state now;
    struct kith__self *self;
    kith_err err = kith__shm_reader(limiter->arena, &self);

    if (err == KITH_OK)
        err = kith__limiter_state(limiter, &now);
    if (err < 0)
        return err;
    state_out->rate = now.rate;
    state_out->burst = (uint32_t)now.burst;
    state_out->available = (uint32_t)now.available;
    state_out->next_ns = now.next_ns;
    return KITH_OK;
}

const struct kith__limiter_ops kith__shm_limiter_ops = {
    .open = limiter_open,
    .close = kith__shm_root_close,
    .take = limiter_take,
    .wait = limiter_wait,
    .state = limiter_state,
};
