/*
 * scenarios_sync.c - locks and events.
 */
#include <stdio.h>

#include "scenarios.h"

static void
few_and_held(struct stage *stage, struct kith__self *self)
{
    few_keys(stage, self);
    kith__mutex_acquire(self, &stage->lock, 0);
}

static void
take_lock(struct stage *stage, struct kith__self *self)
{
    kith__mutex_acquire(self, &stage->lock, 0);
}

/* ---- The operations ------------------------------------------------------------------------- */

static void
lock_acquire(struct stage *stage, struct kith__self *self)
{
    kith__mutex_acquire(self, &stage->lock, 0);
}

static void
lock_acquire_waiting(struct stage *stage, struct kith__self *self)
{
    self->spin = 16;
    kith__mutex_acquire(self, &stage->lock, INT64_MAX);
}

static void
lock_release(struct stage *stage, struct kith__self *self)
{
    kith__mutex_release(self, &stage->lock);
}

static void
event_set(struct stage *stage, struct kith__self *self)
{
    kith__event_set(self, &stage->event);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

/* Whether the survivor can have the lock; that its owner died is news, not a difference. */
static void
see_lock(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    kith_err err = kith__mutex_acquire(self, &stage->lock, 0);

    if (err == KITH_EDEADLOCK) /* the image was taken before the survivor let it go */
        err = KITH_OK;
    snprintf(text, size, "%s", err >= 0 ? "to be had" : "lost");
    if (err >= 0)
        kith__mutex_release(self, &stage->lock);
}

static void
see_event(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    bool on = false;

    (void)self;
    kith__event_is_set(&stage->event, &on);
    snprintf(text, size, "%s", on ? "set" : "not set");
}

static const struct scenario scenarios[] = {
    { .name = "lock acquire, free",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = lock_acquire,
      .observe = see_lock,
      .same_outcome = true },
    { .name = "lock acquire, waited for",
      .set_up = few_and_held,
      .prepare = warm_up,
      .act = lock_acquire_waiting,
      .observe = see_lock,
      .partner = lock_release,
      .same_outcome = true },
    { .name = "lock release",
      .set_up = few_keys,
      .prepare = take_lock,
      .act = lock_release,
      .observe = see_lock,
      .same_outcome = true },
    { .name = "event set",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = event_set,
      .observe = see_event },
};
const struct scenario_table sync_scenarios = SCENARIO_TABLE(scenarios);
