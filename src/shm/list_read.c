/*
 * list_read.c - reading a list without a lock: one item, or many at one instant.
 *
 * ORDER
 *   R1  `cover` and `state` are read first, and are the same after everything else was read: no
 *       record that changes more than one word was carried out meanwhile, and no item was put into
 *       a chunk, taken out of one, or stored over another
 *   R2  an actor in `cover`: its record decides.  Committed, words are taken from the record; not,
 *       from memory.  The journal's state unchanged at the end: it was so all the time
 *   R3  an item is stored over another by one store, after `state` rose for it.  Under one state
 *       there is at most one such store, so whatever was read, each word once, was there at one
 *       instant: before that store or after it
 *   R4  the root's id unchanged: it was this list
 *
 * PROGRESS  Each retry means that a writer advanced.  After a number of them a reader takes the
 *           lock for a moment, since under steady writing a long copy would never end; writers
 *           that are stopped or dead do not advance, and so are never waited for.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "shm/list.h"

#define ATTEMPTS 200u
#define ATTEMPTS_MANY 4u

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A list in %s breaks an invariant; run kith check.",
                      arena->path != NULL ? arena->path : "the mem:// space");
}

/* ---- A look ------------------------------------------------------------------------------ */

struct look {
    const struct kith__list *list;
    const struct kith__list_root *root;
    uint64_t cover, state;
    bool locked;
    struct kith__overlay overlay;
    const struct kith__overlay *words; /* where words are read: &overlay, or NULL for memory */
    struct kith__list_shape shape;
};

enum look_result { LOOK_OK, LOOK_AGAIN, LOOK_GONE };

static inline bool
look_holds(const struct look *look)
{
    const struct kith__list_root *root = look->root;

    atomic_thread_fence(memory_order_acquire);
    return ((kith__load(&root->cover) ^ look->cover) | (kith__load(&root->state) ^ look->state) |
            (kith__load(&root->root.id) ^ look->list->id)) == 0 &&
           (look->words == NULL || kith__overlay_holds(&look->overlay));
}

static inline enum look_result
look_at(struct look *look, const struct kith__list *list)
{
    const struct kith__list_root *root = kith__list_root(list);
    struct kith__list_shape *shape = &look->shape;
    uint64_t state;

    look->list = list;
    look->root = root;
    look->words = NULL;
    look->cover = kith__load_acquire(&root->cover);
    look->state = kith__load_acquire(&root->state);
    if (kith__load_acquire(&root->root.id) != list->id)
        return LOOK_GONE;
    if (__builtin_expect((look->cover & KITH__HEAD_ACTOR) != 0, 0) && !look->locked) { /* R2 */
        kith__overlay_begin(&look->overlay, list->arena,
                            (unsigned)(look->cover & KITH__HEAD_ACTOR));
        look->words = &look->overlay;
        if (kith__overlay_load(look->words, &root->root.id) != list->id)
            return kith__overlay_holds(&look->overlay) ? LOOK_GONE : LOOK_AGAIN;
    }
    state = look->words == NULL ? look->state : kith__overlay_load(look->words, &root->state);
    shape->h = KITH__LIST_HEAD(state);
    shape->t = KITH__LIST_TAIL(state);
    shape->head_off = kith__overlay_load(look->words, &root->head);
    shape->tail_off = kith__overlay_load(look->words, &root->tail);
    shape->tree.word = kith__overlay_load(look->words, &root->tree);
    shape->tree.count = kith__overlay_load(look->words, &root->tree_count);
    return shape->h > KITH__FAN || shape->t > KITH__FAN ||
                   shape->tree.count > KITH__ITEM_MAX / sizeof(struct kith__slot)
               ? LOOK_AGAIN
               : LOOK_OK;
}

/*
 * Looks until what `read` made of it holds, at last with the lock taken.  An error of `read` counts
 * only if the look still holds after it; KITH_ECONFLICT then means that the list is broken.
 */
static kith_err
look_with(struct kith__self *self, const struct kith__list *list, unsigned attempts,
          kith_err (*read)(struct look *look, void *arg), void *arg)
{
    struct kith__list_root *root;
    struct look look = { .locked = false };
    kith_err err;

    for (unsigned tries = 0; tries < (self != NULL ? attempts : 20000); tries++) {
        enum look_result result;
        bool held;

        if (self != NULL)
            kith__reading_begin(self->actor);
        result = look_at(&look, list);
        err = result == LOOK_OK ? read(&look, arg) : KITH_ECONFLICT;
        held = look_holds(&look);
        if (self != NULL)
            kith__reading_end(self->actor);
        if (result == LOOK_GONE)
            return KITH_EGONE;
        if (held)
            return err == KITH_ECONFLICT ? broken(list->arena) : err;
    }
    if (self == NULL)
        return kith__fail(KITH_EUNAVAILABLE, "The list changed each time it was read, and a "
                                             "read-only opener cannot hold its writers up.");
    err = kith__list_lock(self, list, &root);
    if (err < 0)
        return err;
    look.locked = true;
    err = look_at(&look, list) == LOOK_OK ? read(&look, arg) : KITH_ECONFLICT;
    kith__lock_release(self, &root->root.lock);
    kith__op_end(self);
    return err == KITH_ECONFLICT ? broken(list->arena) : err;
}

/* ---- len, get ----------------------------------------------------------------------------- */

static kith_err
read_len(struct look *look, void *arg)
{
    *(uint64_t *)arg = kith__shape_count(&look->shape);
    return KITH_OK;
}

kith_err
kith__list_len(struct kith__self *self, const struct kith__list *list, uint64_t *count_out)
{
    return look_with(self, list, ATTEMPTS, read_len, count_out);
}

struct getting {
    int64_t index;
    struct kith__actor *actor; /* for a pin */
    struct kith_buf *out;
    uint64_t meta, value;
    bool later; /* pinned: copied when the look has held */
};

static kith_err
copy_item(const struct kith__arena *arena, uint64_t meta, uint64_t value, struct kith_buf *out)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    kith__word word = value;
    struct kith_item item;
    kith_err err = kith__stored_item(arena, meta, &word, value, &item, tag);

    return err < 0 ? KITH_ECONFLICT : kith__buf_set(out, item);
}

static kith_err
read_item(struct look *look, void *arg)
{
    const struct kith__arena *arena = look->list->arena;
    struct getting *get = arg;
    struct kith__slot *slot;
    uint64_t index;

    if (!kith__list_index(kith__shape_count(&look->shape), get->index, &index))
        return KITH_ERANGE;
    slot = kith__shape_slot(arena, &look->shape, index);
    if (slot == NULL)
        return KITH_ECONFLICT;
    get->meta = kith__overlay_load(look->words, &slot->meta);
    get->value = kith__overlay_load(look->words, &slot->value);
    get->later = false;
    if (kith__meta_inline(get->meta))
        return copy_item(arena, get->meta, get->value, get->out);
    /* A size that may be garbage: look before memory is taken for it. */
    if (!look_holds(look))
        return KITH_ECONFLICT;
    if (get->actor == NULL || look->locked ||
        KITH__META_TAG(get->meta) + KITH__META_SIZE(get->meta) <= KITH__SMALL_MAX)
        return copy_item(arena, get->meta, get->value, get->out);
    /*
     * The item of an extent is pinned while it is copied: copying takes long enough that writers
     * would make us start over for ever.
     */
    kith__store(&get->actor->pin, get->value);
    atomic_thread_fence(memory_order_seq_cst); /* the pin is seen, or the removal is */
    get->later = true;
    return KITH_OK;
}

/*
 * One straight pass for the usual case: the item is a number, or short, and nobody is in the way.
 * False says nothing.
 */
static inline bool
read_quickly(const struct kith__list *list, int64_t index, uint64_t *meta_out, uint64_t *value_out)
{
    const struct kith__list_root *root = kith__list_root(list);
    uint64_t cover = kith__load_acquire(&root->cover);
    uint64_t state = kith__load_acquire(&root->state);
    uint64_t count = kith__load(&root->tree_count);
    unsigned h = KITH__LIST_HEAD(state), t = KITH__LIST_TAIL(state), slot, n;
    uint64_t len = h + count + t, at = index < 0 ? (uint64_t)index + len : (uint64_t)index;
    const struct kith__leaf *leaf;

    if (at >= len || h > KITH__FAN)
        return false;
    if (at - h < count) {
        leaf = kith__tree_leaf(list->arena, kith__load(&root->tree), at - h, &slot, &n);
    } else if (at < h) {
        leaf = kith__at(list->arena, kith__load(&root->head), sizeof *leaf);
        slot = KITH__FAN - h + (unsigned)at;
    } else {
        leaf = kith__at(list->arena, kith__load(&root->tail), sizeof *leaf);
        slot = (unsigned)(at - h - count);
    }
    if (leaf == NULL || slot >= KITH__FAN)
        return false;
    *meta_out = kith__load(&leaf->slot[slot].meta);
    *value_out = kith__load(&leaf->slot[slot].value);
    atomic_thread_fence(memory_order_acquire);
    return ((kith__load(&root->cover) ^ cover) | (kith__load(&root->state) ^ state) |
            (cover & KITH__HEAD_ACTOR) | (kith__load(&root->root.id) ^ list->id)) == 0;
}

kith_err
kith__list_get(struct kith__self *self, const struct kith__list *list, int64_t index,
               struct kith_buf *item_out)
{
    struct getting get = { .index = index, .actor = self != NULL ? self->actor : NULL };
    kith_err err;

    get.out = item_out;
    if (self != NULL) {
        uint64_t meta = KITH_TYPE_NONE, value = 0;
        bool held;

        kith__reading_begin(self->actor);
        held = read_quickly(list, index, &meta, &value);
        kith__reading_end(self->actor);
        if (held && meta == KITH__META(KITH_TYPE_INT, 0, 8)) {
            item_out->item = (struct kith_item){ .type = KITH_TYPE_INT, .integer = (int64_t)value };
            return KITH_OK;
        }
        if (held && kith__meta_inline(meta)) {
            err = copy_item(list->arena, meta, value, item_out);
            return err == KITH_ECONFLICT ? broken(list->arena) : err;
        }
    }
    err = look_with(self, list, ATTEMPTS, read_item, &get);
    if (err == KITH_OK && get.later)
        err = copy_item(list->arena, get.meta, get.value, item_out);
    if (self != NULL && kith__load(&self->actor->pin) != 0)
        kith__store_release(&self->actor->pin, 0);
    return err == KITH_ECONFLICT ? broken(list->arena) : err;
}

/* ---- A copy of many ----------------------------------------------------------------------- */

struct copying {
    struct look *look;
    struct kith__list_copy *copy;
    int64_t start, stop, step;
};

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the list.");
}

static kith_err
reserve_bytes(struct kith__list_copy *copy, uint64_t more)
{
    uint64_t room = copy->bytes_room != 0 ? copy->bytes_room : 4096;
    uint8_t *bytes;

    if (copy->size + more <= copy->bytes_room)
        return KITH_OK;
    while (room < copy->size + more)
        room *= 2;
    bytes = kith__realloc(copy->bytes, room);
    if (bytes == NULL)
        return no_memory();
    copy->bytes = bytes;
    copy->bytes_room = room;
    return KITH_OK;
}

static kith_err
copy_slots(struct kith__slot *slots, unsigned n, void *arg)
{
    struct copying *copying = arg;
    struct kith__list_copy *copy = copying->copy;
    struct look *look = copying->look;

    for (unsigned i = 0; i < n; i++) {
        uint64_t meta = kith__overlay_load(look->words, &slots[i].meta);
        uint64_t value = kith__overlay_load(look->words, &slots[i].value);

        if (KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE)
            return KITH_ECONFLICT;
        if (!kith__meta_inline(meta)) {
            uint64_t size = KITH__META_TAG(meta) + KITH__META_SIZE(meta);
            const void *block = kith__at(look->list->arena, value, size);
            kith_err err;

            if (block == NULL || KITH__META_TAG(meta) > KITH_TAG_SIZE_MAX)
                return KITH_ECONFLICT;
            if (size > 4096 && !look->locked && !look_holds(look))
                return KITH_ECONFLICT; /* a size that may be garbage */
            err = reserve_bytes(copy, size + 1);
            if (err < 0)
                return err;
            memcpy(copy->bytes + copy->size, block, size);
            value = copy->size;
            copy->size += size;
        }
        copy->items[copy->count++] = (struct kith__stored){ .meta = meta, .value = value };
    }
    return look->locked || look_holds(look) ? KITH_OK : KITH_ECONFLICT;
}

static kith_err
read_copy(struct look *look, void *arg)
{
    struct copying *copying = arg;
    struct kith__list_copy *copy = copying->copy;
    uint64_t len = kith__shape_count(&look->shape);
    struct kith__slice slice = kith__slice_of(len, copying->start, copying->stop, copying->step);
    kith_err err = KITH_OK;

    copying->look = look;
    copy->count = copy->size = 0;
    copy->cover = look->cover;
    copy->state = look->state;
    if (!look->locked && !look_holds(look))
        return KITH_ECONFLICT; /* a length that may be garbage */
    if (slice.count > copy->room) {
        struct kith__stored *items = slice.count > SIZE_MAX / sizeof *items
                                         ? NULL
                                         : kith__realloc(copy->items, slice.count * sizeof *items);

        if (items == NULL)
            return no_memory();
        copy->items = items;
        copy->room = slice.count;
    }
    if (slice.step == 1)
        return kith__shape_runs(look->list->arena, &look->shape, slice.start,
                                slice.start + slice.count, copy_slots, copying);
    for (uint64_t i = 0; i < slice.count && err == KITH_OK; i++) {
        struct kith__slot *slot = kith__shape_slot(look->list->arena, &look->shape,
                                                   slice.start + i * (uint64_t)slice.step);

        err = slot == NULL ? KITH_ECONFLICT : copy_slots(slot, 1, copying);
    }
    return err;
}

kith_err
kith__list_copy(struct kith__self *self, const struct kith__list *list, int64_t start, int64_t stop,
                int64_t step, struct kith__list_copy *copy_out)
{
    struct copying copying = { .copy = copy_out, .start = start, .stop = stop, .step = step };
    kith_err err;

    *copy_out = (struct kith__list_copy){ 0 };
    err = look_with(self, list, ATTEMPTS_MANY, read_copy, &copying);
    if (err < 0)
        kith__list_copy_free(copy_out);
    return err;
}

void
kith__list_copy_free(struct kith__list_copy *copy)
{
    kith__free(copy->items);
    kith__free(copy->bytes);
    *copy = (struct kith__list_copy){ 0 };
}

struct kith_item
kith__list_copy_item(const struct kith__list_copy *copy, uint64_t index, char *tag)
{
    struct kith__stored *stored = &copy->items[index];
    size_t tag_size = KITH__META_TAG(stored->meta), size = KITH__META_SIZE(stored->meta);
    unsigned type = KITH__META_TYPE(stored->meta);
    const uint8_t *at = kith__meta_inline(stored->meta) ? (const uint8_t *)&stored->value
                                                        : copy->bytes + stored->value;
    struct kith_item item = { .type = KITH_TYPE_NONE };

    item.type = (kith_type)type; /* a known one: the copy has no other */
    if (type == KITH_TYPE_BOOL)
        item.boolean = stored->value != 0;
    else if (type == KITH_TYPE_INT)
        item.integer = (int64_t)stored->value;
    else if (type == KITH_TYPE_FLOAT)
        memcpy(&item.real, &stored->value, sizeof item.real);
    if (type <= KITH_TYPE_FLOAT)
        return item;
    item.data = at + tag_size;
    item.size = size;
    if (type == KITH_TYPE_FOREIGN) {
        memcpy(tag, at, tag_size);
        tag[tag_size] = '\0';
        item.tag = tag;
    }
    return item;
}

/* ---- Looking for an item -------------------------------------------------------------------- */

kith_err
kith__wanted_make(const struct kith__arena *arena, struct kith_item item,
                  struct kith__wanted *wanted)
{
    kith_err err;

    wanted->item = item;
    wanted->is_key = false;
    if (item.type == KITH_TYPE_FOREIGN || item.type == KITH_TYPE_REFERENCE)
        return KITH_OK;
    err = kith__key_make(arena->hash_key, item, &wanted->key);
    if (err == KITH_ENOMEM)
        return err;
    wanted->is_key = err == KITH_OK; /* lists, dicts, sets and NaN are none: compared by bytes */
    return KITH_OK;
}

void
kith__wanted_free(struct kith__wanted *wanted)
{
    if (wanted->is_key)
        kith__key_free(&wanted->key);
}

bool
kith__wanted_is(const struct kith__arena *arena, const struct kith__wanted *wanted, uint64_t meta,
                uint64_t value)
{
    unsigned type = KITH__META_TYPE(meta);
    uint64_t size = KITH__META_SIZE(meta);
    kith__word word = value;
    const void *data = &word;

    if (!wanted->is_key)
        return kith__stored_equals(arena, meta, &word, value, wanted->item);
    if (type > KITH_TYPE_PACKED)
        return false;
    if (!kith__meta_inline(meta))
        data = kith__at(arena, value, size);
    return data != NULL && kith__key_same(&wanted->key, (uint8_t)type, data, size);
}

struct finding {
    struct look *look;
    const struct kith__wanted *wanted;
    int64_t start, stop;
    uint64_t at, found;
    bool all;
};

static kith_err
find_in_slots(struct kith__slot *slots, unsigned n, void *arg)
{
    struct finding *find = arg;
    struct look *look = find->look;

    for (unsigned i = 0; i < n; i++, find->at++) {
        uint64_t meta = kith__overlay_load(look->words, &slots[i].meta);
        uint64_t value = kith__overlay_load(look->words, &slots[i].value);

        if (!kith__wanted_is(look->list->arena, find->wanted, meta, value))
            continue;
        find->found++;
        if (!find->all)
            return KITH_EEXIST; /* ends the search */
    }
    return look->locked || look_holds(look) ? KITH_OK : KITH_ECONFLICT;
}

static kith_err
read_find(struct look *look, void *arg)
{
    struct finding *find = arg;
    struct kith__slice slice =
        kith__slice_of(kith__shape_count(&look->shape), find->start, find->stop, 1);

    find->look = look;
    find->found = 0;
    find->at = slice.start;
    return kith__shape_runs(look->list->arena, &look->shape, slice.start, slice.start + slice.count,
                            find_in_slots, find);
}

kith_err
kith__list_find(struct kith__self *self, const struct kith__list *list, struct kith_item item,
                int64_t start, int64_t stop, uint64_t *index_out)
{
    struct kith__wanted wanted;
    struct finding find = { .wanted = &wanted, .start = start, .stop = stop };
    kith_err err = kith__wanted_make(list->arena, item, &wanted);

    if (err < 0)
        return err;
    err = look_with(self, list, ATTEMPTS_MANY, read_find, &find);
    kith__wanted_free(&wanted);
    if (err == KITH_EEXIST) {
        *index_out = find.at;
        return KITH_OK;
    }
    return err == KITH_OK ? KITH_ENOENT : err;
}

kith_err
kith__list_count(struct kith__self *self, const struct kith__list *list, struct kith_item item,
                 uint64_t *count_out)
{
    struct kith__wanted wanted;
    struct finding find = { .wanted = &wanted, .start = 0, .stop = INT64_MAX, .all = true };
    kith_err err = kith__wanted_make(list->arena, item, &wanted);

    if (err < 0)
        return err;
    err = look_with(self, list, ATTEMPTS_MANY, read_find, &find);
    kith__wanted_free(&wanted);
    if (err == KITH_OK)
        *count_out = find.found;
    return err;
}
