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
 */
#include "shm/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/catalog.h"
#include "shm/extent.h"
#include "shm/queue.h"
#include "shm/sync.h"

#define ATTEMPTS 200
#define VIOLATIONS_KEPT 64
#define SENTENCE_SIZE 192

struct walk {
    struct kith__self *self;
    struct kith__arena *arena;
    uint8_t **marks; /* for each granule, a bit for each 16 bytes of it; NULL: none yet */
    uint64_t granules;
    struct kith_report report;
    char (*sentences)[SENTENCE_SIZE];
    struct kith__lock **locks;
    size_t lock_count, lock_room, held;
    size_t guess; /* how many locks there are */
    bool marks_failed;
    kith_err err;
};

__attribute__((format(printf, 2, 3))) static void
violation(struct walk *w, const char *format, ...)
{
    va_list args;

    if (w->report.violations < VIOLATIONS_KEPT) {
        va_start(args, format);
        vsnprintf(w->sentences[w->report.violations], SENTENCE_SIZE, format, args);
        va_end(args);
    }
    w->report.violations++;
}

/* ---- Marks ------------------------------------------------------------------------------- */

/* The block at `off` has an owner: `what`.  False if it is no block, or has one already. */
static bool
mark(struct walk *w, uint64_t off, const char *what)
{
    uint64_t size, index = kith__granule_of(w->arena, off), bit;

    if ((off & 15) != 0 || index >= w->granules || !kith__block_at(w->arena, off, &size)) {
        violation(w, "%s at %#llx is not a block.", what, (unsigned long long)off);
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
        violation(w, "%s at %#llx belongs to two owners.", what, (unsigned long long)off);
        return false;
    }
    w->marks[index][bit / 8] |= (uint8_t)(1u << bit % 8);
    w->report.blocks++;
    w->report.bytes_used += size;
    return true;
}

static bool
is_marked(const struct walk *w, uint64_t off)
{
    uint64_t index = kith__granule_of(w->arena, off), bit = off % KITH__GRANULE / 16;

    return w->marks[index] != NULL && (w->marks[index][bit / 8] >> bit % 8 & 1) != 0;
}

/* ---- Dict -------------------------------------------------------------------------------- */

static bool
in_its_place(struct walk *w, struct kith__bucket *buckets, uint64_t mask, uint64_t hash,
             uint64_t off, uint8_t *displaced)
{
    for (unsigned d = 0; d < KITH__PROBES && d <= mask; d++) {
        struct kith__bucket *bucket = &buckets[(hash + d) & mask];

        for (unsigned s = 0; s < KITH__SLOTS; s++)
            if (kith__slot_off(kith__load(&bucket->slot[s])) == off) {
                if (kith__load(&bucket->slot[s]) >> 48 != kith__tag_of(hash) >> 48)
                    violation(w, "The slot of the entry at %#llx has another tag.",
                              (unsigned long long)off);
                for (unsigned i = 0; i < d; i++)
                    displaced[(hash + i) & mask]++;
                return true;
            }
    }
    return false;
}

static void
check_entries(struct walk *w, struct kith__shard *shard, struct kith__bucket *buckets,
              uint64_t mask, uint8_t *displaced)
{
    uint64_t off = kith__load(&shard->first), before = 0, ticket = 0, n = 0;
    uint64_t count = kith__load(&shard->count);

    while (off != 0) {
        struct kith__entry *entry = kith__at(w->arena, off, sizeof *entry);
        uint64_t meta;

        if (entry == NULL || !mark(w, off, "An entry of a dict"))
            return;
        if (++n > count)
            break;
        meta = kith__load(&entry->meta);
        if (kith__load(&entry->prev) != before)
            violation(w, "The entry at %#llx has a wrong link back.", (unsigned long long)off);
        if (entry->ticket <= ticket)
            violation(w, "The entry at %#llx is out of order.", (unsigned long long)off);
        if (buckets != NULL && !in_its_place(w, buckets, mask, entry->hash, off, displaced))
            violation(w, "The entry at %#llx is in no bucket it could be found in.",
                      (unsigned long long)off);
        if (!kith__meta_inline(meta))
            mark(w, kith__load(&entry->value), "An item of a dict");
        before = off;
        ticket = entry->ticket;
        off = kith__load(&entry->next);
    }
    if (n != count)
        violation(w, "A shard counts %llu entries and lists %llu.", (unsigned long long)count,
                  (unsigned long long)n);
    if (kith__load(&shard->last) != before)
        violation(w, "A shard's last entry is not the last of its list.");
}

static void
check_shard(struct walk *w, struct kith__shard *shard)
{
    uint64_t table = kith__load(&shard->table), mask = kith__table_mask(table), filled = 0;
    struct kith__bucket *buckets = NULL;
    uint8_t *displaced = NULL;

    if (shard->lock.tag != kith__lock_tag(kith__off(w->arena, &shard->lock)))
        violation(w, "The lock of a shard is no lock.");
    if (kith__load(&shard->intent) != 0)
        violation(w, "A shard is covered by actor %llu, which has no record.",
                  (unsigned long long)kith__load(&shard->intent));
    if (table != 0) {
        if ((table & 63) > 40 || !mark(w, kith__table_off(table), "A table of a dict"))
            return;
        buckets = kith__at(w->arena, kith__table_off(table), (mask + 1) * sizeof *buckets);
        displaced = kith__calloc(1, mask + 1);
        if (buckets == NULL || displaced == NULL) {
            kith__free(displaced);
            return;
        }
    }
    check_entries(w, shard, buckets, mask, displaced);
    for (uint64_t b = 0; buckets != NULL && b <= mask; b++) {
        uint64_t head = kith__load(&buckets[b].head);

        if ((head & KITH__HEAD_ACTOR) != 0)
            violation(w, "A bucket is covered by actor %llu, which has no record.",
                      (unsigned long long)(head & KITH__HEAD_ACTOR));
        if ((head & KITH__HEAD_OVERFLOW) / KITH__HEAD_OVERFLOW_ONE != displaced[b])
            violation(w, "A bucket counts %u displaced entries and has %u.",
                      (unsigned)((head & KITH__HEAD_OVERFLOW) / KITH__HEAD_OVERFLOW_ONE),
                      displaced[b]);
        for (unsigned s = 0; s < KITH__SLOTS; s++)
            filled += kith__load(&buckets[b].slot[s]) != 0;
    }
    if (buckets != NULL && filled != kith__load(&shard->count))
        violation(w, "A table has %llu slots filled for %llu entries.", (unsigned long long)filled,
                  (unsigned long long)kith__load(&shard->count));
    kith__free(displaced);
}

/* `whole`: a live dict; else a carcass, whose entries are in no table any more. */
static void
check_dict(struct walk *w, uint64_t off, bool whole)
{
    struct kith__dict_root *root = kith__ptr(w->arena, off);
    uint64_t shards_off = kith__load(&root->shards);
    struct kith__shard *shards = NULL;

    if (shards_off != 0) {
        if (!mark(w, shards_off, "The shards of a dict"))
            return;
        shards = kith__at(w->arena, shards_off, KITH__SHARDS * sizeof *shards);
    }
    for (unsigned i = 0; i < (shards != NULL ? KITH__SHARDS + 1 : 1); i++) {
        struct kith__shard *shard = i == 0 ? &root->own : &shards[i - 1];

        if (whole) {
            check_shard(w, shard);
            continue;
        }
        for (uint64_t entry_off = kith__load(&shard->first), n = 0; entry_off != 0; n++) {
            struct kith__entry *entry = kith__at(w->arena, entry_off, sizeof *entry);

            if (entry == NULL || !mark(w, entry_off, "An entry of a dict taken apart"))
                break;
            if (!kith__meta_inline(kith__load(&entry->meta)))
                mark(w, kith__load(&entry->value), "An item of a dict taken apart");
            entry_off = kith__load(&entry->next);
        }
        if (kith__load(&shard->table) != 0)
            mark(w, kith__table_off(kith__load(&shard->table)), "A table of a dict taken apart");
    }
}

/* ---- Queue ------------------------------------------------------------------------------- */

static uint64_t
check_list(struct walk *w, const struct kith__queue_root *root, uint64_t off, uint64_t last,
           bool lent, uint64_t *ticket, uint64_t limit)
{
    uint64_t n = 0, before = 0;

    for (; off != 0; n++) {
        struct kith__node *node = kith__node_at(w->arena, off);

        if (node == NULL || n > limit || !mark(w, off, "An item of a queue"))
            return n;
        if (kith__load(&node->magic) != (KITH__NODE_MAGIC ^ kith__load(&root->id)))
            violation(w, "The item at %#llx is not of its queue.", (unsigned long long)off);
        if ((kith__load(&node->fence) != 0) != lent)
            violation(w, "The item at %#llx %s.", (unsigned long long)off,
                      lent ? "is lent without a fence" : "has a fence and is not lent");
        if (lent && (kith__load(&node->prev) != before || kith__load(&node->owner) == 0))
            violation(w, "The lent item at %#llx has a wrong link or no owner.",
                      (unsigned long long)off);
        if (ticket != NULL && node->ticket <= *ticket)
            violation(w, "The item at %#llx is out of order.", (unsigned long long)off);
        if (ticket != NULL)
            *ticket = node->ticket;
        before = off;
        off = kith__load(&node->next);
    }
    if (before != last)
        violation(w, "A queue's last item is not the last of its list.");
    return n;
}

static void
check_queue(struct walk *w, uint64_t off, bool whole)
{
    struct kith__queue_root *root = kith__ptr(w->arena, off);
    uint64_t total = kith__load(&root->put) - kith__load(&root->taken), n, ticket = 0;
    uint64_t back, lent, limit = w->arena->size / sizeof(struct kith__node);

    if (!whole) {
        const kith__word *lists[] = { &root->in_first, &root->out_first, &root->back_first,
                                      &root->lent_first };
        for (unsigned i = 0; i < 4; i++)
            for (uint64_t at = kith__load(lists[i]), steps = 0; at != 0 && steps < limit; steps++) {
                struct kith__node *node = kith__node_at(w->arena, at);

                if (node == NULL || !mark(w, at, "An item of a queue taken apart"))
                    break;
                at = kith__load(&node->next);
            }
        return;
    }
    back = check_list(w, root, kith__load(&root->back_first), kith__load(&root->back_last), false,
                      &ticket, limit);
    n = check_list(w, root, kith__load(&root->out_first), kith__load(&root->out_last), false,
                   &ticket, limit);
    n += check_list(w, root, kith__load(&root->in_first), kith__load(&root->in_last), false,
                    &ticket, limit);
    lent = check_list(w, root, kith__load(&root->lent_first), kith__load(&root->lent_last), true,
                      NULL, limit);
    if (n + back + lent != total)
        violation(w, "A queue counts %llu items and lists %llu.", (unsigned long long)total,
                  (unsigned long long)(n + back + lent));
    if (lent != kith__load(&root->lent_count) || back != kith__load(&root->back_count))
        violation(w, "A queue counts %llu lent and %llu returned items, and lists %llu and %llu.",
                  (unsigned long long)kith__load(&root->lent_count),
                  (unsigned long long)kith__load(&root->back_count), (unsigned long long)lent,
                  (unsigned long long)back);
}

/* ---- Objects ----------------------------------------------------------------------------- */

/* Calls `each` for every entry of the catalog; its locks are held. */
static void
each_object(struct walk *w, void (*each)(struct walk *w, enum kith_kind kind, uint64_t off))
{
    struct kith__dict catalog = kith__catalog_of(w->arena);
    unsigned count;
    struct kith__shard *shards =
        kith__dict_shards(&catalog, kith__load(&kith__dict_root(&catalog)->shards), &count);

    for (unsigned i = 0; shards != NULL && i < count; i++) {
        uint64_t left = kith__load(&shards[i].count);

        for (uint64_t off = kith__load(&shards[i].first); off != 0 && left > 0; left--) {
            struct kith__entry *entry = kith__at(w->arena, off, sizeof *entry);
            uint64_t meta;

            if (entry == NULL)
                break;
            meta = kith__load(&entry->meta);
            if (KITH__META_TYPE(meta) == KITH__TYPE_OBJECT &&
                kith__at(w->arena, kith__load(&entry->value), 384) != NULL)
                each(w, (enum kith_kind)KITH__META_TAG(meta), kith__load(&entry->value));
            else
                violation(w, "The catalog's entry at %#llx is no object.", (unsigned long long)off);
            off = kith__load(&entry->next);
        }
    }
}

static void
check_object(struct walk *w, enum kith_kind kind, uint64_t off)
{
    w->report.objects++;
    if (!mark(w, off, "An object"))
        return;
    if (kith__object_id(w->arena, off) == 0)
        violation(w, "The object at %#llx has a name but was destroyed.", (unsigned long long)off);
    switch (kind) {
    case KITH_KIND_DICT:
        check_dict(w, off, true);
        break;
    case KITH_KIND_QUEUE:
        check_queue(w, off, true);
        break;
    case KITH_KIND_LOCK:
    case KITH_KIND_EVENT:
        break;
    default:
        violation(w, "The object at %#llx is of no known kind.", (unsigned long long)off);
    }
}

/* ---- Actors ------------------------------------------------------------------------------ */

static void
check_vec(struct walk *w, struct kith__vec *vec, kith__word *words, unsigned id, bool trash)
{
    uint64_t count = kith__load(&vec->count);
    kith__word *at = kith__vec_at(w->arena, vec, words, KITH__TRASH_INLINE, count);

    if (kith__load(&vec->area) != 0)
        mark(w, kith__load(&vec->area), "A list of an actor");
    if (words == NULL)
        return;
    if (at == NULL || count > kith__load(&vec->room)) {
        violation(w, "A list of actor %u is broken.", id);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t off = kith__load(&at[i]) & ~UINT64_C(7), kind = kith__load(&at[i]) & 7;

        if (!mark(w, off, trash ? "A block in the trash" : "A staged block"))
            continue;
        if (trash && kind == KITH__TRASH_DICT)
            check_dict(w, off, false);
        else if (trash && kind == KITH__TRASH_QUEUE)
            check_queue(w, off, false);
    }
}

static void
check_actor(struct walk *w, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(w->arena, id);
    struct kith__magazines *magazines = kith__magazines_of(actor);
    uint64_t before = w->report.blocks;

    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++) {
        uint64_t count = kith__load(&magazines->count[c]);

        if (count > kith__class_room(c)) {
            violation(w, "A magazine of actor %u is broken.", id);
            continue;
        }
        for (uint64_t i = 0; i < count; i++)
            mark(w, kith__load(&kith__magazine_slots(magazines, c)[i]), "A block in a magazine");
    }
    check_vec(w, &actor->staged, actor->staged_inline, id, false);
    check_vec(w, &actor->trash, actor->trash_inline, id, true);
    check_vec(w, &actor->record, NULL, id, false);
    if (kith__load(&actor->ledger.area) != 0)
        mark(w, kith__load(&actor->ledger.area), "The ledger of an actor");
    if (kith__load(&actor->retired) != 0)
        mark(w, kith__load(&actor->retired), "A retired area of an actor");
    if (KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_FREE && w->report.blocks != before)
        violation(w, "The free slot %u owns %llu blocks: they leaked.", id,
                  (unsigned long long)(w->report.blocks - before));
}

/* ---- The allocator ----------------------------------------------------------------------- */

static void
check_span(struct walk *w, uint64_t index)
{
    uint64_t off = kith__granule_off(w->arena, index), free_count = 0, size;
    struct kith__span *span = kith__span_at(w->arena, off);

    if (span == NULL) {
        violation(w, "The span at %#llx has a broken header.", (unsigned long long)off);
        return;
    }
    size = kith__class_size(span->class_index);
    for (unsigned b = 0; b < span->block_count; b++) {
        uint64_t block = off + span->first + b * size;
        bool is_free = (kith__load(&span->free[b / 64]) >> b % 64 & 1) != 0;

        free_count += is_free;
        if (is_free && is_marked(w, block))
            violation(w, "The block at %#llx is free and in use.", (unsigned long long)block);
        if (!is_free && !is_marked(w, block))
            violation(w, "The block at %#llx is neither free nor in use: it leaked.",
                      (unsigned long long)block);
    }
    if (free_count != kith__load(&span->free_count))
        violation(w, "The span at %#llx counts %llu free blocks and has %llu.",
                  (unsigned long long)off, (unsigned long long)kith__load(&span->free_count),
                  (unsigned long long)free_count);
}

static void
check_classes(struct walk *w, const uint64_t *spans)
{
    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++) {
        struct kith__class *class = kith__class_at(w->arena, c);
        uint64_t off = kith__load(&class->partial), before = 0, n = 0;

        for (; off != 0 && n <= w->granules; n++) {
            struct kith__span *span = kith__at(w->arena, off, sizeof *span);

            if (span == NULL || span->magic != (KITH__SPAN_MAGIC ^ off) || span->class_index != c ||
                kith__load(&span->prev) != before || kith__load(&span->free_count) == 0) {
                violation(w, "The list of spans of class %u is broken.", c);
                break;
            }
            before = off;
            off = kith__load(&span->next);
        }
        if (spans[c] != kith__load(&class->spans))
            violation(w, "Class %u counts %llu spans and has %llu.", c,
                      (unsigned long long)kith__load(&class->spans), (unsigned long long)spans[c]);
    }
}

/* How many spans with room each class should list, against how many it does. */
static void
check_bins(struct walk *w, uint64_t free_runs, uint64_t limbo_runs)
{
    struct kith__header *h = KITH__HEADER(w->arena);
    uint64_t n = 0, link;

    for (unsigned bin = 0; bin < KITH__BINS; bin++)
        for (link = kith__load(&h->bin[bin]); link != 0 && n <= w->granules; n++) {
            if (link > w->granules ||
                KITH__GRANULE_KIND(kith__load(&kith__granule_at(w->arena, link - 1)->word)) !=
                    KITH__GRANULE_FREE) {
                violation(w, "A list of free runs is broken.");
                return;
            }
            link = kith__load(&kith__granule_at(w->arena, link - 1)->next);
        }
    if (n != free_runs)
        violation(w, "%llu free runs are listed and %llu are there.", (unsigned long long)n,
                  (unsigned long long)free_runs);
    n = 0;
    for (link = kith__load(&h->limbo); link != 0 && link <= w->granules && n <= w->granules; n++)
        link = kith__load(&kith__granule_at(w->arena, link - 1)->next);
    if (n != limbo_runs)
        violation(w, "%llu runs are listed in limbo and %llu are there.", (unsigned long long)n,
                  (unsigned long long)limbo_runs);
}

static void
check_heap(struct walk *w)
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
            violation(w, "The run at granule %llu is broken.", (unsigned long long)index);
            return;
        }
        switch (KITH__GRANULE_KIND(word)) {
        case KITH__GRANULE_FREE:
            free_runs++;
            if (after_free)
                violation(w, "Two free runs are neighbours.");
            if ((word & KITH__GRANULE_DIRTY) != 0)
                dirty += run;
            break;
        case KITH__GRANULE_SPAN:
            used += run;
            if (kith__span_at(w->arena, off) != NULL)
                spans[kith__span_at(w->arena, off)->class_index]++;
            check_span(w, index);
            break;
        case KITH__GRANULE_EXTENT:
            used += run;
            if (!is_marked(w, off))
                violation(w, "The extent at %#llx has no owner: it leaked.",
                          (unsigned long long)off);
            break;
        case KITH__GRANULE_LIMBO:
            used += run;
            limbo++;
            break;
        default:
            violation(w, "The run at granule %llu is of no known kind.", (unsigned long long)index);
            return;
        }
        after_free = is_free;
        index += run;
    }
    if (used != kith__load(&h->used) || dirty != kith__load(&h->dirty))
        violation(w, "%llu granules are counted as used and %llu as dirty; %llu and %llu are.",
                  (unsigned long long)kith__load(&h->used),
                  (unsigned long long)kith__load(&h->dirty), (unsigned long long)used,
                  (unsigned long long)dirty);
    check_bins(w, free_runs, limbo);
    check_classes(w, spans);
}

/* ---- Locks ------------------------------------------------------------------------------- */

static void
want_lock(struct walk *w, struct kith__lock *lock)
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

static void
want_dict(struct walk *w, uint64_t off)
{
    struct kith__dict dict = { w->arena, off, 0 };
    unsigned count;
    struct kith__shard *shards =
        kith__dict_shards(&dict, kith__load(&kith__dict_root(&dict)->shards), &count);

    want_lock(w, &kith__dict_root(&dict)->own.lock);
    for (unsigned i = 0; shards != NULL && count > 1 && i < count; i++)
        want_lock(w, &shards[i].lock);
}

static void
want_shards(struct walk *w, enum kith_kind kind, uint64_t off)
{
    if (kind == KITH_KIND_DICT)
        want_dict(w, off);
}

static void
want_heads(struct walk *w, enum kith_kind kind, uint64_t off)
{
    if (kind == KITH_KIND_QUEUE)
        want_lock(w, &((struct kith__queue_root *)kith__ptr(w->arena, off))->head_lock);
}

static void
want_tails(struct walk *w, enum kith_kind kind, uint64_t off)
{
    if (kind == KITH_KIND_QUEUE)
        want_lock(w, &((struct kith__queue_root *)kith__ptr(w->arena, off))->tail_lock);
}

static int
by_address(const void *a, const void *b)
{
    const uint8_t *x = *(uint8_t *const *)a, *y = *(uint8_t *const *)b;

    return x < y ? -1 : x > y;
}

/* Whether there are more locks than the ledger was made ready for: then it starts over. */
static bool
too_many(struct walk *w)
{
    size_t held = kith__load(&w->self->actor->ledger.count) - w->held;

    if (held + w->lock_count + KITH__LEDGER_SPARE <= kith__load(&w->self->actor->ledger.room))
        return false;
    w->guess = 2 * w->lock_count;
    w->err = KITH_ECONFLICT;
    return true;
}

static kith_err
take_wanted(struct walk *w, size_t from)
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
release_taken(struct walk *w)
{
    while (w->held > 0)
        kith__lock_release(w->self, w->locks[--w->held]);
}

/* All locks, rank by rank; the catalog's first, so that the objects stay what they are. */
static kith_err
lock_everything(struct walk *w)
{
    struct kith__header *h = KITH__HEADER(w->arena);
    struct kith__dict catalog = kith__catalog_of(w->arena);
    size_t from;

    w->err = kith__ledger_reserve(w->self, w->guess);
    if (w->err < 0)
        return w->err;
    w->lock_count = w->held = 0;
    want_dict(w, catalog.off);
    if (take_wanted(w, 0) < 0)
        return w->err;
    from = w->lock_count;
    each_object(w, want_shards);
    take_wanted(w, from);
    from = w->lock_count;
    each_object(w, want_heads);
    take_wanted(w, from);
    from = w->lock_count;
    each_object(w, want_tails);
    take_wanted(w, from);
    from = w->lock_count;
    for (unsigned c = 0; c < KITH__CLASS_COUNT; c++)
        want_lock(w, &h->classes[c].lock);
    take_wanted(w, from);
    from = w->lock_count;
    want_lock(w, &h->extent_lock); /* below the classes in rank, whatever its address */
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
walk_everything(struct walk *w)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(w->arena)->actors_top);
    struct kith__dict catalog = kith__catalog_of(w->arena);

    check_dict(w, catalog.off, true);
    each_object(w, check_object);
    for (unsigned id = 1; id <= top && id <= w->arena->actors_max; id++)
        check_actor(w, id);
    check_heap(w);
}

static void
forget_marks(struct walk *w)
{
    for (uint64_t i = 0; w->marks != NULL && i < w->granules; i++)
        kith__free(w->marks[i]);
    kith__free(w->marks);
    w->marks = NULL;
}

kith_err
kith__verify(struct kith__self *self, int (*each)(const char *sentence, void *arg), void *arg,
             struct kith_report *report_out)
{
    struct walk w = { .self = self, .arena = self->arena, .guess = KITH__CLASS_COUNT + 16 };

    w.sentences = kith__calloc(VIOLATIONS_KEPT, SENTENCE_SIZE);
    for (unsigned tries = 0; w.sentences != NULL && tries < ATTEMPTS; tries++) {
        uint64_t before;
        bool rest = true;

        if (tries > 0)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        w.report = (struct kith_report){ 0 };
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
        release_taken(&w);
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
        for (uint64_t i = 0; each != NULL && i < w.report.violations && i < VIOLATIONS_KEPT; i++)
            if (each(w.sentences[i], arg) != 0)
                break;
        *report_out = w.report;
        if (w.report.violations > 0)
            w.err = kith__fail(KITH_ECORRUPT, "The space breaks %llu invariants, first of all: %s",
                               (unsigned long long)w.report.violations, w.report.first);
    }
    kith__free(w.sentences);
    return w.err;
}
