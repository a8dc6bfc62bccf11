/*
 * signal.c - what processes wait for together: kith.Event, kith.Condition, kith.Barrier.
 */
#include "module.h"

#include <time.h>

KIND_OPEN(open_event_as, event, KITH_EVENT_OPTIONS_INIT)
const struct kind event_kind = { "event", KITH_KIND_EVENT, &event_type, open_event_as_close,
                                 open_event_as };
KIND_OPEN(open_condition_as, condition, KITH_CONDITION_OPTIONS_INIT)
const struct kind condition_kind = { "condition", KITH_KIND_CONDITION, &condition_type,
                                     open_condition_as_close, open_condition_as };
KIND_OPEN(open_barrier_as, barrier, KITH_BARRIER_OPTIONS_INIT)
const struct kind barrier_kind = { "barrier", KITH_KIND_BARRIER, &barrier_type,
                                   open_barrier_as_close, open_barrier_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

/* The timeout that is the only argument. */
static bool
timeout_argument(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                 int64_t *ns_out)
{
    static const char *const names[] = { "timeout", NULL };
    PyObject *values[1];

    return arguments(function, names, 0, args, count, keywords, values) &&
           timeout_of(values[0], ns_out);
}

/* ---- events ---- */

PyObject *
event_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", NULL };
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[3];
    kith_event *event = NULL;
    kith_err err;

    if (!arguments("event", names, 0, args, count, keywords, values) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_event_open(space->open, opener.text, &options, &event);
    return opener_end(&opener, &event_kind, space, err, event);
}

static PyObject *
event_set(PyObject *self, PyObject *unused)
{
    OPEN(kith_event, event, self);

    (void)unused;
    return done(kith_event_set(event));
}

static PyObject *
event_clear(PyObject *self, PyObject *unused)
{
    OPEN(kith_event, event, self);

    (void)unused;
    return done(kith_event_clear(event));
}

static PyObject *
event_is_set(PyObject *self, PyObject *unused)
{
    bool set;
    kith_err err;
    OPEN(kith_event, event, self);

    (void)unused;
    err = kith_event_is_set(event, &set);
    return err < 0 ? raise_error(err) : PyBool_FromLong(set);
}

static PyObject *
event_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    struct wait wait;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_event, event, self);

    if (!timeout_argument("wait", args, count, keywords, &timeout_ns))
        return NULL;
    err = kith_event_wait(event, 0);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_event_wait(event, timeout_ns));
    }
    return PyErr_Occurred() ? NULL : answer(err, KITH_ETIMEDOUT);
}

LAZY_METHOD(event_await_set, "kith._asyncio", "event_wait")

static PyMethodDef event_methods[] = {
    { "set", event_set, METH_NOARGS, "set($self)\n--\n\nSets it, and wakes all who wait." },
    { "clear", event_clear, METH_NOARGS, "clear($self)\n--\n\nClears it." },
    { "is_set", event_is_set, METH_NOARGS,
      "is_set($self)\n--\n\nWhether it is set; may be old when read." },
    { "wait", FAST(event_wait),
      "wait($self, timeout=None)\n--\n\nWaits until it is set: whether that came within `timeout` "
      "seconds, a bool." },
    { "fileno", handle_fileno, METH_NOARGS,
      "fileno($self)\n--\n\nA descriptor that is readable when it is set, for selectors: an int." },
    { "await_set", FAST(event_await_set),
      "await_set($self, timeout=None)\n--\n\nwait() for asyncio: a coroutine." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot event_slots[] = { { Py_tp_doc,
                                       "A flag that processes wait for; made by Space.event().\n\n"
                                       ">>> event = kith.open(\"mem://\").event()\n"
                                       ">>> event.wait(timeout=0)\n"
                                       "False\n"
                                       ">>> event.set(); event.wait()\n"
                                       "True\n" },
                                     HANDLE_SLOTS,
                                     { Py_tp_getset, handle_getset },
                                     { Py_tp_methods, event_methods },
                                     { 0, NULL } };

PyType_Spec event_spec = { .name = "kith.Event",
                           .basicsize = sizeof(struct handle),
                           .flags = HANDLE_FLAGS,
                           .slots = event_slots };

/* ---- conditions ---- */

struct condition {
    struct handle handle;
    char owner_died; /* told by the last acquire or wait through this handle */
};

PyObject *
condition_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", "lock", NULL };
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[4];
    kith_condition *condition = NULL;
    kith_err err;

    if (!arguments("condition", names, 0, args, count, keywords, values))
        return NULL;
    if (values[3] != NULL && values[3] != Py_None) {
        PyObject *name =
            Py_TYPE(values[3]) == lock_type ? ((struct handle *)values[3])->name : values[3];

        options.lock = text_of(name, "lock");
        if (options.lock == NULL)
            return NULL;
    }
    if (!opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_condition_open(space->open, opener.text, &options, &condition);
    return opener_end(&opener, &condition_kind, space, err, condition);
}

static PyObject *
acquired(PyObject *self, int64_t timeout_ns)
{
    struct wait wait;
    kith_err err;
    OPEN(kith_condition, condition, self);

    err = kith_condition_acquire(condition, 0);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_condition_acquire(condition, timeout_ns));
    }
    if (err >= 0)
        ((struct condition *)self)->owner_died = err == KITH_OWNER_DIED;
    return PyErr_Occurred() ? NULL : answer(err, KITH_ETIMEDOUT);
}

static PyObject *
condition_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "blocking", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns;

    if (!arguments("acquire", names, 0, args, count, keywords, values) ||
        !blocking_of(values[0], values[1], &timeout_ns))
        return NULL;
    return acquired(self, timeout_ns);
}

static PyObject *
condition_release(PyObject *self, PyObject *unused)
{
    kith_err err;
    OPEN(kith_condition, condition, self);

    (void)unused;
    err = kith_condition_release(condition);
    return err == KITH_EPERM ? raise_as(NOT_OWNER, err) : done(err);
}

static PyObject *
condition_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return entered(self, acquired(self, KITH_FOREVER));
}

static PyObject *
condition_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return condition_release(self, NULL);
}

static PyObject *
waited(PyObject *self, int64_t timeout_ns)
{
    struct wait wait;
    kith_err err;
    OPEN(kith_condition, condition, self);

    WAIT(&wait, SPACE_OF(self), err, kith_condition_wait(condition, timeout_ns));
    if (PyErr_Occurred())
        return NULL;
    if (err >= 0)
        ((struct condition *)self)->owner_died = err == KITH_OWNER_DIED;
    return err == KITH_EPERM ? raise_as(NOT_OWNER, err) : answer(err, KITH_ETIMEDOUT);
}

static PyObject *
condition_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t timeout_ns;

    if (!timeout_argument("wait", args, count, keywords, &timeout_ns))
        return NULL;
    return waited(self, timeout_ns);
}

static int64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static PyObject *
condition_wait_for(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "predicate", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns, left_ns, deadline_ns;

    if (!arguments("wait_for", names, 1, args, count, keywords, values) ||
        !timeout_of(values[1], &timeout_ns))
        return NULL;
    deadline_ns = now_ns() + timeout_ns;
    for (;;) {
        PyObject *result = PyObject_CallNoArgs(values[0]), *notified;
        int truth = result == NULL ? -1 : PyObject_IsTrue(result);

        if (truth < 0)
            Py_CLEAR(result);
        if (truth != 0)
            return result;
        left_ns = timeout_ns == KITH_FOREVER ? KITH_FOREVER : deadline_ns - now_ns();
        if (timeout_ns != KITH_FOREVER && left_ns <= 0)
            return result;
        Py_DECREF(result);
        notified = waited(self, left_ns);
        if (notified == NULL)
            return NULL;
        Py_DECREF(notified);
    }
}

static PyObject *
condition_notify(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "n", NULL };
    PyObject *values[1];
    uint64_t n = 1;
    OPEN(kith_condition, condition, self);

    if (!arguments("notify", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !uint64_of(values[0], "n", &n)))
        return NULL;
    return done(kith_condition_notify(condition, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n));
}

static PyObject *
condition_notify_all(PyObject *self, PyObject *unused)
{
    OPEN(kith_condition, condition, self);

    (void)unused;
    return done(kith_condition_notify_all(condition));
}

static PyObject *
condition_owner_died(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct condition *)self)->owner_died);
}

static PyGetSetDef condition_getset[] = {
    { "owner_died", condition_owner_died, NULL,
      "Whether the last acquire or wait by this handle was told that the lock's last owner died.",
      NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef condition_methods[] = {
    { "acquire", FAST(condition_acquire),
      "acquire($self, blocking=True, timeout=-1)\n--\n\nAcquires its lock: whether it was had, a "
      "bool." },
    { "release", condition_release, METH_NOARGS,
      "release($self)\n--\n\nReleases its lock.\n\nNotOwnerError." },
    { "wait", FAST(condition_wait),
      "wait($self, timeout=None)\n--\n\nReleases the lock, waits to be notified, and has the lock "
      "again: whether it was notified\nwithin `timeout` seconds, a bool.\n\nNotOwnerError: the "
      "thread does not hold the lock." },
    { "wait_for", FAST(condition_wait_for),
      "wait_for($self, predicate, timeout=None)\n--\n\nWaits until predicate() is true: what it "
      "gave "
      "last." },
    { "notify", FAST(condition_notify),
      "notify($self, n=1)\n--\n\nNotifies the n threads that have waited longest." },
    { "notify_all", condition_notify_all, METH_NOARGS,
      "notify_all($self)\n--\n\nNotifies all who wait." },
    { "__enter__", condition_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))condition_exit, METH_FASTCALL, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot condition_slots[] = {
    { Py_tp_doc, "Waiting, with a lock held, until another notifies; made by Space.condition().\n\n"
                 ">>> condition = kith.open(\"mem://\").condition()\n"
                 ">>> with condition:\n"
                 "...     condition.wait(timeout=0.001)\n"
                 "False\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, condition_getset },
    { Py_tp_methods, condition_methods },
    { 0, NULL }
};

PyType_Spec condition_spec = { .name = "kith.Condition",
                               .basicsize = sizeof(struct condition),
                               .flags = HANDLE_FLAGS,
                               .slots = condition_slots };

/* ---- barriers ---- */

struct barrier {
    struct handle handle;
    PyObject *action; /* what the last to arrive calls, if it is this handle's; or NULL */
};

PyObject *
barrier_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name",    "*",      "create", "exclusive",
                                         "parties", "action", NULL };
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[5], *handle;
    kith_barrier *barrier = NULL;
    uint64_t parties;
    kith_err err;

    if (!arguments("barrier", names, 0, args, count, keywords, values) ||
        !uint64_of(values[3], "parties", &parties) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = values[3] == NULL ? opener_without(&opener, "parties") : opener.create;
    options.parties = parties > UINT32_MAX ? UINT32_MAX : (uint32_t)parties;
    err = kith_barrier_open(space->open, opener.text, &options, &barrier);
    handle = opener_end(&opener, &barrier_kind, space, err, barrier);
    if (handle != NULL && values[4] != NULL && values[4] != Py_None)
        ((struct barrier *)handle)->action = Py_NewRef(values[4]);
    return handle;
}

static void
barrier_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((struct barrier *)self)->action);
    handle_dealloc(self);
}

/* An action is often a method of what the barrier is an attribute of. */
static int
barrier_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct barrier *)self)->action);
    return 0;
}

static int
barrier_clear(PyObject *self)
{
    Py_CLEAR(((struct barrier *)self)->action);
    return 0;
}

struct action {
    struct wait wait;
    PyObject *function;
};

static kith_err
act(void *arg)
{
    struct action *action = arg;
    PyObject *result;
    kith_err err;

    wait_leave(&action->wait);
    result = PyObject_CallNoArgs(action->function);
    err = result == NULL ? KITH_EINVAL : KITH_OK;
    Py_XDECREF(result);
    wait_return(&action->wait);
    return err;
}

static PyObject *
barrier_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    struct action action;
    int64_t timeout_ns;
    uint32_t index;
    kith_err err;
    OPEN(kith_barrier, barrier, self);

    if (!timeout_argument("wait", args, count, keywords, &timeout_ns))
        return NULL;
    action.function = Py_XNewRef(((struct barrier *)self)->action);
    WAIT(&action.wait, SPACE_OF(self), err,
         action.function == NULL
             ? kith_barrier_wait(barrier, timeout_ns, &index)
             : kith_barrier_wait_with(barrier, timeout_ns, act, &action, &index));
    Py_XDECREF(action.function);
    if (PyErr_Occurred())
        return NULL;
    if (err == KITH_ECONFLICT || err == KITH_ETIMEDOUT)
        return raise_lazily("BrokenBarrierError");
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLong(index);
}

static PyObject *
barrier_reset(PyObject *self, PyObject *unused)
{
    OPEN(kith_barrier, barrier, self);

    (void)unused;
    return done(kith_barrier_reset(barrier));
}

static PyObject *
barrier_abort(PyObject *self, PyObject *unused)
{
    OPEN(kith_barrier, barrier, self);

    (void)unused;
    return done(kith_barrier_abort(barrier));
}

static PyObject *
get_parties(PyObject *self, void *unused)
{
    uint32_t parties;
    kith_err err;
    OPEN(kith_barrier, barrier, self);

    (void)unused;
    err = kith_barrier_parties(barrier, &parties);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLong(parties);
}

static PyObject *
get_waiting(PyObject *self, void *unused)
{
    uint32_t waiting;
    kith_err err;
    OPEN(kith_barrier, barrier, self);

    (void)unused;
    err = kith_barrier_waiting(barrier, &waiting);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLong(waiting);
}

static PyObject *
get_broken(PyObject *self, void *unused)
{
    bool broken;
    kith_err err;
    OPEN(kith_barrier, barrier, self);

    (void)unused;
    err = kith_barrier_broken(barrier, &broken);
    return err < 0 ? raise_error(err) : PyBool_FromLong(broken);
}

static int
set_action(PyObject *self, PyObject *action, void *unused)
{
    (void)unused;
    Py_XSETREF(((struct barrier *)self)->action, action == Py_None ? NULL : Py_XNewRef(action));
    return 0;
}

static PyGetSetDef barrier_getset[] = {
    { "_action", NULL, set_action, NULL, NULL },
    { "parties", get_parties, NULL, "How many have to arrive: an int.", NULL },
    { "n_waiting", get_waiting, NULL, "How many have arrived: an int.", NULL },
    { "broken", get_broken, NULL, "Whether it is broken: a bool.", NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef barrier_methods[] = {
    { "wait", FAST(barrier_wait),
      "wait($self, timeout=None)\n--\n\nArrives, and waits for the others: as which one arrived, "
      "from "
      "0.\n\nBrokenBarrierError, also threading's: it is broken, or the time ran out, or one who "
      "had "
      "arrived\ndied." },
    { "reset", barrier_reset, METH_NOARGS, "reset($self)\n--\n\nMakes it as new." },
    { "abort", barrier_abort, METH_NOARGS, "abort($self)\n--\n\nBreaks it until it is reset." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot barrier_slots[] = {
    { Py_tp_doc,
      "A place at which so many meet; made by Space.barrier().\n\n"
      "`action`, which was given to Space.barrier(), is called by the last to arrive.\n\n"
      ">>> barrier = kith.open(\"mem://\").barrier(parties=1)\n"
      ">>> barrier.wait(), barrier.parties, barrier.broken\n"
      "(0, 1, False)\n" },
    { Py_tp_dealloc, (void *)barrier_dealloc },
    { Py_tp_traverse, (void *)barrier_traverse },
    { Py_tp_clear, (void *)barrier_clear },
    { Py_tp_repr, (void *)handle_repr },
    { Py_tp_members, handle_members },
    { Py_tp_getset, barrier_getset },
    { Py_tp_methods, barrier_methods },
    { 0, NULL }
};

PyType_Spec barrier_spec = { .name = "kith.Barrier",
                             .basicsize = sizeof(struct barrier),
                             .flags = HANDLE_FLAGS | Py_TPFLAGS_HAVE_GC,
                             .slots = barrier_slots };
