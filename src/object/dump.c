/*
 * dump.c - a whole space, or one object, written as a dump and read again.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "object/dump.h"

/* ---- Dumping --------------------------------------------------------------------------- */

/* The objects of a space, listed before the first is dumped. */
struct names {
    struct kith__name *list;
    size_t count, room;
    bool failed;
};

static int
take_name(const struct kith_info *info, void *arg)
{
    struct names *names = arg;

    if (names->count == names->room) {
        size_t room = names->room == 0 ? 16 : 2 * names->room;
        struct kith__name *larger = kith__realloc(names->list, room * sizeof *larger);

        if (larger == NULL) {
            names->failed = true;
            return 1;
        }
        names->list = larger;
        names->room = room;
    }
    names->list[names->count].kind = info->kind;
    memcpy(names->list[names->count].name, info->name, strlen(info->name) + 1);
    names->count++;
    return 0;
}

kith_err
kith__dump_one(struct kith__dump *dump, kith_space *space, const struct kith__name *name)
{
    const struct kith__dump_kind *kind = kith__dump_kind_of((uint64_t)name->kind);
    kith_err err;

    if (kind == NULL)
        return kith__fail(KITH_EUNSUPPORTED,
                          "The space cannot be dumped: \"%s\" is a %s, and these have no dump.",
                          name->name, kith_kind_name(name->kind));
    err = kind->dump(dump, space, name->name);
    if (err < 0) {
        kith__dump_cancel(dump);
        return err;
    }
    kith__dump_object_end(dump);
    return dump->err;
}

static kith_err
dump_all(struct kith__dump *dump, kith_space *space, const struct names *names, bool alone)
{
    for (size_t i = 0; i < names->count; i++) {
        kith_err err = kith__dump_one(dump, space, &names->list[i]);

        /*
         * One that was destroyed meanwhile is not there, and one that was made anew comes late.  A
         * condition without its lock is as one that was destroyed; who asks for it alone is told.
         */
        if (err < 0 && err != KITH_ENOENT && err != KITH_ETYPE && (err != KITH_EGONE || alone))
            return err;
        if (dump->err < 0)
            return dump->err;
    }
    return KITH_OK;
}

static kith_err
find_name(const struct names *names, const char *name, struct names *one_out)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].name, name) == 0) {
            *one_out = (struct names){ .list = &names->list[i], .count = 1 };
            return KITH_OK;
        }
    return kith__fail(KITH_ENOENT, "There is no object \"%s\" to dump.", name);
}

kith_err
kith_dump(kith_space *space, const char *name, kith_dump_writer *write, void *arg,
          struct kith_dump_report *report_out)
{
    struct kith__dump dump = { .write = write, .arg = arg };
    struct names names = { .count = 0 }, one = names;
    kith_err err;

    if (space == NULL || write == NULL)
        return kith__fail_null("kith_dump");
    if (name != NULL && !kith__name_ok(name, strnlen(name, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail_name(name);
    err = kith_list(space, take_name, &names);
    if (err == KITH_OK && names.failed)
        err = kith__fail(KITH_ENOMEM, "This process has no memory for a list of the objects.");
    if (err == KITH_OK && name != NULL)
        err = find_name(&names, name, &one);
    if (err == KITH_OK) {
        kith__dump_begin(&dump, name == NULL);
        err = dump_all(&dump, space, name == NULL ? &names : &one, name != NULL);
    }
    if (err == KITH_OK && name != NULL && dump.report.objects == 0)
        err = kith__fail(KITH_ENOENT, "There is no object \"%s\" to dump any more.", name);
    if (err == KITH_OK) {
        kith__dump_end(&dump);
        err = dump.err;
    }
    if (err == KITH_OK && report_out != NULL)
        *report_out = dump.report;
    kith__dump_free(&dump);
    kith__free(names.list);
    return err;
}

/* ---- Loading --------------------------------------------------------------------------- */

#define READ_SIZE ((size_t)64 << 10)

static kith_err
read_all(kith_dump_reader *read, void *arg, uint8_t **data_out, size_t *size_out)
{
    size_t size = 0, room = 0, got = 1;
    uint8_t *data = NULL;

    while (got > 0) {
        if (room - size < READ_SIZE) {
            uint8_t *larger = kith__realloc(data, 2 * room + READ_SIZE);

            if (larger == NULL) {
                kith__free(data);
                return kith__fail(KITH_ENOMEM,
                                  "This process has no memory for a dump of more than %zu bytes.",
                                  size);
            }
            data = larger;
            room = 2 * room + READ_SIZE;
        }
        got = 0;
        if (read(data + size, room - size, &got, arg) != 0 || got > room - size) {
            kith__free(data);
            return kith__fail(KITH_ESYSTEM,
                              "The dump was not loaded: its reader failed after %zu "
                              "bytes.",
                              size);
        }
        size += got;
    }
    *data_out = data;
    *size_out = size;
    return KITH_OK;
}

struct loading {
    kith_space *space;
    struct kith__dumped *objects;
    size_t count;
    struct kith_dump_report report;
};

static const struct kith__dumped *
find_dumped(const struct loading *loading, const char *name)
{
    for (size_t i = 0; i < loading->count; i++)
        if (strcmp(loading->objects[i].name, name) == 0)
            return &loading->objects[i];
    return NULL;
}

/* Whether an object waits for another of the dump to be made. */
static bool
has_to_wait(const struct loading *loading, const struct kith__dumped *object)
{
    char name[KITH__NAME_SIZE_MAX + 1];
    const struct kith__dumped *other;

    if (object->kind->needs == NULL)
        return false;
    object->kind->needs(object, name);
    other = find_dumped(loading, name);
    return other != NULL && !other->made;
}

/* Makes all objects, each after the one that it needs; in a ring of them one goes without. */
static kith_err
make_all(struct loading *loading)
{
    size_t made = 0;

    while (made < loading->count) {
        size_t before = made;
        bool alone = false;

        for (size_t pass = 0; pass < 2 && made == before; pass++, alone = true)
            for (size_t i = 0; i < loading->count && !(alone && made > before); i++) {
                struct kith__dumped *object = &loading->objects[i];
                kith_err err;

                if (object->made || (!alone && has_to_wait(loading, object)))
                    continue;
                err = object->kind->make(loading->space, object, alone);
                if (err < 0)
                    return err;
                object->made = true;
                made++;
            }
    }
    return KITH_OK;
}

static kith_err
fill_all(struct loading *loading)
{
    for (size_t i = 0; i < loading->count; i++) {
        struct kith__dumped *object = &loading->objects[i];
        struct kith__cursor records = object->records, entries;
        kith_err err = KITH_OK;
        uint32_t count;

        while (err == KITH_OK && kith__dumped_entries(&records, &entries, &count))
            err = object->kind->fill(object, &entries, count);
        if (err == KITH_OK && object->kind->finish != NULL)
            err = object->kind->finish(object);
        if (err < 0)
            return err;
    }
    return KITH_OK;
}

/* Gives the handles up, and after an error the objects too. */
static void
put_down(struct loading *loading, bool undo)
{
    for (size_t i = loading->count; i-- > 0;) {
        struct kith__dumped *object = &loading->objects[i];

        if (object->handle != NULL)
            object->kind->close(object->handle);
        if (undo && object->made)
            (void)loading->space->engine->space->destroy(loading->space->state, object->as);
        if (undo && object->also[0] != '\0')
            (void)loading->space->engine->space->destroy(loading->space->state, object->also);
    }
}

/* What only a dump that nobody wrote brings about: its checksums are right, and it makes no sense.
 */
static kith_err
load_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_EINVAL:
    case KITH_ETYPE:
    case KITH_EFULL:
    case KITH_ETOOBIG:
        return kith__fail(KITH_ECORRUPT, "The dump cannot be loaded: it has what can be in no "
                                         "object.");
    default:
        return err;
    }
}

static kith_err
load_checked(struct loading *loading)
{
    const struct kith__space_ops *ops = loading->space->engine->space;
    kith_err err = ops->loading(loading->space->state, true), ended;

    if (err < 0)
        return err;
    err = make_all(loading);
    if (err == KITH_OK) {
        err = fill_all(loading);
        /* A key that is there already, in a dict that we have just made, stands in the dump twice.
         */
        if (err == KITH_EEXIST)
            err = kith__fail(KITH_ECORRUPT, "The dump cannot be loaded: it has a key twice.");
    }
    /* While our handles keep what was made: a reference may have come before its object. */
    ended = ops->loading(loading->space->state, false);
    if (err == KITH_OK)
        err = ended;
    put_down(loading, err < 0);
    return load_outcome(err);
}

/* ---- What is there ---------------------------------------------------------------------- */

/* Whether the object needs the one of this name. */
static bool
needs(const struct kith__dumped *object, const char *name)
{
    char needed[KITH__NAME_SIZE_MAX + 1];

    if (object->kind->needs == NULL)
        return false;
    object->kind->needs(object, needed);
    return strcmp(needed, name) == 0;
}

/* Refuses what needs another object of the dump that is of a kind which does not do. */
static kith_err
check_needs(const struct loading *loading)
{
    for (size_t i = 0; i < loading->count; i++) {
        const struct kith__dumped *object = &loading->objects[i], *other;
        char name[KITH__NAME_SIZE_MAX + 1];

        if (object->kind->needs == NULL)
            continue;
        object->kind->needs(object, name);
        other = find_dumped(loading, name);
        if (other != NULL && other->kind->kind != object->kind->needs_kind)
            return kith__fail(KITH_ECORRUPT,
                              "The dump cannot be loaded: \"%s\" needs \"%s\", which is a %s.",
                              object->name, name, kith_kind_name(other->kind->kind));
    }
    return KITH_OK;
}

struct looking {
    const struct loading *loading;
    bool any; /* any object at all is in the way */
    char taken[KITH__NAME_SIZE_MAX + 1];
    const struct kith__dumped *needing; /* `taken` is no object of the kind that this one needs */
};

static int
look_at(const struct kith_info *info, void *arg)
{
    struct looking *looking = arg;
    bool taken = looking->any;

    for (size_t i = 0; i < looking->loading->count && !taken; i++) {
        const struct kith__dumped *object = &looking->loading->objects[i];

        taken = strcmp(object->as, info->name) == 0;
        if (!taken && needs(object, info->name) && object->kind->needs_kind != info->kind) {
            taken = true;
            looking->needing = object;
        }
    }
    if (taken)
        memcpy(looking->taken, info->name, strlen(info->name) + 1);
    return taken;
}

static kith_err
refuse_if_used(struct loading *loading, bool whole)
{
    struct looking looking = { .loading = loading, .any = whole };
    kith_err err = kith_list(loading->space, look_at, &looking);

    if (err < 0 || looking.taken[0] == '\0')
        return err;
    if (whole)
        return kith__fail(KITH_EEXIST,
                          "The dump is one of a whole space, and this one is in use: it has an "
                          "object \"%s\".  Load it into a new space, or one object of it alone.",
                          looking.taken);
    if (looking.needing != NULL)
        return kith__fail(KITH_EEXIST,
                          "The dump is not loaded: \"%s\" needs a %s \"%s\", and an object of "
                          "another kind has that name.",
                          looking.needing->name, kith_kind_name(looking.needing->kind->needs_kind),
                          looking.taken);
    return kith__fail(KITH_EEXIST,
                      "The dump is not loaded over what is there: an object \"%s\" exists.",
                      looking.taken);
}

/* Keeps the object that was asked for alone, and gives all their names. */
static kith_err
choose(struct loading *loading, const struct kith_load_options *options, bool *whole)
{
    if (options->only != NULL) {
        const struct kith__dumped *found = find_dumped(loading, options->only);

        if (found == NULL)
            return kith__fail(KITH_ENOENT, "The dump has no object \"%s\".", options->only);
        loading->objects[0] = *found;
        loading->count = 1;
        loading->report.objects = 1;
        loading->report.items = loading->objects[0].items;
        *whole = false;
    }
    if (options->as != NULL && loading->count != 1)
        return kith__fail(KITH_EINVAL,
                          "A dump of %zu objects cannot be loaded as \"%s\": name the one that "
                          "shall be called so.",
                          loading->count, options->as);
    if (options->as != NULL && needs(&loading->objects[0], options->as) &&
        loading->objects[0].kind->needs_kind != loading->objects[0].kind->kind)
        return kith__fail(KITH_EINVAL,
                          "\"%s\" cannot be loaded as \"%s\": it needs a %s of that name.",
                          loading->objects[0].name, options->as,
                          kith_kind_name(loading->objects[0].kind->needs_kind));
    for (size_t i = 0; i < loading->count; i++)
        (void)strcpy(loading->objects[i].as,
                     options->as != NULL ? options->as : loading->objects[i].name);
    return KITH_OK;
}

kith_err
kith__load_bytes(kith_space *space, const struct kith_load_options *options, const uint8_t *data,
                 size_t size, struct kith_dump_report *report_out)
{
    struct loading loading = { .space = space };
    bool whole = false;
    kith_err err =
        kith__dump_verify(data, size, &whole, &loading.objects, &loading.count, &loading.report);

    if (err < 0)
        return err;
    err = check_needs(&loading);
    if (err == KITH_OK)
        err = choose(&loading, options, &whole);
    if (err == KITH_OK)
        err = refuse_if_used(&loading, whole);
    if (err == KITH_OK)
        err = load_checked(&loading);
    if (err == KITH_OK && report_out != NULL)
        *report_out = loading.report;
    kith__free(loading.objects);
    return err;
}

static kith_err
check_options(const struct kith_load_options *options)
{
    const char *names[] = { options->only, options->as };

    for (size_t i = 0; i < 2; i++)
        if (names[i] != NULL &&
            !kith__name_ok(names[i], strnlen(names[i], KITH__NAME_SIZE_MAX + 1)))
            return kith__fail_name(names[i]);
    return KITH_OK;
}

kith_err
kith_load(kith_space *space, const struct kith_load_options *options, kith_dump_reader *read,
          void *arg, struct kith_dump_report *report_out)
{
    struct kith_load_options whole = KITH_LOAD_OPTIONS_INIT;
    uint8_t *data = NULL;
    size_t size = 0;
    kith_err err;

    if (space == NULL || read == NULL)
        return kith__fail_null("kith_load");
    err = kith__options_copy("kith_load", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options(&whole);
    if (err == KITH_OK)
        err = read_all(read, arg, &data, &size);
    if (err == KITH_OK)
        err = kith__load_bytes(space, &whole, data, size, report_out);
    kith__free(data);
    return err;
}

/* ---- By descriptor ---------------------------------------------------------------------- */

struct descriptor {
    int fd, error;
};

static int
write_fd(const void *data, size_t size, void *arg)
{
    struct descriptor *d = arg;

    while (size > 0) {
        ssize_t written = write(d->fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            d->error = errno;
            return 1;
        }
        data = (const char *)data + written;
        size -= (size_t)written;
    }
    return 0;
}

static int
read_fd(void *data, size_t size, size_t *got_out, void *arg)
{
    struct descriptor *d = arg;
    ssize_t got;

    do
        got = read(d->fd, data, size);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        d->error = errno;
        return 1;
    }
    *got_out = (size_t)got;
    return 0;
}

kith_err
kith_dump_fd(kith_space *space, const char *name, int fd, struct kith_dump_report *report_out)
{
    struct descriptor d = { .fd = fd };
    kith_err err = kith_dump(space, name, write_fd, &d, report_out);

    if (d.error != 0)
        return kith__fail(err, "The dump was not finished: it cannot be written: %s.",
                          strerror(d.error));
    return err;
}

kith_err
kith_load_fd(kith_space *space, const struct kith_load_options *options, int fd,
             struct kith_dump_report *report_out)
{
    struct descriptor d = { .fd = fd };
    kith_err err = kith_load(space, options, read_fd, &d, report_out);

    if (d.error != 0)
        return kith__fail(err, "The dump was not loaded: it cannot be read: %s.",
                          strerror(d.error));
    return err;
}
