/*
 * list_order.h - which of two stored items comes first.
 */
#ifndef KITH__SHM_LIST_ORDER_H
#define KITH__SHM_LIST_ORDER_H

#include <kith/item.h>

#include <stdbool.h>

/*
 * < 0, 0 or > 0.  Numbers (bool, int, float, big int) by their exact value, NaN after all others;
 * str by code points; bytes by bytes.  *ok becomes false for what has no order.
 */
int kith__item_order(struct kith_item a, struct kith_item b, bool *ok);

/*
 * Puts the numbers 0 to count - 1 into the order of `before` (whether a must stand before b, for
 * which equal ones are not), keeping that of equal ones; `spare` has room for as many.
 */
void kith__merge_sort(uint64_t *order, uint64_t *spare, uint64_t count,
                      bool (*before)(uint64_t a, uint64_t b, void *arg), void *arg);

#endif /* KITH__SHM_LIST_ORDER_H */
