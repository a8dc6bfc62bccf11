/*
 * list.c - kith.List: a MutableSequence that processes share.
 */
#include "module.h"

KIND_OPEN(open_list_as, list, KITH_LIST_OPTIONS_INIT)
const struct kind list_kind = { "list", KITH_KIND_LIST, &list_type, open_list_as_close,
                                open_list_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

PyObject *
list_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", NULL };
    struct kith_list_options options = KITH_LIST_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[3];
    struct kith_list *list = NULL;
    kith_err err;

    if (!arguments("list", names, 0, args, count, keywords, values) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_list_open(space->open, opener.text, &options, &list);
    return opener_end(&opener, &list_kind, space, err, list);
}

/* ---- places and slices ---- */

static PyObject *
raise_place(kith_err err)
{
    if (err == KITH_ERANGE || err == KITH_EEMPTY)
        return raise_as(POSITION, err);
    return raise_error(err);
}

struct slice {
    int64_t start, stop, step;
};

/* A bound as the library takes it: what lies beyond 64 bits lies beyond the list, too. */
static bool
bound_of(PyObject *object, int64_t otherwise, int64_t *out)
{
    PyObject *index;
    int overflow;

    *out = otherwise;
    if (object == Py_None)
        return true;
    index = PyNumber_Index(object);
    if (index == NULL)
        return false;
    *out = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow != 0)
        *out = overflow > 0 ? INT64_MAX - 1 : INT64_MIN + 1;
    return true;
}

static bool
slice_of(PyObject *object, struct slice *slice)
{
    PySliceObject *self = (PySliceObject *)object;

    if (!bound_of(self->step, 1, &slice->step))
        return false;
    if (slice->step == 0) {
        PyErr_SetString(PyExc_ValueError, "slice step cannot be zero");
        return false;
    }
    return bound_of(self->start, slice->step > 0 ? 0 : KITH_LIST_END, &slice->start) &&
           bound_of(self->stop, slice->step > 0 ? KITH_LIST_END : KITH_LIST_BEGIN, &slice->stop);
}

/* ---- reading ---- */

static Py_ssize_t
length(PyObject *self)
{
    uint64_t count;
    kith_err err;
    OPEN_OR(struct kith_list, list, self, -1);

    err = kith_list_len(list, &count);
    if (err >= 0)
        return (Py_ssize_t)count;
    raise_error(err);
    return -1;
}

static PyObject *
item_at(PyObject *self, int64_t index)
{
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(struct kith_list, list, self);

    buf = buffer_take(&other);
    err = kith_list_get(list, index, buf);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return raise_place(err);
}

static PyObject *
sequence_item(PyObject *self, Py_ssize_t index)
{
    return item_at(self, index);
}

static PyObject *
items_of(PyObject *self)
{
    struct collect collect;
    OPEN(struct kith_list, list, self);

    if (!collect_begin(&collect, SPACE_OF(self)))
        return NULL;
    return collect_end(&collect, kith_list_each(list, collect_item, &collect));
}

/* An index, or raises; one beyond 64 bits is out of the list. */
static bool
index_of(PyObject *object, int64_t *index_out)
{
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.100s",
                     Py_TYPE(object)->tp_name);
        return false;
    }
    return bound_of(object, 0, index_out);
}

static PyObject *
subscript(PyObject *self, PyObject *place)
{
    struct collect collect;
    struct slice slice;
    int64_t index;
    OPEN(struct kith_list, list, self);

    if (!PySlice_Check(place))
        return index_of(place, &index) ? item_at(self, index) : NULL;
    if (!slice_of(place, &slice) || !collect_begin(&collect, SPACE_OF(self)))
        return NULL;
    return collect_end(&collect, kith_list_get_slice(list, slice.start, slice.stop, slice.step,
                                                     collect_item, &collect));
}

static int
contains(PyObject *self, PyObject *value)
{
    struct encoded encoded;
    uint64_t index;
    kith_err err;
    OPEN_OR(struct kith_list, list, self, -1);

    if (!encode_item(SPACE_OF(self), value, &encoded))
        return -1;
    err = kith_list_index(list, encoded.item, 0, KITH_LIST_END, &index);
    encoded_free(&encoded);
    if (err >= 0)
        return 1;
    if (err == KITH_ENOENT)
        return 0;
    raise_error(err);
    return -1;
}

static PyObject *
method_index(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "value", "start", "stop", NULL };
    PyObject *values[3];
    struct encoded encoded;
    int64_t start = 0, stop = KITH_LIST_END;
    uint64_t index;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!arguments("index", names, 1, args, count, keywords, values) ||
        (values[1] != NULL && !bound_of(values[1], 0, &start)) ||
        (values[2] != NULL && !bound_of(values[2], KITH_LIST_END, &stop)) ||
        !encode_item(SPACE_OF(self), values[0], &encoded))
        return NULL;
    err = kith_list_index(list, encoded.item, start, stop, &index);
    encoded_free(&encoded);
    if (err == KITH_ENOENT)
        return raise_as(INVALID, err); /* a ValueError, as list.index() has it */
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLongLong(index);
}

static PyObject *
method_count(PyObject *self, PyObject *value)
{
    struct encoded encoded;
    uint64_t count;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!encode_item(SPACE_OF(self), value, &encoded))
        return NULL;
    err = kith_list_count(list, encoded.item, &count);
    encoded_free(&encoded);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLongLong(count);
}

static PyObject *
iterate(PyObject *self)
{
    return iterator_over(items_of(self));
}

static PyObject *
reversed(PyObject *self, PyObject *unused)
{
    PyObject *items = items_of(self);

    (void)unused;
    if (items != NULL && PyList_Reverse(items) < 0)
        Py_CLEAR(items);
    return iterator_over(items);
}

static PyObject *
method_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    return items_of(self);
}

static PyObject *
compare(PyObject *self, PyObject *other, int operation)
{
    PyObject *mine, *its, *result = NULL;

    if (!PyList_Check(other) && Py_TYPE(other) != list_type)
        Py_RETURN_NOTIMPLEMENTED;
    mine = items_of(self);
    its = PyList_Check(other) ? Py_NewRef(other) : items_of(other);
    if (mine != NULL && its != NULL)
        result = PyObject_RichCompare(mine, its, operation);
    Py_XDECREF(mine);
    Py_XDECREF(its);
    return result;
}

/* a + b and a * n: plain lists. */
static PyObject *
concatenate(PyObject *self, PyObject *other)
{
    PyObject *mine, *its, *result;

    if (!PyList_Check(other) && Py_TYPE(other) != list_type) {
        PyErr_Format(PyExc_TypeError, "can only concatenate a list, not %.100s",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    mine = items_of(self);
    its = PySequence_List(other);
    result = mine == NULL || its == NULL ? NULL : PySequence_Concat(mine, its);
    Py_XDECREF(mine);
    Py_XDECREF(its);
    return result;
}

static PyObject *
repeat(PyObject *self, Py_ssize_t count)
{
    PyObject *mine = items_of(self);
    PyObject *result = mine == NULL ? NULL : PySequence_Repeat(mine, count);

    Py_XDECREF(mine);
    return result;
}

/* ---- changing ---- */

/* Runs `change` with the items of an iterable, encoded. */
struct change {
    struct slice slice;
    bool extend;
};

static kith_err
change_by(PyObject *self, PyObject *iterable, const struct change *change, bool *encoded_out)
{
    struct kith_list *list = ((struct handle *)self)->open;
    PyObject *sequence = Py_TYPE(iterable) == list_type
                             ? items_of(iterable)
                             : PySequence_Fast(iterable, "can only assign an iterable");
    struct encoded_run run;
    kith_err err = KITH_OK;

    *encoded_out = false;
    if (sequence == NULL)
        return KITH_OK;
    if (encode_run(SPACE_OF(self), sequence, false, &run)) {
        *encoded_out = true;
        if (change->extend)
            err = kith_list_extend(list, run.items, run.count);
        else
            err = kith_list_set_slice(list, change->slice.start, change->slice.stop,
                                      change->slice.step, run.items, run.count);
        encoded_run_free(&run);
    }
    Py_DECREF(sequence);
    return err;
}

static PyObject *
method_extend(PyObject *self, PyObject *iterable)
{
    struct change change = { .extend = true };
    bool encoded;
    kith_err err;
    OPEN(struct kith_list, list, self);

    (void)list;
    err = change_by(self, iterable, &change, &encoded);
    return encoded ? done(err) : NULL;
}

static PyObject *
extend_in(PyObject *self, PyObject *iterable)
{
    PyObject *result = method_extend(self, iterable);

    if (result == NULL)
        return NULL;
    Py_DECREF(result);
    return Py_NewRef(self);
}

static int
set_item(PyObject *self, PyObject *place, PyObject *value)
{
    struct encoded encoded;
    int64_t index;
    kith_err err;
    OPEN_OR(struct kith_list, list, self, -1);

    if (!index_of(place, &index))
        return -1;
    if (value == NULL) {
        err = kith_list_pop(list, index, NULL);
    } else {
        if (!encode_item(SPACE_OF(self), value, &encoded))
            return -1;
        err = kith_list_set(list, index, encoded.item);
        encoded_free(&encoded);
    }
    if (err >= 0)
        return 0;
    raise_place(err);
    return -1;
}

static int
ass_subscript(PyObject *self, PyObject *place, PyObject *value)
{
    struct change change = { .extend = false };
    bool encoded = true;
    kith_err err;
    OPEN_OR(struct kith_list, list, self, -1);

    if (!PySlice_Check(place))
        return set_item(self, place, value);
    if (!slice_of(place, &change.slice))
        return -1;
    if (value == NULL)
        err =
            kith_list_delete_slice(list, change.slice.start, change.slice.stop, change.slice.step);
    else
        err = change_by(self, value, &change, &encoded);
    if (encoded && err < 0)
        raise_error(err);
    return encoded && err >= 0 ? 0 : -1;
}

static PyObject *
method_append(PyObject *self, PyObject *value)
{
    struct encoded encoded;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!encode_item(SPACE_OF(self), value, &encoded))
        return NULL;
    err = kith_list_append(list, encoded.item);
    encoded_free(&encoded);
    return done(err);
}

static PyObject *
method_insert(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "index", "value", NULL };
    PyObject *values[2];
    struct encoded encoded;
    int64_t index;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!arguments("insert", names, 2, args, count, keywords, values) ||
        !index_of(values[0], &index) || !encode_item(SPACE_OF(self), values[1], &encoded))
        return NULL;
    err = kith_list_insert(list, index, encoded.item);
    encoded_free(&encoded);
    return done(err);
}

static PyObject *
method_pop(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "index", NULL };
    PyObject *values[1];
    struct kith_buf other, *buf;
    int64_t index = -1;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!arguments("pop", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !index_of(values[0], &index)))
        return NULL;
    buf = buffer_take(&other);
    err = kith_list_pop(list, index, buf);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return raise_place(err);
}

static PyObject *
method_remove(PyObject *self, PyObject *value)
{
    struct encoded encoded;
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!encode_item(SPACE_OF(self), value, &encoded))
        return NULL;
    err = kith_list_remove(list, encoded.item);
    encoded_free(&encoded);
    return err == KITH_ENOENT ? raise_as(INVALID, err) : done(err);
}

static PyObject *
method_clear(PyObject *self, PyObject *unused)
{
    OPEN(struct kith_list, list, self);

    (void)unused;
    return done(kith_list_clear(list));
}

/* Two steps: others may have changed what it reads before it puts that at the end again. */
static PyObject *
repeat_in(PyObject *self, Py_ssize_t count)
{
    PyObject *more, *result;

    if (count <= 0) {
        result = method_clear(self, NULL);
        Py_XDECREF(result);
        return result == NULL ? NULL : Py_NewRef(self);
    }
    more = repeat(self, count - 1);
    result = more == NULL ? NULL : extend_in(self, more);
    Py_XDECREF(more);
    return result;
}

static PyObject *
method_reverse(PyObject *self, PyObject *unused)
{
    OPEN(struct kith_list, list, self);

    (void)unused;
    return done(kith_list_reverse(list));
}

/* ---- sorting ---- */

struct sorting {
    struct space *space;
    PyObject *key; /* a function, or NULL: compare the items themselves */
};

/* key(item), or the item. */
static PyObject *
rank(struct sorting *sorting, const struct kith_item *item)
{
    PyObject *value = decode(sorting->space, item);
    PyObject *ranked = value;

    if (value != NULL && sorting->key != NULL) {
        ranked = PyObject_CallOneArg(sorting->key, value);
        Py_DECREF(value);
    }
    return ranked;
}

/* What fails leaves its exception, and ends the sorting. */
static int
compare_items(struct kith_item a, struct kith_item b, void *arg)
{
    PyObject *first, *second;
    int less = 0, more = 0;

    first = rank(arg, &a);
    second = first == NULL ? NULL : rank(arg, &b);
    if (second != NULL) {
        less = PyObject_RichCompareBool(first, second, Py_LT);
        if (less == 0)
            more = PyObject_RichCompareBool(second, first, Py_LT);
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    if (PyErr_Occurred())
        return KITH_LIST_NO_ORDER;
    return less > 0 ? -1 : more > 0;
}

static PyObject *
method_sort(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "*", "key", "reverse", NULL };
    struct kith_list_sort_options options = KITH_LIST_SORT_OPTIONS_INIT;
    struct sorting sorting = { .space = SPACE_OF(self) };
    PyObject *values[2];
    kith_err err;
    OPEN(struct kith_list, list, self);

    if (!arguments("sort", names, 0, args, count, keywords, values) ||
        !flag_of(values[1], false, &options.descending))
        return NULL;
    if (values[0] != NULL && values[0] != Py_None) {
        sorting.key = values[0];
        options.compare = compare_items;
        options.arg = &sorting;
    }
    err = kith_list_sort(list, &options);
    if (err == KITH_ETYPE && options.compare == NULL) {
        /* Tuples and lists, which Python orders and the library does not. */
        options.compare = compare_items;
        options.arg = &sorting;
        err = kith_list_sort(list, &options);
    }
    return PyErr_Occurred() ? NULL : done(err);
}

static PyMethodDef methods[] = {
    { "append", method_append, METH_O, "append($self, value, /)\n--\n\nPuts a value at the end." },
    { "extend", method_extend, METH_O,
      "extend($self, values, /)\n--\n\nPuts all values at the end, at one instant." },
    { "insert", FAST(method_insert),
      "insert($self, index, value)\n--\n\nPuts a value before the one at `index`." },
    { "pop", FAST(method_pop),
      "pop($self, index=-1)\n--\n\nTakes the value at `index` out.\n\nPositionError: there is "
      "none." },
    { "remove", method_remove, METH_O,
      "remove($self, value, /)\n--\n\nTakes the first that is equal out.\n\nInvalidError: it is "
      "not "
      "there." },
    { "index", FAST(method_index),
      "index($self, value, start=0, stop=None)\n--\n\nWhere the value is first.\n\nInvalidError: "
      "it "
      "is not there." },
    { "count", method_count, METH_O,
      "count($self, value, /)\n--\n\nHow often the value is there." },
    { "clear", method_clear, METH_NOARGS, "clear($self)\n--\n\nTakes all values out." },
    { "reverse", method_reverse, METH_NOARGS, "reverse($self)\n--\n\nTurns the list round." },
    { "sort", FAST(method_sort),
      "sort($self, *, key=None, reverse=False)\n--\n\nSorts the list, at one instant; equal values "
      "keep their order.\n\nTypeError: two values have no order; ConflictError: others changed the "
      "list each time." },
    { "copy", method_copy, METH_NOARGS,
      "copy($self)\n--\n\nAll of it as of one instant: a plain list." },
    { "__reversed__", reversed, METH_NOARGS, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A list that processes share; made by Space.list().  A MutableSequence.\n\n"
                 ">>> l = kith.open(\"mem://\").list()\n"
                 ">>> l.extend([3, 1, 2])\n"
                 ">>> l.sort()\n"
                 ">>> l[:], l[-1], 2 in l\n"
                 "([1, 2, 3], 3, True)\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, handle_getset },
    { Py_tp_methods, methods },
    { Py_tp_iter, (void *)iterate },
    { Py_tp_richcompare, (void *)compare },
    { Py_tp_hash, (void *)PyObject_HashNotImplemented },
    { Py_mp_subscript, (void *)subscript },
    { Py_mp_ass_subscript, (void *)ass_subscript },
    { Py_mp_length, (void *)length },
    { Py_sq_length, (void *)length },
    { Py_sq_item, (void *)sequence_item },
    { Py_sq_contains, (void *)contains },
    { Py_sq_concat, (void *)concatenate },
    { Py_sq_repeat, (void *)repeat },
    { Py_sq_inplace_concat, (void *)extend_in },
    { Py_sq_inplace_repeat, (void *)repeat_in },
    { 0, NULL }
};

PyType_Spec list_spec = { .name = "kith.List",
                          .basicsize = sizeof(struct handle),
                          .flags = BASE_FLAGS | Py_TPFLAGS_SEQUENCE,
                          .slots = slots };
