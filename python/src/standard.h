/*
 * standard.h - the types behind kith.multiprocessing whose speed counts: the locks and the
 * synchronised cells of the standard library's surface.
 */
#ifndef KITH_PYTHON_STANDARD_H
#define KITH_PYTHON_STANDARD_H

#include "module.h"

/* What a standard lock is made of: an unowned lock, a recursive one, or an unowned semaphore. */
enum standard_what { STANDARD_LOCK, STANDARD_RLOCK, STANDARD_SEMAPHORE };

struct standard_lock {
    PyObject_HEAD
    struct handle *handle; /* owned: a kith.Lock or kith.Semaphore */
    enum standard_what what;
    bool threads; /* its errors are those of `threading`, as a manager's are */
    PyObject *weak;
};

extern PyTypeObject *standard_lock_type, *standard_cell_type, *standard_array_type,
    *standard_list_type;
extern PyType_Spec standard_lock_spec, standard_cell_spec, standard_array_spec, standard_list_spec;

/* 1: taken; 0: not in time, or held by another and `wait` is false; -1: raised. */
int standard_lock_take(struct standard_lock *lock, bool wait, int64_t timeout_ns);
/* False: raised. */
bool standard_lock_give(struct standard_lock *lock);

#endif /* KITH_PYTHON_STANDARD_H */
