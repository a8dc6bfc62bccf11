/*
 * array_find.c - where in a kith.Array a value is, and how often, as it was at one instant.
 */
#include "cell.h"

PyObject *
array_count(PyObject *self, PyObject *value)
{
    PyObject *items = array_items(self);
    Py_ssize_t count = items == NULL ? -1 : PySequence_Count(items, value);

    Py_XDECREF(items);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

/* A bound of index(): from the end if it is negative, and never beyond either end. */
static bool
bound_of(PyObject *object, Py_ssize_t otherwise, Py_ssize_t count, Py_ssize_t *out)
{
    *out = otherwise;
    if (object == NULL || object == Py_None)
        return true;
    *out = PyNumber_AsSsize_t(object, NULL);
    if (*out == -1 && PyErr_Occurred())
        return false;
    if (*out < 0)
        *out = *out + count > 0 ? *out + count : 0;
    if (*out > count)
        *out = count;
    return true;
}

PyObject *
array_index(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "value", "start", "stop", NULL };
    PyObject *values[3], *items;
    Py_ssize_t start, stop;
    int same = 0;

    if (!arguments("index", names, 1, args, count, keywords, values))
        return NULL;
    items = array_items(self);
    if (items == NULL || !bound_of(values[1], 0, PyList_GET_SIZE(items), &start) ||
        !bound_of(values[2], PyList_GET_SIZE(items), PyList_GET_SIZE(items), &stop)) {
        Py_XDECREF(items);
        return NULL;
    }
    for (; same == 0 && start < stop; start++)
        same = PyObject_RichCompareBool(PyList_GET_ITEM(items, start), values[0], Py_EQ);
    Py_DECREF(items);
    if (same == 0)
        PyErr_Format(failures[INVALID], "%R is not in the array \"%U\".", values[0],
                     ((struct handle *)self)->name);
    return same > 0 ? PyLong_FromSsize_t(start - 1) : NULL;
}
