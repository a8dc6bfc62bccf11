/*
 * torture_others.c - acts on locks and events, and some that follow no model.
 */
#include "torture_worker.h"

#include <unistd.h>

/* ---- locks and events ---- */

/* The work under a lock, which only comes out right if nobody else is inside. */
void
worker_inside(struct torture_worker *worker, struct guarded *guarded, bool told)
{
    uint32_t inside = atomic_exchange(&guarded->inside, worker->index + 1);
    unsigned rounds = worker_pick(worker, 200);
    int64_t first = guarded->first;

    if (!told && (inside != 0 || first != guarded->second))
        torture_violation(
            worker->world,
            "Worker %u got a lock and found worker %d inside, and %lld and %lld where "
            "the same number should be.",
            worker->index, (int)inside - 1, (long long)first, (long long)guarded->second);
    guarded->second = first; /* puts in order what a dead owner left */
    guarded->first = first + 1;
    for (unsigned i = 0; i < rounds; i++)
        atomic_signal_fence(memory_order_seq_cst);
    if (rounds < 4) /* a long stay, in which others queue up, and some owners die */
        usleep(1000);
    guarded->second = guarded->second + 1;
    if (atomic_exchange(&guarded->inside, 0) != worker->index + 1)
        torture_violation(worker->world, "Somebody came in while worker %u held a lock.",
                          worker->index);
}

void
worker_use_lock(struct torture_worker *worker)
{
    struct slot *slot = worker->slot;
    struct intent *intent = worker_intent(worker);
    unsigned index = worker_pick(worker, LOCKS);
    kith_lock *lock = worker->space->locks[index];
    bool patient = worker_pick(worker, 3) != 0;
    struct kith_owner owner;
    kith_err err;

    intent->lock = index;
    atomic_store(&slot->lock_phase, LOCK_ACQUIRING);
    worker_begin(worker, ACT_LOCK);
    err = kith_lock_acquire(lock, patient ? LOCK_WAIT_NS : 0);
    if (err == KITH_ETIMEDOUT && !patient)
        goto done;
    if (err == KITH_OWNER_DIED)
        slot->lock_told[index]++;
    else if (!worker_succeeded(worker, "kith_lock_acquire", err))
        return;
    atomic_store(&slot->lock_phase, LOCK_HOLDING);
    worker_inside(worker, &worker->world->guarded[index], err == KITH_OWNER_DIED);
    if (worker_pick(worker, 20) == 0) {
        err = kith_lock_acquire(lock, 0);
        if (err != KITH_EDEADLOCK)
            torture_unexpected(worker->world, "Acquiring a lock twice", err);
        err = kith_lock_owner(lock, &owner);
        if (err != KITH_OK || !owner.held || owner.pid != getpid())
            torture_violation(worker->world, "The owner of a lock held by %d is told as %d.",
                              (int)getpid(), err == KITH_OK ? (int)owner.pid : -1);
    }
    atomic_store(&slot->lock_phase, LOCK_RELEASING);
    err = kith_lock_release(lock);
    if (!worker_succeeded(worker, "kith_lock_release", err))
        return;
    slot->lock_done[index]++;
done:
    worker_end(worker, ACT_LOCK);
    atomic_store(&slot->lock_phase, LOCK_AWAY);
}

void
worker_turn_event(struct torture_worker *worker)
{
    struct intent *intent = worker_intent(worker);
    kith_event *event = worker->space->events[worker->index];
    kith_err err;
    bool set;

    intent->event_set = worker_pick(worker, 2) == 0;
    worker_begin(worker, ACT_EVENT);
    err = intent->event_set ? kith_event_set(event) : kith_event_clear(event);
    if (!worker_succeeded(worker, "Turning an event", err))
        return;
    worker->slot->event_set = intent->event_set;
    worker_end(worker, ACT_EVENT);
    err = kith_event_is_set(event, &set);
    if (err != KITH_OK || set != worker->slot->event_set)
        torture_violation(worker->world, "The event of worker %u is not as it was left.",
                          worker->index);
}

void
worker_wait_for_event(struct torture_worker *worker)
{
    unsigned whose = worker_pick(worker, worker->world->slot_count);
    kith_err err;

    worker_begin(worker, ACT_WAIT);
    err = kith_event_wait(worker->space->events[whose], worker_pick(worker, 3) * MS);
    if (err != KITH_ETIMEDOUT && err != KITH_OK)
        torture_unexpected(worker->world, "kith_event_wait", err);
    if (whose == worker->index && (err == KITH_OK) != worker->slot->event_set)
        torture_violation(worker->world, "Waiting for an event that is %s gave %d.",
                          worker->slot->event_set ? "set" : "clear", (int)err);
    worker_end(worker, ACT_WAIT);
}

/* ---- acts without a model: the check finds what they break ---- */

static int
count_item(struct kith_item key, struct kith_item item, void *arg)
{
    struct torture_worker *worker = arg;
    uint32_t slot;
    uint32_t which;
    uint64_t version;

    (void)key;
    if (item.type != KITH_TYPE_INT && !torture_item_read(item, &slot, &which, &version))
        torture_violation(worker->world, "An item of the scratch dict is torn.");
    return 0;
}

void
worker_scratch(struct torture_worker *worker)
{
    kith_dict *dict = worker->space->scratch;
    unsigned which = worker_pick(worker, 400);
    struct torture_key key;
    struct kith_buf name = KITH_BUF_INIT;
    uint64_t count;
    kith_err err;

    torture_key_set(&key, "scratch", which, 0);
    worker_begin(worker, ACT_SCRATCH);
    switch (worker_pick(worker, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        err = kith_dict_set(
            dict, key.item,
            torture_item(worker->memory[0], torture_item_size(&worker->random), 0, which, which));
        break;
    case 4:
        err = kith_dict_set(dict, key.item, kith_int(1));
        break;
    case 5:
    case 6:
        err = kith_dict_delete(dict, key.item);
        break;
    case 7:
        err = kith_dict_add(dict, key.item, 1, NULL);
        err = err == KITH_ETYPE ? KITH_OK : err;
        break;
    case 8:
        err = kith_dict_popitem(dict, &name, &worker->buf);
        if (err == KITH_OK)
            count_item(name.item, worker->buf.item, worker);
        err = err == KITH_EEMPTY ? KITH_OK : err;
        break;
    case 9:
        err = kith_dict_each(dict, count_item, worker);
        break;
    case 10:
        err = worker_pick(worker, 40) == 0 ? kith_dict_clear(dict) : kith_dict_len(dict, &count);
        break;
    default:
        err = kith_dict_get(dict, key.item, &worker->buf);
        if (err == KITH_OK)
            count_item(key.item, worker->buf.item, worker);
        break;
    }
    kith_buf_free(&name);
    if (err == KITH_ENOENT || worker_succeeded(worker, "An act on the scratch dict", err))
        worker_end(worker, ACT_SCRATCH);
}

void
worker_create_and_destroy(struct torture_worker *worker)
{
    kith_dict *dict;
    char name[24];
    kith_err err;

    snprintf(name, sizeof name, "temp-%u", worker->index);
    worker_begin(worker, ACT_TEMP);
    err = kith_dict_open(worker->space->space, name, NULL, &dict);
    if (!worker_succeeded(worker, "kith_dict_open", err))
        return;
    for (unsigned i = 0; i < 20 && err == KITH_OK; i++)
        err = kith_dict_set(
            dict, kith_int((int64_t)i),
            torture_item(worker->memory[0], torture_item_size(&worker->random), 0, i, i));
    if (err == KITH_OK)
        err = kith_destroy(worker->space->space, name);
    if (err == KITH_OK && kith_dict_has(dict, kith_int(1)) != KITH_EGONE)
        torture_violation(worker->world, "A dict that was destroyed still answers.");
    kith_dict_close(dict);
    if (worker_succeeded(worker, "Creating and destroying", err))
        worker_end(worker, ACT_TEMP);
}
