/*
 * utf8.h - whether bytes are text, and whether text is a name.
 */
#ifndef KITH__UTF8_H
#define KITH__UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/shared.h"

/* Bytes in the name of an object or a space at most. */
#define KITH__NAME_SIZE_MAX 200

KITH__SHARED_BEGIN
/* Strict UTF-8: no surrogates, nothing overlong, nothing past U+10FFFF.  NULs are fine. */
bool kith__utf8_ok(const void *data, size_t size);

/* A name of an object or a space: UTF-8, 1 to KITH__NAME_SIZE_MAX bytes, no '/' and no NUL. */
bool kith__name_ok(const void *data, size_t size);
KITH__SHARED_END

#endif /* KITH__UTF8_H */
