/*
 * verify.c - checks a whole arena: the invariants of every structure, and that every block
 * belongs to exactly one owner.
 *
 * The locks of the catalog, of all objects, of all classes and of the extents are taken in the
 * order of their ranks, so that nothing but private lists of living actors can change.  For these
 * the states of all journals are summed up before and after; if they differ it starts over.
 *
 * Owners are marked in a private map of the heap, a bit for each block.  In the end each block
 * is marked once, or free in its span's bitmap, and not both.
 *
 * Unnamed objects that nothing keeps are ended while all objects are still locked, each in a record
 * of its own: nobody can store a reference to one between the look and its end.  For the same
 * reason loose references are counted then.
 */
#include "shm/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/extent.h"
#include "shm/kind.h"
#include "shm/leads.h"
#include "shm/reference.h"

#define ATTEMPTS 200

/* ---- Objects ----------------------------------------------------------------------------- */

/* Calls `each` for every entry of the catalog; its locks are held. */
static void
each_object(struct kith__walk *w, void (*each)(struct kith__walk *w, enum kith_kind kind,
                                               uint64_t off, struct kith__entry *entry))
{
    struct kith__dict catalog = kith__catalog_of(w->arena);
    unsigned count;
    struct kith__shard *shards =
        kith__dict_shards(&catalog, kith__load(&kith__dict_root(&catalog)->shards), &count);

    for (unsigned i = 0; shards != NULL && i < count; i++) {
        uint64_t left = kith__load(&shards[i].count);

        for (uint64_t off = kith__load(&shards[i].first); off != 0 && left > 0; left--) {
            struct kith__entry *entry = kith__at(w->arena, off, sizeof *entry);
            const struct kith__kind *kind;
            uint64_t meta;

            if (entry == NULL)
                break;
            meta = kith__load(&entry->meta);
            kind = kith__kind_of((enum kith_kind)KITH__META_TAG(meta));
            if (KITH__META_TYPE(meta) == KITH__TYPE_OBJECT && kind != NULL &&
                kith__at(w->arena, kith__load(&entry->value),
                         kith__class_size(kind->class_index)) != NULL)
                each(w, (enum kith_kind)KITH__META_TAG(meta), kith__load(&entry->value), entry);
            else
                kith__walk_violation(w, "The catalog's entry at %#llx is no object.",
                                     (unsigned long long)off);
            off = kith__load(&entry->next);
        }
    }
}

static void
note_object(struct kith__walk *w, enum kith_kind kind, uint64_t off, struct kith__entry *entry)
{
    struct kith__subject subject = { .kind = kind,
                                     .off = off,
                                     .id = kith__object_id(w->arena, off) };
    const kith__word *count = kith__reference_count(w->arena, kind, off);

    subject.unnamed = kith__made_read(entry->key, KITH__KEY_SIZE(entry->key_meta), &subject.name);
    subject.count = count != NULL ? kith__load(count) : 0;
    kith__leads_object(w, &subject);
}

static void
check_object(struct kith__walk *w, enum kith_kind kind, uint64_t off, struct kith__entry *entry)
{
    w->report.objects++;
    if (!kith__walk_mark(w, off, "An object"))
        return;
    if (kith__object_id(w->arena, off) == 0)
        kith__walk_violation(w, "The object at %#llx has a name but was destroyed.",
                             (unsigned long long)off);
    note_object(w, kind, off, entry);
    w->leads.from = off;
    if (kith__kind_of(kind)->check != NULL)
        kith__kind_of(kind)->check(w, off, true);
    w->leads.from = 0;
}

/* ---- Actors ------------------------------------------------------------------------------ */

static void
check_vec(struct kith__walk *w, struct kith__vec *vec, kith__word *words, unsigned id, bool trash)
{
    uint64_t count = kith__load(&vec->count);
    kith__word *at = kith__vec_at(w->arena, vec, words, KITH__TRASH_INLINE, count);

    if (kith__load(&vec->area) != 0)
        kith__walk_mark(w, kith__load(&vec->area), "A list of an actor");
    if (words == NULL)
        return;
    if (at == NULL || count > kith__load(&vec->room)) {
        kith__walk_violation(w, "A list of actor %u is broken.", id);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t off = kith__load(&at[i]) & ~KITH__TRASH_KIND;
        const struct kith__kind *kind =
            kith__kind_of((enum kith_kind)(kith__load(&at[i]) & KITH__TRASH_KIND));

        /* An overwritten entry may name a block too small for a root, at the arena's very end. */
        if (kith__walk_mark(w, off, trash ? "A block in the trash" : "A staged block") && trash &&
            kind != NULL && kind->check != NULL &&
            kith__at(w->arena, off, kith__class_size(kind->class_index)) != NULL)
            kind->check(w, off, false);
    }
}

/* References in a list: those that an actor dropped, or that a process keeps. */
static void
check_references(struct kith__walk *w, uint64_t off, bool kept)
{
    uint64_t before = 0;
    unsigned class_index;

    while (off != 0) {
        const struct kith__reference *reference = kith__reference_at(w->arena, off, &class_index);

        if (!kith__walk_mark(w, off, kept ? "A handle" : "A dropped reference"))
            return; /* it is met for the second time, too, where the list goes round */
        if (reference == NULL) {
            kith__walk_violation(w, "The reference at %#llx is none.", (unsigned long long)off);
            return;
        }
        if (kept && kith__load(&reference->prev) != before)
            kith__walk_violation(w, "The handle at %#llx has a wrong link back.",
                                 (unsigned long long)off);
        before = off;
        off = kith__load(&reference->next);
    }
}

static void
check_actor(struct kith__walk *w, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(w->arena, id);
    struct kith__magazines *magazines = kith__magazines_of(actor);
    uint64_t before = w->report.blocks;

    w->in_magazine = true;
    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++) {
        uint64_t count = kith__load(&magazines->count[c]);

        if (count > kith__class_room(c)) {
            kith__walk_violation(w, "A magazine of actor %u is broken.", id);
            continue;
        }
        for (uint64_t i = 0; i < count; i++)
            kith__walk_mark(w, kith__load(&kith__magazine_slots(magazines, c)[i]),
                            "A block in a magazine");
    }
    w->in_magazine = false;
    check_references(w, kith__load(&actor->dropped), false);
    check_vec(w, &actor->staged, actor->staged_inline, id, false);
    check_vec(w, &actor->trash, actor->trash_inline, id, true);
    check_vec(w, &actor->record, NULL, id, false);
    if (kith__load(&actor->ledger.area) != 0)
        kith__walk_mark(w, kith__load(&actor->ledger.area), "The ledger of an actor");
    if (kith__load(&actor->retired) != 0)
        kith__walk_mark(w, kith__load(&actor->retired), "A retired area of an actor");
    if (KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_FREE && w->report.blocks != before)
        kith__walk_violation(w, "The free slot %u owns %llu blocks: they leaked.", id,
                             (unsigned long long)(w->report.blocks - before));
}

/* ---- The allocator ----------------------------------------------------------------------- */

static void
check_span(struct kith__walk *w, uint64_t index)
{
    uint64_t off = kith__granule_off(w->arena, index), free_count = 0, size;
    struct kith__span *span = kith__span_at(w->arena, off);

    if (span == NULL) {
        kith__walk_violation(w, "The span at %#llx has a broken header.", (unsigned long long)off);
        return;
    }
    size = kith__class_size(span->class_index);
    for (unsigned b = 0; b < span->block_count; b++) {
        uint64_t block = off + span->first + b * size;
        bool is_free = (kith__load(&span->free[b / 64]) >> b % 64 & 1) != 0;

        free_count += is_free;
        if (is_free && kith__walk_marked(w, block))
            kith__walk_violation(w, "The block at %#llx is free and in use.",
                                 (unsigned long long)block);
        if (!is_free && !kith__walk_marked(w, block))
            kith__walk_violation(w, "The block at %#llx is neither free nor in use: it leaked.",
                                 (unsigned long long)block);
    }
    if (free_count != kith__load(&span->free_count))
        kith__walk_violation(
            w, "The span at %#llx counts %llu free blocks and has %llu.", (unsigned long long)off,
            (unsigned long long)kith__load(&span->free_count), (unsigned long long)free_count);
}

static void
check_classes(struct kith__walk *w, const uint64_t *spans)
{
    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++) {
        struct kith__class *class = kith__class_at(w->arena, c);
        uint64_t off = kith__load(&class->partial), before = 0, n = 0;

        for (; off != 0 && n <= w->granules; n++) {
            struct kith__span *span = kith__at(w->arena, off, sizeof *span);

            if (span == NULL || span->magic != (KITH__SPAN_MAGIC ^ off) || span->class_index != c ||
                kith__load(&span->prev) != before || kith__load(&span->free_count) == 0) {
                kith__walk_violation(w, "The list of spans of class %u is broken.", c);
                break;
            }
            before = off;
            off = kith__load(&span->next);
        }
        if (spans[c] != kith__load(&class->spans))
            kith__walk_violation(w, "Class %u counts %llu spans and has %llu.", c,
                                 (unsigned long long)kith__load(&class->spans),
                                 (unsigned long long)spans[c]);
    }
}

/*
 * How many runs of the kind are in a list that begins with `link`, both ways; false: it is broken.
 * They have at least `least` granules, and fewer than twice as many where `bounded`.
 */
static bool
count_runs(struct kith__walk *w, uint64_t link, unsigned kind, uint64_t least, bool bounded,
           uint64_t *count)
{
    for (uint64_t before = 0; link != 0; (*count)++) {
        struct kith__granule *at;
        uint64_t run;

        if (link > w->granules || *count > w->granules)
            return false;
        at = kith__granule_at(w->arena, link - 1);
        run = KITH__GRANULE_RUN(kith__load(&at->word));
        if (KITH__GRANULE_KIND(kith__load(&at->word)) != kind || kith__load(&at->prev) != before ||
            run < least || (bounded && run >= 2 * least))
            return false;
        before = link;
        link = kith__load(&at->next);
    }
    return true;
}

/* Each free run is in the bin of its length, each run in limbo in the list of these. */
static void
check_bins(struct kith__walk *w, uint64_t free_runs, uint64_t limbo_runs)
{
    struct kith__header *h = KITH__HEADER(w->arena);
    uint64_t n = 0, in_limbo = 0;

    for (unsigned bin = 0; bin < KITH__BINS; bin++)
        if (!count_runs(w, kith__load(&h->bin[bin]), KITH__GRANULE_FREE, UINT64_C(1) << bin,
                        bin < KITH__BINS - 1, &n)) {
            kith__walk_violation(w, "A list of free runs is broken.");
            return;
        }
    if (n != free_runs)
        kith__walk_violation(w, "%llu free runs are listed and %llu are there.",
                             (unsigned long long)n, (unsigned long long)free_runs);
    if (!count_runs(w, kith__load(&h->limbo), KITH__GRANULE_LIMBO, 1, false, &in_limbo))
        kith__walk_violation(w, "The list of runs in limbo is broken.");
    else if (in_limbo != limbo_runs)
        kith__walk_violation(w, "%llu runs are listed in limbo and %llu are there.",
                             (unsigned long long)in_limbo, (unsigned long long)limbo_runs);
}

/* The last granule of a run says the same of it as the first: whoever frees its neighbour looks. */
static void
check_tail(struct kith__walk *w, uint64_t index, uint64_t word)
{
    uint64_t run = KITH__GRANULE_RUN(word);
    unsigned tail = KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE ? KITH__GRANULE_FREE_TAIL
                                                                   : KITH__GRANULE_EXTENT_TAIL;
    uint64_t last = kith__load(&kith__granule_at(w->arena, index + run - 1)->word);

    if (run > 1 && (KITH__GRANULE_KIND(last) != tail || KITH__GRANULE_RUN(last) != run))
        kith__walk_violation(w, "The run at granule %llu has another end.",
                             (unsigned long long)index);
}

static void
check_heap(struct kith__walk *w)
{
    struct kith__header *h = KITH__HEADER(w->arena);
    uint64_t top = kith__load(&h->granules_top), used = 0, dirty = 0, free_runs = 0, limbo = 0;
    uint64_t spans[KITH__CLASS_COUNT] = { 0 };
    bool after_free = false;

    for (uint64_t index = 0; index < top;) {
        uint64_t word = kith__load(&kith__granule_at(w->arena, index)->word);
        uint64_t run = KITH__GRANULE_RUN(word), off = kith__granule_off(w->arena, index);
        bool is_free = KITH__GRANULE_KIND(word) == KITH__GRANULE_FREE;

        if (run == 0 || index + run > top) {
            kith__walk_violation(w, "The run at granule %llu is broken.",
                                 (unsigned long long)index);
            return;
        }
        switch (KITH__GRANULE_KIND(word)) {
        case KITH__GRANULE_FREE:
            free_runs++;
            if (after_free)
                kith__walk_violation(w, "Two free runs are neighbours.");
            if ((word & KITH__GRANULE_DIRTY) != 0)
                dirty += run;
            else if ((word & KITH__GRANULE_WHOLE) != 0)
                kith__walk_violation(w, "The free run at granule %llu is whole and has no memory.",
                                     (unsigned long long)index);
            break;
        case KITH__GRANULE_SPAN:
            used += run;
            if (kith__span_at(w->arena, off) != NULL)
                spans[kith__span_at(w->arena, off)->class_index]++;
            check_span(w, index);
            break;
        case KITH__GRANULE_EXTENT:
            used += run;
            if (!kith__walk_marked(w, off))
                kith__walk_violation(w, "The extent at %#llx has no owner: it leaked.",
                                     (unsigned long long)off);
            break;
        case KITH__GRANULE_LIMBO:
            used += run;
            limbo++;
            break;
        default:
            kith__walk_violation(w, "The run at granule %llu is of no known kind.",
                                 (unsigned long long)index);
            return;
        }
        check_tail(w, index, word);
        after_free = is_free;
        index += run;
    }
    if (used != kith__load(&h->used) || dirty != kith__load(&h->dirty))
        kith__walk_violation(
            w, "%llu granules are counted as used and %llu as dirty; %llu and %llu are.",
            (unsigned long long)kith__load(&h->used), (unsigned long long)kith__load(&h->dirty),
            (unsigned long long)used, (unsigned long long)dirty);
    check_bins(w, free_runs, limbo);
    check_classes(w, spans);
}

/* ---- Locks ------------------------------------------------------------------------------- */

static void
want_object(struct kith__walk *w, enum kith_kind kind, uint64_t off, struct kith__entry *entry)
{
    (void)entry;
    if (kith__kind_of(kind)->want != NULL)
        kith__kind_of(kind)->want(w, off, w->rank);
}

static int
by_address(const void *a, const void *b)
{
    const uint8_t *x = *(uint8_t *const *)a, *y = *(uint8_t *const *)b;

    return x < y ? -1 : x > y;
}

/* Whether there are more locks than the ledger was made ready for: then it starts over. */
static bool
too_many(struct kith__walk *w)
{
    size_t held = kith__load(&w->self->actor->ledger.count) - w->held;

    if (held + w->lock_count + KITH__LEDGER_SPARE <= kith__load(&w->self->actor->ledger.room))
        return false;
    w->guess = 2 * w->lock_count;
    w->err = KITH_ECONFLICT;
    return true;
}

static kith_err
take_wanted(struct kith__walk *w, size_t from)
{
    if (w->err < 0 || too_many(w))
        return w->err;
    qsort(w->locks + from, w->lock_count - from, sizeof *w->locks, by_address);
    for (; w->err == KITH_OK && w->held < w->lock_count; w->held++) {
        w->err = kith__lock_acquire(w->self, w->locks[w->held]);
        if (w->err < 0)
            break;
    }
    return w->err;
}

static void
release_taken(struct kith__walk *w, size_t down_to)
{
    while (w->held > down_to)
        kith__lock_release(w->self, w->locks[--w->held]);
}

/* All locks, rank by rank; the catalog's first, so that the objects stay what they are. */
static kith_err
lock_everything(struct kith__walk *w)
{
    struct kith__header *h = KITH__HEADER(w->arena);
    struct kith__dict catalog = kith__catalog_of(w->arena);
    size_t from;

    w->err = kith__ledger_reserve(w->self, w->guess);
    if (w->err < 0)
        return w->err;
    w->lock_count = w->held = 0;
    kith__dict_kind.want(w, catalog.off, KITH__RANK_OBJECT);
    if (take_wanted(w, 0) < 0)
        return w->err;
    for (w->rank = KITH__RANK_OBJECT; w->rank < KITH__RANK_COUNT; w->rank++) {
        from = w->lock_count;
        each_object(w, want_object);
        take_wanted(w, from);
    }
    from = w->lock_count;
    for (unsigned i = 0; i < KITH__STRIPES; i++)
        kith__walk_want(w, &h->stripes[i].lock);
    take_wanted(w, from);
    w->inner = from = w->lock_count;
    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++)
        kith__walk_want(w, &h->classes[c].lock);
    take_wanted(w, from);
    from = w->lock_count;
    kith__walk_want(w, &h->extent_lock); /* below the classes in rank, whatever its address */
    return take_wanted(w, from);
}

/*
 * A number that changes with every record of anybody; *rest_out: no record is being carried out.
 * One that holds no lock, the freeing of a block, may be half done for as long as its process is
 * stopped.
 */
static uint64_t
sum_of_journals(struct kith__arena *arena, bool *rest_out)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top), sum = 0;

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        uint64_t main = kith__load_acquire(&actor->main.state);
        uint64_t mini = kith__load_acquire(&actor->mini.state);

        *rest_out = *rest_out && ((main | mini) & KITH__COMMITTED) == 0;
        sum += main + mini;
        sum += kith__load_acquire(&actor->state) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return sum;
}

static void
walk_everything(struct kith__walk *w)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(w->arena)->actors_top);
    struct kith__dict catalog = kith__catalog_of(w->arena);

    kith__dict_kind.check(w, catalog.off, true);
    each_object(w, check_object);
    for (unsigned id = 1; id <= top && id <= w->arena->actors_max; id++)
        check_actor(w, id);
    top = kith__load_acquire(&KITH__HEADER(w->arena)->holders_top);
    for (unsigned slot = 1; slot <= top && slot <= KITH__HOLDERS_MAX; slot++)
        check_references(w, kith__load(&kith__holder_at(w->arena, slot)->kept), true);
    check_heap(w);
    w->report.unreached = kith__leads_follow(w);
}

static void
forget_marks(struct kith__walk *w)
{
    for (uint64_t i = 0; w->marks != NULL && i < w->granules; i++)
        kith__free(w->marks[i]);
    kith__free(w->marks);
    w->marks = NULL;
}

/* ---- Unnamed objects, all objects still locked -------------------------------------------------
 */

/* Leads that named no root are counted from now on. */
static kith_err
adopt(struct kith__walk *w)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < w->leads.count && err == KITH_OK; i++) {
        const struct kith__lead *lead = &w->leads.list[i];
        const struct kith__subject *object = lead->loose ? kith__leads_to(&w->leads, lead) : NULL;
        unsigned class_index;
        struct kith__reference *reference =
            object == NULL ? NULL : kith__reference_at(w->arena, lead->block, &class_index);
        kith__word *count =
            object == NULL ? NULL : kith__reference_count(w->arena, object->kind, object->off);
        struct kith__op mini;

        if (reference == NULL || count == NULL)
            continue;
        reference->kind = (uint32_t)object->kind;
        kith__op_begin_mini(&mini, w->self);
        kith__op_set(&mini, &reference->root, object->off);
        kith__op_set(&mini, &reference->id, object->id);
        kith__op_set(&mini, count, kith__load(count) + lead->weight);
        err = kith__op_commit(&mini);
    }
    return err;
}

/* One object that nothing keeps, as kith_destroy() ends it. */
static kith_err
end_object(struct kith__walk *w, const struct kith__subject *subject)
{
    struct kith__dict catalog = kith__catalog_of(w->arena);
    const struct kith__kind *kind = kith__kind_of(subject->kind);
    struct kith__object object = { .kind = subject->kind, .off = subject->off, .id = subject->id };
    struct kith__shard *shards;
    char name[KITH_MADE_NAME_SIZE];
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;
    unsigned count;
    kith_err err;

    kith__made_write(subject->name, name);
    err = kith__key_make(w->arena->hash_key, kith_str(name), &key);
    if (err < 0)
        return err;
    shards = kith__dict_shards(&catalog, kith__load(&kith__dict_root(&catalog)->shards), &count);
    kith__op_begin(&op, w->self);
    err = kith__table_find(&op, count == 1 ? shards : shards + kith__shard_of(key.hash), &key,
                           &place);
    kith__key_free(&key);
    if (err < 0 || place.entry == NULL)
        return err < 0 ? err : KITH_ENOENT;
    err = kith__table_delete(&op, &place, false);
    if (err == KITH_OK) {
        kind->end(&op, &object);
        err = kith__op_commit(&op);
    }
    if (err < 0)
        kith__op_abort(&op);
    else if (kind->ended != NULL)
        kind->ended(w->self, &object);
    return err;
}

static kith_err
end_unreached(struct kith__walk *w)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < w->leads.object_count && err == KITH_OK; i++)
        if (!w->leads.objects[i].kept) {
            err = end_object(w, &w->leads.objects[i]);
            w->leads.objects[i].ended = err == KITH_OK;
        }
    return err;
}

/* No lock is held any more; how many there are. */
static uint64_t
wake_ended(struct kith__walk *w)
{
    uint64_t n = 0;

    for (size_t i = 0; i < w->leads.object_count; i++) {
        const struct kith__subject *object = &w->leads.objects[i];

        if (!object->ended)
            continue;
        n++;
        if (kith__kind_of(object->kind)->wake_all != NULL)
            kith__kind_of(object->kind)->wake_all(w->self, object->off);
    }
    return n;
}

/* ---- The whole --------------------------------------------------------------------------------
 */

/* `mend`: what is loose is counted; NULL, or how many objects were ended that nothing kept. */
static kith_err
verify(struct kith__self *self, int (*each)(const char *sentence, void *arg), void *arg,
       struct kith_report *report_out, bool mend, uint64_t *ended_out)
{
    struct kith__walk w = { .self = self,
                            .arena = self->arena,
                            .guess = KITH__CLASS_COUNT + KITH__STRIPES + 16 };

    w.sentences = kith__calloc(KITH__VIOLATIONS_KEPT, KITH__SENTENCE_SIZE);
    for (unsigned tries = 0; w.sentences != NULL && tries < ATTEMPTS; tries++) {
        uint64_t before;
        bool rest = true;

        if (tries > 0)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        w.report = (struct kith_report){ 0 };
        w.leads.count = w.leads.object_count = 0;
        w.err = lock_everything(&w);
        w.granules = kith__load(&KITH__HEADER(w.arena)->granules_top);
        if (w.granules > w.arena->granules_max)
            w.granules = w.arena->granules_max;
        w.marks = kith__calloc(w.granules + 1, sizeof *w.marks);
        before = sum_of_journals(w.arena, &rest);
        if (w.err == KITH_OK && !rest)
            w.err = KITH_ECONFLICT;
        if (w.err == KITH_OK && w.marks != NULL)
            walk_everything(&w);
        if (w.err == KITH_OK && (w.marks == NULL || before != sum_of_journals(w.arena, &rest)))
            w.err = w.marks == NULL ? KITH_ENOMEM : KITH_ECONFLICT;
        w.marks_failed |= w.marks == NULL;
        if (w.err == KITH_OK && w.report.violations == 0 && mend) {
            release_taken(&w, w.inner);
            w.err = adopt(&w);
            if (w.err == KITH_OK && ended_out != NULL)
                w.err = end_unreached(&w);
        }
        release_taken(&w, 0);
        if (ended_out != NULL)
            *ended_out = wake_ended(&w);
        forget_marks(&w);
        if (w.err != KITH_ECONFLICT)
            break;
    }
    kith__op_end(self);
    kith__free(w.locks);
    if (w.sentences == NULL || (w.err == KITH_ENOMEM && w.marks_failed))
        w.err = kith__fail(KITH_ENOMEM, "This process has no memory to check the space with.");
    else if (w.err == KITH_ECONFLICT)
        w.err = kith__fail(KITH_EUNAVAILABLE, "The space did not come to rest to be checked.");
    else if (w.err == KITH_ECORRUPT)
        w.err = kith__fail(KITH_ECORRUPT, "The locks of the space cannot all be taken, since its "
                                          "structures are overwritten.");
    if (w.err == KITH_OK) {
        if (w.report.violations > 0)
            snprintf(w.report.first, sizeof w.report.first, "%s", w.sentences[0]);
        for (uint64_t i = 0; each != NULL && i < w.report.violations && i < KITH__VIOLATIONS_KEPT;
             i++)
            if (each(w.sentences[i], arg) != 0)
                break;
        *report_out = w.report;
        if (w.report.violations > 0)
            w.err = kith__fail(KITH_ECORRUPT, "The space breaks %llu invariants, first of all: %s",
                               (unsigned long long)w.report.violations, w.report.first);
    }
    kith__free(w.sentences);
    kith__leads_free(&w.leads);
    return w.err;
}

kith_err
kith__verify(struct kith__self *self, int (*each)(const char *sentence, void *arg), void *arg,
             struct kith_report *report_out)
{
    return verify(self, each, arg, report_out, false, NULL);
}

kith_err
kith__references_adopt(struct kith__self *self)
{
    struct kith_report report;
    kith_err err = verify(self, NULL, NULL, &report, true, NULL);

    return err == KITH_ECORRUPT ? KITH_OK : err;
}

/* Most spaces have no unnamed object, and need not come to rest for this. */
static kith_err
any_unnamed(struct kith__self *self, bool *any_out)
{
    struct kith__dict catalog = kith__catalog_of(self->arena);
    struct kith__copy copy;
    kith_err err = kith__dict_copy(self, &catalog, false, &copy);

    *any_out = false;
    if (err < 0)
        return err;
    for (uint64_t i = 0; i < copy.count && !*any_out; i++) {
        struct kith_item name = kith__copy_key(&copy, i);
        struct kith__made made;

        *any_out = name.type == KITH_TYPE_STR && kith__made_read(name.data, name.size, &made);
    }
    kith__copy_free(&copy);
    return KITH_OK;
}

kith_err
kith__unreached_free(struct kith__self *self, uint64_t *freed_out)
{
    struct kith_report report;
    bool any;
    kith_err err = any_unnamed(self, &any);

    *freed_out = 0;
    if (err < 0 || !any)
        return err;
    err = verify(self, NULL, NULL, &report, true, freed_out);
    return err == KITH_ECORRUPT || err == KITH_EUNAVAILABLE ? KITH_OK : err;
}
