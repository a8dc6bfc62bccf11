/*
 * scenarios_queue.c - queues and leases.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scenarios.h"
#include "shm/queue_parts.h"

/* ---- Setting up ----------------------------------------------------------------------------- */

static void
lease_twice(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self);
    kith__queue_nack(self, &stage->q, &stage->lent);
    lease_first(stage, self);
}

#define LONG_NS (INT64_C(3600) * 1000000000) /* what nobody sees the end of */

static void
put_with(struct stage *stage, struct kith__self *self, const char *text, int64_t priority,
         int64_t delay_ns)
{
    struct kith__put_how how = { .priority = priority, .delay_ns = delay_ns };
    struct kith_item item = kith_str(text);

    kith__queue_put_with(self, &stage->q, &item, &how, 0);
}

/* Items of priorities from -3 to 3, and three that are delayed, and the three plain ones. */
static void
many_places(struct stage *stage, struct kith__self *self)
{
    static const char *const texts[] = { "-3", "-2", "-1", "0", "1", "2", "3" };

    few_keys(stage, self);
    for (unsigned i = 0; i < 7; i++)
        put_with(stage, self, texts[i * 5 % 7], (int64_t)(i * 5 % 7) - 3, 0);
    for (unsigned i = 0; i < 3; i++)
        put_with(stage, self, "late", 0, LONG_NS + i * 2 % 3);
}

/* The stream's segment, of 1 KiB, has no room for another item of 400 bytes. */
static void
full_segment(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[2] = { kith_bytes(stage->big, 400), kith_bytes(stage->big, 400) };

    few_keys(stage, self);
    kith__queue_put(self, &stage->q, items, 2, 0);
}

/* The next item stands in the stream's second segment. */
static void
read_segment(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 400);
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    full_segment(stage, self);
    kith__queue_put(self, &stage->q, &item, 1, 0);
    put_item(stage, self, "after it");
    for (unsigned i = 0; i < 5; i++)
        kith__queue_get(self, &stage->q, 1, 0, &buf, &got);
    kith_buf_free(&buf);
}

/* Whether all of the head's segment was read, and it is as large as the last one. */
static bool
read_one_to_keep(struct stage *stage)
{
    const struct kith__queue_root *root = kith__queue_root(&stage->q);
    uint64_t head = kith__load(&root->head), at = kith__load(&root->head_segment);
    struct kith__queue_segment *segment = kith__segment_at(stage->arena, at, stage->q.id);
    struct kith__queue_segment *last =
        kith__segment_at(stage->arena, kith__load(&root->tail_segment), stage->q.id);
    const struct kith__record *record;

    if (segment == NULL || last == NULL || segment == last || segment->units < last->units)
        return false;
    record = (const void *)((const uint8_t *)segment + KITH__PLACE_AT(head) * KITH__UNIT);
    return kith__load(&record->meta) == KITH__RECORD_END;
}

/* The next item stands in a segment as large as the one before, which becomes the spare one. */
static void
read_large_segment(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 900);
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    for (unsigned i = 0; i < 70; i++)
        kith__queue_put(self, &stage->q, &item, 1, 0);
    while (!read_one_to_keep(stage))
        if (kith__queue_get(self, &stage->q, 1, 0, &buf, &got) != KITH_OK)
            stage_die("no segment becomes a spare one");
    kith_buf_free(&buf);
}

static void
big_item(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[2] = { kith_bytes(stage->big, 3000), kith_bytes(stage->big, 60000) };
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    few_keys(stage, self);
    kith__queue_put(self, &stage->q, items, 2, 0);
    for (unsigned i = 0; i < 3; i++)
        kith__queue_get(self, &stage->q, 1, 0, &buf, &got);
    kith_buf_free(&buf);
}

static void
lease_for(struct stage *stage, struct kith__self *self, int64_t limit_ns)
{
    struct kith_buf buf = KITH_BUF_INIT;

    kith__queue_lease(self, &stage->q, limit_ns, 0, &buf, &stage->lent);
    kith_buf_free(&buf);
}

static void
lease_with_limit(struct stage *stage, struct kith__self *self)
{
    lease_for(stage, self, LONG_NS);
}

/* Two leases that the limit has ended, and two items whose delay is over. */
static void
all_due(struct stage *stage, struct kith__self *self)
{
    few_keys(stage, self);
    put_with(stage, self, "late", 1, 1);
    put_with(stage, self, "later", 0, 2);
    /* Not before: whoever looks at the queue would hand them back. */
    lease_for(stage, self, 60000000);
    lease_for(stage, self, 50000000);
    usleep(100000);
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
    const struct kith__queued queued[] = {
        { .item = KITH_INT(1), .attempts = 3 },
        { .item = kith_str("an item of more than eight bytes") },
        { .item = KITH_INT(2), .priority = 1, .delay_ns = LONG_NS },
    };

    kith__queue_restore(self, &stage->q, queued, 3);
}

static void
queue_put_priority(struct stage *stage, struct kith__self *self)
{
    put_with(stage, self, "before most", 2, 0);
}

static void
queue_put_delayed(struct stage *stage, struct kith__self *self)
{
    put_with(stage, self, "not yet", 2, LONG_NS);
}

static void
queue_put_large(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 400);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

static void
queue_get_many(struct stage *stage, struct kith__self *self)
{
    struct kith_buf bufs[4];
    size_t got;

    memset(bufs, 0, sizeof bufs);
    kith__queue_get(self, &stage->q, 4, 0, bufs, &got);
    for (unsigned i = 0; i < 4; i++)
        kith_buf_free(&bufs[i]);
}

static void
queue_extend(struct stage *stage, struct kith__self *self)
{
    kith__queue_extend(self, &stage->q, &stage->lent, 2 * LONG_NS);
}

static void
queue_settle(struct stage *stage, struct kith__self *self)
{
    uint64_t ready, lent;

    kith__queue_count(self, &stage->q, &ready, &lent);
}

/* Items in the stream, in two segments and large, of every priority, delayed, lent both ways. */
static void
everything(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[2] = { kith_bytes(stage->big, 3000), kith_bytes(stage->big, 900) };

    many_places(stage, self);
    kith__queue_put(self, &stage->q, items, 2, 0);
    kith__queue_put(self, &stage->q, items, 2, 0);
    lease_first(stage, self);
    lease_with_limit(stage, self);
}

static void
queue_destroy(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "q");
}

/* ---- Gets that lend ------------------------------------------------------------------------- */

/* As if the queue had been made so: it lends, and keeps two. */
static void
lending(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_root *root = kith__queue_root(&stage->q);

    root->lending = 1;
    root->joinable = 1;
    few_keys(stage, self);
}

static void
lending_many_places(struct stage *stage, struct kith__self *self)
{
    lending(stage, self);
    many_places(stage, self);
}

static void
lending_big_item(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 60000);

    kith__queue_put(self, &stage->q, &item, 1, 0);
    lending(stage, self);
}

static void
lending_next_segment(struct stage *stage, struct kith__self *self)
{
    read_segment(stage, self);
    kith__queue_root(&stage->q)->lending = 1;
}

static void
get_one(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self); /* the chain, and a block */
    kith__queue_nack(self, &stage->q, &stage->lent);
    queue_get(stage, self);
}

static void
get_three(struct stage *stage, struct kith__self *self)
{
    for (unsigned i = 0; i < 3; i++)
        queue_get(stage, self);
    put_item(stage, self, "fourth item");
}

static void
come_back(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self);
    kith__queue_nack(self, &stage->q, &stage->lent);
}

static void
queue_get_view(struct stage *stage, struct kith__self *self)
{
    struct kith_buf copy = KITH_BUF_INIT;
    kith__word *pin;
    uint64_t node;

    kith__queue_get_pinned(self, &stage->q, 0, &copy, &pin, &node);
    kith_buf_free(&copy);
}

static void
queue_task_done(struct stage *stage, struct kith__self *self)
{
    kith__queue_task_done(self, &stage->q);
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
    { .name = "queue put, priority",
      .set_up = many_places,
      .prepare = warm_up,
      .act = queue_put_priority,
      .observe = see_queues },
    { .name = "queue put, delayed",
      .set_up = many_places,
      .prepare = warm_up,
      .act = queue_put_delayed,
      .observe = see_queues },
    { .name = "queue put, next segment",
      .set_up = full_segment,
      .prepare = warm_up,
      .act = queue_put_large,
      .observe = see_queues },
    { .name = "queue get, next segment",
      .set_up = read_segment,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get, segment kept",
      .set_up = read_large_segment,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get, priority",
      .set_up = many_places,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get_many, every kind",
      .set_up = many_places,
      .prepare = warm_up,
      .act = queue_get_many,
      .observe = see_queues },
    { .name = "queue get_many, big items",
      .set_up = big_item,
      .prepare = warm_up,
      .act = queue_get_many,
      .observe = see_queues },
    { .name = "queue lease, big item",
      .set_up = big_item,
      .prepare = warm_up,
      .act = lease_first,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue lease with a limit",
      .set_up = many_places,
      .prepare = warm_up,
      .act = lease_with_limit,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue lease extended",
      .set_up = many_places,
      .prepare = lease_with_limit,
      .act = queue_extend,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue ack of a lease with a limit",
      .set_up = many_places,
      .prepare = lease_with_limit,
      .act = queue_ack,
      .observe = see_queues },
    { .name = "queue nack, priority",
      .set_up = many_places,
      .prepare = lease_with_limit,
      .act = queue_nack,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue look, what is due",
      .set_up = all_due,
      .prepare = warm_up,
      .act = queue_settle,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue destroyed, with everything",
      .set_up = everything,
      .prepare = warm_up,
      .act = queue_destroy,
      .observe = see_queues },
    { .name = "queue get, lending",
      .set_up = lending,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue get, lending, dead letter",
      .set_up = lending,
      .prepare = come_back,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get, lending, next segment",
      .set_up = lending_next_segment,
      .prepare = warm_up,
      .act = queue_get,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue get, lending, one too many",
      .set_up = lending,
      .prepare = get_three,
      .act = queue_get,
      .observe = see_queues },
    { .name = "queue get_many, lending, every kind",
      .set_up = lending_many_places,
      .prepare = warm_up,
      .act = queue_get_many,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue get_view, lending",
      .set_up = lending_big_item,
      .prepare = warm_up,
      .act = queue_get_view,
      .observe = see_queues,
      .same_outcome = true },
    { .name = "queue task_done, lending",
      .set_up = lending,
      .prepare = get_one,
      .act = queue_task_done,
      .observe = see_queues },
    { .name = "queue task_done, lending, of what came back",
      .set_up = lending,
      .prepare = come_back,
      .act = queue_task_done,
      .observe = see_queues },
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
