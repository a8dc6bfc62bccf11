/*
 * list_kind.c - what the catalog, the reaper, the checker and the listing know of lists.
 *
 * STEPS    A carcass, or an ended list, is taken apart part by part, each block freed in a record
 *          that also clears the word that named it, so that whoever goes on finds what is left.
 *          The nodes below it are in no living tree.
 */
#include "base/error.h"
#include "shm/kind.h"
#include "shm/list.h"

static kith_err
broken(const struct kith__arena *arena)
{
    return kith__fail(KITH_ECORRUPT, "A list in %s breaks an invariant; run kith check.",
                      arena->path != NULL ? arena->path : "the mem:// space");
}

/* ---- Its end -------------------------------------------------------------------------------- */

static kith_err
lock_list(struct kith__self *self, const struct kith__object *object,
          struct kith__object_locks *locks)
{
    struct kith__root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    return kith__lock_acquire(self, &root->lock);
}

static void
unlock_list(struct kith__self *self, const struct kith__object *object,
            struct kith__object_locks *locks)
{
    struct kith__root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    kith__lock_release(self, &root->lock);
}

static void
end_list(struct kith__op *op, const struct kith__object *object)
{
    struct kith__list_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_cover(op, &root->cover,
                   (kith__load(&root->cover) & ~KITH__HEAD_ACTOR) + KITH__LIST_VERSION_ONE);
    kith__op_set(op, &root->root.id, 0);
    kith__op_trash(op, object->off, KITH_KIND_LIST);
}

/* ---- Taking apart ---------------------------------------------------------------------------- */

static kith_err
free_items(struct kith__self *self, struct kith__slot *slots, unsigned n)
{
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < n && err == KITH_OK; i++)
        if (!kith__meta_inline(kith__load(&slots[i].meta)))
            err = kith__block_free(self, kith__load(&slots[i].value), &slots[i].meta, 0);
    return err;
}

/* The part that *source names, and then the word itself. */
static kith_err
free_part(struct kith__self *self, kith__word *source, bool keep, unsigned level)
{
    uint64_t word = kith__load(source), size;
    unsigned n = kith__part_entries(word);
    void *node = kith__part_node(self->arena, word);
    kith_err err = KITH_OK;

    if (word == 0)
        return KITH_OK;
    if (node == NULL || kith__part_level(word) != level || level > KITH__TREE_LEVELS ||
        !kith__block_at(self->arena, kith__part_off(word), &size)) {
        kith__store(source, 0); /* overwritten: what is left of it is lost */
        return broken(self->arena);
    }
    if (level == 0 && !keep)
        err = free_items(self, ((struct kith__leaf *)node)->slot, n);
    for (unsigned i = 0; level > 0 && i < n && err == KITH_OK; i++)
        err = free_part(self, &((struct kith__inner *)node)->branch[i].child, keep, level - 1);
    return err < 0 ? err : kith__block_free(self, kith__part_off(word), source, 0);
}

static kith_err
free_chunk(struct kith__self *self, kith__word *source, unsigned first, unsigned n)
{
    uint64_t off = kith__load(source);
    struct kith__leaf *chunk = kith__at(self->arena, off, sizeof *chunk);
    kith_err err;

    if (off == 0)
        return KITH_OK;
    if (chunk == NULL || first + n > KITH__FAN) {
        kith__store(source, 0);
        return broken(self->arena);
    }
    err = free_items(self, &chunk->slot[first], n);
    return err < 0 ? err : kith__block_free(self, off, source, 0);
}

static kith_err
dismantle_list(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    struct kith__list_root *root = kith__at(self->arena, off, sizeof *root);
    bool keep = root != NULL && kith__load(&root->keep) != 0;
    unsigned h, t;
    kith_err err;

    if (root == NULL || kith__load(&root->root.id) != 0) {
        kith__store(source, source_value);
        return broken(self->arena);
    }
    h = KITH__LIST_HEAD(kith__load(&root->state));
    t = KITH__LIST_TAIL(kith__load(&root->state));
    err = free_part(self, &root->tree, keep, kith__part_level(kith__load(&root->tree)));
    if (err == KITH_OK)
        err = free_chunk(self, &root->head, h > KITH__FAN ? 0 : KITH__FAN - h, h);
    if (err == KITH_OK)
        err = free_chunk(self, &root->tail, 0, t);
    for (unsigned i = 0; i < KITH__DROPS && err == KITH_OK; i++)
        err = free_part(self, &root->drop[i], keep, kith__part_level(kith__load(&root->drop[i])));
    return err < 0 ? err : kith__block_free(self, off, source, source_value);
}

/* ---- Checking ---------------------------------------------------------------------------------
 */

static void
check_items(struct kith__walk *w, const struct kith__slot *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t meta = kith__load(&slots[i].meta);

        if (KITH__META_TYPE(meta) > KITH_TYPE_REFERENCE)
            kith__walk_violation(w, "An item of a list is of no known type.");
        else if (!kith__meta_inline(meta) &&
                 kith__walk_mark(w, kith__load(&slots[i].value), "An item of a list"))
            kith__walk_item(w, meta, kith__load(&slots[i].value),
                            kith__at(w->arena, kith__load(&slots[i].value), KITH__META_SIZE(meta)));
    }
}

/* B1, B2, B3; how many items there are.  `whole`: not being taken apart. */
static uint64_t
check_part(struct kith__walk *w, uint64_t word, unsigned level, bool keep, bool whole)
{
    unsigned n = kith__part_entries(word);
    void *node = kith__part_node(w->arena, word);
    struct kith__inner *inner = node;
    uint64_t items = 0;

    if (word == 0 && !whole)
        return 0;
    if (node == NULL || kith__part_level(word) != level || level > KITH__TREE_LEVELS) {
        kith__walk_violation(w, "A node of a list, %#llx, can't be one.", (unsigned long long)word);
        return 0;
    }
    if (!kith__walk_mark(w, kith__part_off(word), "A node of a list"))
        return 0;
    if (level == 0) {
        if (!keep)
            check_items(w, ((struct kith__leaf *)node)->slot, n);
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        items += check_part(w, kith__load(&inner->branch[i].child), level - 1, keep, whole);
        if (whole && kith__load(&inner->branch[i].upto) != items)
            kith__walk_violation(w, "A node of a list counts %llu items and has %llu.",
                                 (unsigned long long)kith__load(&inner->branch[i].upto),
                                 (unsigned long long)items);
    }
    return items;
}

static void
check_chunk(struct kith__walk *w, uint64_t off, unsigned first, unsigned n)
{
    struct kith__leaf *chunk = kith__at(w->arena, off, sizeof *chunk);

    if (off == 0) {
        if (n > 0)
            kith__walk_violation(w, "A list has %u items in a chunk it has not.", n);
        return;
    }
    if (kith__walk_mark(w, off, "A chunk of a list") && chunk != NULL && first + n <= KITH__FAN)
        check_items(w, &chunk->slot[first], n);
}

static void
check_list(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__list_root *root = kith__ptr(w->arena, off);
    uint64_t state = kith__load(&root->state), tree = kith__load(&root->tree), n = 0;
    unsigned h = KITH__LIST_HEAD(state), t = KITH__LIST_TAIL(state);
    bool keep = kith__load(&root->keep) != 0;

    if (h > KITH__FAN || t > KITH__FAN) {
        kith__walk_violation(w, "A list has %u and %u items in its chunks.", h, t);
        return;
    }
    if (whole && !kith__lock_is(&root->root.lock, kith__off(w->arena, &root->root.lock)))
        kith__walk_violation(w, "The lock of a list is no lock.");
    if (whole && (kith__load(&root->cover) & KITH__HEAD_ACTOR) != 0)
        kith__walk_violation(w, "A list is covered by actor %llu, which has no record.",
                             (unsigned long long)(kith__load(&root->cover) & KITH__HEAD_ACTOR));
    if (tree != 0)
        n = check_part(w, tree, kith__part_level(tree), keep, whole);
    if (whole && n != kith__load(&root->tree_count))
        kith__walk_violation(w, "A list counts %llu items in its tree and has %llu.",
                             (unsigned long long)kith__load(&root->tree_count),
                             (unsigned long long)n);
    check_chunk(w, kith__load(&root->head), KITH__FAN - h,
                whole || kith__load(&root->head) ? h : 0);
    check_chunk(w, kith__load(&root->tail), 0, whole || kith__load(&root->tail) ? t : 0);
    for (unsigned i = 0; i < KITH__DROPS; i++) {
        uint64_t drop = kith__load(&root->drop[i]);

        if (drop != 0 && whole)
            kith__walk_violation(w, "A living list has dropped parts.");
        else if (drop != 0)
            check_part(w, drop, kith__part_level(drop), keep, false);
    }
}

static void
want_list(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_OBJECT)
        kith__walk_want(w, &root->lock);
}

static kith_err
describe_list(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
              struct kith_info *info)
{
    struct kith__list list = { arena, object->off, object->id };
    struct kith__list_root *root = kith__list_root(&list);
    kith_err err = kith__list_len(self, &list, &info->items);

    if (err < 0)
        return err;
    /* Nodes are not walked for an estimate: a slot each, and the nodes as full as they usually are.
     */
    info->bytes = sizeof *root + 2 * sizeof(struct kith__leaf) +
                  info->items * (sizeof(struct kith__slot) + sizeof(struct kith__slot) / 4);
    info->created_ns = root->root.created_ns;
    return KITH_OK;
}

const struct kith__kind kith__list_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = lock_list,
    .unlock = unlock_list,
    .end = end_list,
    .dismantle = dismantle_list,
    .want = want_list,
    .check = check_list,
    .describe = describe_list,
};
