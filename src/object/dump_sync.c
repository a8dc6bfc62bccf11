/*
 * dump_sync.c - how that by which processes wait for each other is dumped and loaded.
 *
 * A dump has nobody in it: what somebody holds is free in it, and nobody waits.
 */
#include "object/dump.h"

/* ---- Locks and rwlocks ------------------------------------------------------------------ */

static void
dump_flag(struct kith__dump *dump, enum kith__dump_setting setting, bool flag)
{
    if (flag)
        kith__dump_number(dump, setting, 1);
}

static bool
flag_of(const struct kith__dumped *object, enum kith__dump_setting setting)
{
    return kith__dumped_number(object, setting) != 0;
}

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
        dump_flag(dump, KITH__DUMP_LOCK_RECURSIVE, options.recursive);
        dump_flag(dump, KITH__DUMP_LOCK_FAIR, options.fair);
        dump_flag(dump, KITH__DUMP_LOCK_DETECT_DEADLOCK, options.detect_deadlock);
        dump_flag(dump, KITH__DUMP_LOCK_UNOWNED, options.unowned);
        dump_flag(dump, KITH__DUMP_LOCK_SHAREABLE, options.shareable && kind == KITH_KIND_LOCK);
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
    options.recursive = flag_of(object, KITH__DUMP_LOCK_RECURSIVE);
    options.fair = flag_of(object, KITH__DUMP_LOCK_FAIR);
    options.detect_deadlock = flag_of(object, KITH__DUMP_LOCK_DETECT_DEADLOCK);
    options.unowned = flag_of(object, KITH__DUMP_LOCK_UNOWNED);
    options.shareable = flag_of(object, KITH__DUMP_LOCK_SHAREABLE);
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
    options.fair = flag_of(object, KITH__DUMP_LOCK_FAIR);
    options.detect_deadlock = flag_of(object, KITH__DUMP_LOCK_DETECT_DEADLOCK);
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
    if (set)
        kith__dump_number(dump, KITH__DUMP_EVENT_SET, 1);
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
    return kith__dumped_number(object, KITH__DUMP_EVENT_SET) != 0 ? kith_event_set(object->handle)
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
