/*
 * pickle_read.h - a pickle, of protocol 0 to 5, read into a graph.
 *
 * Nothing is imported, looked up or called.  What would need that at this side is refused by its
 * name: persistent ids, and the extension codes of copyreg.  Objects of any class are taken apart;
 * see graph.h.  What is only another way to write plain data, because the pickle's protocol has no
 * opcode for it, becomes plain data: sets, frozensets, bytes and bytearrays that are calls of their
 * types, and list(…) and tuple(…) of what is one.  The names of Python 2 become those of Python 3.
 */
#ifndef KITH__PICKLE_READ_H
#define KITH__PICKLE_READ_H

#include "wire/graph.h"

/* What a pickle may need at most.  The reader's memory is bounded by these and by its size. */
struct kith__pickle_limits {
    size_t size;   /* bytes */
    size_t nodes;  /* values, those included that are thrown away again */
    size_t depth;  /* of values in values */
    size_t memory; /* bytes that the whole graph may take */
};
#define KITH__PICKLE_LIMITS                                                                        \
    ((struct kith__pickle_limits){ .size = (size_t)1 << 31,                                        \
                                   .nodes = (size_t)1 << 24,                                       \
                                   .depth = 100000,                                                \
                                   .memory = (size_t)1 << 32 })

/*
 * Reads one pickle of `size` bytes at `data` into `graph`, beside what is there.  The nodes point
 * into `data`, which has to live as long as they.  `buffers` are those that the pickle has out of
 * band, in order; each becomes a bytearray, or bytes if the pickle says that it is read-only.
 * What stands behind the pickle's end is not looked at.
 *
 * KITH_EINVAL       it is no pickle, or is cut off; the sentence says where
 * KITH_EUNSUPPORTED it has an opcode that would need code at this side; the sentence names it
 * KITH_ETOOBIG      it goes past a limit; the sentence says which
 * KITH_ENOMEM       this process has no memory for it
 */
kith_err kith__pickle_read(struct kith__graph *graph, const void *data, size_t size,
                           const struct kith__pickle_limits *limits,
                           const struct kith__span *buffers, size_t buffer_count,
                           const struct kith__node **root_out);

#endif /* KITH__PICKLE_READ_H */
