/*
 * shm_semaphore.c - semaphores on shared memory.
 */
#include "shm/semaphore.h"

#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

static kith_err
semaphore_open(void *state, const char *name, const struct kith_semaphore_options *options,
               const struct kith__permits *permits, void **semaphore_out)
{
    struct kith__semaphore_making making = { .initial = options->value,
                                             .options =
                                                 (options->bounded ? KITH__SEMAPHORE_BOUNDED : 0) |
                                                 (options->fair ? KITH__SEMAPHORE_FAIR : 0) |
                                                 (options->unowned ? KITH__SEMAPHORE_UNOWNED : 0) };

    if (permits != NULL) {
        making.more = permits->more;
        making.gone = permits->gone;
    }
    return kith__shm_root_open(state, name, KITH_KIND_SEMAPHORE, options->create,
                               kith__semaphore_init, &making, semaphore_out);
}

static __attribute__((noinline)) kith_err
acquire_first(const struct kith__root_ref *semaphore, int64_t deadline_ns)
{
    struct kith__self *self = kith__shm_self(semaphore->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__semaphore_acquire(self, semaphore, deadline_ns);
}

static kith_err
semaphore_acquire(void *state, int64_t deadline_ns)
{
    const struct kith__root_ref *semaphore = state;
    struct kith__self *self = kith__self_at_hand(semaphore->arena);

    return self == NULL ? acquire_first(semaphore, deadline_ns)
                        : kith__semaphore_acquire(self, semaphore, deadline_ns);
}

static __attribute__((noinline)) kith_err
release_first(const struct kith__root_ref *semaphore, uint32_t n)
{
    struct kith__self *self = kith__shm_self(semaphore->arena);

    return self == NULL ? kith__shm_refusal() : kith__semaphore_release(self, semaphore, n);
}

static kith_err
semaphore_release(void *state, uint32_t n)
{
    const struct kith__root_ref *semaphore = state;
    struct kith__self *self = kith__self_at_hand(semaphore->arena);

    return self == NULL ? release_first(semaphore, n) : kith__semaphore_release(self, semaphore, n);
}

static kith_err
semaphore_value(void *state, uint32_t *value_out)
{
    struct kith__root_ref *semaphore = state;
    struct kith__self *self;
    uint64_t value;
    kith_err err = kith__shm_reader(semaphore->arena, &self);

    if (err == KITH_OK)
        err = kith__semaphore_value(self, semaphore, &value);
    if (err == KITH_OK)
        *value_out = (uint32_t)value;
    return err;
}

static kith_err
semaphore_made_with(void *state, struct kith_semaphore_options *options_out,
                    struct kith__permits *permits_out)
{
    struct kith__root_ref *semaphore = state;
    struct kith__semaphore_making making;
    struct kith__self *self;
    kith_err err = kith__shm_reader(semaphore->arena, &self);

    if (err == KITH_OK)
        err = kith__semaphore_made_with(self, semaphore, &making);
    if (err < 0)
        return err;
    options_out->value = (uint32_t)making.initial;
    options_out->bounded = (making.options & KITH__SEMAPHORE_BOUNDED) != 0;
    options_out->fair = (making.options & KITH__SEMAPHORE_FAIR) != 0;
    options_out->unowned = (making.options & KITH__SEMAPHORE_UNOWNED) != 0;
    *permits_out = (struct kith__permits){ (uint32_t)making.more, (uint32_t)making.gone };
    return KITH_OK;
}

static kith_err
semaphore_poll_fd(void *state, int *fd_out)
{
    const struct kith__root_ref *semaphore = state;
    struct kith__self *self = kith__shm_self(semaphore->arena);

    return self == NULL
               ? kith__shm_refusal()
               : kith__semaphore_arm(self, semaphore, kith__shm_root_poller(state), fd_out);
}

const struct kith__semaphore_ops kith__shm_semaphore_ops = {
    .open = semaphore_open,
    .close = kith__shm_root_close,
    .acquire = semaphore_acquire,
    .release = semaphore_release,
    .value = semaphore_value,
    .made_with = semaphore_made_with,
    .poll_fd = semaphore_poll_fd,
};
