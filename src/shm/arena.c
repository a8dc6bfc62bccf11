/*
 * arena.c - one arena in this process: found, created whole or not at all, checked, mapped, left.
 *
 * An arena is a sparse file as large as it may ever grow, mapped once, so that growing never
 * moves it.  It is made without a name (O_TMPFILE), set up, and only then linked to its name:
 * a creator that is killed leaves nothing, and nobody ever opens half an arena.
 *
 * A process that opens the same arena twice shares one mapping and one slot.
 *
 * DEATH of the creator
 *   before linkat   the kernel frees the nameless file
 *   after           the arena is there, and the creator is a dead holder like any other
 */
#include "shm/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "shm/actor.h"
#include "shm/lock.h"
#include "shm/off.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SIZE_DEFAULT (UINT64_C(64) << 30)
#define SIZE_MIN (UINT64_C(1) << 20)
#define SIZE_MAX_HEAP (UINT64_C(1) << 45)
#define OPEN_ATTEMPTS 64

/* All arenas of this process.  Locked before an arena's own mutex. */
static pthread_mutex_t arenas_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kith__arena *arenas;
static unsigned arena_serial;

struct kith__arena **
kith__arenas_lock(void)
{
    pthread_mutex_lock(&arenas_mutex);
    return &arenas;
}

struct kith__arena *
kith__arenas_held(void)
{
    return arenas;
}

void
kith__arenas_unlock(void)
{
    pthread_mutex_unlock(&arenas_mutex);
}

/* ---- The format's fingerprint --------------------------------------------------------- */

uint64_t
kith__layout_hash(void)
{
    static const uint32_t shape[] = {
        sizeof(struct kith__header),
        sizeof(struct kith__identity),
        offsetof(struct kith__header, classes),
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

static uint64_t
identity_check(const struct kith__identity *identity)
{
    static const uint64_t key[2] = { KITH__MAGIC, KITH__FORMAT };

    return kith__hash(key, identity, offsetof(struct kith__identity, check));
}

/* ---- Memory --------------------------------------------------------------------------- */

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

/* ---- Descriptors ---------------------------------------------------------------------- */

static bool
fd_is_ours(const struct kith__arena *arena, int fd)
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
            fd = open(name, O_RDWR | O_CLOEXEC);
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

    if (fd_is_ours(arena, fd))
        return fd;
    /* Closed behind our back, by close_range as daemons do; the name still leads to the file. */
    fd = arena->path != NULL
             ? open(arena->path, (arena->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW)
             : open_mapped(arena);
    if (!fd_is_ours(arena, fd)) {
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
    fd = open(link, flags | O_CLOEXEC);
    if (fd < 0 && arena->path != NULL) { /* no /proc */
        fd = open(arena->path, flags | O_CLOEXEC | O_NOFOLLOW);
        if (!fd_is_ours(arena, fd)) {
            if (fd >= 0)
                close(fd);
            errno = ENOENT;
            return -1;
        }
    }
    return fd;
}

/* ---- Creation ------------------------------------------------------------------------- */

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

static kith_err
map_file(struct kith__arena *arena, int fd, uint64_t size)
{
    int protection = arena->readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    void *base = mmap(NULL, size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (base == MAP_FAILED)
        return errno == ENOMEM || errno == EINVAL ? KITH_ENOMEM
                                                  : KITH_ESYSTEM; /* EINVAL: valgrind */
    madvise(base, size, MADV_DONTDUMP); /* or every core dump holds the whole arena */
    arena->base = base;
    arena->size = size;
    return KITH_OK;
}

static void
take_constants(struct kith__arena *arena, const struct kith__identity *identity)
{
    arena->heap_off = identity->heap_off;
    arena->granules_off = identity->granules_off;
    arena->actors_off = identity->actors_off;
    arena->actors_max = identity->actors_max;
    arena->granules_max = identity->granules_max;
    arena->hash_key[0] = identity->hash_key[0];
    arena->hash_key[1] = identity->hash_key[1];
    arena->temporary = (identity->flags & KITH__FLAG_TEMPORARY) != 0;
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
    identity.check = identity_check(&identity);
    h->identity = identity;
    atomic_store(&h->next_id, 1);
    kith__lock_init(arena, &h->extent_lock);
    kith__lock_init(arena, &h->chain_lock);
    for (unsigned i = 0; i < KITH__CLASS_COUNT; i++)
        kith__lock_init(arena, &h->classes[i].lock);
    kith__lock_init(arena, &h->catalog.own.lock);
    atomic_store(&h->catalog.id, 1);
    h->catalog.created_ns = identity.created_ns;
    kith__store(&h->catalog.own.root, offsetof(struct kith__header, catalog));
    take_constants(arena, &identity);
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
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
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
        fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
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
        err = map_file(arena, fd, shape_out->size);
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

static void
remember_file(struct kith__arena *arena, int fd)
{
    struct stat st;

    arena->fd = fd;
    if (fstat(fd, &st) == 0) {
        arena->device = st.st_dev;
        arena->inode = st.st_ino;
    }
}

/* A memfd cannot be watched; without a file to watch nothing is lost but polling. */
static void
make_wake_file(struct kith__arena *arena)
{
    static const char *const folders[] = { "/dev/shm", "/tmp" };
    struct stat st;

    for (unsigned i = 0; i < 2 && arena->wake_fd < 0; i++) {
        int fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

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
static kith_err
create(struct kith__arena *arena, const struct kith_options *options)
{
    mode_t mode = options->mode ? (mode_t)options->mode : 0600;
    struct shape shape;
    char *made = NULL;
    kith_err err;
    int fd;

    if (arena->memory)
        fd = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    else
        fd = nameless_file(arena->path, mode, &made);
    if (fd < 0)
        return kith__fail(errno == EACCES || errno == EPERM || errno == EROFS ? KITH_EPERM
                                                                              : KITH_ESYSTEM,
                          "The arena %s cannot be created: %s.",
                          arena->path ? arena->path : "mem://", strerror(errno));
    fchmod(fd, mode);
    remember_file(arena, fd);
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

/* ---- Opening -------------------------------------------------------------------------- */

static kith_err
refuse(kith_err code, const char *path, const char *why)
{
    return kith__fail(code, "%s is not opened, and was left as it is: %s.", path, why);
}

static kith_err
check_identity(const char *path, int fd, const struct stat *st, struct kith__identity *identity)
{
    ssize_t got = pread(fd, identity, sizeof *identity, 0);

    if (got < 0)
        return kith__fail(KITH_ESYSTEM, "%s cannot be read: %s.", path, strerror(errno));
    if (got >= 8 && identity->magic != KITH__MAGIC)
        return refuse(KITH_ECORRUPT, path, "it is not a Kith arena");
    if ((size_t)got < sizeof *identity)
        return refuse(KITH_ECORRUPT, path, "it is too short for a Kith arena");
    if (identity->format != KITH__FORMAT)
        return refuse(KITH_EVERSION, path,
                      identity->format > KITH__FORMAT
                          ? "a newer version of Kith made it; upgrade this one"
                          : "an older version of Kith made it, in a format no longer read");
    if (identity->layout_hash != kith__layout_hash())
        return refuse(KITH_EVERSION, path,
                      "it was made by a build of Kith that lays its structures out otherwise");
    if (identity->check != identity_check(identity))
        return refuse(KITH_ECORRUPT, path, "its header was altered");
    if ((uint64_t)st->st_size != identity->size)
        return refuse(KITH_ECORRUPT, path, "it was cut short or lengthened");
    return KITH_OK;
}

static kith_err
refuse_network(const char *path, int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) != 0)
        return KITH_OK;
    switch ((unsigned long)fs.f_type) {
    case 0x6969:     /* NFS */
    case 0xff534d42: /* CIFS */
    case 0xfe534d42: /* SMB2 */
    case 0x517b:     /* SMB */
    case 0x01021997: /* 9P */
    case 0x00c36400: /* Ceph */
    case 0x5346414f: /* AFS */
        return refuse(KITH_EUNSUPPORTED, path,
                      "it is on a network file system, whose memory two hosts do not share; use "
                      "a local path, or a tcp:// address");
    default:
        return KITH_OK;
    }
}

/* KITH_ENOENT: no such file.  KITH_EEXIST: look again, the name now leads elsewhere. */
static kith_err
attach(struct kith__arena *arena, const struct kith_options *options, bool named)
{
    struct kith__identity identity;
    struct stat st, now;
    kith_err err;
    int fd = open(arena->path,
                  (arena->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    (void)options;
    if (fd < 0) {
        if (errno == ENOENT)
            return KITH_ENOENT;
        return kith__fail(errno == EACCES || errno == EPERM || errno == EROFS ? KITH_EPERM
                          : errno == ELOOP || errno == EISDIR                 ? KITH_ECORRUPT
                                                                              : KITH_ESYSTEM,
                          "%s cannot be opened: %s.", arena->path,
                          errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    }
    remember_file(arena, fd);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(KITH_ECORRUPT, arena->path, "it is not a regular file");
    if (named && st.st_uid != geteuid())
        return refuse(KITH_EPERM, arena->path, "it belongs to another user");
    err = refuse_network(arena->path, fd);
    if (err == KITH_OK)
        err = check_identity(arena->path, fd, &st, &identity);
    if (err < 0)
        return err;
    err = map_file(arena, fd, identity.size);
    if (err == KITH_ENOMEM)
        return kith__fail(KITH_ENOMEM,
                          "%s needs %llu bytes of address space, more than this process may have: "
                          "raise the limit (ulimit -v), or create the space with a smaller size.",
                          arena->path, (unsigned long long)identity.size);
    if (err < 0)
        return kith__fail(KITH_ESYSTEM, "%s cannot be mapped: %s.", arena->path, strerror(errno));
    take_constants(arena, &identity);
    if (arena->temporary && !arena->readonly && kith__holder_alone(arena)) {
        /* Left over by processes that were all killed.  Its next opener starts afresh. */
        kith__holder_unlink_if_alone(arena);
        return KITH_EEXIST;
    }
    err = arena->readonly ? kith__holder_join_reader(arena) : kith__holder_join(arena);
    if (err < 0)
        return err;
    if (stat(arena->path, &now) != 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev)
        return KITH_EEXIST; /* the last to leave removed it while we joined */
    return KITH_OK;
}

static void
unmap(struct kith__arena *arena)
{
    struct stat st;

    kith__holder_leave(arena);
    if (arena->base != NULL)
        munmap(arena->base, arena->size);
    if (fd_is_ours(arena, arena->fd))
        close(arena->fd);
    if (arena->wake_fd >= 0 && fstat(arena->wake_fd, &st) == 0 && st.st_dev == arena->wake_device &&
        st.st_ino == arena->wake_inode)
        close(arena->wake_fd);
    arena->wake_fd = -1;
    arena->base = NULL;
    arena->fd = -1;
}

/* An arena this process has open already: by its inode, since one file may have many paths. */
static struct kith__arena *
find_open(const char *path, bool readonly)
{
    struct stat st;

    if (path == NULL || stat(path, &st) != 0)
        return NULL;
    for (struct kith__arena *a = arenas; a != NULL; a = a->next)
        if (!a->memory && a->device == st.st_dev && a->inode == st.st_ino &&
            a->readonly == readonly && !a->dead)
            return a;
    return NULL;
}

static kith_err
check_options(enum kith__where where, const struct kith_options *options)
{
    if (where == KITH__WHERE_MEMORY && options->readonly)
        return kith__fail(KITH_EINVAL, "A mem:// space is new and empty; it cannot be read only.");
    if (where == KITH__WHERE_MEMORY && options->create == KITH_MUST_EXIST)
        return kith__fail(KITH_ENOENT, "A mem:// space is always a new one; none exists before.");
    if (options->size != 0 && (options->size < SIZE_MIN || options->size > SIZE_MAX_HEAP))
        return kith__fail(KITH_EINVAL,
                          "The size of a space must be between %llu and %llu bytes; %llu is not.",
                          (unsigned long long)SIZE_MIN, (unsigned long long)SIZE_MAX_HEAP,
                          (unsigned long long)options->size);
    if ((options->mode & ~0777u) != 0 || (options->mode != 0 && (options->mode & 0600) != 0600))
        return kith__fail(KITH_EINVAL,
                          "The mode %03o is not one for a space: it needs 0600 at least, and no "
                          "bits but those of reading and writing.",
                          options->mode);
    if (options->readonly && options->create == KITH_MUST_CREATE)
        return kith__fail(KITH_EINVAL, "A space cannot be created and be read only.");
    return KITH_OK;
}

static kith_err
open_new(enum kith__where where, const char *path, const struct kith_options *options,
         struct kith__arena *arena)
{
    kith_err err = KITH_EEXIST;

    if (where == KITH__WHERE_MEMORY)
        return create(arena, options);
    for (int i = 0; i < OPEN_ATTEMPTS && err == KITH_EEXIST; i++) {
        err = attach(arena, options, where == KITH__WHERE_NAME);
        if (err == KITH_OK && options->create == KITH_MUST_CREATE)
            return kith__fail(KITH_EEXIST, "The space %s exists already.", path);
        if (err == KITH_ENOENT) {
            if (options->create == KITH_MUST_EXIST || options->readonly)
                return kith__fail(KITH_ENOENT, "There is no space %s.", path);
            unmap(arena);
            err = create(arena, options);
        }
        if (err == KITH_EEXIST)
            unmap(arena);
    }
    if (err == KITH_EEXIST)
        return kith__fail(KITH_EUNAVAILABLE,
                          "The space %s was removed and made anew each time we looked.", path);
    return err;
}

kith_err
kith__arena_open(enum kith__where where, const char *path, const struct kith_options *options,
                 struct kith__arena **arena_out)
{
    struct kith__arena *arena;
    kith_err err = check_options(where, options);

    if (err < 0)
        return err;
    kith__fork_handlers();
    pthread_mutex_lock(&arenas_mutex);
    arena = where == KITH__WHERE_MEMORY ? NULL : find_open(path, options->readonly);
    if (arena != NULL) {
        if (options->create == KITH_MUST_CREATE) {
            pthread_mutex_unlock(&arenas_mutex);
            return kith__fail(KITH_EEXIST, "The space %s exists already.", path);
        }
        arena->refs++;
        pthread_mutex_unlock(&arenas_mutex);
        *arena_out = arena;
        return KITH_OK;
    }
    arena = kith__calloc(1, sizeof *arena);
    if (arena == NULL || (path != NULL && (arena->path = strdup(path)) == NULL)) {
        pthread_mutex_unlock(&arenas_mutex);
        kith__free(arena);
        return kith__fail(KITH_ENOMEM, "This process has no memory left for one more space.");
    }
    arena->fd = arena->wake_fd = -1;
    arena->child_fd = -1;
    arena->refs = 1;
    arena->memory = where == KITH__WHERE_MEMORY;
    arena->readonly = options->readonly;
    arena->timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : INT64_C(30000000000);
    pthread_mutex_init(&arena->mutex, NULL);
    err = open_new(where, path, options, arena);
    if (err < 0) {
        unmap(arena);
        free(arena->path);
        kith__free(arena);
    } else {
        arena->serial = ++arena_serial;
        arena->next = arenas;
        arenas = arena;
        *arena_out = arena;
    }
    pthread_mutex_unlock(&arenas_mutex);
    return err;
}

/* ---- By descriptor ---------------------------------------------------------------------- */

static kith_err
refuse_fd(kith_err code, int fd, const char *why)
{
    return kith__fail(code, "The descriptor %d is not opened as a space: %s.", fd, why);
}

/*
 * Opens the file of `fd` anew: a description that came by fork or through a socket is shared, and
 * whoever locks bytes by it would share these locks too.
 */
static kith_err
attach_fd(struct kith__arena *arena, int fd)
{
    struct kith__identity identity;
    struct stat st;
    char link[64];
    kith_err err;
    int own;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    own = open(link, (arena->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (own < 0)
        return refuse_fd(errno == EACCES ? KITH_EPERM : KITH_ESYSTEM, fd, strerror(errno));
    remember_file(arena, own);
    if (fstat(own, &st) != 0)
        return refuse_fd(KITH_ESYSTEM, fd, strerror(errno));
    err = check_identity("The shared mem:// space", own, &st, &identity);
    if (err < 0)
        return err;
    err = map_file(arena, own, identity.size);
    if (err < 0)
        return refuse_fd(err, fd,
                         err == KITH_ENOMEM ? "it needs more address space than this process may "
                                              "have; raise the limit (ulimit -v)"
                                            : strerror(errno));
    take_constants(arena, &identity);
    return arena->readonly ? kith__holder_join_reader(arena) : kith__holder_join(arena);
}

/* Only what cannot be cut short under us is mapped. */
static kith_err
check_fd(int fd, struct stat *st)
{
    int seals = fcntl(fd, F_GET_SEALS);

    if (fstat(fd, st) != 0)
        return refuse_fd(KITH_EINVAL, fd, strerror(errno));
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return refuse_fd(KITH_EINVAL, fd, "it is not one that kith_share() gave");
    return KITH_OK;
}

static struct kith__arena *
find_shared(const struct stat *st, bool readonly)
{
    for (struct kith__arena *a = arenas; a != NULL; a = a->next)
        if (a->memory && a->device == st->st_dev && a->inode == st->st_ino &&
            a->readonly == readonly && !a->dead)
            return a;
    return NULL;
}

kith_err
kith__arena_open_fd(int fd, const struct kith_options *options, struct kith__arena **arena_out)
{
    struct kith__arena *arena;
    struct stat st;
    kith_err err = check_fd(fd, &st);

    if (err < 0)
        return err;
    kith__fork_handlers();
    pthread_mutex_lock(&arenas_mutex);
    arena = find_shared(&st, options->readonly);
    if (arena != NULL) {
        arena->refs++;
    } else if ((arena = kith__calloc(1, sizeof *arena)) == NULL) {
        err = kith__fail(KITH_ENOMEM, "This process has no memory left for one more space.");
    } else {
        arena->fd = -1;
        arena->child_fd = -1;
        arena->refs = 1;
        arena->memory = true;
        arena->readonly = options->readonly;
        arena->timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : INT64_C(30000000000);
        pthread_mutex_init(&arena->mutex, NULL);
        err = attach_fd(arena, fd);
        if (err < 0) {
            unmap(arena);
            kith__free(arena);
        } else {
            arena->serial = ++arena_serial;
            arena->next = arenas;
            arenas = arena;
        }
    }
    if (err == KITH_OK)
        *arena_out = arena;
    pthread_mutex_unlock(&arenas_mutex);
    return err;
}

void
kith__arena_hold(struct kith__arena *arena)
{
    pthread_mutex_lock(&arenas_mutex);
    arena->refs++;
    pthread_mutex_unlock(&arenas_mutex);
}

/* Called with arenas_mutex held, once no handle and no thread of ours uses the arena. */
static void
leave(struct kith__arena *arena)
{
    struct kith__arena **link;

    for (link = &arenas; *link != arena; link = &(*link)->next)
        ;
    *link = arena->next;
    if (arena->temporary && !arena->memory && !arena->readonly && !arena->dead)
        kith__holder_unlink_if_alone(arena);
    unmap(arena);
    pthread_mutex_destroy(&arena->mutex);
    free(arena->path);
    kith__free(arena);
}

void
kith__arena_close(struct kith__arena *arena)
{
    pthread_mutex_lock(&arenas_mutex);
    if (--arena->refs == 0) {
        /*
         * Other threads of ours may have slots still.  The kernel walks to their tokens when
         * they end, and glibc writes beside them, so the mapping outlives the last handle
         * until the last of these threads ends; what they held is given back now.
         */
        kith__actors_leave(arena);
        if (arena->selves == NULL)
            leave(arena);
    }
    pthread_mutex_unlock(&arenas_mutex);
}

/* The calling thread gives back its slot, and the arena with it if that was all that kept it. */
void
kith__arena_thread_ends(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;

    pthread_mutex_lock(&arenas_mutex);
    kith__actor_leave(self);
    if (arena->refs == 0 && arena->selves == NULL)
        leave(arena);
    pthread_mutex_unlock(&arenas_mutex);
}

kith_err
kith__arena_remove(enum kith__where where, const char *path)
{
    struct kith__identity identity;
    struct stat st;
    kith_err err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return kith__fail(errno == ENOENT ? KITH_ENOENT : KITH_EPERM,
                          "The space %s cannot be removed: %s.", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (where == KITH__WHERE_NAME && st.st_uid != geteuid())) {
        close(fd);
        return kith__fail(KITH_EPERM, "%s is not a space of yours; it was left as it is.", path);
    }
    /* A damaged or foreign-version arena may be removed; a file that never was one may not. */
    err = pread(fd, &identity, sizeof identity, 0) >= 8 && identity.magic == KITH__MAGIC
              ? KITH_OK
              : kith__fail(KITH_ECORRUPT, "%s is not a Kith arena; it was left as it is.", path);
    close(fd);
    if (err == KITH_OK && unlink(path) != 0)
        return kith__fail(KITH_EPERM, "The space %s cannot be removed: %s.", path, strerror(errno));
    return err;
}
