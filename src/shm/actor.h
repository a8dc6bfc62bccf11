/*
 * actor.h - who takes part: holders (processes), actors (threads), and how their end is seen.
 *
 * Two signals, both of the kernel's making, and no pids.  Each process keeps one byte of the
 * file locked, each thread one robust mutex, its token.  A flagged token is a dead thread; an
 * unlocked byte is a dead process, and with it all its threads.
 */
#ifndef KITH__SHM_ACTOR_H
#define KITH__SHM_ACTOR_H

#include "shm/arena.h"
#include "shm/off.h"

/* One thread's hold on one arena: private memory of the process. */
struct kith__self {
    struct kith__arena *arena;
    struct kith__actor *actor;
    struct kith__magazines *magazines;
    unsigned id;
    unsigned serial;           /* of the arena, or 0 after a fork */
    bool stuck;                /* we waited in vain for somebody to quiesce: now only look */
    bool husks_seen;           /* we reaped somebody: sweep when we hold no lock */
    bool tidying;              /* what our operations left over is being taken apart */
    int64_t put_off_ns;        /* a stopped process is in the way of that: when to go on; 0: now */
    unsigned put_offs;         /* how often that was so */
    bool loading;              /* what a reference leads to may come after it */
    bool loose;                /* we stored one that was not counted, while loading */
    unsigned depth;            /* locks held, a user's not counted */
    unsigned spin;             /* how long spinning has lately been worth it, in rounds */
    unsigned spins;            /* how often it was tried */
    unsigned probe, probe_at;  /* every how many a long one is tried, and when next */
    int64_t suspect_ns;        /* a process may be dying: when to look again; 0: none */
    struct kith__vec *growing; /* a vector being replaced by a longer one */
    void *scratch;             /* private memory kept between calls: see kith__self_scratch() */
    size_t scratch_size;
    struct kith__self *next_in_arena;
    struct kith__self *next_in_thread;
};

extern __thread struct kith__self *kith__self_last;

/* The calling thread's slot in `arena`, taken at the first call.  NULL with a sentence. */
struct kith__self *kith__self_register(struct kith__arena *arena);

/* The same without a call: NULL also if it has a slot and used another arena last. */
static inline struct kith__self *
kith__self_at_hand(const struct kith__arena *arena)
{
    struct kith__self *self = kith__self_last;

    return self != NULL && self->arena == arena && self->serial == arena->serial ? self : NULL;
}

static inline struct kith__self *
kith__self_of(struct kith__arena *arena)
{
    struct kith__self *self = kith__self_last;

    if (self != NULL && self->arena == arena && self->serial == arena->serial)
        return self;
    return kith__self_register(arena);
}

/*
 * Private memory of `size` bytes, undefined, until the thread's next call of this; NULL if there is
 * none.  Kept between calls, since fresh pages cost a merge of 10,000 keys half as much as the
 * merge.
 */
void *kith__self_scratch(struct kith__self *self, size_t size);

/* ---- Holders -------------------------------------------------------------------------- */

/* The holder as leases and handles name it. */
static inline uint64_t
kith__owner_of(const struct kith__arena *arena, unsigned holder)
{
    return holder | KITH__SLOT_GENERATION(kith__load(&kith__holder_at(arena, holder)->state)) << 16;
}

/*
 * The process left, but has its byte and slot until its handles are closed.  Its end comes later,
 * and is then not the end of who left: what that one meant to stay, stays.
 */
void kith__holder_renew(struct kith__arena *arena);
/* Takes a process byte and its slot. */
kith_err kith__holder_join(struct kith__arena *arena);
/* For a read-only opener: a lock that keeps memory from being given back under it. */
kith_err kith__holder_join_reader(struct kith__arena *arena);
void kith__holder_leave(struct kith__arena *arena);
/* Whether no process has joined; not for one who has. */
bool kith__holder_alone(struct kith__arena *arena);
/* Removes the file if no process but ours has joined. */
void kith__holder_unlink_if_alone(struct kith__arena *arena);
/* Whether the process of a slot lives.  A stopped one does. */
bool kith__holder_alive(struct kith__arena *arena, unsigned holder);
/*
 * Keeps every other process out, readers too, until the descriptor that this returns is closed; -1
 * if there is one, or the system refuses.
 */
int kith__holder_exclude(struct kith__arena *arena);
/* Whether somebody reads without a slot. */
bool kith__holder_readers(struct kith__arena *arena);
/* Prepares, in the parent, the slot of a child about to be forked; and what follows it. */
void kith__holder_prepare_child(struct kith__arena *arena);
void kith__holder_parent_forked(struct kith__arena *arena);
void kith__holder_child_forked(struct kith__arena *arena);

/* ---- Actors --------------------------------------------------------------------------- */

/* Whether the actor in this slot is dead, or was claimed by a process that is. */
bool kith__actor_dead(struct kith__arena *arena, unsigned actor);
/* As kith__actor_dead(), but looks only at memory: sees threads' deaths, not every process's. */
bool kith__actor_flagged(struct kith__arena *arena, unsigned actor);
/* Gives the calling thread's slot back. */
void kith__actor_leave(struct kith__self *self);
/* The last handle was closed: our slots hold nothing any more, and our own is given back. */
void kith__actors_leave(struct kith__arena *arena);
/* The pthread_atfork handlers, once. */
void kith__fork_handlers(void);

/* In arena.c: all arenas of this process, for the fork handlers. */
struct kith__arena **kith__arenas_lock(void);
struct kith__arena *kith__arenas_held(void); /* with the lock held */
void kith__arenas_unlock(void);
void kith__arena_thread_ends(struct kith__self *self);

#endif /* KITH__SHM_ACTOR_H */
