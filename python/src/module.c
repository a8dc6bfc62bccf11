/*
 * module.c - kith._core: makes the types, the exceptions and the few functions.
 */
#include "standard.h"

PyObject *kith_delete;

/* Every type, in the order of their making. */
#define TYPES(X)                                                                                   \
    X(space, "Space")                                                                              \
    X(dict, "Dict")                                                                                \
    X(list, "List")                                                                                \
    X(set, "Set")                                                                                  \
    X(namespace, "Namespace")                                                                      \
    X(queue, "Queue")                                                                              \
    X(lock, "Lock")                                                                                \
    X(rwlock, "RWLock")                                                                            \
    X(share, "Share")                                                                              \
    X(semaphore, "Semaphore")                                                                      \
    X(condition, "Condition")                                                                      \
    X(event, "Event")                                                                              \
    X(barrier, "Barrier")                                                                          \
    X(once, "Once")                                                                                \
    X(limiter, "Limiter")                                                                          \
    X(value, "Value")                                                                              \
    X(array, "Array")                                                                              \
    X(segment, "Segment")                                                                          \
    X(lease, "Lease")                                                                              \
    X(view, "View")                                                                                \
    X(txn, "Txn")                                                                                  \
    X(snapshot, "Snapshot")                                                                        \
    X(counts, "Counts")                                                                            \
    X(foreign, "Foreign")

#define X(word, name) PyTypeObject *word##_type;
TYPES(X)
#undef X
PyTypeObject *count_type, *pool_type, *results_type;

static const struct {
    const char *name;
    PyTypeObject **type;
    PyType_Spec *spec;
} types[] = {
#define X(word, name) { name, &word##_type, &word##_spec },
    TYPES(X)
#undef X
        { "PoolHandle", &pool_type, &pool_spec },
    { "PoolResults", &results_type, &results_spec },
    { "StandardLock", &standard_lock_type, &standard_lock_spec },
    { "StandardCell", &standard_cell_type, &standard_cell_spec },
    { "StandardArray", &standard_array_type, &standard_array_spec },
    { "StandardList", &standard_list_type, &standard_list_spec },
};

static bool
types_init(PyObject *module)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        *types[i].type = (PyTypeObject *)PyType_FromModuleAndSpec(module, types[i].spec, NULL);
        if (*types[i].type == NULL || !enter_quickly(*types[i].type) ||
            PyModule_AddObjectRef(module, types[i].name, (PyObject *)*types[i].type) < 0)
            return false;
    }
    count_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &count_spec, (PyObject *)&PyLong_Type);
    return count_type != NULL &&
           PyModule_AddObjectRef(module, "Count", (PyObject *)count_type) == 0;
}

/* What kith.DELETE is: an object like no other. */
static bool
constants_init(PyObject *module)
{
    kith_delete = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    return kith_delete != NULL && PyModule_AddObjectRef(module, "DELETE", kith_delete) == 0 &&
           PyModule_AddStringConstant(module, "__version__", kith_version()) == 0;
}

static PyMethodDef functions[] = {
    { "open", FAST(kith_module_open),
      "open(address=None, *, create=True, exclusive=False, size=0, mode=0, readonly=False, "
      "temporary=False, transactional=False, timeout=None, serializer=None, authkey_file=None)\n"
      "--\n\n"
      "Opens a space, and makes it if it is not there: a kith.Space.\n\n"
      "address: \"NAME\" or \"shm://NAME\", a named one of this user; \"mem://\", one for this "
      "process and\n  its children; \"file:///PATH\"; without it the environment variable "
      "KITH_URL.\n"
      "create, exclusive: False, NotFoundError if it is not there; True, ExistsError if it is.\n"
      "size: bytes it may grow to, 64 GiB; mode: permission bits, 0o600.\n"
      "temporary: the last process to leave removes it.\n"
      "timeout: seconds that a stopped process may hold others up, 30.\n"
      "serializer: \"pickle\" stores values outside the contract, and loads such; do not read with "
      "it\n"
      "  what you do not trust.\n\n"
      "InvalidError: a bad address; NotFoundError, ExistsError, DeniedError, VersionError,\n"
      "CorruptError, UnsupportedError.\n\n"
      ">>> with kith.open(\"mem://\") as space:\n"
      "...     space.dict(\"hits\").add(\"a\", 1)\n"
      "1\n" },
    { "spaces", kith_module_spaces, METH_NOARGS,
      "spaces()\n--\n\nAll named spaces of this user: a list of kith.SpaceInfo(name, path, bytes, "
      "created,\nattached)." },
    { "remove", kith_module_remove, METH_O,
      "remove(address, /)\n--\n\nRemoves a whole space; those who have it open keep it till they "
      "close.\n\nNotFoundError." },
    { "_reopen", kith_module_reopen, METH_VARARGS, NULL },
    { "_after_fork", kith_module_after_fork, METH_NOARGS, NULL },
    { "_leave", kith_module_leave, METH_NOARGS, NULL },
    { "_pool_start", FAST(kith_module_pool_start), NULL },
    { "_pool_work", (PyCFunction)(void (*)(void))kith_module_pool_work, METH_FASTCALL, NULL },
    { "_pool_space", kith_module_pool_space, METH_NOARGS, NULL },
    { "_task_attempts", kith_module_task_attempts, METH_NOARGS, NULL },
    METHODS_END
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, .m_name = "kith._core",
                                         .m_doc = "The C half of the package kith.", .m_size = -1,
                                         .m_methods = functions };

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module != NULL && (!errors_init(module) || !enter_init(module) || !types_init(module) ||
                           !keeping_init(module) || !constants_init(module)))
        Py_CLEAR(module);
    return module;
}
