/*
 * arena_file.c - the file behind an arena: its descriptors, its mapping, and who it says it is.
 *
 * A descriptor can be closed behind our back, as daemons close all of theirs, and its number be
 * another file's a moment later: each is checked to lead to our file before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/hash.h"
#include "shm/actor.h"
#include "shm/arena_parts.h"

/* ---- Descriptors ---------------------------------------------------------------------- */

bool
kith__arena_is_ours(const struct kith__arena *arena, int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == arena->device &&
           st.st_ino == arena->inode;
}

/* A mem:// arena has no name but that of its mapping, which the kernel opens for the privileged. */
static int
open_mapped(const struct kith__arena *arena)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], name[128];
    unsigned long from, to;
    int fd = -1;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from == (unsigned long)arena->base) {
            snprintf(name, sizeof name, "/proc/self/map_files/%lx-%lx", from, to);
            fd = kith__descriptor_high(open(name, O_RDWR | O_CLOEXEC));
            break;
        }
    if (maps != NULL)
        fclose(maps);
    return fd;
}

int
kith__arena_fd(struct kith__arena *arena)
{
    int fd = arena->fd;

    if (kith__arena_is_ours(arena, fd))
        return fd;
    /* Closed behind our back, by close_range as daemons do; the name still leads to the file. */
    fd = arena->path != NULL
             ? kith__descriptor_high(open(arena->path, (arena->readonly ? O_RDONLY : O_RDWR) |
                                                           O_CLOEXEC | O_NOFOLLOW))
             : open_mapped(arena);
    if (!kith__arena_is_ours(arena, fd)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    arena->fd = fd;
    return fd;
}

int
kith__arena_reopen(struct kith__arena *arena, int flags)
{
    char link[64];
    int fd = kith__arena_fd(arena);

    if (fd < 0) {
        errno = ENOENT;
        return -1;
    }
    /* A dup would share the description, and so its locks: this gives a new one. */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    fd = kith__descriptor_high(open(link, flags | O_CLOEXEC));
    if (fd < 0 && arena->path != NULL) { /* no /proc */
        fd = kith__descriptor_high(open(arena->path, flags | O_CLOEXEC | O_NOFOLLOW));
        if (!kith__arena_is_ours(arena, fd)) {
            if (fd >= 0)
                close(fd);
            errno = ENOENT;
            return -1;
        }
    }
    return fd;
}

void
kith__arena_remember_file(struct kith__arena *arena, int fd)
{
    struct stat st;

    arena->fd = fd;
    if (fstat(fd, &st) == 0) {
        arena->device = st.st_dev;
        arena->inode = st.st_ino;
    }
}

/* ---- The mapping ---------------------------------------------------------------------- */

/*
 * Where windows of the file can be huge pages of this process: at an address that is a multiple of
 * their size.  Room is reserved, the file mapped inside, the rest given back.  NULL: no room.
 */
static void *
map_aligned(int fd, uint64_t size, int protection)
{
    uint64_t whole = size + KITH__HUGE;
    uint8_t *room =
        mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t before;
    void *base;

    if (room == MAP_FAILED)
        return NULL;
    before = -(uint64_t)(uintptr_t)room & (KITH__HUGE - 1);
    base = mmap(room + before, size, protection, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    if (base == MAP_FAILED) {
        munmap(room, whole);
        return NULL;
    }
    if (before > 0)
        munmap(room, before);
    munmap(room + before + size, KITH__HUGE - before);
    return base;
}

kith_err
kith__arena_map(struct kith__arena *arena, int fd, uint64_t size)
{
    int protection = arena->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    void *base = map_aligned(fd, size, protection);

    if (base == NULL)
        base = mmap(NULL, size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (base == MAP_FAILED)
        return errno == ENOMEM || errno == EINVAL ? KITH_ENOMEM
                                                  : KITH_ESYSTEM; /* EINVAL: valgrind */
    madvise(base, size, MADV_DONTDUMP); /* or every core dump holds the whole arena */
    arena->base = base;
    arena->size = size;
    return KITH_OK;
}

void
kith__arena_take_constants(struct kith__arena *arena, const struct kith__identity *identity)
{
    arena->heap_off = identity->heap_off;
    arena->near_size = 0;
    if (arena->size > KITH__GRANULE && identity->heap_off < arena->size - KITH__GRANULE)
        arena->near_size = arena->size - KITH__GRANULE - identity->heap_off;
    arena->granules_off = identity->granules_off;
    arena->actors_off = identity->actors_off;
    arena->actors_max = identity->actors_max;
    arena->granules_max = identity->granules_max;
    arena->hash_key[0] = identity->hash_key[0];
    arena->hash_key[1] = identity->hash_key[1];
    arena->temporary = (identity->flags & KITH__FLAG_TEMPORARY) != 0;
}

void
kith__arena_unmap(struct kith__arena *arena)
{
    struct stat st;

    kith__holder_leave(arena);
    if (arena->base != NULL)
        munmap(arena->base, arena->size);
    if (kith__arena_is_ours(arena, arena->fd))
        close(arena->fd);
    if (arena->wake_fd >= 0 && fstat(arena->wake_fd, &st) == 0 && st.st_dev == arena->wake_device &&
        st.st_ino == arena->wake_inode)
        close(arena->wake_fd);
    arena->wake_fd = -1;
    arena->base = NULL;
    arena->fd = -1;
}

/* ---- The format's fingerprint --------------------------------------------------------- */

uint64_t
kith__layout_hash(void)
{
    static const uint32_t shape[] = {
        sizeof(struct kith__header),
        sizeof(struct kith__identity),
        offsetof(struct kith__header, classes),
        offsetof(struct kith__header, clock_shift),
        offsetof(struct kith__header, catalog),
        offsetof(struct kith__header, bin),
        sizeof(struct kith__holder),
        offsetof(struct kith__holder, pin),
        sizeof(struct kith__actor),
        offsetof(struct kith__actor, main),
        offsetof(struct kith__actor, mini_inline),
        offsetof(struct kith__actor, wanted),
        KITH__ACTOR_SIZE,
        KITH__TOKEN_AT,
        sizeof(struct kith__magazines),
        sizeof(struct kith__class),
        sizeof(struct kith__span),
        sizeof(struct kith__granule),
        sizeof(struct kith__bucket),
        sizeof(struct kith__shard),
        KITH__SHARDS,
        sizeof(struct kith__dict_root),
        offsetof(struct kith__dict_root, references),
        sizeof(struct kith__reference),
        offsetof(struct kith__actor, dropped),
        sizeof(struct kith__entry),
        sizeof(struct kith__more),
        sizeof(struct kith__flight),
        sizeof(struct kith__queue_root),
        offsetof(struct kith__queue_root, tail_lock),
        sizeof(struct kith__node),
        sizeof(struct kith__queue_segment),
        sizeof(struct kith__sync_root),
        offsetof(struct kith__sync_root, ticket),
        sizeof(struct kith__root),
        KITH__ROOT_SIZE,
        offsetof(struct kith__value_root, words),
        offsetof(struct kith__array_root, head),
        sizeof(struct kith__list_root),
        sizeof(struct kith__leaf),
        sizeof(struct kith__inner),
        offsetof(struct kith__semaphore_root, charges),
        KITH__TAG_PLACE,
        offsetof(struct kith__barrier_root, arrived),
        offsetof(struct kith__condition_root, waiters),
        offsetof(struct kith__once_root, spare),
        offsetof(struct kith__limiter_root, spare),
        KITH__CLASS_COUNT,
    };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
        hash = (hash ^ shape[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t
kith__identity_check(const struct kith__identity *identity)
{
    static const uint64_t key[2] = { KITH__MAGIC, KITH__FORMAT };

    return kith__hash(key, identity, offsetof(struct kith__identity, check));
}
