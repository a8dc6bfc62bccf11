/*
 * interrupt.c - each thread's own answer to a signal that interrupts its wait.
 */
#include "interrupt.h"

#include <kith/base.h>

static _Thread_local struct {
    int (*fn)(void *arg);
    void *arg;
} interrupt;

void
kith_on_interrupt(int (*fn)(void *arg), void *arg)
{
    interrupt.fn = fn;
    interrupt.arg = arg;
}

bool
kith__interrupted(void)
{
    return interrupt.fn != NULL && interrupt.fn(interrupt.arg) != 0;
}
