/*
 * gate.c - processes wait for an event, without polling.
 */
#include <kith.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 3

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

int
main(void)
{
    kith_space *space;
    kith_event *gate;

    if (kith_open("mem://", NULL, &space) < 0 || kith_event_open(space, "gate", NULL, &gate) < 0)
        return fail();
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            if (kith_event_wait(gate, KITH_FOREVER) < 0)
                _exit(fail());
            printf("process %d goes through\n", p);
            fflush(stdout);
            _exit(0);
        }
    puts("the gate opens");
    fflush(stdout);
    if (kith_event_set(gate) < 0)
        return fail();
    while (wait(NULL) > 0)
        ;
    kith_event_close(gate);
    kith_close(space);
    return 0;
}
