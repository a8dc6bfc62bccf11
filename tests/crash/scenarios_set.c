/*
 * scenarios_set.c - sets: a dict's keys, under a kind of their own.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

/* Good until the next call: a handle on the set of this stage, or of this image. */
static const struct kith__dict *
set_of(const struct stage *stage)
{
    static struct kith__dict set;

    set = (struct kith__dict){ stage->arena, stage->object[0].off, stage->object[0].id };
    return &set;
}

static kith_err
init_set(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    (void)unused;
    kith__dict_init(op, off, id, NULL);
    return op->err;
}

static void
add(struct stage *stage, struct kith__self *self, const char *member)
{
    change_key(stage, self, set_of(stage), member, KITH__CHANGE_SETDEFAULT, kith_none());
}

static void
few_members(struct stage *stage, struct kith__self *self)
{
    stage_make(stage, 0, "set", KITH_KIND_SET, init_set, NULL);
    add(stage, self, "one");
    add(stage, self, "two");
    add(stage, self, "three");
}

static void
add_member(struct stage *stage, struct kith__self *self)
{
    add(stage, self, "four");
}

static void
add_again(struct stage *stage, struct kith__self *self)
{
    add(stage, self, "two");
}

static void
discard_member(struct stage *stage, struct kith__self *self)
{
    change_key(stage, self, set_of(stage), "two", KITH__CHANGE_DELETE, kith_none());
}

static void
pop_member(struct stage *stage, struct kith__self *self)
{
    kith__dict_popitem(self, set_of(stage), NULL, NULL);
}

static void
update(struct stage *stage, struct kith__self *self)
{
    static const char *const members[] = { "two", "five", "six", "seven" };
    struct kith__txn_step steps[4] = { 0 };
    struct kith__key keys[4];
    size_t failed;

    for (unsigned i = 0; i < 4; i++) {
        key_of(stage, members[i], &keys[i]);
        steps[i].what = KITH__TXN_SET;
        steps[i].dict = *set_of(stage);
        steps[i].key = &keys[i];
    }
    kith__txn_run(self, steps, 4, &failed);
}

static void
clear_set(struct stage *stage, struct kith__self *self)
{
    kith__dict_clear(self, set_of(stage));
}

static void
destroy_set(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "set");
}

static void
see_set(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__copy copy;
    size_t used = 0;

    if (kith__dict_copy(self, set_of(stage), false, &copy) < 0) {
        snprintf(text, size, "gone");
        return;
    }
    text[0] = '\0';
    for (uint64_t i = 0; i < copy.count && used + 32 < size; i++) {
        struct kith_item member = kith__copy_key(&copy, i);

        used += (size_t)snprintf(text + used, size - used, "%.*s ", (int)member.size,
                                 (const char *)member.data);
    }
    kith__copy_free(&copy);
    add(stage, self, "and the survivor can go on with it");
}

/* Members that are there before and after are there all the time. */
static const char *
peek_set(struct stage *stage, struct kith__self *self)
{
    return look(stage, self, set_of(stage), "one") == 0 ? NULL : "a reader misses a member";
}

static const struct scenario scenarios[] = {
    { .name = "set add",
      .set_up = few_members,
      .prepare = warm_up,
      .act = add_member,
      .observe = see_set,
      .peek = peek_set },
    { .name = "set add, there already",
      .set_up = few_members,
      .prepare = warm_up,
      .act = add_again,
      .observe = see_set,
      .peek = peek_set,
      .same_outcome = true },
    { .name = "set discard",
      .set_up = few_members,
      .prepare = warm_up,
      .act = discard_member,
      .observe = see_set,
      .peek = peek_set },
    { .name = "set pop",
      .set_up = few_members,
      .prepare = warm_up,
      .act = pop_member,
      .observe = see_set,
      .peek = peek_set },
    { .name = "set update",
      .set_up = few_members,
      .prepare = warm_up,
      .act = update,
      .observe = see_set,
      .peek = peek_set },
    { .name = "set clear",
      .set_up = few_members,
      .prepare = warm_up,
      .act = clear_set,
      .observe = see_set },
    { .name = "set destroyed",
      .set_up = few_members,
      .prepare = warm_up,
      .act = destroy_set,
      .observe = see_set },
};
const struct scenario_table set_scenarios = SCENARIO_TABLE(scenarios);
