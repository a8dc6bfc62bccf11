/*
 * vec.c - an actor's lists and its record, when what it holds does not fit its slot any more.
 *
 * STEPS    a longer extent is staged and filled; one mini record makes it the area, takes it from
 *          the staged blocks, and names the old one in `retired`; that is freed then
 * DEATH    up to the record the new extent is staged, and freed as such; after it the old one is
 *          in `retired`, which is freed before the next growing, or by the reaper
 */
#include <string.h>

#include "base/error.h"
#include "shm/alloc.h"
#include "shm/extent.h"

static kith_err
free_retired(struct kith__self *self)
{
    struct kith__actor *actor = self->actor;
    uint64_t retired = kith__load(&actor->retired);

    return retired == 0 ? KITH_OK : kith__block_free(self, retired, &actor->retired, 0);
}

/* `off`, the last staged block, becomes the vector's area; the old one is freed. */
static kith_err
adopt_area(struct kith__self *self, struct kith__vec *vec, uint64_t off, uint64_t room)
{
    struct kith__actor *actor = self->actor;
    struct kith__op mini;
    kith_err err;

    kith__op_begin_mini(&mini, self);
    kith__op_set(&mini, &actor->retired, kith__load(&vec->area));
    kith__op_set(&mini, &vec->area, off);
    kith__op_set(&mini, &vec->room, room);
    kith__op_set(&mini, &actor->staged.count, kith__load(&actor->staged.count) - 1);
    err = kith__op_commit(&mini);
    return err < 0 ? err : free_retired(self);
}

kith_err
kith__vec_grow(struct kith__self *self, struct kith__vec *vec, kith__word *inline_words,
               uint64_t need)
{
    uint64_t room = 8192, off, was;
    uint64_t inline_room = vec == &self->actor->ledger   ? KITH__LEDGER_INLINE
                           : vec == &self->actor->staged ? KITH__STAGED_INLINE
                                                         : KITH__TRASH_INLINE;
    struct kith__vec *outer = self->growing;
    kith__word *from, *to;
    kith_err err = free_retired(self);

    if (err < 0)
        return err;
    if (need > self->arena->size / sizeof(kith__word))
        return kith__fail(KITH_ECORRUPT, "A list of an actor in %s is broken; run kith check.",
                          self->arena->path ? self->arena->path : "the mem:// space");
    while (room < need)
        room *= 2;
    self->growing = vec;
    err = kith__extent_take(self, room * sizeof(kith__word), &off);
    self->growing = outer;
    if (err < 0)
        return err;
    to = kith__ptr(self->arena, off);
    was = kith__load(&vec->room);
    from = was > room ? NULL : kith__vec_at(self->arena, vec, inline_words, inline_room, was);
    /* Beyond the count, too: an operation may be writing trash there that is not yet counted. */
    for (uint64_t i = 0; from != NULL && i < was; i++)
        kith__store(&to[i], kith__load(&from[i]));
    return adopt_area(self, vec, off, room);
}

kith_err
kith__record_grow(struct kith__self *self, uint64_t room, uint64_t size,
                  const struct kith__redo *entries, uint32_t count)
{
    uint64_t off;
    kith_err err = free_retired(self);

    if (err == KITH_OK)
        err = kith__extent_take(self, size, &off);
    if (err < 0)
        return err;
    memcpy(kith__ptr(self->arena, off), entries, count * sizeof *entries);
    return adopt_area(self, &self->actor->record, off, room);
}
