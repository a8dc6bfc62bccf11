/*
 * standard_cell.c - multiprocessing's Synchronized and SynchronizedArray: a ctypes object in shared
 * memory, and a lock around each access.
 *
 * The numbers of C and arrays of them are read and written here, in place; whatever else goes by
 * the ctypes object, with the lock held all the same.
 */
#include "standard.h"

PyTypeObject *standard_cell_type, *standard_array_type;

struct cell {
    PyObject_HEAD
    PyObject *object;  /* of ctypes */
    PyObject *lock;    /* anything with acquire() and release() */
    bool is_ours;      /* and it is a StandardLock */
    Py_buffer memory;  /* of the object */
    Py_ssize_t length; /* of an array */
    char code;         /* of the number, or of the numbers; 0: by ctypes */
    PyObject *weak;
};

/* ---- Its lock ------------------------------------------------------------------------------- */

static bool
hold(const struct cell *self)
{
    PyObject *result;

    if (self->is_ours)
        return standard_lock_take((struct standard_lock *)self->lock, true, KITH_FOREVER) >= 0;
    result = PyObject_CallMethod(self->lock, "acquire", NULL);
    Py_XDECREF(result);
    return result != NULL;
}

/* Gives `result` on, or NULL if that fails; keeps the exception that is set. */
static PyObject *
let_go(const struct cell *self, PyObject *result)
{
    PyObject *type, *value, *traceback, *given;
    bool gave;

    if (result == NULL)
        PyErr_Fetch(&type, &value, &traceback);
    if (self->is_ours) {
        gave = standard_lock_give((struct standard_lock *)self->lock);
    } else {
        given = PyObject_CallMethod(self->lock, "release", NULL);
        gave = given != NULL;
        Py_XDECREF(given);
    }
    if (result == NULL) {
        PyErr_Clear();
        PyErr_Restore(type, value, traceback);
    } else if (!gave) {
        Py_CLEAR(result);
    }
    return result;
}

/* ---- Numbers in place ------------------------------------------------------------------------ */

#define CODES(X)                                                                                   \
    X('b', signed char, PyLong_FromLong)                                                           \
    X('B', unsigned char, PyLong_FromUnsignedLong)                                                 \
    X('h', short, PyLong_FromLong)                                                                 \
    X('H', unsigned short, PyLong_FromUnsignedLong)                                                \
    X('i', int, PyLong_FromLong)                                                                   \
    X('I', unsigned, PyLong_FromUnsignedLong)                                                      \
    X('l', long, PyLong_FromLong)                                                                  \
    X('L', unsigned long, PyLong_FromUnsignedLong)                                                 \
    X('q', long long, PyLong_FromLongLong)                                                         \
    X('Q', unsigned long long, PyLong_FromUnsignedLongLong)

static PyObject *
load(char code, const void *at)
{
    switch (code) {
#define LOAD(letter, type, make)                                                                   \
    case letter:                                                                                   \
        return make(*(const type *)at);
        CODES(LOAD)
    case 'f':
        return PyFloat_FromDouble((double)*(const float *)at);
    default:
        return PyFloat_FromDouble(*(const double *)at);
    }
}

/* As ctypes stores: an int loses the bits that have no room.  False: not a plain number of it. */
static bool
store(char code, void *at, PyObject *value)
{
    unsigned long long bits;

    if (code == 'f' || code == 'd') {
        if (!PyFloat_CheckExact(value))
            return false;
        if (code == 'f')
            *(float *)at = (float)PyFloat_AS_DOUBLE(value);
        else
            *(double *)at = PyFloat_AS_DOUBLE(value);
        return true;
    }
    if (!PyLong_CheckExact(value))
        return false;
    bits = PyLong_AsUnsignedLongLongMask(value);
    switch (code) {
#define STORE(letter, type, make)                                                                  \
    case letter:                                                                                   \
        *(type *)at = (type)bits;                                                                  \
        return true;
        CODES(STORE)
    default:
        return false;
    }
}

/* at += number, if the sum is in the type's range; else raises, and nothing changes. */
static bool
increase(char code, void *at, PyObject *number)
{
    int64_t by;

    if (code == 'f' || code == 'd') {
        double more = PyFloat_AsDouble(number);

        if (more == -1.0 && PyErr_Occurred() != NULL)
            return false;
        if (code == 'f')
            *(float *)at = (float)((double)*(float *)at + more);
        else
            *(double *)at += more;
        return true;
    }
    if (!PyLong_CheckExact(number) || !small_int(number, &by)) {
        by = PyLong_AsLongLong(number);
        if (by == -1 && PyErr_Occurred() != NULL)
            return false;
    }
    switch (code) {
#define INCREASE(letter, type, make)                                                               \
    case letter: {                                                                                 \
        type sum;                                                                                  \
                                                                                                   \
        if (__builtin_add_overflow(*(const type *)at, by, &sum))                                   \
            break;                                                                                 \
        *(type *)at = sum;                                                                         \
        return true;                                                                               \
    }
        CODES(INCREASE)
    default:
        break;
    }
    PyErr_Format(PyExc_OverflowError, "the sum does not fit the type code %c", code);
    return false;
}

/* ---- Both types ------------------------------------------------------------------------------ */

/* Whether it is a number as this machine has it, and not of the program's own class. */
static bool
is_native(PyObject *type)
{
    PyObject *little = PyObject_GetAttrString(type, "__ctype_le__"); /* one byte has no order */
    PyTypeObject *base = PyType_Check(type) ? ((PyTypeObject *)type)->tp_base : NULL;
    bool native = (little == NULL || little == type) && base != NULL &&
                  !PyObject_HasAttrString((PyObject *)base, "_type_");

    PyErr_Clear();
    Py_XDECREF(little);
    return native;
}

static const char *
code_of(PyObject *type)
{
    PyObject *code = PyObject_GetAttrString(type, "_type_");
    const char *text = code != NULL && PyUnicode_Check(code) ? PyUnicode_AsUTF8(code) : NULL;

    PyErr_Clear();
    /* The string is its type's, which outlives us. */
    Py_XDECREF(code);
    if (!is_native(type))
        return "";
    return text != NULL && text[0] != '\0' && strchr("bBhHiIlLqQfd", text[0]) != NULL ? text : "";
}

static PyObject *
make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "obj", "lock", "ctx", NULL };
    PyObject *object, *lock, *context = NULL, *element;
    struct cell *self;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|O", names, &object, &lock, &context))
        return NULL;
    self = (struct cell *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->object = Py_NewRef(object);
    self->lock = Py_NewRef(lock);
    self->is_ours = PyObject_TypeCheck(lock, standard_lock_type);
    if (PyObject_GetBuffer(object, &self->memory, PyBUF_WRITABLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (!PyType_IsSubtype(type, standard_array_type)) {
        self->code = code_of((PyObject *)Py_TYPE(object))[0];
        return (PyObject *)self;
    }
    element = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "_type_");
    self->length = PyObject_Length(object);
    if (element == NULL || self->length < 0) {
        Py_XDECREF(element);
        Py_DECREF(self);
        return NULL;
    }
    self->code = code_of(element)[0];
    Py_DECREF(element);
    return (PyObject *)self;
}

static int
traverse(PyObject *object, visitproc visit, void *arg)
{
    struct cell *self = (struct cell *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->object);
    Py_VISIT(self->memory.obj);
    Py_VISIT(self->lock);
    return 0;
}

static int
clear(PyObject *object)
{
    struct cell *self = (struct cell *)object;

    if (self->memory.obj != NULL)
        PyBuffer_Release(&self->memory);
    Py_CLEAR(self->object);
    Py_CLEAR(self->lock);
    return 0;
}

static void
dealloc(PyObject *object)
{
    struct cell *self = (struct cell *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
call_lock(PyObject *object, const char *method, PyObject *const *args, Py_ssize_t count,
          PyObject *keywords)
{
    PyObject *bound = PyObject_GetAttrString(((struct cell *)object)->lock, method);
    PyObject *result =
        bound == NULL ? NULL : PyObject_Vectorcall(bound, args, (size_t)count, keywords);

    Py_XDECREF(bound);
    return result;
}

static PyObject *
acquire(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return call_lock(object, "acquire", args, count, keywords);
}

static PyObject *
release(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return call_lock(object, "release", args, count, keywords);
}

static PyObject *
enter(PyObject *object, PyObject *unused)
{
    return call_lock(object, "__enter__", NULL, 0, unused);
}

static PyObject *
leave(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    return call_lock(object, "__exit__", args, count, NULL);
}

static PyObject *
get_obj(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct cell *)object)->object);
}

static PyObject *
get_lock(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct cell *)object)->lock);
}

#define COMMON_METHODS                                                                             \
    { "acquire", FAST(acquire), "acquire(*args)\n--\n\nAcquires its lock." },                      \
        { "release", FAST(release), "release()\n--\n\nReleases its lock." },                       \
        { "get_obj", get_obj, METH_NOARGS,                                                         \
          "get_obj()\n--\n\nThe object of ctypes, without the lock." },                            \
        { "get_lock", get_lock, METH_NOARGS, "get_lock()\n--\n\nThe lock around each access." },   \
        { "__enter__", enter, METH_NOARGS, NULL },                                                 \
    {                                                                                              \
        "__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL                        \
    }
#define COMMON_SLOTS                                                                               \
    { Py_tp_new, (void *)make }, { Py_tp_dealloc, (void *)dealloc },                               \
        { Py_tp_traverse, (void *)traverse }, { Py_tp_clear, (void *)clear },                      \
    {                                                                                              \
        Py_tp_members, (void *)members                                                             \
    }
#define COMMON_FLAGS                                                                               \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE)

static PyMemberDef members[] = {
    { "_obj", T_OBJECT_EX, offsetof(struct cell, object), READONLY, NULL },
    { "_lock", T_OBJECT_EX, offsetof(struct cell, lock), READONLY, NULL },
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct cell, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL },
};

/* ---- Synchronized ---------------------------------------------------------------------------- */

static PyObject *
get_value(PyObject *object, void *unused)
{
    struct cell *self = (struct cell *)object;

    (void)unused;
    if (!hold(self))
        return NULL;
    return let_go(self, self->code != 0 ? load(self->code, self->memory.buf)
                                        : PyObject_GetAttrString(self->object, "value"));
}

static int
set_value(PyObject *object, PyObject *value, void *unused)
{
    struct cell *self = (struct cell *)object;
    PyObject *result = Py_None;

    (void)unused;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the value cannot be deleted");
        return -1;
    }
    if (!hold(self))
        return -1;
    if ((self->code == 0 || !store(self->code, self->memory.buf, value)) &&
        PyObject_SetAttrString(self->object, "value", value) < 0)
        result = NULL;
    Py_XINCREF(result);
    result = let_go(self, result);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
add(PyObject *object, PyObject *number)
{
    struct cell *self = (struct cell *)object;
    PyObject *result = NULL;

    if (self->code == 0) {
        PyErr_SetString(PyExc_TypeError, "only to a number of C can be added");
        return NULL;
    }
    if (!hold(self))
        return NULL;
    if (increase(self->code, self->memory.buf, number))
        result = load(self->code, self->memory.buf);
    return let_go(self, result);
}

static PyMethodDef cell_methods[] = {
    COMMON_METHODS,
    { "add", add, METH_O,
      "add(number)\n--\n\n"
      "Adds in one step, and gives the sum.  The standard has no such method: there `v.value += "
      "n`\n"
      "is two steps, between which others may come.  OverflowError, and nothing changed, if the\n"
      "sum of ints does not fit." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef cell_getset[] = {
    { "value", get_value, set_value, "The value, read and written with the lock held.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot cell_slots[] = {
    COMMON_SLOTS,
    { Py_tp_methods, (void *)cell_methods },
    { Py_tp_getset, (void *)cell_getset },
    { Py_tp_doc, "A ctypes value in shared memory, and the lock around each access." },
    { 0, NULL },
};

PyType_Spec standard_cell_spec = {
    .name = "kith._core.StandardCell",
    .basicsize = sizeof(struct cell),
    .flags = COMMON_FLAGS,
    .slots = cell_slots,
};

/* ---- SynchronizedArray ----------------------------------------------------------------------- */

static Py_ssize_t
length(PyObject *object)
{
    return ((struct cell *)object)->length;
}

/* The place of an int index in memory; NULL: not one, or out of range, which ctypes says. */
static void *
place_of(const struct cell *self, PyObject *index)
{
    Py_ssize_t at;

    if (self->code == 0 || !PyLong_CheckExact(index))
        return NULL;
    at = PyLong_AsSsize_t(index);
    if (at == -1 && PyErr_Occurred() != NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (at < 0)
        at += self->length;
    return at < 0 || at >= self->length
               ? NULL
               : (char *)self->memory.buf + at * (self->memory.len / self->length);
}

static PyObject *
subscript(PyObject *object, PyObject *index)
{
    struct cell *self = (struct cell *)object;
    void *at = place_of(self, index);

    if (!hold(self))
        return NULL;
    return let_go(self, at != NULL ? load(self->code, at) : PyObject_GetItem(self->object, index));
}

static int
set_subscript(PyObject *object, PyObject *index, PyObject *value)
{
    struct cell *self = (struct cell *)object;
    void *at = place_of(self, index);
    PyObject *result = Py_None;

    if (!hold(self))
        return -1;
    if (value == NULL)
        result = PyObject_DelItem(self->object, index) < 0 ? NULL : Py_None;
    else if ((at == NULL || !store(self->code, at, value)) &&
             PyObject_SetItem(self->object, index, value) < 0)
        result = NULL;
    Py_XINCREF(result);
    result = let_go(self, result);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
item(PyObject *object, Py_ssize_t at)
{
    PyObject *index = PyLong_FromSsize_t(at);
    PyObject *result = index == NULL ? NULL : subscript(object, index);

    Py_XDECREF(index);
    return result;
}

static PyMethodDef array_methods[] = {
    COMMON_METHODS,
    { NULL, NULL, 0, NULL },
};

static PyType_Slot array_slots[] = {
    COMMON_SLOTS,
    { Py_tp_methods, (void *)array_methods },
    { Py_mp_length, (void *)length },
    { Py_mp_subscript, (void *)subscript },
    { Py_mp_ass_subscript, (void *)set_subscript },
    { Py_sq_length, (void *)length },
    { Py_sq_item, (void *)item },
    { Py_tp_doc, "A ctypes array in shared memory, and the lock around each access." },
    { 0, NULL },
};

PyType_Spec standard_array_spec = {
    .name = "kith._core.StandardArray",
    .basicsize = sizeof(struct cell),
    .flags = COMMON_FLAGS,
    .slots = array_slots,
};
