/*
 * namespace.c - kith.Namespace: attributes that processes share.
 *
 * What begins and ends with two underscores is Python's, and is no shared attribute.
 */
#include "module.h"

KIND_OPEN(open_namespace_as, namespace, KITH_NAMESPACE_OPTIONS_INIT)
const struct kind namespace_kind = { "namespace", KITH_KIND_NAMESPACE, &namespace_type,
                                     open_namespace_as_close, open_namespace_as };

PyObject *
namespace_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", NULL };
    struct kith_namespace_options options = KITH_NAMESPACE_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[3];
    kith_namespace *namespace = NULL;
    kith_err err;

    if (!arguments("namespace", names, 0, args, count, keywords, values) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_namespace_open(space->open, opener.text, &options, &namespace);
    return opener_end(&opener, &namespace_kind, space, err, namespace);
}

static bool
is_pythons(const char *name, size_t size)
{
    return size > 4 && memcmp(name, "__", 2) == 0 && memcmp(name + size - 2, "__", 2) == 0;
}

/* An attribute of the handle itself: Python's, or with a subclass any that begins with _. */
static bool
is_own(PyObject *self, const char *text, size_t size)
{
    return is_pythons(text, size) || (text[0] == '_' && !Py_IS_TYPE(self, namespace_type));
}

static PyObject *
get_attribute(PyObject *self, PyObject *name)
{
    struct kith_buf other, *buf;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    kith_err err;

    if (text == NULL)
        return NULL;
    if (is_own(self, text, (size_t)size))
        return PyObject_GenericGetAttr(self, name);
    {
        OPEN(kith_namespace, namespace, self);

        buf = buffer_take(&other);
        err = kith_namespace_get(namespace, text, buf);
    }
    if (err >= 0)
        return decode_buffer(((struct handle *)self)->space, buf);
    buffer_give(buf);
    if (err != KITH_ENOENT)
        return raise_error(err);
    PyErr_Format(PyExc_AttributeError, "the namespace \"%U\" has no attribute %R",
                 ((struct handle *)self)->name, name);
    return NULL;
}

static int
set_attribute(PyObject *self, PyObject *name, PyObject *value)
{
    struct encoded encoded;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    kith_err err;
    OPEN_OR(kith_namespace, namespace, self, -1);

    if (text == NULL)
        return -1;
    if (strlen(text) != (size_t)size) {
        PyErr_Format(failures[INVALID], "The name %R has a NUL in it.", name);
        return -1;
    }
    if (is_own(self, text, (size_t)size))
        return PyObject_GenericSetAttr(self, name, value);
    if (value == NULL) {
        err = kith_namespace_delete(namespace, text);
    } else {
        if (!encode_item(((struct handle *)self)->space, value, &encoded))
            return -1;
        err = kith_namespace_set(namespace, text, encoded.item);
        encoded_free(&encoded);
    }
    if (err >= 0)
        return 0;
    if (err == KITH_ENOENT)
        PyErr_Format(PyExc_AttributeError, "the namespace \"%U\" has no attribute %R",
                     ((struct handle *)self)->name, name);
    else
        raise_error(err);
    return -1;
}

static int
each_name(const char *attribute, void *arg)
{
    PyObject *name = PyUnicode_FromString(attribute);
    int failed = name == NULL || PyList_Append(arg, name) < 0;

    Py_XDECREF(name);
    return failed;
}

/* dir(): the shared attributes. */
static PyObject *
names_of(PyObject *self, PyObject *unused)
{
    PyObject *list;
    kith_err err;
    OPEN(kith_namespace, namespace, self);

    (void)unused;
    list = PyList_New(0);
    if (list == NULL)
        return NULL;
    err = kith_namespace_names(namespace, each_name, list);
    if (err >= 0 && !PyErr_Occurred())
        return list;
    Py_DECREF(list);
    return raise_error(err);
}

static PyObject *
handle_part(PyObject *self, PyObject *unused)
{
    struct handle *handle = (struct handle *)self;

    (void)unused;
    return Py_BuildValue("(OO)", handle->space, handle->name);
}

static PyMemberDef members[] = { { "__weaklistoffset__", T_PYSSIZET, offsetof(struct handle, weak),
                                   READONLY, NULL },
                                 { NULL, 0, 0, 0, NULL } };

static PyMethodDef methods[] = {
    { "__dir__", names_of, METH_NOARGS, NULL },
    { "__handle__", handle_part, METH_NOARGS,
      "The space and the name of a namespace, whose other attributes are shared ones." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = { { Py_tp_doc,
                                 "Attributes that processes share; made by Space.namespace().\n\n"
                                 ">>> settings = kith.open(\"mem://\").namespace()\n"
                                 ">>> settings.level = 3; settings.names = [\"a\"]\n"
                                 ">>> settings.level, dir(settings), hasattr(settings, \"other\")\n"
                                 "(3, ['level', 'names'], False)\n" },
                               { Py_tp_dealloc, (void *)handle_dealloc },
                               { Py_tp_repr, (void *)handle_repr },
                               { Py_tp_members, members },
                               { Py_tp_methods, methods },
                               { Py_tp_getattro, (void *)get_attribute },
                               { Py_tp_setattro, (void *)set_attribute },
                               { 0, NULL } };

PyType_Spec namespace_spec = { .name = "kith.Namespace",
                               .basicsize = sizeof(struct handle),
                               .flags = BASE_FLAGS,
                               .slots = slots };
