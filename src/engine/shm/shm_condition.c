/*
 * shm_condition.c - conditions on shared memory.
 */
#include "shm/condition.h"

#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

/* The lock that is to be a condition's. */
static kith_err
find_lock(struct kith__shm_space *space, const char *name, struct kith__object *object_out)
{
    struct kith__self *self;
    kith_err err = kith__shm_reader(space->arena, &self);

    if (err == KITH_OK)
        err = kith__catalog_find(space->arena, self, name, object_out);
    if (err == KITH_ENOENT)
        return kith__fail(err, "There is no lock \"%s\" for a condition.", name);
    if (err == KITH_OK && object_out->kind != KITH_KIND_LOCK)
        return kith__fail(KITH_ETYPE, "\"%s\" is a %s, and is no lock for a condition.", name,
                          kith_kind_name(object_out->kind));
    return err;
}

/* What a handle's state is: first of all a kith__condition, as which most functions take it. */
struct shm_condition {
    struct kith__condition condition;
    struct kith__keep keep;
};

static kith_err
condition_open(void *state, const char *name, const struct kith_condition_options *options,
               void **condition_out)
{
    struct kith__shm_space *space = state;
    struct kith__condition_making making = { .name = options->lock };
    struct kith__object object;
    struct shm_condition *condition;
    kith_err err = KITH_OK;

    if (options->lock != NULL && options->create != KITH_MUST_EXIST)
        err = find_lock(space, options->lock, &making.lock);
    if (err < 0)
        return err;
    condition = kith__shm_state(sizeof(*condition));
    if (condition == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, KITH_KIND_CONDITION, options->create,
                                kith__condition_init, &making, &object);
    if (err < 0) {
        kith__free(condition);
        return err;
    }
    condition->condition.ref = (struct kith__root_ref){ space->arena, object.off, object.id };
    condition->keep = object.keep;
    kith__condition_find_lock(&condition->condition);
    *condition_out = condition;
    return KITH_OK;
}

static void
condition_close(void *state)
{
    struct shm_condition *condition = state;

    kith__shm_object_close(condition->condition.ref.arena, &condition->keep);
    kith__free(state);
}

static kith_err
condition_acquire(void *state, int64_t deadline_ns)
{
    struct kith__condition *condition = state;
    struct kith__self *self = kith__shm_self(condition->ref.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__mutex_acquire(self, &condition->lock, deadline_ns);
}

static kith_err
condition_release(void *state)
{
    struct kith__condition *condition = state;
    struct kith__self *self = kith__shm_self(condition->ref.arena);

    return self == NULL ? kith__shm_refusal() : kith__mutex_release(self, &condition->lock);
}

static kith_err
condition_wait(void *state, int64_t deadline_ns)
{
    struct kith__condition *condition = state;
    struct kith__self *self = kith__shm_self(condition->ref.arena);

    return self == NULL ? kith__shm_refusal() : kith__condition_wait(self, condition, deadline_ns);
}

static kith_err
condition_notify(void *state, uint64_t n)
{
    struct kith__condition *condition = state;
    struct kith__self *self = kith__shm_self(condition->ref.arena);

    return self == NULL ? kith__shm_refusal() : kith__condition_notify(self, condition, n);
}

static kith_err
condition_lock_name(void *state, char name[KITH__NAME_SIZE_MAX + 1])
{
    struct kith__condition *condition = state;
    const struct kith__condition_root *root = kith__condition_root(condition);
    struct kith__arena *arena = condition->ref.arena;
    struct kith__self *self;
    bool own = root->own != 0;
    kith_err err = kith__shm_reader(arena, &self);

    name[0] = '\0';
    if (err == KITH_OK && !own)
        err = kith__shm_name_of(arena, self, condition->lock.off, condition->lock.id, name);
    if (err == KITH_OK &&
        ((!own && name[0] == '\0') || kith__load_acquire(&root->root.id) != condition->ref.id))
        err = KITH_EGONE;
    return err;
}

const struct kith__condition_ops kith__shm_condition_ops = {
    .open = condition_open,
    .close = condition_close,
    .acquire = condition_acquire,
    .release = condition_release,
    .wait = condition_wait,
    .notify = condition_notify,
    .lock_name = condition_lock_name,
};
