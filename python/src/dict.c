/*
 * dict.c - kith.Dict: the mapping; numbers are in dict_number.c, the cache in dict_cache.c.
 */
#include "dict.h"

KIND_OPEN(open_as, dict, KITH_DICT_OPTIONS_INIT)
const struct kind dict_kind = { "dict", KITH_KIND_DICT, &dict_type, open_as_close, open_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

static bool
policy_of(PyObject *object, enum kith_dict_policy *policy_out)
{
    static const char *const words[] = { "refuse", "fifo", "sieve" };

    if (object == NULL || object == Py_None)
        return true;
    for (int i = 0; PyUnicode_Check(object) && i < 3; i++) {
        if (PyUnicode_CompareWithASCIIString(object, words[i]) == 0) {
            *policy_out = (enum kith_dict_policy)i;
            return true;
        }
    }
    PyErr_Format(failures[INVALID], "A policy is \"refuse\", \"fifo\" or \"sieve\", not %R.",
                 object);
    return false;
}

PyObject *
dict_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name",      "*",         "create", "exclusive",
                                         "max_items", "max_bytes", "policy", NULL };
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[6];
    kith_dict *dict = NULL;
    kith_err err;

    if (!arguments("dict", names, 0, args, count, keywords, values) ||
        !uint64_of(values[3], "max_items", &options.max_items) ||
        !uint64_of(values[4], "max_bytes", &options.max_bytes) ||
        !policy_of(values[5], &options.policy) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_dict_open(space->open, opener.text, &options, &dict);
    return opener_end(&opener, &dict_kind, space, err, dict);
}

/* ---- one key ---- */

static PyObject *
subscript(PyObject *self, PyObject *key)
{
    struct encoded encoded;
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_get(dict, encoded.item, buf);
    encoded_free(&encoded);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return err == KITH_ENOENT ? raise_missing(key) : raise_error(err);
}

static int
ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    struct encoded encoded, item;
    kith_err err;
    OPEN_OR(kith_dict, dict, self, -1);

    if (!encode_key(key, &encoded))
        return -1;
    if (value == NULL) {
        err = kith_dict_delete(dict, encoded.item);
    } else {
        if (!encode_parts(SPACE_OF(self), value, &item)) {
            encoded_free(&encoded);
            return -1;
        }
        err = encoded_parts(&item) == NULL
                  ? kith_dict_set(dict, encoded.item, item.item)
                  : kith_dict_set_parts(dict, encoded.item, item.item.tag, encoded_parts(&item),
                                        (size_t)item.item.integer);
        encoded_free(&item);
    }
    encoded_free(&encoded);
    if (err >= 0)
        return 0;
    if (err == KITH_ENOENT && value == NULL)
        raise_missing(key);
    else
        raise_error(err);
    return -1;
}

static int
contains(PyObject *self, PyObject *key)
{
    struct encoded encoded;
    kith_err err;
    OPEN_OR(kith_dict, dict, self, -1);

    if (!encode_key(key, &encoded))
        return -1;
    err = kith_dict_has(dict, encoded.item);
    encoded_free(&encoded);
    if (err >= 0)
        return 1;
    if (err == KITH_ENOENT)
        return 0;
    raise_error(err);
    return -1;
}

static Py_ssize_t
length(PyObject *self)
{
    uint64_t count;
    kith_err err;
    OPEN_OR(kith_dict, dict, self, -1);

    err = kith_dict_len(dict, &count);
    if (err >= 0)
        return (Py_ssize_t)count;
    raise_error(err);
    return -1;
}

/* The item of `key` by `get`, or `otherwise`, or an exception if that is NULL. */
static PyObject *
get_by(PyObject *self, PyObject *key, PyObject *otherwise,
       kith_err (*get)(kith_dict *dict, struct kith_item key, struct kith_buf *item_out))
{
    struct encoded encoded;
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    buf = buffer_take(&other);
    err = get(dict, encoded.item, buf);
    encoded_free(&encoded);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    if (err != KITH_ENOENT)
        return raise_error(err);
    return otherwise == NULL ? raise_missing(key) : Py_NewRef(otherwise);
}

static PyObject *
method_get(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "default", NULL };
    PyObject *values[2];

    if (!arguments("get", names, 1, args, count, keywords, values))
        return NULL;
    return get_by(self, values[0], values[1] == NULL ? Py_None : values[1], kith_dict_get);
}

static PyObject *
method_pop(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "default", NULL };
    PyObject *values[2];

    if (!arguments("pop", names, 1, args, count, keywords, values))
        return NULL;
    return get_by(self, values[0], values[1], kith_dict_pop);
}

/* ---- one key and one item ---- */

/* What is done with them; `before` is what another function is told first, or NULL. */
struct pair {
    struct encoded key;
    struct encoded item;
};

static bool
encode_pair(PyObject *self, PyObject *key, PyObject *item, struct pair *pair)
{
    if (!encode_key(key, &pair->key))
        return false;
    if (encode_item(SPACE_OF(self), item, &pair->item))
        return true;
    encoded_free(&pair->key);
    return false;
}

static void
pair_free(struct pair *pair)
{
    encoded_free(&pair->key);
    encoded_free(&pair->item);
}

static PyObject *
set_by(const char *function, PyObject *self, PyObject *const *args, Py_ssize_t count,
       PyObject *keywords, kith_err no,
       kith_err (*set)(kith_dict *dict, struct kith_item key, struct kith_item item))
{
    static const char *const names[] = { "key", "value", NULL };
    PyObject *values[2];
    struct pair pair;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments(function, names, 2, args, count, keywords, values) ||
        !encode_pair(self, values[0], values[1], &pair))
        return NULL;
    err = set(dict, pair.key.item, pair.item.item);
    pair_free(&pair);
    return answer(err, no);
}

static PyObject *
method_insert(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return set_by("insert", self, args, count, keywords, KITH_EEXIST, kith_dict_insert);
}

static PyObject *
method_replace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return set_by("replace", self, args, count, keywords, KITH_ENOENT, kith_dict_replace);
}

static PyObject *
method_delete_if(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return set_by("delete_if", self, args, count, keywords, KITH_ECONFLICT, kith_dict_delete_if);
}

static PyObject *
method_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "default", NULL };
    PyObject *values[2];
    struct pair pair;
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("setdefault", names, 1, args, count, keywords, values) ||
        !encode_pair(self, values[0], values[1] == NULL ? Py_None : values[1], &pair))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_setdefault(dict, pair.key.item, pair.item.item, buf);
    pair_free(&pair);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return raise_error(err);
}

static PyObject *
method_swap(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "value", "default", NULL };
    PyObject *values[3];
    struct pair pair;
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("swap", names, 2, args, count, keywords, values) ||
        !encode_pair(self, values[0], values[1], &pair))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_swap(dict, pair.key.item, pair.item.item, buf);
    pair_free(&pair);
    if (err >= 0 && buf->item.tag != kith_absent)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    if (err < 0)
        return raise_error(err);
    return Py_NewRef(values[2] == NULL ? Py_None : values[2]);
}

static PyObject *
method_cas(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "expected", "value", NULL };
    PyObject *values[3];
    struct pair pair;
    struct encoded expected;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("cas", names, 3, args, count, keywords, values) ||
        !encode_pair(self, values[0], values[2], &pair))
        return NULL;
    if (!encode_item(SPACE_OF(self), values[1], &expected)) {
        pair_free(&pair);
        return NULL;
    }
    err = kith_dict_cas(dict, pair.key.item, expected.item, pair.item.item);
    encoded_free(&expected);
    pair_free(&pair);
    return answer(err, KITH_ECONFLICT);
}

static PyObject *
method_get_version(PyObject *self, PyObject *key)
{
    struct encoded encoded;
    struct kith_buf other, *buf;
    uint64_t version;
    PyObject *value;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_get_version(dict, encoded.item, buf, &version);
    encoded_free(&encoded);
    if (err < 0) {
        buffer_give(buf);
        return err == KITH_ENOENT ? raise_missing(key) : raise_error(err);
    }
    value = decode_buffer(SPACE_OF(self), buf);
    return value == NULL ? NULL : Py_BuildValue("(NK)", value, (unsigned long long)version);
}

static PyObject *
method_cas_version(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "version", "value", NULL };
    PyObject *values[3];
    struct pair pair;
    unsigned long long version;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("cas_version", names, 3, args, count, keywords, values))
        return NULL;
    version = PyLong_AsUnsignedLongLong(values[1]);
    if (PyErr_Occurred() || !encode_pair(self, values[0], values[2], &pair))
        return NULL;
    err = kith_dict_cas_version(dict, pair.key.item, version, pair.item.item);
    pair_free(&pair);
    return answer(err, KITH_ECONFLICT);
}

static PyObject *
method_view(PyObject *self, PyObject *key)
{
    struct encoded encoded;
    kith_view *view;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    err = kith_dict_view(dict, encoded.item, &view);
    encoded_free(&encoded);
    if (err < 0)
        return err == KITH_ENOENT ? raise_missing(key) : raise_error(err);
    return view_new(SPACE_OF(self), view, 0, 1);
}

static PyObject *
method_get_into(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "buffer", NULL };
    PyObject *values[2];
    struct encoded encoded;
    Py_buffer buffer;
    size_t size;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("get_into", names, 2, args, count, keywords, values) ||
        !encode_key(values[0], &encoded))
        return NULL;
    if (PyObject_GetBuffer(values[1], &buffer, PyBUF_WRITABLE) < 0) {
        encoded_free(&encoded);
        return NULL;
    }
    err = kith_dict_get_into(dict, encoded.item, buffer.buf, (size_t)buffer.len, &size);
    PyBuffer_Release(&buffer);
    encoded_free(&encoded);
    if (err < 0)
        return err == KITH_ENOENT ? raise_missing(values[0]) : raise_error(err);
    return PyLong_FromSize_t(size);
}

LAZY_METHOD(method_keys, "kith._mapping", "KeysView")
LAZY_METHOD(method_items, "kith._mapping", "ItemsView")
LAZY_METHOD(method_values, "kith._mapping", "ValuesView")

static PyGetSetDef getset[] = {
    { "counts", dict_counts, NULL,
      "The dict's ints as counters, whose += is one atomic addition: a kith.Counts.\n\n"
      ">>> d = kith.open(\"mem://\").dict()\n"
      ">>> d.counts[\"a\"] += 2\n"
      ">>> d[\"a\"]\n2\n",
      NULL },
    HANDLE_GETSET,
    GETSET_END
};

static PyMethodDef methods[] = {
    { "get", FAST(method_get),
      "get($self, key, default=None)\n--\n\nThe value of `key`, or `default`." },
    { "pop", FAST(method_pop),
      "pop($self, key, default=<none>)\n--\n\nDeletes `key` and gives its value, or `default`.\n\n"
      "NotFoundError: it is not there, and no default was given." },
    { "insert", FAST(method_insert),
      "insert($self, key, value)\n--\n\nSets the value of `key` if there was none: whether that "
      "was "
      "so, a bool.\n\n"
      ">>> d = kith.open(\"mem://\").dict()\n"
      ">>> d.insert(\"a\", 1), d.insert(\"a\", 2), d[\"a\"]\n(True, False, 1)\n" },
    { "replace", FAST(method_replace),
      "replace($self, key, value)\n--\n\nSets the value of `key` if there was one: whether that "
      "was "
      "so, a bool." },
    { "delete_if", FAST(method_delete_if),
      "delete_if($self, key, expected)\n--\n\nDeletes `key` if its value is `expected`, of the "
      "same "
      "type: whether that was so, a bool." },
    { "setdefault", FAST(method_setdefault),
      "setdefault($self, key, default=None)\n--\n\nSets the value of `key` if there was none, and "
      "gives what is there now." },
    { "swap", FAST(method_swap),
      "swap($self, key, value, default=None)\n--\n\nSets the value of `key` and gives the one it "
      "had, "
      "or `default`." },
    { "cas", FAST(method_cas),
      "cas($self, key, expected, value)\n--\n\nSets the value of `key` if it is `expected`, of the "
      "same type: whether that was so, a bool.\n\n"
      ">>> d = kith.open(\"mem://\").dict()\n"
      ">>> d[\"a\"] = 1\n"
      ">>> d.cas(\"a\", 1, 2), d.cas(\"a\", 1, 3), d[\"a\"]\n(True, False, 2)\n" },
    { "get_version", method_get_version, METH_O,
      "get_version($self, key, /)\n--\n\nThe value of `key` and its version, an int that no other "
      "state of it ever has.\n\nNotFoundError." },
    { "cas_version", FAST(method_cas_version),
      "cas_version($self, key, version, value)\n--\n\nSets the value of `key` if its version is "
      "the "
      "one given: whether that was so, a bool." },
    { "view", method_view, METH_O,
      "view($self, key, /)\n--\n\nThe value where it is, without a copy if it is large: a "
      "kith.View."
      "\n\nNotFoundError." },
    { "get_into", FAST(method_get_into),
      "get_into($self, key, buffer)\n--\n\nCopies a str, as UTF-8, or bytes into a writable "
      "buffer: "
      "how many bytes that were.\n\nNotFoundError; KindError; TooBigError: the buffer is too "
      "small." },
    { "get_many", FAST(dict_get_many),
      "get_many($self, keys, default=None)\n--\n\nThe values of many keys, as they were together "
      "at "
      "one instant: a list." },
    { "update", (PyCFunction)(void (*)(void))dict_update, METH_VARARGS | METH_KEYWORDS,
      "update($self, other=(), /, **more)\n--\n\nSets many keys, all at one instant, as "
      "dict.update() takes them." },
    { "delete_many", dict_delete_many, METH_O,
      "delete_many($self, keys, /)\n--\n\nDeletes those of the keys that are there: how many that "
      "were, an int." },
    { "popitem", dict_popitem, METH_NOARGS,
      "popitem($self)\n--\n\nDeletes the newest key and gives it with its value: a tuple.\n\n"
      "NotFoundError: there is none." },
    { "clear", dict_clear, METH_NOARGS, "clear($self)\n--\n\nDeletes all keys at one instant." },
    { "keys", FAST(method_keys),
      "keys($self)\n--\n\nThe keys, live, in the order of insertion; an iteration is as of one "
      "instant." },
    { "items", FAST(method_items),
      "items($self)\n--\n\nThe (key, value) pairs, live; an iteration is as of one instant." },
    { "values", FAST(method_values),
      "values($self)\n--\n\nThe values, live; an iteration is as of one instant." },
    { "_items", dict_list_items, METH_NOARGS, NULL },
    { "_values", dict_list_values, METH_NOARGS, NULL },
    { "__reversed__", dict_reversed, METH_NOARGS, NULL },
    { "copy", dict_copy, METH_NOARGS,
      "copy($self)\n--\n\nAll of it as of one instant: a plain dict." },
    { "snapshot", dict_snapshot, METH_NOARGS,
      "snapshot($self)\n--\n\nAll of it as of one instant, in this process's memory: a "
      "kith.Snapshot." },
    DICT_NUMBER_METHODS,
    DICT_CACHE_METHODS,
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc,
      "A dict that processes share; made by Space.dict().  A MutableMapping.\n\n"
      "Every operation is atomic.  Keys are None, bool, int, float, str, bytes or tuples of "
      "these,\n"
      "and values these and lists, dicts and sets, or anything if the space was opened with\n"
      "serializer=\"pickle\".  A value that comes out is a copy: store it again to change it.\n\n"
      ">>> d = kith.open(\"mem://\").dict(\"hits\")\n"
      ">>> d[\"a\"] = 1\n"
      ">>> d.add(\"a\", 2)\n3\n"
      ">>> d\n<kith.Dict 'hits' in mem://>\n"
      ">>> d.copy()\n{'a': 3}\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, getset },
    { Py_tp_methods, methods },
    { Py_tp_iter, (void *)dict_iterate },
    { Py_tp_richcompare, (void *)dict_compare },
    { Py_tp_hash, (void *)PyObject_HashNotImplemented },
    { Py_mp_subscript, (void *)subscript },
    { Py_mp_ass_subscript, (void *)ass_subscript },
    { Py_mp_length, (void *)length },
    { Py_sq_contains, (void *)contains },
    { Py_nb_or, (void *)dict_merged },
    { Py_nb_inplace_or, (void *)dict_merge_in },
    { 0, NULL }
};

PyType_Spec dict_spec = { .name = "kith.Dict",
                          .basicsize = sizeof(struct handle),
                          .flags = BASE_FLAGS | Py_TPFLAGS_MAPPING,
                          .slots = slots };
