/*
 * scenarios_cell.c - values, arrays and segments.
 *
 * Their objects are made by each scenario and found by name, in the arena and in its images.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
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
    if (kith__catalog_open(self, name, KITH_KIND_VALUE, KITH_MUST_CREATE, kith__value_init, &making,
                           &object) < 0)
        abort();
}

/* What is acted on, found before the victim is stepped. */
static struct kith__value native, guarded, plain;

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
    (void)stage;
    make_value(self, "large", 0, 1000, true);
}

static void
value_add(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__value_update(self, &native, KITH__MATH_ADD, 5, NULL, NULL);
}

static void
value_set(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__value_update(self, &native, KITH__MATH_SET, 5, NULL, NULL);
}

static void
value_cas(struct stage *stage, struct kith__self *self)
{
    uint64_t seen;

    (void)stage;
    kith__value_cas(self, &native, 0, 9, &seen);
}

static void
value_add_guarded(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__value_update(self, &guarded, KITH__MATH_ADD, 5, NULL, NULL);
}

static void
value_cas_guarded(struct stage *stage, struct kith__self *self)
{
    uint64_t seen;

    (void)stage;
    kith__value_cas(self, &guarded, 0, 9, &seen);
}

static void
value_set_plain(struct stage *stage, struct kith__self *self)
{
    uint8_t bytes[PLAIN_SIZE];

    (void)stage;
    memset(bytes, 'b', sizeof bytes);
    kith__value_write(self, &plain, NULL, bytes, NULL);
}

static void
value_wait(struct stage *stage, struct kith__self *self)
{
    uint64_t old = 0;

    (void)stage;
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
    (void)stage;
    make_value(self, "made", 0, 1000, true);
}

static void
destroy_native(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "native");
}

static void
destroy_large(struct stage *stage, struct kith__self *self)
{
    (void)stage;
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

/* Which objects there are, by name. */
static void
see_names(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { "native", "guarded", "plain", "large", "made" };
    struct kith__object object;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK)
            snprintf(text + strlen(text), size - strlen(text), "%s ", names[i]);
}

static const struct scenario scenarios[] = {
    { .name = "value add",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_add,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value set",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_set,
      .observe = see_values },
    { .name = "value cas",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_cas,
      .observe = see_values },
    { .name = "value add, guarded",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_add_guarded,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value cas, guarded",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_cas_guarded,
      .observe = see_values },
    { .name = "value set, structure",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_set_plain,
      .observe = see_values,
      .peek = peek_values },
    { .name = "value wait",
      .set_up = some_values,
      .prepare = find_values,
      .act = value_wait,
      .observe = see_it_works,
      .partner = value_add,
      .same_outcome = true },
    { .name = "value transaction",
      .set_up = values_and_keys,
      .prepare = find_values,
      .act = value_txn,
      .observe = see_values,
      .peek = peek_value_txn },
    { .name = "value made",
      .set_up = some_values,
      .prepare = find_values,
      .act = make_one_more,
      .observe = see_names },
    { .name = "value destroyed",
      .set_up = some_values,
      .prepare = find_values,
      .act = destroy_native,
      .observe = see_names },
    { .name = "value destroyed, large structure",
      .set_up = a_large_value,
      .act = destroy_large,
      .observe = see_names },
};
const struct scenario_table cell_scenarios = SCENARIO_TABLE(scenarios);
