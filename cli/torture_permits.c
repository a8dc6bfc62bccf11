/*
 * torture_permits.c - acts on semaphores, onces and limiters.
 *
 *     permits   a bounded, fair semaphore: never more of its permits in hand than there are, and
 * all of them are back at the end, whoever was killed with one signal    a semaphore of 0: what was
 * released is there or was acquired onces     one after another: nobody does what is done, or what
 * another who lives does limiter   never more than its burst and what came since it was made
 *
 * What a worker has in hand is marked after it got it and before it gives it back, so what is
 * marked was had.  A dead worker's marks are wiped by the killer, who may be a little late.
 */
#include "torture_worker.h"

#include <poll.h>
#include <time.h>

#define PERMITS 3
#define SIGNALS_MAX 500
#define LIMITER_RATE 20000
#define LIMITER_BURST 100
#define PATIENCE_NS (5000 * MS)

/* What a word of world.onces says: below it slot, lives and number. */
enum { ONCE_FREE, ONCE_DOING, ONCE_ENDING, ONCE_DONE };

/* ---- who lives ---- */

/* A worker, in this life. */
static uint64_t
name_of(const struct slot *slot, unsigned index)
{
    return (uint64_t)(slot->lives & 0xffffffu) << 8 | index;
}

static bool
is_buried(struct world *world, uint64_t name)
{
    const struct slot *slot = &world->slots[name & 0xff];

    return atomic_load(&slot->buried) >= (name >> 8 & 0xffffff);
}

/* Whether that worker is found dead within a while; one who lives stays so. */
static bool
turns_out_dead(struct world *world, uint64_t name)
{
    int64_t until_ns = cli_now_ns() + PATIENCE_NS;

    while (!is_buried(world, name)) {
        if (cli_now_ns() > until_ns)
            return false;
        (void)poll(NULL, 0, 1);
    }
    return true;
}

/* ---- permits ---- */

/* With one in hand: whether too many others have one as well, and keep it. */
static void
count_holders(struct torture_worker *worker)
{
    struct world *world = worker->world;
    uint64_t seen[SLOTS_MAX];
    unsigned count = 0;
    int64_t until_ns = cli_now_ns() + PATIENCE_NS;

    for (unsigned i = 0; i < world->slot_count; i++) {
        seen[i] = atomic_load(&world->slots[i].holding);
        count += seen[i] != 0;
    }
    while (count > PERMITS) {
        if (cli_now_ns() > until_ns) {
            torture_violation(world, "%u workers have one of %d permits each.", count, PERMITS);
            return;
        }
        (void)poll(NULL, 0, 1);
        count = 0;
        for (unsigned i = 0; i < world->slot_count; i++) {
            if (atomic_load(&world->slots[i].holding) != seen[i])
                seen[i] = 0; /* given back, or wiped */
            count += seen[i] != 0;
        }
    }
}

void
worker_use_permits(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    kith_semaphore *permits = worker->space->permits;
    bool patient = worker_pick(worker, 3) != 0;
    unsigned rounds = worker_pick(worker, 200);
    uint32_t value = 0;
    kith_err err;

    worker_begin(worker, ACT_PERMITS);
    err = kith_semaphore_acquire(permits, patient ? LOCK_WAIT_NS : 0);
    if (err == KITH_ETIMEDOUT && !patient)
        goto done;
    if (!worker_succeeded(worker, "kith_semaphore_acquire", err))
        return;
    atomic_store(&slot->holding, ++slot->holds);
    count_holders(worker);
    err = kith_semaphore_value(permits, &value);
    if (err != KITH_OK || value >= PERMITS)
        torture_violation(worker->world,
                          "A semaphore of %d permits, one of which is taken, has %u.", PERMITS,
                          value);
    if (rounds < 4)
        (void)poll(NULL, 0, 1);
    atomic_store(&slot->holding, 0);
    if (!worker_succeeded(worker, "kith_semaphore_release", kith_semaphore_release(permits)))
        return;
done:
    worker_end(worker, ACT_PERMITS);
}

/* ---- signals ---- */

void
worker_use_signal(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    struct intent *intent = worker_intent(worker);
    kith_semaphore *signal = worker->space->signal;
    uint32_t value = 0;
    kith_err err = kith_semaphore_value(signal, &value);

    if (err == KITH_OK)
        intent->signals = value < SIGNALS_MAX && worker_pick(worker, 2) == 0
                              ? 1 + (int64_t)worker_pick(worker, 3)
                              : -1;
    worker_begin(worker, ACT_SIGNAL);
    if (err == KITH_OK)
        err = intent->signals > 0
                  ? kith_semaphore_release_many(signal, (uint32_t)intent->signals)
                  : kith_semaphore_acquire(signal, (int64_t)worker_pick(worker, 3) * MS);
    if (err == KITH_ETIMEDOUT && intent->signals < 0)
        intent->signals = 0;
    else if (!worker_succeeded(worker, "An act on a signal", err))
        return;
    slot->signals += intent->signals;
    worker_end(worker, ACT_SIGNAL);
}

/* ---- onces ---- */

static uint64_t
once_word(unsigned phase, uint64_t name, uint64_t number)
{
    return number << 40 | (name & 0xffffffff) << 8 | phase;
}

static unsigned
phase_of(uint64_t word, uint64_t number)
{
    return word >> 40 == number ? (unsigned)(word & 0xff) : ONCE_FREE;
}

/* It is this worker's to do: then nobody who lives does it, and it is not done. */
static void
do_once(struct torture_worker *worker, kith_once *once, uint64_t number)
{
    struct world *world = worker->world;
    _Atomic uint64_t *word = &world->onces[number % ONCES];
    uint64_t me = name_of(worker->slot, worker->index);
    uint64_t was = atomic_exchange(word, once_word(ONCE_DOING, me, number));
    kith_err err;

    if (phase_of(was, number) == ONCE_DONE)
        torture_violation(world, "Once %llu is done, and given to be done again.",
                          (unsigned long long)number);
    else if (phase_of(was, number) != ONCE_FREE && !turns_out_dead(world, was >> 8 & 0xffffffff))
        torture_violation(world, "Once %llu is given to be done while worker %u does it.",
                          (unsigned long long)number, (unsigned)(was >> 8 & 0xff));
    if (worker_pick(worker, 10) == 0) /* a long stay, in which others queue up, and some die */
        (void)poll(NULL, 0, 2);
    if (worker_pick(worker, 50) != 0) {
        atomic_store(word, 0);
        worker_succeeded(worker, "kith_once_failed", kith_once_failed(once));
        return;
    }
    atomic_store(word, once_word(ONCE_ENDING, me, number));
    if (!worker_succeeded(worker, "kith_once_done", kith_once_done(once)))
        return;
    atomic_store(word, once_word(ONCE_DONE, me, number));
    err = kith_once_done(once);
    if (err != KITH_EPERM)
        torture_unexpected(world, "Ending a once twice", err);
}

void
worker_use_once(struct torture_worker *worker)
{
    struct world *world = worker->world;
    uint64_t number = atomic_load(&world->once_number);
    bool mine = false;
    kith_once *once;
    char name[32];
    kith_err err;

    snprintf(name, sizeof name, "once-%llu", (unsigned long long)number);
    worker_begin(worker, ACT_ONCE);
    err = kith_once_open(worker->space->space, name, NULL, &once);
    if (!worker_succeeded(worker, "kith_once_open", err))
        return;
    err = kith_once_claim(once, (int64_t)worker_pick(worker, 4) * MS, &mine);
    if (err == KITH_OK && mine)
        do_once(worker, once, number);
    else if (err == KITH_OK &&
             phase_of(atomic_load(&world->onces[number % ONCES]), number) < ONCE_ENDING)
        torture_violation(world, "Once %llu is told to be done, and nobody said so.",
                          (unsigned long long)number);
    else if (err != KITH_ETIMEDOUT && err != KITH_OK)
        torture_unexpected(world, "kith_once_claim", err);
    if (err == KITH_OK &&
        phase_of(atomic_load(&world->onces[number % ONCES]), number) >= ONCE_ENDING)
        atomic_compare_exchange_strong(&world->once_number, &number, number + 1);
    kith_once_close(once);
    worker_end(worker, ACT_ONCE);
}

/* ---- the limiter ---- */

/* The clock that it goes by. */
static int64_t
boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void
look_at_limiter(struct world *world)
{
    double most;
    int64_t taken = 0;

    for (unsigned i = 0; i < world->slot_count; i++)
        taken += atomic_load(&world->slots[i].tokens);
    most = LIMITER_BURST + (double)(boot_ns() - world->limiter_began_ns) / 1e9 * LIMITER_RATE;
    if ((double)taken > most)
        torture_violation(world, "A limiter has given %lld tokens, and could have given %.0f.",
                          (long long)taken, most);
}

void
worker_use_limiter(struct torture_worker *worker)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    kith_limiter *limiter = worker->space->limiter;
    uint32_t n = 1 + worker_pick(worker, LIMITER_BURST);
    kith_err err;

    worker_begin(worker, ACT_LIMITER);
    switch (worker_pick(worker, 4)) {
    case 0:
        err = kith_limiter_wait(limiter, n, (int64_t)worker_pick(worker, 8) * MS);
        break;
    case 1:
        err = kith_limiter_state(limiter, &state);
        if (err == KITH_OK && state.available > LIMITER_BURST)
            torture_violation(worker->world, "A limiter of %d tokens has %u.", LIMITER_BURST,
                              state.available);
        n = 0;
        break;
    case 2:
        err = kith_limiter_take(limiter, LIMITER_BURST + n);
        if (err != KITH_ERANGE)
            torture_unexpected(worker->world, "Taking more than a burst", err);
        n = 0;
        err = KITH_OK;
        break;
    default:
        err = kith_limiter_take(limiter, n);
    }
    if (err == KITH_EEMPTY || err == KITH_ETIMEDOUT)
        n = 0;
    else if (!worker_succeeded(worker, "An act on the limiter", err))
        return;
    atomic_fetch_add(&worker->slot->tokens, n);
    worker_end(worker, ACT_LIMITER);
    look_at_limiter(worker->world);
}

/* ---- at the end ---- */

static void
final_permits(struct world *world, struct torture_space *space)
{
    kith_err err = KITH_OK;
    int taken = 0;

    for (; taken < PERMITS && err == KITH_OK; taken += err == KITH_OK)
        err = kith_semaphore_acquire(space->permits, PATIENCE_NS);
    if (err != KITH_OK)
        torture_violation(world, "Of %d permits %d are left, and nobody has one.", PERMITS, taken);
    else if ((err = kith_semaphore_acquire(space->permits, 0)) != KITH_ETIMEDOUT)
        torture_unexpected(world, "Acquiring one permit more than there are", err);
    err = kith_semaphore_release_many(space->permits, (uint32_t)taken);
    if (err != KITH_OK)
        torture_unexpected(world, "kith_semaphore_release_many", err);
    err = kith_semaphore_release(space->permits);
    if (err != KITH_ERANGE)
        torture_unexpected(world, "Releasing one permit more than there are", err);
}

static void
final_signal(struct world *world, struct torture_space *space, const struct torture_deaths *deaths)
{
    int64_t signals = 0;
    uint32_t value = 0;
    kith_err err = kith_semaphore_value(space->signal, &value);

    for (unsigned i = 0; i < world->slot_count; i++)
        signals += world->slots[i].signals;
    if (err != KITH_OK)
        torture_unexpected(world, "kith_semaphore_value", err);
    else if (value < signals - deaths->signals_taken || value > signals + deaths->signals_given)
        torture_violation(world,
                          "A semaphore has %u, and %lld were left in it, less %lld or more "
                          "%lld by those who were killed.",
                          value, (long long)signals, (long long)deaths->signals_taken,
                          (long long)deaths->signals_given);
}

/* The last once is done, or it is anybody's. */
static void
final_once(struct world *world, struct torture_space *space)
{
    bool mine = false;
    kith_once *once;
    char name[32];
    kith_err err;

    snprintf(name, sizeof name, "once-%llu", (unsigned long long)atomic_load(&world->once_number));
    err = kith_once_open(space->space, name, NULL, &once);
    if (err == KITH_OK) {
        err = kith_once_claim(once, PATIENCE_NS, &mine);
        if (err == KITH_OK && mine)
            err = kith_once_failed(once);
        kith_once_close(once);
    }
    if (err != KITH_OK)
        torture_unexpected(world, "Claiming a once that nobody does", err);
}

void
torture_final_permits(struct world *world, struct torture_space *space,
                      const struct torture_deaths *deaths)
{
    kith_err err;

    final_permits(world, space);
    final_signal(world, space, deaths);
    final_once(world, space);
    look_at_limiter(world);
    err = kith_limiter_wait(space->limiter, LIMITER_BURST, PATIENCE_NS);
    if (err != KITH_OK)
        torture_unexpected(world, "Waiting for all tokens of a limiter", err);
}

/* ---- opening ---- */

kith_err
torture_open_permits(struct torture_space *space)
{
    struct kith_semaphore_options permits = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_semaphore_options signal = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_limiter_options limiter = KITH_LIMITER_OPTIONS_INIT;
    kith_err err;

    permits.value = PERMITS;
    permits.bounded = true;
    permits.fair = true;
    signal.value = 0;
    limiter.rate = LIMITER_RATE;
    limiter.burst = LIMITER_BURST;
    if ((err = kith_semaphore_open(space->space, "permits", &permits, &space->permits)) < 0 ||
        (err = kith_semaphore_open(space->space, "signal", &signal, &space->signal)) < 0)
        return err;
    return kith_limiter_open(space->space, "limiter", &limiter, &space->limiter);
}

/* Before the limiter is made. */
void
torture_begin_permits(struct world *world)
{
    world->limiter_began_ns = boot_ns();
}

void
torture_close_permits(struct torture_space *space)
{
    kith_semaphore_close(space->permits);
    kith_semaphore_close(space->signal);
    kith_limiter_close(space->limiter);
}
