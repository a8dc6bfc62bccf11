/*
 * lock.c - kith.Lock, recursive or not, and kith.RWLock.
 *
 * A lock that is free is had without letting the interpreter lock go; only a wait does that.
 */
#include "module.h"

KIND_OPEN(open_lock_as, lock, KITH_LOCK_OPTIONS_INIT)
const struct kind lock_kind = { "lock", KITH_KIND_LOCK, &lock_type, open_lock_as_close,
                                open_lock_as };
KIND_OPEN(open_rwlock_as, rwlock, KITH_RWLOCK_OPTIONS_INIT)
const struct kind rwlock_kind = { "rwlock", KITH_KIND_RWLOCK, &rwlock_type, open_rwlock_as_close,
                                  open_rwlock_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

struct lock {
    struct handle handle;
    char owner_died; /* told by the last acquire through this handle */
};

typedef kith_err acquirer(void *lock, int64_t timeout_ns);

/*
 * True, False for a time that ran out, or NULL.
 */
static PyObject *
acquire_by(PyObject *self, int64_t timeout_ns, acquirer *acquire)
{
    struct wait wait;
    kith_err err;
    OPEN(void, open, self);

    err = acquire(open, 0);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, acquire(open, timeout_ns));
        if (err >= 0 && PyErr_Occurred())
            return NULL;
    }
    if (err >= 0) {
        ((struct lock *)self)->owner_died = err == KITH_OWNER_DIED;
        Py_RETURN_TRUE;
    }
    if (err == KITH_ETIMEDOUT && !PyErr_Occurred())
        Py_RETURN_FALSE;
    return raise_error(err);
}

bool
blocking_of(PyObject *blocking, PyObject *timeout, int64_t *ns_out)
{
    bool blocks;
    double seconds;

    if (!flag_of(blocking, true, &blocks))
        return false;
    *ns_out = blocks ? KITH_FOREVER : 0;
    if (timeout == NULL || timeout == Py_None)
        return true;
    seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return false;
    if (!blocks && seconds != -1.0) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return false;
    }
    return seconds == -1.0 || timeout_of(timeout, ns_out);
}

static PyObject *
acquire_with(const char *function, PyObject *self, PyObject *const *args, Py_ssize_t count,
             PyObject *keywords, acquirer *acquire)
{
    static const char *const names[] = { "blocking", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns = KITH_FOREVER;

    if ((count > 0 || keywords != NULL) &&
        (!arguments(function, names, 0, args, count, keywords, values) ||
         !blocking_of(values[0], values[1], &timeout_ns)))
        return NULL;
    return acquire_by(self, timeout_ns, acquire);
}

/* What is raised if who releases does not hold it. */
static PyObject *
released(kith_err err)
{
    return err == KITH_EPERM ? raise_as(NOT_OWNER, err) : done(err);
}

static PyObject *
owner_of(const struct kith_owner *owner)
{
    PyObject *since;

    if (!owner->held)
        Py_RETURN_NONE;
    since = owner->since_ns == 0 ? Py_NewRef(Py_None)
                                 : PyFloat_FromDouble((double)owner->since_ns / 1e9);
    if (since == NULL)
        return NULL;
    return Py_BuildValue("{sNsLsLsNsIsIsIsO}", "host", text_read(owner->host), "pid",
                         (long long)owner->pid, "thread", (long long)owner->thread, "since", since,
                         "waiters", owner->waiters, "depth", owner->depth, "sharers",
                         owner->sharers, "alive", owner->alive ? Py_True : Py_False);
}

/* ---- locks ---- */

static PyObject *
open_with(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
          bool recursive)
{
    static const char *const names[] = { "name",      "*",    "create",  "exclusive",
                                         "recursive", "fair", "unowned", "detect_deadlock",
                                         "shareable", NULL };
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[8];
    kith_lock *lock = NULL;
    kith_err err;

    if (!arguments("lock", names, 0, args, count, keywords, values) ||
        !flag_of(values[3], recursive, &options.recursive) ||
        !flag_of(values[4], false, &options.fair) || !flag_of(values[5], false, &options.unowned) ||
        !flag_of(values[6], false, &options.detect_deadlock) ||
        !flag_of(values[7], false, &options.shareable) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_lock_open(space->open, opener.text, &options, &lock);
    return opener_end(&opener, &lock_kind, space, err, lock);
}

PyObject *
lock_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return open_with(self, args, count, keywords, false);
}

PyObject *
rlock_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return open_with(self, args, count, keywords, true);
}

static kith_err
acquire_lock(void *lock, int64_t timeout_ns)
{
    return kith_lock_acquire(lock, timeout_ns);
}

static PyObject *
lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return acquire_with("acquire", self, args, count, keywords, acquire_lock);
}

static PyObject *
lock_release(PyObject *self, PyObject *unused)
{
    OPEN(kith_lock, lock, self);

    (void)unused;
    return released(kith_lock_release(lock));
}

static PyObject *
lock_enter(PyObject *self, PyObject *unused)
{
    PyObject *had;
    kith_err err;
    OPEN(kith_lock, lock, self);

    (void)unused;
    err = kith_lock_acquire(lock, 0);
    if (err >= 0) {
        ((struct lock *)self)->owner_died = err == KITH_OWNER_DIED;
        return Py_NewRef(self);
    }
    had = acquire_by(self, KITH_FOREVER, acquire_lock);
    if (had == NULL)
        return NULL;
    Py_DECREF(had);
    return Py_NewRef(self);
}

static PyObject *
lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return lock_release(self, NULL);
}

static PyObject *
lock_locked(PyObject *self, PyObject *unused)
{
    bool locked;
    kith_err err;
    OPEN(kith_lock, lock, self);

    (void)unused;
    err = kith_lock_locked(lock, &locked);
    return err < 0 ? raise_error(err) : PyBool_FromLong(locked);
}

static PyObject *
lock_owner(PyObject *self, PyObject *unused)
{
    struct kith_owner owner;
    kith_err err;
    OPEN(kith_lock, lock, self);

    (void)unused;
    err = kith_lock_owner(lock, &owner);
    return err < 0 ? raise_error(err) : owner_of(&owner);
}

static int
each_party(const struct kith_party *party, void *arg)
{
    PyObject *one = Py_BuildValue(
        "{sNsNsLsLsOsOsO}", "host", text_read(party->host), "command", text_read(party->command),
        "pid", (long long)party->pid, "thread", (long long)party->thread, "holds",
        party->holds ? Py_True : Py_False, "shared", party->shared ? Py_True : Py_False, "alive",
        party->alive ? Py_True : Py_False);
    int failed = one == NULL || PyList_Append(arg, one) < 0;

    Py_XDECREF(one);
    return failed;
}

static PyObject *
lock_parties(PyObject *self, PyObject *unused)
{
    PyObject *list;
    kith_err err;
    OPEN(kith_lock, lock, self);

    (void)unused;
    list = PyList_New(0);
    if (list == NULL)
        return NULL;
    err = kith_lock_parties(lock, each_party, list);
    if (err >= 0 && !PyErr_Occurred())
        return list;
    Py_DECREF(list);
    return raise_error(err);
}

static PyObject *
get_owner_died(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct lock *)self)->owner_died);
}

LAZY_METHOD(lock_aacquire, "kith._asyncio", "lock_acquire")

#define OWNER_DIED                                                                                 \
    {                                                                                              \
        "owner_died", get_owner_died, NULL,                                                        \
            "Whether the last acquire by this handle was told that the last owner died: look\n"    \
            "whether what the lock protects is whole.  A bool.",                                   \
            NULL                                                                                   \
    }

static PyGetSetDef lock_getset[] = { OWNER_DIED, HANDLE_GETSET, GETSET_END };

static PyMethodDef lock_methods[] = {
    { "acquire", FAST(lock_acquire),
      "acquire($self, blocking=True, timeout=-1)\n--\n\nAcquires the lock, waiting for up to "
      "`timeout` seconds: whether it was had, a bool.\n\nDeadlockError: the thread holds it, and "
      "it "
      "is not recursive." },
    { "release", lock_release, METH_NOARGS,
      "release($self)\n--\n\nReleases the lock.\n\nNotOwnerError: it is not this thread's." },
    { "locked", lock_locked, METH_NOARGS,
      "locked($self)\n--\n\nWhether anybody holds it; may be old when read." },
    { "owner", lock_owner, METH_NOARGS,
      "owner($self)\n--\n\nWho holds it: a dict of host, pid, thread, since (seconds since 1970, "
      "or "
      "None), waiters,\ndepth, sharers and alive; None if it is free." },
    { "parties", lock_parties, METH_NOARGS,
      "parties($self)\n--\n\nWho holds it, and who waits for it: a list of dicts of host, command, "
      "pid, thread, holds,\nshared and alive." },
    { "fileno", handle_fileno, METH_NOARGS,
      "fileno($self)\n--\n\nA descriptor that is readable when the lock may be free, for "
      "selectors: "
      "an int." },
    { "aacquire", FAST(lock_aacquire),
      "aacquire($self, timeout=None)\n--\n\nacquire() for asyncio: a coroutine.  The tasks of a "
      "thread exclude each other, too." },
    { "__enter__", lock_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot lock_slots[] = {
    { Py_tp_doc,
      "A lock that processes share; made by Space.lock() or Space.rlock().  A context manager.\n\n"
      "It belongs to the thread that acquired it.  If that one dies, the next to acquire gets it,\n"
      "with the news in `owner_died`.  One that was made `unowned` anybody may release.\n\n"
      ">>> lock = kith.open(\"mem://\").lock(\"report\")\n"
      ">>> with lock:\n"
      "...     lock.locked(), lock.owner_died\n"
      "(True, False)\n"
      ">>> lock.locked()\n"
      "False\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, lock_getset },
    { Py_tp_methods, lock_methods },
    { 0, NULL }
};

PyType_Spec lock_spec = { .name = "kith.Lock",
                          .basicsize = sizeof(struct lock),
                          .flags = HANDLE_FLAGS,
                          .slots = lock_slots };

/* ---- rwlocks ---- */

PyObject *
rwlock_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name",      "*",    "create",
                                         "exclusive", "fair", "detect_deadlock",
                                         NULL };
    struct kith_rwlock_options options = KITH_RWLOCK_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[5];
    kith_rwlock *rwlock = NULL;
    kith_err err;

    if (!arguments("rwlock", names, 0, args, count, keywords, values) ||
        !flag_of(values[3], false, &options.fair) ||
        !flag_of(values[4], false, &options.detect_deadlock) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_rwlock_open(space->open, opener.text, &options, &rwlock);
    return opener_end(&opener, &rwlock_kind, space, err, rwlock);
}

static kith_err
acquire_alone(void *rwlock, int64_t timeout_ns)
{
    return kith_rwlock_acquire(rwlock, timeout_ns);
}

static kith_err
acquire_shared(void *rwlock, int64_t timeout_ns)
{
    return kith_rwlock_acquire_shared(rwlock, timeout_ns);
}

static PyObject *
rwlock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return acquire_with("acquire", self, args, count, keywords, acquire_alone);
}

static PyObject *
rwlock_acquire_shared(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return acquire_with("acquire_shared", self, args, count, keywords, acquire_shared);
}

static PyObject *
rwlock_release(PyObject *self, PyObject *unused)
{
    OPEN(kith_rwlock, rwlock, self);

    (void)unused;
    return released(kith_rwlock_release(rwlock));
}

static PyObject *
rwlock_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return entered(self, acquire_by(self, KITH_FOREVER, acquire_alone));
}

static PyObject *
rwlock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return rwlock_release(self, NULL);
}

static PyObject *
rwlock_locked(PyObject *self, PyObject *unused)
{
    bool locked;
    kith_err err;
    OPEN(kith_rwlock, rwlock, self);

    (void)unused;
    err = kith_rwlock_locked(rwlock, &locked);
    return err < 0 ? raise_error(err) : PyBool_FromLong(locked);
}

static PyObject *
rwlock_owner(PyObject *self, PyObject *unused)
{
    struct kith_owner owner;
    kith_err err;
    OPEN(kith_rwlock, rwlock, self);

    (void)unused;
    err = kith_rwlock_owner(rwlock, &owner);
    return err < 0 ? raise_error(err) : owner_of(&owner);
}

/* `with rwlock.shared():` */
struct share {
    PyObject_HEAD
    PyObject *rwlock;
};

static PyObject *
rwlock_shared(PyObject *self, PyObject *unused)
{
    struct share *share = PyObject_New(struct share, share_type);

    (void)unused;
    if (share != NULL)
        share->rwlock = Py_NewRef(self);
    return (PyObject *)share;
}

static PyObject *
share_enter(PyObject *self, PyObject *unused)
{
    PyObject *rwlock = ((struct share *)self)->rwlock;
    PyObject *had = acquire_by(rwlock, KITH_FOREVER, acquire_shared);

    (void)unused;
    if (had == NULL)
        return NULL;
    Py_DECREF(had);
    return Py_NewRef(rwlock);
}

static PyObject *
share_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return rwlock_release(((struct share *)self)->rwlock, NULL);
}

static void
share_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_DECREF(((struct share *)object)->rwlock);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef share_methods[] = { { "__enter__", share_enter, METH_NOARGS, NULL },
                                       { "__exit__", (PyCFunction)(void (*)(void))share_exit,
                                         METH_FASTCALL, NULL },
                                       METHODS_END };

static PyType_Slot share_slots[] = { { Py_tp_doc, "What RWLock.shared() gives to `with`." },
                                     { Py_tp_dealloc, (void *)share_dealloc },
                                     { Py_tp_methods, share_methods },
                                     { 0, NULL } };

PyType_Spec share_spec = { .name = "kith.Share",
                           .basicsize = sizeof(struct share),
                           .flags = HANDLE_FLAGS,
                           .slots = share_slots };

static PyGetSetDef rwlock_getset[] = { OWNER_DIED, HANDLE_GETSET, GETSET_END };

static PyMethodDef rwlock_methods[] = {
    { "acquire", FAST(rwlock_acquire),
      "acquire($self, blocking=True, timeout=-1)\n--\n\nAcquires it for this thread alone: whether "
      "it was had, a bool.\n\nDeadlockError: the thread has or shares it." },
    { "acquire_shared", FAST(rwlock_acquire_shared),
      "acquire_shared($self, blocking=True, timeout=-1)\n--\n\nAcquires it to share it: whether it "
      "was had, a bool.\n\nDeadlockError: the thread has it alone." },
    { "release", rwlock_release, METH_NOARGS,
      "release($self)\n--\n\nReleases it, however it was acquired.\n\nNotOwnerError." },
    { "shared", rwlock_shared, METH_NOARGS,
      "shared($self)\n--\n\nA context manager that shares it." },
    { "locked", rwlock_locked, METH_NOARGS,
      "locked($self)\n--\n\nWhether anybody has or shares it; may be old when read." },
    { "owner", rwlock_owner, METH_NOARGS,
      "owner($self)\n--\n\nWho has it, or one of those who share it, as Lock.owner() tells it." },
    { "__enter__", rwlock_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))rwlock_exit, METH_FASTCALL, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot rwlock_slots[] = {
    { Py_tp_doc, "A lock that many may share, or one may have alone; made by Space.rwlock().\n\n"
                 ">>> rwlock = kith.open(\"mem://\").rwlock()\n"
                 ">>> with rwlock.shared():\n"
                 "...     rwlock.owner()[\"sharers\"]\n"
                 "1\n"
                 ">>> with rwlock:\n"
                 "...     rwlock.owner()[\"sharers\"]\n"
                 "0\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, rwlock_getset },
    { Py_tp_methods, rwlock_methods },
    { 0, NULL }
};

PyType_Spec rwlock_spec = { .name = "kith.RWLock",
                            .basicsize = sizeof(struct lock),
                            .flags = HANDLE_FLAGS,
                            .slots = rwlock_slots };
