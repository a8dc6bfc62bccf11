/*
 * flight.c - one computes what is missing in a dict, the others wait for it.
 *
 * LAYOUT   A computation under way is a block with its key and the actor that computes, in a list
 *          that hangs from the dict's root.  It is no entry: has, len and keys know nothing of it,
 *          and whoever sets the key meanwhile just sets it.  An actor's `flights` says how many it
 *          is at; one that is at none computes nothing, whatever a block says.
 *
 * STEPS    All under own.lock.
 *   F1  the list is searched: it is ours already, it is another's, it is that of one who is gone,
 *       or it is not there
 *   F2  not there: a record adds it.  That of one who is gone: one store makes it ours.  `flights`
 *       counts it before
 *   F3  the caller computes, with nothing held, and sets the key unless somebody has
 *   F4  a record takes it out   F5  whoever waits for the dict is woken
 * DEATH
 *   up to F2   nothing happened
 *   F2 to F4   the block names a dead actor; the kernel wakes one who waits, all others are told by
 *              whoever cleans up, and the first to look takes it over (F2).  If nobody waits it
 *              stays until somebody asks for any missing key of the dict, and is removed then
 *   from F4    the lock is in the ledger until F5 is done, so the reaper wakes
 * A thread that leaves in good order while it computes (its function called exit()) clears its
 * `flights` and then wakes all who sleep; killed between the two it is a dead one.
 */
#include "shm/flight.h"

#include <string.h>

#include "base/error.h"

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A dict in %s breaks an invariant; run kith check.",
                      arena->path ? arena->path : "the mem:// space");
}

static uint64_t
name_of(struct kith__arena *arena, unsigned actor)
{
    return actor | KITH__SLOT_GENERATION(kith__load_acquire(&kith__actor_at(arena, actor)->state))
                       << 16;
}

/* Whether the thread that a flight names is still the one that began it, and at it. */
static bool
computes(struct kith__arena *arena, uint64_t name)
{
    unsigned actor = (unsigned)(name & 0xffff);

    return actor != 0 && actor <= arena->actors_max &&
           KITH__SLOT_KIND(kith__load_acquire(&kith__actor_at(arena, actor)->state)) ==
               KITH__SLOT_LIVE &&
           name_of(arena, actor) == name && !kith__actor_flagged(arena, actor) &&
           atomic_load(&kith__actor_at(arena, actor)->flights) != 0;
}

/* Its own thread alone counts. */
static void
count_flight(struct kith__self *self, bool begins)
{
    uint32_t count = atomic_load_explicit(&self->actor->flights, memory_order_relaxed);

    if (begins || count > 0)
        atomic_store_explicit(&self->actor->flights, begins ? count + 1 : count - 1,
                              memory_order_release);
}

static kith_err
lock_flights(struct kith__self *self, const struct kith__dict *dict)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    kith_err err = kith__lock_acquire(self, &root->own.lock);

    if (err == KITH_OK && kith__load(&root->id) != dict->id) {
        kith__lock_release(self, &root->own.lock);
        err = kith__fail(KITH_EGONE, "The dict was destroyed; open it again to make a new one.");
    }
    return err;
}

struct found {
    struct kith__flight *flight;
    kith__word *link; /* that names it */
};

/* Lock held.  Others' that are dead are taken out on the way, one a record. */
static kith_err
search(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
       struct found *found)
{
    struct kith__arena *arena = self->arena;
    kith__word *link = &kith__dict_root(dict)->flights;
    uint64_t off;

    found->flight = NULL;
    for (uint64_t steps = 0; (off = kith__load(link)) != 0; steps++) {
        struct kith__flight *flight = kith__at(arena, off, sizeof *flight);
        uint64_t size;

        if (flight == NULL || steps > KITH__ACTORS_MAX * UINT64_C(64))
            return broken(arena);
        size = KITH__KEY_SIZE(flight->key_meta);
        if (kith__at(arena, off, sizeof *flight + size) == NULL)
            return broken(arena);
        if (flight->hash == key->hash &&
            kith__key_same(key, KITH__KEY_TYPE(flight->key_meta), flight->key, size)) {
            *found = (struct found){ flight, link };
            return KITH_OK;
        }
        if (!computes(arena, kith__load(&flight->actor))) {
            struct kith__op op;
            kith_err err;

            kith__op_begin(&op, self);
            kith__op_set(&op, link, kith__load(&flight->next));
            kith__op_give(&op, off);
            err = kith__op_commit(&op);
            if (err < 0) {
                kith__op_abort(&op);
                return err;
            }
            continue;
        }
        link = &flight->next;
    }
    return KITH_OK;
}

static kith_err
add(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__flight *flight;
    struct kith__op op;
    uint64_t off;
    kith_err err;

    kith__op_begin(&op, self);
    err = kith__op_take(&op, sizeof *flight + key->size, &off);
    if (err == KITH_OK) {
        flight = kith__ptr(self->arena, off);
        kith__store(&flight->next, kith__load(&root->flights));
        kith__store(&flight->actor, name_of(self->arena, self->id));
        flight->hash = key->hash;
        flight->key_meta = (uint64_t)key->type | (uint64_t)key->size << 8;
        if (key->size > 0)
            memcpy(flight->key, key->data, key->size);
        kith__op_set(&op, &root->flights, off);
        err = kith__op_commit(&op); /* F2 */
    }
    if (err < 0)
        kith__op_abort(&op);
    return err;
}

kith_err
kith__flight_begin(struct kith__self *self, const struct kith__dict *dict,
                   const struct kith__key *key, int64_t deadline_ns, bool *mine_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct found found;
    uint32_t joined;
    kith_err err;

    *mine_out = false;
    kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->signal));
    kith__step();
    joined = kith__signal_join(self, &root->signal);
    err = lock_flights(self, dict);
    if (err < 0)
        goto out;
    err = search(self, dict, key, &found); /* F1 */
    if (err == KITH_OK && found.flight == NULL) {
        count_flight(self, true);
        kith__step();
        err = add(self, dict, key);
        *mine_out = err == KITH_OK;
        if (err < 0)
            count_flight(self, false);
    } else if (err == KITH_OK && !computes(self->arena, kith__load(&found.flight->actor))) {
        count_flight(self, true);
        kith__step();
        kith__store_release(&found.flight->actor, name_of(self->arena, self->id)); /* F2 */
        *mine_out = true;
    } else if (err == KITH_OK &&
               kith__load(&found.flight->actor) == name_of(self->arena, self->id)) {
        err = KITH_EDEADLOCK;
    }
    kith__lock_release(self, &root->own.lock);
    if (err < 0 || *mine_out)
        goto out;
    if (deadline_ns == KITH__NO_WAIT)
        err = KITH_ETIMEDOUT;
    else
        switch (kith__sleep(self, &root->signal, joined, deadline_ns, true)) {
        case KITH__SLEPT_TIMEOUT:
            err = KITH_ETIMEDOUT;
            break;
        case KITH__SLEPT_INTERRUPTED:
            err = KITH_EINTERRUPTED;
            break;
        default:
            break;
        }
out:
    kith__awake(self);
    kith__op_end(self);
    return err;
}

kith_err
kith__flight_end(struct kith__self *self, const struct kith__dict *dict,
                 const struct kith__key *key)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct found found;
    struct kith__op op;
    kith_err err = lock_flights(self, dict);

    if (err < 0) {
        count_flight(self, false); /* a block that is left names one who is at none */
        return err;
    }
    err = search(self, dict, key, &found);
    if (err == KITH_OK && found.flight != NULL &&
        kith__load(&found.flight->actor) == name_of(self->arena, self->id)) {
        kith__op_begin(&op, self);
        kith__op_set(&op, found.link, kith__load(&found.flight->next));
        kith__op_give(&op, kith__off(self->arena, found.flight));
        err = kith__op_commit(&op); /* F4 */
        if (err < 0)
            kith__op_abort(&op);
    }
    count_flight(self, false);
    kith__shard_release(self, root, &root->own); /* F5 */
    kith__op_end(self);
    return err;
}
