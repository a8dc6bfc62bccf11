/*
 * snapshot.c - kith.Snapshot: a dict as it was at one instant, in this process's memory.
 */
#include "dict.h"

struct snapshot {
    PyObject_HEAD
    struct space *space; /* owned; for what is pickled, and for references */
    kith_snapshot *open;
    PyObject *weak;
};

PyObject *
dict_snapshot(PyObject *self, PyObject *unused)
{
    struct snapshot *snapshot;
    kith_snapshot *open;
    kith_err err;
    OPEN(kith_dict, dict, self);

    (void)unused;
    err = kith_dict_snapshot(dict, &open);
    if (err < 0)
        return raise_error(err);
    snapshot = (struct snapshot *)snapshot_type->tp_alloc(snapshot_type, 0);
    if (snapshot == NULL) {
        kith_snapshot_release(open);
        return NULL;
    }
    snapshot->space = (struct space *)Py_NewRef(((struct handle *)self)->space);
    snapshot->open = open;
    return (PyObject *)snapshot;
}

static void
dealloc(PyObject *object)
{
    struct snapshot *self = (struct snapshot *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    kith_snapshot_release(self->open);
    Py_DECREF(self->space);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t
length(PyObject *object)
{
    return (Py_ssize_t)kith_snapshot_len(((struct snapshot *)object)->open);
}

/* The item of `key`, or `otherwise`, or an exception if that is NULL. */
static PyObject *
lookup(PyObject *object, PyObject *key, PyObject *otherwise)
{
    struct snapshot *self = (struct snapshot *)object;
    struct encoded encoded;
    struct kith_item item;
    kith_err err;

    if (!encode_key(key, &encoded))
        return NULL;
    err = kith_snapshot_get(self->open, encoded.item, &item);
    encoded_free(&encoded);
    if (err >= 0)
        return decode(self->space, &item);
    if (err != KITH_ENOENT)
        return raise_error(err);
    return otherwise == NULL ? raise_missing(key) : Py_NewRef(otherwise);
}

static PyObject *
subscript(PyObject *object, PyObject *key)
{
    return lookup(object, key, NULL);
}

static PyObject *
method_get(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "default", NULL };
    PyObject *values[2];

    if (!arguments("get", names, 1, args, count, keywords, values))
        return NULL;
    return lookup(object, values[0], values[1] == NULL ? Py_None : values[1]);
}

static int
contains(PyObject *object, PyObject *key)
{
    struct encoded encoded;
    struct kith_item item;
    kith_err err;

    if (!encode_key(key, &encoded))
        return -1;
    err = kith_snapshot_get(((struct snapshot *)object)->open, encoded.item, &item);
    encoded_free(&encoded);
    if (err < 0 && err != KITH_ENOENT) {
        raise_error(err);
        return -1;
    }
    return err >= 0;
}

static int
collect_key(struct kith_item key, struct kith_item item, void *arg)
{
    (void)item;
    return collect_item(key, arg);
}

static PyObject *
list_by(PyObject *object, int (*each)(struct kith_item key, struct kith_item item, void *arg))
{
    struct snapshot *self = (struct snapshot *)object;
    struct collect collect;

    if (!collect_begin(&collect, self->space))
        return NULL;
    return collect_end(&collect, kith_snapshot_each(self->open, each, &collect));
}

static PyObject *
iterate(PyObject *object)
{
    return iterator_over(list_by(object, collect_key));
}

static PyObject *
list_items(PyObject *object, PyObject *unused)
{
    (void)unused;
    return list_by(object, collect_pair);
}

static PyObject *
list_values(PyObject *object, PyObject *unused)
{
    (void)unused;
    return list_by(object, collect_second);
}

LAZY_METHOD(method_keys, "kith._mapping", "KeysView")
LAZY_METHOD(method_items, "kith._mapping", "ItemsView")
LAZY_METHOD(method_values, "kith._mapping", "ValuesView")

static PyObject *
repr(PyObject *object)
{
    return PyUnicode_FromFormat("<kith.Snapshot of %zd keys>", length(object));
}

static PyMemberDef members[] = { { "__weaklistoffset__", T_PYSSIZET,
                                   offsetof(struct snapshot, weak), READONLY, NULL },
                                 { NULL, 0, 0, 0, NULL } };

static PyMethodDef methods[] = {
    { "get", FAST(method_get), "get($self, key, default=None)\n--\n\nThe value, or `default`." },
    { "keys", FAST(method_keys), "keys($self)\n--\n\nThe keys, in the order of insertion." },
    { "items", FAST(method_items), "items($self)\n--\n\nThe (key, value) pairs." },
    { "values", FAST(method_values), "values($self)\n--\n\nThe values." },
    { "_items", list_items, METH_NOARGS, NULL },
    { "_values", list_values, METH_NOARGS, NULL },
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A dict as it was at one instant; made by Dict.snapshot().  A Mapping.\n\n"
                 ">>> d = kith.open(\"mem://\").dict()\n"
                 ">>> d[\"a\"] = 1\n"
                 ">>> snapshot = d.snapshot()\n"
                 ">>> d[\"a\"] = 2\n"
                 ">>> snapshot[\"a\"], list(snapshot.items())\n"
                 "(1, [('a', 1)])\n" },
    { Py_tp_dealloc, (void *)dealloc },
    { Py_tp_repr, (void *)repr },
    { Py_tp_members, members },
    { Py_tp_methods, methods },
    { Py_tp_iter, (void *)iterate },
    { Py_mp_subscript, (void *)subscript },
    { Py_mp_length, (void *)length },
    { Py_sq_contains, (void *)contains },
    { 0, NULL }
};

PyType_Spec snapshot_spec = { .name = "kith.Snapshot",
                              .basicsize = sizeof(struct snapshot),
                              .flags = HANDLE_FLAGS | Py_TPFLAGS_MAPPING,
                              .slots = slots };
