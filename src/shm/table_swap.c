/*
 * table_swap.c - one key for another: what a dict that is full does all the time.
 *
 * STEPS    One record, as of a deletion and an insertion in it (table.c), but each word is set
 * once, to what both of them make of it, so none is looked for in the record. `count` stays. The
 * usual case: both keys in their home buckets, and the one that goes not the last of the list.
 * DEATH    of a record: journal.c.
 */
#include <kith/dict.h>

#include "shm/table.h"

/* Where in its home bucket an entry is; KITH__SLOTS: not there. */
static unsigned
slot_of(const struct kith__bucket *bucket, uint64_t word)
{
    unsigned s = 0;

    while (s < KITH__SLOTS && kith__load(&bucket->slot[s]) != word)
        s++;
    return s;
}

static void
cover(struct kith__op *op, struct kith__bucket *bucket)
{
    kith__op_append(op, kith__off(op->self->arena, &bucket->head) | KITH__REDO_COVER,
                    kith__head_risen(kith__load(&bucket->head)));
}

static struct kith__entry *
entry_at(const struct kith__arena *arena, uint64_t off)
{
    return kith__at(arena, off, sizeof(struct kith__entry));
}

bool
kith__table_swap(struct kith__op *op, struct kith__dict_root *root, struct kith__shard *shard,
                 const struct kith__key *key, struct kith__stored stored, struct kith__entry *old)
{
    struct kith__arena *arena = op->self->arena;
    uint64_t mask, old_off = kith__off(arena, old), off;
    uint64_t old_meta = kith__load(&old->meta), bytes = kith__load(&shard->bytes);
    uint64_t more = kith__entry_bytes(key->size, stored.meta);
    uint64_t less = kith__entry_bytes(KITH__KEY_SIZE(old->key_meta), old_meta);
    uint64_t next_off = kith__load(&old->next), prev_off = kith__load(&old->prev);
    uint64_t last_off = kith__load(&shard->last);
    struct kith__entry *next = entry_at(arena, next_off), *last = entry_at(arena, last_off);
    struct kith__entry *prev = prev_off != 0 ? entry_at(arena, prev_off) : NULL, *entry;
    struct kith__bucket *buckets = kith__buckets_of(arena, shard, &mask), *from, *to;
    unsigned from_slot, to_slot;

    if (buckets == NULL || next_off == 0 || next == NULL || last == NULL ||
        (prev == NULL) != (prev_off == 0))
        return false;
    from = &buckets[old->hash & mask];
    to = &buckets[key->hash & mask];
    from_slot = slot_of(from, kith__tag_of(old->hash) | old_off >> 4);
    to_slot = from == to ? from_slot : slot_of(to, 0);
    if (from_slot == KITH__SLOTS || to_slot == KITH__SLOTS)
        return false;
    entry = kith__table_entry(op, root, key->hash, key->type, key->data, key->size, stored, &off);
    if (entry == NULL)
        return true; /* op->err says why */
    entry->ticket = atomic_fetch_add_explicit(&root->ticket, 1, memory_order_relaxed) + 1;
    kith__store(&entry->prev, last_off);
    kith__store(&entry->next, 0);
    kith__store(&entry->version, entry->ticket << 24); /* above that of any earlier incarnation */

    cover(op, to);
    op->slots_set = op->slots_cleared = true;
    kith__op_set_first(op, &to->slot[to_slot], kith__tag_of(key->hash) | off >> 4);
    if (from != to) {
        cover(op, from);
#ifndef KITH_MISTAKE_SWAP_KEEPS_SLOT
        kith__op_set_first(op, &from->slot[from_slot], 0);
#endif
    }
    kith__op_set_first(op, prev != NULL ? &prev->next : &shard->first, next_off);
    kith__op_set_first(op, &next->prev, prev_off);
    kith__op_set_first(op, &last->next, off);
    kith__op_set_first(op, &shard->last, off);
    if (root->policy == KITH_DICT_SIEVE || kith__load(&shard->hand) == old_off)
        kith__op_set_first(op, &shard->hand, next_off);
    if (kith__load(&shard->sweep) == old_off)
        kith__op_set_first(op, &shard->sweep, next_off);
    if (bytes != 0 && more != less)
        kith__op_set_first(op, &shard->bytes, bytes + more - less);
    kith__stored_give(op, old_meta, kith__load(&old->value));
    kith__op_give(op, old_off);
    return true;
}
