/*
 * guard.c - a lock tells that its last owner died, and what to do then.
 *
 *     example-guard          takes the lock, changes the file that it protects, releases it
 *     example-guard die      dies in the middle of changing it
 *
 * The lock itself is whole whatever happens.  Whether the file is, nobody but its owner can know:
 * KITH_OWNER_DIED is the moment to look.
 */
#include <kith.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "guarded.txt"

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

static int
change(bool die)
{
    FILE *file = fopen(FILE_NAME, "w");

    if (file == NULL) {
        perror(FILE_NAME);
        return 1;
    }
    fputs("the first half,", file);
    fflush(file);
    if (die)
        raise(SIGKILL);
    fputs(" and the second\n", file);
    return fclose(file) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    kith_space *space;
    kith_lock *lock;
    kith_err err;
    int status;

    if (kith_open("examples", NULL, &space) < 0 || kith_lock_open(space, "file", NULL, &lock) < 0)
        return fail();
    err = kith_lock_acquire(lock, KITH_FOREVER);
    if (err < 0)
        return fail();
    if (err == KITH_OWNER_DIED)
        puts("The last owner died: " FILE_NAME " may be half written, and is written anew.");
    status = change(argc > 1 && strcmp(argv[1], "die") == 0);
    if (kith_lock_release(lock) < 0)
        return fail();
    kith_lock_close(lock);
    kith_close(space);
    return status;
}
