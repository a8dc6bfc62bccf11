/*
 * space.c - kith.Space: one opened address, and what is done to all that is named in it.
 */
#include "module.h"

/* All spaces of this process that are not deallocated. */
static struct space *spaces;

/* ---- opening and closing ---- */

/*
 * What names the space for all who have it open: the address without the scheme of named arenas;
 * for mem://, which has none, what this process made up and its forks inherit.
 */
static PyObject *
space_key(const char *address, size_t size)
{
    char made[KITH_MADE_NAME_SIZE];

    if (size >= 4 && memcmp(address, "mem:", 4) == 0) {
        kith_err err = kith_name_make(made);

        return err < 0 ? raise_error(err) : PyUnicode_FromFormat("mem://%s", made);
    }
    if (size > 6 && memcmp(address, "shm://", 6) == 0)
        return PyUnicode_FromStringAndSize(address + 6, (Py_ssize_t)size - 6);
    return PyUnicode_FromStringAndSize(address, (Py_ssize_t)size);
}

/* A space around `open`, which it owns from now on, also if this fails.  `key` may be NULL. */
static PyObject *
space_new(kith_space *open, const char *address, PyObject *key, bool pickles, bool readonly)
{
    struct space *self = (struct space *)space_type->tp_alloc(space_type, 0);
    size_t size = strcspn(address, "?");

    if (self == NULL) {
        kith_close(open);
        return NULL;
    }
    self->open = self->kept = open;
    self->pickles = pickles;
    self->readonly = readonly;
    self->next = spaces;
    if (spaces != NULL)
        spaces->previous = self;
    spaces = self;
    self->address = PyUnicode_FromStringAndSize(address, (Py_ssize_t)size);
    self->key = key != NULL ? Py_NewRef(key) : space_key(address, size);
    if (self->address == NULL || self->key == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* _pool_space(): what a pool has handed on to this process, a command of its own. */
PyObject *
kith_module_pool_space(PyObject *module, PyObject *unused)
{
    kith_space *open;
    kith_err err = kith_process_space(0, NULL, &open);
    struct kith_stat stat = KITH_STAT_INIT;
    char address[sizeof(stat.path) + 8];

    (void)module;
    (void)unused;
    if (err == KITH_OK)
        err = kith_stat(open, &stat);
    if (err < 0)
        return raise_error(err);
    (void)snprintf(address, sizeof(address), "%s%s", stat.path[0] != '\0' ? "file://" : "mem://",
                   stat.path);
    return space_new(open, address, NULL, true, false);
}

void
space_settle(struct space *space)
{
    kith_space *kept = space->kept;

    if (space->open != NULL || kept == NULL || space->uses > 0 || space->calls > 0)
        return;
    space->kept = NULL;
    for (struct handle *handle = space->handles; handle != NULL; handle = handle->next) {
        if (handle->kept != NULL)
            handle->kind->close(handle->kept);
        handle->kept = NULL;
    }
    kith_close(kept);
}

PyObject *
space_close(PyObject *object, PyObject *unused)
{
    struct space *self = (struct space *)object;

    (void)unused;
    self->open = NULL;
    for (struct handle *handle = self->handles; handle != NULL; handle = handle->next)
        handle->open = NULL;
    space_settle(self);
    Py_RETURN_NONE;
}

static void
space_dealloc(PyObject *object)
{
    struct space *self = (struct space *)object;
    PyTypeObject *type = Py_TYPE(object);

    /* First of all, so that what runs Python code here does not find it. */
    if (self->previous != NULL)
        self->previous->next = self->next;
    else if (spaces == self)
        spaces = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    Py_XDECREF(self->types);
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    kith_close(self->kept);
    Py_XDECREF(self->address);
    Py_XDECREF(self->key);
    type->tp_free(object);
    Py_DECREF(type);
}

/* "pickle" or None. */
static bool
serializer_of(PyObject *object, bool *pickles_out)
{
    *pickles_out = false;
    if (object == NULL || object == Py_None)
        return true;
    *pickles_out =
        PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "pickle") == 0;
    if (!*pickles_out)
        PyErr_Format(failures[INVALID], "A serializer is \"pickle\" or None, not %R.", object);
    return *pickles_out;
}

const char *
text_of(PyObject *object, const char *what)
{
    Py_ssize_t size;
    const char *text;

    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s is a str, not %.100s", what, Py_TYPE(object)->tp_name);
        return NULL;
    }
    text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text != NULL && strlen(text) != (size_t)size) {
        PyErr_Format(failures[INVALID], "%R, given as %s, has a NUL in it.", object, what);
        return NULL;
    }
    return text;
}

static bool
options_of(PyObject **values, struct kith_options *options)
{
    bool create, exclusive;
    uint64_t mode;

    if (!flag_of(values[1], true, &create) || !flag_of(values[2], false, &exclusive) ||
        !uint64_of(values[3], "a size", &options->size) || !uint64_of(values[4], "a mode", &mode) ||
        !flag_of(values[5], false, &options->readonly) ||
        !flag_of(values[6], false, &options->temporary) ||
        !flag_of(values[7], false, &options->transactional) ||
        !duration_of(values[8], "a timeout", &options->timeout_ns))
        return false;
    options->mode = (uint32_t)mode;
    options->create = exclusive ? KITH_MUST_CREATE : create ? KITH_CREATE_OR_OPEN : KITH_MUST_EXIST;
    if (values[10] != NULL && values[10] != Py_None) {
        options->authkey_file = text_of(values[10], "authkey_file");
        return options->authkey_file != NULL;
    }
    return true;
}

PyObject *
kith_module_open(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "address",   "*",          "create",
                                         "exclusive", "size",       "mode",
                                         "readonly",  "temporary",  "transactional",
                                         "timeout",   "serializer", "authkey_file",
                                         NULL };
    struct kith_options options = KITH_OPTIONS_INIT;
    PyObject *values[11];
    const char *address;
    bool pickles;
    kith_space *space;
    kith_err err;

    (void)module;
    if (!arguments("open", names, 0, args, count, keywords, values) ||
        !options_of(values, &options) || !serializer_of(values[9], &pickles))
        return NULL;
    if (values[0] != NULL && values[0] != Py_None) {
        address = text_of(values[0], "an address");
        if (address == NULL)
            return NULL;
    } else {
        address = getenv("KITH_URL");
        if (address == NULL || address[0] == '\0') {
            PyErr_SetString(failures[INVALID], "kith.open() needs an address, as \"hits\", or one "
                                               "in the environment variable KITH_URL.");
            return NULL;
        }
    }
    err = kith_open(address, &options, &space);
    return err < 0 ? raise_error(err) : space_new(space, address, NULL, pickles, options.readonly);
}

/* _reopen(address, key, readonly, pickles, descriptor): how a pickled handle finds its space. */
PyObject *
kith_module_reopen(PyObject *module, PyObject *positional)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    const char *address;
    PyObject *key;
    int readonly, pickles, descriptor;
    kith_space *space;
    kith_err err;

    (void)module;
    if (!PyArg_ParseTuple(positional, "sUppi", &address, &key, &readonly, &pickles, &descriptor))
        return NULL;
    for (struct space *known = spaces; known != NULL; known = known->next) {
        if (known->open != NULL && known->pickles == (pickles != 0) &&
            known->readonly == (readonly != 0) && PyUnicode_Compare(known->key, key) == 0)
            return Py_NewRef(known);
    }
    options.create = KITH_MUST_EXIST;
    options.readonly = readonly != 0;
    if (strncmp(address, "mem:", 4) != 0) {
        err = kith_open(address, &options, &space);
    } else if (descriptor >= 0) {
        err = kith_open_fd(descriptor, &options, &space);
    } else {
        PyErr_SetString(failures[NOT_FOUND],
                        "The handle is of a mem:// space, which other processes than forked ones "
                        "find only as arguments of a process that multiprocessing starts.");
        return NULL;
    }
    return err < 0 ? raise_error(err) : space_new(space, address, key, pickles != 0, readonly != 0);
}

/*
 * _after_fork(): in a forked child, where none of the parent's other threads goes on with what it
 * waited for, though they are counted.
 */
PyObject *
kith_module_after_fork(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    for (struct space *space = spaces; space != NULL; space = space->next) {
        space->uses -= space->waits;
        space->waits = 0;
        space->calls = 0;
    }
    waits_after_fork();
    for (struct space *space = spaces; space != NULL; space = space->next)
        space_settle(space);
    Py_RETURN_NONE;
}

/* _leave(): for a process that is about to end by os._exit(), which runs no destructors. */
PyObject *
kith_module_leave(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    for (struct space *space = spaces; space != NULL; space = space->next) {
        Py_XDECREF(space_close((PyObject *)space, NULL));
        /* Views go on to the end; the library lets them.  Another thread's wait it does not. */
        if (space->kept != NULL && space->waits == 0) {
            kith_close(space->kept);
            space->kept = NULL;
        }
    }
    Py_RETURN_NONE;
}

/* ---- one space ---- */

#define SPACE(variable, self)                                                                      \
    kith_space *variable = ((struct space *)(self))->open;                                         \
    if (variable == NULL) {                                                                        \
        PyErr_Format(failures[CLOSED], "The space \"%U\" was closed.",                             \
                     ((struct space *)(self))->address);                                           \
        return NULL;                                                                               \
    }

static PyObject *
space_repr(PyObject *object)
{
    struct space *self = (struct space *)object;

    return PyUnicode_FromFormat("<kith.Space %R%s>", self->address,
                                self->open == NULL ? ", closed" : "");
}

static PyObject *
space_enter(PyObject *self, PyObject *unused)
{
    SPACE(open, self);

    (void)unused;
    (void)open;
    return Py_NewRef(self);
}

static PyObject *
space_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return space_close(self, NULL);
}

static PyObject *
space_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return call_lazily("kith._pickle", "reduce_space", self, NULL, 0, NULL);
}

static PyObject *
space_share(PyObject *self, PyObject *unused)
{
    int descriptor;
    kith_err err;
    SPACE(open, self);

    (void)unused;
    err = kith_share(open, &descriptor);
    return err < 0 ? raise_error(err) : PyLong_FromLong(descriptor);
}

static PyObject *
space_destroy(PyObject *self, PyObject *name)
{
    const char *text = text_of(name, "a name");
    SPACE(open, self);

    return text == NULL ? NULL : done(kith_destroy(open, text));
}

static PyObject *
space_rename(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "old", "new", NULL };
    PyObject *values[2];
    const char *old, *new;
    SPACE(open, self);

    if (!arguments("rename", names, 2, args, count, keywords, values) ||
        (old = text_of(values[0], "a name")) == NULL ||
        (new = text_of(values[1], "a name")) == NULL)
        return NULL;
    return done(kith_rename(open, old, new));
}

static PyObject *
space_subscript(PyObject *self, PyObject *name)
{
    PyObject *handle;
    SPACE(open, self);

    (void)open;
    if (text_of(name, "a name") == NULL)
        return NULL;
    handle = handle_open((struct space *)self, name, KITH_KIND_NONE);
    return handle;
}

static PyObject *
space_handle(PyObject *self, PyObject *positional)
{
    PyObject *name;
    int number;
    SPACE(open, self);

    (void)open;
    if (!PyArg_ParseTuple(positional, "Ui", &name, &number) || text_of(name, "a name") == NULL)
        return NULL;
    return handle_open((struct space *)self, name, (enum kith_kind)number);
}

static int
space_contains(PyObject *self, PyObject *name)
{
    PyObject *handle;

    if (!PyUnicode_Check(name))
        return 0;
    handle = space_subscript(self, name);
    if (handle != NULL) {
        Py_DECREF(handle);
        return 1;
    }
    if (!PyErr_ExceptionMatches(failures[NOT_FOUND]))
        return -1;
    PyErr_Clear();
    return 0;
}

static PyObject *
get_serializer(PyObject *self, void *unused)
{
    (void)unused;
    if (((struct space *)self)->pickles)
        return PyUnicode_FromString("pickle");
    Py_RETURN_NONE;
}

static PyObject *
get_closed(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct space *)self)->open == NULL);
}

static PyMemberDef members[] = {
    { "address", T_OBJECT_EX, offsetof(struct space, address), READONLY,
      "The address, as it was opened, without its query: a str." },
    { "_key", T_OBJECT_EX, offsetof(struct space, key), READONLY, NULL },
    { "readonly", T_BOOL, offsetof(struct space, readonly), READONLY,
      "Whether it was opened to be read only: a bool." },
    { "__weaklistoffset__", T_PYSSIZET, offsetof(struct space, weak), READONLY, NULL },
    { NULL, 0, 0, 0, NULL }
};

static PyObject *
get_types(PyObject *self, void *unused)
{
    PyObject *types = ((struct space *)self)->types;

    (void)unused;
    return Py_NewRef(types == NULL ? Py_None : types);
}

static int
set_types(PyObject *self, PyObject *types, void *unused)
{
    (void)unused;
    if (types == NULL || !PyDict_Check(types)) {
        PyErr_SetString(PyExc_TypeError, "the types of a space are a dict");
        return -1;
    }
    Py_XSETREF(((struct space *)self)->types, Py_NewRef(types));
    return 0;
}

static PyGetSetDef getset[] = { { "_types", get_types, set_types, NULL, NULL },
                                { "serializer", get_serializer, NULL, "\"pickle\" or None.", NULL },
                                { "closed", get_closed, NULL, "Whether close() was called: a bool.",
                                  NULL },
                                { NULL, NULL, NULL, NULL, NULL } };

#define OPENER_DOC(word, what)                                                                     \
    word "($self, name=None, *, create=True, exclusive=False, **options)"                          \
         "\n--\n\n" what                                                                           \
         "\n\nWithout a name one is made up.  create=False: NotFoundError if it is not "           \
         "there;\nexclusive=True: ExistsError if it is."

static PyMethodDef methods[] = {
    { "dict", FAST(dict_open),
      OPENER_DOC("dict", "Opens, or makes, the dict `name`: a kith.Dict.\n\nmax_items, max_bytes: "
                         "bounds; policy: \"refuse\", \"fifo\" or \"sieve\".") },
    { "list", FAST(list_open),
      OPENER_DOC("list", "Opens, or makes, the list `name`: a kith.List.") },
    { "set", FAST(set_open), OPENER_DOC("set", "Opens, or makes, the set `name`: a kith.Set.") },
    { "namespace", FAST(namespace_open),
      OPENER_DOC("namespace", "Opens, or makes, the namespace `name`: a kith.Namespace.") },
    { "queue", FAST(queue_open),
      OPENER_DOC(
          "queue",
          "Opens, or makes, the queue `name`: a kith.Queue.\n\ncapacity: items at "
          "most, 0 for no bound; attempts_max, dead_letter: what\nbecomes of an item whose "
          "leases fail; joinable: join() waits for task_done(); lending: what get() returns is "
          "back if the process is killed before its task_done().") },
    { "lock", FAST(lock_open),
      OPENER_DOC("lock",
                 "Opens, or makes, the lock `name`: a kith.Lock.\n\nrecursive, fair, unowned,"
                 " detect_deadlock, shareable: see kith.Lock.") },
    { "rlock", FAST(rlock_open),
      OPENER_DOC("rlock", "As lock(), of one that its owner may acquire again.") },
    { "rwlock", FAST(rwlock_open),
      OPENER_DOC("rwlock", "Opens, or makes, the rwlock `name`: a kith.RWLock.\n\nfair, "
                           "detect_deadlock.") },
    { "semaphore", FAST(semaphore_open),
      OPENER_DOC("semaphore", "Opens, or makes, the semaphore `name`: a kith.Semaphore.\n\nvalue: "
                              "permits at first, 1; bounded, fair, unowned.") },
    { "condition", FAST(condition_open),
      OPENER_DOC("condition", "Opens, or makes, the condition `name`: a kith.Condition.\n\nlock: a "
                              "kith.Lock of this space; without it the condition has its own.") },
    { "event", FAST(event_open),
      OPENER_DOC("event", "Opens, or makes, the event `name`: a kith.Event.") },
    { "barrier", FAST(barrier_open),
      OPENER_DOC("barrier", "Opens, or makes, the barrier `name`: a kith.Barrier.\n\nparties: how "
                            "many have to arrive; has to be given to make one.") },
    { "once", FAST(once_open),
      OPENER_DOC("once", "Opens, or makes, the once `name`: a kith.Once.") },
    { "limiter", FAST(limiter_open),
      OPENER_DOC("limiter",
                 "Opens, or makes, the limiter `name`: a kith.Limiter.\n\nrate: tokens a "
                 "second, has to be given to make one; burst: tokens at most, 1.") },
    { "value", FAST(value_open),
      OPENER_DOC("value",
                 "Opens, or makes, the value `name`: a kith.Value.\n\ntype: one of "
                 "b B h H i I l L q Q f d ? c u; or size: bytes of a structure;\ninitial: what it "
                 "is at first; transactional.") },
    { "array", FAST(array_open),
      OPENER_DOC("array",
                 "Opens, or makes, the array `name`: a kith.Array.\n\ntype, size: as of "
                 "value(); count: items; or initial: the items, a sequence or a buffer.") },
    { "segment", FAST(segment_open),
      OPENER_DOC("segment", "Opens, or makes, the segment `name`: a kith.Segment.\n\nsize: bytes; "
                            "has to be given to make one.") },
    { "txn", FAST(txn_open),
      "txn($self)\n--\n\nBegins a transaction: a kith.Txn, which is a context manager." },
    { "destroy", space_destroy, METH_O,
      "destroy($self, name, /)\n--\n\nDestroys the object for everybody; handles of it raise "
      "GoneError.\n\nNotFoundError: there is none." },
    { "rename", FAST(space_rename),
      "rename($self, old, new)\n--\n\nGives an object another name, in one step.\n\nNotFoundError, "
      "ExistsError." },
    { "share", space_share, METH_NOARGS,
      "share($self)\n--\n\nA descriptor, an int, by which another process opens a mem:// space.  "
      "The caller\ncloses it.  UnsupportedError: the space has a name." },
    { "close", space_close, METH_NOARGS,
      "close($self)\n--\n\nGives the space up: locks, leases and claims of this process are given "
      "back, and\nits handles raise ClosedError.  Views and buffers go on; so do waits of other "
      "threads." },
    { "__enter__", space_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))space_exit, METH_FASTCALL, NULL },
    { "__reduce__", space_reduce, METH_NOARGS, NULL },
    { "_handle", space_handle, METH_VARARGS, NULL },
    { "objects", keeping_objects, METH_NOARGS,
      "objects($self)\n--\n\nAll named objects at one instant, by name: a list of kith.Info(name, "
      "kind, items,\nbytes, created)." },
    { "stat", keeping_stat, METH_NOARGS, "stat($self)\n--\n\nThe space in numbers: a kith.Stat." },
    { "check", keeping_check, METH_NOARGS,
      "check($self)\n--\n\nVerifies every invariant while others go on: a kith.Report.  The space "
      "is whole if its\nlist of violations is empty.\n\n"
      ">>> kith.open(\"mem://\").check().violations\n[]\n" },
    { "repair", keeping_repair, METH_NOARGS,
      "repair($self)\n--\n\nCopies what can be read into a new arena, if the space is not whole: a "
      "kith.Report.\nAfterwards close the space and open its address again.\n\nUnavailableError: "
      "others have it open." },
    { "gc", keeping_gc, METH_NOARGS,
      "gc($self)\n--\n\nCleans up after the dead, ends circles of unnamed objects that nothing "
      "leads into, and "
      "removes\nleft-over temporary spaces: a kith.Report." },
    { "dump", FAST(keeping_dump),
      "dump($self, file, name=None)\n--\n\nWrites all objects, or the one named, to a binary file: "
      "a kith.DumpReport." },
    { "load", FAST(keeping_load),
      "load($self, file, only=None, rename=None)\n--\n\nMakes the objects of a dump, or only one "
      "of "
      "them, with another name: a kith.DumpReport.\n\nExistsError: a name is taken; CorruptError: "
      "it is no whole dump.  Nothing was done then." },
    { NULL, NULL, 0, NULL }
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "One opened address and all that is named in it; made by kith.open().\n\n"
                 ">>> space = kith.open(\"mem://\")\n"
                 ">>> space.dict(\"hits\")[\"a\"] = 1\n"
                 ">>> space[\"hits\"]\n"
                 "<kith.Dict 'hits' in mem://>\n"
                 ">>> \"hits\" in space, \"misses\" in space\n"
                 "(True, False)\n"
                 ">>> space.close()\n" },
    { Py_tp_dealloc, (void *)space_dealloc },
    { Py_tp_repr, (void *)space_repr },
    { Py_tp_methods, methods },
    { Py_tp_members, members },
    { Py_tp_getset, getset },
    { Py_mp_subscript, (void *)space_subscript },
    { Py_sq_contains, (void *)space_contains },
    { 0, NULL }
};

PyType_Spec space_spec = {
    .name = "kith.Space", .basicsize = sizeof(struct space), .flags = HANDLE_FLAGS, .slots = slots
};
