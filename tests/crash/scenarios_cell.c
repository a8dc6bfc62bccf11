/*
 * scenarios_cell.c - values, arrays and segments.
 *
 * Their objects are made by each scenario and found by name, in the arena and in its images.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
#include "shm/array.h"
#include "shm/extent.h"
#include "shm/segment.h"
#include "shm/value.h"

#define PLAIN_SIZE 40

/* ---- Values ------------------------------------------------------------------------------- */

static struct kith__value
value_of(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__object object;
    struct kith__value value;

    if (kith__catalog_find(stage->arena, self, name, &object) < 0 ||
        kith__value_of(stage->arena, object.off, object.id, &value) < 0)
        abort();
    return value;
}

static void
make_value(struct kith__self *self, const char *name, char code, size_t size, bool guarded)
{
    struct kith__value_making making = { { 0, KITH__SCALAR_PLAIN, (uint32_t)size }, guarded, NULL };
    struct kith__object object;

    if (code != 0)
        making.type = *kith__scalar_of(code);
    if (kith__catalog_open(self, name, KITH_KIND_VALUE, KITH_CREATE_OR_OPEN, kith__value_init,
                           &making, &object) < 0)
        abort();
}

/* What is acted on, found before the victim is stepped. */
static struct kith__value native, guarded, plain;
static struct kith__array numbers, structures;
static struct kith__segment segment;

/* The image of an arena stands elsewhere. */
static void
move(struct kith__value *value, struct kith__arena *arena)
{
    value->arena = arena;
    value->root = kith__ptr(arena, value->off);
}

/* The same objects in the arena that is acted on, which may be an image. */
static void
here(struct stage *stage)
{
    move(&native, stage->arena);
    move(&guarded, stage->arena);
    move(&plain, stage->arena);
    numbers.arena = structures.arena = segment.arena = stage->arena;
}

static void
find_values(struct stage *stage, struct kith__self *self)
{
    native = value_of(stage, self, "native");
    guarded = value_of(stage, self, "guarded");
    plain = value_of(stage, self, "plain");
}

static void
write_plain(struct stage *stage, struct kith__self *self, int byte)
{
    uint8_t bytes[PLAIN_SIZE];

    find_values(stage, self);
    memset(bytes, byte, sizeof bytes);
    kith__value_write(self, &plain, NULL, bytes, NULL);
}

static void
some_values(struct stage *stage, struct kith__self *self)
{
    make_value(self, "native", 'q', 0, false);
    make_value(self, "guarded", 'q', 0, true);
    make_value(self, "plain", 0, PLAIN_SIZE, true);
    write_plain(stage, self, 'a');
}

static void
a_large_value(struct stage *stage, struct kith__self *self)
{
    here(stage);
    make_value(self, "large", 0, 1000, true);
}

static void
value_add(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__value_update(self, &native, KITH__MATH_ADD, 5, NULL, NULL);
}

static void
value_set(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__value_update(self, &native, KITH__MATH_SET, 5, NULL, NULL);
}

static void
value_cas(struct stage *stage, struct kith__self *self)
{
    uint64_t seen;

    here(stage);
    kith__value_cas(self, &native, 0, 9, &seen);
}

static void
value_add_guarded(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__value_update(self, &guarded, KITH__MATH_ADD, 5, NULL, NULL);
}

static void
value_cas_guarded(struct stage *stage, struct kith__self *self)
{
    uint64_t seen;

    here(stage);
    kith__value_cas(self, &guarded, 0, 9, &seen);
}

static void
value_set_plain(struct stage *stage, struct kith__self *self)
{
    uint8_t bytes[PLAIN_SIZE];

    here(stage);
    memset(bytes, 'b', sizeof bytes);
    kith__value_write(self, &plain, NULL, bytes, NULL);
}

static void
value_wait(struct stage *stage, struct kith__self *self)
{
    uint64_t old = 0;

    here(stage);
    self->spin = 16;
    kith__value_wait(self, &native, &old, INT64_MAX);
}

static void
value_txn(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[4] = { 0 };
    struct kith__key one;
    uint8_t bytes[PLAIN_SIZE];
    size_t failed;

    here(stage);
    memset(bytes, 'b', sizeof bytes);
    key_of(stage, "one", &one);
    steps[0].what = KITH__TXN_VALUE_SET;
    steps[0].value = plain;
    steps[0].item = kith_bytes(bytes, sizeof bytes);
    steps[1].what = KITH__TXN_ADD;
    steps[1].dict = stage->a;
    steps[1].key = &one;
    steps[1].n = 5;
    steps[2].what = KITH__TXN_VALUE_ADD;
    steps[2].value = guarded;
    steps[2].n = 5;
    steps[3] = steps[2];
    kith__txn_run(self, steps, 4, &failed);
}

static void
make_one_more(struct stage *stage, struct kith__self *self)
{
    here(stage);
    make_value(self, "made", 0, 1000, true);
}

static void
destroy_native(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__catalog_destroy(self, "native");
}

static void
destroy_large(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__catalog_destroy(self, "large");
}

static void
see_values(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char bytes[PLAIN_SIZE + 1] = "";
    uint64_t a = 0, b = 0;

    find_values(stage, self);
    kith__value_load(self, &native, &a);
    kith__value_load(self, &guarded, &b);
    kith__value_read(self, &plain, bytes);
    snprintf(text, size, "%lld %lld %s one:%lld", (long long)a, (long long)b, bytes,
             (long long)look(stage, self, &stage->a, "one"));
    /* And the survivor can go on with them: these are those of the image. */
    value_add(stage, self);
    value_add_guarded(stage, self);
    value_set_plain(stage, self);
}

/* Each of them is read whole, and those that change together at one instant. */
static const char *
peek_values(struct stage *stage, struct kith__self *self)
{
    uint8_t bytes[PLAIN_SIZE];

    find_values(stage, self);
    if (kith__value_read(self, &plain, bytes) < 0)
        return "a reader of a structure fails";
    for (unsigned i = 1; i < PLAIN_SIZE; i++)
        if (bytes[i] != bytes[0])
            return "a reader sees a structure half written";
    return NULL;
}

static const char *
peek_value_txn(struct stage *stage, struct kith__self *self)
{
    const char *torn = peek_values(stage, self);
    uint8_t bytes[PLAIN_SIZE];
    unsigned after = 0;
    uint64_t sum = 0;

    if (torn != NULL)
        return torn;
    for (unsigned order = 0; order < 2; order++)
        for (unsigned i = 0; i < 3; i++)
            switch (order == 0 ? i : 2 - i) {
            case 0:
                kith__value_load(self, &guarded, &sum);
                after += sum == 10;
                break;
            case 1:
                kith__value_read(self, &plain, bytes);
                after += bytes[0] == 'b';
                break;
            default:
                after += look(stage, self, &stage->a, "one") == 6;
            }
    return after == 0 || after == 6 ? NULL : "a reader sees a transaction half done";
}

static void
values_and_keys(struct stage *stage, struct kith__self *self)
{
    few_keys(stage, self);
    some_values(stage, self);
}

/* ---- Arrays ------------------------------------------------------------------------------- */

#define ITEMS 40

static struct kith__array
array_of(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__object object;
    struct kith__array array;

    if (kith__catalog_find(stage->arena, self, name, &object) < 0 ||
        kith__array_of(stage->arena, object.off, object.id, &array) < 0)
        abort();
    return array;
}

static void
find_arrays(struct stage *stage, struct kith__self *self)
{
    numbers = array_of(stage, self, "numbers");
    structures = array_of(stage, self, "structures");
}

static void
make_array(struct kith__self *self, const char *name, char code, uint32_t size, uint64_t count)
{
    struct kith__array_making making = { { 0, KITH__SCALAR_PLAIN, size }, count, 0 };
    struct kith__object object;
    uint64_t pin;

    if (code != 0)
        making.type = *kith__scalar_of(code);
    if (kith__extent_stage(self, making.type.size * count, true, &making.data, &pin) < 0)
        return; /* another stands in the way: some other time */
    (void)kith__catalog_open(self, name, KITH_KIND_ARRAY, KITH_CREATE_OR_OPEN, kith__array_init,
                             &making, &object);
    kith__extent_drop(self, making.data, pin);
}

static void
some_arrays(struct stage *stage, struct kith__self *self)
{
    here(stage);
    make_array(self, "numbers", 'i', 0, ITEMS);
    make_array(self, "structures", 0, 12, 5);
}

static void
array_made(struct stage *stage, struct kith__self *self)
{
    here(stage);
    make_array(self, "made", 'i', 0, ITEMS);
}

static void
array_add(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__array_update(self, &numbers, 3, KITH__MATH_ADD, 5, NULL);
}

static void
array_set_structure(struct stage *stage, struct kith__self *self)
{
    const struct kith__slice one = { 1, 1, 1 };

    here(stage);
    kith__array_set(self, &structures, &one, "bbbbbbbbbbbb");
}

static void
array_publish(struct stage *stage, struct kith__self *self)
{
    uint64_t data, pin;
    int32_t *items;

    here(stage);
    if (kith__extent_stage(self, ITEMS * 4, false, &data, &pin) < 0)
        return;
    items = kith__ptr(self->arena, data);
    for (int i = 0; i < ITEMS; i++)
        items[i] = 7;
    kith__array_publish(self, &numbers, data);
    kith__extent_drop(self, data, pin);
}

static void
array_publish_viewed(struct stage *stage, struct kith__self *self)
{
    uint64_t data, pin;

    here(stage);
    if (kith__array_pin(self, &numbers, &data, &pin) == KITH_OK)
        array_publish(stage, self);
}

static void
destroy_array(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__catalog_destroy(self, "numbers");
}

static void
see_arrays(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    const struct kith__slice all = { 0, 1, ITEMS }, five = { 0, 1, 5 };
    int32_t items[ITEMS] = { 0 };
    char bytes[61] = "";

    find_arrays(stage, self);
    kith__array_get(self, &numbers, &all, items);
    kith__array_get(self, &structures, &five, bytes);
    for (int i = 0; i < ITEMS; i++)
        snprintf(text + strlen(text), size - strlen(text), "%d ", items[i]);
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), size - strlen(text), "%c", bytes[i] == 0 ? '.' : bytes[i]);
    /* And the survivor can go on with them: these are those of the image. */
    array_add(stage, self);
    array_set_structure(stage, self);
    array_publish(stage, self);
}

static const char *
peek_arrays(struct stage *stage, struct kith__self *self)
{
    const struct kith__slice one = { 1, 1, 1 }, all = { 0, 1, ITEMS };
    int32_t items[ITEMS] = { 0 };
    uint8_t bytes[12];

    find_arrays(stage, self);
    if (kith__array_get(self, &structures, &one, bytes) < 0 ||
        kith__array_get(self, &numbers, &all, items) < 0)
        return "a reader of an array fails";
    for (unsigned i = 1; i < 12; i++)
        if (bytes[i] != bytes[0])
            return "a reader sees a structure half written";
    for (unsigned i = 4; i < ITEMS; i++)
        if (items[i] != items[0])
            return "a reader sees half of what was published";
    return NULL;
}

/* ---- Segments ----------------------------------------------------------------------------- */

static struct kith__segment
segment_of(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    if (kith__catalog_find(stage->arena, self, "segment", &object) < 0)
        abort();
    return (struct kith__segment){ stage->arena, object.off, object.id };
}

static void
find_segment(struct stage *stage, struct kith__self *self)
{
    segment = segment_of(stage, self);
}

static void
a_segment(struct stage *stage, struct kith__self *self)
{
    struct kith__segment_making making = { 1000, 0 };
    struct kith__object object;
    uint64_t pin;

    here(stage);
    if (kith__extent_stage(self, making.size, true, &making.data, &pin) < 0)
        return; /* another stands in the way: some other time */
    (void)kith__catalog_open(self, "segment", KITH_KIND_SEGMENT, KITH_CREATE_OR_OPEN,
                             kith__segment_init, &making, &object);
    kith__extent_drop(self, making.data, pin);
}

/* What it lost when it shrank is there still, behind its end. */
static void
a_segment_that_shrank(struct stage *stage, struct kith__self *self)
{
    a_segment(stage, self);
    find_segment(stage, self);
    memset(kith__ptr(stage->arena, kith__load(&kith__segment_root(&segment)->data)), 'x', 1000);
    kith__segment_resize(self, &segment, 900);
}

static void
segment_grow(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__segment_resize(self, &segment, 1100);
}

static void
segment_move(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__segment_resize(self, &segment, 70000);
}

static void
destroy_segment(struct stage *stage, struct kith__self *self)
{
    here(stage);
    kith__catalog_destroy_id(self, "segment", segment.id);
}

static void
see_segment(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    uint64_t bytes = 0, kept = 0, zeros = 0;
    uint8_t copy[2000];

    find_segment(stage, self);
    kith__segment_copy(&segment, copy, sizeof copy, &bytes);
    for (uint64_t i = 0; i < bytes && i < sizeof copy; i++) {
        kept += copy[i] == 'x';
        zeros += copy[i] == 0;
    }
    snprintf(text, size, "%llu bytes, of the first %llu are what they were and %llu zero",
             (unsigned long long)bytes, (unsigned long long)kept, (unsigned long long)zeros);
    segment_move(stage, self);
}

/* Which objects there are, by name. */
static void
see_names(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { "native", "guarded", "plain",  "large",
                                         "made",   "numbers", "segment" };
    struct kith__object object;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK)
            snprintf(text + strlen(text), size - strlen(text), "%s ", names[i]);
}

static const struct scenario scenarios[] = {
    { .name = "value add",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_add,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value set",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_set,
      .observe = see_values },
    { .name = "value cas",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_cas,
      .observe = see_values },
    { .name = "value add, guarded",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_add_guarded,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value cas, guarded",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_cas_guarded,
      .observe = see_values },
    { .name = "value set, structure",
      .finds = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_set_plain,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value wait",
      .alone = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = value_wait,
      .observe = see_it_works,
      .partner = value_add,
      .same_outcome = true },
    { .name = "value transaction",
      .finds = true,
      .set_up = values_and_keys,
      .prepare = find_values,
      .act = value_txn,
      .observe = see_values,
      .peek = peek_value_txn },
    { .name = "value made",
      .alone = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = make_one_more,
      .observe = see_names },
    { .name = "value destroyed",
      .alone = true,
      .set_up = some_values,
      .prepare = find_values,
      .act = destroy_native,
      .observe = see_names },
    { .name = "value destroyed, large structure",
      .alone = true,
      .set_up = a_large_value,
      .act = destroy_large,
      .observe = see_names },
    { .name = "array add",
      .set_up = some_arrays,
      .prepare = find_arrays,
      .act = array_add,
      .observe = see_arrays,
      .peek = peek_arrays },
    { .name = "array set, structure",
      .set_up = some_arrays,
      .prepare = find_arrays,
      .act = array_set_structure,
      .observe = see_arrays,
      .peek = peek_arrays },
    { .name = "array publish",
      .set_up = some_arrays,
      .prepare = find_arrays,
      .act = array_publish,
      .observe = see_arrays,
      .peek = peek_arrays },
    { .name = "array publish, viewed",
      .set_up = some_arrays,
      .prepare = find_arrays,
      .act = array_publish_viewed,
      .observe = see_arrays,
      .peek = peek_arrays },
    { .name = "array made", .set_up = some_arrays, .act = array_made, .observe = see_names },
    { .name = "array destroyed",
      .set_up = some_arrays,
      .prepare = find_arrays,
      .act = destroy_array,
      .observe = see_names },
    { .name = "segment resized in place",
      .set_up = a_segment_that_shrank,
      .prepare = find_segment,
      .act = segment_grow,
      .observe = see_segment },
    { .name = "segment resized by moving",
      .set_up = a_segment_that_shrank,
      .prepare = find_segment,
      .act = segment_move,
      .observe = see_segment,
      .slow = true },
    { .name = "segment made", .set_up = some_values, .act = a_segment, .observe = see_names },
    { .name = "segment unlinked",
      .set_up = a_segment_that_shrank,
      .prepare = find_segment,
      .act = destroy_segment,
      .observe = see_names },
};
const struct scenario_table cell_scenarios = SCENARIO_TABLE(scenarios);
