/*
 * wait.c - waiting without the interpreter lock, and ending a wait by Ctrl-C.
 *
 * No wait is cut into slices.  The library calls on_signal() in the thread whose wait a signal
 * interrupted, after the C handler of CPython has noted it; there the Python handler runs, and if
 * it raises (as the one of SIGINT does) the wait ends and nothing was taken.
 */
#include "module.h"

static _Thread_local struct wait *innermost;

static int
on_signal(void *arg)
{
    struct wait *wait = arg;
    int raised;

    if (!wait->inside)
        return 0; /* Python itself is running, in a callback: it looks after signals */
    PyEval_RestoreThread(wait->thread);
    /* One that raised already is on its way out, and waits for a lock that it must have. */
    raised = PyErr_Occurred() != NULL || PyErr_CheckSignals() < 0;
    wait->thread = PyEval_SaveThread();
    return raised;
}

bool
wait_begin(struct wait *wait, struct space *space)
{
    /* One that came before the wait would not interrupt it. */
    if (PyErr_CheckSignals() < 0)
        return false;
    wait->outer = innermost;
    wait->space = space;
    wait->inside = true;
    if (space != NULL) {
        space->uses++;
        space->waits++;
    }
    innermost = wait;
    kith_on_interrupt(on_signal, wait);
    wait->thread = PyEval_SaveThread();
    return true;
}

void
wait_end(struct wait *wait)
{
    PyEval_RestoreThread(wait->thread);
    innermost = wait->outer;
    kith_on_interrupt(innermost == NULL ? NULL : on_signal, innermost);
    if (wait->space != NULL) {
        wait->space->uses--;
        wait->space->waits--;
        space_settle(wait->space);
    }
}

void
waits_after_fork(void)
{
    for (struct wait *wait = innermost; wait != NULL; wait = wait->outer) {
        if (wait->space != NULL) {
            wait->space->uses++;
            wait->space->waits++;
        }
    }
    buffer_after_fork();
}

void
waits_forget(void)
{
    for (struct wait *wait = innermost; wait != NULL; wait = wait->outer)
        if (wait->space != NULL && wait->space->waits > 0) {
            wait->space->uses--;
            wait->space->waits--;
        }
    innermost = NULL;
    kith_on_interrupt(NULL, NULL);
}

void
wait_leave(struct wait *wait)
{
    PyEval_RestoreThread(wait->thread);
    wait->inside = false;
}

void
wait_return(struct wait *wait)
{
    wait->inside = true;
    wait->thread = PyEval_SaveThread();
}
