/*
 * poll.c - a descriptor for what can be waited for.
 */
#include <kith/poll.h>

#include "object/handle.h"

kith_err
kith_poll_fd(void *handle, int *fd_out)
{
    unsigned told = kith__told();
    kith_event *any = handle; /* every handle begins alike: its operations, then what all have */
    kith_err err;
    int fd = -1;

    if (handle == NULL || fd_out == NULL)
        return kith__fail_null("kith_poll_fd");
    switch (any->handle.kind) {
    case KITH_KIND_QUEUE:
        err = ((kith_queue *)handle)->ops->poll_fd(any->handle.state, &fd);
        break;
    case KITH_KIND_EVENT:
        err = any->ops->poll_fd(any->handle.state, &fd);
        break;
    case KITH_KIND_LOCK:
        err = ((kith_lock *)handle)->ops->poll_fd(any->handle.state, &fd);
        break;
    case KITH_KIND_SEMAPHORE:
        err = ((kith_semaphore *)handle)->ops->poll_fd(any->handle.state, &fd);
        break;
    case KITH_KIND_VALUE:
        err = ((kith_value *)handle)->ops->poll_fd(any->handle.state, &fd);
        break;
    case KITH_KIND_DICT:
        err = ((kith_dict *)handle)->ops->poll_fd(any->handle.state, &fd);
        break;
    default:
        return kith__fail(KITH_EINVAL,
                          "kith_poll_fd: \"%s\" cannot be polled; queues, events, locks, "
                          "semaphores, values and dicts can.",
                          any->handle.name);
    }
    if (err < 0)
        return kith__fail_outcome(&any->handle, err, told, NULL);
    *fd_out = fd;
    return err;
}

kith_err
kith_queue_poll_room(kith_queue *queue, int *fd_out)
{
    unsigned told = kith__told();
    kith_err err;
    int fd = -1;

    if (queue == NULL || fd_out == NULL)
        return kith__fail_null("kith_queue_poll_room");
    err = queue->ops->poll_room_fd(queue->handle.state, &fd);
    if (err < 0)
        return kith__fail_outcome(&queue->handle, err, told, NULL);
    *fd_out = fd;
    return err;
}
