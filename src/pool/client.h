/*
 * client.h - the side of a pool that submits tasks and takes their results.
 */
#ifndef KITH__CLIENT_H
#define KITH__CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "pool/pool.h"

/* A message that arrived, kept as long as items of it are looked at. */
struct kith__message {
    kith_view *view;        /* NULL: it was copied, and follows */
    struct kith_pool *pool; /* which counts what is viewed */
    size_t size;
    uint32_t refs;
};

/*
 * One task of a batch.  There may be many, and most are looked at once: so what came of one is left
 * as it stands in its message.
 */
struct kith__slot {
    atomic_bool done; /* the rest holds, and stays */
    kith_err code;
    size_t size;                   /* of what stands at `at` */
    const uint8_t *at;             /* its result, packed; or the sentence of its failure */
    struct kith__message *message; /* which has that; NULL: it is this process's own */
    char *tag;                     /* of a foreign item that was looked at */
    struct kith__slot *arrived;    /* of those watched: which was done next */
};

/* Tasks that were submitted by one call, whose numbers follow each other. */
struct kith_results {
    kith_pool *pool; /* held */
    pid_t process;   /* whose it is */
    int64_t first;   /* the number of the first task */
    size_t count;
    size_t done;
    size_t next;   /* of kith_results_next() */
    size_t *order; /* unordered: which came, in the order of coming; else NULL */
    char *task;
    /* Of one that is watched, whose slots that are done are told one by one: */
    void *watched; /* as the watcher calls it; NULL: it is not watched */
    struct kith__slot *first_arrived, *last_arrived; /* done and not told yet */
    struct kith_results *arrived;                    /* the next batch that has such */
    struct kith__slot slots[];
};

/* The place of a batch among those that wait. */
struct kith__enrolled {
    int64_t first;              /* the number of its first task */
    struct kith_results *batch; /* NULL: it was freed */
};

struct kith_pool {
    struct kith__pool_objects objects;
    struct kith__keep keep; /* of who started it */
    bool is_starter;
    pid_t process; /* whose handle it is; a forked child becomes a client of its own */
    kith_process *keeper;
    kith_semaphore *alive;
    unsigned keepers; /* how many there were */
    bool replacing; /* under the mutex: a thread has the keeper, `keepers` and `keep` for itself */
    pthread_cond_t replaced; /* that is over */
    void *copied;            /* what `keep` points to */
    atomic_uint refs;        /* the handle, and its batches */
    atomic_bool closed;
    /* What follows is under the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    bool taking;            /* a thread is taking in what arrives */
    int64_t client, life;   /* as in the name of the queue of its results */
    kith_semaphore *permit; /* held as long as this client lives */
    kith_queue *results;
    int64_t next_id;
    uint64_t view_room; /* bytes of messages that may be looked at where they are; 0: not known */
    atomic_size_t viewed;
    atomic_size_t put_size; /* bytes submitted since it was looked at how full the arena is */
    int64_t marks_put, marks_seen;  /* see kith__batch_catch_up() */
    struct kith__enrolled *batches; /* in the order of their numbers */
    size_t batch_count, batch_max;
    struct kith_results *first_arrived, *last_arrived; /* those that have slots to be told */
    size_t watched;                                    /* slots that will be, or are, to be told */
    /* How long tasks of the last chunk took, in its mean, and their name, cut. */
    int64_t task_ns;
    char task_name[64];
};

/* In pool.c. */
void kith__pool_hold(kith_pool *pool);
void kith__pool_release(kith_pool *pool);
/* Looks after the keeper: starts another if it was killed.  As kith__pool_going(). */
kith_err kith__pool_look_after(kith_pool *pool);

/* ---- client.c ---- */

void kith__client_init(kith_pool *pool);
void kith__client_fini(kith_pool *pool);
/* Locks the client, which in a forked child becomes one of its own; to be unlocked by its mutex. */
void kith__client_enter(kith_pool *pool);
/* Locked: the batch that has the task `id`; NULL: it was freed, or there was none. */
struct kith_results *kith__batch_find(const kith_pool *pool, int64_t id);

/*
 * Makes a batch of `count` tasks, which is none of anybody's until it is submitted.  `unordered`:
 * the order in which they come is kept.
 */
kith_err kith__batch_new(kith_pool *pool, const char *task, size_t count, bool unordered,
                         struct kith_results **batch_out);
void kith__batch_free(struct kith_results *batch);
/* KITH_EPERM if it is the parent's. */
kith_err kith__batch_check(const struct kith_results *batch, const char *function);

/* ---- submit.c ---- */

/*
 * Submits tasks [from, to) of it, whose items those are, `chunk` at a time.  Until the deadline
 * waits for room as long as workers may make some; takes in what arrives meanwhile.
 */
kith_err kith__batch_submit(struct kith_results *batch, const struct kith_item *items, size_t arity,
                            size_t from, size_t to, size_t chunk, int64_t deadline_ns);
/* ---- arrive.c ---- */

static inline bool
kith__slot_done(const struct kith__slot *slot)
{
    return atomic_load_explicit(&slot->done, memory_order_acquire);
}

/* A slot that looked at it is freed. */
void kith__message_release(struct kith__message *message);
/* Takes in all that has arrived. */
void kith__client_drain(kith_pool *pool);
/*
 * Takes in what arrives until `enough` tasks of the batch are done, or, of an unordered one, have
 * come; with `slot` until that one is.  Does not wait with KITH__NO_WAIT.
 */
kith_err kith__batch_await(struct kith_results *batch, size_t enough, const struct kith__slot *slot,
                           int64_t deadline_ns);
/* Takes in all that has been sent to this process before the call; whether its first task is done.
 */
kith_err kith__batch_catch_up(struct kith_results *batch, bool *done_out);
/* Has kith__pool_await_watched() tell of its slots as `tag`. */
void kith__batch_watch(struct kith_results *batch, void *tag);
/* Locked: nothing more is told of it. */
void kith__batch_unwatch(struct kith_results *batch);
/* The next slot that is done of a batch that is watched.  KITH_EEMPTY: there is none to come. */
kith_err kith__pool_await_watched(kith_pool *pool, int64_t deadline_ns, void **tag_out,
                                  size_t *index_out);
/* ---- outcome.c ---- */

/* What came of a slot that is done: its item, or its failure with the sentence. */
kith_err kith__slot_outcome(const struct kith_results *batch, struct kith__slot *slot,
                            struct kith_item *item_out);
kith_err kith__slot_death(struct kith__slot *slot, struct kith_death *death_out);

#endif /* KITH__CLIENT_H */
