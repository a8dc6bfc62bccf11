/*
 * arena.c - one arena in this process: opened, shared by its handles, left, removed.
 *
 * An arena is a sparse file as large as it may ever grow, mapped once, so that growing never
 * moves it.  A process that opens the same arena twice shares one mapping and one slot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/actor.h"
#include "shm/arena_parts.h"

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
        return kith__arena_create(arena, options);
    for (int i = 0; i < OPEN_ATTEMPTS && err == KITH_EEXIST; i++) {
        err = kith__arena_attach(arena, where == KITH__WHERE_NAME);
        if (err == KITH_OK && options->create == KITH_MUST_CREATE)
            return kith__fail(KITH_EEXIST, "The space %s exists already.", path);
        if (err == KITH_ENOENT) {
            if (options->create == KITH_MUST_EXIST || options->readonly)
                return kith__fail(KITH_ENOENT, "There is no space %s.", path);
            kith__arena_unmap(arena);
            err = kith__arena_create(arena, options);
        }
        if (err == KITH_EEXIST)
            kith__arena_unmap(arena);
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
        kith__arena_unmap(arena);
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
    kith_err err = kith__arena_check_fd(fd, &st);

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
        err = kith__arena_attach_fd(arena, fd);
        if (err < 0) {
            kith__arena_unmap(arena);
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
    kith__arena_unmap(arena);
    pthread_mutex_destroy(&arena->mutex);
    free(arena->path);
    kith__free(arena->inherited);
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
