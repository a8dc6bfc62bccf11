/*
 * foreign.c - kith.Foreign: bytes with a tag that says what they are, never interpreted.
 */
#include "module.h"

struct foreign {
    PyObject_HEAD
    PyObject *tag;  /* str */
    PyObject *data; /* bytes */
};

PyObject *
foreign_new(const char *tag, const void *data, size_t size)
{
    struct foreign *self = PyObject_New(struct foreign, foreign_type);

    if (self == NULL)
        return NULL;
    self->tag = PyUnicode_FromString(tag);
    self->data = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (self->tag == NULL || self->data == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

bool
foreign_item(PyObject *object, struct kith_item *item_out)
{
    struct foreign *self = (struct foreign *)object;

    item_out->type = KITH_TYPE_FOREIGN;
    item_out->tag = PyUnicode_AsUTF8(self->tag);
    item_out->data = PyBytes_AS_STRING(self->data);
    item_out->size = (size_t)PyBytes_GET_SIZE(self->data);
    return item_out->tag != NULL;
}

static PyObject *
make(PyTypeObject *type, PyObject *positional, PyObject *keywords)
{
    static char *names[] = { "tag", "data", NULL };
    struct foreign *self;
    const char *tag;
    Py_ssize_t tag_size;
    Py_buffer data;

    if (!PyArg_ParseTupleAndKeywords(positional, keywords, "s#y*:Foreign", names, &tag, &tag_size,
                                     &data))
        return NULL;
    if (tag_size == 0 || tag_size > KITH_TAG_SIZE_MAX || strlen(tag) != (size_t)tag_size) {
        PyBuffer_Release(&data);
        PyErr_Format(failures[INVALID], "A tag has 1 to %d bytes and no NUL.", KITH_TAG_SIZE_MAX);
        return NULL;
    }
    self = (struct foreign *)foreign_new(tag, data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    (void)type;
    return (PyObject *)self;
}

static void
dealloc(PyObject *object)
{
    struct foreign *self = (struct foreign *)object;
    PyTypeObject *type = Py_TYPE(object);

    Py_XDECREF(self->tag);
    Py_XDECREF(self->data);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *
repr(PyObject *object)
{
    struct foreign *self = (struct foreign *)object;

    return PyUnicode_FromFormat("kith.Foreign(%R, %R)", self->tag, self->data);
}

static Py_hash_t
hash(PyObject *object)
{
    return PyObject_Hash(((struct foreign *)object)->data);
}

static PyObject *
compare(PyObject *a, PyObject *b, int operation)
{
    struct foreign *x = (struct foreign *)a, *y = (struct foreign *)b;
    int equal;

    if (Py_TYPE(b) != foreign_type || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    equal = PyObject_RichCompareBool(x->tag, y->tag, Py_EQ);
    if (equal > 0)
        equal = PyObject_RichCompareBool(x->data, y->data, Py_EQ);
    return equal < 0 ? NULL : PyBool_FromLong(equal == (operation == Py_EQ));
}

static PyObject *
reduce(PyObject *object, PyObject *unused)
{
    struct foreign *self = (struct foreign *)object;

    (void)unused;
    return Py_BuildValue("(O(OO))", Py_TYPE(object), self->tag, self->data);
}

static PyMemberDef members[] = {
    { "tag", T_OBJECT_EX, offsetof(struct foreign, tag), READONLY, "What the bytes are: a str." },
    { "data", T_OBJECT_EX, offsetof(struct foreign, data), READONLY, "The bytes." },
    { NULL, 0, 0, 0, NULL }
};

static PyMethodDef methods[] = { { "__reduce__", reduce, METH_NOARGS, NULL },
                                 { NULL, NULL, 0, NULL } };

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "Foreign(tag, data)\n--\n\n"
      "Bytes with a media tag, as \"image/png\": stored, moved and compared, never interpreted.\n\n"
      "What was stored in another way than the native ones comes back as this, so a pickle that "
      "is\n"
      "read from a space without a serializer is not loaded, whoever wrote it.\n\n"
      ">>> kith.Foreign(\"text/x-note\", b\"abc\")\n"
      "kith.Foreign('text/x-note', b'abc')\n" },
    { Py_tp_new, (void *)make },
    { Py_tp_dealloc, (void *)dealloc },
    { Py_tp_repr, (void *)repr },
    { Py_tp_hash, (void *)hash },
    { Py_tp_richcompare, (void *)compare },
    { Py_tp_members, members },
    { Py_tp_methods, methods },
    { 0, NULL }
};

PyType_Spec foreign_spec = { .name = "kith.Foreign",
                             .basicsize = sizeof(struct foreign),
                             .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                             .slots = slots };
