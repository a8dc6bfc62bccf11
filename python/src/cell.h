/*
 * cell.h - typed cells, of which a value is one and an array is many.
 */
#ifndef KITH_PYTHON_CELL_H
#define KITH_PYTHON_CELL_H

#include "module.h"

struct cell {
    char type;   /* a code of kith/value.h; 0: a structure */
    size_t size; /* bytes */
};

/* What an opener was given as type and size. */
bool cell_type_of(PyObject *type, PyObject *size, struct cell *cell);
size_t cell_size(char type);
PyObject *cell_decode(const struct cell *cell, const void *data);
/* Into cell->size bytes.  RangeError, TypeError. */
bool cell_encode(const struct cell *cell, PyObject *object, void *data_out);

/* For transactions: the library's handle of a kith.Value, and `operand` in its type. */
bool value_encode(PyObject *object, PyObject *operand, kith_value **value_out, void *data_out,
                  size_t capacity, size_t *size_out, char *type_out);

/* All items of a kith.Array, as they were at one instant: a list. */
PyObject *array_items(PyObject *self);
/* Its methods count() and index(), of array_find.c. */
PyObject *array_count(PyObject *self, PyObject *value);
PyObject *array_index(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

#endif /* KITH_PYTHON_CELL_H */
