/*
 * interrupt.h - whether a signal that came is to end this thread's wait.
 */
#ifndef KITH__INTERRUPT_H
#define KITH__INTERRUPT_H

#include <stdbool.h>

#include "base/shared.h"

/*
 * Asks the function that the thread gave to kith_on_interrupt().  To be called, with no lock held,
 * each time a sleep came back with EINTR; true means that the wait ends with KITH_EINTERRUPTED.
 */
KITH__SHARED_BEGIN
bool kith__interrupted(void);
KITH__SHARED_END

#endif /* KITH__INTERRUPT_H */
