/*
 * tree.c - the counted tree of a list.
 *
 * LAYOUT   Leaves of up to 64 slots; inner nodes of up to 64 children, each with the number of
 *          items up to and with it.  How many entries a node has, and its level, stand in the word
 *          that names it, so that a node is 1 KiB of entries and a full chunk of a list's end is a
 *          leaf as it is.
 *
 * INVARIANTS
 *   B1  all leaves are at level 0, and a child is one level below its node
 *   B2  a node has 1 to 64 entries.  One that a change leaves with fewer than a quarter is joined
 *       with its neighbour, unless it is the only child of its node
 *   B3  upto rises along the branches, and each step is the number of items in that child
 *
 * STEPS    Nothing that others see is stored here.  A change copies each node on the way to it,
 *          and the caller's record swaps the root.  One walk does all of them: of a node, the
 *          children that a change concerns are replaced by what became of them, and the node is
 *          made anew of the resulting row: as one node, or as many as it takes.
 * DEATH    before the record, the new nodes are staged blocks, which go back; after it, the old
 *          ones are in a magazine or in the trash.
 *
 * LIMITS   8 levels above the leaves: 10^16 items.
 */
#include "shm/tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define FEW (KITH__FAN / 4) /* a node with fewer entries is joined with its neighbour */

/* A row of parts, of one level. */
struct row {
    struct kith__part *at;
    uint64_t count, room;
    struct kith__part few[KITH__FAN + 4];
};

struct span {
    const struct kith__stored *items; /* or */
    const struct kith__slot *slots;
    uint64_t count;
};

static kith_err
broken(struct kith__tree_edit *edit)
{
    const struct kith__arena *arena = edit->op->self->arena;

    if (edit->op->err == KITH_OK)
        edit->op->err =
            kith__fail(KITH_ECORRUPT, "A list in %s breaks an invariant; run kith check.",
                       arena->path != NULL ? arena->path : "the mem:// space");
    return edit->op->err;
}

/* ---- Rows ------------------------------------------------------------------------------ */

static void
row_begin(struct row *row)
{
    row->at = row->few;
    row->count = 0;
    row->room = sizeof row->few / sizeof row->few[0];
}

static void
row_free(struct row *row)
{
    if (row->at != row->few)
        kith__free(row->at);
}

/* Room for `more` parts; false: there is none, and the operation fails. */
static bool
row_reserve(struct kith__tree_edit *edit, struct row *row, uint64_t more)
{
    uint64_t room = row->room;
    struct kith__part *at;

    if (row->room - row->count >= more)
        return true;
    while (room - row->count < more)
        room *= 2;
    at = kith__realloc(row->at == row->few ? NULL : row->at, room * sizeof *at);
    if (at == NULL) {
        if (edit->op->err == KITH_OK)
            edit->op->err =
                kith__fail(KITH_ENOMEM, "This process has no memory to change the list.");
        return false;
    }
    if (row->at == row->few)
        memcpy(at, row->few, sizeof row->few);
    row->at = at;
    row->room = room;
    return true;
}

static inline void
row_add(struct kith__tree_edit *edit, struct row *row, struct kith__part part)
{
    if (row_reserve(edit, row, 1))
        row->at[row->count++] = part;
}

static void
row_append(struct kith__tree_edit *edit, struct row *row, const struct row *more)
{
    if (more->count == 0 || !row_reserve(edit, row, more->count))
        return;
    memcpy(&row->at[row->count], more->at, more->count * sizeof *more->at);
    row->count += more->count;
}

/* ---- Nodes ----------------------------------------------------------------------------- */

static void
free_node(struct kith__tree_edit *edit, uint64_t word)
{
    kith__op_give(edit->op, kith__part_off(word));
}

static void *
take_node(struct kith__tree_edit *edit, uint64_t *off_out)
{
    if (kith__op_take(edit->op, sizeof(struct kith__leaf), off_out) < 0)
        return NULL;
    return kith__ptr(edit->op->self->arena, *off_out);
}

/*
 * How large the n-th of the `pieces` nodes is that `total` entries make: full ones, so that an
 * index says which child it is, and two at the end that share what is left, so that none has few.
 */
static uint64_t
piece_size(uint64_t total, uint64_t pieces, uint64_t n)
{
    uint64_t shared = pieces < 2 ? 1 : 2;

    if (n + shared < pieces)
        return KITH__FAN;
    total -= (pieces - shared) * KITH__FAN;
    return total / shared + (n + shared == pieces ? total % shared : 0);
}

static void
copy_slots(struct kith__slot *to, struct span *span, uint64_t n)
{
    if (span->items != NULL) {
        for (uint64_t i = 0; i < n; i++) {
            kith__store(&to[i].meta, span->items[i].meta);
            kith__store(&to[i].value, span->items[i].value);
        }
        span->items += n;
    } else {
        memcpy(to, span->slots, n * sizeof *to); /* nobody stores in either: one is ours, and
                                                    the lock is */
        span->slots += n;
    }
    span->count -= n;
}

/* Leaves of what the spans have in a row. */
static void
emit_leaves(struct kith__tree_edit *edit, struct row *out, struct span *spans, unsigned count)
{
    uint64_t total = 0, pieces;

    for (unsigned i = 0; i < count; i++)
        total += spans[i].count;
    pieces = (total + KITH__FAN - 1) / KITH__FAN;
    for (uint64_t p = 0; p < pieces && edit->op->err == KITH_OK; p++) {
        uint64_t size = piece_size(total, pieces, p), off, done = 0;
        struct kith__leaf *leaf = take_node(edit, &off);

        for (unsigned i = 0; leaf != NULL && i < count; i++) {
            uint64_t n = spans[i].count < size - done ? spans[i].count : size - done;

            copy_slots(&leaf->slot[done], &spans[i], n);
            done += n;
        }
        if (leaf != NULL)
            row_add(edit, out, (struct kith__part){ KITH__PART_WORD(off, size, 0), size });
    }
}

/* Nodes of a row of children. */
static void
emit_inner(struct kith__tree_edit *edit, struct row *out, const struct row *children)
{
    uint64_t pieces = (children->count + KITH__FAN - 1) / KITH__FAN, next = 0;
    unsigned level = children->count == 0 ? 0 : kith__part_level(children->at[0].word) + 1;

    if (level > KITH__TREE_LEVELS && edit->op->err == KITH_OK)
        edit->op->err = kith__fail(KITH_ETOOBIG, "The list has as many items as a list holds.");
    for (uint64_t p = 0; p < pieces && edit->op->err == KITH_OK; p++) {
        uint64_t size = piece_size(children->count, pieces, p), off, items = 0;
        struct kith__inner *node = take_node(edit, &off);

        for (uint64_t i = 0; node != NULL && i < size; i++, next++) {
            items += children->at[next].count;
            kith__store(&node->branch[i].child, children->at[next].word);
            kith__store(&node->branch[i].upto, items);
        }
        if (node != NULL)
            row_add(edit, out, (struct kith__part){ KITH__PART_WORD(off, size, level), items });
    }
}

static struct kith__part
child_of(const struct kith__inner *node, unsigned i)
{
    uint64_t before = i > 0 ? kith__load(&node->branch[i - 1].upto) : 0;

    return (struct kith__part){ kith__load(&node->branch[i].child),
                                kith__load(&node->branch[i].upto) - before };
}

static void
add_children(struct kith__tree_edit *edit, struct row *row, const struct kith__inner *node,
             unsigned from, unsigned to)
{
    uint64_t before = from > 0 ? kith__load(&node->branch[from - 1].upto) : 0;

    if (from >= to || !row_reserve(edit, row, to - from))
        return;
    for (unsigned i = from; i < to; i++) {
        uint64_t upto = kith__load(&node->branch[i].upto);

        row->at[row->count++] =
            (struct kith__part){ kith__load(&node->branch[i].child), upto - before };
        before = upto;
    }
}

/* ---- What is dropped -------------------------------------------------------------------- */

struct kith__list_root *
kith__list_carcass(struct kith__tree_edit *edit)
{
    struct kith__op *op = edit->op;
    struct kith__list_root *carcass;

    if (edit->carcass != NULL)
        return edit->carcass;
    if (kith__op_take_typed(op, KITH__CLASS_ROOT, &edit->carcass_off) < 0)
        return NULL;
    carcass = kith__ptr(op->self->arena, edit->carcass_off);
    kith__lock_init(op->self->arena, &carcass->root.lock);
    kith__store(&carcass->root.id, 0);
    kith__store(&carcass->state, 0);
    kith__store(&carcass->tree, 0);
    kith__store(&carcass->tree_count, 0);
    kith__store(&carcass->head, 0);
    kith__store(&carcass->tail, 0);
    kith__store(&carcass->keep, edit->keep);
    for (unsigned i = 0; i < KITH__DROPS; i++)
        kith__store(&carcass->drop[i], 0);
    kith__op_trash(op, edit->carcass_off, KITH_KIND_LIST);
    edit->carcass = carcass;
    return carcass;
}

/* Children [from, to) of a node go, with all that is below them: a node of their own holds them. */
static void
drop_children(struct kith__tree_edit *edit, const struct kith__inner *node, unsigned from,
              unsigned to)
{
    struct kith__list_root *carcass;
    struct row children, made;

    if (from >= to)
        return;
    carcass = kith__list_carcass(edit);
    if (carcass == NULL)
        return;
    if (edit->drops == KITH__DROPS) {
        broken(edit);
        return;
    }
    row_begin(&children);
    row_begin(&made);
    add_children(edit, &children, node, from, to);
    emit_inner(edit, &made, &children);
    if (edit->op->err == KITH_OK)
        kith__store(&carcass->drop[edit->drops++], made.at[0].word);
    row_free(&children);
    row_free(&made);
}

/* ---- Joining neighbours ------------------------------------------------------------------ */

/* Makes one or two nodes of two. */
static void
join(struct kith__tree_edit *edit, struct row *out, uint64_t left, uint64_t right)
{
    void *a = kith__part_node(edit->op->self->arena, left);
    void *b = kith__part_node(edit->op->self->arena, right);

    if (a == NULL || b == NULL || kith__part_level(left) != kith__part_level(right)) {
        broken(edit);
        return;
    }
    if (kith__part_level(left) == 0) {
        struct span spans[2] = {
            { NULL, ((struct kith__leaf *)a)->slot, kith__part_entries(left) },
            { NULL, ((struct kith__leaf *)b)->slot, kith__part_entries(right) },
        };

        emit_leaves(edit, out, spans, 2);
    } else {
        struct row children;

        row_begin(&children);
        add_children(edit, &children, a, 0, kith__part_entries(left));
        add_children(edit, &children, b, 0, kith__part_entries(right));
        emit_inner(edit, out, &children);
        row_free(&children);
    }
    free_node(edit, left);
    free_node(edit, right);
}

/* B2: parts [from, to) of the row are new, and may have few entries. */
static void
join_few(struct kith__tree_edit *edit, struct row *row, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to && row->count > 1 && edit->op->err == KITH_OK;) {
        uint64_t left = i > 0 ? i - 1 : 0;
        struct row made;

        if (kith__part_entries(row->at[i].word) >= FEW) {
            i++;
            continue;
        }
        row_begin(&made);
        join(edit, &made, row->at[left].word, row->at[left + 1].word);
        if (edit->op->err == KITH_OK) { /* one, or two that have many */
            memcpy(&row->at[left], made.at, made.count * sizeof *made.at);
            if (made.count == 1) {
                memmove(&row->at[left + 1], &row->at[left + 2],
                        (row->count - left - 2) * sizeof *row->at);
                row->count--;
                to--;
            }
            i = left;
        }
        row_free(&made);
    }
}

/* ---- Splicing ---------------------------------------------------------------------------- */

struct change {
    uint64_t from, to;
    const struct kith__stored *items;
    uint64_t count;
};

static void
splice_leaf(struct kith__tree_edit *edit, struct row *out, uint64_t word,
            const struct change *change)
{
    struct kith__leaf *leaf = kith__part_node(edit->op->self->arena, word);
    uint64_t n = kith__part_entries(word);

    if (leaf == NULL || change->from > change->to || change->to > n) {
        broken(edit);
        return;
    }
    for (uint64_t i = change->from; !edit->keep && i < change->to; i++)
        kith__stored_give(edit->op, kith__load(&leaf->slot[i].meta),
                          kith__load(&leaf->slot[i].value));
    struct span spans[3] = {
        { NULL, leaf->slot, change->from },
        { change->items, leaf->slot, change->count },
        { NULL, leaf->slot + change->to, n - change->to },
    };
    emit_leaves(edit, out, spans, 3);
    free_node(edit, word);
}

/* A node of which just one child, the a-th, becomes another: the usual case, spared the rows. */
static void
replace_child(struct kith__tree_edit *edit, struct row *out, struct kith__part part,
              const struct kith__inner *node, unsigned a, struct kith__part child)
{
    unsigned n = kith__part_entries(part.word);
    uint64_t more = child.count - child_of(node, a).count, off; /* may be less: it goes round */
    struct kith__inner *made = take_node(edit, &off);

    if (made == NULL)
        return;
    memcpy(made, node, n * sizeof node->branch[0]);
    kith__store(&made->branch[a].child, child.word);
    for (unsigned i = a; i < n; i++)
        kith__store(&made->branch[i].upto, kith__load(&node->branch[i].upto) + more);
    row_add(edit, out,
            (struct kith__part){ KITH__PART_WORD(off, n, kith__part_level(part.word)),
                                 part.count + more });
}

/* What becomes of a part: a row of parts of its level, maybe an empty one. */
static void
splice_part(struct kith__tree_edit *edit, struct row *out, struct kith__part part, unsigned level,
            const struct change *change)
{
    struct kith__inner *node = kith__part_node(edit->op->self->arena, part.word);
    unsigned n = kith__part_entries(part.word), a, b;
    struct row row, mid;
    struct change inside = *change;
    uint64_t before;

    if (edit->op->err < 0)
        return;
    if (node == NULL || kith__part_level(part.word) != level || change->from > change->to ||
        change->to > part.count ||
        (level > 0 ? kith__load(&node->branch[n - 1].upto) : n) != part.count) { /* B3 */
        broken(edit);
        return;
    }
    if (level == 0) {
        splice_leaf(edit, out, part.word, change);
        return;
    }
    a = change->from == part.count ? n - 1 : kith__inner_find(node, n, level, change->from);
    b = change->to > change->from ? kith__inner_find(node, n, level, change->to - 1) : a;
    if (b < a) {
        broken(edit);
        return;
    }
    row_begin(&row);
    row_begin(&mid);
    before = a > 0 ? kith__load(&node->branch[a - 1].upto) : 0;
    inside.from -= before;
    if (a == b) {
        inside.to -= before;
        splice_part(edit, &mid, child_of(node, a), level - 1, &inside);
    } else {
        inside.to = child_of(node, a).count;
        splice_part(edit, &mid, child_of(node, a), level - 1, &inside);
        drop_children(edit, node, a + 1, b);
        inside = (struct change){ 0, change->to - kith__load(&node->branch[b - 1].upto), NULL, 0 };
        splice_part(edit, &mid, child_of(node, b), level - 1, &inside);
    }
    if (a == b && mid.count == 1 && (n == 1 || kith__part_entries(mid.at[0].word) >= FEW)) {
        replace_child(edit, out, part, node, a, mid.at[0]);
    } else {
        add_children(edit, &row, node, 0, a);
        row_append(edit, &row, &mid);
        add_children(edit, &row, node, b + 1, n);
        join_few(edit, &row, a, a + mid.count);
        emit_inner(edit, out, &row);
    }
    free_node(edit, part.word);
    row_free(&mid);
    row_free(&row);
}

/* One root over a row, and no higher than it must be. */
static void
crown(struct kith__tree_edit *edit, struct row *row, struct kith__part *tree)
{
    while (row->count > 1 && edit->op->err == KITH_OK) {
        struct row above;

        row_begin(&above);
        emit_inner(edit, &above, row);
        row->count = 0;
        row_append(edit, row, &above);
        row_free(&above);
    }
    *tree = row->count == 1 ? row->at[0] : (struct kith__part){ 0, 0 };
    while (edit->op->err == KITH_OK && kith__part_level(tree->word) > 0 &&
           kith__part_entries(tree->word) == 1) {
        struct kith__inner *node = kith__part_node(edit->op->self->arena, tree->word);
        uint64_t word = tree->word;

        if (node == NULL || kith__part_level(kith__load(&node->branch[0].child)) + 1 !=
                                kith__part_level(tree->word)) {
            broken(edit);
            return;
        }
        tree->word = kith__load(&node->branch[0].child);
        free_node(edit, word);
    }
}

kith_err
kith__tree_splice(struct kith__tree_edit *edit, struct kith__part *tree, uint64_t from, uint64_t to,
                  const struct kith__stored *items, uint64_t count)
{
    struct change change = { from, to, items, count };
    unsigned level = kith__part_level(tree->word);
    struct row row;

    row_begin(&row);
    if (tree->word == 0) {
        struct span span = { items, NULL, count };

        if (count > 0)
            emit_leaves(edit, &row, &span, 1);
    } else if (level > KITH__TREE_LEVELS) {
        broken(edit);
    } else {
        splice_part(edit, &row, *tree, level, &change);
    }
    crown(edit, &row, tree);
    row_free(&row);
    return edit->op->err;
}

/* ---- A leaf at an end --------------------------------------------------------------------- */

/* What becomes of a part: itself made anew, or itself and a new one beside it. */
static void
push_part(struct kith__tree_edit *edit, struct row *out, struct kith__part part, unsigned level,
          struct kith__part leaf, bool front)
{
    struct kith__inner *node = kith__part_node(edit->op->self->arena, part.word);
    unsigned n = kith__part_entries(part.word);
    struct row row, mid, alone;

    if (edit->op->err < 0)
        return;
    if (node == NULL || kith__part_level(part.word) != level) {
        broken(edit);
        return;
    }
    if (level == 0) {
        row_add(edit, out, front ? leaf : part);
        row_add(edit, out, front ? part : leaf);
        return;
    }
    row_begin(&row);
    row_begin(&mid);
    row_begin(&alone);
    push_part(edit, &mid, child_of(node, front ? 0 : n - 1), level - 1, leaf, front);
    if (n - 1 + mid.count <= KITH__FAN) {
        if (!front)
            add_children(edit, &row, node, 0, n - 1);
        row_append(edit, &row, &mid);
        if (front)
            add_children(edit, &row, node, 1, n);
        emit_inner(edit, out, &row);
        free_node(edit, part.word);
    } else if (edit->op->err ==
               KITH_OK) { /* it is full, and its child was: both stay as they are */
        row_add(edit, &alone, mid.at[front ? 0 : 1]);
        if (!front)
            row_add(edit, out, part);
        emit_inner(edit, out, &alone);
        if (front)
            row_add(edit, out, part);
    }
    row_free(&row);
    row_free(&mid);
    row_free(&alone);
}

kith_err
kith__tree_push(struct kith__tree_edit *edit, struct kith__part *tree, struct kith__part leaf,
                bool front)
{
    unsigned level = kith__part_level(tree->word);
    struct row row;

    row_begin(&row);
    if (tree->word == 0)
        row_add(edit, &row, leaf);
    else if (level > KITH__TREE_LEVELS)
        broken(edit);
    else
        push_part(edit, &row, *tree, level, leaf, front);
    crown(edit, &row, tree);
    row_free(&row);
    return edit->op->err;
}
