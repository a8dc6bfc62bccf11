/*
 * key_node.h - values of Python that are no plain data, as keys.
 *
 * Keys of a dict in a space are none, bool, int, float, str, bytes, and tuples of these, compared
 * as Python does it.  What else Python can hash is stored as a tuple of two,
 *
 *     ("\0python/pickle", b"…")
 *
 * the second being the value's canonical pickle.  Equal pickles are equal keys.  To make one
 *
 *     what stands in several places is written out in each
 *     members of sets, attributes of objects and keys of dicts in them are sorted
 *     a Decimal loses the zeros behind its last digit, and is an int if it is a whole number
 *     a Fraction is its numerator and denominator, however it was pickled, or an int
 *
 * An object whose class compares in another way is found only by one of the same parts.
 */
#ifndef KITH__KEY_NODE_H
#define KITH__KEY_NODE_H

#include "base/pack.h"
#include "wire/graph.h"

/* Of the first of the two, with its NUL at the front. */
#define KITH__KEY_MARK "\0python/pickle"
#define KITH__KEY_MARK_SIZE (sizeof(KITH__KEY_MARK) - 1)

/* Values in a key at most, those counted again that stand in several places; how deep they may be.
 */
#define KITH__KEY_NODES_MAX 10000
#define KITH__KEY_DEPTH_MAX 64

/* Whether the packed tuple `ext` is such a pair, and its pickle. */
bool kith__key_pickle(const struct kith__pack_value *ext, struct kith__span *pickle_out);

#endif /* KITH__KEY_NODE_H */
