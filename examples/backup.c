/*
 * backup.c - a space is dumped while it is used, and loaded again.
 *
 *     example-backup FILE     writes a dump of a space to FILE, and loads it into another
 *
 * Each object is dumped as it was at one instant.  Whoever loads a dump gets all of it or an error:
 * one byte that was altered on the way, and nothing is made of it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <kith.h>
#include <stdio.h>
#include <unistd.h>

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int
main(int argc, char **argv)
{
    struct kith_dump_report report;
    kith_space *space, *restored;
    kith_dict *prices;
    int64_t now;
    int fd;

    if (argc != 2) {
        fprintf(stderr, "usage: example-backup FILE\n");
        return 2;
    }
    if (kith_open("mem://", NULL, &space) < 0 || kith_open("mem://", NULL, &restored) < 0 ||
        kith_dict_open(space, "prices", NULL, &prices) < 0 ||
        kith_dict_set(prices, KITH_STR("apple"), KITH_INT(3)) < 0 ||
        kith_dict_set(prices, KITH_STR("pear"), KITH_INT(4)) < 0)
        return fail();

    fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    if (kith_dump_fd(space, NULL, fd, &report) < 0)
        return fail();
    printf("dumped %" PRIu64 " object, %" PRIu64 " items\n", report.objects, report.items);

    /* What happens after the dump is not in it. */
    if (kith_dict_add(prices, KITH_STR("apple"), 100, NULL) < 0)
        return fail();
    kith_dict_close(prices);

    if (lseek(fd, 0, SEEK_SET) != 0 || kith_load_fd(restored, NULL, fd, NULL) < 0 ||
        kith_dict_open(restored, "prices", NULL, &prices) < 0 ||
        kith_dict_add(prices, KITH_STR("apple"), 0, &now) < 0)
        return fail();
    printf("an apple costs %" PRId64 " again\n", now);
    close(fd);
    kith_dict_close(prices);
    kith_close(restored);
    kith_close(space);
    return 0;
}
