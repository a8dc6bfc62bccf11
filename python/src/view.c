/*
 * view.c - kith.View: an item, an array or a segment where it is, by the buffer protocol.
 *
 * A view keeps its memory mapped for as long as it, or any buffer that was taken of it, lives:
 * after the handle is gone, the object destroyed, the space closed, and while the interpreter ends.
 *
 * A process has not many views of the library.  So all that is taken of an array or a segment, by
 * view() or as a buffer, is of one of them, which goes with the last; each is released by itself.
 */
#include "module.h"

/* Of the text that describes an item of a buffer. */
#define FORMAT_SIZE 24

/* A view of the library, and how many of ours are of it. */
struct pin {
    struct pin *previous; /* among those of arrays and segments */
    struct pin *next;
    struct space *space; /* kept by those who hold it */
    kith_view *open;
    size_t holders;
};

struct view {
    PyObject_HEAD
    struct space *space; /* owned, and in use */
    struct pin *pin;     /* NULL once it was released */
    kith_view *open;     /* the pin's */
    PyObject *weak;
    Py_ssize_t exports; /* buffers that were taken */
    Py_ssize_t count;   /* items, for those who ask for a shape */
    Py_ssize_t item_size;
    char format[FORMAT_SIZE];
    bool readonly;
};

/* Those of arrays and segments, which the next to look at the same memory shares. */
static struct pin *shared;

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

static struct pin *
pin_new(struct space *space, kith_view *open)
{
    struct pin *pin = PyMem_Calloc(1, sizeof(*pin));

    if (pin == NULL) {
        kith_view_release(open);
        PyErr_NoMemory();
        return NULL;
    }
    pin->space = space;
    pin->open = open;
    return pin;
}

static void
pin_release(struct pin *pin)
{
    if (--pin->holders > 0)
        return;
    if (pin->previous != NULL)
        pin->previous->next = pin->next;
    else if (shared == pin)
        shared = pin->next;
    if (pin->next != NULL)
        pin->next->previous = pin->previous;
    kith_view_release(pin->open);
    PyMem_Free(pin);
}

/* One more view of the pin; if there is no memory for it, a pin that nobody has goes. */
static PyObject *
view_of(struct pin *pin, char type, size_t item_size)
{
    struct view *self = (struct view *)view_type->tp_alloc(view_type, 0);

    pin->holders++;
    if (self == NULL) {
        pin_release(pin);
        return NULL;
    }
    self->pin = pin;
    self->open = pin->open;
    self->space = (struct space *)Py_NewRef(pin->space);
    self->space->uses++;
    self->readonly = kith_view_readonly(self->open);
    self->item_size = (Py_ssize_t)item_size;
    self->count = (Py_ssize_t)(kith_view_size(self->open) / item_size);
    format_of(type, item_size, self->format);
    return (PyObject *)self;
}

PyObject *
view_new(struct space *space, kith_view *open, char type, size_t item_size)
{
    struct pin *pin = pin_new(space, open);

    return pin == NULL ? NULL : view_of(pin, type, item_size);
}

PyObject *
view_shared(struct space *space, kith_view *open, char type, size_t item_size)
{
    struct pin *pin;

    for (pin = shared; pin != NULL; pin = pin->next) {
        if (pin->space == space && kith_view_data(pin->open) == kith_view_data(open) &&
            kith_view_size(pin->open) == kith_view_size(open)) {
            kith_view_release(open);
            return view_of(pin, type, item_size);
        }
    }
    pin = pin_new(space, open);
    if (pin == NULL)
        return NULL;
    pin->next = shared;
    if (shared != NULL)
        shared->previous = pin;
    shared = pin;
    return view_of(pin, type, item_size);
}

static void
give_up(struct view *self)
{
    struct pin *pin = self->pin;

    if (pin == NULL)
        return;
    self->pin = NULL;
    self->open = NULL;
    pin_release(pin);
    self->space->uses--;
    space_settle(self->space);
}

static void
dealloc(PyObject *object)
{
    struct view *self = (struct view *)object;
    PyTypeObject *type = Py_TYPE(object);

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
