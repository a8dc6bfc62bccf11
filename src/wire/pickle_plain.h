/*
 * pickle_plain.h - calls in pickles that are only another way to write what has one.
 */
#ifndef KITH__PICKLE_PLAIN_H
#define KITH__PICKLE_PLAIN_H

#include "wire/graph.h"

/*
 * callable(*arguments) as plain data, *call_out being false; or, with *call_out true and a result
 * of NULL, as what remains a call.  NULL and false: there is no memory.
 */
struct kith__node *kith__pickle_plain(struct kith__graph *graph, const struct kith__node *callable,
                                      const struct kith__node *arguments, bool *call_out);

#endif /* KITH__PICKLE_PLAIN_H */
