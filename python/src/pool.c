/*
 * pool.c - kith._core.PoolHandle: what kith/_pool.py makes pools of.  It is private, and takes what
 * that file has checked.
 */
#include <unistd.h>

#include "pool.h"

/* ---- Pools ---- */

static bool
pool_begin(struct pool *pool)
{
    if (pool->open == NULL) {
        PyErr_SetString(failures[CLOSED], "The pool was given up.");
        return false;
    }
    pool->uses++;
    return true;
}

static void
pool_end(struct pool *pool)
{
    kith_pool *kept = pool->kept;

    if (--pool->uses > 0 || pool->open != NULL || kept == NULL)
        return;
    pool->kept = NULL;
    Py_BEGIN_ALLOW_THREADS kith_pool_free(kept);
    Py_END_ALLOW_THREADS
}

static bool
read_command(struct pool *self, PyObject *command)
{
    Py_ssize_t count;

    if (command == NULL || command == Py_None)
        return true;
    self->words = PySequence_Tuple(command);
    if (self->words == NULL)
        return false;
    count = PyTuple_GET_SIZE(self->words);
    self->command = PyMem_Calloc((size_t)count + 1, sizeof(*self->command));
    if (self->command == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        self->command[i] = PyBytes_AsString(PyTuple_GET_ITEM(self->words, i));
        if (self->command[i] == NULL)
            return false;
    }
    return true;
}

/* Numbers of the options; None and NULL leave the default. */
static bool
read_numbers(PyObject *const *values, struct kith_pool_options *options)
{
    uint64_t workers, attempts;

    if (!uint64_of(values[0], "workers", &workers) ||
        !uint64_of(values[1], "attempts", &attempts) ||
        !uint64_of(values[2], "tasks_per_worker", &options->tasks_per_worker) ||
        !uint64_of(values[3], "memory_per_worker", &options->memory_per_worker) ||
        !duration_of(values[4], "a time limit", &options->limit_ns) ||
        !flag_of(values[5], false, &options->kill_late))
        return false;
    options->workers = workers > UINT32_MAX ? UINT32_MAX : (uint32_t)workers;
    options->attempts_max = attempts > UINT32_MAX ? UINT32_MAX : (uint32_t)attempts;
    return true;
}

/* _pool_start(space, name, resolve, begin, finish, command, workers, ...): see the names. */
PyObject *
kith_module_pool_start(PyObject *module, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords)
{
    static const char *const names[] = { "space",
                                         "name",
                                         "resolve",
                                         "begin",
                                         "finish",
                                         "command",
                                         "workers",
                                         "attempts",
                                         "tasks_per_worker",
                                         "memory_per_worker",
                                         "time_limit",
                                         "kill_late",
                                         NULL };
    struct kith_pool_options options = KITH_POOL_OPTIONS_INIT;
    PyObject *values[12];
    struct pool *self;
    const char *name;
    kith_err err;

    (void)module;
    if (!arguments("_pool_start", names, 3, args, count, keywords, values) ||
        !read_numbers(values + 6, &options))
        return NULL;
    name = text_of(values[1], "a pool's name");
    if (name == NULL || failed_type() == NULL)
        return NULL;
    if (Py_TYPE(values[0]) != space_type || ((struct space *)values[0])->open == NULL) {
        PyErr_SetString(failures[CLOSED], "A pool needs a space that is open.");
        return NULL;
    }
    self = (struct pool *)pool_type->tp_alloc(pool_type, 0);
    if (self == NULL)
        return NULL;
    self->space = (struct space *)Py_NewRef(values[0]);
    self->resolve = Py_NewRef(values[2]);
    self->begin = Py_XNewRef(values[3]);
    self->finish = Py_XNewRef(values[4]);
    if (!read_command(self, values[5])) {
        Py_DECREF(self);
        return NULL;
    }
    options.command = self->command;
    pool_work_options(self, &options);
    err = kith_pool_start(self->space->open, name, &options, &self->open);
    if (err < 0) {
        Py_DECREF(self);
        return raise_error(err);
    }
    self->kept = self->open;
    self->process = (long)getpid();
    return (PyObject *)self;
}

static PyObject *
pool_close(PyObject *object, PyObject *unused)
{
    struct pool *self = (struct pool *)object;

    (void)unused;
    return self->open == NULL ? Py_NewRef(Py_None) : done(kith_pool_close(self->open));
}

static PyObject *
pool_terminate(PyObject *object, PyObject *unused)
{
    struct pool *self = (struct pool *)object;
    kith_err err;

    (void)unused;
    if (self->open == NULL)
        Py_RETURN_NONE;
    self->uses++;
    Py_BEGIN_ALLOW_THREADS err = kith_pool_terminate(self->open);
    Py_END_ALLOW_THREADS pool_end(self);
    return done(err);
}

static PyObject *
pool_join(PyObject *object, PyObject *timeout)
{
    struct pool *self = (struct pool *)object;
    int64_t timeout_ns;
    struct wait wait;
    kith_err err;

    if (!timeout_of(timeout, &timeout_ns))
        return NULL;
    if (self->open == NULL)
        Py_RETURN_NONE;
    self->uses++;
    WAIT(&wait, NULL, err, kith_pool_join(self->open, timeout_ns));
    pool_end(self);
    return done(err);
}

/* Gives the pool up: terminates it, in the process that started it. */
static PyObject *
pool_free(PyObject *object, PyObject *unused)
{
    struct pool *self = (struct pool *)object;

    (void)unused;
    if (self->open == NULL)
        Py_RETURN_NONE;
    if (self->process != (long)getpid())
        self->uses = 0; /* the parent's threads are not here */
    self->uses++;
    if (self->uses > 1) { /* those that wait end by this */
        Py_BEGIN_ALLOW_THREADS(void) kith_pool_terminate(self->open);
        Py_END_ALLOW_THREADS
    }
    self->open = NULL;
    pool_end(self);
    Py_RETURN_NONE;
}

static int
each_worker(const struct kith_worker *worker, void *arg)
{
    static const char *const states[] = { "idle", "busy", "late", "stopped" };
    PyObject *tuple = Py_BuildValue("(LsdO)", (long long)worker->pid, states[worker->state],
                                    worker->since_ns == 0 ? 0.0 : (double)worker->since_ns / 1e9,
                                    worker->joined ? Py_True : Py_False);
    int failed = tuple == NULL || PyList_Append(arg, tuple) < 0;

    Py_XDECREF(tuple);
    return failed;
}

static PyObject *
pool_workers(PyObject *object, PyObject *unused)
{
    struct pool *self = (struct pool *)object;
    PyObject *list;
    kith_err err;

    (void)unused;
    if (!pool_begin(self))
        return NULL;
    list = PyList_New(0);
    err = list == NULL ? KITH_ENOMEM : kith_pool_workers(self->open, each_worker, list);
    pool_end(self);
    if (err >= 0 && !PyErr_Occurred())
        return list;
    Py_XDECREF(list);
    return raise_error(err);
}

/* arrived(timeout): (key, index) of a task of what is watched; None if nothing is to come. */
static PyObject *
pool_arrived(PyObject *object, PyObject *timeout)
{
    struct pool *self = (struct pool *)object;
    int64_t timeout_ns;
    struct wait wait;
    void *key = NULL;
    size_t index = 0;
    kith_err err;

    if (!timeout_of(timeout, &timeout_ns) || !pool_begin(self))
        return NULL;
    WAIT(&wait, NULL, err, kith_pool_arrived(self->kept, timeout_ns, &key, &index));
    pool_end(self);
    if (err == KITH_EEMPTY)
        Py_RETURN_NONE;
    if (err < 0)
        return raise_error(err);
    return Py_BuildValue("(Kn)", (unsigned long long)(uintptr_t)key, (Py_ssize_t)index);
}

/* ---- Submitting ---- */

/* Items of tasks; most stand in their objects, and the others in `slow`. */
struct batch {
    PyObject *members; /* a tuple */
    struct kith_item *items;
    struct encoded **slow;
    size_t slow_count;
};

static void
batch_free(struct batch *batch)
{
    for (size_t i = 0; i < batch->slow_count; i++) {
        encoded_free(batch->slow[i]);
        PyMem_Free(batch->slow[i]);
    }
    PyMem_Free(batch->slow);
    PyMem_Free(batch->items);
    Py_XDECREF(batch->members);
}

static bool
encode_slowly(struct space *space, PyObject *object, bool pickled, struct batch *batch,
              struct kith_item *item_out)
{
    struct encoded *encoded = PyMem_Malloc(sizeof(*encoded));

    if (encoded == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (!encode_shipped(space, object, pickled, encoded)) {
        PyMem_Free(encoded);
        return false;
    }
    *item_out = encoded->item;
    batch->slow[batch->slow_count++] = encoded;
    return true;
}

static bool
batch_encode(struct space *space, PyObject *sequence, bool pickled, struct batch *batch)
{
    size_t count;

    *batch = (struct batch){ .members = PySequence_Tuple(sequence) };
    if (batch->members == NULL)
        return false;
    count = (size_t)PyTuple_GET_SIZE(batch->members);
    batch->items = PyMem_New(struct kith_item, count + 1);
    batch->slow = PyMem_New(struct encoded *, count + 1);
    if (batch->items == NULL || batch->slow == NULL) {
        PyErr_NoMemory();
        batch_free(batch);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *object = PyTuple_GET_ITEM(batch->members, (Py_ssize_t)i);
        struct encoded plain;

        if (!pickled && encode_plain(object, &plain)) {
            batch->items[i] = plain.item;
        } else if (!encode_slowly(space, object, pickled, batch, &batch->items[i])) {
            batch_free(batch);
            return false;
        }
    }
    return true;
}

static kith_err
submit(struct results *self, const char *task, const struct batch *batch, size_t chunk, bool single,
       bool unordered)
{
    struct kith_map_options options = KITH_MAP_OPTIONS_INIT;
    kith_pool *open = self->pool->kept;
    struct wait wait;
    kith_err err;

    options.chunk = chunk;
    if (single)
        WAIT(&wait, NULL, err, kith_pool_submit(open, task, batch->items, 1, &self->one));
    else if (unordered)
        WAIT(&wait, NULL, err,
             kith_pool_imap_unordered(open, task, batch->items, 1, (size_t)self->count, &options,
                                      &self->many));
    else
        WAIT(&wait, NULL, err,
             kith_pool_imap(open, task, batch->items, 1, (size_t)self->count, &options,
                            &self->many));
    return err;
}

/* submit(task, items, chunk=0, single=False, unordered=False): a PoolResults. */
static PyObject *
pool_submit(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "task", "items", "chunk", "single", "unordered", NULL };
    struct pool *self = (struct pool *)object;
    struct results *results = NULL;
    struct batch batch;
    PyObject *values[5];
    const char *task;
    uint64_t chunk;
    bool single, unordered;
    kith_err err = KITH_EINVAL;

    if (!arguments("submit", names, 2, args, count, keywords, values) ||
        !uint64_of(values[2], "a chunk", &chunk) || !flag_of(values[3], false, &single) ||
        !flag_of(values[4], false, &unordered))
        return NULL;
    task = text_of(values[0], "a task's name");
    if (task == NULL || !pool_begin(self))
        return NULL;
    /* What is nested too deep to stand among others is pickled. */
    for (int pickled = 0; pickled < 2 && err == KITH_EINVAL; pickled++) {
        Py_CLEAR(results);
        if (!batch_encode(self->space, values[1], pickled != 0, &batch))
            break;
        results = pool_results_new(self, (size_t)PyTuple_GET_SIZE(batch.members));
        if (results != NULL)
            err = submit(results, task, &batch, (size_t)chunk, single, unordered);
        batch_free(&batch);
        if (results == NULL)
            break;
    }
    pool_end(self);
    if (results != NULL && err >= 0)
        return (PyObject *)results;
    Py_XDECREF(results);
    return err == KITH_ECLOSED ? raise_as(CLOSED, err) : raise_error(err);
}

static void
pool_dealloc(PyObject *object)
{
    struct pool *self = (struct pool *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->kept != NULL) {
        Py_BEGIN_ALLOW_THREADS kith_pool_free(self->kept);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->space);
    Py_XDECREF(self->resolve);
    Py_XDECREF(self->begin);
    Py_XDECREF(self->finish);
    Py_XDECREF(self->words);
    PyMem_Free(self->command);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef pool_members[] = { { "__weaklistoffset__", T_PYSSIZET,
                                        offsetof(struct pool, weak), READONLY, NULL },
                                      { NULL, 0, 0, 0, NULL } };

static PyMethodDef pool_methods[] = { { "submit", FAST(pool_submit), NULL },
                                      { "arrived", pool_arrived, METH_O, NULL },
                                      { "workers", pool_workers, METH_NOARGS, NULL },
                                      { "close", pool_close, METH_NOARGS, NULL },
                                      { "terminate", pool_terminate, METH_NOARGS, NULL },
                                      { "join", pool_join, METH_O, NULL },
                                      { "free", pool_free, METH_NOARGS, NULL },
                                      METHODS_END };

static PyType_Slot pool_slots[] = { { Py_tp_doc, "Private: see kith.Pool." },
                                    { Py_tp_dealloc, (void *)pool_dealloc },
                                    { Py_tp_members, pool_members },
                                    { Py_tp_methods, pool_methods },
                                    { 0, NULL } };

PyType_Spec pool_spec = { .name = "kith._core.PoolHandle",
                          .basicsize = sizeof(struct pool),
                          .flags = HANDLE_FLAGS,
                          .slots = pool_slots };
