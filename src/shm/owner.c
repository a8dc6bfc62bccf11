/*
 * owner.c - who holds a lock of any kind, who shares it, and who waits for it.
 *
 * All of it is read without a lock, so it may be old when it is seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "shm/row.h"
#include "shm/rwlock.h"
#include "shm/special.h"

static unsigned
actors_top(const struct kith__arena *arena)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    return top < arena->actors_max ? (unsigned)top : arena->actors_max;
}

static bool
is_live(const struct kith__arena *arena, unsigned id)
{
    return KITH__SLOT_KIND(kith__load(&kith__actor_at(arena, id)->state)) == KITH__SLOT_LIVE;
}

/* 0: it does not wait for this lock. */
static uint64_t
waits(const struct kith__arena *arena, unsigned id, uint64_t entry)
{
    uint64_t wanted = kith__load_acquire(&kith__actor_at(arena, id)->wanted);

    return (wanted & ~KITH__WANTED_SHARED) == entry && is_live(arena, id) ? wanted : 0;
}

/*
 * Whether it waits and has nothing yet: a writer that still waits for readers is named by the word
 * already.
 */
static bool
is_waiter(const struct kith__arena *arena, unsigned id, uint64_t entry, uint32_t word)
{
    return waits(arena, id, entry) != 0 &&
           ((word & KITH__LOCK_ACTOR) != id || (word & KITH__LOCK_CLAIM) != 0);
}

/* ---- One owner -------------------------------------------------------------------------- */

static void
name_process(const struct kith__arena *arena, unsigned slot, char *host, size_t size, int64_t *pid)
{
    const struct kith__holder *holder;

    if (slot == 0 || slot > KITH__HOLDERS_MAX)
        return;
    holder = kith__holder_at(arena, slot);
    *pid = holder->pid;
    snprintf(host, size, "%.47s", holder->host);
}

static void
name_actor(struct kith__arena *arena, unsigned id, struct kith_owner *owner)
{
    struct kith__actor *actor = kith__actor_at(arena, id);

    owner->held = true;
    owner->depth = 1;
    owner->alive = !kith__actor_dead(arena, id) && is_live(arena, id);
    owner->thread = actor->thread;
    name_process(arena, actor->holder, owner->host, sizeof owner->host, &owner->pid);
}

/* A process that has an unowned lock; `slot` 0: one that left. */
static void
name_holder(struct kith__arena *arena, unsigned slot, struct kith_owner *owner)
{
    owner->held = true;
    owner->depth = 1;
    owner->alive = slot != 0 && kith__holder_alive(arena, slot);
    name_process(arena, slot, owner->host, sizeof owner->host, &owner->pid);
}

/*
 * A free lock pays no clock: the time is stamped by the first who looks or waits, and so is the
 * latest at which the owner had it.
 */
static int64_t
since(const struct kith__arena *arena, struct kith__sync_root *root)
{
    uint64_t stamp = kith__load(&root->since);

    if (stamp == 0 && !arena->readonly) {
        stamp = (uint64_t)kith__real_ns();
        kith__store(&root->since, stamp);
    }
    return (int64_t)stamp;
}

kith_err
kith__sync_owner(struct kith__arena *arena, const struct kith__sync *sync, struct kith_owner *owner)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync), share = kith__share_of(sync->off, sync->id);
    uint32_t word = atomic_load(&root->lock.word);
    unsigned id = word & KITH__LOCK_ACTOR;

    memset(owner, 0, sizeof *owner);
    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    for (unsigned other = 1; other <= actors_top(arena); other++)
        owner->waiters += is_waiter(arena, other, entry, word);
    if ((id & KITH__LOCK_HOLDER) != 0) {
        name_holder(arena, id & ~KITH__LOCK_HOLDER, owner);
    } else if (id != 0 && id <= arena->actors_max && (word & KITH__LOCK_CLAIM) == 0) {
        name_actor(arena, id, owner);
        owner->depth = (uint32_t)kith__load(&root->depth) + 1;
    } else if ((root->options & KITH__SYNC_SHARED) != 0) {
        for (id = 0; (id = kith__sharer_after(arena, share, id)) != 0;)
            if (owner->sharers++ == 0)
                name_actor(arena, id, owner);
        return KITH_OK; /* readers stamp no time */
    }
    if (owner->held)
        owner->since_ns = since(arena, root);
    return KITH_OK;
}

kith_err
kith__sync_locked(struct kith__arena *arena, const struct kith__sync *sync, bool *locked_out)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint32_t word = atomic_load(&root->lock.word);
    unsigned id = word & KITH__LOCK_ACTOR;
    bool locked = false;

    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    if ((id & KITH__LOCK_HOLDER) != 0)
        locked = id == KITH__LOCK_HOLDER ||
                 kith__holder_alive(arena, id & ~KITH__LOCK_HOLDER & KITH__LOCK_ACTOR);
    else if (id != 0 && id <= arena->actors_max && (word & KITH__LOCK_CLAIM) == 0)
        locked = is_live(arena, id) && !kith__actor_dead(arena, id);
    else if ((root->options & KITH__SYNC_SHARED) != 0)
        for (id = 0; !locked && (id = kith__sharer_after(arena, kith__share_of(sync->off, sync->id),
                                                         id)) != 0;)
            locked = !kith__actor_dead(arena, id);
    *locked_out = locked;
    return KITH_OK;
}

/* ---- All of them ------------------------------------------------------------------------ */

struct row_place {
    uint64_t ticket;
    unsigned id;
};

static int
by_ticket(const void *a, const void *b)
{
    const struct row_place *x = a, *y = b;

    return x->ticket < y->ticket ? -1 : x->ticket > y->ticket;
}

static void
fill_party(struct kith__arena *arena, unsigned id, bool holds, bool shared,
           struct kith_party *party)
{
    struct kith__actor *actor = kith__actor_at(arena, id);
    unsigned slot = actor->holder;

    memset(party, 0, sizeof *party);
    party->thread = actor->thread;
    party->holds = holds;
    party->shared = shared;
    party->alive = is_live(arena, id) && !kith__actor_dead(arena, id);
    name_process(arena, slot, party->host, sizeof party->host, &party->pid);
    if (slot != 0 && slot <= KITH__HOLDERS_MAX)
        snprintf(party->command, sizeof party->command, "%.15s",
                 kith__holder_at(arena, slot)->command);
}

static size_t
list_holders(struct kith__arena *arena, const struct kith__sync *sync, uint32_t word,
             struct kith_party *parties, size_t room)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    unsigned id = word & KITH__LOCK_ACTOR;
    size_t count = 0;

    if (room == 0)
        return 0;
    if ((id & KITH__LOCK_HOLDER) != 0) {
        unsigned slot = id & ~KITH__LOCK_HOLDER;

        memset(&parties[0], 0, sizeof parties[0]);
        parties[0].holds = true;
        parties[0].alive = slot != 0 && kith__holder_alive(arena, slot);
        name_process(arena, slot, parties[0].host, sizeof parties[0].host, &parties[0].pid);
        if (slot != 0 && slot <= KITH__HOLDERS_MAX)
            snprintf(parties[0].command, sizeof parties[0].command, "%.15s",
                     kith__holder_at(arena, slot)->command);
        return 1;
    }
    if (id != 0 && id <= arena->actors_max && (word & KITH__LOCK_CLAIM) == 0)
        fill_party(arena, id, true, false, &parties[count++]);
    else if ((root->options & KITH__SYNC_SHARED) != 0)
        for (id = 0; count < room && (id = kith__sharer_after(
                                          arena, kith__share_of(sync->off, sync->id), id)) != 0;)
            fill_party(arena, id, true, true, &parties[count++]);
    return count;
}

kith_err
kith__sync_parties(struct kith__arena *arena, const struct kith__sync *sync,
                   struct kith_party *parties, size_t room, size_t *count_out)
{
    struct kith__sync_root *root = kith__sync_root(sync);
    uint64_t entry = kith__sync_entry(sync);
    uint32_t word = atomic_load(&root->lock.word);
    unsigned top = actors_top(arena);
    struct row_place *places;
    size_t count, waiting = 0;

    if (kith__load_acquire(&root->id) != sync->id)
        return KITH_EGONE;
    places = kith__malloc((top + 1) * sizeof *places);
    if (places == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a list of who waits.");
    count = list_holders(arena, sync, word, parties, room);
    for (unsigned id = 1; id <= top; id++)
        if (is_waiter(arena, id, entry, word))
            places[waiting++] =
                (struct row_place){ kith__load(&kith__actor_at(arena, id)->ticket), id };
    qsort(places, waiting, sizeof places[0], by_ticket);
    for (size_t i = 0; i < waiting && count < room; i++)
        fill_party(arena, places[i].id, false,
                   (waits(arena, places[i].id, entry) & KITH__WANTED_SHARED) != 0,
                   &parties[count++]);
    kith__free(places);
    *count_out = count;
    return KITH_OK;
}
