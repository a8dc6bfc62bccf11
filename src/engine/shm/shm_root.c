/*
 * shm_root.c - opening objects whose state is no more than where their root is.
 */
#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

/* What a handle's state is: first of all a kith__root_ref, as which all functions take it. */
struct shm_root {
    struct kith__root_ref ref;
    struct kith__keep keep;
    kith__poller_slot poller;
};

kith_err
kith__shm_root_open(struct kith__shm_space *space, const char *name, enum kith_kind kind,
                    enum kith_create create, kith__shm_init *init, void *arg, void **state_out)
{
    struct shm_root *state = kith__shm_state(sizeof(*state));
    struct kith__object object;
    kith_err err;

    if (state == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, kind, create, init, arg, &object);
    if (err < 0) {
        kith__free(state);
        return err;
    }
    state->ref = (struct kith__root_ref){ space->arena, object.off, object.id };
    state->keep = object.keep;
    *state_out = state;
    return KITH_OK;
}

void
kith__shm_root_close(void *state)
{
    struct shm_root *root = state;

    kith__poller_close(&root->poller);
    kith__shm_object_close(root->ref.arena, &root->keep);
    kith__free(state);
}

kith__poller_slot *
kith__shm_root_poller(void *state)
{
    struct shm_root *root = state;

    return &root->poller;
}
