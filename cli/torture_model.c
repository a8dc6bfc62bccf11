/*
 * torture_model.c - what must hold, and looking whether it does.
 */
#include "torture.h"

#include <stdarg.h>
#include <string.h>

#define ITEM_MAGIC UINT64_C(0x6d6f75726e696e67)

const char *const torture_act_names[ACT_COUNT] = {
    [ACT_NONE] = "nothing",
    [ACT_OWN] = "add to own cells",
    [ACT_HOT] = "add to a hot cell",
    [ACT_PAIR] = "add to a pair",
    [ACT_BANK] = "transfer",
    [ACT_BULK] = "set many at once",
    [ACT_SET] = "change a thing",
    [ACT_READ] = "read things",
    [ACT_LOOK] = "look at sums",
    [ACT_PUT] = "put a job",
    [ACT_LEASE] = "lease a job",
    [ACT_ACK] = "end a lease",
    [ACT_MOVE] = "move a job",
    [ACT_MOVED] = "get a moved job",
    [ACT_PLAIN_PUT] = "put",
    [ACT_PLAIN_GET] = "get",
    [ACT_LOCK] = "lock",
    [ACT_EVENT] = "set or clear an event",
    [ACT_WAIT] = "wait for an event",
    [ACT_SCRATCH] = "scratch",
    [ACT_TEMP] = "create and destroy",
    [ACT_LIST] = "change the list",
    [ACT_VALUE] = "add to a value",
    [ACT_STRUCTURE] = "set a structure",
    [ACT_RWLOCK] = "rwlock",
    [ACT_CACHE] = "use the cache",
    [ACT_RANKED] = "put or get by rank",
    [ACT_PERMITS] = "hold a permit",
    [ACT_SIGNAL] = "give or take a signal",
    [ACT_ONCE] = "do something once",
    [ACT_LIMITER] = "take tokens",
    [ACT_BARRIER] = "meet at a barrier",
    [ACT_CONDITION] = "wait or notify",
    [ACT_NEST] = "use a nest",
};

/* ---- chance ---- */

uint64_t
torture_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned
torture_pick(uint64_t *state, unsigned count)
{
    return (unsigned)(torture_random(state) % count);
}

/* ---- violations ---- */

void
torture_violation(struct world *world, const char *format, ...)
{
    uint32_t at = atomic_fetch_add(&world->violation_count, 1);
    va_list arguments;

    if (at >= VIOLATIONS_KEPT)
        return;
    va_start(arguments, format);
    vsnprintf(world->violations[at], sizeof world->violations[at], format, arguments);
    va_end(arguments);
}

void
torture_unexpected(struct world *world, const char *call, kith_err err)
{
    if (err < 0)
        torture_violation(world, "%s failed: %s", call, kith_last_error());
    else
        torture_violation(world, "%s gave %d.", call, (int)err);
}

/* ---- keys and items ---- */

void
torture_key_set(struct torture_key *key, const char *name, unsigned a, unsigned b)
{
    snprintf(key->text, sizeof key->text, "%s-%u-%u", name, a, b);
    key->item = kith_str(key->text);
}

void
torture_thing_key(struct torture_key *key, unsigned slot, unsigned thing)
{
    if (thing % 2 == 0)
        torture_key_set(key, "thing", slot, thing);
    else
        key->item = kith_int((int64_t)slot * 1000 + thing);
}

struct item_head {
    uint64_t magic;
    uint32_t slot;
    uint32_t which;
    uint64_t version;
    uint64_t size;
};

static uint64_t
pattern_start(const struct item_head *head)
{
    return head->version * 31 + (uint64_t)head->slot * 1009 + head->which;
}

uint64_t
torture_item_size(uint64_t *random)
{
    unsigned chance = torture_pick(random, 100);
    uint64_t least = sizeof(struct item_head);

    if (chance < 70)
        return least + torture_pick(random, 160);
    if (chance < 93)
        return least + torture_pick(random, 4000);
    if (chance < 99)
        return least + torture_pick(random, 40000);
    return least + torture_pick(random, TORTURE_ITEM_MAX - (unsigned)least);
}

struct kith_item
torture_item(void *memory, uint64_t size, uint32_t slot, uint32_t which, uint64_t version)
{
    struct item_head head = { ITEM_MAGIC, slot, which, version, size };
    uint64_t state = pattern_start(&head);
    unsigned char *bytes = memory;

    memcpy(bytes, &head, sizeof head);
    for (uint64_t at = sizeof head; at < size; at += sizeof state) {
        uint64_t left = size - at;

        state = state * UINT64_C(6364136223846793005) + 1;
        memcpy(bytes + at, &state, left < sizeof state ? left : sizeof state);
    }
    return kith_bytes(memory, size);
}

struct kith_item
torture_thing(void *memory, unsigned slot, unsigned thing, uint64_t version)
{
    uint64_t random = version * 1000003 + slot * 1009 + thing;

    return torture_item(memory, torture_item_size(&random), slot, thing, version);
}

bool
torture_item_read(struct kith_item item, uint32_t *slot, uint32_t *which, uint64_t *version)
{
    const unsigned char *bytes = item.data;
    struct item_head head;
    uint64_t state;

    if (item.type != KITH_TYPE_BYTES || item.size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (head.magic != ITEM_MAGIC || head.size != item.size)
        return false;
    state = pattern_start(&head);
    for (uint64_t at = sizeof head; at < item.size; at += sizeof state) {
        uint64_t left = item.size - at;

        state = state * UINT64_C(6364136223846793005) + 1;
        if (memcmp(bytes + at, &state, left < sizeof state ? left : sizeof state) != 0)
            return false;
    }
    *slot = head.slot;
    *which = head.which;
    *version = head.version;
    return true;
}

/* ---- the space ---- */

int
torture_open(struct torture_space *space, unsigned slot_count)
{
    struct kith_queue_options bounded = KITH_QUEUE_OPTIONS_INIT;
    kith_space *opened = space->space;
    kith_err err;

    memset(space, 0, sizeof *space);
    space->space = opened;
    bounded.capacity = 256;
    if ((err = kith_dict_open(opened, "counters", NULL, &space->counters)) < 0 ||
        (err = kith_dict_open(opened, "bank", NULL, &space->bank)) < 0 ||
        (err = kith_dict_open(opened, "bulk", NULL, &space->bulk)) < 0 ||
        (err = kith_dict_open(opened, "things", NULL, &space->things)) < 0 ||
        (err = kith_dict_open(opened, "scratch", NULL, &space->scratch)) < 0 ||
        (err = kith_queue_open(opened, "jobs", &bounded, &space->jobs)) < 0 ||
        (err = kith_queue_open(opened, "moved", &bounded, &space->moved)) < 0 ||
        (err = kith_queue_open(opened, "plain", &bounded, &space->plain)) < 0 ||
        (err = torture_open_kinds(space)) < 0 || (err = torture_open_permits(space)) < 0 ||
        (err = torture_open_meet(space)) < 0 || (err = torture_open_nests(space)) < 0)
        return cli_failed(err);
    for (unsigned i = 0; i < LOCKS; i++) {
        char name[16];

        snprintf(name, sizeof name, "lock-%u", i);
        err = kith_lock_open(opened, name, NULL, &space->locks[i]);
        if (err < 0)
            return cli_failed(err);
    }
    for (unsigned i = 0; i < slot_count; i++) {
        char name[24];

        snprintf(name, sizeof name, "event-%u", i);
        err = kith_event_open(opened, name, NULL, &space->events[i]);
        if (err < 0)
            return cli_failed(err);
    }
    return CLI_GO_ON;
}

void
torture_close(struct torture_space *space, unsigned slot_count)
{
    kith_dict_close(space->counters);
    kith_dict_close(space->bank);
    kith_dict_close(space->bulk);
    kith_dict_close(space->things);
    kith_dict_close(space->scratch);
    kith_queue_close(space->jobs);
    kith_queue_close(space->moved);
    kith_queue_close(space->plain);
    for (unsigned i = 0; i < LOCKS; i++)
        kith_lock_close(space->locks[i]);
    for (unsigned i = 0; i < slot_count; i++)
        kith_event_close(space->events[i]);
    torture_close_kinds(space);
    torture_close_permits(space);
    torture_close_meet(space);
    torture_close_nests(space);
    kith_close(space->space);
}

/* ---- at every instant ---- */

bool
torture_read_ints(struct world *world, kith_dict *dict, const struct torture_key *keys,
                  size_t count, int64_t *numbers)
{
    struct kith_item items[SLOTS_MAX + 1] = { kith_none() };
    struct kith_buf results[SLOTS_MAX + 1];
    bool whole = true;
    kith_err err;

    for (size_t i = 0; i < count; i++) {
        items[i] = keys[i].item;
        results[i] = (struct kith_buf)KITH_BUF_INIT;
    }
    err = kith_dict_get_many(dict, items, count, results);
    if (err != KITH_OK && err != KITH_ENOENT) {
        torture_unexpected(world, "kith_dict_get_many", err);
        whole = false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct kith_item *item = &results[i].item;

        numbers[i] = item->type == KITH_TYPE_INT ? item->integer : 0;
        if (whole && item->type != KITH_TYPE_INT && item->tag != kith_absent) {
            torture_violation(world, "The key %s has an item of type %d, and only ints were set.",
                              keys[i].text, (int)item->type);
            whole = false;
        }
        kith_buf_free(&results[i]);
    }
    return whole;
}

void
torture_look_pairs(struct world *world, struct torture_space *space)
{
    struct torture_key keys[SLOTS_MAX + 1];
    int64_t numbers[SLOTS_MAX + 1];
    int64_t sum = 0;

    for (unsigned i = 0; i < world->slot_count; i++)
        torture_key_set(&keys[i], "pair", i, 0);
    torture_key_set(&keys[world->slot_count], "pair-sum", 0, 0);
    if (!torture_read_ints(world, space->counters, keys, world->slot_count + 1, numbers))
        return;
    for (unsigned i = 0; i < world->slot_count; i++)
        sum += numbers[i];
    if (sum != numbers[world->slot_count])
        torture_violation(world, "The parts of a pair sum up to %lld, and their sum is %lld.",
                          (long long)sum, (long long)numbers[world->slot_count]);
}

struct account_sum {
    int64_t sum;
    unsigned count;
};

static int
add_account(struct kith_item key, struct kith_item item, void *arg)
{
    struct account_sum *sum = arg;

    (void)key;
    sum->sum += item.integer;
    sum->count++;
    return 0;
}

void
torture_look_bank(struct world *world, struct torture_space *space, bool whole)
{
    struct torture_key keys[ACCOUNTS];
    int64_t numbers[ACCOUNTS];
    struct account_sum sum = { .count = ACCOUNTS };

    if (whole) {
        kith_err err;

        sum.count = 0;
        err = kith_dict_each(space->bank, add_account, &sum);
        if (err != KITH_OK) {
            torture_unexpected(world, "kith_dict_each", err);
            return;
        }
    } else {
        for (unsigned i = 0; i < ACCOUNTS; i++)
            torture_key_set(&keys[i], "account", i, 0);
        if (!torture_read_ints(world, space->bank, keys, ACCOUNTS, numbers))
            return;
        for (unsigned i = 0; i < ACCOUNTS; i++)
            sum.sum += numbers[i];
    }
    if (sum.sum != ACCOUNTS * ACCOUNT_START || sum.count != ACCOUNTS)
        torture_violation(world, "%u accounts of the bank hold %lld by %s, not %d.", sum.count,
                          (long long)sum.sum, whole ? "kith_dict_each" : "kith_dict_get_many",
                          ACCOUNTS * ACCOUNT_START);
}

void
torture_look_bulk(struct world *world, struct torture_space *space, unsigned slot)
{
    struct torture_key keys[BULK_KEYS];
    int64_t numbers[BULK_KEYS];

    for (unsigned i = 0; i < BULK_KEYS; i++)
        torture_key_set(&keys[i], "bulk", slot, i);
    if (!torture_read_ints(world, space->bulk, keys, BULK_KEYS, numbers))
        return;
    for (unsigned i = 1; i < BULK_KEYS; i++)
        if (numbers[i] != numbers[0]) {
            torture_violation(
                world, "Keys that are set together differ: %s is %lld, and %s is %lld.",
                keys[0].text, (long long)numbers[0], keys[i].text, (long long)numbers[i]);
            return;
        }
}

/* ---- items on their way ---- */

void
torture_cell_advance(struct world *world, enum lane lane, unsigned slot, uint64_t seq,
                     enum cell_state state)
{
    _Atomic uint64_t *cell = &world->slots[slot].cells[lane][seq % CELLS];
    uint64_t now = atomic_load(cell);

    while (CELL_SEQ(now) == seq && CELL_STATE(now) != CELL_DONE)
        if (atomic_compare_exchange_weak(cell, &now, CELL(seq, state)))
            return;
}

bool
torture_item_came(struct world *world, const char *queue, enum lane lane, struct kith_item item,
                  unsigned *slot_out, uint64_t *seq_out)
{
    bool moved = strcmp(queue, "jobs") != 0;
    uint32_t slot;
    uint32_t which;
    uint64_t seq;
    uint64_t word;

    if (!torture_item_read(item, &slot, &which, &seq)) {
        torture_violation(world, "An item of %zu bytes came out of %s with wrong bytes in it.",
                          item.size, queue);
        return false;
    }
    if (slot >= world->slot_count || which != (uint32_t)lane) {
        torture_violation(world, "An item came out of %s that was never put there.", queue);
        return false;
    }
    word = atomic_load(&world->slots[slot].cells[lane][seq % CELLS]);
    if (CELL_SEQ(word) != seq || CELL_STATE(word) == CELL_DONE || CELL_STATE(word) == CELL_FREE) {
        torture_violation(world, "Item %u/%llu came out of %s after it was %s.", slot,
                          (unsigned long long)seq, queue,
                          CELL_STATE(word) == CELL_FREE ? "refused" : "acknowledged");
        return false;
    }
    if (CELL_STATE(word) == CELL_MOVED && !moved) {
        torture_violation(world, "Item %u/%llu came out of jobs after it was moved.", slot,
                          (unsigned long long)seq);
        return false;
    }
    *slot_out = slot;
    *seq_out = seq;
    return true;
}
