/*
 * boot.c - which boot this is, and the shift of an arena's clock on it.
 *
 * LAYOUT   header: `boot`, a hash of the kernel's boot id; `clock_shift`, real time less boot time
 *          when the arena was first opened on that boot.
 * STEPS    B1 the shift is exchanged, from what stood there   B2 the boot is stored
 * DEATH    between them the next opener finds an old boot and makes the shift anew, microseconds
 *          away from the first: nobody has used that one, since its maker died in opening.
 *          Two who open at once both exchange from the same old shift, so one of them wins.
 */
#include "shm/boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

/* 0 where the kernel does not tell: then every boot looks like the first one. */
static uint64_t
this_boot(void)
{
    static const uint64_t key[2] = { KITH__MAGIC, KITH__FORMAT };
    char id[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return 0;
    size = read(fd, id, sizeof id);
    close(fd);
    return size <= 0 ? 0 : kith__hash(key, id, (size_t)size) | 1;
}

static int64_t
boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * KITH__NS_PER_S + now.tv_nsec;
}

void
kith__boot_enter(struct kith__arena *arena)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t boot = this_boot(), shift;
    int64_t fresh = kith__real_ns() - boot_ns();

    if (kith__load_acquire(&h->boot) != boot) {
        shift = kith__load(&h->clock_shift);
        if (arena->readonly) {
            arena->clock_shift_ns = fresh;
            return;
        }
        atomic_compare_exchange_strong(&h->clock_shift, &shift, (uint64_t)fresh); /* B1 */
        kith__store_release(&h->boot, boot);                                      /* B2 */
    }
    arena->clock_shift_ns = (int64_t)kith__load(&h->clock_shift);
}

int64_t
kith__arena_deadline_ns(const struct kith__arena *arena, int64_t arena_deadline_ns)
{
    int64_t left = 0, deadline;

    if (__builtin_sub_overflow(arena_deadline_ns, kith__arena_now_ns(arena), &left))
        left = arena_deadline_ns > 0 ? INT64_MAX : 0;
    if (left <= 0)
        return kith__now_ns();
    if (__builtin_add_overflow(kith__now_ns(), left, &deadline))
        return KITH__NO_DEADLINE;
    return deadline;
}
