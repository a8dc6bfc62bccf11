/*
 * dict_cache.c - a dict as a cache: times to live, computing once, waiting, changing by a function.
 */
#include "dict.h"

#define SPACE_OF(self) (((struct handle *)(self))->space)

/* None, or what went wrong with `key`. */
static PyObject *
done_with(PyObject *key, kith_err err)
{
    return err == KITH_ENOENT ? raise_missing(key) : done(err);
}

PyObject *
dict_set(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "value", "*", "ttl", NULL };
    struct kith_dict_set_options options = KITH_DICT_SET_OPTIONS_INIT;
    PyObject *values[3];
    struct encoded key, item;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("set", names, 2, args, count, keywords, values) ||
        !duration_of(values[2], "ttl", &options.ttl_ns) || !encode_key(values[0], &key))
        return NULL;
    if (!encode_item(SPACE_OF(self), values[1], &item)) {
        encoded_free(&key);
        return NULL;
    }
    err = kith_dict_set_with(dict, key.item, item.item, &options);
    encoded_free(&key);
    encoded_free(&item);
    return done(err);
}

PyObject *
dict_ttl(PyObject *self, PyObject *key)
{
    struct encoded encoded;
    int64_t left_ns;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    err = kith_dict_ttl(dict, encoded.item, &left_ns);
    encoded_free(&encoded);
    if (err < 0)
        return done_with(key, err);
    if (left_ns == KITH_FOREVER)
        Py_RETURN_NONE;
    return PyFloat_FromDouble((double)left_ns / 1e9);
}

PyObject *
dict_expire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "ttl", NULL };
    PyObject *values[2];
    struct encoded encoded;
    int64_t ttl_ns;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("expire", names, 2, args, count, keywords, values) ||
        !duration_of(values[1], "ttl", &ttl_ns) || !encode_key(values[0], &encoded))
        return NULL;
    err = ttl_ns == 0 ? kith_dict_persist(dict, encoded.item)
                      : kith_dict_expire(dict, encoded.item, ttl_ns);
    encoded_free(&encoded);
    return done_with(values[0], err);
}

static PyObject *
with_key(PyObject *self, PyObject *key, kith_err (*act)(kith_dict *dict, struct kith_item key))
{
    struct encoded encoded;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!encode_key(key, &encoded))
        return NULL;
    err = act(dict, encoded.item);
    encoded_free(&encoded);
    return done_with(key, err);
}

PyObject *
dict_persist(PyObject *self, PyObject *key)
{
    return with_key(self, key, kith_dict_persist);
}

PyObject *
dict_touch(PyObject *self, PyObject *key)
{
    return with_key(self, key, kith_dict_touch);
}

PyObject *
dict_get_stale(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", NULL };
    PyObject *values[1], *value;
    struct encoded encoded;
    struct kith_buf other, *buf;
    bool stale;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("get_stale", names, 1, args, count, keywords, values) ||
        !encode_key(values[0], &encoded))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_get_stale(dict, encoded.item, buf, &stale);
    encoded_free(&encoded);
    if (err < 0) {
        buffer_give(buf);
        return done_with(values[0], err);
    }
    value = decode_buffer(SPACE_OF(self), buf);
    return value == NULL ? NULL : Py_BuildValue("(NO)", value, stale ? Py_True : Py_False);
}

PyObject *
dict_purge(PyObject *self, PyObject *unused)
{
    uint64_t count;
    kith_err err;
    OPEN(kith_dict, dict, self);

    (void)unused;
    err = kith_dict_purge(dict, &count);
    return err < 0 ? raise_error(err) : PyLong_FromUnsignedLongLong(count);
}

/* ---- functions of the caller's ---- */

/* A Python function that the library calls, during a wait of this thread. */
struct callback {
    struct wait wait;
    struct space *space;
    PyObject *function;
    PyObject *argument; /* the key; or what stands for an absent value */
    PyObject *result;   /* what was encoded, for as long as the library reads it */
    struct encoded encoded;
    bool is_encoded;
};

static void
callback_forget(struct callback *callback)
{
    if (callback->is_encoded)
        encoded_free(&callback->encoded);
    callback->is_encoded = false;
    Py_CLEAR(callback->result);
}

/* function(argument), encoded into *item_out. */
static kith_err
callback_run(struct callback *callback, PyObject *argument, struct kith_item *item_out)
{
    callback_forget(callback);
    callback->result = PyObject_CallOneArg(callback->function, argument);
    if (callback->result == NULL)
        return KITH_EINVAL;
    if (callback->result == kith_delete)
        return KITH_ENOENT;
    if (!encode_item(callback->space, callback->result, &callback->encoded))
        return KITH_EINVAL;
    callback->is_encoded = true;
    *item_out = callback->encoded.item;
    return KITH_OK;
}

static kith_err
compute(struct kith_item key, struct kith_item *item_out, void *arg)
{
    struct callback *callback = arg;
    kith_err err;

    (void)key;
    wait_leave(&callback->wait);
    err = callback_run(callback, callback->argument, item_out);
    if (err == KITH_ENOENT) {
        PyErr_SetString(failures[INVALID], "compute() gave kith.DELETE, which is no value.");
        err = KITH_EINVAL;
    }
    wait_return(&callback->wait);
    return err;
}

PyObject *
dict_get_or_compute(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "compute", "*", "ttl", "stale", "timeout", NULL };
    struct kith_compute_options options = KITH_COMPUTE_OPTIONS_INIT;
    struct callback callback = { .space = SPACE_OF(self) };
    struct encoded key;
    struct kith_buf other, *buf;
    PyObject *values[5], *value = NULL;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("get_or_compute", names, 2, args, count, keywords, values) ||
        !duration_of(values[2], "ttl", &options.ttl_ns) ||
        !duration_of(values[3], "stale", &options.stale_ns) ||
        !timeout_of(values[4], &timeout_ns) || !encode_key(values[0], &key))
        return NULL;
    buf = buffer_take(&other);
    err = kith_dict_get(dict, key.item, buf);
    if (err == KITH_ENOENT) {
        callback.function = values[1];
        callback.argument = values[0];
        WAIT(&callback.wait, callback.space, err,
             kith_dict_get_or_compute(dict, key.item, compute, &callback, &options, timeout_ns,
                                      buf));
    }
    encoded_free(&key);
    /* Computed, and the dict refused to keep it: it is had all the same. */
    if (err == KITH_EFULL && callback.result != NULL && !PyErr_Occurred())
        value = Py_NewRef(callback.result);
    callback_forget(&callback);
    if (value != NULL || err < 0 || PyErr_Occurred()) {
        buffer_give(buf);
        return value != NULL ? value : raise_error(err);
    }
    return decode_buffer(SPACE_OF(self), buf);
}

static kith_err
update(const struct kith_item *now, struct kith_item *item_out, void *arg)
{
    struct callback *callback = arg;
    PyObject *argument;
    kith_err err = KITH_EINVAL;

    wait_leave(&callback->wait);
    argument = now == NULL ? Py_NewRef(callback->argument) : decode(callback->space, now);
    if (argument != NULL)
        err = callback_run(callback, argument, item_out);
    Py_XDECREF(argument);
    wait_return(&callback->wait);
    return err;
}

PyObject *
dict_modify(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "function", "default", NULL };
    struct callback callback = { .space = SPACE_OF(self) };
    struct encoded key;
    PyObject *values[3], *result = NULL;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("modify", names, 2, args, count, keywords, values) ||
        !encode_key(values[0], &key))
        return NULL;
    callback.function = values[1];
    callback.argument = values[2] == NULL ? Py_None : values[2];
    WAIT(&callback.wait, callback.space, err, kith_dict_update(dict, key.item, update, &callback));
    encoded_free(&key);
    if (err >= 0 && !PyErr_Occurred())
        result = Py_NewRef(
            callback.result == NULL || callback.result == kith_delete ? Py_None : callback.result);
    callback_forget(&callback);
    return result != NULL ? result : raise_error(err);
}

PyObject *
dict_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "key", "version", "timeout", NULL };
    struct wait wait;
    struct encoded key;
    struct kith_buf other, *buf;
    PyObject *values[3], *value;
    uint64_t version = 0;
    int64_t timeout_ns;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("wait", names, 1, args, count, keywords, values))
        return NULL;
    if (values[1] != NULL)
        version = PyLong_AsUnsignedLongLong(values[1]);
    if (PyErr_Occurred() || !timeout_of(values[2], &timeout_ns) || !encode_key(values[0], &key))
        return NULL;
    buf = buffer_take(&other);
    WAIT(&wait, SPACE_OF(self), err,
         kith_dict_wait(dict, key.item, version, timeout_ns, buf, &version));
    encoded_free(&key);
    if (err < 0) {
        buffer_give(buf);
        return err == KITH_ENOENT ? raise_missing(values[0]) : raise_error(err);
    }
    value = decode_buffer(SPACE_OF(self), buf);
    return value == NULL ? NULL : Py_BuildValue("(NK)", value, (unsigned long long)version);
}

PyObject *
dict_await_change(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    return call_lazily("kith._asyncio", "dict_wait", self, args, count, keywords);
}

/* ---- many, and the whole ---- */

PyObject *
dict_scan(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "prefix", "limit", NULL };
    PyObject *values[2];
    struct collect collect;
    struct encoded prefix;
    uint64_t limit;
    kith_err err;
    OPEN(kith_dict, dict, self);

    if (!arguments("scan", names, 1, args, count, keywords, values) ||
        !uint64_of(values[1], "a limit", &limit) || !encode_key(values[0], &prefix))
        return NULL;
    if (!collect_begin(&collect, SPACE_OF(self))) {
        encoded_free(&prefix);
        return NULL;
    }
    err = kith_dict_scan(dict, prefix.item, limit, collect_pair, &collect);
    encoded_free(&prefix);
    return collect_end(&collect, err);
}

PyObject *
dict_info(PyObject *self, PyObject *unused)
{
    static const char *const policies[] = { "refuse", "fifo", "sieve" };
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_err err;
    OPEN(kith_dict, dict, self);

    (void)unused;
    err = kith_dict_info(dict, &info);
    if (err < 0)
        return raise_error(err);
    return Py_BuildValue(
        "{sKsKsKsOsKsKsssK}", "items", (unsigned long long)info.items, "shards",
        (unsigned long long)info.shards, "bytes_tables", (unsigned long long)info.bytes_tables,
        "ordered", info.ordered ? Py_True : Py_False, "max_items",
        (unsigned long long)info.max_items, "max_bytes", (unsigned long long)info.max_bytes,
        "policy", info.policy <= KITH_DICT_SIEVE ? policies[info.policy] : "unknown", "bytes",
        (unsigned long long)info.bytes);
}
