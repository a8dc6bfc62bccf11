/*
 * standard_lock.c - multiprocessing's Lock, RLock, Semaphore and BoundedSemaphore.
 *
 * The standard's locks have no owner: whoever likes may release one, and it stays taken when the
 * process that took it ends in an orderly way.  So they are unowned locks and semaphores here, but
 * for RLock, whose owner is a thread there as here.  Other than the standard's, each comes back
 * when the process that had it is killed.
 *
 * Their exceptions are the standard's, too: `semaphore or lock released too many times` is a
 * ValueError, and releasing an RLock that is another's an AssertionError; of a manager's locks,
 * which are those of `threading` there, both are RuntimeErrors.
 */
#include "standard.h"

PyTypeObject *standard_lock_type;

static PyObject *
make(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "handle", "what", "threads", NULL };
    struct standard_lock *self;
    PyObject *handle;
    int what, threads = 0;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oi|p", names, &handle, &what, &threads))
        return NULL;
    if (what < STANDARD_LOCK || what > STANDARD_SEMAPHORE ||
        !Py_IS_TYPE(handle, what == STANDARD_SEMAPHORE ? semaphore_type : lock_type)) {
        PyErr_Format(PyExc_TypeError, "%.100s is not a handle for this kind of lock",
                     Py_TYPE(handle)->tp_name);
        return NULL;
    }
    self = (struct standard_lock *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->handle = (struct handle *)Py_NewRef(handle);
    self->what = (enum standard_what)what;
    self->threads = threads != 0;
    return (PyObject *)self;
}

static void
dealloc(PyObject *object)
{
    struct standard_lock *self = (struct standard_lock *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    Py_XDECREF(self->handle);
    type->tp_free(object);
    Py_DECREF(type);
}

int
standard_lock_take_slowly(struct standard_lock *self, bool wait, int64_t timeout_ns)
{
    void *open = self->handle->open;
    struct wait waiting;
    kith_err err;

    if (open == NULL)
        return raise_closed(self->handle), -1;
    err = standard_lock_acquire(self, open, 0);
    if (err == KITH_ETIMEDOUT && wait) {
        WAIT(&waiting, self->handle->space, err, standard_lock_acquire(self, open, timeout_ns));
    }
    if (err >= 0)
        return 1;
    if (err == KITH_ETIMEDOUT)
        return 0;
    if (PyErr_Occurred() == NULL)
        raise_error(err);
    return -1;
}

bool
standard_lock_give_slowly(struct standard_lock *self, kith_err err)
{
    if (self->handle->open == NULL)
        return raise_closed(self->handle), false;
    if (self->threads && (err == KITH_EPERM || err == KITH_ERANGE) &&
        self->what != STANDARD_SEMAPHORE)
        PyErr_SetString(PyExc_RuntimeError, self->what == STANDARD_RLOCK
                                                ? "cannot release un-acquired lock"
                                                : "release unlocked lock");
    else if (err == KITH_EPERM && self->what == STANDARD_RLOCK)
        PyErr_SetString(PyExc_AssertionError,
                        "attempt to release recursive lock not owned by thread");
    else if (err == KITH_EPERM || err == KITH_ERANGE)
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
    else
        raise_error(err);
    return false;
}

/* Seconds as the standard takes them: None is for ever, less than 0 is 0. */
static bool
standard_timeout(PyObject *seconds, int64_t *ns_out)
{
    double value;

    if (seconds == NULL || seconds == Py_None) {
        *ns_out = KITH_FOREVER;
        return true;
    }
    value = PyFloat_AsDouble(seconds);
    if (value == -1.0 && PyErr_Occurred() != NULL)
        return false;
    *ns_out = !(value > 0) ? 0 : value > 9e9 ? KITH_FOREVER : (int64_t)(value * 1e9);
    return true;
}

static PyObject *
acquire(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "block", "timeout", NULL };
    PyObject *value[2] = { NULL };
    int64_t timeout_ns = KITH_FOREVER;
    bool block = true;
    int taken;

    if ((count != 0 || keywords != NULL) &&
        (!arguments("acquire", names, 0, args, count, keywords, value) ||
         !flag_of(value[0], true, &block) || !standard_timeout(value[1], &timeout_ns)))
        return NULL;
    taken = standard_lock_take((struct standard_lock *)object, block, timeout_ns);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
release(PyObject *object, PyObject *unused)
{
    (void)unused;
    if (!standard_lock_give((struct standard_lock *)object))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    if (standard_lock_take((struct standard_lock *)object, true, KITH_FOREVER) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *
leave(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    if (!standard_lock_give((struct standard_lock *)object))
        return NULL;
    Py_RETURN_NONE;
}

static PyMemberDef members[] = {
    { "_handle", T_OBJECT_EX, offsetof(struct standard_lock, handle), READONLY,
      "The handle behind it: a kith.Lock or kith.Semaphore." },
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct standard_lock, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL },
};

static PyMethodDef methods[] = {
    { "acquire", FAST(acquire),
      "acquire(block=True, timeout=None)\n--\n\n"
      "Takes it; whether it could, within `timeout` seconds." },
    { "release", release, METH_NOARGS, "release()\n--\n\nGives it back." },
    { "__enter__", enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_new, (void *)make },
    { Py_tp_dealloc, (void *)dealloc },
    { Py_tp_methods, (void *)methods },
    { Py_tp_members, (void *)members },
    { Py_tp_doc, "What the lock types of kith.multiprocessing stand on." },
    { 0, NULL },
};

PyType_Spec standard_lock_spec = {
    .name = "kith._core.StandardLock",
    .basicsize = sizeof(struct standard_lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
