/*
 * scenarios_cache.c - dicts that forget: what expires, bounds, computations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
#include "shm/flight.h"

#define HOUR_NS INT64_C(3600000000000)

static struct kith__dict
bounded(const struct stage *stage)
{
    return (struct kith__dict){ stage->arena, stage->object[0].off, stage->object[0].id };
}

static kith_err
init_bounded(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    kith__dict_init(op, off, id, arg);
    return op->err;
}

static void
set_for(struct stage *stage, struct kith__self *self, const struct kith__dict *dict,
        const char *name, struct kith_item item, int64_t ttl_ns)
{
    struct kith__change how = { .what = KITH__CHANGE_SET, .item = item, .ttl_ns = ttl_ns };
    struct kith__key key;

    key_of(stage, name, &key);
    kith__dict_change(self, dict, &key, &how);
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static void
some_expired(struct stage *stage, struct kith__self *self)
{
    few_keys(stage, self);
    set_for(stage, self, &stage->a, "lasts", kith_str("a text of more than eight bytes"), HOUR_NS);
    set_for(stage, self, &stage->a, "gone", kith_str("a text of more than eight bytes"), HOUR_NS);
    set_for(stage, self, &stage->a, "gone too", KITH_INT(5), HOUR_NS);
    for (unsigned i = 0; i < 2; i++) { /* made to expire where no insertion sweeps them away */
        struct kith__key key;

        key_of(stage, i == 0 ? "gone" : "gone too", &key);
        kith__dict_lifetime(self, &stage->a, &key, KITH__LIFETIME_EXPIRE, 1);
    }
}

static void
full_with(struct stage *stage, struct kith__self *self, struct kith__bounds bounds)
{
    static const char *const names[] = { "first", "second", "third", "fourth" };
    struct kith__dict dict;
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;

    few_keys(stage, self);
    stage_make(stage, 0, "bounded", KITH_KIND_DICT, init_bounded, &bounds);
    dict = bounded(stage);
    for (unsigned i = 0; i < 4; i++)
        set_for(stage, self, &dict, names[i], kith_str("a text of more than eight bytes"), 0);
    key_of(stage, "first", &key); /* used, so SIEVE passes it over */
    kith__dict_get(self, &dict, &key, &buf, NULL, NULL);
    kith_buf_free(&buf);
}

static void
full_sieve(struct stage *stage, struct kith__self *self)
{
    full_with(stage, self, (struct kith__bounds){ 4, 0, KITH_DICT_SIEVE });
}

static void
full_fifo(struct stage *stage, struct kith__self *self)
{
    full_with(stage, self, (struct kith__bounds){ 0, 150, KITH_DICT_FIFO });
}

/* Buckets enough that the new key is, as a rule, in another than the one that goes. */
static void
many_of(struct stage *stage, struct kith__self *self, enum kith_dict_policy policy)
{
    struct kith__bounds bounds = { 24, 0, policy };
    struct kith__dict dict;
    char name[16];

    few_keys(stage, self);
    stage_make(stage, 0, "bounded", KITH_KIND_DICT, init_bounded, &bounds);
    dict = bounded(stage);
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "key %d", i);
        set_for(stage, self, &dict, name, KITH_INT(i), 0);
    }
}

static void
many_sieve(struct stage *stage, struct kith__self *self)
{
    many_of(stage, self, KITH_DICT_SIEVE);
}

static void
many_fifo(struct stage *stage, struct kith__self *self)
{
    many_of(stage, self, KITH_DICT_FIFO);
}

/* ---- The operations ------------------------------------------------------------------------- */

static void
set_over_expired(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "gone", kith_str("another text of more than eight bytes"));
}

static void
add_to_expired(struct stage *stage, struct kith__self *self)
{
    add_one(stage, self, "gone too");
}

static void
set_with_time(struct stage *stage, struct kith__self *self)
{
    set_for(stage, self, &stage->a, "one", KITH_INT(9), HOUR_NS);
}

static void
expire_text(struct stage *stage, struct kith__self *self)
{
    struct kith__key key;

    key_of(stage, "text", &key);
    kith__dict_lifetime(self, &stage->a, &key, KITH__LIFETIME_EXPIRE, 1);
}

static void
persist(struct stage *stage, struct kith__self *self)
{
    struct kith__key key;

    key_of(stage, "lasts", &key);
    kith__dict_lifetime(self, &stage->a, &key, KITH__LIFETIME_PERSIST, 0);
}

static void
purge(struct stage *stage, struct kith__self *self)
{
    uint64_t count;

    kith__dict_purge(self, &stage->a, &count);
}

static void
evict(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = bounded(stage);

    set_for(stage, self, &dict, "fifth", kith_str("another text, of other length"), 0);
}

static void
evict_by_txn(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[2] = {
        { .what = KITH__TXN_SET, .dict = bounded(stage), .item = KITH_INT(5) },
        { .what = KITH__TXN_ADD, .dict = stage->a, .n = 1 },
    };
    struct kith__key keys[2];
    size_t failed;

    key_of(stage, "fifth", &keys[0]);
    key_of(stage, "one", &keys[1]);
    steps[0].key = &keys[0];
    steps[1].key = &keys[1];
    kith__txn_run(self, steps, 2, &failed);
}

static void
visit(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = bounded(stage);
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;

    key_of(stage, "second", &key);
    kith__dict_get(self, &dict, &key, &buf, NULL, NULL);
    kith_buf_free(&buf);
}

static void
fly(struct stage *stage, struct kith__self *self)
{
    struct kith__key key;
    bool mine;

    key_of(stage, "computed", &key);
    kith__flight_begin(self, &stage->a, &key, 0, &mine);
}

static void
land(struct stage *stage, struct kith__self *self)
{
    struct kith__key key;

    key_of(stage, "computed", &key);
    kith__flight_end(self, &stage->a, &key);
}

/* ---- What is seen --------------------------------------------------------------------------- */

static void
see_bounded(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__dict dict = bounded(stage);
    char *at = text, *end = text + size;

    print_dict(self, &dict, &at, end);
    print_dict(self, &stage->a, &at, end);
    set_for(stage, self, &dict, "sixth", KITH_INT(6), 0); /* and the survivor evicts, too */
}

/* After the death of who computes, the survivor has the turn. */
static void
see_flights(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__key key;
    bool mine = false;

    see_dicts(stage, self, text, size);
    key_of(stage, "computed", &key);
    if (kith__flight_begin(self, &stage->a, &key, 0, &mine) != KITH_OK || !mine)
        strncat(text, " the turn was lost", size - strlen(text) - 1);
    kith__flight_end(self, &stage->a, &key);
}

/* What has expired must be neither there before the operation nor half there amid it. */
static const char *
peek_expired(struct stage *stage, struct kith__self *self)
{
    int64_t size = look(stage, self, &stage->a, "gone");

    return size == -1 || size == (int64_t)strlen("another text of more than eight bytes")
               ? ""
               : "an item that had expired, or half of another";
}

static const struct scenario scenarios[] = {
    { .name = "cache set over what expired",
      .set_up = some_expired,
      .prepare = warm_up,
      .act = set_over_expired,
      .observe = see_dicts,
      .peek = peek_expired },
    { .name = "cache add to what expired",
      .set_up = some_expired,
      .prepare = warm_up,
      .act = add_to_expired,
      .observe = see_dicts },
    { .name = "cache set with a time to live",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = set_with_time,
      .observe = see_dicts },
    { .name = "cache expire",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = expire_text,
      .observe = see_dicts },
    { .name = "cache persist",
      .set_up = some_expired,
      .prepare = warm_up,
      .act = persist,
      .observe = see_dicts,
      .same_outcome = true },
    { .name = "cache purge",
      .set_up = some_expired,
      .prepare = warm_up,
      .act = purge,
      .observe = see_dicts },
    { .name = "cache evicts by SIEVE",
      .set_up = full_sieve,
      .prepare = warm_up,
      .act = evict,
      .observe = see_bounded },
    { .name = "cache evicts by FIFO",
      .set_up = full_fifo,
      .prepare = warm_up,
      .act = evict,
      .observe = see_bounded },
    { .name = "cache evicts by SIEVE, one of many",
      .set_up = many_sieve,
      .prepare = warm_up,
      .act = evict,
      .observe = see_bounded },
    { .name = "cache evicts by FIFO, one of many",
      .set_up = many_fifo,
      .prepare = warm_up,
      .act = evict,
      .observe = see_bounded },
    { .name = "cache evicts in a transaction",
      .set_up = full_sieve,
      .prepare = warm_up,
      .act = evict_by_txn,
      .observe = see_bounded },
    { .name = "cache visit",
      .set_up = full_sieve,
      .prepare = warm_up,
      .act = visit,
      .observe = see_bounded,
      .same_outcome = true },
    { .name = "cache flight begins",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = fly,
      .observe = see_flights,
      .same_outcome = true },
    { .name = "cache flight ends",
      .set_up = few_keys,
      .prepare = fly,
      .act = land,
      .observe = see_flights,
      .same_outcome = true },
};
const struct scenario_table cache_scenarios = SCENARIO_TABLE(scenarios);
