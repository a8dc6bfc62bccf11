/*
 * pool_results.c - kith._core.PoolResults: what comes of tasks, for kith/_pool.py alone.
 */
#include <unistd.h>

#include "pool.h"

struct results *
pool_results_new(struct pool *pool, size_t count)
{
    struct results *self = (struct results *)results_type->tp_alloc(results_type, 0);

    if (self == NULL)
        return NULL;
    self->pool = (struct pool *)Py_NewRef(pool);
    self->count = (Py_ssize_t)count;
    self->failed_at = -1;
    self->until_ns = KITH_FOREVER;
    return self;
}

/* A Failed with the exception that is set. */
static PyObject *
failed(void)
{
    PyObject *type, *value, *traceback, *result;
    PyTypeObject *class;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    class = failed_type();
    result = class == NULL ? NULL : PyObject_CallOneArg((PyObject *)class, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return result;
}

static PyObject *
failed_by_death(const struct kith_death *death)
{
    PyObject *text = text_read(kith_last_error());
    PyObject *number = PyLong_FromLongLong(death->pid);
    PyObject *args[] = { number, PyLong_FromLong(death->signal),
                         PyLong_FromUnsignedLong(death->attempts) };
    PyObject *result = NULL;

    if (text != NULL && args[0] != NULL && args[1] != NULL && args[2] != NULL)
        result = call_lazily("kith._pool", "_died", text, args, 3, NULL);
    Py_XDECREF(text);
    for (size_t i = 0; i < 3; i++)
        Py_XDECREF(args[i]);
    return result;
}

/* What came of a task: its result, or a Failed. */
static PyObject *
outcome(struct results *self, kith_err err, size_t index, const struct kith_item *item)
{
    struct kith_death death = KITH_DEATH_INIT;
    PyObject *value;

    if (err >= 0) {
        value = decode(self->pool->space, item);
        return value != NULL ? value : failed();
    }
    if (err == KITH_EUNAVAILABLE) {
        /* The sentence first: asking for the death may make another. */
        PyObject *sentence = PyUnicode_FromString(kith_last_error());
        kith_err told = self->many != NULL ? kith_results_death(self->many, index, &death)
                                           : kith_future_death(self->one, &death);

        if (told == KITH_OK && sentence != NULL) {
            Py_DECREF(sentence);
            return failed_by_death(&death);
        }
        if (sentence != NULL)
            PyErr_SetObject(failures[UNAVAILABLE], sentence);
        Py_XDECREF(sentence);
    } else if (err == KITH_ECLOSED) {
        raise_as(CLOSED, err);
    } else {
        raise_error(err);
    }
    return failed();
}

/* As of a generator: the library gives results to one thread at a time. */
static bool
is_free(const struct results *self)
{
    /* A thread that waits is not in a forked child. */
    bool waiting = self->waiting != 0 && self->waiting == (long)getpid();

    if (waiting)
        PyErr_SetString(PyExc_ValueError, "Another thread waits for the next of these results.");
    return !waiting;
}

/* The next result, waiting; *index_out is SIZE_MAX if none came. */
static kith_err
next_within(struct results *self, int64_t timeout_ns, size_t *index_out, struct kith_item *item_out)
{
    kith_err err;
    bool done = false;

    if (self->many != NULL)
        return kith_results_next(self->many, timeout_ns, index_out, item_out);
    *index_out = SIZE_MAX;
    if (timeout_ns == 0) {
        err = kith_future_done(self->one, &done);
        if (err < 0 || !done)
            return err < 0 ? err : KITH_ETIMEDOUT;
    }
    /* One that failed as late is KITH_ETIMEDOUT as well. */
    err = kith_future_get(self->one, timeout_ns, item_out);
    if (err != KITH_EINTERRUPTED &&
        (err != KITH_ETIMEDOUT || (kith_future_done(self->one, &done) == KITH_OK && done)))
        *index_out = 0;
    return *index_out == 0 ? kith_future_get(self->one, 0, item_out) : err;
}

static kith_err
next_one(struct results *self, int64_t timeout_ns, size_t *index_out, struct kith_item *item_out)
{
    kith_err err = next_within(self, 0, index_out, item_out);
    struct wait wait;

    if (*index_out != SIZE_MAX || err != KITH_ETIMEDOUT || timeout_ns == 0)
        return err;
    self->waiting = (long)getpid();
    WAIT(&wait, NULL, err, next_within(self, timeout_ns, index_out, item_out));
    self->waiting = 0;
    return err;
}

/* next(timeout): (index, outcome) of the next that is given; TimeoutError. */
static PyObject *
results_next(PyObject *object, PyObject *timeout)
{
    struct results *self = (struct results *)object;
    struct kith_item item = { .type = KITH_TYPE_NONE };
    size_t index = SIZE_MAX;
    int64_t timeout_ns;
    PyObject *value;
    kith_err err;

    if (!timeout_of(timeout, &timeout_ns) || !is_free(self))
        return NULL;
    err = next_one(self, timeout_ns, &index, &item);
    if (index == SIZE_MAX)
        return raise_error(err < 0 ? err : KITH_ETIMEDOUT);
    value = outcome(self, err, index, &item);
    return value == NULL ? NULL : Py_BuildValue("(nN)", (Py_ssize_t)index, value);
}

static int64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t
until(int64_t timeout_ns)
{
    int64_t now = now_ns();

    return timeout_ns == KITH_FOREVER || timeout_ns > INT64_MAX - now ? KITH_FOREVER
                                                                      : now + timeout_ns;
}

/* The next as an iterator gives it, waiting for it only where it has not come. */
static kith_err
next_until(struct results *self, int64_t until_ns, size_t *index_out, struct kith_item *item_out)
{
    kith_err err = next_within(self, 0, index_out, item_out);
    int64_t left_ns = KITH_FOREVER;

    if (*index_out != SIZE_MAX || err != KITH_ETIMEDOUT)
        return err;
    if (until_ns != KITH_FOREVER) {
        left_ns = until_ns - now_ns();
        if (left_ns <= 0)
            return err;
    }
    return next_one(self, left_ns, index_out, item_out);
}

/* begin(timeout, release): iterating ends so many seconds from now; returns the object. */
static PyObject *
results_begin(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    struct results *self = (struct results *)object;
    int64_t timeout_ns;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "begin() takes a time and a function");
        return NULL;
    }
    if (!timeout_of(args[0], &timeout_ns))
        return NULL;
    self->until_ns = until(timeout_ns);
    Py_XSETREF(self->release, Py_NewRef(args[1]));
    return Py_NewRef(object);
}

/* Raises what a Failed has. */
static PyObject *
raise_failed(PyObject *value)
{
    PyObject *exception = PyObject_GetAttrString(value, "exception");

    Py_DECREF(value);
    if (exception != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

static PyObject *
results_iternext(PyObject *object)
{
    struct results *self = (struct results *)object;
    struct kith_item item = { .type = KITH_TYPE_NONE };
    size_t index = SIZE_MAX;
    PyObject *value;
    kith_err err;

    if (!is_free(self))
        return NULL;
    err = next_until(self, self->until_ns, &index, &item);
    if (index == SIZE_MAX)
        return err == KITH_EEMPTY ? NULL : raise_error(err < 0 ? err : KITH_ETIMEDOUT);
    value = outcome(self, err, index, &item);
    return value != NULL && Py_TYPE(value) == known_failed ? raise_failed(value) : value;
}

/*
 * fill(list, timeout): appends the outcomes that are not in the list yet, in order, as long as that
 * takes no longer; returns how many there are.  `failed_at` is where the first Failed of them is.
 */
static PyObject *
results_fill(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    struct results *self = (struct results *)object;
    int64_t timeout_ns, until_ns;

    if (count != 2 || !PyList_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "fill() takes a list and a time");
        return NULL;
    }
    if (!timeout_of(args[1], &timeout_ns) || !is_free(self))
        return NULL;
    until_ns = until(timeout_ns);
    while (PyList_GET_SIZE(args[0]) < self->count) {
        struct kith_item item = { .type = KITH_TYPE_NONE };
        size_t index = SIZE_MAX;
        kith_err err = next_until(self, until_ns, &index, &item);
        PyObject *value;
        int appended;

        if (index == SIZE_MAX && err == KITH_ETIMEDOUT)
            break;
        if (index == SIZE_MAX)
            return raise_error(err);
        value = outcome(self, err, index, &item);
        if (value != NULL && Py_TYPE(value) == known_failed && self->failed_at < 0)
            self->failed_at = PyList_GET_SIZE(args[0]);
        appended = value == NULL ? -1 : PyList_Append(args[0], value);
        Py_XDECREF(value);
        if (appended < 0)
            return NULL;
    }
    return PyLong_FromSsize_t(PyList_GET_SIZE(args[0]));
}

/* get(index): the outcome of a task that is done. */
static PyObject *
results_get(PyObject *object, PyObject *at)
{
    struct results *self = (struct results *)object;
    struct kith_item item = { .type = KITH_TYPE_NONE };
    Py_ssize_t index = PyLong_AsSsize_t(at);
    kith_err err;

    if (index == -1 && PyErr_Occurred())
        return NULL;
    err = self->many != NULL ? kith_results_get(self->many, (size_t)index, &item)
                             : kith_future_get(self->one, 0, &item);
    return outcome(self, err, (size_t)index, &item);
}

static PyObject *
results_watch(PyObject *object, PyObject *key)
{
    struct results *self = (struct results *)object;
    void *tag = PyLong_AsVoidPtr(key);

    if (tag == NULL)
        return PyErr_Occurred() ? NULL : done(KITH_EINVAL);
    return done(self->many != NULL ? kith_results_watch(self->many, tag)
                                   : kith_future_watch(self->one, tag));
}

/* cancel(): whether the task will not be begun. */
static PyObject *
results_cancel(PyObject *object, PyObject *unused)
{
    struct results *self = (struct results *)object;
    kith_err err = self->one == NULL ? KITH_ECONFLICT : kith_future_cancel(self->one);

    (void)unused;
    if (err == KITH_ECONFLICT || err == KITH_EGONE || err == KITH_ECLOSED)
        Py_RETURN_FALSE;
    if (err < 0)
        return raise_error(err);
    Py_RETURN_TRUE;
}

static void
results_dealloc(PyObject *object)
{
    struct results *self = (struct results *)object;
    PyTypeObject *type = Py_TYPE(object);

    kith_results_free(self->many);
    kith_future_free(self->one);
    if (self->release != NULL) {
        PyObject *raised, *value, *traceback, *done;

        PyErr_Fetch(&raised, &value, &traceback);
        done = PyObject_CallNoArgs(self->release);
        if (done == NULL)
            PyErr_WriteUnraisable(self->release);
        Py_XDECREF(done);
        Py_DECREF(self->release);
        PyErr_Restore(raised, value, traceback);
    }
    Py_XDECREF(self->pool);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t
results_length(PyObject *object)
{
    return ((struct results *)object)->count;
}

static PyMethodDef results_methods[] = {
    { "next", results_next, METH_O, NULL },
    { "fill", (PyCFunction)(void (*)(void))results_fill, METH_FASTCALL, NULL },
    { "begin", (PyCFunction)(void (*)(void))results_begin, METH_FASTCALL, NULL },
    { "get", results_get, METH_O, NULL },
    { "watch", results_watch, METH_O, NULL },
    { "cancel", results_cancel, METH_NOARGS, NULL },
    METHODS_END
};

static PyMemberDef results_members[] = { { "failed_at", T_PYSSIZET,
                                           offsetof(struct results, failed_at), READONLY, NULL },
                                         { NULL, 0, 0, 0, NULL } };

static PyType_Slot results_slots[] = {
    { Py_tp_doc, "Private: see kith.Pool." },     { Py_tp_dealloc, (void *)results_dealloc },
    { Py_sq_length, (void *)results_length },     { Py_tp_iter, (void *)PyObject_SelfIter },
    { Py_tp_iternext, (void *)results_iternext }, { Py_tp_members, results_members },
    { Py_tp_methods, results_methods },           { 0, NULL }
};

PyType_Spec results_spec = { .name = "kith._core.PoolResults",
                             .basicsize = sizeof(struct results),
                             .flags = HANDLE_FLAGS,
                             .slots = results_slots };
