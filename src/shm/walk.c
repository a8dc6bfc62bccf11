/*
 * walk.c - marking the blocks of an arena by their owners, and noting what is wrong.
 */
#include "shm/walk.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "shm/extent.h"

void
kith__walk_violation(struct kith__walk *w, const char *format, ...)
{
    va_list args;

    if (w->report.violations < KITH__VIOLATIONS_KEPT) {
        va_start(args, format);
        vsnprintf(w->sentences[w->report.violations], KITH__SENTENCE_SIZE, format, args);
        va_end(args);
    }
    w->report.violations++;
}

/* ---- Marks ------------------------------------------------------------------------------- */

bool
kith__walk_mark(struct kith__walk *w, uint64_t off, const char *what)
{
    uint64_t size, index = kith__granule_of(w->arena, off), bit;
    unsigned class_index;

    if ((off & 15) != 0 || index >= w->granules || !kith__block_at(w->arena, off, &size)) {
        kith__walk_violation(w, "%s at %#llx is not a block.", what, (unsigned long long)off);
        return false;
    }
    if (w->marks[index] == NULL) {
        w->marks[index] = kith__calloc(1, KITH__GRANULE / 16 / 8);
        if (w->marks[index] == NULL) {
            w->marks_failed = true;
            w->err = KITH_ENOMEM;
            return false;
        }
    }
    bit = off % KITH__GRANULE / 16;
    if ((w->marks[index][bit / 8] >> bit % 8 & 1) != 0) {
        kith__walk_violation(w, "%s at %#llx belongs to two owners.", what,
                             (unsigned long long)off);
        return false;
    }
    w->marks[index][bit / 8] |= (uint8_t)(1u << bit % 8);
    w->report.blocks++;
    w->report.bytes_used += size;
    if (!w->in_magazine) {
        const struct kith__reference *reference = kith__reference_at(w->arena, off, &class_index);

        if (reference != NULL)
            kith__walk_reference(w, off, reference);
    }
    return true;
}

bool
kith__walk_marked(const struct kith__walk *w, uint64_t off)
{
    uint64_t index = kith__granule_of(w->arena, off), bit = off % KITH__GRANULE / 16;

    return w->marks[index] != NULL && (w->marks[index][bit / 8] >> bit % 8 & 1) != 0;
}

/* ---- Locks ------------------------------------------------------------------------------- */

void
kith__walk_want(struct kith__walk *w, struct kith__lock *lock)
{
    if (w->lock_count == w->lock_room) {
        size_t room = w->lock_room ? 2 * w->lock_room : 256;
        struct kith__lock **locks = kith__realloc(w->locks, room * sizeof *locks);

        if (locks == NULL) {
            w->err = KITH_ENOMEM;
            return;
        }
        w->locks = locks;
        w->lock_room = room;
    }
    w->locks[w->lock_count++] = lock;
}
