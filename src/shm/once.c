/*
 * once.c - a thing that is done once among all; who dies doing it is followed by the next.
 *
 * LAYOUT   once root: see layout.h.  `state` is one word: open, done, or the process that has
 *          claimed it.  `actor` is the thread that did; it tells only whether one asks for what it
 *          is doing itself.
 *
 * INVARIANTS
 *   O1  both change under the lock; done is never left
 *   O2  the root is in the header's chain before it is claimed (root.c)
 *
 * STEPS    claim  O2; locked; K1 actor; K2 state is the process; unlocked
 *          end    locked; E1 state is open, or done; unlocked; E2 all who wait are woken
 *
 * DEATH    up to K2       nothing happened
 *          K2 to E1       when the process is found dead, or leaves, the state is open again, and
 *                         all who wait are woken: the first to look has it
 *          from E1        it is as it says; the lock is in the ledger until all were woken
 */
#include "shm/once.h"

#include <limits.h>

#include "base/error.h"

kith_err
kith__once_init(struct kith__op *op, uint64_t off, uint64_t id, void *done)
{
    struct kith__once_root *root = kith__ptr(op->self->arena, off);

    kith__root_init(op->self->arena, off);
    kith__store(&root->state, done != NULL && *(const bool *)done ? KITH__ONCE_DONE : 0);
    kith__store(&root->actor, 0);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

static void
end_once(struct kith__op *op, const struct kith__object *object)
{
    struct kith__once_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0);
    kith__op_give(op, object->off);
}

static void
check_once(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__once_root *root = kith__ptr(w->arena, off);
    uint64_t state = kith__load(&root->state);

    if (!whole)
        return;
    kith__root_check(w, off, "once");
    if (state != 0 && state != KITH__ONCE_DONE && (state & 0xffff) == 0)
        kith__walk_violation(w, "The once at %#llx is claimed by nobody.", (unsigned long long)off);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    (void)self;
    kith__root_describe(arena, object->off, 0, info);
    return KITH_OK;
}

/* KITH_EEMPTY: another does it; *owner_out. */
static kith_err
try_claim(struct kith__self *self, const struct kith__root_ref *ref, bool *mine_out,
          uint64_t *owner_out)
{
    struct kith__once_root *root = kith__once_root(ref);
    kith_err err = kith__root_lock(self, ref);
    uint64_t state, me;

    if (err < 0)
        return err;
    state = kith__load(&root->state);
    me = kith__actor_name(self->arena, self->id);
    if (state == 0) {
        kith__store(&root->actor, me); /* K1 */
        kith__step();
        kith__store_release(&root->state,
                            kith__owner_of(self->arena, self->arena->holder)); /* K2 */
    } else if (state != KITH__ONCE_DONE) {
        *owner_out = state;
        err = kith__load(&root->actor) == me ? KITH_EDEADLOCK : KITH_EEMPTY;
    }
    kith__root_unlock(self, ref);
    *mine_out = state == 0;
    return err;
}

static kith_err
wait_and_claim(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns,
               bool *mine_out)
{
    _Atomic uint32_t *signal = &kith__root_of(ref)->signal[0];
    enum kith__slept slept = KITH__SLEPT_AGAIN;
    uint64_t owner;

    for (;;) {
        uint32_t joined;
        kith_err err;

        kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
        kith__step();
        joined = kith__signal_join(self, signal);
        err = try_claim(self, ref, mine_out, &owner);
        if (err != KITH_EEMPTY || slept != KITH__SLEPT_AGAIN) {
            kith__awake(self);
            if (err == KITH_EEMPTY)
                err = slept == KITH__SLEPT_TIMEOUT ? KITH_ETIMEDOUT : KITH_EINTERRUPTED;
            return err;
        }
        slept = kith__sleep(self, signal, joined, deadline_ns, true);
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
    }
}

kith_err
kith__once_claim(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns,
                 bool *mine_out)
{
    uint64_t owner = 0;
    kith_err err = KITH_OK;

    *mine_out = false;
    if (kith__load_acquire(&kith__once_root(ref)->state) != KITH__ONCE_DONE ||
        kith__load(&kith__root_of(ref)->id) != ref->id) {
        err = kith__root_chain(self, ref, KITH_KIND_ONCE); /* O2 */
        if (err == KITH_OK)
            err = try_claim(self, ref, mine_out, &owner);
        if (err == KITH_EEMPTY && deadline_ns != 0)
            err = wait_and_claim(self, ref, deadline_ns, mine_out);
        else if (err == KITH_EEMPTY && !kith__owner_lives(self->arena, owner) &&
                 self->arena->on_idle_holders(self)) /* and nobody was told yet */
            err = try_claim(self, ref, mine_out, &owner);
        if (err == KITH_EEMPTY)
            err = KITH_ETIMEDOUT;
        kith__op_end(self);
    }
    return err;
}

kith_err
kith__once_end(struct kith__self *self, const struct kith__root_ref *ref, bool done)
{
    struct kith__once_root *root = kith__once_root(ref);
    kith_err err = kith__root_lock(self, ref);

    if (err < 0)
        return err;
    if (kith__load(&root->state) != kith__owner_of(self->arena, self->arena->holder)) {
        kith__root_unlock(self, ref);
        return KITH_EPERM;
    }
    kith__store_release(&root->state, done ? KITH__ONCE_DONE : 0); /* E1 */
    kith__root_unlock_raise(self, ref, INT_MAX);                   /* E2 */
    kith__op_end(self);
    return KITH_OK;
}

/* A process ended: what it was doing is the next one's. */
static kith_err
release_holder(struct kith__self *self, uint64_t off, uint64_t id, uint64_t owner, bool killed)
{
    struct kith__root_ref ref = { self->arena, off, id };
    struct kith__once_root *root = kith__once_root(&ref);
    kith_err err = kith__root_lock(self, &ref);
    bool was = err == KITH_OK && kith__load(&root->state) == owner;

    (void)killed;
    if (err < 0)
        return err;
#ifndef KITH_MISTAKE_ONCE_KEEPS_CLAIM
    if (was)
        kith__store_release(&root->state, 0);
#endif
    if (was)
        kith__root_unlock_raise(self, &ref, INT_MAX);
    else
        kith__root_unlock(self, &ref);
    return KITH_OK;
}

kith_err
kith__once_state(const struct kith__root_ref *ref, uint64_t *state_out)
{
    struct kith__once_root *root = kith__once_root(ref);
    uint64_t state = kith__load_acquire(&root->state);

    if (kith__load(&root->root.id) != ref->id)
        return KITH_EGONE;
    if (state != 0 && state != KITH__ONCE_DONE && !kith__owner_lives(ref->arena, state))
        state = 0;
    *state_out = state;
    return KITH_OK;
}

const struct kith__kind kith__once_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = kith__root_kind_lock,
    .unlock = kith__root_kind_unlock,
    .end = end_once,
    .wake_all = kith__root_wake_all,
    .release_holder = release_holder,
    .want = kith__root_want,
    .check = check_once,
    .describe = describe,
};
