/*
 * inherit.c - a forked child's copies of handles keep what these keep.
 *
 * LAYOUT   In shared memory the child's slot has a list of blocks of its own, as any process that
 *          opened the objects has (reference.c).  In private memory the child has a table that
 *          leads from what its copies of handles name, the block and the process by which they
 *          were opened, to the child's block for each.
 *
 * INVARIANTS
 *   N1  a block stands in one process's list, and so counts for one process: a parent that closes
 *       its handle, or ends, takes nothing from its child
 *   N2  the table names the blocks of this process's list that were made here, and no other
 *
 * STEPS, in the parent, before the fork; another thread may close handles, or open them
 *   C1 the child's slot is taken (holder.c)   C2 the list is copied to private memory, under the
 *   lock of the parent's slot   C3 of each: counted and staged, then linked, as if the child had
 *   opened it (reference.c: F2 to F4); what has ended meanwhile is left out
 * DEATH
 *   up to C3, of the parent, or if there is no child in the end: the slot's byte is free, and what
 *   it keeps is let go by who finds that
 *
 * Where there is no memory for all this, the child's copies do not keep: they go on to work as long
 * as something else does.
 */
#include "shm/inherit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "shm/actor.h"
#include "shm/reference.h"

/* One handle. */
struct kith__inherited {
    uint64_t owner, block; /* by which its copies are known: those of whoever opened it */
    uint64_t own;          /* the block of this process; 0: it was let go */
    struct kith__reference like;
};

static int
by_own(const void *left, const void *right)
{
    const struct kith__inherited *a = left, *b = right;

    return (a->own > b->own) - (a->own < b->own);
}

static int
by_handle(const void *left, const void *right)
{
    const struct kith__inherited *a = left, *b = right;

    if (a->block != b->block)
        return a->block > b->block ? 1 : -1;
    return (a->owner > b->owner) - (a->owner < b->owner);
}

/* Makes room for one more. */
static bool
grow(struct kith__inherited **table, size_t count, size_t *room)
{
    struct kith__inherited *grown;

    if (count < *room)
        return true;
    grown = kith__realloc(*table, 2 * (*room + 8) * sizeof *grown);
    if (grown == NULL)
        return false;
    *table = grown;
    *room = 2 * (*room + 8);
    return true;
}

/* C2, under the lock: what this process keeps, in the order of the blocks.  NULL: nothing. */
static struct kith__inherited *
copy_list(struct kith__arena *arena, size_t *count_out)
{
    struct kith__inherited *table = NULL;
    size_t count = 0, room = 0;
    size_t most = arena->granules_max * (KITH__GRANULE / sizeof(struct kith__reference));
    uint64_t off = kith__load(&kith__holder_at(arena, arena->holder)->kept);

    while (off != 0 && count < most) { /* an overwritten list may go round */
        unsigned class_index;
        const struct kith__reference *reference = kith__reference_at(arena, off, &class_index);

        if (reference == NULL || !grow(&table, count, &room))
            break;
        table[count++] = (struct kith__inherited){ .owner = kith__owner_of(arena, arena->holder),
                                                   .block = off,
                                                   .own = off };
        memcpy(&table[count - 1].like, reference, sizeof *reference);
        off = kith__load(&reference->next);
    }
    if (table != NULL)
        qsort(table, count, sizeof *table, by_own);
    *count_out = count;
    return table;
}

/* What was inherited here is known by whoever opened it. */
static void
name_by_opener(const struct kith__arena *arena, struct kith__inherited *table, size_t count)
{
    for (size_t i = 0; table != NULL && i < arena->inherited_count; i++) {
        const struct kith__inherited *from = &arena->inherited[i];
        struct kith__inherited *found =
            from->own == 0 ? NULL : bsearch(from, table, count, sizeof *table, by_own);

        if (found != NULL) {
            found->owner = from->owner;
            found->block = from->block;
        }
    }
}

void
kith__inherit_prepare(struct kith__arena *arena)
{
    struct kith__self *self;
    struct kith__lock *stripe;
    struct kith__inherited *table;
    size_t count;

    arena->child_inherited = NULL;
    arena->child_inherited_count = 0;
    if (arena->child_holder == 0 || kith__load(&kith__holder_at(arena, arena->holder)->kept) == 0)
        return;
    self = kith__self_of(arena);
    if (self == NULL || self->depth != 0) /* a fork in the midst of a call */
        return;
    stripe = kith__stripe_of(arena, arena->holder);
    if (kith__lock_acquire(self, stripe) < 0)
        return;
    table = copy_list(arena, &count);
    name_by_opener(arena, table, count);
    kith__lock_release(self, stripe);
    for (size_t i = 0; i < count; i++) /* C3 */
        if (kith__reference_keep_for(self, arena->child_holder, &table[i].like, &table[i].own) < 0)
            table[i].own = 0;
    kith__op_end(self);
    if (table != NULL)
        qsort(table, count, sizeof *table, by_handle);
    arena->child_inherited = table;
    arena->child_inherited_count = count;
}

void
kith__inherit_parent_forked(struct kith__arena *arena)
{
    kith__free(arena->child_inherited);
    arena->child_inherited = NULL;
}

void
kith__inherit_child_forked(struct kith__arena *arena)
{
    kith__free(arena->inherited);
    arena->inherited = arena->child_inherited;
    arena->inherited_count = arena->child_inherited_count;
    arena->child_inherited = NULL;
}

uint64_t
kith__inherit_take(struct kith__arena *arena, const struct kith__keep *keep)
{
    struct kith__inherited wanted = { .owner = keep->owner, .block = keep->block }, *found;
    uint64_t own;

    if (keep->owner == kith__owner_of(arena, arena->holder))
        return keep->block;
    if (arena->inherited == NULL)
        return 0;
    found = bsearch(&wanted, arena->inherited, arena->inherited_count, sizeof *found, by_handle);
    if (found == NULL)
        return 0;
    own = found->own;
    found->own = 0;
    return own;
}
