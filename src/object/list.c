/*
 * list.c - items by their place.
 */
#include <kith/list.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_list_open(kith_space *space, const char *name, const struct kith_list_options *options,
               struct kith_list **list_out)
{
    struct kith_list_options whole = KITH_LIST_OPTIONS_INIT;
    struct kith_list *list;
    void *state;
    kith_err err =
        kith__open_check("kith_list_open", space, name, list_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    list = kith__handle_new(sizeof(*list));
    if (list == NULL)
        return KITH_ENOMEM;
    list->ops = space->engine->list;
    err = list->ops->open(space->state, name, whole.create, &state);
    if (err < 0) {
        kith__free(list);
        return err;
    }
    kith__handle_init(&list->handle, space, KITH_KIND_LIST, name, state);
    *list_out = list;
    return KITH_OK;
}

void
kith_list_close(struct kith_list *list)
{
    if (list == NULL || !kith__handle_drop(&list->handle))
        return;
    list->ops->close(list->handle.state);
    kith__space_release(list->handle.space);
    kith__free(list);
}

static inline kith_err
outcome(const struct kith_list *list, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&list->handle, err, told, NULL);
}

static kith_err
fail_step(const char *function)
{
    return kith__fail(KITH_EINVAL, "%s() was given a step of 0.", function);
}

/* ---- Reading -------------------------------------------------------------------------- */

kith_err
kith_list_len(struct kith_list *list, uint64_t *count_out)
{
    unsigned told = kith__told();
    uint64_t count;
    kith_err err;

    if (list == NULL || count_out == NULL)
        return kith__fail_null("kith_list_len");
    err = list->ops->len(list->handle.state, &count);
    if (err == KITH_OK)
        *count_out = count;
    return outcome(list, err, told);
}

kith_err
kith_list_get(struct kith_list *list, int64_t index, struct kith_buf *item_out)
{
    unsigned told = kith__told();

    if (list == NULL || item_out == NULL)
        return kith__fail_null("kith_list_get");
    return outcome(list, list->ops->get(list->handle.state, index, item_out), told);
}

kith_err
kith_list_get_slice(struct kith_list *list, int64_t start, int64_t stop, int64_t step,
                    int (*each)(struct kith_item item, void *arg), void *arg)
{
    unsigned told = kith__told();

    if (list == NULL || each == NULL)
        return kith__fail_null("kith_list_get_slice");
    if (step == 0)
        return fail_step("kith_list_get_slice");
    return outcome(list, list->ops->each(list->handle.state, start, stop, step, each, arg), told);
}

kith_err
kith_list_each(struct kith_list *list, int (*each)(struct kith_item item, void *arg), void *arg)
{
    unsigned told = kith__told();

    if (list == NULL || each == NULL)
        return kith__fail_null("kith_list_each");
    return outcome(list, list->ops->each(list->handle.state, 0, KITH_LIST_END, 1, each, arg), told);
}

kith_err
kith_list_index(struct kith_list *list, struct kith_item item, int64_t start, int64_t stop,
                uint64_t *index_out)
{
    unsigned told = kith__told();
    uint64_t index;
    kith_err err;

    if (list == NULL)
        return kith__fail_null("kith_list_index");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    err = list->ops->index(list->handle.state, &item, start, stop, &index);
    if (err == KITH_OK && index_out != NULL)
        *index_out = index;
    return outcome(list, err, told);
}

kith_err
kith_list_count(struct kith_list *list, struct kith_item item, uint64_t *count_out)
{
    unsigned told = kith__told();
    uint64_t count;
    kith_err err;

    if (list == NULL || count_out == NULL)
        return kith__fail_null("kith_list_count");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    err = list->ops->count(list->handle.state, &item, &count);
    if (err == KITH_OK)
        *count_out = count;
    return outcome(list, err, told);
}

/* ---- Changing ------------------------------------------------------------------------- */

kith_err
kith_list_append(struct kith_list *list, struct kith_item item)
{
    unsigned told = kith__told();
    kith_err err;

    if (list == NULL)
        return kith__fail_null("kith_list_append");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(list, list->ops->append(list->handle.state, &item), told);
}

kith_err
kith_list_set(struct kith_list *list, int64_t index, struct kith_item item)
{
    unsigned told = kith__told();
    kith_err err;

    if (list == NULL)
        return kith__fail_null("kith_list_set");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(list, list->ops->set(list->handle.state, index, &item), told);
}

static kith_err
splice(struct kith_list *list, const char *function, int64_t start, int64_t stop, int64_t step,
       const struct kith_item *items, size_t count)
{
    unsigned told = kith__told();

    if (list == NULL || (items == NULL && count > 0))
        return kith__fail_null(function);
    if (step == 0)
        return fail_step(function);
    for (size_t i = 0; i < count; i++) {
        kith_err err = kith__item_check_fast(&items[i]);

        if (err < 0)
            return err;
    }
    return outcome(list, list->ops->splice(list->handle.state, start, stop, step, items, count),
                   told);
}

kith_err
kith_list_extend(struct kith_list *list, const struct kith_item *items, size_t count)
{
    return splice(list, "kith_list_extend", KITH_LIST_END, KITH_LIST_END, 1, items, count);
}

kith_err
kith_list_insert(struct kith_list *list, int64_t index, struct kith_item item)
{
    /* An empty slice at the index, whichever way its stop lies. */
    return splice(list, "kith_list_insert", index, index, 1, &item, 1);
}

kith_err
kith_list_set_slice(struct kith_list *list, int64_t start, int64_t stop, int64_t step,
                    const struct kith_item *items, size_t count)
{
    return splice(list, "kith_list_set_slice", start, stop, step, items, count);
}

kith_err
kith_list_pop(struct kith_list *list, int64_t index, struct kith_buf *item_out)
{
    unsigned told = kith__told();

    if (list == NULL)
        return kith__fail_null("kith_list_pop");
    return outcome(list, list->ops->pop(list->handle.state, index, item_out), told);
}

kith_err
kith_list_remove(struct kith_list *list, struct kith_item item)
{
    unsigned told = kith__told();
    kith_err err;

    if (list == NULL)
        return kith__fail_null("kith_list_remove");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(list, list->ops->remove(list->handle.state, &item), told);
}

kith_err
kith_list_delete_slice(struct kith_list *list, int64_t start, int64_t stop, int64_t step)
{
    unsigned told = kith__told();

    if (list == NULL)
        return kith__fail_null("kith_list_delete_slice");
    if (step == 0)
        return fail_step("kith_list_delete_slice");
    return outcome(list, list->ops->delete_slice(list->handle.state, start, stop, step), told);
}

kith_err
kith_list_clear(struct kith_list *list)
{
    unsigned told = kith__told();

    if (list == NULL)
        return kith__fail_null("kith_list_clear");
    return outcome(list, list->ops->clear(list->handle.state), told);
}

kith_err
kith_list_reverse(struct kith_list *list)
{
    unsigned told = kith__told();

    if (list == NULL)
        return kith__fail_null("kith_list_reverse");
    return outcome(list, list->ops->reverse(list->handle.state), told);
}

kith_err
kith_list_sort(struct kith_list *list, const struct kith_list_sort_options *options)
{
    struct kith_list_sort_options whole = KITH_LIST_SORT_OPTIONS_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (list == NULL)
        return kith__fail_null("kith_list_sort");
    err = kith__options_copy("kith_list_sort", options, &whole, sizeof(whole));
    if (err < 0)
        return err;
    return outcome(list, list->ops->sort(list->handle.state, &whole), told);
}
