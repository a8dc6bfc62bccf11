/*
 * error.h - how a failure is told: a code, and a sentence kept for the thread.
 */
#ifndef KITH__ERROR_H
#define KITH__ERROR_H

#include <kith/base.h>

#include "base/shared.h"

/* Bytes in a sentence at most, with its NUL; a longer one is cut. */
#define KITH__SENTENCE_SIZE_MAX 512

KITH__SHARED_BEGIN
/*
 * Keeps the sentence for kith_last_error() and returns `code`, so that a failing function ends with
 * `return kith__fail(...)`.  Leaves errno alone.  The arguments may be parts of the last sentence.
 */
kith_err kith__fail(kith_err code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * As kith__fail(), with the sentence `before`, `name`, `after`.  For outcomes that are often no
 * trouble, such as a key that is not there: it costs no formatting.
 */
kith_err kith__fail_object(kith_err code, const char *before, const char *name, const char *after);
KITH__SHARED_END

/* What this thread told last, and how often it told anything. */
struct kith__telling {
    unsigned count;
    kith_err code;
};
KITH__SHARED_BEGIN
extern _Thread_local struct kith__telling kith__telling;
KITH__SHARED_END

/* A number that changes with every sentence of this thread: whether a failure came with one. */
static inline unsigned
kith__told(void)
{
    return kith__telling.count;
}

#endif /* KITH__ERROR_H */
