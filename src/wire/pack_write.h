/*
 * pack_write.h - plain data of a graph as MessagePack, as kith/item.h says and as the package for
 * Python writes it: the same value has the same bytes, whoever stored it.
 */
#ifndef KITH__PACK_WRITE_H
#define KITH__PACK_WRITE_H

#include "wire/graph.h"

/* What was packed; the memory is kith__free()'s. */
struct kith__packed {
    uint8_t *data;
    size_t size, room;
};

enum kith__packing {
    KITH__PACKED,    /* it is written */
    KITH__NOT_PLAIN, /* something in it is no plain data, or in two places, or too deep */
    KITH__NO_MEMORY
};

/*
 * Packs a tuple, list, dict or set of plain data; `survey` is one of it.  As a key, what Python
 * cannot hash is not plain either.  `packed_out` is to be freed in any case.
 *
 * A list, dict or set that stands in two places is not plain: which it is would be lost.  A tuple
 * may, as long as what is written stays in a proportion to what came.
 */
enum kith__packing kith__pack_node(const struct kith__node *node, const struct kith__survey *survey,
                                   bool key, struct kith__packed *packed_out);

#endif /* KITH__PACK_WRITE_H */
