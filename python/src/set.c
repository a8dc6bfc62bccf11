/*
 * set.c - kith.Set: a MutableSet that processes share.
 */
#include "module.h"

KIND_OPEN(open_set_as, set, KITH_SET_OPTIONS_INIT)
const struct kind set_kind = { "set", KITH_KIND_SET, &set_type, open_set_as_close, open_set_as };

#define SPACE_OF(self) (((struct handle *)(self))->space)

PyObject *
set_open(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = { "name", "*", "create", "exclusive", NULL };
    struct kith_set_options options = KITH_SET_OPTIONS_INIT;
    struct space *space = (struct space *)self;
    struct opener opener;
    PyObject *values[3];
    kith_set *set = NULL;
    kith_err err;

    if (!arguments("set", names, 0, args, count, keywords, values) ||
        !opener_begin(&opener, space, values[0], values[1], values[2]))
        return NULL;
    options.create = opener.create;
    err = kith_set_open(space->open, opener.text, &options, &set);
    return opener_end(&opener, &set_kind, space, err, set);
}

/* ---- one member ---- */

/* `act` on the member; the error is left to the caller.  False: an exception is set. */
static bool
with_member(PyObject *self, PyObject *member, kith_err (*act)(kith_set *set, struct kith_item),
            kith_err *err_out)
{
    struct encoded encoded;
    OPEN_OR(kith_set, set, self, false);

    if (!encode_key(member, &encoded))
        return false;
    *err_out = act(set, encoded.item);
    encoded_free(&encoded);
    return true;
}

static PyObject *
method_add(PyObject *self, PyObject *member)
{
    kith_err err;

    return with_member(self, member, kith_set_add, &err) ? done(err) : NULL;
}

static PyObject *
method_discard(PyObject *self, PyObject *member)
{
    kith_err err;

    return with_member(self, member, kith_set_discard, &err) ? done(err) : NULL;
}

static PyObject *
method_remove(PyObject *self, PyObject *member)
{
    kith_err err;

    if (!with_member(self, member, kith_set_remove, &err))
        return NULL;
    return err == KITH_ENOENT ? raise_missing(member) : done(err);
}

static int
contains(PyObject *self, PyObject *member)
{
    kith_err err;

    if (!with_member(self, member, kith_set_has, &err))
        return -1;
    if (err >= 0 || err == KITH_ENOENT)
        return err >= 0;
    raise_error(err);
    return -1;
}

static PyObject *
method_pop(PyObject *self, PyObject *unused)
{
    struct kith_buf other, *buf;
    kith_err err;
    OPEN(kith_set, set, self);

    (void)unused;
    buf = buffer_take(&other);
    err = kith_set_pop(set, buf);
    if (err >= 0)
        return decode_buffer(SPACE_OF(self), buf);
    buffer_give(buf);
    return err == KITH_EEMPTY ? raise_as(NOT_FOUND, err) : raise_error(err);
}

/* ---- the whole ---- */

static Py_ssize_t
length(PyObject *self)
{
    uint64_t count;
    kith_err err;
    OPEN_OR(kith_set, set, self, -1);

    err = kith_set_len(set, &count);
    if (err >= 0)
        return (Py_ssize_t)count;
    raise_error(err);
    return -1;
}

static PyObject *
members_of(PyObject *self)
{
    struct collect collect;
    OPEN(kith_set, set, self);

    if (!collect_begin(&collect, SPACE_OF(self)))
        return NULL;
    return collect_end(&collect, kith_set_each(set, collect_item, &collect));
}

static PyObject *
iterate(PyObject *self)
{
    return iterator_over(members_of(self));
}

/* As a plain set. */
static PyObject *
plain(PyObject *self)
{
    PyObject *members = members_of(self);
    PyObject *set = members == NULL ? NULL : PySet_New(members);

    Py_XDECREF(members);
    return set;
}

static PyObject *
method_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    return plain(self);
}

static PyObject *
method_clear(PyObject *self, PyObject *unused)
{
    OPEN(kith_set, set, self);

    (void)unused;
    return done(kith_set_clear(set));
}

static PyObject *
update_from(PyObject *self, PyObject *iterable)
{
    PyObject *sequence;
    struct encoded_run run;
    bool encoded = false;
    kith_err err = KITH_OK;
    OPEN(kith_set, set, self);

    sequence = Py_TYPE(iterable) == set_type
                   ? members_of(iterable)
                   : PySequence_Fast(iterable, "update() takes iterables");
    if (sequence == NULL)
        return NULL;
    if (encode_run(SPACE_OF(self), sequence, true, &run)) {
        encoded = true;
        err = kith_set_update(set, run.items, run.count);
        encoded_run_free(&run);
    }
    Py_DECREF(sequence);
    return encoded ? done(err) : NULL;
}

static PyObject *
method_update(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    OPEN(kith_set, set, self);

    (void)set;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *result = update_from(self, args[i]);

        if (result == NULL)
            return NULL;
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

/* `method` of a plain set of the members, called with the arguments. */
static PyObject *
by_plain(PyObject *self, const char *method, PyObject *const *args, Py_ssize_t count)
{
    PyObject *set = plain(self);
    PyObject *bound = set == NULL ? NULL : PyObject_GetAttrString(set, method);
    PyObject *result = bound == NULL ? NULL : PyObject_Vectorcall(bound, args, (size_t)count, NULL);

    Py_XDECREF(bound);
    Py_XDECREF(set);
    return result;
}

#define BY_PLAIN(function, method)                                                                 \
    static PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t count)             \
    {                                                                                              \
        return by_plain(self, method, args, count);                                                \
    }
BY_PLAIN(method_union, "union")
BY_PLAIN(method_intersection, "intersection")
BY_PLAIN(method_difference, "difference")
BY_PLAIN(method_symmetric_difference, "symmetric_difference")
BY_PLAIN(method_isdisjoint, "isdisjoint")
BY_PLAIN(method_issubset, "issubset")
BY_PLAIN(method_issuperset, "issuperset")

/* ---- operators ---- */

static bool
is_set(PyObject *object)
{
    return Py_TYPE(object) == set_type || PyAnySet_Check(object);
}

/* Both operands as plain sets; the result is one. */
static PyObject *
operate(PyObject *left, PyObject *right, binaryfunc operator)
{
    PyObject *a, *b, *result = NULL;

    if (!is_set(left) || !is_set(right))
        Py_RETURN_NOTIMPLEMENTED;
    a = Py_TYPE(left) == set_type ? plain(left) : Py_NewRef(left);
    b = Py_TYPE(right) == set_type ? plain(right) : Py_NewRef(right);
    if (a != NULL && b != NULL)
        result = operator(a, b);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

static PyObject *
or_(PyObject *left, PyObject *right)
{
    return operate(left, right, PyNumber_Or);
}

static PyObject *
and_(PyObject *left, PyObject *right)
{
    return operate(left, right, PyNumber_And);
}

static PyObject *
subtract(PyObject *left, PyObject *right)
{
    return operate(left, right, PyNumber_Subtract);
}

static PyObject *
xor_(PyObject *left, PyObject *right)
{
    return operate(left, right, PyNumber_Xor);
}

static PyObject *
compare(PyObject *left, PyObject *right, int operation)
{
    PyObject *a, *b, *result = NULL;

    if (!is_set(right))
        Py_RETURN_NOTIMPLEMENTED;
    a = plain(left);
    b = Py_TYPE(right) == set_type ? plain(right) : Py_NewRef(right);
    if (a != NULL && b != NULL)
        result = PyObject_RichCompare(a, b, operation);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

/* Adds, or takes out, each of a plain iterable. */
static PyObject *
each_in(PyObject *self, PyObject *members, PyObject *(*act)(PyObject *self, PyObject *member))
{
    PyObject *iterator = members == NULL ? NULL : PyObject_GetIter(members);
    PyObject *member;

    Py_XDECREF(members);
    if (iterator == NULL)
        return NULL;
    while ((member = PyIter_Next(iterator)) != NULL) {
        PyObject *result = act(self, member);

        Py_DECREF(member);
        if (result == NULL)
            break;
        Py_DECREF(result);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(self);
}

static PyObject *
or_in(PyObject *self, PyObject *other)
{
    PyObject *result;

    if (!is_set(other))
        Py_RETURN_NOTIMPLEMENTED;
    result = method_update(self, &other, 1);
    if (result == NULL)
        return NULL;
    Py_DECREF(result);
    return Py_NewRef(self);
}

static PyObject *
subtract_in(PyObject *self, PyObject *other)
{
    if (!is_set(other))
        Py_RETURN_NOTIMPLEMENTED;
    return each_in(self, Py_TYPE(other) == set_type ? plain(other) : Py_NewRef(other),
                   method_discard);
}

static PyObject *
and_in(PyObject *self, PyObject *other)
{
    if (!is_set(other))
        Py_RETURN_NOTIMPLEMENTED;
    return each_in(self, subtract(self, other), method_discard);
}

static PyObject *
xor_in(PyObject *self, PyObject *other)
{
    PyObject *both, *more, *result;

    if (!is_set(other))
        Py_RETURN_NOTIMPLEMENTED;
    both = and_(self, other);
    more = both == NULL ? NULL : subtract(other, self);
    if (more == NULL) {
        Py_XDECREF(both);
        return NULL;
    }
    result = each_in(self, both, method_discard);
    if (result == NULL) {
        Py_DECREF(more);
        return NULL;
    }
    Py_DECREF(result);
    return each_in(self, more, method_add);
}

/* The same as methods, which take any iterable. */
static PyObject *
and_done(PyObject *self)
{
    Py_XDECREF(self);
    return self == NULL ? NULL : Py_NewRef(Py_None);
}

static PyObject *
method_difference_update(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *members = Py_TYPE(args[i]) == set_type ? plain(args[i]) : PySet_New(args[i]);
        PyObject *result = and_done(each_in(self, members, method_discard));

        if (result == NULL)
            return NULL;
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

static PyObject *
method_intersection_update(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *kept = method_intersection(self, args, count);
    PyObject *members = kept == NULL ? NULL : subtract(self, kept);

    Py_XDECREF(kept);
    return and_done(each_in(self, members, method_discard));
}

static PyObject *
method_symmetric_difference_update(PyObject *self, PyObject *other)
{
    PyObject *members = Py_TYPE(other) == set_type ? plain(other) : PySet_New(other);
    PyObject *result = members == NULL ? NULL : xor_in(self, members);

    Py_XDECREF(members);
    return and_done(result);
}

static PyMethodDef methods[] = {
    { "add", method_add, METH_O, "add($self, member, /)\n--\n\nPuts a member in." },
    { "discard", method_discard, METH_O,
      "discard($self, member, /)\n--\n\nTakes a member out, if it is there." },
    { "remove", method_remove, METH_O,
      "remove($self, member, /)\n--\n\nTakes a member out.\n\nNotFoundError: it is not there." },
    { "pop", method_pop, METH_NOARGS,
      "pop($self)\n--\n\nTakes the member that was put in last out.\n\nNotFoundError: there is "
      "none." },
    { "clear", method_clear, METH_NOARGS, "clear($self)\n--\n\nTakes all members out." },
    { "update", (PyCFunction)(void (*)(void))method_update, METH_FASTCALL,
      "update($self, *others)\n--\n\nPuts all members of each iterable in, at one instant for "
      "each." },
    { "union", (PyCFunction)(void (*)(void))method_union, METH_FASTCALL,
      "union($self, *others)\n--\n\nWhat is in any: a plain set." },
    { "intersection", (PyCFunction)(void (*)(void))method_intersection, METH_FASTCALL,
      "intersection($self, *others)\n--\n\nWhat is in all: a plain set." },
    { "difference", (PyCFunction)(void (*)(void))method_difference, METH_FASTCALL,
      "difference($self, *others)\n--\n\nWhat is in no other: a plain set." },
    { "symmetric_difference", (PyCFunction)(void (*)(void))method_symmetric_difference,
      METH_FASTCALL,
      "symmetric_difference($self, other, /)\n--\n\nWhat is in one alone: a plain set." },
    { "difference_update", (PyCFunction)(void (*)(void))method_difference_update, METH_FASTCALL,
      "difference_update($self, *others)\n--\n\nTakes out what is in any other, one after "
      "another." },
    { "intersection_update", (PyCFunction)(void (*)(void))method_intersection_update, METH_FASTCALL,
      "intersection_update($self, *others)\n--\n\nTakes out what is not in all others, one after "
      "another." },
    { "symmetric_difference_update", method_symmetric_difference_update, METH_O,
      "symmetric_difference_update($self, other, /)\n--\n\nTakes out what is in both, and puts in "
      "what is in the other alone, one after another." },
    { "isdisjoint", (PyCFunction)(void (*)(void))method_isdisjoint, METH_FASTCALL,
      "isdisjoint($self, other, /)\n--\n\nWhether nothing is in both." },
    { "issubset", (PyCFunction)(void (*)(void))method_issubset, METH_FASTCALL,
      "issubset($self, other, /)\n--\n\nWhether all of it is in the other." },
    { "issuperset", (PyCFunction)(void (*)(void))method_issuperset, METH_FASTCALL,
      "issuperset($self, other, /)\n--\n\nWhether all of the other is in it." },
    { "copy", method_copy, METH_NOARGS,
      "copy($self)\n--\n\nAll of it as of one instant: a plain set." },
    HANDLE_METHODS,
    METHODS_END
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "A set that processes share; made by Space.set().  A MutableSet.\n\n"
                 "Members are what may be a key of a kith.Dict.\n\n"
                 ">>> s = kith.open(\"mem://\").set()\n"
                 ">>> s.update([1, \"a\"], [2]); s.add(1.0)\n"
                 ">>> list(s), s & {1, 2} == {1, 2}, (1, 2) in s\n"
                 "([1, 'a', 2], True, False)\n" },
    HANDLE_SLOTS,
    { Py_tp_getset, handle_getset },
    { Py_tp_methods, methods },
    { Py_tp_iter, (void *)iterate },
    { Py_tp_richcompare, (void *)compare },
    { Py_tp_hash, (void *)PyObject_HashNotImplemented },
    { Py_sq_length, (void *)length },
    { Py_sq_contains, (void *)contains },
    { Py_nb_or, (void *)or_ },
    { Py_nb_and, (void *)and_ },
    { Py_nb_subtract, (void *)subtract },
    { Py_nb_xor, (void *)xor_ },
    { Py_nb_inplace_or, (void *)or_in },
    { Py_nb_inplace_and, (void *)and_in },
    { Py_nb_inplace_subtract, (void *)subtract_in },
    { Py_nb_inplace_xor, (void *)xor_in },
    { 0, NULL }
};

PyType_Spec set_spec = {
    .name = "kith.Set", .basicsize = sizeof(struct handle), .flags = HANDLE_FLAGS, .slots = slots
};
