/*
 * dump_sync.c - how that by which processes wait for each other is dumped and loaded.
 *
 * A dump has nobody in it: what somebody holds is free in it, and nobody waits.
 */
#include <kith/barrier.h>
#include <kith/condition.h>
#include <kith/limiter.h>
#include <kith/once.h>
#include <kith/semaphore.h>
#include <string.h>

#include "object/dump.h"

/* ---- Locks and rwlocks ------------------------------------------------------------------ */

/* A rwlock can be opened as a lock, so one function looks at both. */
static kith_err
dump_either(struct kith__dump *dump, kith_space *space, const char *name, enum kith_kind kind)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    unsigned told = kith__told();
    kith_lock *lock;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_lock_open(space, name, &options, &lock);
    if (err < 0)
        return err;
    err = lock->ops->made_with(lock->handle.state, &options);
    if (err == KITH_OK) {
        kith__dump_object(dump, kind, name);
        kith__dump_flag(dump, KITH__DUMP_LOCK_RECURSIVE, options.recursive);
        kith__dump_flag(dump, KITH__DUMP_LOCK_FAIR, options.fair);
        kith__dump_flag(dump, KITH__DUMP_LOCK_DETECT_DEADLOCK, options.detect_deadlock);
        kith__dump_flag(dump, KITH__DUMP_LOCK_UNOWNED, options.unowned);
        kith__dump_flag(dump, KITH__DUMP_LOCK_SHAREABLE,
                        options.shareable && kind == KITH_KIND_LOCK);
    } else {
        err = kith__fail_outcome(&lock->handle, err, told, NULL);
    }
    kith_lock_close(lock);
    return err;
}

static kith_err
dump_lock(struct kith__dump *dump, kith_space *space, const char *name)
{
    return dump_either(dump, space, name, KITH_KIND_LOCK);
}

static kith_err
dump_rwlock(struct kith__dump *dump, kith_space *space, const char *name)
{
    return dump_either(dump, space, name, KITH_KIND_RWLOCK);
}

static kith_err
make_lock(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_lock *lock;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.recursive = kith__dumped_flag(object, KITH__DUMP_LOCK_RECURSIVE);
    options.fair = kith__dumped_flag(object, KITH__DUMP_LOCK_FAIR);
    options.detect_deadlock = kith__dumped_flag(object, KITH__DUMP_LOCK_DETECT_DEADLOCK);
    options.unowned = kith__dumped_flag(object, KITH__DUMP_LOCK_UNOWNED);
    options.shareable = kith__dumped_flag(object, KITH__DUMP_LOCK_SHAREABLE);
    err = kith_lock_open(space, object->as, &options, &lock);
    if (err == KITH_OK)
        object->handle = lock;
    return err;
}

static void
close_lock(void *handle)
{
    kith_lock_close(handle);
}

const struct kith__dump_kind kith__dump_lock = {
    .kind = KITH_KIND_LOCK,
    .dump = dump_lock,
    .settings = kith__dumped_any,
    .make = make_lock,
    .close = close_lock,
};

static kith_err
make_rwlock(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    kith_rwlock *rwlock;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.fair = kith__dumped_flag(object, KITH__DUMP_LOCK_FAIR);
    options.detect_deadlock = kith__dumped_flag(object, KITH__DUMP_LOCK_DETECT_DEADLOCK);
    err = kith_rwlock_open(space, object->as, &options, &rwlock);
    if (err == KITH_OK)
        object->handle = rwlock;
    return err;
}

static void
close_rwlock(void *handle)
{
    kith_rwlock_close(handle);
}

const struct kith__dump_kind kith__dump_rwlock = {
    .kind = KITH_KIND_RWLOCK,
    .dump = dump_rwlock,
    .settings = kith__dumped_any,
    .make = make_rwlock,
    .close = close_rwlock,
};

/* ---- Events ----------------------------------------------------------------------------- */

static kith_err
dump_event(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    bool set = false;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_event_open(space, name, &options, &event);
    if (err < 0)
        return err;
    err = kith_event_is_set(event, &set);
    kith_event_close(event);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_EVENT, name);
    kith__dump_flag(dump, KITH__DUMP_EVENT_SET, set);
    return KITH_OK;
}

static kith_err
make_event(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_event_open(space, object->as, &options, &event);
    if (err == KITH_OK)
        object->handle = event;
    return err;
}

static kith_err
finish_event(struct kith__dumped *object)
{
    return kith__dumped_flag(object, KITH__DUMP_EVENT_SET) ? kith_event_set(object->handle)
                                                           : KITH_OK;
}

static void
close_event(void *handle)
{
    kith_event_close(handle);
}

const struct kith__dump_kind kith__dump_event = {
    .kind = KITH_KIND_EVENT,
    .dump = dump_event,
    .settings = kith__dumped_any,
    .make = make_event,
    .finish = finish_event,
    .close = close_event,
};

/* ---- Semaphores ------------------------------------------------------------------------- */

/* What somebody who lives has taken comes out as it does when he ends: see semaphore.h. */
static kith_err
dump_semaphore(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith__permits permits;
    unsigned told = kith__told();
    kith_semaphore *semaphore;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_semaphore_open(space, name, &options, &semaphore);
    if (err < 0)
        return err;
    err = semaphore->ops->made_with(semaphore->handle.state, &options, &permits);
    if (err == KITH_OK) {
        kith__dump_object(dump, KITH_KIND_SEMAPHORE, name);
        kith__dump_number(dump, KITH__DUMP_SEMAPHORE_VALUE, options.value);
        kith__dump_flag(dump, KITH__DUMP_SEMAPHORE_BOUNDED, options.bounded);
        kith__dump_flag(dump, KITH__DUMP_SEMAPHORE_FAIR, options.fair);
        kith__dump_flag(dump, KITH__DUMP_SEMAPHORE_UNOWNED, options.unowned);
        kith__dump_number(dump, KITH__DUMP_SEMAPHORE_MORE, permits.more);
        kith__dump_number(dump, KITH__DUMP_SEMAPHORE_GONE, permits.gone);
    } else {
        err = kith__fail_outcome(&semaphore->handle, err, told, NULL);
    }
    kith_semaphore_close(semaphore);
    return err;
}

static bool
check_semaphore(const struct kith__dumped *object)
{
    uint64_t value = kith__dumped_number(object, KITH__DUMP_SEMAPHORE_VALUE);
    uint64_t more = kith__dumped_number(object, KITH__DUMP_SEMAPHORE_MORE);
    uint64_t gone = kith__dumped_number(object, KITH__DUMP_SEMAPHORE_GONE);

    if (value > KITH_SEMAPHORE_VALUE_MAX || more > KITH_SEMAPHORE_VALUE_MAX - value)
        return false;
    if (more != 0 && (gone != 0 || kith__dumped_flag(object, KITH__DUMP_SEMAPHORE_BOUNDED)))
        return false;
    return gone == 0 || (gone <= value && kith__dumped_flag(object, KITH__DUMP_SEMAPHORE_UNOWNED));
}

static kith_err
make_semaphore(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith__permits permits = {
        .more = (uint32_t)kith__dumped_number(object, KITH__DUMP_SEMAPHORE_MORE),
        .gone = (uint32_t)kith__dumped_number(object, KITH__DUMP_SEMAPHORE_GONE),
    };
    kith_semaphore *semaphore;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.value = (uint32_t)kith__dumped_number(object, KITH__DUMP_SEMAPHORE_VALUE);
    options.bounded = kith__dumped_flag(object, KITH__DUMP_SEMAPHORE_BOUNDED);
    options.fair = kith__dumped_flag(object, KITH__DUMP_SEMAPHORE_FAIR);
    options.unowned = kith__dumped_flag(object, KITH__DUMP_SEMAPHORE_UNOWNED);
    err = kith__semaphore_make(space, object->as, &options, &permits, &semaphore);
    if (err == KITH_OK)
        object->handle = semaphore;
    return err;
}

static void
close_semaphore(void *handle)
{
    kith_semaphore_close(handle);
}

const struct kith__dump_kind kith__dump_semaphore = {
    .kind = KITH_KIND_SEMAPHORE,
    .dump = dump_semaphore,
    .settings = check_semaphore,
    .make = make_semaphore,
    .close = close_semaphore,
};

/* ---- Conditions ------------------------------------------------------------------------- */

static kith_err
dump_condition(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    char lock[KITH__NAME_SIZE_MAX + 1];
    unsigned told = kith__told();
    kith_condition *condition;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_condition_open(space, name, &options, &condition);
    if (err < 0)
        return err;
    err = condition->ops->lock_name(condition->handle.state, lock);
    if (err == KITH_OK) {
        kith__dump_object(dump, KITH_KIND_CONDITION, name);
        kith__dump_text(dump, KITH__DUMP_CONDITION_LOCK, lock);
    } else {
        err = kith__fail_outcome(&condition->handle, err, told,
                                 err == KITH_EGONE ? "\" was destroyed, or its lock was." : NULL);
    }
    kith_condition_close(condition);
    return err;
}

static void
condition_needs(const struct kith__dumped *object, char name[KITH__NAME_SIZE_MAX + 1])
{
    kith__dumped_text(object, KITH__DUMP_CONDITION_LOCK, name, KITH__NAME_SIZE_MAX + 1);
}

static bool
check_condition(const struct kith__dumped *object)
{
    char lock[KITH__NAME_SIZE_MAX + 1];

    condition_needs(object, lock);
    return lock[0] == '\0' ||
           (kith__name_ok(lock, strlen(lock)) && strcmp(lock, object->name) != 0);
}

static kith_err
make_condition(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    char name[KITH__NAME_SIZE_MAX + 1];
    kith_condition *condition;
    kith_err err = KITH_OK;

    (void)alone; /* no lock needs a condition */
    condition_needs(object, name);
    options.create = KITH_MUST_CREATE;
    if (name[0] != '\0') {
        struct kith_lock_options plain = KITH_LOCK_OPTIONS_INIT;
        kith_lock *lock;

        options.lock = name;
        plain.create = KITH_MUST_CREATE;
        err = kith_lock_open(space, name, &plain, &lock);
        if (err == KITH_OK) { /* it is not there, and not in the dump: remembered */
            memcpy(object->also, name, strlen(name) + 1);
            kith_lock_close(lock);
        } else if (err == KITH_EEXIST) {
            err = KITH_OK;
        }
    }
    if (err == KITH_OK)
        err = kith_condition_open(space, object->as, &options, &condition);
    if (err == KITH_OK)
        object->handle = condition;
    return err;
}

static void
close_condition(void *handle)
{
    kith_condition_close(handle);
}

const struct kith__dump_kind kith__dump_condition = {
    .kind = KITH_KIND_CONDITION,
    .dump = dump_condition,
    .settings = check_condition,
    .needs = condition_needs,
    .needs_kind = KITH_KIND_LOCK,
    .make = make_condition,
    .close = close_condition,
};

/* ---- Barriers --------------------------------------------------------------------------- */

static kith_err
dump_barrier(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier;
    uint32_t parties = 0;
    bool broken = false;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_barrier_open(space, name, &options, &barrier);
    if (err < 0)
        return err;
    err = kith_barrier_parties(barrier, &parties);
    if (err == KITH_OK)
        err = kith_barrier_broken(barrier, &broken);
    kith_barrier_close(barrier);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_BARRIER, name);
    kith__dump_number(dump, KITH__DUMP_BARRIER_PARTIES, parties);
    kith__dump_flag(dump, KITH__DUMP_BARRIER_BROKEN, broken);
    return KITH_OK;
}

static bool
check_barrier(const struct kith__dumped *object)
{
    uint64_t parties = kith__dumped_number(object, KITH__DUMP_BARRIER_PARTIES);

    return parties > 0 && parties <= KITH_BARRIER_PARTIES_MAX;
}

static kith_err
make_barrier(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.parties = (uint32_t)kith__dumped_number(object, KITH__DUMP_BARRIER_PARTIES);
    err = kith_barrier_open(space, object->as, &options, &barrier);
    if (err == KITH_OK)
        object->handle = barrier;
    return err;
}

static kith_err
finish_barrier(struct kith__dumped *object)
{
    return kith__dumped_flag(object, KITH__DUMP_BARRIER_BROKEN) ? kith_barrier_abort(object->handle)
                                                                : KITH_OK;
}

static void
close_barrier(void *handle)
{
    kith_barrier_close(handle);
}

const struct kith__dump_kind kith__dump_barrier = {
    .kind = KITH_KIND_BARRIER,
    .dump = dump_barrier,
    .settings = check_barrier,
    .make = make_barrier,
    .finish = finish_barrier,
    .close = close_barrier,
};

/* ---- Onces ------------------------------------------------------------------------------ */

/* A claim is of who will not be there: what is being done is not done. */
static kith_err
dump_once(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    enum kith_once_state state = KITH_ONCE_OPEN;
    kith_once *once;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_once_open(space, name, &options, &once);
    if (err < 0)
        return err;
    err = kith_once_state(once, &state);
    kith_once_close(once);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_ONCE, name);
    kith__dump_flag(dump, KITH__DUMP_ONCE_DONE, state == KITH_ONCE_DONE);
    return KITH_OK;
}

/* It is done from the first: nobody who looks while the rest is loaded may do it again. */
static kith_err
make_once(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    kith_once *once;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith__once_make(space, object->as, &options,
                          kith__dumped_flag(object, KITH__DUMP_ONCE_DONE), &once);
    if (err == KITH_OK)
        object->handle = once;
    return err;
}

static void
close_once(void *handle)
{
    kith_once_close(handle);
}

const struct kith__dump_kind kith__dump_once = {
    .kind = KITH_KIND_ONCE,
    .dump = dump_once,
    .settings = kith__dumped_any,
    .make = make_once,
    .close = close_once,
};

/* ---- Limiters --------------------------------------------------------------------------- */

#define NS_PER_S 1e9

/* Tokens, and parts of one, that it is short of being full.  Its clock stands still in a dump. */
static double
missing_of(const struct kith_limiter_state *state)
{
    double missing = (double)state->burst - (double)state->available;
    double part = (double)state->next_ns / NS_PER_S * state->rate; /* of the next one, to come */

    return missing == 0 ? 0 : missing - 1 + (part < 1 ? part : 1);
}

static kith_err
dump_limiter(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    kith_limiter *limiter;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_limiter_open(space, name, &options, &limiter);
    if (err < 0)
        return err;
    err = kith_limiter_state(limiter, &state);
    kith_limiter_close(limiter);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_LIMITER, name);
    kith__dump_float(dump, KITH__DUMP_LIMITER_RATE, state.rate);
    kith__dump_number(dump, KITH__DUMP_LIMITER_BURST, state.burst);
    kith__dump_float(dump, KITH__DUMP_LIMITER_MISSING, missing_of(&state));
    return KITH_OK;
}

static bool
check_limiter(const struct kith__dumped *object)
{
    double rate = kith__dumped_float(object, KITH__DUMP_LIMITER_RATE);
    double missing = kith__dumped_float(object, KITH__DUMP_LIMITER_MISSING);
    uint64_t burst = kith__dumped_number(object, KITH__DUMP_LIMITER_BURST);

    return rate >= KITH_LIMITER_RATE_MIN && rate <= KITH_LIMITER_RATE_MAX && burst > 0 &&
           burst <= KITH_LIMITER_BURST_MAX && missing >= 0 && missing <= (double)burst;
}

static kith_err
make_limiter(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    kith_limiter *limiter;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.rate = kith__dumped_float(object, KITH__DUMP_LIMITER_RATE);
    options.burst = (uint32_t)kith__dumped_number(object, KITH__DUMP_LIMITER_BURST);
    err = kith__limiter_make(space, object->as, &options,
                             kith__dumped_float(object, KITH__DUMP_LIMITER_MISSING), &limiter);
    if (err == KITH_OK)
        object->handle = limiter;
    return err;
}

static void
close_limiter(void *handle)
{
    kith_limiter_close(handle);
}

const struct kith__dump_kind kith__dump_limiter = {
    .kind = KITH_KIND_LIMITER,
    .dump = dump_limiter,
    .settings = check_limiter,
    .make = make_limiter,
    .close = close_limiter,
};
