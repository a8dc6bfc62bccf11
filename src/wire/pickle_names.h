/*
 * pickle_names.h - what Python 2 called modules and names, as pickles of protocol 2 and less have
 * them: Python 3 writes them so, for Python 2, and changes them back when it reads.
 */
#ifndef KITH__PICKLE_NAMES_H
#define KITH__PICKLE_NAMES_H

#include "wire/graph.h"

/* Changes both to Python 3's names, which are static, if they are others. */
void kith__pickle_rename(struct kith__span *module, struct kith__span *name);

#endif /* KITH__PICKLE_NAMES_H */
