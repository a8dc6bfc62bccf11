/*
 * txn.c - kith.Txn: several operations on objects of one space, all or nothing.
 */
#include "cell.h"

struct txn {
    PyObject_HEAD
    struct space *space; /* owned */
    kith_txn *open;      /* NULL once it was committed or discarded */
    PyObject *kept;      /* list of the handles that it was given, which stay open until then */
    PyObject *leases;    /* list of those that it acknowledges */
    PyObject *weak;
};

PyObject *
txn_open(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { NULL };
    struct space *space = (struct space *)object;
    struct txn *self;
    kith_err err;

    if (!arguments("txn", names, 0, args, count, keywords, NULL))
        return NULL;
    if (space->open == NULL) {
        PyErr_Format(failures[CLOSED], "The space \"%U\" was closed.", space->address);
        return NULL;
    }
    self = (struct txn *)txn_type->tp_alloc(txn_type, 0);
    if (self == NULL)
        return NULL;
    self->space = (struct space *)Py_NewRef(space);
    self->kept = PyList_New(0);
    self->leases = PyList_New(0);
    if (self->kept == NULL || self->leases == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    err = kith_txn_begin(space->open, &self->open);
    if (err >= 0)
        return (PyObject *)self;
    Py_DECREF(self);
    return raise_error(err);
}

static void
dealloc(PyObject *object)
{
    struct txn *self = (struct txn *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->space->open != NULL)
        kith_txn_discard(self->open);
    Py_XDECREF(self->kept);
    Py_XDECREF(self->leases);
    Py_DECREF(self->space);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The library's transaction, if it is still being built. */
static kith_txn *
building(PyObject *object)
{
    struct txn *self = (struct txn *)object;

    if (self->open == NULL)
        PyErr_SetString(failures[INVALID], "The transaction was committed, or discarded, before.");
    else if (self->space->open == NULL)
        PyErr_Format(failures[CLOSED], "The space \"%U\" was closed.", self->space->address);
    else
        return self->open;
    return NULL;
}

/* The library's handle of `object`, which must be of `type`; it is kept until the end. */
static void *
keep(PyObject *self, PyObject *object, PyTypeObject *type)
{
    struct handle *handle = (struct handle *)object;

    if (Py_TYPE(object) != type) {
        PyErr_Format(PyExc_TypeError, "a %s is needed, not %.100s", type->tp_name,
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    if (handle->open == NULL) {
        raise_closed(handle);
        return NULL;
    }
    return PyList_Append(((struct txn *)self)->kept, object) < 0 ? NULL : handle->open;
}

/* ---- dicts ---- */

typedef kith_err with_item(kith_txn *txn, kith_dict *dict, struct kith_item key,
                           struct kith_item item);
typedef kith_err with_key(kith_txn *txn, kith_dict *dict, struct kith_item key);

static PyObject *
build_with_item(const char *function, PyObject *self, PyObject *const *args, Py_ssize_t count,
                PyObject *keywords, with_item *build)
{
    static const char *const names[] = { "dict", "key", "value", NULL };
    struct encoded key, item;
    PyObject *values[3];
    kith_dict *dict;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL || !arguments(function, names, 3, args, count, keywords, values))
        return NULL;
    dict = keep(self, values[0], dict_type);
    if (dict == NULL || !encode_key(values[1], &key))
        return NULL;
    if (!encode_item(((struct txn *)self)->space, values[2], &item)) {
        encoded_free(&key);
        return NULL;
    }
    /* The value's pickle may have ended it. */
    txn = building(self);
    err = txn == NULL ? KITH_EINVAL : build(txn, dict, key.item, item.item);
    encoded_free(&key);
    encoded_free(&item);
    return done(err);
}

static PyObject *
build_with_key(const char *function, PyObject *self, PyObject *const *args, Py_ssize_t count,
               PyObject *keywords, with_key *build)
{
    static const char *const names[] = { "dict", "key", NULL };
    struct encoded key;
    PyObject *values[2];
    kith_dict *dict;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL || !arguments(function, names, 2, args, count, keywords, values))
        return NULL;
    dict = keep(self, values[0], dict_type);
    if (dict == NULL || !encode_key(values[1], &key))
        return NULL;
    err = build(txn, dict, key.item);
    encoded_free(&key);
    return done(err);
}

static PyObject *
if_equal(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return build_with_item("if_equal", self, args, count, keywords, kith_txn_if_equal);
}

static PyObject *delete (PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *keywords)
{
    return build_with_key("delete", self, args, count, keywords, kith_txn_dict_delete);
}

static PyObject *
if_absent(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return build_with_key("if_absent", self, args, count, keywords, kith_txn_if_absent);
}

static PyObject *
if_present(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return build_with_key("if_present", self, args, count, keywords, kith_txn_if_present);
}

static PyObject *
if_version(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "dict", "key", "version", NULL };
    struct encoded key;
    PyObject *values[3];
    unsigned long long version;
    kith_dict *dict;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL || !arguments("if_version", names, 3, args, count, keywords, values))
        return NULL;
    version = PyLong_AsUnsignedLongLong(values[2]);
    if (PyErr_Occurred())
        return NULL;
    dict = keep(self, values[0], dict_type);
    if (dict == NULL || !encode_key(values[1], &key))
        return NULL;
    err = kith_txn_if_version(txn, dict, key.item, version);
    encoded_free(&key);
    return done(err);
}

/* ---- values ---- */

#define VALUE_SIZE_MAX 4096

typedef kith_err with_bytes(kith_txn *txn, kith_value *value, const void *data, size_t size);

static PyObject *
build_with_bytes(PyObject *self, PyObject *object, PyObject *operand, with_bytes *build)
{
    struct txn *txn = (struct txn *)self;
    uint8_t data[VALUE_SIZE_MAX];
    kith_value *value;
    size_t size;
    char type;

    if (keep(self, object, value_type) == NULL ||
        !value_encode(object, operand, &value, data, sizeof(data), &size, &type))
        return NULL;
    return done(build(txn->open, value, data, size));
}

static PyObject *
add_to_value(PyObject *self, PyObject *object, PyObject *operand)
{
    struct txn *txn = (struct txn *)self;
    kith_value *value;
    size_t size;
    char type;
    int64_t n = 1;

    if (keep(self, object, value_type) == NULL ||
        !value_encode(object, NULL, &value, NULL, VALUE_SIZE_MAX, &size, &type))
        return NULL;
    if (type == 'f' || type == 'd') {
        double real = operand == NULL ? 1.0 : PyFloat_AsDouble(operand);

        if (PyErr_Occurred())
            return NULL;
        return done(kith_txn_value_add_float(txn->open, value, real));
    }
    if (operand != NULL && !int64_of(operand, &n))
        return NULL;
    return done(kith_txn_value_add(txn->open, value, n));
}

static PyObject *
if_value(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "value", "expected", NULL };
    PyObject *values[2];

    if (building(self) == NULL || !arguments("if_value", names, 2, args, count, keywords, values))
        return NULL;
    return build_with_bytes(self, values[0], values[1], kith_txn_if_value);
}

/* set(dict, key, value), set(value, new) */
static PyObject *
set(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (building(self) == NULL)
        return NULL;
    if (count == 2 && keywords == NULL && Py_TYPE(args[0]) == value_type)
        return build_with_bytes(self, args[0], args[1], kith_txn_value_set);
    return build_with_item("set", self, args, count, keywords, kith_txn_dict_set);
}

/* add(dict, key, n), add(value, n) */
static PyObject *
add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "dict", "key", "n", NULL };
    struct encoded key;
    PyObject *values[3];
    kith_dict *dict;
    int64_t n = 1;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL)
        return NULL;
    if (count >= 1 && count <= 2 && keywords == NULL && Py_TYPE(args[0]) == value_type)
        return add_to_value(self, args[0], count == 2 ? args[1] : NULL);
    if (!arguments("add", names, 2, args, count, keywords, values) ||
        (values[2] != NULL && !int64_of(values[2], &n)))
        return NULL;
    dict = keep(self, values[0], dict_type);
    if (dict == NULL || !encode_key(values[1], &key))
        return NULL;
    err = kith_txn_dict_add(txn, dict, key.item, n);
    encoded_free(&key);
    return done(err);
}

/* ---- queues ---- */

static PyObject *
put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "queue", "item", "*", "priority", "delay", NULL };
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;
    struct encoded item;
    PyObject *values[4];
    kith_queue *queue;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL || !arguments("put", names, 2, args, count, keywords, values) ||
        (values[2] != NULL && !int64_of(values[2], &options.priority)) ||
        !duration_of(values[3], "a delay", &options.delay_ns))
        return NULL;
    queue = keep(self, values[0], queue_type);
    if (queue == NULL || !encode_item(((struct txn *)self)->space, values[1], &item))
        return NULL;
    txn = building(self); /* the item's pickle may have ended it */
    err = txn == NULL ? KITH_EINVAL : kith_txn_queue_put_with(txn, queue, item.item, &options);
    encoded_free(&item);
    return done(err);
}

static PyObject *
ack(PyObject *self, PyObject *lease)
{
    kith_lease **open;
    kith_err err;
    kith_txn *txn = building(self);

    if (txn == NULL)
        return NULL;
    open = lease_open(lease);
    if (open == NULL)
        return NULL;
    err = kith_txn_lease_ack(txn, *open);
    if (err >= 0 && PyList_Append(((struct txn *)self)->leases, lease) < 0)
        return NULL;
    return done(err);
}

/* ---- ending ---- */

static PyObject *
commit(PyObject *object, PyObject *unused)
{
    struct txn *self = (struct txn *)object;
    kith_txn *txn = building(object);
    kith_err err;

    (void)unused;
    if (txn == NULL)
        return NULL;
    self->open = NULL;
    err = kith_txn_commit(txn);
    PyList_SetSlice(self->kept, 0, PyList_GET_SIZE(self->kept), NULL);
    if (err < 0)
        return raise_error(err);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->leases); i++) {
        kith_lease **lease = lease_open(PyList_GET_ITEM(self->leases, i));

        if (lease != NULL)
            *lease = NULL;
        else
            PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static PyObject *
discard(PyObject *object, PyObject *unused)
{
    struct txn *self = (struct txn *)object;

    (void)unused;
    if (self->space->open != NULL)
        kith_txn_discard(self->open);
    self->open = NULL;
    Py_RETURN_NONE;
}

static PyObject *
enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return building(object) == NULL ? NULL : Py_NewRef(object);
}

static PyObject *
leave(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    if (((struct txn *)object)->open == NULL)
        Py_RETURN_NONE;
    if (count > 0 && args[0] != Py_None)
        return discard(object, NULL);
    return commit(object, NULL);
}

static PyMemberDef members[] = { { "space", T_OBJECT_EX, offsetof(struct txn, space), READONLY,
                                   "The kith.Space that it is on." },
                                 { "__weaklistoffset__", T_PYSSIZET, offsetof(struct txn, weak),
                                   READONLY, NULL },
                                 { NULL, 0, 0, 0, NULL } };

static PyMethodDef methods[] = {
    { "set", FAST(set),
      "set($self, dict, key, value)\n--\n\nSets the value of a key; or, as set(value, new), a "
      "kith.Value that is transactional." },
    { "add", FAST(add),
      "add($self, dict, key, n=1)\n--\n\nAdds n to the int at a key; or, as add(value, n), to a "
      "kith.Value that is transactional." },
    { "delete", FAST(delete), "delete($self, dict, key)\n--\n\nDeletes a key, if it is there." },
    { "put", FAST(put),
      "put($self, queue, item, *, priority=0, delay=None)\n--\n\nPuts an item into a queue." },
    { "ack", ack, METH_O, "ack($self, lease, /)\n--\n\nAcknowledges a lease." },
    { "if_absent", FAST(if_absent),
      "if_absent($self, dict, key)\n--\n\nOnly if the key is absent." },
    { "if_present", FAST(if_present),
      "if_present($self, dict, key)\n--\n\nOnly if the key is there." },
    { "if_equal", FAST(if_equal),
      "if_equal($self, dict, key, value)\n--\n\nOnly if that is the value of the key." },
    { "if_version", FAST(if_version),
      "if_version($self, dict, key, version)\n--\n\nOnly if that is the version of the key." },
    { "if_value", FAST(if_value),
      "if_value($self, value, expected)\n--\n\nOnly if a kith.Value is that." },
    { "commit", commit, METH_NOARGS,
      "commit($self)\n--\n\nDoes all of it, or nothing.\n\nConflictError: a condition did not "
      "hold; "
      "Full, ShutDown: of a queue; GoneError: a lease\nwas lost; KindError, RangeError: of an "
      "addition." },
    { "discard", discard, METH_NOARGS, "discard($self)\n--\n\nDoes nothing, and ends it." },
    { "__enter__", enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL },
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "Several operations on objects of one space, all or nothing; made by Space.txn().\n\n"
      "A context manager: leaving it commits, leaving it by an exception discards.  What is built\n"
      "happens at the commit, and conditions are decided then.\n\n"
      ">>> space = kith.open(\"mem://\")\n"
      ">>> d, q = space.dict(), space.queue()\n"
      ">>> with space.txn() as txn:\n"
      "...     txn.if_absent(d, \"a\")\n"
      "...     txn.add(d, \"a\", 1)\n"
      "...     txn.put(q, \"told\")\n"
      ">>> d[\"a\"], q.get()\n"
      "(1, 'told')\n" },
    { Py_tp_dealloc, (void *)dealloc },
    { Py_tp_members, members },
    { Py_tp_methods, methods },
    { 0, NULL }
};

PyType_Spec txn_spec = {
    .name = "kith.Txn", .basicsize = sizeof(struct txn), .flags = HANDLE_FLAGS, .slots = slots
};
