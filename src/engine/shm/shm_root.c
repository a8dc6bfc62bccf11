/*
 * shm_root.c - opening objects whose state is no more than where their root is.
 */
#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

kith_err
kith__shm_root_open(struct kith__shm_space *space, const char *name, enum kith_kind kind,
                    enum kith_create create, kith__shm_init *init, void *arg, void **state_out)
{
    struct kith__root_ref *state = kith__shm_state(sizeof(*state));
    struct kith__object object;
    kith_err err;

    if (state == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, kind, create, init, arg, &object);
    if (err < 0) {
        kith__free(state);
        return err;
    }
    *state = (struct kith__root_ref){ space->arena, object.off, object.id };
    *state_out = state;
    return KITH_OK;
}

void
kith__shm_root_close(void *state)
{
    kith__free(state);
}
