/*
 * arena_memory.c - the memory of an arena's file: committed before use, given back, counted.
 *
 * A page is committed before anybody is handed it, so that a full file system, a quota or a limit
 * is an error with a sentence, and never a SIGBUS at some later store.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/memory.h"
#include "shm/arena.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static uint64_t
free_on_disk(struct kith__arena *arena)
{
    struct statvfs vfs;
    int fd = kith__arena_fd(arena);

    if (fd < 0 || fstatvfs(fd, &vfs) != 0)
        return 0;
    return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

/* From here on it is asked beforehand whether memory is there: a file system may promise more. */
#define ASK_FIRST (UINT64_C(64) << 20)
#define MINCORE_PAGES 4096u

/* Bytes of the range that have no page yet. */
static uint64_t
missing_in(struct kith__arena *arena, uint64_t from, uint64_t to)
{
    unsigned char pages[MINCORE_PAGES];
    uint64_t missing = 0;

    while (from < to) {
        uint64_t size =
            to - from < MINCORE_PAGES * KITH__PAGE ? to - from : MINCORE_PAGES * KITH__PAGE;

        if (mincore(arena->base + from, size, pages) != 0)
            return missing + (to - from);
        for (uint64_t i = 0; i < size / KITH__PAGE; i++)
            missing += (pages[i] & 1) == 0 ? KITH__PAGE : 0;
        from += size;
    }
    return missing;
}

/* How much memory can be had; UINT64_MAX where that is not the machine's, but a disk's. */
static uint64_t
available_to(struct kith__arena *arena)
{
    struct statfs fs;
    int fd = kith__arena_fd(arena);

    if (fd < 0 || fstatfs(fd, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
        return UINT64_MAX;
    return kith__memory_available();
}

static kith_err
no_memory(struct kith__arena *arena, uint64_t size, uint64_t available)
{
    return kith__fail(KITH_ENOMEM,
                      "%s cannot grow by %llu bytes: this machine, or the limit of this process's "
                      "control group, has %llu bytes of memory left.",
                      arena->path ? arena->path : "The mem:// space", (unsigned long long)size,
                      (unsigned long long)available);
}

kith_err
kith__arena_ask(struct kith__arena *arena, uint64_t size)
{
    uint64_t available;

    if (size < ASK_FIRST)
        return KITH_OK;
    available = available_to(arena);
    /* Some of it may be there already, but no more than the arena has altogether. */
    if (available >= size || size - available <= kith__arena_committed(arena))
        return KITH_OK;
    return no_memory(arena, size, available);
}

static kith_err
ask_first(struct kith__arena *arena, uint64_t from, uint64_t to)
{
    kith_err err = kith__arena_ask(arena, to - from);
    uint64_t available;

    if (err < 0 || to - from < ASK_FIRST)
        return err;
    available = available_to(arena);
    if (available >= to - from || available >= missing_in(arena, from, to))
        return KITH_OK;
    return no_memory(arena, to - from, available);
}

/* ---- Huge pages ------------------------------------------------------------------------- */

/* The heap has huge pages from here on; below it grows by what is asked for. */
#define HUGE_FROM (UINT64_C(8) << 20)
/* How many at once: an eighth of what the heap has, at most so many. */
#define HUGE_SHARE 8u
#define HUGE_MOST 4u
/* The file system has so much left afterwards, or others that share it would miss it. */
#define HUGE_LEAVES (UINT64_C(32) << 20)
#define HUGE_SKIP_MAX 64u

/* As free_on_disk(), but UINT64_MAX where there is no limit: a memfd, or a tmpfs without one. */
static uint64_t
room_on_disk(struct kith__arena *arena)
{
    struct statvfs vfs;
    int fd = kith__arena_fd(arena);

    return fd >= 0 && fstatvfs(fd, &vfs) == 0 && vfs.f_blocks == 0 ? UINT64_MAX
                                                                   : free_on_disk(arena);
}

/* How many windows from this one on are to be made now, as they have no page yet. */
static uint64_t
windows_at(struct kith__arena *arena, uint64_t window, uint64_t to)
{
    uint64_t most = (window - arena->heap_off) / HUGE_SHARE / KITH__HUGE, count = 0;
    uint64_t left = room_on_disk(arena);

    most = most < 1 ? 1 : most > HUGE_MOST ? HUGE_MOST : most;
    if (to > window + most * KITH__HUGE)
        most = HUGE_MOST; /* it is all asked for */
    if (left < HUGE_LEAVES + most * KITH__HUGE)
        return 0;
    for (; count < most; count++) {
        uint64_t at = window + count * KITH__HUGE;

        if (at + KITH__HUGE > arena->size || missing_in(arena, at, at + KITH__HUGE) != KITH__HUGE)
            break;
    }
    return count;
}

/* Makes huge pages of windows that have none; false: they are as they were, but for a page each. */
static bool
make_huge(struct kith__arena *arena, uint64_t window, uint64_t count)
{
    unsigned tries = 3; /* a page may be in the hands of the system for a moment */

    for (uint64_t i = 0; i < count; i++) /* where there is nothing, there is nothing to collapse */
        if (madvise(arena->base + window + i * KITH__HUGE, KITH__PAGE, MADV_POPULATE_WRITE) != 0)
            return false;
    while (madvise(arena->base + window, count * KITH__HUGE, MADV_COLLAPSE) != 0)
        if ((errno != EAGAIN && errno != EBUSY && errno != EINTR) || --tries == 0)
            return false;
    return true;
}

/* Whether this window is one of those that are passed over; each is counted by one thread. */
static bool
passes_over(struct kith__arena *arena)
{
    uint32_t left = atomic_load(&arena->huge_wait);

    while (left > 0 && !atomic_compare_exchange_weak(&arena->huge_wait, &left, left - 1))
        ;
    return left > 0;
}

/*
 * Commits each window of 2 MiB that the range touches and that has no page yet as a huge page, and
 * some that will be needed next.  That costs an eighth of what its 512 pages would, and a random
 * read then misses the translation of an address far less often.  It is an attempt: what it does
 * not do, or where it is refused (old kernels, files on disks, limits, no such memory), populating
 * does.  See docs/decisions/0018-huge-pages.md.
 */
static void
commit_huge(struct kith__arena *arena, uint64_t from, uint64_t to)
{
    uint64_t first = arena->heap_off + HUGE_FROM, count;

    if (arena->heap_off == 0 || from < arena->heap_off)
        return;
    for (uint64_t window = from & ~(KITH__HUGE - 1); window < to; window += count * KITH__HUGE) {
        count = 1;
        if (window < arena->heap_off || window + KITH__HUGE > arena->size ||
            (window < first && (window < from || window + KITH__HUGE > to)) ||
            window == arena->huge_last)
            continue;
        arena->huge_last = window;
        if (passes_over(arena))
            continue;
        count = windows_at(arena, window, to);
        if (count > 0 && make_huge(arena, window, count)) {
            arena->huge_last = window + (count - 1) * KITH__HUGE;
            arena->huge_skip = 0;
        } else if (count > 0) { /* trying is not free: after each failure longer not */
            arena->huge_skip = 2 * arena->huge_skip + 1;
            if (arena->huge_skip > HUGE_SKIP_MAX)
                arena->huge_skip = HUGE_SKIP_MAX;
            arena->huge_wait = arena->huge_skip;
        }
        count += count == 0;
    }
}

kith_err
kith__arena_commit(struct kith__arena *arena, uint64_t off, uint64_t size)
{
    uint64_t from = off & ~(KITH__PAGE - 1);
    uint64_t to = (off + size + KITH__PAGE - 1) & ~(KITH__PAGE - 1);
    kith_err err;

    if (to > arena->size)
        to = arena->size;
    err = ask_first(arena, from, to);
    if (err < 0)
        return err;
    commit_huge(arena, from, to);
    /*
     * Populating reserves the pages and maps them in one call, and reports a full file system
     * instead of raising SIGBUS.  It was faster here than fallocate and first touches (580 us
     * against 1,010 us for 2 MiB), and it needs no descriptor, which close_range may have taken.
     */
    while (madvise(arena->base + from, to - from, MADV_POPULATE_WRITE) != 0) {
        if (errno == EINTR || errno == EAGAIN)
            continue;
        if (errno == EINVAL) { /* before Linux 5.14 */
            int fd = kith__arena_fd(arena);
            if (fd >= 0 && fallocate(fd, 0, (off_t)from, (off_t)(to - from)) == 0)
                return KITH_OK;
        }
        /*
         * What was committed of it stays, for whoever frees the range: some of it may have been
         * there before, and a reader may still look at it.
         */
        return kith__fail(
            KITH_ENOMEM,
            "The memory of %s cannot grow by %llu bytes: its file system has %llu bytes free. Free "
            "some space there, raise its size (for /dev/shm: mount -o remount,size=...), or put "
            "the arena elsewhere with KITH_DIR or a file:// address.",
            arena->path ? arena->path : "the mem:// space", (unsigned long long)(to - from),
            (unsigned long long)free_on_disk(arena));
    }
    return KITH_OK;
}

void
kith__arena_punch(struct kith__arena *arena, uint64_t off, uint64_t size)
{
    uint64_t from = (off + KITH__PAGE - 1) & ~(KITH__PAGE - 1);
    uint64_t to = (off + size) & ~(KITH__PAGE - 1);

    arena->huge_last = 0;
    if (from < to)
        madvise(arena->base + from, to - from, MADV_REMOVE);
}

uint64_t
kith__arena_committed(struct kith__arena *arena)
{
    struct stat st;
    int fd = kith__arena_fd(arena);

    if (fd < 0 || fstat(fd, &st) != 0)
        return 0;
    return (uint64_t)st.st_blocks * 512;
}
