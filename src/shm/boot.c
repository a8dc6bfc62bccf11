/*
 * boot.c - which boot this is, and the shift of an arena's clock on it.
 *
 * LAYOUT   header: `clock_shift`, real time less boot time when the arena was first opened on a
 *          boot, in milliseconds, and in its low bits a mark of that boot.
 * STEPS    B1 the word, which bears the mark of another boot, is exchanged for one with ours
 * DEATH    There is one step.  Of those who open at once, stopped or killed wherever, one exchanges
 *          it, and all others find his: a word with our mark is changed by nobody.
 * LIMITS   The mark has 21 bits: once in two million reboots the shift of the boot before stays,
 *          and the arena's clock misses the time between.  So it does if only processes that the
 *          kernel does not tell the boot open the arena after a reboot.
 */
#include "shm/boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

/* 0 where the kernel does not tell, as in a sandbox without /proc. */
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

#define MARK_BITS 22u

static uint64_t
mark_of(uint64_t word)
{
    return word & ((UINT64_C(1) << MARK_BITS) - 1);
}

static int64_t
shift_of(uint64_t word)
{
    return (int64_t)(word >> MARK_BITS) * 1000000;
}

void
kith__boot_enter(struct kith__arena *arena)
{
    kith__word *at = &KITH__HEADER(arena)->clock_shift;
    uint64_t mark = mark_of(this_boot()), word = kith__load_acquire(at);
    int64_t fresh_ms = (kith__real_ns() - boot_ns()) / 1000000;
    uint64_t fresh = (fresh_ms > 0 ? (uint64_t)fresh_ms << MARK_BITS : 0) | mark;

    /* Who is not told takes what is there: others were, and have their clocks from it. */
    if (word == 0 || (mark != 0 && mark_of(word) != mark)) {
        if (arena->readonly || atomic_compare_exchange_strong(at, &word, fresh)) /* B1 */
            word = fresh;
    }
    arena->clock_shift_ns = shift_of(word);
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
