/*
 * kith/space.h - opening an address, and what is named in it.
 *
 * A space is one opened address and all objects named in it:
 *
 *     NAME, shm://NAME   a named arena of this user on this machine, in memory: gone at a reboot,
 *                        and until then there even when nobody has it open
 *     mem://             an arena without a name, for this process and those it forks
 *     file:///PATH       an arena in a file; outlives every process
 *
 * The query parameters create, size, mode, readonly, temporary, transactional, authkey_file and
 * timeout stand for the fields of struct kith_options, as in "hits?size=1G&mode=0660"; where both
 * are given the address wins.  An arena's name, as an object's, is UTF-8, 1 to 200 bytes, without
 * '/' and NUL.  KITH_DIR in the environment moves the named arenas to another directory.
 *
 * Threads  Any function, from any thread, on one space or on many; only kith_close() must be the
 *          last call on its space.
 * Fork     A forked child may go on with the space and every handle on it, which are then its own.
 * Death    A process killed at any instant leaves the space usable.  What it was doing happened
 *          wholly or not at all, and what it held is recovered by whoever meets it next.
 * Engines  shm.
 */
#ifndef KITH_SPACE_H
#define KITH_SPACE_H

#include <kith/base.h>

KITH_C_BEGIN

/* One opened address, private to the process that opened it. */
typedef struct kith_space kith_space;

struct kith_info; /* kith/inspect.h */

/* How a space is opened.  A field left zero takes its default. */
struct kith_options {
    size_t struct_size;       /* set by the initialiser: fields may be added */
    enum kith_create create;  /* whether it may, or must, be there; default: either */
    uint64_t size;            /* bytes the arena may grow to; default: 64 GiB, used as needed */
    uint32_t mode;            /* permission bits of a new arena; default 0600 */
    bool readonly;            /* every change is KITH_EPERM */
    bool temporary;           /* the last process to leave removes it; after kills, gc does */
    bool transactional;       /* numbers in it may take part in transactions, for some speed */
    const char *authkey_file; /* a file with the key, for addresses that need one; borrowed */
    int64_t timeout_ns;       /* bound on waits for a stopped process; default 30 s */
};
#define KITH_OPTIONS_INIT                                                                          \
    { sizeof(struct kith_options), KITH_CREATE_OR_OPEN, 0, 0, false, false, false, NULL, 0 }

/* A named space of this user.  The strings are good until the callback returns. */
struct kith_space_info {
    const char *name;
    const char *path;   /* of the file behind it */
    uint64_t bytes;     /* memory it takes now */
    int64_t created_ns; /* CLOCK_REALTIME */
    uint32_t attached;  /* processes that have it open; a count that may be old when read */
};

/*
 * Opens `address`, creating what is behind it if there is nothing; NULL options mean all defaults.
 * Opening an address twice gives two spaces on the same objects.
 *
 * On success the caller owns *space_out and gives it to kith_close().
 *
 * KITH_EINVAL        a bad address; the sentence shows it, where it goes wrong, and a right one
 * KITH_ENOENT        nothing is there, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST        something is there, and options->create is KITH_MUST_CREATE
 * KITH_EPERM         the file's permissions, or its owner, forbid it
 * KITH_ENOMEM        no memory, or the process's address-space limit is under what a space reserves
 * KITH_EFULL         as many threads as an arena has slots for use it already
 * KITH_EVERSION      another format version made it; nothing was touched
 * KITH_ECORRUPT      the file is no arena, or a damaged one; nothing was touched
 * KITH_EUNSUPPORTED  an address of an engine that this build does not have
 */
KITH_API kith_err kith_open(const char *address, const struct kith_options *options,
                            kith_space **space_out);

/*
 * Gives up the space; everything in it stays.  What this process held in it as an owner (locks,
 * leases, views) is given back as if it had ended.  Handles still open on the space may only be
 * closed after this.  NULL is accepted.
 */
KITH_API void kith_close(kith_space *space);

/*
 * Gives a descriptor of a mem:// space, by which another process opens it with kith_open_fd(): one
 * that inherits it (clear FD_CLOEXEC before exec), or gets it through a socket (SCM_RIGHTS).  The
 * caller closes it; the space lives as long as any process has it open.
 *
 * KITH_EUNSUPPORTED  the space has a name, by which another process opens it
 */
KITH_API kith_err kith_share(kith_space *space, int *fd_out);

/*
 * Opens the space that a descriptor of kith_share() leads to; NULL options mean all defaults, and
 * of others only readonly and timeout_ns count.  The descriptor stays the caller's, who may close
 * it then.  On success the caller owns *space_out and gives it to kith_close().
 *
 * KITH_EINVAL   the descriptor is none, or not one that kith_share() gave
 * KITH_EEXIST   options->create is KITH_MUST_CREATE
 * KITH_EPERM    the space is another user's, whose mode forbids it
 * KITH_EVERSION another version of Kith made the space
 * KITH_ENOMEM, KITH_EFULL, KITH_ECORRUPT  as of kith_open()
 */
KITH_API kith_err kith_open_fd(int fd, const struct kith_options *options, kith_space **space_out);

/*
 * Destroys the object `name` for everybody.  Whoever has it open, or waits on it, gets KITH_EGONE;
 * the name is free at once, the memory as soon as nobody reads in it.
 *
 * KITH_ENOENT  no object has that name
 */
KITH_API kith_err kith_destroy(kith_space *space, const char *name);

/*
 * Gives the object `from` the name `to`, in one step: at every instant it has one of the two.  Who
 * has it open, or waits on it, notices nothing; sentences about a handle that is open go on calling
 * it by its old name.
 *
 * KITH_ENOENT  no object is called `from`
 * KITH_EEXIST  an object is called `to`, even if it is this one
 * KITH_ENOMEM  the arena has no room for the new name
 */
KITH_API kith_err kith_rename(kith_space *space, const char *from, const char *to);

/*
 * Calls `each` once for every named object, sorted by name, as they were at one instant.  The info
 * and its strings are good until `each` returns.  A non-zero return stops, and is no error.  `each`
 * is called with nothing locked and may call anything, even kith_destroy().
 */
KITH_API kith_err kith_list(kith_space *space, int (*each)(const struct kith_info *info, void *arg),
                            void *arg);

/*
 * Removes the whole space at `address`.  Processes that have it open keep it till they close; to
 * everybody else it is gone at once, and opening the address again creates a new one.
 *
 * KITH_ENOENT  nothing is there
 * KITH_EINVAL  a bad address, or mem://, which has no name to remove
 * KITH_EPERM   the system forbids it
 */
KITH_API kith_err kith_remove(const char *address);

/*
 * Calls `each` once for every named space of this user, sorted by name.  A non-zero return stops,
 * and is no error.  Without any, `each` is not called and the result is KITH_OK.
 *
 * KITH_EPERM  the directory of the named arenas cannot be read
 */
KITH_API kith_err kith_spaces(int (*each)(const struct kith_space_info *info, void *arg),
                              void *arg);

KITH_C_END
#endif /* KITH_SPACE_H */
