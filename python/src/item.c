/*
 * item.c - Python objects as items, and back.
 *
 * Native are None, bool, int, float, str, bytes, and tuples, lists, dicts and sets of these, of
 * exactly these types: a subclass would come back as something else.  A handle is stored as a
 * reference.  All else is pickled if the space was opened with the serializer, and refused if not;
 * without it no pickle is ever loaded, whoever wrote it.
 */
#include "module.h"

/* ---- in ---- */

static bool
refuse_key(PyTypeObject *culprit)
{
    if (culprit == NULL)
        PyErr_SetString(failures[INVALID], "The tuple is nested too deep for a key.");
    else
        PyErr_Format(failures[KIND],
                     "A key is None, a bool, int, float, str, bytes, or a tuple of these; %.200s "
                     "is none of them.",
                     culprit->tp_name);
    return false;
}

static bool
encode_str(PyObject *object, struct encoded *out)
{
    Py_ssize_t size;

    out->item.type = KITH_TYPE_STR;
    out->item.data = PyUnicode_AsUTF8AndSize(object, &size);
    out->item.size = (size_t)size;
    return out->item.data != NULL;
}

static bool
encode_bytes(PyObject *object, struct encoded *out)
{
    out->item.type = KITH_TYPE_BYTES;
    out->item.data = PyBytes_AS_STRING(object);
    out->item.size = (size_t)PyBytes_GET_SIZE(object);
    return true;
}

static bool
encode_int(PyObject *object, struct encoded *out)
{
    int overflow;

    out->item.integer = PyLong_AsLongLongAndOverflow(object, &overflow);
    out->item.type = KITH_TYPE_INT;
    if (overflow == 0)
        return true;
    out->owner = big_int_bytes(object);
    if (out->owner == NULL)
        return false;
    out->item.integer = 0;
    encode_bytes(out->owner, out);
    out->item.type = KITH_TYPE_BIGINT;
    return true;
}

/* As pack(); out->item is set if it worked. */
static int
encode_packed(PyObject *object, bool key, struct encoded *out, PyTypeObject **culprit_out)
{
    struct packer packer = {
        .data = out->small, .capacity = sizeof(out->small), .small = out->small, .key = key
    };
    int packed = pack(&packer, object, 1);

    if (packer.data != packer.small)
        out->memory = packer.data;
    *culprit_out = packer.culprit;
    out->item.type = KITH_TYPE_PACKED;
    out->item.data = packer.data;
    out->item.size = packer.size;
    return packed;
}

bool
encode_key_slowly(PyObject *object, struct encoded *out)
{
    PyTypeObject *culprit;
    int packed;

    /* Keys are compared as Python does it, so a subclass is as good as its base. */
    if (PyUnicode_Check(object))
        return encode_str(object, out);
    if (PyBytes_Check(object))
        return encode_bytes(object, out);
    if (PyBool_Check(object)) {
        out->item.type = KITH_TYPE_BOOL;
        out->item.boolean = object == Py_True;
        return true;
    }
    if (PyLong_Check(object))
        return encode_int(object, out);
    if (PyFloat_Check(object)) {
        out->item.type = KITH_TYPE_FLOAT;
        out->item.real = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (object == Py_None) {
        out->item.type = KITH_TYPE_NONE;
        return true;
    }
    if (!PyTuple_CheckExact(object))
        return refuse_key(Py_TYPE(object));
    packed = encode_packed(object, true, out, &culprit);
    if (packed > 0)
        return true;
    encoded_free(out);
    return packed < 0 ? false : refuse_key(culprit);
}

static bool
is_kind(const PyTypeObject *type)
{
    for (size_t i = 0; kinds[i] != NULL; i++)
        if (*kinds[i]->type == type)
            return true;
    return false;
}

static bool
refuse_item(PyTypeObject *culprit)
{
    if (culprit != NULL && is_kind(culprit))
        /* By itself it would have been a reference. */
        PyErr_Format(failures[KIND],
                     "A %.200s within a tuple, list, dict or set is not stored: a handle becomes a "
                     "reference only if it is the value itself.  Store it so, in a kith.Dict or a "
                     "kith.List.",
                     culprit->tp_name);
    else if (culprit == NULL)
        PyErr_Format(failures[INVALID],
                     "The value is nested deeper than %d, or in itself.  Open the space with "
                     "serializer=\"pickle\" to store it all the same.",
                     KITH_PACKED_DEPTH_MAX);
    else
        PyErr_Format(failures[KIND],
                     "A value of type %.200s is not stored as it is: natively go None, bool, int, "
                     "float, str, bytes, and tuples, lists, dicts and sets of these.  Convert it, "
                     "or open the space with serializer=\"pickle\".",
                     culprit->tp_name);
    return false;
}

/* The memory of what `owner` keeps. */
static bool
borrow(PyObject *owner, struct kith_part *part_out)
{
    Py_buffer buffer;

    if (PyObject_GetBuffer(owner, &buffer, PyBUF_SIMPLE) < 0)
        return false;
    part_out->data = buffer.buf;
    part_out->size = (size_t)buffer.len;
    PyBuffer_Release(&buffer);
    return true;
}

static bool
borrow_parts(PyObject *pieces, struct encoded *out)
{
    size_t count = (size_t)PyTuple_GET_SIZE(pieces);
    struct kith_part *parts = PyMem_New(struct kith_part, count);

    if (parts == NULL) {
        PyErr_NoMemory();
        return false;
    }
    out->memory = (uint8_t *)parts;
    for (size_t i = 0; i < count; i++) {
        if (!borrow(PyTuple_GET_ITEM(pieces, (Py_ssize_t)i), &parts[i]))
            return false;
        out->item.size += parts[i].size;
    }
    out->item.integer = (int64_t)count;
    return true;
}

/* kith/_pickle.py gives the tag and the bytes, in pieces if the caller can store these. */
static bool
encode_pickle(PyObject *object, struct encoded *out, bool in_parts)
{
    PyObject *pair =
        call_lazily("kith._pickle", in_parts ? "dumps_parts" : "dumps", object, NULL, 0, NULL);
    struct kith_part whole;
    PyObject *data;
    bool good;

    if (pair == NULL)
        return false;
    out->owner = pair; /* holds the bytes, too */
    out->item.type = KITH_TYPE_FOREIGN;
    out->item.tag = PyUnicode_AsUTF8(PyTuple_GET_ITEM(pair, 0));
    data = PyTuple_GET_ITEM(pair, 1);
    if (in_parts && PyTuple_GET_SIZE(data) == 1) {
        data = PyTuple_GET_ITEM(data, 0);
        in_parts = false;
    }
    good = out->item.tag != NULL && (in_parts ? borrow_parts(data, out) : borrow(data, &whole));
    if (!good) {
        encoded_free(out);
        return false;
    }
    if (!in_parts) {
        out->item.data = whole.data;
        out->item.size = whole.size;
    }
    return true;
}

static bool
encode_reference(struct space *space, struct handle *handle, struct encoded *out)
{
    if (handle->space != space && PyUnicode_Compare(handle->space->key, space->key) != 0) {
        /* What has an address is found from elsewhere, too. */
        if (space->pickles && strncmp(PyUnicode_AsUTF8(handle->space->address), "mem:", 4) != 0)
            return encode_pickle((PyObject *)handle, out, false);
        PyErr_Format(failures[INVALID],
                     "The %s \"%U\" is of the space \"%U\", and cannot be referred to from "
                     "the space \"%U\".",
                     handle->kind->word, handle->name, handle->space->address, space->address);
        return false;
    }
    out->item = kith_reference(PyUnicode_AsUTF8(handle->name));
    return true;
}

static bool
encode_memoryview(PyObject *object, struct encoded *out)
{
    Py_buffer *buffer;

    /* One of our own, which keeps the memory; that of one that was released is no more. */
    out->owner = PyMemoryView_FromObject(object);
    if (out->owner == NULL)
        return false;
    buffer = PyMemoryView_GET_BUFFER(out->owner);
    out->item.type = KITH_TYPE_BYTES;
    out->item.size = (size_t)buffer->len;
    if (PyBuffer_IsContiguous(buffer, 'C')) {
        out->item.data = buffer->buf;
        return true;
    }
    out->memory = PyMem_Malloc((size_t)buffer->len + 1);
    if (out->memory == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(out->owner);
        return false;
    }
    out->item.data = out->memory;
    if (PyBuffer_ToContiguous(out->memory, buffer, buffer->len, 'C') == 0)
        return true;
    encoded_free(out);
    return false;
}

bool
encode_pickled(PyObject *object, struct encoded *out)
{
    memset(&out->item, 0, sizeof(out->item));
    out->owner = NULL;
    out->memory = NULL;
    return encode_pickle(object, out, false);
}

static bool
encode_any(struct space *space, PyObject *object, struct encoded *out, bool in_parts)
{
    PyTypeObject *type = Py_TYPE(object);
    PyTypeObject *culprit = type;
    struct handle *handle;

    if (type == &PyUnicode_Type)
        return encode_str(object, out);
    if (type == &PyBytes_Type)
        return encode_bytes(object, out);
    if (type == &PyFloat_Type) {
        out->item.type = KITH_TYPE_FLOAT;
        out->item.real = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (object == Py_None) {
        out->item.type = KITH_TYPE_NONE;
        return true;
    }
    if (type == &PyBool_Type) {
        out->item.type = KITH_TYPE_BOOL;
        out->item.boolean = object == Py_True;
        return true;
    }
    if (type == &PyLong_Type)
        return encode_int(object, out);
    if (type == count_type)
        return encode_int(object, out);
    if (type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type ||
        type == &PySet_Type) {
        int packed = encode_packed(object, false, out, &culprit);

        if (packed > 0)
            return true;
        encoded_free(out);
        memset(&out->item, 0, sizeof(out->item));
        out->owner = NULL;
        out->memory = NULL;
        if (packed < 0)
            return false;
    }
    if (type == &PyMemoryView_Type)
        return encode_memoryview(object, out);
    if (type == foreign_type)
        return foreign_item(object, &out->item);
    handle = handle_of(object);
    if (handle != NULL)
        return encode_reference(space, handle, out);
    return space->pickles ? encode_pickle(object, out, in_parts) : refuse_item(culprit);
}

bool
encode_item_slowly(struct space *space, PyObject *object, struct encoded *out)
{
    return encode_any(space, object, out, false);
}

bool
encode_parts_slowly(struct space *space, PyObject *object, struct encoded *out)
{
    return encode_any(space, object, out, true);
}

bool
encode_run(struct space *space, PyObject *sequence, bool keys, struct encoded_run *out)
{
    size_t count;

    memset(out, 0, sizeof(*out));
    out->members = PySequence_Tuple(sequence);
    if (out->members == NULL)
        return false;
    count = (size_t)PyTuple_GET_SIZE(out->members);
    out->items = PyMem_New(struct kith_item, count + 1);
    out->parts = PyMem_New(struct encoded, count + 1);
    if (out->items == NULL || out->parts == NULL) {
        PyErr_NoMemory();
        encoded_run_free(out);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        PyObject *object = PyTuple_GET_ITEM(out->members, (Py_ssize_t)i);
        struct encoded *part = &out->parts[i];

        if (!(keys ? encode_key(object, part) : encode_item(space, object, part))) {
            encoded_run_free(out);
            return false;
        }
        out->items[i] = part->item;
        out->count++;
    }
    return true;
}

void
encoded_run_free(struct encoded_run *run)
{
    for (size_t i = 0; i < run->count; i++)
        encoded_free(&run->parts[i]);
    PyMem_Free(run->items);
    PyMem_Free(run->parts);
    Py_CLEAR(run->members);
    run->count = 0;
}

/* ---- out ---- */

static PyObject *
decode_foreign(struct space *space, const struct kith_item *item)
{
    PyObject *data, *tag, *result = NULL;

    if (!space->pickles || strncmp(item->tag, "python/pickle", 13) != 0)
        return foreign_new(item->tag, item->data, item->size);
    data =
        PyMemoryView_FromMemory((char *)(uintptr_t)item->data, (Py_ssize_t)item->size, PyBUF_READ);
    tag = PyUnicode_FromString(item->tag);
    if (data != NULL && tag != NULL)
        result = call_lazily("kith._pickle", "loads", tag, &data, 1, NULL);
    Py_XDECREF(data);
    Py_XDECREF(tag);
    return result;
}

static PyObject *
decode_reference(struct space *space, const struct kith_item *item)
{
    PyObject *name, *handle;

    if (space->open == NULL) {
        PyErr_Format(failures[CLOSED], "The space \"%U\" of what is referred to was closed.",
                     space->address);
        return NULL;
    }
    name = PyUnicode_FromStringAndSize(item->data, (Py_ssize_t)item->size);
    handle = name == NULL ? NULL : handle_open(space, name, KITH_KIND_NONE);

    Py_XDECREF(name);
    return handle;
}

PyObject *
decode_slowly(struct space *space, const struct kith_item *item)
{
    switch (item->type) {
    case KITH_TYPE_NONE:
        Py_RETURN_NONE;
    case KITH_TYPE_BOOL:
        return PyBool_FromLong(item->boolean);
    case KITH_TYPE_INT:
        return PyLong_FromLongLong(item->integer);
    case KITH_TYPE_FLOAT:
        return PyFloat_FromDouble(item->real);
    case KITH_TYPE_STR:
        return PyUnicode_DecodeUTF8(item->data, (Py_ssize_t)item->size, NULL);
    case KITH_TYPE_BYTES:
        return PyBytes_FromStringAndSize(item->data, (Py_ssize_t)item->size);
    case KITH_TYPE_BIGINT:
        return big_int(item->data, item->size);
    case KITH_TYPE_PACKED:
        return unpack(space, item->data, item->size);
    case KITH_TYPE_FOREIGN:
        return decode_foreign(space, item);
    case KITH_TYPE_REFERENCE:
        return decode_reference(space, item);
    }
    PyErr_Format(failures[CORRUPT], "An item has the type %d, which is none.", (int)item->type);
    return NULL;
}

/* ---- the buffer ---- */

static struct kith_buf first_buffer;
struct kith_buf *spare_buffer = &first_buffer;
bool spare_is_used;

/*
 * In a forked child.  Another thread of the parent's may have it, or this one decodes what stands
 * in it, as a pickle that forks does; so it stays as it is, and the child has a new one.
 */
void
buffer_after_fork(void)
{
    struct kith_buf *fresh = spare_is_used ? PyMem_Calloc(1, sizeof(*fresh)) : NULL;

    if (fresh != NULL) {
        spare_buffer = fresh;
        spare_is_used = false;
    }
}
