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
    default:
        return kith__fail(KITH_EINVAL,
                          "kith_poll_fd: \"%s\" cannot be polled; queues, events and locks can.",
                          any->handle.name);
    }
    if (err < 0)
        return kith__fail_outcome(&any->handle, err, told, NULL);
    *fd_out = fd;
    return err;
}
