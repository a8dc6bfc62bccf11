/*
 * pool.h - what pool.c, which starts pools, shares with pool_results.c, which takes what comes of
 * tasks, and pool_work.c, which is what a worker runs.
 */
#ifndef KITH_PYTHON_POOL_H
#define KITH_PYTHON_POOL_H

#include "module.h"

struct pool {
    PyObject_HEAD
    kith_pool *open; /* NULL once it was given up */
    kith_pool *kept; /* the same, until no call uses it any more */
    size_t uses;     /* calls that go on without the interpreter lock */
    long process;    /* whose handle it is: a forked child's end is not the pool's */
    struct space *space;
    PyObject *resolve; /* gives the function of a task's name; in a worker */
    PyObject *begin;   /* called first, and last, in each worker */
    PyObject *finish;
    PyObject *words; /* of the command: a tuple of bytes */
    const char **command;
    struct kith_task_entry entry;
    PyObject *weak;
};

/* Of many tasks, or of one. */
struct results {
    PyObject_HEAD
    struct pool *pool;  /* owned */
    kith_results *many; /* of many tasks */
    kith_future *one;   /* or of one */
    Py_ssize_t count;
    Py_ssize_t failed_at; /* of what was filled: the first Failed; -1: there is none */
    int64_t until_ns;     /* of CLOCK_MONOTONIC: iterating waits no longer; KITH_FOREVER */
    PyObject *release;    /* called without arguments at the end of this; or NULL */
    long waiting;         /* the process one of whose threads waits, without the lock; or 0 */
};

/* Those of `count` tasks, which are none yet. */
struct results *pool_results_new(struct pool *pool, size_t count);

/* Gives the options what makes this interpreter go on in forked workers. */
void pool_work_options(struct pool *pool, struct kith_pool_options *options);

/* As encode_item(), of what goes to another process by bytes: a handle is pickled. */
bool encode_shipped(struct space *space, PyObject *object, bool pickled, struct encoded *out);

/* kith._pool.Failed: what came of a task that failed, in place of its result. */
PyTypeObject *failed_type(void);
/* The same once it was needed; before that nothing is one. */
extern PyTypeObject *known_failed;

#endif /* KITH_PYTHON_POOL_H */
