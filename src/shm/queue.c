/*
 * queue.c - what putting and getting share: whom they wake, and how they wait.
 *
 * LAYOUT   What is put in the order of putting stands in the stream: queue_stream.c.  An item that
 *          is too large for it, or is a reference, is a node, which the stream names.  Nodes, too,
 *          are the items that were lent or came back, and those put with a priority or a delay:
 *          queue_order.c.  The head lock guards the head of the stream and all nodes outside of it,
 *          the tail lock the tail; so a putter and a getter meet once for each segment.
 *
 * INVARIANTS, outside of records
 *   Q1  tail's count - head's count + nodes is the number of items
 *   Q2  nodes is the number of those in the heaps and in the lists of what is lent; delayed_count
 *       and lent_count are those of the delayed heap and of the lists
 *   Q3  a node in a list of what is lent names its owner and has a fence; any other's fence is 0
 *   Q4  in a record that takes an item from the stream into a node, `nodes` stands before `head`
 *   Q5  room_until is at most the count that tail may reach by the capacity; whoever adds a node
 *       holds both locks
 *   Q6  taken is the number of those lent by gets, whose fences say so; a capacity does not count
 *       them.  `nodes` does, so Q5 is on the safe side: whoever finds no room by it counts exactly
 *
 * STEPS    Putting: queue_put.c; getting: queue_get.c; lending: queue_lease.c.  An item of the
 *          stream is put by one store of tail, and got by one of head.  All else is one record,
 *          under the head lock, the tail lock, or both, taken in this order.
 * DEATH    pending_signal names the queue from before a lock is released until the others are
 *          woken: the reaper wakes them for who died between.
 *
 * LIMITS   All who wait look again when something becomes due earlier than they knew.
 */
#include "base/clock.h"
#include "shm/queue_parts.h"

/* ---- Waking ----------------------------------------------------------------------------- */

void
kith__queue_raise(struct kith__self *self, struct kith__queue_root *root, int items, bool left)
{
    kith__queue_tell(self, root, items, left);
}

void
kith__queue_raise_due(struct kith__self *self, struct kith__queue_root *root, uint64_t due_before)
{
    uint64_t due = kith__load(&root->next_due);

    if (due == 0 || (due_before != 0 && due >= due_before))
        return;
    atomic_thread_fence(memory_order_seq_cst);
    kith__signal_raise(self, &root->items, INT32_MAX);
    kith__signal_raise(self, &root->room, INT32_MAX);
    kith__signal_raise(self, &root->drained, INT32_MAX);
}

/* ---- Waiting ---------------------------------------------------------------------------- */

int64_t
kith__queue_sleep_until(const struct kith__queue *queue, int64_t deadline_ns)
{
    uint64_t due = kith__load_acquire(&kith__queue_root(queue)->next_due);
    int64_t until = due != 0 ? kith__arena_deadline_ns(queue->arena, (int64_t)due) : deadline_ns;

    return until < deadline_ns ? until : deadline_ns;
}

bool
kith__queue_is_due(const struct kith__queue *queue)
{
    return kith__is_due(queue->arena, kith__load_acquire(&kith__queue_root(queue)->next_due));
}

kith_err
kith__queue_wait(struct kith__self *self, _Atomic uint32_t *signal, int64_t deadline_ns,
                 bool (*ready)(const struct kith__queue *queue, size_t count),
                 const struct kith__queue *queue, size_t count, const kith__word *counter)
{
    uint32_t joined;
    kith_err err = KITH_OK;
    int64_t until;

    if (kith__spin(self, (const _Atomic uint32_t *)(const void *)counter,
                   (uint32_t)kith__load(counter)))
        return KITH_OK;
    /* Named before joining: a wake that goes to us and dies with us is then repeated. */
    kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
    kith__step();
    joined = kith__signal_enter(signal);
    until = kith__queue_sleep_until(queue, deadline_ns);
    if (ready(queue, count)) {
        /* A queue that was overwritten may say so for ever, and have nothing. */
        err = deadline_ns != INT64_MAX && kith__now_ns() >= deadline_ns ? KITH_ETIMEDOUT : KITH_OK;
    } else {
        switch (kith__sleep(self, signal, joined, until, true)) {
        case KITH__SLEPT_TIMEOUT:
            /* Unless it came at the last moment: the caller looks. */
            err = until == deadline_ns ? KITH_ETIMEDOUT : KITH_OK;
            break;
        case KITH__SLEPT_INTERRUPTED:
            kith__signal_wake(self, signal, 1); /* pass on a wake that we may have swallowed */
            err = KITH_EINTERRUPTED;
            break;
        default:
            break;
        }
    }
    kith__awake(self);
    return err;
}
