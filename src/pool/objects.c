/*
 * objects.c - the objects that a pool consists of, and what stands in its dicts.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "object/handle.h"
#include "pool/pool.h"

/* ---- Names ---------------------------------------------------------------------------- */

/* "functions" is a language's, see python/kith/_pool.py. */
static const char *const parts[] = { "tasks",    "workers", "cancels",  "stop",
                                     "standing", "reserve", "functions" };

kith_err
kith__pool_name_check(const char *function, const char *name)
{
    size_t size = strnlen(name, KITH__POOL_NAME_MAX + 1);

    if (size <= KITH__POOL_NAME_MAX && kith__name_ok(name, size))
        return KITH_OK;
    return kith__fail(KITH_EINVAL,
                      "%s() was given a bad name: a pool's is UTF-8, 1 to %d bytes, without '/'.",
                      function, KITH__POOL_NAME_MAX);
}

kith_err
kith__pool_entry_check(const char *function, const struct kith_task_entry *entry, size_t index)
{
    if (entry->name == NULL ||
        !kith__name_ok(entry->name, strnlen(entry->name, KITH__NAME_SIZE_MAX + 1)))
        return kith__fail(KITH_EINVAL,
                          "%s() was given a table of tasks whose entry %zu has no name: it is "
                          "UTF-8, 1 to %d bytes, without '/'.",
                          function, index, KITH__NAME_SIZE_MAX);
    if (entry->run == NULL)
        return kith__fail(KITH_EINVAL,
                          "%s() was given a table of tasks whose entry %zu, \"%s\", has no "
                          "function.",
                          function, index, entry->name);
    return KITH_OK;
}

void
kith__pool_part_name(const char *name, const char *part, kith__pool_part part_out)
{
    (void)snprintf(part_out, sizeof(kith__pool_part), "%s.%s", name, part);
}

void
kith__pool_results_name(const char *name, int64_t life, int64_t client, kith__pool_part part_out)
{
    (void)snprintf(part_out, sizeof(kith__pool_part), "%s.results.%llx.%llx", name,
                   (unsigned long long)life, (unsigned long long)client);
}

void
kith__pool_client_name(const char *name, int64_t life, int64_t client, kith__pool_part part_out)
{
    (void)snprintf(part_out, sizeof(kith__pool_part), "%s.client.%llx.%llx", name,
                   (unsigned long long)life, (unsigned long long)client);
}

/* ---- Opening and removing ------------------------------------------------------------- */

kith_err
kith__pool_objects_open(kith_space *space, const char *name, enum kith_create create,
                        struct kith__pool_objects *objects_out)
{
    struct kith_dict_options dict_options = KITH_DICT_OPTIONS_INIT;
    struct kith_queue_options queue_options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_event_options event_options = KITH_EVENT_OPTIONS_INIT;
    struct kith_value_options value_options = KITH_VALUE_OPTIONS_INIT;
    struct kith__pool_objects o = { .space = space };
    kith__pool_part part;
    kith_err err;

    dict_options.create = queue_options.create = event_options.create = create;
    value_options.create = create;
    memcpy(o.name, name, strlen(name) + 1);
    err = kith_dict_open(space, name, &dict_options, &o.state);
    kith__pool_part_name(name, "workers", part);
    if (err == KITH_OK)
        err = kith_dict_open(space, part, &dict_options, &o.workers);
    kith__pool_part_name(name, "cancels", part);
    if (err == KITH_OK)
        err = kith_dict_open(space, part, &dict_options, &o.cancels);
    kith__pool_part_name(name, "tasks", part);
    if (err == KITH_OK)
        err = kith_queue_open(space, part, &queue_options, &o.tasks);
    kith__pool_part_name(name, "stop", part);
    if (err == KITH_OK)
        err = kith_event_open(space, part, &event_options, &o.stop);
    kith__pool_part_name(name, "standing", part);
    if (err == KITH_OK)
        err = kith_value_open(space, part, &value_options, &o.standing);
    if (err < 0) {
        kith__pool_objects_close(&o);
        return err;
    }
    *objects_out = o;
    return KITH_OK;
}

void
kith__pool_objects_close(struct kith__pool_objects *o)
{
    kith_dict_close(o->state);
    kith_dict_close(o->workers);
    kith_dict_close(o->cancels);
    kith_queue_close(o->tasks);
    kith_event_close(o->stop);
    kith_value_close(o->standing);
}

/*
 * How many clients there were; from now on there are no more.  One that counts itself before this,
 * and makes its queue when those of all were removed, looks at the number once more.
 */
static int64_t
close_clients(struct kith__pool_objects *o)
{
    int64_t clients = kith__pool_number(o, "clients", 0);

    if (clients >= 0 &&
        kith_dict_add(o->state, KITH_STR("clients"), -KITH__POOL_CLIENTS_MAX, &clients) < 0)
        return clients;
    return clients + KITH__POOL_CLIENTS_MAX;
}

void
kith__pool_objects_destroy(kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    struct kith__pool_objects o = { .space = space };
    kith__pool_part part;
    int64_t clients = 0, life = 0;

    options.create = KITH_MUST_EXIST;
    if (kith_dict_open(space, name, &options, &o.state) == KITH_OK) {
        life = kith__pool_number(&o, "life", 0);
        clients = close_clients(&o);
    }
    kith_dict_close(o.state);
    for (int64_t client = 1; client <= clients; client++) {
        kith__pool_results_name(name, life, client, part);
        (void)kith_destroy(space, part);
        kith__pool_client_name(name, life, client, part);
        (void)kith_destroy(space, part);
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        kith__pool_part_name(name, parts[i], part);
        (void)kith_destroy(space, part);
    }
    /* The last: what it counts has gone. */
    (void)kith_destroy(space, name);
}

/* ---- The state ------------------------------------------------------------------------ */

int64_t
kith__pool_number(struct kith__pool_objects *o, const char *key, int64_t otherwise)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t number = otherwise;

    if (kith_dict_get(o->state, kith_str(key), &buf) == KITH_OK && buf.item.type == KITH_TYPE_INT)
        number = buf.item.integer;
    kith_buf_free(&buf);
    return number;
}

void
kith__pool_say(struct kith__pool_objects *o, enum kith__standing standing, const char *why)
{
    if (standing == KITH__STANDING_BROKEN)
        (void)kith_dict_set(o->state, KITH_STR("broken"), kith_str(why));
    (void)kith_value_or(o->standing, standing, NULL);
}

kith_err
kith__pool_await_end(struct kith__pool_objects *o, int64_t timeout_ns)
{
    int64_t deadline_ns = kith__deadline_ns(timeout_ns), standing = 0;
    kith_err err = kith_value_get_int(o->standing, &standing);

    while (err == KITH_OK && (standing & KITH__STANDING_ENDED) == 0) {
        err = kith_value_wait(o->standing, &standing, sizeof(standing),
                              kith__deadline_left(deadline_ns));
        if (err == KITH_OK)
            err = kith_value_get_int(o->standing, &standing);
    }
    return err;
}

kith_err
kith__pool_going(struct kith__pool_objects *o)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t standing = 0;
    kith_err err = kith_value_get_int(o->standing, &standing);

    if (err == KITH_EGONE || (err == KITH_OK && standing == KITH__STANDING_ENDED))
        return kith__fail(KITH_ECLOSED, "The pool \"%s\" has ended.", o->name);
    if (err < 0 || standing == 0)
        return err;
    if (kith_dict_get(o->state, KITH_STR("broken"), &buf) < 0 || buf.item.type != KITH_TYPE_STR ||
        buf.item.size > 300)
        err = kith__fail(KITH_EUNAVAILABLE, "The pool \"%s\" cannot go on.", o->name);
    else
        err = kith__fail(KITH_EUNAVAILABLE, "The pool \"%s\" cannot go on: %.*s", o->name,
                         (int)buf.item.size, (const char *)buf.item.data);
    kith_buf_free(&buf);
    return err;
}

/* ---- Clients -------------------------------------------------------------------------- */

void
kith__pool_remove_client(struct kith__pool_objects *o, int64_t life, int64_t client)
{
    kith__pool_part part;

    kith__pool_results_name(o->name, life, client, part);
    (void)kith_destroy(o->space, part);
    kith__pool_client_name(o->name, life, client, part);
    (void)kith_destroy(o->space, part);
    /* The last: a death before this leaves it to be found again. */
    (void)kith_dict_delete(o->state, kith_int(client));
}

struct reaping {
    struct kith__pool_objects *objects;
    int64_t life;
};

/* A key that is a number is a client, which had its permit before. */
static int
reap_client(struct kith_item key, struct kith_item item, void *arg)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct reaping *reaping = arg;
    kith_semaphore *permit = NULL;
    kith__pool_part part;
    uint32_t permits = 0;
    kith_err err;

    (void)item;
    if (key.type != KITH_TYPE_INT)
        return 0;
    options.create = KITH_MUST_EXIST;
    kith__pool_client_name(reaping->objects->name, reaping->life, key.integer, part);
    err = kith_semaphore_open(reaping->objects->space, part, &options, &permit);
    if (err == KITH_OK)
        err = kith_semaphore_value(permit, &permits);
    if (err == KITH_ENOENT || err == KITH_EGONE || (err == KITH_OK && permits > 0))
        kith__pool_remove_client(reaping->objects, reaping->life, key.integer);
    kith_semaphore_close(permit);
    return 0;
}

void
kith__pool_reap_clients(struct kith__pool_objects *o)
{
    struct reaping reaping = { o, kith__pool_number(o, "life", 0) };

    (void)kith_dict_each(o->state, reap_client, &reaping);
}

/* ---- The reserve ---------------------------------------------------------------------- */

/* Each a piece of memory by itself, which is free for anything when it was taken out. */
#define RESERVE_COUNT 2
#define RESERVE_SIZE ((size_t)128 << 10)

bool
kith__pool_reserve_fill(kith_queue *reserve)
{
    uint64_t count = 0;
    void *bytes;
    kith_err err = kith_queue_len(reserve, &count);

    if (err < 0 || count >= RESERVE_COUNT)
        return true; /* or there is no pool any more */
    bytes = kith__calloc(1, RESERVE_SIZE);
    for (; bytes != NULL && err == KITH_OK && count < RESERVE_COUNT; count++)
        err = kith_queue_put(reserve, kith_bytes(bytes, RESERVE_SIZE), 0);
    kith__free(bytes);
    return bytes != NULL && err == KITH_OK;
}

/* ---- Records of workers --------------------------------------------------------------- */

kith_err
kith__record_set(struct kith__pool_objects *o, int64_t number, const struct kith__record *record)
{
    const int64_t numbers[KITH__RECORD_NUMBERS] = {
        record->pid,   record->state,    record->kept,   record->client, record->id,
        record->index, record->since_ns, record->deaths, record->signal,
    };
    uint8_t bytes[1 + 9 * KITH__RECORD_NUMBERS];
    struct kith_item item = { .type = KITH_TYPE_PACKED, .data = bytes, .size = sizeof(bytes) };

    bytes[0] = 0x90 | KITH__RECORD_NUMBERS;
    for (size_t i = 0; i < KITH__RECORD_NUMBERS; i++) {
        bytes[1 + 9 * i] = 0xd3;
        for (unsigned j = 0; j < 8; j++)
            bytes[2 + 9 * i + j] = (uint8_t)((uint64_t)numbers[i] >> (56 - 8 * j));
    }
    return kith_dict_set(o->workers, KITH_INT(number), item);
}

bool
kith__record_read(struct kith_item item, struct kith__record *record_out)
{
    struct kith__pack_reader reader = kith__pack_reader(item.data, item.size);
    int64_t n[KITH__RECORD_NUMBERS];
    uint32_t count;

    if (item.type != KITH_TYPE_PACKED || !kith__unpack_array(&reader, &count) ||
        count != KITH__RECORD_NUMBERS)
        return false;
    for (size_t i = 0; i < KITH__RECORD_NUMBERS; i++)
        if (!kith__unpack_int(&reader, &n[i]))
            return false;
    *record_out = (struct kith__record){ .pid = n[0],
                                         .state = n[1],
                                         .kept = n[2],
                                         .client = n[3],
                                         .id = n[4],
                                         .index = n[5],
                                         .since_ns = n[6],
                                         .deaths = n[7],
                                         .signal = n[8] };
    return true;
}
