/*
 * test_dict.c - a dict against a model: thousands of random operations, every result compared.
 *
 * The model is a table of keys by number, each with its item and a place in a list, which is the
 * order of insertion.  A step is drawn, done to the model, and then to the dict.
 *
 * With two processes both draw the same steps and keep a model each; the step's draw says who does
 * it to the dict, while the other waits.  So either meets what the other left behind.
 *
 * A failure prints the number of the step; the same seed and the same number of keys repeat it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define NOWHERE SIZE_MAX
#define MANY_MAX 40
#define VIEWS_MAX 20

struct entry {
    bool present;
    struct kith_item item; /* its data is the model's own */
    size_t prev, next;
};

struct model {
    struct entry *entries;
    size_t key_count;
    size_t first, last;
    size_t count;
};

struct run {
    struct test *t;
    kith_dict *dict;
    struct model model;
    struct test_random random;
    uint64_t step;
    bool mine; /* this step is done by this process */
    sem_t *turn;
    sem_t *other_turn;
    int side; /* which of two processes; 0 if there is one */
    int sides;
    struct {
        kith_view *view;
        struct kith_item item;
    } views[VIEWS_MAX];
};

#define CHECK(r, condition)                                                                        \
    ((condition) ? (void)0                                                                         \
                 : FAIL("step %" PRIu64 ": not true: %s; last error: %s", (r)->step, #condition,   \
                        kith_last_error()))

/* ---- the model ---- */

static struct kith_item
own_copy(struct kith_item item)
{
    void *data;

    if (item.size == 0) {
        item.data = NULL;
        return item;
    }
    data = malloc(item.size);
    if (data == NULL)
        FAIL("no memory for %zu bytes", item.size);
    memcpy(data, item.data, item.size);
    item.data = data;
    return item;
}

static void
drop(struct kith_item *item)
{
    free((void *)(uintptr_t)item->data);
    item->data = NULL;
    item->size = 0;
}

static void
model_set(struct model *m, size_t key, struct kith_item item)
{
    struct entry *e = &m->entries[key];

    item = own_copy(item);
    if (e->present) {
        drop(&e->item);
    } else {
        e->present = true;
        e->prev = m->last;
        e->next = NOWHERE;
        if (m->last != NOWHERE)
            m->entries[m->last].next = key;
        else
            m->first = key;
        m->last = key;
        m->count++;
    }
    e->item = item;
}

static void
model_delete(struct model *m, size_t key)
{
    struct entry *e = &m->entries[key];

    if (e->prev != NOWHERE)
        m->entries[e->prev].next = e->next;
    else
        m->first = e->next;
    if (e->next != NOWHERE)
        m->entries[e->next].prev = e->prev;
    else
        m->last = e->prev;
    e->present = false;
    drop(&e->item);
    m->count--;
}

static void
model_init(struct model *m, size_t key_count)
{
    m->entries = calloc(key_count, sizeof(*m->entries));
    if (m->entries == NULL)
        FAIL("no memory for the model");
    m->key_count = key_count;
    m->first = m->last = NOWHERE;
    m->count = 0;
}

/* ---- drawing ---- */

static uint64_t
draw(struct run *r, uint64_t bound)
{
    return test_random_below(&r->random, bound);
}

/*
 * Key number `key`, in one of the ways to write it.  Ints are also floats, and 1 is also True; the
 * text is written into `room`.
 */
static struct kith_item
key_item(struct run *r, size_t key, char room[64])
{
    uint64_t way = draw(r, 3);

    switch (key % 5) {
    case 0: {
        int64_t n = (int64_t)(key / 5);

        if (way == 1)
            return kith_float((double)n);
        if (way == 2 && n <= 1)
            return kith_bool(n == 1);
        return KITH_INT(n);
    }
    case 1:
        (void)snprintf(room, 64, "key %zu", key);
        return kith_str(room);
    case 2:
        (void)snprintf(room, 64, "key %zu", key);
        return kith_bytes(room, strlen(room) + 1);
    case 3:
        return kith_float((double)key + 0.5);
    default: {
        /* (key,), whose int is written with one of two widths */
        unsigned char *at = (unsigned char *)room;
        size_t width = way == 0 ? 4 : 8;
        uint64_t n = key;

        *at++ = 0xc7;
        *at++ = (unsigned char)(width + 2);
        *at++ = 1;
        *at++ = 0x91;
        *at++ = way == 0 ? 0xd2 : 0xd3;
        for (size_t i = width; i > 0; i--) {
            at[i - 1] = (unsigned char)n;
            n >>= 8;
        }
        return test_packed(room, width + 5);
    }
    }
}

/* An item, whose data is to be freed. */
static struct kith_item
draw_item(struct run *r)
{
    struct kith_item item = kith_none();
    size_t size = 0;

    switch (draw(r, 12)) {
    case 0:
        return item;
    case 1:
        return kith_bool(draw(r, 2) == 1);
    case 2:
    case 3:
    case 4:
        return KITH_INT((int64_t)draw(r, 100) - 50);
    case 5:
        return KITH_INT((int64_t)test_random_next(&r->random));
    case 6:
        return kith_float((double)draw(r, 1000) / 8);
    case 7:
        size = draw(r, 40);
        break;
    case 8:
        size = draw(r, 2000);
        break;
    case 9:
        size = draw(r, 20) == 0 ? 30000 + draw(r, 100000) : 8;
        break;
    case 10:
        item = test_foreign(NULL, 0, "some/tag");
        size = 1 + draw(r, 30);
        break;
    default:
        return own_copy(PACKED("\x92\x01\xa1"
                               "a"));
    }
    if (item.type == KITH_TYPE_NONE)
        item.type = KITH_TYPE_BYTES;
    item.data = test_bytes(size, test_random_next(&r->random));
    item.size = size;
    return item;
}

/* ---- one step, done to the model and, if it is ours, to the dict ---- */

/* The result, if we did it, and the buffer's content, unless `want` is NULL. */
static void
expect(struct run *r, const char *what, kith_err want_err, kith_err err,
       const struct kith_item *want, struct kith_buf *got)
{
    if (err != want_err)
        FAIL("step %" PRIu64 ", %s: expected %s, got %s: %s", r->step, what, test_rc_name(want_err),
             test_rc_name(err), kith_last_error());
    if (want != NULL && !test_items_equal(*want, got->item))
        FAIL("step %" PRIu64 ", %s: another item came out", r->step, what);
}

static void
do_one_key(struct run *r, uint64_t op)
{
    struct model *m = &r->model;
    size_t key = draw(r, m->key_count);
    char room[64];
    struct kith_item k = key_item(r, key, room);
    struct kith_item item = draw_item(r);
    struct entry *e = &m->entries[key];
    bool present = e->present;
    struct kith_item old = present ? own_copy(e->item) : kith_none();
    bool right = draw(r, 2) == 0;
    struct kith_buf out = KITH_BUF_INIT;
    uint64_t version = 0;
    kith_err err = KITH_OK;

    if (!present)
        old.tag = kith_absent;
    switch (op) {
    case 0:
        model_set(m, key, item);
        if (r->mine)
            expect(r, "set", KITH_OK, kith_dict_set(r->dict, k, item), NULL, NULL);
        break;
    case 1:
        if (r->mine)
            expect(r, "insert", present ? KITH_EEXIST : KITH_OK, kith_dict_insert(r->dict, k, item),
                   NULL, NULL);
        if (!present)
            model_set(m, key, item);
        break;
    case 2:
        if (r->mine)
            expect(r, "replace", present ? KITH_OK : KITH_ENOENT,
                   kith_dict_replace(r->dict, k, item), NULL, NULL);
        if (present)
            model_set(m, key, item);
        break;
    case 3:
        if (r->mine) {
            err = kith_dict_get(r->dict, k, &out);
            expect(r, "get", present ? KITH_OK : KITH_ENOENT, err, present ? &old : NULL, &out);
        }
        break;
    case 4:
        if (r->mine)
            expect(r, "has", present ? KITH_OK : KITH_ENOENT, kith_dict_has(r->dict, k), NULL,
                   NULL);
        break;
    case 5:
        if (r->mine)
            expect(r, "delete", present ? KITH_OK : KITH_ENOENT, kith_dict_delete(r->dict, k), NULL,
                   NULL);
        if (present)
            model_delete(m, key);
        break;
    case 6:
        if (r->mine) {
            err = kith_dict_pop(r->dict, k, &out);
            expect(r, "pop", present ? KITH_OK : KITH_ENOENT, err, present ? &old : NULL, &out);
        }
        if (present)
            model_delete(m, key);
        break;
    case 7:
        if (r->mine) {
            err = kith_dict_swap(r->dict, k, item, &out);
            expect(r, "swap", KITH_OK, err, &old, &out);
            CHECK(r, (out.item.tag == kith_absent) == !present);
        }
        model_set(m, key, item);
        break;
    case 8:
        if (r->mine) {
            err = kith_dict_setdefault(r->dict, k, item, &out);
            expect(r, "setdefault", KITH_OK, err, present ? &old : &item, &out);
        }
        if (!present)
            model_set(m, key, item);
        break;
    case 9: {
        bool equal = present && (right || test_items_equal(old, item));
        struct kith_item expected = right ? old : item;

        if (expected.tag == kith_absent)
            expected.tag = NULL;
        if (r->mine)
            expect(r, "cas", equal ? KITH_OK : KITH_ECONFLICT,
                   kith_dict_cas(r->dict, k, expected, item), NULL, NULL);
        if (equal)
            model_set(m, key, item);
        break;
    }
    case 10: {
        bool equal = present && (right || test_items_equal(old, item));
        struct kith_item expected = right ? old : item;

        if (expected.tag == kith_absent)
            expected.tag = NULL;
        if (r->mine)
            expect(r, "delete_if", equal ? KITH_OK : KITH_ECONFLICT,
                   kith_dict_delete_if(r->dict, k, expected), NULL, NULL);
        if (equal)
            model_delete(m, key);
        break;
    }
    default:
        if (r->mine) {
            err = kith_dict_get_version(r->dict, k, &out, &version);
            expect(r, "get_version", present ? KITH_OK : KITH_ENOENT, err, present ? &old : NULL,
                   &out);
            expect(r, "cas_version", present && right ? KITH_OK : KITH_ECONFLICT,
                   kith_dict_cas_version(r->dict, k, right ? version : version ^ 2, item), NULL,
                   NULL);
        }
        if (present && right)
            model_set(m, key, item);
        break;
    }
    kith_buf_free(&out);
    drop(&old);
    drop(&item);
}

/* What a function on ints makes of `old`: KITH_OK and *now_out, or its error. */
static kith_err
number_after(uint64_t op, bool present, struct kith_item old, int64_t n, int64_t limit,
             int64_t *now_out)
{
    int64_t was = 0;
    int64_t now;

    if (present) {
        if (old.type == KITH_TYPE_BOOL)
            was = old.boolean;
        else if (old.type == KITH_TYPE_INT)
            was = old.integer;
        else
            return KITH_ETYPE;
    }
    switch (op) {
    case 0:
        if (__builtin_add_overflow(was, n, &now))
            return KITH_ERANGE;
        break;
    case 1:
        if (__builtin_sub_overflow(was, n, &now))
            return KITH_ERANGE;
        break;
    case 2:
        now = present && was < n ? was : n;
        break;
    case 3:
        now = present && was > n ? was : n;
        break;
    case 4:
        now = was & n;
        break;
    case 5:
        now = was | n;
        break;
    case 6:
        now = was ^ n;
        break;
    default:
        if (__builtin_add_overflow(was, n, &now) || (n > 0 ? now > limit : now < limit))
            return KITH_ERANGE;
        break;
    }
    *now_out = now;
    return KITH_OK;
}

static void
do_number(struct run *r, uint64_t op)
{
    static kith_err (*const functions[])(kith_dict *, struct kith_item, int64_t, int64_t *) = {
        kith_dict_add, kith_dict_sub, kith_dict_min, kith_dict_max,
        kith_dict_and, kith_dict_or,  kith_dict_xor,
    };
    struct model *m = &r->model;
    size_t key = draw(r, m->key_count);
    char room[64];
    struct kith_item k = key_item(r, key, room);
    struct entry *e = &m->entries[key];
    int64_t n = draw(r, 10) == 0 ? (int64_t)test_random_next(&r->random) : (int64_t)draw(r, 9) - 4;
    int64_t limit = (int64_t)draw(r, 100) - 50;
    int64_t want = 0;
    int64_t now = INT64_C(7734);
    kith_err want_err;

    if (n == 0)
        n = 1;
    want_err = number_after(op, e->present, e->item, n, limit, &want);
    if (r->mine) {
        kith_err err = op < COUNTOF(functions) ? functions[op](r->dict, k, n, &now)
                                               : kith_dict_add_limit(r->dict, k, n, limit, &now);

        expect(r, "a function on ints", want_err, err, NULL, NULL);
        CHECK(r, now == (want_err == KITH_OK ? want : INT64_C(7734)));
    }
    if (want_err == KITH_OK)
        model_set(m, key, KITH_INT(want));
}

static void
do_float(struct run *r)
{
    struct model *m = &r->model;
    size_t key = draw(r, m->key_count);
    char room[64];
    struct kith_item k = key_item(r, key, room);
    struct entry *e = &m->entries[key];
    double n = (double)draw(r, 100) / 4 - 10;
    double was = 0;
    double now = 7734;
    kith_err want_err = KITH_OK;

    if (e->present) {
        if (e->item.type == KITH_TYPE_BOOL)
            was = e->item.boolean;
        else if (e->item.type == KITH_TYPE_INT)
            was = (double)e->item.integer;
        else if (e->item.type == KITH_TYPE_FLOAT)
            was = e->item.real;
        else
            want_err = KITH_ETYPE;
    }
    if (r->mine) {
        expect(r, "add_float", want_err, kith_dict_add_float(r->dict, k, n, &now), NULL, NULL);
        CHECK(r, now == (want_err == KITH_OK ? was + n : 7734));
    }
    if (want_err == KITH_OK)
        model_set(m, key, kith_float(was + n));
}

/* As do_number(), of many keys at once. */
static void
do_add_many(struct run *r, const size_t *numbers, const struct kith_item *keys, size_t count)
{
    struct model *m = &r->model;
    int64_t ns[MANY_MAX];
    int64_t nows[MANY_MAX];
    kith_err want_err = KITH_OK;

    for (size_t i = 0; i < count; i++) {
        struct entry *e = &m->entries[numbers[i]];
        bool present = e->present;
        struct kith_item old = e->item;

        ns[i] = (int64_t)draw(r, 20) - 10;
        for (size_t j = i; j-- > 0;) {
            if (numbers[j] == numbers[i]) {
                present = true;
                old = KITH_INT(nows[j]);
                break;
            }
        }
        if (want_err == KITH_OK)
            want_err = number_after(0, present, old, ns[i], 0, &nows[i]);
    }
    if (r->mine) {
        kith_err err = kith_dict_add_many(r->dict, keys, ns, count);

        /* With both kinds of error in one call, either may be told. */
        if (want_err == KITH_OK || err == KITH_OK)
            expect(r, "add_many", want_err, err, NULL, NULL);
        CHECK(r, err == KITH_OK || err == KITH_ETYPE || err == KITH_ERANGE);
    }
    if (want_err == KITH_OK) {
        for (size_t i = 0; i < count; i++)
            model_set(m, numbers[i], KITH_INT(nows[i]));
    }
}

static void
do_get_many(struct run *r, const size_t *numbers, const struct kith_item *keys, size_t count)
{
    struct kith_buf outs[MANY_MAX];
    kith_err want_err = KITH_OK;

    if (!r->mine)
        return;
    memset(outs, 0, sizeof(outs));
    for (size_t i = 0; i < count; i++) {
        if (!r->model.entries[numbers[i]].present)
            want_err = KITH_ENOENT;
    }
    expect(r, "get_many", want_err, kith_dict_get_many(r->dict, keys, count, outs), NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        struct entry *e = &r->model.entries[numbers[i]];

        CHECK(r, (outs[i].item.tag == kith_absent) == !e->present);
        if (e->present)
            CHECK(r, test_items_equal(e->item, outs[i].item));
        kith_buf_free(&outs[i]);
    }
}

static void
do_txn(struct run *r, const size_t *numbers, const struct kith_item *keys,
       const struct kith_item *items, size_t count)
{
    struct model *m = &r->model;
    size_t condition = draw(r, m->key_count);
    char room[64];
    struct kith_item k = key_item(r, condition, room);
    bool want_absent = draw(r, 2) == 0;
    kith_err want_err = m->entries[condition].present == want_absent ? KITH_ECONFLICT : KITH_OK;
    kith_txn *txn = NULL;
    uint64_t ops[MANY_MAX];

    for (size_t i = 0; i < count; i++)
        ops[i] = draw(r, 2);
    if (r->mine) {
        CHECK(r, kith_txn_begin(r->t->space, &txn) == KITH_OK);
        CHECK(r, (want_absent ? kith_txn_if_absent(txn, r->dict, k)
                              : kith_txn_if_present(txn, r->dict, k)) == KITH_OK);
        for (size_t i = 0; i < count; i++)
            CHECK(r, (ops[i] == 0 ? kith_txn_dict_set(txn, r->dict, keys[i], items[i])
                                  : kith_txn_dict_delete(txn, r->dict, keys[i])) == KITH_OK);
        expect(r, "commit", want_err, kith_txn_commit(txn), NULL, NULL);
    }
    for (size_t i = 0; want_err == KITH_OK && i < count; i++) {
        if (ops[i] == 0)
            model_set(m, numbers[i], items[i]);
        else if (m->entries[numbers[i]].present)
            model_delete(m, numbers[i]);
    }
}

static void
do_many(struct run *r, uint64_t op)
{
    struct model *m = &r->model;
    size_t count = draw(r, MANY_MAX) + 1;
    size_t numbers[MANY_MAX];
    char rooms[MANY_MAX][64];
    struct kith_item keys[MANY_MAX];
    struct kith_item items[MANY_MAX];
    uint64_t deleted = 0;
    uint64_t want_deleted = 0;

    for (size_t i = 0; i < count; i++) {
        numbers[i] = draw(r, m->key_count);
        keys[i] = key_item(r, numbers[i], rooms[i]);
        items[i] = draw_item(r);
    }
    switch (op) {
    case 0:
        for (size_t i = 0; i < count; i++)
            model_set(m, numbers[i], items[i]);
        if (r->mine)
            expect(r, "set_many", KITH_OK, kith_dict_set_many(r->dict, keys, items, count), NULL,
                   NULL);
        break;
    case 1:
        for (size_t i = 0; i < count; i++) {
            if (m->entries[numbers[i]].present) {
                model_delete(m, numbers[i]);
                want_deleted++;
            }
        }
        if (r->mine) {
            expect(r, "delete_many", KITH_OK, kith_dict_delete_many(r->dict, keys, count, &deleted),
                   NULL, NULL);
            CHECK(r, deleted == want_deleted);
        }
        break;
    case 2:
        do_add_many(r, numbers, keys, count);
        break;
    case 3:
        do_get_many(r, numbers, keys, count);
        break;
    default:
        do_txn(r, numbers, keys, items, count);
        break;
    }
    for (size_t i = 0; i < count; i++)
        drop(&items[i]);
}

static void
do_popitem(struct run *r)
{
    struct model *m = &r->model;
    struct kith_buf key = KITH_BUF_INIT;
    struct kith_buf item = KITH_BUF_INIT;

    if (r->mine) {
        struct kith_item *want = m->count > 0 ? &m->entries[m->last].item : NULL;
        kith_err err = kith_dict_popitem(r->dict, &key, &item);

        expect(r, "popitem", m->count > 0 ? KITH_OK : KITH_EEMPTY, err, want, &item);
        if (m->count > 0)
            expect(r, "the popped key", KITH_ENOENT, kith_dict_has(r->dict, key.item), NULL, NULL);
    }
    if (m->count > 0)
        model_delete(m, m->last);
    kith_buf_free(&key);
    kith_buf_free(&item);
}

/* Takes a view, or checks and releases one taken earlier. */
static void
do_view(struct run *r)
{
    size_t key = draw(r, r->model.key_count);
    size_t slot = draw(r, VIEWS_MAX);
    char room[64];
    struct kith_item k = key_item(r, key, room);
    struct entry *e = &r->model.entries[key];

    if (!r->mine)
        return;
    if (r->views[slot].view != NULL) {
        CHECK(r, test_items_equal(r->views[slot].item, kith_view_item(r->views[slot].view)));
        kith_view_release(r->views[slot].view);
        r->views[slot].view = NULL;
        drop(&r->views[slot].item);
    }
    expect(r, "view", e->present ? KITH_OK : KITH_ENOENT,
           kith_dict_view(r->dict, k, &r->views[slot].view), NULL, NULL);
    if (e->present)
        r->views[slot].item = own_copy(e->item);
}

struct walk {
    struct run *run;
    size_t at;
    size_t count;
};

static int
compare_entry(struct kith_item key, struct kith_item item, void *arg)
{
    struct walk *w = arg;
    struct run *r = w->run;
    struct entry *e;

    CHECK(r, w->at != NOWHERE);
    e = &r->model.entries[w->at];
    if (!test_items_equal(e->item, item))
        FAIL("step %" PRIu64 ": entry %zu of %zu has another item, or another order", r->step,
             w->count, r->model.count);
    CHECK(r, key.type != KITH_TYPE_NONE);
    w->at = e->next;
    w->count++;
    return 0;
}

/* The whole dict, in its order. */
static void
compare_all(struct run *r)
{
    struct walk w = { .run = r, .at = r->model.first };
    uint64_t count = 0;

    CHECK(r, kith_dict_len(r->dict, &count) == KITH_OK);
    if (count != r->model.count)
        FAIL("step %" PRIu64 ": expected %zu keys, got %" PRIu64, r->step, r->model.count, count);
    CHECK(r, kith_dict_each(r->dict, compare_entry, &w) == KITH_OK);
    CHECK(r, w.count == r->model.count);
}

static void
do_rare(struct run *r)
{
    uint64_t op = draw(r, 40);

    if (op == 0) {
        if (r->mine)
            expect(r, "clear", KITH_OK, kith_dict_clear(r->dict), NULL, NULL);
        while (r->model.count > 0)
            model_delete(&r->model, r->model.last);
    } else if (op < 5) {
        if (r->mine)
            compare_all(r);
    } else {
        do_popitem(r);
    }
}

static void
do_step(struct run *r)
{
    uint64_t op = draw(r, 40);

    r->mine = (int)draw(r, (uint64_t)r->sides) == r->side;
    if (op < 24)
        do_one_key(r, op % 12);
    else if (op < 32)
        do_number(r, op % 8);
    else if (op == 32)
        do_float(r);
    else if (op < 38)
        do_many(r, op - 33);
    else if (op == 38)
        do_view(r);
    else
        do_rare(r);
    if (r->sides == 2) {
        if (r->mine)
            test_gate_open(r->other_turn);
        else
            GATE_WAIT(r->turn);
    }
    r->step++;
}

static void
do_steps(struct run *r, size_t key_count, uint64_t steps)
{
    model_init(&r->model, key_count);
    while (r->step < steps)
        do_step(r);
    compare_all(r);
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        kith_view_release(r->views[i].view);
        drop(&r->views[i].item);
    }
    while (r->model.count > 0)
        model_delete(&r->model, r->model.last);
    free(r->model.entries);
}

static uint64_t
stretched(uint64_t steps)
{
    return test_is_long() ? steps * 10 : steps;
}

static void
run_alone(struct test *t, size_t key_count, uint64_t steps)
{
    struct run r = { .t = t, .dict = test_dict(t, "d"), .sides = 1 };

    r.random = test_random_new();
    do_steps(&r, key_count, stretched(steps));
}

TEST_LONG(300, dict_of_ten_keys_does_as_its_model)
{
    run_alone(t, 10, 100000);
}

TEST_LONG(300, dict_of_a_thousand_keys_does_as_its_model)
{
    run_alone(t, 1000, 150000);
}

TEST_LONG(300, dict_of_twenty_thousand_keys_does_as_its_model)
{
    run_alone(t, 20000, 300000);
}

static void
other_side(void *arg)
{
    do_steps(arg, 200, stretched(20000));
}

TEST_LONG(300, dict_of_two_processes_by_turns_does_as_its_model)
{
    struct run first = { .t = t, .dict = test_dict(t, "d"), .sides = 2 };
    struct run second;
    pid_t pid;

    first.random = test_random_new();
    first.turn = test_gate();
    first.other_turn = test_gate();
    second = first;
    second.side = 1;
    second.turn = first.other_turn;
    second.other_turn = first.turn;
    pid = test_child(other_side, &second);
    other_side(&first);
    CHILD_JOIN_LONG(pid, test_is_long() ? 600 : 60);
}
