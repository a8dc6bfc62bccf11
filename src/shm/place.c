/*
 * place.c - where this user's named arenas are, and which of them nobody will come back to.
 *
 * The arena `name` of the user with id 1000 is the file kith.1000.name in one folder: KITH_DIR if
 * that is set, else /dev/shm, else XDG_RUNTIME_DIR, else /tmp/kith-1000.  The user id is in the
 * name because the folder may be everybody's, the owner is checked because names prove nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "shm/arena.h"

/* The bytes whose locks say who lives: see holder.c. */
#define BYTES_OFF (INT64_C(1) << 61)

#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

/* ---- The folder ------------------------------------------------------------------------- */

static bool
usable(const char *folder)
{
    struct stat st;

    return stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && access(folder, W_OK | X_OK) == 0;
}

/* A folder in /tmp of nobody but us: made, or found to be so. */
static kith_err
own_folder(char *folder, size_t size)
{
    struct stat st;

    snprintf(folder, size, "/tmp/kith-%u", (unsigned)geteuid());
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return kith__fail(KITH_EPERM,
                          "There is no folder for named arenas: %s cannot be made: %s.  Name one "
                          "in KITH_DIR.",
                          folder, strerror(errno));
    if (lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 077) != 0)
        return kith__fail(KITH_EPERM,
                          "There is no folder for named arenas: %s is not a folder of yours alone. "
                          " Name one in KITH_DIR.",
                          folder);
    return KITH_OK;
}

static kith_err
find_folder(char folder[PATH_MAX])
{
    const char *named = secure_getenv("KITH_DIR");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int size;

    if (named != NULL && named[0] != '\0')
        size = snprintf(folder, PATH_MAX, "%s", named);
    else if (usable("/dev/shm"))
        size = snprintf(folder, PATH_MAX, "/dev/shm");
    else if (runtime != NULL && runtime[0] == '/' && usable(runtime))
        size = snprintf(folder, PATH_MAX, "%s", runtime);
    else
        return own_folder(folder, PATH_MAX);
    if (size < 0 || size >= PATH_MAX)
        return kith__fail(KITH_EINVAL, "The folder that KITH_DIR or XDG_RUNTIME_DIR names is "
                                       "longer than a path may be.");
    return KITH_OK;
}

/* What the files of this user's arenas begin with. */
static size_t
prefix_of(char prefix[32])
{
    return (size_t)snprintf(prefix, 32, "kith.%u.", (unsigned)geteuid());
}

kith_err
kith__arena_path(const char *name, char **path_out)
{
    char folder[PATH_MAX], prefix[32];
    kith_err err = find_folder(folder);

    if (err < 0)
        return err;
    prefix_of(prefix);
    if (asprintf(path_out, "%s/%s%s", folder, prefix, name) < 0)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a path.");
    return KITH_OK;
}

/* ---- The files in it -------------------------------------------------------------------- */

struct names {
    char **name;
    size_t count, room;
};

static kith_err
add_name(struct names *names, const char *name)
{
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 16;
        char **longer = kith__realloc(names->name, room * sizeof *longer);

        if (longer == NULL)
            return kith__fail(KITH_ENOMEM, "This process has no memory for a list of the spaces.");
        names->name = longer;
        names->room = room;
    }
    names->name[names->count] = strdup(name);
    if (names->name[names->count] == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a list of the spaces.");
    names->count++;
    return KITH_OK;
}

static void
free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    kith__free(names->name);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static kith_err
list_names(const char *folder, struct names *names)
{
    char prefix[32];
    size_t prefix_size = prefix_of(prefix);
    kith_err err = KITH_OK;
    struct dirent *entry;
    DIR *dir = opendir(folder);

    if (dir == NULL) {
        if (errno == ENOENT)
            return KITH_OK;
        return kith__fail(KITH_EPERM, "The folder of the named spaces, %s, cannot be read: %s.",
                          folder, strerror(errno));
    }
    while (err == KITH_OK && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, prefix, prefix_size) == 0 &&
            kith__name_ok(entry->d_name + prefix_size, strlen(entry->d_name + prefix_size)))
            err = add_name(names, entry->d_name);
    closedir(dir);
    if (names->count > 1)
        qsort(names->name, names->count, sizeof *names->name, by_name);
    return err;
}

/* Opens the file if it is an arena of ours in this format; -1 if it is anything else. */
static int
open_ours(const char *path, int flags, struct stat *st, struct kith__identity *identity)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
        pread(fd, identity, sizeof *identity, 0) == (ssize_t)sizeof *identity &&
        identity->magic == KITH__MAGIC && identity->format == KITH__FORMAT &&
        identity->layout_hash == kith__layout_hash() && (uint64_t)st->st_size == identity->size)
        return fd;
    close(fd);
    return -1;
}

/* Calls `look` for each arena of this user; its non-zero return stops. */
static kith_err
each_file(int flags,
          int (*look)(int fd, const char *path, const char *name, const struct stat *st,
                      const struct kith__identity *identity, void *arg),
          void *arg)
{
    char folder[PATH_MAX], prefix[32];
    size_t prefix_size = prefix_of(prefix);
    struct names names = { NULL, 0, 0 };
    bool stop = false;
    kith_err err = find_folder(folder);

    if (err == KITH_OK)
        err = list_names(folder, &names);
    for (size_t i = 0; err == KITH_OK && i < names.count && !stop; i++) {
        struct kith__identity identity;
        struct stat st;
        char *path;
        int fd;

        if (asprintf(&path, "%s/%s", folder, names.name[i]) < 0) {
            err = kith__fail(KITH_ENOMEM, "This process has no memory left for a path.");
            break;
        }
        fd = open_ours(path, flags, &st, &identity);
        if (fd >= 0) {
            stop = look(fd, path, names.name[i] + prefix_size, &st, &identity, arg) != 0;
            close(fd);
        }
        free(path);
    }
    free_names(&names);
    return err;
}

/* ---- Listing ---------------------------------------------------------------------------- */

static uint32_t
count_attached(int fd)
{
    uint64_t top = 0;
    uint32_t count = 0;

    if (pread(fd, &top, sizeof top, (off_t)offsetof(struct kith__header, holders_top)) !=
        (ssize_t)sizeof top)
        return 0;
    for (uint64_t slot = 1; slot <= top && slot <= KITH__HOLDERS_MAX; slot++) {
        struct flock lock = { .l_type = F_WRLCK,
                              .l_whence = SEEK_SET,
                              .l_start = BYTES_OFF + (int64_t)slot,
                              .l_len = 1 };

        count += fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    }
    return count;
}

struct listing {
    int (*each)(const struct kith_space_info *info, void *arg);
    void *arg;
};

static int
tell(int fd, const char *path, const char *name, const struct stat *st,
     const struct kith__identity *identity, void *arg)
{
    const struct listing *listing = arg;
    struct kith_space_info info = { .name = name,
                                    .path = path,
                                    .bytes = (uint64_t)st->st_blocks * 512,
                                    .created_ns = identity->created_ns,
                                    .attached = count_attached(fd) };

    return listing->each(&info, listing->arg);
}

kith_err
kith__arena_each(int (*each)(const struct kith_space_info *info, void *arg), void *arg)
{
    struct listing listing = { each, arg };

    return each_file(O_RDONLY, tell, &listing);
}

/* ---- Left-overs --------------------------------------------------------------------------- */

#define REPAIR_MARK ".repair-"

bool
kith__repair_name(const char *name)
{
    const char *mark = strrchr(name, '.');

    return mark != NULL && mark != name && strncmp(mark, REPAIR_MARK, strlen(REPAIR_MARK)) == 0 &&
           strspn(mark + strlen(REPAIR_MARK), "0123456789abcdef") == 16 &&
           strlen(mark) == strlen(REPAIR_MARK) + 16;
}

kith_err
kith__repair_path(const char *path, char **path_out)
{
    uint64_t salt;

    if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return kith__fail(KITH_ESYSTEM, "No random bytes for a name: %s.", strerror(errno));
    if (asprintf(path_out, "%s" REPAIR_MARK "%016llx", path, (unsigned long long)salt) < 0)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a path.");
    return KITH_OK;
}

static int
remove_leftover(int fd, const char *path, const char *name, const struct stat *st,
                const struct kith__identity *identity, void *arg)
{
    struct flock lock = { .l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = BYTES_OFF,
                          .l_len = KITH__HOLDERS_MAX + 1 };
    uint64_t *removed = arg;
    struct stat now;

    if ((identity->flags & KITH__FLAG_TEMPORARY) == 0 && !kith__repair_name(name))
        return 0;
    /* While we hold every byte nobody can join; who tries meanwhile finds the name gone after. */
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0 && lstat(path, &now) == 0 && now.st_ino == st->st_ino &&
        now.st_dev == st->st_dev && unlink(path) == 0)
        ++*removed;
    return 0;
}

kith_err
kith__arena_gc_leftovers(uint64_t *removed_out)
{
    uint64_t removed = 0;
    kith_err err = each_file(O_RDWR, remove_leftover, &removed);

    if (err == KITH_OK)
        *removed_out = removed;
    return err;
}
