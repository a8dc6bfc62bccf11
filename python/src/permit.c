/*
 * permit.c - what is taken, or done, by a few among all: kith.Semaphore, kith.Limiter, kith.Once.
 */
#include "module.h"

KIND_OPEN(open_semaphore_as, semaphore, KITH_SEMAPHORE_OPTIONS_INIT)
const struct kind semaphore_kind = { "semaphore", KITH_KIND_SEMAPHORE, &semaphore_type,
                                     open_semaphore_as_close, open_semaphore_as };
KIND_OPEN(open_limiter_as, limiter, KITH_LIMITER_OPTIONS_INIT)
const struct kind limiter_kind = { "limiter", KITH_KIND_LIMITER, &limiter_type,
                                   open_limiter_as_close, open_limiter_as };
KIND_OPEN(open_once_as, once, KITH_ONCE_OPTIONS_INIT)
const struct kind once_kind = { "once", KITH_KIND_ONCE, &once_type, open_once_as_close,
                                open_once_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

static uint32_t
to_32_bits(uint64_t n)
{
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* ---- semaphores ---- */

PyObject *
semaphore_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name",    "*",    "create",  "exclusive", "value",
                                         "bounded", "fair", "unowned", NULL };
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[7];
    kith_semaphore *semaphore = NULL;
    uint64_t value;
    kith_err err;

    if (!arguments("semaphore", names, 0, args, count, keywords, values) ||
        !uint64_of(values[3], "a value", &value) || !flag_of(values[4], false, &options.bounded) ||
        !flag_of(values[5], false, &options.fair) || !flag_of(values[6], false, &options.unowned) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    if (values[3] != NULL && values[3] != Py_None)
        options.value = to_32_bits(value);
    err = kith_semaphore_open(space->open, opener.text, &options, &semaphore);
    return opener_end(&opener, &semaphore_kind, space, err, semaphore);
}

static PyObject *
take(PyObject *self, int64_t timeout_ns)
{
    struct wait wait;
    kith_err err;
    OPEN(kith_semaphore, semaphore, self);

    err = kith_semaphore_acquire(semaphore, 0);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_semaphore_acquire(semaphore, timeout_ns));
    }
    return PyErr_Occurred() ? NULL : answer(err, KITH_ETIMEDOUT);
}

static PyObject *
semaphore_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "blocking", "timeout", NULL };
    PyObject *values[2];
    int64_t timeout_ns = KITH_FOREVER;
    bool blocks;

    if (count > 0 || keywords != NULL) {
        if (!arguments("acquire", names, 0, args, count, keywords, values) ||
            !flag_of(values[0], true, &blocks))
            return NULL;
        if (!blocks)
            timeout_ns = 0;
        else if (!timeout_of(values[1], &timeout_ns))
            return NULL;
    }
    return take(self, timeout_ns);
}

static PyObject *
semaphore_release(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "n", NULL };
    PyObject *values[1];
    uint64_t n = 1;
    kith_err err;
    OPEN(kith_semaphore, semaphore, self);

    if ((count > 0 || keywords != NULL) &&
        (!arguments("release", names, 0, args, count, keywords, values) ||
         (values[0] != NULL && !uint64_of(values[0], "n", &n))))
        return NULL;
    if (n < 1) {
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return NULL;
    }
    err = n == 1 ? kith_semaphore_release(semaphore)
                 : kith_semaphore_release_many(semaphore, to_32_bits(n));
    /* A ValueError, as threading.BoundedSemaphore has it. */
    return err == KITH_ERANGE ? raise_as(INVALID, err) : done(err);
}

static PyObject *
semaphore_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return entered(self, take(self, KITH_FOREVER));
}

static PyObject *
semaphore_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return semaphore_release(self, NULL, 0, NULL);
}

static PyObject *
get_value(PyObject *self, void *unused)
{
    uint32_t value;
    kith_err err;
    OPEN(kith_semaphore, semaphore, self);

    (void)unused;
    err = kith_semaphore_value(semaphore, &value);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLong(value);
}

LAZY_METHOD(semaphore_aacquire, "kith._asyncio", "semaphore_acquire")

static PyGetSetDef semaphore_getset[] = {
    { "value", get_value, NULL, "How many permits are to be had; may be old when read.", NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef semaphore_methods[] = {
    { "acquire", FAST(semaphore_acquire),
      "acquire($self, blocking=True, timeout=None)\n--\n\nTakes a permit, waiting for one for up "
      "to "
      "`timeout` seconds: whether it was had, a bool." },
    { "release", FAST(semaphore_release),
      "release($self, n=1)\n--\n\nGives permits back.\n\nInvalidError, a ValueError: there would "
      "be "
      "more than at first, and it is bounded." },
    { "fileno", handle_fileno, METH_NOARGS,
      "fileno($self)\n--\n\nA descriptor that is readable when a permit may be had, for selectors: "
      "an int." },
    { "aacquire", FAST(semaphore_aacquire),
      "aacquire($self, timeout=None)\n--\n\nacquire() for asyncio: a coroutine." },
    { "__enter__", semaphore_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL, NULL },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot semaphore_slots[] = {
    { Py_tp_doc, "Permits that a killed process gives back; made by Space.semaphore().\n\n"
                 ">>> semaphore = kith.open(\"mem://\").semaphore(value=2)\n"
                 ">>> with semaphore:\n"
                 "...     semaphore.value\n"
                 "1\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, semaphore_getset },
    { Py_tp_methods, semaphore_methods },
    { 0, NULL }
};

PyType_Spec semaphore_spec = { .name = "kith.Semaphore",
                               .basicsize = sizeof(struct handle),
                               .flags = HANDLE_FLAGS,
                               .slots = semaphore_slots };

/* ---- limiters ---- */

PyObject *
limiter_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {
        "name", "*", "create", "exclusive", "rate", "burst", NULL
    };
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[5];
    kith_limiter *limiter = NULL;
    uint64_t burst;
    kith_err err;

    if (!arguments("limiter", names, 0, args, count, keywords, values) ||
        !uint64_of(values[4], "a burst", &burst))
        return NULL;
    if (values[3] != NULL && values[3] != Py_None) {
        options.rate = PyFloat_AsDouble(values[3]);
        if (PyErr_Occurred())
            return NULL;
    }
    if (values[4] != NULL && values[4] != Py_None)
        options.burst = to_32_bits(burst);
    if (!opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = values[3] == NULL ? opener_without(&opener, "rate") : opener.create;
    err = kith_limiter_open(space->open, opener.text, &options, &limiter);
    return opener_end(&opener, &limiter_kind, space, err, limiter);
}

static PyObject *
limiter_take(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "n", NULL };
    PyObject *values[1];
    uint64_t n = 1;
    OPEN(kith_limiter, limiter, self);

    if (!arguments("take", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !uint64_of(values[0], "n", &n)))
        return NULL;
    return answer(kith_limiter_take(limiter, to_32_bits(n)), KITH_EEMPTY);
}

static PyObject *
limiter_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "n", "timeout", NULL };
    PyObject *values[2];
    struct wait wait;
    int64_t timeout_ns;
    uint64_t n = 1;
    kith_err err;
    OPEN(kith_limiter, limiter, self);

    if (!arguments("wait", names, 0, args, count, keywords, values) ||
        (values[0] != NULL && !uint64_of(values[0], "n", &n)) ||
        !timeout_of(values[1], &timeout_ns))
        return NULL;
    WAIT(&wait, SPACE_OF(self), err, kith_limiter_wait(limiter, to_32_bits(n), timeout_ns));
    return PyErr_Occurred() ? NULL : answer(err, KITH_ETIMEDOUT);
}

static PyObject *
limiter_state(PyObject *self, PyObject *unused)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    kith_err err;
    OPEN(kith_limiter, limiter, self);

    (void)unused;
    err = kith_limiter_state(limiter, &state);
    if (err < 0)
        return raise_error(err);
    return Py_BuildValue("{sdsIsIsd}", "rate", state.rate, "burst", state.burst, "available",
                         state.available, "next", (double)state.next_ns / 1e9);
}

LAZY_METHOD(limiter_await_tokens, "kith._asyncio", "limiter_wait")

static PyMethodDef limiter_methods[] = {
    { "take", FAST(limiter_take),
      "take($self, n=1)\n--\n\nTakes n tokens if they are there: whether they were, a bool.\n\n"
      "RangeError: n is more than the burst." },
    { "wait", FAST(limiter_wait),
      "wait($self, n=1, timeout=None)\n--\n\nTakes n tokens, waiting for them; False, at once, if "
      "they will not be there within\n`timeout` seconds.\n\nRangeError: n is more than the "
      "burst." },
    { "await_tokens", FAST(limiter_await_tokens),
      "await_tokens($self, n=1, timeout=None)\n--\n\nwait() for asyncio: a coroutine.  It takes no "
      "place before the tokens are there." },
    { "state", limiter_state, METH_NOARGS,
      "state($self)\n--\n\nrate, burst, available, and next: seconds to one more token; a dict." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot limiter_slots[] = {
    { Py_tp_doc, "No more than so many a second among all processes; made by Space.limiter().\n\n"
                 ">>> limiter = kith.open(\"mem://\").limiter(rate=0.001, burst=2)\n"
                 ">>> limiter.take(), limiter.take(), limiter.take()\n"
                 "(True, True, False)\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, handle_getset },
    { Py_tp_methods, limiter_methods },
    { 0, NULL }
};

PyType_Spec limiter_spec = { .name = "kith.Limiter",
                             .basicsize = sizeof(struct handle),
                             .flags = HANDLE_FLAGS,
                             .slots = limiter_slots };

/* ---- onces ---- */

PyObject *
once_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", NULL };
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[3];
    kith_once *once = NULL;
    kith_err err;

    if (!arguments("once", names, 0, args, count, keywords, values) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_once_open(space->open, opener.text, &options, &once);
    return opener_end(&opener, &once_kind, space, err, once);
}

/* 1: the caller is to do it; 0: it is done; -1: an exception is set. */
static int
claim(PyObject *self, int64_t timeout_ns)
{
    struct wait wait;
    bool mine;
    kith_err err;
    OPEN_OR(kith_once, once, self, -1);

    err = kith_once_claim(once, 0, &mine);
    if (err == KITH_ETIMEDOUT && timeout_ns != 0) {
        WAIT(&wait, SPACE_OF(self), err, kith_once_claim(once, timeout_ns, &mine));
    }
    if (err >= 0)
        return mine;
    raise_error(err);
    return -1;
}

static PyObject *
once_claim(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "timeout", NULL };
    PyObject *values[1];
    int64_t timeout_ns;
    int mine;

    if (!arguments("claim", names, 0, args, count, keywords, values) ||
        !timeout_of(values[0], &timeout_ns))
        return NULL;
    mine = claim(self, timeout_ns);
    return mine < 0 ? NULL : PyBool_FromLong(mine);
}

/* Ends the claim of this process. */
static PyObject *
end_by(PyObject *self, kith_err (*end)(kith_once *once))
{
    kith_err err;
    OPEN(kith_once, once, self);

    err = end(once);
    return err == KITH_EPERM ? raise_as(NOT_OWNER, err) : done(err);
}

static PyObject *
once_done(PyObject *self, PyObject *unused)
{
    (void)unused;
    return end_by(self, kith_once_done);
}

static PyObject *
once_failed(PyObject *self, PyObject *unused)
{
    (void)unused;
    return end_by(self, kith_once_failed);
}

static PyObject *
once_run(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "function", "timeout", NULL };
    PyObject *values[2], *result, *ended;
    int64_t timeout_ns;
    int mine;

    if (!arguments("run", names, 1, args, count, keywords, values) ||
        !timeout_of(values[1], &timeout_ns))
        return NULL;
    mine = claim(self, timeout_ns);
    if (mine < 0)
        return NULL;
    if (!mine)
        Py_RETURN_FALSE;
    result = PyObject_CallNoArgs(values[0]);
    if (result == NULL) {
        PyObject *type, *value, *traceback;

        PyErr_Fetch(&type, &value, &traceback);
        ended = end_by(self, kith_once_failed);
        Py_XDECREF(ended);
        PyErr_Restore(type, value, traceback);
        return NULL;
    }
    Py_DECREF(result);
    ended = end_by(self, kith_once_done);
    if (ended == NULL)
        return NULL;
    Py_DECREF(ended);
    Py_RETURN_TRUE;
}

static PyObject *
once_state(PyObject *self, void *unused)
{
    static const char *const words[] = { "open", "claimed", "done" };
    enum kith_once_state state;
    kith_err err;
    OPEN(kith_once, once, self);

    (void)unused;
    err = kith_once_state(once, &state);
    if (err < 0)
        return raise_error(err);
    return PyUnicode_FromString(state <= KITH_ONCE_DONE ? words[state] : "unknown");
}

static PyGetSetDef once_getset[] = { { "state", once_state, NULL,
                                       "\"open\", \"claimed\" or \"done\".", NULL },
                                     HANDLE_GETSET,
                                     GETSET_END };

static PyMethodDef once_methods[] = {
    { "claim", FAST(once_claim),
      "claim($self, timeout=None)\n--\n\nWaits for who does it now.  True: the caller is to do it, "
      "and then to call done() or\nfailed(); False: it is done.\n\nTimeoutError; DeadlockError: "
      "this "
      "thread has claimed it." },
    { "done", once_done, METH_NOARGS,
      "done($self)\n--\n\nIt is done, for good.\n\nNotOwnerError." },
    { "failed", once_failed, METH_NOARGS,
      "failed($self)\n--\n\nIt failed; the next has the turn.\n\nNotOwnerError." },
    { "run", FAST(once_run),
      "run($self, function, timeout=None)\n--\n\nHas function() called once among all: whether "
      "this "
      "call did, a bool.  If it raises, the\nnext has the turn.\n\nTimeoutError, DeadlockError." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot once_slots[] = {
    { Py_tp_doc, "A thing that one process does, and others wait for; made by Space.once().\n\n"
                 ">>> once = kith.open(\"mem://\").once()\n"
                 ">>> once.run(lambda: print(\"doing it\")), once.run(lambda: print(\"again\"))\n"
                 "doing it\n"
                 "(True, False)\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, once_getset },
    { Py_tp_methods, once_methods },
    { 0, NULL }
};

PyType_Spec once_spec = { .name = "kith.Once",
                          .basicsize = sizeof(struct handle),
                          .flags = HANDLE_FLAGS,
                          .slots = once_slots };
