/*
 * shm_dict.c - dicts on shared memory.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "engine/shm/shm_view.h"
#include "shm/flight.h"
#include "shm/quick.h"
#include "shm/rescue.h"
#include "shm/txn.h"

/* Bytes that a dict keeps at hand for copies that do not stay. */
#define SPARE_MAX 65536

struct shm_dict {
    struct kith__dict dict;
    struct kith__object object;
    _Atomic(void *) spare; /* a struct spare, taken by one thread at a time; or NULL */
    kith__poller_slot poller;
};

struct spare {
    struct kith_buf buf;
};

const struct kith__dict *
kith__shm_dict_of(const void *state)
{
    const struct shm_dict *dict = state;

    return &dict->dict;
}

static inline kith_err
make_key(const struct kith__arena *arena, const struct kith_item *item, struct kith__key *key_out)
{
    return kith__key_of(arena->hash_key, item, key_out);
}

/* ---- Opening -------------------------------------------------------------------------- */

static kith_err
init_dict(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    struct kith__dict_root *root = kith__ptr(op->self->arena, off);

    root->created_ns = kith__real_ns();
    kith__dict_init(op, off, id, arg);
    return op->err;
}

static kith_err
dict_open_as(void *state, const char *name, enum kith_kind kind,
             const struct kith_dict_options *options, void **dict_out)
{
    struct kith__shm_space *space = state;
    struct shm_dict *dict = kith__shm_state(sizeof(*dict));
    struct kith__bounds bounds = { options->max_items, options->max_bytes,
                                   (uint32_t)options->policy };
    kith_err err;

    if (dict == NULL)
        return KITH_ENOMEM;
    err = kith__shm_object_open(space, name, kind, options->create, init_dict, &bounds,
                                &dict->object);
    if (err < 0) {
        kith__free(dict);
        return err;
    }
    dict->dict = (struct kith__dict){ space->arena, dict->object.off, dict->object.id };
    *dict_out = dict;
    return KITH_OK;
}

static kith_err
dict_open(void *state, const char *name, const struct kith_dict_options *options, void **dict_out)
{
    return dict_open_as(state, name, KITH_KIND_DICT, options, dict_out);
}

static void
dict_close(void *state)
{
    struct shm_dict *dict = state;
    struct spare *spare = atomic_load(&dict->spare);

    kith__poller_close(&dict->poller);
    kith__shm_object_close(dict->dict.arena, &dict->object.keep);
    if (spare != NULL) {
        kith_buf_free(&spare->buf);
        kith__free(spare);
    }
    kith__free(dict);
}

/* ---- Reading -------------------------------------------------------------------------- */

/* Without a slot an item and its version come from two looks: until nothing changed between. */
static kith_err
get_readonly(struct kith__arena *arena, const struct kith__dict *dict, const struct kith__key *key,
             struct kith_buf *item_out, uint64_t *version_out)
{
    struct kith__found before, after;
    kith_err err;

    if (version_out == NULL)
        return kith__dict_get_readonly(arena, dict, key, item_out, NULL);
    do {
        err = kith__dict_get_readonly(arena, dict, key, NULL, &before);
        if (err == KITH_OK)
            err = kith__dict_get_readonly(arena, dict, key, item_out, NULL);
        if (err == KITH_OK)
            err = kith__dict_get_readonly(arena, dict, key, NULL, &after);
    } while (err == KITH_OK && before.version != after.version);
    if (err == KITH_OK)
        *version_out = after.version;
    return err;
}

static kith_err
get_with(struct kith__self *self, const struct shm_dict *dict, const struct kith__key *key,
         struct kith_buf *item_out, uint64_t *version_out)
{
    if (self == NULL)
        return get_readonly(dict->dict.arena, &dict->dict, key, item_out, version_out);
    return kith__dict_get(self, &dict->dict, key, item_out, version_out, NULL);
}

static __attribute__((noinline)) kith_err
get_any(const struct shm_dict *dict, const struct kith_item *key_item, struct kith_buf *item_out,
        uint64_t *version_out)
{
    struct kith__self *self;
    struct kith__key key;
    kith_err err = kith__shm_reader(dict->dict.arena, &self);

    if (err < 0)
        return err;
    err = make_key(dict->dict.arena, key_item, &key);
    if (err < 0)
        return err;
    err = get_with(self, dict, &key, item_out, version_out);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_get(void *state, const struct kith_item *key_item, struct kith_buf *item_out,
         uint64_t *version_out)
{
    const struct shm_dict *dict = state;
    struct kith__arena *arena = dict->dict.arena;
    struct kith__self *self = kith__self_last;
    struct kith__short_key key;
    enum kith__quick quick;

    if (version_out != NULL || self == NULL || self->arena != arena ||
        self->serial != arena->serial || !kith__short_key_of(arena->hash_key, key_item, &key))
        return get_any(dict, key_item, item_out, version_out);
    kith__reading_begin(self->actor);
    quick = kith__quick_get(&dict->dict, &key, item_out);
    kith__reading_end(self->actor);
    return quick == KITH__QUICK_FOUND    ? KITH_OK
           : quick == KITH__QUICK_ABSENT ? KITH_ENOENT
                                         : get_any(dict, key_item, item_out, NULL);
}

static kith_err
dict_has(void *state, const struct kith_item *key_item)
{
    return dict_get(state, key_item, NULL, NULL);
}

/* Memory for a copy that does not stay: the dict's spare one if nobody has it. */
static struct spare *
take_spare(struct shm_dict *dict)
{
    struct spare *spare = atomic_exchange(&dict->spare, NULL);

    return spare != NULL ? spare : kith__shm_state(sizeof(*spare));
}

static void
give_spare(struct shm_dict *dict, struct spare *spare)
{
    if (spare->buf.capacity > SPARE_MAX)
        kith_buf_free(&spare->buf);
    spare = atomic_exchange(&dict->spare, spare);
    if (spare != NULL) {
        kith_buf_free(&spare->buf);
        kith__free(spare);
    }
}

static kith_err
dict_get_into(void *state, const struct kith_item *key_item, void *data, size_t capacity,
              size_t *size_out)
{
    struct shm_dict *dict = state;
    struct spare *spare = take_spare(dict);
    const struct kith_item *item;
    kith_err err;

    if (spare == NULL)
        return KITH_ENOMEM;
    item = &spare->buf.item;
    err = dict_get(state, key_item, &spare->buf, NULL);
    if (err == KITH_OK && item->type != KITH_TYPE_STR && item->type != KITH_TYPE_BYTES)
        err = KITH_ETYPE;
    if (err == KITH_OK) {
        *size_out = item->size;
        if (item->size > capacity)
            err = KITH_ETOOBIG;
        else if (item->size > 0)
            memcpy(data, item->data, item->size);
    }
    give_spare(dict, spare);
    return err;
}

static kith_err
make_keys(const struct kith__arena *arena, const struct kith_item *items, size_t count,
          struct kith__key *keys)
{
    for (size_t i = 0; i < count; i++) {
        kith_err err = make_key(arena, &items[i], &keys[i]);

        if (err < 0) {
            while (i > 0)
                kith__key_free(&keys[--i]);
            return err;
        }
    }
    return KITH_OK;
}

static void
free_keys(struct kith__key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kith__key_free(&keys[i]);
}

static kith_err
too_many(size_t count)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for %zu keys at once.", count);
}

static kith_err
dict_get_many(void *state, const struct kith_item *key_items, size_t count,
              struct kith_buf *items_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    struct kith__key *keys;
    kith_err err = kith__shm_reader(dict->dict.arena, &self);

    if (err < 0)
        return err;
    keys = count > SIZE_MAX / sizeof(*keys) ? NULL : kith__malloc(count * sizeof(*keys));
    if (keys == NULL)
        return too_many(count);
    err = make_keys(dict->dict.arena, key_items, count, keys);
    if (err == KITH_OK) {
        err = kith__dict_get_many(self, &dict->dict, keys, count, items_out);
        free_keys(keys, count);
    }
    kith__free(keys);
    return err;
}

static kith_err
dict_view(void *state, const struct kith_item *key_item, struct kith__view *view_out)
{
    struct shm_dict *dict = state;
    struct kith__arena *arena = dict->dict.arena;
    struct kith__self *self;
    struct kith__key key;
    kith__word *pin = NULL;
    uint64_t off = 0;
    uint64_t meta = 0;
    kith_err err = kith__shm_reader(arena, &self);

    if (err == KITH_OK)
        err = make_key(arena, key_item, &key);
    if (err < 0)
        return err;
    if (self != NULL)
        err = kith__dict_pin(self, &dict->dict, &key, &pin, &off, &meta);
    if (err == KITH_OK && off != 0) {
        err = kith__shm_view_pinned(arena, pin, meta, off, view_out);
    } else if (err == KITH_OK || err == KITH_EFULL) {
        /* Small, nobody to pin it for, or as many pins as a process has: a copy does as well. */
        err = get_with(self, dict, &key, &view_out->copy, NULL);
        view_out->item = view_out->copy.item;
    }
    kith__key_free(&key);
    return err;
}

static kith_err
dict_len(void *state, uint64_t *count_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(dict->dict.arena, &self);

    return err < 0 ? err : kith__dict_len(self, &dict->dict, count_out);
}

static kith_err
dict_each(void *state, bool items,
          int (*each)(struct kith_item key, struct kith_item item, void *arg), void *arg)
{
    struct shm_dict *dict = state;
    struct kith__arena *arena = dict->dict.arena;
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__self *self;
    struct kith__copy copy;
    kith_err err = kith__shm_reader(arena, &self);

    if (err == KITH_OK)
        err = kith__dict_copy(self, &dict->dict, items, &copy);
    if (err < 0)
        return err;
    for (uint64_t i = 0; i < copy.count; i++) {
        struct kith_item item = { .type = KITH_TYPE_NONE };

        if (items)
            item = kith__copy_item(arena, &copy, i, tag);
        if (each(kith__copy_key(&copy, i), item, arg) != 0)
            break;
    }
    kith__copy_free(&copy);
    return KITH_OK;
}

struct copying {
    const struct kith__dict *dict;
    int (*each)(const struct kith__pair *pair, void *arg);
    void *arg;
    int64_t now;
};

/* What has expired is there no more, whether it was deleted or not. */
static int
copy_pair(struct kith_item key, struct kith_item item, int64_t expires, void *arg)
{
    const struct copying *copying = arg;
    struct kith__pair pair = { .key = key, .item = item };

    if (expires != 0 && expires <= copying->now)
        return 0;
    if (expires != 0)
        pair.left_ns = expires - copying->now;
    return copying->each(&pair, copying->arg);
}

static kith_err
dict_copy(void *state, bool rescue, int (*each)(const struct kith__pair *pair, void *arg),
          void *arg, uint64_t *lost_out)
{
    struct shm_dict *dict = state;
    struct kith__arena *arena = dict->dict.arena;
    struct copying copying = { &dict->dict, each, arg, kith__arena_now_ns(arena) };
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__self *self;
    struct kith__copy copy;
    kith_err err = kith__shm_reader(arena, &self);

    if (err == KITH_OK && rescue)
        return kith__dict_rescue(&dict->dict, copy_pair, &copying, lost_out);
    if (err == KITH_OK)
        err = kith__dict_copy(self, &dict->dict, true, &copy);
    if (err < 0)
        return err;
    for (uint64_t i = 0; i < copy.count; i++)
        if (copy_pair(kith__copy_key(&copy, i), kith__copy_item(arena, &copy, i, tag),
                      copy.entries[i].expires, &copying) != 0)
            break;
    kith__copy_free(&copy);
    return KITH_OK;
}

static kith_err
dict_info(void *state, struct kith_dict_info *info_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    kith_err err = kith__shm_reader(dict->dict.arena, &self);

    return err < 0 ? err : kith__dict_info(self, &dict->dict, info_out, NULL);
}

/* ---- Changing one key ----------------------------------------------------------------- */

static kith_err
change(struct shm_dict *dict, const struct kith_item *key_item, const struct kith__change *change)
{
    struct kith__self *self = kith__shm_self(dict->dict.arena);
    struct kith__key key;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = make_key(dict->dict.arena, key_item, &key);
    if (err < 0)
        return err;
    err = kith__dict_change(self, &dict->dict, &key, change);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_set(void *state, const struct kith_item *key, const struct kith_item *item)
{
    return change(state, key, &(struct kith__change){ .what = KITH__CHANGE_SET, .item = *item });
}

static kith_err
dict_edit(void *state, const struct kith_item *key, const struct kith__edit *edit)
{
    static const enum kith__change_what whats[] = {
        [KITH__EDIT_INSERT] = KITH__CHANGE_INSERT,
        [KITH__EDIT_REPLACE] = KITH__CHANGE_REPLACE,
        [KITH__EDIT_SETDEFAULT] = KITH__CHANGE_SETDEFAULT,
        [KITH__EDIT_SWAP] = KITH__CHANGE_SET,
        [KITH__EDIT_CAS] = KITH__CHANGE_CAS,
        [KITH__EDIT_CAS_VERSION] = KITH__CHANGE_CAS_VERSION,
        [KITH__EDIT_DELETE] = KITH__CHANGE_DELETE,
        [KITH__EDIT_DELETE_IF] = KITH__CHANGE_DELETE_IF,
        [KITH__EDIT_DELETE_VERSION] = KITH__CHANGE_DELETE_VERSION,
    };
    struct kith__change c = { .what = whats[edit->what],
                              .version = edit->version,
                              .ttl_ns = edit->ttl_ns,
                              .out = edit->out };

    if (edit->item != NULL)
        c.item = *edit->item;
    if (edit->expected != NULL)
        c.expected = *edit->expected;
    return change(state, key, &c);
}

static kith_err
number(struct shm_dict *dict, const struct kith_item *key_item, const struct kith__number *number,
       int64_t *now_out)
{
    struct kith__self *self = kith__shm_self(dict->dict.arena);
    struct kith__key key;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = make_key(dict->dict.arena, key_item, &key);
    if (err < 0)
        return err;
    err = kith__dict_number(self, &dict->dict, &key, number, now_out);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_add(void *state, const struct kith_item *key, int64_t n, int64_t *now_out)
{
    return number(state, key, &(struct kith__number){ .what = KITH__NUMBER_ADD, .n = n }, now_out);
}

static kith_err
dict_sum(void *state, const struct kith_item *key, const struct kith__sum *sum, int64_t *now_out)
{
    static const enum kith__number_what whats[] = {
        [KITH__SUM_ADD] = KITH__NUMBER_ADD, [KITH__SUM_ADD_LIMIT] = KITH__NUMBER_ADD_LIMIT,
        [KITH__SUM_SUB] = KITH__NUMBER_SUB, [KITH__SUM_MIN] = KITH__NUMBER_MIN,
        [KITH__SUM_MAX] = KITH__NUMBER_MAX, [KITH__SUM_AND] = KITH__NUMBER_AND,
        [KITH__SUM_OR] = KITH__NUMBER_OR,   [KITH__SUM_XOR] = KITH__NUMBER_XOR,
    };

    return number(state, key,
                  &(struct kith__number){ .what = whats[sum->what],
                                          .n = sum->n,
                                          .init = sum->init,
                                          .limit = sum->limit,
                                          .ttl_ns = sum->ttl_ns },
                  now_out);
}

static kith_err
dict_add_float(void *state, const struct kith_item *key_item, double n, double *now_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);
    struct kith__key key;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    err = make_key(dict->dict.arena, key_item, &key);
    if (err < 0)
        return err;
    err = kith__dict_add_float(self, &dict->dict, &key, n, now_out);
    kith__key_free(&key);
    return err;
}

/* ---- Changing many -------------------------------------------------------------------- */

static kith_err
dict_popitem(void *state, struct kith_buf *key_out, struct kith_buf *item_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__dict_popitem(self, &dict->dict, key_out, item_out);
}

static kith_err
dict_clear(void *state)
{
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);

    return self == NULL ? kith__shm_refusal() : kith__dict_clear(self, &dict->dict);
}

static kith_err
dict_many(void *state, enum kith__many_what what, const struct kith_item *key_items,
          const struct kith_item *items, const int64_t *ns, size_t count, uint64_t *done_out)
{
    static const enum kith__txn_what whats[] = {
        [KITH__MANY_SET] = KITH__TXN_SET,
        [KITH__MANY_DELETE] = KITH__TXN_DELETE,
        [KITH__MANY_ADD] = KITH__TXN_ADD,
    };
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);
    struct kith__txn_step *steps;
    struct kith__key *keys;
    uint64_t done = 0;
    size_t failed;
    kith_err err;

    if (self == NULL)
        return kith__shm_refusal();
    steps = count > SIZE_MAX / (sizeof(*steps) + sizeof(*keys))
                ? NULL
                : kith__self_scratch(self, count * (sizeof(*steps) + sizeof(*keys)));
    if (steps == NULL)
        return too_many(count);
    keys = (struct kith__key *)(void *)(steps + count);
    err = make_keys(dict->dict.arena, key_items, count, keys);
    if (err < 0)
        return err;
    for (size_t i = 0; i < count; i++) {
        steps[i] =
            (struct kith__txn_step){ .what = whats[what], .dict = dict->dict, .key = &keys[i] };
        if (items != NULL)
            steps[i].item = items[i];
        if (ns != NULL)
            steps[i].n = ns[i];
    }
    err = kith__txn_run(self, steps, count, &failed);
    for (size_t i = 0; i < count && done_out != NULL; i++)
        done += steps[i].done;
    if (err >= 0 && done_out != NULL)
        *done_out = done;
    free_keys(keys, count);
    return err;
}

/* ---- What expires ---------------------------------------------------------------------- */

static kith_err
dict_get_stale(void *state, const struct kith_item *key_item, struct kith_buf *item_out,
               int64_t *expires_in_out)
{
    struct shm_dict *dict = state;
    struct kith__arena *arena = dict->dict.arena;
    struct kith__self *self;
    struct kith__key key;
    int64_t expires = 0;
    kith_err err = kith__shm_reader(arena, &self);

    if (err == KITH_OK)
        err = make_key(arena, key_item, &key);
    if (err < 0)
        return err;
    if (self != NULL)
        err = kith__dict_get_stale(self, &dict->dict, &key, item_out, &expires);
    else
        err = kith__dict_get_stale_readonly(arena, &dict->dict, &key, item_out, &expires);
    kith__key_free(&key);
    if (err == KITH_OK && expires_in_out != NULL)
        *expires_in_out = expires == 0 ? INT64_MAX : expires - kith__arena_now_ns(arena);
    return err;
}

/* Makes the key, and finds who asks; what follows frees the key. */
static kith_err
begin(struct shm_dict *dict, const struct kith_item *key_item, struct kith__self **self_out,
      struct kith__key *key_out)
{
    *self_out = kith__shm_self(dict->dict.arena);
    return *self_out == NULL ? kith__shm_refusal() : make_key(dict->dict.arena, key_item, key_out);
}

static kith_err
dict_life(void *state, const struct kith_item *key_item, enum kith__life_what what, int64_t ttl_ns)
{
    static const enum kith__lifetime_what whats[] = {
        [KITH__LIFE_EXPIRE] = KITH__LIFETIME_EXPIRE,
        [KITH__LIFE_PERSIST] = KITH__LIFETIME_PERSIST,
        [KITH__LIFE_TOUCH] = KITH__LIFETIME_TOUCH,
    };
    struct shm_dict *dict = state;
    struct kith__self *self;
    struct kith__key key;
    kith_err err = begin(dict, key_item, &self, &key);

    if (err < 0)
        return err;
    err = kith__dict_lifetime(self, &dict->dict, &key, whats[what], ttl_ns);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_purge(void *state, uint64_t *count_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);

    return self == NULL ? kith__shm_refusal() : kith__dict_purge(self, &dict->dict, count_out);
}

static kith_err
dict_wait(void *state, const struct kith_item *key_item, uint64_t version, int64_t deadline_ns,
          struct kith_buf *item_out, uint64_t *version_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    struct kith__key key;
    kith_err err = begin(dict, key_item, &self, &key);

    if (err < 0)
        return err;
    err = kith__dict_wait(self, &dict->dict, &key, version, deadline_ns, item_out, version_out);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_flight_begin(void *state, const struct kith_item *key_item, int64_t deadline_ns,
                  bool *mine_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    struct kith__key key;
    kith_err err = begin(dict, key_item, &self, &key);

    if (err < 0)
        return err;
    err = kith__flight_begin(self, &dict->dict, &key, deadline_ns, mine_out);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_flight_end(void *state, const struct kith_item *key_item)
{
    struct shm_dict *dict = state;
    struct kith__self *self;
    struct kith__key key;
    kith_err err = begin(dict, key_item, &self, &key);

    if (err < 0)
        return err;
    err = kith__flight_end(self, &dict->dict, &key);
    kith__key_free(&key);
    return err;
}

static kith_err
dict_poll_fd(void *state, int *fd_out)
{
    struct shm_dict *dict = state;
    struct kith__self *self = kith__shm_self(dict->dict.arena);

    return self == NULL ? kith__shm_refusal()
                        : kith__dict_arm(self, &dict->dict, &dict->poller, fd_out);
}

const struct kith__dict_ops kith__shm_dict_ops = {
    .open = dict_open,
    .open_as = dict_open_as,
    .close = dict_close,
    .get = dict_get,
    .has = dict_has,
    .set = dict_set,
    .add = dict_add,
    .get_into = dict_get_into,
    .get_many = dict_get_many,
    .view = dict_view,
    .len = dict_len,
    .each = dict_each,
    .copy = dict_copy,
    .info = dict_info,
    .edit = dict_edit,
    .popitem = dict_popitem,
    .clear = dict_clear,
    .sum = dict_sum,
    .add_float = dict_add_float,
    .many = dict_many,
    .get_stale = dict_get_stale,
    .life = dict_life,
    .purge = dict_purge,
    .wait = dict_wait,
    .flight_begin = dict_flight_begin,
    .flight_end = dict_flight_end,
    .poll_fd = dict_poll_fd,
};
