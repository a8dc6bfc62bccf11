/*
 * dict.h - the methods of kith.Dict that stand in files of their own.
 */
#ifndef KITH_PYTHON_DICT_H
#define KITH_PYTHON_DICT_H

#include "module.h"

/* dict_whole.c */
fast_method dict_get_many;
PyObject *dict_update(PyObject *self, PyObject *positional, PyObject *keywords);
PyObject *dict_delete_many(PyObject *self, PyObject *keys);
PyObject *dict_popitem(PyObject *self, PyObject *unused);
PyObject *dict_clear(PyObject *self, PyObject *unused);
PyObject *dict_list_keys(PyObject *self, PyObject *unused);
PyObject *dict_list_items(PyObject *self, PyObject *unused);
PyObject *dict_list_values(PyObject *self, PyObject *unused);
PyObject *dict_iterate(PyObject *self);
PyObject *dict_reversed(PyObject *self, PyObject *unused);
PyObject *dict_copy(PyObject *self, PyObject *unused);
PyObject *dict_compare(PyObject *self, PyObject *other, int operation);
PyObject *dict_merged(PyObject *left, PyObject *right);
PyObject *dict_merge_in(PyObject *self, PyObject *other);

/* dict_number.c */
fast_method dict_add, dict_sub, dict_min, dict_max, dict_and, dict_or, dict_xor, dict_add_limit;
PyObject *dict_add_many(PyObject *self, PyObject *other);

#define DICT_NUMBER_METHODS                                                                        \
    { "add", FAST(dict_add),                                                                       \
      "add($self, key, n=1, *, init=0, ttl=None)\n--\n\nAdds n, an int or a float, and gives the " \
      "sum.  An absent key counts as `init`, and expires\nafter `ttl` seconds.\n\nKindError: no "  \
      "number is there; RangeError: the sum is beyond 64 bits.\n\n"                                \
      ">>> d = kith.open(\"mem://\").dict()\n>>> d.add(\"a\"), d.add(\"a\", 41)\n(1, 42)\n" },     \
        { "sub", FAST(dict_sub),                                                                   \
          "sub($self, key, n=1)\n--\n\nTakes n away, and gives the rest." },                       \
        { "min", FAST(dict_min),                                                                   \
          "min($self, key, n)\n--\n\nThe smaller of the int and n takes its place: what that "     \
          "is." },                                                                                 \
        { "max", FAST(dict_max),                                                                   \
          "max($self, key, n)\n--\n\nThe larger of the int and n takes its place: what that "      \
          "is." },                                                                                 \
        { "and_", FAST(dict_and), "and_($self, key, n)\n--\n\nBits in both; gives the result." },  \
        { "or_", FAST(dict_or), "or_($self, key, n)\n--\n\nBits in either; gives the result." },   \
        { "xor", FAST(dict_xor),                                                                   \
          "xor($self, key, n)\n--\n\nBits in one alone; gives the result." },                      \
        { "add_limit", FAST(dict_add_limit),                                                       \
          "add_limit($self, key, n, limit)\n--\n\nAdds n unless the sum would pass `limit`, "      \
          "which is "                                                                              \
          "RangeError; gives the sum." },                                                          \
    {                                                                                              \
        "add_many", dict_add_many, METH_O,                                                         \
            "add_many($self, counts, /)\n--\n\nAdds a whole mapping of ints, as a Counter, all "   \
            "or none "                                                                             \
            "of them."                                                                             \
    }

/* dict_cache.c */
fast_method dict_set, dict_expire, dict_get_stale, dict_get_or_compute, dict_modify, dict_scan,
    dict_wait, dict_await_change;
PyObject *dict_ttl(PyObject *self, PyObject *key);
PyObject *dict_persist(PyObject *self, PyObject *key);
PyObject *dict_touch(PyObject *self, PyObject *key);
PyObject *dict_purge(PyObject *self, PyObject *unused);
PyObject *dict_info(PyObject *self, PyObject *unused);

#define DICT_CACHE_METHODS                                                                         \
    { "set", FAST(dict_set),                                                                       \
      "set($self, key, value, *, ttl=None)\n--\n\nSets the value of `key`, which expires after "   \
      "`ttl` seconds." },                                                                          \
        { "ttl", dict_ttl, METH_O,                                                                 \
          "ttl($self, key, /)\n--\n\nSeconds that the value has still to live, a float; None: it " \
          "does "                                                                                  \
          "not expire.\n\nNotFoundError." },                                                       \
        { "expire", FAST(dict_expire),                                                             \
          "expire($self, key, ttl)\n--\n\nLets the value expire after `ttl` seconds.\n\n"          \
          "NotFoundError." },                                                                      \
        { "persist", dict_persist, METH_O,                                                         \
          "persist($self, key, /)\n--\n\nLets the value live for ever.\n\nNotFoundError." },       \
        { "touch", dict_touch, METH_O,                                                             \
          "touch($self, key, /)\n--\n\nBegins its time to live anew.\n\nNotFoundError." },         \
        { "get_stale", FAST(dict_get_stale),                                                       \
          "get_stale($self, key)\n--\n\nThe value, and whether it has expired: a tuple.\n\n"       \
          "NotFoundError." },                                                                      \
        { "purge", dict_purge, METH_NOARGS,                                                        \
          "purge($self)\n--\n\nDeletes what has expired: how many keys that were, an int." },      \
        { "get_or_compute", FAST(dict_get_or_compute),                                             \
          "get_or_compute($self, key, compute, *, ttl=None, stale=None, timeout=None)\n--\n\nThe " \
          "value of `key`; if there is none, compute(key), which one alone of all who ask "        \
          "calls,\n"                                                                               \
          "while others wait, for up to `timeout` seconds.  If it raises or dies the next has "    \
          "the\n"                                                                                  \
          "turn.  What was computed expires after `ttl` seconds, and is served for `stale` more\n" \
          "while another computes.\n\nTimeoutError; DeadlockError: compute() asks for the same "   \
          "key."                                                                                   \
          "\n\n>>> d = kith.open(\"mem://\").dict()\n>>> d.get_or_compute(3, lambda key: key ** "  \
          "2)\n"                                                                                   \
          "9\n" },                                                                                 \
        { "modify", FAST(dict_modify),                                                             \
          "modify($self, key, function, default=None)\n--\n\nSets function(value) in the place "   \
          "of "                                                                                    \
          "the value, or of `default`, in one atomic step, and gives\nit.  It is called again if " \
          "others changed the value meanwhile; kith.DELETE deletes the key.\n\n"                   \
          ">>> d = kith.open(\"mem://\").dict()\n"                                                 \
          ">>> d.modify(\"a\", lambda names: names + [\"x\"], [])\n['x']\n" },                     \
        { "scan", FAST(dict_scan),                                                                 \
          "scan($self, prefix, limit=0)\n--\n\nThe (key, value) pairs whose key, a str or bytes, " \
          "begins with `prefix`: a list." },                                                       \
        { "wait", FAST(dict_wait),                                                                 \
          "wait($self, key, version=0, timeout=None)\n--\n\nWaits until the version of `key` is "  \
          "another, or with 0 until it is there: its value and\nversion.\n\nTimeoutError; "        \
          "NotFoundError: it was deleted." },                                                      \
        { "fileno", handle_fileno, METH_NOARGS,                                                    \
          "fileno($self)\n--\n\nA descriptor that is readable when some key changes after this "   \
          "call, for selectors:\nan int." },                                                       \
        { "await_change", FAST(dict_await_change),                                                 \
          "await_change($self, key, version=0, timeout=None)\n--\n\nwait() for asyncio: a "        \
          "coroutine." },                                                                          \
    {                                                                                              \
        "info", dict_info, METH_NOARGS,                                                            \
            "info($self)\n--\n\nItems, shards, bytes and bounds: a dict."                          \
    }

/* snapshot.c, counts.c */
PyObject *dict_snapshot(PyObject *self, PyObject *unused);
PyObject *dict_counts(PyObject *self, void *unused);

#endif /* KITH_PYTHON_DICT_H */
