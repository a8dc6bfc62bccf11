/*
 * queue.c - a queue shared by processes, and what is lent from it.
 */
#include <string.h>

#include "base/alloc.h"
#include "object/view.h"

static kith_err
outcome(const kith_queue *queue, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&queue->handle, err, told, NULL);
}

/* ---- Opening -------------------------------------------------------------------------- */

static kith_err
check_dead_letter(const char *name, const char *dead_letter)
{
    if (dead_letter == NULL)
        return KITH_OK;
    if (!kith__name_ok(dead_letter, strnlen(dead_letter, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(dead_letter);
    if (strcmp(name, dead_letter) == 0)
        return kith__fail(KITH_EINVAL, "The queue \"%s\" cannot be its own dead-letter queue.",
                          name);
    return KITH_OK;
}

kith_err
kith_queue_open(kith_space *space, const char *name, const struct kith_queue_options *options,
                kith_queue **queue_out)
{
    struct kith_queue_options whole = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *queue;
    void *state;
    kith_err err =
        kith__open_check("kith_queue_open", space, name, queue_out, options, &whole, sizeof(whole));

    if (err == KITH_OK)
        err = check_dead_letter(name, whole.dead_letter);
    if (err < 0)
        return err;
    queue = kith__handle_new(sizeof(*queue));
    if (queue == NULL)
        return KITH_ENOMEM;
    queue->ops = space->engine->queue;
    err = queue->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(queue);
        return err;
    }
    kith__handle_init(&queue->handle, space, KITH_KIND_QUEUE, name, state);
    *queue_out = queue;
    return KITH_OK;
}

void
kith_queue_close(kith_queue *queue)
{
    if (queue == NULL || !kith__handle_drop(&queue->handle))
        return;
    queue->ops->close(queue->handle.state);
    kith__space_release(queue->handle.space);
    kith__free(queue);
}

/* ---- Putting -------------------------------------------------------------------------- */

kith_err
kith_queue_put(kith_queue *queue, struct kith_item item, int64_t timeout_ns)
{
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL)
        return kith__fail_null("kith_queue_put");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_put", timeout_ns);
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    err = queue->ops->put(queue->handle.state, &item, kith__deadline_ns(timeout_ns));
    return outcome(queue, err, told);
}

kith_err
kith__put_options(const char *function, const struct kith_put_options *options,
                  struct kith_put_options *options_out)
{
    struct kith_put_options whole = KITH_PUT_OPTIONS_INIT;
    kith_err err = kith__options_copy(function, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.delay_ns < 0)
        return kith__fail(KITH_EINVAL, "%s() was given a delay of %lld ns; it can't be negative.",
                          function, (long long)whole.delay_ns);
    *options_out = whole;
    return KITH_OK;
}

kith_err
kith_queue_put_with(kith_queue *queue, struct kith_item item,
                    const struct kith_put_options *options, int64_t timeout_ns)
{
    struct kith_put_options whole;
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL)
        return kith__fail_null("kith_queue_put_with");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_put_with", timeout_ns);
    err = kith__put_options("kith_queue_put_with", options, &whole);
    if (err == KITH_OK)
        err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(
        queue,
        queue->ops->put_with(queue->handle.state, &item, &whole, kith__deadline_ns(timeout_ns)),
        told);
}

kith_err
kith_queue_put_parts(kith_queue *queue, const char *tag, const struct kith_part *parts,
                     size_t count, const struct kith_put_options *options, int64_t timeout_ns)
{
    struct kith_put_options whole;
    unsigned told = kith__told();
    struct kith_item item;
    kith_err err;

    if (queue == NULL)
        return kith__fail_null("kith_queue_put_parts");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_put_parts", timeout_ns);
    err = kith__put_options("kith_queue_put_parts", options, &whole);
    if (err == KITH_OK)
        err = kith__item_of_parts(tag, parts, count, &item);
    if (err < 0)
        return err;
    return outcome(
        queue,
        queue->ops->put_with(queue->handle.state, &item, &whole, kith__deadline_ns(timeout_ns)),
        told);
}

kith_err
kith_queue_put_many(kith_queue *queue, const struct kith_item *items, size_t count,
                    int64_t timeout_ns, size_t *put_out)
{
    unsigned told = kith__told();
    size_t put = 0;
    kith_err err;

    if (queue == NULL || (items == NULL && count > 0))
        return kith__fail_null("kith_queue_put_many");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_put_many", timeout_ns);
    for (size_t i = 0; i < count; i++) {
        err = kith__item_check_fast(&items[i]);
        if (err < 0)
            return err;
    }
    err = queue->ops->put_many(queue->handle.state, items, count, kith__deadline_ns(timeout_ns),
                               &put);
    if (put_out != NULL)
        *put_out = put;
    return outcome(queue, err, told);
}

/* ---- Getting -------------------------------------------------------------------------- */

kith_err
kith_queue_get(kith_queue *queue, int64_t timeout_ns, struct kith_buf *item_out)
{
    unsigned told = kith__told();
    size_t got;

    if (queue == NULL)
        return kith__fail_null("kith_queue_get");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_get", timeout_ns);
    return outcome(
        queue,
        queue->ops->get(queue->handle.state, 1, kith__deadline_ns(timeout_ns), item_out, &got),
        told);
}

kith_err
kith_queue_get_many(kith_queue *queue, size_t count_max, int64_t timeout_ns,
                    struct kith_buf *items_out, size_t *got_out)
{
    unsigned told = kith__told();
    size_t got;
    kith_err err;

    if (queue == NULL || items_out == NULL)
        return kith__fail_null("kith_queue_get_many");
    if (count_max == 0)
        return kith__fail(KITH_EINVAL, "kith_queue_get_many() was asked for no item at all.");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_get_many", timeout_ns);
    err = queue->ops->get(queue->handle.state, count_max, kith__deadline_ns(timeout_ns), items_out,
                          &got);
    if (err == KITH_OK && got_out != NULL)
        *got_out = got;
    return outcome(queue, err, told);
}

kith_err
kith_queue_get_view(kith_queue *queue, int64_t timeout_ns, kith_view **view_out)
{
    unsigned told = kith__told();
    kith_view *view;
    kith_err err;

    if (queue == NULL || view_out == NULL)
        return kith__fail_null("kith_queue_get_view");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_get_view", timeout_ns);
    view = kith__view_new(queue->handle.space);
    if (view == NULL)
        return KITH_ENOMEM;
    err = queue->ops->get_view(queue->handle.state, kith__deadline_ns(timeout_ns), &view->view);
    if (err < 0)
        kith__view_discard(view);
    else
        *view_out = view;
    return outcome(queue, err, told);
}

kith_err
kith_queue_peek(kith_queue *queue, struct kith_buf *item_out)
{
    unsigned told = kith__told();

    if (queue == NULL)
        return kith__fail_null("kith_queue_peek");
    return outcome(queue, queue->ops->peek(queue->handle.state, item_out), told);
}

/* ---- Leases --------------------------------------------------------------------------- */

/* `function` was called. */
static kith_err
take_lease(const char *function, kith_queue *queue, int64_t limit_ns, int64_t timeout_ns,
           struct kith_buf *item_out, kith_lease **lease_out)
{
    unsigned told = kith__told();
    kith_lease *lease;
    kith_err err;

    if (queue == NULL || lease_out == NULL)
        return kith__fail_null(function);
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout(function, timeout_ns);
    lease = kith__handle_new(sizeof(*lease));
    if (lease == NULL)
        return KITH_ENOMEM;
    err = queue->ops->lease(queue->handle.state, limit_ns, kith__deadline_ns(timeout_ns), item_out,
                            &lease->lease);
    if (err < 0) {
        kith__free(lease);
        return outcome(queue, err, told);
    }
    lease->queue = queue;
    atomic_fetch_add_explicit(&queue->handle.refs, 1, memory_order_relaxed);
    *lease_out = lease;
    return err;
}

kith_err
kith_queue_lease(kith_queue *queue, int64_t timeout_ns, struct kith_buf *item_out,
                 kith_lease **lease_out)
{
    return take_lease("kith_queue_lease", queue, KITH_FOREVER, timeout_ns, item_out, lease_out);
}

static kith_err
fail_limit(const char *function, int64_t limit_ns)
{
    return kith__fail(KITH_EINVAL,
                      "%s() was given a limit of %lld ns; it has to be positive, or KITH_FOREVER.",
                      function, (long long)limit_ns);
}

kith_err
kith_queue_lease_with(kith_queue *queue, const struct kith_lease_options *options,
                      int64_t timeout_ns, struct kith_buf *item_out, kith_lease **lease_out)
{
    struct kith_lease_options whole = KITH_LEASE_OPTIONS_INIT;
    kith_err err = kith__options_copy("kith_queue_lease_with", options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.limit_ns == 0)
        whole.limit_ns = KITH_FOREVER;
    if (whole.limit_ns < KITH_FOREVER)
        return fail_limit("kith_queue_lease_with", whole.limit_ns);
    return take_lease("kith_queue_lease_with", queue, whole.limit_ns, timeout_ns, item_out,
                      lease_out);
}

kith_err
kith_lease_extend(kith_lease *lease, int64_t limit_ns)
{
    unsigned told = kith__told();
    kith_queue *queue;
    kith_err err;

    if (lease == NULL)
        return kith__fail_null("kith_lease_extend");
    if (limit_ns == 0 || limit_ns < KITH_FOREVER)
        return fail_limit("kith_lease_extend", limit_ns);
    queue = lease->queue;
    err = queue->ops->extend(queue->handle.state, &lease->lease, limit_ns);
    return err >= 0 ? err : kith__fail_outcome(&queue->handle, err, told, kith__lease_outcome(err));
}

void
kith__lease_free(kith_lease *lease)
{
    kith_queue_close(lease->queue);
    kith__free(lease);
}

const char *
kith__lease_outcome(kith_err err)
{
    if (err == KITH_EGONE)
        return "\" has that item no longer on lease: the lease was lost, or the queue destroyed.";
    return err == KITH_EPERM ? "\" lent that item to another process: the lease is the parent's."
                             : NULL;
}

static kith_err
end_lease(kith_lease *lease, const char *function, bool done)
{
    unsigned told = kith__told();
    kith_queue *queue;
    kith_err err;

    if (lease == NULL)
        return kith__fail_null(function);
    queue = lease->queue;
    err = queue->ops->end_lease(queue->handle.state, &lease->lease, done);
    if (err < 0)
        kith__fail_outcome(&queue->handle, err, told, kith__lease_outcome(err));
    kith__lease_free(lease);
    return err;
}

kith_err
kith_lease_ack(kith_lease *lease)
{
    return end_lease(lease, "kith_lease_ack", true);
}

kith_err
kith_lease_nack(kith_lease *lease)
{
    return end_lease(lease, "kith_lease_nack", false);
}

uint32_t
kith_lease_attempts(const kith_lease *lease)
{
    return lease != NULL ? lease->lease.attempts : 0;
}

/* ---- Seeing --------------------------------------------------------------------------- */

kith_err
kith_queue_len(kith_queue *queue, uint64_t *count_out)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL || count_out == NULL)
        return kith__fail_null("kith_queue_len");
    err = queue->ops->info(queue->handle.state, &info);
    if (err == KITH_OK)
        *count_out = info.ready;
    return outcome(queue, err, told);
}

kith_err
kith_queue_capacity(kith_queue *queue, uint64_t *capacity_out)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL || capacity_out == NULL)
        return kith__fail_null("kith_queue_capacity");
    err = queue->ops->info(queue->handle.state, &info);
    if (err == KITH_OK)
        *capacity_out = info.capacity;
    return outcome(queue, err, told);
}

kith_err
kith_queue_info(kith_queue *queue, struct kith_queue_info *info_out)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL || info_out == NULL)
        return kith__fail_null("kith_queue_info");
    err = kith__info_check("kith_queue_info", info_out);
    if (err < 0)
        return err;
    err = queue->ops->info(queue->handle.state, &info);
    if (err == KITH_OK)
        kith__info_copy(&info, info_out, sizeof(info));
    return outcome(queue, err, told);
}

/* ---- Ending --------------------------------------------------------------------------- */

kith_err
kith_queue_task_done(kith_queue *queue)
{
    unsigned told = kith__told();
    kith_err err;

    if (queue == NULL)
        return kith__fail_null("kith_queue_task_done");
    err = queue->ops->task_done(queue->handle.state);
    if (err == KITH_EINVAL)
        return kith__fail_outcome(&queue->handle, err, told,
                                  "\" had fewer items got from it than were reported done.");
    return outcome(queue, err, told);
}

kith_err
kith_queue_join(kith_queue *queue, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (queue == NULL)
        return kith__fail_null("kith_queue_join");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_queue_join", timeout_ns);
    return outcome(queue, queue->ops->join(queue->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}

kith_err
kith_queue_shutdown(kith_queue *queue)
{
    unsigned told = kith__told();

    if (queue == NULL)
        return kith__fail_null("kith_queue_shutdown");
    return outcome(queue, queue->ops->shutdown(queue->handle.state), told);
}
