/*
 * dump_containers.c - how dicts, lists, sets, namespaces and queues are dumped and loaded.
 */
#include <kith/namespace.h>
#include <kith/set.h>
#include <string.h>

#include "base/item.h"
#include "base/key.h"
#include "object/dump.h"

/* ---- Dicts ------------------------------------------------------------------------------ */

static int
dump_pair(const struct kith__pair *pair, void *arg)
{
    struct kith__dump *dump = arg;

    kith__dump_entry(dump);
    kith__dump_u64(dump, (uint64_t)pair->left_ns);
    kith__dump_item(dump, &pair->key);
    kith__dump_item(dump, &pair->item);
    return dump->err < 0;
}

/* Bounds never change, so that they may be asked for before the instant of the copy. */
static kith_err
dump_bounds(struct kith__dump *dump, kith_dict *dict)
{
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_err err = kith_dict_info(dict, &info);

    if (err < 0)
        return dump->rescue ? KITH_OK : err;
    kith__dump_number(dump, KITH__DUMP_DICT_MAX_ITEMS, info.max_items);
    kith__dump_number(dump, KITH__DUMP_DICT_MAX_BYTES, info.max_bytes);
    kith__dump_number(dump, KITH__DUMP_DICT_POLICY, (uint64_t)info.policy);
    return KITH_OK;
}

static kith_err
dump_dict(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    unsigned told = kith__told();
    uint64_t lost = 0;
    kith_dict *dict;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, name, &options, &dict);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_DICT, name);
    err = dump_bounds(dump, dict);
    if (err == KITH_OK)
        err = dict->ops->copy(dict->handle.state, dump->rescue, dump_pair, dump, &lost);
    if (err < 0)
        err = kith__fail_outcome(&dict->handle, err, told, NULL);
    dump->lost += lost;
    kith_dict_close(dict);
    return err;
}

static bool
check_dict(const struct kith__dumped *object)
{
    return kith__dumped_number(object, KITH__DUMP_DICT_POLICY) <= KITH_DICT_SIEVE;
}

static bool
check_pair(struct kith__cursor *entries)
{
    static const uint64_t seed[2] = { 0, 0 };
    uint64_t left_ns = kith__read_u64(entries);
    struct kith_item key = kith__read_item(entries), item = kith__read_item(entries);
    struct kith__key made;

    if (entries->bad || left_ns > INT64_MAX || kith__item_check(item) < 0 ||
        kith__item_check(key) < 0 || kith__key_make(seed, key, &made) < 0)
        return false;
    kith__key_free(&made);
    return true;
}

static kith_err
make_dict(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    kith_dict *dict;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    options.max_items = kith__dumped_number(object, KITH__DUMP_DICT_MAX_ITEMS);
    options.max_bytes = kith__dumped_number(object, KITH__DUMP_DICT_MAX_BYTES);
    options.policy = (enum kith_dict_policy)kith__dumped_number(object, KITH__DUMP_DICT_POLICY);
    err = kith_dict_open(space, object->as, &options, &dict);
    if (err == KITH_OK)
        object->handle = dict;
    return err;
}

static kith_err
fill_dict(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_dict *dict = object->handle;
    unsigned told = kith__told();
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < count && err >= 0; i++) {
        struct kith__edit edit = { .what = KITH__EDIT_INSERT };
        struct kith_item key, item;

        edit.ttl_ns = (int64_t)kith__read_u64(entries);
        key = kith__read_item(entries);
        item = kith__read_item(entries);
        edit.item = &item;
        err = dict->ops->edit(dict->handle.state, &key, &edit);
    }
    return err < 0 ? kith__fail_outcome(&dict->handle, err, told, NULL) : KITH_OK;
}

static void
close_dict(void *handle)
{
    kith_dict_close(handle);
}

const struct kith__dump_kind kith__dump_dict = {
    .kind = KITH_KIND_DICT,
    .dump = dump_dict,
    .settings = check_dict,
    .entry = check_pair,
    .make = make_dict,
    .fill = fill_dict,
    .close = close_dict,
};

/* ---- Lists, sets and namespaces ----------------------------------------------------------- */

static int
dump_one(struct kith_item item, void *arg)
{
    struct kith__dump *dump = arg;

    kith__dump_entry(dump);
    kith__dump_item(dump, &item);
    return dump->err < 0;
}

static bool
check_one(struct kith__cursor *entries)
{
    struct kith_item item = kith__read_item(entries);

    return !entries->bad && kith__item_check(item) == KITH_OK;
}

static kith_err
dump_list(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_list_options options = KITH_LIST_OPTIONS_INIT;
    struct kith_list *list;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_list_open(space, name, &options, &list);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_LIST, name);
    err = kith_list_each(list, dump_one, dump);
    kith_list_close(list);
    return err;
}

static kith_err
make_list(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_list_options options = KITH_LIST_OPTIONS_INIT;
    struct kith_list *list;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_list_open(space, object->as, &options, &list);
    if (err == KITH_OK)
        object->handle = list;
    return err;
}

static kith_err
fill_list(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < count && err == KITH_OK; i++)
        err = kith_list_append(object->handle, kith__read_item(entries));
    return err;
}

static void
close_list(void *handle)
{
    kith_list_close(handle);
}

const struct kith__dump_kind kith__dump_list = {
    .kind = KITH_KIND_LIST,
    .dump = dump_list,
    .settings = kith__dumped_any,
    .entry = check_one,
    .make = make_list,
    .fill = fill_list,
    .close = close_list,
};

static kith_err
dump_set(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_set_options options = KITH_SET_OPTIONS_INIT;
    kith_set *set;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_set_open(space, name, &options, &set);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_SET, name);
    err = kith_set_each(set, dump_one, dump);
    kith_set_close(set);
    return err;
}

static bool
check_member(struct kith__cursor *entries)
{
    static const uint64_t seed[2] = { 0, 0 };
    struct kith_item member = kith__read_item(entries);
    struct kith__key made;

    if (entries->bad || kith__item_check(member) < 0 || kith__key_make(seed, member, &made) < 0)
        return false;
    kith__key_free(&made);
    return true;
}

static kith_err
make_set(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_set_options options = KITH_SET_OPTIONS_INIT;
    kith_set *set;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_set_open(space, object->as, &options, &set);
    if (err == KITH_OK)
        object->handle = set;
    return err;
}

static kith_err
fill_set(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < count && err == KITH_OK; i++)
        err = kith_set_add(object->handle, kith__read_item(entries));
    return err;
}

static void
close_set(void *handle)
{
    kith_set_close(handle);
}

const struct kith__dump_kind kith__dump_set = {
    .kind = KITH_KIND_SET,
    .dump = dump_set,
    .settings = kith__dumped_any,
    .entry = check_member,
    .make = make_set,
    .fill = fill_set,
    .close = close_set,
};

/* An entry as that of a dict; an attribute's name is the key. */
static int
dump_attribute(struct kith_item key, struct kith_item item, void *arg)
{
    struct kith__pair pair = { .key = key, .item = item };

    return dump_pair(&pair, arg);
}

static kith_err
dump_namespace(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_namespace_options options = KITH_NAMESPACE_OPTIONS_INIT;
    kith_namespace *names;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_namespace_open(space, name, &options, &names);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_NAMESPACE, name);
    err = names->ops->each(names->handle.state, true, dump_attribute, dump);
    kith_namespace_close(names);
    return err;
}

static kith_err
make_namespace(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_namespace_options options = KITH_NAMESPACE_OPTIONS_INIT;
    kith_namespace *names;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_namespace_open(space, object->as, &options, &names);
    if (err == KITH_OK)
        object->handle = names;
    return err;
}

static bool
check_attribute(struct kith__cursor *entries)
{
    uint64_t left_ns = kith__read_u64(entries);
    struct kith_item key = kith__read_item(entries), item = kith__read_item(entries);

    return !entries->bad && left_ns == 0 && key.type == KITH_TYPE_STR && key.size > 0 &&
           kith__item_check(key) == KITH_OK && kith__item_check(item) == KITH_OK;
}

static kith_err
fill_namespace(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_namespace *names = object->handle;
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < count && err == KITH_OK; i++) {
        struct kith_item key, item;

        (void)kith__read_u64(entries);
        key = kith__read_item(entries);
        item = kith__read_item(entries);
        err = names->ops->set(names->handle.state, &key, &item);
    }
    return err;
}

static void
close_namespace(void *handle)
{
    kith_namespace_close(handle);
}

const struct kith__dump_kind kith__dump_namespace = {
    .kind = KITH_KIND_NAMESPACE,
    .dump = dump_namespace,
    .settings = kith__dumped_any,
    .entry = check_attribute,
    .make = make_namespace,
    .fill = fill_namespace,
    .close = close_namespace,
};

/* ---- Queues ----------------------------------------------------------------------------- */

struct dumping_queue {
    struct kith__dump *dump;
    struct kith__dump_queue queue;
    const char *name;
    bool begun;
};

static void
begin_queue(struct dumping_queue *dumping)
{
    struct kith__dump *dump = dumping->dump;
    const struct kith__dump_queue *queue = &dumping->queue;

    dumping->begun = true;
    kith__dump_object(dump, KITH_KIND_QUEUE, dumping->name);
    kith__dump_number(dump, KITH__DUMP_QUEUE_CAPACITY, queue->capacity);
    kith__dump_number(dump, KITH__DUMP_QUEUE_ATTEMPTS_MAX, queue->attempts_max);
    kith__dump_flag(dump, KITH__DUMP_QUEUE_JOINABLE, queue->joinable);
    kith__dump_flag(dump, KITH__DUMP_QUEUE_LENDING, queue->lending);
    kith__dump_flag(dump, KITH__DUMP_QUEUE_CLOSED, queue->closed);
    kith__dump_text(dump, KITH__DUMP_QUEUE_DEAD_LETTER, queue->dead_letter);
}

static int
dump_queued(const struct kith__dump_item *item, void *arg)
{
    struct dumping_queue *dumping = arg;
    struct kith__dump *dump = dumping->dump;

    if (dump->rescue && kith__item_check(item->item) < 0) {
        dump->lost++;
        return 0;
    }
    if (!dumping->begun)
        begin_queue(dumping);
    kith__dump_entry(dump);
    kith__dump_u32(dump, item->attempts);
    kith__dump_u64(dump, (uint64_t)item->priority);
    kith__dump_u64(dump, (uint64_t)item->delay_ns);
    kith__dump_item(dump, &item->item);
    return dump->err < 0;
}

static kith_err
dump_queue(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct dumping_queue dumping = { .dump = dump, .name = name };
    unsigned told = kith__told();
    kith_queue *queue;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_queue_open(space, name, &options, &queue);
    if (err < 0)
        return err;
    err =
        queue->ops->copy(queue->handle.state, dump->rescue, &dumping.queue, dump_queued, &dumping);
    if (err == KITH_OK && !dumping.begun)
        begin_queue(&dumping);
    if (err < 0)
        err = kith__fail_outcome(&queue->handle, err, told, NULL);
    dump->lost += dumping.queue.lost;
    kith_queue_close(queue);
    return err;
}

static void
queue_needs(const struct kith__dumped *object, char name[KITH__NAME_SIZE_MAX + 1])
{
    kith__dumped_text(object, KITH__DUMP_QUEUE_DEAD_LETTER, name, KITH__NAME_SIZE_MAX + 1);
}

static bool
check_queue(const struct kith__dumped *object)
{
    char letters[KITH__NAME_SIZE_MAX + 1];

    queue_needs(object, letters);
    return (letters[0] == '\0' ||
            (kith__name_ok(letters, strlen(letters)) && strcmp(letters, object->name) != 0)) &&
           kith__dumped_number(object, KITH__DUMP_QUEUE_ATTEMPTS_MAX) <= UINT32_MAX;
}

static struct kith__dump_item
read_queued(struct kith__cursor *entries)
{
    struct kith__dump_item queued = { .attempts = kith__read_u32(entries) };

    queued.priority = (int64_t)kith__read_u64(entries);
    queued.delay_ns = (int64_t)kith__read_u64(entries);
    if (queued.delay_ns < 0)
        entries->bad = true;
    queued.item = kith__read_item(entries);
    return queued;
}

static bool
check_queued(struct kith__cursor *entries)
{
    struct kith__dump_item queued = read_queued(entries);

    return !entries->bad && kith__item_check(queued.item) == KITH_OK;
}

/* A dead-letter queue that is not there yet is made first, and remembered. */
static kith_err
make_letters(kith_space *space, struct kith__dumped *object, const char *letters)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *queue;
    kith_err err;

    options.create = KITH_MUST_CREATE;
    err = kith_queue_open(space, letters, &options, &queue);
    if (err == KITH_EEXIST)
        return KITH_OK;
    if (err < 0)
        return err;
    memcpy(object->also, letters, strlen(letters) + 1);
    kith_queue_close(queue);
    return KITH_OK;
}

static kith_err
make_queue(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    char letters[KITH__NAME_SIZE_MAX + 1];
    kith_queue *queue;
    kith_err err = KITH_OK;

    queue_needs(object, letters);
    options.create = KITH_MUST_CREATE;
    options.capacity = kith__dumped_number(object, KITH__DUMP_QUEUE_CAPACITY);
    options.attempts_max = (uint32_t)kith__dumped_number(object, KITH__DUMP_QUEUE_ATTEMPTS_MAX);
    options.joinable = kith__dumped_flag(object, KITH__DUMP_QUEUE_JOINABLE);
    options.lending = kith__dumped_flag(object, KITH__DUMP_QUEUE_LENDING);
    if (letters[0] != '\0' && !alone && strcmp(letters, object->as) != 0) {
        options.dead_letter = letters;
        err = make_letters(space, object, letters);
    }
    if (err == KITH_OK)
        err = kith_queue_open(space, object->as, &options, &queue);
    if (err == KITH_OK)
        object->handle = queue;
    return err;
}

static kith_err
fill_queue(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_queue *queue = object->handle;
    struct kith__dump_item batch[KITH__DUMP_BATCH];
    unsigned told = kith__told();
    kith_err err = KITH_OK;
    uint32_t n;

    for (uint32_t done = 0; done < count && err == KITH_OK; done += n) {
        for (n = 0; n < KITH__DUMP_BATCH && done + n < count; n++)
            batch[n] = read_queued(entries);
        err = queue->ops->restore(queue->handle.state, batch, n);
    }
    return err < 0 ? kith__fail_outcome(&queue->handle, err, told, NULL) : KITH_OK;
}

static kith_err
finish_queue(struct kith__dumped *object)
{
    return kith__dumped_flag(object, KITH__DUMP_QUEUE_CLOSED) ? kith_queue_shutdown(object->handle)
                                                              : KITH_OK;
}

static void
close_queue(void *handle)
{
    kith_queue_close(handle);
}

const struct kith__dump_kind kith__dump_queue = {
    .kind = KITH_KIND_QUEUE,
    .dump = dump_queue,
    .settings = check_queue,
    .entry = check_queued,
    .needs = queue_needs,
    .needs_kind = KITH_KIND_QUEUE,
    .make = make_queue,
    .fill = fill_queue,
    .finish = finish_queue,
    .close = close_queue,
};
