/*
 * pickle_write.h - a part of a graph, written as a pickle.
 *
 * It is of protocol 4, which CPython 3.6 and later read, without frames and with a memo of its own:
 * wherever the part comes from, it does not matter what stood around it.  What stands in several
 * places is one object again when it is read, and circles close.  A bytearray has the opcode that
 * protocol 5 brought, which 3.8 and later read in any pickle.
 */
#ifndef KITH__PICKLE_WRITE_H
#define KITH__PICKLE_WRITE_H

#include "wire/graph.h"
#include "wire/out.h"

/*
 * Puts the pickle of `root` at the end of `out`; large str and bytes are borrowed from the graph.
 *
 * KITH_ETOOBIG  it would be larger than out->size_max
 * KITH_ENOMEM   this process has no memory for it
 */
kith_err kith__pickle_write(const struct kith__graph *graph, const struct kith__node *root,
                            struct kith__out *out);

#endif /* KITH__PICKLE_WRITE_H */
