/*
 * pool_work.c - what a worker of a pool of Python tasks runs.
 *
 * A worker is forked by the pool's keeper, which was forked from the program while the thread that
 * did so held the interpreter lock; so the worker has the lock, held by what was that thread, and
 * goes on as a child of os.fork() does.  It never returns to the Python code that it was forked
 * from.  While it waits for tasks the lock is free, for threads that a task may have left.
 */
#include "pool.h"

/* This process as a worker. */
static struct {
    struct pool *pool;
    struct wait *wait;     /* of one that joined, in which it works */
    PyThreadState *thread; /* of another, while the interpreter lock is free */
    kith_task *task;       /* at work */
    char name[256];        /* of the last task, whose function this is: */
    PyObject *function;
} worker;

/* Python runs, and it waits again. */
static void
take_lock(void)
{
    if (worker.wait != NULL)
        wait_leave(worker.wait);
    else
        PyEval_RestoreThread(worker.thread);
}

static void
give_lock(void)
{
    if (worker.wait != NULL)
        wait_return(worker.wait);
    else
        worker.thread = PyEval_SaveThread();
}

/* ---- Forks ---- */

static PyGILState_STATE forking;

static void
fork_before(void *arg)
{
    (void)arg;
    /* Whoever waits for a pool may find its keeper killed, and forks without the lock. */
    forking = PyGILState_Ensure();
    PyOS_BeforeFork();
}

static void
fork_parent(void *arg)
{
    (void)arg;
    PyOS_AfterFork_Parent();
    PyGILState_Release(forking);
}

static void
fork_child(void *arg)
{
    worker.pool = arg;
    PyOS_AfterFork_Child();
    waits_forget();
    Py_CLEAR(worker.function); /* of a pool whose task has started this one */
    worker.task = NULL;
    worker.wait = NULL;
    /* The library works in this space to the end, and closes it. */
    worker.pool->space->uses++;
    worker.pool->space->waits++;
}

/* Calls what Python is to do first or last; false: it raised, which was printed. */
static bool
call_hook(PyObject *hook)
{
    PyObject *result =
        hook == NULL || hook == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(hook);

    if (result == NULL) {
        /* Printing a SystemExit would carry it out, with what the program gave to atexit. */
        if (PyErr_ExceptionMatches(PyExc_SystemExit))
            PyErr_Clear();
        else
            PyErr_Print();
        return false;
    }
    Py_DECREF(result);
    return true;
}

static kith_err
begin(void *arg)
{
    struct pool *pool = arg;

    if (!call_hook(pool->begin))
        return KITH_EUNAVAILABLE;
    worker.thread = PyEval_SaveThread();
    return KITH_OK;
}

static void
finish(void *arg)
{
    struct pool *pool = arg;

    if (worker.thread != NULL)
        PyEval_RestoreThread(worker.thread);
    worker.thread = NULL;
    (void)call_hook(pool->finish);
}

/* ---- A task ---- */

PyTypeObject *known_failed;

PyTypeObject *
failed_type(void)
{
    PyObject *module;

    if (known_failed != NULL)
        return known_failed;
    module = PyImport_ImportModule("kith._pool");
    if (module != NULL)
        known_failed = (PyTypeObject *)PyObject_GetAttrString(module, "Failed");
    Py_XDECREF(module);
    return known_failed;
}

bool
encode_shipped(struct space *space, PyObject *object, bool pickled, struct encoded *out)
{
    if (pickled || handle_of(object) != NULL)
        return encode_pickled(object, out);
    if (encode_item(space, object, out))
        return true;
    /* A str with surrogates is none to the library. */
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return false;
    PyErr_Clear();
    return encode_pickled(object, out);
}

/* The function of the task's name, borrowed. */
static PyObject *
find_function(const struct pool *pool, const char *name)
{
    PyObject *text, *function;

    if (worker.function != NULL && strcmp(worker.name, name) == 0)
        return worker.function;
    text = PyUnicode_FromString(name);
    function = text == NULL ? NULL : PyObject_CallOneArg(pool->resolve, text);
    Py_XDECREF(text);
    if (function == NULL || strlen(name) >= sizeof(worker.name))
        return function;
    Py_XSETREF(worker.function, function);
    memcpy(worker.name, name, strlen(name) + 1);
    return function;
}

static PyObject *
work(const struct pool *pool, const char *name, const struct kith_item *item)
{
    PyObject *function = find_function(pool, name);
    PyObject *argument = function == NULL ? NULL : decode(pool->space, item);
    PyObject *result = NULL;

    if (argument != NULL) {
        Py_INCREF(function); /* it may run a pool that finds another */
        result = PyObject_CallOneArg(function, argument);
        Py_DECREF(function);
    }
    Py_XDECREF(argument);
    return result;
}

/* The exception that is set, as what is sent in place of a result: of `unsent`, if there is one. */
static PyObject *
failure(PyObject *unsent)
{
    PyObject *type, *value, *traceback, *result;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    result = call_lazily("kith._pool", "_failure", value, &unsent, unsent == NULL ? 0 : 1, NULL);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return result;
}

/* Makes it the task's result; false with an exception: it is none. */
static bool
give(const struct pool *pool, kith_task *task, PyObject *result)
{
    struct encoded encoded;
    kith_err err = KITH_EINVAL;

    /* What is too deep to stand among other tasks' results is pickled. */
    for (int pickled = 0; pickled < 2 && err == KITH_EINVAL; pickled++) {
        if (!encode_shipped(pool->space, result, pickled != 0, &encoded))
            return false;
        err = kith_task_return(task, encoded.item);
        encoded_free(&encoded);
    }
    if (err < 0)
        raise_error(err);
    return err >= 0;
}

static kith_err
run(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
{
    struct pool *pool = arg;
    PyObject *result;
    bool given;

    take_lock();
    worker.task = task;
    result = count == 1 ? work(pool, kith_task_name(task), arguments) : NULL;
    if (count != 1)
        PyErr_SetString(failures[INVALID], "A task of Python has one item.");
    given = result != NULL && give(pool, task, result);
    /* The second time it is that the exception cannot be sent: then its text is. */
    for (int i = 0; i < 2 && !given; i++) {
        Py_XSETREF(result, failure(result));
        given = result != NULL && give(pool, task, result);
    }
    if (!given)
        PyErr_Clear();
    Py_XDECREF(result);
    worker.task = NULL;
    give_lock();
    return given ? KITH_OK : KITH_ESYSTEM;
}

void
pool_work_options(struct pool *pool, struct kith_pool_options *options)
{
    pool->entry = (struct kith_task_entry){ "*", run, pool };
    options->fork_before = fork_before;
    options->fork_parent = fork_parent;
    options->fork_arg = pool;
    if (options->command != NULL)
        return;
    options->tasks = &pool->entry;
    options->task_count = 1;
    options->fork_child = fork_child;
    options->init = begin;
    options->init_arg = pool;
    options->finish = finish;
    options->finish_arg = pool;
}

/*
 * _pool_work(space, resolve): works in this process, a command of a pool; or, with a space of its
 * own and the pool's name, joins one.
 */
PyObject *
kith_module_pool_work(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct pool pool = { .open = NULL };
    const char *name = NULL;
    kith_space *space = NULL;
    struct wait wait;
    kith_err err = KITH_OK;

    (void)module;
    if (count < 2 || count > 3 || Py_TYPE(args[0]) != space_type) {
        PyErr_SetString(PyExc_TypeError, "_pool_work() takes a space, a function, and a name");
        return NULL;
    }
    pool.space = (struct space *)args[0];
    pool.resolve = args[1];
    if (count == 3) {
        name = text_of(args[2], "a pool's name");
        if (name == NULL)
            return NULL;
        space = pool.space->open;
    }
    pool.entry = (struct kith_task_entry){ "*", run, &pool };
    worker.pool = &pool;
    if (!wait_begin(&wait, pool.space))
        return NULL;
    worker.wait = &wait;
    err = kith_worker_run(space, name, &pool.entry, 1);
    wait_end(&wait);
    worker.wait = NULL;
    worker.pool = NULL;
    Py_CLEAR(worker.function);
    return done(err);
}

/* _task_attempts(): of the task at work; None outside of tasks. */
PyObject *
kith_module_task_attempts(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (worker.task == NULL)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(kith_task_attempts(worker.task));
}
