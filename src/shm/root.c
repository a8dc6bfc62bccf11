/*
 * root.c - the chain of roots that hold something for processes, and what else all roots share.
 *
 * LAYOUT   The header's `roots` begins a list through `chain` of all roots that ever held something
 *          for a process.  A root stays in it for good, since its memory stays a root; whether it
 *          is meant is told by `chained`, which has the id and the kind of the object that entered.
 *
 * INVARIANTS
 *   N1  `chain` and the header's word are changed under the chain lock, and only to make the list
 *       longer
 *   N2  `chained` is changed under the chain lock, to the id that the root has then
 *
 * STEPS of entering, before the object first holds anything
 *   A root that is new to the chain: one record.  One that is in it: one store.
 *
 * N2 is what makes an old handle harmless: if it finds the id gone it does nothing, and if the
 * root becomes another object after that look, that one enters when it needs to, and finds the
 * chain lock held until the old one is done.
 *
 * DEATH    of one who enters: it is in the chain or not.  Nothing is held without being in it.
 */
#include "shm/root.h"

#include <limits.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/futex.h"
#include "shm/grace.h"

#define ID_MASK ((UINT64_C(1) << 56) - 1)

kith_err
kith__root_enter_chain(struct kith__self *self, const struct kith__root_ref *ref,
                       enum kith_kind kind)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    struct kith__root *root = kith__root_of(ref);
    uint64_t mark = ref->id | (uint64_t)kind << 56;
    struct kith__op op;
    kith_err err = kith__lock_acquire(self, &h->chain_lock);

    if (err < 0)
        return err;
    if (kith__load(&root->id) != ref->id) {
        err = KITH_EGONE;
    } else if (kith__load(&root->chained) != 0) {
        kith__store_release(&root->chained, mark);
    } else {
        kith__op_begin(&op, self);
        kith__op_set(&op, &root->chain, kith__load(&h->roots));
        kith__op_set(&op, &h->roots, ref->off);
        kith__op_set(&op, &root->chained, mark);
        err = kith__op_commit(&op);
    }
    kith__lock_release(self, &h->chain_lock);
    return err;
}

kith_err
kith__roots_release(struct kith__self *self, uint64_t owner, bool killed)
{
    struct kith__arena *arena = self->arena;
    uint64_t off = kith__load_acquire(&KITH__HEADER(arena)->roots);
    uint64_t limit = arena->size / KITH__ROOT_SIZE;

    for (uint64_t steps = 0; off != 0 && steps < limit; steps++) {
        struct kith__root *root = kith__at(arena, off, KITH__ROOT_SIZE);
        const struct kith__kind *kind;
        uint64_t mark;
        kith_err err;

        if (root == NULL)
            return kith__fail(KITH_ECORRUPT, "The chain of roots is broken; run kith check.");
        mark = kith__load_acquire(&root->chained);
        kind = kith__kind_of((enum kith_kind)(mark >> 56));
        if (kind != NULL && kind->release_holder != NULL &&
            kith__load_acquire(&root->id) == (mark & ID_MASK)) {
            err = kind->release_holder(self, off, mark & ID_MASK, owner, killed);
            if (err < 0 && err != KITH_EGONE)
                return err;
        }
        off = kith__load(&root->chain);
    }
    return KITH_OK;
}

bool
kith__actor_lives(struct kith__arena *arena, uint64_t name)
{
    unsigned actor = (unsigned)(name & 0xffff);

    return actor != 0 && actor <= arena->actors_max &&
           KITH__SLOT_KIND(kith__load_acquire(&kith__actor_at(arena, actor)->state)) ==
               KITH__SLOT_LIVE &&
           kith__actor_name(arena, actor) == name && !kith__actor_flagged(arena, actor);
}

bool
kith__owner_lives(struct kith__arena *arena, uint64_t owner)
{
    unsigned slot = (unsigned)(owner & 0xffff);

    return slot != 0 && slot <= KITH__HOLDERS_MAX && kith__owner_of(arena, slot) == owner &&
           KITH__SLOT_KIND(kith__load(&kith__holder_at(arena, slot)->state)) == KITH__SLOT_LIVE &&
           kith__holder_alive(arena, slot);
}

/* ---- What all do ------------------------------------------------------------------------- */

void
kith__root_init(struct kith__arena *arena, uint64_t off)
{
    struct kith__root *root = kith__ptr(arena, off);

    /* The lock's word, signals and the chain are left alone: old handles may be at them. */
    kith__lock_init(arena, &root->lock);
    root->created_ns = kith__real_ns();
    kith__store(&root->references, 0);
}

kith_err
kith__root_arm(struct kith__self *self, const struct kith__root_ref *ref, kith__poller_slot *slot,
               bool (*ready)(struct kith__self *self, const struct kith__root_ref *ref),
               int *fd_out)
{
    struct kith__root *root = kith__root_of(ref);
    struct kith__poller *poller;
    kith_err err = kith__poller_arm(self, slot, &poller);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != ref->id)
        return KITH_EGONE;
    atomic_fetch_or(&root->signal[0], KITH__SIGNAL_POLLERS);
    kith__barrier_everywhere(
        self); /* those who raise it have no fence: as in kith__signal_join() */
    if ((ready != NULL && ready(self, ref)) || kith__load_acquire(&root->id) != ref->id)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}

/* Changed as well as woken: one who has joined a signal and looked does not fall asleep then. */
void
kith__root_wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__root *root = kith__ptr(self->arena, off);
    bool polled = false;

    for (unsigned i = 0; i < sizeof root->signal / sizeof root->signal[0]; i++) {
        uint32_t word = atomic_load(&root->signal[i]), after;

        do
            after = ((word + KITH__SIGNAL_STEP) & ~KITH__SIGNAL_FLAGS) |
                    (word & KITH__SIGNAL_FLAGS & ~KITH__SIGNAL_POLLERS);
        while (!atomic_compare_exchange_weak(&root->signal[i], &word, after));
        kith__futex_wake(&root->signal[i], INT_MAX);
        polled = polled || (word & KITH__SIGNAL_POLLERS) != 0;
    }
    if (polled)
        kith__poke(self->arena);
    kith__row_call_all(self->arena, kith__root_wanted(off));
}

kith_err
kith__root_kind_lock(struct kith__self *self, const struct kith__object *object,
                     struct kith__object_locks *locks)
{
    struct kith__root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    return kith__lock_acquire(self, &root->lock);
}

void
kith__root_kind_unlock(struct kith__self *self, const struct kith__object *object,
                       struct kith__object_locks *locks)
{
    struct kith__root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    kith__lock_release(self, &root->lock);
}

void
kith__root_want(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_OBJECT)
        kith__walk_want(w, &root->lock);
}

void
kith__root_check(struct kith__walk *w, uint64_t off, const char *what)
{
    struct kith__root *root = kith__ptr(w->arena, off);

    if (!kith__lock_is(&root->lock, kith__off(w->arena, &root->lock)))
        kith__walk_violation(w, "The lock of the %s at %#llx is no lock.", what,
                             (unsigned long long)off);
}

void
kith__root_describe(struct kith__arena *arena, uint64_t off, uint64_t more, struct kith_info *info)
{
    const struct kith__root *root = kith__ptr(arena, off);

    info->bytes = KITH__ROOT_SIZE + more;
    info->created_ns = root->created_ns;
}
