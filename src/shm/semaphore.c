/*
 * semaphore.c - permits that processes take and give back, and that come back when one is killed.
 *
 * LAYOUT   semaphore root: see layout.h.  `stock` counts all permits, those to be had and those
 *          taken; what each process took stands in a charge, with its place in the order of first
 *          takings.  Charges are a row in the root, or, when there are more, in a block.  How many
 *          permits are to be had is the stock less all charges: it stands nowhere, so that taking
 *          one, and giving it back, is one store.
 *
 * INVARIANTS
 *   P1  the charges sum up to the stock at most
 *   P2  a process has one charge that counts at most
 *   P3  bounded: the stock is the initial value
 *   P4  what counts is changed under the lock; but for the permits of a process that takes and
 *       gives them back while nobody else has any, or waits: semaphore_quick.h
 *   P5  the root is in the header's chain before it has a charge (root.c)
 *
 * STEPS of acquiring                         of releasing n
 *   A1 in the chain   A2 locked              R1 locked
 *   A3 owner and place of the charge         R2 one store, of a charge or the stock, or one record
 *   A4 its count                             R3 unlocked, and as many woken
 *   A5 unlocked
 * A release drops the caller's charge, else the oldest, else adds to the stock.  A charge of 0 is
 * room for another, so A3 says nothing before A4.
 *
 * Waiting  The waiter joins the signal, looks, and sleeps.  Fair: it has a place in the row of the
 *   root (row.c), taken under the lock, and sleeps on its own word; permits are the first's, who
 *   calls the next if more are to be had.  Who polls has no place in it, and is told by the signal
 *   when the row is through.
 *
 * DEATH
 *   up to A4, R2   nothing happened
 *   A4, R2 on      it did; a wake that is owed is repeated by the reaper, for the lock is in the
 *                  ledger until then
 *   a holder       its charge is dropped, and comes back up to the initial value: what is more was
 *                  never anybody's permit but a signal, and is taken from the stock
 *   a waiter       its row is called, the signal nudged, lest a wake went with it
 *   unowned        an orderly end leaves the charge, which then belongs to nobody: generations are
 *                  never used twice, so no death drops it
 *
 * LIMITS   An acquire under the lock looks at all charges: 4,096 processes cost 4 us.
 */
#include "shm/semaphore_quick.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* The charges, which the lock guards. */
struct charges {
    struct kith__charge *at;
    uint64_t room;
};

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A semaphore breaks an invariant; run kith check.");
}

static bool
charges_of(struct kith__arena *arena, struct kith__semaphore_root *root, struct charges *charges)
{
    uint64_t block = kith__load(&root->block);

    charges->at = root->charges;
    charges->room = KITH__CHARGES_INLINE;
    if (block == 0)
        return true;
    charges->room = kith__load(&root->room);
    if (charges->room > 2 * KITH__HOLDERS_MAX)
        return false;
    charges->at = kith__at(arena, block, charges->room * sizeof(struct kith__charge));
    return charges->at != NULL;
}

/* What `quick` counts and the charges do not: W1, W5. */
static uint64_t
quick_count(struct kith__arena *arena, struct kith__semaphore_root *root,
            const struct charges *charges)
{
    uint64_t word = kith__load_acquire(&root->quick), owner;
    unsigned slot = KITH__QUICK_SLOT(word);

    if (KITH__QUICK_COUNT(word) == 0 || slot == 0 || slot > KITH__HOLDERS_MAX)
        return 0;
    owner = kith__owner_of(arena, slot);
    for (uint64_t i = 0; (word & KITH__QUICK_STOPPED) != 0 && i < charges->room; i++)
        if (kith__load(&charges->at[i].owner) == owner && kith__load(&charges->at[i].count) != 0)
            return 0;
    return KITH__QUICK_COUNT(word);
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__semaphore_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__semaphore_making *making = arg;
    struct kith__semaphore_root *root = kith__ptr(op->self->arena, off);

    kith__root_init(op->self->arena, off);
    kith__store(&root->stock, making->initial + making->more);
    root->initial = making->initial;
    root->options = making->options;
    kith__store(&root->ticket, 1);
    kith__store(&root->queued, 0);
    kith__store(&root->block, 0);
    kith__store(&root->room, 0);
    kith__store(&root->quick, 0);
    for (unsigned i = 0; i < KITH__CHARGES_INLINE; i++)
        kith__store(&root->charges[i].count, 0);
    kith__store(&root->charges[0].owner, 0); /* nobody's, if it counts */
    kith__store(&root->charges[0].ticket, 1);
    kith__store(&root->charges[0].count, making->gone);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

static void
end_semaphore(struct kith__op *op, const struct kith__object *object)
{
    struct kith__semaphore_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0);
    kith__op_set(op, &root->quick, 0);
    if (kith__load(&root->block) != 0)
        kith__op_give(op, kith__load(&root->block));
    kith__op_give(op, object->off);
}

static void
check_semaphore(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__semaphore_root *root = kith__ptr(w->arena, off);
    uint64_t sum = 0, quick = kith__load(&root->quick);
    struct charges charges;

    if (!whole)
        return;
    kith__root_check(w, off, "semaphore");
    if (kith__load(&root->block) != 0 &&
        !kith__walk_mark(w, kith__load(&root->block), "The charges of a semaphore"))
        return;
    if (!charges_of(w->arena, root, &charges)) {
        kith__walk_violation(w, "The charges of the semaphore at %#llx lie nowhere.",
                             (unsigned long long)off);
        return;
    }
    for (uint64_t i = 0; i < charges.room; i++) {
        uint64_t count = kith__load(&charges.at[i].count);

        sum = count > INT64_MAX - sum ? UINT64_MAX / 2 : sum + count;
        for (uint64_t j = 0; count != 0 && j < i; j++)
            if (kith__load(&charges.at[j].count) != 0 &&
                kith__load(&charges.at[j].owner) == kith__load(&charges.at[i].owner))
                kith__walk_violation(w, "The semaphore at %#llx has two charges of one process.",
                                     (unsigned long long)off);
    }
    sum += quick_count(w->arena, root, &charges);
    if ((quick & KITH__QUICK_STOPPED) == 0)
        sum += KITH__QUICK_MORE(quick);
    if (sum > kith__load(&root->stock))
        kith__walk_violation(w, "The semaphore at %#llx has lent more permits than it has.",
                             (unsigned long long)off);
    if ((root->options & ~(uint64_t)KITH__SEMAPHORE_ALL) != 0)
        kith__walk_violation(w, "The semaphore at %#llx was made with options that do not exist.",
                             (unsigned long long)off);
    else if ((root->options & KITH__SEMAPHORE_BOUNDED) != 0 &&
             kith__load(&root->stock) != root->initial)
        kith__walk_violation(w, "The bounded semaphore at %#llx has not its permits.",
                             (unsigned long long)off);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__semaphore_root *root = kith__ptr(arena, object->off);

    (void)self;
    kith__root_describe(
        arena, object->off,
        kith__load(&root->block) != 0 ? kith__load(&root->room) * sizeof(struct kith__charge) : 0,
        info);
    return KITH_OK;
}

/* ---- Looking at the charges, lock held -------------------------------------------------- */

struct look {
    uint64_t free;             /* permits to be had */
    struct kith__charge *mine; /* of a count of 0, if it had one, and nobody has it now */
    uint64_t count;            /* its */
};

/* One more charge, beside what was seen of others. */
static inline void
look_at(struct kith__charge *charge, uint64_t owner, struct look *seen, uint64_t *sum)
{
    uint64_t count = kith__load(&charge->count);

    *sum += count;
    if (kith__load(&charge->owner) == owner && seen->count == 0) {
        seen->mine = charge;
        seen->count = count;
    }
}

static __attribute__((noinline)) kith_err
look_in_block(struct kith__arena *arena, struct kith__semaphore_root *root, uint64_t owner,
              struct look *look_out)
{
    struct look seen = { 0 };
    struct charges charges;
    uint64_t sum = 0, stock = kith__load(&root->stock);

    if (!charges_of(arena, root, &charges))
        return broken();
    for (uint64_t i = 0; i < charges.room; i++)
        look_at(&charges.at[i], owner, &seen, &sum);
    if (sum > stock)
        return broken();
    seen.free = stock - sum;
    *look_out = seen;
    return KITH_OK;
}

/*
 * Each acquire and each release does this, so it looks for no more than both need, and all that is
 * in the root without a loop.
 */
static inline __attribute__((always_inline)) kith_err
look(struct kith__arena *arena, struct kith__semaphore_root *root, uint64_t owner,
     struct look *look_out)
{
    struct look seen = { 0 };
    uint64_t sum = 0, stock = kith__load(&root->stock);

    if (__builtin_expect(kith__load(&root->block) != 0, 0)) {
        struct look far = { 0 }; /* of its own, so that what is near stays in registers */
        kith_err err = look_in_block(arena, root, owner, &far);

        *look_out = far;
        return err;
    }
    static_assert(KITH__CHARGES_INLINE == 5, "each is looked at below");
    look_at(&root->charges[0], owner, &seen, &sum);
    look_at(&root->charges[1], owner, &seen, &sum);
    look_at(&root->charges[2], owner, &seen, &sum);
    look_at(&root->charges[3], owner, &seen, &sum);
    look_at(&root->charges[4], owner, &seen, &sum);
    seen.free = stock - sum;
    *look_out = seen;
    return __builtin_expect(sum > stock, 0) ? broken() : KITH_OK;
}

/* Some charge of nobody's, or the oldest of somebody's; NULL: there is none. */
static __attribute__((noinline)) struct kith__charge *
find_charge(struct kith__arena *arena, struct kith__semaphore_root *root, bool empty)
{
    struct kith__charge *found = NULL;
    struct charges charges;

    if (!charges_of(arena, root, &charges))
        return NULL;
    for (uint64_t i = 0; i < charges.room; i++) {
        struct kith__charge *charge = &charges.at[i];

        if ((kith__load(&charge->count) == 0) != empty)
            continue;
        if (empty)
            return charge;
        if (found == NULL || kith__load(&charge->ticket) < kith__load(&found->ticket))
            found = charge;
    }
    return found;
}

/* Moves the charges to a block with twice the room, and finds some empty one there. */
static __attribute__((noinline)) kith_err
grow(struct kith__self *self, struct kith__semaphore_root *root, struct kith__charge **empty_out)
{
    struct kith__arena *arena = self->arena;
    struct kith__charge *fresh;
    struct charges charges;
    struct kith__op op;
    uint64_t room, off;
    kith_err err;

    if (!charges_of(arena, root, &charges))
        return broken();
    room = charges.room * 2 + 6;
    kith__op_begin(&op, self);
    err = kith__op_take(&op, room * sizeof *fresh, &off);
    if (err == KITH_OK) {
        fresh = kith__ptr(arena, off);
        memcpy((void *)fresh, (const void *)charges.at, charges.room * sizeof *fresh);
        memset((void *)(fresh + charges.room), 0, (room - charges.room) * sizeof *fresh);
        if (kith__load(&root->block) != 0)
            kith__op_give(&op, kith__load(&root->block));
        kith__op_set(&op, &root->block, off);
        kith__op_set(&op, &root->room, room);
        err = kith__op_commit(&op);
        if (err == KITH_OK)
            *empty_out = fresh + charges.room;
    }
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

/* ---- Taking ----------------------------------------------------------------------------- */

/* Where to put the caller's first permit; lock held. */
static __attribute__((noinline)) kith_err
make_charge(struct kith__self *self, struct kith__semaphore_root *root,
            struct kith__charge **charge_out)
{
    *charge_out = find_charge(self->arena, root, true);
    return *charge_out != NULL ? KITH_OK : grow(self, root, charge_out);
}

/* Lock held: what a process has of `quick` becomes a charge in the row, and nobody is quick. */
static __attribute__((noinline)) kith_err
stop_quick(struct kith__self *self, struct kith__semaphore_root *root)
{
    struct kith__arena *arena = self->arena;
    uint64_t word = atomic_fetch_or(&root->quick, KITH__QUICK_STOPPED); /* W6 */
    uint64_t count = KITH__QUICK_COUNT(word), owner;
    unsigned slot = KITH__QUICK_SLOT(word);
    struct look seen;
    kith_err err;

    kith__step();
    if (count != 0) {
        if (slot == 0 || slot > KITH__HOLDERS_MAX)
            return broken();
        owner = kith__owner_of(arena, slot);
        err = look(arena, root, owner, &seen);
        if (err == KITH_OK && seen.mine == NULL)
            err = make_charge(self, root, &seen.mine);
        if (err < 0)
            return err;
        if (seen.count == 0) {
            kith__store(&root->ticket, kith__load(&root->ticket) + 1);
            kith__store(&seen.mine->owner, owner); /* W7 */
            kith__store(&seen.mine->ticket, kith__load(&root->ticket));
            kith__step();
        }
#ifdef KITH_MISTAKE_QUICK_STOPPED_FIRST
        kith__store(&root->quick, 0);
        kith__step();
#endif
        kith__store(&seen.mine->count, count); /* W8 */
        kith__step();
    }
    kith__store(&root->quick, 0); /* W9 */
    kith__step();
    return KITH_OK;
}

/* The lock, and with it all charges. */
static inline kith_err
lock_charges(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    kith_err err = kith__root_lock(self, ref);

    if (err == KITH_OK && __builtin_expect(kith__load(&root->quick) != 0, 0)) {
        err = stop_quick(self, root);
        if (err < 0)
            kith__root_unlock(self, ref);
    }
    return err;
}

/* Lock held: whether the caller, who takes one, may take and give the next ones without it. */
static inline bool
may_be_quick(const struct kith__semaphore_root *root, const struct look *seen)
{
    return seen->mine != NULL && seen->count == 0 && seen->free == kith__load(&root->stock) &&
           kith__load(&seen->mine->ticket) == kith__load(&root->ticket) &&
           (atomic_load_explicit(&root->root.signal[0], memory_order_relaxed) &
            (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS)) == 0;
}

/* Lock held: one permit is the caller's. */
static inline kith_err
charge_one(struct kith__self *self, struct kith__semaphore_root *root, uint64_t owner,
           const struct look *seen)
{
    struct kith__charge *charge = seen->mine;

    if (__builtin_expect(charge == NULL, 0)) {
        struct kith__charge *made;
        kith_err err = make_charge(self, root, &made);

        if (err < 0)
            return err;
        charge = made;
    }
    if (seen->count == 0) {
        uint64_t ticket = kith__load(&root->ticket) + 1;

        kith__store(&root->ticket, ticket);
        kith__store(&charge->owner, owner); /* A3 */
        kith__store(&charge->ticket, ticket);
        kith__step();
    }
    kith__store(&charge->count, seen->count + 1); /* A4 */
    return KITH_OK;
}

/*
 * KITH_EEMPTY: none is to be had, or, of a fair one, not by the caller.  `waits`: the caller is in
 * the row, and leaves it if it gets a permit; one that is not joins it if it is `to_wait`.
 */
static kith_err
try_fair(struct kith__self *self, const struct kith__root_ref *ref, bool waits, bool to_wait)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t wanted = kith__root_wanted(ref->off), owner;
    struct kith__row row;
    struct look seen;
    kith_err err = kith__root_lock(self, ref);

    if (err < 0)
        return err;
    owner = kith__owner_of(self->arena, self->arena->holder);
    err = look(self->arena, root, owner, &seen);
    if (err < 0)
        goto out;
    kith__row_look(self, wanted, &row);
    if (seen.free == 0 || (row.first != 0 && row.first != self->id)) {
        err = KITH_EEMPTY;
        if (!waits && to_wait) {
            uint64_t ticket = kith__load(&root->queued) + 1;

            kith__store(&root->queued, ticket);
            kith__store(&self->actor->ticket, ticket);
            atomic_store(&self->actor->wanted, wanted);
        }
        goto out;
    }
    err = charge_one(self, root, owner, &seen);
    if (err == KITH_OK) {
        kith__store(&self->actor->wanted, 0);
        kith__lock_free(self, &root->root.lock);
        if (seen.free > 1 && row.count > (waits ? 1 : 0)) {
            kith__row_look(self, wanted, &row);
            if (row.first != 0)
                kith__row_call(self->arena, row.first);
        } else if (seen.free > 1) {
            kith__signal_raise(self, &root->root.signal[0], INT_MAX); /* the row is through */
        }
        kith__lock_forget(self, &root->root.lock);
        return KITH_OK;
    }
out:
    kith__root_unlock(self, ref);
    return err;
}

static inline __attribute__((always_inline)) kith_err
take_any(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t owner = kith__owner_of(self->arena, self->arena->holder);
    struct look seen;
    kith_err err = lock_charges(self, ref); /* A2 */

    if (err < 0)
        return err;
    err = look(self->arena, root, owner, &seen);
#ifdef KITH_MISTAKE_SEMAPHORE_LOOKS_BEFORE
    kith__root_unlock(self, ref);
    for (volatile unsigned i = 0; i < 20000; i++)
        continue;
    if (kith__root_lock(self, ref) < 0)
        return KITH_EGONE;
#endif
    if (err == KITH_OK && seen.free == 0)
        err = KITH_EEMPTY;
    if (err == KITH_OK && may_be_quick(root, &seen)) {
        uint64_t more = seen.free > KITH__QUICK_MAX ? KITH__QUICK_MAX : seen.free;

        kith__store_release(&root->quick,
                            (kith__quick_name(self, ref) << 32 | more) + KITH__QUICK_ONE); /* A4 */
    } else if (err == KITH_OK) {
        err = charge_one(self, root, owner, &seen);
    }
    kith__root_unlock(self, ref); /* A5 */
    return err;
}

static __attribute__((noinline)) kith_err
try_any(struct kith__self *self, const struct kith__root_ref *ref)
{
    return take_any(self, ref);
}

/* One who does not wait: whether a dead process has a permit, of whose end nobody was told yet. */
static bool
taker_is_dead(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t owners[16];
    struct charges charges;
    unsigned count = 0;

    if (lock_charges(self, ref) < 0)
        return false;
    if (charges_of(self->arena, root, &charges))
        for (uint64_t i = 0; i < charges.room && count < sizeof owners / sizeof owners[0]; i++)
            if (kith__load(&charges.at[i].count) != 0)
                owners[count++] = kith__load(&charges.at[i].owner);
    kith__root_unlock(self, ref);
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = (unsigned)(owners[i] & 0xffff);

        if (slot != 0 && slot <= KITH__HOLDERS_MAX &&
            kith__owner_of(self->arena, slot) == owners[i] &&
            !kith__owner_lives(self->arena, owners[i]))
            return self->arena->on_idle_holders(self);
    }
    return false;
}

static kith_err
wait_any(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns)
{
    _Atomic uint32_t *signal = &kith__root_of(ref)->signal[0];
    enum kith__slept slept = KITH__SLEPT_AGAIN;

    for (;;) {
        uint32_t joined;
        kith_err err;

        kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
        kith__step();
        joined = kith__signal_join(self, signal);
        err = try_any(self, ref);
        if (err == KITH_EEMPTY && slept == KITH__SLEPT_AGAIN) {
            slept = kith__sleep(self, signal, joined, deadline_ns, true);
            kith__awake(self);
            if (self->husks_seen)
                kith__op_end(self);
            continue;
        }
        kith__awake(self);
        if (err < 0) /* a wake may have been ours, and for nothing */
            kith__signal_wake(self, signal, 1);
        if (err == KITH_EEMPTY)
            err = slept == KITH__SLEPT_TIMEOUT ? KITH_ETIMEDOUT : KITH_EINTERRUPTED;
        return err;
    }
}

/* Out of the row without a permit: if there is one, it is the next one's. */
static void
leave_row(struct kith__self *self, const struct kith__root_ref *ref)
{
    atomic_store(&self->actor->wanted, 0);
    kith__row_call_all(self->arena, kith__root_wanted(ref->off));
    kith__signal_raise(self, &kith__root_of(ref)->signal[0], INT_MAX);
}

static kith_err
wait_fair(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns)
{
    enum kith__slept slept = KITH__SLEPT_AGAIN;

    for (;;) {
        uint32_t call = atomic_load(&self->actor->call);
        kith_err err = try_fair(self, ref, kith__load(&self->actor->wanted) != 0, true);

        if (err == KITH_EEMPTY && slept == KITH__SLEPT_AGAIN) {
            slept = kith__sleep(self, &self->actor->call, call, deadline_ns, true);
            kith__awake(self);
            if (self->husks_seen)
                kith__op_end(self);
            continue;
        }
        if (err == KITH_OK)
            return KITH_OK;
        leave_row(self, ref);
        if (err == KITH_EEMPTY)
            err = slept == KITH__SLEPT_TIMEOUT ? KITH_ETIMEDOUT : KITH_EINTERRUPTED;
        return err;
    }
}

/* What each acquire and each release is about to change. */
static inline void
fetch(struct kith__semaphore_root *root)
{
    kith__fetch_to_change(&root->root.lock);
    kith__fetch_to_change(&root->charges[0]);
}

/* None is to be had at once, or it is a fair one; the semaphore is in the chain. */
static __attribute__((noinline)) kith_err
acquire_slowly(struct kith__self *self, const struct kith__root_ref *ref, int64_t deadline_ns,
               bool fair)
{
    kith_err err = fair ? try_fair(self, ref, false, false) : KITH_EEMPTY;

    if (err != KITH_EEMPTY)
        goto out;
    if (deadline_ns != 0)
        err = fair ? wait_fair(self, ref, deadline_ns) : wait_any(self, ref, deadline_ns);
    else
        err = KITH_ETIMEDOUT;
    if (err == KITH_ETIMEDOUT && taker_is_dead(self, ref)) {
        err = fair ? try_fair(self, ref, false, false) : try_any(self, ref);
        if (err == KITH_EEMPTY)
            err = KITH_ETIMEDOUT;
    }
out:
    kith__op_end(self);
    return err;
}

/* Flat, as kith__semaphore_release(): a tenth of either is calls, such as to have the lock. */
__attribute__((flatten)) kith_err
kith__semaphore_acquire(struct kith__self *self, const struct kith__root_ref *ref,
                        int64_t deadline_ns)
{
    bool fair;
    kith_err err;

    if (kith__quick_take(self, ref))
        return KITH_OK;
    fetch(kith__semaphore_root(ref));
    fair = (kith__semaphore_root(ref)->options & KITH__SEMAPHORE_FAIR) != 0;
    err = kith__root_chain(self, ref, KITH_KIND_SEMAPHORE); /* A1 */
    if (err < 0)
        return err;
    if (__builtin_expect(fair, 0))
        return acquire_slowly(self, ref, deadline_ns, true);
    err = take_any(self, ref);
    if (__builtin_expect(err == KITH_EEMPTY, 0))
        return acquire_slowly(self, ref, deadline_ns, false);
    kith__op_end(self);
    return err;
}

/* ---- Giving back ------------------------------------------------------------------------ */

static __attribute__((noinline)) void
unlock_call(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__root *root = kith__root_of(ref);
    struct kith__row row;

    kith__lock_free(self, &root->lock);
#ifndef KITH_MISTAKE_SEMAPHORE_NO_WAKE
    kith__row_look(self, kith__root_wanted(ref->off), &row);
    if (row.first != 0)
        kith__row_call(self->arena, row.first);
#else
    (void)row;
#endif
    kith__signal_raise(self, &root->signal[0], INT_MAX); /* on which only pollers are */
    kith__lock_forget(self, &root->lock);
}

/* R3, of `n` permits. */
static inline void
unlock_raise(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n)
{
    if ((kith__semaphore_root(ref)->options & KITH__SEMAPHORE_FAIR) != 0)
        unlock_call(self, ref);
    else
        kith__root_unlock_raise(self, ref, n > INT_MAX ? INT_MAX : (int)n);
}

/* Lock held.  Takes `n` off charges, the caller's and then the oldest, and off the rest adds. */
static __attribute__((noinline)) kith_err
give_many(struct kith__self *self, struct kith__semaphore_root *root, uint64_t owner, uint64_t n)
{
    struct charges charges;
    struct kith__op op;
    kith_err err;

    if (!charges_of(self->arena, root, &charges))
        return broken();
    kith__op_begin(&op, self);
    while (n > 0) {
        struct kith__charge *from = NULL;
        uint64_t count, part;

        for (uint64_t i = 0; i < charges.room; i++) {
            struct kith__charge *charge = &charges.at[i];

            if (kith__op_get(&op, &charge->count) == 0)
                continue;
            if (kith__load(&charge->owner) == owner) {
                from = charge;
                break;
            }
            if (from == NULL || kith__load(&charge->ticket) < kith__load(&from->ticket))
                from = charge;
        }
        if (from == NULL)
            break;
        count = kith__op_get(&op, &from->count);
        part = count < n ? count : n;
        kith__op_set(&op, &from->count, count - part);
        n -= part;
    }
    if (n > 0)
        kith__op_set(&op, &root->stock, kith__load(&root->stock) + n);
    err = kith__op_commit(&op); /* R2 */
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

__attribute__((flatten)) kith_err
kith__semaphore_release(struct kith__self *self, const struct kith__root_ref *ref, uint64_t n)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t owner;
    struct look seen;
    kith_err err;

    if (n == 1 && kith__quick_give(self, ref))
        return KITH_OK;
    owner = kith__owner_of(self->arena, self->arena->holder);
    fetch(root);
    err = lock_charges(self, ref); /* R1 */
    if (err < 0)
        return err;
    err = look(self->arena, root, owner, &seen);
    if (err == KITH_OK &&
        n > ((root->options & KITH__SEMAPHORE_BOUNDED) != 0 ? root->initial
                                                            : (uint64_t)KITH__SEMAPHORE_MAX) -
                seen.free)
        err = KITH_ERANGE;
    if (err < 0) {
        kith__root_unlock(self, ref);
        return err;
    }
    if (n == 1) {
        struct kith__charge *from =
            seen.count != 0 ? seen.mine : find_charge(self->arena, root, false);
        kith__word *word = from != NULL ? &from->count : &root->stock;

        kith__store(word, kith__load(word) + (from != NULL ? UINT64_MAX : 1)); /* R2 */
    } else if (n > 1) {
        err = give_many(self, root, owner, n);
    }
    unlock_raise(self, ref, n);
    kith__op_end(self);
    return err;
}

/* A process ended: what it took comes back, up to the initial value. */
static kith_err
release_holder(struct kith__self *self, uint64_t off, uint64_t id, uint64_t owner, bool killed)
{
    struct kith__root_ref ref = { self->arena, off, id };
    struct kith__semaphore_root *root = kith__semaphore_root(&ref);
    bool stays = !killed && (root->options & KITH__SEMAPHORE_UNOWNED) != 0;
    uint64_t count = 0, back = 0;
    struct kith__op op;
    struct look seen;
    kith_err err;

    if (stays && kith__load_acquire(&root->quick) == 0)
        return KITH_OK;
    err = lock_charges(self, &ref); /* a slot is not enough to name one who left */
    if (err < 0)
        return err;
    if (stays) {
        kith__root_unlock(self, &ref);
        return KITH_OK;
    }
    err = look(self->arena, root, owner, &seen);
    if (err == KITH_OK && seen.count != 0) {
        count = seen.count;
        if (seen.free < root->initial)
            back = count < root->initial - seen.free ? count : root->initial - seen.free;
#ifndef KITH_MISTAKE_SEMAPHORE_KEEPS_CHARGES
        kith__op_begin(&op, self);
        kith__op_set(&op, &seen.mine->count, 0);
        if (back < count)
            kith__op_set(&op, &root->stock, kith__load(&root->stock) - (count - back));
        err = kith__op_commit(&op);
        if (err < 0)
            kith__op_abort(&op);
#else
        (void)op;
#endif
    }
    unlock_raise(self, &ref, back);
    return err;
}

/* ---- Polling ---------------------------------------------------------------------------- */

/* Of a fair one not beside those who stand in the row: when they are through, it is told. */
static bool
to_be_had(struct kith__self *self, const struct kith__root_ref *ref)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    struct look seen = { 0 };
    struct kith__row row = { 0 };

    if (lock_charges(self, ref) < 0)
        return true; /* the attempt says why */
    if (look(self->arena, root, 0, &seen) < 0)
        seen.free = 1;
    if ((root->options & KITH__SEMAPHORE_FAIR) != 0)
        kith__row_look(self, kith__root_wanted(ref->off), &row);
    kith__root_unlock(self, ref);
    return seen.free > 0 && row.count == 0;
}

kith_err
kith__semaphore_arm(struct kith__self *self, const struct kith__root_ref *ref,
                    kith__poller_slot *slot, int *fd_out)
{
    return kith__root_arm(self, ref, slot, to_be_had, fd_out);
}

/* ---- Looking ------------------------------------------------------------------------------ */

#define TRIES_MAX 1000u

/*
 * How many permits are to be had.  `settled`: once all who live have ended, and so given theirs
 * back.
 */
static kith_err
count_permits(struct kith__arena *arena, struct kith__semaphore_root *root, bool settled,
              uint64_t *value_out)
{
    bool unowned = (root->options & KITH__SEMAPHORE_UNOWNED) != 0;
    struct charges charges;
    uint64_t quick;
    struct look seen;
    kith_err err = look(arena, root, 0, &seen);

    if (err < 0)
        return err;
    if (!charges_of(arena, root, &charges))
        return broken();
    quick = quick_count(arena, root, &charges);
    if (quick > seen.free)
        return broken();
    *value_out = seen.free - quick;
    if (!settled || *value_out >= root->initial)
        return KITH_OK;
    *value_out += quick; /* of one who lives, or is killed */
    for (uint64_t i = 0; i < charges.room; i++) {
        uint64_t owner = kith__load(&charges.at[i].owner);
        unsigned slot = (unsigned)(owner & 0xffff);

        if (!unowned ||
            (slot != 0 && slot <= KITH__HOLDERS_MAX && kith__owner_of(arena, slot) == owner))
            *value_out += kith__load(&charges.at[i].count);
    }
    if (*value_out > root->initial)
        *value_out = root->initial;
    return KITH_OK;
}

/* Without the lock: once nobody has it, and nothing changed between two looks, that is it. */
static kith_err
count_unlocked(const struct kith__root_ref *ref, bool settled, uint64_t *value_out)
{
    struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t last = UINT64_MAX, now = 0;

    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        bool still = atomic_load(&root->root.lock.word) == 0;
        kith_err err = count_permits(ref->arena, root, settled, &now);

        atomic_thread_fence(memory_order_acquire);
        still = still && atomic_load(&root->root.lock.word) == 0;
        if (kith__load_acquire(&root->root.id) != ref->id)
            return KITH_EGONE;
        if (err == KITH_OK && (still || tries + 1 == TRIES_MAX) && now == last) {
            *value_out = now;
            return KITH_OK;
        }
        last = err == KITH_OK ? now : UINT64_MAX;
    }
    return last != UINT64_MAX ? (*value_out = last, KITH_OK) : broken();
}

static kith_err
count_either(struct kith__self *self, const struct kith__root_ref *ref, bool settled,
             uint64_t *value_out)
{
    uint64_t value = 0;
    kith_err err;

    if (self == NULL)
        return count_unlocked(ref, settled, value_out);
    err = kith__root_lock(self, ref);
    if (err < 0)
        return err;
    err = count_permits(self->arena, kith__semaphore_root(ref), settled, &value);
    kith__root_unlock(self, ref);
    if (err == KITH_OK)
        *value_out = value;
    return err;
}

kith_err
kith__semaphore_value(struct kith__self *self, const struct kith__root_ref *ref,
                      uint64_t *value_out)
{
    return count_either(self, ref, false, value_out);
}

kith_err
kith__semaphore_made_with(struct kith__self *self, const struct kith__root_ref *ref,
                          struct kith__semaphore_making *making_out)
{
    const struct kith__semaphore_root *root = kith__semaphore_root(ref);
    uint64_t value, initial = root->initial, options = root->options;
    kith_err err = count_either(self, ref, true, &value);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->root.id) != ref->id)
        return KITH_EGONE;
    if (initial > (uint64_t)KITH__SEMAPHORE_MAX || value > (uint64_t)KITH__SEMAPHORE_MAX)
        return broken();
    *making_out = (struct kith__semaphore_making){
        .initial = initial,
        .more = value > initial ? value - initial : 0,
        .gone = value < initial ? initial - value : 0,
        .options = (uint32_t)options,
    };
    return KITH_OK;
}

const struct kith__kind kith__semaphore_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = kith__root_kind_lock,
    .unlock = kith__root_kind_unlock,
    .end = end_semaphore,
    .wake_all = kith__root_wake_all,
    .release_holder = release_holder,
    .want = kith__root_want,
    .check = check_semaphore,
    .describe = describe,
};
