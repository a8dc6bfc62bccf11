/*
 * shm_engine.c - spaces on shared memory: opened, looked at, cleaned, left.
 */
#include "engine/shm/shm_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/made.h"
#include "base/utf8.h"
#include "shm/boot.h"
#include "shm/extent.h"
#include "shm/kind.h"
#include "shm/reap.h"
#include "shm/rescue.h"
#include "shm/sync.h"
#include "shm/verify.h"

void *
kith__shm_state(size_t size)
{
    void *state = kith__calloc(1, size);

    if (state == NULL)
        kith__fail(KITH_ENOMEM, "This process has no memory left for one more handle.");
    return state;
}

static const char *
name_of(const struct kith__arena *arena)
{
    return arena->path != NULL ? arena->path : "mem://";
}

/* ---- Opening and closing -------------------------------------------------------------- */

/* Spaces that were not left; under kith__arenas_lock(), which a fork leaves in order. */
static struct kith__shm_space *open_spaces;

static kith_err
enter(struct kith__shm_space *space)
{
    struct kith__arena *arena = space->arena;
    struct kith__self *self;

    (void)kith__arenas_lock();
    kith__reap_install(arena);
    space->next = open_spaces;
    open_spaces = space;
    kith__arenas_unlock();
    kith__boot_enter(arena);
    if (arena->readonly || !kith__reap_needed(arena))
        return KITH_OK;
    self = kith__shm_self(arena);
    if (self == NULL)
        return kith__shm_refusal();
    kith__reap_all(self);
    return KITH_OK;
}

/* Takes the space off the list, locked; whether it was the last on its arena. */
static bool
forget(struct kith__shm_space *space)
{
    struct kith__shm_space **link;

    for (link = &open_spaces; *link != space; link = &(*link)->next)
        ;
    *link = space->next;
    for (struct kith__shm_space *other = open_spaces; other != NULL; other = other->next)
        if (other->arena == space->arena)
            return false;
    return true;
}

static void
space_leave(void *state)
{
    struct kith__shm_space *space = state;

    (void)kith__arenas_lock();
    space->left = true;
    if (forget(space))
        kith__actors_leave(space->arena);
    kith__arenas_unlock();
}

static void
space_close(void *state)
{
    struct kith__shm_space *space = state;

    if (!space->left) {
        (void)kith__arenas_lock();
        (void)forget(space);
        kith__arenas_unlock();
    }
    kith__arena_close(space->arena);
    kith__free(space);
}

static enum kith__where
where_of(const struct kith__address *address)
{
    switch (address->scheme) {
    case KITH__SCHEME_SHM:
        return KITH__WHERE_NAME;
    case KITH__SCHEME_FILE:
        return KITH__WHERE_FILE;
    case KITH__SCHEME_MEM:
        break;
    }
    return KITH__WHERE_MEMORY;
}

/* The file of an address; NULL for mem://.  The caller frees it. */
static kith_err
path_of(const struct kith__address *address, char **path_out)
{
    *path_out = NULL;
    if (address->scheme == KITH__SCHEME_SHM)
        return kith__arena_path(address->place, path_out);
    if (address->scheme == KITH__SCHEME_FILE && (*path_out = strdup(address->place)) == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a path.");
    return KITH_OK;
}

static kith_err
space_open(const struct kith__address *address, void **space_out)
{
    struct kith__shm_space *space = kith__shm_state(sizeof(*space));
    char *path = NULL;
    kith_err err;

    if (space == NULL)
        return KITH_ENOMEM;
    space->transactional = address->options.transactional;
    err = path_of(address, &path);
    if (err == KITH_OK)
        err = kith__arena_open(where_of(address), path, &address->options, &space->arena);
    free(path);
    if (err < 0) {
        kith__free(space);
        return err;
    }
    err = enter(space);
    if (err < 0) {
        space_close(space);
        return err;
    }
    *space_out = space;
    return KITH_OK;
}

static kith_err
space_open_fd(int fd, const struct kith_options *options, void **space_out)
{
    struct kith__shm_space *space = kith__shm_state(sizeof(*space));
    kith_err err;

    if (space == NULL)
        return KITH_ENOMEM;
    err = kith__arena_open_fd(fd, options, &space->arena);
    if (err < 0) {
        kith__free(space);
        return err;
    }
    err = enter(space);
    if (err < 0) {
        space_close(space);
        return err;
    }
    *space_out = space;
    return KITH_OK;
}

static kith_err
space_share(void *state, int *fd_out)
{
    struct kith__shm_space *space = state;
    int fd;

    if (!space->arena->memory)
        return kith__fail(KITH_EUNSUPPORTED,
                          "The space %s has a name: another process opens it by its address, and "
                          "needs no descriptor.",
                          space->arena->path);
    fd = kith__arena_fd(space->arena);
    fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return kith__fail(KITH_ESYSTEM, "The mem:// space cannot be shared: %s.", strerror(errno));
    *fd_out = fd;
    return KITH_OK;
}

static kith_err
space_remove(const struct kith__address *address)
{
    char *path = NULL;
    kith_err err;

    if (address->scheme == KITH__SCHEME_MEM)
        return kith__fail(KITH_EINVAL, "mem:// has no name to remove; it goes with its processes.");
    err = path_of(address, &path);
    if (err == KITH_OK)
        err = kith__arena_remove(where_of(address), path);
    free(path);
    return err;
}

/* ---- Objects -------------------------------------------------------------------------- */

static kith_err
find_readonly(struct kith__arena *arena, const char *name, enum kith_kind kind,
              enum kith_create create, struct kith__object *object_out)
{
    kith_err err = kith__catalog_find(arena, NULL, name, object_out);

    if (err == KITH_OK && create == KITH_MUST_CREATE)
        return kith__fail(KITH_EEXIST, "There is an object \"%s\" already.", name);
    if (err == KITH_OK && object_out->kind != kind)
        return kith__fail(KITH_ETYPE, "\"%s\" is a %s, and was opened as a %s.", name,
                          kith_kind_name(object_out->kind), kith_kind_name(kind));
    if (err == KITH_ENOENT && create == KITH_MUST_CREATE)
        return kith__fail(KITH_EPERM,
                          "The %s \"%s\" cannot be made in %s, which was opened to be "
                          "read only.",
                          kith_kind_name(kind), name, name_of(arena));
    if (err == KITH_ENOENT)
        return kith__fail(KITH_ENOENT, "There is no %s \"%s\".", kith_kind_name(kind), name);
    return err;
}

kith_err
kith__shm_object_open(struct kith__shm_space *space, const char *name, enum kith_kind kind,
                      enum kith_create create, kith__shm_init *init, void *arg,
                      struct kith__object *object_out)
{
    struct kith__self *self;
    kith_err err = kith__shm_reader(space->arena, &self);

    if (err < 0)
        return err;
    if (self == NULL)
        return find_readonly(space->arena, name, kind, create, object_out);
    return kith__catalog_open(self, name, kind, create, init, arg, object_out);
}

void
kith__shm_object_close(struct kith__arena *arena, const struct kith__keep *keep)
{
    struct kith__self *self;

    /* After the last kith_close() nothing is kept, and no slot is to be taken again. */
    if (keep->block == 0 || arena->dead || arena->holder == 0 ||
        keep->serial != atomic_load(&arena->keeps) ||
        (keep->owner != kith__owner_of(arena, arena->holder) && arena->inherited == NULL))
        return;
    self = kith__shm_self(arena);
    if (self != NULL)
        kith__reference_let_go(self, keep);
}

static kith_err
space_destroy(void *state, const char *name)
{
    struct kith__shm_space *space = state;
    struct kith__self *self = kith__shm_self(space->arena);

    return self == NULL ? kith__shm_refusal() : kith__catalog_destroy(self, name);
}

/*
 * Between the two this thread stores references to what is not there yet; with the second they are
 * counted.
 */
static kith_err
space_loading(void *state, bool begins)
{
    struct kith__shm_space *space = state;
    struct kith__self *self = kith__shm_self(space->arena);
    bool loose;

    if (self == NULL)
        return kith__shm_refusal();
    loose = self->loose;
    self->loading = begins;
    self->loose = false;
    return begins || !loose ? KITH_OK : kith__references_adopt(self);
}

static kith_err
space_rename(void *state, const char *from, const char *to)
{
    struct kith__shm_space *space = state;
    struct kith__self *self = kith__shm_self(space->arena);

    return self == NULL ? kith__shm_refusal() : kith__catalog_rename(self, from, to);
}

/* ---- Listing -------------------------------------------------------------------------- */

struct listed {
    struct kith_info info;
    char name[KITH__NAME_SIZE_MAX + 1];
};

static int
by_name(const void *a, const void *b)
{
    const struct listed *x = a;
    const struct listed *y = b;

    return strcmp(x->name, y->name);
}

/* KITH_EGONE: it was destroyed since the catalog was copied. */
static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__kind *kind = kith__kind_of(object->kind);
    const kith__word *count;

    if (kind == NULL || kith__at(arena, object->off, kith__class_size(kind->class_index)) == NULL)
        return kith__fail(KITH_ECORRUPT, "The catalog of objects is broken; run kith check.");
    if (object->id == 0)
        return KITH_EGONE;
    info->kind = object->kind;
    count = kith__reference_count(arena, object->kind, object->off);
    if (count != NULL) {
        info->references = KITH__REFERENCE_ITEMS(kith__load(count));
        info->handles = KITH__REFERENCE_HANDLES(kith__load(count));
    }
    return kind->describe(self, arena, object, info);
}

/* Fills `listed`, which has room for all of the copy. */
static kith_err
describe_all(struct kith__self *self, struct kith__arena *arena, const struct kith__copy *copy,
             struct listed *listed, size_t *count_out)
{
    size_t count = 0;

    for (uint64_t i = 0; i < copy->count; i++) {
        const struct kith__entry *entry =
            (const struct kith__entry *)(const void *)(copy->bytes + copy->entries[i].at);
        uint64_t off = kith__load(&entry->value);
        struct kith__object object = { .kind =
                                           (enum kith_kind)KITH__META_TAG(kith__load(&entry->meta)),
                                       .off = off,
                                       .id = kith__object_id(arena, off) };
        struct kith_item name = kith__copy_key(copy, i);
        struct listed *at = &listed[count];
        struct kith__made made;
        kith_err err;

        if (name.type != KITH_TYPE_STR || name.size >= sizeof(at->name))
            return kith__fail(KITH_ECORRUPT, "The catalog of objects is broken; run kith check.");
        memset(at, 0, sizeof(*at));
        memcpy(at->name, name.data, name.size);
        at->info.unnamed = kith__made_read(name.data, name.size, &made);
        err = describe(self, arena, &object, &at->info);
        if (err < 0 && err != KITH_EGONE)
            return err;
        count += err == KITH_OK;
    }
    qsort(listed, count, sizeof(*listed), by_name);
    *count_out = count;
    return KITH_OK;
}

kith_err
kith__shm_name_of(struct kith__arena *arena, struct kith__self *self, uint64_t off, uint64_t id,
                  char name[KITH__NAME_SIZE_MAX + 1])
{
    struct kith__dict catalog = kith__catalog_of(arena);
    struct kith__copy copy;
    kith_err err;

    name[0] = '\0';
    if (off == 0 || kith__object_id(arena, off) != id)
        return KITH_OK;
    err = kith__dict_copy(self, &catalog, true, &copy);
    if (err < 0)
        return err;
    for (uint64_t i = 0; i < copy.count; i++) {
        const struct kith__entry *entry =
            (const struct kith__entry *)(const void *)(copy.bytes + copy.entries[i].at);
        struct kith_item key = kith__copy_key(&copy, i);

        if (kith__load(&entry->value) == off && key.size <= KITH__NAME_SIZE_MAX) {
            memcpy(name, key.data, key.size);
            name[key.size] = '\0';
        }
    }
    kith__copy_free(&copy);
    return KITH_OK;
}

static kith_err
space_list(void *state, int (*each)(const struct kith_info *info, void *arg), void *arg)
{
    struct kith__shm_space *space = state;
    struct kith__dict catalog = kith__catalog_of(space->arena);
    struct listed *listed;
    struct kith__self *self;
    struct kith__copy copy;
    size_t count = 0;
    kith_err err = kith__shm_reader(space->arena, &self);

    if (err == KITH_OK)
        err = kith__dict_copy(self, &catalog, true, &copy);
    if (err < 0)
        return err;
    listed = kith__malloc((copy.count + 1) * sizeof(*listed));
    if (listed == NULL)
        err = kith__fail(KITH_ENOMEM, "This process has no memory for a list of the objects.");
    else
        err = describe_all(self, space->arena, &copy, listed, &count);
    kith__copy_free(&copy);
    for (size_t i = 0; err == KITH_OK && i < count; i++) {
        listed[i].info.name = listed[i].name;
        if (each(&listed[i].info, arg) != 0)
            break;
    }
    kith__free(listed);
    return err;
}

/* ---- Looking and cleaning ------------------------------------------------------------- */

static uint64_t
count_holders(struct kith__arena *arena)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->holders_top);
    uint64_t count = 0;

    for (unsigned slot = 1; slot <= top && slot <= KITH__HOLDERS_MAX; slot++)
        count +=
            KITH__SLOT_KIND(kith__load(&kith__holder_at(arena, slot)->state)) == KITH__SLOT_LIVE &&
            kith__holder_alive(arena, slot);
    return count;
}

static uint64_t
count_actors(struct kith__arena *arena)
{
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);
    uint64_t count = 0;

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++)
        count +=
            KITH__SLOT_KIND(kith__load(&kith__actor_at(arena, id)->state)) == KITH__SLOT_LIVE &&
            !kith__actor_dead(arena, id);
    return count;
}

static kith_err
count_objects(struct kith__self *self, struct kith__arena *arena, uint64_t *count_out)
{
    struct kith__dict catalog = kith__catalog_of(arena);

    return kith__dict_len(self, &catalog, count_out);
}

static kith_err
space_stat(void *state, struct kith_stat *stat_out)
{
    struct kith__shm_space *space = state;
    struct kith__arena *arena = space->arena;
    struct kith__header *header = KITH__HEADER(arena);
    struct kith__self *self;
    uint64_t objects;
    kith_err err = kith__shm_reader(arena, &self);

    if (err == KITH_OK)
        err = count_objects(self, arena, &objects);
    if (err < 0)
        return err;
    memset(stat_out->path, 0, sizeof(stat_out->path));
    if (arena->path != NULL)
        (void)snprintf(stat_out->path, sizeof(stat_out->path), "%s", arena->path);
    stat_out->size_limit = arena->granules_max * KITH__GRANULE;
    stat_out->bytes_committed = kith__arena_committed(arena);
    stat_out->bytes_used = kith__load(&header->used) * KITH__GRANULE;
    stat_out->bytes_free = kith__load(&header->dirty) * KITH__GRANULE;
    stat_out->objects = objects;
    stat_out->processes = count_holders(arena);
    stat_out->threads = count_actors(arena);
    stat_out->reaped = kith__load(&header->reaped);
    return KITH_OK;
}

static kith_err
space_check(void *state, int (*each)(const char *sentence, void *arg), void *arg,
            struct kith_report *report_out)
{
    struct kith__shm_space *space = state;
    struct kith__self *self = kith__shm_self(space->arena);
    unsigned reaped;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    reaped = kith__reap_all(self);
    err = kith__verify(self, each, arg, report_out);
    if (err == KITH_OK || err == KITH_ECORRUPT)
        report_out->reaped = reaped;
    return err;
}

static kith_err
space_gc(void *state, struct kith_report *report_out)
{
    struct kith__shm_space *space = state;
    struct kith__arena *arena = space->arena;
    struct kith__self *self = kith__shm_self(arena);
    struct kith_report report = { .blocks = 0 };
    uint64_t unreached = 0;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    report.reaped = kith__reap_all(self);
    err = kith__unreached_free(self, &unreached);
    if (err == KITH_OK)
        err = kith__limbo_sweep(self);
    if (err == KITH_OK)
        err = kith__trim(self, true, &report.bytes_freed);
    if (err == KITH_OK)
        err = kith__arena_gc_leftovers(&report.removed);
    report.removed += unreached;
    if (err == KITH_OK)
        err = count_objects(self, arena, &report.objects);
    if (err < 0)
        return err;
    report.bytes_used = kith__load(&KITH__HEADER(arena)->used) * KITH__GRANULE;
    *report_out = report;
    return KITH_OK;
}

/* ---- Replacing a broken one --------------------------------------------------------------- */

static kith_err
refuse_rebuild(const struct kith__arena *arena)
{
    if (arena->memory || arena->temporary)
        return kith__fail(KITH_EUNSUPPORTED,
                          "A %s space is not repaired: it ends with its processes.  Dump what can "
                          "still be read of it.",
                          arena->memory ? "mem://" : "temporary");
    if (arena->readonly)
        return kith__fail(KITH_EPERM,
                          "The space %s was opened to be read only, and a repair makes "
                          "it anew.",
                          arena->path);
    return KITH_OK;
}

static kith_err
make_beside(struct kith__arena *arena, struct kith__arena **fresh_out)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    char *path = NULL;
    struct stat st;
    kith_err err = kith__repair_path(arena->path, &path);

    if (err < 0)
        return err;
    options.create = KITH_MUST_CREATE;
    options.size = arena->granules_max * KITH__GRANULE;
    options.timeout_ns = arena->timeout_ns;
    if (stat(arena->path, &st) == 0)
        options.mode = (uint32_t)st.st_mode & 0666;
    err = kith__arena_open(KITH__WHERE_FILE, path, &options, fresh_out);
    free(path);
    return err;
}

static kith_err
space_rebuild(void *state, void **fresh_out)
{
    struct kith__shm_space *space = state;
    struct kith__arena *arena = space->arena;
    kith_err err = refuse_rebuild(arena);
    struct kith__shm_space *fresh;
    int excluding;

    if (err < 0)
        return err;
    fresh = kith__shm_state(sizeof(*fresh));
    if (fresh == NULL)
        return KITH_ENOMEM;
    excluding = kith__holder_exclude(arena);
    if (excluding < 0) {
        kith__free(fresh);
        return kith__fail(KITH_EUNAVAILABLE,
                          "The space %s is not repaired while other processes have it open.",
                          arena->path);
    }
    fresh->excluding = excluding;
    err = make_beside(arena, &fresh->arena);
    if (err == KITH_OK) {
        err = enter(fresh);
        if (err < 0) {
            unlink(fresh->arena->path);
            space_close(fresh);
            close(excluding);
            return err;
        }
    }
    if (err < 0) {
        close(excluding);
        kith__free(fresh);
        return err;
    }
    *fresh_out = fresh;
    return KITH_OK;
}

static kith_err
space_rebuilt(void *state, void *fresh_state, bool keep)
{
    struct kith__shm_space *space = state, *fresh = fresh_state;
    kith_err err = KITH_OK;

    if (!keep)
        unlink(fresh->arena->path);
    else if (rename(fresh->arena->path, space->arena->path) != 0) {
        err = kith__fail(KITH_ESYSTEM, "The repaired space cannot take the place of %s: %s.",
                         space->arena->path, strerror(errno));
        unlink(fresh->arena->path);
    }
    close(fresh->excluding);
    return err;
}

static kith_err
space_rescue(void *state, int (*each)(const char *name, enum kith_kind kind, void *arg), void *arg,
             uint64_t *lost_out)
{
    struct kith__shm_space *space = state;

    return kith__catalog_rescue(space->arena, each, arg, lost_out);
}

static const struct kith__space_ops space_ops = {
    .open = space_open,
    .leave = space_leave,
    .close = space_close,
    .destroy = space_destroy,
    .list = space_list,
    .stat = space_stat,
    .check = space_check,
    .gc = space_gc,
    .loading = space_loading,
    .rename = space_rename,
    .share = space_share,
    .open_fd = space_open_fd,
    .rebuild = space_rebuild,
    .rebuilt = space_rebuilt,
    .rescue = space_rescue,
    .remove = space_remove,
    .spaces = kith__arena_each,
};

const struct kith__engine kith__shm_engine = {
    .name = "shm",
    .space = &space_ops,
    .view = &kith__shm_view_ops,
    .dict = &kith__shm_dict_ops,
    .list = &kith__shm_list_ops,
    .queue = &kith__shm_queue_ops,
    .lock = &kith__shm_lock_ops,
    .rwlock = &kith__shm_rwlock_ops,
    .event = &kith__shm_event_ops,
    .semaphore = &kith__shm_semaphore_ops,
    .barrier = &kith__shm_barrier_ops,
    .condition = &kith__shm_condition_ops,
    .once = &kith__shm_once_ops,
    .limiter = &kith__shm_limiter_ops,
    .value = &kith__shm_value_ops,
    .array = &kith__shm_array_ops,
    .segment = &kith__shm_segment_ops,
    .txn = &kith__shm_txn_ops,
};
