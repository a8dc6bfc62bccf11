/*
 * scenarios_queue.c - queues and leases.
 */
#include <stdio.h>

#include "scenarios.h"

/* ---- Setting up ----------------------------------------------------------------------------- */

static void
lease_twice(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self);
    kith__queue_nack(self, &stage->q, &stage->lent);
    lease_first(stage, self);
}

/* ---- The operations ------------------------------------------------------------------------- */

static void
queue_put(struct stage *stage, struct kith__self *self)
{
    put_item(stage, self, "fourth item");
}

static void
queue_put_many(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[40];

    for (unsigned i = 0; i < 40; i++)
        items[i] = kith_str("one of forty items");
    kith__queue_put(self, &stage->q, items, 40, 0);
}

static void
queue_put_big(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 60000);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

static void
queue_get(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->q, 1, 0, &buf, &got);
}

static void
queue_get_waiting(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->letters, 1, INT64_MAX, &buf, &got);
}

static void
put_letter(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_str("a letter");

    kith__queue_put(self, &stage->letters, &item, 1, 0);
}

static void
queue_ack(struct stage *stage, struct kith__self *self)
{
    kith__queue_ack(self, &stage->q, &stage->lent);
}

static void
queue_nack(struct stage *stage, struct kith__self *self)
{
    kith__queue_nack(self, &stage->q, &stage->lent);
}

static void
queue_shutdown(struct stage *stage, struct kith__self *self)
{
    kith__queue_shutdown(self, &stage->q);
}

static void
queue_restore(struct stage *stage, struct kith__self *self)
{
    const struct kith__queued queued[] = { { KITH_INT(1), 3 },
                                           { kith_str("an item of more than eight bytes"), 0 } };

    kith__queue_restore(self, &stage->q, queued, 2);
}

static const struct scenario scenarios[] = {
    { .name = "queue put",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_put,
      .observe = see_queues },
    { .name = "queue put_many",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_put_many,
      .observe = see_queues,
      .slow = true },
    { .name = "queue put, big item",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_put_big,
      .observe = see_queues,
      .slow = true },
    { .name = "queue get",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get, waiting",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_get_waiting,
      .observe = see_dicts,
      .partner = put_letter,
      .same_outcome = true },
    { .name = "queue lease",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = lease_first,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue ack",
      .set_up = few_keys,
      .prepare = lease_first,
      .act = queue_ack,
      .observe = see_queues },
    { .name = "queue nack",
      .set_up = few_keys,
      .prepare = lease_first,
      .act = queue_nack,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue nack, dead letter",
      .set_up = few_keys,
      .prepare = lease_twice,
      .act = queue_nack,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue shutdown",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_shutdown,
      .observe = see_queues },
    { .name = "queue restore",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = queue_restore,
      .observe = see_queues },
};
const struct scenario_table queue_scenarios = SCENARIO_TABLE(scenarios);
