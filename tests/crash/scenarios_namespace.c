/*
 * scenarios_namespace.c - namespaces: a dict of items by name, under a kind of its own.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

#define OLD_TEXT "a text of more than eight bytes"
#define NEW_TEXT "another text, which takes another block"

/* Good until the next call: a handle on the namespace of this stage, or of this image. */
static const struct kith__dict *
names_of(const struct stage *stage)
{
    static struct kith__dict names;

    names = (struct kith__dict){ stage->arena, stage->object[0].off, stage->object[0].id };
    return &names;
}

static kith_err
init_names(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    (void)unused;
    kith__dict_init(op, off, id, NULL);
    return op->err;
}

static void
set_attribute(struct stage *stage, struct kith__self *self, const char *name, struct kith_item item)
{
    change_key(stage, self, names_of(stage), name, KITH__CHANGE_SET, item);
}

static void
few_attributes(struct stage *stage, struct kith__self *self)
{
    stage_make(stage, 0, "names", KITH_KIND_NAMESPACE, init_names, NULL);
    set_attribute(stage, self, "stays", KITH_INT(7));
    set_attribute(stage, self, "text", kith_str(OLD_TEXT));
    set_attribute(stage, self, "number", KITH_INT(1));
}

static void
set_new(struct stage *stage, struct kith__self *self)
{
    set_attribute(stage, self, "new", kith_str(NEW_TEXT));
}

static void
set_text(struct stage *stage, struct kith__self *self)
{
    set_attribute(stage, self, "text", kith_str(NEW_TEXT));
}

static void
set_number(struct stage *stage, struct kith__self *self)
{
    set_attribute(stage, self, "number", KITH_INT(INT64_C(-1234567890123)));
}

static void
delete_text(struct stage *stage, struct kith__self *self)
{
    change_key(stage, self, names_of(stage), "text", KITH__CHANGE_DELETE, kith_none());
}

static void
destroy_names(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "names");
}

static void
see_names(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__copy copy;
    size_t used = 0;

    if (kith__dict_copy(self, names_of(stage), true, &copy) < 0) {
        snprintf(text, size, "gone");
        return;
    }
    text[0] = '\0';
    for (uint64_t i = 0; i < copy.count && used + 96 < size; i++) {
        char tag[KITH_TAG_SIZE_MAX + 1];
        struct kith_item name = kith__copy_key(&copy, i);
        struct kith_item item = kith__copy_item(stage->arena, &copy, i, tag);

        used += (size_t)snprintf(text + used, size - used, "%.*s=", (int)name.size,
                                 (const char *)name.data);
        if (item.type == KITH_TYPE_INT)
            used += (size_t)snprintf(text + used, size - used, "%lld ", (long long)item.integer);
        else
            used += (size_t)snprintf(text + used, size - used, "%.*s ", (int)item.size,
                                     (const char *)item.data);
    }
    kith__copy_free(&copy);
    set_attribute(stage, self, "survivor", kith_str("goes on with it"));
}

/* What nobody changes is there all the time, and what is changed is the old or the new. */
static const char *
peek_names(struct stage *stage, struct kith__self *self)
{
    int64_t text = look(stage, self, names_of(stage), "text");
    int64_t number = look(stage, self, names_of(stage), "number");

    if (look(stage, self, names_of(stage), "stays") != 7)
        return "a reader misses an attribute that nobody changes";
    if (text != -1 && text != (int64_t)strlen(OLD_TEXT) && text != (int64_t)strlen(NEW_TEXT))
        return "a reader sees a text that was never set";
    return number == 1 || number == INT64_C(-1234567890123)
               ? NULL
               : "a reader sees a number that was never set";
}

static const struct scenario scenarios[] = {
    { .name = "namespace set, new attribute",
      .set_up = few_attributes,
      .prepare = warm_up,
      .act = set_new,
      .observe = see_names,
      .peek = peek_names },
    { .name = "namespace set over a text",
      .set_up = few_attributes,
      .prepare = warm_up,
      .act = set_text,
      .observe = see_names,
      .peek = peek_names },
    { .name = "namespace set over a number",
      .set_up = few_attributes,
      .prepare = warm_up,
      .act = set_number,
      .observe = see_names,
      .peek = peek_names },
    { .name = "namespace delete",
      .set_up = few_attributes,
      .prepare = warm_up,
      .act = delete_text,
      .observe = see_names,
      .peek = peek_names },
    { .name = "namespace destroyed",
      .set_up = few_attributes,
      .prepare = warm_up,
      .act = destroy_names,
      .observe = see_names },
};
const struct scenario_table namespace_scenarios = SCENARIO_TABLE(scenarios);
