/*
 * shm_semaphore.c - semaphores on shared memory.
 */
#include "shm/semaphore.h"

#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

static kith_err
semaphore_open(void *state, const char *name, const struct kith_semaphore_options *options,
               void **semaphore_out)
{
    struct kith__semaphore_making making = { options->value,
                                             (options->bounded ? KITH__SEMAPHORE_BOUNDED : 0) |
                                                 (options->fair ? KITH__SEMAPHORE_FAIR : 0) |
                                                 (options->unowned ? KITH__SEMAPHORE_UNOWNED : 0) };

    return kith__shm_root_open(state, name, KITH_KIND_SEMAPHORE, options->create,
                               kith__semaphore_init, &making, semaphore_out);
}

static kith_err
semaphore_acquire(void *state, int64_t deadline_ns)
{
    struct kith__root_ref *semaphore = state;
    struct kith__self *self = kith__shm_self(semaphore->arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__semaphore_acquire(self, semaphore, deadline_ns);
}

static kith_err
semaphore_release(void *state, uint32_t n)
{
    struct kith__root_ref *semaphore = state;
    struct kith__self *self = kith__shm_self(semaphore->arena);

    return self == NULL ? kith__shm_refusal() : kith__semaphore_release(self, semaphore, n);
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

const struct kith__semaphore_ops kith__shm_semaphore_ops = {
    .open = semaphore_open,
    .close = kith__shm_root_close,
    .acquire = semaphore_acquire,
    .release = semaphore_release,
    .value = semaphore_value,
};
