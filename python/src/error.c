/*
 * error.c - the tree of exceptions below kith.Error, each also the standard one.
 *
 * Classes whose standard base stands in a module that is slow to import (queue, threading) are made
 * by kith/_errors.py when they are first needed.
 */
#include "module.h"

PyObject *failures[FAILURES];

struct shape {
    enum failure which;
    const char *name;
    enum failure parent;
    PyObject **standard; /* NULL: none */
    const char *doc;
};

static const struct shape shapes[] = {
    { INVALID, "kith.InvalidError", ERROR, &PyExc_ValueError,
      "An argument is outside what the function accepts.  Also a ValueError." },
    { NOT_FOUND, "kith.NotFoundError", ERROR, &PyExc_KeyError,
      "No such object, key, member or attribute.  Also a KeyError." },
    { EXISTS, "kith.ExistsError", ERROR, &PyExc_FileExistsError,
      "The object, or the key, is there already.  Also a FileExistsError." },
    { KIND, "kith.KindError", ERROR, &PyExc_TypeError,
      "The object, or the value, is of another type.  Also a TypeError." },
    { OUT_OF_MEMORY, "kith.OutOfMemoryError", ERROR, &PyExc_MemoryError,
      "This process, or the space, has no room for it.  Also a MemoryError." },
    { TIMED_OUT, "kith.TimeoutError", ERROR, &PyExc_TimeoutError,
      "The time given ran out.  Also the built-in TimeoutError." },
    { CONFLICT, "kith.ConflictError", ERROR, NULL,
      "A condition did not hold, so nothing was done." },
    { TOO_BIG, "kith.TooBigError", ERROR, &PyExc_ValueError,
      "The item is larger than what has to hold it.  Also a ValueError." },
    { OUT_OF_RANGE, "kith.RangeError", ERROR, &PyExc_OverflowError,
      "The result lies outside the range allowed.  Also an OverflowError." },
    { POSITION, "kith.PositionError", ERROR, &PyExc_IndexError,
      "There is no such place in the list or array.  Also an IndexError." },
    { DEADLOCK, "kith.DeadlockError", ERROR, &PyExc_RuntimeError,
      "The wait could never end: the caller holds what it waits for.  Also a RuntimeError." },
    { DENIED, "kith.DeniedError", ERROR, &PyExc_PermissionError,
      "The caller may not do this.  Also a PermissionError." },
    { NOT_OWNER, "kith.NotOwnerError", DENIED, &PyExc_RuntimeError,
      "A lock is released, or waited with, by one who does not hold it.  Also a RuntimeError." },
    { CORRUPT, "kith.CorruptError", ERROR, NULL,
      "Shared memory, or a dump, breaks an invariant; `kith check` says which." },
    { VERSION, "kith.VersionError", ERROR, NULL,
      "The space was made by another version of its format." },
    { UNAVAILABLE, "kith.UnavailableError", ERROR, &PyExc_OSError,
      "What stands behind the space does not answer, as a stopped process.  Also an OSError." },
    { REFUSED_KEY, "kith.AuthError", ERROR, &PyExc_PermissionError,
      "The key was refused.  Also a PermissionError." },
    { GONE, "kith.GoneError", ERROR, &PyExc_ReferenceError,
      "The object was destroyed, or the lease was lost.  Also a ReferenceError." },
    { UNSUPPORTED, "kith.UnsupportedError", ERROR, &PyExc_NotImplementedError,
      "This space cannot do that.  Also a NotImplementedError." },
    { SYSTEM, "kith.SystemError", ERROR, &PyExc_OSError,
      "The system refused something.  Also an OSError." },
    { CLOSED, "kith.ClosedError", ERROR, &PyExc_ValueError,
      "The space was closed in this process.  Also a ValueError, as of a closed file." },
};

static bool
make(PyObject *module, const struct shape *shape)
{
    PyObject *bases = shape->standard == NULL
                          ? PyTuple_Pack(1, failures[shape->parent])
                          : PyTuple_Pack(2, failures[shape->parent], *shape->standard);

    if (bases == NULL)
        return false;
    failures[shape->which] = PyErr_NewExceptionWithDoc(shape->name, shape->doc, bases, NULL);
    Py_DECREF(bases);
    return failures[shape->which] != NULL &&
           PyModule_AddObjectRef(module, strchr(shape->name, '.') + 1, failures[shape->which]) == 0;
}

bool
errors_init(PyObject *module)
{
    failures[ERROR] = PyErr_NewExceptionWithDoc(
        "kith.Error", "The base of all errors of Kith, each of which is also the standard one.",
        NULL, NULL);
    if (failures[ERROR] == NULL || PyModule_AddObjectRef(module, "Error", failures[ERROR]) < 0)
        return false;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (!make(module, &shapes[i]))
            return false;
    }
    return true;
}

PyObject *
text_read(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

static void
raise_sentence(PyObject *class, const char *sentence)
{
    PyObject *text = text_read(sentence);

    if (text != NULL)
        PyErr_SetObject(class, text);
    Py_XDECREF(text);
}

PyObject *
raise_lazily(const char *name)
{
    PyObject *module = PyImport_ImportModule("kith._errors");
    PyObject *class = module == NULL ? NULL : PyObject_GetAttrString(module, name);

    if (class != NULL)
        raise_sentence(class, kith_last_error());
    Py_XDECREF(class);
    Py_XDECREF(module);
    return NULL;
}

static enum failure
failure_of(kith_err err)
{
    switch ((int)err) {
    case KITH_EINVAL:
        return INVALID;
    case KITH_ENOENT:
        return NOT_FOUND;
    case KITH_EEXIST:
        return EXISTS;
    case KITH_ETYPE:
        return KIND;
    case KITH_ENOMEM:
        return OUT_OF_MEMORY;
    case KITH_ETIMEDOUT:
        return TIMED_OUT;
    case KITH_ECONFLICT:
        return CONFLICT;
    case KITH_ETOOBIG:
        return TOO_BIG;
    case KITH_ERANGE:
        return OUT_OF_RANGE;
    case KITH_EDEADLOCK:
        return DEADLOCK;
    case KITH_EPERM:
        return DENIED;
    case KITH_ECORRUPT:
        return CORRUPT;
    case KITH_EVERSION:
        return VERSION;
    case KITH_EUNAVAILABLE:
        return UNAVAILABLE;
    case KITH_EAUTH:
        return REFUSED_KEY;
    case KITH_EGONE:
        return GONE;
    case KITH_EUNSUPPORTED:
        return UNSUPPORTED;
    case KITH_ESYSTEM:
        return SYSTEM;
    default:
        return ERROR;
    }
}

PyObject *
raise_as(enum failure which, kith_err err)
{
    const char *sentence = kith_last_error();

    /* The exception of a signal's handler, or of a callback, is what ended it. */
    if (PyErr_Occurred())
        return NULL;
    raise_sentence(failures[which], sentence[0] != '\0' ? sentence : kith_strerror(err));
    return NULL;
}

PyObject *
raise_error(kith_err err)
{
    if (PyErr_Occurred())
        return NULL;
    if (err == KITH_EFULL)
        return raise_lazily("Full");
    if (err == KITH_EEMPTY)
        return raise_lazily("Empty");
    if (err == KITH_ECLOSED)
        return raise_lazily("ShutDown");
    return raise_as(failure_of(err), err);
}

PyObject *
raise_missing(PyObject *key)
{
    /* A tuple would be taken for the arguments. */
    PyObject *arguments = PyTuple_Pack(1, key);

    if (arguments != NULL)
        PyErr_SetObject(failures[NOT_FOUND], arguments);
    Py_XDECREF(arguments);
    return NULL;
}

PyObject *
raise_closed(struct handle *handle)
{
    PyErr_Format(failures[CLOSED], "The space \"%U\" of the %s \"%U\" was closed.",
                 handle->space->address, handle->kind->word, handle->name);
    return NULL;
}
