/*
 * kith/pool.h - worker processes that take tasks, and never lose one.
 *
 * A pool has a name in a space, and workers: processes that take tasks out of its queue, run them,
 * and send the results back.  A task is a name and items; each worker has a table of functions by
 * their names.  Workers are forked from the program that starts the pool, or are a command of their
 * own; more may join from anywhere that the space can be opened, by kith_worker_run(), and others
 * may submit tasks, by kith_pool_open().
 *
 * A worker that is killed loses nothing.  Its tasks are run again by another, the one that it was
 * at as often as attempts_max says; then its future fails, telling which worker died last and of
 * what, and all other tasks complete.  A dead worker is replaced.  This is done by the pool's
 * keeper, a process that does nothing else, so that it is done whatever the program is at; a killed
 * keeper takes its workers along, and is replaced by the program's next wait.  All of them end when
 * the program that started the pool ends, in whatever way.
 *
 * Results arrive once and, but for kith_pool_imap_unordered(), in the order of what was submitted.
 * A task runs once if no worker dies, else maybe again from its beginning; one whose effects are in
 * the same space commits them together with its result, by kith_task_commit(), and then they happen
 * exactly once.
 *
 * Threads  Any function, from any thread; only the functions that free must be the last on what
 *          they free.  A kith_results is used by one thread at a time.
 * Fork     A forked child may submit its own tasks; futures and results are the parent's, and give
 *          KITH_EPERM in the child.
 * Death    See above.  A killed program's pool is gone within a second, with all its objects.
 * Engines  shm.
 *
 *     static kith_err
 *     square(kith_task *task, const struct kith_item *arguments, size_t count, void *arg)
 *     {
 *         return kith_task_return(task, kith_int(arguments[0].integer * arguments[0].integer));
 *     }
 *
 *     static const struct kith_task_entry tasks[] = { { "square", square, NULL } };
 *
 *     options.tasks = tasks;
 *     options.task_count = 1;
 *     kith_pool_start(space, "squares", &options, &pool);
 *     kith_pool_map(pool, "square", items, count, NULL, KITH_FOREVER, &results);
 *     kith_results_get(results, 0, &first);
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_POOL_H
#define KITH_POOL_H

#include <kith/item.h>
#include <kith/space.h>
#include <kith/txn.h>

KITH_C_BEGIN

/* A handle on a pool, private to the process that has it. */
typedef struct kith_pool kith_pool;

/* A task at work, given to its function. */
typedef struct kith_task kith_task;

/* A result that will come; the results of many tasks. */
typedef struct kith_future kith_future;
typedef struct kith_results kith_results;

/*
 * A task that a worker can run.  `run` gets the items that were submitted, good until it returns,
 * and `arg`.  What it gave to kith_task_return() is the result, none if it did not.  A negative
 * code fails the task: the future gets the code, with kith_last_error() as its sentence.
 *
 * An entry named "*" runs all tasks that no other entry names: kith_task_name() tells it which.
 */
struct kith_task_entry {
    const char *name;
    kith_err (*run)(kith_task *task, const struct kith_item *arguments, size_t count, void *arg);
    void *arg;
};

/* How a pool is started.  A field left zero takes its default. */
struct kith_pool_options {
    size_t struct_size;                  /* set by the initialiser: fields may be added */
    const struct kith_task_entry *tasks; /* what forked workers can run; it is copied, with the
                                            names in it */
    size_t task_count;                   /* how many those are */
    const char *const *command;          /* or workers are this command, as of kith_process_exec(),
                                            which calls kith_worker_run(); it is copied, too */
    uint32_t workers;                    /* at most 4096; default: one for each processor */
    uint32_t attempts_max;               /* times a task is begun at most; 1: never again after a
                                            death; default: 3 */
    uint64_t tasks_per_worker;           /* after so many it is replaced, once the chunk that it is
                                            at is done; default: no limit */
    uint64_t memory_per_worker;          /* bytes; one that has more, after a task, is replaced;
                                            default: no limit */
    int64_t limit_ns;                    /* a task that takes longer is late; default: none is */
    bool kill_late;                      /* a late task's worker is killed, and the task fails with
                                            KITH_ETIMEDOUT; default: it is shown as late */
    kith_err (*init)(void *arg);         /* called first in each forked worker; negative: it ends */
    void *init_arg;                      /* it, and the `arg` of a task, last as long as the pool */
    void (*fork_before)(void *arg);      /* these three: see HOOKS, at kith_pool_start() */
    void (*fork_parent)(void *arg);
    void (*fork_child)(void *arg);
    void *fork_arg;
    void (*finish)(void *arg); /* called last in each forked worker that ends by itself */
    void *finish_arg;
};
#define KITH_POOL_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_pool_options), NULL, 0, NULL, 0, 0, 0, 0, 0, false, NULL, NULL, NULL,   \
            NULL, NULL, NULL, NULL, NULL                                                           \
    }

/* How many tasks are mapped.  A field left zero takes its default. */
struct kith_map_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    size_t chunk;       /* tasks that a worker takes at once; default: as many as keep it busy for
                           some milliseconds, as measured; 1 where a task is begun only once */
};
#define KITH_MAP_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(struct kith_map_options), 0                                                         \
    }

/* What kith_future_death() and kith_results_death() tell. */
struct kith_death {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t pid;        /* the worker that died last; 0: not known */
    int signal;         /* by which it was killed; 0: it ended by itself, or not known */
    uint32_t attempts;  /* how often the task was begun */
};
#define KITH_DEATH_INIT                                                                            \
    {                                                                                              \
        sizeof(struct kith_death), 0, 0, 0                                                         \
    }

enum kith_worker_state {
    KITH_WORKER_IDLE = 0,
    KITH_WORKER_BUSY,
    KITH_WORKER_LATE,   /* busy for longer than the pool's limit */
    KITH_WORKER_STOPPED /* by a signal */
};

/* One worker of a pool. */
struct kith_worker {
    int64_t pid;
    enum kith_worker_state state;
    int64_t since_ns; /* CLOCK_MONOTONIC at which it took what it is at; 0 if it is idle */
    bool joined;      /* it joined by itself */
};

/* ---- pools ---- */

/*
 * Starts the pool `name`.  On success the caller owns *pool_out and gives it to kith_pool_free().
 * As after any fork, forked workers have what this process has open, by one thread; what stands in
 * the buffer of stdout stays this process's.  A worker ends without running what the program gave
 * to atexit().  It does about signals what this program does, with this thread's mask, but ignores
 * SIGINT and SIGQUIT, which are the program's to answer, and has SIGTERM and SIGCHLD as by default;
 * a command has what an exec leaves of that.  The pool's keeper is no child that wait() sees.
 *
 * HOOKS, for programs with a runtime that has to be told of forks.  This process forks when the
 * pool is started, and again when its keeper was killed, in whichever thread waits for the pool.
 * That thread calls fork_before(fork_arg), forks, and calls fork_parent(fork_arg), also if the fork
 * failed; it holds no lock of the library meanwhile, and the pair is called by one thread at a
 * time.  The child is the keeper, which calls nothing of the program's but what was given to
 * pthread_atfork(); it forks the workers, and each calls fork_child(fork_arg) once, then `init`,
 * then works.  So one fork_before() is followed by one fork_parent() here, and by any number of
 * fork_child(), each in a process of its own and maybe much later.  finish(finish_arg) is called
 * last in each worker that called fork_child(), if it ends by itself: since the pool has ended in
 * good order, it is to be replaced, or `init` or the pool failed; not in one that is killed, as by
 * kith_pool_terminate().  Then it flushes stdout and stderr and ends.  Hooks may not use this pool,
 * nor fork, and last as long as it.  NULL: none is called.  With a command only the first two are.
 *
 * KITH_EINVAL  a bad name (at most 150 bytes), too many workers, neither tasks nor a command, or
 *              pools started by tasks of pools, more than 8 deep
 * KITH_EEXIST  a pool of that name is at work
 */
KITH_API kith_err kith_pool_start(kith_space *space, const char *name,
                                  const struct kith_pool_options *options, kith_pool **pool_out);

/*
 * Opens the pool `name`, which another process has started, to submit tasks of one's own.
 *
 * KITH_ENOENT  there is no such pool
 */
KITH_API kith_err kith_pool_open(kith_space *space, const char *name, kith_pool **pool_out);

/*
 * Gives up the handle, after what came of it: futures and results.  In the process that started the
 * pool this ends it as kith_pool_terminate() does, and removes its objects.  NULL is accepted.
 */
KITH_API void kith_pool_free(kith_pool *pool);

/* Takes no more tasks, from anybody; the workers end when those submitted are done. */
KITH_API kith_err kith_pool_close(kith_pool *pool);

/* Ends the pool and its workers at once; tasks that are not done fail with KITH_ECLOSED. */
KITH_API kith_err kith_pool_terminate(kith_pool *pool);

/*
 * After kith_pool_close() or kith_pool_terminate(): waits until the pool has ended.
 *
 * KITH_EINVAL        the pool was neither closed nor terminated
 * KITH_ETIMEDOUT     it did not end in time
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 */
KITH_API kith_err kith_pool_join(kith_pool *pool, int64_t timeout_ns);

/*
 * Calls `each` for every worker, as it was a moment ago.  A non-zero return stops, and is no error.
 */
KITH_API kith_err kith_pool_workers(kith_pool *pool,
                                    int (*each)(const struct kith_worker *worker, void *arg),
                                    void *arg);

/* ---- one task ---- */

/*
 * Submits the task `task` with `count` items, which are copied.  On success the caller owns
 * *future_out and gives it to kith_future_free().
 *
 * KITH_EINVAL   an item is a reference, or packed deeper than KITH_PACKED_DEPTH_MAX - 1
 * KITH_ECLOSED  the pool was closed, or has ended
 * KITH_ENOMEM   the arena has no room for it
 */
KITH_API kith_err kith_pool_submit(kith_pool *pool, const char *task,
                                   const struct kith_item *arguments, size_t count,
                                   kith_future **future_out);

/*
 * Waits up to `timeout_ns` nanoseconds for the result.  *item_out is good until the future is
 * freed; a large one is looked at where it is, as long as those are no more than a quarter of the
 * arena, and copied otherwise.
 *
 * KITH_ETIMEDOUT     it did not come in time; or it failed so: a late task
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EUNAVAILABLE  the task's workers died, see kith_future_death(), or the pool can't go on
 * KITH_ENOENT        the worker has no such task
 * KITH_EGONE         it was cancelled
 * KITH_ECLOSED       the pool was terminated
 * KITH_EPERM         the future is the parent's
 * any other          what the task's function returned
 */
KITH_API kith_err kith_future_get(kith_future *future, int64_t timeout_ns,
                                  struct kith_item *item_out);

/* Whether kith_future_get() would not wait.  Takes in what has arrived. */
KITH_API kith_err kith_future_done(kith_future *future, bool *done_out);

/*
 * Cancels the task if no worker has begun it: it fails with KITH_EGONE.
 *
 * KITH_ECONFLICT  it was begun, or is done
 */
KITH_API kith_err kith_future_cancel(kith_future *future);

/*
 * Of a future that failed since workers died: which, and how often the task was begun.
 *
 * KITH_ENOENT  that is not so
 */
KITH_API kith_err kith_future_death(kith_future *future, struct kith_death *death_out);

/* Frees the future; the task runs on.  NULL is accepted. */
KITH_API void kith_future_free(kith_future *future);

/* ---- many tasks ---- */

/*
 * Submits `count` tasks of one item each, and waits for all of them.  On success all have
 * succeeded, and the caller owns *results_out and gives it to kith_results_free().  If tasks fail,
 * the error is that of the first in order; all others complete all the same.
 *
 * Where the arena has no room for all of them, more are submitted as workers make some, and what
 * workers have no room to send waits until it has: results of many times the arena's size come
 * through it, unless something else fills it.  A result that finds no room for a second while
 * nothing of this process's waits to be taken in fails with KITH_ENOMEM, or KITH_ETOOBIG.
 */
KITH_API kith_err kith_pool_map(kith_pool *pool, const char *task, const struct kith_item *items,
                                size_t count, const struct kith_map_options *options,
                                int64_t timeout_ns, kith_results **results_out);

/* As kith_pool_map(), with `arity` items for each task: items has count * arity. */
KITH_API kith_err kith_pool_starmap(kith_pool *pool, const char *task,
                                    const struct kith_item *items, size_t arity, size_t count,
                                    const struct kith_map_options *options, int64_t timeout_ns,
                                    kith_results **results_out);

/*
 * Submits as kith_pool_starmap() does and does not wait for results: kith_results_next() gives them
 * in order, or, unordered, as they come.  Where the arena is full it waits until workers have made
 * room.
 *
 * KITH_ENOMEM        the arena has no room, and the pool no tasks whose end makes some
 * KITH_ETOOBIG       a task is larger than the arena
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 */
KITH_API kith_err kith_pool_imap(kith_pool *pool, const char *task, const struct kith_item *items,
                                 size_t arity, size_t count, const struct kith_map_options *options,
                                 kith_results **results_out);
KITH_API kith_err kith_pool_imap_unordered(kith_pool *pool, const char *task,
                                           const struct kith_item *items, size_t arity,
                                           size_t count, const struct kith_map_options *options,
                                           kith_results **results_out);

/*
 * The next result, waiting up to `timeout_ns` nanoseconds for it.  *index_out says of which task it
 * is, also when that failed: then its error is returned, and the next call goes on behind it.
 * *item_out is good until the results are freed.
 *
 * KITH_EEMPTY  all were given
 * all else as kith_future_get(); without a result *index_out is SIZE_MAX
 */
KITH_API kith_err kith_results_next(kith_results *results, int64_t timeout_ns, size_t *index_out,
                                    struct kith_item *item_out);

/*
 * The result of task `index`, which must be there; its error if it failed.
 *
 * KITH_EINVAL     there is no such task
 * KITH_ETIMEDOUT  it has not come
 */
KITH_API kith_err kith_results_get(kith_results *results, size_t index, struct kith_item *item_out);

/* As kith_future_death(), of task `index`. */
KITH_API kith_err kith_results_death(kith_results *results, size_t index,
                                     struct kith_death *death_out);

/* Frees the results and their items; tasks that are not done run on.  NULL is accepted. */
KITH_API void kith_results_free(kith_results *results);

/* ---- whatever is done next ---- */

/*
 * Has kith_pool_arrived() tell of each task of these when it is done, as `tag`, which is not NULL
 * and is not looked at.  Tasks that are done already are told of, too.  Nothing more is told once
 * the results, or the future, are freed.  Only the first call counts.
 */
KITH_API kith_err kith_results_watch(kith_results *results, void *tag);
KITH_API kith_err kith_future_watch(kith_future *future, void *tag);

/*
 * Waits up to `timeout_ns` nanoseconds until a task that is watched is done, and tells of it, once:
 * then kith_results_get(), or kith_future_get(), does not wait.  It is for one thread at a time.
 *
 * KITH_EEMPTY        no task that is watched is still to be done, or to be told of
 * KITH_ETIMEDOUT     none was done in the time given
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 */
KITH_API kith_err kith_pool_arrived(kith_pool *pool, int64_t timeout_ns, void **tag_out,
                                    size_t *index_out);

/* ---- being a worker ---- */

/*
 * Works for the pool `pool` of `space` until it has ended, which is KITH_OK.  In a command that a
 * pool has started both may be NULL: it is told.  A process that calls this to join a pool is no
 * child of the keeper: how it died is not known, and it is not replaced.
 * When the pool is terminated, or its program and keeper are killed at once, it finishes the task
 * that it is at, and ends within a second.
 *
 * KITH_ENOENT        there is no such pool
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 */
KITH_API kith_err kith_worker_run(kith_space *space, const char *pool,
                                  const struct kith_task_entry *tasks, size_t task_count);

/* ---- in a task ---- */

/*
 * Makes a copy of `item` the task's result; the last one given counts.
 *
 * KITH_EINVAL  it is a reference, or packed deeper than KITH_PACKED_DEPTH_MAX - 1; the task has no
 *              result
 */
KITH_API kith_err kith_task_return(kith_task *task, struct kith_item item);

/*
 * Commits `txn`, and with it `item` as the result and that the task is done: all of it happens, or
 * nothing, and then it happens once.  After KITH_OK the function returns KITH_OK.  As
 * kith_txn_commit() it frees the transaction in either case: after an error nothing happened, and
 * the task may begin another.
 *
 * KITH_EINVAL       the task has committed already; `item` is a reference, or packed too deep
 * KITH_EUNSUPPORTED  the task came in a chunk: map it with a chunk of 1
 * all else as kith_txn_commit(); KITH_EGONE too if the task was given to another
 */
KITH_API kith_err kith_task_commit(kith_task *task, kith_txn *txn, struct kith_item item);

/* The name by which it was submitted, good until its function returns. */
KITH_API const char *kith_task_name(const kith_task *task);

/* How often the task was begun before, by workers that died. */
KITH_API uint32_t kith_task_attempts(const kith_task *task);

KITH_C_END
#endif /* KITH_POOL_H */
