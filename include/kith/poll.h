/*
 * kith/poll.h - waiting for objects with poll, epoll and event loops.
 *
 * Threads  kith_poll_fd() from any thread; two threads that poll one handle share its descriptor,
 *          and should rather have a handle each.
 * Fork     A child calls kith_poll_fd() anew: its descriptor is another than its parent's.
 * Death    A process killed while it makes an object ready leaves no poller waiting, nor does a
 *          killed owner of a lock or of a lease: the descriptor is readable within 100 ms.
 * Engines  shm.
 *
 *     for (;;) {
 *         if (kith_poll_fd(queue, &polled.fd) < 0)
 *             return report(kith_last_error());
 *         poll(&polled, 1, -1);
 *         while (kith_queue_get(queue, 0, &item) == KITH_OK)
 *             work_on(&item);
 *     }
 */
#ifndef KITH_POLL_H
#define KITH_POLL_H

#include <kith/queue.h>

KITH_C_BEGIN

/*
 * Gives a descriptor that becomes readable when the object may have become ready, and arms it: a
 * queue, when an item can be taken or the queue was shut down; an event, when it is set; a lock,
 * when it came free, or its owner died; a semaphore, when a permit can be had; any of them, when it
 * was destroyed.  If that is so already, the descriptor is readable at once.
 *
 * A value or a dict has no state to be ready in: the descriptor becomes readable when it is changed
 * after this call, a dict at any key.  So call this first, look then, and poll if it is as before.
 *
 * Readable is a hint.  The caller then tries the operation with a timeout of 0, which may find that
 * another was faster, or that it was another object of the space; and calls this again before it
 * polls again.  Until then the descriptor may stay readable.  It also becomes readable after
 * 100 ms at the latest, so that this call can look after the dead.
 *
 * handle   a kith_queue, kith_event, kith_lock, kith_semaphore, kith_value or kith_dict
 * *fd_out  belongs to the handle: poll it, add it to an epoll; do not read, write or close it.  It
 *          is the same at each call in one process, and is closed with the handle.
 *
 * KITH_EINVAL  NULL, or a handle of another kind
 * KITH_EGONE   the object was destroyed
 * KITH_EPERM   the space was opened to be read only
 * KITH_ESYSTEM no descriptor to be had: ulimit -n, or fs.inotify.max_user_instances
 */
KITH_API kith_err kith_poll_fd(void *handle, int *fd_out);

/*
 * The same for who puts: gives another descriptor, which becomes readable when there may be room in
 * the queue for one more item, or the queue was shut down or destroyed.  The caller then tries
 * kith_queue_put() with a timeout of 0.
 *
 * KITH_EINVAL  NULL
 * KITH_EGONE, KITH_EPERM, KITH_ESYSTEM  as above
 */
KITH_API kith_err kith_queue_poll_room(kith_queue *queue, int *fd_out);

KITH_C_END

#endif /* KITH_POLL_H */
