/*
 * counts.c - d.counts: the ints of a dict as counters.
 *
 * counts[k] gives a Count, an int that remembers its cell.  A Count plus or minus an int is a Count
 * with the difference; assigned back to its cell, it is one atomic addition of that difference, so
 * that `counts[k] += 1` loses nothing.  Any other int that is assigned is plainly set.
 *
 * LAYOUT of a Count: an int, whose digits stand at its end, with room for DIGITS of them; and
 * behind that room what it remembers.  The int is made by int's own constructor, whose allocation
 * is ours and asks for more.
 */
#include "dict.h"

/* Digits of 30 bits: as many as an int64_t and a sum of two of them take, and one for alignment. */
#define DIGITS 4

struct counts {
    PyObject_HEAD
    PyObject *dict;
};

struct memory {
    PyObject *dict;
    PyObject *key;
    int64_t difference;
};

#define MEMORY_AT ((size_t)PyLong_Type.tp_basicsize + DIGITS * sizeof(digit))

static struct memory *
memory_of(PyObject *count)
{
    return (struct memory *)(void *)((char *)count + ((MEMORY_AT + 7) & ~(size_t)7));
}

/* ---- a count ---- */

static PyObject *
allocate(PyTypeObject *type, Py_ssize_t digits)
{
    Py_ssize_t room = DIGITS + (Py_ssize_t)(sizeof(struct memory) / sizeof(digit)) + 2;
    PyVarObject *self;

    if (digits > DIGITS) {
        PyErr_SetString(failures[OUT_OF_RANGE], "A count does not fit 64 bits.");
        return NULL;
    }
    self = (PyVarObject *)PyType_GenericAlloc(type, room);
    if (self != NULL)
        Py_SET_SIZE(self, digits);
    return (PyObject *)self;
}

/* The int `number`, which is taken, as a Count of that cell. */
static PyObject *
count_new(PyObject *number, PyObject *dict, PyObject *key, int64_t difference)
{
    PyObject *arguments, *count;
    struct memory *memory;

    if (number == NULL)
        return NULL;
    arguments = PyTuple_Pack(1, number);
    Py_DECREF(number);
    if (arguments == NULL)
        return NULL;
    count = PyLong_Type.tp_new(count_type, arguments, NULL);
    Py_DECREF(arguments);
    if (count == NULL)
        return NULL;
    memory = memory_of(count);
    memory->dict = Py_NewRef(dict);
    memory->key = Py_NewRef(key);
    memory->difference = difference;
    return count;
}

static void
count_dealloc(PyObject *count)
{
    PyTypeObject *type = Py_TYPE(count);
    struct memory *memory = memory_of(count);

    Py_XDECREF(memory->dict);
    Py_XDECREF(memory->key);
    type->tp_free(count);
    Py_DECREF(type);
}

/*
 * A difference of more than 64 bits is none that could be added to a cell, so the sum is a plain
 * int.  Assigned back, as `+=` does, it would set the cell, where others may have added; so for
 * that, if it is a number that could be set, it is refused.
 */
static PyObject *
plain(PyObject *sum, bool in_place)
{
    int overflow = 1;

    if (in_place)
        PyLong_AsLongLongAndOverflow(sum, &overflow);
    if (overflow != 0)
        return sum;
    Py_DECREF(sum);
    PyErr_SetString(failures[OUT_OF_RANGE], "A count changes by 64 bits at most.");
    return NULL;
}

static PyObject *
plus(PyObject *count, PyObject *other, int sign, bool in_place)
{
    binaryfunc of_int =
        sign > 0 ? PyLong_Type.tp_as_number->nb_add : PyLong_Type.tp_as_number->nb_subtract;
    struct memory *memory = memory_of(count);
    PyObject *sum = of_int(count, other);
    int64_t n, difference;
    int overflow;

    if (sum == NULL || !PyLong_CheckExact(other))
        return sum;
    n = PyLong_AsLongLongAndOverflow(other, &overflow);
    if (overflow != 0 || (sign > 0 ? __builtin_add_overflow(memory->difference, n, &difference)
                                   : __builtin_sub_overflow(memory->difference, n, &difference)))
        return plain(sum, in_place);
    return count_new(sum, memory->dict, memory->key, difference);
}

static PyObject *
added(PyObject *left, PyObject *right, bool in_place)
{
    if (Py_TYPE(left) == count_type)
        return plus(left, right, 1, in_place);
    return Py_TYPE(right) == count_type ? plus(right, left, 1, in_place)
                                        : PyLong_Type.tp_as_number->nb_add(left, right);
}

static PyObject *
count_add(PyObject *left, PyObject *right)
{
    return added(left, right, false);
}

static PyObject *
count_add_in_place(PyObject *left, PyObject *right)
{
    return added(left, right, true);
}

static PyObject *
subtracted(PyObject *left, PyObject *right, bool in_place)
{
    if (Py_TYPE(left) == count_type)
        return plus(left, right, -1, in_place);
    return PyLong_Type.tp_as_number->nb_subtract(left, right);
}

static PyObject *
count_subtract(PyObject *left, PyObject *right)
{
    return subtracted(left, right, false);
}

static PyObject *
count_subtract_in_place(PyObject *left, PyObject *right)
{
    return subtracted(left, right, true);
}

static PyObject *
count_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("(O(N))", &PyLong_Type, PyNumber_Long(self));
}

static PyMethodDef count_methods[] = {
    { "__reduce__", count_reduce, METH_NOARGS, "Pickles as a plain int." }, METHODS_END
};

static PyType_Slot count_slots[] = {
    { Py_tp_doc, "An int that remembers its cell in a dict; made by Dict.counts[key].\n\n"
                 "Plus or minus an int, and assigned back, it is one atomic addition.\n" },
    { Py_tp_alloc, (void *)allocate },
    { Py_tp_dealloc, (void *)count_dealloc },
    { Py_tp_methods, count_methods },
    { Py_nb_add, (void *)count_add },
    { Py_nb_subtract, (void *)count_subtract },
    { Py_nb_inplace_add, (void *)count_add_in_place },
    { Py_nb_inplace_subtract, (void *)count_subtract_in_place },
    { 0, NULL }
};

PyType_Spec count_spec = {
    .name = "kith.Count", .basicsize = 0, .itemsize = 0, .flags = HANDLE_FLAGS, .slots = count_slots
};

/* ---- the counts of a dict ---- */

PyObject *
dict_counts(PyObject *self, void *unused)
{
    struct counts *counts = PyObject_New(struct counts, counts_type);

    (void)unused;
    if (counts != NULL)
        counts->dict = Py_NewRef(self);
    return (PyObject *)counts;
}

static void
counts_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_DECREF(((struct counts *)object)->dict);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *
counts_subscript(PyObject *object, PyObject *key)
{
    PyObject *self = ((struct counts *)object)->dict;
    struct encoded encoded;
    struct kith_buf other, *buf;
    int64_t number = 0;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_get(dict, encoded.item, buf);
    encoded_free(&encoded);
    if (err >= 0 && buf->item.type == KITH_TYPE_INT) {
        number = buf->item.integer;
    } else if (err >= 0 && buf->item.type == KITH_TYPE_BOOL) {
        number = buf->item.boolean;
    } else if (err >= 0) {
        PyErr_Format(failures[KIND], "What stands at %R is no int of 64 bits, and is not counted.",
                     key);
        err = KITH_ETYPE;
    }
    buffer_give(buf);
    if (err < 0 && err != KITH_ENOENT)
        return raise_error(err);
    return count_new(PyLong_FromLongLong(number), self, key, 0);
}

/* Whether `count` is of this cell. */
static int
is_of(PyObject *self, PyObject *key, PyObject *count)
{
    struct memory *memory = memory_of(count);

    if (memory->dict != self)
        return 0;
    return memory->key == key ? 1 : PyObject_RichCompareBool(memory->key, key, Py_EQ);
}

static int
counts_ass_subscript(PyObject *object, PyObject *key, PyObject *value)
{
    PyObject *self = ((struct counts *)object)->dict;
    struct encoded encoded;
    int64_t number;
    int same = 0;
    kith_err err;
    OPEN_OR(kith_dict, dict, self, -1);

    if (value == NULL)
        return PyObject_DelItem(self, key);
    if (Py_TYPE(value) == count_type) {
        same = is_of(self, key, value);
        if (same < 0)
            return -1;
    }
    if (same)
        number = memory_of(value)->difference;
    else if (!int64_of(value, &number))
        return -1;
    if (!encode_key(key, &encoded))
        return -1;
    err = same ? kith_dict_add(dict, encoded.item, number, NULL)
               : kith_dict_set(dict, encoded.item, KITH_INT(number));
    encoded_free(&encoded);
    if (err >= 0)
        return 0;
    raise_error(err);
    return -1;
}

static PyObject *
counts_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<counts of %R>", ((struct counts *)object)->dict);
}

static PyType_Slot counts_slots[] = {
    { Py_tp_doc, "The ints of a dict as counters; made by Dict.counts.\n\n"
                 "An absent key counts as 0.  counts[key] += n is one atomic addition.\n\n"
                 ">>> counts = kith.open(\"mem://\").dict().counts\n"
                 ">>> counts[\"a\"] += 1; counts[\"a\"] -= 3; counts[\"a\"]\n"
                 "-2\n"
                 ">>> type(counts[\"a\"]).__mro__[1:], counts[\"a\"] * 2\n"
                 "((<class 'int'>, <class 'object'>), -4)\n" },
    { Py_tp_dealloc, (void *)counts_dealloc },
    { Py_tp_repr, (void *)counts_repr },
    { Py_mp_subscript, (void *)counts_subscript },
    { Py_mp_ass_subscript, (void *)counts_ass_subscript },
    { 0, NULL }
};

PyType_Spec counts_spec = { .name = "kith.Counts",
                            .basicsize = sizeof(struct counts),
                            .flags = HANDLE_FLAGS,
                            .slots = counts_slots };
