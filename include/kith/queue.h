/*
 * kith/queue.h - a first-in, first-out queue shared by processes, with leases.
 *
 * Items come out in the order they went in, whichever processes put and get them.  An empty queue
 * makes getters wait, a full one putters; waiters are served in no particular order.
 *
 * An item may be put with a priority: higher ones come first, and those of one priority in the
 * order they went in.  It may be put with a delay, in which nobody gets it; when that is over it
 * has the place that it would have had without one.
 *
 * A plain get takes the item for good.  A lease lends it: the consumer acknowledges the item when
 * its work is done, and if it dies first, or says that it failed, the item is back in its place
 * with one attempt more.  A lease may be given a limit of time, after which the item is back as
 * well.  An item whose attempts have reached `attempts_max` goes to the
 * dead-letter queue then; if the queue has none, the item is dropped.
 *
 * With the option `lending` a plain get lends, too, to the process that calls it, and without a
 * kith_lease: the item is out of the queue for everybody, and does not count for the capacity any
 * more, but is kept until kith_queue_task_done() is called for it.  If the process is killed first,
 * the item is back in its place with one attempt more, so that whoever waits in kith_queue_join()
 * waits for another to do the work.  If it ends in good order, the item is gone and still to be
 * reported, as from any other queue.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_queue_close() must be
 *          the last call on its handle.  A lease belongs to the process: any thread may end it.
 * Fork     A forked child may go on with the handle, which is then its own.  A lease stays with the
 *          parent: in the child it gives KITH_EPERM.
 * Time     Delays and limits of leases go by a clock that nobody can set and that goes on while the
 *          machine is suspended.  What they end is done by whoever looks at the queue next; one who
 *          waits for an item looks when it is time.
 * Death    A process killed inside a call leaves the queue usable.  An item being put is then
 *          wholly in or wholly out; an item being got is still in, or gone with its getter; an
 *          item that is leased, or lent by a get, is back, or in the dead-letter queue.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.  On every
 * error the queue is unchanged and results are untouched, unless the function says otherwise.  A
 * wait also ends with
 *
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 * KITH_EGONE         the queue was destroyed, before or during the wait
 */
#ifndef KITH_QUEUE_H
#define KITH_QUEUE_H

#include <kith/item.h>
#include <kith/space.h>
#include <kith/view.h>

KITH_C_BEGIN

/* A handle on one queue, private to the process that opened it. */
typedef struct kith_queue kith_queue;

/* One item lent to this process. */
typedef struct kith_lease kith_lease;

/* What a queue is created with.  A field left zero takes its default. */
struct kith_queue_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    uint64_t capacity;       /* items in it, with leased and delayed ones; default: no bound but
                                memory */
    uint32_t attempts_max;   /* times an item is lent at most; default: no limit */
    const char *dead_letter; /* name of the queue that takes what failed so often; it is created
                                if needed; default: such items are dropped */
    bool joinable;           /* join waits for every item put to be reported done */
    bool lending;            /* a get lends until the item is reported done; default: takes it */
};
#define KITH_QUEUE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(struct kith_queue_options), KITH_CREATE_OR_OPEN, 0, 0, NULL, false, false           \
    }

/* What kith_queue_info() tells. */
struct kith_queue_info {
    size_t struct_size;     /* set by the initialiser: fields may be added */
    uint64_t ready;         /* items a getter could have now */
    uint64_t leased;        /* items lent to consumers */
    uint64_t capacity;      /* as given at creation; 0: bounded by memory alone */
    uint64_t dead_lettered; /* items that reached attempts_max, moved or dropped */
    bool closed;            /* it was shut down */
    uint64_t delayed;       /* items that nobody gets yet */
    uint64_t taken;         /* with `lending`: got and not reported; not leased, nor in the queue */
};
#define KITH_QUEUE_INFO_INIT                                                                       \
    {                                                                                              \
        sizeof(struct kith_queue_info), 0, 0, 0, 0, false, 0, 0                                    \
    }

/* How one item is put.  A field left zero takes its default. */
struct kith_put_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t priority;   /* higher ones come first; default: 0, as for any other put */
    int64_t delay_ns;   /* nanoseconds in which nobody gets it; default: none */
};
#define KITH_PUT_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(struct kith_put_options), 0, 0                                                      \
    }

/* How an item is leased.  A field left zero takes its default. */
struct kith_lease_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    int64_t limit_ns;   /* nanoseconds after which the item is given back; default, and
                           KITH_FOREVER: no limit but the life of this process */
};
#define KITH_LEASE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(struct kith_lease_options), 0                                                       \
    }

/*
 * Opens the queue `name`, creating it first if there is none; NULL options mean all defaults.
 * Options of a queue that exists already are ignored.
 *
 * On success the caller owns *queue_out and gives it to kith_queue_close().
 *
 * KITH_EINVAL  a bad name: see kith/space.h
 * KITH_ENOENT  no such queue, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST  there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE   `name`, or options->dead_letter, is an object of another kind
 * KITH_ENOMEM  the arena has no room for it
 */
KITH_API kith_err kith_queue_open(kith_space *space, const char *name,
                                  const struct kith_queue_options *options, kith_queue **queue_out);

/* Gives up the handle; the queue, its items and this process's leases stay.  NULL is accepted. */
KITH_API void kith_queue_close(kith_queue *queue);

/* ---- putting ---- */

/*
 * Puts `item` in at the end, waiting up to `timeout_ns` nanoseconds for room.
 *
 * KITH_EFULL      the queue is full and `timeout_ns` is 0
 * KITH_ETIMEDOUT  no room came in time
 * KITH_ECLOSED    the queue was shut down, before or during the wait
 * KITH_ENOMEM     the arena has no room for it
 * KITH_ETOOBIG    the item is larger than the arena could ever hold
 */
KITH_API kith_err kith_queue_put(kith_queue *queue, struct kith_item item, int64_t timeout_ns);

/*
 * As kith_queue_put(), but at a place of its own, or later; NULL options mean all defaults.  An
 * item with a delay counts for the capacity at once, and for the length when the delay is over.
 *
 * KITH_EINVAL  options->delay_ns is negative
 */
KITH_API kith_err kith_queue_put_with(kith_queue *queue, struct kith_item item,
                                      const struct kith_put_options *options, int64_t timeout_ns);

/*
 * As kith_queue_put_with(), of a foreign item whose bytes stand in `count` pieces: they are stored
 * one behind the other, and copied once, from where they are.
 *
 * KITH_EINVAL  no tag, or one that is too long; or a part is NULL and has a size
 */
KITH_API kith_err kith_queue_put_parts(kith_queue *queue, const char *tag,
                                       const struct kith_part *parts, size_t count,
                                       const struct kith_put_options *options, int64_t timeout_ns);

/*
 * Puts `count` items in, in their order, waiting up to `timeout_ns` nanoseconds in all for room.
 * Items of other putters may come between them.  *put_out is how many went in, which is `count` on
 * success and is set on the errors listed here too: those stay in.
 *
 * KITH_EFULL         there was no room for all and `timeout_ns` is 0
 * KITH_ETIMEDOUT     room for all did not come in time
 * KITH_ECLOSED       the queue was shut down, before or during the wait
 * KITH_EINTERRUPTED  a signal ended the wait for room
 * KITH_ENOMEM        the arena has no room for the next one
 * KITH_ETOOBIG       the next item is larger than the arena could ever hold
 */
KITH_API kith_err kith_queue_put_many(kith_queue *queue, const struct kith_item *items,
                                      size_t count, int64_t timeout_ns, size_t *put_out);

/* ---- getting ---- */

/*
 * Takes the next item out for good, or with the option `lending` until it is reported done, waiting
 * up to `timeout_ns` nanoseconds for one.
 *
 * On success *item_out holds a copy that the caller owns and gives to kith_buf_free().  On any
 * error nothing was taken.
 *
 * KITH_EEMPTY     there is none and `timeout_ns` is 0
 * KITH_ETIMEDOUT  none came in time
 * KITH_ECLOSED    the queue was shut down, and no item is ready, delayed, leased or lent
 * KITH_ENOMEM     of a queue that lends: as kith_queue_lease()
 */
KITH_API kith_err kith_queue_get(kith_queue *queue, int64_t timeout_ns, struct kith_buf *item_out);

/*
 * Takes up to `count_max` items out for good, all at one instant: waits for the first as
 * kith_queue_get() does, then takes those that are there.  items_out has `count_max` buffers, of
 * which the first *got_out are set.  Errors are those of kith_queue_get().
 */
KITH_API kith_err kith_queue_get_many(kith_queue *queue, size_t count_max, int64_t timeout_ns,
                                      struct kith_buf *items_out, size_t *got_out);

/*
 * As kith_queue_get(), but gives a view of the item rather than a copy: see kith/view.h.  On
 * success the caller owns *view_out and gives it to kith_view_release().
 */
KITH_API kith_err kith_queue_get_view(kith_queue *queue, int64_t timeout_ns, kith_view **view_out);

/*
 * Copies the next item out and leaves it where it is; does not wait.
 *
 * KITH_EEMPTY   there is none
 * KITH_ECLOSED  the queue was shut down, and no item is ready, delayed or leased
 */
KITH_API kith_err kith_queue_peek(kith_queue *queue, struct kith_buf *item_out);

/* ---- leases ---- */

/*
 * Borrows the next item, waiting up to `timeout_ns` nanoseconds for one.  Nobody else gets it
 * until it is acknowledged, given back, or this process ends.
 *
 * On success the caller owns what is in *item_out, and *lease_out, which it gives to one of
 * kith_lease_ack() and kith_lease_nack(), or to a transaction.  lease_out must not be NULL.
 * Errors are those of kith_queue_get(), and
 *
 * KITH_ENOMEM  the arena is full, and the block that is kept for one lease is taken
 */
KITH_API kith_err kith_queue_lease(kith_queue *queue, int64_t timeout_ns, struct kith_buf *item_out,
                                   kith_lease **lease_out);

/*
 * As kith_queue_lease(), but for a time: when options->limit_ns is over, the item is given back as
 * by kith_lease_nack(), and the lease is lost.  NULL options mean all defaults.
 *
 * KITH_EINVAL  options->limit_ns is negative and not KITH_FOREVER
 */
KITH_API kith_err kith_queue_lease_with(kith_queue *queue, const struct kith_lease_options *options,
                                        int64_t timeout_ns, struct kith_buf *item_out,
                                        kith_lease **lease_out);

/*
 * Says that the work goes on: the lease ends `limit_ns` nanoseconds from now, whatever its limit
 * was; with KITH_FOREVER it has none any more.  The lease stays the caller's, also after an error.
 *
 * KITH_EINVAL  `limit_ns` is neither positive nor KITH_FOREVER
 * KITH_EGONE   the lease was lost, or the queue destroyed
 * KITH_EPERM   the lease is the parent's, which this process inherited by fork
 */
KITH_API kith_err kith_lease_extend(kith_lease *lease, int64_t limit_ns);

/*
 * Says that the work is done: the item is gone.  Frees the lease whatever the result, except for
 * NULL, which is KITH_EINVAL.
 *
 * KITH_EGONE  the lease was lost, or the queue destroyed; the item may be worked on by another
 * KITH_EPERM  the lease is the parent's, which this process inherited by fork
 */
KITH_API kith_err kith_lease_ack(kith_lease *lease);

/*
 * Says that the work failed: the item is back in its place with one attempt more, or, if its
 * attempts have reached `attempts_max`, in the dead-letter queue, or dropped if there is none.
 * Frees the lease whatever the result.  Errors are those of kith_lease_ack().
 */
KITH_API kith_err kith_lease_nack(kith_lease *lease);

/* How often this item was lent before this lease; 0 the first time. */
KITH_API uint32_t kith_lease_attempts(const kith_lease *lease);

/* ---- seeing ---- */

/* How many items are ready; leased and delayed ones are not counted. */
KITH_API kith_err kith_queue_len(kith_queue *queue, uint64_t *count_out);

/* How many items it holds at most, leased and delayed ones included; 0: bounded by memory alone. */
KITH_API kith_err kith_queue_capacity(kith_queue *queue, uint64_t *capacity_out);

/* Fills *info_out, whose struct_size the initialiser KITH_QUEUE_INFO_INIT has set. */
KITH_API kith_err kith_queue_info(kith_queue *queue, struct kith_queue_info *info_out);

/* ---- ending ---- */

/*
 * Reports that the work on one item got from here is done; any process may.  An acknowledged lease
 * has reported itself.
 *
 * With the option `lending` this ends what a get lent: the oldest that this process got and has not
 * reported.  If it has none, the report is for one whose getter ended in good order; or else for
 * the oldest that another process got; or for an item that is back.  A queue keeps the last 65,536
 * items that were got and not reported; of older ones only the number is kept, and a killed process
 * takes them with it.
 *
 * KITH_EINVAL  it was reported more often than items were got
 */
KITH_API kith_err kith_queue_task_done(kith_queue *queue);

/*
 * Waits up to `timeout_ns` nanoseconds until no item is ready, delayed, leased or lent.  With the
 * option `joinable` it waits until every item put was reported by kith_queue_task_done() or
 * acknowledged.
 *
 * KITH_ETIMEDOUT  that did not come in time
 */
KITH_API kith_err kith_queue_join(kith_queue *queue, int64_t timeout_ns);

/*
 * Ends putting: putters, also those that wait, get KITH_ECLOSED.  Getters take what is left, and
 * get KITH_ECLOSED once nothing is ready, delayed or leased; leases can be ended as before.
 * Shutting down twice is fine.
 */
KITH_API kith_err kith_queue_shutdown(kith_queue *queue);

KITH_C_END
#endif /* KITH_QUEUE_H */
