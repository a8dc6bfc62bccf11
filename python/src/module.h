/*
 * module.h - what the files of the extension share: handles, items, errors, waits, arguments.
 *
 * Everything here runs with the interpreter lock held unless it says otherwise.  A function that
 * returns PyObject * gives a new reference, or NULL with a Python exception set; one that returns
 * bool gives false with an exception set.
 */
#ifndef KITH_PYTHON_MODULE_H
#define KITH_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <kith.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A method that takes arguments by place and by name. */
typedef PyObject *fast_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords);

/* ---- spaces and handles (space.c, handle.c) ---- */

struct handle;

/*
 * One open space.  close() takes `open` away at once, so that whatever begins later is refused; the
 * library's own close runs when the last wait and the last view that go on have ended.
 */
struct space {
    PyObject_HEAD
    kith_space *open;  /* NULL after close() */
    kith_space *kept;  /* the same, until kith_close() */
    PyObject *address; /* str, as it was given, without its query */
    PyObject *key;     /* str: the same for all who have this space open, see space_key() */
    PyObject *weak;
    struct handle *handles; /* all that stand on it */
    struct space *previous; /* among all spaces of this process */
    struct space *next;
    size_t uses;     /* waits and views that go on */
    size_t calls;    /* calls into the library that are not over: what they run may close it */
    size_t waits;    /* of these, waits */
    PyObject *types; /* a dict of a kind's word -> the subclass of its handles here; or NULL */
    bool pickles;    /* values outside the contract are pickled, and loaded */
    bool readonly;
};

/* What every handle begins with. */
struct handle {
    PyObject_HEAD
    void *open;          /* the library's handle; NULL after the space was closed */
    void *kept;          /* the same, until it is closed */
    struct space *space; /* owned */
    const struct kind *kind;
    PyObject *name; /* str */
    PyObject *weak;
    struct handle *previous;
    struct handle *next;
};

/* What there is to know of one kind of object. */
struct kind {
    const char *word; /* "dict" */
    enum kith_kind number;
    PyTypeObject **type;
    void (*close)(void *open);
    /* Opens what exists as the kind, with the library's defaults. */
    kith_err (*open)(kith_space *space, const char *name, enum kith_create create, void **out);
};

extern const struct kind dict_kind, list_kind, set_kind, namespace_kind, queue_kind, lock_kind,
    rwlock_kind, semaphore_kind, condition_kind, event_kind, barrier_kind, once_kind, limiter_kind,
    value_kind, array_kind, segment_kind;
extern const struct kind *const kinds[]; /* ends with NULL */

/* A handle of `kind` around `open`, which it owns from now on, also if this fails. */
PyObject *handle_new(const struct kind *kind, struct space *space, void *open, PyObject *name);
/* The handle on an object that exists, of whatever kind; `number` KITH_KIND_NONE: to be found. */
PyObject *handle_open(struct space *space, PyObject *name, enum kith_kind number);
void handle_dealloc(PyObject *self);
PyObject *handle_repr(PyObject *self);
PyObject *handle_reduce(PyObject *self, PyObject *unused);
/* What __enter__ gives: `self`; NULL if `had`, what acquiring gave, is.  It takes that over. */
PyObject *entered(PyObject *self, PyObject *had);
/* `self` as a handle, or NULL if it is none. */
struct handle *handle_of(PyObject *self);
/* The library closes what is closed and no longer used. */
void space_settle(struct space *space);

/*
 * A call into the library begins and ends.  Between, Python code may run, of this thread or of
 * another: an argument's __index__, an iterable, a pickle.  If that closes the space, what the call
 * works with stays until it is over.
 */
static inline struct space *
call_begin(struct space *space)
{
    space->calls++;
    return space;
}

static inline void
call_end(struct space **space)
{
    /* 0 if the call forked, and this is the child: see kith_module_after_fork(). */
    if ((*space)->calls > 0)
        (*space)->calls--;
    if ((*space)->open == NULL)
        space_settle(*space);
}

/* For the rest of the block. */
#define CALL(its)                                                                                  \
    __attribute__((cleanup(call_end), unused)) struct space *kith_call = call_begin(its)
PyObject *space_close(PyObject *self, PyObject *unused);

/* UTF-8 without a NUL of what has to be a str; NULL with an exception. */
const char *text_of(PyObject *object, const char *what);
/* Raises that the space is closed. */
PyObject *raise_closed(struct handle *handle);
/* What an opener takes first: a name (None: one is made), create and exclusive. */
struct opener {
    PyObject *name;   /* str, owned */
    const char *text; /* its UTF-8 */
    enum kith_create create;
    const char *missing; /* the argument without which it cannot be made and that was not given */
};
bool opener_begin(struct opener *opener, struct space *space, PyObject *name, PyObject *create,
                  PyObject *exclusive);
/* Without that argument it can only be one that is there: what `create` is to be then. */
enum kith_create opener_without(struct opener *opener, const char *missing);
/* The handle that an opener returns; it gives back what opener_begin() took. */
PyObject *opener_end(struct opener *opener, const struct kind *kind, struct space *space,
                     kith_err err, void *open);
/* The methods of a space that open objects of each kind. */
extern fast_method dict_open, list_open, set_open, namespace_open, queue_open, lock_open,
    rlock_open, rwlock_open, semaphore_open, condition_open, event_open, barrier_open, once_open,
    limiter_open, value_open, array_open, segment_open, txn_open;

/* Defines a kind's function `open`. */
#define KIND_OPEN(function, word, INIT)                                                            \
    static kith_err function(kith_space *space, const char *name, enum kith_create create,         \
                             void **out)                                                           \
    {                                                                                              \
        struct kith_##word##_options options = INIT;                                               \
                                                                                                   \
        options.create = create;                                                                   \
        return kith_##word##_open(space, name, &options, (void *)out);                             \
    }                                                                                              \
    static void function##_close(void *open)                                                       \
    {                                                                                              \
        kith_##word##_close(open);                                                                 \
    }

extern PyMemberDef handle_members[];
PyObject *handle_space(PyObject *self, void *unused);
PyObject *handle_word(PyObject *self, void *unused);
#define HANDLE_GETSET                                                                              \
    { "space", handle_space, NULL, "The kith.Space that it is in.", NULL },                        \
    {                                                                                              \
        "kind", handle_word, NULL, "What it is, in a word, as \"dict\": a str.", NULL              \
    }
#define GETSET_END                                                                                 \
    {                                                                                              \
        NULL, NULL, NULL, NULL, NULL                                                               \
    }
#define METHODS_END                                                                                \
    {                                                                                              \
        NULL, NULL, 0, NULL                                                                        \
    }
/* Of those that have no more to show. */
extern PyGetSetDef handle_getset[];
#define HANDLE_METHODS                                                                             \
    {                                                                                              \
        "__reduce__", handle_reduce, METH_NOARGS,                                                  \
            "Pickles as the space's address and the name, never as a key or as contents."          \
    }
/* The slots that all types of handles have. */
#define HANDLE_SLOTS                                                                               \
    { Py_tp_dealloc, (void *)handle_dealloc }, { Py_tp_repr, (void *)handle_repr },                \
    {                                                                                              \
        Py_tp_members, handle_members                                                              \
    }
#define HANDLE_FLAGS                                                                               \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)
/* Of those that kith.multiprocessing's managers give other ways: see struct space's types. */
#define BASE_FLAGS (HANDLE_FLAGS | Py_TPFLAGS_BASETYPE)

/*
 * The library's handle, for the rest of the block; if there is none any more, raises and returns
 * from the function.
 */
#define OPEN(type, variable, self)                                                                 \
    type *variable = ((struct handle *)(self))->open;                                              \
    if (variable == NULL)                                                                          \
        return raise_closed((struct handle *)(self));                                              \
    CALL(((struct handle *)(self))->space)
#define OPEN_OR(type, variable, self, result)                                                      \
    type *variable = ((struct handle *)(self))->open;                                              \
    if (variable == NULL)                                                                          \
        return raise_closed((struct handle *)(self)), result;                                      \
    CALL(((struct handle *)(self))->space)

/* ---- types, made at import ---- */

extern PyTypeObject *space_type, *dict_type, *list_type, *set_type, *namespace_type, *queue_type,
    *lock_type, *rwlock_type, *share_type, *semaphore_type, *condition_type, *event_type,
    *barrier_type, *once_type, *limiter_type, *value_type, *array_type, *segment_type, *lease_type,
    *view_type, *txn_type, *snapshot_type, *counts_type, *count_type, *foreign_type, *pool_type,
    *results_type;
extern PyType_Spec space_spec, dict_spec, list_spec, set_spec, namespace_spec, queue_spec,
    lock_spec, rwlock_spec, share_spec, semaphore_spec, condition_spec, event_spec, barrier_spec,
    once_spec, limiter_spec, value_spec, array_spec, segment_spec, lease_spec, view_spec, txn_spec,
    snapshot_spec, counts_spec, count_spec, foreign_spec, pool_spec, results_spec;

/* ---- errors (error.c) ---- */

enum failure {
    ERROR,
    INVALID,
    NOT_FOUND,
    EXISTS,
    KIND,
    OUT_OF_MEMORY,
    TIMED_OUT,
    CONFLICT,
    TOO_BIG,
    OUT_OF_RANGE,
    POSITION,
    DEADLOCK,
    DENIED,
    NOT_OWNER,
    CORRUPT,
    VERSION,
    UNAVAILABLE,
    REFUSED_KEY,
    GONE,
    UNSUPPORTED,
    SYSTEM,
    CLOSED,
    FAILURES
};
extern PyObject *failures[FAILURES];

bool errors_init(PyObject *module);
/* A str of what another process may have written: its name is cut anywhere, in a character, too. */
PyObject *text_read(const char *text);
/* Raises what `err` stands for, with the library's sentence.  Returns NULL. */
PyObject *raise_error(kith_err err);
/* The same, as the exception given. */
PyObject *raise_as(enum failure which, kith_err err);
/* Raises that a key, or a member, is not there: NotFoundError(key). */
PyObject *raise_missing(PyObject *key);
/* Raises one of the classes that are made when first needed: "Full", "Empty", "ShutDown", … */
PyObject *raise_lazily(const char *name);
/* None, or raises. */
static inline PyObject *
done(kith_err err)
{
    if (err < 0)
        return raise_error(err);
    Py_RETURN_NONE;
}

/* kith.DELETE, by which a function says that there shall be nothing. */
extern PyObject *kith_delete;

/* ---- items (item.c, pack.c) ---- */

/* A Python object on its way in.  What it borrows lives until encoded_free(). */
struct encoded {
    struct kith_item item;
    PyObject *owner;    /* the object that owns item.data, if it is a new one */
    uint8_t *memory;    /* or memory of its own */
    uint8_t small[128]; /* or this */
};
#define ENCODED_INIT                                                                               \
    {                                                                                              \
        .owner = NULL, .memory = NULL                                                              \
    }

bool encode_key_slowly(PyObject *object, struct encoded *out);
bool encode_item_slowly(struct space *space, PyObject *object, struct encoded *out);
/* As encode_item(), of what may be in parts, see encoded_parts(). */
bool encode_parts_slowly(struct space *space, PyObject *object, struct encoded *out);

/* As a pickle, whatever it is. */
bool encode_pickled(PyObject *object, struct encoded *out);

/* An int of one digit, which most are; the two ways in which CPython has laid it out. */
static inline bool
small_int(PyObject *object, int64_t *out)
{
#if PY_VERSION_HEX >= 0x030c0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)object))
        return false;
    *out = PyUnstable_Long_CompactValue((PyLongObject *)object);
#else
    Py_ssize_t size = Py_SIZE(object);

    if (size > 1 || size < -1)
        return false;
    *out = size * (int64_t)((PyLongObject *)object)->ob_digit[0];
#endif
    return true;
}

static inline bool
encode_plain(PyObject *object, struct encoded *out)
{
    memset(&out->item, 0, sizeof(out->item));
    out->owner = NULL;
    out->memory = NULL;
    if (PyLong_CheckExact(object)) {
        int overflow;

        out->item.type = KITH_TYPE_INT;
        if (small_int(object, &out->item.integer))
            return true;
        out->item.integer = PyLong_AsLongLongAndOverflow(object, &overflow);
        return overflow == 0;
    }
    if (PyUnicode_CheckExact(object) && PyUnicode_IS_COMPACT_ASCII(object)) {
        out->item.type = KITH_TYPE_STR;
        out->item.data = PyUnicode_1BYTE_DATA(object);
        out->item.size = (size_t)PyUnicode_GET_LENGTH(object);
        return true;
    }
    return false;
}

static inline bool
encode_key(PyObject *object, struct encoded *out)
{
    return encode_plain(object, out) || encode_key_slowly(object, out);
}

static inline bool
encode_item(struct space *space, PyObject *object, struct encoded *out)
{
    return encode_plain(object, out) || encode_item_slowly(space, object, out);
}

static inline bool
encode_parts(struct space *space, PyObject *object, struct encoded *out)
{
    return encode_plain(object, out) || encode_parts_slowly(space, object, out);
}

/* What a pickle's large buffers are left in, as many as item.integer says; NULL: it is whole. */
static inline const struct kith_part *
encoded_parts(const struct encoded *encoded)
{
    return encoded->item.type == KITH_TYPE_FOREIGN && encoded->item.integer != 0
               ? (const struct kith_part *)(const void *)encoded->memory
               : NULL;
}

static inline void
encoded_free(struct encoded *encoded)
{
    if (encoded->memory != NULL)
        PyMem_Free(encoded->memory);
    Py_XDECREF(encoded->owner);
}

/* Many at once; the array is a run of items as the library takes it. */
struct encoded_run {
    struct kith_item *items;
    struct encoded *parts;
    size_t count;
    PyObject *members; /* a tuple: what is encoded may change the list that it stands in */
};
/* `sequence` is a list or tuple; `keys`: each is a key. */
bool encode_run(struct space *space, PyObject *sequence, bool keys, struct encoded_run *out);
void encoded_run_free(struct encoded_run *run);

PyObject *decode_slowly(struct space *space, const struct kith_item *item);

static inline PyObject *
decode(struct space *space, const struct kith_item *item)
{
    if (item->type == KITH_TYPE_INT)
        return PyLong_FromLongLong(item->integer);
    return decode_slowly(space, item);
}

/*
 * The buffer for one result.  It is always the same one, unless that is in use further out: then it
 * is `other`, which the caller has room for.  Give it back, or have it decoded.
 */
extern struct kith_buf *spare_buffer;
extern bool spare_is_used;
void buffer_after_fork(void);

static inline struct kith_buf *
buffer_take(struct kith_buf *other)
{
    if (!spare_is_used) {
        spare_is_used = true;
        return spare_buffer;
    }
    memset(other, 0, sizeof(*other));
    return other;
}

/* Memory that one result needed and the next may have; larger than this it goes back. */
#define SPARE_MAX (4 << 20)

static inline void
buffer_give(struct kith_buf *buf)
{
    if (buf != spare_buffer || buf->capacity > SPARE_MAX)
        kith_buf_free(buf);
    if (buf == spare_buffer)
        spare_is_used = false;
}

/* What is in the buffer, which is given back. */
static inline PyObject *
decode_buffer(struct space *space, struct kith_buf *buf)
{
    PyObject *object = decode(space, &buf->item);

    buffer_give(buf);
    return object;
}

/* MessagePack.  The writer begins in the caller's small memory. */
struct packer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    uint8_t *small;        /* not to be freed */
    bool key;              /* it is to be a key: no lists, dicts and sets */
    PyTypeObject *culprit; /* what is not native; NULL: it nests too deep */
};
/* 1 packed, 0 something in it cannot be (no exception is set), -1 an exception is set. */
int pack(struct packer *packer, PyObject *object, unsigned depth);
PyObject *unpack(struct space *space, const void *data, size_t size);
/* Packed members of a set, in a row from `data` on, into the order of their bytes. */
struct member {
    size_t at, size; /* bytes from `data` on */
};
/* False: no memory. */
bool members_sort(const struct member *members, Py_ssize_t count, uint8_t *data);
bool foreign_item(PyObject *object, struct kith_item *item_out);
PyObject *foreign_new(const char *tag, const void *data, size_t size);
/* An int from, and as, little-endian two's complement. */
PyObject *big_int(const void *data, size_t size);
PyObject *big_int_bytes(PyObject *object);

/* ---- waits (wait.c) ---- */

/*
 * Around a call that may wait: the interpreter lock is let go, the space is in use, and a signal's
 * Python handler runs at once; if that raises, the wait ends.
 */
struct wait {
    struct wait *outer;
    struct space *space;
    PyThreadState *thread;
    bool inside; /* the interpreter lock is let go */
};
bool wait_begin(struct wait *wait, struct space *space);
void wait_end(struct wait *wait);
/* err = call, as a wait; KITH_EINTERRUPTED with an exception if a signal was before it. */
#define WAIT(wait, space, err, call)                                                               \
    do {                                                                                           \
        if (wait_begin(wait, space)) {                                                             \
            err = call;                                                                            \
            wait_end(wait);                                                                        \
        } else {                                                                                   \
            err = KITH_EINTERRUPTED;                                                               \
        }                                                                                          \
    } while (0)
/* In a forked child: the waits of this thread, which are in callbacks, are the only ones. */
void waits_after_fork(void);
/* In a forked child that will not return into any: there are none. */
void waits_forget(void);
/* Around what a callback does in Python during a wait of this thread. */
void wait_leave(struct wait *wait);
void wait_return(struct wait *wait);

/* ---- arguments (arguments.c) ---- */

/*
 * Sorts what a call was given into values_out by `names`, which ends with NULL; those behind "*"
 * are given by name alone.  The first `required` must be there; others are NULL if they are not.
 */
bool arguments(const char *function, const char *const names[], size_t required,
               PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject **values_out);
/* Seconds, as int or float, of 0 or more; NULL and None: without end. */
bool timeout_of(PyObject *seconds, int64_t *ns_out);
/* Seconds that are more than 0; NULL and None: 0. */
bool duration_of(PyObject *seconds, const char *what, int64_t *ns_out);
/* blocking=True, timeout=-1, as of threading.Lock; None waits without end, too. */
bool blocking_of(PyObject *blocking, PyObject *timeout, int64_t *ns_out);
bool int64_of(PyObject *object, int64_t *out);
bool uint64_of(PyObject *object, const char *what, uint64_t *out);
/* False: NULL or false. */
bool flag_of(PyObject *object, bool otherwise, bool *out);

#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS

/* kith.<module>.<function>(self, *args, **keywords), imported when it is first needed. */
PyObject *call_lazily(const char *module, const char *function, PyObject *self,
                      PyObject *const *args, Py_ssize_t count, PyObject *keywords);
/* Defines `name`, a method that is written in Python. */
#define LAZY_METHOD(name, module, function)                                                        \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t count,                 \
                          PyObject *keywords)                                                      \
    {                                                                                              \
        return call_lazily(module, function, self, args, count, keywords);                         \
    }

/* Raises what getting from a queue gave: that the time ran out is queue.Empty, too. */
PyObject *raise_getting(kith_err err);
extern fast_method queue_lease;
/* Where a lease that has not ended, and whose space is open, has its pointer; else raises. */
kith_lease **lease_open(PyObject *object);

/* fileno() of whatever can be polled. */
PyObject *handle_fileno(PyObject *self, PyObject *unused);

/* ---- collecting (collect.c) ---- */

/* What a function of the library that calls back for each item collects into. */
struct collect {
    struct space *space;
    PyObject *list;
    bool pairs; /* (key, item), not the item alone */
};
bool collect_begin(struct collect *collect, struct space *space);
int collect_item(struct kith_item item, void *arg);
int collect_pair(struct kith_item key, struct kith_item item, void *arg);
int collect_second(struct kith_item key, struct kith_item item, void *arg);
/* The list, or what went wrong. */
PyObject *collect_end(struct collect *collect, kith_err err);
/* An iterator over the list, which it takes; NULL gives NULL. */
PyObject *iterator_over(PyObject *list);
/* True of ENOENT, …: `err` is `no`; else None for a success; raises otherwise. */
PyObject *answer(kith_err err, kith_err no);

/* ---- a whole space (keeping.c) ---- */

extern fast_method keeping_dump, keeping_load;
PyObject *keeping_objects(PyObject *self, PyObject *unused);
PyObject *keeping_stat(PyObject *self, PyObject *unused);
PyObject *keeping_check(PyObject *self, PyObject *unused);
PyObject *keeping_repair(PyObject *self, PyObject *unused);
PyObject *keeping_gc(PyObject *self, PyObject *unused);
bool keeping_init(PyObject *module);

/* ---- `with` (enter.c) ---- */

bool enter_init(PyObject *module);
/* Makes `with` on objects of the type quicker, if it has the methods for that. */
bool enter_quickly(PyTypeObject *type);

/* ---- functions of the module ---- */

extern fast_method kith_module_pool_start;
PyObject *kith_module_pool_work(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *kith_module_pool_space(PyObject *module, PyObject *unused);
PyObject *kith_module_task_attempts(PyObject *module, PyObject *unused);

extern fast_method kith_module_open;
PyObject *kith_module_reopen(PyObject *module, PyObject *positional);
PyObject *kith_module_after_fork(PyObject *module, PyObject *unused);
PyObject *kith_module_leave(PyObject *module, PyObject *unused);
PyObject *kith_module_spaces(PyObject *module, PyObject *unused);
PyObject *kith_module_remove(PyObject *module, PyObject *address);

/* ---- views (view.c) ---- */

PyObject *view_new(struct space *space, kith_view *view, char type, size_t item_size);
/* The same, of a view of the library that there may be already: a process has not many. */
PyObject *view_shared(struct space *space, kith_view *view, char type, size_t item_size);
/* The library's view; NULL with an exception if it was released, or is no view. */
kith_view *view_open(PyObject *object);

#endif /* KITH_PYTHON_MODULE_H */
