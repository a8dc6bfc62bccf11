/*
 * cell.c - kith_value, kith_array: one number, and a gigabyte looked at where it is.
 */
#include "arena.h"

#include <stdatomic.h>

static kith_space *space;
static kith_value *value;

struct shared {
    atomic_int_fast64_t added;
};

static void
open_value(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_value_open(space, "value", NULL, &value), "kith_value_open");
}

static void
close_value(struct bench *b)
{
    (void)b;
    kith_value_close(value);
    kith_close(space);
}

static void
make_value(struct bench *b)
{
    open_value(b);
    close_value(b);
}

static void
add(struct bench *b, uint64_t ops)
{
    struct shared *shared = b->shared;

    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_value_add(value, 1, NULL), "kith_value_add");
    atomic_fetch_add(&shared->added, (int64_t)ops);
}

/* A worker adds to the value first and to `added` after it: none may be missing. */
static void
check_added(struct bench *b)
{
    struct shared *shared = b->shared;
    int64_t added = atomic_load(&shared->added), n;

    bench_must(kith_value_get_int(value, &n), "kith_value_get_int");
    if (n < added)
        bench_fail("%lld of %lld additions are missing", (long long)(added - n), (long long)added);
    close_value(b);
}

static void
get(struct bench *b, uint64_t ops)
{
    int64_t n, sum = 0;

    (void)b;
    for (uint64_t i = 0; i < ops; i++) {
        bench_must(kith_value_get_int(value, &n), "kith_value_get_int");
        sum += n;
    }
    if (sum != 0)
        bench_fail("the value is not 0");
}

/* ---- a view of a large array ---- */

#define VIEWED (UINT64_C(1) << 30)

static kith_array *array;

static void
open_array(struct bench *b)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;

    space = bench_space(b);
    options.type = 'B';
    options.count = VIEWED;
    bench_must(kith_array_open(space, "array", &options, &array), "kith_array_open");
}

static void
close_array(struct bench *b)
{
    (void)b;
    kith_array_close(array);
    kith_close(space);
}

static void
make_array(struct bench *b)
{
    open_array(b);
    close_array(b);
}

static void
view(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        kith_view *one;

        bench_must(kith_array_view(array, &one), "kith_array_view");
        if (kith_view_size(one) != VIEWED)
            bench_fail("a view is too short");
        kith_view_release(one);
    }
}

static const struct bench_case cases[] = {
    { .name = "value-add",
      .make = make_value,
      .begin = open_value,
      .work = add,
      .end = check_added },
    { .name = "value-get",
      .make = make_value,
      .begin = open_value,
      .work = get,
      .end = close_value },
    { .name = "array-view",
      .make = make_array,
      .begin = open_array,
      .work = view,
      .end = close_array },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
