/*
 * torture_verdict.c - what became of a killed worker's act, and whether all is right at the end.
 */
#include "torture.h"

/* ---- after a death ---- */

/* Own cells are as they were, or all have what was to be added. */
static void
resolve_own(struct world *world, struct torture_space *space, unsigned index, bool maybe)
{
    struct slot *slot = &world->slots[index];
    struct torture_key keys[OWN_CELLS];
    int64_t numbers[OWN_CELLS];
    bool before = true;
    bool after = maybe;

    for (unsigned i = 0; i < OWN_CELLS; i++)
        torture_key_set(&keys[i], "own", index, i);
    if (!torture_read_ints(world, space->counters, keys, OWN_CELLS, numbers))
        return;
    for (unsigned i = 0; i < OWN_CELLS; i++) {
        before = before && numbers[i] == slot->own[i];
        after = after && numbers[i] == slot->own[i] + slot->intent.own[i];
    }
    if (!before && !after)
        torture_violation(
            world, "The cells of worker %u are %lld and %lld, and were %lld and %lld%s.", index,
            (long long)numbers[0], (long long)numbers[1], (long long)slot->own[0],
            (long long)slot->own[1], maybe ? " before an addition that was killed" : "");
    for (unsigned i = 0; i < OWN_CELLS; i++)
        slot->own[i] = numbers[i];
}

/* The version that a thing has; 0: it is absent.  False after a violation. */
static bool
read_thing(struct world *world, struct torture_space *space, unsigned index, unsigned thing,
           uint64_t *version)
{
    struct kith_buf item = KITH_BUF_INIT;
    struct torture_key key;
    uint32_t slot = 0;
    uint32_t which = 0;
    bool whole = true;
    kith_err err;

    torture_thing_key(&key, index, thing);
    *version = 0;
    err = kith_dict_get(space->things, key.item, &item);
    if (err == KITH_OK) {
        whole =
            torture_item_read(item.item, &slot, &which, version) && slot == index && which == thing;
        if (!whole)
            torture_violation(world, "Thing %u of worker %u has wrong bytes in it.", thing, index);
    } else if (err != KITH_ENOENT) {
        torture_unexpected(world, "kith_dict_get", err);
        whole = false;
    }
    kith_buf_free(&item);
    return whole;
}

/* Things are as they were; or all that were to be changed together have the new version. */
static void
resolve_things(struct world *world, struct torture_space *space, unsigned index)
{
    struct slot *slot = &world->slots[index];
    const struct intent *intent = &slot->intent;
    bool before = true;
    bool after = true;

    for (unsigned i = 0; i < intent->thing_count; i++) {
        unsigned thing = (intent->thing + i) % THINGS;
        uint64_t version;

        if (!read_thing(world, space, index, thing, &version))
            return;
        before = before && version == slot->versions[thing];
        after = after && version == intent->version;
    }
    if (!before && !after)
        torture_violation(world,
                          "Worker %u was killed changing %u things from %u, and left them changed "
                          "in part.",
                          index, intent->thing_count, intent->thing);
    for (unsigned i = 0; i < intent->thing_count && after; i++)
        slot->versions[(intent->thing + i) % THINGS] = intent->version;
}

static void
resolve_event(struct world *world, struct torture_space *space, unsigned index, bool maybe)
{
    struct slot *slot = &world->slots[index];
    bool set;
    kith_err err = kith_event_is_set(space->events[index], &set);

    if (err != KITH_OK) {
        torture_unexpected(world, "kith_event_is_set", err);
        return;
    }
    if (set != slot->event_set && !(maybe && set == slot->intent.event_set))
        torture_violation(world, "The event of worker %u is %s, and it was not left so.", index,
                          set ? "set" : "clear");
    slot->event_set = set;
}

static void
resolve_puts(struct world *world, unsigned index)
{
    const struct intent *intent = &world->slots[index].intent;

    for (unsigned i = 0; i < intent->put_count; i++) {
        uint64_t seq = intent->put_first + i;
        _Atomic uint64_t *cell = &world->slots[index].cells[intent->put_lane][seq % CELLS];
        uint64_t putting = CELL(seq, CELL_PUTTING);

        atomic_compare_exchange_strong(cell, &putting, CELL(seq, CELL_MAYBE));
    }
}

/* A job that is known to be moved is in its new queue; of any other it cannot be said. */
static void
resolve_move(struct world *world, const struct intent *intent)
{
    uint64_t seq = intent->item_seq;
    uint64_t now = atomic_load(&world->slots[intent->item_slot].cells[LANE_JOBS][seq % CELLS]);

    if (now != CELL(seq, CELL_MOVED))
        torture_cell_advance(world, LANE_JOBS, intent->item_slot, seq, CELL_MAYBE);
}

void
torture_resolve(struct world *world, struct torture_space *space, unsigned index,
                struct torture_deaths *deaths)
{
    struct slot *slot = &world->slots[index];
    const struct intent *intent = &slot->intent;
    enum act act = atomic_load(&slot->act);

    /* First of all, for others may be waiting to hear of it; who finds a mark wiped finds why. */
    atomic_store(&slot->buried, slot->lives);
    atomic_store(&slot->holding, 0);
    atomic_store(&slot->waits, 0);
    atomic_store(&slot->meets, 0);
    if (act != ACT_NONE) {
        slot->maybe[act]++;
        deaths->killed[act]++;
    }
    switch (act) {
    case ACT_HOT:
        deaths->hot_maybe[intent->hot] += intent->hot_n;
        break;
    case ACT_VALUE:
        deaths->value_maybe[intent->value] += intent->value_n;
        break;
    case ACT_MOVE:
        deaths->hot_maybe[intent->hot] += intent->hot_n;
        resolve_move(world, intent);
        break;
    case ACT_ACK:
    case ACT_MOVED:
        if (intent->item_seq != 0)
            torture_cell_advance(world, LANE_JOBS, intent->item_slot, intent->item_seq, CELL_MAYBE);
        break;
    case ACT_SET:
        resolve_things(world, space, index);
        break;
    case ACT_PUT:
    case ACT_PLAIN_PUT:
        resolve_puts(world, index);
        break;
    case ACT_PLAIN_GET:
        deaths->plain_maybe_lost += intent->get_count;
        break;
    case ACT_CONDITION:
        deaths->notified += intent->notified;
        break;
    case ACT_SIGNAL:
        if (intent->signals > 0)
            deaths->signals_given += intent->signals;
        else
            deaths->signals_taken -= intent->signals;
        break;
    case ACT_LOCK:
        deaths->lock_killed[intent->lock][atomic_load(&slot->lock_phase)]++;
        break;
    default:
        break;
    }
    resolve_own(world, space, index, act == ACT_OWN);
    resolve_event(world, space, index, act == ACT_EVENT);
    atomic_store(&slot->lock_phase, LOCK_AWAY);
    atomic_store(&slot->act, ACT_NONE);
}

/* ---- at the end ---- */

static void
final_hot(struct world *world, struct torture_space *space, const struct torture_deaths *deaths)
{
    struct torture_key keys[HOT_CELLS];
    int64_t numbers[HOT_CELLS];

    for (unsigned i = 0; i < HOT_CELLS; i++)
        torture_key_set(&keys[i], "hot", i, 0);
    if (!torture_read_ints(world, space->counters, keys, HOT_CELLS, numbers))
        return;
    for (unsigned i = 0; i < HOT_CELLS; i++) {
        int64_t done = 0;

        for (unsigned j = 0; j < world->slot_count; j++)
            done += world->slots[j].hot_done[i];
        if (numbers[i] < done || numbers[i] > done + deaths->hot_maybe[i])
            torture_violation(
                world, "Hot cell %u is %lld, and between %lld and %lld were added to it.", i,
                (long long)numbers[i], (long long)done, (long long)(done + deaths->hot_maybe[i]));
    }
}

static void
final_things(struct world *world, struct torture_space *space)
{
    for (unsigned i = 0; i < world->slot_count; i++)
        for (unsigned j = 0; j < THINGS; j++) {
            uint64_t version;

            if (read_thing(world, space, i, j, &version) && version != world->slots[i].versions[j])
                torture_violation(world, "Thing %u of worker %u has version %llu, not %llu.", j, i,
                                  (unsigned long long)version,
                                  (unsigned long long)world->slots[i].versions[j]);
        }
}

static void
drain(struct world *world, const char *name, enum lane lane, kith_queue *queue)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_err err;

    /* Nothing was put with a delay that is longer than this wait. */
    while ((err = kith_queue_get(queue, 10 * MS, &item)) == KITH_OK) {
        unsigned slot;
        uint64_t seq;

        if (torture_item_came(world, name, lane, item.item, &slot, &seq))
            torture_cell_advance(world, lane, slot, seq, CELL_DONE);
    }
    if (err != KITH_ETIMEDOUT)
        torture_unexpected(world, "kith_queue_get", err);
    kith_buf_free(&item);
}

/* Items that were put, never acknowledged, and are no longer in any queue. */
static uint64_t
count_lost(const struct world *world, enum lane lane)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < world->slot_count; i++)
        for (unsigned j = 0; j < CELLS; j++) {
            uint64_t word = atomic_load(&world->slots[i].cells[lane][j]);
            enum cell_state state = CELL_STATE(word);

            lost += state == CELL_PUT || state == CELL_MOVED || state == CELL_PUTTING;
        }
    return lost;
}

static void
final_queues(struct world *world, struct torture_space *space, const struct torture_deaths *deaths)
{
    uint64_t lost;

    drain(world, "jobs", LANE_JOBS, space->jobs);
    drain(world, "moved", LANE_JOBS, space->moved);
    drain(world, "plain", LANE_PLAIN, space->plain);
    lost = count_lost(world, LANE_JOBS);
    if (lost > 0)
        torture_violation(world, "%llu leased items are lost.", (unsigned long long)lost);
    lost = count_lost(world, LANE_PLAIN);
    if (lost > deaths->plain_maybe_lost)
        torture_violation(world, "%llu plain items are lost, and killed getters had %llu at most.",
                          (unsigned long long)lost, (unsigned long long)deaths->plain_maybe_lost);
}

static void
final_lock(struct world *world, struct torture_space *space, const struct torture_deaths *deaths,
           unsigned lock)
{
    const struct guarded *guarded = &world->guarded[lock];
    const int64_t *killed = deaths->lock_killed[lock];
    kith_err err = kith_lock_acquire(space->locks[lock], 5000 * MS);
    int64_t told = err == KITH_OWNER_DIED;
    int64_t most = killed[LOCK_ACQUIRING] + killed[LOCK_HOLDING] + killed[LOCK_RELEASING];
    int64_t least = killed[LOCK_HOLDING] - killed[LOCK_ACQUIRING];
    int64_t done = 0;

    if (err < 0) {
        torture_unexpected(world, "kith_lock_acquire", err);
        return;
    }
    for (unsigned i = 0; i < world->slot_count; i++) {
        done += world->slots[i].lock_done[lock];
        told += world->slots[i].lock_told[lock];
    }
    if (guarded->first < done ||
        guarded->first > done + killed[LOCK_HOLDING] + killed[LOCK_RELEASING])
        torture_violation(world,
                          "Under lock %u the count is %lld, and it was raised %lld times, and %lld "
                          "times by those killed.",
                          lock, (long long)guarded->first, (long long)done,
                          (long long)(killed[LOCK_HOLDING] + killed[LOCK_RELEASING]));
    /*
     * Who is killed while acquiring may have been told of the death before, and takes the news
     * along; but then it died as the owner, and that is told.
     */
    if (told > most || told < least)
        torture_violation(
            world,
            "Of lock %u the death of an owner was told %lld times; it died %lld times "
            "as its owner, and %lld times about to be or just no longer.",
            lock, (long long)told, (long long)killed[LOCK_HOLDING],
            (long long)(killed[LOCK_ACQUIRING] + killed[LOCK_RELEASING]));
    err = kith_lock_release(space->locks[lock]);
    if (err != KITH_OK)
        torture_unexpected(world, "kith_lock_release", err);
}

void
torture_final(struct world *world, struct torture_space *space, const struct torture_deaths *deaths)
{
    torture_look_pairs(world, space);
    torture_look_bank(world, space, false);
    torture_look_bank(world, space, true);
    for (unsigned i = 0; i < world->slot_count; i++) {
        torture_look_bulk(world, space, i);
        resolve_own(world, space, i, false);
        resolve_event(world, space, i, false);
    }
    final_hot(world, space, deaths);
    final_things(world, space);
    final_queues(world, space, deaths);
    torture_final_kinds(world, space, deaths);
    torture_final_permits(world, space, deaths);
    torture_final_meet(world, deaths);
    torture_final_nests(world, space);
    for (unsigned i = 0; i < LOCKS; i++)
        final_lock(world, space, deaths, i);
}
