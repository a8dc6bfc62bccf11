/*
 * collect.c - lists of what the library hands out one by one.
 */
#include "module.h"

bool
collect_begin(struct collect *collect, struct space *space)
{
    collect->space = space;
    collect->list = PyList_New(0);
    return collect->list != NULL;
}

static int
append(struct collect *collect, PyObject *object)
{
    int failed = object == NULL || PyList_Append(collect->list, object) < 0;

    Py_XDECREF(object);
    return failed;
}

int
collect_item(struct kith_item item, void *arg)
{
    struct collect *collect = arg;

    return append(collect, decode(collect->space, &item));
}

int
collect_pair(struct kith_item key, struct kith_item item, void *arg)
{
    struct collect *collect = arg;
    PyObject *first = decode(collect->space, &key);
    PyObject *second = first == NULL ? NULL : decode(collect->space, &item);
    PyObject *pair = second == NULL ? NULL : PyTuple_Pack(2, first, second);

    Py_XDECREF(first);
    Py_XDECREF(second);
    return append(collect, pair);
}

int
collect_second(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    return collect_item(item, arg);
}

PyObject *
collect_end(struct collect *collect, kith_err err)
{
    if (err >= 0 && !PyErr_Occurred())
        return collect->list;
    Py_CLEAR(collect->list);
    return raise_error(err);
}

PyObject *
iterator_over(PyObject *list)
{
    PyObject *iterator = list == NULL ? NULL : PyObject_GetIter(list);

    Py_XDECREF(list);
    return iterator;
}

PyObject *
answer(kith_err err, kith_err no)
{
    if (err >= 0)
        Py_RETURN_TRUE;
    if (err == no)
        Py_RETURN_FALSE;
    return raise_error(err);
}
