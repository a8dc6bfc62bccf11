/*
 * deadlock.c - finds circles of those who wait for each other's locks.
 *
 * An actor waits for one lock at most, and says so in its slot (row.c); a lock's word says who has
 * it, and a ledger, who shares it.  So the graph is in the arena already, and it is read without a
 * lock of any kind, by one who is about to sleep.
 *
 * None is missed   Of those in a circle somebody was the last to join a row.  All others had
 *   joined before, and each had got the locks it holds before that.  A full barrier stands between
 *   joining and looking, so the last one sees the whole circle, and it stands still.
 * None is invented   A circle that was found is read a second time: each actor must still be in the
 *   same wait, by its ticket, and each lock must still be had by the next actor.  Who was in one
 *   wait at both looks ran nothing in between, so between the two looks all of the circle held at
 *   once.
 *
 * More than one may find it   who joins before another, and looks after that one has joined, sees
 *   the circle as well.  Each is refused then: none of them was told what was not so.
 *
 * An rwlock that several share is waited for with all of them at once, so a circle through any of
 * them will not open by itself.  A lock without an owner (unowned) ends a path: anyone may release
 * it.  That somebody in the circle waits with a deadline is not looked at.
 */
#include "shm/deadlock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "shm/catalog.h"
#include "shm/row.h"
#include "shm/rwlock.h"

#define TRIES_MAX 8u

/* A search, breadth first, from the caller. */
struct search {
    struct kith__arena *arena;
    unsigned queue[KITH__ACTORS_MAX + 1]; /* whom to look at */
    unsigned from[KITH__ACTORS_MAX + 1];  /* who waits for him; 0: not yet seen */
    unsigned count;
};

static uint64_t
wanted_by(struct kith__arena *arena, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(arena, id);
    uint64_t wanted = kith__load_acquire(&actor->wanted);

    return KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE ? wanted : 0;
}

/* The lock that `wanted` names; NULL: none, or bytes that somebody overwrote. */
static struct kith__sync_root *
root_wanted(struct kith__arena *arena, uint64_t wanted)
{
    uint64_t entry = wanted & ~KITH__WANTED_SHARED;
    uint64_t off = entry - offsetof(struct kith__sync_root, lock);
    struct kith__sync_root *root;

    if (entry < offsetof(struct kith__sync_root, lock))
        return NULL;
    root = kith__at(arena, off, sizeof *root);
    return root != NULL && kith__lock_is(&root->lock, entry) ? root : NULL;
}

/* The next actor after `after` for whom `waiter` waits; 0: none. */
static unsigned
next_owner(struct kith__arena *arena, unsigned waiter, uint64_t wanted, unsigned after)
{
    struct kith__sync_root *root = root_wanted(arena, wanted);
    unsigned owner;

    if (root == NULL || (root->options & KITH__SYNC_UNOWNED) != 0)
        return 0;
    owner = atomic_load(&root->lock.word) & KITH__LOCK_ACTOR;
    if (owner != 0 && owner != waiter)
        return after == 0 && owner <= arena->actors_max ? owner : 0;
    if ((root->options & KITH__SYNC_SHARED) == 0 || (wanted & KITH__WANTED_SHARED) != 0)
        return 0;
    do
        after = kith__sharer_after(
            arena, kith__share_of(kith__off(arena, root), kith__load(&root->id)), after);
    while (after == waiter);
    return after;
}

static bool
owns(struct kith__arena *arena, unsigned owner, unsigned waiter, uint64_t wanted)
{
    unsigned id = 0;

    while ((id = next_owner(arena, waiter, wanted, id)) != 0)
        if (id == owner)
            return true;
    return false;
}

/* What an actor's wait is told by. */
struct seen {
    unsigned actor;
    uint64_t wanted, ticket;
};

/* The circle that ends with `last`, who waits for the caller; from the caller on. */
static unsigned
take_path(const struct search *search, unsigned self, unsigned last, struct seen *path)
{
    unsigned length = 0;

    for (unsigned id = last; id != self; id = search->from[id])
        length++;
    length++;
    for (unsigned at = length, id = last; at-- > 0; id = search->from[id]) {
        path[at].actor = id;
        if (id == self)
            break;
    }
    return length;
}

static void
look_at_path(struct kith__arena *arena, struct seen *path, unsigned length)
{
    for (unsigned i = 0; i < length; i++) {
        path[i].wanted = wanted_by(arena, path[i].actor);
        path[i].ticket = kith__load(&kith__actor_at(arena, path[i].actor)->ticket);
    }
}

/* Whether each of the path waits as it was seen to, for what the next one has. */
static bool
path_holds(struct kith__arena *arena, const struct seen *path, unsigned length)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < length; i++)
        if (path[i].wanted == 0 ||
            !owns(arena, path[(i + 1) % length].actor, path[i].actor, path[i].wanted))
            return false;
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < length; i++)
        if (wanted_by(arena, path[i].actor) != path[i].wanted ||
            kith__load(&kith__actor_at(arena, path[i].actor)->ticket) != path[i].ticket)
            return false;
    return true;
}

/* The last actor of a circle through the caller; 0: there is none. */
static unsigned
search_circle(struct search *search, unsigned self)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(search->arena)->actors_top);

    if (top > search->arena->actors_max)
        top = search->arena->actors_max;
    memset(search->from, 0, (size_t)(top + 1) * sizeof search->from[0]);
    search->count = 0;
    search->queue[search->count++] = self;
    for (unsigned i = 0; i < search->count; i++) {
        unsigned id = search->queue[i], owner = 0;
        uint64_t wanted = wanted_by(search->arena, id);

        while (wanted != 0 && (owner = next_owner(search->arena, id, wanted, owner)) != 0) {
            if (owner == self)
                return id;
            if (owner > top || search->from[owner] != 0)
                continue; /* one who joined the arena since then waits for nobody of these */
            search->from[owner] = id;
            search->queue[search->count++] = owner;
        }
    }
    return 0;
}

bool
kith__circle_find(struct kith__self *self, struct kith__circle *circle_out)
{
    struct search *search =
        kith__self_scratch(self, sizeof *search + KITH__ACTORS_MAX * sizeof(struct seen));
    struct seen *path = search == NULL ? NULL : (struct seen *)(void *)(search + 1);
    unsigned last, length;

    circle_out->count = 0;
    if (search == NULL)
        return false; /* without memory it is a wait like any other */
    search->arena = self->arena;
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        last = search_circle(search, self->id);
        if (last == 0)
            return false;
        length = take_path(search, self->id, last, path);
        look_at_path(self->arena, path, length);
        if (!path_holds(self->arena, path, length))
            continue; /* somebody went on: whoever joins last will see what is left of it */
        circle_out->count = length;
        for (unsigned i = 0; i < length && i < KITH__CIRCLE_MAX; i++) {
            circle_out->link[i].actor = path[i].actor;
            circle_out->link[i].entry = path[i].wanted & ~KITH__WANTED_SHARED;
        }
        return true;
    }
    return false;
}

/* ---- Telling of it --------------------------------------------------------------------- */

struct text {
    char bytes[KITH__SENTENCE_SIZE_MAX];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void
append(struct text *text, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text->bytes + text->size, sizeof text->bytes - text->size, format, args);
    va_end(args);
    if (size > 0)
        text->size += (size_t)size;
    if (text->size >= sizeof text->bytes)
        text->size = sizeof text->bytes - 1;
}

static void
append_lock(struct text *text, struct kith__arena *arena, const struct kith__copy *copy,
            uint64_t entry)
{
    uint64_t off = entry - offsetof(struct kith__sync_root, lock);

    for (uint64_t i = 0; copy != NULL && i < copy->count; i++) {
        const struct kith__entry *at =
            (const struct kith__entry *)(const void *)(copy->bytes + copy->entries[i].at);
        struct kith_item name = kith__copy_key(copy, i);

        if (kith__load(&at->value) != off || name.type != KITH_TYPE_STR)
            continue;
        append(text, "\"%.*s\"", (int)(name.size < 60 ? name.size : 60), (const char *)name.data);
        return;
    }
    (void)arena;
    append(text, "a lock without a name");
}

static void
append_actor(struct text *text, struct kith__arena *arena, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(arena, id);
    unsigned slot = actor->holder;

    append(text, "thread %lld", (long long)actor->thread);
    if (slot != 0 && slot <= KITH__HOLDERS_MAX)
        append(text, " of process %lld (%.15s)", (long long)kith__holder_at(arena, slot)->pid,
               kith__holder_at(arena, slot)->command);
}

kith_err
kith__circle_tell(struct kith__self *self, const struct kith__circle *circle)
{
    struct kith__arena *arena = self->arena;
    struct kith__dict catalog = kith__catalog_of(arena);
    struct kith__copy copy;
    struct text text = { .size = 0 };
    bool named = kith__dict_copy(self, &catalog, true, &copy) == KITH_OK;
    unsigned shown = circle->count < KITH__CIRCLE_MAX ? circle->count : KITH__CIRCLE_MAX;

    append(&text, "The wait for ");
    append_lock(&text, arena, named ? &copy : NULL, circle->link[0].entry);
    append(&text, " would close a circle: ");
    for (unsigned i = 1; i < shown; i++) {
        append(&text, "it is held by ");
        append_actor(&text, arena, circle->link[i].actor);
        append(&text, ", which waits for ");
        append_lock(&text, arena, named ? &copy : NULL, circle->link[i].entry);
        append(&text, "; ");
    }
    if (shown < circle->count)
        append(&text, "and so on, %u in all; the last of these ", circle->count);
    append(&text, "it is held by this thread.");
    if (named)
        kith__copy_free(&copy);
    return kith__fail(KITH_EDEADLOCK, "%s", text.bytes);
}
