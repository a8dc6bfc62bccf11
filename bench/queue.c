/*
 * queue.c - kith_queue: items one way, and there and back.
 */
#include "arena.h"

#include <stdlib.h>

#define SMALL 64
#define LARGE ((size_t)1 << 20)
#define SMALL_CAPACITY 1024
#define LARGE_CAPACITY 8
#define BATCH 100
#define SORTED 1000 /* fits SMALL_CAPACITY */

static kith_space *space;
static kith_queue *there, *back;
static char *data; /* an item of data_size bytes */
static size_t data_size;
static struct kith_buf buf;
static struct kith_buf bufs[BATCH];

static void
open_queues(struct bench *b, size_t size, uint64_t capacity)
{
    space = bench_space(b);
    there = bench_queue(space, "there", capacity);
    back = bench_queue(space, "back", capacity);
    data_size = size;
    data = calloc(1, size);
    if (data == NULL)
        bench_fail("no memory");
}

static void
open_small(struct bench *b)
{
    open_queues(b, SMALL, SMALL_CAPACITY);
}

static void
open_large(struct bench *b)
{
    open_queues(b, LARGE, LARGE_CAPACITY);
}

static void
close_queues(struct bench *b)
{
    (void)b;
    kith_buf_free(&buf);
    for (size_t i = 0; i < BATCH; i++)
        kith_buf_free(&bufs[i]);
    free(data);
    kith_queue_close(there);
    kith_queue_close(back);
    kith_close(space);
}

static void
make_small(struct bench *b)
{
    open_small(b);
    close_queues(b);
}

static void
make_large(struct bench *b)
{
    open_large(b);
    close_queues(b);
}

/* Each item is stamped with its number at both ends. */
static struct kith_item
stamped(uint64_t number)
{
    memcpy(data + data_size - sizeof(number), &number, sizeof(number));
    memcpy(data, &number, sizeof(number));
    return kith_bytes(data, data_size);
}

static void
check_stamp(const struct kith_buf *got, uint64_t number)
{
    uint64_t first, last;

    if (got->item.size != data_size)
        bench_fail("an item of %zu bytes", got->item.size);
    memcpy(&first, got->item.data, sizeof(first));
    memcpy(&last, (const char *)got->item.data + data_size - sizeof(last), sizeof(last));
    if (first != number || last != number)
        bench_fail("item %llu is wrong", (unsigned long long)number);
}

static void
put(kith_queue *queue, uint64_t number)
{
    bench_must(kith_queue_put(queue, stamped(number), KITH_FOREVER), "kith_queue_put");
}

static void
get(kith_queue *queue, uint64_t number)
{
    bench_must(kith_queue_get(queue, KITH_FOREVER, &buf), "kith_queue_get");
    check_stamp(&buf, number);
}

/* ---- one way ---- */

static void
feed(void)
{
    for (uint64_t n = 0;; n++)
        put(there, n);
}

static void
feed_small(struct bench *b)
{
    open_small(b);
    feed();
}

static void
feed_large(struct bench *b)
{
    open_large(b);
    feed();
}

static void
drain(struct bench *b, uint64_t ops)
{
    static uint64_t next;

    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        get(there, next++);
}

/* As feed and drain, by put_many() and get_many() of up to 100 items. */
static void
feed_batches(struct bench *b)
{
    static char batch[BATCH][SMALL];
    struct kith_item items[BATCH];
    uint64_t next = 0;

    open_small(b);
    for (;;) {
        for (size_t i = 0; i < BATCH; i++) {
            memcpy(batch[i], stamped(next++).data, SMALL);
            items[i] = kith_bytes(batch[i], SMALL);
        }
        bench_must(kith_queue_put_many(there, items, BATCH, KITH_FOREVER, NULL),
                   "kith_queue_put_many");
    }
}

static void
drain_batches(struct bench *b, uint64_t ops)
{
    static uint64_t next;
    size_t got;

    (void)b;
    for (uint64_t n = 0; n < ops; n += got) {
        size_t most = ops - n < BATCH ? (size_t)(ops - n) : BATCH;

        bench_must(kith_queue_get_many(there, most, KITH_FOREVER, bufs, &got),
                   "kith_queue_get_many");
        for (size_t i = 0; i < got; i++)
            check_stamp(&bufs[i], next++);
    }
}

/* ---- there and back ---- */

static void
echo(struct bench *b)
{
    open_small(b);
    for (;;) {
        bench_must(kith_queue_get(there, KITH_FOREVER, &buf), "kith_queue_get");
        bench_must(kith_queue_put(back, buf.item, KITH_FOREVER), "kith_queue_put");
    }
}

static void
round_trip(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        put(there, n);
        get(back, n);
    }
}

/* ---- one process alone ---- */

static void
put_get(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        put(there, n);
        get(there, n);
    }
}

/* As put_get, in a queue that holds SORTED items of priorities at random. */
static struct kith_put_options
some_priority(struct bench *b)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;

    options.priority = (int64_t)bench_random(&b->random, 1000) + 1;
    return options;
}

static void
open_sorted(struct bench *b)
{
    open_small(b);
    for (uint64_t n = 0; n < SORTED; n++) {
        struct kith_put_options options = some_priority(b);

        bench_must(kith_queue_put_with(there, stamped(n), &options, KITH_FOREVER),
                   "kith_queue_put_with");
    }
}

static void
put_get_sorted(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        struct kith_put_options options = some_priority(b);
        uint64_t first;

        bench_must(kith_queue_put_with(there, stamped(n), &options, KITH_FOREVER),
                   "kith_queue_put_with");
        bench_must(kith_queue_get(there, KITH_FOREVER, &buf), "kith_queue_get");
        memcpy(&first, buf.item.data, sizeof(first));
        check_stamp(&buf, first);
    }
}

static void
put_lease_ack(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        kith_lease *lease;

        put(there, n);
        bench_must(kith_queue_lease(there, KITH_FOREVER, &buf, &lease), "kith_queue_lease");
        check_stamp(&buf, n);
        bench_must(kith_lease_ack(lease), "kith_lease_ack");
    }
}

static const struct bench_case cases[] = {
    { .name = "one-way-64",
      .companions = 1,
      .make = make_small,
      .begin = open_small,
      .beside = feed_small,
      .work = drain,
      .end = close_queues },
    { .name = "one-way-1m",
      .companions = 1,
      .make = make_large,
      .begin = open_large,
      .beside = feed_large,
      .work = drain,
      .end = close_queues },
    { .name = "one-way-64-batch",
      .companions = 1,
      .make = make_small,
      .begin = open_small,
      .beside = feed_batches,
      .work = drain_batches,
      .end = close_queues },
    { .name = "round-trip",
      .companions = 1,
      .make = make_small,
      .begin = open_small,
      .beside = echo,
      .work = round_trip,
      .end = close_queues },
    { .name = "put-get",
      .make = make_small,
      .begin = open_small,
      .work = put_get,
      .end = close_queues },
    { .name = "put-get-priority",
      .make = make_small,
      .begin = open_sorted,
      .work = put_get_sorted,
      .end = close_queues },
    { .name = "put-lease-ack",
      .make = make_small,
      .begin = open_small,
      .work = put_lease_ack,
      .end = close_queues },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
