/*
 * list.c - lists of a million numbers: at the end, by index, in the middle.
 */
#include "arena.h"

#include <stdlib.h>

#define COUNT UINT64_C(1000000)

static kith_space *space;
static struct kith_list *list;
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t
random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static void
open_list(struct bench *b)
{
    space = bench_space(b);
    bench_must(kith_list_open(space, "list", NULL, &list), "kith_list_open");
}

static void
close_list(struct bench *b)
{
    (void)b;
    kith_list_close(list);
    kith_close(space);
}

static void
make_million(struct bench *b)
{
    struct kith_item *items = malloc(COUNT * sizeof(*items));

    if (items == NULL)
        bench_fail("no memory");
    open_list(b);
    for (uint64_t i = 0; i < COUNT; i++)
        items[i] = kith_int((int64_t)i);
    bench_must(kith_list_extend(list, items, COUNT), "kith_list_extend");
    free(items);
    close_list(b);
}

static void
append(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_list_append(list, KITH_INT((int64_t)n)), "kith_list_append");
}

/* As many appends as pops, in runs longer than a chunk, so that the length stays. */
static void
append_pop(struct bench *b, uint64_t ops)
{
    struct kith_buf item = KITH_BUF_INIT;

    (void)b;
    for (uint64_t n = 0; n < ops; n += 2000) {
        for (unsigned i = 0; i < 1000; i++)
            bench_must(kith_list_append(list, KITH_INT((int64_t)i)), "kith_list_append");
        for (unsigned i = 0; i < 1000; i++)
            bench_must(kith_list_pop(list, -1, &item), "kith_list_pop");
    }
    kith_buf_free(&item);
}

static void
get(struct bench *b, uint64_t ops)
{
    struct kith_buf item = KITH_BUF_INIT;

    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t index = random_below(COUNT);

        bench_must(kith_list_get(list, (int64_t)index, &item), "kith_list_get");
        if (item.item.integer != (int64_t)index)
            bench_fail("an item is not in its place");
    }
    kith_buf_free(&item);
}

/* Near the middle, where the list is entered from neither end. */
static void
insert(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        bench_must(kith_list_insert(list, (int64_t)(COUNT / 4 + random_below(COUNT / 2)),
                                    KITH_INT((int64_t)n)),
                   "kith_list_insert");
}

/* An insertion and a deletion, each at a place of its own. */
static void
insert_pop(struct bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n += 2) {
        bench_must(kith_list_insert(list, (int64_t)random_below(COUNT), KITH_INT((int64_t)n)),
                   "kith_list_insert");
        bench_must(kith_list_pop(list, (int64_t)random_below(COUNT), NULL), "kith_list_pop");
    }
}

static const struct bench_case cases[] = {
    { .name = "append",
      .make = make_million,
      .begin = open_list,
      .work = append,
      .end = close_list },
    { .name = "append-pop",
      .make = make_million,
      .begin = open_list,
      .work = append_pop,
      .end = close_list },
    { .name = "get", .make = make_million, .begin = open_list, .work = get, .end = close_list },
    { .name = "insert",
      .make = make_million,
      .begin = open_list,
      .work = insert,
      .end = close_list },
    { .name = "insert-pop",
      .make = make_million,
      .begin = open_list,
      .work = insert_pop,
      .end = close_list },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
