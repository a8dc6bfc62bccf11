/*
 * outside.c - a program outside the tree: C11 and C++17 at once, over the installed package.
 */
#include <kith.h>
#include <stdio.h>
#include <string.h>

static int
fail(const char *what)
{
    printf("%s: %s\n", what, kith_last_error());
    return 1;
}

int
main(void)
{
    struct kith_buf item = KITH_BUF_INIT;
    kith_space *space;
    kith_dict *hits;
    int64_t now;

    if (strcmp(kith_version(), KITH_VERSION) != 0)
        return fail("The library and its headers are of two versions");
    if (kith_open("mem://", NULL, &space) < 0)
        return fail("kith_open");
    if (kith_dict_open(space, "by-host", NULL, &hits) < 0)
        return fail("kith_dict_open");
    if (kith_dict_add(hits, KITH_STR("www.debian.org"), 1, &now) < 0 || now != 1)
        return fail("kith_dict_add");
    if (kith_dict_set(hits, KITH_INT(1), KITH_STR("one")) < 0)
        return fail("kith_dict_set");
    if (kith_dict_get(hits, kith_float(1.0), &item) < 0)
        return fail("kith_dict_get");
    if (item.item.size != 3 || memcmp(item.item.data, "one", 3) != 0)
        return fail("The item is another one");
    kith_buf_free(&item);
    kith_dict_close(hits);
    kith_close(space);
    return 0;
}
