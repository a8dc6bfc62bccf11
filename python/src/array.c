/*
 * array.c - kith.Array: a fixed run of typed items, by index, by slice, and as memory.
 */
#include "cell.h"

KIND_OPEN(open_array_as, array, KITH_ARRAY_OPTIONS_INIT)
const struct kind array_kind = { "array", KITH_KIND_ARRAY, &array_type, open_array_as_close,
                                 open_array_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

struct array {
    struct handle handle;
    bool known;       /* what follows was asked for */
    struct cell cell; /* its items */
    uint64_t count;
};

/* ---- items into bytes ---- */

/* Bytes of items: of a buffer, or of a sequence that is encoded. */
struct bytes {
    Py_buffer buffer;
    uint8_t *memory;
    const void *at;
    size_t size;
};

static void
bytes_free(struct bytes *bytes)
{
    if (bytes->memory != NULL)
        PyMem_Free(bytes->memory);
    else
        PyBuffer_Release(&bytes->buffer);
}

static bool
bytes_of(const struct cell *cell, PyObject *object, struct bytes *bytes)
{
    PyObject *sequence;
    Py_ssize_t count;

    memset(bytes, 0, sizeof(*bytes));
    /* Any buffer with items of the right size is taken for what it is. */
    if (PyObject_CheckBuffer(object) && !PyBytes_Check(object)) {
        if (PyObject_GetBuffer(object, &bytes->buffer, PyBUF_C_CONTIGUOUS) == 0) {
            if (bytes->buffer.itemsize == 1 || (size_t)bytes->buffer.itemsize == cell->size) {
                bytes->at = bytes->buffer.buf;
                bytes->size = (size_t)bytes->buffer.len;
                return true;
            }
            PyBuffer_Release(&bytes->buffer);
        }
        PyErr_Clear();
    }
    if (PyBytes_Check(object) && (cell->type == 'c' || cell->type == 0)) {
        if (PyObject_GetBuffer(object, &bytes->buffer, PyBUF_SIMPLE) < 0)
            return false;
        bytes->at = bytes->buffer.buf;
        bytes->size = (size_t)bytes->buffer.len;
        return true;
    }
    /* A tuple, since an item's __index__ may change the list that it stands in. */
    sequence = PySequence_Tuple(object);
    if (sequence == NULL)
        return false;
    count = PyTuple_GET_SIZE(sequence);
    bytes->size = (size_t)count * cell->size;
    bytes->memory = PyMem_Malloc(bytes->size + 8);
    bytes->at = bytes->memory;
    if (bytes->memory == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; bytes->memory != NULL && i < count; i++) {
        if (!cell_encode(cell, PyTuple_GET_ITEM(sequence, i),
                         bytes->memory + (size_t)i * cell->size)) {
            PyMem_Free(bytes->memory);
            bytes->memory = NULL;
        }
    }
    Py_DECREF(sequence);
    return bytes->memory != NULL;
}

/* ---- opening ---- */

PyObject *
array_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*",     "create",  "exclusive", "type",
                                         "size", "count", "initial", NULL };
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    struct cell cell;
    struct bytes bytes;
    PyObject *values[7], *handle;
    bool filled = false;
    kith_array *array = NULL;
    kith_err err;

    if (!arguments("array", names, 0, args, count, keywords, values) ||
        !cell_type_of(values[3], values[4], &cell) ||
        !uint64_of(values[5], "a count", &options.count))
        return NULL;
    options.type = cell.type;
    options.size = cell.size;
    if (values[6] != NULL && values[6] != Py_None) {
        if (!bytes_of(&cell, values[6], &bytes))
            return NULL;
        filled = true;
        if (values[5] == NULL || values[5] == Py_None)
            options.count = bytes.size / cell.size;
        options.initial = bytes.at;
        if (options.count * cell.size != bytes.size) {
            bytes_free(&bytes);
            PyErr_SetString(failures[INVALID], "The initial items are not as many as the count.");
            return NULL;
        }
    }
    if (!opener_begin(&opener, space, values[0], values[1], values[2])) {
        if (filled)
            bytes_free(&bytes);
        return NULL;
    }
    options.create = opener.create;
    err = kith_array_open(space->open, opener.text, &options, &array);
    handle = opener_end(&opener, &array_kind, space, err, array);
    if (filled)
        bytes_free(&bytes);
    return handle;
}

/* What the items are, which never changes. */
static bool
know(PyObject *self)
{
    struct array *array = (struct array *)self;
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    kith_err err;
    OPEN_OR(kith_array, open, self, false);

    if (array->known)
        return true;
    err = kith_array_info(open, &info);
    if (err < 0) {
        raise_error(err);
        return false;
    }
    array->cell.type = info.type;
    array->cell.size = info.size;
    array->count = info.count;
    array->known = true;
    return true;
}

/* ---- one item ---- */

struct item {
    uint8_t *at;
    uint8_t small[64];
};

static bool
item_begin(struct item *item, size_t size)
{
    item->at = size <= sizeof(item->small) ? item->small : PyMem_Malloc(size);
    if (item->at == NULL)
        PyErr_NoMemory();
    return item->at != NULL;
}

static void
item_end(struct item *item)
{
    if (item->at != item->small)
        PyMem_Free(item->at);
}

static bool
place_of(PyObject *self, PyObject *object, uint64_t *index_out)
{
    struct array *array = (struct array *)self;
    Py_ssize_t index;

    if (!know(self))
        return false;
    index = PyNumber_AsSsize_t(object, failures[POSITION]);
    if (index == -1 && PyErr_Occurred())
        return false;
    if (index < 0)
        index += (Py_ssize_t)array->count;
    if (index < 0 || (uint64_t)index >= array->count) {
        PyErr_Format(failures[POSITION], "The array \"%U\" has %llu items; %R is none of them.",
                     array->handle.name, (unsigned long long)array->count, object);
        return false;
    }
    *index_out = (uint64_t)index;
    return true;
}

static PyObject *
get_item(PyObject *self, PyObject *place)
{
    struct array *array = (struct array *)self;
    struct item item;
    uint64_t index;
    PyObject *result;
    kith_err err;
    OPEN(kith_array, open, self);

    if (!place_of(self, place, &index) || !item_begin(&item, array->cell.size))
        return NULL;
    err = kith_array_get(open, index, item.at, array->cell.size);
    result = err < 0 ? raise_error(err) : cell_decode(&array->cell, item.at);
    item_end(&item);
    return result;
}

static int
set_item(PyObject *self, PyObject *place, PyObject *value)
{
    struct array *array = (struct array *)self;
    struct item item;
    uint64_t index;
    kith_err err = KITH_EINVAL;
    OPEN_OR(kith_array, open, self, -1);

    if (!place_of(self, place, &index) || !item_begin(&item, array->cell.size))
        return -1;
    if (cell_encode(&array->cell, value, item.at))
        err = kith_array_set(open, index, item.at, array->cell.size);
    item_end(&item);
    if (err >= 0)
        return 0;
    raise_error(err);
    return -1;
}

static PyObject *
method_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "index", "n", NULL };
    struct array *array = (struct array *)self;
    PyObject *values[2];
    uint64_t index;
    int64_t n = 1, now;
    double real = 1.0, real_now;
    kith_err err;
    OPEN(kith_array, open, self);

    if (!arguments("add", names, 1, args, count, keywords, values) ||
        !place_of(self, values[0], &index))
        return NULL;
    if (array->cell.type == 'f' || array->cell.type == 'd') {
        if (values[1] != NULL)
            real = PyFloat_AsDouble(values[1]);
        if (PyErr_Occurred())
            return NULL;
        err = kith_array_add_float(open, index, real, &real_now);
        return err < 0 ? raise_error(err) : PyFloat_FromDouble(real_now);
    }
    if (values[1] != NULL && !int64_of(values[1], &n))
        return NULL;
    err = kith_array_add(open, index, n, &now);
    if (err < 0)
        return raise_error(err);
    if (array->cell.type == 'Q' || array->cell.type == 'L')
        return PyLong_FromUnsignedLongLong((uint64_t)now);
    return PyLong_FromLongLong(now);
}

static PyObject *
method_cas(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "index", "expected", "value", NULL };
    struct array *array = (struct array *)self;
    struct item expected, item;
    PyObject *values[3], *result = NULL;
    uint64_t index;
    OPEN(kith_array, open, self);

    if (!arguments("cas", names, 3, args, count, keywords, values) ||
        !place_of(self, values[0], &index) || !item_begin(&expected, array->cell.size))
        return NULL;
    if (item_begin(&item, array->cell.size)) {
        if (cell_encode(&array->cell, values[1], expected.at) &&
            cell_encode(&array->cell, values[2], item.at))
            result = answer(kith_array_cas(open, index, expected.at, item.at, array->cell.size),
                            KITH_ECONFLICT);
        item_end(&item);
    }
    item_end(&expected);
    return result;
}

/* ---- slices and the whole ---- */

/* Items as a list; or, if they are characters and `joined`, as bytes. */
static PyObject *
get_run(PyObject *self, Py_ssize_t start, Py_ssize_t step, Py_ssize_t count, bool joined)
{
    struct array *array = (struct array *)self;
    size_t size = (size_t)count * array->cell.size;
    uint8_t *memory = PyMem_Malloc(size + 1);
    PyObject *list = NULL;
    kith_err err;
    OPEN(kith_array, open, self);

    joined = joined && array->cell.type == 'c';
    if (memory == NULL)
        return PyErr_NoMemory();
    err = kith_array_get_slice(open, (uint64_t)start, step, (uint64_t)count, memory, size);
    if (err < 0)
        raise_error(err);
    else if (joined)
        list = PyBytes_FromStringAndSize((const char *)memory, count);
    else
        list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && !joined && i < count; i++) {
        PyObject *value = cell_decode(&array->cell, memory + (size_t)i * array->cell.size);

        if (value == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, value);
    }
    PyMem_Free(memory);
    return list;
}

static bool
slice_of(PyObject *self, PyObject *slice, Py_ssize_t *start, Py_ssize_t *step, Py_ssize_t *count)
{
    Py_ssize_t stop;

    if (!know(self) || PySlice_Unpack(slice, start, &stop, step) < 0)
        return false;
    *count = PySlice_AdjustIndices((Py_ssize_t)((struct array *)self)->count, start, &stop, *step);
    return true;
}

static PyObject *
subscript(PyObject *self, PyObject *place)
{
    Py_ssize_t start, step, count;

    if (!PySlice_Check(place))
        return get_item(self, place);
    if (!slice_of(self, place, &start, &step, &count))
        return NULL;
    return get_run(self, count == 0 ? 0 : start, count == 0 ? 1 : step, count, true);
}

static int
set_run(PyObject *self, PyObject *slice, PyObject *value)
{
    struct array *array = (struct array *)self;
    Py_ssize_t start, step, count;
    struct bytes bytes;
    kith_err err = KITH_EINVAL;
    OPEN_OR(kith_array, open, self, -1);

    if (!slice_of(self, slice, &start, &step, &count) || !bytes_of(&array->cell, value, &bytes))
        return -1;
    if (count == 0) {
        start = 0; /* a slice of nothing may begin anywhere, and an array of the library's not */
        step = 1;
    }
    if (bytes.size == (size_t)count * array->cell.size)
        err = kith_array_set_slice(open, (uint64_t)start, step, (uint64_t)count, bytes.at,
                                   bytes.size);
    else
        PyErr_Format(PyExc_ValueError, "The slice has %zd items, and %zu are given.", count,
                     bytes.size / array->cell.size);
    bytes_free(&bytes);
    if (err >= 0)
        return 0;
    raise_error(err);
    return -1;
}

static int
ass_subscript(PyObject *self, PyObject *place, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "the items of a kith.Array cannot be deleted");
        return -1;
    }
    return PySlice_Check(place) ? set_run(self, place, value) : set_item(self, place, value);
}

static Py_ssize_t
length(PyObject *self)
{
    return know(self) ? (Py_ssize_t)((struct array *)self)->count : -1;
}

static PyObject *
sequence_item(PyObject *self, Py_ssize_t index)
{
    PyObject *place = PyLong_FromSsize_t(index);
    PyObject *item = place == NULL ? NULL : get_item(self, place);

    Py_XDECREF(place);
    return item;
}

PyObject *
array_items(PyObject *self)
{
    Py_ssize_t count = length(self);

    return count < 0 ? NULL : get_run(self, 0, 1, count, false);
}

static PyObject *
iterate(PyObject *self)
{
    return iterator_over(array_items(self));
}

/* ---- memory ---- */

static PyObject *
method_view(PyObject *self, PyObject *unused)
{
    struct array *array = (struct array *)self;
    kith_view *view;
    kith_err err;
    OPEN(kith_array, open, self);

    (void)unused;
    if (!know(self))
        return NULL;
    err = kith_array_view(open, &view);
    return err < 0 ? raise_error(err)
                   : view_shared(SPACE_OF(self), view, array->cell.type, array->cell.size);
}

static int
get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    PyObject *view = method_view(self, NULL);
    int failed = view == NULL ? -1 : PyObject_GetBuffer(view, buffer, flags);

    if (view == NULL)
        buffer->obj = NULL;
    Py_XDECREF(view);
    return failed;
}

static PyObject *
method_stage(PyObject *self, PyObject *unused)
{
    struct array *array = (struct array *)self;
    kith_view *view;
    kith_err err;
    OPEN(kith_array, open, self);

    (void)unused;
    if (!know(self))
        return NULL;
    err = kith_array_stage(open, &view);
    return err < 0 ? raise_error(err)
                   : view_new(SPACE_OF(self), view, array->cell.type, array->cell.size);
}

static PyObject *
method_publish(PyObject *self, PyObject *data)
{
    struct array *array = (struct array *)self;
    struct bytes bytes;
    kith_err err;
    OPEN(kith_array, open, self);

    if (!know(self))
        return NULL;
    if (Py_TYPE(data) == view_type) {
        kith_view *view = view_open(data);

        return view == NULL ? NULL : done(kith_array_publish_staged(open, view));
    }
    if (!bytes_of(&array->cell, data, &bytes))
        return NULL;
    err = kith_array_publish(open, bytes.at, bytes.size);
    bytes_free(&bytes);
    return done(err);
}

/* ---- its lock ---- */

static PyObject *
acquire(PyObject *self, int64_t timeout_ns)
{
    struct wait wait;
    kith_err err;
    OPEN(kith_array, open, self);

    err = kith_array_lock(open, 0);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_array_lock(open, timeout_ns));
    }
    return PyErr_Occurred() ? NULL : answer(err, KITH_ETIMEDOUT);
}

static PyObject *
method_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "blocking", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns;

    if (!arguments("acquire", names, 0, args, count, keywords, values) ||
        !blocking_of(values[0], values[1], &timeout_ns))
        return NULL;
    return acquire(self, timeout_ns);
}

static PyObject *
method_release(PyObject *self, PyObject *unused)
{
    kith_err err;
    OPEN(kith_array, open, self);

    (void)unused;
    err = kith_array_unlock(open);
    return err == KITH_EPERM ? raise_as(NOT_OWNER, err) : done(err);
}

static PyObject *
enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return entered(self, acquire(self, KITH_FOREVER));
}

static PyObject *
leave(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return method_release(self, NULL);
}

static PyObject *
get_type(PyObject *self, void *unused)
{
    struct array *array = (struct array *)self;

    (void)unused;
    if (!know(self))
        return NULL;
    if (array->cell.type == 0)
        Py_RETURN_NONE;
    return PyUnicode_FromStringAndSize(&array->cell.type, 1);
}

static PyObject *
get_itemsize(PyObject *self, void *unused)
{
    (void)unused;
    return know(self) ? PyLong_FromSize_t(((struct array *)self)->cell.size) : NULL;
}

static PyGetSetDef getset[] = {
    { "type", get_type, NULL, "The type code of its items, a str; None of structures.", NULL },
    { "itemsize", get_itemsize, NULL, "Bytes of an item: an int.", NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef methods[] = {
    { "add", FAST(method_add),
      "add($self, index, n=1)\n--\n\nAdds n to an item in one step, and gives the sum.\n\n"
      "PositionError, RangeError, KindError." },
    { "cas", FAST(method_cas),
      "cas($self, index, expected, value)\n--\n\nSets an item if it is `expected`: whether that "
      "was "
      "so, a bool." },
    { "count", array_count, METH_O,
      "count($self, value, /)\n--\n\nHow many items are equal to the value." },
    { "index", FAST(array_index),
      "index($self, value, start=0, stop=None)\n--\n\nWhere the value is first.\n\n"
      "InvalidError, a ValueError: it is not there." },
    { "view", method_view, METH_NOARGS,
      "view($self)\n--\n\nThe items where they are, writable: a kith.View.  memoryview(array) and\n"
      "numpy.asarray(array) do the same." },
    { "stage", method_stage, METH_NOARGS,
      "stage($self)\n--\n\nMemory for a new version, which nobody sees until publish(): a "
      "kith.View." },
    { "publish", method_publish, METH_O,
      "publish($self, data, /)\n--\n\nPuts all items, or what stage() gave, in the place of what "
      "is "
      "there, at one instant.\nWho views the old version keeps it." },
    { "acquire", FAST(method_acquire),
      "acquire($self, blocking=True, timeout=-1)\n--\n\nAcquires the array's lock, which is for "
      "its "
      "users alone: whether it was had, a bool." },
    { "release", method_release, METH_NOARGS,
      "release($self)\n--\n\nReleases the array's lock.\n\nNotOwnerError." },
    { "__enter__", enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "A fixed run of typed items that processes share; made by Space.array().  A Sequence.\n\n"
      ">>> array = kith.open(\"mem://\").array(type=\"i\", count=4)\n"
      ">>> array[1] = 5; array.add(1), array[:]\n"
      "(6, [0, 6, 0, 0])\n"
      ">>> memory = memoryview(array)\n"
      ">>> memory[3] = 7; array[-1], memory.format, memory.shape\n"
      "(7, 'i', (4,))\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, getset },
    { Py_tp_methods, methods },
    { Py_tp_iter, (void *)iterate },
    { Py_mp_subscript, (void *)subscript },
    { Py_mp_ass_subscript, (void *)ass_subscript },
    { Py_mp_length, (void *)length },
    { Py_sq_length, (void *)length },
    { Py_sq_item, (void *)sequence_item },
    { Py_bf_getbuffer, (void *)get_buffer },
    { 0, NULL }
};

PyType_Spec array_spec = { .name = "kith.Array",
                           .basicsize = sizeof(struct array),
                           .flags = HANDLE_FLAGS | Py_TPFLAGS_SEQUENCE,
                           .slots = slots };
