/*
 * error.h - how a failure is told: a code, and a sentence kept for the thread.
 */
#ifndef KITH__ERROR_H
#define KITH__ERROR_H

#include <kith/base.h>

/* Bytes in a sentence at most, with its NUL; a longer one is cut. */
#define KITH__SENTENCE_SIZE_MAX 512

/*
 * Keeps the sentence for kith_last_error() and returns `code`, so that a failing function ends with
 * `return kith__fail(...)`.  Leaves errno alone.  The arguments may be parts of the last sentence.
 */
kith_err kith__fail(kith_err code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* KITH__ERROR_H */
