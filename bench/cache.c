/*
 * cache.c - a dict as a cache: what is there and what is not, with room for so many keys and no
 * more, and how often a cache of that size has what is asked for.
 */
#include "arena.h"
#include "zipf.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BATCH 100
#define WARM 100000 /* keys set before any counts */

static kith_space *space;
static kith_dict *dict;
static struct kith_buf buf;

static void
open_with(struct bench *b, const struct kith_dict_options *options)
{
    space = bench_space(b);
    bench_must(kith_dict_open(space, "cache", options, &dict), "kith_dict_open");
}

/* Made already, or without bounds. */
static void
open_cache(struct bench *b)
{
    open_with(b, NULL);
}

static void
close_cache(struct bench *b)
{
    (void)b;
    kith_buf_free(&buf);
    kith_dict_close(dict);
    kith_close(space);
}

static void
open_bounded(struct bench *b, uint64_t max_items)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;

    options.max_items = max_items;
    options.policy = KITH_DICT_SIEVE;
    open_with(b, &options);
}

static void
fill(struct bench *b)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t i = 0; i < b->entries; i++) {
        bytes = bench_key_of(i);
        bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)i)), "kith_dict_set");
    }
}

static void
make_plain(struct bench *b)
{
    open_cache(b);
    fill(b);
    close_cache(b);
}

static void
make_full(struct bench *b)
{
    open_bounded(b, b->entries);
    fill(b);
    close_cache(b);
}

/* ---- what is there already need not be computed ---- */

static kith_err
compute_in_vain(struct kith_item key, struct kith_item *item_out, void *arg)
{
    (void)key;
    (void)item_out;
    (void)arg;
    bench_fail("a key that is there was computed");
}

static void
get_or_compute(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        bytes = bench_key_of(i);
        bench_must(
            kith_dict_get_or_compute(dict, key, compute_in_vain, NULL, NULL, KITH_FOREVER, &buf),
            "kith_dict_get_or_compute");
        if (buf.item.type != KITH_TYPE_INT || !bench_value_is_of(buf.item.integer, i))
            bench_fail("key %llu is wrong", (unsigned long long)i);
    }
}

/* ---- setting ---- */

static uint64_t next_new; /* the first key that was never set */

static void
begin_full(struct bench *b)
{
    open_cache(b);
    next_new = b->entries;
}

/* Keys that are there. */
static void
set_present(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        bytes = bench_key_of(i);
        bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)(n << 32 | i))), "kith_dict_set");
    }
}

/* Keys that are not, so that each evicts another. */
static void
set_new(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = next_new++;

        bytes = bench_key_of(i);
        if (kith_dict_set(dict, key, KITH_INT((int64_t)i)) != KITH_EVICTED)
            bench_fail("a new key in a full dict evicted nothing");
    }
}

/*
 * The same without bounds: the oldest are deleted, which is not counted, so that both dicts are as
 * large.  Batch by batch, since a look at the clock costs nearly as much.
 */
static void
set_new_plain(struct bench *b)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);
    int64_t spent_ns = 0, counted = 0, stop_ns = bench_now_ns() + 2 * b->window_ns;

    do {
        int64_t start_ns = bench_now_ns();

        for (uint64_t n = 0; n < BATCH; n++) {
            uint64_t i = next_new + n;

            bytes = bench_key_of(i);
            bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)i)), "kith_dict_set");
        }
        if (next_new >= WARM) {
            spent_ns += bench_now_ns() - start_ns;
            counted += BATCH;
        }
        for (uint64_t n = 0; n < BATCH; n++) {
            bytes = bench_key_of(next_new + n - b->entries);
            bench_must(kith_dict_delete(dict, key), "kith_dict_delete");
        }
        next_new += BATCH;
    } while (bench_now_ns() < stop_ns || counted == 0);
    bench_print((double)spent_ns / (double)counted);
}

static void
check_full(struct bench *b)
{
    uint64_t count;

    bench_must(kith_dict_len(dict, &count), "kith_dict_len");
    if (count != b->entries)
        bench_fail("%llu keys instead of %llu", (unsigned long long)count,
                   (unsigned long long)b->entries);
    close_cache(b);
}

/* ---- how often it is there ---- */

struct asked {
    atomic_uint_fast64_t next; /* of the trace */
    atomic_uint_fast64_t hits;
    atomic_uint done; /* processes */
};

static void
make_empty(struct bench *b)
{
    open_bounded(b, b->entries / BENCH_ZIPF_KEYS_PER_PLACE);
    close_cache(b);
}

/* All processes together go once through the trace; the last to end prints the part of hits. */
static void
hit_rate(struct bench *b)
{
    const uint32_t *trace = bench_zipf(b->entries);
    struct asked *asked = b->shared;
    uint64_t hits = 0, at;
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    while ((at = atomic_fetch_add(&asked->next, 1)) < BENCH_ZIPF_LENGTH) {
        kith_err err;

        bytes = bench_key_of(trace[at]);
        err = kith_dict_get(dict, key, &buf);
        if (err == KITH_ENOENT)
            err = kith_dict_set(dict, key, KITH_INT((int64_t)trace[at]));
        else if (bench_value_is_of(buf.item.integer, trace[at]))
            hits++;
        else
            bench_fail("key %u is wrong", trace[at]);
        bench_must(err, "kith_dict_get or kith_dict_set");
    }
    atomic_fetch_add(&asked->hits, hits);
    if (atomic_fetch_add(&asked->done, 1) + 1 == b->workers)
        bench_print((double)atomic_load(&asked->hits) / BENCH_ZIPF_LENGTH);
}

static const struct bench_case cases[] = {
    { .name = "get-or-compute",
      .make = make_plain,
      .begin = open_cache,
      .work = get_or_compute,
      .end = close_cache },
    { .name = "set-present",
      .make = make_full,
      .begin = open_cache,
      .work = set_present,
      .end = check_full },
    { .name = "set-new",
      .make = make_full,
      .begin = begin_full,
      .work = set_new,
      .end = check_full },
    { .name = "set-new-plain",
      .make = make_plain,
      .begin = begin_full,
      .measure = set_new_plain,
      .end = check_full },
    { .name = "hit-rate",
      .make = make_empty,
      .begin = open_cache,
      .measure = hit_rate,
      .end = close_cache },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
