/*
 * memory.c - bytes, not nanoseconds: what an arena and its objects take.
 *
 * "Resident" is the memory of the arena's file, as the file system counts it.
 */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

#define CHURN_KEYS 1000
#define OBJECTS 1000 /* over which the size of one is averaged */

static kith_space *space;

static void
open_arena(struct bench *b)
{
    space = bench_space(b);
}

static void
close_arena(struct bench *b)
{
    (void)b;
    kith_close(space);
}

static void
empty_arena(struct bench *b)
{
    (void)b;
    bench_print((double)bench_resident(space));
}

/* Resident bytes an entry, without the 16 bytes of its key and the 8 of its int. */
static void
per_entry(struct bench *b)
{
    kith_dict *dict = bench_dict(space, "numbers");
    uint64_t before = bench_resident(space);

    for (uint64_t i = 0; i < b->entries; i++) {
        struct bench_key bytes = bench_key_of(i);

        bench_must(kith_dict_set(dict, bench_item(&bytes), KITH_INT((int64_t)i)), "kith_dict_set");
    }
    bench_print((double)(bench_resident(space) - before) / (double)b->entries -
                (BENCH_KEY_SIZE + 8));
    kith_dict_close(dict);
}

/* ---- empty objects ---- */

static uint64_t
used(void)
{
    struct kith_stat stat = KITH_STAT_INIT;

    bench_must(kith_stat(space, &stat), "kith_stat");
    return stat.bytes_used;
}

static int
note_bytes(const struct kith_info *info, void *arg)
{
    uint64_t *bytes = arg;

    *bytes = info->bytes;
    return 0;
}

static const char *
nth_name(uint64_t n)
{
    static char name[32];

    snprintf(name, sizeof(name), "object-%llu", (unsigned long long)n);
    return name;
}

/* First what kith_list() says of one, then what the arena has less for each of 1,000 named ones. */
static void
empty_dict(struct bench *b)
{
    uint64_t bytes = 0, before;

    (void)b;
    kith_dict_close(bench_dict(space, nth_name(0)));
    bench_must(kith_list(space, note_bytes, &bytes), "kith_list");
    bench_print((double)bytes);
    before = used();
    for (uint64_t n = 1; n <= OBJECTS; n++)
        kith_dict_close(bench_dict(space, nth_name(n)));
    bench_print((double)(used() - before) / OBJECTS);
}

static void
empty_queue(struct bench *b)
{
    uint64_t bytes = 0, before;

    (void)b;
    kith_queue_close(bench_queue(space, nth_name(0), 0));
    bench_must(kith_list(space, note_bytes, &bytes), "kith_list");
    bench_print((double)bytes);
    before = used();
    for (uint64_t n = 1; n <= OBJECTS; n++)
        kith_queue_close(bench_queue(space, nth_name(n), 0));
    bench_print((double)(used() - before) / OBJECTS);
}

/* Resident bytes of `entries` empty dicts, arena and all; then nanoseconds to create one. */
static void
many_dicts(struct bench *b)
{
    int64_t start_ns = bench_now_ns();

    for (uint64_t n = 0; n < b->entries; n++)
        kith_dict_close(bench_dict(space, nth_name(n)));
    bench_print((double)bench_resident(space));
    bench_print((double)(bench_now_ns() - start_ns) / (double)b->entries);
}

/* ---- churn ---- */

static int
count_key(struct kith_item key, void *arg)
{
    (void)key;
    ++*(uint64_t *)arg;
    return 0;
}

/* Nanoseconds to go over all keys, the best of ten times. */
static double
iteration_ns(kith_dict *dict, uint64_t expected)
{
    int64_t best_ns = INT64_MAX;

    for (int n = 0; n < 10; n++) {
        uint64_t count = 0;
        int64_t start_ns = bench_now_ns(), ns;

        bench_must(kith_dict_keys(dict, count_key, &count), "kith_dict_keys");
        ns = bench_now_ns() - start_ns;
        if (count != expected)
            bench_fail("%llu keys instead of %llu", (unsigned long long)count,
                       (unsigned long long)expected);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    return (double)best_ns;
}

/*
 * `entries` inserts and deletes of 1,000 keys: a random one goes if it is there and comes if it is
 * not.  Prints, as ratios of the end to a point when a hundredth was done, the resident memory and
 * the time to iterate, both with every key present; then nanoseconds an operation.
 */
static void
churn(struct bench *b)
{
    kith_dict *dict = bench_dict(space, "numbers");
    bool there[CHURN_KEYS] = { false };
    double resident[2], iteration[2];
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);
    int64_t work_ns = 0;

    for (int part = 0; part < 2; part++) {
        uint64_t ops = part == 0 ? b->entries / 100 : b->entries - b->entries / 100;
        int64_t start_ns = bench_now_ns();

        for (uint64_t n = 0; n < ops; n++) {
            uint64_t i = bench_random(&b->random, CHURN_KEYS);

            bytes = bench_key_of(i);
            if (there[i])
                bench_must(kith_dict_delete(dict, key), "kith_dict_delete");
            else
                bench_must(kith_dict_insert(dict, key, KITH_INT((int64_t)n)), "kith_dict_insert");
            there[i] = !there[i];
        }
        work_ns += bench_now_ns() - start_ns;
        for (uint64_t i = 0; i < CHURN_KEYS; i++) {
            bytes = bench_key_of(i);
            if (!there[i])
                bench_must(kith_dict_insert(dict, key, KITH_INT(0)), "kith_dict_insert");
            there[i] = true;
        }
        resident[part] = (double)bench_resident(space);
        iteration[part] = iteration_ns(dict, CHURN_KEYS);
    }
    bench_print(resident[1] / resident[0]);
    bench_print(iteration[1] / iteration[0]);
    bench_print((double)work_ns / (double)b->entries);
    kith_dict_close(dict);
}

static const struct bench_case cases[] = {
    { .name = "empty-arena", .begin = open_arena, .measure = empty_arena, .end = close_arena },
    { .name = "per-entry", .begin = open_arena, .measure = per_entry, .end = close_arena },
    { .name = "empty-dict", .begin = open_arena, .measure = empty_dict, .end = close_arena },
    { .name = "empty-queue", .begin = open_arena, .measure = empty_queue, .end = close_arena },
    { .name = "many-dicts", .begin = open_arena, .measure = many_dicts, .end = close_arena },
    { .name = "churn", .begin = open_arena, .measure = churn, .end = close_arena },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
