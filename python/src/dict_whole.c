/*
 * dict_whole.c - many keys of a dict at once, and all of it.
 */
#include "dict.h"

#define SPACE_OF(self) (((struct handle *)(self))->space)

/* ---- many ---- */

PyObject *
dict_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "keys", "default", NULL };
    PyObject *values[2], *sequence, *list = NULL;
    struct encoded_run run;
    struct kith_buf *bufs;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("get_many", names, 1, args, count, keywords, values))
        return NULL;
    sequence = PySequence_Fast(values[0], "get_many() takes an iterable of keys");
    if (sequence == NULL)
        return NULL;
    if (!encode_run(SPACE_OF(self), sequence, true, &run)) {
        Py_DECREF(sequence);
        return NULL;
    }
    bufs = PyMem_Calloc(run.count + 1, sizeof(*bufs));
    err = bufs == NULL ? KITH_ENOMEM : kith_dict_get_many(dict, run.items, run.count, bufs);
    if (bufs == NULL)
        PyErr_NoMemory();
    else if (err < 0 && err != KITH_ENOENT)
        raise_error(err);
    else
        list = PyList_New((Py_ssize_t)run.count);
    for (size_t i = 0; bufs != NULL && i < run.count; i++) {
        PyObject *value = NULL;

        if (list != NULL) {
            value = bufs[i].item.tag == kith_absent
                        ? Py_NewRef(values[1] == NULL ? Py_None : values[1])
                        : decode(SPACE_OF(self), &bufs[i].item);
            if (value == NULL)
                Py_CLEAR(list);
            else
                PyList_SET_ITEM(list, (Py_ssize_t)i, value);
        }
        kith_buf_free(&bufs[i]);
    }
    PyMem_Free(bufs);
    encoded_run_free(&run);
    Py_DECREF(sequence);
    return list;
}

/* Two lists of the keys and the items of what dict.update() takes. */
static bool
keys_and_items(PyObject *other, PyObject *keywords, PyObject **keys_out, PyObject **items_out)
{
    PyObject *plain = PyDict_New();

    *keys_out = *items_out = NULL;
    if (plain == NULL)
        return false;
    if (other != NULL && PyDict_CheckExact(other)) {
        Py_SETREF(plain, Py_NewRef(other));
        if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0)
            Py_SETREF(plain, PyDict_Copy(other));
    } else if (other != NULL) {
        PyObject *arguments = PyTuple_Pack(1, other);
        PyObject *made =
            arguments == NULL ? NULL : PyObject_Call((PyObject *)&PyDict_Type, arguments, NULL);

        Py_XDECREF(arguments);
        Py_SETREF(plain, made);
    }
    if (plain != NULL && keywords != NULL && PyDict_GET_SIZE(keywords) > 0 &&
        PyDict_Update(plain, keywords) < 0)
        Py_CLEAR(plain);
    if (plain == NULL)
        return false;
    *keys_out = PyDict_Keys(plain);
    *items_out = PyDict_Values(plain);
    Py_DECREF(plain);
    if (*keys_out != NULL && *items_out != NULL)
        return true;
    Py_CLEAR(*keys_out);
    Py_CLEAR(*items_out);
    return false;
}

static PyObject *
set_all(PyObject *self, PyObject *other, PyObject *keywords)
{
    PyObject *keys, *items;
    struct encoded_run key_run, item_run;
    kith_err err = KITH_OK;
    bool encoded = false;
    OPEN(kith_dict, dict, self);

    if (!keys_and_items(other, keywords, &keys, &items))
        return NULL;
    if (encode_run(SPACE_OF(self), keys, true, &key_run)) {
        if (encode_run(SPACE_OF(self), items, false, &item_run)) {
            encoded = true;
            err = kith_dict_set_many(dict, key_run.items, item_run.items, key_run.count);
            encoded_run_free(&item_run);
        }
        encoded_run_free(&key_run);
    }
    Py_DECREF(keys);
    Py_DECREF(items);
    return encoded ? done(err) : NULL;
}

PyObject *
dict_update(PyObject *self, PyObject *positional, PyObject *keywords)
{
    PyObject *other = NULL;

    if (!PyArg_UnpackTuple(positional, "update", 0, 1, &other))
        return NULL;
    return set_all(self, other, keywords);
}

PyObject *
dict_delete_many(PyObject *self, PyObject *keys)
{
    PyObject *sequence;
    struct encoded_run run;
    uint64_t deleted;
    kith_err err;
    OPEN(kith_dict, dict, self);

    sequence = PySequence_Fast(keys, "delete_many() takes an iterable of keys");
    if (sequence == NULL)
        return NULL;
    if (!encode_run(SPACE_OF(self), sequence, true, &run)) {
        Py_DECREF(sequence);
        return NULL;
    }
    err = kith_dict_delete_many(dict, run.items, run.count, &deleted);
    encoded_run_free(&run);
    Py_DECREF(sequence);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLongLong(deleted);
}

PyObject *
dict_popitem(PyObject *self, PyObject *unused)
{
    struct kith_buf key = KITH_BUF_INIT, item = KITH_BUF_INIT;
    PyObject *pair = NULL, *first, *second;
    kith_err err;
    OPEN(kith_dict, dict, self);

    (void)unused;
    err = kith_dict_popitem(dict, &key, &item);
    if (err == KITH_EEMPTY)
        return raise_as(NOT_FOUND, err);
    if (err < 0)
        return raise_error(err);
    first = decode(SPACE_OF(self), &key.item);
    second = first == NULL ? NULL : decode(SPACE_OF(self), &item.item);
    if (second != NULL)
        pair = PyTuple_Pack(2, first, second);
    Py_XDECREF(first);
    Py_XDECREF(second);
    kith_buf_free(&key);
    kith_buf_free(&item);
    return pair;
}

PyObject *
dict_clear(PyObject *self, PyObject *unused)
{
    OPEN(kith_dict, dict, self);

    (void)unused;
    return done(kith_dict_clear(dict));
}

/* ---- the whole ---- */

PyObject *
dict_list_keys(PyObject *self, PyObject *unused)
{
    struct collect collect;
    OPEN(kith_dict, dict, self);

    (void)unused;
    if (!collect_begin(&collect, SPACE_OF(self)))
        return NULL;
    return collect_end(&collect, kith_dict_keys(dict, collect_item, &collect));
}

static PyObject *
list_by(PyObject *self, int (*each)(struct kith_item key, struct kith_item item, void *arg))
{
    struct collect collect;
    OPEN(kith_dict, dict, self);

    if (!collect_begin(&collect, SPACE_OF(self)))
        return NULL;
    return collect_end(&collect, kith_dict_each(dict, each, &collect));
}

PyObject *
dict_list_items(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_by(self, collect_pair);
}

PyObject *
dict_list_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_by(self, collect_second);
}

PyObject *
dict_iterate(PyObject *self)
{
    return iterator_over(dict_list_keys(self, NULL));
}

PyObject *
dict_reversed(PyObject *self, PyObject *unused)
{
    PyObject *list = dict_list_keys(self, unused);

    if (list != NULL && PyList_Reverse(list) < 0)
        Py_CLEAR(list);
    return iterator_over(list);
}

PyObject *
dict_copy(PyObject *self, PyObject *unused)
{
    PyObject *pairs = dict_list_items(self, unused);
    PyObject *plain = pairs == NULL ? NULL : PyDict_New();

    if (plain != NULL && PyDict_MergeFromSeq2(plain, pairs, 1) < 0)
        Py_CLEAR(plain);
    Py_XDECREF(pairs);
    return plain;
}

PyObject *
dict_compare(PyObject *self, PyObject *other, int operation)
{
    PyObject *mine, *its, *result = NULL;

    if ((operation != Py_EQ && operation != Py_NE) ||
        (!PyDict_Check(other) && Py_TYPE(other) != dict_type))
        Py_RETURN_NOTIMPLEMENTED;
    mine = dict_copy(self, NULL);
    its = PyDict_Check(other) ? Py_NewRef(other) : dict_copy(other, NULL);
    if (mine != NULL && its != NULL)
        result = PyObject_RichCompare(mine, its, operation);
    Py_XDECREF(mine);
    Py_XDECREF(its);
    return result;
}

/* d | other, other | d: a plain dict. */
PyObject *
dict_merged(PyObject *left, PyObject *right)
{
    PyObject *plain;
    PyObject *more;

    if ((Py_TYPE(left) != dict_type && !PyDict_Check(left)) ||
        (Py_TYPE(right) != dict_type && !PyDict_Check(right)))
        Py_RETURN_NOTIMPLEMENTED;
    plain = PyDict_Check(left) ? PyDict_Copy(left) : dict_copy(left, NULL);
    more = PyDict_Check(right) ? Py_NewRef(right) : dict_copy(right, NULL);
    if (plain == NULL || more == NULL || PyDict_Update(plain, more) < 0)
        Py_CLEAR(plain);
    Py_XDECREF(more);
    return plain;
}

PyObject *
dict_merge_in(PyObject *self, PyObject *other)
{
    PyObject *result = set_all(self, other, NULL);

    if (result == NULL)
        return NULL;
    Py_DECREF(result);
    return Py_NewRef(self);
}
