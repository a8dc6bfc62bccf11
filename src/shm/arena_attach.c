/*
 * arena_attach.c - an arena that is there already: its header checked, then mapped and joined.
 *
 * A file that is not an arena of this build, or not whole, is refused with a sentence and left as
 * it is.  It is named to it by a path, or handed to it as a descriptor of a mem:// arena.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "shm/actor.h"
#include "shm/arena_parts.h"

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
    if (identity->check != kith__identity_check(identity))
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
kith_err
kith__arena_attach(struct kith__arena *arena, bool named)
{
    struct kith__identity identity;
    struct stat st, now;
    kith_err err;
    int fd = kith__descriptor_high(open(arena->path, (arena->readonly ? O_RDONLY : O_RDWR) |
                                                         O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));

    if (fd < 0) {
        if (errno == ENOENT)
            return KITH_ENOENT;
        return kith__fail(errno == EACCES || errno == EPERM || errno == EROFS ? KITH_EPERM
                          : errno == ELOOP || errno == EISDIR                 ? KITH_ECORRUPT
                                                                              : KITH_ESYSTEM,
                          "%s cannot be opened: %s.", arena->path,
                          errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    }
    kith__arena_remember_file(arena, fd);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(KITH_ECORRUPT, arena->path, "it is not a regular file");
    if (named && st.st_uid != geteuid())
        return refuse(KITH_EPERM, arena->path, "it belongs to another user");
    err = refuse_network(arena->path, fd);
    if (err == KITH_OK)
        err = check_identity(arena->path, fd, &st, &identity);
    if (err < 0)
        return err;
    err = kith__arena_map(arena, fd, identity.size);
    if (err == KITH_ENOMEM)
        return kith__fail(KITH_ENOMEM,
                          "%s needs %llu bytes of address space, more than this process may have: "
                          "raise the limit (ulimit -v), or create the space with a smaller size.",
                          arena->path, (unsigned long long)identity.size);
    if (err < 0)
        return kith__fail(KITH_ESYSTEM, "%s cannot be mapped: %s.", arena->path, strerror(errno));
    kith__arena_take_constants(arena, &identity);
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

/* ---- By descriptor -------------------------------------------------------------------- */

static kith_err
refuse_fd(kith_err code, int fd, const char *why)
{
    return kith__fail(code, "The descriptor %d is not opened as a space: %s.", fd, why);
}

/*
 * Opens the file of `fd` anew: a description that came by fork or through a socket is shared, and
 * whoever locks bytes by it would share these locks too.
 */
kith_err
kith__arena_attach_fd(struct kith__arena *arena, int fd)
{
    struct kith__identity identity;
    struct stat st;
    char link[64];
    kith_err err;
    int own;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    own = kith__descriptor_high(open(link, (arena->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC));
    if (own < 0)
        return refuse_fd(errno == EACCES ? KITH_EPERM : KITH_ESYSTEM, fd, strerror(errno));
    kith__arena_remember_file(arena, own);
    if (fstat(own, &st) != 0)
        return refuse_fd(KITH_ESYSTEM, fd, strerror(errno));
    err = check_identity("The shared mem:// space", own, &st, &identity);
    if (err < 0)
        return err;
    err = kith__arena_map(arena, own, identity.size);
    if (err < 0)
        return refuse_fd(err, fd,
                         err == KITH_ENOMEM ? "it needs more address space than this process may "
                                              "have; raise the limit (ulimit -v)"
                                            : strerror(errno));
    kith__arena_take_constants(arena, &identity);
    return arena->readonly ? kith__holder_join_reader(arena) : kith__holder_join(arena);
}

/* Only what cannot be cut short under us is mapped. */
kith_err
kith__arena_check_fd(int fd, struct stat *st)
{
    int seals = fcntl(fd, F_GET_SEALS);

    if (fstat(fd, st) != 0)
        return refuse_fd(KITH_EINVAL, fd, strerror(errno));
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return refuse_fd(KITH_EINVAL, fd, "it is not one that kith_share() gave");
    return KITH_OK;
}
