/*
 * sieve.c - SIEVE as its paper has it (Zhang et al., NSDI 2024), by one process and exactly: what
 * the hit rate of Kith's bounded dict is held against.
 */
#include "../harness.h"
#include "../zipf.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* Keys are their own places in these lists. */
struct place {
    uint32_t newer, older;
    bool cached, visited;
};

struct sieve {
    struct place *of;
    uint32_t newest, oldest, hand;
    uint64_t count, room;
};

static void
evict(struct sieve *sieve)
{
    uint32_t at = sieve->hand == NONE ? sieve->oldest : sieve->hand;
    struct place *out;

    while (sieve->of[at].visited) {
        sieve->of[at].visited = false;
        at = sieve->of[at].newer == NONE ? sieve->oldest : sieve->of[at].newer;
    }
    out = &sieve->of[at];
    sieve->hand = out->newer;
    if (out->newer == NONE)
        sieve->newest = out->older;
    else
        sieve->of[out->newer].older = out->older;
    if (out->older == NONE)
        sieve->oldest = out->newer;
    else
        sieve->of[out->older].newer = out->newer;
    out->cached = false;
    sieve->count--;
}

static void
insert(struct sieve *sieve, uint32_t key)
{
    if (sieve->count == sieve->room)
        evict(sieve);
    sieve->of[key] = (struct place){ NONE, sieve->newest, true, false };
    if (sieve->newest == NONE)
        sieve->oldest = key;
    else
        sieve->of[sieve->newest].newer = key;
    sieve->newest = key;
    sieve->count++;
}

static void
hit_rate(struct bench *b)
{
    const uint32_t *trace = bench_zipf(b->entries);
    struct sieve sieve = { calloc(b->entries, sizeof(struct place)), NONE, NONE, NONE, 0,
                           b->entries / BENCH_ZIPF_KEYS_PER_PLACE };
    uint64_t hits = 0;

    if (sieve.of == NULL)
        bench_fail("no memory");
    for (uint64_t n = 0; n < BENCH_ZIPF_LENGTH; n++) {
        struct place *place = &sieve.of[trace[n]];

        if (place->cached) {
            place->visited = true;
            hits++;
        } else {
            insert(&sieve, trace[n]);
        }
    }
    free(sieve.of);
    bench_print((double)hits / BENCH_ZIPF_LENGTH);
}

static const struct bench_case cases[] = {
    { .name = "hit-rate", .measure = hit_rate },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), NULL);
}
