/*
 * shm_barrier.c - barriers on shared memory.
 */
#include "shm/barrier.h"

#include "engine/shm/shm_engine.h"

static_assert(KITH_BARRIER_PARTIES_MAX == KITH__ACTORS_MAX, "as many threads as an arena takes");
static_assert((int)KITH__BREAK_ABORT == KITH__BROKEN_ABORT &&
                  (int)KITH__BREAK_ACTION == KITH__BROKEN_ACTION,
              "the core's reasons are the engines'");

static kith_err
barrier_open(void *state, const char *name, const struct kith_barrier_options *options,
             void **barrier_out)
{
    uint64_t parties = options->parties;

    return kith__shm_root_open(state, name, KITH_KIND_BARRIER, options->create, kith__barrier_init,
                               &parties, barrier_out);
}

static kith_err
barrier_wait(void *state, int64_t deadline_ns, struct kith__meeting *meeting)
{
    struct kith__root_ref *barrier = state;
    struct kith__self *self = kith__shm_self(barrier->arena);
    struct kith__arrival arrival = { 0 };
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__barrier_arrive(self, barrier, deadline_ns, meeting->action != NULL, &arrival);
    if (err == KITH_OK && arrival.acts) {
        meeting->failed = meeting->action(meeting->arg);
        /* The thread may have been at other things: its hold on the arena is the same. */
        err = kith__barrier_acted(self, barrier, meeting->failed >= 0, &arrival);
    }
    meeting->index = arrival.index;
    meeting->why = (enum kith__break)arrival.why;
    meeting->pid = arrival.pid;
    return err;
}

static kith_err
barrier_reset(void *state)
{
    struct kith__root_ref *barrier = state;
    struct kith__self *self = kith__shm_self(barrier->arena);

    return self == NULL ? kith__shm_refusal() : kith__barrier_reset(self, barrier);
}

static kith_err
barrier_abort(void *state)
{
    struct kith__root_ref *barrier = state;
    struct kith__self *self = kith__shm_self(barrier->arena);

    return self == NULL ? kith__shm_refusal() : kith__barrier_abort(self, barrier);
}

static kith_err
barrier_look(void *state, uint32_t *parties_out, uint32_t *waiting_out, bool *broken_out)
{
    struct kith__root_ref *barrier = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(barrier->arena, &self);

    return err < 0 ? err : kith__barrier_look(self, barrier, parties_out, waiting_out, broken_out);
}

const struct kith__barrier_ops kith__shm_barrier_ops = {
    .open = barrier_open,
    .close = kith__shm_root_close,
    .wait = barrier_wait,
    .reset = barrier_reset,
    .abort = barrier_abort,
    .look = barrier_look,
};
