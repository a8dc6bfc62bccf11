/*
 * made.h - made names: those of objects that live while something leads to them.
 */
#ifndef KITH__MADE_H
#define KITH__MADE_H

#include <kith/reference.h>

/* A made name as a number. */
struct kith__made {
    uint64_t high, low;
};

/* Reads a name of `size` bytes; false if it is no made one. */
bool kith__made_read(const void *name, size_t size, struct kith__made *made_out);
void kith__made_write(struct kith__made made, char name[KITH_MADE_NAME_SIZE]);

#endif /* KITH__MADE_H */
