/*
 * stepper.h - stops an operation after each of its instructions, and lets its process die there.
 *
 * A scenario sets objects up, forks a victim, and steps it through one operation.  Whenever the
 * arena's bytes have changed, an image of it is taken; in it the victim is declared dead, a
 * survivor cleans up and checks, and what is left must be what was there before the operation
 * or what is there after it.
 *
 *     stage.c       the arena and its objects
 *     trap.c        hears of each instruction, and of each store into an arena
 *     image.c       an arena at one moment
 *     stepper.c     the victim: each of its steps, real kills, and a survivor at work beside it
 *     nested.c      the reaper: each of its stores, its death there, and a third party at work
 *     watch.c       which words are read, so that runs that would be the same are made once
 *     creation.c    arenas that are made, joined and left: what there is, is files
 *     scenarios_*   the operations
 */
#ifndef KITH__STEPPER_H
#define KITH__STEPPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/actor.h"
#include "shm/catalog.h"
#include "shm/dict.h"
#include "shm/queue.h"
#include "shm/reap.h"
#include "shm/sync.h"
#include "shm/txn.h"
#include "shm/verify.h"

#define OUTCOME_SIZE 16384

struct stage; /* what a scenario acts on */
struct totals;

struct scenario {
    const char *name;
    /* If it is no operation on the stage, its own way of being stepped through; no other is set. */
    void (*through)(const struct scenario *scenario, bool is_long, struct totals *totals);
    /* In the survivor, before the fork. */
    void (*set_up)(struct stage *stage, struct kith__self *self);
    /* In the victim, before the stepping: warm up, take the lease that will be acknowledged. */
    void (*prepare)(struct stage *stage, struct kith__self *self);
    /* In the victim, stepped through.  `self` is NULL if it is to register itself. */
    void (*act)(struct stage *stage, struct kith__self *self);
    /* In a copy, after cleaning up: everything that can be seen, as text. */
    void (*observe)(struct stage *stage, struct kith__self *self, char *text, size_t size);
    /* In a copy, before cleaning up: what a reader sees, NULL or "" if all is well. */
    const char *(*peek)(struct stage *stage, struct kith__self *self);
    /* In the survivor, when the victim sleeps: what it waits for. */
    void (*partner)(struct stage *stage, struct kith__self *self);
    bool same_outcome; /* the operation changes nothing that can be seen */
    bool thread_only;  /* the victim's thread dies, its process lives */
    bool unregistered; /* the victim takes its slot while it is stepped */
    bool finds;        /* prepare() only finds handles: a third party does so, too */
    bool alone;        /* the operation is the thread's own: no third party can do it, too */
    bool slow;         /* many instructions: look at fewer of them unless --long */
};

struct stage {
    struct kith__arena *arena;
    struct kith__dict a, b;
    struct kith__queue q, letters;
    struct kith__sync lock, event;
    struct kith__lent lent;
    unsigned self_id; /* the actor of the calling thread, the survivor */
    unsigned victim;  /* the victim's */
    /* A process that does nothing: in images its thread is the one that cleans up, and dies. */
    unsigned reaper, reaper_holder;
    pid_t reaper_pid;
    uint8_t *big;
    /* A scenario's own: objects that its set_up made, and what its parts tell one another. */
    struct kith__object object[8];
    uint64_t slot[8];
};

struct totals {
    uint64_t steps;  /* instructions of victims */
    uint64_t states; /* different images, of victims' deaths and of reapers' */
    uint64_t deaths; /* tried */
    uint64_t nested; /* stores of reapers */
    uint64_t same;   /* deaths whose reaper does what another did: they differ in what is unread */
    uint64_t thirds; /* times that another worked between two stores of a reaper */
    uint64_t kills;  /* real ones */
    uint64_t violations;
};

/*
 * Steps through one scenario, with the reapers of the deaths in it; prints its line; adds to the
 * totals.
 */
void step_through(const struct scenario *scenario, bool is_long, struct totals *totals);
/* After it: real kills of the victim at a sample of steps, on the arena itself. */
void kill_for_real(const struct scenario *scenario, unsigned samples, struct totals *totals);
/* After it: victim stopped, survivor works, victim dies, survivor finishes. */
void three_parties(const struct scenario *scenario, unsigned samples, struct totals *totals);

void stage_die(const char *what);
/* By a program's arguments: each a part of a name, or "=" and all of one; without any, all are. */
bool stage_wanted(const char *name, int argc, char **argv);
/* A fresh arena with its objects; the survivor is the calling thread. */
void stage_open(struct stage *stage, const char *folder);
void stage_close(struct stage *stage);
/* Starts the process that reaps in images. */
void stage_hire_reaper(struct stage *stage);
struct kith__self *stage_self(struct stage *stage);
/* Makes an object of a scenario's own, and puts it into stage->object[index]. */
void stage_make(struct stage *stage, unsigned index, const char *name, enum kith_kind kind,
                kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg),
                void *arg);

/* The making of a dict, as the catalog wants it. */
static inline kith_err
init_dict(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    (void)unused;
    kith__dict_init(op, off, id, NULL);
    return op->err;
}

void print_dict(struct kith__self *self, const struct kith__dict *dict, char **at, char *end);
void print_queue(struct kith__self *self, const struct kith__queue *queue, char **at, char *end);

#endif /* KITH__STEPPER_H */
