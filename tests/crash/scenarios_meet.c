/*
 * scenarios_meet.c - barriers and conditions.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"
#include "shm/barrier.h"
#include "shm/condition.h"

/* Which of the stage's objects. */
enum { PAIR, MANY, CONDITION };

static struct kith__root_ref
ref_of(struct stage *stage, unsigned which)
{
    return (struct kith__root_ref){ stage->arena, stage->object[which].off,
                                    stage->object[which].id };
}

static void
make_barriers(struct stage *stage, struct kith__self *self)
{
    uint64_t two = 2, many = 9;

    (void)self;
    stage_make(stage, PAIR, "pair", KITH_KIND_BARRIER, kith__barrier_init, &two);
    stage_make(stage, MANY, "many", KITH_KIND_BARRIER, kith__barrier_init, &many);
}

/* The survivor has arrived at both, and is not asleep there. */
static void
one_has_arrived(struct stage *stage, struct kith__self *self)
{
    make_barriers(stage, self);
    for (unsigned i = PAIR; i <= MANY; i++) {
        struct kith__root_ref ref = ref_of(stage, i);
        struct kith__barrier_root *root = kith__barrier_root(&ref);
        struct kith__arrived *row =
            root->block == 0 ? root->arrived : kith__ptr(stage->arena, root->block);

        kith__store(&row[0].name, kith__actor_name(stage->arena, self->id));
        kith__store(&row[0].pid, 1);
        kith__store(&root->state, 1);
    }
}

static void
arrive(struct stage *stage, struct kith__self *self, unsigned which, int64_t deadline_ns)
{
    struct kith__root_ref ref = ref_of(stage, which);
    struct kith__arrival arrival = { 0 };

    kith__barrier_arrive(self, &ref, deadline_ns, false, &arrival);
}

static void
arrive_last(struct stage *stage, struct kith__self *self)
{
    arrive(stage, self, PAIR, INT64_MAX);
}

/* The same of one whom nobody is to follow: it is the last, or it breaks the barrier. */
static void
arrive_as_last(struct stage *stage, struct kith__self *self)
{
    arrive(stage, self, PAIR, 0);
}

static void
arrive_in_vain(struct stage *stage, struct kith__self *self)
{
    arrive(stage, self, MANY, 0);
}

/* Acts as the last, and is let go by what follows the action. */
static void
arrive_and_act(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, PAIR);
    struct kith__arrival arrival = { 0 };

    if (kith__barrier_arrive(self, &ref, 0, true, &arrival) == KITH_OK && arrival.acts)
        kith__barrier_acted(self, &ref, true, &arrival);
}

static void
abort_many(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, MANY);

    kith__barrier_abort(self, &ref);
}

static void
reset_many(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, MANY);

    kith__barrier_reset(self, &ref);
}

static void
destroy_many(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "many");
}

static void
make_one_more(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;
    uint64_t parties = 20;

    (void)stage;
    kith__catalog_open(self, "made", KITH_KIND_BARRIER, KITH_MUST_CREATE, kith__barrier_init,
                       &parties, &object);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

/* What became of the meetings; that they are broken by the death is what a time-out does, too. */
static void
see_barriers(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    int n = 0;

    for (unsigned i = PAIR; i <= MANY; i++) {
        struct kith__root_ref ref = ref_of(stage, i);
        uint32_t parties = 0, waiting = 0;
        bool broken = false;

        if (kith__barrier_look(self, &ref, &parties, &waiting, &broken) < 0)
            n += snprintf(text + n, size - (size_t)n, "gone ");
        else
            n += snprintf(text + n, size - (size_t)n, "%u of %u%s, %llu ", waiting, parties,
                          broken ? ", broken" : "",
                          (unsigned long long)(kith__load(&kith__barrier_root(&ref)->state) /
                                               KITH__BARRIER_PASS));
    }
}

/* One who dies as the last, but before all are let go, breaks it: that, too, is an end. */
static void
see_end(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__root_ref ref = ref_of(stage, PAIR);
    uint32_t parties = 0, waiting = 0;
    bool broken = false;

    kith__barrier_look(self, &ref, &parties, &waiting, &broken);
    snprintf(text, size, "%s",
             parties == 2 && waiting == (broken ? 0 : 1) ? "as it was, or broken"
             : waiting == 0                              ? "as it was, or broken"
                                                         : "held up");
}

static void
see_made(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { "pair", "many", "made" };
    struct kith__object object;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK)
            snprintf(text + strlen(text), size - strlen(text), "%s ", names[i]);
}

/* ---- Conditions ------------------------------------------------------------------------------ */

static struct kith__condition
condition_of(struct stage *stage)
{
    struct kith__condition condition = { .ref = ref_of(stage, CONDITION) };

    kith__condition_find_lock(&condition);
    return condition;
}

static void
make_condition(struct stage *stage, struct kith__self *self)
{
    struct kith__condition_making none = { .name = NULL };

    (void)self;
    stage_make(stage, CONDITION, "condition", KITH_KIND_CONDITION, kith__condition_init, &none);
}

/* An entry of the survivor's, as if it waited; of a place that nobody else has. */
static void
survivor_waits(struct stage *stage, struct kith__self *self, unsigned index, uint64_t ticket)
{
    struct kith__condition condition = condition_of(stage);
    struct kith__condition_root *root = kith__condition_root(&condition);

    kith__store(&root->waiters[index].ticket, ticket);
    kith__store(&root->waiters[index].mark, 0);
    kith__store(&root->waiters[index].name, kith__actor_name(stage->arena, self->id));
}

static void
hold_its_lock(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = condition_of(stage);

    kith__mutex_acquire(self, &condition.lock, 0);
}

static void
condition_wait(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = condition_of(stage);

    self->spin = 16;
    kith__condition_wait(self, &condition, INT64_MAX);
}

static void
condition_wait_in_vain(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = condition_of(stage);

    kith__condition_wait(self, &condition, 0);
}

/* The victim came first, the survivor second: the victim is notified. */
static void
notify_the_first(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = condition_of(stage);

    survivor_waits(stage, self, 4, kith__load(&kith__condition_root(&condition)->ticket) + 1);
    kith__store(&kith__condition_root(&condition)->ticket,
                kith__load(&kith__condition_root(&condition)->ticket) + 1);
    kith__condition_notify(self, &condition, 1);
}

static void
two_wait(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition;

    make_condition(stage, self);
    condition = condition_of(stage);
    survivor_waits(stage, self, 0, 1);
    survivor_waits(stage, self, 3, 2);
    kith__store(&kith__condition_root(&condition)->ticket, 2);
}

static void
notify_both(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition = condition_of(stage);

    kith__condition_notify(self, &condition, 2);
}

/* The row is full: the victim's entry needs a block. */
static void
five_wait(struct stage *stage, struct kith__self *self)
{
    struct kith__condition condition;

    make_condition(stage, self);
    condition = condition_of(stage);
    for (unsigned i = 0; i < KITH__WAITERS_INLINE; i++)
        survivor_waits(stage, self, i, i + 1);
    kith__store(&kith__condition_root(&condition)->ticket, KITH__WAITERS_INLINE);
}

static void
destroy_condition(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "condition");
}

static void
make_second_condition(struct stage *stage, struct kith__self *self)
{
    struct kith__condition_making none = { .name = NULL };
    struct kith__object object;

    (void)stage;
    kith__catalog_open(self, "made", KITH_KIND_CONDITION, KITH_MUST_CREATE, kith__condition_init,
                       &none, &object);
}

/*
 * The notification is somebody's: the victim's, who took its entry out, or that of the survivor,
 * whom the dead's mark went to.
 */
static void
see_mark(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__condition condition = condition_of(stage);
    struct kith__condition_root *root = kith__condition_root(&condition);
    bool was_marked =
        kith__load(&root->waiters[0].name) != 0 && kith__load(&root->waiters[0].mark) != 0;

    kith__condition_notify(self, &condition, 0); /* looks, and heals */
    snprintf(text, size, "%s",
             kith__load(&root->waiters[0].name) != 0                 ? "the dead waits"
             : was_marked && kith__load(&root->waiters[4].mark) == 0 ? "a notification is lost"
                                                                     : "all is well");
    if (kith__mutex_acquire(self, &condition.lock, 0) < 0)
        snprintf(text, size, "the lock is lost");
    else
        kith__mutex_release(self, &condition.lock);
}

static void
see_marks(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__condition condition = condition_of(stage);
    struct kith__condition_root *root = kith__condition_root(&condition);

    (void)self;
    snprintf(text, size, "%d %d", kith__load(&root->waiters[0].mark) != 0,
             kith__load(&root->waiters[3].mark) != 0);
}

/* The lock can be had, and the dead waits no more. */
static void
see_free(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__condition condition = condition_of(stage);
    struct kith__condition_root *root = kith__condition_root(&condition);
    struct kith__waiter *at = root->waiters;
    uint64_t room = KITH__WAITERS_INLINE, others = 0;
    kith_err err = kith__mutex_acquire(self, &condition.lock, 0);

    kith__condition_notify(self, &condition, 0);
    if (kith__load(&root->block) != 0) {
        at = kith__ptr(stage->arena, kith__load(&root->block));
        room = kith__load(&root->room);
    }
    for (uint64_t i = 0; i < room; i++)
        others += kith__load(&at[i].name) != 0 &&
                  kith__load(&at[i].name) != kith__actor_name(stage->arena, self->id);
    snprintf(text, size, "%s, %llu", err >= 0 ? "free" : "lost", (unsigned long long)others);
    if (err >= 0)
        kith__mutex_release(self, &condition.lock);
}

static void
see_conditions(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { "condition", "made" };
    struct kith__object object;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK)
            snprintf(text + strlen(text), size - strlen(text), "%s ", names[i]);
}

static const struct scenario scenarios[] = {
    { .name = "barrier wait, the last",
      .set_up = one_has_arrived,
      .act = arrive_as_last,
      .observe = see_barriers },
    { .name = "barrier wait, timed out",
      .set_up = one_has_arrived,
      .act = arrive_in_vain,
      .observe = see_barriers },
    { .name = "barrier wait, for another",
      .set_up = make_barriers,
      .act = arrive_last,
      .observe = see_it_works,
      .partner = arrive_last,
      .same_outcome = true },
    { .name = "barrier wait, with an action",
      .set_up = one_has_arrived,
      .act = arrive_and_act,
      .observe = see_end,
      .same_outcome = true },
    { .name = "barrier abort",
      .set_up = one_has_arrived,
      .act = abort_many,
      .observe = see_barriers },
    { .name = "barrier reset",
      .set_up = one_has_arrived,
      .act = reset_many,
      .observe = see_barriers },
    { .name = "barrier made", .set_up = make_barriers, .act = make_one_more, .observe = see_made },
    { .name = "barrier destroyed",
      .set_up = one_has_arrived,
      .act = destroy_many,
      .observe = see_made },
    { .name = "condition wait",
      .set_up = make_condition,
      .prepare = hold_its_lock,
      .act = condition_wait,
      .observe = see_mark,
      .partner = notify_the_first,
      .same_outcome = true },
    { .name = "condition wait, timed out",
      .set_up = make_condition,
      .prepare = hold_its_lock,
      .act = condition_wait_in_vain,
      .observe = see_free,
      .same_outcome = true },
    { .name = "condition wait, of many",
      .set_up = five_wait,
      .prepare = hold_its_lock,
      .act = condition_wait_in_vain,
      .observe = see_free,
      .same_outcome = true },
    { .name = "condition notify", .set_up = two_wait, .act = notify_both, .observe = see_marks },
    { .name = "condition made",
      .set_up = make_condition,
      .act = make_second_condition,
      .observe = see_conditions },
    { .name = "condition destroyed",
      .set_up = five_wait,
      .prepare = condition_wait_in_vain,
      .act = destroy_condition,
      .observe = see_conditions },
};
const struct scenario_table meet_scenarios = SCENARIO_TABLE(scenarios);
