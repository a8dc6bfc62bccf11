/*
 * enter.c - makes `with` quick: __enter__ and __exit__ that cost little to bind.
 *
 * `with` looks both up at the type and binds them before it calls either.  Binding a method of C
 * makes an object that the garbage collector knows; two of these took longer than acquiring and
 * releasing a lock.  So in the place of these methods stand descriptors that bind to objects of our
 * own, of which those that nobody has any more serve again.
 *
 * The collector does not know them, so one that is kept by the very object that it is bound to
 * keeps that for ever; `with` keeps neither.
 *
 * What is not in a hurry goes by the method itself: a call of what was not bound, one with
 * arguments that it does not take, and every attribute.
 */
#include "module.h"

/* In the type's dict, in the place of the method. */
struct entry {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *method;    /* owned */
    PyTypeObject *owner; /* borrowed: it has the entry */
    PyCFunction alone;   /* of a method without arguments; else NULL, and */
    _PyCFunctionFast with_arguments;
};

/* What binding it gives. */
struct bound {
    PyObject_HEAD
    vectorcallfunc call;
    struct entry *entry; /* borrowed: the type of `self` has it */
    PyObject *self;      /* owned; of a spare one: the next */
};

#define SPARE_COUNT_MAX 16u /* each `with` has two for a moment, and one until its end */

static PyTypeObject *entry_type, *bound_type;
static struct bound *spare;
static unsigned spare_count;

/* ---- bound ---- */

/* The method says what it has against these arguments. */
static PyObject *
call_method(struct bound *bound, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    PyObject **all = PyMem_New(PyObject *, (size_t)(count + named) + 1);
    PyObject *result;

    if (all == NULL)
        return PyErr_NoMemory();
    all[0] = bound->self;
    for (Py_ssize_t i = 0; i < count + named; i++)
        all[i + 1] = args[i];
    result = PyObject_Vectorcall(bound->entry->method, all, (size_t)count + 1, keywords);
    PyMem_Free(all);
    return result;
}

static PyObject *
bound_call(PyObject *object, PyObject *const *args, size_t count_and_flag, PyObject *keywords)
{
    struct bound *bound = (struct bound *)object;
    const struct entry *entry = bound->entry;
    Py_ssize_t count = PyVectorcall_NARGS(count_and_flag);

    if (keywords == NULL && entry->alone == NULL)
        return entry->with_arguments(bound->self, args, count);
    if (keywords == NULL && count == 0)
        return entry->alone(bound->self, NULL);
    return call_method(bound, args, count, keywords);
}

/* Without a call, which costs as much as the rest: types of ours have a layout of their own, and so
 * are in the line of bases of all that are of them. */
static inline bool
is_of(PyObject *object, PyTypeObject *owner)
{
    for (PyTypeObject *type = Py_TYPE(object); type != NULL; type = type->tp_base)
        if (type == owner)
            return true;
    return false;
}

static PyObject *
bind(PyObject *object, PyObject *self, PyObject *type)
{
    struct entry *entry = (struct entry *)object;
    struct bound *bound = spare;

    (void)type;
    if (self == NULL)
        return Py_NewRef(object);
    if (!is_of(self, entry->owner)) {
        PyErr_Format(PyExc_TypeError, "a method of %.100s is none of %.100s", entry->owner->tp_name,
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    if (bound != NULL) {
        spare = (struct bound *)bound->self;
        spare_count--;
        PyObject_Init((PyObject *)bound, bound_type);
    } else {
        bound = PyObject_New(struct bound, bound_type);
        if (bound == NULL)
            return NULL;
    }
    bound->call = bound_call;
    bound->entry = entry;
    bound->self = Py_NewRef(self);
    return (PyObject *)bound;
}

static void
bound_dealloc(PyObject *object)
{
    struct bound *bound = (struct bound *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *self = bound->self;

    if (spare_count < SPARE_COUNT_MAX) {
        bound->self = (PyObject *)spare;
        spare = bound;
        spare_count++;
    } else {
        PyObject_Free(object);
    }
    Py_DECREF(type);
    Py_DECREF(self); /* last, since it may run anything */
}

static PyObject *
bound_attribute(PyObject *object, PyObject *name)
{
    struct bound *bound = (struct bound *)object;

    if (PyUnicode_CompareWithASCIIString(name, "__self__") == 0)
        return Py_NewRef(bound->self);
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0)
        return PyObject_GenericGetAttr(object, name);
    return PyObject_GetAttr(bound->entry->method, name);
}

static PyObject *
bound_repr(PyObject *object)
{
    struct bound *bound = (struct bound *)object;

    return PyUnicode_FromFormat("%R of %R", bound->entry->method, bound->self);
}

static PyMemberDef bound_members[] = { { "__vectorcalloffset__", T_PYSSIZET,
                                         offsetof(struct bound, call), READONLY, NULL },
                                       { NULL, 0, 0, 0, NULL } };

static PyType_Slot bound_slots[] = {
    { Py_tp_dealloc, (void *)bound_dealloc },  { Py_tp_repr, (void *)bound_repr },
    { Py_tp_call, (void *)PyVectorcall_Call }, { Py_tp_getattro, (void *)bound_attribute },
    { Py_tp_members, bound_members },          { 0, NULL }
};

static PyType_Spec bound_spec = { .name = "kith._core.BoundMethod",
                                  .basicsize = sizeof(struct bound),
                                  .flags = HANDLE_FLAGS | Py_TPFLAGS_HAVE_VECTORCALL,
                                  .slots = bound_slots };

/* ---- entries ---- */

/* Not bound: the first argument is the object, which the method checks. */
static PyObject *
entry_call(PyObject *object, PyObject *const *args, size_t count_and_flag, PyObject *keywords)
{
    return PyObject_Vectorcall(((struct entry *)object)->method, args, count_and_flag, keywords);
}

static void
entry_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_DECREF(((struct entry *)object)->method);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *
entry_attribute(PyObject *object, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__get__") == 0 ||
        PyUnicode_CompareWithASCIIString(name, "__class__") == 0)
        return PyObject_GenericGetAttr(object, name);
    return PyObject_GetAttr(((struct entry *)object)->method, name);
}

static PyObject *
entry_repr(PyObject *object)
{
    return PyObject_Repr(((struct entry *)object)->method);
}

static PyMemberDef entry_members[] = { { "__vectorcalloffset__", T_PYSSIZET,
                                         offsetof(struct entry, call), READONLY, NULL },
                                       { NULL, 0, 0, 0, NULL } };

static PyType_Slot entry_slots[] = { { Py_tp_dealloc, (void *)entry_dealloc },
                                     { Py_tp_repr, (void *)entry_repr },
                                     { Py_tp_call, (void *)PyVectorcall_Call },
                                     { Py_tp_descr_get, (void *)bind },
                                     { Py_tp_getattro, (void *)entry_attribute },
                                     { Py_tp_members, entry_members },
                                     { 0, NULL } };

static PyType_Spec entry_spec = { .name = "kith._core.Method",
                                  .basicsize = sizeof(struct entry),
                                  .flags = HANDLE_FLAGS | Py_TPFLAGS_HAVE_VECTORCALL |
                                           Py_TPFLAGS_METHOD_DESCRIPTOR,
                                  .slots = entry_slots };

static bool
replace(PyTypeObject *type, const PyMethodDef *definition)
{
    PyObject *method = PyDict_GetItemString(type->tp_dict, definition->ml_name);
    struct entry *entry = method == NULL ? NULL : PyObject_New(struct entry, entry_type);
    bool done;

    if (entry == NULL)
        return false;
    entry->call = entry_call;
    entry->method = Py_NewRef(method);
    entry->owner = type;
    entry->alone = definition->ml_flags == METH_NOARGS ? definition->ml_meth : NULL;
    entry->with_arguments = (_PyCFunctionFast)(void (*)(void))definition->ml_meth;
    done = PyDict_SetItemString(type->tp_dict, definition->ml_name, (PyObject *)entry) == 0;
    Py_DECREF(entry);
    return done;
}

/* ---- types ---- */

bool
enter_init(PyObject *module)
{
    entry_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &entry_spec, NULL);
    bound_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    return entry_type != NULL && bound_type != NULL;
}

bool
enter_quickly(PyTypeObject *type)
{
    for (const PyMethodDef *each = type->tp_methods; each != NULL && each->ml_name; each++) {
        if (strcmp(each->ml_name, "__enter__") != 0 && strcmp(each->ml_name, "__exit__") != 0)
            continue;
        if (each->ml_flags != METH_NOARGS && each->ml_flags != METH_FASTCALL)
            continue;
        if (!replace(type, each))
            return false;
    }
    PyType_Modified(type);
    return true;
}
