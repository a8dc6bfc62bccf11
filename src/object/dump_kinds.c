/*
 * dump_kinds.c - how each kind of object is dumped and loaded.
 *
 * A kind is one row of the table at the end, and its entries are what its functions here write and
 * read.  Everything goes by way of the object's own functions, so that it holds on every engine.
 */
#include <string.h>

#include "base/item.h"
#include "base/key.h"
#include "object/dump.h"

static bool
nothing_to_check(const struct kith__dumped *object)
{
    (void)object;
    return true;
}

/* ---- Dicts ------------------------------------------------------------------------------ */

static int
dump_pair(struct kith_item key, struct kith_item item, void *arg)
{
    struct kith__dump *dump = arg;

    kith__dump_entry(dump);
    kith__dump_u64(dump, 0); /* no end to its time */
    kith__dump_item(dump, &key);
    kith__dump_item(dump, &item);
    return dump->err < 0;
}

static kith_err
dump_dict(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    uint64_t lost = 0;
    kith_dict *dict;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, name, &options, &dict);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_DICT, name);
    err = dump->rescue ? dict->ops->rescue(dict->handle.state, dump_pair, dump, &lost)
                       : kith_dict_each(dict, dump_pair, dump);
    dump->lost += lost;
    kith_dict_close(dict);
    return err;
}

static bool
check_pair(struct kith__cursor *entries)
{
    static const uint64_t seed[2] = { 0, 0 };
    uint64_t left_ns = kith__read_u64(entries);
    struct kith_item key = kith__read_item(entries), item = kith__read_item(entries);
    struct kith__key made;

    if (entries->bad || left_ns != 0 || kith__item_check(item) < 0 || kith__item_check(key) < 0 ||
        kith__key_make(seed, key, &made) < 0)
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
    err = kith_dict_open(space, object->as, &options, &dict);
    if (err == KITH_OK)
        object->handle = dict;
    return err;
}

static kith_err
fill_dict(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count)
{
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < count && err == KITH_OK; i++) {
        struct kith_item key, item;

        (void)kith__read_u64(entries);
        key = kith__read_item(entries);
        item = kith__read_item(entries);
        err = kith_dict_insert(object->handle, key, item);
    }
    return err;
}

static void
close_dict(void *handle)
{
    kith_dict_close(handle);
}

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
    if (queue->capacity != 0)
        kith__dump_number(dump, KITH__DUMP_QUEUE_CAPACITY, queue->capacity);
    if (queue->attempts_max != 0)
        kith__dump_number(dump, KITH__DUMP_QUEUE_ATTEMPTS_MAX, queue->attempts_max);
    if (queue->joinable)
        kith__dump_number(dump, KITH__DUMP_QUEUE_JOINABLE, 1);
    if (queue->closed)
        kith__dump_number(dump, KITH__DUMP_QUEUE_CLOSED, 1);
    if (queue->dead_letter[0] != '\0')
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
    options.joinable = kith__dumped_number(object, KITH__DUMP_QUEUE_JOINABLE) != 0;
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
    return kith__dumped_number(object, KITH__DUMP_QUEUE_CLOSED) != 0
               ? kith_queue_shutdown(object->handle)
               : KITH_OK;
}

static void
close_queue(void *handle)
{
    kith_queue_close(handle);
}

/* ---- Locks ------------------------------------------------------------------------------ */

static kith_err
dump_lock(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_lock *lock;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_lock_open(space, name, &options, &lock);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_LOCK, name);
    kith_lock_close(lock);
    return KITH_OK;
}

static kith_err
make_lock(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    kith_lock *lock;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_lock_open(space, object->as, &options, &lock);
    if (err == KITH_OK)
        object->handle = lock;
    return err;
}

static void
close_lock(void *handle)
{
    kith_lock_close(handle);
}

/* ---- Events ----------------------------------------------------------------------------- */

static kith_err
dump_event(struct kith__dump *dump, kith_space *space, const char *name)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    bool set = false;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_event_open(space, name, &options, &event);
    if (err < 0)
        return err;
    err = kith_event_is_set(event, &set);
    kith_event_close(event);
    if (err < 0)
        return err;
    kith__dump_object(dump, KITH_KIND_EVENT, name);
    if (set)
        kith__dump_number(dump, KITH__DUMP_EVENT_SET, 1);
    return KITH_OK;
}

static kith_err
make_event(kith_space *space, struct kith__dumped *object, bool alone)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    kith_err err;

    (void)alone;
    options.create = KITH_MUST_CREATE;
    err = kith_event_open(space, object->as, &options, &event);
    if (err == KITH_OK)
        object->handle = event;
    return err;
}

static kith_err
finish_event(struct kith__dumped *object)
{
    return kith__dumped_number(object, KITH__DUMP_EVENT_SET) != 0 ? kith_event_set(object->handle)
                                                                  : KITH_OK;
}

static void
close_event(void *handle)
{
    kith_event_close(handle);
}

/* ---- The table -------------------------------------------------------------------------- */

static const struct kith__dump_kind kinds[] = {
    { .kind = KITH_KIND_DICT,
      .dump = dump_dict,
      .settings = nothing_to_check,
      .entry = check_pair,
      .make = make_dict,
      .fill = fill_dict,
      .close = close_dict },
    { .kind = KITH_KIND_QUEUE,
      .dump = dump_queue,
      .settings = check_queue,
      .entry = check_queued,
      .needs = queue_needs,
      .make = make_queue,
      .fill = fill_queue,
      .finish = finish_queue,
      .close = close_queue },
    { .kind = KITH_KIND_LOCK,
      .dump = dump_lock,
      .settings = nothing_to_check,
      .make = make_lock,
      .close = close_lock },
    { .kind = KITH_KIND_EVENT,
      .dump = dump_event,
      .settings = nothing_to_check,
      .make = make_event,
      .finish = finish_event,
      .close = close_event },
};

const struct kith__dump_kind *
kith__dump_kind_of(uint64_t kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((uint64_t)kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}
