/*
 * memory.h - how much memory the machine has left for this process.
 */
#ifndef KITH__MEMORY_H
#define KITH__MEMORY_H

#include <stdint.h>

/*
 * Bytes that could be taken now without anybody being killed for it: what the kernel says is
 * available, and within the limits of this process's memory cgroups.  UINT64_MAX if it cannot be
 * told.
 */
uint64_t kith__memory_available(void);

#endif /* KITH__MEMORY_H */
