/*
 * list_whole.c - a list as a whole: emptied, turned round, sorted, cut by steps.
 *
 * What concerns every item makes a new tree beside the old one and swaps it in, in one short
 * record, whatever the length: the items' blocks go over, the old nodes are hung on a carcass, a
 * root that nobody can open, which is taken apart afterwards (list_kind.c).
 */
#include <kith/list.h>

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/list.h"
#include "shm/list_order.h"

#define SORT_TRIES 4u

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A list in %s breaks an invariant; run kith check.",
                      arena->path != NULL ? arena->path : "the mem:// space");
}

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory to change the whole list.");
}

void
kith__list_init(struct kith__op *op, uint64_t off, uint64_t id)
{
    struct kith__arena *arena = op->self->arena;
    struct kith__list_root *root = kith__ptr(arena, off);

    /* Old handles may still try the lock, whose word is left alone. */
    kith__lock_init(arena, &root->root.lock);
    kith__store(&root->root.references, 0);
    kith__store(&root->cover, 0);
    kith__store(&root->state, 0);
    kith__store(&root->tree, 0);
    kith__store(&root->tree_count, 0);
    kith__store(&root->head, 0);
    kith__store(&root->tail, 0);
    kith__store(&root->keep, 0);
    for (unsigned i = 0; i < KITH__DROPS; i++)
        kith__store(&root->drop[i], 0);
    kith__op_set(op, &root->root.id, id);
}

/* Adds to `op` that the list has other items, or none; `edit` has the carcass, if there is one. */
static void
swap_tree(struct kith__op *op, struct kith__list_root *root, struct kith__part tree)
{
    kith__op_cover(op, &root->cover,
                   (kith__load(&root->cover) & ~KITH__HEAD_ACTOR) + KITH__LIST_VERSION_ONE);
    kith__op_set(op, &root->tree_count, tree.count);
    kith__op_set(op, &root->tree, tree.word);
    kith__op_set(op, &root->state, kith__list_state(kith__load(&root->state), 0, 0));
}

/* ---- Clear --------------------------------------------------------------------------------- */

kith_err
kith__list_clear(struct kith__self *self, const struct kith__list *list)
{
    struct kith__list_root *root, *carcass;
    struct kith__tree_edit edit = { 0 };
    struct kith__op op;
    kith_err err = kith__list_lock(self, list, &root);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    edit.op = &op;
    carcass = kith__list_carcass(&edit);
    if (carcass != NULL) {
        kith__store(&carcass->state, kith__load(&root->state));
        kith__store(&carcass->tree, kith__load(&root->tree));
        kith__store(&carcass->tree_count, kith__load(&root->tree_count));
        kith__store(&carcass->head, kith__load(&root->head));
        kith__store(&carcass->tail, kith__load(&root->tail));
        swap_tree(&op, root, (struct kith__part){ 0, 0 });
        kith__op_set(&op, &root->head, 0);
        kith__op_set(&op, &root->tail, 0);
    }
    err = kith__op_commit(&op);
    kith__lock_release(self, &root->root.lock);
    if (err < 0)
        kith__op_abort(&op);
    kith__op_end(self);
    return err;
}

/* ---- All items, gathered and put back -------------------------------------------------------- */

struct gathering {
    struct kith__stored *items;
    uint64_t count;
};

static kith_err
gather_slots(struct kith__slot *slots, unsigned n, void *arg)
{
    struct gathering *gathering = arg;

    for (unsigned i = 0; i < n; i++)
        gathering->items[gathering->count++] =
            (struct kith__stored){ .meta = kith__load(&slots[i].meta),
                                   .value = kith__load(&slots[i].value) };
    return KITH_OK;
}

/* Lock held: all items as they are stored, in private memory with room for twice as many. */
static kith_err
gather(struct kith__self *self, const struct kith__list_root *root, struct kith__list_shape *shape,
       struct gathering *out)
{
    uint64_t len;
    kith_err err;

    out->items = NULL;
    out->count = 0;
    if (kith__list_shape(root, shape) < 0)
        return broken(self->arena);
    len = kith__shape_count(shape);
    if (len > SIZE_MAX / 2 / sizeof *out->items)
        return no_memory();
    out->items = kith__malloc((2 * len + 1) * sizeof *out->items);
    if (out->items == NULL)
        return no_memory();
    err = kith__shape_runs(self->arena, shape, 0, len, gather_slots, out);
    return err < 0 || out->count != len ? broken(self->arena) : KITH_OK;
}

/* The record: the list has these items, which were all its own. */
static kith_err
put_back(struct kith__op *op, struct kith__list_root *root, const struct kith__list_shape *shape,
         const struct kith__stored *items, uint64_t count)
{
    struct kith__tree_edit edit = { .op = op, .keep = true };
    struct kith__part tree = { 0, 0 };
    struct kith__list_root *carcass;
    kith_err err = kith__tree_splice(&edit, &tree, 0, 0, items, count);

    if (err < 0)
        return err;
    if (shape->tree.word != 0) {
        carcass = kith__list_carcass(&edit);
        if (carcass == NULL)
            return op->err;
        kith__store(&carcass->tree, shape->tree.word);
    }
    swap_tree(op, root, tree);
    return kith__op_commit(op);
}

/* ---- Reverse, sort --------------------------------------------------------------------------- */

/* What a rearrangement does with the items: fills in their new order. */
typedef kith_err rearrange(struct kith__self *self, struct kith__list_root *root,
                           const struct kith__stored *items, uint64_t *order, uint64_t count,
                           void *arg);

static kith_err
rearrange_list(struct kith__self *self, const struct kith__list *list, rearrange *how, void *arg)
{
    struct gathering gathering = { NULL, 0 };
    struct kith__list_shape shape;
    struct kith__list_root *root;
    uint64_t *order = NULL;
    struct kith__op op;
    kith_err err = kith__list_lock(self, list, &root);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = gather(self, root, &shape, &gathering);
    if (err == KITH_OK) {
        order = kith__malloc((2 * gathering.count + 1) * sizeof *order);
        err = order == NULL ? no_memory() : KITH_OK;
    }
    if (err == KITH_OK)
        err = how(self, root, gathering.items, order, gathering.count, arg);
    if (err == KITH_OK) {
        struct kith__stored *arranged = gathering.items + gathering.count;

        for (uint64_t i = 0; i < gathering.count; i++)
            arranged[i] = gathering.items[order[i]];
        err = put_back(&op, root, &shape, arranged, gathering.count);
    }
    kith__lock_release(self, &root->root.lock);
    if (err < 0)
        kith__op_abort(&op);
    kith__free(order);
    kith__free(gathering.items);
    kith__op_end(self);
    return err;
}

static kith_err
reversed(struct kith__self *self, struct kith__list_root *root, const struct kith__stored *items,
         uint64_t *order, uint64_t count, void *arg)
{
    (void)self;
    (void)root;
    (void)items;
    (void)arg;
    for (uint64_t i = 0; i < count; i++)
        order[i] = count - 1 - i;
    return KITH_OK;
}

kith_err
kith__list_reverse(struct kith__self *self, const struct kith__list *list)
{
    return rearrange_list(self, list, reversed, NULL);
}

struct sorting {
    const struct kith__arena *arena;
    const struct kith__stored *items;
    const struct kith__list_copy *copy;
    int (*compare)(struct kith_item a, struct kith_item b, void *arg);
    void *arg;
    bool descending, comparable;
    /* of a sort that a caller's comparison made beforehand */
    const uint64_t *order;
    uint64_t count, cover, state;
};

static bool
natural_before(uint64_t a, uint64_t b, void *arg)
{
    struct sorting *sorting = arg;
    const struct kith__stored *x = &sorting->items[a], *y = &sorting->items[b];
    kith__word x_word = x->value, y_word = y->value;
    char x_tag[KITH_TAG_SIZE_MAX + 1], y_tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item x_item, y_item;
    int order;

    if (kith__stored_item(sorting->arena, x->meta, &x_word, x->value, &x_item, x_tag) < 0 ||
        kith__stored_item(sorting->arena, y->meta, &y_word, y->value, &y_item, y_tag) < 0) {
        sorting->comparable = false;
        return false;
    }
    order = kith__item_order(x_item, y_item, &sorting->comparable);
    return sorting->descending ? order > 0 : order < 0;
}

static kith_err
sorted_naturally(struct kith__self *self, struct kith__list_root *root,
                 const struct kith__stored *items, uint64_t *order, uint64_t count, void *arg)
{
    struct sorting *sorting = arg;

    (void)self;
    (void)root;
    sorting->items = items;
    sorting->comparable = true;
    kith__merge_sort(order, order + count, count, natural_before, sorting);
    return sorting->comparable ? KITH_OK : KITH_ETYPE;
}

static bool
called_before(uint64_t a, uint64_t b, void *arg)
{
    struct sorting *sorting = arg;
    char a_tag[KITH_TAG_SIZE_MAX + 1], b_tag[KITH_TAG_SIZE_MAX + 1];
    int order;

    if (!sorting->comparable)
        return false;
    order = sorting->compare(kith__list_copy_item(sorting->copy, a, a_tag),
                             kith__list_copy_item(sorting->copy, b, b_tag), sorting->arg);
    if (order == KITH_LIST_NO_ORDER) {
        sorting->comparable = false;
        return false;
    }
    return sorting->descending ? order > 0 : order < 0;
}

/* The order was found without the lock: good if nothing changed since. */
static kith_err
sorted_before(struct kith__self *self, struct kith__list_root *root,
              const struct kith__stored *items, uint64_t *order, uint64_t count, void *arg)
{
    struct sorting *sorting = arg;

    (void)self;
    (void)items;
    if (count != sorting->count || kith__load(&root->cover) != sorting->cover ||
        kith__load(&root->state) != sorting->state)
        return KITH_ECONFLICT;
    memcpy(order, sorting->order, count * sizeof *order);
    return KITH_OK;
}

static kith_err
sort_by_call(struct kith__self *self, const struct kith__list *list, struct sorting *sorting)
{
    struct kith__list_copy copy;
    uint64_t *order;
    kith_err err = kith__list_copy(self, list, 0, INT64_MAX, 1, &copy);

    if (err < 0)
        return err;
    order = kith__malloc((2 * copy.count + 1) * sizeof *order);
    if (order == NULL) {
        kith__list_copy_free(&copy);
        return no_memory();
    }
    sorting->copy = &copy;
    sorting->comparable = true;
    kith__merge_sort(order, order + copy.count, copy.count, called_before, sorting);
    sorting->order = order;
    sorting->count = copy.count;
    sorting->cover = copy.cover;
    sorting->state = copy.state;
    err = sorting->comparable ? rearrange_list(self, list, sorted_before, sorting) : KITH_ETYPE;
    kith__free(order);
    kith__list_copy_free(&copy);
    return err;
}

kith_err
kith__list_sort(struct kith__self *self, const struct kith__list *list,
                int (*compare)(struct kith_item a, struct kith_item b, void *arg), void *arg,
                bool descending)
{
    struct sorting sorting = {
        .arena = list->arena, .compare = compare, .arg = arg, .descending = descending
    };
    kith_err err = KITH_ECONFLICT;

    if (compare == NULL)
        return rearrange_list(self, list, sorted_naturally, &sorting);
    /* Nothing is held across a call into a caller's function. */
    for (unsigned tries = 0; tries < SORT_TRIES && err == KITH_ECONFLICT; tries++)
        err = sort_by_call(self, list, &sorting);
    return err;
}

/* ---- Slices with a step ------------------------------------------------------------------------
 */

static kith_err
store_stepped(struct kith__op *op, struct kith__list_root *root,
              const struct kith__list_shape *shape, struct kith__slice slice,
              const struct kith__stored *stored)
{
    kith__op_cover(op, &root->cover,
                   (kith__load(&root->cover) & ~KITH__HEAD_ACTOR) + KITH__LIST_VERSION_ONE);
    kith__op_set(op, &root->state, kith__list_state(kith__load(&root->state), shape->h, shape->t));
    for (uint64_t i = 0; i < slice.count && op->err == KITH_OK; i++) {
        struct kith__slot *slot =
            kith__shape_slot(op->self->arena, shape, slice.start + i * (uint64_t)slice.step);

        if (slot == NULL)
            return broken(op->self->arena);
        kith__stored_give(op, kith__load(&slot->meta), kith__load(&slot->value));
        kith__op_set(op, &slot->meta, stored[i].meta);
        kith__op_set(op, &slot->value, stored[i].value);
    }
    return kith__op_commit(op);
}

kith_err
kith__list_set_stepped(struct kith__self *self, const struct kith__list *list, int64_t start,
                       int64_t stop, int64_t step, const struct kith_item *items, uint64_t count)
{
    struct kith__stored *stored =
        count > SIZE_MAX / sizeof *stored ? NULL : kith__malloc((count + 1) * sizeof *stored);
    struct kith__list_shape shape;
    struct kith__list_root *root;
    struct kith__slice slice = { 0 };
    struct kith__op op;
    kith_err err;

    if (stored == NULL)
        return no_memory();
    kith__op_begin(&op, self);
    err = kith__list_lock(self, list, &root);
    if (err < 0) {
        kith__free(stored);
        return err;
    }
    if (kith__list_shape(root, &shape) < 0)
        err = broken(self->arena);
    if (err == KITH_OK) {
        slice = kith__slice_of(kith__shape_count(&shape), start, stop, step);
        if (slice.count != count)
            err = kith__fail(KITH_EINVAL,
                             "A slice with a step takes as many items as it has: %llu, not %llu.",
                             (unsigned long long)slice.count, (unsigned long long)count);
    }
    for (uint64_t i = 0; i < count && err == KITH_OK; i++)
        err = kith__stored_make(&op, items[i], &stored[i]);
    if (err == KITH_OK && count > 0)
        err = store_stepped(&op, root, &shape, slice, stored);
    kith__lock_release(self, &root->root.lock);
    if (err < 0)
        kith__op_abort(&op);
    kith__free(stored);
    kith__op_end(self);
    return err;
}

kith_err
kith__list_delete_stepped(struct kith__self *self, const struct kith__list *list, int64_t start,
                          int64_t stop, int64_t step)
{
    struct gathering gathering = { NULL, 0 };
    struct kith__list_shape shape;
    struct kith__list_root *root;
    struct kith__op op;
    kith_err err = kith__list_lock(self, list, &root);

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = gather(self, root, &shape, &gathering);
    if (err == KITH_OK) {
        struct kith__slice slice = kith__slice_of(gathering.count, start, stop, step);
        uint64_t left = slice.count, next = slice.start, kept = 0;

        if (slice.step < 0 && slice.count > 0) {
            next += (slice.count - 1) * (uint64_t)slice.step;
            slice.step = (int64_t)(0 - (uint64_t)slice.step);
        }
        for (uint64_t i = 0; i < gathering.count; i++) {
            if (left > 0 && i == next) {
                kith__stored_give(&op, gathering.items[i].meta, gathering.items[i].value);
                next += (uint64_t)slice.step;
                left--;
            } else {
                gathering.items[kept++] = gathering.items[i];
            }
        }
        if (slice.count > 0)
            err = put_back(&op, root, &shape, gathering.items, kept);
    }
    kith__lock_release(self, &root->root.lock);
    if (err < 0)
        kith__op_abort(&op);
    kith__free(gathering.items);
    kith__op_end(self);
    return err;
}
