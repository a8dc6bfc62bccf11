/*
 * pack.c - tuples, lists, dicts and sets as MessagePack, as kith/item.h says, and back.
 *
 * Each value is written in its shortest form, so that equal values have equal bytes.  What is read
 * may be anybody's bytes: every length is checked against what is left.
 */
#include "module.h"

enum ext { EXT_TUPLE = 1, EXT_SET = 2, EXT_BIGINT = 3, EXT_FOREIGN = 4 };

/* ---- writing ---- */

static bool
reserve(struct packer *packer, size_t size)
{
    size_t capacity = packer->capacity * 2;
    uint8_t *data;

    if (packer->capacity - packer->size >= size)
        return true;
    if (capacity < packer->size + size)
        capacity = packer->size + size;
    data = PyMem_Malloc(capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(data, packer->data, packer->size);
    if (packer->data != packer->small)
        PyMem_Free(packer->data);
    packer->data = data;
    packer->capacity = capacity;
    return true;
}

/* A head of one byte and a big-endian number of `width` bytes. */
static int
put_head(struct packer *packer, unsigned head, uint64_t number, unsigned width)
{
    if (!reserve(packer, 1 + width))
        return -1;
    packer->data[packer->size++] = (uint8_t)head;
    for (unsigned i = 0; i < width; i++)
        packer->data[packer->size++] = (uint8_t)(number >> 8 * (width - 1 - i));
    return 1;
}

static int
put_bytes(struct packer *packer, const void *data, size_t size)
{
    if (!reserve(packer, size))
        return -1;
    memcpy(packer->data + packer->size, data, size);
    packer->size += size;
    return 1;
}

/* The bytes that a length takes, as a power of 2: 0, 1 or 2. */
static unsigned
width_of(uint64_t number)
{
    if (number <= UINT8_MAX)
        return 0;
    return number <= UINT16_MAX ? 1 : 2;
}

static int
put_integer(struct packer *packer, int64_t n)
{
    if (n >= -32 && n < 128)
        return put_head(packer, (uint8_t)n, 0, 0);
    if (n >= 0) {
        unsigned width = n <= UINT32_MAX ? width_of((uint64_t)n) : 3;

        return put_head(packer, 0xcc + width, (uint64_t)n, 1u << width);
    }
    if (n >= INT8_MIN)
        return put_head(packer, 0xd0, (uint64_t)n, 1);
    if (n >= INT16_MIN)
        return put_head(packer, 0xd1, (uint64_t)n, 2);
    if (n >= INT32_MIN)
        return put_head(packer, 0xd2, (uint64_t)n, 4);
    return put_head(packer, 0xd3, (uint64_t)n, 8);
}

/* The head of an ext before its body, which is `size` bytes. */
static int
put_ext_head(struct packer *packer, enum ext type, size_t size)
{
    int put;

    if (size == 1 || size == 2 || size == 4 || size == 8 || size == 16) {
        unsigned power = (unsigned)__builtin_ctzl(size);

        put = put_head(packer, 0xd4 + power, 0, 0);
    } else {
        put = put_head(packer, 0xc7 + width_of(size), size, 1u << width_of(size));
    }
    return put < 0 ? put : put_head(packer, (unsigned)type, 0, 0);
}

static int
put_float(struct packer *packer, double real)
{
    uint64_t bits;

    memcpy(&bits, &real, sizeof(bits));
    return put_head(packer, 0xcb, bits, 8);
}

static int
too_long(const char *what)
{
    PyErr_Format(PyExc_OverflowError,
                 "%s of 4 GiB or more cannot stand in a tuple, list, dict or "
                 "set that is stored",
                 what);
    return -1;
}

static int
put_str(struct packer *packer, PyObject *object)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    unsigned width;
    int put;

    if (text == NULL)
        return -1;
    if (size > UINT32_MAX)
        return too_long("a str");
    width = width_of((uint64_t)size);
    put = size < 32 ? put_head(packer, 0xa0 | (unsigned)size, 0, 0)
                    : put_head(packer, 0xd9 + width, (uint64_t)size, 1u << width);
    return put < 0 ? put : put_bytes(packer, text, (size_t)size);
}

static int
put_bin(struct packer *packer, PyObject *object)
{
    Py_ssize_t size = PyBytes_GET_SIZE(object);
    unsigned width = width_of((uint64_t)size);
    int put;

    if (size > UINT32_MAX)
        return too_long("bytes");
    put = put_head(packer, 0xc4 + width, (uint64_t)size, 1u << width);
    return put < 0 ? put : put_bytes(packer, PyBytes_AS_STRING(object), (size_t)size);
}

PyObject *
big_int_bytes(PyObject *object)
{
    /* int's own methods: a subclass may have others. */
    PyObject *type = (PyObject *)&PyLong_Type;
    PyObject *bits = PyObject_CallMethod(type, "bit_length", "O", object);
    PyObject *to_bytes = NULL, *arguments = NULL, *keywords = NULL, *bytes = NULL;
    long long count;

    if (bits == NULL)
        return NULL;
    count = PyLong_AsLongLong(bits) / 8 + 1;
    Py_DECREF(bits);
    to_bytes = PyObject_GetAttrString(type, "to_bytes");
    arguments = Py_BuildValue("(OLs)", object, count, "little");
    keywords = Py_BuildValue("{sO}", "signed", Py_True);
    if (to_bytes != NULL && arguments != NULL && keywords != NULL)
        bytes = PyObject_Call(to_bytes, arguments, keywords);
    Py_XDECREF(to_bytes);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return bytes;
}

PyObject *
big_int(const void *data, size_t size)
{
    PyObject *from_bytes = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    PyObject *arguments = Py_BuildValue("(y#s)", data, (Py_ssize_t)size, "little");
    PyObject *keywords = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *number = NULL;

    if (from_bytes != NULL && arguments != NULL && keywords != NULL)
        number = PyObject_Call(from_bytes, arguments, keywords);
    Py_XDECREF(from_bytes);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return number;
}

static int
put_int(struct packer *packer, PyObject *object)
{
    int overflow;
    int64_t n = PyLong_AsLongLongAndOverflow(object, &overflow);
    PyObject *bytes;
    int put;

    if (overflow == 0)
        return put_integer(packer, n);
    bytes = big_int_bytes(object);
    if (bytes == NULL)
        return -1;
    put = put_ext_head(packer, EXT_BIGINT, (size_t)PyBytes_GET_SIZE(bytes));
    if (put > 0)
        put = put_bytes(packer, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return put;
}

/* The head of an array or a map of `count`. */
static int
put_count(struct packer *packer, unsigned small, unsigned large, Py_ssize_t count)
{
    if (count > UINT32_MAX)
        return too_long("a container");
    if (count < 16)
        return put_head(packer, small | (unsigned)count, 0, 0);
    if (count <= UINT16_MAX)
        return put_head(packer, large, (uint64_t)count, 2);
    return put_head(packer, large + 1, (uint64_t)count, 4);
}

static int
put_run(struct packer *packer, PyObject *object, unsigned depth)
{
    int put = put_count(packer, 0x90, 0xdc, PySequence_Fast_GET_SIZE(object));

    for (Py_ssize_t i = 0; put > 0 && i < PySequence_Fast_GET_SIZE(object); i++)
        put = pack(packer, PySequence_Fast_GET_ITEM(object, i), depth + 1);
    return put;
}

/* In the order of their bytes: a set has none, and equal ones are to have equal bytes. */
static int
put_set_members(struct packer *packer, PyObject *object, unsigned depth)
{
    Py_ssize_t count = PySet_GET_SIZE(object), at = 0;
    struct member *members = PyMem_New(struct member, (size_t)count + 1);
    int put = put_count(packer, 0x90, 0xdc, count);
    size_t start = packer->size;
    PyObject *iterator = PyObject_GetIter(object);
    PyObject *member;

    if (members == NULL)
        PyErr_NoMemory();
    while (put > 0 && members != NULL && iterator != NULL && at < count &&
           (member = PyIter_Next(iterator)) != NULL) {
        members[at].at = packer->size - start;
        put = pack(packer, member, depth + 1);
        members[at].size = packer->size - start - members[at].at;
        at++;
        Py_DECREF(member);
    }
    if (put > 0 && !PyErr_Occurred() && !members_sort(members, at, packer->data + start))
        PyErr_NoMemory();
    Py_XDECREF(iterator);
    PyMem_Free(members);
    return PyErr_Occurred() ? -1 : put;
}

/* An ext around an array: its head is known when the array is written, and is put before it. */
static int
put_wrapped(struct packer *packer, PyObject *object, unsigned depth, enum ext type)
{
    size_t start = packer->size;
    size_t size;
    uint8_t head[8];
    struct packer heads = { .data = head, .capacity = sizeof(head), .small = head };
    int put =
        type == EXT_TUPLE ? put_run(packer, object, depth) : put_set_members(packer, object, depth);

    if (put <= 0)
        return put;
    size = packer->size - start;
    if (size > UINT32_MAX)
        return too_long("a tuple or a set");
    if (put_ext_head(&heads, type, size) < 0 || !reserve(packer, heads.size))
        return -1;
    memmove(packer->data + start + heads.size, packer->data + start, size);
    memcpy(packer->data + start, head, heads.size);
    packer->size += heads.size;
    return 1;
}

static int
put_map(struct packer *packer, PyObject *object, unsigned depth)
{
    int put = put_count(packer, 0x80, 0xde, PyDict_GET_SIZE(object));
    Py_ssize_t at = 0;
    PyObject *key, *value;

    while (put > 0 && PyDict_Next(object, &at, &key, &value)) {
        put = pack(packer, key, depth + 1);
        if (put > 0)
            put = pack(packer, value, depth + 1);
    }
    return put;
}

int
pack(struct packer *packer, PyObject *object, unsigned depth)
{
    PyTypeObject *type = Py_TYPE(object);

    if (type == &PyLong_Type)
        return put_int(packer, object);
    if (type == &PyUnicode_Type)
        return put_str(packer, object);
    if (type == &PyFloat_Type)
        return put_float(packer, PyFloat_AS_DOUBLE(object));
    if (object == Py_None)
        return put_head(packer, 0xc0, 0, 0);
    if (type == &PyBool_Type)
        return put_head(packer, object == Py_True ? 0xc3 : 0xc2, 0, 0);
    if (type == &PyBytes_Type)
        return put_bin(packer, object);
    packer->culprit = NULL;
    if (depth > KITH_PACKED_DEPTH_MAX)
        return 0;
    if (type == &PyTuple_Type)
        return put_wrapped(packer, object, depth, EXT_TUPLE);
    packer->culprit = type;
    if (packer->key)
        return 0;
    if (type == &PyList_Type)
        return put_run(packer, object, depth);
    if (type == &PyDict_Type)
        return put_map(packer, object, depth);
    if (type == &PySet_Type)
        return put_wrapped(packer, object, depth, EXT_SET);
    return 0;
}

/* ---- reading ---- */

struct reader {
    struct space *space;
    const uint8_t *at;
    size_t left;
};

static PyObject *read_value(struct reader *reader, unsigned depth);

static PyObject *
malformed(void)
{
    PyErr_SetString(failures[CORRUPT], "A packed item is malformed: it was written by a program "
                                       "that does not keep to kith/item.h.");
    return NULL;
}

static const uint8_t *
take(struct reader *reader, uint64_t size)
{
    const uint8_t *at = reader->at;

    if (size > reader->left) {
        malformed();
        return NULL;
    }
    reader->at += size;
    reader->left -= (size_t)size;
    return at;
}

static bool
take_number(struct reader *reader, unsigned width, uint64_t *number_out)
{
    const uint8_t *at = take(reader, width);
    uint64_t number = 0;

    if (at == NULL)
        return false;
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | at[i];
    *number_out = number;
    return true;
}

static PyObject *
read_str(struct reader *reader, uint64_t size)
{
    const uint8_t *at = take(reader, size);

    return at == NULL ? NULL : PyUnicode_DecodeUTF8((const char *)at, (Py_ssize_t)size, NULL);
}

static PyObject *
read_run(struct reader *reader, uint64_t count, bool tuple, unsigned depth)
{
    PyObject *run;

    /* Each takes a byte or more, which bounds what a liar can claim. */
    if (count > reader->left || depth > KITH_PACKED_DEPTH_MAX)
        return malformed();
    run = tuple ? PyTuple_New((Py_ssize_t)count) : PyList_New((Py_ssize_t)count);
    for (uint64_t i = 0; run != NULL && i < count; i++) {
        PyObject *value = read_value(reader, depth + 1);

        if (value == NULL)
            Py_CLEAR(run);
        else if (tuple)
            PyTuple_SET_ITEM(run, (Py_ssize_t)i, value);
        else
            PyList_SET_ITEM(run, (Py_ssize_t)i, value);
    }
    return run;
}

static PyObject *
read_map(struct reader *reader, uint64_t count, unsigned depth)
{
    PyObject *map;

    if (2 * count > reader->left || depth > KITH_PACKED_DEPTH_MAX)
        return malformed();
    map = PyDict_New();
    for (uint64_t i = 0; map != NULL && i < count; i++) {
        PyObject *key = read_value(reader, depth + 1);
        PyObject *value = key == NULL ? NULL : read_value(reader, depth + 1);

        if (value == NULL || PyDict_SetItem(map, key, value) < 0)
            Py_CLEAR(map);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return map;
}

/* The array that is the body of a tuple or a set, as a tuple. */
static PyObject *
read_wrapped(struct space *space, const uint8_t *data, size_t size, unsigned depth)
{
    struct reader reader = { space, data, size };
    const uint8_t *head = take(&reader, 1);
    uint64_t count;
    PyObject *run;

    if (head == NULL)
        return NULL;
    if (*head >= 0x90 && *head < 0xa0)
        count = *head & 0x0f;
    else if (*head != 0xdc && *head != 0xdd)
        return malformed();
    else if (!take_number(&reader, *head == 0xdc ? 2 : 4, &count))
        return NULL;
    run = read_run(&reader, count, true, depth);
    if (run != NULL && reader.left > 0) {
        Py_DECREF(run);
        return malformed();
    }
    return run;
}

static PyObject *
read_foreign(struct space *space, const uint8_t *data, size_t size)
{
    struct reader reader = { space, data, size };
    const uint8_t *head = take(&reader, 1);
    uint64_t length;
    const uint8_t *text;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith_item item = { .type = KITH_TYPE_FOREIGN, .tag = tag };

    if (head == NULL)
        return NULL;
    length = *head & 0x1f;
    if (*head == 0xd9) {
        if (!take_number(&reader, 1, &length))
            return NULL;
    } else if (*head < 0xa0 || *head >= 0xc0) {
        return malformed();
    }
    if (length == 0 || length > KITH_TAG_SIZE_MAX)
        return malformed();
    text = take(&reader, length);
    if (text == NULL)
        return NULL;
    memcpy(tag, text, (size_t)length);
    tag[length] = '\0';
    item.data = reader.at;
    item.size = reader.left;
    return decode(space, &item);
}

static PyObject *
read_ext(struct reader *reader, unsigned type, uint64_t size, unsigned depth)
{
    const uint8_t *data = take(reader, size);
    PyObject *run, *set;

    if (data == NULL)
        return NULL;
    switch (type) {
    case EXT_TUPLE:
        return read_wrapped(reader->space, data, (size_t)size, depth);
    case EXT_SET:
        run = read_wrapped(reader->space, data, (size_t)size, depth);
        set = run == NULL ? NULL : PySet_New(run);
        Py_XDECREF(run);
        return set;
    case EXT_BIGINT:
        return big_int(data, (size_t)size);
    case EXT_FOREIGN:
        return read_foreign(reader->space, data, (size_t)size);
    default:
        return malformed();
    }
}

static PyObject *
read_float(struct reader *reader, unsigned width)
{
    uint64_t bits;
    uint32_t short_bits;
    float narrow;
    double real;

    if (!take_number(reader, width, &bits))
        return NULL;
    if (width == 8) {
        memcpy(&real, &bits, sizeof(real));
        return PyFloat_FromDouble(real);
    }
    short_bits = (uint32_t)bits;
    memcpy(&narrow, &short_bits, sizeof(narrow));
    return PyFloat_FromDouble((double)narrow);
}

/* Heads from 0xc0 to 0xdf. */
static PyObject *
read_by_code(struct reader *reader, unsigned code, unsigned depth)
{
    uint64_t number, type;
    const uint8_t *at;
    unsigned unused_bits;

    switch (code) {
    case 0xc0:
        Py_RETURN_NONE;
    case 0xc2:
        Py_RETURN_FALSE;
    case 0xc3:
        Py_RETURN_TRUE;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        if (!take_number(reader, 1u << (code - 0xc4), &number))
            return NULL;
        at = take(reader, number);
        return at == NULL ? NULL : PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)number);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        if (!take_number(reader, 1u << (code - 0xc7), &number) || !take_number(reader, 1, &type))
            return NULL;
        return read_ext(reader, (unsigned)type, number, depth);
    case 0xca:
    case 0xcb:
        return read_float(reader, 4u << (code - 0xca));
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        if (!take_number(reader, 1u << (code - 0xcc), &number))
            return NULL;
        return PyLong_FromUnsignedLongLong(number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        if (!take_number(reader, 1u << (code - 0xd0), &number))
            return NULL;
        unused_bits = 64 - (8u << (code - 0xd0));
        return PyLong_FromLongLong((int64_t)(number << unused_bits) >> unused_bits);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        if (!take_number(reader, 1, &type))
            return NULL;
        return read_ext(reader, (unsigned)type, (uint64_t)1 << (code - 0xd4), depth);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_number(reader, 1u << (code - 0xd9), &number) ? read_str(reader, number) : NULL;
    case 0xdc:
    case 0xdd:
        if (!take_number(reader, 2u << (code - 0xdc), &number))
            return NULL;
        return read_run(reader, number, false, depth);
    case 0xde:
    case 0xdf:
        return take_number(reader, 2u << (code - 0xde), &number) ? read_map(reader, number, depth)
                                                                 : NULL;
    default:
        return malformed();
    }
}

static PyObject *
read_value(struct reader *reader, unsigned depth)
{
    const uint8_t *head = take(reader, 1);
    unsigned code;

    if (head == NULL)
        return NULL;
    code = *head;
    if (code < 0x80 || code >= 0xe0)
        return PyLong_FromLong((int8_t)code);
    if (code < 0x90)
        return read_map(reader, code & 0x0f, depth);
    if (code < 0xa0)
        return read_run(reader, code & 0x0f, false, depth);
    if (code < 0xc0)
        return read_str(reader, code & 0x1f);
    return read_by_code(reader, code, depth);
}

PyObject *
unpack(struct space *space, const void *data, size_t size)
{
    struct reader reader = { space, data, size };
    PyObject *value = read_value(&reader, 1);

    if (value != NULL && reader.left > 0) {
        Py_DECREF(value);
        return malformed();
    }
    return value;
}
