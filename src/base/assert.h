/*
 * assert.h - checks of what only a mistake of our own could break.
 *
 * Not for what a caller passes (KITH_EINVAL) nor for what another process wrote (KITH_ECORRUPT).
 * A release build, which defines NDEBUG, has none; the expression is still compiled there, so that
 * it does not rot and a variable that only it reads is no warning.  Relations between constants are
 * for static_assert.
 */
#ifndef KITH__ASSERT_H
#define KITH__ASSERT_H

#include <assert.h> /* static_assert */

#ifdef NDEBUG
#define KITH__ASSERT(expr) ((void)sizeof((expr) ? 1 : 0))
#else
#include <stdio.h>
#include <stdlib.h>
#define KITH__ASSERT(expr)                                                                         \
    ((expr) ? (void)0                                                                              \
            : (fprintf(stderr, "kith: %s:%d: %s: assertion failed: %s\n", __FILE__, __LINE__,      \
                       __func__, #expr),                                                           \
               abort()))
#endif

#endif /* KITH__ASSERT_H */
