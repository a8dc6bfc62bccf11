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

/* Where a call to the library is not enough: it waits, or says why it cannot. */
int standard_lock_take_slowly(struct standard_lock *lock, bool wait, int64_t timeout_ns);
bool standard_lock_give_slowly(struct standard_lock *lock, kith_err err);

static inline kith_err
standard_lock_acquire(const struct standard_lock *lock, void *open, int64_t timeout_ns)
{
    return lock->what == STANDARD_SEMAPHORE ? kith_semaphore_acquire(open, timeout_ns)
                                            : kith_lock_acquire(open, timeout_ns);
}

/* 1: taken; 0: not in time, or held by another and `wait` is false; -1: raised. */
static inline int
standard_lock_take(struct standard_lock *lock, bool wait, int64_t timeout_ns)
{
    /* KITH_OWNER_DIED, too: the standard has no way to tell of it. */
    return standard_lock_acquire(lock, lock->handle->open, 0) >= 0
               ? 1
               : standard_lock_take_slowly(lock, wait, timeout_ns);
}

/* False: raised. */
static inline bool
standard_lock_give(struct standard_lock *lock)
{
    void *open = lock->handle->open;
    kith_err err =
        lock->what == STANDARD_SEMAPHORE ? kith_semaphore_release(open) : kith_lock_release(open);

    return err >= 0 || standard_lock_give_slowly(lock, err);
}

#endif /* KITH_PYTHON_STANDARD_H */
