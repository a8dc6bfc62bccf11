/*
 * namespace.c - attributes by name: a dict whose keys are str, as a kind of its own.
 */
#include <kith/namespace.h>

#include <string.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_namespace_open(kith_space *space, const char *name,
                    const struct kith_namespace_options *options, kith_namespace **namespace_out)
{
    struct kith_namespace_options whole = KITH_NAMESPACE_OPTIONS_INIT;
    struct kith_dict_options plain = KITH_DICT_OPTIONS_INIT;
    kith_namespace *names;
    void *state;
    kith_err err = kith__open_check("kith_namespace_open", space, name, namespace_out, options,
                                    &whole, sizeof(whole));

    if (err < 0)
        return err;
    names = kith__handle_new(sizeof(*names));
    if (names == NULL)
        return KITH_ENOMEM;
    names->ops = space->engine->dict;
    plain.create = whole.create;
    err = names->ops->open_as(space->state, name, KITH_KIND_NAMESPACE, &plain, &state);
    if (err < 0) {
        kith__free(names);
        return err;
    }
    kith__handle_init(&names->handle, space, KITH_KIND_NAMESPACE, name, state);
    *namespace_out = names;
    return KITH_OK;
}

void
kith_namespace_close(kith_namespace *names)
{
    if (names == NULL || !kith__handle_drop(&names->handle))
        return;
    names->ops->close(names->handle.state);
    kith__space_release(names->handle.space);
    kith__free(names);
}

static kith_err
outcome(const kith_namespace *names, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&names->handle, err, told, NULL);
}

/* The key of an attribute; that it is UTF-8 is seen to where keys are made. */
static kith_err
key_of(const char *attribute, struct kith_item *key)
{
    *key = kith_str(attribute);
    return key->size > 0 ? KITH_OK
                         : kith__fail(KITH_EINVAL, "The name of an attribute can't be empty.");
}

kith_err
kith_namespace_get(kith_namespace *names, const char *attribute, struct kith_buf *item_out)
{
    unsigned told = kith__told();
    struct kith_item key;
    kith_err err;

    if (names == NULL || attribute == NULL || item_out == NULL)
        return kith__fail_null("kith_namespace_get");
    err = key_of(attribute, &key);
    if (err < 0)
        return err;
    return outcome(names, names->ops->get(names->handle.state, &key, item_out, NULL), told);
}

kith_err
kith_namespace_set(kith_namespace *names, const char *attribute, struct kith_item item)
{
    unsigned told = kith__told();
    struct kith_item key;
    kith_err err;

    if (names == NULL || attribute == NULL)
        return kith__fail_null("kith_namespace_set");
    err = key_of(attribute, &key);
    if (err == KITH_OK)
        err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(names, names->ops->set(names->handle.state, &key, &item), told);
}

kith_err
kith_namespace_delete(kith_namespace *names, const char *attribute)
{
    struct kith__edit edit = { .what = KITH__EDIT_DELETE };
    unsigned told = kith__told();
    struct kith_item key;
    kith_err err;

    if (names == NULL || attribute == NULL)
        return kith__fail_null("kith_namespace_delete");
    err = key_of(attribute, &key);
    if (err < 0)
        return err;
    return outcome(names, names->ops->edit(names->handle.state, &key, &edit), told);
}

struct naming {
    int (*each)(const char *attribute, void *arg);
    void *arg;
    kith_err err;
};

static int
tell_name(struct kith_item key, struct kith_item item, void *arg)
{
    struct naming *naming = arg;
    char few[128], *name = few;
    int stop;

    (void)item;
    if (key.size >= sizeof(few)) {
        name = kith__malloc(key.size + 1);
        if (name == NULL) {
            naming->err = kith__fail(KITH_ENOMEM, "This process has no memory for a name.");
            return 1;
        }
    }
    if (key.size > 0)
        memcpy(name, key.data, key.size);
    name[key.size] = '\0';
    stop = naming->each(name, naming->arg);
    if (name != few)
        kith__free(name);
    return stop;
}

kith_err
kith_namespace_names(kith_namespace *names, int (*each)(const char *attribute, void *arg),
                     void *arg)
{
    struct naming naming = { each, arg, KITH_OK };
    unsigned told = kith__told();
    kith_err err;

    if (names == NULL || each == NULL)
        return kith__fail_null("kith_namespace_names");
    err = names->ops->each(names->handle.state, false, tell_name, &naming);
    return err < 0 ? outcome(names, err, told) : naming.err;
}
