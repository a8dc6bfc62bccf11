/*
 * value.c - kith.Value: one typed number, character or structure; and cells of any type, which
 * arrays have, too.
 */
#include "cell.h"

KIND_OPEN(open_value_as, value, KITH_VALUE_OPTIONS_INIT)
const struct kind value_kind = { "value", KITH_KIND_VALUE, &value_type, open_value_as_close,
                                 open_value_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

struct value {
    struct handle handle;
    struct kith_value_info info; /* asked for once; struct_size 0: not yet */
};

/* ---- cells ---- */

static bool
type_of(PyObject *object, char *type_out)
{
    *type_out = 0;
    if (object == NULL || object == Py_None)
        return true;
    if (PyUnicode_Check(object) && PyUnicode_GET_LENGTH(object) == 1) {
        Py_UCS4 code = PyUnicode_READ_CHAR(object, 0);

        if (code < 128 && strchr("bBhHiIlLqQfd?cu", (int)code) != NULL) {
            *type_out = (char)code;
            return true;
        }
    }
    PyErr_Format(failures[INVALID],
                 "A type is one of b B h H i I l L q Q f d ? c u, not %R; for a structure give its "
                 "size in bytes.",
                 object);
    return false;
}

bool
cell_type_of(PyObject *type, PyObject *size, struct cell *cell)
{
    uint64_t bytes;

    if (!type_of(type, &cell->type) || !uint64_of(size, "a size", &bytes))
        return false;
    cell->size = (size_t)bytes;
    if (cell->type == 0 && cell->size == 0)
        cell->type = 'q';
    if (cell->type != 0)
        cell->size = cell_size(cell->type);
    return true;
}

size_t
cell_size(char type)
{
    switch (type) {
    case 'b':
    case 'B':
    case '?':
    case 'c':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'i':
    case 'I':
    case 'f':
    case 'u':
        return 4;
    default:
        return 8;
    }
}

PyObject *
cell_decode(const struct cell *cell, const void *data)
{
    union {
        int8_t b;
        uint8_t B;
        int16_t h;
        uint16_t H;
        int32_t i;
        uint32_t I;
        int64_t q;
        uint64_t Q;
        float f;
        double d;
    } u = { .Q = 0 };

    if (cell->type == 0)
        return PyBytes_FromStringAndSize(data, (Py_ssize_t)cell->size);
    memcpy(&u, data, cell->size);
    switch (cell->type) {
    case 'b':
        return PyLong_FromLong(u.b);
    case 'B':
        return PyLong_FromLong(u.B);
    case 'h':
        return PyLong_FromLong(u.h);
    case 'H':
        return PyLong_FromLong(u.H);
    case 'i':
        return PyLong_FromLong(u.i);
    case 'I':
        return PyLong_FromUnsignedLong(u.I);
    case 'l':
    case 'q':
        return PyLong_FromLongLong(u.q);
    case 'L':
    case 'Q':
        return PyLong_FromUnsignedLongLong(u.Q);
    case 'f':
        return PyFloat_FromDouble((double)u.f);
    case 'd':
        return PyFloat_FromDouble(u.d);
    case '?':
        return PyBool_FromLong(u.B != 0);
    case 'c':
        return PyBytes_FromStringAndSize(data, 1);
    default:
        if (u.I > 0x10ffff) {
            PyErr_Format(failures[CORRUPT], "The code point %u is none.", u.I);
            return NULL;
        }
        return PyUnicode_FromOrdinal((int)u.I);
    }
}

static bool
out_of_range(const struct cell *cell, PyObject *object)
{
    PyErr_Format(failures[OUT_OF_RANGE], "%R is out of the range of the type \"%c\".", object,
                 cell->type);
    return false;
}

static bool
encode_integer(const struct cell *cell, PyObject *object, void *data_out)
{
    static const struct {
        char type;
        int64_t least, most;
    } ranges[] = { { 'b', INT8_MIN, INT8_MAX },   { 'B', 0, UINT8_MAX },
                   { 'h', INT16_MIN, INT16_MAX }, { 'H', 0, UINT16_MAX },
                   { 'i', INT32_MIN, INT32_MAX }, { 'I', 0, UINT32_MAX } };
    PyObject *index = PyNumber_Index(object);
    int overflow;
    int64_t n;

    if (index == NULL)
        return false;
    n = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (cell->type == 'Q' || cell->type == 'L') {
        uint64_t natural = PyLong_AsUnsignedLongLong(index);

        Py_DECREF(index);
        if (natural == UINT64_MAX && PyErr_Occurred()) {
            PyErr_Clear();
            return out_of_range(cell, object);
        }
        memcpy(data_out, &natural, sizeof(natural));
        return true;
    }
    Py_DECREF(index);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (ranges[i].type == cell->type && (n < ranges[i].least || n > ranges[i].most))
            overflow = 1;
    }
    if (overflow != 0)
        return out_of_range(cell, object);
    memcpy(data_out, &n, cell->size); /* little-endian */
    return true;
}

static bool
encode_character(const struct cell *cell, PyObject *object, void *data_out)
{
    uint32_t code;

    if (cell->type == 'c') {
        if (PyBytes_Check(object) && PyBytes_GET_SIZE(object) == 1) {
            memcpy(data_out, PyBytes_AS_STRING(object), 1);
            return true;
        }
        PyErr_SetString(failures[KIND], "The type \"c\" takes bytes of the length 1.");
        return false;
    }
    if (!PyUnicode_Check(object) || PyUnicode_GET_LENGTH(object) != 1) {
        PyErr_SetString(failures[KIND], "The type \"u\" takes a str of the length 1.");
        return false;
    }
    code = PyUnicode_READ_CHAR(object, 0);
    memcpy(data_out, &code, sizeof(code));
    return true;
}

static bool
encode_structure(const struct cell *cell, PyObject *object, void *data_out)
{
    Py_buffer buffer;
    bool good;

    if (PyObject_GetBuffer(object, &buffer, PyBUF_SIMPLE) < 0)
        return false;
    good = (size_t)buffer.len == cell->size;
    if (good)
        memcpy(data_out, buffer.buf, cell->size);
    else
        PyErr_Format(failures[INVALID], "The structure has %zu bytes, and %zd are given.",
                     cell->size, buffer.len);
    PyBuffer_Release(&buffer);
    return good;
}

bool
cell_encode(const struct cell *cell, PyObject *object, void *data_out)
{
    double real;
    float narrow;
    int truth;

    switch (cell->type) {
    case 0:
        return encode_structure(cell, object, data_out);
    case 'f':
    case 'd':
        real = PyFloat_AsDouble(object);
        if (real == -1.0 && PyErr_Occurred())
            return false;
        narrow = (float)real;
        if (cell->type == 'f')
            memcpy(data_out, &narrow, sizeof(narrow));
        else
            memcpy(data_out, &real, sizeof(real));
        return true;
    case '?':
        truth = PyObject_IsTrue(object);
        *(uint8_t *)data_out = truth > 0;
        return truth >= 0;
    case 'c':
    case 'u':
        return encode_character(cell, object, data_out);
    default:
        return encode_integer(cell, object, data_out);
    }
}

/* ---- values ---- */

PyObject *
value_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*",       "create",        "exclusive", "type",
                                         "size", "initial", "transactional", NULL };
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    struct cell cell;
    PyObject *values[7];
    uint8_t small[64], *initial = small;
    kith_value *value = NULL;
    kith_err err;

    if (!arguments("value", names, 0, args, count, keywords, values) ||
        !cell_type_of(values[3], values[4], &cell) ||
        !flag_of(values[6], false, &options.transactional))
        return NULL;
    options.type = cell.type;
    options.size = cell.size;
    if (values[5] != NULL && values[5] != Py_None) {
        if (cell.size > sizeof(small))
            initial = PyMem_Malloc(cell.size);
        if (initial == NULL)
            return PyErr_NoMemory();
        options.initial = initial;
        if (!cell_encode(&cell, values[5], initial)) {
            if (initial != small)
                PyMem_Free(initial);
            return NULL;
        }
    }
    if (!opener_begin(&opener, space, values[0], values[1], values[2])) {
        if (initial != small)
            PyMem_Free(initial);
        return NULL;
    }
    options.create = opener.create;
    err = kith_value_open(space->open, opener.text, &options, &value);
    if (initial != small)
        PyMem_Free(initial);
    return opener_end(&opener, &value_kind, space, err, value);
}

/* The cell, and memory for one of it: `small`, or what PyMem_Free() takes. */
static bool
cell_of(PyObject *self, struct cell *cell)
{
    struct value *value = (struct value *)self;

    if (value->info.struct_size == 0) {
        struct kith_value_info info = KITH_VALUE_INFO_INIT;
        kith_err err;
        OPEN_OR(kith_value, open, self, false);

        err = kith_value_info(open, &info);
        if (err < 0) {
            raise_error(err);
            return false;
        }
        value->info = info;
    }
    cell->type = value->info.type;
    cell->size = value->info.size;
    return true;
}

#define IS_REAL(cell) ((cell).type == 'f' || (cell).type == 'd')
/* Of those the library speaks of the int64_t with the same bits. */
#define IS_LARGE(cell) ((cell).type == 'Q' || (cell).type == 'L')

struct memory {
    uint8_t *at;
    uint8_t small[64];
};

static bool
memory_of(struct memory *memory, size_t size)
{
    memory->at = size <= sizeof(memory->small) ? memory->small : PyMem_Malloc(size);
    if (memory->at == NULL)
        PyErr_NoMemory();
    return memory->at != NULL;
}

static void
memory_free(struct memory *memory)
{
    if (memory->at != memory->small)
        PyMem_Free(memory->at);
}

static PyObject *
method_get(PyObject *self, PyObject *unused)
{
    struct cell cell;
    struct memory memory;
    PyObject *result;
    kith_err err;
    OPEN(kith_value, value, self);

    (void)unused;
    if (!cell_of(self, &cell) || !memory_of(&memory, cell.size))
        return NULL;
    err = kith_value_get(value, memory.at, cell.size);
    result = err < 0 ? raise_error(err) : cell_decode(&cell, memory.at);
    memory_free(&memory);
    return result;
}

/* Sets it; gives the old one if `exchange`. */
static PyObject *
set(PyObject *self, PyObject *object, bool exchange)
{
    struct cell cell;
    struct memory memory;
    PyObject *result = NULL;
    kith_err err;
    OPEN(kith_value, value, self);

    if (!cell_of(self, &cell) || !memory_of(&memory, cell.size))
        return NULL;
    if (cell_encode(&cell, object, memory.at)) {
        err = exchange ? kith_value_exchange(value, memory.at, memory.at, cell.size)
                       : kith_value_set(value, memory.at, cell.size);
        if (err < 0)
            raise_error(err);
        else
            result = exchange ? cell_decode(&cell, memory.at) : Py_NewRef(Py_None);
    }
    memory_free(&memory);
    return result;
}

static PyObject *
method_set(PyObject *self, PyObject *object)
{
    return set(self, object, false);
}

static PyObject *
method_exchange(PyObject *self, PyObject *object)
{
    return set(self, object, true);
}

static PyObject *
method_cas(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "expected", "value", NULL };
    PyObject *values[2], *result = NULL;
    struct cell cell;
    struct memory expected, memory;
    OPEN(kith_value, value, self);

    if (!arguments("cas", names, 2, args, count, keywords, values) || !cell_of(self, &cell) ||
        !memory_of(&expected, cell.size))
        return NULL;
    if (!memory_of(&memory, cell.size)) {
        memory_free(&expected);
        return NULL;
    }
    if (cell_encode(&cell, values[0], expected.at) && cell_encode(&cell, values[1], memory.at))
        result = answer(kith_value_cas(value, expected.at, memory.at, cell.size), KITH_ECONFLICT);
    memory_free(&expected);
    memory_free(&memory);
    return result;
}

static PyObject *
method_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "old", "timeout", NULL };
    PyObject *values[2];
    struct cell cell;
    struct memory memory;
    struct wait wait;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_value, value, self);

    if (!arguments("wait", names, 1, args, count, keywords, values) ||
        !timeout_of(values[1], &timeout_ns) || !cell_of(self, &cell) ||
        !memory_of(&memory, cell.size))
        return NULL;
    if (!cell_encode(&cell, values[0], memory.at)) {
        memory_free(&memory);
        return NULL;
    }
    WAIT(&wait, SPACE_OF(self), err, kith_value_wait(value, memory.at, cell.size, timeout_ns));
    memory_free(&memory);
    return answer(err, KITH_ETIMEDOUT);
}

/* ---- numbers ---- */

typedef kith_err change_int(kith_value *value, int64_t n, int64_t *now_out);
typedef kith_err change_float(kith_value *value, double n, double *now_out);

static PyObject *
change(PyObject *self, PyObject *operand, change_int *by_int, change_float *by_float)
{
    struct cell cell;
    int64_t n, now;
    double real, real_now;
    kith_err err;
    OPEN(kith_value, value, self);

    if (!cell_of(self, &cell))
        return NULL;
    if (IS_REAL(cell) && by_float != NULL) {
        real = PyFloat_AsDouble(operand);
        if (real == -1.0 && PyErr_Occurred())
            return NULL;
        err = by_float(value, real, &real_now);
        return err < 0 ? raise_error(err) : PyFloat_FromDouble(real_now);
    }
    if (!int64_of(operand, &n)) {
        uint64_t natural;

        if (!IS_LARGE(cell) || !PyErr_ExceptionMatches(PyExc_OverflowError))
            return NULL;
        PyErr_Clear();
        natural = PyLong_AsUnsignedLongLong(operand);
        if (natural == UINT64_MAX && PyErr_Occurred())
            return NULL;
        n = (int64_t)natural;
    }
    err = by_int(value, n, &now);
    if (err < 0)
        return raise_error(err);
    return IS_LARGE(cell) ? PyLong_FromUnsignedLongLong((uint64_t)now) : PyLong_FromLongLong(now);
}

static PyObject *
method_add(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *one, *now;

    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "add() takes at most 1 argument (%zd given)", count);
        return NULL;
    }
    if (count == 1)
        return change(self, args[0], kith_value_add, kith_value_add_float);
    one = PyLong_FromLong(1);
    now = one == NULL ? NULL : change(self, one, kith_value_add, kith_value_add_float);
    Py_XDECREF(one);
    return now;
}

#define CHANGE(name, by_int, by_float)                                                             \
    static PyObject *name(PyObject *self, PyObject *operand)                                       \
    {                                                                                              \
        return change(self, operand, by_int, by_float);                                            \
    }
CHANGE(method_sub, kith_value_sub, kith_value_sub_float)
CHANGE(method_min, kith_value_min, kith_value_min_float)
CHANGE(method_max, kith_value_max, kith_value_max_float)
CHANGE(method_and, kith_value_and, NULL)
CHANGE(method_or, kith_value_or, NULL)
CHANGE(method_xor, kith_value_xor, NULL)

/* ---- attributes ---- */

static PyObject *
get_value(PyObject *self, void *unused)
{
    (void)unused;
    return method_get(self, NULL);
}

static int
set_value(PyObject *self, PyObject *object, void *unused)
{
    PyObject *result;

    (void)unused;
    if (object == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the value of a kith.Value cannot be deleted");
        return -1;
    }
    result = set(self, object, false);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
get_type(PyObject *self, void *unused)
{
    struct cell cell;

    (void)unused;
    if (!cell_of(self, &cell))
        return NULL;
    if (cell.type == 0)
        Py_RETURN_NONE;
    return PyUnicode_FromStringAndSize(&cell.type, 1);
}

static PyObject *
get_size(PyObject *self, void *unused)
{
    struct cell cell;

    (void)unused;
    return cell_of(self, &cell) ? PyLong_FromSize_t(cell.size) : NULL;
}

LAZY_METHOD(method_await_change, "kith._asyncio", "value_wait")

static PyGetSetDef getset[] = {
    { "value", get_value, set_value, "What it is now; assigning sets it.", NULL },
    { "type", get_type, NULL, "Its type code, a str; None of a structure.", NULL },
    { "itemsize", get_size, NULL, "Its bytes: an int.", NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef methods[] = {
    { "get", method_get, METH_NOARGS, "get($self)\n--\n\nWhat it is now." },
    { "set", method_set, METH_O,
      "set($self, value, /)\n--\n\nSets it.\n\nRangeError: it is none of the type." },
    { "exchange", method_exchange, METH_O,
      "exchange($self, value, /)\n--\n\nSets it, and gives what it was before." },
    { "cas", FAST(method_cas),
      "cas($self, expected, value)\n--\n\nSets it if it is `expected`: whether that was so, a "
      "bool." },
    { "wait", FAST(method_wait),
      "wait($self, old, timeout=None)\n--\n\nWaits until it is not `old`: whether that came within "
      "`timeout` seconds, a bool." },
    { "fileno", handle_fileno, METH_NOARGS,
      "fileno($self)\n--\n\nA descriptor that is readable when it changes after this call, for "
      "selectors: an int." },
    { "await_change", FAST(method_await_change),
      "await_change($self, old, timeout=None)\n--\n\nwait() for asyncio: a coroutine." },
    { "add", (PyCFunction)(void (*)(void))method_add, METH_FASTCALL,
      "add($self, n=1, /)\n--\n\nAdds n in one step, and gives the sum.\n\nRangeError: the sum is "
      "none of the type; KindError: it is no number.\n\n"
      ">>> v = kith.open(\"mem://\").value(type=\"i\")\n>>> v.add(), v.add(41)\n(1, 42)\n" },
    { "sub", method_sub, METH_O, "sub($self, n, /)\n--\n\nTakes n away, and gives the rest." },
    { "min", method_min, METH_O,
      "min($self, n, /)\n--\n\nThe smaller of it and n takes its place." },
    { "max", method_max, METH_O,
      "max($self, n, /)\n--\n\nThe larger of it and n takes its place." },
    { "and_", method_and, METH_O, "and_($self, n, /)\n--\n\nBits in both; gives the result." },
    { "or_", method_or, METH_O, "or_($self, n, /)\n--\n\nBits in either; gives the result." },
    { "xor", method_xor, METH_O, "xor($self, n, /)\n--\n\nBits in one alone; gives the result." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "One typed number, character or structure that processes share; made by Space.value().\n\n"
      ">>> v = kith.open(\"mem://\").value(type=\"d\", initial=1.5)\n"
      ">>> v.add(1), v.exchange(7), v.value\n"
      "(2.5, 2.5, 7.0)\n"
      ">>> v.cas(7.0, 8.0), v.get()\n"
      "(True, 8.0)\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, getset },
    { Py_tp_methods, methods },
    { 0, NULL }
};

PyType_Spec value_spec = {
    .name = "kith.Value", .basicsize = sizeof(struct value), .flags = HANDLE_FLAGS, .slots = slots
};

bool
value_encode(PyObject *object, PyObject *operand, kith_value **value_out, void *data_out,
             size_t capacity, size_t *size_out, char *type_out)
{
    struct cell cell;
    OPEN_OR(kith_value, value, object, false);

    if (!cell_of(object, &cell))
        return false;
    if (cell.size > capacity) {
        PyErr_Format(failures[TOO_BIG], "A structure of %zu bytes is too large for a transaction.",
                     cell.size);
        return false;
    }
    *value_out = value;
    *size_out = cell.size;
    *type_out = cell.type;
    return operand == NULL || cell_encode(&cell, operand, data_out);
}
