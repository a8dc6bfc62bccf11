/*
 * alloc.h - private memory of the process, behind one door, so that a test can fail the n-th try.
 *
 * Each is its namesake of <stdlib.h>; kith__free() leaves errno alone.
 */
#ifndef KITH__ALLOC_H
#define KITH__ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"

KITH__SHARED_BEGIN
void *kith__malloc(size_t size);
void *kith__calloc(size_t count, size_t size);
void *kith__realloc(void *memory, size_t size);
void kith__free(void *memory);
KITH__SHARED_END

#ifdef KITH_FAULTS
/* The `nth` try from now gets NULL, and those after it memory again; 0 fails none. */
void kith__alloc_fail(uint64_t nth);
#endif

#endif /* KITH__ALLOC_H */
