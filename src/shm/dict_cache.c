/*
 * dict_cache.c - dicts that forget: entries that expire, and bounds.
 *
 * LAYOUT   A time to live stands behind the key, in a kith__more, which only entries have that need
 *          it.  A bounded dict has one shard for ever, so that one lock guards the bounds and one
 *          list, in the order of insertion, is the queue of SIEVE and of FIFO.  `hand` and `sweep`
 *          are two places in that list.
 *
 * EXPIRY   An entry whose time has come is absent to everybody from that instant on, without a
 * store: readers compare its deadline with the clock, writers delete it in the record in which they
 * put something in its place.  What nobody asks for is found by the sweep, two entries an
 * insertion, and by purge().  A record holds the outcome, so replay looks at no clock.
 *
 * EVICTION Who inserts into a dict that is full deletes others in the same record, until the new
 *          item fits: so bounds hold at every instant, and an item that does not fit is not in.
 *          In an arena that is full they go in a record before: their memory is what it takes.
 *          FIFO: the oldest.  SIEVE (Zhang et al., NSDI 2024): the hand goes from the oldest to
 *          the newest and round again, clears `visited` where it is set, and evicts the first that
 *          was not.  Readers set `visited` under the lock if they get it at once, and leave it
 *          otherwise: a bit stored without the lock might land in memory that is another's by then.
 *
 * INVARIANTS  C1  count and bytes - 1 are within the bounds
 *             C2  hand and sweep are 0 or entries of the list
 * DEATH       Each change is one record.  `visited` is one store under the lock, and means nothing
 *             but that an entry stays a round longer.
 */
#include "base/error.h"
#include "shm/dict.h"
#include "shm/grace.h"

#define SWEEP_LOOKS 2u
#define PURGE_BATCH 16u

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A dict in %s breaks an invariant; run kith check.",
                      arena->path ? arena->path : "the mem:// space");
}

/* ---- Deleting by place in the list -------------------------------------------------------- */

/* Finds the place of an entry of the list: the slot that names it. */
static kith_err
place_of(struct kith__op *op, struct kith__shard *shard, struct kith__entry *entry,
         struct kith__place *place)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t off = kith__off(arena, entry), table = kith__op_get(op, &shard->table);
    uint64_t mask = kith__table_mask(table), named = kith__tag_of(entry->hash) | off >> 4;
    struct kith__bucket *buckets =
        (table & 63) > 40
            ? NULL
            : kith__at(arena, kith__table_off(table), (mask + 1) * sizeof(struct kith__bucket));

    for (unsigned d = 0; buckets != NULL && d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(entry->hash + d) & mask];

        for (unsigned s = 0; s < KITH__SLOTS; s++) {
            const kith__word *slot = &bucket->slot[s];

            /* Most evictions are the first that their record does. */
            if ((op->slots_set ? kith__op_get(op, slot) : kith__load(slot)) == named) {
                *place = (struct kith__place){ shard, bucket, s, d, off, entry, false };
                return KITH_OK;
            }
        }
    }
    return broken(arena);
}

static kith_err
delete_entry(struct kith__op *op, struct kith__shard *shard, struct kith__entry *entry)
{
    struct kith__place place;
    kith_err err = place_of(op, shard, entry, &place);

    return err < 0 ? err : kith__table_delete(op, &place, false);
}

/* ---- Bounds ------------------------------------------------------------------------------- */

/* The entry that has to go next; NULL: none but `keep`.  *hand_out: where the hand is then. */
static struct kith__entry *
choose(struct kith__op *op, const struct kith__dict_root *root, struct kith__shard *shard,
       uint64_t keep, uint64_t *hand_out)
{
    struct kith__arena *arena = op->self->arena;
    bool sieve = root->policy == KITH_DICT_SIEVE;
    uint64_t hand = sieve ? kith__op_get(op, &shard->hand) : 0;
    uint64_t most = 2 * kith__entry_steps(arena, kith__op_get(op, &shard->count)) + 2;

    for (uint64_t steps = 0; steps < most; steps++) {
        struct kith__entry *entry;
        struct kith__more *more;

        if (hand == 0)
            hand = kith__op_get(op, &shard->first);
        entry = kith__entry_at(arena, hand);
        if (entry == NULL)
            return NULL;
        more = sieve ? kith__entry_more(entry) : NULL;
        if (hand != keep && (more == NULL || kith__load(&more->visited) == 0)) {
            *hand_out = hand;
            return entry;
        }
        if (more != NULL)
            kith__store(&more->visited, 0);
        hand = kith__op_get(op, &entry->next);
    }
    return NULL;
}

kith_err
kith__dict_make_room(struct kith__op *op, const struct kith__dict *dict, struct kith__shard *shard,
                     uint64_t keep, uint64_t more_items, uint64_t more_bytes, uint64_t less_bytes,
                     bool *evicted)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    uint64_t bytes = kith__op_get(op, &shard->bytes), items;

    if (bytes == 0)
        return KITH_OK;
    if (root->max_bytes != 0 && more_bytes > root->max_bytes && more_bytes > less_bytes) {
        op->err = KITH_EFULL; /* not even alone: nothing need be written down to find that out */
        return KITH_EFULL;
    }
    items = kith__op_get(op, &shard->count) + more_items;
    bytes = bytes - 1 + more_bytes - less_bytes;
    while ((root->max_items != 0 && items > root->max_items && more_items != 0) ||
           (root->max_bytes != 0 && bytes > root->max_bytes && more_bytes > less_bytes)) {
        uint64_t hand = 0;
        struct kith__entry *victim =
            root->policy == KITH_DICT_REFUSE ? NULL : choose(op, root, shard, keep, &hand);
        kith_err err;

        if (victim == NULL) {
            op->err = KITH_EFULL; /* said here, so that nobody takes it for a full table */
            return KITH_EFULL;
        }
        if (root->policy == KITH_DICT_SIEVE && kith__op_get(op, &shard->hand) != hand)
            kith__op_set(op, &shard->hand, hand); /* deleting it moves the hand on */
        items--;
        bytes -=
            kith__entry_bytes(KITH__KEY_SIZE(victim->key_meta), kith__op_get(op, &victim->meta));
        err = delete_entry(op, shard, victim);
        if (err < 0)
            return err;
        *evicted = true;
    }
    return KITH_OK;
}

bool
kith__dict_swap(struct kith__op *op, const struct kith__dict *dict, struct kith__shard *shard,
                const struct kith__key *key, struct kith__stored stored)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__entry *victim;
    uint64_t hand = 0;

    if (root->policy == KITH_DICT_REFUSE || root->max_items == 0 || root->max_bytes != 0 ||
        kith__load(&shard->count) != root->max_items)
        return false;
    victim = choose(op, root, shard, 0, &hand);
    if (victim == NULL)
        return false;
    if (kith__table_swap(op, root, shard, key, stored, victim))
        return true;
    /* What was passed over is no longer marked, so the long way has to begin behind it. */
    if (root->policy == KITH_DICT_SIEVE && kith__load(&shard->hand) != hand)
        kith__op_set(op, &shard->hand, hand);
    return false;
}

void
kith__dict_visit(struct kith__self *self, const struct kith__dict *dict,
                 const struct kith__key *key)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__shard *shard = &root->own;
    struct kith__place place;
    struct kith__op op;

    if (!kith__lock_try(self, &shard->lock))
        return;
    if (kith__load(&root->id) == dict->id) {
        kith__op_begin(&op, self);
        if (kith__table_find(&op, shard, key, &place) == KITH_OK && place.entry != NULL &&
            kith__entry_more(place.entry) != NULL)
            kith__store(&kith__entry_more(place.entry)->visited, 1);
    }
    kith__lock_release(self, &shard->lock);
}

bool
kith__dict_evict_first(struct kith__self *self, const struct kith__dict *dict,
                       struct kith__shard *shard, const struct kith__key *key, uint64_t bytes,
                       bool replaces)
{
    struct kith__place place;
    bool evicted = false;
    uint64_t less = 0;
    struct kith__op op;
    kith_err err;

    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err == KITH_OK && place.entry != NULL)
        less = kith__entry_bytes(key->size, kith__load(&place.entry->meta));
    if (err == KITH_OK && (place.entry == NULL || replaces))
        err = kith__dict_make_room(&op, dict, shard, place.entry != NULL ? place.entry_off : 0,
                                   place.entry == NULL, bytes, less, &evicted);
    if (err == KITH_OK && evicted)
        err = kith__op_commit(&op);
    if (err < 0)
        kith__op_abort(&op);
    return err == KITH_OK && evicted;
}

/* ---- Expiry ------------------------------------------------------------------------------- */

void
kith__dict_sweep(struct kith__self *self, const struct kith__dict *dict, struct kith__shard *shard)
{
    struct kith__arena *arena = self->arena;
    int64_t now = kith__dict_time(dict);
    uint64_t at = kith__load(&shard->sweep);
    struct kith__op op;
    kith_err err = KITH_OK;

    kith__op_begin(&op, self);
    for (unsigned looks = 0; looks < SWEEP_LOOKS && err == KITH_OK; looks++) {
        struct kith__entry *entry;

        if (at == 0)
            at = kith__load(&shard->first);
        entry = kith__entry_at(arena, at);
        if (entry == NULL)
            break;
        at = kith__op_get(&op, &entry->next);
        if (kith__entry_expired(entry, now))
            err = delete_entry(&op, shard, entry);
    }
    if (op.count == 0) {
        kith__store(&shard->sweep, at);
        return;
    }
    if (err == KITH_OK) {
        kith__op_set(&op, &shard->sweep, at);
        err = kith__op_commit(&op);
    }
    if (err < 0)
        kith__op_abort(&op);
}

/* Deletes what has expired of a locked shard, up to `most` entries a record. */
static kith_err
purge_shard(struct kith__self *self, struct kith__shard *shard, int64_t now, unsigned most,
            uint64_t *count)
{
    struct kith__arena *arena = self->arena;
    uint64_t off = kith__load(&shard->first),
             steps = kith__entry_steps(arena, kith__load(&shard->count));

    while (off != 0 && steps > 0) {
        unsigned batch = 0;
        struct kith__op op;
        kith_err err = KITH_OK;

        kith__op_begin(&op, self);
        for (; off != 0 && steps > 0 && batch < most && err == KITH_OK; steps--) {
            struct kith__entry *entry = kith__entry_at(arena, off);

            if (entry == NULL)
                return broken(arena);
            off = kith__op_get(&op, &entry->next);
            if (kith__entry_expired(entry, now)) {
                err = delete_entry(&op, shard, entry);
                batch++;
            }
        }
        if (err == KITH_OK && batch > 0)
            err = kith__op_commit(&op);
        if (err < 0) {
            kith__op_abort(&op);
            return err;
        }
        *count += batch;
    }
    return off == 0 ? KITH_OK : broken(arena);
}

/*
 * One shard, and whether it is the only one.  A record of a batch may need memory, and so may a
 * long list of trash, and a space that is full is just what is purged: then it goes on one by one,
 * and gives back between.
 */
static kith_err
purge_one(struct kith__self *self, const struct kith__dict *dict, uint64_t hash, uint64_t *count,
          bool *only_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    unsigned most = PURGE_BATCH;

    for (;;) {
        uint64_t before = *count;
        struct kith__shard *shard;
        kith_err err = kith__dict_lock(self, dict, hash, &shard);

        if (err < 0)
            return err;
        *only_out = shard == &root->own;
        err = purge_shard(self, shard, kith__dict_time(dict), most, count);
        kith__shard_release(self, root, shard);
        kith__op_end(self);
        if (err != KITH_ENOMEM || (most == 1 && *count == before))
            return err;
        most = 1;
    }
}

kith_err
kith__dict_purge(struct kith__self *self, const struct kith__dict *dict, uint64_t *count_out)
{
    uint64_t count = 0;
    kith_err err = KITH_OK;
    bool only = false;

    for (uint64_t i = 0; i < KITH__SHARDS && err == KITH_OK && !only; i++)
        err = purge_one(self, dict, i << (64 - KITH__SHARDS_LOG), &count, &only);
    if (err == KITH_OK)
        *count_out = count;
    return err;
}

kith_err
kith__dict_lifetime(struct kith__self *self, const struct kith__dict *dict,
                    const struct kith__key *key, enum kith__lifetime_what what, int64_t ttl_ns)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__place place = { 0 };
    struct kith__shard *shard;
    struct kith__more *more;
    struct kith__op op;
    int64_t now;
    kith_err err = kith__dict_lock(self, dict, key->hash, &shard);

    if (err < 0)
        return err;
    if (what == KITH__LIFETIME_EXPIRE)
        atomic_store_explicit(&root->expiring, 1, memory_order_release);
    now = kith__dict_time(dict);
    kith__op_begin(&op, self);
    err = kith__table_find(&op, shard, key, &place);
    if (err == KITH_OK && (place.entry == NULL || kith__entry_expired(place.entry, now)))
        err = KITH_ENOENT;
    if (err < 0)
        goto out;
    more = kith__entry_more(place.entry);
    switch (what) {
    case KITH__LIFETIME_PERSIST:
        if (more != NULL) {
            kith__op_set(&op, &more->expires, 0);
            kith__op_set(&op, &more->life, 0);
        }
        break;
    case KITH__LIFETIME_TOUCH:
        if (more != NULL)
            kith__store(&more->visited, 1);
        if (more != NULL && kith__load(&more->life) != 0)
            kith__store(&more->expires,
                        (uint64_t)kith__expiry(now, (int64_t)kith__load(&more->life)));
        break;
    case KITH__LIFETIME_EXPIRE:
        if (more != NULL) {
            kith__op_set(&op, &more->expires, (uint64_t)kith__expiry(now, ttl_ns));
            kith__op_set(&op, &more->life, (uint64_t)ttl_ns);
        } else {
            /* The same item in an entry that has room for its end: a longer one, in its place. */
            err = kith__table_rebuild(&op, root, &place,
                                      (struct kith__stored){ kith__load(&place.entry->meta),
                                                             kith__load(&place.entry->value),
                                                             kith__expiry(now, ttl_ns), ttl_ns });
        }
    }
    if (err == KITH_OK && op.count > 0)
        err = kith__op_commit(&op);
out:
    kith__shard_release(self, root, shard);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

kith_err
kith__dict_wait(struct kith__self *self, const struct kith__dict *dict, const struct kith__key *key,
                uint64_t version, int64_t deadline_ns, struct kith_buf *item_out,
                uint64_t *version_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    bool timed_out = false;

    for (;;) {
        uint64_t now_version = 0;
        int64_t until = deadline_ns, expires = 0;
        uint32_t joined;
        kith_err err;

        /* Joined before looking: a change after the look then ends the sleep. */
        kith__store(&self->actor->waiting_on, kith__off(self->arena, &root->signal));
        kith__step();
        joined = kith__signal_join(self, &root->signal);
        err = kith__dict_get(self, dict, key, item_out, &now_version, &expires);
        if ((err < 0 && err != KITH_ENOENT) || (err == KITH_OK && now_version != version) ||
            (err == KITH_ENOENT && version != 0)) {
            kith__awake(self);
            if (err == KITH_OK)
                *version_out = now_version;
            return err;
        }
        if (deadline_ns == KITH__NO_WAIT || timed_out) {
            kith__awake(self);
            return KITH_ETIMEDOUT;
        }
        if (expires != 0) {
            int64_t end = kith__arena_deadline_ns(self->arena, expires);

            until = end < until ? end : until;
        }
        switch (kith__sleep(self, &root->signal, joined, until, true)) {
        case KITH__SLEPT_TIMEOUT:
            timed_out = until == deadline_ns; /* else it expired: look again */
            break;
        case KITH__SLEPT_INTERRUPTED:
            kith__awake(self);
            kith__op_end(self);
            return KITH_EINTERRUPTED;
        default:
            break;
        }
        kith__awake(self);
        kith__op_end(self);
    }
}

kith_err
kith__dict_arm(struct kith__self *self, const struct kith__dict *dict, kith__poller_slot *slot,
               int *fd_out)
{
    struct kith__dict_root *root = kith__dict_root(dict);
    struct kith__poller *poller;
    kith_err err = kith__poller_arm(self, slot, &poller);

    if (err < 0)
        return err;
    if (kith__load_acquire(&root->id) != dict->id)
        return KITH_EGONE;
    atomic_fetch_or(&root->signal, KITH__SIGNAL_POLLERS);
    kith__barrier_everywhere(self); /* as in kith__signal_join() */
    if (kith__load_acquire(&root->id) != dict->id)
        kith__poller_ready(poller);
    *fd_out = kith__poller_fd(poller);
    return KITH_OK;
}
