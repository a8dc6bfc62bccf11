/*
 * txn.c - a worker's step: an item goes into a queue; one is leased, and one transaction counts it
 * in one dict, notes it in another, and acknowledges the lease.
 *
 * An operation is all of that.  Keys are random among `entries`, so that processes meet.
 */
#include "arena.h"

static kith_space *space;
static kith_dict *counts, *notes;
static kith_queue *queue;
static struct kith_buf buf;

static void
open_all(struct bench *b)
{
    space = bench_space(b);
    counts = bench_dict(space, "counts");
    notes = bench_dict(space, "notes");
    queue = bench_queue(space, "queue", 0);
}

static void
close_all(struct bench *b)
{
    (void)b;
    kith_buf_free(&buf);
    kith_queue_close(queue);
    kith_dict_close(notes);
    kith_dict_close(counts);
    kith_close(space);
}

static void
make_all(struct bench *b)
{
    open_all(b);
    for (uint64_t i = 0; i < b->entries; i++) {
        struct bench_key bytes = bench_key_of(i);

        bench_must(kith_dict_set(counts, bench_item(&bytes), KITH_INT(0)), "kith_dict_set");
    }
    close_all(b);
}

static void
work_item(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        kith_lease *lease;
        kith_txn *txn;

        bench_must(kith_queue_put(queue, KITH_INT((int64_t)i), KITH_FOREVER), "kith_queue_put");
        bench_must(kith_queue_lease(queue, KITH_FOREVER, &buf, &lease), "kith_queue_lease");
        bytes = bench_key_of((uint64_t)buf.item.integer);
        bench_must(kith_txn_begin(space, &txn), "kith_txn_begin");
        bench_must(kith_txn_dict_add(txn, counts, key, 1), "kith_txn_dict_add");
        bench_must(kith_txn_dict_set(txn, notes, key, buf.item), "kith_txn_dict_set");
        bench_must(kith_txn_lease_ack(txn, lease), "kith_txn_lease_ack");
        bench_must(kith_txn_commit(txn), "kith_txn_commit");
    }
    __atomic_fetch_add((uint64_t *)b->shared, ops, __ATOMIC_SEQ_CST);
}

static int
sum_up(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    *(uint64_t *)arg += (uint64_t)item.integer;
    return 0;
}

/* Every step that had ended before this look is counted. */
static void
check_counts(struct bench *b)
{
    uint64_t steps = __atomic_load_n((uint64_t *)b->shared, __ATOMIC_SEQ_CST);
    uint64_t sum = 0;

    bench_must(kith_dict_each(counts, sum_up, &sum), "kith_dict_each");
    if (sum < steps)
        bench_fail("%llu steps of %llu are lost", (unsigned long long)(steps - sum),
                   (unsigned long long)steps);
    close_all(b);
}

static const struct bench_case cases[] = {
    { .name = "work-item",
      .make = make_all,
      .begin = open_all,
      .work = work_item,
      .end = check_counts },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
