/*
 * scenarios.c - the operations that are stepped through, each with what can be seen of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stepper.h"

/* ---- Acting ------------------------------------------------------------------------------- */

static void
key_of(struct stage *stage, const char *name, struct kith__key *key)
{
    if (kith__key_make(stage->arena->hash_key, kith_str(name), key) < 0)
        abort();
}

static void
change(struct stage *stage, struct kith__self *self, const struct kith__dict *dict,
       const char *name, enum kith__change_what what, struct kith_item item)
{
    struct kith__change how = { .what = what, .item = item, .expected = KITH_INT(1) };
    struct kith__key key;

    key_of(stage, name, &key);
    kith__dict_change(self, dict, &key, &how);
}

static void
set(struct stage *stage, struct kith__self *self, const char *name, struct kith_item item)
{
    change(stage, self, &stage->a, name, KITH__CHANGE_SET, item);
}

static void
put(struct stage *stage, struct kith__self *self, const char *text)
{
    struct kith_item item = kith_str(text);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

static void
fill(struct stage *stage, struct kith__self *self, unsigned from, unsigned to)
{
    char name[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(name, sizeof name, "key%u", i);
        set(stage, self, name, KITH_INT(i));
    }
}

/* ---- Setting up ---------------------------------------------------------------------------- */

static void
few_keys(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "one", KITH_INT(1));
    set(stage, self, "text", kith_str("a text of more than eight bytes"));
    set(stage, self, "last", KITH_INT(3));
    put(stage, self, "first item");
    put(stage, self, "second item");
    put(stage, self, "third item");
}

static void
full_table(struct stage *stage, struct kith__self *self)
{
    fill(stage, self, 0, 10); /* two buckets, at three quarters */
}

static void
nearly_spread(struct stage *stage, struct kith__self *self)
{
    fill(stage, self, 0, KITH__SPREAD_AT);
}

static void
wide(struct stage *stage, struct kith__self *self)
{
    fill(stage, self, 0, KITH__SPREAD_AT + 20);
    few_keys(stage, self);
}

static void
few_and_held(struct stage *stage, struct kith__self *self)
{
    few_keys(stage, self);
    kith__mutex_acquire(self, &stage->lock, 0);
}

static void
lease_first(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;

    kith__queue_lease(self, &stage->q, 0, &buf, &stage->lent);
    kith_buf_free(&buf);
}

static void
lease_twice(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self);
    kith__queue_nack(self, &stage->q, &stage->lent);
    lease_first(stage, self);
}

static void
warm_up(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "warm", kith_str("a text that takes a block of its own"));
    change(stage, self, &stage->a, "warm", KITH__CHANGE_DELETE, kith_none());
}

static void
take_lock(struct stage *stage, struct kith__self *self)
{
    kith__mutex_acquire(self, &stage->lock, 0);
}

/* ---- The operations -------------------------------------------------------------------------- */

static void
set_new(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "new", KITH_INT(9));
}

static void
set_new_text(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "new", kith_str("another text of more than eight bytes"));
}

static void
set_over_number(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "one", KITH_INT(9));
}

static void
set_over_text(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "text", kith_str("another text of more than eight bytes"));
}

static void
set_big(struct stage *stage, struct kith__self *self)
{
    set(stage, self, "text", kith_bytes(stage->big, 60000));
}

static void
add(struct stage *stage, struct kith__self *self)
{
    struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__key key;

    key_of(stage, "one", &key);
    kith__dict_number(self, &stage->a, &key, &one, NULL);
}

static void
add_new(struct stage *stage, struct kith__self *self)
{
    struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__key key;

    key_of(stage, "count", &key);
    kith__dict_number(self, &stage->a, &key, &one, NULL);
}

static void
delete_text(struct stage *stage, struct kith__self *self)
{
    change(stage, self, &stage->a, "text", KITH__CHANGE_DELETE, kith_none());
}

static void
pop(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__change how = { .what = KITH__CHANGE_DELETE, .out = &buf };
    struct kith__key key;

    key_of(stage, "text", &key);
    kith__dict_change(self, &stage->a, &key, &how);
}

static void
popitem(struct stage *stage, struct kith__self *self)
{
    kith__dict_popitem(self, &stage->a, NULL, NULL);
}

static void
cas(struct stage *stage, struct kith__self *self)
{
    change(stage, self, &stage->a, "one", KITH__CHANGE_CAS, kith_str("a text instead of a number"));
}

static void
clear(struct stage *stage, struct kith__self *self)
{
    kith__dict_clear(self, &stage->a);
}

static void
run_txn(struct kith__self *self, struct kith__txn_step *steps, size_t count)
{
    size_t failed;

    kith__txn_run(self, steps, count, &failed);
}

static void
add_many(struct stage *stage, struct kith__self *self)
{
    static const char *const names[] = { "one", "n1", "n2", "last", "n3", "n4", "n5", "n6" };
    struct kith__txn_step steps[8] = { 0 };
    struct kith__key keys[8];

    for (unsigned i = 0; i < 8; i++) {
        key_of(stage, names[i], &keys[i]);
        steps[i].what = KITH__TXN_ADD;
        steps[i].dict = stage->a;
        steps[i].key = &keys[i];
        steps[i].n = 1;
    }
    run_txn(self, steps, 8);
}

/* More words than the slot has room for: the record goes to an extent. */
static void
add_very_many(struct stage *stage, struct kith__self *self)
{
    enum { COUNT = 60 };
    struct kith__txn_step *steps = calloc(COUNT, sizeof *steps);
    struct kith__key *keys = calloc(COUNT, sizeof *keys);
    char name[COUNT][16];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name[i], sizeof name[i], "many%u", i);
        key_of(stage, name[i], &keys[i]);
        steps[i].what = KITH__TXN_ADD;
        steps[i].dict = stage->a;
        steps[i].key = &keys[i];
        steps[i].n = 1;
    }
    run_txn(self, steps, COUNT);
}

static void
txn(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[5] = { 0 };
    struct kith__key one, fresh, other;

    key_of(stage, "one", &one);
    key_of(stage, "fresh", &fresh);
    key_of(stage, "other", &other);
    steps[0] =
        (struct kith__txn_step){ .what = KITH__TXN_ADD, .dict = stage->a, .key = &one, .n = 10 };
    steps[1] = (struct kith__txn_step){ .what = KITH__TXN_SET,
                                        .dict = stage->b,
                                        .key = &fresh,
                                        .item = kith_str("a text of more than eight bytes") };
    steps[2] = (struct kith__txn_step){
        .what = KITH__TXN_SET, .dict = stage->a, .key = &other, .item = KITH_INT(5)
    };
    steps[3] =
        (struct kith__txn_step){ .what = KITH__TXN_ACK, .queue = stage->q, .lent = stage->lent };
    steps[4] = (struct kith__txn_step){ .what = KITH__TXN_PUT,
                                        .queue = stage->letters,
                                        .item = kith_str("result") };
    run_txn(self, steps, 5);
}

static void
queue_put(struct stage *stage, struct kith__self *self)
{
    put(stage, self, "fourth item");
}

static void
queue_put_many(struct stage *stage, struct kith__self *self)
{
    struct kith_item items[40];

    for (unsigned i = 0; i < 40; i++)
        items[i] = kith_str("one of forty items");
    kith__queue_put(self, &stage->q, items, 40, 0);
}

static void
queue_put_big(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_bytes(stage->big, 60000);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

static void
queue_get(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->q, 1, 0, &buf, &got);
}

static void
queue_get_waiting(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->letters, 1, INT64_MAX, &buf, &got);
}

static void
put_letter(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_str("a letter");

    kith__queue_put(self, &stage->letters, &item, 1, 0);
}

static void
queue_ack(struct stage *stage, struct kith__self *self)
{
    kith__queue_ack(self, &stage->q, &stage->lent);
}

static void
queue_nack(struct stage *stage, struct kith__self *self)
{
    kith__queue_nack(self, &stage->q, &stage->lent);
}

static void
queue_shutdown(struct stage *stage, struct kith__self *self)
{
    kith__queue_shutdown(self, &stage->q);
}

static void
lock_acquire(struct stage *stage, struct kith__self *self)
{
    kith__mutex_acquire(self, &stage->lock, 0);
}

static void
lock_acquire_waiting(struct stage *stage, struct kith__self *self)
{
    self->spin = 16;
    kith__mutex_acquire(self, &stage->lock, INT64_MAX);
}

static void
lock_release(struct stage *stage, struct kith__self *self)
{
    kith__mutex_release(self, &stage->lock);
}

static void
event_set(struct stage *stage, struct kith__self *self)
{
    kith__event_set(self, &stage->event);
}

static void
refill_and_flush(struct stage *stage, struct kith__self *self)
{
    fill(stage, self, 100, 140);
    for (unsigned i = 100; i < 140; i++) {
        char name[32];

        snprintf(name, sizeof name, "key%u", i);
        change(stage, self, &stage->a, name, KITH__CHANGE_DELETE, kith_none());
    }
}

static void
make_object(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    kith__catalog_open(self, "made", KITH_KIND_DICT, KITH_CREATE_OR_OPEN, init_dict, NULL, &object);
    (void)stage;
}

static void
destroy_dict(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "a");
}

static void
destroy_queue(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "q");
}

static void
register_thread(struct stage *stage, struct kith__self *self)
{
    (void)self;
    kith__self_of(stage->arena);
}

static void
do_nothing(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    (void)self;
}

static void
leave_in_order(struct stage *stage, struct kith__self *self)
{
    stage->arena->on_leave(self, true);
}

/* ---- What can be seen ------------------------------------------------------------------------ */

static void
see_dicts(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_dict(self, &stage->a, &at, end);
    print_dict(self, &stage->b, &at, end);
    /* And the survivor can go on with it. */
    add_new(stage, self);
    set_new_text(stage, self);
    delete_text(stage, self);
}

static void
see_objects(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__dict catalog = kith__catalog_of(stage->arena);
    char *at = text, *end = text + size;
    struct kith__copy copy;

    if (kith__dict_copy(self, &catalog, true, &copy) < 0)
        return;
    for (uint64_t i = 0; i < copy.count; i++) {
        struct kith_item name = kith__copy_key(&copy, i);
        at += snprintf(at, (size_t)(end - at), "%.*s ", (int)name.size, (const char *)name.data);
    }
    kith__copy_free(&copy);
}

static void
see_queues(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_queue(self, &stage->q, &at, end);
    print_queue(self, &stage->letters, &at, end);
    at += snprintf(at, (size_t)(end - at), " closed %d",
                   (int)kith__load(&kith__queue_root(&stage->q)->closed));
    put(stage, self, "one more");
}

static void
see_all(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_dict(self, &stage->a, &at, end);
    print_dict(self, &stage->b, &at, end);
    print_queue(self, &stage->q, &at, end);
    print_queue(self, &stage->letters, &at, end);
    add(stage, self);
}

/* Whether the survivor can have the lock; that its owner died is news, not a difference. */
static void
see_lock(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    kith_err err = kith__mutex_acquire(self, &stage->lock, 0);

    if (err == KITH_EDEADLOCK) /* the image was taken before the survivor let it go */
        err = KITH_OK;
    snprintf(text, size, "%s", err >= 0 ? "to be had" : "lost");
    if (err >= 0)
        kith__mutex_release(self, &stage->lock);
}

static void
see_event(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    bool on = false;

    (void)self;
    kith__event_is_set(&stage->event, &on);
    snprintf(text, size, "%s", on ? "set" : "not set");
}

static void
see_nothing(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    set(stage, self, "works", KITH_INT(1));
    snprintf(text, size, "works");
}

/* ---- What a reader sees while the writer is stopped --------------------------------------------
 */

static int64_t
look(struct stage *stage, struct kith__self *self, const struct kith__dict *dict, const char *name)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;
    kith_err err;
    int64_t seen;

    key_of(stage, name, &key);
    err = kith__dict_get(self, dict, &key, &buf, NULL);
    seen = err == KITH_ENOENT               ? -1
           : err < 0                        ? -2
           : buf.item.type == KITH_TYPE_INT ? buf.item.integer
                                            : (int64_t)buf.item.size;
    kith_buf_free(&buf);
    return seen;
}

/*
 * The image stands still, so a reader must see every key as it was, or every key as it will be,
 * and in whichever order it reads.  By single keys, by the lengths, and by get_many.
 */
static const char *
peek_txn(struct stage *stage, struct kith__self *self)
{
    static const int64_t before[] = { 1, -1, -1, 3, 0, 0 }, after[] = { 11, 31, 5, 4, 1, 1 };
    int64_t seen[6];
    uint64_t len = 0, ready = 0, lent = 0;
    bool is_before = true, is_after = true;

    for (unsigned order = 0; order < 2; order++) {
        for (unsigned i = 0; i < 3; i++) {
            unsigned k = order == 0 ? i : 2 - i;

            seen[k] = k == 0   ? look(stage, self, &stage->a, "one")
                      : k == 1 ? look(stage, self, &stage->b, "fresh")
                               : look(stage, self, &stage->a, "other");
        }
        kith__dict_len(self, &stage->a, &len);
        seen[3] = (int64_t)len;
        kith__dict_len(self, &stage->b, &len);
        seen[4] = (int64_t)len;
        kith__queue_count(self, &stage->letters, &ready, &lent);
        seen[5] = (int64_t)ready;
        for (unsigned i = 0; i < 6; i++) {
            is_before = is_before && seen[i] == before[i];
            is_after = is_after && seen[i] == after[i];
        }
    }
    return is_before || is_after ? NULL : "a reader sees a transaction half done";
}

static const char *
peek_many(struct stage *stage, struct kith__self *self)
{
    static const char *const names[] = { "one", "n1", "n2", "last", "n3", "n4", "n5", "n6" };
    static const int64_t before[] = { 1, -1, -1, 3, -1, -1, -1, -1 };
    static const int64_t after[] = { 2, 1, 1, 4, 1, 1, 1, 1 };
    bool is_before = true, is_after = true;
    struct kith_buf items[8];
    struct kith__key keys[8];

    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 16; i++) {
        unsigned k = i < 8 ? i : 15 - i;
        int64_t seen = look(stage, self, &stage->a, names[k]);

        is_before = is_before && seen == before[k];
        is_after = is_after && seen == after[k];
        key_of(stage, names[k], &keys[k]);
    }
    kith__dict_get_many(self, &stage->a, keys, 8, items);
    for (unsigned k = 0; k < 8; k++) {
        int64_t seen = items[k].item.tag == kith_absent ? -1 : items[k].item.integer;

        is_before = is_before && seen == before[k];
        is_after = is_after && seen == after[k];
        kith_buf_free(&items[k]);
    }
    return is_before || is_after ? NULL : "a reader sees a merge half done";
}

/* Keys that are there before and after are there all the time. */
static const char *
peek_one(struct stage *stage, struct kith__self *self)
{
    int64_t one = look(stage, self, &stage->a, "one");

    return one == 1 || one == 9 || one == 2 || one == 26 ? NULL : "a reader misses a key";
}

static const char *
peek_keys(struct stage *stage, struct kith__self *self)
{
    uint64_t len = 0;
    char name[32];

    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "key%u", i);
        if (look(stage, self, &stage->a, name) != (int64_t)i)
            return "a reader misses a key";
    }
    kith__dict_len(self, &stage->a, &len);
    return len >= 10 ? NULL : "a reader misses keys in the length";
}

const struct scenario scenarios[] = {
    { "dict set, new", few_keys, warm_up, set_new, see_dicts, peek_one, NULL, false, false, false,
      false },
    { "dict set, new text", few_keys, warm_up, set_new_text, see_dicts, peek_one, NULL, false,
      false, false, false },
    { "dict set, cold thread", few_keys, NULL, set_new_text, see_dicts, peek_one, NULL, false,
      false, false, false },
    { "dict set over a number", few_keys, warm_up, set_over_number, see_dicts, peek_one, NULL,
      false, false, false, false },
    { "dict set over a text", few_keys, warm_up, set_over_text, see_dicts, peek_one, NULL, false,
      false, false, false },
    { "dict set, table grows", full_table, NULL, set_new, see_dicts, peek_keys, NULL, false, false,
      false, false },
    { "dict set, splitting into shards", nearly_spread, NULL, set_new, see_dicts, peek_keys, NULL,
      false, false, false, true },
    { "dict set, among shards", wide, warm_up, set_new, see_dicts, peek_keys, NULL, false, false,
      false, false },
    { "dict set, big item", few_keys, warm_up, set_big, see_dicts, peek_one, NULL, false, false,
      false, true },
    { "dict add", few_keys, warm_up, add, see_dicts, peek_one, NULL, false, false, false, false },
    { "dict add, new", few_keys, warm_up, add_new, see_dicts, peek_one, NULL, false, false, false,
      false },
    { "dict delete", few_keys, warm_up, delete_text, see_dicts, peek_one, NULL, false, false, false,
      false },
    { "dict pop", few_keys, warm_up, pop, see_dicts, peek_one, NULL, false, false, false, false },
    { "dict popitem", few_keys, warm_up, popitem, see_dicts, NULL, NULL, false, false, false,
      false },
    { "dict cas", few_keys, warm_up, cas, see_dicts, peek_one, NULL, false, false, false, false },
    { "dict clear", few_keys, warm_up, clear, see_dicts, NULL, NULL, false, false, false, false },
    { "dict clear, shards", wide, warm_up, clear, see_dicts, NULL, NULL, false, false, false,
      true },
    { "dict add_many", few_keys, warm_up, add_many, see_dicts, peek_many, NULL, false, false, false,
      false },
    { "dict add_many, long record", few_keys, warm_up, add_very_many, see_dicts, peek_one, NULL,
      false, false, false, true },
    { "queue put", few_keys, warm_up, queue_put, see_queues, NULL, NULL, false, false, false,
      false },
    { "queue put_many", few_keys, warm_up, queue_put_many, see_queues, NULL, NULL, false, false,
      false, true },
    { "queue put, big item", few_keys, warm_up, queue_put_big, see_queues, NULL, NULL, false, false,
      false, true },
    { "queue get", few_keys, warm_up, queue_get, see_queues, NULL, NULL, false, false, false,
      false },
    { "queue get, waiting", few_keys, warm_up, queue_get_waiting, see_dicts, NULL, put_letter, true,
      false, false, false },
    { "queue lease", few_keys, warm_up, lease_first, see_queues, NULL, NULL, true, false, false,
      false },
    { "queue ack", few_keys, lease_first, queue_ack, see_queues, NULL, NULL, false, false, false,
      false },
    { "queue nack", few_keys, lease_first, queue_nack, see_queues, NULL, NULL, true, false, false,
      false },
    { "queue nack, dead letter", few_keys, lease_twice, queue_nack, see_queues, NULL, NULL, true,
      false, false, false },
    { "queue shutdown", few_keys, warm_up, queue_shutdown, see_queues, NULL, NULL, false, false,
      false, false },
    { "lock acquire, free", few_keys, warm_up, lock_acquire, see_lock, NULL, NULL, true, false,
      false, false },
    { "lock acquire, waited for", few_and_held, warm_up, lock_acquire_waiting, see_lock, NULL,
      lock_release, true, false, false, false },
    { "lock release", few_keys, take_lock, lock_release, see_lock, NULL, NULL, true, false, false,
      false },
    { "event set", few_keys, warm_up, event_set, see_event, NULL, NULL, false, false, false,
      false },
    { "transaction, two dicts and a lease", few_keys, lease_first, txn, see_all, peek_txn, NULL,
      false, false, false, false },
    { "allocator refill and flush", few_keys, NULL, refill_and_flush, see_nothing, NULL, NULL, true,
      false, false, true },
    { "object made", few_keys, warm_up, make_object, see_objects, NULL, NULL, false, false, false,
      false },
    { "dict destroyed", few_keys, warm_up, destroy_dict, see_objects, NULL, NULL, false, false,
      false, false },
    { "queue destroyed", few_keys, warm_up, destroy_queue, see_objects, NULL, NULL, false, false,
      false, false },
    { "registration", few_keys, do_nothing, register_thread, see_nothing, NULL, NULL, true, false,
      true, false },
    { "leaving in order", few_keys, lease_first, leave_in_order, see_queues, NULL, NULL, true,
      false, false, false },
};
const unsigned scenario_count = sizeof scenarios / sizeof scenarios[0];
