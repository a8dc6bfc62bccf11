/*
 * queue.c - kith.Queue, with the surface of queue.Queue; leases are in lease.c.
 */
#include "module.h"

KIND_OPEN(open_queue_as, queue, KITH_QUEUE_OPTIONS_INIT)
const struct kind queue_kind = { "queue", KITH_KIND_QUEUE, &queue_type, open_queue_as_close,
                                 open_queue_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

PyObject *
queue_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name",        "*",        "create",
                                         "exclusive",   "capacity", "attempts_max",
                                         "dead_letter", "joinable", "lending",
                                         NULL };
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[8];
    uint64_t attempts_max;
    kith_queue *queue = NULL;
    kith_err err;

    if (!arguments("queue", names, 0, args, count, keywords, values) ||
        !uint64_of(values[3], "a capacity", &options.capacity) ||
        !uint64_of(values[4], "attempts_max", &attempts_max) ||
        !flag_of(values[6], false, &options.joinable) ||
        !flag_of(values[7], false, &options.lending))
        return NULL;
    options.attempts_max = attempts_max > UINT32_MAX ? UINT32_MAX : (uint32_t)attempts_max;
    if (values[5] != NULL && values[5] != Py_None) {
        options.dead_letter = text_of(values[5], "dead_letter");
        if (options.dead_letter == NULL)
            return NULL;
    }
    if (!opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_queue_open(space->open, opener.text, &options, &queue);
    return opener_end(&opener, &queue_kind, space, err, queue);
}

/* As of queue.Queue: block=False means a timeout of 0. */
static bool
wait_of(PyObject *block, PyObject *timeout, int64_t *ns_out)
{
    bool blocks;

    if (!flag_of(block, true, &blocks))
        return false;
    if (blocks)
        return timeout_of(timeout, ns_out);
    *ns_out = 0;
    return true;
}

/* That the time ran out is queue.Full or queue.Empty, too. */
static PyObject *
raise_putting(kith_err err)
{
    if (err == KITH_ETIMEDOUT && !PyErr_Occurred())
        return raise_lazily("Full");
    return raise_error(err);
}

PyObject *
raise_getting(kith_err err)
{
    if (err == KITH_ETIMEDOUT && !PyErr_Occurred())
        return raise_lazily("Empty");
    return raise_error(err);
}

/* ---- putting ---- */

static kith_err
put_encoded(kith_queue *queue, const struct encoded *encoded,
            const struct kith_put_options *options, int64_t timeout_ns)
{
    const struct kith_part *parts = encoded_parts(encoded);

    return parts != NULL ? kith_queue_put_parts(queue, encoded->item.tag, parts,
                                                (size_t)encoded->item.integer, options, timeout_ns)
                         : kith_queue_put_with(queue, encoded->item, options, timeout_ns);
}

static PyObject *
put(PyObject *self, PyObject *value, const struct kith_put_options *options, int64_t timeout_ns)
{
    struct encoded encoded;
    struct wait wait;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!encode_parts(SPACE_OF(self), value, &encoded))
        return NULL;
    err = options == NULL && encoded_parts(&encoded) == NULL
              ? kith_queue_put(queue, encoded.item, 0)
              : put_encoded(queue, &encoded, options, 0);
    if (err == KITH_EFULL && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, put_encoded(queue, &encoded, options, timeout_ns));
    }
    encoded_free(&encoded);
    return err < 0 ? raise_putting(err) : done(err);
}

static PyObject *
method_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {
        "item", "block", "timeout", "*", "priority", "delay", NULL
    };
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;
    PyObject *values[5];
    int64_t timeout_ns;

    if (count == 1 && keywords == NULL)
        return put(self, args[0], NULL, KITH_FOREVER);
    if (!arguments("put", names, 1, args, count, keywords, values) ||
        !wait_of(values[1], values[2], &timeout_ns) ||
        (values[3] != NULL && !int64_of(values[3], &options.priority)) ||
        !duration_of(values[4], "a delay", &options.delay_ns))
        return NULL;
    return put(self, values[0], values[3] == NULL && values[4] == NULL ? NULL : &options,
               timeout_ns);
}

static PyObject *
method_put_nowait(PyObject *self, PyObject *value)
{
    return put(self, value, NULL, 0);
}

static PyObject *
method_put_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "items", "timeout", NULL };
    PyObject *values[2], *sequence;
    struct encoded_run run;
    struct wait wait;
    int64_t timeout_ns;
    size_t number = 0;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!arguments("put_many", names, 1, args, count, keywords, values) ||
        !timeout_of(values[1], &timeout_ns))
        return NULL;
    sequence = PySequence_Fast(values[0], "put_many() takes an iterable of values");
    if (sequence == NULL)
        return NULL;
    if (!encode_run(SPACE_OF(self), sequence, false, &run)) {
        Py_DECREF(sequence);
        return NULL;
    }
    WAIT(&wait, SPACE_OF(self), err,
         kith_queue_put_many(queue, run.items, run.count, timeout_ns, &number));
    encoded_run_free(&run);
    Py_DECREF(sequence);
    if (err == KITH_EFULL || err == KITH_ETIMEDOUT)
        err = KITH_OK; /* the number says it */
    return err < 0 ? raise_putting(err) : PyLong_FromSize_t(number);
}

/* ---- getting ---- */

static PyObject *
get(PyObject *self, int64_t timeout_ns)
{
    struct kith_buf other, *buf;
    struct wait wait;
    kith_err err;
    OPEN(kith_queue, queue, self);

    buf = buffer_take(&other);
    err = kith_queue_get(queue, 0, buf);
    if (err == KITH_EEMPTY && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_queue_get(queue, timeout_ns, buf));
    }
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return raise_getting(err);
}

static PyObject *
method_get(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "block", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns;

    if (count == 0 && keywords == NULL)
        return get(self, KITH_FOREVER);
    if (!arguments("get", names, 0, args, count, keywords, values) ||
        !wait_of(values[0], values[1], &timeout_ns))
        return NULL;
    return get(self, timeout_ns);
}

static PyObject *
method_get_nowait(PyObject *self, PyObject *unused)
{
    (void)unused;
    return get(self, 0);
}

static PyObject *
method_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "count", "timeout", NULL };
    PyObject *values[2], *list;
    struct kith_buf *bufs;
    struct wait wait;
    int64_t timeout_ns;
    uint64_t most;
    size_t got = 0;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!arguments("get_many", names, 1, args, count, keywords, values) ||
        !uint64_of(values[0], "a count", &most) || !timeout_of(values[1], &timeout_ns))
        return NULL;
    most = most > 65536 ? 65536 : most;
    bufs = PyMem_Calloc((size_t)most + 1, sizeof(*bufs));
    if (bufs == NULL)
        return PyErr_NoMemory();
    WAIT(&wait, SPACE_OF(self), err,
         kith_queue_get_many(queue, (size_t)most, timeout_ns, bufs, &got));
    list = err < 0 ? raise_getting(err) : PyList_New((Py_ssize_t)got);
    for (size_t i = 0; i < (size_t)most; i++) {
        if (list != NULL && i < got) {
            PyObject *value = decode(SPACE_OF(self), &bufs[i].item);

            if (value == NULL)
                Py_CLEAR(list);
            else
                PyList_SET_ITEM(list, (Py_ssize_t)i, value);
        }
        kith_buf_free(&bufs[i]);
    }
    PyMem_Free(bufs);
    return list;
}

static PyObject *
method_get_view(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "timeout", NULL };
    PyObject *values[1];
    struct wait wait;
    kith_view *view;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!arguments("get_view", names, 0, args, count, keywords, values) ||
        !timeout_of(values[0], &timeout_ns))
        return NULL;
    WAIT(&wait, SPACE_OF(self), err, kith_queue_get_view(queue, timeout_ns, &view));
    return err < 0 ? raise_getting(err) : view_new(SPACE_OF(self), view, 0, 1);
}

static PyObject *
method_peek(PyObject *self, PyObject *unused)
{
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_queue, queue, self);

    (void)unused;
    buf = buffer_take(&other);
    err = kith_queue_peek(queue, buf);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return raise_getting(err);
}

/* ---- seeing and ending ---- */

static bool
info_of(PyObject *self, struct kith_queue_info *info)
{
    kith_err err;
    OPEN_OR(kith_queue, queue, self, false);

    err = kith_queue_info(queue, info);
    if (err < 0)
        raise_error(err);
    return err >= 0;
}

static Py_ssize_t
length(PyObject *self)
{
    uint64_t count;
    kith_err err;
    OPEN_OR(kith_queue, queue, self, -1);

    err = kith_queue_len(queue, &count);
    if (err >= 0)
        return (Py_ssize_t)count;
    raise_error(err);
    return -1;
}

/* A queue that is empty is a queue all the same. */
static int
truth(PyObject *self)
{
    (void)self;
    return 1;
}

static PyObject *
method_qsize(PyObject *self, PyObject *unused)
{
    Py_ssize_t count = length(self);

    (void)unused;
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyObject *
method_empty(PyObject *self, PyObject *unused)
{
    Py_ssize_t count = length(self);

    (void)unused;
    return count < 0 ? NULL : PyBool_FromLong(count == 0);
}

static PyObject *
method_full(PyObject *self, PyObject *unused)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    (void)unused;
    if (!info_of(self, &info))
        return NULL;
    return PyBool_FromLong(info.capacity > 0 &&
                           info.ready + info.leased + info.delayed >= info.capacity);
}

static PyObject *
method_info(PyObject *self, PyObject *unused)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    (void)unused;
    if (!info_of(self, &info))
        return NULL;
    return Py_BuildValue(
        "{sKsKsKsKsKsOsK}", "ready", (unsigned long long)info.ready, "leased",
        (unsigned long long)info.leased, "delayed", (unsigned long long)info.delayed, "capacity",
        (unsigned long long)info.capacity, "dead_lettered", (unsigned long long)info.dead_lettered,
        "closed", info.closed ? Py_True : Py_False, "taken", (unsigned long long)info.taken);
}

static PyObject *
get_maxsize(PyObject *self, void *unused)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;

    (void)unused;
    return info_of(self, &info) ? PyLong_FromUnsignedLongLong(info.capacity) : NULL;
}

static PyObject *
method_task_done(PyObject *self, PyObject *unused)
{
    OPEN(kith_queue, queue, self);

    (void)unused;
    return done(kith_queue_task_done(queue));
}

static PyObject *
method_join(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "timeout", NULL };
    PyObject *values[1];
    struct wait wait;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_queue, queue, self);

    if (!arguments("join", names, 0, args, count, keywords, values) ||
        !timeout_of(values[0], &timeout_ns))
        return NULL;
    WAIT(&wait, SPACE_OF(self), err, kith_queue_join(queue, timeout_ns));
    return done(err);
}

static PyObject *
method_shutdown(PyObject *self, PyObject *unused)
{
    OPEN(kith_queue, queue, self);

    (void)unused;
    return done(kith_queue_shutdown(queue));
}

static PyObject *
method_room_fileno(PyObject *self, PyObject *unused)
{
    int descriptor;
    kith_err err;
    OPEN(kith_queue, queue, self);

    (void)unused;
    err = kith_queue_poll_room(queue, &descriptor);
    return err < 0 ? raise_error(err) : PyLong_FromLong(descriptor);
}

LAZY_METHOD(method_aget, "kith._asyncio", "queue_get")
LAZY_METHOD(method_aput, "kith._asyncio", "queue_put")
LAZY_METHOD(method_alease, "kith._asyncio", "queue_lease")

static PyGetSetDef getset[] = { { "maxsize", get_maxsize, NULL,
                                  "Items it holds at most: an int; 0: no bound but memory.", NULL },
                                { "capacity", get_maxsize, NULL,
                                  "Items it holds at most: an int; 0: no bound but memory.", NULL },
                                HANDLE_GETSET,
                                GETSET_END };

static PyMethodDef methods[] = {
    { "put", FAST(method_put),
      "put($self, item, block=True, timeout=None, *, priority=0, delay=None)\n--\n\nPuts an item "
      "in "
      "at the end, waiting for room for up to `timeout` seconds.  Higher\npriorities come first; "
      "for "
      "`delay` seconds nobody gets it.\n\nFull, also a queue.Full: there was no room; ShutDown." },
    { "put_nowait", method_put_nowait, METH_O,
      "put_nowait($self, item, /)\n--\n\nput() that does not wait.\n\nFull, ShutDown." },
    { "put_many", FAST(method_put_many),
      "put_many($self, items, timeout=None)\n--\n\nPuts many items in, in their order: how many "
      "went "
      "in before the time ran out, an int.\n\nShutDown." },
    { "get", FAST(method_get),
      "get($self, block=True, timeout=None)\n--\n\nTakes the next item, waiting for one for up to "
      "`timeout` seconds.\n\nEmpty, also a queue.Empty: there was none; ShutDown: and none will "
      "come." },
    { "get_nowait", method_get_nowait, METH_NOARGS,
      "get_nowait($self)\n--\n\nget() that does not wait.\n\nEmpty, ShutDown." },
    { "get_many", FAST(method_get_many),
      "get_many($self, count, timeout=None)\n--\n\nTakes up to `count` items, waiting only for the "
      "first: a list.\n\nEmpty, ShutDown." },
    { "get_view", FAST(method_get_view),
      "get_view($self, timeout=None)\n--\n\nTakes the next item without copying it: a "
      "kith.View.\n\n"
      "Empty, ShutDown." },
    { "peek", method_peek, METH_NOARGS,
      "peek($self)\n--\n\nThe next item, which stays where it is; does not wait.\n\nEmpty, "
      "ShutDown." },
    { "lease", FAST(queue_lease),
      "lease($self, timeout=None, *, limit=None)\n--\n\nBorrows the next item: a kith.Lease, lost "
      "after `limit` seconds.\n\nEmpty, ShutDown." },
    { "qsize", method_qsize, METH_NOARGS, "qsize($self)\n--\n\nHow many items are ready: an int." },
    { "empty", method_empty, METH_NOARGS, "empty($self)\n--\n\nWhether no item is ready: a bool." },
    { "full", method_full, METH_NOARGS, "full($self)\n--\n\nWhether there is no room: a bool." },
    { "info", method_info, METH_NOARGS,
      "info($self)\n--\n\nItems ready, leased, delayed, dead-lettered, taken; capacity; closed: a "
      "dict." },
    { "task_done", method_task_done, METH_NOARGS,
      "task_done($self)\n--\n\nReports that the work on one item got is done: of a queue that "
      "lends,\nthe oldest that this process has not reported.\n\nInvalidError: more often than "
      "items were got." },
    { "join", FAST(method_join),
      "join($self, timeout=None)\n--\n\nWaits until no item is ready, delayed or leased; of one "
      "that "
      "is joinable, until\ntask_done() was called for all.\n\nTimeoutError." },
    { "shutdown", method_shutdown, METH_NOARGS,
      "shutdown($self)\n--\n\nEnds putting; getters take what is left, and then get ShutDown." },
    { "fileno", handle_fileno, METH_NOARGS,
      "fileno($self)\n--\n\nA descriptor that is readable when an item may be had, for selectors: "
      "an int.\n\nCalled again it is armed again; then try get_nowait(), which may find nothing." },
    { "room_fileno", method_room_fileno, METH_NOARGS,
      "room_fileno($self)\n--\n\nAnother, that is readable when there may be room for an item; "
      "then "
      "try put_nowait(): an int." },
    { "aget", FAST(method_aget),
      "aget($self, timeout=None)\n--\n\nget() for asyncio: a coroutine." },
    { "aput", FAST(method_aput),
      "aput($self, item, timeout=None, *, priority=0, delay=None)\n--\n\nput() for asyncio: a "
      "coroutine." },
    { "alease", FAST(method_alease),
      "alease($self, timeout=None, *, limit=None)\n--\n\nlease() for asyncio: a coroutine." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "A queue that processes share; made by Space.queue().  It has the surface of queue.Queue.\n\n"
      "get() has acknowledged what it returns, unless the queue was made with lending=True: then "
      "what\n"
      "a killed process had got, and had not reported by task_done(), is back for another.  Who "
      "works\n"
      "on items that must not be lost takes them by lease(), or from such a queue.\n\n"
      ">>> q = kith.open(\"mem://\").queue(capacity=2)\n"
      ">>> q.put(\"a\"); q.put((1, b\"b\"))\n"
      ">>> q.full(), q.get(), q.get()\n"
      "(True, 'a', (1, b'b'))\n"
      ">>> q.get(timeout=0)\n"
      "Traceback (most recent call last):\n"
      "    ...\n"
      "kith.Empty: The queue \"...\" is empty.\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, getset },
    { Py_tp_methods, methods },
    { Py_sq_length, (void *)length },
    { Py_nb_bool, (void *)truth },
    { 0, NULL }
};

PyType_Spec queue_spec = {
    .name = "kith.Queue", .basicsize = sizeof(struct handle), .flags = BASE_FLAGS, .slots = slots
};
