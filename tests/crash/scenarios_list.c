/*
 * scenarios_list.c - lists: at their ends, in a chunk, in the tree, and as a whole.
 */
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/list.h"

/* Good until the next call: a handle on the list of this stage, or of this image. */
static const struct kith__list *
list_of(const struct stage *stage)
{
    static struct kith__list list;

    list = (struct kith__list){ stage->arena, stage->object[0].off, stage->object[0].id };
    return &list;
}

static kith_err
init_list(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    (void)unused;
    kith__list_init(op, off, id);
    return op->err;
}

/* Numbers, and every third a text with a block of its own. */
static struct kith_item
item_of(unsigned i, char text[48])
{
    snprintf(text, 48, "the text of the item %u, not short", i);
    return i % 3 == 2 ? kith_str(text) : KITH_INT(i);
}

static void
append_items(struct stage *stage, struct kith__self *self, unsigned from, unsigned to)
{
    char text[48];

    for (unsigned i = from; i < to; i++)
        if (kith__list_append(self, list_of(stage), item_of(i, text)) < 0)
            abort();
}

static void
insert(struct stage *stage, struct kith__self *self, int64_t index, struct kith_item item)
{
    kith__list_splice(self, list_of(stage), index, index, &item, 1);
}

static void
drop(struct stage *stage, struct kith__self *self, int64_t index)
{
    kith__list_pop(self, list_of(stage), index, NULL);
}

/* ---- Setting up ---------------------------------------------------------------------------- */

static void
list_none(struct stage *stage, struct kith__self *self)
{
    (void)self;
    stage_make(stage, 0, "list", KITH_KIND_LIST, init_list, NULL);
}

static void
list_few(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    append_items(stage, self, 0, 6);
}

static void
list_full_tail(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    append_items(stage, self, 0, 64);
}

/* Both chunks, and leaves between them. */
static void
list_tree(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    append_items(stage, self, 0, 64 * 3 + 12);
    for (unsigned i = 0; i < 7; i++)
        insert(stage, self, 0, KITH_INT(1000 + i));
}

/* Nodes above nodes, the first of them full. */
static void
list_tall(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    append_items(stage, self, 0, 64 * 70 + 5);
}

/* A full head chunk. */
static void
list_fresh(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    for (unsigned i = 0; i < 64; i++)
        insert(stage, self, 0, KITH_INT(i));
}

/* The tail chunk is empty, and the head's too: both have to be filled from the tree. */
static void
list_emptied_tail(struct stage *stage, struct kith__self *self)
{
    list_none(stage, self);
    append_items(stage, self, 0, 64 * 2 + 1);
    drop(stage, self, -1);
}

static void
list_warm_up(struct stage *stage, struct kith__self *self)
{
    struct kith_item text = kith_str("a text that takes a block of its own");
    uint64_t half = 0;

    kith__list_len(self, list_of(stage), &half);
    half /= 2;
    kith__list_splice(self, list_of(stage), (int64_t)half, (int64_t)half, &text, 1);
    kith__list_pop(self, list_of(stage), (int64_t)half, NULL);
}

/* ---- The operations -------------------------------------------------------------------------- */

static void
list_append_number(struct stage *stage, struct kith__self *self)
{
    kith__list_append(self, list_of(stage), KITH_INT(77));
}

static void
list_append_text(struct stage *stage, struct kith__self *self)
{
    kith__list_append(self, list_of(stage), kith_str("another text of more than eight bytes"));
}

static void
list_append_big(struct stage *stage, struct kith__self *self)
{
    kith__list_append(self, list_of(stage), kith_bytes(stage->big, 60000));
}

static void
list_prepend(struct stage *stage, struct kith__self *self)
{
    insert(stage, self, 0, kith_str("a text in front of all others"));
}

static void
list_insert_middle(struct stage *stage, struct kith__self *self)
{
    insert(stage, self, 60, kith_str("a text in the middle of others"));
}

static void
list_insert_third(struct stage *stage, struct kith__self *self)
{
    insert(stage, self, 3, kith_str("a text in the middle of others"));
}

static void
list_pop_last(struct stage *stage, struct kith__self *self)
{
    drop(stage, self, -1);
}

static void
list_pop_first(struct stage *stage, struct kith__self *self)
{
    drop(stage, self, 0);
}

static void
list_pop_middle(struct stage *stage, struct kith__self *self)
{
    drop(stage, self, 65);
}

static void
list_remove_text(struct stage *stage, struct kith__self *self)
{
    kith__list_remove(self, list_of(stage), kith_str("the text of the item 2, not short"));
}

static void
list_set_number(struct stage *stage, struct kith__self *self)
{
    kith__list_set(self, list_of(stage), 1, KITH_INT(INT64_C(-1234567890123)));
}

static void
list_set_text(struct stage *stage, struct kith__self *self)
{
    kith__list_set(self, list_of(stage), 2, kith_str("another text of more than eight bytes"));
}

static void
replace(struct stage *stage, struct kith__self *self, int64_t start, int64_t stop, unsigned count)
{
    struct kith_item *items = calloc(count + 1, sizeof *items);
    char(*text)[48] = calloc(count + 1, sizeof *text);

    for (unsigned i = 0; i < count; i++)
        items[i] = item_of(5000 + i, text[i]);
    kith__list_splice(self, list_of(stage), start, stop, items, count);
}

static void
list_extend_many(struct stage *stage, struct kith__self *self)
{
    replace(stage, self, INT64_MAX, INT64_MAX, 150);
}

static void
list_set_slice(struct stage *stage, struct kith__self *self)
{
    replace(stage, self, 3, 200, 20);
}

static void
list_set_stepped(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[3] = { KITH_INT(1), kith_str("a text with a block of its own"),
                                  KITH_INT(2) };

    kith__list_set_stepped(self, list_of(stage), 0, 6, 2, items, 3);
}

/* Whole leaves go, and parts of two: what is left of these is joined with neighbours. */
static void
list_delete_slice(struct stage *stage, struct kith__self *self)
{
    kith__list_splice(self, list_of(stage), 10, -70, NULL, 0);
}

static void
list_delete_stepped(struct stage *stage, struct kith__self *self)
{
    kith__list_delete_stepped(self, list_of(stage), INT64_MAX, INT64_MIN, -3);
}

static void
list_reverse(struct stage *stage, struct kith__self *self)
{
    kith__list_reverse(self, list_of(stage));
}

static int
by_size(struct kith_item a, struct kith_item b, void *arg)
{
    (void)arg;
    return a.size < b.size ? -1 : a.size > b.size;
}

static void
list_sort(struct stage *stage, struct kith__self *self)
{
    kith__list_sort(self, list_of(stage), by_size, NULL, true);
}

static void
list_clear(struct stage *stage, struct kith__self *self)
{
    kith__list_clear(self, list_of(stage));
}

static void
list_destroy(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "list");
}

/* ---- What can be seen ------------------------------------------------------------------------ */

static uint64_t
hash_item(uint64_t hash, struct kith_item item)
{
    const uint8_t *at = item.data;

    hash = (hash ^ (uint64_t)item.type ^ (uint64_t)item.integer) * UINT64_C(0x100000001b3);
    for (size_t i = 0; item.type == KITH_TYPE_STR && i < item.size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void
see_list(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__list_copy copy;
    kith_err err = kith__list_copy(self, list_of(stage), 0, INT64_MAX, 1, &copy);

    if (err < 0) {
        snprintf(text, size, "error %d", (int)err);
        return;
    }
    for (uint64_t i = 0; i < copy.count; i++)
        hash = hash_item(hash, kith__list_copy_item(&copy, i, tag));
    snprintf(text, size, "%llu items, %016llx", (unsigned long long)copy.count,
             (unsigned long long)hash);
    kith__list_copy_free(&copy);
    /* And the survivor can go on with it. */
    insert(stage, self, 5, kith_str("a text with a block of its own"));
    list_append_text(stage, self);
    list_pop_first(stage, self);
    replace(stage, self, 2, 9, 70);
}

/* While the writer is stopped: the length, all items at once, and one by one, agree. */
static const char *
peek_list(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__list_copy copy;
    const char *wrong = NULL;
    uint64_t len = 0;
    kith_err err = kith__list_copy(self, list_of(stage), 0, INT64_MAX, 1, &copy);

    if (err < 0)
        return "a reader can't copy the list";
    kith__list_len(self, list_of(stage), &len);
    if (len != copy.count)
        wrong = "a reader sees another length than there are items";
    for (uint64_t i = 0; i < copy.count && wrong == NULL; i += 1 + copy.count / 200) {
        struct kith_item item = kith__list_copy_item(&copy, i, tag);

        if (kith__list_get(self, list_of(stage), (int64_t)(i - copy.count), &buf) < 0 ||
            hash_item(0, buf.item) != hash_item(0, item))
            wrong = "a reader sees an item that is not in the list";
    }
    kith_buf_free(&buf);
    kith__list_copy_free(&copy);
    return wrong;
}

static const struct scenario scenarios[] = {
    { .name = "list append",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_append_number,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list append, first",
      .set_up = list_none,
      .act = list_append_number,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list append, text",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_append_text,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list append, big item",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_append_big,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list append, tail full",
      .set_up = list_full_tail,
      .act = list_append_number,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list append, tree grows",
      .set_up = list_tall,
      .act = list_append_text,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list insert at the front",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_prepend,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list insert at the front, head full",
      .set_up = list_fresh,
      .act = list_prepend,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list insert, in a chunk",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_insert_third,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list insert, in the tree",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_insert_middle,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list insert, splitting two nodes",
      .set_up = list_tall,
      .prepare = list_warm_up,
      .act = list_insert_middle,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list pop",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_pop_last,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list pop, tail empty",
      .set_up = list_emptied_tail,
      .act = list_pop_last,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list pop, first",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_pop_first,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list pop, first of the tree",
      .set_up = list_emptied_tail,
      .act = list_pop_first,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list pop, in the tree",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_pop_middle,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list remove",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_remove_text,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list set, number",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_set_number,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list set, text",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_set_text,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list extend",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_extend_many,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list set slice",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_set_slice,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list set slice with a step",
      .set_up = list_few,
      .prepare = list_warm_up,
      .act = list_set_stepped,
      .observe = see_list,
      .peek = peek_list },
    { .name = "list delete slice",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_delete_slice,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list delete slice, two levels",
      .set_up = list_tall,
      .prepare = list_warm_up,
      .act = list_delete_slice,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list delete slice with a step",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_delete_stepped,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list reverse",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_reverse,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list sort",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_sort,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list clear",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_clear,
      .observe = see_list,
      .peek = peek_list,
      .slow = true },
    { .name = "list destroyed",
      .set_up = list_tree,
      .prepare = list_warm_up,
      .act = list_destroy,
      .observe = see_list,
      .slow = true },
};
const struct scenario_table list_scenarios = SCENARIO_TABLE(scenarios);
