/*
 * segment.c - kith.Segment: a named piece of raw memory.
 */
#include "module.h"

KIND_OPEN(open_segment_as, segment, KITH_SEGMENT_OPTIONS_INIT)
const struct kind segment_kind = { "segment", KITH_KIND_SEGMENT, &segment_type,
                                   open_segment_as_close, open_segment_as };

PyObject *
segment_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", "size", NULL };
    struct kith_segment_options options = KITH_SEGMENT_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[4];
    kith_segment *segment = NULL;
    kith_err err;

    if (!arguments("segment", names, 0, args, count, keywords, values) ||
        !uint64_of(values[3], "a size", &options.size) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = values[3] == NULL ? opener_without(&opener, "size") : opener.create;
    err = kith_segment_open(space->open, opener.text, &options, &segment);
    return opener_end(&opener, &segment_kind, space, err, segment);
}

static PyObject *
method_view(PyObject *self, PyObject *unused)
{
    kith_view *view;
    kith_err err;
    OPEN(kith_segment, segment, self);

    (void)unused;
    err = kith_segment_view(segment, &view);
    return err < 0 ? raise_error(err) : view_shared(((struct handle *)self)->space, view, 0, 1);
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
method_resize(PyObject *self, PyObject *size)
{
    uint64_t bytes;
    OPEN(kith_segment, segment, self);

    return uint64_of(size, "a size", &bytes) ? done(kith_segment_resize(segment, bytes)) : NULL;
}

static PyObject *
method_unlink(PyObject *self, PyObject *unused)
{
    OPEN(kith_segment, segment, self);

    (void)unused;
    return done(kith_segment_unlink(segment));
}

static Py_ssize_t
length(PyObject *self)
{
    uint64_t size;
    kith_err err;
    OPEN_OR(kith_segment, segment, self, -1);

    err = kith_segment_size(segment, &size);
    if (err >= 0)
        return (Py_ssize_t)size;
    raise_error(err);
    return -1;
}

static PyObject *
get_size(PyObject *self, void *unused)
{
    Py_ssize_t size = length(self);

    (void)unused;
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyGetSetDef getset[] = { { "size", get_size, NULL, "Its bytes: an int.", NULL },
                                HANDLE_GETSET,
                                GETSET_END };

static PyMethodDef methods[] = {
    { "view", method_view, METH_NOARGS,
      "view($self)\n--\n\nIts memory, writable: a kith.View.  memoryview(segment) does the same." },
    { "resize", method_resize, METH_O,
      "resize($self, size, /)\n--\n\nMakes it `size` bytes long; take new views afterwards." },
    { "unlink", method_unlink, METH_NOARGS,
      "unlink($self)\n--\n\nDestroys it for everybody; views of it go on.\n\nGoneError: it was "
      "already." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = { { Py_tp_doc,
                                 "A named piece of raw memory; made by Space.segment().\n\n"
                                 ">>> segment = kith.open(\"mem://\").segment(size=4096)\n"
                                 ">>> memory = memoryview(segment)\n"
                                 ">>> memory[:5] = b\"hello\"\n"
                                 ">>> bytes(segment.view())[:6], segment.size\n"
                                 "(b'hello\\x00', 4096)\n" },
                               HANDLE_SLOTS,
                               { Py_tp_getset, getset },
                               { Py_tp_methods, methods },
                               { Py_sq_length, (void *)length },
                               { Py_bf_getbuffer, (void *)get_buffer },
                               { 0, NULL } };

PyType_Spec segment_spec = { .name = "kith.Segment",
                             .basicsize = sizeof(struct handle),
                             .flags = HANDLE_FLAGS,
                             .slots = slots };
