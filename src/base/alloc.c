/*
 * alloc.c - malloc behind one door.
 */
#include "alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef KITH_FAULTS
#include <stdatomic.h>

static _Atomic uint64_t tries_left;

void
kith__alloc_fail(uint64_t nth)
{
    atomic_store(&tries_left, nth);
}

static bool
must_fail(void)
{
    uint64_t left = atomic_load(&tries_left);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&tries_left, &left, left - 1))
            return left == 1;
    }
    return false;
}
#else
static bool
must_fail(void)
{
    return false;
}
#endif

void *
kith__malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size);
}

void *
kith__calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count, size);
}

void *
kith__realloc(void *memory, size_t size)
{
    return must_fail() ? NULL : realloc(memory, size);
}

void
kith__free(void *memory)
{
    int errno_before = errno;

    free(memory);
    errno = errno_before;
}
