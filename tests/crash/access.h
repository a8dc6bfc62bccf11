/*
 * access.h - what the instruction that faulted does to memory.
 */
#ifndef KITH__ACCESS_H
#define KITH__ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct access {
    bool writes; /* it stores there, and reads nothing there */
    /* Bytes from the address on: read at most these, or, if it writes, stored all of them. */
    unsigned size;
};

/*
 * `code` is the instruction, `stores` whether the fault was a store's.  Of an instruction that is
 * not known it says that it reads as much as any does.
 */
struct access access_of(const uint8_t *code, bool stores);

#endif /* KITH__ACCESS_H */
