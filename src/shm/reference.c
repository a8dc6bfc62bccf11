/*
 * reference.c - references to unnamed objects: counted, dropped, and the end of what none leads to.
 *
 * LAYOUT   A reference is a block of its own, with the name that is the item's bytes, the root that
 *          it leads to, and that root's id.  In a queue it stands behind the head of its node.  A
 *          handle that keeps an unnamed object is a block of the same kind, in a list of its
 *          process's slot, `kept`.  Every root has a word that counts the references that lead to
 *          it: in its low 40 bits those that are items, above them those that are handles.
 *
 * INVARIANTS
 *   R1  the count of a root is the sum of the weights of all blocks that name it and its id and
 *       are not free, whoever has them: a structure, a holder, or an actor, as staged or dropped
 *   R2  a block that names a root and an id is never changed to name others
 *   R3  count and id of a root are changed under the lock of its stripe, and so are the blocks of a
 *       holder under the one of its slot
 *   R4  a root with a made name whose count was above 0 does not reach 0: it ends, while the last
 *       block still counts
 *
 * STEPS of storing    R1 is kept by records of two locks that are never held together
 *   F1 the target is found   F2 its stripe is locked; its id is what was found
 *   F3 mini record: count + 1, the block goes from the magazine to the staged ones   F4 unlocked
 *   F5 the operation's own record links the block, as any staged block; or none does, and then the
 *      block is dropped like one that was linked
 * STEPS of dropping
 *   G1 the record that unlinks the block puts it into the actor's list `dropped`   G2 no lock is
 *      held any more   G3 the target's stripe is locked
 *   G4 mini record: count - 1, the block goes from the list to the magazine   G5 unlocked
 *   Of the last one, instead of G4: the target's name and all its locks are taken, then its stripe;
 *   if the block is still the last, the target ends as kith_destroy() ends it.  After that the
 *   block leads nowhere, and is free for the asking.
 * DEATH
 *   up to F3 nothing happened     F3 to F5 the block is staged: whoever returns the dead's memory
 *   drops it     G1 to G4 it is in the dead's list, which is gone through then, too.  A target that
 *   ended while its last block is in a list is told by its id.
 *
 * A chain of any length goes link by link: what an object had is dropped when its trash is taken
 * apart, into the same list, which costs no memory and no recursion.  Circles are not found here
 * but by verify.c.
 *
 * While a dump is loaded a reference may come before what it leads to.  Its block then names root
 * 0 and is not counted; adoption (verify.c) makes up for it.
 */
#include "shm/reference.h"

#include <string.h>

#include "base/error.h"
#include "base/made.h"
#include "base/utf8.h"
#include "shm/inherit.h"
#include "shm/kind.h"

#define TRIES_MAX 64u

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A reference breaks an invariant; run kith check.");
}

kith__word *
kith__reference_count(struct kith__arena *arena, enum kith_kind kind, uint64_t root)
{
    const struct kith__kind *known = kith__kind_of(kind);

    if (known == NULL || root == 0 || (root & 63) != 0 ||
        kith__at(arena, root, kith__class_size(known->class_index)) == NULL)
        return NULL;
    return kith__ptr(arena, root + known->references_at);
}

bool
kith__reference_is_counted(const struct kith_item *item)
{
    struct kith__made made;

    return item->type == KITH_TYPE_REFERENCE && kith__made_read(item->data, item->size, &made);
}

/* ---- Storing ---------------------------------------------------------------------------- */

static kith_err
leads_nowhere(const char *name)
{
    return kith__fail(KITH_ENOENT,
                      "There is no object \"%s\" in this space, so a reference to it would lead "
                      "nowhere; nothing was stored.",
                      name);
}

static void
name_of(const struct kith_item *item, char name[KITH__NAME_SIZE_MAX + 1])
{
    size_t size = item->size <= KITH__NAME_SIZE_MAX ? item->size : KITH__NAME_SIZE_MAX;

    memcpy(name, item->data, size);
    name[size] = '\0';
}

kith_err
kith__reference_check(struct kith__self *self, const struct kith_item *item)
{
    char name[KITH__NAME_SIZE_MAX + 1];
    struct kith__object object;
    kith_err err;

    name_of(item, name);
    err = kith__catalog_find(self->arena, self, name, &object);
    if (err == KITH_ENOENT)
        return self->loading ? KITH_OK : leads_nowhere(name);
    return err;
}

/* Fills in a block that is still in the magazine. */
static void
fill(struct kith__reference *reference, const char *name, const struct kith__object *object,
     uint64_t weight)
{
    memcpy(reference->name, name, sizeof reference->name);
    memset(reference->spare, 0, sizeof reference->spare);
    reference->kind = (uint32_t)object->kind;
    kith__store(&reference->root, object->off);
    kith__store(&reference->id, object->id);
    kith__store(&reference->weight, weight);
    kith__store(&reference->next, 0);
    kith__store(&reference->prev, 0);
}

static struct kith__reference *
reference_in(struct kith__arena *arena, uint64_t off, unsigned class_index)
{
    return kith__ptr(arena,
                     class_index == KITH__CLASS_REFERENCE ? off : off + sizeof(struct kith__node));
}

/* F2 to F4.  KITH_EGONE: the object ended meanwhile. */
static kith_err
count_on(struct kith__self *self, const struct kith__object *object, unsigned class_index,
         uint64_t off, uint64_t weight)
{
    kith__word *count = kith__reference_count(self->arena, object->kind, object->off);
    struct kith__lock *stripe = kith__stripe_of(self->arena, object->off);
    struct kith__op mini;
    kith_err err;

    if (count == NULL)
        return broken();
    err = kith__lock_acquire(self, stripe); /* F2 */
    if (err < 0)
        return err;
    if (kith__object_id(self->arena, object->off) != object->id) {
        err = KITH_EGONE;
    } else {
        kith__op_begin_mini(&mini, self);
        kith__stage_put(&mini, class_index, off);
#ifdef KITH_MISTAKE_REFERENCE_NOT_STAGED
        kith__op_commit(&mini);
        kith__op_begin_mini(&mini, self);
#endif
        kith__op_set(&mini, count, kith__load(count) + weight);
        err = kith__op_commit(&mini); /* F3 */
    }
    kith__lock_release(self, stripe); /* F4 */
    return err;
}

/* Stages a block for `name`; KITH_ENOENT, without a sentence: there is no such object. */
static kith_err
stage(struct kith__self *self, const char *name, unsigned class_index, uint64_t weight,
      uint64_t *off_out, struct kith__object *object_out)
{
    struct kith__arena *arena = self->arena;
    kith_err err = KITH_EGONE;

    for (unsigned tries = 0; err == KITH_EGONE && tries < TRIES_MAX; tries++) {
        err = kith__catalog_find(arena, self, name, object_out); /* F1 */
        if (err == KITH_ENOENT && self->loading)
            *object_out = (struct kith__object){ .kind = 0 };
        else if (err < 0)
            return err;
        err = kith__stage_one(self, class_index, off_out);
        if (err < 0)
            return err;
        fill(reference_in(arena, *off_out, class_index), name, object_out, weight);
        if (object_out->off == 0) {
            struct kith__op mini;

            kith__op_begin_mini(&mini, self);
            kith__stage_put(&mini, class_index, *off_out);
            self->loose = true;
            return kith__op_commit(&mini);
        }
        err = count_on(self, object_out, class_index, *off_out, weight);
    }
    return err == KITH_EGONE ? KITH_ENOENT : err;
}

kith_err
kith__reference_stage(struct kith__self *self, const struct kith_item *item, unsigned class_index,
                      uint64_t *off_out)
{
    char name[KITH__NAME_SIZE_MAX + 1];
    struct kith__object object;
    kith_err err;

    name_of(item, name);
    err = stage(self, name, class_index, KITH__REFERENCE_ITEM, off_out, &object);
    return err == KITH_ENOENT ? leads_nowhere(name) : err;
}

kith_err
kith__reference_hold(struct kith__op *op, const char *name, uint64_t *off_out)
{
    struct kith_item item = kith_reference(name);

    *off_out = 0;
    if (op->err == KITH_OK && kith__reference_is_counted(&item))
        op->err = kith__reference_stage(op->self, &item, KITH__CLASS_REFERENCE, off_out);
    return op->err;
}

/* ---- Dropping --------------------------------------------------------------------------- */

/* G4, and for who leads nowhere that part of it which is left.  The stripe is locked, if any is. */
static kith_err
count_off(struct kith__self *self, kith__word *dropped, struct kith__reference *reference,
          unsigned class_index, kith__word *count)
{
    uint64_t off = kith__load(dropped), weight = kith__load(&reference->weight);
    struct kith__op mini;

    kith__op_begin_mini(&mini, self);
    if (count != NULL && kith__load(count) >= weight)
        kith__op_set(&mini, count, kith__load(count) - weight);
#ifdef KITH_MISTAKE_REFERENCE_DROPPED_TWICE
    kith__op_commit(&mini);
    kith__op_begin_mini(&mini, self);
#endif
    kith__op_set(&mini, dropped, kith__load(&reference->next));
    kith__op_set(&mini, &reference->weight, 0);
    kith__magazine_put(&mini, class_index, off);
    return kith__op_commit(&mini);
}

/* The list was overwritten: what is left of it is lost. */
static kith_err
give_up(kith__word *dropped)
{
    kith__store(dropped, 0);
    return broken();
}

kith_err
kith__reference_settle(struct kith__self *self, kith__word *dropped)
{
    struct kith__arena *arena = self->arena;
    char name[KITH_MADE_NAME_SIZE];
    bool own_name = false; /* it has one now: that it is led to by none does not end it */
    unsigned class_index;
    uint64_t first = kith__load(dropped);
    struct kith__reference *reference = kith__reference_at(arena, first, &class_index);

    if (reference == NULL || kith__load(&reference->weight) == 0) /* it goes round, perhaps */
        return give_up(dropped);
    memcpy(name, reference->name, sizeof reference->name);
    name[sizeof name - 1] = '\0';
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        uint64_t root = kith__load(&reference->root), id = kith__load(&reference->id);
        kith__word *count = kith__reference_count(arena, (enum kith_kind)reference->kind, root);
        struct kith__lock *stripe = kith__stripe_of(arena, root);
        kith_err err = kith__magazine_open(self, class_index);

        if (err == KITH_ECORRUPT)
            return give_up(dropped);
        if (err < 0)
            return err;
        if (count == NULL)
            return count_off(self, dropped, reference, class_index, NULL);
        err = kith__lock_acquire(self, stripe); /* G3 */
        if (err < 0)
            return err == KITH_ECORRUPT ? give_up(dropped) : err;
        if (kith__object_id(arena, root) != id)
            count = NULL;
        if (count == NULL || own_name || kith__load(count) != kith__load(&reference->weight)) {
            err = count_off(self, dropped, reference, class_index, count);
            kith__lock_release(self, stripe); /* G5 */
            return err;
        }
        kith__lock_release(self, stripe);
        err = kith__catalog_destroy_last(self, name, id, kith__load(&reference->weight));
        if (err == KITH_ENOMEM || err == KITH_EUNAVAILABLE)
            return err;
        own_name = err < 0 && err != KITH_ECONFLICT;
        if (kith__load(dropped) != first)
            return KITH_OK; /* what the target itself kept stands before it now */
    }
    return KITH_EUNAVAILABLE; /* others store and drop it all the while: some other time */
}

/* ---- Handles ------------------------------------------------------------------------------ */

static struct kith__keep
keep_of(struct kith__arena *arena, uint64_t off)
{
    return (struct kith__keep){ off, kith__owner_of(arena, arena->holder),
                                atomic_load(&arena->keeps) };
}

/* Writes down that a block is the first that a holder keeps; its stripe is locked. */
static void
link_kept(struct kith__op *op, struct kith__holder *holder, uint64_t off)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__reference *reference = kith__ptr(arena, off), *next;
    uint64_t next_off = kith__load(&holder->kept);
    unsigned class_index;

    next = next_off != 0 ? kith__reference_at(arena, next_off, &class_index) : NULL;
    kith__store(&reference->next, next != NULL ? next_off : 0);
    kith__store(&reference->prev, 0);
    if (next != NULL)
        kith__op_set(op, &next->prev, off);
    kith__op_set(op, &holder->kept, off);
}

kith_err
kith__reference_make(struct kith__op *op, const char *name, enum kith_kind kind, uint64_t root,
                     uint64_t id, struct kith__keep *keep_out, struct kith__lock **stripe_out)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__object object = { .kind = kind, .off = root, .id = id };
    kith__word *count = kith__reference_count(arena, kind, root);
    uint64_t off;
    kith_err err;

    if (count == NULL)
        return broken();
    err = kith__op_take_typed(op, KITH__CLASS_REFERENCE, &off);
    if (err == KITH_OK)
        err = kith__lock_acquire(op->self, kith__stripe_of(arena, arena->holder));
    if (err < 0)
        return err;
    *stripe_out = kith__stripe_of(arena, arena->holder);
    kith__store(count, KITH__REFERENCE_HANDLE); /* the root is ours alone until the commit */
    fill(kith__ptr(arena, off), name, &object, KITH__REFERENCE_HANDLE);
    link_kept(op, kith__holder_at(arena, arena->holder), off);
    *keep_out = keep_of(arena, off);
    return op->err;
}

/* F5 of a handle: the block that was staged last goes into a process's list, or is dropped. */
static kith_err
link_staged(struct kith__self *self, unsigned holder, uint64_t off)
{
    struct kith__arena *arena = self->arena;
    struct kith__actor *actor = self->actor;
    struct kith__lock *stripe = kith__stripe_of(arena, holder);
    struct kith__op mini;
    kith_err err = kith__lock_acquire(self, stripe);

    if (err == KITH_OK) {
        kith__op_begin_mini(&mini, self);
        link_kept(&mini, kith__holder_at(arena, holder), off);
        kith__op_set(&mini, &actor->staged.count, kith__load(&actor->staged.count) - 1);
        err = kith__op_commit(&mini);
        kith__lock_release(self, stripe);
    }
    if (err < 0)
        kith__block_free(self, off, &actor->staged.count, kith__load(&actor->staged.count) - 1);
    return err;
}

kith_err
kith__reference_keep(struct kith__self *self, const char *name, struct kith__object *object)
{
    struct kith__arena *arena = self->arena;
    uint64_t off;
    kith_err err = stage(self, name, KITH__CLASS_REFERENCE, KITH__REFERENCE_HANDLE, &off, object);

    if (err < 0)
        return err;
    err = link_staged(self, arena->holder, off);
    if (err == KITH_OK)
        object->keep = keep_of(arena, off);
    kith__op_end(self);
    return err;
}

kith_err
kith__reference_keep_for(struct kith__self *self, unsigned holder,
                         const struct kith__reference *like, uint64_t *off_out)
{
    struct kith__object object = { .kind = (enum kith_kind)like->kind,
                                   .off = kith__load(&like->root),
                                   .id = kith__load(&like->id) };
    char name[KITH_MADE_NAME_SIZE];
    uint64_t off;
    kith_err err = kith__stage_one(self, KITH__CLASS_REFERENCE, &off);

    if (err < 0)
        return err;
    memcpy(name, like->name, sizeof like->name);
    name[sizeof name - 1] = '\0';
    fill(reference_in(self->arena, off, KITH__CLASS_REFERENCE), name, &object,
         KITH__REFERENCE_HANDLE);
    err = count_on(self, &object, KITH__CLASS_REFERENCE, off, KITH__REFERENCE_HANDLE);
    if (err == KITH_OK)
        err = link_staged(self, holder, off);
    if (err == KITH_OK)
        *off_out = off;
    return err;
}

/* Takes a block out of a holder's list; its stripe is locked. */
static kith_err
unlink_kept(struct kith__self *self, struct kith__holder *holder, uint64_t off)
{
    struct kith__arena *arena = self->arena;
    unsigned class_index;
    struct kith__reference *reference = kith__reference_at(arena, off, &class_index), *next, *prev;
    uint64_t next_off, prev_off;
    struct kith__op mini;

    if (reference == NULL) {
        kith__store(&holder->kept, 0);
        return broken();
    }
    next_off = kith__load(&reference->next);
    prev_off = kith__load(&reference->prev);
    next = next_off != 0 ? kith__reference_at(arena, next_off, &class_index) : NULL;
    prev = prev_off != 0 ? kith__reference_at(arena, prev_off, &class_index) : NULL;
    kith__op_begin_mini(&mini, self);
    kith__op_set(&mini, prev != NULL ? &prev->next : &holder->kept, next != NULL ? next_off : 0);
    if (next != NULL)
        kith__op_set(&mini, &next->prev, prev != NULL ? prev_off : 0);
    kith__op_set(&mini, &reference->next, kith__load(&self->actor->dropped));
    kith__op_set(&mini, &self->actor->dropped, off);
    return kith__op_commit(&mini);
}

void
kith__reference_let_go(struct kith__self *self, const struct kith__keep *keep)
{
    struct kith__arena *arena = self->arena;
    struct kith__lock *stripe = kith__stripe_of(arena, arena->holder);

    uint64_t block;

    if (keep->block == 0 || kith__lock_acquire(self, stripe) < 0)
        return;
    /* Of a space that was closed all was let go of before. */
    if (keep->serial == atomic_load(&arena->keeps)) {
        block = kith__inherit_take(arena, keep);
        if (block != 0)
            (void)unlink_kept(self, kith__holder_at(arena, arena->holder), block);
    }
    kith__lock_release(self, stripe);
    kith__op_end(self);
}

kith_err
kith__references_let_go(struct kith__self *self, unsigned slot, uint64_t state)
{
    struct kith__arena *arena = self->arena;
    struct kith__holder *holder = kith__holder_at(arena, slot);
    struct kith__lock *stripe = kith__stripe_of(arena, slot);
    kith_err err = KITH_OK;
    bool more = true;

    while (err == KITH_OK && more) {
        err = kith__lock_acquire(self, stripe);
        if (err < 0)
            break;
        /*
         * The slot is this process's until its list is seen empty under the lock: who comes after
         * it finds an empty one, and who is late in cleaning up sees that it is not its turn.
         */
        more = kith__load(&holder->state) == state && kith__load(&holder->kept) != 0;
        if (more)
            err = unlink_kept(self, holder, kith__load(&holder->kept));
        kith__lock_release(self, stripe);
    }
    return err == KITH_ECORRUPT ? KITH_OK : err;
}
