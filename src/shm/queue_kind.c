/*
 * queue_kind.c - a queue as the catalog, the checker and the listing see it.
 */
#include "shm/kind.h"
#include "shm/queue.h"

/* ---- Its end ----------------------------------------------------------------------------- */

static kith_err
lock_queue(struct kith__self *self, const struct kith__object *object,
           struct kith__object_locks *locks)
{
    (void)locks;
    return kith__queue_lock_both(self, object->off);
}

static void
unlock_queue(struct kith__self *self, const struct kith__object *object,
             struct kith__object_locks *locks)
{
    (void)locks;
    kith__queue_unlock_both(self, object->off);
}

static void
end_queue(struct kith__op *op, const struct kith__object *object)
{
    kith__queue_end(op, object->off);
}

/* ---- Its check --------------------------------------------------------------------------- */

static uint64_t
check_list(struct kith__walk *w, const struct kith__queue_root *root, uint64_t off, uint64_t last,
           bool lent, uint64_t *ticket, uint64_t limit)
{
    uint64_t n = 0, before = 0;

    for (; off != 0; n++) {
        struct kith__node *node = kith__node_at(w->arena, off);

        if (node == NULL) {
            kith__walk_violation(w,
                                 "An item of a queue is said to be at %#llx, outside of the heap.",
                                 (unsigned long long)off);
            return n;
        }
        if (n > limit || !kith__walk_mark(w, off, "An item of a queue"))
            return n;
        if (kith__load(&node->magic) != (KITH__NODE_MAGIC ^ kith__load(&root->id)))
            kith__walk_violation(w, "The item at %#llx is not of its queue.",
                                 (unsigned long long)off);
        if ((kith__load(&node->fence) != 0) != lent)
            kith__walk_violation(w, "The item at %#llx %s.", (unsigned long long)off,
                                 lent ? "is lent without a fence" : "has a fence and is not lent");
        if (lent && (kith__load(&node->prev) != before || kith__load(&node->owner) == 0))
            kith__walk_violation(w, "The lent item at %#llx has a wrong link or no owner.",
                                 (unsigned long long)off);
        if (ticket != NULL && node->ticket <= *ticket)
            kith__walk_violation(w, "The item at %#llx is out of order.", (unsigned long long)off);
        if (ticket != NULL)
            *ticket = node->ticket;
        before = off;
        off = kith__load(&node->next);
    }
    if (before != last)
        kith__walk_violation(w, "A queue's last item is not the last of its list.");
    return n;
}

static void
check_queue(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__queue_root *root = kith__ptr(w->arena, off);
    uint64_t total = kith__load(&root->put) - kith__load(&root->taken), n, ticket = 0;
    uint64_t back, lent, limit = w->arena->size / sizeof(struct kith__node);

    if (!whole) {
        const kith__word *lists[] = { &root->in_first, &root->out_first, &root->back_first,
                                      &root->lent_first };
        for (unsigned i = 0; i < 4; i++)
            for (uint64_t at = kith__load(lists[i]), steps = 0; at != 0 && steps < limit; steps++) {
                struct kith__node *node = kith__node_at(w->arena, at);

                if (node == NULL || !kith__walk_mark(w, at, "An item of a queue taken apart"))
                    break;
                at = kith__load(&node->next);
            }
        return;
    }
    back = check_list(w, root, kith__load(&root->back_first), kith__load(&root->back_last), false,
                      &ticket, limit);
    n = check_list(w, root, kith__load(&root->out_first), kith__load(&root->out_last), false,
                   &ticket, limit);
    n += check_list(w, root, kith__load(&root->in_first), kith__load(&root->in_last), false,
                    &ticket, limit);
    lent = check_list(w, root, kith__load(&root->lent_first), kith__load(&root->lent_last), true,
                      NULL, limit);
    if (n + back + lent != total)
        kith__walk_violation(w, "A queue counts %llu items and lists %llu.",
                             (unsigned long long)total, (unsigned long long)(n + back + lent));
    if (lent != kith__load(&root->lent_count) || back != kith__load(&root->back_count))
        kith__walk_violation(
            w, "A queue counts %llu lent and %llu returned items, and lists %llu and %llu.",
            (unsigned long long)kith__load(&root->lent_count),
            (unsigned long long)kith__load(&root->back_count), (unsigned long long)lent,
            (unsigned long long)back);
}

static void
want_queue(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__queue_root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_HEAD)
        kith__walk_want(w, &root->head_lock);
    else if (rank == KITH__RANK_TAIL)
        kith__walk_want(w, &root->tail_lock);
}

static kith_err
describe_queue(struct kith__self *self, struct kith__arena *arena,
               const struct kith__object *object, struct kith_info *info)
{
    struct kith__queue queue = { arena, object->off, object->id };
    struct kith__queue_root *root = kith__queue_root(&queue);
    uint64_t ready, lent;
    kith_err err = kith__queue_count(self, &queue, &ready, &lent);

    if (err < 0)
        return err;
    info->items = ready + lent;
    /* Nodes are not walked for an estimate: the head of each, and a short item. */
    info->bytes = sizeof(*root) + info->items * (sizeof(struct kith__node) + 16);
    info->created_ns = root->created_ns;
    return KITH_OK;
}

const struct kith__kind kith__queue_kind = {
    .class_index = KITH__CLASS_QUEUE,
    .lock = lock_queue,
    .unlock = unlock_queue,
    .end = end_queue,
    .wake_all = kith__queue_wake_all,
    .dismantle = kith__queue_dismantle,
    .want = want_queue,
    .check = check_queue,
    .describe = describe_queue,
};
