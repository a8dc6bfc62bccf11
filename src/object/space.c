/*
 * space.c - opening an address, and what is named in it.
 */
#include <string.h>

#include "base/alloc.h"
#include "engine/registry.h"
#include "object/handle.h"

/* A timeout without end: seventy years, so that a sum with the time of day still fits. */
#define TIMEOUT_MAX (INT64_MAX / 4)

static kith_err
check_options(struct kith_options *options)
{
    if ((unsigned)options->create > KITH_MUST_CREATE)
        return kith__fail(KITH_EINVAL,
                          "kith_open() was given %d for create, which is none of its values.",
                          (int)options->create);
    if (options->timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_open", options->timeout_ns);
    return KITH_OK;
}

kith_err
kith_open(const char *address, const struct kith_options *options, kith_space **space_out)
{
    struct kith_options whole = KITH_OPTIONS_INIT;
    struct kith__address parsed;
    kith_space *space;
    kith_err err;

    if (address == NULL || space_out == NULL)
        return kith__fail_null("kith_open");
    err = kith__options_copy("kith_open", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options(&whole);
    if (err < 0)
        return err;
    if (whole.timeout_ns == KITH_FOREVER || whole.timeout_ns > TIMEOUT_MAX)
        whole.timeout_ns = TIMEOUT_MAX;
    space = kith__handle_new(sizeof(*space));
    if (space == NULL)
        return KITH_ENOMEM;
    atomic_init(&space->refs, 1);
    err = kith__registry_find(address, &whole, &parsed, &space->engine);
    if (err == KITH_OK) {
        err = space->engine->space->open(&parsed, &space->state);
        kith__address_free(&parsed);
    }
    if (err < 0) {
        kith__free(space);
        return err;
    }
    *space_out = space;
    return KITH_OK;
}

/* A space around an engine's state, which is its own from here on. */
static kith_space *
space_of(const struct kith__engine *engine, void *state)
{
    kith_space *space = kith__handle_new(sizeof(*space));

    if (space == NULL) {
        engine->space->close(state);
        return NULL;
    }
    atomic_init(&space->refs, 1);
    space->engine = engine;
    space->state = state;
    return space;
}

kith_err
kith_share(kith_space *space, int *fd_out)
{
    if (space == NULL || fd_out == NULL)
        return kith__fail_null("kith_share");
    return space->engine->space->share(space->state, fd_out);
}

kith_err
kith_open_fd(int fd, const struct kith_options *options, kith_space **space_out)
{
    struct kith_options whole = KITH_OPTIONS_INIT;
    const struct kith__engine *engine = kith__registry_local();
    kith_space *space;
    void *state;
    kith_err err;

    if (space_out == NULL)
        return kith__fail_null("kith_open_fd");
    err = kith__options_copy("kith_open_fd", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options(&whole);
    if (err < 0)
        return err;
    if (whole.create == KITH_MUST_CREATE)
        return kith__fail(KITH_EEXIST, "A space that is shared by a descriptor exists already.");
    if (whole.timeout_ns == KITH_FOREVER || whole.timeout_ns > TIMEOUT_MAX)
        whole.timeout_ns = TIMEOUT_MAX;
    err = engine->space->open_fd(fd, &whole, &state);
    if (err < 0)
        return err;
    space = space_of(engine, state);
    if (space == NULL)
        return KITH_ENOMEM;
    *space_out = space;
    return KITH_OK;
}

void
kith_close(kith_space *space)
{
    if (space == NULL)
        return;
    if (atomic_load_explicit(&space->refs, memory_order_acquire) > 1)
        space->engine->space->leave(space->state);
    kith__space_release(space);
}

kith_err
kith_destroy(kith_space *space, const char *name)
{
    unsigned told = kith__told();
    kith_err err;

    if (space == NULL || name == NULL)
        return kith__fail_null("kith_destroy");
    if (!kith__name_ok(name, strnlen(name, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(name);
    err = space->engine->space->destroy(space->state, name);
    if (err == KITH_ENOENT)
        return kith__fail(err, "There is no object \"%s\" to destroy.", name);
    if (err < 0 && kith__told() == told)
        return kith__fail(err, "\"%s\" cannot be destroyed: %s.", name, kith_strerror(err));
    return err;
}

kith_err
kith_rename(kith_space *space, const char *from, const char *to)
{
    unsigned told = kith__told();
    kith_err err;

    if (space == NULL || from == NULL || to == NULL)
        return kith__fail_null("kith_rename");
    if (!kith__name_ok(from, strnlen(from, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(from);
    if (!kith__name_ok(to, strnlen(to, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(to);
    err = space->engine->space->rename(space->state, from, to);
    if (err == KITH_ENOENT)
        return kith__fail(err, "There is no object \"%s\" to rename.", from);
    if (err == KITH_EEXIST)
        return kith__fail(err, "\"%s\" cannot be called \"%s\": there is an object of that name.",
                          from, to);
    if (err < 0 && kith__told() == told)
        return kith__fail(err, "\"%s\" cannot be renamed: %s.", from, kith_strerror(err));
    return err;
}

kith_err
kith_list(kith_space *space, int (*each)(const struct kith_info *info, void *arg), void *arg)
{
    if (space == NULL || each == NULL)
        return kith__fail_null("kith_list");
    return space->engine->space->list(space->state, each, arg);
}

kith_err
kith_remove(const char *address)
{
    const struct kith_options options = KITH_OPTIONS_INIT;
    const struct kith__engine *engine;
    struct kith__address parsed;
    kith_err err;

    if (address == NULL)
        return kith__fail_null("kith_remove");
    err = kith__registry_find(address, &options, &parsed, &engine);
    if (err < 0)
        return err;
    err = engine->space->remove(&parsed);
    kith__address_free(&parsed);
    return err;
}

kith_err
kith_spaces(int (*each)(const struct kith_space_info *info, void *arg), void *arg)
{
    if (each == NULL)
        return kith__fail_null("kith_spaces");
    return kith__registry_local()->space->spaces(each, arg);
}
