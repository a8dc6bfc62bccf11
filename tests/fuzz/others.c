/*
 * others.c - every function of lists, sets, namespaces, values, arrays, segments, rwlocks and of
 * dicts that are caches.
 */
#include "others.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_NS (3 * INT64_C(1000000))
#define ARRAY_COUNT 500u
#define ROW_SIZE 100u

const char *const others_names[OTHERS_COUNT] = { "list",   "set",       "set2",    "names",
                                                 "number", "structure", "guarded", "array",
                                                 "rows",   "segment",   "readers", "cache" };

static uint8_t noise[4000];

void
others_open(struct others *o, kith_space *space)
{
    struct kith_value_options value = KITH_VALUE_OPTIONS_INIT;
    struct kith_array_options array = KITH_ARRAY_OPTIONS_INIT;
    struct kith_segment_options segment = KITH_SEGMENT_OPTIONS_INIT;
    struct kith_dict_options cache = KITH_DICT_OPTIONS_INIT;

    if (o->list == NULL && !fuzz_enough())
        CALL(kith_list_open(space, "list", NULL, &o->list));
    if (o->set == NULL && !fuzz_enough())
        CALL(kith_set_open(space, "set", NULL, &o->set));
    if (o->set2 == NULL && !fuzz_enough())
        CALL(kith_set_open(space, "set2", NULL, &o->set2));
    if (o->names == NULL && !fuzz_enough())
        CALL(kith_namespace_open(space, "names", NULL, &o->names));
    if (o->number == NULL && !fuzz_enough())
        CALL(kith_value_open(space, "number", NULL, &o->number));
    value.size = ROW_SIZE;
    if (o->structure == NULL && !fuzz_enough())
        CALL(kith_value_open(space, "structure", &value, &o->structure));
    value.size = 1000;
    value.transactional = true;
    if (o->guarded == NULL && !fuzz_enough())
        CALL(kith_value_open(space, "guarded", &value, &o->guarded));
    array.type = 'i';
    array.count = ARRAY_COUNT;
    if (o->array == NULL && !fuzz_enough())
        CALL(kith_array_open(space, "array", &array, &o->array));
    array.type = 0;
    array.size = ROW_SIZE;
    array.count = 20;
    if (o->rows == NULL && !fuzz_enough())
        CALL(kith_array_open(space, "rows", &array, &o->rows));
    segment.size = 10000;
    if (o->segment == NULL && !fuzz_enough())
        CALL(kith_segment_open(space, "segment", &segment, &o->segment));
    if (o->rwlock == NULL && !fuzz_enough())
        CALL(kith_rwlock_open(space, "readers", NULL, &o->rwlock));
    cache.max_items = 40;
    cache.policy = KITH_DICT_SIEVE;
    if (o->cache == NULL && !fuzz_enough())
        CALL(kith_dict_open(space, "cache", &cache, &o->cache));
}

void
others_close(struct others *o)
{
    fuzz_doing("kith_view_release");
    kith_view_release(o->view);
    fuzz_doing("closing of other handles");
    kith_list_close(o->list);
    kith_set_close(o->set);
    kith_set_close(o->set2);
    kith_namespace_close(o->names);
    kith_value_close(o->number);
    kith_value_close(o->structure);
    kith_value_close(o->guarded);
    kith_array_close(o->array);
    kith_array_close(o->rows);
    kith_segment_close(o->segment);
    kith_rwlock_close(o->rwlock);
    kith_dict_close(o->cache);
    kith_buf_free(&o->buf);
    memset(o, 0, sizeof *o);
}

static struct kith_item
some_item(void)
{
    switch (fuzz_below(8)) {
    case 0:
        return kith_none();
    case 1:
        return kith_float((double)fuzz_below(5));
    case 2:
        return kith_str("some text that is longer than a word");
    case 3:
        return kith_bytes(noise, fuzz_below(sizeof noise));
    case 4:
        return kith_bytes(noise, fuzz_below(30));
    default:
        return kith_int((int64_t)fuzz_below(60));
    }
}

static void
touch(struct kith_item item)
{
    const volatile uint8_t *data = item.data;
    volatile uint8_t sum = 0;

    for (size_t i = 0; data != NULL && i < item.size; i++)
        sum = (uint8_t)(sum + data[i]);
}

static int
see(struct kith_item item, void *arg)
{
    (void)arg;
    touch(item);
    return 0;
}

static int
see_pair(struct kith_item key, struct kith_item item, void *arg)
{
    (void)arg;
    touch(key);
    touch(item);
    return 0;
}

static int
see_name(const char *name, void *arg)
{
    (void)arg;
    return strlen(name) == 0;
}

/* ---- lists ---- */

static int64_t
some_index(void)
{
    return fuzz_percent(80) ? (int64_t)fuzz_below(300) - 100 : (int64_t)fuzz_next();
}

static void
change_list(struct kith_list *list)
{
    struct kith_list_sort_options sort = KITH_LIST_SORT_OPTIONS_INIT;
    struct kith_item items[40];

    for (size_t i = 0; i < COUNTOF(items); i++)
        items[i] = some_item();
    switch (fuzz_below(12)) {
    case 0:
        CALL(kith_list_set(list, some_index(), items[0]));
        break;
    case 1:
        CALL(kith_list_append(list, items[0]));
        break;
    case 2:
        CALL(kith_list_extend(list, items, fuzz_below(COUNTOF(items))));
        break;
    case 3:
        CALL(kith_list_insert(list, some_index(), items[0]));
        break;
    case 4:
    case 5:
        CALL(kith_list_pop(list, fuzz_percent(50) ? -1 : some_index(), NULL));
        break;
    case 6:
        CALL(kith_list_remove(list, items[0]));
        break;
    case 7:
        CALL(kith_list_set_slice(list, some_index(), some_index(), 1, items,
                                 fuzz_below(COUNTOF(items))));
        break;
    case 8:
        CALL(kith_list_delete_slice(list, some_index(), some_index(), 1 + (int64_t)fuzz_below(3)));
        break;
    case 9:
        CALL(kith_list_reverse(list));
        break;
    case 10:
        sort.descending = fuzz_percent(50);
        CALL(kith_list_sort(list, &sort));
        break;
    default:
        if (fuzz_percent(10))
            CALL(kith_list_clear(list));
    }
}

static void
use_list(struct others *o)
{
    struct kith_list *list = o->list;
    uint64_t count;

    switch (list != NULL ? fuzz_below(14) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_list_len(list, &count));
        break;
    case 1:
    case 2:
        if (CALL(kith_list_get(list, some_index(), &o->buf)) == KITH_OK)
            touch(o->buf.item);
        break;
    case 3:
        CALL(kith_list_get_slice(list, some_index(), some_index(),
                                 fuzz_percent(50) ? 1 : (int64_t)fuzz_below(9) - 4, see, NULL));
        break;
    case 4:
        CALL(kith_list_each(list, see, NULL));
        break;
    case 5:
        CALL(kith_list_index(list, some_item(), some_index(), some_index(), &count));
        break;
    case 6:
        CALL(kith_list_count(list, some_item(), &count));
        break;
    default:
        change_list(list);
    }
}

/* ---- sets and namespaces ---- */

static void
use_set(struct others *o)
{
    kith_set *set = fuzz_percent(60) ? o->set : o->set2;
    kith_set *other = set == o->set ? o->set2 : o->set;
    struct kith_item members[5];
    uint64_t count;

    for (size_t i = 0; i < COUNTOF(members); i++)
        members[i] = fuzz_percent(80) ? kith_int((int64_t)fuzz_below(200)) : some_item();
    switch (set != NULL && other != NULL ? fuzz_below(14) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_set_discard(set, members[0]));
        break;
    case 1:
        CALL(kith_set_remove(set, members[0]));
        break;
    case 2:
        CALL(kith_set_has(set, members[0]));
        break;
    case 3:
        CALL(kith_set_pop(set, &o->buf));
        break;
    case 4:
        CALL(kith_set_len(set, &count));
        break;
    case 5:
        if (fuzz_percent(10))
            CALL(kith_set_clear(set));
        break;
    case 6:
        CALL(kith_set_update(set, members, COUNTOF(members)));
        break;
    case 7:
        CALL(kith_set_each(set, see, NULL));
        break;
    case 8:
        CALL(kith_set_union(set, other, see, NULL));
        break;
    case 9:
        CALL(kith_set_intersection(set, other, see, NULL));
        break;
    case 10:
        CALL(kith_set_difference(set, other, see, NULL));
        break;
    default:
        CALL(kith_set_add(set, members[0]));
    }
}

static void
use_names(struct others *o)
{
    static const char *const attributes[] = { "a", "b", "count", "an_attribute_with_a_long_name" };
    const char *attribute = attributes[fuzz_below(COUNTOF(attributes))];

    switch (o->names != NULL ? fuzz_below(6) : 99) {
    case 99:
        return;
    case 0:
    case 1:
        if (CALL(kith_namespace_get(o->names, attribute, &o->buf)) == KITH_OK)
            touch(o->buf.item);
        break;
    case 2:
        CALL(kith_namespace_delete(o->names, attribute));
        break;
    case 3:
        CALL(kith_namespace_names(o->names, see_name, NULL));
        break;
    default:
        CALL(kith_namespace_set(o->names, attribute, some_item()));
    }
}

/* ---- values ---- */

static void
use_number(kith_value *value)
{
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    int64_t n = 0, now;

    switch (value != NULL ? fuzz_below(9) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_value_get_int(value, &n));
        break;
    case 1:
        CALL(kith_value_set_int(value, 7));
        break;
    case 2:
        CALL(kith_value_exchange_int(value, 8, &n));
        break;
    case 3:
        CALL(kith_value_cas_int(value, 7, 9));
        break;
    case 4:
        CALL(kith_value_sub(value, 3, &now));
        CALL(kith_value_min(value, 3, &now));
        CALL(kith_value_max(value, 3, &now));
        break;
    case 5:
        CALL(kith_value_and(value, 255, &now));
        CALL(kith_value_or(value, 3, &now));
        CALL(kith_value_xor(value, 5, &now));
        break;
    case 6:
        CALL(kith_value_info(value, &info));
        break;
    case 7:
        CALL(kith_value_wait(value, &n, sizeof n, fuzz_percent(70) ? 0 : WAIT_NS));
        break;
    default:
        CALL(kith_value_add(value, 1, &now));
    }
}

/* A structure, guarded or not.  What came out is as long as it was asked for, whatever is there. */
static void
use_structure(kith_value *value, size_t size)
{
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    uint8_t bytes[1000], old[1000];

    memset(bytes, (int)fuzz_below(3), sizeof bytes);
    memset(old, 0, sizeof old);
    switch (value != NULL ? fuzz_below(6) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_value_get(value, bytes, size));
        break;
    case 1:
        CALL(kith_value_set(value, bytes, size));
        break;
    case 2:
        CALL(kith_value_exchange(value, bytes, old, size));
        break;
    case 3:
        CALL(kith_value_cas(value, old, bytes, size));
        break;
    case 4:
        CALL(kith_value_info(value, &info));
        break;
    default:
        CALL(kith_value_wait(value, old, size, fuzz_percent(70) ? 0 : WAIT_NS));
    }
}

static void
use_value(struct others *o)
{
    switch (fuzz_below(3)) {
    case 0:
        use_number(o->number);
        break;
    case 1:
        use_structure(o->structure, ROW_SIZE);
        break;
    default:
        use_structure(o->guarded, 1000);
    }
}

/* ---- arrays and segments ---- */

static void
take_view(struct others *o, kith_view *view)
{
    fuzz_doing("reading a view");
    touch(kith_view_item(view));
    fuzz_doing("kith_view_release");
    kith_view_release(o->view);
    o->view = view;
}

static void
use_array(struct others *o)
{
    bool rows = fuzz_percent(40);
    kith_array *array = rows ? o->rows : o->array;
    size_t size = rows ? ROW_SIZE : 4;
    uint64_t count = rows ? 20 : ARRAY_COUNT, some = 1 + fuzz_below(count), now_count;
    uint64_t index = fuzz_below(fuzz_percent(90) ? count : 2 * count);
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    uint8_t bytes[ARRAY_COUNT * 4] = { 0 };
    struct kith_owner owner;
    kith_view *view = NULL;
    int64_t now;

    switch (array != NULL ? fuzz_below(14) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_array_get(array, index, bytes, size));
        break;
    case 1:
        CALL(kith_array_set(array, index, bytes, size));
        break;
    case 2:
        CALL(kith_array_cas(array, index, bytes, noise, size));
        break;
    case 3:
        CALL(kith_array_get_int(array, index, &now));
        CALL(kith_array_set_int(array, index, 5));
        break;
    case 4:
        CALL(kith_array_add(array, index, 1, &now));
        break;
    case 5:
        CALL(kith_array_get_slice(array, index, fuzz_percent(50) ? 1 : -1, some, bytes,
                                  (size_t)some * size));
        break;
    case 6:
        CALL(kith_array_set_slice(array, 0, 1, some, bytes, (size_t)some * size));
        break;
    case 7:
    case 8:
        if (CALL(kith_array_view(array, &view)) == KITH_OK)
            take_view(o, view);
        break;
    case 9:
        CALL(kith_array_publish(array, bytes, (size_t)count * size));
        break;
    case 10:
        if (CALL(kith_array_stage(array, &view)) != KITH_OK)
            break;
        fuzz_doing("writing to a staged view");
        memset(kith_view_memory(view), 1, kith_view_size(view));
        if (fuzz_percent(80))
            CALL(kith_array_publish_staged(array, view));
        take_view(o, view);
        break;
    case 11:
        CALL(kith_array_info(array, &info));
        CALL(kith_array_len(array, &now_count));
        break;
    case 12:
        CALL(kith_array_lock(array, fuzz_percent(50) ? 0 : WAIT_NS));
        CALL(kith_array_owner(array, &owner));
        break;
    default:
        CALL(kith_array_unlock(array));
    }
}

static void
use_segment(struct others *o)
{
    kith_view *view = NULL;
    uint64_t size;

    switch (o->segment != NULL ? fuzz_below(5) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_segment_size(o->segment, &size));
        break;
    case 1:
        CALL(kith_segment_resize(o->segment, 1 + fuzz_below(fuzz_percent(70) ? 20000 : 300000)));
        break;
    case 2:
        if (fuzz_percent(10))
            CALL(kith_segment_unlink(o->segment));
        break;
    default:
        if (CALL(kith_segment_view(o->segment, &view)) == KITH_OK)
            take_view(o, view);
    }
}

/* ---- rwlocks and polling ---- */

static void
use_rwlock(struct others *o)
{
    int64_t timeout_ns = fuzz_percent(60) ? 0 : WAIT_NS;
    struct kith_owner owner;
    bool locked;
    int fd;

    switch (o->rwlock != NULL ? fuzz_below(7) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_rwlock_acquire(o->rwlock, timeout_ns));
        break;
    case 1:
        CALL(kith_rwlock_acquire_shared(o->rwlock, timeout_ns));
        break;
    case 2:
        CALL(kith_rwlock_locked(o->rwlock, &locked));
        break;
    case 3:
        CALL(kith_rwlock_owner(o->rwlock, &owner));
        break;
    case 4:
        CALL(kith_poll_fd(o->rwlock, &fd));
        break;
    default:
        CALL(kith_rwlock_release(o->rwlock));
    }
}

/* ---- caches ---- */

static kith_err
compute(struct kith_item key, struct kith_item *item_out, void *arg)
{
    (void)arg;
    touch(key);
    *item_out = some_item();
    return fuzz_percent(10) ? KITH_EINVAL : KITH_OK;
}

static kith_err
update(const struct kith_item *now, struct kith_item *item_out, void *arg)
{
    (void)arg;
    if (now != NULL)
        touch(*now);
    *item_out = some_item();
    return fuzz_percent(10) ? KITH_ENOENT : KITH_OK;
}

static void
look_at_snapshot(kith_dict *dict, struct kith_item key)
{
    kith_snapshot *snapshot = NULL;
    struct kith_item item;

    if (CALL(kith_dict_snapshot(dict, &snapshot)) != KITH_OK)
        return;
    if (CALL(kith_snapshot_get(snapshot, key, &item)) == KITH_OK)
        touch(item);
    CALL(kith_snapshot_each(snapshot, see_pair, NULL));
    kith_snapshot_release(snapshot);
}

static void
use_cache(struct others *o)
{
    struct kith_item key = kith_int((int64_t)fuzz_below(80));
    struct kith_dict_set_options set = KITH_DICT_SET_OPTIONS_INIT;
    struct kith_compute_options options = KITH_COMPUTE_OPTIONS_INIT;
    int64_t timeout_ns = fuzz_percent(70) ? 0 : WAIT_NS, left_ns;
    uint64_t version = 0, count;
    bool stale;

    set.ttl_ns = fuzz_percent(50) ? 0 : 1 + (int64_t)fuzz_below(WAIT_NS);
    options.ttl_ns = set.ttl_ns;
    options.stale_ns = fuzz_percent(50) ? 0 : WAIT_NS;
    switch (o->cache != NULL ? fuzz_below(15) : 99) {
    case 99:
        return;
    case 0:
        CALL(kith_dict_ttl(o->cache, key, &left_ns));
        break;
    case 1:
        CALL(kith_dict_expire(o->cache, key, 1 + (int64_t)fuzz_below(WAIT_NS)));
        break;
    case 2:
        CALL(kith_dict_persist(o->cache, key));
        CALL(kith_dict_touch(o->cache, key));
        break;
    case 3:
        CALL(kith_dict_get_stale(o->cache, key, &o->buf, &stale));
        break;
    case 4:
        CALL(kith_dict_purge(o->cache, &count));
        break;
    case 5:
    case 6:
        if (CALL(kith_dict_get_or_compute(o->cache, key, compute, NULL, &options, timeout_ns,
                                          &o->buf)) == KITH_OK)
            touch(o->buf.item);
        break;
    case 7:
        CALL(kith_dict_update(o->cache, key, update, NULL));
        break;
    case 8:
        if (fuzz_percent(50))
            CALL(kith_dict_get_version(o->cache, key, &o->buf, &version));
        CALL(kith_dict_wait(o->cache, key, version, timeout_ns, &o->buf, &version));
        break;
    case 9:
        CALL(kith_dict_scan(o->cache, kith_bytes("x", fuzz_below(2)), fuzz_below(4), see_pair,
                            NULL));
        break;
    case 10:
        look_at_snapshot(o->cache, key);
        break;
    case 11:
        CALL(kith_dict_delete(o->cache, key));
        break;
    default:
        CALL(kith_dict_set_with(o->cache, fuzz_percent(80) ? key : kith_bytes("xyz", 3),
                                some_item(), &set));
    }
}

/* ---- all of them ---- */

void
others_use(struct others *o)
{
    static void (*const uses[])(struct others *) = { use_list,   use_list,  use_set,   use_names,
                                                     use_value,  use_array, use_array, use_segment,
                                                     use_rwlock, use_cache, use_cache };

    uses[fuzz_below(COUNTOF(uses))](o);
}

void
others_fill(struct others *o)
{
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)fuzz_next();
    for (uint64_t n = fuzz_below(300); n > 0; n--)
        CALL(kith_list_append(o->list, some_item()));
    for (int i = 0; i < 60; i++) {
        CALL(kith_set_add(o->set, kith_int(i)));
        CALL(kith_set_add(o->set2, kith_int(i + 30)));
        use_names(o);
        use_array(o);
        use_cache(o);
    }
}
