/*
 * torture_meet.c - acts on barriers and conditions.
 *
 *     barrier     who is let go was let go after the action of the last to arrive; and as many were
 *                 let go as the first, as the second and so on, but for those killed
 *     condition   what its lock protects is whole; and those who return are those who had waited
 *                 longest when one notified, but for deaths
 *
 * A notifier holds the lock, and so it knows who waits, and in which order: it marks in the model
 * whom its call is for.  A killed waiter may leave its place, and what it was notified of, to the
 * next: one more returns that is not marked.  A killed notifier may have marked some in vain.
 */
#include "torture_worker.h"

#define PARTIES_WAIT_MS 20u

/* ---- the barrier ---- */

static uint64_t
count_burials(struct world *world)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < world->slot_count; i++)
        count += atomic_load(&world->slots[i].buried);
    return count;
}

/* The last to arrive runs it, before any is let go. */
static kith_err
pass(void *arg)
{
    struct torture_worker *worker = arg;
    struct world *world = worker->world;
    unsigned here = 0;

    for (unsigned i = 0; i < world->slot_count; i++)
        here += atomic_load(&world->slots[i].meets);
    /* One that was wiped since it came may have died too late for it to be told. */
    worker->alone = here < PARTIES && count_burials(world) == worker->burials;
    if (worker_pick(worker, 20) == 0)
        return KITH_EINVAL;
    atomic_fetch_add(&worker->world->passes, 1);
    return KITH_OK;
}

void
worker_meet(struct torture_worker *worker)
{
    struct world *world = worker->world;
    kith_barrier *barrier = worker->space->barrier;
    uint64_t before = atomic_load(&world->passes);
    uint32_t index = PARTIES;
    bool broken = false;
    kith_err err;

    atomic_store(&worker->slot->meets, 1);
    worker->burials = count_burials(world);
    worker->alone = false;
    worker_begin(worker, ACT_BARRIER);
    err = kith_barrier_wait_with(barrier, (int64_t)(1 + worker_pick(worker, PARTIES_WAIT_MS)) * MS,
                                 pass, worker, &index);
    if (err == KITH_OK) {
        if (index >= PARTIES)
            torture_violation(world, "A barrier of %d parties let one go as number %u.", PARTIES,
                              index);
        else
            worker->slot->met[index]++;
        if (worker->alone) /* had the other run out of time meanwhile, it would be broken */
            torture_violation(world, "A barrier was passed with one who had died long before.");
        if (atomic_load(&world->passes) == before)
            torture_violation(world, "A barrier let one go before the last had arrived.");
    } else if (err != KITH_ETIMEDOUT && err != KITH_ECONFLICT && err != KITH_EINVAL) {
        torture_unexpected(world, "kith_barrier_wait_with", err);
    }
    atomic_store(&worker->slot->meets, 0);
    worker_end(worker, ACT_BARRIER);
    if (err == KITH_OK || worker_pick(worker, 2) == 0)
        return;
    err = kith_barrier_broken(barrier, &broken);
    if (err == KITH_OK && broken)
        err = kith_barrier_reset(barrier);
    if (err != KITH_OK)
        torture_unexpected(world, "Resetting a barrier", err);
}

static void
final_barrier(struct world *world, const struct torture_deaths *deaths)
{
    int64_t met[PARTIES] = { 0 };

    for (unsigned i = 0; i < PARTIES; i++)
        for (unsigned j = 0; j < world->slot_count; j++)
            met[i] += world->slots[j].met[i];
    for (unsigned i = 0; i < PARTIES; i++) {
        if (met[i] > (int64_t)atomic_load(&world->passes))
            torture_violation(world, "A barrier let %lld go as number %u, and passed %llu times.",
                              (long long)met[i], i,
                              (unsigned long long)atomic_load(&world->passes));
        for (unsigned j = 0; j < PARTIES; j++)
            if (met[i] > met[j] + deaths->killed[ACT_BARRIER])
                torture_violation(world,
                                  "A barrier let %lld go as number %u, and %lld as number %u; %lld "
                                  "were killed at it.",
                                  (long long)met[i], i, (long long)met[j], j,
                                  (long long)deaths->killed[ACT_BARRIER]);
    }
}

/* ---- the condition ---- */

/* With the lock in hand: marks the one who has waited longest of those who are not marked. */
static bool
mark_oldest(struct world *world)
{
    struct slot *oldest = NULL;

    for (unsigned i = 0; i < world->slot_count; i++) {
        struct slot *slot = &world->slots[i];
        uint64_t waits = atomic_load(&slot->waits);

        if (waits != 0 && atomic_load(&slot->notified) == 0 &&
            (oldest == NULL || waits < atomic_load(&oldest->waits)))
            oldest = slot;
    }
    if (oldest == NULL)
        return false;
    atomic_store(&oldest->notified, 1);
    return true;
}

static void
notify(struct torture_worker *worker)
{
    kith_condition *condition = worker->space->condition;
    bool all = worker_pick(worker, 10) == 0;
    uint32_t n = all ? SLOTS_MAX : 1 + worker_pick(worker, 2);
    kith_err err;

    for (uint32_t i = 0; i < n && mark_oldest(worker->world); i++)
        worker->slot->intent.notified++;
    err = all ? kith_condition_notify_all(condition) : kith_condition_notify(condition, n);
    worker_succeeded(worker, "kith_condition_notify", err);
}

/* The lock is in hand before and after it; true: its last owner died. */
static bool
wait_to_be_notified(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    bool notified;
    kith_err err;

    atomic_store(&slot->notified, 0);
    atomic_store(&slot->waits, atomic_fetch_add(&worker->world->wait_number, 1) + 1);
    err = kith_condition_wait(worker->space->condition, (int64_t)worker_pick(worker, 30) * MS);
    notified = atomic_load(&slot->notified) != 0;
    if (err == KITH_OK)
        slot->unasked += !notified;
    else if (err == KITH_ETIMEDOUT)
        slot->unheard += notified;
    else if (err != KITH_OWNER_DIED) /* of which nothing is known */
        torture_unexpected(worker->world, "kith_condition_wait", err);
    atomic_store(&slot->waits, 0);
    return err == KITH_OWNER_DIED;
}

void
worker_use_condition(struct torture_worker *worker)
{
    kith_condition *condition = worker->space->condition;
    struct guarded *guarded = &worker->world->met;
    kith_err err;

    (void)worker_intent(worker);
    worker_begin(worker, ACT_CONDITION);
    err = kith_condition_acquire(condition, LOCK_WAIT_NS);
    if (err != KITH_OWNER_DIED && !worker_succeeded(worker, "kith_condition_acquire", err))
        return;
    worker_inside(worker, guarded, err == KITH_OWNER_DIED);
    if (worker_pick(worker, 2) == 0)
        notify(worker);
    else
        worker_inside(worker, guarded, wait_to_be_notified(worker));
    if (worker_succeeded(worker, "kith_condition_release", kith_condition_release(condition)))
        worker_end(worker, ACT_CONDITION);
}

static void
final_condition(struct world *world, const struct torture_deaths *deaths)
{
    int64_t unasked = 0;
    int64_t unheard = 0;

    for (unsigned i = 0; i < world->slot_count; i++) {
        unasked += world->slots[i].unasked;
        unheard += world->slots[i].unheard;
    }
    if (unasked > deaths->killed[ACT_CONDITION])
        torture_violation(
            world,
            "%lld returned from a condition and were not those who had waited longest "
            "when somebody was notified; %lld were killed at it.",
            (long long)unasked, (long long)deaths->killed[ACT_CONDITION]);
    if (unheard > deaths->notified)
        torture_violation(world,
                          "%lld had waited longest when somebody was notified and did not return; "
                          "those who were killed notified %lld.",
                          (long long)unheard, (long long)deaths->notified);
}

/* ---- opening, and the end ---- */

void
torture_final_meet(struct world *world, const struct torture_deaths *deaths)
{
    final_barrier(world, deaths);
    final_condition(world, deaths);
}

kith_err
torture_open_meet(struct torture_space *space)
{
    struct kith_barrier_options barrier = KITH_BARRIER_OPTIONS_INIT;
    kith_err err;

    barrier.parties = PARTIES;
    err = kith_barrier_open(space->space, "barrier", &barrier, &space->barrier);
    return err < 0 ? err : kith_condition_open(space->space, "condition", NULL, &space->condition);
}

void
torture_close_meet(struct torture_space *space)
{
    kith_barrier_close(space->barrier);
    kith_condition_close(space->condition);
}
