/*
 * pool.h - what a pool consists of, and what its files share.
 *
 * OBJECTS of the pool NAME, all in its space
 *   NAME            dict: "attempts", "limit", "clients", "numbers", "life", which no other pool
 *                   of this name has, and "broken": why it cannot go on
 *   NAME.tasks      queue: [client, id, task, arity, item …]: `arity` items for each of the tasks
 *                   id, id + 1, …; a task without items stands alone
 *   NAME.results.L.C
 *                   queue of client C of the pool with life L: [id, pid, ns, (index, code,
 *                   payload) …]: of the task id + index the result, or a negative code and its
 *                   sentence, or, if workers died, [pid, signal, attempts]; `ns` is how long all
 *                   of it took.  Or an int, by which the client sees that it has taken in all
 *                   that was sent before
 *   NAME.client.L.C semaphore with one permit, which client C holds while it lives.  Once it has it
 *                   the number of the client is a key of NAME, by which those are found who died
 *   NAME.workers    dict: the number of a worker to what it is at, a struct kith__record
 *   NAME.cancels    dict: client and id, 8 bytes each in the order of the machine, to none: tasks
 *                   that nobody wants any more.  Whoever deletes such a key has decided: a worker,
 *                   in the transaction that ends the task, or the client, who takes it back
 *   NAME.stop       event: the workers are to be killed
 *   NAME.standing   value, an int: bits of enum kith__standing, which are set without any memory
 *   NAME.reserve    queue: bytes that a worker gives up to send a result where the arena is full,
 *                   and puts back when it has room
 *   NAME.alive      semaphore with one permit, which the process that started the pool holds
 *
 * A worker leases what it takes out of NAME.tasks, and acknowledges it in one transaction with the
 * results.  What a death brings back is run in a careful way, see worker.c.
 */
#ifndef KITH__POOL_H
#define KITH__POOL_H

#include <kith/dict.h>
#include <kith/event.h>
#include <kith/pool.h>
#include <kith/process.h>
#include <kith/queue.h>
#include <kith/semaphore.h>
#include <kith/value.h>

#include <signal.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "pool/pack_item.h"

/* Bytes of a pool's name, so that those of its objects are names too. */
#define KITH__POOL_NAME_MAX 150
#define KITH__POOL_WORKERS_MAX 4096
#define KITH__POOL_DEPTH_MAX 8
/* More than there will be: so much less is their number once there can be no more. */
#define KITH__POOL_CLIENTS_MAX (INT64_C(1) << 40)
#define KITH__POOL_ATTEMPTS 3

/* ---- objects.c ---- */

struct kith__pool_objects {
    kith_space *space;
    kith_dict *state;
    kith_dict *workers;
    kith_dict *cancels;
    kith_queue *tasks;
    kith_event *stop;
    kith_value *standing;
    char name[KITH__POOL_NAME_MAX + 1];
};

/* Opens all, which must be there, or be made; on an error nothing is left open. */
kith_err kith__pool_objects_open(kith_space *space, const char *name, enum kith_create create,
                                 struct kith__pool_objects *objects_out);
void kith__pool_objects_close(struct kith__pool_objects *objects);
/* Removes them for everybody, and the queues of all clients; what is missing is no error. */
void kith__pool_objects_destroy(kith_space *space, const char *name);
/* The name of one of them, or of the queue of a client's results. */
typedef char kith__pool_part[KITH__NAME_SIZE_MAX + 1];
void kith__pool_part_name(const char *name, const char *part, kith__pool_part part_out);
void kith__pool_results_name(const char *name, int64_t life, int64_t client,
                             kith__pool_part part_out);
void kith__pool_client_name(const char *name, int64_t life, int64_t client,
                            kith__pool_part part_out);
kith_err kith__pool_name_check(const char *function, const char *name);

/* A number of the state; `otherwise` if it is not there. */
int64_t kith__pool_number(struct kith__pool_objects *objects, const char *key, int64_t otherwise);

enum kith__standing { KITH__STANDING_ENDED = 1, KITH__STANDING_BROKEN = 2 };

/* Says it, for good, and why it is broken, as far as there is room to say why. */
void kith__pool_say(struct kith__pool_objects *objects, enum kith__standing standing,
                    const char *why);
/* Waits until it is said that the pool has ended; KITH_EGONE: it was removed. */
kith_err kith__pool_await_end(struct kith__pool_objects *objects, int64_t timeout_ns);
/* KITH_OK: it goes on.  KITH_ECLOSED: it has ended; KITH_EUNAVAILABLE: it cannot go on. */
kith_err kith__pool_going(struct kith__pool_objects *objects);

/* Removes the queues of clients that were killed. */
void kith__pool_reap_clients(struct kith__pool_objects *objects);
/* Removes the queue of one, and what says that it lives. */
void kith__pool_remove_client(struct kith__pool_objects *objects, int64_t life, int64_t client);

/* Puts back into the reserve what is missing, as far as there is room; whether it is whole. */
bool kith__pool_reserve_fill(kith_queue *reserve);

enum kith__record_state {
    KITH__RECORD_IDLE = 0,
    KITH__RECORD_AT,
    KITH__RECORD_DEAD,     /* the keeper saw it die */
    KITH__RECORD_DEAD_LATE /* and had killed it, for it was late */
};

/* What a worker is at; its numbers stand in the dict, in this order. */
struct kith__record {
    int64_t pid;
    int64_t state;
    int64_t kept; /* 1: the keeper will say of what it died */
    int64_t client, id;
    int64_t index; /* which of the tasks; -1: no telling, and no result of it was sent */
    int64_t since_ns;
    int64_t deaths; /* of workers at this very task, but for the first of all */
    int64_t signal; /* of what it died */
};
#define KITH__RECORD_NUMBERS 9

kith_err kith__record_set(struct kith__pool_objects *objects, int64_t number,
                          const struct kith__record *record);
/* False if it is none; the item may be anybody's. */
bool kith__record_read(struct kith_item item, struct kith__record *record_out);

/* KITH_EINVAL: the entry `index` of a table of tasks has no name, a bad one, or no function. */
kith_err kith__pool_entry_check(const char *function, const struct kith_task_entry *entry,
                                size_t index);

/* ---- worker.c ---- */

/* How a worker works; for a forked one copied from the program's options. */
struct kith__work {
    struct kith__pool_objects *objects;
    const struct kith_task_entry *tasks;
    size_t task_count;
    int64_t number;
    bool kept;
    kith_semaphore *alive; /* of one that has joined; else NULL */
    uint64_t tasks_max;    /* 0: no limit */
    uint64_t memory_max;   /* 0: no limit */
};

/* Works until the pool has ended, or it is to be replaced, which are both KITH_OK. */
kith_err kith__work(const struct kith__work *work);

/* The key of a task in the dict of those that were cancelled. */
struct kith__task_key {
    int64_t client, id;
};

/* How deep this process is in pools started by tasks of pools. */
int kith__pool_depth(void);
void kith__pool_depth_set(int depth);

/* ---- keeper.c ---- */

/* What a keeper needs to know. */
struct kith__keep {
    kith_space *space;
    char name[KITH__POOL_NAME_MAX + 1];
    struct kith_pool_options options; /* whole */
    sigset_t mask;                    /* of signals, where the pool was started */
    int parent_fd;                    /* a pidfd of the program */
    int go[2];                        /* a pipe: a byte says that the objects are there */
};

/* The keeper's whole life: a function for kith_process_fork().  Does not return. */
int kith__keep(void *keep);

#endif /* KITH__POOL_H */
