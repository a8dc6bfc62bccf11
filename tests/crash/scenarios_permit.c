/*
 * scenarios_permit.c - semaphores, onces and limiters.
 */
#include <stdio.h>

#include "scenarios.h"
#include "shm/limiter.h"
#include "shm/once.h"
#include "shm/semaphore.h"

/* Which of the stage's objects. */
enum { PLAIN, FAIR, UNOWNED, SIGNAL, KINDS, ONCE = KINDS, LIMITER };

#define INITIAL 3

static struct kith__root_ref
ref_of(struct stage *stage, unsigned which)
{
    return (struct kith__root_ref){ stage->arena, stage->object[which].off,
                                    stage->object[which].id };
}

static void
make_semaphores(struct stage *stage, struct kith__self *self)
{
    static const struct {
        const char *name;
        struct kith__semaphore_making making;
    } made[KINDS] = {
        [PLAIN] = { "plain", { .initial = INITIAL, .options = KITH__SEMAPHORE_BOUNDED } },
        [FAIR] = { "fair", { .initial = INITIAL, .options = KITH__SEMAPHORE_FAIR } },
        [UNOWNED] = { "unowned", { .initial = INITIAL, .options = KITH__SEMAPHORE_UNOWNED } },
        [SIGNAL] = { "signal", { .initial = 0 } },
    };

    (void)self;
    for (unsigned i = 0; i < KINDS; i++) {
        struct kith__semaphore_making making = made[i].making;

        stage_make(stage, i, made[i].name, KITH_KIND_SEMAPHORE, kith__semaphore_init, &making);
    }
}

/* ---- Acting --------------------------------------------------------------------------------- */

static void
acquire(struct stage *stage, struct kith__self *self, unsigned which, int64_t deadline_ns)
{
    struct kith__root_ref ref = ref_of(stage, which);

    kith__semaphore_acquire(self, &ref, deadline_ns);
}

static void
release(struct stage *stage, struct kith__self *self, unsigned which, unsigned n)
{
    struct kith__root_ref ref = ref_of(stage, which);

    kith__semaphore_release(self, &ref, n);
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
        release(stage, self, which, 1);                                                            \
    }                                                                                              \
    static void name##_taken(struct stage *stage, struct kith__self *self)                         \
    {                                                                                              \
        make_semaphores(stage, self);                                                              \
        for (unsigned i = 0; i < INITIAL; i++)                                                     \
            acquire(stage, self, which, 0);                                                        \
    }
ACTS(plain, PLAIN)
ACTS(fair, FAIR)

static void
unowned_acquire(struct stage *stage, struct kith__self *self)
{
    acquire(stage, self, UNOWNED, 0);
}

static void
signal_release(struct stage *stage, struct kith__self *self)
{
    release(stage, self, SIGNAL, 1);
}

static void
signal_release_many(struct stage *stage, struct kith__self *self)
{
    release(stage, self, SIGNAL, 5);
}

/* One of the survivor's, and two of the victim's. */
static void
plain_one_taken(struct stage *stage, struct kith__self *self)
{
    make_semaphores(stage, self);
    plain_acquire(stage, self);
}

static void
plain_acquire_two(struct stage *stage, struct kith__self *self)
{
    plain_acquire(stage, self);
    plain_acquire(stage, self);
}

static void
plain_release_three(struct stage *stage, struct kith__self *self)
{
    release(stage, self, PLAIN, 3);
}

/* The charges fill the root: the victim's needs a block. */
static void
plain_crowded(struct stage *stage, struct kith__self *self)
{
    struct kith__semaphore_root *root;
    struct kith__root_ref ref;

    make_semaphores(stage, self);
    ref = ref_of(stage, SIGNAL);
    root = kith__semaphore_root(&ref);
    release(stage, self, SIGNAL, 10);
    kith__root_chain(self, &ref, KITH_KIND_SEMAPHORE);
    for (unsigned i = 0; i < KITH__CHARGES_INLINE; i++) { /* of processes that left */
        kith__store(&root->charges[i].owner, (i + 1) | UINT64_C(99) << 16);
        kith__store(&root->charges[i].ticket, i + 1);
        kith__store(&root->charges[i].count, 1);
    }
    kith__store(&root->ticket, KITH__CHARGES_INLINE);
}

/* From the second time on a process takes one without the lock. */
static void
plain_again(struct stage *stage, struct kith__self *self)
{
    plain_acquire(stage, self);
    plain_release(stage, self);
}

static void
plain_quick(struct stage *stage, struct kith__self *self)
{
    plain_again(stage, self);
    plain_again(stage, self);
}

static void
plain_quick_taken(struct stage *stage, struct kith__self *self)
{
    plain_again(stage, self);
    plain_acquire(stage, self);
}

static void
made_and_quick(struct stage *stage, struct kith__self *self)
{
    make_semaphores(stage, self);
    plain_quick_taken(stage, self);
}

static void
unowned_quick(struct stage *stage, struct kith__self *self)
{
    for (unsigned i = 0; i < 2; i++) {
        unowned_acquire(stage, self);
        release(stage, self, UNOWNED, 1);
    }
    unowned_acquire(stage, self);
}

static void
unowned_release_three(struct stage *stage, struct kith__self *self)
{
    release(stage, self, UNOWNED, 3);
}

static void
leave_in_order(struct stage *stage, struct kith__self *self)
{
    stage->arena->on_leave(self, true);
}

static void
signal_acquire(struct stage *stage, struct kith__self *self)
{
    acquire(stage, self, SIGNAL, 0);
}

static void
destroy_signal(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "signal");
}

static void
make_one_more(struct stage *stage, struct kith__self *self)
{
    struct kith__semaphore_making making = { .initial = 2 };
    struct kith__object object;

    (void)stage;
    kith__catalog_open(self, "made", KITH_KIND_SEMAPHORE, KITH_MUST_CREATE, kith__semaphore_init,
                       &making, &object);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

/* The dead's permits have come back, and the survivor can take one and give it back. */
static void
see_permits(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    int n = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        struct kith__root_ref ref = ref_of(stage, i);
        uint64_t value = 77, again = 77;

        if (kith__semaphore_value(self, &ref, &value) < 0) {
            n += snprintf(text + n, size - (size_t)n, "gone ");
            continue;
        }
        n += snprintf(text + n, size - (size_t)n, "%llu ", (unsigned long long)value);
        if (kith__semaphore_acquire(self, &ref, 0) != (value > 0 ? KITH_OK : KITH_ETIMEDOUT) ||
            (value > 0 && kith__semaphore_release(self, &ref, 1) < 0) ||
            kith__semaphore_value(self, &ref, &again) < 0 || again != value)
            n += snprintf(text + n, size - (size_t)n, "(broken) ");
    }
}

static void
see_made(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__object object;

    snprintf(text, size, "%s",
             kith__catalog_find(stage->arena, self, "made", &object) == KITH_OK ? "made" : "not");
}

/* ---- Onces ---------------------------------------------------------------------------------- */

static void
make_once(struct stage *stage, struct kith__self *self)
{
    (void)self;
    stage_make(stage, ONCE, "once", KITH_KIND_ONCE, kith__once_init, NULL);
}

static void
once_claim_until(struct stage *stage, struct kith__self *self, int64_t deadline_ns)
{
    struct kith__root_ref ref = ref_of(stage, ONCE);
    bool mine;

    kith__once_claim(self, &ref, deadline_ns, &mine);
}

static void
once_claim(struct stage *stage, struct kith__self *self)
{
    once_claim_until(stage, self, 0);
}

static void
once_wait(struct stage *stage, struct kith__self *self)
{
    once_claim_until(stage, self, INT64_MAX);
}

static void
once_claimed(struct stage *stage, struct kith__self *self)
{
    make_once(stage, self);
    once_claim(stage, self);
}

static void
once_done(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, ONCE);

    kith__once_end(self, &ref, true);
}

static void
once_failed(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, ONCE);

    kith__once_end(self, &ref, false);
}

/* Done, or the survivor's to do. */
static void
see_once(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__root_ref ref = ref_of(stage, ONCE);
    bool mine = false;
    kith_err err = kith__once_claim(self, &ref, 0, &mine);

    snprintf(text, size, "%s", err < 0 ? "stuck" : mine ? "to be done" : "done");
}

static void
destroy_once(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "once");
}

static void
make_another_once(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    (void)stage;
    kith__catalog_open(self, "made", KITH_KIND_ONCE, KITH_MUST_CREATE, kith__once_init, NULL,
                       &object);
}

static void
see_onces(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__object object;

    snprintf(text, size, "%s%s",
             kith__catalog_find(stage->arena, self, "once", &object) == KITH_OK ? "once " : "",
             kith__catalog_find(stage->arena, self, "made", &object) == KITH_OK ? "made" : "");
}

/* ---- Limiters ------------------------------------------------------------------------------- */

/* So slow that no token comes while it is looked at, and enough for all who take some. */
static void
make_limiter(struct stage *stage, struct kith__self *self)
{
    struct kith__limiter_making making = { .rate = 1e-6, .burst = 100 };

    (void)self;
    stage_make(stage, LIMITER, "limiter", KITH_KIND_LIMITER, kith__limiter_init, &making);
}

static void
limiter_take(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, LIMITER);

    kith__limiter_take(self, &ref, 4, NULL);
}

static void
limiter_wait(struct stage *stage, struct kith__self *self)
{
    struct kith__root_ref ref = ref_of(stage, LIMITER);

    kith__limiter_wait(self, &ref, 4, INT64_MAX);
}

static void
see_tokens(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__root_ref ref = ref_of(stage, LIMITER);
    struct kith__limiter_state state = { 0 };
    kith_err err = kith__limiter_state(&ref, &state);

    snprintf(text, size, "%d %llu", err, (unsigned long long)state.available);
    if (err == KITH_OK && kith__limiter_take(self, &ref, 1, NULL) < 0)
        snprintf(text, size, "stuck");
}

static void
destroy_limiter(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "limiter");
}

static void
make_another_limiter(struct stage *stage, struct kith__self *self)
{
    struct kith__limiter_making making = { .rate = 5, .burst = 9 };
    struct kith__object object;

    (void)stage;
    kith__catalog_open(self, "made", KITH_KIND_LIMITER, KITH_MUST_CREATE, kith__limiter_init,
                       &making, &object);
}

static void
see_limiters(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__object object;

    snprintf(text, size, "%s%s",
             kith__catalog_find(stage->arena, self, "limiter", &object) == KITH_OK ? "limiter "
                                                                                   : "",
             kith__catalog_find(stage->arena, self, "made", &object) == KITH_OK ? "made" : "");
}

static const struct scenario scenarios[] = {
    { .name = "semaphore acquire",
      .set_up = make_semaphores,
      .act = plain_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore acquire, waited for",
      .set_up = plain_taken,
      .act = plain_wait,
      .observe = see_it_works,
      .partner = plain_release,
      .same_outcome = true },
    { .name = "semaphore acquire, fair",
      .set_up = make_semaphores,
      .act = fair_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore acquire, fair and waited for",
      .set_up = fair_taken,
      .act = fair_wait,
      .observe = see_it_works,
      .partner = fair_release,
      .same_outcome = true },
    { .name = "semaphore acquire, unowned",
      .set_up = make_semaphores,
      .act = unowned_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore acquire, by a thread",
      .set_up = make_semaphores,
      .act = plain_acquire,
      .observe = see_permits,
      .thread_only = true },
    { .name = "semaphore acquire, of many holders",
      .set_up = plain_crowded,
      .act = signal_acquire,
      .observe = see_permits },
    { .name = "semaphore acquire, to be quick",
      .set_up = make_semaphores,
      .prepare = plain_again,
      .act = plain_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore acquire, quick",
      .set_up = make_semaphores,
      .prepare = plain_quick,
      .act = plain_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore acquire, beside one who is quick",
      .set_up = made_and_quick,
      .act = plain_acquire,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore release, quick",
      .set_up = make_semaphores,
      .prepare = plain_quick_taken,
      .act = plain_release,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore release, many at once of one who is quick",
      .set_up = make_semaphores,
      .prepare = unowned_quick,
      .act = unowned_release_three,
      .observe = see_permits },
    { .name = "semaphore left by one who is quick",
      .alone = true,
      .set_up = make_semaphores,
      .prepare = unowned_quick,
      .act = leave_in_order,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore release",
      .set_up = make_semaphores,
      .prepare = plain_acquire,
      .act = plain_release,
      .observe = see_permits,
      .same_outcome = true },
    { .name = "semaphore release, of another's",
      .set_up = plain_one_taken,
      .act = plain_release,
      .observe = see_permits },
    { .name = "semaphore release, of many",
      .set_up = plain_one_taken,
      .prepare = plain_acquire_two,
      .act = plain_release_three,
      .observe = see_permits },
    { .name = "semaphore release, a signal",
      .set_up = make_semaphores,
      .act = signal_release,
      .observe = see_permits },
    { .name = "semaphore release, many signals",
      .set_up = make_semaphores,
      .act = signal_release_many,
      .observe = see_permits },
    { .name = "semaphore made",
      .set_up = make_semaphores,
      .act = make_one_more,
      .observe = see_made },
    { .name = "semaphore destroyed",
      .set_up = plain_crowded,
      .prepare = signal_acquire,
      .act = destroy_signal,
      .observe = see_permits },
    { .name = "once claim",
      .set_up = make_once,
      .act = once_claim,
      .observe = see_once,
      .same_outcome = true },
    { .name = "once claim, waited for",
      .set_up = once_claimed,
      .act = once_wait,
      .observe = see_it_works,
      .partner = once_failed,
      .same_outcome = true },
    { .name = "once done",
      .set_up = make_once,
      .prepare = once_claim,
      .act = once_done,
      .observe = see_once },
    { .name = "once failed",
      .set_up = make_once,
      .prepare = once_claim,
      .act = once_failed,
      .observe = see_once,
      .same_outcome = true },
    { .name = "once made", .set_up = make_once, .act = make_another_once, .observe = see_onces },
    { .name = "limiter take", .set_up = make_limiter, .act = limiter_take, .observe = see_tokens },
    { .name = "limiter wait", .set_up = make_limiter, .act = limiter_wait, .observe = see_tokens },
    { .name = "limiter made",
      .set_up = make_limiter,
      .act = make_another_limiter,
      .observe = see_limiters },
    { .name = "limiter destroyed",
      .set_up = make_limiter,
      .prepare = limiter_take,
      .act = destroy_limiter,
      .observe = see_limiters },
    { .name = "once destroyed", .set_up = once_claimed, .act = destroy_once, .observe = see_onces },
};
const struct scenario_table permit_scenarios = SCENARIO_TABLE(scenarios);
