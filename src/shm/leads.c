/*
 * leads.c - what leads to what: which unnamed objects are kept.
 *
 * While an arena is walked with all its locks held, references to made names are noted, and so are
 * the unnamed objects.  What is in an object with a name of its own keeps its target, and a target
 * that is kept passes that on; circles that nothing leads into are what is left.
 */
#include "shm/leads.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "shm/layout.h"

/* Room for one more in a list; NULL with the walk's error set. */
static void *
one_more(struct kith__walk *w, void **list, size_t count, size_t *room, size_t size)
{
    if (count == *room) {
        size_t wider = *room != 0 ? 2 * *room : 64;
        void *longer = kith__realloc(*list, wider * size);

        if (longer == NULL) {
            w->marks_failed = true;
            w->err = KITH_ENOMEM;
            return NULL;
        }
        *list = longer;
        *room = wider;
    }
    return (uint8_t *)*list + count * size;
}

void
kith__leads_unnamed(struct kith__walk *w, const struct kith__unnamed *unnamed)
{
    struct kith__leads *leads = &w->leads;
    void *list = leads->unnamed;
    struct kith__unnamed *at =
        one_more(w, &list, leads->unnamed_count, &leads->unnamed_room, sizeof *at);

    leads->unnamed = list;
    if (at == NULL)
        return;
    *at = *unnamed;
    leads->unnamed_count++;
}

void
kith__walk_item(struct kith__walk *w, uint64_t meta, const void *data)
{
    struct kith__leads *leads = &w->leads;
    void *list = leads->list;
    struct kith__lead *at;
    struct kith__made to;

    if (leads->from == 0 || data == NULL || KITH__META_TYPE(meta) != KITH_TYPE_REFERENCE ||
        KITH__META_TAG(meta) != 0 || !kith__made_read(data, KITH__META_SIZE(meta), &to))
        return;
    at = one_more(w, &list, leads->count, &leads->room, sizeof *at);
    leads->list = list;
    if (at == NULL)
        return;
    *at = (struct kith__lead){ leads->from, to };
    leads->count++;
}

/* ---- Following -------------------------------------------------------------------------- */

static int
by_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
by_made(const struct kith__made *a, const struct kith__made *b)
{
    return a->high != b->high ? by_number(a->high, b->high) : by_number(a->low, b->low);
}

static int
unnamed_by_name(const void *a, const void *b)
{
    return by_made(&((const struct kith__unnamed *)a)->name,
                   &((const struct kith__unnamed *)b)->name);
}

static int
lead_by_from(const void *a, const void *b)
{
    return by_number(((const struct kith__lead *)a)->from, ((const struct kith__lead *)b)->from);
}

/* Roots of unnamed objects, to tell those from objects with names of their own. */
static int
off_by_number(const void *a, const void *b)
{
    return by_number(*(const uint64_t *)a, *(const uint64_t *)b);
}

/* An unnamed object that is led to is kept; what it has is still to be followed. */
static void
keep(const struct kith__leads *leads, const struct kith__made *name, uint64_t *todo, size_t *count)
{
    struct kith__unnamed wanted = { .name = *name }, *found;

    found = bsearch(&wanted, leads->unnamed, leads->unnamed_count, sizeof wanted, unnamed_by_name);
    if (found == NULL || found->kept)
        return;
    found->kept = true;
    todo[(*count)++] = found->off;
}

static void
keep_all_from(const struct kith__leads *leads, uint64_t from, uint64_t *todo, size_t *count)
{
    size_t low = 0, high = leads->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (leads->list[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < leads->count && leads->list[low].from == from; low++)
        keep(leads, &leads->list[low].to, todo, count);
}

uint64_t
kith__leads_follow(struct kith__walk *w)
{
    struct kith__leads *leads = &w->leads;
    size_t count = leads->unnamed_count, todo_count = 0;
    uint64_t *todo, *roots, left = 0;

    if (count == 0 || w->err < 0)
        return 0;
    todo = kith__calloc(2 * count, sizeof *todo); /* each is followed once */
    if (todo == NULL) {
        w->marks_failed = true;
        w->err = KITH_ENOMEM;
        return 0;
    }
    roots = todo + count;
    for (size_t i = 0; i < count; i++)
        roots[i] = leads->unnamed[i].off;
    qsort(roots, count, sizeof *roots, off_by_number);
    qsort(leads->unnamed, count, sizeof *leads->unnamed, unnamed_by_name);
    if (leads->count > 0)
        qsort(leads->list, leads->count, sizeof *leads->list, lead_by_from);
    for (size_t i = 0; i < count; i++)
        if (leads->unnamed[i].kept)
            todo[todo_count++] = leads->unnamed[i].off;
    for (size_t i = 0; i < leads->count; i++)
        if (bsearch(&leads->list[i].from, roots, count, sizeof *roots, off_by_number) == NULL)
            keep(leads, &leads->list[i].to, todo, &todo_count);
    while (todo_count > 0)
        keep_all_from(leads, todo[--todo_count], todo, &todo_count);
    for (size_t i = 0; i < count; i++)
        left += !leads->unnamed[i].kept;
    kith__free(todo);
    return left;
}
