/*
 * limiter.c - a bucket of tokens that fills by the clock.
 *
 * LAYOUT   limiter root: see layout.h.  A token is 2^shift units, so that a second is 2^29 to 2^30
 *          of them (fewer at slow rates: 2^40 units are the most).  The clock stands at so many
 *          units since the limiter began; it is computed from the time that passed, and never added
 *          to, so nothing drifts.  `position` is the one word that changes.
 *
 *          The bucket has  burst - max(0, position - clock)  tokens, all in units.  To take n is to
 *          move the position to  max(position, clock) + n,  if that is burst ahead of the clock at
 *          most.  (The algorithm is GCRA; the position is its theoretical arrival time.)
 *
 * INVARIANTS
 *   L1  the position is in no record, and changes by compare-and-swap alone
 *   L2  it is at most burst ahead of the clock, unless the clock was set back by a reboot: then it
 *       counts as that far
 *   L3  a root is not given back while an actor's pending_signal names its signal (as in value.c)
 *
 * STEPS    of taking   T1 pending_signal names the signal   T2 the id is looked at
 *                      T3 the position moves   T4 pending_signal is clear
 *          of the end  E1 the catalog's record: id 0, the root is trash   E2 a barrier in every
 *                      process, and a look at every pending_signal   E3 root freed
 *
 * DEATH    up to T3 nothing was taken, from T3 all of it.  A waiter holds nothing: it sleeps until
 *          the tokens may be there, and takes them then.
 *
 * LIMITS   2^63 units are 272 years at the fastest.  Rates have 50 bits.
 */
#include "shm/limiter.h"

#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/boot.h"
#include "shm/grace.h"

__extension__ typedef unsigned __int128 wide;

#define SIGNAL_AT offsetof(struct kith__root, signal)
#define SHIFT_MAX 40
#define SPEED_SHIFT 20
#define NS_PER_S UINT64_C(1000000000)

kith_err
kith__limiter_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__limiter_making *making = arg;
    struct kith__arena *arena = op->self->arena;
    struct kith__limiter_root *root = kith__ptr(arena, off);
    double position;
    int exponent;

    frexp(making->rate, &exponent); /* 2^(exponent - 1) <= rate < 2^exponent */
    kith__root_init(arena, off);
    root->begun_ns = kith__arena_now_ns(arena);
    root->shift = 30 - exponent < SHIFT_MAX ? (uint32_t)(30 - exponent) : SHIFT_MAX;
    position = ldexp(making->missing, (int)root->shift);
    kith__store(&root->position, (uint64_t)position + ((double)(uint64_t)position < position));
    root->speed = (uint64_t)ldexp(making->rate, (int)root->shift + SPEED_SHIFT);
    root->burst = making->burst;
    root->rate = making->rate;
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

static void
end_limiter(struct kith__op *op, const struct kith__object *object)
{
    struct kith__limiter_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0); /* E1 */
    kith__op_trash(op, object->off, KITH_KIND_LIMITER);
}

static kith_err
dismantle(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    kith_err err = kith__signal_quiesce(self, off + SIGNAL_AT); /* E2 */

    return err < 0 ? err : kith__block_free(self, off, source, source_value); /* E3 */
}

static bool
makes_sense(const struct kith__limiter_root *root)
{
    return root->shift <= SHIFT_MAX && root->burst > 0 && root->burst <= KITH__LIMITER_BURST_MAX &&
           root->speed > 0 && root->speed <= UINT64_C(1) << (30 + SPEED_SHIFT);
}

static void
check_limiter(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__limiter_root *root = kith__ptr(w->arena, off);

    if (!whole)
        return;
    kith__root_check(w, off, "limiter");
    if (!makes_sense(root))
        kith__walk_violation(w, "The limiter at %#llx has a rate or a burst that cannot be.",
                             (unsigned long long)off);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    (void)self;
    kith__root_describe(arena, object->off, 0, info);
    return KITH_OK;
}

const struct kith__kind kith__limiter_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = kith__root_kind_lock,
    .unlock = kith__root_kind_unlock,
    .end = end_limiter,
    .wake_all = kith__root_wake_all,
    .dismantle = dismantle,
    .want = kith__root_want,
    .check = check_limiter,
    .describe = describe,
};

/* ---- Units and times ----------------------------------------------------------------------- */

static uint64_t
clock_of(const struct kith__limiter_root *root, int64_t now_ns)
{
    uint64_t passed = now_ns > root->begun_ns ? (uint64_t)now_ns - (uint64_t)root->begun_ns : 0;

    return (uint64_t)((((wide)passed * root->speed) >> SPEED_SHIFT) / NS_PER_S);
}

/* The first time at which the clock stands at `units`. */
static int64_t
time_of(const struct kith__limiter_root *root, uint64_t units)
{
    wide whole = ((wide)units * NS_PER_S) << SPEED_SHIFT;
    wide passed = (whole + root->speed - 1) / root->speed;
    /* Unsigned, since it may have begun before the clock's zero. */
    uint64_t begun = (uint64_t)root->begun_ns, most = (uint64_t)INT64_MAX - begun;

    return passed > most ? INT64_MAX : (int64_t)(begun + (uint64_t)passed);
}

/* From where tokens are taken now: the position, but not behind the clock, nor too far ahead. */
static uint64_t
base_of(const struct kith__limiter_root *root, uint64_t position, uint64_t clock)
{
    uint64_t most = clock + (root->burst << root->shift);

    return position < clock ? clock : position > most ? most : position;
}

/* ---- Taking --------------------------------------------------------------------------------- */

static kith_err
take(struct kith__limiter_root *root, struct kith__arena *arena, uint64_t n, int64_t *when_out)
{
    uint64_t position = kith__load(&root->position);

    if (n > root->burst)
        return KITH_ERANGE;
    for (;;) {
        uint64_t clock = clock_of(root, kith__arena_now_ns(arena));
        uint64_t after = base_of(root, position, clock) + (n << root->shift);
        uint64_t most = root->burst << root->shift;

        if (after - clock > most) {
            if (when_out != NULL)
                *when_out = time_of(root, after - most);
            return KITH_EEMPTY;
        }
#ifdef KITH_MISTAKE_LIMITER_TAKES_PIECEMEAL
        kith__store(&root->position, position = after - (UINT64_C(1) << root->shift));
#endif
        if (atomic_compare_exchange_weak(&root->position, &position, after)) /* T3 */
            return KITH_OK;
    }
}

kith_err
kith__limiter_take(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n,
                   int64_t *when_out)
{
    struct kith__limiter_root *root = kith__limiter_root(ref);
    kith_err err = KITH_EGONE;

    kith__store(&self->actor->pending_signal, (ref->off + SIGNAL_AT) | 1); /* T1 */
    kith__step();
    if (kith__load_acquire(&root->root.id) == ref->id) /* T2 */
        err = makes_sense(root)
                  ? take(root, ref->arena, n, when_out)
                  : kith__fail(KITH_ECORRUPT, "A limiter breaks an invariant; run kith check.");
    kith__step();
    kith__store_release(&self->actor->pending_signal, 0); /* T4 */
    return err;
}

kith_err
kith__limiter_wait(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n,
                   int64_t deadline_ns)
{
    _Atomic uint32_t *signal = &kith__root_of(ref)->signal[0];

    for (;;) {
        enum kith__slept slept;
        int64_t when_ns;
        uint32_t joined;
        kith_err err = kith__limiter_take(self, ref, n, &when_ns);

        if (err != KITH_EEMPTY)
            return err;
        when_ns = kith__arena_deadline_ns(ref->arena, when_ns);
        if (when_ns > deadline_ns || deadline_ns == 0)
            return KITH_ETIMEDOUT;
        /* Only its end is signalled. */
        kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
        kith__step();
        joined = kith__signal_join(self, signal);
        slept = kith__load_acquire(&kith__root_of(ref)->id) != ref->id
                    ? KITH__SLEPT_AGAIN
                    : kith__sleep(self, signal, joined, when_ns, true);
        kith__awake(self);
        kith__op_end(self);
        if (slept == KITH__SLEPT_INTERRUPTED)
            return KITH_EINTERRUPTED;
    }
}

kith_err
kith__limiter_state(const struct kith__root_ref *ref, struct kith__limiter_state *state_out)
{
    struct kith__limiter_root *root = kith__limiter_root(ref);
    struct kith__limiter_state state = { 0 };
    int64_t now_ns = kith__arena_now_ns(ref->arena);
    uint64_t clock, left;

    if (kith__load_acquire(&root->root.id) != ref->id)
        return KITH_EGONE;
    if (makes_sense(root)) {
        clock = clock_of(root, now_ns);
        left = (root->burst << root->shift) -
               (base_of(root, kith__load(&root->position), clock) - clock);
        state.rate = root->rate;
        state.burst = root->burst;
        state.available = left >> root->shift;
        if (state.available < state.burst)
            state.next_ns =
                time_of(root, clock + ((state.available + 1) << root->shift) - left) - now_ns;
        if (state.next_ns < 0)
            state.next_ns = 0;
    }
    if (kith__load_acquire(&root->root.id) != ref->id)
        return KITH_EGONE;
    if (state.burst == 0)
        return kith__fail(KITH_ECORRUPT, "A limiter breaks an invariant; run kith check.");
    *state_out = state;
    return KITH_OK;
}
