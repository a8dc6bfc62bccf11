/*
 * hits.c - many processes add to the same numbers.
 *
 *     example-hits HOST…     adds 1 for each HOST, then prints every host and its number
 */
#include <inttypes.h>
#include <kith.h>
#include <stdio.h>

static int
print(struct kith_item host, struct kith_item number, void *arg)
{
    (void)arg;
    printf("%10" PRId64 "  %.*s\n", number.integer, (int)host.size, (const char *)host.data);
    return 0; /* go on */
}

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int
main(int argc, char **argv)
{
    kith_space *space;
    kith_dict *hits;

    if (kith_open("examples", NULL, &space) < 0 ||
        kith_dict_open(space, "by-host", NULL, &hits) < 0)
        return fail();
    for (int i = 1; i < argc; i++)
        if (kith_dict_add(hits, kith_str(argv[i]), 1, NULL) < 0)
            return fail();
    if (kith_dict_each(hits, print, NULL) < 0)
        return fail();
    kith_dict_close(hits);
    kith_close(space);
    return 0;
}
