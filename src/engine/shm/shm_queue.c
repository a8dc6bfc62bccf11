/*
 * shm_queue.c - queues and leases on shared memory.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/shm/shm_view.h"

struct shm_queue {
    struct kith__queue queue;
    kith__poller_slot poller;
    kith__poller_slot room_poller;
    struct kith__keep keep;
};

const struct kith__queue *
kith__shm_queue_of(const void *state)
{
    const struct shm_queue *queue = state;

    return &queue->queue;
}

/* ---- Opening -------------------------------------------------------------------------- */

static kith_err
init_queue(struct kith__op *op, uint64_t off, uint64_t id, void *making)
{
    struct kith__queue_root *root = kith__ptr(op->self->arena, off);

    root->created_ns = kith__real_ns();
    return kith__queue_init(op, off, id, making);
}

/*
 * The queue that takes what failed too often; it is there, or made, before the one it serves.
 * *keep_out is the caller's until that one keeps it.
 */
static kith_err
open_dead_letter(struct kith__shm_space *space, const char *name, struct kith__queue_making *making,
                 struct kith__keep *keep_out)
{
    struct kith__queue_making plain = { .capacity = 0 };
    struct kith__object object = { 0 };
    kith_err err = kith__shm_object_open(space, name, KITH_KIND_QUEUE, KITH_CREATE_OR_OPEN,
                                         init_queue, &plain, &object);

    if (err == KITH_OK) {
        making->dead_letter = object.off;
        making->dead_letter_id = object.id;
        making->dead_letter_name = name;
        *keep_out = object.keep;
    }
    return err;
}

/* Whether there is an object of this name: its options are then of no account. */
static bool
is_there(struct kith__shm_space *space, const char *name)
{
    struct kith__object object;
    struct kith__self *self;

    return kith__shm_reader(space->arena, &self) == KITH_OK &&
           kith__catalog_find(space->arena, self, name, &object) == KITH_OK;
}

static kith_err
queue_open(void *state, const char *name, const struct kith_queue_options *options,
           void **queue_out)
{
    struct kith__shm_space *space = state;
    struct kith__queue_making making = { .capacity = options->capacity,
                                         .attempts_max = options->attempts_max,
                                         .joinable = options->joinable,
                                         .lending = options->lending ? KITH__LENDING : 0 };
    struct shm_queue *queue = kith__shm_state(sizeof(*queue));
    struct kith__keep letters = { 0 };
    struct kith__object object;
    kith_err err = KITH_OK;

    if (queue == NULL)
        return KITH_ENOMEM;
    if (options->dead_letter != NULL && options->create != KITH_MUST_EXIST &&
        !space->arena->readonly && !is_there(space, name))
        err = open_dead_letter(space, options->dead_letter, &making, &letters);
    if (err == KITH_OK)
        err = kith__shm_object_open(space, name, KITH_KIND_QUEUE, options->create, init_queue,
                                    &making, &object);
    kith__shm_object_close(space->arena, &letters);
    if (err < 0) {
        kith__free(queue);
        return err;
    }
    queue->queue = (struct kith__queue){ space->arena, object.off, object.id };
    queue->keep = object.keep;
    *queue_out = queue;
    return KITH_OK;
}

static void
queue_close(void *state)
{
    struct shm_queue *queue = state;

    kith__poller_close(&queue->poller);
    kith__poller_close(&queue->room_poller);
    kith__shm_object_close(queue->queue.arena, &queue->keep);
    kith__free(state);
}

/* ---- Putting -------------------------------------------------------------------------- */

static kith_err
queue_put(void *state, const struct kith_item *item, int64_t deadline_ns)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__queue_put(self, &queue->queue, item, 1, deadline_ns);
}

static kith_err
queue_put_with(void *state, const struct kith_item *item, const struct kith_put_options *options,
               int64_t deadline_ns)
{
    struct shm_queue *queue = state;
    struct kith__put_how how = { .priority = options->priority, .delay_ns = options->delay_ns };
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__queue_put_with(self, &queue->queue, item, &how, deadline_ns);
}

/* How many of `left` items have a chance to go in together. */
static size_t
batch_size(const struct kith__queue *queue, size_t left)
{
    uint64_t capacity = kith__queue_root(queue)->capacity;
    struct kith__queue_counts counts;

    if (capacity == 0)
        return left;
    if (kith__queue_look(queue, &counts) < 0 || counts.total >= capacity)
        return 1;
    return left < capacity - counts.total ? left : (size_t)(capacity - counts.total);
}

/*
 * Puts as many at a time as fit.  One that does not is halved, down to the single item whose
 * error counts, or which waits.
 */
static kith_err
queue_put_many(void *state, const struct kith_item *items, size_t count, int64_t deadline_ns,
               size_t *put_out)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);
    size_t put = 0;
    size_t limit = count;
    kith_err err = KITH_OK;

    *put_out = 0;
    if (self == NULL)
        return kith__shm_refusal();
    while (put < count && err == KITH_OK) {
        size_t batch = batch_size(&queue->queue, count - put);

        batch = batch < limit ? batch : limit;
        err = kith__queue_put(self, &queue->queue, items + put, batch,
                              batch > 1 ? KITH__NO_WAIT : deadline_ns);
        if (err == KITH_OK) {
            put += batch;
            limit = count;
        } else if (batch > 1 && (err == KITH_EFULL || err == KITH_ENOMEM || err == KITH_ETOOBIG)) {
            limit = batch / 2;
            err = KITH_OK;
        }
    }
    *put_out = put;
    return err;
}

/* ---- Getting -------------------------------------------------------------------------- */

static kith_err
queue_get(void *state, size_t count, int64_t deadline_ns, struct kith_buf *items_out,
          size_t *got_out)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL
               ? kith__shm_refusal()
               : kith__queue_get(self, &queue->queue, count, deadline_ns, items_out, got_out);
}

static kith_err
queue_get_view(void *state, int64_t deadline_ns, struct kith__view *view_out)
{
    struct shm_queue *queue = state;
    struct kith__arena *arena = queue->queue.arena;
    struct kith__self *self = kith__shm_self(arena);
    struct kith__node *node;
    kith__word *pin = NULL;
    uint64_t off = 0;
    size_t got;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__queue_get_pinned(self, &queue->queue, deadline_ns, &view_out->copy, &pin, &off);
    if (err == KITH_EFULL) /* as many pins as a process has: a copy does as well */
        err = kith__queue_get(self, &queue->queue, 1, deadline_ns, &view_out->copy, &got);
    if (err == KITH_OK && pin != NULL) {
        node = kith__ptr(arena, off);
        return kith__shm_view_pinned(arena, pin, node->meta,
                                     off + offsetof(struct kith__node, data), view_out);
    }
    view_out->item = view_out->copy.item;
    return err;
}

static kith_err
queue_peek(void *state, struct kith_buf *item_out)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal() : kith__queue_peek(self, &queue->queue, item_out);
}

/* ---- Leases --------------------------------------------------------------------------- */

static kith_err
queue_lease(void *state, int64_t limit_ns, int64_t deadline_ns, struct kith_buf *item_out,
            struct kith__lease *lease_out)
{
    struct shm_queue *queue = state;
    struct kith__arena *arena = queue->queue.arena;
    struct kith__self *self = kith__shm_self(arena);
    struct kith__lent lent;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = kith__queue_lease(self, &queue->queue, limit_ns, deadline_ns, item_out, &lent);
    if (err == KITH_OK)
        *lease_out = (struct kith__lease){ .node = lent.node,
                                           .fence = lent.fence,
                                           .owner = kith__owner_of(arena, arena->holder),
                                           .attempts = lent.attempts };
    return err;
}

static kith_err
queue_ours(void *state, const struct kith__lease *lease)
{
    struct shm_queue *queue = state;
    struct kith__arena *arena = queue->queue.arena;

    if (arena->dead || arena->holder == 0)
        return KITH_EPERM; /* a forked child that could not join */
    return lease->owner == kith__owner_of(arena, arena->holder) ? KITH_OK : KITH_EPERM;
}

static kith_err
queue_extend(void *state, const struct kith__lease *lease, int64_t limit_ns)
{
    struct shm_queue *queue = state;
    struct kith__lent lent = { lease->node, lease->fence, lease->attempts };
    struct kith__self *self;
    kith_err err = queue_ours(state, lease);

    if (err < 0)
        return err;
    self = kith__shm_self(queue->queue.arena);
    return self == NULL ? kith__shm_refusal()
                        : kith__queue_extend(self, &queue->queue, &lent, limit_ns);
}

static kith_err
queue_end_lease(void *state, const struct kith__lease *lease, bool done)
{
    struct shm_queue *queue = state;
    struct kith__lent lent = { lease->node, lease->fence, lease->attempts };
    struct kith__self *self;
    kith_err err = queue_ours(state, lease);

    if (err < 0)
        return err;
    self = kith__shm_self(queue->queue.arena);
    if (self == NULL)
        return kith__shm_refusal();
    return done ? kith__queue_ack(self, &queue->queue, &lent)
                : kith__queue_nack(self, &queue->queue, &lent);
}

/* ---- Seeing and ending ---------------------------------------------------------------- */

static kith_err
queue_info(void *state, struct kith_queue_info *info_out)
{
    struct shm_queue *queue = state;
    struct kith__queue_root *root = kith__queue_root(&queue->queue);
    struct kith__queue_counts counts;
    struct kith__self *self;
    kith_err err = kith__shm_reader(queue->queue.arena, &self);

    if (err == KITH_OK)
        err = kith__queue_settled(self, &queue->queue, &counts);
    if (err < 0)
        return err;
    info_out->ready = counts.ready;
    info_out->leased = counts.lent;
    info_out->taken = counts.taken;
    info_out->delayed = counts.delayed;
    info_out->capacity = root->capacity;
    info_out->dead_lettered = kith__load(&root->dead_count);
    info_out->closed = kith__load(&root->closed) != 0;
    return KITH_OK;
}

static kith_err
queue_task_done(void *state)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal() : kith__queue_task_done(self, &queue->queue);
}

static kith_err
queue_join(void *state, int64_t deadline_ns)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal() : kith__queue_join(self, &queue->queue, deadline_ns);
}

static kith_err
queue_shutdown(void *state)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal() : kith__queue_shutdown(self, &queue->queue);
}

/* ---- Copies ----------------------------------------------------------------------------- */

struct copying {
    int (*each)(const struct kith__dump_item *item, void *arg);
    void *arg;
    struct kith__arena *arena;
    struct kith__self *self;
    struct kith__queue_state state;
    struct kith__dump_queue *out;
    bool told; /* *out is set */
};

static void
tell_state(struct copying *copying)
{
    const struct kith__queue_state *state = &copying->state;
    struct kith__dump_queue *out = copying->out;

    copying->told = true;
    out->capacity = state->capacity;
    out->attempts_max = state->attempts_max;
    out->joinable = state->joinable;
    out->lending = state->lending;
    out->closed = state->closed;
    out->lost = state->expected > state->count && state->expected <= copying->arena->size
                    ? state->expected - state->count
                    : 0;
    /* A catalog that cannot be read costs a rescued queue its dead letters, not its items. */
    (void)kith__shm_name_of(copying->arena, copying->self, state->dead_letter,
                            state->dead_letter_id, out->dead_letter);
}

static int
tell_item(const struct kith__queued *queued, void *arg)
{
    struct copying *copying = arg;
    struct kith__dump_item item = { queued->item, queued->attempts, queued->priority,
                                    queued->delay_ns };

    if (!copying->told)
        tell_state(copying);
    return copying->each(&item, copying->arg);
}

static kith_err
queue_copy(void *state, bool rescue, struct kith__dump_queue *queue_out,
           int (*each)(const struct kith__dump_item *item, void *arg), void *arg)
{
    struct shm_queue *queue = state;
    struct copying copying = { .each = each,
                               .arg = arg,
                               .arena = queue->queue.arena,
                               .self = kith__shm_self(queue->queue.arena),
                               .out = queue_out };
    kith_err err;

    if (copying.self == NULL)
        return kith__shm_refusal();
    err =
        kith__queue_copy(copying.self, &queue->queue, rescue, &copying.state, tell_item, &copying);
    if (err == KITH_OK && !copying.told)
        tell_state(&copying);
    return err;
}

static kith_err
queue_restore(void *state, const struct kith__dump_item *items, size_t count)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);
    struct kith__queued queued[KITH__RESTORE_MAX];

    static_assert(KITH__RESTORE_MAX >= KITH__DUMP_BATCH, "a batch fits");
    if (self == NULL)
        return kith__shm_refusal();
    for (size_t i = 0; i < count; i++)
        queued[i] = (struct kith__queued){ items[i].item, items[i].attempts, items[i].priority,
                                           items[i].delay_ns };
    return kith__queue_restore(self, &queue->queue, queued, count);
}

static kith_err
queue_poll_fd(void *state, int *fd_out)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__queue_arm(self, &queue->queue, &queue->poller, fd_out);
}

static kith_err
queue_poll_room_fd(void *state, int *fd_out)
{
    struct shm_queue *queue = state;
    struct kith__self *self = kith__shm_self(queue->queue.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__queue_arm_room(self, &queue->queue, &queue->room_poller, fd_out);
}

const struct kith__queue_ops kith__shm_queue_ops = {
    .open = queue_open,
    .close = queue_close,
    .put = queue_put,
    .put_with = queue_put_with,
    .put_many = queue_put_many,
    .get = queue_get,
    .get_view = queue_get_view,
    .peek = queue_peek,
    .lease = queue_lease,
    .ours = queue_ours,
    .extend = queue_extend,
    .end_lease = queue_end_lease,
    .info = queue_info,
    .copy = queue_copy,
    .restore = queue_restore,
    .task_done = queue_task_done,
    .join = queue_join,
    .shutdown = queue_shutdown,
    .poll_fd = queue_poll_fd,
    .poll_room_fd = queue_poll_room_fd,
};
