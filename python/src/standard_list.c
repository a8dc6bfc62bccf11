/*
 * standard_list.c - reading a multiprocessing.shared_memory.ShareableList, whose bytes others
 * write.
 *
 * LAYOUT, which is the standard library's
 *   int64                 number of items N
 *   int64 * (N + 1)       offset of each item in the data, and of the data's end
 *   data                  8 bytes of a number, or the bytes of a str, padded with NUL
 *   8 bytes * N           the struct format of each item
 *   int8 * N              what it stands for: 0 as it is, 1 str, 2 bytes, 3 None
 *
 * Offsets and the number of items never change; they are checked once, when the list is opened.
 * All else may change at any time, and is checked at each look.
 */
#include "standard.h"

PyTypeObject *standard_list_type;

struct standard_list {
    PyObject_HEAD
    Py_buffer memory;
    Py_ssize_t count;
    size_t formats, codes; /* where in the memory they begin */
    int64_t *offset;       /* of each item and of the end, in the memory */
    PyObject *weak;
};

static int64_t
word_at(const struct standard_list *self, size_t at)
{
    int64_t word;

    memcpy(&word, (const char *)self->memory.buf + at, sizeof word);
    return word;
}

static bool
find(struct standard_list *self)
{
    size_t size = (size_t)self->memory.len, start;
    int64_t count;

    if (size < 16)
        return false;
    count = word_at(self, 0);
    if (count < 0 || (uint64_t)count > size / 17)
        return false;
    self->count = (Py_ssize_t)count;
    start = 16 + 8 * (size_t)count;
    if (start > size)
        return false;
    self->offset = PyMem_Calloc((size_t)count + 1, sizeof *self->offset);
    if (self->offset == NULL)
        return false;
    for (Py_ssize_t i = 0; i <= self->count; i++) {
        int64_t at = word_at(self, 8 + 8 * (size_t)i);

        if (at < 0 || (uint64_t)at > size - start ||
            (i > 0 && at + (int64_t)start < self->offset[i - 1] + 8))
            return false;
        self->offset[i] = at + (int64_t)start;
    }
    self->formats = (size_t)self->offset[self->count];
    self->codes = self->formats + 8 * (size_t)count;
    return self->codes <= size && size - self->codes >= (size_t)count;
}

static PyObject *
make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    return type->tp_alloc(type, 0);
}

static PyObject *
attach(PyObject *object, PyObject *memory)
{
    struct standard_list *self = (struct standard_list *)object;

    if (self->memory.obj != NULL || PyObject_GetBuffer(memory, &self->memory, PyBUF_SIMPLE) < 0) {
        if (PyErr_Occurred() == NULL)
            PyErr_SetString(PyExc_ValueError, "the list has its memory already");
        return NULL;
    }
    if (!find(self)) {
        self->count = 0;
        PyErr_SetString(PyExc_ValueError, "the block holds no ShareableList, or a broken one");
        return NULL;
    }
    Py_RETURN_NONE;
}

static void
dealloc(PyObject *object)
{
    struct standard_list *self = (struct standard_list *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->memory.obj != NULL)
        PyBuffer_Release(&self->memory);
    PyMem_Free(self->offset);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t
length(PyObject *object)
{
    return ((struct standard_list *)object)->count;
}

static PyObject *
item(PyObject *object, Py_ssize_t index)
{
    const struct standard_list *self = (const struct standard_list *)object;
    const char *memory = self->memory.buf, *bytes;
    Py_ssize_t size;
    double number;

    if (index < 0 || index >= self->count) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return NULL;
    }
    bytes = memory + self->offset[index];
    size = (Py_ssize_t)(self->offset[index + 1] - self->offset[index]);
    switch (memory[self->codes + (size_t)index]) {
    case 0:
        switch (memory[self->formats + 8 * (size_t)index]) {
        case 'q':
            return PyLong_FromLongLong(word_at(self, (size_t)self->offset[index]));
        case 'd':
            memcpy(&number, bytes, sizeof number);
            return PyFloat_FromDouble(number);
        case 'x':
            return PyBool_FromLong(bytes[7]);
        default:
            break;
        }
        break;
    case 1:
    case 2:
        while (size > 0 && bytes[size - 1] == '\0')
            size--;
        return memory[self->codes + (size_t)index] == 1 ? PyUnicode_FromStringAndSize(bytes, size)
                                                        : PyBytes_FromStringAndSize(bytes, size);
    case 3:
        Py_RETURN_NONE;
    default:
        break;
    }
    PyErr_Format(PyExc_ValueError, "item %zd of the list is broken", index);
    return NULL;
}

static PyObject *
subscript(PyObject *object, PyObject *key)
{
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);

    if (index == -1 && PyErr_Occurred() != NULL)
        return NULL;
    return item(object, index < 0 ? index + length(object) : index);
}

static PyMemberDef members[] = {
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct standard_list, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL },
};

static PyMethodDef methods[] = {
    { "_attach", attach, METH_O, "Takes the memory of a list that is whole." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_new, (void *)make },
    { Py_tp_dealloc, (void *)dealloc },
    { Py_tp_methods, (void *)methods },
    { Py_tp_members, (void *)members },
    { Py_mp_length, (void *)length },
    { Py_mp_subscript, (void *)subscript },
    { Py_sq_length, (void *)length },
    { Py_sq_item, (void *)item },
    { Py_tp_doc, "What ShareableList reads by." },
    { 0, NULL },
};

PyType_Spec standard_list_spec = {
    .name = "kith._core.StandardList",
    .basicsize = sizeof(struct standard_list),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
