/*
 * scenarios_locks.c - locks made with options, and rwlocks.
 */
#include <stdio.h>

#include "scenarios.h"
#include "shm/rwlock.h"

/* Which of the stage's objects. */
enum { FAIR, RECURSIVE, UNOWNED, DETECTING, RWLOCK, KINDS };
/* Of the stage's slots: whether the survivor has given up what it held. */
#define RELEASED 0

static struct kith__sync
sync_of(struct stage *stage, unsigned which)
{
    return (struct kith__sync){ stage->arena, stage->object[which].off, stage->object[which].id };
}

static void
make_locks(struct stage *stage, struct kith__self *self)
{
    static const struct {
        const char *name;
        enum kith_kind kind;
        uint32_t options;
    } made[KINDS] = {
        [FAIR] = { "fair", KITH_KIND_LOCK, KITH__SYNC_FAIR },
        [RECURSIVE] = { "recursive", KITH_KIND_LOCK, KITH__SYNC_RECURSIVE },
        [UNOWNED] = { "unowned", KITH_KIND_LOCK, KITH__SYNC_UNOWNED },
        [DETECTING] = { "detecting", KITH_KIND_LOCK, KITH__SYNC_DETECT },
        [RWLOCK] = { "rwlock", KITH_KIND_RWLOCK, KITH__SYNC_SHARED },
    };

    (void)self;
    for (unsigned i = 0; i < KINDS; i++) {
        uint32_t options = made[i].options;

        stage_make(stage, i, made[i].name, made[i].kind, kith__sync_init, &options);
    }
}

/* ---- Acting --------------------------------------------------------------------------------- */

static void
acquire(struct stage *stage, struct kith__self *self, unsigned which, int64_t deadline_ns)
{
    struct kith__sync sync = sync_of(stage, which);

    self->spin = 16;
    kith__mutex_acquire(self, &sync, deadline_ns);
}

static void
acquire_shared(struct stage *stage, struct kith__self *self, int64_t deadline_ns)
{
    struct kith__sync sync = sync_of(stage, RWLOCK);

    self->spin = 16;
    kith__rwlock_acquire_shared(self, &sync, deadline_ns);
}

static void
release(struct stage *stage, struct kith__self *self, unsigned which)
{
    struct kith__sync sync = sync_of(stage, which);

    stage->slot[RELEASED] = 1;
    kith__mutex_release(self, &sync);
}

#define ACTS(name, which)                                                                          \
    static void name##_acquire(struct stage *stage, struct kith__self *self)                       \
    {                                                                                              \
        acquire(stage, self, which, 0);                                                            \
    }                                                                                              \
    static void name##_wait(struct stage *stage, struct kith__self *self)                          \
    {                                                                                              \
        acquire(stage, self, which, INT64_MAX);                                                    \
    }                                                                                              \
    static void name##_release(struct stage *stage, struct kith__self *self)                       \
    {                                                                                              \
        release(stage, self, which);                                                               \
    }                                                                                              \
    static void name##_held(struct stage *stage, struct kith__self *self)                          \
    {                                                                                              \
        make_locks(stage, self);                                                                   \
        acquire(stage, self, which, 0);                                                            \
    }
ACTS(fair, FAIR)
ACTS(unowned, UNOWNED)
ACTS(detecting, DETECTING)
ACTS(rwlock, RWLOCK)

static void
recursive_acquire(struct stage *stage, struct kith__self *self)
{
    acquire(stage, self, RECURSIVE, 0);
}

static void
recursive_release(struct stage *stage, struct kith__self *self)
{
    release(stage, self, RECURSIVE);
}

static void
recursive_twice(struct stage *stage, struct kith__self *self)
{
    recursive_acquire(stage, self);
    recursive_acquire(stage, self);
}

static void
share(struct stage *stage, struct kith__self *self)
{
    acquire_shared(stage, self, 0);
}

static void
share_wait(struct stage *stage, struct kith__self *self)
{
    acquire_shared(stage, self, INT64_MAX);
}

/* Two shares, and something between: so the first is not the last of the ledger. */
static void
share_among_others(struct stage *stage, struct kith__self *self)
{
    share(stage, self);
    fair_acquire(stage, self);
    detecting_acquire(stage, self);
}

static void
rwlock_shared(struct stage *stage, struct kith__self *self)
{
    make_locks(stage, self);
    share(stage, self);
}

/* Left by a writer that died: whoever comes next is told. */
static void
rwlock_died(struct stage *stage, struct kith__self *self)
{
    struct kith__sync sync;

    make_locks(stage, self);
    sync = sync_of(stage, RWLOCK);
    atomic_store(&kith__sync_root(&sync)->lock.word, KITH__LOCK_DIED);
}

static void
all_held(struct stage *stage, struct kith__self *self)
{
    fair_acquire(stage, self);
    recursive_twice(stage, self);
    unowned_acquire(stage, self);
    detecting_acquire(stage, self);
    share(stage, self);
}

static void
leave_in_order(struct stage *stage, struct kith__self *self)
{
    (void)self;
    stage->arena->on_leave(kith__self_of(stage->arena), true);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

/* Whether the survivor's process took the unowned lock. */
static bool
is_ours(struct stage *stage, const struct kith__sync *sync)
{
    return (atomic_load(&kith__sync_root(sync)->lock.word) & KITH__LOCK_ACTOR) ==
           (KITH__LOCK_HOLDER | stage->arena->holder);
}

/* While the survivor shares the rwlock nobody has it alone. */
static const char *
peek_beside_reader(struct stage *stage, struct kith__self *self)
{
    struct kith__sync sync = sync_of(stage, RWLOCK);
    uint32_t word = atomic_load(&kith__sync_root(&sync)->lock.word);

    (void)self;
    return stage->slot[RELEASED] == 0 && (word & KITH__LOCK_ACTOR) != 0 &&
                   (word & KITH__LOCK_CLAIM) == 0
               ? "a writer is in beside a reader"
               : NULL;
}

/* While the survivor has the rwlock alone nobody else is in. */
static const char *
peek_beside_writer(struct stage *stage, struct kith__self *self)
{
    struct kith__sync sync = sync_of(stage, RWLOCK);
    uint32_t word = atomic_load(&kith__sync_root(&sync)->lock.word);

    return stage->slot[RELEASED] == 0 && (word & KITH__LOCK_ACTOR) != self->id
               ? "the writer's lock is another's"
               : NULL;
}

/*
 * Whether the survivor can have each of them, at once and again.  That an owner died is news, not a
 * difference; and in an image that was taken while the survivor held one, it holds it.
 */
static void
see_to_be_had(struct stage *stage, struct kith__self *self, unsigned first, unsigned count,
              char *text, size_t size)
{
    char *at = text, *end = text + size;

    for (unsigned i = first; i < first + count; i++) {
        struct kith__sync sync = sync_of(stage, i);
        kith_err err[2];

        for (unsigned again = 0; again < 2; again++) {
            err[again] = kith__mutex_acquire(self, &sync, 0);
            if (err[again] == KITH_ETIMEDOUT && i == UNOWNED && is_ours(stage, &sync))
                err[again] = KITH_EDEADLOCK;
            else if (err[again] >= 0)
                kith__mutex_release(self, &sync);
        }
        at += snprintf(at, (size_t)(end - at), "%s ",
                       (err[0] >= 0 || err[0] == KITH_EDEADLOCK) &&
                               (err[1] == KITH_OK || err[1] == KITH_EDEADLOCK)
                           ? "to be had"
                           : "lost");
        /* As often as it was acquired, and not as often as somebody had it before. */
        if (i == RECURSIVE && kith__mutex_release(self, &sync) >= 0)
            at += snprintf(at, (size_t)(end - at), "and kept ");
    }
    if (first + count == KINDS) { /* the rwlock was among them: it can be shared, and as often */
        struct kith__sync sync = sync_of(stage, RWLOCK);
        kith_err err = kith__rwlock_acquire_shared(self, &sync, 0);

        at += snprintf(at, (size_t)(end - at), "%s",
                       err == KITH_OK || err == KITH_EDEADLOCK ? "and shared" : "and not shared");
        if (err >= 0)
            kith__mutex_release(self, &sync);
    }
}

#define SEES(name, which, count)                                                                   \
    static void see_##name(struct stage *stage, struct kith__self *self, char *text, size_t size)  \
    {                                                                                              \
        see_to_be_had(stage, self, which, count, text, size);                                      \
    }
SEES(fair, FAIR, 1)
SEES(recursive, RECURSIVE, 1)
SEES(unowned, UNOWNED, 1)
SEES(detecting, DETECTING, 1)
SEES(rwlock, RWLOCK, 1)
SEES(all, FAIR, KINDS)

/* After an orderly end the unowned one stays taken, and the others are free. */
static void
see_left(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__sync sync = sync_of(stage, UNOWNED);
    char *at = text;

    (void)kith__mutex_release(self, &sync); /* whether it is taken or not, as the kill came */
    see_to_be_had(stage, self, FAIR, KINDS, at, size);
}

#define FREE(kind, op, saw)                                                                        \
    {                                                                                              \
        .name = kind ", free", .set_up = make_locks, .prepare = warm_up, .act = op,                \
        .observe = saw, .same_outcome = true                                                       \
    }
#define WAITED(kind, held, op, by, saw, look)                                                      \
    {                                                                                              \
        .name = kind ", waited for", .set_up = held, .prepare = warm_up, .act = op,                \
        .observe = saw, .peek = look, .partner = by, .same_outcome = true                          \
    }
#define RELEASE(kind, took, op, saw)                                                               \
    {                                                                                              \
        .name = kind, .set_up = make_locks, .prepare = took, .act = op, .observe = saw,            \
        .same_outcome = true                                                                       \
    }

static const struct scenario scenarios[] = {
    FREE("fair lock acquire", fair_acquire, see_fair),
    WAITED("fair lock acquire", fair_held, fair_wait, fair_release, see_fair, NULL),
    RELEASE("fair lock release", fair_acquire, fair_release, see_fair),
    RELEASE("recursive lock acquire again", recursive_acquire, recursive_acquire, see_recursive),
    RELEASE("recursive lock release, inner", recursive_twice, recursive_release, see_recursive),
    FREE("unowned lock acquire", unowned_acquire, see_unowned),
    WAITED("unowned lock acquire", unowned_held, unowned_wait, unowned_release, see_unowned, NULL),
    RELEASE("unowned lock release", unowned_acquire, unowned_release, see_unowned),
    WAITED("detecting lock acquire", detecting_held, detecting_wait, detecting_release,
           see_detecting, NULL),
    RELEASE("detecting lock release", detecting_acquire, detecting_release, see_detecting),
    FREE("rwlock acquire", rwlock_acquire, see_rwlock),
    WAITED("rwlock acquire, writer", rwlock_held, rwlock_wait, rwlock_release, see_rwlock,
           peek_beside_writer),
    WAITED("rwlock acquire, reader", rwlock_shared, rwlock_wait, rwlock_release, see_rwlock,
           peek_beside_reader),
    RELEASE("rwlock release", rwlock_acquire, rwlock_release, see_rwlock),
    FREE("rwlock share", share, see_rwlock),
    WAITED("rwlock share, writer", rwlock_held, share_wait, rwlock_release, see_rwlock,
           peek_beside_writer),
    { .name = "rwlock share, told of a death",
      .set_up = rwlock_died,
      .prepare = warm_up,
      .act = share,
      .observe = see_rwlock,
      .same_outcome = true },
    { .name = "rwlock acquire, told of a death",
      .set_up = rwlock_died,
      .prepare = warm_up,
      .act = rwlock_acquire,
      .observe = see_rwlock,
      .same_outcome = true },
    RELEASE("rwlock release, shared", share, rwlock_release, see_rwlock),
    RELEASE("rwlock release, among others", share_among_others, rwlock_release, see_all),
    { .name = "locks of all kinds, leaving in order",
      .alone = true,
      .set_up = make_locks,
      .prepare = all_held,
      .act = leave_in_order,
      .observe = see_left,
      .same_outcome = true },
};
const struct scenario_table lock_scenarios = SCENARIO_TABLE(scenarios);
