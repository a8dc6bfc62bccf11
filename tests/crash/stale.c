/*
 * stale.c - a change that was under way when its object was destroyed touches no other object.
 *
 * A victim is stopped after each instruction of an addition without a lock.  The survivor destroys
 * what it adds to, and makes others, which would have its memory if that were given back too soon.
 * The victim goes on to its end; the others must be as they were made.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/array.h"
#include "shm/extent.h"
#include "shm/value.h"
#include "stepper.h"

#define OTHERS 12
#define STEPS_MAX 5000u

static struct kith__value
make_value(struct kith__self *self, const char *name)
{
    struct kith__value_making making = { *kith__scalar_of('q'), false, NULL };
    struct kith__object object;
    struct kith__value value;

    if (kith__catalog_open(self, name, KITH_KIND_VALUE, KITH_MUST_CREATE, kith__value_init, &making,
                           &object) < 0 ||
        kith__value_of(self->arena, object.off, object.id, &value) < 0)
        abort();
    return value;
}

static struct kith__array
make_array(struct kith__self *self, const char *name)
{
    struct kith__array_making making = { *kith__scalar_of('q'), 4, 0 };
    struct kith__object object;
    struct kith__array array;
    uint64_t pin;

    if (kith__extent_stage(self, 32, true, &making.data, &pin) < 0 ||
        kith__catalog_open(self, name, KITH_KIND_ARRAY, KITH_MUST_CREATE, kith__array_init, &making,
                           &object) < 0 ||
        kith__array_of(self->arena, object.off, object.id, &array) < 0)
        abort();
    kith__extent_drop(self, making.data, pin);
    return array;
}

/* True while the victim still had steps left at `at`. */
static bool
one_stop(bool of_array, uint64_t at, unsigned *touched)
{
    const struct kith__slice first = { 0, 1, 1 };
    struct kith__value value, values[OTHERS];
    struct kith__array array, arrays[OTHERS];
    struct kith__self *self;
    struct stage stage;
    bool more = true;
    int status;
    pid_t pid;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    self = stage_self(&stage);
    value = make_value(self, "value");
    array = make_array(self, "array");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *mine = kith__self_of(stage.arena);

        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        if (of_array)
            kith__array_update(mine, &array, 0, KITH__MATH_ADD, 1, NULL);
        else
            kith__value_add(mine, &value, 1, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    for (uint64_t n = 0; n < at && more; n++) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        more = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    kith__catalog_destroy(self, of_array ? "array" : "value");
    for (unsigned i = 0; i < OTHERS; i++) {
        char name[16];

        snprintf(name, sizeof name, "other %u", i);
        if (of_array)
            arrays[i] = make_array(self, name);
        else
            values[i] = make_value(self, name);
    }
    if (more) { /* to its second stop */
        ptrace(PTRACE_CONT, pid, NULL, NULL);
        waitpid(pid, &status, 0);
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        uint64_t n = 0;

        if (of_array)
            kith__array_get(self, &arrays[i], &first, &n);
        else
            kith__value_load(self, &values[i], &n);
        if (n != 0 && (*touched)++ < 5)
            printf("# stopped at step %llu, it added to another object\n", (unsigned long long)at);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    kith__reap_all(self);
    stage_close(&stage);
    return more;
}

int
main(void)
{
    static const char *const names[] = { "a value", "an array" };
    unsigned wrong = 0;

    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    for (unsigned kind = 0; kind < 2; kind++) {
        unsigned touched = 0;
        uint64_t at = 0;

        while (at < STEPS_MAX && one_stop(kind == 1, at, &touched))
            at++;
        printf("# stopped at %llu steps\n", (unsigned long long)at);
        printf("%s %u - an addition to %s that was destroyed meanwhile touches no other\n",
               touched == 0 ? "ok" : "not ok", kind + 1, names[kind]);
        wrong += touched;
    }
    printf("1..2\n");
    return wrong == 0 ? 0 : 1;
}
