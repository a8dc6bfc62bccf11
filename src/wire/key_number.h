/*
 * key_number.h - Decimals and Fractions in the one form that equal ones have.
 */
#ifndef KITH__KEY_NUMBER_H
#define KITH__KEY_NUMBER_H

#include "wire/graph.h"

/*
 * For a decimal.Decimal or a fractions.Fraction: an int if it is a whole number of 4300 digits or
 * less, else one without needless digits.  Any other node, and what is neither, as it is.
 * NULL: there is no memory.
 */
const struct kith__node *kith__key_number(struct kith__graph *graph, const struct kith__node *node);

#endif /* KITH__KEY_NUMBER_H */
