/*
 * shm_list.c - lists on shared memory.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/shm/shm_engine.h"
#include "shm/list.h"

struct shm_list {
    struct kith__list list; /* first: the operations below are given the state as this */
    struct kith__object object;
};

static kith_err
init_list(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__root *root = kith__ptr(op->self->arena, off);

    (void)arg;
    root->created_ns = kith__real_ns();
    kith__list_init(op, off, id);
    return op->err;
}

static kith_err
list_open(void *state, const char *name, enum kith_create create, void **list_out)
{
    struct kith__shm_space *space = state;
    struct shm_list *list = kith__shm_state(sizeof(*list));
    kith_err err;

    if (list == NULL)
        return KITH_ENOMEM;
    err =
        kith__shm_object_open(space, name, KITH_KIND_LIST, create, init_list, NULL, &list->object);
    if (err < 0) {
        kith__free(list);
        return err;
    }
    list->list = (struct kith__list){ space->arena, list->object.off, list->object.id };
    *list_out = list;
    return KITH_OK;
}

static void
list_close(void *state)
{
    struct shm_list *list = state;

    kith__shm_object_close(list->list.arena, &list->object.keep);
    kith__free(state);
}

/* ---- Reading -------------------------------------------------------------------------- */

static kith_err
list_len(void *state, uint64_t *count_out)
{
    struct kith__list *list = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(list->arena, &self);

    return err < 0 ? err : kith__list_len(self, list, count_out);
}

static kith_err
list_get(void *state, int64_t index, struct kith_buf *item_out)
{
    struct kith__list *list = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(list->arena, &self);

    return err < 0 ? err : kith__list_get(self, list, index, item_out);
}

static kith_err
list_each(void *state, int64_t start, int64_t stop, int64_t step,
          int (*each)(struct kith_item item, void *arg), void *arg)
{
    struct kith__list *list = state;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__list_copy copy;
    struct kith__self *self;
    kith_err err = kith__shm_reader(list->arena, &self);

    if (err == KITH_OK)
        err = kith__list_copy(self, list, start, stop, step, &copy);
    if (err < 0)
        return err;
    for (uint64_t i = 0; i < copy.count; i++)
        if (each(kith__list_copy_item(&copy, i, tag), arg) != 0)
            break;
    kith__list_copy_free(&copy);
    return KITH_OK;
}

static kith_err
list_index(void *state, const struct kith_item *item, int64_t start, int64_t stop,
           uint64_t *index_out)
{
    struct kith__list *list = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(list->arena, &self);

    return err < 0 ? err : kith__list_find(self, list, *item, start, stop, index_out);
}

static kith_err
list_count(void *state, const struct kith_item *item, uint64_t *count_out)
{
    struct kith__list *list = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(list->arena, &self);

    return err < 0 ? err : kith__list_count(self, list, *item, count_out);
}

/* ---- Changing ------------------------------------------------------------------------- */

static kith_err
list_append(void *state, const struct kith_item *item)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_append(self, list, *item);
}

static kith_err
list_set(void *state, int64_t index, const struct kith_item *item)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_set(self, list, index, *item);
}

static kith_err
list_pop(void *state, int64_t index, struct kith_buf *item_out)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_pop(self, list, index, item_out);
}

static kith_err
list_remove(void *state, const struct kith_item *item)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_remove(self, list, *item);
}

static kith_err
list_splice(void *state, int64_t start, int64_t stop, int64_t step, const struct kith_item *items,
            size_t count)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    if (self == NULL)
        return kith__shm_refusal();
    if (step == 1)
        return kith__list_splice(self, list, start, stop, items, count);
    return kith__list_set_stepped(self, list, start, stop, step, items, count);
}

static kith_err
list_delete(void *state, int64_t start, int64_t stop, int64_t step)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    if (self == NULL)
        return kith__shm_refusal();
    if (step == 1)
        return kith__list_splice(self, list, start, stop, NULL, 0);
    return kith__list_delete_stepped(self, list, start, stop, step);
}

static kith_err
list_clear(void *state)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_clear(self, list);
}

static kith_err
list_reverse(void *state)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL ? kith__shm_refusal() : kith__list_reverse(self, list);
}

static kith_err
list_sort(void *state, const struct kith_list_sort_options *options)
{
    struct kith__list *list = state;
    struct kith__self *self = kith__shm_self(list->arena);

    return self == NULL
               ? kith__shm_refusal()
               : kith__list_sort(self, list, options->compare, options->arg, options->descending);
}

const struct kith__list_ops kith__shm_list_ops = {
    .open = list_open,
    .close = list_close,
    .len = list_len,
    .get = list_get,
    .each = list_each,
    .index = list_index,
    .count = list_count,
    .append = list_append,
    .set = list_set,
    .pop = list_pop,
    .remove = list_remove,
    .splice = list_splice,
    .delete_slice = list_delete,
    .clear = list_clear,
    .reverse = list_reverse,
    .sort = list_sort,
};
