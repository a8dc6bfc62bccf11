/*
 * handle.c - what all handles have: a name, a space, an end, and a way to be found again.
 *
 * A handle is closed with its last reference, or with its space.  There is no other close(), so
 * that no handle can be closed under a thread that waits on it.
 */
#include "module.h"

/* A rwlock opens as a lock, too, so it is tried first. */
const struct kind *const kinds[] = { &dict_kind,    &list_kind,   &set_kind,       &namespace_kind,
                                     &queue_kind,   &rwlock_kind, &lock_kind,      &value_kind,
                                     &array_kind,   &event_kind,  &semaphore_kind, &condition_kind,
                                     &barrier_kind, &once_kind,   &limiter_kind,   &segment_kind,
                                     NULL };

/* The type of handles: the library's, or what the space has in its place. */
static PyTypeObject *
type_in(const struct space *space, const struct kind *kind)
{
    PyObject *type = space->types == NULL ? NULL : PyDict_GetItemString(space->types, kind->word);

    return type != NULL && PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, *kind->type)
               ? (PyTypeObject *)type
               : *kind->type;
}

PyObject *
handle_new(const struct kind *kind, struct space *space, void *open, PyObject *name)
{
    PyTypeObject *type = type_in(space, kind);
    struct handle *self = (struct handle *)type->tp_alloc(type, 0);

    if (self == NULL) {
        kind->close(open);
        return NULL;
    }
    self->open = self->kept = open;
    self->kind = kind;
    self->space = (struct space *)Py_NewRef(space);
    self->name = Py_NewRef(name);
    self->next = space->handles;
    if (self->next != NULL)
        self->next->previous = self;
    space->handles = self;
    return (PyObject *)self;
}

void
handle_dealloc(PyObject *object)
{
    struct handle *self = (struct handle *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->kept != NULL)
        self->kind->close(self->kept);
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        self->space->handles = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    Py_DECREF(self->space);
    Py_DECREF(self->name);
    type->tp_free(object);
    Py_DECREF(type);
}

struct handle *
handle_of(PyObject *self)
{
    /* A subclass may have another repr; the type that it is of, in the end, has ours. */
    for (PyTypeObject *type = Py_TYPE(self); type != NULL; type = type->tp_base)
        if (type->tp_repr == handle_repr)
            return (struct handle *)self;
    return NULL;
}

PyObject *
handle_repr(PyObject *object)
{
    struct handle *self = (struct handle *)object;

    return PyUnicode_FromFormat("<%s %R in %U%s>", Py_TYPE(object)->tp_name, self->name,
                                self->space->address, self->open == NULL ? ", closed" : "");
}

PyObject *
handle_reduce(PyObject *object, PyObject *unused)
{
    struct handle *self = (struct handle *)object;
    PyObject *module = PyImport_ImportModule("kith._pickle");
    PyObject *reopen = module == NULL ? NULL : PyObject_GetAttrString(module, "reopen");
    PyObject *result = NULL;

    (void)unused;
    if (reopen != NULL)
        result =
            Py_BuildValue("(N(OiO))", reopen, self->space, (int)self->kind->number, self->name);
    Py_XDECREF(module);
    return result;
}

PyObject *
handle_open(struct space *space, PyObject *name, enum kith_kind number)
{
    const char *text = text_of(name, "a name");
    kith_err err = KITH_ENOENT;
    void *open;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; kinds[i] != NULL; i++) {
        if (number != KITH_KIND_NONE && kinds[i]->number != number)
            continue;
        err = kinds[i]->open(space->open, text, KITH_MUST_EXIST, &open);
        if (err >= 0)
            return handle_new(kinds[i], space, open, name);
        if (err != KITH_ETYPE)
            break;
    }
    if (err == KITH_ENOENT && number == KITH_KIND_NONE) {
        PyErr_Format(failures[NOT_FOUND], "There is no object \"%U\" in the space \"%U\".", name,
                     space->address);
        return NULL;
    }
    return raise_error(err);
}

PyObject *
entered(PyObject *self, PyObject *had)
{
    if (had == NULL)
        return NULL;
    Py_DECREF(had);
    return Py_NewRef(self);
}

/* ---- opening ---- */

bool
opener_begin(struct opener *opener, struct space *space, PyObject *name, PyObject *create,
             PyObject *exclusive)
{
    bool may_create, must_create;
    char made[KITH_MADE_NAME_SIZE];

    opener->missing = NULL;
    if (!flag_of(create, true, &may_create) || !flag_of(exclusive, false, &must_create))
        return false;
    /* Asked last, since what comes before may run Python code. */
    if (space->open == NULL) {
        PyErr_Format(failures[CLOSED], "The space \"%U\" was closed.", space->address);
        return false;
    }
    opener->create = must_create  ? KITH_MUST_CREATE
                     : may_create ? KITH_CREATE_OR_OPEN
                                  : KITH_MUST_EXIST;
    if (name != NULL && name != Py_None) {
        opener->text = text_of(name, "a name");
        opener->name = Py_NewRef(name);
    } else {
        kith_err err = kith_name_make(made);

        if (err < 0) {
            raise_error(err);
            return false;
        }
        opener->create = KITH_MUST_CREATE;
        opener->name = PyUnicode_FromString(made);
        opener->text = opener->name == NULL ? NULL : PyUnicode_AsUTF8(opener->name);
    }
    if (opener->text == NULL)
        Py_CLEAR(opener->name);
    return opener->name != NULL;
}

enum kith_create
opener_without(struct opener *opener, const char *missing)
{
    if (opener->create != KITH_CREATE_OR_OPEN)
        return opener->create;
    opener->missing = missing;
    return KITH_MUST_EXIST;
}

PyObject *
opener_end(struct opener *opener, const struct kind *kind, struct space *space, kith_err err,
           void *open)
{
    PyObject *handle = NULL;

    if (err >= 0)
        handle = handle_new(kind, space, open, opener->name);
    else if (err == KITH_ENOENT && opener->missing != NULL)
        PyErr_Format(failures[NOT_FOUND],
                     "There is no %s \"%U\", and to make it %s has to be given.",
                     kith_kind_name(kind->number), opener->name, opener->missing);
    else
        raise_error(err);
    Py_CLEAR(opener->name);
    return handle;
}

/* ---- what every handle shows ---- */

PyObject *
handle_space(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct handle *)self)->space);
}

PyObject *
handle_word(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(((struct handle *)self)->kind->word);
}

PyMemberDef handle_members[] = {
    { "name", T_OBJECT_EX, offsetof(struct handle, name), READONLY,
      "The object's name in its space: a str.  One that begins with '#' was made up." },
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct handle, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL }
};

PyGetSetDef handle_getset[] = { HANDLE_GETSET, GETSET_END };

PyObject *
handle_fileno(PyObject *self, PyObject *unused)
{
    int descriptor;
    kith_err err;
    OPEN(void, open, self);

    (void)unused;
    err = kith_poll_fd(open, &descriptor);
    return err < 0 ? raise_error(err) : PyLong_FromLong(descriptor);
}
