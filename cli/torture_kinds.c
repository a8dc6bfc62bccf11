/*
 * torture_kinds.c - acts on lists, values, rwlocks, caches and ranked queues.
 *
 * What holds of them holds at every instant, whoever was killed, so most need no intent:
 *
 *     list      runs of three equal items, put in and taken out three at a time
 *     values    a sum as of hot cells; and a structure whose words are all equal
 *     rwlock    nothing that it protects changes while somebody shares it
 *     cache     never more keys than its bound, and items that are whole
 *     ranked    items that come together stand by their priority; none comes before its time
 */
#include "torture_worker.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUN 3
#define RUNS_MAX 200
#define LIST_ITEM_MAX 300
#define CACHE_KEYS 200
#define RANKED_ONCE 6

/* ---- the list ---- */

struct list_look {
    struct world *world;
    uint64_t seen;
    uint32_t slot, which;
    uint64_t version;
};

static int
look_at_item(struct kith_item item, void *arg)
{
    struct list_look *look = arg;
    uint32_t slot = 0;
    uint32_t which = 0;
    uint64_t version = 0;

    if (!torture_item_read(item, &slot, &which, &version)) {
        torture_violation(look->world, "Item %llu of the list is torn.",
                          (unsigned long long)look->seen);
        return 1;
    }
    if (look->seen % RUN != 0 &&
        (slot != look->slot || which != look->which || version != look->version)) {
        torture_violation(look->world, "Item %llu of the list is not as those that it came with.",
                          (unsigned long long)look->seen);
        return 1;
    }
    look->slot = slot;
    look->which = which;
    look->version = version;
    look->seen++;
    return 0;
}

void
torture_look_list(struct world *world, struct torture_space *space)
{
    struct list_look look = { .world = world };
    uint32_t before = atomic_load(&world->violation_count);
    kith_err err = kith_list_each(space->list, look_at_item, &look);

    if (err != KITH_OK)
        torture_unexpected(world, "kith_list_each", err);
    else if (look.seen % RUN != 0 && atomic_load(&world->violation_count) == before)
        torture_violation(world, "The list has %llu items, and should have whole runs of %d.",
                          (unsigned long long)look.seen, RUN);
}

/* Where a run begins, from either end; perhaps beyond the list. */
static int64_t
some_run(struct torture_worker *worker)
{
    int64_t at = (int64_t)worker_pick(worker, RUNS_MAX) * RUN;

    return worker_pick(worker, 2) == 0 ? at : -at;
}

static kith_err
change_list(struct torture_worker *worker, uint64_t length)
{
    struct kith_list *list = worker->space->list;
    struct kith_item items[RUN];
    int64_t at = some_run(worker);
    bool takes = length > worker_pick(worker, RUNS_MAX * RUN);

    items[0] = torture_item(worker->memory[0], 64 + worker_pick(worker, LIST_ITEM_MAX),
                            worker->index, worker_pick(worker, 1000), ++worker->slot->next_version);
    for (unsigned i = 1; i < RUN; i++)
        items[i] = items[0];
    switch (worker_pick(worker, 12)) {
    case 0:
        return kith_list_reverse(list);
    case 1:
        return kith_list_sort(list, NULL);
    case 2:
        return worker_pick(worker, 50) == 0 ? kith_list_clear(list) : KITH_OK;
    case 3: /* one run for another */
        return at >= 0 ? kith_list_set_slice(list, at, at + RUN, 1, items, RUN) : KITH_OK;
    default:
        break;
    }
    if (takes)
        return kith_list_delete_slice(list, 0, worker_pick(worker, 2) == 0 ? RUN : 2 * RUN, 1);
    if (worker_pick(worker, 2) == 0)
        return kith_list_extend(list, items, RUN);
    return kith_list_set_slice(list, at, at, 1, items, RUN);
}

void
worker_change_list(struct torture_worker *worker)
{
    uint64_t length = 0;
    kith_err err = kith_list_len(worker->space->list, &length);

    worker_begin(worker, ACT_LIST);
    if (err == KITH_OK && length % RUN != 0)
        torture_violation(worker->world, "The list is %llu items long.",
                          (unsigned long long)length);
    if (err == KITH_OK)
        err = change_list(worker, length);
    if (!worker_succeeded(worker, "An act on the list", err))
        return;
    if (worker_pick(worker, 4) == 0)
        torture_look_list(worker->world, worker->space);
    worker_end(worker, ACT_LIST);
}

/* ---- values ---- */

static void
turn_structure(struct torture_worker *worker)
{
    uint64_t words[TORTURE_WORDS];
    kith_err err = kith_value_get(worker->space->structure, words, sizeof words);

    for (unsigned i = 1; err == KITH_OK && i < TORTURE_WORDS; i++)
        if (words[i] != words[0]) {
            torture_violation(worker->world, "The structure is torn: word %u differs.", i);
            return;
        }
    for (unsigned i = 0; i < TORTURE_WORDS; i++)
        words[i] = worker->random;
    if (err == KITH_OK)
        err = worker_pick(worker, 2) == 0
                  ? kith_value_set(worker->space->structure, words, sizeof words)
                  : kith_value_exchange(worker->space->structure, words, words, sizeof words);
    worker_succeeded(worker, "An act on the structure", err);
}

void
worker_add_values(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    unsigned which = worker_pick(worker, VALUES);
    int64_t n = 1 + (int64_t)worker_pick(worker, 9);

    intent->value = which;
    intent->value_n = n;
    worker_begin(worker, ACT_VALUE);
    if (!worker_succeeded(worker, "kith_value_add",
                          kith_value_add(worker->space->values[which], n, NULL)))
        return;
    worker->slot->value_done[which] += n;
    worker_end(worker, ACT_VALUE);
    worker_begin(worker, ACT_STRUCTURE);
    turn_structure(worker);
    worker_end(worker, ACT_STRUCTURE);
}

/* ---- the rwlock ---- */

static void
stay(struct torture_worker *worker)
{
    unsigned rounds = worker_pick(worker, 200);

    for (unsigned i = 0; i < rounds; i++)
        atomic_signal_fence(memory_order_seq_cst);
    if (rounds < 4)
        usleep(500);
}

static void
write_inside(struct torture_worker *worker, struct guarded *guarded)
{
    int64_t first;

    atomic_store(&guarded->inside, worker->index + 1);
    first = guarded->first;
    guarded->first = first + 1;
    stay(worker);
    guarded->second = first + 1;
    if (guarded->first != first + 1 || atomic_load(&guarded->inside) != worker->index + 1)
        torture_violation(worker->world, "Somebody wrote while worker %u had the rwlock alone.",
                          worker->index);
    atomic_store(&guarded->inside, 0);
}

/* What a dead writer left may make no sense, but it stays. */
static void
read_inside(struct torture_worker *worker, struct guarded *guarded)
{
    uint32_t inside = atomic_load(&guarded->inside);
    int64_t first = guarded->first;
    int64_t second = guarded->second;

    stay(worker);
    if (atomic_load(&guarded->inside) != inside || guarded->first != first ||
        guarded->second != second)
        torture_violation(worker->world, "Somebody wrote while worker %u shared the rwlock.",
                          worker->index);
}

void
worker_use_rwlock(struct torture_worker *worker)
{
    kith_rwlock *rwlock = worker->space->rwlock;
    bool patient = worker_pick(worker, 3) != 0;
    bool shares = worker_pick(worker, 4) != 0;
    int64_t timeout_ns = patient ? LOCK_WAIT_NS : 0;
    kith_err err;

    worker_begin(worker, ACT_RWLOCK);
    err = shares ? kith_rwlock_acquire_shared(rwlock, timeout_ns)
                 : kith_rwlock_acquire(rwlock, timeout_ns);
    if (err != KITH_ETIMEDOUT || patient) {
        if (err != KITH_OWNER_DIED && !worker_succeeded(worker, "Acquiring a rwlock", err))
            return;
        if (shares)
            read_inside(worker, &worker->world->shared);
        else
            write_inside(worker, &worker->world->shared);
        if (!worker_succeeded(worker, "kith_rwlock_release", kith_rwlock_release(rwlock)))
            return;
    }
    worker_end(worker, ACT_RWLOCK);
}

/* ---- the cache ---- */

struct cache_look {
    struct world *world;
    uint64_t seen;
};

static bool
cached_ok(struct world *world, struct kith_item key, struct kith_item item)
{
    uint32_t slot = 0;
    uint32_t which = 0;
    uint64_t version = 0;

    if (torture_item_read(item, &slot, &which, &version) && key.integer == (int64_t)which)
        return true;
    torture_violation(world, "Item %lld of the cache is torn.", (long long)key.integer);
    return false;
}

static int
look_at_cached(struct kith_item key, struct kith_item item, void *arg)
{
    struct cache_look *look = arg;

    look->seen++;
    return !cached_ok(look->world, key, item);
}

static void
look_at_cache(struct torture_worker *worker)
{
    struct cache_look look = { .world = worker->world };
    kith_err err = kith_dict_each(worker->space->cache, look_at_cached, &look);

    if (err != KITH_OK)
        torture_unexpected(worker->world, "kith_dict_each", err);
    if (look.seen > CACHE_MAX)
        torture_violation(worker->world, "The cache holds %llu keys, and may hold %d.",
                          (unsigned long long)look.seen, CACHE_MAX);
}

void
worker_use_cache(struct torture_worker *worker)
{
    struct kith_dict_set_options options = KITH_DICT_SET_OPTIONS_INIT;
    unsigned which = worker_pick(worker, CACHE_KEYS);
    struct kith_item key = kith_int((int64_t)which);
    kith_dict *cache = worker->space->cache;
    uint64_t count;
    kith_err err;

    worker_begin(worker, ACT_CACHE);
    switch (worker_pick(worker, 12)) {
    case 0:
        err = kith_dict_delete(cache, key);
        break;
    case 1:
        err = kith_dict_purge(cache, &count);
        break;
    case 2:
        err = kith_dict_expire(cache, key, (1 + (int64_t)worker_pick(worker, 20)) * MS);
        break;
    case 3:
        err = kith_dict_persist(cache, key);
        break;
    case 4:
        look_at_cache(worker);
        err = KITH_OK;
        break;
    case 5:
    case 6:
    case 7:
        err = kith_dict_get(cache, key, &worker->buf);
        if (err == KITH_OK)
            cached_ok(worker->world, key, worker->buf.item);
        break;
    default:
        options.ttl_ns = worker_pick(worker, 2) == 0 ? 0 : (int64_t)worker_pick(worker, 20) * MS;
        err = kith_dict_set_with(cache, key,
                                 torture_item(worker->memory[0], 64 + worker_pick(worker, 2000),
                                              worker->index, which, ++worker->slot->next_version),
                                 &options);
        break;
    }
    if (err == KITH_ENOENT || err == KITH_EVICTED ||
        worker_succeeded(worker, "An act on the cache", err))
        worker_end(worker, ACT_CACHE);
}

/* ---- the ranked queue ---- */

/* The clock that delays go by. */
static int64_t
boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static kith_err
put_ranked(struct torture_worker *worker)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;
    uint32_t rank = worker_pick(worker, 5);
    uint64_t ready_ns;

    options.priority = (int64_t)rank - 2;
    options.delay_ns = worker_pick(worker, 3) == 0 ? (int64_t)worker_pick(worker, 10) * MS : 0;
    ready_ns = (uint64_t)(boot_ns() + options.delay_ns);
    return kith_queue_put_with(worker->space->ranked,
                               torture_item(worker->memory[0], 64 + worker_pick(worker, 2000),
                                            worker->index, rank, ready_ns),
                               &options, 0);
}

static kith_err
get_ranked(struct torture_worker *worker)
{
    struct kith_buf items[RANKED_ONCE];
    uint32_t last = UINT32_MAX;
    size_t count = 0;
    kith_err err;

    memset(items, 0, sizeof items);
    err = kith_queue_get_many(worker->space->ranked, RANKED_ONCE, 0, items, &count);
    for (size_t i = 0; err == KITH_OK && i < count; i++) {
        uint32_t slot = 0;
        uint32_t rank = 0;
        uint64_t ready_ns = 0;

        if (!torture_item_read(items[i].item, &slot, &rank, &ready_ns))
            torture_violation(worker->world, "An item of the ranked queue is torn.");
        else if (rank > last)
            torture_violation(worker->world, "An item of rank %u came after one of rank %u.", rank,
                              last);
        else if ((int64_t)ready_ns > boot_ns())
            torture_violation(worker->world, "An item came %lld ns before its time.",
                              (long long)((int64_t)ready_ns - boot_ns()));
        last = rank;
    }
    for (size_t i = 0; i < RANKED_ONCE; i++)
        kith_buf_free(&items[i]);
    return err;
}

void
worker_use_ranked(struct torture_worker *worker)
{
    kith_err err;

    worker_begin(worker, ACT_RANKED);
    err = worker_pick(worker, 3) != 0 ? put_ranked(worker) : get_ranked(worker);
    if (err == KITH_EEMPTY || err == KITH_EFULL ||
        worker_succeeded(worker, "An act on the ranked queue", err))
        worker_end(worker, ACT_RANKED);
}

/* ---- at the end ---- */

void
torture_final_kinds(struct world *world, struct torture_space *space,
                    const struct torture_deaths *deaths)
{
    torture_look_list(world, space);
    for (unsigned i = 0; i < VALUES; i++) {
        int64_t done = 0;
        int64_t now = 0;
        kith_err err = kith_value_get_int(space->values[i], &now);

        for (unsigned j = 0; j < world->slot_count; j++)
            done += world->slots[j].value_done[i];
        if (err != KITH_OK)
            torture_unexpected(world, "kith_value_get_int", err);
        else if (now < done || now > done + deaths->value_maybe[i])
            torture_violation(
                world, "Value %u is %lld, and between %lld and %lld were added to it.", i,
                (long long)now, (long long)done, (long long)(done + deaths->value_maybe[i]));
    }
}

/* ---- opening ---- */

kith_err
torture_open_kinds(struct torture_space *space)
{
    struct kith_value_options structure = KITH_VALUE_OPTIONS_INIT;
    struct kith_value_options guarded = KITH_VALUE_OPTIONS_INIT;
    struct kith_dict_options cache = KITH_DICT_OPTIONS_INIT;
    struct kith_queue_options ranked = KITH_QUEUE_OPTIONS_INIT;
    kith_err err;

    structure.size = TORTURE_WORDS * sizeof(uint64_t);
    guarded.transactional = true;
    cache.max_items = CACHE_MAX;
    cache.policy = KITH_DICT_SIEVE;
    ranked.capacity = 256;
    if ((err = kith_list_open(space->space, "list", NULL, &space->list)) < 0 ||
        (err = kith_value_open(space->space, "value", NULL, &space->values[0])) < 0 ||
        (err = kith_value_open(space->space, "guarded", &guarded, &space->values[1])) < 0 ||
        (err = kith_value_open(space->space, "structure", &structure, &space->structure)) < 0 ||
        (err = kith_rwlock_open(space->space, "rwlock", NULL, &space->rwlock)) < 0 ||
        (err = kith_dict_open(space->space, "cache", &cache, &space->cache)) < 0)
        return err;
    return kith_queue_open(space->space, "ranked", &ranked, &space->ranked);
}

void
torture_close_kinds(struct torture_space *space)
{
    kith_list_close(space->list);
    for (unsigned i = 0; i < VALUES; i++)
        kith_value_close(space->values[i]);
    kith_value_close(space->structure);
    kith_rwlock_close(space->rwlock);
    kith_dict_close(space->cache);
    kith_queue_close(space->ranked);
}
