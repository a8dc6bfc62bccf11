/*
 * dict_number.c - the numbers in a dict, each changed in one atomic step.
 */
#include "dict.h"

typedef kith_err changer(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out);

static PyObject *
change(PyObject *self, PyObject *key, PyObject *n, changer *by)
{
    struct encoded encoded;
    int64_t number, now;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!int64_of(n, &number) || !encode_key(key, &encoded))
        return NULL;
    err = by(dict, encoded.item, number, &now);
    encoded_free(&encoded);
    return err < 0 ? raise_error(err) : PyLong_FromLongLong(now);
}

static PyObject *
change_float(PyObject *self, PyObject *key, double n)
{
    struct encoded encoded;
    double now;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    err = kith_dict_add_float(dict, encoded.item, n, &now);
    encoded_free(&encoded);
    return err < 0 ? raise_error(err) : PyFloat_FromDouble(now);
}

static PyObject *
add_with(PyObject *self, PyObject **values)
{
    struct kith_add_options options = KITH_ADD_OPTIONS_INIT;
    struct encoded encoded;
    int64_t n = 1, now;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if ((values[1] != NULL && !int64_of(values[1], &n)) ||
        (values[2] != NULL && !int64_of(values[2], &options.init)) ||
        !duration_of(values[3], "ttl", &options.ttl_ns) || !encode_key(values[0], &encoded))
        return NULL;
    err = kith_dict_add_with(dict, encoded.item, n, &options, &now);
    encoded_free(&encoded);
    return err < 0 ? raise_error(err) : PyLong_FromLongLong(now);
}

PyObject *
dict_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "n", "*", "init", "ttl", NULL };
    PyObject *values[4];

    if (keywords == NULL && count == 2) {
        if (PyFloat_Check(args[1]))
            return change_float(self, args[0], PyFloat_AS_DOUBLE(args[1]));
        return change(self, args[0], args[1], kith_dict_add);
    }
    if (!arguments("add", names, 1, args, count, keywords, values))
        return NULL;
    if (values[2] == NULL && values[3] == NULL && values[1] != NULL && PyFloat_Check(values[1]))
        return change_float(self, values[0], PyFloat_AS_DOUBLE(values[1]));
    return add_with(self, values);
}

static PyObject *
change_by(const char *function, PyObject *self, PyObject *const *args, Py_ssize_t count,
          PyObject *keywords, changer *by)
{
    static const char *const names[] = { "key", "n", NULL };
    PyObject *values[2];

    if (!arguments(function, names, 2, args, count, keywords, values))
        return NULL;
    return change(self, values[0], values[1], by);
}

PyObject *
dict_sub(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "n", NULL };
    PyObject *values[2], *one, *rest;

    if (!arguments("sub", names, 1, args, count, keywords, values))
        return NULL;
    if (values[1] != NULL && PyFloat_Check(values[1]))
        return change_float(self, values[0], -PyFloat_AS_DOUBLE(values[1]));
    one = values[1] == NULL ? PyLong_FromLong(1) : Py_NewRef(values[1]);
    rest = one == NULL ? NULL : change(self, values[0], one, kith_dict_sub);
    Py_XDECREF(one);
    return rest;
}

PyObject *
dict_min(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return change_by("min", self, args, count, keywords, kith_dict_min);
}

PyObject *
dict_max(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return change_by("max", self, args, count, keywords, kith_dict_max);
}

PyObject *
dict_and(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return change_by("and_", self, args, count, keywords, kith_dict_and);
}

PyObject *
dict_or(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return change_by("or_", self, args, count, keywords, kith_dict_or);
}

PyObject *
dict_xor(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return change_by("xor", self, args, count, keywords, kith_dict_xor);
}

PyObject *
dict_add_limit(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "n", "limit", NULL };
    PyObject *values[3];
    struct encoded encoded;
    int64_t n, limit, now;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("add_limit", names, 3, args, count, keywords, values) ||
        !int64_of(values[1], &n) || !int64_of(values[2], &limit) ||
        !encode_key(values[0], &encoded))
        return NULL;
    err = kith_dict_add_limit(dict, encoded.item, n, limit, &now);
    encoded_free(&encoded);
    return err < 0 ? raise_error(err) : PyLong_FromLongLong(now);
}

/* The ints of a list as the library takes them; PyMem_Free() them. */
static int64_t *
numbers_of(PyObject *list)
{
    int64_t *numbers = PyMem_New(int64_t, (size_t)PyList_GET_SIZE(list) + 1);

    if (numbers == NULL)
        return (int64_t *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (!int64_of(PyList_GET_ITEM(list, i), &numbers[i])) {
            PyMem_Free(numbers);
            return NULL;
        }
    }
    return numbers;
}

PyObject *
dict_add_many(PyObject *self, PyObject *other)
{
    PyObject *keys, *counts;
    struct encoded_run run;
    int64_t *numbers = NULL;
    kith_err err = KITH_OK;
    bool encoded = false;
    OPEN(kith_dict, dict, self);

    keys = PyMapping_Keys(other);
    counts = keys == NULL ? NULL : PyMapping_Values(other);
    if (counts != NULL)
        numbers = numbers_of(counts);
    if (numbers != NULL && PyList_GET_SIZE(keys) != PyList_GET_SIZE(counts))
        PyErr_SetString(PyExc_RuntimeError, "the mapping changed while it was read");
    else if (numbers != NULL && encode_run(((struct handle *)self)->space, keys, true, &run)) {
        encoded = true;
        err = kith_dict_add_many(dict, run.items, numbers, run.count);
        encoded_run_free(&run);
    }
    PyMem_Free(numbers);
    Py_XDECREF(keys);
    Py_XDECREF(counts);
    return encoded ? done(err) : NULL;
}
