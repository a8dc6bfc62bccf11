/*
 * scenarios_dict.c - dicts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

/* ---- Setting up ----------------------------------------------------------------------------- */

static void
full_table(struct stage *stage, struct kith__self *self)
{
    fill_dict(stage, self, 0, 10); /* two buckets, at three quarters */
}

static void
nearly_spread(struct stage *stage, struct kith__self *self)
{
    fill_dict(stage, self, 0, KITH__SPREAD_AT);
}

static void
wide(struct stage *stage, struct kith__self *self)
{
    fill_dict(stage, self, 0, KITH__SPREAD_AT + 20);
    few_keys(stage, self);
}

/* ---- The operations ------------------------------------------------------------------------- */

static void
set_new(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "new", KITH_INT(9));
}

static void
set_new_text(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "new", kith_str("another text of more than eight bytes"));
}

static void
set_over_number(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "one", KITH_INT(9));
}

static void
set_over_text(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "text", kith_str("another text of more than eight bytes"));
}

static void
set_big(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "text", kith_bytes(stage->big, 60000));
}

static void
add(struct stage *stage, struct kith__self *self)
{
    add_one(stage, self, "one");
}

static void
add_new(struct stage *stage, struct kith__self *self)
{
    add_one(stage, self, "count");
}

static void
delete_text(struct stage *stage, struct kith__self *self)
{
    delete_key(stage, self, "text");
}

static void
pop(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__change how = { .what = KITH__CHANGE_DELETE, .out = &buf };
    struct kith__key key;

    key_of(stage, "text", &key);
    kith__dict_change(self, &stage->a, &key, &how);
}

static void
popitem(struct stage *stage, struct kith__self *self)
{
    kith__dict_popitem(self, &stage->a, NULL, NULL);
}

static void
cas(struct stage *stage, struct kith__self *self)
{
    change_key(stage, self, &stage->a, "one", KITH__CHANGE_CAS,
               kith_str("a text instead of a number"));
}

static void
clear(struct stage *stage, struct kith__self *self)
{
    kith__dict_clear(self, &stage->a);
}

static void
add_all(struct stage *stage, struct kith__self *self, const char *const *names, unsigned count)
{
    struct kith__txn_step *steps = calloc(count, sizeof *steps);
    struct kith__key *keys = calloc(count, sizeof *keys);
    size_t failed;

    if (steps == NULL || keys == NULL)
        abort();
    for (unsigned i = 0; i < count; i++) {
        key_of(stage, names[i], &keys[i]);
        steps[i].what = KITH__TXN_ADD;
        steps[i].dict = stage->a;
        steps[i].key = &keys[i];
        steps[i].n = 1;
    }
    kith__txn_run(self, steps, count, &failed);
    free(keys);
    free(steps);
}

static void
add_many(struct stage *stage, struct kith__self *self)
{
    static const char *const names[] = { "one", "n1", "n2", "last", "n3", "n4", "n5", "n6" };

    add_all(stage, self, names, 8);
}

/* More words than the slot has room for: the record goes to an extent. */
static void
add_very_many(struct stage *stage, struct kith__self *self)
{
    enum { COUNT = 60 };
    char name[COUNT][16];
    const char *names[COUNT];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name[i], sizeof name[i], "many%u", i);
        names[i] = name[i];
    }
    add_all(stage, self, names, COUNT);
}

/* ---- What a reader sees while the writer is stopped ----------------------------------------- */

static const char *
peek_many(struct stage *stage, struct kith__self *self)
{
    static const char *const names[] = { "one", "n1", "n2", "last", "n3", "n4", "n5", "n6" };
    static const int64_t before[] = { 1, -1, -1, 3, -1, -1, -1, -1 };
    static const int64_t after[] = { 2, 1, 1, 4, 1, 1, 1, 1 };
    bool is_before = true, is_after = true;
    struct kith_buf items[8];
    struct kith__key keys[8];

    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 16; i++) {
        unsigned k = i < 8 ? i : 15 - i;
        int64_t seen = look(stage, self, &stage->a, names[k]);

        is_before = is_before && seen == before[k];
        is_after = is_after && seen == after[k];
        key_of(stage, names[k], &keys[k]);
    }
    kith__dict_get_many(self, &stage->a, keys, 8, items);
    for (unsigned k = 0; k < 8; k++) {
        int64_t seen = items[k].item.tag == kith_absent ? -1 : items[k].item.integer;

        is_before = is_before && seen == before[k];
        is_after = is_after && seen == after[k];
        kith_buf_free(&items[k]);
    }
    return is_before || is_after ? NULL : "a reader sees a merge half done";
}

/* Keys that are there before and after are there all the time. */
static const char *
peek_one(struct stage *stage, struct kith__self *self)
{
    int64_t one = look(stage, self, &stage->a, "one");

    return one == 1 || one == 9 || one == 2 || one == 26 ? NULL : "a reader misses a key";
}

static const char *
peek_keys(struct stage *stage, struct kith__self *self)
{
    uint64_t len = 0;
    char name[32];

    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "key%u", i);
        if (look(stage, self, &stage->a, name) != (int64_t)i)
            return "a reader misses a key";
    }
    kith__dict_len(self, &stage->a, &len);
    return len >= 10 ? NULL : "a reader misses keys in the length";
}

static const struct scenario scenarios[] = {
    { .name = "dict set, new",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_new,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict set, new text",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_new_text,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict set, cold thread",
      .set_up = few_keys,
      .act = set_new_text,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict set over a number",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_over_number,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict set over a text",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_over_text,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict set, table grows",
      .set_up = full_table,
      .act = set_new,
      .observe = see_dicts,
      .peek = peek_keys },
    { .name = "dict set, splitting into shards",
      .set_up = nearly_spread,
      .act = set_new,
      .observe = see_dicts,
      .peek = peek_keys,
      .slow = true },
    { .name = "dict set, among shards",
      .set_up = wide,
      .prepare = warm_up,
      .act = set_new,
      .observe = see_dicts,
      .peek = peek_keys },
    { .name = "dict set, big item",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_big,
      .observe = see_dicts,
      .peek = peek_one,
      .slow = true },
    { .name = "dict add",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = add,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict add, new",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = add_new,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict delete",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = delete_text,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict pop",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = pop,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict popitem",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = popitem,
      .observe = see_dicts },
    { .name = "dict cas",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = cas,
      .observe = see_dicts,
      .peek = peek_one },
    { .name = "dict clear",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = clear,
      .observe = see_dicts },
    { .name = "dict clear, shards",
      .set_up = wide,
      .prepare = warm_up,
      .act = clear,
      .observe = see_dicts,
      .slow = true },
    { .name = "dict add_many",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = add_many,
      .observe = see_dicts,
      .peek = peek_many },
    { .name = "dict add_many, long record",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = add_very_many,
      .observe = see_dicts,
      .peek = peek_one,
      .slow = true },
};
const struct scenario_table dict_scenarios = SCENARIO_TABLE(scenarios);
