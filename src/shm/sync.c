/*
 * sync.c - what locks that users hold and events have in common, and the event.
 *
 * LAYOUT   sync root: id, a lock word, a signal; see layout.h.  The lock is that of mutex.c, or,
 *   made with options, of special.c or rwlock.c.
 *
 * An event is one bit of its signal.
 *   set     E1 pending_signal names it   E2 the bit is set, by one compare-and-swap
 *           E3 the sets are counted      E4 all sleepers are woken   E5 pending_signal is clear
 *   A waiter goes on if the bit is set or the count has changed: an event that is set and
 *   cleared at once still lets go everybody who waited.
 * DEATH     up to E2 nothing happened; from E2 to E5 the reaper repeats the wake.
 *
 * The end of either  The id is cleared, the word freed, and all who wait are woken.  The root stays
 * a sync root for ever, but it is another object's only after nobody is amid a change of it any
 * more: of an event whoever names its signal in pending_signal, of a lock in pending_wake.
 */
#include "shm/sync.h"

#include "base/error.h"
#include "shm/futex.h"
#include "shm/grace.h"
#include "shm/kind.h"
#include "shm/row.h"

kith_err
kith__sync_init(struct kith__op *op, uint64_t off, uint64_t id, void *options)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__sync_root *root = kith__ptr(arena, off);

    /* Where it is in the chain of unowned locks is left alone. */
    kith__lock_init(arena, &root->lock);
    atomic_store(&root->lock.word, 0);
    atomic_store(&root->signal, 0);
    root->options = options != NULL ? *(const uint32_t *)options : 0;
    kith__store(&root->since, 0);
    kith__store(&root->depth, 0);
    kith__store(&root->references, 0);
    kith__op_set(op, &root->id, id);
    return op->err;
}

static void
end_sync(struct kith__op *op, const struct kith__object *object)
{
    struct kith__sync_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->id, 0);
    kith__op_trash(op, object->off, KITH_KIND_EVENT); /* by way of dismantle() */
}

/* Not before all who had named it, and seen its id, are done with it. */
static kith_err
dismantle(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    kith_err err = kith__signal_quiesce(self, off + offsetof(struct kith__sync_root, signal));

#ifndef KITH_MISTAKE_LOCK_NO_QUIESCE
    if (err == KITH_OK)
        err = kith__lock_quiesce(self, off + offsetof(struct kith__sync_root, lock));
#endif
    return err < 0 ? err : kith__block_free(self, off, source, source_value);
}

static void
wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__sync_root *root = kith__ptr(self->arena, off);

    atomic_store(&root->lock.word, 0);
    kith__row_call_all(self->arena, off + offsetof(struct kith__sync_root, lock));
    kith__futex_wake(&root->lock.word, INT32_MAX);
    kith__signal_wake(self, &root->signal, INT32_MAX);
    kith__poke(self->arena);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__sync_root *root = kith__ptr(arena, object->off);

    (void)self;
    info->bytes = sizeof *root;
    info->created_ns = root->created_ns;
    return KITH_OK;
}

static void
check(struct kith__walk *w, uint64_t off, bool whole)
{
    const struct kith__sync_root *root = kith__ptr(w->arena, off);

    if (!whole)
        return;
    if (!kith__lock_is(&root->lock, off + offsetof(struct kith__sync_root, lock)))
        kith__walk_violation(w, "The lock at %#llx is no lock.", (unsigned long long)off);
    if ((root->options & ~KITH__SYNC_ALL) != 0)
        kith__walk_violation(w, "The lock at %#llx was made with options that do not exist.",
                             (unsigned long long)off);
}

const struct kith__kind kith__sync_kind = {
    .class_index = KITH__CLASS_SYNC,
    .references_at = offsetof(struct kith__sync_root, references),
    .end = end_sync,
    .wake_all = wake_all,
    .dismantle = dismantle,
    .check = check,
    .describe = describe,
};

/* ---- Event ------------------------------------------------------------------------------ */

/*
 * Names the signal, then looks at the id: the root of an event is not given back while somebody
 * names it, so what is changed then is this event.  See value.c, V3.
 */
static bool
enter_event(struct kith__self *self, const struct kith__sync *sync)
{
    kith__store(&self->actor->pending_signal,
                (sync->off + offsetof(struct kith__sync_root, signal)) | 1);
    kith__step();
    if (kith__load_acquire(&kith__sync_root(sync)->id) == sync->id)
        return true;
    kith__store(&self->actor->pending_signal, 0);
    return false;
}

kith_err
kith__event_set(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t word;

    if (!enter_event(self, sync)) /* E1 */
        return KITH_EGONE;
    word = atomic_load(&root->signal);
    while (!atomic_compare_exchange_weak(&root->signal, &word, word | KITH__SIGNAL_ON)) /* E2 */
        ;
    if ((word & KITH__SIGNAL_ON) == 0)
        atomic_fetch_add(&root->sets, 1);               /* E3 */
    kith__signal_raise(self, &root->signal, INT32_MAX); /* E4 */
    kith__step();
    kith__store_release(&self->actor->pending_signal, 0); /* E5 */
    return KITH_OK;
}

kith_err
kith__event_clear(struct kith__self *self, const struct kith__sync *sync)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    if (!enter_event(self, sync))
        return KITH_EGONE;
    atomic_fetch_and(&root->signal, ~KITH__SIGNAL_ON);
    kith__store_release(&self->actor->pending_signal, 0);
    return KITH_OK;
}

kith_err
kith__event_is_set(const struct kith__sync *sync, bool *set_out)
{
    struct kith__sync_root *root = kith__sync_root(sync);

    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    *set_out = (atomic_load(&root->signal) & KITH__SIGNAL_ON) != 0;
    return KITH_OK;
}

kith_err
kith__event_wait(struct kith__self *self, const struct kith__sync *sync, int64_t deadline_ns)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t sets = kith__load_acquire(&root->sets);

    for (;;) {
        uint32_t word = atomic_load(&root->signal);
        enum kith__slept slept;

        if (kith__load_acquire(&root->id) != sync->id)
            return KITH_EGONE;
        if ((word & KITH__SIGNAL_ON) != 0 || kith__load_acquire(&root->sets) != sets)
            return KITH_OK;
        if (deadline_ns == 0)
            return KITH_ETIMEDOUT;
        if (kith__spin(self, &root->signal, word))
            continue;
        kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->signal));
        kith__step();
        word = kith__signal_join(self, &root->signal);
        slept = (word & KITH__SIGNAL_ON) != 0 || kith__load_acquire(&root->sets) != sets ||
                        kith__load(&root->id) != sync->id
                    ? KITH__SLEPT_AGAIN
                    : kith__sleep(self, &root->signal, word, deadline_ns, true);
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
        if (slept == KITH__SLEPT_INTERRUPTED) {
            kith__signal_wake(self, &root->signal, 1);
            return KITH_EINTERRUPTED;
        }
        if (slept == KITH__SLEPT_TIMEOUT && (atomic_load(&root->signal) & KITH__SIGNAL_ON) == 0 &&
            kith__load_acquire(&root->sets) == sets)
            return KITH_ETIMEDOUT;
    }
}

/* ---- Polling ---------------------------------------------------------------------------- */

kith_err
kith__event_arm(struct kith__self *self, const struct kith__sync *sync, kith__poller_slot *slot,
                int *fd_out)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    struct kith__poller *poller;
    kith_err err = kith__poller_arm(self, slot, &poller);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    if ((atomic_fetch_or(&root->signal, KITH__SIGNAL_POLLERS) & KITH__SIGNAL_ON) != 0 ||
        kith__load_acquire(&root->id) != sync->id)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}
