/*
 * keeping.c - what is done to a whole space: seeing, checking, repairing, dumping.
 */
#include "module.h"

PyTypeObject *info_type, *space_info_type, *stat_type, *report_type, *dump_report_type;

#define SPACE(variable, self)                                                                      \
    kith_space *variable = ((struct space *)(self))->open;                                         \
    if (variable == NULL) {                                                                        \
        PyErr_Format(failures[CLOSED], "The space \"%U\" was closed.",                             \
                     ((struct space *)(self))->address);                                           \
        return NULL;                                                                               \
    }

/* ---- the named tuples ---- */

static PyStructSequence_Field info_fields[] = { { "name", "str" },
                                                { "kind", "str, as \"dict\"" },
                                                { "items",
                                                  "int: keys of a dict, items of a queue; else 0" },
                                                { "bytes", "int: memory it takes" },
                                                { "created", "float: seconds since 1970" },
                                                { NULL, NULL } };
static PyStructSequence_Desc info_desc = { "kith.Info", "One object, as Space.objects() tells it.",
                                           info_fields, 5 };

static PyStructSequence_Field space_info_fields[] = { { "name", "str" },
                                                      { "path", "str: the file behind it" },
                                                      { "bytes", "int: memory it takes" },
                                                      { "created", "float: seconds since 1970" },
                                                      { "attached",
                                                        "int: processes that have it open" },
                                                      { NULL, NULL } };
static PyStructSequence_Desc space_info_desc = { "kith.SpaceInfo",
                                                 "One named space, as kith.spaces() tells it.",
                                                 space_info_fields, 5 };

static PyStructSequence_Field stat_fields[] = {
    { "path", "str: the file behind it; \"\" if it has no name" },
    { "size_limit", "int: bytes it may grow to" },
    { "bytes_committed", "int: memory it has from the system" },
    { "bytes_used", "int: of these, in objects and items" },
    { "bytes_free", "int: of these, free" },
    { "objects", "int: objects in it, unnamed ones too" },
    { "processes", "int: that have it open" },
    { "threads", "int: of these, that have used it" },
    { "reaped", "int: deaths recovered" },
    { NULL, NULL }
};
static PyStructSequence_Desc stat_desc = { "kith.Stat", "A whole space in numbers.", stat_fields,
                                           9 };

static PyStructSequence_Field report_fields[] = {
    { "blocks", "int: blocks of memory looked at" },
    { "objects", "int: objects looked at, unnamed ones too" },
    { "bytes_used", "int" },
    { "bytes_freed", "int: given back by gc()" },
    { "reaped", "int: dead threads cleaned up after" },
    { "removed", "int: objects and spaces that went" },
    { "unreached", "int: unnamed objects that nothing keeps" },
    { "violations", "list of str: a sentence for each broken invariant, or for what was lost" },
    { NULL, NULL }
};
static PyStructSequence_Desc report_desc = { "kith.Report", "What check(), repair() or gc() found.",
                                             report_fields, 8 };

static PyStructSequence_Field dump_report_fields[] = {
    { "objects", "int" },
    { "items", "int: keys of dicts, items of queues, pieces of bytes" },
    { "bytes", "int: of the dump" },
    { NULL, NULL }
};
static PyStructSequence_Desc dump_report_desc = { "kith.DumpReport", "What was dumped, or loaded.",
                                                  dump_report_fields, 3 };

static bool
add(PyObject *module, PyStructSequence_Desc *desc, PyTypeObject **type_out)
{
    *type_out = PyStructSequence_NewType(desc);
    return *type_out != NULL &&
           PyModule_AddObjectRef(module, strchr(desc->name, '.') + 1, (PyObject *)*type_out) == 0;
}

bool
keeping_init(PyObject *module)
{
    return add(module, &info_desc, &info_type) && add(module, &space_info_desc, &space_info_type) &&
           add(module, &stat_desc, &stat_type) && add(module, &report_desc, &report_type) &&
           add(module, &dump_report_desc, &dump_report_type);
}

/* One of `type` with these fields, which it takes; NULL if one is NULL. */
static PyObject *
tuple_of(PyTypeObject *type, size_t count, PyObject **fields)
{
    PyObject *tuple = PyStructSequence_New(type);

    for (size_t i = 0; i < count; i++) {
        if (fields[i] == NULL && tuple != NULL)
            Py_CLEAR(tuple);
        if (tuple == NULL)
            Py_XDECREF(fields[i]);
        else
            PyStructSequence_SET_ITEM(tuple, (Py_ssize_t)i, fields[i]);
    }
    return tuple;
}

#define TUPLE_OF(type, fields) tuple_of(type, sizeof(fields) / sizeof((fields)[0]), fields)
#define NUMBER(n) PyLong_FromUnsignedLongLong(n)
#define SECONDS(ns) PyFloat_FromDouble((double)(ns) / 1e9)

/* ---- seeing ---- */

/* Appends and gives the tuple up; 0 goes on. */
static int
append(PyObject *list, PyObject *tuple)
{
    int failed = tuple == NULL || PyList_Append(list, tuple) < 0;

    Py_XDECREF(tuple);
    return failed;
}

static int
each_object(const struct kith_info *info, void *arg)
{
    PyObject *fields[] = { PyUnicode_FromString(info->name),
                           PyUnicode_FromString(kith_kind_name(info->kind)), NUMBER(info->items),
                           NUMBER(info->bytes), SECONDS(info->created_ns) };

    return append(arg, TUPLE_OF(info_type, fields));
}

/* The list that was filled, unless filling or listing failed. */
static PyObject *
filled(PyObject *list, kith_err err)
{
    if (err >= 0 && !PyErr_Occurred())
        return list;
    Py_DECREF(list);
    return raise_error(err);
}

PyObject *
keeping_objects(PyObject *self, PyObject *unused)
{
    PyObject *list;
    SPACE(open, self);

    (void)unused;
    list = PyList_New(0);
    return list == NULL ? NULL : filled(list, kith_list(open, each_object, list));
}

static int
each_space(const struct kith_space_info *info, void *arg)
{
    PyObject *fields[] = { PyUnicode_FromString(info->name), PyUnicode_DecodeFSDefault(info->path),
                           NUMBER(info->bytes), SECONDS(info->created_ns), NUMBER(info->attached) };

    return append(arg, TUPLE_OF(space_info_type, fields));
}

PyObject *
kith_module_spaces(PyObject *module, PyObject *unused)
{
    PyObject *list = PyList_New(0);

    (void)module;
    (void)unused;
    return list == NULL ? NULL : filled(list, kith_spaces(each_space, list));
}

PyObject *
kith_module_remove(PyObject *module, PyObject *address)
{
    const char *text = text_of(address, "an address");

    (void)module;
    return text == NULL ? NULL : done(kith_remove(text));
}

PyObject *
keeping_stat(PyObject *self, PyObject *unused)
{
    struct kith_stat stat = KITH_STAT_INIT;
    kith_err err;
    SPACE(open, self);

    (void)unused;
    err = kith_stat(open, &stat);
    if (err < 0)
        return raise_error(err);
    {
        PyObject *fields[] = { PyUnicode_DecodeFSDefault(stat.path),
                               NUMBER(stat.size_limit),
                               NUMBER(stat.bytes_committed),
                               NUMBER(stat.bytes_used),
                               NUMBER(stat.bytes_free),
                               NUMBER(stat.objects),
                               NUMBER(stat.processes),
                               NUMBER(stat.threads),
                               NUMBER(stat.reaped) };

        return TUPLE_OF(stat_type, fields);
    }
}

/* ---- checking ---- */

/* Sentences that come while the interpreter lock is let go. */
struct sentences {
    struct wait wait;
    PyObject *list;
};

static int
each_sentence(const char *sentence, void *arg)
{
    struct sentences *sentences = arg;
    PyObject *text;
    int failed;

    wait_leave(&sentences->wait);
    text = PyUnicode_DecodeUTF8(sentence, (Py_ssize_t)strlen(sentence), "replace");
    failed = append(sentences->list, text);
    wait_return(&sentences->wait);
    return failed;
}

static PyObject *
report_of(const struct kith_report *report, PyObject *list)
{
    PyObject *fields[] = { NUMBER(report->blocks),     NUMBER(report->objects),
                           NUMBER(report->bytes_used), NUMBER(report->bytes_freed),
                           NUMBER(report->reaped),     NUMBER(report->removed),
                           NUMBER(report->unreached),  list };

    return TUPLE_OF(report_type, fields);
}

typedef kith_err checker(kith_space *space, int (*each)(const char *sentence, void *arg), void *arg,
                         struct kith_report *report_out);

static PyObject *
check_by(PyObject *self, checker *check)
{
    struct kith_report report = { .blocks = 0 };
    struct sentences sentences = { .list = NULL };
    kith_err err;
    SPACE(open, self);

    sentences.list = PyList_New(0);
    if (sentences.list == NULL)
        return NULL;
    WAIT(&sentences.wait, (struct space *)self, err,
         check(open, each_sentence, &sentences, &report));
    if (PyErr_Occurred() || (err < 0 && err != KITH_ECORRUPT)) {
        Py_DECREF(sentences.list);
        return raise_error(err);
    }
    return report_of(&report, sentences.list);
}

PyObject *
keeping_check(PyObject *self, PyObject *unused)
{
    (void)unused;
    return check_by(self, kith_check_each);
}

PyObject *
keeping_repair(PyObject *self, PyObject *unused)
{
    (void)unused;
    return check_by(self, kith_repair_each);
}

static kith_err
gc(kith_space *space, int (*each)(const char *sentence, void *arg), void *arg,
   struct kith_report *report_out)
{
    (void)each;
    (void)arg;
    return kith_gc(space, report_out);
}

PyObject *
keeping_gc(PyObject *self, PyObject *unused)
{
    (void)unused;
    return check_by(self, gc);
}

/* ---- dumping ---- */

static int
write_to(const void *data, size_t size, void *arg)
{
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *result = bytes == NULL ? NULL : PyObject_CallMethod(arg, "write", "O", bytes);

    Py_XDECREF(bytes);
    Py_XDECREF(result);
    return result == NULL;
}

static int
read_from(void *data, size_t size, size_t *got_out, void *arg)
{
    PyObject *bytes = PyObject_CallMethod(arg, "read", "n", (Py_ssize_t)size);
    int failed = bytes == NULL || !PyBytes_Check(bytes) || (size_t)PyBytes_GET_SIZE(bytes) > size;

    if (!failed) {
        *got_out = (size_t)PyBytes_GET_SIZE(bytes);
        memcpy(data, PyBytes_AS_STRING(bytes), *got_out);
    } else if (bytes != NULL) {
        PyErr_SetString(PyExc_TypeError, "read() of the file must give bytes, no more than asked");
    }
    Py_XDECREF(bytes);
    return failed;
}

static PyObject *
dump_report_of(const struct kith_dump_report *report)
{
    PyObject *fields[] = { NUMBER(report->objects), NUMBER(report->items), NUMBER(report->bytes) };

    return TUPLE_OF(dump_report_type, fields);
}

static bool
optional_name(PyObject *object, const char **text_out)
{
    *text_out = NULL;
    if (object == NULL || object == Py_None)
        return true;
    *text_out = text_of(object, "a name");
    return *text_out != NULL;
}

PyObject *
keeping_dump(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "file", "name", NULL };
    struct kith_dump_report report;
    PyObject *values[2];
    const char *name;
    kith_err err;
    SPACE(open, self);
    CALL((struct space *)self);

    if (!arguments("dump", names, 1, args, count, keywords, values) ||
        !optional_name(values[1], &name))
        return NULL;
    err = kith_dump(open, name, write_to, values[0], &report);
    return err < 0 ? raise_error(err) : dump_report_of(&report);
}

PyObject *
keeping_load(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "file", "only", "rename", NULL };
    struct kith_load_options options = KITH_LOAD_OPTIONS_INIT;
    struct kith_dump_report report;
    PyObject *values[3];
    kith_err err;
    SPACE(open, self);
    CALL((struct space *)self);

    if (!arguments("load", names, 1, args, count, keywords, values) ||
        !optional_name(values[1], &options.only) || !optional_name(values[2], &options.as))
        return NULL;
    err = kith_load(open, &options, read_from, values[0], &report);
    return err < 0 ? raise_error(err) : dump_report_of(&report);
}
