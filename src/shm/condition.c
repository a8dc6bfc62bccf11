/*
 * condition.c - waiting, with a user's lock held, until another notifies; and exactly as many
 * return as were meant.
 *
 * LAYOUT   condition root: see layout.h.  Those who wait are a row of entries, in the root or, when
 *          they are more, in a block: who, its place, and whether it was notified.  The lock is a
 *          sync root: one that has a name, or one that only the condition knows.  A made name would
 *          not keep it; so then the condition has a counted reference to it.
 *
 * INVARIANTS
 *   C1  entries are changed under the lock of the root
 *   C2  an entry is there from before its thread lets the user's lock go until after it has that
 *       lock again: its thread has not returned from the wait
 *   C3  a mark is the last ticket there was when it was made: it may go to those alone who waited
 *       then
 *
 * STEPS of waiting                              of notifying
 *   W1 wanted and pending_signal name the root  N1 locked
 *   W2 locked: place, then name, of an entry    N2 one record marks the oldest that are not
 *   W3 the user's lock is released              N3 each is called   N4 unlocked
 *   W4 asleep on `call` until marked
 *   W5 the user's lock is acquired
 *   W6 locked: name 0; what the mark says is the result
 *   W7 wanted and pending_signal are clear
 * One that was marked counts as notified even if its time ran out before it could say so.
 *
 * Healing  Whoever looks at the entries takes out those of dead threads; if one was marked, the
 *   same record marks the oldest of the others that waited when it was, and it is called.
 *
 * DEATH    up to W2      nothing happened
 *          W2 to W6      the entry names a dead thread.  All who wait are called, for wanted (to
 *                        W5), pending_signal (to W7) or the ledger names the root; they look, and
 *                        heal it
 *          from W6       it has returned
 *          of a notifier up to N2 nothing; from N2 all are marked, and the lock is in the ledger
 *                        until they were called
 *
 * LIMITS   Notifying looks at all who wait.
 */
#include "shm/condition.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/reference.h"

#define SIGNAL_AT (offsetof(struct kith__root, signal) + sizeof(uint32_t)) /* the second */

struct waiters {
    struct kith__waiter *at;
    uint64_t room;
};

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A condition breaks an invariant; run kith check.");
}

static bool
waiters_of(struct kith__arena *arena, struct kith__condition_root *root, struct waiters *waiters)
{
    uint64_t block = kith__load(&root->block);

    waiters->at = root->waiters;
    waiters->room = KITH__WAITERS_INLINE;
    if (block == 0)
        return true;
    waiters->room = kith__load(&root->room);
    if (waiters->room > 4 * KITH__ACTORS_MAX)
        return false;
    waiters->at = kith__at(arena, block, waiters->room * sizeof(struct kith__waiter));
    return waiters->at != NULL;
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__condition_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__condition_making *making = arg;
    const struct kith__object *lock = &making->lock;
    struct kith__arena *arena = op->self->arena;
    struct kith__condition_root *root = kith__ptr(arena, off);
    uint64_t lock_off = lock->off, lock_id = lock->id, keeps = 0;

    if (lock_off != 0 && kith__reference_hold(op, making->name, &keeps) < 0)
        return op->err;
    if (lock_off == 0) {
        struct kith__sync_root *own;

        if (kith__op_take_typed(op, KITH__CLASS_SYNC, &lock_off) < 0)
            return op->err;
        own = kith__ptr(arena, lock_off);
        own->created_ns = kith__real_ns();
        lock_id = id;
        if (kith__sync_init(op, lock_off, lock_id, NULL) < 0)
            return op->err;
    }
    kith__root_init(arena, off);
    root->lock_off = lock_off;
    root->lock_id = lock_id;
    root->own = lock->off == 0;
    kith__store(&root->ticket, 0);
    kith__store(&root->block, 0);
    kith__store(&root->room, 0);
    kith__store(&root->keeps, keeps);
    for (unsigned i = 0; i < KITH__WAITERS_INLINE; i++)
        kith__store(&root->waiters[i].name, 0);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

void
kith__condition_find_lock(struct kith__condition *condition)
{
    struct kith__condition_root *root = kith__condition_root(condition);
    uint64_t off = root->lock_off;

    condition->lock = (struct kith__sync){ condition->ref.arena, off, root->lock_id };
    /* Bytes that somebody overwrote: then no lock, which is told as one that was destroyed. */
    if (kith__at(condition->ref.arena, off, sizeof(struct kith__sync_root)) == NULL)
        condition->lock = (struct kith__sync){ condition->ref.arena, condition->ref.off, 0 };
}

static struct kith__object
own_lock(const struct kith__condition_root *root)
{
    return (
        struct kith__object){ .kind = KITH_KIND_LOCK, .off = root->lock_off, .id = root->lock_id };
}

static void
end_condition(struct kith__op *op, const struct kith__object *object)
{
    struct kith__condition_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0);
    if (kith__load(&root->block) != 0)
        kith__op_give(op, kith__load(&root->block));
    if (kith__load(&root->keeps) != 0)
        kith__op_give(op, kith__load(&root->keeps));
    if (root->own) {
        struct kith__object lock = own_lock(root);

        if (kith__at(op->self->arena, lock.off, sizeof(struct kith__sync_root)) != NULL)
            kith__sync_kind.end(op, &lock);
    }
    kith__op_give(op, object->off);
}

/*
 * Once it has ended its own lock is nobody's.  Here, and not when all is released: as long as the
 * root is locked both are in the hands of this thread.
 */
static void
ended(struct kith__self *self, const struct kith__object *object)
{
    struct kith__condition_root *root = kith__ptr(self->arena, object->off);

    if (root->own && kith__at(self->arena, root->lock_off, sizeof(struct kith__sync_root)) != NULL)
        kith__sync_kind.wake_all(self, root->lock_off);
}

static void
check_condition(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__condition_root *root = kith__ptr(w->arena, off);
    struct waiters waiters;

    if (!whole)
        return;
    kith__root_check(w, off, "condition");
    if (kith__load(&root->block) != 0 &&
        !kith__walk_mark(w, kith__load(&root->block), "The waiters of a condition"))
        return;
    if (kith__load(&root->keeps) != 0)
        kith__walk_mark(w, kith__load(&root->keeps), "What keeps the lock of a condition");
    if (root->own && kith__walk_mark(w, root->lock_off, "The lock of a condition"))
        kith__sync_kind.check(w, root->lock_off, true);
    if (!waiters_of(w->arena, root, &waiters)) {
        kith__walk_violation(w, "The waiters of the condition at %#llx lie nowhere.",
                             (unsigned long long)off);
        return;
    }
    for (uint64_t i = 0; i < waiters.room; i++)
        if (kith__load(&waiters.at[i].name) != 0 &&
            (kith__load(&waiters.at[i].ticket) > kith__load(&root->ticket) ||
             kith__load(&waiters.at[i].mark) > kith__load(&root->ticket)))
            kith__walk_violation(w, "The condition at %#llx has a waiter with no place.",
                                 (unsigned long long)off);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__condition_root *root = kith__ptr(arena, object->off);

    (void)self;
    kith__root_describe(arena, object->off,
                        (root->own ? sizeof(struct kith__sync_root) : 0) +
                            (kith__load(&root->block) != 0
                                 ? kith__load(&root->room) * sizeof(struct kith__waiter)
                                 : 0),
                        info);
    return KITH_OK;
}

const struct kith__kind kith__condition_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = kith__root_kind_lock,
    .unlock = kith__root_kind_unlock,
    .end = end_condition,
    .ended = ended,
    .wake_all = kith__root_wake_all,
    .want = kith__root_want,
    .check = check_condition,
    .describe = describe,
};

/* ---- Entries, lock held ------------------------------------------------------------------- */

/* The oldest that lives, is not marked, and had its place when there was ticket `last`. */
static struct kith__waiter *
next_of(struct kith__arena *arena, const struct waiters *waiters, uint64_t last)
{
    struct kith__waiter *next = NULL;

    for (uint64_t i = 0; i < waiters->room; i++) {
        struct kith__waiter *waiter = &waiters->at[i];
        uint64_t name = kith__load(&waiter->name), ticket = kith__load(&waiter->ticket);

        if (name != 0 && kith__load(&waiter->mark) == 0 && ticket <= last &&
            (next == NULL || ticket < kith__load(&next->ticket)) && kith__actor_lives(arena, name))
            next = waiter;
    }
    return next;
}

static void
call(struct kith__arena *arena, const struct kith__waiter *waiter)
{
    unsigned actor = (unsigned)(kith__load(&waiter->name) & 0xffff);

    if (actor != 0 && actor <= arena->actors_max)
        kith__row_call(arena, actor);
}

/* Takes the dead out; their marks go on. */
static kith_err
heal(struct kith__self *self, struct kith__condition_root *root, struct waiters *waiters)
{
    if (!waiters_of(self->arena, root, waiters))
        return broken();
    for (uint64_t i = 0; i < waiters->room; i++) {
        struct kith__waiter *waiter = &waiters->at[i], *next = NULL;
        uint64_t name = kith__load(&waiter->name), mark = kith__load(&waiter->mark);
        struct kith__op op;
        kith_err err;

        if (name == 0 || kith__actor_lives(self->arena, name))
            continue;
#ifndef KITH_MISTAKE_CONDITION_LOSES_MARK
        if (mark != 0)
            next = next_of(self->arena, waiters, mark);
#endif
        if (next == NULL) {
            kith__store(&waiter->name, 0);
            continue;
        }
        kith__op_begin(&op, self);
        kith__op_set(&op, &waiter->name, 0);
        kith__op_set(&op, &next->mark, mark);
        err = kith__op_commit(&op);
        if (err < 0) {
            kith__op_abort(&op);
            return err;
        }
        call(self->arena, next);
    }
    return KITH_OK;
}

/* The entry of the caller; NULL: it has none. */
static struct kith__waiter *
mine_of(const struct kith__self *self, const struct waiters *waiters)
{
    uint64_t name = kith__actor_name(self->arena, self->id);

    for (uint64_t i = 0; i < waiters->room; i++)
        if (kith__load(&waiters->at[i].name) == name)
            return &waiters->at[i];
    return NULL;
}

/* Moves the entries to a block with twice the room. */
static kith_err
grow(struct kith__self *self, struct kith__condition_root *root, struct waiters *waiters)
{
    struct kith__waiter *fresh;
    struct kith__op op;
    uint64_t room = waiters->room * 2 + 6, off;
    kith_err err;

    kith__op_begin(&op, self);
    err = kith__op_take(&op, room * sizeof *fresh, &off);
    if (err == KITH_OK) {
        fresh = kith__ptr(self->arena, off);
        memcpy((void *)fresh, (const void *)waiters->at, waiters->room * sizeof *fresh);
        memset((void *)(fresh + waiters->room), 0, (room - waiters->room) * sizeof *fresh);
        if (kith__load(&root->block) != 0)
            kith__op_give(&op, kith__load(&root->block));
        kith__op_set(&op, &root->block, off);
        kith__op_set(&op, &root->room, room);
        err = kith__op_commit(&op);
        if (err == KITH_OK)
            *waiters = (struct waiters){ fresh, room };
    }
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

/* W2. */
static kith_err
enter(struct kith__self *self, const struct kith__condition *condition)
{
    struct kith__condition_root *root = kith__condition_root(condition);
    kith_err err = kith__root_lock(self, &condition->ref);
    struct waiters waiters;
    uint64_t ticket, i;

    if (err < 0)
        return err;
    /* One of its own is of a wait that could not be left: as that of a dead one, it passes on. */
    if (waiters_of(self->arena, root, &waiters) && mine_of(self, &waiters) != NULL)
        kith__store(&mine_of(self, &waiters)->name, UINT64_MAX);
    err = heal(self, root, &waiters);
    for (i = 0; err == KITH_OK && i < waiters.room; i++)
        if (kith__load(&waiters.at[i].name) == 0)
            break;
    if (err == KITH_OK && i == waiters.room)
        err = grow(self, root, &waiters);
    if (err == KITH_OK) {
        ticket = kith__load(&root->ticket) + 1;
        kith__store(&root->ticket, ticket);
        kith__store(&waiters.at[i].ticket, ticket);
        kith__store(&waiters.at[i].mark, 0);
        kith__step();
        kith__store(&waiters.at[i].name, kith__actor_name(self->arena, self->id));
    }
    kith__root_unlock(self, &condition->ref);
    return err;
}

/* Whether the caller is marked; with `leave` it goes: W6. */
static kith_err
look(struct kith__self *self, const struct kith__condition *condition, bool leave, bool *marked_out)
{
    struct kith__waiter *mine;
    struct waiters waiters;
    kith_err err = kith__root_lock(self, &condition->ref);

    if (err < 0)
        return err;
    err = heal(self, kith__condition_root(condition), &waiters);
    if (err == KITH_OK) {
        mine = mine_of(self, &waiters);
        if (mine == NULL)
            err = broken();
    }
    if (err == KITH_OK) {
        *marked_out = kith__load(&mine->mark) != 0;
        if (leave)
            kith__store(&mine->name, 0);
    }
    kith__root_unlock(self, &condition->ref);
    return err;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* Whether the calling thread, or of an unowned lock its process, has it, and just once. */
static kith_err
holds(struct kith__self *self, const struct kith__sync *lock)
{
    struct kith__sync_root *root = kith__sync_root(lock);
    uint32_t word = atomic_load(&root->lock.word);
    uint32_t mine = (root->options & KITH__SYNC_UNOWNED) != 0
                        ? KITH__LOCK_HOLDER | self->arena->holder
                        : self->id;

    if (lock->id == 0 || kith__load_acquire(&root->id) != lock->id)
        return KITH_EGONE;
    if ((word & KITH__LOCK_ACTOR) != mine || (word & KITH__LOCK_CLAIM) != 0)
        return KITH_EPERM;
    return kith__load(&root->depth) != 0 ? KITH_EDEADLOCK : KITH_OK;
}

/* W1, and after a look after the dead, which may have used the word. */
static void
announce(struct kith__self *self, const struct kith__condition *condition)
{
    kith__store(&self->actor->pending_signal, (condition->ref.off + SIGNAL_AT) | 1);
    kith__step();
}

/* W4. */
static kith_err
sleep_until_marked(struct kith__self *self, const struct kith__condition *condition,
                   int64_t deadline_ns)
{
    enum kith__slept slept = deadline_ns == 0 ? KITH__SLEPT_TIMEOUT : KITH__SLEPT_AGAIN;

    for (;;) {
        uint32_t seen = atomic_load(&self->actor->call);
        bool marked = false;
        kith_err err = look(self, condition, false, &marked);

        if (err < 0 || marked)
            return err;
        if (slept != KITH__SLEPT_AGAIN)
            return slept == KITH__SLEPT_TIMEOUT ? KITH_ETIMEDOUT : KITH_EINTERRUPTED;
        slept = kith__sleep(self, &self->actor->call, seen, deadline_ns, true);
        kith__awake(self);
        if (self->husks_seen) {
            kith__op_end(self);
            announce(self, condition);
        }
    }
}

/* W5: the result is that of acquiring, which nothing but its end can prevent. */
static kith_err
have_it_again(struct kith__self *self, const struct kith__condition *condition)
{
    kith_err err;

    do {
        err = kith__mutex_acquire(self, &condition->lock, INT64_MAX);
        announce(self, condition);
    } while (err == KITH_EINTERRUPTED);
    return err;
}

kith_err
kith__condition_wait(struct kith__self *self, const struct kith__condition *condition,
                     int64_t deadline_ns)
{
    bool marked = false;
    kith_err err = holds(self, &condition->lock), again, left;

    if (err < 0)
        return err;
    atomic_store(&self->actor->wanted, kith__root_wanted(condition->ref.off)); /* W1 */
    announce(self, condition);
    err = enter(self, condition); /* W2 */
    if (err < 0)
        goto out;
    again = kith__mutex_release(self, &condition->lock); /* W3 */
    announce(self, condition);
    if (again >= 0) {
        err = sleep_until_marked(self, condition, deadline_ns);
        kith__store(&self->actor->wanted, 0);
        again = have_it_again(self, condition);
    }
    left = look(self, condition, true, &marked);
    if (left == KITH_OK && marked && (err == KITH_ETIMEDOUT || err == KITH_EINTERRUPTED))
        err = KITH_OK;
    if (again != KITH_OK && (again < 0 || err != KITH_EGONE))
        err = again;
    else if (left < 0 && err >= 0)
        err = left;
out:
    atomic_store(&self->actor->wanted, 0); /* W7 */
    kith__store(&self->actor->pending_signal, 0);
    kith__op_end(self);
    return err;
}

/* ---- Notifying ------------------------------------------------------------------------------ */

static int
by_ticket(const void *a, const void *b)
{
    uint64_t x = kith__load(&(*(struct kith__waiter *const *)a)->ticket);
    uint64_t y = kith__load(&(*(struct kith__waiter *const *)b)->ticket);

    return x < y ? -1 : x > y;
}

/* Lock held: those to be marked, oldest first. */
static uint64_t
choose(const struct waiters *waiters, struct kith__waiter **chosen, uint64_t n)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < waiters->room; i++)
        if (kith__load(&waiters->at[i].name) != 0 && kith__load(&waiters->at[i].mark) == 0)
            chosen[count++] = &waiters->at[i];
    qsort(chosen, count, sizeof chosen[0], by_ticket);
    return count < n ? count : n;
}

kith_err
kith__condition_notify(struct kith__self *self, const struct kith__condition *condition, uint64_t n)
{
    struct kith__condition_root *root = kith__condition_root(condition);
    kith_err err = kith__root_lock(self, &condition->ref); /* N1 */
    struct kith__waiter **chosen = NULL;
    struct waiters waiters;
    uint64_t count = 0;
    struct kith__op op;

    if (err < 0)
        return err;
    err = heal(self, root, &waiters);
    if (err == KITH_OK) {
        chosen = kith__self_scratch(self, waiters.room * sizeof(struct kith__waiter *));
        if (chosen == NULL)
            err = kith__fail(KITH_ENOMEM, "This process has no memory for a list of who waits.");
    }
    if (err == KITH_OK)
        count = choose(&waiters, chosen, n);
    if (count > 0) {
        kith__op_begin(&op, self);
        for (uint64_t i = 0; i < count; i++)
            kith__op_set(&op, &chosen[i]->mark, kith__load(&root->ticket));
        err = kith__op_commit(&op); /* N2 */
        if (err < 0)
            kith__op_abort(&op);
    }
#ifndef KITH_MISTAKE_CONDITION_NO_WAKE
    for (uint64_t i = 0; err == KITH_OK && i < count; i++)
        call(self->arena, chosen[i]); /* N3 */
#endif
    kith__root_unlock(self, &condition->ref); /* N4 */
    kith__op_end(self);
    return err;
}
