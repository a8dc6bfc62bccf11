/*
 * zipf.c - requests drawn by the inverse of their cumulated weights.
 */
#include "zipf.h"

#include "harness.h"

#include <stdlib.h>

#define SEED UINT64_C(0x9e3779b97f4a7c15)

const uint32_t *
bench_zipf(uint64_t keys)
{
    double *weight_up_to = malloc(keys * sizeof(*weight_up_to)), sum = 0;
    uint32_t *trace = malloc(BENCH_ZIPF_LENGTH * sizeof(*trace));
    uint64_t state = SEED;

    if (weight_up_to == NULL || trace == NULL)
        bench_fail("no memory");
    for (uint64_t i = 0; i < keys; i++)
        weight_up_to[i] = sum += 1 / (double)(i + 1);
    for (uint64_t n = 0; n < BENCH_ZIPF_LENGTH; n++) {
        double wanted = (double)bench_random(&state, UINT32_MAX) / UINT32_MAX * sum;
        uint64_t low = 0, high = keys - 1;

        while (low < high) {
            uint64_t middle = low + (high - low) / 2;

            if (weight_up_to[middle] > wanted)
                high = middle;
            else
                low = middle + 1;
        }
        trace[n] = (uint32_t)low;
    }
    free(weight_up_to);
    return trace;
}
