/*
 * scenarios_common.c - what scenarios of several structures do and look at.
 */
#include <stdio.h>
#include <stdlib.h>

#include "scenarios.h"

/* ---- Acting --------------------------------------------------------------------------------- */

void
key_of(struct stage *stage, const char *name, struct kith__key *key)
{
    if (kith__key_make(stage->arena->hash_key, kith_str(name), key) < 0)
        abort();
}

void
change_key(struct stage *stage, struct kith__self *self, const struct kith__dict *dict,
           const char *name, enum kith__change_what what, struct kith_item item)
{
    struct kith__change how = { .what = what, .item = item, .expected = KITH_INT(1) };
    struct kith__key key;

    key_of(stage, name, &key);
    kith__dict_change(self, dict, &key, &how);
}

void
set_key(struct stage *stage, struct kith__self *self, const char *name, struct kith_item item)
{
    change_key(stage, self, &stage->a, name, KITH__CHANGE_SET, item);
}

void
delete_key(struct stage *stage, struct kith__self *self, const char *name)
{
    change_key(stage, self, &stage->a, name, KITH__CHANGE_DELETE, kith_none());
}

void
add_one(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith__key key;

    key_of(stage, name, &key);
    kith__dict_number(self, &stage->a, &key, &one, NULL);
}

void
put_item(struct stage *stage, struct kith__self *self, const char *text)
{
    struct kith_item item = kith_str(text);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

void
fill_dict(struct stage *stage, struct kith__self *self, unsigned from, unsigned to)
{
    char name[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(name, sizeof name, "key%u", i);
        set_key(stage, self, name, KITH_INT(i));
    }
}

/* ---- Setting up ----------------------------------------------------------------------------- */

void
few_keys(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "one", KITH_INT(1));
    set_key(stage, self, "text", kith_str("a text of more than eight bytes"));
    set_key(stage, self, "last", KITH_INT(3));
    put_item(stage, self, "first item");
    put_item(stage, self, "second item");
    put_item(stage, self, "third item");
}

void
warm_up(struct stage *stage, struct kith__self *self)
{
    set_key(stage, self, "warm", kith_str("a text that takes a block of its own"));
    delete_key(stage, self, "warm");
}

void
lease_first(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;

    kith__queue_lease(self, &stage->q, KITH_FOREVER, 0, &buf, &stage->lent);
    kith_buf_free(&buf);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

void
see_dicts(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_dict(self, &stage->a, &at, end);
    print_dict(self, &stage->b, &at, end);
    /* And the survivor can go on with it. */
    add_one(stage, self, "count");
    set_key(stage, self, "new", kith_str("another text of more than eight bytes"));
    delete_key(stage, self, "text");
}

void
see_queues(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_queue(self, &stage->q, &at, end);
    print_queue(self, &stage->letters, &at, end);
    at += snprintf(at, (size_t)(end - at), " closed %d",
                   (int)kith__load(&kith__queue_root(&stage->q)->closed));
    put_item(stage, self, "one more");
}

void
see_it_works(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    set_key(stage, self, "works", KITH_INT(1));
    snprintf(text, size, "works");
}

int64_t
look(struct stage *stage, struct kith__self *self, const struct kith__dict *dict, const char *name)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__key key;
    kith_err err;
    int64_t seen;

    key_of(stage, name, &key);
    err = kith__dict_get(self, dict, &key, &buf, NULL, NULL);
    seen = err == KITH_ENOENT               ? -1
           : err < 0                        ? -2
           : buf.item.type == KITH_TYPE_INT ? buf.item.integer
                                            : (int64_t)buf.item.size;
    kith_buf_free(&buf);
    return seen;
}
