/*
 * look.c - a large item looked at where it is, while another replaces it.
 *
 * A view shows the item as it was when it was taken.  Setting the key anew does not wait for the
 * view and does not touch what it shows; the old memory goes when the view is released.
 */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 1000000

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int
main(void)
{
    char *page = malloc(SIZE);
    kith_space *space;
    kith_dict *pages;
    kith_view *view;

    if (page == NULL)
        return 1;
    if (kith_open("mem://", NULL, &space) < 0 || kith_dict_open(space, "pages", NULL, &pages) < 0)
        return fail();
    memset(page, 'a', SIZE);
    if (kith_dict_set(pages, KITH_STR("/"), kith_bytes(page, SIZE)) < 0 ||
        kith_dict_view(pages, KITH_STR("/"), &view) < 0)
        return fail();
    memset(page, 'b', SIZE);
    if (kith_dict_set(pages, KITH_STR("/"), kith_bytes(page, SIZE)) < 0)
        return fail();
    printf("the view shows %zu bytes of '%c'\n", kith_view_size(view),
           *(const char *)kith_view_data(view));
    kith_view_release(view);
    free(page);
    kith_dict_close(pages);
    kith_close(space);
    return 0;
}
