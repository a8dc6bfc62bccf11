/*
 * view.c - kith.View: an item, an array or a segment where it is, by the buffer protocol.
 *
 * A view keeps its memory mapped for as long as it, or any buffer that was taken of it, lives:
 * after the handle is gone, the object destroyed, the space closed, and while the interpreter ends.
 */
#include "module.h"

/* Of the text that describes an item of a buffer. */
#define FORMAT_SIZE 24

struct view {
    PyObject_HEAD
    struct view *previous; /* among those of arrays and segments */
    struct view *next;
    struct space *space; /* owned, and in use */
    kith_view *open;     /* NULL once it was released */
    PyObject *weak;
    Py_ssize_t exports; /* buffers that were taken */
    Py_ssize_t count;   /* items, for those who ask for a shape */
    Py_ssize_t item_size;
    char format[FORMAT_SIZE];
    bool readonly;
};

/* Views of arrays and segments, that may be used again. */
static struct view *shared;

/* The struct module's code of a type of kith/value.h. */
static void
format_of(char type, size_t item_size, char *format_out)
{
    format_out[1] = '\0';
    format_out[0] = type;
    if (type == 'u') /* a code point, which the struct module does not know */
        format_out[0] = 'I';
    if (type == 0 && item_size == 1)
        format_out[0] = 'B';
    else if (type == 0)
        PyOS_snprintf(format_out, FORMAT_SIZE, "%zus", item_size);
}

PyObject *
view_new(struct space *space, kith_view *open, char type, size_t item_size)
{
    struct view *self = (struct view *)view_type->tp_alloc(view_type, 0);

    if (self == NULL) {
        kith_view_release(open);
        return NULL;
    }
    self->space = (struct space *)Py_NewRef(space);
    space->uses++;
    self->open = open;
    self->readonly = kith_view_readonly(open);
    self->item_size = (Py_ssize_t)item_size;
    self->count = (Py_ssize_t)(kith_view_size(open) / item_size);
    format_of(type, item_size, self->format);
    return (PyObject *)self;
}

PyObject *
view_shared(struct space *space, kith_view *open, char type, size_t item_size)
{
    struct view *self;

    for (self = shared; self != NULL; self = self->next) {
        if (self->space == space && kith_view_data(self->open) == kith_view_data(open) &&
            kith_view_size(self->open) == kith_view_size(open)) {
            kith_view_release(open);
            return Py_NewRef(self);
        }
    }
    self = (struct view *)view_new(space, open, type, item_size);
    if (self == NULL)
        return NULL;
    self->next = shared;
    if (shared != NULL)
        shared->previous = self;
    shared = self;
    return (PyObject *)self;
}

/* No longer one that may be used again. */
static void
withdraw(struct view *self)
{
    if (self->previous != NULL)
        self->previous->next = self->next;
    else if (shared == self)
        shared = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    self->previous = self->next = NULL;
}

static void
give_up(struct view *self)
{
    if (self->open == NULL)
        return;
    withdraw(self);
    kith_view_release(self->open);
    self->open = NULL;
    self->space->uses--;
    space_settle(self->space);
}

static void
dealloc(PyObject *object)
{
    struct view *self = (struct view *)object;
    PyTypeObject *type = Py_TYPE(object);

    withdraw(self); /* before what may run Python code, which must not find it */
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    give_up(self);
    Py_DECREF(self->space);
    type->tp_free(object);
    Py_DECREF(type);
}

static bool
is_open(struct view *self)
{
    if (self->open == NULL)
        PyErr_SetString(failures[CLOSED], "The view was released.");
    return self->open != NULL;
}

kith_view *
view_open(PyObject *object)
{
    struct view *self = (struct view *)object;

    if (Py_TYPE(object) != view_type) {
        PyErr_Format(PyExc_TypeError, "a kith.View is needed, not %.100s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    return is_open(self) ? self->open : NULL;
}

static int
get_buffer(PyObject *object, Py_buffer *buffer, int flags)
{
    struct view *self = (struct view *)object;

    buffer->obj = NULL;
    if (!is_open(self))
        return -1;
    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && self->readonly) {
        PyErr_SetString(PyExc_BufferError, "The view is read-only.");
        return -1;
    }
    buffer->buf = (void *)(uintptr_t)kith_view_data(self->open);
    buffer->len = (Py_ssize_t)kith_view_size(self->open);
    buffer->readonly = self->readonly;
    buffer->itemsize = self->item_size;
    buffer->format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? self->format : NULL;
    buffer->ndim = 1;
    buffer->shape = (flags & PyBUF_ND) == PyBUF_ND ? &self->count : NULL;
    buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &buffer->itemsize : NULL;
    buffer->suboffsets = NULL;
    buffer->internal = NULL;
    buffer->obj = Py_NewRef(object);
    self->exports++;
    return 0;
}

static void
release_buffer(PyObject *object, Py_buffer *buffer)
{
    (void)buffer;
    ((struct view *)object)->exports--;
}

static Py_ssize_t
length(PyObject *object)
{
    struct view *self = (struct view *)object;

    return is_open(self) ? self->count : -1;
}

static PyObject *
release(PyObject *object, PyObject *unused)
{
    struct view *self = (struct view *)object;

    (void)unused;
    if (self->exports > 0) {
        PyErr_SetString(PyExc_BufferError, "The view has buffers that are in use.");
        return NULL;
    }
    give_up(self);
    Py_RETURN_NONE;
}

static PyObject *
enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return is_open((struct view *)object) ? Py_NewRef(object) : NULL;
}

static PyObject *
leave(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return release(object, NULL);
}

static PyObject *
load(PyObject *object, PyObject *unused)
{
    struct view *self = (struct view *)object;
    struct kith_item item;

    (void)unused;
    if (!is_open(self))
        return NULL;
    item = kith_view_item(self->open);
    if (item.type == KITH_TYPE_FOREIGN && self->space->pickles) {
        PyObject *tag = PyUnicode_FromString(item.tag);
        PyObject *result =
            tag == NULL ? NULL : call_lazily("kith._pickle", "loads_view", tag, &object, 1, NULL);

        Py_XDECREF(tag);
        return result;
    }
    return decode(self->space, &item);
}

static PyObject *
get_readonly(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct view *)object)->readonly);
}

static PyObject *
get_nbytes(PyObject *object, void *unused)
{
    struct view *self = (struct view *)object;

    (void)unused;
    return is_open(self) ? PyLong_FromSize_t(kith_view_size(self->open)) : NULL;
}

static PyObject *
repr(PyObject *object)
{
    struct view *self = (struct view *)object;

    if (self->open == NULL)
        return PyUnicode_FromString("<kith.View, released>");
    return PyUnicode_FromFormat("<kith.View of %zu bytes%s>", kith_view_size(self->open),
                                self->readonly ? ", read-only" : "");
}

static PyMemberDef members[] = { { "__weaklistoffset__", T_PYSSIZET, offsetof(struct view, weak),
                                   READONLY, NULL },
                                 { NULL, 0, 0, 0, NULL } };

static PyGetSetDef getset[] = { { "readonly", get_readonly, NULL,
                                  "Whether it must not be written through: a bool.", NULL },
                                { "nbytes", get_nbytes, NULL, "Its bytes: an int.", NULL },
                                GETSET_END };

static PyMethodDef methods[] = {
    { "release", release, METH_NOARGS,
      "release($self)\n--\n\nGives the memory back.\n\nBufferError: a buffer of it is in use." },
    { "load", load, METH_NOARGS,
      "load($self)\n--\n\nThe value.  A numpy array that was stored with the serializer is "
      "read-only "
      "memory of\nthe view, without a copy." },
    { "__enter__", enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL },
    METHODS_END
};

static PyType_Slot slots[] = { { Py_tp_doc, "An item, an array or a segment where it is, by the "
                                            "buffer protocol; made by their view().\n\n"
                                            "Its memory stays for as long as it or a buffer of it "
                                            "lives, whatever is closed or destroyed.\n\n"
                                            ">>> d = kith.open(\"mem://\").dict()\n"
                                            ">>> d[\"a\"] = b\"x\" * 100000\n"
                                            ">>> view = d.view(\"a\")\n"
                                            ">>> del d[\"a\"]\n"
                                            ">>> view, bytes(memoryview(view)[:3])\n"
                                            "(<kith.View of 100000 bytes, read-only>, b'xxx')\n" },
                               { Py_tp_dealloc, (void *)dealloc },
                               { Py_tp_repr, (void *)repr },
                               { Py_tp_members, members },
                               { Py_tp_getset, getset },
                               { Py_tp_methods, methods },
                               { Py_bf_getbuffer, (void *)get_buffer },
                               { Py_bf_releasebuffer, (void *)release_buffer },
                               { Py_sq_length, (void *)length },
                               { 0, NULL } };

PyType_Spec view_spec = {
    .name = "kith.View", .basicsize = sizeof(struct view), .flags = HANDLE_FLAGS, .slots = slots
};
