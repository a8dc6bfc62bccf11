/*
 * scenarios_reference.c - unnamed objects: made, stored, let go, and collected.
 */
#include <kith/reference.h>
#include <stdio.h>
#include <string.h>

#include "scenarios.h"
#include "shm/verify.h"

#define ONE "#00000000000000000000000000000001"
#define TWO "#00000000000000000000000000000002"

static const struct kith__dict *
dict_at(const struct stage *stage, unsigned index)
{
    static struct kith__dict dict;

    dict = (struct kith__dict){ stage->arena, stage->object[index].off, stage->object[index].id };
    return &dict;
}

static void
refer(struct stage *stage, struct kith__self *self, const struct kith__dict *dict, const char *name)
{
    change_key(stage, self, dict, "to", KITH__CHANGE_SET, kith_reference(name));
}

/* A circle of two, which the dict "a" leads into, and nobody's handle keeps. */
static void
circle(struct stage *stage, struct kith__self *self)
{
    stage_make(stage, 0, ONE, KITH_KIND_DICT, init_dict, NULL);
    stage_make(stage, 1, TWO, KITH_KIND_DICT, init_dict, NULL);
    for (unsigned i = 0; i < 2; i++)
        kith__catalog_let_go(stage->arena, &stage->object[i]);
    refer(stage, self, dict_at(stage, 0), TWO);
    refer(stage, self, dict_at(stage, 1), ONE);
    refer(stage, self, &stage->a, ONE);
}

static void
circle_cut_off(struct stage *stage, struct kith__self *self)
{
    circle(stage, self);
    delete_key(stage, self, "to");
}

static void
kept_by_handle(struct stage *stage, struct kith__self *self)
{
    (void)self;
    stage_make(stage, 0, ONE, KITH_KIND_DICT, init_dict, NULL);
}

static void
make_unnamed(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    kith__catalog_open(self, ONE, KITH_KIND_DICT, KITH_CREATE_OR_OPEN, init_dict, NULL, &object);
    (void)stage;
}

static void
store_reference(struct stage *stage, struct kith__self *self)
{
    refer(stage, self, &stage->b, TWO);
}

static void
remove_last(struct stage *stage, struct kith__self *self)
{
    delete_key(stage, self, "to");
}

static void
collect(struct stage *stage, struct kith__self *self)
{
    uint64_t freed;

    (void)stage;
    kith__unreached_free(self, &freed);
}

static void
let_go(struct stage *stage, struct kith__self *self)
{
    (void)self;
    kith__catalog_let_go(stage->arena, &stage->object[0]);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

static void
see_names(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { ONE, TWO };
    size_t used = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct kith__object object;
        bool found = kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK;

        used += (size_t)snprintf(text + used, size - used, "%s ", found ? "there" : "gone");
    }
    snprintf(text + used, size - used, "a: %lld b: %lld",
             (long long)look(stage, self, &stage->a, "to"),
             (long long)look(stage, self, &stage->b, "to"));
}

/* After a collection, which goes on where a killed one stopped. */
static void
see_collected(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    collect(stage, self);
    see_names(stage, self, text, size);
}

/* What "a" leads to is there all the time, whoever is collecting. */
static const char *
peek_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    return kith__catalog_find(stage->arena, self, ONE, &object) == KITH_OK &&
                   kith__catalog_find(stage->arena, self, TWO, &object) == KITH_OK
               ? NULL
               : "an object is gone to which something leads";
}

static const struct scenario scenarios[] = {
    { .name = "reference: unnamed object made",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = make_unnamed,
      .observe = see_names },
    { .name = "reference: stored",
      .set_up = circle,
      .prepare = warm_up,
      .act = store_reference,
      .observe = see_collected,
      .peek = peek_circle },
    { .name = "reference: last one removed",
      .set_up = circle,
      .prepare = warm_up,
      .act = remove_last,
      .observe = see_collected },
    { .name = "reference: nothing to collect",
      .set_up = circle,
      .prepare = warm_up,
      .act = collect,
      .observe = see_names,
      .peek = peek_circle,
      .same_outcome = true,
      .slow = true },
    { .name = "reference: circle collected",
      .set_up = circle_cut_off,
      .prepare = warm_up,
      .act = collect,
      .observe = see_collected,
      .same_outcome = true,
      .slow = true },
    { .name = "reference: let go by its maker",
      .set_up = kept_by_handle,
      .prepare = warm_up,
      .act = let_go,
      .observe = see_names,
      .same_outcome = true,
      .alone = true },
};
const struct scenario_table reference_scenarios = SCENARIO_TABLE(scenarios);
