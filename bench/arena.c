/*
 * arena.c - the arena of one round.
 */
#include "arena.h"

#include <sys/stat.h>

/* valgrind has no room for the address space that an arena reserves by default. */
#define COUNTING_SIZE (UINT64_C(1) << 30)

void
bench_must(kith_err err, const char *what)
{
    if (err < 0)
        bench_fail("%s: %s: %s", what, kith_strerror(err), kith_last_error());
}

kith_space *
bench_space(struct bench *b)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space;

    if (b->counting)
        options.size = COUNTING_SIZE;
    bench_must(kith_open(b->name, &options, &space), "kith_open");
    return space;
}

kith_dict *
bench_dict(kith_space *space, const char *name)
{
    kith_dict *dict;

    bench_must(kith_dict_open(space, name, NULL, &dict), "kith_dict_open");
    return dict;
}

kith_queue *
bench_queue(kith_space *space, const char *name, uint64_t capacity)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *queue;

    options.capacity = capacity;
    bench_must(kith_queue_open(space, name, &options, &queue), "kith_queue_open");
    return queue;
}

uint64_t
bench_resident(kith_space *space)
{
    struct kith_stat arena = KITH_STAT_INIT;
    struct stat file;

    bench_must(kith_stat(space, &arena), "kith_stat");
    if (stat(arena.path, &file) != 0)
        bench_fail("no file at %s", arena.path);
    return (uint64_t)file.st_blocks * 512;
}

void
bench_remove(struct bench *b)
{
    kith_remove(b->name); /* there is none if make() failed */
}
