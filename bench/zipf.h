/*
 * zipf.h - a list of requests as a cache sees them: few keys are asked for often, most of them
 * seldom.  The n-th most wanted of all keys is asked for in proportion to 1 / n.
 */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ZIPF_LENGTH UINT64_C(1000000) /* requests */
#define BENCH_ZIPF_KEYS_PER_PLACE 10        /* the cache has room for a tenth of the keys */

/* BENCH_ZIPF_LENGTH indices of keys below `keys`, the same each time.  Freed by the process's end.
 */
const uint32_t *bench_zipf(uint64_t keys);

#ifdef __cplusplus
}
#endif
#endif /* BENCH_ZIPF_H */
