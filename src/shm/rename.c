/*
 * rename.c - an object gets another name, in one record.
 *
 * STEPS   R1 both names' shards locked, in the order of their offsets   R2 the new name is free
 *         R3 record: the old entry goes, the new one leads to the same root   R4 unlocked
 * DEATH   up to R3 the object has its old name, from R3 on the new one; never both, never none.
 * Whoever has the object open knows it by its root and notices nothing.
 */
#include "base/error.h"
#include "shm/catalog.h"

#define TRIES_MAX 64u

struct renaming {
    struct kith__dict catalog;
    struct kith__key from, to;
    struct kith__shard *from_shard, *to_shard;
};

static void
unlock(struct kith__self *self, struct renaming *r)
{
    if (r->to_shard != r->from_shard)
        kith__lock_release(self, &r->to_shard->lock);
    kith__lock_release(self, &r->from_shard->lock);
}

/* R1.  The catalog may be split while the first lock is waited for, never with it held. */
static kith_err
lock(struct kith__self *self, struct renaming *r)
{
    bool swapped = false;

    for (;;) {
        const struct kith__key *first = swapped ? &r->to : &r->from;
        const struct kith__key *second = swapped ? &r->from : &r->to;
        struct kith__shard *one, *two;
        unsigned count;
        kith_err err = kith__dict_lock(self, &r->catalog, first->hash, &one);

        if (err < 0)
            return err;
        two = kith__dict_shards(&r->catalog, kith__load(&kith__dict_root(&r->catalog)->shards),
                                &count);
        if (two != NULL && count > 1)
            two += kith__shard_of(second->hash);
        if (two == one || two == NULL) {
            r->from_shard = r->to_shard = one;
            return KITH_OK;
        }
        if (two > one) {
            err = kith__dict_lock(self, &r->catalog, second->hash, &two);
            if (err < 0) {
                kith__lock_release(self, &one->lock);
                return err;
            }
            r->from_shard = swapped ? two : one;
            r->to_shard = swapped ? one : two;
            return KITH_OK;
        }
        kith__lock_release(self, &one->lock);
        swapped = !swapped;
    }
}

/* R2 and R3, with the locks held.  KITH_EFULL: the new name's shard has to grow first. */
static kith_err
move(struct kith__op *op, struct renaming *r)
{
    struct kith__place from, to;
    struct kith__stored stored = { 0 };
    kith_err err = kith__table_find(op, r->from_shard, &r->from, &from);

    if (err < 0)
        return err;
    if (from.entry == NULL)
        return KITH_ENOENT;
    err = kith__table_find(op, r->to_shard, &r->to, &to);
    if (err < 0)
        return err;
    if (to.entry != NULL)
        return KITH_EEXIST;
    stored.meta = kith__load(&from.entry->meta);
    stored.value = kith__load(&from.entry->value);
    err = kith__table_delete(op, &from, true);
#ifdef KITH_MISTAKE_RENAME_IN_TWO_RECORDS
    kith__op_commit(op);
    kith__op_begin(op, op->self);
#endif
    if (err == KITH_OK)
        err = kith__table_insert(op, kith__dict_root(&r->catalog), r->to_shard, &r->to, stored);
    return err == KITH_OK ? kith__op_commit(op) : err;
}

static kith_err
rename_once(struct kith__self *self, struct renaming *r, bool force)
{
    struct kith__op op;
    kith_err err = lock(self, r);

    if (err < 0)
        return err;
    if (force || kith__table_tight(r->to_shard, 1))
        err = kith__table_reserve(self, r->to_shard, 1, force);
    if (err == KITH_OK) {
        kith__op_begin(&op, self);
        err = move(&op, r);
        unlock(self, r);
        if (err < 0)
            kith__op_abort(&op);
    } else {
        unlock(self, r);
    }
    kith__op_end(self);
    return err;
}

kith_err
kith__catalog_rename(struct kith__self *self, const char *from, const char *to)
{
    struct renaming r = { .catalog = kith__catalog_of(self->arena) };
    kith_err err = kith__ledger_reserve(self, 2);

    if (err == KITH_OK)
        err = kith__key_make(self->arena->hash_key, kith_str(from), &r.from);
    if (err < 0)
        return err;
    err = kith__key_make(self->arena->hash_key, kith_str(to), &r.to);
    for (unsigned tries = 0; err == KITH_OK; tries++) {
        err = rename_once(self, &r, tries > 0);
        if (err != KITH_EFULL || tries == TRIES_MAX)
            break;
        err = KITH_OK;
    }
    kith__key_free(&r.from);
    kith__key_free(&r.to);
    return err;
}
