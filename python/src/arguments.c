/*
 * arguments.c - what a method was called with, sorted by name and checked.
 */
#include "module.h"

#include <math.h>

/* Where `name` stands in `names`, not counting "*"; -1: nowhere. */
static Py_ssize_t
place_of(const char *const names[], PyObject *name)
{
    Py_ssize_t place = 0;

    for (size_t i = 0; names[i] != NULL; i++) {
        if (names[i][0] == '*')
            continue;
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return place;
        place++;
    }
    return -1;
}

bool
arguments(const char *function, const char *const names[], size_t required, PyObject *const *args,
          Py_ssize_t count, PyObject *keywords, PyObject **values_out)
{
    Py_ssize_t positional = -1;
    Py_ssize_t all = 0;
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);

    for (size_t i = 0; names[i] != NULL; i++) {
        if (names[i][0] == '*')
            positional = all;
        else
            values_out[all++] = NULL;
    }
    if (positional < 0)
        positional = all;
    if (count > positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd positional arguments (%zd given)",
                     function, positional, count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        values_out[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, i);
        Py_ssize_t place = place_of(names, name);

        if (place < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                         name);
            return false;
        }
        if (values_out[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function,
                         name);
            return false;
        }
        values_out[place] = args[count + i];
    }
    for (size_t i = 0; i < required; i++) {
        if (values_out[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function,
                         names[i]);
            return false;
        }
    }
    return true;
}

/* Seconds as nanoseconds; what lies beyond counts as without end. */
static bool
nanoseconds(PyObject *seconds, const char *what, int64_t *ns_out)
{
    double number = PyFloat_AsDouble(seconds);

    if (number == -1.0 && PyErr_Occurred())
        return false;
    if (isnan(number) || number < 0) {
        PyErr_Format(PyExc_ValueError, "%s is a number of seconds of 0 or more, or None; not %R",
                     what, seconds);
        return false;
    }
    if (number >= 9.2e9)
        *ns_out = KITH_FOREVER;
    else
        *ns_out = (int64_t)(number * 1e9);
    return true;
}

bool
timeout_of(PyObject *seconds, int64_t *ns_out)
{
    *ns_out = KITH_FOREVER;
    return seconds == NULL || seconds == Py_None || nanoseconds(seconds, "a timeout", ns_out);
}

bool
duration_of(PyObject *seconds, const char *what, int64_t *ns_out)
{
    *ns_out = 0;
    if (seconds == NULL || seconds == Py_None)
        return true;
    if (!nanoseconds(seconds, what, ns_out))
        return false;
    if (*ns_out == KITH_FOREVER)
        *ns_out = 0;
    else if (*ns_out == 0)
        *ns_out = 1;
    return true;
}

bool
int64_of(PyObject *object, int64_t *out)
{
    long long number;

    if (PyLong_CheckExact(object) && small_int(object, out))
        return true;
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "an int is needed, not %.100s", Py_TYPE(object)->tp_name);
        return false;
    }
    if (PyLong_Check(object)) {
        number = PyLong_AsLongLong(object);
    } else {
        PyObject *index = PyNumber_Index(object);

        if (index == NULL)
            return false;
        number = PyLong_AsLongLong(index);
        Py_DECREF(index);
    }
    if (number == -1 && PyErr_Occurred())
        return false;
    *out = number;
    return true;
}

bool
uint64_of(PyObject *object, const char *what, uint64_t *out)
{
    int64_t number = 0;

    if (object != NULL && object != Py_None && !int64_of(object, &number))
        return false;
    if (number < 0) {
        PyErr_Format(PyExc_ValueError, "%s is 0 or more, not %lld", what, (long long)number);
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

bool
flag_of(PyObject *object, bool otherwise, bool *out)
{
    int truth;

    *out = otherwise;
    if (object == NULL)
        return true;
    truth = PyObject_IsTrue(object);
    *out = truth > 0;
    return truth >= 0;
}

PyObject *
call_lazily(const char *module, const char *function, PyObject *self, PyObject *const *args,
            Py_ssize_t count, PyObject *keywords)
{
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    PyObject *from = PyImport_ImportModule(module);
    PyObject *callable = from == NULL ? NULL : PyObject_GetAttrString(from, function);
    PyObject **all = PyMem_New(PyObject *, (size_t)(count + named) + 1);
    PyObject *result = NULL;

    if (all == NULL)
        PyErr_NoMemory();
    if (callable != NULL && all != NULL) {
        all[0] = self;
        for (Py_ssize_t i = 0; i < count + named; i++)
            all[i + 1] = args[i];
        result = PyObject_Vectorcall(callable, all, (size_t)count + 1, keywords);
    }
    PyMem_Free(all);
    Py_XDECREF(callable);
    Py_XDECREF(from);
    return result;
}
