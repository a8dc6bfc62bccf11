/*
 * hand.c - a space without a name, handed to another program.
 *
 * A mem:// space is seen by nobody who was not given it.  The descriptor of kith_share() goes to a
 * child over exec, which closes all that a process has open but what it is told to keep; the child
 * opens the space by it, and both are in the same one.
 */
#include <fcntl.h>
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

/* The other program: it was started with the number of the descriptor. */
static int
answer(int fd)
{
    kith_space *space;
    kith_queue *answers;

    if (kith_open_fd(fd, NULL, &space) < 0 ||
        kith_queue_open(space, "answers", NULL, &answers) < 0 ||
        kith_queue_put(answers, KITH_STR("I am here too"), 0) < 0)
        return fail();
    kith_queue_close(answers);
    kith_close(space);
    return 0;
}

int
main(int argc, char **argv)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_space *space;
    kith_queue *answers;
    char number[16];
    int fd;

    if (argc == 2)
        return answer(atoi(argv[1]));
    if (kith_open("mem://", NULL, &space) < 0 ||
        kith_queue_open(space, "answers", NULL, &answers) < 0 || kith_share(space, &fd) < 0)
        return fail();
    snprintf(number, sizeof(number), "%d", fd);
    fcntl(fd, F_SETFD, 0); /* it survives exec now */
    if (fork() == 0) {
        execl("/proc/self/exe", argv[0], number, (char *)NULL);
        _exit(127);
    }
    close(fd);
    if (kith_queue_get(answers, INT64_C(60000000000), &buf) < 0)
        return fail();
    printf("%.*s\n", (int)buf.item.size, (const char *)buf.item.data);
    wait(NULL);
    kith_buf_free(&buf);
    kith_queue_close(answers);
    kith_close(space);
    return 0;
}
