/*
 * wakes.c - no wake is lost: two processes sleep, a third is killed at each step of waking them;
 * and one goes to sleep at each step of a waker that lives.
 *
 *     wakes [NAME...]
 *
 * Everything is real here: the sleep, the death, the kernel's signal of it.  Re-checks are off
 * (set to never), so that a sleeper that wakes was woken.  A ceiling of 10 s stands for "lost".
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/condition.h"
#include "shm/rwlock.h"
#include "shm/semaphore.h"
#include "shm/value.h"
#include "stepper.h"

#define SLEEPERS 2
#define CEILING_NS INT64_C(10000000000)
#define TRIES 60u /* at how many of the waker's steps, unless --long */

/* What sleepers tell, in memory of its own. */
struct board {
    _Atomic int woken[SLEEPERS];
    _Atomic int polling; /* how many have armed a descriptor, and poll it or are about to */
    _Atomic int acted;   /* the waker's operation was over, as far as the kill let it */
};

static struct board *board;

static uint64_t steps_made; /* by the waker of the last try */

static void
pause_a_little(void)
{
    struct timespec t = { 0, 200000 };

    nanosleep(&t, NULL);
}

/* ---- What is slept for ---------------------------------------------------------------------- */

static void
sleep_for_lock(struct stage *stage, struct kith__self *self)
{
    self->spin = 16;
    if (kith__mutex_acquire(self, &stage->lock, INT64_MAX) >= 0)
        kith__mutex_release(self, &stage->lock);
}

static void
hold_lock(struct stage *stage, struct kith__self *self)
{
    kith__mutex_acquire(self, &stage->lock, 0);
}

static void
release_lock(struct stage *stage, struct kith__self *self)
{
    kith__mutex_release(self, &stage->lock);
}

static void
sleep_for_item(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->letters, 1, INT64_MAX, &buf, &got);
    kith_buf_free(&buf);
}

static void
put_items(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[SLEEPERS] = { KITH_INT(1), KITH_INT(2) };

    kith__queue_put(self, &stage->letters, items, SLEEPERS, 0);
}

/* Killed before it committed, it has put nothing: then the survivor does, and all must wake. */
static void
put_missing(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_root *root = kith__queue_root(&stage->letters);
    struct kith_item item = KITH_INT(3);

    kith__reap_all(self);
    while (KITH__PLACE_COUNT(kith__load(&root->tail)) < SLEEPERS)
        kith__queue_put(self, &stage->letters, &item, 1, 0);
}

static void
sleep_for_event(struct stage *stage, struct kith__self *self)
{
    self->spin = 16;
    kith__event_wait(self, &stage->event, INT64_MAX);
}

static void
set_event(struct stage *stage, struct kith__self *self)
{
    kith__event_set(self, &stage->event);
}

static void
set_missing(struct stage *stage, struct kith__self *self)
{
    bool on = false;

    kith__event_is_set(&stage->event, &on);
    if (!on)
        kith__event_set(self, &stage->event);
}

static void
sleep_for_key(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;
    uint64_t version;

    if (kith__key_make(stage->arena->hash_key, kith_str("awaited"), &key) == KITH_OK)
        kith__dict_wait(self, &stage->a, &key, 0, INT64_MAX, &buf, &version);
    kith_buf_free(&buf);
}

static void
set_awaited(struct stage *stage, struct kith__self *self)
{
    struct kith__change how = { .what = KITH__CHANGE_SET, .item = KITH_INT(1) };
    struct kith__key key;

    if (kith__key_make(stage->arena->hash_key, kith_str("awaited"), &key) == KITH_OK)
        kith__dict_change(self, &stage->a, &key, &how);
}

static void
set_awaited_if_missing(struct stage *stage, struct kith__self *self)
{
    struct kith__found found;
    struct kith__key key;

    kith__reap_all(self);
    if (kith__key_make(stage->arena->hash_key, kith_str("awaited"), &key) == KITH_OK &&
        kith__dict_find(self, &stage->a, &key, &found) == KITH_ENOENT)
        set_awaited(stage, self);
}

static struct kith__value
number(struct stage *stage, struct kith__self *self, const char *name, bool guarded)
{
    struct kith__value_making making = { *kith__scalar_of('q'), guarded, NULL };
    struct kith__object object;
    struct kith__value value;

    if (kith__catalog_open(self, name, KITH_KIND_VALUE, KITH_CREATE_OR_OPEN, kith__value_init,
                           &making, &object) < 0 ||
        kith__value_of(stage->arena, object.off, object.id, &value) < 0)
        abort();
    return value;
}

static void
sleep_for_change(struct stage *stage, struct kith__self *self)
{
    struct kith__value value = number(stage, self, "native", false);
    uint64_t old = 0;

    self->spin = 16;
    kith__value_wait(self, &value, &old, INT64_MAX);
}

/* What the waker changes, found before it is stepped. */
static struct kith__value native, guarded;

static void
make_numbers(struct stage *stage, struct kith__self *self)
{
    native = number(stage, self, "native", false);
    guarded = number(stage, self, "guarded", true);
}

static void
change(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__value_update(self, &native, KITH__MATH_ADD, 1, NULL, NULL);
}

static void
change_missing(struct stage *stage, struct kith__self *self)
{
    struct kith__value value = number(stage, self, "native", false);
    uint64_t seen;

    kith__value_cas(self, &value, 0, 1, &seen);
}

static void
sleep_for_commit(struct stage *stage, struct kith__self *self)
{
    struct kith__value value = number(stage, self, "guarded", true);
    uint64_t old = 0;

    self->spin = 16;
    kith__value_wait(self, &value, &old, INT64_MAX);
}

static void
commit(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step step = { .what = KITH__TXN_VALUE_ADD, .n = 1 };
    size_t failed;

    (void)stage;
    step.value = guarded;
    kith__txn_run(self, &step, 1, &failed);
}

static void
commit_missing(struct stage *stage, struct kith__self *self)
{
    struct kith__value value = number(stage, self, "guarded", true);
    uint64_t seen;

    kith__reap_all(self);
    kith__value_cas(self, &value, 0, 1, &seen);
}

/* ---- Locks that are waited for in a row ---- */

/* The lock "fair" or "rwlock" of the stage; found by its name, since each role is a process. */
static struct kith__sync
find_lock(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__object object = { 0 };

    if (kith__catalog_find(stage->arena, self, name, &object) < 0)
        abort();
    return (struct kith__sync){ stage->arena, object.off, object.id };
}

static void
make_locks(struct stage *stage)
{
    struct kith__semaphore_making permits = { 0 }, in_order = { .options = KITH__SEMAPHORE_FAIR };
    struct kith__condition_making none = { .name = NULL };
    uint32_t fair = KITH__SYNC_FAIR, shared = KITH__SYNC_SHARED;

    stage_make(stage, 0, "fair", KITH_KIND_LOCK, kith__sync_init, &fair);
    stage_make(stage, 1, "rwlock", KITH_KIND_RWLOCK, kith__sync_init, &shared);
    stage_make(stage, 4, "condition", KITH_KIND_CONDITION, kith__condition_init, &none);
    stage_make(stage, 2, "permits", KITH_KIND_SEMAPHORE, kith__semaphore_init, &permits);
    stage_make(stage, 3, "in order", KITH_KIND_SEMAPHORE, kith__semaphore_init, &in_order);
}

static void
sleep_for(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__sync sync = find_lock(stage, self, name);

    self->spin = 16;
    if (kith__mutex_acquire(self, &sync, INT64_MAX) >= 0)
        kith__mutex_release(self, &sync);
}

static void
sleep_for_fair(struct stage *stage, struct kith__self *self)
{
    sleep_for(stage, self, "fair");
}

static void
sleep_as_writer(struct stage *stage, struct kith__self *self)
{
    sleep_for(stage, self, "rwlock");
}

static void
sleep_as_reader(struct stage *stage, struct kith__self *self)
{
    struct kith__sync sync = find_lock(stage, self, "rwlock");

    self->spin = 16;
    if (kith__rwlock_acquire_shared(self, &sync, INT64_MAX) >= 0)
        kith__mutex_release(self, &sync);
}

static struct kith__sync held; /* in the waker */

static void
hold_fair(struct stage *stage, struct kith__self *self)
{
    held = find_lock(stage, self, "fair");
    kith__mutex_acquire(self, &held, 0);
}

static void
hold_alone(struct stage *stage, struct kith__self *self)
{
    held = find_lock(stage, self, "rwlock");
    kith__mutex_acquire(self, &held, 0);
}

static void
hold_shared(struct stage *stage, struct kith__self *self)
{
    held = find_lock(stage, self, "rwlock");
    kith__rwlock_acquire_shared(self, &held, 0);
}

static void
release_held(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__mutex_release(self, &held);
}

/* ---- The same through a descriptor ---------------------------------------------------------- */

/* True: armed and polled; try again. */
static void
poll_armed(kith_err err, int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    static bool told;

    if (err < 0)
        _exit(4);
    if (!told)
        atomic_fetch_add(&board->polling, 1);
    told = true;
    poll(&polled, 1, -1);
}

static void
poll_for_lock(struct stage *stage, struct kith__self *self)
{
    kith__poller_slot slot = NULL;
    kith_err err;
    int fd = -1;

    while (kith__mutex_acquire(self, &stage->lock, 0) < 0) {
        err = kith__mutex_arm(self, &stage->lock, &slot, &fd);
        poll_armed(err, fd);
    }
    kith__mutex_release(self, &stage->lock);
}

static void
poll_for_item(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith__poller_slot slot = NULL;
    kith_err err;
    size_t got;
    int fd = -1;

    while (kith__queue_get(self, &stage->letters, 1, 0, &buf, &got) < 0) {
        err = kith__queue_arm(self, &stage->letters, &slot, &fd);
        poll_armed(err, fd);
    }
}

static void
poll_for_event(struct stage *stage, struct kith__self *self)
{
    kith__poller_slot slot = NULL;
    bool on = false;
    kith_err err;
    int fd = -1;

    while (kith__event_is_set(&stage->event, &on) == KITH_OK && !on) {
        err = kith__event_arm(self, &stage->event, &slot, &fd);
        poll_armed(err, fd);
    }
}

/* Nothing tells a descriptor of a death: some survivor cleans up, and that does. */
static void
reap(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__reap_all(self);
}

static void
reap_and_set_missing(struct stage *stage, struct kith__self *self)
{
    kith__reap_all(self);
    set_missing(stage, self);
}

/* ---- Semaphores, as signals ---- */

static struct kith__root_ref
find_root(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__object object = { 0 };

    if (kith__catalog_find(stage->arena, self, name, &object) < 0)
        abort();
    return (struct kith__root_ref){ stage->arena, object.off, object.id };
}

static void
sleep_for_permit(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = find_root(stage, self, "permits");

    kith__semaphore_acquire(self, &ref, INT64_MAX);
}

static void
sleep_in_order(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = find_root(stage, self, "in order");

    kith__semaphore_acquire(self, &ref, INT64_MAX);
}

static struct kith__root_ref permits; /* in the waker */

static void
find_permits(struct stage *stage, struct kith__self *self)
{
    permits = find_root(stage, self, "permits");
}

static void
find_in_order(struct stage *stage, struct kith__self *self)
{
    permits = find_root(stage, self, "in order");
}

static void
give_permits(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__semaphore_release(self, &permits, SLEEPERS);
}

/* Killed before it gave them: the stock tells, for sleepers only take. */
static void
give_missing_of(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__root_ref ref = find_root(stage, self, name);

    kith__reap_all(self);
    if (kith__load(&kith__semaphore_root(&ref)->stock) == 0)
        kith__semaphore_release(self, &ref, SLEEPERS);
}

static void
give_missing(struct stage *stage, struct kith__self *self)
{
    give_missing_of(stage, self, "permits");
}

static void
give_missing_in_order(struct stage *stage, struct kith__self *self)
{
    give_missing_of(stage, self, "in order");
}

/* ---- Through a descriptor: what these tell of ---- */

static void
poll_for_permit_of(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__root_ref ref = find_root(stage, self, name);
    kith__poller_slot slot = NULL;
    kith_err err;
    int fd = -1;

    while (kith__semaphore_acquire(self, &ref, 0) < 0) {
        err = kith__semaphore_arm(self, &ref, &slot, &fd);
        if (err == KITH_EGONE)
            break;
        poll_armed(err, fd);
    }
}

static void
poll_for_permit(struct stage *stage, struct kith__self *self)
{
    poll_for_permit_of(stage, self, "permits");
}

static void
poll_in_order(struct stage *stage, struct kith__self *self)
{
    poll_for_permit_of(stage, self, "in order");
}

static void
poll_for_change(struct stage *stage, struct kith__self *self)
{
    struct kith__value value = number(stage, self, "native", false);
    kith__poller_slot slot = NULL;
    uint64_t bits = 0;
    kith_err err;
    int fd = -1;

    for (;;) {
        err = kith__value_arm(self, &value, &slot, &fd);
        if (kith__value_load(self, &value, &bits) < 0 || bits != 0)
            break;
        poll_armed(err, fd);
    }
}

static void
reap_and_change_missing(struct stage *stage, struct kith__self *self)
{
    kith__reap_all(self);
    change_missing(stage, self);
}

static void
poll_for_key(struct stage *stage, struct kith__self *self)
{
    kith__poller_slot slot = NULL;
    struct kith__found found;
    struct kith__key key;
    kith_err err;
    int fd = -1;

    if (kith__key_make(stage->arena->hash_key, kith_str("awaited"), &key) < 0)
        _exit(4);
    for (;;) {
        err = kith__dict_arm(self, &stage->a, &slot, &fd);
        if (kith__dict_find(self, &stage->a, &key, &found) != KITH_ENOENT)
            break;
        poll_armed(err, fd);
    }
}

/* A queue that is full. */
static void
make_full(struct stage *stage)
{
    struct kith__queue_making making = { .capacity = SLEEPERS };
    struct kith_item items[SLEEPERS] = { KITH_INT(1), KITH_INT(2) };
    struct kith__root_ref ref;
    struct kith__queue queue;

    stage_make(stage, 7, "full", KITH_KIND_QUEUE, kith__queue_init, &making);
    ref = find_root(stage, stage_self(stage), "full");
    queue = (struct kith__queue){ ref.arena, ref.off, ref.id };
    kith__queue_put(stage_self(stage), &queue, items, SLEEPERS, 0);
}

static struct kith__queue full; /* in each role */

static void
find_full(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = find_root(stage, self, "full");

    full = (struct kith__queue){ ref.arena, ref.off, ref.id };
}

static void
poll_for_room(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = KITH_INT(3);
    kith__poller_slot slot = NULL;
    kith_err err;
    int fd = -1;

    find_full(stage, self);
    while (kith__queue_put(self, &full, &item, 1, 0) < 0) {
        err = kith__queue_arm_room(self, &full, &slot, &fd);
        if (err == KITH_EGONE)
            break;
        poll_armed(err, fd);
    }
}

static void
get_items(struct stage *stage, struct kith__self *self)
{
    size_t got;

    (void)stage;
    kith__queue_get(self, &full, SLEEPERS, 0, NULL, &got);
}

/* Killed before it got them: then the survivor does. */
static void
get_missing(struct stage *stage, struct kith__self *self)
{
    size_t got;

    kith__reap_all(self);
    find_full(stage, self);
    if (KITH__PLACE_COUNT(kith__load(&kith__queue_root(&full)->head)) == 0)
        kith__queue_get(self, &full, SLEEPERS, 0, NULL, &got);
}

/* ---- A condition ---- */

static struct kith__condition
find_condition(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = { .ref = find_root(stage, self, "condition") };

    kith__condition_find_lock(&condition);
    return condition;
}

static void
sleep_until_notified(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = find_condition(stage, self);

    self->spin = 16;
    kith__mutex_acquire(self, &condition.lock, INT64_MAX);
    kith__condition_wait(self, &condition, INT64_MAX);
    kith__mutex_release(self, &condition.lock);
}

static struct kith__condition condition; /* in the waker */

static void
remember_condition(struct stage *stage, struct kith__self *self)
{
    condition = find_condition(stage, self);
}

static void
notify(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__condition_notify(self, &condition, SLEEPERS);
}

/* Marks whoever was not; it calls nobody who was, so that a call that was lost is seen. */
static void
notify_missing(struct stage *stage, struct kith__self *self)
{
    struct kith__condition found = find_condition(stage, self);

    kith__reap_all(self);
    kith__condition_notify(self, &found, SLEEPERS);
}

/* ---- Objects that are destroyed under those who wait ---- */

/* The lock that is destroyed has an owner who lives, and sleeps like the others: the stage's. */
static void
hold_kept(struct stage *stage)
{
    uint32_t fair = KITH__SYNC_FAIR;
    struct kith__sync kept;

    stage_make(stage, 5, "kept", KITH_KIND_LOCK, kith__sync_init, NULL);
    stage_make(stage, 6, "kept fair", KITH_KIND_LOCK, kith__sync_init, &fair);
    kept = find_lock(stage, stage_self(stage), "kept");
    kith__mutex_acquire(stage_self(stage), &kept, 0);
    kept = find_lock(stage, stage_self(stage), "kept fair");
    kith__mutex_acquire(stage_self(stage), &kept, 0);
}

static void
sleep_for_kept_fair(struct stage *stage, struct kith__self *self)
{
    sleep_for(stage, self, "kept fair");
}

static void
sleep_for_kept(struct stage *stage, struct kith__self *self)
{
    sleep_for(stage, self, "kept");
}

/* ---- What a get lent, reported ---- */

static void
sleep_for_done(struct stage *stage, struct kith__self *self)
{
    kith__queue_join(self, &stage->q, INT64_MAX);
}

static void
take_one(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_root *root = kith__queue_root(&stage->q);
    struct kith_item item = KITH_INT(1);
    size_t got;

    root->lending = KITH__LENDING; /* as if it had been made so */
    root->joinable = 1;
    kith__queue_put(self, &stage->q, &item, 1, 0);
    kith__queue_get(self, &stage->q, 1, 0, NULL, &got);
}

static void
report_one(struct stage *stage, struct kith__self *self)
{
    kith__queue_task_done(self, &stage->q);
}

/*
 * Killed before it reported: the item is back, and another does the work.  A sleeper that was told
 * of the death may be the one who cleans up: then it comes back a moment later.
 */
static void
report_missing(struct stage *stage, struct kith__self *self)
{
    struct timespec nap = { 0, 1000000 };
    size_t got;

    kith__reap_all(self);
    for (unsigned i = 0; i < 5000 && kith__queue_join(self, &stage->q, 0) == KITH_ETIMEDOUT; i++) {
        if (kith__queue_get(self, &stage->q, 1, 0, NULL, &got) == KITH_OK)
            kith__queue_task_done(self, &stage->q);
        else
            nanosleep(&nap, NULL);
    }
}

static const char *doomed; /* of the kind that is tried */

static void
destroy_doomed(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, doomed);
}

/* If it was destroyed before the death, the sleepers are told all the same. */
static void
destroy_missing(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__reap_all(self);
    kith__catalog_destroy(self, doomed);
}

/* A holder that is killed wakes by its death alone. */
static void
do_nothing(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    (void)self;
}

static const struct {
    const char *name;
    void (*sleep)(struct stage *stage, struct kith__self *self);
    void (*prepare)(struct stage *stage, struct kith__self *self);
    void (*wake)(struct stage *stage, struct kith__self *self);
    void (*complete)(struct stage *stage, struct kith__self *self);
    const char *object; /* which is destroyed; NULL: none is */
} kinds[] = {
    { "lock release", sleep_for_lock, hold_lock, release_lock, do_nothing, NULL },
    { "queue put", sleep_for_item, do_nothing, put_items, put_missing, NULL },
    { "event set", sleep_for_event, do_nothing, set_event, set_missing, NULL },
    { "dict set", sleep_for_key, do_nothing, set_awaited, set_awaited_if_missing, NULL },
    { "value add", sleep_for_change, make_numbers, change, change_missing, NULL },
    { "value commit", sleep_for_commit, make_numbers, commit, commit_missing, NULL },
    { "fair lock release", sleep_for_fair, hold_fair, release_held, do_nothing, NULL },
    { "rwlock release to readers", sleep_as_reader, hold_alone, release_held, do_nothing, NULL },
    { "rwlock release to writers", sleep_as_writer, hold_alone, release_held, do_nothing, NULL },
    { "rwlock share's release", sleep_as_writer, hold_shared, release_held, do_nothing, NULL },
    { "lock release, polled", poll_for_lock, hold_lock, release_lock, reap, NULL },
    { "queue put, polled", poll_for_item, do_nothing, put_items, put_missing, NULL },
    { "event set, polled", poll_for_event, do_nothing, set_event, reap_and_set_missing, NULL },
    { "queue get, polled", poll_for_room, find_full, get_items, get_missing, NULL },
    { "semaphore release, polled", poll_for_permit, find_permits, give_permits, give_missing,
      NULL },
    { "fair semaphore release, polled", poll_in_order, find_in_order, give_permits,
      give_missing_in_order, NULL },
    { "value add, polled", poll_for_change, make_numbers, change, reap_and_change_missing, NULL },
    { "dict set, polled", poll_for_key, do_nothing, set_awaited, set_awaited_if_missing, NULL },
    { "condition notify", sleep_until_notified, remember_condition, notify, notify_missing, NULL },
    { "semaphore release", sleep_for_permit, find_permits, give_permits, give_missing, NULL },
    { "semaphore release, fair", sleep_in_order, find_in_order, give_permits, give_missing_in_order,
      NULL },
    { "queue task_done", sleep_for_done, take_one, report_one, report_missing, NULL },
    { "lock destroyed", sleep_for_kept, do_nothing, destroy_doomed, destroy_missing, "kept" },
    { "fair lock destroyed", sleep_for_kept_fair, do_nothing, destroy_doomed, destroy_missing,
      "kept fair" },
    { "event destroyed", sleep_for_event, do_nothing, destroy_doomed, destroy_missing, "event" },
    { "queue destroyed", sleep_for_item, do_nothing, destroy_doomed, destroy_missing, "letters" },
    { "dict destroyed", sleep_for_key, do_nothing, destroy_doomed, destroy_missing, "a" },
    { "value destroyed", sleep_for_change, make_numbers, destroy_doomed, destroy_missing,
      "native" },
    { "semaphore destroyed", sleep_for_permit, do_nothing, destroy_doomed, destroy_missing,
      "permits" },
    { "fair semaphore destroyed", sleep_in_order, do_nothing, destroy_doomed, destroy_missing,
      "in order" },
    { "semaphore destroyed, polled", poll_for_permit, do_nothing, destroy_doomed, destroy_missing,
      "permits" },
    { "full queue destroyed, polled", poll_for_room, do_nothing, destroy_doomed, destroy_missing,
      "full" },
    { "condition destroyed", sleep_until_notified, do_nothing, destroy_doomed, destroy_missing,
      "condition" },
};

#define LATE_KINDS 10u /* those that sleep in a futex call stand first */

/* ---- One death ------------------------------------------------------------------------------- */

static pid_t
start(struct stage *stage, unsigned kind, int role)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *self = kith__self_of(stage->arena);

        if (self == NULL)
            _exit(3);
        if (role < SLEEPERS) {
            kinds[kind].sleep(stage, self);
            atomic_store(&board->woken[role], 1);
            pause(); /* stays until it is killed, so that its end is no second wake */
            _exit(0);
        }
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        kinds[kind].prepare(stage, self);
        raise(SIGSTOP);
        kinds[kind].wake(stage, self);
        raise(SIGSTOP);
        _exit(0);
    }
    return pid;
}

static bool
asleep(struct stage *stage, unsigned count)
{
    unsigned n = 0;

    for (unsigned id = 1; id <= kith__load(&KITH__HEADER(stage->arena)->actors_top); id++)
        n += kith__load(&kith__actor_at(stage->arena, id)->waiting_on) != 0;
    return n + (unsigned)atomic_load(&board->polling) >= count;
}

static void
end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/*
 * True while the waker still had steps left at `at`.  If it had none it lives on until all are
 * awake: its death would wake whoever it forgot.
 */
static bool
one_death(unsigned kind, uint64_t at, uint64_t *lost)
{
    struct stage stage;
    pid_t sleepers[SLEEPERS], waker;
    int status, i;
    bool more = true;
    struct timespec begin, now;

    doomed = kinds[kind].object;
    memset(board, 0, sizeof *board);
    stage_open(&stage, getenv("STEPPER_FOLDER"));
    stage_self(&stage);
    make_locks(&stage);
    hold_kept(&stage);
    make_full(&stage);
    waker = start(&stage, kind, SLEEPERS);
    waitpid(waker, &status, 0);
    for (i = 0; i < SLEEPERS; i++)
        sleepers[i] = start(&stage, kind, i);
    while (!asleep(&stage, SLEEPERS))
        pause_a_little();
    pause_a_little(); /* from saying so to being in the kernel; either way must do */
    for (uint64_t n = 0; n < at && more; n++) {
        ptrace(PTRACE_SINGLESTEP, waker, NULL, NULL);
        waitpid(waker, &status, 0);
        more = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
        steps_made = n;
    }
    if (more)
        end(waker);
    kinds[kind].complete(&stage, stage_self(&stage));
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (i = 0; i < SLEEPERS;) {
        if (atomic_load(&board->woken[i])) {
            i++;
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - begin.tv_sec) * INT64_C(1000000000) + now.tv_nsec - begin.tv_nsec >
            CEILING_NS) {
            printf("# %s, waker %s at step %llu: a sleeper was not woken\n", kinds[kind].name,
                   more ? "killed" : "done", (unsigned long long)(more ? at : steps_made));
            ++*lost;
            break;
        }
        pause_a_little();
    }
    if (!more)
        end(waker);
    for (i = 0; i < SLEEPERS; i++)
        end(sleepers[i]);
    kith__reap_all(stage_self(&stage));
    stage_close(&stage);
    return more;
}

/* ---- One who is about to sleep --------------------------------------------------------------- */

/* Runs a traced sleeper to the entry of the call in which it would sleep; false: it did not sleep.
 */
static bool
run_to_futex(pid_t pid)
{
    int status;

    for (;;) {
        struct user_regs_struct registers;

        if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid ||
            !WIFSTOPPED(status))
            return false;
        if (WSTOPSIG(status) != SIGTRAP)
            continue;
        ptrace(PTRACE_GETREGS, pid, NULL, &registers);
        if ((registers.orig_rax == SYS_futex || registers.orig_rax == 449) && /* futex_waitv */
            (long long)registers.rax == -ENOSYS && registers.rdx == 0)
            return true;
        if (registers.orig_rax == SYS_pause)
            return false;
    }
}

static pid_t
start_traced(struct stage *stage, unsigned kind)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *self = kith__self_of(stage->arena);

        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        if (self != NULL)
            kinds[kind].sleep(stage, self);
        atomic_store(&board->woken[0], 1);
        pause();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return pid;
}

static bool
is_asleep(pid_t pid)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%*d %*s %c", &state) != 1)
        state = 'S';
    if (file != NULL)
        fclose(file);
    return state == 'S';
}

/*
 * A sleeper has looked and is at the door of the kernel; the waker is at step `at` of its work, and
 * stays there while the sleeper lies down; then it finishes.  True while the waker had steps left.
 */
static bool
one_latecomer(unsigned kind, uint64_t at, uint64_t *lost)
{
    struct stage stage;
    pid_t sleeper, waker;
    int status;
    bool more = true;
    struct timespec begin, now;

    memset(board, 0, sizeof *board);
    stage_open(&stage, getenv("STEPPER_FOLDER"));
    stage_self(&stage);
    make_locks(&stage);
    hold_kept(&stage);
    make_full(&stage);
    waker = start(&stage, kind, SLEEPERS);
    waitpid(waker, &status, 0);
    sleeper = start_traced(&stage, kind);
    if (run_to_futex(sleeper)) {
        for (uint64_t n = 0; n < at && more; n++) {
            ptrace(PTRACE_SINGLESTEP, waker, NULL, NULL);
            waitpid(waker, &status, 0);
            more = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
        }
        ptrace(PTRACE_DETACH, sleeper, NULL, NULL);
        for (unsigned i = 0; i < 50 && !is_asleep(sleeper); i++)
            pause_a_little();
        if (more) {
            ptrace(PTRACE_CONT, waker, NULL, NULL);
            waitpid(waker, &status, 0);
        }
        clock_gettime(CLOCK_MONOTONIC, &begin);
        while (!atomic_load(&board->woken[0])) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            if ((now.tv_sec - begin.tv_sec) * INT64_C(1000000000) + now.tv_nsec - begin.tv_nsec >
                CEILING_NS) {
                printf("# %s, waker at step %llu: one who was about to sleep was not woken\n",
                       kinds[kind].name, (unsigned long long)at);
                ++*lost;
                break;
            }
            pause_a_little();
        }
    }
    end(waker);
    end(sleeper);
    kith__reap_all(stage_self(&stage));
    stage_close(&stage);
    return more;
}

int
main(int argc, char **argv)
{
    bool is_long = getenv("KITH_LONG") != NULL && strcmp(getenv("KITH_LONG"), "1") == 0;
    uint64_t all_lost = 0, strides[sizeof kinds / sizeof kinds[0]];
    unsigned tests = 0;

    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    kith__recheck_ns = kith__poll_recheck_ns = INT64_MAX; /* inherited by the children */
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        uint64_t lost = 0, deaths = 0, stride;

        if (!stage_wanted(kinds[kind].name, argc, argv))
            continue;
        one_death(kind, UINT64_MAX, &lost); /* to its end: how many steps it has */
        stride = is_long ? 1 : 1 + steps_made / (kinds[kind].object != NULL ? TRIES / 2 : TRIES);
        strides[kind] = stride;
        for (uint64_t at = 0; lost < 3 && one_death(kind, at, &lost); at += stride)
            deaths++;
        printf("# %s: killed at %llu steps, %llu wakes lost\n", kinds[kind].name,
               (unsigned long long)deaths, (unsigned long long)lost);
        printf("%s %u - no wake of a %s is lost with its waker\n", lost == 0 ? "ok" : "not ok",
               ++tests, kinds[kind].name);
        all_lost += lost;
    }
    for (unsigned kind = 0; kind < LATE_KINDS; kind++) {
        uint64_t lost = 0, tried = 0;

        if (!stage_wanted(kinds[kind].name, argc, argv))
            continue;
        for (uint64_t at = 0; lost < 3 && one_latecomer(kind, at, &lost); at += strides[kind])
            tried++;
        printf("# %s: went to sleep at %llu steps, %llu wakes lost\n", kinds[kind].name,
               (unsigned long long)tried, (unsigned long long)lost);
        printf("%s %u - no wake of a %s is lost on one about to sleep\n",
               lost == 0 ? "ok" : "not ok", ++tests, kinds[kind].name);
        all_lost += lost;
    }
    printf("1..%u\n", tests);
    return all_lost == 0 ? 0 : 1;
}
