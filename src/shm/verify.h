/*
 * verify.h - checks a whole arena, and accounts for every block in it.
 */
#ifndef KITH__SHM_VERIFY_H
#define KITH__SHM_VERIFY_H

#include <kith/inspect.h>

#include "shm/actor.h"

/*
 * Takes every lock, so that nothing moves, and walks everything.  `each` is called with a
 * sentence for every broken invariant, after the locks are released; it may be NULL.
 */
kith_err kith__verify(struct kith__self *self, int (*each)(const char *sentence, void *arg),
                      void *arg, struct kith_report *report_out);

/* Counts what kith__self's loading left loose. */
kith_err kith__references_adopt(struct kith__self *self);

/*
 * Ends the unnamed objects that nothing keeps, circles of them.  Of an arena that is broken, or
 * does not come to rest, none; that is no error.
 */
kith_err kith__unreached_free(struct kith__self *self, uint64_t *freed_out);

#endif /* KITH__SHM_VERIFY_H */
