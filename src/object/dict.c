/*
 * dict.c - keys and items shared by processes.
 */
#include "base/alloc.h"
#include "object/view.h"

/* ---- Opening -------------------------------------------------------------------------- */

kith_err
kith_dict_open(kith_space *space, const char *name, const struct kith_dict_options *options,
               kith_dict **dict_out)
{
    struct kith_dict_options whole = KITH_DICT_OPTIONS_INIT;
    kith_dict *dict;
    void *state;
    kith_err err =
        kith__open_check("kith_dict_open", space, name, dict_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (whole.policy < KITH_DICT_REFUSE || whole.policy > KITH_DICT_SIEVE)
        return kith__fail(KITH_EINVAL,
                          "A dict has no policy %d; there are KITH_DICT_REFUSE, "
                          "KITH_DICT_FIFO and KITH_DICT_SIEVE.",
                          (int)whole.policy);
    dict = kith__handle_new(sizeof(*dict));
    if (dict == NULL)
        return KITH_ENOMEM;
    dict->ops = space->engine->dict;
    err = dict->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(dict);
        return err;
    }
    kith__handle_init(&dict->handle, space, KITH_KIND_DICT, name, state);
    *dict_out = dict;
    return KITH_OK;
}

void
kith_dict_close(kith_dict *dict)
{
    if (dict == NULL || !kith__handle_drop(&dict->handle))
        return;
    dict->ops->close(dict->handle.state);
    kith__space_release(dict->handle.space);
    kith__free(dict);
}

static inline kith_err
outcome(const kith_dict *dict, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&dict->handle, err, told, NULL);
}

/* ---- Reading -------------------------------------------------------------------------- */

kith_err
kith_dict_get(kith_dict *dict, struct kith_item key, struct kith_buf *item_out)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_get");
    return outcome(dict, dict->ops->get(dict->handle.state, &key, item_out, NULL), told);
}

kith_err
kith_dict_get_version(kith_dict *dict, struct kith_item key, struct kith_buf *item_out,
                      uint64_t *version_out)
{
    unsigned told = kith__told();
    uint64_t version;
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_get_version");
    err = dict->ops->get(dict->handle.state, &key, item_out, &version);
    if (err == KITH_OK && version_out != NULL)
        *version_out = version;
    return outcome(dict, err, told);
}

kith_err
kith_dict_get_into(kith_dict *dict, struct kith_item key, void *data, size_t capacity,
                   size_t *size_out)
{
    unsigned told = kith__told();
    size_t size;
    kith_err err;

    if (dict == NULL || (data == NULL && capacity > 0))
        return kith__fail_null("kith_dict_get_into");
    err = dict->ops->get_into(dict->handle.state, &key, data, capacity, &size);
    if ((err == KITH_OK || err == KITH_ETOOBIG) && size_out != NULL)
        *size_out = size;
    if (err == KITH_ETYPE)
        return kith__fail_outcome(&dict->handle, err, told,
                                  "\" has at that key what is neither str nor bytes.");
    if (err == KITH_ETOOBIG)
        return kith__fail_outcome(&dict->handle, err, told,
                                  "\" has at that key more bytes than there is room for.");
    return outcome(dict, err, told);
}

kith_err
kith_dict_get_many(kith_dict *dict, const struct kith_item *keys, size_t count,
                   struct kith_buf *items_out)
{
    unsigned told = kith__told();

    if (dict == NULL || ((keys == NULL || items_out == NULL) && count > 0))
        return kith__fail_null("kith_dict_get_many");
    if (count == 0)
        return KITH_OK;
    return outcome(dict, dict->ops->get_many(dict->handle.state, keys, count, items_out), told);
}

kith_err
kith_dict_view(kith_dict *dict, struct kith_item key, kith_view **view_out)
{
    unsigned told = kith__told();
    kith_view *view;
    kith_err err;

    if (dict == NULL || view_out == NULL)
        return kith__fail_null("kith_dict_view");
    view = kith__view_new(dict->handle.space);
    if (view == NULL)
        return KITH_ENOMEM;
    err = dict->ops->view(dict->handle.state, &key, &view->view);
    if (err < 0)
        kith__view_discard(view);
    else
        *view_out = view;
    return outcome(dict, err, told);
}

kith_err
kith_dict_has(kith_dict *dict, struct kith_item key)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_has");
    return outcome(dict, dict->ops->has(dict->handle.state, &key), told);
}

kith_err
kith_dict_len(kith_dict *dict, uint64_t *count_out)
{
    unsigned told = kith__told();
    uint64_t count;
    kith_err err;

    if (dict == NULL || count_out == NULL)
        return kith__fail_null("kith_dict_len");
    err = dict->ops->len(dict->handle.state, &count);
    if (err == KITH_OK)
        *count_out = count;
    return outcome(dict, err, told);
}

kith_err
kith_dict_each(kith_dict *dict, int (*each)(struct kith_item key, struct kith_item item, void *arg),
               void *arg)
{
    unsigned told = kith__told();

    if (dict == NULL || each == NULL)
        return kith__fail_null("kith_dict_each");
    return outcome(dict, dict->ops->each(dict->handle.state, true, each, arg), told);
}

struct keys_only {
    int (*each)(struct kith_item key, void *arg);
    void *arg;
};

static int
tell_key(struct kith_item key, struct kith_item item, void *arg)
{
    const struct keys_only *only = arg;

    (void)item;
    return only->each(key, only->arg);
}

kith_err
kith_dict_keys(kith_dict *dict, int (*each)(struct kith_item key, void *arg), void *arg)
{
    struct keys_only only = { each, arg };
    unsigned told = kith__told();

    if (dict == NULL || each == NULL)
        return kith__fail_null("kith_dict_keys");
    return outcome(dict, dict->ops->each(dict->handle.state, false, tell_key, &only), told);
}

kith_err
kith_dict_info(kith_dict *dict, struct kith_dict_info *info_out)
{
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (dict == NULL || info_out == NULL)
        return kith__fail_null("kith_dict_info");
    err = kith__info_check("kith_dict_info", info_out);
    if (err < 0)
        return err;
    err = dict->ops->info(dict->handle.state, &info);
    if (err == KITH_OK)
        kith__info_copy(&info, info_out, sizeof(info));
    return outcome(dict, err, told);
}

/* ---- Setting -------------------------------------------------------------------------- */

kith_err
kith_dict_set(kith_dict *dict, struct kith_item key, struct kith_item item)
{
    unsigned told = kith__told();
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_set");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(dict, dict->ops->set(dict->handle.state, &key, &item), told);
}

kith_err
kith_dict_set_parts(kith_dict *dict, struct kith_item key, const char *tag,
                    const struct kith_part *parts, size_t count)
{
    unsigned told = kith__told();
    struct kith_item item;
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_set_parts");
    err = kith__item_of_parts(tag, parts, count, &item);
    if (err < 0)
        return err;
    return outcome(dict, dict->ops->set(dict->handle.state, &key, &item), told);
}

static kith_err
edit(kith_dict *dict, const char *function, const struct kith_item *key,
     const struct kith__edit *edit)
{
    unsigned told = kith__told();
    kith_err err = KITH_OK;

    if (dict == NULL)
        return kith__fail_null(function);
    if (edit->item != NULL)
        err = kith__item_check_fast(edit->item);
    if (err == KITH_OK && edit->expected != NULL)
        err = kith__item_check_fast(edit->expected);
    if (err < 0)
        return err;
    return outcome(dict, dict->ops->edit(dict->handle.state, key, edit), told);
}

kith_err
kith_dict_insert(kith_dict *dict, struct kith_item key, struct kith_item item)
{
    return edit(dict, "kith_dict_insert", &key,
                &(struct kith__edit){ .what = KITH__EDIT_INSERT, .item = &item });
}

kith_err
kith_dict_replace(kith_dict *dict, struct kith_item key, struct kith_item item)
{
    return edit(dict, "kith_dict_replace", &key,
                &(struct kith__edit){ .what = KITH__EDIT_REPLACE, .item = &item });
}

kith_err
kith_dict_setdefault(kith_dict *dict, struct kith_item key, struct kith_item item,
                     struct kith_buf *now_out)
{
    return edit(
        dict, "kith_dict_setdefault", &key,
        &(struct kith__edit){ .what = KITH__EDIT_SETDEFAULT, .item = &item, .out = now_out });
}

kith_err
kith_dict_swap(kith_dict *dict, struct kith_item key, struct kith_item item,
               struct kith_buf *old_out)
{
    return edit(dict, "kith_dict_swap", &key,
                &(struct kith__edit){ .what = KITH__EDIT_SWAP, .item = &item, .out = old_out });
}

kith_err
kith_dict_cas(kith_dict *dict, struct kith_item key, struct kith_item expected,
              struct kith_item item)
{
    return edit(
        dict, "kith_dict_cas", &key,
        &(struct kith__edit){ .what = KITH__EDIT_CAS, .item = &item, .expected = &expected });
}

kith_err
kith_dict_cas_version(kith_dict *dict, struct kith_item key, uint64_t version,
                      struct kith_item item)
{
    return edit(
        dict, "kith_dict_cas_version", &key,
        &(struct kith__edit){ .what = KITH__EDIT_CAS_VERSION, .item = &item, .version = version });
}

kith_err
kith_dict_set_many(kith_dict *dict, const struct kith_item *keys, const struct kith_item *items,
                   size_t count)
{
    unsigned told = kith__told();

    if (dict == NULL || ((keys == NULL || items == NULL) && count > 0))
        return kith__fail_null("kith_dict_set_many");
    for (size_t i = 0; i < count; i++) {
        kith_err err = kith__item_check_fast(&items[i]);

        if (err < 0)
            return err;
    }
    return outcome(
        dict, dict->ops->many(dict->handle.state, KITH__MANY_SET, keys, items, NULL, count, NULL),
        told);
}

/* ---- Deleting ------------------------------------------------------------------------- */

kith_err
kith_dict_delete(kith_dict *dict, struct kith_item key)
{
    return edit(dict, "kith_dict_delete", &key, &(struct kith__edit){ .what = KITH__EDIT_DELETE });
}

kith_err
kith_dict_delete_if(kith_dict *dict, struct kith_item key, struct kith_item expected)
{
    return edit(dict, "kith_dict_delete_if", &key,
                &(struct kith__edit){ .what = KITH__EDIT_DELETE_IF, .expected = &expected });
}

kith_err
kith_dict_delete_many(kith_dict *dict, const struct kith_item *keys, size_t count,
                      uint64_t *deleted_out)
{
    unsigned told = kith__told();

    if (dict == NULL || (keys == NULL && count > 0))
        return kith__fail_null("kith_dict_delete_many");
    return outcome(dict,
                   dict->ops->many(dict->handle.state, KITH__MANY_DELETE, keys, NULL, NULL, count,
                                   deleted_out),
                   told);
}

kith_err
kith_dict_pop(kith_dict *dict, struct kith_item key, struct kith_buf *item_out)
{
    return edit(dict, "kith_dict_pop", &key,
                &(struct kith__edit){ .what = KITH__EDIT_DELETE, .out = item_out });
}

kith_err
kith_dict_popitem(kith_dict *dict, struct kith_buf *key_out, struct kith_buf *item_out)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_popitem");
    return outcome(dict, dict->ops->popitem(dict->handle.state, key_out, item_out), told);
}

kith_err
kith_dict_clear(kith_dict *dict)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_clear");
    return outcome(dict, dict->ops->clear(dict->handle.state), told);
}

/* ---- Numbers -------------------------------------------------------------------------- */

kith_err
kith_dict_add(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_add");
    return outcome(dict, dict->ops->add(dict->handle.state, &key, n, now_out), told);
}

kith_err
kith_dict_add_float(kith_dict *dict, struct kith_item key, double n, double *now_out)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null("kith_dict_add_float");
    return outcome(dict, dict->ops->add_float(dict->handle.state, &key, n, now_out), told);
}

static kith_err
sum(kith_dict *dict, const char *function, const struct kith_item *key, const struct kith__sum *sum,
    int64_t *now_out)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null(function);
    return outcome(dict, dict->ops->sum(dict->handle.state, key, sum, now_out), told);
}

kith_err
kith_dict_add_with(kith_dict *dict, struct kith_item key, int64_t n,
                   const struct kith_add_options *options, int64_t *now_out)
{
    struct kith_add_options whole = KITH_ADD_OPTIONS_INIT;
    kith_err err = kith__options_copy("kith_dict_add_with", options, &whole, sizeof(whole));

    if (err == KITH_OK && whole.ttl_ns < 0)
        err = kith__fail(KITH_EINVAL, "kith_dict_add_with was given a negative time to live.");
    if (err < 0)
        return err;
    return sum(dict, "kith_dict_add_with", &key,
               &(struct kith__sum){
                   .what = KITH__SUM_ADD, .n = n, .init = whole.init, .ttl_ns = whole.ttl_ns },
               now_out);
}

kith_err
kith_dict_add_limit(kith_dict *dict, struct kith_item key, int64_t n, int64_t limit,
                    int64_t *now_out)
{
    return sum(dict, "kith_dict_add_limit", &key,
               &(struct kith__sum){ .what = KITH__SUM_ADD_LIMIT, .n = n, .limit = limit }, now_out);
}

kith_err
kith_dict_sub(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_sub", &key, &(struct kith__sum){ .what = KITH__SUM_SUB, .n = n },
               now_out);
}

kith_err
kith_dict_min(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_min", &key, &(struct kith__sum){ .what = KITH__SUM_MIN, .n = n },
               now_out);
}

kith_err
kith_dict_max(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_max", &key, &(struct kith__sum){ .what = KITH__SUM_MAX, .n = n },
               now_out);
}

kith_err
kith_dict_and(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_and", &key, &(struct kith__sum){ .what = KITH__SUM_AND, .n = n },
               now_out);
}

kith_err
kith_dict_or(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_or", &key, &(struct kith__sum){ .what = KITH__SUM_OR, .n = n },
               now_out);
}

kith_err
kith_dict_xor(kith_dict *dict, struct kith_item key, int64_t n, int64_t *now_out)
{
    return sum(dict, "kith_dict_xor", &key, &(struct kith__sum){ .what = KITH__SUM_XOR, .n = n },
               now_out);
}

kith_err
kith_dict_add_many(kith_dict *dict, const struct kith_item *keys, const int64_t *ns, size_t count)
{
    unsigned told = kith__told();

    if (dict == NULL || ((keys == NULL || ns == NULL) && count > 0))
        return kith__fail_null("kith_dict_add_many");
    return outcome(dict,
                   dict->ops->many(dict->handle.state, KITH__MANY_ADD, keys, NULL, ns, count, NULL),
                   told);
}
