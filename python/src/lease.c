/*
 * lease.c - kith.Lease: an item of a queue, lent to this process.
 */
#include "module.h"

#define SPACE_OF(self) (((struct handle *)(self))->space)

struct lease {
    PyObject_HEAD
    struct handle *queue; /* owned, and so is its space */
    kith_lease *open;     /* NULL once it was ended */
    PyObject *item;
    PyObject *weak;
    uint32_t attempts;
};

PyObject *
queue_lease(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "timeout", "*", "limit", NULL };
    struct kith_lease_options options = KITH_LEASE_OPTIONS_INIT;
    PyObject *values[2];
    struct lease *lease;
    struct kith_buf other, *buf;
    struct wait wait;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!arguments("lease", names, 0, args, count, keywords, values) ||
        !timeout_of(values[0], &timeout_ns) ||
        !duration_of(values[1], "a limit", &options.limit_ns))
        return NULL;
    lease = (struct lease *)lease_type->tp_alloc(lease_type, 0);
    if (lease == NULL)
        return NULL;
    lease->queue = (struct handle *)Py_NewRef(self);
    buf = buffer_take(&other);
    err = kith_queue_lease_with(queue, &options, 0, buf, &lease->open);
    if (err == KITH_EEMPTY && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err,
             kith_queue_lease_with(queue, &options, timeout_ns, buf, &lease->open));
    }
    if (err < 0) {
        buffer_give(buf);
        lease->open = NULL;
        Py_DECREF(lease);
        return raise_getting(err);
    }
    lease->attempts = kith_lease_attempts(lease->open);
    lease->item = decode_buffer(SPACE_OF(self), buf);
    if (lease->item == NULL)
        Py_CLEAR(lease); /* which gives the item back */
    return (PyObject *)lease;
}

/* Where a lease that has not ended and whose space is open has its pointer; else raises. */
kith_lease **
lease_open(PyObject *object)
{
    struct lease *self = (struct lease *)object;

    if (Py_TYPE(object) != lease_type) {
        PyErr_Format(PyExc_TypeError, "a kith.Lease is needed, not %.100s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    if (self->queue->open == NULL) {
        raise_closed(self->queue);
        return NULL;
    }
    if (self->open == NULL) {
        PyErr_SetString(failures[INVALID], "The lease was acknowledged, or given back, before.");
        return NULL;
    }
    return &self->open;
}

static PyObject *
end_by(PyObject *self, kith_err (*end)(kith_lease *lease))
{
    kith_lease **open = lease_open(self);
    kith_lease *lease;

    if (open == NULL)
        return NULL;
    lease = *open;
    *open = NULL;
    return done(end(lease));
}

static PyObject *
lease_ack(PyObject *self, PyObject *unused)
{
    (void)unused;
    return end_by(self, kith_lease_ack);
}

static PyObject *
lease_nack(PyObject *self, PyObject *unused)
{
    (void)unused;
    return end_by(self, kith_lease_nack);
}

static PyObject *
lease_extend(PyObject *self, PyObject *limit)
{
    kith_lease **open;
    int64_t limit_ns;

    if (!duration_of(limit, "a limit", &limit_ns))
        return NULL;
    open = lease_open(self);
    if (open == NULL)
        return NULL;
    return done(kith_lease_extend(*open, limit_ns == 0 ? KITH_FOREVER : limit_ns));
}

static PyObject *
lease_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct lease *)self)->item);
}

/* Acknowledges, or after an exception gives back; one that was ended inside is left alone. */
static PyObject *
lease_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct lease *lease = (struct lease *)self;
    PyObject *result;

    if (lease->open == NULL)
        Py_RETURN_NONE;
    result = end_by(self, count > 0 && args[0] != Py_None ? kith_lease_nack : kith_lease_ack);
    return result;
}

static int
lease_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct lease *)object)->item);
    return 0;
}

/* The item may hold the lease that it is of. */
static int
lease_clear(PyObject *object)
{
    Py_CLEAR(((struct lease *)object)->item);
    return 0;
}

static void
lease_dealloc(PyObject *object)
{
    struct lease *self = (struct lease *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    /* Dropped without a word: the work failed.  A lease of a parent process is not ours. */
    if (self->open != NULL && self->queue->open != NULL)
        (void)kith_lease_nack(self->open);
    Py_XDECREF(self->queue);
    Py_XDECREF(self->item);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
lease_repr(PyObject *object)
{
    struct lease *self = (struct lease *)object;

    return PyUnicode_FromFormat("<kith.Lease of %R from %R%s>", self->item, self->queue->name,
                                self->open == NULL ? ", ended" : "");
}

static PyMemberDef lease_members[] = {
    { "item", T_OBJECT_EX, offsetof(struct lease, item), READONLY, "What was lent." },
    { "queue", T_OBJECT_EX, offsetof(struct lease, queue), READONLY, "The kith.Queue it is of." },
    { "attempts", T_UINT, offsetof(struct lease, attempts), READONLY,
      "How often the item was lent before: an int." },
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct lease, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL }
};

static PyMethodDef lease_methods[] = {
    { "ack", lease_ack, METH_NOARGS,
      "ack($self)\n--\n\nSays that the work is done: the item is gone.\n\nGoneError: the lease was "
      "lost, and another may work on it." },
    { "nack", lease_nack, METH_NOARGS,
      "nack($self)\n--\n\nSays that the work failed: the item is back in its place with one "
      "attempt "
      "more.\n\nGoneError." },
    { "extend", lease_extend, METH_O,
      "extend($self, limit, /)\n--\n\nSays that the work goes on: the lease ends `limit` seconds "
      "from now, or never with None.\n\nGoneError." },
    { "__enter__", lease_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))lease_exit, METH_FASTCALL, NULL },
    METHODS_END
};

static PyType_Slot lease_slots[] = {
    { Py_tp_doc,
      "A queue's item, lent to this process until it is acknowledged or given back; made by "
      "Queue.lease().\n\n"
      "A context manager that acknowledges, or after an exception gives back.  If the process "
      "dies,\n"
      "or drops the lease, the item is back in its place.\n\n"
      ">>> q = kith.open(\"mem://\").queue()\n"
      ">>> q.put(\"job\")\n"
      ">>> with q.lease() as item:\n"
      "...     print(item)\n"
      "job\n"
      ">>> q.empty()\n"
      "True\n" },
    { Py_tp_dealloc, (void *)lease_dealloc },
    { Py_tp_traverse, (void *)lease_traverse },
    { Py_tp_clear, (void *)lease_clear },
    { Py_tp_repr, (void *)lease_repr },
    { Py_tp_members, lease_members },
    { Py_tp_methods, lease_methods },
    { 0, NULL }
};

PyType_Spec lease_spec = { .name = "kith.Lease",
                           .basicsize = sizeof(struct lease),
                           .flags = HANDLE_FLAGS | Py_TPFLAGS_HAVE_GC,
                           .slots = lease_slots };
