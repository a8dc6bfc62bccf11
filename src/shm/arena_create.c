/*
 * arena_create.c - an arena is made without a name (O_TMPFILE), set up, and only then linked to
 * its name: a creator that is killed leaves nothing, and nobody ever opens half an arena.
 *
 * DEATH of the creator
 *   before linkat   the kernel frees the nameless file
 *   after           the arena is there, and the creator is a dead holder like any other
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "shm/actor.h"
#include "shm/arena_parts.h"
#include "shm/lock.h"
#include "shm/off.h"

#define SIZE_DEFAULT (UINT64_C(64) << 30)

struct shape {
    uint64_t heap, actors_off, granules_off, heap_off, size;
    uint32_t actors_max, granules_max;
};

static struct shape
shape_of(uint64_t heap)
{
    struct shape s = { .heap = (heap + KITH__GRANULE - 1) & ~(KITH__GRANULE - 1) };
    uint64_t at = KITH__HOLDERS_OFF + KITH__HOLDERS_MAX * KITH__HOLDER_SIZE;

    s.actors_max = KITH__ACTORS_MAX;
    s.actors_off = at;
    at += s.actors_max * KITH__ACTOR_SIZE;
    s.granules_max = (uint32_t)(s.heap / KITH__GRANULE);
    s.granules_off = at;
    at += s.granules_max * sizeof(struct kith__granule);
    s.heap_off = (at + KITH__GRANULE - 1) & ~(KITH__GRANULE - 1);
    s.size = s.heap_off + s.heap;
    return s;
}

/* Fills in a new, nameless, all-zero file of the shape `s`, mapped already. */
static kith_err
write_header(struct kith__arena *arena, const struct shape *s, const struct kith_options *options)
{
    struct kith__header *h = KITH__HEADER(arena);
    struct kith__identity identity = {
        .magic = KITH__MAGIC,
        .format = KITH__FORMAT,
        .flags = options->temporary ? KITH__FLAG_TEMPORARY : 0,
        .layout_hash = kith__layout_hash(),
        .size = s->size,
        .created_ns = kith__real_ns(),
        .actors_off = s->actors_off,
        .granules_off = s->granules_off,
        .heap_off = s->heap_off,
        .actors_max = s->actors_max,
        .holders_max = KITH__HOLDERS_MAX,
        .granules_max = s->granules_max,
        .uid = (uint32_t)geteuid(),
    };
    kith_err err = kith__arena_commit(arena, 0, sizeof *h);

    if (err < 0)
        return err;
    if (getrandom(identity.hash_key, sizeof identity.hash_key, 0) < 0 ||
        getrandom(identity.uuid, sizeof identity.uuid, 0) < 0)
        return kith__fail(KITH_ESYSTEM, "No random bytes for the hash key: %s.", strerror(errno));
    identity.check = kith__identity_check(&identity);
    h->identity = identity;
    atomic_store(&h->next_id, 1);
    kith__lock_init(arena, &h->extent_lock);
    kith__lock_init(arena, &h->chain_lock);
    for (unsigned i = 0; i < KITH__CLASS_COUNT; i++)
        kith__lock_init(arena, &h->classes[i].lock);
    for (unsigned i = 0; i < KITH__STRIPES; i++)
        kith__lock_init(arena, &h->stripes[i].lock);
    kith__lock_init(arena, &h->catalog.own.lock);
    atomic_store(&h->catalog.id, 1);
    h->catalog.created_ns = identity.created_ns;
    kith__store(&h->catalog.own.root, offsetof(struct kith__header, catalog));
    kith__arena_take_constants(arena, &identity);
    return KITH_OK;
}

/* A nameless file in the folder of `path`; where the file system has none, a named one. */
static int
nameless_file(const char *path, mode_t mode, char **made_out)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fd = kith__descriptor_high(open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    *made_out = NULL;
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        char *name;
        int kept = errno;
        uint64_t salt = 0;

        if (access(folder, F_OK) != 0) {
            errno = kept;
            return -1;
        }
        (void)!getrandom(&salt, sizeof salt, 0);
        if (asprintf(&name, "%s.%016llx.new", path, (unsigned long long)salt) < 0)
            return -1;
        fd = kith__descriptor_high(open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
        if (fd < 0)
            free(name);
        else
            *made_out = name;
    }
    return fd;
}

static kith_err
link_file(int fd, const char *made, const char *path)
{
    char from[64];
    int rc;

    if (made != NULL) {
        rc = link(made, path);
    } else {
        snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
        rc = linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    }
    if (rc == 0)
        return KITH_OK;
    if (errno == EEXIST)
        return KITH_EEXIST;
    return kith__fail(KITH_ESYSTEM, "The arena %s cannot be given its name: %s.", path,
                      strerror(errno));
}

static kith_err
refuse_size(const char *path, uint64_t size, int error)
{
    if (error == EFBIG || error == EINVAL)
        return kith__fail(KITH_ENOMEM,
                          "The arena %s cannot be %llu bytes long here: lower its size with the "
                          "option size, or raise the file-size limit (ulimit -f).",
                          path ? path : "mem://", (unsigned long long)size);
    return kith__fail(KITH_ESYSTEM, "The file of the arena %s cannot be sized: %s.",
                      path ? path : "mem://", strerror(error));
}

/* Sizes and maps a fresh file, halving the default while the address space is too small. */
static kith_err
size_and_map(struct kith__arena *arena, int fd, const struct kith_options *options,
             struct shape *shape_out)
{
    uint64_t heap = options->size ? options->size : SIZE_DEFAULT;
    struct rlimit limit;

    for (;; heap /= 2) {
        bool smaller_will_do = options->size == 0 && heap > (SIZE_DEFAULT >> 10);
        kith_err err;

        *shape_out = shape_of(heap);
        /* Past RLIMIT_FSIZE ftruncate does not fail, it kills. */
        if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
            shape_out->size > limit.rlim_cur) {
            if (smaller_will_do)
                continue;
            return refuse_size(arena->path, shape_out->size, EFBIG);
        }
        if (ftruncate(fd, (off_t)shape_out->size) != 0) {
            if (smaller_will_do && (errno == EFBIG || errno == EINVAL))
                continue;
            return refuse_size(arena->path, shape_out->size, errno);
        }
        err = kith__arena_map(arena, fd, shape_out->size);
        if (err == KITH_ENOMEM && smaller_will_do)
            continue;
        if (err == KITH_ENOMEM)
            return kith__fail(KITH_ENOMEM,
                              "The arena %s needs %llu bytes of address space, more than this "
                              "process may have: raise the limit (ulimit -v), or open the space "
                              "with a smaller size.",
                              arena->path ? arena->path : "mem://",
                              (unsigned long long)shape_out->size);
        if (err < 0)
            return kith__fail(KITH_ESYSTEM, "The arena %s cannot be mapped: %s.",
                              arena->path ? arena->path : "mem://", strerror(errno));
        return KITH_OK;
    }
}

/* A memfd cannot be watched; without a file to watch nothing is lost but polling. */
static void
make_wake_file(struct kith__arena *arena)
{
    static const char *const folders[] = { "/dev/shm", "/tmp" };
    struct stat st;

    for (unsigned i = 0; i < 2 && arena->wake_fd < 0; i++) {
        int fd = kith__descriptor_high(open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));

        if (fd < 0)
            continue;
        if (pwrite(fd, "", 1, 0) != 1 || fstat(fd, &st) != 0) {
            close(fd);
            continue;
        }
        arena->wake_device = st.st_dev;
        arena->wake_inode = st.st_ino;
        arena->wake_fd = fd;
    }
}

/* KITH_EEXIST: somebody else gave his file the name first. */
kith_err
kith__arena_create(struct kith__arena *arena, const struct kith_options *options)
{
    mode_t mode = options->mode ? (mode_t)options->mode : 0600;
    struct shape shape;
    char *made = NULL;
    kith_err err;
    int fd;

    if (arena->memory)
        fd = kith__descriptor_high(memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    else
        fd = nameless_file(arena->path, mode, &made);
    if (fd < 0)
        return kith__fail(errno == EACCES || errno == EPERM || errno == EROFS ? KITH_EPERM
                                                                              : KITH_ESYSTEM,
                          "The arena %s cannot be created: %s.",
                          arena->path ? arena->path : "mem://", strerror(errno));
    fchmod(fd, mode);
    kith__arena_remember_file(arena, fd);
    err = size_and_map(arena, fd, options, &shape);
    if (err == KITH_OK)
        err = write_header(arena, &shape, options);
    if (err == KITH_OK && arena->memory) {
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
        make_wake_file(arena);
    }
    /*
     * Join before the file has its name: whoever opens it then finds a holder whose byte is
     * locked, and a temporary arena is never taken for a left-over of the dead.
     */
    if (err == KITH_OK)
        err = kith__holder_join(arena);
    if (err == KITH_OK && !arena->memory)
        err = link_file(fd, made, arena->path);
    if (made != NULL) {
        unlink(made);
        free(made);
    }
    return err;
}
