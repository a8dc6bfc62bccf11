/*
 * leads.c - what leads to what: which references there are, and which unnamed objects are kept.
 *
 * While an arena is walked with all its locks held, every reference is noted where its block is
 * marked, and so are the objects.  Each root's count must be the sum of what leads to it.  What is
 * in an object with a name of its own, or in the hands of a process, keeps its target, and a target
 * that is kept passes that on; circles that nothing leads into are what is left.
 */
#include "shm/leads.h"

#include <stdlib.h>
#include <string.h>

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
kith__leads_object(struct kith__walk *w, const struct kith__subject *subject)
{
    struct kith__leads *leads = &w->leads;
    void *list = leads->objects;
    struct kith__subject *at =
        one_more(w, &list, leads->object_count, &leads->object_room, sizeof *at);

    leads->objects = list;
    if (at == NULL)
        return;
    *at = *subject;
    leads->object_count++;
}

void
kith__walk_reference(struct kith__walk *w, uint64_t block, const struct kith__reference *reference)
{
    struct kith__leads *leads = &w->leads;
    void *list = leads->list;
    struct kith__lead *at = one_more(w, &list, leads->count, &leads->room, sizeof *at);

    leads->list = list;
    if (at == NULL)
        return;
    *at = (struct kith__lead){ .from = leads->from,
                               .to = kith__load(&reference->root),
                               .id = kith__load(&reference->id),
                               .block = block,
                               .weight = kith__load(&reference->weight) };
    if (!kith__made_read(reference->name, sizeof reference->name, &at->name))
        kith__walk_violation(w, "The reference at %#llx has no made name.",
                             (unsigned long long)block);
    else if (at->weight != KITH__REFERENCE_ITEM && at->weight != KITH__REFERENCE_HANDLE)
        kith__walk_violation(w, "The reference at %#llx counts as %#llx.",
                             (unsigned long long)block, (unsigned long long)at->weight);
    leads->count++;
}

void
kith__walk_item(struct kith__walk *w, uint64_t meta, uint64_t block, const void *data)
{
    struct kith__made to;
    unsigned class_index;
    uint64_t room;

    /* Else who reads the item reads what comes after it, too. */
    if (block != 0 && kith__block_at(w->arena, block, &room) &&
        room < KITH__META_TAG(meta) + KITH__META_SIZE(meta))
        kith__walk_violation(w, "The item at %#llx is longer than its memory.",
                             (unsigned long long)block);
    if (data != NULL && KITH__META_TYPE(meta) == KITH_TYPE_REFERENCE && KITH__META_TAG(meta) == 0 &&
        kith__made_read(data, KITH__META_SIZE(meta), &to) &&
        (block == 0 || kith__reference_at(w->arena, block, &class_index) == NULL))
        kith__walk_violation(w, "The item at %#llx is a reference and is not counted.",
                             (unsigned long long)block);
}

void
kith__leads_free(struct kith__leads *leads)
{
    kith__free(leads->objects);
    kith__free(leads->list);
    leads->objects = NULL;
    leads->list = NULL;
    leads->object_count = leads->count = 0;
}

/* ---- Looking up ------------------------------------------------------------------------- */

static int
by_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int
by_off(const void *a, const void *b)
{
    return by_number(((const struct kith__subject *)a)->off,
                     ((const struct kith__subject *)b)->off);
}

static int
by_made(const struct kith__made *a, const struct kith__made *b)
{
    return a->high != b->high ? by_number(a->high, b->high) : by_number(a->low, b->low);
}

/* Of pointers to unnamed objects. */
static int
by_name(const void *a, const void *b)
{
    return by_made(&(*(struct kith__subject *const *)a)->name,
                   &(*(struct kith__subject *const *)b)->name);
}

static int
lead_by_from(const void *a, const void *b)
{
    return by_number(((const struct kith__lead *)a)->from, ((const struct kith__lead *)b)->from);
}

static struct kith__subject *
object_at(const struct kith__leads *leads, uint64_t off)
{
    struct kith__subject wanted = { .off = off };

    return off == 0 || leads->object_count == 0
               ? NULL
               : bsearch(&wanted, leads->objects, leads->object_count, sizeof wanted, by_off);
}

struct kith__subject *
kith__leads_to(const struct kith__leads *leads, const struct kith__lead *lead)
{
    struct kith__subject *object = object_at(leads, lead->to);

    return object != NULL && object->id == lead->id && !object->ended ? object : NULL;
}

/* ---- Counting ----------------------------------------------------------------------------- */

static void
recount(struct kith__walk *w)
{
    struct kith__leads *leads = &w->leads;

    for (size_t i = 0; i < leads->count; i++) {
        struct kith__subject *object = kith__leads_to(leads, &leads->list[i]);

        if (object != NULL)
            object->found += leads->list[i].weight;
    }
    for (size_t i = 0; i < leads->object_count; i++) {
        const struct kith__subject *object = &leads->objects[i];

        if (object->found != object->count)
            kith__walk_violation(
                w,
                "The %s at %#llx counts %llu references and %llu handles, and has %llu and %llu.",
                kith_kind_name(object->kind), (unsigned long long)object->off,
                (unsigned long long)KITH__REFERENCE_ITEMS(object->count),
                (unsigned long long)KITH__REFERENCE_HANDLES(object->count),
                (unsigned long long)KITH__REFERENCE_ITEMS(object->found),
                (unsigned long long)KITH__REFERENCE_HANDLES(object->found));
    }
}

/* Leads what is loose to the objects of its names; only a load leaves any. */
static void
lead_loose(struct kith__walk *w)
{
    struct kith__leads *leads = &w->leads;
    struct kith__subject **names = NULL, wanted, *key = &wanted, **found;
    size_t count = 0;

    for (size_t i = 0; i < leads->count; i++) {
        struct kith__lead *lead = &leads->list[i];

        if (lead->to != 0)
            continue;
        if (names == NULL) {
            names = kith__malloc((leads->object_count + 1) * sizeof(struct kith__subject *));
            if (names == NULL) {
                w->marks_failed = true;
                w->err = KITH_ENOMEM;
                return;
            }
            for (size_t j = 0; j < leads->object_count; j++)
                if (leads->objects[j].unnamed)
                    names[count++] = &leads->objects[j];
            qsort(names, count, sizeof *names, by_name);
        }
        wanted.name = lead->name;
        found = count == 0 ? NULL : bsearch(&key, names, count, sizeof *names, by_name);
        if (found != NULL) {
            lead->to = (*found)->off;
            lead->id = (*found)->id;
            lead->loose = true;
        }
    }
    kith__free(names);
}

/* ---- Following -------------------------------------------------------------------------- */

/* What is to be followed still. */
struct todo {
    uint64_t *from;
    size_t count;
};

static void
keep(struct kith__subject *object, struct todo *todo)
{
    if (object == NULL || object->kept)
        return;
    object->kept = true;
    todo->from[todo->count++] = object->off; /* each is followed once */
}

static void
keep_all_from(const struct kith__leads *leads, uint64_t from, struct todo *todo)
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
        keep(kith__leads_to(leads, &leads->list[low]), todo);
}

uint64_t
kith__leads_follow(struct kith__walk *w)
{
    struct kith__leads *leads = &w->leads;
    struct todo todo = { NULL, 0 };
    uint64_t left = 0;

    if (w->err < 0)
        return 0;
    if (leads->object_count > 0)
        qsort(leads->objects, leads->object_count, sizeof *leads->objects, by_off);
    recount(w);
    lead_loose(w);
    todo.from = kith__calloc(leads->object_count + 1, sizeof *todo.from);
    if (w->err < 0 || todo.from == NULL) {
        kith__free(todo.from);
        w->marks_failed = true;
        w->err = KITH_ENOMEM;
        return 0;
    }
    if (leads->count > 0)
        qsort(leads->list, leads->count, sizeof *leads->list, lead_by_from);
    for (size_t i = 0; i < leads->object_count; i++)
        if (!leads->objects[i].unnamed)
            keep(&leads->objects[i], &todo);
    keep_all_from(leads, 0, &todo);
    while (todo.count > 0)
        keep_all_from(leads, todo.from[--todo.count], &todo);
    for (size_t i = 0; i < leads->object_count; i++)
        left += !leads->objects[i].kept;
    kith__free(todo.from);
    return left;
}
