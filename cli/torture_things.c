/*
 * torture_things.c - acts on things: items that say whose and of what version they are.
 *
 * A worker changes only its own things, by every function that there is, and reads anybody's.
 */
#include "torture_worker.h"

#include <unistd.h>

/* The bytes of a result are those of the thing's version by the model. */
static void
expect_thing(struct torture_worker *worker, const char *call, unsigned thing, struct kith_item item)
{
    uint64_t expected = worker->slot->versions[thing];
    uint32_t slot;
    uint32_t which;
    uint64_t version;

    if (expected == 0) {
        if (item.tag != kith_absent)
            torture_violation(worker->world, "%s found thing %u of worker %u, which is absent.",
                              call, thing, worker->index);
        return;
    }
    if (!torture_item_read(item, &slot, &which, &version) || slot != worker->index ||
        which != thing)
        torture_violation(worker->world, "%s found wrong bytes in thing %u of worker %u.", call,
                          thing, worker->index);
    else if (version != expected)
        torture_violation(worker->world, "%s found version %llu of thing %u, not %llu.", call,
                          (unsigned long long)version, thing, (unsigned long long)expected);
}

/* Calls one of the many functions that change one key, and tells whether it did what it should. */
static bool
change_thing(struct torture_worker *worker, unsigned thing, struct kith_item key,
             struct kith_item item)
{
    kith_dict *things = worker->space->things;
    uint64_t now = worker->slot->versions[thing];
    struct kith_item old = kith_none();
    bool deletes = worker->slot->intent.version == 0;
    kith_err absent = now == 0 ? KITH_ENOENT : KITH_OK;
    kith_err wanted = KITH_OK;
    const char *call;
    uint64_t version;
    kith_err err;

    if (now != 0)
        old = torture_thing(worker->memory[THINGS_AT_ONCE], worker->index, thing, now);
    switch (worker_pick(worker, 5) + (deletes ? 10 : 0)) {
    case 0:
        call = "kith_dict_set";
        err = kith_dict_set(things, key, item);
        break;
    case 1:
        call = now == 0 ? "kith_dict_insert" : "kith_dict_replace";
        err = now == 0 ? kith_dict_insert(things, key, item) : kith_dict_replace(things, key, item);
        break;
    case 2:
        call = "kith_dict_swap";
        err = kith_dict_swap(things, key, item, &worker->buf);
        if (err == KITH_OK)
            expect_thing(worker, call, thing, worker->buf.item);
        break;
    case 3:
        call = now == 0 ? "kith_dict_setdefault" : "kith_dict_cas";
        err = now == 0 ? kith_dict_setdefault(things, key, item, &worker->buf)
                       : kith_dict_cas(things, key, old, item);
        break;
    case 4:
        call = now == 0 ? "kith_dict_set" : "kith_dict_cas_version";
        if (now == 0) {
            err = kith_dict_set(things, key, item);
            break;
        }
        err = kith_dict_get_version(things, key, &worker->buf, &version);
        if (err == KITH_OK)
            err = kith_dict_cas_version(things, key, version, item);
        break;
    case 10:
    case 11:
        call = "kith_dict_delete";
        wanted = absent;
        err = kith_dict_delete(things, key);
        break;
    case 12:
        call = "kith_dict_delete_if";
        wanted = now == 0 ? KITH_ECONFLICT : KITH_OK;
        err = kith_dict_delete_if(things, key, old);
        break;
    case 13:
        call = "kith_dict_delete_many";
        err = kith_dict_delete_many(things, &key, 1, &version);
        if (err == KITH_OK && version != (now == 0 ? 0 : 1))
            torture_violation(worker->world, "%s says that %llu keys were there.", call,
                              (unsigned long long)version);
        break;
    default:
        call = "kith_dict_pop";
        wanted = absent;
        err = kith_dict_pop(things, key, &worker->buf);
        if (err == KITH_OK)
            expect_thing(worker, call, thing, worker->buf.item);
        break;
    }
    if (err == wanted)
        return true;
    torture_unexpected(worker->world, call, err);
    return false;
}

/* Calls that must refuse, and so change nothing. */
static void
try_refused(struct torture_worker *worker, unsigned thing)
{
    kith_dict *things = worker->space->things;
    bool there = worker->slot->versions[thing] != 0;
    struct torture_key key;
    kith_err wanted;
    kith_err err;

    torture_thing_key(&key, worker->index, thing);
    switch (worker_pick(worker, 3)) {
    case 0:
        wanted = there ? KITH_EEXIST : KITH_ENOENT;
        err = there ? kith_dict_insert(things, key.item, kith_int(1))
                    : kith_dict_replace(things, key.item, kith_int(1));
        break;
    case 1:
        wanted = KITH_ECONFLICT;
        err = kith_dict_cas(things, key.item, KITH_STR("no thing is this"), kith_int(1));
        break;
    default:
        wanted = there ? KITH_ETYPE : KITH_ENOENT;
        err = there ? kith_dict_add(things, key.item, 1, NULL) : kith_dict_has(things, key.item);
        break;
    }
    if (err != wanted)
        torture_unexpected(worker->world, "A call that must be refused", err);
}

void
worker_change_things(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    struct intent *intent = worker_intent(worker);
    struct torture_key keys[THINGS_AT_ONCE];
    struct kith_item names[THINGS_AT_ONCE];
    struct kith_item items[THINGS_AT_ONCE];
    bool deletes = worker_pick(worker, 4) == 0;

    intent->thing = worker_pick(worker, THINGS);
    intent->thing_count = !deletes && worker_pick(worker, 5) == 0 ? THINGS_AT_ONCE : 1;
    intent->version = deletes ? 0 : ++slot->next_version;
    for (unsigned i = 0; i < intent->thing_count; i++) {
        unsigned thing = (intent->thing + i) % THINGS;

        torture_thing_key(&keys[i], worker->index, thing);
        names[i] = keys[i].item;
        items[i] = kith_none();
        if (!deletes)
            items[i] = torture_thing(worker->memory[i], worker->index, thing, intent->version);
    }
    worker_begin(worker, ACT_SET);
    if (intent->thing_count > 1) {
        if (!worker_succeeded(
                worker, "kith_dict_set_many",
                kith_dict_set_many(worker->space->things, names, items, intent->thing_count)))
            return;
    } else if (!change_thing(worker, intent->thing, names[0], items[0])) {
        return;
    }
    for (unsigned i = 0; i < intent->thing_count; i++)
        slot->versions[(intent->thing + i) % THINGS] = intent->version;
    worker_end(worker, ACT_SET);
    if (worker_pick(worker, 10) == 0)
        try_refused(worker, worker_pick(worker, THINGS));
}

/* Looks at a thing of anybody in place, and again after a while: what is shown must not change. */
static void
view_thing(struct torture_worker *worker, unsigned slot, unsigned thing)
{
    struct torture_key key;
    uint32_t whose;
    uint32_t which;
    uint64_t version;
    kith_view *view;
    kith_err err;

    torture_thing_key(&key, slot, thing);
    err = kith_dict_view(worker->space->things, key.item, &view);
    if (err == KITH_ENOENT)
        return;
    if (!worker_succeeded(worker, "kith_dict_view", err))
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (!torture_item_read(kith_view_item(view), &whose, &which, &version) || whose != slot ||
            which != thing)
            torture_violation(worker->world, "A view of thing %u of worker %u has wrong bytes%s.",
                              thing, slot, i == 0 ? "" : " after a while");
        else if (slot == worker->index && version != worker->slot->versions[thing])
            torture_violation(worker->world, "A view of thing %u shows version %llu, not %llu.",
                              thing, (unsigned long long)version,
                              (unsigned long long)worker->slot->versions[thing]);
        usleep(worker_pick(worker, 300));
    }
    kith_view_release(view);
}

/* Gets a thing of this worker: the model knows it exactly. */
static void
get_own_thing(struct torture_worker *worker, unsigned thing)
{
    struct torture_key key;
    kith_err err;

    torture_thing_key(&key, worker->index, thing);
    err = kith_dict_get(worker->space->things, key.item, &worker->buf);
    if (err == KITH_ENOENT && worker->slot->versions[thing] != 0)
        torture_violation(worker->world, "Thing %u of worker %u is gone.", thing, worker->index);
    else if (err == KITH_OK)
        expect_thing(worker, "kith_dict_get", thing, worker->buf.item);
    else if (err != KITH_ENOENT)
        torture_unexpected(worker->world, "kith_dict_get", err);
}

/* Gets a thing of anybody: it is whole, and the one that was asked for. */
static void
get_thing(struct torture_worker *worker, unsigned slot, unsigned thing)
{
    struct torture_key key;
    uint32_t whose;
    uint32_t which;
    uint64_t version;
    kith_err err;

    torture_thing_key(&key, slot, thing);
    err = kith_dict_get(worker->space->things, key.item, &worker->buf);
    if (err == KITH_ENOENT)
        return;
    if (worker_succeeded(worker, "kith_dict_get", err) &&
        (!torture_item_read(worker->buf.item, &whose, &which, &version) || whose != slot ||
         which != thing))
        torture_violation(worker->world, "Thing %u of worker %u is torn.", thing, slot);
}

void
worker_read_things(struct torture_worker *worker)
{
    unsigned slot = worker_pick(worker, worker->world->slot_count);
    unsigned thing = worker_pick(worker, THINGS);

    worker_begin(worker, ACT_READ);
    switch (worker_pick(worker, 4)) {
    case 0:
        view_thing(worker, slot, thing);
        break;
    case 1:
        view_thing(worker, worker->index, thing);
        break;
    case 2:
        get_own_thing(worker, thing);
        break;
    default:
        get_thing(worker, slot, thing);
        break;
    }
    worker_end(worker, ACT_READ);
}
