/*
 * barrier.c - a place where parties wait for each other, and that a death breaks.
 *
 * LAYOUT   barrier root: see layout.h.  `state` has in one word how many have arrived, whether it
 *          is broken, and how often it let all go, its passes.  Those who have arrived stand in a
 *          row, in the root or in a block that it has for its whole life.  `breaks` counts how
 *          often it was broken, or reset under those who waited; the last eight are in a log, with
 *          the passes there were then.
 *
 * INVARIANTS
 *   B1  all words are changed under the lock
 *   B2  as many of the row count as have arrived; a broken barrier has none
 *   B3  all have arrived only while the last of them acts
 *
 * STEPS    of arriving, locked          of the last, locked    of breaking, locked
 *   A0 a sleeper is woken to watch      A0, A1                 K1 one record: breaks, log, state
 *   A1 the row has the name             A3 state: one pass     K2 unlocked, all are woken
 *   A2 state counts it                  A4 all are woken
 *   A4 asleep until its fate is known
 * With an action the last makes A2, acts with nothing locked, and makes A3 then.
 *
 * Fate     One who arrived remembers passes and breaks.  While both are the same it waits.  Else
 *   what came first decides: a break that the log has with the same passes came before any pass.
 *   So a slow sleeper learns what became of its own meeting, though others have met since.
 *
 * DEATH    up to A1      nothing happened
 *          A2 to A3      the name in the row is a dead thread's: whoever looks next, and those who
 *                        sleep are woken to look, breaks the barrier
 *          A3, K1 on     it happened; the lock is in the ledger until all were woken
 *
 * LIMITS   A waiter that sleeps through nine breaks is told that it was broken, if it was let go
 *          before them or not.
 */
#include "shm/barrier.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/futex.h"

#define LOG_WHY_SHIFT 48

static kith_err
broken_arena(void)
{
    return kith__fail(KITH_ECORRUPT, "A barrier breaks an invariant; run kith check.");
}

static uint64_t
arrived(uint64_t state)
{
    return state & KITH__BARRIER_ARRIVED;
}

static uint64_t
passes(uint64_t state)
{
    return state / KITH__BARRIER_PASS;
}

/* The row; NULL if the root was overwritten. */
static struct kith__arrived *
row_of(struct kith__arena *arena, struct kith__barrier_root *root)
{
    if (root->parties == 0 || root->parties > KITH__ACTORS_MAX ||
        arrived(kith__load(&root->state)) > root->parties)
        return NULL;
    if (root->parties <= KITH__PARTIES_INLINE)
        return root->arrived;
    return kith__at(arena, root->block, root->parties * sizeof(struct kith__arrived));
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__barrier_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const uint64_t *parties = arg;
    struct kith__barrier_root *root = kith__ptr(op->self->arena, off);
    uint64_t block = 0;

    if (*parties > KITH__PARTIES_INLINE &&
        kith__op_take(op, *parties * sizeof(struct kith__arrived), &block) < 0)
        return op->err;
    kith__root_init(op->self->arena, off);
    kith__store(&root->state, 0);
    root->parties = *parties;
    kith__store(&root->breaks, 0);
    kith__store(&root->pid, 0);
    root->block = block;
    for (unsigned i = 0; i < KITH__BARRIER_LOG; i++)
        kith__store(&root->log[i], 0);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

static void
end_barrier(struct kith__op *op, const struct kith__object *object)
{
    struct kith__barrier_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0);
    if (root->block != 0)
        kith__op_give(op, root->block);
    kith__op_give(op, object->off);
}

static void
check_barrier(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__barrier_root *root = kith__ptr(w->arena, off);
    uint64_t state = kith__load(&root->state);

    if (!whole)
        return;
    kith__root_check(w, off, "barrier");
    if (root->block != 0)
        kith__walk_mark(w, root->block, "The row of a barrier");
    if (row_of(w->arena, root) == NULL)
        kith__walk_violation(w, "The barrier at %#llx has parties that cannot be.",
                             (unsigned long long)off);
    else if ((state & KITH__BARRIER_BROKEN) != 0 && arrived(state) != 0)
        kith__walk_violation(w, "The barrier at %#llx is broken, and somebody has arrived.",
                             (unsigned long long)off);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__barrier_root *root = kith__ptr(arena, object->off);

    (void)self;
    kith__root_describe(arena, object->off,
                        root->block != 0 ? root->parties * sizeof(struct kith__arrived) : 0, info);
    return KITH_OK;
}

const struct kith__kind kith__barrier_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = kith__root_kind_lock,
    .unlock = kith__root_kind_unlock,
    .end = end_barrier,
    .wake_all = kith__root_wake_all,
    .want = kith__root_want,
    .check = check_barrier,
    .describe = describe,
};

/* ---- Breaking, lock held ---------------------------------------------------------------- */

/* `after` is its state, but for the passes. */
static kith_err
break_it(struct kith__self *self, struct kith__barrier_root *root, unsigned why, int64_t pid,
         uint64_t after)
{
    uint64_t count = passes(kith__load(&root->state)), breaks = kith__load(&root->breaks) + 1;
    struct kith__op op;
    kith_err err;

    kith__op_begin(&op, self);
    kith__op_set(&op, &root->breaks, breaks);
    kith__op_set(&op, &root->log[breaks % KITH__BARRIER_LOG],
                 count | (uint64_t)why << LOG_WHY_SHIFT);
    if (why == KITH__BROKEN_DEATH)
        kith__op_set(&op, &root->pid, (uint64_t)pid);
    kith__op_set(&op, &root->state, count * KITH__BARRIER_PASS | after);
    err = kith__op_commit(&op); /* K1 */
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

/* Breaks it if one who has arrived is dead; *broke_out: so it did, and all are to be woken. */
static kith_err
heed_deaths(struct kith__self *self, struct kith__barrier_root *root, bool *broke_out)
{
    struct kith__arrived *row = row_of(self->arena, root);
    uint64_t count = arrived(kith__load(&root->state));

    if (row == NULL)
        return broken_arena();
#ifndef KITH_MISTAKE_BARRIER_FORGETS_DEAD
    for (uint64_t i = 0; i < count; i++) {
        kith_err err;

        if (kith__actor_lives(self->arena, kith__load(&row[i].name)))
            continue;
        err = break_it(self, root, KITH__BROKEN_DEATH, (int64_t)kith__load(&row[i].pid),
                       KITH__BARRIER_BROKEN);
        *broke_out |= err == KITH_OK;
        return err;
    }
#else
    (void)count;
#endif
    return KITH_OK;
}

static void
unlock(struct kith__self *self, const struct kith__root_ref *ref, bool changed)
{
    if (changed)
        kith__root_unlock_raise(self, ref, INT_MAX); /* A4, K2 */
    else
        kith__root_unlock(self, ref);
}

/* ---- Arriving ---------------------------------------------------------------------------- */

enum fate { WAITS, PASSED, BROKEN };

static void
say_why(struct kith__barrier_root *root, uint64_t number, struct kith__arrival *arrival)
{
    arrival->why = (unsigned)(kith__load(&root->log[number % KITH__BARRIER_LOG]) >> LOG_WHY_SHIFT);
    if (arrival->why == KITH__BROKEN_DEATH)
        arrival->pid = (int64_t)kith__load(&root->pid);
}

static enum fate
fate_of(struct kith__barrier_root *root, struct kith__arrival *arrival)
{
    uint64_t breaks = kith__load(&root->breaks), first = arrival->breaks + 1, logged;

    if (breaks == arrival->breaks)
        return passes(kith__load(&root->state)) == arrival->passes ? WAITS : PASSED;
    if (breaks - first >= KITH__BARRIER_LOG)
        return BROKEN;
    logged = kith__load(&root->log[first % KITH__BARRIER_LOG]);
    if ((logged & ((UINT64_C(1) << LOG_WHY_SHIFT) - 1)) != arrival->passes)
        return PASSED;
    say_why(root, first, arrival);
    return BROKEN;
}

/*
 * A sleeper watches the threads that there were when it fell asleep, and the caller may be newer.
 * So one of those asleep is woken, and sleeps again when it has looked; one about to sleep finds
 * the signal changed.  Before A2, for who dies after that must be watched.  All are then watched by
 * one at least: the woken one watches everybody, and the caller will watch it.
 */
static void
have_watched(struct kith__self *self, struct kith__barrier_root *root)
{
    kith__signal_join(self, &root->root.signal[0]);
    kith__futex_wake(&root->root.signal[0], 1);
}

/* Lock held.  KITH_EFULL: all have arrived, and the last is acting. */
static kith_err
enter(struct kith__self *self, const struct kith__root_ref *ref, bool action,
      struct kith__arrival *arrival, bool *changed)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    kith_err err = heed_deaths(self, root, changed);
    struct kith__arrived *row = row_of(self->arena, root);
    uint64_t state = kith__load(&root->state);

    if (err < 0)
        return err;
    if (row == NULL)
        return broken_arena();
    if ((state & KITH__BARRIER_BROKEN) != 0) {
        say_why(root, kith__load(&root->breaks), arrival);
        return KITH_ECONFLICT;
    }
    if (arrived(state) == root->parties)
        return KITH_EFULL;
    arrival->index = (uint32_t)arrived(state);
    arrival->passes = passes(state);
    arrival->breaks = kith__load(&root->breaks);
    arrival->acts = arrived(state) + 1 == root->parties;
    if (arrived(state) > 0)
        have_watched(self, root);
    kith__store(&row[arrived(state)].name, kith__actor_name(self->arena, self->id)); /* A1 */
    kith__store(&row[arrived(state)].pid,
                (uint64_t)kith__holder_at(self->arena, self->arena->holder)->pid);
    kith__step();
    if (arrival->acts && !action) {
        kith__store(&root->state, (passes(state) + 1) * KITH__BARRIER_PASS); /* A3 */
        *changed = true;
        arrival->acts = false;
        arrival->passed = true;
    } else {
        kith__store(&root->state, state + 1); /* A2 */
    }
    return KITH_OK;
}

/* One look of one who waits: WAITS, and the sleep that came before it was `slept`. */
static kith_err
look_again(struct kith__self *self, const struct kith__root_ref *ref, enum kith__slept slept,
           struct kith__arrival *arrival, enum fate *fate_out)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    bool changed = false;
    kith_err err = kith__root_lock(self, ref);

    if (err < 0)
        return err;
    *fate_out = fate_of(root, arrival);
    if (*fate_out == WAITS) {
        err = heed_deaths(self, root, &changed);
        *fate_out = fate_of(root, arrival);
    }
    if (err == KITH_OK && *fate_out == WAITS && slept != KITH__SLEPT_AGAIN) {
        bool in_time = slept != KITH__SLEPT_TIMEOUT;

        err = break_it(self, root, in_time ? KITH__BROKEN_INTERRUPTED : KITH__BROKEN_TIMEOUT, 0,
                       KITH__BARRIER_BROKEN);
        changed = err == KITH_OK;
        if (err == KITH_OK)
            err = in_time ? KITH_EINTERRUPTED : KITH_ETIMEDOUT;
    }
    unlock(self, ref, changed);
    return err;
}

static kith_err
wait_for_fate(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns,
              struct kith__arrival *arrival)
{
    _Atomic uint32_t *signal = &kith__root_of(ref)->signal[0];
    enum kith__slept slept = deadline_ns == 0 ? KITH__SLEPT_TIMEOUT : KITH__SLEPT_AGAIN;

    for (;;) {
        enum fate fate = WAITS;
        uint32_t joined;
        kith_err err;

        kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
        kith__step();
        joined = kith__signal_join(self, signal);
        err = look_again(self, ref, slept, arrival, &fate);
        if (err < 0 || fate != WAITS) {
            kith__awake(self);
            return err < 0 ? err : fate == PASSED ? KITH_OK : KITH_ECONFLICT;
        }
        slept = kith__sleep(self, signal, joined, deadline_ns, true); /* A4 */
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
    }
}

kith_err
kith__barrier_arrive(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns,
                     bool action, struct kith__arrival *arrival)
{
    _Atomic uint32_t *signal = &kith__root_of(ref)->signal[0];
    enum kith__slept slept = KITH__SLEPT_AGAIN;
    kith_err err;

    do {
        bool changed = false;
        uint32_t joined = 0;

        if (slept != KITH__SLEPT_AGAIN)
            return slept == KITH__SLEPT_TIMEOUT ? KITH_ETIMEDOUT : KITH_EINTERRUPTED;
        err = kith__root_lock(self, ref);
        if (err < 0)
            return err;
        err = enter(self, ref, action, arrival, &changed);
        if (err == KITH_EFULL)
            joined = kith__signal_join(self, signal);
        unlock(self, ref, changed);
        if (err == KITH_EFULL && deadline_ns == 0)
            return KITH_ETIMEDOUT;
        if (err == KITH_EFULL) {
            slept = kith__sleep(self, signal, joined, deadline_ns, true);
            kith__awake(self);
        }
        kith__op_end(self);
    } while (err == KITH_EFULL);
    if (err < 0 || arrival->acts || arrival->passed)
        return err;
    err = wait_for_fate(self, ref, deadline_ns, arrival);
    kith__op_end(self);
    return err;
}

kith_err
kith__barrier_acted(struct kith__self *self, const struct kith__root_ref *ref, bool well,
                    struct kith__arrival *arrival)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    kith_err err = kith__root_lock(self, ref);
    enum fate fate;

    if (err < 0)
        return err;
    fate = fate_of(root, arrival);
    if (fate == WAITS && well)
        kith__store(&root->state, (arrival->passes + 1) * KITH__BARRIER_PASS); /* A3 */
    else if (fate == WAITS)
        err = break_it(self, root, KITH__BROKEN_ACTION, 0, KITH__BARRIER_BROKEN);
    else
        err = fate == PASSED ? KITH_OK : KITH_ECONFLICT;
    unlock(self, ref, fate == WAITS);
    kith__op_end(self);
    return err;
}

/* ---- Without arriving --------------------------------------------------------------------- */

kith_err
kith__barrier_reset(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    kith_err err = kith__root_lock(self, ref);
    uint64_t state;

    if (err < 0)
        return err;
    state = kith__load(&root->state);
    if (arrived(state) != 0)
        err = break_it(self, root, KITH__BROKEN_RESET, 0, 0);
    else
        kith__store(&root->state, passes(state) * KITH__BARRIER_PASS);
    unlock(self, ref, true);
    kith__op_end(self);
    return err;
}

kith_err
kith__barrier_abort(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    kith_err err = kith__root_lock(self, ref);

    if (err < 0)
        return err;
    if ((kith__load(&root->state) & KITH__BARRIER_BROKEN) == 0)
        err = break_it(self, root, KITH__BROKEN_ABORT, 0, KITH__BARRIER_BROKEN);
    unlock(self, ref, true);
    kith__op_end(self);
    return err;
}

kith_err
kith__barrier_look(struct kith__self *self, const struct kith__root_ref *ref, uint32_t *parties_out,
                   uint32_t *waiting_out, bool *broken_out)
{
    struct kith__barrier_root *root = kith__barrier_root(ref);
    uint64_t state, parties;
    bool changed = false;
    kith_err err = self == NULL ? KITH_OK : kith__root_lock(self, ref);

    if (err < 0)
        return err;
    if (self != NULL)
        err = heed_deaths(self, root, &changed);
    state = kith__load_acquire(&root->state);
    parties = root->parties;
    if (self == NULL && kith__load_acquire(&root->root.id) != ref->id)
        return KITH_EGONE;
    if (self != NULL) {
        unlock(self, ref, changed);
        kith__op_end(self);
    }
    if (err < 0)
        return err;
    *parties_out = (uint32_t)parties;
    *waiting_out = (uint32_t)arrived(state);
    *broken_out = (state & KITH__BARRIER_BROKEN) != 0;
    return KITH_OK;
}
