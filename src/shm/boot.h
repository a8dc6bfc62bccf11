/*
 * boot.h - the clock of an arena, by which items expire.
 *
 * It is CLOCK_BOOTTIME, which nobody can set and which goes on during suspend, shifted so that it
 * shows the real time of the moment when the arena was first opened on this boot.  A deadline in an
 * arena is a time of this clock, and so goes on to mean about the same after a reboot.
 */
#ifndef KITH__SHM_BOOT_H
#define KITH__SHM_BOOT_H

#include <time.h>

#include "base/clock.h"
#include "shm/off.h"

/*
 * Before anything else is done with an open arena: finds the shift, and after a reboot makes it
 * anew.  Of several openers after a reboot the first decides; a read-only one keeps its own.
 */
void kith__boot_enter(struct kith__arena *arena);

static inline int64_t
kith__arena_now_ns(const struct kith__arena *arena)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * KITH__NS_PER_S + now.tv_nsec + arena->clock_shift_ns;
}

/* A deadline of the arena's clock as one of CLOCK_MONOTONIC, for a wait. */
int64_t kith__arena_deadline_ns(const struct kith__arena *arena, int64_t arena_deadline_ns);

#endif /* KITH__SHM_BOOT_H */
