/*
 * shm_engine.h - the engine on shared memory: what its files know of each other.
 */
#ifndef KITH__SHM_ENGINE_H
#define KITH__SHM_ENGINE_H

#include "base/error.h"
#include "engine/engine.h"
#include "shm/actor.h"
#include "shm/catalog.h"
#include "shm/queue.h"
#include "shm/reference.h"
#include "shm/root.h"
#include "shm/value.h"

extern const struct kith__engine kith__shm_engine;
extern const struct kith__view_ops kith__shm_view_ops;
extern const struct kith__dict_ops kith__shm_dict_ops;
extern const struct kith__list_ops kith__shm_list_ops;
extern const struct kith__queue_ops kith__shm_queue_ops;
extern const struct kith__lock_ops kith__shm_lock_ops;
extern const struct kith__rwlock_ops kith__shm_rwlock_ops;
extern const struct kith__event_ops kith__shm_event_ops;
extern const struct kith__barrier_ops kith__shm_barrier_ops;
extern const struct kith__condition_ops kith__shm_condition_ops;
extern const struct kith__once_ops kith__shm_once_ops;
extern const struct kith__limiter_ops kith__shm_limiter_ops;
extern const struct kith__semaphore_ops kith__shm_semaphore_ops;
extern const struct kith__value_ops kith__shm_value_ops;
extern const struct kith__array_ops kith__shm_array_ops;
extern const struct kith__segment_ops kith__shm_segment_ops;
extern const struct kith__txn_ops kith__shm_txn_ops;

/* A space: one reference on an arena, which several spaces of a process may share. */
struct kith__shm_space {
    struct kith__arena *arena;
    struct kith__shm_space *next; /* of those not left; under kith__arenas_lock() */
    _Atomic bool left;
    bool transactional; /* as it was opened: cells made by it are guarded */
    int excluding;      /* of one that rebuild() made: keeps others out of the old one */
};

/* ---- Who acts ------------------------------------------------------------------------- */

/*
 * The calling thread's hold on the arena.  NULL, with a sentence, if it has and gets none:
 * kith__shm_refusal() is then the code.
 */
static inline struct kith__self *
kith__shm_self(struct kith__arena *arena)
{
    return kith__self_of(arena);
}

static inline kith_err
kith__shm_refusal(void)
{
    return kith__telling.code;
}

/*
 * As kith__shm_self(), for who only reads: in a read-only space *self_out is NULL, and that is
 * fine.
 */
static inline kith_err
kith__shm_reader(struct kith__arena *arena, struct kith__self **self_out)
{
    if (arena->readonly && !arena->dead) {
        *self_out = NULL;
        return KITH_OK;
    }
    *self_out = kith__self_of(arena);
    return *self_out != NULL ? KITH_OK : kith__shm_refusal();
}

/* ---- Objects -------------------------------------------------------------------------- */

typedef kith_err kith__shm_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg);

/* Opens or makes an object; in a read-only space it is only looked for. */
kith_err kith__shm_object_open(struct kith__shm_space *space, const char *name, enum kith_kind kind,
                               enum kith_create create, kith__shm_init *init, void *arg,
                               struct kith__object *object_out);

/*
 * The name of the object at `off` with this id; "": it has none, or is there no longer.  All names
 * are looked through.
 */
kith_err kith__shm_name_of(struct kith__arena *arena, struct kith__self *self, uint64_t off,
                           uint64_t id, char name[KITH__NAME_SIZE_MAX + 1]);

/* A handle is closed: what it opened is not kept by it any more. */
void kith__shm_object_close(struct kith__arena *arena, const struct kith__keep *keep);

/* The same for one whose state begins with a struct kith__root_ref; and gives that up. */
kith_err kith__shm_root_open(struct kith__shm_space *space, const char *name, enum kith_kind kind,
                             enum kith_create create, kith__shm_init *init, void *arg,
                             void **state_out);
void kith__shm_root_close(void *state);
kith__poller_slot *kith__shm_root_poller(void *state);

/* What the state of a dict, a queue, and a value, stands for. */
const struct kith__dict *kith__shm_dict_of(const void *state);
const struct kith__queue *kith__shm_queue_of(const void *state);
const struct kith__value *kith__shm_value_of(const void *state);

/* Zeroed memory for the state of an object; NULL with a sentence. */
void *kith__shm_state(size_t size);

#endif /* KITH__SHM_ENGINE_H */
