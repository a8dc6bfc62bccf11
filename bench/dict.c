/*
 * dict.c - kith_dict: int items under keys of 16 bytes, unless a case says otherwise.
 */
#include "arena.h"

#include <stdlib.h>

#define MANY 10000      /* keys of one kith_dict_add_many() */
#define OBJECTS 64      /* that references lead to */
#define RESIZE_KEYS 64  /* keys of `resize` that a process goes round */
#define RESIZE_STEPS 10 /* 16 bytes, 32, … 4 KiB, deleted */

static kith_space *space;
static kith_dict *dict;
static struct kith_buf buf;

static void
open_dict(struct bench *b)
{
    space = bench_space(b);
    dict = bench_dict(space, "numbers");
}

static void
close_dict(struct bench *b)
{
    (void)b;
    kith_buf_free(&buf);
    kith_dict_close(dict);
    kith_close(space);
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
make_dict(struct bench *b)
{
    open_dict(b);
    fill(b);
    close_dict(b);
}

/* ---- get ---- */

static void
get_one(struct kith_item key, uint64_t i)
{
    bench_must(kith_dict_get(dict, key, &buf), "kith_dict_get");
    if (buf.item.type != KITH_TYPE_INT || !bench_value_is_of(buf.item.integer, i))
        bench_fail("key %llu is wrong", (unsigned long long)i);
}

static void
get(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        bytes = bench_key_of(i);
        get_one(key, i);
    }
}

/* Sets random keys as fast as it can. */
static void
keep_setting(struct bench *b)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    open_dict(b);
    for (uint64_t n = 1;; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        bytes = bench_key_of(i);
        bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)(n << 32 | i))), "kith_dict_set");
    }
}

/* The key of entry `index` as 16 letters, to be used as a str. */
static void
write_letters(uint64_t index, char text[BENCH_KEY_SIZE])
{
    uint64_t bits = bench_mix(index);

    for (int i = 0; i < BENCH_KEY_SIZE; i++)
        text[i] = (char)('a' + (bits >> (i * 4) & 15));
}

static void
make_letters(struct bench *b)
{
    char text[BENCH_KEY_SIZE];
    struct kith_item key = { .type = KITH_TYPE_STR, .data = text, .size = sizeof(text) };

    open_dict(b);
    for (uint64_t i = 0; i < b->entries; i++) {
        write_letters(i, text);
        bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)i)), "kith_dict_set");
    }
    close_dict(b);
}

static char (*all_letters)[BENCH_KEY_SIZE]; /* writing them takes longer than looking them up */

static void
begin_letters(struct bench *b)
{
    open_dict(b);
    all_letters = malloc(b->entries * sizeof(*all_letters));
    if (all_letters == NULL)
        bench_fail("no memory");
    for (uint64_t i = 0; i < b->entries; i++)
        write_letters(i, all_letters[i]);
}

static void
get_letters(struct bench *b, uint64_t ops)
{
    char text[BENCH_KEY_SIZE];
    struct kith_item key = { .type = KITH_TYPE_STR, .data = text, .size = sizeof(text) };

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        memcpy(text, all_letters[i], sizeof(text));
        get_one(key, i);
    }
}

/* ---- set ---- */

/* Each process sets keys of its own. */
static void
set(struct bench *b, uint64_t ops)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries / b->workers) * b->workers + b->worker;

        bytes = bench_key_of(i);
        bench_must(kith_dict_set(dict, key, KITH_INT((int64_t)(n << 32 | i))), "kith_dict_set");
    }
}

/* ---- references ---- */

static char names[OBJECTS][KITH_MADE_NAME_SIZE];
static struct kith_list *lists[OBJECTS]; /* their handles keep them */

/* Lists without names of their own, for the dict to lead to. */
static void
begin_lists(struct bench *b)
{
    open_dict(b);
    for (size_t i = 0; i < OBJECTS; i++) {
        bench_must(kith_name_make(names[i]), "kith_name_make");
        bench_must(kith_list_open(space, names[i], NULL, &lists[i]), "kith_list_open");
    }
}

static void
close_lists(struct bench *b)
{
    for (size_t i = 0; i < OBJECTS; i++)
        kith_list_close(lists[i]);
    close_dict(b);
}

static void
set_names(struct bench *b, uint64_t ops, bool as_references)
{
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        const char *name = names[n % OBJECTS];

        bytes = bench_key_of(bench_random(&b->random, b->entries));
        bench_must(kith_dict_set(dict, key, as_references ? kith_reference(name) : kith_str(name)),
                   "kith_dict_set");
    }
}

static void
set_reference(struct bench *b, uint64_t ops)
{
    set_names(b, ops, true);
}

/* The same bytes, leading nowhere. */
static void
set_name(struct bench *b, uint64_t ops)
{
    set_names(b, ops, false);
}

/* ---- growing ---- */

/* Growing from empty in a new arena, the growing and the arena's fresh memory included. */
static void
grow(struct bench *b)
{
    uint64_t count;
    int64_t start_ns = bench_now_ns();

    fill(b);
    bench_print((double)(bench_now_ns() - start_ns) / (double)b->entries);
    bench_must(kith_dict_len(dict, &count), "kith_dict_len");
    if (count != b->entries)
        bench_fail("%llu entries", (unsigned long long)count);
}

/* Items that grow from 16 bytes to 4 KiB and are then deleted: the allocator behind a dict. */
static void
resize(struct bench *b, uint64_t ops)
{
    static const char data[16 << (RESIZE_STEPS - 2)];
    static uint64_t at;
    struct bench_key bytes;
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++, at++) {
        uint64_t step = at % RESIZE_STEPS;

        bytes = bench_key_of(at / RESIZE_STEPS % RESIZE_KEYS * b->workers + b->worker);
        if (step == RESIZE_STEPS - 1)
            bench_must(kith_dict_delete(dict, key), "kith_dict_delete");
        else
            bench_must(kith_dict_set(dict, key, kith_bytes(data, (size_t)16 << step)),
                       "kith_dict_set");
    }
}

/* ---- add ---- */

/* All processes count up one key; `shared` counts what they did. */
static void
add(struct bench *b, uint64_t ops)
{
    struct bench_key bytes = bench_key_of(0);
    struct kith_item key = bench_item(&bytes);

    for (uint64_t n = 0; n < ops; n++) {
        int64_t now;

        bench_must(kith_dict_add(dict, key, 1, &now), "kith_dict_add");
    }
    __atomic_fetch_add((uint64_t *)b->shared, ops, __ATOMIC_SEQ_CST);
}

/* What was added before this look is in the dict at this look, and nothing was added twice. */
static void
check_sum(struct bench *b)
{
    uint64_t added = __atomic_load_n((uint64_t *)b->shared, __ATOMIC_SEQ_CST);
    struct bench_key bytes = bench_key_of(0);

    bench_must(kith_dict_get(dict, bench_item(&bytes), &buf), "kith_dict_get");
    if ((uint64_t)buf.item.integer < added)
        bench_fail("%llu additions are lost",
                   (unsigned long long)(added - (uint64_t)buf.item.integer));
    close_dict(b);
}

static struct kith_item many_keys[MANY];
static struct bench_key many_bytes[MANY];
static int64_t many_ns[MANY];

static void
begin_many(struct bench *b)
{
    open_dict(b);
    for (uint64_t i = 0; i < MANY; i++) {
        many_bytes[i] = bench_key_of(i);
        many_keys[i] = bench_item(&many_bytes[i]);
        many_ns[i] = 1;
    }
}

/* The same 10,000 keys again and again; each key counts as an operation. */
static void
add_many(struct bench *b)
{
    int64_t window_ns = b->window_ns;
    uint64_t calls = 0;
    int64_t start_ns;

    bench_must(kith_dict_add_many(dict, many_keys, many_ns, MANY), "kith_dict_add_many");
    start_ns = bench_now_ns();
    do {
        bench_must(kith_dict_add_many(dict, many_keys, many_ns, MANY), "kith_dict_add_many");
        calls++;
    } while (bench_now_ns() - start_ns < window_ns);
    bench_print((double)(bench_now_ns() - start_ns) / (double)(calls * MANY));
    for (uint64_t i = 0; i < MANY; i++) {
        bench_must(kith_dict_get(dict, many_keys[i], &buf), "kith_dict_get");
        if (buf.item.integer != (int64_t)calls + 1)
            bench_fail("key %llu was added %lld times", (unsigned long long)i,
                       (long long)buf.item.integer);
    }
}

static const struct bench_case cases[] = {
    { .name = "get", .make = make_dict, .begin = open_dict, .work = get, .end = close_dict },
    { .name = "get-beside-writer",
      .companions = 1,
      .make = make_dict,
      .begin = open_dict,
      .beside = keep_setting,
      .work = get,
      .end = close_dict },
    { .name = "get-str",
      .make = make_letters,
      .begin = begin_letters,
      .work = get_letters,
      .end = close_dict },
    { .name = "set", .make = make_dict, .begin = open_dict, .work = set, .end = close_dict },
    { .name = "set-reference",
      .make = make_dict,
      .begin = begin_lists,
      .work = set_reference,
      .end = close_lists },
    { .name = "set-name",
      .make = make_dict,
      .begin = begin_lists,
      .work = set_name,
      .end = close_lists },
    { .name = "grow", .begin = open_dict, .measure = grow, .end = close_dict },
    { .name = "resize", .begin = open_dict, .work = resize, .end = close_dict },
    { .name = "add", .begin = open_dict, .work = add, .end = check_sum },
    { .name = "add-many", .begin = begin_many, .measure = add_many, .end = close_dict },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, BENCH_COUNTOF(cases), bench_remove);
}
