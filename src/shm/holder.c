/*
 * holder.c - the slot of a process, and the byte whose lock says that it lives.
 *
 * The byte at BYTES_OFF + slot lies far beyond the end of the file.  Its write lock belongs to
 * an open file description of its own, which is kept open by nothing but a mapping that fork
 * does not copy (MADV_DONTFORK).  So the kernel drops the lock when this process's memory
 * goes: at SIGKILL and at exec, even with children living; and not at close_range, not when
 * some thread ends, and not when another descriptor of the file is closed.
 *
 * Taking the byte is also what allocates the slot, so a slot and its lock cannot part.
 *
 * STEPS of joining
 *   H1 the slot's memory is committed   H2 the byte is locked   H3 state LIVE
 * DEATH
 *   up to H2   the slot is free, its byte too
 *   H3 on      LIVE with a free byte: a dead holder; the next to look reaps it
 *
 * Read-only openers have no slot.  They lock READERS_BYTE for reading, and nobody gives memory
 * back to the system while somebody does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "shm/actor.h"
#include "shm/grace.h"

#define BYTES_OFF (INT64_C(1) << 61)
#define READERS_BYTE (BYTES_OFF - 1)

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

static int
lock_bytes(int fd, short type, int64_t from, int64_t count)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = count };

    return fcntl(fd, F_OFD_SETLK, &lock);
}

static bool
byte_locked(int fd, int64_t from, int64_t count)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = count
    };

    /* Where the answer can't be had, nobody is declared dead on a guess. */
    return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* Hands the description of `fd` over to a mapping, and closes the descriptor. */
static void *
keep_by_mapping(int fd)
{
    void *map = mmap(NULL, KITH__PAGE, PROT_NONE, MAP_SHARED, fd, 0);

    if (map != MAP_FAILED && madvise(map, KITH__PAGE, MADV_DONTFORK) != 0) {
        munmap(map, KITH__PAGE);
        map = MAP_FAILED;
    }
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

static void
describe_process(struct kith__holder *holder)
{
    FILE *comm;

    holder->pid = getpid();
    memset(holder->host, 0, sizeof holder->host);
    gethostname(holder->host, sizeof holder->host - 1);
    memset(holder->command, 0, sizeof holder->command);
    comm = fopen("/proc/self/comm", "re");
    if (comm != NULL) {
        if (fgets(holder->command, sizeof holder->command, comm) != NULL)
            holder->command[strcspn(holder->command, "\n")] = '\0';
        fclose(comm);
    }
}

/* Locks the byte of a free slot by `fd`. */
static kith_err
claim_slot(struct kith__arena *arena, int fd, uint32_t *slot_out)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t top = kith__load_acquire(&h->holders_top);

    if (top > KITH__HOLDERS_MAX)
        top = KITH__HOLDERS_MAX;
    for (unsigned slot = 1; slot <= KITH__HOLDERS_MAX; slot++) {
        struct kith__holder *holder = kith__holder_at(arena, slot);
        uint64_t state;

        if (slot > top) { /* H1 */
            kith_err err = kith__arena_commit(arena, kith__off(arena, holder), sizeof *holder);

            if (err < 0)
                return err;
        }
        state = kith__load(&holder->state);
        if (KITH__SLOT_KIND(state) != KITH__SLOT_FREE)
            continue;
        if (lock_bytes(fd, F_WRLCK, BYTES_OFF + slot, 1) != 0) /* H2 */
            continue;
        if (kith__load(&holder->state) != state) {
            /* Another took it, was killed, and is not yet reaped: not ours to take. */
            lock_bytes(fd, F_UNLCK, BYTES_OFF + slot, 1);
            continue;
        }
        for (uint64_t seen = kith__load(&h->holders_top); seen < slot;)
            if (atomic_compare_exchange_weak(&h->holders_top, &seen, slot))
                break;
        kith__store(&holder->pin_count, 0);
        for (unsigned i = 0; i < KITH__PINS; i++)
            kith__store(&holder->pin[i], 0);
        kith__store_release(
            &holder->state,
            KITH__SLOT_STATE(KITH__SLOT_LIVE, 0, KITH__SLOT_GENERATION(state))); /* H3 */
        *slot_out = slot;
        return KITH_OK;
    }
    return kith__fail(KITH_EFULL, "%s has %u processes, as many as an arena takes.",
                      arena->path ? arena->path : "The mem:// space", KITH__HOLDERS_MAX);
}

kith_err
kith__holder_join(struct kith__arena *arena)
{
    int fd = kith__arena_reopen(arena, O_RDWR);
    kith_err err;

    if (fd < 0)
        return kith__fail(KITH_ESYSTEM, "The arena %s cannot be joined: %s.",
                          arena->path ? arena->path : "mem://", strerror(errno));
    err = claim_slot(arena, fd, &arena->holder);
    if (err < 0) {
        close(fd);
        return err;
    }
    kith__grace_join(arena);
    describe_process(kith__holder_at(arena, arena->holder));
    arena->byte_map = keep_by_mapping(fd);
    if (arena->byte_map == NULL)
        return kith__fail(KITH_ESYSTEM,
                          "The arena %s cannot be joined: no mapping to keep its "
                          "process byte locked.",
                          arena->path ? arena->path : "mem://");
    return KITH_OK;
}

kith_err
kith__holder_join_reader(struct kith__arena *arena)
{
    int fd = kith__arena_reopen(arena, O_RDONLY);

    if (fd < 0 || lock_bytes(fd, F_RDLCK, READERS_BYTE, 1) != 0) {
        if (fd >= 0)
            close(fd);
        return kith__fail(KITH_ESYSTEM, "%s cannot be joined as a reader: %s.",
                          arena->path ? arena->path : "The mem:// space", strerror(errno));
    }
    arena->byte_map = keep_by_mapping(fd);
    if (arena->byte_map == NULL)
        return kith__fail(KITH_ESYSTEM,
                          "%s cannot be joined as a reader: no mapping to keep its "
                          "lock.",
                          arena->path ? arena->path : "The mem:// space");
    return KITH_OK;
}

void
kith__holder_renew(struct kith__arena *arena)
{
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);
    uint64_t state = kith__load(&holder->state);

    kith__store_release(&holder->state,
                        KITH__SLOT_STATE(KITH__SLOT_LIVE, 0, KITH__SLOT_GENERATION(state) + 1));
}

void
kith__holder_leave(struct kith__arena *arena)
{
    if (arena->holder != 0 && arena->base != NULL && !arena->dead) {
        struct kith__holder *holder = kith__holder_at(arena, arena->holder);
        uint64_t state = kith__load(&holder->state);

        /* Free first, unlock second: whoever gets the byte then finds a free slot. */
        kith__store_release(&holder->state,
                            KITH__SLOT_STATE(KITH__SLOT_FREE, 0, KITH__SLOT_GENERATION(state) + 1));
    }
    if (arena->byte_map != NULL)
        munmap(arena->byte_map, KITH__PAGE);
    arena->byte_map = NULL;
    arena->holder = 0;
}

bool
kith__holder_alone(struct kith__arena *arena)
{
    int fd = kith__arena_fd(arena);

    return fd >= 0 && !byte_locked(fd, BYTES_OFF, KITH__HOLDERS_MAX + 1);
}

void
kith__holder_unlink_if_alone(struct kith__arena *arena)
{
    struct stat st;
    int fd;

    kith__holder_leave(arena);
    fd = kith__arena_reopen(arena, O_RDWR);
    if (fd < 0)
        return;
    /* While we hold every byte nobody can join; who tries meanwhile finds the name gone after. */
    if (lock_bytes(fd, F_WRLCK, BYTES_OFF, KITH__HOLDERS_MAX + 1) == 0 &&
        stat(arena->path, &st) == 0 && st.st_ino == arena->inode && st.st_dev == arena->device)
        unlink(arena->path);
    close(fd);
}

bool
kith__holder_alive(struct kith__arena *arena, unsigned holder)
{
    int fd;

    if (holder == arena->holder)
        return true;
    if (holder == 0 || holder > KITH__HOLDERS_MAX)
        return false;
    fd = kith__arena_fd(arena);
    return fd < 0 || byte_locked(fd, BYTES_OFF + holder, 1);
}

bool
kith__holder_readers(struct kith__arena *arena)
{
    int fd = kith__arena_fd(arena);

    return fd < 0 || byte_locked(fd, READERS_BYTE, 1);
}

int
kith__holder_exclude(struct kith__arena *arena)
{
    int fd = kith__arena_reopen(arena, O_RDWR);
    int64_t ours = BYTES_OFF + arena->holder;

    /* All bytes but our own: of those before it the first is the readers'. */
    if (fd >= 0 && (lock_bytes(fd, F_WRLCK, READERS_BYTE, ours - READERS_BYTE) != 0 ||
                    lock_bytes(fd, F_WRLCK, ours + 1, BYTES_OFF + KITH__HOLDERS_MAX - ours) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* ---- Fork ----------------------------------------------------------------------------- */

void
kith__holder_prepare_child(struct kith__arena *arena)
{
    int fd = kith__arena_reopen(arena, arena->readonly ? O_RDONLY : O_RDWR);

    arena->child_fd = fd;
    arena->child_holder = 0;
    if (fd < 0)
        return;
    if (arena->readonly) {
        lock_bytes(fd, F_RDLCK, READERS_BYTE, 1);
        return;
    }
    if (claim_slot(arena, fd, &arena->child_holder) == KITH_OK) {
        struct kith__holder *child = kith__holder_at(arena, arena->child_holder);
        struct kith__holder *parent = kith__holder_at(arena, arena->holder);

        /* What the parent's views pin, the child's copies of these views pin too. */
        for (unsigned i = 0; i < KITH__PINS; i++)
            kith__store(&child->pin[i], kith__load(&parent->pin[i]));
        kith__store_release(&child->pin_count, kith__load(&parent->pin_count));
    }
}

void
kith__holder_parent_forked(struct kith__arena *arena)
{
    if (arena->child_fd >= 0)
        close(arena->child_fd); /* the description stays open in the child, if there is one */
    arena->child_fd = -1;
}

void
kith__holder_child_forked(struct kith__arena *arena)
{
    arena->byte_map = NULL; /* not copied */
    arena->holder = arena->child_holder;
    arena->dead = arena->child_fd < 0 || (!arena->readonly && arena->holder == 0);
    if (arena->child_fd >= 0)
        arena->byte_map = keep_by_mapping(arena->child_fd);
    arena->child_fd = -1;
    if (arena->byte_map == NULL)
        arena->dead = true;
    if (!arena->dead && !arena->readonly)
        describe_process(kith__holder_at(arena, arena->holder));
}
