/*
 * arena.h - one arena as this process has it: mapped, joined, and shared by its handles.
 */
#ifndef KITH__SHM_ARENA_H
#define KITH__SHM_ARENA_H

#include <kith/base.h>
#include <kith/inspect.h>
#include <kith/space.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/layout.h"

struct kith__self;

/* Where an arena is, as an address said it. */
enum kith__where { KITH__WHERE_NAME, KITH__WHERE_FILE, KITH__WHERE_MEMORY };

struct kith__arena {
    uint8_t *base;
    uint64_t size;      /* of the mapping and the file */
    uint64_t heap_off;  /* copies of the header's constants: nobody can change these under us */
    uint64_t near_size; /* of the heap without its last granule: see kith__is_near() */
    uint64_t granules_off;
    uint64_t actors_off;
    uint64_t hash_key[2];
    uint32_t actors_max;
    uint32_t granules_max;
    uint32_t holder;            /* our slot, from 1; 0 when we only read */
    _Atomic uint64_t huge_last; /* the window looked at last, see arena_memory.c */
    _Atomic uint32_t huge_skip; /* windows to pass over after a failure, */
    _Atomic uint32_t huge_wait; /* and how many of them are left */
    bool readonly;
    bool temporary;
    bool memory;
    bool dead;              /* a forked child could not join: nothing works but closing */
    int64_t timeout_ns;     /* how long to wait for a stopped process */
    int64_t clock_shift_ns; /* see boot.h */
    char *path;
    int wake_fd; /* mem: the file that tells pollers: see poll.c */
    dev_t wake_device;
    ino_t wake_inode;
    int fd; /* may be closed behind our back: ask kith__arena_fd() */
    dev_t device;
    ino_t inode;
    void *byte_map;  /* keeps our process byte locked */
    unsigned serial; /* tells this arena from one that had its address before */
    unsigned refs;
    pthread_mutex_t mutex; /* guards selves, refs */
    struct kith__self *selves;
    struct kith__arena *next; /* all arenas of this process */
    /*
     * The one upward call: a waiter may find an owner dead, and what must then run knows every
     * structure.  reap.c fills these in before the arena is used.
     */
    void (*on_death)(struct kith__self *self, unsigned actor);
    void (*on_idle)(struct kith__self *self); /* we hold no lock: put away what is left over */
    bool (*on_idle_holders)(struct kith__self *self); /* reaps dead processes; whether any */
    /* The thread, or with `last` the process, ends in an orderly way: gives back what it holds. */
    void (*on_leave)(struct kith__self *self, bool last);
    /* For a fork: the slot and the lock made ready for the child. */
    uint32_t child_holder;
    _Atomic unsigned keeps; /* rises when all that our handles keep is let go of */
    int child_fd;
    /* What its copies of handles keep in this process, and will in the child: see inherit.c */
    struct kith__inherited *inherited, *child_inherited;
    size_t inherited_count, child_inherited_count;
};

#define KITH__HUGE (UINT64_C(2) << 20)

#define KITH__HEADER(arena) ((struct kith__header *)(void *)(arena)->base)

/*
 * Opens, or creates, the arena at `path` (memory: NULL).  On success the caller owns a
 * reference, given back by kith__arena_close().
 */
kith_err kith__arena_open(enum kith__where where, const char *path,
                          const struct kith_options *options, struct kith__arena **arena_out);
void kith__arena_close(struct kith__arena *arena);
void kith__arena_hold(struct kith__arena *arena);

/* As kith__arena_open(), of the mem:// arena that `fd` leads to; `fd` stays the caller's. */
kith_err kith__arena_open_fd(int fd, const struct kith_options *options,
                             struct kith__arena **arena_out);

/* The path of the named arena `name`; the caller frees it. */
kith_err kith__arena_path(const char *name, char **path_out);

/* Removes the file of an arena; those who have it open keep it. */
kith_err kith__arena_remove(enum kith__where where, const char *path);

/* This user's named arenas. */
kith_err kith__arena_each(int (*each)(const struct kith_space_info *info, void *arg), void *arg);

/* A path beside `path` for the arena that will replace it, and whether a name is such a one. */
kith_err kith__repair_path(const char *path, char **path_out);
bool kith__repair_name(const char *name);

/* Removes temporaries, and what killed repairs left, whose processes are all gone. */
kith_err kith__arena_gc_leftovers(uint64_t *removed_out);

/* A descriptor of the file, checked to be that; -1 when there is none to be had. */
int kith__arena_fd(struct kith__arena *arena);
/* A new open description of it, to be closed by the caller; -1 with errno. */
int kith__arena_reopen(struct kith__arena *arena, int flags);

/*
 * Reserves and maps the memory of [off, off + size).  KITH_ENOMEM, with a sentence, when the
 * file system or a limit refuses it; a part of it may be reserved then.
 */
kith_err kith__arena_commit(struct kith__arena *arena, uint64_t off, uint64_t size);
/* KITH_ENOMEM, with a sentence: so much memory is more than the machine has left. */
kith_err kith__arena_ask(struct kith__arena *arena, uint64_t size);
/* Gives the memory of whole pages back to the system; they read as zero afterwards. */
void kith__arena_punch(struct kith__arena *arena, uint64_t off, uint64_t size);

/* The memory committed to the file, in bytes. */
uint64_t kith__arena_committed(struct kith__arena *arena);

uint64_t kith__layout_hash(void);

static inline struct kith__holder *
kith__holder_at(const struct kith__arena *arena, unsigned holder)
{
    return (struct kith__holder *)(void *)(arena->base + KITH__HOLDERS_OFF +
                                           (uint64_t)(holder - 1) * KITH__HOLDER_SIZE);
}

static inline struct kith__actor *
kith__actor_at(const struct kith__arena *arena, unsigned actor)
{
    return (struct kith__actor *)(void *)(arena->base + arena->actors_off +
                                          (uint64_t)(actor - 1) * KITH__ACTOR_SIZE);
}

static inline struct kith__magazines *
kith__magazines_of(struct kith__actor *actor)
{
    return (struct kith__magazines *)(void *)((uint8_t *)actor + KITH__MAGAZINES_AT);
}

static inline _Atomic uint32_t *
kith__token_of(struct kith__actor *actor)
{
    return (_Atomic uint32_t *)(void *)((uint8_t *)actor + KITH__TOKEN_AT);
}

#endif /* KITH__SHM_ARENA_H */
